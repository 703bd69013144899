package console

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// archived hands the draft over, has it taken over by telephone and so closed,
// and returns the incident.
func (r *room) archived(d Draft) string {
	r.t.Helper()
	id := r.handOver(d)
	i := r.incident(id)
	for _, h := range i.Handovers {
		r.ok(r.TakenOverByTelephone(r.t.Context(), r.who("jana"), h.ID, "Krüger", ""))
	}
	return id
}

func (r *room) search(q Search) Found {
	r.t.Helper()
	f, err := r.Search(r.t.Context(), r.who("petr"), q)
	r.ok(err)
	return f
}

func (r *room) ids(q Search) []string {
	r.t.Helper()
	out := []string{}
	for _, h := range r.search(q).Rows {
		out = append(out, h.ID)
	}
	return out
}

func TestSearchFinds(t *testing.T) {
	cz, _ := newRooms(t)
	cz.stopNode() // what is sent stays here
	cz.PlaceNames = func(p string) []string {
		if p == "Zittau" {
			return []string{"Žitava", "Żytawa"}
		}
		return nil
	}
	began := cz.clk.Now()
	first := cz.archived(Draft{To: []string{room2}, Type: "dopravní nehoda", Issue: "a", Place: "Hrádek nad Nisou", Street: "Žitavská", House: "12",
		Country: "CZ", InternalID: "2026-000123", Caller: Person{Name: "Karel Novák", Phone: "+420 601 234 567"}})
	cz.clk.Advance(time.Hour)
	second := cz.archived(Draft{To: []string{system2}, Type: "požár", Issue: "b", Place: "Zittau", Street: "Łódzka", Object: "Straßenbahndepot", Country: "DE",
		InternalID: "LRZ/77001"})
	cz.clk.Advance(time.Hour)
	both := cz.archived(Draft{To: []string{room2, system2}, Type: "nehoda vlaku", Issue: "c", Place: "Aš", Street: "Nádražní", Country: "CZ"})
	open := cz.handOver(Draft{To: []string{room2}, Type: "požár", Issue: "d", Place: "Zittau", Country: "DE"})
	all := []string{both, second, first}
	shared := cz.incident(first).SharedID
	for _, c := range []struct {
		name string
		q    Search
		want []string
	}{
		{"everything that is closed, the newest first", Search{}, all},
		{"time, the beginning counts, the end does not", Search{From: began, To: began.Add(2 * time.Hour)}, []string{second, first}},
		{"no time", Search{From: began.Add(3 * time.Hour)}, nil},
		{"municipality", Search{Place: "Hrádek nad Nisou"}, []string{first}},
		{"beginning of a word, without diacritics", Search{Place: "hrad"}, []string{first}},
		{"street in any case", Search{Place: "ZITAVSKA 12"}, []string{first}},
		{"a word of each: none", Search{Place: "Hrádek Łódzka"}, nil},
		{"Polish letters typed without them", Search{Place: "lodzka"}, []string{second}},
		{"German ß typed as ss, object", Search{Place: "strassenb"}, []string{second}},
		{"the neighbour's name of the place", Search{Place: "Żytawa"}, []string{second}},
		{"the own name of the place", Search{Place: "žitava"}, []string{second}},
		{"both Žitavská and Žitava begin so", Search{Place: "žitav"}, []string{second, first}},
		{"a place of two letters", Search{Place: "Aš"}, []string{both}},
		{"two letters are a whole word", Search{Place: "Hr"}, nil},
		{"no word within a word", Search{Place: "ittau"}, nil},
		{"a letter alone does not count", Search{Place: "Aš 7"}, []string{both}},
		{"number as the sender wrote it", Search{Number: "2026-000123"}, []string{first}},
		{"its last part", Search{Number: "123"}, []string{first}},
		{"its last part with zeros", Search{Number: "000123"}, []string{first}},
		{"a number with letters, other marks", Search{Number: "lrz 77001"}, []string{second}},
		{"the common UUID", Search{Number: strings.ToUpper(shared)}, []string{first}},
		{"its last part", Search{Number: shared[24:]}, []string{first}},
		{"the caller's telephone", Search{Number: "00420 601 234 567"}, []string{first}},
		{"without the country's code", Search{Number: "601234567"}, []string{first}},
		{"no number", Search{Number: "999999"}, nil},
		{"keyword", Search{Type: "nehoda"}, []string{both, first}},
		{"keyword, all words", Search{Type: "nehoda dopr"}, []string{first}},
		{"a keyword is no place", Search{Place: "nehoda"}, nil},
		{"neighbour", Search{Neighbour: system2}, []string{both, second}},
		{"no neighbour", Search{Neighbour: "1.2.3"}, nil},
		{"all at once", Search{From: began, Place: "as nadr", Type: "vlak", Neighbour: room2}, []string{both}},
		{"all at once, one does not fit", Search{From: began, Place: "as nadr", Type: "požár", Neighbour: room2}, nil},
		{"no test traffic", Search{Kind: store.Test}, nil},
	} {
		if d := cmp.Diff(c.want, cz.ids(c.q)); d != "" && len(c.want)+len(cz.ids(c.q)) > 0 {
			t.Errorf("%s: %s", c.name, d)
		}
	}
	if slices.Contains(cz.ids(Search{Place: "Zittau"}), open) {
		t.Error("an open incident is in the archive")
	}
	for _, q := range []Search{{Place: "a"}, {Type: "…"}, {Place: "12 -", Type: "7"}} {
		_, err := cz.Search(t.Context(), cz.who("petr"), q)
		cz.refused(err, problem.Invalid, "console.d.refuse.search_word")
	}
	_, err := cz.Search(t.Context(), cz.who("petr"), Search{Number: "12"})
	cz.refused(err, problem.Invalid, "console.d.refuse.search_number")
	_, err = cz.Search(t.Context(), cz.who("petr"), Search{After: "x"})
	cz.refused(err, problem.Invalid, "console.d.refuse.search_page")
	if n := cz.count(`SELECT COUNT(*) FROM audit_leaf WHERE action = 'console.search'`); n == 0 {
		t.Error("searching is not recorded")
	}
}

// Pages follow each other without gap or repetition, over the end of months and
// with several incidents of one millisecond.
func TestSearchPages(t *testing.T) {
	cz, _ := newRooms(t)
	cz.stopNode()
	var want []string
	for n := range 9 {
		if n%3 == 0 {
			cz.clk.Advance(20 * 24 * time.Hour)
			cz.here()
		}
		want = append(want, cz.archived(Draft{To: []string{room2}, Type: "požár", Issue: fmt.Sprint(n), Place: "Liberec", InternalID: "0001 777"}))
	}
	for _, q := range []Search{{}, {Place: "liberec"}, {Place: "Liberec", Type: "poz"}, {Number: "000 1777"}} {
		var got []string
		for q.Limit = 2; ; {
			f := cz.search(q)
			for _, h := range f.Rows {
				got = append(got, h.ID)
				if h.DeleteAt.IsZero() || h.Place != "Liberec" {
					t.Errorf("%s", dump(h))
				}
			}
			if q.After = f.Next; f.Next == "" {
				break
			}
			if len(f.Rows) != 2 {
				t.Fatalf("%+v: a page of %d", q, len(f.Rows))
			}
		}
		if len(got) != len(want) || len(slices.Compact(slices.Sorted(slices.Values(got)))) != len(want) {
			t.Errorf("%+v: %d of %d", q, len(got), len(want))
		}
		// The newest batch comes first.
		if !slices.Contains(want[6:], got[0]) || !slices.Contains(want[:3], got[8]) {
			t.Errorf("%+v: the order is %v", q, got)
		}
	}
}

// Practice is found only by who looks for practice.
func TestSearchKeepsKindsApart(t *testing.T) {
	cz, _ := newRooms(t)
	cz.until("the test desk is known", func() bool { return cz.node.SameKind(test1, test2) })
	cz.stopNode()
	real, practice := cz.archived(accident(room2)), cz.archived(accident(test2))
	for _, q := range []Search{{}, {Place: "Hrádek"}} {
		if got := cz.ids(q); !slices.Equal(got, []string{real}) {
			t.Errorf("live: %v", got)
		}
		if q.Kind = store.Test; !slices.Equal(cz.ids(q), []string{practice}) {
			t.Errorf("test: %v", cz.ids(q))
		}
	}
}

// The index holds no word, and it is the month's key that makes it tell anything.
func TestSearchIndexHoldsNoWords(t *testing.T) {
	cz, _ := newRooms(t)
	cz.stopNode()
	id := cz.archived(accident(room2))
	rows := cz.count(`SELECT COUNT(*) FROM console_search WHERE incident = $1`, id)
	if rows == 0 || rows*8 != cz.count(`SELECT LENGTH(tokens) FROM console_incident WHERE id = $1`, id) {
		t.Fatalf("%d rows, and another number noted at the incident", rows)
	}
	cz.ok(cz.db.Write(t.Context(), func(tx *store.Tx) error {
		key, err := cz.monthKey(tx, cz.org.ID, cz.clk.Now())
		if err != nil {
			return err
		}
		var there int64
		if err := tx.Row(`SELECT COUNT(*) FROM console_search WHERE token = $1`, token(key, tagPlace+"hradek")).Scan(&there); err != nil || there != 1 {
			t.Errorf("%d rows for the word, %v", there, err)
		}
		return cz.ring.Destroy(tx, key.ID())
	}))
	if got := cz.ids(Search{Place: "Hrádek"}); len(got) != 0 {
		t.Error("found after the month's key was destroyed")
	}
	if got := cz.ids(Search{}); !slices.Equal(got, []string{id}) {
		t.Errorf("by time: %v", got)
	}
}
