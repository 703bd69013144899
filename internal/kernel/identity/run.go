package identity

import (
	"context"
	"errors"
	"slices"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// runEvery is how often Run looks for what has ended or must be checked.
const runEvery = time.Minute

// Run checks sessions with their providers and removes what has ended, on one
// instance at a time, until ctx ends.
func (d *Directory) Run(ctx context.Context) error {
	return d.o.DB.Lead(ctx, "identity", func(ctx context.Context) error {
		tick := time.NewTicker(runEvery)
		defer tick.Stop()
		for {
			if err := errors.Join(d.Recheck(ctx), d.Sweep(ctx)); err != nil && ctx.Err() == nil {
				d.o.Log.Error("identity: run", "error", err)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
			}
		}
	})
}

// Sweep removes ended sessions, links and forms that nobody came back for, and empties the personal fields of
// deleted people: all but the name after the time for undoing, the name after
// Options.KeepNames.
func (d *Directory) Sweep(ctx context.Context) error {
	var open []Session
	var everybody []Person
	err := d.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if open, err = sessions(tx, "", ""); err != nil {
			return err
		}
		everybody, err = people(tx, "")
		return err
	})
	if err != nil {
		return err
	}
	where := map[string]string{}
	for _, p := range everybody {
		where[p.ID] = p.Organisation
	}
	open = slices.DeleteFunc(open, func(s Session) bool { return d.alive(ctx, &s, where[s.Person]) })
	now := d.o.Clock.Now()
	gone := slices.DeleteFunc(everybody, func(p Person) bool {
		return p.DeletedAt.IsZero() || p.undoable(now) || p.swept == 2 || p.swept == 1 && now.Sub(p.DeletedAt) < d.o.KeepNames
	})
	return d.o.DB.Write(ctx, func(tx *store.Tx) error {
		for _, s := range open {
			if err := d.remember(tx, &s); err != nil {
				return err
			}
			// seen_at: somebody may have come back meanwhile.
			n, err := tx.Exec(`DELETE FROM identity_session WHERE id = $1 AND seen_at = $2`, s.ID, millis(s.SeenAt))
			if err != nil {
				return err
			}
			if n == 1 && s.Stage == StageDone {
				tx.Notify(TopicPeople)
				if err := d.note(tx, audit.Event{Action: "identity.session.expire", Actor: "node", Object: s.ID}, nil); err != nil {
					return err
				}
			}
		}
		if _, err := tx.Exec(`DELETE FROM identity_link WHERE expires_at <= $1`, now.UnixMilli()); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM identity_ended WHERE until <= $1`, now.UnixMilli()); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM identity_visit WHERE at <= $1`, millis(now.Add(-deskAbsoluteTime))); err != nil {
			return err
		}
		for _, p := range gone {
			if err := d.empty(tx, p.ID, now); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *Directory) empty(tx *store.Tx, id string, now time.Time) error {
	p, err := personByID(tx, id)
	if err != nil || p.DeletedAt.IsZero() || p.undoable(now) {
		return err // restored meanwhile
	}
	p.swept = 1
	if now.Sub(p.DeletedAt) >= d.o.KeepNames {
		p.swept, p.Name = 2, ""
	}
	p.Login, p.Lang, p.Theme, p.SingleKeys, p.Roles = "", i18n.Lang(""), "", true, nil
	p.password, p.pin, p.totp, p.totpStep, p.subject, p.SeenAt = "", "", nil, 0, "", time.Time{}
	if err := updatePerson(tx, p); err != nil {
		return err
	}
	for _, q := range []string{`DELETE FROM identity_passkey WHERE person = $1`, `DELETE FROM identity_recovery WHERE person = $1`, `DELETE FROM identity_link WHERE person = $1`, `DELETE FROM identity_visit WHERE person = $1`} {
		if _, err := tx.Exec(q, id); err != nil {
			return err
		}
	}
	return d.note(tx, audit.Event{Action: "identity.person.empty", Actor: "node", Object: id}, nil)
}
