package audit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/store"
)

const (
	// grace is the age from which a leaf outside the tree is a fault: several
	// times the second a running node needs, so that a busy disk is no alarm.
	grace = 5 * time.Second
	// maxFaults bounds a report; a log with more is no better understood.
	maxFaults = 1000
	// verifyChunk is how many leaves are read at a time.
	verifyChunk = 4096
)

// Code says what is wrong.
type Code string

// The faults; the numbers are those of leaves, stored hashes or heads.
const (
	LeafOutside Code = "outside"        // not in the tree though old enough
	LeafMissing Code = "missing"        // in the tree, or between others, but no row
	LeafForeign Code = "foreign"        // a number that no leaf can have
	LeafChanged Code = "changed"        // the row is not what was put into the tree
	HashBad     Code = "hash"           // a stored hash is missing, changed or superfluous
	HeadMissing Code = "head_missing"   // a kept head is gone, or there is none
	HeadUnknown Code = "head_signature" // not readable, or not signed by this key
	HeadOrder   Code = "head_order"     // in another place, or smaller than the one before: the tree shrank
	HeadTree    Code = "head_tree"      // signed, but the tree has another root at that size or is shorter
	HeadKnown   Code = "head_known"     // the same, for a head given to Verify
)

// Fault is one finding, for the numbers ID to To.
type Fault struct {
	Code Code  `json:"code"`
	ID   int64 `json:"id"`
	To   int64 `json:"to"`
}

// Key is the translation key of the fault's text; its placeholder {id} takes Numbers.
func (f Fault) Key() string { return "audit.fault." + string(f.Code) }

// Numbers is "5" or "5–9".
func (f Fault) Numbers() string {
	if f.ID == f.To {
		return fmt.Sprint(f.ID)
	}
	return fmt.Sprintf("%d–%d", f.ID, f.To)
}

// Report is the result of Verify. The log is in order when Faults is empty.
type Report struct {
	Leaves  int64   `json:"leaves"`  // rows
	Tree    int64   `json:"tree"`    // leaves in the tree, by its newest good head
	Waiting int64   `json:"waiting"` // rows too young to have to be in the tree
	Heads   int     `json:"heads"`   // kept heads
	Latest  string  `json:"latest"`  // the newest good head's note: keep it elsewhere and give it to a later Verify
	Faults  []Fault `json:"faults"`  // at most 1,000
	More    bool    `json:"more"`    // there are more faults than that
}

func (r *Report) add(code Code, id int64) { r.addRange(code, id, id) }

func (r *Report) addRange(code Code, id, to int64) {
	if n := len(r.Faults); n > 0 && r.Faults[n-1].Code == code && r.Faults[n-1].To == id-1 {
		r.Faults[n-1].To = to
	} else if n < maxFaults {
		r.Faults = append(r.Faults, Fault{code, id, to})
	} else {
		r.More = true
	}
}

// Verify checks the whole log on one snapshot of the database with nothing but
// the public key (Log.VerifierKey): every row against its hash in the tree, every
// inner hash against those below it, the root at the size of every kept head
// against what that head states (so that each is a continuation of the one
// before), and their signatures. known are heads that were kept elsewhere
// (Report.Latest, or of an exported bundle): with one, even a database that was
// put back as a whole is noticed. The error is for what prevented the check.
func Verify(ctx context.Context, db *store.DB, verifierKey string, known ...string) (Report, error) {
	return verify(ctx, db, verifierKey, func(int64) {}, known...)
}

// verify is Verify that tells now and then how many leaves it has read.
func verify(ctx context.Context, db *store.DB, verifierKey string, progress func(done int64), known ...string) (Report, error) {
	var r Report
	err := db.Read(ctx, func(tx *store.Tx) error {
		v := verifier{Report: Report{Faults: []Fault{}}, tx: tx, key: verifierKey, stored: pages{tx: tx}, at: map[int64][]check{}, progress: progress}
		err := v.run(known)
		r = v.Report
		return err
	})
	if err != nil {
		return Report{}, fmt.Errorf("audit: verify: %w", err)
	}
	return r, nil
}

// check is a root that the tree has to have at some size.
type check struct {
	hash tlog.Hash
	code Code
	id   int64
}

type verifier struct {
	Report
	tx       *store.Tx
	key      string
	newest   Head
	at       map[int64][]check // by size
	stored   pages
	progress func(done int64)
}

func (v *verifier) run(known []string) error {
	if err := v.heads(); err != nil {
		return err
	}
	for i, text := range known {
		h, err := OpenHead(text, v.key)
		if err != nil {
			return fmt.Errorf("known head %d: %w", i+1, err)
		}
		v.expect(h, HeadKnown)
	}
	if err := v.tree(); err != nil {
		return err
	}
	// Left are the roots of sizes the tree never reached.
	for _, size := range slices.Sorted(maps.Keys(v.at)) {
		for _, c := range v.at[size] {
			v.add(c.code, c.id)
		}
	}
	return nil
}

func (v *verifier) expect(h Head, code Code) {
	v.at[h.Size] = append(v.at[h.Size], check{h.Hash, code, h.Serial})
}

// heads checks what heads can show without the tree.
func (v *verifier) heads() error {
	rows, err := v.tx.Query(`SELECT serial, note FROM audit_head ORDER BY serial`)
	if err != nil {
		return err
	}
	defer rows.Close()
	expected := int64(1)
	for rows.Next() {
		var row headRow
		if err := rows.Scan(&row.serial, &row.note); err != nil {
			return err
		}
		v.Heads++
		if row.serial > expected {
			v.addRange(HeadMissing, expected, row.serial-1)
		}
		expected = row.serial + 1
		h, err := OpenHead(row.note, v.key)
		if err != nil {
			v.add(HeadUnknown, row.serial)
			continue
		}
		if h.Serial != row.serial || h.Size < v.newest.Size {
			v.add(HeadOrder, row.serial)
		}
		v.expect(h, HeadTree)
		if h.Size >= v.newest.Size {
			v.newest, v.Latest, v.Tree = h, row.note, h.Size
		}
	}
	return rows.Err()
}

// tree walks once over leaves and stored hashes.
func (v *verifier) tree() error {
	size := v.newest.Size
	f := &frontier{}
	expected := int64(1) // the next leaf's id
	after := int64(-1 << 63)
	now := clock.System().Now()
	for {
		leaves, err := leavesAfter(v.tx, after, verifyChunk)
		if err != nil {
			return err
		}
		if len(leaves) == 0 {
			break
		}
		after = leaves[len(leaves)-1].ID
		v.progress(v.Leaves)
		for _, row := range leaves {
			v.Leaves++
			if row.ID < expected {
				v.add(LeafForeign, row.ID)
				continue
			}
			if err := v.missing(f, expected, row.ID-1); err != nil {
				return err
			}
			expected = row.ID + 1
			if row.ID <= size {
				if err := v.node(f, &row); err != nil {
					return err
				}
			} else if now.Sub(time.UnixMilli(row.At)) > grace {
				v.add(LeafOutside, row.ID)
			} else {
				v.Waiting++
			}
		}
	}
	if err := v.missing(f, expected, size); err != nil {
		return err
	}
	if v.Leaves > v.Waiting && v.Heads == 0 {
		v.add(HeadMissing, 1)
	}
	return v.superfluous(size)
}

// missing reports the leaves from..to, if any, and steps over those of the tree.
func (v *verifier) missing(f *frontier, from, to int64) error {
	if from > to {
		return nil
	}
	v.addRange(LeafMissing, from, to)
	for range min(to, v.newest.Size) - from + 1 {
		if err := v.node(f, nil); err != nil {
			return err
		}
	}
	return nil
}

// node checks the hashes that leaf f.n completes, and the leaf's row against the
// first; row is nil when it is missing.
func (v *verifier) node(f *frontier, row *leaf) error {
	index := tlog.StoredHashIndex(0, f.n)
	hash, ok, err := v.stored.hash(index)
	if err != nil {
		return err
	}
	switch {
	case !ok:
		v.add(HashBad, index)
		if row != nil {
			hash = row.treeHash()
		}
	case row != nil && hash != row.treeHash():
		// Which of the two was changed? The one that leads to the signed root is right.
		if right, err := v.proves(f.n, row.treeHash()); err != nil {
			return err
		} else if right {
			v.add(HashBad, index)
			hash = row.treeHash()
		} else {
			v.add(LeafChanged, row.ID)
		}
	}
	hashes := f.next(hash)
	for i := 1; i < len(hashes); i++ {
		h, ok, err := v.stored.hash(index + int64(i))
		if err != nil {
			return err
		}
		if !ok || h != hashes[i] {
			v.add(HashBad, index+int64(i))
		}
		if ok {
			hashes[i] = h // so that one fault is reported once and not all the way up
		}
	}
	f.take(hashes)
	if checks := v.at[f.n]; checks != nil {
		root := f.root()
		for _, c := range checks {
			if c.hash != root {
				v.add(c.code, c.id)
			}
		}
		delete(v.at, f.n)
	}
	return nil
}

// proves reports whether leaf n with this hash leads to the newest head's root.
func (v *verifier) proves(n int64, h tlog.Hash) (bool, error) {
	if _, err := v.stored.page(tlog.StoredHashIndex(0, n) / pageHashes); err != nil {
		return false, err // the database, not the proof
	}
	proof, err := tlog.ProveRecord(v.newest.Size, n, &v.stored)
	return err == nil && tlog.CheckRecord(proof, v.newest.Size, v.newest.Hash, n, h) == nil, nil
}

// superfluous reports stored hashes beyond those of the tree.
func (v *verifier) superfluous(size int64) error {
	count := tlog.StoredHashCount(size)
	rows, err := v.tx.Query(`SELECT page, LENGTH(hashes) FROM audit_hash WHERE page < 0 OR page >= $1 OR LENGTH(hashes) <> $2 ORDER BY page`,
		count/pageHashes, pageHashes*tlog.HashSize)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var page, length int64
		if err := rows.Scan(&page, &length); err != nil {
			return err
		}
		// Short pages were reported hash by hash.
		want := min(max(count-page*pageHashes, 0), pageHashes) * tlog.HashSize
		if page < 0 || length > want {
			first := max(page*pageHashes, count)
			v.addRange(HashBad, first, max(first, page*pageHashes+length/tlog.HashSize-1))
		}
	}
	return rows.Err()
}
