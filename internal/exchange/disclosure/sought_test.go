package disclosure

import (
	"strings"
	"testing"
	"time"

	"trojmezi/internal/format/convert"
)

// A number is the same however it is written, and no other that ends like it.
func TestPhone(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"+420 601 234 567", "601234567", true},
		{"00420 601 234 567", "+420601234567", true},
		{"420601234567", "601 234 567", true},
		{"+420 601 234 567", "+48 601 234 567", false},
		{"+49 (0)3571 123456", "03571 / 12 34 56", true},
		{"0049 3571 123456", "+49-3571-123456", true},
		{"485 111 222", "+420 485 111 222", true}, // of Liberec, not of Poland
		{"485 111 222", "+48 5111222", false},
		{"48601234567", "601234567", true},
		{"+49 151 23456789", "+420 123 456 789", false},
		{"+420 601\u00a0234\u00a0567", "601234567", true},
		{"112", "112", false},
		{"", "", false},
	} {
		if got := readPhone(c.a).same(readPhone(c.b)); got != c.same {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
	p := readPhone("+420 601 234 567")
	for text, in := range map[string]bool{
		"volal z 601 234 567, prosí": true, "tel.: 00420/601234567": true, "601\u00a0234\u00a0567": true, "601 234 567 12:30": true, "číslo 601 234 568": false, "12": false,
	} {
		if p.in(text) != in {
			t.Errorf("%q: %v", text, !in)
		}
	}
}

// A person is found by number and name, however the name is written, and it is said how
// sure that is.
func TestSoughtPerson(t *testing.T) {
	q := Sought{Name: "NOVAK karel", Phone: "00420600000000"}
	for _, c := range []struct {
		name, phone string
		by          Likeness
	}{
		{"Karel Novák", "+420 600 000 000", ByBoth}, {"", "600000000", ByBoth}, {"Novák", "600 000 000", ByBoth},
		{"Eva Malá", "600 000 000", ByNumber}, {"Karel Novák", "+420 777 111 222", ByName}, {"Novák", "", ByName},
		{"Karel Nováček", "", ""}, {"Eva Malá", "777 111 222", ""}, {"", "", ""}, {"▒▒▒", "", ""},
	} {
		if by := q.Person(c.name, c.phone); by != c.by {
			t.Errorf("%s %s: %q, want %q", c.name, c.phone, by, c.by)
		}
	}
	if by := (Sought{Phone: "600000000"}).Person("Eva Malá", "600 000 000"); by != ByNumber {
		t.Errorf("without a name nobody knows whose the number is: %q", by)
	}
	if by := (Sought{Name: "Weiss Łukasz"}).Person("Łukasz Weiß", ""); by != ByName {
		t.Errorf("%q", by)
	}
}

// Of a message only the sought person's entries are given, never those beside him.
func TestSoughtIn(t *testing.T) {
	m, f := convert.Read([]byte(sample), convert.Auto)
	if f != nil {
		t.Fatal(f)
	}
	found := Sought{Name: "Jiří Novák", Phone: "603123456"}.In(m.Incident)
	var paths []string
	for _, x := range found {
		paths = append(paths, x.Path+" "+string(x.By))
		for _, d := range x.Values {
			if x.By == ByBoth && x.Path == "Callers[0]" && !strings.Contains("Jiří Novák +420 603 123 456", d.Text) {
				t.Errorf("%+v", d)
			}
		}
	}
	if len(found) == 0 || !strings.Contains(strings.Join(paths, ";"), "Callers[0] both") {
		t.Errorf("found: %v", paths)
	}
	if found := (Sought{Name: "Nikdo Neznámý", Phone: "799999999"}).In(m.Incident); len(found) != 0 {
		t.Errorf("%+v", found)
	}
}

// What a request lacks is said; its number names nobody.
func TestPersonRequestWrong(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	good := PersonRequest{Sought: Sought{Name: "Karel Novák", Phone: "600000000"}, Number: "GDPR-2026/17", Reason: "access", Identified: now.Add(-time.Hour)}
	if all := good.Wrong(now); len(all) != 0 {
		t.Errorf("%v", all)
	}
	for field, change := range map[string]func(*PersonRequest){
		"phone":      func(r *PersonRequest) { r.Name, r.Phone = "", "112" },
		"to":         func(r *PersonRequest) { r.From, r.To = now, now },
		"number":     func(r *PersonRequest) { r.Number = "Novák 1" },
		"reason":     func(r *PersonRequest) { r.Reason = "curious" },
		"identified": func(r *PersonRequest) { r.Identified = now.Add(time.Hour) },
	} {
		r := good
		change(&r)
		if all := r.Wrong(now); len(all) != 1 || all[0][0] != field {
			t.Errorf("%s: %v", field, all)
		}
	}
	for _, number := range []string{"", "abc", "600 000 000", "karel.novak-3", "1\n2", strings.Repeat("1", 60)} {
		r := good
		if r.Number = number; len(r.Wrong(now)) != 1 {
			t.Errorf("%q is taken", number)
		}
	}
}

// Every label and row the letter may need is there.
func TestLaw(t *testing.T) {
	for _, g := range Groups {
		if len(bases(g, "CZ")) == 0 {
			t.Errorf("%s is processed on no basis", g)
		}
	}
	for country, want := range map[string]string{"CZ": "ÚOOÚ", "DE": "SächsDSB", "PL": "UODO"} {
		if all := authorities(country); len(all) != 3 || !strings.Contains(all[0].name, want) {
			t.Errorf("%s: %v", country, all)
		}
	}
}

// BenchmarkSought reads a message and looks for a person in it: what a search does with
// each, but for fetching and unsealing it.
func BenchmarkSought(b *testing.B) {
	q := Sought{Name: "Karel Nováček", Phone: "+420 601 234 567"}
	for b.Loop() {
		m, f := convert.Read([]byte(sample), convert.Auto)
		if f != nil {
			b.Fatal(f)
		}
		q.In(m.Incident)
	}
}
