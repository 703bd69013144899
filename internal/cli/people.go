package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"trojmezi/internal/app"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/problem"
)

type peopleCmd struct {
	Import peopleImportCmd `cmd:"" help:"cli.people.import"`
	List   peopleListCmd   `cmd:"" help:"cli.people.list"`
	Lock   peopleLockCmd   `cmd:"" help:"cli.people.lock"`
	Unlock peopleUnlockCmd `cmd:"" help:"cli.people.unlock"`
	Reset  peopleResetCmd  `cmd:"" help:"cli.people.reset"`
	Seal   peopleSealCmd   `cmd:"" help:"cli.people.seal"`
}

// withPeople opens the directory of a node's people beside a running node. What
// is done with it stands in the audit log as done by the node.
func (e *env) withPeople(config string, f func(context.Context, *app.Config, *identity.Directory) error) error {
	return e.withDB(config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
		d, err := app.People(cfg, o, e.log)
		if err != nil {
			return err
		}
		return f(ctx, cfg, d)
	})
}

type peopleImportCmd struct{ configFlag }

// imported is one organisation with its people, as `people import` reads it.
type imported struct {
	Name      string   `json:"name"`
	Country   string   `json:"country"`
	Addresses []string `json:"addresses"`
	Phone     string   `json:"phone"` // of the desk, as neighbours dial it
	People    []struct {
		Login    string    `json:"login"`
		Name     string    `json:"name"`
		Language i18n.Lang `json:"language"`
		Roles    []string  `json:"roles"`
		Password string    `json:"password"`    // "": a link to choose one is printed
		Change   bool      `json:"must_change"` // the password, at the first sign-in
	} `json:"people"`
}

// account is a person in what the commands print.
type account struct {
	Organisation string   `json:"organisation"`
	Login        string   `json:"login"`
	Name         string   `json:"name"`
	Roles        []string `json:"roles"`
	Locked       bool     `json:"locked"`
	Known        bool     `json:"known,omitempty"` // was there before
	Link         string   `json:"link,omitempty"`
}

// Run adds what the list on standard input names and the node does not know yet;
// what it knows stays as it is, so that a list can be imported again.
func (c *peopleImportCmd) Run(e *env) error {
	var list []imported
	in := json.NewDecoder(e.in)
	in.DisallowUnknownFields()
	if err := in.Decode(&list); err != nil {
		return &problem.Error{Op: "cli.people", Kind: problem.Invalid, Key: "cli.people.unreadable", Args: i18n.Args{"detail": err.Error()}, Err: err}
	}
	cfg, err := app.Load(c.Config)
	if err != nil {
		return err
	}
	o, err := app.Open(e.ctx, cfg, e.log) // makes the database of a new node
	if err != nil {
		return err
	}
	defer o.DB.Close()
	d, err := app.People(cfg, o, e.log)
	if err != nil {
		return err
	}
	out := []account{}
	for _, in := range list {
		added, err := importOne(e.ctx, cfg, o, d, in)
		if err != nil {
			return err
		}
		out = append(out, added...)
	}
	e.leaves(o)
	return e.show(out, func() {
		for _, a := range out {
			key := "cli.people.added"
			if a.Known {
				key = "cli.people.known"
			}
			e.say(key, i18n.Args{"login": a.Login, "organisation": a.Organisation})
			if a.Link != "" {
				e.say("cli.people.link", i18n.Args{"url": a.Link})
			}
		}
	})
}

func importOne(ctx context.Context, cfg *app.Config, o *app.Opened, d *identity.Directory, in imported) (out []account, err error) {
	known := map[string]bool{}
	var crew, invited []identity.NewPerson
	for _, p := range in.People {
		n := identity.NewPerson{Login: strings.ToLower(p.Login), Name: p.Name, Lang: p.Language, Roles: p.Roles, Password: p.Password, MustChange: p.Change}
		_, err := d.PersonByLogin(ctx, n.Login)
		switch {
		case err == nil:
			known[n.Login] = true
		case problem.KindOf(err) != problem.NotFound:
			return nil, err
		case n.Password == "":
			invited = append(invited, n)
		default:
			crew = append(crew, n)
		}
	}
	org, _, err := d.Seed(ctx, identity.Organisation{Name: in.Name, Country: in.Country, Addresses: in.Addresses}, crew)
	if err != nil {
		return nil, err
	}
	if in.Phone != "" {
		if err := app.SeedPhone(ctx, o, org.ID, in.Phone); err != nil {
			return nil, err
		}
	}
	links := map[string]string{}
	for _, n := range invited {
		n.Organisation = org.ID
		_, link, err := d.Invite(ctx, nil, n)
		if err != nil {
			return nil, err
		}
		links[n.Login] = cfg.BrowserURL() + link.Path()
	}
	for _, p := range in.People {
		login := strings.ToLower(p.Login)
		out = append(out, account{Organisation: org.Name, Login: login, Name: p.Name, Roles: p.Roles, Known: known[login], Link: links[login]})
	}
	return out, nil
}

// organisationNamed returns nil for an unknown name.
func organisationNamed(ctx context.Context, d *identity.Directory, name string) (*identity.Organisation, error) {
	all, err := d.Organisations(ctx)
	for i := range all {
		if all[i].Name == name {
			return &all[i], nil
		}
	}
	return nil, err
}

type peopleListCmd struct{ configFlag }

func (c *peopleListCmd) Run(e *env) error {
	return e.withPeople(c.Config, func(ctx context.Context, _ *app.Config, d *identity.Directory) error {
		orgs, err := d.Organisations(ctx)
		if err != nil {
			return err
		}
		out := []account{}
		for _, org := range orgs {
			people, err := d.ListPeople(ctx, identity.Filter{Organisation: org.ID})
			if err != nil {
				return err
			}
			for _, p := range people {
				out = append(out, account{Organisation: org.Name, Login: p.Login, Name: p.Name, Roles: p.Roles, Locked: p.Locked})
			}
		}
		return e.show(out, func() {
			for _, a := range out {
				state := ""
				if a.Locked {
					state = " " + e.t("cli.people.locked", nil)
				}
				fmt.Fprintf(e.out, "%s: %s (%s) %s%s\n", a.Organisation, a.Login, a.Name, strings.Join(a.Roles, ","), state)
			}
			if len(out) == 0 {
				e.say("cli.people.nobody", nil)
			}
		})
	})
}

type loginArg struct {
	configFlag
	Login string `arg:"" help:"cli.people.login"`
}

// onPerson does something to the person with a login.
func (e *env) onPerson(c loginArg, f func(context.Context, *app.Config, *identity.Directory, *identity.Person) error) error {
	return e.withPeople(c.Config, func(ctx context.Context, cfg *app.Config, d *identity.Directory) error {
		p, err := d.PersonByLogin(ctx, c.Login)
		if err == nil {
			return f(ctx, cfg, d, p)
		}
		if problem.KindOf(err) != problem.NotFound {
			return err
		}
		return problem.New("cli.people", problem.NotFound, "cli.people.unknown", i18n.Args{"login": c.Login})
	})
}

type peopleLockCmd struct{ loginArg }

func (c *peopleLockCmd) Run(e *env) error {
	return e.onPerson(c.loginArg, func(ctx context.Context, _ *app.Config, d *identity.Directory, p *identity.Person) error {
		if err := d.Lock(ctx, nil, p.ID); err != nil {
			return err
		}
		return e.show(map[string]any{"login": p.Login, "locked": true}, func() { e.say("cli.people.lock.done", i18n.Args{"login": p.Login}) })
	})
}

type peopleUnlockCmd struct{ loginArg }

func (c *peopleUnlockCmd) Run(e *env) error {
	return e.onPerson(c.loginArg, func(ctx context.Context, _ *app.Config, d *identity.Directory, p *identity.Person) error {
		if err := d.Unlock(ctx, nil, p.ID); err != nil {
			return err
		}
		return e.show(map[string]any{"login": p.Login, "locked": false}, func() { e.say("cli.people.unlock.done", i18n.Args{"login": p.Login}) })
	})
}

type peopleResetCmd struct {
	loginArg
	Second bool `help:"cli.people.second"`
}

func (c *peopleResetCmd) Run(e *env) error {
	return e.onPerson(c.loginArg, func(ctx context.Context, cfg *app.Config, d *identity.Directory, p *identity.Person) error {
		if c.Second {
			if err := d.ResetSecond(ctx, nil, p.ID); err != nil {
				return err
			}
			return e.show(map[string]string{"login": p.Login}, func() { e.say("cli.people.second.done", i18n.Args{"login": p.Login}) })
		}
		link, err := d.ResetPassword(ctx, nil, p.ID)
		if err != nil {
			return err
		}
		url := cfg.BrowserURL() + link.Path()
		return e.show(map[string]string{"login": p.Login, "link": url}, func() { e.say("cli.people.link", i18n.Args{"url": url}) })
	})
}

type peopleSealCmd struct {
	configFlag
	Organisation string `arg:"" help:"cli.people.organisation"`
}

// Run prints the login and the password of the emergency account, which are
// stored nowhere in clear: they go on a sheet of paper, sealed.
func (c *peopleSealCmd) Run(e *env) error {
	return e.withPeople(c.Config, func(ctx context.Context, _ *app.Config, d *identity.Directory) error {
		org, err := organisationNamed(ctx, d, c.Organisation)
		if err != nil {
			return err
		}
		if org == nil {
			return problem.New("cli.people", problem.NotFound, "cli.people.no_organisation", i18n.Args{"name": c.Organisation})
		}
		login, password, err := d.CreateEmergency(ctx, org.ID)
		if err != nil {
			return err
		}
		return e.show(map[string]string{"login": login, "password": password}, func() {
			e.say("cli.people.sealed", i18n.Args{"organisation": org.Name, "login": login, "password": password})
		})
	})
}
