package ucri

import (
	"strconv"

	"trojmezi/internal/format/strictjson"
)

// AppendJSON appends the envelope with its destinations: the request to a peer
// and the answer to a send request
// (spec: UCRI 2 transport 2.0.0, senderRequestP2P, senderResponse).
func (e *Envelope) AppendJSON(dst []byte) []byte {
	w := writer{append(dst, '{')}
	e.head(&w)
	if e.Destinations != nil {
		w.name("destinations")
		w.strings(e.Destinations)
	}
	e.tail(&w, envelopeMember)
	return append(w.b, '}')
}

// AppendReceived appends the envelope as an item of the answer to a receive
// request: with the one destination it is for and its number in that queue
// (spec: UCRI 2 transport 2.0.0, receiverResponseItem).
func (e *Envelope) AppendReceived(dst []byte, destination string, seq int64) []byte {
	w := writer{append(dst, '{')}
	e.head(&w)
	w.string("destination", destination)
	w.name("sequenceId")
	w.b = strconv.AppendInt(w.b, seq, 10)
	e.tail(&w, receivedMember)
	return append(w.b, '}')
}

func (e *Envelope) head(w *writer) {
	w.optional("messageId", e.MessageID)
	if e.Description != nil {
		w.string("description", *e.Description)
	}
	w.optional("sentDate", e.SentDate)
	if e.Timeout != 0 {
		w.name("timeout")
		w.b = strconv.AppendInt(w.b, int64(e.Timeout), 10)
	}
	w.optional("ack", string(e.Ack))
	w.string("source", e.Source)
}

func (e *Envelope) tail(w *writer, taken func(string) bool) {
	if e.Tags != nil {
		w.name("tags")
		w.strings(e.Tags)
	}
	w.name("payload")
	w.b = e.Payload.appendJSON(w.b)
	w.optional("signature", e.Signature)
	w.extra(e.Extra, taken)
}

func (p *Payload) appendJSON(dst []byte) []byte {
	w := writer{append(dst, '{')}
	w.string("appId", p.AppID)
	w.string("appVersion", p.AppVersion)
	w.string("schemaId", p.SchemaID)
	w.string("contentType", p.ContentType)
	w.string("data", p.Data)
	w.extra(p.Extra, payloadMember)
	return append(w.b, '}')
}

// envelopeMember knows the members an envelope writes itself. An unknown member
// of such a name, which a sender may well add, must not come out twice.
func envelopeMember(name string) bool {
	switch name {
	case "messageId", "description", "sentDate", "timeout", "ack", "source", "destinations", "tags", "payload", "signature":
		return true
	}
	return false
}

func receivedMember(name string) bool {
	return name == "destination" || name == "sequenceId" || envelopeMember(name)
}

func payloadMember(name string) bool {
	switch name {
	case "appId", "appVersion", "schemaId", "contentType", "data":
		return true
	}
	return false
}

// writer appends the members of one object.
type writer struct{ b []byte }

func (w *writer) name(name string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

func (w *writer) string(name, v string) {
	w.name(name)
	w.b = strictjson.AppendString(w.b, v)
}

func (w *writer) optional(name, v string) {
	if v != "" {
		w.string(name, v)
	}
}

func (w *writer) strings(list []string) {
	w.b = append(w.b, '[')
	for i, s := range list {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = strictjson.AppendString(w.b, s)
	}
	w.b = append(w.b, ']')
}

func (w *writer) extra(members []Member, taken func(string) bool) {
	for _, m := range members {
		if taken(m.Name) {
			continue
		}
		if w.b[len(w.b)-1] != '{' {
			w.b = append(w.b, ',')
		}
		w.b = strictjson.AppendString(w.b, m.Name)
		w.b = append(w.b, ':')
		w.b = append(w.b, m.Raw...)
	}
}
