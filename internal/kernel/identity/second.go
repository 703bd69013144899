package identity

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

const (
	// maxTries is how many wrong second factors end a session under way.
	maxTries = 5
	// freshTime is how old a sign-in may be when somebody changes how he signs
	// in: an open desk must not be enough to take an account over.
	freshTime = 15 * time.Minute
	// recoveryCodes fit on a card; ten last for years.
	recoveryCodes = 10
	// recoverySymbols at five bits each are 80 bits, which need no slow hash.
	recoverySymbols = 16
)

// alphabet has no signs that are mistaken for each other on paper (0 O, 1 I).
const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

// readable returns n random symbols of the alphabet in groups of four.
func readable(n int) string {
	random := make([]byte, n)
	rand.Read(random) // never fails (crypto/rand, since Go 1.24)
	var b strings.Builder
	for i, r := range random {
		if i > 0 && i%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(alphabet[int(r)%len(alphabet)])
	}
	return b.String()
}

// typed undoes what people add or change when they copy such a text.
func typed(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(alphabet, r) {
			return r
		}
		return -1
	}, strings.ToUpper(s))
}

// pending is what a session keeps between two steps, sealed.
type pending struct {
	TOTP    []byte                `json:"totp,omitempty"`    // key to be confirmed
	Passkey *webauthn.SessionData `json:"passkey,omitempty"` // challenge to be answered
	Codes   []string              `json:"codes,omitempty"`   // recovery codes to be shown
	Link    *IssuedLink           `json:"link,omitempty"`    // link to be handed over
}

func (d *Directory) pending(s *Session) (p pending, err error) {
	if len(s.pending) == 0 {
		return pending{}, nil
	}
	raw, err := d.seal.open(s.pending, "pending/"+s.ID)
	if err != nil {
		return pending{}, err
	}
	return p, json.Unmarshal(raw, &p)
}

func (d *Directory) setPending(tx *store.Tx, session string, p pending) error {
	raw, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE identity_session SET pending = $2 WHERE id = $1`, session, d.seal.seal(raw, "pending/"+session))
	return err
}

// keepPending changes what the session keeps.
func (d *Directory) keepPending(ctx context.Context, s *Session, f func(*pending)) error {
	return d.o.DB.Write(ctx, func(tx *store.Tx) error {
		s, err := sessionByID(tx, s.ID)
		if err != nil {
			return none("identity.pending", err)
		}
		p, err := d.pending(s)
		if err != nil {
			return err
		}
		f(&p)
		return d.setPending(tx, s.ID, p)
	})
}

func wrongCode() error { return Faults{{"code", "identity.refused.code", nil}} }

// useCode takes a one-time or recovery code of p, each once. p is as read in tx.
func (d *Directory) useCode(tx *store.Tx, p *Person, code string) error {
	if c := digits(code); len(c) == totpDigits && len(typed(code)) <= totpDigits && p.HasTOTP {
		key, err := d.seal.open(p.totp, "totp/"+p.ID)
		if err != nil {
			return err
		}
		step, ok := checkTOTP(key, c, d.o.Clock.Now(), p.totpStep)
		if !ok {
			return wrongCode()
		}
		p.totpStep = step
		_, err = tx.Exec(`UPDATE identity_person SET totp_step = $2 WHERE id = $1`, p.ID, step)
		return err
	}
	c := typed(code)
	if len(c) != recoverySymbols {
		return wrongCode()
	}
	n, err := tx.Exec(`DELETE FROM identity_recovery WHERE person = $1 AND hash = $2`, p.ID, hashToken(c))
	if err != nil {
		return err
	}
	if n == 0 {
		return wrongCode()
	}
	return d.note(tx, audit.Event{Action: "identity.recovery.use", Actor: p.ID, Object: p.ID}, nil)
}

// SecondCode is the step StageSecond with a one-time or recovery code. The
// fifth wrong one ends the session.
func (d *Directory) SecondCode(ctx context.Context, token, code string) (in SignedIn, err error) {
	const op = "identity.SecondCode"
	s, p, err := d.stage(ctx, op, token, StageSecond)
	if err != nil {
		return in, err
	}
	if err := d.limits.take("person", p.ID); err != nil {
		return in, err
	}
	err = d.o.DB.Write(ctx, func(tx *store.Tx) error {
		p, err := personByID(tx, p.ID)
		if err != nil {
			return none(op, err)
		}
		if err := d.useCode(tx, p, code); err != nil {
			return err
		}
		in, err = d.advance(tx, p, s)
		return err
	})
	if err == nil {
		d.limits.give("person", p.ID)
		return in, nil
	}
	return in, problem.Wrap(op, d.wrongSecond(ctx, s, err))
}

// wrongSecond counts a wrong second factor; err is what was wrong.
func (d *Directory) wrongSecond(ctx context.Context, s *Session, err error) error {
	if _, ok := errors.AsType[Faults](err); !ok {
		return err
	}
	return errors.Join(err, d.o.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(`UPDATE identity_session SET tries = tries + 1 WHERE id = $1`, s.ID); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM identity_session WHERE id = $1 AND tries >= $2`, s.ID, maxTries); err != nil {
			return err
		}
		return d.note(tx, audit.Event{Action: "identity.session.refuse", Object: s.Person}, nil)
	}))
}

// stage returns the session of a token if it is at this stage.
func (d *Directory) stage(ctx context.Context, op, token string, want Stage) (*Session, *Person, error) {
	s, p, err := d.Pending(ctx, token)
	if err == nil && s.Stage != want {
		err = problem.New(op, problem.Conflict, "", nil)
	}
	return s, p, err
}

// enrolling returns the session of a token if its person may change his second
// factors: while he is led to it, or soon after he signed in.
func (d *Directory) enrolling(ctx context.Context, op, token string) (*Session, *Person, error) {
	s, p, err := d.Pending(ctx, token)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case s.Stage == StageEnrol && !p.hasSecond():
	case s.Stage != StageDone || p.Emergency:
		return nil, nil, problem.New(op, problem.Conflict, "", nil)
	case !d.fresh(s):
		// A PIN is seen over the shoulder at the desk.
		return nil, nil, problem.New(op, problem.Forbidden, "identity.refused.fresh", nil)
	}
	return s, p, nil
}

func (d *Directory) fresh(s *Session) bool {
	return s.Method != "pin" && d.o.Clock.Now().Sub(s.CreatedAt) <= freshTime
}

// Fresh reports whether the session of a token is young enough, and not by PIN, to
// change how its person signs in.
func (d *Directory) Fresh(ctx context.Context, token string) bool {
	s, _, err := d.Pending(ctx, token)
	return err == nil && (s.Stage == StageEnrol || d.fresh(s))
}

// BeginTOTP returns a new key to be put into an authenticator app: as text to
// type and as the address apps read. Asked again it returns the same until it is
// confirmed.
func (d *Directory) BeginTOTP(ctx context.Context, token, issuer string) (text, url string, err error) {
	const op = "identity.BeginTOTP"
	s, p, err := d.enrolling(ctx, op, token)
	if err != nil {
		return "", "", err
	}
	w, err := d.pending(s)
	if err != nil {
		return "", "", problem.Wrap(op, err)
	}
	if len(w.TOTP) == 0 {
		w.TOTP = newTOTPKey()
		if err := d.keepPending(ctx, s, func(p *pending) { p.TOTP = w.TOTP }); err != nil {
			return "", "", problem.Wrap(op, err)
		}
	}
	return totpText(w.TOTP), totpURL(w.TOTP, issuer, p.Login), nil
}

// ConfirmTOTP stores the key of BeginTOTP after a code shows that the app has it.
func (d *Directory) ConfirmTOTP(ctx context.Context, token, code string) (SignedIn, error) {
	const op = "identity.ConfirmTOTP"
	s, p, err := d.enrolling(ctx, op, token)
	if err != nil {
		return SignedIn{}, err
	}
	w, err := d.pending(s)
	if err != nil {
		return SignedIn{}, problem.Wrap(op, err)
	}
	step, ok := checkTOTP(w.TOTP, digits(code), d.o.Clock.Now(), 0)
	if len(w.TOTP) == 0 || !ok {
		return SignedIn{}, wrongCode()
	}
	return d.enrolled(ctx, op, token, s, p.ID, "identity.totp.add", func(_ *store.Tx, p *Person) error {
		p.totp, p.totpStep = d.seal.seal(w.TOTP, "totp/"+p.ID), step
		return nil
	})
}

// enrolled stores a second factor by f. With the first one come recovery codes,
// which the session keeps for Codes; a session that was led here goes on.
func (d *Directory) enrolled(ctx context.Context, op, token string, s *Session, person, action string, f func(*store.Tx, *Person) error) (in SignedIn, err error) {
	err = d.o.DB.Write(ctx, func(tx *store.Tx) error {
		in = SignedIn{Token: token, Session: s.ID, Person: person}
		p, err := personByID(tx, person)
		if err != nil {
			return none(op, err)
		}
		first := !p.hasSecond()
		if s.Stage == StageEnrol && !first {
			// Meanwhile there is a second factor: whoever has the password alone must
			// not add his own.
			return problem.New(op, problem.Conflict, "", nil)
		}
		if err := f(tx, p); err != nil {
			return err
		}
		if err := updatePerson(tx, p); err != nil {
			return err
		}
		if err := d.changed(tx, &web.Person{ID: p.ID}, action, p.ID, nil); err != nil {
			return err
		}
		var next pending
		if first {
			if next.Codes, err = d.newRecovery(tx, p.ID); err != nil {
				return err
			}
		}
		if s.Stage == StageEnrol {
			if in, err = d.advance(tx, p, s); err != nil {
				return err
			}
		}
		return d.setPending(tx, s.ID, next)
	})
	return in, problem.Wrap(op, err)
}

// newRecovery replaces the recovery codes of a person.
func (d *Directory) newRecovery(tx *store.Tx, person string) ([]string, error) {
	if _, err := tx.Exec(`DELETE FROM identity_recovery WHERE person = $1`, person); err != nil {
		return nil, err
	}
	var codes []string
	for range recoveryCodes {
		c := readable(recoverySymbols)
		if _, err := tx.Exec(`INSERT INTO identity_recovery (person, hash) VALUES ($1, $2)`, person, hashToken(typed(c))); err != nil {
			return nil, err
		}
		codes = append(codes, c)
	}
	return codes, d.note(tx, audit.Event{Action: "identity.recovery.create", Actor: person, Object: person}, nil)
}

// NewRecoveryCodes replaces by's recovery codes; Codes returns them.
func (d *Directory) NewRecoveryCodes(ctx context.Context, token string) error {
	const op = "identity.NewRecoveryCodes"
	s, p, err := d.enrolling(ctx, op, token)
	if err != nil {
		return err
	}
	if !p.hasSecond() {
		return problem.New(op, problem.Conflict, "", nil)
	}
	return problem.Wrap(op, d.o.DB.Write(ctx, func(tx *store.Tx) error {
		codes, err := d.newRecovery(tx, p.ID)
		if err != nil {
			return err
		}
		return d.setPending(tx, s.ID, pending{Codes: codes})
	}))
}

// Codes returns recovery codes not yet put away by Forget.
func (d *Directory) Codes(ctx context.Context, token string) ([]string, error) {
	s, _, err := d.Pending(ctx, token)
	if err != nil {
		return nil, err
	}
	w, err := d.pending(s)
	return w.Codes, err
}

// Forget drops what the session shows once: recovery codes and links.
func (d *Directory) Forget(ctx context.Context, token string) error {
	s, _, err := d.Pending(ctx, token)
	if err != nil {
		return err
	}
	return problem.Wrap("identity.Forget", d.keepPending(ctx, s, func(p *pending) { p.Codes, p.Link = nil, nil }))
}

// RemoveTOTP takes the authenticator app off by's account.
func (d *Directory) RemoveTOTP(ctx context.Context, token string) error {
	const op = "identity.RemoveTOTP"
	s, p, err := d.enrolling(ctx, op, token)
	if err != nil {
		return err
	}
	if s.Stage != StageDone {
		return problem.New(op, problem.Conflict, "", nil)
	}
	return d.change(ctx, &web.Person{ID: p.ID, Organisation: p.Organisation}, op, "identity.totp.remove", p.ID, func(_ *store.Tx, p *Person) error {
		p.totp = nil
		return nil
	})
}

// ResetSecond takes all second factors and recovery codes off an account and
// ends its sessions: for somebody who lost the device.
func (d *Directory) ResetSecond(ctx context.Context, by *web.Person, id string) error {
	return d.change(ctx, by, "identity.ResetSecond", "identity.second.reset", id, func(tx *store.Tx, p *Person) error {
		if err := own(by, id); err != nil {
			return err
		}
		p.totp = nil
		for _, q := range []string{`DELETE FROM identity_passkey WHERE person = $1`, `DELETE FROM identity_recovery WHERE person = $1`} {
			if _, err := tx.Exec(q, id); err != nil {
				return err
			}
		}
		return endSessions(tx, id, "")
	})
}

// SecondRoles returns the roles of an organisation that need a second factor.
func (d *Directory) SecondRoles(ctx context.Context, organisation string) (needed map[string]bool, err error) {
	err = d.o.DB.Read(ctx, func(tx *store.Tx) error {
		needed, err = secondRoles(tx, organisation)
		return err
	})
	return needed, problem.Wrap("identity.SecondRoles", err)
}

// SetSecondRoles replaces them; who has such a role and no second factor is led
// to set one up at his next sign-in.
func (d *Directory) SetSecondRoles(ctx context.Context, by *web.Person, organisation string, roles []string) error {
	var f Faults
	if len(roles) > 0 {
		roles = checkRoles(&f, roles)
	}
	if len(f) > 0 {
		return f
	}
	const op = "identity.SetSecondRoles"
	if outside(by, organisation) {
		return notFound(op)
	}
	return problem.Wrap(op, d.o.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(`DELETE FROM identity_second WHERE organisation = $1`, organisation); err != nil {
			return err
		}
		for _, r := range roles {
			if _, err := tx.Exec(`INSERT INTO identity_second (organisation, role) VALUES ($1, $2)`, organisation, r); err != nil {
				return err
			}
		}
		return d.changed(tx, by, "identity.second.require", organisation, roles)
	}))
}
