package shape

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/format/tree"
	"trojmezi/internal/kernel/i18n"
)

var (
	colour = &Value{Match: func(s string) bool { return s == "red" || s == "green" }, Rule: "code", Hint: "red, green"}
	digits = &Value{JSON: []tree.Kind{tree.Number}, Collapse: true, Match: func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }, Rule: "number"}
	bag    = &Type{Members: []Member{
		{Name: "id", Attribute: true, Min: 1, Max: 1, Type: &Type{Value: digits}},
		{Name: "href", Space: "urn:link", Attribute: true, Max: 1, Type: &Type{}},
		{Name: "ID", Min: 1, Max: 1, Type: &Type{}},
		{Name: "COLOUR", Min: 1, Type: &Type{Value: colour}},
		{Name: "COUNT", Max: 2, Type: &Type{Value: digits}},
		{Name: "A", Choice: 1, Max: 1, Type: &Type{}},
		{Name: "B", Choice: 1, Type: &Type{}},
		{Name: "ANY", Max: 1, Type: &Type{Open: true}},
		{Name: "FAR", Space: "urn:far", Max: 1, Type: &Type{Members: []Member{{Name: "X", Min: 1, Max: 1, Type: &Type{}}}}},
		{Name: "UNIT", Max: 1, Type: &Type{Value: digits, Members: []Member{{Name: "of", Attribute: true, Min: 1, Max: 1, Type: &Type{}}}}},
		{Name: "PAIR", Max: 1, Type: &Type{
			Members: []Member{{Name: "L", Min: 1, Max: 1, Type: &Type{}}, {Name: "R", Min: 1, Max: 1, Type: &Type{}}},
			More: func(path string, n *tree.Node) []Deviation {
				if n.Get("L").Value() == n.Get("R").Value() {
					return []Deviation{Breach(n, path, "value", "")}
				}
				return nil
			},
		}},
	}}
)

// found are the deviations of a document as "line path rule name hint".
func found(t *testing.T, doc string) []string {
	t.Helper()
	d, f := tree.Parse([]byte(doc), tree.DefaultLimits)
	if f != nil {
		t.Fatalf("%s: %v", doc, f)
	}
	got := []string{}
	for _, v := range Check(d, bag) {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%d %s %s %s%s", v.Line, v.Path, v.Rule, v.Args["name"], v.Args["hint"])))
	}
	return got
}

func TestXML(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want []string
	}{
		"valid":                {"<ID/><COLOUR>red</COLOUR><COLOUR>green</COLOUR><COUNT> 7\n</COUNT><B/><B/><ANY q='1'><z/><y xmlns=''/></ANY><FAR xmlns='urn:far'><X/></FAR><UNIT of='m'> 3 </UNIT><PAIR><L>1</L><R/></PAIR>", nil},
		"missing":              {"<COLOUR>red</COLOUR><A/><FAR xmlns='urn:far'/>", []string{"1 /bag missing ID", "2 /bag/FAR missing X"}},
		"unknown":              {"<ID/><COLOUR>red</COLOUR>\n<SHAPE><x/></SHAPE><A/>", []string{"3 /bag/SHAPE unknown SHAPE"}},
		"elements in a leaf":   {"<ID><x/></ID><COLOUR>red<y/></COLOUR><A/>", []string{"2 /bag/ID/x unknown x", "2 /bag/COLOUR/y unknown y"}},
		"attributes in a leaf": {"<ID a='1'/><COLOUR>red</COLOUR><A/>", []string{"2 /bag/ID/@a unknown a"}},
		"order":                {"<COLOUR>red</COLOUR><ID/><A/><COUNT>1</COUNT>", []string{"2 /bag/ID order IDCOLOUR", "2 /bag/COUNT order COUNTA"}},
		"many":                 {"<ID/><COLOUR>red</COLOUR><COUNT>1</COUNT><COUNT>2</COUNT><COUNT>x</COUNT><A/><A/>", []string{"2 /bag/COUNT/2 many COUNT", "2 /bag/A/1 many A"}},
		"no choice":            {"<ID/><COLOUR>red</COLOUR>", []string{"1 /bag choice bagA, B"}},
		"two of a choice":      {"<ID/><COLOUR>red</COLOUR><A/><B/>", []string{"2 /bag/B choice BA, B"}},
		"namespace":            {"<ID xmlns='urn:x'/><COLOUR>red</COLOUR><A/><FAR><X/></FAR>", []string{"2 /bag/ID namespace ID (urn:bag)", "2 /bag/FAR namespace FAR (urn:far)"}},
		"bare text":            {"<ID/>loose<COLOUR>red</COLOUR><A/><FAR xmlns='urn:far'>x</FAR><ANY>y</ANY>", []string{"1 /bag text bag", "2 /bag/FAR text FAR", "2 /bag/ANY order ANYFAR", "2 /bag/ANY text ANY"}},
		"values":               {"<ID/><COLOUR> red</COLOUR><COUNT>x</COUNT><COUNT/><A/>", []string{"2 /bag/COLOUR code COLOUR (red, green)", "2 /bag/COUNT/0 number COUNT", "2 /bag/COUNT/1 number COUNT"}},
		"value with attribute": {"<ID/><COLOUR>red</COLOUR><A/><UNIT/>", []string{"2 /bag/UNIT missing of"}},
		"more":                 {"<ID/><COLOUR>red</COLOUR><A/><PAIR><L>1</L><R>1</R></PAIR>", []string{"2 /bag/PAIR value PAIR"}},
		"more is not asked":    {"<ID/><COLOUR>red</COLOUR><A/><PAIR/>", []string{"2 /bag/PAIR missing L", "2 /bag/PAIR missing R"}},
	} {
		doc := "<bag id='1' xmlns='urn:bag'>\n" + c.body + "</bag>"
		if d := cmp.Diff(append([]string{}, c.want...), found(t, doc)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	for head, want := range map[string][]string{
		"":       {"1 /bag missing id"},
		" id=''": {"1 /bag/@id number id"},
		" id='1' xmlns:l='urn:link' l:href='x' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:schemaLocation='a b'": {},
		" id='1' href='x' xmlns:l='urn:link' l:id='2'": {"1 /bag/@href unknown href", "1 /bag/@l:id unknown l:id"},
	} {
		if d := cmp.Diff(want, found(t, "<bag xmlns='urn:bag'"+head+"><ID/><COLOUR>red</COLOUR><A/></bag>")); d != "" {
			t.Errorf("%s: %s", head, d)
		}
	}
}

func TestJSON(t *testing.T) {
	for name, c := range map[string]struct {
		doc  string
		want []string
	}{
		"valid, in any order": {`{"COUNT":[1,2],"B":[],"COLOUR":["red"],"ID":"","ANY":{"q":[null]},"FAR":{"X":"1"},"UNIT":3,"PAIR":{"L":"1","R":"2"}}`, nil},
		"missing":             {`{"COLOUR":[],"A":"","FAR":{}}`, []string{"1  missing ID", "1  missing COLOUR", "1 /FAR missing X"}},
		"unknown":             {"{\"ID\":\"\",\"COLOUR\":[\"red\"],\"A\":\"\",\n\"id\":1}", []string{"2 /id unknown id"}},
		"array":               {`{"ID":"","COLOUR":"red","A":""}`, []string{"1 /COLOUR array COLOUR"}},
		"no array":            {`{"ID":["x"],"COLOUR":["red"],"A":"","FAR":[{}]}`, []string{"1 /ID many ID (string)", "1 /FAR many FAR (object)"}},
		"many":                {`{"ID":"","COLOUR":["red"],"COUNT":[1,2,3],"A":""}`, []string{"1 /COUNT/2 many COUNT"}},
		"choice":              {`{"ID":"","COLOUR":["red"],"B":[],"A":""}`, []string{"1 /A choice AA, B"}},
		"no choice":           {`{"ID":"","COLOUR":["red"]}`, []string{"1  choice A, B"}},
		"kinds": {`{"ID":1,"COLOUR":["red",null],"COUNT":["1"],"A":true,"FAR":"x","ANY":[]}`,
			[]string{"1 /ID kind ID (string)", "1 /COLOUR/1 kind COLOUR (string)", "1 /COUNT/0 kind COUNT (number)", "1 /A kind A (string)", "1 /FAR kind FAR (object)", "1 /ANY many ANY (object)"}},
		"values": {`{"ID":"","COLOUR":["red","blue"],"COUNT":[-1],"A":""}`, []string{"1 /COLOUR/1 code COLOUR (red, green)", "1 /COUNT/0 number COUNT"}},
		"root":   {`["x"]`, []string{"1  many  (object)"}},
	} {
		if d := cmp.Diff(append([]string{}, c.want...), found(t, c.doc)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// A part is checked as a whole document is; only the paths are longer.
func TestCheckNode(t *testing.T) {
	d, f := tree.Parse([]byte("<m><bag id='1'><ID/><COLOUR>red</COLOUR><COLOUR>x</COLOUR><A/></bag></m>"), tree.DefaultLimits)
	if f != nil {
		t.Fatal(f)
	}
	got := CheckNode(d.Root.Kids[0], tree.XML, "/m/bag", bag)
	if len(got) != 1 || got[0].Path != "/m/bag/COLOUR/1" || got[0].Severity != Error {
		t.Errorf("found %+v", got)
	}
}

func TestTexts(t *testing.T) {
	b, err := i18n.Load(Locales())
	if err != nil {
		t.Fatal(err)
	}
	rules := []string{"missing", "unknown", "namespace", "order", "many", "choice", "kind", "array", "text", "value", "code", "time", "number"}
	for _, rule := range rules {
		v := Breach(&tree.Node{Name: "NAME", Text: strings.Repeat("long ", 20), Line: 7, Kind: tree.String}, "/a/NAME", rule, "HINT")
		for _, l := range i18n.Langs {
			got := b.Text(l, v.Key, v.Args)
			if got == v.Key || strings.Contains(got, "{") || !strings.Contains(got, "7") || len([]rune(got)) > 230 {
				t.Errorf("%s %s: %s", l, rule, got)
			}
			if slices.Contains([]string{"namespace", "order", "choice", "kind", "value", "code", "time", "number"}, rule) != strings.Contains(got, "HINT") {
				t.Errorf("%s %s: what is allowed: %s", l, rule, got)
			}
		}
	}
	if n := b.Missing(); n != 0 {
		t.Errorf("%d texts missing", n)
	}
}
