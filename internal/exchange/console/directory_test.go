package console

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

func TestRooms(t *testing.T) {
	cz, _ := newRooms(t)
	find := func(oid string) Room {
		t.Helper()
		rooms, err := cz.Rooms(t.Context(), cz.org.ID)
		cz.ok(err)
		for _, r := range rooms {
			if r.OID == oid {
				return r
			}
			if r.OID == room1 || r.OID == node2 {
				t.Errorf("%s is no neighbour", r.OID)
			}
			if strings.Contains(dump(r), "999 999") {
				t.Errorf("the technical support's number is offered: %s", dump(r))
			}
		}
		t.Fatalf("no room %s", oid)
		return Room{}
	}
	r := find(room2)
	if r.Status != "online" || r.Since.IsZero() || r.Country != "DE" || r.Lang != i18n.De || r.Phone != "+49 3571 112" || !r.PhoneOld ||
		len(r.Apps) != 9 || r.After != DefaultDanger || r.LastContact.IsZero() || r.Link != "" {
		t.Errorf("%s", dump(r))
	}
	if !slices.Equal(r.Langs, []i18n.Lang{i18n.De}) || !r.CallDue || len(r.Numbers) != 1 || r.Numbers[0].By != "" {
		t.Errorf("as configured: %s", dump(r))
	}
}

func (r *room) neighbour(oid string) Room {
	r.t.Helper()
	n, err := r.Room(r.t.Context(), r.org.ID, oid)
	r.ok(err)
	return n
}

func (r *room) call(person, oid, phone string, o Outcome) {
	r.t.Helper()
	r.ok(r.TestCall(r.t.Context(), r.who(person), oid, phone, o, ""))
}

// A number counts as confirmed only when a person has reached the room by it, by
// whom and when is shown, and another number is another matter.
func TestDeskNumbers(t *testing.T) {
	cz, _ := newRooms(t)
	const first, second, third = "+49 3571 112", "+49 3571 113", "+49 3571 114"
	set := func(phone string, next ...string) {
		t.Helper()
		cz.ok(cz.SetRoom(t.Context(), cz.who("petr"), room2, RoomSettings{Phone: phone, NextPhone: next, After: 30 * time.Second, Langs: []i18n.Lang{i18n.De, i18n.Cs, i18n.De}}))
	}
	set(first, second, "+49-3571-113", " ")
	r := cz.neighbour(room2)
	if r.Phone != first || !slices.Equal(r.NextPhone, []string{second}) || !r.PhoneOld || r.After != 30*time.Second || r.AfterElse != DefaultElse ||
		!slices.Equal(r.Langs, []i18n.Lang{i18n.De, i18n.Cs}) || r.Lang != i18n.De {
		t.Errorf("as set: %s", dump(r))
	}
	cz.call("jana", room2, first, CallNoAnswer)
	if r = cz.neighbour(room2); !r.PhoneOld || len(r.Calls) != 1 || r.Calls[0].Outcome != CallNoAnswer || r.Calls[0].Person != "Jana Nováková" {
		t.Errorf("after a call nobody answered: %s", dump(r))
	}
	cz.clk.Advance(time.Minute)
	cz.call("petr", room2, "+49 3571/112", CallReached)
	at := cz.clk.Now()
	r = cz.neighbour(room2)
	if r.PhoneOld || r.PhoneBy != "Petr Malý" || !r.PhoneAt.Equal(at) || r.CallDue || !r.Numbers[1].Old || r.Calls[0].Outcome != CallReached || r.Calls[0].Number != first {
		t.Errorf("confirmed: %s", dump(r))
	}
	// The order may change, the confirmation stays with its number.
	set(second, first)
	if r = cz.neighbour(room2); !r.PhoneOld || r.Numbers[1].Old || r.Numbers[1].By != "Petr Malý" {
		t.Errorf("swapped: %s", dump(r))
	}
	set(third, first)
	if r = cz.neighbour(room2); !r.PhoneAt.IsZero() {
		t.Error("another number counts as confirmed")
	}
	set(first)
	cz.call("petr", room2, first, CallWrong)
	if r = cz.neighbour(room2); !r.PhoneAt.IsZero() || !r.PhoneOld {
		t.Errorf("a wrong number counts as confirmed: %s", dump(r))
	}
	cz.call("petr", room2, first, CallReached)
	cz.clk.Advance(callEvery + time.Hour)
	if r = cz.neighbour(room2); !r.CallDue || r.PhoneOld {
		t.Errorf("after four weeks: %s", dump(r))
	}
	cz.clk.Advance(phoneLife - callEvery)
	if r = cz.neighbour(room2); !r.PhoneOld {
		t.Error("a number confirmed five weeks ago is not stale")
	}
	// Without a number of its own the configured one is there again.
	set("")
	if r = cz.neighbour(room2); r.Phone != first || r.PhoneBy != "" {
		t.Errorf("without numbers: %s", dump(r))
	}
}

func TestDirectoryRefuses(t *testing.T) {
	cz, _ := newRooms(t)
	set := func(oid string, r RoomSettings) error { return cz.SetRoom(t.Context(), cz.who("petr"), oid, r) }
	call := func(oid, phone string, o Outcome) error {
		return cz.TestCall(t.Context(), cz.who("petr"), oid, phone, o, "")
	}
	cz.refused(set(room2, RoomSettings{After: time.Second}), problem.Invalid, "console.d.refuse.patience")
	cz.refused(set(room2, RoomSettings{AfterElse: time.Hour}), problem.Invalid, "console.d.refuse.patience")
	cz.refused(set(room2, RoomSettings{Phone: "112 desk"}), problem.Invalid, "console.d.refuse.phone")
	cz.refused(set(room2, RoomSettings{Langs: []i18n.Lang{"xx"}}), problem.Invalid, "console.d.refuse.language")
	cz.refused(set(room2, RoomSettings{NextPhone: []string{"111", "112", "113", "114", "115", "116", "117"}}), problem.Invalid, "console.d.refuse.numbers")
	for _, oid := range []string{room1, node2, "1.2.3.4", "x"} {
		cz.refused(set(oid, RoomSettings{Phone: "112"}), problem.NotFound, "console.d.refuse.no_neighbour")
		cz.refused(call(oid, "112", CallReached), problem.NotFound, "console.d.refuse.no_neighbour")
	}
	cz.refused(call(room2, "+49 999 999 999", CallReached), problem.Invalid, "console.d.refuse.no_number")
	cz.refused(call(room2, "+49 3571 112", "perhaps"), problem.Invalid, "console.d.refuse.outcome")
	_, err := cz.Room(t.Context(), cz.org.ID, room1)
	cz.refused(err, problem.NotFound, "console.d.refuse.no_neighbour")
	if n := cz.count(`SELECT COUNT(*) FROM console_neighbour`) + cz.count(`SELECT COUNT(*) FROM console_call`); n != 0 {
		t.Errorf("%d rows of refused entries", n)
	}
}

// What a shift is told when it begins: no number, a stale one, a call that is due.
func TestDirectoryFaults(t *testing.T) {
	cz, de := newRooms(t)
	faults := func(r *room) (out []string) {
		t.Helper()
		list, err := r.DirectoryFaults(t.Context(), r.org.ID)
		r.ok(err)
		for _, f := range list {
			out = append(out, string(f.Kind)+" "+f.OID)
			for _, l := range i18n.Langs {
				text := r.Texts.Text(l, "console.d.directory."+string(f.Kind), i18n.Args{"neighbour": f.Name, "number": f.Number})
				if !strings.Contains(text, f.Name) || strings.Contains(text, "⟦") {
					t.Errorf("%s: %q", l, text)
				}
			}
		}
		return out
	}
	// The neighbour's configuration knows no number of ours; test addresses and
	// the dispatch system beside us ask for no number.
	if d := cmp.Diff([]string{"missing " + room1}, faults(de)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"stale " + room2, "stale " + system2}, faults(cz)); d != "" {
		t.Error(d)
	}
	cz.call("petr", room2, "+49 3571 112", CallReached)
	cz.call("petr", system2, "+49 3571 112", CallReached)
	if f := faults(cz); f != nil {
		t.Errorf("all confirmed: %v", f)
	}
	cz.clk.Advance(callEvery + time.Minute)
	if d := cmp.Diff([]string{"due " + room2, "due " + system2}, faults(cz)); d != "" {
		t.Error(d)
	}
	cz.ok(cz.SetRoom(t.Context(), cz.who("petr"), system2, RoomSettings{Phone: "+49 3591 1"}))
	if d := cmp.Diff([]string{"stale " + system2, "due " + room2}, faults(cz)); d != "" {
		t.Error(d)
	}
}

// Who got through in earnest has tested the number.
func TestReachedConfirmsTheNumber(t *testing.T) {
	cz, _ := newRooms(t)
	cz.ok(cz.SetRoom(t.Context(), cz.who("petr"), room2, RoomSettings{Phone: "+49 3571 1", NextPhone: []string{"+49 3571 2"}}))
	cz.handOver(accident(room2))
	cz.clk.Advance(DefaultDanger)
	cz.tick()
	alarm := cz.strip().Alarms[0]
	if alarm.Cause != CauseTelephone || alarm.Phone != "+49 3571 1" || !alarm.PhoneOld {
		t.Fatalf("%s", dump(alarm))
	}
	cz.ok(cz.NoAnswer(t.Context(), cz.who("jana"), alarm.ID, ""))
	cz.ok(cz.Reached(t.Context(), cz.who("jana"), alarm.ID, "", "Krüger", ""))
	r := cz.neighbour(room2)
	if !r.Numbers[0].Old || r.Numbers[1].Old || r.Numbers[1].By != "Jana Nováková" || len(r.Calls) != 1 {
		t.Errorf("%s", dump(r))
	}
}
