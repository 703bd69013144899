package tree

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/kernel/i18n"
)

// leaves are the values of a document as "path=value@line".
func leaves(t testing.TB, doc string) (all []string) {
	t.Helper()
	d, f := Parse([]byte(doc), DefaultLimits)
	if f != nil {
		t.Fatal(f)
	}
	for p, n := range d.Leaves() {
		all = append(all, fmt.Sprintf("%s=%s@%d", p, n.Text, n.Line))
	}
	return all
}

func TestLeaves(t *testing.T) {
	for name, c := range map[string]struct {
		doc  string
		want []string
	}{
		"XML": {"<?xml version='1.0'?>\n<e xmlns='urn:x'>\n <A>1</A>\n <B>x</B><B> y&amp;z </B>\n <C><![CDATA[<q>]]></C><D/>\n</e>",
			[]string{"/e/A=1@3", "/e/B/0=x@4", "/e/B/1= y&z @4", "/e/C=<q>@5", "/e/D=@5"}},
		"attributes and text": {`<e xmlns:x="urn:x" x:type="t" id="7"><p a="1">text<b>c</b> rest</p></e>`,
			[]string{"/e/@x:type=t@1", "/e/@id=7@1", "/e/p/@a=1@1", "/e/p/b=c@1", "/e/p/#text=text rest@1"}},
		"a long tag": {"<e>\n<p\n a='1'\n b='2'>t</p>\n</e>", []string{"/e/p/@a=1@2", "/e/p/@b=2@2", "/e/p/#text=t@2"}},
		"JSON": {"{\n \"a\": [1, \"x\\u00e9\"],\n \"b/c\": {\"d~\": null,\n \"e\": true}, \"f\": {}, \"g\": -1.50e3}",
			[]string{"/a/0=1@2", "/a/1=xé@2", "/b~1c/d~0=null@3", "/b~1c/e=true@4", "/g=-1.50e3@4"}},
		"an array": {`[{"a":1},{"a":2}]`, []string{"/0/a=1@1", "/1/a=2@1"}},
	} {
		if d := cmp.Diff(c.want, leaves(t, c.doc)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestFaults(t *testing.T) {
	small := Limits{Bytes: 4000, Depth: 5, Nodes: 20}
	for _, c := range []struct {
		doc, rule string
		line      int
	}{
		{"", "empty", 0}, {" \n ", "empty", 0}, {"hello", "neither", 1}, {strings.Repeat(" ", 4001), "size", 0},
		{"<a>\n<b>", "truncated", 2}, {"<a></b>", "xml", 1}, {"<a>\n</a>\n<b/>", "trailing", 3}, {"<a/>x", "trailing", 1},
		{"<a>\n&lol;</a>", "entity", 2}, {"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "dtd", 1},
		{"<a><b><c><d><e><f/></e></d></c></b></a>", "depth", 1}, {"<a>" + strings.Repeat("\n<b/>", 20) + "</a>", "nodes", 21},
		{"<a b='1' b='2'/>", "duplicate", 1}, {"<a>\n<x:b/></a>", "prefix", 2}, {"<a\n x:b='1'/>", "prefix", 1},
		{"<a>\xff</a>", "encoding", 1}, {"<?xml version='1.0' encoding='klingon'?><a/>", "charset", 1},
		{"<?xml version='1.0' encoding='us-ascii'?>\n<a>é</a>", "encoding", 2}, {"<?xml version='1.0' encoding='windows-1250'?>\n<a>\n\x81</a>", "encoding", 3}, {"\xFF\xFE{\x00}\x00", "charset_json", 0}, {"<a>\x01</a>", "xml", 1}, {"<?xml version='1.0'?>", "empty", 1},
		{`{"a":1`, "truncated", 1}, {"{\n\"a\":x}", "json", 2}, {"{}{}", "trailing", 1}, {"[[[[[[1]]]]]]", "depth", 1},
		{"[" + strings.Repeat("\n1,", 25) + "1]", "nodes", 21}, {`{"a":1,"a":2}`, "duplicate", 1}, {"{\"a\":\"\xff\"}", "encoding", 1}, {`{"a":"\ud800"}`, "json", 1},
	} {
		d, f := Parse([]byte(c.doc), small)
		if f == nil {
			t.Errorf("%.60q was read: %+v", c.doc, d.Root)
			continue
		}
		if f.Rule != c.rule || f.Line != c.line {
			t.Errorf("%.60q: %s at line %d, want %s at %d", c.doc, f.Rule, f.Line, c.rule, c.line)
		}
	}
}

func TestCharsets(t *testing.T) {
	for name, doc := range map[string]string{
		"utf-8": "<a>Liberec–Žitava</a>", "mark": "\xEF\xBB\xBF<a>Liberec–Žitava</a>",
		"windows-1250": "<?xml version='1.0' encoding='Windows-1250'?><a>Liberec\x96\x8Eitava</a>",
		"utf-16":       "\xFE\xFF\x00<\x00a\x00>\x00L\x00i\x00b\x00e\x00r\x00e\x00c\x20\x13\x01\x7D\x00i\x00t\x00a\x00v\x00a\x00<\x00/\x00a\x00>",
		"iso-8859-2":   "<?xml version='1.0' encoding=\"ISO-8859-2\"?><a>Liberec&#x2013;\xAEitava</a>",
	} {
		d, f := Parse([]byte(doc), DefaultLimits)
		if f != nil || d.Root.Text != "Liberec–Žitava" {
			t.Errorf("%s: %v, %v", name, d, f)
		}
	}
}

// What is written is read as the same again, in both syntaxes.
func TestWritten(t *testing.T) {
	for _, doc := range []string{
		`<e xmlns="urn:x" a="1&quot;2"><b>x &lt; y</b><b/><c xmlns="urn:y"><d>é</d></c><f q="1">text</f></e>`,
		`<e xmlns="urn:x" xmlns:l="urn:l" l:type="a"><b l:type="c" xml:lang="cs">t</b></e>`,
		`{"a":[1,"x\n\u0001",{"b":[]}],"c":{"d":null,"e":{}},"f":-1.50e3}`, `[]`,
	} {
		want, f := Parse([]byte(doc), DefaultLimits)
		if f != nil {
			t.Fatal(f)
		}
		out := AppendJSON(nil, want.Root)
		if want.Syntax == XML {
			out = AppendXML(nil, want.Root)
		}
		got, f := Parse(out, DefaultLimits)
		if f != nil {
			t.Errorf("%s: %v", out, f)
			continue
		}
		if d := cmp.Diff(shape(want.Root), shape(got.Root)); d != "" {
			t.Errorf("%s: %s", out, d)
		}
	}
	d, _ := Parse([]byte(`<e><m>1</m><n>x</n><m>2</m></e>`), DefaultLimits)
	if got, want := string(AppendJSON(nil, d.Root)), "{\n  \"m\": [\n    \"1\",\n    \"2\"\n  ],\n  \"n\": \"x\"\n}\n"; got != want {
		t.Errorf("repeated elements: %s", got)
	}
}

// shape is a tree without its places.
func shape(n *Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s|%s|%d|%s(", n.Name, n.Space, n.Kind, n.Text)
	for _, k := range n.Kids {
		b.WriteString(shape(k))
	}
	b.WriteString(")")
	return b.String()
}

// Every value of the real messages is found again in the text it came from.
func TestSamples(t *testing.T) {
	dir := os.Getenv("TROJMEZI_SAMPLES")
	if dir == "" {
		t.Skip("TROJMEZI_SAMPLES names no folder of real messages")
	}
	files, err := filepath.Glob(filepath.Join(dir, "interop", "examples", "*"))
	if err != nil || len(files) == 0 {
		t.Fatal("no samples", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, f := Parse(text, DefaultLimits)
		if f != nil {
			t.Fatalf("%s: %v", file, f)
		}
		n := 0
		for p, leaf := range d.Leaves() {
			line := bytes.Split(d.Text, []byte("\n"))[leaf.Line-1]
			if !bytes.Contains(line, []byte(leaf.Text)) && d.Syntax == JSON {
				t.Errorf("%s: %s: %q is not in line %d", file, p, leaf.Text, leaf.Line)
			}
			n++
		}
		if n < 8 {
			t.Errorf("%s: only %d values", file, n)
		}
	}
}

func TestTexts(t *testing.T) {
	b, err := i18n.Load(Locales())
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range []string{"size", "empty", "neither", "names", "charset", "charset_json", "encoding", "trailing", "depth", "nodes", "dtd", "duplicate", "entity", "prefix", "truncated", "xml", "json"} {
		f := fault(3, rule, map[string]any{"max": 1, "charset": "x", "name": "n", "place": "/a"})
		for _, l := range i18n.Langs {
			if got := b.Text(l, f.Key, f.Args); got == f.Key || strings.Contains(got, "{") {
				t.Errorf("%s %s: %s", l, rule, got)
			}
		}
	}
	if n := b.Missing(); n != 0 {
		t.Errorf("%d texts missing", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`<a b="1"><c/>x</a>`, `{"a":[1,{"b":"c"}]}`, "<?xml version='1.0' encoding='iso-8859-2'?><a>\xAE</a>", "\xFF\xFE<\x00", "<!DOCTYPE a><a/>"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		d, fault := Parse(doc, Limits{Bytes: 1 << 16, Depth: 20, Nodes: 2000})
		if fault != nil {
			if fault.Line < 0 || fault.Line > 1+bytes.Count(doc, []byte("\n")) && d != nil {
				t.Fatalf("line %d", fault.Line)
			}
			return
		}
		paths := map[string]bool{}
		lines := 1 + bytes.Count(d.Text, []byte("\n"))
		for p, n := range d.Walk() {
			if paths[p] {
				t.Fatalf("two nodes at %q", p)
			}
			paths[p] = true
			if n.Line < 1 || n.Line > lines || n.Start < 0 || n.End > len(d.Text) {
				t.Fatalf("%q: line %d of %d, %d–%d", p, n.Line, lines, n.Start, n.End)
			}
		}
	})
}

// Characters that a screen does not show are written as references, and read again.
func TestUnseen(t *testing.T) {
	const text = "a\u009b\u007f\u202eb"
	for _, d := range []*Document{{Syntax: JSON, Root: &Node{Kind: Object, Kids: []*Node{{Name: "n", Kind: String, Text: text}}}}, {Syntax: XML, Root: &Node{Name: "e", Kind: Object, Kids: []*Node{{Name: "n", Kind: String, Text: text}}}}} {
		out := AppendJSON(nil, d.Root)
		if d.Syntax == XML {
			out = AppendXML(nil, d.Root)
		}
		if strings.ContainsAny(string(out), "\u009b\u007f\u202e") {
			t.Errorf("%q", out)
		}
		again, f := Parse(out, DefaultLimits)
		if f != nil || again.Root.Get("n").Value() != text {
			t.Errorf("%v %q", f, out)
		}
	}
}
