// Package blobtest is the suite that every blob store must pass, whatever it
// keeps its bytes in. It is for tests only and knows no store.
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/clock"
)

// Store is what the suite checks; blob.Dir describes the methods.
type Store interface {
	Put(ctx context.Context, r io.Reader) (blob.Ref, error)
	Open(ref blob.Ref) (io.ReadCloser, error)
	OpenSeek(ref blob.Ref) (io.ReadSeekCloser, error)
	Stat(ref blob.Ref) (blob.Info, error)
	Delete(ref blob.Ref, grace time.Duration) (bool, error)
	Walk(ctx context.Context, grace time.Duration, f func(blob.Ref, blob.Info) error) error
}

// Run checks the store that open returns, an empty one at each call, whose
// times come from clk.
func Run(t *testing.T, open func(t *testing.T, clk *clock.Clock) Store) {
	start := time.Date(2026, 8, 15, 12, 0, 0, 0, time.UTC)
	for name, f := range map[string]func(*testing.T, Store, *clock.Clock){
		"RoundTrip": roundTrip, "Pieces": pieces, "Absent": absent, "FailedReader": failedReader, "Cancelled": cancelled,
		"PutTwice": putTwice, "Delete": deletes, "Walk": walk, "SweepMeetsPut": sweepMeetsPut, "Concurrent": concurrent,
	} {
		t.Run(name, func(t *testing.T) {
			clk := clock.Fake(start)
			f(t, open(t, clk), clk)
		})
	}
}

func put(t *testing.T, s Store, content []byte) blob.Ref {
	t.Helper()
	ref, err := s.Put(t.Context(), bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func list(t *testing.T, s Store, grace time.Duration) []blob.Ref {
	t.Helper()
	var refs []blob.Ref
	if err := s.Walk(t.Context(), grace, func(r blob.Ref, _ blob.Info) error { refs = append(refs, r); return nil }); err != nil {
		t.Fatal(err)
	}
	return refs
}

func roundTrip(t *testing.T, s Store, clk *clock.Clock) {
	random := make([]byte, 1<<20+1)
	rand.NewChaCha8([32]byte{1}).Read(random)
	for name, content := range map[string][]byte{"empty": {}, "one byte": {0}, "text": []byte("žluťoučký kůň"), "large": random} {
		ref := put(t, s, content)
		if want := blob.Ref(sha256.Sum256(content)); ref != want {
			t.Errorf("%s: ref %v, want the SHA-256 %v", name, ref, want)
		}
		r, err := s.Open(ref)
		if err != nil {
			t.Fatal(name, err)
		}
		got, err := io.ReadAll(iotest.OneByteReader(io.LimitReader(r, 100)))
		if err != nil {
			t.Fatal(name, err)
		}
		rest, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatal(name, err)
		}
		if !bytes.Equal(append(got, rest...), content) {
			t.Errorf("%s: other bytes came back", name)
		}
		info, err := s.Stat(ref)
		if want := (blob.Info{Size: int64(len(content)), Put: clk.Now()}); err != nil || info != want {
			t.Errorf("%s: Stat = %v, %v; want %v", name, info, err, want)
		}
	}
}

func pieces(t *testing.T, s Store, _ *clock.Clock) {
	f, err := s.OpenSeek(put(t, s, []byte("0123456789")))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := f.Seek(0, io.SeekEnd); err != nil || n != 10 {
		t.Errorf("end at %d, %v", n, err)
	}
	got := make([]byte, 4)
	for at, want := range map[int64]string{3: "3456", 0: "0123", 6: "6789"} {
		if _, err := f.Seek(at, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(f, got); err != nil || string(got) != want {
			t.Errorf("at %d: %q, %v", at, got, err)
		}
	}
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(got); err != io.EOF {
		t.Errorf("behind the end: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func absent(t *testing.T, s Store, _ *clock.Clock) {
	ref := blob.Ref{1, 2, 3}
	if _, err := s.Open(ref); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open: %v", err)
	}
	if _, err := s.OpenSeek(ref); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("OpenSeek: %v", err)
	}
	if _, err := s.Stat(ref); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat: %v", err)
	}
	if removed, err := s.Delete(ref, 0); removed || err != nil {
		t.Errorf("Delete = %v, %v", removed, err)
	}
	if refs := list(t, s, 0); len(refs) != 0 {
		t.Errorf("an empty store lists %v", refs)
	}
}

func failedReader(t *testing.T, s Store, _ *clock.Clock) {
	broken := errors.New("line cut")
	_, err := s.Put(t.Context(), io.MultiReader(bytes.NewReader(make([]byte, 100_000)), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("Put: %v", err)
	}
	if refs := list(t, s, 0); len(refs) != 0 {
		t.Errorf("something stayed: %v", refs)
	}
}

func cancelled(t *testing.T, s Store, _ *clock.Clock) {
	ctx, cancel := context.WithCancel(t.Context())
	first := true
	r := readerFunc(func(p []byte) (int, error) { // endless, ends only by ctx
		if !first {
			cancel()
		}
		first = false
		return len(p), nil
	})
	if _, err := s.Put(ctx, r); !errors.Is(err, context.Canceled) {
		t.Errorf("Put: %v", err)
	}
	if refs := list(t, s, 0); len(refs) != 0 {
		t.Errorf("something stayed: %v", refs)
	}
	put(t, s, []byte("x"))
	if err := s.Walk(ctx, 0, func(blob.Ref, blob.Info) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Walk: %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func putTwice(t *testing.T, s Store, clk *clock.Clock) {
	a := put(t, s, []byte("x"))
	clk.Advance(time.Hour)
	if b := put(t, s, []byte("x")); a != b {
		t.Errorf("two refs for the same bytes: %v, %v", a, b)
	}
	if refs := list(t, s, 0); !slices.Equal(refs, []blob.Ref{a}) {
		t.Errorf("listed: %v", refs)
	}
	if info, err := s.Stat(a); err != nil || !info.Put.Equal(clk.Now()) {
		t.Errorf("the second Put does not count: %v, %v", info, err)
	}
}

func deletes(t *testing.T, s Store, clk *clock.Clock) {
	a, b := put(t, s, []byte("a")), put(t, s, []byte("b"))
	clk.Advance(time.Minute)
	if removed, err := s.Delete(a, time.Hour); removed || err != nil {
		t.Errorf("within the grace: %v, %v", removed, err)
	}
	clk.Advance(time.Hour)
	if removed, err := s.Delete(a, time.Hour); !removed || err != nil {
		t.Errorf("after the grace: %v, %v", removed, err)
	}
	if _, err := s.Open(a); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
	if refs := list(t, s, 0); !slices.Equal(refs, []blob.Ref{b}) {
		t.Errorf("listed: %v, want %v", refs, b)
	}
	fresh := put(t, s, []byte("a"))
	if removed, err := s.Delete(fresh, 0); !removed || err != nil {
		t.Errorf("without grace: %v, %v", removed, err)
	}
}

func walk(t *testing.T, s Store, clk *clock.Clock) {
	old := []blob.Ref{put(t, s, []byte("a")), put(t, s, []byte("b")), put(t, s, []byte("c"))}
	clk.Advance(2 * time.Hour)
	young := put(t, s, []byte("d"))
	order := func(a, b blob.Ref) int { return bytes.Compare(a[:], b[:]) }
	slices.SortFunc(old, order)
	got := list(t, s, time.Hour)
	slices.SortFunc(got, order)
	if !slices.Equal(got, old) {
		t.Errorf("older than the grace: %v, want %v", got, old)
	}
	if got := list(t, s, 0); len(got) != 4 || !slices.Contains(got, young) {
		t.Errorf("all: %v", got)
	}
	stop := errors.New("stop")
	calls := 0
	if err := s.Walk(t.Context(), 0, func(blob.Ref, blob.Info) error { calls++; return stop }); !errors.Is(err, stop) || calls != 1 {
		t.Errorf("an error of f: %v after %d calls", err, calls)
	}
	if err := s.Walk(t.Context(), time.Hour, func(r blob.Ref, _ blob.Info) error { _, err := s.Delete(r, time.Hour); return err }); err != nil {
		t.Fatal(err)
	}
	if got := list(t, s, 0); !slices.Equal(got, []blob.Ref{young}) {
		t.Errorf("after the sweep: %v, want %v", got, young)
	}
}

// The sweeper saw an orphan; before it deletes, the same bytes are put for a new row.
func sweepMeetsPut(t *testing.T, s Store, clk *clock.Clock) {
	ref := put(t, s, []byte("a"))
	clk.Advance(2 * time.Hour)
	err := s.Walk(t.Context(), time.Hour, func(r blob.Ref, _ blob.Info) error {
		put(t, s, []byte("a"))
		removed, err := s.Delete(r, time.Hour)
		if removed {
			t.Error("bytes of a new row were swept")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stat(ref); err != nil {
		t.Error(err)
	}
}

func concurrent(t *testing.T, s Store, _ *clock.Clock) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 8 {
				content := bytes.Repeat([]byte{byte(j)}, 10_000) // the same for all i
				ref, err := s.Put(context.Background(), bytes.NewReader(content))
				if err != nil {
					t.Error(i, err)
					return
				}
				r, err := s.Open(ref)
				if err != nil {
					t.Error(i, err)
					return
				}
				got, err := io.ReadAll(r)
				if err := errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, content) {
					t.Error(i, j, "other bytes", err)
				}
			}
		})
	}
	wg.Wait()
	if refs := list(t, s, 0); len(refs) != 8 {
		t.Errorf("%d blobs, want 8", len(refs))
	}
}
