package console

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Whatever came in rings, with its visual twin in the strip, until somebody opens
// it, however long that is; then it is silent on every console of the room.
func TestRingsUntilOpened(t *testing.T) {
	cz, de := newRooms(t)
	d := accident(room2)
	d.Danger = false
	id := cz.handOver(d)
	de.state(id, Ringing)
	since := de.strip().Sound.Since
	for range 12 {
		de.clk.Advance(20 * time.Minute)
		de.tick()
		s := de.strip()
		if s.Sound.Class != ClassB || !s.Sound.Since.Equal(since) || len(s.Alarms) != 1 || s.Alarms[0].Cause != CauseIncoming || s.Accept != 1 {
			t.Fatalf("after %v: %s", de.clk.Now().Sub(since), dump(s))
		}
		if r := de.queue()[0]; r.State != Ringing || r.Class != ClassB {
			t.Fatalf("%s", dump(r))
		}
	}
	de.ok(de.Open(t.Context(), de.who("max"), id))
	if s := de.strip(); s.Sound.Class != "" || len(s.Alarms) != 0 {
		t.Errorf("%s", dump(s))
	}
	if h := de.incident(id).Handovers[0]; h.OpenedBy != "Max Krüger" || h.State != Opened || !h.State.Undecided() {
		t.Errorf("who opened it: %s", dump(h))
	}
}

// Two people press "accept" at once: the neighbour gets one answer, with one name.
func TestTwoAcceptOneWins(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	in := de.state(id, Ringing)
	people := []string{"max", "ida"}
	errs := make([]error, len(people))
	var wg sync.WaitGroup
	for n, p := range people {
		wg.Go(func() { errs[n] = de.Accept(t.Context(), de.who(p), in.ID, Confirm{Place: "x"}, "form of "+p) })
	}
	wg.Wait()
	winner := slices.Index(errs, nil)
	if winner < 0 || errs[1-winner] == nil {
		t.Fatalf("%v", errs)
	}
	if p := de.refused(errs[1-winner], problem.Conflict, "console.d.refuse.accepted"); p.Args["name"] != names[people[winner]] {
		t.Errorf("the other one is told %v", p.Args["name"])
	}
	if h := cz.state(id, Accepted); h.Receipt.AcceptedBy != names[people[winner]] {
		t.Errorf("the neighbour reads %q", h.Receipt.AcceptedBy)
	}
	for _, form := range []string{msgAck, msgText} {
		if n := de.count(`SELECT COUNT(*) FROM console_message WHERE incoming = 0 AND message = $1`, form); n != 1 {
			t.Errorf("%d messages %s left", n, form)
		}
	}
}

// What the accepting person confirms goes back as a text whose first line is
// fixed, in the receiver's own language.
func TestConfirmationIsATextWithAFixedFirstLine(t *testing.T) {
	for _, c := range []struct {
		name string
		c    Confirm
		want []string
	}{
		{"both known", Confirm{Place: " Hrádek nad\nNisou ", Injured: wounded(4)}, []string{"Hrádek nad Nisou", "4"}},
		{"nobody injured", Confirm{Place: "Zittau", Injured: wounded(0)}, []string{"Zittau", "0"}},
		{"number not known", Confirm{Place: "Zittau"}, []string{"Zittau", "unbekannt"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cz, de := newRooms(t)
			id := cz.handOver(accident(room2))
			in := de.state(id, Ringing)
			de.ok(de.Accept(t.Context(), de.who("max"), in.ID, c.c, ""))
			cz.until("the confirmation arrives", func() bool { cz.sync(); return len(cz.incident(id).Thread) == 3 })
			e := cz.incident(id).Thread[2]
			say := func(k string) string { return de.Texts.Text(i18n.De, k, nil) }
			want := fmt.Sprintf("%s\n%s: %s\n%s: %s", say(lineConfirm), say(labelPlace), c.want[0], say(labelInjured), c.want[1])
			if e.App != appText || e.Form != FormConfirm || len(e.Lines) != 1 || e.Lines[0].Text != want {
				t.Errorf("%q, want %q", e.Lines[0].Text, want)
			}
		})
	}
}

// "Taken over by telephone at …": the text's first line is fixed, the time is
// told, and it stops ringing there although nobody there has opened it.
func TestTakenOverByTelephoneStopsTheRingingThere(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	de.state(id, Ringing)
	h := cz.state(id, Read)
	if de.strip().Sound.Class != ClassA {
		t.Fatal("it does not ring")
	}
	cz.clk.Advance(10 * time.Second)
	at := cz.Texts.Time(i18n.Cs, cz.clk.Now())
	cz.ok(cz.TakenOverByTelephone(t.Context(), cz.who("jana"), h.ID, "Frau Weber", "k"))
	de.state(id, Elsewhere)
	s := de.strip()
	for _, a := range s.Alarms {
		if a.Cause == CauseIncoming && a.Ended.IsZero() {
			t.Errorf("it still rings: %s", dump(a))
		}
	}
	if s.Sound.Class == ClassA || s.Sound.Class == ClassB {
		t.Errorf("sound %s", s.Sound.Class)
	}
	last := de.incident(id).Thread[1]
	lines := strings.Split(last.Lines[0].Text, "\n")
	if last.Form != FormTelephone || lines[0] != "Převzato telefonicky" || !strings.Contains(lines[1], at) {
		t.Errorf("%q lacks %s", last.Lines[0].Text, at)
	}
	cz.clk.Advance(10 * time.Minute)
	cz.tick()
	cz.none(CauseTelephone)
}

// The directory is the only source of a number: without one none is shown, and
// never the technical support's of the register.
func TestTelephoneNumberIsOurDirectorysOrNone(t *testing.T) {
	cz, de := newRooms(t)
	de.clk.Advance(time.Second)
	d := accident(room1)
	id, err := de.HandOver(t.Context(), de.who("max"), d)
	de.ok(err)
	cz.state(id, Ringing)
	de.clk.Advance(DefaultDanger)
	de.tick()
	a := de.only(CauseTelephone)
	if a.Phone != "" || !a.PhoneOld {
		t.Errorf("a number out of nowhere: %q", a.Phone)
	}
	de.ok(de.SetRoom(t.Context(), de.who("max"), room1, RoomSettings{Phone: "+420 485 1"}))
	if a = de.only(CauseTelephone); a.Phone != "+420 485 1" {
		t.Errorf("the number entered meanwhile is not shown: %q", a.Phone)
	}
	for _, v := range []any{de.strip(), de.incident(id), de.neighbour(room1)} {
		if strings.Contains(dump(v), "999 999") {
			t.Errorf("the technical support's number is offered: %s", dump(v))
		}
	}
}

// With no console connected people outside are told of whatever a neighbour waits
// for, urgent or not, once, and of nothing that can wait for the next shift.
func TestSecondChannelWithoutAConsole(t *testing.T) {
	cz, de := newRooms(t)
	d := accident(room2)
	urgent := cz.handOver(d)
	d.Danger = false
	other := cz.handOver(d)
	de.state(urgent, Ringing)
	de.state(other, Ringing)
	cz.ok(cz.Text(t.Context(), cz.who("jana"), other, nil, "Děkujeme", ""))
	de.until("the text arrives", func() bool { de.sync(); return len(de.incident(other).Thread) == 2 })
	de.clk.Advance(secondAfter - time.Second)
	de.tick()
	if len(de.told) != 0 {
		t.Fatalf("told too early: %s", dump(de.told))
	}
	de.clk.Advance(time.Second)
	de.tick()
	de.tick()
	var got []string
	for _, a := range de.told {
		got = append(got, string(a.Class)+" "+string(a.Cause)+" "+a.Incident)
	}
	slices.Sort(got)
	if want := []string{"A incoming " + urgent, "B incoming " + other}; !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

// A claim is seen at once by whoever looks at the queue: the change wakes them.
func TestClaimIsShownLive(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	de.state(id, Ringing)
	w := de.Watch(de.org.ID)
	defer w.Close()
	select {
	case <-w.C(): // what came before
	case <-time.After(100 * time.Millisecond):
	}
	de.ok(de.Claim(t.Context(), de.who("max"), id))
	select {
	case <-w.C():
	case <-time.After(20 * time.Second):
		t.Fatal("nobody is woken")
	}
	if c := de.queue()[0].Claim; c == nil || c.Person != "max" {
		t.Errorf("%+v", c)
	}
}

// A draft outlives the browser, the console and the node's process.
func TestDraftSurvivesARestart(t *testing.T) {
	cz, _ := newRooms(t)
	d := accident(room2)
	d.Raw = map[string]string{"injured": "tři"}
	id, err := cz.SaveDraft(t.Context(), cz.who("jana"), d)
	cz.ok(err)
	cz.stopNode()
	cz.stopServe()
	cz.Service = New(cz.deps)
	list, err := cz.Drafts(t.Context(), cz.who("jana"))
	cz.ok(err)
	if len(list) != 1 || list[0].ID != id || list[0].Issue != d.Issue || list[0].Raw["injured"] != "tři" {
		t.Errorf("%s", dump(list))
	}
}

// The same incident on live and on test addresses is two incidents, with alarms,
// times and ends of their own.
func TestKindsNeverMix(t *testing.T) {
	cz, de := newRooms(t)
	cz.until("the test desk is known", func() bool { return cz.node.SameKind(test1, test2) })
	real := cz.handOver(accident(room2))
	d := accident(test2)
	d.Incident = real // handed on: the common UUID stays
	practice := cz.handOver(d)
	if practice != "test-"+real {
		t.Fatalf("%s beside %s", practice, real)
	}
	de.state(real, Ringing)
	inPractice := de.state(practice, Ringing)
	if r, p := de.incident(real), de.incident(practice); len(r.Thread) != 1 || len(p.Thread) != 1 || r.Kind != store.Live || p.Kind != store.Test || r.SharedID != p.SharedID {
		t.Errorf("%s %s", dump(r), dump(p))
	}
	if s := de.strip().Sound; s.Kind != store.Live {
		t.Errorf("real work is announced as %s", s.Kind)
	}
	de.ok(de.Accept(t.Context(), de.who("max"), inPractice.ID, Confirm{Place: "Zittau"}, ""))
	cz.state(practice, Accepted)
	if h := cz.incident(real).Handovers[0]; !h.State.Undecided() || h.Confirmed != nil {
		t.Errorf("the exercise's answer changed the real one: %s", dump(h))
	}
	if h := de.incident(real).Handovers[0]; h.State != Ringing {
		t.Errorf("there: %s", dump(h))
	}
	cz.clk.Advance(DefaultDanger)
	cz.tick()
	if a := cz.only(CauseTelephone); a.Kind != store.Live || a.Incident != real {
		t.Errorf("%s", dump(a))
	}
	// Nothing of one kind can be sent to the other's addresses.
	for _, q := range []string{
		`SELECT COUNT(*) FROM console_message m JOIN console_incident i ON i.org = m.org AND i.id = m.incident WHERE i.kind <> m.kind`,
		`SELECT COUNT(*) FROM console_handover h JOIN console_incident i ON i.org = h.org AND i.id = h.incident WHERE i.kind <> h.kind`,
		`SELECT COUNT(*) FROM console_alarm a JOIN console_incident i ON i.org = a.org AND i.id = a.incident WHERE i.kind <> a.kind`,
	} {
		if n := cz.count(q) + de.count(q); n != 0 {
			t.Errorf("%d: %s", n, q)
		}
	}
}

// The four layers of a receipt come one after the other and are never mixed.
func TestReceiptsInOrder(t *testing.T) {
	cz, de := newRooms(t)
	de.stopServe()
	id := cz.handOver(accident(room2))
	look := func() Receipt { return cz.incident(id).Handovers[0].Receipt }
	if r := look(); r.Stored.IsZero() || !r.Delivered.IsZero() || !r.Read.IsZero() || !r.Accepted.IsZero() {
		t.Errorf("stored here: %s", dump(r))
	}
	de.serve(de.node)
	cz.until("it is delivered", func() bool { cz.sync(); return !look().Delivered.IsZero() })
	if r := look(); !r.Read.IsZero() || !r.Accepted.IsZero() {
		t.Errorf("delivered to the neighbour's node: %s", dump(r))
	}
	in := de.state(id, Ringing)
	cz.until("it is read", func() bool { cz.sync(); return !look().Read.IsZero() })
	if r := look(); !r.Accepted.IsZero() || r.AcceptedBy != "" {
		t.Errorf("read by their system: %s", dump(r))
	}
	de.ok(de.Open(t.Context(), de.who("max"), id))
	if cz.sync(); !look().Accepted.IsZero() {
		t.Error("opened is taken for accepted")
	}
	cz.clk.Advance(time.Second)
	at := cz.clk.Now()
	de.ok(de.Accept(t.Context(), de.who("max"), in.ID, Confirm{}, ""))
	cz.state(id, Accepted)
	if r := look(); !r.Accepted.Equal(at.Truncate(time.Second)) && r.Accepted.Sub(at).Abs() > time.Second || r.AcceptedBy != "Max Krüger" ||
		r.Stored.After(r.Delivered) || r.Delivered.After(r.Read) || r.Read.After(r.Accepted) {
		t.Errorf("accepted by a person: %s", dump(r))
	}
}
