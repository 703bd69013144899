// Package saxony reads the gauges of the Saxon state agency for environment (LfULG,
// flood centre LHWZ): all stations in one answer of its map service. For package gauge.
//
// It was not seen live: its fields are known from the source of another reader, two of
// the four limits by analogy only. A limit reached is no stage proclaimed.
package saxony

import (
	"fmt"
	"strings"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/gauge"
	"trojmezi/internal/format/tree"
)

// Feed is the layer wasser/pegelnetz.
func Feed() gauge.Feed {
	return gauge.Feed{Name: "saxony", Title: "Landeshochwasserzentrum Sachsen", Knowledge: feed.Description, Parse: parse}
}

func parse(doc []byte) (*gauge.Reading, *tree.Fault) {
	d, f := tree.Parse(doc, gauge.Limits)
	switch {
	case f != nil:
		return nil, f
	case d.Root.Get("error") != nil: // sent with status 200
		return nil, feed.Refuse(d.Root.Line, "message", map[string]any{"found": d.Root.Get("error").Get("message").Value()})
	case d.Root.Get("features") == nil:
		return nil, feed.Refuse(d.Root.Line, "format", map[string]any{"wanted": "ArcGIS JSON: features"})
	}
	r := &gauge.Reading{}
	if n := d.Root.Get("exceededTransferLimit"); n.Value() == "true" {
		r.Deviations = append(r.Deviations, feed.Doubt(n, "/exceededTransferLimit", "cut", nil))
	}
	for i, n := range d.Root.All("features") {
		r.Stations = append(r.Stations, station(n, fmt.Sprintf("/features/%d/attributes", i)))
	}
	return r, nil
}

func station(n *tree.Node, path string) gauge.Station {
	a := n.Get("attributes")
	text := func(name string) string {
		if k := a.Get(name); k != nil && k.Kind != tree.Null {
			return strings.TrimSpace(k.Value())
		}
		return ""
	}
	s := gauge.Station{
		ID: "saxony/" + text("PEG_MSTNR"), Source: "saxony", Number: text("PEG_MSTNR"), Name: text("PEG_NAME"), River: text("WLV_GEWAESSER"),
		Lat: gauge.Degrees(n.Get("geometry").Get("y"), 90), Lon: gauge.Degrees(n.Get("geometry").Get("x"), 180), Trend: text("TENDENZ"),
	}
	at := stamp(text("PEG_WERTZEITSTEMPEL_CHAR"), text("ZEITZONE"))
	s.Add(&s.Levels, a.Get("PEG_WASSERSTAND"), at, "", path+"/PEG_WASSERSTAND")
	s.Add(&s.Flows, a.Get("PEG_DURCHFLUSS"), at, "", path+"/PEG_DURCHFLUSS")
	for stage := 1; stage <= 4; stage++ {
		field := fmt.Sprintf("PEG_AS%d", stage)
		s.Limit(fmt.Sprintf("Alarmstufe %d", stage), "cm", a.Get(field), path+"/"+field)
	}
	return s
}

// stamp reads "DD.MM.YYYY HH:MM" in the zone that stands beside it.
func stamp(text, zone string) feed.Moment {
	m := feed.Moment{Text: strings.TrimSpace(text + " " + zone)}
	if at, err := time.Parse("02.01.2006 15:04 -07:00", text+" "+zone); err == nil {
		m.At = at
	}
	return m
}
