package river

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"trojmezi/internal/alert/gauge"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web/sign"
)

// Topic is notified when something of the rivers changed.
const Topic = "river"

// Options are what a service stands on.
type Options struct {
	DB    *store.DB
	Audit *audit.Log
	Clock *clock.Clock
	Log   *slog.Logger
	// Tell hands an alarm on in the transaction that took the values; nil: nobody is told.
	Tell func(*store.Tx, Alarm) error
	// Hint hands on that a forecast reaches a limit, likewise; nil: nobody is told.
	Hint func(*store.Tx, Hint) error
}

// Service keeps what gauges say. It is safe for concurrent use.
type Service struct{ o Options }

// New returns the service.
func New(o Options) *Service { return &Service{o} }

// Alarm is what people are told. It was committed with the values it is of.
type Alarm struct {
	ID     string
	Kind   store.Kind
	Gauge  string // key, or ID of a service's station
	Where  string // name of the gauge
	River  string // its names
	Cause  Cause  // Up, Down, Fast or Past
	Unit   Unit
	Name   string     // of the limit, national; "" of a rise
	Level  sign.Level // common colour of the limit; "" of a name that is not known
	From   float64    // the limit
	Value  float64    // measured
	Rise   float64    // cm, within Within
	Within time.Duration
	At     time.Time // measured
	Told   time.Time
}

// From says whose document a reading is and when it was fetched.
type From struct {
	Service  string // name of the feed: "chmi", "imgw", "saxony"
	Endpoint string // address it was fetched from
	Fetched  time.Time
	Kind     store.Kind
}

// Taken is what became of a reading.
type Taken struct {
	Stations int // kept
	Others   int // of no river of the region
	Values   int // new
	Changed  int // said anew of a moment that was known
	Late     int // among the new ones: older than another one that was known
	Refused  int // too old, of a day to come, or no number a gauge can show
	Limits   int // new or changed
	Alarms   []Alarm
	// Forecasts are the issues that are new or say something else than before.
	Forecasts int
	Hints     []Hint
}

// window is how far back values are looked at again with each new one, and so how late
// one may come and still count.
const window = 48 * time.Hour

// Bounds of what is kept at all.
const (
	oldest  = 14 * 24 * time.Hour // older values are of no use to anybody on duty
	latest  = 24 * time.Hour      // in the future: a wrong day, not a wrong clock
	largest = 1e6
	longest = 300 // of what a service writes
)

// Take keeps what a document says, and writes the alarms that follow from it, in one
// transaction. Taking the same again changes nothing.
func (s *Service) Take(tx *store.Tx, from From, r *gauge.Reading) (Taken, error) {
	const op = "river.Take"
	var t Taken
	if !from.Kind.Valid() || from.Service == "" || from.Fetched.IsZero() {
		return t, problem.New(op, problem.Invalid, "river.fault.from", nil)
	}
	rules, err := Settings(tx)
	if err != nil {
		return t, problem.Wrap(op, err)
	}
	known, err := numbers(tx)
	if err != nil {
		return t, problem.Wrap(op, err)
	}
	var touched []string
	expected := map[string]*Forecast{} // the newest forecast of a gauge before this document
	for i := range r.Stations {
		st := &r.Stations[i]
		id := from.Service + "/" + st.Number
		old, found, err := stationByID(tx, from.Kind, id)
		if err != nil {
			return t, problem.Wrap(op, err)
		}
		linked := slices.ContainsFunc(known, func(n Number) bool { return n.Station == id })
		if st.Number == "" || len(id) > longest || !found && !linked && !Shipped.wanted(id, st.River, st.Lat, st.Lon) {
			t.Others++
			continue
		}
		t.Stations++
		changed, err := s.takeStation(tx, from, id, old, found, st, &t)
		if err != nil {
			return t, problem.Wrap(op, err)
		}
		g := gaugeOf(known, id)
		if changed && !slices.Contains(touched, g) {
			touched = append(touched, g)
		}
		if len(st.Forecasts) == 0 {
			continue
		}
		before, err := newestForecast(tx, from.Kind, stationsFor(known, g), rulesOf(rules), s.o.Clock.Now())
		if err != nil {
			return t, problem.Wrap(op, err)
		}
		again, err := s.takeForecasts(tx, from, id, st.Forecasts, &t)
		if err != nil {
			return t, problem.Wrap(op, err)
		}
		if _, seen := expected[g]; again && !seen {
			expected[g] = before
		}
	}
	for _, g := range touched {
		alarms, err := s.judge(tx, from.Kind, g, rulesOf(rules), known)
		if err != nil {
			return t, problem.Wrap(op, err)
		}
		t.Alarms = append(t.Alarms, alarms...)
	}
	for _, g := range slices.Sorted(maps.Keys(expected)) {
		hints, err := s.hint(tx, from.Kind, g, expected[g], rulesOf(rules), known)
		if err != nil {
			return t, problem.Wrap(op, err)
		}
		t.Hints = append(t.Hints, hints...)
	}
	tx.Notify(Topic)
	return t, nil
}

// gaugeOf is the key of the gauge that a service's station is; its own ID if none.
func gaugeOf(known []Number, station string) string {
	for _, g := range Shipped.Gauges {
		if g.Station() == station {
			return g.Key
		}
	}
	for _, n := range known {
		if n.Station == station {
			return n.Gauge
		}
	}
	return station
}

// stationsFor are the stations of a gauge: first that of its operator's service.
func stationsFor(known []Number, key string) []string {
	g, ok := Shipped.Gauge(key)
	if !ok {
		return []string{key}
	}
	var all []string
	if id := g.Station(); id != "" {
		all = append(all, id)
	}
	for _, own := range []bool{true, false} {
		for _, n := range known {
			if n.Gauge == key && strings.HasPrefix(n.Station, g.Service+"/") == (own && g.Service != "") && !slices.Contains(all, n.Station) {
				all = append(all, n.Station)
			}
		}
	}
	return all
}

// takeStation keeps one station; changed reports whether something has to be judged.
func (s *Service) takeStation(tx *store.Tx, from From, id string, old Station, found bool, st *gauge.Station, t *Taken) (changed bool, err error) {
	n := old
	if !found {
		n = Station{Kind: from.Kind, ID: id, Service: from.Service, Number: st.Number, Lat: math.NaN(), Lon: math.NaN(), FirstAt: from.Fetched}
	}
	// A document of values alone says nothing of names, places and limits: those stay.
	for text, to := range map[string]*string{st.Name: &n.Name, st.River: &n.River, st.Trend: &n.Trend} {
		if text = clean(text); text != "" {
			*to = text
		}
	}
	if !math.IsNaN(st.Lat) && !math.IsNaN(st.Lon) {
		n.Lat, n.Lon = st.Lat, st.Lon
	}
	if len(st.Remarks) > 0 {
		n.Remarks = nil
		for _, r := range st.Remarks[:min(len(st.Remarks), 10)] {
			n.Remarks = append(n.Remarks, clean(r))
		}
	}
	// The list of stations says which have a forecast; the values of one say that it has.
	if st.Name != "" || st.Foretold {
		n.Foretold = st.Foretold
	}
	if n.Endpoint = from.Endpoint; from.Fetched.After(n.ReadAt) {
		n.ReadAt = from.Fetched
	}
	if err := putStation(tx, n); err != nil {
		return false, err
	}
	if len(st.Limits) > 0 {
		k, err := s.takeLimits(tx, from, id, st.Limits)
		if err != nil {
			return false, err
		}
		t.Limits += k
		changed = k > 0
	}
	for _, series := range []struct {
		unit Unit
		list []gauge.Measurement
	}{{CM, st.Levels}, {M3, st.Flows}} {
		k, err := s.takeValues(tx, from, id, series.unit, series.list, t)
		if err != nil {
			return false, err
		}
		changed = changed || k
	}
	return changed, nil
}

// clean puts a text of a service on one line of bounded length.
func clean(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\ufffd")), " ")
	for len(text) > longest {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}

// takeLimits keeps limits that are new or changed; one that is no longer told ends.
func (s *Service) takeLimits(tx *store.Tx, from From, id string, told []gauge.Limit) (n int, err error) {
	all, err := limitsOf(tx, from.Kind, id)
	if err != nil {
		return 0, err
	}
	hold := slices.DeleteFunc(all, func(l DatedLimit) bool { return !l.Until.IsZero() })
	if slices.ContainsFunc(hold, func(l DatedLimit) bool { return l.Since.After(from.Fetched) }) {
		return 0, nil // an older document than the one the limits are of
	}
	var now []Limit
	for _, l := range told {
		unit := Unit(l.Unit)
		if unit != CM && unit != M3 || math.Abs(l.From) > largest || slices.ContainsFunc(now, func(x Limit) bool { return x.Name == clean(l.Name) && x.Unit == unit }) {
			continue
		}
		now = append(now, Limit{clean(l.Name), unit, value(thousandths(l.From))})
	}
	for _, l := range hold {
		if slices.Contains(now, l.Limit) {
			continue
		}
		n++
		if err := endLimit(tx, from.Kind, id, l, from.Fetched); err != nil {
			return n, err
		}
	}
	for _, l := range now {
		if slices.ContainsFunc(hold, func(h DatedLimit) bool { return h.Limit == l }) {
			continue
		}
		n++
		if err := addLimit(tx, from.Kind, id, DatedLimit{Limit: l, Since: from.Fetched, Endpoint: from.Endpoint}); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (s *Service) takeValues(tx *store.Tx, from From, id string, unit Unit, told []gauge.Measurement, t *Taken) (changed bool, err error) {
	if len(told) == 0 {
		return false, nil
	}
	now := s.o.Clock.Now()
	said := map[int64]float64{}
	first, last := time.Time{}, time.Time{}
	for _, m := range told {
		at := m.At.At.UTC().Truncate(clock.Precision)
		if math.Abs(m.Value) > largest || at.Before(now.Add(-oldest)) || at.After(now.Add(latest)) {
			t.Refused++
			continue
		}
		said[at.UnixMilli()] = value(thousandths(m.Value))
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	if len(said) == 0 {
		return false, nil
	}
	have, err := valuesOf(tx, from.Kind, id, unit, first, last)
	if err != nil {
		return false, err
	}
	newest, any, err := latestOf(tx, from.Kind, id, unit, false, now.Add(latest))
	if err != nil {
		return false, err
	}
	for _, v := range have {
		say, again := said[v.At.UnixMilli()]
		delete(said, v.At.UnixMilli())
		if !again || say == v.Value || v.Read.After(from.Fetched) {
			continue
		}
		changed = true
		t.Changed++
		if err := changeValue(tx, from.Kind, id, unit, Point{v.At, say}, v.Value, from.Fetched); err != nil {
			return changed, err
		}
	}
	for ms, v := range said {
		changed = true
		t.Values++
		if any && ms < newest.At.UnixMilli() {
			t.Late++
		}
		if err := addValue(tx, from.Kind, id, unit, Point{time.UnixMilli(ms).UTC(), v}, from.Fetched); err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// judge looks at a gauge anew: marks its values and tells what follows from them.
func (s *Service) judge(tx *store.Tx, kind store.Kind, key string, rules Rules, known []Number) (alarms []Alarm, err error) {
	now := s.o.Clock.Now()
	stations := stationsFor(known, key)
	rights, err := rightsOf(tx, kind, key)
	if err != nil {
		return nil, err
	}
	var moments []time.Time
	for _, r := range rights {
		moments = append(moments, r.At)
	}
	limits, err := limitsFor(tx, kind, stations)
	if err != nil {
		return nil, err
	}
	byLevel := slices.ContainsFunc(limits, func(l DatedLimit) bool { return l.Unit == CM })
	for _, unit := range []Unit{CM, M3} {
		good, since, err := s.mark(tx, kind, stations, unit, rules, now, moments, limits)
		if err != nil {
			return nil, err
		}
		var last *Point
		if len(good) > 0 {
			last = &good[len(good)-1]
		}
		if unit == CM {
			if err := s.tell(tx, &alarms, kind, key, unit, DatedLimit{Since: since}, now, last, func([]Crossing) []Episode { return Rising(good, rules.Rises, moments) }); err != nil {
				return nil, err
			}
		} else if byLevel {
			continue // one alarm for one flood: the level counts where there are limits of it
		}
		for _, l := range limits {
			if l.Unit != unit {
				continue
			}
			hysteresis := rules.Hysteresis
			if unit == M3 {
				hysteresis = l.From * rules.FlowHysteresis
			}
			if err := s.tell(tx, &alarms, kind, key, unit, l, now, last, func(told []Crossing) []Episode {
				was := len(good) > 0 && slices.ContainsFunc(told, func(c Crossing) bool { return c.Down.IsZero() && !c.Up.After(good[0].At) })
				return Above(good, l.From, hysteresis, was)
			}); err != nil {
				return nil, err
			}
		}
		if err := s.close(tx, &alarms, kind, key, unit, limits, now, last); err != nil {
			return nil, err
		}
	}
	return alarms, nil
}

// limitsFor are the limits that hold at a gauge: those of the first service that has any.
func limitsFor(tx *store.Tx, kind store.Kind, stations []string) ([]DatedLimit, error) {
	for _, id := range stations {
		all, err := limitsOf(tx, kind, id)
		if err != nil {
			return nil, err
		}
		if all = slices.DeleteFunc(all, func(l DatedLimit) bool { return !l.Until.IsZero() }); len(all) > 0 {
			return all, nil
		}
	}
	return nil, nil
}

// mark judges the values of all services of a gauge, writes what changed, and returns the
// good ones and since when the gauge is known.
func (s *Service) mark(tx *store.Tx, kind store.Kind, stations []string, unit Unit, rules Rules, now time.Time, rights []time.Time, limits []DatedLimit) (good []Point, since time.Time, err error) {
	services, kept := make([][]Point, len(stations)), make([][]Value, len(stations))
	for i, id := range stations {
		from, err := goodBefore(tx, kind, id, unit, now.Add(-window))
		if err != nil {
			return nil, since, err
		}
		if kept[i], err = valuesOf(tx, kind, id, unit, from, now.Add(latest)); err != nil {
			return nil, since, err
		}
		for _, v := range kept[i] {
			services[i] = append(services[i], v.Point)
		}
		st, ok, err := stationByID(tx, kind, id)
		if err != nil {
			return nil, since, err
		}
		if ok && (since.IsZero() || st.FirstAt.Before(since)) {
			since = st.FirstAt
		}
	}
	lowest := math.NaN()
	for _, l := range limits {
		if l.Unit == unit && !(l.From >= lowest) {
			lowest = l.From
		}
	}
	points, owner, differs := Merged(services, rules.SameTime, rules.Differ)
	marks := Judge(points, unit, rules, now, rights, lowest)
	want := make([]map[time.Time]Mark, len(stations))
	for i := range want {
		want[i] = map[time.Time]Mark{}
	}
	for i, p := range points {
		want[owner[i]][p.At] = marks[i]
	}
	for i, id := range stations {
		for _, v := range kept[i] {
			m := want[i][v.At]
			if differs[i][v.At] {
				m = Differs
			}
			if m == v.Mark {
				continue
			}
			if err := setMark(tx, kind, id, unit, v.At, m); err != nil {
				return nil, since, err
			}
		}
	}
	return goodOf(points, marks), since, nil
}

// tell writes down and tells what is new of one limit, or with a limit without name of
// fast rises.
func (s *Service) tell(tx *store.Tx, alarms *[]Alarm, kind store.Kind, key string, unit Unit, l DatedLimit, now time.Time, last *Point, episodes func([]Crossing) []Episode) error {
	before, err := told(tx, kind, key, unit, l.Name, now.Add(-2*window))
	if err != nil {
		return err
	}
	for _, step := range Steps(before, episodes(before), l.Since, last) {
		c := Crossing{ID: step.Of, Up: step.Up, Down: step.Down, Peak: step.Peak}
		v, at := step.UpValue, step.Up
		switch step.What {
		case Down:
			v, at = step.DownValue, step.Down
		case Past:
			v = step.Peak
		}
		if c.ID == "" {
			c.ID = s.o.Clock.NewID()
		}
		for _, b := range before {
			if b.ID == c.ID {
				c.Up, c.Peak = b.Up, max(c.Peak, b.Peak)
			}
		}
		if err := putCrossing(tx, kind, key, unit, l.Name, c); err != nil {
			return err
		}
		cause := step.What
		if l.Name == "" {
			cause = map[Cause]Cause{Up: Fast, Down: Calm, Past: Past, Peak: Peak}[cause]
		}
		if cause == Peak || cause == Calm {
			continue
		}
		a := Alarm{ID: s.o.Clock.NewID(), Kind: kind, Gauge: key, Cause: cause, Unit: unit, Name: l.Name, From: l.From, Value: v, Rise: step.By, Within: step.Within, At: at, Told: now}
		if err := s.name(tx, &a); err != nil {
			return err
		}
		if err := s.raise(tx, a); err != nil {
			return err
		}
		*alarms = append(*alarms, a)
	}
	return nil
}

// close ends what was told of limits that the service no longer tells.
func (s *Service) close(tx *store.Tx, alarms *[]Alarm, kind store.Kind, key string, unit Unit, limits []DatedLimit, now time.Time, last *Point) error {
	open, err := openCrossings(tx, kind)
	if err != nil {
		return err
	}
	for _, c := range open {
		if c.Gauge != key || c.Unit != unit || c.Name == "" || slices.ContainsFunc(limits, func(l DatedLimit) bool { return l.Unit == unit && l.Name == c.Name }) {
			continue
		}
		if err := s.tell(tx, alarms, kind, key, unit, DatedLimit{Limit: Limit{Name: c.Name, Unit: unit}}, now, last, func([]Crossing) []Episode { return nil }); err != nil {
			return err
		}
	}
	return nil
}

// raise writes an alarm with its audit leaf and hands it on.
func (s *Service) raise(tx *store.Tx, a Alarm) error {
	if err := addAlarm(tx, a); err != nil {
		return err
	}
	if err := s.o.Audit.Append(tx, audit.Event{Action: "river.alarm", Actor: "node", Object: a.ID, Detail: []byte(a.Gauge + " " + string(a.Cause) + " " + a.Name)}); err != nil {
		return err
	}
	if s.o.Tell == nil {
		return nil
	}
	return s.o.Tell(tx, a)
}

// name fills in what an alarm is called.
func (s *Service) name(tx *store.Tx, a *Alarm) error {
	a.Level = Shipped.Level(a.Name)
	if g, ok := Shipped.Gauge(a.Gauge); ok {
		r, _ := Shipped.River(g.River)
		a.Where, a.River = g.Name, r.All()
		return nil
	}
	st, _, err := stationByID(tx, a.Kind, a.Gauge)
	a.Where, a.River = st.Name, st.River
	if r, ok := Shipped.Named(st.River); ok {
		a.River = r.All()
	}
	if a.Where == "" {
		a.Where = a.Gauge
	}
	return err
}

// Settings are the parameters of the rules as they hold on this node.
func Settings(tx *store.Tx) ([]Parameter, error) {
	all := Presets()
	for i := range all {
		text, err := tx.Setting("river." + all[i].Name)
		if err != nil {
			return nil, err
		}
		if v, err := strconv.ParseFloat(text, 64); err == nil && v >= all[i].Least && v <= all[i].Most {
			all[i].Value = v
		}
	}
	return all, nil
}

// Fault is what is wrong with a value.
type Fault struct {
	Field, Key string
	Args       i18n.Args
}

// SetRules changes parameters by name; nothing is changed when one of them is wrong.
func (s *Service) SetRules(ctx context.Context, person string, values map[string]float64) ([]Fault, error) {
	presets := Presets()
	var faults []Fault
	for _, p := range presets {
		if v, ok := values[p.Name]; ok && !(v >= p.Least && v <= p.Most) {
			faults = append(faults, Fault{p.Name, "river.fault.range", i18n.Args{"least": p.Least, "most": p.Most}})
		}
	}
	if len(faults) > 0 {
		return faults, nil
	}
	return nil, problem.Wrap("river.SetRules", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		for _, p := range presets {
			v, ok := values[p.Name]
			if !ok {
				continue
			}
			text := strconv.FormatFloat(v, 'f', -1, 64)
			if v == p.Preset {
				text = ""
			}
			if err := tx.SetSetting("river."+p.Name, text); err != nil {
				return err
			}
		}
		return s.o.Audit.Append(tx, audit.Event{Action: "river.rules", Actor: by(person), Object: "river"})
	}))
}

// by names who acts in the audit log.
func by(person string) string {
	if person == "" {
		return "node"
	}
	return person
}

var errNotFound = problem.New("river", problem.NotFound, "", nil)

// SetNumber says which station of a service one of our gauges is. gauge "" takes it back.
func (s *Service) SetNumber(ctx context.Context, person, station, key, source string) ([]Fault, error) {
	station, source = clean(station), clean(source)
	g, ok := Shipped.Gauge(key)
	service, number, parted := strings.Cut(station, "/")
	var faults []Fault
	if key != "" && !ok {
		faults = append(faults, Fault{"gauge", "river.fault.gauge", nil})
	}
	if !parted || service == "" || number == "" || strings.ContainsAny(number, "/?#") {
		faults = append(faults, Fault{"station", "river.fault.station", nil})
	}
	if ok && g.Station() != "" && g.Service == service && g.Station() != station {
		faults = append(faults, Fault{"station", "river.fault.number_known", i18n.Args{"station": g.Station()}})
	}
	if source == "" && key != "" {
		faults = append(faults, Fault{"source", "river.fault.source", nil})
	}
	if len(faults) > 0 {
		return faults, nil
	}
	return nil, problem.Wrap("river.SetNumber", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		known, err := numbers(tx)
		if err != nil {
			return err
		}
		before := gaugeOf(known, station)
		if key == "" {
			if n, err := dropNumber(tx, station); err != nil {
				return err
			} else if n == 0 {
				return errNotFound
			}
		} else if err := putNumber(tx, Number{station, key, source, person, s.o.Clock.Now()}); err != nil {
			return err
		}
		if err := s.o.Audit.Append(tx, audit.Event{Action: "river.number", Actor: by(person), Object: station, Detail: []byte(key + " " + source)}); err != nil {
			return err
		}
		if known, err = numbers(tx); err != nil {
			return err
		}
		after := gaugeOf(known, station)
		if before == station && after != station {
			if err := moveCrossings(tx, station, after); err != nil {
				return err
			}
		}
		return s.again(tx, known, after)
	}))
}

// again judges a gauge in all kinds.
func (s *Service) again(tx *store.Tx, known []Number, key string) error {
	rules, err := Settings(tx)
	if err != nil {
		return err
	}
	tx.Notify(Topic)
	for _, kind := range store.Kinds {
		if _, err := s.judge(tx, kind, key, rulesOf(rules), known); err != nil {
			return err
		}
	}
	return nil
}

// SetTravel says how long a wave takes between two gauges.
func (s *Service) SetTravel(ctx context.Context, person string, t Travel) ([]Fault, error) {
	t.Source = clean(t.Source)
	var faults []Fault
	for field, key := range map[string]string{"upper": t.Upper, "lower": t.Lower} {
		if _, ok := Shipped.Gauge(key); !ok || t.Upper == t.Lower {
			faults = append(faults, Fault{field, "river.fault.gauge", nil})
		}
	}
	if t.Least <= 0 || t.Most < t.Least || t.Most > 7*24*time.Hour {
		faults = append(faults, Fault{"least", "river.fault.travel", nil})
	}
	if t.Source == "" {
		faults = append(faults, Fault{"source", "river.fault.source", nil})
	}
	if _, err := time.Parse(time.DateOnly, t.On); err != nil {
		faults = append(faults, Fault{"on", "river.fault.day", nil})
	}
	if len(faults) > 0 {
		return faults, nil
	}
	return nil, problem.Wrap("river.SetTravel", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		n := t
		n.ID, n.Person, n.At = s.o.Clock.NewID(), person, s.o.Clock.Now()
		if err := putTravel(tx, n); err != nil {
			return err
		}
		tx.Notify(Topic)
		return s.o.Audit.Append(tx, audit.Event{Action: "river.travel", Actor: by(person), Object: n.ID, Detail: []byte(n.Upper + " " + n.Lower)})
	}))
}

// early is by how much a time that somebody writes may lie ahead: clocks on walls differ.
const early = 5 * time.Minute

// Proclaim writes down that an authority proclaimed a stage.
func (s *Service) Proclaim(ctx context.Context, person string, p Proclaimed) (id string, faults []Fault, err error) {
	p.Area, p.Authority, p.Source = clean(p.Area), clean(p.Authority), clean(p.Source)
	now := s.o.Clock.Now()
	n := slices.IndexFunc(Shipped.Stages, func(x Stage) bool { return x.Name == p.Stage && x.Sort != "limit" })
	if n < 0 {
		faults = append(faults, Fault{"stage", "river.fault.stage", nil})
	} else {
		p.Country = Shipped.Stages[n].Country
	}
	if p.Authority == "" {
		faults = append(faults, Fault{"authority", "river.fault.authority", nil})
	}
	if p.At.IsZero() || p.At.After(now.Add(early)) {
		faults = append(faults, Fault{"at", "river.fault.time", nil})
	}
	if p.Source == "" {
		faults = append(faults, Fault{"source", "river.fault.source", nil})
	}
	if !p.Kind.Valid() {
		faults = append(faults, Fault{"kind", "river.fault.kind", nil})
	}
	if len(faults) > 0 {
		return "", faults, nil
	}
	err = s.o.DB.Write(ctx, func(tx *store.Tx) error {
		if err := s.known(tx, p.Kind, p.Gauge); err != nil {
			return err
		}
		w := p
		w.ID, w.Person, w.Entered = s.o.Clock.NewID(), person, now
		id = w.ID
		if err := addProclaimed(tx, w); err != nil {
			return err
		}
		tx.Notify(Topic)
		return s.o.Audit.Append(tx, audit.Event{Action: "river.proclaim", Actor: by(person), Object: id, Detail: []byte(w.Gauge + " " + w.Stage + " " + w.Authority)})
	})
	return id, nil, problem.Wrap("river.Proclaim", err)
}

// known returns problem NotFound where there is no such gauge, ours or a service's.
func (s *Service) known(tx *store.Tx, kind store.Kind, key string) error {
	if _, ok := Shipped.Gauge(key); ok {
		return nil
	}
	_, ok, err := stationByID(tx, kind, key)
	if err == nil && !ok {
		err = errNotFound
	}
	return err
}

// End writes down that a proclaimed stage was ended.
func (s *Service) End(ctx context.Context, person, id string, at time.Time, source string) (faults []Fault, err error) {
	const op = "river.End"
	source = clean(source)
	err = s.o.DB.Write(ctx, func(tx *store.Tx) error {
		faults = nil
		p, err := proclaimedByID(tx, id)
		if errors.Is(err, store.ErrNoRows) {
			return errNotFound
		} else if err != nil {
			return err
		}
		now := s.o.Clock.Now()
		if at.IsZero() || at.Before(p.At) || at.After(now.Add(early)) {
			faults = append(faults, Fault{"at", "river.fault.end", nil})
		}
		if source == "" {
			faults = append(faults, Fault{"source", "river.fault.source", nil})
		}
		if len(faults) > 0 {
			return nil
		}
		p.Ended, p.EndSource, p.EndPerson, p.EndEntered = at, source, person, now
		if n, err := endProclaimed(tx, p); err != nil {
			return err
		} else if n == 0 {
			return problem.New(op, problem.Conflict, "river.fault.ended", nil)
		}
		tx.Notify(Topic)
		return s.o.Audit.Append(tx, audit.Event{Action: "river.end", Actor: by(person), Object: id})
	})
	return faults, problem.Wrap(op, err)
}

// SetRight says that values from a moment on are right although they jump there.
func (s *Service) SetRight(ctx context.Context, person string, r Right) (faults []Fault, err error) {
	r.Source = clean(r.Source)
	if r.At.IsZero() || r.At.After(s.o.Clock.Now().Add(early)) {
		faults = append(faults, Fault{"at", "river.fault.time", nil})
	}
	if r.Source == "" {
		faults = append(faults, Fault{"source", "river.fault.source", nil})
	}
	if len(faults) > 0 {
		return faults, nil
	}
	return nil, problem.Wrap("river.SetRight", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		if err := s.known(tx, r.Kind, r.Gauge); err != nil {
			return err
		}
		w := r
		w.ID, w.Person, w.Entered = s.o.Clock.NewID(), person, s.o.Clock.Now()
		if err := addRight(tx, w); err != nil {
			return err
		}
		if err := s.o.Audit.Append(tx, audit.Event{Action: "river.right", Actor: by(person), Object: w.ID, Detail: []byte(w.Gauge)}); err != nil {
			return err
		}
		known, err := numbers(tx)
		if err != nil {
			return err
		}
		return s.again(tx, known, w.Gauge)
	}))
}

// Retention: each value for a fortnight, then the highest of each hour, after a year the
// highest of each day. Marked values are kept as long as good ones.
const (
	keepAll   = 14 * 24 * time.Hour
	keepHours = 366 * 24 * time.Hour
	queueThin = "river/thin"
	thinAt    = "03:40" // after midnight's backups, before people come
)

// Schedule registers the daily thinning of series.
func (s *Service) Schedule(ctx context.Context, jobs *job.Queue) error {
	return jobs.Daily(ctx, queueThin, thinAt, store.Live, func(ctx context.Context, _ job.Job) error { return s.Thin(ctx) })
}

// Thin takes out of the series what is no longer needed at full length.
func (s *Service) Thin(ctx context.Context) error {
	now := s.o.Clock.Now()
	var stations []Station
	err := s.o.DB.Read(ctx, func(tx *store.Tx) error {
		for _, kind := range store.Kinds {
			all, err := stationsOf(tx, kind)
			if err != nil {
				return err
			}
			stations = append(stations, all...)
		}
		return nil
	})
	for _, st := range stations {
		if err != nil {
			break
		}
		// One transaction for each: the writer is everybody's.
		err = s.o.DB.Write(ctx, func(tx *store.Tx) error {
			for _, unit := range []Unit{CM, M3} {
				values, err := valuesOf(tx, st.Kind, st.ID, unit, time.UnixMilli(0), now.Add(-keepAll))
				if err != nil {
					return err
				}
				for _, at := range Thinned(values, now) {
					if err := dropValue(tx, st.Kind, st.ID, unit, at); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	return problem.Wrap("river.Thin", err)
}

// Thinned are the times of the values that go: in each hour, later in each day, the
// highest of the same mark stays.
func Thinned(values []Value, now time.Time) (gone []time.Time) {
	type slot struct {
		at   time.Time
		mark Mark
	}
	stays := map[slot]Value{}
	for _, v := range values {
		age := now.Sub(v.At)
		if age <= keepAll {
			continue
		}
		k := slot{v.At.Truncate(time.Hour), v.Mark}
		if age > keepHours {
			k.at = v.At.Truncate(24 * time.Hour)
		}
		if other, ok := stays[k]; !ok || v.Value > other.Value {
			if ok {
				gone = append(gone, other.At)
			}
			stays[k] = v
		} else {
			gone = append(gone, v.At)
		}
	}
	return gone
}
