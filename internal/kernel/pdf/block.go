package pdf

import (
	"slices"
	"strconv"
)

// Style says what stands before the items of a list.
type Style int

// Ticked items have an empty square, to be ticked with a pen.
const (
	Bulleted Style = iota
	Numbered
	Ticked
)

var numberings = map[Style]string{Bulleted: "Disc", Numbered: "Decimal", Ticked: "None"}

// Item is one item of a list.
type Item struct {
	Lang string // "": the one around it
	Lead string // in bold before the text
	Text string
	Note string // below it in small print; not parted from it
}

// List adds a list.
func (d *Document) List(style Style, items ...Item) {
	d.add(func(f *flow) {
		size := f.size(textSize)
		list := f.parent.under("L", "")
		list.numbering = numberings[style]
		label := func(i int) string {
			if style == Numbered {
				return strconv.Itoa(i+1) + "."
			}
			return "•"
		}
		indent := f.faces[regular].width(label(len(items)-1), size) + f.size(2)
		if style == Ticked {
			indent = f.size(squareSide + 2.2)
		}
		for i, item := range items {
			li := list.under("LI", item.Lang)
			var mark *element
			if style != Ticked {
				mark = li.under("Lbl", "")
			}
			body := li.under("LBody", "")
			text, note := body, body
			if item.Note != "" {
				text, note = body.under("P", ""), body.under("P", "")
			}
			sub := f.inner(body, f.x+indent, f.width-indent)
			sub.text(text, sub.lines(item.Lead, regular, item.Text, size, sub.width), size)
			first := sub.strips[0].draw
			sub.strips[0].draw = func(w *writer, y float64) {
				if mark == nil {
					side := f.size(squareSide)
					w.artifact(func() { w.frame(f.x, y+(size*lineFactor-side)/2, side, side) })
				} else {
					w.mark(mark)
					w.text(f.x, y, size, line{{regular, label(i)}}, true)
				}
				first(w, y)
			}
			if item.Note != "" {
				sub.keep()
				small := f.size(smallSize)
				sub.text(note, sub.lines("", regular, item.Note, small, sub.width), small)
			}
			for _, s := range sub.strips {
				f.add(s)
			}
			f.gap = f.size(0.8)
		}
		f.gap = f.size(1.5)
	})
}

const squareSide = 3.2 // millimetres beside text of the usual size

// Kind of a callout.
type Kind int

// A Warning has a thick bar and a frame, a Note a thin bar.
const (
	Note Kind = iota
	Warning
)

// Callout adds a box that catches the eye; title stands in bold above what is in it.
func (d *Document) Callout(kind Kind, lang, title string, fill func(*Document)) {
	p := d.part(lang, fill)
	d.add(func(f *flow) {
		bar := barWidth
		if kind == Warning {
			bar = 2.5 * barWidth
		}
		sub := f.inner(f.parent.under("Div", lang), f.x+bar+boxPad, f.width-bar-2*boxPad)
		sub.title(title)
		p.lay(sub)
		f.gap = max(f.gap, f.size(1.5))
		f.join(sub, boxPad, boxPad, func(w *writer, y, h float64) { w.panel(f.x, y, f.width, h, bar) })
		f.gap = f.size(2.5)
	})
}

// title is what a box is called: no heading, for readers do not go to it.
func (f *flow) title(text string) {
	if text == "" {
		return
	}
	size := f.size(textSize)
	f.text(f.parent.under("P", ""), f.lines("", bold, text, size, f.width), size)
	f.keep()
	f.gap = f.size(0.8)
}

// Part is one of several parts that stand side by side.
type Part struct {
	Lang  string
	Title string  // in bold; "": none
	Share float64 // of the width, in relation to the others; 0: 1
	Fill  func(*Document)
}

// Columns adds parts side by side, such as a QR code and the text that belongs to it.
// They are read from left to right, and stay on one page as long as they fit on one.
func (d *Document) Columns(parts ...Part) { d.columns(0, parts) }

// Alternatives adds boxes of which one holds: two side by side, further ones below
// them. What is too long or too narrow for that stands one below the other.
func (d *Document) Alternatives(parts ...Part) {
	for len(parts) > 0 {
		n := min(2, len(parts))
		d.columns(barWidth, parts[:n])
		parts = parts[n:]
	}
}

// narrow is a column in millimetres, at the usual size of text, in which nobody likes
// to read.
const narrow = 45

func (d *Document) columns(bar float64, parts []Part) {
	parts = slices.Clone(parts)
	docs := make([]*Document, len(parts))
	var sum float64
	for i, p := range parts {
		if p.Share == 0 {
			parts[i].Share = 1
		}
		sum += parts[i].Share
		docs[i] = d.part(p.Lang, p.Fill)
	}
	d.add(func(f *flow) {
		div := f.parent.under("Div", "")
		pad := 0.0
		if bar > 0 {
			pad = boxPad
		}
		lay := func(i int, x, wide float64) *flow {
			sub := f.inner(div.under("Div", parts[i].Lang), x+bar+pad, wide-bar-2*pad)
			sub.title(parts[i].Title)
			docs[i].lay(sub)
			return sub
		}
		behind := func(x, wide float64) func(w *writer, y, h float64) {
			return func(w *writer, y, h float64) {
				if bar > 0 {
					w.panel(x, y, wide, h, bar)
				}
			}
		}
		free := f.width - columnGap*float64(len(parts)-1)
		side := func(i int) float64 { return free * parts[i].Share / sum }
		var most float64
		var subs []*flow
		x := f.x
		for i := range parts {
			subs = append(subs, lay(i, x, side(i)))
			x += side(i) + columnGap
			most = max(most, height(subs[i].strips)+2*pad)
			if bar > 0 && side(i) < narrow*f.scale {
				most = f.d.body()
			}
		}
		f.gap = max(f.gap, f.size(1.5))
		if len(parts) == 1 || most > f.d.body()*wholeShare {
			div.kids = nil
			for i := range parts {
				f.gap = max(f.gap, f.size(1.5))
				f.join(lay(i, f.x, f.width), pad, pad, behind(f.x, f.width))
			}
			f.gap = f.size(2.5)
			return
		}
		whole := strip{height: most}
		for _, s := range subs {
			y := pad
			for k, t := range s.strips {
				if k > 0 {
					y += t.gap
				}
				for _, o := range t.heads {
					whole.heads = append(whole.heads, offset{o.heading, y + o.y})
				}
				y += t.height
			}
		}
		whole.draw = func(w *writer, y float64) {
			x := f.x
			for i, s := range subs {
				w.artifact(func() { behind(x, side(i))(w, y, most) })
				stack(w, s.strips, y+pad)
				x += side(i) + columnGap
			}
		}
		f.add(whole)
		f.gap = f.size(2.5)
	})
}

// Contents adds a table of contents with the headings after it down to a level, their
// pages and links to them.
func (d *Document) Contents(title string, depth int) {
	d.shared.contents = true
	d.Heading(2, title)
	after, at := len(d.shared.headings), d.lang
	d.add(func(f *flow) {
		// A level below stands in a table of its own, within the one above.
		lists := []*element{f.parent.under("TOC", "")}
		levels := []int{0}
		for _, h := range d.shared.headings[after:] {
			if h.level > depth {
				continue
			}
			for len(levels) > 1 && levels[len(levels)-1] > h.level {
				lists, levels = lists[:len(lists)-1], levels[:len(levels)-1]
			}
			switch last := len(levels) - 1; {
			case levels[last] == 0:
				levels[last] = h.level
			case levels[last] < h.level:
				lists, levels = append(lists, lists[last].under("TOC", "")), append(levels, h.level)
			}
			f.entry(lists[len(lists)-1], h, at)
		}
		f.gap = f.size(3)
	})
}

// entry is a line or two of the table of contents: link, dots, page.
func (f *flow) entry(toc *element, h *heading, around string) {
	lang := ""
	if h.lang != around {
		lang = h.lang
	}
	link := toc.under("TOCI", lang).under("Reference", "").under("Link", "")
	size := f.size(textSize)
	indent := f.size(5) * float64(h.level-1)
	right := f.faces[regular].width("0000", size)
	face := regular
	if h.level == 1 {
		face = bold
		f.gap += f.size(0.8)
	}
	lines := f.lines("", face, h.text, size, f.width-indent-right-f.size(4))
	lineHeight := size * lineFactor
	all := float64(len(lines)) * lineHeight
	f.add(strip{height: all, draw: func(w *writer, y float64) {
		w.mark(link)
		for i, l := range lines {
			w.text(f.x+indent, y+float64(i)*lineHeight, size, l, true)
		}
		last := y + all - lineHeight
		page := strconv.Itoa(h.page)
		at := f.x + f.width - f.faces[regular].width(page, size)
		var used float64
		for _, r := range lines[len(lines)-1] {
			used += f.faces[r.face].width(r.text, size)
		}
		w.artifact(func() { w.dots(f.x+indent+used+2, at-1.5, last+lineHeight*0.72) })
		w.mark(link)
		w.text(at, last, size, line{{regular, page}}, false)
		w.link(link, h, f.x+indent, y, f.width-indent, all)
	}})
}

// Card adds a page of its own, which a card for one task is. scales are sizes of text
// in relation to the document's, the first one with which it fits is used; nil: as all
// else. One that does not fit with the last either goes on on the next page and is
// among what [Document.Fits] lists.
func (d *Document) Card(lang, name string, scales []float64, fill func(*Document)) {
	p := d.part(lang, fill)
	if len(scales) == 0 {
		scales = []float64{1}
	}
	d.add(func(f *flow) {
		before := len(f.parent.kids)
		for i, scale := range scales {
			f.parent.kids = f.parent.kids[:before]
			sub := f.inner(f.parent.under("Sect", lang), f.x, f.width)
			sub.scale *= scale
			p.lay(sub)
			over := height(sub.strips) - f.d.body()
			if over > tolerance && i < len(scales)-1 {
				continue
			}
			if over > tolerance {
				d.shared.over = append(d.shared.over, Overflow{Card: name, By: over})
			}
			f.fresh = true
			for _, s := range sub.strips {
				f.add(s)
			}
			f.gap, f.fresh = 0, true
			return
		}
	})
}

// Cell is one cell of a table.
type Cell struct {
	Text   string
	Lang   string // "": the one around it
	Header bool   // of its row
}

// Table adds a table. shares are the widths of the columns in relation to each
// other. head is repeated on every page; with no head the first cell of a row is
// its header. A row that fits on a page is not cut.
func (d *Document) Table(shares []float64, head []string, rows [][]Cell) {
	if len(head) > len(shares) {
		d.mistake("a table with %d columns and %d heads", len(shares), len(head))
		return
	}
	for i, r := range rows {
		if len(r) > len(shares) {
			d.mistake("row %d of a table has %d cells, the table %d columns", i+1, len(r), len(shares))
			return
		}
	}
	d.add(func(f *flow) {
		var sum float64
		for _, s := range shares {
			sum += s
		}
		t := &table{flow: f, element: f.parent.under("Table", "")}
		for _, s := range shares {
			t.widths = append(t.widths, f.width*s/sum)
		}
		if head != nil {
			cells := make([]Cell, len(head))
			for i, text := range head {
				cells[i] = Cell{Text: text, Header: true}
			}
			t.row(cells, true)
			f.keep()
			h := f.strips[len(f.strips)-1]
			t.head = &h
		}
		for _, r := range rows {
			if head == nil && len(r) > 0 {
				r = append([]Cell{{Text: r[0].Text, Lang: r[0].Lang, Header: true}}, r[1:]...)
			}
			t.row(r, false)
		}
		f.gap = 2
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

// table lays rows under a header.
type table struct {
	flow    *flow
	element *element
	widths  []float64
	head    *strip
}

// row lays one row; one that is more than a page is cut.
func (t *table) row(cells []Cell, header bool) {
	f := t.flow
	size := f.size(textSize)
	h := size * lineFactor
	row := t.element.under("TR", "")
	lines := make([][]line, len(t.widths))
	elements := make([]*element, len(t.widths))
	most := 1
	for i := range t.widths {
		var c Cell
		if i < len(cells) {
			c = cells[i]
		}
		tag, face := "TD", regular
		if c.Header || header {
			tag, face = "TH", bold
		}
		elements[i] = row.under(tag, c.Lang)
		if tag == "TH" {
			elements[i].scope = "Row"
		}
		if header {
			elements[i].scope = "Column"
		}
		lines[i] = f.lines("", face, c.Text, size, t.widths[i]-2*cellPad)
		most = max(most, len(lines[i]))
	}
	room := f.d.body() - 2*cellPad
	if t.head != nil {
		room -= t.head.height
	}
	atOnce := max(1, int((room+tolerance)/h))
	for from := 0; from < most; from += atOnce {
		to := min(from+atOnce, most)
		high := float64(to-from)*h + 2*cellPad
		f.add(strip{height: high, head: t.head, draw: func(w *writer, y float64) {
			if header {
				w.artifact(func() { w.background(f.x, y, f.width, high) })
			}
			x := f.x
			for i, e := range elements {
				for n := from; n < min(to, len(lines[i])); n++ {
					if l := lines[i][n]; len(l) > 0 {
						w.mark(e)
						w.text(x+cellPad, y+cellPad+float64(n-from)*h, size, l, n < len(lines[i])-1)
					}
				}
				x += t.widths[i]
			}
			w.artifact(func() { w.line(f.x, y+high, f.x+f.width, y+high) })
		}})
	}
}
