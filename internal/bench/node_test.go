package bench

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/format/ucri"
)

// memoryNode is a UCRI 2 node that keeps everything in memory, with faults to
// order. It imports the wire format only.
type memoryNode struct {
	*httptest.Server
	mu     sync.Mutex
	wake   chan struct{}
	queues map[string][]queued
	next   map[string]int64
	taken  int64
	fault  string // lose, double, skip, receipts, refuse, rate: every tenth message
	ids    int64
}

type queued struct {
	e   *ucri.Envelope
	seq int64
}

func newMemoryNode(t testing.TB) *memoryNode {
	n := &memoryNode{wake: make(chan struct{}), queues: map[string][]queued{}, next: map[string]int64{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /token", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"token":"t"}`) })
	mux.HandleFunc("POST /messaging/send", n.send)
	mux.HandleFunc("POST /messaging/receive", n.receive)
	mux.HandleFunc("POST /messaging/commit", n.commit)
	n.Server = httptest.NewServer(mux)
	t.Cleanup(n.Close)
	return n
}

func (n *memoryNode) side(oids ...string) Side { return Side{BaseURL: n.URL, OIDs: oids} }

// put appends to a queue; n.mu is held.
func (n *memoryNode) put(dest string, e *ucri.Envelope) {
	n.next[dest]++
	n.queues[dest] = append(n.queues[dest], queued{e, n.next[dest]})
	close(n.wake)
	n.wake = make(chan struct{})
}

func (n *memoryNode) send(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	e, bad := ucri.ParseClientSend(body)
	if bad == nil {
		bad = ucri.CheckData(&e.Payload)
	}
	if bad != nil {
		w.WriteHeader(400)
		json.NewEncoder(w).Encode(ucri.ErrorBody{Code: bad.Code, Reason: bad.Error()})
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.taken++
	fault := ""
	if n.taken%10 == 0 {
		fault = n.fault
	}
	dest := e.Destinations[0]
	switch fault {
	case "refuse":
		w.WriteHeader(400)
		io.WriteString(w, `{"code":470,"reason":"unknown"}`)
		return
	case "lose":
	case "double":
		n.put(dest, e)
		n.put(dest, e)
	case "skip":
		n.next[dest]++
		n.put(dest, e)
	default:
		n.put(dest, e)
	}
	w.Write(e.AppendJSON(nil))
}

func (n *memoryNode) receive(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	q, bad := ucri.ParseReceive(body)
	if bad != nil {
		w.WriteHeader(400)
		return
	}
	end := time.After(time.Duration(q.MaxDelay) * time.Second)
	for {
		n.mu.Lock()
		b := []byte(`{"messages":[`)
		count := 0
		for _, oid := range q.Destinations {
			for _, m := range n.queues[oid] {
				if count == q.MaxMessages {
					break
				}
				if count++; count > 1 {
					b = append(b, ',')
				}
				b = m.e.AppendReceived(b, oid, m.seq)
			}
		}
		wake := n.wake
		n.mu.Unlock()
		if count > 0 {
			w.Write(append(b, `]}`...))
			return
		}
		select {
		case <-wake:
		case <-r.Context().Done():
			return
		case <-end:
			w.WriteHeader(204)
			return
		}
	}
}

func (n *memoryNode) commit(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	ref, bad := ucri.ParseCommit(body)
	if bad != nil {
		w.WriteHeader(400)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	q := n.queues[ref.Destination]
	for len(q) > 0 && q[0].seq <= ref.SequenceID {
		if e := q[0].e; e.Ack == ucri.AckAll {
			n.ids++
			times := 1
			if n.fault == "receipts" {
				times = int(n.ids % 3) // none, one, two
			}
			for range times {
				n.put(e.Source, &ucri.Envelope{
					MessageID: "00000000-0000-4000-8000-" + strconv.FormatInt(1_000_000_000_000+n.ids, 10)[1:], Source: "1.0", Ack: ucri.AckNone,
					Payload: ucri.DeliveryStatus{RefMessageID: e.MessageID, Destination: ref.Destination, StatusCode: ucri.Delivered}.Payload(),
				})
			}
		}
		q = q[1:]
	}
	n.queues[ref.Destination] = q
	w.WriteHeader(204)
}
