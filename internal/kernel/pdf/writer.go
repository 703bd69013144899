package pdf

import (
	"fmt"
	"strings"

	"codeberg.org/go-pdf/fpdf"
)

// element is a node of the structure tree: further elements and marked content,
// in reading order.
type element struct {
	tag, lang, alt string
	scope          string // of TH: Row or Column
	kids           []kid
}

// kid is an element, or the marked content n of a page.
type kid struct {
	element *element
	page, n int
}

// writer puts blocks on pages, from top to bottom.
type writer struct {
	f     *fpdf.Fpdf
	o     Options
	pages int // of the whole document; 0 in the first pass
	root  *element
	y     float64
	marks int // of the present page
	size  float64
}

// page begins the next page, with what stands on every one.
func (w *writer) page() {
	style, size := w.style(), w.size
	w.f.AddPage()
	w.marks, w.y = 0, top
	w.artifact(func() {
		w.watermark()
		if w.o.Band != "" {
			w.f.SetFillColor(0, 0, 0)
			w.f.Rect(0, 0, pageWidth, bandHeight, "F")
			// Stripes: in a bad copy black alone could be a shadow.
			w.f.SetFillColor(255, 255, 255)
			for x := 0.0; x < pageWidth; x += 8 {
				w.f.Rect(x, bandHeight, 4, 1.5, "F")
				w.f.SetFillColor(0, 0, 0)
				w.f.Rect(x+4, bandHeight, 4, 1.5, "F")
				w.f.SetFillColor(255, 255, 255)
			}
			w.f.SetTextColor(255, 255, 255)
			w.f.SetFont("text", "B", 12)
			w.f.SetXY(left, 1)
			w.f.CellFormat(width, bandHeight-2, shown(w.o.Band), "", 0, "C", false, 0, "")
			w.f.SetTextColor(0, 0, 0)
		}
		w.f.SetFont("text", "", smallSize)
		y := pageHeight - bottom + 6
		w.f.Line(left, y-1, left+width, y-1)
		w.f.SetXY(left, y)
		w.f.CellFormat(width, 4, shown(w.o.Foot), "", 0, "L", false, 0, "")
		if w.o.Page != nil {
			w.f.SetXY(left, y)
			w.f.CellFormat(width, 4, shown(w.o.Page(w.f.PageNo(), w.pages)), "", 0, "R", false, 0, "")
		}
	})
	if size > 0 {
		w.font(style, size)
	}
}

// watermark draws what stands behind the text, as large as the page takes it.
func (w *writer) watermark() {
	if w.o.Mark == "" {
		return
	}
	const across = 250.0 // millimetres of the slanted line
	text := shown(w.o.Mark)
	w.f.SetFont("text", "B", 100)
	size := min(100*across/max(w.f.GetStringWidth(text), 1), 120)
	w.f.SetFont("text", "B", size)
	w.f.SetTextColor(225, 225, 225) // black text on it keeps a contrast of 16 to 1
	w.f.TransformBegin()
	w.f.TransformRotate(52, pageWidth/2, pageHeight/2)
	w.f.Text((pageWidth-w.f.GetStringWidth(text))/2, pageHeight/2+size*lineFactor/4, text)
	w.f.TransformEnd()
	w.f.SetTextColor(0, 0, 0)
}

func (w *writer) style() string { return w.f.GetFontStyle() }

func (w *writer) font(style string, size float64) {
	w.size = size
	w.f.SetFont("text", style, size)
}

// gap leaves room, but none at the top of a page.
func (w *writer) gap(h float64) {
	if w.y > top {
		w.y += h
	}
}

// need begins a new page unless h fits on this one.
func (w *writer) need(h float64) {
	if w.y+h > pageHeight-bottom && w.y > top {
		w.page()
	}
}

func (w *writer) under(parent *element, tag, lang string) *element {
	e := &element{tag: tag, lang: lang}
	parent.kids = append(parent.kids, kid{element: e})
	return e
}

// mark begins content of e on the present page; unmark ends it.
func (w *writer) mark(e *element) {
	e.kids = append(e.kids, kid{page: w.f.PageNo(), n: w.marks})
	w.f.RawWriteStr(fmt.Sprintf("/%s <</MCID %d>> BDC\n", e.tag, w.marks))
	w.marks++
}

func (w *writer) unmark() { w.f.RawWriteStr("EMC\n") }

// artifact draws what is no content: lines, what repeats on every page.
func (w *writer) artifact(draw func()) {
	w.f.RawWriteStr("/Artifact BMC\n")
	draw()
	w.unmark()
}

// flow writes a text over the whole width, over as many pages as it needs.
func (w *writer) flow(e *element, text string, size float64) {
	lines, h := w.lines(text, width), size*lineFactor
	for len(lines) > 0 {
		w.need(h)
		fits := max(1, int((pageHeight-bottom-w.y)/h))
		now := lines[:min(fits, len(lines))]
		w.mark(e)
		w.put(left, w.y, width, h, now)
		w.unmark()
		w.y += float64(len(now)) * h
		lines = lines[len(now):]
	}
}

// put writes lines from the height y on. Each ends with a space: who extracts the
// text would otherwise join the last word of a line to the first of the next.
func (w *writer) put(x, y, wide, h float64, lines []string) {
	for i, l := range lines {
		w.f.SetXY(x, y+float64(i)*h)
		w.f.CellFormat(wide, h, l+" ", "", 0, "L", false, 0, "")
	}
}

// lines breaks a text for a width; a word that is longer is cut.
func (w *writer) lines(text string, wide float64) (all []string) {
	for _, part := range strings.Split(shown(text), "\n") {
		if strings.TrimSpace(part) == "" {
			all = append(all, "")
			continue
		}
		all = append(all, w.f.SplitText(part, wide-w.f.GetStringWidth(" "))...)
	}
	return all
}

// shown keeps what the fonts of the document can show.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0:
			return -1
		case r > 0xffff:
			return '□' // the fonts end here: better a sign that something stood there
		}
		return r
	}, strings.ToValidUTF8(s, "□"))
}

// table draws rows under a header.
type table struct {
	w       *writer
	element *element
	widths  []float64
	head    []string
}

// header draws the head, as content the first time, then as what repeats.
func (t *table) header(again bool) {
	w, h := t.w, textSize*lineFactor
	w.font("B", textSize)
	cells := make([][]string, len(t.head))
	most := 1
	for i, text := range t.head {
		cells[i] = w.lines(text, t.widths[i]-2*cellPad)
		most = max(most, len(cells[i]))
	}
	high := float64(most)*h + 2*cellPad
	if !again {
		w.need(high + 3*h)
	}
	w.artifact(func() {
		w.f.SetFillColor(230, 230, 230)
		w.f.Rect(left, w.y, width, high, "F")
	})
	var row *element
	if !again {
		row = w.under(t.element, "TR", "")
	}
	x := left
	for i := range t.head {
		put := func() { w.put(x+cellPad, w.y+cellPad, t.widths[i]-2*cellPad, h, cells[i]) }
		if again {
			w.artifact(put)
		} else {
			th := w.under(row, "TH", "")
			th.scope = "Column"
			w.mark(th)
			put()
			w.unmark()
		}
		x += t.widths[i]
	}
	w.y += high
	t.rule()
}

func (t *table) rule() {
	w := t.w
	w.artifact(func() { w.f.Line(left, w.y, left+width, w.y) })
}

// row draws one row, cut at the end of a page where it must be.
func (t *table) row(cells []Cell) {
	w, h := t.w, textSize*lineFactor
	row := w.under(t.element, "TR", "")
	lines := make([][]string, len(cells))
	elements := make([]*element, len(cells))
	most := 1
	for i, c := range cells {
		tag := "TD"
		w.font("", textSize)
		if i == 0 && t.head == nil {
			tag = "TH"
			w.font("B", textSize)
		}
		elements[i] = w.under(row, tag, c.Lang)
		if tag == "TH" {
			elements[i].scope = "Row"
		}
		lines[i] = w.lines(c.Text, t.widths[i]-2*cellPad)
		most = max(most, len(lines[i]))
	}
	for done := 0; done < most; {
		fits := int((pageHeight - bottom - w.y - 2*cellPad) / h)
		// A row that fits on one page is not cut; neither is its first line left alone.
		if whole := pageHeight - bottom - top - 2*cellPad - 3*h; fits < most-done && (fits < 2 || float64(most)*h < whole) && w.y > top {
			w.page()
			if t.head != nil {
				t.header(true)
			}
			fits = int((pageHeight - bottom - w.y - 2*cellPad) / h)
		}
		n := min(max(fits, 1), most-done)
		x := left
		for i := range cells {
			part := lines[i][min(done, len(lines[i])):min(done+n, len(lines[i]))]
			if len(part) > 0 {
				w.font("", textSize)
				if elements[i].tag == "TH" {
					w.font("B", textSize)
				}
				w.mark(elements[i])
				w.put(x+cellPad, w.y+cellPad, t.widths[i]-2*cellPad, h, part)
				w.unmark()
			}
			x += t.widths[i]
		}
		w.y += float64(n)*h + 2*cellPad
		done += n
		t.rule()
	}
}
