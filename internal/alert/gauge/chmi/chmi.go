// Package chmi reads the gauges of the Czech Hydrometeorological Institute: the list of
// stations with the limits of their stages of flood activity (SPA), and the series of one
// station. For package gauge.
//
// They were not seen live: their format is known from the source of another reader. Times
// are UTC; limits change without notice, so whoever keeps them keeps the day they came.
package chmi

import (
	"fmt"
	"slices"
	"strings"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/gauge"
	"trojmezi/internal/format/tree"
)

// Feed is meta1.json, and the file of a station.
func Feed() gauge.Feed {
	return gauge.Feed{Name: "chmi", Title: "Český hydrometeorologický ústav", Knowledge: feed.Description, Parse: parse}
}

func parse(doc []byte) (*gauge.Reading, *tree.Fault) {
	d, f := tree.Parse(doc, gauge.Limits)
	if f != nil {
		return nil, f
	}
	switch table := d.Root.Get("data").Get("data"); {
	case table.Get("header") != nil:
		return stations(table)
	case d.Root.Get("objList") != nil:
		return series(d.Root), nil
	}
	return nil, feed.Refuse(d.Root.Line, "format", map[string]any{"wanted": "JSON: meta1, objList"})
}

// stations reads the table: its header says what stands where.
func stations(table *tree.Node) (*gauge.Reading, *tree.Fault) {
	names := strings.Split(table.Get("header").Value(), ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	for _, name := range []string{"objID", "STATION_NAME"} {
		if !slices.Contains(names, name) {
			return nil, feed.Refuse(table.Get("header").Line, "format", map[string]any{"wanted": name})
		}
	}
	r := &gauge.Reading{}
	for i, row := range table.All("values") {
		path := fmt.Sprintf("/data/data/values/%d", i)
		cell := func(name string) *tree.Node {
			if at := slices.Index(names, name); at >= 0 && at < len(row.Kids) {
				return row.Kids[at]
			}
			return nil
		}
		text := func(name string) string {
			if n := cell(name); n != nil && n.Kind != tree.Null {
				return strings.TrimSpace(n.Value())
			}
			return ""
		}
		s := gauge.Station{
			ID: "chmi/" + text("objID"), Source: "chmi", Number: text("objID"), Name: text("STATION_NAME"), River: text("STREAM_NAME"),
			Lat: gauge.Degrees(cell("GEOGR1"), 90), Lon: gauge.Degrees(cell("GEOGR2"), 180),
			Foretold: text("ISFORECAST") == "1", // where its values are, nothing describes
		}
		if len(row.Kids) != len(names) {
			s.Deviations = append(s.Deviations, feed.Doubt(row, path, "columns", map[string]any{"n": len(row.Kids), "wanted": len(names)}))
		}
		for stage := 1; stage <= 4; stage++ {
			name := fmt.Sprintf("%d. SPA", stage)
			if stage == 4 {
				name = "extrémní"
			}
			for _, q := range []struct{ column, unit string }{{"H", "cm"}, {"Q", "m3/s"}} {
				column := fmt.Sprintf("SPA%d%s", stage, q.column)
				s.Limit(name, q.unit, cell(column), path+"/"+column)
			}
		}
		r.Stations = append(r.Stations, s)
	}
	return r, nil
}

// series reads the values of stations: the last of them are often null.
func series(root *tree.Node) *gauge.Reading {
	r := &gauge.Reading{}
	for i, o := range root.All("objList") {
		number := strings.TrimSpace(o.Get("objID").Value())
		s := gauge.Station{ID: "chmi/" + number, Source: "chmi", Number: number, Lat: gauge.Degrees(nil, 0), Lon: gauge.Degrees(nil, 0)}
		for j, ts := range o.All("tsList") {
			var list *[]gauge.Measurement
			switch ts.Get("tsConID").Value() {
			case "H":
				list = &s.Levels
			case "Q":
				list = &s.Flows
			default:
				continue // temperatures
			}
			for k, p := range ts.All("tsData") {
				at, wrong := utc(p.Get("dt").Value())
				s.Add(list, p.Get("value"), at, wrong, fmt.Sprintf("/objList/%d/tsList/%d/tsData/%d/value", i, j, k))
			}
			slices.SortStableFunc(*list, func(a, b gauge.Measurement) int { return a.At.At.Compare(b.At.At) })
		}
		r.Stations = append(r.Stations, s)
	}
	return r
}

// utc reads a time, which without a zone is UTC here.
func utc(text string) (feed.Moment, string) {
	m, wrong := feed.CAPMoment(text)
	if wrong == "time" {
		if again, odd := feed.CAPMoment(strings.TrimSpace(text) + "Z"); odd == "" {
			return feed.Moment{At: again.At, Text: text}, ""
		}
	}
	return m, wrong
}
