package fact

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"trojmezi/internal/kernel/i18n"
)

// Truth is what a guard says of a municipality.
type Truth int

// The three values. Unknown: with one completion of what is not known it is true, with
// another false.
const (
	False Truth = iota
	Unknown
	True
)

// String is "false", "unknown" or "true".
func (t Truth) String() string { return [...]string{"false", "unknown", "true"}[t] }

// Guard is a condition over facts, compiled into the table of its cases.
type Guard struct {
	Source string

	schema *Schema
	keys   []string
	sizes  []int
	table  []bool
}

// mostCases bounds the table of one guard: it names a handful of facts.
const mostCases = 1 << 14

// Guard compiles a condition over f.…; "" is always true. Names that are no facts, values
// that are none of theirs and comparisons with what is no cut point are errors with their
// column.
func (s *Schema) Guard(source string) (*Guard, error) {
	g := &Guard{Source: source, schema: s, table: []bool{true}}
	if strings.TrimSpace(source) == "" {
		return g, nil
	}
	tree, err := parser.Parse(source)
	if err != nil {
		return nil, syntax(err)
	}
	look := &visitor{schema: s}
	look.condition(tree.Node)
	if len(look.faults) > 0 {
		return nil, errors.Join(look.faults...)
	}
	env := s.env()
	program, err := expr.Compile(source, expr.Env(env.Interface()), expr.AsBool())
	if err != nil {
		return nil, syntax(err)
	}
	slices.Sort(look.keys)
	g.keys = slices.Compact(look.keys)
	n := 1
	for _, k := range g.keys {
		g.sizes = append(g.sizes, len(s.byKey[k].cases))
		if n *= len(s.byKey[k].cases); n > mostCases {
			return nil, &Fault{Column: 1, Key: "fact.fault.many"}
		}
	}
	g.table = g.table[:0]
	var failed error
	s.Cases(g.keys, func(set Set) bool {
		v := s.env()
		for k, x := range set {
			v.Elem().Field(0).Field(s.index(k)).Set(reflect.ValueOf(x))
		}
		out, err := expr.Run(program, v.Interface())
		if failed = err; err != nil {
			return false
		}
		g.table = append(g.table, out.(bool))
		return true
	})
	return g, failed
}

// env is a value of struct{ F struct{…} `expr:"f"` } with a field for each fact.
func (s *Schema) env() reflect.Value { return reflect.New(envOf(s)) }

var envs sync.Map // *Schema → reflect.Type

func envOf(s *Schema) reflect.Type {
	if t, ok := envs.Load(s); ok {
		return t.(reflect.Type)
	}
	types := map[Kind]reflect.Type{Bool: reflect.TypeFor[bool](), Enum: reflect.TypeFor[string](), Number: reflect.TypeFor[int](), Many: reflect.TypeFor[[]string]()}
	var fields []reflect.StructField
	for i, f := range s.facts {
		fields = append(fields, reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: types[f.Kind], Tag: reflect.StructTag(`expr:"` + f.Key + `"`)})
	}
	t := reflect.StructOf([]reflect.StructField{{Name: "F", Type: reflect.StructOf(fields), Tag: `expr:"f"`}})
	envs.Store(s, t)
	return t
}

func (s *Schema) index(key string) int {
	return slices.IndexFunc(s.facts, func(f *Fact) bool { return f.Key == key })
}

// syntax is an error of the language with its column alone: the rest would show the source
// once more, on lines of its own.
func syntax(err error) error {
	if at, ok := errors.AsType[*file.Error](err); ok {
		return &Fault{at.Column + 1, "fact.fault.syntax", i18n.Args{"text": at.Message}}
	}
	return &Fault{1, "fact.fault.syntax", i18n.Args{"text": err.Error()}}
}

// visitor finds the facts a condition names, and what is wrong with them. It knows the few
// forms a condition may have and refuses the rest of the language: by a variable, a function
// or a calculation a fact could be asked without being seen, or be told apart within a case,
// and the table would then say false of what is not known.
type visitor struct {
	schema *Schema
	keys   []string
	faults []error
}

func (v *visitor) fault(n ast.Node, f *Fault) {
	f.Column = n.Location().From + 1
	v.faults = append(v.faults, f)
}

// condition looks at what is true or false.
func (v *visitor) condition(node ast.Node) {
	switch n := node.(type) {
	case *ast.BoolNode:
		return
	case *ast.MemberNode:
		if v.fact(n) {
			return
		}
	case *ast.UnaryNode:
		if n.Operator == "!" || n.Operator == "not" {
			v.condition(n.Node)
			return
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "&&", "and", "||", "or":
			v.condition(n.Left)
			v.condition(n.Right)
			return
		case "==", "!=", "<", "<=", ">", ">=", "in":
			v.comparison(n)
			return
		}
	}
	v.fault(node, &Fault{Key: "fact.fault.form"})
}

// comparison looks at a fact, or the size of a set, beside fixed values.
func (v *visitor) comparison(n *ast.BinaryNode) {
	asked := n.Left
	with := n.Right
	if fixed(asked) {
		asked, with = with, asked
	}
	size := false
	if call, ok := asked.(*ast.BuiltinNode); ok && call.Name == "len" && len(call.Arguments) == 1 {
		asked, size = call.Arguments[0], true
	}
	if !fixed(with) || !v.fact(asked) {
		v.fault(n, &Fault{Key: "fact.fault.form"})
		return
	}
	key, _ := named(asked)
	f := v.schema.byKey[key]
	switch {
	case f == nil: // told by fact
	case size != (f.Kind == Many && n.Operator != "in"):
		// A set has no order: it is asked for one value, or for its size.
		v.fault(n, &Fault{Key: "fact.fault.form"})
	case !size:
		v.compared(n, f, with, asked == n.Left)
	}
}

// fact looks at f.key, and is false for anything else.
func (v *visitor) fact(n ast.Node) bool {
	key, ok := named(n)
	switch {
	case !ok:
		return false
	case v.schema.byKey[key] == nil:
		v.fault(n.(*ast.MemberNode).Property, v.schema.unknown(key))
	default:
		v.keys = append(v.keys, key)
	}
	return true
}

// fixed reports whether a value stands in the condition itself.
func fixed(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.BoolNode, *ast.IntegerNode, *ast.StringNode:
		return true
	case *ast.ArrayNode:
		return !slices.ContainsFunc(n.Nodes, func(e ast.Node) bool {
			_, isText := e.(*ast.StringNode)
			return !isText
		})
	}
	return false
}

// compared looks at what a fact is compared with.
func (v *visitor) compared(n *ast.BinaryNode, f *Fact, with ast.Node, left bool) {
	switch f.Kind {
	case Number:
		whole, ok := with.(*ast.IntegerNode)
		// Between two cut points all numbers are alike: nothing else may tell them apart.
		if !ok || !slices.Contains(f.Cuts, whole.Value) || left && n.Operator != "<" && n.Operator != ">=" || !left && n.Operator != ">" && n.Operator != "<=" {
			v.fault(n, &Fault{Key: "fact.fault.cut", Args: i18n.Args{"fact": f.Key, "cuts": strings.Trim(fmt.Sprint(f.Cuts), "[]")}})
		}
	case Enum:
		var texts []*ast.StringNode
		switch x := with.(type) {
		case *ast.StringNode:
			texts = append(texts, x)
		case *ast.ArrayNode:
			for _, e := range x.Nodes {
				if t, ok := e.(*ast.StringNode); ok {
					texts = append(texts, t)
				}
			}
		}
		for _, t := range texts {
			if !slices.Contains(f.Values, t.Value) {
				v.fault(t, f.noValue(t.Value))
			}
		}
	case Many:
		if t, ok := with.(*ast.StringNode); ok && !slices.Contains(f.Values, t.Value) {
			v.fault(t, f.noValue(t.Value))
		}
	}
}

// named is the key of f.key.
func named(n ast.Node) (key string, ok bool) {
	m, isMember := n.(*ast.MemberNode)
	if !isMember {
		return "", false
	}
	base, isName := m.Node.(*ast.IdentifierNode)
	property, isText := m.Property.(*ast.StringNode)
	if !isName || !isText || base.Value != "f" {
		return "", false
	}
	return property.Value, true
}

// Facts are the keys it names, sorted.
func (g *Guard) Facts() []string { return g.keys }

// Eval says whether it holds for a municipality: of what is not known each completion is
// tried. Values that are none of their fact's count as not known.
func (g *Guard) Eval(set Set) Truth {
	at := make([]int, len(g.keys)) // case of each, -1 for not known
	for i, k := range g.keys {
		at[i] = -1
		if v, ok := set[k]; ok {
			if n, err := g.schema.byKey[k].number(v); err == nil {
				at[i] = n
			}
		}
	}
	var yes, no bool
	g.each(at, 0, 0, 1, &yes, &no)
	switch {
	case yes && no:
		return Unknown
	case yes:
		return True
	}
	return False
}

func (g *Guard) each(at []int, i, from, step int, yes, no *bool) {
	if *yes && *no {
		return
	}
	if i == len(at) {
		if g.table[from] {
			*yes = true
		} else {
			*no = true
		}
		return
	}
	if at[i] >= 0 {
		g.each(at, i+1, from+at[i]*step, step*g.sizes[i], yes, no)
		return
	}
	for n := range g.sizes[i] {
		g.each(at, i+1, from+n*step, step*g.sizes[i], yes, no)
	}
}

// Alternatives proves that in each case in which when holds exactly one of the guards does,
// over all cases of the facts they name; the error tells the first case in which none or two
// do.
func (s *Schema) Alternatives(when *Guard, guards []*Guard) error {
	keys := slices.Clone(when.keys)
	n := 1
	for _, g := range guards {
		keys = append(keys, g.keys...)
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	for _, k := range keys {
		if n *= len(s.byKey[k].cases); n > mostCases {
			return errors.New("the alternatives name too many facts")
		}
	}
	var fault error
	s.Cases(keys, func(set Set) bool {
		if when.Eval(set) != True {
			return true
		}
		var holds []string
		for i, g := range guards {
			if g.Eval(set) == True {
				holds = append(holds, fmt.Sprint(i+1))
			}
		}
		switch len(holds) {
		case 1:
			return true
		case 0:
			fault = fmt.Errorf("none holds for %s", caseText(set))
		default:
			fault = fmt.Errorf("number %s hold for %s", strings.Join(holds, " and "), caseText(set))
		}
		return false
	})
	return fault
}

func caseText(set Set) string {
	var all []string
	for _, k := range sorted(set) {
		v := set[k]
		if list, ok := v.([]string); ok {
			v = "[" + strings.Join(list, ", ") + "]"
		}
		all = append(all, fmt.Sprintf("%s = %v", k, v))
	}
	return strings.Join(all, ", ")
}
