package content

import (
	"strings"

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
			if d == nil || d.compiled == nil || d.source == f.source {
				continue
			}
			if meet, err := c.schema.Guard(both(d.source, f.source)); err == nil && never(meet) {
				found.add(f.place(), "content.finding.duty_elsewhere", i18n.Args{"id": f.ID, "duty": id, "guard": d.source})
			}
		}
	}
}

func both(sources ...string) string { return "(" + strings.Join(sources, ") && (") + ")" }
func either(sources ...string) string { return "(" + strings.Join(sources, ") || (") + ")" }

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
		guards := make([]*fact.Guard, 0, len(group)+1)
		if first.when != "" { // outside of the common condition none of them has to hold
			outside, err := c.schema.Guard("!(" + first.when + ")")
			if err != nil {
				continue // the condition itself was found when it was read
			}
			guards = append(guards, outside)
		}
		same := true
		for _, f := range group {
			if f.when != first.when {
				found.add(f.place(), "content.finding.group_when", i18n.Args{"group": name, "when": first.when})
				same = false
			}
			guards = append(guards, f.compiled)
		}
		if !same {
			continue
		}
		if err := c.schema.Alternatives(guards); err != nil {
			found.add(first.place(), groupKey(err), i18n.Args{"group": name, "case": groupCase(err)})
		}
	}
}

func (c *Content) checkDuties(found *findings) {
	guards := map[string][]string{} // of the fragments, by duty
	always := map[string]bool{}
	for i := range c.Fragments {
		f := &c.Fragments[i]
		for _, id := range f.Duties {
			guards[id] = append(guards[id], f.source)
			always[id] = always[id] || f.compiled == nil
		}
	}
	for i := range c.Duties {
		d := &c.Duties[i]
		if d.Coverage == NotMunicipal || always[d.ID] || never(d.compiled) {
			continue
		}
		at := place{dutiesFile, d.Line, 1}
		if guards[d.ID] == nil {
			found.add(at, "content.finding.no_fragment", i18n.Args{"id": d.ID})
			continue
		}
		covered := either(guards[d.ID]...)
		if d.source != "" { // where the duty does not apply nothing is asked
			covered = either("!("+d.source+")", covered)
		}
		whole, err := c.schema.Guard(covered)
		if err != nil {
			continue // each part was found when it was read
		}
		if err := c.schema.Alternatives([]*fact.Guard{whole}); err != nil {
			found.add(at, "content.finding.gap", i18n.Args{"id": d.ID, "case": groupCase(err)})
		}
	}
}
