package pdf

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// element is a node of the structure tree: further elements and marked content,
// in reading order.
type element struct {
	tag, lang, alt string
	scope          string     // of TH: Row or Column
	numbering      string     // of L
	box            [4]float64 // of Figure, in points
	kids           []kid
	object         int // in the file
}

// kid is an element, the marked content n of a page, or link n of the document.
type kid struct {
	element *element
	page, n int
	link    bool
}

func (e *element) under(tag, lang string) *element {
	child := &element{tag: tag, lang: lang}
	e.kids = append(e.kids, kid{element: child})
	return child
}

// strip is a piece of the document over the width of its column that is not cut.
type strip struct {
	height float64
	gap    float64 // above it, unless it begins a page
	keep   bool    // not parted from the next one
	fresh  bool    // begins a page
	head   *strip  // stands above it where it begins a page: the header of its table
	heads  []offset
	draw   func(w *writer, y float64)
}

// offset is a heading within a strip.
type offset struct {
	heading *heading
	y       float64
}

// flow is a column into which blocks are laid.
type flow struct {
	d        *Document
	faces    [2]*font
	parent   *element
	x, width float64 // millimetres from the left edge
	scale    float64
	gap      float64 // before the next strip
	fresh    bool    // the next strip begins a page
	strips   []strip
}

// inner is a column within this one.
func (f *flow) inner(parent *element, x, width float64) *flow {
	return &flow{d: f.d, faces: f.faces, parent: parent, x: x, width: width, scale: f.scale}
}

func (f *flow) size(points float64) float64 { return points * f.scale }

func (f *flow) add(s strip) {
	s.gap, s.fresh = s.gap+f.gap, s.fresh || f.fresh
	f.gap, f.fresh = 0, false
	f.strips = append(f.strips, s)
}

// keep holds the last strip with the next one.
func (f *flow) keep() {
	if n := len(f.strips); n > 0 {
		f.strips[n-1].keep = true
	}
}

// height of strips one below the other at the top of a page.
func height(strips []strip) (h float64) {
	for i, s := range strips {
		if i > 0 {
			h += s.gap
		}
		h += s.height
	}
	return h
}

// join makes one strip of several, or leaves them as they are when that would be more
// than a good part of a page. around draws what lies behind them.
func (f *flow) join(sub *flow, above, below float64, around func(w *writer, y, height float64)) {
	h := above + height(sub.strips) + below
	if h > f.d.body()*wholeShare {
		for i, s := range sub.strips {
			inner := s.draw
			lead := s.gap
			if i == 0 {
				lead = above
			}
			if i == len(sub.strips)-1 {
				s.height += below
			}
			s.height += lead
			for k := range s.heads {
				s.heads[k].y += lead
			}
			all := s.height
			s.gap = 0
			s.draw = func(w *writer, y float64) {
				w.artifact(func() { around(w, y, all) })
				inner(w, y+lead)
			}
			f.add(s)
		}
		return
	}
	whole := strip{height: h}
	at := above
	for i, s := range sub.strips {
		if i > 0 {
			at += s.gap
		}
		for _, o := range s.heads {
			whole.heads = append(whole.heads, offset{o.heading, at + o.y})
		}
		at += s.height
	}
	whole.draw = func(w *writer, y float64) {
		w.artifact(func() { around(w, y, h) })
		stack(w, sub.strips, y+above)
	}
	f.add(whole)
}

// wholeShare is how much of a page a box may take that is not cut: a heading has still
// to find room above it.
const wholeShare = 0.7

func stack(w *writer, strips []strip, y float64) {
	for i, s := range strips {
		if i > 0 {
			y += s.gap
		}
		s.draw(w, y)
		y += s.height
	}
}

// run is text of one face.
type run struct {
	face int
	text string
}

// line is what stands side by side.
type line []run

// lines breaks a text for a width in millimetres; lead stands before it in bold. A word
// that is longer is cut. A word of one letter stays with the next, as Czech and Polish
// typography want it.
func (f *flow) lines(lead string, face int, text string, size, wide float64) (all []line) {
	b := breaker{faces: f.faces, size: size, wide: wide, space: f.faces[regular].width(" ", size)}
	if lead != "" {
		b.text(bold, shown(lead))
	}
	for i, part := range strings.Split(shown(text), "\n") {
		if i > 0 {
			b.end()
		}
		b.text(face, part)
	}
	b.end()
	return b.all
}

type breaker struct {
	faces             [2]*font
	size, wide, space float64
	all               []line
	now               line
	used              float64
}

func (b *breaker) end() {
	b.all = append(b.all, b.now)
	b.now, b.used = nil, 0
}

func (b *breaker) text(face int, text string) {
	for text != "" {
		var word string
		word, text = next(text)
		if word == "" {
			continue
		}
		width := b.faces[face].width(word, b.size)
		if len(b.now) > 0 && b.used+b.space+width > b.wide {
			b.end()
		}
		for width > b.wide && utf8.RuneCountInString(word) > 1 {
			n := b.cut(face, word)
			b.put(face, word[:n], b.wide)
			b.end()
			word = word[n:]
			width = b.faces[face].width(word, b.size)
		}
		b.put(face, word, width)
	}
}

func (b *breaker) put(face int, word string, width float64) {
	last := len(b.now) - 1
	switch {
	case last < 0:
		b.now = line{{face, word}}
	case b.now[last].face == face:
		b.now[last].text += " " + word
		width += b.space
	default:
		b.now[last].text += " "
		b.now = append(b.now, run{face, word})
		width += b.space
	}
	b.used += width
}

// cut is how many bytes of a word fit on a line, one character at least.
func (b *breaker) cut(face int, word string) int {
	var w float64
	for i, r := range word {
		w += b.faces[face].unitsOf(r) * b.size * millimetre
		if w > b.wide && i > 0 {
			return i
		}
	}
	return len(word)
}

// next is the next word of a text, with the one before it that doesn't stand alone.
func next(text string) (word, rest string) {
	text = strings.TrimLeft(text, " ")
	end := 0
	for {
		n := strings.IndexByte(text[end:], ' ')
		if n < 0 {
			return strings.TrimRight(text, " "), ""
		}
		r, size := utf8.DecodeRuneInString(text[end:])
		if n == 0 {
			text = text[:end] + strings.TrimLeft(text[end:], " ")
			continue
		}
		if size == n && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '§' || r == '[') {
			end += n + 1
			continue
		}
		return text[:end+n], text[end+n+1:]
	}
}

// text lays lines of e; the first two and the last two are not parted.
func (f *flow) text(e *element, lines []line, size float64) {
	h := size * lineFactor
	for i, l := range lines {
		more := i < len(lines)-1
		f.add(strip{
			height: h,
			keep:   more && (len(lines) <= 3 || i == 0 || i == len(lines)-2),
			draw: func(w *writer, y float64) {
				if len(l) > 0 {
					w.mark(e)
					w.text(f.x, y, size, l, more)
				}
			},
		})
	}
}

// shown keeps what can be shown.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r >= ' ' && r < 0x7f, r > 0xad && r < 0x250: // nearly all
			return r
		case r == '\t', r == '\u2028', r == '\u2029':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return -1 // what says how to show the others
		}
		return r
	}, strings.ToValidUTF8(s, string(missing)))
}

// placed is where a strip stands.
type placed struct {
	*strip
	page   int // from 1
	y      float64
	repeat bool // the header of a table, again
}

// place puts strips on pages.
func place(strips []strip, top, limit float64) (all []placed, pages int) {
	page, y := 1, top
	begin := func(s *strip) {
		page, y = page+1, top
		if s.head != nil {
			all = append(all, placed{s.head, page, y, true})
			y += s.head.height
		}
	}
	put := func(s *strip) {
		if y > top {
			y += s.gap
		}
		all = append(all, placed{s, page, y, false})
		for _, o := range s.heads {
			o.heading.page, o.heading.y = page, y+o.y
		}
		y += s.height
	}
	for i := 0; i < len(strips); {
		end := i + 1
		for end < len(strips) && strips[end-1].keep && !strips[end].fresh {
			end++
		}
		group := strips[i:end]
		i = end
		need := height(group)
		if group[0].fresh && y > top || y > top && y+group[0].gap+need > limit+tolerance {
			begin(&group[0])
		}
		for k := range group {
			s := &group[k]
			// Only where a group is more than a page.
			if k > 0 && y+s.gap+s.height > limit+tolerance {
				begin(s)
			}
			put(s)
		}
	}
	return all, page
}

// tolerance of sums of millimetres.
const tolerance = 1e-6
