// Package imgw reads the gauges of the Polish institute of meteorology and water
// management: the list of all stations with their last values, and the detail of one
// with the levels from which it warns and alarms. For package gauge.
//
// Real answers of both were read. In the list times are those of a clock in Poland and
// all values are texts; in the detail times are UTC and numbers are numbers.
package imgw

import (
	"strings"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/gauge"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// Feed is hydro, and the detail of a station.
func Feed() gauge.Feed {
	return gauge.Feed{Name: "imgw", Title: "IMGW-PIB, stacje hydrologiczne", Knowledge: feed.Capture, Parse: parse}
}

var warsaw = feed.Zone("Europe/Warsaw")

func parse(doc []byte) (*gauge.Reading, *tree.Fault) {
	d, f := tree.Parse(doc, gauge.Limits)
	if f != nil {
		return nil, f
	}
	r := &gauge.Reading{}
	switch {
	case d.Syntax == tree.JSON && d.Root.Kind == tree.Array:
		paths := shape.Paths(d.Root, tree.JSON, "")
		for _, n := range d.Root.Kids {
			r.Stations = append(r.Stations, station(n, paths[n]))
		}
	case d.Syntax == tree.JSON && d.Root.Get("status").Get("name") != nil:
		r.Stations = append(r.Stations, detail(d.Root))
	case d.Syntax == tree.JSON && d.Root.Get("id_stacji") != nil:
		r.Stations = append(r.Stations, station(d.Root, ""))
	default:
		return nil, feed.Refuse(d.Root.Line, "format", map[string]any{"wanted": "JSON: hydro, status"})
	}
	return r, nil
}

// station is one of the list. Each value has a time of its own, which may be a year old.
func station(n *tree.Node, path string) gauge.Station {
	text := func(name string) string { return strings.TrimSpace(n.Get(name).Value()) }
	s := gauge.Station{
		ID: "imgw/" + text("id_stacji"), Source: "imgw", Number: text("id_stacji"), Name: text("stacja"), River: text("rzeka"),
		Lat: gauge.Degrees(n.Get("lat"), 90), Lon: gauge.Degrees(n.Get("lon"), 180),
	}
	for _, v := range []struct {
		value, at string
		list      *[]gauge.Measurement
	}{{"stan_wody", "stan_wody_data_pomiaru", &s.Levels}, {"przeplyw", "przeplyw_data", &s.Flows}} {
		at, wrong := feed.LocalMoment(text(v.at), warsaw, false)
		s.Add(v.list, n.Get(v.value), at, wrong, path+"/"+v.value)
	}
	return s
}

func detail(n *tree.Node) gauge.Station {
	status := n.Get("status")
	number := strings.TrimSpace(status.Get("name").Value())
	s := gauge.Station{
		ID: "imgw/" + number, Source: "imgw", Number: number, Name: strings.TrimSpace(status.Get("description").Value()), River: strings.TrimSpace(status.Get("river").Value()),
		Lat: gauge.Degrees(n.Get("coordinates").Get("y"), 90), Lon: gauge.Degrees(n.Get("coordinates").Get("x"), 180), Trend: status.Get("trend").Value(),
	}
	for _, name := range []string{"previousState", "currentState"} {
		state := status.Get(name)
		at, wrong := feed.CAPMoment(state.Get("date").Value())
		s.Add(&s.Levels, state.Get("value"), at, wrong, "/status/"+name+"/value")
	}
	s.Limit("stan ostrzegawczy", "cm", status.Get("warningValue"), "/status/warningValue")
	s.Limit("stan alarmowy", "cm", status.Get("alarmValue"), "/status/alarmValue")
	for _, note := range status.All("notes") {
		s.Remarks = append(s.Remarks, note.Value())
	}
	return s
}
