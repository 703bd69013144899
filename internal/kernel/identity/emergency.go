package identity

import (
	"context"
	"fmt"

	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

const (
	// emergencySymbols at five bits each are 120 bits; typed once in a bad hour.
	emergencySymbols = 24
	emergencyLogin   = "emergency"
)

// emergencyRoles are what a night without the provider needs: work at the desk,
// and people let in by hand.
var emergencyRoles = []string{"dispatcher", "shift_leader", administrator}

// CreateEmergency makes the sealed account of an organisation, or gives it a new
// password, and returns both for a sheet of paper: the password is not stored in
// clear. Its use is an alarm (Options.Alarm). It needs no provider and no second
// factor.
func (d *Directory) CreateEmergency(ctx context.Context, organisation string) (login, password string, err error) {
	const op = "identity.CreateEmergency"
	password = readable(emergencySymbols)
	hash, err := HashPassword(typed(password))
	if err != nil {
		return "", "", problem.Wrap(op, err)
	}
	id, now := d.o.Clock.NewID(), d.o.Clock.Now()
	err = d.o.DB.Write(ctx, func(tx *store.Tx) error {
		all, err := people(tx, organisation)
		if err != nil {
			return err
		}
		for _, p := range all {
			if p.Emergency && p.DeletedAt.IsZero() {
				p.password, p.Locked = hash, false
				login = p.Login
				if err := endSessions(tx, p.ID, ""); err != nil {
					return err
				}
				if err := updatePerson(tx, &p); err != nil {
					return err
				}
				return d.changed(tx, nil, "identity.emergency.seal", p.ID, nil)
			}
		}
		login = emergencyLogin
		for n := 2; ; n++ {
			taken, err := optional(personByLogin(tx, login))
			if err != nil {
				return err
			}
			if taken == nil {
				break
			}
			login = fmt.Sprintf("%s-%d", emergencyLogin, n)
		}
		p := &Person{ID: id, Organisation: organisation, Login: login, Name: login, SingleKeys: true, Roles: emergencyRoles,
			Emergency: true, password: hash, CreatedAt: now}
		if err := d.createPerson(tx, nil, p); err != nil {
			return err
		}
		return d.changed(tx, nil, "identity.emergency.seal", p.ID, nil)
	})
	return login, password, problem.Wrap(op, err)
}
