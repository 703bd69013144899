package unit

import (
	"math"

	"trojmezi/internal/kernel/geo"
)

// Detail is how exactly a position is shown.
type Detail string

// Details of a position.
const (
	Hidden Detail = ""
	Coarse Detail = "coarse" // the middle of its field of some kilometres
	Exact  Detail = "exact"
)

// Rule says what of a unit is shown. Without Show it is not even known that there
// is one; with it call sign and type are.
type Rule struct {
	Show     bool   `json:"show,omitempty"`
	Status   bool   `json:"status,omitempty"`
	Position Detail `json:"position,omitempty"`
	Ready    bool   `json:"ready,omitempty"`
	Crew     bool   `json:"crew,omitempty"` // number and skills
}

// Rules are what one neighbour sees. The rule of a unit goes before that of its
// type, and that before the one for all.
type Rules struct {
	All   *Rule           `json:"all,omitempty"`
	Types map[string]Rule `json:"types,omitempty"` // by code
	Units map[string]Rule `json:"units,omitempty"` // by id
}

// Of is the rule for a unit; the zero Rule shows nothing.
func (r Rules) Of(u *Unit) Rule {
	if x, ok := r.Units[u.ID]; ok {
		return x
	}
	if x, ok := r.Types[u.Type]; ok {
		return x
	}
	if r.All != nil {
		return *r.All
	}
	return Rule{}
}

// Spot is a published position.
type Spot struct {
	Lat    float64 `json:"lat"`
	Lon    float64 `json:"lon"`
	Error  int     `json:"err,omitempty"` // metres, when it was made coarse
	At     int64   `json:"at,omitempty"`  // Unix seconds; 0: not told
	Source string  `json:"src,omitempty"`
}

// Published is what a neighbour is told of a unit. Nothing else of it leaves.
type Published struct {
	ID       string `json:"id"`
	CallSign string `json:"call"`
	Type     string `json:"type"`
	Status   Status `json:"st,omitempty"`
	StatusAt int64  `json:"sat,omitempty"` // Unix seconds
	Spot     *Spot  `json:"pos,omitempty"`
	Station  string `json:"home,omitempty"`
	Ready    *int   `json:"ready,omitempty"` // minutes
	Crew     *int   `json:"crew,omitempty"`
	Skills   string `json:"can,omitempty"`
}

// See is what the rules let a neighbour see of a unit; false: nothing.
func (r Rules) See(u *Unit) (Published, bool) {
	rule := r.Of(u)
	if !rule.Show {
		return Published{}, false
	}
	p := Published{ID: u.ID, CallSign: u.CallSign, Type: u.Type}
	if rule.Status {
		p.Status, p.StatusAt = u.Status, u.StatusAt.Unix()
	}
	if at := u.Where(); at != nil {
		switch rule.Position {
		case Exact:
			// The name of the station is as good as its position.
			p.Spot, p.Station = &Spot{Lat: at.Lat, Lon: at.Lon, Source: at.Source}, u.Station
		case Coarse:
			c, err := coarse(at.Point)
			p.Spot = &Spot{Lat: c.Lat, Lon: c.Lon, Error: err}
		}
		if p.Spot != nil && !at.At.IsZero() {
			p.Spot.At = at.At.Unix()
		}
	} else if rule.Position == Exact {
		p.Station = u.Station
	}
	if rule.Ready && u.Ready >= 0 {
		p.Ready = &u.Ready
	}
	if rule.Crew {
		if u.Crew >= 0 {
			p.Crew = &u.Crew
		}
		p.Skills = u.Skills
	}
	return p, true
}

// field is the side of a coarse position's field in degrees: 5.6 km from south to
// north, 3.6 km from west to east at 50°.
const field = 0.05

// coarse is the middle of the field a point lies in, and how far off it can be in
// metres. The fields are fixed, so that many positions tell no more than one.
func coarse(p geo.Point) (geo.Point, int) {
	middle := func(v float64) float64 { return math.Round((math.Floor(v/field)+0.5)*field*1e6) / 1e6 }
	c := geo.Point{Lat: middle(p.Lat), Lon: middle(p.Lon)}
	corner := geo.Point{Lat: c.Lat - field/2, Lon: c.Lon - field/2}
	if c.Lat < 0 { // the longer side of a field is the one at the equator
		corner.Lat = c.Lat + field/2
	}
	return c, int(math.Ceil(geo.Distance(c, corner)/100)) * 100
}

// sameBut reports whether two published units differ in their position alone.
func sameBut(a, b Published) bool {
	return a.ID == b.ID && a.CallSign == b.CallSign && a.Type == b.Type && a.Status == b.Status && a.StatusAt == b.StatusAt &&
		a.Station == b.Station && equal(a.Ready, b.Ready) && equal(a.Crew, b.Crew) && a.Skills == b.Skills
}

func equal(a, b *int) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }
