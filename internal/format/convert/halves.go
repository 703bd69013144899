package convert

import (
	"strings"

	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// Message is a message that was read and is not written yet. What somebody takes out
// of it in between (Withhold) is in no result.
type Message struct {
	Incident *incident.Incident
	From     Format // as it was recognised
	// Deviations are what is not as the standard says, in the order of the lines.
	Deviations []shape.Deviation

	source *source
}

// Read reads a message.
func Read(message []byte, from Format) (*Message, *Fault) {
	d, f := tree.Parse(message, tree.DefaultLimits)
	if f != nil {
		return nil, f
	}
	format, f := Detect(d)
	if f != nil && from == UCRI2 && d.Root.Kind == tree.Object && d.Syntax == tree.JSON {
		format, f = UCRI2, nil // an app message alone need not say what it is
	}
	if f != nil {
		return nil, f
	}
	if from != Auto && from != format {
		return nil, refuse(d.Root.Line, "other_format", map[string]any{"found": string(format), "wanted": string(from)})
	}
	v := verdict(d, format)
	if f := v.refusal(); f != nil {
		return nil, f
	}
	s, i, f := read(d, format)
	if f != nil {
		return nil, f
	}
	return &Message{Incident: i, From: format, Deviations: v.Deviations, source: s}, nil
}

// App is the app of UCRI 2 the message belongs to; of other formats it is an incident.
func (m *Message) App() string {
	if m.source.system == systemUCRI {
		return m.source.schema.AppID
	}
	return appIncident
}

// Write writes the message, once: its incident is used up by it.
func (m *Message) Write(to Format, o Options) (*Result, *Fault) {
	s := m.source
	if s.system == systemUCRI && to != UCRI2 && !ofIncident(s.schema) {
		return nil, refuse(s.doc.Root.Line, "no_incident", map[string]any{"app": s.schema.AppID, "message": s.schema.SchemaID})
	}
	m.added(to)
	r := write(s, m.Incident, to, o)
	return &Result{Bytes: r.bytes(to), From: m.From, Loss: s.report(r), Deviations: m.Deviations}, nil
}

// Withhold puts an incident from which something was taken in the place of the one
// that was read. at has the same of the source: by the path of a value what stands
// there instead, "" for nothing. What was signed is not what goes on, so that the
// signature does not either.
func (m *Message) Withhold(i *incident.Incident, at map[string]string) {
	m.Incident = i
	if len(at) == 0 {
		return
	}
	s := m.source
	s.changed = true
	kept := make([]*leaf, 0, len(s.leaves))
	for _, l := range s.leaves {
		text, changed := at[l.path]
		switch {
		case l.key == "signature" && s.system == systemUCRI, changed && text == "":
			delete(s.byKey, l.key)
			continue
		case changed:
			n := *l.node
			n.Text, n.Kind = text, tree.String
			c := *l
			c.node = &n
			s.byKey[l.key], l = &c, &c
		}
		kept = append(kept, l)
	}
	s.leaves = kept
	rest := i.Extra[:0:0]
	for _, v := range i.Extra {
		if s.system != systemUCRI || v.Origin.Path != "/signature" {
			rest = append(rest, v)
		}
	}
	i.Extra = rest
}

// added finds a place for notes that stood nowhere in the source, where the other
// format has none for notes.
func (m *Message) added(to Format) {
	i, ucri := m.Incident, m.source.system == systemUCRI
	var lines []string
	for n := range i.Notes {
		note := &i.Notes[n]
		if !note.Text.Is() || note.Text.Origin.Path != "" {
			continue
		}
		if !note.At.Is() {
			note.At = sentAt(i)
		}
		lines = append(lines, note.Text.Text)
	}
	at := &i.Description
	switch schema := m.source.schema.SchemaID; {
	case len(lines) == 0:
		return
	case to != UCRI2 && ucri:
		at = &i.Remark
	case to != UCRI2:
	case !ucri || schema == msgIncident || schema == msgRequest || schema == msgNotification:
		return // they are notes there too
	case schema == msgAcknowledgement:
		at = &i.Receipt.Reason
	default:
		at = &i.Receipt.Note
	}
	if strings.TrimSpace(at.Text) != "" {
		lines = append([]string{at.Text}, lines...)
	}
	*at = derived(strings.Join(lines, "\n"), at)
}
