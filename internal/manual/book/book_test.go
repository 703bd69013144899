package book

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/pdf"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/register/fact"
	"trojmezi/internal/manual/content"
)

var made = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

func edition(t testing.TB, l i18n.Lang) *Edition {
	t.Helper()
	texts, err := i18n.Load(Locales(), fact.Locales())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := texts.Missing(); n != 0 {
			t.Errorf("%d texts are missing", n)
		}
	})
	return &Edition{content.Shipped(), texts, l, made}
}

func town(t testing.TB, name string) *Town {
	t.Helper()
	r, err := register.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Places() {
		if p.Name == name && p.Kind == register.Municipality && p.Country == register.CZ {
			return TownOf(r, p)
		}
	}
	t.Fatalf("no %s", name)
	return nil
}

// told are facts that make everything known.
var told = fact.Set{"jpo": "III", "municipal_police": false, "flood_zone": true, "flood_plan": true, "flood_commission": true, "below_dam": true, "gauge_upstream": true, "seveso": false, "siren": "motor", "local_radio": true, "sms": false,
	"school": true, "care_home": false, "campsite": true, "staff": 2, "deputy": true, "crisis_staff": false, "water_supplier": "company", "railway": false, "forest": true, "mass_events": false, "civil_protection": false, "border": []string{"PL"}, "population": 700}

func doc(t testing.TB, d *pdf.Document) []byte {
	t.Helper()
	b, err := d.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBooks: in each language the handbook has at least eight pages with the emergency
// numbers, names the municipality, is tagged throughout, and has the same bytes each time;
// every card fits on its page.
func TestBooks(t *testing.T) {
	for _, l := range i18n.Langs {
		e := edition(t, l)
		for _, x := range []*Town{town(t, "Višňová"), town(t, "Višňová").With(told), town(t, "Liberec")} {
			h := e.Handbook(x)
			text := doc(t, h)
			if h.Pages() < 8 {
				t.Errorf("%s %s: %d pages", l, x.Name, h.Pages())
			}
			if again := doc(t, e.Handbook(x)); !bytes.Equal(text, again) {
				t.Errorf("%s %s: other bytes", l, x.Name)
			}
			c := e.Cards(x)
			for _, o := range c.Fits() {
				t.Errorf("%s %s: %s is %.0f mm too long", l, x.Name, o.Card, o.By)
			}
			for _, b := range [][]byte{text, doc(t, c)} {
				if s, err := pdf.Check(b); err != nil || !s.UA {
					t.Errorf("%s %s: %v", l, x.Name, err)
				}
			}
		}
	}
}

// TestUnknown: what is not known is printed both ways, page 1 says how much that is, and the
// book stays within one and a half of a known one.
func TestUnknown(t *testing.T) {
	e := edition(t, i18n.Cs)
	open, known := town(t, "Višňová"), town(t, "Višňová").With(told)
	if n := len(known.Unknown(e.Content)); n != 0 {
		t.Errorf("%d are unknown: %v", n, known.Unknown(e.Content)[0].Key)
	}
	if len(open.Unknown(e.Content)) < 8 {
		t.Errorf("%d are unknown", len(open.Unknown(e.Content)))
	}
	a, b := e.Handbook(open).Pages(), e.Handbook(known).Pages()
	t.Logf("%d pages, %d with everything known; %d unknown", a, b, len(open.Unknown(e.Content)))
	if float64(a) > 1.5*float64(b) {
		t.Errorf("%d pages, and %d with everything known", a, b)
	}
	text := read(t, doc(t, e.Handbook(open)))
	for _, want := range []string{"Platí-li:", "Co zjistit", "150", "155", "158", "Příručka starosty: Višňová", "zpaměti, neověřeno"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the book", want)
		}
	}
	if strings.Contains(read(t, doc(t, e.Handbook(known))), "Platí-li:") {
		t.Error("a known book has conditions")
	}
}

// read is the text of a document as poppler reads it.
func read(t *testing.T, b []byte) string {
	t.Helper()
	if _, err := exec.LookPath("pdftotext"); err != nil {
		t.Skip("pdftotext of poppler-utils is not there")
	}
	file := filepath.Join(t.TempDir(), "book.pdf")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("pdftotext", "-layout", file, "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// BenchmarkHandbook is the making of a handbook.
func BenchmarkHandbook(b *testing.B) {
	e, x := edition(b, i18n.Cs), town(b, "Višňová")
	pages := 0
	for b.Loop() {
		h := e.Handbook(x)
		doc(b, h)
		pages = h.Pages()
	}
	b.ReportMetric(float64(pages), "pages")
}
