package scenario

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gopkg.in/yaml.v3"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register/fact"
)

// Finding is something that does not fit, where, and what to say about it. Line and Column
// count from 1.
type Finding struct {
	Line, Column int
	Key          string // of a text: scenario.rule.…
	Args         i18n.Args
	// Cause is what is wrong with a condition or with facts, if it is one.
	Cause *fact.Fault
}

// Text says in a language what does not fit; texts hold those of this package and of the facts.
func (f Finding) Text(texts *i18n.Bundle, l i18n.Lang) string {
	args := maps.Clone(f.Args)
	if f.Cause != nil {
		args["text"] = f.Cause.Text(texts, l)
	}
	return texts.Text(l, f.Key, args)
}

// Least is what an exercise needs in each class; with less it is an outline and listed as one.
const (
	LeastInjects   = 12
	LeastDecisions = 5
	LeastTurns     = 2 // injects that do not come in all classes
)

// UnmarshalYAML implements yaml.Unmarshaler: one value needs no list.
func (c *Choices) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*c = Choices{n.Value}
		return nil
	}
	return n.Decode((*[]string)(c))
}

// UnmarshalYAML implements yaml.Unmarshaler: lists are lists of texts.
func (c *Class) UnmarshalYAML(n *yaml.Node) error {
	type plain Class
	if err := n.Decode((*plain)(c)); err != nil {
		return err
	}
	fact.Lists(c.Facts)
	return nil
}

// Read reads a scenario. known tells which duties there are. A scenario with findings is not
// to be played.
func Read(text []byte, known func(duty string) bool) (*Scenario, []Finding) {
	s := &Scenario{}
	c := &checker{s: s, places: map[string]*yaml.Node{}, known: known}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, c.broken(err)
	}
	if len(root.Content) > 0 {
		c.find("", root.Content[0])
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(s); err != nil {
		return nil, c.broken(err)
	}
	c.check()
	if len(c.found) > 0 {
		slices.SortStableFunc(c.found, func(a, b Finding) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return nil, c.found
	}
	return s, nil
}

// The forms in which the reader of YAML tells what it does not take.
var (
	atLine     = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)`)
	notField   = regexp.MustCompile(`^field (\S+) not found in type`)
	givenTwice = regexp.MustCompile(`^mapping key "(.*)" already defined`)
	otherKind  = regexp.MustCompile("^cannot unmarshal \\S+ (?:`(.*)` )?into ")
)

// broken are the findings of a file that is no scenario at all.
func (c *checker) broken(err error) (all []Finding) {
	told := []string{err.Error()}
	if many, ok := errors.AsType[*yaml.TypeError](err); ok {
		told = many.Errors
	}
	for _, text := range told {
		f := Finding{Line: 1, Column: 1, Key: "scenario.rule.syntax"}
		if m := atLine.FindStringSubmatch(text); m != nil {
			f.Line, _ = strconv.Atoi(m[1])
			text = m[2]
		}
		f.Args = i18n.Args{"text": strings.TrimPrefix(text, "yaml: ")}
		value := ""
		if m := notField.FindStringSubmatch(text); m != nil {
			f.Key, value = "scenario.rule.field", m[1]
			f.Args = i18n.Args{"name": value}
		} else if m := givenTwice.FindStringSubmatch(text); m != nil {
			f.Key, value = "scenario.rule.twice", m[1]
			f.Args = i18n.Args{"name": value}
		} else if m := otherKind.FindStringSubmatch(text); m != nil {
			f.Key, value = "scenario.rule.kind", strings.TrimSuffix(m[1], "...") // a long value is cut
			f.Args = i18n.Args{"value": m[1]}
		}
		for _, n := range c.nodes {
			if n.Line == f.Line && (value == "" || strings.HasPrefix(n.Value, value)) {
				f.Column = n.Column // of several alike the last, which is the one too many
			}
			if n.Line == f.Line && value == "" {
				break
			}
		}
		all = append(all, f)
	}
	return all
}

// checker looks at a scenario that could be read.
type checker struct {
	s      *Scenario
	nodes  []*yaml.Node          // in the order of the file
	places map[string]*yaml.Node // by path: "injects.3.text.de"
	known  func(string) bool
	found  []Finding
}

// find notes where everything stands.
func (c *checker) find(path string, n *yaml.Node) {
	c.places[path] = n
	c.nodes = append(c.nodes, n)
	for i, x := range n.Content {
		switch {
		case n.Kind == yaml.SequenceNode:
			c.find(join(path, strconv.Itoa(i)), x)
		case n.Kind == yaml.MappingNode && i%2 == 1:
			c.nodes = append(c.nodes, n.Content[i-1])
			c.find(join(path, n.Content[i-1].Value), x)
		}
	}
}

func join(path string, names ...string) string {
	return strings.TrimPrefix(path+"."+strings.Join(names, "."), ".")
}

// place is where a path stands in the file, or what is nearest round it.
func (c *checker) place(path string) *yaml.Node {
	for {
		if n := c.places[path]; n != nil {
			return n
		}
		i := strings.LastIndexByte(path, '.')
		if i < 0 {
			return &yaml.Node{Line: 1, Column: 1}
		}
		path = path[:i]
	}
}

// say notes a finding about the thing of an id, at a path.
func (c *checker) say(path, id, rule string, args i18n.Args) {
	if args == nil {
		args = i18n.Args{}
	}
	args["id"] = id
	n := c.place(path)
	c.found = append(c.found, Finding{Line: n.Line, Column: n.Column, Key: "scenario.rule." + rule, Args: args})
}

// text looks whether all languages are there, and none is a copy of the English one.
func (c *checker) text(path, id string, t Text) {
	for _, l := range i18n.Langs {
		switch text := strings.TrimSpace(t[l]); {
		case text == "":
			c.say(join(path, string(l)), id, "language", i18n.Args{"language": string(l)})
		case l != i18n.En && text == t[i18n.En] && len(strings.Fields(text)) > 3 && !strings.Contains(text, "{"):
			c.say(join(path, string(l)), id, "copied", i18n.Args{"language": string(l)})
		}
	}
	if len(t) > len(i18n.Langs) {
		c.say(path, id, "language_more", nil)
	}
}

// guard compiles the condition of a thing at a path.
func (c *checker) guard(path, id, source string) *fact.Guard {
	at := join(path, "applies")
	g, err := fact.Shipped().Guard(source)
	if err != nil {
		quote := 0
		if c.place(at).Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
			quote = 1
		}
		for _, fault := range fact.FaultsOf(err) {
			c.say(at, id, "guard", nil)
			f := &c.found[len(c.found)-1]
			f.Cause = fault
			f.Column += quote + fault.Column - 1
		}
		g, _ = fact.Shipped().Guard("")
		return g
	}
	for i := range c.s.Classes {
		if class := &c.s.Classes[i]; g.Eval(class.Facts) == fact.Unknown {
			c.say(at, id, "unknown_fact", i18n.Args{"class": class.ID, "guard": source})
		}
	}
	return g
}

func (c *checker) check() {
	s := c.s
	c.text("title", s.ID, s.Title)
	_, err := time.Parse(time.RFC3339, s.Zero)
	for _, head := range []struct {
		name  string
		wrong bool
	}{{"zero", err != nil}, {"minutes", s.Minutes <= 0}, {"version", s.Version <= 0}, {"pass", s.Pass <= 0 || s.Pass > 1}, {"cap", s.Cap <= 0 || s.Cap >= s.Pass}} {
		if head.wrong {
			c.say(head.name, s.ID, "head", i18n.Args{"name": head.name})
		}
	}
	ids := map[string]bool{}
	once := func(path, id string) {
		if id == "" || ids[id] {
			c.say(join(path, "id"), id, "id", nil)
		}
		ids[id] = true
	}
	for i, o := range s.Objectives {
		at := item("objectives", i)
		once(at, o.ID)
		c.text(join(at, "text"), o.ID, o.Text)
	}
	for i := range s.Gauges {
		g, at := &s.Gauges[i], item("gauges", i)
		once(at, g.ID)
		if len(g.Curve) < 2 || !slices.IsSortedFunc(g.Curve, func(a, b [2]int) int { return a[0] - b[0] }) {
			c.say(join(at, "curve"), g.ID, "curve", nil)
		}
		if !slices.IsSorted(g.Stages[:]) {
			c.say(join(at, "stages"), g.ID, "curve", nil)
		}
	}
	for i := range s.Classes {
		c.class(&s.Classes[i], item("classes", i), once)
	}
	for i := range s.Decisions {
		c.decision(&s.Decisions[i], item("decisions", i), once)
	}
	asked := map[string]bool{}
	for i := range s.Injects {
		c.inject(&s.Injects[i], item("injects", i), once)
		asked[s.Injects[i].Decision] = true
	}
	for i := range s.Spare {
		at := item("spare", i)
		once(at, s.Spare[i].ID)
		c.text(join(at, "text"), s.Spare[i].ID, s.Spare[i].Text)
	}
	for i := range s.Decisions {
		if !asked[s.Decisions[i].ID] {
			c.say(item("decisions", i), s.Decisions[i].ID, "unused", nil)
		}
	}
	for i := range s.Effects {
		e, at := &s.Effects[i], item("effects", i)
		once(at, e.ID)
		c.text(join(at, "text"), e.ID, e.Text)
		e.guard = c.guard(at, e.ID, e.Applies)
		if (e.At == nil) == (e.Over == nil) {
			c.say(at, e.ID, "trigger", nil)
		}
		if e.Harms != "" && !c.site(e.Harms) {
			c.say(join(at, "harms"), e.ID, "reference", i18n.Args{"value": e.Harms})
		}
	}
	for i := range s.Actions {
		c.action(&s.Actions[i], item("actions", i), once)
	}
	for i, q := range s.Questions {
		c.text(item("questions", i), s.ID, q)
	}
	c.outline()
}

func item(list string, i int) string { return join(list, strconv.Itoa(i)) }

// outline tells whether in some class there is too little to play.
func (c *checker) outline() {
	s := c.s
	in := func(x *Inject, class *Class) bool { return x.guard.Eval(class.Facts) == fact.True }
	if len(s.Classes) == 0 {
		c.say("classes", s.ID, "outline", i18n.Args{"class": "", "injects": len(s.Injects), "decisions": len(s.Decisions), "turns": 0})
	}
	for i := range s.Classes {
		class := &s.Classes[i]
		injects, decisions, turns := 0, map[string]bool{}, 0
		for j := range s.Injects {
			x := &s.Injects[j]
			if !in(x, class) {
				continue
			}
			injects++
			if x.Decision != "" {
				decisions[x.Decision] = true
			}
			if slices.ContainsFunc(s.Classes, func(other Class) bool { return !in(x, &other) }) {
				turns++
			}
		}
		if injects < LeastInjects || len(decisions) < LeastDecisions || turns < LeastTurns {
			c.say(item("classes", i), s.ID, "outline", i18n.Args{"class": class.ID, "injects": injects, "decisions": len(decisions), "turns": turns})
		}
	}
}

func (c *checker) class(x *Class, at string, once func(path, id string)) {
	once(at, x.ID)
	c.text(join(at, "label"), x.ID, x.Label)
	if err := fact.Shipped().Check(x.Facts); err != nil {
		for _, fault := range fact.FaultsOf(err) {
			name, ok := fault.Args["fact"].(string)
			if !ok { // there is no such fact
				name, _ = fault.Args["name"].(string)
			}
			c.say(join(at, "facts", name), x.ID, "facts", nil)
			c.found[len(c.found)-1].Cause = fault
		}
	}
	if c.s.Gauge(x.Gauge) == nil {
		c.say(join(at, "gauge"), x.ID, "reference", i18n.Args{"value": x.Gauge})
	}
	if len(x.Roles) == 0 {
		c.say(join(at, "roles"), x.ID, "roles", nil)
	}
}

// site reports whether some class has people at a site.
func (c *checker) site(name string) bool {
	return slices.ContainsFunc(c.s.Classes, func(x Class) bool { _, ok := x.People[name]; return ok })
}

func (c *checker) decision(d *Decision, at string, once func(path, id string)) {
	once(at, d.ID)
	best := 0
	for i, o := range d.Options {
		option := join(at, "options", strconv.Itoa(i))
		c.text(join(option, "text"), d.ID, o.Text)
		if len(o.Note) > 0 {
			c.text(join(option, "note"), d.ID, o.Note)
		}
		for j, deed := range o.Does {
			c.event(join(option, "does", strconv.Itoa(j)), d.ID, deed.Event, "with", slices.Collect(maps.Keys(deed.With)))
			c.sites(join(option, "does", strconv.Itoa(j), "with", "site"), d.ID, deed.With["site"])
		}
		best = max(best, o.Score)
	}
	if len(d.Options) < 2 || best == 0 {
		c.say(join(at, "options"), d.ID, "options", nil)
	}
	if d.Minutes <= 0 {
		c.say(join(at, "minutes"), d.ID, "options", nil)
	}
}

func (c *checker) sites(at, id string, sites ...string) {
	for _, name := range sites {
		if name != "" && !c.site(name) {
			c.say(at, id, "reference", i18n.Args{"value": name})
		}
	}
}

func (c *checker) inject(x *Inject, at string, once func(path, id string)) {
	once(at, x.ID)
	c.text(join(at, "text"), x.ID, x.Text)
	x.guard = c.guard(at, x.ID, x.Applies)
	n := 0
	for _, is := range []bool{x.At != nil, x.Stage != 0, x.Falling != 0, x.After != nil} {
		if is {
			n++
		}
	}
	if n != 1 || x.At != nil && (*x.At < 0 || *x.At > c.s.Minutes) || x.Stage < 0 || x.Stage > 3 || x.Falling < 0 || x.Falling > 3 {
		c.say(at, x.ID, "trigger", nil)
	}
	if x.Decision != "" && c.s.Decision(x.Decision) == nil {
		c.say(join(at, "decision"), x.ID, "reference", i18n.Args{"value": x.Decision})
	}
	if a := x.After; a != nil {
		if d := c.s.Decision(a.Decision); d == nil || !slices.ContainsFunc(d.Options, func(o Option) bool { return o.ID == a.Option }) {
			c.say(join(at, "after"), x.ID, "reference", i18n.Args{"value": a.Decision + "." + a.Option})
		}
	}
	if len(x.To) == 0 {
		c.say(join(at, "to"), x.ID, "receiver", nil)
	}
	if x.Channel == "" {
		c.say(join(at, "channel"), x.ID, "receiver", nil)
	}
}

func (c *checker) action(a *Action, at string, once func(path, id string)) {
	once(at, a.ID)
	c.text(join(at, "text"), a.ID, a.Text)
	a.guard = c.guard(at, a.ID, a.Applies)
	if len(a.Duty) == 0 {
		c.say(join(at, "duty"), a.ID, "no_duty", nil)
	}
	for i, d := range a.Duty {
		if !c.known(d) {
			c.say(join(at, "duty", strconv.Itoa(i)), a.ID, "duty", i18n.Args{"value": d})
		}
	}
	if !slices.ContainsFunc(c.s.Injects, func(x Inject) bool { return x.ID == a.From }) {
		c.say(join(at, "from"), a.ID, "reference", i18n.Args{"value": a.From})
	}
	if !slices.ContainsFunc(c.s.Objectives, func(o Objective) bool { return o.ID == a.Objective }) {
		c.say(join(at, "objective"), a.ID, "reference", i18n.Args{"value": a.Objective})
	}
	if a.Target <= 0 || a.Target >= a.Max {
		c.say(join(at, "target"), a.ID, "window", nil)
	}
	if a.Weight <= 0 {
		c.say(join(at, "weight"), a.ID, "window", nil)
	}
	if len(a.Evidence) == 0 {
		c.say(join(at, "evidence"), a.ID, "evidence", nil)
	}
	for name, list := range map[string][]Evidence{"evidence": a.Evidence, "also": a.Also} {
		for i, e := range list {
			here := join(at, name, strconv.Itoa(i))
			c.event(here, a.ID, e.Event, "with", slices.Collect(maps.Keys(e.With)))
			c.event(here, a.ID, e.Event, "least", slices.Collect(maps.Keys(e.Least)))
			c.event(here, a.ID, e.Event, "given", e.Given)
			c.sites(join(here, "with", "site"), a.ID, e.With["site"]...)
			for _, id := range e.With["inject"] {
				if !slices.ContainsFunc(c.s.Injects, func(x Inject) bool { return x.ID == id }) {
					c.say(join(here, "with", "inject"), a.ID, "reference", i18n.Args{"value": id})
				}
			}
		}
	}
}

// event looks whether the system can see an event with such data.
func (c *checker) event(at, id, kind, field string, names []string) {
	has, ok := Events[kind]
	if !ok {
		if field == "with" { // once
			c.say(join(at, "event"), id, "event", i18n.Args{"value": kind})
		}
		return
	}
	for _, name := range names {
		if !slices.Contains(has, name) {
			c.say(join(at, field, name), id, "event_data", i18n.Args{"value": name, "event": kind, "names": strings.Join(has, ", ")})
		}
	}
}

// Outline is a scenario of which the course is known and no exercise is written yet.
type Outline struct {
	ID    string `yaml:"id"`
	Title Text   `yaml:"title"`
}

// library is what is shipped.
type library struct {
	scenarios []*Scenario
	outlines  []Outline
}

var load = sync.OnceValues(func() (*library, error) {
	l := &library{}
	names, err := fs.Glob(shipped, "data/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := shipped.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if path.Base(name) == "outlines.yaml" {
			if err := yaml.Unmarshal(text, &l.outlines); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			continue
		}
		s, found := Read(text, func(string) bool { return true })
		if len(found) > 0 {
			return nil, fmt.Errorf("%s: line %d: %s %v", name, found[0].Line, found[0].Key, found[0].Args)
		}
		l.scenarios = append(l.scenarios, s)
	}
	return l, nil
})

// Shipped are the scenarios of the product, by their ids; its tests show that they can be
// read.
func Shipped() []*Scenario { return must().scenarios }

// Outlines are those of which no exercise is written yet.
func Outlines() []Outline { return must().outlines }

func must() *library {
	l, err := load()
	if err != nil {
		panic(err) // embedded, and tested
	}
	return l
}

// Find is the shipped scenario of an id, nil for none.
func Find(id string) *Scenario {
	for _, s := range Shipped() {
		if s.ID == id {
			return s
		}
	}
	return nil
}
