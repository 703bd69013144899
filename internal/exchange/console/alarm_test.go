package console

import (
	"slices"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// only returns the one alarm of a cause.
func (r *room) only(c Cause) Alarm {
	r.t.Helper()
	var found []Alarm
	for _, a := range r.strip().Alarms {
		if a.Cause == c {
			found = append(found, a)
		}
	}
	if len(found) != 1 {
		r.t.Fatalf("%d alarms %s: %s", len(found), c, dump(r.strip()))
	}
	return found[0]
}

func (r *room) none(c Cause) {
	r.t.Helper()
	for _, a := range r.strip().Alarms {
		if a.Cause == c {
			r.t.Fatalf("alarm %s: %s", c, dump(a))
		}
	}
}

func TestTelephoneNow(t *testing.T) {
	for _, c := range []struct {
		name   string
		danger bool
		set    RoomSettings
		after  time.Duration
	}{
		{"danger to life", true, RoomSettings{}, DefaultDanger},
		{"else", false, RoomSettings{}, DefaultElse},
		{"set for this neighbour", true, RoomSettings{After: 20 * time.Second}, 20 * time.Second},
		{"set, else", false, RoomSettings{AfterElse: 100 * time.Second}, 100 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			cz, de := newRooms(t)
			cz.ok(cz.SetRoom(t.Context(), cz.who("petr"), room2, c.set))
			d := accident(room2)
			d.Danger = c.danger
			id := cz.handOver(d)
			in := de.state(id, Ringing)
			cz.state(id, Read)
			cz.clk.Advance(c.after - time.Second)
			cz.tick()
			cz.none(CauseTelephone)
			cz.clk.Advance(time.Second)
			cz.tick()
			a := cz.only(CauseTelephone)
			if a.Class != ClassA || a.Phone != "+49 3571 112" || a.Reason != "console.d.why.nobody" || !a.PhoneOld || a.Name != "Hoyerswerda" ||
				a.Headline == "" || a.Place != "Hrádek nad Nisou" || !a.Waiting.Equal(a.Raised.Add(-c.after)) {
				t.Errorf("%s", dump(a))
			}
			if r := cz.queue()[0]; !r.Nobody || r.Class != ClassA {
				t.Errorf("row: %s", dump(r))
			}
			// It can't be closed, and seeing it is not enough.
			cz.refused(cz.See(t.Context(), cz.who("jana"), a.ID), problem.Conflict, "console.d.refuse.needs_outcome")
			cz.refused(cz.Shelve(t.Context(), cz.who("jana"), a.ID, "x", 5*time.Minute), problem.Conflict, "console.d.refuse.shelve_a")
			cz.ok(cz.Open(t.Context(), cz.who("jana"), id))
			if s := cz.strip().Sound; s.Class != ClassA {
				t.Errorf("opening silenced it: %q", s.Class)
			}
			// A person there accepts after all: it ends by itself and says so.
			de.ok(de.Accept(t.Context(), de.who("max"), in.ID, Confirm{}, ""))
			cz.state(id, Accepted)
			a = cz.only(CauseTelephone)
			if a.Ended.IsZero() || a.EndedBy != "Hoyerswerda" || cz.strip().Sound.Class == ClassA {
				t.Errorf("after the acceptance: %s", dump(cz.strip()))
			}
			cz.ok(cz.See(t.Context(), cz.who("jana"), a.ID))
			cz.none(CauseTelephone)
		})
	}
}

func TestTelephoneAtOnce(t *testing.T) {
	t.Run("the room is offline", func(t *testing.T) {
		cz, _ := newRooms(t)
		id := cz.handOver(accident(room2, system2)) // nobody polls for system2
		cz.tick()
		cz.until("the alarm", func() bool { cz.tick(); return len(cz.strip().Alarms) > 0 })
		a := cz.only(CauseTelephone)
		if a.OID != system2 || a.Reason != "console.d.why.offline" || a.Incident != id {
			t.Errorf("%s", dump(a))
		}
	})
	t.Run("the line is down", func(t *testing.T) {
		cz, de := newRooms(t)
		de.stopServe()
		id := cz.handOver(accident(room2))
		cz.until("the line is noticed", func() bool {
			return cz.count(`SELECT COUNT(*) FROM exchange_peer WHERE down_since > 0`) == 1
		})
		cz.tick()
		cz.none(CauseTelephone) // it may be a restart
		cz.clk.Advance(linkGrace)
		cz.tick()
		a := cz.only(CauseTelephone)
		if a.Reason != "console.d.why.link" || a.Incident != id {
			t.Errorf("%s", dump(a))
		}
		if h := cz.incident(id).Handovers[0]; h.State != HandedOver || h.Receipt.NextTry.IsZero() {
			t.Errorf("the next try is not told: %s", dump(h.Receipt))
		}
		// The line itself becomes an alarm too, and one that latches.
		cz.clk.Advance(linkAlarm)
		cz.tick()
		link := cz.only(CauseLink)
		if link.Class != ClassB || link.OID != "de" {
			t.Errorf("%s", dump(link))
		}
		de.serve(de.node)
		cz.until("the line is up", func() bool { cz.tick(); return !cz.only(CauseLink).Ended.IsZero() })
		cz.ok(cz.See(t.Context(), cz.who("jana"), link.ID))
		cz.none(CauseLink)
		de.state(id, Ringing)
	})
	t.Run("the node refuses", func(t *testing.T) {
		cz, de := newRooms(t)
		// The register was read; meanwhile the room has left there.
		de.stopNode()
		de.stopServe()
		cfg := de.cfg
		cfg.Participants = []any{record(system2, "Bautzen")}
		node, err := exchange.New(t.Context(), cfg, de.edeps)
		de.ok(err)
		de.serve(node)
		id := cz.handOver(accident(room2))
		h := cz.state(id, Failed)
		cz.tick()
		if a := cz.only(CauseTelephone); a.Reason != "console.d.why.refused" {
			t.Errorf("%s", dump(a))
		}
		// The cause comes with the receipt, which may be read a moment after the failure.
		cz.until("the cause is told", func() bool {
			cz.sync()
			h = cz.incident(id).Handovers[0]
			return h.Reason != ""
		})
		if h.State != Failed || h.Receipt.Failed.IsZero() {
			t.Errorf("%s", dump(h))
		}
	})
	t.Run("nobody takes it in time", func(t *testing.T) {
		cz, _ := newRooms(t)
		id := cz.handOver(accident(system2))
		cz.state(id, Delivered)
		cz.clk.Advance(time.Hour + time.Second)
		h := cz.state(id, Expired)
		cz.tick()
		if a := cz.only(CauseTelephone); a.Reason != "console.d.why.expired" || h.Receipt.Failed.IsZero() {
			t.Errorf("%s", dump(a))
		}
	})
}

func TestTelephoneOutcome(t *testing.T) {
	cz, de := newRooms(t)
	cz.ok(cz.SetRoom(t.Context(), cz.who("petr"), room2, RoomSettings{Phone: "+49 1", NextPhone: []string{"+49 2"}}))
	cz.refused(cz.SetRoom(t.Context(), cz.who("petr"), room2, RoomSettings{Phone: "Dresden"}), problem.Invalid, "console.d.refuse.phone")
	cz.ok(cz.SetRoom(t.Context(), cz.who("petr"), room2, RoomSettings{Phone: "+49 111", NextPhone: []string{"+49 222"}}))
	id := cz.handOver(accident(room2))
	in := de.state(id, Ringing)
	cz.state(id, Read)
	cz.clk.Advance(time.Minute)
	cz.tick()
	a := cz.only(CauseTelephone)
	if a.Phone != "+49 111" {
		t.Errorf("number %q", a.Phone)
	}
	cz.ok(cz.NoAnswer(t.Context(), cz.who("jana"), a.ID, "n1"))
	cz.ok(cz.NoAnswer(t.Context(), cz.who("jana"), a.ID, "n1")) // a double click
	if a = cz.only(CauseTelephone); a.Phone != "+49 222" || a.Step != 1 || a.Escalated {
		t.Errorf("after no answer: %s", dump(a))
	}
	if cz.strip().Sound.Class != ClassA {
		t.Error("no answer silenced it")
	}
	cz.ok(cz.NoAnswer(t.Context(), cz.who("jana"), a.ID, "n2"))
	if a = cz.only(CauseTelephone); a.Phone != "+49 111" || !a.Escalated || len(cz.told) != 1 {
		t.Errorf("after the last number: %s, told %d", dump(a), len(cz.told))
	}
	cz.refused(cz.Reached(t.Context(), cz.who("jana"), a.ID, "", "", "n3"), problem.Invalid, "console.d.refuse.with")
	cz.ok(cz.Reached(t.Context(), cz.who("jana"), a.ID, "", "Frau Weber", "n3"))
	cz.none(CauseTelephone)
	if len(cz.queue()) != 0 {
		t.Error("taken over orally and still open")
	}
	// It stops ringing there, and says why.
	h := de.state(id, Elsewhere)
	if s := de.strip(); s.Sound.Class == ClassA || s.Sound.Class == ClassB {
		t.Errorf("it still rings there: %s", dump(s))
	}
	thread := de.incident(id).Thread
	last := thread[len(thread)-1]
	if last.Form != FormTelephone || !strings.Contains(last.Lines[0].Text, "Jana Nováková") || strings.Contains(last.Lines[0].Text, "Weber") {
		t.Errorf("%s", dump(last))
	}
	de.refused(de.Accept(t.Context(), de.who("max"), in.ID, Confirm{}, ""), problem.Conflict, "console.d.refuse.elsewhere")
	if !h.Closed {
		t.Error("still open there")
	}
	found := false
	for _, e := range cz.incident(id).Events {
		found = found || e.Note == "Frau Weber"
	}
	if !found {
		t.Error("who took the call is not in the course of events")
	}
	if n := cz.count(`SELECT COUNT(*) FROM console_action WHERE note LIKE '%Weber%'`); n != 0 {
		t.Error("the name is not sealed")
	}
}

// Taken over by telephone before it is delivered: nothing arrives afterwards.
func TestTelephoneWithdrawsWhatIsNotDelivered(t *testing.T) {
	cz, de := newRooms(t)
	de.stopServe()
	id := cz.handOver(accident(room2))
	h := cz.incident(id).Handovers[0]
	cz.until("the first attempt has failed", func() bool {
		return cz.count(`SELECT COUNT(*) FROM exchange_peer WHERE down_since > 0`) == 1
	})
	cz.stopNode() // an attempt that is under way can't be taken back: TestTelephoneOutcome has that half
	cz.ok(cz.TakenOverByTelephone(t.Context(), cz.who("jana"), h.ID, "Frau Weber", ""))
	i := cz.incident(id)
	if i.Handovers[0].State != Telephoned || len(i.Thread) != 1 || i.Thread[0].Receipt.Withdrawn.IsZero() {
		t.Fatalf("%s", dump(i))
	}
	cz.stopNode = cz.run(cz.node.Run)
	de.serve(de.node)
	second := cz.handOver(accident(room2))
	de.state(second, Ringing)
	if n := de.count(`SELECT COUNT(*) FROM console_incident`); n != 1 {
		t.Errorf("%d incidents arrived, the withdrawn one too", n)
	}
	de.state(second, Ringing)
}

func TestWithdraw(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	in := de.state(id, Ringing)
	h := cz.state(id, Read)
	ok, err := cz.Withdraw(t.Context(), cz.who("jana"), h.ID)
	cz.ok(err)
	if ok || cz.incident(id).Handovers[0].State != Read {
		t.Error("what they have read was taken back")
	}
	de.refused(func() error { _, err := de.Withdraw(t.Context(), de.who("max"), in.ID); return err }(), problem.Conflict, "console.d.refuse.not_outgoing")
	de.stopServe()
	second := cz.handOver(accident(room2))
	h = cz.incident(second).Handovers[0]
	cz.until("it is taken back", func() bool {
		if ok {
			return true
		}
		ok, err = cz.Withdraw(t.Context(), cz.who("jana"), h.ID)
		cz.ok(err)
		return ok
	})
	h = cz.incident(second).Handovers[0]
	if h.State != Withdrawn || h.Receipt.Withdrawn.IsZero() || !h.Closed {
		t.Errorf("%s", dump(h))
	}
	cz.clk.Advance(5 * time.Minute)
	cz.tick()
	for _, a := range cz.strip().Alarms {
		if a.Incident == second {
			t.Errorf("an alarm about what was taken back: %s", dump(a))
		}
	}
}

// Opened and not decided: it rings again each minute.
func TestRingsAgainWhenUndecided(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	in := de.state(id, Ringing)
	de.ok(de.Open(t.Context(), de.who("max"), id))
	de.clk.Advance(undecidedAfter - time.Second)
	de.ok(de.Open(t.Context(), de.who("ida"), id)) // looking does not put it off
	de.tick()
	de.none(CauseUndecided)
	de.clk.Advance(time.Second)
	de.tick()
	a := de.only(CauseUndecided)
	if de.strip().Sound.Class != ClassA {
		t.Error("it does not ring")
	}
	de.ok(de.See(t.Context(), de.who("max"), a.ID))
	if de.strip().Sound.Class != "" {
		t.Error("it still rings")
	}
	de.clk.Advance(undecidedAfter)
	de.tick()
	if again := de.only(CauseUndecided); again.ID == a.ID {
		t.Error("it does not ring a second time")
	}
	de.ok(de.Reject(t.Context(), de.who("max"), in.ID, "nein", ""))
	de.none(CauseUndecided)
	de.clk.Advance(time.Hour)
	de.tick()
	de.none(CauseUndecided)
}

// Whatever arrives older than the set time says so.
func TestLate(t *testing.T) {
	cz, de := newRooms(t)
	de.stopServe()
	id := cz.handOver(accident(room2))
	cz.clk.Advance(DefaultDanger + time.Second)
	de.serve(de.node)
	h := de.state(id, Ringing)
	if !h.Late || !de.queue()[0].Late || de.clk.Now().Sub(h.Sent) < DefaultDanger {
		t.Errorf("%s", dump(h))
	}
}

// The times stand in the database: a restart delays nothing.
func TestTimersSurviveARestart(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	de.state(id, Ringing)
	cz.state(id, Read)
	de.ok(de.Open(t.Context(), de.who("max"), id))
	cz.clk.Advance(2 * time.Minute)
	for _, r := range []*room{cz, de} {
		r.Service = New(r.deps)
		r.tick()
	}
	cz.only(CauseTelephone)
	de.only(CauseUndecided)
}

func TestSecondChannel(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	de.state(id, Ringing)
	console, err := de.Connect(t.Context(), de.who("max"))
	de.ok(err)
	de.clk.Advance(secondAfter)
	de.here() // the beat of an open console
	de.tick()
	if len(de.told) != 0 {
		t.Fatal("told although a console is open")
	}
	if list, err := de.Consoles(t.Context(), de.org.ID); err != nil || len(list) != 1 || list[0].Name != "Max Krüger" || list[0].Armed {
		t.Errorf("consoles: %+v %v", list, err)
	}
	de.ok(de.Armed(t.Context(), de.who("max"), console, true))
	if list, _ := de.Consoles(t.Context(), de.org.ID); !list[0].Armed {
		t.Error("not armed")
	}
	// A console that dies counts as gone when its beats stop.
	de.clk.Advance(streamLife + time.Second)
	de.tick()
	if len(de.told) != 1 || de.told[0].Class != ClassA || de.told[0].Incident != id || de.told[0].Headline == "" {
		t.Fatalf("told: %s", dump(de.told))
	}
	de.tick()
	if len(de.told) != 1 {
		t.Error("told twice")
	}
	de.ok(de.Disconnect(t.Context(), console))
	if list, _ := de.Consoles(t.Context(), de.org.ID); len(list) != 0 {
		t.Error("still there")
	}
}

func TestEscalation(t *testing.T) {
	cz, de := newRooms(t)
	d := accident(room2)
	urgent := cz.handOver(d)
	d.Danger = false
	other := cz.handOver(d)
	de.state(urgent, Ringing)
	de.state(other, Ringing)
	escalated := func() map[string]bool {
		m := map[string]bool{}
		for _, a := range de.strip().Alarms {
			m[a.Incident] = a.Escalated
		}
		return m
	}
	de.clk.Advance(escalateA)
	de.tick()
	if m := escalated(); !m[urgent] || m[other] {
		t.Errorf("after a minute: %v", m)
	}
	de.clk.Advance(escalateB - escalateA)
	de.tick()
	if m := escalated(); !m[other] {
		t.Errorf("after three: %v", m)
	}
}

func TestShelving(t *testing.T) {
	cz, de := newRooms(t)
	d := accident(room2)
	d.Danger = false
	id := cz.handOver(d)
	de.state(id, Ringing)
	a := de.only(CauseIncoming)
	de.refused(de.Shelve(t.Context(), de.who("max"), a.ID, "", 5*time.Minute), problem.Invalid, "console.d.refuse.reason")
	de.refused(de.Shelve(t.Context(), de.who("max"), a.ID, "x", time.Hour), problem.Invalid, "console.d.refuse.shelve_time")
	shift, err := de.StartShift(t.Context(), de.who("max"), true)
	de.ok(err)
	de.ok(de.Shelve(t.Context(), de.who("max"), a.ID, "Rückruf läuft", 5*time.Minute))
	s := de.strip()
	if len(s.Alarms) != 0 || len(s.Shelved) != 1 || s.Sound.Class != "" || s.Shelved[0].ShelveReason != "Rückruf läuft" || s.Shelved[0].ShelvedBy != "Max Krüger" {
		t.Errorf("shelved: %s", dump(s))
	}
	shifts, err := de.Shifts(t.Context(), de.org.ID, shift.Started)
	de.ok(err)
	if len(shifts) != 1 || len(shifts[0].Shelved) != 1 {
		t.Errorf("the shift does not list it: %s", dump(shifts))
	}
	de.clk.Advance(5*time.Minute + time.Second)
	de.tick()
	if s := de.strip(); s.Sound.Class != ClassB || len(s.Shelved) != 0 {
		t.Errorf("it does not come back: %s", dump(s))
	}
	de.ok(de.Shelve(t.Context(), de.who("max"), a.ID, "x", 30*time.Minute))
	de.ok(de.Unshelve(t.Context(), de.who("max"), a.ID))
	if s := de.strip(); s.Sound.Class != ClassB {
		t.Error("not unshelved")
	}
}

// Our answer never arrived: somebody must tell them otherwise.
func TestUndeliveredAnswer(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	in := de.state(id, Ringing)
	cz.stopServe()
	de.ok(de.Accept(t.Context(), de.who("max"), in.ID, Confirm{}, ""))
	de.clk.Advance(time.Hour + time.Second)
	de.until("the alarm", func() bool {
		de.sync()
		for _, a := range de.strip().Alarms {
			if a.Cause == CauseUndelivered {
				return true
			}
		}
		return false
	})
}

func TestFlood(t *testing.T) {
	at := func(seconds ...int64) []int64 {
		for i := range seconds {
			seconds[i] = seconds[i]*1000 + 1_000_000_000
		}
		return seconds
	}
	eleven := at(0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
	for _, c := range []struct {
		name  string
		times []int64
		now   int64
		want  bool
	}{
		{"nothing", nil, 0, false},
		{"ten", eleven[:10], 100, false},
		{"eleven", eleven, 100, true},
		{"still more than five", eleven, 650, true}, // those from 60 s on are left
		{"four left", eleven, 661, false},
		{"long over", eleven, 5000, false},
		{"five more do not start it again", append(slices.Clone(eleven), at(1000, 1010, 1020, 1030, 1040)...), 1040, false},
	} {
		if got := isFlood(c.times, c.now*1000+1_000_000_000); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestFloodGroups(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	in := de.state(id, Ringing)
	de.ok(de.Accept(t.Context(), de.who("max"), in.ID, Confirm{}, ""))
	for n := range 12 {
		cz.ok(cz.Text(t.Context(), cz.who("jana"), id, nil, "Hlášení "+itoa(int64(n)), ""))
	}
	de.until("all texts", func() bool { de.sync(); return len(de.incident(id).Thread) == 15 })
	s := de.strip()
	if !s.Flood || len(s.Alarms) != 1 || s.Alarms[0].Count != 12 || len(s.Alarms[0].Merged) != 11 || s.Sound.Class != "" {
		t.Errorf("flood: %s", dump(s))
	}
	// Nothing of it hides what needs a decision.
	second := cz.handOver(accident(room2))
	de.state(second, Ringing)
	s = de.strip()
	if len(s.Alarms) != 2 || s.Alarms[0].Cause != CauseIncoming || s.Sound.Class != ClassA {
		t.Errorf("A in a flood: %s", dump(s))
	}
	last := s.Alarms[1]
	de.ok(de.See(t.Context(), de.who("max"), append(last.Merged, last.ID)...))
	if s = de.strip(); len(s.Alarms) != 1 {
		t.Errorf("seen together: %s", dump(s))
	}
}

func TestRepeatsBecomeOne(t *testing.T) {
	start := time.Date(2026, 3, 14, 7, 0, 0, 0, time.UTC)
	alarm := func(id string, cause Cause, other string, after time.Duration) Alarm {
		return Alarm{ID: id, Class: ClassC, Cause: cause, Neighbour: Neighbour{OID: other}, Raised: start.Add(after), Count: 1}
	}
	got := merge([]Alarm{
		alarm("a", CauseMessage, "1", 0), alarm("b", CauseMessage, "1", 20*time.Second), alarm("c", CauseMessage, "1", 40*time.Second),
		alarm("d", CauseMessage, "2", 0), alarm("e", CauseMessage, "2", 10*time.Second), // two are no repeats
		alarm("f", CauseIncoming, "1", 0), alarm("g", CauseIncoming, "1", 1), alarm("h", CauseIncoming, "1", 2), // each wants a decision
	}, false)
	var ids []string
	for _, a := range got {
		ids = append(ids, a.ID+itoa(int64(a.Count)))
	}
	if want := []string{"a3", "d1", "e1", "f1", "g1", "h1"}; !slices.Equal(ids, want) {
		t.Errorf("got %v, want %v", ids, want)
	}
}

func TestSounding(t *testing.T) {
	start := time.Date(2026, 3, 14, 7, 0, 0, 0, time.UTC)
	a := func(c Class, k store.Kind, after int) Alarm {
		return Alarm{Class: c, Kind: k, Raised: start.Add(time.Duration(after) * time.Second), Count: 1}
	}
	seen := a(ClassA, store.Live, 0)
	seen.Seen = start
	ended := a(ClassA, store.Live, 0)
	ended.Ended = start
	calling := seen
	calling.Cause = CauseTelephone
	for _, c := range []struct {
		name   string
		alarms []Alarm
		flood  bool
		class  Class
		kind   store.Kind
		count  int
		since  int
	}{
		{"silence", nil, false, "", "", 0, -1},
		{"seen and ended are silent", []Alarm{seen, ended}, false, "", "", 0, -1},
		{"a call is owed", []Alarm{calling}, false, ClassA, store.Live, 1, 0},
		{"A before B", []Alarm{a(ClassB, store.Live, 5), a(ClassA, store.Test, 1)}, false, ClassA, store.Test, 1, 1},
		{"live before test", []Alarm{a(ClassB, store.Test, 1), a(ClassB, store.Live, 2)}, false, ClassB, store.Live, 2, 2},
		{"C is silent in a flood", []Alarm{a(ClassC, store.Live, 1)}, true, "", "", 0, -1},
		{"one onset in 10 s", []Alarm{a(ClassB, store.Live, 0), a(ClassB, store.Live, 4), a(ClassB, store.Live, 11)}, true, ClassB, store.Live, 3, 11},
		{"the second is held back", []Alarm{a(ClassB, store.Live, 0), a(ClassB, store.Live, 4)}, true, ClassB, store.Live, 2, 0},
	} {
		s := sounding(c.alarms, c.flood)
		since := time.Time{}
		if c.since >= 0 {
			since = start.Add(time.Duration(c.since) * time.Second)
		}
		if s.Class != c.class || s.Kind != c.kind || s.Count != c.count || !s.Since.Equal(since) {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
}

func TestShift(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	de.state(id, Ringing)
	_, err := de.EndShift(t.Context(), de.who("max"), "", "ida")
	de.refused(err, problem.Conflict, "console.d.refuse.not_on_duty")
	s, err := de.StartShift(t.Context(), de.who("max"), false)
	de.ok(err)
	if !s.Tested.IsZero() || s.Name != "Max Krüger" {
		t.Errorf("%s", dump(s))
	}
	if again, err := de.StartShift(t.Context(), de.who("max"), true); err != nil || again.ID != s.ID || again.Tested.IsZero() {
		t.Errorf("the second start: %s %v", dump(again), err)
	}
	_, err = de.EndShift(t.Context(), de.who("max"), "x", "")
	de.refused(err, problem.Invalid, "console.d.refuse.successor")
	_, err = de.EndShift(t.Context(), de.who("max"), "x", "max")
	de.refused(err, problem.Invalid, "console.d.refuse.own_successor")
	end, err := de.EndShift(t.Context(), de.who("max"), "Straße gesperrt", "ida")
	de.ok(err)
	if !slices.Equal(end.Open, []string{id}) || end.Note != "Straße gesperrt" || end.Signed.IsZero() || !end.Taken.IsZero() || end.ToName != "Ida Lehmann" {
		t.Errorf("%s", dump(end))
	}
	de.refused(de.TakeShift(t.Context(), de.who("max"), end.ID), problem.Forbidden, "console.d.refuse.other_successor")
	de.ok(de.TakeShift(t.Context(), de.who("ida"), end.ID))
	de.refused(de.TakeShift(t.Context(), de.who("ida"), end.ID), problem.Conflict, "console.d.refuse.taken")
	duty, err := de.OnDuty(t.Context(), de.org.ID)
	de.ok(err)
	if len(duty) != 1 || duty[0].Person != "ida" {
		t.Errorf("on duty: %s", dump(duty))
	}
	all, err := de.Shifts(t.Context(), de.org.ID, end.Started)
	de.ok(err)
	if len(all) != 2 {
		t.Errorf("shifts: %s", dump(all))
	}
	if n := de.count(`SELECT COUNT(*) FROM console_shift WHERE note LIKE '%gesperrt%'`); n != 0 {
		t.Error("the note is not sealed")
	}
}
