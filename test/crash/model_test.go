package crash

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const (
	// shortLife is the specification's shortest timeout, in seconds.
	shortLife, longLife = 10, 3600
	// reportWithin is how long after the expiry the 504 may take on a busy machine.
	reportWithin = 20 * time.Second
)

// entry is one message in the model of a queue.
type entry struct {
	id, from string
	ack      string
	body     record
	life     time.Duration
	// It expires between these two: only the node knows when, between request and
	// answer, it accepted the message.
	soonest, latest time.Time
	committed       certainty // while it was alive
}

type certainty int

const (
	no certainty = iota
	yes
	perhaps
)

// alive during the whole of a request, or a part of it, or at no time.
func (e *entry) alive(begin, end time.Time) certainty {
	switch {
	case end.Before(e.soonest):
		return yes
	case begin.Before(e.latest):
		return perhaps
	}
	return no
}

// receipts are the sets of receipts a message may end with: at most one.
func (e *entry) receipts() [][]int {
	delivered, expired := []int(nil), []int{504}
	if e.ack == "ALL" {
		delivered = []int{200}
	}
	if e.ack == "NONE" {
		expired = nil
	}
	switch e.committed {
	case yes:
		return [][]int{delivered}
	case no:
		return [][]int{expired}
	}
	return [][]int{delivered, expired}
}

// queue is what a destination's queue must look like: every accepted message has
// the number of its acceptance, and goes by commit or by expiry.
type queue struct {
	entries   []*entry // number i+1 at index i
	committed int      // the highest number committed
}

// commit takes everything up to a number.
func (q *queue) commit(upTo int, begin, end time.Time) {
	for ; q.committed < upTo; q.committed++ {
		e := q.entries[q.committed]
		e.committed = e.alive(begin, end)
	}
}

// compare checks an answer to a receive: the oldest messages that are neither
// committed nor expired, in order, under their numbers.
func (q *queue) compare(limit int, items []item, begin, end time.Time) string {
	type row struct {
		Sequence int64
		ID, From string
	}
	var got, want []row
	for _, i := range items {
		got = append(got, row{i.SequenceID, i.MessageID, i.Source})
	}
	for i := q.committed; i < len(q.entries) && len(want) < limit; i++ {
		e := q.entries[i]
		r := row{int64(i + 1), e.id, e.from}
		switch e.alive(begin, end) {
		case yes:
			want = append(want, r)
		case perhaps:
			if slices.Contains(got, r) {
				want = append(want, r)
			}
		}
	}
	return cmp.Diff(want, got)
}

// TestModel runs random sequences of what clients and chance do to one node, and
// compares each answer with a model of the queue.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := newNode(t, spec{oid: "1.2.8.0", clients: oids("1.2.8", 5)})
		if err := n.run(); err != nil {
			rt.Fatal(err)
		}
		defer n.kill()
		senders, receivers := n.clients[:2], n.clients[2:]
		// Senders and receivers are different clients: what a receiver gets is known
		// exactly, the order of a sender's receipts among themselves is free.
		queues := map[string]*queue{}
		for _, r := range receivers {
			queues[r] = &queue{}
		}
		var all []*entry
		// Waiting for an expiry takes as long as a hundred other steps.
		patient := rapid.IntRange(0, 9).Draw(rt, "patience") == 9

		restart := func(rt *rapid.T) {
			n.kill()
			if err := n.run(); err != nil {
				rt.Fatal(err)
			}
		}
		draw := func(rt *rapid.T) (*entry, string) {
			e := &entry{
				id: newUUID(), from: rapid.SampledFrom(senders).Draw(rt, "from"),
				ack: rapid.SampledFrom([]string{"ALL", "NONE", "NACK"}).Draw(rt, "ack"),
			}
			timeout := rapid.SampledFrom([]int{shortLife, longLife, longLife}).Draw(rt, "timeout")
			to := rapid.SampledFrom(receivers).Draw(rt, "to")
			e.body = message(e.id, e.from, to, fmt.Sprint("number ", len(all)), e.ack, timeout)
			e.life = time.Duration(timeout) * time.Second
			e.soonest = time.Now().Add(e.life - time.Millisecond) // the node counts whole milliseconds
			return e, to
		}
		accepted := func(e *entry, to string) {
			e.latest = time.Now().Add(e.life + time.Millisecond)
			queues[to].entries = append(queues[to].entries, e)
			all = append(all, e)
		}
		send := func(rt *rapid.T, e *entry) {
			if r := n.call("POST", "/messaging/send", e.body); r.status != 200 {
				rt.Fatalf("send: %v", r)
			}
		}
		read := func(rt *rapid.T, to string, limit int) []item {
			begin := time.Now()
			items, r, ok := n.receive(context.Background(), to, limit, 0)
			if !ok {
				rt.Fatalf("receive: %v", r)
			}
			if diff := queues[to].compare(limit, items, begin, time.Now()); diff != "" {
				rt.Fatalf("queue of %s, limit %d (-want +got):\n%s", to, limit, diff)
			}
			return items
		}
		commit := func(rt *rapid.T, to string, seq int64) {
			begin := time.Now()
			if r := n.commit(to, seq); r.status != 204 {
				rt.Fatalf("commit: %v", r)
			}
			queues[to].commit(int(seq), begin, time.Now())
		}

		rt.Repeat(map[string]func(*rapid.T){
			"send": func(rt *rapid.T) {
				e, to := draw(rt)
				send(rt, e)
				accepted(e, to)
			},
			"send again": func(rt *rapid.T) {
				if len(all) == 0 {
					rt.Skip("nothing sent yet")
				}
				send(rt, rapid.SampledFrom(all).Draw(rt, "message"))
			},
			"send other content": func(rt *rapid.T) {
				if len(all) == 0 {
					rt.Skip("nothing sent yet")
				}
				e := rapid.SampledFrom(all).Draw(rt, "message")
				other := maps.Clone(e.body)
				other["payload"] = message(e.id, "", "", "something else", "", 0)["payload"]
				if r := n.call("POST", "/messaging/send", other); r.status != 400 {
					rt.Fatalf("other content under a known messageId: %v", r)
				}
			},
			"read": func(rt *rapid.T) {
				read(rt, rapid.SampledFrom(receivers).Draw(rt, "of"), rapid.IntRange(1, 8).Draw(rt, "limit"))
			},
			"commit": func(rt *rapid.T) {
				to := rapid.SampledFrom(receivers).Draw(rt, "of")
				items := read(rt, to, rapid.IntRange(1, 8).Draw(rt, "limit"))
				if len(items) == 0 {
					rt.Skip("nothing to commit")
				}
				commit(rt, to, items[rapid.IntRange(0, len(items)-1).Draw(rt, "up to")].SequenceID)
			},
			"commit again": func(rt *rapid.T) {
				to := rapid.SampledFrom(receivers).Draw(rt, "of")
				if queues[to].committed == 0 {
					rt.Skip("nothing committed yet")
				}
				commit(rt, to, int64(rapid.IntRange(1, queues[to].committed).Draw(rt, "up to")))
			},
			"kill": restart,
			"kill while sending": func(rt *rapid.T) {
				e, to := draw(rt)
				moment := time.Duration(rapid.IntRange(0, 6000).Draw(rt, "µs")) * time.Microsecond
				answered := make(chan reply)
				go func() { answered <- n.call("POST", "/messaging/send", e.body) }()
				time.Sleep(moment)
				restart(rt)
				if r := <-answered; r.err == nil && r.status != 200 {
					rt.Fatalf("send: %v", r)
				}
				send(rt, e) // answered or not: the second time changes nothing
				accepted(e, to)
			},
			"kill while committing": func(rt *rapid.T) {
				to := rapid.SampledFrom(receivers).Draw(rt, "of")
				items := read(rt, to, 8)
				if len(items) == 0 {
					rt.Skip("nothing to commit")
				}
				seq := items[len(items)-1].SequenceID
				moment := time.Duration(rapid.IntRange(0, 4000).Draw(rt, "µs")) * time.Microsecond
				answered := make(chan reply)
				begin := time.Now()
				go func() { answered <- n.commit(to, seq) }()
				time.Sleep(moment)
				restart(rt)
				r := <-answered
				if r.err == nil && r.status != 204 {
					rt.Fatalf("commit: %v", r)
				}
				if r.err == nil {
					if again, r, _ := n.receive(context.Background(), to, 0, 0); len(again) > 0 && again[0].SequenceID <= seq {
						rt.Fatalf("%d was committed and is back: %v", again[0].SequenceID, r)
					}
				}
				if r := n.commit(to, seq); r.status != 204 {
					rt.Fatalf("commit after the restart: %v", r)
				}
				queues[to].commit(int(seq), begin, time.Now())
			},
			"expire": func(rt *rapid.T) {
				var last time.Time
				for _, e := range all {
					if e.life == shortLife*time.Second && e.latest.After(last) {
						last = e.latest
					}
				}
				if !patient || !last.After(time.Now()) {
					rt.Skip("nothing to wait for")
				}
				patient = false
				if rapid.Bool().Draw(rt, "down") {
					n.kill() // it expires while nobody is there to see it
					time.Sleep(time.Until(last))
					restart(rt)
					return
				}
				time.Sleep(time.Until(last))
			},
		})

		// What is left is read to the end, then the senders' receipts are counted.
		for _, to := range receivers {
			for {
				items := read(rt, to, 100)
				if len(items) == 0 {
					break
				}
				commit(rt, to, items[len(items)-1].SequenceID)
			}
		}
		told := map[string][]int{}
		last := map[string]int64{}
		tell := func() {
			for _, s := range senders {
				items, r, ok := n.receive(context.Background(), s, 1000, 0)
				if !ok {
					rt.Fatalf("receive: %v", r)
				}
				for _, i := range items {
					if i.SequenceID != last[s]+1 {
						rt.Fatalf("receipts of %s: %d after %d", s, i.SequenceID, last[s])
					}
					last[s] = i.SequenceID
					status, is := i.receipt()
					if !is {
						rt.Fatalf("%s got %+v, no receipt", s, i)
					}
					told[status.RefMessageID] = append(told[status.RefMessageID], status.StatusCode)
				}
				if len(items) > 0 {
					if r := n.commit(s, last[s]); r.status != 204 {
						rt.Fatalf("commit: %v", r)
					}
				}
			}
		}
		wrong := func() (list []string) {
			for i, e := range all {
				fits := func(set []int) bool { return slices.Equal(set, told[e.id]) }
				if !slices.ContainsFunc(e.receipts(), fits) {
					list = append(list, fmt.Sprintf("message %d, ack %s, life %v: receipts %v, want one of %v", i, e.ack, e.life, told[e.id], e.receipts()))
				}
			}
			return list
		}
		patience := time.Now().Add(reportWithin)
		for tell(); len(wrong()) > 0 && time.Now().Before(patience); tell() {
			time.Sleep(20 * time.Millisecond)
		}
		if list := wrong(); len(list) > 0 {
			rt.Fatalf("%q", list)
		}
	})
}
