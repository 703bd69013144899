package conformance

import (
	"testing"
	"time"
)

const (
	soon       = 20 * time.Second // what comes comes at once; a busy machine is no fault of the node
	pushed     = 30 * time.Second // each change goes to all simulated peers, and all cases make changes
	shortest   = 10               // the shortest timeout of a message in seconds
	afterwards = 10 * time.Second // a status 504 comes at most so late
)

// await504 waits for the one status 504 of a message and checks its moment.
func (c client) await504(m item) {
	c.t.Helper()
	c.await504Up(m, time.Time{})
}

// await504Up is await504 with a node that has been up since then only: a busy machine may
// need longer than a timeout for a start.
func (c client) await504Up(m item, since time.Time) {
	c.t.Helper()
	due := m.expiry(c.t)
	if since.After(due) {
		due = since
	}
	c.awaitStatus(m, 504, time.Until(due)+afterwards+2*time.Second)
	if early, late := time.Until(m.expiry(c.t)), time.Since(due); early > 200*time.Millisecond || late > afterwards {
		c.t.Errorf("status 504 came %v before expiry or %v after it and the start, want at most %v after", early, late, afterwards)
	}
}

// A federation for the delivery status: sender and receiver at one node or at two.
func statusSides(t *testing.T) map[string]func(t *testing.T) (a, b client) {
	n := solo(t)
	x, y := pair(t)
	return map[string]func(t *testing.T) (a, b client){
		"local":  func(t *testing.T) (a, b client) { return n.fresh(t), n.fresh(t) },
		"remote": func(t *testing.T) (a, b client) { return x.fresh(t), y.fresh(t) },
	}
}

func TestDeliveryStatus(t *testing.T) {
	t.Parallel()
	for side, clients := range statusSides(t) {
		t.Run(side+"/200_on_commit_with_ALL", func(t *testing.T) {
			t.Parallel()
			a, b := clients(t)
			m := a.send(b.oid, ack("ALL"))
			b.await(1, soon)
			a.quiet(1) // read is not committed
			b.commit(1)
			s := a.awaitStatus(m, 200, soon)
			if s.Cause != nil {
				t.Errorf("a delivered message has cause %+v", s.Cause)
			}
			got := a.await(1, soon)[0]
			if got.Source != b.n.oid || got.Destination != a.oid || got.SequenceID != 1 {
				t.Errorf("status from %s to %s with sequence %d, want from the receiver's node %s", got.Source, got.Destination, got.SequenceID, b.n.oid)
			}
			b.commit(1)
			a.commit(1)
			a.quiet(1) // neither a second status nor a status of the status
		})
		for _, mode := range []string{"NONE", "NACK"} {
			t.Run(side+"/nothing_on_commit_with_"+mode, func(t *testing.T) {
				t.Parallel()
				a, b := clients(t)
				a.send(b.oid, ack(mode))
				b.await(1, soon)
				b.commit(1)
				a.quiet(2)
			})
		}
		t.Run(side+"/cumulative_commit_gives_each_status_once", func(t *testing.T) {
			t.Parallel()
			a, b := clients(t)
			sent := a.sendMany(b.oid, 1, 5, ack("ALL"))
			b.await(5, soon)
			b.commit(5)
			seen := map[string]int{}
			for _, m := range a.await(5, soon) {
				if s := statusOf(t, m); s.StatusCode == 200 {
					seen[s.RefMessageID]++
				}
			}
			for _, m := range sent {
				if seen[m.MessageID] != 1 {
					t.Errorf("message %s has %d statuses", m.Description, seen[m.MessageID])
				}
			}
			a.commit(5)
			a.quiet(1)
		})
		for _, mode := range []string{"ALL", "NACK"} {
			if side == "remote" && mode == "NACK" {
				continue // after handing over, the sender's node cannot know: TestPeerDown has the other case
			}
			t.Run(side+"/504_on_timeout_with_"+mode, func(t *testing.T) {
				t.Parallel()
				a, b := clients(t)
				m := a.send(b.oid, ack(mode), timeout(shortest))
				a.await504(m)
				got := a.await(1, soon)[0]
				if got.Source != a.n.oid {
					t.Errorf("504 comes from %s, want the sender's node %s", got.Source, a.n.oid)
				}
				b.quiet(0)
				b.commit(1)
				a.commit(1)
				a.quiet(2) // no 200 after the 504
			})
		}
		t.Run(side+"/nothing_on_timeout_with_NONE", func(t *testing.T) {
			t.Parallel()
			a, b := clients(t)
			m := a.send(b.oid, timeout(shortest))
			b.await(1, soon)
			time.Sleep(time.Until(m.expiry(t)))
			a.quiet(3)
			b.quiet(0)
		})
		t.Run(side+"/committed_in_time_no_504", func(t *testing.T) {
			t.Parallel()
			a, b := clients(t)
			m := a.send(b.oid, ack("ALL"), timeout(shortest))
			b.await(1, soon)
			b.commit(1)
			a.awaitStatus(m, 200, soon)
			a.commit(1)
			time.Sleep(time.Until(m.expiry(t)))
			a.quiet(4)
		})
	}
	t.Run("status_reaches_a_client_without_the_transport_app", func(t *testing.T) {
		t.Parallel()
		n := solo(t)
		a, b := n.owned(t, "special", bareOID), n.fresh(t)
		m := a.send(b.oid, ack("ALL"))
		b.await(1, soon)
		b.commit(1)
		a.awaitStatus(m, 200, soon)
	})
	t.Run("status_to_the_sending_oid_only", func(t *testing.T) {
		t.Parallel()
		n := solo(t)
		a, b, c := n.fresh(t), n.fresh(t), n.fresh(t) // all three of one account
		m := a.send(b.oid, ack("ALL"))
		b.commit(b.await(1, soon)[0].SequenceID)
		a.awaitStatus(m, 200, soon)
		b.quiet(0)
		c.quiet(0)
	})
}

// What a peer refuses ends in a status 502 of the sender's node.
func TestRefusedByPeer(t *testing.T) {
	t.Parallel()
	long := "the payload does not match the schema of the application because "
	for len(long) < 400 {
		long += "příliš žluťoučký kůň úpěl ďábelské ódy "
	}
	for name, c := range map[string]struct {
		outcome outcome
		code    int // of the cause
	}{
		"400_464":           {refused(400, 464, "payload is wrong"), 464},
		"400_470":           {refused(400, 470, "destination is gone"), 470},
		"400_466":           {refused(400, 466, "app is not supported"), 466},
		"400_long_reason":   {refused(400, 464, long), 464},
		"404_html":          {outcome{status: 404, html: true, reason: long}, 0},
		"400_unknown_codes": {refused(400, 999, "code is from nowhere"), 0},
	} {
		t.Run(name+"_gives_502", func(t *testing.T) {
			t.Parallel()
			n, p := simulated(t)
			a := n.fresh(t)
			p.answers(first(1, c.outcome))
			m := a.send(p.at(1), ack("ALL"), label("refused"))
			s := a.awaitStatus(m, 502, soon)
			if c.code != 0 && (s.Cause == nil || s.Cause.Code != c.code || !human(s.Cause.Reason)) {
				t.Errorf("cause %+v, want code %d with a reason", s.Cause, c.code)
			}
			a.send(p.at(1), label("next"))
			p.await(1, soon)
			time.Sleep(time.Second)
			if tried := p.tried(); len(tried) != 2 || labels(p.got()) != "next" {
				t.Errorf("%d attempts, accepted %s; a refusal is final", len(tried), labels(p.got()))
			}
			a.commit(1)
			a.quiet(1)
		})
	}
	t.Run("502_with_NACK", func(t *testing.T) {
		t.Parallel()
		n, p := simulated(t)
		a := n.fresh(t)
		p.answers(always(refused(400, 464, "payload is wrong")))
		a.awaitStatus(a.send(p.at(1), ack("NACK")), 502, soon)
	})
	t.Run("nothing_with_NONE", func(t *testing.T) {
		t.Parallel()
		n, p := simulated(t)
		a := n.fresh(t)
		p.answers(always(refused(400, 464, "payload is wrong")))
		a.send(p.at(1))
		p.waitFor(soon, "an attempt", func() bool { return len(p.tried()) == 1 })
		a.quiet(2)
	})
	t.Run("no_504_after_502", func(t *testing.T) {
		t.Parallel()
		n, p := simulated(t)
		a := n.fresh(t)
		p.answers(always(refused(400, 464, "payload is wrong")))
		m := a.send(p.at(1), ack("ALL"), timeout(shortest))
		a.awaitStatus(m, 502, soon)
		a.commit(1)
		time.Sleep(time.Until(m.expiry(t)))
		a.quiet(4)
	})
}
