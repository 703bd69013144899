package notice

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The model knows no states: it judges a step by reading all that was done before it.
type model struct {
	done      []Event
	immediate bool
}

// since returns the steps of the revision in work, nil when none is.
func (m *model) since() []Event {
	for i := len(m.done) - 1; i >= 0; i-- {
		switch m.done[i].Step {
		case Publish, Drop, Archive:
			return nil
		case Begin:
			return m.done[i:]
		}
	}
	return nil
}

func (m *model) writers(of []Event) (w []string) {
	for _, e := range of {
		if e.Step == Begin || e.Step == Edit || e.Step == Propose {
			w = append(w, e.Person)
		}
	}
	return w
}

// text is how many texts were written.
func (m *model) text() (n int) {
	for _, e := range m.done {
		if e.Step == Begin || e.Step == Edit {
			n++
		}
	}
	return n
}

// standing is the last step of a revision that decides where it stands.
func standing(of []Event) Event {
	for _, e := range slices.Backward(of) {
		if e.Step != Unanswered && e.Step != Review {
			return e
		}
	}
	return Event{}
}

// out tells whether something holds for the public.
func (m *model) out() (out bool) {
	purpose := Alert
	for _, e := range m.done {
		switch e.Step {
		case Begin:
			purpose = e.Purpose
		case Publish:
			out = purpose != Cancel
		case Archive:
			out = false
		}
	}
	return out
}

// unjudged are the writers and the author of the oldest override that went out or is
// about to and that nobody has judged.
func (m *model) unjudged() (involved []string, ok bool) {
	var start int
	type open struct{ involved []string }
	var all []open
	reviews := 0
	for i, e := range m.done {
		switch e.Step {
		case Begin:
			start = i
		case Override:
			all = append(all, open{append(m.writers(m.done[start:i]), e.Person)})
		case Withdraw, Edit:
			if len(all) > 0 && standing(m.done[start:i]).Step == Override {
				all = all[:len(all)-1] // it did not go out
				reviews = min(reviews, len(all))
			}
		case Review:
			reviews++
		}
	}
	if reviews >= len(all) {
		return nil, false
	}
	return all[reviews].involved, true
}

func (m *model) allows(e Event) bool {
	now := m.since()
	last := standing(now).Step
	asked := last == Propose
	var at time.Time
	for _, p := range now {
		if p.Step == Propose {
			at = p.At
		}
	}
	stranger := e.Person != "" && !slices.Contains(m.writers(now), e.Person)
	switch e.Step {
	case Begin:
		began, archived := false, false
		for _, d := range m.done {
			began, archived = began || d.Step == Begin, archived || d.Step == Archive
		}
		return now == nil && !archived && (e.Purpose == Alert && !began || e.Purpose != Alert && m.out())
	case Edit, Drop:
		return now != nil
	case Propose:
		return now != nil && e.Content == m.text() && !slices.Contains([]Step{Propose, Approve, Override}, last)
	case Withdraw:
		return now != nil && slices.Contains([]Step{Propose, Approve, Override}, last)
	case Approve:
		return asked && e.Content == m.text() && stranger
	case Refuse:
		return asked && e.Content == m.text() && stranger && e.Reason != ""
	case Override:
		return asked && e.Content == m.text() && e.Second && e.Reason != "" && (m.immediate || e.At.Sub(at) >= 3*time.Minute)
	case Unanswered:
		noted := false
		for _, p := range slices.Backward(now) {
			if p.Step == Propose {
				break
			}
			noted = noted || p.Step == Unanswered
		}
		return asked && !noted && e.At.Sub(at) >= 3*time.Minute
	case Publish:
		return last == Approve || last == Override
	case Archive:
		cancelled := false
		purpose := Alert
		for _, d := range m.done {
			if d.Step == Begin {
				purpose = d.Purpose
			}
			cancelled = cancelled || d.Step == Publish && purpose == Cancel
			if d.Step == Archive {
				return false
			}
		}
		return now == nil && (m.out() || cancelled)
	case Review:
		involved, ok := m.unjudged()
		return ok && !slices.Contains(involved, e.Person) && (e.Right || e.Reason != "")
	}
	return false
}

// Whatever people and the node try in whatever order: what is permitted is what the
// model permits, and nothing goes out that one person alone has made, unless it is an
// emergency with a second factor that is then reviewed by another.
func TestLifeAgainstModel(t *testing.T) {
	people := []string{"a", "b", "c", "d"}
	favours := [][]Step{
		{Publish, Approve, Override, Propose, Begin},
		{Review, Publish, Override, Propose, Begin},
		{Refuse, Archive, Unanswered, Withdraw, Drop, Edit, Propose, Begin},
	}
	taken := map[Step]int{}
	rapid.Check(t, func(t *rapid.T) {
		var l Life
		m := &model{immediate: rapid.Bool().Draw(t, "immediate")}
		at := time.Date(2026, 8, 7, 18, 0, 0, 0, time.UTC)
		for range rapid.IntRange(40, 80).Draw(t, "steps") {
			at = at.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "seconds")) * time.Second)
			e := Event{
				Step: rapid.SampledFrom(Steps).Draw(t, "step"), Purpose: rapid.SampledFrom([]Purpose{Alert, Update, Cancel}).Draw(t, "purpose"),
				Person: rapid.SampledFrom(people).Draw(t, "person"), Reason: rapid.SampledFrom([]string{"", "why"}).Draw(t, "reason"),
				Second: rapid.Bool().Draw(t, "second"), Right: rapid.Bool().Draw(t, "right"), At: at,
			}
			if rapid.IntRange(0, 2).Draw(t, "likely") > 0 { // else hardly any sequence goes far
				for _, s := range rapid.SampledFrom(favours).Draw(t, "favour") {
					try := e
					if s == Review || s == Override {
						try.Second, try.Reason, try.Person = true, "why", people[(len(m.done)+slices.Index(people, e.Person))%len(people)]
					}
					if try.Step, try.Content = s, m.text(); m.allows(try) {
						e = try
						break
					}
				}
			}
			e.Content = m.text() - rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "stale")
			before := fmt.Sprint(l)
			next, err := l.Apply(e, m.immediate)
			if want := m.allows(e); (err == nil) != want {
				t.Fatalf("%+v after %+v: %v, the model says %v\n%+v", e, m.done, err, want, l)
			}
			if fmt.Sprint(l) != before {
				t.Fatalf("%s changed the life it was applied to", e.Step)
			}
			if err != nil {
				if fmt.Sprint(next) != before {
					t.Fatalf("a refused %s changed something", e.Step)
				}
				continue
			}
			taken[e.Step]++
			if e.Step == Publish {
				r := next.Revisions[len(next.Revisions)-1]
				now := m.since()
				if r.Override != (standing(now).Step == Override) || !r.Override && slices.Contains(m.writers(now), r.Approver) {
					t.Fatalf("published by one person: %+v", r)
				}
			}
			l, m.done = next, append(m.done, e)
			if (l.Public() >= 0) != m.out() {
				t.Fatalf("for the public %d, the model says %v after %+v", l.Public(), m.out(), m.done)
			}
			if _, ok := m.unjudged(); (l.Unreviewed() >= 0) != ok {
				t.Fatalf("unreviewed %d, the model says %v after %+v", l.Unreviewed(), ok, m.done)
			}
		}
	})
	for _, s := range Steps {
		if taken[s] == 0 && !t.Failed() {
			t.Errorf("no sequence took the step %s", s)
		}
	}
}
