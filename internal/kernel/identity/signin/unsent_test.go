package signin

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// notes is a page with a form; it returns what was taken.
func (w *world) notes() *[]url.Values {
	var taken []url.Values
	w.rt.Page("POST /notes", web.May(actionMeWrite), func(rw http.ResponseWriter, r *http.Request) error {
		if err := read(rw, r); err != nil {
			return err
		}
		taken = append(taken, r.Form)
		return see(rw, r, startPath)
	})
	return &taken
}

var note = url.Values{"text": {"Zwei\r\nZeilen & <b>mehr</b>"}, "kind": {"a", "b"}, "once": {"42"}, "empty": {""}}

// away lets the browser's session end.
func (b *browser) away() *browser {
	b.w.t.Helper()
	b.w.clock.Advance(time.Hour)
	b.w.must(b.w.Sweep(b.w.t.Context()))
	return b
}

// TestUnsent gives a form back to its author that came too late, without scripts.
func TestUnsent(t *testing.T) {
	w := begin(t)
	taken := w.notes()
	w.hire("", "petr", "dispatcher")
	b := w.browser()
	b.enter("petr").away().post("/notes?x=1", note).at("/signin", 200).sees("signin.form.kept")
	b.submit("/signin", "login", "petr", "password", "wrong").at("/signin", 422).sees("signin.form.kept")
	b.submit("/signin", "login", "petr", "password", good).at("/me/unsent", 200)
	b.sees("signin.form.title", "Zwei Zeilen & <b>mehr</b>", "/notes?x=1", "signin.form.send")
	if len(*taken) != 0 {
		t.Fatalf("sent by itself: %v", *taken)
	}
	if strings.Contains(b.text(), "42") || strings.Contains(b.text(), "empty") {
		t.Errorf("the page shows what nobody entered: %s", b.text())
	}
	// It waits until he has decided, and where it goes is not for the page to say.
	b.get("/me/unsent").sees("signin.form.send")
	b.submit("/me/unsent").at("/", 200)
	want := url.Values{"x": {"1"}}
	for name, v := range note {
		want[name] = v
	}
	want["text"] = []string{"Zwei\nZeilen & <b>mehr</b>"} // browsers make CRLF of it again
	if len(*taken) != 1 || !reflect.DeepEqual((*taken)[0], want) {
		t.Fatalf("taken %q, want %q", *taken, want)
	}
	b.get("/me/unsent").at("/me/unsent", 200).sees("signin.form.none")
	b.post("/me/unsent", note).at("/me/unsent", 200)
	if len(*taken) != 1 {
		t.Errorf("taken twice: %q", *taken)
	}
	// Thrown away it is gone. A press alone comes back as one.
	b.away().post("/notes", url.Values{}).submit("/signin", "login", "petr", "password", good).at("/me/unsent", 200).sees("signin.form.button")
	b.submit("/me/unsent/drop").at("/", 200).get("/me/unsent").sees("signin.form.none")
	// A page that is only looked at leads on to itself, as ever.
	b.away().get("/me?x=1").submit("/signin", "login", "petr", "password", good)
	if b.path != "/me?x=1" {
		t.Errorf("led to %s", b.path)
	}
}

func TestUnsentIsNobodyElses(t *testing.T) {
	w := begin(t)
	taken := w.notes()
	w.hire("", "petr", "dispatcher")
	w.hire("", "anna", "dispatcher")
	b := w.browser()
	b.enter("petr").away().post("/notes", note)
	b.submit("/signin", "login", "anna", "password", good).at("/me/unsent", 200).sees("signin.form.none")
	if strings.Contains(b.body, "Zeilen") {
		t.Error("somebody else's form is shown")
	}
	b.post("/signout", nil).enter("petr").get("/me/unsent").sees("signin.form.none")
	if len(*taken) != 0 {
		t.Errorf("taken %q", *taken)
	}
}

// TestUnsentIsLost says of what is not kept that it is not, and why.
func TestUnsentIsLost(t *testing.T) {
	w := begin(t)
	w.notes()
	petr := w.hire("", "petr", "dispatcher")
	send := func(b *browser, path, kind, body string) *browser {
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		return b.get(b.send(r).Header.Get("Location"))
	}
	const form = "application/x-www-form-urlencoded"
	for why, late := range map[string]func(b *browser) *browser{
		lostSecret: func(b *browser) *browser { return send(b.away(), "/me/password", form, "old=a&password=hunter2") },
		lostUpload: func(b *browser) *browser {
			return send(b.away(), "/notes", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nhunter2\r\n--x--\r\n")
		},
		lostLarge: func(b *browser) *browser {
			return send(b.away(), "/notes", form, "text=hunter2"+strings.Repeat("x", maxForm))
		},
		lostUnknown: func(b *browser) *browser {
			w.must(w.EndSessions(t.Context(), nil, petr.ID))
			return send(b, "/notes", form, "text=hunter2")
		},
	} {
		b := w.browser()
		late(b.enter("petr")).at("/signin", 200).sees("signin.form.lost", "signin.form.lost."+why)
		b.submit("/signin", "login", "petr", "password", good).at("/me/unsent", 200).sees("signin.form.lost." + why)
		if strings.Contains(b.body, "hunter2") {
			t.Errorf("%s: kept all the same", why)
		}
	}
	if b := send(w.browser().enter("petr").away(), "/notes", form, strings.Repeat("a=&", maxFields+1)); !strings.Contains(b.path, lostLarge) {
		t.Errorf("many fields: %s", b.path)
	}
	// Strangers have nothing to come back to, and programs are told as programs are.
	b := w.browser().post("/notes", note)
	if b.path != "/signin" {
		t.Errorf("a stranger is led to %s", b.path)
	}
	b = w.browser().enter("petr").away()
	r := httptest.NewRequest("POST", "/notes", strings.NewReader(note.Encode()))
	r.Header.Set("Content-Type", form)
	r.AddCookie(b.cookies["session"])
	rec := httptest.NewRecorder()
	w.rt.ServeHTTP(rec, r)
	if rec.Code != http.StatusUnauthorized {
		t.Errorf("a program gets %d", rec.Code)
	}
	b.submitSignIn("petr").get("/me/unsent").sees("signin.form.none")
	// Another website cannot put words into somebody's mouth.
	b = w.browser().enter("petr").away()
	r = httptest.NewRequest("POST", "/notes", strings.NewReader(note.Encode()))
	r.Header.Set("Content-Type", form)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if res := b.send(r); res.StatusCode != http.StatusForbidden {
		t.Errorf("from another website: %d", res.StatusCode)
	}
	b.submitSignIn("petr").get("/me/unsent").sees("signin.form.none")
}

func (b *browser) submitSignIn(login string) *browser {
	return b.get("/signin").submit("/signin", "login", login, "password", good)
}

// TestSecretsAreKnown finds every field for a password or code in the pages of the
// program, and expects it among those that are never kept.
func TestSecretsAreKnown(t *testing.T) {
	name := regexp.MustCompile(`Name: "([^"]+)"[^}]*(?:Type: "password"|"one-time-code")`)
	found := 0
	err := fs.WalkDir(os.DirFS("../../../.."), "internal", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".templ") {
			return err
		}
		raw, err := os.ReadFile("../../../../" + path)
		for _, m := range name.FindAllStringSubmatch(string(raw), -1) {
			if found++; !slices.Contains(secrets, m[1]) {
				t.Errorf("%s: the field %q would be kept", path, m[1])
			}
		}
		if n := strings.Count(string(raw), `type="password"`); n > 0 {
			t.Errorf("%s: %d fields without a name this test could find", path, n)
		}
		return err
	})
	if err != nil || found < 10 {
		t.Errorf("%d fields, %v", found, err)
	}
}

// strip is the box that announces the end, shown or not.
func (b *browser) strip() (shown bool, ends string) {
	b.w.t.Helper()
	for n := range b.page.Descendants() {
		if attr(n, "id") == "session-strip" {
			return !has(n, "hidden"), attr(n, "data-ends")
		}
	}
	b.w.t.Fatalf("%s has no place to announce the end of the session", b.path)
	return false, ""
}

// TestSessionEndIsAnnounced works a whole day without scripts.
func TestSessionEndIsAnnounced(t *testing.T) {
	busy := false
	w := begin(t, func(o *identity.Options) {
		o.Busy = func(_ context.Context, _ string) bool { return busy }
	})
	w.hire("", "petr", "dispatcher")
	b := w.browser()
	state := func(method string) (s struct {
		Now, Ends int64
		Extends   bool
	}) {
		t.Helper()
		r := httptest.NewRequest(method, web.SessionStatePath, nil)
		if res := b.send(r); res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/json" || json.Unmarshal([]byte(b.body), &s) != nil {
			t.Fatalf("%s: %d %s", method, res.StatusCode, b.body)
		}
		w.must(w.Sweep(t.Context())) // what is written later is there then
		return s
	}
	b.enter("petr").get("/me")
	first := w.clock.Now()
	if shown, ends := b.strip(); shown || ends != fmt.Sprint(first.Add(time.Hour).UnixMilli()) {
		t.Errorf("at the beginning: shown %v, ends %s", shown, ends)
	}
	w.clock.Advance(time.Hour - time.Second)
	for range 2 {
		if s := state("GET"); s.Now != w.clock.Now().UnixMilli() || s.Ends != first.Add(time.Hour).UnixMilli() || !s.Extends {
			t.Errorf("a second before the end: %+v", s)
		}
	}
	if s := state("POST"); s.Ends != w.clock.Now().Add(time.Hour).UnixMilli() {
		t.Errorf("put off: %+v", s)
	}
	for w.clock.Now().Before(first.Add(12*time.Hour - 10*time.Minute)) {
		w.clock.Advance(10 * time.Minute)
		b.get("/me").at("/me", 200)
		w.must(w.Sweep(t.Context()))
	}
	last := first.Add(12 * time.Hour)
	w.clock.Advance(last.Sub(w.clock.Now()) - web.EndNotice - time.Second)
	if shown, _ := b.get("/me").strip(); shown {
		t.Error("announced too early")
	}
	w.clock.Advance(time.Second)
	shown, ends := b.get("/me").strip()
	if !shown || ends != fmt.Sprint(last.UnixMilli()) || !strings.Contains(b.body, w.texts.Text(i18n.En, "web.session.last", i18n.Args{"time": w.texts.Time(i18n.En, last)})) {
		t.Errorf("two minutes before the end: shown %v, ends %s", shown, ends)
	}
	if s := state("POST"); s.Ends != last.UnixMilli() || s.Extends {
		t.Errorf("the last end: %+v", s)
	}
	// Its link signs in beside the page that is written on.
	b.get("/signin?next=%2Fme%2Fsession").sees("Osoba petr is signed in.").submit("/signin", "password", good).at("/me/session", 200).sees("signin.session.back")
	if shown, _ := b.strip(); shown {
		t.Error("announced after signing in again")
	}

	// At a desk nobody is told of an end that an incident puts off.
	chief := w.browser()
	chief.enter("chief").get("/desks").submit("/desks", "desk", "Stůl 1")
	b.cookies["desk"] = chief.cookies["desk"]
	b.post("/signout", nil).enter("petr")
	first = w.clock.Now()
	for range 40 {
		w.clock.Advance((13*time.Hour - web.EndNotice) / 40)
		b.get("/me").at("/me", 200)
		w.must(w.Sweep(t.Context()))
	}
	if shown, _ := b.strip(); !shown || state("GET").Ends != first.Add(13*time.Hour).UnixMilli() {
		t.Error("the end of the shift is not announced")
	}
	busy = true
	if shown, ends := b.get("/me").strip(); shown || ends != "0" {
		t.Errorf("during an incident: shown %v, ends %s", shown, ends)
	}
	if s := state("GET"); s.Ends != 0 {
		t.Errorf("during an incident: %+v", s)
	}
	b.get("/me/session").sees("While an incident is open, the session does not end.")
	busy = false
	if shown, _ := b.get("/me").strip(); !shown {
		t.Error("not announced after the incident")
	}
	b.away()
	if res := b.send(httptest.NewRequest("GET", web.SessionStatePath, nil)); res.StatusCode != http.StatusSeeOther {
		t.Errorf("after the end: %d", res.StatusCode)
	}
}

// TestWaitingAlarms counts them at a desk at which nobody is signed in.
func TestWaitingAlarms(t *testing.T) {
	w := begin(t)
	w.waiting = 3
	w.hire("", "petr", "dispatcher")
	stranger := w.browser()
	if stranger.get("/signin"); strings.Contains(stranger.body, `id="waiting"`) {
		t.Error("a stranger sees whether alarms wait")
	}
	desk := w.browser()
	desk.enter("chief").get("/desks").submit("/desks", "desk", "Stůl 2")
	if desk.get("/desk").at("/desk", 200); strings.Contains(desk.body, `id="waiting"`) {
		t.Error("counted for somebody who has the console")
	}
	desk.post("/signout", nil).at("/desk", 200).sees("3 alarms waiting", "State of ")
	desk.get("/signin?other=").sees("3 alarms waiting")
	if !slices.ContainsFunc(desk.classed("waiting-some"), func(s string) bool { return strings.Contains(s, "3 alarms waiting") }) {
		t.Error("not in large type")
	}
	for n, lang := range map[int]string{1: "Čeká 1 alarm", 2: "Čekají 2 alarmy", 5: "Čeká 5 alarmů"} {
		w.waiting, desk.lang = n, "cs"
		desk.get("/signin?other=").sees(lang)
	}
	desk.lang, w.waiting = "en", 0
	desk.get("/signin?other=").sees("signin.waiting.none")
	w.waiting = -1 // the way in is open all the same
	if desk.get("/signin?other=").at("/signin", 200); strings.Contains(desk.body, `id="waiting"`) {
		t.Error("a number that nobody knows")
	}
	desk.cookies["desk"].Value = "invented"
	if w.waiting = 3; strings.Contains(desk.get("/signin?other=").body, `id="waiting"`) {
		t.Error("an invented desk sees whether alarms wait")
	}
}

// TestDeskOffersProviders has somebody of a provider among the names of a desk.
func TestDeskOffersProviders(t *testing.T) {
	w := begin(t, func(o *identity.Options) {
		o.Config.URL = "http://localhost"
		o.Config.OIDC = []identity.Provider{{ID: "kraj", Name: "Liberecký kraj", Issuer: "http://127.0.0.1:1", ClientID: "node", Claim: "groups", Roles: map[string]string{"a": "dispatcher"}, Organisation: "x"}}
	})
	anna, bert := w.hire("", "anna", "dispatcher"), w.hire("", "bert", "dispatcher")
	desk := w.browser()
	desk.enter("chief").get("/desks").submit("/desks", "desk", "Stůl 2")
	desk.enter("anna").enter("bert").post("/signout", nil).at("/desk", 200).sees("Osoba anna", "Osoba bert", "Jana Šéfová")
	elsewhere := func(p *identity.Person, provider string) {
		w.must(w.db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE identity_person SET provider = $2, subject = $1, password = '' WHERE id = $1`, p.ID, provider)
			return err
		}))
	}
	elsewhere(anna, "kraj")
	elsewhere(bert, "gone") // taken out of the configuration
	desk.get("/desk?next=%2Fme").at("/desk", 200).sees("Osoba anna – sign in with Liberecký kraj", "Jana Šéfová")
	if !strings.Contains(desk.body, `href="/signin/oidc/kraj?person=`+anna.ID+`&amp;next=%2Fme"`) || strings.Contains(desk.body, `value="`+anna.ID+`"`) || strings.Contains(desk.text(), "bert") {
		t.Errorf("offered: %s", desk.body)
	}
	desk.post("/desk", url.Values{"person": {anna.ID}, "password": {good}}).at("/desk", 422).sees("signin.desk.choose")
	// With nobody of ours there is nothing to type.
	chief, err := w.PersonByLogin(t.Context(), "chief")
	w.must(err)
	elsewhere(chief, "kraj")
	if desk.get("/desk").at("/desk", 200).sees("Osoba anna", "Jana Šéfová"); strings.Contains(desk.body, `name="password"`) {
		t.Error("a PIN is asked for")
	}
}
