package emsi

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"trojmezi/internal/format/tree"
)

// mutations is the number of changed messages per syntax. TROJMEZI_FULL=1 takes ten
// times as many.
const mutations = 4000

// mutator changes messages at random but repeatably.
type mutator struct {
	r      *rand.Rand
	syntax tree.Syntax
	names  []string
	values []string
}

func newMutator(s tree.Syntax) *mutator {
	m := &mutator{r: rand.New(rand.NewPCG(20260314, 7)), syntax: s, names: []string{"X", "emsi", "id", "RISK_ASSESSMNT", "CERTAINLY", "#text", "@a"}}
	if s == tree.JSON {
		m.names = slices.DeleteFunc(m.names, func(n string) bool { return n == "#text" || n == "@a" })
	}
	seen := map[*plan]bool{}
	var walk func(p *plan)
	walk = func(p *plan) {
		if p == nil || seen[p] {
			return
		}
		seen[p] = true
		for _, f := range p.fields {
			m.names = append(m.names, f.name)
			walk(f.plan)
		}
	}
	walk(rootPlan)
	m.values = []string{
		"", " ", "x", "0", "1", "5", "-1", "+7", "007", "1.0", "1.5", ".5", "5.", "1e2", "-0", "2147483647", "2147483648", "-2147483649", "99999999999999999999", "12 3", " 3 ", "NaN", "INF", "true",
		"2026-03-14T17:41:02+01:00", "2026-03-14T17:41:02Z", "2026-03-14T17:41:02", "2026-03-14T17:41:02.5+01:00", "2026-03-14T24:00:00+01:00", "2026-03-14T24:00:01+01:00",
		"2026-02-29T00:00:00+01:00", "2024-02-29T00:00:00-14:00", "2024-02-29T00:00:00-14:01", "2024-02-29T00:00:00+15:00", "12024-02-29T00:00:00Z", "12023-02-29T00:00:00Z", "-0004-02-28T00:00:00Z",
		"0000-01-01T00:00:00Z", "2016-12-31T23:59:60+00:00", "2016-12-31T23:59:60+01:00", " 2026-03-14T17:41:02+01:00\n", "2026-03-14t17:41:02+01:00", "2026-03-14 17:41:02+01:00", "2026-03-14T17:41+01:00",
		"2026-13-14T17:41:02+01:00", "2026-03-14T17:60:02+01:00", "2026-03-14T25:00:00+01:00", "2026-03-14T17:41:02+01:60", "2026-03-14T17:41:02+0100", "2026-03-14T17:41:02.+01:00", "2026-03-14",
		"ACTUAL", " ACTUAL", "actual", "EXCERCS", "EXERCS", "INCREA", "NCREA", "FIR/CZ_X", "FIR", "CERTAIN", "příliš žluťoučký",
	}
	for list := range dictionaries {
		m.values = append(m.values, Codes(list)[0], Codes(list)[len(Codes(list))-1])
	}
	slices.Sort(m.values)
	return m
}

func clone(n *tree.Node) *tree.Node {
	c := *n
	c.Kids = nil
	for _, k := range n.Kids {
		c.Kids = append(c.Kids, clone(k))
	}
	return &c
}

func pick[T any](m *mutator, list []T) T { return list[m.r.IntN(len(list))] }

// mutate is the message with one to three changes.
func (m *mutator) mutate(root *tree.Node) *tree.Node {
	root = clone(root)
	for range 1 + m.r.IntN(3) {
		var all []*tree.Node
		var walk func(n *tree.Node)
		walk = func(n *tree.Node) {
			all = append(all, n)
			for _, k := range n.Kids {
				walk(k)
			}
		}
		walk(root)
		m.change(pick(m, all))
	}
	return root
}

func (m *mutator) change(n *tree.Node) {
	if n.Leaf() {
		m.changeLeaf(n)
		return
	}
	if len(n.Kids) == 0 {
		n.Kids = append(n.Kids, m.leaf(pick(m, m.names)))
		return
	}
	i, j := m.r.IntN(len(n.Kids)), m.r.IntN(len(n.Kids))
	k := n.Kids[i]
	switch m.r.IntN(8) {
	case 0:
		n.Kids = slices.Delete(n.Kids, i, i+1)
	case 1:
		if m.syntax == tree.XML || n.Kind == tree.Array {
			n.Kids = slices.Insert(n.Kids, j, clone(k))
		}
	case 2:
		n.Kids[i], n.Kids[j] = n.Kids[j], n.Kids[i]
	case 3:
		m.rename(n, k)
	case 4:
		if name := pick(m, m.names); n.Kind != tree.Array && (m.syntax == tree.XML || n.Get(name) == nil) {
			n.Kids = slices.Insert(n.Kids, j, m.leaf(name))
		}
	case 5:
		if m.syntax == tree.XML {
			k.Space = pick(m, []string{"", "urn:x", Namespace})
		} else if k.Kind == tree.Array && len(k.Kids) > 0 {
			name := k.Name
			*k = *k.Kids[0]
			k.Name = name
		}
	case 6:
		if m.syntax == tree.JSON {
			in := clone(k)
			in.Name = ""
			*k = tree.Node{Name: k.Name, Kind: tree.Array, Kids: []*tree.Node{in}}
		}
	default:
		m.change(k)
	}
}

func (m *mutator) rename(in, k *tree.Node) {
	name := pick(m, m.names)
	if in.Kind == tree.Array || strings.HasPrefix(name, "@") || name == tree.TextName || strings.HasPrefix(k.Name, "@") || k.Name == tree.TextName || m.syntax == tree.JSON && in.Get(name) != nil {
		return
	}
	k.Name = name
}

func (m *mutator) leaf(name string) *tree.Node {
	n := &tree.Node{Name: name, Kind: tree.String, Text: pick(m, m.values)}
	if m.syntax == tree.XML && !strings.HasPrefix(name, "@") {
		n.Space = Namespace
	}
	return n
}

func (m *mutator) changeLeaf(n *tree.Node) {
	n.Text = pick(m, m.values)
	if m.syntax == tree.XML {
		return
	}
	n.Kind = tree.String
	switch m.r.IntN(10) {
	case 0, 1, 2, 3:
		n.Kind, n.Text = tree.Number, pick(m, []string{"0", "-0", "7", "1.0", "1.5", "-3", "1e2", "1.5e1", "15e-1", "150e-1", "1e-1", "99999999999", "1e30", "0e-7", "0.0"})
	case 4:
		n.Kind, n.Text = tree.Boolean, "true"
	case 5:
		n.Kind, n.Text = tree.Null, "null"
	case 6:
		*n = tree.Node{Name: n.Name, Kind: tree.Object}
	}
}

func total() int {
	if os.Getenv("TROJMEZI_FULL") == "1" {
		return 10 * mutations
	}
	return mutations
}

// seeds are messages of a syntax.
func seeds(t testing.TB, s tree.Syntax, paths ...string) []*tree.Node {
	t.Helper()
	var all []*tree.Node
	for _, path := range paths {
		d := parse(t, content(t, path+"."+string(s)))
		n, _, ok := Find(d.Root, s, "")
		if !ok {
			t.Fatalf("%s holds no message", path)
		}
		if s == tree.JSON {
			n.Name = "" // it stands alone
		}
		all = append(all, n)
	}
	return all
}

func content(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// mutants are the seeds and what was made of them, as documents.
func mutants(t *testing.T, s tree.Syntax, number int, paths ...string) [][]byte {
	t.Helper()
	m := newMutator(s)
	list := seeds(t, s, paths...)
	var all [][]byte
	write := func(n *tree.Node) []byte {
		if s == tree.XML {
			return tree.AppendXML(nil, n)
		}
		return tree.AppendJSON(nil, n)
	}
	for _, n := range list {
		all = append(all, write(n))
	}
	for _, v := range m.values {
		all = append(all, leaves(t, s, v)...)
	}
	for i := range number {
		all = append(all, write(m.mutate(list[i%len(list)])))
	}
	return all
}

// leaves are small messages with a value as a text, a code, a moment and the two
// kinds of numbers.
func leaves(t *testing.T, s tree.Syntax, v string) (all [][]byte) {
	t.Helper()
	small, _ := read(t, file(t, "small."+string(s)))
	for _, path := range [][]string{{"CONTEXT", "FREETEXT"}, {"CONTEXT", "MODE"}, {"CONTEXT", "CREATION"}, {"EVENT", "CERTAINTY"}, {"RESOURCE", "QUANTITY"}} {
		n := Tree(small, s)
		k := n.All(path[0])[0].Get(path[1])
		k.Text = v
		if s == tree.XML {
			all = append(all, tree.AppendXML(nil, n))
		} else if k.Kind == tree.String || json.Valid([]byte(v)) {
			all = append(all, tree.AppendJSON(nil, n))
		}
	}
	return all
}
