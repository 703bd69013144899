package board

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

var start = time.Date(2026, 8, 7, 16, 5, 0, 0, time.UTC)

var staff = map[string]*web.Person{
	"jana": {ID: "jana", Name: "Jana Nováková", Organisation: "frydlant", Roles: []string{"dispatcher"}, Lang: i18n.Cs},
	"kai":  {ID: "kai", Name: "Kai Kreis", Organisation: "goerlitz", Roles: []string{"shift_leader"}, Lang: i18n.De},
	"anna": {ID: "anna", Name: "Anna Auditor", Organisation: "goerlitz", Roles: []string{"auditor"}, Lang: i18n.De},
}

type rig struct {
	*Service
	t        *testing.T
	db       *store.DB
	clk      *clock.Clock
	jobs     *job.Queue
	warnings *warning.Service
	rt       *web.Router
	mu       sync.Mutex
	told     []notify.Notification
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, clk: clock.Fake(start)}
	sc := storetest.Config(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "job": job.Migrations(), "warning": warning.Migrations(), "board": Migrations()})
	sc.Clock = r.clk
	var err error
	r.db, err = store.Open(context.Background(), sc)
	r.ok(err)
	t.Cleanup(func() { r.db.Close() })
	key, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	r.ok(err)
	log := slog.New(slog.DiscardHandler)
	leaves := audit.New(r.db, key, r.clk, log)
	r.jobs = job.New(r.db, r.clk, log)
	r.warnings = warning.New(warning.Options{DB: r.db, Audit: leaves, Clock: r.clk, Log: log})
	r.Service = New(Options{DB: r.db, Audit: leaves, Clock: r.clk, Jobs: r.jobs, Log: log, Warnings: r.warnings.Warnings,
		Organisations: func(*store.Tx) ([]Office, error) {
			return []Office{{ID: "frydlant", Name: "Město Frýdlant", Country: "CZ"}, {ID: "goerlitz", Name: "Landkreis Görlitz", Country: "DE"}, {ID: "zgorzelec", Name: "Powiat zgorzelecki", Country: "PL"}}, nil
		},
		Name: func(_ *store.Tx, p string) string { return staff[p].Name },
		Notify: func(tx *store.Tx, n notify.Notification) error {
			tx.OnCommit(func() {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.told = append(r.told, n)
			})
			return nil
		}})
	texts, err := i18n.Load(access.Locales, Locales(), web.Locales, ui.Locales)
	r.ok(err)
	policy, err := access.Load(map[string][]byte{"board/policy.cedar": Policy()})
	r.ok(err)
	r.rt = web.NewRouter(web.Config{Bundle: texts, Log: log, Clock: r.clk, Policy: policy, Nav: Nav(),
		Authenticate: func(q *http.Request) (*web.Person, error) { return staff[q.Header.Get("X-Person")], nil }})
	NewPages(r.Service).Register(r.rt)
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

func (r *rig) do(who, method, path string, form url.Values) (int, string) {
	r.t.Helper()
	q := httptest.NewRequestWithContext(r.t.Context(), method, path, strings.NewReader(form.Encode()))
	q.Header.Set("X-Person", who)
	if method == http.MethodPost {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	r.rt.ServeHTTP(w, q)
	return w.Code, w.Body.String()
}

func (r *rig) publish(kind store.Kind, revision int) {
	r.t.Helper()
	r.ok(r.db.Write(r.t.Context(), func(tx *store.Tx) error {
		return r.Published(tx, &notice.Publication{Notice: "n1", Revision: revision, Kind: kind, Organisation: "frydlant", Expires: start.Add(6 * time.Hour),
			Titles: map[i18n.Lang]string{i18n.Cs: "Hráz praskla", i18n.De: "Damm gebrochen", i18n.Pl: "Tama pękła", i18n.En: "The dam broke"}})
	}))
}

// due runs what the queue has until a job has come and none is due.
func (r *rig) due(step string) {
	r.t.Helper()
	r.ok(r.missing(r.t.Context(), store.Live, step))
}

// TestAcknowledge: one tap; who, when and in what language is seen by all; an auditor may
// look only; the owner is not asked.
func TestAcknowledge(t *testing.T) {
	r := newRig(t)
	r.publish(store.Live, 1)
	_, page := r.do("kai", http.MethodGet, "/board", nil)
	for _, want := range []string{"Damm gebrochen", "eigene Mitteilung: Město Frýdlant", "Powiat zgorzelecki (PL)", "Landkreis Görlitz (DE)", `value="notice/n1/1"`} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not there", want)
		}
	}
	for _, who := range []string{"jana", "anna"} {
		if _, page := r.do(who, http.MethodGet, "/board", nil); strings.Contains(page, "/board/acknowledge") {
			t.Errorf("%s is asked", who)
		}
	}
	if code, _ := r.do("anna", http.MethodPost, "/board/acknowledge", url.Values{"ref": {"notice/n1/1"}}); code != http.StatusForbidden {
		t.Error(code)
	}
	r.clk.Advance(2 * time.Minute)
	for range 2 {
		if code, _ := r.do("kai", http.MethodPost, "/board/acknowledge", url.Values{"ref": {"notice/n1/1"}}); code != http.StatusSeeOther {
			t.Fatal(code)
		}
		r.clk.Advance(time.Minute)
	}
	if code, _ := r.do("kai", http.MethodPost, "/board/acknowledge", url.Values{"ref": {"notice/none/1"}}); code != http.StatusNotFound {
		t.Error(code)
	}
	_, page = r.do("jana", http.MethodGet, "/board", nil)
	if !strings.Contains(page, "Kai Kreis, ") || !strings.Contains(page, "Deutsch") || !strings.Contains(page, "Hráz praskla") {
		t.Error("who has acknowledged is not seen")
	}
	_, file := r.do("jana", http.MethodGet, "/board.csv", nil)
	for _, want := range []string{"Landkreis Görlitz,DE,2026-08-07T16:07:00Z,Kai Kreis,de\r\n", "Powiat zgorzelecki,PL,,,\r\n"} {
		if !strings.Contains(file, want) {
			t.Errorf("%q is not in %q", want, file)
		}
	}
	r.publish(store.Live, 2) // an update asks anew, and for the old text nobody any more
	all, err := r.List(t.Context())
	r.ok(err)
	if len(all) != 2 || all[0].Ref != "notice/n1/2" || len(all[0].Missing) != 2 || len(all[1].Missing) != 0 {
		t.Errorf("%+v", all)
	}
}

// TestMissing: after the minutes the organisation itself is told, after as many again the
// owner; each once, also when two instances do it; who has acknowledged is left alone.
func TestMissing(t *testing.T) {
	r := newRig(t)
	r.ok(r.SetMinutes(t.Context(), 3))
	if err := r.SetMinutes(t.Context(), 0); err == nil {
		t.Error("zero minutes are taken")
	}
	r.publish(store.Live, 1)
	r.ok(r.Acknowledge(t.Context(), "kai", "goerlitz", i18n.De, "notice/n1/1"))
	var first, second int64
	r.ok(r.db.Read(t.Context(), func(tx *store.Tx) error {
		return tx.Row(`SELECT MIN(due), MAX(due) FROM job_task WHERE queue = 'board.missing' AND kind = 'live'`).Scan(&first, &second)
	}))
	if first != start.Add(3*time.Minute).UnixMilli() || second != start.Add(6*time.Minute).UnixMilli() {
		t.Errorf("due at %d and %d", first, second)
	}
	r.clk.Advance(3 * time.Minute)
	r.due("1 notice/n1/1")
	r.due("1 notice/n1/1")
	if len(r.told) != 1 || r.told[0].Organisation != "zgorzelec" || r.told[0].Class != notify.A || r.told[0].Args["title"] != "Tama pękła" || r.told[0].Args["n"] != 3 {
		t.Fatalf("%+v", r.told)
	}
	r.clk.Advance(3 * time.Minute)
	r.due("2 notice/n1/1")
	if len(r.told) != 2 || r.told[1].Organisation != "frydlant" || r.told[1].Key != "board.tell.other" {
		t.Fatalf("%+v", r.told)
	}
	r.ok(r.missing(t.Context(), store.Exercise, "1 notice/n1/1")) // a worker of another kind
	r.publish(store.Live, 2)
	r.clk.Advance(7 * time.Hour)
	r.due("1 notice/n1/2") // over
	if len(r.told) != 2 {
		t.Errorf("%+v", r.told)
	}
}

// TestOfficial: warnings from orange on, once; worse is another; what has ended asks nobody.
func TestOfficial(t *testing.T) {
	r := newRig(t)
	take := func(colours ...string) {
		t.Helper()
		r.clk.Advance(time.Minute)
		reading := feed.Reading{Whole: true, Dated: true, Issued: feed.Moment{At: r.clk.Now()}}
		for i, c := range colours {
			reading.Warnings = append(reading.Warnings, feed.Warning{ID: string(rune('a' + i)), Source: "chmi", Event: "Vítr " + c, Sent: feed.Moment{At: r.clk.Now()}, Level: feed.Level{Severity: "Severe", Colour: c}, Status: feed.Actual, State: feed.InForce,
				Areas: []feed.Area{{Codes: []feed.Code{{Scheme: "CISORP", Value: []string{"5102", "5105"}[i]}}}}, Texts: []feed.Text{{Language: "cs", Headline: "Vítr " + c}}})
		}
		r.ok(r.db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := r.warnings.Take(tx, warning.Fetched{Feed: "chmi", Series: "x", Kind: store.Live, At: r.clk.Now(), Ref: blob.Ref{byte(r.clk.Now().Unix())}}, &reading)
			return err
		}))
		r.ok(r.Observe(t.Context()))
		r.ok(r.Observe(t.Context()))
	}
	open := func() (n, all int) {
		rows, err := r.List(t.Context())
		r.ok(err)
		for _, x := range rows {
			if !x.Over(r.clk.Now()) {
				n++
			}
		}
		return n, len(rows)
	}
	for i, c := range []struct {
		colours []string
		n, all  int
	}{{[]string{"yellow", "orange"}, 1, 1}, {[]string{"orange", "orange"}, 2, 2}, {[]string{"orange", "red"}, 2, 3}, {[]string{"orange"}, 1, 3}, {nil, 0, 3}} {
		take(c.colours...)
		if n, all := open(); n != c.n || all != c.all {
			t.Errorf("%d: %d of %d, want %d of %d", i, n, all, c.n, c.all)
		}
	}
}

// TestTurnsOutAnExercise: once its sender says that a warning was one, nobody on duty is
// asked to acknowledge it, and who practises is.
func TestTurnsOutAnExercise(t *testing.T) {
	r := newRig(t)
	take := func(minute byte, status feed.Status) {
		t.Helper()
		r.clk.Advance(time.Minute)
		reading := feed.Reading{Whole: true, Dated: true, Issued: feed.Moment{At: r.clk.Now()}, Warnings: []feed.Warning{{ID: "chmi/a", Source: "chmi", Event: "Povodeň", Sent: feed.Moment{At: r.clk.Now()}, Status: status, State: feed.InForce,
			Level: feed.Level{Severity: "Severe", Colour: "red"}, Areas: []feed.Area{{Codes: []feed.Code{{Scheme: "CISORP", Value: "5102"}}}}, Texts: []feed.Text{{Language: "cs", Headline: "Povodeň"}}}}}
		r.ok(r.db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := r.warnings.Take(tx, warning.Fetched{Feed: "chmi", Series: "x", Kind: store.Live, At: r.clk.Now(), Ref: blob.Ref{minute}}, &reading)
			return err
		}))
		r.ok(r.Observe(t.Context()))
	}
	take(1, feed.Actual)
	take(2, feed.Exercise)
	rows, err := r.List(t.Context())
	r.ok(err)
	if len(rows) != 2 {
		t.Fatalf("%d items", len(rows))
	}
	r.clk.Advance(Minutes * time.Minute)
	for _, x := range rows {
		if over := x.Over(r.clk.Now()); over != (x.Kind == store.Live) {
			t.Errorf("%s: over %v", x.Ref, over)
		}
		r.ok(r.missing(t.Context(), x.Kind, "1 "+x.Ref))
	}
	for _, n := range r.told {
		if n.Kind != store.Exercise {
			t.Errorf("%+v", n)
		}
	}
	if len(r.told) != 3 {
		t.Errorf("%d were told", len(r.told))
	}
}
