package health

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
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

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	start = time.Date(2026, 8, 15, 12, 0, 0, 0, time.UTC)
	quiet = slog.New(slog.DiscardHandler)
)

func bundle(t testing.TB) *i18n.Bundle {
	t.Helper()
	files := fstest.MapFS{}
	for _, l := range i18n.Langs {
		files["locales/"+string(l)+".json"] = &fstest.MapFile{Data: []byte(`{"t.area": "area-` + string(l) + `", "t.low": "low {n} ` + string(l) + `", "t.high": "high {n} ` + string(l) + `", "t.do": "do {n} ` + string(l) + `"}`)}
	}
	b, err := i18n.Load(Locales(), notify.Locales(), web.Locales, ui.Locales, access.Locales, files)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type rig struct {
	t    testing.TB
	db   *store.DB
	clk  *clock.Clock
	jobs *job.Queue
	r    *Registry
	deps Deps
}

func setup(t testing.TB, cfg notify.Config) *rig {
	t.Helper()
	if f := cfg.Validate(); f != nil {
		t.Fatal(f)
	}
	g := &rig{t: t, db: storetest.Open(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "job": job.Migrations(), "notify": notify.Migrations(), "health": Migrations()}), clk: clock.Fake(start)}
	key, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	texts := bundle(t)
	t.Cleanup(func() {
		if n := texts.Missing(); n != 0 {
			t.Errorf("%d texts were missing", n)
		}
	})
	g.jobs = job.New(g.db, g.clk, quiet)
	n := notify.New(cfg, notify.Deps{DB: g.db, Jobs: g.jobs, Clock: g.clk, Texts: texts, Log: quiet, Place: "Liberec"})
	g.deps = Deps{DB: g.db, Notify: n, Audit: audit.New(g.db, key, g.clk, quiet), Clock: g.clk, Texts: texts, Log: quiet,
		Name: func(_ *store.Tx, id string) string { return "Name of " + id }}
	g.r = New(g.deps)
	return g
}

func (g *rig) evaluate() {
	g.t.Helper()
	if err := g.r.Evaluate(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
}

// told lists class and headline of what went into the outbox since the last
// call, in English.
func (g *rig) told() (out []string) {
	g.t.Helper()
	if err := g.db.Write(context.Background(), func(tx *store.Tx) error {
		out = nil
		rows, err := tx.Query(`SELECT class, kind, texts FROM notify_outbox ORDER BY id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var class, kind, raw string
			if err := rows.Scan(&class, &kind, &raw); err != nil {
				return err
			}
			var texts []notify.Text
			if err := json.Unmarshal([]byte(raw), &texts); err != nil {
				return err
			}
			if kind != "live" {
				g.t.Errorf("kind %s", kind)
			}
			out = append(out, class+" "+texts[0].In(g.deps.Texts, i18n.En))
		}
		if err := rows.Err(); err != nil {
			return err
		}
		_, err = tx.Exec(`DELETE FROM notify_outbox`)
		return err
	}); err != nil {
		g.t.Fatal(err)
	}
	return out
}

func finding(level Level, n int) Finding {
	key := "t.low"
	if level == L3 {
		key = "t.high"
	}
	return Finding{Text: notify.Text{Key: key, Args: i18n.Args{"n": n}}, Todo: "t.do", Level: level, Object: "x"}
}

// A finding is told when it appears, when it gets worse than people know, and
// when it stayed away; flickering is one finding.
func TestLifecycle(t *testing.T) {
	type step struct {
		after time.Duration
		level Level // 0: nothing found
		n     int
		told  []string
		ill   int
	}
	s := func(after time.Duration, level Level, ill int, told ...string) step {
		return step{after, level, 7, told, ill}
	}
	for name, steps := range map[string][]step{
		"once": {
			s(0, L2, 1, "B low 7 en"), s(every, L2, 1), s(every, L2, 1),
			s(every, 0, 0), s(every, 0, 0), s(settle, 0, 0, "B Over: low 7 en"), s(every, 0, 0),
		},
		"worse": {
			s(0, L1, 1, "C low 7 en"), s(every, L2, 1, "B low 7 en"), s(every, L3, 1, "A high 7 en"),
			s(every, L1, 1), s(every, L3, 1), // known already
			s(every, 0, 0), s(settle, 0, 0, "A Over: high 7 en"),
		},
		"flickers": {
			s(0, L2, 1, "B low 7 en"), s(every, 0, 0), s(every, L2, 1), s(every, 0, 0), s(every, L2, 1), s(every, 0, 0), s(settle, 0, 0, "B Over: low 7 en"),
		},
		"comes back later": {
			s(0, L2, 1, "B low 7 en"), s(every, 0, 0), s(settle, 0, 0, "B Over: low 7 en"), s(time.Hour, L2, 1, "B low 7 en"),
		},
		"comes back worse": {
			s(0, L1, 1, "C low 7 en"), s(every, 0, 0), s(every, L3, 1, "A high 7 en"),
		},
		"numbers change": {
			s(0, L2, 1, "B low 7 en"), {every, L2, 8, nil, 1}, {every, L2, 9, nil, 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := setup(t, notify.Config{})
			var now step
			g.r.Add(Check{ID: "t", Area: "t.area", Func: func(context.Context) ([]Finding, error) {
				if now.level == 0 {
					return nil, nil
				}
				return []Finding{finding(now.level, now.n)}, nil
			}})
			for i, now2 := range steps {
				now = now2
				g.clk.Advance(now.after)
				g.evaluate()
				if d := cmp.Diff(now.told, g.told()); d != "" {
					t.Errorf("step %d: %s", i, d)
				}
				rep := g.r.Report(t.Context())
				if len(rep.Ill) != now.ill {
					t.Errorf("step %d: %d ill", i, len(rep.Ill))
				}
				if now.ill == 1 && rep.Ill[0].What(g.deps.Texts, "en") != map[bool]string{true: "high", false: "low"}[now.level == L3]+fmt.Sprintf(" %d en", now.n) {
					t.Errorf("step %d: %+v", i, rep.Ill[0])
				}
			}
			if name == "flickers" {
				if rep := g.r.Report(t.Context()); rep.Unseen[0].Times != 3 || !rep.Unseen[0].Since.Equal(start) || !rep.Unseen[0].Until.Equal(start.Add(5*every)) {
					t.Errorf("%+v", rep.Unseen[0])
				}
			}
		})
	}
}

// A check that cannot look says so, and what it found before stays.
func TestNotKnowingIsNotHealth(t *testing.T) {
	g := setup(t, notify.Config{})
	mode := "ill"
	g.r.Add(Check{ID: "t", Area: "t.area", Func: func(ctx context.Context) ([]Finding, error) {
		switch mode {
		case "ill":
			return []Finding{finding(L2, 1)}, nil
		case "error":
			return nil, errors.New("no answer")
		case "panic":
			panic("a mistake")
		case "wrong":
			return []Finding{{Level: 9}}, nil
		case "twice":
			return []Finding{finding(L2, 1), finding(L2, 2)}, nil
		}
		return nil, nil
	}})
	g.evaluate()
	for _, mode = range []string{"error", "panic", "wrong", "twice"} {
		g.clk.Advance(settle + every)
		g.evaluate()
		rep := g.r.Report(t.Context())
		var got []string
		for _, i := range rep.Ill {
			got = append(got, i.Check+"/"+i.Object)
		}
		if d := cmp.Diff([]string{"t/x", "checks/t"}, got); d != "" {
			t.Errorf("%s: %s", mode, d)
		}
	}
	// Nor does another instance, which has never seen it, take it for over.
	g.r = New(g.deps)
	mode = "error"
	g.r.Add(Check{ID: "t", Area: "t.area", Func: func(context.Context) ([]Finding, error) {
		if mode == "error" {
			return nil, errors.New("no answer")
		}
		return nil, nil
	}})
	g.clk.Advance(settle + every)
	g.evaluate()
	if rep := g.r.Report(t.Context()); len(rep.Ill) != 2 {
		t.Errorf("%+v", rep)
	}
	mode = "well"
	g.clk.Advance(every)
	g.evaluate()
	if rep := g.r.Report(t.Context()); len(rep.Ill) != 0 || len(rep.Unseen) != 2 {
		t.Errorf("%+v", rep)
	}
}

// A check that hangs is waited for once; the others go on.
func TestHangingCheck(t *testing.T) {
	g := setup(t, notify.Config{})
	g.r.limit = time.Second // whoever waits for it waits another second for its end
	free := make(chan struct{})
	var runs atomic.Int64
	g.r.Add(Check{ID: "hangs", Area: "t.area", Func: func(context.Context) ([]Finding, error) { runs.Add(1); <-free; return nil, nil }},
		Check{ID: "t", Area: "t.area", Func: func(context.Context) ([]Finding, error) { return []Finding{finding(L2, 1)}, nil }})
	g.evaluate()
	began := time.Now()
	g.evaluate()
	if took := time.Since(began); took >= 2*g.r.limit || runs.Load() != 1 {
		t.Errorf("the second round took %v, %d runs", took, runs.Load())
	}
	if rep := g.r.Report(t.Context()); len(rep.Ill) != 2 || rep.Ill[0].Check != "t" && rep.Ill[1].Check != "t" {
		t.Errorf("%+v", rep.Ill)
	}
	close(free)
	for {
		g.r.mu.Lock()
		busy := g.r.last["hangs"].busy
		g.r.mu.Unlock()
		if !busy {
			break
		}
		time.Sleep(time.Millisecond)
	}
	g.clk.Advance(every)
	g.evaluate()
	if rep := g.r.Report(t.Context()); len(rep.Ill) != 1 || runs.Load() != 2 {
		t.Errorf("%d runs, %+v", runs.Load(), rep.Ill)
	}
}

// Several instances that evaluate at once remember and tell a finding once.
func TestInstances(t *testing.T) {
	g := setup(t, notify.Config{})
	other := New(g.deps)
	c := Check{ID: "t", Area: "t.area", Func: func(context.Context) ([]Finding, error) { return []Finding{finding(L2, 1)}, nil }}
	g.r.Add(c)
	other.Add(c)
	var wg sync.WaitGroup
	for _, r := range []*Registry{g.r, other, g.r, other} {
		wg.Go(func() {
			if err := r.Evaluate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if d := cmp.Diff([]string{"B low 1 en"}, g.told()); d != "" {
		t.Error(d)
	}
	if rep := other.Report(t.Context()); len(rep.Ill) != 1 {
		t.Errorf("%+v", rep)
	}
	if rep := other.Examine(t.Context()); len(rep.Ill) != 1 || rep.Ill[0].ID == 0 {
		t.Errorf("%+v", rep)
	}
}

// While nothing can be stored people are told without the database, once; what
// was is written down afterwards.
func TestOutage(t *testing.T) {
	var mu sync.Mutex
	var posts []notify.Posted
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		var p notify.Posted
		if err := json.NewDecoder(q.Body).Decode(&p); err != nil {
			t.Error(err)
		}
		mu.Lock()
		posts = append(posts, p)
		mu.Unlock()
	}))
	defer srv.Close()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := setup(t, notify.Config{Webhooks: []notify.Webhook{{URL: srv.URL, SecretFile: secret, InsecureLoopback: true}}})
	works := g.r.write
	broken := func(context.Context) error { return errors.New("disk full") }

	g.r.Probe(t.Context())
	g.evaluate()
	g.r.write = broken
	for range 4 {
		g.clk.Advance(every)
		g.r.Probe(t.Context())
	}
	if len(posts) != 1 || posts[0].Class != notify.A || posts[0].Kind != store.Live || posts[0].Headline["en"] != "The node can store nothing (disk full)" {
		t.Fatalf("%+v", posts)
	}
	rep := g.r.Report(t.Context())
	if rep.Worst() != L3 || rep.Ill[0].Key != "health.storage.down" || !rep.Ill[0].Since.Equal(start.Add(every)) {
		t.Errorf("%+v", rep.Ill)
	}
	g.r.write = works
	g.clk.Advance(every)
	g.r.Probe(t.Context())
	g.evaluate()
	g.evaluate()
	if d := cmp.Diff([]string{"A Over: The node can store nothing (disk full)"}, g.told()); d != "" {
		t.Error(d)
	}
	rep = g.r.Report(t.Context())
	if len(rep.Ill) != 0 || len(rep.Unseen) != 1 || !rep.Unseen[0].Since.Equal(start.Add(every)) || !rep.Unseen[0].Until.Equal(start.Add(5*every)) {
		t.Errorf("%+v", rep)
	}

	// A single failed write is written down and wakes nobody.
	g.r.write = broken
	g.clk.Advance(time.Hour)
	g.r.Probe(t.Context())
	g.r.write = works
	g.clk.Advance(every / 2)
	g.r.Probe(t.Context())
	g.evaluate()
	if told := g.told(); len(told) != 0 || len(posts) != 1 {
		t.Errorf("%v %v", told, posts)
	}
	if rep = g.r.Report(t.Context()); len(rep.Unseen) != 2 {
		t.Errorf("%+v", rep)
	}
}

// An instance that does not lead tells every outage, not only its first.
func TestOutageWithoutLead(t *testing.T) {
	posts := make(chan string, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		var p notify.Posted
		if err := json.NewDecoder(q.Body).Decode(&p); err != nil {
			t.Error(err)
		}
		posts <- p.Headline["en"]
	}))
	defer srv.Close()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := setup(t, notify.Config{Webhooks: []notify.Webhook{{URL: srv.URL, SecretFile: secret, InsecureLoopback: true}}})
	leads, other := g.r, New(g.deps)
	works := other.write
	minutes := func(n int, write func(context.Context) error) {
		for range 2 * n {
			g.clk.Advance(every)
			other.write = write
			leads.Probe(t.Context())
			other.Probe(t.Context())
			g.evaluate()
		}
	}
	minutes(1, works)
	for n := range 3 {
		minutes(5, func(context.Context) error { return fmt.Errorf("outage %d", n) })
		minutes(5, works)
		if len(posts) != 1 {
			t.Fatalf("outage %d was told %d times", n, len(posts))
		}
		if got := <-posts; !strings.Contains(got, fmt.Sprint(n)) {
			t.Error(got)
		}
	}
	// What flickers is one outage.
	for range 3 {
		minutes(1, func(context.Context) error { return errors.New("again") })
		minutes(1, works)
	}
	if len(posts) != 1 {
		t.Errorf("flickering was told %d times", len(posts))
	}
}

// More of the same is told again and wants to be seen again; a clock that was
// ahead and was set back ends no check and leaves no finding for ever.
func TestMoreOfTheSameAndTheClock(t *testing.T) {
	g := setup(t, notify.Config{})
	job, runs := "7", 0
	g.r.Add(Check{ID: "t", Area: "t.area", Every: 10 * time.Minute, Func: func(context.Context) ([]Finding, error) {
		runs++
		if job == "" {
			return nil, nil
		}
		return []Finding{{Text: notify.Text{Key: "t.low", Args: i18n.Args{"n": job}}, Todo: "t.do", Level: L2, Object: "q", Again: "n"}}, nil
	}})
	g.evaluate()
	g.clk.Advance(10 * time.Minute)
	g.evaluate()
	if d := cmp.Diff([]string{"B low 7 en"}, g.told()); d != "" {
		t.Error(d)
	}
	id := g.r.Report(t.Context()).Ill[0].ID
	if err := g.db.Write(t.Context(), func(tx *store.Tx) error { _, err := see(tx, id, "p", g.clk.Now()); return err }); err != nil {
		t.Fatal(err)
	}
	job = "8"
	g.clk.Advance(10 * time.Minute)
	g.evaluate()
	if d := cmp.Diff([]string{"B low 8 en"}, g.told()); d != "" {
		t.Error(d)
	}
	if i := g.r.Report(t.Context()).Ill; len(i) != 1 || i[0].ID != id || !i[0].SeenAt.IsZero() {
		t.Errorf("%+v", i)
	}

	right := g.clk.Now()
	g.clk.Advance(24 * 365 * time.Hour)
	job = ""
	g.evaluate() // it ends, by the wrong clock
	g.told()
	g.r.Clock = clock.Fake(right.Add(time.Minute))
	before := runs
	if rep := g.r.Report(t.Context()); len(rep.Ill) != 1 || rep.Ill[0].Key != "health.checks.stale" {
		t.Errorf("checked in the future: %+v", rep.Ill)
	}
	g.evaluate()
	if runs != before+1 {
		t.Error("the check waits for the wrong date")
	}
	g.r.Clock.Advance(settle)
	g.evaluate()
	if told := g.told(); len(told) != 1 {
		t.Errorf("told %v; want that it is over", told)
	}
	if rep := g.r.Report(t.Context()); len(rep.Ill) != 0 || len(rep.Unseen) != 1 {
		t.Errorf("%+v", rep)
	}
}

// The clock is known to be wrong while a finding says so.
func TestClockWrong(t *testing.T) {
	g := setup(t, notify.Config{})
	var skews []Skew
	g.r.Add(ClockPeers(func(context.Context) ([]Skew, error) { return skews, nil }))
	for i, c := range []struct {
		skews []Skew
		want  bool
	}{
		{nil, false}, {[]Skew{{"a", time.Hour}}, false}, // he may be wrong
		{[]Skew{{"a", time.Hour}, {"b", time.Hour}}, true}, {[]Skew{{"a", 0}, {"b", 0}}, false},
	} {
		skews = c.skews
		g.clk.Advance(every)
		g.evaluate()
		if got, err := g.r.ClockWrong(t.Context()); err != nil || got != c.want {
			t.Errorf("step %d: %v %v", i, got, err)
		}
	}
}

// Without the database the report says that, and that alone.
func TestReportWithoutDatabase(t *testing.T) {
	g := setup(t, notify.Config{})
	g.evaluate()
	if err := g.db.Close(); err != nil {
		t.Fatal(err)
	}
	rep := g.r.Report(t.Context())
	if len(rep.Ill) != 1 || rep.Worst() != L3 || rep.Ill[0].Key != "health.storage.away" {
		t.Errorf("%+v", rep)
	}
	if rep := g.r.Examine(t.Context()); rep.Worst() < L2 {
		t.Errorf("%+v", rep)
	}
}

// A state that nobody renews is not shown as health.
func TestStale(t *testing.T) {
	g := setup(t, notify.Config{})
	if rep := g.r.Report(t.Context()); len(rep.Ill) != 1 || rep.Ill[0].Key != "health.checks.never" {
		t.Errorf("%+v", rep)
	}
	g.evaluate()
	g.clk.Advance(stale)
	if rep := g.r.Report(t.Context()); len(rep.Ill) != 0 {
		t.Errorf("%+v", rep)
	}
	g.clk.Advance(time.Second)
	if rep := g.r.Report(t.Context()); len(rep.Ill) != 1 || rep.Ill[0].Key != "health.checks.stale" || !rep.Ill[0].Since.Equal(start) {
		t.Errorf("%+v", rep)
	}
}

func TestRunEnds(t *testing.T) {
	g := setup(t, notify.Config{})
	looked := make(chan struct{}, 1)
	g.r.Add(Check{ID: "t", Area: "t.area", Func: func(context.Context) ([]Finding, error) {
		select {
		case looked <- struct{}{}:
		default:
		}
		return nil, nil
	}})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- g.r.Run(ctx) }()
	<-looked
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestLevels(t *testing.T) {
	for l, want := range map[Level]notify.Class{L1: notify.C, L2: notify.B, L3: notify.A} {
		if l.Class() != want {
			t.Errorf("%d is %s", l, l.Class())
		}
	}
}

func TestOldFindingsGo(t *testing.T) {
	g := setup(t, notify.Config{})
	ill := true
	g.r.Add(Check{ID: "t", Area: "t.area", Func: func(context.Context) ([]Finding, error) {
		if ill {
			return []Finding{finding(L1, 1)}, nil
		}
		return nil, nil
	}})
	g.evaluate()
	ill = false
	for range 2 {
		g.clk.Advance(settle + time.Second)
		g.evaluate()
	}
	count := func() (n int64) {
		if err := g.db.Read(t.Context(), func(tx *store.Tx) error { return tx.Row(`SELECT COUNT(*) FROM health_finding`).Scan(&n) }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	g.clk.Advance(keep - time.Hour)
	g.evaluate()
	if n := count(); n != 1 {
		t.Fatalf("%d rows", n)
	}
	g.clk.Advance(2 * time.Hour)
	g.evaluate()
	if n := count(); n != 0 {
		t.Errorf("%d rows for ever", n)
	}
}

// site is the page as people of each role meet it.
type site struct {
	*rig
	rt   *web.Router
	role string
}

func newSite(t *testing.T) *site {
	g := setup(t, notify.Config{})
	rules, err := access.Load(map[string][]byte{"health/policy.cedar": Policy()})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{rig: g}
	s.rt = web.NewRouter(web.Config{Bundle: g.deps.Texts, Log: quiet, Clock: g.clk, Policy: rules, Nav: Nav(), Authenticate: func(*http.Request) (*web.Person, error) {
		if s.role == "" {
			return nil, nil
		}
		return &web.Person{ID: "p-" + s.role, Name: "N", Organisation: "o", Roles: []string{s.role}}, nil
	}})
	g.r.Register(s.rt)
	s.rt.Page("GET /anything", web.Public(), func(w http.ResponseWriter, q *http.Request) error {
		return web.Render(w, q, http.StatusOK, g.r.Banner())
	})
	return s
}

func (s *site) get(path, lang string) (int, string) { return s.do(http.MethodGet, path, lang, nil) }

func (s *site) do(method, path, lang string, form url.Values) (int, string) {
	s.t.Helper()
	q := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	q.Header.Set("Accept-Language", lang)
	q.Header.Set("Accept", "text/html")
	if form != nil {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	s.rt.ServeHTTP(w, q)
	body, err := io.ReadAll(w.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return w.Code, string(body)
}

func TestPage(t *testing.T) {
	s := newSite(t)
	ill := []Finding{}
	s.r.Add(Check{ID: "t", Area: "t.area", Func: func(context.Context) ([]Finding, error) { return ill, nil }})
	s.role = "technician"
	s.evaluate()
	for l, want := range map[string]string{"cs": "Vše v\u00a0pořádku", "de": "Alles in Ordnung", "pl": "Wszystko w\u00a0porządku", "en": "Everything in order"} {
		if code, body := s.get("/health", l); code != 200 || !strings.Contains(body, want) || strings.Contains(body, "⟦") {
			t.Errorf("%s: %d %s", l, code, body)
		}
	}
	if _, body := s.get("/anything", "en"); strings.TrimSpace(body) != "" {
		t.Errorf("a banner without a fault: %s", body)
	}

	hostile := finding(L2, 5)
	hostile.Text = notify.Text{Key: "health.storage.down", Args: i18n.Args{"reason": `<script>alert(1)</script>`, "n": 5}}
	hostile.Object = "hostile"
	ill = []Finding{finding(L3, 1), hostile}
	s.evaluate()
	s.clk.Advance(61 * time.Second)
	for _, l := range i18n.Langs {
		code, body := s.get("/health", string(l))
		if code != 200 || !strings.Contains(body, "high 1 "+string(l)) || !strings.Contains(body, "do 1 "+string(l)) || !strings.Contains(body, "1\u00a0min 1\u00a0s") || strings.Contains(body, "<script>alert") {
			t.Errorf("%s: %d %s", l, code, body)
		}
		if strings.Index(body, "high 1") > strings.Index(body, "&lt;script&gt;") {
			t.Errorf("%s: the worst does not stand first", l)
		}
		if _, body := s.get("/anything", string(l)); !strings.Contains(body, "high 1 "+string(l)) || !strings.Contains(body, `href="/health"`) {
			t.Errorf("banner: %s", body)
		}
	}
}

func TestRights(t *testing.T) {
	s := newSite(t)
	s.r.Add(Check{ID: "t", Area: "t.area", Func: func(context.Context) ([]Finding, error) { return []Finding{finding(L2, 1)}, nil }})
	s.evaluate()
	for _, c := range []struct {
		role       string
		page, seen int
	}{{"", 303, 303}, {"auditor", 403, 403}, {"dispatcher", 200, 403}, {"technician", 200, 303}, {"shift_leader", 200, 409}, {"administrator", 200, 409}} {
		s.role = c.role
		for _, path := range []string{"/health", "/health.csv", "/api/health"} {
			if code, _ := s.get(path, "en"); code != c.page {
				t.Errorf("%q %s: %d, want %d", c.role, path, code, c.page)
			}
		}
		code, body := s.get("/health", "en")
		if button := strings.Contains(body, `action="/health/seen"`); button != (c.role == "technician") && code == 200 {
			t.Errorf("%s: button %v", c.role, button)
		}
		if code, _ := s.do(http.MethodPost, "/health/seen", "en", url.Values{"id": {"1"}}); code != c.seen {
			t.Errorf("%q seen: %d, want %d", c.role, code, c.seen)
		}
		if _, body := s.get("/anything", "en"); strings.Contains(body, "low 1") != (c.page == 200) {
			t.Errorf("%q banner: %s", c.role, body)
		}
	}
}

// What is over stays until somebody has seen it, and then for a week.
func TestSeen(t *testing.T) {
	s := newSite(t)
	ill := true
	s.r.Add(Check{ID: "t", Area: "t.area", Func: func(context.Context) ([]Finding, error) {
		if ill {
			return []Finding{finding(L2, 1)}, nil
		}
		return nil, nil
	}})
	s.role = "technician"
	s.evaluate()
	ill = false
	s.clk.Advance(2 * time.Minute)
	s.evaluate()
	s.clk.Advance(8 * 24 * time.Hour) // long after
	s.evaluate()
	_, body := s.get("/health", "en")
	if !strings.Contains(body, "lasted from 15\u00a0August\u00a02026, 14:00:00 to 15\u00a0August\u00a02026, 14:02:00") && !strings.Contains(body, "14:02:00") {
		t.Errorf("%s", body)
	}
	if _, body := s.get("/anything", "en"); !strings.Contains(body, "Over: low 1 en") || !strings.Contains(body, "14:02:00") {
		t.Errorf("banner: %s", body)
	}
	for _, id := range []string{"", "x", "99"} {
		if code, _ := s.do(http.MethodPost, "/health/seen", "en", url.Values{"id": {id}}); code != 400 && code != 409 {
			t.Errorf("id %q: %d", id, code)
		}
	}
	if code, _ := s.do(http.MethodPost, "/health/seen", "en", url.Values{"id": {"1"}}); code != 303 {
		t.Fatal(code)
	}
	if _, body := s.get("/anything", "en"); strings.Contains(body, "low 1") {
		t.Errorf("banner after it was seen: %s", body)
	}
	var n int64
	if err := s.db.Read(t.Context(), func(tx *store.Tx) error {
		return tx.Row(`SELECT COUNT(*) FROM audit_leaf WHERE action = 'health.see' AND actor = 'p-technician' AND object = '1'`).Scan(&n)
	}); err != nil || n != 1 {
		t.Errorf("%d in the audit log, %v", n, err)
	}
	if rep := s.r.Report(t.Context()); len(rep.Unseen) != 0 || len(rep.Past) != 0 {
		t.Errorf("%+v", rep)
	}
}

func TestFileAndAnswer(t *testing.T) {
	s := newSite(t)
	f := finding(L2, 1)
	f.Text = notify.Text{Key: "health.peer.down", Args: i18n.Args{"peer": "Žitava", "reason": notify.Text{Key: "t.area"}, "n": 3}}
	ill := []Finding{f, {Text: notify.Text{Key: "t.low", Args: i18n.Args{"n": 2}}, Todo: "t.do", Level: L1, Object: "second"}}
	s.r.Add(Check{ID: "t", Area: "t.area", Func: func(context.Context) ([]Finding, error) { return ill, nil }})
	s.role = "dispatcher"
	s.evaluate()
	ill = ill[:1]
	s.clk.Advance(settle)
	s.evaluate()
	_, body := s.get("/health.csv", "de")
	lines, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(body, byteOrderMark))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"Stufe", "Bereich", "Störung", "Was zu tun ist", "Von", "Bis", "Gesehen", "Gesehen von"},
		{"Bald handeln", "area-de", "Der Knoten Žitava ist nicht erreichbar (area-de)", "do 3 de", "2026-08-15T12:00:00Z", "", "", ""},
		{"Zur Kenntnis", "area-de", "low 2 de", "do 2 de", "2026-08-15T12:00:00Z", "2026-08-15T12:02:00Z", "", ""},
	}
	if d := cmp.Diff(want, lines); d != "" {
		t.Error(d)
	}
	if got := cell("=cmd"); got != "'=cmd" {
		t.Error(got)
	}
	_, body = s.get("/api/health", "pl")
	var a Answer
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		t.Fatal(err)
	}
	if a.Healthy || len(a.Ill) != 1 || len(a.Unseen) != 1 || a.Ill[0].Word != "Działać wkrótce" || a.Ill[0].Text != "Węzeł sąsiada Žitava jest niedostępny (area-pl)" || !a.CheckedAt.Equal(start.Add(settle)) {
		t.Errorf("%+v", a)
	}
	if d := cmp.Diff(a, s.r.Report(t.Context()).Answer(s.deps.Texts, "pl")); d != "" {
		t.Errorf("the page and the command line differ: %s", d)
	}
}
