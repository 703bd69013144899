package register

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

// Level is what the polygons of a file of boundaries are.
type Level string

// The levels. Only a whole country tells in which country a point lies; the
// others replace derived lines on the map. Membership never comes from a polygon.
const (
	LevelCountry      Level = "country"
	LevelDistrict     Level = "district"
	LevelMunicipality Level = "municipality"
)

// Levels lists them from large to small.
var Levels = []Level{LevelCountry, LevelDistrict, LevelMunicipality}

// maxBoundaries is the largest file of boundaries, in bytes: it is read into
// memory at once. Germany's districts in full detail have a third of it.
const maxBoundaries = 64 << 20

// refuse says to the operator what is wrong with his file.
func refuse(key string, args i18n.Args, cause error) error {
	return &problem.Error{Op: "register.Imports.File", Kind: problem.Invalid, Key: "register.import." + key, Args: args, Err: cause}
}

// readBoundaries reads polygons of GeoJSON in WGS84 and keeps those that meet
// the region (spec: RFC 7946). The even-odd rule over all rings tells what lies
// inside, if the polygons do not overlap.
func readBoundaries(r io.Reader) (rings [][]geo.Point, err error) {
	var doc struct {
		Type string
		CRS  *struct {
			Properties struct{ Name string }
		}
		Features []struct{ Geometry json.RawMessage }
	}
	limited := &io.LimitedReader{R: r, N: maxBoundaries + 1}
	if err := json.NewDecoder(limited).Decode(&doc); err != nil {
		if limited.N <= 0 {
			return nil, refuse("large", i18n.Args{"n": int64(maxBoundaries >> 20)}, nil)
		}
		return nil, refuse("json", nil, err)
	}
	if doc.Type != "FeatureCollection" {
		return nil, refuse("collection", nil, nil)
	}
	if doc.CRS != nil && !inWGS84(doc.CRS.Properties.Name) {
		return nil, refuse("system", i18n.Args{"name": doc.CRS.Properties.Name}, nil)
	}
	for i, f := range doc.Features {
		add, err := readPolygons(f.Geometry)
		if err != nil {
			return nil, refuse("feature", i18n.Args{"n": int64(i + 1)}, err)
		}
		rings = append(rings, add...)
	}
	if len(rings) == 0 {
		return nil, refuse("outside", nil, nil)
	}
	return rings, nil
}

// inWGS84 tells whether a name of GeoJSON's old member crs means WGS84, or
// ETRS89, which is the same to a metre.
func inWGS84(name string) bool {
	for _, end := range []string{"CRS84", "4326", "4258"} {
		if strings.HasSuffix(strings.TrimSpace(name), end) {
			return true
		}
	}
	return false
}

func readPolygons(raw json.RawMessage) ([][]geo.Point, error) {
	var g struct {
		Type        string
		Coordinates json.RawMessage
	}
	if err := json.Unmarshal(raw, &g); err != nil {
		return nil, err
	}
	var polygons [][][][]float64
	switch g.Type {
	case "Polygon":
		polygons = make([][][][]float64, 1)
		if err := json.Unmarshal(g.Coordinates, &polygons[0]); err != nil {
			return nil, err
		}
	case "MultiPolygon":
		if err := json.Unmarshal(g.Coordinates, &polygons); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("a %q, want Polygon or MultiPolygon", g.Type)
	}
	var out [][]geo.Point
	for _, polygon := range polygons {
		var rings [][]geo.Point
		for _, ring := range polygon {
			if len(ring) < 4 {
				return nil, fmt.Errorf("a ring of %d points, want at least 4", len(ring))
			}
			points := make([]geo.Point, 0, len(ring))
			for _, c := range ring {
				if len(c) < 2 || !(geo.Point{Lat: c[1], Lon: c[0]}).Valid() {
					return nil, fmt.Errorf("%v is no longitude and latitude: export again in WGS84 (EPSG:4326)", c)
				}
				points = append(points, geo.Point{Lat: c[1], Lon: c[0]})
			}
			rings = append(rings, points)
		}
		if len(rings) > 0 && boxOf(rings[0]).meets(window) {
			out = append(out, rings...)
		}
	}
	return out, nil
}

// outer and inner split the sides of the rings: those that two polygons share
// are inner lines, the others the outline. Sides that lie outside of the region
// are left out.
func split(rings [][]geo.Point) (outer, inner [][]geo.Point) {
	type side [2]geo.Point
	key := func(a, b geo.Point) side {
		a, b = fine(a), fine(b)
		if a.Lat > b.Lat || a.Lat == b.Lat && a.Lon > b.Lon {
			a, b = b, a
		}
		return side{a, b}
	}
	times := map[side]int{}
	each := func(f func(a, b geo.Point)) {
		for _, r := range rings {
			for i := 1; i < len(r); i++ {
				if boxOf(r[i-1:i+1]).meets(around) && fine(r[i-1]) != fine(r[i]) {
					f(r[i-1], r[i])
				}
			}
		}
	}
	each(func(a, b geo.Point) { times[key(a, b)]++ })
	var once, twice [][2]geo.Point
	each(func(a, b geo.Point) {
		switch k := key(a, b); times[k] {
		case 1:
			once = append(once, [2]geo.Point{a, b})
		case 0: // drawn already
		default:
			twice = append(twice, [2]geo.Point{a, b})
			times[k] = 0
		}
	})
	return joinAs(once, fine), joinAs(twice, fine)
}

// around is the region with a margin, so that outlines do not end in it.
var around = box{window.South - 0.2, window.West - 0.3, window.North + 0.2, window.East + 0.3}

// fine keeps 10⁻⁶ degrees, a tenth of a metre: official files repeat a shared
// point to that at least.
func fine(p geo.Point) geo.Point {
	return geo.Point{Lat: math.Round(p.Lat*1e6) / 1e6, Lon: math.Round(p.Lon*1e6) / 1e6}
}

// Shares of the register's municipalities that a file must hold, and may hold of
// the other countries: points are off by up to some kilometres, countries are not.
const (
	leastOwn  = 0.95
	mostOther = 0.05
)

// checkCover tells whether the polygons are those of the country: they must hold
// its municipalities of the region and not the others'.
func (r *Register) checkCover(c Country, a *area) error {
	var own, inside, others, wrong float64
	for _, p := range r.places {
		if p.Kind != Municipality {
			continue
		}
		in := a.contains(p.Point)
		if p.Country == c {
			own++
			if in {
				inside++
			}
		} else {
			others++
			if in {
				wrong++
			}
		}
	}
	switch {
	case inside < leastOwn*own:
		return refuse("few", i18n.Args{"country": string(c), "inside": int64(inside), "all": int64(own)}, nil)
	case wrong > mostOther*others:
		return refuse("others", i18n.Args{"country": string(c), "number": int64(wrong)}, nil)
	}
	return nil
}
