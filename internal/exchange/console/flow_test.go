package console

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// A whole incident between two control rooms, from both sides.
func TestIncidentBetweenTwoRooms(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))

	in := de.state(id, Ringing)
	out := cz.state(id, Read)
	if out.Receipt.Stored.IsZero() || out.Receipt.Delivered.IsZero() && out.Receipt.Read.IsZero() || !out.Receipt.Accepted.IsZero() {
		// Their console has taken it; nobody there has looked at it.
		t.Errorf("receipts: %s", dump(out.Receipt))
	}
	row := de.queue()[0]
	if row.Type != "dopravní nehoda" || row.Place != "Hrádek nad Nisou" || row.Headline != "Osobní auto a nákladní auto" || *row.Injured != 3 ||
		row.Name != "Liberec" || !row.Incoming || row.Class != ClassA || row.State != Ringing || !row.Danger || row.Kind != store.Live || row.Unseen != 1 {
		t.Errorf("row: %s", dump(row))
	}
	facts := de.incident(id).Facts
	if facts.Address != "Žitavská 12, 46334 Hrádek nad Nisou, CZ" || facts.Lang != i18n.Cs || len(facts.Remarks) != 1 || facts.Callers[0].Phone == "" || !facts.HasPoint {
		t.Errorf("facts: %s", dump(facts))
	}
	if s := de.strip(); len(s.Alarms) != 1 || s.Sound.Class != ClassA || s.Accept != 1 {
		t.Errorf("strip: %s", dump(s))
	}

	de.ok(de.Open(t.Context(), de.who("max"), id))
	if s := de.strip(); s.Sound.Class != "" || len(s.Alarms) != 0 {
		t.Errorf("opening did not silence it: %s", dump(s))
	}
	de.ok(de.Accept(t.Context(), de.who("max"), in.ID, Confirm{Place: "hrádek  nad Nisou", Injured: wounded(3)}, "k1"))
	got := cz.state(id, Accepted)
	if got.Receipt.AcceptedBy != "Max Krüger" || got.DecidedBy != "Max Krüger" || got.Receipt.Accepted.IsZero() {
		t.Errorf("acceptance: %s", dump(got))
	}
	cz.until("the confirmation arrives", func() bool { cz.sync(); return cz.incident(id).Handovers[0].Confirmed != nil })
	if i := cz.incident(id); len(i.Mismatch) != 0 || i.Differs || *i.Handovers[0].Confirmed.Injured != 3 {
		t.Errorf("a mismatch is seen where there is none: %s", dump(i.Mismatch))
	}
	if s := cz.strip(); s.Sound.Class != ClassC {
		t.Errorf("an acceptance is %q, want C", s.Sound.Class)
	}

	cz.ok(cz.Text(t.Context(), cz.who("jana"), id, nil, "Přijedete z jihu?", "k2"))
	de.until("the text arrives", func() bool { de.sync(); return len(de.incident(id).Thread) == 4 })
	thread := de.incident(id).Thread
	if last := thread[3]; last.Lines[0].Text != "Přijedete z jihu?" || !last.Incoming || last.Form != FormText {
		t.Errorf("thread: %s", dump(last))
	}
	if s := de.strip(); s.Sound.Class != ClassB {
		t.Errorf("a question is %q, want B", s.Sound.Class)
	}
	if st := de.incident(id).State; st != InProgress {
		t.Errorf("after a text it is %s", st)
	}
	de.ok(de.Complete(t.Context(), de.who("max"), in.ID, "Hotovo", "k3"))
	end := cz.state(id, Completed)
	if end.Reason != "Hotovo" || !end.Closed {
		t.Errorf("end: %s", dump(end))
	}
	if rows := cz.queue(); len(rows) != 0 {
		t.Errorf("a completed incident is still in the queue: %s", dump(rows))
	}
	q, err := cz.Queue(t.Context(), cz.org.ID, Filter{Closed: true})
	cz.ok(err)
	if len(q.Rows) != 1 || q.ClosedToday != 1 {
		t.Errorf("closed: %s", dump(q))
	}
	var keys []string
	for _, e := range de.incident(id).Events {
		keys = append(keys, strings.TrimPrefix(e.Key, "console.d.event."))
		if text := de.Texts.Text(i18n.De, e.Key, e.Args); strings.Contains(text, "⟦") || strings.Contains(text, "{") {
			t.Errorf("event %s: %q", e.Key, text)
		}
	}
	for _, want := range []string{"in.incident", "open", "accept", "confirm", "in.text", "complete"} {
		if !slices.Contains(keys, want) {
			t.Errorf("the course of events %v lacks %q", keys, want)
		}
	}
}

// A system's receipt is never a person's acceptance.
func TestMachineReceiptIsNoAcceptance(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(system2))
	c := de.system()
	var got []ucri.Received
	cz.until("the system receives", func() bool {
		var err error
		got, err = c.Receive(t.Context(), ucri.ReceiveRequest{Destinations: []string{system2}, MaxDelay: 1})
		return err == nil && len(got) > 0
	})
	delivered := cz.state(id, Delivered)
	if !delivered.Receipt.Read.IsZero() {
		t.Error("read before the system committed")
	}
	cz.ok(c.Commit(t.Context(), ucri.MessageRef{Destination: system2, SequenceID: got[0].SequenceID}))
	h := cz.state(id, Read)
	if !h.Receipt.Accepted.IsZero() || h.DecidedBy != "" || !h.State.Undecided() {
		t.Errorf("a receipt was taken for a person: %s", dump(h))
	}
	cz.clk.Advance(61 * time.Second)
	cz.tick()
	if s := cz.strip(); len(s.Alarms) != 1 || s.Alarms[0].Cause != CauseTelephone {
		t.Errorf("nobody accepted, and nobody is told: %s", dump(s))
	}
}

func TestReject(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	in := de.state(id, Ringing)
	de.refused(de.Reject(t.Context(), de.who("max"), in.ID, "  ", ""), problem.Invalid, "console.d.refuse.reason")
	de.ok(de.Reject(t.Context(), de.who("max"), in.ID, "kein Fahrzeug frei", ""))
	h := cz.state(id, Rejected)
	if h.Reason != "kein Fahrzeug frei · Max Krüger" {
		t.Errorf("reason %q", h.Reason)
	}
	if s := cz.strip(); s.Sound.Class != ClassA {
		t.Errorf("a rejection in danger to life is %q", s.Sound.Class)
	}
	if len(cz.queue()) != 1 || len(de.queue()) != 0 {
		t.Error("rejected: ours to hand elsewhere, theirs no more")
	}
	cz.ok(cz.Close(t.Context(), cz.who("jana"), id))
	if len(cz.queue()) != 0 {
		t.Error("not put away")
	}
}

// Two desks decide at once: exactly one wins, the other one learns who.
func TestTwoDesksOneDecision(t *testing.T) {
	cz, de := newRooms(t)
	for round := range 5 {
		id := cz.handOver(accident(room2))
		in := de.state(id, Ringing)
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for n, person := range []string{"max", "ida"} {
			wg.Go(func() {
				if n == 0 {
					errs[n] = de.Accept(t.Context(), de.who(person), in.ID, Confirm{Place: "x"}, "")
				} else {
					errs[n] = de.Reject(t.Context(), de.who(person), in.ID, "nein", "")
				}
			})
		}
		wg.Wait()
		winner, loser := 0, 1
		if errs[0] != nil {
			winner, loser = 1, 0
		}
		if errs[winner] != nil {
			t.Fatal("nobody won: ", errs)
		}
		key := "console.d.refuse.accepted"
		if winner == 1 {
			key = "console.d.refuse.rejected"
		}
		p := de.refused(errs[loser], problem.Conflict, key)
		if want := []string{"Max Krüger", "Ida Lehmann"}[winner]; p.Args["name"] != want {
			t.Errorf("round %d: the loser is told %v, want %s", round, p.Args["name"], want)
		}
		if n := de.count(`SELECT COUNT(*) FROM console_message WHERE incident = $1 AND message = 'acknowledgement'`, id); n != 1 {
			t.Errorf("%d answers left", n)
		}
	}
}

func TestClaim(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	de.state(id, Ringing)
	de.ok(de.Claim(t.Context(), de.who("max"), id))
	de.ok(de.Claim(t.Context(), de.who("max"), id))
	if p := de.refused(de.Claim(t.Context(), de.who("ida"), id), problem.Conflict, "console.d.refuse.claimed"); p.Args["name"] != "Max Krüger" {
		t.Errorf("claimed by %v", p.Args["name"])
	}
	if c := de.queue()[0].Claim; c == nil || c.Name != "Max Krüger" {
		t.Errorf("claim in the queue: %+v", c)
	}
	de.clk.Advance(claimLife + time.Second)
	if c := de.queue()[0].Claim; c != nil {
		t.Errorf("the claim of somebody who went away stays: %+v", c)
	}
	de.ok(de.Claim(t.Context(), de.who("ida"), id))
	de.ok(de.Unclaim(t.Context(), de.who("ida"), id))
	de.ok(de.Claim(t.Context(), de.who("max"), id))
}

// Between nodes of ours a differing confirmation is shown to both.
func TestMismatchIsShownToBoth(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	in := de.state(id, Ringing)
	de.ok(de.Accept(t.Context(), de.who("max"), in.ID, Confirm{Place: "Zittau", Injured: wounded(2)}, ""))
	cz.until("the confirmation arrives", func() bool { cz.sync(); return cz.incident(id).Differs })
	want := []Mismatch{{"place", "Hrádek nad Nisou", "Zittau", "Hoyerswerda"}, {"injured", "3", "2", "Hoyerswerda"}}
	if got := cz.incident(id).Mismatch; !slices.Equal(got, want) {
		t.Errorf("the sender sees %s", dump(got))
	}
	for i := range want {
		want[i].Neighbour = "Liberec"
	}
	if got := de.incident(id).Mismatch; !slices.Equal(got, want) || !de.incident(id).Differs {
		t.Errorf("the receiver sees %s", dump(got))
	}
	if s := cz.strip(); s.Sound.Class != ClassB {
		t.Errorf("a mismatch sounds %q", s.Sound.Class)
	}
	if !cz.queue()[0].Differs {
		t.Error("the queue does not show it")
	}
}

// Text as another system writes it is shown as it came.
func TestForeignTextStaysAsItCame(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(system2))
	cz.state(id, Delivered)
	data, _ := json.Marshal(map[string]any{"sharedIncidentId": id, "notifications": []any{
		map[string]any{"timestamp": "2026-03-14T07:31:05Z", "message": "Übernommen, 2 Verletzte"}}})
	_, err := de.system().Send(t.Context(), &ucri.Envelope{Source: system2, Destinations: []string{room1},
		Payload: ucri.Payload{AppID: appText, AppVersion: "1.0", SchemaID: msgText, ContentType: ucri.ContentJSON, Data: string(data)}})
	cz.ok(err)
	cz.until("the text arrives", func() bool { cz.sync(); return len(cz.incident(id).Thread) == 2 })
	i := cz.incident(id)
	if i.Thread[1].Form != FormText || i.Thread[1].Lines[0].Text != "Übernommen, 2 Verletzte" || i.Handovers[0].Confirmed != nil || !i.Handovers[0].State.Undecided() {
		t.Errorf("%s", dump(i))
	}
}

func TestSeveralNeighboursOneIncident(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2, system2, room2))
	i := cz.incident(id)
	if len(i.Handovers) != 2 || i.More != 1 {
		t.Fatalf("%d hand-overs", len(i.Handovers))
	}
	in := de.state(id, Ringing)
	de.ok(de.Accept(t.Context(), de.who("max"), in.ID, Confirm{}, ""))
	cz.state(id, Accepted)
	// One accepted; the other one still waits, and the row says so.
	if row := cz.queue()[0]; row.State == Accepted || !row.State.Undecided() {
		t.Errorf("the row shows %s", row.State)
	}
}

// The same form sent twice sends once.
func TestDoubleClickSendsOnce(t *testing.T) {
	cz, de := newRooms(t)
	d := accident(room2)
	d.Once = "form-1"
	first, second := cz.handOver(d), cz.handOver(d)
	if first != second || first == "" {
		t.Errorf("%q and %q", first, second)
	}
	in := de.state(first, Ringing)
	for range 2 {
		de.ok(de.Accept(t.Context(), de.who("max"), in.ID, Confirm{}, "form-2"))
	}
	for range 2 {
		de.ok(de.Text(t.Context(), de.who("max"), first, nil, "Fahren los", "form-3"))
	}
	if n := de.count(`SELECT COUNT(*) FROM console_message WHERE incoming = 0`); n != 3 {
		t.Errorf("%d messages left, want acknowledgement, confirmation and text", n)
	}
	// A refused attempt does not use the key up.
	bad := Draft{To: []string{room2}, Once: "form-4"}
	if _, err := cz.HandOver(t.Context(), cz.who("jana"), bad); err == nil {
		t.Fatal("an empty draft left")
	}
	d.Once = "form-4"
	if again := cz.handOver(d); again == first || again == "" {
		t.Error("the corrected form did not send")
	}
}

// Every app of UCRI 2 appears, and those that ask for an answer ring.
func TestEveryAppAppears(t *testing.T) {
	cz, de := newRooms(t)
	c := de.system()
	send := func(app, message string, data any) {
		t.Helper()
		b, _ := json.Marshal(data)
		if _, err := c.Send(t.Context(), &ucri.Envelope{Source: system2, Destinations: []string{room1},
			Payload: ucri.Payload{AppID: app, AppVersion: "1.0", SchemaID: message, ContentType: ucri.ContentJSON, Data: string(b)}}); err != nil {
			t.Fatal(app, message, err)
		}
	}
	id := func(n int) string { return "00000000-0000-4000-8000-00000000000" + itoa(int64(n)) }
	now := ucri.FormatTime(cz.clk.Now())
	where := map[string]any{"address": map[string]any{"street": "Hauptstraße", "city": "Zittau"}}
	core := func(n int, more map[string]any) map[string]any {
		m := map[string]any{"sharedIncidentId": id(n), "sentByDispatcherAt": now}
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	patient := map[string]any{"name": "Novák", "surname": "Karel", "phone": "1", "age": 40}
	send(appIncident, msgIncident, core(1, map[string]any{"missionLocation": where, "issue": "Brand"}))
	send(appPatients, msgIncident, core(2, map[string]any{"missionLocation": where, "patients": []any{patient, patient}}))
	send(appPolice, msgIncident, core(3, map[string]any{"missionLocation": where, "victimPersons": []any{map[string]any{"name": "A"}}}))
	send(appPatient, msgIncident, core(4, map[string]any{"patient": patient, "issue": "consultation_needed"}))
	send(appTransport, msgIncident, core(5, map[string]any{"patient": map[string]any{"name": "N"}, "pickupLocation": where, "destinationLocation": where,
		"pickupTime": now, "arrivalTime": now}))
	send(appRequest, msgRequest, core(6, map[string]any{"missionLocation": where, "patients": []any{map[string]any{"name": "N"}},
		"requestedResources": []any{map[string]any{"resourceRequestId": "r1", "resourceType": "RTW", "resourceName": "RTW"}}}))
	send(appText, msgText, map[string]any{"sharedIncidentId": id(7), "notifications": []any{map[string]any{"timestamp": now, "message": "Hallo"}}})
	send("classification_catalogue", "request", map[string]any{"requestId": id(8)})
	send("resource_type_catalogue", "request", map[string]any{"requestId": id(9)})
	cz.until("eight are there", func() bool { cz.sync(); return len(cz.queue()) == 8 })
	// The ninth needs nobody: our catalogue answers it. It may come after the others.
	cz.until("the catalogue arrives", func() bool {
		cz.sync()
		cz.ok(cz.Units.Tick(t.Context()))
		got, err := c.Receive(t.Context(), ucri.ReceiveRequest{Destinations: []string{system2}, MaxDelay: 1})
		return err == nil && len(got) > 0 && got[0].Envelope.Payload.SchemaID == "response" && strings.Contains(got[0].Envelope.Payload.Data, id(9)) &&
			strings.Contains(got[0].Envelope.Payload.Data, "F-LADDER")
	})
	seen := map[string]State{}
	for _, r := range cz.queue() {
		seen[r.App] = r.State
		if r.State != Ringing {
			t.Errorf("%s is %s", r.App, r.State)
		}
		i := cz.incident(r.ID)
		if len(i.Thread) != 1 || i.Name == "" {
			t.Errorf("%s: %s", r.App, dump(i))
		}
		cz.ok(cz.Open(t.Context(), cz.who("jana"), r.ID))
		for _, h := range cz.incident(r.ID).Handovers {
			cz.ok(cz.Accept(t.Context(), cz.who("jana"), h.ID, Confirm{Place: "Zittau"}, ""))
		}
	}
	if len(seen) != 8 {
		t.Errorf("apps: %v", seen)
	}
	for _, r := range cz.queue() {
		if r.State != Accepted {
			t.Errorf("%s is %s after its acceptance", r.App, r.State)
		}
	}
	if i := cz.incident(id(2)); i.Injured == nil || *i.Injured != 2 || len(i.Facts.Patients) != 2 || i.Facts.Patients[0].Name != "Karel Novák" {
		t.Errorf("patients: %s", dump(i.Facts))
	}
	if s := cz.strip(); len(s.Alarms) != 0 {
		t.Errorf("alarms left: %s", dump(s.Alarms))
	}
}

func TestResources(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	in := de.state(id, Ringing)
	de.ok(de.Accept(t.Context(), de.who("max"), in.ID, Confirm{}, ""))
	cz.state(id, Accepted)
	cz.ok(cz.RequestResources(t.Context(), cz.who("jana"), id, Resources{To: []string{room2},
		Want: []Request{{Type: "RTW", Name: "sanitka"}, {Type: "RTH", Name: "vrtulník"}}, Comment: "Prosíme o rychlost"}, ""))
	var ask Handover
	de.until("the request arrives", func() bool {
		de.sync()
		hs := de.incident(id).Handovers
		if len(hs) == 2 {
			ask = hs[1]
		}
		return len(hs) == 2
	})
	if ask.App != appRequest || ask.State != Ringing || len(ask.Requests) != 2 {
		t.Fatalf("request: %s", dump(ask))
	}
	rtw, rth := ask.Requests[0].ID, ask.Requests[1].ID
	de.refused(de.AnswerRequest(t.Context(), de.who("max"), ask.ID, Answer{Request: rtw, Status: ResourceGranted}, ""), problem.Invalid, "console.d.refuse.units")
	de.ok(de.AnswerRequest(t.Context(), de.who("max"), ask.ID, Answer{Request: rth, Status: ResourceRefused, Comment: "Nebel"}, ""))
	de.ok(de.AnswerRequest(t.Context(), de.who("max"), ask.ID, Answer{Request: rtw, Status: ResourceGranted, Units: []Unit{{Name: "RTW Zittau 1", Type: "RTW"}}}, ""))
	de.ok(de.AnswerRequest(t.Context(), de.who("max"), ask.ID, Answer{Request: rtw, Status: ResourceDeployed, Units: []Unit{{Name: "RTW Zittau 1", Type: "RTW"}}}, ""))
	if h := de.incident(id).Handovers[1]; h.State != Accepted || h.DecidedBy != "Max Krüger" {
		t.Errorf("their side: %s", dump(h))
	}
	var got map[string]Resource
	cz.until("the answers arrive", func() bool {
		cz.sync()
		got = map[string]Resource{}
		for _, r := range cz.incident(id).Resources {
			got[r.ID] = r
		}
		return got[rtw].Status == ResourceDeployed && got[rth].Status == ResourceRefused
	})
	if r := got[rtw]; len(r.Deployed) != 1 || len(r.Granted) != 1 || r.Deployed[0].Name != "RTW Zittau 1" || r.Request.Name != "sanitka" || r.Neighbour.Name != "Hoyerswerda" || r.Incoming {
		t.Errorf("granted: %s", dump(r))
	}
	if got[rth].Comment != "Nebel" {
		t.Errorf("refused: %s", dump(got[rth]))
	}
	if h := cz.incident(id).Handovers[1]; h.State != Accepted {
		t.Errorf("a request of which a part is granted is %s", h.State)
	}
}

// The kind is that of the addresses, and both kinds keep apart.
func TestTestTrafficIsMarked(t *testing.T) {
	cz, de := newRooms(t)
	cz.until("the test desk is known", func() bool { return cz.node.SameKind(test1, test2) })
	id := cz.handOver(accident(test2))
	if !strings.HasPrefix(id, "test-") {
		t.Errorf("id %s", id)
	}
	de.state(id, Ringing)
	if r := de.queue()[0]; r.Kind != store.Test {
		t.Errorf("kind %s", r.Kind)
	}
	if s := de.strip(); s.Sound.Kind != store.Test || s.Alarms[0].Kind != store.Test {
		t.Errorf("the alarm is %s", s.Sound.Kind)
	}
	q, _ := de.Queue(t.Context(), de.org.ID, Filter{})
	if !slices.Equal(q.Kinds, []store.Kind{store.Test}) {
		t.Errorf("kinds %v", q.Kinds)
	}
}

// Each organisation sees and changes its own only.
func TestForeignOrganisation(t *testing.T) {
	cz, de := newRooms(t)
	other := Org{ID: "bautzen", Name: "Bautzen", Country: "DE", Lang: i18n.De, Addresses: []string{system2}}
	de.Organisations = func(context.Context) ([]Org, error) { return []Org{de.org, other}, nil }
	id := cz.handOver(accident(room2))
	in := de.state(id, Ringing)
	stranger := Actor{Person: "ida", Org: "bautzen"}
	for name, err := range map[string]error{
		"open":   de.Open(t.Context(), stranger, id),
		"accept": de.Accept(t.Context(), stranger, in.ID, Confirm{}, ""),
		"reject": de.Reject(t.Context(), stranger, in.ID, "x", ""),
		"text":   de.Text(t.Context(), stranger, id, nil, "x", ""),
		"claim":  de.Claim(t.Context(), stranger, id),
		"close":  de.Close(t.Context(), stranger, id),
		"raw":    func() error { _, err := de.Raw(t.Context(), stranger, in.ID); return err }(),
		"read":   func() error { _, err := de.Incident(t.Context(), "bautzen", id); return err }(),
	} {
		if problem.KindOf(err) != problem.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := de.Open(t.Context(), Actor{Person: "ida", Org: "nowhere"}, id); problem.KindOf(err) != problem.NotFound {
		t.Errorf("an organisation that does not exist: %v", err)
	}
	if err := de.Open(t.Context(), Actor{Org: de.org.ID}, id); problem.KindOf(err) != problem.Unauthenticated {
		t.Errorf("nobody: %v", err)
	}
	body, err := de.Raw(t.Context(), de.who("ida"), in.ID)
	de.ok(err)
	if !strings.Contains(string(body), "incident_transfer") {
		t.Error("the raw envelope is not it")
	}
}

// The projection can be thrown away: what persons did is kept.
func TestRebuildGivesTheSame(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	in := de.state(id, Ringing)
	de.ok(de.Open(t.Context(), de.who("ida"), id))
	de.ok(de.Accept(t.Context(), de.who("max"), in.ID, Confirm{Place: "Zittau", Injured: wounded(1)}, ""))
	cz.state(id, Accepted)
	cz.ok(cz.Text(t.Context(), cz.who("jana"), id, nil, "Děkujeme", ""))
	second := cz.handOver(accident(system2))
	cz.state(second, Delivered)
	cz.clk.Advance(2 * time.Minute)
	cz.tick()
	alarm := cz.strip().Alarms[0]
	cz.ok(cz.Reached(t.Context(), cz.who("jana"), alarm.ID, "", "paní Weber", ""))
	de.until("the text arrives", func() bool { de.sync(); return len(de.incident(id).Thread) == 4 })
	cz.until("the confirmation arrives", func() bool { cz.sync(); return len(cz.incident(id).Thread) == 4 })
	cz.until("our text is read", func() bool { cz.sync(); return !cz.incident(id).Thread[3].Receipt.Read.IsZero() })
	cz.state(second, Telephoned)
	settled(cz, de) // nothing changes between the two readings
	for _, r := range []*room{cz, de} {
		before := map[string]string{}
		for _, i := range []string{id, second} {
			if v, err := r.Incident(t.Context(), r.org.ID, i); err == nil {
				before[i] = dump(v)
			}
		}
		alarms := dump(r.strip().Alarms)
		r.ok(r.Rebuild(t.Context(), r.org.ID))
		r.sync()
		for i, want := range before {
			if got := dump(r.incident(i)); got != want {
				t.Errorf("%s %s was\n%s\nis\n%s", r.org.ID, i, want, got)
			}
		}
		if got := dump(r.strip().Alarms); got != alarms {
			t.Errorf("alarms were %s, are %s", alarms, got)
		}
	}
}

// Two projections of one feed at once make one of it.
func TestProjectionIsExactlyOnce(t *testing.T) {
	cz, de := newRooms(t)
	for range 5 {
		cz.handOver(accident(room2))
	}
	twin := New(de.deps)
	de.until("all are there", func() bool {
		var wg sync.WaitGroup
		for _, s := range []*Service{de.Service, twin} {
			wg.Go(func() {
				if err := s.Sync(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		return de.count(`SELECT COUNT(*) FROM console_handover`) == 5
	})
	if n := de.count(`SELECT COUNT(*) FROM console_message`); n != 5 {
		t.Errorf("%d messages", n)
	}
	if n := de.count(`SELECT COUNT(*) FROM exchange_message WHERE state = 'queued'`); n != 0 {
		t.Errorf("%d are not taken", n)
	}
}

// What a dispatch system's account serves, a console beside it only watches.
func TestConsoleBesideADispatchSystem(t *testing.T) {
	cz, de := newRooms(t)
	de.org.Addresses = append(de.org.Addresses, system2)
	de.here()
	id := cz.handOver(accident(system2))
	de.state(id, Ringing)
	if n := de.count(`SELECT COUNT(*) FROM exchange_message WHERE state = 'queued' AND destination = $1`, system2); n != 1 {
		t.Error("the console took it from the system")
	}
	got, err := de.system().Receive(t.Context(), ucri.ReceiveRequest{Destinations: []string{system2}})
	de.ok(err)
	if len(got) != 1 {
		t.Errorf("the system receives %d", len(got))
	}
	if de.node.Served(room2) || !de.node.Served(system2) {
		t.Error("served is wrong")
	}
}

func TestContentDeleted(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	in := de.state(id, Ringing)
	de.ok(de.Accept(t.Context(), de.who("max"), in.ID, Confirm{Place: "Zittau"}, ""))
	de.state(id, Accepted)
	de.clk.Advance(time.Minute)
	at := de.clk.Now()
	de.ok(de.db.Write(t.Context(), func(tx *store.Tx) error {
		var key int64
		if err := tx.Row(`SELECT key_id FROM console_incident WHERE id = $1`, id).Scan(&key); err != nil {
			return err
		}
		return de.ring.Destroy(tx, key)
	}))
	check := func(when string) {
		t.Helper()
		i := de.incident(id)
		if !i.Deleted.Equal(at) || i.Facts != nil || i.Headline != "" || i.Type != "dopravní nehoda" || i.Place != "Hrádek nad Nisou" || i.State != Accepted {
			t.Errorf("%s: %s", when, dump(i))
		}
		for _, e := range i.Thread {
			if !e.Deleted || len(e.Lines) != 0 {
				t.Errorf("%s: thread %s", when, dump(e))
			}
		}
		if b := dump(i); strings.Contains(b, "Karel") || strings.Contains(b, "nákladní") {
			t.Errorf("%s: content is left: %s", when, b)
		}
	}
	check("after deletion")
	de.ok(de.Rebuild(t.Context(), de.org.ID))
	de.sync()
	check("after a rebuild")
	_, err := de.Raw(t.Context(), de.who("max"), in.ID)
	de.refused(err, problem.NotFound, "console.d.refuse.deleted")
}

func TestDrafts(t *testing.T) {
	cz, de := newRooms(t)
	d := accident(room2)
	d.Raw = map[string]string{"place": "Hrádek"}
	id, err := cz.SaveDraft(t.Context(), cz.who("jana"), d)
	cz.ok(err)
	d.ID, d.Issue = id, "Změněno"
	if again, err := cz.SaveDraft(t.Context(), cz.who("jana"), d); err != nil || again != id {
		t.Fatal(again, err)
	}
	got, err := cz.Draft(t.Context(), cz.who("jana"), id)
	cz.ok(err)
	if got.Issue != "Změněno" || got.Raw["place"] != "Hrádek" || *got.Injured != 3 || got.Updated.IsZero() {
		t.Errorf("draft: %s", dump(got))
	}
	if n := cz.count(`SELECT COUNT(*) FROM console_draft WHERE body LIKE '%Karel%'`); n != 0 {
		t.Error("the draft is not sealed")
	}
	_, err = cz.Draft(t.Context(), cz.who("petr"), id)
	cz.refused(err, problem.NotFound, "console.d.refuse.no_draft")
	_, err = cz.SaveDraft(t.Context(), cz.who("petr"), d)
	cz.refused(err, problem.NotFound, "console.d.refuse.no_draft")
	incident := cz.handOver(got)
	if list, err := cz.Drafts(t.Context(), cz.who("jana")); err != nil || len(list) != 0 {
		t.Errorf("sent and still a draft: %v %v", list, err)
	}
	de.state(incident, Ringing)
	second, err := cz.SaveDraft(t.Context(), cz.who("jana"), accident())
	cz.ok(err)
	cz.ok(cz.DropDraft(t.Context(), cz.who("jana"), second))
	if n := cz.count(`SELECT COUNT(*) FROM seal_key WHERE subject LIKE 'draft:%' AND wrapped IS NOT NULL`); n != 0 {
		t.Errorf("%d keys of drafts are left", n)
	}
}

func TestDraftLacks(t *testing.T) {
	cz, _ := newRooms(t)
	for _, c := range []struct {
		name string
		edit func(*Draft)
		want string
	}{
		{"no receiver", func(d *Draft) { d.To = nil }, "no_receiver"},
		{"no place", func(d *Draft) { d.Place, d.Street, d.HasPoint = "", "", false }, "place"},
		{"nothing happened", func(d *Draft) { d.Type, d.Issue = "", " " }, "what"},
		{"negative", func(d *Draft) { d.Injured = wounded(-1) }, "injured"},
		{"patients", func(d *Draft) { d.App = appPatients }, "patients"},
		{"advice", func(d *Draft) { d.App = appPatient }, "patient_phone"},
		{"transport", func(d *Draft) { d.App = appTransport }, "transport"},
		{"request", func(d *Draft) { d.App = appRequest }, "resources"},
	} {
		d := accident(room2)
		c.edit(&d)
		_, err := cz.HandOver(t.Context(), cz.who("jana"), d)
		cz.refused(err, problem.Invalid, "console.d.refuse."+c.want)
	}
	_, err := cz.HandOver(t.Context(), cz.who("jana"), accident("1.2.3.4.5"))
	cz.refused(err, problem.Invalid, "exchange.refuse.unknown_destination")
}

// Every draft becomes a message that passes its schema.
func TestBuildIsValid(t *testing.T) {
	now := time.Date(2026, 3, 14, 7, 31, 5, 0, time.UTC)
	shared := "00000000-0000-4000-8000-000000000001"
	patient := []Person{{Name: "Karel Novák", Phone: "+420 600 000 000", Note: "40"}}
	place := Location{City: "Zittau", Postal: "02763"}
	for name, d := range map[string]Draft{
		"full":      accident(),
		"village":   {Place: "Bílý Potok", Issue: "požár"},
		"point":     {HasPoint: true, Lat: 50.1, Lon: 14.2, Type: "požár"},
		"patients":  {App: appPatients, Place: "Zittau", Issue: "x", Patients: patient},
		"police":    {App: appPolice, Place: "Zittau", Issue: "x"},
		"advice":    {App: appPatient, Patients: patient, Issue: "Otrava"},
		"transport": {App: appTransport, Patients: patient, Pickup: place, Destination: place, PickupAt: now, ArrivalAt: now},
		"nobody":    {App: appTransport, Pickup: place, PickupAt: now, ArrivalAt: now},
		"request":   {App: appRequest, Place: "Zittau", Issue: "x", Want: []Request{{ID: "1", Type: "RTW", Name: "sanitka"}}},
	} {
		app, message, data := build(d, shared, i18n.Cs, now, "neznámo")
		e := letter(room1, room2, app, message, data)
		if bad := ucri.CheckData(&e.Payload); bad != nil {
			t.Errorf("%s: %v\n%s", name, bad, e.Payload.Data)
		}
		f := facts(e)
		if d.Injured != nil && (f.Injured == nil || *f.Injured != *d.Injured) || f.Danger != d.Danger || f.Lang != i18n.Cs {
			t.Errorf("%s: facts %s", name, dump(f))
		}
	}
}

// A confirmation is understood in each language by each console.
func TestConfirmationInEveryLanguage(t *testing.T) {
	s := &Service{Deps: Deps{Texts: texts(t)}}
	for _, l := range i18n.Langs {
		for _, c := range []Confirm{{Place: "Hrádek: u mostu", Injured: wounded(0)}, {Place: "Zittau"}} {
			text := s.confirmText(l, c)
			got := s.readConfirm([]wireRemark{{Message: text}})
			if got == nil || got.Place != c.Place || (got.Injured == nil) != (c.Injured == nil) || c.Injured != nil && *got.Injured != *c.Injured {
				t.Errorf("%s: %q is read as %s", l, text, dump(got))
			}
		}
		if f := s.formOf([]wireRemark{{Message: s.Texts.Text(l, lineTelephone, nil) + "\nx"}}); f != FormTelephone {
			t.Errorf("%s: %s", l, f)
		}
	}
	if s.readConfirm([]wireRemark{{Message: "Převzato"}}) != nil {
		t.Error("any text is a confirmation")
	}
	if s.readConfirm(nil) != nil {
		t.Error("nothing is a confirmation")
	}
}
