// Package euemsi is the adapter of the European way: EMSI (ISO/TR 22351) in envelopes
// of EDXL-DE 2.0, with the rules of the French national hub: a number that begins with
// its sender's address, one receiver, acknowledgements and error reports as envelopes of
// their own, and an end after at most a day.
//
// The hub's code was read (SAMU-Hub-Sante at 5e2bcb0), no hub was spoken to. What a
// machine says (kinds Ack and Error, without EMSI) is kept apart from what a person
// answers: the hub has no message for that, so it is an Update with EMSI's ACK or ERROR
// and a LINK to what it answers.
package euemsi

import (
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/exchange/adapter"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/edxl"
	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// longest is how long the hub keeps a message, whatever the message says.
const longest = 24 * time.Hour

// New gives the adapter that writes in a syntax; it reads both.
func New(s tree.Syntax) *adapter.Adapter {
	a := &adapter.Adapter{
		Country: "EU", System: "euemsi", Profile: "docs/profiles/eu-emsi.md", Public: true, MediaType: "application/xml", Life: longest,
		Decode: decode, Code: code,
		Encode: func(m *adapter.Message) (*adapter.Encoded, *convert.Fault) { return encode(m, s) },
	}
	if s == tree.JSON {
		a.System, a.MediaType = "euemsijson", "application/json"
	}
	return a
}

// numbers are the hub's codes for reasons. It has none for some; those from 700 on are
// left to receivers, and of them 703 and 704 are used here as nobody else does.
var numbers = map[adapter.Reason]int{
	adapter.ContentType: 100, adapter.DeliveryMode: 101, adapter.WrongWay: 102, adapter.WrongSender: 200,
	adapter.Format: 300, adapter.Charset: 300, adapter.TooLarge: 300, adapter.Invalid: 301, adapter.BadCode: 301, adapter.Impossible: 301,
	adapter.Expired: 400, adapter.Undelivered: 500, adapter.Unroutable: 501, adapter.Conversion: 600, adapter.Kind: 600,
	adapter.Exists: 701, adapter.Sequence: 702, adapter.NotLive: 703, adapter.Repeated: 703, adapter.Temporary: 704,
}

func code(r adapter.Reason) string { return strconv.Itoa(numbers[r]) }

// prefixed is the number of an envelope: it begins with its sender's address.
func prefixed(sender, id string) string {
	if strings.HasPrefix(id, sender+"_") {
		return id
	}
	return sender + "_" + id
}

func decode(message []byte) (*adapter.Message, *convert.Fault) {
	d, f := tree.Parse(message, tree.DefaultLimits)
	if f != nil {
		return nil, f
	}
	if _, ok := edxl.Is(d); !ok {
		return nil, &convert.Fault{Line: d.Root.Line, Rule: "not_system", Key: "convert.fault.not_system", Args: map[string]any{"line": d.Root.Line, "system": "EDXL-DE"}}
	}
	e, found := edxl.Read(d)
	if e == nil { // enough of it to tell its sender
		m := &adapter.Message{ID: d.Root.Get("distributionID").Value(), Sender: d.Root.Get("senderID").Value()}
		m.Receiver = d.Root.Get("descriptor").Get("explicitAddress").Get("explicitAddressValue").Value()
		if k := edxl.Kind(d.Root.Get("distributionKind").Value()); k == edxl.Ack || k == edxl.Error {
			m.Kind = convert.KindReceipt // nobody answers those, or it would never end
		}
		return m, because(found[0])
	}
	m := &adapter.Message{ID: e.ID, Sender: e.Sender}
	if len(e.Addresses) > 0 {
		m.Receiver = e.Addresses[0].Values[0]
	}
	for _, w := range found {
		// When it ends, and for whom it is, has to be certain.
		if w.Rule == "zone" || w.Rule == "addresses" {
			return m, because(w)
		}
	}
	m.Sent, _ = edxl.Moment(e.Sent)
	if m.Expires, _ = edxl.Moment(e.Expires); m.Expires.IsZero() || m.Expires.Sub(m.Sent) > longest {
		m.Expires = m.Sent.Add(longest)
	}
	format := convert.EDXLXML
	if d.Syntax == tree.JSON {
		format = convert.EDXLJSON
	}
	if of, ok := e.Refers(); ok {
		return receipt(m, e, of, format), nil
	}
	c, f := convert.Read(message, format)
	if f != nil {
		return m, f
	}
	return content(m, c), nil
}

// because is the fault that a deviation makes.
func because(d shape.Deviation) *convert.Fault {
	return &convert.Fault{Line: d.Line, Rule: d.Rule, Key: d.Key, Args: d.Args}
}

// receipt is what a machine says of the envelope with a number.
func receipt(m *adapter.Message, e *edxl.Envelope, of string, format convert.Format) *adapter.Message {
	m.Kind, m.Answers, m.Content = convert.KindReceipt, of, convert.New(convert.KindReceipt)
	m.Content.From = format
	m.Content.Careful(string(e.Status))
	if f, ok := e.Failure(); ok {
		number := strconv.Itoa(f.Code)
		m.Receipt = adapter.Receipt{Refused: true, Again: number == code(adapter.Temporary), Code: number, Text: f.Cause}
	}
	return m
}

// content is a message that a person reads.
func content(m *adapter.Message, c *convert.Message) *adapter.Message {
	i := c.Incident
	m.Kind, m.Content, m.Number = c.Kind, c, i.Main.Text
	if m.Number == "" {
		m.Number = i.Own.Text
	}
	if len(i.Message.Links) > 0 && m.Kind == convert.KindAnswer {
		m.Answers = prefixed(m.Receiver, i.Message.Links[0].ID.Text)
	}
	// EMSI has no message for words alone: an update that changes nothing else is that.
	if m.Kind == convert.KindUpdate && !i.What.Is() && !i.Status.Is() && i.Description.Is() &&
		len(i.Types)+len(i.Areas)+len(i.Casualties)+len(i.Evacuated)+len(i.Tasks)+len(i.Resources) == 0 {
		m.Kind, c.Kind = convert.KindText, convert.KindText
	}
	return m
}

func encode(m *adapter.Message, syntax tree.Syntax) (*adapter.Encoded, *convert.Fault) {
	out := &adapter.Encoded{ID: prefixed(m.Sender, m.ID), Expires: m.Expires}
	if m.Kind == convert.KindReceipt {
		out.Bytes = written(m, out.ID, syntax)
		return out, nil
	}
	c := *m.Content
	c.Incident = m.Content.Incident.Clone()
	i := c.Incident
	h := &i.Message
	h.Envelope = incident.Envelope{ID: convert.Derived(out.ID, nil), Sender: convert.Derived(m.Sender, nil)}
	h.Sender.Address = convert.Derived(m.Sender, &h.Sender.Address)
	if len(h.Receivers) == 0 {
		h.Receivers = make([]incident.Party, 1)
	}
	h.Receivers[0].Address = convert.Derived(m.Receiver, &h.Receivers[0].Address)
	if m.Number != "" {
		i.ID = convert.Derived(m.Number, &i.ID)
	}
	speak(m.Kind, i)
	if m.Answers != "" {
		h.Links = append([]incident.Link{{ID: convert.Derived(strings.TrimPrefix(m.Answers, m.Receiver+"_"), nil), Role: convert.Derived("ADDSTO", nil)}}, h.Links...)
	}
	if !m.Expires.IsZero() {
		h.Expires = convert.Derived(m.Expires.Format(time.RFC3339), &h.Expires)
	}
	format := convert.EDXLXML
	if syntax == tree.JSON {
		format = convert.EDXLJSON
	}
	r, f := c.Write(format, convert.Options{Wrapped: true})
	if f != nil {
		return nil, f
	}
	out.Bytes, out.Loss = r.Bytes, r.Loss
	return out, nil
}

// speak says in EMSI what a message of UCRI 2 is for, and its words as the event's free
// text.
func speak(k convert.Kind, i *incident.Incident) {
	h, r := &i.Message, &i.Receipt
	kind, by, words := "UPDATE", (*incident.Value)(nil), &i.Remark
	switch k {
	case convert.KindIncident:
		kind = "ALERT"
	case convert.KindCancel:
		kind, by, words = "CANCEL", &r.Status, &r.Note
	case convert.KindCompletion:
		words = &r.Note
	case convert.KindText:
		if len(i.Notes) > 0 {
			words = &i.Notes[0].Text
		}
	case convert.KindAnswer:
		kind, by, words = "ACK", &r.Status, &r.Reason
		if r.Status.Text != "accepted" {
			kind = "ERROR"
		}
		h.Envelope.Kind = convert.Derived(string(edxl.Update), nil)
	}
	h.Type = convert.Derived(kind, by)
	if words.Is() && !i.Remark.Is() {
		i.Remark = convert.Derived(words.Text, words)
	}
	if r.At.Is() && !h.Created.Is() {
		h.Created = convert.Derived(r.At.Text, &r.At)
	}
}

// written is an acknowledgement or an error report, in the form of what it answers.
func written(m *adapter.Message, id string, syntax tree.Syntax) []byte {
	status, language := edxl.Actual, "und"
	if m.Mode() != "ACTUAL" {
		status = edxl.Exercise
	}
	if c := m.Content; c != nil {
		switch {
		case c.From == convert.EDXLJSON:
			syntax = tree.JSON
		case c.From == convert.EDXLXML:
			syntax = tree.XML
		}
		if l := c.Incident.Message.Language; l.Is() {
			language = l.Text
		}
	}
	of := &edxl.Envelope{Version: edxl.V2, Syntax: syntax, ID: m.Answers, Sender: m.Receiver, Status: status, Language: language,
		Addresses: []edxl.Address{{Scheme: edxl.SchemeHub, Values: []string{m.Sender}}}}
	end := m.Expires
	if end.IsZero() || end.Sub(m.Sent) > longest {
		end = m.Sent.Add(longest)
	}
	const layout = "2006-01-02T15:04:05-07:00"
	r := edxl.Reply{ID: id, Sender: m.Sender, Sent: m.Sent.Format(layout), Expires: end.Format(layout)}
	if !m.Receipt.Refused {
		return edxl.Write(edxl.NewAck(of, r))
	}
	number, _ := strconv.Atoi(m.Receipt.Code) // by code: it is one
	return edxl.Write(edxl.NewError(of, r, edxl.Failure{Code: number, Cause: m.Receipt.Text}))
}
