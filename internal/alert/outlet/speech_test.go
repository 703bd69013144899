package outlet

import (
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

func TestSpoken(t *testing.T) {
	for _, x := range []struct {
		lang       i18n.Lang
		text, want string
	}{
		{"cs", "Stav 245 cm v 18:05.", "Stav dvě stě čtyřicet pět centimetrů v osmnáct hodin pět minut."},
		{"cs", "do 7.\u00a08.\u00a02026, 20:00", "do sedmého srpna dva tisíce dvacet šest, dvacet hodin"},
		{"cs", "za 2 hodiny, za 1 hodinu, 1 cm, 2 cm, 22 m³/s", "za dvě hodiny, za jednu hodinu, jeden centimetr, dva centimetry, dvacet dva metrů krychlových za sekundu"},
		{"cs", "1,5 m; tel. +420 482 000", "jedna celá pět metru; telefon čtyři dva nula, čtyři osm dva, nula nula nula"},
		{"cs", "Volejte 112 (ul. Mírová 3).", "Volejte jedna jedna dva, ulice Mírová tři."},
		{"cs", "1\u202f245 osob", "tisíc dvě stě čtyřicet pět osob"},
		{"de", "21 cm um 18:30, in 1 Stunde, z. B. 101 m", "einundzwanzig Zentimeter um achtzehn Uhr dreißig, in eine Stunde, zum Beispiel einhunderteins Meter"},
		{"de", "bis 07.08.2026, 06:00", "bis siebten August zweitausendsechsundzwanzig, sechs Uhr"},
		{"de", "Nr. 7, ca. 3,25 km", "Nummer sieben, circa drei Komma zwei fünf Kilometer"},
		{"de", "01:00", "ein Uhr"},
		{"pl", "o 18:05, 2 cm, 5 cm, 2 godziny", "o godzina osiemnasta zero pięć, dwa centymetry, pięć centymetrów, dwie godziny"},
		{"pl", "do 7.08.2026", "do siódmego sierpnia dwa tysiące dwudziestego szóstego roku"},
		{"pl", "ul. Długa nr 12, 0,5 m", "ulica Długa numer dwanaście, zero przecinek pięć metra"},
		{"en", "245 cm at 18:05, 1 cm, 18:00", "two hundred forty-five centimetres at eighteen oh five, one centimetre, eighteen hundred hours"},
		{"en", "until 7\u00a0August\u00a02026", "until the seventh of August twenty twenty-six"},
		{"en", "2005 people, approx. 3 km", "two thousand five people, approximately three kilometres"},
		{"cs", "A4 a 3minutový", "A čtyři a tři minutový"},
		{"de", "x", "x"},
	} {
		if got := spoken(x.lang, x.text); got != x.want {
			t.Errorf("%s %q:\n got %q\nwant %q", x.lang, x.text, got, x.want)
		}
	}
}

// Whatever is said, the pieces are the text, and what is spoken has no digit.
func TestSpellLosesNothing(t *testing.T) {
	letters := rapid.SampledFrom([]string{"7.\u00a08.\u00a02026", "18:05", "24:99", "99.99.9999", "245 cm", "m³/s", "tel.", "ul.", "+420 482", " ", ",", ".", "(", ")", "ž", "ą", "ß", "cm", "112", "007", "1\u202f000\u202f000", "0", "\n", "z. B.", "5%", "-3 °C", "\xff", "🚒"})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(letters, 0, 12).Draw(t, "text"), "")
		l := rapid.SampledFrom(i18n.Langs).Draw(t, "lang")
		var b, said strings.Builder
		for _, p := range Spell(l, text) {
			b.WriteString(p.Text)
			said.WriteString(p.Spoken)
		}
		if b.String() != text {
			t.Fatalf("%s: %q became %q", l, text, b.String())
		}
		if i := strings.IndexFunc(said.String(), unicode.IsDigit); i >= 0 {
			t.Fatalf("%s %q: a digit is left in %q", l, text, said.String())
		}
	})
}

// A voice says an exercise first and last, and the official words as they stand.
func TestSpeak(t *testing.T) {
	r := renderer(t)
	s := r.Speak(ownItem(t, store.Exercise), i18n.De)
	said := strings.Split(strings.TrimSpace(s.Plain), "\n")
	if said[0] != "ÜBUNG." || said[len(said)-1] != "ÜBUNG." {
		t.Errorf("%q", said)
	}
	if strings.ContainsFunc(s.Plain, unicode.IsDigit) || strings.Contains(s.Plain, "z. B.") {
		t.Errorf("not spelled out: %s", s.Plain)
	}
	lint(t, []byte(s.SSML))
	relay := r.Speak(relayItem(t, store.Live), i18n.De) // written in Czech
	if !strings.Contains(relay.Plain, "Opusťte břehy do 18:00, tel. 150.\n") || !strings.Contains(relay.SSML, `<sub alias="osmnáct hodin">18:00</sub>, <sub alias="telefon">tel.</sub> <sub alias="jedna pět nula">150</sub>`) {
		t.Errorf("%s\n%s", relay.Plain, relay.SSML)
	}
	lint(t, []byte(relay.SSML))
}
