package register

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"trojmezi/internal/kernel/geo"
)

// Level is what a derived line divides.
type level string

const (
	levelDistrict     level = "district" // okres, Kreis, powiat
	levelORP          level = "orp"      // Czech municipalities with extended powers
	levelMunicipality level = "municipality"
)

// shapes are the lines between areas that are derived from the points of
// places: of two neighbours each owns what lies nearer to it (Voronoi cells), as
// far as their country reaches. They are for looking at only.
type shapes struct {
	lines map[level]map[Country][][]geo.Point
}

func shapesOf(r *Register) func() *shapes {
	return sync.OnceValue(func() *shapes {
		s := &shapes{lines: map[level]map[Country][][]geo.Point{levelDistrict: {}, levelORP: {}, levelMunicipality: {}}}
		for _, c := range Countries {
			segments := map[level][][2]geo.Point{}
			var places []Place
			for _, p := range r.places {
				if p.Country == c {
					places = append(places, p)
				}
			}
			for _, e := range edges(places) {
				l, ok := between(places[e.a], places[e.b])
				if !ok {
					continue
				}
				segments[l] = append(segments[l], r.derived[c].clip(e.from, e.to)...)
			}
			for l, all := range segments {
				s.lines[l][c] = join(all)
			}
		}
		return s
	})
}

// between tells what divides two neighbouring places of one country.
func between(a, b Place) (level, bool) {
	own := func(p Place) string {
		if p.Kind == Municipality {
			return p.ID
		}
		return p.Part
	}
	switch {
	case a.DistrictCode != b.DistrictCode:
		return levelDistrict, true
	case a.ORP != b.ORP:
		return levelORP, true
	case own(a) != own(b):
		return levelMunicipality, true
	}
	return "", false
}

// edge is a piece of the line between the cells of two places.
type edge struct {
	a, b     int
	from, to geo.Point
}

// flatScale makes degrees of longitude as long as those of latitude in the
// middle of the region.
var flatScale = math.Cos((window.South + window.North) / 2 * math.Pi / 180)

type corner struct {
	x, y float64
	next int // the neighbour across the side that begins here, −1 for the window
}

// edges computes the cells by cutting the window along the middle lines to the
// other places, nearest first.
func edges(places []Place) []edge {
	type flat struct{ x, y float64 }
	at := make([]flat, len(places))
	for i, p := range places {
		at[i] = flat{p.Point.Lon * flatScale, p.Point.Lat}
	}
	w, e := window.West*flatScale, window.East*flatScale
	var all []edge
	order := make([]int, len(places))
	for i := range places {
		for k := range order {
			order[k] = k
		}
		away := func(k int) float64 { return math.Hypot(at[k].x-at[i].x, at[k].y-at[i].y) }
		slices.SortFunc(order, func(a, b int) int { return cmp.Compare(away(a), away(b)) })
		cell := []corner{{w, window.South, -1}, {e, window.South, -1}, {e, window.North, -1}, {w, window.North, -1}}
		for _, k := range order[1:] {
			d := away(k)
			if d == 0 {
				continue // two places with one point share a cell
			}
			reach := 0.0
			for _, c := range cell {
				reach = max(reach, math.Hypot(c.x-at[i].x, c.y-at[i].y))
			}
			if d > 2*reach {
				break // no further place can cut
			}
			cell = cut(cell, (at[i].x+at[k].x)/2, (at[i].y+at[k].y)/2, at[k].x-at[i].x, at[k].y-at[i].y, k)
		}
		for n, c := range cell {
			if c.next > i {
				d := cell[(n+1)%len(cell)]
				all = append(all, edge{i, c.next, geo.Point{Lat: c.y, Lon: c.x / flatScale}, geo.Point{Lat: d.y, Lon: d.x / flatScale}})
			}
		}
	}
	return all
}

// cut keeps the side of the line through (mx, my) that (dx, dy) points away from.
func cut(cell []corner, mx, my, dx, dy float64, neighbour int) []corner {
	side := func(c corner) float64 { return (c.x-mx)*dx + (c.y-my)*dy }
	var out []corner
	for i, c := range cell {
		d := cell[(i+1)%len(cell)]
		sc, sd := side(c), side(d)
		cross := func(next int) {
			t := sc / (sc - sd)
			out = append(out, corner{c.x + t*(d.x-c.x), c.y + t*(d.y-c.y), next})
		}
		switch {
		case sc <= 0 && sd <= 0:
			out = append(out, c)
		case sc <= 0:
			out = append(out, c)
			cross(neighbour)
		case sd <= 0:
			cross(c.next)
		}
	}
	return out
}

// clip returns the pieces of a straight line that lie in the area.
func (a *area) clip(from, to geo.Point) [][2]geo.Point {
	stops := []float64{0, 1}
	for _, l := range a.lines {
		for i := 1; i < len(l); i++ {
			if t, ok := crossing(from, to, l[i-1], l[i]); ok {
				stops = append(stops, t)
			}
		}
	}
	slices.Sort(stops)
	on := func(t float64) geo.Point {
		return geo.Point{Lat: from.Lat + t*(to.Lat-from.Lat), Lon: from.Lon + t*(to.Lon-from.Lon)}
	}
	var out [][2]geo.Point
	for i := 1; i < len(stops); i++ {
		if stops[i]-stops[i-1] > 1e-9 && a.contains(on((stops[i]+stops[i-1])/2)) {
			out = append(out, [2]geo.Point{on(stops[i-1]), on(stops[i])})
		}
	}
	return out
}

// crossing returns where on a–b the line c–d crosses it, 0 < t < 1.
func crossing(a, b, c, d geo.Point) (t float64, ok bool) {
	rx, ry, sx, sy := b.Lon-a.Lon, b.Lat-a.Lat, d.Lon-c.Lon, d.Lat-c.Lat
	n := rx*sy - ry*sx
	if n == 0 {
		return 0, false
	}
	t = ((c.Lon-a.Lon)*sy - (c.Lat-a.Lat)*sx) / n
	u := ((c.Lon-a.Lon)*ry - (c.Lat-a.Lat)*rx) / n
	return t, t > 0 && t < 1 && u >= 0 && u <= 1
}

// grid is how exact derived lines are kept: 10⁻⁴ degrees, about 10 m.
const grid = 1e4

func rounded(p geo.Point) geo.Point {
	return geo.Point{Lat: math.Round(p.Lat*grid) / grid, Lon: math.Round(p.Lon*grid) / grid}
}

// join makes long lines of pieces that meet, so that dashes run through.
func join(segments [][2]geo.Point) [][]geo.Point { return joinAs(segments, rounded) }

func joinAs(segments [][2]geo.Point, round func(geo.Point) geo.Point) [][]geo.Point {
	ends := map[geo.Point][]int{}
	for i := range segments {
		segments[i] = [2]geo.Point{round(segments[i][0]), round(segments[i][1])}
		for _, p := range segments[i] {
			ends[p] = append(ends[p], i)
		}
	}
	used := make([]bool, len(segments))
	follow := func(p geo.Point) (geo.Point, bool) {
		if len(ends[p]) > 2 {
			return p, false // a junction ends a line
		}
		for _, i := range ends[p] {
			if !used[i] {
				used[i] = true
				if segments[i][0] == p {
					return segments[i][1], true
				}
				return segments[i][0], true
			}
		}
		return p, false
	}
	var lines [][]geo.Point
	for i, s := range segments {
		if used[i] || s[0] == s[1] {
			continue
		}
		used[i] = true
		line := []geo.Point{s[0], s[1]}
		for p, ok := follow(s[1]); ok; p, ok = follow(p) {
			line = append(line, p)
		}
		slices.Reverse(line)
		for p, ok := follow(s[0]); ok; p, ok = follow(p) {
			line = append(line, p)
		}
		lines = append(lines, line)
	}
	return lines
}
