// Package lhp reads the joint flood portal of the German states: the flood class of
// each of their gauges. For package feed.
//
// It is known from a published description of 2023. A class is one of four of the
// portal's own, not the stage that an authority has proclaimed. The answer about one gauge
// tells its name and its river; its time ("Heute, 11:30 Uhr") has no date, and stays text.
package lhp

import (
	"cmp"
	"strings"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// Feed is get_lagepegel: all gauges.
func Feed() feed.Feed {
	return feed.Feed{Name: "lhp", Title: "Länderübergreifendes Hochwasserportal", Knowledge: feed.Specification, Parse: parse}
}

var limits = tree.Limits{Bytes: 4 << 20, Depth: 6, Nodes: 30_000}

// severities are the words of CAP for the classes. That they are as bad as those of
// others with the same word, nobody says.
var severities = map[string]string{"1": "Minor", "2": "Moderate", "3": "Severe", "4": "Extreme"}

func parse(doc []byte) (*feed.Reading, *tree.Fault) {
	d, f := tree.Parse(doc, limits)
	if f != nil {
		return nil, f
	}
	if d.Syntax != tree.JSON || d.Root.Get("PGNR") == nil {
		return nil, feed.Refuse(d.Root.Line, "format", map[string]any{"wanted": "JSON: PGNR, LAT, LON, HW"})
	}
	numbers, lats, lons, classes := d.Root.All("PGNR"), d.Root.All("LAT"), d.Root.All("LON"), d.Root.All("HW")
	if n := len(numbers); len(lats) != n || len(lons) != n || len(classes) != n {
		// The lists belong together by place alone: of unequal ones nothing is sure.
		return nil, feed.Refuse(d.Root.Line, "format", map[string]any{"wanted": "PGNR, LAT, LON, HW: =="})
	}
	r := &feed.Reading{Whole: true}
	for i, n := range numbers {
		var odd []shape.Deviation
		id, class := strings.TrimSpace(n.Value()), strings.TrimSpace(classes[i].Value())
		switch {
		case class == "0":
			r.Quiet++
			continue
		case class == "-1": // probably: the description does not say
			r.NoData++
			continue
		case severities[class] == "":
			odd = append(odd, feed.Doubt(classes[i], "/HW", "level", nil))
		}
		level := feed.LevelOf(severities[class])
		level.National = class
		state, _, _ := strings.Cut(id, "_")
		r.Add(feed.Warning{
			ID: "lhp/" + id, Source: "lhp", Sender: "LHP " + state, Event: "Hochwasser", Code: "HW", Level: level, Status: feed.Actual, State: feed.InForce,
			Areas: []feed.Area{{Name: id, Codes: []feed.Code{{Scheme: "LHP", Value: id}}}}, Texts: []feed.Text{{Language: "de", Event: "Hochwasser"}},
			Extra: []cap.Pair{{Name: "lat", Value: lats[i].Value()}, {Name: "lon", Value: lons[i].Value()}}, Deviations: odd,
		})
	}
	return r, nil
}

// kept are what else the answer about a gauge says, in the extras under its own names.
var kept = []string{"W", "Q", "ZEIT", "HINT", "URL_PEGEL", "URL_LAND", "ID_LAND"}

// Tell reads the answer about one gauge (get_infospegel) into the warning that the list
// has of it. The class stays that of the list: by it the warning begins and ends.
func Tell(w *feed.Warning, doc []byte) *tree.Fault {
	d, f := tree.Parse(doc, limits)
	if f != nil {
		return f
	}
	text := func(name string) string { return strings.TrimSpace(d.Root.Get(name).Value()) }
	if d.Syntax != tree.JSON || d.Root.Kind != tree.Object || text("PN") == "" {
		return feed.Refuse(d.Root.Line, "format", map[string]any{"wanted": "JSON: PN, GW, HW, HW_TXT"})
	}
	place := text("PN")
	if river := text("GW"); river != "" {
		place += " (" + river + ")"
	}
	areas := make([]feed.Area, len(w.Areas))
	copy(areas, w.Areas)
	for i := range areas {
		areas[i].Name = place
	}
	w.Areas = areas
	said := cmp.Or(text("HW_TXT"), w.Event)
	if feed.SaysDrill(said) {
		w.Status = feed.Exercise
	}
	w.Texts = []feed.Text{{Language: "de", Event: w.Event, Headline: place + ": " + said}}
	extra := append([]cap.Pair{}, w.Extra...)
	for _, name := range kept {
		if v := text(name); v != "" {
			extra = append(extra, cap.Pair{Name: name, Value: v})
		}
	}
	w.Extra = extra
	if class := text("HW"); class != "" && class != w.Level.National {
		w.Deviations = append(append([]shape.Deviation{}, w.Deviations...), feed.Doubt(d.Root.Get("HW"), "/HW", "differs", map[string]any{"listed": w.Level.National}))
	}
	return nil
}
