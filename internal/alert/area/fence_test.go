package area

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/geo/s2"

	"trojmezi/internal/kernel/geo"
)

// cases is a fiftieth of the points that are compared; TROJMEZI_FULL=1 runs all.
const cases = 20_000

func rounds() int {
	if os.Getenv("TROJMEZI_FULL") == "1" {
		return 50 * cases
	}
	return cases
}

// The reference: parity of crossings with an arc to the far side of the earth, by
// determinants in rational numbers. It looks at every side of every shape and shares
// nothing with the fence but the corners.

type corner [3]float64

func cornerAt(lat, lon float64) corner {
	phi, theta := lat*math.Pi/180, lon*math.Pi/180
	return corner{math.Cos(theta) * math.Cos(phi), math.Sin(theta) * math.Cos(phi), math.Sin(phi)}
}

func fraction(x float64) *big.Rat { return new(big.Rat).SetFloat64(x) }

// turn is the sign of the determinant of three corners.
func turn(a, b, c corner) int {
	// In float64 when the result is far from zero, else exactly.
	d := a[0]*(b[1]*c[2]-b[2]*c[1]) - a[1]*(b[0]*c[2]-b[2]*c[0]) + a[2]*(b[0]*c[1]-b[1]*c[0])
	if math.Abs(d) > 1e-14 {
		return int(math.Copysign(1, d))
	}
	product := func(x, y, z float64) *big.Rat {
		p := new(big.Rat).Mul(fraction(x), fraction(y))
		return p.Mul(p, fraction(z))
	}
	sum := new(big.Rat)
	sum.Add(sum, product(a[0], b[1], c[2])).Sub(sum, product(a[0], b[2], c[1]))
	sum.Sub(sum, product(a[1], b[0], c[2])).Add(sum, product(a[1], b[2], c[0]))
	sum.Add(sum, product(a[2], b[0], c[1])).Sub(sum, product(a[2], b[1], c[0]))
	return sum.Sign()
}

// arcsCross reports whether two arcs cross; ok is false where three points lie on one
// line and parity says nothing.
func arcsCross(a, b, c, d corner) (crosses, ok bool) {
	s1, s2, s3, s4 := turn(a, b, c), turn(b, a, d), turn(c, d, a), turn(d, c, b)
	if s1 == 0 || s2 == 0 || s3 == 0 || s4 == 0 {
		return false, false
	}
	// spec: two arcs below half a circle cross where c and d are on different sides of
	// ab, a and b on different sides of cd, and all turns go the same way.
	return s1 == s2 && s3 == s4 && s1 == -s3, true
}

type exactRing struct {
	corners []corner // not closed
	far     corner   // certainly outside
}

func exact(points [][2]float64) exactRing {
	r := exactRing{}
	var sum corner
	for _, p := range points {
		c := cornerAt(p[0], p[1])
		r.corners = append(r.corners, c)
		for i := range sum {
			sum[i] += c[i]
		}
	}
	n := math.Sqrt(sum[0]*sum[0] + sum[1]*sum[1] + sum[2]*sum[2])
	for i := range sum {
		r.far[i] = -sum[i]/n + 0.1*float64(i+1) // beside the antipode, so that no arc has half a circle
	}
	n = math.Sqrt(r.far[0]*r.far[0] + r.far[1]*r.far[1] + r.far[2]*r.far[2])
	for i := range r.far {
		r.far[i] /= n
	}
	return r
}

func (r exactRing) contains(p corner) (in, ok bool) {
	for i, c := range r.corners {
		x, fine := arcsCross(p, r.far, c, r.corners[(i+1)%len(r.corners)])
		if !fine {
			return false, false
		}
		if x {
			in = !in
		}
	}
	return in, true
}

// crosses reports whether the sides of two rings cross.
func (r exactRing) crosses(o exactRing) (yes, ok bool) {
	for i, a := range r.corners {
		for k, c := range o.corners {
			x, fine := arcsCross(a, r.corners[(i+1)%len(r.corners)], c, o.corners[(k+1)%len(o.corners)])
			if !fine {
				return false, false
			}
			if x {
				return true, true
			}
		}
	}
	return false, true
}

// star is a ring around a centre that does not cross itself, in degrees.
func star(rnd *rand.Rand, lat, lon, size float64, n int) [][2]float64 {
	var out [][2]float64
	for i := range n {
		angle := 2 * math.Pi * (float64(i) + 0.8*rnd.Float64()) / float64(n)
		r := size * (0.4 + 0.6*rnd.Float64())
		y := lat + r*math.Sin(angle)
		x := lon + r*math.Cos(angle)/math.Cos(lat*math.Pi/180)
		out = append(out, [2]float64{round(y), round(x)})
	}
	return out
}

func round(x float64) float64 { return math.Round(x*1e6) / 1e6 }

func text(ring [][2]float64) string {
	var b strings.Builder
	for i := range len(ring) + 1 {
		p := ring[i%len(ring)]
		lon := p[1]
		if lon > 180 {
			lon -= 360
		}
		fmt.Fprintf(&b, "%.6f,%.6f ", p[0], lon)
	}
	return b.String()
}

type exactShape struct{ shells, holes []exactRing }

func (s exactShape) contains(p corner) (in, ok bool) {
	for _, h := range s.holes {
		if in, ok := h.contains(p); !ok || in {
			return false, ok
		}
	}
	for _, r := range s.shells {
		if in, ok := r.contains(p); !ok || in {
			return in, ok
		}
	}
	return false, true
}

// world makes shapes around a place: many that overlap, some with holes and two parts,
// some large, in any direction of turning.
func world(t *testing.T, rnd *rand.Rand, lat, lon float64, n int) ([]*Shape, []exactShape, [][2]float64) {
	var shapes []*Shape
	var references []exactShape
	var corners [][2]float64
	for len(shapes) < n {
		y, x := lat+4*rnd.Float64()-2, lon+4*rnd.Float64()-2
		size := []float64{0.02, 0.1, 0.3, 1.5}[rnd.IntN(4)]
		var polygons, holes []string
		var e exactShape
		for range 1 + rnd.IntN(2) {
			outer := star(rnd, y, x, size, 3+rnd.IntN(60))
			if rnd.IntN(2) == 0 {
				slices.Reverse(outer)
			}
			polygons, e.shells = append(polygons, text(outer)), append(e.shells, exact(outer))
			corners = append(corners, outer...)
			if rnd.IntN(2) == 0 {
				hole := star(rnd, y, x, size*[]float64{0.2, 0.35, 0.9}[rnd.IntN(3)], 3+rnd.IntN(20))
				holes, e.holes = append(holes, text(hole)), append(e.holes, exact(hole))
				corners = append(corners, hole...)
			}
			y, x = y+size*rnd.Float64(), x+size*rnd.Float64()
		}
		s, faults := Read(polygons, holes, nil)
		if slices.ContainsFunc(faults, func(f Fault) bool { return f.Refused }) {
			continue // a star whose short corners fold over: for another test
		}
		shapes, references = append(shapes, s), append(references, e)
	}
	return shapes, references, corners
}

var places = []struct {
	name     string
	lat, lon float64
}{
	{"tri-border", 50.87, 14.82}, {"antimeridian", 51, 179.9}, {"edge of a face", 50.87, 45}, {"corner of a face", 35.26, 45}, {"south", -33, -70}, {"north", 84, 20},
}

// The fence finds exactly the shapes that the reference finds one by one.
func TestFenceAgainstExhaustiveSearch(t *testing.T) {
	seed := uint64(20261130)
	compared, hits, skipped := 0, 0, 0
	perPlace := rounds() / len(places)
	for _, at := range places {
		rnd := rand.New(rand.NewPCG(seed, uint64(len(at.name))))
		for done := 0; done < perPlace; {
			shapes, references, corners := world(t, rnd, at.lat, at.lon, 20)
			fence := NewFence(shapes)
			for range 400 {
				p := [2]float64{at.lat + 5*rnd.Float64() - 2.5, at.lon + 5*rnd.Float64() - 2.5}
				if rnd.IntN(3) == 0 { // close to a corner, or on a side
					c := rnd.IntN(len(corners) - 1)
					f := rnd.Float64()
					p = [2]float64{corners[c][0] + f*(corners[c+1][0]-corners[c][0]) + 1e-9*rnd.NormFloat64(), corners[c][1] + f*(corners[c+1][1]-corners[c][1])}
				}
				if math.Abs(p[0]) > 90 {
					continue
				}
				lon := p[1]
				if lon > 180 {
					lon -= 360
				}
				var want []int
				certain := true
				for i, e := range references {
					in, ok := e.contains(cornerAt(p[0], lon))
					certain = certain && ok
					if in {
						want = append(want, i)
					}
				}
				if !certain {
					skipped++
					continue
				}
				got := fence.At(geo.Point{Lat: p[0], Lon: lon}, nil)
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Fatalf("%s, seed %d: %v is in %v, the fence says %v", at.name, seed, p, want, got)
				}
				for i, s := range shapes {
					if in := s.Contains(geo.Point{Lat: p[0], Lon: lon}); in != slices.Contains(want, i) {
						t.Fatalf("%s: Contains(%v) of %d is %v", at.name, p, i, in)
					}
				}
				compared, hits, done = compared+1, hits+len(want), done+1
			}
		}
	}
	t.Logf("%d points, %d hits, %d left out", compared, hits, skipped)
	if hits < compared || skipped > compared/100 {
		t.Errorf("of %d points %d hits, %d left out: too few to say anything", compared, hits, skipped)
	}
}

func (s exactShape) meets(o exactShape) (yes, ok bool) {
	inside := func(a, b exactRing) (bool, bool) { // a wholly in b
		if x, ok := a.crosses(b); x || !ok {
			return false, ok
		}
		return b.contains(a.corners[0])
	}
	for _, a := range s.shells {
		for _, b := range o.shells {
			common, ok := a.crosses(b)
			if !ok {
				return false, false
			}
			if !common {
				x, ok1 := inside(a, b)
				y, ok2 := inside(b, a)
				if !ok1 || !ok2 {
					return false, false
				}
				common = x || y
			}
			for _, h := range s.holes {
				x, ok := inside(b, h)
				if !ok {
					return false, false
				}
				common = common && !x
			}
			for _, h := range o.holes {
				x, ok := inside(a, h)
				if !ok {
					return false, false
				}
				common = common && !x
			}
			if common {
				return true, true
			}
		}
	}
	return false, true
}

// So it does for shapes that meet a shape.
func TestMeetsAgainstExhaustiveSearch(t *testing.T) {
	seed := uint64(8)
	compared, hits := 0, 0
	for _, at := range places {
		rnd := rand.New(rand.NewPCG(seed, uint64(len(at.name))))
		for range max(2, rounds()/10_000) {
			shapes, references, _ := world(t, rnd, at.lat, at.lon, 30)
			fence := NewFence(shapes)
			asked, askedExact, _ := world(t, rnd, at.lat, at.lon, 30)
			for i, s := range asked {
				got := fence.Meets(s, nil)
				for k := range shapes {
					want, ok := askedExact[i].meets(references[k])
					if !ok {
						continue
					}
					if compared++; want {
						hits++
					}
					if slices.Contains(got, k) != want {
						t.Fatalf("%s, seed %d: shape %d meets %d: %v, the fence says %v", at.name, seed, i, k, want, !want)
					}
				}
			}
		}
	}
	t.Logf("%d pairs, %d meet", compared, hits)
	if hits < compared/50 || hits > compared*49/50 {
		t.Errorf("%d of %d pairs meet: too one-sided to say anything", hits, compared)
	}
}

// manyAreas are as many areas as the goal names, of 376 corners each, four over a point.
// They are made once, and not read from text: that rings do not cross is not measured here,
// and theirs can't.
var manyAreas = sync.OnceValue(func() []*Shape {
	rnd := rand.New(rand.NewPCG(1, 2))
	all := make([]*Shape, 10_000)
	for i := range all {
		var corners []s2.Point
		for _, c := range smooth(rnd, 47+8*rnd.Float64(), 6+18*rnd.Float64(), 0.105, 376) {
			corners = append(corners, onSphere(c[0], c[1]))
		}
		l := s2.LoopFromPoints(corners)
		l.Normalize()
		all[i] = &Shape{shells: []*ring{{l, l.RectBound()}}}
	}
	return all
})

// smooth is a ring such as a boundary: its radius changes a little from corner to corner.
func smooth(rnd *rand.Rand, lat, lon, size float64, n int) [][2]float64 {
	a, b, c := rnd.Float64(), rnd.Float64(), rnd.Float64()
	var out [][2]float64
	for i := range n {
		w := 2 * math.Pi * float64(i) / float64(n)
		r := size * (1 + 0.2*math.Sin(3*w+6*a) + 0.1*math.Sin(7*w+6*b) + 0.04*math.Sin(23*w+6*c))
		out = append(out, [2]float64{round(lat + r*math.Sin(w)), round(lon + r*math.Cos(w)/math.Cos(lat*math.Pi/180))})
	}
	return out
}

func BenchmarkFence(b *testing.B) {
	fence := NewFence(manyAreas())
	rnd := rand.New(rand.NewPCG(3, 4))
	points := make([]geo.Point, 4096)
	for i := range points {
		points[i] = geo.Point{Lat: 47 + 8*rnd.Float64(), Lon: 6 + 18*rnd.Float64()}
	}
	_, cells := fence.Len()
	b.Run("point", func(b *testing.B) {
		b.ReportAllocs()
		list, hits, i := make([]int, 0, 64), 0, 0
		for b.Loop() {
			list = fence.At(points[i&4095], list[:0])
			hits += len(list)
			i++
		}
		b.ReportMetric(float64(hits)/float64(i), "hits/op")
		b.ReportMetric(float64(cells), "cells")
		b.ReportMetric(percentile(points, fence, 0.5), "p50-ns")
		b.ReportMetric(percentile(points, fence, 0.99), "p99-ns")
	})
	b.Run("polygon", func(b *testing.B) {
		b.ReportAllocs()
		rnd := rand.New(rand.NewPCG(5, 6))
		var asked []*Shape
		for range 64 {
			s, _ := Read([]string{text(smooth(rnd, 48+6*rnd.Float64(), 8+14*rnd.Float64(), 0.3, 100))}, nil, nil)
			asked = append(asked, s)
		}
		list, hits, i := make([]int, 0, 1024), 0, 0
		for b.Loop() {
			list = fence.Meets(asked[i&63], list[:0])
			hits += len(list)
			i++
		}
		b.ReportMetric(float64(hits)/float64(i), "hits/op")
		var times []float64
		for k := range 4 * len(asked) {
			from := time.Now()
			list = fence.Meets(asked[k%len(asked)], list[:0])
			times = append(times, float64(time.Since(from).Nanoseconds()))
		}
		slices.Sort(times)
		b.ReportMetric(times[len(times)/2], "p50-ns")
	})
}

func BenchmarkNewFence(b *testing.B) {
	areas := manyAreas()[:1000]
	for b.Loop() {
		NewFence(areas)
	}
}

// percentile is the time of a look-up in nanoseconds, that of reading the clock included,
// that a share of the points does not exceed. All points are asked one after another, so
// that none finds its cell still at hand.
func percentile(points []geo.Point, fence *Fence, share float64) float64 {
	list := make([]int, 0, 64)
	times := make([]float64, len(points))
	for pass := range 3 {
		for i, p := range points {
			from := time.Now()
			list = fence.At(p, list[:0])
			if t := float64(time.Since(from).Nanoseconds()); pass == 0 || t < times[i] {
				times[i] = t
			}
		}
	}
	slices.Sort(times)
	return times[int(share*float64(len(times)-1))]
}

// BenchmarkContainsPointQuery is what the library's own query takes for the same: the
// yardstick.
func BenchmarkContainsPointQuery(b *testing.B) {
	index := s2.NewShapeIndex()
	for _, s := range manyAreas() {
		index.Add(s2.LaxLoopFromLoop(s.shells[0].loop))
	}
	index.Build()
	query := s2.NewContainsPointQuery(index, s2.VertexModelSemiOpen)
	rnd := rand.New(rand.NewPCG(3, 4))
	points := make([]s2.Point, 4096)
	for i := range points {
		points[i] = onSphere(47+8*rnd.Float64(), 6+18*rnd.Float64())
	}
	hits, i := 0, 0
	for b.Loop() {
		hits += len(query.ContainingShapes(points[i&4095]))
		i++
	}
	b.ReportMetric(float64(hits)/float64(i), "hits/op")
}
