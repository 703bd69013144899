package register

import (
	"fmt"
	"math"

	"trojmezi/internal/kernel/geo"
)

// window is the region the register knows, as a rectangle of latitudes and
// longitudes: the tri-border with half a day's ride around.
var window = box{South: 50.35, West: 14.0, North: 51.7, East: 16.15}

// box is a rectangle of latitudes and longitudes.
type box struct{ South, West, North, East float64 }

func (b box) contains(p geo.Point) bool { // false for NaN
	return p.Lat >= b.South && p.Lat <= b.North && p.Lon >= b.West && p.Lon <= b.East
}

func (b box) meets(o box) bool {
	return b.South <= o.North && o.South <= b.North && b.West <= o.East && o.West <= b.East
}

func boxOf(ring []geo.Point) box {
	b := box{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	for _, p := range ring {
		b = box{min(b.South, p.Lat), min(b.West, p.Lon), max(b.North, p.Lat), max(b.East, p.Lon)}
	}
	return b
}

// borderError is how far the state border that we ship lies from the true one,
// in metres: against the Polish state register's it was 1,470 m off at 95 of 100
// points that fell on the wrong side, 1,870 m at most.
const borderError = 2000

// rim is how far the derived countries reach over the window, in degrees.
const rim = 0.001

// Confidence says how sure the country of a point is.
type Confidence string

// The three answers.
const (
	Sure    Confidence = "sure"
	Unclear Confidence = "unclear" // nearer to the border than its error: ask, never decide
	Outside Confidence = "outside" // beyond what the register knows
)

// Location is the answer to "which country is this point in".
type Location struct {
	Country    Country // the likeliest one when Unclear, "" when Outside
	Confidence Confidence
	// Others are the countries it may lie in as well, when Unclear.
	Others []Country
	// Border is the distance to the nearest state border known, in metres; −1 when Outside.
	Border float64
	// Error is that of the border in use, in metres.
	Error float64
	// Approximate is false once official boundaries are imported.
	Approximate bool
}

// borderLine is the border between two countries, from the tri-border outwards.
type borderLine struct {
	one, other Country
	line       []geo.Point
}

// area is a country: rings by the even-odd rule and those of its lines that are
// borders (the edges of the window are none).
type area struct {
	rings       [][]geo.Point
	boxes       []box
	lines       [][]geo.Point
	error       float64
	approximate bool
}

func newArea(rings, lines [][]geo.Point, errorMetres float64, approximate bool) *area {
	a := &area{rings: rings, lines: lines, error: errorMetres, approximate: approximate}
	for _, r := range rings {
		a.boxes = append(a.boxes, boxOf(r))
	}
	return a
}

func (a *area) contains(p geo.Point) bool {
	in := false
	for i, ring := range a.rings {
		if a.boxes[i].contains(p) && inRing(p, ring) {
			in = !in
		}
	}
	return in
}

// inRing is the even-odd rule for a closed or open ring.
func inRing(p geo.Point, ring []geo.Point) bool {
	in := false
	for i := range ring {
		a, b := ring[i], ring[(i+1)%len(ring)]
		if (a.Lat > p.Lat) != (b.Lat > p.Lat) && p.Lon < (b.Lon-a.Lon)*(p.Lat-a.Lat)/(b.Lat-a.Lat)+a.Lon {
			in = !in
		}
	}
	return in
}

// border is the distance from p to the nearest border line in metres.
func (a *area) border(p geo.Point) float64 {
	best := math.Inf(1)
	for _, l := range a.lines {
		best = min(best, toLine(p, l))
	}
	return best
}

// metresPerDegree of latitude on the mean sphere.
const metresPerDegree = 111195

// toLine is the distance from p to a line in metres, on a plane that touches the
// earth at p: right to a thousandth within the region.
func toLine(p geo.Point, line []geo.Point) float64 {
	scale := math.Cos(p.Lat * math.Pi / 180)
	flat := func(q geo.Point) (x, y float64) { return (q.Lon - p.Lon) * scale, q.Lat - p.Lat }
	best := math.Inf(1)
	for i := 1; i < len(line); i++ {
		ax, ay := flat(line[i-1])
		bx, by := flat(line[i])
		dx, dy := bx-ax, by-ay
		t := 0.0
		if l := dx*dx + dy*dy; l > 0 {
			t = max(0, min(1, -(ax*dx+ay*dy)/l))
		}
		best = min(best, math.Hypot(ax+t*dx, ay+t*dy))
	}
	return best * metresPerDegree
}

func (r *Register) border(w row) error {
	at, err := w.point()
	if err != nil {
		return err
	}
	one, other := Country(w.text("one")), Country(w.text("other"))
	if n := len(r.borders); n == 0 || r.borders[n-1].one != one || r.borders[n-1].other != other {
		r.borders = append(r.borders, borderLine{one: one, other: other})
	}
	last := &r.borders[len(r.borders)-1]
	last.line = append(last.line, at)
	return nil
}

// outline makes the three countries of their borders and the window: west of the
// Czech-German one and the German-Polish one lies Germany, and so on.
func (r *Register) outline() error {
	if len(r.borders) != 3 {
		return fmt.Errorf("border.csv has %d borders, want 3", len(r.borders))
	}
	line := map[Country][]geo.Point{} // by the two countries, CZ+DE …
	for _, b := range r.borders {
		line[b.one+b.other] = b.line
	}
	czde, depl, czpl := line[CZ+DE], line[DE+PL], line[CZ+PL]
	if len(czde) < 2 || len(depl) < 2 || len(czpl) < 2 || czde[0] != depl[0] || depl[0] != czpl[0] {
		return fmt.Errorf("border.csv: the three borders do not begin at one point")
	}
	// The rings reach a little over the window, so that its edge is inside.
	outer := box{window.South - rim, window.West - rim, window.North + rim, window.East + rim}
	corner := func(lat, lon float64) geo.Point { return geo.Point{Lat: lat, Lon: lon} }
	reach := func(line []geo.Point, lat, lon float64) []geo.Point {
		end := line[len(line)-1]
		return append(append([]geo.Point{}, line...), corner(end.Lat+lat, end.Lon+lon))
	}
	czdeRing, deplRing, czplRing := reach(czde, 0, -rim), reach(depl, rim, 0), reach(czpl, 0, rim)
	ring := func(out, back []geo.Point, corners ...geo.Point) [][]geo.Point {
		all := append([]geo.Point{}, out...)
		all = append(all, corners...)
		for i := len(back) - 1; i > 0; i-- {
			all = append(all, back[i])
		}
		return [][]geo.Point{append(all, out[0])}
	}
	r.derived = map[Country]*area{
		CZ: newArea(ring(czdeRing, czplRing, corner(outer.South, outer.West), corner(outer.South, outer.East)), [][]geo.Point{czde, czpl}, borderError, true),
		DE: newArea(ring(deplRing, czdeRing, corner(outer.North, outer.West)), [][]geo.Point{czde, depl}, borderError, true),
		PL: newArea(ring(czplRing, deplRing, corner(outer.North, outer.East)), [][]geo.Point{depl, czpl}, borderError, true),
	}
	return nil
}

// areaOf is the imported area of a country, else the derived one.
func (r *Register) areaOf(c Country) *area {
	if a := r.official.Load().countries[c]; a != nil {
		return a
	}
	return r.derived[c]
}

// knownBorder is a line to measure from: a derived border between two
// countries, or the outline of an imported one (other is "").
type knownBorder struct {
	one, other  Country
	lines       [][]geo.Point
	error       float64
	approximate bool
}

// knownBorders are the borders in use: derived ones only where both sides are.
func (r *Register) knownBorders() []knownBorder {
	var all []knownBorder
	for _, b := range r.borders {
		if r.areaOf(b.one).approximate && r.areaOf(b.other).approximate {
			all = append(all, knownBorder{b.one, b.other, [][]geo.Point{b.line}, borderError, true})
		}
	}
	for _, c := range Countries {
		if a := r.areaOf(c); !a.approximate {
			all = append(all, knownBorder{one: c, lines: a.lines, error: a.error})
		}
	}
	return all
}

// Country says which country p lies in, and how sure that is: nearer to a
// border than the border's own error it is Unclear, unless p is the very point of
// a place of the register. Imported boundaries replace what is derived.
func (r *Register) Country(p geo.Point) Location {
	outside := Location{Confidence: Outside, Border: -1}
	if !p.Valid() {
		return outside
	}
	home := r.official.Load().country(p)
	if home == "" && !window.contains(p) {
		return outside
	}
	if home == "" {
		home = r.likely(p)
	}
	l := Location{Country: home, Confidence: Sure, Border: math.Inf(1)}
	doubt := map[Country]bool{}
	for _, b := range r.knownBorders() {
		d := math.Inf(1)
		for _, line := range b.lines {
			d = min(d, toLine(p, line))
		}
		if d < l.Border {
			l.Border, l.Error, l.Approximate = d, b.error, b.approximate
		}
		if d >= b.error {
			continue
		}
		l.Confidence = Unclear
		doubt[b.one], doubt[b.other] = true, true
		if b.one == home && b.other == "" {
			for _, c := range Countries {
				a := r.areaOf(c)
				doubt[c] = doubt[c] || a.border(p) < max(a.error, b.error)
			}
		}
	}
	if own, ok := r.pointOf(p); ok && l.Confidence == Unclear {
		return Location{Country: own, Confidence: Sure, Border: l.Border, Error: l.Error}
	}
	for _, c := range Countries {
		if doubt[c] && c != home {
			l.Others = append(l.Others, c)
		}
	}
	return l
}

// ownPoint is how near to a place's own point, in metres, a point counts as the
// place itself: what is left of decimal degrees with four places, and a bit.
const ownPoint = 50

// pointOf is the country of the place whose point p is: it stands in the
// register, whatever lines say.
func (r *Register) pointOf(p geo.Point) (Country, bool) {
	for _, place := range r.places {
		if math.Abs(place.Point.Lat-p.Lat) < 0.001 && geo.Distance(place.Point, p) <= ownPoint {
			return place.Country, true
		}
	}
	return "", false
}

// likely is the country of a point of the region that no imported area holds:
// the derived area it lies in, else the nearest that is only derived.
func (r *Register) likely(p geo.Point) Country {
	nearest, at := math.Inf(1), CZ
	for _, c := range Countries {
		a := r.areaOf(c)
		if a.approximate && a.contains(p) {
			return c
		}
		if d := a.border(p); a.approximate && d < nearest {
			nearest, at = d, c
		}
	}
	return at
}
