package gateway

import (
	"fmt"
	"testing"

	"trojmezi/internal/exchange/adapter/transport"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/store"
)

func benchID(n int) string { return fmt.Sprintf("0f3b2c1e-7a55-4f0e-9d0b-%012x", n) }

// BenchmarkIn is one message after the other from a transport to a desk's queue: stored,
// acknowledged, read, posted, and its receipt written. The target of the bridges' issue is
// 25 messages a second.
func BenchmarkIn(b *testing.B) {
	r := newRig(b, clock.System())
	r.ok(r.db.Write(b.Context(), func(tx *store.Tx) error { return ensureLine(tx, "hzs") }))
	g := r.gates[0]
	n := 0
	for b.Loop() {
		n++
		message := r.say(sentence{id: benchID(n), event: benchID(n)})
		r.ok((&inbox{g}).Take(b.Context(), transport.Delivery{ID: benchID(n), Body: []byte(message)}))
		if _, err := g.judgeNew(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if got := len(r.tray()); got > 0 {
		b.Fatalf("%d in the tray", got)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "msg/s")
}

// BenchmarkOut is one message after the other from the log to the foreign system's folder,
// each file and commit on disk.
func BenchmarkOut(b *testing.B) {
	c := folder("hzs", czech)
	no := false
	c.Receipts = &no
	r := newRig(b, clock.System(), c)
	r.ok(r.db.Write(b.Context(), func(tx *store.Tx) error { return ensureLine(tx, "hzs") }))
	g := r.gates[0]
	n := 0
	for b.Loop() {
		n++
		r.post(desk, czech, benchID(n), "Brand", 600)
		for _, step := range []func() (bool, error){func() (bool, error) { return g.writeOut(b.Context()) }, func() (bool, error) { return g.sendDue(b.Context()) }} {
			if _, err := step(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "msg/s")
	if got := len(r.outbox("hzs")); got != n {
		b.Fatalf("%d of %d files", got, n)
	}
}
