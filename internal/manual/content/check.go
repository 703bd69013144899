package content

import (
	"slices"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register/fact"
)

// Check proves what must hold for every municipality there can be, whatever its facts: of
// a group of alternatives exactly one holds, each duty of a municipality has an instruction
// wherever it applies, and no instruction is unreachable. The findings carry the case that
// shows the mistake.
func (c *Content) Check() []Finding {
	var found findings
	c.checkReachable(&found)
	c.checkGroups(&found)
	c.checkDuties(&found)
	return found
}

// never tells whether a condition holds for no municipality.
func never(g *fact.Guard) bool { return g != nil && g.Eval(fact.Set{}) == fact.False }

// place of a fragment's condition, or of the fragment if it has none.
func (f *Fragment) place() place {
	if f.at.file != "" {
		return f.at
	}
	return place{f.File, f.Line, 1}
}

func (c *Content) checkReachable(found *findings) {
	for i := range c.Duties {
		if d := &c.Duties[i]; never(d.compiled) {
			found.add(d.at, "content.finding.dead_duty", i18n.Args{"id": d.ID})
		}
	}
	for i := range c.Fragments {
		f := &c.Fragments[i]
		if f.compiled == nil {
			continue
		}
		if never(f.compiled) {
			found.add(f.place(), "content.finding.dead", i18n.Args{"id": f.ID})
			continue
		}
		for _, id := range f.Duties {
			d := c.duties[id]
			if d == nil || d.compiled == nil || d.source == f.source || never(d.compiled) {
				continue
			}
			if meet, err := c.schema.Guard("(" + d.source + ") && (" + f.source + ")"); err == nil && never(meet) {
				found.add(f.place(), "content.finding.duty_elsewhere", i18n.Args{"id": f.ID, "duty": id, "guard": d.source})
			}
		}
	}
}

func (c *Content) checkGroups(found *findings) {
	groups := map[string][]*Fragment{}
	for i := range c.Fragments {
		if f := &c.Fragments[i]; f.Alternatives != "" {
			groups[f.Alternatives] = append(groups[f.Alternatives], f)
		}
	}
	for name, group := range groups {
		first := group[0]
		if len(group) == 1 {
			found.add(first.place(), "content.finding.group_of_one", i18n.Args{"group": name})
			continue
		}
		when, err := c.schema.Guard(first.when)
		if err != nil {
			continue // found when it was read
		}
		same := true
		var guards []*fact.Guard
		for _, f := range group {
			if f.when != first.when {
				found.add(f.place(), "content.finding.group_when", i18n.Args{"group": name, "when": first.when})
				same = false
			}
			guards = append(guards, f.compiled)
		}
		if !same || c.schema.Alternatives(when, guards) == nil {
			continue
		}
		shown, holding := c.counterexample(when, guards, func(holding int) bool { return holding != 1 })
		if holding == 0 {
			found.addCase(first.place(), "content.finding.group_none", i18n.Args{"group": name}, shown)
		} else {
			found.addCase(first.place(), "content.finding.group_two", i18n.Args{"group": name}, shown)
		}
	}
}

// mostCases bounds the proof of one duty to some tenths of a second. A duty beyond it depends
// on so many facts that it wants one instruction without condition.
const mostCases = 1 << 18

// facts lists those that a condition and some guards name.
func facts(when *fact.Guard, guards []*fact.Guard) []string {
	keys := when.Facts()
	for _, g := range guards {
		keys = append(slices.Clip(keys), g.Facts()...)
	}
	keys = slices.Clone(keys)
	slices.Sort(keys)
	return slices.Compact(keys)
}

// cases counts the municipalities that these tell apart.
func (c *Content) cases(when *fact.Guard, guards []*fact.Guard) int {
	n := 1
	for _, key := range facts(when, guards) {
		if n *= len(c.schema.Fact(key).Cases()); n > mostCases {
			break
		}
	}
	return n
}

// counterexample returns the first municipality within a condition in which a wrong number
// of guards holds, and that number; nil if there is none.
func (c *Content) counterexample(when *fact.Guard, guards []*fact.Guard, wrong func(holding int) bool) (fact.Set, int) {
	var shown fact.Set
	number := 0
	c.schema.Cases(facts(when, guards), func(set fact.Set) bool {
		if when.Eval(set) != fact.True {
			return true
		}
		holding := 0
		for _, g := range guards {
			if g.Eval(set) == fact.True {
				holding++
			}
		}
		if wrong(holding) {
			shown, number = set, holding
		}
		return shown == nil
	})
	return shown, number
}

func (c *Content) checkDuties(found *findings) {
	guards := map[string][]*fact.Guard{} // of the fragments, by duty
	always := map[string]bool{}
	for i := range c.Fragments {
		f := &c.Fragments[i]
		for _, id := range f.Duties {
			if f.compiled == nil {
				always[id] = true
				continue
			}
			guards[id] = append(guards[id], f.compiled)
		}
	}
	for i := range c.Duties {
		d := &c.Duties[i]
		if d.Coverage == NotMunicipal || always[d.ID] {
			continue
		}
		at := place{dutiesFile, d.Line, 1}
		if guards[d.ID] == nil {
			found.add(at, "content.finding.no_fragment", i18n.Args{"id": d.ID})
			continue
		}
		where, err := c.schema.Guard(d.source)
		if err != nil {
			continue // found when it was read
		}
		if c.cases(where, guards[d.ID]) > mostCases {
			found.add(at, "content.finding.too_wide", i18n.Args{"id": d.ID})
			continue
		}
		if shown, _ := c.counterexample(where, guards[d.ID], func(holding int) bool { return holding == 0 }); shown != nil {
			found.addCase(at, "content.finding.gap", i18n.Args{"id": d.ID}, shown)
		}
	}
}
