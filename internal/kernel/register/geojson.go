package register

import (
	"encoding/json"
	"math"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
)

// feature and collection are what we write of GeoJSON (spec: RFC 7946).
type feature struct {
	Type       string     `json:"type"`
	Properties properties `json:"properties"`
	Geometry   geometry   `json:"geometry"`
}

type properties struct {
	// Kind is "country", "border", "district", "orp", "municipality", "river" or "place".
	Kind    string  `json:"kind"`
	Country Country `json:"country,omitempty"`
	ID      string  `json:"id,omitempty"`
	Name    string  `json:"name,omitempty"`
	CS      string  `json:"cs,omitempty"`
	DE      string  `json:"de,omitempty"`
	PL      string  `json:"pl,omitempty"`
	// Rank orders names: 0 first.
	Rank int `json:"rank"`
	// Approximate lines are derived, not official.
	Approximate bool `json:"approximate,omitempty"`
}

type geometry struct {
	Type        string `json:"type"`
	Coordinates any    `json:"coordinates"`
}

type position [2]float64 // longitude, latitude

func at(p geo.Point) position {
	return position{math.Round(p.Lon*grid) / grid, math.Round(p.Lat*grid) / grid}
}

func positions(lines [][]geo.Point) [][]position {
	all := make([][]position, 0, len(lines))
	for _, l := range lines {
		line := make([]position, 0, len(l))
		for _, p := range l {
			if q := at(p); len(line) == 0 || line[len(line)-1] != q {
				line = append(line, q)
			}
		}
		if len(line) > 1 {
			all = append(all, line)
		}
	}
	return all
}

// base is the map of the region as GeoJSON.
func (r *Register) base() ([]byte, error) {
	var all []feature
	add := func(p properties, kind string, coordinates any) {
		all = append(all, feature{"Feature", p, geometry{kind, coordinates}})
	}
	for _, c := range Countries {
		a := r.areaOf(c)
		add(properties{Kind: "country", Country: c, Approximate: a.approximate}, "MultiPolygon", polygons(a))
	}
	for _, l := range []level{levelMunicipality, levelORP, levelDistrict} {
		add(properties{Kind: string(l), Approximate: len(r.official.Load().lines[l]) == 0}, "MultiLineString", positions(r.linesOf(l)))
	}
	for _, river := range r.rivers {
		add(properties{Kind: "river", CS: river.Names["cs"], DE: river.Names["de"], PL: river.Names["pl"], Approximate: true},
			"LineString", positions([][]geo.Point{river.Line})[0])
	}
	add(properties{Kind: "border", Approximate: r.official.Load().none()}, "MultiLineString", positions(r.borderLines()))
	for i, p := range r.rank {
		name := func(l i18n.Lang) string { return p.Names[l] }
		add(properties{Kind: "place", Country: p.Country, ID: p.ID, Name: p.Name, CS: name("cs"), DE: name("de"), PL: name("pl"), Rank: i}, "Point", at(p.Point))
	}
	return json.Marshal(struct {
		Type     string    `json:"type"`
		Features []feature `json:"features"`
	}{"FeatureCollection", all})
}

// polygons gives every ring a polygon of its own but for holes, which lie in
// the ring before them.
func polygons(a *area) [][][]position {
	var all [][][]position
	for i, ring := range a.rings {
		lines := positions([][]geo.Point{thin(ring)})
		if len(lines) == 0 {
			continue
		}
		if i > 0 && a.hole(i) {
			all[len(all)-1] = append(all[len(all)-1], lines[0])
		} else {
			all = append(all, [][]position{lines[0]})
		}
	}
	return all
}

// hole tells whether a ring lies within the ones before it.
func (a *area) hole(i int) bool {
	in := false
	for k := range i {
		if a.boxes[k].contains(a.rings[i][0]) && inRing(a.rings[i][0], a.rings[k]) {
			in = !in
		}
	}
	return in
}

// farStep is how far apart points are kept outside of the region, in degrees.
const farStep = 0.1

// thin leaves out points that lie so far away that nobody looks at them.
func thin(ring []geo.Point) []geo.Point {
	var out []geo.Point
	for i, p := range ring {
		if i == 0 || i == len(ring)-1 || around.contains(p) {
			out = append(out, p)
			continue
		}
		last := out[len(out)-1]
		if around.contains(last) || around.contains(ring[i+1]) || math.Hypot(p.Lat-last.Lat, p.Lon-last.Lon) >= farStep {
			out = append(out, p)
		}
	}
	return out
}
