package pdf

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// handbook has everything a municipality's handbook has, in a number of chapters; nine
// make thirty pages.
func handbook(chapters int) *Document {
	d := New(Options{
		Title: "Příručka starosty: Višňová", Lang: "cs", ID: "handbook/564516", Made: made,
		Head: "Višňová – příručka starosty", Foot: "Verze 3, 15. 8. 2026. Texty jsou návrhy k ověření.",
		Page: func(n, all int) string { return fmt.Sprintf("strana %d z %d", n, all) },
	})
	d.Heading(1, "Příručka starosty: Višňová")
	d.Callout(Warning, "", "Návrh k ověření", func(c *Document) {
		c.Paragraph("", "Žádný text této příručky zatím neověřil právník. 7 údajů o obci není známo.")
	})
	if err := d.QR("https://node.example/manual/564516", "Adresa příručky"); err != nil {
		panic(err)
	}
	d.Contents("Obsah", 2)
	for n := range chapters {
		d.Break()
		d.Heading(1, fmt.Sprintf("%d. Povodeň na Smědé: když voda stoupá nad druhý stupeň", n+1))
		for _, phase := range []string{"Příprava", "Bdělost", "Pohotovost", "Ohrožení"} {
			d.Heading(2, fmt.Sprintf("%s v kapitole %d", phase, n+1))
			d.Paragraph("", strings.Repeat("Sledujte stav vody na hlásném profilu a zapisujte jej každou hodinu do povodňové knihy. ", 3))
			d.List(Numbered,
				Item{Lead: "Do 10 minut:", Text: "Svolejte povodňovou komisi obce a zapište čas.", Note: "Zákon 254/2001 Sb., § 78 – k ověření"},
				Item{Text: "Oznamte stav obecnímu úřadu obce s rozšířenou působností a sousedním obcím po proudu."},
				Item{Text: "Informieren Sie die Gemeinde auf der anderen Seite der Grenze.", Lang: "de"},
			)
			d.Alternatives(
				Part{Title: "Obec má elektronickou sirénu", Fill: func(p *Document) {
					p.Paragraph("", "Požádejte operační středisko o varovný signál s verbální informací.")
				}},
				Part{Title: "Obec má motorovou sirénu", Fill: func(p *Document) {
					p.Paragraph("", "Spusťte sirénu ručně a vyšlete vůz s rozhlasem.")
					p.List(Bulleted, Item{Text: "Klíč má velitel jednotky."}, Item{Text: "Náhradní klíč je na úřadě."})
				}},
			)
			d.Heading(3, "Kontrolní seznam")
			d.List(Ticked, Item{Text: "Mosty a propustky jsou volné"}, Item{Text: "Evakuační místo je otevřené"}, Item{Text: "Škola ví o povodni"})
			d.Paragraph("", "Koho volat:")
			d.Table([]float64{2, 3, 2}, []string{"Kdo", "Kdy", "Číslo"}, [][]Cell{
				{{Text: "Hasiči", Header: true}, {Text: "Ohrožení života, zdraví nebo majetku"}, {Text: "150"}},
				{{Text: "Zdravotnická služba", Header: true}, {Text: "Zranění a nemoc"}, {Text: "155"}},
				{{Text: "Policie", Header: true}, {Text: "Uzavření cest, pohřešovaní"}, {Text: "158"}},
				{{Text: "Tísňové volání", Header: true}, {Text: "V každé zemi"}, {Text: "112"}},
			})
			d.Small("", "Zdroj: krizový zákon, zákon o vodách; z paměti, k ověření.")
		}
	}
	d.Break()
	d.Section("de", func(s *Document) {
		s.Heading(1, "Für den Nachbarn")
		s.Callout(Note, "", "", func(c *Document) { c.Paragraph("", "Diese Seite ist für die Gemeinde jenseits der Grenze.") })
		s.Paragraph("", "Wasserstand, Meldestufe und Uhrzeit.")
	})
	return d
}

func cards(steps int) *Document {
	d := New(Options{Title: "Karty: Višňová", Lang: "cs", Paper: A6, Made: made, Foot: "Verze 3", Page: func(n, all int) string { return fmt.Sprintf("%d/%d", n, all) }})
	for _, role := range []string{"starosta", "velitel"} {
		d.Card("", "povodeň/"+role, []float64{1, 0.85}, func(c *Document) {
			c.Heading(1, "Povodeň: "+role)
			var items []Item
			for range steps {
				items = append(items, Item{Text: "Zavolejte operační středisko a oznamte stav.", Lead: "10 min"})
			}
			c.List(Ticked, items...)
		})
	}
	return d
}

func poppler(t *testing.T, program string, raw []byte, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skip("poppler-utils is not installed")
	}
	file := filepath.Join(t.TempDir(), "x.pdf")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	args = append(args, file)
	if program == "pdftotext" {
		args = append(args, "-")
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("Syntax")) {
		t.Fatal(err, string(out))
	}
	return string(out)
}

func TestHandbook(t *testing.T) {
	raw := bytesOf(t, handbook(9))
	if dir := os.Getenv("PDF_DIR"); dir != "" {
		os.WriteFile(filepath.Join(dir, "handbook.pdf"), raw, 0o600)
	}
	s := valid(t, raw)
	if s.Pages < 25 || s.Pages > 40 || !s.UA {
		t.Errorf("%d pages, PDF/UA: %v", s.Pages, s.UA)
	}
	if want := 1 + 1 + 9*(1+4*2) + 1; len(s.Bookmarks) != want {
		t.Errorf("%d bookmarks, want %d", len(s.Bookmarks), want)
	}
	if want := 9*5 + 1; s.Links != want || s.Tags["TOCI"] != want {
		t.Errorf("%d links, %d entries, want %d", s.Links, s.Tags["TOCI"], want)
	}
	structure := poppler(t, "pdfinfo", raw, "-struct-text")
	for _, want := range []string{"TOCI", "Link", "LBody", "Lbl", "/ListNumbering /Decimal", "/Scope /Column", "/Scope /Row", `"Svolejte`} {
		if !strings.Contains(structure, strings.TrimPrefix(want, `"`)) {
			t.Errorf("%q is not in the structure", want)
		}
	}
	text := strings.Join(strings.Fields(poppler(t, "pdftotext", raw, "-raw")), " ")
	for _, want := range []string{"Do 10 minut: Svolejte povodňovou komisi obce a zapište čas.", "Hasiči Ohrožení života, zdraví nebo majetku 150", "Für den Nachbarn", "strana 2 z " + strconv.Itoa(s.Pages)} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the text", want)
		}
	}
	if info := poppler(t, "pdfinfo", raw); !strings.Contains(info, "Příručka starosty: Višňová") || !regexp.MustCompile(`Tagged:\s+yes`).MatchString(info) {
		t.Error(info)
	}
}

// The pages in the table of contents are those on which the headings stand.
func TestContentsTellsPages(t *testing.T) {
	pages := strings.Split(poppler(t, "pdftotext", bytesOf(t, handbook(9)), "-layout"), "\f")
	entry := regexp.MustCompile(`(?m)^ *(\S.*kapitole \d+) +(\d+)\s*$`)
	found := 0
	for _, p := range pages[:3] {
		for _, m := range entry.FindAllStringSubmatch(p, -1) {
			found++
			n, _ := strconv.Atoi(m[2])
			if !strings.Contains(pages[n-1], m[1]) {
				t.Errorf("%s is not on page %d", m[1], n)
			}
		}
	}
	if found != 36 {
		t.Errorf("%d entries", found)
	}
}

func TestSameInputSameBytes(t *testing.T) {
	for name, doc := range map[string]func() *Document{"handbook": func() *Document { return handbook(3) }, "cards": func() *Document { return cards(5) }, "protocol": func() *Document { return protocol(t) }} {
		first := bytesOf(t, doc())
		d := doc()
		d.Pages() // asking does not change it
		for n := range 2 {
			if !bytes.Equal(first, bytesOf(t, d)) {
				t.Errorf("%s: other bytes, asked %d times", name, n+1)
			}
		}
	}
}

func TestCards(t *testing.T) {
	d := cards(8)
	raw := bytesOf(t, d)
	if dir := os.Getenv("PDF_DIR"); dir != "" {
		os.WriteFile(filepath.Join(dir, "cards.pdf"), raw, 0o600)
	}
	if s := valid(t, raw); s.Pages != 2 || len(d.Fits()) != 0 {
		t.Errorf("%d pages, over: %v", s.Pages, d.Fits())
	}
	d = cards(60)
	valid(t, bytesOf(t, d))
	over := d.Fits()
	if len(over) != 2 || over[1].Card != "povodeň/velitel" || over[0].By < 20 {
		t.Errorf("over: %v", over)
	}
}

// place finds pages for what stands on each, as text.
func pagesOf(t *testing.T, d *Document) []string {
	t.Helper()
	return strings.Split(poppler(t, "pdftotext", bytesOf(t, d), "-layout"), "\f")
}

func TestHeadingStaysWithWhatFollows(t *testing.T) {
	for lines := range 60 {
		d := New(Options{Title: "t", Lang: "en", Made: made})
		d.Heading(1, "Top")
		for range lines {
			d.Paragraph("", "filler")
		}
		d.Heading(2, "Section")
		d.Heading(3, "Below")
		switch lines % 3 {
		case 0:
			d.Paragraph("", strings.Repeat("follows text ", 60))
		case 1:
			d.Table([]float64{1, 1}, []string{"a", "b"}, [][]Cell{{{Text: "follows"}, {Text: "x"}}})
		case 2:
			d.Callout(Note, "", "follows", func(c *Document) { c.Paragraph("", strings.Repeat("text ", 200)) })
		}
		l := d.layout()
		var page [3]int
		n := 0
		for i, p := range l.placed {
			for range p.heads {
				page[n] = p.page
				if n++; n == 3 && l.placed[i+1].page != page[2] {
					t.Errorf("%d lines: a heading is the last on its page", lines)
				}
			}
		}
		if page[1] != page[2] {
			t.Errorf("%d lines: headings on pages %v", lines, page)
		}
	}
}

func TestTableOverPages(t *testing.T) {
	d := New(Options{Title: "t", Lang: "en", Made: made})
	var rows [][]Cell
	for i := range 60 {
		rows = append(rows, []Cell{{Text: fmt.Sprintf("begin%02d %s end%02d", i, strings.Repeat("word ", 40), i)}, {Text: "x"}})
	}
	d.Table([]float64{2, 1}, []string{"first column", "second"}, rows)
	raw := bytesOf(t, d)
	valid(t, raw)
	pages := pagesOf(t, d)
	for n, p := range pages[:len(pages)-1] {
		if !strings.Contains(p, "first column") {
			t.Errorf("page %d has no header", n+1)
		}
		for i := range 60 {
			if strings.Contains(p, fmt.Sprintf("begin%02d", i)) != strings.Contains(p, fmt.Sprintf("end%02d", i)) {
				t.Errorf("row %d is cut at page %d", i, n+1)
			}
		}
	}
	if structure := poppler(t, "pdfinfo", raw, "-struct-text"); strings.Count(structure, "first column") != 1 {
		t.Error("the repeated header is read more than once")
	}
}

// Boxes: side by side while they fit, one below the other when they are long or narrow;
// longer than a page they go on on the next.
func TestBoxes(t *testing.T) {
	for _, paper := range []Paper{A4, A6} {
		for _, words := range []int{1, 100, 400, 3000} {
			d := New(Options{Title: "t", Lang: "en", Made: made, Paper: paper, Mark: "DRAFT", Band: "EXERCISE", Head: "head", Foot: "foot"})
			d.Heading(1, "Boxes")
			fill := func(c *Document) {
				c.Heading(2, "Inside")
				c.Paragraph("", strings.Repeat("word ", words))
				c.Table([]float64{1, 1}, []string{"a", "b"}, [][]Cell{{{Text: "1"}}})
			}
			d.Alternatives(Part{Title: "one", Fill: fill}, Part{Title: "two", Lang: "de", Fill: fill}, Part{Title: "three", Fill: fill})
			d.Columns(Part{Share: 3, Fill: func(c *Document) { c.Lead("", "Lead", "text") }}, Part{Fill: func(c *Document) { c.Line("Name") }})
			d.Callout(Warning, "pl", "Uwaga", fill)
			raw := bytesOf(t, d)
			if dir := os.Getenv("PDF_DIR"); dir != "" {
				os.WriteFile(filepath.Join(dir, fmt.Sprintf("boxes-%d-%d.pdf", paper, words)), raw, 0o600)
			}
			s := valid(t, raw)
			if len(s.Bookmarks) != 5 || !s.UA {
				t.Errorf("%+v", s)
			}
			text := strings.Fields(poppler(t, "pdftotext", raw, "-raw"))
			n := 0
			for _, w := range text {
				if w == "word" {
					n++
				}
			}
			if n != 4*words {
				t.Errorf("paper %d: %d words, want %d", paper, n, 4*words)
			}
		}
	}
}

func TestSaysPDFUAOnlyWhenItIs(t *testing.T) {
	for name, add := range map[string]func(*Document){
		"a level left out":      func(d *Document) { d.Heading(2, "x") },
		"a figure without text": func(d *Document) { d.Picture("", "", 20, nil) },
	} {
		d := New(Options{Title: "t", Lang: "en", Made: made})
		add(d)
		s, err := Check(bytesOf(t, d))
		if err == nil || s.UA {
			t.Errorf("%s: %v, PDF/UA %v", name, err, s.UA)
		}
	}
	s, err := Check(bytesOf(t, New(Options{Made: made})))
	if err == nil || s.UA || !strings.Contains(err.Error(), "no language") || !strings.Contains(err.Error(), "no title") {
		t.Error(err, s.UA)
	}
}

func TestMistakesOfTheCaller(t *testing.T) {
	for _, add := range []func(*Document){
		func(d *Document) { d.Heading(4, "x") },
		func(d *Document) { d.Table([]float64{1}, nil, [][]Cell{{{}, {}}}) },
		func(d *Document) { d.Table([]float64{1}, []string{"a", "b"}, nil) },
		func(d *Document) { d.Callout(Note, "", "", func(c *Document) { c.Heading(0, "x") }) },
	} {
		d := New(Options{Title: "t", Lang: "en", Made: made})
		add(d)
		if _, err := d.Bytes(); err == nil {
			t.Error("no error")
		}
	}
}

// changed is a document with one change to its objects and pages, written anew.
func changed(t *testing.T, raw []byte, from, to string) []byte {
	t.Helper()
	r := newReader(raw)
	f := newFile()
	n, hits := len(r.entries), 0
	for range n - 1 {
		f.reserve()
	}
	swap := func(b []byte) []byte {
		if hits == 0 && bytes.Contains(b, []byte(from)) {
			hits++
			return bytes.Replace(b, []byte(from), []byte(to), 1)
		}
		return b
	}
	root, info := r.trailer["Root"].(ref), r.trailer["Info"].(ref)
	for i := range n {
		if r.entries[i].kind != 1 {
			continue
		}
		s := r.get(ref(i)).(stream)
		switch s.dict["Type"] {
		case name("XRef"):
		case name("ObjStm"):
			b := r.unpack(s)
			first := int(s.dict["First"].(float64))
			l := &lexer{b: b[:first]}
			var numbers, offsets []int
			for !l.done() {
				numbers = append(numbers, int(l.object(0).(float64)))
				offsets = append(offsets, int(l.object(0).(float64)))
			}
			offsets = append(offsets, len(b)-first)
			for k, number := range numbers {
				f.object(number, swap(bytes.Clone(b[first+offsets[k]:first+offsets[k+1]])))
			}
		default:
			d := ""
			if s.dict["Length1"] != nil {
				d = fmt.Sprintf("/Length1 %v", s.dict["Length1"])
			}
			f.stream(i, d, swap(bytes.Clone(r.unpack(s))), true)
		}
	}
	if hits == 0 {
		t.Fatalf("%q is not there", from)
	}
	return f.close(int(root), int(info), "x")
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	raw := bytesOf(t, handbook(1))
	if _, err := Check(changed(t, raw, "/Scope/Column", "/Scope/Column")); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][3]string{
		{"/Scope/Column", "/Other/Column", "scope"},
		{"/Alt", "/Elt", "figure without text"},
		{"/Lang<6373>", "", "no language"},
		{"/DisplayDocTitle true", "", "not the title"},
		{"/Marked true", "/Marked false", "tagged"},
		{"/S/LBody", "/S/Lbody", `"Lbody"`},
		{"/S/H2", "/S/H3", "level 3 follows one of level 1"},
		{"/Artifact<</Type/Layout>>BDC", "/P<</Type/Layout>>BDC", "marked as P alone"},
		{"/P<</MCID 1>>BDC", "/P<</MCID 0>>BDC", "twice"},
		{"EMC\n", "EMC\n0 0 m 1 1 l S\n", "S outside of marked content"},
		{"endbfchar", "", ""},
		{"<0005>", "<0FF5>", "can't be extracted"},
		{"/Type/OBJR", "/Type/MCR", "link"},
		{"/Tabs/S", "", "keyboards"},
		{"/Dest[", "/Dist[", "leads nowhere"},
		{"/Count 1", "/Count 7", "bookmarks"},
		{"/Title<FEFF004F", "/Titel<FEFF004F", "bookmark without text"},
		{"dc:title", "dc:titel", "metadata"},
	} {
		_, err := Check(changed(t, raw, c[0], c[1]))
		if c[2] == "" {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s → %s: %v, want %q", c[0], c[1], err, c[2])
		}
	}
}

func FuzzCheck(f *testing.F) {
	raw, err := cards(2).Bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte("%PDF-1.7 startxref 5"))
	f.Add([]byte("%PDF-1.7\n1 0 obj <</Length 1>>stream\nx startxref 9"))
	old, _ := base64.StdEncoding.DecodeString("JVBERi0xLjQ=")
	f.Add(old)
	f.Fuzz(func(t *testing.T, raw []byte) { Check(raw) })
}

func BenchmarkHandbook30(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		raw, err := handbook(9).Bytes()
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(raw)), "B/doc")
	}
}

func BenchmarkCheck30(b *testing.B) {
	raw, err := handbook(9).Bytes()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Check(raw); err != nil {
			b.Fatal(err)
		}
	}
}
