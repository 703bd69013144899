package public

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/gauge"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/river"
	"trojmezi/internal/alert/subscription"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

var start = time.Date(2026, 8, 7, 16, 5, 0, 0, time.UTC)

// rig is the pages on real services.
type rig struct {
	*Pages
	t        *testing.T
	db       *store.DB
	clk      *clock.Clock
	warnings *warning.Service
	notices  *notice.Service
	rivers   *river.Service
	rt       *web.Router
	sent     []subscription.Dispatch
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, clk: clock.Fake(start)}
	sc := storetest.Config(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "job": job.Migrations(), "warning": warning.Migrations(), "river": river.Migrations(), "notice": notice.Migrations(), "subscription": subscription.Migrations()})
	sc.Clock = r.clk
	var err error
	r.db, err = store.Open(context.Background(), sc)
	r.ok(err)
	t.Cleanup(func() { r.db.Close() })
	key, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	r.ok(err)
	log := slog.New(slog.DiscardHandler)
	leaves := audit.New(r.db, key, r.clk, log)
	texts, err := i18n.Load(web.Locales, ui.Locales, access.Locales, notify.Locales(), register.Locales, notice.Locales(), warning.Locales(), river.Locales(), area.Locales(), geo.Locales, subscription.Locales(), Locales())
	r.ok(err)
	places, err := register.Load()
	r.ok(err)
	table, err := area.Load(places)
	r.ok(err)
	r.warnings = warning.New(warning.Options{DB: r.db, Audit: leaves, Clock: r.clk, Log: log, Feeds: []feed.Feed{{Name: "chmi", Title: "Český hydrometeorologický ústav"}, {Name: "dwd", Title: "Deutscher Wetterdienst"}}})
	r.rivers = river.New(river.Options{DB: r.db, Audit: leaves, Clock: r.clk, Log: log, Tell: func(*store.Tx, river.Alarm) error { return nil }})
	r.notices, err = notice.New(notice.Options{DB: r.db, Audit: leaves, Clock: r.clk, Jobs: job.New(r.db, r.clk, log), Key: key, Texts: texts, Places: places, Log: log,
		Person: func(_ *store.Tx, id string) (notice.Human, error) {
			return notice.Human{Name: id, Organisation: "frydlant", Officer: true}, nil
		},
		Organisations: func(*store.Tx) ([]notice.Office, error) {
			return []notice.Office{{ID: "frydlant", Name: "Město Frýdlant", Lang: i18n.Cs}}, nil
		},
		Notify:  func(*store.Tx, notify.Notification) error { return nil },
		Reaches: func(store.Kind, string) bool { return true },
	})
	r.ok(err)
	subs, err := subscription.New(subscription.Options{DB: r.db, Audit: leaves, Clock: r.clk, Key: key, Texts: texts, Places: places, Areas: table, Log: log, Warnings: r.warnings.Warnings, Base: "https://node.example",
		Send: func(tx *store.Tx, d ...subscription.Dispatch) error {
			tx.OnCommit(func() { r.sent = append(r.sent, d...) })
			return nil
		}})
	r.ok(err)
	r.Pages = NewPages(Options{Subscriptions: subs, Address: func(q *http.Request) string { return q.RemoteAddr }, Texts: texts, Places: places, Areas: table, Warnings: r.warnings, Notices: r.notices, Rivers: r.rivers, Now: r.clk.Now})
	r.rt = web.NewRouter(web.Config{Bundle: texts, Log: log, Clock: r.clk})
	r.Register(r.rt)
	t.Cleanup(func() {
		if n := texts.Missing(); n != 0 {
			t.Errorf("%d texts are missing", n)
		}
	})
	return r
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// warn takes a document of a feed with these warnings.
func (r *rig) warn(name string, kind store.Kind, all ...feed.Warning) {
	r.t.Helper()
	for i := range all {
		all[i].Source, all[i].Sent = name, feed.Moment{At: r.clk.Now()}
		if all[i].Status == "" {
			all[i].Status = feed.Actual
		}
		if all[i].State == "" {
			all[i].State = feed.InForce
		}
	}
	r.ok(r.db.Write(r.t.Context(), func(tx *store.Tx) error {
		_, err := r.warnings.Take(tx, warning.Fetched{Feed: name, Series: "x", Kind: kind, At: r.clk.Now(), Ref: blob.Ref{byte(len(all)), byte(r.clk.Now().Unix())}}, &feed.Reading{Whole: true, Dated: true, Issued: feed.Moment{At: r.clk.Now()}, Warnings: all})
		return err
	}))
}

// publish sends an own notice out.
func (r *rig) publish(kind store.Kind, what string) string {
	r.t.Helper()
	ctx := r.t.Context()
	id, err := r.notices.Begin(ctx, notice.Actor{Person: "dana", Organisation: "frydlant"}, "", kind, notice.Alert, &notice.Content{Template: "N10", Lang: i18n.Cs, Areas: []string{"ORP-5102"},
		Values: map[string]string{"what": what, "do": "Jděte do školy.", "phone": "+420 482 000 000"}})
	r.ok(err)
	r.take(id, "dana", notice.Propose)
	r.take(id, "vera", notice.Approve)
	return id
}

func (r *rig) take(id, person string, step notice.Step) {
	r.t.Helper()
	v, err := r.notices.Show(r.t.Context(), id, i18n.Cs)
	r.ok(err)
	r.ok(r.notices.Take(r.t.Context(), notice.Actor{Person: person, Organisation: "frydlant"}, id, notice.Event{Step: step, Content: v.Last.Content}, true))
}

func (r *rig) ask(path string, headers ...string) *httptest.ResponseRecorder {
	r.t.Helper()
	r.clk.Advance(fresh)
	q := httptest.NewRequestWithContext(r.t.Context(), http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	r.rt.ServeHTTP(w, q)
	return w
}

func (r *rig) get(path string) string {
	r.t.Helper()
	w := r.ask(path)
	if w.Code != http.StatusOK {
		r.t.Fatalf("%s: %d %.300s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

func has(t *testing.T, page string, texts ...string) {
	t.Helper()
	page = strings.ReplaceAll(page, "\u00a0", " ")
	for _, x := range texts {
		if !strings.Contains(page, x) {
			t.Errorf("%q is not there", x)
		}
	}
}

func hasNot(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, x := range texts {
		if strings.Contains(page, x) {
			t.Errorf("%q is there", x)
		}
	}
}

func flood(codes ...string) feed.Warning {
	w := feed.Warning{ID: "1", Event: "Povodňové ohrožení", Level: feed.Level{Severity: "Extreme", National: "3", Colour: "red"}, Expires: feed.Moment{At: start.Add(6 * time.Hour)}, Sender: "ČHMÚ",
		Texts: []feed.Text{{Language: "cs", Event: "Povodňové ohrožení", Headline: "Smědá rychle stoupá", Description: "Hladina <b>roste</b>.<br/>Druhý řádek.", Instruction: "Opusťte břehy."}}}
	a := feed.Area{Name: "Frýdlantsko"}
	for _, c := range codes {
		a.Codes = append(a.Codes, feed.Code{Scheme: "CISORP", Value: c})
	}
	w.Areas = []feed.Area{a}
	return w
}

const (
	frydlant = "CZ-564028"
	liberec  = "CZ-563889"
	zittau   = "DE-14626610"
)

// TestNothingIsNotNoData: only when every source of the country speaks, and is young, no
// warning applies.
func TestNothingIsNotNoData(t *testing.T) {
	r := newRig(t)
	const none, noData = "No warning applies", "No data. This does not mean no danger."
	page := r.get("/public/place/" + frydlant + "/en")
	has(t, page, noData, "nothing received yet")
	hasNot(t, page, none)
	r.warn("chmi", store.Live)
	r.warn("meteoalarm", store.Live)
	page = r.get("/public/place/" + frydlant + "/en")
	has(t, page, none)
	hasNot(t, page, noData)
	has(t, r.get("/public/place/"+zittau+"/en"), noData) // the German source is silent
	r.clk.Advance(3 * time.Hour)
	page = r.get("/public/place/" + frydlant + "/en")
	has(t, page, noData, "Data is 3")
	hasNot(t, page, none)
}

// TestOfficialAndOwn: an official warning in its own words with its source, an own notice
// with its owner, not to be taken for each other; both only where they apply.
func TestOfficialAndOwn(t *testing.T) {
	r := newRig(t)
	r.warn("chmi", store.Live, flood("5102"))
	id := r.publish(store.Live, "Uzavřený most")
	for l, w := range map[string][2]string{"cs": {"Úřední výstraha", "Vydává a odpovídá: Město Frýdlant"}, "de": {"Amtliche Warnung", "Herausgeber und verantwortlich: Město Frýdlant"}, "pl": {"Ostrzeżenie urzędowe", "odpowiada: Město Frýdlant"}, "en": {"Official warning", "responsible: Město Frýdlant"}} {
		page := r.get("/public/place/" + frydlant + "/" + l)
		has(t, page, w[0], w[1], `<html lang="`+l+`"`, "Smědá rychle stoupá", "Opusťte břehy.", "Zdroj: Český hydrometeorologický ústav (ČHMÚ)", "CC BY 4.0", "Uzavřený most", `class="public-item row-l3"`, "public-own", "Hladina &lt;b&gt;roste&lt;/b&gt;.")
		has(t, page, `<link rel="alternate" type="application/atom+xml" href="/cap/area/LAU2/564028/feed.atom?lang=`+l+`"`, `<link rel="alternate" type="text/calendar" href="/public/place/CZ-564028/`+l+`/calendar.ics"`, `<a href="/cap/area/LAU2/564028/feed.atom?lang=`+l+`">`)
		hasNot(t, page, "<script", "Set-Cookie", "style=")
		if l != "cs" && !strings.Contains(page, `<h2 lang="cs">`) {
			t.Error("an official text in another language is not marked as Czech in " + l)
		}
		n := len(page) // with all it needs, before compression
		for _, css := range regexp.MustCompile(`/static/[a-z]+\.css\?v=[0-9a-f]+`).FindAllString(page, -1) {
			n += len(r.get(css))
		}
		if n > 60_000 {
			t.Errorf("%s: %d bytes", l, n)
		}
		t.Logf("%s: %d bytes with its styles", l, n)
	}
	page := r.get("/public/place/" + liberec + "/cs")
	hasNot(t, page, "Smědá rychle stoupá", "Uzavřený most")
	if before := r.get("/public/place/" + zittau + "/de"); strings.Contains(before, "Uzavřený most") {
		t.Error("a notice for Frýdlant stands in Zittau")
	}
	// Called off: still there, as over.
	c, err := r.notices.Begin(t.Context(), notice.Actor{Person: "dana", Organisation: "frydlant"}, id, store.Live, notice.Cancel, &notice.Content{Template: "N10", Lang: i18n.Cs, Areas: []string{"ORP-5102"},
		Values: map[string]string{"what": "Most je volný", "do": "Nic.", "phone": "+420 482 000 000"}})
	r.ok(err)
	r.take(c, "dana", notice.Propose)
	r.take(c, "vera", notice.Approve)
	has(t, r.get("/public/place/"+frydlant+"/en"), "Called off", "public-ended")
	// The source goes on without the warning: it is over.
	r.clk.Advance(time.Minute)
	r.warn("chmi", store.Live)
	hasNot(t, r.get("/public/place/"+frydlant+"/cs"), "Smědá rychle stoupá")
}

// TestDrills: an exercise of our own stands on its own address alone, with tape, prefix
// and watermark; an official one that came as if it were real is labelled.
func TestDrills(t *testing.T) {
	r := newRig(t)
	r.publish(store.Exercise, "Protržená hráz")
	x := flood("5102")
	x.Status = feed.Exercise
	x.Texts[0].Headline = "Zkouška sirén"
	r.warn("chmi", store.Live, x)
	page := r.get("/public/place/" + frydlant + "/en")
	hasNot(t, page, "Protržená hráz", "tape", `class="public-item`)
	has(t, page, "Zkouška sirén", "EXERCISE", "public-drill")
	page = r.get("/public/exercise/" + frydlant + "/en")
	has(t, page, "Protržená hráz", `class="tape"`, `class="watermark"`, "public-prefix", "<title>EXERCISE")
	hasNot(t, page, "Zkouška sirén")
	cal := r.get("/public/exercise/" + frydlant + "/en/calendar.ics")
	has(t, cal, "SUMMARY:EXERCISE")
	hasNot(t, r.get("/public/place/"+frydlant+"/en/calendar.ics"), "Protržená")
	hasNot(t, r.get("/public/map/en"), "Protržená hráz", "Zkouška sirén")
}

// TestRivers: a gauge nearby with its level, trend, limit and age; old is said to be old.
func TestRivers(t *testing.T) {
	r := newRig(t)
	var g river.Gauge
	for _, x := range river.Shipped.Gauges {
		if x.Number != "" && x.River == "smeda" {
			g = x
		}
	}
	if g.Key == "" {
		t.Fatal("no gauge on the Smědá has a number")
	}
	station := gauge.Station{ID: g.Service + "/" + g.Number, Source: g.Service, Number: g.Number, Name: g.Name, River: g.River, Lat: g.Lat, Lon: g.Lon}
	for i := range 7 {
		station.Levels = append(station.Levels, gauge.Measurement{Value: 200 + float64(i)*10, At: feed.Moment{At: start.Add(time.Duration(i-6)*10*time.Minute - time.Minute)}})
	}
	reading := gauge.Reading{Stations: []gauge.Station{station}}
	r.ok(r.db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := r.rivers.Take(tx, river.From{Service: g.Service, Endpoint: "x", Fetched: r.clk.Now(), Kind: store.Live}, &reading)
		return err
	}))
	page := r.get("/public/place/" + frydlant + "/en")
	has(t, page, g.Name, "260 cm", "rising 60 cm an hour", "ago")
	has(t, r.get("/public/map/pl"), g.Name, "260 cm")
	r.clk.Advance(8 * time.Hour)
	has(t, r.get("/public/place/"+frydlant+"/en"), "Data is 8")
}

// TestCaching: the language comes from the browser or the address, a cookie is neither
// read nor set, and who asks again gets nothing twice.
func TestCaching(t *testing.T) {
	r := newRig(t)
	if h := r.ask("/public/place/"+frydlant+"?lang=de", "Accept-Language", "pl").Header(); h.Get("Set-Cookie") != "" || h.Get("Content-Language") != "de" || h.Get("Vary") != "" {
		t.Errorf("%v", h)
	}
	w := r.ask("/public/place/"+frydlant, "Accept-Language", "pl", "Cookie", "lang=de")
	if h := w.Header(); h.Get("Set-Cookie") != "" || h.Get("Content-Language") != "pl" || h.Get("Vary") != "Accept-Language" || !strings.HasPrefix(h.Get("Cache-Control"), "public, max-age=") {
		t.Errorf("%v", h)
	}
	q := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/public/place/"+frydlant+"/cs", nil)
	first, second := httptest.NewRecorder(), httptest.NewRecorder()
	r.rt.ServeHTTP(first, q)
	q.Header.Set("If-None-Match", first.Header().Get("ETag"))
	if r.rt.ServeHTTP(second, q); first.Code != http.StatusOK || second.Code != http.StatusNotModified || second.Body.Len() != 0 {
		t.Errorf("%d %d", first.Code, second.Code)
	}
	for _, bad := range []string{"/public/place/CZ-1", "/public/place/" + frydlant + "/fr"} {
		if w := r.ask(bad); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", bad, w.Code)
		}
	}
	has(t, r.ask("/public/place/564028/cs").Body.String(), "Frýdlant")
}

// TestSearch: every municipality stands there with all its names; parts lead to theirs;
// the page with everything it needs is small.
func TestSearch(t *testing.T) {
	r := newRig(t)
	page := r.get("/public/in/de")
	if n := strings.Count(page, `<a href="/public/place/`); n != 301 {
		t.Errorf("%d places", n)
	}
	has(t, page, "Zittau / Žitawa / Žitava / Żytawa", "Bogatynia")
	has(t, r.get("/public/in/pl?q=Żytawa"), `href="/public/place/DE-14626610/pl"`)
	has(t, r.get("/public/in/en?q=nowhere+at+all"), "Nothing found")
	weight := len(page)
	for _, css := range regexp.MustCompile(`/static/[a-z]+\.css\?v=[0-9a-f]+`).FindAllString(page, -1) {
		weight += len(r.get(css))
	}
	if weight > 100_000 { // before compression; what goes over the wire is measured by the browser test
		t.Errorf("%d bytes", weight)
	}
	for _, l := range i18n.Langs {
		r.get("/public/map/" + string(l))
	}
}

// TestCalendarIsValid: lines end and fold as RFC 5545 says, texts are escaped.
func TestCalendarIsValid(t *testing.T) {
	long := strings.Repeat("žluťoučký kůň; ", 20)
	out := Calendar{Name: "A, B", Events: []Event{{UID: "1@x", Summary: long, Description: "a\nb\\c", From: start, Changed: start, Over: true}}}.Write()
	for line := range bytes.SplitSeq(bytes.TrimSuffix(out, []byte("\r\n")), []byte("\r\n")) {
		if len(line) > 75 || bytes.ContainsAny(line, "\r\n") || !bytes.Equal(bytes.ToValidUTF8(line, nil), line) {
			t.Errorf("%d %q", len(line), line)
		}
	}
	unfolded := strings.ReplaceAll(string(out), "\r\n ", "")
	has(t, unfolded, "X-WR-CALNAME:A\\, B\r\n", "SUMMARY:"+strings.ReplaceAll(long, ";", "\\;")+"\r\n", `DESCRIPTION:a\nb\\c`, "DTSTART:20260807T160500Z", "DTEND:20260807T170500Z", "STATUS:CANCELLED")
	r := newRig(t)
	w := flood("5102")
	w.Texts[0].Description = fmt.Sprint(long, long)
	r.warn("chmi", store.Live, w)
	r.warn("meteoalarm", store.Live)
	cal := r.get("/public/place/" + frydlant + "/cs/calendar.ics")
	has(t, cal, "BEGIN:VCALENDAR\r\n", "DTEND:20260807T220500Z", "Smědá rychle stoupá")
	if n := strings.Count(cal, "BEGIN:VEVENT"); n != 1 {
		t.Errorf("%d events", n)
	}
}

func (r *rig) post(path string, form url.Values) *httptest.ResponseRecorder {
	r.t.Helper()
	q := httptest.NewRequestWithContext(r.t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	r.rt.ServeHTTP(w, q)
	return w
}

// TestSubscribing: the form says what is wrong and keeps what was written; the link in the
// mail confirms, shows what is kept and why, and one POST of a mail program ends it.
func TestSubscribing(t *testing.T) {
	r := newRig(t)
	for _, l := range i18n.Langs {
		page := r.get("/subscribe/" + string(l) + "?place=" + frydlant)
		has(t, page, `<option value="CZ-564028" selected>`, `lang="`+string(l)+`"`)
		hasNot(t, page, "<script", "data-push") // no channel of Web Push, and the page says so
	}
	has(t, r.get("/subscribe/en"), "Messages in the browser are not set up here.", `name="mail"`)
	w := r.post("/subscribe/en", url.Values{"place": {"nowhere"}, "mail": {"jana"}, "level": {"2"}, "from": {"25:00"}, "to": {"06:00"}, "polygon": {"1,2 3,4"}, "point": {"somewhere"}})
	if w.Code != http.StatusUnprocessableEntity || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatal(w.Code, w.Header())
	}
	has(t, w.Body.String(), "This point is not known", `value="jana"`)
	w = r.post("/subscribe/en", url.Values{"place": {"nowhere"}, "mail": {"jana"}, "level": {"2"}, "from": {"25:00"}, "to": {"06:00"}, "polygon": {"1,2 3,4"}})
	has(t, w.Body.String(), "Write an e-mail address", "Write the time as 22:00.", "Choose a municipality", `value="2" selected`)
	w = r.post("/subscribe/en", url.Values{"place": {frydlant}, "mail": {"jana@example.org"}, "level": {"2"}, "hazard": {"flood", "wind"}, "from": {"22:00"}, "to": {"06:00"}, "point": {"50.92 15.08"}})
	if w.Code != http.StatusOK || len(r.sent) != 1 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	path := strings.TrimPrefix(r.sent[0].Link, "https://node.example")
	page := r.get(path)
	has(t, page, "It waits for you to confirm", "jana@example.org", "so that we know where to write", "flood, wind · from orange", "22:00–06:00", "Frýdlant", "50.9200")
	if w := r.post(path, url.Values{"do": {"confirm"}}); w.Code != http.StatusSeeOther {
		t.Fatal(w.Code)
	}
	has(t, r.get(path), "It runs until")
	if w := r.post(path, url.Values{"List-Unsubscribe": {"One-Click"}}); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Everything about you has been deleted.") {
		t.Fatal(w.Code)
	}
	if w := r.ask(path); w.Code != http.StatusNotFound {
		t.Error(w.Code)
	}
	codes := map[int]int{}
	for i := range 2 * askBurst {
		codes[r.post("/subscribe/cs", url.Values{"place": {frydlant}, "mail": {fmt.Sprintf("p%d@example.org", i)}, "level": {"1"}}).Code]++
	}
	if codes[http.StatusConflict] < askBurst {
		t.Errorf("a flood is taken: %v", codes)
	}
}
