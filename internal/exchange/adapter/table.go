package adapter

import (
	"strconv"
	"time"

	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/incident"
)

// OfTable gives an adapter the Decode and Encode of a format that is a table. The
// table's Cells say where of the head stand Message.ID, .Sender.Address,
// .Receivers[0].Address, .Links[0].ID (of the message it answers), .Sent, .Expires and
// Kind (whether it is meant); ID is the incident's Number. What a machine says is
// Receipt.At, .Reason (a code) and .Note.
func OfTable(a Adapter, t *convert.Table) *Adapter {
	a.Decode = func(message []byte) (*Message, *convert.Fault) {
		c, f := t.Read(message)
		if c == nil {
			return nil, f
		}
		return a.headOf(c), f
	}
	a.Encode = func(m *Message) (*Encoded, *convert.Fault) {
		kind := m.Kind
		if m.Receipt.Refused {
			kind = convert.KindRefusal
		}
		r, f := t.Write(m.withHead(), kind)
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
func (a *Adapter) headOf(c *convert.Message) *Message {
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
	if m.Expires.IsZero() && a.Life > 0 && !m.Sent.IsZero() {
		m.Expires = m.Sent.Add(a.Life)
	}
	m.Revision, _ = strconv.Atoi(i.Revision.Text)
	if m.Kind == convert.KindReceipt || m.Kind == convert.KindRefusal {
		m.Receipt = Receipt{Refused: m.Kind == convert.KindRefusal, Code: i.Receipt.Reason.Text, Text: i.Receipt.Note.Text}
		m.Receipt.Again = m.Receipt.Refused && m.Receipt.Code == a.codeOf(Temporary)
		m.Kind = convert.KindReceipt
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
	if m.Revision > 0 {
		i.Revision = convert.Derived(strconv.Itoa(m.Revision), &i.Revision)
	}
	if m.Kind == convert.KindReceipt {
		setTime(&i.Receipt.At, m.Sent)
		set(&i.Receipt.Reason, m.Receipt.Code)
		set(&i.Receipt.Note, m.Receipt.Text)
	}
	return c
}

// setTime sets a value to a moment, unless it says that already.
func setTime(v *incident.Value, t time.Time) {
	if was, ok := convert.Moment(*v); !t.IsZero() && (!ok || !was.Equal(t)) {
		*v = convert.Derived(t.Format(time.RFC3339), v)
	}
}
