package notice

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"trojmezi/internal/alert/river"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
)

// Reach is a piece of a river and what lies within some kilometres of it.
type Reach struct {
	River    string // key
	From, To string // ids of stops
	Km       float64
}

// water is a river with what one can name on it, from the spring down.
type water struct {
	river.River
	line  []geo.Point
	stops []stop
}

// stop is a gauge or a place on a river.
type stop struct {
	id    string // "gauge:pl-ostrozno", or that of the place
	name  string // of a gauge
	place register.Place
	point geo.Point
	along float64 // which piece of the line, and how much of it
}

const (
	// riverside is how far from a river's line a place may lie to be named on it, in
	// metres: the lines run through the middle of towns.
	riverside = 3000
	// leastReach is how many kilometres to each side are warned at least: so much the
	// lines may be beside the water.
	leastReach = 1.0
)

// waters are the rivers that have a name, a line and at least two stops.
func waters(places *register.Register) (all []water) {
	for _, r := range places.Rivers() {
		named, ok := river.Shipped.Named(r.Names[i18n.Cs])
		if !ok || len(r.Line) < 2 {
			continue
		}
		w := water{River: named, line: r.Line}
		for _, g := range river.Shipped.Gauges {
			if g.River != named.Key {
				continue
			}
			s := stop{id: "gauge:" + g.Key, name: g.Name, point: geo.Point{Lat: g.Lat, Lon: g.Lon}}
			if math.IsNaN(g.Lat) { // where the municipality is that it is called after
				for _, p := range places.Search(g.Place, 1) {
					if g.Place != "" && p.Name == g.Place {
						s.point = p.Point
					}
				}
			}
			w.add(s)
		}
		for _, p := range places.Places() {
			w.add(stop{id: p.ID, place: p, point: p.Point})
		}
		if len(w.stops) < 2 {
			continue
		}
		slices.SortStableFunc(w.stops, func(x, y stop) int { return cmp.Compare(x.along, y.along) })
		all = append(all, w)
	}
	return all
}

// add takes a stop that lies at the river.
func (w *water) add(s stop) {
	if math.IsNaN(s.point.Lat) {
		return
	}
	best := math.Inf(1)
	for i := 1; i < len(w.line); i++ {
		t, away := beside(s.point, w.line[i-1], w.line[i])
		if away < best {
			best, s.along = away, float64(i-1)+t
		}
	}
	if best <= riverside {
		w.stops = append(w.stops, s)
	}
}

// beside is where the foot of a point on a side is, from 0 to 1, and how far away it is
// in metres.
func beside(p, from, to geo.Point) (t, away float64) {
	a, b := project(p, from), project(p, to)
	dx, dy := b.x-a.x, b.y-a.y
	if l := dx*dx + dy*dy; l > 0 {
		t = max(0, min(1, -(a.x*dx+a.y*dy)/l))
	}
	return t, math.Hypot(a.x+t*dx, a.y+t*dy)
}

// in is what a reader of a language calls a stop.
func (s stop) in(l i18n.Lang) string {
	if s.name != "" {
		return s.name
	}
	name, local := s.place.In(l)
	if local != "" {
		return name + " (" + local + ")"
	}
	return name
}

// called reports whether a text means the stop.
func (s stop) called(text string) bool {
	if s.id == text {
		return true
	}
	text = i18n.Fold(text)
	is := func(name string) bool { // Friedland is Friedland in Böhmen
		name = i18n.Fold(name)
		return name != "" && (name == text || strings.HasPrefix(name, text+" "))
	}
	if s.name != "" {
		return is(s.name)
	}
	return text != "" && (is(s.place.Name) || slices.ContainsFunc(i18n.Langs, func(l i18n.Lang) bool { return is(s.place.Names[l]) || is(s.in(l)) }))
}

// water finds a river by its key.
func (a *Atlas) water(key string) *water {
	for i := range a.waters {
		if a.waters[i].Key == key {
			return &a.waters[i]
		}
	}
	return nil
}

func (w *water) stop(text string) (stop, bool) {
	i := slices.IndexFunc(w.stops, func(s stop) bool { return s.called(strings.TrimSpace(text)) })
	if i < 0 {
		return stop{}, false
	}
	return w.stops[i], true
}

// names are those of the stops, each once, from the spring down.
func (w *water) names(l i18n.Lang) (all []string) {
	for _, s := range w.stops {
		if n := s.in(l); !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// someStops is how many names a refusal lists.
const someStops = 12

// Reach reads what somebody wrote: a river, from where to where, how far to each side.
func (a *Atlas) Reach(l i18n.Lang, key, from, to string, km float64) (*Reach, *Fault) {
	w := a.water(key)
	if w == nil {
		return nil, &Fault{Field: "reach_river", Key: "notice.fault.river"}
	}
	r := &Reach{River: key, Km: km}
	var ends []stop
	for _, x := range []struct {
		field, text string
		into        *string
	}{{"reach_from", from, &r.From}, {"reach_to", to, &r.To}} {
		s, ok := w.stop(x.text)
		if !ok {
			all := w.names(l)
			return nil, &Fault{Field: x.field, Key: "notice.fault.stop", Args: i18n.Args{"value": x.text, "river": w.In(l), "list": strings.Join(all[:min(len(all), someStops)], ", ")}}
		}
		*x.into, ends = s.id, append(ends, s)
	}
	if ends[0].point == ends[1].point {
		return nil, &Fault{Field: "reach_to", Key: "notice.fault.stops"}
	}
	if !(km >= leastReach && km <= maxRadius) {
		return nil, &Fault{Field: "reach_km", Key: "notice.fault.reach_km", Args: i18n.Args{"least": leastReach, "most": maxRadius}}
	}
	return r, nil
}

// Along is the outline of a reach in pieces; nil for one that is not known any more.
func (a *Atlas) Along(r *Reach) []Ring {
	w := a.water(r.River)
	if w == nil {
		return nil
	}
	from, ok := w.stop(r.From)
	to, ok2 := w.stop(r.To)
	if !ok || !ok2 {
		return nil
	}
	if from.along > to.along {
		from, to = to, from
	}
	at := func(along float64) geo.Point {
		i := min(int(along), len(w.line)-2)
		t, p, q := along-float64(i), w.line[i], w.line[i+1]
		return geo.Point{Lat: p.Lat + t*(q.Lat-p.Lat), Lon: p.Lon + t*(q.Lon-p.Lon)}
	}
	// The places themselves are in it, however far from the line they lie.
	line := []geo.Point{from.point, at(from.along)}
	for i := int(from.along) + 1; float64(i) < to.along; i++ {
		line = append(line, w.line[i])
	}
	line = slices.Compact(append(line, at(to.along), to.point))
	return widened(line, r.Km)
}

// NameOfReach is what a reader of a language calls it.
func (a *Atlas) NameOfReach(texts *i18n.Bundle, l i18n.Lang, r *Reach) string {
	w := a.water(r.River)
	if w == nil {
		return ""
	}
	from, _ := w.stop(r.From)
	to, _ := w.stop(r.To)
	return texts.Text(l, "notice.say.reach", i18n.Args{"river": w.In(l), "from": from.in(l), "to": to.in(l), "km": r.Km})
}
