package cap

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
	"trojmezi/test/xmllint"
)

// mutations is the number of changed messages per edition; TROJMEZI_FULL=1 runs ten
// times as many.
const mutations = 2000

// mutationSeed makes the runs repeatable.
const mutationSeed = 20260807

// spoilt are texts that some value of the standard takes and others do not.
var spoilt = []string{
	"", " ", "x", " x ", "Actual", "actual", " Actual", "Draft", "Alert", "Public", "Met", "met", "Avoid", "AllClear", "Past", "Severe", "Observed", "Very Likely",
	"cs", "de-DE", " cs ", "cs_CZ", "toolonglanguage", "x-", "2026-08-07T18:05:00+02:00", " 2026-08-07T18:05:00+02:00\n", "2026-08-07T16:05:00Z", "2026-08-07T18:05:00.5+02:00",
	"2026-08-07T18:05:00", "2026-02-29T18:05:00+02:00", "2024-02-29T24:00:00-14:00", "2026-08-07T24:00:01+02:00", "2026-08-07T18:05:60+02:00", "2026-08-07T18:05:00+14:01", "0000-08-07T18:05:00+02:00",
	"2026-08-07T18:05:00,02:00", "-2026-08-07T18:05:00+02:00", "12026-08-07T18:05:00+02:00", "1", "-1", "+01", "1.5", ".5", "5.", ".", "1e3", "1 2", "http://a.example/x y", "a:b", "1a:b", "%4g", "#a#b", "urn:x", "ž", "]]>",
}

// mutant changes a message at random but repeatably.
type mutant struct {
	r     *rand.Rand
	parts []*tree.Node
}

func copied(n *tree.Node) *tree.Node {
	c := *n
	c.Kids = nil
	for _, k := range n.Kids {
		c.Kids = append(c.Kids, copied(k))
	}
	return &c
}

func all(n *tree.Node) []*tree.Node {
	nodes := []*tree.Node{n}
	for _, k := range n.Kids {
		nodes = append(nodes, all(k)...)
	}
	return nodes
}

func (m *mutant) of(seed *tree.Node) *tree.Node {
	root := copied(seed)
	for range 1 + m.r.IntN(3)/2 {
		nodes := all(root)
		m.change(nodes[m.r.IntN(len(nodes))])
	}
	return root
}

func (m *mutant) text() string { return spoilt[m.r.IntN(len(spoilt))] }

func (m *mutant) change(n *tree.Node) {
	if n.Leaf() {
		switch m.r.IntN(8) {
		case 0: // it becomes one of elements
			n.Text, n.Kind, n.Kids = "", tree.Object, []*tree.Node{copied(m.parts[m.r.IntN(len(m.parts))])}
		case 1:
			n.Kind, n.Kids, n.Text = tree.Object, []*tree.Node{{Name: "@a", Kind: tree.String, Text: "1"}, {Name: tree.TextName, Kind: tree.String, Text: n.Text}}, ""
		default:
			n.Text = m.text()
		}
		return
	}
	if len(n.Kids) == 0 {
		return
	}
	i, j := m.r.IntN(len(n.Kids)), m.r.IntN(len(n.Kids))
	switch m.r.IntN(8) {
	case 0:
		n.Kids = slices.Delete(n.Kids, i, i+1)
	case 1:
		n.Kids = slices.Insert(n.Kids, j, copied(n.Kids[i]))
	case 2:
		n.Kids[i], n.Kids[j] = n.Kids[j], n.Kids[i]
	case 3:
		n.Kids = slices.Insert(n.Kids, i, copied(m.parts[m.r.IntN(len(m.parts))]))
	case 4:
		n.Kids[i].Name = m.parts[m.r.IntN(len(m.parts))].Name
	case 5:
		n.Kids[i].Space = []string{"", Space11, Space12, "urn:x"}[m.r.IntN(4)]
	case 6:
		n.Kids = append(n.Kids, &tree.Node{Name: "Signature", Space: []string{spaceSignature, n.Space, "urn:x"}[m.r.IntN(3)], Kind: tree.String, Text: "x"})
	case 7:
		n.Kids = append(n.Kids, &tree.Node{Name: tree.TextName, Kind: tree.String, Text: []string{"x", "\n"}[m.r.IntN(2)]})
	}
}

// editions turns a message into one of another edition by its namespace.
func edition(doc []byte, space string) []byte {
	for _, s := range []string{Space11, Space12} {
		doc = bytes.ReplaceAll(doc, []byte(s), []byte(space))
	}
	return doc
}

// TestPublishedSchemas compares our verdict with that of libxml2 by the schemas of
// OASIS, about changed messages; and the two ways of reading with each other.
func TestPublishedSchemas(t *testing.T) {
	dir := filepath.Join(samples(t), "cap-validity")
	total := mutations
	if os.Getenv("TROJMEZI_FULL") == "1" {
		total *= 10
	}
	for _, e := range []struct{ space, schema string }{{Space12, "cap12.xsd"}, {Space11, "cap11.xsd"}} {
		t.Run(e.schema, func(t *testing.T) {
			m := &mutant{r: rand.New(rand.NewPCG(mutationSeed, 1))}
			var seeds []*tree.Node
			for _, file := range []string{"testdata/dam.xml", filepath.Join(dir, "..", "dwd", "Z_CAP_C_EDZW_20170223134450_PVW_4.xml"), filepath.Join(dir, "weather.cap"), filepath.Join(dir, "canada_errors.cap")} {
				root := parse(t, edition(content(t, file), e.space)).Root
				seeds = append(seeds, root)
				m.parts = append(m.parts, all(root)[1:]...)
			}
			m.parts = slices.DeleteFunc(m.parts, func(n *tree.Node) bool { return strings.HasPrefix(n.Name, "@") || n.Name == tree.TextName })
			var docs [][]byte
			var verdicts [][]shape.Deviation
			for len(docs) < total {
				doc := tree.AppendXML(nil, m.of(seeds[len(docs)%len(seeds)]))
				d, f := tree.Parse(doc, Limits)
				if f != nil {
					continue
				}
				agree(t, doc)
				docs = append(docs, doc)
				if _, ok := Is(d); ok {
					verdicts = append(verdicts, schema(d, versions[d.Root.Space]))
				} else {
					verdicts = append(verdicts, Check(d))
				}
			}
			valid, known := 0, 0
			for i, why := range xmllint.Judge(t, filepath.Join(dir, e.schema), docs) {
				if why == "" {
					valid++
				}
				// libxml2 2.9 does not collapse the white space before a moment without a pattern,
				// which the standard wants (spec: XML Schema Part 2, §4.3.6). We do.
				if len(verdicts[i]) == 0 && strings.Contains(why, "': ' ") {
					known++
					continue
				}
				if (why == "") != (len(verdicts[i]) == 0) {
					t.Errorf("different verdicts\ntheirs: %s\nours: %+v\n%s", why, verdicts[i], docs[i])
				}
			}
			t.Logf("seed %d: %d messages, %d valid, %d differences with a reason", mutationSeed, len(docs), valid, known)
			if known > total/100 {
				t.Errorf("%d differences", known)
			}
			if valid < total/10 || valid > total*9/10 {
				t.Error("too one-sided")
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(content(f, "testdata/dam.xml"))
	f.Add([]byte(`<?xml version='1.0' standalone='no'?><cap:alert xmlns:cap="` + Space12 + `"><cap:identifier/></cap:alert>`))
	f.Add([]byte(`{"identifier":"1","sent":"","msgType":"Alert","info":[{"area":[{"polygon":["1,2 3"]}]}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		agree(t, doc)
		d, fault := tree.Parse(doc, Limits)
		if fault != nil {
			return
		}
		Check(d)
		a, _ := FromDocument(d)
		if a == nil {
			return
		}
		References(a.References)
		Moment(a.Sent)
		if out, found := Write(a); len(found) == 0 {
			if again, _, fault := Read(out); fault != nil || again.Identifier != a.Identifier {
				t.Fatalf("%v %q", fault, out)
			}
		}
	})
}
