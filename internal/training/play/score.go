package play

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"trojmezi/internal/training/scenario"
)

// Record is a run with its score: one JSON document, the same bytes for the same run.
type Record struct {
	Scenario   string  `json:"scenario"`
	Version    int     `json:"version"`
	Class      string  `json:"class"`
	Bot        string  `json:"bot,omitempty"`
	Score      float64 `json:"score"` // 0 to 1
	Passed     bool    `json:"passed"`
	InDanger   int     `json:"in_danger"` // people who were
	Objectives []Part  `json:"objectives"`
	Duties     []Part  `json:"duties"`
	Parts      []Part  `json:"parts"` // actions and decisions
	Events     []Event `json:"events"`
}

// Part is what an action, decision, duty or objective contributed.
type Part struct {
	ID     string  `json:"id"`
	Weight int     `json:"weight"`
	Points float64 `json:"points"`
	// After is how many minutes after it was expected; left out where it was not done.
	After *int `json:"after,omitempty"`
	// Event is the number of the event in the log that shows it, from 0.
	Event    *int `json:"event,omitempty"`
	Critical bool `json:"critical,omitempty"`
}

// round keeps what a person can read, so that no machine differs in the last digit.
func round(x float64) float64 { return math.Round(x*1e4) / 1e4 }

// Score is the record of a log. It is a function of scenario, class and log alone.
func Score(v *scenario.Variant, log []Event) *Record {
	r := &Record{Scenario: v.ID, Version: v.Version, Class: v.Of.ID, Events: log, Objectives: []Part{}, Duties: []Part{}, Parts: []Part{}}
	given := map[string]int{}
	for _, e := range log {
		switch e.Kind {
		case Delivered:
			given[e.ID] = e.At
		case Harmed:
			n, _ := strconv.Atoi(e.Data["people"])
			r.InDanger += n
		}
	}
	missed := false
	for _, a := range v.Actions {
		from, ok := given[a.From]
		if !ok {
			continue // it never came to that
		}
		p := done(a, from, log)
		missed = missed || a.Critical && p.Points == 0
		r.Parts = append(r.Parts, p)
		r.Objectives = add(r.Objectives, a.Objective, p)
		for _, d := range a.Duty {
			r.Duties = add(r.Duties, d, p)
		}
	}
	for _, x := range v.Injects {
		if _, ok := given[x.ID]; ok && x.Decision != "" {
			r.Parts = append(r.Parts, made(v.Decision(x.Decision), log))
		}
	}
	weight, points := 0, 0.0
	for _, p := range r.Parts {
		weight, points = weight+p.Weight, points+p.Points
	}
	if weight > 0 {
		r.Score = round(points / float64(weight))
	}
	if missed {
		r.Score = min(r.Score, v.Cap)
	}
	r.Passed = r.Score >= v.Pass
	slices.SortFunc(r.Duties, func(a, b Part) int { return bytes.Compare([]byte(a.ID), []byte(b.ID)) })
	return r
}

func add(all []Part, id string, p Part) []Part {
	i := slices.IndexFunc(all, func(x Part) bool { return x.ID == id })
	if i < 0 {
		all, i = append(all, Part{ID: id}), len(all)
	}
	all[i].Weight, all[i].Points = all[i].Weight+p.Weight, round(all[i].Points+p.Points)
	return all
}

// done is what an action that is expected from a minute on contributed: by the first event
// that shows it, and where several are needed by the last of those.
func done(a *scenario.Action, from int, log []Event) Part {
	p := Part{ID: a.ID, Weight: a.Weight, Critical: a.Critical}
	last := first(a, from, log, a.Evidence)
	for i := range a.Also {
		also := first(a, from, log, a.Also[i:i+1])
		if also < 0 || last < 0 {
			return p
		}
		last = max(last, also)
	}
	if last < 0 {
		return p
	}
	after := log[last].At - from
	p.After, p.Event = &after, &last
	switch {
	case after <= a.Target:
		p.Points = float64(a.Weight)
	case after < a.Max:
		p.Points = round(float64(a.Weight) * float64(a.Max-after) / float64(a.Max-a.Target))
	}
	return p
}

// first is the number of the first event that one of the evidence is seen by, -1 for none.
// What is done before it was expected counts where the action says so.
func first(a *scenario.Action, from int, log []Event, evidence []scenario.Evidence) int {
	return slices.IndexFunc(log, func(e Event) bool {
		return (e.At >= from || a.Early) && slices.ContainsFunc(evidence, func(x scenario.Evidence) bool { return shows(&x, &e) })
	})
}

// made is what a decision contributed: the score of the option, never less than nothing.
func made(d *scenario.Decision, log []Event) Part {
	p := Part{ID: d.ID, Weight: d.Best().Score}
	for i, e := range log {
		if e.Kind == Decided && e.ID == d.ID {
			for _, o := range d.Options {
				if o.ID == e.Data["option"] {
					p.Points = float64(max(0, o.Score))
				}
			}
			p.Event = &i
			break
		}
	}
	return p
}

// shows reports whether an event is what an action is seen by.
func shows(x *scenario.Evidence, e *Event) bool {
	if x.Event != e.Kind {
		return false
	}
	for k, choices := range x.With {
		if !slices.Contains(choices, e.Data[k]) {
			return false
		}
	}
	for k, least := range x.Least {
		if n, err := strconv.Atoi(e.Data[k]); err != nil || n < least {
			return false
		}
	}
	for _, k := range x.Given {
		if e.Data[k] == "" {
			return false
		}
	}
	return true
}

// JSON is a record as it is kept and printed.
func (r *Record) JSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(r)
	return b.Bytes(), err
}

// What is wrong with a record.
const (
	WrongForm     = "form"     // it is no record
	WrongScenario = "scenario" // scenario, version or class is not there
	WrongLog      = "log"      // the scenario does not give this log
	WrongScore    = "score"    // the log gives another score
)

// Rescore scores a kept record again. wrong is "" where everything is as it was kept; again is
// nil where it can't be scored.
func Rescore(text []byte, find func(id string) *scenario.Scenario) (again *Record, wrong string, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	kept := &Record{}
	if err := d.Decode(kept); err != nil {
		return nil, WrongForm, fmt.Errorf("play.Rescore: %w", err)
	}
	s := find(kept.Scenario)
	if s == nil || s.Version != kept.Version {
		return nil, WrongScenario, nil
	}
	v := s.For(kept.Class)
	if v == nil {
		return nil, WrongScenario, nil
	}
	again = Score(v, kept.Events)
	again.Bot = kept.Bot
	if !Follows(v, kept.Events) {
		return again, WrongLog, nil
	}
	if !again.same(kept) {
		wrong = WrongScore
	}
	return again, wrong, nil
}

// same reports whether two records of one log say the same.
func (r *Record) same(o *Record) bool {
	parts := func(a, b []Part) bool {
		return slices.EqualFunc(a, b, func(a, b Part) bool {
			return a.ID == b.ID && a.Weight == b.Weight && a.Points == b.Points && a.Critical == b.Critical && same(a.After, b.After) && same(a.Event, b.Event)
		})
	}
	return r.Score == o.Score && r.Passed == o.Passed && r.InDanger == o.InDanger && parts(r.Objectives, o.Objectives) && parts(r.Duties, o.Duties) && parts(r.Parts, o.Parts)
}

func same(a, b *int) bool { return a == b || a != nil && b != nil && *a == *b }
