package pdf

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"os"

	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/types"
)

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

// content is one run of operators of a page between BDC or BMC and EMC.
var content = regexp.MustCompile(`(?s)/(\w+)(?: <</MCID (\d+)>> BDC| BMC)\n(.*?)EMC`)

func TestEverythingTagged(t *testing.T) {
	raw, err := protocol(t).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := api.ReadValidateAndOptimize(bytes.NewReader(raw), model.NewDefaultConfiguration())
	if err != nil {
		t.Fatal(err)
	}
	if ctx.PageCount < 3 {
		t.Fatalf("%d pages, want some", ctx.PageCount)
	}
	marks := map[string]bool{}
	for n := 1; n <= ctx.PageCount; n++ {
		r, err := pdfcpu.ExtractPageContent(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		b.ReadFrom(r)
		for i, m := range content.FindAllStringSubmatch(b.String(), -1) {
			if m[2] != "" {
				marks[fmt.Sprint(n, "/", m[2])] = true
			} else if m[1] != "Artifact" {
				t.Errorf("page %d: run %d is neither content nor artifact: %s", n, i, m[1])
			}
		}
		// Outside of all runs nothing is drawn.
		rest := content.ReplaceAllString(b.String(), "")
		for _, op := range []string{"Tj", "TJ", " re", " l ", "Do"} {
			if strings.Contains(rest, op) {
				t.Errorf("page %d: %s outside of marked content: %.200q", n, op, rest)
			}
		}
	}
	catalog, _ := ctx.Catalog()
	if lang := catalog["Lang"]; lang == nil || !strings.Contains(lang.String(), "cs") {
		t.Errorf("language %v", lang)
	}
	tree, err := ctx.DereferenceDict(catalog["StructTreeRoot"])
	if err != nil || tree == nil {
		t.Fatal("no structure tree", err)
	}
	tags := map[string]int{}
	pageOf := map[int]int{}
	for n := 1; n <= ctx.PageCount; n++ {
		_, ref, _, _ := ctx.PageDict(n, false)
		pageOf[ref.ObjectNumber.Value()] = n
	}
	var walk func(o types.Object)
	walk = func(o types.Object) {
		o, err := ctx.Dereference(o)
		if err != nil {
			t.Fatal(err)
		}
		switch o := o.(type) {
		case types.Array:
			for _, k := range o {
				walk(k)
			}
		case types.Dict:
			if o["MCID"] != nil {
				key := fmt.Sprint(pageOf[o["Pg"].(types.IndirectRef).ObjectNumber.Value()], "/", o["MCID"])
				if !marks[key] {
					t.Errorf("the tree names content %s that is not on the page, or twice", key)
				}
				delete(marks, key)
				return
			}
			if s, ok := o["S"].(types.Name); ok {
				tags[string(s)]++
				if s == "TH" && o["A"] == nil {
					t.Error("a header cell without scope")
				}
				if s == "Figure" && o["Alt"] == nil {
					t.Error("a figure without text")
				}
			}
			walk(o["K"])
		}
	}
	walk(tree["K"])
	if len(marks) > 0 {
		t.Errorf("content that the tree does not name: %v", marks)
	}
	for tag, want := range map[string]int{"Document": 1, "H1": 1, "H2": 1, "Table": 2, "TR": 63, "TH": 5, "TD": 182, "P": 3, "Figure": 1} {
		if tags[tag] != want {
			t.Errorf("%s: %d, want %d", tag, tags[tag], want)
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
	ctx, err := api.ReadValidateAndOptimize(bytes.NewReader(raw), model.NewDefaultConfiguration())
	if err != nil {
		t.Fatal(err)
	}
	if ctx.PageCount < 3 {
		t.Errorf("%d pages", ctx.PageCount)
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
		if _, err := d.Bytes(); err != nil {
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
