package conformance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// From the node to a peer.

func TestToPeer(t *testing.T) {
	t.Parallel()
	t.Run("full_envelope", func(t *testing.T) {
		t.Parallel()
		n, p := simulated(t)
		a := n.fresh(t)
		m := message(a.oid, p.at(1), complete, label("popis"), ack("ALL"), timeout(700), set("tags", []any{"x"}), signed(strangerKey(), reference))
		a.call("POST", "/messaging/send", m).want(t, 200)
		p.await(1, soon)
		m["timeout"] = 700.0
		if d := cmp.Diff(m, p.tried()[0].raw); d != "" {
			t.Errorf("-sent by the client +arrived at the peer:\n%s", d)
		}
	})
	t.Run("defaults_filled_before_handing_over", func(t *testing.T) {
		t.Parallel()
		n, p := simulated(t)
		sent := n.fresh(t).send(p.at(1))
		got := p.await(1, soon)[0]
		if d := cmp.Diff(sent, got); d != "" {
			t.Errorf("-echo to the client +arrived at the peer:\n%s", d)
		}
	})
	t.Run("once_and_in_order", func(t *testing.T) {
		t.Parallel()
		n, p := simulated(t)
		n.fresh(t).sendMany(p.at(1), 1, 40)
		got := p.await(40, 2*soon)
		if labels(got) != numbered(1, 40) || len(p.tried()) != 40 {
			t.Errorf("%d attempts: %s", len(p.tried()), labels(got))
		}
	})
	failures := map[string]outcome{
		"500_491":              refused(500, 491, "disk is full"),
		"503_html":             {status: 503, html: true, reason: "maintenance"},
		"connection_dropped":   {drop: true},
		"reply_lost_after_200": {status: 200, drop: true},
	}
	for name, o := range failures {
		t.Run("retried_in_order_after_"+name, func(t *testing.T) {
			t.Parallel()
			n, p := simulated(t)
			p.answers(first(3, o))
			a := n.fresh(t)
			a.sendMany(p.at(1), 1, 5, ack("ALL"))
			if got := labels(p.await(5, soon)); got != numbered(1, 5) {
				t.Errorf("order %s", got)
			}
			tried := p.tried()
			for _, attempt := range tried[1:3] {
				if attempt.message.MessageID != tried[0].message.MessageID {
					t.Errorf("message %s overtook a failing one", attempt.message.Description)
				}
			}
			a.quiet(1) // a failed attempt is no refusal
		})
	}
	t.Run("order_per_destination", func(t *testing.T) {
		t.Parallel()
		n, p := simulated(t)
		p.answers(func(k int, _ item) outcome {
			if k%4 == 1 {
				return refused(500, 491, "disk is full")
			}
			return accepted
		})
		a := n.fresh(t)
		for i := 1; i <= 10; i++ {
			a.send(p.at(1), label(fmt.Sprint(i)))
			a.send(p.at(2), label(fmt.Sprint(i)))
		}
		seen := map[string][]item{}
		for _, m := range p.await(20, 4*soon) {
			seen[m.Destinations[0]] = append(seen[m.Destinations[0]], m)
		}
		for oid, items := range seen {
			if labels(items) != numbered(1, 10) {
				t.Errorf("%s got %s", oid, labels(items))
			}
		}
	})
	t.Run("token_renewed_after_401", func(t *testing.T) {
		t.Parallel()
		n, p := simulated(t)
		a := n.fresh(t)
		a.send(p.at(1), label("1"))
		p.await(1, soon)
		p.revoke()
		a.send(p.at(1), label("2"), ack("ALL"))
		a.send(p.at(1), label("3"))
		if got := labels(p.await(3, 2*soon)); got != "1 2 3" {
			t.Errorf("got %s", got)
		}
		a.quiet(1) // a 401 is no refusal of the message
	})
	t.Run("token_renewed_when_it_expires", func(t *testing.T) {
		t.Parallel()
		n, p := alone(t, "1.2.3.4.22", true, func(p *peer) { p.ttl = 3 * time.Second })
		a := n.fresh(t)
		for i := 1; i <= 3; i++ {
			a.send(p.at(1), label(fmt.Sprint(i)), ack("ALL"))
			p.await(i, soon)
			time.Sleep(2500 * time.Millisecond)
		}
		a.quiet(0)
	})
	t.Run("token_is_reused", func(t *testing.T) {
		t.Parallel()
		n, p := simulated(t)
		n.fresh(t).sendMany(p.at(1), 1, 20)
		p.await(20, 2*soon)
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.logins) > 5 {
			t.Errorf("%d logins for 20 messages", len(p.logins))
		}
	})
	t.Run("resend_by_client_is_sent_once", func(t *testing.T) {
		t.Parallel()
		n, p := simulated(t)
		a := n.fresh(t)
		m := message(a.oid, p.at(1), complete)
		for range 3 {
			a.call("POST", "/messaging/send", m).want(t, 200)
		}
		a.send(p.at(1), label("next"))
		p.await(2, soon)
		if tried := p.tried(); len(tried) != 2 {
			t.Errorf("%d attempts, want 2", len(tried))
		}
	})
	for name, c := range map[string]struct {
		oid  string
		code int
		edit edit
	}{
		"unknown_at_the_peer_470":   {"77", 470, label("x")},
		"app_not_supported_466":     {"2", 466, label("x")},
		"message_not_supported_468": {"2", 468, as("incident_transfer", "completion", endGood)},
	} {
		t.Run("refused_at_once/"+name, func(t *testing.T) {
			t.Parallel()
			n, p := peerWithLimits(t)
			n.fresh(t).trySend(strings.TrimSuffix(p.oid, "0")+c.oid, c.edit).wantError(t, 400, c.code)
			if len(p.tried()) > 0 {
				t.Error("the peer was asked all the same")
			}
		})
	}
}

// peerWithLimits has a client .2 that supports little.
func peerWithLimits(t *testing.T) (*node, *peer) {
	roots := map[byte]string{'u': "1.2.3.4.23", 'a': "1.2.3.4.24", 'm': "1.2.3.4.25"}
	name := t.Name()[strings.LastIndexByte(t.Name(), '/')+1:]
	return alone(t, roots[name[0]], true, func(p *peer) {
		p.records[2].(record)["supportedApps"] = []any{record{"appId": "incident_transfer", "appVersion": "1.0", "unsupportedMessages": []any{"completion"}}}
	})
}

func TestPeerDown(t *testing.T) {
	t.Parallel()
	t.Run("20_messages_after_one_second_without_other_traffic", func(t *testing.T) {
		t.Parallel()
		n, p := simulated(t)
		p.down()
		a := n.fresh(t)
		a.sendMany(p.at(1), 1, 20, ack("ALL"))
		time.Sleep(time.Second)
		p.open(t)
		if got := labels(p.await(20, soon)); got != numbered(1, 20) {
			t.Errorf("order %s", got)
		}
		a.quiet(1)
	})
	for _, mode := range []string{"ALL", "NACK", "NONE"} {
		t.Run("timeout_while_down_with_"+mode, func(t *testing.T) {
			t.Parallel()
			n, p := simulated(t)
			p.down()
			a := n.fresh(t)
			m := a.send(p.at(1), ack(mode), timeout(shortest))
			if mode == "NONE" {
				time.Sleep(time.Until(m.expiry(t)))
				a.quiet(4)
			} else {
				a.await504(m)
			}
			p.open(t)
			a.send(p.at(1), label("next"))
			if got := labels(p.await(1, 3*soon)); got != "next" {
				t.Errorf("peer got %q, the timed out message has to vanish", got)
			}
		})
	}
	t.Run("timeout_while_peer_hangs", func(t *testing.T) {
		t.Parallel()
		n, p := simulated(t)
		p.answers(always(hang))
		a := n.fresh(t)
		a.await504(a.send(p.at(1), ack("ALL"), timeout(shortest)))
	})
	t.Run("timeout_without_status_of_the_peer", func(t *testing.T) {
		t.Parallel()
		n, p := simulated(t)
		a := n.fresh(t)
		m := a.send(p.at(1), ack("ALL"), timeout(shortest))
		p.await(1, soon)
		a.await504(m)
		a.commit(1)
		// Too late: the message has its terminal status already.
		p.deliver(p.oid, a.oid, as("transport_layer_messages", "message_delivery_status", deliveryStatus(m.MessageID, p.at(1), 200)), signed(peerKey(), reference))
		a.quiet(2)
	})
	for name, break_ := range map[string]func(p *peer){
		"down":    func(p *peer) { p.down() },
		"hanging": func(p *peer) { p.answers(always(hang)) },
		"failing": func(p *peer) { p.answers(always(refused(503, 491, "not now please"))) },
	} {
		t.Run(name+"_peer_delays_nobody_else", func(t *testing.T) {
			t.Parallel()
			n, dead := simulated(t)
			_, living := simulated(t)
			a, b := n.fresh(t), n.fresh(t)
			ten := func(first int) time.Duration {
				begin := time.Now()
				b.sendMany(living.at(1), first, first+9)
				living.await(first+9, 4*soon)
				return time.Since(begin)
			}
			before := ten(1)
			break_(dead)
			a.sendMany(dead.at(1), 1, 30)
			// The machine may be busy otherwise, but not each time; a peer that delays others does so each time.
			var after time.Duration
			for first := 11; first <= 31; first += 10 {
				if after = ten(first); after <= 3*before+2*time.Second {
					break
				}
			}
			if after > 3*before+2*time.Second {
				t.Errorf("10 messages to a living peer took %v, before %v", after, before)
			}
			local := n.fresh(t)
			b.send(local.oid, label("local"))
			local.await(1, soon)
		})
	}
	t.Run("hanging_destination_delays_no_other_destination", func(t *testing.T) {
		t.Parallel()
		n, p := simulated(t)
		p.answers(func(_ int, m item) outcome {
			if m.Destinations[0] == p.at(1) {
				return outcome{status: 200, delay: 20 * time.Second}
			}
			return accepted
		})
		a := n.fresh(t)
		a.send(p.at(1), label("slow"))
		a.send(p.at(2), label("quick"))
		p.waitFor(soon, "the message to the other destination", func() bool { return strings.Contains(labels(p.got()), "quick") })
	})
	t.Run("slow_peer_gets_each_message_once", func(t *testing.T) {
		t.Parallel()
		n, p := simulated(t)
		p.answers(always(outcome{status: 200, delay: 2 * time.Second}))
		n.fresh(t).sendMany(p.at(1), 1, 3)
		p.await(3, soon)
		time.Sleep(3 * time.Second)
		if len(p.tried()) != 3 {
			t.Errorf("%d attempts for 3 messages", len(p.tried()))
		}
	})
}
