// Package pegelonline reads the gauges of the German federal waterways. The Neisse is
// none of them: it is for Elbe and Oder, downstream. For package gauge.
//
// It was not seen live: its format is known from the source of another reader.
package pegelonline

import (
	"fmt"
	"strings"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/gauge"
	"trojmezi/internal/format/tree"
)

// Feed is stations.json with series and their current values.
func Feed() gauge.Feed {
	return gauge.Feed{Name: "pegelonline", Title: "PegelOnline, Wasserstraßen- und Schifffahrtsverwaltung", Knowledge: feed.Description, Parse: parse}
}

func parse(doc []byte) (*gauge.Reading, *tree.Fault) {
	d, f := tree.Parse(doc, gauge.Limits)
	switch {
	case f != nil:
		return nil, f
	case d.Syntax != tree.JSON || d.Root.Kind != tree.Array:
		return nil, feed.Refuse(d.Root.Line, "format", map[string]any{"wanted": "JSON: stations"})
	}
	r := &gauge.Reading{}
	for i, n := range d.Root.Kids {
		text := func(name string) string { return strings.TrimSpace(n.Get(name).Value()) }
		s := gauge.Station{
			ID: "pegelonline/" + text("uuid"), Source: "pegelonline", Number: text("number"), Name: text("longname"), River: n.Get("water").Get("longname").Value(),
			Lat: gauge.Degrees(n.Get("latitude"), 90), Lon: gauge.Degrees(n.Get("longitude"), 180),
		}
		for j, ts := range n.All("timeseries") {
			current := ts.Get("currentMeasurement")
			if ts.Get("shortname").Value() != "W" || current == nil {
				continue
			}
			path := fmt.Sprintf("/%d/timeseries/%d/currentMeasurement/value", i, j)
			if unit := ts.Get("unit"); unit.Value() != "cm" { // some lie above sea level, in metres
				s.Deviations = append(s.Deviations, feed.Doubt(unit, path, "unit", nil))
				continue
			}
			at, wrong := feed.CAPMoment(current.Get("timestamp").Value())
			s.Add(&s.Levels, current.Get("value"), at, wrong, path)
		}
		r.Stations = append(r.Stations, s)
	}
	return r, nil
}
