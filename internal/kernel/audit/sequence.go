package audit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"trojmezi/internal/kernel/store"
)

const (
	// gather is how long the sequencer lets leaves come together: under load a
	// few commits a second instead of one for each batch of writers, and still
	// well within the second in which a leaf has to be in the tree.
	gather = 250 * time.Millisecond
	// poll is how often it looks without being woken; a wake-up may be lost.
	poll = time.Second
	// batch is how many leaves one commit puts into the tree; at the limit it
	// writes some 70 pages and goes on at once.
	batch = 8192
	// lastPass bounds the final pass while the node stops.
	lastPass = 2 * time.Second
	// headEvery is the span in which a newer head replaces the one before it.
	// The last head of every hour is kept for ever: some 250 bytes, 2 MB a year.
	headEvery = time.Hour
)

// errRaced says that another instance moved the tree meanwhile.
var errRaced = errors.New("audit: another instance put leaves into the tree")

// Run puts leaves into the tree within a second of their commit, on one instance
// of the node at a time, until ctx ends. It never signs over damage: while the
// stored tree contradicts its last head, or a leaf is missing, the leaves after
// it stay outside and the log says so.
func (l *Log) Run(ctx context.Context) error {
	var counting sync.WaitGroup
	counting.Go(func() { l.count(ctx) })
	err := l.db.Lead(ctx, "audit", l.lead)
	counting.Wait()
	// What was recorded while the node stopped is not left for the next start.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastPass)
	defer cancel()
	if err := l.Sequence(last); err != nil {
		l.log.Warn("audit: last pass before the end", "error", err)
	}
	return err
}

func (l *Log) lead(ctx context.Context) error {
	w := l.db.Watch(topic)
	defer w.Close()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	said := ""
	for {
		err := l.Sequence(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			said = ""
		case err.Error() != said: // once, not every second
			said = err.Error()
			l.log.Error("audit: leaves stay outside the tree", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.C():
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(gather):
			}
		case <-tick.C:
		}
	}
}

// Sequence puts every leaf there is into the tree and signs the head. Run does
// it all the time; it is for a command that appends while no node runs. Any
// number of instances may call it at once.
func (l *Log) Sequence(ctx context.Context) error {
	for {
		g, err := l.grow(ctx)
		if err != nil || g == nil {
			return err
		}
		if err := l.db.Write(ctx, g.write); err != nil && !errors.Is(err, errRaced) {
			return err
		} else if err == nil && !g.more {
			return nil
		}
	}
}

// growth is what one batch of leaves adds to the tree.
type growth struct {
	from   headRow // the head it continues
	first  int64   // the page that hashes begin with, which may have been there in part
	hashes []byte
	head   headRow
	more   bool // the batch was full
}

// grow computes the next growth, nil when no leaf is outside the tree. Reading
// and hashing happen outside the writer, which every other write waits for.
func (l *Log) grow(ctx context.Context) (*growth, error) {
	var g growth
	var head Head
	var tree *frontier
	var leaves []leaf
	err := l.db.Read(ctx, func(tx *store.Tx) (err error) {
		if g.from, err = lastHead(tx); err != nil {
			return err
		}
		if g.from.serial != 0 {
			if head, err = OpenHead(g.from.note, l.key); err != nil {
				return fmt.Errorf("%w: head %d: %w", ErrDamaged, g.from.serial, err)
			}
		}
		if leaves, err = leavesAfter(tx, head.Size, batch); err != nil || len(leaves) == 0 {
			return err
		}
		p := &pages{tx: tx}
		if tree, err = frontierAt(head.Size, p); err != nil {
			return err
		}
		if head.Size > 0 && tree.root() != head.Hash {
			return fmt.Errorf("%w: the tree of %d leaves is not the one that was signed", ErrDamaged, head.Size)
		}
		stored := tlog.StoredHashCount(head.Size)
		g.first = stored / pageHashes
		if g.hashes, err = p.page(g.first); err != nil {
			return err
		}
		if want := int(stored%pageHashes) * tlog.HashSize; len(g.hashes) != want {
			return fmt.Errorf("%w: page %d has %d bytes, not %d", ErrDamaged, g.first, len(g.hashes), want)
		}
		return nil
	})
	if err != nil || len(leaves) == 0 {
		return nil, err
	}
	for _, f := range leaves {
		if f.ID != tree.n+1 {
			return nil, fmt.Errorf("%w: leaf %d is missing", ErrDamaged, tree.n+1)
		}
		done := tree.next(f.treeHash())
		for _, h := range done {
			g.hashes = append(g.hashes, h[:]...)
		}
		tree.take(done)
	}
	now := l.clock.Now()
	// A clock that was set back replaces the newest head and never an older one.
	serial := g.from.serial
	if serial == 0 || now.Truncate(headEvery).After(head.At) {
		serial++
	}
	head = Head{Size: tree.n, Hash: tree.root(), Serial: serial, At: now}
	signed, err := note.Sign(&note.Note{Text: head.text()}, l.signer)
	if err != nil {
		return nil, fmt.Errorf("audit: sign: %w", err)
	}
	g.head, g.more = headRow{serial, string(signed)}, len(leaves) == batch
	return &g, nil
}

// write stores the growth, or nothing and errRaced if the tree moved meanwhile.
func (g *growth) write(tx *store.Tx) error {
	if last, err := lastHead(tx); err != nil {
		return err
	} else if last != g.from {
		return errRaced
	}
	const size = pageHashes * tlog.HashSize
	for page, rest := g.first, g.hashes; len(rest) > 0; page++ {
		n := min(size, len(rest))
		if _, err := tx.Exec(`INSERT INTO audit_hash (page, hashes) VALUES ($1, $2)
			ON CONFLICT (page) DO UPDATE SET hashes = excluded.hashes`, page, rest[:n]); err != nil {
			return fmt.Errorf("audit: tree: %w", err)
		}
		rest = rest[n:]
	}
	if _, err := tx.Exec(`INSERT INTO audit_head (serial, note) VALUES ($1, $2)
		ON CONFLICT (serial) DO UPDATE SET note = excluded.note`, g.head.serial, g.head.note); err != nil {
		return fmt.Errorf("audit: head: %w", err)
	}
	return nil
}
