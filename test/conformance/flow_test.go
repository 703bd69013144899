package conformance

import (
	"fmt"
	"testing"
)

// What the federation is for: an incident handed over and answered.
func TestFlow(t *testing.T) {
	t.Parallel()
	t.Run("incident_between_two_nodes", func(t *testing.T) {
		t.Parallel()
		x, y := pair(t)
		a, b := x.fresh(t), y.fresh(t)
		steps := []struct {
			from, to client
			kind     kind
		}{
			{a, b, kinds[0]}, {b, a, kinds[1]}, // incident, accepted
			{a, b, kinds[18]}, {b, a, kinds[18]}, // texts both ways
			{a, b, kinds[14]}, {b, a, kinds[15]}, {b, a, kinds[16]}, {b, a, kinds[17]}, // resources
			{b, a, kinds[2]}, // completed
		}
		next := map[string]int64{}
		for _, s := range steps {
			m := s.from.send(s.to.oid, as(s.kind.app, s.kind.schema, s.kind.good), ack("ALL"))
			got := s.to.await(1, soon)
			next[s.to.oid]++
			if got[0].MessageID != m.MessageID || got[0].Payload.Data != s.kind.good || got[0].SequenceID != next[s.to.oid] {
				t.Fatalf("%s/%s: got %+v", s.kind.app, s.kind.schema, got[0])
			}
			s.to.commit(got[0].SequenceID)
			s.from.awaitStatus(m, 200, soon)
			next[s.from.oid]++
			s.from.commit(next[s.from.oid])
		}
	})
	nodes := triple(t)
	for i, x := range nodes {
		for j, y := range nodes {
			if i == j {
				continue
			}
			t.Run(fmt.Sprintf("node_%d_to_node_%d", i, j), func(t *testing.T) {
				a := client{x.api(t, poolAccount), x, x.clients[j]}
				b := client{y.api(t, poolAccount), y, y.clients[3+i]}
				m := a.send(b.oid, ack("ALL"))
				b.await(1, soon)
				b.commit(1)
				a.awaitStatus(m, 200, soon)
			})
		}
	}
	t.Run("nodes_do_not_relay", func(t *testing.T) {
		// A peer sends to a participant of a third node: this node is not the way.
		a, c := nodes[1], nodes[2]
		nodes[0].p2p(t, "node-1").call("POST", "/messaging/send", message(a.clients[0], c.clients[0], complete)).wantError(t, 400, 470)
	})
	t.Run("all_25_messages_have_a_test", func(t *testing.T) {
		if len(kinds) != 25 {
			t.Errorf("%d messages", len(kinds))
		}
	})
}
