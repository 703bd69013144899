package signin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

type meView struct {
	Person   *identity.Person
	Name     string // as entered
	Lang     string
	Theme    string
	Keys     bool
	Passkeys []identity.Passkey
	Sessions []identity.OpenSession
	Desk     *identity.Desk
	Fresh    bool   // may change how he signs in
	Done     string // what was just saved
	Errors   ui.Errors
}

// saved are what POSTs below /me may have done.
var saved = []string{"settings", "password", "pin", "pin_removed", "second", "sessions"}

// meDone is the page with the news that something was saved.
func meDone(what string) string { return web.MePath + "?saved=" + what }

func (p *Pages) me(w http.ResponseWriter, r *http.Request) error {
	return p.showMe(w, r, nil)
}

// showMe draws the page; a form that was not taken keeps what was entered.
func (p *Pages) showMe(w http.ResponseWriter, r *http.Request, found ui.Errors) (err error) {
	ctx, by := r.Context(), web.Who(r.Context())
	v := meView{Errors: found, Fresh: p.d.Fresh(ctx, p.d.Token(r))}
	if v.Person, err = p.d.Person(ctx, by.ID); err != nil {
		return err
	}
	v.Name, v.Lang, v.Theme, v.Keys = v.Person.Name, string(v.Person.Lang), v.Person.Theme, v.Person.SingleKeys
	if len(found) > 0 && r.PostForm.Has("settings") {
		f := r.PostForm
		v.Name, v.Lang, v.Theme, v.Keys = f.Get("name"), f.Get("lang"), f.Get("theme"), f.Has("single_keys")
	}
	if v.Passkeys, err = p.d.Passkeys(ctx, by.ID); err != nil {
		return err
	}
	if v.Sessions, err = p.d.Sessions(ctx, by.ID, ""); err != nil {
		return err
	}
	if v.Desk, err = p.d.DeskOf(r); err != nil {
		return err
	}
	if done := r.URL.Query().Get("saved"); slices.Contains(saved, done) {
		v.Done = done
	}
	return web.Render(w, r, statusOf(found), p.mePage(v))
}

// change runs f on a form of /me and comes back to it.
func (p *Pages) change(w http.ResponseWriter, r *http.Request, done string, f func(by *web.Person) error) error {
	if err := read(w, r); err != nil {
		return err
	}
	err := f(web.Who(r.Context()))
	if err == nil {
		return see(w, r, meDone(done))
	}
	found, err := p.mistakes(r.Context(), err)
	if err != nil {
		return err
	}
	return p.showMe(w, r, found)
}

func (p *Pages) doMe(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, "settings", func(by *web.Person) error {
		ctx, f := r.Context(), r.PostForm
		err := p.d.SetPreferences(ctx, by, identity.Preferences{Lang: i18n.Lang(f.Get("lang")), Theme: f.Get("theme"), SingleKeys: f.Has("single_keys")})
		if err != nil || f.Get("name") == by.Name || !f.Has("name") {
			return err
		}
		return p.d.Rename(ctx, by, by.ID, f.Get("name"), by.Login)
	})
}

// back is where the menus of the frame return to.
func back(r *http.Request) string {
	if path := local(r.PostForm.Get("back")); path != "" {
		return path
	}
	return web.MePath
}

func (p *Pages) theme(w http.ResponseWriter, r *http.Request) error {
	return p.prefer(w, r, func(s *identity.Preferences) { s.Theme = r.PostForm.Get("theme") })
}

func (p *Pages) language(w http.ResponseWriter, r *http.Request) error {
	return p.prefer(w, r, func(s *identity.Preferences) { s.Lang = i18n.Lang(r.PostForm.Get("lang")) })
}

// prefer changes one preference from the menus and goes back to the page.
func (p *Pages) prefer(w http.ResponseWriter, r *http.Request, set func(*identity.Preferences)) error {
	if err := read(w, r); err != nil {
		return err
	}
	by := web.Who(r.Context())
	s := identity.Preferences{Lang: by.Lang, Theme: by.Theme, SingleKeys: by.SingleKeys}
	set(&s)
	if err := p.d.SetPreferences(r.Context(), by, s); err != nil {
		return err
	}
	return see(w, r, back(r))
}

func (p *Pages) doMyPassword(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, "password", func(by *web.Person) error {
		return p.d.ChangePassword(r.Context(), by, r.PostForm.Get("old"), r.PostForm.Get("password"))
	})
}

func (p *Pages) doMyPIN(w http.ResponseWriter, r *http.Request) error {
	if err := read(w, r); err != nil {
		return err
	}
	pin, done := strings.TrimSpace(r.PostForm.Get("pin")), "pin"
	if r.PostForm.Has("remove") {
		pin, done = "", "pin_removed"
	} else if pin == "" {
		pin = "-" // no PIN: refused with the words on how one looks
	}
	return p.change(w, r, done, func(by *web.Person) error {
		return p.d.SetPIN(r.Context(), by, r.PostForm.Get("pin_password"), pin)
	})
}

func (p *Pages) removeTOTP(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, "second", func(*web.Person) error { return p.d.RemoveTOTP(r.Context(), p.d.Token(r)) })
}

func (p *Pages) removePasskey(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, "second", func(*web.Person) error {
		return p.d.RemovePasskey(r.Context(), p.d.Token(r), r.PostForm.Get("id"))
	})
}

// newCodes makes the old recovery codes void and shows new ones.
func (p *Pages) newCodes(w http.ResponseWriter, r *http.Request) error {
	if err := p.d.NewRecoveryCodes(r.Context(), p.d.Token(r)); err != nil {
		found, err := p.mistakes(r.Context(), err)
		if err != nil {
			return err
		}
		return p.showMe(w, r, found)
	}
	return see(w, r, with(codesPath, web.MePath))
}

// endMine ends one of the own sessions, or with none named all others.
func (p *Pages) endMine(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, "sessions", func(by *web.Person) error {
		ctx, id := r.Context(), r.PostForm.Get("id")
		if id == "" {
			return p.d.EndSessions(ctx, by, by.ID)
		}
		if err := p.ownSession(ctx, by, id); err != nil {
			return err
		}
		return p.d.EndSession(ctx, by, id)
	})
}

func (p *Pages) ownSession(ctx context.Context, by *web.Person, id string) error {
	s, err := p.d.Session(ctx, id)
	if err == nil && s.Person != by.ID {
		err = errors.New("signin: somebody else's session")
		return &problem.Error{Op: "signin.endMine", Kind: problem.NotFound, Err: err}
	}
	return err
}
