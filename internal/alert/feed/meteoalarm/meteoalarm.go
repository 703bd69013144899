// Package meteoalarm reads the European collection of national weather warnings: the
// Atom feed of a country, which has an entry for each area of a warning, and the CAP
// message to which an entry leads. For package feed.
//
// It was not seen live: it is known from readers of others. Every warning in it is a
// copy of one that its own service has sent, and has the identifier of the original.
// Names of areas come through a wrong set of characters there and are not for display.
package meteoalarm

import (
	"slices"
	"strings"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// Feed is the Atom feed of a country.
func Feed() feed.Feed {
	return feed.Feed{Name: "meteoalarm", Title: "MeteoAlarm (EUMETNET)", Knowledge: feed.Description, Parse: parse}
}

var limits = tree.Limits{Bytes: 16 << 20, Depth: 16, Nodes: 150_000}

func parse(doc []byte) (*feed.Reading, *tree.Fault) {
	d, f := tree.Parse(doc, limits)
	if f != nil {
		return nil, f
	}
	r := &feed.Reading{}
	switch _, isCAP := cap.Is(d); {
	case isCAP:
		message(r, d)
	case d.Syntax == tree.XML && d.Root.Name == "feed":
		atom(r, d.Root)
	case d.Syntax == tree.JSON && d.Root.Get("warnings") != nil:
		for _, k := range d.Root.All("warnings") {
			if alert := k.Get("alert"); alert != nil {
				message(r, &tree.Document{Syntax: tree.JSON, Root: alert, Text: d.Text})
			}
		}
		r.Whole = true
	default:
		return nil, feed.Refuse(d.Root.Line, "format", map[string]any{"wanted": "Atom, CAP"})
	}
	return r, nil
}

// message adds the warning of a CAP message.
func message(r *feed.Reading, d *tree.Document) {
	a, found := cap.FromDocument(d)
	if a == nil {
		r.Deviations = append(r.Deviations, found...)
		return
	}
	w := feed.Warning{ID: "meteoalarm/" + a.Identifier, Originals: []string{a.Identifier}, Source: "meteoalarm", Sender: a.Sender, Status: feed.StatusOf(a), State: feed.InForce, Deviations: found}
	references, _ := cap.References(a.References)
	for _, ref := range references {
		w.Replaces = append(w.Replaces, ref.Identifier)
	}
	for i := range a.Infos {
		info := &a.Infos[i]
		if w.Texts = append(w.Texts, feed.TextOf(info)); i > 0 {
			continue // other languages repeat the rest
		}
		var odd []feed.OddTime
		w.Sent, w.Onset, w.Expires, odd = feed.TimesOf(a, info)
		for _, o := range odd {
			w.Deviations = append(w.Deviations, o.Doubt(info.Event))
		}
		w.Level, w.State, w.Areas, w.Event = feed.ColourOf(info), feed.StateOf(a, info), feed.AreasOf(info), w.Texts[0].Event
		w.Code = cap.Value(info.Parameters, "awareness_type")
	}
	if w.Level.Colour == "green" {
		r.Quiet++
		return
	}
	if w.Sent.At.After(r.Issued.At) {
		r.Issued = w.Sent
	}
	r.Add(w)
}

// atom reads the entries of a feed: those of one identifier are areas of one warning.
func atom(r *feed.Reading, root *tree.Node) {
	r.Whole, r.Dated = true, true
	r.Issued, _ = feed.CAPMoment(root.Get("updated").Value())
	paths := shape.Paths(root, tree.XML, "/feed")
	at := map[string]int{}
	for _, n := range root.All("entry") {
		id := strings.TrimSpace(n.Get("identifier").Value())
		if id == "" {
			if r.Full() {
				r.More++
			} else {
				r.Deviations = append(r.Deviations, feed.Doubt(n, paths[n], "lacks", map[string]any{"name": "identifier"}))
			}
			id = strings.TrimSpace(n.Get("id").Value())
		}
		level := feed.LevelOf(n.Get("severity").Value())
		if colour, _, ok := strings.Cut(strings.ToLower(n.Get("title").Value()), " "); ok && slices.Contains([]string{"green", "yellow", "orange", "red"}, colour) {
			level.Colour, level.National = colour, colour
		}
		if level.Colour == "green" {
			r.Quiet++
			continue
		}
		i, known := at[id]
		if !known {
			i = len(r.Warnings)
			at[id] = i
			r.Warnings = append(r.Warnings, entry(n, paths[n], id, level))
		}
		r.Warnings[i].Areas = append(r.Warnings[i].Areas, area(n))
	}
}

// Links are the addresses of the CAP messages to which the entries of a feed lead, by
// the identifiers of their warnings. The texts of a warning stand only there.
func Links(doc []byte) map[string]string {
	d, f := tree.Parse(doc, limits)
	if f != nil || d.Syntax != tree.XML || d.Root.Name != "feed" {
		return nil
	}
	all := map[string]string{}
	for _, n := range d.Root.All("entry") {
		id := strings.TrimSpace(n.Get("identifier").Value())
		if id == "" || all[id] != "" {
			continue
		}
		for _, l := range n.All("link") {
			if l.Get("@type").Value() == "application/cap+xml" {
				all[id] = strings.TrimSpace(l.Get("@href").Value())
			}
		}
	}
	return all
}

// entry is a warning without its areas.
func entry(n *tree.Node, path, id string, level feed.Level) feed.Warning {
	w := feed.Warning{
		ID: "meteoalarm/" + id, Originals: []string{id}, Source: "meteoalarm", Event: strings.TrimSpace(n.Get("event").Value()), Level: level,
		Status: feed.Actual, State: feed.InForce,
	}
	for _, t := range []struct {
		name string
		into *feed.Moment
	}{{"sent", &w.Sent}, {"onset", &w.Onset}, {"expires", &w.Expires}} {
		k := n.Get(t.name)
		m, wrong := feed.CAPMoment(k.Value())
		if *t.into = m; wrong != "" {
			w.Deviations = append(w.Deviations, feed.Doubt(k, path+"/"+t.name, wrong, nil))
		}
	}
	w.Texts = []feed.Text{{Language: "en", Event: w.Event}}
	switch status := n.Get("status").Value(); {
	case status == cap.Test || status == cap.System:
		w.Status = feed.Test
	case status != cap.Actual && status != "" || feed.SaysDrill(w.Event):
		w.Status = feed.Exercise
	}
	if n.Get("message_type").Value() == cap.TypeCancel {
		w.State = feed.Cancelled
	}
	return w
}

// area is that of an entry. Names and values of codes stand beside each other, of the
// namespace of Atom.
func area(n *tree.Node) feed.Area {
	a := feed.Area{Name: strings.TrimSpace(n.Get("areaDesc").Value())}
	for _, g := range n.All("geocode") {
		names, values := g.All("valueName"), g.All("value")
		for i := range min(len(names), len(values)) {
			a.Codes = append(a.Codes, feed.Code{Scheme: strings.TrimSpace(names[i].Value()), Value: strings.TrimSpace(values[i].Value())})
		}
	}
	for _, p := range n.All("polygon") {
		a.Polygons = append(a.Polygons, p.Value())
	}
	return a
}
