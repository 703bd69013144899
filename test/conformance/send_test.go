package conformance

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// transportViolations are edits that break the transport schema of an envelope,
// in both APIs.
var transportViolations = map[string]edit{
	"no_source":               drop("source"),
	"no_destinations":         drop("destinations"),
	"no_payload":              drop("payload"),
	"no_app_id":               drop("payload.appId"),
	"no_app_version":          drop("payload.appVersion"),
	"no_schema_id":            drop("payload.schemaId"),
	"no_content_type":         drop("payload.contentType"),
	"no_data":                 drop("payload.data"),
	"no_destination":          set("destinations", []any{}),
	"two_destinations":        set("destinations", []any{otherOID, deafOID}),
	"destinations_text":       set("destinations", otherOID),
	"destinations_null":       set("destinations", nil),
	"destination_number":      set("destinations", []any{12}),
	"destination_no_oid":      set("destinations", []any{"liberec"}),
	"source_no_oid":           set("source", "1.2.a"),
	"source_empty":            set("source", ""),
	"source_number":           set("source", 1.2),
	"message_id_no_uuid":      id("42"),
	"message_id_number":       set("messageId", 42),
	"sent_date_no_time":       set("sentDate", "yesterday"),
	"sent_date_without_zone":  set("sentDate", "2026-03-14T07:31:05"),
	"sent_date_number":        set("sentDate", 1700000000),
	"timeout_9":               timeout(9),
	"timeout_86401":           timeout(86401),
	"timeout_negative":        timeout(-1),
	"timeout_fraction":        set("timeout", 60.5),
	"timeout_text":            set("timeout", "60"),
	"timeout_huge":            set("timeout", 1e300),
	"ack_unknown":             ack("SOME"),
	"ack_lower_case":          ack("all"),
	"ack_bool":                set("ack", true),
	"tags_text":               set("tags", "a"),
	"tags_numbers":            set("tags", []any{1}),
	"description_object":      set("description", record{}),
	"signature_number":        set("signature", 1),
	"payload_text":            set("payload", "x"),
	"payload_list":            set("payload", []any{}),
	"data_object":             set("payload.data", record{"a": 1}),
	"app_id_number":           set("payload.appId", 1),
	"content_type_text_plain": set("payload.contentType", "text/plain"),
}

func TestSend(t *testing.T) {
	t.Parallel()
	n := solo(t)
	a, b := n.fresh(t), n.fresh(t)
	incident := kinds[0]

	for name, e := range transportViolations {
		t.Run(name+"_400_460", func(t *testing.T) {
			a := client{n.api(t, poolAccount), n, a.oid}
			a.trySend(b.oid, e).wantError(t, 400, 460)
		})
	}

	codes := []struct {
		name string
		to   string
		code int
		edit edit
	}{
		{"unknown_app_461", b.oid, 461, set("payload.appId", "weather")},
		{"app_is_case_sensitive_461", b.oid, 461, set("payload.appId", "Notification_Text")},
		{"unknown_version_462", b.oid, 462, set("payload.appVersion", "9.9")},
		{"version_1_is_not_1.0_462", b.oid, 462, set("payload.appVersion", "1")},
		{"unknown_schema_463", b.oid, 463, set("payload.schemaId", "letter")},
		{"schema_of_another_app_463", b.oid, 463, set("payload.schemaId", "incident")},
		{"wrong_payload_464", b.oid, 464, set("payload.data", `{}`)},
		{"payload_list_464", b.oid, 464, set("payload.data", `[]`)},
		{"payload_null_464", b.oid, 464, set("payload.data", `null`)},
		{"payload_extra_member_464", b.oid, 464, set("payload.data", strings.Replace(notification("x"), `{`, `{"x":1,`, 1))},
		{"payload_no_json_465", b.oid, 465, set("payload.data", `hello`)},
		{"payload_truncated_465", b.oid, 465, set("payload.data", notification("x")[:40])},
		{"payload_empty_465", b.oid, 465, set("payload.data", ``)},
		{"payload_two_values_465", b.oid, 465, set("payload.data", `{}{}`)},
		{"payload_jose_465", b.oid, 465, set("payload.contentType", "application/jose")},
		{"app_not_supported_466", deafOID, 466, label("x")},
		{"version_not_supported_466", nextOID, 466, as(incident.app, incident.schema, incident.good)},
		{"status_from_client_467", b.oid, 467, as("transport_layer_messages", "message_delivery_status", deliveryStatus(incidentUUID, b.oid, 200))},
		{"availability_from_client_467", b.oid, 467, as("transport_layer_messages", "participant_availability_update", availability(b.oid, "offline"))},
		{"transport_to_the_node_467", soloOID, 467, as("transport_layer_messages", "participant_availability_update", availability(b.oid, "offline"))},
		{"message_not_supported_468", pickyOID, 468, as("incident_transfer", "completion", endGood)},
		{"unknown_destination_470", strangerOID, 470, label("x")},
		{"destination_above_a_known_one_470", "1.2.3.4.5", 470, label("x")},
		{"foreign_source_478", b.oid, 478, set("source", otherOID)},
		{"source_is_the_node_478", b.oid, 478, set("source", soloOID)},
		{"source_below_own_oid_478", b.oid, 478, func(m record) { m["source"] = m["source"].(string) + ".1" }},

		{"order/470_before_478", strangerOID, 470, set("source", otherOID)},
		{"order/460_before_470", strangerOID, 460, timeout(9)},
		{"order/461_before_464", b.oid, 461, func(m record) { as("weather", "notification", `{}`)(m) }},
		{"order/462_before_463", b.oid, 462, func(m record) { set("payload.appVersion", "9.9")(m); set("payload.schemaId", "letter")(m) }},
		{"order/466_before_464", deafOID, 466, set("payload.data", `{}`)},
		{"order/466_before_465", deafOID, 466, set("payload.data", `hello`)},
		{"order/468_before_464", pickyOID, 468, as("incident_transfer", "completion", endBad)},
		{"order/465_before_464", b.oid, 465, func(m record) { set("payload.contentType", "application/jose")(m); set("payload.data", `{}`)(m) }},
		{"order/478_before_464", b.oid, 478, func(m record) { set("source", otherOID)(m); set("payload.data", `{}`)(m) }},
	}
	for _, c := range codes {
		t.Run(c.name, func(t *testing.T) {
			a := client{n.api(t, poolAccount), n, a.oid}
			a.trySend(c.to, c.edit).wantError(t, 400, c.code)
		})
	}

	t.Run("nothing_refused_was_queued", func(t *testing.T) { n.as(t, b).quiet(0) })
	t.Run("supported_message_beside_unsupported", func(t *testing.T) {
		n.as(t, a).send(pickyOID, as("incident_transfer", "acknowledgement", ackGood))
	})

	bodies := map[string]any{
		"empty": "", "no_json": "hello", "list": "[]", "null": "null", "text": `"text"`, "number": "1",
		"truncated": `{"source":"` + a.oid + `","desti`, "trailing_garbage": `{} x`, "xml": "<message/>",
		"single_quotes": "{'source':'1'}", "comment": "{/* */}", "bom_only": "\ufeff",
	}
	for name, body := range bodies {
		t.Run("body_"+name+"_400_460", func(t *testing.T) {
			n.api(t, poolAccount).call("POST", "/messaging/send", body).wantError(t, 400, 460, 465)
		})
	}
}

// as is a client seen from a subtest.
func (n *node) as(t testing.TB, c client) client { return client{n.api(t, poolAccount), n, c.oid} }

func TestSendAccepted(t *testing.T) {
	t.Parallel()
	n := solo(t)
	for _, k := range kinds {
		if k.app == "transport_layer_messages" {
			continue
		}
		t.Run(k.app+"/"+k.schema, func(t *testing.T) {
			t.Parallel()
			a, b := n.fresh(t), n.fresh(t)
			a.trySend(b.oid, as(k.app, k.schema, k.bad)).wantError(t, 400, 464)
			a.send(b.oid, as(k.app, k.schema, k.good))
			got := b.await(1, soon)
			if len(got) != 1 || got[0].Payload.Data != k.good || got[0].Payload.SchemaID != k.schema {
				t.Errorf("got %+v", got)
			}
		})
	}
	a, b := n.fresh(t), n.fresh(t)
	for _, seconds := range []int{10, 86400} {
		t.Run(fmt.Sprintf("timeout_%d", seconds), func(t *testing.T) {
			if got := n.as(t, a).send(b.oid, timeout(seconds)).Timeout; got != seconds {
				t.Errorf("timeout %d", got)
			}
		})
	}
	t.Run("defaults_filled", func(t *testing.T) {
		m := n.as(t, a).send(b.oid)
		if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(m.MessageID) {
			t.Errorf("messageId %q", m.MessageID)
		}
		sent, err := time.Parse(time.RFC3339Nano, m.SentDate)
		if d := time.Since(sent); err != nil || d < -time.Second || d > soon {
			t.Errorf("sentDate %q: %v", m.SentDate, err)
		}
		if m.Timeout != 3600 || m.Ack != "NONE" {
			t.Errorf("timeout %d, ack %s", m.Timeout, m.Ack)
		}
	})
	t.Run("echo_is_the_full_envelope", func(t *testing.T) {
		m := message(a.oid, b.oid, complete, label("předání č. 7"), ack("ALL"), timeout(600), set("tags", []any{"a", "ž"}), set("signature", "not.checked.here"))
		got := decode[record](t, n.api(t, poolAccount).call("POST", "/messaging/send", m).want(t, 200))
		m["timeout"] = 600.0
		if d := cmp.Diff(m, got); d != "" {
			t.Errorf("-sent +echo:\n%s", d)
		}
	})
	t.Run("client_sent_date_kept", func(t *testing.T) {
		date := time.Now().Add(-2 * time.Second).In(time.FixedZone("", 7200)).Format("2006-01-02T15:04:05.000-07:00")
		c, d := n.fresh(t), n.fresh(t)
		if got := c.send(d.oid, set("sentDate", date)).SentDate; got != date {
			t.Errorf("echo has %s, sent %s", got, date)
		}
		if got := d.await(1, soon)[0].SentDate; got != date {
			t.Errorf("receiver has %s, sent %s", got, date)
		}
	})
	t.Run("client_message_id_kept", func(t *testing.T) {
		uuid := newUUID()
		if got := n.as(t, a).send(b.oid, id(uuid)).MessageID; got != uuid {
			t.Errorf("got %s", got)
		}
	})
	t.Run("unknown_envelope_member", func(t *testing.T) {
		n.as(t, a).send(b.oid, set("priority", record{"level": 3}))
	})
	t.Run("unknown_payload_member", func(t *testing.T) {
		n.as(t, a).send(b.oid, set("payload.note", "x"))
	})
	t.Run("client_signature_is_not_checked", func(t *testing.T) {
		n.as(t, a).send(b.oid, signed(strangerKey(), prose))
	})
	t.Run("to_oneself", func(t *testing.T) {
		c := n.fresh(t)
		c.send(c.oid, label("note"))
		if got := labels(c.await(1, soon)); got != "note" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("account_with_several_oids_as_each", func(t *testing.T) {
		c := n.fresh(t)
		n.owned(t, "other", otherOID).send(c.oid, label("1"))
		n.owned(t, "other", sharedOID).send(c.oid, label("2"))
		if got := c.await(2, soon); got[0].Source != otherOID || got[1].Source != sharedOID {
			t.Errorf("sources %s, %s", got[0].Source, got[1].Source)
		}
	})
	t.Run("payload_bytes_kept", func(t *testing.T) {
		c, d := n.fresh(t), n.fresh(t)
		data := strings.Replace(notification("ř \u2028 \\u0041 </script>"), ",", " ,\n\t", 1)
		c.send(d.oid, set("payload.data", data))
		if got := d.await(1, soon)[0].Payload.Data; got != data {
			t.Errorf("got  %q\nsent %q", got, data)
		}
	})
}

func TestResend(t *testing.T) {
	t.Parallel()
	n := solo(t)
	pairOf := func(t *testing.T) (a, b client) { return n.fresh(t), n.fresh(t) }
	uuid := newUUID()
	t.Run("same_message_is_delivered_once", func(t *testing.T) {
		a, b := pairOf(t)
		m := message(a.oid, b.oid, complete, id(uuid))
		first := a.call("POST", "/messaging/send", m).want(t, 200)
		again := a.call("POST", "/messaging/send", m).want(t, 200)
		if d := cmp.Diff(decode[record](t, first), decode[record](t, again)); d != "" {
			t.Errorf("the replay echoes something else:\n%s", d)
		}
		a.send(b.oid, label("next"))
		if got := b.await(2, soon); len(got) != 2 || got[1].SequenceID != 2 || got[1].Description != "next" {
			t.Errorf("got %v %s", sequences(got), labels(got))
		}
	})
	t.Run("request_without_sent_date_too", func(t *testing.T) {
		a, b := pairOf(t)
		uuid := newUUID()
		first := a.send(b.oid, id(uuid))
		if again := a.send(b.oid, id(uuid)); again.SentDate != first.SentDate {
			t.Errorf("the replay has sentDate %s, the first %s", again.SentDate, first.SentDate)
		}
		if got := b.await(1, soon); len(got) != 1 {
			t.Errorf("%d messages", len(got))
		}
	})
	t.Run("after_commit_not_delivered_again", func(t *testing.T) {
		a, b := pairOf(t)
		uuid := newUUID()
		a.send(b.oid, id(uuid))
		b.await(1, soon)
		b.commit(1)
		a.send(b.oid, id(uuid))
		b.quiet(1)
	})
	t.Run("other_bytes_400_491", func(t *testing.T) {
		a, b := pairOf(t)
		uuid := newUUID()
		a.send(b.oid, id(uuid), label("first"))
		a.trySend(b.oid, id(uuid), label("second")).wantError(t, 400, 491)
		a.trySend(b.oid, id(uuid), label("first"), set("payload.data", notification("x"))).wantError(t, 400, 491)
		if got := b.await(1, soon); labels(got) != "first" {
			t.Errorf("got %s", labels(got))
		}
	})
	t.Run("same_id_of_another_source_is_another_message", func(t *testing.T) {
		a, b := pairOf(t)
		c := n.fresh(t)
		uuid := newUUID()
		a.send(b.oid, id(uuid), label("a"))
		c.send(b.oid, id(uuid), label("c"))
		if got := labels(b.await(2, soon)); got != "a c" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("same_id_to_another_destination_is_another_message", func(t *testing.T) {
		a, b := pairOf(t)
		c := n.fresh(t)
		uuid := newUUID()
		a.send(b.oid, id(uuid), label("b"))
		a.send(c.oid, id(uuid), label("c"))
		if got := labels(b.await(1, soon)) + labels(c.await(1, soon)); got != "bc" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("many_at_the_same_moment", func(t *testing.T) {
		a, b := pairOf(t)
		m := message(a.oid, b.oid, complete)
		parallel(20, func(int) { a.call("POST", "/messaging/send", m).wantStatus(t, 200) })
		if got := b.await(1, soon); len(got) != 1 {
			t.Errorf("%d messages", len(got))
		}
	})
}
