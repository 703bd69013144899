package river

import (
	"cmp"
	"slices"
	"time"

	"trojmezi/internal/alert/gauge"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web/sign"
)

// Forecast is the newest issue of what a service expects of a gauge. It never counts as
// measured: nothing of it crosses a limit, ends an alarm or stands in a series.
type Forecast struct {
	Station  string // of which service's
	Service  string
	Issued   time.Time
	Read     time.Time
	Endpoint string
	Levels   []Expected // cm, the oldest first
	Stale    bool       // issued too long ago
	Age      time.Duration
}

// Expected is a value of a forecast.
type Expected struct {
	Point
	Estimate bool // the service calls it an estimate
}

// Highest is the highest level that is expected after a moment; ok is false where the
// forecast reaches no further.
func (f *Forecast) Highest(after time.Time) (highest Expected, ok bool) {
	for _, e := range f.Levels {
		if e.At.After(after) && (!ok || e.Value > highest.Value) {
			highest, ok = e, true
		}
	}
	return highest, ok
}

// Until is the last moment of the forecast.
func (f *Forecast) Until() (at time.Time) {
	if n := len(f.Levels); n > 0 {
		at = f.Levels[n-1].At
	}
	return at
}

// reaches is when a limit is reached after a moment, by the forecast and not by what the
// service calls an estimate.
func (f *Forecast) reaches(from float64, after time.Time) (time.Time, bool) {
	for _, e := range f.Levels {
		if !e.Estimate && e.At.After(after) && e.Value >= from {
			return e.At, true
		}
	}
	return time.Time{}, false
}

// Hint is told when a forecast reaches a limit that the one before did not. It is no alarm.
type Hint struct {
	ID      string
	Kind    store.Kind
	Gauge   string // key
	Where   string
	River   string
	Service string
	Name    string // of the limit, national
	Level   sign.Level
	From    float64
	Value   float64   // the highest that is expected
	At      time.Time // the limit is reached
	Issued  time.Time
	Told    time.Time
}

// HintArgs are the placeholders of a hint's texts: river.hint here and river.notice.hint
// for those who are told elsewhere.
func HintArgs(h Hint) i18n.Args {
	return i18n.Args{"gauge": h.Where, "river": cmp.Or(h.River, "–"), "service": h.Service, "name": h.Name, "from": rounded(h.From), "v": rounded(h.Value), "at": h.At, "issued": h.Issued}
}

// HintText is what people are told of a hint.
func HintText(h Hint) (notify.Text, []notify.Text) {
	return notify.Text{Key: "river.notice.hint", Args: HintArgs(h)}, []notify.Text{{Key: "river.notice.hint.at", Args: HintArgs(h)}}
}

// Bounds of what is kept of forecasts.
const (
	farthest     = 30 * 24 * time.Hour // ahead of its issue
	mostExpected = 2000                // of one forecast: a month by the half hour and more
)

// takeForecasts keeps the forecasts of a station, and says of which gauge people may have
// to be told something: before holds the issue that was the newest.
func (s *Service) takeForecasts(tx *store.Tx, from From, id string, told []gauge.Forecast, t *Taken) (changed bool, err error) {
	now := s.o.Clock.Now()
	for _, f := range told {
		issued := f.Issued.At.UTC()
		if issued.IsZero() || issued.After(now.Add(latest)) || issued.Before(now.Add(-oldest)) || len(f.Levels) > mostExpected {
			t.Refused++
			continue
		}
		one := Forecast{Station: id, Service: from.Service, Issued: issued, Read: from.Fetched, Endpoint: from.Endpoint}
		for _, e := range f.Levels {
			at := e.At.At.UTC()
			if e.Value > largest || e.Value < -largest || at.After(issued.Add(farthest)) || at.Before(issued.Add(-latest)) {
				t.Refused++
				continue
			}
			if n := len(one.Levels); n > 0 && one.Levels[n-1].At.Equal(at) {
				one.Levels = one.Levels[:n-1] // said twice: the last one holds
			}
			one.Levels = append(one.Levels, Expected{Point{at, value(thousandths(e.Value))}, e.Estimate})
		}
		have, ok, err := forecastOf(tx, from.Kind, id, issued)
		if err != nil {
			return changed, err
		}
		if len(one.Levels) == 0 || ok && (have.Read.After(from.Fetched) || slices.Equal(have.Levels, one.Levels)) {
			continue
		}
		if err := putForecast(tx, from.Kind, one); err != nil {
			return changed, err
		}
		changed = true
		t.Forecasts++
	}
	if changed {
		err = dropForecasts(tx, from.Kind, id, now.Add(-oldest))
	}
	return changed, err
}

// newestForecast is that of the first station of a gauge that has one.
func newestForecast(tx *store.Tx, kind store.Kind, stations []string, rules Rules, now time.Time) (*Forecast, error) {
	for _, id := range stations {
		f, ok, err := forecastOf(tx, kind, id, time.Time{})
		if err != nil {
			return nil, err
		}
		if ok {
			f.Age = now.Sub(f.Issued)
			f.Stale = f.Age > rules.ForecastStale
			return &f, nil
		}
	}
	return nil, nil
}

// hint tells the highest limit that the newest forecast of a gauge reaches and the one
// before did not, unless the level is above it already: that was told as measured.
func (s *Service) hint(tx *store.Tx, kind store.Kind, key string, before *Forecast, rules Rules, known []Number) (hints []Hint, err error) {
	now := s.o.Clock.Now()
	stations := stationsFor(known, key)
	f, err := newestForecast(tx, kind, stations, rules, now)
	if err != nil || f == nil || f.Stale {
		return nil, err
	}
	limits, err := limitsFor(tx, kind, stations)
	if err != nil {
		return nil, err
	}
	open, err := openCrossings(tx, kind)
	if err != nil {
		return nil, err
	}
	var highest *Hint
	for _, l := range limits {
		at, ok := f.reaches(l.From, now)
		if l.Unit != CM || !ok || highest != nil && highest.From >= l.From {
			continue
		}
		if before != nil {
			if _, was := before.reaches(l.From, now); was {
				continue
			}
		}
		if slices.ContainsFunc(open, func(c OpenCrossing) bool { return c.Gauge == key && c.Unit == CM && c.Name == l.Name }) {
			continue
		}
		top, _ := f.Highest(now)
		highest = &Hint{ID: s.o.Clock.NewID(), Kind: kind, Gauge: key, Service: f.Service, Name: l.Name, From: l.From, Value: top.Value, At: at, Issued: f.Issued, Told: now}
	}
	if highest == nil {
		return nil, nil
	}
	h := *highest
	if err := s.nameHint(tx, &h); err != nil {
		return nil, err
	}
	if err := addHint(tx, h); err != nil {
		return nil, err
	}
	if err := s.o.Audit.Append(tx, audit.Event{Action: "river.hint", Actor: "node", Object: h.ID, Detail: []byte(h.Gauge + " " + h.Name)}); err != nil {
		return nil, err
	}
	if s.o.Hint != nil {
		err = s.o.Hint(tx, h)
	}
	return []Hint{h}, err
}

// nameHint fills in what a hint is called.
func (s *Service) nameHint(tx *store.Tx, h *Hint) error {
	a := Alarm{Kind: h.Kind, Gauge: h.Gauge, Name: h.Name}
	err := s.name(tx, &a)
	h.Where, h.River, h.Level = a.Where, a.River, a.Level
	return err
}
