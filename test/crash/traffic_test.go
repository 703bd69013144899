package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

const (
	// backlog stops senders while this many messages are on their way: what is
	// tested is loss, and a long queue only makes the end of a test slow.
	backlog = 1500
	// retryPause is between two attempts while a node is away.
	retryPause = 20 * time.Millisecond
	// settle is how long a test listens after the last receipt it waits for: a
	// receipt or a message too many would come now.
	settle = 2 * time.Second
	// shown is how many faults of one kind are printed.
	shown = 5
)

// door picks the instance for the next request.
type door func() *node

func one(n *node) door { return func() *node { return n } }

// sent is what the tests know of one message.
type sent struct {
	id, from, to string
	number       int // per (from, to), from 1
	dies         bool
	ack          string
	acceptedAt   time.Time
	delivered    int
	statuses     []int
}

// traffic is senders and receivers with the record of what was promised to them.
type traffic struct {
	t        testing.TB
	receive  context.Context // until the end
	finish   context.CancelFunc
	sending  context.Context // until stopSending
	stop     context.CancelFunc
	senders  sync.WaitGroup
	takers   sync.WaitGroup
	progress chan struct{} // a delivery or a receipt

	mu        sync.Mutex
	messages  map[string]*sent
	waiting   int               // messages not accepted yet
	numbers   map[[2]string]int // given per (from, to)
	last      map[[2]string]int // delivered last per (from, to)
	accepted  int
	delivered int
	receipts  int
	unknown   int // requests without an answer
	refused   int // answered by 5xx and repeated
	reread    int // seen again before they were committed
	faults    map[string][]string
}

func newTraffic(t testing.TB) *traffic {
	f := &traffic{
		t: t, progress: make(chan struct{}, 1),
		messages: map[string]*sent{}, numbers: map[[2]string]int{}, last: map[[2]string]int{}, faults: map[string][]string{},
	}
	f.receive, f.finish = context.WithCancel(context.Background())
	f.sending, f.stop = context.WithCancel(context.Background())
	t.Cleanup(func() {
		f.stop()
		f.finish()
		f.senders.Wait()
		f.takers.Wait()
	})
	return f
}

// Kinds of faults, as they stand in the summary.
const (
	lost       = "lost"
	regression = "sequence gaps or regressions"
	doubled    = "delivered twice under two numbers"
	again      = "re-delivered after an answered commit"
	unordered  = "out of order"
	stranger   = "never sent"
	noReceipt  = "without a receipt"
	receipts   = "with a wrong number of receipts"
	wrongCode  = "with a wrong receipt"
	badAnswer  = "requests refused for no reason"
	late       = "delivered though expired"
)

var kindsOfFault = []string{lost, regression, doubled, again, unordered, stranger, noReceipt, receipts, wrongCode, badAnswer, late}

// fault notes a broken promise; the lock is held.
func (f *traffic) fault(kind, format string, args ...any) {
	f.faults[kind] = append(f.faults[kind], fmt.Sprintf(format, args...))
}

func (f *traffic) counts() (accepted, delivered, unknown int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.accepted, f.delivered, f.unknown
}

// prepare numbers the next message from one client to another.
func (f *traffic) prepare(from, to, ack string) *sent {
	f.mu.Lock()
	defer f.mu.Unlock()
	pair := [2]string{from, to}
	f.numbers[pair]++
	m := &sent{id: newUUID(), from: from, to: to, number: f.numbers[pair], ack: ack}
	f.messages[m.id] = m
	f.waiting++
	return m
}

// hand sends one message and repeats it, as the specification says with the same
// messageId, until it is accepted. It gives up at the end of the test.
func (f *traffic) hand(d door, m *sent, timeout int) {
	body := message(m.id, m.from, m.to, fmt.Sprintf("%s > %s #%d", m.from, m.to, m.number), m.ack, timeout)
	for f.receive.Err() == nil {
		r := d().call("POST", "/messaging/send", body)
		f.mu.Lock()
		switch {
		case r.err != nil:
			f.unknown++
		case r.status == 200:
			m.acceptedAt = time.Now()
			f.accepted++
			f.waiting--
			f.mu.Unlock()
			return
		case r.status >= 500:
			f.refused++
		default:
			f.fault(badAnswer, "send: %v", r)
			f.mu.Unlock()
			return
		}
		f.mu.Unlock()
		time.Sleep(retryPause)
	}
}

// send keeps one client sending, to the others in turn of chance, with receipts.
func (f *traffic) send(d door, rng *rand.Rand, from string, to []string) {
	f.senders.Go(func() {
		for f.sending.Err() == nil {
			if a, delivered, _ := f.counts(); a-delivered > backlog {
				select {
				case <-f.sending.Done():
				case <-time.After(retryPause):
				}
				continue
			}
			f.hand(d, f.prepare(from, to[rng.IntN(len(to))], "ALL"), 3600)
		}
	})
}

// take keeps one client receiving and committing literally the sequenceIds it
// has seen: mostly all of a page, now and then a part or nothing.
func (f *traffic) take(d door, rng *rand.Rand, oid string) {
	f.takers.Go(func() {
		seen := map[int64]string{}
		var highest, floor int64
		for f.receive.Err() == nil {
			items, r, ok := d().receive(f.receive, oid, 1+rng.IntN(200), 5)
			if !ok {
				if r.err == nil && r.status < 500 {
					f.mu.Lock()
					f.fault(badAnswer, "receive: %v", r)
					f.mu.Unlock()
				}
				time.Sleep(retryPause)
				continue
			}
			if len(items) == 0 {
				continue
			}
			f.mu.Lock()
			before := int64(0)
			for _, m := range items {
				seq := m.SequenceID
				switch {
				case seq <= before:
					f.fault(regression, "%s: %d after %d in one answer", oid, seq, before)
				case seq <= floor:
					f.fault(again, "%s: %d is back, %d was committed", oid, seq, floor)
				case seq <= highest && seen[seq] == m.MessageID:
					f.reread++
				case seq <= highest:
					f.fault(regression, "%s: %d was message %q, is now %q", oid, seq, seen[seq], m.MessageID)
				case seq != highest+1:
					f.fault(regression, "%s: %d follows %d", oid, seq, highest)
				}
				before = seq
				if seq > highest {
					seen[seq], highest = m.MessageID, seq
					f.note(m)
				}
			}
			f.mu.Unlock()
			upTo := items[len(items)-1].SequenceID
			switch rng.IntN(10) {
			case 0:
				continue
			case 1:
				upTo = items[len(items)/2].SequenceID
			}
			switch r := d().commit(oid, upTo); {
			case r.err == nil && r.status == 204:
				for ; floor < upTo; floor++ {
					delete(seen, floor)
				}
			case r.err == nil && r.status < 500:
				f.mu.Lock()
				f.fault(badAnswer, "commit: %v", r)
				f.mu.Unlock()
			default:
				time.Sleep(retryPause)
			}
		}
	})
}

// note records what a client sees for the first time; the lock is held.
func (f *traffic) note(m item) {
	select {
	case f.progress <- struct{}{}:
	default:
	}
	if s, ok := m.receipt(); ok {
		of := f.messages[s.RefMessageID]
		if of == nil || of.from != m.Destination || of.to != s.Destination {
			f.fault(stranger, "receipt %+v for %s", s, m.Destination)
			return
		}
		f.receipts++
		of.statuses = append(of.statuses, s.StatusCode)
		return
	}
	of := f.messages[m.MessageID]
	if of == nil || of.from != m.Source || of.to != m.Destination {
		f.fault(stranger, "message %s from %s at %s", m.MessageID, m.Source, m.Destination)
		return
	}
	of.delivered++
	if of.dies {
		f.fault(late, "%s #%d", of.to, of.number)
		return
	}
	if of.delivered > 1 {
		f.fault(doubled, "%s > %s #%d as %d", of.from, of.to, of.number, m.SequenceID)
		return
	}
	f.delivered++
	pair := [2]string{of.from, of.to}
	if of.number <= f.last[pair] {
		f.fault(unordered, "%s > %s: #%d after #%d", of.from, of.to, of.number, f.last[pair])
	}
	f.last[pair] = max(f.last[pair], of.number)
}

// done tells whether everything accepted has arrived with its receipt.
func (f *traffic) done() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waiting > 0 {
		return false
	}
	for _, m := range f.messages {
		if !m.dies && m.delivered == 0 || m.ack == "ALL" && len(m.statuses) == 0 {
			return false
		}
	}
	return true
}

// drain stops the senders and waits until everything has arrived or nothing has
// happened for a while, then checks every promise and prints a table.
func (f *traffic) drain(idle time.Duration) {
	f.t.Helper()
	f.stop()
	for !f.done() {
		select {
		case <-f.progress:
			continue
		case <-time.After(idle):
		}
		break
	}
	time.Sleep(settle)
	f.finish()
	f.senders.Wait()
	f.takers.Wait()

	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		name := fmt.Sprintf("%s > %s #%d (%s, accepted %s)", m.from, m.to, m.number, m.id, m.acceptedAt.Format("15:04:05.000"))
		want := 200
		if m.dies {
			want = 504
		}
		switch {
		case m.acceptedAt.IsZero():
			f.fault(badAnswer, "%s was never accepted", name)
			continue
		case m.delivered == 0 && !m.dies:
			f.fault(lost, "%s, receipts %v", name, m.statuses)
		}
		switch {
		case m.ack != "ALL" && !m.dies:
		case len(m.statuses) == 0:
			f.fault(noReceipt, "%s", name)
		case len(m.statuses) > 1:
			f.fault(receipts, "%s: %v", name, m.statuses)
		case m.statuses[0] != want:
			f.fault(wrongCode, "%s: %d", name, m.statuses[0])
		}
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	row := func(name string, n int) { fmt.Fprintf(w, "  %s\t%d\n", name, n) }
	fmt.Fprintf(w, "%s\t\n", f.t.Name())
	row("accepted", f.accepted)
	row("delivered", f.delivered)
	row("receipts", f.receipts)
	row("requests without an answer", f.unknown)
	row("requests refused and repeated", f.refused)
	row("seen again before the commit", f.reread)
	for _, kind := range kindsOfFault {
		row(kind, len(f.faults[kind]))
	}
	w.Flush()
	for _, kind := range kindsOfFault {
		if all := f.faults[kind]; len(all) > 0 {
			slices.Sort(all)
			f.t.Errorf("%d %s, the first: %q", len(all), kind, all[:min(shown, len(all))])
		}
	}
}
