package console

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// night is the nightly deletion, the node's first; the night before had agreed.
func (r *room) night() {
	r.t.Helper()
	now := millis(r.clk.Now())
	r.ok(r.db.Write(r.t.Context(), func(tx *store.Tx) error {
		return errors.Join(tx.SetSetting("job.agreed."+exchange.QueueErase, fmt.Sprint(now, " ", now)),
			tx.SetSetting("job.agreed."+QueueErase, fmt.Sprint(now, " ", now)))
	}))
	r.ok(r.node.Erase(r.t.Context(), job.Job{}))
	r.ok(r.Erase(r.t.Context(), job.Job{}))
}

func (r *room) keep(record Record, days int) {
	r.t.Helper()
	r.ok(r.SetRetention(r.t.Context(), r.who("petr"), Retention{record, days}))
}

// An incident is deleted on the day its page names, everywhere: content, place,
// notes, what it was found by. What stays is that it was, and when.
func TestDeletionOfAnIncident(t *testing.T) {
	cz, _ := newRooms(t)
	cz.stopNode()
	id := cz.archived(accident(room2))
	open := cz.handOver(accident(system2))
	cz.keep(RecordLive, 10)
	at := cz.incident(id).DeleteAt
	if want := cz.clk.Now().Add(10 * day); at.Before(want.Add(-time.Minute)) || at.After(want.Add(time.Minute)) {
		t.Fatalf("deletion on %v, want %v", at, want)
	}
	if h := cz.search(Search{}).Rows[0]; !h.DeleteAt.Equal(at) {
		t.Errorf("the archive says %v", h.DeleteAt)
	}
	notes := `SELECT COUNT(*) FROM console_action WHERE LENGTH(note) > 0 AND incident = $1`
	if cz.count(notes, id) == 0 {
		t.Fatal("there is no note")
	}
	cz.clk.Advance(at.Sub(cz.clk.Now()) - time.Minute)
	cz.night()
	if i := cz.incident(id); !i.Deleted.IsZero() || i.Facts == nil {
		t.Fatal("deleted before its date")
	}
	cz.clk.Advance(2 * time.Minute)
	cz.night()
	i := cz.incident(id)
	if i.Deleted.IsZero() || !i.DeleteAt.IsZero() || i.Facts != nil || i.Headline != "" || i.Place != "" || i.State != Telephoned || len(i.Handovers) != 1 {
		t.Errorf("deleted: %s", dump(i))
	}
	for _, e := range i.Events {
		if e.Note != "" {
			t.Errorf("a note is left: %q", e.Note)
		}
	}
	for _, q := range []string{notes, `SELECT COUNT(*) FROM console_search WHERE incident = $1`,
		`SELECT COUNT(*) FROM console_incident WHERE id = $1 AND (LENGTH(summary) > 0 OR LENGTH(tokens) > 0 OR city <> '')`} {
		if n := cz.count(q, id); n != 0 {
			t.Errorf("%d: %s", n, q)
		}
	}
	if got := cz.ids(Search{Place: "Hrádek"}); len(got) != 0 {
		t.Errorf("found by its place: %v", got)
	}
	if got := cz.ids(Search{Type: "nehoda"}); len(got) != 0 {
		t.Errorf("found by its keyword: %v", got)
	}
	h := cz.search(Search{}).Rows
	if len(h) != 1 || h[0].ID != id || h[0].Deleted.IsZero() {
		t.Errorf("by time: %s", dump(h))
	}
	if cz.incident(open).Facts == nil {
		t.Error("an incident whose message has not ended was deleted")
	}
	// Built anew, the deleted one stays as it is.
	cz.ok(cz.Rebuild(t.Context(), cz.org.ID))
	cz.sync()
	if again := cz.incident(id); again.State != Telephoned || again.Deleted.IsZero() {
		t.Errorf("after a rebuild: %s", dump(again))
	}
}

// What nobody ever put away waits for nobody once its content is gone.
func TestDeletionClosesWhatIsOpen(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	de.state(id, Ringing)
	cz.state(id, Read)
	cz.clk.Advance(DefaultDanger)
	cz.tick()
	cz.clk.Advance(91 * day)
	for _, r := range []*room{cz, de} {
		r.night()
		if q := r.queue(); len(q) != 0 {
			t.Errorf("%s: %s", r.org.ID, dump(q))
		}
		if s := r.strip(); len(s.Alarms) != 0 || s.Sound.Class != "" {
			t.Errorf("%s still rings: %s", r.org.ID, dump(s))
		}
	}
}

// Each kind has its own time; practice may go while real work stays.
func TestRetentionPerKind(t *testing.T) {
	cz, _ := newRooms(t)
	cz.until("the test desk is known", func() bool { return cz.node.SameKind(test1, test2) })
	cz.stopNode()
	real, practice := cz.archived(accident(room2)), cz.archived(accident(test2))
	cz.keep(RecordTest, 3)
	cz.clk.Advance(4 * day)
	cz.night()
	if cz.incident(practice).Deleted.IsZero() || !cz.incident(real).Deleted.IsZero() {
		t.Error("the test traffic stays or the real one goes")
	}
	list, err := cz.Retentions(t.Context())
	cz.ok(err)
	want := []Retention{{RecordLive, 90}, {RecordExercise, 90}, {RecordTest, 3}, {RecordShift, 90}, {RecordDraft, 7}}
	if len(list) != len(want) {
		t.Fatalf("%v", list)
	}
	for i, r := range list {
		if r != want[i] {
			t.Errorf("%v, want %v", r, want[i])
		}
	}
	for _, r := range []Retention{{RecordLive, 0}, {RecordShift, MaxRetention + 1}} {
		cz.refused(cz.SetRetention(t.Context(), cz.who("petr"), r), problem.Invalid, "console.d.refuse.retention")
	}
	cz.refused(cz.SetRetention(t.Context(), cz.who("petr"), Retention{"all", 5}), problem.Invalid, "console.d.refuse.record")
	if n := cz.count(`SELECT COUNT(*) FROM audit_leaf WHERE action = 'console.retention'`); n != 1 {
		t.Errorf("%d changes are recorded, want 1", n)
	}
}

func TestDeletionOfNotesAndDrafts(t *testing.T) {
	cz, _ := newRooms(t)
	cz.keep(RecordShift, 30)
	draft, err := cz.SaveDraft(t.Context(), cz.who("jana"), accident(room2))
	cz.ok(err)
	d, err := cz.Draft(t.Context(), cz.who("jana"), draft)
	cz.ok(err)
	if !d.DeleteAt.Equal(d.Updated.Add(defaultDraft)) {
		t.Errorf("the draft says %v", d.DeleteAt)
	}
	_, err = cz.StartShift(t.Context(), cz.who("jana"), true)
	cz.ok(err)
	s, err := cz.EndShift(t.Context(), cz.who("jana"), "Silnice uzavřena", "petr")
	cz.ok(err)
	cz.ok(cz.TakeShift(t.Context(), cz.who("petr"), s.ID))
	if !s.DeleteAt.Equal(s.Ended.Add(30 * day)) {
		t.Errorf("the note says %v", s.DeleteAt)
	}
	key := cz.count(`SELECT key_id FROM console_shift WHERE id = $1`, s.ID)
	cz.clk.Advance(8 * day)
	cz.night()
	if list, err := cz.Drafts(t.Context(), cz.who("jana")); err != nil || len(list) != 0 {
		t.Errorf("drafts: %v %v", list, err)
	}
	if n := cz.count(`SELECT COUNT(*) FROM seal_key WHERE subject = $1 AND wrapped IS NOT NULL`, "draft:"+draft); n != 0 {
		t.Error("the draft's key is left")
	}
	note := func() string {
		all, err := cz.Shifts(t.Context(), cz.org.ID, s.Started)
		cz.ok(err)
		for _, h := range all {
			if h.ID == s.ID {
				return h.Note
			}
		}
		return "no shift"
	}
	if note() != "Silnice uzavřena" {
		t.Errorf("the note was deleted with the draft: %q", note())
	}
	cz.clk.Advance(23 * day)
	cz.night()
	if note() != "" || cz.count(`SELECT COUNT(*) FROM seal_key WHERE id = $1 AND wrapped IS NOT NULL`, key) != 0 {
		t.Error("the note is left")
	}
}

// A month's key goes when nothing of the month can be read any more, and with it
// all that was ever copied of the index.
func TestDeletionOfAMonth(t *testing.T) {
	cz, _ := newRooms(t)
	cz.stopNode()
	cz.archived(accident(room2))
	living := func() int64 {
		return cz.count(`SELECT COUNT(*) FROM console_month m JOIN seal_key k ON k.id = m.key_id WHERE k.wrapped IS NOT NULL`)
	}
	if living() != 1 {
		t.Fatal("no key of the month")
	}
	cz.keep(RecordShift, 1)
	cz.clk.Advance(60 * day)
	cz.night()
	if living() != 1 {
		t.Error("the key went while the incident can be read")
	}
	cz.keep(RecordLive, 30)
	cz.night()
	if living() != 0 || cz.count(`SELECT COUNT(*) FROM seal_key WHERE subject LIKE 'console:%' AND wrapped IS NOT NULL`) != 0 {
		t.Error("the month's key is left")
	}
}

func TestOldAlarmsGo(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	de.state(id, Ringing)
	de.ok(de.Open(t.Context(), de.who("max"), id))
	de.keep(RecordLive, 365)
	de.keep(RecordShift, 1)
	if de.count(`SELECT COUNT(*) FROM console_alarm`) == 0 {
		t.Fatal("no alarm")
	}
	de.clk.Advance(2 * day)
	de.night()
	if n := de.count(`SELECT COUNT(*) FROM console_alarm WHERE seen_at > 0`); n != 0 {
		t.Errorf("%d alarms that nobody has to see", n)
	}
}

func TestScheduleRunsTheDeletion(t *testing.T) {
	cz, _ := newRooms(t)
	q := job.New(cz.db, cz.clk, cz.deps.Log)
	cz.ok(cz.Schedule(t.Context(), q))
	if n := cz.count(`SELECT COUNT(*) FROM job_schedule WHERE queue = $1 AND kind = $2`, QueueErase, string(store.Live)); n != 1 {
		t.Error("the deletion is not scheduled")
	}
}
