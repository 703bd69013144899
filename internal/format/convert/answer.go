package convert

import (
	"trojmezi/internal/format/emsi"
	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/format/ucri"
)

// forApp fills in what the app messages demand that are no incident, after forUCRI. The
// head of the message is about its way then, and no news.
func (s *source) forApp(i *incident.Incident, r *result, as Kind) {
	m := &i.Message
	head := []*incident.Value{&m.ID, &m.Type, &m.Created, &m.Sent, &m.Expires, &m.Level, &m.Secrecy, &m.Urgency, &m.Language, &i.Kind,
		&m.Sender.Address, &m.Sender.Name, &m.Envelope.ID, &m.Envelope.Sender, &m.Envelope.Kind, &m.Envelope.Scheme}
	for n := range m.Receivers {
		head = append(head, &m.Receivers[n].Address, &m.Receivers[n].Name)
	}
	for n := range m.Links {
		head = append(head, &m.Links[n].ID, &m.Links[n].Role)
	}
	for _, v := range head {
		if v.Is() && v.Origin.Path != "" && r.into[v.Origin.Path] == nil {
			r.why[v.Origin.Path] = Transport
		}
	}
	c := &i.Receipt
	if at, ok := stamp(c.At); ok {
		c.At = at
	} else {
		c.At = derived(m.Created.Text, nil)
	}
	said := []*incident.Value{&c.Reason, &c.Note, &i.Remark, &i.Description, &m.Note}
	for n := range i.Notes {
		said = append(said, &i.Notes[n].Text)
	}
	words := firstOf(said...)
	switch as {
	case KindAnswer:
		s.forAnswer(i)
		c.Reason = s.led(words)
	case KindCompletion, KindCancel:
		s.forCompletion(i, as)
		c.Note = s.led(words)
	case KindUpdate: // its lines are the differences
		i.Notes = nil
	default:
		if len(i.Notes) == 0 {
			if !words.Is() {
				words = i.What
			}
			i.Notes = []incident.Note{{At: derived(m.Created.Text, nil), Text: words}}
		}
		i.Notes[0].Text = s.led(i.Notes[0].Text)
	}
}

// led is a text that says that it is no reality, where it is none.
func (s *source) led(v incident.Value) incident.Value {
	if s.real.word == "" {
		return v
	}
	return derived(s.real.leads(v.Text), &v)
}

// firstOf is the first of some values that was said.
func firstOf(values ...*incident.Value) incident.Value {
	for _, v := range values {
		if v.Is() && v.Text != "" {
			return *v
		}
	}
	return incident.Value{}
}

// forAnswer says whether a person takes the incident, as EMSI says it by the type of
// its message.
func (s *source) forAnswer(i *incident.Incident) {
	kind, _ := emsi.Known(emsi.MessageTypeList, i.Message.Type.Text)
	if answer := map[string]string{"ACK": accepted, "ERROR": rejected}[kind]; !i.Receipt.Status.Is() && answer != "" {
		i.Receipt.Status = derived(answer, &i.Message.Type)
	}
}

// forCompletion says how the incident ended, as EMSI says it by the event's state.
func (s *source) forCompletion(i *incident.Incident, as Kind) {
	c := &i.Receipt
	status, _ := emsi.Known(emsi.EventStatusList, i.Status.Text)
	switch {
	case as == KindCancel:
		c.Status = derived(aborted, &c.Status)
	case c.Status.Is():
	case status == "STOP":
		c.Status = derived(aborted, &i.Status)
	default:
		c.Status = derived(completed, &i.Status)
	}
}

// mendUCRI takes out of an app message what its schema refuses.
func (r *result) mendUCRI(m ucri.Message, key string) {
	n := r.root
	if key != "" {
		n = n.Get("payload").Get("data")
	}
	r.mend(n, "", nil, func() (all []shape.Deviation) {
		for _, e := range dataErrors(m, n) {
			all = append(all, shape.Deviation{Path: e.Place, Severity: shape.Error})
		}
		return all
	})
}

// lacking is why an app message cannot be sent, nil if it can: what its schema demands
// the source does not say.
func (r *result) lacking(s *source, m ucri.Message, key string) *Fault {
	n := r.root
	if key != "" {
		n = n.Get("payload").Get("data")
	}
	for _, e := range dataErrors(m, n) {
		return &Fault{Line: s.doc.Root.Line, Rule: e.Key[len("ucri."):], Key: e.Key, Args: e.Args}
	}
	return nil
}

func dataErrors(m ucri.Message, n *tree.Node) []*ucri.Error {
	return ucri.DataErrors(&ucri.Payload{AppID: m.AppID, AppVersion: m.AppVersion, SchemaID: m.SchemaID, ContentType: ucri.ContentJSON, Data: string(tree.AppendJSON(nil, n))})
}
