package pdf

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"sort"
	"strconv"
	"sync"
	"unicode/utf16"

	"github.com/klauspost/compress/zlib"
)

// file is a PDF 1.7 being written: streams at once, other objects packed many to a
// compressed stream (ISO 32000-1, §7.5.7).
type file struct {
	out     []byte
	entries []entry // by object number
	packed  []packed
}

// entry says where an object is: at a place of the file, or which one of a stream.
type entry struct {
	kind, at, index int
}

type packed struct {
	number int
	body   []byte
}

const perStream = 200 // objects

func newFile() *file {
	return &file{out: []byte("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), entries: []entry{{0, 0, 65535}}}
}

// reserve is the number of an object that is written later.
func (f *file) reserve() int {
	f.entries = append(f.entries, entry{})
	return len(f.entries) - 1
}

func (f *file) object(number int, body []byte) {
	f.packed = append(f.packed, packed{number, body})
	if len(f.packed) == perStream {
		f.pack()
	}
}

func (f *file) pack() {
	if len(f.packed) == 0 {
		return
	}
	at := f.reserve()
	var head, body []byte
	for i, p := range f.packed {
		f.entries[p.number] = entry{2, at, i}
		head = fmt.Appendf(head, "%d %d ", p.number, len(body))
		body = append(append(body, p.body...), '\n')
	}
	dict := fmt.Sprintf("/Type/ObjStm/N %d/First %d", len(f.packed), len(head))
	f.packed = f.packed[:0]
	f.stream(at, dict, append(head, body...), true)
}

// stream writes an object with data; dict are the entries of its dictionary.
func (f *file) stream(number int, dict string, data []byte, compress bool) {
	f.entries[number] = entry{1, len(f.out), 0}
	if compress {
		data = deflate(data)
		dict += "/Filter/FlateDecode"
	}
	f.out = fmt.Appendf(f.out, "%d 0 obj\n<<%s/Length %d>>stream\n", number, dict, len(data))
	f.out = append(f.out, data...)
	f.out = append(f.out, "\nendstream\nendobj\n"...)
}

// close writes where everything is. id names the document, whatever its version.
func (f *file) close(root, info int, id string) []byte {
	f.pack()
	number := f.reserve()
	at := len(f.out)
	f.entries[number] = entry{1, at, 0}
	var table []byte
	for _, e := range f.entries {
		table = append(table, byte(e.kind))
		table = binary.BigEndian.AppendUint32(table, uint32(e.at))
		table = binary.BigEndian.AppendUint16(table, uint16(e.index))
	}
	first, now := sha256.Sum256([]byte(id)), sha256.Sum256(f.out)
	f.stream(number, fmt.Sprintf("/Type/XRef/Size %d/W[1 4 2]/Root %d 0 R/Info %d 0 R/ID[<%x><%x>]", len(f.entries), root, info, first[:16], now[:16]), table, true)
	return fmt.Appendf(f.out, "startxref\n%d\n%%%%EOF\n", at)
}

// deflaters are not small: documents share them.
var deflaters = sync.Pool{New: func() any { return zlib.NewWriter(nil) }}

func deflate(data []byte) []byte {
	var b bytes.Buffer
	z := deflaters.Get().(*zlib.Writer)
	z.Reset(&b)
	z.Write(data) // a buffer takes all
	z.Close()
	deflaters.Put(z)
	return b.Bytes()
}

// textString is a text outside of pages (ISO 32000-1, §7.9.2.2).
func textString(s string) []byte {
	b := []byte{'<', 'F', 'E', 'F', 'F'}
	for _, u := range utf16.Encode([]rune(s)) {
		b = fmt.Appendf(b, "%04X", u)
	}
	return append(b, '>')
}

// plainString is a text of letters and digits of which languages are named.
func plainString(s string) string { return "<" + hex.EncodeToString([]byte(s)) + ">" }

func box(b []byte, r [4]float64) []byte {
	b = append(b, '[')
	for i, v := range r {
		if i > 0 {
			b = append(b, ' ')
		}
		b = appendNumber(b, v)
	}
	return append(b, ']')
}

func reference(b []byte, number int) []byte {
	return append(strconv.AppendInt(append(b, ' '), int64(number), 10), " 0 R"...)
}

// write draws the document and makes its file.
func (l *layout) write() []byte {
	w := l.draw()
	f := newFile()
	o := l.d.o
	catalog, info, meta, tree, kids, parents := f.reserve(), f.reserve(), f.reserve(), f.reserve(), f.reserve(), f.reserve()
	pages, links := make([]int, len(w.pages)), make([]int, len(w.links))
	for i := range pages {
		pages[i] = f.reserve()
	}
	for i := range links {
		links[i] = f.reserve()
	}
	fonts := [2]int{}
	for i, s := range w.subsets {
		if len(s.as) > 0 {
			fonts[i] = f.font(s)
		}
	}
	t := structure{f: f, pages: pages, links: links}
	t.number(l.root)
	t.write(l.root, tree)
	f.parents(parents, w, l.root)
	f.object(tree, fmt.Appendf(nil, "<</Type/StructTreeRoot/K %d 0 R/ParentTree %d 0 R/ParentTreeNextKey %d>>", l.root.object, parents, len(pages)+len(links)))
	var b []byte
	resources := "/ProcSet[/PDF/Text]/Font<<"
	for i, n := range fonts {
		if n > 0 {
			resources += fmt.Sprintf("/F%d %d 0 R", i, n)
		}
	}
	resources += ">>"
	for i, p := range w.pages {
		content := f.reserve()
		f.stream(content, "", p.content, true)
		b = fmt.Appendf(nil, "<</Type/Page/Parent %d 0 R/Contents %d 0 R/StructParents %d/Tabs/S", kids, content, i)
		if len(p.links) > 0 {
			b = append(b, "/Annots["...)
			for _, k := range p.links {
				b = reference(b, links[k])
			}
			b = append(b, ']')
		}
		f.object(pages[i], append(b, ">>"...))
	}
	b = append([]byte(nil), "<</Type/Pages/Kids["...)
	for _, p := range pages {
		b = reference(b, p)
	}
	b = fmt.Appendf(b, "]/Count %d/Resources<<%s>>/MediaBox", len(pages), resources)
	f.object(kids, append(box(b, w.box(0, 0, w.sheet.width, w.sheet.height)), ">>"...))
	for i, k := range w.links {
		b = append([]byte(nil), "<</Type/Annot/Subtype/Link/F 4/Border[0 0 0]/Rect"...)
		b = append(box(b, k.box), "/Contents"...)
		b = append(b, textString(k.to.text)...)
		b = fmt.Appendf(b, "/P %d 0 R/StructParent %d/Dest", pages[k.page-1], len(pages)+i)
		f.object(links[i], append(w.target(b, pages, k.to), ">>"...))
	}
	outline := f.outline(l.d.shared.headings, func(b []byte, h *heading) []byte { return w.target(b, pages, h) })
	title := shown(o.Title)
	date := o.Made.UTC().Format("D:20060102150405Z")
	b = append([]byte("<</Title"), textString(title)...)
	f.object(info, fmt.Appendf(b, "/Producer(Trojmezi)/CreationDate(%s)/ModDate(%s)>>", date, date))
	f.stream(meta, "/Type/Metadata/Subtype/XML", o.metadata(l.conforms()), false)
	b = fmt.Appendf(nil, "<</Type/Catalog/Pages %d 0 R/Lang%s/Metadata %d 0 R/StructTreeRoot %d 0 R/MarkInfo<</Marked true>>/ViewerPreferences<</DisplayDocTitle true>>", kids, plainString(o.Lang), meta, tree)
	if outline > 0 {
		b = fmt.Appendf(b, "/Outlines %d 0 R", outline)
	}
	if l.d.shared.contents {
		b = append(b, "/PageMode/UseOutlines"...)
	}
	f.object(catalog, append(b, ">>"...))
	id := o.ID
	if id == "" {
		id = o.Title
	}
	return f.close(catalog, info, id)
}

// target is where a heading stands.
func (w *writer) target(b []byte, pages []int, h *heading) []byte {
	b = append(reference(append(b, '['), pages[h.page-1]), "/XYZ "...)
	b = appendNumber(b, w.sheet.left/millimetre)
	b = appendNumber(append(b, ' '), (w.sheet.height-h.y+2)/millimetre)
	return append(b, " null]"...)
}

// structure writes the structure tree.
// spec: ISO 32000-1, §14.7 and §14.8.
type structure struct {
	f            *file
	pages, links []int
}

func (t *structure) number(e *element) {
	e.object = t.f.reserve()
	for _, k := range e.kids {
		if k.element != nil {
			t.number(k.element)
		}
	}
}

func (t *structure) write(e *element, parent int) {
	b := append([]byte("<</S/"), e.tag...)
	b = reference(append(b, "/P"...), parent)
	if e.lang != "" {
		b = append(append(b, "/Lang"...), plainString(e.lang)...)
	}
	if e.alt != "" {
		b = append(append(b, "/Alt"...), textString(e.alt)...)
	}
	switch {
	case e.scope != "":
		b = append(append(append(b, "/A<</O/Table/Scope/"...), e.scope...), ">>"...)
	case e.numbering != "":
		b = append(append(append(b, "/A<</O/List/ListNumbering/"...), e.numbering...), ">>"...)
	case e.tag == "Figure":
		b = append(box(append(b, "/A<</O/Layout/BBox"...), e.box), ">>"...)
	}
	on := 0
	for _, k := range e.kids {
		if k.page > 0 {
			on = k.page
			b = reference(append(b, "/Pg"...), t.pages[on-1])
			break
		}
	}
	b = append(b, "/K["...)
	for _, k := range e.kids {
		switch {
		case k.element != nil:
			b = reference(b, k.element.object)
		case k.link:
			b = fmt.Appendf(b, "<</Type/OBJR/Obj %d 0 R/Pg %d 0 R>>", t.links[k.n], t.pages[on-1])
		case k.page == on:
			b = strconv.AppendInt(append(b, ' '), int64(k.n), 10)
		default:
			b = fmt.Appendf(b, "<</Type/MCR/Pg %d 0 R/MCID %d>>", t.pages[k.page-1], k.n)
		}
	}
	t.f.object(e.object, append(b, "]>>"...))
	for _, k := range e.kids {
		if k.element != nil {
			t.write(k.element, e.object)
		}
	}
}

// parents says which element marked content and links belong to.
func (f *file) parents(number int, w *writer, root *element) {
	b := []byte("<</Nums[")
	for i, p := range w.pages {
		list := f.reserve()
		kids := []byte{'['}
		for _, e := range p.marks {
			kids = reference(kids, e.object)
		}
		f.object(list, append(kids, ']'))
		b = reference(strconv.AppendInt(append(b, ' '), int64(i), 10), list)
	}
	for i, k := range w.links {
		b = reference(strconv.AppendInt(append(b, ' '), int64(len(w.pages)+i), 10), k.from.object)
	}
	f.object(number, append(b, "]>>"...))
}

// outline writes the bookmarks, a level within the one above; 0: there are none.
func (f *file) outline(headings []*heading, target func([]byte, *heading) []byte) int {
	if len(headings) == 0 {
		return 0
	}
	type item struct {
		h             *heading
		number, count int // of all items below
		parent        int
		kids          []int
	}
	items := []item{{h: &heading{}, number: f.reserve()}} // the first stands above all
	var above []int
	for _, h := range headings {
		for len(above) > 0 && items[above[len(above)-1]].h.level >= h.level {
			above = above[:len(above)-1]
		}
		parent := 0
		if len(above) > 0 {
			parent = above[len(above)-1]
		}
		items = append(items, item{h: h, number: f.reserve(), parent: parent})
		n := len(items) - 1
		items[parent].kids = append(items[parent].kids, n)
		items[0].count++
		for _, a := range above {
			items[a].count++
		}
		above = append(above, n)
	}
	for i, it := range items {
		b := []byte("<<")
		if i == 0 {
			b = append(b, "/Type/Outlines"...)
		} else {
			b = append(append(b, "/Title"...), textString(it.h.text)...)
			b = reference(append(b, "/Parent"...), items[it.parent].number)
			beside := items[it.parent].kids
			k := sort.SearchInts(beside, i)
			if k > 0 {
				b = reference(append(b, "/Prev"...), items[beside[k-1]].number)
			}
			if k < len(beside)-1 {
				b = reference(append(b, "/Next"...), items[beside[k+1]].number)
			}
			b = target(append(b, "/Dest"...), it.h)
		}
		if len(it.kids) > 0 {
			b = reference(append(b, "/First"...), items[it.kids[0]].number)
			b = reference(append(b, "/Last"...), items[it.kids[len(it.kids)-1]].number)
			b = fmt.Appendf(b, "/Count %d", it.count)
		}
		f.object(it.number, append(b, ">>"...))
	}
	return items[0].number
}

// font writes a subset as a font whose characters are named by glyph (ISO 32000-1,
// §9.7.4), with what they mean.
func (f *file) font(s *subset) int {
	number, below, descriptor, data, unicode := f.reserve(), f.reserve(), f.reserve(), f.reserve(), f.reserve()
	raw := s.file()
	f.stream(data, fmt.Sprintf("/Length1 %d", len(raw)), raw, true)
	name := s.tagged()
	f.object(descriptor, fmt.Appendf(nil, "<</Type/FontDescriptor/FontName/%s/Flags 4/FontBBox[%d %d %d %d]/ItalicAngle 0/Ascent %d/Descent %d/CapHeight %d/StemV %d/FontFile2 %d 0 R>>",
		name, s.font.box[0], s.font.box[1], s.font.box[2], s.font.box[3], s.ascent, s.descent, s.capital, s.stem, data))
	b := fmt.Appendf(nil, "<</Type/Font/Subtype/CIDFontType2/BaseFont/%s/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/FontDescriptor %d 0 R/CIDToGIDMap/Identity/DW 1000/W[0[", name, descriptor)
	for _, g := range s.glyphs {
		b = append(appendNumber(b, float64(s.advance[g])*1000/s.units), ' ')
	}
	f.object(below, append(b, "]]>>"...))
	f.stream(unicode, "", s.meanings(), true)
	f.object(number, fmt.Appendf(nil, "<</Type/Font/Subtype/Type0/BaseFont/%s/Encoding/Identity-H/DescendantFonts[%d 0 R]/ToUnicode %d 0 R>>", name, below, unicode))
	return number
}

// meanings is the map from glyphs to characters (ISO 32000-1, §9.10.3).
func (s *subset) meanings() []byte {
	b := []byte("/CIDInit/ProcSet findresource begin\n12 dict begin\nbegincmap\n/CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>>def\n/CMapName/Adobe-Identity-UCS def\n/CMapType 2 def\n1 begincodespacerange\n<0000><FFFF>\nendcodespacerange\n")
	var pairs [][]byte
	for n, r := range s.shows {
		if r == 0 {
			continue
		}
		pair := fmt.Appendf(nil, "<%04X><", n)
		for _, u := range utf16.Encode([]rune{r}) {
			pair = fmt.Appendf(pair, "%04X", u)
		}
		pairs = append(pairs, append(pair, ">\n"...))
	}
	for len(pairs) > 0 {
		n := min(100, len(pairs)) // more are not allowed at once
		b = fmt.Appendf(b, "%d beginbfchar\n", n)
		for _, p := range pairs[:n] {
			b = append(b, p...)
		}
		b = append(b, "endbfchar\n"...)
		pairs = pairs[n:]
	}
	return append(b, "endcmap\nCMapName currentdict/CMap defineresource pop\nend\nend\n"...)
}

// metadata is what a document says about itself in XMP (ISO 16684-1).
func (o Options) metadata(conforms bool) []byte {
	escaped := func(s string) string {
		var b bytes.Buffer
		xml.EscapeText(&b, []byte(shown(s)))
		return b.String()
	}
	date := o.Made.UTC().Format("2006-01-02T15:04:05Z")
	part := ""
	if conforms {
		part = "<pdfuaid:part>1</pdfuaid:part>\n"
	}
	return fmt.Appendf(nil, `<?xpacket begin="`+"\ufeff"+`" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">%s</rdf:li></rdf:Alt></dc:title>
<dc:language><rdf:Bag><rdf:li>%s</rdf:li></rdf:Bag></dc:language>
<xmp:CreateDate>%s</xmp:CreateDate>
<xmp:ModifyDate>%s</xmp:ModifyDate>
<pdf:Producer>Trojmezi</pdf:Producer>
%s</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>`, escaped(o.Title), escaped(o.Lang), date, date, part)
}

// conforms reports whether the document can say that it keeps to PDF/UA-1: what does
// not depend on this package but on who uses it.
func (l *layout) conforms() bool {
	if l.d.o.Lang == "" || shown(l.d.o.Title) == "" {
		return false
	}
	level := 0
	for _, h := range l.d.shared.headings {
		if h.level > level+1 {
			return false
		}
		level = h.level
	}
	var described func(e *element) bool
	described = func(e *element) bool {
		if e.tag == "Figure" && e.alt == "" {
			return false
		}
		for _, k := range e.kids {
			if k.element != nil && !described(k.element) {
				return false
			}
		}
		return true
	}
	return described(l.root)
}
