package scenario

import (
	"fmt"
	"os"
	"slices"
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

// TestFindings: whatever an author does wrong is told with its line and column.
func TestFindings(t *testing.T) {
	texts, err := i18n.Load(Locales(), fact.Locales())
	if err != nil {
		t.Fatal(err)
	}
	text := source(t)
	for _, x := range []struct {
		old, new, key string
		at            string // what stands at the line and column told
		says          string
	}{
		{"channel: alert", "chanel: alert", "field", "chanel: alert", "chanel"},
		{"minutes: 1440", "minutes: [", "syntax", "", ""},
		{"minutes: 1440", "minutes: long", "kind", "long", "long"},
		{"hazard: flood", "hazard: flood\nhazard: fire", "twice", "hazard: fire", "hazard"},
		{"id: I02, at: 20", "id: I01, at: 20", "id", "I01, at: 20", "I01"},
		{`de: "Vertretung benennen", `, "", "language", `{cs: "Určit zástup"`, "de"},
		{`de: "Vertretung benennen"`, `de: "Vertretung benennen", fr: "x"`, "language_more", `{cs: "Určit zástup"`, ""},
		{`de: "Ersatzwasser bestellen und Brunnen sperren"`, `de: "Order a water tanker and close the wells"`, "copied", `"Order a water tanker`, "de"},
		{"applies: f.seveso", "applies: f.sevesso", "guard", "sevesso", "seveso is meant"},
		{`'f.jpo == "none"'`, `'f.jpo == "no"'`, "guard", `"no"'`, "none, V, III, II"},
		{"applies: f.seveso", "applies: f.railway", "unknown_fact", "f.railway", "f.railway"},
		{"version: 1", "version: 0", "head", "0", "version"},
		{"pass: 0.65", "pass: 0.5", "head", "0.55", "cap"},
		{"[90, 98], [150, 124]", "[190, 98], [150, 124]", "curve", "[[0, 62]", "G1"},
		{"stages: [120, 155, 190]", "stages: [120, 190, 155]", "curve", "[120, 190", "G1"},
		{"staff: 1,", "stuff: 1,", "facts", "1, deputy", "staff"},
		{"jpo: II,", "jpo: IV,", "facts", "IV,", "IV"},
		{"gauge: G2", "gauge: G9", "reference", "G9", "G9"},
		{"harms: campsite", "harms: camping", "reference", "camping", "camping"},
		{"with: {site: campsite}, after", "with: {site: camp}, after", "reference", "camp}", "camp"},
		{"with: {site: care_home}}]", "with: {site: care}}]", "reference", "care}", "care"},
		{"with: {inject: I21}", "with: {inject: I91}", "reference", "I91", "I91"},
		{"decision: D01", "decision: D99", "reference", "D99", "D99"},
		{"option: b, minutes: 90", "option: z, minutes: 90", "reference", "{decision: D03", "D03.z"},
		{"from: I08, applies", "from: I88, applies", "reference", "I88", "I88"},
		{"objective: O6, duty: [MD017", "objective: O7, duty: [MD017", "reference", "O7", "O7"},
		{"roles: [mayor, deputy]", "roles: []", "roles", "[]", ""},
		{"role: crisis_manager\n    minutes: 15", "role: crisis_manager\n    minutes: 0", "options", "0", "D10"},
		{"{id: I02, at: 20,", "{id: I02, at: 20, stage: 1,", "trigger", "{id: I02", ""},
		{"{id: E3, at: 405,", "{id: E3,", "trigger", "{id: E3", ""},
		{"{id: I02, at: 20, channel: operations_centre, to: [mayor]", "{id: I02, at: 20, channel: operations_centre, to: []", "receiver", "[]", "I02"},
		{"duty: [MD097, MD036]", "duty: []", "no_duty", "[]", "A03"},
		{"duty: [MD097, MD036]", "duty: [MD097, MD199]", "duty", "MD199", "MD199"},
		{"target: 30, max: 90, weight: 3", "target: 90, max: 90, weight: 3", "window", "90, max", "A01"},
		{"max: 90, weight: 3", "max: 90, weight: 0", "window", "0,", "A01"},
		{"evidence: [{event: stage.lowered}]", "evidence: []", "evidence", "[]", "A19"},
		{"event: stage.lowered", "event: stage.lowerd", "event", "stage.lowerd", "stage.lowerd"},
		{"with: {group: deaf}", "with: {grup: deaf}", "event_data", "deaf", "grup"},
		{"least: {channels: 2}", "least: {ways: 2}", "event_data", "2}", "channels"},
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
			line := []rune(strings.Split(changed, "\n")[f.Line-1])
			told := f.Text(texts, i18n.En)
			said = append(said, fmt.Sprintf("%d:%d %s", f.Line, f.Column, told))
			hit = hit || f.Key == "scenario.rule."+x.key && strings.HasPrefix(string(line[f.Column-1:]), x.at) && strings.Contains(told, x.says)
		}
		if s != nil || !hit {
			t.Errorf("%q for %q: %q", x.new, x.old, said)
		}
	}
	if n := texts.Missing(); n != 0 {
		t.Errorf("%d texts are missing", n)
	}
}

// TestOutline: what is short of an exercise in one class is an outline; what comes in all
// classes is no turn of one.
func TestOutline(t *testing.T) {
	text := source(t)
	for _, x := range []struct {
		change *strings.Replacer
		class  string
		want   i18n.Args
	}{
		{strings.NewReplacer("applies: f.campsite, channel", "channel", `applies: 'f.jpo == "none"', channel`, "applies: len(f.border) > 0, channel"), "small_no_unit", i18n.Args{"injects": 21, "decisions": 7, "turns": 1}},
		{strings.NewReplacer(", decision: D01", "", ", decision: D06", "", ", decision: D09", ""), "small_no_unit", i18n.Args{"injects": 21, "decisions": 4, "turns": 3}},
	} {
		_, found := Read([]byte(x.change.Replace(text)), func(string) bool { return true })
		hit := false
		for _, f := range found {
			hit = hit || f.Key == "scenario.rule.outline" && f.Args["class"] == x.class && f.Args["injects"] == x.want["injects"] && f.Args["decisions"] == x.want["decisions"] && f.Args["turns"] == x.want["turns"]
		}
		if !hit {
			t.Errorf("want %v: %v", x.want, found)
		}
	}
	cut := text[:strings.Index(text, "  - {id: I05")] + text[strings.Index(text, "# Out of the timeline"):]
	_, found := Read([]byte(cut), func(string) bool { return true })
	if !slices.ContainsFunc(found, func(f Finding) bool { return f.Key == "scenario.rule.outline" && f.Args["injects"] == 4 }) {
		t.Errorf("an outline is an exercise: %v", found)
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
