package identity

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

const (
	// endedTime is how long the node knows whose a session was that ended by itself:
	// a page left open over a shift may still be sent.
	endedTime = 12 * time.Hour
	// formTime is for signing in again with all there is to it, and no longer.
	formTime = time.Hour
)

// Form is what somebody sent after his session had ended.
type Form struct {
	Action string    `json:"action"` // where to: path and query
	Fields string    `json:"fields"` // as browsers encode a form
	At     time.Time `json:"at"`
}

// KeepForm keeps, sealed, what came with the token of a session that ended by
// itself, until its person signs in again in that browser; the last form counts.
// It reports false for any other token: nobody knows then whose it is.
func (d *Directory) KeepForm(ctx context.Context, token, action, fields string) (kept bool, err error) {
	now := d.o.Clock.Now()
	raw, err := json.Marshal(Form{Action: action, Fields: fields, At: now})
	if err != nil {
		return false, problem.Wrap("identity.KeepForm", err)
	}
	err = d.o.DB.Write(ctx, func(tx *store.Tx) error {
		kept = false
		hash, halfway := hashToken(token), ""
		s, err := optional(sessionByToken(tx, token))
		switch {
		case err != nil:
			return err
		case s != nil && s.Stage == StageDone: // not swept yet
			if err := d.remember(tx, s); err != nil {
				return err
			}
		case s != nil: // its author is signing in again, in another window
			hash, halfway = nil, s.ID
		}
		var author string
		err = tx.Row(`SELECT person FROM identity_ended WHERE hash = $1 AND session = '' OR session = $2 AND session <> ''`, bytesOf(hash), halfway).Scan(&author)
		if errors.Is(err, store.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		kept = true
		_, err = tx.Exec(`UPDATE identity_ended SET form = $3, until = $4 WHERE hash = $1 AND session = '' OR session = $2 AND session <> ''`,
			bytesOf(hash), halfway, d.seal.seal(raw, "form/"+author), millis(now.Add(formTime)))
		return err
	})
	return kept, problem.Wrap("identity.KeepForm", err)
}

// remember notes whose a session is that ends by itself. A form that waits in it
// waits on.
func (d *Directory) remember(tx *store.Tx, s *Session) error {
	if err := unbind(tx, s.ID); err != nil || s.Stage != StageDone {
		return err
	}
	_, err := tx.Exec(`INSERT INTO identity_ended (hash, person, session, form, until)
		SELECT hash, person, '', $2, $3 FROM identity_session WHERE id = $1 ON CONFLICT (hash) DO NOTHING`, s.ID, []byte{}, millis(d.o.Clock.Now().Add(endedTime)))
	return err
}

// unbind lets the form that waits in a session wait for the next one with its token.
func unbind(tx *store.Tx, session string) error {
	_, err := tx.Exec(`UPDATE identity_ended SET session = '', hash = (SELECT hash FROM identity_session WHERE id = $1) WHERE session = $1`, session)
	return err
}

// takeOver ends what the browser's token stood for before a session of person
// begins. A form waits on for its author, and for nobody else.
func (d *Directory) takeOver(tx *store.Tx, token, person, session string) error {
	old, err := optional(sessionByToken(tx, token))
	if err != nil {
		return err
	}
	if old != nil {
		if err := unbind(tx, old.ID); err != nil {
			return err
		}
		if err := d.end(tx, person, old.ID); err != nil {
			return err
		}
	}
	hash := hashToken(token)
	if _, err := tx.Exec(`DELETE FROM identity_ended WHERE hash = $1 AND person <> $2`, hash, person); err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE identity_ended SET session = $2 WHERE hash = $1`, hash, session)
	return err
}

// KeptForm returns the form that waits for who in this session, nil if none does.
func (d *Directory) KeptForm(ctx context.Context, who *web.Person) (*Form, error) {
	var sealed []byte
	err := d.o.DB.Read(ctx, func(tx *store.Tx) error {
		err := tx.Row(`SELECT form FROM identity_ended WHERE session = $1 AND person = $2 AND until > $3`, who.Session, who.ID, d.o.Clock.Now().UnixMilli()).Scan(&sealed)
		if errors.Is(err, store.ErrNoRows) {
			sealed = nil
			return nil
		}
		return err
	})
	if err != nil || len(sealed) == 0 {
		return nil, problem.Wrap("identity.KeptForm", err)
	}
	raw, err := d.seal.open(sealed, "form/"+who.ID)
	if err != nil {
		return nil, problem.Wrap("identity.KeptForm", err)
	}
	var f Form
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, problem.Wrap("identity.KeptForm", err)
	}
	return &f, nil
}

// DropForm forgets the form that waits for who in this session.
func (d *Directory) DropForm(ctx context.Context, who *web.Person) error {
	return problem.Wrap("identity.DropForm", d.o.DB.Write(ctx, func(tx *store.Tx) error {
		return dropForm(tx, who.Session)
	}))
}

func dropForm(tx *store.Tx, session string) error {
	_, err := tx.Exec(`DELETE FROM identity_ended WHERE session = $1`, session)
	return err
}
