package i18n_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"trojmezi/internal/kernel/i18n"
)

// locales makes a source from the contents of its four files.
func locales(cs, de, pl, en string) fs.FS {
	return fstest.MapFS{
		"locales/cs.json": {Data: []byte(cs)}, "locales/de.json": {Data: []byte(de)},
		"locales/pl.json": {Data: []byte(pl)}, "locales/en.json": {Data: []byte(en)},
	}
}

var messages = locales(
	`{"m.count": {"one": "{n} zpráva", "few": "{n} zprávy", "many": "{n} zprávy", "other": "{n} zpráv"}, "m.from": "od {name}, {time}"}`,
	`{"m.count": {"one": "eine Nachricht", "other": "{n} Nachrichten"}, "m.from": "{time}: von {name}"}`,
	`{"m.count": {"one": "{n} wiadomość", "few": "{n} wiadomości", "many": "{n} wiadomości", "other": "{n} wiadomości"}, "m.from": "od {name}, {time}"}`,
	`{"m.count": {"one": "{n} message", "other": "{n} messages"}, "m.from": "from {name}, {time}"}`,
)

func load(t testing.TB, sources ...fs.FS) *i18n.Bundle {
	t.Helper()
	b, err := i18n.Load(sources...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPlural(t *testing.T) {
	b := load(t, messages)
	tests := []struct {
		lang i18n.Lang
		n    any
		want string
	}{
		{i18n.Cs, 0, "0 zpráv"}, {i18n.Cs, 1, "1 zpráva"}, {i18n.Cs, 2, "2 zprávy"}, {i18n.Cs, 4, "4 zprávy"},
		{i18n.Cs, 5, "5 zpráv"}, {i18n.Cs, 22, "22 zpráv"}, {i18n.Cs, 1.5, "1,5 zprávy"}, {i18n.Cs, int64(1), "1 zpráva"},
		{i18n.Cs, 10_000_000, "10\u202f000\u202f000 zpráv"},
		{i18n.Cs, 10_000_001, "10\u202f000\u202f001 zpráv"}, // not one: the operand must not be cut to 1
		{i18n.De, 1, "eine Nachricht"}, {i18n.De, 0, "0 Nachrichten"}, {i18n.De, 1.5, "1,5 Nachrichten"},
		{i18n.Pl, 1, "1 wiadomość"}, {i18n.Pl, 22, "22 wiadomości"}, {i18n.Pl, 1.5, "1,5 wiadomości"},
		{i18n.En, 1, "1 message"}, {i18n.En, 2, "2 messages"}, {i18n.En, 1.5, "1.5 messages"},
		{i18n.En, "1", "1 messages"}, // text is no number: the general form
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s/%v", tt.lang, tt.n), func(t *testing.T) {
			if got := b.Text(tt.lang, "m.count", i18n.Args{"n": tt.n}); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if b.Missing() != 0 {
		t.Errorf("%d texts missing", b.Missing())
	}
}

func TestPluralFormsOfPolish(t *testing.T) {
	const forms = `{"one": "one", "few": "few", "many": "many", "other": "other"}`
	const two = `{"one": "one", "other": "other"}`
	b := load(t, locales(`{"k": `+forms+`}`, `{"k": `+two+`}`, `{"k": `+forms+`}`, `{"k": `+two+`}`))
	for n, want := range map[int]string{0: "many", 1: "one", 2: "few", 5: "many", 12: "many", 21: "many", 22: "few", 112: "many", 1_000_002: "few", -1: "one"} {
		if got := b.Text(i18n.Pl, "k", i18n.Args{"n": n}); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestMissing(t *testing.T) {
	b := load(t, messages)
	for _, tt := range []struct {
		lang i18n.Lang
		key  string
		args i18n.Args
		want string
	}{
		{i18n.De, "m.nothing", nil, "⟦m.nothing⟧"},
		{i18n.De, "m.from", i18n.Args{"name": "Zittau"}, "⟦time⟧: von Zittau"},
	} {
		before := b.Missing()
		if got := b.Text(tt.lang, tt.key, tt.args); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
		if b.Missing() != before+1 {
			t.Errorf("%s: not counted", tt.key)
		}
	}
	if got := b.Text("fr", "m.count", i18n.Args{"n": 2}); got != "2 messages" {
		t.Errorf("an unknown language gave %q, want English", got)
	}
	if b.Has("m.nothing") || !b.Has("m.from") {
		t.Error("Has is wrong")
	}
}

func TestLoadRefuses(t *testing.T) {
	const ok = `{"m.a": "A {x}"}`
	const two = `{"m.a": {"one": "{x}", "other": "{x}"}}`
	tests := []struct {
		name           string
		cs, de, pl, en string
		want           []string
	}{
		{"missing key", ok, `{}`, ok, ok, []string{`locales/de.json: key "m.a" is missing`}},
		{"missing in English", ok, ok, ok, `{}`, []string{`locales/en.json: key "m.a" is missing`}},
		{"other placeholder", ok, ok, `{"m.a": "A {y}"}`, ok, []string{`locales/pl.json: key "m.a" has the placeholders [y], locales/cs.json has [x]`}},
		{"dropped placeholder", ok, ok, ok, `{"m.a": "A"}`, []string{`locales/en.json: key "m.a"`}},
		{"plural forms missing", `{"m.a": {"one": "{x}", "few": "{x}", "other": "{x}"}}`, two, two, two,
			[]string{`locales/cs.json: key "m.a": plural form "many" is missing`, `plural form "few" is missing`}},
		{"plural form too many", ok, `{"m.a": {"one": "{x}", "few": "{x}", "other": "{x}"}}`, ok, ok, []string{`locales/de.json: key "m.a": "few" is no plural form`}},
		{"forms differ", ok, ok, ok, `{"m.a": {"one": "one", "other": "{x}"}}`, []string{`locales/en.json: key "m.a" has the placeholders [n]`}},
		{"key twice in a file", `{"m.a": "A {x}", "m.a": "B {x}"}`, ok, ok, ok, []string{`locales/cs.json: key "m.a" stands twice`}},
		{"key of another source", `{"i18n.language": "x"}`, ok, ok, ok, []string{`locales/cs.json: key "i18n.language" stands twice`}},
		{"empty text", ok, `{"m.a": " "}`, ok, ok, []string{`locales/de.json: key "m.a": empty text`}},
		{"not text", ok, `{"m.a": 7}`, ok, ok, []string{`locales/de.json: key "m.a": neither`}},
		{"open brace", ok, `{"m.a": "A {x"}`, ok, ok, []string{`locales/de.json: key "m.a"`, "bad placeholder"}},
		{"close brace", ok, `{"m.a": "A x}"}`, ok, ok, []string{"} without {"}},
		{"bad name", ok, `{"m.a": "A {X y}"}`, ok, ok, []string{"bad placeholder"}},
		{"no object", ok, `[]`, ok, ok, []string{`locales/de.json:1: not a JSON object`}},
		{"cut off", ok, "{\"m.a\":\n \"A {x}\"", ok, ok, []string{`locales/de.json:2: `}},
		{"syntax", ok, "{\n\"m.a\": \"A\n", ok, ok, []string{`locales/de.json:2: `}},
		{"two objects", ok, ok + ok, ok, ok, []string{"more after the object"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := i18n.Load(locales(tt.cs, tt.de, tt.pl, tt.en))
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q:\n%v", want, err)
				}
			}
		})
	}
	if _, err := i18n.Load(fstest.MapFS{}); err == nil || !strings.Contains(err.Error(), "locales/pl.json") {
		t.Errorf("source without files: %v", err)
	}
}

func TestKeysAndOwnTexts(t *testing.T) {
	b := load(t, messages)
	var got []string
	for _, k := range b.Keys() {
		if strings.HasPrefix(k, "m.") {
			got = append(got, k)
		}
	}
	if diff := cmp.Diff([]string{"m.count", "m.from"}, got); diff != "" {
		t.Error(diff)
	}
	for l, want := range map[i18n.Lang]string{i18n.Cs: "Čeština", i18n.De: "Deutsch", i18n.Pl: "Polski", i18n.En: "English"} {
		if got := b.Text(l, "i18n.language", nil); got != want {
			t.Errorf("%s calls itself %q", l, got)
		}
	}
}

// Whatever the arguments hold, even text that looks like a placeholder, they
// stand in the result unchanged and in the order of the text.
func TestPlaceholdersProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z_][a-z_0-9]{0,6}`), 1, 4, rapid.ID).Draw(t, "names")
		var source, want strings.Builder
		args := i18n.Args{}
		for _, name := range names {
			literal := rapid.StringMatching(`[a-zěßł ,.]{1,8}`).Draw(t, "literal")
			value := rapid.String().Draw(t, "value")
			args[name] = value
			source.WriteString("." + literal + "{" + name + "}")
			want.WriteString("." + literal + value)
		}
		doc := fmt.Sprintf(`{"k": %q}`, source.String())
		b, err := i18n.Load(locales(doc, doc, doc, doc))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range i18n.Langs {
			if got := b.Text(l, "k", args); got != want.String() {
				t.Fatalf("%s: %q, want %q", l, got, want.String())
			}
		}
		if b.Missing() != 0 {
			t.Fatal("counted as missing")
		}
	})
}

func TestFormat(t *testing.T) {
	b := load(t)
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	type texts struct{ Cs, De, Pl, En string }
	tests := []struct {
		name  string
		write func(i18n.Lang) string
		want  texts
	}{
		{"day", func(l i18n.Lang) string { return b.Date(l, at("2026-08-02T12:00:00Z")) },
			texts{"2.\u00a08.\u00a02026", "02.08.2026", "2.08.2026", "2\u00a0August\u00a02026"}},
		{"day is local", func(l i18n.Lang) string { return b.Date(l, at("2026-12-31T23:30:00Z")) },
			texts{"1.\u00a01.\u00a02027", "01.01.2027", "1.01.2027", "1\u00a0January\u00a02027"}},
		{"summer", func(l i18n.Lang) string { return b.Time(l, at("2026-08-15T12:06:24Z")) },
			texts{"14:06:24", "14:06:24", "14:06:24", "14:06:24"}},
		{"winter", func(l i18n.Lang) string { return b.Time(l, at("2026-11-25T03:12:00Z")) },
			texts{"04:12:00", "04:12:00", "04:12:00", "04:12:00"}},
		{"second before the repeated hour", func(l i18n.Lang) string { return b.Time(l, at("2026-10-24T23:59:59Z")) },
			texts{"01:59:59", "01:59:59", "01:59:59", "01:59:59"}},
		{"repeated hour, first", func(l i18n.Lang) string { return b.Time(l, at("2026-10-25T00:30:00Z")) },
			texts{"02:30:00 (letní čas)", "02:30:00 (Sommerzeit)", "02:30:00 (czas letni)", "02:30:00 (summer time)"}},
		{"repeated hour, second", func(l i18n.Lang) string { return b.Time(l, at("2026-10-25T01:00:00Z")) },
			texts{"02:00:00 (zimní čas)", "02:00:00 (Winterzeit)", "02:00:00 (czas zimowy)", "02:00:00 (winter time)"}},
		{"hour after the repeated one", func(l i18n.Lang) string { return b.Time(l, at("2026-10-25T02:00:00Z")) },
			texts{"03:00:00", "03:00:00", "03:00:00", "03:00:00"}},
		{"spring", func(l i18n.Lang) string { return b.Time(l, at("2026-03-29T01:00:00Z")) },
			texts{"03:00:00", "03:00:00", "03:00:00", "03:00:00"}},
		{"day and time", func(l i18n.Lang) string { return b.DateTime(l, at("2026-08-15T12:06:24Z")) },
			texts{"15.\u00a08.\u00a02026 v\u00a014:06:24", "15.08.2026, 14:06:24\u00a0Uhr", "15.08.2026, godz.\u00a014:06:24", "15\u00a0August\u00a02026, 14:06:24"}},
		{"day and repeated time", func(l i18n.Lang) string { return b.DateTime(l, at("2026-10-25T01:30:00Z")) },
			texts{"25.\u00a010.\u00a02026 v\u00a002:30:00 zimního času", "25.10.2026, 02:30:00\u00a0Uhr Winterzeit", "25.10.2026, godz.\u00a002:30:00 czasu zimowego", "25\u00a0October\u00a02026, 02:30:00 winter time"}},
		{"number", func(l i18n.Lang) string { return b.Number(l, -1234567) },
			texts{"−1\u202f234\u202f567", "−1\u202f234\u202f567", "−1\u202f234\u202f567", "−1\u202f234\u202f567"}},
		{"small number", func(l i18n.Lang) string { return b.Number(l, 123) }, texts{"123", "123", "123", "123"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := texts{tt.write(i18n.Cs), tt.write(i18n.De), tt.write(i18n.Pl), tt.write(i18n.En)}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if b.Missing() != 0 {
		t.Errorf("%d texts missing", b.Missing())
	}
}

func TestMinuteAndForm(t *testing.T) {
	b := load(t)
	noon := time.Date(2026, 11, 30, 13, 5, 59, 0, time.UTC)
	twice := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC)
	for _, l := range i18n.Langs {
		if got := b.Minute(l, noon); got != "14:05" {
			t.Errorf("%s: %q", l, got)
		}
		if a, z := b.Minute(l, twice), b.Minute(l, twice.Add(time.Hour)); a == z || !strings.HasPrefix(a, "02:30 (") {
			t.Errorf("%s: the hour that comes twice: %q and %q", l, a, z)
		}
	}
	for _, c := range []struct {
		l    i18n.Lang
		n    int64
		want string
	}{{i18n.Cs, 1, "one"}, {i18n.Cs, 4, "few"}, {i18n.Cs, 22, "other"}, {i18n.Pl, 22, "few"}, {i18n.Pl, 12, "many"}, {i18n.De, 0, "other"}, {i18n.En, 1, "one"}, {"fr", 1, "one"}} {
		if got := i18n.Form(c.l, c.n); got != c.want {
			t.Errorf("%s %d: %s", c.l, c.n, got)
		}
	}
}

func TestArgumentsAreFormatted(t *testing.T) {
	const doc = `{"k": "{i}|{f}|{t}|{d}|{s}|{b}"}`
	b := load(t, locales(doc, doc, doc, doc))
	got := b.Text(i18n.De, "k", i18n.Args{
		"i": int64(1234), "f": 1234.5, "t": time.Date(2026, 8, 15, 12, 0, 0, 0, time.UTC), "d": 192 * time.Second, "s": "2026", "b": true,
	})
	const want = "1\u202f234|1\u202f234,5|15.08.2026, 14:00:00\u00a0Uhr|3\u00a0min 12\u00a0s|2026|true"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDuration(t *testing.T) {
	b := load(t)
	for d, want := range map[time.Duration]string{
		0: "0\u00a0s", 999 * time.Millisecond: "0\u00a0s", 59 * time.Second: "59\u00a0s",
		time.Minute: "1\u00a0min 0\u00a0s", 192 * time.Second: "3\u00a0min 12\u00a0s",
		2*time.Hour + 5*time.Minute + 59*time.Second: "2\u00a0h 5\u00a0min",
		100 * time.Hour:        "4\u00a0d 4\u00a0h",
		-90 * time.Second:      "−1\u00a0min 30\u00a0s",
		-10 * time.Millisecond: "0\u00a0s",
	} {
		if got := b.Duration(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestIn(t *testing.T) {
	b := load(t)
	noon := time.Date(2026, 8, 15, 12, 0, 0, 0, time.UTC)
	if got := b.In(time.UTC).Time(i18n.En, noon); got != "12:00:00" {
		t.Errorf("in UTC: %s", got)
	}
	if got := b.Time(i18n.En, noon); got != "14:00:00" {
		t.Errorf("the first bundle changed too: %s", got)
	}
}

var acceptLanguages = []struct {
	header string
	want   i18n.Lang
}{
	{"", i18n.En}, {"*", i18n.En}, {"cs", i18n.Cs}, {"cs-CZ,cs;q=0.9,en;q=0.8", i18n.Cs}, {"de-AT", i18n.De},
	{"pl-PL,pl;q=0.9", i18n.Pl}, {"en-GB", i18n.En}, {"fr-FR,de;q=0.5,en;q=0.4", i18n.De}, {"fr", i18n.En},
	{"de;q=0.1,pl;q=0.9", i18n.Pl}, {"sk", i18n.Cs}, {"hsb", i18n.De}, {"szl", i18n.Pl}, {"%%%", i18n.En}, {"cs;q=x", i18n.En},
	{"cs," + strings.Repeat("de,", 200), i18n.En},
}

func TestMatch(t *testing.T) {
	for _, tt := range acceptLanguages {
		if got := i18n.Match(tt.header); got != tt.want {
			t.Errorf("Match(%.40q) = %s, want %s", tt.header, got, tt.want)
		}
	}
}

func TestParse(t *testing.T) {
	for code, want := range map[string]bool{"cs": true, "de": true, "pl": true, "en": true, "": false, "CS": false, "cs-CZ": false, "fr": false} {
		if _, ok := i18n.Parse(code); ok != want {
			t.Errorf("Parse(%q): %v", code, ok)
		}
	}
}

func FuzzMatch(f *testing.F) {
	for _, tt := range acceptLanguages {
		f.Add(tt.header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if l, ok := i18n.Parse(string(i18n.Match(header))); !ok {
			t.Errorf("Match(%q) = %q", header, l)
		}
	})
}

func BenchmarkText(b *testing.B) {
	bundle := load(b, messages)
	args := i18n.Args{"n": 5}
	for b.Loop() {
		bundle.Text(i18n.Pl, "m.count", args)
	}
}
