package adapter

import (
	"time"

	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/incident"
)

// The states of a receipt's i.Receipt.Status in a table.
const (
	stored  = "stored"
	refused = "refused"
)

// OfTable gives an adapter the Decode and Encode of a format that is a table. The
// table's Cells say where of the head stand Message.ID, .Sender.Address,
// .Receivers[0].Address, .Links[0].ID (of the message it answers), .Sent, .Expires, .Type
// (the kind) and Kind (whether it is meant); ID is the incident's Number. A machine's
// receipt has Receipt.Status "stored" or "refused", Receipt.Reason and .Note.
func OfTable(a Adapter, t *convert.Table) *Adapter {
	a.Decode = func(message []byte) (*Message, *convert.Fault) {
		c, f := t.Read(message)
		if c == nil {
			return nil, f
		}
		return headOf(c), f
	}
	a.Encode = func(m *Message) (*Encoded, *convert.Fault) {
		r, f := t.Write(m.withHead(), m.Kind)
		if f != nil {
			return nil, f
		}
		out := &Encoded{ID: m.ID, Bytes: r.Bytes, Expires: m.Expires}
		if m.Kind != convert.KindReceipt {
			out.Loss = r.Loss
		}
		return out, nil
	}
	return &a
}

// headOf reads the head of a message from its content.
func headOf(c *convert.Message) *Message {
	i := c.Incident
	m := &Message{Kind: c.Kind, ID: i.Message.ID.Text, Sender: i.Message.Sender.Address.Text, Content: c, Number: i.ID.Text}
	if m.Number == "" {
		m.Number = i.Own.Text
	}
	if len(i.Message.Receivers) > 0 {
		m.Receiver = i.Message.Receivers[0].Address.Text
	}
	if len(i.Message.Links) > 0 {
		m.Answers = i.Message.Links[0].ID.Text
	}
	m.Sent, _ = convert.Moment(i.Message.Sent)
	m.Expires, _ = convert.Moment(i.Message.Expires)
	if m.Kind == convert.KindReceipt {
		m.Receipt = Receipt{Refused: i.Receipt.Status.Text != stored, Code: i.Receipt.Reason.Text, Text: i.Receipt.Note.Text}
	}
	return m
}

// withHead is the content of a message with its head.
func (m *Message) withHead() *convert.Message {
	c := convert.New(m.Kind)
	if m.Kind != convert.KindReceipt {
		*c = *m.Content
		c.Incident = m.Content.Incident.Clone()
	}
	c.Careful(m.Mode())
	i := c.Incident
	h := &i.Message
	if len(h.Receivers) == 0 {
		h.Receivers = make([]incident.Party, 1)
	}
	set := func(v *incident.Value, text string) {
		if text != "" {
			*v = convert.Derived(text, v)
		}
	}
	set(&h.ID, m.ID)
	set(&h.Sender.Address, m.Sender)
	set(&h.Receivers[0].Address, m.Receiver)
	set(&i.ID, m.Number)
	if m.Answers != "" {
		h.Links = []incident.Link{{ID: convert.Derived(m.Answers, nil)}}
	}
	setTime(&h.Sent, m.Sent)
	setTime(&h.Expires, m.Expires)
	if m.Kind == convert.KindReceipt {
		i.Receipt.Status = convert.Derived(stored, nil)
		if m.Receipt.Refused {
			i.Receipt.Status = convert.Derived(refused, nil)
			i.Receipt.Reason = convert.Derived(m.Receipt.Code, nil)
			i.Receipt.Note = convert.Derived(m.Receipt.Text, nil)
		}
	}
	return c
}

// setTime sets a value to a moment, unless it says that already.
func setTime(v *incident.Value, t time.Time) {
	if was, ok := convert.Moment(*v); !t.IsZero() && (!ok || !was.Equal(t)) {
		*v = convert.Derived(t.Format(time.RFC3339), v)
	}
}
