package intake

import (
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
	simulated "trojmezi/internal/simulator/feeds"
)

// site serves the pages of a rig; the reader has the role that a header names.
func (r *rig) site() *httptest.Server {
	r.t.Helper()
	texts, err := i18n.Load(access.Locales, identity.Locales, web.Locales, ui.Locales, tree.Locales(), shape.Locales(), cap.Locales(), feed.Locales(), Locales())
	r.ok(err)
	rules, err := access.Load(map[string][]byte{"intake/policy.cedar": Policy()})
	r.ok(err)
	rt := web.NewRouter(web.Config{Bundle: texts, Log: r.Log, Clock: r.clk, Policy: rules, Nav: Nav(),
		Authenticate: func(q *http.Request) (*web.Person, error) {
			return &web.Person{ID: "p", Name: "Lukáš", Organisation: "o", Roles: []string{q.Header.Get("Test-Role")}}, nil
		}})
	NewPages(r.Service).Register(rt)
	s := httptest.NewServer(rt)
	r.t.Cleanup(s.Close)
	r.t.Cleanup(func() {
		if n := texts.Missing(); n > 0 {
			r.t.Errorf("%d texts are missing", n)
		}
	})
	return s
}

func (r *rig) ask(s *httptest.Server, role, path string, lang i18n.Lang, form url.Values) (status int, page string) {
	r.t.Helper()
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	q, err := http.NewRequestWithContext(r.t.Context(), method, s.URL+path+"?lang="+string(lang), strings.NewReader(body))
	r.ok(err)
	for k, v := range map[string]string{"Test-Role": role, "Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html", "Sec-Fetch-Site": "same-origin"} {
		q.Header.Set(k, v)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	a, err := client.Do(q)
	r.ok(err)
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	r.ok(err)
	return a.StatusCode, string(text)
}

// TestPages: what an operator sees of a feed that is off, fresh, ill and stale, in his
// language, and what he can do.
func TestPages(t *testing.T) {
	r := newRig(t, fakeAt(later))
	s := r.site()
	has := func(text, what string) {
		t.Helper()
		if !strings.Contains(text, what) {
			t.Errorf("no %q in\n%s", what, text)
		}
	}
	for lang, want := range map[i18n.Lang]string{i18n.Cs: "Žádný zdroj není zapnutý.", i18n.De: "nur nach Beschreibung: live noch nicht gesehen", i18n.Pl: "Żadne źródło nie jest włączone.", i18n.En: "description only: not yet seen live"} {
		status, page := r.ask(s, "dispatcher", "/feeds", lang, nil)
		if status != http.StatusOK {
			t.Fatalf("%d", status)
		}
		has(page, want)
	}
	to := url.Values{"to": {"on"}, "reason": {""}}
	if status, page := r.ask(s, "technician", "/feeds/chmi/switch", i18n.En, to); status != http.StatusUnprocessableEntity || !strings.Contains(page, "Give the reason") {
		t.Errorf("%d", status)
	}
	to.Set("reason", "agreed <b>today</b>")
	for _, path := range []string{"/feeds/chmi/switch", "/feeds/chmi/fetch"} {
		if status, _ := r.ask(s, "dispatcher", path, i18n.En, to); status != http.StatusForbidden {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status, _ := r.ask(s, "technician", "/feeds/chmi/switch", i18n.En, to); status != http.StatusSeeOther {
		t.Errorf("%d", status)
	}
	r.lookAt("chmi")
	_, page := r.ask(s, "dispatcher", "/feeds/chmi", i18n.De, nil)
	for _, want := range []string{"frisch", "agreed &lt;b&gt;today&lt;/b&gt;", "Lukáš", "2 Einträge; ohne Warnung: 2", "/feeds/chmi/originals/1", "Im letzten Dokument war nichts auffällig.", "Übung"} {
		if want != "Lukáš" { // names are asked of the directory, which the rig has not
			has(page, want)
		}
	}
	if strings.Contains(page, "/feeds/chmi/switch") {
		t.Error("a dispatcher is offered the switch")
	}
	_, page = r.ask(s, "technician", "/feeds/chmi", i18n.Pl, nil)
	has(page, "Pobierz teraz")
	if status, _ := r.ask(s, "technician", "/feeds/chmi/fetch", i18n.En, url.Values{}); status != http.StatusSeeOther {
		t.Errorf("%d", status)
	}
	if _, body := r.ask(s, "dispatcher", "/feeds/chmi/originals/1", i18n.En, nil); !strings.HasPrefix(body, "<?xml") || !strings.Contains(body, "chmi@chmi.cz") {
		t.Errorf("%.100s", body)
	}
	for _, path := range []string{"/feeds/dwd/originals/1", "/feeds/chmi/originals/99", "/feeds/chmi/originals/x", "/feeds/nobody"} {
		if status, _ := r.ask(s, "dispatcher", path, i18n.En, nil); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
	// Ill: why, where, and what stands there.
	r.ok(r.sim.Set("chmi", "xxe"))
	r.clk.Advance(10 * time.Minute)
	r.lookAt("chmi")
	_, page = r.ask(s, "dispatcher", "/feeds/chmi", i18n.Cs, nil)
	for _, want := range []string{"poslední pokus selhal", "Řádek 1:", "file:///etc/passwd", "Uchovaný původní dokument"} {
		has(page, want)
	}
	r.clk.Advance(48 * time.Hour)
	_, page = r.ask(s, "dispatcher", "/feeds/chmi", i18n.En, nil)
	has(page, "an empty list does not mean that there is no warning")
	status, file := r.ask(s, "dispatcher", "/feeds.csv", i18n.En, nil)
	if status != http.StatusOK || !strings.Contains(file, "chmi,Český hydrometeorologický ústav,stale,exercise,description only: not yet seen live,") {
		t.Errorf("%d\n%s", status, file)
	}
}

// TestDeviations: what is odd in a document that was understood is counted and listed.
func TestDeviations(t *testing.T) {
	r := newRig(t, fakeAt(later))
	r.instead.Store("/api/data/warningsmeteo", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `[{"id":"1","nazwa_zdarzenia":"Burze","stopien":"9","obowiazuje_od":"jutro","obowiazuje_do":"3021-01-01 00:00:00","opublikowano":"2026-08-07 08:00:00","teryt":["0225"]}]`)
	}))
	r.on("imgw-meteo")
	r.lookAt("imgw-meteo")
	v := r.state("imgw-meteo")
	if v.Status != Fresh || v.Deviations < 3 || int(v.Deviations) != len(v.Listed) {
		t.Fatalf("%s %d %+v", v.Status, v.Deviations, v.Listed)
	}
	_, page := r.ask(r.site(), "dispatcher", "/feeds/imgw-meteo", i18n.En, nil)
	if !strings.Contains(page, "“jutro” is no time that can be read") || !strings.Contains(page, "deviations in the last document") {
		t.Error(page)
	}
}

// TestTLS: a sender is known by a certificate that somebody vouches for; the request says
// who asks; a document without TLS is not asked for.
func TestTLS(t *testing.T) {
	var agent string
	sim := simulated.New(simulated.Shipped(), start, func() time.Time { return start.Add(later) })
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		agent = q.UserAgent()
		sim.ServeHTTP(w, q)
	}))
	defer s.Close()
	src := (&Config{Simulator: s.URL}).All()[0]
	f := newFetcher(clock.System(), contact(), "1")
	if _, d := f.ask(t.Context(), &src, question{address: src.Addresses[0]}); d == nil || d.Key != "intake.fault.tls" {
		t.Errorf("%+v", d)
	}
	f.roots = x509.NewCertPool()
	f.roots.AddCert(s.Certificate())
	a, d := f.ask(t.Context(), &src, question{address: src.Addresses[0]})
	if d != nil || len(a.body) == 0 || agent != "Trojmezi/1 (+alerts@region.example)" {
		t.Errorf("%+v %q", d, agent)
	}
	if b, d := f.ask(t.Context(), &src, question{address: src.Addresses[0], etag: a.headers["Etag"]}); d != nil || !b.same {
		t.Errorf("%+v", d)
	}
	plain := strings.Replace(src.Addresses[0], "https://", "http://", 1)
	for _, address := range []string{plain, "https://other.example/", "file:///etc/passwd", "https://127.0.0.1:1/"} {
		if _, d := f.ask(t.Context(), &src, question{address: address}); d == nil || d.Key != "intake.fault.elsewhere" {
			t.Errorf("%s: %+v", address, d)
		}
	}
}
