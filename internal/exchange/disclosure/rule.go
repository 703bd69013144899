package disclosure

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/i18n"
)

// Action is what happens to a value on its way to a neighbour.
type Action string

// The actions, from the most open to the strictest.
const (
	Pass  Action = "pass"
	Ask   Action = "ask"   // a person decides; unasked it passes only where a life is in danger
	Mask  Action = "mask"  // something stands there, and not what was said
	Count Action = "count" // gone; how many there were is told
	Drop  Action = "drop"  // gone; that there was something is told
	// Life is no action on a value: it says of a class that a life is in danger in it.
	Life Action = "life"
)

// Actions lists them.
var Actions = []Action{Pass, Ask, Mask, Count, Drop, Life}

func (a Action) strictness() int { return slices.Index(Actions, a) }

// Any stands in a rule for whatever there is.
const Any = "*"

// Patterns of paths beside names of the model.
const (
	AllPersonal = "@personal"
	AllWords    = "@text"
)

// Rule says what happens to some values.
type Rule struct {
	ID     string
	Peer   string // OID, country (CZ, DE, PL) or Any
	App    string // UCRI 2 app or Any
	Path   string // "Callers.Phone", "Patients" with all below, "*.Note", AllPersonal, AllWords or Any
	Class  string // class of incidents with all below it ("traffic" has "traffic.injury"), or Any
	Action Action
	Reason string // why, for people and for the register of processing
}

// specificity orders the rules that fit one value: what the path says counts most,
// then the neighbour, the class and the app.
func (r Rule) specificity() [4]int {
	var s [4]int
	switch {
	case r.Path == Any:
	case strings.HasPrefix(r.Path, "@"):
		s[0] = 1
	default:
		s[0] = 1
		for p := range strings.SplitSeq(r.Path, ".") {
			s[0]++ // a name under any other is more than none
			if p != Any {
				s[0]++
			}
		}
	}
	switch {
	case r.Peer == Any:
	case len(r.Peer) == 2:
		s[1] = 1
	default:
		s[1] = 2
	}
	if r.Class != Any {
		s[2] = 1 + strings.Count(r.Class, ".")
	}
	if r.App != Any {
		s[3] = 1
	}
	return s
}

// before reports whether a decides and not b, where both fit: the more specific one;
// of two alike the stricter one, then the one that comes first by its name.
func before(a, b Rule) int {
	x, y := a.specificity(), b.specificity()
	return cmp.Or(slices.Compare(y[:], x[:]), cmp.Compare(b.Action.strictness(), a.Action.strictness()), cmp.Compare(a.ID, b.ID))
}

func (r Rule) fits(c Case) bool {
	return (r.Peer == Any || r.Peer == c.Peer || r.Peer == c.country()) && (r.App == Any || r.App == c.App) &&
		(r.Class == Any || r.Class == c.Class || strings.HasPrefix(c.Class, r.Class+"."))
}

func (r Rule) about(l leaf) bool {
	switch r.Path {
	case Any:
		return true
	case AllPersonal:
		return l.personal()
	case AllWords:
		return l.is == words
	}
	parts := strings.Split(r.Path, ".")
	if len(parts) > len(l.parts) {
		return false
	}
	for n, p := range parts {
		if p != Any && p != l.parts[n] {
			return false
		}
	}
	return true
}

// Fault is what is wrong with a rule. Its text is Key of the locales.
type Fault struct {
	Rule string
	Key  string
	Args i18n.Args
}

// Check finds what is wrong with rules.
func Check(rules []Rule) (faults []Fault) {
	seen := map[string]bool{}
	for _, r := range rules {
		add := func(key, value string) {
			faults = append(faults, Fault{r.ID, "disclosure.fault." + key, i18n.Args{"rule": r.ID, "value": value}})
		}
		if strings.TrimSpace(r.ID) == "" || len(r.ID) > 40 {
			add("id", r.ID)
		}
		if seen[r.ID] {
			add("twice", r.ID)
		}
		seen[r.ID] = true
		if r.Peer != Any && countries[r.Peer] == "" && !ucri.ValidOID(r.Peer) {
			add("peer", r.Peer)
		}
		if r.App != Any && !slices.ContainsFunc(ucri.Apps(), func(a ucri.AppRef) bool { return a.AppID == r.App }) {
			add("app", r.App)
		}
		if !slices.ContainsFunc(leaves, r.about) {
			add("path", r.Path)
		}
		if r.Class != Any && !KnownClass(r.Class) {
			add("class", r.Class)
		}
		switch {
		case r.Action.strictness() < 0:
			add("action", string(r.Action))
		case r.Action == Life && (r.Class == Any || r.Peer != Any || r.App != Any || r.Path != Any):
			add("life", r.Class)
		}
		if len(r.Reason) > 400 {
			add("reason", "")
		}
	}
	return faults
}

// countries are the arcs of their authorities below 1.2 and 2.16 (spec: ISO 3166-1
// numeric codes, X.660).
var countries = map[string]string{"CZ": "203", "DE": "276", "PL": "616"}

// Case is one message on its way to one neighbour.
type Case struct {
	Peer    string // OID
	Country string // "": as the OID says
	App     string
	Class   string // of the incident; "" unknown
	Life    bool   // somebody's life is in danger
	Answers map[Group]bool
	// Nobody is what stands for a person of whom nothing is known: it is about nobody.
	Nobody string
	// Override lets everything pass; a second person looks at it afterwards.
	Override bool
}

func (c Case) country() string {
	if c.Country != "" {
		return c.Country
	}
	for _, arc := range []string{"1.2.", "2.16."} {
		rest, ok := strings.CutPrefix(c.Peer, arc)
		number, _, _ := strings.Cut(rest, ".")
		for country, n := range countries {
			if ok && n == number {
				return country
			}
		}
	}
	return ""
}

// Answer is what is answered to a question before anybody is asked: yes where a life
// is in danger and help needs it. Of people who are treated or accused nothing
// crosses unasked.
func (c Case) Answer(g Group) bool {
	if given, ok := c.Answers[g]; ok {
		return given
	}
	return c.Life && (g == Callers || g == Car)
}

// Table is a set of rules. It does not change and is safe for concurrent use.
type Table struct {
	rules []Rule // in the order in which they decide
	life  []string

	mu    sync.Mutex
	plans map[planKey]*plan
	opens map[planKey]bool // without class
}

// nobody decides where no rule fits: nothing passes.
var nobody = Rule{ID: "-", Action: Drop}

// NewTable makes a table of rules that Check finds nothing wrong with.
func NewTable(rules []Rule) *Table {
	t := &Table{plans: map[planKey]*plan{}, opens: map[planKey]bool{}}
	for _, r := range rules {
		if r.Action == Life {
			t.life = append(t.life, r.Class)
		} else {
			t.rules = append(t.rules, r)
		}
	}
	slices.SortStableFunc(t.rules, before)
	return t
}

// Threatens reports whether a life is in danger in incidents of a class.
func (t *Table) Threatens(class string) bool {
	return slices.ContainsFunc(t.life, func(c string) bool { return class == c || strings.HasPrefix(class, c+".") })
}

type planKey struct{ peer, country, app, class string }

// plan is the rule of each value in one case.
type plan struct{ of []*Rule }

// most bounds the plans that are kept: neighbours, apps and classes are few.
const most = 1000

func (t *Table) plan(c Case) *plan {
	k := planKey{c.Peer, c.country(), c.App, c.Class}
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.plans[k]; p != nil {
		return p
	}
	p := &plan{of: make([]*Rule, len(leaves))}
	for n, l := range leaves {
		p.of[n] = &nobody
		for i := range t.rules {
			if r := &t.rules[i]; r.about(l) && r.fits(c) {
				p.of[n] = r
				break
			}
		}
	}
	if len(t.plans) >= most {
		clear(t.plans)
	}
	t.plans[k] = p
	return p
}
