package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// Organisation is a body that works with the node.
type Organisation struct {
	ID        string
	Name      string
	Country   string   // CZ, DE or PL
	Addresses []string // its own UCRI addresses (OIDs)
	Operator  bool     // it operates the node
	CreatedAt time.Time
}

// Countries are those of the region.
var Countries = []string{"CZ", "DE", "PL"}

// maxName bounds names of people and organisations in characters: they stand in
// headlines.
const maxName = 100

// oidForm is that of format/ucri, which the kernel does not know: numbers with
// dots between, without leading zeros.
var oidForm = regexp.MustCompile(`^[0-2](\.(0|[1-9][0-9]*))+$`)

func (o *Organisation) validate() Faults {
	var f Faults
	o.Name = tidy(o.Name)
	if o.Name == "" || utf8.RuneCountInString(o.Name) > maxName {
		f.add("name", "identity.input.name", i18n.Args{"n": maxName})
	}
	if !slices.Contains(Countries, o.Country) {
		f.add("country", "identity.input.country", nil)
	}
	slices.Sort(o.Addresses)
	o.Addresses = slices.Compact(o.Addresses)
	for _, a := range o.Addresses {
		if len(a) > 255 || !oidForm.MatchString(a) {
			f.add("addresses", "identity.input.address", i18n.Args{"value": a})
			break
		}
	}
	return f
}

// CreateOrganisation adds o with a new id; the first one operates the node. An
// address belongs to one organisation: Faults otherwise.
func (d *Directory) CreateOrganisation(ctx context.Context, by *web.Person, o Organisation) (Organisation, error) {
	if err := o.validate().err(); err != nil {
		return o, err
	}
	o.ID = d.o.Clock.NewID()
	err := d.o.DB.Write(ctx, func(tx *store.Tx) error { return d.createOrganisation(tx, by, &o) })
	return o, problem.Wrap("identity.CreateOrganisation", err)
}

// operates refuses people of other organisations than the operating one.
func operates(all []Organisation, by *web.Person) error {
	if by == nil || slices.ContainsFunc(all, func(o Organisation) bool { return o.Operator && o.ID == by.Organisation }) {
		return nil
	}
	return problem.New("identity.organisation", problem.Forbidden, "", nil)
}

func (d *Directory) createOrganisation(tx *store.Tx, by *web.Person, o *Organisation) error {
	all, err := organisations(tx)
	if err != nil {
		return err
	}
	if err := operates(all, by); err != nil {
		return err
	}
	o.Operator, o.CreatedAt = len(all) == 0, d.o.Clock.Now()
	if err := unshared(all, *o); err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO identity_organisation (id, name, country, addresses, operator, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		o.ID, o.Name, o.Country, list(o.Addresses), flag(o.Operator), millis(o.CreatedAt)); err != nil {
		return err
	}
	return d.changed(tx, by, "identity.organisation.create", o.ID, o)
}

// ChangeOrganisation stores name, country and addresses of the organisation with o.ID.
func (d *Directory) ChangeOrganisation(ctx context.Context, by *web.Person, o Organisation) error {
	if err := o.validate().err(); err != nil {
		return err
	}
	return problem.Wrap("identity.ChangeOrganisation", d.o.DB.Write(ctx, func(tx *store.Tx) error {
		all, err := organisations(tx)
		if err != nil {
			return err
		}
		if err := operates(all, by); err != nil {
			return err
		}
		if err := unshared(all, o); err != nil {
			return err
		}
		n, err := tx.Exec(`UPDATE identity_organisation SET name = $2, country = $3, addresses = $4 WHERE id = $1`, o.ID, o.Name, o.Country, list(o.Addresses))
		if err != nil {
			return err
		}
		if n == 0 {
			return notFound("identity.organisation")
		}
		return d.changed(tx, by, "identity.organisation.change", o.ID, o)
	}))
}

// unshared refuses addresses that another organisation has.
func unshared(all []Organisation, o Organisation) error {
	for _, other := range all {
		for _, a := range o.Addresses {
			if other.ID != o.ID && slices.Contains(other.Addresses, a) {
				return Faults{{"addresses", "identity.input.address_taken", i18n.Args{"value": a, "name": other.Name}}}
			}
		}
	}
	return nil
}

// Organisations lists all organisations by name.
func (d *Directory) Organisations(ctx context.Context) (all []Organisation, err error) {
	err = d.o.DB.Read(ctx, func(tx *store.Tx) error {
		all, err = organisations(tx)
		return err
	})
	return all, problem.Wrap("identity.Organisations", err)
}

// Organisation returns one; a problem of kind NotFound if there is none.
func (d *Directory) Organisation(ctx context.Context, id string) (Organisation, error) {
	all, err := d.Organisations(ctx)
	if err != nil {
		return Organisation{}, err
	}
	for _, o := range all {
		if o.ID == id {
			return o, nil
		}
	}
	return Organisation{}, notFound("identity.Organisation")
}

// DirectoryResource is what the rules on organisations look at: the list belongs
// to the organisation that operates the node.
func (d *Directory) DirectoryResource(ctx context.Context) (access.Resource, error) {
	var id string
	err := d.o.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT id FROM identity_organisation WHERE operator = 1`).Scan(&id)
	})
	if err != nil {
		return access.Resource{}, none("identity.DirectoryResource", err)
	}
	return access.Resource{Type: "Directory", ID: "organisations", Attributes: map[string]any{"organisation": id}}, nil
}

// OrganisationsIn is Organisations within a transaction.
func OrganisationsIn(tx *store.Tx) ([]Organisation, error) { return organisations(tx) }

func organisations(tx *store.Tx) ([]Organisation, error) {
	rows, err := tx.Query(`SELECT id, name, country, addresses, operator, created_at FROM identity_organisation ORDER BY name, id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Organisation
	for rows.Next() {
		var o Organisation
		var addresses string
		var operator, created int64
		if err := rows.Scan(&o.ID, &o.Name, &o.Country, &addresses, &operator, &created); err != nil {
			return nil, err
		}
		if o.Addresses, err = unlist(addresses); err != nil {
			return nil, err
		}
		o.Operator, o.CreatedAt = operator == 1, moment(created)
		all = append(all, o)
	}
	return all, rows.Err()
}

// list writes strings as JSON; both engines keep it as text.
func list(s []string) string {
	if len(s) == 0 {
		return "[]"
	}
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings
	}
	return string(raw)
}

func unlist(s string) (all []string, err error) {
	if s == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(s), &all); err != nil {
		return nil, fmt.Errorf("identity: list: %w", err)
	}
	return all, nil
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
