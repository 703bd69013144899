package adapter

import (
	"slices"
	"strings"
	"time"

	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/ucri"
)

// Protected are the parts of messages of UCRI 2 that no foreign format here has a field
// for and that must not end as words in one: people who are treated, accused or hurt.
var Protected = []string{"/payload/data/patients", "/payload/data/patient", "/payload/data/accusedPersons", "/payload/data/victimPersons"}

// FromUCRI reads an envelope of UCRI 2 that is to go to a foreign system, without what is
// Protected. Messages that are about no incident are refused with Kind: catalogues, and
// what nodes tell each other. Whoever sends it on says from whom and to whom (Sender,
// Receiver), and the Number and Answers of the foreign system where it knows them; what
// else may not cross it keeps back by Content.KeepBack.
func FromUCRI(e *ucri.Envelope) (*Message, *Refusal) {
	m, refusal := ReadUCRI(e)
	if refusal == nil {
		m.Protect()
	}
	return m, refusal
}

// Protect keeps back what is Protected. Rules that count people come before it.
func (m *Message) Protect() { m.Content.KeepBack(Protected...) }

// ReadUCRI is FromUCRI for whoever has rules of his own to put the message through, and
// calls Protect after them.
func ReadUCRI(e *ucri.Envelope) (*Message, *Refusal) {
	c, f := convert.Read(e.AppendJSON(nil), convert.UCRI2)
	if f != nil {
		return nil, Because(f)
	}
	if c.Kind == "" {
		return nil, refuse(Kind, "app %s, message %s", e.Payload.AppID, e.Payload.SchemaID)
	}
	m := &Message{Kind: c.Kind, ID: strings.ToLower(e.MessageID), Content: c}
	m.Sent, _ = convert.Moment(c.Incident.Message.Sent)
	m.Expires, _ = convert.Moment(c.Incident.Message.Expires)
	return m, nil
}

// Addressed is what a message needs to become one of UCRI 2.
type Addressed struct {
	Source, Destination string // OIDs
	// Shared is the UUID of the incident, where the foreign Number stands for one that
	// was told to the system; "": the one that follows from the number itself.
	Shared string
	// Before is what the same sender said of the incident before; of a KindUpdate only
	// what is different goes on. Nil: everything does.
	Before *Message
}

// Post is a message of UCRI 2 that came out of a foreign one.
type Post struct {
	Envelope *ucri.Envelope
	Loss     []convert.Loss
}

// Posts makes of a message what is to be sent in UCRI 2, in its order; nothing of a
// receipt. A person's answer that says more than yes or no is followed by lines.
func (m *Message) Posts(to Addressed) ([]Post, *Refusal) {
	switch m.Kind {
	case convert.KindReceipt:
		return nil, nil
	case convert.KindUnits:
		return nil, refuse(Kind, "units are asked for in UCRI 2 by resource_request, which has catalogues of its own")
	}
	first, f := m.post(to, m.Kind, m.ID)
	if f != nil {
		return nil, Because(f)
	}
	posts := []Post{*first}
	if m.Kind == convert.KindAnswer && m.saysMore(first.Loss) {
		second, f := m.post(to, convert.KindText, m.ID+"/2")
		if f != nil {
			return nil, Because(f)
		}
		posts = append(posts, *second)
	}
	return posts, nil
}

// saysMore reports whether words of a person are in the report as nowhere.
func (m *Message) saysMore(report []convert.Loss) bool {
	lost := map[string]bool{}
	for _, l := range report {
		lost[l.Path] = l.MovedTo == nil && l.Reason == convert.NoField
	}
	i := m.Content.Incident
	words := []incident.Value{i.Remark, i.Description, i.Receipt.Note, i.Message.Note}
	for _, n := range i.Notes {
		words = append(words, n.Text)
	}
	return slices.ContainsFunc(words, func(v incident.Value) bool { return v.Is() && lost[v.Origin.Path] })
}

func (m *Message) post(to Addressed, as convert.Kind, id string) (*Post, *convert.Fault) {
	c := *m.Content
	c.Incident = m.Content.Incident.Clone()
	i := c.Incident
	i.Message.ID = convert.Derived(convert.UUID(id, m.Sender), &i.Message.ID)
	if to.Shared != "" {
		stands := &i.ID
		if !stands.Is() {
			stands = &i.Main
		}
		i.ID = convert.Derived(to.Shared, stands)
	}
	if _, said := convert.Moment(i.Message.Expires); !said && !m.Expires.IsZero() {
		i.Message.Expires = convert.Derived(m.Expires.Format(time.RFC3339), &i.Message.Expires)
	}
	o := convert.Options{As: as, Source: to.Source, Destination: to.Destination}
	if to.Before != nil {
		o.Before = to.Before.Content
	}
	r, f := c.Write(convert.UCRI2, o)
	if f != nil {
		return nil, f
	}
	e, err := ucri.ParseEnvelope(r.Bytes)
	if err != nil {
		return nil, &convert.Fault{Rule: "invalid", Key: "tree.fault.json", Args: map[string]any{"line": 0}}
	}
	e.Ack = ucri.AckAll
	return &Post{Envelope: e, Loss: r.Loss}, nil
}
