package identity

import (
	"context"
	"crypto/subtle"
	"encoding/hex"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// firstCodeSetting is where the hash of the first code lies.
const firstCodeSetting = "identity.first"

// Empty reports whether nobody has an account yet.
func (d *Directory) Empty(ctx context.Context) (empty bool, err error) {
	err = d.o.DB.Read(ctx, func(tx *store.Tx) error {
		empty, err = noPeople(tx)
		return err
	})
	return empty, problem.Wrap("identity.Empty", err)
}

func noPeople(tx *store.Tx) (bool, error) {
	var n int
	err := tx.Row(`SELECT COUNT(*) FROM identity_person`).Scan(&n)
	return n == 0, err
}

// FirstCode returns a new one-time code for the page /setup, to be printed on
// the terminal, and makes former ones void. "" when somebody has an account.
func (d *Directory) FirstCode(ctx context.Context) (code string, err error) {
	fresh := readable(recoverySymbols)
	err = d.o.DB.Write(ctx, func(tx *store.Tx) error {
		code = ""
		empty, err := noPeople(tx)
		if err != nil || !empty {
			return err
		}
		code = fresh
		return tx.SetSetting(firstCodeSetting, hex.EncodeToString(hashToken(typed(code))))
	})
	return code, problem.Wrap("identity.FirstCode", err)
}

// First is what the page /setup asks for.
type First struct {
	Code          string
	Organisation  Organisation // name, country and addresses
	Administrator NewPerson    // login, name, language and password
	Address       string       // where from, for the limit
}

// SetUp creates the operating organisation and its first administrator and signs
// him in. Problems: Conflict when somebody has an account, TooMany after too many
// wrong codes, Faults for what is wrong.
func (d *Directory) SetUp(ctx context.Context, f First) (in SignedIn, err error) {
	const op = "identity.SetUp"
	if empty, err := d.Empty(ctx); err != nil || !empty {
		return in, closedOr(err)
	}
	if err := d.limits.take("setup", network(f.Address)); err != nil {
		return in, err
	}
	wrong := Faults{{"code", "identity.refused.first_code", nil}}
	check := func(tx *store.Tx) error {
		// Another may have been faster: his code is gone then, and ours was not wrong.
		if empty, err := noPeople(tx); err != nil || !empty {
			return closedOr(err)
		}
		want, err := tx.Setting(firstCodeSetting)
		if err != nil {
			return err
		}
		if want == "" || subtle.ConstantTimeCompare([]byte(want), []byte(hex.EncodeToString(hashToken(typed(f.Code))))) != 1 {
			return wrong
		}
		return nil
	}
	if err := d.o.DB.Read(ctx, check); err != nil {
		return in, problem.Wrap(op, err)
	}
	d.limits.give("setup", network(f.Address))
	faults := f.Organisation.validate()
	for i := range faults {
		if faults[i].Field == "name" {
			faults[i].Field = "organisation"
		}
	}
	n := f.Administrator
	n.Roles = []string{administrator}
	faults = append(faults, n.validate()...)
	if n.Password == "" {
		faults.add("password", "identity.input.password_short", i18n.Args{"n": minPassword})
	}
	if len(faults) > 0 {
		return in, faults
	}
	f.Organisation.ID = d.o.Clock.NewID()
	n.Organisation = f.Organisation.ID
	p, err := d.newPerson(n)
	if err != nil {
		return in, problem.Wrap(op, err)
	}
	err = d.o.DB.Write(ctx, func(tx *store.Tx) error {
		if err := check(tx); err != nil {
			return err
		}
		if err := d.createOrganisation(tx, nil, &f.Organisation); err != nil {
			return err
		}
		if err := d.createPerson(tx, nil, p); err != nil {
			return err
		}
		if err := tx.SetSetting(firstCodeSetting, ""); err != nil {
			return err
		}
		if err := d.note(tx, audit.Event{Action: "identity.setup", Actor: p.ID, Object: f.Organisation.ID}, nil); err != nil {
			return err
		}
		in, err = d.begin(tx, p, &Session{Method: "password"})
		return err
	})
	return in, problem.Wrap(op, err)
}

func closedOr(err error) error {
	if err != nil {
		return err
	}
	return problem.New("identity.SetUp", problem.Conflict, "identity.refused.set_up", nil)
}
