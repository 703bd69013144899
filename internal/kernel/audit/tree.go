package audit

import (
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"trojmezi/internal/kernel/store"
)

// pageHashes is how many hashes one row of audit_hash holds: 8 KiB, so that the
// page that is still being filled is cheap to write again.
const pageHashes = 256

// cachedPages bounds what a pages reader holds (2 MiB).
const cachedPages = 256

// ErrDamaged is returned when the stored tree contradicts its last head, or a
// leaf is missing; Verify says what and where.
var ErrDamaged = errors.New("audit: the log is damaged")

// pages reads stored hashes within a transaction. It is a tlog.HashReader.
type pages struct {
	tx    *store.Tx
	cache map[int64][]byte
}

// page returns the bytes of a page, shorter than a full one or nil if the row
// is cut or missing.
func (p *pages) page(n int64) ([]byte, error) {
	if b, ok := p.cache[n]; ok {
		return b, nil
	}
	var b []byte
	err := p.tx.Row(`SELECT hashes FROM audit_hash WHERE page = $1`, n).Scan(&b)
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return nil, fmt.Errorf("audit: tree: %w", err)
	}
	if p.cache == nil || len(p.cache) >= cachedPages {
		p.cache = map[int64][]byte{}
	}
	p.cache[n] = b
	return b, nil
}

// hash returns the stored hash with the given index; ok is false if it is not there.
func (p *pages) hash(index int64) (h tlog.Hash, ok bool, err error) {
	b, err := p.page(index / pageHashes)
	if err != nil {
		return h, false, err
	}
	off := int(index%pageHashes) * tlog.HashSize
	if off+tlog.HashSize > len(b) {
		return h, false, nil
	}
	return tlog.Hash(b[off : off+tlog.HashSize]), true, nil
}

// ReadHashes returns the hashes with the given indexes, ErrDamaged if one is missing.
func (p *pages) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		h, ok, err := p.hash(index)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("%w: hash %d is missing", ErrDamaged, index)
		}
		out[i] = h
	}
	return out, nil
}

// frontier is the right edge of a tree of n leaves: the newest complete node of
// each level. It is all that is needed to add a leaf and to compute the root,
// and answers tlog's questions for both without the rest of the tree.
type frontier struct {
	n    int64
	edge [64]tlog.Hash
}

// ReadHashes answers for complete nodes at the right edge only; while leaf n is
// added and for the root, tlog asks for no others.
func (f *frontier) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, _ := tlog.SplitStoredHashIndex(index)
		out[i] = f.edge[level]
	}
	return out, nil
}

// next returns the hashes that leaf h completes: itself, then upwards.
func (f *frontier) next(h tlog.Hash) []tlog.Hash {
	out, err := tlog.StoredHashesForRecordHash(f.n, h, f)
	if err != nil {
		panic(err) // f.ReadHashes does not fail
	}
	return out
}

// take makes hashes, as next returned them or as they are stored, the new edge.
func (f *frontier) take(hashes []tlog.Hash) {
	copy(f.edge[:], hashes)
	f.n++
}

func (f *frontier) root() tlog.Hash {
	h, err := tlog.TreeHash(f.n, f)
	if err != nil {
		panic(err) // f.ReadHashes does not fail
	}
	return h
}

// frontierAt reads the right edge of the first n leaves from the stored tree.
func frontierAt(n int64, p *pages) (*frontier, error) {
	f := &frontier{n: n}
	for rest := n; rest > 0; rest &= rest - 1 {
		level := bits.TrailingZeros64(uint64(rest))
		h, err := p.ReadHashes([]int64{tlog.StoredHashIndex(level, n>>level-1)})
		if err != nil {
			return nil, err
		}
		f.edge[level] = h[0]
	}
	return f, nil
}
