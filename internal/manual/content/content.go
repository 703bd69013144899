package content

import (
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register/fact"
)

// Texts is one text in the four languages.
type Texts map[i18n.Lang]string

// Coverage says how it is shown that a duty is done; each has exactly one.
type Coverage string

const (
	Action       Coverage = "action"        // by an expected action of an exercise, with evidence the system saw
	Review       Coverage = "review"        // by a dated item of the yearly readiness review, with its document
	NotMunicipal Coverage = "not_municipal" // it is no duty of a municipality
)

// Duty is one row of duties.csv: what the law asks of whom.
type Duty struct {
	ID     string // MD001 …
	Actor  string // who acts: municipality, mayor, office, orp_mayor, governor …
	Phase  string // prevention, preparedness, alert, response, recovery
	Hazard string
	// When is a situation of the day, no fact of a municipality: crisis_state, help_requested
	// or collection. Empty: always.
	When     string
	Coverage Coverage
	Source   string // act and section
	Status   string // verified, verified-secondary, from-memory
	// ValidFrom and ValidTo are the first and last day of the version of the act cited, as
	// 2025-08-19; "" where that is not established, and of what has no end.
	ValidFrom, ValidTo string
	Text               Texts
	Deadline           Texts
	Document           Texts // what proves the duty at the review; empty unless Coverage is Review
	Line               int   // in duties.csv

	guard
}

// InForce tells whether the version cited is in force on a day, 2026-11-30, as far as is known.
func (d *Duty) InForce(day string) bool {
	return (d.ValidFrom == "" || d.ValidFrom <= day) && (d.ValidTo == "" || day <= d.ValidTo)
}

// Fragment is one instruction for one role in one phase.
type Fragment struct {
	ID           string // hazard.phase.number
	Hazard       string
	Phase        string   // prepare, watch, alarm, act, recover, evaluate
	Role         string   // mayor, deputy, office, commander, commission, police
	Duties       []string // rows of duties.csv
	Alternatives string   // group of which exactly one holds; empty: none
	Priority     int      // 1 = critical path … 3
	Deadline     time.Duration
	Card         bool     // on the one-page action card of its hazard and role
	Call         []string // emergency numbers and kinds of contacts
	Text         Texts    // official register
	Easy         Texts    // easy language
	Checked      map[i18n.Lang]Checked
	File         string // in the folder that was loaded
	Line         int

	guard
	when string // common condition of the group of alternatives
}

// Checked says who answers for the texts of one language. A text without is a draft.
type Checked struct{ By, On string } // On is a date, 2026-11-30

// Content is one version of duties and fragments, in the order of their files.
type Content struct {
	Duties    []Duty
	Fragments []Fragment
	Version   string // first 12 hex digits of the SHA-256 of all files

	duties map[string]*Duty
	schema *fact.Schema
}

// Duty returns the row with that id, or nil.
func (c *Content) Duty(id string) *Duty { return c.duties[id] }

// guard is a condition on the facts of a municipality; the zero one always holds.
type guard struct {
	source   string
	compiled *fact.Guard
	at       place // where it stands, for findings
}

// Guard returns the condition in the language of the fact schema, "" for always.
func (g *guard) Guard() string { return g.source }

// Applies tells whether it holds for a municipality with these facts.
func (g *guard) Applies(facts fact.Set) fact.Truth {
	if g.compiled == nil {
		return fact.True
	}
	return g.compiled.Eval(facts)
}

// Facts lists the facts that decide, none for what always holds.
func (g *guard) Facts() []string {
	if g.compiled == nil {
		return nil
	}
	return g.compiled.Facts()
}
