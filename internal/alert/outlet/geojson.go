package outlet

import (
	"math"
	"slices"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// Geometry is a MultiPolygon (spec: RFC 7946, §3.1.7).
type Geometry struct {
	Type        string           `json:"type"`
	Coordinates [][][][2]float64 `json:"coordinates"`
}

// Feature is an item for a map (spec: RFC 7946, §3.2). Geometry is null where its sender
// gives none that is valid: then its codes say for whom it is.
type Feature struct {
	Type       string     `json:"type"`
	ID         string     `json:"id"`
	Geometry   *Geometry  `json:"geometry"`
	Properties Properties `json:"properties"`
}

// Properties are the same for both origins, so that nobody reads one for the other by a
// field that is missing.
type Properties struct {
	Origin        Origin     `json:"origin"`
	Kind          store.Kind `json:"kind"`
	Says          []string   `json:"says"` // the marks, in the language that was asked for
	Owner         string     `json:"owner"`
	Sender        string     `json:"sender"`
	Source        string     `json:"source"`
	Attribution   string     `json:"attribution"`
	Licence       string     `json:"licence"`
	Received      *time.Time `json:"received"`
	SilentSince   *time.Time `json:"source_silent_since"`
	Purpose       string     `json:"purpose"`
	Event         string     `json:"event"`
	Level         apiLevel   `json:"level"`
	Symbol        string     `json:"symbol"`
	Sent          *time.Time `json:"sent"`
	Onset         *time.Time `json:"onset"`
	Expires       *time.Time `json:"expires"`
	Updated       *time.Time `json:"updated"`
	Texts         []apiText  `json:"texts"`
	Areas         []apiArea  `json:"areas"`
	ShapesLeftOut int        `json:"shapes_left_out"` // of the sender's, that are no valid rings
	CellBroadcast string     `json:"cell_broadcast_id"`
	Document      string     `json:"document"`
}

type apiLevel struct {
	National string `json:"national"`
	Colour   string `json:"colour"`
	Severity string `json:"severity"`
}

type apiText struct {
	Language    string `json:"language"`
	Event       string `json:"event"`
	Headline    string `json:"headline"`
	Description string `json:"description"`
	Instruction string `json:"instruction"`
}

type apiArea struct {
	Name  string    `json:"name"`
	Codes []apiCode `json:"codes"`
}

type apiCode struct {
	Scheme string `json:"scheme"`
	Code   string `json:"code"`
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// Feature is an item, its marks in a language. Its texts are all of them, as written.
func (r *Renderer) Feature(i *Item, l i18n.Lang) Feature {
	p := Properties{Origin: i.origin, Kind: i.kind, Says: lines(r.Marks(i, l)), Owner: i.owner, Sender: i.sender, Source: i.source, Attribution: i.attribution, Licence: i.licence,
		Received: when(i.received), SilentSince: when(i.silent), Purpose: i.Purpose, Event: i.Event, Level: apiLevel{i.Level.National, i.Level.Colour, i.Level.Severity}, Symbol: i.Symbol,
		Sent: when(i.Sent), Onset: when(i.Onset), Expires: when(i.Expires), Updated: when(i.Updated), Texts: []apiText{}, Areas: []apiArea{}, CellBroadcast: i.CellBroadcast, Document: r.address(i)}
	for _, t := range i.Texts {
		p.Texts = append(p.Texts, apiText(t))
	}
	f := Feature{Type: "Feature", ID: i.URN}
	for _, a := range i.Areas {
		area := apiArea{Name: a.Name, Codes: []apiCode{}}
		for _, c := range a.Codes {
			area.Codes = append(area.Codes, apiCode{c.Scheme, c.Value})
		}
		p.Areas = append(p.Areas, area)
		polygons, lost := polygonsOf(a)
		p.ShapesLeftOut += lost
		if len(polygons) > 0 {
			if f.Geometry == nil {
				f.Geometry = &Geometry{Type: "MultiPolygon"}
			}
			f.Geometry.Coordinates = append(f.Geometry.Coordinates, polygons...)
		}
	}
	f.Properties = p
	return f
}

// polygonsOf are the shapes of an area that are valid. A hole that is not valid is no
// hole: rather too many are told than too few.
func polygonsOf(a feed.Area) (all [][][][2]float64, lost int) {
	var holes [][]cap.Point
	for _, text := range a.Holes {
		if ring, wrong := cap.Ring(text); wrong == "" {
			holes = append(holes, ring)
		}
	}
	for _, text := range a.Polygons {
		ring, wrong := cap.Ring(text)
		if wrong != "" {
			lost++
			continue
		}
		polygon := [][][2]float64{turned(ring, true)}
		for _, h := range holes {
			if !slices.ContainsFunc(h, func(p cap.Point) bool { return !inside(ring, p) }) {
				polygon = append(polygon, turned(h, false))
			}
		}
		all = append(all, polygon)
	}
	for _, text := range a.Circles {
		at, km, wrong := cap.Circle(text)
		if wrong != "" || km <= 0 {
			lost++
			continue
		}
		all = append(all, [][][2]float64{turned(around(at, km), true)})
	}
	return all, lost
}

// around is a polygon that holds a circle: GeoJSON has none.
func around(at cap.Point, km float64) (ring []cap.Point) {
	const sides, perDegree = 36, 111.195
	reach := km / math.Cos(math.Pi/sides)
	for k := range sides {
		a := 2 * math.Pi * float64(k) / sides
		ring = append(ring, cap.Point{Lat: at.Lat + reach*math.Sin(a)/perDegree, Lon: at.Lon + reach*math.Cos(a)/(perDegree*math.Cos(at.Lat*math.Pi/180))})
	}
	return append(ring, ring[0])
}

// inside is the even-odd rule.
func inside(ring []cap.Point, p cap.Point) (in bool) {
	for k := 1; k < len(ring); k++ {
		a, b := ring[k-1], ring[k]
		if (a.Lat > p.Lat) != (b.Lat > p.Lat) && p.Lon < (b.Lon-a.Lon)*(p.Lat-a.Lat)/(b.Lat-a.Lat)+a.Lon {
			in = !in
		}
	}
	return in
}

// turned writes a ring the way round that is asked for (spec: RFC 7946, §3.1.6: an outer
// one against the clock, a hole with it).
func turned(ring []cap.Point, outer bool) [][2]float64 {
	out, area := make([][2]float64, len(ring)), 0.0
	for k, p := range ring {
		out[k] = [2]float64{p.Lon, p.Lat}
		if k > 0 {
			area += out[k-1][0]*out[k][1] - out[k][0]*out[k-1][1]
		}
	}
	if area < 0 == outer {
		slices.Reverse(out)
	}
	return out
}
