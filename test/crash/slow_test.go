package crash

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"trojmezi/test/freeport"
)

// TestSlowPeer lets one of two peers take connections without ever answering.
// The other's messages are as quick as before.
func TestSlowPeer(t *testing.T) {
	const (
		samples = 200
		stuck   = 400                    // messages that wait for the silent peer
		spacing = 5 * time.Millisecond   // between two samples: below any limit
		leeway  = 500 * time.Millisecond // what a machine adds that grew busy meanwhile; a blocked sender waits for seconds
		ratio   = 3
	)
	rng := random(t)
	ports := []int{freeport.Port(), freeport.Port(), freeport.Port()}
	addr := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", ports[i]) }
	url := func(i int) string { return "http://" + addr(i) + "/ucrm/p2p/v0" }
	toC := newLink(t, func() string { return addr(2) })
	a := newNode(t, spec{oid: "1.2.5.1.0", clients: oids("1.2.5.1", 2), port: ports[0], peers: []peering{{"1.2.5.2.0", url(1)}, {"1.2.5.3.0", toC.url()}}})
	b := newNode(t, spec{oid: "1.2.5.2.0", clients: oids("1.2.5.2", 1), port: ports[1], peers: []peering{{"1.2.5.1.0", url(0)}}})
	c := newNode(t, spec{oid: "1.2.5.3.0", clients: oids("1.2.5.3", 40), port: ports[2], peers: []peering{{"1.2.5.1.0", url(0)}}})
	start(t, a, b, c)

	measure := func() (p50, p95 time.Duration) {
		var all []time.Duration
		for range samples {
			time.Sleep(spacing)
			body := message(newUUID(), a.clients[0], b.clients[0], "sample", "NONE", 3600)
			begin := time.Now()
			if r := a.call("POST", "/messaging/send", body); r.status != 200 {
				t.Fatalf("send: %v", r)
			}
			items, r, _ := b.receive(context.Background(), b.clients[0], 0, 30)
			if len(items) != 1 {
				t.Fatalf("receive: %d messages, %v", len(items), r)
			}
			all = append(all, time.Since(begin))
			if r := b.commit(b.clients[0], items[0].SequenceID); r.status != 204 {
				t.Fatalf("commit: %v", r)
			}
		}
		slices.Sort(all)
		return all[samples/2], all[samples*95/100]
	}
	measure() // connections, tokens, caches
	before50, before95 := measure()

	toC.set(silent)
	f := newTraffic(t)
	for i := range stuck {
		f.hand(one(a), f.prepare(a.clients[1], c.clients[i%len(c.clients)], "ALL"), 3600)
	}
	during50, during95 := measure()
	fmt.Printf("%s: p50 %v and p95 %v, beside a silent peer with %d messages for %d destinations %v and %v\n",
		t.Name(), before50, before95, stuck, len(c.clients), during50, during95)
	if during50 > ratio*before50+leeway/5 {
		t.Errorf("the median rose from %v to %v", before50, during50)
	}
	if during95 > ratio*before95+leeway {
		t.Errorf("the 95th percentile rose from %v to %v", before95, during95)
	}

	// Once it answers again nothing is missing.
	for _, oid := range c.clients {
		f.take(one(c), branch(rng), oid)
	}
	f.take(one(a), branch(rng), a.clients[1])
	toC.set(passes)
	f.drain(drainIdle)
}
