package signin

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
)

// TestFirstStart goes the way of whoever sets the node up, without scripts.
func TestFirstStart(t *testing.T) {
	w := empty(t)
	b := w.browser()
	b.get("/people").at("/setup", 200).sees("signin.setup.title")
	first, err := w.FirstCode(t.Context())
	w.must(err)

	// What is wrong comes back with what was entered, but for the password.
	b.submit("/setup", "code", "WRONG", "organisation", "Dispečink", "country", "CZ", "addresses", "1.2.3\r\n1.2.4", "name", "Jana", "login", "jana", "password", good)
	b.at("/setup", 422).sees("identity.refused.first_code")
	if b.value("organisation") != "Dispečink" || b.value("addresses") != "1.2.3\r\n1.2.4" && b.value("addresses") != "1.2.3\n1.2.4" || b.value("password") != "" {
		t.Errorf("the form is not kept: %q %q %q", b.value("organisation"), b.value("addresses"), b.value("password"))
	}
	if !strings.Contains(b.body, `href="#code"`) || !strings.Contains(b.body, `aria-describedby="code-hint code-error"`) {
		t.Error("the mistake is not tied to its field")
	}
	b.submit("/setup", "code", strings.ToLower(first), "name", "", "login", "J J", "password", "short")
	b.at("/setup", 422).sees("identity.input.login")
	for _, field := range []string{"name", "login", "password"} {
		if !strings.Contains(b.body, `href="#`+field+`"`) {
			t.Errorf("the summary does not lead to %s", field)
		}
	}
	b.submit("/setup", "code", first, "name", "Jana Nováková", "login", "jana", "password", good)
	b.at("/signin/enrol", 200).sees("signin.enrol.later")

	all, err := w.Organisations(t.Context())
	w.must(err)
	if len(all) != 1 || !all[0].Operator || all[0].Name != "Dispečink" || strings.Join(all[0].Addresses, " ") != "1.2.3 1.2.4" {
		t.Errorf("organisation %+v", all)
	}
	b.get("/people").at("/people", 200).sees("Jana Nováková")
	who, err := w.PersonByLogin(t.Context(), "jana")
	w.must(err)
	if who.Lang != i18n.En || !who.Is("administrator") {
		t.Errorf("administrator %+v", who)
	}

	// The page is closed behind the first one.
	w.browser().get("/setup").at("/signin", 200)
	if b := w.browser().post("/setup", url.Values{"code": {first}, "login": {"second"}}); b.status != 422 || !strings.Contains(b.text(), "already has an administrator") {
		t.Errorf("a second first start: %d %s", b.status, b.text())
	}
}

// TestInvitation goes from the link to the first sign-in with a second factor.
func TestInvitation(t *testing.T) {
	w := begin(t)
	chief := w.browser()
	chief.enter("chief").get("/roles").submit("/roles", "second", "dispatcher").at("/roles", 200).sees("signin.roles.saved")
	chief.get("/people/new").submit("/people/new", "name", "Petr Kos", "login", "PETR", "roles", "dispatcher", "lang", "en")
	if !strings.HasPrefix(chief.path, "/people/") || chief.status != 200 {
		t.Fatalf("invited: %s %d %s", chief.path, chief.status, chief.text())
	}
	link := chief.value("link")
	if !strings.HasPrefix(link, "http://example.com/invitation/") {
		t.Fatalf("link %q", link)
	}
	path := strings.TrimPrefix(link, "http://example.com")
	page := chief.path
	chief.submit(page+"/link").at(page, 200)
	if strings.Contains(chief.body, path) {
		t.Error("the link is shown after it was put away")
	}

	b := w.browser()
	b.get(path).at(path, 200).sees("Petr Kos", "Dispečink Liberec")
	b.submit(path, "password", "petr petr petr").at(path, 422).sees("identity.input.password_weak")
	b.submit(path, "password", fresh).at("/signin/enrol", 200).sees("signin.enrol.lead.needed")
	if strings.Contains(b.body, "/signin/enrol/later") || !strings.Contains(b.body, `<svg class="qr"`) {
		t.Error("no code to photograph")
	}
	if got := b.get("/").text(); !strings.Contains(got, "start: nobody") {
		t.Errorf("in before the second factor: %s", got)
	}
	b.get("/people").at("/signin", 200)
	b.get("/signin/enrol")
	key := b.key()
	b.submit("/signin/enrol/totp", "code", "000000").at("/signin/enrol/totp", 422).sees("identity.refused.code")
	if b.key() != key {
		t.Error("the key changed under the person's hands")
	}
	b.submit("/signin/enrol/totp", "code", w.code(key, 0)).at("/signin/codes", 200)
	codes := b.recovery()
	if len(codes) != 10 {
		t.Fatalf("%d recovery codes", len(codes))
	}
	b.submit("/signin/codes").at("/", 200)
	if !strings.Contains(b.body, "start: Petr Kos") {
		t.Errorf("not in: %s", b.body)
	}
	b.get("/signin/codes").at("/", 200)

	// The link is used up.
	w.browser().get(path).at(path, 404).sees("identity.refused.link")

	// The next sign-in asks for a code; a code is good once, a recovery code too.
	b = w.browser()
	sign := func() *browser {
		return b.get("/signin?next=/me").submit("/signin", "login", "petr", "password", fresh).at("/signin/second", 200)
	}
	w.clock.Advance(time.Minute)
	sign().submit("/signin/second", "code", w.code(key, 0)).at("/me", 200).sees("petr · dispatcher")
	sign().submit("/signin/second", "code", w.code(key, 0)).at("/signin/second", 422).sees("identity.refused.code")
	b.get("/signin/second?recovery=&next=/me").submit("/signin/second", "code", strings.ToLower(codes[0])).at("/me", 200)
	b.sees("9 recovery codes are left.")
	sign().get("/signin/second?recovery=&next=/me").submit("/signin/second", "code", codes[0]).at("/signin/second", 422)
	for range 3 {
		b.get("/signin/second").submit("/signin/second", "code", "123456")
	}
	b.get("/signin/second").submit("/signin/second", "code", "123456").sees("signin.second.over")
	if b.session() != "" {
		t.Error("the session goes on after the last try")
	}
}

func TestSignIn(t *testing.T) {
	w := begin(t)
	w.hire("", "petr", "dispatcher")
	b := w.browser()
	b.get("/me").at("/signin", 200)
	if b.path != "/signin?next=%2Fme" {
		t.Errorf("the page asked for is lost: %s", b.path)
	}
	b.submit("/signin", "login", "petr", "password", "wrong").at("/signin", 422).sees("identity.refused.signin")
	if b.value("login") != "petr" || b.value("password") != "" {
		t.Errorf("the form came back with %q and %q", b.value("login"), b.value("password"))
	}
	b.submit("/signin", "password", good).at("/me", 200).sees("petr · dispatcher")
	before := b.session()
	b.submit("/signout").at("/signin", 200)
	if s, _, err := w.Pending(t.Context(), before); err == nil {
		t.Errorf("signed out, and the session %v lives", s.ID)
	}

	// Before signing in everybody finds his language.
	for lang, want := range map[string]string{"cs": "Heslo", "de": "Passwort", "pl": "Hasło", "en": "Password"} {
		b := w.browser().get("/signin?next=%2Fme&lang=" + lang)
		if !strings.Contains(b.text(), want) || !strings.Contains(b.body, `<html lang="`+lang+`"`) {
			t.Errorf("%s: %s", lang, b.text())
		}
		if got, err := url.Parse(b.path); err != nil || got.Query().Get("next") != "/me" {
			t.Errorf("%s: %s", lang, b.path)
		}
	}
	// A wait is told in words.
	b = w.browser()
	b.get("/signin")
	for range 11 {
		b.submit("/signin", "login", "petr", "password", "wrong")
	}
	b.sees("identity.refused.wait")
}

// TestForcedPassword is for passwords somebody else has chosen.
func TestForcedPassword(t *testing.T) {
	w := begin(t)
	_, err := w.CreatePerson(t.Context(), nil, identity.NewPerson{Organisation: w.here.ID, Login: "petr", Name: "Petr", Roles: []string{"dispatcher"}, Password: good, MustChange: true})
	w.must(err)
	b := w.browser()
	b.enter("petr").at("/signin/password", 200).sees("signin.password.lead")
	b.get("/me").at("/signin", 200) // not in yet
	b.get("/signin/password").submit("/signin/password", "password", good).at("/signin/password", 422).sees("identity.input.password_same")
	b.submit("/signin/password", "password", fresh).at("/", 200)
	if !strings.Contains(b.body, "start: Petr") {
		t.Errorf("not in: %s", b.body)
	}
	// Steps that are over lead on instead of failing.
	for _, path := range []string{"/signin/second", "/signin/password", "/signin/codes"} {
		b.get(path).at("/", 200)
	}
	w.browser().get("/signin/second").at("/signin", 200)
}

// TestLocal refuses to send anybody to a host of somebody else.
func TestLocal(t *testing.T) {
	for next, want := range map[string]string{
		"/people": "/people", "/people?q=a&role=b": "/people?q=a&role=b", "/": "/", "/a//b": "/a//b", "/signin/enrol?next=/me": "/signin/enrol?next=/me", "/me#x": "/me#x",
		"": "", "people": "", "//evil.example": "", "///evil.example": "", `/\evil.example`: "", "/\t/evil.example": "", "/ /x": "",
		"https://evil.example": "", "javascript:alert(1)": "", "/signin": "", "/signin/second": "", "/signout": "", "/setup": "", "/desk": "",
		"/%zz": "", "/x\nLocation: y": "", "http:/people": "", "/%2F/evil.example": "",
	} {
		if got := local(next); got != want {
			t.Errorf("local(%q) = %q, want %q", next, got, want)
		}
	}
	w := begin(t)
	for _, next := range []string{"//evil.example", `/\evil.example`, "https://evil.example/", "/%09/evil.example"} {
		b := w.browser()
		b.get("/signin?"+url.Values{"next": {next}}.Encode()).submit("/signin", "login", "chief", "password", good)
		if b.path != "/" && !strings.HasPrefix(b.path, "/%09") {
			t.Errorf("next %q leads to %s", next, b.path)
		}
		r := b.post("/me/theme", url.Values{"theme": {"dark"}, "back": {next}})
		if r.path != "/me" && !strings.HasPrefix(r.path, "/%09") {
			t.Errorf("back %q leads to %s", next, r.path)
		}
	}
}

func FuzzLocal(f *testing.F) {
	for _, s := range []string{"/a", "//a", `/\a`, "/\t/a", "/a?b#c", "/..//a", "/%5c"} {
		f.Add(s)
	}
	base, err := url.Parse("https://node.example/signin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := local(s)
		if got == "" {
			return
		}
		// As browsers do: backslashes are slashes, tabs and line ends are nothing.
		seen := strings.NewReplacer(`\`, "/", "\t", "", "\n", "", "\r", "").Replace(got)
		u, err := base.Parse(seen)
		if err != nil || u.Host != "node.example" || u.Scheme != "https" {
			t.Errorf("%q leads to %v", s, u)
		}
		rec := httptest.NewRecorder()
		http.Redirect(rec, httptest.NewRequest("GET", "/signin", nil), got, http.StatusSeeOther)
		if to := rec.Header().Get("Location"); strings.HasPrefix(to, "//") || !strings.HasPrefix(to, "/") {
			t.Errorf("%q is sent as %q", s, to)
		}
	})
}
