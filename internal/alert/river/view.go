package river

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web/sign"
)

// Line is one gauge as the pages show it.
type Line struct {
	Key      string
	Gauge    Gauge     // of a service's own station: what it says, without Key
	Ours     bool      // stands in data/gauges.csv
	Stations []Station // what services tell of it; none while no number is known, or nothing came
	Numbers  []string  // IDs that are known
	Level    *Value    // the newest good one; nil: none
	Flow     *Value
	Doubtful *Value  // the newest of all levels where that is marked
	Change   float64 // of the level within Over; NaN: not known
	Over     time.Duration
	Limits   []DatedLimit // that hold
	Open     []OpenCrossing
	Stages   []Proclaimed  // that hold
	Forecast *Forecast     // the newest; nil: none is known
	Foretold []string      // services that say that they have one
	Stale    bool          // the newest good value is too old
	Age      time.Duration // of the newest good value; 0: none
}

// Rising is whether the level rises fast, as people were told.
func (l Line) Rising() bool {
	return slices.ContainsFunc(l.Open, func(c OpenCrossing) bool { return c.Name == "" })
}

// Highest is the highest limit that is crossed, by its value.
func (l Line) Highest() (highest DatedLimit, any bool) {
	for _, c := range l.Open {
		for _, x := range l.Limits {
			if x.Name == c.Name && x.Unit == c.Unit && (!any || x.From > highest.From) {
				highest, any = x, true
			}
		}
	}
	return highest, any
}

// Sign is the level shown beside the gauge: what is not known is never shown as calm.
func (l Line) Sign() sign.Level {
	h, above := l.Highest()
	switch level := Shipped.Level(h.Name); {
	case l.Level == nil && l.Flow == nil, l.Stale:
		return sign.Stale
	case above && level != "":
		return level
	case above || l.Rising():
		return sign.L1
	}
	return sign.None
}

// steady is below what a change counts as none: waves and rounding.
const steady = 3.0

// line reads one gauge.
func line(tx *store.Tx, kind store.Kind, key string, known []Number, open []OpenCrossing, rules Rules, now time.Time) (l Line, err error) {
	l = Line{Key: key, Change: math.NaN(), Numbers: stationsFor(known, key)}
	l.Gauge, l.Ours = Shipped.Gauge(key)
	for _, id := range l.Numbers {
		st, ok, err := stationByID(tx, kind, id)
		if err != nil {
			return l, err
		}
		if ok {
			l.Stations = append(l.Stations, st)
		}
	}
	if !l.Ours && len(l.Stations) > 0 {
		st := l.Stations[0]
		l.Gauge = Gauge{Name: st.Name, River: st.River, Service: st.Service, Number: st.Number, Lat: st.Lat, Lon: st.Lon}
		if r, ok := Shipped.Named(st.River); ok {
			l.Gauge.River = r.Key
		}
		if l.Gauge.Name == "" {
			l.Gauge.Name = st.ID
		}
	}
	if l.Limits, err = limitsFor(tx, kind, l.Numbers); err != nil {
		return l, err
	}
	for _, c := range open {
		if c.Gauge == key {
			l.Open = append(l.Open, c)
		}
	}
	if l.Stages, err = proclaimedAt(tx, kind, key, true); err != nil {
		return l, err
	}
	if l.Forecast, err = newestForecast(tx, kind, l.Numbers, rules, now); err != nil {
		return l, err
	}
	for _, st := range l.Stations {
		if st.Foretold && (l.Forecast == nil || l.Forecast.Service != st.Service) {
			l.Foretold = append(l.Foretold, st.Service)
		}
	}
	var of string // the station of the level
	var newest *Value
	for _, st := range l.Stations {
		for unit, to := range map[Unit]**Value{CM: &l.Level, M3: &l.Flow} {
			v, ok, err := latestOf(tx, kind, st.ID, unit, true, now.Add(rules.Ahead))
			if err != nil {
				return l, err
			}
			if ok && (*to == nil || v.At.After((*to).At)) {
				*to = &v
				if unit == CM {
					of = st.ID
				}
			}
		}
		v, ok, err := latestOf(tx, kind, st.ID, CM, false, now.Add(latest))
		if err != nil {
			return l, err
		}
		if ok && (newest == nil || v.At.After(newest.At)) {
			newest = &v
		}
	}
	if newest != nil && newest.Mark != Good {
		l.Doubtful = newest
	}
	if l.Level != nil {
		values, err := valuesOf(tx, kind, of, CM, l.Level.At.Add(-90*time.Minute), l.Level.At)
		if err != nil {
			return l, err
		}
		for _, v := range values { // the value closest to an hour before
			over := l.Level.At.Sub(v.At)
			if v.Mark == Good && over >= 10*time.Minute && (math.IsNaN(l.Change) || (over-time.Hour).Abs() < (l.Over-time.Hour).Abs()) {
				l.Change, l.Over = l.Level.Value-v.Value, over
			}
		}
	}
	switch {
	case l.Level != nil:
		l.Age = now.Sub(l.Level.At)
	case l.Flow != nil:
		l.Age = now.Sub(l.Flow.At)
	}
	l.Stale = l.Age > rules.Stale
	return l, nil
}

// Overview is all that is known of all rivers.
type Overview struct {
	Kind    store.Kind
	Lines   map[string]Line // of all gauges, ours and of services, by key
	Strange []string        // keys of the services' stations that have no place among ours
	Travels []Travel
	Alarms  []Alarm // the newest
	Rules   Rules
	Others  []store.Kind // kinds of which there is something too
}

// shownAlarms are as many as are taken in at one look.
const shownAlarms = 20

// Overview reads it.
func (s *Service) Overview(ctx context.Context, kind store.Kind) (o Overview, err error) {
	o = Overview{Kind: kind, Lines: map[string]Line{}}
	now := s.o.Clock.Now()
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		settings, err := Settings(tx)
		if err != nil {
			return err
		}
		o.Rules = rulesOf(settings)
		known, err := numbers(tx)
		if err != nil {
			return err
		}
		open, err := openCrossings(tx, kind)
		if err != nil {
			return err
		}
		var keys []string
		for _, g := range Shipped.Gauges {
			keys = append(keys, g.Key)
		}
		stations, err := stationsOf(tx, kind)
		if err != nil {
			return err
		}
		for _, st := range stations {
			if key := gaugeOf(known, st.ID); key == st.ID {
				keys, o.Strange = append(keys, key), append(o.Strange, key)
			}
		}
		for _, key := range keys {
			if o.Lines[key], err = line(tx, kind, key, known, open, o.Rules, now); err != nil {
				return err
			}
		}
		if o.Travels, err = travels(tx); err != nil {
			return err
		}
		if o.Alarms, err = alarmsOf(tx, kind, "", shownAlarms); err != nil {
			return err
		}
		for i := range o.Alarms {
			if err := s.name(tx, &o.Alarms[i]); err != nil {
				return err
			}
		}
		for _, k := range store.Kinds {
			all, err := stationsOf(tx, k)
			if err != nil {
				return err
			}
			if k != kind && (k == store.Live || len(all) > 0) {
				o.Others = append(o.Others, k)
			}
		}
		return nil
	})
	return o, problem.Wrap("river.Overview", err)
}

// Travel is the time between two gauges that somebody gave; ok is false for none.
func (o Overview) Travel(upper, lower string) (Travel, bool) {
	for _, t := range o.Travels {
		if t.Upper == upper && t.Lower == lower {
			return t, true
		}
	}
	return Travel{}, false
}

// Detail is all that is known of one gauge.
type Detail struct {
	Line
	Kind     store.Kind
	From, To time.Time
	Series   []Value // levels of all its services that count, and those that are marked
	Flows    []Value
	Former   []DatedLimit // limits that no longer hold, and those that do, by name
	Stages   []Proclaimed
	Rights   []Right
	Alarms   []Alarm
	Hints    []Hint // of forecasts
	Said     []Number
	Rules    Rules
}

// Detail reads one gauge with its values of the last hours; problem NotFound.
func (s *Service) Detail(ctx context.Context, kind store.Kind, key string, back time.Duration) (d Detail, err error) {
	now := s.o.Clock.Now()
	d = Detail{Kind: kind, From: now.Add(-back), To: now}
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		if err := s.known(tx, kind, key); err != nil {
			return err
		}
		settings, err := Settings(tx)
		if err != nil {
			return err
		}
		d.Rules = rulesOf(settings)
		known, err := numbers(tx)
		if err != nil {
			return err
		}
		open, err := openCrossings(tx, kind)
		if err != nil {
			return err
		}
		if d.Line, err = line(tx, kind, key, known, open, d.Rules, now); err != nil {
			return err
		}
		for _, n := range known {
			if n.Gauge == key {
				d.Said = append(d.Said, n)
			}
		}
		if d.Series, err = seriesOf(tx, kind, d.Numbers, CM, d.From, now.Add(latest), d.Rules); err != nil {
			return err
		}
		if d.Flows, err = seriesOf(tx, kind, d.Numbers, M3, d.From, now.Add(latest), d.Rules); err != nil {
			return err
		}
		for _, id := range d.Numbers {
			all, err := limitsOf(tx, kind, id)
			if err != nil {
				return err
			}
			d.Former = append(d.Former, all...)
		}
		if d.Stages, err = proclaimedAt(tx, kind, key, false); err != nil {
			return err
		}
		if d.Rights, err = rightsOf(tx, kind, key); err != nil {
			return err
		}
		if d.Alarms, err = alarmsOf(tx, kind, key, shownAlarms); err != nil {
			return err
		}
		for i := range d.Alarms {
			if err := s.name(tx, &d.Alarms[i]); err != nil {
				return err
			}
		}
		if d.Hints, err = hintsOf(tx, kind, key, shownAlarms); err != nil {
			return err
		}
		for i := range d.Hints {
			if err := s.nameHint(tx, &d.Hints[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return d, problem.Wrap("river.Detail", err)
}

// seriesOf are the values of a gauge by all its services: what counts, and what is marked.
func seriesOf(tx *store.Tx, kind store.Kind, stations []string, unit Unit, from, to time.Time, rules Rules) (all []Value, err error) {
	services, kept := make([][]Point, len(stations)), make([][]Value, len(stations))
	for i, id := range stations {
		if kept[i], err = valuesOf(tx, kind, id, unit, from, to); err != nil {
			return nil, err
		}
		for _, v := range kept[i] {
			services[i] = append(services[i], v.Point)
		}
	}
	points, owner, _ := Merged(services, rules.SameTime, rules.Differ)
	for i, p := range points {
		values := kept[owner[i]]
		at, _ := slices.BinarySearchFunc(values, p.At, func(v Value, t time.Time) int { return v.At.Compare(t) })
		all = append(all, values[at])
	}
	for i := range stations[min(1, len(stations)):] {
		for _, v := range kept[i+1] {
			if v.Mark == Differs {
				all = append(all, v)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Value) int { return a.At.Compare(b.At) })
	return all, nil
}

// Keeping is what who keeps the tables looks at.
type Keeping struct {
	Open     []Gauge // ours whose number no row gives
	Said     []Number
	Stations []Station // of services, without a place among ours
	Travels  []Travel
}

// Keeping reads it.
func (s *Service) Keeping(ctx context.Context) (k Keeping, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		var err error
		if k.Said, err = numbers(tx); err != nil {
			return err
		}
		for _, g := range Shipped.Gauges {
			if len(stationsFor(k.Said, g.Key)) == 0 {
				k.Open = append(k.Open, g)
			}
		}
		for _, kind := range store.Kinds {
			all, err := stationsOf(tx, kind)
			if err != nil {
				return err
			}
			for _, st := range all {
				if gaugeOf(k.Said, st.ID) == st.ID && !slices.ContainsFunc(k.Stations, func(x Station) bool { return x.ID == st.ID }) {
					k.Stations = append(k.Stations, st)
				}
			}
		}
		k.Travels, err = travels(tx)
		return err
	})
	return k, problem.Wrap("river.Keeping", err)
}

// Parameters are the rules as they hold.
func (s *Service) Parameters(ctx context.Context) (all []Parameter, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = Settings(tx)
		return err
	})
	return all, problem.Wrap("river.Parameters", err)
}

// Find is the gauge that somebody names by its key, the ID of a station, or its name if
// only one has it; problem NotFound.
func (s *Service) Find(ctx context.Context, kind store.Kind, name string) (key string, err error) {
	o, err := s.Overview(ctx, kind)
	if err != nil {
		return "", err
	}
	if _, ok := o.Lines[name]; ok {
		return name, nil
	}
	var found []string
	for k, l := range o.Lines {
		if strings.EqualFold(l.Gauge.Name, name) || slices.Contains(l.Numbers, name) {
			found = append(found, k)
		}
	}
	if len(found) != 1 {
		return "", problem.New("river.Find", problem.NotFound, "river.fault.which", map[string]any{"name": name})
	}
	return found[0], nil
}
