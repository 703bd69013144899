package signin

import (
	"net"
	"net/http"
	"net/url"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

type signInView struct {
	Place       string // the organisation that operates the node
	Next, Login string
	Who         string // who is signed in already, and proves it again
	Desk        *identity.Desk
	Providers   []identity.Provider
	Errors      ui.Errors
	// Worked is who signed in at this desk before with an account of ours, Elsewhere
	// who did at a provider, for the page that offers the names; Person is the id of
	// the one expected.
	Worked, Elsewhere []identity.Person
	Person            string
	// Waiting is the number of alarms at the desk's organisation, where it is Known.
	Waiting int
	Known   bool
}

// other marks the page for whom the desk does not know.
const other = "other"

// signIn leads a node without people to its first start and a desk to its names.
func (p *Pages) signIn(w http.ResponseWriter, r *http.Request) error {
	ctx, next := r.Context(), nextOf(r)
	empty, err := p.d.Empty(ctx)
	if err != nil {
		return err
	}
	if empty {
		return see(w, r, setupPath)
	}
	v := signInView{Next: next}
	if who := web.Who(ctx); who != nil {
		v.Login, v.Who, v.Person = who.Login, who.Name, who.ID
	} else if !r.URL.Query().Has(other) {
		here, err := p.d.WorkedHere(r)
		if err != nil {
			return err
		}
		if len(here) > 0 {
			return see(w, r, with(deskPath, next))
		}
	}
	return p.showSignIn(w, r, v)
}

func (p *Pages) showSignIn(w http.ResponseWriter, r *http.Request, v signInView) (err error) {
	if v.Desk, err = p.d.DeskOf(r); err != nil {
		return err
	}
	if v.Place, err = p.place(r); err != nil {
		return err
	}
	v.Providers = p.d.Providers()
	p.count(r, &v)
	return web.Render(w, r, statusOf(v.Errors), p.signInPage(v))
}

// count counts the alarms at a desk at which nobody is signed in: whoever comes by
// sees that he is needed. Strangers at other browsers see nothing.
func (p *Pages) count(r *http.Request, v *signInView) {
	if v.Desk != nil && web.Who(r.Context()) == nil && p.o.Waiting != nil {
		v.Waiting, v.Known = p.o.Waiting(r.Context(), v.Desk.Organisation)
	}
}

// place is the name of the organisation that operates the node: people with
// several windows see where they are.
func (p *Pages) place(r *http.Request) (string, error) {
	all, err := p.d.Organisations(r.Context())
	for _, o := range all {
		if o.Operator {
			return o.Name, nil
		}
	}
	return "", err
}

func (p *Pages) doSignIn(w http.ResponseWriter, r *http.Request) error {
	if err := read(w, r); err != nil {
		return err
	}
	v := signInView{Next: nextOf(r), Login: r.PostForm.Get("login")}
	in, err := p.d.SignIn(r.Context(), p.credentials(r, v.Login, r.PostForm.Get("password")))
	if err != nil {
		if v.Errors, err = p.refusedSignIn(r, err, "login"); err != nil {
			return err
		}
		return p.showSignIn(w, r, v)
	}
	return p.goOn(w, r, in, v.Next)
}

func (p *Pages) credentials(r *http.Request, login, password string) identity.Credentials {
	return identity.Credentials{Login: login, Password: password, Address: p.d.Address(r), Desk: p.d.DeskToken(r), Replaces: p.d.Token(r)}
}

// refusedSignIn hangs what does not fit on a field.
func (p *Pages) refusedSignIn(r *http.Request, err error, field string) (ui.Errors, error) {
	found, err := p.mistakes(r.Context(), err)
	for i := range found {
		found[i].Field = field
	}
	return found, err
}

// goOn gives the browser its session and leads to what is missing.
func (p *Pages) goOn(w http.ResponseWriter, r *http.Request, in identity.SignedIn, next string) error {
	p.d.SetCookie(w, r, in.Token)
	if in.Stage == identity.StageDone && p.d.DeskToken(r) != "" {
		p.d.WorksHere(w, r, in.Person)
	}
	codes, err := p.d.Codes(r.Context(), in.Token)
	if err != nil {
		return err
	}
	if len(codes) > 0 {
		return see(w, r, with(codesPath, next))
	}
	return see(w, r, p.step(in.Stage, next))
}

// step is the page of a stage.
func (p *Pages) step(s identity.Stage, next string) string {
	switch s {
	case identity.StageSecond:
		return with(secondPath, next)
	case identity.StageEnrol:
		return with(enrolPath, next)
	case identity.StagePassword:
		return with(passwordPath, next)
	}
	if next == "" {
		return startPath
	}
	return next
}

// at calls f if the session under way is at one of the stages, and leads to the
// right page otherwise: back, a second window and a late press are everyday.
func (p *Pages) at(w http.ResponseWriter, r *http.Request, f func(token string, s *identity.Session, who *identity.Person) error, stages ...identity.Stage) error {
	token := p.d.Token(r)
	s, who, err := p.d.Pending(r.Context(), token)
	if kindOf(err, problem.Unauthenticated) {
		return see(w, r, with(web.SignInPath, nextOf(r)))
	}
	if err != nil {
		return err
	}
	for _, stage := range stages {
		if s.Stage == stage {
			return f(token, s, who)
		}
	}
	return see(w, r, p.step(s.Stage, nextOf(r)))
}

/* Second factor */

type secondView struct {
	Next, Name string
	Recovery   bool   // a recovery code is entered instead
	App        bool   // the person has an app
	Options    string // for the passkey, JSON; "": none
	Errors     ui.Errors
}

func (p *Pages) second(w http.ResponseWriter, r *http.Request) error {
	return p.at(w, r, func(token string, _ *identity.Session, who *identity.Person) error {
		return p.showSecond(w, r, token, who, nil)
	}, identity.StageSecond)
}

func (p *Pages) showSecond(w http.ResponseWriter, r *http.Request, token string, who *identity.Person, found ui.Errors) error {
	var options []byte
	if p.named(r) {
		var err error
		if options, err = p.d.BeginPasskey(r.Context(), token, p.d.Origin(r)); err != nil {
			return err
		}
	}
	v := secondView{Next: nextOf(r), Name: who.Name, App: who.HasTOTP, Recovery: r.URL.Query().Has("recovery"), Options: string(options), Errors: found}
	return web.Render(w, r, statusOf(found), p.secondPage(v))
}

func (p *Pages) doSecond(w http.ResponseWriter, r *http.Request) error {
	if err := read(w, r); err != nil {
		return err
	}
	return p.secondStep(w, r, func(token string) (identity.SignedIn, error) {
		return p.d.SecondCode(r.Context(), token, r.PostForm.Get("code"))
	})
}

func (p *Pages) doSecondPasskey(w http.ResponseWriter, r *http.Request) error {
	if err := read(w, r); err != nil {
		return err
	}
	return p.secondStep(w, r, func(token string) (identity.SignedIn, error) {
		return p.d.FinishPasskey(r.Context(), token, p.d.Origin(r), []byte(r.PostForm.Get("response")))
	})
}

func (p *Pages) secondStep(w http.ResponseWriter, r *http.Request, take func(token string) (identity.SignedIn, error)) error {
	return p.at(w, r, func(token string, _ *identity.Session, who *identity.Person) error {
		in, err := take(token)
		if err == nil {
			return p.goOn(w, r, in, nextOf(r))
		}
		found, err := p.mistakes(r.Context(), err)
		if err != nil {
			return err
		}
		if s, _, err := p.d.Pending(r.Context(), token); err != nil || s.Stage != identity.StageSecond {
			// The last try is used up: signing in begins again, and says why.
			p.d.ClearCookie(w, r)
			return p.showSignIn(w, r, signInView{Next: nextOf(r), Login: who.Login, Errors: p.errors(r, "login", "signin.second.over")})
		}
		return p.showSecond(w, r, token, who, found)
	}, identity.StageSecond)
}

// named reports whether the browser reached us by a name: passkeys are bound to
// one and know no bare addresses (spec: Web Authentication Level 3, §5.1.2).
func (p *Pages) named(r *http.Request) bool {
	u, err := url.Parse(p.d.Origin(r))
	return err == nil && u.Hostname() != "" && net.ParseIP(u.Hostname()) == nil
}

func (p *Pages) errors(r *http.Request, field, key string) (found ui.Errors) {
	found.Add(field, web.T(r.Context(), key, nil))
	return found
}

/* Setting up a second factor */

type enrolView struct {
	Next     string
	Led      bool // the person was led here and cannot go on without
	Key, URL string
	Options  string // for making a passkey, JSON; "": none can be made
	Device   string
	Errors   ui.Errors
}

func (p *Pages) enrol(w http.ResponseWriter, r *http.Request) error {
	return p.at(w, r, func(token string, s *identity.Session, _ *identity.Person) error {
		return p.showEnrol(w, r, token, s, "", nil)
	}, identity.StageEnrol, identity.StageDone)
}

func (p *Pages) showEnrol(w http.ResponseWriter, r *http.Request, token string, s *identity.Session, device string, found ui.Errors) error {
	ctx := r.Context()
	v := enrolView{Next: nextOf(r), Led: s.Stage == identity.StageEnrol, Device: device, Errors: found}
	var err error
	if v.Key, v.URL, err = p.d.BeginTOTP(ctx, token, web.T(ctx, "web.product", nil)); err != nil {
		if kindOf(err, problem.Forbidden) { // too long ago: the password first
			return see(w, r, with(web.SignInPath, with(enrolPath, v.Next)))
		}
		return err
	}
	if p.named(r) {
		options, err := p.d.BeginPasskeyEnrol(ctx, token, p.d.Origin(r))
		if err != nil {
			return err
		}
		v.Options = string(options)
	}
	return web.Render(w, r, statusOf(found), p.enrolPage(v))
}

func (p *Pages) doEnrolTOTP(w http.ResponseWriter, r *http.Request) error {
	if err := read(w, r); err != nil {
		return err
	}
	return p.enrolStep(w, r, func(token string) (identity.SignedIn, error) {
		return p.d.ConfirmTOTP(r.Context(), token, r.PostForm.Get("code"))
	})
}

func (p *Pages) doEnrolPasskey(w http.ResponseWriter, r *http.Request) error {
	if err := read(w, r); err != nil {
		return err
	}
	return p.enrolStep(w, r, func(token string) (identity.SignedIn, error) {
		return p.d.FinishPasskeyEnrol(r.Context(), token, p.d.Origin(r), r.PostForm.Get("device"), []byte(r.PostForm.Get("response")))
	})
}

func (p *Pages) enrolStep(w http.ResponseWriter, r *http.Request, take func(token string) (identity.SignedIn, error)) error {
	return p.at(w, r, func(token string, s *identity.Session, _ *identity.Person) error {
		in, err := take(token)
		if err == nil {
			return p.goOn(w, r, in, nextOf(r))
		}
		found, err := p.mistakes(r.Context(), err)
		if err != nil {
			return err
		}
		return p.showEnrol(w, r, token, s, r.PostForm.Get("device"), found)
	}, identity.StageEnrol, identity.StageDone)
}

/* Recovery codes */

type codesView struct {
	Next, Name, Login string
	Codes             []string
}

func (p *Pages) codes(w http.ResponseWriter, r *http.Request) error {
	return p.at(w, r, func(token string, s *identity.Session, who *identity.Person) error {
		codes, err := p.d.Codes(r.Context(), token)
		if err != nil {
			return err
		}
		if len(codes) == 0 {
			return see(w, r, p.step(s.Stage, nextOf(r)))
		}
		return web.Render(w, r, http.StatusOK, p.codesPage(codesView{nextOf(r), who.Name, who.Login, codes}))
	}, identity.StageDone, identity.StagePassword)
}

func (p *Pages) doCodes(w http.ResponseWriter, r *http.Request) error {
	return p.at(w, r, func(token string, s *identity.Session, _ *identity.Person) error {
		if err := p.d.Forget(r.Context(), token); err != nil {
			return err
		}
		return see(w, r, p.step(s.Stage, nextOf(r)))
	}, identity.StageDone, identity.StagePassword)
}

/* A new password */

type passwordView struct {
	Title, Lead, Button string
	Action              string
	Login               string
	Errors              ui.Errors
}

func (p *Pages) password(w http.ResponseWriter, r *http.Request) error {
	return p.at(w, r, func(_ string, _ *identity.Session, who *identity.Person) error {
		return p.showPassword(w, r, who, nil)
	}, identity.StagePassword)
}

func (p *Pages) showPassword(w http.ResponseWriter, r *http.Request, who *identity.Person, found ui.Errors) error {
	ctx := r.Context()
	return web.Render(w, r, statusOf(found), p.passwordPage(passwordView{
		Title: web.T(ctx, "signin.password.title", nil), Lead: web.T(ctx, "signin.password.lead", nil), Button: web.T(ctx, "signin.password.save", nil),
		Action: with(passwordPath, nextOf(r)), Login: who.Login, Errors: found,
	}))
}

func (p *Pages) doPassword(w http.ResponseWriter, r *http.Request) error {
	if err := read(w, r); err != nil {
		return err
	}
	return p.at(w, r, func(token string, _ *identity.Session, who *identity.Person) error {
		in, err := p.d.ChooseFirstPassword(r.Context(), token, r.PostForm.Get("password"))
		if err == nil {
			return p.goOn(w, r, in, nextOf(r))
		}
		found, err := p.mistakes(r.Context(), err)
		if err != nil {
			return err
		}
		return p.showPassword(w, r, who, found)
	}, identity.StagePassword)
}

/* Links of invitations and resets */

func (p *Pages) link(kind identity.LinkKind) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		who, err := p.d.Link(r.Context(), kind, r.PathValue("token"))
		if err != nil {
			return err
		}
		return p.showLink(w, r, kind, who, nil)
	}
}

func (p *Pages) showLink(w http.ResponseWriter, r *http.Request, kind identity.LinkKind, who *identity.Person, found ui.Errors) error {
	ctx := r.Context()
	org, err := p.d.Organisation(ctx, who.Organisation)
	if err != nil {
		return err
	}
	args := i18n.Args{"name": who.Name, "organisation": org.Name}
	return web.Render(w, r, statusOf(found), p.passwordPage(passwordView{
		Title: web.T(ctx, "signin."+string(kind)+".title", nil), Lead: web.T(ctx, "signin."+string(kind)+".lead", args),
		Button: web.T(ctx, "signin.password.save", nil), Action: r.URL.Path, Login: who.Login, Errors: found,
	}))
}

// doLink sets the password and signs in with it: whoever has just proved the link
// need not type it again.
func (p *Pages) doLink(kind identity.LinkKind) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := read(w, r); err != nil {
			return err
		}
		ctx, token, password := r.Context(), r.PathValue("token"), r.PostForm.Get("password")
		who, err := p.d.Link(ctx, kind, token)
		if err != nil {
			return err
		}
		if err := p.d.UseLink(ctx, kind, token, password); err != nil {
			found, err := p.mistakes(ctx, err)
			if err != nil {
				return err
			}
			return p.showLink(w, r, kind, who, found)
		}
		in, err := p.d.SignIn(ctx, p.credentials(r, who.Login, password))
		if err != nil {
			return err
		}
		return p.goOn(w, r, in, "")
	}
}

/* Providers */

func (p *Pages) provider(w http.ResponseWriter, r *http.Request) error {
	target, err := p.d.StartProvider(w, r, r.PathValue("provider"), r.URL.Query().Get("person"), nextOf(r))
	if err != nil {
		return p.providerFailed(w, r, err)
	}
	return see(w, r, target)
}

func (p *Pages) providerReturn(w http.ResponseWriter, r *http.Request) error {
	in, next, err := p.d.FinishProvider(w, r, r.PathValue("provider"))
	if err != nil {
		return p.providerFailed(w, r, err)
	}
	return p.goOn(w, r, in, local(next))
}

// providerFailed shows the other ways to sign in beside what went wrong.
func (p *Pages) providerFailed(w http.ResponseWriter, r *http.Request, err error) error {
	found, err := p.mistakes(r.Context(), err)
	if err != nil {
		return err
	}
	return p.showSignIn(w, r, signInView{Next: nextOf(r), Errors: found})
}

// signOut leads back to signing in; with next somebody else takes over.
func (p *Pages) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := read(w, r); err != nil {
		return err
	}
	if err := p.d.SignOut(r.Context(), p.d.Token(r)); err != nil {
		return err
	}
	p.d.ClearCookie(w, r)
	return see(w, r, with(web.SignInPath, local(r.PostForm.Get("next"))))
}

/* The first start */

type setupView struct {
	Code, Organisation, Country, Addresses, Name, Login string
	Errors                                              ui.Errors
}

func (p *Pages) setup(w http.ResponseWriter, r *http.Request) error {
	empty, err := p.d.Empty(r.Context())
	if err != nil {
		return err
	}
	if !empty {
		return see(w, r, web.SignInPath)
	}
	return web.Render(w, r, http.StatusOK, p.setupPage(setupView{Code: r.URL.Query().Get("code")}))
}

func (p *Pages) doSetup(w http.ResponseWriter, r *http.Request) error {
	if err := read(w, r); err != nil {
		return err
	}
	ctx, f := r.Context(), r.PostForm
	v := setupView{Code: f.Get("code"), Organisation: f.Get("organisation"), Country: f.Get("country"), Addresses: f.Get("addresses"),
		Name: f.Get("name"), Login: f.Get("login")}
	in, err := p.d.SetUp(ctx, identity.First{
		Code:          v.Code,
		Organisation:  identity.Organisation{Name: v.Organisation, Country: v.Country, Addresses: lines(v.Addresses)},
		Administrator: identity.NewPerson{Login: v.Login, Name: v.Name, Lang: web.Lang(ctx), Password: f.Get("password")},
		Address:       p.d.Address(r),
	})
	if err != nil {
		if v.Errors, err = p.mistakes(ctx, err); err != nil {
			return err
		}
		return web.Render(w, r, wrong, p.setupPage(v))
	}
	// Whoever may change everything is best protected first; it can wait.
	return p.goOn(w, r, in, with(enrolPath, peoplePath))
}
