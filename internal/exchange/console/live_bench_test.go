package console

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
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

// processorTime is what the process has used so far.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
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
	own := sender.queue()[0].ID
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	n := 0
	before, start := processorTime(b), time.Now()
	for b.Loop() {
		<-tick.C
		n++
		if err := sender.Text(context.Background(), sender.who("jana"), own, []string{room2}, fmt.Sprintf("bench %d", n), ""); err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(start)
	b.ReportMetric(100*float64(processorTime(b)-before)/float64(took), "core-%")
	b.ReportMetric(float64(n)/took.Seconds(), "msg/s")
}

// BenchmarkUpdatesToScreen is how long one of 25 messages a second takes to the open
// console of the neighbour, about an incident that has 450 already: five times the
// Czech national mean, with as many items as an event has there. What is committed
// while another is being drawn is shown with the next drawing.
func BenchmarkUpdatesToScreen(b *testing.B) {
	const perSecond, already = 25, 450
	sender, receiver := live(b)
	id := sender.handOver(accident(room2))
	receiver.state(id, Ringing)
	own := sender.queue()[0].ID
	say := func(text string) {
		if err := sender.Text(context.Background(), sender.who("jana"), own, []string{room2}, text, ""); err != nil {
			b.Fatal(err)
		}
	}
	for n := range already {
		say(fmt.Sprintf("before %d", n))
	}
	receiver.until("they are there", func() bool { return len(receiver.incident(id).Thread) > already })
	max := receiver.screens().as("max")
	events := max.stream(streamOf(b, max.page("/console/incidents/"+id)))
	var mu sync.Mutex
	sent, took := map[int]time.Time{}, []time.Duration(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e := range events {
			now := time.Now()
			mu.Lock()
			for n, at := range sent {
				if e.event == "region" && strings.Contains(e.data, fmt.Sprintf("update %d.", n)) {
					took = append(took, now.Sub(at))
					delete(sent, n)
				}
			}
			last := sent[-1] != (time.Time{}) && len(sent) == 1
			mu.Unlock()
			if last {
				return
			}
		}
	}()
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	n := 0
	for b.Loop() {
		<-tick.C
		say(fmt.Sprintf("update %d.", n))
		mu.Lock()
		sent[n] = time.Now()
		mu.Unlock()
		n++
	}
	mu.Lock()
	sent[-1] = time.Now() // the end
	mu.Unlock()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		b.Fatalf("%d updates never reached the screen", len(sent)-1)
	}
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[int(float64(len(took)-1)*share)].Microseconds()) / 1000
	}
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
	b.ReportMetric(at(0.999), "p99.9-ms")
}

// BenchmarkLongIncident is one drawing of the page of an incident with 450 messages,
// a third of them our own, and how much processor time it takes: that hardly depends
// on what else the machine does.
func BenchmarkLongIncident(b *testing.B) {
	const messages = 450
	sender, receiver := newRooms(b)
	id := sender.handOver(accident(room2))
	receiver.state(id, Ringing)
	for n := range messages {
		from, to := sender, room2
		if n%3 == 0 {
			from, to = receiver, room1
		}
		from.ok(from.Text(b.Context(), from.who("jana"), id, []string{to}, fmt.Sprintf("message %d", n), ""))
	}
	receiver.until("they are there", func() bool { receiver.sync(); return len(receiver.incident(id).Thread) > messages })
	max := receiver.screens().as("max")
	before, n := processorTime(b), 0
	for b.Loop() {
		max.page("/console/incidents/" + id)
		n++
	}
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/1000/float64(n), "cpu-ms")
}
