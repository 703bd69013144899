package content

import (
	"encoding/csv"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register/fact"
)

// maxProof is what the proof over all municipalities may take.
const maxProof = 2 * time.Second

func bundle(t testing.TB) *i18n.Bundle {
	t.Helper()
	texts, err := i18n.Load(Locales(), fact.Locales())
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// TestShipped: the content of the program has no findings, and the proof is quick.
func TestShipped(t *testing.T) {
	c, found := Load(shipped)
	texts := bundle(t)
	for _, f := range found {
		t.Errorf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Text(texts, i18n.En))
	}
	if len(c.Duties) != 98 || len(c.Fragments) < 120 {
		t.Errorf("%d duties, %d fragments", len(c.Duties), len(c.Fragments))
	}
	start := time.Now()
	c.Check()
	if took := time.Since(start); took > maxProof {
		t.Errorf("the proof took %s, more than %s", took, maxProof)
	}
}

// TestCoverage: each duty is covered in one way, and what no municipality does has no
// instruction.
func TestCoverage(t *testing.T) {
	counts := map[Coverage]int{}
	for _, d := range Shipped().Duties {
		counts[d.Coverage]++
		above := slices.Contains([]string{"governor", "government", "parliament", "regional_office", "water_authority", "building_authority"}, d.Actor)
		if above != (d.Coverage == NotMunicipal) {
			t.Errorf("%s of %s is %s", d.ID, d.Actor, d.Coverage)
		}
		if (len(d.Document) == len(i18n.Langs)) != (d.Coverage == Review) {
			t.Errorf("%s: %d documents", d.ID, len(d.Document))
		}
	}
	if counts[Action]+counts[Review]+counts[NotMunicipal] != 98 || counts[NotMunicipal] != 14 {
		t.Error(counts)
	}
}

// TestInForce: a day before and after the wording, and wordings without known ends.
func TestInForce(t *testing.T) {
	for _, x := range []struct {
		from, to, day string
		want          bool
	}{
		{"", "", "2026-11-30", true},
		{"2025-08-19", "", "2025-08-18", false},
		{"2025-08-19", "", "2025-08-19", true},
		{"2025-08-19", "2026-12-31", "2026-12-31", true},
		{"2025-08-19", "2026-12-31", "2027-01-01", false},
	} {
		d := Duty{ValidFrom: x.from, ValidTo: x.to}
		if got := d.InForce(x.day); got != x.want {
			t.Errorf("%s–%s on %s: %t", x.from, x.to, x.day, got)
		}
	}
}

// TestLaw: the table carries over rows, sources and marks of the table of the law, and its
// guards mean what that table's conditions say.
func TestLaw(t *testing.T) {
	samples := os.Getenv("TROJMEZI_SAMPLES")
	if samples == "" {
		t.Skip("TROJMEZI_SAMPLES is not set: the table of the law is not there")
	}
	file, err := os.Open(filepath.Join(samples, "law", "mayor_duties.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	schema := fact.Shipped()
	for _, r := range rows[1:] {
		d := Shipped().Duty(r[slices.Index(rows[0], "id")])
		if d == nil {
			t.Errorf("%s is missing", r[0])
			continue
		}
		for name, got := range map[string]string{"duty_cs": d.Text[i18n.Cs], "duty_en": d.Text[i18n.En], "phase": d.Phase, "hazard": d.Hazard, "deadline": d.Deadline[i18n.En], "source": d.Source, "status": d.Status} {
			if want := r[slices.Index(rows[0], name)]; got != want {
				t.Errorf("%s: %s is %q, in the table of the law %q", d.ID, name, got, want)
			}
		}
		source, err := schema.FromLaw(r[slices.Index(rows[0], "applies_when")])
		if err != nil {
			t.Error(err)
			continue
		}
		guards := make([]*fact.Guard, 3)
		for i, s := range []string{source, d.Guard(), ""} {
			if guards[i], err = schema.Guard(s); err != nil {
				t.Fatal(err)
			}
		}
		schema.Cases(facts(guards[2], guards), func(set fact.Set) bool {
			if guards[0].Eval(set) != guards[1].Eval(set) {
				t.Errorf("%s: %q is not %q for %v", d.ID, d.Guard(), source, set)
				return false
			}
			return true
		})
	}
}

// TestClasses: whatever the class, one branch of each group holds and the flood has its
// critical path.
func TestClasses(t *testing.T) {
	for name, set := range map[string]fact.Set{
		"small": {"type": "I", "jpo": "none", "siren": "none", "local_radio": false, "flood_zone": true, "flood_commission": false, "gauge_upstream": false, "deputy": false, "municipal_police": false, "staff": 1, "crisis_staff": false, "seveso": false, "water_supplier": "wells", "border": []string{"PL"}},
		"mid":   {"type": "I", "jpo": "III", "siren": "motor", "local_radio": true, "flood_zone": true, "flood_commission": true, "gauge_upstream": true, "deputy": true, "municipal_police": false, "staff": 5, "crisis_staff": false, "seveso": false, "water_supplier": "company", "border": []string{}},
		"orp":   {"type": "III", "jpo": "II", "siren": "electronic_voice", "local_radio": true, "flood_zone": true, "flood_commission": true, "gauge_upstream": true, "deputy": true, "municipal_police": true, "staff": 40, "crisis_staff": true, "seveso": true, "water_supplier": "own", "border": []string{"DE", "PL"}},
	} {
		groups, holding, critical := map[string]bool{}, map[string]int{}, 0
		for _, f := range Shipped().Fragments {
			truth := f.Applies(set)
			if f.Alternatives != "" {
				groups[f.Alternatives] = true
				if truth == fact.True {
					holding[f.Alternatives]++
				}
			}
			if f.Hazard == "flood" && f.Priority == 1 && f.Card && truth == fact.True {
				critical++
			}
		}
		for g := range groups {
			if holding[g] != 1 {
				t.Errorf("%s: %d of %s hold", name, holding[g], g)
			}
		}
		if critical < 4 {
			t.Errorf("%s: %d critical steps in a flood", name, critical)
		}
	}
}

// TestVersion: the same files have the same version, others another.
func TestVersion(t *testing.T) {
	a, _ := Load(good(nil))
	b, _ := Load(good(nil))
	c, _ := Load(good(map[string]string{"Zavolejte": "Volejte"}))
	if a.Version != b.Version || a.Version == c.Version || len(a.Version) != versionDigits {
		t.Error(a.Version, b.Version, c.Version)
	}
}

const (
	table = `id,actor,phase,hazard,guard,when,coverage,source,status,valid_from,valid_to,cs,de,pl,en,deadline_cs,deadline_de,deadline_pl,deadline_en,document_cs,document_de,document_pl,document_en
MD001,mayor,alert,all,,,action,239/2000 §16,from-memory,2020-01-01,,Varovat,Warnen,Ostrzec,Warn,ihned,sofort,natychmiast,immediately,,,,
MD002,mayor,alert,flood,f.flood_zone,,review,254/2001 §71,from-memory,2020-01-01,,Mít plán,Plan haben,Mieć plan,Have a plan,ročně,jährlich,co rok,yearly,Plán,Plan (de),Plan (pl),Plan (en)
MD003,governor,response,all,,,not_municipal,240/2000 §3,from-memory,2020-01-01,,Vyhlásit,Ausrufen,Ogłosić,Declare,ihned,sofort,natychmiast,immediately,,,,
`
	entry = `- id: flood.alarm.%s
  duty: [%s]
  phase: alarm
  role: mayor
%s  priority: 1
  deadline_min: 10
  card: true
  call: ["150", orp]
  text: {cs: Zavolejte na obec., de: Rufen Sie die Gemeinde an., pl: Zadzwoń do gminy., en: Call the municipality.}
  easy: {cs: Volejte., de: Rufen Sie an., pl: Dzwoń., en: Call.}
`
)

// good is content without findings, with parts of its files replaced.
func good(replace map[string]string) fs.FS {
	fragments := fmt.Sprintf(entry, "010", "MD001", "") +
		fmt.Sprintf(entry, "020", "MD002", "  when: f.flood_zone\n  applies: f.siren == \"none\"\n  alternatives: flood.siren\n") +
		fmt.Sprintf(entry, "021", "MD002", "  when: f.flood_zone\n  applies: f.siren != \"none\"\n  alternatives: flood.siren\n")
	duties := table
	for from, to := range replace {
		if !strings.Contains(duties+fragments, from) {
			panic("nothing to replace: " + from)
		}
		duties, fragments = strings.Replace(duties, from, to, 1), strings.Replace(fragments, from, to, 1)
	}
	return fstest.MapFS{"duties.csv": {Data: []byte(duties)}, "fragments/flood.yaml": {Data: []byte(fragments)}}
}

// TestFindings: each mistake of an author is found where it stands, in each language.
func TestFindings(t *testing.T) {
	texts := bundle(t)
	if _, found := Load(good(nil)); len(found) > 0 {
		t.Fatalf("good content: %v", found)
	}
	seen := map[string]bool{}
	for _, x := range []struct{ from, to, key, place, says string }{
		{"role: mayor", "rolle: mayor", "field_unknown", "flood.yaml:4:3", "rolle"},
		{"  role: mayor\n", "", "field_missing", "flood.yaml:1:3", "role"},
		{"card: true", "priority: 2", "field_twice", "flood.yaml:7:3", "priority"},
		{"role: mayor", "role: king", "value", "flood.yaml:4:9", "king"},
		{"card: true", "card: maybe", "value", "flood.yaml:7:9", "maybe"},
		{`call: ["150", orp]`, `call: ["150", "151"]`, "value", "flood.yaml:8:17", "151"},
		{"priority: 1", "priority: 9", "number", "flood.yaml:5:13", "9"},
		{"deadline_min: 10", "deadline_min: soon", "number", "flood.yaml:6:17", "soon"},
		{"duty: [MD001]", "duty: [MD001, MD999]", "duty_unknown", "flood.yaml:2:17", "MD999"},
		{"duty: [MD001]", "duty: [MD001, MD003]", "duty_not_municipal", "flood.yaml:2:17", "MD003"},
		{"duty: [MD001]", "duty: MD001", "no_values", "flood.yaml:2:9", ""},
		{"flood.alarm.010", "fire.alarm.010", "id", "flood.yaml:1:7", "flood.alarm.010"},
		{"flood.alarm.021", "flood.alarm.010", "id_twice", "flood.yaml:24:1", "flood.alarm.010"},
		{"  role: mayor\n", "  role: mayor\n   card: : true\n", "yaml", "flood.yaml:", ""},
		{"- id: flood.alarm.010", "id: x\n- id: flood.alarm.010", "yaml", "flood.yaml:", ""},
		{"role: mayor", "role: [mayor]", "no_text", "flood.yaml:4:9", ""},
		{`applies: f.siren == "none"`, `applies: f.sirene == "none"`, "guard", "flood.yaml:16:14", "sirene"},
		{`applies: f.siren == "none"`, `applies: f.siren == "loud"`, "guard", "flood.yaml:16:23", "loud"},
		{`applies: f.siren == "none"`, `applies: f.siren && f.flood_zone`, "guard", "flood.yaml:16:", "f.siren"},
		{`applies: f.siren == "none"`, `applies: '!f.siren'`, "guard", "flood.yaml:16:13", "f.siren"},
		{",f.flood_zone,", ",f.flod_zone,", "guard", "duties.csv:3:27", "flod_zone"},
		{`applies: f.siren == "none"`, `applies: f.siren == "motor"`, "group_", "flood.yaml:16:12", "siren"},
		{`applies: f.siren != "none"`, `applies: f.siren == "motor"`, "group_none", "flood.yaml:16:12", "electronic_voice|voice"},
		{`applies: f.siren != "none"`, `applies: f.siren != "motor"`, "group_two", "flood.yaml:16:12", "(f.siren)"},
		{"  when: f.flood_zone\n  applies: f.siren == \"none\"", "  when: f.below_dam\n  applies: f.siren == \"none\"", "group_when", "flood.yaml:29:12", "f.below_dam"},
		{"alternatives: flood.siren\n", "alternatives: flood.sirens\n", "group_of_one", "flood.yaml:16:12", "flood.sirens"},
		{"  alternatives: flood.siren\n", "", "when_alone", "flood.yaml:15:9", ""},
		{"  applies: f.siren == \"none\"\n", "", "alternative_always", "flood.yaml:16:17", "flood.siren"},
		{"duty: [MD001]", "duty: [MD002]", "no_fragment", "duties.csv:2:1", "MD001"},
		{",f.flood_zone,", ",,", "gap", "duties.csv:3:1", "(f.flood_zone)"},
		{"- id: flood.alarm.010\n", "- applies: f.jpo == \"II\" && f.jpo == \"V\"\n  id: flood.alarm.010\n", "dead", "flood.yaml:1:12", "flood.alarm.010"},
		{",f.flood_zone,", ",f.flood_zone && !f.flood_zone,", "dead_duty", "duties.csv:3:25", "MD002"},
		{",f.flood_zone,", ",!f.flood_zone,", "duty_elsewhere", "flood.yaml:16:12", "MD002"},
		{", pl: Zadzwoń do gminy.", "", "text_missing", "flood.yaml:9:9", "pl"},
		{"easy: {cs: Volejte., de: Rufen Sie an., pl: Dzwoń., en: Call.}\n", "easy: {}\n", "text_missing", "flood.yaml:10:9", "easy"},
		{"easy: {cs: Volejte., de: Rufen Sie an., pl: Dzwoń., en: Call.}\n", "easy: Volejte.\n", "no_mapping", "flood.yaml:10:9", "cs"},
		{"  easy: {cs: Volejte., de: Rufen Sie an., pl: Dzwoń., en: Call.}\n", "", "field_missing", "flood.yaml:1:3", "easy"},
		{"pl: Zadzwoń do gminy.", "pl: Call the municipality.", "same_as_english", "flood.yaml:9:70", "pl"},
		{"Warnen", "Warn", "same_as_english", "duties.csv:2:77", "de"},
		{"cs: Zavolejte na obec.", "cs: " + strings.Repeat("slovo ", 31), "long_text", "flood.yaml:9:14", "31"},
		{"cs: Volejte.", "cs: Ano. " + strings.Repeat("slovo ", 13) + ". Ne.", "long_sentence", "flood.yaml:10:14", "13"},
		{"card: true", "checked: {cs: {by: Jana Nováková, on: 30.11.2026}}", "checked", "flood.yaml:7:41", ""},
		{"card: true", "checked: {cs: {by: Jana Nováková}}", "checked", "flood.yaml:7:17", ""},
		{"MD003,governor", "MD003,king", "value", "duties.csv:4:7", "king"},
		{"MD003", "MD001", "duty_id", "duties.csv:4:1", "MD001"},
		{"254/2001 §71", "", "no_source", "duties.csv:3:", "MD002"},
		{"2020-01-01", "1.1.2020", "date", "duties.csv:2:57", "1.1.2020"},
		{"2020-01-01,", "2020-01-01,2019-12-31", "ends_before", "duties.csv:2:68", "MD001"},
		{"Plan (pl)", "", "cell_missing", "duties.csv:3:", "document_pl"},
		{"natychmiast,immediately,,,,\nMD002", "natychmiast,immediately,X,,,\nMD002", "document_unwanted", "duties.csv:2:", "MD001"},
		{",immediately,,,,\nMD002", ",immediately,,,,,\nMD002", "cells", "duties.csv:2:1", "24"},
		{"Varovat", `"Varovat`, "csv", "duties.csv:", ""},
		{"id,actor", "id,who", "columns", "duties.csv:1:1", "actor"},
	} {
		t.Run(x.key+" "+x.to, func(t *testing.T) {
			_, found := Load(good(map[string]string{x.from: x.to}))
			at := slices.IndexFunc(found, func(f Finding) bool {
				return strings.HasPrefix(f.Key, "content.finding."+x.key) &&
					strings.HasPrefix(strings.TrimPrefix(fmt.Sprintf("%s:%d:%d:", f.File, f.Line, f.Column), "fragments/"), x.place)
			})
			if at < 0 {
				for _, f := range found {
					t.Logf("%s:%d:%d: %s %s", f.File, f.Line, f.Column, f.Key, f.Text(texts, i18n.En))
				}
				t.Fatalf("no finding %s at %s", x.key, x.place)
			}
			seen[found[at].Key] = true
			said := map[string]bool{}
			for _, l := range i18n.Langs {
				text := found[at].Text(texts, l)
				if strings.ContainsAny(text, "{}") && !strings.Contains(x.to, "{") || said[text] {
					t.Errorf("%s: %q", l, text)
				}
				said[text] = true
				if says := strings.Split(x.says, "|"); !slices.ContainsFunc(says, func(s string) bool { return strings.Contains(text, s) }) && l == i18n.En {
					t.Errorf("%q does not say %q", text, x.says)
				}
			}
		})
	}
	for _, f := range []fs.FS{fstest.MapFS{}, fstest.MapFS{"duties.csv": {Data: []byte(table)}}, fstest.MapFS{"duties.csv": {Data: []byte(table)}, "fragments/flood.yaml": {Data: []byte("id: flood")}}} {
		_, found := Load(f)
		if len(found) == 0 {
			t.Error("an incomplete folder is loaded")
			continue
		}
		seen[found[0].Key] = true
	}
	for _, key := range texts.Keys() {
		if strings.HasPrefix(key, "content.finding.") && !seen[key] && key != "content.finding.too_wide" {
			t.Errorf("nothing shows %s", key)
		}
	}
}

// TestTooWide: a duty whose cases can't be gone through is refused, not believed.
func TestTooWide(t *testing.T) {
	var fragments strings.Builder
	for i, f := range fact.Shipped().Facts() {
		guard := map[fact.Kind]string{fact.Bool: "f." + f.Key, fact.Many: "len(f." + f.Key + ") > 0"}[f.Kind]
		if guard == "" && f.Kind == fact.Enum {
			guard = "f." + f.Key + ` == "` + f.Values[0] + `"`
		}
		if guard != "" {
			fmt.Fprintf(&fragments, entry, fmt.Sprintf("%03d", i), "MD001, MD002", "  applies: "+guard+"\n")
		}
	}
	_, found := Load(fstest.MapFS{"duties.csv": {Data: []byte(table)}, "fragments/flood.yaml": {Data: []byte(fragments.String())}})
	if !slices.ContainsFunc(found, func(f Finding) bool { return f.Key == "content.finding.too_wide" }) {
		t.Error(found)
	}
}

// FuzzLoad: whatever an author writes, the loader comes back.
func FuzzLoad(f *testing.F) {
	body, err := fs.ReadFile(good(nil), "fragments/flood.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(table, string(body))
	f.Add("", "- &a [*a]")
	f.Fuzz(func(t *testing.T, duties, fragments string) {
		Load(fstest.MapFS{"duties.csv": {Data: []byte(duties)}, "fragments/flood.yaml": {Data: []byte(fragments)}})
	})
}

// BenchmarkLoad reads and proves the content of the program.
func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, found := Load(shipped); len(found) > 0 {
			b.Fatal(found)
		}
	}
}
