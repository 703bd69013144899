package fact

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"

	"trojmezi/internal/kernel/i18n"
)

// Kind is what a fact's value is.
type Kind string

// The kinds, with the Go type a value has in a Set.
const (
	Bool   Kind = "bool"   // bool
	Enum   Kind = "enum"   // string
	Number Kind = "number" // int
	Many   Kind = "set"    // []string
)

// Fact is one thing that may be known of a municipality.
type Fact struct {
	Key    string   `yaml:"key"`
	Kind   Kind     `yaml:"kind"`
	Values []string `yaml:"values"` // of Enum and Many
	// Cuts are where a Number changes anything: a guard may compare it with these alone, so
	// that the cases are finite.
	Cuts []int `yaml:"cuts"`
	// Derived says that geography tells it, to be confirmed by somebody who is there.
	Derived bool `yaml:"derived"`
	// Law is the name that the table of duties has for it, "" for none.
	Law string `yaml:"law"`
	// Ask is false where registers tell it.
	Ask *bool `yaml:"ask"`

	cases []any
}

// Asked reports whether a mayor is asked for it.
func (f *Fact) Asked() bool { return f.Ask == nil || *f.Ask }

// Cases are values that stand for all: each there is, and of a number one between any two
// cut points.
func (f *Fact) Cases() []any { return f.cases }

// Set is what is known of a municipality. A key that is missing is unknown.
type Set map[string]any

// Schema is a list of facts.
type Schema struct {
	facts []*Fact
	byKey map[string]*Fact
}

//go:embed facts.yaml
var shipped []byte

// Shipped is the schema of the product.
var Shipped = sync.OnceValue(func() *Schema {
	s, err := Read(shipped)
	if err != nil {
		panic(err) // embedded, and tested
	}
	return s
})

// Read reads a schema.
func Read(text []byte) (*Schema, error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	s := &Schema{byKey: map[string]*Fact{}}
	if err := d.Decode(&s.facts); err != nil {
		return nil, fmt.Errorf("fact.Read: %w", err)
	}
	for _, f := range s.facts {
		if f.Key == "" || s.byKey[f.Key] != nil {
			return nil, fmt.Errorf("fact.Read: the key %q is missing or there twice", f.Key)
		}
		s.byKey[f.Key] = f
		switch {
		case f.Kind == Bool && len(f.Values)+len(f.Cuts) == 0:
			f.cases = []any{false, true}
		case f.Kind == Enum && len(f.Values) > 1 && len(f.Cuts) == 0:
			for _, v := range f.Values {
				f.cases = append(f.cases, v)
			}
		case f.Kind == Number && len(f.Cuts) > 0 && len(f.Values) == 0 && slices.IsSorted(f.Cuts):
			f.cases = append(f.cases, f.Cuts[0]-1)
			for _, c := range f.Cuts {
				f.cases = append(f.cases, c)
			}
		case f.Kind == Many && len(f.Values) > 0 && len(f.Values) <= 4 && len(f.Cuts) == 0:
			for bits := range 1 << len(f.Values) {
				all := []string{}
				for i, v := range f.Values {
					if bits>>i&1 == 1 {
						all = append(all, v)
					}
				}
				f.cases = append(f.cases, all)
			}
		default:
			return nil, fmt.Errorf("fact.Read: %s: kind, values and cuts do not fit", f.Key)
		}
	}
	return s, nil
}

// Facts lists them in the order of the file.
func (s *Schema) Facts() []*Fact { return s.facts }

// Fact is the one of a key, nil for none.
func (s *Schema) Fact(key string) *Fact { return s.byKey[key] }

// number is the case of a value.
func (f *Fact) number(v any) (int, error) {
	switch f.Kind {
	case Number:
		n, ok := v.(int)
		if !ok {
			break
		}
		at, _ := slices.BinarySearch(f.Cuts, n+1)
		return at, nil
	case Many:
		all, ok := v.([]string)
		if !ok {
			break
		}
		bits := 0
		for _, x := range all {
			i := slices.Index(f.Values, x)
			if i < 0 {
				return 0, f.noValue(x)
			}
			bits |= 1 << i
		}
		return bits, nil
	default:
		for i, c := range f.cases {
			if c == v {
				return i, nil
			}
		}
		if f.Kind == Enum {
			return 0, f.noValue(v)
		}
	}
	return 0, &Fault{Key: "fact.fault.kind." + string(f.Kind), Args: i18n.Args{"fact": f.Key, "value": fmt.Sprint(v)}}
}

// noValue is the fault of a value that a fact does not have.
func (f *Fact) noValue(v any) *Fault {
	return &Fault{Key: "fact.fault.value", Args: i18n.Args{"fact": f.Key, "value": fmt.Sprint(v), "values": strings.Join(f.Values, ", ")}}
}

// ReadSet reads facts from YAML, a name and a value a line, and checks them by the shipped
// schema.
func ReadSet(text []byte) (Set, error) {
	set := Set{}
	if err := yaml.Unmarshal(text, &set); err != nil {
		return nil, &Fault{Key: "fact.fault.syntax", Args: i18n.Args{"text": strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	Lists(set)
	return set, Shipped().Check(set)
}

// Lists turns the lists of a set that YAML has read into lists of texts.
func Lists(set Set) {
	for key, v := range set {
		if list, ok := v.([]any); ok {
			texts := []string{}
			for _, x := range list {
				texts = append(texts, fmt.Sprint(x))
			}
			set[key] = texts
		}
	}
}

// Check tells what is wrong with a set: names that are no facts, values that are none of
// theirs.
func (s *Schema) Check(set Set) error {
	var all []error
	for _, key := range sorted(set) {
		f := s.byKey[key]
		if f == nil {
			all = append(all, s.unknown(key))
			continue
		}
		if _, err := f.number(set[key]); err != nil {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

func sorted(set Set) []string {
	var keys []string
	for k := range set {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// unknown is the fault of a name that is none, with the likeliest one.
func (s *Schema) unknown(name string) *Fault {
	best, least := "", math.MaxInt
	for _, f := range s.facts {
		if n := distance(name, f.Key); n < least {
			best, least = f.Key, n
		}
	}
	if least <= max(2, len(name)/3) {
		return &Fault{Key: "fact.fault.meant", Args: i18n.Args{"name": name, "meant": best}}
	}
	return &Fault{Key: "fact.fault.unknown", Args: i18n.Args{"name": name}}
}

// distance is how many letters have to be changed, put in or left out.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost = 1 + min(last, row[j], row[j+1])
			}
			last, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// Cases yields every case of some facts, as sets.
func (s *Schema) Cases(keys []string, yield func(Set) bool) {
	at := make([]int, len(keys))
	for {
		set := Set{}
		for i, k := range keys {
			set[k] = s.byKey[k].cases[at[i]]
		}
		if !yield(set) {
			return
		}
		i := 0
		for ; i < len(keys); i++ {
			if at[i]++; at[i] < len(s.byKey[keys[i]].cases) {
				break
			}
			at[i] = 0
		}
		if i == len(keys) {
			return
		}
	}
}

// states are conditions of the table of duties that are no facts of a municipality but of the
// day: their duties hold for all.
var states = []string{"all", "crisis_state", "help_requested", "collection", "region", "state"}

// FromLaw is the guard of an entry of the column applies_when in the table of duties: "all",
// "has_jsdh", "type in (I,II)", "not …", "… and …". A name that is not mapped is an error.
func (s *Schema) FromLaw(appliesWhen string) (string, error) {
	var parts []string
	for part := range strings.SplitSeq(appliesWhen, " and ") {
		part = strings.TrimSpace(part)
		if slices.Contains(states, part) {
			continue
		}
		name, negated := strings.CutPrefix(part, "not ")
		guard, err := s.fromLaw(name)
		if err != nil {
			return "", err
		}
		if negated {
			if strings.Contains(guard, " ") {
				guard = "(" + guard + ")"
			}
			guard = "!" + guard
		}
		parts = append(parts, guard)
	}
	return strings.Join(parts, " && "), nil
}

func (s *Schema) fromLaw(name string) (string, error) {
	switch name {
	case "has_jsdh":
		return `f.jpo != "none"`, nil
	case "border_municipality":
		return `len(f.border) > 0`, nil
	case "has_co_material":
		return "f.civil_protection", nil
	}
	for _, list := range []string{"type", "jpo"} {
		if rest, ok := strings.CutPrefix(name, list); ok {
			rest = strings.Trim(strings.TrimPrefix(strings.TrimPrefix(rest, "="), " in "), "()")
			var all []string
			for v := range strings.SplitSeq(rest, ",") {
				if v = strings.TrimSpace(v); !slices.Contains(s.byKey[list].Values, v) {
					return "", fmt.Errorf("%q of the table of duties: %q is no %s", name, v, list)
				}
				all = append(all, `"`+v+`"`)
			}
			if len(all) == 1 {
				return "f." + list + " == " + all[0], nil
			}
			return "f." + list + " in [" + strings.Join(all, ", ") + "]", nil
		}
	}
	for _, f := range s.facts {
		if f.Law == name && f.Kind == Bool {
			return "f." + f.Key, nil
		}
		if f.Law == name && name == "water_owner" {
			return `f.water_supplier == "own"`, nil
		}
	}
	return "", fmt.Errorf("%q of the table of duties is mapped onto no fact", name)
}
