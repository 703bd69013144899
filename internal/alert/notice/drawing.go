package notice

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
)

// Bounds of a drawing.
const (
	maxDrawn  = 256 << 10 // bytes
	maxPoints = 10_000
	maxRadius = 100.0 // kilometres
)

// Where drawings may lie: the three countries and a bit. A drawing elsewhere has its
// latitudes and longitudes the wrong way round.
const south, north, west, east = 47.0, 56.0, 5.0, 25.0

// drawing is what is read of one: pieces, and how many corners there were.
type drawing struct {
	atlas  *Atlas
	km     float64
	count  int
	pieces []Ring
}

// fault is what is wrong with a drawing.
func drawnFault(key string, args i18n.Args) *Fault {
	return &Fault{Field: "drawing", Key: "notice.fault." + key, Args: args}
}

// Drawn reads a drawing: corners, one on a line, as coordinates in any notation or names
// of places; or GeoJSON (a geometry, a feature or several; RFC 7946). One or two corners
// are a point or a line and are widened by km; three and more are an area, and km widens
// it too where there is one.
func (a *Atlas) Drawn(text string, km float64) ([]Ring, *Fault) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return nil, nil
	case len(text) > maxDrawn:
		return nil, drawnFault("drawn_large", nil)
	case km != 0 && !(km > 0 && km <= maxRadius):
		return nil, &Fault{Field: "radius", Key: "notice.fault.radius"}
	}
	d := &drawing{atlas: a, km: km}
	var f *Fault
	if strings.HasPrefix(text, "{") {
		f = d.object(json.RawMessage(text), 0)
	} else {
		var corners []geo.Point
		if corners, f = a.corners(text); f == nil {
			f = d.take(corners, len(corners) > 2)
		}
	}
	if f == nil && len(d.pieces) == 0 {
		f = drawnFault("drawn", nil)
	}
	if f != nil {
		return nil, f
	}
	return d.pieces, nil
}

// corners reads those written one on a line.
func (a *Atlas) corners(text string) (all []geo.Point, f *Fault) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		p, ok := a.spot(line)
		if !ok {
			return nil, drawnFault("drawn_line", i18n.Args{"n": n, "value": clipped(line)})
		}
		all = append(all, p)
	}
	return all, nil
}

// clipped is as much of a line as a sentence bears.
func clipped(text string) string { return short(text, 40) }

// spot reads coordinates or the name of a place.
func (a *Atlas) spot(text string) (geo.Point, bool) {
	if found, err := geo.Parse(text); err == nil && len(found) == 1 && found[0].IsPoint() {
		return found[0].Point, true
	}
	if p, ok := a.named(text); ok {
		return p.Point, true
	}
	return geo.Point{}, false
}

// object reads one of GeoJSON; deep guards against objects within objects.
func (d *drawing) object(raw json.RawMessage, deep int) *Fault {
	var o struct {
		Type        string            `json:"type"`
		Coordinates json.RawMessage   `json:"coordinates"`
		Geometry    json.RawMessage   `json:"geometry"`
		Geometries  []json.RawMessage `json:"geometries"`
		Features    []json.RawMessage `json:"features"`
	}
	if json.Unmarshal(raw, &o) != nil || deep > 4 {
		return drawnFault("drawn", nil)
	}
	read := func(v any) bool { return json.Unmarshal(o.Coordinates, v) == nil }
	line := func(c [][]float64, closed bool) *Fault {
		points, f := d.positions(c)
		if f != nil {
			return f
		}
		return d.take(points, closed)
	}
	switch o.Type {
	case "Feature":
		return d.object(o.Geometry, deep+1)
	case "FeatureCollection", "GeometryCollection":
		for _, f := range append(o.Features, o.Geometries...) {
			if f := d.object(f, deep+1); f != nil {
				return f
			}
		}
		return nil
	case "Point":
		var c []float64
		if read(&c) {
			return line([][]float64{c}, false)
		}
	case "LineString":
		var c [][]float64
		if read(&c) {
			return line(c, false)
		}
	case "Polygon", "MultiPolygon":
		var all [][][][]float64
		ok := false
		if o.Type == "Polygon" {
			all = make([][][][]float64, 1)
			ok = read(&all[0])
		} else {
			ok = read(&all)
		}
		if !ok {
			break
		}
		for _, p := range all {
			if len(p) == 0 {
				continue
			}
			if f := line(p[0], true); f != nil { // people in its holes are told as well
				return f
			}
		}
		return nil
	}
	return drawnFault("drawn", nil)
}

func (d *drawing) positions(all [][]float64) (points []geo.Point, f *Fault) {
	for i, c := range all {
		if len(c) < 2 {
			return nil, drawnFault("drawn_line", i18n.Args{"n": i + 1, "value": "[]"})
		}
		points = append(points, geo.Point{Lat: c[1], Lon: c[0]})
	}
	return points, nil
}

// take adds an area, or a point or line with its width.
func (d *drawing) take(points []geo.Point, closed bool) *Fault {
	if d.count += len(points); d.count > maxPoints {
		return drawnFault("drawn_large", nil)
	}
	if len(points) == 0 {
		return drawnFault("drawn_few", nil)
	}
	if f := astray(points, closed); f != nil {
		return f
	}
	if !closed {
		if d.km == 0 {
			return &Fault{Field: "radius", Key: "notice.fault.radius"}
		}
		d.pieces = append(d.pieces, widened(points, d.km)...)
		return nil
	}
	if points[0] != points[len(points)-1] {
		points = append(points, points[0])
	}
	r := Ring(slices.Compact(points))
	if len(r) < 4 {
		return drawnFault("drawn_few", nil)
	}
	if _, faults := area.Read([]string{r.cap()}, nil, nil); len(faults) > 0 {
		return d.wrong(r, faults[0].Wrong)
	}
	if d.km > 0 {
		r = Simplify(r, maxVertices)
		d.pieces = append(d.pieces, widened(r, d.km)...)
	}
	d.pieces = append(d.pieces, r)
	return nil
}

// astray finds the first corner that lies elsewhere on the earth, or the first side over
// the antimeridian.
func astray(points []geo.Point, closed bool) *Fault {
	for i, p := range points {
		args := i18n.Args{"n": i + 1, "at": geo.Format(p, geo.Decimal)}
		if !p.Valid() {
			return drawnFault("drawn_range", i18n.Args{"n": i + 1, "at": fmt.Sprintf("%g, %g", p.Lat, p.Lon)})
		}
		if i > 0 && math.Abs(p.Lon-points[i-1].Lon) > 180 || closed && i == len(points)-1 && math.Abs(p.Lon-points[0].Lon) > 180 {
			return drawnFault("drawn_antimeridian", args)
		}
	}
	for i, p := range points {
		if !(p.Lat >= south && p.Lat <= north && p.Lon >= west && p.Lon <= east) {
			return drawnFault("drawn_elsewhere", i18n.Args{"n": i + 1, "at": geo.Format(p, geo.Decimal)})
		}
	}
	return nil
}

// wrong says what is wrong with a ring, and where.
func (d *drawing) wrong(r Ring, word string) *Fault {
	if word == "small" {
		return drawnFault("drawn_few", nil)
	}
	i, k, at := crossing(r)
	near := ""
	if n, ok := d.atlas.places.NearestPlace(at); ok {
		near = n.Name
	}
	return drawnFault("drawn_crossing", i18n.Args{"a": i, "b": k, "at": geo.Format(at, geo.Decimal), "place": near})
}

// crossing finds two sides of a ring that meet where they must not, counted from one, and
// where about; of a ring in which none do, its first corner.
func crossing(r Ring) (i, k int, at geo.Point) {
	n := len(r) - 1
	for i := range n {
		a, b := r[i], r[i+1]
		for k := i + 1; k < n; k++ {
			c, d := r[k], r[k+1]
			if min(c.Lon, d.Lon) > max(a.Lon, b.Lon) || max(c.Lon, d.Lon) < min(a.Lon, b.Lon) || min(c.Lat, d.Lat) > max(a.Lat, b.Lat) || max(c.Lat, d.Lat) < min(a.Lat, b.Lat) {
				continue
			}
			if neighbours := k == i+1 || i == 0 && k == n-1; neighbours {
				// They share a corner: wrong only where one runs back over the other.
				p, q, s := a, b, d
				if k != i+1 {
					p, q, s = c, d, b
				}
				if turn(p, q, s) != 0 || (p.Lon-q.Lon)*(s.Lon-q.Lon)+(p.Lat-q.Lat)*(s.Lat-q.Lat) <= 0 {
					continue
				}
				return i + 1, k + 1, q
			}
			s, t, u, v := turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b)
			if (s > 0) == (t > 0) && s != 0 && t != 0 || (u > 0) == (v > 0) && u != 0 && v != 0 {
				continue
			}
			at := c
			if s != t {
				x := s / (s - t)
				at = geo.Point{Lat: c.Lat + x*(d.Lat-c.Lat), Lon: c.Lon + x*(d.Lon-c.Lon)}
			}
			return i + 1, k + 1, at
		}
	}
	return 1, 1, r[0]
}

// widened is what lies within km of a line.
func widened(line []geo.Point, km float64) (rings []Ring) {
	if len(line) == 1 {
		return []Ring{circle(line[0], km)}
	}
	for i := 1; i < len(line); i++ {
		rings = append(rings, hull(slices.Concat(circle(line[i-1], km), circle(line[i], km))))
	}
	return rings
}

// Around is the place of a drawing that is but one, "" for any other.
func (a *Atlas) Around(text string) (id string) {
	if text = strings.TrimSpace(text); text == "" || strings.ContainsAny(text, "{\n") {
		return ""
	}
	if found, err := geo.Parse(text); err == nil && len(found) > 0 {
		return ""
	}
	p, _ := a.named(text)
	return p.ID
}
