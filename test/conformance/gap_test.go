package conformance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Where the specification is silent or contradicts itself, each decision of this
// project has its own test here.

// The text and the published examples hash differently: both are accepted, the
// form of the examples is emitted.
func TestGap_HashDoubleEncoding(t *testing.T) {
	t.Parallel()
	n, p := simulated(t)
	update := as("transport_layer_messages", "participant_availability_update", availability(p.at(1), "online"))
	for _, f := range []form{prose, reference} {
		p.deliver(p.oid, n.oid, update, signed(peerKey(), f)).want(t, 200)
	}
	p.deliver(p.oid, n.oid, update, signed(strangerKey(), reference)).wantError(t, 400, 479)
	c := n.fresh(t)
	c.poll(1, 0)
	p.waitFor(pushed, "an availability update", func() bool { return len(p.updates(c.oid)) > 0 })
	m := p.updates(c.oid)[0]
	if f, err := verify(&nodeKey().PublicKey, m.raw, m.message.Signature); f != reference {
		t.Errorf("emitted in form %q: %v", f, err)
	}
}

// The published OID pattern backtracks without end. Its language stays (a dot at
// the end is allowed), its cost does not.
func TestGap_OIDLanguage(t *testing.T) {
	t.Parallel()
	n := solo(t)
	a := n.fresh(t)
	for name, c := range map[string]struct {
		oid  string
		code int // 470: the syntax is accepted
	}{
		"one_arc":          {"7", 470},
		"dot_at_the_end":   {"1.2.", 470},
		"leading_zeros":    {"01.002", 470},
		"huge_arc":         {"1." + strings.Repeat("9", 40), 470},
		"first_arc_9":      {"9.99.1", 470},
		"empty":            {"", 460},
		"only_a_dot":       {".", 460},
		"dot_in_front":     {".1.2", 460},
		"two_dots":         {"1..2", 460},
		"two_dots_at_end":  {"1.2..", 460},
		"letter":           {"1.2.x", 460},
		"space":            {"1.2. 3", 460},
		"newline_at_end":   {"1.2\n", 460},
		"minus":            {"1.-2", 460},
		"other_digits":     {"1.٢", 460},
		"28_digits_letter": {strings.Repeat("1", 28) + "a", 460},
		"urn":              {"urn:oid:1.2", 460},
	} {
		t.Run(name, func(t *testing.T) {
			quickly(t, atOnce, func() reply { return n.as(t, a).trySend(c.oid) }).wantError(t, 400, c.code)
		})
	}
	for name, c := range map[string]struct {
		oid   string
		codes []int
	}{
		"100000_digits":            {strings.Repeat("1", 100_000), []int{460, 470}},
		"100000_digits_and_letter": {strings.Repeat("1", 100_000) + "a", []int{460}},
		"50000_arcs":               {strings.Repeat("1.", 50_000), []int{460, 470}},
	} {
		t.Run(name, func(t *testing.T) {
			caller := n.api(t, poolAccount)
			for what, call := range map[string]func() reply{
				"send to": func() reply { return n.as(t, a).trySend(c.oid) },
				"send as": func() reply { return n.as(t, a).trySend(a.oid, set("source", c.oid)) },
				"receive": func() reply {
					return caller.call("POST", "/messaging/receive", record{"destinations": []any{c.oid}, "maxDelay": 0})
				},
				"commit": func() reply {
					return caller.call("POST", "/messaging/commit", record{"destination": c.oid, "sequenceId": 1})
				},
				"send by peer": func() reply {
					return n.p2p(t, "remote").call("POST", "/messaging/send", message("1.2.3.4.9.0", c.oid, complete))
				},
			} {
				codes := c.codes
				switch what {
				case "send as":
					codes = append(codes, 478)
				case "send by peer":
					codes = append(codes, 480)
				}
				quickly(t, atOnce, call).wantError(t, 400, codes...)
			}
		})
	}
}

// There are no codes for 404, 405, 413 and 429: a miss in the registry is 404
// with 470, a body that is too large is 413 with 491.
func TestGap_StatusesWithoutCodes(t *testing.T) {
	t.Parallel()
	n := solo(t)
	a := n.fresh(t)
	t.Run("registry_miss_404_470", func(t *testing.T) {
		n.as(t, a).call("GET", "/registry/"+strangerOID, nil).wantError(t, 404, 470)
	})
	t.Run("2_MiB_413_491", func(t *testing.T) {
		r := n.as(t, a).trySend(a.oid, label(strings.Repeat("x", 2<<20)))
		r.wantError(t, 413, 491)
		if text := string(r.body); !strings.Contains(text, "1 MiB") && !strings.Contains(text, "1048576") && !strings.Contains(text, "1,048,576") {
			t.Errorf("the refusal does not name the limit: %s", text)
		}
	})
	t.Run("2_MiB_from_a_peer_413_491", func(t *testing.T) {
		m := message("1.2.3.4.9.0", a.oid, complete, label(strings.Repeat("x", 2<<20)))
		n.p2p(t, "remote").call("POST", "/messaging/send", m).wantError(t, 413, 491)
	})
	t.Run("900_KiB_are_accepted", func(t *testing.T) {
		c := n.fresh(t)
		text := strings.Repeat("x", 900<<10)
		c.send(c.oid, label(text))
		if got := c.await(1, soon)[0].Description; got != text {
			t.Errorf("got %d characters", len(got))
		}
	})
}

// An address needs a street, villages have none: the place name goes there and
// the coordinate stays.
func TestGap_AddressWithoutStreet(t *testing.T) {
	t.Parallel()
	n := solo(t)
	c := n.fresh(t)
	data := head + `,"missionLocation":{"coordinate":{"lat":50.85,"lon":14.84},"address":{%s"city":"Oybin"}}}`
	c.trySend(c.oid, as("incident_transfer", "incident", fmt.Sprintf(data, ""))).wantError(t, 400, 464)
	c.send(c.oid, as("incident_transfer", "incident", fmt.Sprintf(data, `"street":"Oybin",`)))
	c.send(c.oid, as("incident_transfer", "incident", head+`,"missionLocation":{"coordinate":{"lat":50.85,"lon":14.84}}}`))
	c.trySend(c.oid, as("incident_transfer", "incident", head+`,"missionLocation":{"floor":"2"}}`)).wantError(t, 400, 464)
}

// "name" is the family name and obligatory, "surname" the given name; the node
// exchanges them for nobody.
func TestGap_PersonNames(t *testing.T) {
	t.Parallel()
	n := solo(t)
	c := n.fresh(t)
	incident := func(person string) edit {
		return as("incident_transfer", "incident", head+`,"missionLocation":`+place+`,"informers":[`+person+`]}`)
	}
	c.trySend(c.oid, incident(`{"surname":"Hana"}`)).wantError(t, 400, 464)
	c.send(c.oid, incident(`{"name":"Novotná","surname":"Hana"}`))
	if got := c.await(1, soon)[0].Payload.Data; !strings.Contains(got, `{"name":"Novotná","surname":"Hana"}`) {
		t.Errorf("got %s", got)
	}
}

// There is no flag for exercises: a subtree with the arc 99 is the test area, and
// nothing gets out of it.
func TestGap_TestSubtree(t *testing.T) {
	t.Parallel()
	n := solo(t)
	live := n.fresh(t)
	t.Run("test_to_live_refused_400_478", func(t *testing.T) {
		n.owned(t, "testers", testOID).trySend(live.oid).wantError(t, 400, 478)
		n.as(t, live).quiet(0)
	})
	t.Run("test_to_test", func(t *testing.T) {
		tester, second := n.owned(t, "testers", testOID), n.owned(t, "testers", secondTestOID)
		tester.send(secondTestOID, label("1"))
		if got := labels(second.await(1, soon)); got != "1" {
			t.Errorf("got %s", got)
		}
	})
}

// No member names a language: a remark with a category of its own may carry a
// machine-readable block, and every text arrives as it was written.
func TestGap_LanguageBlockPassesUnchanged(t *testing.T) {
	t.Parallel()
	n := solo(t)
	c := n.fresh(t)
	data := head + `,"issue":"Silniční nehoda","missionLocation":` + place + `,"protocolRemarks":[{"timestamp":"` + instant +
		`","category":"trojmezi.language","silent":true,"message":"{\"lang\":\"cs\"}"}]}`
	c.send(c.oid, as("incident_transfer", "incident", data))
	if got := c.await(1, soon)[0].Payload.Data; got != data {
		t.Errorf("got %s", got)
	}
}

// Classifications are bare words of the sender's catalogue: any word passes, and
// the catalogue itself can be asked for and sent.
func TestGap_ClassificationsAreTheSenders(t *testing.T) {
	t.Parallel()
	x, y := pair(t)
	a, b := x.fresh(t), y.fresh(t)
	a.send(b.oid, as("incident_transfer", "incident", head+`,"classifications":["3111","TH 2","Miejscowe zagrożenie","☂"],"missionLocation":`+place+`}`))
	b.send(a.oid, as("classification_catalogue", "request", request))
	a.send(b.oid, as("classification_catalogue", "response", kinds[20].good))
	if got := b.await(2, soon); got[1].Payload.Data != kinds[20].good {
		t.Errorf("got %+v", got[1].Payload)
	}
}

// An accepted incident has no update message: changes travel as notification_text,
// an invented message is refused.
func TestGap_UpdatesTravelAsNotification(t *testing.T) {
	t.Parallel()
	n := solo(t)
	a, b := n.fresh(t), n.fresh(t)
	a.send(b.oid, as("incident_transfer", "incident", kinds[0].good))
	a.trySend(b.oid, as("incident_transfer", "update", kinds[0].good)).wantError(t, 400, 463)
	a.send(b.oid, as("notification_text", "notification", notification("missionLocation.address.houseNumber: 15b → 15c")))
	a.send(b.oid, as("incident_transfer", "incident", kinds[0].good)) // the same incident once more is a message of its own
	if got := b.await(3, soon); len(got) != 3 {
		t.Errorf("%d messages", len(got))
	}
}

// maxMessages counts all destinations together, shared out in turn.
func TestGap_MaxMessagesTotalFairRoundRobin(t *testing.T) {
	t.Parallel()
	n := solo(t)
	a, b, c, d := n.fresh(t), n.fresh(t), n.fresh(t), n.fresh(t)
	a.sendMany(b.oid, 1, 10)
	a.sendMany(c.oid, 1, 2)
	a.sendMany(d.oid, 1, 10)
	for _, x := range []struct {
		max  int
		want map[string]string
	}{
		{3, map[string]string{b.oid: "1", c.oid: "1", d.oid: "1"}},
		{6, map[string]string{b.oid: "1 2", c.oid: "1 2", d.oid: "1 2"}},
		{10, map[string]string{b.oid: "1 2 3 4", c.oid: "1 2", d.oid: "1 2 3 4"}},
		{22, map[string]string{b.oid: numbered(1, 10), c.oid: "1 2", d.oid: numbered(1, 10)}},
	} {
		t.Run(fmt.Sprint(x.max), func(t *testing.T) {
			got := map[string]string{}
			for _, m := range n.as(t, b).pollAll(x.max, 0, b.oid, c.oid, d.oid) {
				got[m.Destination] = strings.TrimSpace(got[m.Destination] + " " + m.Description)
			}
			if d := cmp.Diff(x.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// A message past its timeout is gone at the receiver's node, read or not.
func TestGap_TimedOutVanishes(t *testing.T) {
	t.Parallel()
	for side, clients := range statusSides(t) {
		t.Run(side, func(t *testing.T) {
			t.Parallel()
			a, b := clients(t)
			a.send(b.oid, label("kept"))
			m := a.send(b.oid, label("short"), timeout(shortest))
			a.send(b.oid, label("kept too"))
			if got := labels(b.await(3, soon)); got != "kept short kept too" {
				t.Fatalf("got %s", got)
			}
			time.Sleep(time.Until(m.expiry(t)) + 500*time.Millisecond)
			got := b.poll(10, 0)
			if labels(got) != "kept kept too" || got[1].SequenceID != 3 {
				t.Errorf("left %s with %v", labels(got), sequences(got))
			}
		})
	}
	t.Run("held_poll_is_not_woken_by_it", func(t *testing.T) {
		t.Parallel()
		n := solo(t)
		a, b := n.fresh(t), n.fresh(t)
		m := a.send(b.oid, timeout(shortest))
		time.Sleep(time.Until(m.expiry(t)) + 100*time.Millisecond)
		b.quiet(1)
	})
}

// Sequence numbers start at 1, have no gaps and survive a crash.
func TestGap_SequenceStartsAt1Gapless(t *testing.T) {
	t.Parallel()
	n := start(t, spec{oid: "1.2.3.4.27.0", clients: pool("1.2.3.4.27", 3)})
	a, b := n.fresh(t), n.fresh(t)
	a.sendMany(b.oid, 1, 3)
	a.trySend(b.oid, set("payload.data", "{}")).wantError(t, 400, 464) // takes no number
	b.commit(3)
	n.restart(t)
	a, b = a.again(), b.again()
	a.send(b.oid, label("4"))
	if got := b.await(1, soon); got[0].SequenceID != 4 || got[0].Description != "4" {
		t.Errorf("got %v %s", sequences(got), labels(got))
	}
	// Concurrent senders leave no gap either.
	parallel(40, func(int) { a.trySend(b.oid).wantStatus(t, 200) })
	for i, m := range b.await(41, 2*soon) {
		if m.SequenceID != int64(4+i) {
			t.Fatalf("sequence %v", m.SequenceID)
		}
	}
}

// Registries are polled every five minutes and not more often; changes of
// availability are pushed in between.
func TestGap_RegistryPollAndPush(t *testing.T) {
	t.Parallel()
	n, p := alone(t, "1.2.3.4.28", true)
	polls := func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.polls)
	}
	before := polls()
	p.deliver(p.oid, n.oid, as("transport_layer_messages", "participant_availability_update", availability(p.at(1), "offline")), signed(peerKey(), reference)).want(t, 200)
	eventually(t, soon, "pushed status in the registry", func() bool {
		return registry(t, n.api(t, poolAccount))[p.at(1)]["status"] == "offline"
	})
	time.Sleep(7 * time.Second)
	if after := polls(); after > before+1 {
		t.Errorf("%d more polls in 7 s", after-before)
	}
}
