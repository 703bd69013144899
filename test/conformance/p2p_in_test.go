package conformance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// From a peer to the node.

func TestFromPeer(t *testing.T) {
	t.Parallel()
	n, p := simulated(t)
	_, q := simulated(t)
	b := n.fresh(t)
	post := func(t *testing.T, to string, edits ...edit) reply {
		m := message(p.at(1), to, append([]edit{complete}, edits...)...)
		return n.p2p(t, p.oid).call("POST", "/messaging/send", m)
	}

	t.Run("echo_and_delivery", func(t *testing.T) {
		c := n.fresh(t)
		m := message(p.at(1), c.oid, complete, label("popis"), ack("NACK"), timeout(500), set("tags", []any{"x"}), signed(strangerKey(), prose))
		r := p.node.call("POST", "/messaging/send", m).want(t, 200)
		m["timeout"] = 500.0
		if d := cmp.Diff(m, decode[record](t, r)); d != "" {
			t.Errorf("-sent +echo:\n%s", d)
		}
		got := c.await(1, soon)[0]
		if got.SequenceID != 1 || got.Description != "popis" || got.Source != p.at(1) || got.Signature != m["signature"] || got.MessageID != m["messageId"] || got.SentDate != m["sentDate"] {
			t.Errorf("got %+v", got)
		}
	})
	for name, e := range transportViolations {
		t.Run(name+"_400_480", func(t *testing.T) { post(t, b.oid, e).wantError(t, 400, 480) })
	}
	for _, name := range []string{"messageId", "sentDate", "timeout", "ack"} {
		t.Run("no_"+name+"_400_480", func(t *testing.T) { post(t, b.oid, drop(name)).wantError(t, 400, 480) })
	}
	for name, body := range map[string]string{"empty": "", "list": "[]", "truncated": `{"source":`, "no_json": "x"} {
		t.Run("body_"+name+"_400_480", func(t *testing.T) {
			n.p2p(t, p.oid).call("POST", "/messaging/send", body).wantError(t, 400, 480, 465)
		})
	}
	for _, c := range []struct {
		name, to string
		code     int
		edit     edit
	}{
		{"unknown_app_461", b.oid, 461, set("payload.appId", "weather")},
		{"unknown_version_462", b.oid, 462, set("payload.appVersion", "9.9")},
		{"unknown_schema_463", b.oid, 463, set("payload.schemaId", "letter")},
		{"wrong_payload_464", b.oid, 464, set("payload.data", `{}`)},
		{"payload_no_json_465", b.oid, 465, set("payload.data", `hello`)},
		{"payload_jose_465", b.oid, 465, set("payload.contentType", "application/jose")},
		{"unknown_destination_470", "1.2.3.4.8.7777", 470, label("x")},
		{"destination_at_another_peer_470", q.at(1), 470, label("x")},
		{"destination_at_the_peer_itself_470", p.at(2), 470, label("x")},
		{"source_of_another_peer_478", b.oid, 478, set("source", q.at(1))},
		{"source_is_another_node_478", b.oid, 478, set("source", q.oid)},
		{"source_is_the_receiving_node_478", b.oid, 478, set("source", n.oid)},
		{"source_is_a_local_client_478", b.oid, 478, set("source", n.clients[0])},
	} {
		t.Run(c.name, func(t *testing.T) { post(t, c.to, c.edit).wantError(t, 400, c.code) })
	}
	t.Run("nothing_refused_was_queued", func(t *testing.T) { n.as(t, b).quiet(0) })

	for _, k := range kinds {
		if k.app == "transport_layer_messages" {
			continue
		}
		t.Run("accepted/"+k.app+"/"+k.schema, func(t *testing.T) {
			post(t, b.oid, as(k.app, k.schema, k.good)).want(t, 200)
		})
	}
	t.Run("sequence_shared_with_local_senders", func(t *testing.T) {
		a, c := n.fresh(t), n.fresh(t)
		a.send(c.oid, label("1"))
		post(t, c.oid, label("2")).want(t, 200)
		a.send(c.oid, label("3"))
		if got := c.await(3, soon); labels(got) != "1 2 3" || got[2].SequenceID != 3 {
			t.Errorf("got %s with %v", labels(got), sequences(got))
		}
	})
	t.Run("resend_is_delivered_once", func(t *testing.T) {
		c := n.fresh(t)
		uuid, date := newUUID(), now()
		for range 3 {
			post(t, c.oid, id(uuid), set("sentDate", date)).want(t, 200)
		}
		if got := c.await(1, soon); len(got) != 1 {
			t.Errorf("%d messages", len(got))
		}
		c.commit(1)
		post(t, c.oid, id(uuid), set("sentDate", date)).want(t, 200)
		c.quiet(1)
	})
	t.Run("resend_with_other_bytes_400_491", func(t *testing.T) {
		c := n.fresh(t)
		uuid, date := newUUID(), now()
		post(t, c.oid, id(uuid), set("sentDate", date)).want(t, 200)
		post(t, c.oid, id(uuid), set("sentDate", date), label("changed")).wantError(t, 400, 491)
	})
	t.Run("same_id_from_another_peer_is_another_message", func(t *testing.T) {
		c := n.fresh(t)
		uuid := newUUID()
		post(t, c.oid, id(uuid)).want(t, 200)
		q.deliver(q.at(1), c.oid, id(uuid)).want(t, 200)
		if got := c.await(2, soon); len(got) != 2 {
			t.Errorf("%d messages", len(got))
		}
	})
	t.Run("status_200_goes_back_to_the_peer_signed", func(t *testing.T) {
		c := n.fresh(t)
		r := decode[item](t, post(t, c.oid, ack("ALL")).want(t, 200))
		c.await(1, soon)
		c.commit(1)
		p.in(t)
		p.waitFor(soon, "a delivery status", func() bool { return len(p.statuses(p.at(1))) == 1 })
		got := p.statuses(p.at(1))[0]
		if s := statusOf(t, got.message); s.RefMessageID != r.MessageID || s.Destination != c.oid || s.StatusCode != 200 || got.message.Source != n.oid {
			t.Errorf("status %s from %s", got.message.Payload.Data, got.message.Source)
		}
		if f, err := verify(&nodeKey().PublicKey, got.raw, got.message.Signature); f != reference {
			t.Errorf("the status is signed in form %q: %v", f, err)
		}
	})
	t.Run("no_504_for_messages_of_a_peer", func(t *testing.T) {
		t.Parallel()
		n, p := simulated(t)
		c := n.fresh(t)
		p.deliver(p.at(1), c.oid).want(t, 200) // a node's first message may take as long as a short one lives
		c.await(1, soon)
		m := decode[item](t, p.deliver(p.at(1), c.oid, ack("ALL"), timeout(3*shortest)).want(t, 200))
		c.await(2, soon)
		c.commit(1)
		time.Sleep(time.Until(m.expiry(t)) + afterwards)
		c.quiet(0)
		if got := p.statuses(p.at(1)); len(got) > 0 {
			t.Errorf("the receiver's node sent %s", got[0].message.Payload.Data)
		}
	})
	t.Run("expired_at_arrival_is_not_delivered", func(t *testing.T) {
		c := n.fresh(t)
		post(t, c.oid, set("sentDate", time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)), timeout(shortest))
		c.quiet(2)
	})
	t.Run("peer_account_without_oids", func(t *testing.T) {
		t.Parallel()
		const root = "1.2.3.4.26"
		p := newPeer(root+".8.0", root+".8.1")
		p.t = t
		p.open(t)
		t.Cleanup(p.down)
		n := start(t, spec{oid: root + ".0", clients: pool(root, 2), peers: []peerRef{p.ref("p")},
			accounts: []account{{"any", "peer-secret-1", "p2p", nil, ""}}})
		n.mustBe(t, 0)
		p.node = n.p2p(t, "any")
		p.deliver(p.at(1), n.clients[0]).want(t, 200)
		p.deliver(n.clients[1], n.clients[0]).wantError(t, 400, 478)
	})
}

// Messages between the nodes themselves.
func TestTransportMessages(t *testing.T) {
	t.Parallel()
	n, p := simulated(t)
	c := n.fresh(t)
	statusAt := func(t *testing.T, oid string) any {
		return decode[record](t, n.api(t, poolAccount).call("GET", "/registry/"+oid, nil).want(t, 200))["status"]
	}
	update := func(oid, status string) edit {
		return as("transport_layer_messages", "participant_availability_update", availability(oid, status))
	}
	post := func(t *testing.T, to string, edits ...edit) reply {
		m := message(p.oid, to, append([]edit{complete}, edits...)...)
		return n.p2p(t, p.oid).call("POST", "/messaging/send", m)
	}
	for _, f := range []form{reference, prose} {
		for _, status := range []string{"offline", "online", "unknown"} {
			t.Run(fmt.Sprintf("availability_%s_signed_in_%s_form", status, f), func(t *testing.T) {
				post(t, n.oid, update(p.at(1), status), signed(peerKey(), f)).want(t, 200)
				eventually(t, soon, "status "+status+" in the registry", func() bool { return statusAt(t, p.at(1)) == status })
			})
		}
	}
	t.Run("unsigned_where_the_record_allows_it", func(t *testing.T) {
		post(t, n.oid, update(p.at(1), "offline")).want(t, 200)
	})
	post(t, n.oid, update(p.at(1), "online"), signed(peerKey(), reference)).want(t, 200)
	eventually(t, soon, "status online in the registry", func() bool { return statusAt(t, p.at(1)) == "online" })
	wrong := map[string][]edit{
		"other_key":       {update(p.at(1), "offline"), signed(strangerKey(), reference)},
		"changed_payload": {update(p.at(1), "online"), signed(peerKey(), reference), update(p.at(1), "offline")},
		"garbage":         {update(p.at(1), "offline"), set("signature", "garbage")},
		"three_dots":      {update(p.at(1), "offline"), set("signature", "..")},
		"alg_none":        {update(p.at(1), "offline"), func(m record) { m["signature"] = unsignedJWT(record{}) }},
		"hs256":           {update(p.at(1), "offline"), func(m record) { m["signature"] = hs256(record{}, publicJWK(peerKey())["n"].(string)) }},
		"cut":             {update(p.at(1), "offline"), signed(peerKey(), reference), func(m record) { m["signature"] = m["signature"].(string)[:40] }},
		"other_source":    {update(p.at(1), "offline"), signed(peerKey(), reference), set("source", p.at(2)), set("source", p.oid), set("signature", "eyJhbGciOiJSUzI1NiJ9.eA.eA")},
	}
	for name, edits := range wrong {
		t.Run("wrong_signature/"+name+"_400_479", func(t *testing.T) {
			post(t, n.oid, edits...).wantError(t, 400, 479)
			if got := statusAt(t, p.at(1)); got != "online" {
				t.Errorf("status became %v all the same", got)
			}
		})
	}
	t.Run("app_message_to_a_client_is_not_verified", func(t *testing.T) {
		m := message(p.at(1), c.oid, complete, set("signature", "garbage"))
		p.node.call("POST", "/messaging/send", m).want(t, 200)
		c := n.as(t, c)
		c.await(1, soon)
		c.commit(1)
	})
	t.Run("status_to_a_client_is_passed_on_unverified", func(t *testing.T) {
		p.in(t)
		a := n.fresh(t)
		m := a.send(p.at(1), ack("ALL"))
		p.await(1, soon)
		post(t, a.oid, as("transport_layer_messages", "message_delivery_status", deliveryStatus(m.MessageID, p.at(1), 200)), set("signature", "garbage")).want(t, 200)
		a.awaitStatus(m, 200, soon)
	})
	t.Run("second_status_is_not_passed_on", func(t *testing.T) {
		p.in(t)
		a := n.fresh(t)
		m := a.send(p.at(1), ack("ALL"), label("twice"))
		p.waitFor(soon, "the message", func() bool { return strings.Contains(labels(p.got()), "twice") })
		for range 2 {
			post(t, a.oid, as("transport_layer_messages", "message_delivery_status", deliveryStatus(m.MessageID, p.at(1), 200)), signed(peerKey(), reference)).want(t, 200)
		}
		a.awaitStatus(m, 200, soon)
		a.commit(1)
		a.quiet(1)
	})
	t.Run("availability_never_reaches_clients", func(t *testing.T) {
		d := n.fresh(t)
		post(t, d.oid, update(p.at(1), "offline"), signed(peerKey(), reference)) // refused or swallowed
		d.quiet(1)
	})
	t.Run("availability_of_a_foreign_participant_changes_nothing", func(t *testing.T) {
		d := n.fresh(t)
		d.poll(1, 0)
		post(t, n.oid, update(d.oid, "unknown"), signed(peerKey(), reference))
		time.Sleep(200 * time.Millisecond)
		if got := statusAt(t, d.oid); got != "online" {
			t.Errorf("a peer changed the status of a local client from online to %v", got)
		}
	})
	t.Run("wrong_payload_464", func(t *testing.T) {
		post(t, n.oid, update(p.at(1), "asleep"), signed(peerKey(), reference)).wantError(t, 400, 464)
	})
	t.Run("app_message_to_the_node_400", func(t *testing.T) {
		r := post(t, n.oid, set("source", p.at(1)))
		r.wantError(t, 400, 466)
	})
}

func TestAvailability(t *testing.T) {
	t.Parallel()
	n, p := simulated(t)
	_, q := simulated(t)
	c := n.fresh(t)
	statusOfRecord := func(at caller, oid string) any { return registry(t, at)[oid]["status"] }
	if got := statusOfRecord(c.caller, c.oid); got == "online" {
		t.Errorf("status %v before the first poll", got)
	}
	c.poll(1, 0)
	t.Run("online_on_first_receive", func(t *testing.T) {
		for name, at := range map[string]caller{"client": n.api(t, poolAccount), "p2p": n.p2p(t, p.oid)} {
			eventually(t, soon, "status online in the registry of "+name, func() bool { return statusOfRecord(at, c.oid) == "online" })
		}
	})
	t.Run("pushed_to_all_peers", func(t *testing.T) {
		for _, x := range []*peer{p, q} {
			x.in(t)
			x.waitFor(pushed, "an availability update", func() bool { return len(x.updates(c.oid)) > 0 })
			m := x.updates(c.oid)[0]
			if m.message.Source != n.oid || m.message.Destinations[0] != x.oid || m.message.Payload.Data == "" {
				t.Errorf("update from %s to %s", m.message.Source, m.message.Destinations[0])
			}
			if d := cmp.Diff(map[string]any{"id": c.oid, "status": "online"}, decode[map[string]any](t, reply{body: []byte(m.message.Payload.Data)})); d != "" {
				t.Error(d)
			}
			if f, err := verify(&nodeKey().PublicKey, m.raw, m.message.Signature); f != reference {
				t.Errorf("signed in form %q: %v", f, err)
			}
		}
	})
	t.Run("not_repeated_with_each_poll", func(t *testing.T) {
		for range 5 {
			n.as(t, c).poll(1, 0)
		}
		time.Sleep(500 * time.Millisecond)
		if got := len(p.updates(c.oid)); got != 1 {
			t.Errorf("%d updates", got)
		}
	})
	t.Run("seen_at_another_node", func(t *testing.T) {
		a, b := pair(t)
		x := b.fresh(t)
		x.poll(1, 0)
		eventually(t, soon, "status online at the other node", func() bool {
			return registry(t, a.api(t, poolAccount))[x.oid]["status"] == "online"
		})
	})
	t.Run("peer_that_was_down_gets_the_update_later", func(t *testing.T) {
		t.Parallel()
		n, p := simulated(t)
		p.down()
		d := n.fresh(t)
		d.poll(1, 0)
		time.Sleep(time.Second)
		p.open(t)
		p.waitFor(35*time.Second, "the availability update", func() bool { return len(p.updates(d.oid)) > 0 })
	})
	t.Run("offline_after_60_s_without_poll", func(t *testing.T) {
		full(t, "waits 75 s")
		t.Parallel()
		n, p := simulated(t)
		d := n.fresh(t)
		d.poll(1, 0)
		begin := time.Now()
		p.waitFor(75*time.Second, "the second update", func() bool { return len(p.updates(d.oid)) == 2 })
		if took := time.Since(begin); took < 59*time.Second {
			t.Errorf("offline after %v", took)
		}
		if got := statusOfRecord(d.caller, d.oid); got != "offline" {
			t.Errorf("registry has %v", got)
		}
		d.poll(1, 0)
		p.waitFor(soon, "online again", func() bool { return len(p.updates(d.oid)) == 3 })
	})
	t.Run("held_poll_keeps_a_client_online", func(t *testing.T) {
		full(t, "waits 90 s")
		t.Parallel()
		n, p := simulated(t)
		d := n.fresh(t)
		for range 3 {
			d.poll(1, 30)
		}
		if got := len(p.updates(d.oid)); got != 1 {
			t.Errorf("%d updates", got)
		}
	})
}
