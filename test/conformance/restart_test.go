package conformance

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// SIGKILL at any moment is a normal case.

func TestRestart(t *testing.T) {
	t.Parallel()
	t.Run("accepted_messages_with_their_sequences", func(t *testing.T) {
		t.Parallel()
		n := start(t, spec{oid: "1.2.3.4.70.0", clients: pool("1.2.3.4.70", 4)})
		a, b, c := n.fresh(t), n.fresh(t), n.fresh(t)
		sent := a.sendMany(b.oid, 1, 30, set("tags", []any{"t"}), set("signature", "opaque"))
		a.sendMany(c.oid, 1, 5)
		before := b.poll(100, 0)
		b.commit(10)
		n.restart(t)
		a, b, c = a.again(), b.again(), c.again()
		got := b.poll(100, 0)
		if labels(got) != numbered(11, 30) {
			t.Fatalf("left %s", labels(got))
		}
		for i, m := range got {
			was := before[10+i]
			if m.SequenceID != was.SequenceID || m.MessageID != sent[10+i].MessageID || m.SentDate != was.SentDate || m.Payload != was.Payload || m.Signature != was.Signature || !slices.Equal(m.Tags, was.Tags) {
				t.Errorf("before %+v\nafter  %+v", was, m)
			}
		}
		if labels(c.poll(100, 0)) != numbered(1, 5) {
			t.Error("the second queue changed")
		}
		a.send(b.oid, label("31"))
		if got := b.await(21, soon); got[20].SequenceID != 31 {
			t.Errorf("the next sequence is %d", got[20].SequenceID)
		}
		b.commit(31)
		n.restart(t)
		b.again().quiet(0)
	})
	t.Run("resend_known_after_restart", func(t *testing.T) {
		t.Parallel()
		n := start(t, spec{oid: "1.2.3.4.71.0", clients: pool("1.2.3.4.71", 2)})
		a, b := n.fresh(t), n.fresh(t)
		uuid := newUUID()
		a.send(b.oid, id(uuid), label("1"))
		b.commit(1)
		n.restart(t)
		a, b = a.again(), b.again()
		a.send(b.oid, id(uuid), label("1"))
		a.trySend(b.oid, id(uuid), label("2")).wantError(t, 400, 491)
		b.quiet(1)
	})
	t.Run("killed_while_8_senders_send", func(t *testing.T) {
		t.Parallel()
		n := start(t, spec{oid: "1.2.3.4.72.0", clients: pool("1.2.3.4.72", 2)})
		a, b := n.fresh(t), n.fresh(t)
		var mu sync.Mutex
		var acked []string
		killed := make(chan struct{})
		go func() {
			// In the middle of the sending, however fast this machine is.
			count := func() int { mu.Lock(); defer mu.Unlock(); return len(acked) }
			for end := time.Now().Add(20 * time.Second); count() < 40 && time.Now().Before(end); {
				time.Sleep(5 * time.Millisecond)
			}
			n.kill()
			close(killed)
		}()
		parallel(8, func(int) {
			for {
				uuid := newUUID()
				if r := a.try("POST", "/messaging/send", message(a.oid, b.oid, id(uuid))); r.status != 200 {
					return
				}
				mu.Lock()
				acked = append(acked, uuid)
				mu.Unlock()
			}
		})
		<-killed
		if len(acked) < 20 {
			t.Fatalf("only %d messages accepted before the kill", len(acked))
		}
		n.restart(t)
		b = b.again()
		stored := map[string]bool{}
		for next := int64(1); ; {
			got := b.poll(500, 0)
			if len(got) == 0 {
				break
			}
			for _, m := range got {
				if m.SequenceID != next {
					t.Fatalf("sequence %d where %d is due", m.SequenceID, next)
				}
				stored[m.MessageID] = true
				next++
			}
			b.commit(next - 1)
		}
		lost := 0
		for _, uuid := range acked {
			if !stored[uuid] {
				lost++
			}
		}
		if lost > 0 {
			t.Errorf("%d of %d accepted messages are lost", lost, len(acked))
		}
		t.Logf("%d accepted, %d stored", len(acked), len(stored))
	})
	t.Run("outbox_goes_on", func(t *testing.T) {
		t.Parallel()
		n, p := alone(t, "1.2.3.4.73", true)
		a := n.fresh(t)
		p.down()
		a.sendMany(p.at(1), 1, 5, ack("ALL"))
		n.restart(t)
		p.open(t)
		// On PostgreSQL another instance might hold the destination: its lease has to end.
		if got := labels(p.await(5, 2*soon)); got != numbered(1, 5) {
			t.Errorf("order %s", got)
		}
		a.again().quiet(1)
	})
	t.Run("handed_over_is_not_sent_again", func(t *testing.T) {
		t.Parallel()
		n, p := alone(t, "1.2.3.4.74", true)
		n.fresh(t).sendMany(p.at(1), 1, 5)
		p.await(5, soon)
		time.Sleep(500 * time.Millisecond) // the answers are stored by now
		n.restart(t)
		n.mustBe(t, 0)
		time.Sleep(2 * time.Second)
		if tried := len(p.tried()); tried != 5 {
			t.Errorf("%d attempts for 5 messages", tried)
		}
	})
	t.Run("statuses_not_repeated", func(t *testing.T) {
		t.Parallel()
		n := start(t, spec{oid: "1.2.3.4.75.0", clients: pool("1.2.3.4.75", 2)})
		a, b := n.fresh(t), n.fresh(t)
		sent := a.sendMany(b.oid, 1, 3, ack("ALL"))
		b.commit(2)
		a.await(2, soon)
		a.commit(1)
		n.restart(t)
		a, b = a.again(), b.again()
		got := a.await(1, soon)
		if len(got) != 1 || got[0].SequenceID != 2 || statusOf(t, got[0]).RefMessageID != sent[1].MessageID {
			t.Fatalf("left %d statuses with %v", len(got), sequences(got))
		}
		a.commit(2)
		b.commit(3)
		a.awaitStatus(sent[2], 200, soon)
		b.commit(3)
		a.commit(3)
		n.restart(t)
		a.again().quiet(2)
	})
	t.Run("expired_while_off", func(t *testing.T) {
		t.Parallel()
		n := start(t, spec{oid: "1.2.3.4.76.0", clients: pool("1.2.3.4.76", 2)})
		a, b := n.fresh(t), n.fresh(t)
		m := a.send(b.oid, ack("ALL"), timeout(shortest))
		n.kill()
		time.Sleep(time.Until(m.expiry(t)) + time.Second)
		n.restart(t)
		a, b = a.again(), b.again()
		b.quiet(0)
		a.awaitStatus(m, 504, afterwards)
		a.commit(1)
		a.quiet(1)
	})
	t.Run("timeout_still_watched_after_restart", func(t *testing.T) {
		t.Parallel()
		n := start(t, spec{oid: "1.2.3.4.77.0", clients: pool("1.2.3.4.77", 2)})
		a, b := n.fresh(t), n.fresh(t)
		m := a.send(b.oid, ack("NACK"), timeout(shortest))
		n.restart(t)
		up := time.Now()
		a.again().await504Up(m, up)
	})
	t.Run("receiving_node_killed_under_way", func(t *testing.T) {
		t.Parallel()
		nodes, err := federation(
			spec{oid: "1.2.3.4.78.0", clients: pool("1.2.3.4.78", 1)},
			spec{oid: "1.2.3.4.79.0", clients: pool("1.2.3.4.79", 1)})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			n.endsWith(t)
			n.explain(t)
		}
		a, b := nodes[0].fresh(t), nodes[1].fresh(t)
		sent := a.sendMany(b.oid, 1, 10, ack("ALL"))
		nodes[1].kill()
		sent = append(sent, a.sendMany(b.oid, 11, 20, ack("ALL"))...)
		nodes[1].restart(t)
		sent = append(sent, a.sendMany(b.oid, 21, 30, ack("ALL"))...)
		b = b.again()
		got := b.await(30, soon)
		if labels(got) != numbered(1, 30) {
			t.Errorf("order %s", labels(got))
		}
		b.commit(30)
		nodes[0].restart(t)
		a = a.again()
		seen := map[string]int{}
		for _, m := range a.await(30, soon) {
			if s := statusOf(t, m); s.StatusCode == 200 {
				seen[s.RefMessageID]++
			}
		}
		for _, m := range sent {
			if seen[m.MessageID] != 1 {
				t.Errorf("message %s has %d statuses", m.Description, seen[m.MessageID])
			}
		}
	})
	t.Run("ten_kills_in_a_row", func(t *testing.T) {
		t.Parallel()
		n := start(t, spec{oid: "1.2.3.4.80.0", clients: pool("1.2.3.4.80", 2)})
		a, b := n.fresh(t), n.fresh(t)
		for i := 1; i <= 10; i++ {
			a.send(b.oid, label(fmt.Sprint(i)))
			n.restart(t)
			a, b = a.again(), b.again()
		}
		if got := b.await(10, soon); labels(got) != numbered(1, 10) {
			t.Errorf("got %s", labels(got))
		}
	})
}
