package crash

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkQueued measures what a long queue costs: the node's resident memory
// with that many messages waiting, and the time from its start until it answers
// on that queue. TROJMEZI_QUEUED is their number (reduced: 5,000; the goal is
// stated for 1,000,000, which takes some minutes to send).
func BenchmarkQueued(b *testing.B) {
	const senders = 16
	count := 5_000
	if text := os.Getenv("TROJMEZI_QUEUED"); text != "" {
		var err error
		if count, err = strconv.Atoi(text); err != nil || count < 1 {
			b.Fatalf("TROJMEZI_QUEUED=%q is no count", text)
		}
	}
	n := newNode(b, spec{oid: "1.2.11.0", clients: oids("1.2.11", 2)})
	start(b, n)
	var next atomic.Int64
	var all sync.WaitGroup
	for range senders {
		all.Go(func() {
			for next.Add(1) <= int64(count) {
				if r := n.call("POST", "/messaging/send", message(newUUID(), n.clients[0], n.clients[1], "waits", "NONE", 86400)); r.status != 200 {
					b.Errorf("send: %v", r)
					return
				}
			}
		})
	}
	all.Wait()
	rss := func() float64 {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
		if err != nil {
			b.Fatal(err)
		}
		_, line, _ := bytes.Cut(text, []byte("VmRSS:"))
		kb, err := strconv.ParseFloat(string(bytes.Fields(line)[0]), 64)
		if err != nil {
			b.Fatal(err)
		}
		return kb / 1024
	}
	loaded := rss()
	var ready time.Duration
	for b.Loop() {
		n.kill()
		at := time.Now()
		if err := n.run(); err != nil {
			b.Fatal(err)
		}
		items, r, _ := n.receive(context.Background(), n.clients[1], 1, 0)
		if len(items) != 1 || items[0].SequenceID != 1 {
			b.Fatalf("the oldest message is not there: %v", r)
		}
		ready += time.Since(at)
	}
	b.ReportMetric(float64(count), "queued")
	b.ReportMetric(loaded, "MB-loaded")
	b.ReportMetric(rss(), "MB-restarted")
	b.ReportMetric(ready.Seconds()/float64(b.N), "s-to-answer")
}
