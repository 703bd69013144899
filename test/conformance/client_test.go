package conformance

import (
	"fmt"
	"testing"
	"time"
)

// client is one dispatch system at a node.
type client struct {
	caller
	n   *node
	oid string
}

// fresh gives a client whose queue no other case uses.
func (n *node) fresh(t testing.TB) client {
	t.Helper()
	i := n.taken.Add(1)
	if int(i) > len(n.clients) {
		t.Fatalf("node %s has only %d clients", n.oid, len(n.clients))
	}
	return client{n.api(t, poolAccount), n, n.clients[i-1]}
}

// owned gives the client with an OID of a named account.
func (n *node) owned(t testing.TB, account, oid string) client {
	t.Helper()
	return client{n.api(t, account), n, oid}
}

// again is the same client after a restart of its node.
func (c client) again() client {
	c.t.Helper()
	return client{c.n.api(c.t, poolAccount), c.n, c.oid}
}

// trySend sends and returns the answer whatever it is.
func (c client) trySend(to string, edits ...edit) reply {
	c.t.Helper()
	return c.call("POST", "/messaging/send", message(c.oid, to, edits...))
}

// send is trySend that must be accepted.
func (c client) send(to string, edits ...edit) item {
	c.t.Helper()
	return decode[item](c.t, c.trySend(to, edits...).want(c.t, 200))
}

// sendMany sends messages labelled from…to.
func (c client) sendMany(to string, first, last int, edits ...edit) (sent []item) {
	c.t.Helper()
	for i := first; i <= last; i++ {
		sent = append(sent, c.send(to, append(edits, label(fmt.Sprint(i)))...))
	}
	return sent
}

// poll is one receive call for the client's own queue: at most max messages
// (0: no limit given), held for at most delay seconds.
func (c client) poll(max, delay int) []item {
	c.t.Helper()
	return c.pollAll(max, delay, c.oid)
}

func (c client) pollAll(max, delay int, oids ...string) []item {
	c.t.Helper()
	body := record{"destinations": oids, "maxDelay": delay}
	if max > 0 {
		body["maxMessages"] = max
	}
	r := c.call("POST", "/messaging/receive", body)
	if r.status == 204 || r.err != nil {
		return nil
	}
	return decode[struct{ Messages []item }](c.t, r.want(c.t, 200)).Messages
}

// await polls until n messages are uncommitted at once.
func (c client) await(n int, within time.Duration) []item {
	c.t.Helper()
	for deadline := time.Now().Add(within); ; {
		got := c.poll(n+100, 1)
		if len(got) >= n {
			return got
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%s: %d messages within %v, want %d: %s", c.oid, len(got), within, n, labels(got))
		}
		if len(got) > 0 { // the poll answers at once then
			time.Sleep(50 * time.Millisecond)
		}
	}
}

func (c client) commit(sequence int64) {
	c.t.Helper()
	c.call("POST", "/messaging/commit", record{"destination": c.oid, "sequenceId": sequence}).want(c.t, 204)
}

// quiet checks that nothing arrives for some seconds.
func (c client) quiet(seconds int) {
	c.t.Helper()
	if got := c.poll(0, seconds); len(got) > 0 {
		c.t.Errorf("%s got %d messages, want none: %+v", c.oid, len(got), got[0])
	}
}

// awaitStatus reads the one message in the queue, which must be the status of ref.
func (c client) awaitStatus(ref item, code int, within time.Duration) status {
	c.t.Helper()
	got := c.await(1, within)
	s := statusOf(c.t, got[0])
	if len(got) != 1 || s.RefMessageID != ref.MessageID || s.Destination != ref.Destinations[0] || s.StatusCode != code {
		c.t.Fatalf("got %d messages, the first %s, want one status %d for %s", len(got), got[0].Payload.Data, code, ref.MessageID)
	}
	return s
}
