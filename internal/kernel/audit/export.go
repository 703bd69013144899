package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"trojmezi/internal/kernel/store"
)

// bundleFormat is the name and version of the exported form.
const bundleFormat = "trojmezi-audit-bundle-1"

// maxLine bounds a line of a bundle: texts of maxText bytes with every byte
// escaped, and a proof of 63 hashes, take less than 16 KiB.
const maxLine = 64 << 10

var (
	// ErrRange is returned by Export for leaves that are not in the tree (yet).
	ErrRange = errors.New("audit: these leaves are not in the tree")
	// ErrBundle is returned by VerifyExport for a bundle that proves nothing.
	ErrBundle = errors.New("audit: the bundle is not valid")
)

// bundleHead is the first line of a bundle, one leaf in each of the others.
type bundleHead struct {
	Format string `json:"format"`
	Key    string `json:"key"`  // public key, sumdb/note encoding
	Note   string `json:"note"` // the signed head
	From   int64  `json:"from"`
	To     int64  `json:"to"`
}

type bundleLeaf struct {
	leaf
	Proof []tlog.Hash `json:"proof"` // RFC 6962, section 2.1.1, bottom up
}

// Export writes the leaves from..to (ids, both included; to 0: all there are in
// the tree) as a bundle that proves itself: JSON lines, first the public key and
// the signed head, then the leaves in order, each with its proof of inclusion.
// It proves what was recorded and that nothing within the range was left out.
func Export(ctx context.Context, db *store.DB, verifierKey string, w io.Writer, from, to int64) error {
	out := bufio.NewWriter(w)
	err := db.Read(ctx, func(tx *store.Tx) error {
		row, err := lastHead(tx)
		if err != nil || row.serial == 0 {
			return errors.Join(err, ErrRange)
		}
		head, err := OpenHead(row.note, verifierKey)
		if err != nil {
			return fmt.Errorf("%w: head %d: %w", ErrDamaged, row.serial, err)
		}
		if to == 0 {
			to = head.Size
		}
		if from < 1 || from > to || to > head.Size {
			return fmt.Errorf("%w: %d–%d of %d", ErrRange, from, to, head.Size)
		}
		enc := json.NewEncoder(out)
		if err := enc.Encode(bundleHead{bundleFormat, verifierKey, row.note, from, to}); err != nil {
			return err
		}
		p := &pages{tx: tx}
		for next := from; next <= to; {
			leaves, err := leavesAfter(tx, next-1, int(min(verifyChunk, to-next+1)))
			if err != nil {
				return err
			}
			for _, f := range leaves {
				if f.ID != next {
					break
				}
				proof, err := tlog.ProveRecord(head.Size, f.ID-1, p)
				if err != nil {
					return err
				}
				if err := tlog.CheckRecord(proof, head.Size, head.Hash, f.ID-1, f.treeHash()); err != nil {
					return fmt.Errorf("%w: leaf %d: %w", ErrDamaged, f.ID, err)
				}
				if err := enc.Encode(bundleLeaf{f, proof}); err != nil {
					return err
				}
				next++
			}
			if len(leaves) == 0 || leaves[len(leaves)-1].ID != next-1 {
				return fmt.Errorf("%w: leaf %d is missing", ErrDamaged, next)
			}
		}
		return nil
	})
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("audit: export: %w", err)
	}
	return nil
}

// Bundle is what a valid export proves.
type Bundle struct {
	Key  string `json:"key"` // whose word it is: compare it with the node's key from elsewhere
	Head Head   `json:"head"`
	From int64  `json:"from"` // the leaves From..To, none left out
	To   int64  `json:"to"`
}

// VerifyExport checks a bundle without any database: the head's signature by the
// key in the bundle, each leaf's proof, and that none is left out. The key is the
// bundle's own claim, which the caller has to compare. Errors wrap ErrBundle.
func VerifyExport(r io.Reader) (Bundle, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 4096), maxLine)
	var first bundleHead
	if !lines.Scan() {
		return Bundle{}, bundleError(1, errors.Join(lines.Err(), io.ErrUnexpectedEOF))
	}
	if err := json.Unmarshal(lines.Bytes(), &first); err != nil {
		return Bundle{}, bundleError(1, err)
	}
	if first.Format != bundleFormat {
		return Bundle{}, bundleError(1, fmt.Errorf("format %.40q", first.Format))
	}
	head, err := OpenHead(first.Note, first.Key)
	if err != nil {
		return Bundle{}, bundleError(1, err)
	}
	if first.From < 1 || first.From > first.To || first.To > head.Size {
		return Bundle{}, bundleError(1, ErrRange)
	}
	next, line := first.From, int64(1)
	for lines.Scan() {
		line++
		var f bundleLeaf
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			return Bundle{}, bundleError(line, err)
		}
		if f.ID != next {
			return Bundle{}, bundleError(line, fmt.Errorf("leaf %d instead of %d", f.ID, next))
		}
		if err := tlog.CheckRecord(f.Proof, head.Size, head.Hash, f.ID-1, f.treeHash()); err != nil {
			return Bundle{}, bundleError(line, err)
		}
		next++
	}
	if err := lines.Err(); err != nil {
		return Bundle{}, bundleError(line+1, err)
	}
	if next != first.To+1 {
		return Bundle{}, bundleError(line+1, fmt.Errorf("leaf %d is not there", next))
	}
	return Bundle{Key: first.Key, Head: head, From: first.From, To: first.To}, nil
}

func bundleError(line int64, err error) error {
	return fmt.Errorf("%w: line %d: %w", ErrBundle, line, err)
}
