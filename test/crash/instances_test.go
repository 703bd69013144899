package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/test/freeport"
)

// database makes an empty database on the server of the environment and drops
// it at the end.
func database(t testing.TB) string {
	t.Helper()
	address, drop, err := storetest.Create()
	if err != nil {
		t.Fatal(err)
	}
	if address == "" {
		t.Skip(storetest.PostgresEnv + " names no PostgreSQL server")
	}
	t.Cleanup(func() {
		if err := drop(); err != nil {
			t.Error(err)
		}
	})
	return address
}

// balancer hands each connection to the next instance that takes it.
func balancer(instances []*node) func() string {
	var next atomic.Int64
	return func() string {
		for range instances {
			n := instances[int(next.Add(1))%len(instances)]
			addr := strings.TrimPrefix(n.base, "http://")
			if r := request(context.Background(), "GET", n.base+"/", "", nil); r.err == nil {
				return addr
			}
		}
		return "127.0.0.1:1" // nobody is there
	}
}

// sightings counts how often each message is handed to a peer.
type sightings struct {
	mu    sync.Mutex
	count map[string]int
}

// counter stands in front of a peer's P2P API and counts.
func counter(t testing.TB, target string) (*sightings, string) {
	t.Helper()
	s := &sightings{count: map[string]int{}}
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: to.Scheme, Host: to.Host})
	}, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { panic(http.ErrAbortHandler) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/messaging/send") {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			var m item
			if json.Unmarshal(body, &m) == nil {
				s.mu.Lock()
				s.count[m.MessageID]++
				s.mu.Unlock()
			}
			r.Body = io.NopCloser(strings.NewReader(string(body)))
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return s, server.URL + to.Path
}

func (s *sightings) repeated() (messages, repeats int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.count {
		repeats += n - 1
	}
	return len(s.count), repeats
}

// TestTwoInstances runs one node as two processes on one PostgreSQL database.
func TestTwoInstances(t *testing.T) {
	const (
		wakeUp  = 500 * time.Millisecond // of a long poll at the other instance
		wakeUps = 10
		// inFlight bounds what a killed instance had handed over and not yet noted:
		// each of the few destinations is served one message at a time, and the
		// notes are written in groups.
		inFlight = 200
		// lease is how long a destination may stay with a dead instance; the senders
		// stop at their backlog when it has all of them.
		lease = 10 * time.Second
	)
	address := database(t)
	rng := random(t)
	farPort := freeport.Port()
	seen, farURL := counter(t, fmt.Sprintf("http://localhost:%d/ucrm/p2p/v0", farPort))
	shared := spec{oid: "1.2.6.203.0", clients: oids("1.2.6.203", 4), peers: []peering{{"1.2.6.276.0", farURL}}, database: address}
	first := newNode(t, shared)
	shared.data = first.data
	second := newNode(t, shared)
	both := []*node{first, second}
	spread := newLink(t, balancer(both))
	far := newNode(t, spec{oid: "1.2.6.276.0", clients: oids("1.2.6.276", 3), port: farPort, peers: []peering{{first.oid, spread.url()}}})
	start(t, first, second, far)

	t.Run("wake-up", func(t *testing.T) {
		quiet := first.clients[3] // nobody else sends to it or polls it yet
		var took []time.Duration
		for i := range wakeUps {
			sender, waiter := both[i%2], both[(i+1)%2]
			type arrival struct {
				items []item
				at    time.Time
				reply reply
			}
			arrived := make(chan arrival)
			go func() {
				items, r, _ := waiter.receive(context.Background(), quiet, 0, 30)
				arrived <- arrival{items, time.Now(), r}
			}()
			// That a poll has begun to wait is not to be seen from outside.
			time.Sleep(300*time.Millisecond + time.Duration(rng.IntN(1000))*time.Millisecond)
			if r := sender.call("POST", "/messaging/send", message(newUUID(), first.clients[0], quiet, "wake up", "NONE", 3600)); r.status != 200 {
				t.Fatalf("send: %v", r)
			}
			begin := time.Now()
			a := <-arrived
			if len(a.items) != 1 {
				t.Fatalf("long poll got %d messages: %v", len(a.items), a.reply)
			}
			took = append(took, a.at.Sub(begin))
			// The sender's instance commits what the other one has read.
			if r := sender.commit(quiet, a.items[0].SequenceID); r.status != 204 {
				t.Fatalf("commit: %v", r)
			}
			if items, r, _ := waiter.receive(context.Background(), quiet, 0, 0); len(items) > 0 {
				t.Fatalf("%d messages after the commit at the other instance: %v", len(items), r)
			}
		}
		slices.Sort(took)
		fmt.Printf("%s: slowest of %d wake-ups %v\n", t.Name(), wakeUps, took[wakeUps-1].Round(time.Millisecond))
		// A busy machine may delay a few; without wake-ups all wait for the poll.
		if late := took[wakeUps*2/3]; late > wakeUp {
			t.Errorf("wake-ups took %v, want at most %v", took, wakeUp)
		}
	})

	t.Run("other keys", func(t *testing.T) {
		thief := shared
		thief.data = ""
		n := newNode(t, thief)
		t.Cleanup(n.kill)
		if err := n.run(); err == nil {
			t.Fatal("an instance with other keys than the database's own was started")
		}
		if n.cmd.ProcessState == nil || n.cmd.ProcessState.ExitCode() <= 0 {
			t.Errorf("exit status %v, want a number above 0", n.cmd.ProcessState)
		}
		text := strings.TrimSpace(n.stderr.last(16 << 10))
		lines := strings.Split(text, "\n")
		last := lines[len(lines)-1]
		if !strings.Contains(last, n.data) || !strings.Contains(last, "key") || strings.Contains(text, "goroutine ") {
			t.Errorf("standard error ends with %q, want a line that names the key file", last)
		}
	})

	t.Run("load", func(t *testing.T) {
		f := newTraffic(t)
		var turn atomic.Int64
		spreadDoor := func() *node { return both[int(turn.Add(1))%2] }
		load := func(d door, from, to []string) {
			for _, oid := range from {
				f.send(d, branch(rng), oid, to)
				f.take(d, branch(rng), oid)
			}
		}
		busy := first.clients[:3] // the quiet client's numbers are used up already
		load(spreadDoor, busy, append(slices.Clone(far.clients), busy[0]))
		load(one(far), far.clients, busy)

		time.Sleep(time.Duration(2+rng.IntN(2)) * time.Second)
		messages, repeats := seen.repeated()
		fmt.Printf("%s: both instances up: %d messages handed to the peer, %d of them repeatedly\n", t.Name(), messages, repeats)
		if repeats > 0 || messages < enough {
			t.Errorf("%d messages handed to the peer, %d of them repeatedly; want many and none", messages, repeats)
		}
		for i := range rounds(t, 2, 10) {
			a0, d0, u0 := f.counts()
			moment := time.Duration(300+rng.IntN(1500)) * time.Millisecond
			time.Sleep(moment)
			victim := both[(i+rng.IntN(2))%2]
			_, before := seen.repeated()
			victim.wantAlive(t)
			victim.kill()
			a1, d1, u1 := f.counts()
			// The other one works alone for a while, now and then for longer than a
			// destination may stay with the dead one.
			alone := time.Duration(500+rng.IntN(1500)) * time.Millisecond
			if rng.IntN(3) == 0 {
				alone += lease
			}
			time.Sleep(alone)
			a2, d2, _ := f.counts()
			if err := victim.run(); err != nil {
				t.Fatal(err)
			}
			_, after := seen.repeated()
			fmt.Printf("round %d: instance on port %d killed after %v, accepted %d, delivered %d, unanswered %d; alone for %v: accepted %d, delivered %d, repeated to the peer %d\n",
				i+1, victim.port, moment, a1-a0, d1-d0, u1-u0, alone, a2-a1, d2-d1, after-before)
			if after-before > inFlight {
				t.Errorf("%d messages were handed to the peer again after one kill", after-before)
			}
			if a2 == a1 && alone > lease {
				t.Error("the other instance accepted nothing, alone for longer than the dead one's lease")
			}
		}
		f.drain(drainIdle)
		messages, repeats = seen.repeated()
		fmt.Printf("%s: %d messages handed to the peer, %d repeats\n", t.Name(), messages, repeats)
	})
}
