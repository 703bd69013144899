package area

import (
	"math"
	"math/bits"
	"slices"

	"github.com/golang/geo/r2"
	"github.com/golang/geo/r3"
	"github.com/golang/geo/s2"

	"trojmezi/internal/kernel/geo"
)

const (
	// leafSides is how many sides a cell may hold before it is divided: as many as are
	// tested faster than a smaller cell is found.
	leafSides = 16
	// askedSides is the same for a shape that is asked about: the fewer cells have its
	// rim in them, the less has to be computed.
	askedSides = 2
	// leafLevel ends the division where many sides meet in one point: cells of 10 m.
	leafLevel = 20
	// gridLevel is the level of the smallest cell that can be told: 1 cm.
	gridLevel = 30
	// padding is added to a cell, on the unit face, so that no side on its rim is lost by
	// rounding.
	padding = 1e-14
)

// Fence holds shapes so that those at a point, and those that meet another shape, are
// found without looking at the others. It is made once and safe for concurrent use.
//
// The sphere is laid on the six faces of a cube, where the shortest lines are straight,
// and these are divided into cells until each holds few sides. Of a cell it is known
// which rings hold the whole of it; only for rings with a side in it is anything
// computed: whether the line from the cell's middle to the point crosses their sides.
// That is told in the plane of the face by short numbers, and where these leave a doubt
// by predicates that are exact.
type Fence struct {
	rings []fenced
	area  []int32 // of a ring; of a hole ^area
	areas int
	most  int // sides in a cell
	cells []leaf
	// inside is what the cells hold, one after another: how many rings hold the whole of
	// it and how many have sides in it, the numbers of the former, and of the latter
	// each its number, how many sides with insideMark, and the sides: their ends from
	// the cell's middle and their number.
	inside []uint32
	// start finds cells: of the part of the sphere that begins with the same bits.
	start []int32
	shift uint
	base  uint64
}

const (
	// sideWords is how many words a side has in Fence.inside.
	sideWords = 5
	// insideMark says that the cell's middle lies in the ring.
	insideMark = 1 << 31
)

// fenced is a ring of one of the shapes.
type fenced struct {
	loop     *s2.Loop
	vertices []s2.Point // the first once more at the end
}

// leaf is a cell that is not divided further.
type leaf struct {
	key    uint64 // of its first cell of gridLevel
	inside uint32 // where in Fence.inside
	level  uint8
}

func (l *leaf) last() uint64 { return l.key | (1<<(2*(gridLevel-l.level)) - 1) }

// cell is a square of a face: the i-th column and j-th row of 2^level.
type cell struct {
	face, level uint8
	i, j        uint32
}

// key is that of the cell's first cell of gridLevel: the face, then the halves taken by
// column and row in turn.
func (c cell) key() uint64 {
	shift := gridLevel - c.level
	return uint64(c.face)<<(2*gridLevel) | spread(c.i<<shift)<<1 | spread(c.j<<shift)
}

func cellOf(key uint64, level uint8) cell {
	shift := gridLevel - level
	return cell{uint8(key >> (2 * gridLevel)), level, gather(key>>1) >> shift, gather(key) >> shift}
}

// spread puts a zero before each bit of a number of 30 bits.
func spread(n uint32) uint64 {
	x := uint64(n)
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
	x = (x | x<<2) & 0x3333333333333333
	return (x | x<<1) & 0x5555555555555555
}

// gather takes every second bit of a key without its face.
func gather(x uint64) uint32 {
	x &= 0x5555555555555555 & (1<<(2*gridLevel) - 1)
	x = (x | x>>1) & 0x3333333333333333
	x = (x | x>>2) & 0x0f0f0f0f0f0f0f0f
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return uint32(x | x>>16)
}

// middle is exact: a sum of powers of two.
func (c cell) middle() (u, v float64) {
	size := 2 / float64(uint64(1)<<c.level)
	return (float64(c.i)+0.5)*size - 1, (float64(c.j)+0.5)*size - 1
}

func (c cell) point() s2.Point {
	u, v := c.middle()
	return fromFace(int(c.face), u, v)
}

func (c cell) bound() r2.Rect {
	u, v := c.middle()
	half := 1/float64(uint64(1)<<c.level) + padding
	return r2.RectFromPoints(r2.Point{X: u - half, Y: v - half}, r2.Point{X: u + half, Y: v + half})
}

func (c cell) child(k uint32) cell { return cell{c.face, c.level + 1, c.i<<1 | k>>1, c.j<<1 | k&1} }

// onFace is the face of the cube around the earth under a point, and where on it.
func onFace(p r3.Vector) (face int, u, v float64) {
	x, y, z := math.Abs(p.X), math.Abs(p.Y), math.Abs(p.Z)
	switch {
	case x > y && x > z:
		if p.X > 0 {
			return 0, p.Y / p.X, p.Z / p.X
		}
		return 3, p.Z / p.X, p.Y / p.X
	case y > z:
		if p.Y > 0 {
			return 1, -p.X / p.Y, p.Z / p.Y
		}
		return 4, p.Z / p.Y, -p.X / p.Y
	case p.Z > 0:
		return 2, -p.X / p.Z, -p.Y / p.Z
	}
	return 5, -p.Y / p.Z, -p.X / p.Z
}

// fromFace is the reverse of onFace.
func fromFace(face int, u, v float64) s2.Point {
	var p r3.Vector
	switch face {
	case 0:
		p = r3.Vector{X: 1, Y: u, Z: v}
	case 1:
		p = r3.Vector{X: -u, Y: 1, Z: v}
	case 2:
		p = r3.Vector{X: -u, Y: -v, Z: 1}
	case 3:
		p = r3.Vector{X: -1, Y: -v, Z: -u}
	case 4:
		p = r3.Vector{X: v, Y: -1, Z: -u}
	default:
		p = r3.Vector{X: v, Y: u, Z: -1}
	}
	return s2.Point{Vector: p.Normalize()}
}

// gridKey is the key of the smallest cell at a place of a face.
func gridKey(face int, u, v float64) uint64 {
	const n = 1 << gridLevel
	at := func(x float64) uint32 { return uint32(max(0, min(n-1, (x+1)*(n/2)))) }
	return uint64(face)<<(2*gridLevel) | spread(at(u))<<1 | spread(at(v))
}

// NewFence makes one; areas are known by their index.
func NewFence(shapes []*Shape) *Fence { return newFence(shapes, leafSides) }

func newFence(shapes []*Shape, most int) *Fence {
	f := &Fence{areas: len(shapes), most: most}
	b := &builder{f: f}
	for i, s := range shapes {
		for _, r := range s.shells {
			f.area = append(f.area, int32(i))
			b.add(r)
		}
		for _, r := range s.holes {
			f.area = append(f.area, ^int32(i))
			b.add(r)
		}
	}
	for face := range b.on {
		b.face(face)
	}
	f.table()
	return f
}

// builder makes a fence. Sides, rings and full rings of the cells that are being divided
// lie on one pile each.
type builder struct {
	f    *Fence
	on   [6]pile // of each face
	pile pile
	full []int32
}

type pile struct {
	rings []growing
	sides []clipped
}

// clipped is a side as far as it runs over a face.
type clipped struct {
	edge int32
	a, b r2.Point
}

// growing is a ring with sides in a cell that is being divided.
type growing struct {
	ring     int32
	in       bool // at the middle of the cell
	from, to int  // of its sides on the pile
}

// add lays a ring on the faces that it reaches. No ring is so large that it holds a whole
// face.
func (b *builder) add(r *ring) {
	v := append(slices.Clone(r.loop.Vertices()), r.loop.Vertex(0))
	n := int32(len(b.f.rings))
	b.f.rings = append(b.f.rings, fenced{r.loop, v})
	first, _, _ := onFace(v[0].Vector)
	for k := range 6 {
		p := &b.on[(first+k)%6]
		from, clear := len(p.sides), true
		for i := 1; i < len(v); i++ {
			if a, b, ok := s2.ClipToPaddedFace(v[i-1], v[i], (first+k)%6, padding); ok {
				p.sides = append(p.sides, clipped{int32(i - 1), a, b})
				const rim = 1 - 1e-9
				clear = clear && max(a.X, a.Y, -a.X, -a.Y) < rim
			}
		}
		if len(p.sides) > from {
			p.rings = append(p.rings, growing{n, false, from, len(p.sides)})
		}
		if clear && len(p.sides)-from == len(v)-1 {
			return // the whole ring lies here
		}
	}
}

func (b *builder) face(face int) {
	b.pile = b.on[face]
	if len(b.pile.rings) == 0 {
		return
	}
	bound := r2.EmptyRect()
	for _, s := range b.pile.sides {
		bound = bound.AddPoint(s.a).AddPoint(s.b)
	}
	// The smallest cell that holds everything.
	c := cell{face: uint8(face)}
	for c.level < leafLevel {
		k := slices.IndexFunc([]uint32{0, 1, 2, 3}, func(k uint32) bool { return c.child(k).bound().Contains(bound.ExpandedByMargin(padding)) })
		if k < 0 {
			break
		}
		c = c.child(uint32(k))
	}
	middle := c.point()
	for i := range b.pile.rings {
		g := &b.pile.rings[i]
		g.in = b.f.rings[g.ring].loop.ContainsPoint(middle)
	}
	b.divide(c, 0, 0)
}

// divide makes leaves of a cell whose rings lie on the piles from an index on. Nothing
// is kept of a cell that no ring reaches.
func (b *builder) divide(c cell, full, from int) {
	to := len(b.pile.rings)
	if len(b.full)-full+to-from == 0 {
		return
	}
	n := 0
	for _, g := range b.pile.rings[from:to] {
		n += g.to - g.from
	}
	if n <= b.f.most || c.level >= leafLevel {
		b.leaf(c, b.full[full:], b.pile.rings[from:to])
		return
	}
	middle := c.point()
	whole, sides := len(b.full), len(b.pile.sides)
	for k := range uint32(4) {
		child := c.child(k)
		bound, at := child.bound(), child.point()
		b.full = append(b.full, b.full[full:whole]...)
		for i := from; i < to; i++ {
			g := b.pile.rings[i]
			v := b.f.rings[g.ring].vertices
			way := s2.NewEdgeCrosser(middle, at)
			next := growing{g.ring, g.in, len(b.pile.sides), 0}
			for _, s := range b.pile.sides[g.from:g.to] {
				if way.EdgeOrVertexCrossing(v[s.edge], v[s.edge+1]) {
					next.in = !next.in
				}
				if touches(bound, s.a, s.b) {
					b.pile.sides = append(b.pile.sides, s)
				}
			}
			next.to = len(b.pile.sides)
			switch {
			case next.to > next.from:
				b.pile.rings = append(b.pile.rings, next)
			case next.in:
				b.full = append(b.full, g.ring)
			}
		}
		b.divide(child, whole, to)
		b.full, b.pile.rings, b.pile.sides = b.full[:whole], b.pile.rings[:to], b.pile.sides[:sides]
	}
}

// touches reports whether a straight side may have a point in a rectangle: false only
// where it has none.
func touches(r r2.Rect, a, b r2.Point) bool {
	if max(a.X, b.X) < r.X.Lo || min(a.X, b.X) > r.X.Hi || max(a.Y, b.Y) < r.Y.Lo || min(a.Y, b.Y) > r.Y.Hi {
		return false
	}
	// All corners on one side of the line, by more than rounding.
	dx, dy := b.X-a.X, b.Y-a.Y
	const rounding = 1e-14
	over, under := false, false
	for _, x := range [2]float64{r.X.Lo, r.X.Hi} {
		for _, y := range [2]float64{r.Y.Lo, r.Y.Hi} {
			s := dx*(y-a.Y) - dy*(x-a.X)
			over, under = over || s > -rounding, under || s < rounding
		}
	}
	return over && under
}

func (b *builder) leaf(c cell, full []int32, parts []growing) {
	f := b.f
	f.cells = append(f.cells, leaf{c.key(), uint32(len(f.inside)), c.level})
	f.inside = append(f.inside, uint32(len(full)), uint32(len(parts)))
	for _, r := range full {
		f.inside = append(f.inside, uint32(r))
	}
	u, v := c.middle()
	short := func(x float64) uint32 { return math.Float32bits(float32(x)) }
	for _, g := range parts {
		n := uint32(g.to - g.from)
		if g.in {
			n |= insideMark
		}
		f.inside = append(f.inside, uint32(g.ring), n)
		for _, s := range b.pile.sides[g.from:g.to] {
			f.inside = append(f.inside, short(s.a.X-u), short(s.a.Y-v), short(s.b.X-u), short(s.b.Y-v), uint32(s.edge))
		}
	}
}

// contents are those of a cell.
func (f *Fence) contents(l *leaf) (full []uint32, parts []uint32, n int) {
	w := f.inside[l.inside:]
	return w[2 : 2+w[0]], w[2+w[0]:], int(w[1])
}

// nextPart cuts the first ring off.
func nextPart(w []uint32) (ring int32, in bool, sides, rest []uint32) {
	n := w[1] &^ insideMark
	return int32(w[0]), w[1]&insideMark != 0, w[2 : 2+n*sideWords], w[2+n*sideWords:]
}

// table makes the finder of cells: about one entry for each.
func (f *Fence) table() {
	slices.SortFunc(f.cells, func(a, b leaf) int {
		if a.key < b.key {
			return -1
		}
		return 1
	})
	if len(f.cells) == 0 {
		return
	}
	f.base = f.cells[0].key
	wide := f.cells[len(f.cells)-1].last() - f.base
	f.shift = uint(max(0, bits.Len64(wide)-bits.Len(uint(len(f.cells)))-1))
	f.start = make([]int32, wide>>f.shift+2)
	k := 0
	for i := range f.start {
		for k < len(f.cells) && (f.cells[k].last()-f.base)>>f.shift < uint64(i) {
			k++
		}
		f.start[i] = int32(k)
	}
}

// after is the first cell that does not end before a key.
func (f *Fence) after(key uint64) int {
	if len(f.cells) == 0 || key < f.base {
		return 0
	}
	at := (key - f.base) >> f.shift
	if at >= uint64(len(f.start)-1) {
		return len(f.cells)
	}
	from, to := int(f.start[at]), min(int(f.start[at+1])+1, len(f.cells))
	for from < to {
		if m := (from + to) / 2; f.cells[m].last() < key {
			from = m + 1
		} else {
			to = m
		}
	}
	return from
}

// At appends the areas that hold a point, each once, to list and returns it.
func (f *Fence) At(p geo.Point, list []int) []int {
	at := pointOf(p)
	face, u, v := onFace(at.Vector)
	key := gridKey(face, u, v)
	k := f.after(key)
	if k == len(f.cells) || f.cells[k].key > key {
		return list
	}
	c := &f.cells[k]
	begin := len(list)
	var left [8]int32
	out := left[:0]
	take := func(r int32) {
		if a := f.area[r]; a < 0 {
			out = append(out, ^a)
		} else {
			list = append(list, int(a))
		}
	}
	full, parts, n := f.contents(c)
	for _, r := range full {
		take(int32(r))
	}
	if n > 0 {
		square := cellOf(c.key, c.level)
		mu, mv := square.middle()
		w := way{square, at, float32(u - mu), float32(v - mv)}
		for range n {
			ring, in, sides, rest := nextPart(parts)
			if f.holds(&w, ring, sides) != in {
				take(ring)
			}
			parts = rest
		}
	}
	return once(list, begin, out)
}

// way is the line from the middle of a cell to a point in it.
type way struct {
	cell   cell
	to     s2.Point
	dx, dy float32 // on the face
}

// holds reports whether the way crosses an odd number of a ring's sides in the cell.
func (f *Fence) holds(w *way, ring int32, sides []uint32) (odd bool) {
	for ; len(sides) >= sideWords; sides = sides[sideWords:] {
		crosses, certain := w.crosses(math.Float32frombits(sides[0]), math.Float32frombits(sides[1]), math.Float32frombits(sides[2]), math.Float32frombits(sides[3]))
		if !certain {
			v := f.rings[ring].vertices
			crosses = s2.EdgeOrVertexCrossing(w.cell.point(), w.to, v[sides[4]], v[sides[4]+1])
		}
		odd = odd != crosses
	}
	return odd
}

// short is more than the rounding of a product of differences of float32 numbers, as a
// share of the numbers that it is made of.
const short = 1e-6

// crosses reports whether the side from a to b crosses the way, which begins at the
// origin. It is not certain where one of the four points lies close to the line through
// two others.
func (w *way) crosses(ax, ay, bx, by float32) (yes, certain bool) {
	scale := abs(w.dx) + abs(w.dy)
	size := abs(ax) + abs(ay) + abs(bx) + abs(by)
	doubt := short * scale * size
	a, b := w.dx*ay-w.dy*ax, w.dx*by-w.dy*bx
	if a > doubt && b > doubt || a < -doubt && b < -doubt {
		return false, true
	}
	more := short * size * (size + scale)
	ex, ey := bx-ax, by-ay
	c, d := ey*ax-ex*ay, ex*(w.dy-ay)-ey*(w.dx-ax)
	if c > more && d > more || c < -more && d < -more {
		return false, true
	}
	return true, abs(a) > doubt && abs(b) > doubt && abs(c) > more && abs(d) > more
}

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

// ringHolds reports whether one ring holds a point.
func (f *Fence) ringHolds(r int32, p s2.Point) bool {
	face, u, v := onFace(p.Vector)
	key := gridKey(face, u, v)
	k := f.after(key)
	if k == len(f.cells) || f.cells[k].key > key {
		return false
	}
	full, parts, n := f.contents(&f.cells[k])
	if slices.Contains(full, uint32(r)) {
		return true
	}
	for range n {
		ring, in, sides, rest := nextPart(parts)
		if ring == r {
			square := cellOf(f.cells[k].key, f.cells[k].level)
			mu, mv := square.middle()
			w := way{square, p, float32(u - mu), float32(v - mv)}
			return f.holds(&w, ring, sides) != in
		}
		parts = rest
	}
	return false
}

// once leaves each area once from an index on, and none of those that are left out.
func once(list []int, begin int, out []int32) []int {
	keep := begin
	for i := begin; i < len(list); i++ {
		if !slices.Contains(list[begin:keep], list[i]) && !slices.Contains(out, int32(list[i])) {
			list[keep] = list[i]
			keep++
		}
	}
	return list[:keep]
}

// relation of a ring that is asked about to one of the fence.
type relation uint8

const (
	unseen relation = iota
	candidate
	meets
	within  // the ring asked about lies in the other
	outside // they have nothing in common
)

// sightings are the rings met so far.
type sightings struct {
	of    []relation // by ring
	order []int32
}

func (s *sightings) note(r int32, how relation) {
	if s.of[r] == unseen {
		s.order = append(s.order, r)
	}
	s.of[r] = how
}

// Meets appends the areas that have a point in common with a shape, its rim included, to
// list and returns it in order.
func (f *Fence) Meets(s *Shape, list []int) []int {
	begin := len(list)
	for _, q := range s.shells {
		list = f.meets(q, s.holes, list)
	}
	slices.Sort(list[begin:])
	return list[:begin+len(slices.Compact(list[begin:]))]
}

func (f *Fence) meets(q *ring, qHoles []*ring, list []int) []int {
	own := newFence([]*Shape{{shells: []*ring{q}}}, askedSides)
	seen := &sightings{of: make([]relation, len(f.rings))}
	for i := range own.cells {
		a := &own.cells[i]
		for k := f.after(a.key); k < len(f.cells) && f.cells[k].key <= a.last(); k++ {
			f.compare(own, a, &f.cells[k], seen)
		}
	}
	inner := map[int32]bool{} // areas with a hole in which the ring lies
	var hits []int32
	for _, r := range seen.order {
		how := seen.of[r]
		if how == candidate {
			// No sides cross: one lies in the other, or they are apart.
			switch other := f.rings[r]; {
			case f.ringHolds(r, q.loop.Vertex(0)):
				how = within
			case own.ringHolds(0, other.vertices[0]):
				how = meets
			default:
				how = outside
			}
		}
		switch {
		case how == outside:
		case f.area[r] >= 0:
			hits = append(hits, r)
		case how == within:
			inner[^f.area[r]] = true
		}
	}
	for _, r := range hits {
		if !inner[f.area[r]] && !slices.ContainsFunc(qHoles, func(h *ring) bool { return f.inHole(r, h) }) {
			list = append(list, int(f.area[r]))
		}
	}
	return list
}

// compare looks at two cells of which one holds the other.
func (f *Fence) compare(own *Fence, a, b *leaf, seen *sightings) {
	mine, myParts, myN := own.contents(a)
	full, parts, n := f.contents(b)
	for _, r := range full {
		switch {
		case seen.of[r] == meets:
		case len(mine) > 0 && f.area[r] >= 0:
			seen.note(int32(r), meets)
		case seen.of[r] == unseen:
			seen.note(int32(r), candidate)
		}
	}
	for range n {
		ring, _, sides, rest := nextPart(parts)
		parts = rest
		if seen.of[ring] == meets {
			continue
		}
		seen.note(ring, candidate)
		for k, w := 0, myParts; k < myN; k++ {
			other, _, mySides, more := nextPart(w)
			if cross(own.rings[other].vertices, f.rings[ring].vertices, mySides, sides) {
				seen.note(ring, meets)
			}
			w = more
		}
	}
}

// aside is more than the rounding of how far a point lies from the plane of a side: by so
// much it is surely on one side of it.
const aside = 1e-14

// cross reports whether some of the sides of two rings have a point in common. Most pairs
// are told by two points on one side of a plane; the others exactly.
func cross(v, w []s2.Point, some, others []uint32) bool {
	apart := func(x, y float64) bool { return x > aside && y > aside || x < -aside && y < -aside }
	for ; len(some) >= sideWords; some = some[sideWords:] {
		a, b := v[some[4]], v[some[4]+1]
		plane := a.Cross(b.Vector)
		for o := others; len(o) >= sideWords; o = o[sideWords:] {
			c, d := w[o[4]], w[o[4]+1]
			if apart(plane.Dot(c.Vector), plane.Dot(d.Vector)) {
				continue
			}
			if other := c.Cross(d.Vector); apart(other.Dot(a.Vector), other.Dot(b.Vector)) {
				continue
			}
			if s2.CrossingSign(a, b, c, d) != s2.DoNotCross {
				return true
			}
		}
	}
	return false
}

// inHole reports whether a ring of the fence lies wholly in a hole of the shape that is
// asked about.
func (f *Fence) inHole(r int32, hole *ring) bool {
	mine := f.rings[r]
	if !hole.contains(mine.vertices[0]) {
		return false
	}
	n := hole.loop.NumVertices()
	for i := range n {
		for k := 1; k < len(mine.vertices); k++ {
			if s2.CrossingSign(hole.loop.Vertex(i), hole.loop.Vertex(i+1), mine.vertices[k-1], mine.vertices[k]) != s2.DoNotCross {
				return false
			}
		}
	}
	// Without a crossing the hole could also lie in the ring.
	return !mine.loop.ContainsPoint(hole.loop.Vertex(0))
}

// Len is how many areas there are, and how many cells find them.
func (f *Fence) Len() (areas, cells int) { return f.areas, len(f.cells) }
