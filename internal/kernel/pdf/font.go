package pdf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"sync"

	"github.com/go-fonts/liberation/liberationsansbold"
	"github.com/go-fonts/liberation/liberationsansregular"
)

// fonts are read once for the program: every document shares them.
var fonts = sync.OnceValue(func() (f [2]*font) {
	for i, raw := range [][]byte{liberationsansregular.TTF, liberationsansbold.TTF} {
		var err error
		if f[i], err = readFont(raw); err != nil {
			panic("pdf: a font of the program: " + err.Error())
		}
	}
	f[regular].name, f[regular].stem = "LiberationSans", 80
	f[bold].name, f[bold].stem = "LiberationSans-Bold", 130
	return f
})

// Faces of the one family in use.
const (
	regular = 0
	bold    = 1
)

// missing stands where the fonts have no sign: better one than nothing.
const missing = '□'

// font is a TrueType font with outlines in a glyf table.
type font struct {
	name    string
	tables  map[string][]byte
	glyph   map[rune]uint16
	advance []uint16 // by glyph, in units
	wide    [0x250]float64
	units   float64 // of an em
	loca    []uint32
	ascent  int // thousandths of an em, as the descriptor wants them
	descent int
	capital int
	stem    int
	box     [4]int
}

func readFont(raw []byte) (*font, error) {
	be := binary.BigEndian
	f := &font{tables: map[string][]byte{}, glyph: map[rune]uint16{}}
	for i := range int(be.Uint16(raw[4:])) {
		r := raw[12+16*i:]
		from, n := be.Uint32(r[8:]), be.Uint32(r[12:])
		f.tables[string(r[:4])] = raw[from : from+n]
	}
	for _, t := range []string{"head", "hhea", "hmtx", "maxp", "loca", "glyf", "cmap", "OS/2", "cvt ", "fpgm", "prep"} {
		if f.tables[t] == nil {
			return nil, fmt.Errorf("no table %q", t)
		}
	}
	head, hhea, os2 := f.tables["head"], f.tables["hhea"], f.tables["OS/2"]
	f.units = float64(be.Uint16(head[18:]))
	mille := func(b []byte) int { return int(float64(int16(be.Uint16(b))) * 1000 / f.units) }
	for i := range f.box {
		f.box[i] = mille(head[36+2*i:])
	}
	f.ascent, f.descent, f.capital = mille(hhea[4:]), mille(hhea[6:]), mille(os2[88:])
	glyphs := int(be.Uint16(f.tables["maxp"][4:]))
	if int(be.Uint16(hhea[34:])) < glyphs {
		return nil, fmt.Errorf("not every glyph has a width of its own")
	}
	for g := range glyphs {
		f.advance = append(f.advance, be.Uint16(f.tables["hmtx"][4*g:]))
	}
	for g := range glyphs + 1 {
		if be.Uint16(head[50:]) == 0 {
			f.loca = append(f.loca, 2*uint32(be.Uint16(f.tables["loca"][2*g:])))
		} else {
			f.loca = append(f.loca, be.Uint32(f.tables["loca"][4*g:]))
		}
	}
	if err := f.readMap(f.tables["cmap"]); err != nil {
		return nil, err
	}
	for r := range f.wide {
		f.wide[r] = f.unitsOf(rune(r))
	}
	return f, nil
}

// readMap reads which glyph shows which character of the Basic Multilingual Plane
// (cmap format 4).
func (f *font) readMap(cmap []byte) error {
	be := binary.BigEndian
	for i := range int(be.Uint16(cmap[2:])) {
		entry := cmap[4+8*i:]
		t := cmap[be.Uint32(entry[4:]):]
		if be.Uint16(entry) != 3 || be.Uint16(entry[2:]) != 1 || be.Uint16(t) != 4 {
			continue
		}
		n := int(be.Uint16(t[6:]))
		ends, starts, deltas, offsets := t[14:], t[16+n:], t[16+2*n:], t[16+3*n:]
		for s := 0; s < n; s += 2 {
			first, last := int(be.Uint16(starts[s:])), int(be.Uint16(ends[s:]))
			for c := first; c <= last && c < 0xffff; c++ {
				g := uint16(c)
				if o := int(be.Uint16(offsets[s:])); o != 0 {
					if g = be.Uint16(offsets[s+o+2*(c-first):]); g == 0 {
						continue
					}
				}
				if g += be.Uint16(deltas[s:]); g != 0 {
					f.glyph[rune(c)] = g
				}
			}
		}
		if f.glyph[missing] == 0 || f.glyph[' '] == 0 {
			return fmt.Errorf("no Latin letters")
		}
		return nil
	}
	return fmt.Errorf("no map of characters")
}

func (f *font) glyphOf(r rune) uint16 {
	if g := f.glyph[r]; g != 0 {
		return g
	}
	return f.glyph[missing]
}

func (f *font) unitsOf(r rune) float64 { return float64(f.advance[f.glyphOf(r)]) / f.units }

// width of a text in millimetres at a size in points.
func (f *font) width(s string, size float64) (w float64) {
	for _, r := range s {
		if int(r) < len(f.wide) {
			w += f.wide[r]
		} else {
			w += f.unitsOf(r)
		}
	}
	return w * size * millimetre
}

// subset is what one document uses of a font; its glyphs are numbered anew in the
// order in which the document first shows them.
type subset struct {
	*font
	as     map[rune]uint16
	glyphs []uint16 // in the font, by number here
	shows  []rune   // by number here; 0 for a part of another glyph
	number map[uint16]uint16
}

func newSubset(f *font) *subset {
	// Number 0 is what a font shows for an unknown one; no text here does.
	return &subset{font: f, as: map[rune]uint16{}, glyphs: []uint16{0}, shows: []rune{0}, number: map[uint16]uint16{0: 0}}
}

// code is the number under which the document shows a character.
func (s *subset) code(r rune) uint16 {
	n, ok := s.as[r]
	if !ok {
		// Characters that look the same keep numbers of their own: each is to be read as itself.
		n = s.add(s.glyphOf(r), r)
		s.as[r] = n
	}
	return n
}

func (s *subset) add(glyph uint16, r rune) uint16 {
	n := uint16(len(s.glyphs))
	s.glyphs, s.shows = append(s.glyphs, glyph), append(s.shows, r)
	s.number[glyph] = n
	return n
}

func (s *subset) outline(glyph uint16) []byte {
	return s.tables["glyf"][s.loca[glyph]:s.loca[glyph+1]]
}

// Flags of a composite glyph.
const (
	wordArguments = 1 << 0
	scaled        = 1 << 3
	more          = 1 << 5
	scaledXY      = 1 << 6
	twoByTwo      = 1 << 7
)

// file is a font file of the glyphs in use, with the tables that ISO 32000-1, §9.9,
// wants for a font whose characters are named by glyph.
func (s *subset) file() []byte {
	be := binary.BigEndian
	var glyf, loca, hmtx []byte
	for n := 0; n < len(s.glyphs); n++ { // parts of glyphs add more on the way
		loca = be.AppendUint32(loca, uint32(len(glyf)))
		g := s.glyphs[n]
		from := len(glyf)
		glyf = append(glyf, s.outline(g)...)
		if own := glyf[from:]; len(own) > 0 && int16(be.Uint16(own)) < 0 {
			for at := 10; ; {
				flags, part := be.Uint16(own[at:]), be.Uint16(own[at+2:])
				number, ok := s.number[part]
				if !ok {
					number = s.add(part, 0)
				}
				be.PutUint16(own[at+2:], number)
				at += 6
				if flags&wordArguments != 0 {
					at += 2
				}
				switch {
				case flags&scaled != 0:
					at += 2
				case flags&scaledXY != 0:
					at += 4
				case flags&twoByTwo != 0:
					at += 8
				}
				if flags&more == 0 {
					break
				}
			}
		}
		for len(glyf)%4 != 0 {
			glyf = append(glyf, 0)
		}
		hmtx = append(hmtx, s.tables["hmtx"][4*int(g):4*int(g)+4]...)
	}
	loca = be.AppendUint32(loca, uint32(len(glyf)))
	head, hhea, maxp := bytes.Clone(s.tables["head"]), bytes.Clone(s.tables["hhea"]), bytes.Clone(s.tables["maxp"])
	be.PutUint32(head[8:], 0)
	be.PutUint16(head[50:], 1) // long offsets
	be.PutUint16(hhea[34:], uint16(len(s.glyphs)))
	be.PutUint16(maxp[4:], uint16(len(s.glyphs)))
	parts := []struct {
		tag  string
		data []byte
	}{{"cvt ", s.tables["cvt "]}, {"fpgm", s.tables["fpgm"]}, {"glyf", glyf}, {"head", head}, {"hhea", hhea}, {"hmtx", hmtx}, {"loca", loca}, {"maxp", maxp}, {"prep", s.tables["prep"]}}
	out := be.AppendUint32(nil, 0x00010000)
	out = be.AppendUint16(out, uint16(len(parts)))
	out = append(out, 0, 128, 0, 3, 0, byte(16*len(parts)-128)) // for a binary search among nine tables
	at := len(out) + 16*len(parts)
	headAt := 0
	for _, p := range parts {
		out = append(out, p.tag...)
		out = be.AppendUint32(out, checksum(p.data))
		out = be.AppendUint32(out, uint32(at))
		out = be.AppendUint32(out, uint32(len(p.data)))
		if p.tag == "head" {
			headAt = at
		}
		at += (len(p.data) + 3) &^ 3
	}
	for _, p := range parts {
		out = append(out, p.data...)
		for len(out)%4 != 0 {
			out = append(out, 0)
		}
	}
	be.PutUint32(out[headAt+8:], 0xb1b0afba-checksum(out))
	return out
}

func checksum(b []byte) (sum uint32) {
	for ; len(b) >= 4; b = b[4:] {
		sum += binary.BigEndian.Uint32(b)
	}
	var rest [4]byte
	copy(rest[:], b)
	return sum + binary.BigEndian.Uint32(rest[:])
}

// tagged is the font's name with the six letters that tell subsets apart.
func (s *subset) tagged() string {
	h := fnv.New64a()
	for _, g := range s.glyphs {
		h.Write([]byte{byte(g >> 8), byte(g)})
	}
	tag, n := make([]byte, 6), h.Sum64()
	for i := range tag {
		tag[i] = 'A' + byte(n%26)
		n /= 26
	}
	return string(tag) + "+" + s.name
}
