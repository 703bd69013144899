package book

import (
	"cmp"
	"slices"
	"strings"

	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/register/fact"
	"trojmezi/internal/manual/content"
)

// Town is the municipality a book is for.
type Town struct {
	Code, Name string
	Known      map[string]register.Known

	set fact.Set
}

// TownOf is a municipality with what the register knows of it.
func TownOf(r *register.Register, p register.Place) *Town {
	known := r.Facts(p)
	return &Town{Code: p.Code, Name: p.Name, Known: known, set: register.SetOf(known)}
}

// With is the same municipality with facts that somebody there has told.
func (t *Town) With(told fact.Set) *Town {
	known := map[string]register.Known{}
	for k, v := range t.Known {
		known[k] = v
	}
	for k, v := range told {
		known[k] = register.Known{Value: v, Source: register.OfMunicipality}
	}
	return &Town{Code: t.Code, Name: t.Name, Known: known, set: register.SetOf(known)}
}

// Unknown are the facts that decide about the book and are not known, the one first that
// decides about most instructions.
func (t *Town) Unknown(c *content.Content) []*fact.Fact {
	weight := map[string]int{}
	for i := range c.Fragments {
		f := &c.Fragments[i]
		if f.Applies(t.set) != fact.Unknown {
			continue
		}
		for _, key := range f.Facts() {
			if _, known := t.set[key]; !known {
				weight[key]++
			}
		}
	}
	var all []*fact.Fact
	for _, f := range fact.Shipped().Facts() {
		if weight[f.Key] > 0 {
			all = append(all, f)
		}
	}
	slices.SortStableFunc(all, func(a, b *fact.Fact) int { return cmp.Compare(weight[b.Key], weight[a.Key]) })
	return all
}

// order is that of the chapters; a hazard that is not in it comes last.
var order = []string{"general", "warning", "evacuation", "flood", "fire", "forest_fire", "hazmat", "blackout", "water", "snow", "missing_person", "border_accident",
	"collapse", "epidemic", "animal_disease", "cyber", "disinformation", "recovery", "readiness"}

var phases = []string{"prepare", "watch", "alarm", "act", "recover", "evaluate"}

func place(all []string, x string) int {
	if i := slices.Index(all, x); i >= 0 {
		return i
	}
	return len(all)
}

// step is one instruction, or alternatives of which nobody knows which holds.
type step struct {
	of    []*content.Fragment
	truth fact.Truth
}

func (s *step) first() *content.Fragment { return s.of[0] }

// steps are the instructions for a municipality, in the order of chapters, phases and
// urgency. Those that do not hold are not among them.
func (t *Town) steps(c *content.Content) []*step {
	var all []*step
	groups := map[string]*step{}
	for i := range c.Fragments {
		f := &c.Fragments[i]
		truth := f.Applies(t.set)
		if truth == fact.False {
			continue
		}
		if g := groups[f.Alternatives]; g != nil && f.Alternatives != "" && truth == fact.Unknown && g.truth == fact.Unknown {
			g.of = append(g.of, f)
			continue
		}
		s := &step{[]*content.Fragment{f}, truth}
		if f.Alternatives != "" {
			groups[f.Alternatives] = s
		}
		all = append(all, s)
	}
	slices.SortStableFunc(all, func(a, b *step) int {
		x, y := a.first(), b.first()
		return cmp.Or(cmp.Compare(place(order, x.Hazard), place(order, y.Hazard)), cmp.Compare(place(phases, x.Phase), place(phases, y.Phase)), cmp.Compare(x.Priority, y.Priority))
	})
	return all
}

// Selection is what makes the books of two municipalities differ in more than name and
// figures: which instructions hold, and of which nobody knows.
func (t *Town) Selection(c *content.Content) string {
	var b strings.Builder
	for _, s := range t.steps(c) {
		for _, f := range s.of {
			b.WriteString(f.ID)
			b.WriteByte(' ')
			b.WriteString(s.truth.String())
			b.WriteByte('\n')
		}
	}
	return b.String()
}
