package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/store"
)

func (f *fixture) events(all ...Event) {
	f.t.Helper()
	for _, e := range all {
		f.write(func(tx *store.Tx) error { return f.log.Append(tx, e) })
		f.clk.Advance(time.Minute)
	}
}

func (f *fixture) list(q Filter, after Place, limit int) (all []Leaf) {
	f.t.Helper()
	if err := f.db.Read(context.Background(), func(tx *store.Tx) (err error) {
		all, err = List(tx, q, after, limit)
		return err
	}); err != nil {
		f.t.Fatal(err)
	}
	return all
}

func ids(all []Leaf) (ids []int64) {
	for _, l := range all {
		ids = append(ids, l.ID)
	}
	return ids
}

func TestList(t *testing.T) {
	f := setup(t, clock.Fake(past))
	f.events(
		Event{Action: "identity.session.start", Actor: "jana", Object: "s1"},      // 1
		Event{Action: "exchange.accept", Actor: "1.2.3", Object: "m1"},            // 2
		Event{Action: "console.accept", Actor: "jana", Object: "17"},              // 3
		Event{Action: "exchange.commit", Actor: "1.2.4", Object: "17"},            // 4
		Event{Action: "identity.person.lock", Actor: "petr", Object: "jana"},      // 5
		Event{Action: "identity.session.refuse", Object: "jana"},                  // 6
		Event{Action: "identity.person.pin", Actor: "jana", Object: "jana"},       // 7
		Event{Action: "exchange.peer.quarantine", Actor: "operator", Object: "p"}, // 8
	)
	at := func(id int) time.Time { return past.Add(time.Duration(id-1) * time.Minute) }
	for name, c := range map[string]struct {
		q    Filter
		want []int64
	}{
		"all but messages":    {Filter{}, []int64{8, 7, 6, 5, 3, 1}},
		"messages":            {Filter{Messages: true}, []int64{4, 2}},
		"person":              {Filter{Person: "jana"}, []int64{7, 6, 5, 3, 1}},
		"person in a group":   {Filter{Person: "jana", Actions: []string{"console."}}, []int64{3}},
		"group":               {Filter{Actions: []string{"exchange."}}, []int64{8}},
		"groups":              {Filter{Actions: []string{"console.", "exchange."}}, []int64{8, 3}},
		"object":              {Filter{Objects: []string{"17"}}, []int64{3}},
		"objects":             {Filter{Objects: []string{"17", "jana", "x"}}, []int64{7, 6, 5, 3}},
		"object of messages":  {Filter{Objects: []string{"17"}, Messages: true}, []int64{4}},
		"from":                {Filter{From: at(6)}, []int64{8, 7, 6}},
		"to":                  {Filter{To: at(6)}, []int64{5, 3, 1}},
		"from and to":         {Filter{From: at(3), To: at(6), Person: "jana"}, []int64{5, 3}},
		"messages from":       {Filter{From: at(3), Messages: true}, []int64{4}},
		"messages to":         {Filter{To: at(4), Messages: true}, []int64{2}},
		"messages in no time": {Filter{From: at(100), Messages: true}, nil},
		"percent":             {Filter{Actions: []string{"%"}}, []int64{8, 7, 6, 5, 3, 1}},
		"nothing":             {Filter{Person: "nobody"}, nil},
	} {
		if diff := cmp.Diff(c.want, ids(f.list(c.q, Place{}, 100))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		var paged []int64
		for after := (Place{}); ; {
			one := f.list(c.q, after, 1)
			if len(one) == 0 {
				break
			}
			paged, after = append(paged, one[0].ID), one[0].Place()
		}
		if diff := cmp.Diff(c.want, paged); diff != "" {
			t.Errorf("%s, one by one (-want +got):\n%s", name, diff)
		}
	}
	want := Leaf{ID: 3, At: at(3), Action: "console.accept", Actor: "jana", Object: "17", Times: 1}
	if got := f.list(Filter{Actions: []string{"console."}}, Place{}, 1); len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A thousand leaves of the same moment come in pages without a gap and without one twice.
func TestListPages(t *testing.T) {
	f := setup(t, clock.Fake(past))
	f.append(1000)
	var got []int64
	for after := (Place{}); ; {
		page := f.list(Filter{Person: "1.2.3"}, after, 50)
		if len(page) == 0 {
			break
		}
		got = append(got, ids(page)...)
		after = page[len(page)-1].Place()
	}
	if len(got) != 1000 || got[0] != 1000 || !slices.IsSortedFunc(got, func(a, b int64) int { return int(b - a) }) || len(slices.Compact(got)) != 1000 {
		t.Errorf("%d leaves, first %d", len(got), got[0])
	}
}

// The pages are read along an index: a log of years is no reason to wait.
func TestListUsesIndexes(t *testing.T) {
	f := setup(t, clock.Fake(past))
	if f.db.Engine() != store.SQLite {
		t.Skip("EXPLAIN QUERY PLAN is SQLite's")
	}
	for want, query := range map[string]string{
		"audit_leaf_at":     `SELECT id FROM audit_leaf WHERE ` + apart + ` AND (at, id) < (5, 5) ORDER BY at DESC, id DESC LIMIT 50`,
		"audit_leaf_actor":  `SELECT id FROM audit_leaf WHERE ` + apart + ` AND (at, id) < (5, 5) AND actor = 'x' ORDER BY at DESC, id DESC LIMIT 50`,
		"audit_leaf_object": `SELECT id FROM audit_leaf WHERE ` + apart + ` AND object = 'x' ORDER BY at DESC, id DESC LIMIT 50`,
	} {
		var plan []string
		if err := f.db.Read(t.Context(), func(tx *store.Tx) error {
			rows, err := tx.Query(`EXPLAIN QUERY PLAN ` + query)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var a, b, c int
				var text string
				if err := rows.Scan(&a, &b, &c, &text); err != nil {
					return err
				}
				plan = append(plan, text)
			}
			return rows.Err()
		}); err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(plan, "; "); !strings.Contains(text, want) || strings.Contains(text, "TEMP B-TREE") {
			t.Errorf("%s is not used: %s", want, text)
		}
	}
}

// What a stranger repeats is one leaf at once and one a minute, with a number that
// nobody can change unseen.
func TestCount(t *testing.T) {
	f := setup(t, clock.Fake(past))
	count := func(n int, object string) {
		for range n {
			f.log.Count("identity.session.refuse", object)
		}
	}
	written := func(want ...string) {
		t.Helper()
		var got []string
		for _, l := range f.list(Filter{}, Place{}, 100) {
			got = append(got, fmt.Sprint(l.Object, " ", l.Times))
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("leaves (-want +got):\n%s", diff)
		}
	}
	count(1, "jana")
	count(3, "")
	f.log.writeCounts(t.Context(), false)
	written(" 3", "jana 1")
	count(16, "jana")
	f.clk.Advance(countFor - time.Second)
	f.log.writeCounts(t.Context(), false)
	written(" 3", "jana 1")
	f.clk.Advance(time.Second)
	f.log.writeCounts(t.Context(), false)
	written(" 3", "jana 1", "jana 16")
	count(2, "jana")
	f.log.writeCounts(t.Context(), true)
	written(" 3", "jana 1", "jana 16", "jana 2")
	f.clk.Advance(time.Hour)
	f.log.writeCounts(t.Context(), false)
	if written(" 3", "jana 1", "jana 16", "jana 2"); len(f.log.counts) != 0 {
		t.Errorf("%d counts are kept for ever", len(f.log.counts))
	}

	f.sequence()
	if r := f.verify(); len(r.Faults) != 0 || r.Tree != 4 {
		t.Fatalf("%+v", r)
	}
	text, err := f.export(1, 4)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyExport(strings.NewReader(text)); err != nil {
		t.Error(err)
	}
	var hash []byte
	f.write(func(tx *store.Tx) error { return tx.Row(`SELECT hash FROM audit_leaf WHERE id = 3`).Scan(&hash) })
	if n := times(hash); n != 16 {
		t.Fatalf("leaf 3 says %d", n)
	}
	f.write(func(tx *store.Tx) error {
		ok, err := f.log.Matches(tx, 3, Event{Action: "identity.session.refuse", Object: "jana"})
		if err == nil && !ok {
			t.Error("what was counted is not what was recorded")
		}
		return err
	})
	f.exec(`UPDATE audit_leaf SET hash = $1 WHERE id = 3`, flip(hash, len(hash)-1))
	if got := f.verify().Faults; len(got) != 1 || got[0] != (Fault{LeafChanged, 3, 3}) {
		t.Errorf("a changed number is reported as %+v", got)
	}
}

// Whoever invents names does not fill the memory, and what could not be written is
// not lost.
func TestCountBounds(t *testing.T) {
	f := setup(t, clock.Fake(past))
	for i := range maxCounted + 500 {
		f.log.Count("x.y", fmt.Sprint("n", i))
	}
	if n := len(f.log.counts); n > maxCounted+1 {
		t.Errorf("%d are counted", n)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	f.log.writeCounts(gone, false)
	f.log.writeCounts(t.Context(), true)
	var sum int64
	for _, l := range f.list(Filter{}, Place{}, 2*maxCounted) {
		sum += l.Times
	}
	if sum != maxCounted+500 {
		t.Errorf("%d of %d were written", sum, maxCounted+500)
	}
}

// A running node writes the counts by itself, the rest when it stops.
func TestCountRuns(t *testing.T) {
	f := setup(t, clock.System())
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- f.log.Run(ctx) }()
	f.log.Count("x.y", "a")
	for len(f.list(Filter{}, Place{}, 10)) == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	f.log.Count("x.y", "a")
	f.log.Count("x.y", "a")
	stop()
	<-ran
	all := f.list(Filter{}, Place{}, 10)
	if len(all) != 2 || all[0].Times != 2 {
		t.Errorf("%+v", all)
	}
	if r := f.verify(); len(r.Faults) != 0 || r.Tree != 2 {
		t.Errorf("after the stop: %+v", r)
	}
}

func (f *fixture) last() (v Verification) {
	f.t.Helper()
	if err := f.db.Read(context.Background(), func(tx *store.Tx) (err error) { v, err = f.log.LastVerification(tx); return err }); err != nil {
		f.t.Fatal(err)
	}
	return v
}

func (f *fixture) begin(person string) (begun bool) {
	f.t.Helper()
	f.write(func(tx *store.Tx) (err error) { begun, err = f.log.Begin(tx, person); return err })
	return begun
}

func TestCheck(t *testing.T) {
	f := filled(t)
	if v := f.last(); v != (Verification{}) {
		t.Fatalf("before the first: %+v", v)
	}
	if !f.begin("jana") || f.begin("petr") {
		t.Fatal("one of two verifications at once was not begun, or both were")
	}
	if v := f.last(); !v.Running || v.By != "jana" || v.Report != nil {
		t.Fatalf("while it runs: %+v", v)
	}
	if _, err := f.log.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	v := f.last()
	if v.Running || v.Interrupted || v.Report == nil || v.Faults != 0 || v.Report.Leaves != 700 || v.Done != 700 || !v.Reported.Equal(f.clk.Now()) {
		t.Fatalf("in order: %+v", v)
	}
	f.clk.Advance(time.Hour)
	f.exec(`UPDATE audit_leaf SET actor = 'x' WHERE id % 2 = 0 AND id <= 100`)
	if !f.begin("") {
		t.Fatal("after the end of one no other was begun")
	}
	if v = f.last(); !v.Running || v.Report == nil || v.Faults != 0 {
		t.Fatalf("the last result is not kept while the next one runs: %+v", v)
	}
	if _, err := f.log.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v = f.last(); v.Faults != 50 || len(v.Report.Faults) != keptFaults || v.Report.Faults[0] != (Fault{LeafChanged, 2, 2}) || v.By != "" {
		raw, _ := json.Marshal(v)
		t.Fatalf("tampered: %s", raw)
	}
	// One that died does not keep the next one away for ever.
	f.begin("jana")
	f.clk.Advance(deadAfter + time.Second)
	if v = f.last(); v.Running || !v.Interrupted || v.Faults != 50 {
		t.Fatalf("interrupted: %+v", v)
	}
	if !f.begin("jana") {
		t.Fatal("no other was begun")
	}
	f.log.clock = clock.Fake(past.AddDate(-1, 0, 0)) // set back
	if v = f.last(); v.Running || !f.begin("jana") {
		t.Fatalf("a clock that was set back: %+v", v)
	}
}
