package scenario

import (
	"os"
	"strings"
	"testing"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register/fact"
)

func source(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("data/flood-nisa-smeda.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestShipped: the flood is an exercise and the nine others are outlines, in four languages.
func TestShipped(t *testing.T) {
	s, found := Read([]byte(source(t)), func(string) bool { return true })
	if len(found) > 0 {
		t.Fatal(found)
	}
	if len(s.Injects) < LeastInjects || len(s.Decisions) < LeastDecisions || len(s.Classes) != 3 || Find(s.ID) == nil || Find("blackout-48h") != nil {
		t.Errorf("%d injects, %d decisions", len(s.Injects), len(s.Decisions))
	}
	if len(Outlines()) != 9 {
		t.Errorf("%d outlines", len(Outlines()))
	}
	for _, o := range Outlines() {
		for _, l := range i18n.Langs {
			if o.Title[l] == "" {
				t.Errorf("%s has no title in %s", o.ID, l)
			}
		}
	}
}

// TestTimes: the water reaches the stages of each class when it should.
func TestTimes(t *testing.T) {
	for class, want := range map[string][4]int{"small_no_unit": {141, 203, 260, 814}, "mid_jpo3": {195, 263, 334, 879}, "orp_city": {205, 289, 359, 984}} {
		v := Find("flood-nisa-smeda").For(class)
		var got [4]int
		for _, x := range v.Comes {
			switch {
			case x.What.Stage > 0:
				got[x.What.Stage-1] = x.Minute
			case x.What.Falling == 3:
				got[3] = x.Minute
			}
		}
		for i := range want {
			if d := got[i] - want[i]; d < -3 || d > 3 {
				t.Errorf("%s: %v, want %v", class, got, want)
				break
			}
		}
	}
	if Find("flood-nisa-smeda").For("village") != nil {
		t.Error("a class that is not there")
	}
}

// TestFindings: whatever an author does wrong is told with its line.
func TestFindings(t *testing.T) {
	texts, err := i18n.Load(Locales(), fact.Locales())
	if err != nil {
		t.Fatal(err)
	}
	text := source(t)
	for _, x := range []struct{ old, new, key, at, says string }{
		{"channel: alert", "chanel: alert", "field", "id: I01", "chanel"},
		{"minutes: 1440", "minutes: [", "syntax", "", ""},
		{"minutes: 1440", "minutes: long", "syntax", "minutes: long", "long"},
		{"id: I02, at: 20", "id: I01, at: 20", "id", "id: I01", ""},
		{`de: "Vertretung benennen", `, "", "language", "id: A03", "de"},
		{`de: "Vertretung benennen"`, `de: "Vertretung benennen", fr: "x"`, "language_more", "id: A03", ""},
		{`de: "Ersatzwasser bestellen und Brunnen sperren"`, `de: "Order a water tanker and close the wells"`, "copied", "id: A21", "de"},
		{"applies: f.seveso", "applies: f.sevesso", "guard", "id: I15", "seveso is meant"},
		{"applies: f.seveso", "applies: f.railway", "unknown_fact", "id: I15", "f.railway"},
		{"version: 1", "version: 0", "head", "id: flood-nisa-smeda", ""},
		{"pass: 0.65", "pass: 0.5", "head", "id: flood-nisa-smeda", ""},
		{"[90, 98], [150, 124]", "[190, 98], [150, 124]", "curve", "id: G1", ""},
		{"staff: 1,", "stuff: 1,", "facts", "id: small_no_unit", "staff"},
		{"jpo: II,", "jpo: IV,", "facts", "id: orp_city", "IV"},
		{"gauge: G2", "gauge: G9", "reference", "id: mid_jpo3", "G9"},
		{"decision: D01", "decision: D99", "reference", "id: I03", "D99"},
		{"option: b, minutes: 90", "option: z, minutes: 90", "reference", "id: I07b", "D03.z"},
		{"from: I08, applies", "from: I88, applies", "reference", "id: A06", "I88"},
		{"objective: O6, duty: [MD017", "objective: O7, duty: [MD017", "reference", "id: A22", "O7"},
		{"roles: [mayor, deputy]", "roles: []", "roles", "id: small_no_unit", ""},
		{"role: crisis_manager\n    minutes: 15", "role: crisis_manager\n    minutes: 0", "options", "id: D10", ""},
		{"{id: I02, at: 20,", "{id: I02, at: 20, stage: 1,", "trigger", "id: I02", ""},
		{"{id: E3, at: 405,", "{id: E3,", "trigger", "id: E3", ""},
		{"{id: I02, at: 20, channel: operations_centre, to: [mayor]", "{id: I02, at: 20, channel: operations_centre, to: []", "receiver", "id: I02", ""},
		{"duty: [MD097, MD036]", "duty: []", "no_duty", "id: A03", ""},
		{"duty: [MD097, MD036]", "duty: [MD199]", "duty", "id: A03", "MD199"},
		{"target: 30, max: 90, weight: 3", "target: 90, max: 90, weight: 3", "window", "id: A01", ""},
		{"evidence: [{event: stage.lowered}]", "evidence: []", "evidence", "id: A19", ""},
		{"channel: citizen, to: [mayor], decision: D01", "channel: citizen, to: [mayor]", "unused", "id: D01", ""},
	} {
		changed := strings.Replace(text, x.old, x.new, 1)
		if changed == text {
			t.Fatalf("%q is not there", x.old)
		}
		s, found := Read([]byte(changed), func(d string) bool { return d != "MD199" })
		hit := false
		var said []string
		for _, f := range found {
			line := strings.Split(changed, "\n")[f.Line-1]
			told := f.Text(texts, i18n.En)
			said = append(said, told)
			hit = hit || f.Key == "scenario.rule."+x.key && strings.Contains(line, x.at) && strings.Contains(told, x.says)
		}
		if s != nil || !hit {
			t.Errorf("%q for %q: %q", x.new, x.old, said)
		}
	}
	if n := texts.Missing(); n != 0 {
		t.Errorf("%d texts are missing", n)
	}
	// What is short of an exercise is an outline.
	cut := text[:strings.Index(text, "  - {id: I05")] + text[strings.Index(text, "# Out of the timeline"):]
	_, found := Read([]byte(cut), func(string) bool { return true })
	if len(found) == 0 || found[len(found)-1].Key == "" {
		t.Error("an outline is an exercise")
	}
	outline := false
	for _, f := range found {
		outline = outline || f.Key == "scenario.rule.outline" && f.Args["injects"] == 4
	}
	if !outline {
		t.Errorf("%v", found)
	}
}

// FuzzRead: no file makes the reader fall over.
func FuzzRead(f *testing.F) {
	text, err := os.ReadFile("data/flood-nisa-smeda.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("id: [1"))
	f.Add([]byte("classes: [{facts: {border: [1]}}]\ngauges: [{}]\ninjects: [{}]\nactions: [{}]\ndecisions: [{}]\neffects: [{}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, found := Read(text, func(string) bool { return true })
		if (s == nil) == (len(found) == 0) {
			t.Error("neither a scenario nor a finding")
		}
	})
}
