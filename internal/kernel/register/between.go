package register

import (
	"math"

	"trojmezi/internal/kernel/geo"
)

// Span is how far a point lies from the border between two countries.
type Span struct {
	// Distance to the line in use, in metres.
	Distance float64
	// Near and Far are the bounds of the true distance, in metres: the line's error,
	// that of the computation, and what is not known of where the line goes on.
	Near, Far float64
	// Error is the line's own, in metres.
	Error float64
	// Open says that Near is less than the line's error tells: a stretch nearer to the
	// point may be this border's, or the border may go on nearer than is known.
	Open bool
	// Approximate is false where an imported boundary is the line.
	Approximate bool
}

// pair are two countries in the order of Countries.
type pair [2]Country

func pairOf(a, b Country) pair {
	for _, c := range Countries {
		if c == b {
			return pair{b, a}
		}
		if c == a {
			break
		}
	}
	return pair{a, b}
}

// track is the border between two countries, cut into pieces for a fast search.
type track struct {
	sure     []chunk
	doubtful []chunk // near the tri-border: may belong to another pair's border
	error    float64
	official bool
	// open is how far a point lies from where the line leaves what is known.
	open func(geo.Point) float64
}

// chunk is a short line and its box.
type chunk struct {
	box  box
	line []geo.Point
}

const (
	// pieceLength bounds a piece of a border in metres: what is short is straight, on
	// the earth and on the plane of toBorder.
	pieceLength = 500
	// chunkPieces is how many pieces share a box.
	chunkPieces = 16
	// planeError is that of toBorder in metres, up to 25 km from the point.
	planeError = 5
)

// Between says how far p lies from the border between two countries. It is false
// for a country that the register does not know and a pair without a border.
func (r *Register) Between(p geo.Point, a, b Country) (Span, bool) {
	t := r.official.Load().between[pairOf(a, b)]
	if t == nil || !p.Valid() {
		return Span{}, false
	}
	sure := toChunks(p, t.sure, math.Inf(1))
	least := toChunks(p, t.doubtful, sure)
	least = min(least, t.open(p))
	off := t.error + planeError
	return Span{Distance: sure, Near: max(0, least-off), Far: sure + off, Error: t.error, Open: least < sure, Approximate: !t.official}, true
}

// State is another value whenever other boundaries have come into use: whoever keeps
// what Between and Country said compares it.
func (r *Register) State() any { return r.official.Load() }

// toChunks is the distance to the nearest line, if it is less than best.
func toChunks(p geo.Point, all []chunk, best float64) float64 {
	m := metresAt(p.Lat)
	for _, c := range all {
		if c.box.away(p, m) < best {
			best = min(best, toBorder(p, c.line))
		}
	}
	return best
}

// metresPer are the metres of one degree on the WGS84 ellipsoid; those of longitude
// are at the equator, to be multiplied by the cosine of a latitude.
type metresPer struct{ lat, lon float64 }

// metresAt gives them by the radii of curvature at a latitude.
func metresAt(lat float64) metresPer {
	const a, f = 6378137.0, 1 / 298.257223563
	const e2 = f * (2 - f)
	s := math.Sin(lat * math.Pi / 180)
	w := math.Sqrt(1 - e2*s*s)
	return metresPer{a * (1 - e2) / (w * w * w) * math.Pi / 180, a / w * math.Pi / 180}
}

// away is less than the distance from p to anything in the box, in metres.
func (b box) away(p geo.Point, m metresPer) float64 {
	dy := max(0, b.South-p.Lat, p.Lat-b.North)
	dx := max(0, b.West-p.Lon, p.Lon-b.East)
	widest := math.Cos(max(math.Abs(p.Lat), math.Abs(b.North), math.Abs(b.South)) * math.Pi / 180)
	return 0.99 * math.Hypot(dx*m.lon*widest, dy*m.lat)
}

// toBorder is the distance from p to a line in metres, on the ellipsoid: each point
// of the line is laid on a plane at p by the latitude in the middle of the two.
func toBorder(p geo.Point, line []geo.Point) float64 {
	m := metresAt(p.Lat)
	flat := func(q geo.Point) (x, y float64) {
		return (q.Lon - p.Lon) * m.lon * math.Cos((p.Lat+q.Lat)/2*math.Pi/180), (q.Lat - p.Lat) * m.lat
	}
	best := math.Inf(1)
	ax, ay := flat(line[0])
	for _, q := range line[1:] {
		bx, by := flat(q)
		dx, dy := bx-ax, by-ay
		t := 0.0
		if l := dx*dx + dy*dy; l > 0 {
			t = max(0, min(1, -(ax*dx+ay*dy)/l))
		}
		best = min(best, math.Hypot(ax+t*dx, ay+t*dy))
		ax, ay = bx, by
	}
	return best
}

// pieces cuts a line into straight ones of pieceLength at most.
func pieces(line []geo.Point) (all [][2]geo.Point) {
	for i := 1; i < len(line); i++ {
		a, b := line[i-1], line[i]
		n := max(1, math.Ceil(geo.Distance(a, b)/pieceLength))
		at := func(k float64) geo.Point {
			return geo.Point{Lat: a.Lat + (b.Lat-a.Lat)*k/n, Lon: a.Lon + (b.Lon-a.Lon)*k/n}
		}
		for k := 0.0; k < n; k++ {
			all = append(all, [2]geo.Point{at(k), at(k + 1)})
		}
	}
	return all
}

// chunks joins pieces that follow each other.
func chunks(all [][2]geo.Point) (out []chunk) {
	for i, s := range all {
		if n := len(out); i > 0 && all[i-1][1] == s[0] && len(out[n-1].line) <= chunkPieces {
			out[n-1].line = append(out[n-1].line, s[1])
		} else {
			out = append(out, chunk{line: s[:]})
		}
	}
	for i := range out {
		out[i].box = boxOf(out[i].line)
	}
	return out
}

// tracks are the borders between each two countries as they are with an import. The
// nearest of two imported outlines counts for less doubt: the one with less error.
func (r *Register) tracks(next *imported) map[pair]*track {
	out, outlines := map[pair]*track{}, map[Country][]chunk{}
	for c, a := range next.countries {
		for _, line := range a.lines {
			outlines[c] = append(outlines[c], chunks(pieces(line))...)
		}
	}
	for _, b := range r.borders {
		k := pairOf(b.one, b.other)
		end := b.line[len(b.line)-1]
		t := &track{error: borderError, open: openSide(end, window)}
		one, other := next.countries[b.one], next.countries[b.other]
		own, neighbour := b.one, b.other
		if one == nil || other != nil && other.error < one.error {
			own, neighbour = b.other, b.one
		}
		if a := next.countries[own]; a != nil {
			t.error, t.official, t.open = a.error, true, openSide(end, around)
			var sure, doubtful [][2]geo.Point
			for _, line := range a.lines {
				for _, s := range pieces(line) {
					switch r.faces(next, outlines, own, neighbour, s) {
					case Sure:
						sure = append(sure, s)
					case Unclear:
						doubtful = append(doubtful, s)
					}
				}
			}
			t.sure, t.doubtful = chunks(sure), chunks(doubtful)
		} else {
			t.sure = chunks(pieces(b.line))
		}
		out[k] = t
	}
	return out
}

// faces tells whether a piece of an imported outline is the border with a neighbour:
// by the neighbour's own outline where that is imported too, else by the derived
// border that is nearest. It is Unclear around the tri-border and Outside on the
// border with others.
func (r *Register) faces(next *imported, outlines map[Country][]chunk, own, neighbour Country, s [2]geo.Point) Confidence {
	middle := geo.Point{Lat: (s[0].Lat + s[1].Lat) / 2, Lon: (s[0].Lon + s[1].Lon) / 2}
	var toNeighbour, toOthers, within float64 = 0, math.Inf(1), 0
	for _, b := range r.borders {
		if b.one != own && b.other != own {
			continue
		}
		with := b.one
		if with == own {
			with = b.other
		}
		d, off := toLine(middle, b.line), float64(borderError)
		if a := next.countries[with]; a != nil {
			d, off = toChunks(middle, outlines[with], math.Inf(1)), a.error+next.countries[own].error
		}
		if within = max(within, off); with == neighbour {
			toNeighbour = d
		} else {
			toOthers = min(toOthers, d)
		}
	}
	switch {
	case math.Abs(toNeighbour-toOthers) < within && min(toNeighbour, toOthers) < 2*within && max(toNeighbour, toOthers) < 2*within:
		return Unclear
	case toNeighbour < toOthers:
		return Sure
	}
	return Outside
}

// openSide measures to the side of a box through which a border leaves it: where
// the border goes from there is not known.
func openSide(end geo.Point, b box) func(geo.Point) float64 {
	west, east, north, south := end.Lon-window.West, window.East-end.Lon, window.North-end.Lat, end.Lat-window.South
	switch min(west, east, north, south) {
	case west:
		return func(p geo.Point) float64 { return box{b.South, b.West - 1, b.North, b.West}.away(p, metresAt(p.Lat)) }
	case east:
		return func(p geo.Point) float64 { return box{b.South, b.East, b.North, b.East + 1}.away(p, metresAt(p.Lat)) }
	case north:
		return func(p geo.Point) float64 { return box{b.North, b.West, b.North + 1, b.East}.away(p, metresAt(p.Lat)) }
	}
	return func(p geo.Point) float64 { return box{b.South - 1, b.West, b.South, b.East}.away(p, metresAt(p.Lat)) }
}
