package disclosure

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/store"
)

// What somebody typed is read as it was written, whatever it begins with.
func TestFile(t *testing.T) {
	rules := Default()
	for n, reason := range []string{"'tis so", "=1+1", "'=1+1'", "plain", "''"} {
		rules[n].Reason = reason
	}
	var out bytes.Buffer
	if err := WriteCSV(&out, rules); err != nil {
		t.Fatal(err)
	}
	again, err := ReadCSV(&out)
	if err != nil || !slices.Equal(again, rules) {
		t.Errorf("%v, %+v", err, again[:min(5, len(again))])
	}
}

// Rules that were rolled back hold for nobody, also when others get their number.
func TestRolledBack(t *testing.T) {
	s := newSite(t)
	no := errors.New("no")
	kept, lost := Default(), Default()
	lost[0].Reason = "lost"
	table := func(tx *store.Tx) (n int64) {
		_, n, err := s.Table(tx)
		s.must(err)
		return n
	}
	if err := s.db.Write(t.Context(), func(tx *store.Tx) error {
		if err := putVersion(tx, Version{Number: 1, At: s.clk.Now().Add(-time.Second), Person: "leader", Rules: lost}); err != nil {
			return err
		}
		if n := table(tx); n != 1 {
			t.Errorf("version %d", n)
		}
		return no
	}); !errors.Is(err, no) {
		t.Fatal(err)
	}
	if n, faults, err := s.Save(t.Context(), "leader", 0, kept, ""); n != 1 || len(faults) > 0 || err != nil {
		t.Fatal(n, faults, err)
	}
	s.must(s.db.Read(t.Context(), func(tx *store.Tx) error {
		got, n, err := s.Table(tx)
		if n != 1 || slices.ContainsFunc(got.rules, func(r Rule) bool { return r.Reason == "lost" }) {
			t.Errorf("version %d has rules that were rolled back", n)
		}
		return err
	}))
}

// Whether a message was judged is asked for each one: not by reading the whole log.
func TestDecisionsUseIndexes(t *testing.T) {
	s := newSite(t)
	if s.db.Engine() != store.SQLite {
		t.Skip("EXPLAIN QUERY PLAN is SQLite's")
	}
	for index, c := range map[string]struct {
		where string
		args  []any
	}{
		"disclosure_decision_message":   {ofMessage, []any{"x", 1}},
		"autoindex":                     {ofAll, []any{1}},
		"disclosure_decision_message (": {toPeer, []any{"x", "y"}},
	} {
		var plan []string
		s.must(s.db.Read(t.Context(), func(tx *store.Tx) error {
			rows, err := tx.Query(`EXPLAIN QUERY PLAN `+selectDecisions+c.where, c.args...)
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
		}))
		if text := strings.Join(plan, "; "); !strings.Contains(text, index) || index == "autoindex" && strings.Contains(text, "TEMP B-TREE") {
			t.Errorf("%s is not used: %s", index, text)
		}
	}
	for n := range 3 {
		s.must(s.db.Write(t.Context(), func(tx *store.Tx) error {
			return putDecision(tx, fmt.Sprint(n), Logged{At: s.clk.Now(), Message: fmt.Sprint("m", n%2), Action: Pass})
		}))
	}
	for message, want := range map[string]int{"": 3, "m0": 2, "m1": 1, "m2": 0} {
		if got, err := s.Decisions(t.Context(), message, 10); err != nil || len(got) != want {
			t.Errorf("%q: %d, %v", message, len(got), err)
		}
	}
}
