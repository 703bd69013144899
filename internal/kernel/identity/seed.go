package identity

import (
	"context"

	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// PersonByLogin returns who signs in by that name; a problem of kind NotFound if
// nobody does.
func (d *Directory) PersonByLogin(ctx context.Context, login string) (p *Person, err error) {
	err = d.o.DB.Read(ctx, func(tx *store.Tx) error {
		p, err = personByLogin(tx, normalLogin(login))
		return err
	})
	if err != nil {
		return nil, none("identity.PersonByLogin", err)
	}
	return p, nil
}

// Seed sees to it that there is an organisation of o's name with the people of
// crew, who belong to it whatever they say, in one transaction. It is for the
// command line and the demo, which need people without a browser; what is there
// already, by its name or login, stays as it is. Mistakes come as Faults.
func (d *Directory) Seed(ctx context.Context, o Organisation, crew []NewPerson) (Organisation, []Person, error) {
	const op = "identity.Seed"
	faults := o.validate()
	for i := range crew {
		faults = append(faults, crew[i].validate()...)
	}
	if err := faults.err(); err != nil {
		return o, nil, err
	}
	o.ID = d.o.Clock.NewID()
	fresh := make([]*Person, len(crew))
	for i, n := range crew {
		var err error
		if fresh[i], err = d.newPerson(n); err != nil {
			return o, nil, problem.Wrap(op, err)
		}
	}
	var found Organisation
	var people []Person
	err := d.o.DB.Write(ctx, func(tx *store.Tx) error {
		found, people = o, nil
		all, err := organisations(tx)
		if err != nil {
			return err
		}
		there := false
		for _, other := range all {
			if other.Name == o.Name {
				found, there = other, true
			}
		}
		if !there {
			if err := d.createOrganisation(tx, nil, &found); err != nil {
				return err
			}
		}
		for _, p := range fresh {
			p.Organisation = found.ID
			old, err := optional(personByLogin(tx, p.Login))
			switch {
			case err != nil:
				return err
			case old == nil:
				if err := d.createPerson(tx, nil, p); err != nil {
					return err
				}
				people = append(people, *p)
			case old.Organisation != found.ID:
				return Faults{{"login", "identity.input.login_taken", nil}}
			default:
				people = append(people, *old)
			}
		}
		return nil
	})
	return found, people, problem.Wrap(op, err)
}

// PersonIn is Person within a transaction; deleted people are found too.
func PersonIn(tx *store.Tx, id string) (*Person, error) {
	p, err := personByID(tx, id)
	return p, none("identity.PersonIn", err)
}
