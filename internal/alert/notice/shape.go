package notice

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/peterstace/simplefeatures/geom"

	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/geo"
)

// Ring is the outline of an area, closed: the last point is the first.
type Ring []geo.Point

// Bounds of what is sent: some receivers refuse more.
const (
	maxVertices = 100 // of one polygon
	maxPolygons = 24  // more are put together
	circleSides = 36
)

// circle is a polygon around a circle: its sides touch it from outside.
func circle(at geo.Point, km float64) (r Ring) {
	// A bit more for what the plane differs from the earth.
	radius := km * 1000 / math.Cos(math.Pi/circleSides) * 1.01
	for i := range circleSides {
		r = append(r, geo.Destination(at, 360*float64(i)/circleSides, radius))
	}
	return append(r, r[0])
}

// hull is the convex outline of points.
func hull(points []geo.Point) Ring {
	p := slices.Clone(points)
	slices.SortFunc(p, func(a, b geo.Point) int { return cmp.Or(cmp.Compare(a.Lon, b.Lon), cmp.Compare(a.Lat, b.Lat)) })
	p = slices.Compact(p)
	if len(p) < 3 {
		return nil
	}
	var chain [2]Ring
	for k := range chain {
		for _, q := range p {
			for n := len(chain[k]); n >= 2 && turn(chain[k][n-2], chain[k][n-1], q) <= 0; n = len(chain[k]) {
				chain[k] = chain[k][:n-1]
			}
			chain[k] = append(chain[k], q)
		}
		slices.Reverse(p)
	}
	return append(chain[0][:len(chain[0])-1], chain[1]...)
}

// turn is positive where a, b, c turn to the left.
func turn(a, b, c geo.Point) float64 {
	return (b.Lon-a.Lon)*(c.Lat-a.Lat) - (b.Lat-a.Lat)*(c.Lon-a.Lon)
}

// cap writes a ring as CAP wants it, to the last digit: rounding would move it inwards.
func (r Ring) cap() string {
	var b strings.Builder
	for i, p := range r {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.FormatFloat(p.Lat, 'f', -1, 64))
		b.WriteByte(',')
		b.WriteString(strconv.FormatFloat(p.Lon, 'f', -1, 64))
	}
	return b.String()
}

// Contains is the even-odd rule; points of the line may be in or out.
func (r Ring) Contains(p geo.Point) (in bool) {
	for i := 1; i < len(r); i++ {
		a, b := r[i-1], r[i]
		if (a.Lat > p.Lat) != (b.Lat > p.Lat) && p.Lon < (b.Lon-a.Lon)*(p.Lat-a.Lat)/(b.Lat-a.Lat)+a.Lon {
			in = !in
		}
	}
	return in
}

// Shape makes of pieces the polygons that are sent: the union, without holes, each valid
// and of few points. Nothing of any piece is outside of them.
func Shape(pieces []Ring) []Ring {
	rings := join(pieces)
	for i := range rings {
		rings[i] = Simplify(rings[i], maxVertices)
	}
	if len(rings) > maxPolygons {
		rings = []Ring{hull(slices.Concat(rings...))}
	}
	return rings
}

// join is the union of pieces, without holes. What cannot be united stays in pieces,
// which together say the same.
func join(pieces []Ring) []Ring {
	if len(pieces) < 2 {
		return slices.Clone(pieces)
	}
	var all []geom.Geometry
	for _, r := range pieces {
		xy := make([]float64, 0, 2*len(r))
		for _, p := range r {
			xy = append(xy, p.Lon, p.Lat)
		}
		g := geom.NewPolygon([]geom.LineString{geom.NewLineString(geom.NewSequence(xy, geom.DimXY))})
		if g.Validate() != nil {
			return slices.Clone(pieces)
		}
		all = append(all, g.AsGeometry())
	}
	union, err := geom.UnionMany(all)
	if err != nil {
		return slices.Clone(pieces)
	}
	var out []Ring
	for _, part := range union.Dump() {
		p, ok := part.AsPolygon()
		if !ok {
			continue
		}
		seq := p.ExteriorRing().Coordinates()
		var r Ring
		for i := range seq.Length() {
			c := seq.GetXY(i)
			r = append(r, geo.Point{Lat: c.Y, Lon: c.X})
		}
		out = append(out, r)
	}
	// The union computes with rounded crossings: what lost a corner by them is not used.
	for _, piece := range pieces {
		for _, p := range piece {
			if !slices.ContainsFunc(out, func(r Ring) bool { return r.covers(p) }) {
				return slices.Clone(pieces)
			}
		}
	}
	for _, r := range out {
		if _, wrong := cap.Ring(r.cap()); wrong != "" {
			return slices.Clone(pieces)
		}
	}
	return out
}

// covers reports whether a point lies in a ring or on its line, to the last digits.
func (r Ring) covers(p geo.Point) bool {
	if r.Contains(p) {
		return true
	}
	for i := 1; i < len(r); i++ {
		a, b := r[i-1], r[i]
		dx, dy := b.Lon-a.Lon, b.Lat-a.Lat
		t := 0.0
		if l := dx*dx + dy*dy; l > 0 {
			t = max(0, min(1, ((p.Lon-a.Lon)*dx+(p.Lat-a.Lat)*dy)/l))
		}
		if math.Hypot(p.Lon-a.Lon-t*dx, p.Lat-a.Lat-t*dy) < 1e-12 {
			return true
		}
	}
	return false
}

// Simplify takes corners off a ring until most are left, and never makes it smaller:
// only inward corners go, the one that adds least first, and only where the ring then
// still does not touch itself. What is left with too many has its convex outline instead,
// and at the last its box.
func Simplify(r Ring, most int) Ring {
	if len(r)-1 <= most {
		return r
	}
	c := slices.Clone(r[:len(r)-1])
	area := 0.0
	for i := range c {
		n := c[(i+1)%len(c)]
		area += c[i].Lon*n.Lat - n.Lon*c[i].Lat
	}
	if area < 0 {
		slices.Reverse(c)
	}
	for len(c) > most {
		fewer := thin(c, most)
		if len(fewer) == len(c) {
			break
		}
		c = fewer
	}
	out := Ring(append(c, c[0]))
	if _, wrong := cap.Ring(out.cap()); len(c) <= most && wrong == "" {
		return out
	}
	if h := hull(r); h != nil && len(h)-1 <= most {
		return h
	}
	lo, hi := r[0], r[0]
	for _, p := range r {
		lo = geo.Point{Lat: min(lo.Lat, p.Lat), Lon: min(lo.Lon, p.Lon)}
		hi = geo.Point{Lat: max(hi.Lat, p.Lat), Lon: max(hi.Lon, p.Lon)}
	}
	return Ring{lo, {Lat: lo.Lat, Lon: hi.Lon}, hi, {Lat: hi.Lat, Lon: lo.Lon}, lo}
}

// thin takes off some of the inward corners that add least, none beside another, so that
// each is judged by neighbours that stay.
func thin(c []geo.Point, most int) []geo.Point {
	n := len(c)
	added := make([]float64, n)
	var inward []int
	for i := range c {
		if added[i] = -turn(c[(i+n-1)%n], c[i], c[(i+1)%n]); added[i] > 0 {
			inward = append(inward, i)
		}
	}
	slices.SortStableFunc(inward, func(x, y int) int { return cmp.Compare(added[x], added[y]) })
	gone, near := make([]bool, n), make([]bool, n)
	left := max(1, (n-most)/4) // the order is made anew after a part of them
	for _, i := range inward {
		before, after := (i+n-1)%n, (i+1)%n
		if left == 0 {
			break
		}
		if near[i] || near[before] || near[after] || !clear(c, c[before], c[i], c[after]) {
			continue
		}
		gone[i], near[i], near[before], near[after] = true, true, true, true
		left--
	}
	fewer := make([]geo.Point, 0, n)
	for i, p := range c {
		if !gone[i] {
			fewer = append(fewer, p)
		}
	}
	return fewer
}

// clear reports whether no other corner lies in the triangle a, b, d or on its sides.
func clear(c []geo.Point, a, b, d geo.Point) bool {
	for _, p := range c {
		if p == a || p == b || p == d {
			continue
		}
		if s, t, u := turn(a, d, p), turn(d, b, p), turn(b, a, p); s >= 0 && t >= 0 && u >= 0 || s <= 0 && t <= 0 && u <= 0 {
			return false
		}
	}
	return true
}
