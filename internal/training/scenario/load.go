package scenario

import (
	"bytes"
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

// Finding is something that does not fit, where, and what to say about it.
type Finding struct {
	Line int
	Key  string // of a text: scenario.rule.…
	Args i18n.Args
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

// Least is what an exercise needs; with less it is an outline and listed as one.
const (
	LeastInjects   = 12
	LeastDecisions = 5
	LeastTurns     = 2 // injects that come in some classes only
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

var strange = regexp.MustCompile(`^line (\d+): (?:field (\S+) not found in type|(.*))`)

// Read reads a scenario. known tells which duties there are. A scenario with findings is not
// to be played.
func Read(text []byte, known func(duty string) bool) (*Scenario, []Finding) {
	s := &Scenario{}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(s); err != nil {
		return nil, faultsOf(err)
	}
	c := &checker{s: s, lines: map[string]int{}, known: known}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err == nil && len(root.Content) > 0 {
		c.find(root.Content[0])
	}
	c.check()
	if len(c.found) > 0 {
		slices.SortStableFunc(c.found, func(a, b Finding) int { return a.Line - b.Line })
		return nil, c.found
	}
	return s, nil
}

// faultsOf are the findings of the language itself.
func faultsOf(err error) (all []Finding) {
	lines := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	if many, ok := errors.AsType[*yaml.TypeError](err); ok {
		lines = many.Errors
	}
	for _, text := range lines {
		m := strange.FindStringSubmatch(text)
		if m == nil {
			all = append(all, Finding{Line: 1, Key: "scenario.rule.syntax", Args: i18n.Args{"text": text}})
			continue
		}
		line, _ := strconv.Atoi(m[1])
		if m[2] != "" {
			all = append(all, Finding{Line: line, Key: "scenario.rule.field", Args: i18n.Args{"name": m[2]}})
		} else {
			all = append(all, Finding{Line: line, Key: "scenario.rule.syntax", Args: i18n.Args{"text": m[3]}})
		}
	}
	return all
}

// checker looks at a scenario that could be read.
type checker struct {
	s     *Scenario
	lines map[string]int // of ids
	known func(string) bool
	found []Finding
}

// find notes the line of each id.
func (c *checker) find(n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if k, v := n.Content[i], n.Content[i+1]; k.Value == "id" && c.lines[v.Value] == 0 {
				c.lines[v.Value] = v.Line
			}
		}
	}
	for _, x := range n.Content {
		c.find(x)
	}
}

func (c *checker) say(id, rule string, args i18n.Args) {
	if args == nil {
		args = i18n.Args{}
	}
	args["id"] = id
	c.found = append(c.found, Finding{Line: max(1, c.lines[id]), Key: "scenario.rule." + rule, Args: args})
}

// because adds a finding for each fault of a condition or of facts.
func (c *checker) because(id, rule string, err error) {
	for _, fault := range fact.FaultsOf(err) {
		c.say(id, rule, nil)
		c.found[len(c.found)-1].Cause = fault
	}
}

// text looks whether all languages are there, and none is a copy of the English one.
func (c *checker) text(id string, t Text) {
	for _, l := range i18n.Langs {
		switch text := strings.TrimSpace(t[l]); {
		case text == "":
			c.say(id, "language", i18n.Args{"language": string(l)})
		case l != i18n.En && text == t[i18n.En] && len(strings.Fields(text)) > 3 && !strings.Contains(text, "{"):
			c.say(id, "copied", i18n.Args{"language": string(l)})
		}
	}
	if len(t) > len(i18n.Langs) {
		c.say(id, "language_more", nil)
	}
}

func (c *checker) guard(id, source string) *fact.Guard {
	g, err := fact.Shipped().Guard(source)
	if err != nil {
		c.because(id, "guard", err)
		g, _ = fact.Shipped().Guard("")
		return g
	}
	for i := range c.s.Classes {
		if class := &c.s.Classes[i]; g.Eval(class.Facts) == fact.Unknown {
			c.say(id, "unknown_fact", i18n.Args{"class": class.ID, "guard": source})
		}
	}
	return g
}

func (c *checker) check() {
	s := c.s
	c.text(s.ID, s.Title)
	if _, err := time.Parse(time.RFC3339, s.Zero); err != nil || s.Minutes <= 0 || s.Version <= 0 || s.Pass <= 0 || s.Pass > 1 || s.Cap <= 0 || s.Cap >= s.Pass {
		c.say(s.ID, "head", nil)
	}
	ids := map[string]bool{}
	once := func(id string) {
		if id == "" || ids[id] {
			c.say(id, "id", nil)
		}
		ids[id] = true
	}
	for _, o := range s.Objectives {
		once(o.ID)
		c.text(o.ID, o.Text)
	}
	for i := range s.Gauges {
		g := &s.Gauges[i]
		once(g.ID)
		if len(g.Curve) < 2 || !slices.IsSortedFunc(g.Curve, func(a, b [2]int) int { return a[0] - b[0] }) || !slices.IsSorted(g.Stages[:]) {
			c.say(g.ID, "curve", nil)
		}
	}
	for i := range s.Classes {
		x := &s.Classes[i]
		once(x.ID)
		c.text(x.ID, x.Label)
		if err := fact.Shipped().Check(x.Facts); err != nil {
			c.because(x.ID, "facts", err)
		}
		if s.Gauge(x.Gauge) == nil {
			c.say(x.ID, "reference", i18n.Args{"value": x.Gauge})
		}
		if len(x.Roles) == 0 {
			c.say(x.ID, "roles", nil)
		}
	}
	for i := range s.Decisions {
		d := &s.Decisions[i]
		once(d.ID)
		best := 0
		for _, o := range d.Options {
			c.text(d.ID, o.Text)
			if len(o.Note) > 0 {
				c.text(d.ID, o.Note)
			}
			best = max(best, o.Score)
		}
		if len(d.Options) < 2 || best == 0 || d.Minutes <= 0 {
			c.say(d.ID, "options", nil)
		}
	}
	asked := map[string]bool{}
	for i := range s.Injects {
		c.inject(&s.Injects[i], once)
		asked[s.Injects[i].Decision] = true
	}
	for i := range s.Spare {
		once(s.Spare[i].ID)
		c.text(s.Spare[i].ID, s.Spare[i].Text)
	}
	for i := range s.Decisions {
		if !asked[s.Decisions[i].ID] {
			c.say(s.Decisions[i].ID, "unused", nil)
		}
	}
	for i := range s.Effects {
		e := &s.Effects[i]
		once(e.ID)
		c.text(e.ID, e.Text)
		e.guard = c.guard(e.ID, e.Applies)
		if (e.At == nil) == (e.Over == nil) {
			c.say(e.ID, "trigger", nil)
		}
	}
	for i := range s.Actions {
		c.action(&s.Actions[i], once)
	}
	for _, q := range s.Questions {
		c.text(s.ID, q)
	}
	turns := 0
	for i := range s.Injects {
		if s.Injects[i].Applies != "" {
			turns++
		}
	}
	if len(s.Injects) < LeastInjects || len(s.Decisions) < LeastDecisions || turns < LeastTurns {
		c.say(s.ID, "outline", i18n.Args{"injects": len(s.Injects), "decisions": len(s.Decisions), "turns": turns})
	}
}

func (c *checker) inject(x *Inject, once func(string)) {
	once(x.ID)
	c.text(x.ID, x.Text)
	x.guard = c.guard(x.ID, x.Applies)
	n := 0
	for _, is := range []bool{x.At != nil, x.Stage != 0, x.Falling != 0, x.After != nil} {
		if is {
			n++
		}
	}
	if n != 1 || x.At != nil && (*x.At < 0 || *x.At > c.s.Minutes) || x.Stage < 0 || x.Stage > 3 || x.Falling < 0 || x.Falling > 3 {
		c.say(x.ID, "trigger", nil)
	}
	if x.Decision != "" && c.s.Decision(x.Decision) == nil {
		c.say(x.ID, "reference", i18n.Args{"value": x.Decision})
	}
	if a := x.After; a != nil {
		if d := c.s.Decision(a.Decision); d == nil || !slices.ContainsFunc(d.Options, func(o Option) bool { return o.ID == a.Option }) {
			c.say(x.ID, "reference", i18n.Args{"value": a.Decision + "." + a.Option})
		}
	}
	if len(x.To) == 0 || x.Channel == "" {
		c.say(x.ID, "receiver", nil)
	}
}

func (c *checker) action(a *Action, once func(string)) {
	once(a.ID)
	c.text(a.ID, a.Text)
	a.guard = c.guard(a.ID, a.Applies)
	if len(a.Duty) == 0 {
		c.say(a.ID, "no_duty", nil)
	}
	for _, d := range a.Duty {
		if !c.known(d) {
			c.say(a.ID, "duty", i18n.Args{"value": d})
		}
	}
	if !slices.ContainsFunc(c.s.Injects, func(x Inject) bool { return x.ID == a.From }) {
		c.say(a.ID, "reference", i18n.Args{"value": a.From})
	}
	if !slices.ContainsFunc(c.s.Objectives, func(o Objective) bool { return o.ID == a.Objective }) {
		c.say(a.ID, "reference", i18n.Args{"value": a.Objective})
	}
	if a.Target <= 0 || a.Target >= a.Max || a.Weight <= 0 {
		c.say(a.ID, "window", nil)
	}
	if len(a.Evidence) == 0 || slices.ContainsFunc(a.Evidence, func(e Evidence) bool { return e.Event == "" }) {
		c.say(a.ID, "evidence", nil)
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
