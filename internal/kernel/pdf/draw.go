package pdf

import (
	"math"
	"strconv"
)

// writer draws the pages of a document from the first to the last.
type writer struct {
	l       *layout
	sheet   sheet
	subsets [2]*subset
	pages   []*page
	links   []link
	b       []byte // operators of the present page
	open    *element
	closed  bool // nothing is open
	repeat  bool // what is drawn has been content before
}

// page is one that is drawn.
type page struct {
	content []byte
	marks   []*element // whose marked content n is
	links   []int
}

// link leads from a place on a page to a heading.
type link struct {
	from *element
	page int
	to   *heading
	box  [4]float64
}

func (l *layout) draw() *writer {
	w := &writer{l: l, sheet: sheets[l.d.o.Paper], subsets: [2]*subset{newSubset(l.faces[regular]), newSubset(l.faces[bold])}, closed: true}
	for _, p := range l.placed {
		for len(w.pages) < p.page {
			w.begin()
		}
		w.repeat = p.repeat
		p.draw(w, p.y)
		w.repeat = false
	}
	for len(w.pages) < max(l.pages, 1) {
		w.begin()
	}
	w.end()
	return w
}

// begin begins the next page, with what stands on every one.
func (w *writer) begin() {
	w.end()
	w.pages = append(w.pages, &page{})
	w.b = make([]byte, 0, 16<<10)
	w.b = append(w.b, "0.57 w\n"...) // lines of 0.2 mm
	o, s := w.l.d.o, w.sheet
	w.pagination("Background", func() { w.watermark() })
	size := smallSize * s.scale
	w.pagination("Header", func() {
		if o.Band != "" {
			w.rectangle(0, 0, s.width, s.band)
			// Stripes: in a bad copy black alone could be a shadow.
			for x := 4.0; x < s.width; x += 8 {
				w.rectangle(x, s.band, 4, 1.5)
			}
			w.fill()
			w.shade(1)
			w.lineOf(o.Band, bold, 12*s.scale, s.band/2-12*s.scale*lineFactor/2, middle)
			w.shade(0)
		}
		w.lineOf(o.Head, regular, size, s.head, start)
	})
	w.pagination("Footer", func() {
		y := s.height - s.foot
		w.line(s.left, y-1, s.width-s.right, y-1)
		number := ""
		if o.Page != nil {
			number = shown(o.Page(len(w.pages), w.l.pages))
			w.lineOf(number, regular, size, y, end)
		}
		w.lineOf(o.Foot, regular, size, y, start)
	})
}

func (w *writer) end() {
	if len(w.pages) > 0 {
		w.unmark()
		w.pages[len(w.pages)-1].content = w.b
	}
}

// watermark draws what stands behind the text, as large as the page takes it.
func (w *writer) watermark() {
	text := shown(w.l.d.o.Mark)
	if text == "" {
		return
	}
	s := w.sheet
	across := math.Hypot(s.width, s.height) * 0.69 // of the slanted line
	size := min(100*across/max(w.l.faces[bold].width(text, 100), 1), 120*s.width/210)
	wide := w.l.faces[bold].width(text, size)
	w.shade(0.88) // black text on it keeps a contrast of 16 to 1
	const angle = 52 * math.Pi / 180
	sin, cos := math.Sin(angle), math.Cos(angle)
	x, y := s.width/2-cos*wide/2+sin*size*millimetre*0.36, s.height/2+sin*wide/2+cos*size*millimetre*0.36
	w.b = append(w.b, "BT\n"...)
	w.numbers(cos, sin, -sin, cos, x/millimetre, (s.height-y)/millimetre)
	w.b = append(w.b, "Tm\n"...)
	w.show(line{{bold, text}}, size, false)
	w.b = append(w.b, "ET\n"...)
	w.shade(0)
}

// Where a line of a header or footer stands.
const (
	start = iota
	middle
	end
)

// lineOf writes one line between the margins.
func (w *writer) lineOf(text string, face int, size, y float64, where int) {
	if text = shown(text); text == "" {
		return
	}
	s := w.sheet
	x := s.left
	free := s.width - s.left - s.right - w.l.faces[face].width(text, size)
	switch {
	case where == middle && free > 0:
		x += free / 2
	case where == end:
		x += free
	}
	w.text(x, y, size, line{{face, text}}, false)
}

// mark says that what is drawn next is content of e.
func (w *writer) mark(e *element) {
	switch {
	case w.repeat:
		if w.closed || w.open != nil {
			w.unmark()
			w.b = append(w.b, "/Artifact<</Type/Pagination>>BDC\n"...)
			w.closed = false
		}
		return
	case w.open == e:
		return
	}
	w.unmark()
	p := w.pages[len(w.pages)-1]
	e.kids = append(e.kids, kid{page: len(w.pages), n: len(p.marks)})
	w.b = append(append(append(w.b, '/'), e.tag...), "<</MCID "...)
	w.b = strconv.AppendInt(w.b, int64(len(p.marks)), 10)
	w.b = append(w.b, ">>BDC\n"...)
	p.marks = append(p.marks, e)
	w.open, w.closed = e, false
}

func (w *writer) unmark() {
	if !w.closed {
		w.b = append(w.b, "EMC\n"...)
	}
	w.open, w.closed = nil, true
}

// artifact draws what is no content: lines and what lies behind text.
func (w *writer) artifact(draw func()) {
	w.unmark()
	from := len(w.b)
	w.b = append(w.b, "/Artifact<</Type/Layout>>BDC\n"...)
	drawn := len(w.b)
	draw()
	if len(w.b) == drawn {
		w.b = w.b[:from]
		return
	}
	w.b = append(w.b, "EMC\n"...)
}

// pagination draws what stands on every page.
func (w *writer) pagination(part string, draw func()) {
	from := len(w.b)
	w.b = append(w.b, "/Artifact<</Type/Pagination/Subtype/"+part+">>BDC\n"...)
	drawn := len(w.b)
	draw()
	if len(w.b) == drawn {
		w.b = w.b[:from]
		return
	}
	w.b = append(w.b, "EMC\n"...)
}

func (w *writer) link(from *element, to *heading, x, y, wide, high float64) {
	p := w.pages[len(w.pages)-1]
	p.links = append(p.links, len(w.links))
	from.kids = append(from.kids, kid{link: true, n: len(w.links)})
	w.links = append(w.links, link{from: from, page: len(w.pages), to: to, box: w.box(x, y, wide, high)})
}

// box is a rectangle in points from the lower left.
func (w *writer) box(x, y, wide, high float64) [4]float64 {
	return [4]float64{x / millimetre, (w.sheet.height - y - high) / millimetre, (x + wide) / millimetre, (w.sheet.height - y) / millimetre}
}

// text writes a line whose upper edge is y; a space follows it where the text goes on:
// who extracts it would otherwise join the last word to the next.
func (w *writer) text(x, y, size float64, l line, more bool) {
	w.b = append(w.b, "BT\n"...)
	w.point(x, y+size*millimetre*0.98)
	w.b = append(w.b, "Td\n"...)
	w.show(l, size, more)
	w.b = append(w.b, "ET\n"...)
}

func (w *writer) show(l line, size float64, more bool) {
	for i, r := range l {
		w.b = append(w.b, "/F0 "...)
		w.b[len(w.b)-2] = '0' + byte(r.face)
		w.b = appendNumber(w.b, size)
		w.b = append(w.b, " Tf("...)
		for _, c := range r.text {
			w.code(r.face, c)
		}
		if more && i == len(l)-1 {
			w.code(r.face, ' ')
		}
		w.b = append(w.b, ")Tj\n"...)
	}
}

func (w *writer) code(face int, r rune) {
	n := w.subsets[face].code(r)
	w.b = appendEscaped(appendEscaped(w.b, byte(n>>8)), byte(n))
}

func appendEscaped(b []byte, c byte) []byte {
	switch c {
	case '(', ')', '\\':
		return append(b, '\\', c)
	case '\r':
		return append(b, '\\', 'r')
	case '\n':
		return append(b, '\\', 'n')
	}
	return append(b, c)
}

func (w *writer) point(x, y float64) { w.numbers(x/millimetre, (w.sheet.height-y)/millimetre) }

func (w *writer) numbers(all ...float64) {
	for _, n := range all {
		w.b = append(appendNumber(w.b, n), ' ')
	}
}

// appendNumber writes hundredths: a fraction of what a printer can show.
func appendNumber(b []byte, v float64) []byte {
	n := int64(math.Round(v * 100))
	if n < 0 {
		b, n = append(b, '-'), -n
	}
	b = strconv.AppendInt(b, n/100, 10)
	if n %= 100; n > 0 {
		b = append(b, '.', '0'+byte(n/10))
		if n%10 > 0 {
			b = append(b, '0'+byte(n%10))
		}
	}
	return b
}

// shade of what is filled next, from 0, black, to 1.
func (w *writer) shade(s float64) {
	w.numbers(s)
	w.b = append(w.b, "g\n"...)
}

func (w *writer) fill() { w.b = append(w.b, "f\n"...) }

// rectangle is one of a path that is filled or drawn later.
func (w *writer) rectangle(x, y, wide, high float64) {
	w.point(x, y+high)
	w.numbers(wide/millimetre, high/millimetre)
	w.b = append(w.b, "re\n"...)
}

func (w *writer) frame(x, y, wide, high float64) {
	w.rectangle(x, y, wide, high)
	w.b = append(w.b, "S\n"...)
}

func (w *writer) line(x1, y1, x2, y2 float64) {
	w.point(x1, y1)
	w.b = append(w.b, "m "...)
	w.point(x2, y2)
	w.b = append(w.b, "l S\n"...)
}

func (w *writer) dots(x1, x2, y float64) {
	if x2 > x1 {
		w.b = append(w.b, "[0.6 2]0 d\n"...)
		w.line(x1, y, x2, y)
		w.b = append(w.b, "[]0 d\n"...)
	}
}

func (w *writer) polygon(points [][2]float64, x, y, scale float64) {
	for i, p := range points {
		w.point(x+p[0]*scale, y+p[1]*scale)
		if i == 0 {
			w.b = append(w.b, "m "...)
		} else {
			w.b = append(w.b, "l "...)
		}
	}
	w.b = append(w.b, "h f\n"...)
}

// background is what a header row stands on; black text keeps a contrast of 16 to 1.
func (w *writer) background(x, y, wide, high float64) {
	w.shade(0.9)
	w.rectangle(x, y, wide, high)
	w.fill()
	w.shade(0)
}

// panel is what the text of a box stands on, with a bar along its left edge.
func (w *writer) panel(x, y, wide, high, bar float64) {
	w.shade(0.95)
	w.rectangle(x, y, wide, high)
	w.fill()
	w.shade(0)
	w.rectangle(x, y, bar, high)
	w.fill()
}
