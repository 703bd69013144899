package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/kernel/store"
)

// Readers that hold every connection and ask something new must not wait for
// one another: preparing a statement may not need a connection of its own.
func TestReadersPrepareOnTheirOwnConnection(t *testing.T) {
	db := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const readers = 24 // more than either engine's pool
	start := make(chan struct{})
	var wg sync.WaitGroup
	errs := make(chan error, readers)
	for i := range readers {
		wg.Go(func() {
			<-start
			errs <- db.Read(ctx, func(tx *store.Tx) error {
				for k := range 20 {
					var n int
					if err := tx.Row(fmt.Sprintf(`SELECT COUNT(*) + %d FROM t`, i*100+k)).Scan(&n); err != nil {
						return err
					}
					if n != i*100+k {
						return fmt.Errorf("got %d, want %d", n, i*100+k)
					}
				}
				return nil
			})
		})
	}
	close(start)
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A watch of several topics is woken by each of them.
func TestWatchSeveralTopics(t *testing.T) {
	db := open(t)
	w := db.Watch("a", "b")
	defer w.Close()
	for _, topic := range []string{"a", "b"} {
		if err := db.Write(t.Context(), func(tx *store.Tx) error { tx.Notify(topic); return nil }); err != nil {
			t.Fatal(err)
		}
		select {
		case <-w.C():
		case <-time.After(20 * time.Second):
			t.Fatalf("topic %s did not wake the watch", topic)
		}
	}
	w.Close()
	w.Close() // twice is allowed
	if err := db.Write(t.Context(), func(tx *store.Tx) error { tx.Notify("a"); return nil }); err != nil {
		t.Fatal(err)
	}
	select {
	case <-w.C():
		t.Fatal("woken after Close")
	case <-time.After(50 * time.Millisecond):
	}
}
