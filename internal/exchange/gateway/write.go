package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/adapter"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

const (
	// page bounds the messages that are written in one transaction.
	page = 32
	// feedLag is how far the stored position may stay behind messages of others:
	// writing it down for each of those would cost a commit.
	feedLag = 2_000
)

// writeOut reads one page of the log and writes what is for the foreign system, after
// what was put off.
func (g *gate) writeOut(ctx context.Context) (more bool, err error) {
	if err := g.writeAgain(ctx); err != nil {
		return false, err
	}
	var from, next int64
	var entries []exchange.Entry
	err = g.DB.Read(ctx, func(tx *store.Tx) error {
		l, err := readLine(tx, g.cfg.Name)
		if err != nil {
			return err
		}
		from = l.position
		entries, next, err = g.Node.Feed(tx, []string{g.cfg.OID}, max(from, g.skipped.Load()), page)
		return err
	})
	if err != nil {
		return false, err
	}
	if len(entries) == 0 && next-from < feedLag {
		moved := next > g.skipped.Load()
		g.skipped.Store(max(next, g.skipped.Load()))
		return moved, nil
	}
	entries = slices.DeleteFunc(entries, func(e exchange.Entry) bool { return !e.Incoming || e.Envelope == nil }) // of the system itself, or deleted
	err = g.advance(ctx, from, next, func(tx *store.Tx) error {
		for _, e := range entries {
			if err := g.write(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && ctx.Err() == nil && len(entries) > 0 {
		err = g.writeEach(ctx, from, next, entries)
	}
	return true, err
}

// advance goes on in the log with what do writes for that part of it.
func (g *gate) advance(ctx context.Context, from, to int64, do func(tx *store.Tx) error) error {
	return g.DB.Write(ctx, func(tx *store.Tx) error {
		// Another instance may lead by now: the position decides who writes.
		if ok, err := move(tx, g.cfg.Name, from, to); err != nil || !ok {
			return err
		}
		tx.Notify(topicOut(g.cfg.Name))
		return do(tx)
	})
}

// writeEach writes the messages of a page on their own, so that one which cannot be
// written holds up none behind it. That one is put off.
func (g *gate) writeEach(ctx context.Context, from, next int64, entries []exchange.Entry) error {
	for n, e := range entries {
		to := e.ID
		if n == len(entries)-1 {
			to = next
		}
		err := g.advance(ctx, from, to, func(tx *store.Tx) error { return g.write(tx, e) })
		if err != nil {
			g.Log.Error("gateway: a message is put off", "gateway", g.cfg.Name, "message", e.MessageID, "error", err)
			if off := g.advance(ctx, from, to, func(tx *store.Tx) error { return g.putOff(tx, g.outOf(e)) }); off != nil {
				return errors.Join(err, off)
			}
		}
		from = to
	}
	return nil
}

// unwritten is the reason of a row that waits because its message could not be written,
// or because another of its incident that came before it could not.
const unwritten = "gateway.unwritten"

// putOff keeps a message whose writing is tried again until it expires.
func (g *gate) putOff(tx *store.Tx, o *out) error {
	o.reason, o.nextAt = unwritten, millis(g.Clock.Now().Add(backoff(0)))
	return o.insert(tx)
}

// writeAgain tries what was put off; what follows one of its incident waits with it.
func (g *gate) writeAgain(ctx context.Context) error {
	var list []*out
	now := millis(g.Clock.Now())
	if err := g.DB.Read(ctx, func(tx *store.Tx) (err error) {
		list, err = scanOut(tx, `gateway = $1 AND state IN ('waiting', 'sent') AND reason = $2 ORDER BY id LIMIT 256`, g.cfg.Name, unwritten)
		return err
	}); err != nil {
		return err
	}
	held := map[int64]bool{}
	for _, o := range list {
		if held[o.keyID] {
			continue
		}
		held[o.keyID] = true
		if o.nextAt > now {
			continue
		}
		err := g.DB.Write(ctx, func(tx *store.Tx) error { return g.rewrite(tx, o) })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			held[o.keyID] = false
			continue
		}
		g.Log.Error("gateway: a message is put off", "gateway", g.cfg.Name, "message", o.messageID, "error", err)
		o.tries++
		o.nextAt = millis(g.Clock.Now().Add(backoff(int(o.tries))))
		if err := g.DB.Write(ctx, func(tx *store.Tx) error { _, err := o.save(tx); return err }); err != nil {
			return err
		}
	}
	return nil
}

// rewrite writes a message that was put off, unless it has ended meanwhile.
func (g *gate) rewrite(tx *store.Tx, put *out) error {
	e, err := g.Node.Entry(tx, put.entry)
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return err
	}
	o := *put
	o.reason, o.nextAt, o.tries = "", 0, 0
	if err == nil && e.Envelope != nil && ucri.TransportLayer(e.Envelope.Payload) {
		o.state, o.endedAt = outDone, millis(g.Clock.Now())
		if ok, err := o.save(tx); err != nil || !ok {
			return err
		}
		return g.takeStatus(tx, e)
	}
	ended := err != nil || e.Envelope == nil || o.expiresAt <= millis(g.Clock.Now())
	if !ended {
		r, err := g.Node.Receipt(tx, o.entry)
		if err != nil {
			return err
		}
		ended = r.Ended()
	}
	if ended {
		o.state, o.endedAt = outExpired, millis(g.Clock.Now())
		g.metrics.ended(g.cfg.Name, outExpired)
		_, err := o.save(tx)
		return err
	}
	tx.Notify(topicOut(g.cfg.Name))
	return g.fill(tx, &o, e)
}

// outOf is the row of a message that is to be written.
func (g *gate) outOf(e exchange.Entry) *out {
	return &out{gateway: g.cfg.Name, kind: e.Kind, entry: e.ID, source: e.Other, messageID: e.MessageID, state: outWaiting,
		createdAt: millis(g.Clock.Now()), expiresAt: millis(e.ExpiresAt), keyID: e.KeyID}
}

// write turns one message into the system's and keeps it for sending. It waits behind
// one of its incident that was put off.
func (g *gate) write(tx *store.Tx, e exchange.Entry) error {
	if ucri.TransportLayer(e.Envelope.Payload) {
		return g.takeStatus(tx, e)
	}
	if !g.Clock.Now().Before(e.ExpiresAt) {
		return nil // the node tells the sender
	}
	o := g.outOf(e)
	before, err := one(scanOut(tx, `gateway = $1 AND state IN ('waiting', 'sent') AND reason = $2 AND key_id = $3 LIMIT 1`, g.cfg.Name, unwritten, e.KeyID))
	if err != nil {
		return err
	}
	if before != nil {
		return g.putOff(tx, o)
	}
	return g.fill(tx, o, e)
}

// fill writes a message into its row; what the system has no message for ends here, and
// its sender is told.
func (g *gate) fill(tx *store.Tx, o *out, e exchange.Entry) error {
	enc, refusal, err := g.encode(tx, e)
	if err != nil {
		return err
	}
	if refusal != nil {
		o.state, o.reason, o.endedAt = outRefused, refusal.key, millis(g.Clock.Now())
		o.answer = e.Key.Seal([]byte(refusal.detail), o.place("answer"))
		if err := o.keep(tx); err != nil {
			return err
		}
		g.metrics.ended(g.cfg.Name, outRefused)
		return g.Node.Conclude(tx, e.ID, refusal.cause)
	}
	loss, err := json.Marshal(enc.Loss)
	if err != nil {
		return fmt.Errorf("gateway: loss report: %w", err)
	}
	o.foreign = enc.ID
	o.body = e.Key.Seal(enc.Bytes, o.place("body"))
	o.loss = e.Key.Seal(loss, o.place("loss"))
	if !enc.Expires.IsZero() {
		o.expiresAt = min(o.expiresAt, millis(enc.Expires))
	}
	if err := o.keep(tx); err != nil {
		return err
	}
	return g.Audit.Append(tx, audit.Event{Action: "gateway.write", Actor: g.cfg.OID, Object: e.MessageID, Detail: enc.Bytes, Key: e.Key})
}

// refused is why a message does not go out: a text key for the pages, words for whoever
// looks after the line, and what its sender is told.
type refused struct {
	key, detail string
	cause       *ucri.ErrorBody
}

// because tells a refusal of an adapter.
func (g *gate) because(r *adapter.Refusal) *refused {
	key := "adapter.refusal." + string(r.Reason)
	code := ucri.CodePayloadInvalid
	if r.Reason == adapter.Kind {
		code = ucri.CodeUnsupportedSchema
	}
	return &refused{key, r.Error(), &ucri.ErrorBody{Code: code, Reason: g.Texts.Text(g.Lang, key, nil)}}
}

// encode applies the disclosure policy and writes the message.
func (g *gate) encode(tx *store.Tx, e exchange.Entry) (*adapter.Encoded, *refused, error) {
	m, refusal := adapter.ReadUCRI(e.Envelope)
	if refusal != nil {
		return nil, g.because(refusal), nil
	}
	if g.Disclose != nil {
		if err := g.Disclose(tx, e, m.Content); err != nil {
			p, ok := errors.AsType[*problem.Error](err)
			if !ok {
				return nil, nil, err
			}
			return nil, &refused{p.Key, "", &ucri.ErrorBody{Code: ucri.CodeForbiddenApp, Reason: g.Texts.Text(g.Lang, p.Key, p.Args)}}, nil
		}
	}
	m.Protect() // whatever the rules say
	m.Sender, m.Receiver = g.cfg.nameOf(e.Other), g.cfg.Partner
	shared := ucri.SubjectID(e.Envelope.Payload)
	about, known, err := incidentBy(tx, g.cfg.Name, "shared", shared)
	if err != nil {
		return nil, nil, err
	}
	if !known {
		about = incident{number: shared, shared: shared}
	}
	m.Number = about.number
	if g.kind != store.Live { // UCRI 2 tells it by the address alone
		mode, err := practice(tx, about)
		if err != nil {
			return nil, nil, err
		}
		m.Content.Careful(mode)
	}
	switch m.Kind {
	case convert.KindAnswer:
		m.Answers = about.lastID
	case convert.KindIncident:
		if about.told++; known {
			m.Kind = convert.KindUpdate // UCRI 2 has no word for it
		}
		m.Revision = int(about.told)
	}
	enc, f := g.adapter.Encode(m)
	if f != nil {
		return nil, g.because(adapter.Because(f)), nil
	}
	if shared != "" {
		err = about.put(tx, g.cfg.Name)
	}
	return enc, nil, err
}

// practice is what is said of an incident at a test address: that it is an exercise when
// the system said so of it, else a test.
func practice(tx *store.Tx, about incident) (mode string, err error) {
	i, err := one(scanIn(tx, `id = $1`, about.lastIn))
	if err == nil && i != nil && i.kind == store.Exercise {
		return "EXERCS", nil
	}
	return "TEST", err
}

// takeStatus reads what a node says of a message that came through this gateway. If
// nobody took it in time, or it was refused, the system's machine is told.
func (g *gate) takeStatus(tx *store.Tx, e exchange.Entry) error {
	s, bad := ucri.ParseDeliveryStatus(e.Envelope.Payload)
	if bad == nil && s.StatusCode != ucri.Delivered {
		i, err := one(scanIn(tx, `gateway = $1 AND posted_id = $2 ORDER BY id LIMIT 1`, g.cfg.Name, s.RefMessageID))
		if err != nil {
			return err
		}
		ours := false
		if i != nil { // a status that names another destination is none of it, whoever sends it
			posted, err := g.Node.Entry(tx, i.entry)
			if err != nil && !errors.Is(err, store.ErrNoRows) {
				return err
			}
			to := posted.Other
			if posted.Incoming { // from here to a desk of this node
				to = posted.Own
			}
			ours = err == nil && to == s.Destination
		}
		if ours {
			if err := g.undelivered(tx, i, s); err != nil {
				return err
			}
		}
	}
	return g.Node.Conclude(tx, e.ID, nil)
}

func (g *gate) undelivered(tx *store.Tx, i *in, s ucri.DeliveryStatus) error {
	key, err := g.Ring.Lookup(tx, i.keyID)
	if errors.Is(err, seal.ErrDestroyed) {
		return nil
	}
	if err != nil {
		return err
	}
	body, err := key.Open(i.body, i.place("body"))
	if err != nil {
		return err
	}
	m, f := g.adapter.Decode(body)
	if f != nil {
		return nil // it was read once: a release in between reads otherwise
	}
	why := &adapter.Refusal{Reason: adapter.Undelivered, Detail: fmt.Sprintf("status %d", s.StatusCode)}
	enc, f := g.adapter.Refuse(m, why, g.reply(m, "undelivered"))
	if f != nil || enc == nil {
		return nil
	}
	return g.answer(tx, i, key, enc)
}

// receiptLife is how long a receipt is worth sending.
const receiptLife = time.Hour

// reply is the head of an answer to the system's machine: the same for the same message.
func (g *gate) reply(m *adapter.Message, what string) adapter.Reply {
	r := adapter.Reply{Now: g.Clock.Now(), Life: receiptLife}
	if m != nil {
		r.ID = convert.UUID(what+"/"+m.ID, g.cfg.OID+"/"+m.Sender)
	}
	return r
}

// answer keeps a receipt for sending, sealed as what it answers.
func (g *gate) answer(tx *store.Tx, i *in, key *seal.Key, enc *adapter.Encoded) error {
	now := g.Clock.Now()
	o := &out{gateway: g.cfg.Name, kind: i.kind, answers: i.id, foreign: enc.ID, state: outWaiting, createdAt: millis(now), expiresAt: millis(now.Add(receiptLife)),
		keyID: key.ID()}
	o.body = key.Seal(enc.Bytes, o.place("body"))
	tx.Notify(topicOut(g.cfg.Name))
	return o.insert(tx)
}
