package identity

import (
	"context"
	"net/http"
	"time"
	"unicode/utf8"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// Desk is a shared desk of a control room: a browser that holds its cookie.
type Desk struct {
	ID           string
	Organisation string
	Name         string
	CreatedAt    time.Time
}

// CreateDesk names the browser of the request a desk of by's organisation and
// gives it its cookie.
func (d *Directory) CreateDesk(w http.ResponseWriter, r *http.Request, by *web.Person, name string) error {
	name = tidy(name)
	if name == "" || utf8.RuneCountInString(name) > maxName {
		return Faults{{"desk", "identity.input.name", i18n.Args{"n": maxName}}}
	}
	id, token := d.o.Clock.NewID(), newToken()
	err := d.o.DB.Write(r.Context(), func(tx *store.Tx) error {
		if _, err := tx.Exec(`INSERT INTO identity_desk (id, organisation, name, hash, created_at) VALUES ($1, $2, $3, $4, $5)`,
			id, by.Organisation, name, hashToken(token), d.o.Clock.Now().UnixMilli()); err != nil {
			return err
		}
		// Who sets the desk up sits at it; his PIN alone brings nobody back to it.
		if _, err := tx.Exec(`UPDATE identity_session SET desk = $2 WHERE id = $1`, by.Session, id); err != nil {
			return err
		}
		return d.changed(tx, by, "identity.desk.create", id, name)
	})
	if err != nil {
		return problem.Wrap("identity.CreateDesk", err)
	}
	c := d.cookie(r, deskCookieName, token)
	c.MaxAge = int(deskCookieAge / time.Second)
	http.SetCookie(w, c)
	return nil
}

// DeskToken returns the token of the browser's desk cookie, "" without.
func (d *Directory) DeskToken(r *http.Request) string { return d.read(r, deskCookieName) }

// DeskOf returns the desk of the browser, nil if it is none.
func (d *Directory) DeskOf(r *http.Request) (desk *Desk, err error) {
	token := d.DeskToken(r)
	if token == "" {
		return nil, nil
	}
	err = d.o.DB.Read(r.Context(), func(tx *store.Tx) error {
		desk, err = optional(deskByToken(tx, token))
		return err
	})
	return desk, problem.Wrap("identity.DeskOf", err)
}

// Desks lists the desks of an organisation by name.
func (d *Directory) Desks(ctx context.Context, organisation string) (all []Desk, err error) {
	err = d.o.DB.Read(ctx, func(tx *store.Tx) error {
		all = nil
		rows, err := tx.Query(`SELECT id, organisation, name, created_at FROM identity_desk WHERE organisation = $1 ORDER BY name, id`, organisation)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			k, err := scanDesk(rows.Scan)
			if err != nil {
				return err
			}
			all = append(all, *k)
		}
		return rows.Err()
	})
	return all, problem.Wrap("identity.Desks", err)
}

// Desk returns a desk; a problem of kind NotFound if there is none.
func (d *Directory) Desk(ctx context.Context, id string) (k *Desk, err error) {
	err = d.o.DB.Read(ctx, func(tx *store.Tx) error {
		k, err = deskByID(tx, id)
		return err
	})
	return k, none("identity.Desk", err)
}

// RemoveDesk makes the browser an ordinary one again; sessions there go on with
// ordinary limits.
func (d *Directory) RemoveDesk(ctx context.Context, by *web.Person, id string) error {
	const op = "identity.RemoveDesk"
	return problem.Wrap(op, d.o.DB.Write(ctx, func(tx *store.Tx) error {
		k, err := deskByID(tx, id)
		if err != nil {
			return none(op, err)
		}
		if outside(by, k.Organisation) {
			return notFound(op)
		}
		for _, q := range []string{`DELETE FROM identity_desk WHERE id = $1`, `DELETE FROM identity_visit WHERE desk = $1`,
			`UPDATE identity_session SET desk = '' WHERE desk = $1`} {
			if _, err := tx.Exec(q, id); err != nil {
				return err
			}
		}
		tx.Notify(TopicPeople)
		return d.note(tx, audit.Event{Action: "identity.desk.remove", Actor: actor(by), Object: id}, nil)
	}))
}
