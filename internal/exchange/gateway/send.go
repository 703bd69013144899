package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/adapter/transport"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// sendTimeout bounds one attempt.
const sendTimeout = 60 * time.Second

// place binds a row's sealed bytes to it: to what it says rather than to its number,
// which it gets last.
func (o *out) place(what string) []byte {
	id := strconv.FormatInt(o.entry, 10)
	if o.entry == 0 {
		id = o.foreign
	}
	return []byte("gateway_out:" + o.gateway + "/" + what + "/" + id)
}

// open opens one of its sealed columns; nil when there is nothing in it.
func (o *out) open(key *seal.Key, what string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, nil
	}
	return key.Open(sealed, o.place(what))
}

// sendDue sends what is due, one after the other.
func (g *gate) sendDue(ctx context.Context) (more bool, err error) {
	var list []*out
	var wake int64
	now := millis(g.Clock.Now())
	err = g.DB.Read(ctx, func(tx *store.Tx) error {
		held, err := exchange.Held(tx)
		if err != nil || held { // after a restore: a person releases what may have gone out before
			list, wake = nil, 0
			return err
		}
		list, wake, err = due(tx, g.cfg.Name, now)
		return err
	})
	if err != nil {
		return false, err
	}
	for _, o := range list {
		if err := g.send(ctx, o); err != nil {
			return false, err
		}
	}
	if len(list) > 0 {
		return true, nil
	}
	if pause := time.Duration(wake-now) * time.Millisecond; wake > 0 && pause < poll {
		select { // sooner than the slow look
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(pause):
		}
		return true, nil
	}
	return false, nil
}

// errUnreadable is of a row whose sealed bytes are not what was put there.
var errUnreadable = errors.New("gateway: a stored message cannot be opened")

// send makes one attempt.
func (g *gate) send(ctx context.Context, o *out) error {
	var p transport.Parcel
	ready := false
	err := g.DB.Read(ctx, func(tx *store.Tx) (err error) { p, ready, err = g.prepare(tx, o); return err })
	if errors.Is(err, errUnreadable) { // never to be sent: it must not hold up what is behind it
		g.Log.Error("gateway: sending", "gateway", g.cfg.Name, "message", o.messageID, "error", err)
		return g.DB.Write(ctx, func(tx *store.Tx) error { return g.refuse(tx, o, "gateway.refused.unreadable", "") })
	}
	if err != nil {
		return err
	}
	if !ready {
		return g.DB.Write(ctx, func(tx *store.Tx) error {
			o.state, o.endedAt = outExpired, millis(g.Clock.Now())
			g.metrics.ended(g.cfg.Name, outExpired)
			_, err := o.save(tx)
			return err
		})
	}
	attempt, cancel := context.WithTimeout(ctx, sendTimeout)
	err = g.way.Send(attempt, p)
	cancel()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	refusal, final := errors.AsType[*transport.Refusal](err)
	if err != nil && !final {
		g.down(ctx, err)
		o.tries++
		o.nextAt = millis(g.Clock.Now().Add(backoff(int(o.tries) - 1)))
		return g.DB.Write(ctx, func(tx *store.Tx) error { _, err := o.save(tx); return err })
	}
	g.up(ctx)
	// What the other side has is noted even when the program is about to end.
	return g.DB.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		if final {
			return g.refuse(tx, o, "gateway.refused.line", refusal.Reason)
		}
		return g.sent(tx, o)
	})
}

// prepare looks at a row once more before it is sent. It is not ready any more when it
// has expired, people have taken it back, or it was deleted.
func (g *gate) prepare(tx *store.Tx, o *out) (p transport.Parcel, ready bool, err error) {
	if o.expiresAt <= millis(g.Clock.Now()) {
		return p, false, nil
	}
	if o.entry > 0 {
		if r, err := g.Node.Receipt(tx, o.entry); err != nil || r.Ended() {
			return p, false, err
		}
	}
	key, err := g.Ring.Lookup(tx, o.keyID)
	if errors.Is(err, seal.ErrDestroyed) {
		return p, false, nil
	}
	if err != nil {
		return p, false, err
	}
	body, err := o.open(key, "body", o.body)
	if err != nil {
		return p, false, errors.Join(errUnreadable, err)
	}
	p = transport.Parcel{ID: o.foreign, To: g.cfg.Partner, Type: g.adapter.MediaType, Body: body, Expires: moment(o.expiresAt)}
	p.Text = g.Texts.Text(g.Lang, "gateway.mail", i18n.Args{"name": g.Node.NameOf(g.cfg.OID), "from": g.Node.NameOf(o.source), "until": moment(o.expiresAt)})
	if g.kind != store.Live {
		p.Text = g.Texts.Text(g.Lang, "gateway.mail.test", nil) + " " + p.Text
	}
	return p, true, nil
}

// sent notes that the transport has it. A receipt, and a message to a system whose
// machine does not answer, is done then.
func (g *gate) sent(tx *store.Tx, o *out) error {
	now := g.Clock.Now()
	if o.sentAt == 0 {
		o.sentAt = millis(now)
	}
	if o.entry > 0 && g.cfg.receipts() {
		o.state, o.nextAt = outSent, millis(now.Add(g.cfg.Resend))
		_, err := o.save(tx)
		return err
	}
	return g.done(tx, o)
}

// done ends a message that the system has.
func (g *gate) done(tx *store.Tx, o *out) error {
	o.state, o.endedAt = outDone, millis(g.Clock.Now())
	if ok, err := o.save(tx); err != nil || !ok || o.entry == 0 {
		return err
	}
	g.metrics.ended(g.cfg.Name, outDone)
	if err := g.Node.Conclude(tx, o.entry, nil); err != nil {
		return err
	}
	return g.Audit.Append(tx, audit.Event{Action: "gateway.done", Actor: g.cfg.OID, Object: o.messageID})
}

// refuse ends a message that the system does not take, in its words: as a short line,
// since they go on to the sender. How the system put them stays in the row of what it sent.
func (g *gate) refuse(tx *store.Tx, o *out, key, words string) error {
	words = transport.OneLine(words)
	k, err := g.Ring.Lookup(tx, o.keyID)
	if err == nil {
		o.answer = k.Seal([]byte(words), o.place("answer"))
	} else if !errors.Is(err, seal.ErrDestroyed) {
		return err
	}
	late := o.state == outDone
	o.state, o.reason, o.endedAt = outRefused, key, millis(g.Clock.Now())
	g.metrics.ended(g.cfg.Name, outRefused)
	if late {
		return o.lateRefusal(tx)
	}
	if ok, err := o.save(tx); err != nil || !ok || o.entry == 0 {
		return err
	}
	cause := &ucri.ErrorBody{Code: ucri.CodePayloadInvalid, Reason: g.Texts.Text(g.Lang, key, nil), Message: words}
	if err := g.Node.Conclude(tx, o.entry, cause); err != nil {
		return err
	}
	return g.Audit.Append(tx, audit.Event{Action: "gateway.refused", Actor: g.cfg.OID, Object: o.messageID})
}

// losses opens a loss report; nil when there is none any more.
func losses(plain []byte, err error) ([]convert.Loss, error) {
	if err != nil || len(plain) == 0 {
		return nil, err
	}
	var list []convert.Loss
	if err := json.Unmarshal(plain, &list); err != nil {
		return nil, fmt.Errorf("gateway: loss report: %w", err)
	}
	return list, nil
}
