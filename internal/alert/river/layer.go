package river

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/sign"
)

// layer is the gauges that told a value, for the map of the region and the list beside
// it, the worst first.
type layer struct {
	Kind  store.Kind
	At    time.Time
	Lines []Line
	Marks []register.Mark
	Far   map[string]bool // keys of those that have no place on the map
}

// order of signs: what needs a person first, what is not known before what is calm.
var order = []sign.Level{sign.L4, sign.L3, sign.L2, sign.L1, sign.Stale, sign.None}

func (p *Pages) layer(ctx context.Context, o Overview) layer {
	v := layer{Kind: o.Kind, At: web.Now(ctx), Far: map[string]bool{}}
	for _, l := range o.Lines {
		if l.Level != nil || l.Flow != nil {
			v.Lines = append(v.Lines, l)
		}
	}
	slices.SortFunc(v.Lines, func(a, b Line) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Sign()), slices.Index(order, b.Sign())), cmp.Compare(a.Gauge.River, b.Gauge.River), cmp.Compare(a.Gauge.Name, b.Gauge.Name), cmp.Compare(a.Key, b.Key))
	})
	// The last is drawn on top of the others: the worst. Beside a mark stands what is short:
	// forty gauges are on one map, and the list has the rest.
	for _, l := range slices.Backward(v.Lines) {
		at, ok := p.spot(l)
		if !ok || p.places.Country(at).Confidence == register.Outside {
			v.Far[l.Key] = true
			continue
		}
		v.Marks = append(v.Marks, register.Mark{Point: at, Level: string(l.Sign()), Label: l.Gauge.Name + arrow(l), URL: Address(l.Key, o.Kind)})
	}
	return v
}

// spot is where a gauge stands: by the service, else by our table, else its municipality.
func (p *Pages) spot(l Line) (geo.Point, bool) {
	for _, s := range l.Stations {
		if at := (geo.Point{Lat: s.Lat, Lon: s.Lon}); !math.IsNaN(s.Lat) && !math.IsNaN(s.Lon) && at.Valid() {
			return at, true
		}
	}
	if at := (geo.Point{Lat: l.Gauge.Lat, Lon: l.Gauge.Lon}); !math.IsNaN(at.Lat) && !math.IsNaN(at.Lon) && (at.Lat != 0 || at.Lon != 0) && at.Valid() {
		return at, true
	}
	town, ok := p.place(l.Gauge.Place)
	return town.Point, ok
}

// arrow is the trend of a level; none for an old one, which tells nothing of now.
func arrow(l Line) string {
	switch {
	case l.Stale || math.IsNaN(l.Change):
		return ""
	case l.Change >= steady:
		return " ↑"
	case l.Change <= -steady:
		return " ↓"
	}
	return " →"
}
