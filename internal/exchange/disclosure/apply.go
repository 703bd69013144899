package disclosure

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"trojmezi/internal/format/incident"
)

// Decision is what was decided about one value. It holds no value.
type Decision struct {
	Path   string // with the number of what repeats: "Callers[1].Phone"
	Group  Group
	Action Action // of the rule
	Rule   string
	Held   bool // it does not go on
}

// Outcome is what is left of an incident, and what became of the rest.
type Outcome struct {
	Incident *incident.Incident
	// Decisions are those on personal values, and on others that do not pass, in the
	// order of the model.
	Decisions []Decision
	Marks     []Mark
	// Sources has by the path of a value in its message what stands there now, "" for
	// nothing (see convert.Message.Withhold).
	Sources map[string]string
}

// Mark tells the receiver that something of a group was withheld.
type Mark struct {
	Group   Group
	Part    bool // the rest went
	Ask     bool // it is there and can be asked for
	Persons int  // how many there were, 0 untold
}

// Covered stands where something was that has to be there.
const Covered = "▒▒▒"

// needsPatient are the apps whose messages are not valid without one.
var needsPatient = map[string]bool{"incident_transfer_with_patient": true, "patient_transfer": true, "patient_transport": true, "resource_request": true}

// Apply applies the rules to an incident, which stays as it is.
func (t *Table) Apply(c Case, i *incident.Incident) Outcome {
	p := t.decide(c, i)
	if len(p.gone) == 0 {
		return Outcome{Incident: i, Decisions: p.decisions}
	}
	out := *i
	p.sources = make(map[string]string, len(p.gone))
	p.take(reflect.ValueOf(&out).Elem(), &model)
	out.Extra = p.extras(i.Extra)
	p.people(&out)
	marks := p.marks(i)
	out.Notes = slices.Clip(out.Notes)
	for _, m := range marks {
		out.Notes = append(out.Notes, m.note())
	}
	return Outcome{Incident: &out, Decisions: p.decisions, Marks: marks, Sources: p.sources}
}

// decide finds the rule of every value.
func (t *Table) decide(c Case, i *incident.Incident) *pass {
	p := &pass{c: c, plan: t.plan(c)}
	p.look = p.value
	p.judge(reflect.ValueOf(i).Elem(), &model)
	for n := range i.Extra {
		p.path = append(p.path[:0], step{extraOther, n})
		p.value(extraLeaf(i.Extra[n].Origin.Path), &i.Extra[n])
	}
	return p
}

// step is a name on the way to a value, with its number where it repeats, else -1.
type step struct {
	name string
	n    int
}

// pass is one application.
type pass struct {
	c         Case
	plan      *plan
	path      []step
	look      func(leaf int, v *incident.Value) // at each value, with its path
	decisions []Decision
	gone      []string // paths in the source of what does not go on; "" for what has none
	names     []string // what of it finds a person again in a text
	sources   map[string]string
}

// judge looks at every value but the extras.
func (p *pass) judge(v reflect.Value, b *branch) {
	switch {
	case b.leaf >= 0:
		if leaves[b.leaf].path != extraOther {
			p.look(b.leaf, v.Addr().Interface().(*incident.Value))
		}
	case b.list:
		for n := range v.Len() {
			p.path[len(p.path)-1].n = n
			p.judge(v.Index(n), &b.fields[0])
		}
	default:
		for n := range b.fields {
			f := &b.fields[n]
			if f.embedded {
				p.judge(v.Field(n), f)
				continue
			}
			p.path = append(p.path, step{f.name, -1})
			p.judge(v.Field(n), f)
			p.path = p.path[:len(p.path)-1]
		}
	}
}

// holds tells what becomes of a value of a leaf.
func (p *pass) holds(n int) (Action, bool) {
	a := p.plan.of[n].Action
	switch {
	case leaves[n].is == frame:
		return Pass, false
	case p.c.Override:
		return a, false
	case a == Ask:
		return a, !p.c.Answer(leaves[n].group)
	}
	return a, a != Pass
}

// empty reports whether a value says nothing that could be withheld.
func (p *pass) empty(v *incident.Value) bool { return !v.Is() || v.Text == "" || v.Text == p.c.Nobody }

func (p *pass) value(n int, v *incident.Value) {
	if p.empty(v) {
		return
	}
	l := &leaves[n]
	action, held := p.holds(n)
	if action != Pass || l.personal() {
		p.decisions = append(p.decisions, Decision{p.where(), l.group, action, p.plan.of[n].ID, held})
	}
	if !held {
		return
	}
	p.gone = append(p.gone, v.Origin.Path)
	if l.is == naming && len([]rune(strings.TrimSpace(v.Text))) >= 3 {
		p.names = append(p.names, strings.TrimSpace(v.Text))
	}
}

func (p *pass) where() string {
	var b strings.Builder
	for n, s := range p.path {
		if n > 0 {
			b.WriteByte('.')
		}
		b.WriteString(s.name)
		if s.n >= 0 {
			b.WriteByte('[')
			b.WriteString(strconv.Itoa(s.n))
			b.WriteByte(']')
		}
	}
	return b.String()
}

// take removes what does not go on from a copy; what it changes it copies first. What
// stands at the same place of the message has one fate, whatever the rules say of the
// other name it has.
func (p *pass) take(v reflect.Value, b *branch) {
	switch {
	case b.leaf >= 0:
		if leaves[b.leaf].path != extraOther {
			p.replace(b.leaf, v.Addr().Interface().(*incident.Value))
		}
	case b.list:
		if v.Len() == 0 {
			return
		}
		c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(c, v)
		v.Set(c)
		for n := range v.Len() {
			p.take(v.Index(n), &b.fields[0])
		}
	default:
		for n := range b.fields {
			p.take(v.Field(n), &b.fields[n])
		}
	}
}

func (p *pass) replace(n int, v *incident.Value) (kept bool) {
	if p.empty(v) {
		return true
	}
	action, held := p.holds(n)
	if !held && v.Origin.Path != "" && slices.Contains(p.gone, v.Origin.Path) {
		action, held = Drop, true
	}
	text := v.Text
	switch {
	case !held && leaves[n].is == words:
		text = p.scrub(text)
	case held && p.covers(leaves[n].path, action):
		text = Covered
	case held:
		text = ""
	}
	if text == v.Text {
		return true
	}
	if v.Origin.Path != "" {
		p.sources[v.Origin.Path] = text
	}
	if text == "" {
		*v = incident.Value{}
		return false
	}
	o := *v.Origin
	o.Text, o.By = text, incident.Derived
	*v = incident.Value{Text: text, Origin: &o}
	return true
}

// covers reports whether a cover stands in the place of a value.
func (p *pass) covers(path string, a Action) bool {
	if path == "Notes.Text" { // a note without one is none
		return true
	}
	l := leaves[byPath[path]]
	return a == Mask && l.is == words && !(path == "What" && p.c.App == "patient_transfer") // its schema knows one value
}

func (p *pass) extras(all []incident.Value) []incident.Value {
	var out []incident.Value
	for _, v := range all {
		if p.replace(extraLeaf(v.Origin.Path), &v) {
			out = append(out, v)
		}
	}
	return out
}

// scrub covers in a text what was withheld elsewhere: a caller's number stands in a
// remark too.
func (p *pass) scrub(text string) string {
	for _, name := range p.names {
		text = cover(text, name)
	}
	return text
}

// people removes the persons of whom nothing is left, and puts a cover where a person
// or an address has to have a name.
func (p *pass) people(out *incident.Incident) {
	for _, l := range []struct {
		list  *[]incident.Person
		group Group
	}{{&out.Callers, Callers}, {&out.Accused, Accused}, {&out.Victims, Victims}} {
		if !p.more(out.Extra, l.group) {
			*l.list = slices.DeleteFunc(*l.list, func(x incident.Person) bool { return x == incident.Person{} })
		}
		for n := range *l.list {
			named(&(*l.list)[n])
		}
	}
	if !needsPatient[p.c.App] && !p.more(out.Extra, Patients) {
		out.Patients = slices.DeleteFunc(out.Patients, func(x incident.Patient) bool { return x == incident.Patient{} })
	}
	for n := range out.Patients {
		named(&out.Patients[n].Person)
		if x := &out.Patients[n].Person; !x.Phone.Is() && p.c.App == "patient_transfer" {
			x.Phone = covered()
		}
	}
}

func named(x *incident.Person) {
	if !x.Family.Is() {
		x.Family = covered()
	}
	if a := &x.Address; *a != (incident.Address{}) && !a.Street.Is() {
		a.Street = covered()
	}
}

func covered() incident.Value {
	return incident.Value{Text: Covered, Origin: &incident.Origin{By: incident.Derived}}
}

// more reports whether something of a group without a field goes on: it stands below
// the person with its number.
func (p *pass) more(extra []incident.Value, g Group) bool {
	return slices.ContainsFunc(extra, func(v incident.Value) bool { return leaves[extraLeaf(v.Origin.Path)].group == g })
}

// marks are one for each group of which something does not go on, in their order.
func (p *pass) marks(i *incident.Incident) (all []Mark) {
	persons := map[Group]int{Callers: len(i.Callers), Patients: len(i.Patients), Accused: len(i.Accused), Victims: len(i.Victims), Insurance: len(i.Patients)}
	for _, g := range Groups {
		m := Mark{Group: g}
		there := false
		for _, d := range p.decisions {
			if d.Group != g || !d.Held {
				m.Part = m.Part || d.Group == g
				continue
			}
			there = true
			m.Ask = m.Ask || d.Action == Ask
			if d.Action == Count {
				m.Persons = cmp.Or(persons[g], m.Persons)
			}
		}
		if there {
			all = append(all, m)
		}
	}
	return all
}
