package cap

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

func samples(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("TROJMEZI_SAMPLES")
	if dir == "" {
		t.Skip("TROJMEZI_SAMPLES is not set: the public messages are no part of the repository; testdata has messages of our own")
	}
	return filepath.Join(dir, "alerts")
}

func content(t testing.TB, path string) []byte {
	t.Helper()
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func parse(t testing.TB, doc []byte) *tree.Document {
	t.Helper()
	d, f := tree.Parse(doc, Limits)
	if f != nil {
		t.Fatalf("%v in %s", f, doc)
	}
	return d
}

// same compares messages: a list of nothing is no list.
var same = cmpopts.EquateEmpty()

// TestDam reads a message that has everything, by both ways.
func TestDam(t *testing.T) {
	doc := content(t, "testdata/dam.xml")
	fast, ok := scan(doc)
	if !ok {
		t.Fatal("the fast way gave up")
	}
	slow, found := FromDocument(parse(t, doc))
	if d := cmp.Diff(slow, fast, same); d != "" || len(found) > 0 {
		t.Errorf("%v %s", found, d)
	}
	f := fast.Infos[0]
	if f.Headline != "Opusťte údolí <hned>" || f.SenderName != "Obec & kraj" || !slices.Equal(Values(f.Areas[0].Geocodes, "CISORP"), []string{"5102", "5105"}) ||
		Value(f.Parameters, "awareness_level") != "4; red; Extreme" || f.Areas[0].Ceiling != "9842.5197" || len(f.Resources) != 1 || len(fast.Infos) != 2 {
		t.Errorf("%+v", fast)
	}
	if found := Check(parse(t, doc)); len(found) > 0 {
		t.Errorf("%+v", found)
	}
	again, found := Write(fast)
	if len(found) > 0 {
		t.Fatal(found)
	}
	// What is written is what was read, but for elements that say nothing.
	if want := bytes.ReplaceAll(doc, []byte("&#13;"), nil); !bytes.Equal(again, want) {
		t.Errorf("%s", cmp.Diff(string(want), string(again)))
	}
}

// TestVerdicts compares ours with those of another validator about public messages.
func TestVerdicts(t *testing.T) {
	dir := samples(t)
	read := 0
	for line := range strings.Lines(string(content(t, filepath.Join(dir, "cap-validity", "xsd_verdicts.tsv")))) {
		cells := strings.Split(strings.TrimSpace(line), "\t")
		matches, _ := filepath.Glob(filepath.Join(dir, "*", cells[0]))
		if cells[0] == "file" || len(matches) == 0 {
			continue
		}
		doc := content(t, matches[0])
		a, found, f := Read(doc)
		valid := f == nil && a != nil && len(found) == 0 && a.Version == V12
		if want := cells[1] == "valid"; valid != want {
			t.Errorf("%s: valid %v, want %v (%v, %v)", cells[0], valid, want, found, f)
		}
		if f == nil {
			for _, d := range found {
				if d.Line == 0 || d.Severity != shape.Error {
					t.Errorf("%s: %+v", cells[0], d)
				}
			}
		}
		if a != nil {
			read++
			if a.Identifier == "" && cells[0] != "no_id.cap" || a.Sent == "" {
				t.Errorf("%s: %+v", cells[0], a)
			}
		}
	}
	if read < 40 {
		t.Errorf("only %d messages were read", read)
	}
}

// TestDWD reads a real warning of the German weather service.
func TestDWD(t *testing.T) {
	doc := content(t, filepath.Join(samples(t), "dwd", "Z_CAP_C_EDZW_20170223134450_PVW_4.xml"))
	a, ok := scan(doc)
	if !ok {
		t.Fatal("the fast way gave up")
	}
	f := a.Infos[0]
	if a.Identifier != "2.49.0.1.276.DWD.PVW.1487857490473.4" || f.Event != "WINDBÖEN" || Value(f.EventCodes, "GROUP") != "WIND" || Value(f.Parameters, "Böen") != "50 bis 60 [km/h]" ||
		!slices.Contains(Values(f.Areas[0].Geocodes, "WARNCELLID"), "913071001") {
		t.Errorf("%+v", a)
	}
}

// TestMoWaS reads a real warning in the JSON of the German warning system.
func TestMoWaS(t *testing.T) {
	a, found := FromDocument(parse(t, content(t, filepath.Join(samples(t), "nina-mowas", "mow.DE-HE-KS-SE106-20250313-106-001.json"))))
	if a == nil || len(found) > 0 {
		t.Fatalf("%+v", found)
	}
	ids, _ := References(a.References)
	if a.MsgType != TypeCancel || len(a.Infos) == 0 || len(ids) == 0 || Value(a.Infos[0].Parameters, "warnVerwaltungsbereiche") == "" {
		t.Errorf("%+v", a)
	}
}

// word is a text without the characters that XML has not.
var word = rapid.StringOfN(rapid.RuneFrom([]rune("abčß <>&'\"\t\n;,ł€0]=🌊")), 0, 12, -1)

func someOf(t *rapid.T, list []string, name string, least int) []string {
	return rapid.SliceOfN(rapid.SampledFrom(list), least, 3).Draw(t, name)
}

func pairsOf(t *rapid.T, name string) []Pair {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Pair { return Pair{word.Draw(t, "name"), word.Draw(t, "value")} }), 0, 3).Draw(t, name)
}

func timeOf(t *rapid.T, name string) string {
	at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, name), 0).In(time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(t, "zone")))
	return FormatTime(at)
}

func maybe(t *rapid.T, name string, draw func(*rapid.T, string) string) string {
	if rapid.Bool().Draw(t, "has "+name) {
		return draw(t, name)
	}
	return ""
}

func text(t *rapid.T, name string) string { return word.Draw(t, name) }

func alertOf(t *rapid.T) *Alert {
	pick := func(list []string) string { return rapid.SampledFrom(list).Draw(t, "pick") }
	a := &Alert{
		Version: V12, Identifier: text(t, "identifier"), Sender: text(t, "sender"), Sent: timeOf(t, "sent"), Status: pick(statuses), MsgType: pick(msgTypes), Source: text(t, "source"),
		Scope: pick(scopes), Restriction: text(t, "restriction"), Addresses: text(t, "addresses"), Codes: rapid.SliceOfN(word, 0, 3).Draw(t, "codes"), Note: text(t, "note"),
		References: text(t, "references"), Incidents: text(t, "incidents"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "infos") {
		f := Info{
			Language: pick([]string{"", "cs", "de-DE", "en"}), Categories: someOf(t, categories, "categories", 1), Event: text(t, "event"), ResponseTypes: someOf(t, responseTypes, "response", 0),
			Urgency: pick(urgencies), Severity: pick(severities), Certainty: pick(certainties), Audience: text(t, "audience"), EventCodes: pairsOf(t, "codes"),
			Effective: maybe(t, "effective", timeOf), Onset: maybe(t, "onset", timeOf), Expires: maybe(t, "expires", timeOf), SenderName: text(t, "name"), Headline: text(t, "headline"),
			Description: text(t, "description"), Instruction: text(t, "instruction"), Web: pick([]string{"", "https://a.example/x?y=1", "urn:x:y"}), Contact: text(t, "contact"), Parameters: pairsOf(t, "parameters"),
		}
		for range rapid.IntRange(0, 2).Draw(t, "resources") {
			f.Resources = append(f.Resources, Resource{text(t, "desc"), "image/png", pick([]string{"", "12"}), pick([]string{"", "http://a.example"}), text(t, "deref"), text(t, "digest")})
		}
		for range rapid.IntRange(0, 3).Draw(t, "areas") {
			f.Areas = append(f.Areas, Area{text(t, "desc"), rapid.SliceOfN(word, 0, 3).Draw(t, "polygons"), rapid.SliceOfN(word, 0, 2).Draw(t, "circles"), pairsOf(t, "geocodes"), pick([]string{"", "12.5"}), pick([]string{"", "-3"})})
		}
		a.Infos = append(a.Infos, f)
	}
	return a
}

// TestRoundTrip: what is written is read again as it was, by both ways.
func TestRoundTrip(t *testing.T) {
	fast := 0
	rapid.Check(t, func(t *rapid.T) {
		a := alertOf(t)
		doc, found := Write(a)
		if len(found) > 0 {
			t.Fatalf("%+v", found)
		}
		got, found, f := Read(doc)
		if f != nil || len(found) > 0 {
			t.Fatalf("%v %v", found, f)
		}
		if d := cmp.Diff(a, got, same); d != "" {
			t.Fatal(d)
		}
		if _, ok := scan(doc); ok {
			fast++
		}
		agree(t, doc)
	})
	if fast == 0 {
		t.Error("the fast way read none of them")
	}
}

// agree fails where the fast way takes a document that the slow way refuses or reads
// otherwise.
func agree(t interface{ Fatalf(string, ...any) }, doc []byte) {
	fast, ok := scan(doc)
	if !ok {
		return
	}
	d, f := tree.Parse(doc, Limits)
	if f != nil {
		t.Fatalf("the fast way read what is no document: %v\n%q", f, doc)
	}
	slow, found := FromDocument(d)
	if len(found) > 0 {
		t.Fatalf("the fast way read what is not valid: %v\n%q", found, doc)
	}
	if diff := cmp.Diff(slow, fast, same); diff != "" {
		t.Fatalf("the two ways differ: %s\n%q", diff, doc)
	}
}

// TestNotWritten: what the schema refuses is not written.
func TestNotWritten(t *testing.T) {
	good, _, _ := Read(content(t, "testdata/dam.xml"))
	for name, spoil := range map[string]func(*Alert){
		"status":   func(a *Alert) { a.Status = "actual" },
		"sent":     func(a *Alert) { a.Sent = "2026-08-07T16:05:00Z" },
		"language": func(a *Alert) { a.Infos[0].Language = "cs_CZ" },
		"category": func(a *Alert) { a.Infos[0].Categories = nil },
		"control":  func(a *Alert) { a.Infos[0].Headline = "a\x01" },
		"utf-8":    func(a *Alert) { a.Note = "\xff" },
		"size":     func(a *Alert) { a.Infos[0].Resources[0].Size = "1 kB" },
	} {
		a := *good
		a.Infos = slices.Clone(good.Infos)
		a.Infos[0].Resources = slices.Clone(good.Infos[0].Resources)
		spoil(&a)
		if doc, found := Write(&a); doc != nil || len(found) == 0 {
			t.Errorf("%s: written", name)
		}
	}
}

// TestDoubts: each rule beside the schema finds what it is for, with its line, and has
// a text in four languages.
func TestDoubts(t *testing.T) {
	doc := string(content(t, "testdata/dam.xml"))
	replace := func(old, new string) string {
		if !strings.Contains(doc, old) {
			t.Fatalf("no %q", old)
		}
		return strings.Replace(doc, old, new, 1)
	}
	polygon := "50.90,15.00 50.90,15.20 51.00,15.20 51.00,15.00 50.90,15.00"
	cases := map[string]string{
		"alert":              replace("cap:1.2", "cap:1.3"),
		"name":               replace("<sender>vystrahy@obec.example", "<sender>starosta obce"),
		"references":         replace("2.49.0.2.203.0.CZ.260807150000.1,", ""),
		"references_missing": replace("<references>vystrahy@obec.example,2.49.0.2.203.0.CZ.260807150000.1,2026-08-07T17:00:00+02:00</references>", ""),
		"restriction":        replace(">Public<", ">Restricted<"),
		"addresses":          replace(">Public<", ">Private<"),
		"info":               doc[:strings.Index(doc, "<info>")] + "</alert>",
		"zone":               strings.Replace(replace("cap:1.2", "cap:1.1"), "<onset>2026-08-07T18:00:00+02:00", "<onset>2026-08-07T18:00:00", 1),
		"year":               replace("2026-08-08T06", "3021-08-08T06"),
		"empty":              replace("Protržení hráze", " "),
		"expires_missing":    replace("<expires>2026-08-08T06:00:00+02:00</expires>", ""),
		"expires":            replace("<expires>2026-08-08", "<expires>2026-08-06"),
		"polygon_number":     replace(polygon, "50.9 15.0"),
		"polygon_range":      replace(polygon, "150.9,15.0 50,15 51,15 150.9,15.0"),
		"polygon_few":        replace(polygon, "50,15 51,15 50,15"),
		"polygon_open":       replace(polygon, "50,15 51,15 51,16 50,16"),
		"polygon_crossing":   replace(polygon, "50,15 51,16 51,15 50,16 50,15"),
		"polygon_wide":       replace(polygon, "50,179 51,179 51,-179 50,-179 50,179"),
		"circle":             replace("50.92,15.08 3.5", "50.92 15.08 3.5"),
		"area":               replace("<geocode>\n        <valueName>WARNCELLID</valueName>\n        <value>114626000</value>\n      </geocode>", ""),
		"ceiling":            replace("<altitude>0</altitude>", ""),
		"infos":              doc[:strings.Index(doc, "<info>")] + strings.Repeat(doc[strings.LastIndex(doc, "<info>"):strings.LastIndex(doc, "</alert>")], MaxInfos+1) + "</alert>",
	}
	texts := map[string]string{}
	for _, lang := range []string{"cs", "de", "pl", "en"} {
		if err := json.Unmarshal(content(t, "locales/"+lang+".json"), &texts); err != nil {
			t.Fatal(err)
		}
		for rule := range cases {
			if texts["cap.rule."+rule] == "" {
				t.Errorf("%s has no text of %s", lang, rule)
			}
		}
		if len(texts) != len(cases) {
			t.Errorf("%s has %d texts of %d rules", lang, len(texts), len(cases))
		}
		clear(texts)
	}
	for rule, text := range cases {
		var rules []string
		for _, d := range Check(parse(t, []byte(text))) {
			rules = append(rules, d.Rule)
			if d.Line == 0 || d.Key != "cap.rule."+d.Rule {
				t.Errorf("%s: %+v", rule, d)
			}
		}
		if !slices.Equal(rules, []string{rule}) {
			t.Errorf("%s: %v", rule, rules)
		}
	}
}

// TestReferences reads those that systems write.
func TestReferences(t *testing.T) {
	for text, want := range map[string]struct {
		ids     string
		regular bool
	}{
		"":                                {"", true},
		"a@b,1,2026-08-07T18:05:00+02:00": {"1", true},
		"a,1,2026-08-07T18:05:00Z\n b,2,2026-08-07T18:05:00-00:00":    {"1 2", true},
		"a b,1 2,2026-08-07T18:05:00-00:00 2026-08-07T18:05:00-00:00": {"1 2", false},
		"a,1,":   {"1", false},
		"a,1":    {"1", false},
		"alone":  {"", false},
		"a,,b":   {"", false},
		",1,now": {"1", false},
	} {
		all, regular := References(text)
		var ids []string
		for _, r := range all {
			ids = append(ids, r.Identifier)
		}
		if got := strings.Join(ids, " "); got != want.ids || regular != want.regular {
			t.Errorf("%q: %q %v", text, got, regular)
		}
	}
}

// TestMoment reads times as systems write them.
func TestMoment(t *testing.T) {
	for text, want := range map[string]string{
		"2026-08-07T18:05:00+02:00": "2026-08-07T16:05:00Z", "2026-08-07T18:05:00-00:00": "2026-08-07T18:05:00Z", "2026-08-07t18:05:00z": "2026-08-07T18:05:00Z",
		" 2026-08-07 18:05:00.5+02:00 ": "2026-08-07T16:05:00.5Z", "2026-08-07T24:00:00+02:00": "2026-08-07T22:00:00Z", "2026-08-07T18:05+02:00": "2026-08-07T16:05:00Z",
		"2026-08-07T18:05:00+0200": "2026-08-07T16:05:00Z", "3021-12-31T00:00:00Z": "3021-12-31T00:00:00Z", "2026-02-29T00:00:00Z": "", "2026-08-07T18:05:00": "", "": "", "now": "",
		"2026-02-29T10:00:00+01:00": "", "2024-02-29T10:00:00+01:00": "2024-02-29T09:00:00Z",
	} {
		at, ok := Moment(text)
		if got := at.UTC().Format(time.RFC3339Nano); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %s %v, want %q", text, got, ok, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-1e9, 9e9).Draw(t, "at"), 0).In(time.FixedZone("", rapid.IntRange(-50000, 50000).Draw(t, "zone")))
		text := FormatTime(at)
		if got, ok := Moment(text); !ok || !got.Equal(at) || !isTime12(text) || strings.HasSuffix(text, "+00:00") {
			t.Fatalf("%v: %s %v", at, text, got)
		}
	})
}

// TestCrosses compares with all pairs of sides, on a grid where nothing is rounded.
func TestCrosses(t *testing.T) {
	crossing := 0
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(3, 9).Draw(t, "n")
		ring := make([]Point, n)
		for i := range ring {
			ring[i] = Point{float64(rapid.IntRange(0, 8).Draw(t, "lat")), float64(rapid.IntRange(0, 8).Draw(t, "lon"))}
		}
		ring = slices.Compact(append(ring, ring[0]))
		if len(ring) < 4 {
			return
		}
		if got, want := crosses(ring), crossesAnywhere(ring); got != want {
			t.Fatalf("%v: %v, want %v", ring, got, want)
		} else if got {
			crossing++
		}
	})
	if crossing == 0 {
		t.Error("none crossed")
	}
}

// crossesAnywhere walks along every side in steps of which each common point of two
// sides on the grid is one: a second way to the same answer, by fractions.
func crossesAnywhere(ring []Point) bool {
	n := len(ring) - 1
	for i := range n {
		for j := i + 1; j < n; j++ {
			a, b, c, d := ring[i], ring[i+1], ring[j], ring[j+1]
			near := j == i+1 || i == 0 && j == n-1
			// a + s(b−a) = c + u(d−c)
			rx, ry, qx, qy := b.Lon-a.Lon, b.Lat-a.Lat, d.Lon-c.Lon, d.Lat-c.Lat
			det := rx*qy - ry*qx
			if det != 0 {
				s, u := ((c.Lon-a.Lon)*qy-(c.Lat-a.Lat)*qx)/det, ((c.Lon-a.Lon)*ry-(c.Lat-a.Lat)*rx)/det
				if !near && s >= 0 && s <= 1 && u >= 0 && u <= 1 {
					return true
				}
				continue
			}
			if (c.Lon-a.Lon)*ry-(c.Lat-a.Lat)*rx != 0 {
				continue // parallel
			}
			along := func(p Point) float64 { return ((p.Lon-a.Lon)*rx + (p.Lat-a.Lat)*ry) / (rx*rx + ry*ry) }
			lo, hi := min(along(c), along(d)), max(along(c), along(d))
			if common := min(1, hi) - max(0, lo); common > 0 || common == 0 && !near {
				return true
			}
		}
	}
	return false
}

// TestHostile: what could harm is refused or bounded.
func TestHostile(t *testing.T) {
	doc := string(content(t, "testdata/dam.xml"))
	info := doc[strings.Index(doc, "<info>") : strings.Index(doc, "</info>")+7]
	for name, text := range map[string]string{
		"dtd":        strings.Replace(doc, "<alert", `<!DOCTYPE alert SYSTEM "http://a.example/x"><alert`, 1),
		"entity":     strings.Replace(doc, "Dammbruch", "&x;", 1),
		"depth":      strings.Replace(doc, "<event>", strings.Repeat("<event>", 20), 1),
		"attributes": strings.Replace(doc, "<alert", "<alert "+attributesOf(200_000), 1),
		"nodes":      doc[:strings.Index(doc, "<info>")] + strings.Repeat(info, 6000) + "</alert>",
		"bytes":      strings.Replace(doc, "Dammbruch", strings.Repeat("x", Limits.Bytes), 1),
		"cut":        doc[:len(doc)/2],
		"html":       "<!DOCTYPE html><html><body>Wartungsarbeiten</body></html>",
		"empty":      "",
	} {
		a, _, f := Read([]byte(text))
		if a != nil || f == nil {
			t.Errorf("%s: read", name)
		}
	}
	empty := doc[:strings.Index(doc, "<info>")] + strings.Repeat("<info/>", 90_000) + "</alert>"
	a, found, f := Read([]byte(empty))
	if f != nil || len(a.Infos) > MaxInfos || len(found) > shape.MaxFound+1 {
		t.Errorf("%v: %d infos, %d deviations", f, len(a.Infos), len(found))
	}
}

func attributesOf(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("a" + strings.Repeat("b", i%7) + string(rune('a'+i%26)) + `="" `)
	}
	return b.String()
}
