package area

import (
	"math"
	"strconv"
	"strings"

	"github.com/golang/geo/s1"
	"github.com/golang/geo/s2"

	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/geo"
)

const (
	// earth is the mean radius in metres, as geo.Distance has it.
	earth = 6_371_008.8
	// largest is how much of the earth a shape may cover, in square metres: the three
	// countries have 0.75 million km². What is larger is a mistake, such as a ring whose
	// inside is meant to be the other side of the earth.
	largest = 2e12
	// circleSides make a circle a polygon around it: at most 0.03 % too wide.
	circleSides = 128
	// leastCircle is the radius in metres of a circle without one: a point.
	leastCircle = 1
)

// Fault is what is wrong with a polygon, hole or circle of a warning.
type Fault struct {
	What  string // "polygon", "hole" or "circle"
	Index int    // of it among its kind
	// Wrong is the word of cap.Ring and cap.Circle, or "large": more of the earth than
	// any warning is for; "small": without an inside.
	Wrong string
	// Refused ones are no part of the shape; the others could be mended: an open ring is
	// closed, one over the antimeridian goes the short way.
	Refused bool
}

// Key is that of the sentence for people.
func (f Fault) Key() string { return "area.fault." + f.Wrong }

// Shape is the polygons of a warning without their holes. Its sides are the shortest
// lines on the sphere.
type Shape struct {
	shells, holes []*ring
	// Error is how far, in metres, a side may lie from the one its sender drew, who may
	// have meant a straight line on a map in degrees; that of circles included.
	Error float64
	// Lost are refused polygons and circles: the corners that could be read. What is
	// inside of them nobody can say, but that it is not far away.
	Lost []s2.Rect
}

// ring is a closed line; its inside is the smaller side.
type ring struct {
	loop  *s2.Loop
	bound s2.Rect
}

// Read reads the texts of CAP (spec: CAP 1.2, §3.2.4). Faults come with what could be
// read.
func Read(polygons, holes, circles []string) (*Shape, []Fault) {
	s := &Shape{}
	var faults []Fault
	add := func(what string, i int, text string, to *[]*ring) {
		points, wrong := cap.Ring(text)
		if wrong == "wide" {
			if turned(points) {
				wrong = ""
				if points[0] != points[len(points)-1] {
					wrong = "open"
				}
				faults = append(faults, Fault{what, i, "antimeridian", false})
			}
		}
		if wrong == "open" {
			closed := writeRing(append(points, points[0]))
			if _, again := cap.Ring(closed); again == "crossing" {
				wrong = again
			} else {
				faults = append(faults, Fault{what, i, "open", false})
				wrong = ""
			}
		}
		var r *ring
		if wrong == "" {
			r, wrong = newRing(points)
		}
		if wrong != "" {
			faults = append(faults, Fault{what, i, wrong, true})
			if what == "polygon" {
				s.Lost = append(s.Lost, boundOf(points))
			}
			return
		}
		s.Error = max(s.Error, bulge(points))
		*to = append(*to, r)
	}
	for i, text := range polygons {
		add("polygon", i, text, &s.shells)
	}
	for i, text := range holes {
		add("hole", i, text, &s.holes)
	}
	for i, text := range circles {
		centre, km, wrong := cap.Circle(text)
		if wrong == "" && math.Pi*km*km*1e6 > largest {
			wrong = "large"
		}
		if wrong != "" {
			faults = append(faults, Fault{"circle", i, wrong, true})
			s.Lost = append(s.Lost, s2.FullRect())
			continue
		}
		radius := max(km*1000, leastCircle)
		s.shells = append(s.shells, around(centre, radius))
		s.Error = max(s.Error, radius*(1/math.Cos(math.Pi/circleSides)-1))
	}
	return s, faults
}

// Empty reports whether nothing at all could be read.
func (s *Shape) Empty() bool { return len(s.shells) == 0 }

// turned reports whether a ring that looks as if it went around the earth goes over the
// antimeridian only: seen from the other side of the earth it is an ordinary one.
func turned(points []cap.Point) bool {
	other := make([]cap.Point, len(points))
	for i, p := range points {
		if p.Lon > 0 {
			p.Lon -= 180
		} else {
			p.Lon += 180
		}
		other[i] = p
	}
	_, wrong := cap.Ring(writeRing(other))
	return wrong == "" || wrong == "open"
}

func writeRing(points []cap.Point) string {
	words := make([]string, len(points))
	for i, p := range points {
		words[i] = strconv.FormatFloat(p.Lat, 'f', -1, 64) + "," + strconv.FormatFloat(p.Lon, 'f', -1, 64)
	}
	return strings.Join(words, " ")
}

func onSphere(lat, lon float64) s2.Point { return s2.PointFromLatLng(s2.LatLngFromDegrees(lat, lon)) }

func pointOf(p geo.Point) s2.Point { return onSphere(p.Lat, p.Lon) }

// newRing turns corners, the last of which is the first, into a ring whose inside is the
// smaller side.
func newRing(points []cap.Point) (*ring, string) {
	corners := make([]s2.Point, 0, len(points))
	for _, p := range points {
		if c := onSphere(p.Lat, p.Lon); len(corners) == 0 || c != corners[len(corners)-1] {
			corners = append(corners, c)
		}
	}
	for len(corners) > 1 && corners[0] == corners[len(corners)-1] {
		corners = corners[:len(corners)-1]
	}
	if len(corners) < 3 {
		return nil, "small"
	}
	l := s2.LoopFromPoints(corners)
	l.Normalize()
	if err := l.Validate(); err != nil {
		return nil, "crossing"
	}
	switch a := l.Area() * earth * earth; {
	case a > largest:
		return nil, "large"
	case a <= 0:
		return nil, "small"
	}
	return &ring{l, l.RectBound()}, ""
}

// around is a circle's polygon, which covers it.
func around(centre cap.Point, radius float64) *ring {
	l := s2.RegularLoop(onSphere(centre.Lat, centre.Lon), s1.Angle(radius/earth/math.Cos(math.Pi/circleSides)), circleSides)
	l.Normalize()
	return &ring{l, l.RectBound()}
}

func boundOf(points []cap.Point) s2.Rect {
	if len(points) == 0 {
		return s2.FullRect()
	}
	b := s2.NewRectBounder()
	for _, p := range points {
		b.AddPoint(onSphere(p.Lat, p.Lon))
	}
	return b.RectBound()
}

// bulge is how far the sides of a ring are from straight lines in degrees, in metres: the
// shortest line between two points of one latitude bends towards the pole, and a slanting
// one also to the side.
func bulge(points []cap.Point) float64 {
	most := 0.0
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		lat := (a.Lat + b.Lat) / 2 * math.Pi / 180
		wide := math.Abs(b.Lon - a.Lon)
		wide = min(wide, 360-wide) * math.Pi / 180 * earth * math.Cos(lat)
		high := (b.Lat - a.Lat) * math.Pi / 180 * earth
		most = max(most, wide*math.Hypot(wide, 2*high)*math.Abs(math.Tan(lat))/(8*earth))
	}
	return most
}

// Contains reports whether a point lies in the shape.
func (s *Shape) Contains(p geo.Point) bool {
	at := pointOf(p)
	for _, h := range s.holes {
		if h.contains(at) {
			return false
		}
	}
	for _, r := range s.shells {
		if r.contains(at) {
			return true
		}
	}
	return false
}

func (r *ring) contains(p s2.Point) bool { return r.loop.ContainsPoint(p) }

// Edge is the distance from a point to the nearest side of the shape or of its holes in
// metres, on either side of it.
func (s *Shape) Edge(p geo.Point) float64 {
	at, least := pointOf(p), math.Inf(1)
	for _, list := range [][]*ring{s.shells, s.holes} {
		for _, r := range list {
			n := r.loop.NumVertices()
			for i := range n {
				least = min(least, float64(s2.DistanceFromSegment(at, r.loop.Vertex(i), r.loop.Vertex(i+1)))*earth)
			}
		}
	}
	return least
}

// near reports whether a point lies within some metres of a refused polygon.
func (s *Shape) near(p geo.Point, metres float64) bool {
	ll := s2.LatLngFromDegrees(p.Lat, p.Lon)
	for _, b := range s.Lost {
		if b.IsFull() || float64(b.DistanceToLatLng(ll))*earth <= metres {
			return true
		}
	}
	return false
}

// Sides gives every side of the polygons and of their holes.
func (s *Shape) Sides(side func(a, b geo.Point)) {
	for _, list := range [][]*ring{s.shells, s.holes} {
		for _, r := range list {
			n := r.loop.NumVertices()
			for i := range n {
				side(place(r.loop.Vertex(i)), place(r.loop.Vertex(i+1)))
			}
		}
	}
}

func place(v s2.Point) geo.Point {
	ll := s2.LatLngFromPoint(v)
	return geo.Point{Lat: ll.Lat.Degrees(), Lon: ll.Lng.Degrees()}
}

// MayHold reports whether a refused polygon may hold what is within some metres of a
// point: nobody can say that it does not.
func (s *Shape) MayHold(p geo.Point, metres float64) bool { return s.near(p, metres) }

// corners are those of the shells.
func (s *Shape) corners() []geo.Point {
	var all []geo.Point
	for _, r := range s.shells {
		for _, v := range r.loop.Vertices() {
			ll := s2.LatLngFromPoint(v)
			all = append(all, geo.Point{Lat: ll.Lat.Degrees(), Lon: ll.Lng.Degrees()})
		}
	}
	return all
}
