// Package rso reads the messages of the Polish regional warning system: texts for a
// voivodeship, among them those that the government's security centre sends to phones.
// For package feed.
//
// Beside its lists in XML and JSON the sender has messages of CAP, for who has a token of
// his: of these is known that they exist, and no more than CAP is expected of them.
//
// It was not seen live: it is known from the source of another reader. Its messages have
// no severity, no mark of an exercise and no cancellation: a degree stands in the prose
// if at all and is not guessed from there.
package rso

import (
	"cmp"
	"strconv"
	"strings"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// Feed is page 0 of a voivodeship: the whole current set.
func Feed() feed.Feed {
	return feed.Feed{Name: "rso", Title: "Regionalny System Ostrzegania", Knowledge: feed.Description, Parse: parse}
}

var limits = tree.Limits{Bytes: 8 << 20, Depth: 10, Nodes: 100_000}

func parse(doc []byte) (*feed.Reading, *tree.Fault) {
	d, f := tree.Parse(doc, limits)
	if f != nil {
		return nil, f
	}
	if messages := capMessages(d); len(messages) > 0 {
		return fromCAP(messages), nil
	}
	root, path := d.Root, "/newses"
	if d.Syntax == tree.JSON {
		root = d.Root.Get("newses")
	}
	if root == nil || d.Syntax == tree.XML && root.Name != "newses" {
		return nil, feed.Refuse(d.Root.Line, "format", map[string]any{"wanted": "newses, CAP"})
	}
	items := root.All("news")
	if root.Kind == tree.Array {
		items = root.Kids
	}
	r := &feed.Reading{}
	paths := shape.Paths(root, d.Syntax, path)
	for _, n := range items {
		w := item(n, paths[n])
		if w.Sent.At.After(r.Issued.At) {
			r.Issued = w.Sent
		}
		r.Add(w)
	}
	info := root.Get("pagination_info")
	total := cmp.Or(info.Get("@totalItems").Value(), info.Get("totalItems").Value())
	r.Total, _ = strconv.Atoi(strings.TrimSpace(total))
	r.Whole = total == strconv.Itoa(len(items)) // part of it says nothing about what is over
	return r, nil
}

var warsaw = feed.Zone("Europe/Warsaw")

func item(n *tree.Node, path string) feed.Warning {
	var found []shape.Deviation
	text := func(name string) string { return strings.TrimSpace(n.Get(name).Value()) }
	moment := func(name string, end bool) feed.Moment {
		m, wrong := feed.LocalMoment(text(name), warsaw, end)
		if wrong != "" {
			found = append(found, feed.Doubt(n.Get(name), path+"/"+name, wrong, nil))
		}
		return m
	}
	w := feed.Warning{
		ID: "rso/" + text("id"), Source: "rso", Sender: "RSO", Event: text("title"), Level: feed.LevelOf("Unknown"), Status: feed.Actual, State: feed.InForce,
		Sent: moment("created_at", false), Onset: moment("valid_from", false), Expires: moment("valid_to", true),
		Texts: []feed.Text{{Language: "pl", Headline: text("title"), Description: cmp.Or(text("content"), text("shortcut"))}},
	}
	for _, name := range []string{"id", "title"} {
		if text(name) == "" {
			found = append(found, feed.Doubt(n, path, "lacks", map[string]any{"name": name}))
		}
	}
	if feed.SaysDrill(w.Event, text("shortcut")) {
		w.Status = feed.Exercise
	}
	if updated := moment("updated_at", false); updated.At.After(w.Sent.At) {
		w.Sent = updated
	}
	provinces := n.All("provinces")
	if p := n.Get("provinces"); p != nil && len(p.All("province")) > 0 {
		provinces = p.All("province")
	}
	for _, p := range provinces {
		slug := cmp.Or(p.Get("@slug").Value(), p.Get("slug").Value())
		w.Areas = append(w.Areas, feed.Area{Name: cmp.Or(p.Value(), p.Get("name").Value(), slug), Codes: []feed.Code{{Scheme: "RSO", Value: slug}}})
	}
	if len(w.Areas) == 0 {
		found = append(found, feed.Doubt(n, path, "lacks", map[string]any{"name": "provinces"}))
	}
	w.Deviations = found
	return w
}
