package warning

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/feed/all"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
)

// rig is a service with a database and files of its own.
type rig struct {
	*Service
	t   testing.TB
	db  *store.DB
	clk *clock.Clock
	dir *blob.Dir
}

var persons = map[string]string{"jana": "Jana Nováková", "petr": "Petr Malý"}

func newRig(t testing.TB) *rig {
	t.Helper()
	clk := clock.Fake(start)
	sc := storetest.Config(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "warning": Migrations()})
	sc.Clock = clk
	db, err := store.Open(context.Background(), sc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	r := &rig{t: t, db: db, clk: clk}
	key, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	r.ok(err)
	r.dir, err = blob.OpenDir(t.TempDir(), clk)
	r.ok(err)
	t.Cleanup(func() { r.dir.Close() })
	r.Service = New(Options{DB: db, Audit: audit.New(db, key, clk, slog.New(slog.DiscardHandler)), Clock: clk,
		Name: func(_ *store.Tx, p string) string { return persons[p] }, Files: func() Files { return r.dir }, Feeds: all.Feeds()})
	return r
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// fetched takes bytes as if they had been fetched now.
func (r *rig) fetched(name, series string, kind store.Kind, doc []byte) (taken Taken) {
	r.t.Helper()
	for _, f := range all.Feeds() {
		if f.Name != name {
			continue
		}
		reading, fault := f.Parse(doc)
		if fault != nil {
			r.t.Fatalf("%+v", fault)
		}
		ref, err := r.dir.Put(r.t.Context(), bytes.NewReader(doc))
		r.ok(err)
		r.ok(r.db.Write(r.t.Context(), func(tx *store.Tx) (err error) {
			taken, err = r.Take(tx, Fetched{Feed: name, Series: series, Kind: kind, At: r.clk.Now(), Ref: ref, Size: int64(len(doc))}, reading)
			return err
		}))
		return taken
	}
	r.t.Fatal(name)
	return taken
}

// read enters a reading as a document whose bytes are its name.
func (r *rig) read(d Document, name string, reading *feed.Reading) (taken Taken) {
	r.t.Helper()
	ref, err := r.dir.Put(r.t.Context(), bytes.NewReader([]byte(name)))
	r.ok(err)
	r.ok(r.db.Write(r.t.Context(), func(tx *store.Tx) (err error) {
		taken, err = r.Take(tx, Fetched{Feed: d.Feed, Series: d.Series, Kind: d.Kind, At: d.Fetched, Ref: ref, Size: int64(len(name))}, reading)
		return err
	}))
	return taken
}

func (r *rig) warnings() []*Warning {
	r.t.Helper()
	all, _, err := r.Warnings(r.t.Context())
	r.ok(err)
	return all
}

func (r *rig) count(query string, args ...any) (n int64) {
	r.t.Helper()
	r.ok(r.db.Read(r.t.Context(), func(tx *store.Tx) error { return tx.Row(query, args...).Scan(&n) }))
	return n
}

func (r *rig) wait(d time.Duration) { r.clk.Advance(d) }
