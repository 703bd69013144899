package identity

import (
	"context"
	"errors"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// LinkKind is what a one-time link is for.
type LinkKind string

// The kinds; each is also the first part of the address of its page.
const (
	LinkInvitation LinkKind = "invitation"
	LinkReset      LinkKind = "reset"
)

const (
	// invitationTime covers a week of holidays before the first shift.
	invitationTime = 7 * 24 * time.Hour
	// resetTime is for handing it over on the same day.
	resetTime = 24 * time.Hour
)

// IssuedLink is a one-time link; the token is shown once and not stored.
type IssuedLink struct {
	Kind    LinkKind
	Person  string // id
	Token   string
	Expires time.Time
}

// Path is the address of the link below that of the pages.
func (l IssuedLink) Path() string { return "/" + string(l.Kind) + "/" + l.Token }

// issue replaces the links of a person.
func (d *Directory) issue(tx *store.Tx, kind LinkKind, person string) (IssuedLink, error) {
	if err := endLinks(tx, person); err != nil {
		return IssuedLink{}, err
	}
	valid := resetTime
	if kind == LinkInvitation {
		valid = invitationTime
	}
	now := d.o.Clock.Now()
	l := IssuedLink{kind, person, newToken(), now.Add(valid)}
	_, err := tx.Exec(`INSERT INTO identity_link (hash, kind, person, expires_at, created_at) VALUES ($1, $2, $3, $4, $5)`,
		hashToken(l.Token), string(kind), person, millis(l.Expires), millis(now))
	return l, err
}

// Invite creates a person without a password and a link by which he chooses one.
func (d *Directory) Invite(ctx context.Context, by *web.Person, n NewPerson) (p *Person, l IssuedLink, err error) {
	const op = "identity.Invite"
	n.Password, n.MustChange = "", false
	if err := n.validate().err(); err != nil {
		return nil, l, err
	}
	if err := mayGrant(by, n.Organisation, n.Roles); err != nil {
		return nil, l, err
	}
	if p, err = d.newPerson(n); err != nil {
		return nil, l, problem.Wrap(op, err)
	}
	err = d.o.DB.Write(ctx, func(tx *store.Tx) error {
		if err := d.createPerson(tx, by, p); err != nil {
			return err
		}
		if l, err = d.issue(tx, LinkInvitation, p.ID); err != nil {
			return err
		}
		return d.note(tx, audit.Event{Action: "identity.person.invite", Actor: actor(by), Object: p.ID}, nil)
	})
	return p, l, problem.Wrap(op, err)
}

// ResetPassword makes the password and the desk PIN of a local account void, ends
// its sessions and returns a link by which its person chooses a new one. For
// somebody who never had one it is a new invitation.
func (d *Directory) ResetPassword(ctx context.Context, by *web.Person, id string) (l IssuedLink, err error) {
	const op = "identity.ResetPassword"
	err = d.change(ctx, by, op, "identity.person.reset", id, func(tx *store.Tx, p *Person) error {
		if p.Provider != "" || p.Emergency {
			return problem.New(op, problem.Conflict, "identity.refused.password_elsewhere", nil)
		}
		if err := own(by, id); err != nil {
			return err
		}
		kind := LinkReset
		if p.password == "" && p.SeenAt.IsZero() {
			kind = LinkInvitation
		}
		p.password, p.pin, p.MustChange = "", "", false
		if err := endSessions(tx, id, ""); err != nil {
			return err
		}
		l, err = d.issue(tx, kind, id)
		return err
	})
	return l, err
}

// KeepLink keeps a link with the session of a token, to be shown on the next
// page; ShownLink returns it until Forget.
func (d *Directory) KeepLink(ctx context.Context, token string, l IssuedLink) error {
	s, _, err := d.Pending(ctx, token)
	if err != nil {
		return err
	}
	return problem.Wrap("identity.KeepLink", d.keepPending(ctx, s, func(p *pending) { p.Link = &l }))
}

// ShownLink returns the link kept for a person, nil without.
func (d *Directory) ShownLink(ctx context.Context, token, person string) (*IssuedLink, error) {
	s, _, err := d.Pending(ctx, token)
	if err != nil {
		return nil, err
	}
	w, err := d.pending(s)
	if err != nil || w.Link == nil || w.Link.Person != person {
		return nil, err
	}
	return w.Link, nil
}

// linkPerson returns whom a link is for; the one answer to used, expired and
// invented ones is NotFound.
func (d *Directory) linkPerson(tx *store.Tx, kind LinkKind, token string) (*Person, error) {
	const op = "identity.link"
	var person string
	var expires int64
	err := tx.Row(`SELECT person, expires_at FROM identity_link WHERE hash = $1 AND kind = $2`, hashToken(token), string(kind)).Scan(&person, &expires)
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return nil, err
	}
	gone := problem.New(op, problem.NotFound, "identity.refused.link", nil)
	if err != nil || !d.o.Clock.Now().Before(moment(expires)) {
		return nil, gone
	}
	p, err := personByID(tx, person)
	if err != nil {
		return nil, none(op, err)
	}
	if !p.active() {
		return nil, gone
	}
	return p, nil
}

// Link returns whom a link is for; a problem of kind NotFound when it is used,
// expired or never was.
func (d *Directory) Link(ctx context.Context, kind LinkKind, token string) (p *Person, err error) {
	err = d.o.DB.Read(ctx, func(tx *store.Tx) error {
		p, err = d.linkPerson(tx, kind, token)
		return err
	})
	return p, err
}

// UseLink sets the password; the link is void after it.
func (d *Directory) UseLink(ctx context.Context, kind LinkKind, token, password string) error {
	const op = "identity.UseLink"
	p, err := d.Link(ctx, kind, token)
	if err != nil {
		return err
	}
	var f Faults
	checkPassword(&f, "password", password, p.Login)
	if len(f) > 0 {
		return f
	}
	hash, err := HashPassword(password)
	if err != nil {
		return problem.Wrap(op, err)
	}
	return problem.Wrap(op, d.o.DB.Write(ctx, func(tx *store.Tx) error {
		p, err := d.linkPerson(tx, kind, token) // of two at once one wins
		if err != nil {
			return err
		}
		p.password, p.MustChange = hash, false
		if err := updatePerson(tx, p); err != nil {
			return err
		}
		if err := errors.Join(endLinks(tx, p.ID), endSessions(tx, p.ID, "")); err != nil {
			return err
		}
		return d.changed(tx, &web.Person{ID: p.ID}, "identity.person.password", p.ID, nil)
	}))
}
