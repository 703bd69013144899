package shape

import (
	"slices"
	"strings"

	"trojmezi/internal/format/tree"
)

// Check is the verdict about a document whose root is of a type, in the order of
// the document: what is missing stands at its parent. What follows from something
// reported already is not reported. The name of an XML root is the caller's matter.
func Check(d *tree.Document, root *Type) []Deviation {
	return CheckNode(d.Root, d.Syntax, RootPath(d), root)
}

// RootPath is the path of a document's root, as tree.Document.Walk gives it.
func RootPath(d *tree.Document) string {
	for p := range d.Walk() {
		return p
	}
	return ""
}

// Paths are the paths of a node, which lies at the path given, and of all below it.
func Paths(n *tree.Node, s tree.Syntax, path string) map[*tree.Node]string {
	all := map[*tree.Node]string{}
	d := &tree.Document{Syntax: s, Root: n}
	own := len(RootPath(d))
	for p, k := range d.Walk() {
		all[k] = path + p[own:]
	}
	return all
}

// CheckNode is the verdict about a part of a document that lies at a path.
func CheckNode(n *tree.Node, s tree.Syntax, path string, t *Type) []Deviation {
	c := &checker{root: n, syntax: s, path: path}
	c.check(n, t)
	return c.found
}

// Breach is a deviation from the standard's schema by one of this package's rules.
// The hint is what is allowed instead, "" for none.
func Breach(n *tree.Node, path, rule, hint string) Deviation {
	if hint != "" && rule != "order" && rule != "choice" {
		hint = " (" + hint + ")"
	}
	where := path
	if where == "" {
		where = "/" // the root, which a reader would not see
	}
	return Deviation{
		Path: path, Line: n.Line, Rule: rule, Severity: Error, Key: "shape.rule." + rule,
		Args: map[string]any{"line": n.Line, "path": where, "name": nameOf(n, path), "hint": hint, "found": shorten(n.Value())},
	}
}

// nameOf is what people know a node by: an element of an array has the array's name.
func nameOf(n *tree.Node, path string) string {
	if n.Name != "" {
		return strings.TrimPrefix(n.Name, tree.AttributeMark)
	}
	path = strings.TrimRight(path, "/0123456789")
	return path[strings.LastIndexByte(path, '/')+1:]
}

// shown is how many characters of a wrong value a text repeats.
const shown = 60

func shorten(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > shown {
		return string(r[:shown]) + "…"
	}
	return text
}

// checker collects what is found in a part of a document.
type checker struct {
	root   *tree.Node
	syntax tree.Syntax
	path   string                // of root
	paths  map[*tree.Node]string // of all nodes, made when the first is needed
	found  []Deviation
}

// place is the path of a node: most documents are valid, and none is needed.
func (c *checker) place(n *tree.Node) string {
	if c.paths == nil {
		c.paths = Paths(c.root, c.syntax, c.path)
	}
	return c.paths[n]
}

// MaxFound is how many breaches of a document are reported: nobody reads more, and who
// wants to harm could send a hundred thousand.
const MaxFound = 1000

func (c *checker) report(n *tree.Node, rule, hint string) {
	if len(c.found) < MaxFound {
		c.found = append(c.found, Breach(n, c.place(n), rule, hint))
	}
}

// lack reports what should stand in a node under a name and does not.
func (c *checker) lack(in *tree.Node, name string) {
	if len(c.found) >= MaxFound {
		return
	}
	d := Breach(in, c.place(in), "missing", "")
	d.Args["name"] = name
	c.found = append(c.found, d)
}

func (c *checker) check(n *tree.Node, t *Type) {
	before := len(c.found)
	switch {
	case t.leaf():
		c.leaf(n, t)
	case c.syntax == tree.JSON && n.Kind != tree.Object:
		c.report(n, wrongKind(n), kindNames[tree.Object])
	case c.syntax == tree.XML && n.Leaf() && !blank(n.Text):
		c.report(n, "text", "")
	default:
		c.members(n, t)
	}
	if t.More != nil && len(c.found) == before {
		c.found = append(c.found, t.More(c.place(n), n)...)
	}
}

func (t *Type) leaf() bool { return t.Value != nil || len(t.Members) == 0 && !t.Open }

var anyText = &Value{}

func (c *checker) leaf(n *tree.Node, t *Type) {
	v := t.Value
	if v == nil {
		v = anyText
	}
	text := n.Value()
	if c.syntax == tree.JSON {
		kinds := v.JSON
		if kinds == nil {
			kinds = []tree.Kind{tree.String}
		}
		if !slices.Contains(kinds, n.Kind) {
			c.report(n, wrongKind(n), kindNames[kinds[0]])
			return
		}
	} else {
		before := len(c.found)
		if c.members(n, t); len(c.found) > before {
			return
		}
		if v.Collapse {
			text = strings.Join(strings.FieldsFunc(text, space), " ")
		}
	}
	if v.Match != nil && !v.Match(text) {
		c.report(n, v.Rule, v.Hint)
	}
}

// kindNames are JSON's own words.
var kindNames = map[tree.Kind]string{
	tree.Object: "object", tree.Array: "array", tree.String: "string", tree.Number: "number", tree.Boolean: "true, false", tree.Null: "null",
}

// wrongKind is the rule that a value of the wrong kind breaks: of an array, one of
// its elements might have been right.
func wrongKind(n *tree.Node) string {
	if n.Kind == tree.Array {
		return "many"
	}
	return "kind"
}

// space is what XML means by white space (spec: XML 1.0, §2.3).
func space(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' }

func blank(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return !space(r) }) < 0
}

// members checks what stands in a node, and what does not.
func (c *checker) members(n *tree.Node, t *Type) {
	counts := make([]int, len(t.Members))
	which := make([]int, len(n.Kids))
	for i, k := range n.Kids {
		which[i] = c.member(n, k, t)
		if which[i] < 0 {
			continue
		}
		if c.array(k, &t.Members[which[i]]) {
			counts[which[i]] += len(k.Kids)
		} else {
			counts[which[i]]++
		}
	}
	c.missing(n, t, counts, which)
	if c.syntax == tree.XML && !t.leaf() && n.Get(tree.TextName) != nil {
		c.report(n, "text", "")
	}
	c.kids(n, t, which)
}

// missing reports what should stand in a node.
func (c *checker) missing(n *tree.Node, t *Type, counts, which []int) {
	reported := map[int]bool{}
	for i, m := range t.Members {
		switch {
		case m.Attribute && c.syntax == tree.JSON:
		case m.Choice != 0 && counts[i] == 0:
			if names, stands := t.choice(m.Choice, which); !stands && !reported[m.Choice] {
				reported[m.Choice] = true
				c.report(n, "choice", strings.Join(names, ", "))
			}
		case counts[i] < m.Min:
			c.lack(n, m.Name)
		}
	}
}

// choice gives the names of a choice and reports whether one of them stands.
func (t *Type) choice(number int, which []int) (names []string, stands bool) {
	for i, m := range t.Members {
		if m.Choice == number {
			names = append(names, m.Name)
			stands = stands || slices.Contains(which, i)
		}
	}
	return names, stands
}

// kids checks what stands in a node, in its order.
func (c *checker) kids(n *tree.Node, t *Type, which []int) {
	seen := make([]int, len(t.Members))
	chosen := map[int]int{} // choice → member that stands
	last := -1
	for i, k := range n.Kids {
		w := which[i]
		if w < 0 {
			c.stranger(n, k, t)
			continue
		}
		m := &t.Members[w]
		if seen[w]++; m.Max > 0 && seen[w] > m.Max {
			c.report(k, "many", "")
			continue
		}
		if c.syntax == tree.XML && !m.Attribute {
			if w < last {
				c.report(k, "order", t.Members[last].Name)
			}
			last = w
			if k.Space != m.space(n) {
				c.report(k, "namespace", m.space(n))
			}
		}
		if first, stands := chosen[m.Choice]; m.Choice != 0 && stands && first != w {
			names, _ := t.choice(m.Choice, which)
			c.report(k, "choice", strings.Join(names, ", "))
			continue
		}
		chosen[m.Choice] = w
		c.value(k, m)
	}
}

// value checks a member that may stand where it does.
func (c *checker) value(k *tree.Node, m *Member) {
	switch {
	case c.array(k, m):
		for i, e := range k.Kids {
			if m.Max > 0 && i >= m.Max {
				c.report(e, "many", "")
				continue
			}
			c.check(e, m.Type)
		}
	case c.syntax == tree.JSON && m.Max != 1:
		c.report(k, "array", "")
	default:
		c.check(k, m.Type)
	}
}

// array reports whether a member holds the array of JSON that it should.
func (c *checker) array(k *tree.Node, m *Member) bool {
	return c.syntax == tree.JSON && m.Max != 1 && k.Kind == tree.Array
}

// space is the namespace in which a member of an element stands.
func (m *Member) space(in *tree.Node) string {
	if m.Space == "" && !m.Attribute {
		return in.Space
	}
	return m.Space
}

// member finds what a child is, -1 for none. An element whose name is right and
// whose namespace is not counts as the one that was meant, unless others may
// stand here.
func (c *checker) member(n, k *tree.Node, t *Type) int {
	if c.syntax == tree.JSON {
		return slices.IndexFunc(t.Members, func(m Member) bool { return !m.Attribute && m.Name == k.Name })
	}
	name, attribute := strings.CutPrefix(k.Name, tree.AttributeMark)
	if attribute {
		name = name[strings.LastIndexByte(name, ':')+1:]
	}
	same := func(m Member) bool { return m.Attribute == attribute && m.Name == name }
	if i := slices.IndexFunc(t.Members, func(m Member) bool { return same(m) && m.space(n) == k.Space }); i >= 0 || attribute || t.Open {
		return i
	}
	return slices.IndexFunc(t.Members, same)
}

// spaceInstance is the namespace of attributes that speak about the schema; the
// two permitted say where it lies (spec: XML Schema Part 1, §2.6).
const spaceInstance = "http://www.w3.org/2001/XMLSchema-instance"

// stranger reports a child that no member has the name of.
func (c *checker) stranger(n, k *tree.Node, t *Type) {
	if c.syntax == tree.XML {
		_, local, _ := strings.Cut(k.Name, ":")
		if k.Name == tree.TextName || k.Space == spaceInstance && (local == "schemaLocation" || local == "noNamespaceSchemaLocation") {
			return
		}
	}
	if !t.Open {
		c.report(k, "unknown", "")
	}
}
