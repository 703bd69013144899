package fact

import (
	"encoding/csv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"trojmezi/internal/kernel/i18n"
)

func guard(t testing.TB, source string) *Guard {
	t.Helper()
	g, err := Shipped().Guard(source)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return g
}

// TestThreeValues: what is not known makes a guard unknown only where it decides.
func TestThreeValues(t *testing.T) {
	for _, x := range []struct {
		guard string
		set   Set
		want  Truth
	}{
		{"", nil, True},
		{"f.flood_zone", nil, Unknown},
		{"f.flood_zone", Set{"flood_zone": true}, True},
		{"!f.flood_zone", Set{"flood_zone": true}, False},
		{`f.flood_zone || !f.flood_zone`, nil, True}, // whatever it is
		{`f.flood_zone && f.jpo == "none"`, Set{"jpo": "III"}, False},
		{`f.flood_zone && f.jpo == "none"`, Set{"jpo": "none"}, Unknown},
		{`f.population >= 1000 && f.population < 3000`, Set{"population": 2999}, True},
		{`f.population >= 1000 && f.population < 3000`, Set{"population": 3000}, False},
		{`1000 <= f.population`, Set{"population": 999}, False},
		{`len(f.border) > 0`, Set{"border": []string{}}, False},
		{`"PL" in f.border`, Set{"border": []string{"DE", "PL"}}, True},
		{`f.type in ["II", "III"]`, Set{"type": "I"}, False},
		{"f.staff < 3", Set{"staff": 0}, True},
		{"f.siren == 'motor'", Set{"siren": "loud"}, Unknown}, // no value of it
	} {
		if got := guard(t, x.guard).Eval(x.set); got != x.want {
			t.Errorf("%s of %v: %s, want %s", x.guard, x.set, got, x.want)
		}
	}
}

// TestRefused: an author is told the column and what is meant.
func TestRefused(t *testing.T) {
	for source, want := range map[string]string{
		"f.flod_zone":              "column 3: there is no fact flod_zone; flood_zone is meant?",
		"f.flood_zone && f.xyzzyx": "column 19: there is no fact xyzzyx.",
		"f.jpo == 'IV'":            "column 10: jpo: IV is none of none, V, III, II",
		"f.jpo in ['II', 'IV']":    "IV is none of",
		"'AT' in f.border":         "AT is none of DE, PL",
		"f.population > 1000":      "population is compared by < or >= with one of 200 1000 3000 10000 50000",
		"f.population >= 1500":     "with one of",
		"f.population":             "expected bool",
		"f.jpo && f.flood_zone":    "column 7",
		"f.flood_zone &&":          "column 15",
		"g.flood_zone":             "column 3: a condition is made of facts",
	} {
		if _, err := Shipped().Guard(source); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", source, err, want)
		}
	}
	if err := Shipped().Check(Set{"schol": true, "type": "IV", "staff": "two", "border": []string{"AT"}, "deputy": true}); err == nil ||
		strings.Count(err.Error(), "\n") != 3 || !strings.Contains(err.Error(), "school is meant?") {
		t.Error(err)
	}
	for name, text := range map[string]string{"twice": "- {key: a, kind: bool}\n- {key: a, kind: bool}", "kind": "- {key: a, kind: text}", "field": "- {key: a, kind: bool, cut: [1]}"} {
		if _, err := Read([]byte(text)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

// TestNothingUnseen: no form of the language asks a fact past the table, where what is not
// known would be false, or tells apart what is one case.
func TestNothingUnseen(t *testing.T) {
	for _, source := range []string{
		"let x = f; x.flood_zone", "$env.f.flood_zone", `$env["f"].flood_zone`, `f["flood" + "_zone"]`, "(true ? f : f).flood_zone", "[f][0].flood_zone", `get(f, "flood_zone")`, "f == f",
		"let p = f.population; p >= 1500", "max(f.population, 1) >= 1500", "-f.population <= -1500", "(true ? f.population : 0) >= 1500", "int(f.population) >= 1500", `string(f.population) == "1600"`, "[f.population][0] >= 1500", "f.population >= f.staff",
		`f.jpo == (f.deputy ? "IV" : "V")`, `any(f.border, # == "AT")`, `let j = f.jpo; j == "IV"`, `f.jpo == "none" + "x"`, `f.jpo matches "^I"`,
		`f.border == ["PL", "DE"]`, `f.border[0] == "DE"`, `f.border in ["DE"]`, `"DE" in len(f.border)`, "len(f.jpo) > 1", `f.jpo in "none"`, "now().Year() > 2000 && f.deputy", "1 == 1",
	} {
		if g, err := Shipped().Guard(source); err == nil {
			t.Errorf("%s is taken, and names %v", source, g.Facts())
		} else if text := err.Error(); !strings.HasPrefix(text, "column ") || strings.Contains(text, "struct") {
			t.Errorf("%s: %s", source, text)
		}
	}
	for _, source := range []string{`f["flood_zone"]`, "not f.deputy and f.school", "f.deputy == true", `"none" != f.jpo`, "1 < len(f.border)", `f.jpo not in ["II", "III"]`, `!("DE" in f.border)`, "true"} {
		guard(t, source)
	}
}

// TestAlternatives: exactly one in each case, else the case is told.
func TestAlternatives(t *testing.T) {
	for _, x := range []struct{ when, guards, want string }{
		{"f.flood_zone", `f.siren == "electronic_voice" | f.siren == "motor" | f.siren == "none"`, ""},
		{"", `f.jpo == "none" | f.jpo != "none"`, ""},
		{"", `f.population < 1000 | f.population >= 1000`, ""},
		{"", `f.siren == "electronic_voice" | f.siren == "motor"`, "none holds for siren = none"},
		{"", `f.deputy | !f.deputy || f.school`, "number 1 and 2 hold for deputy = true, school = true"},
		{`f.siren != "none"`, `f.siren == "electronic_voice" | f.siren == "motor"`, ""},
	} {
		var all []*Guard
		for g := range strings.SplitSeq(x.guards, " | ") {
			all = append(all, guard(t, g))
		}
		err := Shipped().Alternatives(guard(t, x.when), all)
		if got := ""; err != nil {
			if got = err.Error(); got != x.want {
				t.Errorf("%s: %q, want %q", x.guards, got, x.want)
			}
		} else if x.want != "" {
			t.Errorf("%s: proved", x.guards)
		}
	}
}

// TestEvalAgainstAll: a guard says of a part of the facts what it says of every completion.
func TestEvalAgainstAll(t *testing.T) {
	s := Shipped()
	atoms := []string{"f.flood_zone", "f.deputy", `f.jpo == "none"`, `f.jpo in ["II", "III"]`, "f.population < 1000", "f.population >= 3000", `"DE" in f.border`, "len(f.border) > 1", "f.staff < 3", `f.siren != "motor"`}
	rapid.Check(t, func(t *rapid.T) {
		source := rapid.SampledFrom(atoms).Draw(t, "first")
		for range rapid.IntRange(0, 3).Draw(t, "more") {
			source = "(" + source + ")" + rapid.SampledFrom([]string{" && ", " || ", " && !"}).Draw(t, "op") + "(" + rapid.SampledFrom(atoms).Draw(t, "next") + ")"
		}
		g, err := s.Guard(source)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		known := Set{}
		for _, k := range g.Facts() {
			if rapid.Bool().Draw(t, "known") {
				known[k] = rapid.SampledFrom(s.Fact(k).Cases()).Draw(t, k)
			}
		}
		var yes, no bool
		s.Cases(g.Facts(), func(set Set) bool {
			for k, v := range known {
				a, _ := s.Fact(k).number(v)
				b, _ := s.Fact(k).number(set[k])
				if a != b {
					return true
				}
			}
			if g.Eval(set) == True {
				yes = true
			} else {
				no = true
			}
			return true
		})
		want := map[[2]bool]Truth{{true, true}: Unknown, {true, false}: True, {false, true}: False}[[2]bool{yes, no}]
		if got := g.Eval(known); got != want {
			t.Fatalf("%s of %v: %s, want %s", source, known, got, want)
		}
	})
}

// TestLaw: every condition of the table of duties is mapped; one that is not is an error.
func TestLaw(t *testing.T) {
	for from, want := range map[string]string{
		"all": "", "region": "", "crisis_state and flood_zone": "f.flood_zone", "type=III": `f.type == "III"`, "type in (I,II)": `f.type in ["I", "II"]`, "has_jsdh": `f.jpo != "none"`, "jpo in (II)": `f.jpo == "II"`, "jpo=none": `f.jpo == "none"`, "not type in (I,II)": `!(f.type in ["I", "II"])`,
		"not has_municipal_police": "!f.municipal_police", "border_municipality": "len(f.border) > 0", "water_owner": `f.water_supplier == "own"`, "below_dam": "f.below_dam", "has_co_structures": "f.civil_protection",
	} {
		if got, err := Shipped().FromLaw(from); err != nil || got != want {
			t.Errorf("%s: %q %v", from, got, err)
		} else {
			guard(t, got)
		}
	}
	for _, name := range []string{"has_helicopter", "type in (IV)", "flood_zone and volcano"} {
		if got, err := Shipped().FromLaw(name); err == nil {
			t.Errorf("%s is %q", name, got)
		}
	}
	samples := os.Getenv("TROJMEZI_SAMPLES")
	if samples == "" {
		t.Skip("TROJMEZI_SAMPLES is not set: the table of duties is not there")
	}
	f, err := os.Open(filepath.Join(samples, "law", "mayor_duties.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.Index(rows[0], "applies_when")
	for _, r := range rows[1:] {
		source, err := Shipped().FromLaw(r[at])
		if err != nil {
			t.Errorf("%s: %v", r[0], err)
		}
		guard(t, source)
	}
}

// TestTexts: each fact, its question and its values have a text.
func TestTexts(t *testing.T) {
	texts, err := i18n.Load(Locales())
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, f := range Shipped().Facts() {
		keys := []string{"fact.name." + f.Key}
		if f.Asked() {
			asked++
			keys = append(keys, "fact.ask."+f.Key)
		}
		for _, v := range f.Values {
			keys = append(keys, "fact.value."+f.Key+"."+v)
		}
		for _, k := range keys {
			if !texts.Has(k) {
				t.Errorf("%s has no text", k)
			}
		}
	}
	if asked == 0 {
		t.Error("nobody is asked")
	}
}

// TestSayCases: a range has both its ends, and what is between two is not in it.
func TestSayCases(t *testing.T) {
	texts, err := i18n.Load(Locales())
	if err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]string{
		"f.population < 1000": "< 1,000", "f.population >= 50000": "≥ 50,000", "f.population >= 1000 && f.population < 10000": "≥ 1,000, < 10,000",
		"f.population < 200 || f.population >= 3000": "< 200 / ≥ 3,000", "f.population >= 200 && f.population < 1000 || f.population >= 10000 && f.population < 50000": "≥ 200, < 1,000 / ≥ 10,000, < 50,000",
		`f.jpo in ["III", "V"]`: "JPO V (local) / JPO III (10 minutes)",
	} {
		g := guard(t, source)
		f := Shipped().Fact(g.Facts()[0])
		var cases []any
		for _, v := range f.Cases() {
			if g.Eval(Set{f.Key: v}) == True {
				cases = append(cases, v)
			}
		}
		if got := strings.ReplaceAll(f.SayCases(texts, i18n.En, cases), "\u202f", ","); got != want {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
	}
}

// BenchmarkEval is a guard over five facts of which three are known.
func BenchmarkEval(b *testing.B) {
	g := guard(b, `f.flood_zone && f.jpo != "none" && f.population >= 1000 && (f.school || f.care_home)`)
	set := Set{"flood_zone": true, "jpo": "III", "population": rand.IntN(9000)}
	for b.Loop() {
		g.Eval(set)
	}
}

// BenchmarkAlternatives proves a group of three over the facts of all of them.
func BenchmarkAlternatives(b *testing.B) {
	when := guard(b, "f.flood_zone && f.population < 3000")
	all := []*Guard{guard(b, `f.siren == "none"`), guard(b, `f.siren == "motor"`), guard(b, `f.siren == "electronic_voice"`)}
	for b.Loop() {
		if err := Shipped().Alternatives(when, all); err != nil {
			b.Fatal(err)
		}
	}
}
