package identity

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	w := begin(t)
	w.hire("anna", "dispatcher")
	in := w.enter("anna")
	w.clock.Advance(absoluteTime)
	watch := w.db.Watch(TopicPeople)
	defer watch.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	for w.leaves("identity.session.expire") == 0 { // a watch may tell of what was before it too
		select {
		case <-watch.C():
		case <-time.After(20 * time.Second):
			t.Fatal("the session was not ended")
		}
	}
	if open, err := w.Sessions(t.Context(), in.Person, ""); err != nil || len(open) != 0 || w.leaves("identity.session.expire") != 1 {
		t.Errorf("open %+v, %v, %d leaves", open, err, w.leaves("identity.session.expire"))
	}
	cancel()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}
