package warning

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// TestStored: what is written down and read again is what memory knows, whatever came
// in whatever order.
func TestStored(t *testing.T) {
	r := newRig(t)
	thorough(t, 40, func(t *rapid.T) {
		r.ok(r.db.Write(r.t.Context(), func(tx *store.Tx) error {
			for _, table := range []string{"document", "series", "copy", "seen", "version"} {
				if _, err := tx.Exec("DELETE FROM warning_" + table); err != nil {
					return err
				}
			}
			return r.changed(tx)
		}))
		b := NewBook()
		for _, p := range received(t, append(messages(t), bulletins(t)...)) {
			b.Take(p.doc, &p.reading)
			r.read(p.doc, p.doc.ID, &p.reading)
			if rapid.Bool().Draw(t, "look") { // what is read between two documents is not read again
				_, err := r.Book(r.t.Context())
				r.ok(err)
			}
		}
		now := at(rapid.IntRange(0, 260).Draw(t, "now"))
		stored, err := r.Book(r.t.Context())
		r.ok(err)
		if x, y := outline(b.Warnings(now)), outline(stored.Warnings(now)); x != y {
			t.Fatalf("in memory:\n%s\nstored:\n%s", x, y)
		}
	})
}

// listed is what a list without a date of its own says: what was fetched when.
func listed(ids ...string) *feed.Reading {
	r := &feed.Reading{Whole: true}
	for _, id := range ids {
		r.Warnings = append(r.Warnings, feed.Warning{ID: "imgw-meteo/" + id, Source: "imgw-meteo", Event: id, Status: feed.Actual, State: feed.InForce, Sent: feed.Moment{At: start},
			Texts: []feed.Text{{Language: "pl", Headline: id}}, Areas: []feed.Area{{Codes: []feed.Code{{Scheme: "TERYT", Value: "0225"}}}}})
	}
	return r
}

// TestLists: a list says something new even when it says the same as before the last;
// what leaves it ends then, and not later with every time it is fetched again.
func TestLists(t *testing.T) {
	r := newRig(t)
	take := func(minute int, ids ...string) Taken {
		return r.read(Document{Feed: "imgw-meteo", Series: "pl", Kind: store.Live, Fetched: at(minute)}, fmt.Sprint(ids), listed(ids...))
	}
	phase := func(id string) string {
		for _, w := range r.warnings() {
			if w.Says().Event == id {
				if w.Phase != Ended {
					return string(w.Phase)
				}
				return fmt.Sprint(w.Phase, w.Reason, w.Ended.Sub(start))
			}
		}
		return "none"
	}
	if taken := take(0, "a"); taken.Known || taken.New != 1 {
		t.Errorf("%+v", taken)
	}
	take(5, "a", "b")
	if taken := take(10, "a"); taken.Known {
		t.Error("the list as it was before the last is no news")
	}
	if got := phase("b"); got != "endedabsent10m0s" {
		t.Error(got)
	}
	if taken := take(15, "a"); !taken.Known {
		t.Error("the same again is news")
	}
	take(20, "a")
	if got := phase("b"); got != "endedabsent10m0s" {
		t.Error(got)
	}
	if got := phase("a"); got != "in_force" {
		t.Error(got)
	}
	// One that comes late, of a moment at which another held, changes nothing.
	take(12, "a", "b", "c")
	if got := phase("c"); got != "endedabsent20m0s" {
		t.Error(got)
	}
	take(25)
	if got := phase("a"); got != "endedabsent25m0s" {
		t.Error(got)
	}
	if n := r.count(`SELECT COUNT(*) FROM warning_document`); n != 5 {
		t.Errorf("%d documents", n)
	}
	if n := r.count(`SELECT COUNT(*) FROM warning_version`); n != 3 {
		t.Errorf("%d versions", n)
	}
}

// TestErase: what has ended is deleted after its time, with its documents and their
// bytes; what is in force stays, and so does the newest document of a series.
func TestErase(t *testing.T) {
	r := newRig(t)
	doc := func(minute int) Document {
		return Document{Feed: "imgw-meteo", Series: "pl", Kind: store.Live, Fetched: at(minute)}
	}
	r.read(doc(0), "ab", listed("a", "b"))
	r.read(doc(5), "a", listed("a"))
	r.wait(Keep - time.Hour)
	if n, err := r.Erase(t.Context()); err != nil || n != 0 {
		t.Fatal(n, err)
	}
	r.wait(2 * time.Hour)
	if n, err := r.Erase(t.Context()); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	left := r.warnings()
	if len(left) != 1 || left[0].Says().Event != "a" || left[0].Phase != InForce {
		t.Fatalf("%+v", left)
	}
	// The first version of what is left came in the older document: both stay.
	if n := r.count(`SELECT COUNT(*) FROM warning_document`); n != 2 {
		t.Errorf("%d documents", n)
	}
	r.read(Document{Feed: "imgw-meteo", Series: "pl", Kind: store.Live, Fetched: r.clk.Now()}, "none", listed())
	r.wait(Keep + time.Hour)
	if n, err := r.Erase(t.Context()); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if d, v, s := r.count(`SELECT COUNT(*) FROM warning_document`), r.count(`SELECT COUNT(*) FROM warning_version`), r.count(`SELECT COUNT(*) FROM warning_seen`); d != 1 || v != 0 || s != 0 {
		t.Error(d, v, s)
	}
}

// TestDecisions: a person parts and joins, undoes it, and it holds for what later
// bulletins bring.
func TestDecisions(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	relay := func(minute int) {
		w := listed("x").Warnings[0]
		w.ID, w.Source, w.Originals, w.Code = "meteoalarm/2.49.1", "meteoalarm", []string{"2.49.1"}, "1; Wind"
		w.Onset, w.Level = feed.Moment{At: at(60)}, feed.Level{Colour: "yellow"}
		w.Areas[0].Codes = []feed.Code{{Scheme: "EMMA_ID", Value: "PL0225"}}
		r.read(Document{Feed: "meteoalarm", Series: "pl", Kind: store.Live, Fetched: at(minute)}, fmt.Sprint("relay ", minute), &feed.Reading{Whole: true, Dated: true, Issued: feed.Moment{At: at(minute)}, Warnings: []feed.Warning{w}})
	}
	origin := func(minute int, event, expires string) {
		l := listed("x", "other")
		w := &l.Warnings[0]
		w.Event, w.Onset, w.Level, w.Expires.Text = "Silny wiatr", feed.Moment{At: at(60)}, feed.Level{Colour: "yellow"}, expires
		r.read(Document{Feed: "imgw-meteo", Series: "pl", Kind: store.Live, Fetched: at(minute)}, fmt.Sprint("origin ", minute, event), l)
	}
	origin(0, "", "")
	relay(1)
	all := r.warnings()
	if len(all) != 2 || len(all[0].Links) != 1 || all[0].Links[0].Rule != ByMatch || all[0].Links[0].Why != "1 · PL:0225" {
		t.Fatalf("%+v", all[0].Links)
	}
	id, copied, other := all[0].ID, all[0].Members[1].ID, all[1].ID
	for _, bad := range []struct {
		copies []string
		reason string
	}{{nil, "r"}, {[]string{id, copied}, "r"}, {[]string{copied}, " "}} {
		if _, err := r.Split(ctx, "jana", id, bad.copies, bad.reason); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%v: %v", bad, err)
		}
	}
	split, err := r.Split(ctx, "jana", id, []string{copied}, "two storms")
	r.ok(err)
	if n := len(r.warnings()); n != 3 {
		t.Fatalf("%d warnings", n)
	}
	origin(5, "again", "later")
	relay(6)
	if n := len(r.warnings()); n != 3 {
		t.Errorf("%d warnings after the next bulletins", n)
	}
	about, err := r.Undo(ctx, "petr", split)
	r.ok(err)
	if n := len(r.warnings()); n != 2 || about != id {
		t.Errorf("%d warnings after the undoing", n)
	}
	if _, err := r.Undo(ctx, "petr", split); problem.KindOf(err) != problem.NotFound {
		t.Error(err)
	}
	join, err := r.Join(ctx, "jana", id, other, "one front")
	r.ok(err)
	w, b, err := r.Get(ctx, other)
	r.ok(err)
	if w.ID != id || len(w.Members) != 3 || w.Links[0].Rule != ByPerson || w.Links[0].Why != join {
		t.Errorf("%+v", w.Links)
	}
	var steps []string
	for _, s := range b.History(w) {
		steps = append(steps, s.What+" "+s.Person)
	}
	for _, want := range []string{"join Jana Nováková", "split Jana Nováková", "undone Petr Malý", "changed ", "issued "} {
		if !slices.Contains(steps, want) {
			t.Errorf("%q is not in %q", want, steps)
		}
	}
	// Parting what was joined takes the joining back, and the other way round.
	_, err = r.Split(ctx, "jana", id, []string{other}, "no")
	r.ok(err)
	if n := len(r.warnings()); n != 2 {
		t.Errorf("%d warnings after parting", n)
	}
	_, err = r.Join(ctx, "jana", id, other, "yes")
	r.ok(err)
	if n := len(r.warnings()); n != 1 {
		t.Errorf("%d warnings after joining", n)
	}
	if _, err := r.Join(ctx, "jana", id, other, "again"); problem.KindOf(err) != problem.Conflict {
		t.Error(err)
	}
	if _, err := r.Join(ctx, "jana", id, "nothing", "again"); problem.KindOf(err) != problem.Invalid {
		t.Error(err)
	}
	var p *problem.Error
	if _, _, err := r.Get(ctx, "nothing"); !errors.As(err, &p) || p.Kind != problem.NotFound {
		t.Error(err)
	}
}

// TestKinds: an exercise that says it is real, and a real warning beside it, are never
// one; what came for an exercise never becomes live.
func TestKinds(t *testing.T) {
	r := newRig(t)
	one := func(kind store.Kind, source string, status feed.Status) {
		w := listed("x").Warnings[0]
		w.ID, w.Source, w.Originals, w.Status = source+"/1", source, []string{"2.49.9"}, status
		r.read(Document{Feed: source, Series: "s", Kind: kind, Fetched: at(1)}, source+string(kind), &feed.Reading{Warnings: []feed.Warning{w}})
	}
	one(store.Live, "dwd", feed.Actual)
	one(store.Live, "meteoalarm", feed.Exercise)
	one(store.Exercise, "dwd", feed.Actual)
	one(store.Test, "dwd", feed.Actual)
	kinds := map[store.Kind]int{}
	for _, w := range r.warnings() {
		kinds[w.Kind] += len(w.Members)
	}
	if kinds[store.Live] != 1 || kinds[store.Exercise] != 2 || kinds[store.Test] != 1 || len(r.warnings()) < 3 {
		t.Errorf("%v", kinds)
	}
	for _, w := range r.warnings() {
		if w.Kind == store.Exercise && len(w.Members) == 2 {
			continue // both are exercises, of one identifier
		}
		if len(w.Members) != 1 {
			t.Errorf("%+v", w.Links)
		}
	}
}

// TestLimits: a source is old when its operator says so, on every page, and as its feed
// has it where he says nothing.
func TestLimits(t *testing.T) {
	r := newRig(t)
	r.o.Limits = func(source string) feed.Limits {
		return map[string]feed.Limits{"slow": {Fetched: 5 * time.Hour}, "dated": {Issued: time.Hour, Fetched: 30 * time.Minute}}[source]
	}
	for _, d := range []Document{{Feed: "dwd", Series: "slow"}, {Feed: "dwd", Series: "stat"}, {Feed: "chmi", Series: "dated"}} {
		d.Kind, d.Fetched = store.Live, start
		r.read(d, d.Series, &feed.Reading{Whole: true, Dated: d.Feed == "chmi", Issued: feed.Moment{At: start.Add(-50 * time.Minute)}})
	}
	for after, want := range map[time.Duration]string{0: "", 9 * time.Minute: "", 10 * time.Minute: "dated 10m0s", 40 * time.Minute: "dated 10m0s stat 30m0s", 6 * time.Hour: "dated 10m0s slow 5h0m0s stat 30m0s"} {
		b, err := r.Book(t.Context())
		r.ok(err)
		var got []string
		for _, f := range r.Feeds(b, start.Add(after)) {
			if f.Series != nil && !f.Stale.IsZero() {
				got = append(got, f.Series.Name+" "+f.Stale.Sub(start).String())
			}
		}
		if slices.Sort(got); strings.Join(got, " ") != want {
			t.Errorf("after %v: %v, want %s", after, got, want)
		}
	}
}
