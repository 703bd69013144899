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

// content is one run of operators of a page between BDC and EMC.
var content = regexp.MustCompile(`(?s)/(\w+)<<([^\n]*)>>BDC\n(.*?)EMC`)

var mcid = regexp.MustCompile(`/MCID (\d+)`)

// tagged reads a document with a library of others, and looks at what has to hold for each:
// everything drawn is content that the tree names once, or an artifact; header cells have a
// scope, figures a text; the language is named and the bookmarks lead somewhere. It returns
// how often each tag stands in the tree.
func tagged(t *testing.T, raw []byte) (tags map[string]int, pages int) {
	t.Helper()
	ctx, err := api.ReadValidateAndOptimize(bytes.NewReader(raw), model.NewDefaultConfiguration())
	if err != nil {
		t.Fatal(err)
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
			if id := mcid.FindStringSubmatch(m[2]); id != nil {
				key := fmt.Sprint(n, "/", id[1])
				if marks[key] {
					t.Errorf("content %s is there twice", key)
				}
				marks[key] = true
			} else if m[1] != "Artifact" {
				t.Errorf("page %d: run %d is neither content nor artifact: %s", n, i, m[1])
			}
		}
		// Outside of all runs nothing is drawn.
		rest := content.ReplaceAllString(b.String(), "")
		for _, op := range []string{"Tj", "TJ", " re", " l\n", " f\n", "Do"} {
			if strings.Contains(rest, op) {
				t.Errorf("page %d: %s outside of marked content: %.200q", n, op, rest)
			}
		}
	}
	catalog, _ := ctx.Catalog()
	if lang := catalog["Lang"]; lang == nil || lang.String() == "<>" {
		t.Errorf("language %v", lang)
	}
	tree, err := ctx.DereferenceDict(catalog["StructTreeRoot"])
	if err != nil || tree == nil {
		t.Fatal("no structure tree", err)
	}
	tags = map[string]int{}
	pageOf := map[int]int{}
	for n := 1; n <= ctx.PageCount; n++ {
		_, ref, _, _ := ctx.PageDict(n, false)
		pageOf[ref.ObjectNumber.Value()] = n
	}
	named := func(page types.Object, id any) {
		key := fmt.Sprint(pageOf[page.(types.IndirectRef).ObjectNumber.Value()], "/", id)
		if !marks[key] {
			t.Errorf("the tree names content %s that is not on the page, or twice", key)
		}
		delete(marks, key)
	}
	var walk func(o, page types.Object)
	walk = func(o, page types.Object) {
		o, err := ctx.Dereference(o)
		if err != nil {
			t.Fatal(err)
		}
		switch o := o.(type) {
		case types.Integer:
			named(page, o.Value())
		case types.Array:
			for _, k := range o {
				walk(k, page)
			}
		case types.Dict:
			if o["MCID"] != nil {
				named(o["Pg"], o["MCID"])
				return
			}
			if o["Obj"] != nil {
				return // a link
			}
			if s, ok := o["S"].(types.Name); ok {
				tags[string(s)]++
				if s == "TH" && o["A"] == nil {
					t.Error("a header cell without scope")
				}
				if s == "Figure" && o["Alt"] == nil {
					t.Error("a figure without text")
				}
				if s == "L" && o["A"] == nil {
					t.Error("a list that does not say how it is numbered")
				}
			}
			walk(o["K"], o["Pg"])
		}
	}
	walk(tree["K"], nil)
	if len(marks) > 0 {
		t.Errorf("content that the tree does not name: %v", marks)
	}
	return tags, ctx.PageCount
}

func TestEverythingTagged(t *testing.T) {
	raw, err := protocol(t).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	tags, pages := tagged(t, raw)
	if pages < 3 {
		t.Errorf("%d pages, want some", pages)
	}
	for tag, want := range map[string]int{"Document": 1, "H1": 1, "H2": 1, "Table": 2, "TR": 63, "TH": 5, "TD": 182, "P": 3, "Figure": 1} {
		if tags[tag] != want {
			t.Errorf("%s: %d, want %d", tag, tags[tag], want)
		}
	}
}

// handbook has all that a handbook is made of.
func handbook(chapters int) *Document {
	d := New(Options{Title: "Příručka", Lang: "cs", ID: "manual/1", Head: "Příručka", Foot: "Návrh", Made: made, Page: func(n, all int) string { return fmt.Sprintf("%d / %d", n, all) }})
	d.Heading(1, "Příručka")
	d.Callout(Warning, "", "Návrh", func(d *Document) { d.Paragraph("", "K ověření.") })
	d.Contents("Obsah", 2)
	for i := range chapters {
		d.Break()
		d.Heading(1, fmt.Sprint("Povodeň ", i))
		d.Heading(2, "Poplach")
		d.List(Ticked, Item{Lead: "Starosta:", Text: "Spusťte sirénu.", Note: "do 10 min · MD027"}, Item{Text: strings.Repeat("Obejděte ohrožené ulice podle seznamu. ", 5)})
		d.List(Numbered, Item{Text: "jedna"}, Item{Text: "zwei", Lang: "de"})
		d.Alternatives(Part{Title: "Platí-li: siréna – ano", Fill: func(d *Document) { d.List(Ticked, Item{Text: "Spusťte ji."}) }},
			Part{Title: "Platí-li: siréna – ne", Fill: func(d *Document) { d.List(Ticked, Item{Text: "Zvoňte a volejte."}) }})
		d.Table([]float64{1, 3}, []string{"", "Povinnost"}, [][]Cell{{{Text: "MD001", Header: true}, {Text: "Zřídit jednotku"}}})
		d.Section("de", func(d *Document) { d.Paragraph("", "Warnen Sie die Menschen.") })
	}
	return d
}

// TestHandbook: lists, boxes, a table of contents that leads to its pages, bookmarks, other
// languages, are all in the tree; the same input gives the same bytes.
func TestHandbook(t *testing.T) {
	raw, err := handbook(3).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	again, err := handbook(3).Bytes()
	if err != nil || !bytes.Equal(raw, again) {
		t.Error("other bytes", err)
	}
	tags, pages := tagged(t, raw)
	if pages != 4 {
		t.Errorf("%d pages", pages)
	}
	for tag, want := range map[string]int{"Document": 1, "H1": 4, "L": 12, "LI": 18, "Lbl": 6, "LBody": 18, "TOCI": 7, "Link": 7, "Table": 3, "TH": 9, "Sect": 3} {
		if tags[tag] != want {
			t.Errorf("%s: %d, want %d", tag, tags[tag], want)
		}
	}
	ctx, err := api.ReadValidateAndOptimize(bytes.NewReader(raw), model.NewDefaultConfiguration())
	if err != nil {
		t.Fatal(err)
	}
	marks, err := pdfcpu.Bookmarks(ctx)
	if err != nil || len(marks) != 4 || marks[1].Title != "Povodeň 0" || marks[1].PageFrom != 2 || len(marks[1].Kids) != 1 {
		t.Errorf("bookmarks %+v %v", marks, err)
	}
	for _, bad := range []func(*Document){func(d *Document) { d.Heading(4, "x") }, func(d *Document) { d.Table([]float64{1}, nil, [][]Cell{{{}, {}}}) }, func(d *Document) { d.Table([]float64{1}, []string{"a", "b"}, nil) }} {
		d := New(Options{Title: "t", Lang: "en", Made: made})
		bad(d)
		if _, err := d.Bytes(); err == nil {
			t.Error("a mistake of the caller is not told")
		}
	}
}

// TestCard: a card is a page, in the largest text that fits; one that does not fit is told.
func TestCard(t *testing.T) {
	for lines, fits := range map[int]bool{3: true, 40: true, 400: false} {
		d := New(Options{Title: "Karta", Lang: "cs", Paper: A6, Made: made})
		d.Heading(1, "Karty")
		d.Card("", "Povodeň", []float64{2, 1, 0.5}, func(d *Document) {
			d.Heading(2, "Povodeň")
			var items []Item
			for i := range lines {
				items = append(items, Item{Text: fmt.Sprint("krok ", i)})
			}
			d.List(Ticked, items...)
		})
		if over := d.Fits(); (len(over) == 0) != fits || !fits && (over[0].Card != "Povodeň" || over[0].By < 100) {
			t.Errorf("%d lines: %+v", lines, over)
		}
		if fits && d.Pages() != 2 {
			t.Errorf("%d lines: %d pages", lines, d.Pages())
		}
		raw, err := d.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		tagged(t, raw)
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

// BenchmarkHandbook is a tagged handbook of 31 pages.
func BenchmarkHandbook(b *testing.B) {
	for b.Loop() {
		if _, err := handbook(30).Bytes(); err != nil {
			b.Fatal(err)
		}
	}
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
