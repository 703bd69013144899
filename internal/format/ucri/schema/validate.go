package schema

import (
	"math/bits"
	"strings"
	"unicode/utf8"

	"trojmezi/internal/format/strictjson"
)

// Violation is the first breach of a schema in a document. Args never hold
// values of the document, only its member names and type names: a Violation may
// be logged and shown.
type Violation struct {
	Rule  string // type, missing, unknown, enum, any_of, few_members, few_items, many_items, short, long, small, large, fraction, or that of a Pattern
	Place string // JSON Pointer
	Args  map[string]any
}

// Validate checks text in one pass. A fault of the JSON itself, wherever it
// stands, goes before a violation. On a valid document it allocates only to
// decode strings with escapes.
func (s *Schema) Validate(doc string, depth int) (*Violation, *strictjson.Fault) {
	var w walk
	w.sc.Init(doc, depth)
	w.value(s.root)
	w.sc.End()
	return w.found, w.sc.Fault()
}

// maxViolations bounds what Violations lists: nobody reads more.
const maxViolations = 200

// Violations is Validate for people who mend a document: it lists every breach, the
// first ones of very many.
func (s *Schema) Violations(doc string, depth int) ([]Violation, *strictjson.Fault) {
	var all []Violation
	w := walk{all: &all}
	w.sc.Init(doc, depth)
	w.value(s.root)
	w.sc.End()
	return all, w.sc.Fault()
}

type walk struct {
	sc    strictjson.Scanner
	found *Violation
	all   *[]Violation // nil: only the first is wanted
}

func (w *walk) report(rule string, args ...any) {
	if w.sc.Fault() != nil || w.all == nil && w.found != nil || w.all != nil && len(*w.all) >= maxViolations {
		return
	}
	v := &Violation{Rule: rule, Place: w.sc.Place(), Args: map[string]any{}}
	for i := 0; i < len(args); i += 2 {
		v.Args[args[i].(string)] = args[i+1]
	}
	if w.found == nil {
		w.found = v
	}
	if w.all != nil {
		*w.all = append(*w.all, *v)
	}
}

func (w *walk) value(n *node) {
	k := w.sc.Peek()
	if k != n.kind.wire() {
		if k != strictjson.Invalid {
			w.report("type", "expected", n.kind.String(), "found", k.String())
		}
		w.sc.Skip()
		return
	}
	switch n.kind {
	case object:
		w.object(n)
	case array:
		w.array(n)
	case text:
		w.text(n)
	case boolean:
		w.sc.Literal()
	default:
		w.number(n)
	}
}

func (w *walk) object(n *node) {
	if !w.sc.Open() {
		return
	}
	var seen uint64
	names := w.sc.NewNames()
	others := 0
	for first := true; ; first = false {
		name, ok := w.sc.Member(first)
		if !ok {
			break
		}
		i := n.find(name)
		if i < 0 {
			others++
			names.Add(&w.sc, name)
			if n.closed {
				w.report("unknown", "member", strictjson.Short(name))
			}
			w.sc.Skip()
			continue
		}
		if seen&(1<<i) != 0 {
			w.sc.Duplicate(name)
			return
		}
		seen |= 1 << i
		w.value(n.members[i].node)
	}
	names.Close(&w.sc)
	if n.required&^seen != 0 {
		for _, i := range n.order {
			if seen&(1<<i) == 0 {
				w.report("missing", "member", n.members[i].name)
				if w.all == nil {
					break
				}
			}
		}
	}
	if n.anyOf != nil {
		w.anyOf(n, seen)
	}
	if n.minProps > 0 && bits.OnesCount64(seen)+others < n.minProps {
		w.report("few_members", "min", n.minProps)
	}
}

func (w *walk) anyOf(n *node, seen uint64) {
	for _, m := range n.anyOf {
		if m&^seen == 0 {
			return
		}
	}
	var names []string
	for _, m := range n.anyOf {
		for ; m != 0; m &= m - 1 {
			names = append(names, n.members[bits.TrailingZeros64(m)].name)
		}
	}
	w.report("any_of", "members", strings.Join(names, ", "))
}

func (w *walk) array(n *node) {
	if !w.sc.Open() {
		return
	}
	count := 0
	for w.sc.Element() {
		count++
		w.value(n.items)
	}
	if count < n.minItems {
		w.report("few_items", "min", n.minItems)
	}
	if n.maxItems >= 0 && count > n.maxItems {
		w.report("many_items", "max", n.maxItems)
	}
}

func (w *walk) text(n *node) {
	s, plain, ok := w.sc.String()
	if !ok {
		return
	}
	if n.minLength == 0 && n.maxLength < 0 && n.pattern == nil && n.format == nil && n.enum == nil {
		return
	}
	if !plain {
		s = strictjson.Decode(s)
	}
	if n.minLength > 0 || n.maxLength >= 0 {
		length := utf8.RuneCountInString(s)
		if length < n.minLength {
			w.report("short", "min", n.minLength)
		}
		if n.maxLength >= 0 && length > n.maxLength {
			w.report("long", "max", n.maxLength)
		}
	}
	if n.pattern != nil && !n.pattern.Match(s) {
		w.report(n.pattern.Rule)
	}
	if n.format != nil && !n.format.Match(s) {
		w.report(n.format.Rule)
	}
	if n.enum != nil {
		w.enum(n, s)
	}
}

func (w *walk) enum(n *node, s string) {
	for _, v := range n.enum {
		if v == s {
			return
		}
	}
	w.report("enum", "allowed", strings.Join(n.enum, ", "))
}

func (w *walk) number(n *node) {
	raw, ok := w.sc.Number()
	if !ok {
		return
	}
	if n.kind == numeric && n.minimum == nil && n.maximum == nil {
		return
	}
	if _, short := shortInt(raw); short && n.minimum == nil && n.maximum == nil && n.enum == nil {
		return
	}
	if n.kind == numeric && n.enum == nil && n.surelyWithin(raw) {
		return
	}
	d := parseDecimal(raw)
	if n.kind == integer && !d.integer() {
		w.report("fraction")
	}
	if n.minimum != nil && d.compare(n.minimum.decimal) < 0 {
		w.report("small", "min", n.minimum.shown())
	}
	if n.maximum != nil && d.compare(n.maximum.decimal) > 0 {
		w.report("large", "max", n.maximum.shown())
	}
	if n.enum != nil {
		for _, v := range n.enum {
			if d == parseDecimal(v) {
				return
			}
		}
		w.report("enum", "allowed", strings.Join(n.enum, ", "))
	}
}

// surelyWithin is the fast path for ordinary decimals: the digits before the
// point alone show that the number lies within whole bounds.
func (n *node) surelyWithin(raw string) bool {
	dot := strings.IndexByte(raw, '.')
	if dot < 0 {
		dot = len(raw)
	} else if strings.TrimLeft(raw[dot+1:], "0123456789") != "" {
		return false // an exponent
	}
	whole, ok := shortInt(raw[:dot])
	if !ok {
		return false
	}
	low, high := whole, whole+1
	if raw[0] == '-' {
		low, high = whole-1, whole
	}
	return (n.minimum == nil || n.minimum.whole && n.minimum.n <= low) &&
		(n.maximum == nil || n.maximum.whole && n.maximum.n >= high)
}

func (k kind) wire() strictjson.Kind {
	switch k {
	case object:
		return strictjson.Object
	case array:
		return strictjson.Array
	case text:
		return strictjson.String
	case boolean:
		return strictjson.Boolean
	default:
		return strictjson.Number
	}
}

func (k kind) String() string {
	if k == integer {
		return "integer"
	}
	return k.wire().String()
}
