package signin

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// Addresses of the pages.
const (
	startPath         = "/"
	setupPath         = "/setup"
	secondPath        = "/signin/second"
	enrolPath         = "/signin/enrol"
	codesPath         = "/signin/codes"
	passwordPath      = "/signin/password"
	oidcPath          = "/signin/oidc/"
	deskPath          = "/desk"
	peoplePath        = "/people"
	rolesPath         = "/roles"
	sessionsPath      = "/sessions"
	desksPath         = "/desks"
	organisationsPath = "/organisations"
)

// Actions of identity's policy.
const (
	actionMeRead             = "identity.me.read"
	actionMeWrite            = "identity.me.write"
	actionPeopleRead         = "identity.people.read"
	actionPeopleWrite        = "identity.people.write"
	actionRolesRead          = "identity.roles.read"
	actionRolesWrite         = "identity.roles.write"
	actionSessionsRead       = "identity.sessions.read"
	actionSessionsEnd        = "identity.sessions.end"
	actionDeskWrite          = "identity.desk.write"
	actionOrganisationsRead  = "identity.organisations.read"
	actionOrganisationsWrite = "identity.organisations.write"
)

// maxForm bounds a form in bytes; the answer of a passkey is the largest, some
// kilobytes.
const maxForm = 64 << 10

// Options is what the pages need besides the directory.
type Options struct {
	Policy *access.Policy // for the page of roles
	Texts  *i18n.Bundle
	// Waiting counts the alarms that wait for somebody of an organisation, for its
	// desks at which nobody is signed in; known is false when it cannot tell. nil:
	// there are no alarms.
	Waiting func(ctx context.Context, organisation string) (n int, known bool)
}

// Pages are the pages of people and rights.
type Pages struct {
	d     *identity.Directory
	o     Options
	rules func() []web.Route // all routes, once registered
}

// New returns the pages of d.
func New(d *identity.Directory, o Options) *Pages {
	return &Pages{d: d, o: o}
}

// Locales returns the texts of this package for i18n.Load.
func Locales() fs.FS { return texts }

// Nav returns the entries of the navigation; roles, sessions, desks and
// organisations are tabs of the same subject.
func (p *Pages) Nav() []web.NavItem {
	return []web.NavItem{{Section: "people", Key: "signin.nav.people", URL: peoplePath, Action: actionPeopleRead}}
}

// Public lists the patterns that are open to strangers: a generated test holds
// the router to it.
func Public() []string {
	return []string{
		"GET " + web.SignInPath, "POST " + web.SignInPath,
		"GET " + secondPath, "POST " + secondPath, "POST " + secondPath + "/passkey",
		"GET " + enrolPath, "POST " + enrolPath + "/totp", "POST " + enrolPath + "/passkey",
		"GET " + codesPath, "POST " + codesPath,
		"GET " + passwordPath, "POST " + passwordPath,
		"GET " + oidcPath + "{provider}", "GET " + oidcPath + "{provider}/return",
		"GET " + setupPath, "POST " + setupPath,
		"GET /invitation/{token}", "POST /invitation/{token}", "GET /reset/{token}", "POST /reset/{token}",
		"GET " + deskPath, "POST " + deskPath,
		"POST " + web.SignOutPath,
	}
}

// Register adds the pages. What is public decides by a session under way, by the
// token of its link or by the cookie of the desk.
func (p *Pages) Register(rt *web.Router) {
	p.rules = rt.Routes
	open, mine := web.Public(), web.May(actionMeWrite)

	rt.Page("GET "+web.SignInPath, open, p.signIn)
	rt.Page("POST "+web.SignInPath, open, p.doSignIn)
	rt.Page("GET "+secondPath, open, p.second)
	rt.Page("POST "+secondPath, open, p.doSecond)
	rt.Page("POST "+secondPath+"/passkey", open, p.doSecondPasskey)
	rt.Page("GET "+enrolPath, open, p.enrol)
	rt.Page("POST "+enrolPath+"/totp", open, p.doEnrolTOTP)
	rt.Page("POST "+enrolPath+"/passkey", open, p.doEnrolPasskey)
	rt.Page("GET "+codesPath, open, p.codes)
	rt.Page("POST "+codesPath, open, p.doCodes)
	rt.Page("GET "+passwordPath, open, p.password)
	rt.Page("POST "+passwordPath, open, p.doPassword)
	rt.Page("GET "+oidcPath+"{provider}", open, p.provider)
	rt.Page("GET "+oidcPath+"{provider}/return", open, p.providerReturn)
	rt.Page("POST "+web.SignOutPath, open, p.signOut)
	rt.Page("GET "+setupPath, open, p.setup)
	rt.Page("POST "+setupPath, open, p.doSetup)
	for _, kind := range []identity.LinkKind{identity.LinkInvitation, identity.LinkReset} {
		rt.Page("GET /"+string(kind)+"/{token}", open, p.link(kind))
		rt.Page("POST /"+string(kind)+"/{token}", open, p.doLink(kind))
	}

	look := web.May(actionMeRead)
	rt.Page("GET "+web.MePath, look, p.me)
	rt.Page("POST "+web.MePath, mine, p.doMe)
	rt.Page("POST "+web.ThemePath, mine, p.theme)
	rt.Page("POST "+web.LanguagePath, mine, p.language)
	rt.Page("POST "+web.MePath+"/password", mine, p.doMyPassword)
	rt.Page("POST "+web.MePath+"/pin", mine, p.doMyPIN)
	rt.Page("POST "+web.MePath+"/totp/remove", mine, p.removeTOTP)
	rt.Page("POST "+web.MePath+"/passkeys/remove", mine, p.removePasskey)
	rt.Page("POST "+web.MePath+"/codes", mine, p.newCodes)
	rt.Page("POST "+web.MePath+"/sessions", mine, p.endMine)
	rt.Page("GET "+web.SessionPath, look, p.session)
	rt.Page("GET "+web.SessionStatePath, look, p.sessionState)
	rt.Page("POST "+web.SessionStatePath, look, p.sessionState)
	rt.Page("GET "+unsentPath, look, p.unsent)
	rt.Page("POST "+unsentPath, mine, p.sendAgain)
	rt.Page("POST "+unsentPath+"/drop", mine, p.dropUnsent)

	p.registerPeople(rt)
	p.registerRights(rt)
	p.registerPlaces(rt)
}

// local returns next if it is the address of a page of ours, "" otherwise. What
// browsers read as another host (//host, /\host, a tab between) is refused (spec:
// WHATWG URL, §4.4), and so are the steps of signing in, which lead nowhere.
func local(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsRune(next, '\\') ||
		strings.ContainsFunc(next, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return ""
	}
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || strings.HasPrefix(u.Path, "//") {
		return ""
	}
	if u.Path == enrolPath {
		return next
	}
	for _, own := range []string{web.SignInPath, web.SignOutPath, setupPath, deskPath} {
		if u.Path == own || strings.HasPrefix(u.Path, own+"/") {
			return ""
		}
	}
	return next
}

func nextOf(r *http.Request) string { return local(r.URL.Query().Get("next")) }

// with adds next to an address.
func with(path, next string) string {
	if next == "" {
		return path
	}
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return path + sep + url.Values{"next": {next}}.Encode()
}

func see(w http.ResponseWriter, r *http.Request, path string) error {
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}

// read takes the form of a request.
func read(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return err
		}
		return &problem.Error{Op: "signin.form", Kind: problem.Invalid, Err: err}
	}
	return nil
}

// mistakes turns what a person can mend into the errors of his form. Any other
// error comes back.
func (p *Pages) mistakes(ctx context.Context, err error) (ui.Errors, error) {
	var found ui.Errors
	if faults, ok := errors.AsType[identity.Faults](err); ok {
		for _, f := range faults {
			found.Add(f.Field, web.T(ctx, f.Key, f.Args))
		}
		return found, nil
	}
	if e, ok := errors.AsType[*problem.Error](err); ok && e.Key != "" && e.Kind != problem.Internal && e.Kind != problem.NotFound {
		found.Add("", web.T(ctx, e.Key, e.Args))
		return found, nil
	}
	return nil, err
}

// wrong is the status of a form that was not taken.
const wrong = http.StatusUnprocessableEntity

// statusOf a form with errors, and of one without.
func statusOf(e ui.Errors) int {
	if len(e) > 0 {
		return wrong
	}
	return http.StatusOK
}

func kindOf(err error, kind problem.Kind) bool {
	return err != nil && problem.KindOf(err) == kind
}
