package emsi

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
	"trojmezi/test/xmllint"
)

// samples is the folder of the standard's schemas and lists and of real messages,
// which are not ours to ship.
func samples(t *testing.T, name ...string) string {
	t.Helper()
	dir := os.Getenv("TROJMEZI_SAMPLES")
	if dir == "" {
		t.Skip("TROJMEZI_SAMPLES names no folder with the standard's schemas")
	}
	return filepath.Join(append([]string{dir, "interop"}, name...)...)
}

// originals are the real message and our own ones.
func originals(t *testing.T) []string {
	t.Helper()
	return append([]string{samples(t, "examples", "EMSI-Complet-DC-RDC-OPG-message")}, own...)
}

// judge compares our verdicts with those of the standard's schema, but for the
// differences that have an explanation.
func judge(t *testing.T, docs [][]byte, ours func(d *tree.Document) []shape.Deviation, theirs []string, explained func(theirs string, found []shape.Deviation) bool) {
	t.Helper()
	valid, wrong, known := 0, 0, 0
	for i, doc := range docs {
		d, f := tree.Parse(doc, tree.DefaultLimits)
		if f != nil {
			t.Fatalf("%v in %s", f, doc)
		}
		found := ours(d)
		if theirs[i] == "" {
			valid++
		}
		if (len(found) == 0) == (theirs[i] == "") {
			continue
		}
		if explained != nil && explained(theirs[i], found) {
			known++
			continue
		}
		if wrong++; wrong <= 5 {
			t.Errorf("different verdicts\nschema: %s\nours:   %v\n%s", theirs[i], found, doc)
		}
	}
	t.Logf("%d documents, %d valid by the schema, %d different verdicts, %d with an explanation", len(docs), valid, wrong+known, known)
	if wrong > 0 || valid < len(docs)/20 || valid > len(docs)*19/20 {
		t.Errorf("%d documents, %d valid, %d wrong: too few of one kind, or a wrong verdict", len(docs), valid, wrong)
	}
}

func TestJSONSchema(t *testing.T) {
	docs := mutants(t, tree.JSON, total(), originals(t)...)
	source, err := jsonschema.UnmarshalJSON(bytes.NewReader(content(t, samples(t, "emsi", "EMSI.schema.json"))))
	if err != nil {
		t.Fatal(err)
	}
	delete(source.(map[string]any), "$id") // a URL of Java's
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("emsi.json", source); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("emsi.json")
	if err != nil {
		t.Fatal(err)
	}
	theirs := make([]string, len(docs))
	for i, doc := range docs {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
		if err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		if err := schema.Validate(v); err != nil {
			theirs[i] = err.Error()
		}
	}
	judge(t, docs, func(d *tree.Document) []shape.Deviation { return CheckNode(d.Root, tree.JSON, "") }, theirs, nil)
}

func TestXMLSchema(t *testing.T) {
	docs := mutants(t, tree.XML, total(), originals(t)...)
	// libxml2 2.9 does not collapse the white space before a number or a moment, which
	// the standard wants (spec: XML Schema Part 2, §4.3.6). We do.
	judge(t, docs, Check, xmllint.Judge(t, samples(t, "emsi", "EMSI.xsd"), docs), func(theirs string, found []shape.Deviation) bool {
		return len(found) == 0 && strings.Contains(theirs, "': ' ")
	})
}

// The real message is understood in full, and the same in both syntaxes but for the
// order in which its JSON stands.
func TestRealMessage(t *testing.T) {
	path := samples(t, "examples", "EMSI-Complet-DC-RDC-OPG-message")
	x, doubts := read(t, content(t, path+".xml"))
	if len(doubts) > 0 || len(x.Extra) > 0 {
		t.Errorf("XML: %v %v", doubts, x.Extra)
	}
	j, doubts := read(t, content(t, path+".json"))
	if len(doubts) > 0 || len(j.Extra) > 0 {
		t.Errorf("JSON: %v %v", doubts, j.Extra)
	}
	if d := cmp.Diff(x, j); d != "" {
		t.Errorf("the two differ: %s", d)
	}
	for _, s := range []tree.Syntax{tree.XML, tree.JSON} {
		if found := Check(parse(t, Write(x, s))); len(found) > 0 {
			t.Errorf("written as %s: %v", s, found)
		}
	}
}

// csvLists says which published list is which of ours, and how they rightly differ.
var csvLists = map[string]struct {
	list          List
	schema, lists string // codes that only the schema has, that only the published list has
}{
	"CONTEXT.LEVEL": {list: LevelList}, "CONTEXT.LINK_ROLE": {list: LinkRoleList}, "CONTEXT.MODE": {ModeList, "EXERCS", "EXCERCS"}, "CONTEXT.MSGTYPE": {list: MessageTypeList},
	"CONTEXT.SECLASS": {SecrecyList, "RESTRC", ""}, "EVENT.CAUSE": {list: CauseList}, "EVENT.EGEO.TYPE": {list: AreaTypeList}, "EVENT.EGEO.WEATHER": {list: WeatherList},
	"EVENT.ETYPE.ACTOR": {list: ActorList}, "EVENT.ETYPE.CATEGORY": {list: CategoryList}, "EVENT.ETYPE.ENV": {list: EnvironmentList}, "EVENT.ETYPE.LOCTYPE": {list: LocationTypeList},
	"EVENT.POSITION.TYPE": {list: PositionTypeList}, "RGEO.POSITION.TYPE": {list: PositionTypeList}, "EVENT.RISK_ASSESSMNT": {RiskList, "NCREA", "INCREA"}, "EVENT.SCALE": {list: ScaleList},
	"EVENT.SOURCE": {list: SourceList}, "EVENT.STATUS": {list: EventStatusList}, "MISSION.TYPE": {list: MissionTypeList}, "RESOURCE.RTYPE.CAPABILITY": {list: CapabilityList},
	"RESOURCE.RTYPE.CLASS": {list: ClassList}, "RESOURCE.UM": {list: UnitList},
}

func TestPublishedLists(t *testing.T) {
	files, err := filepath.Glob(samples(t, "nomenclature", "EMSI-*.csv"))
	if err != nil || len(files) != len(csvLists) {
		t.Errorf("%d published lists, want %d (%v)", len(files), len(csvLists), err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "EMSI-"), ".csv")
		want, ok := csvLists[name]
		if !ok {
			t.Errorf("what is %s?", name)
			continue
		}
		rows, err := csv.NewReader(bytes.NewReader(content(t, path))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		column := slices.Index(rows[0], "code")
		var published []string
		for _, row := range rows[1:] {
			published = append(published, strings.TrimSpace(row[column]))
		}
		if got := strings.Join(without(Codes(want.list), published), " "); got != want.schema {
			t.Errorf("%s: only the schema has %q, want %q", name, got, want.schema)
		}
		if got := strings.Join(without(published, Codes(want.list)), " "); got != want.lists {
			t.Errorf("%s: only the published list has %q, want %q", name, got, want.lists)
		}
	}
}

// without are the elements of a list that another has not.
func without(list, other []string) (rest []string) {
	for _, s := range list {
		if !slices.Contains(other, s) {
			rest = append(rest, s)
		}
	}
	return rest
}

// Each closed list is exactly what both schemas enumerate, in their order.
func TestEnumerations(t *testing.T) {
	inXML, inJSON := enumerationsXML(t), enumerationsJSON(t)
	checked := 0
	var walk func(p *plan, name string)
	walk = func(p *plan, name string) {
		for _, f := range p.fields {
			if f.kind == groupField {
				walk(f.plan, typeNames[f.name])
			}
			if f.kind != codeField {
				continue
			}
			want := Codes(f.list)
			if recommended[f.list] {
				want = nil
			} else {
				checked++
			}
			place := name + "/" + f.name
			if d := cmp.Diff(want, inXML[place]); d != "" {
				t.Errorf("XSD, %s: %s", place, d)
			}
			if d := cmp.Diff(want, inJSON[place]); d != "" {
				t.Errorf("JSON Schema, %s: %s", place, d)
			}
		}
	}
	walk(rootPlan, "")
	if checked < 25 {
		t.Errorf("only %d lists compared", checked)
	}
}

// typeNames are the schemas' names of what an element holds.
var typeNames = map[string]string{
	"CONTEXT": "context", "EVENT": "event", "MISSION": "mission", "RESOURCE": "resource", "LINK": "link", "ORIGIN": "origin", "EXTERNAL_INFO": "externalInfo", "ETYPE": "etype",
	"REFERENCE": "reference", "CASUALTIES": "casualties", "EVAC": "evac", "EGEO": "egeo", "POSITION": "position", "COORD": "coord", "RTYPE": "rtype", "RGEO": "rgeo", "CONTACTS": "contact",
}

func enumerationsJSON(t *testing.T) map[string][]string {
	var schema struct {
		Definitions map[string]struct {
			Properties map[string]struct {
				Enum  []string
				Items struct{ Enum []string }
			}
		}
	}
	if err := json.Unmarshal(content(t, samples(t, "emsi", "EMSI.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for name, d := range schema.Definitions {
		for member, p := range d.Properties {
			all[name+"/"+member] = append(p.Enum, p.Items.Enum...)
		}
	}
	return all
}

func enumerationsXML(t *testing.T) map[string][]string {
	dec := xml.NewDecoder(bytes.NewReader(content(t, samples(t, "emsi", "EMSI.xsd"))))
	all := map[string][]string{}
	var typ, element string
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		s, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		attribute := func(name string) string {
			i := slices.IndexFunc(s.Attr, func(a xml.Attr) bool { return a.Name.Local == name })
			if i < 0 {
				return ""
			}
			return s.Attr[i].Value
		}
		switch s.Name.Local {
		case "complexType":
			typ = attribute("name")
		case "element":
			element = attribute("name")
		case "enumeration":
			all[typ+"/"+element] = append(all[typ+"/"+element], attribute("value"))
		}
	}
}
