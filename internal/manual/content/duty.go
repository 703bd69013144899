package content

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"sync"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register/fact"
)

// Coverage is how a duty is shown to be fulfilled; there is exactly one for each.
type Coverage string

// The three. A tick by oneself is none.
const (
	ByAction Coverage = "action" // an expected action of an exercise, seen by the system
	ByReview Coverage = "review" // an item of the yearly review, with a document
	ByOthers Coverage = "other"  // not a municipality's
)

// Duty is a row of the table of duties.
type Duty struct {
	ID   string // MD001
	Text map[i18n.Lang]string
	// Actor, Phase and Hazard are words of the table: starosta, response, flood.
	Actor, Phase, Hazard string
	// Applies is for whom it holds, as the table says; Guard the same over facts.
	Applies string
	Guard   *fact.Guard
	// Deadline is as the table has it, in English.
	Deadline string
	// Source is act and section, Status how that was checked: "verified-secondary" or
	// "from-memory".
	Source, Status string
	Coverage       Coverage
	Document       string // what a review asks for: a key of content.document
}

// Duties are the shipped rows, in their order.
var Duties = sync.OnceValue(func() []*Duty {
	text, err := data.ReadFile("data/duties.csv")
	if err == nil {
		var all []*Duty
		if all, err = ReadDuties(text); err == nil {
			return all
		}
	}
	panic(err) // embedded, and tested
})

// Known reports whether there is a duty of that id.
func Known(id string) bool {
	return slices.ContainsFunc(Duties(), func(d *Duty) bool { return d.ID == id })
}

var columns = []string{"id", "cs", "de", "pl", "en", "actor", "phase", "hazard", "applies", "deadline", "source", "status", "coverage", "document"}

// ReadDuties reads a table of duties; an error names the line.
func ReadDuties(text []byte) ([]*Duty, error) {
	r := csv.NewReader(bytes.NewReader(text))
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("content.ReadDuties: %w", err)
	}
	if len(rows) == 0 || !slices.Equal(rows[0], columns) {
		return nil, fmt.Errorf("content.ReadDuties: line 1: the columns are %v", columns)
	}
	var all []*Duty
	seen := map[string]bool{}
	for i, row := range rows[1:] {
		fail := func(err error) ([]*Duty, error) {
			return nil, fmt.Errorf("content.ReadDuties: line %d, %s: %w", i+2, row[0], err)
		}
		d := &Duty{ID: row[0], Text: map[i18n.Lang]string{}, Actor: row[5], Phase: row[6], Hazard: row[7], Applies: row[8], Deadline: row[9], Source: row[10], Status: row[11], Coverage: Coverage(row[12]), Document: row[13]}
		for n, l := range []i18n.Lang{i18n.Cs, i18n.De, i18n.Pl, i18n.En} {
			if d.Text[l] = row[1+n]; row[1+n] == "" {
				return fail(fmt.Errorf("no text in %s", l))
			}
		}
		guard, err := fact.Shipped().FromLaw(d.Applies)
		if err != nil {
			return fail(err)
		}
		if d.Guard, err = fact.Shipped().Guard(guard); err != nil {
			return fail(err)
		}
		switch {
		case d.ID == "" || seen[d.ID]:
			return fail(fmt.Errorf("the id is missing or there twice"))
		case d.Source == "" || d.Status == "":
			return fail(fmt.Errorf("no source or no status"))
		case !slices.Contains([]Coverage{ByAction, ByReview, ByOthers}, d.Coverage) || (d.Coverage == ByReview) != (d.Document != ""):
			return fail(fmt.Errorf("coverage is action, other, or review with its document"))
		}
		seen[d.ID] = true
		all = append(all, d)
	}
	return all, nil
}
