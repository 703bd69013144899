package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// past lies so far back that no leaf counts as just written.
var past = time.Date(2025, 3, 1, 10, 59, 0, 0, time.UTC)

type fixture struct {
	t    testing.TB
	db   *store.DB
	node *seal.Node
	ring *seal.Ring
	clk  *clock.Clock
	log  *Log
}

func setup(t testing.TB, clk *clock.Clock) *fixture {
	t.Helper()
	f := &fixture{t: t, db: storetest.Open(t, storetest.Tables{"seal": seal.Migrations(), "audit": Migrations()}), clk: clk}
	migrate(t, f.db)
	var err error
	if f.node, err = seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key")); err != nil {
		t.Fatal(err)
	}
	f.ring = seal.NewRing(f.node, clk)
	f.log = New(f.db, f.node, clk, slog.New(slog.DiscardHandler))
	return f
}

func migrate(t testing.TB, db *store.DB) {
	t.Helper()
}

func (f *fixture) append(n int) {
	f.t.Helper()
	f.write(func(tx *store.Tx) error {
		for i := range n {
			if err := f.log.Append(tx, Event{Action: "test.event", Actor: "1.2.3", Object: fmt.Sprint(i)}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (f *fixture) write(fn func(tx *store.Tx) error) {
	f.t.Helper()
	if err := f.db.Write(context.Background(), fn); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) sequence() {
	f.t.Helper()
	if err := f.log.Sequence(context.Background()); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) exec(query string, args ...any) {
	f.t.Helper()
	f.write(func(tx *store.Tx) error {
		n, err := tx.Exec(query, args...)
		if err == nil && n == 0 {
			f.t.Errorf("%s: nothing was changed", query)
		}
		return err
	})
}

func (f *fixture) verify(known ...string) Report {
	f.t.Helper()
	r, err := Verify(context.Background(), f.db, f.log.VerifierKey(), known...)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// filled is a log of three hours: heads at 300, 301 and 700 leaves.
func filled(t testing.TB) *fixture {
	f := setup(t, clock.Fake(past))
	for _, n := range []int{300, 1, 399} {
		f.append(n)
		f.sequence()
		f.clk.Advance(time.Hour)
	}
	return f
}

func TestTreeIsInOrder(t *testing.T) {
	f := setup(t, clock.Fake(past))
	if r := f.verify(); len(r.Faults) != 0 || r.Leaves != 0 {
		t.Fatalf("empty log: %+v", r)
	}
	f.sequence()
	f.append(5)
	f.sequence()
	f.append(2)
	f.sequence()
	r := f.verify()
	if len(r.Faults) != 0 || r.Leaves != 7 || r.Tree != 7 || r.Heads != 1 {
		t.Fatalf("two passes within an hour: %+v; want one head", r)
	}
	f.clk.Advance(time.Hour)
	f.append(1)
	f.sequence()
	if r = f.verify(r.Latest); len(r.Faults) != 0 || r.Heads != 2 {
		t.Fatalf("next hour: %+v; want two heads", r)
	}
	h, err := OpenHead(r.Latest, VerifierKey(f.node))
	if err != nil || h.Size != 8 || h.Serial != 2 || !h.At.Equal(past.Add(time.Hour)) {
		t.Fatalf("latest head %+v, %v", h, err)
	}
}

// More leaves than one commit takes come in at once.
func TestManyLeaves(t *testing.T) {
	f := setup(t, clock.Fake(past))
	f.append(2*batch + 5)
	f.sequence()
	if r := f.verify(); len(r.Faults) != 0 || r.Tree != 2*batch+5 {
		t.Fatalf("%+v", r)
	}
}

// A clock that jumps ahead and back neither loses nor doubles a head.
func TestClockSetBack(t *testing.T) {
	f := setup(t, clock.Fake(past.AddDate(50, 0, 0)))
	f.append(1)
	f.sequence()
	for i, at := range []time.Duration{0, 10 * time.Minute, 2 * time.Hour} {
		f.log.clock = clock.Fake(past.Add(at))
		f.append(1)
		f.sequence()
		if r := f.verify(); len(r.Faults) != 0 || r.Tree != int64(i+2) || r.Heads != i+1 {
			t.Fatalf("after %v: %+v", at, r)
		}
	}
}

func TestYoungLeafMayWait(t *testing.T) {
	f := setup(t, clock.System())
	f.append(3)
	if r := f.verify(); len(r.Faults) != 0 || r.Waiting != 3 {
		t.Fatalf("%+v; want three waiting leaves and no fault", r)
	}
}

// flip changes one byte of a column.
func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

func (f *fixture) page(n int64) (b []byte) {
	f.t.Helper()
	err := f.db.Read(context.Background(), func(tx *store.Tx) error {
		return tx.Row(`SELECT hashes FROM audit_hash WHERE page = $1`, n).Scan(&b)
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

func (f *fixture) setPage(n int64, b []byte) {
	f.t.Helper()
	f.exec(`UPDATE audit_hash SET hashes = $2 WHERE page = $1`, n, b)
}

func TestTampering(t *testing.T) {
	const size = tlog.HashSize
	leaf10 := tlog.StoredHashIndex(0, 9)
	inner := tlog.StoredHashIndex(2, 5) // on page 0
	tests := []struct {
		name string
		do   func(f *fixture)
		want []Fault // the whole report
	}{
		{"row changed", func(f *fixture) { f.exec(`UPDATE audit_leaf SET actor = 'x' WHERE id = 10`) }, []Fault{{LeafChanged, 10, 10}}},
		{"time changed", func(f *fixture) { f.exec(`UPDATE audit_leaf SET at = at + 1 WHERE id = 700`) }, []Fault{{LeafChanged, 700, 700}}},
		{"hash of the row changed", func(f *fixture) { f.exec(`UPDATE audit_leaf SET hash = $1 WHERE id = 1`, make([]byte, 32)) }, []Fault{{LeafChanged, 1, 1}}},
		{"text moved between columns", func(f *fixture) {
			f.exec(`UPDATE audit_leaf SET action = 'test.event1', actor = '.2.3' WHERE id = 2`)
		}, []Fault{{LeafChanged, 2, 2}}},
		{"rows swapped", func(f *fixture) {
			f.exec(`UPDATE audit_leaf SET id = -1 WHERE id = 10`)
			f.exec(`UPDATE audit_leaf SET id = 10 WHERE id = 11`)
			f.exec(`UPDATE audit_leaf SET id = 11 WHERE id = -1`)
		}, []Fault{{LeafChanged, 10, 11}}},
		{"row deleted", func(f *fixture) { f.exec(`DELETE FROM audit_leaf WHERE id = 10`) }, []Fault{{LeafMissing, 10, 10}}},
		{"many rows deleted", func(f *fixture) { f.exec(`DELETE FROM audit_leaf WHERE id <= 300`) }, []Fault{{LeafMissing, 1, 300}}},
		{"last row deleted", func(f *fixture) { f.exec(`DELETE FROM audit_leaf WHERE id = 700`) }, []Fault{{LeafMissing, 700, 700}}},
		{"last row deleted, log goes on", func(f *fixture) {
			f.exec(`DELETE FROM audit_leaf WHERE id = 700`)
			f.append(1)
			f.sequence()
		}, []Fault{{LeafChanged, 700, 700}}},
		{"all rows deleted", func(f *fixture) { f.exec(`DELETE FROM audit_leaf`) }, []Fault{{LeafMissing, 1, 700}}},
		{"row added in front", func(f *fixture) {
			f.exec(`INSERT INTO audit_leaf SELECT 0, at, action, actor, object, key_id, hash FROM audit_leaf WHERE id = 1`)
		}, []Fault{{LeafForeign, 0, 0}}},
		{"row added far behind", func(f *fixture) {
			f.exec(`INSERT INTO audit_leaf SELECT 1000000000000, at, action, actor, object, key_id, hash FROM audit_leaf WHERE id = 1`)
		}, []Fault{{LeafMissing, 701, 999999999999}, {LeafOutside, 1000000000000, 1000000000000}}},
		{"leaf left outside", func(f *fixture) { f.append(2) }, []Fault{{LeafOutside, 701, 702}}},
		{"leaf hash changed", func(f *fixture) { f.setPage(0, flip(f.page(0), int(leaf10)*size)) }, []Fault{{HashBad, leaf10, leaf10}}},
		{"row and its hash changed together", func(f *fixture) {
			f.exec(`UPDATE audit_leaf SET actor = 'x' WHERE id = 10`)
			var row []leaf
			f.write(func(tx *store.Tx) (err error) { row, err = leavesAfter(tx, 9, 1); return err })
			b, h := f.page(0), row[0].treeHash()
			copy(b[leaf10*size:], h[:])
			f.setPage(0, b)
		}, []Fault{{HashBad, leaf10 + 1, leaf10 + 1}}},
		{"row changed and the whole tree made anew", func(f *fixture) {
			f.exec(`UPDATE audit_leaf SET actor = 'x' WHERE id = 10`)
			var rows []leaf
			f.write(func(tx *store.Tx) (err error) { rows, err = leavesAfter(tx, 0, 1000); return err })
			var tree frontier
			var hashes []byte
			for _, row := range rows {
				done := tree.next(row.treeHash())
				tree.take(done)
				for _, h := range done {
					hashes = append(hashes, h[:]...)
				}
			}
			for page := range int64(6) {
				f.setPage(page, hashes[page*pageHashes*size:min(len(hashes), int(page+1)*pageHashes*size)])
			}
		}, []Fault{{HeadTree, 1, 3}}},
		{"inner hash changed", func(f *fixture) { f.setPage(0, flip(f.page(0), int(inner)*size+31)) }, []Fault{{HashBad, inner, inner}}},
		{"hashes swapped", func(f *fixture) {
			b := f.page(0)
			i, j := tlog.StoredHashIndex(3, 0)*size, tlog.StoredHashIndex(3, 1)*size
			a := bytes.Clone(b[i : i+size])
			copy(b[i:], b[j:j+size])
			copy(b[j:], a)
			f.setPage(0, b)
		}, []Fault{{HashBad, tlog.StoredHashIndex(3, 0), tlog.StoredHashIndex(3, 0)}, {HashBad, tlog.StoredHashIndex(3, 1), tlog.StoredHashIndex(3, 1) + 1}}},
		{"page deleted", func(f *fixture) { f.exec(`DELETE FROM audit_hash WHERE page = 1`) }, []Fault{{HashBad, 256, 511}}},
		{"tree cut", func(f *fixture) { b := f.page(5); f.setPage(5, b[:len(b)-size]) },
			[]Fault{{HashBad, tlog.StoredHashCount(700) - 1, tlog.StoredHashCount(700) - 1}}},
		{"hash added", func(f *fixture) { f.setPage(5, append(f.page(5), make([]byte, size)...)) },
			[]Fault{{HashBad, tlog.StoredHashCount(700), tlog.StoredHashCount(700)}}},
		{"page added", func(f *fixture) { f.exec(`INSERT INTO audit_hash VALUES (77, $1)`, make([]byte, size)) },
			[]Fault{{HashBad, 77 * 256, 77 * 256}}},
		{"log cut back with its tree, newest head kept", func(f *fixture) {
			f.cut(301)
		}, []Fault{{LeafMissing, 302, 700}, {HashBad, tlog.StoredHashCount(301), tlog.StoredHashCount(700) - 1}, {HeadTree, 3, 3}}},
		{"head deleted", func(f *fixture) { f.exec(`DELETE FROM audit_head WHERE serial = 2`) }, []Fault{{HeadMissing, 2, 2}}},
		{"newest head deleted", func(f *fixture) { f.exec(`DELETE FROM audit_head WHERE serial = 3`) },
			[]Fault{{LeafOutside, 302, 700}, {HashBad, tlog.StoredHashCount(301), tlog.StoredHashCount(700) - 1}}},
		{"head far behind", func(f *fixture) {
			f.exec(`INSERT INTO audit_head SELECT 1000000000000, note FROM audit_head WHERE serial = 3`)
		}, []Fault{{HeadMissing, 4, 999999999999}, {HeadOrder, 1000000000000, 1000000000000}}},
		{"heads swapped", func(f *fixture) {
			f.exec(`UPDATE audit_head SET serial = 9 WHERE serial = 1`)
			f.exec(`UPDATE audit_head SET serial = 1 WHERE serial = 2`)
			f.exec(`UPDATE audit_head SET serial = 2 WHERE serial = 9`)
		}, []Fault{{HeadOrder, 1, 2}}},
		{"head repeated in the newest one's place", func(f *fixture) {
			f.exec(`UPDATE audit_head SET note = (SELECT note FROM audit_head WHERE serial = 1) WHERE serial = 3`)
		}, []Fault{{HeadOrder, 3, 3}, {LeafOutside, 302, 700}, {HashBad, tlog.StoredHashCount(301), tlog.StoredHashCount(700) - 1}}},
		{"head's text changed", func(f *fixture) {
			f.exec(`UPDATE audit_head SET note = REPLACE(note, 'serial 2', 'serial 9') WHERE serial = 2`)
		}, []Fault{{HeadUnknown, 2, 2}}},
		{"head is no head", func(f *fixture) { f.exec(`UPDATE audit_head SET note = 'x' WHERE serial = 2`) }, []Fault{{HeadUnknown, 2, 2}}},
		{"head signed by another key", func(f *fixture) { f.forge(2, Head{Size: 301, Serial: 2, At: past}, "other") }, []Fault{{HeadUnknown, 2, 2}}},
		{"head signed over another tree", func(f *fixture) { f.forge(2, Head{Size: 301, Serial: 2, At: past}, "") }, []Fault{{HeadTree, 2, 2}}},
		{"shrunk", func(f *fixture) {
			f.cut(300)
			var tree *frontier
			f.write(func(tx *store.Tx) (err error) { tree, err = frontierAt(300, &pages{tx: tx}); return err })
			f.forge(3, Head{Size: 300, Hash: tree.root(), Serial: 3, At: past}, "")
		}, []Fault{{HeadOrder, 3, 3}, {LeafMissing, 301, 301}, {HashBad, tlog.StoredHashCount(300), tlog.StoredHashCount(301) - 1}, {HeadTree, 2, 2}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := filled(t)
			if r := f.verify(); len(r.Faults) != 0 {
				t.Fatalf("before: %+v", r.Faults)
			}
			tt.do(f)
			if diff := cmp.Diff(tt.want, f.verify().Faults); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

// cut removes the leaves above n and all that the tree holds of them.
func (f *fixture) cut(n int64) {
	count := tlog.StoredHashCount(n)
	f.exec(`DELETE FROM audit_leaf WHERE id > $1`, n)
	f.exec(`DELETE FROM audit_hash WHERE page > $1`, count/pageHashes)
	f.setPage(count/pageHashes, f.page(count / pageHashes)[:count%pageHashes*tlog.HashSize])
}

// forge puts a head in place of another, signed by the node or by another key.
func (f *fixture) forge(serial int64, h Head, key string) {
	f.t.Helper()
	signer := f.log.signer
	if key != "" {
		other, err := seal.LoadOrCreate(filepath.Join(f.t.TempDir(), key))
		if err != nil {
			f.t.Fatal(err)
		}
		signer, _ = signerOf(other)
	}
	f.exec(`UPDATE audit_head SET note = $2 WHERE serial = $1`, serial, sign(f.t, h, signer))
}

// A database put back as a whole shows nothing by itself; a head kept elsewhere does.
func TestKnownHead(t *testing.T) {
	f := filled(t)
	latest := f.verify().Latest
	f.append(10)
	f.sequence()
	if r := f.verify(latest); len(r.Faults) != 0 {
		t.Fatalf("continued log: %+v", r.Faults)
	}
	f.cut(301)
	f.exec(`DELETE FROM audit_head WHERE serial > 2`)
	if r := f.verify(); len(r.Faults) != 0 {
		t.Fatalf("put back: %+v", r.Faults)
	}
	want := []Fault{{HeadKnown, 3, 3}}
	if diff := cmp.Diff(want, f.verify(latest).Faults); diff != "" {
		t.Fatalf("put back, shorter (-want +got):\n%s", diff)
	}
	f.append(500) // other events in their place
	f.sequence()
	if diff := cmp.Diff(want, f.verify(latest).Faults); diff != "" {
		t.Fatalf("put back, rewritten (-want +got):\n%s", diff)
	}
	if _, err := Verify(t.Context(), f.db, f.log.VerifierKey(), "x"); err == nil {
		t.Fatal("a known head that is none was taken")
	}
}

// The sequencer does not sign over damage.
func TestNotSignedOverDamage(t *testing.T) {
	for name, do := range map[string]func(f *fixture){
		"edge hash": func(f *fixture) {
			f.setPage(5, flip(f.page(5), int(tlog.StoredHashIndex(2, 174)%pageHashes)*tlog.HashSize))
		},
		"page cut": func(f *fixture) { b := f.page(5); f.setPage(5, b[:len(b)-1]) },
		"head":     func(f *fixture) { f.exec(`UPDATE audit_head SET note = 'x' WHERE serial = 3`) },
		"leaf": func(f *fixture) {
			f.append(1)
			f.exec(`DELETE FROM audit_leaf WHERE id = 701`)
			f.exec(`UPDATE audit_leaf SET id = 702 WHERE id = 700`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := filled(t)
			do(f)
			f.append(1)
			if err := f.log.Sequence(t.Context()); !errors.Is(err, ErrDamaged) {
				t.Fatalf("error %v; want ErrDamaged", err)
			}
		})
	}
}

// What a sequencer read before another one wrote is not written over it.
func TestRace(t *testing.T) {
	f := setup(t, clock.Fake(past))
	for _, n := range []int{3, 300} {
		f.append(n)
		slow, err := f.log.grow(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f.append(1)
		f.sequence()
		if err := f.db.Write(t.Context(), slow.write); !errors.Is(err, errRaced) {
			t.Fatalf("%v; want errRaced", err)
		}
		if r := f.verify(); len(r.Faults) != 0 || r.Tree != r.Leaves {
			t.Fatalf("%+v", r)
		}
	}
}

func TestAppendTakesIdsOnly(t *testing.T) {
	f := setup(t, clock.Fake(past))
	for name, e := range map[string]Event{
		"no action": {Object: "x"}, "NUL": {Action: "a", Object: "x\x00"}, "line": {Action: "a", Actor: "x\ny"},
		"not UTF-8": {Action: "a", Object: "\xff"}, "long": {Action: "a", Object: strings.Repeat("x", maxText+1)},
	} {
		err := f.db.Write(t.Context(), func(tx *store.Tx) error { return f.log.Append(tx, e) })
		if !errors.Is(err, ErrText) {
			t.Errorf("%s: %v; want ErrText", name, err)
		}
	}
	if r := f.verify(); r.Leaves != 0 {
		t.Errorf("%d leaves were written", r.Leaves)
	}
}

// With the key a leaf shows what it records; without it the tree stays whole
// and the leaf shows no more than that there was something.
func TestDestroyedKey(t *testing.T) {
	f := setup(t, clock.Fake(past))
	e := Event{Action: "exchange.accept", Actor: "1.2.3", Object: "m-1", Detail: []byte("caller: Nováková")}
	own := Event{Action: "node.start", Object: "n-1", Detail: []byte("x")}
	f.write(func(tx *store.Tx) (err error) {
		if e.Key, err = f.ring.Key(tx, "incident:1"); err != nil {
			return err
		}
		return errors.Join(f.log.Append(tx, e), f.log.Append(tx, own))
	})
	f.sequence()
	matches := func(id int64, e Event) (ok bool) {
		f.write(func(tx *store.Tx) (err error) { ok, err = f.log.Matches(tx, id, e); return err })
		return ok
	}
	other := e
	other.Detail = []byte("caller: Schmidt")
	keyless := e
	keyless.Key = nil
	if !matches(1, e) || !matches(2, own) || matches(1, other) || matches(1, keyless) || matches(2, e) {
		t.Fatal("a leaf does not tell what it records from what it doesn't")
	}
	f.write(func(tx *store.Tx) error { return f.ring.Destroy(tx, e.Key.ID()) })
	f.write(func(tx *store.Tx) error {
		if _, err := f.ring.Lookup(tx, e.Key.ID()); !errors.Is(err, seal.ErrDestroyed) {
			t.Errorf("look-up: %v", err)
		}
		return nil
	})
	f.append(1)
	f.sequence()
	if r := f.verify(); len(r.Faults) != 0 || r.Tree != 3 {
		t.Fatalf("after the destruction: %+v", r)
	}
}

// Whatever comes when, the tree is the one of RFC 6962 over the rows.
func TestTreeModel(t *testing.T) {
	f := setup(t, clock.Fake(past))
	rapid.Check(t, func(t *rapid.T) {
		f.clear()
		// Verify compares with the real time, which no number of cases may reach.
		f.clk = clock.Fake(past)
		f.log = New(f.db, f.node, f.clk, f.log.log)
		var leaves int
		heads := map[string]bool{}
		var latest []string // the head of the last verification, the root of whose tree vouches for all heads before it
		touched := true     // the database, since the last verification
		var slow *growth    // what a sequencer has read and not written yet
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				// A page of hashes takes 128 leaves; most of what happens needs fewer.
				few, many := rapid.IntRange(1, 9), rapid.IntRange(1, 300)
				n := rapid.OneOf(few, few, many).Draw(t, "n")
				f.append(n)
				leaves += n
				touched = true
			},
			"rolled back": func(t *rapid.T) {
				err := f.db.Write(context.Background(), func(tx *store.Tx) error {
					return errors.Join(f.log.Append(tx, Event{Action: "test.undone"}), context.Canceled)
				})
				if !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				touched = true
			},
			"sequence": func(t *rapid.T) {
				f.sequence()
				touched = true
			},
			// Two instances sequence while leaves come in: what one read is
			// old when the other has written.
			"race": func(t *rapid.T) {
				n := rapid.IntRange(0, 5).Draw(t, "n")
				leaves += n
				var wg sync.WaitGroup
				errs := make([]error, 2)
				for i := range errs {
					wg.Go(func() {
						for range 2 {
							errs[i] = errors.Join(errs[i], f.log.Sequence(context.Background()))
						}
					})
				}
				for range n {
					f.append(1)
				}
				wg.Wait()
				if err := errors.Join(errs...); err != nil {
					t.Fatal(err)
				}
				touched = true
			},
			// The sequencer dies, or hangs, between reading and writing…
			"crash": func(t *rapid.T) {
				g, err := f.log.grow(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				if g != nil {
					slow = g
				}
			},
			// …and in the second case goes on when it is too late, or just in time.
			"late": func(t *rapid.T) {
				if slow == nil {
					t.Skip("nobody hangs")
				}
				var last headRow
				f.write(func(tx *store.Tx) (err error) { last, err = lastHead(tx); return err })
				var want error
				if last != slow.from {
					want = errRaced
				}
				if err := f.db.Write(context.Background(), slow.write); !errors.Is(err, want) {
					t.Fatalf("%v; want %v", err, want)
				}
				slow = nil
				touched = true
			},
			// The node stops in the middle of it.
			"stop": func(t *rapid.T) {
				ctx, cancel := context.WithCancel(context.Background())
				time.AfterFunc(time.Duration(rapid.IntRange(0, 300).Draw(t, "µs"))*time.Microsecond, cancel)
				f.log.Sequence(ctx)
				cancel()
				touched = true
			},
			"restart": func(t *rapid.T) { f.log = New(f.db, f.node, f.clk, f.log.log) },
			"time":    func(t *rapid.T) { f.clk.Advance(time.Duration(rapid.IntRange(1, 100).Draw(t, "min")) * time.Minute) },
			"": func(t *rapid.T) {
				if !touched {
					return
				}
				touched = false
				r := f.checkReport(t, leaves, latest)
				if r.Latest != "" {
					latest = []string{r.Latest}
					heads[r.Latest] = true
				}
			},
		})
		f.sequence()
		f.checkReport(t, leaves, slices.Collect(keys(heads)))
		f.checkModel(t, leaves)
	})
}

// checkReport verifies a log to which so many leaves were appended, and which
// nobody has damaged.
func (f *fixture) checkReport(t *rapid.T, leaves int, known []string) Report {
	r, err := Verify(context.Background(), f.db, f.log.VerifierKey(), known...)
	if err != nil {
		t.Fatal(err)
	}
	var want []Fault
	if r.Tree < int64(leaves) {
		if want = []Fault{{LeafOutside, r.Tree + 1, int64(leaves)}}; r.Heads == 0 {
			want = append(want, Fault{HeadMissing, 1, 1})
		}
	}
	if r.Leaves != int64(leaves) || len(r.Faults) != len(want) || len(want) > 0 && !slices.Equal(r.Faults, want) {
		t.Fatalf("%d appended: %+v; want the faults %v", leaves, r, want)
	}
	return r
}

// checkModel compares the head with the root computed from the rows by the
// definition, recursively and without any of the code under test but record.
func (f *fixture) checkModel(t *rapid.T, n int) {
	var rows []leaf
	var last headRow
	f.write(func(tx *store.Tx) (err error) {
		if rows, err = leavesAfter(tx, 0, n+1); err != nil {
			return err
		}
		last, err = lastHead(tx)
		return err
	})
	if len(rows) != n {
		t.Fatalf("%d rows, want %d", len(rows), n)
	}
	if n == 0 {
		return
	}
	h, err := OpenHead(last.note, f.log.VerifierKey())
	if err != nil || h.Size != int64(n) || h.Hash != mth(rows) {
		t.Fatalf("head %+v, %v; want size %d, root %v", h, err, n, mth(rows))
	}
}

// mth is the Merkle tree hash of RFC 6962, section 2.1.
func mth(rows []leaf) tlog.Hash {
	if len(rows) == 1 {
		return tlog.RecordHash(rows[0].record())
	}
	k := 1
	for k*2 < len(rows) {
		k *= 2
	}
	return tlog.NodeHash(mth(rows[:k]), mth(rows[k:]))
}

func (f *fixture) clear() {
	f.write(func(tx *store.Tx) error {
		for _, q := range []string{`DELETE FROM audit_leaf`, `DELETE FROM audit_hash`, `DELETE FROM audit_head`} {
			if _, err := tx.Exec(q); err != nil {
				return err
			}
		}
		return nil
	})
}

// Run puts a leaf into the tree within a second and ends with its context,
// leaving nothing outside.
func TestRun(t *testing.T) {
	f := setup(t, clock.System())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.log.Run(ctx) }()
	var tree int64
	for range 3 {
		f.append(1)
		written := time.Now()
		for tree++; f.verify().Tree < tree; time.Sleep(10 * time.Millisecond) {
			if time.Since(written) > 30*time.Second {
				t.Fatal("the leaf did not come into the tree")
			}
		}
		t.Logf("in the tree after %v", time.Since(written))
	}
	f.append(5)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if r := f.verify(); r.Tree != 8 || len(r.Faults) != 0 {
		t.Fatalf("after the end: %+v", r)
	}
}

// Two instances of one node: both append, one at a time sequences, one dies.
func TestTwoInstances(t *testing.T) {
	if os.Getenv(storetest.PostgresEnv) == "" {
		t.Skip("two instances share PostgreSQL only: set " + storetest.PostgresEnv)
	}
	cfg := storetest.Config(t, storetest.Tables{"seal": seal.Migrations(), "audit": Migrations()})
	node, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	type instance struct {
		db     *store.DB
		log    *Log
		cancel context.CancelFunc
		done   chan error
	}
	var ins [2]instance
	for i := range ins {
		db, err := store.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		migrate(t, db)
		ctx, cancel := context.WithCancel(t.Context())
		ins[i] = instance{db, New(db, node, clock.System(), slog.New(slog.DiscardHandler)), cancel, make(chan error, 1)}
		go func() { ins[i].done <- ins[i].log.Run(ctx) }()
	}
	const each = 300
	var wg sync.WaitGroup
	for i := range ins {
		for range 4 {
			wg.Go(func() {
				for n := range each {
					err := ins[i].db.Write(context.Background(), func(tx *store.Tx) error {
						return ins[i].log.Append(tx, Event{Action: "test", Actor: fmt.Sprint(i), Object: fmt.Sprint(n)})
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	time.AfterFunc(300*time.Millisecond, ins[0].cancel)
	wg.Wait()
	<-ins[0].done
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		r, err := Verify(t.Context(), ins[1].db, ins[1].log.VerifierKey())
		if err != nil || len(r.Faults) > 0 || time.Now().After(end) {
			t.Fatalf("%+v, %v", r, err)
		}
		if r.Tree == 8*each {
			break
		}
	}
	ins[1].cancel()
	<-ins[1].done
}

func TestFaultTexts(t *testing.T) {
	b, err := i18n.Load(Locales)
	if err != nil {
		t.Fatal(err)
	}
	codes := []Code{LeafOutside, LeafMissing, LeafForeign, LeafChanged, HashBad, HeadMissing, HeadUnknown, HeadOrder, HeadTree, HeadKnown}
	if len(b.Keys()) < len(codes) {
		t.Fatalf("%d texts for %d codes", len(b.Keys()), len(codes))
	}
	for _, c := range codes {
		f := Fault{c, 5, 9}
		for _, l := range []i18n.Lang{"cs", "de", "pl", "en"} {
			if s := b.Text(l, f.Key(), i18n.Args{"id": f.Numbers()}); !strings.Contains(s, "5–9") {
				t.Errorf("%s %s: %q", l, c, s)
			}
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, perCommit := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("commit=%d", perCommit), func(b *testing.B) {
			f := setup(b, clock.System())
			var key *seal.Key
			f.write(func(tx *store.Tx) (err error) { key, err = f.ring.Key(tx, "incident:1"); return err })
			e := Event{Action: "exchange.accept", Actor: "1.2.3.4.5.6", Object: clock.System().NewID(), Detail: make([]byte, 430), Key: key}
			for n := 0; n < b.N; n += perCommit {
				f.write(func(tx *store.Tx) error {
					for range min(perCommit, b.N-n) {
						if err := f.log.Append(tx, e); err != nil {
							return err
						}
					}
					return nil
				})
			}
		})
	}
}

func BenchmarkSequence(b *testing.B) {
	f := setup(b, clock.System())
	for n := 0; n < b.N; n += 1000 {
		f.append(min(1000, b.N-n))
	}
	b.ResetTimer()
	f.sequence()
}

func BenchmarkVerify(b *testing.B) {
	f := setup(b, clock.System())
	for n := 0; n < b.N; n += 1000 {
		f.append(min(1000, b.N-n))
	}
	f.sequence()
	b.ResetTimer()
	if r := f.verify(); len(r.Faults) != 0 || r.Tree != int64(b.N) {
		b.Fatalf("%+v", r)
	}
}
