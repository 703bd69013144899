// Package pegelonline reads the gauges of the German federal waterways. The Neisse is
// none of them: it is for Elbe and Oder, downstream. Some stations have a forecast beside
// what was measured, as a series of its own. For package gauge.
//
// It was not seen live: its format is known from the source of another reader, that of
// the forecasts from a description alone.
package pegelonline

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/gauge"
	"trojmezi/internal/format/tree"
)

// Series of a station: what was measured, and what is expected.
const (
	measured = "W"
	expected = "WV"
)

// Feed is stations.json with series and their current values, and the values of the
// forecast of one station, which do not say of which.
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
	if len(d.Root.Kids) > 0 && d.Root.Kids[0].Get("initialized") != nil {
		r.Stations = []gauge.Station{forecast(d.Root.Kids)}
		return r, nil
	}
	for i, n := range d.Root.Kids {
		text := func(name string) string { return strings.TrimSpace(n.Get(name).Value()) }
		s := gauge.Station{
			ID: "pegelonline/" + text("uuid"), Source: "pegelonline", Number: text("number"), Name: text("longname"), River: n.Get("water").Get("longname").Value(),
			Lat: gauge.Degrees(n.Get("latitude"), 90), Lon: gauge.Degrees(n.Get("longitude"), 180),
		}
		for j, ts := range n.All("timeseries") {
			current := ts.Get("currentMeasurement")
			s.Foretold = s.Foretold || ts.Get("shortname").Value() == expected
			if ts.Get("shortname").Value() != measured || current == nil {
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

// forecast reads the values of WV: each says when its forecast was issued, and whether it
// is one or an estimate. A value of another sort is told and not taken for either.
func forecast(values []*tree.Node) gauge.Station {
	s := gauge.Station{Source: "pegelonline", Lat: math.NaN(), Lon: math.NaN(), Foretold: true}
	for i, n := range values {
		path := fmt.Sprintf("/%d/value", i)
		sort := n.Get("type").Value()
		if sort != "forecast" && sort != "estimate" {
			s.Deviations = append(s.Deviations, feed.Doubt(n, fmt.Sprintf("/%d/type", i), "sort", map[string]any{"found": sort}))
			continue
		}
		issued, _ := feed.CAPMoment(n.Get("initialized").Value())
		at, wrong := feed.CAPMoment(n.Get("timestamp").Value())
		if issued.At.IsZero() {
			s.Deviations = append(s.Deviations, feed.Doubt(n, fmt.Sprintf("/%d/initialized", i), "undated", map[string]any{"time": issued.Text}))
			continue
		}
		var one []gauge.Measurement
		s.Add(&one, n.Get("value"), at, wrong, path)
		f := slices.IndexFunc(s.Forecasts, func(f gauge.Forecast) bool { return f.Issued.At.Equal(issued.At) })
		if f < 0 {
			f, s.Forecasts = len(s.Forecasts), append(s.Forecasts, gauge.Forecast{Issued: issued})
		}
		for _, m := range one {
			s.Forecasts[f].Levels = append(s.Forecasts[f].Levels, gauge.Expected{Measurement: m, Estimate: sort == "estimate"})
		}
	}
	for _, f := range s.Forecasts {
		slices.SortStableFunc(f.Levels, func(a, b gauge.Expected) int { return a.At.At.Compare(b.At.At) })
	}
	slices.SortStableFunc(s.Forecasts, func(a, b gauge.Forecast) int { return a.Issued.At.Compare(b.Issued.At) })
	return s
}
