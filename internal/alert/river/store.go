package river

import (
	"database/sql"
	"errors"
	"math"
	"strings"
	"time"

	"trojmezi/internal/kernel/store"
)

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// thousandths keeps a value as a whole number, the same in both databases.
func thousandths(v float64) int64 { return int64(math.Round(v * 1000)) }

func value(n int64) float64 { return float64(n) / 1000 }

func degrees(n sql.NullInt64) float64 {
	if !n.Valid {
		return math.NaN()
	}
	return float64(n.Int64) / 1e6
}

func micro(v float64) sql.NullInt64 {
	return sql.NullInt64{Int64: int64(math.Round(v * 1e6)), Valid: !math.IsNaN(v)}
}

// list runs a query and reads each row.
func list[T any](tx *store.Tx, scan func(interface{ Scan(...any) error }) (T, error), query string, args ...any) ([]T, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// Station is a gauge as a service tells of it.
type Station struct {
	Kind                             store.Kind
	ID, Service, Number, Name, River string
	Lat, Lon                         float64 // NaN: not known
	Trend                            string
	Remarks                          []string
	FirstAt, ReadAt                  time.Time
	Endpoint                         string
	Foretold                         bool // the service says that it has a forecast
}

const stationColumns = `kind, id, service, number, name, river, lat, lon, trend, remarks, first_at, read_at, endpoint, foretold`

func scanStation(row interface{ Scan(...any) error }) (s Station, err error) {
	var lat, lon sql.NullInt64
	var remarks string
	var first, read, foretold int64
	err = row.Scan(&s.Kind, &s.ID, &s.Service, &s.Number, &s.Name, &s.River, &lat, &lon, &s.Trend, &remarks, &first, &read, &s.Endpoint, &foretold)
	s.Foretold = foretold == 1
	s.Lat, s.Lon, s.FirstAt, s.ReadAt = degrees(lat), degrees(lon), moment(first), moment(read)
	if remarks != "" {
		s.Remarks = strings.Split(remarks, "\n")
	}
	return s, err
}

func stationsOf(tx *store.Tx, kind store.Kind) ([]Station, error) {
	return list(tx, scanStation, `SELECT `+stationColumns+` FROM river_station WHERE kind = $1 ORDER BY id`, kind)
}

// stationByID is one, with ok false for none.
func stationByID(tx *store.Tx, kind store.Kind, id string) (s Station, ok bool, err error) {
	s, err = scanStation(tx.Row(`SELECT `+stationColumns+` FROM river_station WHERE kind = $1 AND id = $2`, kind, id))
	if errors.Is(err, store.ErrNoRows) {
		return s, false, nil
	}
	return s, err == nil, err
}

func putStation(tx *store.Tx, s Station) error {
	_, err := tx.Exec(`INSERT INTO river_station (`+stationColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (kind, id) DO UPDATE SET name = excluded.name, river = excluded.river, lat = excluded.lat, lon = excluded.lon, trend = excluded.trend,
			remarks = excluded.remarks, read_at = excluded.read_at, endpoint = excluded.endpoint, foretold = excluded.foretold`,
		s.Kind, s.ID, s.Service, s.Number, s.Name, s.River, micro(s.Lat), micro(s.Lon), s.Trend, strings.Join(s.Remarks, "\n"), millis(s.FirstAt), millis(s.ReadAt), s.Endpoint, flag(s.Foretold))
	return err
}

func flag(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// Value is a point as it is kept.
type Value struct {
	Point
	Was  float64 // what the service said before; NaN: the same
	Read time.Time
	Mark Mark
}

func scanValue(row interface{ Scan(...any) error }) (v Value, err error) {
	var at, n, read int64
	var was sql.NullInt64
	err = row.Scan(&at, &n, &was, &read, &v.Mark)
	v.At, v.Value, v.Read, v.Was = moment(at), value(n), moment(read), math.NaN()
	if was.Valid {
		v.Was = value(was.Int64)
	}
	return v, err
}

// valuesOf are the values of a station from a moment on, the oldest first.
func valuesOf(tx *store.Tx, kind store.Kind, station string, unit Unit, from, to time.Time) ([]Value, error) {
	return list(tx, scanValue, `SELECT at, value, was, read_at, mark FROM river_point WHERE kind = $1 AND station = $2 AND unit = $3 AND at >= $4 AND at <= $5 ORDER BY at`,
		kind, station, unit, from.UnixMilli(), to.UnixMilli())
}

// goodBefore is when the last good value up to a moment was measured; zero for none.
func goodBefore(tx *store.Tx, kind store.Kind, station string, unit Unit, at time.Time) (time.Time, error) {
	var ms int64
	err := tx.Row(`SELECT COALESCE(MAX(at), 0) FROM river_point WHERE kind = $1 AND station = $2 AND unit = $3 AND mark = '' AND at <= $4`, kind, station, unit, at.UnixMilli()).Scan(&ms)
	return moment(ms), err
}

// latestOf is the newest value of a station that was measured up to a moment; ok is false
// for none.
func latestOf(tx *store.Tx, kind store.Kind, station string, unit Unit, good bool, to time.Time) (v Value, ok bool, err error) {
	q := `SELECT at, value, was, read_at, mark FROM river_point WHERE kind = $1 AND station = $2 AND unit = $3 AND at <= $4`
	if good {
		q += ` AND mark = ''`
	}
	v, err = scanValue(tx.Row(q+` ORDER BY at DESC LIMIT 1`, kind, station, unit, to.UnixMilli()))
	if errors.Is(err, store.ErrNoRows) {
		return v, false, nil
	}
	return v, err == nil, err
}

func addValue(tx *store.Tx, kind store.Kind, station string, unit Unit, p Point, read time.Time) error {
	_, err := tx.Exec(`INSERT INTO river_point (kind, station, unit, at, value, was, read_at, mark) VALUES ($1, $2, $3, $4, $5, NULL, $6, '')`,
		kind, station, unit, p.At.UnixMilli(), thousandths(p.Value), millis(read))
	return err
}

// changeValue keeps what a service says anew of a moment, and what it said before.
func changeValue(tx *store.Tx, kind store.Kind, station string, unit Unit, p Point, was float64, read time.Time) error {
	_, err := tx.Exec(`UPDATE river_point SET value = $5, was = $6, read_at = $7 WHERE kind = $1 AND station = $2 AND unit = $3 AND at = $4`,
		kind, station, unit, p.At.UnixMilli(), thousandths(p.Value), thousandths(was), millis(read))
	return err
}

func setMark(tx *store.Tx, kind store.Kind, station string, unit Unit, at time.Time, m Mark) error {
	_, err := tx.Exec(`UPDATE river_point SET mark = $5 WHERE kind = $1 AND station = $2 AND unit = $3 AND at = $4`, kind, station, unit, at.UnixMilli(), m)
	return err
}

// dropValue takes one out of the series.
func dropValue(tx *store.Tx, kind store.Kind, station string, unit Unit, at time.Time) error {
	_, err := tx.Exec(`DELETE FROM river_point WHERE kind = $1 AND station = $2 AND unit = $3 AND at = $4`, kind, station, unit, at.UnixMilli())
	return err
}

// DatedLimit is a limit with the time in which a service told it.
type DatedLimit struct {
	Limit
	Since, Until time.Time // Until is zero while it holds
	Endpoint     string
}

func scanLimit(row interface{ Scan(...any) error }) (l DatedLimit, err error) {
	var n, since, until int64
	err = row.Scan(&l.Name, &l.Unit, &n, &since, &until, &l.Endpoint)
	l.From, l.Since, l.Until = value(n), moment(since), moment(until)
	return l, err
}

// limitsOf are the limits of a station, those of former days too, the newest last.
func limitsOf(tx *store.Tx, kind store.Kind, station string) ([]DatedLimit, error) {
	return list(tx, scanLimit, `SELECT name, unit, value, since, until, endpoint FROM river_limit WHERE kind = $1 AND station = $2 ORDER BY unit, value, since, name`, kind, station)
}

func endLimit(tx *store.Tx, kind store.Kind, station string, l DatedLimit, at time.Time) error {
	_, err := tx.Exec(`UPDATE river_limit SET until = $6 WHERE kind = $1 AND station = $2 AND name = $3 AND unit = $4 AND since = $5`,
		kind, station, l.Name, l.Unit, millis(l.Since), millis(at))
	return err
}

func addLimit(tx *store.Tx, kind store.Kind, station string, l DatedLimit) error {
	_, err := tx.Exec(`INSERT INTO river_limit (kind, station, name, unit, value, since, until, endpoint) VALUES ($1, $2, $3, $4, $5, $6, 0, $7)
		ON CONFLICT (kind, station, name, unit, since) DO UPDATE SET value = excluded.value, until = 0, endpoint = excluded.endpoint`,
		kind, station, l.Name, l.Unit, thousandths(l.From), millis(l.Since), l.Endpoint)
	return err
}

// Number is the number of a service for one of our gauges, as a person said it.
type Number struct {
	Station, Gauge, Source, Person string
	At                             time.Time
}

func numbers(tx *store.Tx) ([]Number, error) {
	return list(tx, func(row interface{ Scan(...any) error }) (n Number, err error) {
		var at int64
		err = row.Scan(&n.Station, &n.Gauge, &n.Source, &n.Person, &at)
		n.At = moment(at)
		return n, err
	}, `SELECT station, gauge, source, person, at FROM river_number ORDER BY station`)
}

func putNumber(tx *store.Tx, n Number) error {
	_, err := tx.Exec(`INSERT INTO river_number (station, gauge, source, person, at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (station) DO UPDATE SET gauge = excluded.gauge, source = excluded.source, person = excluded.person, at = excluded.at`,
		n.Station, n.Gauge, n.Source, n.Person, millis(n.At))
	return err
}

func dropNumber(tx *store.Tx, station string) (int64, error) {
	return tx.Exec(`DELETE FROM river_number WHERE station = $1`, station)
}

// Travel is how long a wave takes from one gauge to another.
type Travel struct {
	ID, Upper, Lower string
	Least, Most      time.Duration
	Source           string
	On               string // day of the source, ISO 8601
	Person           string
	At, Ended        time.Time
}

func scanTravel(row interface{ Scan(...any) error }) (t Travel, err error) {
	var least, most, at, ended int64
	err = row.Scan(&t.ID, &t.Upper, &t.Lower, &least, &most, &t.Source, &t.On, &t.Person, &at, &ended)
	t.Least, t.Most, t.At, t.Ended = time.Duration(least)*time.Minute, time.Duration(most)*time.Minute, moment(at), moment(ended)
	return t, err
}

// travels are those that hold.
func travels(tx *store.Tx) ([]Travel, error) {
	return list(tx, scanTravel, `SELECT id, upper, lower, least, most, source, valid_on, person, at, ended_at FROM river_travel WHERE ended_at = 0 ORDER BY at, id`)
}

// putTravel writes a travel time; what held for the two gauges ends.
func putTravel(tx *store.Tx, t Travel) error {
	if _, err := tx.Exec(`UPDATE river_travel SET ended_at = $3 WHERE upper = $1 AND lower = $2 AND ended_at = 0`, t.Upper, t.Lower, millis(t.At)); err != nil {
		return err
	}
	_, err := tx.Exec(`INSERT INTO river_travel (id, upper, lower, least, most, source, valid_on, person, at, ended_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)`,
		t.ID, t.Upper, t.Lower, int64(t.Least.Minutes()), int64(t.Most.Minutes()), t.Source, t.On, t.Person, millis(t.At))
	return err
}

// told are the crossings of one limit since a moment, and the one that lasts.
func told(tx *store.Tx, kind store.Kind, gauge string, unit Unit, name string, since time.Time) ([]Crossing, error) {
	return list(tx, func(row interface{ Scan(...any) error }) (c Crossing, err error) {
		var up, down, peak int64
		err = row.Scan(&c.ID, &up, &down, &peak)
		c.Up, c.Down, c.Peak = moment(up), moment(down), value(peak)
		return c, err
	}, `SELECT id, up_at, down_at, peak FROM river_crossing WHERE kind = $1 AND gauge = $2 AND unit = $3 AND name = $4 AND (down_at = 0 OR down_at >= $5) ORDER BY up_at, id`,
		kind, gauge, unit, name, millis(since))
}

// OpenCrossing is a time above a limit, or of a fast rise, that lasts.
type OpenCrossing struct {
	Gauge string
	Unit  Unit
	Name  string // "": a fast rise
	Up    time.Time
	Peak  float64
}

func openCrossings(tx *store.Tx, kind store.Kind) ([]OpenCrossing, error) {
	return list(tx, func(row interface{ Scan(...any) error }) (c OpenCrossing, err error) {
		var up, peak int64
		err = row.Scan(&c.Gauge, &c.Unit, &c.Name, &up, &peak)
		c.Up, c.Peak = moment(up), value(peak)
		return c, err
	}, `SELECT gauge, unit, name, up_at, peak FROM river_crossing WHERE kind = $1 AND down_at = 0 ORDER BY up_at, name`, kind)
}

func putCrossing(tx *store.Tx, kind store.Kind, gauge string, unit Unit, name string, c Crossing) error {
	_, err := tx.Exec(`INSERT INTO river_crossing (id, kind, gauge, unit, name, up_at, down_at, peak) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (id) DO UPDATE SET down_at = excluded.down_at, peak = excluded.peak`,
		c.ID, kind, gauge, unit, name, millis(c.Up), millis(c.Down), thousandths(c.Peak))
	return err
}

// moveCrossings puts what was told of a station under the gauge that it is.
func moveCrossings(tx *store.Tx, from, to string) error {
	for _, q := range []string{
		`UPDATE river_crossing SET gauge = $2 WHERE gauge = $1`, `UPDATE river_alarm SET gauge = $2 WHERE gauge = $1`,
		`UPDATE river_stage SET gauge = $2 WHERE gauge = $1`, `UPDATE river_right SET gauge = $2 WHERE gauge = $1`,
		`UPDATE river_hint SET gauge = $2 WHERE gauge = $1`,
	} {
		if _, err := tx.Exec(q, from, to); err != nil {
			return err
		}
	}
	return nil
}

const alarmColumns = `id, kind, gauge, cause, unit, name, from_value, value, rise, minutes, at, told_at`

func scanAlarm(row interface{ Scan(...any) error }) (a Alarm, err error) {
	var from, v, rise, minutes, at, told int64
	err = row.Scan(&a.ID, &a.Kind, &a.Gauge, &a.Cause, &a.Unit, &a.Name, &from, &v, &rise, &minutes, &at, &told)
	a.From, a.Value, a.Rise, a.Within, a.At, a.Told = value(from), value(v), value(rise), time.Duration(minutes)*time.Minute, moment(at), moment(told)
	return a, err
}

func addAlarm(tx *store.Tx, a Alarm) error {
	_, err := tx.Exec(`INSERT INTO river_alarm (`+alarmColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		a.ID, a.Kind, a.Gauge, a.Cause, a.Unit, a.Name, thousandths(a.From), thousandths(a.Value), thousandths(a.Rise), int64(a.Within.Minutes()), millis(a.At), millis(a.Told))
	return err
}

// alarmsOf are the newest alarms, of one gauge or ("") of all.
func alarmsOf(tx *store.Tx, kind store.Kind, gauge string, limit int) ([]Alarm, error) {
	return list(tx, scanAlarm, `SELECT `+alarmColumns+` FROM river_alarm WHERE kind = $1 AND (gauge = $2 OR $2 = '') ORDER BY told_at DESC, id DESC LIMIT $3`, kind, gauge, limit)
}

// Proclaimed is a stage that an authority proclaimed, as somebody here wrote it down.
type Proclaimed struct {
	ID                    string
	Kind                  store.Kind
	Gauge, Country, Stage string
	Area                  string // "": at the gauge
	Authority, Source     string
	At                    time.Time
	Person                string
	Entered               time.Time
	Ended                 time.Time // zero while it holds
	EndSource, EndPerson  string
	EndEntered            time.Time
}

const stageColumns = `id, kind, gauge, country, stage, area, authority, at, source, person, entered_at, ended_at, end_source, end_person, end_entered`

func scanProclaimed(row interface{ Scan(...any) error }) (p Proclaimed, err error) {
	var at, entered, ended, end int64
	err = row.Scan(&p.ID, &p.Kind, &p.Gauge, &p.Country, &p.Stage, &p.Area, &p.Authority, &at, &p.Source, &p.Person, &entered, &ended, &p.EndSource, &p.EndPerson, &end)
	p.At, p.Entered, p.Ended, p.EndEntered = moment(at), moment(entered), moment(ended), moment(end)
	return p, err
}

// proclaimedAt are the stages of one gauge or ("") of all, those that hold first.
func proclaimedAt(tx *store.Tx, kind store.Kind, gauge string, holding bool) ([]Proclaimed, error) {
	q := `SELECT ` + stageColumns + ` FROM river_stage WHERE kind = $1 AND (gauge = $2 OR $2 = '')`
	if holding {
		q += ` AND ended_at = 0`
	}
	return list(tx, scanProclaimed, q+` ORDER BY CASE WHEN ended_at = 0 THEN 0 ELSE 1 END, at DESC, id DESC LIMIT 200`, kind, gauge)
}

func proclaimedByID(tx *store.Tx, id string) (Proclaimed, error) {
	return scanProclaimed(tx.Row(`SELECT `+stageColumns+` FROM river_stage WHERE id = $1`, id))
}

func addProclaimed(tx *store.Tx, p Proclaimed) error {
	_, err := tx.Exec(`INSERT INTO river_stage (`+stageColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, '', '', 0)`,
		p.ID, p.Kind, p.Gauge, p.Country, p.Stage, p.Area, p.Authority, millis(p.At), p.Source, p.Person, millis(p.Entered))
	return err
}

func endProclaimed(tx *store.Tx, p Proclaimed) (int64, error) {
	return tx.Exec(`UPDATE river_stage SET ended_at = $2, end_source = $3, end_person = $4, end_entered = $5 WHERE id = $1 AND ended_at = 0`,
		p.ID, millis(p.Ended), p.EndSource, p.EndPerson, millis(p.EndEntered))
}

// Right is a moment from which values are right although they jump.
type Right struct {
	ID      string
	Kind    store.Kind
	Gauge   string
	At      time.Time
	Moved   bool // the zero of the gauge was moved, not the river
	Source  string
	Person  string
	Entered time.Time
}

func rightsOf(tx *store.Tx, kind store.Kind, gauge string) ([]Right, error) {
	return list(tx, func(row interface{ Scan(...any) error }) (r Right, err error) {
		var at, moved, entered int64
		err = row.Scan(&r.ID, &r.Kind, &r.Gauge, &at, &moved, &r.Source, &r.Person, &entered)
		r.At, r.Moved, r.Entered = moment(at), moved == 1, moment(entered)
		return r, err
	}, `SELECT id, kind, gauge, at, moved, source, person, entered_at FROM river_right WHERE kind = $1 AND gauge = $2 ORDER BY at`, kind, gauge)
}

func addRight(tx *store.Tx, r Right) error {
	_, err := tx.Exec(`INSERT INTO river_right (id, kind, gauge, at, moved, source, person, entered_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		r.ID, r.Kind, r.Gauge, millis(r.At), flag(r.Moved), r.Source, r.Person, millis(r.Entered))
	return err
}

// forecastOf is an issue of a station's forecast, the newest for the zero time; ok is
// false for none.
func forecastOf(tx *store.Tx, kind store.Kind, station string, issued time.Time) (f Forecast, ok bool, err error) {
	q, args := `SELECT issued, read_at, endpoint FROM river_forecast WHERE kind = $1 AND station = $2`, []any{kind, station}
	if !issued.IsZero() {
		q, args = q+` AND issued = $3`, append(args, millis(issued))
	}
	var at, read int64
	err = tx.Row(q+` ORDER BY issued DESC LIMIT 1`, args...).Scan(&at, &read, &f.Endpoint)
	if errors.Is(err, store.ErrNoRows) {
		return f, false, nil
	}
	if err != nil {
		return f, false, err
	}
	f.Station, f.Issued, f.Read = station, moment(at), moment(read)
	f.Service, _, _ = strings.Cut(station, "/")
	f.Levels, err = list(tx, func(row interface{ Scan(...any) error }) (e Expected, err error) {
		var at, n, estimate int64
		err = row.Scan(&at, &n, &estimate)
		e.At, e.Value, e.Estimate = moment(at), value(n), estimate == 1
		return e, err
	}, `SELECT at, value, estimate FROM river_expected WHERE kind = $1 AND station = $2 AND issued = $3 ORDER BY at`, kind, station, at)
	return f, err == nil, err
}

// putForecast writes an issue in the place of what was said of it before.
func putForecast(tx *store.Tx, kind store.Kind, f Forecast) error {
	if _, err := tx.Exec(`INSERT INTO river_forecast (kind, station, issued, read_at, endpoint) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (kind, station, issued) DO UPDATE SET read_at = excluded.read_at, endpoint = excluded.endpoint`,
		kind, f.Station, millis(f.Issued), millis(f.Read), f.Endpoint); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM river_expected WHERE kind = $1 AND station = $2 AND issued = $3`, kind, f.Station, millis(f.Issued)); err != nil {
		return err
	}
	for _, e := range f.Levels {
		if _, err := tx.Exec(`INSERT INTO river_expected (kind, station, issued, at, value, estimate) VALUES ($1, $2, $3, $4, $5, $6)`,
			kind, f.Station, millis(f.Issued), millis(e.At), thousandths(e.Value), flag(e.Estimate)); err != nil {
			return err
		}
	}
	return nil
}

// dropForecasts removes the issues before a moment.
func dropForecasts(tx *store.Tx, kind store.Kind, station string, before time.Time) error {
	for _, q := range []string{`DELETE FROM river_expected WHERE kind = $1 AND station = $2 AND issued < $3`, `DELETE FROM river_forecast WHERE kind = $1 AND station = $2 AND issued < $3`} {
		if _, err := tx.Exec(q, kind, station, millis(before)); err != nil {
			return err
		}
	}
	return nil
}

const hintColumns = `id, kind, gauge, service, name, from_value, value, at, issued, told_at`

func addHint(tx *store.Tx, h Hint) error {
	_, err := tx.Exec(`INSERT INTO river_hint (`+hintColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		h.ID, h.Kind, h.Gauge, h.Service, h.Name, thousandths(h.From), thousandths(h.Value), millis(h.At), millis(h.Issued), millis(h.Told))
	return err
}

// hintsOf are the newest hints of a gauge.
func hintsOf(tx *store.Tx, kind store.Kind, gauge string, limit int) ([]Hint, error) {
	return list(tx, func(row interface{ Scan(...any) error }) (h Hint, err error) {
		var from, v, at, issued, told int64
		err = row.Scan(&h.ID, &h.Kind, &h.Gauge, &h.Service, &h.Name, &from, &v, &at, &issued, &told)
		h.From, h.Value, h.At, h.Issued, h.Told = value(from), value(v), moment(at), moment(issued), moment(told)
		return h, err
	}, `SELECT `+hintColumns+` FROM river_hint WHERE kind = $1 AND gauge = $2 ORDER BY told_at DESC, id DESC LIMIT $3`, kind, gauge, limit)
}
