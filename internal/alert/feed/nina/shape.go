package nina

import (
	"strings"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/format/tree"
)

// Shape reads the shape of a warning (RFC 7946) as an area without codes, in which
// polygons stand as CAP writes them.
func Shape(doc []byte) (feed.Area, *tree.Fault) {
	d, f := tree.Parse(doc, shapeLimits)
	if f != nil {
		return feed.Area{}, f
	}
	if d.Syntax != tree.JSON || d.Root.Get("type").Value() != "FeatureCollection" {
		return feed.Area{}, feed.Refuse(d.Root.Line, "format", map[string]any{"wanted": "GeoJSON: FeatureCollection"})
	}
	var area feed.Area
	polygon := func(rings []*tree.Node) {
		for i, ring := range rings {
			text := points(ring)
			switch {
			case text == "":
			case i == 0:
				area.Polygons = append(area.Polygons, text)
			default:
				area.Holes = append(area.Holes, text)
			}
		}
	}
	for _, feature := range d.Root.All("features") {
		g := feature.Get("geometry")
		switch list := g.All("coordinates"); g.Get("type").Value() {
		case "Polygon":
			polygon(list)
		case "MultiPolygon":
			for _, one := range list {
				polygon(one.Kids)
			}
		}
	}
	return area, nil
}

// points is a ring as "lat,lon lat,lon …"; "" when a point of it cannot be read.
func points(ring *tree.Node) string {
	var all []string
	for _, p := range ring.Kids {
		if len(p.Kids) < 2 || p.Kids[0].Kind != tree.Number || p.Kids[1].Kind != tree.Number {
			return ""
		}
		all = append(all, p.Kids[1].Value()+","+p.Kids[0].Value())
	}
	return strings.Join(all, " ")
}
