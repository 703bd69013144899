package crash

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"trojmezi/test/freeport"
)

// behaviour is what a link does with connections.
type behaviour int

const (
	passes  behaviour = iota
	refuses           // closes at once, as a router without a route
	silent            // takes every connection and every byte and never answers
)

// link is a TCP connection between two nodes that can be broken.
type link struct {
	addr   string
	target func() string // asked for each connection

	mu    sync.Mutex
	does  behaviour
	conns []net.Conn
}

// newLink forwards to what target names, until the end of the test.
func newLink(t testing.TB, target func() string) *link {
	t.Helper()
	k := &link{addr: fmt.Sprintf("127.0.0.1:%d", freeport.Port()), target: target}
	l, err := net.Listen("tcp", k.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		k.set(refuses)
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go k.serve(c)
		}
	}()
	return k
}

func (k *link) url() string { return "http://" + k.addr + "/ucrm/p2p/v0" }

// set changes the behaviour. Going silent leaves the open connections to
// themselves, as a cable that is pulled does; any other change closes them.
func (k *link) set(b behaviour) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.does = b
	if b != silent {
		for _, c := range k.conns {
			c.Close()
		}
		k.conns = nil
	}
}

func (k *link) state() behaviour {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.does
}

// keep remembers a connection, unless the link refuses it.
func (k *link) keep(c net.Conn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.does == refuses {
		c.Close()
		return false
	}
	k.conns = append(k.conns, c)
	return true
}

func (k *link) serve(c net.Conn) {
	if !k.keep(c) {
		return
	}
	if k.state() == silent {
		io.Copy(io.Discard, c)
		return
	}
	defer c.Close()
	far, err := net.Dial("tcp", k.target())
	if err != nil || !k.keep(far) {
		return
	}
	defer far.Close()
	var both sync.WaitGroup
	both.Go(func() { k.copy(far, c) })
	both.Go(func() { k.copy(c, far) })
	both.Wait()
}

// copy passes bytes on, and drops them while the link is silent.
func (k *link) copy(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && k.state() != silent {
			to.Write(buf[:n])
		}
		if err != nil {
			to.Close()
			return
		}
	}
}

// linked is two nodes whose connections, in both directions, can be broken.
func linked(t testing.TB, clients int) (a, b *node, set func(behaviour)) {
	t.Helper()
	portA, portB := freeport.Port(), freeport.Port()
	toA := newLink(t, func() string { return fmt.Sprintf("127.0.0.1:%d", portA) })
	toB := newLink(t, func() string { return fmt.Sprintf("127.0.0.1:%d", portB) })
	a = newNode(t, spec{oid: "1.2.4.203.0", clients: oids("1.2.4.203", clients), port: portA, peers: []peering{{"1.2.4.616.0", toB.url()}}})
	b = newNode(t, spec{oid: "1.2.4.616.0", clients: oids("1.2.4.616", clients), port: portB, peers: []peering{{"1.2.4.203.0", toA.url()}}})
	start(t, a, b)
	return a, b, func(s behaviour) { toA.set(s); toB.set(s) }
}

// TestLinkCut sends while the line between two nodes is down. What is still
// valid arrives in order soon after its return; what has expired is reported
// once and never delivered.
func TestLinkCut(t *testing.T) {
	const (
		shortest = 10 * time.Second // timeout of the messages that are to expire
		back     = 60 * time.Second // after its return everything is delivered
	)
	cases := []struct {
		name     string
		cut      behaviour
		messages int
		outage   time.Duration // at least
	}{
		{"refused", refuses, 500, 12 * time.Second},
	}
	if full {
		// Longer than the longest pause of a sender's retries.
		cases[0].messages, cases[0].outage = 10_000, 70*time.Second
		cases = append(cases, struct {
			name     string
			cut      behaviour
			messages int
			outage   time.Duration
		}{"silent", silent, 10_000, 70 * time.Second})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			rng := random(t)
			a, b, set := linked(t, 4)
			f := newTraffic(t)
			for _, n := range []*node{a, b} {
				for _, oid := range n.clients {
					f.take(one(n), branch(rng), oid)
				}
			}
			// A line that was in use when it broke.
			f.hand(one(a), f.prepare(a.clients[0], b.clients[0], "ALL"), 3600)
			eventually(t, 30*time.Second, "the first message is through", f.done)

			set(c.cut)
			begin := time.Now()
			var senders sync.WaitGroup
			for i, from := range a.clients {
				// Each sender with its own share, one in 50 with a short life.
				choose := branch(rng)
				senders.Go(func() {
					for k := range c.messages / len(a.clients) {
						m := f.prepare(from, b.clients[choose.IntN(len(b.clients))], "ALL")
						timeout := 3600
						if k%50 == i {
							f.mu.Lock()
							m.dies = true
							f.mu.Unlock()
							timeout = int(shortest / time.Second)
						}
						f.hand(one(a), m, timeout)
					}
				})
			}
			senders.Wait()
			sending := time.Since(begin)
			dead := func() (all []*sent) {
				f.mu.Lock()
				defer f.mu.Unlock()
				for _, m := range f.messages {
					if m.dies {
						all = append(all, m)
					}
				}
				return all
			}
			eventually(t, shortest+30*time.Second, "a receipt for each expired message", func() bool {
				return !slices.ContainsFunc(dead(), func(m *sent) bool {
					f.mu.Lock()
					defer f.mu.Unlock()
					return len(m.statuses) == 0
				})
			})
			time.Sleep(c.outage - time.Since(begin)) // an outage has no signal of its end
			outage := time.Since(begin)

			set(passes)
			restored := time.Now()
			select {
			case <-f.progress: // of before
			default:
			}
			<-f.progress
			found := time.Since(restored)
			for !f.done() && time.Since(restored) < 2*back {
				select {
				case <-f.progress:
				case <-time.After(time.Second):
				}
			}
			took := time.Since(restored)
			fmt.Printf("%s: %d messages accepted in %v, %d expired, line down %v, first delivery %v and all with receipts %v after its return\n",
				t.Name(), c.messages, sending.Round(time.Millisecond), len(dead()), outage.Round(time.Second), found.Round(time.Millisecond), took.Round(time.Millisecond))
			if took > back {
				t.Errorf("delivery took %v after the line came back, want at most %v", took, back)
			}
			f.drain(drainIdle)
		})
	}
}
