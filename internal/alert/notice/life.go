package notice

import (
	"slices"
	"strings"
	"time"
)

// Step is what somebody does to a notice.
type Step string

// The steps. Each is one row that is never changed.
const (
	Begin      Step = "begin"      // a revision: the notice itself, an update, a cancellation
	Edit       Step = "edit"       // a new text; voids a proposal and an approval
	Propose    Step = "propose"    // ask a second person
	Withdraw   Step = "withdraw"   // take the request back
	Refuse     Step = "refuse"     // the second person says no
	Approve    Step = "approve"    // the second person says yes
	Override   Step = "override"   // in an emergency, without a second person
	Publish    Step = "publish"    // it goes out
	Drop       Step = "drop"       // a revision that will not go out
	Archive    Step = "archive"    // it is over
	Review     Step = "review"     // a second person judges an override afterwards
	Unanswered Step = "unanswered" // nobody answered in time
)

// Steps lists them.
var Steps = []Step{Begin, Edit, Propose, Withdraw, Refuse, Approve, Override, Publish, Drop, Archive, Review, Unanswered}

// Purpose is what a revision is for.
type Purpose string

// The purposes; msgType of CAP.
const (
	Alert  Purpose = "alert"
	Update Purpose = "update"
	Cancel Purpose = "cancel"
)

// State is where a revision stands, and the notice with its last one.
type State string

// The states.
const (
	Draft     State = "draft"
	Proposed  State = "proposed"
	Approved  State = "approved"
	Published State = "published"
	Updated   State = "updated"   // a later revision took its place
	Cancelled State = "cancelled" // called off
	Archived  State = "archived"
	Dropped   State = "dropped" // never went out
)

// States lists them in the order of life.
var States = []State{Draft, Proposed, Approved, Published, Updated, Cancelled, Archived, Dropped}

// AnswerTime is how long the second person has before an emergency needs none: long
// enough to open, read and confirm on a phone, short against the half hour that the
// water of 7 August 2010 needed from the dam to the next town.
const AnswerTime = 3 * time.Minute

// Event is a step as it was taken.
type Event struct {
	Step    Step
	Purpose Purpose // of Begin
	Content int     // the text it is about: an answer to another text than the present one counts for nothing
	Person  string  // id of a human, whatever roles or sessions he has; "" is the node itself
	Reason  string
	Second  bool // of Override: a second factor was given for this very step
	Right   bool // of Review: the override was right
	At      time.Time
}

// Revision is one message: the first, an update, the cancellation.
type Revision struct {
	Purpose  Purpose
	State    State
	Content  int      // its text
	Writers  []string // who wrote or proposed it: none of them may be its second person
	Proposed time.Time
	Approver string // who approved it or overrode
	Override bool   // without a second person
	Reviewed bool   // and somebody has judged that since
	Noticed  bool   // it was noted that nobody answered
}

// Life is what the steps of a notice have made of it. The zero Life is a notice that
// does not exist yet.
type Life struct {
	Revisions []Revision
	Content   int // number of the newest text, over all revisions
}

// Refusal is why a step cannot be taken: the end of a text's key.
type Refusal string

func (r Refusal) Error() string { return "notice: " + string(r) }

// The refusals.
const (
	refuseOpen     Refusal = "open"     // another revision is in work
	refuseClosed   Refusal = "closed"   // none is
	refuseState    Refusal = "state"    // not in this state
	refuseChanged  Refusal = "changed"  // the text has changed since it was read
	refuseSame     Refusal = "same"     // a writer is no second person
	refuseReason   Refusal = "reason"   // no reason was given
	refuseFactor   Refusal = "factor"   // no second factor was given
	refuseEarly    Refusal = "early"    // the second person still has time
	refuseAnswered Refusal = "answered" // somebody was faster
)

// last is the number of the newest revision that was not dropped, −1 for none.
func (l Life) last() int {
	for i := len(l.Revisions) - 1; i >= 0; i-- {
		if l.Revisions[i].State != Dropped {
			return i
		}
	}
	return -1
}

// State of the notice is that of its newest revision that was not dropped; "" when it
// does not exist.
func (l Life) State() State {
	if i := l.last(); i >= 0 {
		return l.Revisions[i].State
	}
	if len(l.Revisions) > 0 {
		return Dropped
	}
	return ""
}

// Work is the revision somebody works on, nil without.
func (l Life) Work() *Revision {
	if n := len(l.Revisions); n > 0 {
		switch l.Revisions[n-1].State {
		case Draft, Proposed, Approved:
			return &l.Revisions[n-1]
		}
	}
	return nil
}

// Public is the number of the revision that holds for the public now, −1 for none: it
// stays so while a later one is in work.
func (l Life) Public() int {
	return slices.IndexFunc(l.Revisions, func(r Revision) bool { return r.State == Published })
}

// Unreviewed is the number of a revision that went out without a second person and
// that nobody has judged yet, −1 for none.
func (l Life) Unreviewed() int {
	return slices.IndexFunc(l.Revisions, func(r Revision) bool { return r.Override && !r.Reviewed })
}

// OverrideFrom is when the emergency override is offered; zero: not at all now.
func (r *Revision) OverrideFrom(immediate bool) time.Time {
	switch {
	case r == nil || r.State != Proposed:
		return time.Time{}
	case immediate:
		return r.Proposed
	}
	return r.Proposed.Add(AnswerTime)
}

// Apply takes a step, or says why it cannot be taken. immediate says that the text's
// template is one of immediate danger to life.
func (l Life) Apply(e Event, immediate bool) (Life, error) {
	next := Life{Revisions: slices.Clone(l.Revisions), Content: l.Content}
	w := next.Work()
	switch e.Step {
	case Begin:
		if err := next.begin(e, w); err != nil {
			return l, err
		}
		return next, nil
	case Archive:
		if w != nil {
			return l, refuseOpen
		}
		if s := l.State(); s != Published && s != Cancelled {
			return l, refuseState
		}
		next.Revisions[l.last()].State = Archived
		return next, nil
	case Review:
		i := l.Unreviewed()
		switch {
		case i < 0:
			return l, refuseState
		case slices.Contains(l.Revisions[i].Writers, e.Person) || l.Revisions[i].Approver == e.Person:
			return l, refuseSame
		case !e.Right && strings.TrimSpace(e.Reason) == "":
			return l, refuseReason
		}
		next.Revisions[i].Reviewed = true
		return next, nil
	}
	if w == nil {
		return l, refuseClosed
	}
	if err := next.work(e, w, immediate); err != nil {
		return l, err
	}
	return next, nil
}

func (l *Life) begin(e Event, w *Revision) error {
	switch {
	case w != nil:
		return refuseOpen
	case e.Purpose == Alert && len(l.Revisions) > 0, e.Purpose != Alert && l.Public() < 0, l.State() == Archived:
		return refuseState
	}
	l.Content++
	l.Revisions = append(l.Revisions, Revision{Purpose: e.Purpose, State: Draft, Content: l.Content, Writers: []string{e.Person}})
	return nil
}

// work takes a step on the revision in work.
func (l *Life) work(e Event, w *Revision, immediate bool) error {
	writes := func() {
		if !slices.Contains(w.Writers, e.Person) {
			w.Writers = append(slices.Clone(w.Writers), e.Person)
		}
	}
	back := func() {
		w.State, w.Proposed, w.Approver, w.Override, w.Reviewed, w.Noticed = Draft, time.Time{}, "", false, false, false
	}
	if e.Step == Propose || e.Step == Approve || e.Step == Refuse || e.Step == Override {
		if e.Content != w.Content {
			return refuseChanged
		}
	}
	in := func(s State) error {
		switch {
		case w.State == s:
			return nil
		case s == Proposed && w.State == Approved:
			return refuseAnswered
		}
		return refuseState
	}
	switch e.Step {
	case Edit:
		back()
		l.Content++
		w.Content = l.Content
		writes()
	case Propose:
		if err := in(Draft); err != nil {
			return err
		}
		w.State, w.Proposed = Proposed, e.At
		writes()
	case Withdraw:
		if w.State == Draft {
			return refuseState
		}
		back()
	case Refuse, Approve:
		if err := in(Proposed); err != nil {
			return err
		}
		if slices.Contains(w.Writers, e.Person) || e.Person == "" {
			return refuseSame
		}
		if e.Step == Approve {
			w.State, w.Approver = Approved, e.Person
			return nil
		}
		if strings.TrimSpace(e.Reason) == "" {
			return refuseReason
		}
		back()
	case Override:
		if err := in(Proposed); err != nil {
			return err
		}
		switch {
		case e.At.Before(w.OverrideFrom(immediate)):
			return refuseEarly
		case !e.Second:
			return refuseFactor
		case strings.TrimSpace(e.Reason) == "":
			return refuseReason
		}
		w.State, w.Approver, w.Override = Approved, e.Person, true
	case Unanswered:
		if err := in(Proposed); err != nil {
			return err
		}
		switch {
		case w.Noticed:
			return refuseState
		case e.At.Before(w.Proposed.Add(AnswerTime)):
			return refuseEarly
		}
		w.Noticed = true
	case Drop:
		w.State = Dropped
	case Publish:
		if err := in(Approved); err != nil {
			return err
		}
		l.publish(w)
	default:
		return refuseState
	}
	return nil
}

func (l *Life) publish(w *Revision) {
	if i := l.Public(); i >= 0 {
		l.Revisions[i].State = Updated
		if w.Purpose == Cancel {
			l.Revisions[i].State = Cancelled
		}
	}
	w.State = Published
	if w.Purpose == Cancel {
		w.State = Cancelled
	}
}
