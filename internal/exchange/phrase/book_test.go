package phrase

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"trojmezi/internal/kernel/i18n"
)

func texts(t testing.TB) *i18n.Bundle {
	t.Helper()
	b, err := i18n.Load(Locales())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func book(t testing.TB) *Book {
	t.Helper()
	b, err := Shipped(texts(t))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var noon = time.Date(2026, 11, 30, 11, 0, 0, 0, time.UTC)

// examples of every kind as a dispatcher of these countries types them.
var examples = map[Kind]string{
	Number: "3", Decimal: "12,5", Time: "14:05", Place: "Hrádek nad Nisou", Street: "Žitavská 12", Road: "I/35", Point: "50.86550 14.82860",
	Phone: "+420 485 000 000", UN: "1203", Kemler: "33", Unit: "CAS 20 Liberec", Words: "modrý sud \"A\"",
}

func typed(p *Phrase) map[string]string {
	v := map[string]string{}
	for _, s := range p.Slots {
		v[s.Name] = examples[s.Kind]
	}
	return v
}

// Every sentence is one in every language and for every class of numbers, and comes
// back from what is sent in every pair of languages.
func TestShipped(t *testing.T) {
	b := book(t)
	all := b.InForce(noon)
	if len(all) < 80 {
		t.Fatalf("%d phrases", len(all))
	}
	groups := map[string]int{}
	plural := 0
	for _, p := range all {
		groups[p.Group]++
		numbers := []string{""}
		if p.slot(count) != nil {
			plural++
			numbers = []string{"0", "1", "2", "3", "4", "5", "11", "12", "14", "21", "22", "25", "100", "101", "102", "112", "122", "1000", "999999"}
		}
		for _, n := range numbers {
			v := typed(p)
			if n != "" {
				v[count] = n
			}
			s, faults := b.Say(p, v, noon)
			if s == nil {
				t.Fatalf("%s: %+v", p.ID, faults)
			}
			for _, to := range i18n.Langs {
				text := s.In(to)
				if strings.ContainsAny(text, "{}⟦|") || !strings.ContainsAny(text[len(text)-1:], ".?") || strings.Contains(text, "  ") {
					t.Errorf("%s %s n=%s: %q", p.ID, to, n, text)
				}
				for _, own := range i18n.Langs {
					got, ok := b.Read(s.Text(to, own))
					if !ok || got.Phrase != p || got.Lang != own || got.In(i18n.Pl) != s.In(i18n.Pl) {
						t.Errorf("%s is not read back:\n%s", p.ID, s.Text(to, own))
					}
				}
			}
		}
		for l := range p.Checked {
			t.Errorf("%s is shipped as checked in %s", p.ID, l)
		}
	}
	for _, g := range Groups {
		if groups[g] == 0 && g != "own" {
			t.Errorf("no phrase in group %s", g)
		}
	}
	if plural < 10 {
		t.Errorf("%d phrases with plural", plural)
	}
}

// The forms by hand, so that not only the rules agree with themselves.
func TestForms(t *testing.T) {
	b := book(t)
	for _, c := range []struct {
		id, values string
		lang       i18n.Lang
		want       string
	}{
		{"P10", "n=1", i18n.Cs, "1 zraněná osoba."}, {"P10", "n=3", i18n.Cs, "3 zraněné osoby."}, {"P10", "n=5", i18n.Cs, "5 zraněných osob."}, {"P10", "n=22", i18n.Cs, "22 zraněných osob."},
		{"P10", "n=1", i18n.De, "1 verletzte Person."}, {"P10", "n=0", i18n.De, "0 verletzte Personen."},
		{"P10", "n=2", i18n.Pl, "2 osoby ranne."}, {"P10", "n=12", i18n.Pl, "12 osób rannych."}, {"P10", "n=22", i18n.Pl, "22 osoby ranne."}, {"P10", "n=21", i18n.Pl, "21 osób rannych."},
		{"P10", "n=1", i18n.En, "1 person injured."}, {"P10", "n=2", i18n.En, "2 people injured."},
		{"P72", "litres=12500", i18n.De, "Wasserbedarf: 12\u202f500\u00a0l pro Minute."},
		{"P04", "road=D10;km=12,5", i18n.Pl, "Droga D10, kilometr 12,5."}, {"P04", "road=D10;km=12,5", i18n.En, "Road D10, kilometre 12.5."},
		{"P85", "time=14:05", i18n.De, "Eintreffen um 14:05 Uhr."}, {"P85", "time=23.50", i18n.Cs, "Příjezd v\u00a023:50."},
		{"P03", "point=50.8655, 14.8286", i18n.Cs, "Souřadnice: 50,8655° N · 14,8286° E."}, {"P03", "point=50.8655, 14.8286", i18n.En, "Coordinates: 50.8655° N, 14.8286° E."},
		{"P52", "words=nafta", i18n.Pl, "Substancja niebezpieczna: „nafta”."}, {"P52", "words=nafta", i18n.De, "Gefahrstoff: „nafta“."},
		{"P50", "un=UN 1203;kemler=x338", i18n.En, "Hazardous substance: UN\u00a01203, hazard number X338."},
	} {
		values := map[string]string{}
		for part := range strings.SplitSeq(c.values, ";") {
			name, v, _ := strings.Cut(part, "=")
			values[name] = v
		}
		s, faults := b.Say(b.Find(c.id, noon), values, noon)
		if s == nil {
			t.Errorf("%s %s: %+v", c.id, c.values, faults)
		} else if got := s.In(c.lang); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.id, c.lang, got, c.want)
		}
	}
}

func TestAccept(t *testing.T) {
	for _, c := range []struct {
		kind        Kind
		typed, want string
	}{
		{Number, "12 500", "12500"}, {Number, "-1", ""}, {Number, "three", ""}, {Number, "1000000", ""}, {Number, "", ""},
		{Decimal, "0,126", "0.13"}, {Decimal, "1e99", ""}, {Decimal, "-2", ""}, {Decimal, "NaN", ""},
		{Time, "0:30", "2026-11-29T23:30Z"}, {Time, "23.59", "2026-11-30T22:59Z"}, {Time, "24:00", ""}, {Time, "12:60", ""},
		{Point, "50.8655 14.8286", "50.8655,14.8286"}, {Point, "somewhere", ""}, {Point, "99.0000,14.0000", ""},
		{Phone, "+420 485 000 000", "+420 485 000 000"}, {Phone, "+49 (3571) 112-0", "+49 3571 112 0"}, {Phone, "112", ""}, {Phone, "0049357", ""},
		{UN, "un 1203", "1203"}, {UN, "12", ""}, {Kemler, "x423", "X423"}, {Kemler, "3", ""},
		{Place, "  Hrádek   nad Nisou ", "Hrádek nad Nisou"}, {Place, "...", ""}, {Place, strings.Repeat("a", 81), ""}, {Place, "a\u202eb", ""}, {Place, "a\u200bb", ""},
		{Words, strings.Repeat("ž", 120), strings.Repeat("ž", 120)}, {Words, strings.Repeat("ž", 121), ""}, {Words, "a\nb", "a b"}, {Words, "a\x00b", ""}, {Words, "\xff", ""},
	} {
		got, key := (Slot{"x", c.kind}).Accept(c.typed, noon)
		if got != c.want || (key == "") != (c.want != "") {
			t.Errorf("%s %q: %q %q, want %q", c.kind, c.typed, got, key, c.want)
		}
	}
}

// value draws what may travel, with the signs that could break a tag.
func value(t *rapid.T, k Kind) string {
	s := Slot{"x", k}
	switch k {
	case Place, Street, Road, Unit, Words:
		v := "a" + rapid.StringOf(rapid.SampledFrom([]rune(`ab ž"\=[],-. 1{}„“`))).Draw(t, "text")
		v = strings.Join(strings.Fields(v), " ")
		for utf8.RuneCountInString(v) > maxName {
			v = strings.TrimSpace(string([]rune(v)[:maxName]))
		}
		return v
	case Number:
		v, _ := s.Accept(rapid.StringMatching(`[0-9]{1,6}`).Draw(t, "number"), noon)
		return v
	case Decimal:
		v, _ := s.Accept(rapid.StringMatching(`[0-9]{1,5},[0-9]{1,2}`).Draw(t, "decimal"), noon)
		return v
	case Time:
		return noon.Add(time.Duration(rapid.IntRange(-500_000, 500_000).Draw(t, "minutes")) * time.Minute).Format(wireTime)
	case Point:
		v, _ := s.Accept(rapid.StringMatching(`5[0-2]\.[0-9]{4},1[3-6]\.[0-9]{4}`).Draw(t, "point"), noon)
		return v
	case Phone:
		return rapid.StringMatching(`\+4[0-9] [1-9][0-9]{2} [0-9]{3} [0-9]{3}`).Draw(t, "phone")
	case UN:
		return rapid.StringMatching(`[0-9]{4}`).Draw(t, "un")
	}
	return rapid.StringMatching(`X?[0-9]{2,3}`).Draw(t, "kemler")
}

// Whatever may be said comes back as it was said.
func TestRoundTrip(t *testing.T) {
	b := book(t)
	all := b.InForce(noon)
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(all).Draw(t, "phrase")
		values := map[string]string{}
		for _, s := range p.Slots {
			values[s.Name] = value(t, s.Kind)
		}
		s, faults := b.Say(p, values, noon)
		if s == nil {
			t.Fatalf("%+v", faults)
		}
		to, own := rapid.SampledFrom(i18n.Langs).Draw(t, "to"), rapid.SampledFrom(i18n.Langs).Draw(t, "own")
		text := s.Text(to, own)
		got, ok := b.Read(text)
		if !ok || got.Phrase != p || got.Lang != own {
			t.Fatalf("not read back: %q", text)
		}
		for name, v := range s.Values {
			if got.Values[name] != v {
				t.Errorf("%s: %q, want %q", name, got.Values[name], v)
			}
		}
		// One changed sign of the sentences or of the line makes it plain text, or
		// says the same.
		i := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		forged := text[:i] + rapid.SampledFrom([]string{"", "0", "1", "5", "x", " ", "]", "\""}).Draw(t, "sign") + text[i+1:]
		if f, ok := b.Read(forged); ok {
			lines := strings.Split(forged, "\n")
			if f.In(f.Lang) != lines[len(lines)-2] {
				t.Errorf("%q is shown as %q", forged, f.In(f.Lang))
			}
		}
	})
}

// What a line says is believed only when the sentences say it too.
func TestForged(t *testing.T) {
	b := book(t)
	good := "3 verletzte Personen.\n3 zraněné osoby.\n[phrase 2026-1 P10 de,cs n=3]"
	if _, ok := b.Read(good); !ok {
		t.Fatal("the true one is not read")
	}
	if _, ok := b.Read(strings.ReplaceAll(good, "\n", "\r\n") + "\r\n"); !ok {
		t.Error("line ends of another system break it")
	}
	for name, text := range map[string]string{
		"another number":        strings.Replace(good, "n=3", "n=0", 1),
		"another phrase":        strings.Replace(good, "P10", "P14", 1),
		"another sentence":      strings.Replace(good, "3 verletzte", "9 verletzte", 1),
		"the own sentence":      strings.Replace(good, "3 zraněné", "4 zraněné", 1),
		"languages swapped":     strings.Replace(good, "de,cs", "cs,de", 1),
		"a language twice":      strings.Replace(good, "de,cs", "de,de", 1),
		"three languages":       strings.Replace(good, "de,cs", "de,cs,pl", 1),
		"an unknown language":   strings.Replace(good, "de,cs", "de,fr", 1),
		"one sentence missing":  "3 zraněné osoby.\n[phrase 2026-1 P10 de,cs n=3]",
		"one sentence more":     "Nikdo není zraněn.\n" + good,
		"something after":       good + "\nNikdo není zraněn.",
		"unknown version":       strings.Replace(good, "2026-1", "2031-4", 1),
		"unknown phrase":        strings.Replace(good, "P10", "P999", 1),
		"no value":              strings.Replace(good, " n=3", "", 1),
		"one value more":        strings.Replace(good, "n=3", "n=3 place=Zittau", 1),
		"a value twice":         strings.Replace(good, "n=3", "n=3 n=3", 1),
		"a value in other form": strings.Replace(good, "n=3", "n=03", 1),
		"needless quotes":       strings.Replace(good, "n=3", `n="3"`, 1),
		"no end":                strings.TrimSuffix(good, "]"),
		"a wrong plural":        strings.Replace(good, "3 zraněné osoby", "3 zraněných osob", 1),
		"the tag alone":         "[phrase 2026-1 P10 de,cs n=3]",
		"too long":              good + strings.Repeat(" ", maxMessage),
		"hidden signs":          strings.Replace(good, "3 zraněné", "3\u200b zraněné", 1),
	} {
		if s, ok := b.Read(text); ok {
			t.Errorf("%s: taken for %q", name, s.In(i18n.En))
		}
	}
}

// A file of a spreadsheet program of these countries is read; each fault is told with
// its line.
func TestCSV(t *testing.T) {
	b := book(t)
	file, err := CSV(b.InForce(noon), func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	again, faults := parseCSV(file, false)
	if len(faults) > 0 || len(again) != len(b.InForce(noon)) {
		t.Fatalf("%d phrases, %+v", len(again), faults)
	}
	for i, p := range b.InForce(noon) {
		if again[i].fingerprint() != p.fingerprint() || again[i].ID != p.ID || again[i].Group != p.Group {
			t.Errorf("%s comes back as %+v", p.ID, again[i])
		}
	}
	one, faults := parseCSV([]byte("id;group;slots;cs;de;pl;en\r\nL1;own;;Ahoj.;Hallo.;Cześć.;Hello.\r\n"), false)
	if len(faults) > 0 || len(one) != 1 || one[0].Texts[i18n.Pl][""] != "Cześć." {
		t.Errorf("with semicolons: %+v %+v", one, faults)
	}
	for row, want := range map[string]string{
		"lower,own,,a,b,c,d":                 "phrase.fault.id",
		"L1,nowhere,,a,b,c,d":                "phrase.fault.group",
		"L1,own,n:words,{n},{n},{n},{n}":     "phrase.fault.slots",
		"L1,own,x:words,{x},{x},{x},no":      "phrase.fault.slot_missing",
		"L1,own,,a,b,c,{y}":                  "phrase.fault.unknown_slot",
		"L1,own,,a,b,c,":                     "phrase.fault.empty",
		"L1,own,n:number,{n},one: {n},{n},d": "phrase.fault.form_missing",
		"L1,own,n:number,one: {n} | few: {n} | other: {n},{n},one: {n} | few: {n} | other: {n},{n}": "phrase.fault.form",
		"L1,own,,=a,b,c,d":                 "phrase.fault.signs",
		"L1,own,,a\u202e,b,c,d":            "phrase.fault.signs",
		"L1,own,,\"a,b,c,d":                "phrase.fault.csv",
		"L1,own,,a,b,c,d\nL1,own,,a,b,c,d": "phrase.fault.twice",
	} {
		_, faults := parseCSV([]byte("id,group,slots,cs,de,pl,en\n"+row+"\n"), false)
		found := false
		for _, f := range faults {
			found = found || f.Key == want && f.Line >= 2
		}
		if !found {
			t.Errorf("%q: %+v, want %s", row, faults, want)
		}
	}
	if _, faults := parseCSV([]byte("id,cs\nL1,a\n"), false); len(faults) != 5 || faults[0].Key != "phrase.fault.column" {
		t.Errorf("columns missing: %+v", faults)
	}
}

func FuzzRead(f *testing.F) {
	b := book(f)
	f.Add("3 verletzte Personen.\n3 zraněné osoby.\n[phrase 2026-1 P10 de,cs n=3]")
	f.Add("Gefahrstoff: „a\"b“.\n[phrase 2026-1 P52 de words=\"a\\\"b\"]")
	f.Fuzz(func(t *testing.T, text string) {
		if s, ok := b.Read(text); ok && !strings.Contains(text, s.In(s.Lang)) {
			t.Errorf("%q is shown as %q", text, s.In(s.Lang))
		}
	})
}

func BenchmarkRead(b *testing.B) {
	k := book(b)
	const text = "3 verletzte Personen.\n3 zraněné osoby.\n[phrase 2026-1 P10 de,cs n=3]"
	for b.Loop() {
		s, ok := k.Read(text)
		if !ok || s.In(i18n.Pl) == "" {
			b.Fatal("not read")
		}
	}
}
