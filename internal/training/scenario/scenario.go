package scenario

import (
	"cmp"
	"slices"
	"sync"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register/fact"
)

// Text is one text in four languages.
type Text map[i18n.Lang]string

// Scenario is one exercise. Times are minutes from its beginning.
type Scenario struct {
	ID         string      `yaml:"id"`
	Version    int         `yaml:"version"`
	Hazard     string      `yaml:"hazard"`
	Title      Text        `yaml:"title"`
	Zero       string      `yaml:"zero"` // RFC 3339, of minute 0
	Minutes    int         `yaml:"minutes"`
	Pass       float64     `yaml:"pass"` // score from which a run is passed
	Cap        float64     `yaml:"cap"`  // score at most, with a critical action missing
	Objectives []Objective `yaml:"objectives"`
	Classes    []Class     `yaml:"classes"`
	Gauges     []Gauge     `yaml:"gauges"`
	Effects    []Effect    `yaml:"effects"`
	Injects    []Inject    `yaml:"injects"`
	Spare      []Inject    `yaml:"spare"`
	Decisions  []Decision  `yaml:"decisions"`
	Actions    []Action    `yaml:"actions"`
	Questions  []Text      `yaml:"questions"` // of the talk right after it

	mu       sync.Mutex
	variants map[string]*Variant
}

// Objective is what is practised.
type Objective struct {
	ID         string `yaml:"id"`
	Capability string `yaml:"capability"`
	Text       Text   `yaml:"text"`
}

// Class is a ready-made set of facts: a municipality of one kind.
type Class struct {
	ID     string         `yaml:"id"`
	Label  Text           `yaml:"label"`
	Place  string         `yaml:"place"` // invented
	Gauge  string         `yaml:"gauge"`
	Roles  []string       `yaml:"roles"`
	Facts  fact.Set       `yaml:"facts"`
	People map[string]int `yaml:"people"` // by the kind of site
}

// Gauge is a level over time: straight lines between the corners {minute, centimetres}.
type Gauge struct {
	ID     string   `yaml:"id"`
	Name   string   `yaml:"name"`
	Stages [3]int   `yaml:"stages"` // centimetres
	Curve  [][2]int `yaml:"curve"`
}

// At is the level at a minute, in centimetres.
func (g *Gauge) At(t int) int {
	i, _ := slices.BinarySearchFunc(g.Curve, t+1, func(c [2]int, t int) int { return cmp.Compare(c[0], t) })
	switch {
	case i == 0:
		return g.Curve[0][1]
	case i == len(g.Curve):
		return g.Curve[i-1][1]
	}
	a, b := g.Curve[i-1], g.Curve[i]
	return a[1] + (b[1]-a[1])*(t-a[0])/(b[0]-a[0])
}

// Effect is what the water does by itself: from a minute on, or from centimetres above the
// third stage on. Harms names a site whose people are in danger when they are still there.
type Effect struct {
	ID      string `yaml:"id"`
	At      *int   `yaml:"at"`
	Over    *int   `yaml:"over"`
	Applies string `yaml:"applies"`
	Harms   string `yaml:"harms"`
	Text    Text   `yaml:"text"`

	guard *fact.Guard
}

// Inject is something that comes to the players: at a minute, when the water reaches a stage
// or falls below it, or some time after an option was taken.
type Inject struct {
	ID       string   `yaml:"id"`
	At       *int     `yaml:"at"`
	Stage    int      `yaml:"stage"`
	Falling  int      `yaml:"falling"`
	After    *After   `yaml:"after"`
	Applies  string   `yaml:"applies"`
	Channel  string   `yaml:"channel"`
	To       []string `yaml:"to"` // the first role of these that the class has
	Decision string   `yaml:"decision"`
	Text     Text     `yaml:"text"`

	guard *fact.Guard
}

// After is some minutes after an option was taken.
type After struct {
	Decision string `yaml:"decision"`
	Option   string `yaml:"option"`
	Minutes  int    `yaml:"minutes"`
}

// Decision is a choice that somebody has so many minutes for.
type Decision struct {
	ID      string   `yaml:"id"`
	Role    string   `yaml:"role"`
	Minutes int      `yaml:"minutes"`
	Options []Option `yaml:"options"`
}

// Best is the option with the highest score.
func (d *Decision) Best() *Option {
	best := &d.Options[0]
	for i := range d.Options {
		if d.Options[i].Score > best.Score {
			best = &d.Options[i]
		}
	}
	return best
}

// Option is one way to decide, and what the system sees of it.
type Option struct {
	ID    string `yaml:"id"`
	Score int    `yaml:"score"`
	Text  Text   `yaml:"text"`
	Note  Text   `yaml:"note"` // said afterwards; none where the score says enough
	Does  []Deed `yaml:"does"`
}

// Deed is an event that follows from an option after some minutes.
type Deed struct {
	Event string            `yaml:"event"`
	With  map[string]string `yaml:"with"`
	After int               `yaml:"after"`
}

// Action is what is expected, from an inject on: full weight up to Target minutes, none from
// Max on, in proportion between.
type Action struct {
	ID        string   `yaml:"id"`
	Objective string   `yaml:"objective"`
	Duty      []string `yaml:"duty"`
	From      string   `yaml:"from"`
	Applies   string   `yaml:"applies"`
	Target    int      `yaml:"target"`
	Max       int      `yaml:"max"`
	Weight    int      `yaml:"weight"`
	Critical  bool     `yaml:"critical"`
	// Early is for what is right before the inject as well: to warn, to convene. Without it
	// a stage that is declared at the wrong time would count.
	Early    bool       `yaml:"early"`
	Evidence []Evidence `yaml:"evidence"` // one of these is enough
	Also     []Evidence `yaml:"also"`     // and each of these is needed
	Text     Text       `yaml:"text"`

	guard *fact.Guard
}

// Evidence is an event that the system can see.
type Evidence struct {
	Event string             `yaml:"event"`
	With  map[string]Choices `yaml:"with"`  // one of these values
	Least map[string]int     `yaml:"least"` // a number that is at least this
	Given []string           `yaml:"given"` // something stands there
}

// Choices are values of which one is enough. In a file a single one needs no list.
type Choices []string

// Events are what the system can see somebody do, with the names of their data.
var Events = map[string][]string{
	"allocation.recorded":      {"reason"},
	"claims.list_created":      {},
	"commission.convened":      {"level"},
	"contact.substitute_named": {},
	"doorstep.checked":         {"street"},
	"escalated":                {"to"},
	"evacuation.completed":     {"site"},
	"exchange.acknowledged":    {"inject"},
	"exchange.message_sent":    {"lang", "contains"},
	"help.requested":           {"kind"},
	"liaison.confirmed":        {"with"},
	"log.entry":                {"kind"},
	"log.exported":             {"entries"},
	"notice.published":         {"wells"},
	"plan.opened":              {"kind"},
	"report.sent":              {"to", "stage"},
	"sitrep.sent":              {"to", "state", "measures", "requests"},
	"stage.declared":           {"stage"},
	"stage.lowered":            {},
	"warning.confirmed":        {"group"},
	"warning.sent":             {"zone", "channels"},
	"warning.updated":          {"kind"},
	"watch.started":            {"kind"},
	"water.supply_ordered":     {},
}

// Class is the one of an id, nil for none.
func (s *Scenario) Class(id string) *Class {
	for i := range s.Classes {
		if s.Classes[i].ID == id {
			return &s.Classes[i]
		}
	}
	return nil
}

// Gauge is the one of an id, nil for none.
func (s *Scenario) Gauge(id string) *Gauge {
	for i := range s.Gauges {
		if s.Gauges[i].ID == id {
			return &s.Gauges[i]
		}
	}
	return nil
}

// Decision is the one of an id, nil for none.
func (s *Scenario) Decision(id string) *Decision {
	for i := range s.Decisions {
		if s.Decisions[i].ID == id {
			return &s.Decisions[i]
		}
	}
	return nil
}

// Variant is a scenario for one class: what applies to it.
type Variant struct {
	*Scenario
	Of      *Class
	Water   *Gauge
	Effects []*Effect
	Injects []*Inject
	Actions []*Action
	// Comes and Happens are when what depends on time and water alone is due, in that order.
	Comes   []Timed[*Inject]
	Happens []Timed[*Effect]
}

// Timed is something with its minute.
type Timed[T any] struct {
	Minute int
	What   T
}

// For is the scenario for a class; nil for one it does not have.
func (s *Scenario) For(class string) *Variant {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.variants[class]; v != nil {
		return v
	}
	c := s.Class(class)
	if c == nil {
		return nil
	}
	v := s.variant(c)
	v.times()
	if s.variants == nil {
		s.variants = map[string]*Variant{}
	}
	s.variants[class] = v
	return v
}

func (s *Scenario) variant(c *Class) *Variant {
	v := &Variant{Scenario: s, Of: c, Water: s.Gauge(c.Gauge)}
	holds := func(g *fact.Guard) bool { return g.Eval(c.Facts) == fact.True }
	for i := range s.Effects {
		if e := &s.Effects[i]; holds(e.guard) {
			v.Effects = append(v.Effects, e)
		}
	}
	for i := range s.Injects {
		if x := &s.Injects[i]; holds(x.guard) {
			v.Injects = append(v.Injects, x)
		}
	}
	for i := range s.Actions {
		if a := &s.Actions[i]; holds(a.guard) {
			v.Actions = append(v.Actions, a)
		}
	}
	return v
}

// times finds when the water reaches what.
func (v *Variant) times() {
	first := func(is func(t int) bool) (minute int, ok bool) {
		for t := 0; t <= v.Minutes; t++ {
			if is(t) {
				return t, true
			}
		}
		return 0, false
	}
	over := func(cm int) func(int) bool { return func(t int) bool { return v.Water.At(t) >= cm } }
	for _, x := range v.Injects {
		var t int
		var ok bool
		switch {
		case x.At != nil:
			t, ok = *x.At, true
		case x.Stage > 0:
			t, ok = first(over(v.Water.Stages[x.Stage-1]))
		case x.Falling > 0:
			cm := v.Water.Stages[x.Falling-1]
			t, ok = first(func(t int) bool { return t > 0 && v.Water.At(t-1) >= cm && v.Water.At(t) < cm })
		}
		if ok {
			v.Comes = append(v.Comes, Timed[*Inject]{t, x})
		}
	}
	slices.SortStableFunc(v.Comes, func(a, b Timed[*Inject]) int { return a.Minute - b.Minute })
	for _, e := range v.Effects {
		if e.At != nil {
			v.Happens = append(v.Happens, Timed[*Effect]{*e.At, e})
		} else if t, ok := first(over(v.Water.Stages[2] + *e.Over)); ok {
			v.Happens = append(v.Happens, Timed[*Effect]{t, e})
		}
	}
	slices.SortStableFunc(v.Happens, func(a, b Timed[*Effect]) int { return a.Minute - b.Minute })
}

// Role is the role of a class that gets an inject.
func (v *Variant) Role(roles []string) string {
	for _, r := range roles {
		if slices.Contains(v.Of.Roles, r) {
			return r
		}
	}
	return v.Of.Roles[0]
}
