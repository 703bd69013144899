package cap

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Point is a place on WGS 84, in degrees.
type Point struct{ Lat, Lon float64 }

// Ring reads a polygon (spec: CAP 1.2, §3.2.4). What is wrong with it is a word:
// "number" (no points), "range" (none on earth), "few" (below four), "open" (the last is
// not the first), "crossing" (it crosses or touches itself), "wide" (it goes around the
// other side of the earth, where nobody can say what is inside), "" for nothing. Of an
// open one, and of one that crosses itself, the points come nevertheless.
func Ring(text string) (points []Point, wrong string) {
	for w := range strings.FieldsSeq(text) {
		lat, lon, ok := strings.Cut(w, ",")
		y, err1 := strconv.ParseFloat(lat, 64)
		x, err2 := strconv.ParseFloat(lon, 64)
		switch {
		case !ok || err1 != nil || err2 != nil:
			return nil, "number"
		case !(math.Abs(y) <= 90 && math.Abs(x) <= 180):
			return nil, "range"
		}
		points = append(points, Point{y, x})
	}
	for i := 1; i < len(points); i++ {
		if math.Abs(points[i].Lon-points[i-1].Lon) > 180 {
			return points, "wide"
		}
	}
	switch {
	case len(points) == 0:
		return nil, "number"
	case len(points) < 4:
		return points, "few"
	case points[0] != points[len(points)-1]:
		return points, "open"
	case crosses(points):
		return points, "crossing"
	}
	return points, ""
}

// Circle reads one: its centre, and its radius in kilometres. It is wrong as "number"
// or "range".
func Circle(text string) (centre Point, km float64, wrong string) {
	words := strings.Fields(text)
	if len(words) != 2 {
		return Point{}, 0, "number"
	}
	lat, lon, _ := strings.Cut(words[0], ",")
	y, err1 := strconv.ParseFloat(lat, 64)
	x, err2 := strconv.ParseFloat(lon, 64)
	km, err3 := strconv.ParseFloat(words[1], 64)
	switch {
	case err1 != nil || err2 != nil || err3 != nil:
		return Point{}, 0, "number"
	case !(math.Abs(y) <= 90 && math.Abs(x) <= 180 && km >= 0 && km <= 20_038): // half the equator
		return Point{}, 0, "range"
	}
	return Point{y, x}, km, ""
}

// edge is a side of a ring, from the west to the east.
type edge struct {
	a, b  Point
	index int
}

// crosses reports whether a closed ring crosses or touches itself. It looks at pairs of
// sides whose west-to-east extents meet: few, in what anybody draws.
func crosses(ring []Point) bool {
	edges := make([]edge, 0, len(ring)-1)
	for i := 1; i < len(ring); i++ {
		e := edge{ring[i-1], ring[i], i}
		if e.a == e.b {
			continue // a point twice in a row harms nobody
		}
		if e.b.Lon < e.a.Lon {
			e.a, e.b = e.b, e.a
		}
		edges = append(edges, e)
	}
	for i := range edges {
		edges[i].index = i
	}
	n := len(edges)
	slices.SortFunc(edges, func(x, y edge) int { return cmp.Compare(x.a.Lon, y.a.Lon) })
	var open []edge
	for _, e := range edges {
		open = slices.DeleteFunc(open, func(o edge) bool { return o.b.Lon < e.a.Lon })
		for _, o := range open {
			next := e.index-o.index == 1 || o.index-e.index == 1 || e.index-o.index == n-1 || o.index-e.index == n-1
			if next && foldsBack(e, o) || !next && meet(e, o) {
				return true
			}
		}
		open = append(open, e)
	}
	return false
}

// side is on which side of the line from a to b a point lies: 0 on it.
func side(a, b, p Point) float64 {
	return (b.Lon-a.Lon)*(p.Lat-a.Lat) - (b.Lat-a.Lat)*(p.Lon-a.Lon)
}

// on reports whether a point of the line of an edge lies on the edge.
func on(e edge, p Point) bool {
	return min(e.a.Lon, e.b.Lon) <= p.Lon && p.Lon <= max(e.a.Lon, e.b.Lon) && min(e.a.Lat, e.b.Lat) <= p.Lat && p.Lat <= max(e.a.Lat, e.b.Lat)
}

// meet reports whether two edges have a point in common.
func meet(e, o edge) bool {
	s1, s2 := side(e.a, e.b, o.a), side(e.a, e.b, o.b)
	s3, s4 := side(o.a, o.b, e.a), side(o.a, o.b, e.b)
	if (s1 > 0) != (s2 > 0) && (s3 > 0) != (s4 > 0) && s1 != 0 && s2 != 0 && s3 != 0 && s4 != 0 {
		return true
	}
	return s1 == 0 && on(e, o.a) || s2 == 0 && on(e, o.b) || s3 == 0 && on(o, e.a) || s4 == 0 && on(o, e.b)
}

// foldsBack reports whether of two edges with a common end one runs along the other.
func foldsBack(e, o edge) bool {
	shared, free1, free2 := e.a, e.b, o.b
	switch {
	case e.a == o.b:
		free2 = o.a
	case e.b == o.a:
		shared, free1 = e.b, e.a
	case e.b == o.b:
		shared, free1, free2 = e.b, e.a, o.a
	}
	if side(shared, free1, free2) != 0 {
		return false
	}
	return (free1.Lon-shared.Lon)*(free2.Lon-shared.Lon)+(free1.Lat-shared.Lat)*(free2.Lat-shared.Lat) > 0
}
