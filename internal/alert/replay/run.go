package replay

import (
	"slices"
	"sync"
	"time"

	"trojmezi/internal/kernel/i18n"
)

// Entry is a line of the course of events.
type Entry struct {
	At        time.Time
	Exact     bool // a clock showed the time; else the hour is approximate
	Day       bool // only the day is known
	Origin    Origin
	Key       string // of its text
	Args      i18n.Args
	TimeKey   string // of the text how exactly the time is known; "": nothing is said
	StatusKey string // of the text how sure it is, or why it was put in
	Place     string
	Source    string
	Value     string
	Unit      string
	// Of what was told:
	To      string    // name of the recipient
	Lang    i18n.Lang // in which he was told
	Subject string
	Body    string
}

// State is how a moment stands.
type State string

// The states of a moment.
const (
	Waiting State = "waiting"
	Met     State = "met"
	Missed  State = "missed"
	Outside State = "outside" // it lies outside of the period that is played
)

// Moment is something that must happen within a time.
type Moment struct {
	ID     string
	At     time.Time // of its cause
	Within time.Duration
	State  State
	MetAt  time.Time
	Args   i18n.Args // of the text what was seen
}

// Separate is the moment that is judged at the end: nothing left by a channel of reality,
// and nothing without its mark.
const Separate = "separate"

// Plan is what is played.
type Plan struct {
	Title    string // key of its text
	From, To time.Time
	Speed    float64 // 0: as fast as it goes
	Entries  []Entry
	Moments  []Moment
	// Reconstructed says that values between known points were put in.
	Reconstructed bool
}

// Level is the last value of a gauge in the book of the node that plays.
type Level struct {
	Gauge string // key
	Value float64
	At    time.Time
}

// Run is the state of a replay. It is safe for concurrent use.
type Run struct {
	mu      sync.Mutex
	plan    Plan
	now     time.Time
	entries []Entry // told
	moments []Moment
	levels  []Level
	over    bool
}

// NewRun begins a plan.
func NewRun(p Plan) *Run {
	r := &Run{plan: p, now: p.From}
	for _, m := range append(slices.Clone(p.Moments), Moment{ID: Separate, At: p.To}) {
		m.State = Waiting
		// A moment counts when all of its time is played.
		if m.At.Before(p.From) || m.At.Add(m.Within).After(p.To) {
			m.State = Outside
		}
		r.moments = append(r.moments, m)
	}
	return r
}

// Plan is what is played.
func (r *Run) Plan() Plan { return r.plan }

// Tick moves the time on: what had to happen by now and did not is missed.
func (r *Run) Tick(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = now
	for i := range r.moments {
		m := &r.moments[i]
		if m.ID != Separate && m.State == Waiting && now.After(m.At.Add(m.Within)) {
			m.State = Missed
		}
	}
}

// Happened notes that a moment came, and with bad that it came wrong. One that came
// before counts once; one that comes too late is missed.
func (r *Run) Happened(id string, at time.Time, bad bool, args i18n.Args) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.moments {
		m := &r.moments[i]
		if m.ID != id || m.State != Waiting {
			continue
		}
		m.MetAt, m.Args, m.State = at, args, Met
		if bad || m.ID != Separate && at.After(m.At.Add(m.Within)) {
			m.State = Missed
		}
	}
}

// Say adds what was told or done.
func (r *Run) Say(e Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = append(r.entries, e)
}

// Gauge notes the last level of a gauge.
func (r *Run) Gauge(l Level) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.levels {
		if r.levels[i].Gauge == l.Gauge {
			r.levels[i] = l
			return
		}
	}
	r.levels = append(r.levels, l)
}

// End says that the replay is over.
func (r *Run) End() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	for i := range r.moments {
		if r.moments[i].State == Waiting {
			r.moments[i].State = Missed
		}
	}
}

// Report is a replay as it stands.
type Report struct {
	Plan    Plan
	Now     time.Time
	Over    bool
	Entries []Entry // of the plan up to now, and told, in the order of their times
	Moments []Moment
	Levels  []Level
}

// Report is the state now.
func (r *Run) Report() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := Report{Plan: r.plan, Now: r.now, Over: r.over, Moments: slices.Clone(r.moments), Levels: slices.Clone(r.levels)}
	for _, e := range r.plan.Entries {
		if !e.At.After(r.now) && (!e.At.Before(r.plan.From) || e.Day && !e.At.AddDate(0, 0, 1).Before(r.plan.From)) {
			out.Entries = append(out.Entries, e)
		}
	}
	out.Entries = append(out.Entries, r.entries...)
	slices.SortStableFunc(out.Entries, func(a, b Entry) int { return a.At.Compare(b.At) })
	return out
}

// Good reports whether everything that had to happen did.
func (r Report) Good() bool {
	return r.Over && !slices.ContainsFunc(r.Moments, func(m Moment) bool { return m.State == Missed || m.State == Waiting })
}
