package unit

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Seen is a unit a neighbour shows us.
type Seen struct {
	Published
	Other string    // the neighbour's address
	Heard time.Time // when it was so, at the neighbour's

	Kind      store.Kind
	Neighbour string // name
	Label     string // the neighbour's word for a type that is not in our catalogue
}

// Now is the status to show at a moment: what is older than stale is Unknown.
func (s *Seen) Now(now time.Time, stale time.Duration) Status {
	if now.Sub(s.Heard) > stale {
		return Unknown
	}
	return s.Status
}

// Offer is a unit with its way to a place.
type Offer struct {
	*Seen
	State    Status  // Unknown: not told, or too long ago
	Straight float64 // metres as the crow flies
	Road     float64 // Straight times the factor of the settings: an estimate, no route
	Factor   float64
	Stale    time.Duration
}

// Reported is when its position was; zero: it was not, or that is not told.
func (s *Seen) Reported() time.Time {
	if s.Spot == nil || s.Spot.At == 0 {
		return time.Time{}
	}
	return time.Unix(s.Spot.At, 0).UTC()
}

// snapshot is what is seen, until the number changes.
type snapshot struct {
	number int64
	units  []*Seen
	places []place
}

// place is what a unit is found by, beside the others in memory: following ten
// thousand pointers would take longer than comparing.
type place struct {
	on    [3]float64 // its point on the unit sphere
	heard int64      // Unix milliseconds
	free  bool
	kind  store.Kind
	typ   string
	unit  *Seen
}

// places are the units with a position.
func places(units []*Seen) []place {
	out := make([]place, 0, len(units))
	for _, u := range units {
		if u.Spot != nil {
			out = append(out, place{onSphere(geo.Point{Lat: u.Spot.Lat, Lon: u.Spot.Lon}), millis(u.Heard), u.Status == Free, u.Kind, u.Type, u})
		}
	}
	return out
}

// Query narrows what Near finds.
type Query struct {
	Kind  store.Kind
	Types []string // none: all
	Any   bool     // also those that are not free, or not known to be
	Limit int
}

// Near are the units neighbours show to an organisation, the nearest first: those
// that are free, with a position. The distance is a straight line times a factor.
func (s *Service) Near(ctx context.Context, org string, at geo.Point, q Query) ([]Offer, error) {
	snap, set, err := s.shown(ctx, org)
	if err != nil {
		return nil, problem.Wrap("unit.Near", err)
	}
	return nearest(snap.places, at, s.o.Clock.Now(), set, q), nil
}

// SeenBy are all units neighbours show to an organisation, by neighbour and call sign.
func (s *Service) SeenBy(ctx context.Context, org string) ([]Offer, error) {
	snap, set, err := s.shown(ctx, org)
	if err != nil {
		return nil, problem.Wrap("unit.SeenBy", err)
	}
	now := s.o.Clock.Now()
	out := make([]Offer, 0, len(snap.units))
	for _, u := range snap.units {
		out = append(out, Offer{Seen: u, State: u.Now(now, set.Stale), Factor: set.Factor, Stale: set.Stale})
	}
	slices.SortStableFunc(out, func(a, b Offer) int {
		if c := strings.Compare(a.Neighbour, b.Neighbour); c != 0 {
			return c
		}
		return strings.Compare(a.CallSign, b.CallSign)
	})
	return out, nil
}

// One finds a unit a neighbour shows; false: it shows none with that id any more.
func (s *Service) One(ctx context.Context, org, other, id string) (Offer, bool, error) {
	snap, set, err := s.shown(ctx, org)
	if err != nil {
		return Offer{}, false, problem.Wrap("unit.One", err)
	}
	for _, u := range snap.units {
		if u.Other == other && u.ID == id {
			return Offer{Seen: u, State: u.Now(s.o.Clock.Now(), set.Stale), Factor: set.Factor, Stale: set.Stale}, true, nil
		}
	}
	return Offer{}, false, nil
}

// shown reads what is seen, from memory while nothing new was told.
func (s *Service) shown(ctx context.Context, org string) (snap *snapshot, set Settings, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		c, err := countsOf(tx, org)
		if err != nil {
			return err
		}
		if set, err = settings(tx); err != nil {
			return err
		}
		s.mu.Lock()
		snap = s.seen[org]
		s.mu.Unlock()
		if snap != nil && snap.number == c.seen {
			return nil
		}
		snap = &snapshot{number: c.seen}
		if snap.units, err = seenBy(tx, org); err != nil {
			return err
		}
		if err := s.complete(tx, org, snap.units); err != nil {
			return err
		}
		snap.places = places(snap.units)
		s.mu.Lock()
		s.seen[org] = snap
		s.mu.Unlock()
		return nil
	})
	return snap, set, err
}

// complete adds what the register and the catalogues say.
func (s *Service) complete(tx *store.Tx, org string, units []*Seen) error {
	neighbours, err := s.o.Node.Neighbours(tx)
	if err != nil {
		return err
	}
	kinds := map[string]store.Kind{}
	for _, n := range neighbours {
		kinds[n.OID] = n.Kind
	}
	labels, err := labelsOf(tx, org)
	if err != nil {
		return err
	}
	for _, u := range units {
		u.Kind, u.Neighbour, u.Label = kinds[u.Other], s.o.Node.NameOf(u.Other), labels[[2]string{u.Other, u.Type}]
	}
	return nil
}

// onSphere is a point as a vector: comparing two costs three products.
func onSphere(p geo.Point) [3]float64 {
	lat, lon := p.Lat*math.Pi/180, p.Lon*math.Pi/180
	return [3]float64{math.Cos(lat) * math.Cos(lon), math.Cos(lat) * math.Sin(lon), math.Sin(lat)}
}

// nearest picks the best of all in one pass.
func nearest(all []place, at geo.Point, now time.Time, set Settings, q Query) []Offer {
	type found struct {
		u   *Seen
		far float64 // square of the chord: grows with the distance
	}
	here := onSphere(at)
	var best []found
	oldest := millis(now.Add(-set.Stale))
	for i := range all {
		u := &all[i]
		if !q.Any && (!u.free || u.heard < oldest) || u.kind != q.Kind || len(q.Types) > 0 && !slices.Contains(q.Types, u.typ) {
			continue
		}
		x, y, z := u.on[0]-here[0], u.on[1]-here[1], u.on[2]-here[2]
		far := x*x + y*y + z*z
		if len(best) == q.Limit && (q.Limit == 0 || far >= best[q.Limit-1].far) {
			continue
		}
		n, _ := slices.BinarySearchFunc(best, far, func(f found, far float64) int {
			if f.far <= far {
				return -1
			}
			return 1
		})
		if best = slices.Insert(best, n, found{u.unit, far}); len(best) > q.Limit {
			best = best[:q.Limit]
		}
	}
	out := make([]Offer, len(best))
	for i, f := range best {
		d := geo.Distance(at, geo.Point{Lat: f.u.Spot.Lat, Lon: f.u.Spot.Lon})
		out[i] = Offer{Seen: f.u, State: f.u.Now(now, set.Stale), Straight: d, Road: d * set.Factor, Factor: set.Factor, Stale: set.Stale}
	}
	return out
}
