package cap

import (
	"strings"

	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// Write puts a message down as CAP 1.2, in UTF-8. What the schema does not permit is not
// written: then there are deviations, whose lines are those of the document that was
// not to be.
func Write(a *Alert) ([]byte, []shape.Deviation) {
	doc := document(a)
	if _, ok := scan(doc); ok {
		return doc, nil
	}
	d, f := tree.Parse(doc, Limits)
	if f != nil {
		return nil, []shape.Deviation{{Line: max(f.Line, 1), Rule: f.Rule, Severity: shape.Error, Key: f.Key, Args: f.Args}}
	}
	if found := schema(d, V12); len(found) > 0 {
		return nil, found
	}
	return doc, nil
}

// writer puts elements down, one to a line.
type writer struct {
	out   []byte
	depth int
}

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#13;")

func (w *writer) line(parts ...string) {
	for range w.depth {
		w.out = append(w.out, ' ', ' ')
	}
	for _, p := range parts {
		w.out = append(w.out, p...)
	}
	w.out = append(w.out, '\n')
}

// must writes an element that stands also when it is empty, may one that does not.
func (w *writer) must(name, text string) {
	w.line("<", name, ">", escape.Replace(text), "</", name, ">")
}

func (w *writer) may(name, text string) {
	if text != "" {
		w.must(name, text)
	}
}

func (w *writer) list(name string, texts []string) {
	for _, t := range texts {
		w.must(name, t)
	}
}

func (w *writer) pairs(name string, pairs []Pair) {
	for _, p := range pairs {
		w.in(name, func() {
			w.must("valueName", p.Name)
			w.must("value", p.Value)
		})
	}
}

func (w *writer) in(name string, write func()) {
	w.line("<", name, ">")
	w.depth++
	write()
	w.depth--
	w.line("</", name, ">")
}

func document(a *Alert) []byte {
	w := &writer{}
	w.line(`<?xml version="1.0" encoding="UTF-8"?>`)
	w.line(`<alert xmlns="`, Space12, `">`)
	w.depth++
	w.must("identifier", a.Identifier)
	w.must("sender", a.Sender)
	w.must("sent", a.Sent)
	w.must("status", a.Status)
	w.must("msgType", a.MsgType)
	w.may("source", a.Source)
	w.must("scope", a.Scope)
	w.may("restriction", a.Restriction)
	w.may("addresses", a.Addresses)
	w.list("code", a.Codes)
	w.may("note", a.Note)
	w.may("references", a.References)
	w.may("incidents", a.Incidents)
	for i := range a.Infos {
		w.in("info", func() { w.info(&a.Infos[i]) })
	}
	w.depth--
	w.line("</alert>")
	return w.out
}

func (w *writer) info(f *Info) {
	w.may("language", f.Language)
	w.list("category", f.Categories)
	w.must("event", f.Event)
	w.list("responseType", f.ResponseTypes)
	w.must("urgency", f.Urgency)
	w.must("severity", f.Severity)
	w.must("certainty", f.Certainty)
	w.may("audience", f.Audience)
	w.pairs("eventCode", f.EventCodes)
	w.may("effective", f.Effective)
	w.may("onset", f.Onset)
	w.may("expires", f.Expires)
	w.may("senderName", f.SenderName)
	w.may("headline", f.Headline)
	w.may("description", f.Description)
	w.may("instruction", f.Instruction)
	w.may("web", f.Web)
	w.may("contact", f.Contact)
	w.pairs("parameter", f.Parameters)
	for _, r := range f.Resources {
		w.in("resource", func() {
			w.must("resourceDesc", r.Desc)
			w.must("mimeType", r.MimeType)
			w.may("size", r.Size)
			w.may("uri", r.URI)
			w.may("derefUri", r.DerefURI)
			w.may("digest", r.Digest)
		})
	}
	for _, p := range f.Areas {
		w.in("area", func() {
			w.must("areaDesc", p.Desc)
			w.list("polygon", p.Polygons)
			w.list("circle", p.Circles)
			w.pairs("geocode", p.Geocodes)
			w.may("altitude", p.Altitude)
			w.may("ceiling", p.Ceiling)
		})
	}
}
