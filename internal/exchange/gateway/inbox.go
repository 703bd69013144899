package gateway

import (
	"context"
	"encoding/hex"

	"trojmezi/internal/exchange/adapter/transport"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/store"
)

// inbox is the transport.Box of a gateway.
type inbox struct{ *gate }

// inPlace binds sealed bytes to their row, which has no number yet.
func (i *in) place(what string) []byte {
	return []byte("gateway_in:" + i.gateway + "/" + what + "/" + hex.EncodeToString(i.digest))
}

// Take stores what came in, sealed. The same delivery again is not stored again: the
// receipt it was answered with goes out once more.
func (b *inbox) Take(ctx context.Context, d transport.Delivery) error {
	digest := b.fingerprint(d.Body)
	err := b.DB.Write(ctx, func(tx *store.Tx) error {
		// Made here: when another's fault rolls the batch back this runs again.
		i := &in{gateway: b.cfg.Name, kind: b.kind, deliveryID: short(d.ID), digest: digest, mediaType: short(d.Type), volatile: d.Volatile, state: inNew}
		now := millis(b.Clock.Now())
		if d.Cursor != "" {
			if _, err := tx.Exec(`UPDATE gateway_line SET cursor = $2 WHERE gateway = $1`, b.cfg.Name, d.Cursor); err != nil {
				return err
			}
		}
		if err := heard(tx, b.cfg.Name, now); err != nil {
			return err
		}
		if d.ID != "" {
			before, err := one(scanIn(tx, `gateway = $1 AND delivery_id = $2 AND digest = $3 ORDER BY id LIMIT 1`, b.cfg.Name, i.deliveryID, i.digest))
			if err != nil {
				return err
			}
			if before != nil {
				return b.repeated(tx, before)
			}
		}
		key, err := b.Ring.Key(tx, "gateway:"+b.cfg.Name+"/"+b.Clock.NewID())
		if err != nil {
			return err
		}
		i.receivedAt, i.keyID, i.body = now, key.ID(), key.Seal(d.Body, i.place("body"))
		if d.Fault != "" {
			err = b.toTray(tx, i, key, &trouble{key: d.Fault})
		} else {
			err = i.insert(tx)
		}
		if err != nil {
			return err
		}
		tx.Notify(topicIn(b.cfg.Name))
		return b.Audit.Append(tx, audit.Event{Action: "gateway.receive", Actor: b.cfg.OID, Object: b.cfg.Name, Detail: d.Body, Key: key})
	})
	if err == nil {
		b.metrics.received.WithLabelValues(b.cfg.Name).Inc()
	}
	return err
}

// Cursor is where the transport goes on.
func (b *inbox) Cursor(ctx context.Context) (string, error) {
	var l line
	err := b.DB.Read(ctx, func(tx *store.Tx) (err error) { l, err = readLine(tx, b.cfg.Name); return err })
	return l.cursor, err
}

// repeated sends the receipt of a message once more, if it had one.
func (g *gate) repeated(tx *store.Tx, before *in) error {
	again, err := answerAgain(tx, before.id, millis(g.Clock.Now().Add(receiptLife)))
	if again {
		tx.Notify(topicOut(g.cfg.Name))
	}
	return err
}
