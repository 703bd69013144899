// Package imgw reads the warnings of the Polish institute of meteorology and water
// management: of weather, for counties (powiat), and of water, for catchments. For
// package feed.
//
// Real answers of both were read. All their values are texts, and their times those of a
// clock in Poland without a zone.
package imgw

import (
	"slices"
	"strings"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// Meteo is the feed warningsmeteo.
func Meteo() feed.Feed {
	return feed.Feed{Name: "imgw-meteo", Title: "IMGW-PIB, ostrzeżenia meteorologiczne", Knowledge: feed.Capture, Parse: parser("imgw-meteo", meteo)}
}

// Hydro is the feed warningshydro.
func Hydro() feed.Feed {
	return feed.Feed{Name: "imgw-hydro", Title: "IMGW-PIB, ostrzeżenia hydrologiczne", Knowledge: feed.Capture, Parse: parser("imgw-hydro", hydro)}
}

// limits are of a feed of all Poland: some hundred warnings of some hundred counties.
var limits = tree.Limits{Bytes: 8 << 20, Depth: 8, Nodes: 60_000}

// warsaw is the zone of all times.
var warsaw = feed.Zone("Europe/Warsaw")

// entry is one warning that is being read.
type entry struct {
	n     *tree.Node
	path  string
	known []string
	found *[]shape.Deviation
}

// parser reads a list of warnings; as they are given, everything in force stands in it.
func parser(source string, read func(e *entry, w *feed.Warning)) func(doc []byte) (*feed.Reading, *tree.Fault) {
	return func(doc []byte) (*feed.Reading, *tree.Fault) {
		d, f := tree.Parse(doc, limits)
		if f != nil {
			return nil, f
		}
		root := d.Root
		switch {
		case d.Syntax == tree.JSON && root.Kind == tree.Array:
		case d.Syntax == tree.JSON && root.Kind == tree.Object && root.Get("message") != nil:
			// Without a warning the service is said to answer with a message (from memory);
			// but so it does when it is ill, and no data is not no warning.
			return nil, feed.Refuse(root.Line, "message", map[string]any{"found": root.Get("message").Value()})
		default:
			return nil, feed.Refuse(root.Line, "format", map[string]any{"wanted": "JSON: […]"})
		}
		r := &feed.Reading{Whole: true}
		paths := shape.Paths(root, tree.JSON, "")
		for _, n := range root.Kids {
			if n.Kind != tree.Object {
				if r.Full() {
					r.More++
					continue
				}
				r.Deviations = append(r.Deviations, feed.Doubt(n, paths[n], "kept", nil))
				continue
			}
			w := feed.Warning{Source: source, Sender: "IMGW-PIB", Status: feed.Actual, State: feed.InForce}
			e := &entry{n: n, path: paths[n], found: &w.Deviations}
			read(e, &w)
			if feed.SaysDrill(w.Event) {
				w.Status = feed.Exercise
			}
			if w.Sent.At.After(r.Issued.At) {
				r.Issued = w.Sent
			}
			e.strangers()
			r.Add(w)
		}
		return r, nil
	}
}

// text is a value, and its absence a deviation.
func (e *entry) text(name string) string {
	e.known = append(e.known, name)
	v := strings.TrimSpace(e.n.Get(name).Value())
	if v == "" || e.n.Get(name).Kind == tree.Null {
		d := feed.Doubt(e.n, e.path, "lacks", map[string]any{"name": name})
		*e.found = append(*e.found, d)
		return ""
	}
	return v
}

func (e *entry) time(name string, end bool) feed.Moment {
	m, wrong := feed.LocalMoment(e.text(name), warsaw, end)
	if wrong != "" {
		*e.found = append(*e.found, feed.Doubt(e.n.Get(name), e.path+"/"+name, wrong, nil))
	}
	return m
}

// severities are the words of CAP for the three degrees, as MeteoAlarm has them.
var severities = map[string]string{"1": "Moderate", "2": "Severe", "3": "Extreme"}

func (e *entry) level(name string) feed.Level {
	degree := e.text(name)
	l := feed.LevelOf(severities[degree])
	l.National = degree
	switch {
	case degree == "-1": // drought: no degree, and nobody is in danger
		l = feed.Level{Severity: "Minor", National: degree, Colour: "green"}
	case severities[degree] == "" && degree != "":
		*e.found = append(*e.found, feed.Doubt(e.n.Get(name), e.path+"/"+name, "level", nil))
	}
	return l
}

// strangers reports members that nobody has read.
func (e *entry) strangers() {
	for _, k := range e.n.Kids {
		if !slices.Contains(e.known, k.Name) {
			*e.found = append(*e.found, feed.Doubt(k, e.path+"/"+k.Name, "kept", nil))
		}
	}
}

// none is what the institute writes into a comment that says nothing.
const none = "Brak."

func (e *entry) said(event, text string) feed.Text {
	t := feed.Text{Language: "pl", Event: event, Description: text}
	e.known = append(e.known, "komentarz")
	if comment := strings.TrimSpace(e.n.Get("komentarz").Value()); comment != none {
		t.Instruction = comment
	}
	return t
}

func meteo(e *entry, w *feed.Warning) {
	w.ID = "imgw-meteo/" + e.text("id")
	w.Event = e.text("nazwa_zdarzenia")
	w.Code = w.Event
	w.Level = e.level("stopien")
	w.Sent, w.Onset, w.Expires = e.time("opublikowano", false), e.time("obowiazuje_od", false), e.time("obowiazuje_do", true)
	w.Texts = []feed.Text{e.said(w.Event, e.text("tresc"))}
	e.known = append(e.known, "teryt", "biuro", "prawdopodobienstwo")
	a := feed.Area{}
	for _, c := range e.n.All("teryt") {
		a.Codes = append(a.Codes, feed.Code{Scheme: "TERYT", Value: c.Value()})
	}
	if len(a.Codes) == 0 {
		*e.found = append(*e.found, feed.Doubt(e.n, e.path, "lacks", map[string]any{"name": "teryt"}))
	}
	w.Areas = []feed.Area{a}
}

// hydro: the number of a warning is one of its office and year, so it is no identity
// alone.
func hydro(e *entry, w *feed.Warning) {
	w.Event = e.text("zdarzenie")
	w.Code = w.Event
	w.Level = e.level("stopień")
	w.Sent, w.Onset, w.Expires = e.time("opublikowano", false), e.time("data_od", false), e.time("data_do", true)
	w.Texts = []feed.Text{e.said(w.Event, e.text("przebieg"))}
	e.known = append(e.known, "prawdopodobienstwo", "obszary")
	w.ID = strings.Join([]string{"imgw-hydro", e.text("numer"), e.text("biuro"), w.Onset.Text}, "/")
	for _, o := range e.n.All("obszary") {
		a := feed.Area{Name: o.Get("opis").Value()}
		for _, c := range o.All("kod_zlewni") {
			a.Codes = append(a.Codes, feed.Code{Scheme: "IMGW", Value: c.Value()})
		}
		w.Areas = append(w.Areas, a)
	}
	if len(w.Areas) == 0 {
		*e.found = append(*e.found, feed.Doubt(e.n, e.path, "lacks", map[string]any{"name": "obszary"}))
	}
}
