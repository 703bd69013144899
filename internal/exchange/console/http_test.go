package console

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/agreement"
	"trojmezi/internal/exchange/classification"
	"trojmezi/internal/exchange/disclosure"
	"trojmezi/internal/exchange/phrase"
	"trojmezi/internal/exchange/unit"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
	built "trojmezi/web"
)

// people of the pages' tests, by the value of the cookie "who".
var staff = map[string]*web.Person{
	"jana":  {ID: "jana", Name: "Jana Nováková", Organisation: "liberec", Place: "Liberec (CZ)", Roles: []string{"dispatcher"}, Session: "s1", SingleKeys: true, Lang: i18n.Cs},
	"petr":  {ID: "petr", Name: "Petr Malý", Organisation: "liberec", Place: "Liberec (CZ)", Roles: []string{"shift_leader"}, Session: "s2", SingleKeys: true, Lang: i18n.Pl},
	"max":   {ID: "max", Name: "Max Krüger", Organisation: "hoyerswerda", Place: "Hoyerswerda (DE)", Roles: []string{"dispatcher"}, Session: "s3", SingleKeys: true, Lang: i18n.De},
	"ida":   {ID: "ida", Name: "Ida Lehmann", Organisation: "hoyerswerda", Place: "Hoyerswerda (DE)", Roles: []string{"dispatcher"}, Session: "s4", SingleKeys: true, Lang: i18n.En},
	"tom":   {ID: "tom", Name: "Tom Technik", Organisation: "hoyerswerda", Place: "Hoyerswerda (DE)", Roles: []string{"technician"}, Session: "s5", Lang: i18n.De},
	"audit": {ID: "audit", Name: "Anna Audit", Organisation: "hoyerswerda", Place: "Hoyerswerda (DE)", Roles: []string{"auditor"}, Session: "s6", Lang: i18n.De},
	"admin": {ID: "admin", Name: "Adam Admin", Organisation: "hoyerswerda", Place: "Hoyerswerda (DE)", Roles: []string{"administrator"}, Session: "s7", Lang: i18n.De},
}

func pageTexts(t testing.TB) *i18n.Bundle {
	t.Helper()
	b, err := i18n.Load(access.Locales, ucri.Locales(), exchange.Locales(), phrase.Locales(), Locales(), classification.Locales(), disclosure.Locales(), web.Locales, ui.Locales, geo.Locales, register.Locales, unit.Locales(), agreement.Locales())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// screens are the pages of one control room on a server.
type screens struct {
	t     testing.TB
	pages *Pages
	url   string
	texts *i18n.Bundle
}

func (r *room) screens() *screens {
	r.t.Helper()
	texts := pageTexts(r.t)
	r.Texts = texts
	places, err := register.Load()
	r.ok(err)
	p := NewPages(r.Service, places)
	p.Colleagues = func(_ context.Context, org string) (out []Colleague, err error) {
		for _, w := range []string{"jana", "petr", "max", "ida"} {
			if staff[w].Organisation == org {
				out = append(out, Colleague{ID: w, Name: staff[w].Name})
			}
		}
		return out, nil
	}
	policy, err := access.Load(map[string][]byte{"console/policy.cedar": Policy(), "register/policy.cedar": register.Policy(), "agreement/policy.cedar": agreement.Policy()})
	r.ok(err)
	rt := web.NewRouter(web.Config{
		Bundle: texts, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Clock: r.clk, Policy: policy, Nav: Nav(), Built: built.Built(),
		Authenticate: func(q *http.Request) (*web.Person, error) {
			c, err := q.Cookie("who")
			if err != nil {
				return nil, nil
			}
			return staff[c.Value], nil
		},
	})
	p.Register(rt)
	rt.Page("GET /as/{who}", web.Public(), func(w http.ResponseWriter, q *http.Request) error {
		http.SetCookie(w, &http.Cookie{Name: "who", Value: q.PathValue("who"), Path: "/"})
		http.Redirect(w, q, q.URL.Query().Get("to"), http.StatusSeeOther)
		return nil
	})
	s := httptest.NewServer(rt)
	r.t.Cleanup(func() { p.Stop(); s.Close() })
	return &screens{t: r.t, pages: p, url: s.URL, texts: texts}
}

// visitor is a browser without scripts.
type visitor struct {
	s    *screens
	http *http.Client
}

// as is a visitor who is signed in; "" is a stranger. He follows no redirect.
func (s *screens) as(who string) *visitor {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	u, err := url.Parse(s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	if who != "" {
		jar.SetCookies(u, []*http.Cookie{{Name: "who", Value: who, Path: "/"}})
	}
	return &visitor{s, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// get returns status and body.
func (v *visitor) get(path string) (int, string) {
	v.s.t.Helper()
	q, err := http.NewRequestWithContext(v.s.t.Context(), http.MethodGet, v.s.url+path, nil)
	if err != nil {
		v.s.t.Fatal(err)
	}
	q.Header.Set("Accept", "text/html")
	return v.do(q)
}

func (v *visitor) do(q *http.Request) (int, string) {
	v.s.t.Helper()
	a, err := v.http.Do(q)
	if err != nil {
		v.s.t.Fatal(err)
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		v.s.t.Fatal(err)
	}
	if l := a.Header.Get("Location"); l != "" {
		return a.StatusCode, l
	}
	return a.StatusCode, string(body)
}

// page is get of what must be there, with every text known.
func (v *visitor) page(path string) string {
	v.s.t.Helper()
	status, body := v.get(path)
	if status != http.StatusOK {
		v.s.t.Fatalf("GET %s: %d %s", path, status, body)
	}
	if m := regexp.MustCompile(`⟦[^⟧]*⟧`).FindString(body); m != "" {
		v.s.t.Errorf("GET %s: no text %s", path, m)
	}
	return body
}

// post sends a form as a browser does from the same site.
func (v *visitor) post(path string, form url.Values) (int, string) {
	v.s.t.Helper()
	q, err := http.NewRequestWithContext(v.s.t.Context(), http.MethodPost, v.s.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.s.t.Fatal(err)
	}
	q.Header.Set("Accept", "text/html")
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Sec-Fetch-Site", "same-origin")
	return v.do(q)
}

// goes posts and fails unless the answer leads to want.
func (v *visitor) goes(path string, form url.Values, want string) {
	v.s.t.Helper()
	status, target := v.post(path, form)
	if status != http.StatusSeeOther || target != want {
		v.s.t.Fatalf("POST %s %v: %d %.400s, want 303 to %s", path, form, status, target, want)
	}
}

func (s *screens) has(body string, l i18n.Lang, key string, args i18n.Args) {
	s.t.Helper()
	if want := s.texts.Text(l, key, args); !strings.Contains(body, want) {
		s.t.Errorf("the page does not say %q", want)
	}
}

// A page that was open while its server started anew is sent everything: the
// numbers it knows are of the program before, which may have ended a second ago.
func TestNumbersOfAnEarlierProgramMeanNothing(t *testing.T) {
	cz, _ := newRooms(t)
	before, after := newHub(cz.screens().pages), newHub(cz.screens().pages)
	if n := before.since(before.id(7)); n != 7 {
		t.Errorf("its own number 7 is read as %d", n)
	}
	if n := after.since(before.id(7)); n != 0 {
		t.Errorf("number 7 of the program before is read as %d", n)
	}
	for _, id := range []string{"", "7", ":", after.epoch, after.epoch + ":", after.epoch + ":x"} {
		if n := after.since(id); n != 0 {
			t.Errorf("%q is read as %d", id, n)
		}
	}
}
