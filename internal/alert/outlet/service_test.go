package outlet

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/feed/all"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/internal/kernel/web"
	built "trojmezi/web"
)

// rig is the outlets on the real notices and warnings of a database.
type rig struct {
	*Service
	t        *testing.T
	db       *store.DB
	clk      *clock.Clock
	notices  *notice.Service
	warnings *warning.Service
	dir      *blob.Dir
	rt       *web.Router
}

var people = map[string]*web.Person{
	"dana": {ID: "dana", Name: "Dana Dispečerka", Organisation: "frydlant", Roles: []string{"dispatcher"}},
	"vera": {ID: "vera", Name: "Věra Vedoucí", Organisation: "frydlant", Roles: []string{"shift_leader"}},
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, clk: clock.Fake(start)}
	config := storetest.Config(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "job": job.Migrations(), "notify": notify.Migrations(), "notice": notice.Migrations(), "warning": warning.Migrations()})
	config.Clock = r.clk
	var err error
	r.db, err = store.Open(context.Background(), config)
	r.ok(err)
	t.Cleanup(func() { r.db.Close() })
	key, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	r.ok(err)
	r.dir, err = blob.OpenDir(t.TempDir(), r.clk)
	r.ok(err)
	t.Cleanup(func() { r.dir.Close() })
	log := slog.New(slog.DiscardHandler)
	book := audit.New(r.db, key, r.clk, log)
	made := renderer(t)
	made.Clock = r.clk
	places, err := register.Load()
	r.ok(err)
	jobs := job.New(r.db, r.clk, log)
	r.warnings = warning.New(warning.Options{DB: r.db, Audit: book, Clock: r.clk, Files: func() warning.Files { return r.dir }, Feeds: all.Feeds()})
	r.notices, err = notice.New(notice.Options{
		DB: r.db, Audit: book, Clock: r.clk, Jobs: jobs, Key: key, Texts: made.Texts, Places: places, Log: log, Base: made.Base,
		Person: func(_ *store.Tx, id string) (notice.Human, error) {
			p := people[id]
			if p == nil {
				return notice.Human{}, problem.New("test", problem.NotFound, "", nil)
			}
			return notice.Human{Name: p.Name, Organisation: p.Organisation, Officer: id == "vera"}, nil
		},
		Organisations: func(*store.Tx) ([]notice.Office, error) {
			return []notice.Office{{ID: "frydlant", Name: "Město Frýdlant", Lang: i18n.Cs, Address: "1.2.3.1"}}, nil
		},
		Notify:  func(*store.Tx, notify.Notification) error { return nil },
		Reaches: func(store.Kind, string) bool { return true },
	})
	r.ok(err)
	r.Service = New(Options{Renderer: *made, Places: places, Warnings: r.warnings, Notices: r.notices, Original: func(ctx context.Context, id string) ([]byte, string, error) {
		in, d, err := r.warnings.Document(ctx, id)
		if err != nil {
			return nil, "", err
		}
		defer in.Close()
		var b bytes.Buffer
		_, err = b.ReadFrom(in)
		return b.Bytes(), d.Feed + " \"ř", err
	}})
	rules, err := access.Load(map[string][]byte{"outlet/policy.cedar": Policy(), "notice/policy.cedar": notice.Policy()})
	r.ok(err)
	r.rt = web.NewRouter(web.Config{Bundle: made.Texts, Log: log, Clock: r.clk, Policy: rules, Nav: Nav(), Built: built.Built(),
		Authenticate: func(q *http.Request) (*web.Person, error) { return people[q.Header.Get("X-Person")], nil }})
	NewPages(r.Service).Register(r.rt)
	notice.NewPages(r.notices).Register(r.rt) // its public addresses
	t.Cleanup(func() {
		if n := made.Texts.Missing(); n != 0 {
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

// publish is a notice that two people agreed on.
func (r *rig) publish(kind store.Kind) (id string) {
	r.t.Helper()
	who := notice.Actor{Person: "dana", Organisation: "frydlant"}
	id, err := r.notices.Begin(r.t.Context(), who, "", kind, notice.Alert, &notice.Content{Template: "N01", Lang: i18n.Cs, Areas: []string{"ORP-5102"}, Values: map[string]string{
		"dam": "Niedów", "river": "Smědá", "at": "2026-08-07T16:00:00Z", "place": "CZ-564028", "meeting": "škola", "phone": "+420 482 000 000"}})
	r.ok(err)
	r.ok(r.notices.Take(r.t.Context(), who, id, notice.Event{Step: notice.Propose, Content: 1}, true))
	r.ok(r.notices.Take(r.t.Context(), notice.Actor{Person: "vera", Organisation: "frydlant"}, id, notice.Event{Step: notice.Approve, Content: 1}, true))
	return id
}

// bulletin is an official document with warnings as its sender wrote them.
func (r *rig) bulletin(doc string, status feed.Status, ids ...string) {
	r.t.Helper()
	ref, err := r.dir.Put(r.t.Context(), strings.NewReader(doc))
	r.ok(err)
	reading := &feed.Reading{Issued: feed.Moment{At: r.clk.Now()}, Dated: true, Whole: true}
	for _, id := range ids {
		orp := "5102"
		if strings.HasSuffix(id, "liberec") {
			orp = "5105"
		}
		reading.Warnings = append(reading.Warnings, feed.Warning{ID: id, Source: "chmi", Sender: "ČHMÚ", Event: "Povodeň", Code: "HPPS:" + id, Level: feed.LevelOf("Severe"), Sent: feed.Moment{At: start}, Onset: feed.Moment{At: start},
			Expires: feed.Moment{At: start.Add(20 * time.Hour)}, Status: status, State: feed.InForce, Areas: []feed.Area{{Codes: []feed.Code{{Scheme: "CISORP", Value: orp}}}},
			Texts: []feed.Text{{Language: "cs", Event: "Povodeň", Headline: "Povodeň " + id, Description: "Smědá & Nisa <stoupá>."}}, Extra: nil})
	}
	r.ok(r.db.Write(r.t.Context(), func(tx *store.Tx) error {
		_, err := r.warnings.Take(tx, warning.Fetched{Feed: "chmi", Series: "okpr", Kind: store.Live, At: r.clk.Now(), Ref: ref, Size: int64(len(doc))}, reading)
		return err
	}))
}

func (r *rig) do(person, path string, head http.Header) *httptest.ResponseRecorder {
	r.t.Helper()
	q := httptest.NewRequestWithContext(r.t.Context(), http.MethodGet, path, nil)
	for k, v := range head {
		q.Header[k] = v
	}
	q.Header.Set("X-Person", person)
	q.Header.Set("Accept-Language", "en")
	w := httptest.NewRecorder()
	r.rt.ServeHTTP(w, q)
	return w
}

func (r *rig) get(path string) string {
	r.t.Helper()
	w := r.do("", path, nil)
	if w.Code != http.StatusOK {
		r.t.Fatalf("%s: %d %.800s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

func (r *rig) entries(path string) (ids []string) {
	r.t.Helper()
	body := r.get(path)
	if faults := atomFaults(r.t, []byte(body)); len(faults) > 0 {
		r.t.Errorf("%s: %v", path, faults)
	}
	var f parsed
	r.ok(xml.Unmarshal([]byte(body), &f))
	for _, e := range f.Entries {
		if e.Categories[0].Term != "no-data" {
			ids = append(ids, e.Titles[0])
		}
	}
	return ids
}

// TestOutlets is the life of what is fetched, from nothing to the end of a warning.
func TestOutlets(t *testing.T) {
	r := newRig(t)
	if body := r.get("/cap/feed.atom?lang=cs"); !strings.Contains(body, "žádné údaje") || !strings.Contains(body, `term="no-data"`) {
		t.Errorf("nothing ever came, and the feed does not say so: %s", body)
	}
	own := r.publish(store.Live)
	drill := r.publish(store.Exercise)
	r.publish(store.Test)
	const bulletin = "<bulletin>\r\n&#x17E; as it was sent</bulletin>"
	r.bulletin(bulletin, feed.Actual, "w1", "w2-liberec")

	t.Run("feeds", func(t *testing.T) {
		if got := r.entries("/cap/feed.atom?lang=cs"); len(got) != 3 {
			t.Errorf("live: %q", got)
		}
		if got := r.entries("/cap/exercise/feed.atom?lang=cs"); len(got) != 1 || !strings.HasPrefix(got[0], "CVIČENÍ: ") {
			t.Errorf("exercise: %q", got)
		}
		for path, want := range map[string]int{
			"/cap/area/CISORP/5102/feed.atom": 2, "/cap/area/CISORP/5105/feed.atom": 1, "/cap/area/NUTS/CZ051/feed.atom": 3,
			"/cap/area/LAU2/564028/feed.atom": 2, "/cap/exercise/area/CISORP/5102/feed.atom": 1, "/cap/exercise/area/CISORP/5105/feed.atom": 0,
		} {
			if got := r.entries(path); len(got) != want {
				t.Errorf("%s: %q, want %d", path, got, want)
			}
		}
		if w := r.do("", "/cap/area/CISORP/9999/feed.atom", nil); w.Code != http.StatusNotFound {
			t.Errorf("an area that nobody knows: %d", w.Code)
		}
		var index struct {
			Areas []struct{ Scheme, Code, Name, Feed string }
		}
		r.ok(json.Unmarshal([]byte(r.get("/cap/areas.json?lang=de")), &index))
		schemes := map[string]int{}
		for n, a := range index.Areas {
			schemes[a.Scheme]++
			if n%40 == 0 { // each leads to a feed
				r.entries(strings.TrimPrefix(a.Feed, "https://node.example"))
			}
		}
		if schemes["CISORP"] < 10 || schemes["TERYT"] < 30 || schemes["AGS"] < 50 || schemes["NUTS"] < 5 || schemes["LAU2"] < 200 {
			t.Errorf("%v", schemes)
		}
	})

	t.Run("conditional", func(t *testing.T) {
		for _, path := range []string{"/cap/feed.atom", "/cap/area/CISORP/5102/feed.atom", "/api/alerts.geojson", "/api/alerts/public-address?place=CZ-564028", "/outlet/live/n-" + own + ".1/notice.pdf?lang=cs", "/outlet/live/n-" + own + ".1/edxl.xml"} {
			first := r.do("", path, nil)
			tag := first.Header().Get("ETag")
			r.clk.Advance(time.Second)
			again := r.do("", path, http.Header{"If-None-Match": {`"other", W/` + tag}})
			if tag == "" || again.Code != http.StatusNotModified || again.Body.Len() > 0 || again.Header().Get("ETag") != tag {
				t.Errorf("%s: tag %q, then %d", path, tag, again.Code)
			}
			if w := r.do("", path, http.Header{"If-None-Match": {`"other"`}}); w.Code != http.StatusOK || w.Body.Len() == 0 {
				t.Errorf("%s: another tag gets %d", path, w.Code)
			}
		}
		first := r.do("", "/cap/feed.atom", nil)
		r.bulletin("another", feed.Actual, "w1", "w2-liberec", "w3")
		if w := r.do("", "/cap/feed.atom", http.Header{"If-None-Match": {first.Header().Get("ETag")}}); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Povodeň w3") {
			t.Errorf("a new warning: %d", w.Code)
		}
	})

	t.Run("original", func(t *testing.T) {
		var f parsed
		r.ok(xml.Unmarshal([]byte(r.get("/cap/feed.atom")), &f))
		found := 0
		for _, e := range f.Entries {
			for _, l := range e.Links {
				if strings.HasSuffix(l.Href, "/original") && strings.Contains(e.Titles[0], "w1") {
					found++
					w := r.do("", strings.TrimPrefix(l.Href, "https://node.example"), nil)
					if w.Body.String() != bulletin || w.Header().Get("Content-Disposition") != `attachment; filename="chmi___"` {
						t.Errorf("%q %v", w.Body, w.Header())
					}
				}
			}
		}
		if found != 1 {
			t.Errorf("%d links to the original", found)
		}
	})

	t.Run("signature", func(t *testing.T) {
		block, _ := pem.Decode([]byte(r.get("/cap/certificate.pem")))
		cert, err := x509.ParseCertificate(block.Bytes)
		r.ok(err)
		for path, id := range map[string]string{"/outlet/live/n-" + own + ".1/edxl.xml": own, "/outlet/exercise/n-" + drill + ".1/edxl.xml": drill} {
			body := r.get(path)
			inner := regexp.MustCompile(`(?s)<alert.*</alert>`).FindString(body)
			a, err := notice.Open([]byte(inner), r.clk.Now(), cert)
			if err != nil || !strings.Contains(a.Identifier, id) {
				t.Errorf("%s: what lies in the envelope is not signed any more: %v", path, err)
			}
		}
	})

	t.Run("kinds", func(t *testing.T) {
		for path, want := range map[string]int{
			"/outlet/exercise/n-" + own + ".1/speech.txt": 404, "/outlet/live/n-" + drill + ".1/speech.txt": 404, "/outlet/live/n-" + own + ".1/speech.txt": 200, "/outlet/exercise/n-" + drill + ".1/speech.ssml": 200,
			"/outlet/test/n-" + drill + ".1/speech.txt": 404, "/outlet/live/n-" + own + ".1/original": 404, "/outlet/live/n-" + own + ".1/x": 404, "/outlet/live/n-" + own + ".2/speech.txt": 404, "/outlet/live/w-x/speech.txt": 404,
			"/api/alerts.geojson?kind=test": 400, "/api/alerts.geojson?kind=exercise": 200, "/api/alerts.geojson?place=Nikde": 404, "/api/alerts/public-address": 404, "/outlet/live/n-" + own + ".1/symbol.svg": 200, "/outlet/live/n-" + own + ".1/cell.json": 200,
		} {
			if w := r.do("", path, nil); w.Code != want {
				t.Errorf("%s: %d, want %d", path, w.Code, want)
			}
		}
	})

	t.Run("geojson", func(t *testing.T) {
		count := func(query string) (n int) {
			var c struct {
				Type     string
				Complete *bool
				Sources  []apiSource
				Features []Feature
			}
			r.ok(json.Unmarshal([]byte(r.get("/api/alerts.geojson"+query)), &c))
			if c.Type != "FeatureCollection" || c.Complete == nil || !strings.Contains(query, "exercise") && (*c.Complete || len(c.Sources) == 0) {
				t.Errorf("%s: %+v", query, c)
			}
			for _, f := range c.Features {
				if f.Properties.Origin == Relayed && f.Properties.Attribution != "Zdroj: Český hydrometeorologický ústav (ČHMÚ)" {
					t.Errorf("%+v", f.Properties)
				}
			}
			return len(c.Features)
		}
		for query, want := range map[string]int{"": 4, "?level=red": 1, "?level=orange": 3, "?language=de": 1, "?origin=relay": 3, "?kind=exercise": 1, "?place=CISORP:5105": 1, "?place=CZ-564028": 3, "?place=Frýdlant": 3, "?cell_broadcast_id=1iz": 0, "?place=NUTS:CZ051&origin=own-notice": 1} {
			if n := count(query); n != want {
				t.Errorf("%q: %d features, want %d", query, n, want)
			}
		}
	})

	t.Run("pages", func(t *testing.T) {
		if w := r.do("", root, nil); w.Code == http.StatusOK {
			t.Error("a stranger sees the overview")
		}
		for _, path := range []string{root, root + "?place=" + url.QueryEscape("CISORP:5102"), root + "?place=nowhere&cell=1iz", root + "?kind=exercise", root + "/n-" + own + ".1?lang=pl", root + "/n-" + drill + ".1"} {
			w := r.do("dana", path, http.Header{"Accept": {"text/html"}})
			if w.Code != http.StatusOK {
				t.Fatalf("%s: %d %.500s", path, w.Code, w.Body)
			}
		}
		body := r.do("dana", root+"/n-"+drill+".1?lang=cs", nil).Body.String()
		for _, want := range []string{"CVIČENÍ", "Vlastní upozornění: Město Frýdlant", "Toto není výstraha státního orgánu", "&lt;EDXLDistribution", "UCS-2", "Cell"} {
			if !strings.Contains(body, want) {
				t.Errorf("the preview does not have %q", want)
			}
		}
	})

	t.Run("silence", func(t *testing.T) {
		before := r.get("/cap/area/CISORP/5105/feed.atom?lang=cs")
		r.clk.Advance(20 * time.Minute) // ČHMÚ is old after 15
		after := r.get("/cap/area/CISORP/5105/feed.atom?lang=cs")
		if strings.Contains(before, "mlčí od") || !strings.Contains(after, "mlčí od") || !strings.Contains(after, "Povodeň w2-liberec") || !strings.Contains(after, "Zdroj od") {
			t.Errorf("%s", after)
		}
		if a, b := updatedOf(t, before), updatedOf(t, after); !b.After(a) {
			t.Errorf("the feed is of %s and was of %s", b, a)
		}
		// It speaks again and takes a warning back: later than everything before.
		r.bulletin("third", feed.Actual, "w1", "w3")
		back := r.get("/cap/area/CISORP/5105/feed.atom?lang=cs")
		if strings.Contains(back, "w2-liberec") || strings.Contains(back, "(okpr): mlčí") {
			t.Errorf("%s", back)
		}
		if a, b := updatedOf(t, after), updatedOf(t, back); !b.After(a) {
			t.Errorf("the feed is of %s and was of %s", b, a)
		}
		if again := r.get("/cap/area/CISORP/5105/feed.atom?lang=cs"); again != back {
			t.Error("nothing changed, and the feed is another")
		}
	})

	t.Run("cancel", func(t *testing.T) {
		who := notice.Actor{Person: "dana", Organisation: "frydlant"}
		v, err := r.notices.Show(t.Context(), own, i18n.Cs)
		r.ok(err)
		_, err = r.notices.Begin(t.Context(), who, own, store.Live, notice.Cancel, v.Content)
		r.ok(err)
		r.ok(r.notices.Take(t.Context(), who, own, notice.Event{Step: notice.Propose, Content: 2}, true))
		r.ok(r.notices.Take(t.Context(), notice.Actor{Person: "vera", Organisation: "frydlant"}, own, notice.Event{Step: notice.Approve, Content: 2}, true))
		got := r.entries("/cap/feed.atom?lang=cs")
		if n := slices.IndexFunc(got, func(s string) bool { return strings.Contains(s, "Protržení") }); n < 0 || !strings.HasPrefix(got[n], "Odvoláno: ") || len(got) != 3 {
			t.Errorf("a notice that was called off is there once, and says so: %q", got)
		}
		if body := r.get("/outlet/live/n-" + own + ".2/edxl.xml"); !strings.Contains(body, "<distributionType>Cancel<") {
			t.Error("the envelope does not call it off")
		}
		if w := r.do("", "/outlet/live/n-"+own+".1/edxl.xml", nil); w.Code != http.StatusNotFound {
			t.Errorf("what was called off is still told: %d", w.Code)
		}
	})

	t.Run("end", func(t *testing.T) {
		r.clk.Advance(13 * time.Hour)
		r.bulletin("fourth", feed.Actual, "w1")
		if got := r.entries("/cap/feed.atom?lang=cs"); !slices.Equal(got, []string{"Povodeň w1"}) {
			t.Errorf("the notice's twelve hours are over: %q", got)
		}
		if w := r.do("", "/outlet/live/n-"+own+".1/speech.txt", nil); w.Code != http.StatusNotFound {
			t.Errorf("a notice that is over is still told: %d", w.Code)
		}
	})
}

func updatedOf(t *testing.T, doc string) time.Time {
	t.Helper()
	var f parsed
	if err := xml.Unmarshal([]byte(doc), &f); err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339, f.Updated[0])
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// A poster that says the same is made once; what is kept is bounded, and what failed is
// not kept.
func TestPostersAreKept(t *testing.T) {
	var k posters
	made := 0
	build := func() ([]byte, error) { made++; return []byte{byte(made)}, nil }
	for range 3 {
		if body, err := k.get("a", build); err != nil || body[0] != 1 {
			t.Fatalf("%v %v", body, err)
		}
	}
	if _, err := k.get("bad", func() ([]byte, error) { return nil, errNotFound }); err == nil {
		t.Error("no error")
	}
	for n := range keptPosters {
		if _, err := k.get(fmt.Sprint(n), build); err != nil {
			t.Fatal(err)
		}
	}
	if made != 1+keptPosters || len(k.bodies) != keptPosters || len(k.order) != keptPosters {
		t.Errorf("%d made, %d kept", made, len(k.bodies))
	}
	if body, _ := k.get("a", build); body[0] == 1 {
		t.Error("the oldest is still there")
	}
}
