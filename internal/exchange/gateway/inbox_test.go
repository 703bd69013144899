package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/exchange/adapter/transport"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/store"
)

// What is stored together with a write that fails is stored all the same: the store
// tries each alone then.
func TestStoredBesideAFault(t *testing.T) {
	r := newRig(t, clock.System())
	box := &inbox{r.gates[0]}
	no := errors.New("no")
	met, stored := 0, 0
	for n := 0; n < 50 && met < 3; n++ {
		hangs, goOn := make(chan struct{}), make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			r.ok(r.db.Write(context.Background(), func(*store.Tx) error { close(hangs); <-goOn; return nil }))
		})
		<-hangs
		all.Go(func() {
			if err := box.Take(context.Background(), transport.Delivery{ID: fmt.Sprint("id-", n), Body: []byte(fmt.Sprint("<a", n, "/>")), Fault: "transport.fault.large"}); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(10 * time.Millisecond) // it is in the queue now
		runs := 0
		all.Go(func() {
			if err := r.db.Write(context.Background(), func(*store.Tx) error { runs++; return no }); !errors.Is(err, no) {
				t.Error(err)
			}
		})
		time.Sleep(10 * time.Millisecond)
		close(goOn)
		all.Wait()
		if stored++; runs == 2 {
			met++
		}
	}
	if met == 0 {
		t.Skip("no two writes met in one transaction")
	}
	if got := len(r.tray()); got != stored {
		t.Errorf("%d messages in the tray, %d were acknowledged", got, stored)
	}
}
