// Package pdf makes records for paper: protocols, forms, lists. What it makes is
// tagged (ISO 32000-1, §14.8): a program that reads aloud finds headings, tables
// with their header cells, languages and the order of the text. It is for the
// modules whose pages can be printed for the file, or hung on a wall. It lays out
// text and tables one below the other on A4 and draws nothing else but QR codes,
// signs of straight lines and lines to write on; it signs nothing, and nobody has
// certified what it makes for PDF/UA.
package pdf

import (
	"bytes"
	"fmt"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"github.com/go-fonts/liberation/liberationsansbold"
	"github.com/go-fonts/liberation/liberationsansregular"
	"rsc.io/qr"
)

// Measures in millimetres: A4, a wide left margin for the file's holes.
const (
	pageWidth, pageHeight = 210.0, 297.0
	left, right           = 25.0, 15.0
	top, bottom           = 22.0, 20.0
	width                 = pageWidth - left - right

	textSize   = 10.0 // points
	smallSize  = 8.0
	lineFactor = 1.35 * 25.4 / 72 // line height in millimetres for a point of size
	cellPad    = 1.2
	rule       = 0.2
	bandHeight = 8.0
	qrModule   = 0.6 // millimetres; readable by a telephone from a hand's breadth
)

var headingSize = map[int]float64{1: 16, 2: 12, 3: 10.5}

// Options is what a document says about itself.
type Options struct {
	Title string
	Lang  string // BCP 47: cs, de, pl, en
	// Band stands white on black along the upper edge of every page, such as
	// "EXERCISE"; "": none.
	Band string
	// Foot stands at the lower edge of every page; Page makes the text of page n
	// of all.
	Foot string
	Page func(n, all int) string
	// Mark stands grey and slanted behind the text of every page; "": none.
	Mark string
	// Scale makes headings and paragraphs larger: 2 is read from across a room. 0: as
	// in a file.
	Scale float64
	Made  time.Time
}

// size is a size of text in this document.
func (o Options) size(points float64) float64 {
	if o.Scale > 0 {
		return points * o.Scale
	}
	return points
}

// Document is a record in the making. It is not safe for concurrent use.
type Document struct {
	o      Options
	blocks []func(*writer)
}

// New returns an empty document.
func New(o Options) *Document { return &Document{o: o} }

// Heading adds a heading of level 1 to 3.
func (d *Document) Heading(level int, text string) { d.HeadingIn("", level, text) }

// HeadingIn is a heading in a language; "": the document's.
func (d *Document) HeadingIn(lang string, level int, text string) {
	d.blocks = append(d.blocks, func(w *writer) {
		size := w.o.size(headingSize[level])
		w.gap(size * lineFactor * 0.6)
		// Not alone at the end of a page.
		w.need(size*lineFactor + 3*w.o.size(textSize)*lineFactor)
		w.font("B", size)
		w.flow(w.under(w.root, fmt.Sprintf("H%d", level), lang), text, size)
		w.gap(1)
	})
}

// Break begins a new page, unless one has just begun.
func (d *Document) Break() {
	d.blocks = append(d.blocks, func(w *writer) {
		if w.y > top {
			w.page()
		}
	})
}

// Shape is a filled polygon of a picture: black, or white on what lies below. Its
// corners are in hundredths of the picture's side, from the upper left.
type Shape struct {
	White  bool
	Points [][2]float64
}

// Picture adds a square picture with the text that stands for it.
func (d *Document) Picture(lang, alt string, side float64, shapes []Shape) {
	d.blocks = append(d.blocks, func(w *writer) {
		w.need(side)
		figure := w.under(w.root, "Figure", lang)
		figure.alt = alt
		w.mark(figure)
		for _, s := range shapes {
			points := make([]fpdf.PointType, len(s.Points))
			for i, p := range s.Points {
				points[i] = fpdf.PointType{X: left + p[0]*side/100, Y: w.y + p[1]*side/100}
			}
			shade := 0
			if s.White {
				shade = 255
			}
			w.f.SetFillColor(shade, shade, shade)
			w.f.Polygon(points, "F")
		}
		w.unmark()
		w.y += side + 2
	})
}

// Paragraph adds a text. lang is its language where that differs from the
// document's; "": the document's.
func (d *Document) Paragraph(lang, text string) {
	d.blocks = append(d.blocks, func(w *writer) {
		size := w.o.size(textSize)
		w.font("", size)
		w.flow(w.under(w.root, "P", lang), text, size)
		w.gap(1.5)
	})
}

// Line adds an empty line with a label, to be filled in by hand.
func (d *Document) Line(label string) {
	d.blocks = append(d.blocks, func(w *writer) {
		w.need(9)
		w.gap(4)
		w.font("", textSize)
		w.flow(w.under(w.root, "P", ""), label, textSize)
		x := left + w.f.GetStringWidth(shown(label)) + 3
		w.artifact(func() { w.f.Line(x, w.y-0.8, left+width, w.y-0.8) })
	})
}

// QR adds a QR code (ISO/IEC 18004) of content with the text that stands for it.
func (d *Document) QR(content, alt string) error {
	code, err := qr.Encode(content, qr.M)
	if err != nil {
		return fmt.Errorf("pdf: qr: %w", err)
	}
	d.blocks = append(d.blocks, func(w *writer) {
		side := float64(code.Size+8) * qrModule
		w.gap(2)
		w.need(side)
		figure := w.under(w.root, "Figure", "")
		figure.alt = alt
		w.mark(figure)
		w.f.SetFillColor(0, 0, 0)
		for y := range code.Size {
			for x := range code.Size {
				if code.Black(x, y) {
					w.f.Rect(left+float64(x)*qrModule, w.y+float64(y)*qrModule, qrModule, qrModule, "F")
				}
			}
		}
		w.unmark()
		w.y += side
	})
	return nil
}

// Cell is one cell of a table.
type Cell struct {
	Text string
	Lang string // "": the document's
}

// Table adds a table. shares are the widths of the columns in relation to each
// other. head is repeated on every page; with no head the first cell of a row is
// its header.
func (d *Document) Table(shares []float64, head []string, rows [][]Cell) {
	d.blocks = append(d.blocks, func(w *writer) {
		var sum float64
		for _, s := range shares {
			sum += s
		}
		t := &table{w: w, element: w.under(w.root, "Table", ""), head: head}
		for _, s := range shares {
			t.widths = append(t.widths, width*s/sum)
		}
		if head != nil {
			t.header(false)
		}
		for _, r := range rows {
			t.row(r)
		}
		w.gap(2)
	})
}

// Facts adds a table of two columns, name and value.
func (d *Document) Facts(rows [][2]string) {
	cells := make([][]Cell, len(rows))
	for i, r := range rows {
		cells[i] = []Cell{{Text: r[0]}, {Text: r[1]}}
	}
	d.Table([]float64{1, 2.4}, nil, cells)
}

// Bytes returns the document.
func (d *Document) Bytes() ([]byte, error) {
	// Twice: only the first pass knows how many pages there are.
	w := d.draw(0)
	if err := w.f.Error(); err != nil {
		return nil, fmt.Errorf("pdf: %w", err)
	}
	w = d.draw(w.f.PageNo())
	var out bytes.Buffer
	if err := w.f.Output(&out); err != nil {
		return nil, fmt.Errorf("pdf: %w", err)
	}
	return tag(out.Bytes(), w.root, d.o)
}

// Pages is how many pages the document has, for who wants it on fewer.
func (d *Document) Pages() int { return d.draw(0).f.PageNo() }

func (d *Document) draw(pages int) *writer {
	f := fpdf.New("P", "mm", "A4", "")
	f.SetCatalogSort(true)
	f.SetCreationDate(d.o.Made)
	f.SetModificationDate(d.o.Made)
	f.SetTitle(shown(d.o.Title), true)
	f.SetLang(d.o.Lang)
	f.SetAutoPageBreak(false, 0)
	f.SetMargins(left, top, right)
	f.SetCellMargin(0)
	f.SetLineWidth(rule)
	f.AddUTF8FontFromBytes("text", "", liberationsansregular.TTF)
	f.AddUTF8FontFromBytes("text", "B", liberationsansbold.TTF)
	w := &writer{f: f, o: d.o, pages: pages, root: &element{tag: "Document"}}
	w.page()
	for _, b := range d.blocks {
		b(w)
	}
	return w
}
