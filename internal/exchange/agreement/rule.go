package agreement

import (
	"math"
	"slices"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
)

// Direction is which way forces go.
type Direction string

// The directions.
const (
	Ask Direction = "ask" // the neighbour's come to us
	Go  Direction = "go"  // ours go to the neighbour
)

// Question is what a dispatcher wants to know.
type Question struct {
	At geo.Point
	// From are the units for which the asking control room works, of one country.
	From []string
	// With names a neighbouring country; "" means any.
	With    register.Country
	Service Service
	// Direction "" is the one that arises: ask for a place at home, go abroad.
	Direction Direction
	Day       string // 2006-01-02
}

// Value is the answer in one word.
type Value string

// The answers. None says that something is unlawful: No is that no row covers it.
const (
	Yes      Value = "yes"
	Probably Value = "probably" // by a row that nobody here has verified
	No       Value = "no"
	Unclear  Value = "unclear" // ask the shift leader
	// Moot is no answer: the place lies on the side where the forces are anyway.
	Moot Value = "moot"
)

// Reason is one sentence: a text and its arguments.
type Reason struct {
	Key  string    `json:"key"`
	Args i18n.Args `json:"args,omitempty"`
}

func because(key string, args i18n.Args) Reason { return Reason{"agreement.why." + key, args} }

// Finding is what one row says to a question.
type Finding struct {
	Row       Row              `json:"row"`
	With      register.Country `json:"with,omitempty"` // the neighbour
	Direction Direction        `json:"direction"`
	Why       []Reason         `json:"why,omitempty"`

	result verdict
}

// Answer is what the rows say to a question.
type Answer struct {
	Value Value `json:"value"`
	// Why are reasons that are no single row's.
	Why []Reason `json:"why,omitempty"`
	// By are the rows that cover it, Doubt those of which it is not clear.
	By    []Finding `json:"by,omitempty"`
	Doubt []Finding `json:"doubt,omitempty"`
	// Duties are what a side's forces have to see to beyond the agreement; Frames the
	// agreements on which those of By and Doubt stand.
	Duties []Finding `json:"duties,omitempty"`
	Frames []Finding `json:"frames,omitempty"`
	// Against are the rows in force that do not reach so far.
	Against []Finding `json:"against,omitempty"`
	// Route is the way by the national contact points, unless a row says yes.
	Route []Finding `json:"route,omitempty"`
	// Directions are those that arise.
	Directions []Direction `json:"directions"`
	// Location is where the point lies.
	Location register.Location `json:"location"`
}

// inquiry is one question being answered.
type inquiry struct {
	*Index
	Question
	rows  []Row
	from  []Unit
	home  register.Country
	spans map[[2]register.Country]*register.Span // nil: no such border
}

// Ask answers a question by the rows. From must name units that there are.
func (x *Index) Ask(rows []Row, q Question) Answer {
	k := &inquiry{Index: x, Question: q, rows: rows, spans: map[[2]register.Country]*register.Span{}}
	for _, id := range q.From {
		if u, ok := x.Unit(id); ok && u.Country != "" {
			k.from = append(k.from, u)
			k.home = u.Country
		}
	}
	a := Answer{Location: x.places.Country(q.At)}
	if k.home == "" {
		a.Value, a.Why = Unclear, []Reason{because("no_from", nil)}
		return a
	}
	if a.Location.Confidence == register.Outside {
		a.Value, a.Why = Unclear, []Reason{because("outside", nil)}
		k.routes(&a, "")
		return a
	}
	first := true
	for _, c := range append([]register.Country{a.Location.Country}, a.Location.Others...) {
		direction := Go
		if c == k.home {
			direction = Ask
		}
		if q.Direction != "" && q.Direction != direction || direction == Go && q.With != "" && q.With != c {
			continue
		}
		next := k.world(c, direction)
		if first {
			next.Location = a.Location
			a = next
		} else {
			a.or(next)
		}
		first = false
		k.routes(&a, c)
	}
	if first {
		a.Value, a.Why = Moot, []Reason{because("moot", nil)}
		return a
	}
	if len(a.Location.Others) > 0 {
		a.Why = append(a.Why, because("country", i18n.Args{"error": math.Round(a.Location.Error)}))
	}
	if a.Value == Yes {
		a.Route = nil
	}
	return a
}

// or joins the answers for two countries in which the point may lie: what differs is
// not clear, but for yes and probably.
func (a *Answer) or(b Answer) {
	good := func(v Value) bool { return v == Yes || v == Probably }
	switch {
	case a.Value == b.Value:
	case good(a.Value) && good(b.Value):
		a.Value = Probably
	default:
		a.Value = Unclear
	}
	join := func(to *[]Finding, from []Finding) {
		for _, f := range from {
			if !slices.ContainsFunc(*to, func(o Finding) bool { return o.Row.ID == f.Row.ID && o.Direction == f.Direction }) {
				*to = append(*to, f)
			}
		}
	}
	join(&a.By, b.By)
	join(&a.Doubt, b.Doubt)
	join(&a.Duties, b.Duties)
	join(&a.Frames, b.Frames)
	join(&a.Against, b.Against)
	a.Directions = append(a.Directions, b.Directions...)
}

// world answers as if the point lay in country c.
func (k *inquiry) world(c register.Country, d Direction) Answer {
	a := Answer{Directions: []Direction{d}}
	var last []Finding
	for _, r := range k.rows {
		if !r.Service.covers(k.Service) {
			continue
		}
		f, ok := k.best(r, c, d)
		switch {
		case !ok:
		case r.has(areaDuty):
			a.Duties = append(a.Duties, f)
		case r.has(areaFrame):
			if k.filled(r) {
				a.Frames = append(a.Frames, f)
			} else {
				f.Why = append(f.Why, because("frame_open", nil))
				a.Doubt = append(a.Doubt, f)
			}
		case r.has(areaLast):
			last = append(last, f)
		case f.result == in:
			a.By = append(a.By, f)
		case f.result == unclear:
			a.Doubt = append(a.Doubt, f)
		default:
			a.Against = append(a.Against, f)
		}
	}
	if len(a.By) == 0 {
		for _, f := range last {
			if f.result == in {
				a.By = append(a.By, f)
			}
		}
	}
	a.Frames = slices.DeleteFunc(a.Frames, func(f Finding) bool {
		return !slices.ContainsFunc(slices.Concat(a.By, a.Doubt), func(o Finding) bool { return f.Row.fills(o.Row.ID) })
	})
	switch {
	case len(a.By) > 0:
		a.Value = Probably
		if slices.ContainsFunc(a.By, func(f Finding) bool {
			_, dated := f.Row.inForce(k.Day)
			return f.Row.Verified() && dated
		}) {
			a.Value = Yes
		}
	case len(a.Doubt) > 0:
		a.Value = Unclear
	default:
		a.Value, a.Why = No, []Reason{because("nothing", nil)}
	}
	return a
}

// filled reports whether one of the rows that fill a frame is there.
func (k *inquiry) filled(frame Row) bool {
	return slices.ContainsFunc(k.rows, func(r Row) bool { return frame.fills(r.ID) })
}

// best is what a row says if the point lies in country c, with the neighbour with
// whom it says most; ok is false for a row that is not about these sides or this day.
func (k *inquiry) best(r Row, c register.Country, d Direction) (best Finding, ok bool) {
	for _, with := range register.Countries {
		if with == k.home || d == Go && with != c || d == Ask && k.With != "" && with != k.With {
			continue
		}
		if f, holds := k.finding(r, c, with, d); holds && (!ok || f.result > best.result) {
			best, ok = f, true
		}
	}
	return best, ok
}

// finding is what a row says with one neighbour. A duty is a side's own rule for its
// forces abroad.
func (k *inquiry) finding(r Row, c, with register.Country, d Direction) (f Finding, ok bool) {
	var ours, theirs []Unit
	for _, id := range r.Parties {
		u, _ := k.Unit(id)
		all := u.ID != "" && u.Country == ""
		if all || u.Country == k.home {
			ours = append(ours, u)
		}
		if all || u.Country == with {
			theirs = append(theirs, u)
		}
	}
	f = Finding{Row: r, Direction: d, With: with}
	holds, dated := r.inForce(k.Day)
	side := k.side(ours)
	if !holds {
		return f, false
	}
	if r.has(areaDuty) {
		return f, d == Go && side != out || d == Ask && len(theirs) > 0
	}
	if side == out || len(theirs) == 0 {
		return f, false
	}
	there := theirs
	if d == Ask {
		there = ours
	}
	k.judge(&f, c, there)
	if side == unclear && d == Go && f.result != out {
		f.result = unclear
		f.Why = append(f.Why, because("part", nil))
	}
	if f.result == out {
		return f, true
	}
	if r.Empty() {
		return f, true // that it is a placeholder says enough
	}
	if !r.Verified() {
		f.Why = append(f.Why, because("unverified", nil))
	}
	if !dated {
		f.Why = append(f.Why, because("undated", nil))
	}
	return f, true
}

// side tells whether the asking control room is of one of the parties: all of its
// units, or only a part of what it works for.
func (k *inquiry) side(ours []Unit) verdict {
	best := out
	for _, own := range k.from {
		for _, u := range ours {
			switch {
			case u.holds(own):
				return in
			case own.holds(u):
				best = unclear
			}
		}
	}
	return best
}

// judge measures the row's area: the place has to lie with the party there, and in
// every part of the rule.
func (k *inquiry) judge(f *Finding, c register.Country, there []Unit) {
	f.result = in
	meet := func(v verdict, why Reason) {
		f.result = min(f.result, v)
		f.Why = append(f.Why, why)
	}
	if v := k.lies(k.At, c, there); v == unclear {
		meet(v, because("region", nil))
	} else if v == out {
		meet(v, because("other_region", nil))
	}
	parts, _ := parseArea(f.Row.Area)
	for _, p := range parts {
		switch p.kind {
		case areaState, areaLast:
			meet(in, because("state", nil))
		case areaCorridor:
			meet(k.corridor(p.number, f.With))
		case areaPlaces, areaUnits:
			meet(k.list(c, p.ids))
		case areaMinutes:
			meet(unclear, because("minutes", i18n.Args{"minutes": p.number}))
		case areaUnknown:
			meet(unclear, because("unknown", nil))
		}
	}
}

// corridor measures the distance to the border of the two sides: within its error of
// the edge nothing is decided.
func (k *inquiry) corridor(metres float64, other register.Country) (verdict, Reason) {
	pair := [2]register.Country{k.home, other}
	s, done := k.spans[pair]
	if !done {
		if span, ok := k.places.Between(k.At, k.home, other); ok {
			s = &span
		}
		k.spans[pair] = s
	}
	if s == nil {
		return unclear, because("no_border", nil)
	}
	args := i18n.Args{"distance": math.Round(s.Distance), "limit": math.Round(metres), "error": math.Round(s.Error)}
	switch {
	case s.Far <= metres:
		return in, because("in_corridor", args)
	case s.Near > metres:
		return out, because("beyond", args)
	case s.Open:
		return unclear, because("edge_open", args)
	case s.Approximate:
		return unclear, because("edge", args)
	}
	return unclear, because("edge_official", args)
}

func (k *inquiry) list(c register.Country, ids []string) (verdict, Reason) {
	var units []Unit
	var places []string
	for _, id := range ids {
		if u, ok := k.Unit(id); ok {
			units = append(units, u)
		} else {
			places = append(places, id)
		}
	}
	switch v := max(k.lies(k.At, c, units), k.listed(k.At, c, places)); v {
	case in:
		return in, because("listed", nil)
	case out:
		return out, because("not_listed", nil)
	default:
		return v, because("near_listed", nil)
	}
}

// routes adds the ways by national contact points: rows marked so, between home and
// the neighbour there; c "" is any.
func (k *inquiry) routes(a *Answer, c register.Country) {
	for _, r := range k.rows {
		if holds, _ := r.inForce(k.Day); !r.Fallback || !holds || slices.ContainsFunc(a.Route, func(f Finding) bool { return f.Row.ID == r.ID }) ||
			slices.ContainsFunc(a.By, func(f Finding) bool { return f.Row.ID == r.ID }) {
			continue
		}
		ours, theirs := false, false
		for _, id := range r.Parties {
			u, _ := k.Unit(id)
			all := u.ID != "" && u.Country == ""
			ours = ours || all || u.Country == k.home
			theirs = theirs || all || u.Country != k.home && u.Country != "" && (c == "" || c == k.home || u.Country == c) && (k.With == "" || u.Country == k.With)
		}
		if ours && theirs {
			a.Route = append(a.Route, Finding{Row: r})
		}
	}
}
