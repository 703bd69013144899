package identity

import (
	"context"

	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Confirm takes a one-time or recovery code of somebody who is signed in already: for a
// step that an open desk must not be enough for, whatever the age of the session. It
// returns who it is. The fifth wrong code ends the session.
func (d *Directory) Confirm(ctx context.Context, token, code string) (person string, err error) {
	const op = "identity.Confirm"
	s, p, err := d.stage(ctx, op, token, StageDone)
	if err != nil {
		return "", err
	}
	if err := d.limits.take("person", p.ID); err != nil {
		return "", err
	}
	err = d.o.DB.Write(ctx, func(tx *store.Tx) error {
		p, err := personByID(tx, p.ID)
		if err != nil {
			return none(op, err)
		}
		if err := d.useCode(tx, p, code); err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE identity_session SET tries = 0 WHERE id = $1`, s.ID)
		return err
	})
	if err != nil {
		return "", problem.Wrap(op, d.wrongSecond(ctx, s, err))
	}
	d.limits.give("person", p.ID)
	return p.ID, nil
}

// BeginConfirm returns the options for navigator.credentials.get as JSON, by which
// somebody who is signed in confirms a step with a passkey; nil when he has none for this
// host.
func (d *Directory) BeginConfirm(ctx context.Context, token, origin string) ([]byte, error) {
	return d.askPasskey(ctx, "identity.BeginConfirm", token, origin, StageDone)
}

// ConfirmPasskey is Confirm with the passkey's answer.
func (d *Directory) ConfirmPasskey(ctx context.Context, token, origin string, response []byte) (person string, err error) {
	const op = "identity.ConfirmPasskey"
	s, p, err := d.stage(ctx, op, token, StageDone)
	if err != nil {
		return "", err
	}
	if err := d.limits.take("person", p.ID); err != nil {
		return "", err
	}
	err = d.takePasskey(ctx, op, s, p, origin, response, func(tx *store.Tx, _ *Person) error {
		_, err := tx.Exec(`UPDATE identity_session SET tries = 0 WHERE id = $1`, s.ID)
		return err
	})
	if err != nil {
		return "", err
	}
	d.limits.give("person", p.ID)
	return p.ID, nil
}
