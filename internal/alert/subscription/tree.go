package subscription

import (
	"math"
	"slices"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/feed"
	"trojmezi/internal/kernel/geo"
)

// spot is a subscribed point with its row.
type spot struct {
	lat, lon float64
	row      int32
}

// tree is points in an order in which neighbours stand together, with a box around every
// run of them.
type tree struct {
	at    []spot
	boxes []box   // of the nodes of a binary tree over the leaves; 1 is the root
	width int     // leaves, a power of two
	byRow []int32 // places in at, in the order of rows; made when asked for
}

const (
	leafSize  = 32
	perDegree = 111_195.0 // metres of latitude on the mean sphere
	// slack, in metres, covers rounding and what a plane bends of a piece.
	slack = 3
	// piece is how long, in metres, the straight pieces of a side are at most: the bow of
	// one is less than half a metre.
	piece = 4000
)

// morton puts two numbers of 16 bits together bit by bit.
func morton(lat, lon float64) uint64 {
	spread := func(x uint64) uint64 {
		x &= 0xffffffff
		x = (x | x<<16) & 0x0000ffff0000ffff
		x = (x | x<<8) & 0x00ff00ff00ff00ff
		x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
		x = (x | x<<2) & 0x3333333333333333
		return (x | x<<1) & 0x5555555555555555
	}
	return spread(uint64((lat+90)/180*math.MaxUint32)) | spread(uint64((lon+180)/360*math.MaxUint32))<<1
}

func (t *tree) build() {
	type keyed struct {
		key uint64
		spot
	}
	all := make([]keyed, len(t.at))
	for i, s := range t.at {
		all[i] = keyed{morton(s.lat, s.lon), s}
	}
	slices.SortFunc(all, func(a, b keyed) int {
		switch {
		case a.key < b.key:
			return -1
		case a.key > b.key:
			return 1
		}
		return int(a.row - b.row)
	})
	for i := range all {
		t.at[i] = all[i].spot
	}
	leaves := (len(t.at) + leafSize - 1) / leafSize
	for t.width = 1; t.width < leaves; t.width *= 2 {
	}
	t.boxes = make([]box, 2*t.width)
	for i := range t.boxes {
		t.boxes[i] = nowhere
	}
	for i, s := range t.at {
		t.boxes[t.width+i/leafSize].add(geo.Point{Lat: s.lat, Lon: s.lon})
	}
	for i := t.width - 1; i > 0; i-- {
		a, b := t.boxes[2*i], t.boxes[2*i+1]
		t.boxes[i] = box{min(a.south, b.south), max(a.north, b.north), min(a.west, b.west), max(a.east, b.east)}
	}
}

// find is where the point of a row stands.
func (t *tree) find(row int32) (int, bool) {
	if t.byRow == nil {
		t.byRow = make([]int32, len(t.at))
		for i := range t.byRow {
			t.byRow[i] = int32(i)
		}
		slices.SortFunc(t.byRow, func(a, b int32) int { return int(t.at[a].row - t.at[b].row) })
	}
	i, ok := slices.BinarySearchFunc(t.byRow, row, func(at, row int32) int { return int(t.at[at].row - row) })
	if !ok {
		return 0, false
	}
	return int(t.byRow[i]), true
}

// part is one polygon of a shape on a plane, by which nearly all points are told: only
// those near a side are asked of the sphere.
type part struct {
	whole *drawn
	shape *area.Shape
	sides []side
	lat0  float64 // the plane touches here
	lon0  float64
	kx    float64 // metres of a degree of longitude
	// Nearer to a side than sure a point is within the shape's error for certain; beyond
	// band it is not. Between them the plane is not believed.
	sure, band float64
}

// side is one on the plane, in metres.
type side struct{ ax, ay, bx, by float64 }

// widest is up to which height, in degrees, a polygon is told on a plane.
const widest = 8

func (m *match) draw(a feed.Area) *drawn {
	s, _ := area.Read(a.Polygons, a.Holes, a.Circles)
	d := &drawn{Shape: s, area: a, box: boxOf(s)}
	if len(a.Holes) > 0 {
		return d
	}
	one := func(polygons, circles []string) bool {
		p, _ := area.Read(polygons, nil, circles)
		b := boxOf(p)
		if p.Empty() {
			return true
		}
		if b.north-b.south > widest || b.east-b.west > 2*widest || math.Max(b.north, -b.south) > 75 {
			return false
		}
		flat := &part{whole: d, shape: p, lat0: (b.south + b.north) / 2, lon0: (b.west + b.east) / 2}
		flat.kx = perDegree * math.Cos(flat.lat0*math.Pi/180)
		p.Sides(func(a, b geo.Point) {
			n := int(math.Ceil(geo.Distance(a, b)/piece)) | 1
			ax, ay := flat.xy(a.Lat, a.Lon)
			for i := 1; i <= n; i++ {
				to := b
				if i < n {
					to = between(a, b, float64(i)/float64(n))
				}
				bx, by := flat.xy(to.Lat, to.Lon)
				flat.sides = append(flat.sides, side{ax, ay, bx, by})
				ax, ay = bx, by
			}
		})
		scale := (b.north - b.south) * math.Pi / 180 * math.Tan(math.Max(math.Abs(b.south), math.Abs(b.north))*math.Pi/180)
		flat.sure, flat.band = d.Error*(1-scale)-slack, d.Error*(1+scale)+slack
		d.parts = append(d.parts, flat)
		return true
	}
	for _, p := range a.Polygons {
		if !one([]string{p}, nil) {
			d.parts = nil
			return d
		}
	}
	for _, c := range a.Circles {
		if !one(nil, []string{c}) {
			d.parts = nil
			return d
		}
	}
	if d.parts == nil {
		d.parts = []*part{} // nothing that could be read
	}
	return d
}

// between is a point on the shortest way from a to b.
func between(a, b geo.Point, f float64) geo.Point {
	vec := func(p geo.Point) (x, y, z float64) {
		lat, lon := p.Lat*math.Pi/180, p.Lon*math.Pi/180
		return math.Cos(lat) * math.Cos(lon), math.Cos(lat) * math.Sin(lon), math.Sin(lat)
	}
	ax, ay, az := vec(a)
	bx, by, bz := vec(b)
	x, y, z := ax+f*(bx-ax), ay+f*(by-ay), az+f*(bz-az)
	return geo.Point{Lat: math.Atan2(z, math.Hypot(x, y)) * 180 / math.Pi, Lon: math.Atan2(y, x) * 180 / math.Pi}
}

func (p *part) xy(lat, lon float64) (x, y float64) {
	return (lon - p.lon0) * p.kx, (lat - p.lat0) * perDegree
}

// inside marks the rows whose points a shape holds.
func (t *tree) inside(s *drawn, found []uint64) {
	if len(t.at) == 0 {
		return
	}
	if s.parts == nil || len(s.Lost) > 0 {
		near := s.box.grown(s.Error + slack)
		for _, x := range t.at {
			if len(s.Lost) == 0 && s.parts == nil && s.box.east-s.box.west < 180 && !near.grown(100_000).meets(box{x.lat, x.lat, x.lon, x.lon}) {
				continue
			}
			if s.holds(geo.Point{Lat: x.lat, Lon: x.lon}) {
				found[x.row>>6] |= 1 << (x.row & 63)
			}
		}
		return
	}
	for _, p := range s.parts {
		t.walk(p, 1, p.sides, found)
	}
}

// walk goes down where sides are near. Where none is, one point tells of all.
func (t *tree) walk(p *part, node int, sides []side, found []uint64) {
	b := t.boxes[node]
	if b.south > b.north {
		return // no points
	}
	x0, y0 := p.xy(b.south, b.west)
	x1, y1 := p.xy(b.north, b.east)
	cx, cy := (x0+x1)/2, (y0+y1)/2
	reach := math.Hypot(x1-cx, y1-cy) + p.band
	near := make([]side, 0, min(len(sides), 64))
	for i := range sides {
		s := &sides[i]
		if max(s.ax, s.bx) >= x0-p.band && min(s.ax, s.bx) <= x1+p.band && max(s.ay, s.by) >= y0-p.band && min(s.ay, s.by) <= y1+p.band && s.distance(cx, cy) <= reach {
			near = append(near, *s)
		}
	}
	level := 0
	for n := node; n < t.width; n *= 2 {
		level++
	}
	from := (node<<level - t.width) * leafSize
	to := min((node<<level-t.width+1<<level)*leafSize, len(t.at))
	if len(near) == 0 {
		if first := t.at[from]; p.shape.Contains(geo.Point{Lat: first.lat, Lon: first.lon}) {
			for _, x := range t.at[from:to] {
				found[x.row>>6] |= 1 << (x.row & 63)
			}
		}
		return
	}
	if node < t.width {
		t.walk(p, 2*node, near, found)
		t.walk(p, 2*node+1, near, found)
		return
	}
	t.leaf(p, t.at[from:to], near, found)
}

// leaf tells of points near sides: by how many sides lie between each and one that is
// known, or on the sphere where that is not sure.
func (t *tree) leaf(p *part, at []spot, near []side, found []uint64) {
	known, in := false, false
	var kx, ky float64
	for _, s := range at {
		x, y := p.xy(s.lat, s.lon)
		least := math.Inf(1)
		for i := range near {
			e := &near[i]
			if max(e.ax, e.bx)+p.band < x || min(e.ax, e.bx)-p.band > x || max(e.ay, e.by)+p.band < y || min(e.ay, e.by)-p.band > y {
				continue
			}
			least = min(least, e.distance(x, y))
		}
		if least < p.band {
			if least < p.sure || p.whole.holds(geo.Point{Lat: s.lat, Lon: s.lon}) {
				found[s.row>>6] |= 1 << (s.row & 63)
			}
			continue
		}
		if !known {
			known, in, kx, ky = true, p.shape.Contains(geo.Point{Lat: s.lat, Lon: s.lon}), x, y
		}
		inside := in
		for i := range near {
			if near[i].crosses(kx, ky, x, y) {
				inside = !inside
			}
		}
		if inside {
			found[s.row>>6] |= 1 << (s.row & 63)
		}
	}
}

// distance is that of a point to the side.
func (s *side) distance(x, y float64) float64 {
	dx, dy := s.bx-s.ax, s.by-s.ay
	f := 0.0
	if l := dx*dx + dy*dy; l > 0 {
		f = max(0, min(1, ((x-s.ax)*dx+(y-s.ay)*dy)/l))
	}
	ex, ey := s.ax+f*dx-x, s.ay+f*dy-y
	return math.Sqrt(ex*ex + ey*ey)
}

// crosses reports whether the way between two points crosses the side; one of its ends
// belongs to it, the other to the next.
func (s *side) crosses(px, py, qx, qy float64) bool {
	left := func(ax, ay, bx, by, cx, cy float64) bool { return (bx-ax)*(cy-ay)-(by-ay)*(cx-ax) > 0 }
	return left(px, py, qx, qy, s.ax, s.ay) != left(px, py, qx, qy, s.bx, s.by) &&
		left(s.ax, s.ay, s.bx, s.by, px, py) != left(s.ax, s.ay, s.bx, s.by, qx, qy)
}
