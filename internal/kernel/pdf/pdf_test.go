package pdf

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"
)

// The other reader would otherwise keep a folder of its own at home.
func init() { model.ConfigPath = "disable" }

var made = time.Date(2026, 8, 15, 12, 0, 0, 0, time.UTC)

func protocol(t *testing.T) *Document {
	t.Helper()
	d := New(Options{
		Title: "Protokol události", Lang: "cs", Band: "CVIČENÍ", Foot: "Vytiskla Jana Nováková 15. 8. 2026 14:00",
		Page: func(n, all int) string { return fmt.Sprintf("%d / %d", n, all) }, Made: made,
	})
	d.Heading(1, "Protokol události")
	d.Facts([][2]string{{"Místo", "Hrádek nad Nisou, předpolí hranice"}, {"Zraněno", "2"}})
	d.Heading(2, "Průběh")
	var rows [][]Cell
	for i := range 60 {
		rows = append(rows, []Cell{{Text: fmt.Sprintf("14:%02d", i)}, {Text: strings.Repeat("Příliš žluťoučký kůň úpěl ďábelské ódy. ", i%4+1)}, {Text: "Übernommen", Lang: "de"}})
	}
	d.Table([]float64{1, 4, 2}, []string{"Čas", "Co", "Kdo"}, rows)
	d.Paragraph("pl", "Zażółć gęślą jaźń "+strings.Repeat("i dalej, ", 200))
	d.Paragraph("", "Znak mimo písmo: 🚒.\n\nDruhý odstavec.")
	d.Line("Podpis")
	if err := d.QR("https://node.example/console/incidents/1", "Adresa události"); err != nil {
		t.Fatal(err)
	}
	return d
}

// valid fails unless our own check and another reader find nothing.
func valid(t *testing.T, raw []byte) *Summary {
	t.Helper()
	s, err := Check(raw)
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := api.ReadValidateAndOptimize(bytes.NewReader(raw), model.NewDefaultConfiguration())
	if err != nil {
		t.Fatal(err)
	}
	if ctx.PageCount != s.Pages {
		t.Errorf("%d pages, another reader finds %d", s.Pages, ctx.PageCount)
	}
	return s
}

func bytesOf(t *testing.T, d *Document) []byte {
	t.Helper()
	raw, err := d.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestEverythingTagged(t *testing.T) {
	s := valid(t, bytesOf(t, protocol(t)))
	if s.Pages < 3 || s.Title != "Protokol události" || s.Lang != "cs" || !s.UA || !slices.Equal(s.Bookmarks, []string{"Protokol události", "Průběh"}) {
		t.Errorf("%+v", s)
	}
	for tag, want := range map[string]int{"Document": 1, "H1": 1, "H2": 1, "Table": 2, "TR": 63, "TH": 5, "TD": 182, "P": 3, "Figure": 1} {
		if s.Tags[tag] != want {
			t.Errorf("%s: %d, want %d", tag, s.Tags[tag], want)
		}
	}
}

func TestTextAsReadersSeeIt(t *testing.T) {
	if _, err := exec.LookPath("pdftotext"); err != nil {
		t.Skip("poppler-utils is not installed")
	}
	raw, err := protocol(t).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "protocol.pdf")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := exec.Command("pdftotext", file, "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(string(text)), " ")
	for _, want := range []string{"Hrádek nad Nisou, předpolí hranice", "Příliš žluťoučký kůň úpěl ďábelské ódy.", "Zażółć gęślą jaźń i dalej,", "Übernommen", "CVIČENÍ", "Podpis", "Vytiskla Jana Nováková"} {
		if !strings.Contains(flat, want) {
			t.Errorf("%q is not in the text", want)
		}
	}
	structure, err := exec.Command("pdfinfo", "-struct-text", file).CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"H1", "TH:", "/Scope /Column", "TD", "Figure"} {
		if !strings.Contains(string(structure), want) {
			t.Errorf("%q is not in the structure", want)
		}
	}
}

func TestLongRowIsCut(t *testing.T) {
	d := New(Options{Title: "t", Lang: "en", Made: made})
	d.Table([]float64{1, 1}, []string{"a", "b"}, [][]Cell{{{Text: strings.Repeat("word ", 4000)}, {Text: "x"}}})
	raw, err := d.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if s := valid(t, raw); s.Pages < 3 {
		t.Errorf("%d pages", s.Pages)
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "\x00\x7f\u0085", "🚒", "\u202e", "ěščřžýáíé", strings.Repeat("x", 3000), "a\n\n\nb", "\xff\xfe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := New(Options{Title: s, Lang: "cs", Foot: s, Band: s, Made: made})
		d.Heading(1, s)
		d.Paragraph("de", s)
		d.Table([]float64{1, 3}, nil, [][]Cell{{{Text: s}, {Text: s}}})
		raw, err := d.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Check(raw); err != nil && strings.TrimSpace(shown(s)) != "" {
			t.Fatal(err)
		}
	})
}

func BenchmarkProtocol(b *testing.B) {
	for b.Loop() {
		d := New(Options{Title: "t", Lang: "cs", Made: made})
		for i := range 200 {
			d.Paragraph("", fmt.Sprint(i, " Příliš žluťoučký kůň úpěl ďábelské ódy."))
		}
		if _, err := d.Bytes(); err != nil {
			b.Fatal(err)
		}
	}
}
