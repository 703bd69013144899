package conformance

import (
	"strings"
	"testing"
)

// told are what the 25 messages say of persons; every other byte may go on.
var told = []string{"Nowak", "Ewa", "Neznámý", "Müller", "3571", "Kowalski"}

// The rules of disclosure hold for what dispatch systems send to another node: as
// shipped, without any agreement.
func TestDisclosure(t *testing.T) {
	t.Parallel()
	const ruled, password = "ruled", "ruled-secret-1"
	from := pool("1.2.3.4.81", 12)
	nodes, err := federation(
		spec{oid: "1.2.3.4.81.0", clients: from[:2], accounts: []account{{ruled, password, "client", from[2:], ""}}, participants: records(from[2:])},
		spec{oid: "1.2.3.4.82.0", clients: pool("1.2.3.4.82", 12)})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		n.endsWith(t)
		n.explain(t)
	}
	x, y := nodes[0], nodes[1]
	next := 2
	sender := func(t *testing.T) client {
		next++
		return x.owned(t, ruled, from[next-1])
	}
	t.Run("every_message", func(t *testing.T) {
		a, b := sender(t), y.fresh(t)
		changed := ""
		for n, k := range kinds[:23] { // the last two are for nodes only
			sent := a.send(b.oid, as(k.app, k.schema, k.good), label("as it is"), set("signature", "aGVhZA.Ym9keQ.c2ln"))
			got := b.await(1, soon)[0]
			b.commit(int64(n + 1))
			if sent.Payload.Data != got.Payload.Data {
				t.Errorf("%s/%s: its sender was answered %s, its receiver got %s", k.app, k.schema, sent.Payload.Data, got.Payload.Data)
			}
			personal := false
			for _, word := range told {
				personal = personal || strings.Contains(k.good, word)
				if strings.Contains(got.Payload.Data+got.Description, word) {
					t.Errorf("%s/%s: %q crossed: %s", k.app, k.schema, word, got.Payload.Data)
				}
			}
			switch {
			case !personal:
				if got.Payload.Data != k.good || got.Signature == "" || got.Description != "as it is" {
					t.Errorf("%s/%s says nothing of persons and was changed: %+v", k.app, k.schema, got)
				}
			case !strings.Contains(got.Payload.Data, "[withheld:") || got.Signature != "":
				t.Errorf("%s/%s: without a mark, or with the signature of something else: %+v", k.app, k.schema, got)
			default:
				changed += " " + k.app + "/" + k.schema
			}
		}
		if want := " incident_transfer_with_patient/incident incident_transfer_police/incident patient_transfer/incident patient_transport/incident resource_request/resource_request"; changed != want {
			t.Errorf("changed were%s", changed)
		}
	})
	caller := as("incident_transfer", "incident", head+`,"missionLocation":`+place+`,"informers":[{"name":"Nejezchlebová","phone":"601 111 222"}],"issue":"Rückruf 601111222"}`)
	t.Run("the_number_is_there_and_can_be_requested", func(t *testing.T) {
		a, b := sender(t), y.fresh(t)
		a.send(b.oid, caller)
		data := b.await(1, soon)[0].Payload.Data
		if strings.Contains(data, "Nejezchlebová") || strings.Contains(data, "601") || !strings.Contains(data, "[withheld:callers ask]") {
			t.Error(data)
		}
	})
	t.Run("it_passes_where_a_life_is_in_danger", func(t *testing.T) {
		a, b := sender(t), y.fresh(t)
		const danger = head + `,"missionLocation":` + place + `,"informers":[{"name":"Nejezchlebová","phone":"601 111 222"}],"flashingLights":true}`
		a.send(b.oid, as("incident_transfer", "incident", danger))
		if got := b.await(1, soon)[0].Payload.Data; got != danger {
			t.Error(got)
		}
	})
	t.Run("no_border_within_the_node", func(t *testing.T) {
		a, b := sender(t), sender(t)
		a.send(b.oid, caller)
		if got := b.await(1, soon)[0].Payload.Data; !strings.Contains(got, "Nejezchlebová") {
			t.Error(got)
		}
	})
	t.Run("an_agreement_of_the_configuration", func(t *testing.T) {
		a, b := x.fresh(t), y.fresh(t)
		a.send(b.oid, caller)
		if got := b.await(1, soon)[0].Payload.Data; !strings.Contains(got, "Nejezchlebová") {
			t.Error(got)
		}
	})
	t.Run("what_cannot_be_read_does_not_cross", func(t *testing.T) {
		a, b := sender(t), y.fresh(t)
		many := strings.Repeat(`{"name":"x"},`, 30_000)
		a.trySend(b.oid, as("incident_transfer", "incident", head+`,"missionLocation":`+place+`,"informers":[`+strings.TrimSuffix(many, ",")+`]}`)).wantError(t, 400, 464)
		b.quiet(1)
	})
	t.Run("killed_and_repeated", func(t *testing.T) {
		a, b := sender(t), y.fresh(t)
		uuid := newUUID()
		first := a.send(b.oid, caller, id(uuid))
		x.restart(t)
		second := x.owned(t, ruled, a.oid).send(b.oid, caller, id(uuid))
		if first.Payload.Data != second.Payload.Data || first.SentDate != second.SentDate {
			t.Errorf("first %+v, then %+v", first, second)
		}
		x.owned(t, ruled, a.oid).trySend(b.oid, as("incident_transfer", "incident", first.Payload.Data), id(uuid)).wantError(t, 400, 491)
		got := b.await(1, soon)
		b.commit(1)
		if b.quiet(1); len(got) != 1 || got[0].Payload.Data != first.Payload.Data {
			t.Errorf("%d messages: %+v", len(got), got)
		}
	})
}

func records(oids []string) (all []record) {
	for _, oid := range oids {
		all = append(all, participant(oid))
	}
	return all
}
