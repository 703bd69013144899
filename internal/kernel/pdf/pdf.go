package pdf

import (
	"cmp"
	"fmt"
	"time"

	"rsc.io/qr"
)

// Paper is a size of page with its margins.
type Paper int

// A4 has a wide left margin for the file's holes, A6 fits in a pocket.
const (
	A4 Paper = iota
	A6
)

// sheet are the measures of a paper in millimetres.
type sheet struct {
	width, height, left, right, top, bottom float64
	band, head, foot                        float64 // height of the band; head from above, foot from below
	scale                                   float64 // of all text
}

var sheets = map[Paper]sheet{
	A4: {width: 210, height: 297, left: 25, right: 15, top: 22, bottom: 20, band: 8, head: 12, foot: 14, scale: 1},
	A6: {width: 105, height: 148, left: 10, right: 8, top: 14, bottom: 12, band: 5.5, head: 8, foot: 8.5, scale: 0.8},
}

const (
	millimetre = 25.4 / 72 // of a point

	textSize   = 10.0 // points
	smallSize  = 8.0
	lineFactor = 1.35 * millimetre // line height in millimetres for a point of size
	cellPad    = 1.2
	rule       = 0.2
	qrModule   = 0.6 // millimetres; readable by a telephone from a hand's breadth
	columnGap  = 5.0
	boxPad     = 2.0
	barWidth   = 0.8
)

var headingSize = map[int]float64{1: 16, 2: 12, 3: 10.5}

// Options is what a document says about itself.
type Options struct {
	Title string
	Lang  string // BCP 47: cs, de, pl, en
	Paper Paper
	// ID names the document in all its versions; "": its title does. With the bytes it
	// makes the identifiers that the file carries.
	ID string
	// Band stands white on black along the upper edge of every page, such as
	// "EXERCISE"; "": none.
	Band string
	// Head stands at the upper edge of every page, Foot at the lower one; Page makes the
	// text of page n of all.
	Head, Foot string
	Page       func(n, all int) string
	// Mark stands grey and slanted behind the text of every page; "": none.
	Mark string
	// Scale makes the text larger: 2 is read from across a room. 0: as in a file.
	Scale float64
	Made  time.Time
}

// Document is a record in the making. It is not safe for concurrent use; different
// documents can be made at the same time.
type Document struct {
	o      Options
	lang   string // in force for what is added next
	shared *shared
	blocks []func(*flow)
}

// shared is what a document and its parts know together.
type shared struct {
	headings []*heading
	contents bool // there is a table of contents
	over     []Overflow
	laid     *layout
	err      error // the first mistake
}

// heading is where a reader can go.
type heading struct {
	level      int
	text, lang string
	page       int
	y          float64
}

// Overflow is a card that is more than a page.
type Overflow struct {
	Card string
	By   float64 // millimetres
}

// New returns an empty document.
func New(o Options) *Document { return &Document{o: o, lang: o.Lang, shared: &shared{}} }

// part is a document for what goes into a box of this one.
func (d *Document) part(lang string, fill func(*Document)) *Document {
	p := &Document{o: d.o, lang: cmp.Or(lang, d.lang), shared: d.shared}
	fill(p)
	return p
}

func (d *Document) add(b func(*flow)) {
	d.blocks = append(d.blocks, b)
	d.shared.laid = nil
}

func (d *Document) mistake(format string, args ...any) {
	if d.shared.err == nil {
		d.shared.err = fmt.Errorf("pdf: "+format, args...)
	}
}

// Heading adds a heading of level 1 to 3. It is never the last on a page, and readers
// find it among the bookmarks.
func (d *Document) Heading(level int, text string) { d.HeadingIn("", level, text) }

// HeadingIn is a heading in a language; "": the one around it.
func (d *Document) HeadingIn(lang string, level int, text string) {
	if headingSize[level] == 0 {
		d.mistake("a heading of level %d", level)
		return
	}
	h := &heading{level: level, text: shown(text), lang: cmp.Or(lang, d.lang)}
	d.shared.headings = append(d.shared.headings, h)
	d.add(func(f *flow) {
		size := f.size(headingSize[level])
		f.gap += size * lineFactor * 0.6
		first := len(f.strips)
		f.text(f.parent.under(fmt.Sprintf("H%d", level), lang), f.lines("", bold, text, size, f.width), size)
		for i := first; i < len(f.strips); i++ {
			f.strips[i].keep = true
		}
		f.strips[first].heads = []offset{{h, 0}}
		f.gap = 1
	})
}

// Section is a part of the document in a language; "": the one around it.
func (d *Document) Section(lang string, fill func(*Document)) {
	p := d.part(lang, fill)
	d.add(func(f *flow) {
		outer := f.parent
		f.parent = outer.under("Sect", lang)
		p.lay(f)
		f.parent = outer
	})
}

// Break begins a new page, unless one has just begun.
func (d *Document) Break() { d.add(func(f *flow) { f.fresh = true }) }

// Paragraph adds a text. lang is its language where that differs from the one around
// it; "": that one. A text that ends with a colon stays with what comes next.
func (d *Document) Paragraph(lang, text string) { d.paragraph(lang, "", text, textSize) }

// Lead adds a paragraph that begins in bold.
func (d *Document) Lead(lang, lead, text string) { d.paragraph(lang, lead, text, textSize) }

// Small adds a paragraph in small print, for sources and states of texts.
func (d *Document) Small(lang, text string) { d.paragraph(lang, "", text, smallSize) }

func (d *Document) paragraph(lang, lead, text string, points float64) {
	d.add(func(f *flow) {
		size := f.size(points)
		f.text(f.parent.under("P", lang), f.lines(lead, regular, text, size, f.width), size)
		if n := len(text); n > 0 && text[n-1] == ':' {
			f.keep()
		}
		f.gap = f.size(1.5)
	})
}

// Shape is a filled polygon of a picture: black, or white on what lies below. Its
// corners are in hundredths of the picture's side, from the upper left.
type Shape struct {
	White  bool
	Points [][2]float64
}

// Picture adds a square picture with the text that stands for it; side in millimetres.
func (d *Document) Picture(lang, alt string, side float64, shapes []Shape) {
	d.add(func(f *flow) {
		figure := f.parent.under("Figure", lang)
		figure.alt = shown(alt)
		f.add(strip{height: side, draw: func(w *writer, y float64) {
			w.mark(figure)
			figure.box = w.box(f.x, y, side, side)
			for _, s := range shapes {
				shade := 0.0
				if s.White {
					shade = 1
				}
				w.shade(shade)
				w.polygon(s.Points, f.x, y, side/100)
			}
			w.shade(0)
		}})
		f.gap = 2
	})
}

// QR adds a QR code (ISO/IEC 18004) of content with the text that stands for it.
func (d *Document) QR(content, alt string) error {
	code, err := qr.Encode(content, qr.M)
	if err != nil {
		return fmt.Errorf("pdf: qr: %w", err)
	}
	d.add(func(f *flow) {
		side := float64(code.Size+8) * qrModule
		figure := f.parent.under("Figure", "")
		figure.alt = shown(alt)
		f.gap = max(f.gap, 2)
		f.add(strip{height: side, draw: func(w *writer, y float64) {
			w.mark(figure)
			figure.box = w.box(f.x, y, side, side)
			for row := range code.Size {
				for from := 0; from < code.Size; from++ {
					to := from
					for to < code.Size && code.Black(to, row) {
						to++
					}
					if to > from {
						w.rectangle(f.x+float64(from)*qrModule, y+float64(row)*qrModule, float64(to-from)*qrModule, qrModule)
						from = to
					}
				}
			}
			w.fill()
		}})
	})
	return nil
}

// Line adds an empty line with a label, to be filled in by hand.
func (d *Document) Line(label string) {
	d.add(func(f *flow) {
		size := f.size(textSize)
		p := f.parent.under("P", "")
		lines := f.lines("", regular, label, size, f.width*0.6)
		f.gap += 4
		f.text(p, lines, size)
		last := &f.strips[len(f.strips)-1]
		var used float64
		for _, r := range lines[len(lines)-1] {
			used += f.faces[r.face].width(r.text, size)
		}
		label := last.draw
		last.draw = func(w *writer, y float64) {
			label(w, y)
			w.artifact(func() { w.line(f.x+used+3, y+last.height-0.8, f.x+f.width, y+last.height-0.8) })
		}
	})
}

// Pages is how many pages the document has, for who wants it on fewer.
func (d *Document) Pages() int { return d.layout().pages }

// Fits lists the cards that do not fit on a page, in order; none if all do.
func (d *Document) Fits() []Overflow {
	d.layout()
	return d.shared.over
}

// Bytes returns the document. An error is a mistake of the caller's: a heading of a
// level that is not there, a row with more cells than the table has columns.
func (d *Document) Bytes() ([]byte, error) {
	if d.shared.err != nil {
		return nil, d.shared.err
	}
	l := d.layout()
	d.shared.laid = nil // drawing completes its structure, once
	return l.write(), nil
}

// layout is a document whose strips have their places.
type layout struct {
	d      *Document
	faces  [2]*font
	root   *element
	placed []placed
	pages  int
}

func (d *Document) layout() *layout {
	if d.shared.laid != nil {
		return d.shared.laid
	}
	faces := fonts()
	s := sheets[d.o.Paper]
	l := &layout{d: d, faces: faces, root: &element{tag: "Document"}}
	f := &flow{d: d, faces: faces, parent: l.root, x: s.left, width: s.width - s.left - s.right, scale: s.scale * cmp.Or(d.o.Scale, 1)}
	d.shared.over = nil
	d.lay(f)
	l.placed, l.pages = place(f.strips, s.top, s.height-s.bottom)
	d.shared.laid = l
	return l
}

func (d *Document) lay(f *flow) {
	for _, b := range d.blocks {
		b(f)
	}
}

// body is the height of a page that blocks can fill.
func (d *Document) body() float64 {
	s := sheets[d.o.Paper]
	return s.height - s.top - s.bottom
}
