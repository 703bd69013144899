package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
)

var tables = fstest.MapFS{"00001_t.sql": {Data: []byte(`-- +goose Up
CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, body BYTEA NOT NULL, name TEXT) /*strict*/;
-- +goose Down
DROP TABLE t;
`)}}

func open(t testing.TB) *store.DB {
	db := storetest.Open(t)
	if err := db.Migrate(t.Context(), "t", tables); err != nil {
		t.Fatal(err)
	}
	return db
}

func count(t testing.TB, db *store.DB) (n int) {
	t.Helper()
	err := db.Read(t.Context(), func(tx *store.Tx) error { return tx.Row(`SELECT COUNT(*) FROM t`).Scan(&n) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func insert(id int) func(*store.Tx) error {
	return func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO t (body, id) VALUES ($2, $1)`, id, []byte{1})
		return err
	}
}

// While a disk hangs a note is left out and nobody waits for it.
func TestTryWriteLaterNeverWaits(t *testing.T) {
	db := open(t)
	hangs, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- db.Write(t.Context(), func(*store.Tx) error { close(hangs); <-goOn; return nil })
	}()
	<-hangs
	taken := 0
	began := time.Now()
	for db.TryWriteLater(insert(taken)) {
		if taken++; taken > 100_000 {
			t.Fatal("no end of the queue")
		}
	}
	if took := time.Since(began); took > 30*time.Second || taken == 0 {
		t.Errorf("%d taken in %v", taken, took)
	}
	close(goOn)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), func(*store.Tx) error { return nil }); err != nil { // comes after them
		t.Fatal(err)
	}
	if n := count(t, db); n != taken {
		t.Errorf("%d of %d written", n, taken)
	}
	db.Close()
	if db.TryWriteLater(insert(-1)) {
		t.Error("a closed database takes a note")
	}
}

// Arguments are bound by number, not by order of appearance (ADR 0001).
func TestArgumentsByNumber(t *testing.T) {
	db := open(t)
	if err := db.Write(t.Context(), insert(7)); err != nil {
		t.Fatal(err)
	}
	var got string
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		return tx.Row(`SELECT CAST($2 AS TEXT) || '-' || CAST($1 AS TEXT)`, "a", "b").Scan(&got)
	})
	if err != nil || got != "b-a" {
		t.Fatalf("got %q, %v; want b-a", got, err)
	}
}

// One caller's error undoes its own changes and nobody else's.
func TestWriteErrorIsOnesOwn(t *testing.T) {
	db := open(t)
	const callers = 200
	bad := errors.New("refused")
	var wg sync.WaitGroup
	var wrong atomic.Int64
	for i := range callers {
		wg.Go(func() {
			err := db.Write(t.Context(), func(tx *store.Tx) error {
				if err := insert(i)(tx); err != nil {
					return err
				}
				switch i % 10 {
				case 3:
					return bad
				case 7:
					panic("a module's mistake")
				}
				return nil
			})
			if (err != nil) != (i%10 == 3 || i%10 == 7) {
				wrong.Add(1)
			}
		})
	}
	wg.Wait()
	if wrong.Load() != 0 {
		t.Errorf("%d callers got a wrong result", wrong.Load())
	}
	if n := count(t, db); n != callers*8/10 {
		t.Errorf("%d rows, want %d", n, callers*8/10)
	}
}

// A counter incremented by many callers, and by two instances, has no gaps.
func TestWritesAreSerial(t *testing.T) {
	cfg := storetest.Config(t)
	instances := 1
	if cfg.URL != "" {
		instances = 2
	}
	var wg sync.WaitGroup
	seen := sync.Map{}
	for range instances {
		db, err := store.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.Migrate(t.Context(), "t", tables); err != nil {
			t.Fatal(err)
		}
		for range 8 {
			wg.Go(func() {
				for range 25 {
					var id int
					err := db.Write(t.Context(), func(tx *store.Tx) error {
						if err := tx.Row(`SELECT COALESCE(MAX(id), 0) + 1 FROM t`).Scan(&id); err != nil {
							return err
						}
						return insert(id)(tx)
					})
					if err != nil {
						t.Error(err)
						return
					}
					if _, twice := seen.LoadOrStore(id, true); twice {
						t.Errorf("number %d given twice", id)
					}
				}
			})
		}
	}
	wg.Wait()
	for i := 1; i <= instances*200; i++ {
		if _, ok := seen.Load(i); !ok {
			t.Fatalf("number %d is missing", i)
		}
	}
}

func TestNotifyAfterCommitOnly(t *testing.T) {
	db := open(t)
	w := db.Watch("topic")
	defer w.Close()
	db.Write(t.Context(), func(tx *store.Tx) error { tx.Notify("topic"); return errors.New("no") })
	select {
	case <-w.C():
		t.Fatal("woken by a transaction that failed")
	case <-time.After(50 * time.Millisecond):
	}
	if err := db.Write(t.Context(), func(tx *store.Tx) error { tx.Notify("topic"); return insert(1)(tx) }); err != nil {
		t.Fatal(err)
	}
	select {
	case <-w.C():
		if count(t, db) != 1 {
			t.Fatal("woken before the commit")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("not woken")
	}
}

// Cancelled contexts under load neither break a connection nor lose a commit
// that was reported as done.
func TestCancellationUnderLoad(t *testing.T) {
	db := open(t)
	var ok atomic.Int64
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 40 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%5)*time.Millisecond)
				if err := db.Write(ctx, insert(g*1000+i)); err == nil {
					ok.Add(1)
				}
				db.Read(ctx, func(tx *store.Tx) error {
					var n int
					return tx.Row(`SELECT COUNT(*) FROM t`).Scan(&n)
				})
				cancel()
			}
		})
	}
	wg.Wait()
	if n := count(t, db); n < int(ok.Load()) {
		t.Fatalf("%d rows, %d reported as done", n, ok.Load())
	}
	if err := db.Write(t.Context(), insert(99_999)); err != nil {
		t.Fatalf("the database is not usable afterwards: %v", err)
	}
}

func TestCloseFinishesWhatItTook(t *testing.T) {
	cfg := storetest.Config(t)
	db, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context(), "t", tables); err != nil {
		t.Fatal(err)
	}
	var ok atomic.Int64
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			if db.Write(context.Background(), insert(i)) == nil {
				ok.Add(1)
			}
		})
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	again, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if n := count(t, again); n != int(ok.Load()) {
		t.Fatalf("%d rows, %d reported as done", n, ok.Load())
	}
	if err := db.Write(t.Context(), insert(1000)); !errors.Is(err, store.ErrClosed) {
		t.Fatalf("write after close: %v", err)
	}
}

func TestMigrateRefusesNewerDatabase(t *testing.T) {
	db := open(t)
	newer := fstest.MapFS{"00001_t.sql": tables["00001_t.sql"], "00002_u.sql": {Data: []byte("-- +goose Up\nCREATE TABLE u (id BIGINT NOT NULL PRIMARY KEY) /*strict*/;\n-- +goose Down\nDROP TABLE u;\n")}}
	if err := db.Migrate(t.Context(), "t", newer); err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context(), "t", tables); !errors.Is(err, store.ErrNewer) {
		t.Fatalf("an older release opened a newer database: %v", err)
	}
}

func TestLeadOneAtATime(t *testing.T) {
	cfg := storetest.Config(t)
	if cfg.URL == "" {
		t.Skip("leadership is contended on PostgreSQL only: set " + storetest.PostgresEnv)
	}
	var leading, most atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 3 {
		db, err := store.Open(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		wg.Go(func() {
			db.Lead(ctx, "x", func(ctx context.Context) error {
				if n := leading.Add(1); n > most.Load() {
					most.Store(n)
				}
				defer leading.Add(-1)
				select {
				case <-ctx.Done():
				case <-time.After(200 * time.Millisecond):
				}
				return nil
			})
		})
	}
	for end := time.Now().Add(30 * time.Second); most.Load() == 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	time.AfterFunc(4*time.Second, cancel)
	wg.Wait()
	if most.Load() != 1 {
		t.Fatalf("%d led at the same time", most.Load())
	}
}

// A setting that is emptied is none, and leaves no row that a copy would meet.
func TestSettingGoesAway(t *testing.T) {
	db := open(t)
	for _, c := range []struct {
		value string
		rows  int
	}{{"", 0}, {"1", 1}, {"2", 1}, {"", 0}} {
		if err := db.Write(t.Context(), func(tx *store.Tx) error { return tx.SetSetting("s", c.value) }); err != nil {
			t.Fatal(err)
		}
		var got string
		var rows int
		if err := db.Read(t.Context(), func(tx *store.Tx) (err error) {
			if got, err = tx.Setting("s"); err != nil {
				return err
			}
			return tx.Row(`SELECT COUNT(*) FROM store_setting`).Scan(&rows)
		}); err != nil {
			t.Fatal(err)
		}
		if got != c.value || rows != c.rows {
			t.Errorf("set to %q: %q in %d rows", c.value, got, rows)
		}
	}
}

func TestCopyToSQLite(t *testing.T) {
	db := open(t)
	for i := range 50 {
		if err := db.Write(t.Context(), insert(i)); err != nil {
			t.Fatal(err)
		}
	}
	to, err := store.Open(t.Context(), store.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if err := to.Migrate(t.Context(), "t", tables); err != nil {
		t.Fatal(err)
	}
	if err := db.Copy(t.Context(), to, func(name string) bool { return name == "t" }, nil); err != nil {
		t.Fatal(err)
	}
	if n := count(t, to); n != 50 {
		t.Fatalf("%d rows copied, want 50", n)
	}
}

// An empty value and none are two things, on the way too.
func TestCopyEmptyBytes(t *testing.T) {
	files := fstest.MapFS{"00001_e.sql": {Data: []byte(`-- +goose Up
CREATE TABLE e (id BIGINT NOT NULL PRIMARY KEY, body BYTEA NOT NULL, more BYTEA) /*strict*/;
-- +goose Down
DROP TABLE e;
`)}}
	from, to := storetest.Open(t), storetest.Open(t)
	for _, db := range []*store.DB{from, to} {
		if err := db.Migrate(t.Context(), "e", files); err != nil {
			t.Fatal(err)
		}
	}
	err := from.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO e (id, body, more) VALUES (1, $1, NULL)`, []byte{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := from.Copy(t.Context(), to, func(name string) bool { return name == "e" }, nil); err != nil {
		t.Fatal(err)
	}
	var same int
	err = to.Read(t.Context(), func(tx *store.Tx) error {
		return tx.Row(`SELECT COUNT(*) FROM e WHERE length(body) = 0 AND more IS NULL`).Scan(&same)
	})
	if err != nil || same != 1 {
		t.Fatalf("%d rows are as they were (%v), want 1", same, err)
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			db := open(b)
			var id atomic.Int64
			body := make([]byte, 1200)
			b.SetParallelism(writers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					n := id.Add(1)
					err := db.Write(b.Context(), func(tx *store.Tx) error {
						_, err := tx.Exec(`INSERT INTO t (id, body) VALUES ($1, $2)`, n, body)
						return err
					})
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
