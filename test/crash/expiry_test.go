package crash

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// TestExpiryWhileDown lets messages expire while their node is dead. The first
// commit after the restart is of a message behind them: that must not count the
// dead ones, which nobody has seen, as delivered.
func TestExpiryWhileDown(t *testing.T) {
	t.Parallel()
	const (
		dead     = 2000 // more than a node ends in one go
		timeout  = 10 * time.Second
		handlers = 8
	)
	n := newNode(t, spec{oid: "1.2.9.0", clients: oids("1.2.9", 2)})
	start(t, n)
	from, to := n.clients[0], n.clients[1]
	sent := map[string]bool{}
	var mu sync.Mutex
	send := func(seconds int) string {
		id := newUUID()
		r := n.call("POST", "/messaging/send", message(id, from, to, "expires", "ALL", seconds))
		if r.status != 200 {
			t.Errorf("send: %v", r)
		}
		return id
	}
	var all sync.WaitGroup
	for range handlers {
		all.Go(func() {
			for range dead / handlers {
				id := send(int(timeout / time.Second))
				mu.Lock()
				sent[id] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	survivor := send(3600)
	n.kill()
	time.Sleep(timeout + time.Second)
	if err := n.run(); err != nil {
		t.Fatal(err)
	}
	restarted := time.Now()
	items, r, _ := n.receive(context.Background(), to, 100, 0)
	if len(items) != 1 || items[0].MessageID != survivor || items[0].SequenceID != dead+1 {
		t.Fatalf("received %d messages, want the one that is left under number %d: %v", len(items), dead+1, r)
	}
	if r := n.commit(to, items[0].SequenceID); r.status != 204 {
		t.Fatalf("commit: %v", r)
	}
	receipts := map[string][]int{}
	count := 0
	for late := time.After(30 * time.Second); count < dead+1; {
		select {
		case <-late:
			t.Fatalf("%d receipts, want %d", count, dead+1)
		default:
		}
		items, r, ok := n.receive(context.Background(), from, 1000, 1)
		if !ok {
			t.Fatalf("receive: %v", r)
		}
		for _, m := range items {
			if s, is := m.receipt(); is {
				receipts[s.RefMessageID] = append(receipts[s.RefMessageID], s.StatusCode)
				count++
			}
		}
		if len(items) > 0 {
			n.commit(from, items[len(items)-1].SequenceID)
		}
	}
	fmt.Printf("%s: %d receipts within %v of the restart\n", t.Name(), count, time.Since(restarted).Round(time.Millisecond))
	false200, wrong := 0, 0
	for id, codes := range receipts {
		switch {
		case len(codes) == 1 && codes[0] == 504 && sent[id], len(codes) == 1 && codes[0] == 200 && id == survivor:
		case len(codes) == 1 && codes[0] == 200:
			false200++
		default:
			wrong++
		}
	}
	if false200+wrong > 0 {
		t.Errorf("of %d messages that expired unseen %d were reported as delivered, %d otherwise wrongly", dead, false200, wrong)
	}
}
