package intake

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/gauge"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
	simulated "trojmezi/internal/simulator/feeds"
)

// start is when the scenario begins: a summer morning, on the minute.
var start = time.Date(2026, 8, 7, 6, 0, 0, 0, time.UTC)

// rig is a service with a database of its own that asks the simulator. The receivers
// keep what they take in tables.
type rig struct {
	*Service
	t       testing.TB
	clk     *clock.Clock
	sim     *simulated.Feeds
	http    *httptest.Server
	sc      store.Config
	key     *seal.Node
	keyFile string
	files   *blob.Dir
	folder  string   // of them
	instead sync.Map // handlers by path, in the place of the simulator
}

func contact() string { return "alerts@region.example" }

func newRig(t testing.TB, clk *clock.Clock, changes ...Change) *rig {
	t.Helper()
	r := &rig{t: t, clk: clk, sc: storetest.Config(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "intake": Migrations()})}
	r.sim = simulated.New(simulated.Shipped(), start, clk.Now)
	r.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if h, ok := r.instead.Load(q.URL.Path); ok {
			h.(http.Handler).ServeHTTP(w, q)
			return
		}
		r.sim.ServeHTTP(w, q)
	}))
	t.Cleanup(r.http.Close)
	var err error
	r.keyFile = filepath.Join(t.TempDir(), "node.key")
	r.key, err = seal.LoadOrCreate(r.keyFile)
	r.ok(err)
	r.folder = t.TempDir()
	r.files, err = blob.OpenDir(r.folder, clk)
	r.ok(err)
	t.Cleanup(func() { r.files.Close() })
	r.Service = r.instance(Config{Contact: contact(), Simulator: r.http.URL, Sources: changes})
	r.write(func(tx *store.Tx) error {
		for _, table := range []string{`CREATE TABLE test_warning (source TEXT, id TEXT, document BIGINT, areas BIGINT, polygons BIGINT, texts TEXT, whole BIGINT)`,
			`CREATE TABLE test_level (source TEXT, station TEXT, at BIGINT, cm BIGINT, limits BIGINT)`, `CREATE TABLE test_taken (source TEXT, kind TEXT)`} {
			if _, err := tx.Exec(table); err != nil {
				return err
			}
		}
		return nil
	})
	return r
}

// instance opens the service as another process would.
func (r *rig) instance(c Config) *Service {
	r.t.Helper()
	if faults := c.Validate(); len(faults) > 0 {
		r.t.Fatalf("%+v", faults)
	}
	db, err := store.Open(context.Background(), r.sc)
	r.ok(err)
	r.t.Cleanup(func() { db.Close() })
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	s := New(Options{DB: db, Audit: audit.New(db, r.key, r.clk, log), Clock: r.clk, Log: log, Version: "test", Config: c, Warnings: takeWarnings, Gauges: takeGauges})
	s.Files = r.files
	return s
}

func takeWarnings(tx *store.Tx, d Document, read *feed.Reading) error {
	if _, err := tx.Exec(`INSERT INTO test_taken (source, kind) VALUES ($1, $2)`, d.Source, d.Kind); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM test_warning WHERE source = $1`, d.Source); err != nil {
		return err
	}
	whole := 0
	if read.Whole {
		whole = 1
	}
	for _, w := range read.Warnings {
		document, polygons := d.ID, 0
		if n, ok := d.Origins[w.ID]; ok {
			document = n
		}
		for _, a := range w.Areas {
			polygons += len(a.Polygons)
		}
		if _, err := tx.Exec(`INSERT INTO test_warning (source, id, document, areas, polygons, texts, whole) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			d.Source, w.ID, document, len(w.Areas), polygons, strings.Join(w.Languages(), " "), whole); err != nil {
			return err
		}
	}
	return nil
}

func takeGauges(tx *store.Tx, d Document, read *gauge.Reading) error {
	if _, err := tx.Exec(`INSERT INTO test_taken (source, kind) VALUES ($1, $2)`, d.Source, d.Kind); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM test_level WHERE source = $1`, d.Source); err != nil {
		return err
	}
	for _, s := range read.Stations {
		m, ok := gauge.Latest(s.Levels)
		if !ok {
			continue
		}
		if _, err := tx.Exec(`INSERT INTO test_level (source, station, at, cm, limits) VALUES ($1, $2, $3, $4, $5)`, d.Source, s.ID, m.At.At.UnixMilli(), int64(m.Value), len(s.Limits)); err != nil {
			return err
		}
	}
	return nil
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) write(f func(tx *store.Tx) error) {
	r.t.Helper()
	r.ok(r.DB.Write(r.t.Context(), f))
}

func (r *rig) count(query string, args ...any) (n int64) {
	r.t.Helper()
	r.ok(r.DB.Read(r.t.Context(), func(tx *store.Tx) error { return tx.Row(query, args...).Scan(&n) }))
	return n
}

func (r *rig) on(names ...string) {
	r.t.Helper()
	for _, n := range names {
		r.ok(r.Switch(r.t.Context(), Operator, n, true, "test"))
	}
}

func (r *rig) all() (names []string) {
	for _, s := range r.sources {
		names = append(names, s.Name)
	}
	return names
}

// look makes a round of a source now, whether it is due or not.
func (r *rig) lookAt(names ...string) {
	r.t.Helper()
	for _, n := range names {
		src, err := r.source("", n)
		r.ok(err)
		r.ok(r.round(r.t.Context(), src))
	}
}

func (r *rig) state(name string) State {
	r.t.Helper()
	s, err := r.State(r.t.Context(), name)
	r.ok(err)
	return s
}

// moved serves another handler in the place of the sender of one source.
func (r *rig) moved(name string, h http.Handler) Change {
	s := httptest.NewServer(h)
	r.t.Cleanup(s.Close)
	i := slices.IndexFunc(r.sources, func(x Source) bool { return x.Name == name })
	_, path, _ := strings.Cut(strings.TrimPrefix(r.sources[i].Addresses[0], "http://"), "/")
	return Change{Name: name, Addresses: []string{s.URL + "/" + path}, Plain: true}
}

type treeFault = tree.Fault

// ill is a sender with one fault for everything.
type ill struct{ kind string }

func (i ill) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := simulated.New(simulated.Shipped(), start, func() time.Time { return start })
	for _, n := range simulated.Names() {
		_ = f.Set(n, i.kind)
	}
	f.ServeHTTP(w, r)
}
