package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/adapter"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// trouble is why a message needs a person: a text, and what the system's machine is told
// (nil: nothing).
type trouble struct {
	key     string
	args    i18n.Args
	refusal *adapter.Refusal
	message *adapter.Message // what could be read; nil: nothing
}

func (t *trouble) Error() string { return "gateway: needs a person: " + t.key }

func refusedBy(r *adapter.Refusal, m *adapter.Message) *trouble {
	return &trouble{key: "adapter.refusal." + string(r.Reason), refusal: r, message: m}
}

// judgeNew reads what was stored, in its order. One message's fault holds up no other,
// and no more do those of many.
func (g *gate) judgeNew(ctx context.Context) (more bool, err error) {
	var faults []error
	for last := int64(0); ; more = true {
		var list []*in
		if err := g.DB.Read(ctx, func(tx *store.Tx) (err error) {
			list, err = scanIn(tx, `gateway = $1 AND state = 'new' AND id > $2 ORDER BY id LIMIT 16`, g.cfg.Name, last)
			return err
		}); err != nil || len(list) == 0 {
			return more, errors.Join(append(faults, err)...)
		}
		for _, i := range list {
			last = i.id
			if err := g.judge(ctx, i.id); err != nil && len(faults) < 16 {
				faults = append(faults, err)
			}
		}
	}
}

// judge processes a message in one transaction, or in another one puts it into the
// tray: a half-posted one must leave nothing.
func (g *gate) judge(ctx context.Context, id int64) error {
	err := g.DB.Write(ctx, func(tx *store.Tx) error {
		i, key, err := g.fresh(tx, id)
		if err != nil || i == nil {
			return err
		}
		return g.take(tx, i, key)
	})
	t, ok := errors.AsType[*trouble](err)
	if !ok {
		return err
	}
	return g.DB.Write(ctx, func(tx *store.Tx) error {
		i, key, err := g.fresh(tx, id)
		if err != nil || i == nil {
			return err
		}
		return g.toTray(tx, i, key, t)
	})
}

// fresh finds a message that nobody has judged yet, nil when somebody has.
func (g *gate) fresh(tx *store.Tx, id int64) (*in, *seal.Key, error) {
	i, err := one(scanIn(tx, `id = $1 AND state = 'new'`, id))
	if err != nil || i == nil {
		return nil, nil, err
	}
	key, err := g.Ring.Lookup(tx, i.keyID)
	return i, key, err
}

// take reads a message and posts it.
func (g *gate) take(tx *store.Tx, i *in, key *seal.Key) error {
	body, err := key.Open(i.body, i.place("body"))
	if err != nil {
		return err
	}
	before, err := sameBytes(tx, i)
	if err != nil {
		return err
	}
	if before != nil {
		i.state, i.endedAt = inRepeated, millis(g.Clock.Now())
		if _, err := i.save(tx, inNew); err != nil {
			return err
		}
		return g.repeated(tx, before)
	}
	m, refusal := g.read(tx, i, body)
	i.name(m, g.kind)
	if refusal != nil {
		return refusedBy(refusal, m)
	}
	if i.foreign != "" {
		if before, err = sameID(tx, i); err != nil {
			return err
		}
	}
	if before != nil {
		return &trouble{key: "gateway.tray.other_content", message: m, refusal: &adapter.Refusal{Reason: adapter.Repeated, Detail: "the id came before with other content"}}
	}
	if m.Kind == convert.KindReceipt {
		return g.settle(tx, i, key, m)
	}
	if g.kind != store.Live && m.Mode() == "ACTUAL" { // nobody there would take it for real
		return &trouble{key: "gateway.tray.real", message: m, refusal: &adapter.Refusal{Reason: adapter.NotLive, Detail: "a real message for a test address"}}
	}
	return g.post(tx, i, key, body, m)
}

// read opens a message. What a person corrected is judged as of when it came.
func (g *gate) read(tx *store.Tx, i *in, body []byte) (*adapter.Message, *adapter.Refusal) {
	at := g.Clock.Now()
	if i.parent > 0 {
		if p, err := one(scanIn(tx, `id = $1`, i.parent)); err == nil && p != nil {
			at = moment(p.receivedAt)
		}
	}
	m, refusal := g.adapter.Open(body, adapter.Arrival{Now: at, From: g.cfg.Partner, Live: g.kind == store.Live})
	switch {
	case refusal != nil:
		return m, refusal
	case i.volatile:
		return m, &adapter.Refusal{Reason: adapter.DeliveryMode, Detail: "not persistent"}
	case !sameSyntax(i.mediaType, g.adapter.MediaType):
		return m, &adapter.Refusal{Reason: adapter.ContentType, Detail: i.mediaType}
	}
	return m, nil
}

// sameSyntax tells whether a declared media type speaks against what was read: not one
// that is missing, or says nothing.
func sameSyntax(declared, want string) bool {
	for _, syntax := range []string{"xml", "json"} {
		if strings.Contains(strings.ToLower(declared), syntax) {
			return strings.Contains(want, syntax)
		}
	}
	return true
}

// name notes what a message says of itself.
func (i *in) name(m *adapter.Message, kind store.Kind) {
	if m == nil {
		return
	}
	i.sender, i.receiver, i.foreign, i.number = short(m.Sender), short(m.Receiver), short(m.ID), short(m.Number)
	switch m.Mode() {
	case "ACTUAL":
		i.kind = kind
	case "EXERCS":
		i.kind = store.Exercise
	default:
		i.kind = store.Test
	}
}

// short bounds a foreign name that is kept in plain, and leaves out what PostgreSQL does
// not store: whoever wrote it would stop the line.
func short(s string) string {
	const most = 200
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if r := []rune(s); len(r) > most {
		return string(r[:most])
	}
	return s
}

// post makes messages of the node out of m, and keeps its bytes with the incident's key.
func (g *gate) post(tx *store.Tx, i *in, key *seal.Key, body []byte, m *adapter.Message) error {
	to := adapter.Addressed{Source: g.cfg.OID, Destination: g.cfg.oidOf(m.Receiver)}
	if to.Destination == "" {
		return refusedBy(&adapter.Refusal{Reason: adapter.Unroutable, Detail: fmt.Sprintf("for %q", m.Receiver)}, m)
	}
	about, ok, err := incidentBy(tx, g.cfg.Name, "number", i.number)
	if err != nil {
		return err
	}
	if ok = ok && i.number != ""; !ok && i.number != "" && m.Kind != convert.KindIncident {
		return refusedBy(&adapter.Refusal{Reason: adapter.Sequence, Detail: fmt.Sprintf("about %q", m.Number)}, m)
	}
	if ok {
		to.Shared = about.shared
	}
	if ok && m.Kind == convert.KindUpdate {
		if to.Before, err = g.before(tx, about); err != nil {
			return err
		}
		if outdated(m, to.Before) {
			i.state, i.endedAt = inRepeated, millis(g.Clock.Now())
			if _, err := i.save(tx, inNew); err != nil {
				return err
			}
			return g.acknowledge(tx, i, key, m)
		}
	}
	posts, refusal := m.Posts(to)
	if refusal != nil {
		return refusedBy(refusal, m)
	}
	var first exchange.Entry
	var report []convert.Loss
	for n, p := range posts {
		entry, err := g.Node.Post(tx, p.Envelope)
		if err != nil {
			return g.unposted(err, m)
		}
		if n == 0 {
			first, report, i.postedID = entry, p.Loss, p.Envelope.MessageID
			about = incident{number: i.number, shared: ucri.SubjectID(p.Envelope.Payload)}
		}
	}
	loss, err := json.Marshal(report)
	if err != nil {
		return fmt.Errorf("gateway: loss report: %w", err)
	}
	if first.Key != nil {
		if err := g.Ring.Destroy(tx, key.ID()); err != nil {
			return err
		}
		key = first.Key
	}
	i.state, i.entry, i.keyID, i.endedAt = inPosted, first.ID, key.ID(), millis(g.Clock.Now())
	i.body, i.loss = key.Seal(body, i.place("body")), key.Seal(loss, i.place("loss"))
	if _, err := i.save(tx, inNew); err != nil {
		return err
	}
	if about.number != "" && about.shared != "" {
		if m.Kind == convert.KindIncident || m.Kind == convert.KindUpdate {
			about.lastIn = i.id
		}
		if m.Kind == convert.KindIncident {
			about.lastID = i.foreign
		}
		if err := about.put(tx, g.cfg.Name); err != nil {
			return err
		}
	}
	g.metrics.posted.WithLabelValues(g.cfg.Name).Inc()
	if err := g.acknowledge(tx, i, key, m); err != nil {
		return err
	}
	return g.Audit.Append(tx, audit.Event{Action: "gateway.post", Actor: g.cfg.OID, Object: i.postedID, Detail: body, Key: key})
}

// outdated reports whether a newer state of the incident came before.
func outdated(m, before *adapter.Message) bool {
	switch {
	case before == nil:
		return false
	case m.Revision > 0 && before.Revision > 0:
		return m.Revision <= before.Revision
	}
	return m.Sent.Before(before.Sent)
}

// before is what the system said of an incident last; nil when that is deleted.
func (g *gate) before(tx *store.Tx, about incident) (*adapter.Message, error) {
	i, err := one(scanIn(tx, `id = $1`, about.lastIn))
	if err != nil || i == nil || len(i.body) == 0 {
		return nil, err
	}
	key, err := g.Ring.Lookup(tx, i.keyID)
	if errors.Is(err, seal.ErrDestroyed) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	body, err := key.Open(i.body, i.place("body"))
	if err != nil {
		return nil, err
	}
	m, _ := g.adapter.Decode(body)
	return m, nil
}

// unposted tells why the node does not take a message; what is no refusal stays an error.
func (g *gate) unposted(err error, m *adapter.Message) error {
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.Kind == problem.Internal {
		return err
	}
	reason := adapter.Conversion
	switch p.Key {
	case "exchange.refuse.kind":
		reason = adapter.NotLive
	case "exchange.refuse.unknown_destination", "exchange.refuse.leaving":
		reason = adapter.Unroutable
	}
	return &trouble{key: p.Key, args: p.Args, message: m, refusal: &adapter.Refusal{Reason: reason, Detail: p.Key}}
}

// acknowledge tells the system's machine that its message is stored. A message that a
// person corrected was answered when it came.
func (g *gate) acknowledge(tx *store.Tx, i *in, key *seal.Key, m *adapter.Message) error {
	if i.parent > 0 {
		return nil
	}
	enc, f := g.adapter.Acknowledge(m, g.reply(m, "receipt"))
	if f != nil {
		g.Log.Error("gateway: receipt", "gateway", g.cfg.Name, "rule", f.Rule)
		return nil
	}
	if enc == nil {
		return nil
	}
	return g.answer(tx, i, key, enc)
}

// settle takes what the system's machine says of a message that was sent to it.
func (g *gate) settle(tx *store.Tx, i *in, key *seal.Key, m *adapter.Message) error {
	o, err := one(scanOut(tx, `gateway = $1 AND foreign_id = $2 ORDER BY answers, id LIMIT 1`, g.cfg.Name, short(m.Answers)))
	if err != nil {
		return err
	}
	if o == nil || m.Answers == "" {
		if m.Receipt.Refused {
			return &trouble{key: "gateway.tray.unknown_receipt"}
		}
	} else if m.Receipt.Again {
		o.nextAt = millis(g.Clock.Now().Add(g.cfg.Resend)) // it is sent again, as without a receipt
		if _, err := o.save(tx); err != nil {
			return err
		}
	} else if m.Receipt.Refused {
		late := o.state == outDone
		if err := g.refuse(tx, o, "gateway.refused.system", m.Receipt.Code+" "+m.Receipt.Text); err != nil {
			return err
		}
		if late { // its sender was told otherwise: a person has to tell him
			return g.toTray(tx, i, key, &trouble{key: "gateway.tray.late_refusal"})
		}
	} else if o.state == outSent || o.state == outWaiting {
		if err := g.done(tx, o); err != nil {
			return err
		}
	}
	i.state, i.endedAt = inReceipt, millis(g.Clock.Now())
	_, err = i.save(tx, inNew)
	return err
}

// Diagnosis is what is wrong with a message in the tray.
type Diagnosis struct {
	Key    string    `json:"key"` // the text of why it is there
	Args   i18n.Args `json:"args,omitempty"`
	Detail string    `json:"detail,omitempty"` // technical, English
	Line   int       `json:"line,omitempty"`   // of the message, from 1
	Rule   string    `json:"rule,omitempty"`
	Place  string    `json:"place,omitempty"` // the text of the place and the rule
	With   i18n.Args `json:"with,omitempty"`  // of Place
}

// toTray puts a message where a person finds it, and tells the system's machine. It
// inserts the row if it has no number yet.
func (g *gate) toTray(tx *store.Tx, i *in, key *seal.Key, t *trouble) error {
	d := Diagnosis{Key: t.key, Args: t.args}
	if t.refusal != nil {
		d.Detail = t.refusal.Detail
		if f := t.refusal.Fault; f != nil {
			d.Line, d.Rule, d.Place, d.With = f.Line, f.Rule, f.Key, f.Args
		}
	}
	text, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("gateway: diagnosis: %w", err)
	}
	i.name(t.message, g.kind)
	i.state, i.reason, i.diagnosis = inTray, t.key, key.Seal(text, i.place("diagnosis"))
	if i.id == 0 {
		err = i.insert(tx)
	} else {
		_, err = i.save(tx, inNew)
	}
	if err != nil {
		return err
	}
	g.metrics.trayed.WithLabelValues(g.cfg.Name).Inc()
	if t.refusal != nil && i.parent == 0 {
		enc, f := g.adapter.Refuse(g.answerable(t.message), t.refusal, g.reply(t.message, "receipt"))
		if f == nil && enc != nil {
			if err := g.answer(tx, i, key, enc); err != nil {
				return err
			}
		}
	}
	return g.Audit.Append(tx, audit.Event{Action: "gateway.tray", Actor: g.cfg.OID, Object: g.cfg.Name, Detail: text, Key: key})
}

// answerable is a message as it is answered: one that is for nobody here is answered by
// one of our own addresses, or its sender would not know who speaks.
func (g *gate) answerable(m *adapter.Message) *adapter.Message {
	if m == nil || g.cfg.oidOf(m.Receiver) != "" {
		return m
	}
	c := *m
	if c.Receiver = g.cfg.OID; len(g.cfg.Addresses) > 0 {
		c.Receiver = g.cfg.Addresses[0].Name
	}
	return &c
}

// wait lets the others through to the writer.
func wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Millisecond):
		return nil
	}
}
