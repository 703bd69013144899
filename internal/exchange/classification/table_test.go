package classification

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"trojmezi/internal/kernel/i18n"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func shipped() *Table { return newTable(slices.Clone(Shipped()), nil) }

// The shipped rows: at least the 65 types of the source, each well formed, no two with
// the same words in one language, nothing checked that nobody has checked.
func TestShipped(t *testing.T) {
	rows, faults := ReadFile(typesFile)
	if len(faults) > 0 {
		t.Fatalf("%+v", faults)
	}
	types := 0
	words := map[string]string{}
	for _, r := range rows {
		if len(r.Code[HZS])+len(r.Code[SN]) > 0 {
			types++
		}
		for _, l := range i18n.Langs {
			if !r.Label[l].Draft() {
				t.Errorf("%s %s is called checked", r.Key, l)
			}
			at := string(l) + " " + normal(r.Label[l].Text)
			if words[at] != "" {
				t.Errorf("%s and %s are both %q", words[at], r.Key, at)
			}
			words[at] = r.Key
		}
	}
	if types < 65 {
		t.Errorf("%d types", types)
	}
	if o := overlaps(shipped().rows); o != nil {
		t.Errorf("%s has two rows", o.Key)
	}
}

// Every row of the source came over with its codes, and what it calls from memory is not
// called verified here.
func TestSource(t *testing.T) {
	dir := os.Getenv("TROJMEZI_SAMPLES")
	if dir == "" {
		t.Skip("TROJMEZI_SAMPLES is not set")
	}
	f, err := os.Open(filepath.Join(dir, "interop", "incident_types.csv"))
	if err != nil {
		t.Skip("no incident_types.csv among the samples")
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	col := map[string]int{}
	for i, name := range all[0] {
		col[name] = i
	}
	table := shipped()
	for _, line := range all[1:] {
		get := func(name string) string { return line[col[name]] }
		r := table.get(get("key"), "")
		if r == nil {
			t.Errorf("%s is missing", get("key"))
			continue
		}
		has := func(s System, code string) {
			if code != "" && !slices.ContainsFunc(r.Code[s], func(c Code) bool { return c.Code == code }) {
				t.Errorf("%s lacks %s %s", r.Key, s, code)
			}
		}
		has(HZS, strings.TrimSuffix(get("cz_hzs_type")+"/"+get("cz_hzs_subtype"), "/"))
		has(CAP, get("cap_category"))
		for c := range strings.SplitSeq(get("emsi_category"), ";") {
			has(EMSI, c)
		}
		has(CISU, get("cisu_whats_happen"))
		if !strings.HasPrefix(get("de_sn_stichwort"), "RD (") {
			has(SN, get("de_sn_stichwort"))
		}
		for _, l := range i18n.Langs {
			if r.Label[l].Text != get(string(l)) {
				t.Errorf("%s %s: %q", r.Key, l, r.Label[l].Text)
			}
		}
		for s, mark := range map[System]string{HZS: "from-memory:cz", SN: "from-memory:de", PSP: "from-memory:pl"} {
			if strings.Contains(get("row_status"), mark) && len(r.Code[s]) > 0 && r.Code[s][0].Verified {
				t.Errorf("%s calls its %s code verified", r.Key, s)
			}
		}
	}
	if len(all)-1 < 65 {
		t.Errorf("the source has %d types", len(all)-1)
	}
}

// The codes of the French hub are on its list; those of EMSI and CAP every row is held to.
func TestFrenchCodes(t *testing.T) {
	dir := os.Getenv("TROJMEZI_SAMPLES")
	if dir == "" {
		t.Skip("TROJMEZI_SAMPLES is not set")
	}
	list, err := os.ReadFile(filepath.Join(dir, "interop", "nomenclature", "HubSante.fait.csv"))
	if err != nil {
		t.Skip("no HubSante.fait.csv among the samples")
	}
	for _, r := range Shipped() {
		for _, c := range r.Code[CISU] {
			if !strings.Contains(string(list), ","+c.Code+",") {
				t.Errorf("%s has %s, which the list does not", r.Key, c.Code)
			}
		}
	}
}

// What a code means: itself, its family, or the part of it that is known.
func TestLabel(t *testing.T) {
	table := shipped()
	for _, c := range []struct {
		system System
		code   string
		lang   i18n.Lang
		key    string
		level  int
	}{
		{HZS, "3100/3108", i18n.De, "fire.vehicle", 0},
		{HZS, "3108", i18n.Pl, "fire.vehicle", 0},
		{HZS, "3100", i18n.De, "fire", 0},
		{HZS, "3100/3199", i18n.De, "fire", 1},
		{HZS, "3100/3101", i18n.En, "fire.building.low", 0}, // the chimney has it from memory
		{HZS, "3700/10016", i18n.Cs, "natural.flood", 1},
		{SN, "BMA", i18n.Cs, "fire.alarm", 0},
		{SN, "Brand 2 (mittel)", i18n.Cs, "fire", 2},
		{SN, "brand 2", i18n.Cs, "fire", 1},
		{SN, "TH 2 (mittel)", i18n.Pl, "tech", 2}, // one of its types is verified, and it is none of the others
		{SN, "ABC 3 (groß)", i18n.Pl, "hazmat", 2},
		{SN, "ABC", i18n.Pl, "hazmat", 0},
		{SN, "Brand 3 (groß) – Fläche", i18n.Cs, "fire.forest", 0},
		{SN, "sonstige", i18n.Cs, "other", 0},
		{PSP, "Pożar/lasy", i18n.Cs, "fire.forest", 0},
		{PSP, "Pożar", i18n.Cs, "fire", 0},
		{PSP, "Pożar/coś innego", i18n.Cs, "fire", 1},
		{PSP, "Pożar / coś innego", i18n.Cs, "fire", 1},
		{PSP, "Miejscowe zagrożenie/inne", i18n.Cs, "hazard", 1},
		{PSP, "Alarm fałszywy/złośliwy", i18n.En, "false.malicious", 0},
		{EMSI, "FIR/CLB", i18n.Cs, "fire.vehicle", 0},
		{EMSI, "FIR/CLA", i18n.Cs, "fire", 1},
		{EMSI, "TRP/COL/XYZ", i18n.Cs, "traffic", 2},
		{EMSI, "PSW/XYZ", i18n.Cs, "other", 1},
		{CISU, "C04.01.00", i18n.Cs, "fire.vehicle", 0},
		{CISU, "C04.01.99", i18n.Cs, "fire.vehicle", 1},
		{CISU, "C04.99.99", i18n.Cs, "fire", 2},
		{CAP, "Fire", i18n.Cs, "fire", 0},
		{CAP, "Infra", i18n.Cs, "tech", 1},
	} {
		got, ok := table.Label(c.system, c.code, c.lang, noon)
		if !ok || got.Key != c.key || got.Level != c.level || got.Code != c.code || got.Text == "" || !got.Draft {
			t.Errorf("%s %q: %+v %v", c.system, c.code, got, ok)
		}
	}
	for _, words := range []string{"Fehlalarm unwahrscheinlich", "Brand in der Küche", "Rettung nicht nötig", "TH 2 kein Baum"} {
		if got, ok := table.Label(SN, words, i18n.Cs, noon); ok {
			t.Errorf("%q is taken for %+v", words, got)
		}
	}
	for _, unknown := range []string{"", "9999", "xyz", "/", strings.Repeat("a/", 10_000)} {
		if got, ok := table.Label(HZS, unknown, i18n.Cs, noon); ok {
			t.Errorf("%.20q is %+v", unknown, got)
		}
	}
}

func TestMap(t *testing.T) {
	table := shipped()
	for _, c := range []struct {
		from System
		code string
		to   System
		want Codes
	}{
		{HZS, "3100/3108", SN, Codes{Codes: []string{"Brand 1 (klein)"}, Key: "fire.vehicle"}},
		{HZS, "3100/3108", PSP, Codes{Codes: []string{"Pożar/środki transportu"}, Key: "fire.vehicle"}},
		{HZS, "3100/3199", SN, Codes{Codes: []string{"Brand"}, Key: "fire", Level: 1}},
		{SN, "Brand 2 (mittel)", HZS, Codes{Codes: []string{"3100"}, Key: "fire", Level: 2}},
		{HZS, "3200/3211", EMSI, Codes{Codes: []string{"TRP/COL", "ASR/TRP"}, Key: "traffic.extrication"}},
		{SN, "MANV", HZS, Codes{}},
		{HZS, "9999", SN, Codes{}},
	} {
		c.want.From, c.want.Code, c.want.To = c.from, c.code, c.to
		if diff := cmp.Diff(c.want, table.Map(c.from, c.code, c.to, noon)); diff != "" {
			t.Error(diff)
		}
	}
}

// A code counts on its days; a day begins at midnight in the three countries.
func TestDays(t *testing.T) {
	rows := slices.Clone(Shipped())
	i := slices.IndexFunc(rows, func(r Row) bool { return r.Key == "fire.vehicle" })
	rows[i].Until = "2027-01-01"
	later := rows[i]
	later.Since, later.Until = "2027-01-01", ""
	later.Code = map[System][]Code{HZS: {{Code: "3100/3118"}}}
	table := newTable(append(rows, later), nil)
	before, after := time.Date(2026, 12, 31, 22, 59, 0, 0, time.UTC), time.Date(2026, 12, 31, 23, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		code string
		at   time.Time
		key  string
	}{{"3100/3108", before, "fire.vehicle"}, {"3100/3108", after, "fire"}, {"3100/3118", before, "fire"}, {"3100/3118", after, "fire.vehicle"}} {
		if got, _ := table.Label(HZS, c.code, i18n.Cs, c.at); got.Key != c.key {
			t.Errorf("%s at %s is %s", c.code, c.at, got.Key)
		}
	}
}

// A bare word of a neighbour: a code of his system, of the reader's, words of a label, an
// entry of his catalogue.
func TestRead(t *testing.T) {
	c := &Catalogue{Keywords: []Keyword{{"B3", "Brand – Fahrzeug", "fw"}, {"XQ", "Sonderlage", "fw"}, {"VU1", "irgendwas", ""}}}
	c.index()
	table := newTable(slices.Clone(Shipped()), map[string]*Catalogue{"1.2.276.1": c})
	for _, x := range []struct {
		word, sender string
		key, text    string
		system       System
	}{
		{"BMA", "1.2.276.1", "fire.alarm", "Signalizace EPS", SN},
		{"3100/3110", "1.2.276.1", "fire.forest", "Požár – lesní porost", HZS}, // he wrote in the receiver's system
		{"pożar – las", "1.2.276.1", "fire.forest", "Požár – lesní porost", ""},
		{"B3", "1.2.276.1", "fire.vehicle", "Požár – dopravní prostředky", catalogueSystem},
		{"xq", "1.2.276.1", "", "Sonderlage", catalogueSystem},
		{"XQ", "1.2.276.2", "", "", ""},
		{"dopravní nehoda", "1.2.203.1", "traffic", "Dopravní nehoda", ""},
	} {
		got, ok := table.Read(x.word, x.sender, []System{SN, HZS}, i18n.Cs, noon)
		if ok != (x.text != "") || got.Key != x.key || got.Text != x.text || got.System != x.system || ok && got.Code != x.word {
			t.Errorf("%q: %+v %v", x.word, got, ok)
		}
	}
}

// Every code that a row has has a label in four languages on each of its days, and what
// the codes of a row become in a system is never empty while the row has codes there.
func TestEveryCode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := slices.Clone(Shipped())
		for range rapid.IntRange(0, 8).Draw(t, "changes") {
			i := rapid.IntRange(0, len(Shipped())-1).Draw(t, "row")
			if rows[i].Until != "" || rows[i].Key == rootKey {
				continue
			}
			day := noon.AddDate(0, 0, rapid.IntRange(-400, 400).Draw(t, "day")).Format(time.DateOnly)
			rows[i].Until = day
			next := rows[i]
			next.Since, next.Until = day, ""
			rows = append(rows, next)
		}
		table := newTable(rows, nil)
		at := noon.AddDate(0, 0, rapid.IntRange(-500, 500).Draw(t, "at"))
		for _, r := range rows {
			if !r.valid(at.In(zone()).Format(time.DateOnly)) {
				continue
			}
			for s, codes := range r.Code {
				for _, c := range codes {
					for _, l := range i18n.Langs {
						if got, ok := table.Label(s, c.Code, l, at); !ok || got.Text == "" {
							t.Fatalf("%s %s has no label in %s", s, c.Code, l)
						}
					}
				}
				if got := table.CodesOf(r.Key, s, at); len(got.Codes) != len(codes) || got.Level != 0 {
					t.Fatalf("%s in %s: %+v", r.Key, s, got)
				}
			}
		}
	})
}

// What is written as CSV reads back the same, also as spreadsheets write it.
func TestRoundTrip(t *testing.T) {
	table := shipped()
	var out bytes.Buffer
	if err := table.Write(&out); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	w := csv.NewWriter(&again)
	w.Comma = ';'
	all, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(out.Bytes(), []byte(byteOrderMark)))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteAll(all); err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{"with mark": out.Bytes(), "without": bytes.TrimPrefix(out.Bytes(), []byte(byteOrderMark)), "semicolons": again.Bytes()} {
		plan, faults := table.Plan(file)
		if len(faults) > 0 || len(plan.Changes) > 0 {
			t.Errorf("%s: %+v %+v", name, faults, plan.Changes)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		r := Row{Key: "a.b", Label: map[i18n.Lang]Text{}, Code: map[System][]Code{}}
		word := rapid.StringMatching(`[=+@'a-zA-Zžł"„“ ,;|-]{0,20}[a-z]`)
		for _, l := range i18n.Langs {
			r.Label[l] = Text{Text: strings.TrimSpace(word.Draw(t, "label"))}
		}
		r.Note = strings.TrimSpace(word.Draw(t, "note"))
		r.Code[SN] = []Code{{Code: "Brand 9", Outward: rapid.Bool().Draw(t, "outward"), Verified: true}}
		var out bytes.Buffer
		if err := newTable([]Row{r}, nil).Write(&out); err != nil {
			t.Fatal(err)
		}
		back, faults := ReadFile(out.Bytes())
		if len(faults) > 0 || len(back) != 1 {
			t.Fatalf("%+v\n%s", faults, out.String())
		}
		if diff := changes(&r, &back[0]); len(diff) > 0 {
			t.Fatalf("%+v\n%s", diff, out.String())
		}
	})
}

// A fault in a file has its place.
func TestFaults(t *testing.T) {
	head := "key,cs,de,pl,en,emsi,cap,cz-hzs,since,until\n"
	for _, c := range []struct {
		file         string
		line, column int
		key          string
	}{
		{"", 1, 1, "csv"},
		{"key,cs,de,pl\n", 1, 1, "missing"},
		{"key,cs,de,pl,en,colour\n", 1, 17, "column"},
		{head + "Fire!,a,b,c,d,,,,,\n", 2, 1, "key"},
		{head + "x,a,b,c,d,FIR/XXX,,,,\n", 2, 11, "code.emsi"},
		{head + "x,a,b,c,d,,fire,,,\n", 2, 12, "code.cap"},
		{head + "y,a,b,c,d,,,,,\nx,a,,c,d,,,,,\n", 3, 5, "label"},
		{head + "x,a,b,c,d,,,31,,\n", 2, 13, "code.cz-hzs"},
		{head + "x,a,b,c,d,,,,31.1.2027,\n", 2, 14, "day"},
		{head + "x,a,b,c,d,,,,2027-02-01,2027-01-01\n", 2, 25, "order"},
		{head + "x,a,b,c,d,,,,,\nx,a,b,c,d,,,,,\n", 3, 1, "twice"},
		{head + "x,a,b\n", 2, 1, "fields"},
		{head + "x,a\"b,b,c,d,,,,,\n", 2, 4, "csv"},
		{head + "x,a\xe1,b,c,d,,,,,\n", 2, 4, "utf8"},
		{head + "x," + strings.Repeat("a", 81) + ",b,c,d,,,,,\n", 2, 3, "long"},
		{strings.Repeat("x", maxFile+1), 1, 1, "large"},
	} {
		_, faults := ReadFile([]byte(c.file))
		if len(faults) == 0 || faults[0].Line != c.line || faults[0].Column != c.column || faults[0].Key != "classification.fault."+c.key {
			t.Errorf("%.60q: %+v", c.file, faults)
		}
	}
	if _, faults := shipped().Plan([]byte(head + "fire,a,b,c,d,,,,2027-01-01,\n")); len(faults) != 1 || faults[0].Key != "classification.fault.overlap_in" {
		t.Errorf("%+v", faults)
	}
}

func FuzzReadFile(f *testing.F) {
	f.Add(typesFile)
	f.Add([]byte("key;cs;de;pl;en\nx;a;b;c;d\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		rows, faults := ReadFile(file)
		if len(rows) > 0 && len(faults) > 0 {
			t.Error("rows and faults")
		}
		newTable(rows, nil)
	})
}

func BenchmarkLabel(b *testing.B) {
	table := shipped()
	for _, c := range []struct {
		system System
		code   string
	}{{HZS, "3100/3108"}, {SN, "Brand 2 (mittel)"}, {EMSI, "FIR/CLA"}, {PSP, "Pożar/coś innego"}} {
		b.Run(fmt.Sprintf("%s %s", c.system, c.code), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				table.Label(c.system, c.code, i18n.Cs, noon)
			}
		})
	}
}

func BenchmarkMap(b *testing.B) {
	table := shipped()
	b.ReportAllocs()
	for b.Loop() {
		table.Map(HZS, "3100/3108", SN, noon)
	}
}

// What people read of a code says how it is founded and what it is for.
func TestShown(t *testing.T) {
	r := readRow(func(column string) string {
		return map[string]string{"key": "fire.x", "cz-hzs": "3100", "de-sn": ">Brand 1; Brand 2", "verified": "cz-hzs"}[column]
	})
	if got, want := r.shown(HZS)+" | "+r.shown(SN), "3100 | >Brand 1\u00a0?; Brand 2\u00a0?"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
