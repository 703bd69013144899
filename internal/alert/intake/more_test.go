package intake

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/feed/nina"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// keeping takes what a source hands on, as the next module would.
func (r *rig) keeping() func(id string) *feed.Warning {
	last := map[string]feed.Warning{}
	r.Warnings = func(_ *store.Tx, _ Document, read *feed.Reading) error {
		clear(last)
		for _, w := range read.Warnings {
			last[w.ID] = w
		}
		return nil
	}
	return func(id string) *feed.Warning {
		for have, w := range last {
			if strings.HasPrefix(have, id) {
				return &w
			}
		}
		return nil
	}
}

// answering is a handler with one answer.
func answering(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// TestPortal: of each gauge in flood the portal is asked by POST, and what it says stands
// beside the class. An answer that is none spoils nothing of the list.
func TestPortal(t *testing.T) {
	r := newRig(t, fakeAt(later))
	got := r.keeping()
	asked := make(chan string, 10)
	detail := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		asked <- q.Method + " " + q.Header.Get("Content-Type") + " " + string(body)
		q.Body = io.NopCloser(bytes.NewReader(body))
		r.sim.ServeHTTP(w, q)
	})
	r.instead.Store("/webservices/get_infospegel.php", detail)
	r.on("lhp")
	r.lookAt("lhp")
	w := got("lhp/")
	if w == nil {
		t.Fatal("no warning")
	}
	id := strings.TrimPrefix(w.ID, "lhp/")
	if q := <-asked; q != "POST application/x-www-form-urlencoded pgnr="+id || len(asked) > 0 {
		t.Errorf("asked %q and %d more", q, len(asked))
	}
	if !strings.Contains(w.Areas[0].Name, "(") || !strings.Contains(w.Texts[0].Headline, "Hochwasser") || !strings.HasSuffix(cap.Value(w.Extra, "W"), " cm") || !strings.HasPrefix(cap.Value(w.Extra, "ZEIT"), "Heute, ") || len(w.Deviations) > 0 {
		t.Errorf("%+v", w)
	}
	if s := r.state("lhp"); s.Status != Fresh || s.Knowledge != feed.Specification || s.Parts != 1 {
		t.Errorf("%+v", s)
	}
	if n := r.count(`SELECT COUNT(*) FROM intake_document WHERE source = 'lhp' AND address LIKE '%#pgnr=' || CAST($1 AS TEXT)`, id); n != 1 {
		t.Errorf("%d originals of the gauge", n)
	}
	// It says that it is another class: the list counts, and both are told.
	for body, want := range map[string]string{
		`{"PN":"Görlitz","GW":"Lausitzer Neiße","HW":"0","HW_TXT":"Kein Hochwasser"}`: "",
		`<html><title>Wartung</title></html>`:                                         "feed.fault.format", `[]`: "feed.fault.format", `{}`: "feed.fault.format", `{"PN":{"a":1}}`: "feed.fault.format", `{"PN":`: "tree.fault", strings.Repeat("[", 100): "tree.fault",
	} {
		r.instead.Store("/webservices/get_infospegel.php", answering(http.StatusOK, body))
		r.lookAt("lhp")
		s := r.state("lhp")
		w := got("lhp/")
		switch {
		case w == nil || w.Level.National == "" || s.Failure != nil || s.Status != Fresh:
			t.Errorf("%s: the list was lost: %+v", body, s.Failure)
		case want == "" && (s.Missing != 0 || len(w.Deviations) != 1 || w.Deviations[0].Key != "feed.rule.differs"):
			t.Errorf("%s: %+v", body, w.Deviations)
		case want != "" && (s.Missing != 1 || s.Incomplete == nil || !strings.HasPrefix(s.Incomplete.Key, want)):
			t.Errorf("%s: %d %+v", body, s.Missing, s.Incomplete)
		}
	}
	// A redirect that would turn the question into another one is told, not followed.
	for status, want := range map[int]string{http.StatusFound: "intake.fault.lost", http.StatusMovedPermanently: "intake.fault.lost", http.StatusPermanentRedirect: ""} {
		r.instead.Store("/webservices/get_infospegel.php", http.RedirectHandler("/moved", status))
		r.instead.Store("/moved", http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			q.URL.Path = "/webservices/get_infospegel.php"
			r.sim.ServeHTTP(w, q)
		}))
		r.lookAt("lhp")
		if s := r.state("lhp"); want == "" && s.Incomplete != nil || want != "" && (s.Incomplete == nil || s.Incomplete.Key != want) {
			t.Errorf("%d: %+v", status, s.Incomplete)
		}
	}
	// A list by POST, of a source of the operator's own.
	list := make(chan string, 1)
	r.instead.Store("/own", http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		list <- q.Method + " " + q.PostFormValue("id")
		_, _ = io.WriteString(w, `{"PGNR":[],"LAT":[],"LON":[],"HW":[]}`)
	}))
	r.Service = r.instance(Config{Contact: contact(), Simulator: r.http.URL, Sources: []Change{{Name: "own", Format: "lhp", Addresses: []string{"https://a.example/own"}, Body: "id=SN"}}})
	r.on("own")
	r.lookAt("own")
	if s := r.state("own"); s.Status != Fresh || <-list != "POST SN" {
		t.Errorf("%+v", s.Failure)
	}
}

// TestDashboard: the list of a district leads to the same warnings as that of a provider,
// asks for none again that is not another, and gives one without a code the district.
func TestDashboard(t *testing.T) {
	r := newRig(t, fakeAt(later))
	got := r.keeping()
	r.on("nina-goerlitz", "nina-bautzen")
	r.lookAt("nina-goerlitz")
	w := got("nina/mow.")
	if w == nil || len(w.Areas) != 2 || len(w.Texts) != 1 || w.Texts[0].Instruction == "" || w.Status != feed.Exercise || w.Code != "BBK-EVC-040" {
		t.Fatalf("%+v", w)
	}
	if got("nina/kat.") == nil || r.state("nina-goerlitz").Entries != 2 || r.state("nina-goerlitz").Deviations != 0 {
		t.Errorf("%+v", r.state("nina-goerlitz"))
	}
	asked := r.sim.Asked()["nina"]
	r.lookAt("nina-goerlitz")
	if n := r.sim.Asked()["nina"] - asked; n != 1 {
		t.Errorf("%d questions for a list in which nothing is new", n)
	}
	r.lookAt("nina-bautzen")
	if s := r.state("nina-bautzen"); s.Status != Fresh || s.Entries != 0 {
		t.Errorf("%+v", s)
	}
	// Another hash is another message, though the version is the same.
	list := func(hash string) string {
		return `[{"id":"mow.X","sent":"2026-08-07T09:00:00+02:00","i18nTitle":{"de":"Warnung"},"payload":{"version":3,"type":"ALERT","id":"mow.X","hash":"` + hash + `",
			"data":{"headline":"Warnung","provider":"MOWAS","severity":"Severe","msgType":"ALERT","area":{"type":"ZGEM","data":"1+11057,100001"}}}}]`
	}
	path := "/api31/dashboard/146260000000.json"
	r.instead.Store("/api31/warnings/mow.X.json", answering(http.StatusOK, `{"identifier":"X","sender":"s","sent":"2026-08-07T09:00:00+02:00","status":"Actual","msgType":"Alert","info":[{"language":"DE","event":"e","headline":"Warnung","description":"erste","severity":"Severe","area":[{"areaDesc":"x","geocode":[{"valueName":"AreaId","value":"0"}]}]}]}`))
	r.instead.Store(path, answering(http.StatusOK, list("a")))
	r.lookAt("nina-goerlitz")
	if w = got("nina/mow.X"); w == nil || w.Texts[0].Description != "erste" || len(w.Areas) != 2 || w.Areas[1].Codes[0] != (feed.Code{Scheme: "ARS", Value: "146260000000"}) {
		t.Fatalf("%+v", w)
	}
	r.instead.Store("/api31/warnings/mow.X.json", answering(http.StatusOK, `{"identifier":"X","sender":"s","sent":"2026-08-07T09:00:00+02:00","status":"Actual","msgType":"Alert","info":[{"language":"DE","event":"e","headline":"Warnung","description":"zweite","severity":"Severe"}]}`))
	r.lookAt("nina-goerlitz")
	if w = got("nina/mow.X"); w.Texts[0].Description != "erste" {
		t.Error("a message was asked for that is not another")
	}
	r.instead.Store(path, answering(http.StatusOK, list("b")))
	r.lookAt("nina-goerlitz")
	if w = got("nina/mow.X"); w.Texts[0].Description != "zweite" || w.Areas[0].Codes[0].Value != "146260000000" {
		t.Errorf("%+v", w)
	}
	for _, body := range []string{`{"payload":1}`, `[{"id":`, `<html>`, `"x"`, `[{"id":"` + strings.Repeat("x", 9<<20) + `"}]`} {
		r.instead.Store(path, answering(http.StatusOK, body))
		r.lookAt("nina-goerlitz")
		if s := r.state("nina-goerlitz"); s.Status != Failing || got("nina/mow.X") == nil {
			t.Errorf("%.30s: %s", body, s.Status)
		}
	}
}

// TestArchive: what a warning of MoWaS went through is told beside it, and an archive
// that cannot be read spoils nothing.
func TestArchive(t *testing.T) {
	r := newRig(t, fakeAt(later+10*time.Hour)) // version 2: a Cancel
	got := r.keeping()
	r.on("nina-mowas")
	r.lookAt("nina-mowas")
	w := got("nina/mow.")
	if w == nil {
		t.Fatal("no warning")
	}
	past := cap.Values(w.Extra, nina.Past)
	if len(past) != 2 || !strings.Contains(past[0], " ALERT ") || !strings.Contains(past[1], " CANCEL ") || len(w.Deviations) > 0 {
		t.Errorf("%q %+v", past, w.Deviations)
	}
	id := strings.TrimPrefix(w.ID, "nina/")
	for body, key := range map[string]string{
		`{"history":[{"identifier":"mow.DE-OTHER-001_20260807061000.json","msgType":"ALERT"},{"identifier":""}]}`: "", `{"history":{}}`: "feed.fault.format", `[]`: "feed.fault.format", `<html>`: "tree.fault", strings.Repeat("[", 100): "tree.fault",
	} {
		r := newRig(t, clock.Fake(r.clk.Now()))
		got := r.keeping()
		r.on("nina-mowas")
		r.instead.Store("/api31/archive.mowas/"+id+"-mapping.json", answering(http.StatusOK, body))
		r.lookAt("nina-mowas")
		w, s := got("nina/mow."), r.state("nina-mowas")
		switch {
		case w == nil || s.Status != Fresh || w.Texts[0].Instruction == "":
			t.Errorf("%.40s: the warning was lost: %+v", body, s.Failure)
		case key == "" && (!strings.Contains(fmt.Sprint(w.Replaces), "mow.DE-OTHER-001 DE-OTHER-001") || len(w.Deviations) != 1):
			t.Errorf("%v %+v", w.Replaces, w.Deviations)
		case key != "" && (s.Incomplete == nil || !strings.HasPrefix(s.Incomplete.Key, key)):
			t.Errorf("%.40s: %+v", body, s.Incomplete)
		}
	}
}

// TestToken: a sender who wants a token gets it, in a header or in the address, and
// nothing that is kept, shown or logged repeats it, whatever he answers.
func TestToken(t *testing.T) {
	const secret = "s3cr3t/t0ken+=x"
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TROJMEZI_TEST_TOKEN", secret)
	r := newRig(t, fakeAt(later))
	address := r.http.URL + "/komunikatycap/dolnoslaskie"
	var logged bytes.Buffer
	with := func(c Change) {
		c.Name, c.Format, c.Addresses, c.Plain, c.Kind = "rso-cap", "rso", []string{address}, true, "exercise"
		r.Service = r.instance(Config{Contact: contact(), Sources: []Change{c}})
		r.Log = slog.New(slog.NewTextHandler(&logged, nil))
	}
	with(Change{})
	r.on("rso-cap")
	r.lookAt("rso-cap")
	if s := r.state("rso-cap"); s.Failure == nil || fmt.Sprint(s.Failure.Args["status"]) != "401" {
		t.Fatalf("%+v", s.Failure)
	}
	got := r.keeping
	for _, c := range []Change{{TokenFile: file}, {TokenEnv: "TROJMEZI_TEST_TOKEN"}} {
		with(c)
		last := got()
		r.write(func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE intake_resource SET digest = '', etag = ''`)
			return err
		})
		r.lookAt("rso-cap")
		w, s := last("rso/rso.sim.water"), r.state("rso-cap")
		if s.Status != Fresh || s.Knowledge != feed.Description || w == nil || w.Status != feed.Exercise || len(w.Originals) != 1 || w.Areas[0].Codes[0].Value != "dolnoslaskie" || s.Deviations != 0 {
			t.Fatalf("%+v %+v %+v", s.Failure, s.Listed, w)
		}
	}
	// Senders that say it back.
	hostile := map[string]http.Handler{
		"body": answering(http.StatusOK, `<newses><pagination_info totalItems="0"/>`+secret+`</newses>`), "escaped": answering(http.StatusOK, `<a href="?t=`+url.QueryEscape(secret)+`"/>`),
		"refusal": answering(http.StatusForbidden, "no such token: "+secret), "page": answering(http.StatusForbidden, "<html><title>"+secret+"</title></html>"),
		"long": answering(http.StatusForbidden, strings.Repeat("x", shownText-6)+secret), "redirect": http.RedirectHandler("https://evil.invalid/?t="+url.QueryEscape(secret), http.StatusFound),
		"header": http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("ETag", `"`+secret+`"`)
			_, _ = io.WriteString(w, `<newses><pagination_info totalItems="0"/></newses>`)
		}),
		"stop": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
	}
	site := r.site()
	for _, c := range []Change{{TokenFile: file}, {TokenFile: file, TokenQuery: "t"}, {TokenFile: file, TokenHeader: "x-api-key"}} {
		with(c)
		seen := make(chan string, 1)
		r.instead.Store("/komunikatycap/dolnoslaskie", http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			seen <- q.Header.Get("Authorization") + "|" + q.URL.Query().Get("t") + "|" + q.Header.Get("X-Api-Key")
			_, _ = io.WriteString(w, `<newses><pagination_info totalItems="0"/></newses>`)
		}))
		r.lookAt("rso-cap")
		if s := <-seen; strings.Count(s, secret) != 1 {
			t.Errorf("%+v: %q", c, s)
		}
		for name, h := range hostile {
			r.instead.Store("/komunikatycap/dolnoslaskie", h)
			r.lookAt("rso-cap")
			s := r.state("rso-cap")
			if (s.Failure == nil) != (name == "header") {
				t.Errorf("%s: %+v", name, s.Failure)
			}
			status, page := r.ask(site, "technician", "/feeds/rso-cap", i18n.En, nil)
			for what, text := range map[string]string{"state": fmt.Sprintf("%+v %+v", s, s.Failure), "page": page, "log": logged.String()} {
				for _, part := range []string{secret, url.QueryEscape(secret), secret[:6], strings.ToUpper(secret)} {
					if status != http.StatusOK || strings.Contains(text, part) {
						t.Errorf("%s: the %s has the token", name, what)
					}
				}
			}
		}
	}
	if n := r.count(`SELECT COUNT(*) FROM intake_document WHERE address LIKE '%s3cr3t%' OR headers LIKE '%s3cr3t%'`) + r.count(`SELECT COUNT(*) FROM intake_resource WHERE address LIKE '%s3cr3t%'`); n != 0 {
		t.Errorf("%d rows have the token", n)
	}
	// A token that is none is told, without it; a simulator sees no real one.
	for _, text := range []string{"", "short", "two words here", "line\nbreak-in-it"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		with(Change{TokenFile: file})
		r.lookAt("rso-cap")
		if s := r.state("rso-cap"); s.Failure == nil || s.Failure.Key != "intake.fault.token" || text != "" && strings.Contains(fmt.Sprint(s.Failure), text) {
			t.Errorf("%q: %+v", text, s.Failure)
		}
	}
	c := Config{Simulator: r.http.URL, Sources: []Change{{Name: "rso", TokenFile: "/none"}}}
	for _, s := range c.Named() {
		if token, err := s.token(); err != nil || token != playToken {
			t.Errorf("%q %v", token, err)
		}
	}
	for _, c := range []Change{{TokenFile: "a", TokenEnv: "b"}, {TokenHeader: "X-A"}, {TokenFile: "a", TokenHeader: "X A"}, {TokenFile: "a", TokenHeader: "X-A", TokenQuery: "t"}, {Body: "a b"}, {DetailBody: "%zz"}} {
		c.Name = "rso"
		conf := Config{Sources: []Change{c}}
		if f := conf.Validate(); len(f) != 1 {
			t.Errorf("%+v: %+v", c, f)
		}
	}
}

// TestOneMeasure: what the page of feeds calls stale is what those hear who keep the
// warnings, for each source, at each moment, as the operator has set it.
func TestOneMeasure(t *testing.T) {
	c := Config{Contact: contact(), Sources: []Change{{Name: "chmi", Stale: 2 * time.Hour}, {Name: "dwd", Stale: 3 * time.Hour}, {Name: "lhp", Interval: time.Hour}, {Name: "meteoalarm-poland", Interval: 2 * time.Hour},
		{Name: "own", Format: "rso", Addresses: []string{"https://a.example/"}, Stale: 20 * time.Minute}}}
	limits := c.Limits()
	for _, s := range c.All() {
		if s.Gauges {
			if limits(s.Name) != (feed.Limits{}) {
				t.Errorf("%s has limits of warnings", s.Name)
			}
			continue
		}
		for _, issued := range []time.Duration{0, 50 * time.Minute, 110 * time.Minute, 11 * time.Hour, 23 * time.Hour} {
			for m := 0; m < 1500; m += 5 {
				now := start.Add(time.Duration(m)*time.Minute + time.Second)
				v := judge(&s, row{on: true, kind: s.Kind, answeredAt: start, issuedAt: start.Add(-issued)}, now)
				if since := limits(s.Name).Stale(start.Add(-issued), start, now); (v.Status == Stale) != !since.IsZero() || v.Since != since {
					t.Fatalf("%s, issued %v before, after %d minutes: %s since %v, and %v", s.Name, issued, m, v.Status, v.Since, since)
				}
			}
		}
	}
	for name, want := range map[string]feed.Limits{"chmi": {Issued: 2 * time.Hour, Fetched: 15 * time.Minute}, "dwd": {Fetched: 3 * time.Hour}, "own": {Fetched: 20 * time.Minute}, "meteoalarm-poland": {Issued: 12 * time.Hour, Fetched: 6 * time.Hour}, "nobody": {}} {
		if got := limits(name); got != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
