// Package nina reads what the German Federal Office of Civil Protection gives its app:
// the list of all warnings of a provider (MoWaS, KATWARN, BIWAPP, DWD, the flood
// centres, the police), and the warning itself as CAP in JSON. For package feed.
//
// The lists are known from a published description of 2023, the warning from one real
// message. There are two: of a provider (mapData), and of a district (dashboard), by the
// number that the address names. Nothing tells the end of a warning but its absence from
// the list; of MoWaS an archive tells through which messages a warning went.
package nina

import (
	"cmp"
	"slices"
	"strings"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// Feed is mapData of a provider with the warnings it names.
func Feed() feed.Feed {
	return feed.Feed{Name: "nina", Title: "Bundesamt für Bevölkerungsschutz und Katastrophenhilfe", Knowledge: feed.Specification, Parse: parse}
}

// limits are of a list of all Germany, and of a warning whose grid is long: that is one
// text. Shapes have a value for each corner.
var (
	limits      = tree.Limits{Bytes: 8 << 20, Depth: 16, Nodes: 60_000}
	shapeLimits = tree.Limits{Bytes: 8 << 20, Depth: 16, Nodes: 200_000}
)

func parse(doc []byte) (*feed.Reading, *tree.Fault) {
	d, f := tree.Parse(doc, limits)
	if f != nil {
		return nil, f
	}
	_, isWarning := cap.Is(d)
	switch {
	case d.Syntax == tree.JSON && isWarning:
		return warning(d), nil
	case d.Syntax == tree.JSON && d.Root.Kind == tree.Array:
		return list(d), nil
	}
	return nil, feed.Refuse(d.Root.Line, "format", map[string]any{"wanted": "JSON: mapData, CAP"})
}

// Version is the name under which the extras of a listed warning hold its version.
const Version = "version"

// providers are whose warnings they are, by the beginning of their identifiers.
var providers = map[string]string{"mow": "MoWaS", "kat": "KATWARN", "biw": "BIWAPP", "dwd": "DWD", "lhp": "LHP", "pol": "Polizei"}

func sender(id string) string {
	prefix, _, _ := strings.Cut(id, ".")
	return providers[prefix]
}

// list reads mapData: what is in force, without what to do.
func list(d *tree.Document) *feed.Reading {
	r := &feed.Reading{Whole: true}
	paths := shape.Paths(d.Root, tree.JSON, "")
	for _, n := range d.Root.Kids {
		id := n.Get("id").Value()
		if n.Get("payload") != nil && id != "" {
			add(r, dashboard(n, id, paths[n]))
			continue
		}
		if id == "" && r.Full() {
			r.More++
			continue
		}
		if id == "" {
			r.Deviations = append(r.Deviations, feed.Doubt(n, paths[n], "lacks", map[string]any{"name": "id"}))
			continue
		}
		w := feed.Warning{
			ID: "nina/" + id, Source: "nina", Sender: sender(id), Code: n.Get("transKeys").Get("event").Value(), Level: feed.LevelOf(n.Get("severity").Value()),
			Status: feed.Actual, State: feed.InForce,
		}
		if v := n.Get("version").Value(); v != "" {
			w.Extra = []cap.Pair{{Name: Version, Value: v}} // of the warning: its message is another when this is
		}
		for _, t := range []struct {
			name string
			into *feed.Moment
		}{{"startDate", &w.Sent}, {"expiresDate", &w.Expires}} {
			read(&w, t.into, n.Get(t.name), paths[n]+"/"+t.name)
		}
		titles(&w, n)
		if n.Get("type").Value() == cap.TypeCancel {
			w.State = feed.Cancelled
		}
		add(r, w)
	}
	return r
}

// read takes a time of a listed warning.
func read(w *feed.Warning, into *feed.Moment, n *tree.Node, path string) {
	m, wrong := feed.CAPMoment(n.Value())
	if *into = m; wrong != "" {
		w.Deviations = append(w.Deviations, feed.Doubt(n, path, wrong, nil))
	}
}

// titles are the headlines of a listed warning, by language.
func titles(w *feed.Warning, n *tree.Node) {
	if title := n.Get("i18nTitle"); title != nil {
		for _, k := range title.Kids {
			w.Texts = append(w.Texts, feed.Text{Language: k.Name, Headline: k.Value()})
		}
	}
	if len(w.Texts) > 0 {
		w.Event = w.Texts[0].Headline
	}
}

func add(r *feed.Reading, w feed.Warning) {
	for _, t := range w.Texts {
		if feed.SaysDrill(t.Headline) {
			w.Status = feed.Exercise
		}
	}
	if w.Sent.At.After(r.Issued.At) {
		r.Issued = w.Sent
	}
	r.Add(w)
}

// Hash is the name under which the extras of a warning of a dashboard hold that of its
// message.
const Hash = "hash"

// dashboard reads an entry of the list of a district. Its area is a run in a table that
// only the Office has: it is kept as it stands, and says nothing here.
func dashboard(n *tree.Node, id, path string) feed.Warning {
	p := n.Get("payload")
	data := p.Get("data")
	w := feed.Warning{
		ID: "nina/" + id, Source: "nina", Sender: cmp.Or(sender(id), data.Get("provider").Value()), Code: data.Get("transKeys").Get("event").Value(),
		Level: feed.LevelOf(data.Get("severity").Value()), Status: feed.Actual, State: feed.InForce,
	}
	for _, e := range []struct{ name, value string }{{Version, p.Get("version").Value()}, {Hash, p.Get("hash").Value()}, {data.Get("area").Get("type").Value(), data.Get("area").Get("data").Value()}} {
		if e.name != "" && e.value != "" {
			w.Extra = append(w.Extra, cap.Pair{Name: e.name, Value: e.value})
		}
	}
	read(&w, &w.Sent, n.Get("sent"), path+"/sent")
	if titles(&w, n); len(w.Texts) == 0 && data.Get("headline").Value() != "" {
		w.Event = data.Get("headline").Value()
		w.Texts = []feed.Text{{Language: "de", Headline: w.Event}}
	}
	// The list says ALERT where a message says Alert.
	if strings.EqualFold(data.Get("msgType").Value(), cap.TypeCancel) || strings.EqualFold(p.Get("type").Value(), cap.TypeCancel) {
		w.State = feed.Cancelled
	}
	return w
}

// original is how a mirrored warning says which message it is a copy of.
const original = "id:"

// warning reads one of them with everything. Its HTML stays: the text of an official
// warning is not to be changed.
func warning(d *tree.Document) *feed.Reading {
	a, _ := cap.FromDocument(d)
	r := &feed.Reading{}
	w := feed.Warning{ID: "nina/" + a.Identifier, Originals: []string{a.Identifier}, Source: "nina", Sender: sender(a.Identifier), Status: feed.StatusOf(a), State: feed.InForce}
	for _, c := range a.Codes {
		if id, ok := strings.CutPrefix(c, original); ok {
			w.Originals = append(w.Originals, id)
		}
	}
	references, regular := cap.References(a.References)
	if !regular {
		w.Deviations = append(w.Deviations, shape.Deviation{Path: "/references", Line: 1, Rule: "references", Severity: shape.Warning, Key: "cap.rule.references",
			Args: map[string]any{"line": 1, "path": "/references", "found": a.References}})
	}
	for _, ref := range references {
		w.Replaces = append(w.Replaces, ref.Identifier)
	}
	for i := range a.Infos {
		info := &a.Infos[i]
		w.Texts = append(w.Texts, feed.TextOf(info))
		if i > 0 {
			continue // other languages repeat the rest
		}
		var odd []feed.OddTime
		w.Sent, w.Onset, w.Expires, odd = feed.TimesOf(a, info)
		for _, o := range odd {
			w.Deviations = append(w.Deviations, o.Doubt(info.Event))
		}
		w.Level, w.State, w.Areas = feed.LevelOf(info.Severity), feed.StateOf(a, info), areas(info)
		w.Code = cap.Value(info.EventCodes, "profile:DE-BBK-EVENTCODE")
		w.Sender = cmp.Or(cap.Value(info.Parameters, "sender_langname"), info.SenderName, w.Sender)
		w.Event = cmp.Or(w.Texts[0].Headline, w.Texts[0].Event)
		w.Extra = slices.DeleteFunc(slices.Clone(info.Parameters), func(p cap.Pair) bool { return p.Name == administrative })
	}
	r.Issued = w.Sent
	r.Warnings = []feed.Warning{w}
	return r
}

// administrative is the parameter that lists whom a warning concerns, by the numbers of
// municipalities (ARS, twelve digits).
const administrative = "warnVerwaltungsbereiche"

// areas are those of the message, with its municipalities: the codes that stand in the
// areas themselves name nothing (AreaId 0).
func areas(f *cap.Info) []feed.Area {
	all := feed.AreasOf(f)
	for i := range all {
		all[i].Codes = slices.DeleteFunc(all[i].Codes, func(c feed.Code) bool { return c == feed.Code{Scheme: "AreaId", Value: "0"} })
	}
	var listed []feed.Code
	for _, list := range cap.Values(f.Parameters, administrative) {
		for code := range strings.SplitSeq(list, ",") {
			if code = strings.TrimSpace(code); code != "" {
				listed = append(listed, feed.Code{Scheme: "ARS", Value: code})
			}
		}
	}
	if len(listed) > 0 {
		if len(all) == 0 {
			all = append(all, feed.Area{})
		}
		all[0].Codes = append(all[0].Codes, listed...)
	}
	return all
}
