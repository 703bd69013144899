package emsi

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/kernel/i18n"
)

var update = flag.Bool("update", false, "rewrite the golden texts in testdata")

func parse(t testing.TB, doc []byte) *tree.Document {
	t.Helper()
	d, f := tree.Parse(doc, tree.DefaultLimits)
	if f != nil {
		t.Fatalf("%.300s: %v", doc, f)
	}
	return d
}

// read is the message of a document.
func read(t testing.TB, doc []byte) (*Message, []shape.Deviation) {
	t.Helper()
	d := parse(t, doc)
	n, path, ok := Find(d.Root, d.Syntax, shape.RootPath(d))
	if !ok {
		t.Fatalf("no message in %.300s", doc)
	}
	return Read(n, d.Syntax, path)
}

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// golden compares with a file, which -update rewrites.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(filepath.Join("testdata", name), got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(string(file(t, name)), string(got)); d != "" {
		t.Errorf("%s: %s", name, d)
	}
}

// The same message in both syntaxes: read as one, written as it stands.
func TestMessages(t *testing.T) {
	for name, original := range map[string]string{"accident": "accident.xml", "fire": "fire.json", "small": "small.json"} {
		m, doubts := read(t, file(t, original))
		want := 0
		if name == "fire" {
			want = 1 // a Czech code
		}
		if len(doubts) != want || len(m.Extra) > 0 {
			t.Errorf("%s: doubts %v, extra %v", name, doubts, m.Extra)
		}
		for ext, s := range map[string]tree.Syntax{".xml": tree.XML, ".json": tree.JSON} {
			out := Write(m, s)
			golden(t, name+ext, out)
			if found := Check(parse(t, out)); len(found) > 0 {
				t.Errorf("%s%s is not valid: %v", name, ext, found)
			}
			again, _ := read(t, out)
			if d := cmp.Diff(m, again); d != "" {
				t.Errorf("%s%s: %s", name, ext, d)
			}
		}
	}
}

func TestFields(t *testing.T) {
	m, _ := read(t, file(t, "accident.xml"))
	if m.Event.Areas[0].Position.Coords[0].Long != "14.8260" || m.Event.Areas[0].Position.Coords[0].Long.Float() != 14.826 {
		t.Errorf("coordinates %+v", m.Event.Areas[0].Position.Coords)
	}
	if got := m.Context.Created.At.Format(layout); got != "2026-03-14T17:42:10+01:00" {
		t.Errorf("created %s", got)
	}
	if c := m.Event.Casualties[0]; *c.Green != 11 || *c.Black != 0 || c.Missing != nil {
		t.Errorf("casualties %+v", c)
	}
	if m, _ = read(t, file(t, "fire.json")); m.Context.Mode != Of(ModeExercise) || m.Event.Type.Location[1] != (Code{"NAT/CZ_SKALY", "NAT"}) {
		t.Errorf("codes %+v %+v", m.Context.Mode, m.Event.Type.Location)
	}
}

// report is what was found, as people see it, and what was put aside.
func report(t *testing.T, m *Message, found []shape.Deviation) []byte {
	t.Helper()
	b, err := i18n.Load(Locales(), shape.Locales())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, d := range found {
		fmt.Fprintf(&out, "%s %s %s\n", d.Severity, d.Rule, b.Text(i18n.En, d.Key, d.Args))
	}
	for _, v := range m.Extra {
		fmt.Fprintf(&out, "%s = %q\n", v.Path, v.Text)
	}
	return out.Bytes()
}

// What comes in any state is understood, and each deviation named.
func TestLiberal(t *testing.T) {
	for _, name := range []string{"liberal.xml", "liberal.json"} {
		m, found := read(t, file(t, name))
		golden(t, name+".txt", report(t, m, found))
		for _, s := range []tree.Syntax{tree.XML, tree.JSON} {
			golden(t, name+".out."+string(s), Write(m, s))
		}
		for _, d := range found {
			if d.Severity != shape.Warning {
				t.Errorf("%s: %+v", name, d)
			}
		}
	}
}

// What is no object is kept all the same.
func TestReadOdd(t *testing.T) {
	for _, doc := range []string{`["x"]`, "<emsi>x</emsi>"} {
		d := parse(t, []byte(doc))
		m, found := Read(d.Root, d.Syntax, "/at")
		if len(m.Extra) != 1 || m.Extra[0].Text != "x" || len(found) == 0 {
			t.Errorf("%s: %+v %+v", doc, m, found)
		}
	}
}

func TestFind(t *testing.T) {
	for doc, want := range map[string]string{
		"<emsi/>": "/emsi", "<x:EMSI xmlns:x='urn:x'><a/></x:EMSI>": "/EMSI",
		"<c><a/><emsi><b/></emsi></c>": "/c/emsi", "<c><message><emsi><b/></emsi></message></c>": "/c/message/emsi",
		"<c><emsi><b/></emsi><emsi/></c>": "/c/emsi/0",
		"<c><emsi/><emsi><b/></emsi></c>": "/c/emsi/1",
		`{"CONTEXT":{}}`:                  "",
		`{"emsi":{}}`:                     "/emsi",
		`{"message":{"emsi":{}}}`:         "/message/emsi",
		`{"message":{"CONTEXT":{}}}`:      "/message",
		"<c><message><message><emsi><b/></emsi></message></message></c>": "none",
		"<c>emsi</c>": "none", `{"emsi":"x"}`: "none", `["emsi"]`: "none",
	} {
		d := parse(t, []byte(doc))
		n, got, ok := Find(d.Root, d.Syntax, shape.RootPath(d))
		if !ok {
			got = "none"
		}
		if got != want || ok != (n != nil) {
			t.Errorf("%s: %q, want %q", doc, got, want)
		}
		if found := Check(d); !ok && (len(found) != 1 || found[0].Rule != "none" || found[0].Severity != shape.Error) {
			t.Errorf("%s: %v", doc, found)
		}
	}
}

func TestValidate(t *testing.T) {
	doc := strings.Replace(string(file(t, "accident.xml")), "<SCALE>3", "<SCALE>7", 1)
	doc = strings.Replace(doc, ">90<", ">900<", 1)
	judge := func(doc []byte) (bool, []shape.Deviation) {
		d := parse(t, doc)
		return Validate(d.Root, d.Syntax, shape.RootPath(d))
	}
	valid, all := judge([]byte(doc))
	if valid || len(all) != 2 || all[0].Rule != "code" || all[0].Severity != shape.Error || all[1].Rule != "certainty" || all[1].Severity != shape.Warning || all[0].Line != 35 || all[1].Line != 36 {
		t.Errorf("%v %+v", valid, all)
	}
	if valid, all = judge(file(t, "accident.json")); !valid || len(all) != 0 {
		t.Errorf("%v %+v", valid, all)
	}
	if found := Check(parse(t, []byte("<x/>"))); len(found) != 1 {
		t.Errorf("%+v", found)
	}
	if found := Check(parse(t, []byte("<EMSI><a/></EMSI>"))); len(found) != 5 {
		t.Errorf("a wrong root: %+v", found)
	}
}

// What the comparison with the standard's schemas shows at large, at one place each.
func TestCheck(t *testing.T) {
	for _, c := range []struct{ file, old, new, want string }{
		{"small.xml", "<MODE>TEST</MODE>", "", "3 missing"}, {"small.xml", "TEST", " TEST", "5 code"}, {"small.xml", "TEST", "EXCERCS", "5 code"},
		{"small.xml", "<ID>c</ID>\n    <CERTAINTY>50</CERTAINTY>", "<CERTAINTY>50</CERTAINTY><ID>c</ID>", "11 order"}, {"small.xml", "<EVENT>", "<EVENT>x", "10 text"},
		{"small.xml", "<ID>c</ID>", "<ID>c</ID><ID>c</ID>", "11 many"}, {"small.xml", "<ID>c</ID>", "<ID a='1'>c</ID>", "11 unknown"}, {"small.xml", "<ID>c</ID>", "<ID xmlns=''>c</ID>", "11 namespace"},
		{"small.xml", "urn:emergency:eda:1.9:emsi", "urn:emergency:eda:1.8:emsi", "2 namespace"}, {"small.xml", ">50<", "> 50\n<", ""}, {"small.xml", ">50<", ">50.0<", "12 number"}, {"small.xml", ">50<", ">2147483648<", "12 number"},
		{"small.xml", ">2.5<", ">+.5<", ""}, {"small.xml", ">2.5<", ">25e-1<", "20 number"}, {"small.xml", "+01:00", "", ""}, {"small.xml", "+01:00", ".25Z", ""}, {"small.xml", "17:42:10", "24:00:00", ""}, {"small.xml", "17:42:10", "24:00:01", "7 time"},
		{"small.xml", "2026-03-14", "2026-02-29", "7 time"}, {"small.xml", "2026-03-14", "2026-13-14", "7 time"}, {"small.xml", "17:42", "25:42", "7 time"}, {"small.xml", "2026-03-14", "12024-02-29", ""}, {"small.xml", "2026-03-14", "0000-03-14", "7 time"}, {"small.xml", "+01:00", "+14:01", "7 time"},
		{"small.json", `"MODE": "TEST",`, "", "2 missing"}, {"small.json", `"MODE": "TEST"`, `"Mode": "TEST"`, "2 missing, 4 unknown"}, {"small.json", `"TEST"`, `"EXCERCS"`, "4 code"}, {"small.json", `"TEST"`, `["TEST"]`, "4 many"},
		{"small.json", "50", "50.0", ""}, {"small.json", "50", "5e400", ""}, {"small.json", "50", "50.5", "11 number"}, {"small.json", "50", `"50"`, "11 kind"}, {"small.json", "50", "2147483648", ""}, {"small.json", "50", "5e-1", "11 number"}, {"small.json", "50", "500e-1", ""},
		{"small.json", "50", "1e-99999999999999999999", "11 number"}, {"small.json", "50", "1e99999999999999999999", ""}, {"small.json", "50", "0e-5", ""}, {"small.json", "50", "1.25e2", ""},
		{"small.json", "2.5", "25e-1", ""}, {"small.json", "+01:00", "", "6 time"}, {"small.json", "+01:00", "Z", "6 time"}, {"small.json", "+01:00", ".25+01:00", "6 time"}, {"small.json", "2026-03-14", "2026-02-29", "6 time"}, {"small.json", "+01:00", "+23:59", ""},
		{"small.json", "[\n          \"HUM\"\n        ]", `"HUM"`, "16 array"}, {"small.json", "[\n          \"HUM\"\n        ]", "[]", "15 missing"}, {"small.json", `"HUM"`, `"HUM/CZ_X"`, "17 code"},
	} {
		doc := strings.Replace(string(file(t, c.file)), c.old, c.new, 1)
		if !strings.Contains(string(file(t, c.file)), c.old) {
			t.Fatalf("%s has no %s", c.file, c.old)
		}
		var got []string
		for _, d := range Check(parse(t, []byte(doc))) {
			got = append(got, fmt.Sprint(d.Line, " ", d.Rule))
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s, %q for %q: %q, want %q", c.file, c.new, c.old, got, c.want)
		}
	}
}

func TestTexts(t *testing.T) {
	b, err := i18n.Load(Locales())
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range []string{"none", "name", "space", "spelling", "parent", "code", "country", "zone", "range", "nowhere", "backwards", "certainty", "negative"} {
		v := deviation(&tree.Node{Name: "N", Text: "FOUND", Line: 7, Kind: tree.String}, "/a/N", rule, "HINT", shape.Warning)
		for _, l := range i18n.Langs {
			if got := b.Text(l, v.Key, v.Args); got == v.Key || strings.Contains(got, "{") || !strings.Contains(got, "7") {
				t.Errorf("%s %s: %s", l, rule, got)
			}
		}
	}
	if n := b.Missing(); n != 0 {
		t.Errorf("%d texts missing", n)
	}
}

// Nothing a stranger sends ends the reader, and what was written is read as the same.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"accident.xml", "accident.json", "fire.xml", "fire.json", "liberal.xml", "liberal.json", "small.xml", "small.json"} {
		f.Add(file(f, name))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		d, fault := tree.Parse(doc, tree.Limits{Bytes: 1 << 16, Depth: 20, Nodes: 2000})
		if fault != nil {
			return
		}
		m, _ := Read(d.Root, d.Syntax, shape.RootPath(d))
		Validate(d.Root, d.Syntax, shape.RootPath(d))
		if all := lost(d.Root, d.Syntax, m); len(all) > 0 {
			t.Fatalf("lost %q", all)
		}
		for _, s := range []tree.Syntax{tree.XML, tree.JSON} {
			once := Write(m, s)
			again, _ := read(t, once)
			if len(again.Extra) > 0 {
				t.Fatalf("not understood: %v in\n%s", again.Extra, once)
			}
			if twice := Write(again, s); !bytes.Equal(once, twice) {
				t.Fatal(cmp.Diff(string(once), string(twice)))
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	for _, name := range []string{"accident.xml", "accident.json"} {
		doc := file(b, name)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			for b.Loop() {
				read(b, doc)
			}
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, name := range []string{"accident.xml", "accident.json"} {
		d := parse(b, file(b, name))
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Check(d)
			}
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	m, _ := read(b, file(b, "accident.xml"))
	for _, s := range []tree.Syntax{tree.XML, tree.JSON} {
		b.Run(string(s), func(b *testing.B) {
			for b.Loop() {
				Write(m, s)
			}
		})
	}
}
