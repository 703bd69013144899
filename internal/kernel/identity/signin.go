package identity

import (
	"context"
	"errors"
	"sync"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Credentials are what somebody enters to sign in.
type Credentials struct {
	Login    string
	Password string // or the PIN at a desk
	Code     string // second factor, if entered in the same step
	Address  string // where from, for the limits
	Desk     string // token of the browser's desk cookie, "" without
	Replaces string // token of the session that ends when this one begins
}

// maxPINFailures is how many wrong PINs in a row switch the PIN off until its
// owner signs in with his password: with six digits a chance of 1 in 200,000.
const maxPINFailures = 5

// maxWaiting is how many sign-ins wait for their password to be checked, two at a
// time: with all of them a token for a dispatch system comes half a second late.
const maxWaiting = 32

// nobody is the hash that is checked when there is nothing to check, so that a
// login nobody has takes as long as one somebody has.
var nobody = sync.OnceValue(func() string {
	hash, err := HashPassword(newToken())
	if err != nil {
		panic(err) // only for an empty password
	}
	return hash
})

// refusedSignIn is the one answer to everything that does not fit: it tells
// nobody which logins exist or are locked.
func refusedSignIn() error {
	return problem.New("identity.SignIn", problem.Unauthenticated, "identity.refused.signin", nil)
}

// SignIn checks a password, or a PIN at a desk, and begins a session. Problems:
// Unauthenticated for what does not fit, TooMany after too many wrong ones,
// Invalid for a wrong Code.
func (d *Directory) SignIn(ctx context.Context, c Credentials) (SignedIn, error) {
	const op = "identity.SignIn"
	login := normalLogin(c.Login)
	if len(login) > 64 || len(c.Password) > 4*maxPassword {
		return SignedIn{}, refusedSignIn()
	}
	var p *Person
	var desk *Desk
	err := d.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if p, err = optional(personByLogin(tx, login)); err != nil {
			return err
		}
		desk, err = optional(deskByToken(tx, c.Desk))
		return err
	})
	if err != nil {
		return SignedIn{}, problem.Wrap(op, err)
	}
	if err := d.limits.take("address", network(c.Address)); err != nil {
		return SignedIn{}, err
	}
	limited, secret := login, c.Password
	if desk != nil {
		limited = desk.ID + " " + login
	}
	if p != nil && p.Emergency {
		// 120 random bits need no limit, and whoever knows the account's name must
		// not be able to keep the night's last way in shut.
		limited, secret = "", typed(c.Password)
	}
	if limited != "" {
		if err := d.limits.take("login", limited); err != nil {
			return SignedIn{}, err
		}
	}
	select {
	case d.waiting <- struct{}{}:
		defer func() { <-d.waiting }()
	default:
		return SignedIn{}, problem.New(op, problem.TooMany, "identity.refused.wait", nil)
	}
	usable := p != nil && p.active() && p.Provider == ""
	method := ""
	if desk != nil && pinForm.MatchString(secret) {
		ok, err := d.checkPIN(ctx, p, usable && p.Organisation == desk.Organisation, secret)
		if err != nil {
			return SignedIn{}, problem.Wrap(op, err)
		}
		if ok {
			method = "pin"
		}
	}
	if method == "" {
		ok, err := checkOr(p, usable && p.HasPassword, func(p *Person) string { return p.password }, secret)
		if err != nil {
			return SignedIn{}, problem.Wrap(op, err)
		}
		if ok {
			method = "password"
		}
	}
	if method == "" {
		id := "" // a login nobody has is counted too, without the login
		if p != nil {
			id = p.ID
		}
		d.refuse(id)
		return SignedIn{}, refusedSignIn()
	}
	d.limits.give("login", limited)
	if c.Code != "" {
		if err := d.limits.take("person", p.ID); err != nil {
			return SignedIn{}, err
		}
	}
	var in SignedIn
	session := d.o.Clock.NewID()
	err = d.o.DB.Write(ctx, func(tx *store.Tx) error {
		checked := p
		p, err := personByID(tx, p.ID)
		if err != nil {
			return err
		}
		if !p.active() || method == "password" && p.password != checked.password || method == "pin" && p.pin != checked.pin {
			return refusedSignIn() // changed while it was checked
		}
		s := &Session{ID: session, Method: method}
		if desk != nil && desk.Organisation == p.Organisation {
			s.desk = desk.ID
		}
		if p.pinFailures > 0 {
			if _, err := tx.Exec(`UPDATE identity_person SET pin_failures = 0 WHERE id = $1`, p.ID); err != nil {
				return err
			}
		}
		if s.Stage, err = d.firstStage(tx, p, s); err != nil {
			return err
		}
		if s.Stage == StageSecond && c.Code != "" {
			if err := d.useCode(tx, p, c.Code); err != nil {
				return err
			}
			s.Stage = StageDone
			if p.MustChange {
				s.Stage = StagePassword
			}
		}
		if c.Replaces != "" {
			if err := d.takeOver(tx, c.Replaces, p.ID, session); err != nil {
				return err
			}
		}
		in, err = d.begin(tx, p, s)
		return err
	})
	switch _, wrong := errors.AsType[Faults](err); {
	case wrong:
		d.refuse(p.ID)
	case err == nil && c.Code != "":
		d.limits.give("person", p.ID)
	}
	return in, problem.Wrap(op, err)
}

// checkPIN counts the try before it looks, so that many at once are no more than
// one after the other; the right one is taken off the count with the session.
func (d *Directory) checkPIN(ctx context.Context, p *Person, usable bool, pin string) (bool, error) {
	id := "" // for somebody without: the same work
	if usable && p.HasPIN && !p.MustChange {
		id = p.ID
	}
	var n int64
	err := d.o.DB.Write(ctx, func(tx *store.Tx) (err error) {
		n, err = tx.Exec(`UPDATE identity_person SET pin_failures = pin_failures + 1 WHERE id = $1 AND pin_failures < $2`, id, maxPINFailures)
		return err
	})
	if err != nil {
		return false, err
	}
	return checkOr(p, n == 1, func(p *Person) string { return p.pin }, pin)
}

// checkOr checks secret against the hash of p if there is one that may be used,
// and against nobody's otherwise.
func checkOr(p *Person, usable bool, hash func(*Person) string, secret string) (bool, error) {
	if !usable {
		_, err := CheckPassword(nobody(), secret)
		return false, err
	}
	return CheckPassword(hash(p), secret)
}

// firstStage is what follows the first proof of a session about to begin. The
// sealed account has none: who opens the envelope has nothing else. A PIN brings
// back whoever has given his second factor at the same desk during this shift.
func (d *Directory) firstStage(tx *store.Tx, p *Person, s *Session) (Stage, error) {
	if p.Emergency {
		return StageDone, nil
	}
	if p.hasSecond() {
		if s.Method != "pin" {
			return StageSecond, nil
		}
		if back, err := visited(tx, p.ID, s.desk, d.o.Clock.Now().Add(-deskAbsoluteTime)); err != nil || !back {
			return StageSecond, err
		}
		return StageDone, nil
	}
	needed, err := needsSecond(tx, p.Organisation, p.Roles)
	switch {
	case err != nil:
		return "", err
	case s.Method == "pin" && (needed || p.MustChange):
		// Who has seen a PIN over a shoulder must not set up a second factor or a
		// password for its owner.
		return "", problem.New("identity.SignIn", problem.Forbidden, "identity.refused.pin_first", nil)
	case needed:
		return StageEnrol, nil
	case p.MustChange:
		return StagePassword, nil
	}
	return StageDone, nil
}

// refuse counts a wrong sign-in; person is "" when there is none of that name. It
// writes nothing itself: the time of a commit would tell the two apart, and strangers
// would fill the audit log.
func (d *Directory) refuse(person string) { d.o.Audit.Count("identity.session.refuse", person) }

// ChooseFirstPassword is the step StagePassword.
func (d *Directory) ChooseFirstPassword(ctx context.Context, token, fresh string) (SignedIn, error) {
	const op = "identity.ChooseFirstPassword"
	s, p, err := d.Pending(ctx, token)
	if err != nil {
		return SignedIn{}, err
	}
	if s.Stage != StagePassword {
		return SignedIn{}, problem.New(op, problem.Conflict, "", nil)
	}
	var f Faults
	checkPassword(&f, "password", fresh, p.Login)
	if len(f) == 0 && p.password != "" {
		if same, err := CheckPassword(p.password, fresh); err != nil {
			return SignedIn{}, problem.Wrap(op, err)
		} else if same {
			f.add("password", "identity.input.password_same", nil)
		}
	}
	if len(f) > 0 {
		return SignedIn{}, f
	}
	hash, err := HashPassword(fresh)
	if err != nil {
		return SignedIn{}, problem.Wrap(op, err)
	}
	var in SignedIn
	err = d.o.DB.Write(ctx, func(tx *store.Tx) error {
		p, err := personByID(tx, p.ID)
		if err != nil {
			return none(op, err)
		}
		p.password, p.MustChange = hash, false
		if err := updatePerson(tx, p); err != nil {
			return err
		}
		// Somebody else with the same first password may be at this step too.
		if err := errors.Join(endSessions(tx, p.ID, s.ID), endLinks(tx, p.ID)); err != nil {
			return err
		}
		if err := d.note(tx, audit.Event{Action: "identity.person.password", Actor: p.ID, Object: p.ID}, nil); err != nil {
			return err
		}
		in, err = d.advance(tx, p, s)
		return err
	})
	return in, problem.Wrap(op, err)
}
