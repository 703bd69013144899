package console

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/store"
)

// What goes wrong between two rooms at three in the morning.

// foreign sends what a dispatch system at the neighbour's says.
func (r *room) foreign(to, app, message string, data any) {
	r.t.Helper()
	b, err := json.Marshal(data)
	r.ok(err)
	_, err = r.system().Send(r.t.Context(), &ucri.Envelope{Source: system2, Destinations: []string{to},
		Payload: ucri.Payload{AppID: app, AppVersion: "1.0", SchemaID: message, ContentType: ucri.ContentJSON, Data: string(b)}})
	r.ok(err)
}

const sharedID = "00000000-0000-4000-8000-000000000001"

func (r *room) exec(query string, args ...any) {
	r.t.Helper()
	r.ok(r.db.Write(r.t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	}))
}

// A NUL in a word, or an endless one, is nothing a room may stop for.
func TestWordsThatNoColumnTakes(t *testing.T) {
	cz, de := newRooms(t)
	long := strings.Repeat("ř", 3000)
	where := map[string]any{"address": map[string]any{"street": "Hauptstraße", "city": "Zit\x00tau"}}
	de.foreign(room1, appIncident, msgIncident, map[string]any{"sharedIncidentId": sharedID, "sentByDispatcherAt": ucri.FormatTime(cz.clk.Now()),
		"missionLocation": where, "issue": "Brand", "classifications": []string{"Feuer\x00 " + long}})
	h := cz.state(sharedID, Ringing)
	row := cz.queue()[0]
	if strings.Contains(row.Type+row.Place, "\x00") || len([]rune(row.Type)) > bareRunes || !strings.HasPrefix(row.Type, "Feuer") {
		t.Errorf("%q in %q", row.Type, row.Place)
	}
	cz.ok(cz.Reject(t.Context(), cz.who("jana"), h.ID, "nemáme", ""))
	for _, request := range []string{"a\x00b", long} {
		de.foreign(room1, appRequest, msgRequest, map[string]any{"sharedIncidentId": sharedID, "sentByDispatcherAt": ucri.FormatTime(cz.clk.Now()),
			"missionLocation": where, "patients": []any{map[string]any{"name": "N"}},
			"requestedResources": []any{map[string]any{"resourceRequestId": request, "resourceType": "RTW", "resourceName": "RTW 1"}}})
	}
	cz.until("both requests ring", func() bool { cz.sync(); return len(cz.incident(sharedID).Handovers) == 3 })
}

// A message that can't be stored is shown as one, and what comes after it rings.
func TestOneMessageKeepsNoOtherFromTheScreen(t *testing.T) {
	cz, de := newRooms(t)
	if cz.db.Engine() != store.SQLite {
		t.Skip("the fault is made by a trigger of SQLite")
	}
	cz.exec(`CREATE TRIGGER fault BEFORE INSERT ON console_handover WHEN NEW.other = '` + system2 + `' BEGIN SELECT RAISE(ABORT, 'made to fail'); END`)
	de.foreign(room1, appIncident, msgIncident, map[string]any{"sharedIncidentId": sharedID, "sentByDispatcherAt": ucri.FormatTime(cz.clk.Now()),
		"missionLocation": map[string]any{"address": map[string]any{"street": "Markt", "city": "Zittau"}}, "issue": "Brand"})
	de.clk.Advance(time.Second)
	after, err := de.HandOver(t.Context(), de.who("max"), accident(room1))
	de.ok(err)
	cz.until("the failure is seen", func() bool { return cz.Sync(t.Context()) != nil })
	// People act while it fails.
	cz.ok(cz.acts(t.Context()))
	cz.until("both are on the screen", func() bool { cz.Sync(t.Context()); return len(cz.queue()) == 2 })
	if h := cz.incident(after).Handovers; len(h) != 1 || h[0].State != Ringing {
		t.Errorf("what came after it: %s", dump(h))
	}
	a := cz.only(CauseMessage)
	if a.Class != ClassA || a.Reason != "console.d.why.unread" {
		t.Errorf("%s", dump(a))
	}
	i := cz.incident(a.Incident)
	if len(i.Handovers) != 0 || len(i.Thread) != 1 || i.Thread[0].Form != FormOther {
		t.Errorf("%s", dump(i))
	}
	if n := cz.pageSize(cz.org.ID); n != page {
		t.Errorf("still reads %d at once", n)
	}
}

// acts is an action that touches no incident.
func (r *room) acts(ctx context.Context) error {
	return r.do(ctx, "test", r.who("jana"), func(*store.Tx, Org) error { return nil })
}

// A full disk is no fault of a message.
func TestFaultOfTheDatabaseHidesNoMessage(t *testing.T) {
	cz, de := newRooms(t)
	if cz.db.Engine() != store.SQLite {
		t.Skip("the fault is made by triggers of SQLite")
	}
	cz.exec(`CREATE TRIGGER fault BEFORE INSERT ON console_message BEGIN SELECT RAISE(ABORT, 'made to fail'); END`)
	de.clk.Advance(time.Second)
	id, err := de.HandOver(t.Context(), de.who("max"), accident(room1))
	de.ok(err)
	cz.until("it fails often", func() bool { cz.Sync(t.Context()); return cz.stuck[cz.org.ID].times > 2*giveUp })
	cz.exec(`DROP TRIGGER fault`)
	if h := cz.state(id, Ringing); h.State != Ringing || cz.queue()[0].Headline == "" {
		t.Errorf("%s", dump(cz.incident(id)))
	}
}

// "Seen" on what just came in is no way to silence it for ever.
func TestSeenIncomingRingsAgain(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	de.state(id, Ringing)
	de.ok(de.See(t.Context(), de.who("max"), de.only(CauseIncoming).ID))
	if h := de.incident(id).Handovers[0]; h.State != Opened || h.OpenedBy != "Max Krüger" {
		t.Errorf("%s", dump(h))
	}
	if s := de.strip(); s.Sound.Class != "" {
		t.Errorf("it still sounds: %s", dump(s))
	}
	de.clk.Advance(undecidedAfter + time.Second)
	de.tick()
	if s := de.strip(); s.Sound.Class != ClassA {
		t.Errorf("nobody decided, and it is silent: %s", dump(s))
	}
}

// What comes while somebody decides is not silenced by his decision.
func TestDecidingSilencesOnlyWhatWasDecided(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	first := de.state(id, Ringing)
	de.ok(de.Open(t.Context(), de.who("max"), id))
	cz.ok(cz.RequestResources(t.Context(), cz.who("jana"), id, Resources{To: []string{room2}, Want: []Request{{Type: "RTW"}}}, ""))
	de.until("the request rings", func() bool { de.sync(); return len(de.incident(id).Handovers) == 2 })
	de.ok(de.Accept(t.Context(), de.who("max"), first.ID, Confirm{}, ""))
	if a := de.only(CauseIncoming); !a.Seen.IsZero() || de.strip().Sound.Class == "" {
		t.Errorf("the request is silent: %s", dump(a))
	}
	if n := de.incident(id).Unseen; n != 1 {
		t.Errorf("%d unseen messages, want the request", n)
	}
}

// They accepted, and then their ambulance broke down; later they found another.
func TestTheirMindCanChange(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(system2))
	i := cz.incident(id)
	ack := func(status, cause string) {
		cz.clk.Advance(time.Minute)
		de.foreign(room1, appIncident, msgAck, wireAck{SharedID: i.SharedID, At: ucri.FormatTime(cz.clk.Now()), Status: status, Cause: cause})
	}
	ack(ackAccepted, "Max")
	cz.state(id, Accepted)
	ack(ackRejected, "RTW defekt")
	if h := cz.state(id, Rejected); h.Reason != "RTW defekt" {
		t.Errorf("%s", dump(h))
	}
	if s := cz.strip(); s.Sound.Class != ClassA {
		t.Errorf("nobody is told: %s", dump(s))
	}
	ack(ackAccepted, "Max")
	cz.state(id, Accepted)
}

// A text about what is over is in no row of the queue, so it is an alarm.
func TestTextAboutWhatIsOver(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	in := de.state(id, Ringing)
	de.ok(de.Accept(t.Context(), de.who("max"), in.ID, Confirm{}, ""))
	cz.state(id, Accepted)
	de.ok(de.Text(t.Context(), de.who("max"), id, nil, "Fahrzeug ist vor Ort.", ""))
	cz.until("it comes", func() bool { cz.sync(); return len(cz.incident(id).Thread) == 4 })
	for _, a := range cz.strip().Alarms {
		if a.Cause == CauseMessage && a.Class != ClassC {
			t.Errorf("what tells something rings: %s", dump(a))
		}
	}
	de.ok(de.Complete(t.Context(), de.who("max"), in.ID, "", ""))
	cz.state(id, Completed)
	de.ok(de.Text(t.Context(), de.who("max"), id, nil, "Straße gesperrt, Hubschrauber nötig.", ""))
	cz.until("it comes", func() bool { cz.sync(); return len(cz.incident(id).Thread) == 6 })
	if s := cz.strip(); s.Sound.Class != ClassB {
		t.Errorf("nobody is told: %s", dump(s))
	}
}

// What only tells something leaves the strip by itself, and reading is a press.
func TestWhatOnlyTellsGoesBySelf(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	in := de.state(id, Ringing)
	de.ok(de.Accept(t.Context(), de.who("max"), in.ID, Confirm{}, ""))
	cz.state(id, Accepted)
	if a := cz.only(CauseAnswer); a.Class != ClassC {
		t.Fatalf("%s", dump(a))
	}
	cz.clk.Advance(calmAfter)
	cz.tick()
	cz.none(CauseAnswer)
	if n := cz.incident(id).Unseen; n == 0 {
		t.Fatal("nothing to read")
	}
	cz.ok(cz.Text(t.Context(), cz.who("jana"), id, nil, "Díky.", ""))
	if n := cz.incident(id).Unseen; n != 0 {
		t.Errorf("%d unread after an answer", n)
	}
}

// Three rejections are three incidents to be handed elsewhere.
func TestRejectionsAreNotOne(t *testing.T) {
	now := time.Now()
	var in []Alarm
	for n := range repeats {
		in = append(in, Alarm{ID: itoa(int64(n)), Class: ClassB, Cause: CauseAnswer, Incident: "i" + itoa(int64(n)),
			Neighbour: Neighbour{OID: room2}, Raised: now.Add(time.Duration(n) * time.Second)})
	}
	if out := merge(in, false); len(out) != repeats {
		t.Errorf("%d alarms of %d", len(out), repeats)
	}
}

// A full queue shows what rings.
func TestFullQueueShowsWhatRings(t *testing.T) {
	cz, de := newRooms(t)
	for range 3 {
		cz.handOver(accident(room2))
		cz.clk.Advance(time.Second)
	}
	last, err := de.HandOver(t.Context(), de.who("max"), accident(room1))
	de.ok(err)
	cz.state(last, Ringing)
	q, err := cz.Queue(t.Context(), cz.org.ID, Filter{Limit: 2})
	cz.ok(err)
	if len(q.Rows) != 2 || q.Rows[0].ID != last || q.Open != 4 {
		t.Errorf("%d of %d rows, the first %s", len(q.Rows), q.Open, q.Rows[0].ID)
	}
}

// One rejects, another one accepts: the row says accepted.
func TestAcceptedElsewhere(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	in := de.state(id, Ringing)
	de.ok(de.Reject(t.Context(), de.who("max"), in.ID, "kein Fahrzeug", ""))
	cz.state(id, Rejected)
	d := accident(system2)
	d.Incident = id
	cz.handOver(d)
	if r := cz.queue()[0]; r.State != Rejected {
		t.Errorf("before anybody else answered the row says %s", r.State)
	}
	de.foreign(room1, appIncident, msgAck, wireAck{SharedID: cz.incident(id).SharedID, At: ucri.FormatTime(cz.clk.Now()), Status: ackAccepted})
	cz.until("the row says accepted", func() bool { cz.sync(); return cz.queue()[0].State == Accepted })
	// A text goes to who has to do with it, and not to who rejected.
	cz.ok(cz.Text(t.Context(), cz.who("jana"), id, nil, "Jsou na cestě?", ""))
	thread := cz.incident(id).Thread
	if last := thread[len(thread)-1]; last.Neighbour.OID != system2 || thread[len(thread)-2].Form == FormText {
		t.Errorf("%s", dump(thread))
	}
}

// While the tables are built anew an answer may not have been read again yet.
func TestNoTelephoneNowWhileRebuilding(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	de.state(id, Ringing)
	cz.state(id, Read)
	cz.clk.Advance(DefaultDanger + time.Second)
	cz.exec(`UPDATE console_position SET rebuilding = 1 WHERE org = $1`, cz.org.ID)
	cz.ok(cz.Tick(t.Context()))
	cz.none(CauseTelephone)
	cz.exec(`UPDATE console_position SET rebuilding = 0 WHERE org = $1`, cz.org.ID)
	cz.ok(cz.Tick(t.Context()))
	cz.only(CauseTelephone)
}

// One room's trouble keeps no other from its alarms.
func TestTickGoesOn(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	de.state(id, Ringing)
	cz.state(id, Read)
	cz.clk.Advance(DefaultDanger + time.Second)
	cz.sync()
	ill := Org{ID: "ill", Addresses: []string{test1}}
	cz.Organisations = func(context.Context) ([]Org, error) { return []Org{ill, cz.org}, nil }
	cz.exec(`INSERT INTO console_neighbour (org, oid, numbers, langs, after_ms, else_ms) VALUES ('ill', $1, 'no JSON', '', 0, 0)`, room2)
	cz.exec(`INSERT INTO console_alarm (org, id, kind, class, cause, incident, handover, other, reason, raised_at, waiting_at, step, seen_at, seen_by,
		ended_at, ended_by, escalated_at, second_at, shelved_until, shelved_by, note, key_id)
		VALUES ('ill', 'x', 'live', 'A', 'telephone', '', 0, $1, '', 1, 1, 0, 0, '', 0, '', 0, 0, 0, '', $2, 0)`, room2, []byte{})
	if err := cz.Tick(t.Context()); err == nil {
		t.Error("the ill room is not told of")
	}
	cz.only(CauseTelephone)
}

// A claim that is over leaves nothing behind.
func TestClaimsGo(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	de.state(id, Ringing)
	de.ok(de.Claim(t.Context(), de.who("max"), id))
	de.clk.Advance(claimLife + time.Second)
	de.ok(de.beat(t.Context(), true))
	if n := de.count(`SELECT COUNT(*) FROM console_claim`); n != 0 {
		t.Errorf("%d claims", n)
	}
}

// The number that was dialled is confirmed, not the one a colleague has gone on to.
func TestReachedConfirmsTheNumberThatWasDialled(t *testing.T) {
	cz, de := newRooms(t)
	cz.ok(cz.SetRoom(t.Context(), cz.who("jana"), room2, RoomSettings{Phone: "+49 3571 112", NextPhone: []string{"+49 3571 113"}}))
	id := cz.handOver(accident(room2))
	de.state(id, Ringing)
	cz.state(id, Read)
	cz.clk.Advance(DefaultDanger + time.Second)
	cz.tick()
	a := cz.only(CauseTelephone)
	shown := a.Phone
	cz.ok(cz.NoAnswer(t.Context(), cz.who("petr"), a.ID, "n1"))
	cz.ok(cz.Reached(t.Context(), cz.who("jana"), a.ID, shown, "Frau Weber", "r1"))
	var number string
	cz.read(func(tx *store.Tx) error {
		return tx.Row(`SELECT number FROM console_call WHERE outcome = $1`, string(CallReached)).Scan(&number)
	})
	if number != shown {
		t.Errorf("confirmed %q, dialled %q", number, shown)
	}
}

// A screen that can't be drawn does not look alive.
func TestNoBeatWithoutDrawing(t *testing.T) {
	h := newHub(&Pages{Service: &Service{Deps: Deps{Clock: clock.Fake(time.Now())}}})
	c := &channel{drawn: time.Now()}
	if h.stale(c) {
		t.Error("stale at once")
	}
	c.drawn = time.Now().Add(-3*pulse - time.Second)
	if !h.stale(c) {
		t.Error("alive although nothing was drawn")
	}
}

// What somebody has opened is not told outside any more.
func TestOpenedAlarmIsTakenBack(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	de.state(id, Ringing)
	de.clk.Advance(secondAfter + time.Second)
	de.tick()
	if len(de.told) != 1 || len(de.back) != 0 {
		t.Fatalf("told %d, taken back %d", len(de.told), len(de.back))
	}
	de.ok(de.Open(t.Context(), de.who("max"), id))
	if len(de.back) == 0 || de.back[0] != de.told[0].ID {
		t.Errorf("taken back %v of %s", de.back, de.told[0].ID)
	}
}

// One night alone destroys nothing: its clock may be wrong.
func TestTwoNightsAgree(t *testing.T) {
	cz, _ := newRooms(t)
	_, err := cz.SaveDraft(t.Context(), cz.who("jana"), accident(room2))
	cz.ok(err)
	drafts := func() int64 { return cz.count(`SELECT COUNT(*) FROM console_draft`) }
	cz.clk.Advance(400 * 24 * time.Hour)
	cz.ok(cz.Erase(t.Context(), job.Job{}))
	if drafts() != 1 {
		t.Error("one night destroyed it")
	}
	cz.clk.Advance(24 * time.Hour)
	cz.ClockWrong = func(context.Context) (bool, error) { return true, nil }
	if err := cz.Erase(t.Context(), job.Job{}); err == nil || drafts() != 1 {
		t.Errorf("with a wrong clock: %v, %d drafts", err, drafts())
	}
	cz.ClockWrong = nil
	cz.ok(cz.Erase(t.Context(), job.Job{}))
	if drafts() != 0 {
		t.Error("two nights agree, and it is still there")
	}
}
