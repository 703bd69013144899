package warning

import (
	"slices"
	"time"

	"trojmezi/internal/alert/feed"
)

// Change is one difference between what a copy said before and after.
type Change struct {
	Field    string       // level, onset, expires, state, status, areas, text
	Language string       // of a text
	Part     string       // of a text: event, headline, description, instruction
	Was, Now string       // "" for none
	Levels   []feed.Level // of "level": before and now
	Gone     []string     // of "areas"
	New      []string
}

// Differences are what changed from one content to the next.
func Differences(was, now *feed.Warning) (all []Change) {
	put := func(field, a, b string) {
		if a != b {
			all = append(all, Change{Field: field, Was: a, Now: b})
		}
	}
	put("state", string(was.State), string(now.State))
	put("status", string(was.Status), string(now.Status))
	if was.Level != now.Level {
		all = append(all, Change{Field: "level", Was: levelWord(was.Level), Now: levelWord(now.Level), Levels: []feed.Level{was.Level, now.Level}})
	}
	put("onset", stamp(was.Onset), stamp(now.Onset))
	put("expires", stamp(was.Expires), stamp(now.Expires))
	a, b := areasOf(was), areasOf(now)
	gone := slices.DeleteFunc(slices.Clone(a), func(x string) bool { return slices.Contains(b, x) })
	added := slices.DeleteFunc(slices.Clone(b), func(x string) bool { return slices.Contains(a, x) })
	if len(gone)+len(added) > 0 {
		all = append(all, Change{Field: "areas", Gone: gone, New: added})
	}
	for _, t := range now.Texts {
		n := slices.IndexFunc(was.Texts, func(x feed.Text) bool { return x.Language == t.Language })
		old := feed.Text{}
		if n >= 0 {
			old = was.Texts[n]
		}
		for _, part := range []struct{ name, was, now string }{
			{"event", old.Event, t.Event}, {"headline", old.Headline, t.Headline}, {"description", old.Description, t.Description}, {"instruction", old.Instruction, t.Instruction},
		} {
			if part.was != part.now {
				all = append(all, Change{Field: "text", Language: t.Language, Part: part.name, Was: part.was, Now: part.now})
			}
		}
	}
	for _, t := range was.Texts {
		if !slices.ContainsFunc(now.Texts, func(x feed.Text) bool { return x.Language == t.Language }) {
			all = append(all, Change{Field: "text", Language: t.Language, Part: "headline", Was: t.Headline + t.Description})
		}
	}
	return all
}

// levelWord is a level in its sender's word, else in that of CAP.
func levelWord(l feed.Level) string {
	if l.National != "" && l.National != l.Colour {
		return l.National + " (" + l.Colour + ")"
	}
	if l.Colour != "" {
		return l.Colour
	}
	return l.Severity
}

func stamp(m feed.Moment) string {
	if m.At.IsZero() {
		return m.Text
	}
	return m.At.UTC().Format(time.RFC3339)
}

// areasOf are the codes of a warning, or the names where it has none.
func areasOf(w *feed.Warning) (all []string) {
	for _, a := range w.Areas {
		for _, c := range a.Codes {
			all = append(all, c.Scheme+" "+c.Value)
		}
		if len(a.Codes) == 0 && a.Name != "" {
			all = append(all, a.Name)
		}
		for _, p := range slices.Concat(a.Polygons, a.Circles) {
			all = append(all, "shape "+short(p)[:6])
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Step is one line of a warning's history.
type Step struct {
	At       time.Time // by its sender
	Received time.Time // zero: nothing was received
	Source   string
	What     string // issued, changed, named, ended, join, split, undone
	Reason   Reason
	Document string
	Changes  []Change
	Person   string
	Text     string // of a person
}

// History is what happened to a warning, the newest first.
func (b *Book) History(w *Warning) (all []Step) {
	// One that goes on under another identifier is compared with what it was before.
	before := map[string]*feed.Warning{}
	type line struct {
		m *Member
		r Run
	}
	var lines []line
	for _, m := range w.Members {
		runs := m.Full
		if len(runs) == 0 {
			runs = m.Bare
		}
		for _, r := range runs {
			lines = append(lines, line{m, r})
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return a.r.From.compare(b.r.From) })
	for i := range lines {
		l := &lines[i]
		s := Step{At: time.UnixMilli(l.r.From.Sent).UTC(), Received: l.r.Received, Source: l.m.Source, What: "issued", Document: l.r.Document}
		if was := before[l.m.Source]; was != nil {
			s.What, s.Changes = "changed", Differences(was, &l.r.Content)
		}
		before[l.m.Source] = &l.r.Content
		all = append(all, s)
	}
	for _, m := range w.Members {
		if m.Head && m.Phase == Ended {
			all = append(all, Step{At: m.Ended, Source: m.Source, What: "ended", Reason: m.Reason})
		}
	}
	for _, d := range b.Decisions {
		if !d.about(w) {
			continue
		}
		what := "split"
		if d.Join {
			what = "join"
		}
		all = append(all, Step{At: time.UnixMilli(d.At).UTC(), What: what, Person: d.Person, Text: d.Reason})
		if d.UndoneAt != 0 {
			all = append(all, Step{At: time.UnixMilli(d.UndoneAt).UTC(), What: "undone", Person: d.UndoneBy, Text: d.Reason})
		}
	}
	slices.SortStableFunc(all, func(a, b Step) int { return b.At.Compare(a.At) })
	return all
}

// about reports whether a decision speaks of a copy of a warning.
func (d *Decision) about(w *Warning) bool {
	return slices.ContainsFunc(w.Members, func(m *Member) bool { return slices.Contains(d.Left, m.ID) || slices.Contains(d.Right, m.ID) })
}
