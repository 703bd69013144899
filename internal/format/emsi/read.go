package emsi

import (
	"cmp"
	"embed"
	"io/fs"
	"reflect"
	"slices"
	"strings"

	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

//go:embed locales/*.json
var locales embed.FS

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// deviation is one by this package's own rules.
func deviation(n *tree.Node, path, rule, hint string, s shape.Severity) shape.Deviation {
	d := shape.Breach(n, path, rule, "")
	d.Key, d.Severity, d.Args["hint"] = "emsi.rule."+rule, s, hint
	return d
}

// Read makes a message of what an emsi element or object at a path holds. It takes
// any order, known misspellings, other namespaces, one value for a list and a list
// for one value, codes of other countries (the nearest known stands beside the
// original) and numbers and moments in other forms. What it cannot place is in
// Message.Extra, so that nothing is lost. It reports each of these, and what cannot
// be true, as a warning, in the order of the lines; whether the schema was kept is
// the matter of Check.
func Read(n *tree.Node, s tree.Syntax, path string) (*Message, []shape.Deviation) {
	r := &reader{root: n, syntax: s, path: path}
	m := &Message{}
	if s == tree.XML && n.Space != Namespace {
		r.breach(n, "namespace", Namespace)
	}
	r.groupValue(n, reflect.ValueOf(m).Elem(), rootPlan)
	m.Extra = r.extra
	slices.SortStableFunc(r.found, func(a, b shape.Deviation) int { return cmp.Compare(a.Line, b.Line) })
	return m, r.found
}

// reader fills a message.
type reader struct {
	root   *tree.Node
	syntax tree.Syntax
	path   string                // of root
	paths  map[*tree.Node]string // of all nodes, made when the first is needed
	extra  []Value
	found  []shape.Deviation
}

func (r *reader) place(n *tree.Node) string {
	if r.paths == nil {
		r.paths = shape.Paths(r.root, r.syntax, r.path)
	}
	return r.paths[n]
}

// breach reports what the schema forbids and a reader understands.
func (r *reader) breach(n *tree.Node, rule, hint string) {
	d := shape.Breach(n, r.place(n), rule, hint)
	d.Severity = shape.Warning
	r.found = append(r.found, d)
}

// doubt reports what this package knows and the schema does not.
func (r *reader) doubt(n *tree.Node, rule, hint string) {
	r.found = append(r.found, deviation(n, r.place(n), rule, hint, shape.Warning))
}

// keep reports what has no place in the model and puts its values aside.
func (r *reader) keep(n *tree.Node, rule, hint string) {
	r.breach(n, rule, hint)
	r.aside(n)
}

func (r *reader) aside(n *tree.Node) {
	if n.Leaf() {
		r.extra = append(r.extra, Value{Path: r.place(n), Text: n.Text})
	}
	for _, k := range n.Kids {
		r.aside(k)
	}
}

// aliases are wrong names that real systems send.
var aliases = map[string]string{"RISK_ASSESSMNT": "RISK_ASSESMENT", "RISK_ASSESSMENT": "RISK_ASSESMENT", "CERTAINLY": "CERTAINTY"}

// find is the field that a name means, -1 for none.
func (p *plan) find(name string) int {
	if i, ok := p.names[name]; ok {
		return i
	}
	up := strings.ReplaceAll(clean(name), "-", "_")
	if right, ok := aliases[up]; ok {
		up = right
	}
	if i, ok := p.names[up]; ok {
		return i
	}
	return -1
}

// group fills a struct from an element or object.
func (r *reader) group(n *tree.Node, v reflect.Value, p *plan) {
	seen := make([]int, len(p.fields))
	last := -1
	for _, k := range n.Kids {
		i := p.find(k.Name)
		if i < 0 {
			r.stranger(n, k)
			continue
		}
		f := &p.fields[i]
		if k.Name != f.name {
			r.doubt(k, "name", f.name)
		}
		if r.syntax == tree.XML {
			if k.Space != n.Space {
				r.breach(k, "namespace", Namespace)
			}
			if i < last {
				r.breach(k, "order", p.fields[last].name)
			}
			last = i
		}
		r.member(k, v.Field(f.index), f, &seen[i])
	}
	for i, f := range p.fields {
		if f.required && seen[i] == 0 {
			d := shape.Breach(n, r.place(n), "missing", "")
			d.Severity, d.Args["name"] = shape.Warning, f.name
			r.found = append(r.found, d)
		}
	}
	r.sense(n, v.Addr().Interface())
}

// stranger puts aside what no field has the name of. Where the schema lies is no
// value of the message, and no fault.
func (r *reader) stranger(n, k *tree.Node) {
	const instance = "http://www.w3.org/2001/XMLSchema-instance"
	switch {
	case r.syntax == tree.XML && k.Name == tree.TextName:
		r.breach(n, "text", "")
		r.aside(k)
	case r.syntax == tree.XML && k.Space == instance && strings.HasSuffix(strings.ToLower(k.Name), "schemalocation"):
		r.aside(k)
	default:
		r.keep(k, "unknown", "")
	}
}

// member takes what stands under one name.
func (r *reader) member(k *tree.Node, target reflect.Value, f *field, seen *int) {
	values := []*tree.Node{k}
	if r.syntax == tree.JSON {
		switch array := k.Kind == tree.Array; {
		case array && !f.many:
			r.breach(k, "many", "")
			values = k.Kids
		case array:
			values = k.Kids
		case f.many && k.Kind != tree.Null:
			r.breach(k, "array", "")
		}
	}
	for _, n := range values {
		switch {
		case *seen == 0 || f.many:
			if r.value(n, target, f) {
				*seen++
			}
		case n == k:
			r.keep(n, "many", "")
		default:
			r.aside(n) // that it is an array has been said
		}
	}
}

// value takes one value, or puts it aside. It reports whether there was one: null is
// none.
func (r *reader) value(n *tree.Node, target reflect.Value, f *field) bool {
	of := target.Type()
	if f.many {
		of = of.Elem()
	}
	at := reflect.New(of).Elem()
	ok := false
	if f.kind == groupField {
		ok = r.groupValue(n, at, f.plan)
	} else {
		ok = r.leaf(n, at, f)
	}
	switch {
	case !ok:
	case f.many:
		target.Set(reflect.Append(target, at))
	default:
		target.Set(at)
	}
	return n.Kind != tree.Null
}

func (r *reader) groupValue(n *tree.Node, at reflect.Value, p *plan) bool {
	switch {
	case n.Kind == tree.Null:
		r.breach(n, "kind", "object")
		return false
	case r.syntax == tree.JSON && n.Kind != tree.Object:
		r.keep(n, "kind", "object")
		return false
	case r.syntax == tree.XML && n.Leaf() && strings.TrimSpace(n.Text) != "":
		r.keep(n, "text", "")
		return false
	}
	if at.Kind() == reflect.Pointer {
		at.Set(reflect.New(at.Type().Elem()))
		at = at.Elem()
	}
	r.group(n, at, p)
	return true
}

// leaf takes the text of a value.
func (r *reader) leaf(n *tree.Node, at reflect.Value, f *field) bool {
	due, name := tree.String, "string"
	if f.kind == wholeField || f.kind == decimalField {
		due, name = tree.Number, "number"
	}
	switch {
	case r.syntax == tree.XML:
		for _, k := range n.Kids {
			if k.Name != tree.TextName {
				r.keep(k, "unknown", "")
			}
		}
	case n.Kind == tree.Null:
		r.breach(n, "kind", name)
		return false
	case !n.Leaf():
		r.keep(n, "kind", name)
		return false
	case n.Kind != due:
		r.breach(n, "kind", name)
	}
	raw := n.Value()
	s := strings.TrimSpace(raw)
	if s != raw && (due == tree.String && f.kind != timeField || r.syntax == tree.JSON) {
		r.doubt(n, "space", s)
	}
	return r.parse(n, s, at, f)
}

// parse understands the text of a value.
func (r *reader) parse(n *tree.Node, s string, at reflect.Value, f *field) bool {
	switch f.kind {
	case codeField:
		at.Set(reflect.ValueOf(r.code(n, s, f)))
	case timeField:
		at.Set(reflect.ValueOf(r.moment(n, s)))
	case wholeField:
		v, ok := parseWhole(s)
		if !ok {
			r.unread(n, s)
			return false
		}
		if r.syntax == tree.XML && !isXMLWhole(s) {
			r.breach(n, "number", "")
		}
		r.count(n, v, f)
		at.Set(reflect.ValueOf(&v))
	case decimalField:
		d, ok := parseDecimal(s)
		if !ok {
			r.unread(n, s)
			return false
		}
		if n.Kind == tree.String && !isXMLDecimal(s) {
			r.breach(n, "number", string(d))
		}
		r.measure(n, d, f)
		at.Set(reflect.ValueOf(d))
	default:
		at.SetString(s)
	}
	return true
}

// unread puts aside a text that is no number; an empty one is none to lose.
func (r *reader) unread(n *tree.Node, s string) {
	r.breach(n, "number", "")
	if s != "" {
		r.extra = append(r.extra, Value{Path: r.place(n), Text: n.Value()})
	}
}

func (r *reader) code(n *tree.Node, s string, f *field) Code {
	if s == "" {
		if !recommended[f.list] {
			r.breach(n, "code", "")
		}
		return Code{}
	}
	nearest, exact := Known(f.list, s)
	switch {
	case exact:
	case f.list == NationalityList && nearest == "":
		r.doubt(n, "country", "")
	case nearest == "":
		r.doubt(n, "code", "")
	case strings.HasPrefix(clean(s), nearest+"/"):
		r.doubt(n, "parent", nearest)
	default:
		r.doubt(n, "spelling", nearest)
	}
	return Code{Text: s, Known: nearest}
}

func (r *reader) moment(n *tree.Node, s string) Time {
	if s == "" {
		r.breach(n, "time", timeHint)
		return Time{}
	}
	t := parseTime(s)
	switch {
	case !t.At.IsZero():
		if r.syntax == tree.XML && !shape.IsDateTime(s) || r.syntax == tree.JSON && !isJSONTime(s) {
			r.doubt(n, "spelling", formatTime(t.At, r.syntax))
		}
	case shape.IsDateTime(s) && !strings.HasSuffix(s, "Z") && !zoned(s):
		r.doubt(n, "zone", timeHint)
	default:
		r.breach(n, "time", timeHint)
	}
	return t
}
