package notice

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/peterstace/simplefeatures/geom"

	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
)

// Ring is the outline of an area, closed: the last point is the first.
type Ring []geo.Point

// Unit is an area one can name: a municipality, or a district with its codes.
type Unit struct {
	ID string // "CZ-563889", "ORP-5102", "AGS-14626", "TERYT-0225"
	// Place is the municipality; Members are those of a district.
	Place   register.Place
	Members []string
	Name    string // official
	Level   string // municipality, orp, kreis, powiat
	Codes   []cap.Pair
}

// orp are the codes of the Liberec region's municipalities with extended powers: the
// number of the region and the rank in the Czech alphabet. Compiled for this project
// (verified); EMMA_ID is CZ0 and the same number.
var orp = map[string]string{
	"Česká Lípa": "5101", "Frýdlant": "5102", "Jablonec nad Nisou": "5103", "Jilemnice": "5104", "Liberec": "5105",
	"Nový Bor": "5106", "Semily": "5107", "Tanvald": "5108", "Turnov": "5109", "Železný Brod": "5110",
}

// kreis are the parts of the Saxon districts in EMMA_ID (verified).
var kreis = map[string][]string{"14626": {"DE070", "DE075"}, "14625": {"DE086", "DE054"}}

// Atlas is what areas there are, by the register.
type Atlas struct {
	places *register.Register
	units  []Unit
	byID   map[string]int
	cells  map[string]Ring // of municipalities
}

// NewAtlas derives the areas. Outlines are approximate and drawn generously: what lies
// nearer to the point of a place than to any other, and somewhat beyond.
func NewAtlas(places *register.Register) *Atlas {
	a := &Atlas{places: places, byID: map[string]int{}, cells: map[string]Ring{}}
	districts := map[string]*Unit{}
	var ids []string
	all := places.Places()
	for _, p := range all {
		if p.Kind != register.Municipality {
			continue
		}
		u := Unit{ID: p.ID, Place: p, Members: []string{p.ID}, Name: p.Name, Level: "municipality", Codes: municipalityCodes(p)}
		a.units = append(a.units, u)
		id, level, name, codes := districtOf(p)
		if id == "" {
			continue
		}
		if districts[id] == nil {
			districts[id] = &Unit{ID: id, Name: name, Level: level, Codes: codes}
			ids = append(ids, id)
		}
		districts[id].Members = append(districts[id].Members, p.ID)
	}
	slices.SortFunc(a.units, func(x, y Unit) int { return cmp.Compare(i18n.Fold(x.Name), i18n.Fold(y.Name)) })
	slices.Sort(ids)
	var large []Unit
	for _, id := range ids {
		large = append(large, *districts[id])
	}
	a.units = append(large, a.units...)
	for i, u := range a.units {
		a.byID[u.ID] = i
	}
	for _, p := range all {
		if p.Kind == register.Municipality {
			a.cells[p.ID] = cellOf(p, all)
		}
	}
	return a
}

// municipalityCodes are those of exactly this municipality: the code of a whole district
// would tell people who are not meant. That of Germany is derived (from memory).
func municipalityCodes(p register.Place) []cap.Pair {
	switch p.Country {
	case register.CZ:
		return []cap.Pair{{Name: "LAU2", Value: p.Code}}
	case register.DE:
		return []cap.Pair{{Name: "WARNCELLID", Value: "8" + p.Code}}
	}
	return []cap.Pair{{Name: "TERYT", Value: p.Code}}
}

func districtOf(p register.Place) (id, level, name string, codes []cap.Pair) {
	switch p.Country {
	case register.CZ:
		code := orp[p.ORP]
		if code == "" {
			return "", "", "", nil
		}
		return "ORP-" + code, "orp", p.ORP, []cap.Pair{{Name: "CISORP", Value: code}, {Name: "EMMA_ID", Value: "CZ0" + code}}
	case register.DE: // the number of a whole Kreis: type 1, derived (from memory)
		codes = []cap.Pair{{Name: "WARNCELLID", Value: "1" + p.DistrictCode + "000"}}
		for _, e := range kreis[p.DistrictCode] {
			codes = append(codes, cap.Pair{Name: "EMMA_ID", Value: e})
		}
		return "AGS-" + p.DistrictCode, "kreis", p.District, codes
	}
	return "TERYT-" + p.DistrictCode, "powiat", p.District, []cap.Pair{{Name: "TERYT", Value: p.DistrictCode}, {Name: "EMMA_ID", Value: "PL" + p.DistrictCode}}
}

const (
	// cellReach is how far a municipality reaches at most where nothing is beyond it.
	cellReach = 12_000 // metres
	// cellMargin is how far an outline reaches over the middle line: about what the
	// point of a small place may be wrong by.
	cellMargin = 500
	// perDegree of latitude on the mean sphere, in metres.
	perDegree = 111_195
)

// flat is a point on a plane that touches the earth at an origin, in metres.
type flat struct{ x, y float64 }

func project(o, p geo.Point) flat {
	return flat{(p.Lon - o.Lon) * perDegree * math.Cos(o.Lat*math.Pi/180), (p.Lat - o.Lat) * perDegree}
}

func (f flat) back(o geo.Point) geo.Point {
	return geo.Point{Lat: o.Lat + f.y/perDegree, Lon: o.Lon + f.x/(perDegree*math.Cos(o.Lat*math.Pi/180))}
}

// cellOf is the approximate outline of a municipality: settlements that belong to it
// count as its own.
func cellOf(p register.Place, all []register.Place) Ring {
	own := []geo.Point{p.Point}
	for _, q := range all {
		if q.Part == p.ID {
			own = append(own, q.Point)
		}
	}
	var pieces []Ring
	for _, at := range own {
		cell := []flat{{-cellReach, -cellReach}, {cellReach, -cellReach}, {cellReach, cellReach}, {-cellReach, cellReach}}
		for _, q := range all {
			if q.Point == at || q.ID == p.ID || q.Part == p.ID {
				continue
			}
			d := project(at, q.Point)
			away := math.Hypot(d.x, d.y)
			if away > 4*cellReach {
				continue
			}
			t := (away/2 + cellMargin) / away
			cell = half(cell, flat{d.x * t, d.y * t}, d)
		}
		r := make(Ring, 0, len(cell)+1)
		for _, c := range cell {
			r = append(r, c.back(at))
		}
		pieces = append(pieces, append(r, r[0]))
	}
	if len(pieces) == 1 {
		return pieces[0]
	}
	whole := join(pieces)
	if len(whole) == 1 {
		return whole[0]
	}
	return hull(slices.Concat(pieces...))
}

// half keeps what of a convex outline lies before the line through m across d.
func half(cell []flat, m, d flat) (out []flat) {
	side := func(c flat) float64 { return (c.x-m.x)*d.x + (c.y-m.y)*d.y }
	for i, c := range cell {
		n := cell[(i+1)%len(cell)]
		a, b := side(c), side(n)
		if a <= 0 {
			out = append(out, c)
		}
		if a < 0 && b > 0 || a > 0 && b < 0 {
			t := a / (a - b)
			out = append(out, flat{c.x + t*(n.x-c.x), c.y + t*(n.y-c.y)})
		}
	}
	return out
}

// Units lists what can be named: districts first, then municipalities by name.
func (a *Atlas) Units() []Unit { return a.units }

// Unit finds an area by id.
func (a *Atlas) Unit(id string) (Unit, bool) {
	i, ok := a.byID[id]
	if !ok {
		return Unit{}, false
	}
	return a.units[i], true
}

// Find reads what somebody wrote for an area: its id, one of its codes, or its name; of
// several the largest.
func (a *Atlas) Find(text string) (Unit, bool) {
	text = strings.TrimSpace(text)
	if u, ok := a.Unit(text); ok {
		return u, true
	}
	for _, u := range a.units {
		for _, c := range u.Codes {
			if c.Value == text {
				return u, true
			}
		}
	}
	for _, u := range a.units {
		if i18n.Fold(u.Name) == i18n.Fold(text) && u.Level == "municipality" {
			return u, true
		}
	}
	for _, p := range a.places.Search(text, 1) {
		if strings.EqualFold(p.Matched, text) {
			return a.Unit(cmp.Or(p.Part, p.ID))
		}
	}
	return Unit{}, false
}

// NameOf is what a reader of a language calls an area, with its local name.
func (a *Atlas) NameOf(texts *i18n.Bundle, l i18n.Lang, u Unit) string {
	if u.Level == "municipality" {
		if name, local := u.Place.In(l); local != "" {
			return name + " (" + local + ")"
		}
		return u.Name
	}
	name := u.Name
	for _, p := range a.places.Search(u.Name, 1) { // districts are called after their town
		if p.Name == u.Name {
			if n, local := p.In(l); local != "" {
				name = n + " (" + local + ")"
			}
		}
	}
	return texts.Text(l, "notice.unit."+u.Level, i18n.Args{"name": name})
}

// Outline is the approximate outline of an area.
func (a *Atlas) Outline(u Unit) []Ring {
	var pieces []Ring
	for _, m := range u.Members {
		if c, ok := a.cells[m]; ok {
			pieces = append(pieces, c)
		}
	}
	return pieces
}

// Bounds of what is drawn and of what is sent.
const (
	maxDrawn    = 256 << 10 // bytes of a pasted drawing
	maxPoints   = 20_000    // of it
	maxVertices = 100       // of one polygon sent: some receivers refuse more
	maxPolygons = 24        // sent; more are put together
	maxRadius   = 100.0     // kilometres
	circleSides = 36
)

// Where drawings may lie: the three countries and a bit. A drawing elsewhere has its
// latitudes and longitudes the wrong way round.
const south, north, west, east = 47.0, 56.0, 5.0, 25.0

// Drawn reads a drawing that was pasted: GeoJSON (a geometry, a feature or several; RFC
// 7946), or a point in any notation. Lines and points are widened by km. It returns the
// key of what is wrong.
func Drawn(text string, km float64) (rings []Ring, fault string) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, ""
	}
	if len(text) > maxDrawn {
		return nil, "notice.fault.drawn_large"
	}
	if !strings.HasPrefix(text, "{") {
		found, err := geo.Parse(text)
		if err != nil || len(found) != 1 {
			return nil, "notice.fault.drawn"
		}
		return widen([]geo.Point{found[0].Point}, km)
	}
	count := 0
	rings, fault = drawing(json.RawMessage(text), km, &count, 0)
	if fault == "" && len(rings) == 0 {
		return nil, "notice.fault.drawn"
	}
	return rings, fault
}

// drawing reads one object of GeoJSON; deep guards against objects within objects.
func drawing(raw json.RawMessage, km float64, count *int, deep int) (rings []Ring, fault string) {
	var o struct {
		Type        string            `json:"type"`
		Coordinates json.RawMessage   `json:"coordinates"`
		Geometry    json.RawMessage   `json:"geometry"`
		Geometries  []json.RawMessage `json:"geometries"`
		Features    []json.RawMessage `json:"features"`
	}
	if json.Unmarshal(raw, &o) != nil || deep > 4 {
		return nil, "notice.fault.drawn"
	}
	read := func(v any) bool { return json.Unmarshal(o.Coordinates, v) == nil }
	switch o.Type {
	case "Feature":
		return drawing(o.Geometry, km, count, deep+1)
	case "FeatureCollection", "GeometryCollection":
		for _, f := range append(o.Features, o.Geometries...) {
			more, fault := drawing(f, km, count, deep+1)
			if fault != "" {
				return nil, fault
			}
			rings = append(rings, more...)
		}
		return rings, ""
	case "Point":
		var c []float64
		if !read(&c) {
			return nil, "notice.fault.drawn"
		}
		points, fault := positions([][]float64{c}, count)
		if fault != "" {
			return nil, fault
		}
		return widen(points, km)
	case "LineString":
		var c [][]float64
		if !read(&c) {
			return nil, "notice.fault.drawn"
		}
		points, fault := positions(c, count)
		if fault != "" {
			return nil, fault
		}
		return widen(points, km)
	case "Polygon", "MultiPolygon":
		var all [][][][]float64
		if o.Type == "Polygon" {
			all = make([][][][]float64, 1)
			if !read(&all[0]) {
				return nil, "notice.fault.drawn"
			}
		} else if !read(&all) {
			return nil, "notice.fault.drawn"
		}
		for _, p := range all {
			if len(p) == 0 {
				continue
			}
			points, fault := positions(p[0], count) // people in its holes are told as well
			if fault != "" {
				return nil, fault
			}
			if points[0] != points[len(points)-1] {
				points = append(points, points[0])
			}
			r := Ring(points)
			if len(r) < 4 {
				return nil, "notice.fault.drawn_few"
			}
			if _, wrong := cap.Ring(r.cap()); wrong != "" {
				return nil, "notice.fault.drawn_crossing"
			}
			rings = append(rings, r)
		}
		return rings, ""
	}
	return nil, "notice.fault.drawn"
}

func positions(all [][]float64, count *int) (points []geo.Point, fault string) {
	if *count += len(all); *count > maxPoints {
		return nil, "notice.fault.drawn_large"
	}
	if len(all) == 0 {
		return nil, "notice.fault.drawn_few"
	}
	for _, c := range all {
		if len(c) < 2 {
			return nil, "notice.fault.drawn"
		}
		p := geo.Point{Lat: c[1], Lon: c[0]}
		if !(p.Lat >= south && p.Lat <= north && p.Lon >= west && p.Lon <= east) {
			return nil, "notice.fault.drawn_elsewhere"
		}
		points = append(points, p)
	}
	return points, ""
}

// widen is what lies within km of a line.
func widen(line []geo.Point, km float64) (rings []Ring, fault string) {
	if !(km > 0 && km <= maxRadius) {
		return nil, "notice.fault.radius"
	}
	for _, p := range line {
		if !(p.Lat >= south && p.Lat <= north && p.Lon >= west && p.Lon <= east) {
			return nil, "notice.fault.drawn_elsewhere"
		}
	}
	if len(line) == 1 {
		return []Ring{circle(line[0], km)}, ""
	}
	for i := 1; i < len(line); i++ {
		rings = append(rings, hull(slices.Concat(circle(line[i-1], km), circle(line[i], km))))
	}
	return rings, ""
}

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
		best, at := math.Inf(1), -1
		for i := range c {
			a, b, d := c[(i+len(c)-1)%len(c)], c[i], c[(i+1)%len(c)]
			if added := -turn(a, b, d); added > 0 && added < best && clear(c, a, b, d) {
				best, at = added, i
			}
		}
		if at < 0 {
			break
		}
		c = slices.Delete(c, at, at+1)
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
