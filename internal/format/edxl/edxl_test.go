package edxl

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/kernel/i18n"
)

var update = flag.Bool("update", false, "rewrite the golden texts in testdata")

func parse(t testing.TB, doc []byte) *tree.Document {
	t.Helper()
	d, f := tree.Parse(doc, tree.DefaultLimits)
	if f != nil {
		t.Fatalf("%v\n%s", f, doc)
	}
	return d
}

func read(t testing.TB, doc []byte) *Envelope {
	t.Helper()
	e, found := Read(parse(t, doc))
	if e == nil {
		t.Fatalf("%+v\n%s", found, doc)
	}
	return e
}

// ours are the documents of our own.
func ours(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.[xj]*")
	if err != nil || len(files) == 0 {
		t.Fatal("no documents", err)
	}
	docs := map[string][]byte{}
	for _, f := range files {
		if filepath.Ext(f) == ".golden" {
			continue
		}
		if docs[filepath.Base(f)], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	return docs
}

// outline is a tree without its places and the prefixes of its attributes.
func outline(n *tree.Node) string {
	if n == nil {
		return ""
	}
	name := n.Name
	if local, ok := strings.CutPrefix(name, tree.AttributeMark); ok {
		name = tree.AttributeMark + local[strings.LastIndexByte(local, ':')+1:]
	}
	kind := n.Kind
	if kind == tree.Object && len(n.Kids) == 0 {
		kind = tree.String // of XML: an empty element
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s|%s|%d|%q(", name, n.Space, kind, n.Text)
	for _, k := range n.Kids {
		b.WriteString(outline(k))
	}
	b.WriteString(")")
	return b.String()
}

// same compares envelopes by what Write writes.
var same = cmp.Options{
	cmpopts.EquateEmpty(),
	cmp.Transformer("outline", outline),
	cmpopts.IgnoreFields(Envelope{}, "Extra"),
	cmpopts.IgnoreFields(Part{}, "Path", "Raw"),
	cmpopts.IgnoreFields(Area{}, "Path"),
}

// described is an envelope for people who compare golden texts.
func described(d *tree.Document) string {
	var b strings.Builder
	e, found := Read(d)
	for _, f := range found {
		fmt.Fprintf(&b, "%s line %d %s %s\n", f.Severity, f.Line, f.Path, f.Key)
	}
	if e == nil {
		return b.String()
	}
	line := func(p Part) {
		fmt.Fprintf(&b, "part %s <%s> wrapped=%t: %s\n", p.Path, p.Root.Name, p.Outer != nil, strings.Join(strings.Fields(string(p.Raw)), " "))
	}
	shown := *e
	shown.Contents, shown.Areas = nil, nil
	for _, c := range e.Contents {
		if c.Root != nil {
			line(c.Part)
		}
		for _, p := range c.Further {
			line(p)
		}
		c.Part, c.Further, c.Keys = Part{}, nil, nil
		shown.Contents = append(shown.Contents, c)
	}
	for _, a := range e.Areas {
		a.Tree = nil
		shown.Areas = append(shown.Areas, a)
	}
	text, _ := json.MarshalIndent(shown, "", "  ")
	for line := range strings.Lines(string(text)) {
		if short := strings.TrimRight(line, ",\n"); !strings.HasSuffix(short, ": null") && !strings.HasSuffix(short, `: ""`) {
			b.WriteString(line)
		}
	}
	fmt.Fprintf(&b, "\n%s", Write(e))
	return b.String()
}

func TestGolden(t *testing.T) {
	for name, doc := range ours(t) {
		file := filepath.Join("testdata", name+".golden")
		got := described(parse(t, doc))
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestWrittenIsReadAgain(t *testing.T) {
	for name, doc := range ours(t) {
		e, _ := Read(parse(t, doc))
		if e == nil {
			continue
		}
		out := Write(e)
		if d := cmp.Diff(e, read(t, out), same); d != "" {
			t.Errorf("%s: %s\n%s", name, d, out)
		}
		if again := Write(read(t, out)); string(again) != string(out) {
			t.Errorf("%s: not canonical: %s", name, cmp.Diff(string(out), string(again)))
		}
	}
}

func TestIs(t *testing.T) {
	for doc, want := range map[string]Version{
		`<edxlDistribution xmlns="` + Space2 + `"/>`: V2, `<EDXLDistribution xmlns="` + Space1 + `"/>`: V1,
		`<edxlDistribution xmlns="` + Space1 + `"/>`: "", `<EDXLDistribution xmlns="` + Space2 + `"/>`: "", `<edxlDistribution/>`: "", `<descriptor xmlns="` + Space2 + `"/>`: "",
		`{"distributionID":"a","senderID":"b"}`: V2, `{"distributionKind":"Ack","content":[],"senderID":1}`: V2,
		`{"distributionID":"a"}`: "", `{"emsi":{}}`: "", `[]`: "", `[{"distributionID":"a","senderID":"b"}]`: "",
	} {
		d := parse(t, []byte(doc))
		if got, ok := Is(d); got != want && ok || ok != (want != "") {
			t.Errorf("%s: %q %t, want %q", doc, got, ok, want)
		}
		if found := Check(d); len(found) == 0 {
			t.Errorf("%s passes", doc)
		} else if (found[0].Rule == "envelope") != (want == "") {
			t.Errorf("%s: %s", doc, found[0].Rule)
		}
	}
}

// What no field holds is in Extra, and every value is in one of the two.
func TestNothingIsLost(t *testing.T) {
	e := read(t, ours(t)["de2-full.xml"])
	got := map[string]string{}
	for _, x := range e.Extra {
		got[x.Path] = x.Text
	}
	want := map[string]string{
		"/edxlDistribution/@xlink:role": "urn:example:role", "/edxlDistribution/@xlink:title": "Požár v lese", "/edxlDistribution/descriptor/@xlink:label": "head",
		"/edxlDistribution/extension/community": "urn:example:community", "/edxlDistribution/extension/id": "urn:example:id",
		"/edxlDistribution/extension/parameter/nameURI/@xPath": "/a", "/edxlDistribution/extension/parameter/nameURI/#text": "urn:example:name",
		"/edxlDistribution/extension/parameter/value/@uom": "km", "/edxlDistribution/extension/parameter/value/#text": "5",
		"/edxlDistribution/descriptor/extension/community": "urn:example:community", "/edxlDistribution/descriptor/extension/id": "",
		"/edxlDistribution/descriptor/extension/parameter/nameURI": "a", "/edxlDistribution/descriptor/extension/parameter/value": "b",
		"/edxlDistribution/content/contentObject/0/other/@q:note": "n", "/edxlDistribution/content/contentObject/0/other/sketch": "left",
		"/edxlDistribution/other/trace/@hop": "2",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	hub := read(t, ours(t)["de2-hub.xml"])
	if len(hub.Extra) != 4 || hub.Extra[3].Text != "zpráva" {
		t.Errorf("beside the payload: %+v", hub.Extra)
	}
}

func TestWarnings(t *testing.T) {
	for file, want := range map[string][]string{
		"de2-full.xml": {"expires@8", "language@18"}, "hub-warnings.json": {"prefix@2", "expires@5", "language@9"}, "de1.xml": {"zone@5"},
		"de2-hub-two.xml": {"addresses@11"}, "hub.json": nil, "de2-hub.xml": nil,
	} {
		e, found := Read(parse(t, ours(t)[file]))
		if e == nil {
			t.Errorf("%s is refused: %+v", file, found)
		}
		var got []string
		for _, f := range found {
			if f.Severity != shape.Warning {
				t.Errorf("%s: %+v", file, f)
			}
			got = append(got, fmt.Sprintf("%s@%d", f.Rule, f.Line))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", file, d)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, file := range []string{"hub-refused.json", "de2-refused.xml", "de2-lax-refused.xml", "de2-ids-refused.xml", "de2-street-refused.xml", "de1-refused.xml", "cap.xml"} {
		e, found := Read(parse(t, ours(t)[file]))
		if e != nil || len(found) == 0 || found[0].Severity != shape.Error {
			t.Errorf("%s: %+v, %+v", file, e, found)
		}
	}
}

// A payload is put into an envelope, inside a message or without, in both syntaxes.
func TestEmbed(t *testing.T) {
	for doc, e := range map[string]*Envelope{
		`<?xml version="1.0"?><emsi xmlns="urn:emergency:eda:1.9:emsi" xmlns:p="urn:p" p:a="1"><CONTEXT><ID>é</ID></CONTEXT></emsi>`: read(t, ours(t)["de2-hub.xml"]),
		`{"emsi": {"CONTEXT": {"ID": "é", "N": 1.50}}}`: read(t, ours(t)["hub.json"]),
	} {
		part, f := NewPart([]byte(doc), tree.DefaultLimits)
		if f != nil {
			t.Fatal(f)
		}
		space := e.space(SpaceMessage)
		for _, p := range []Part{part, part.Wrapped(space)} {
			e.Contents = []Content{{Part: p}}
			got := read(t, Write(e)).Contents[0]
			if got.Root.Name != "emsi" || outline(got.Root) != outline(part.Root) || (got.Outer == nil) != (p.Outer == nil) {
				t.Errorf("%s: %s in %s", doc, outline(got.Root), Write(e))
			}
		}
	}
	for doc, want := range map[string]string{`{"message":{"emsi":{"a":{}}}}`: "emsi", `{"a":1,"b":{}}`: "", `{"x":{}}`: "x", `<message><emsi><a/></emsi></message>`: "emsi", `<a/>`: "a"} {
		p, f := NewPart([]byte(doc), tree.DefaultLimits)
		if f != nil || p.Root.Name != want || (p.Outer != nil) != strings.Contains(doc, "message") {
			t.Errorf("%s: %+v %v", doc, p, f)
		}
	}
	if _, f := NewPart([]byte("<a>"), tree.DefaultLimits); f == nil {
		t.Error("half a document is a part")
	}
}

func TestReplies(t *testing.T) {
	r := Reply{ID: "de.trojmezi.zittau_9", Sender: "de.trojmezi.zittau", Sent: "2026-03-01T14:03:13+01:00", Expires: "2026-03-01T15:03:13+01:00"}
	for _, file := range []string{"de2-hub.xml", "de2-full.xml", "hub.json", "de1.xml"} {
		e := read(t, ours(t)[file])
		if !e.Answerable() {
			t.Errorf("%s cannot be answered", file)
		}
		a := NewAck(e, r)
		got := read(t, Write(a))
		if d := cmp.Diff(a, got, same); d != "" {
			t.Errorf("%s: %s", file, d)
		}
		if id, ok := got.Refers(); id != e.ID || !ok || got.Answerable() || got.Addresses[0].Values[0] != e.Sender || got.Status != e.Status || got.Kind != Ack {
			t.Errorf("%s: %q %t %+v", file, id, ok, got)
		}
		if _, ok := got.Failure(); ok {
			t.Errorf("%s: an acknowledgement is a failure", file)
		}
		f := Failure{Code: 701, Cause: "číslo už zde je <&>", Source: e.Contents[len(e.Contents)-1].Root}
		if f.Source == nil || e.Syntax == tree.JSON {
			f.Source = e.Contents[0].top()
		}
		fail := NewError(e, r, f)
		out := Write(fail)
		got = read(t, out)
		if d := cmp.Diff(fail, got, same); d != "" {
			t.Errorf("%s: %s", file, d)
		}
		back, ok := got.Failure()
		if !ok || back.Code != 701 || back.Name != "CASE_ALREADY_EXISTS" || back.Cause != f.Cause || back.Reference != e.ID || back.Source == nil && f.Source != nil {
			t.Errorf("%s: %+v\n%s", file, back, out)
		}
		if id, ok := got.Refers(); id != e.ID || !ok {
			t.Errorf("%s refers to %q", file, id)
		}
	}
	// As the hub writes them, without a message around and in other namespaces.
	e := read(t, ours(t)["de2-hub.xml"])
	e.Kind = Error
	e.Contents[0].Part, _ = NewPart([]byte(`<error xmlns="urn:x"><errorCode><statusCode> 500 </statusCode><statusString>DEAD</statusString></errorCode><errorCause>c</errorCause><referencedDistributionID> a_1 </referencedDistributionID></error>`), tree.DefaultLimits)
	if f, ok := read(t, Write(e)).Failure(); !ok || f.Code != 500 || f.Reference != "a_1" || f.Source != nil {
		t.Errorf("%+v", f)
	}
	e.Contents = nil
	if _, ok := e.Failure(); ok {
		t.Error("an empty error has a report")
	}
	e.Kind = Ack
	if _, ok := e.Refers(); ok {
		t.Error("an empty acknowledgement refers to something")
	}
	e.Kind = Report
	if _, ok := e.Refers(); ok {
		t.Error("a report refers to something")
	}
	if _, ok := CodeOf(999); ok {
		t.Error("code 999")
	}
}

func TestMoment(t *testing.T) {
	for text, want := range map[string]string{
		"2026-03-01T14:03:12+01:00": "2026-03-01T13:03:12Z", "2026-03-01t14:03:12.5z": "2026-03-01T14:03:12.5Z", "2026-12-31T24:00:00Z": "2027-01-01T00:00:00Z",
		" 2026-03-01T23:59:60Z ": "2026-03-02T00:00:00Z", "2026-03-01T14:03:12": "", "": "", "2026-02-30T00:00:00Z": "", "žluťoučký kůň úpěl": "",
	} {
		got, ok := Moment(text)
		if ok != (want != "") || ok && got.UTC().Format("2006-01-02T15:04:05.999Z") != want {
			t.Errorf("%q: %v %t, want %s", text, got, ok, want)
		}
	}
}

// The kinds of values, as xmllint judges them.
func TestValues(t *testing.T) {
	for _, c := range []struct {
		name    string
		v       *shape.Value
		yes, no []string
	}{
		{"URI", uri, []string{"", "http://h:80/", "a b", "a:b", "//h", "/", "//", "?", "%41", "žluť", "http://[::1]/", "#[x]", "http://u@h", "urn:", "a'b", "mailto:", "http:", "./a:b", "http:////x", "a//b", "@", "a|b"},
			[]string{"http://h:/", "#a#b", "1a:b", "%", "%4g", "http://[/", "a[b]", "http://u@h@i", "http://h:x", "?[x]", "//h:80x", "::", ":a"}},
		{"language", lang, []string{"fr", "fr-FR", "x-klingon", "i-x", "e", "en-1"}, []string{"", "toolonglang", "en-toolongsub1", "en_US", "12", "fr-"}},
		{"time of 2.0", dateTime2, []string{"2022-07-25T24:00:00+01:00", "0001-07-25T10:04:34+01:00", "2022-07-25T10:04:34+14:00", "2022-07-25T10:04:34-00:00", "2024-02-29T10:04:34-14:00"},
			[]string{"", "2022-07-25T10:04:34Z", "2022-07-25T10:04:34.5+01:00", "2022-07-25T10:04:60+01:00", "0000-07-25T10:04:34+01:00", "2022-07-25T10:04:34+14:01", "2022-02-29T10:04:34+01:00", "2022-07-25T10:04:34,01:00", "2022-07-25T10:04:34", "2022-07-25T24:00:01+01:00", "2022-07-25T10:04:34+13:60", "2022-13-25T10:04:34+01:00", "2022-00-25T10:04:34+01:00", "2022-07-00T10:04:34+01:00", "2022-07-25T25:00:00+01:00", "1900-02-29T10:04:34+01:00"}},
		{"time of 1.0", dateTime1, []string{"2022-07-25T10:04:34Z", "2022-07-25T10:04:34.5", "-0044-03-15T12:00:00Z", "12022-07-25T24:00:00.000Z", "2000-02-29T00:00:00"}, []string{"02022-07-25T10:04:34Z", "2022-07-25T10:04:34.Z", "2022-07-25", "2022-07-25T24:00:00.001Z"}},
		{"double", double, []string{"NaN", "INF", "-INF", "1e5", "+1", ".5", "5.", "1E-3", "-0"}, []string{"", ".", "1e", "+INF", "50,9", "0x1"}},
		{"doubles", points, []string{"", "1", "1 2 NaN"}, []string{"1,2", "a"}},
		{"unit", unit, []string{"km", "m/s", " urn:x:km ", "./km", "#km"}, []string{"", "k m", " km", "urn:%"}},
		{"name", ncName, []string{"a", "_b", "ž1.-·"}, []string{"", "1", "a b", "a:b", "-a"}},
		{"base64", base64Data, []string{"", "YWJj", "YW Jj", "YQ= ="}, []string{"YWI", "YWJ=", "=", "YR==", "YQ==YQ==", "!"}},
		{"integer", number, []string{"0", "-5", "+5", "-0", "007"}, []string{"", "5.0", "+", "1e3"}},
		{"positive", many, []string{"1", "+02"}, []string{"0", "-1", "00", ""}},
	} {
		for _, s := range c.yes {
			if !c.v.Match(s) {
				t.Errorf("%s: %q is refused", c.name, s)
			}
		}
		for _, s := range c.no {
			if c.v.Match(s) {
				t.Errorf("%s: %q passes", c.name, s)
			}
		}
	}
	for tag, want := range map[string]bool{"cs": true, "cs-CZ": true, "DE": true, "hsb": true, "x-klingon": true, "i-navajo": true, "qq": false, "c": false, "česky": false, "cs_CZ": false, "": false, "deutsch": false, "de-": false} {
		if knownLanguage(tag) != want {
			t.Errorf("language %q: %t", tag, !want)
		}
	}
}

// Every text that this package names exists in all languages, with what it needs.
func TestTexts(t *testing.T) {
	b, err := i18n.Load(Locales())
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]i18n.Args{}
	n := &tree.Node{Name: "x", Line: 7}
	for _, rule := range []string{"envelope", "expires", "language", "prefix", "addresses", "zone", "id"} {
		d := deviation(n, "/x", rule, shape.Warning, map[string]any{"sender": "s", "sent": "t", "n": 2})
		keys[d.Key] = d.Args
	}
	keys[embedded("/x", n).Key] = embedded("/x", n).Args
	for _, c := range Codes {
		keys[c.Key] = nil
	}
	for key, args := range keys {
		if !b.Has(key) {
			t.Errorf("%s is missing", key)
		}
		for _, l := range i18n.Langs {
			if got := b.Text(l, key, args); got == key || strings.Contains(got, "{") {
				t.Errorf("%s %s: %s", l, key, got)
			}
		}
	}
	for _, key := range b.Keys() {
		if _, used := keys[key]; !used && strings.HasPrefix(key, "edxl.") {
			t.Errorf("%s is used nowhere", key)
		}
	}
	if m := b.Missing(); m != 0 {
		t.Errorf("%d texts missing", m)
	}
}
