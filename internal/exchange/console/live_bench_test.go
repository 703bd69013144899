package console

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// live runs the services of both rooms, as a node does.
func live(b *testing.B) (sender, receiver *room) {
	sender, receiver = newRooms(b)
	for _, r := range []*room{sender, receiver} {
		r.run(r.Service.Run)
	}
	return sender, receiver
}

// BenchmarkStoredToScreen is how long a hand-over takes from its commit on one
// node to the event that draws it on a console of the other.
func BenchmarkStoredToScreen(b *testing.B) {
	sender, receiver := live(b)
	max := receiver.screens().as("max")
	events := max.stream(streamOf(b, max.page("/console")))
	var took []time.Duration
	for b.Loop() {
		d := accident(room2)
		d.Issue = fmt.Sprintf("bench-%d-", len(took))
		sender.handOver(d)
		stored := time.Now()
		for e := range events {
			if e.event == "region" && strings.Contains(e.data, d.Issue) {
				break
			}
		}
		took = append(took, time.Since(stored))
	}
	slices.Sort(took)
	at := func(p int) float64 { return float64(took[(len(took)-1)*p/100].Microseconds()) / 1000 }
	b.ReportMetric(at(50), "p50-ms")
	b.ReportMetric(at(95), "p95-ms")
}

// BenchmarkFiftyConsoles reports how much of a core 50 open consoles cost at 25
// messages a second: of the whole process, which holds both nodes and all readers.
func BenchmarkFiftyConsoles(b *testing.B) {
	const consoles, perSecond = 50, 25
	sender, receiver := live(b)
	s := receiver.screens()
	id := sender.handOver(accident(room2))
	receiver.state(id, Ringing)
	for range consoles {
		v := s.as("max")
		events := v.stream(streamOf(b, v.page("/console")))
		go func() {
			for range events { // read until the end of the benchmark
			}
		}()
	}
	cpu := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	own := sender.queue()[0].ID
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	n := 0
	before, start := cpu(), time.Now()
	for b.Loop() {
		<-tick.C
		n++
		if err := sender.Text(context.Background(), sender.who("jana"), own, []string{room2}, fmt.Sprintf("bench %d", n), ""); err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(start)
	b.ReportMetric(100*float64(cpu()-before)/float64(took), "core-%")
	b.ReportMetric(float64(n)/took.Seconds(), "msg/s")
}
