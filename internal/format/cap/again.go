package cap

import (
	"bytes"
	"strings"

	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// Reader reads the messages of a sender who says nearly the same each time: of an info
// whose bytes stood in the message before, nothing is read again. What it gives is what
// Read gives. It is not safe for concurrent use; its zero value has no message before.
type Reader struct {
	infos []Info
	parts []part
	known map[string]int // parts by their text; nil: not made yet
	ages  int            // readings of parts since one of the whole
}

// part is the text of an info, up to the next one, and of how many nodes it is.
type part struct {
	text  string
	nodes int
}

const (
	opened = "<info>"
	closed = "</info>"
	// mostAges bounds how many messages stay in memory for the infos that they were the
	// first to have.
	mostAges = 16
)

// Read is as the function of this name. Same has, for each info, which one it was in the
// message before; -1: it was in none. It is nil where the message was read whole.
func (r *Reader) Read(doc []byte) (a *Alert, found []shape.Deviation, f *tree.Fault, same []int) {
	if a, same = r.again(doc); a != nil {
		return a, nil, nil, same
	}
	*r = Reader{}
	var p scanner
	if a, ok := p.scan(doc); ok {
		if p.prefix == "" {
			r.infos, r.parts = a.Infos, p.parted()
		}
		return a, nil, nil, nil
	}
	d, f := tree.Parse(doc, Limits)
	if f != nil {
		return nil, nil, f, nil
	}
	a, found = FromDocument(d)
	return a, found, nil, nil
}

// parted are the texts of the infos of a message, each with what stands before the next;
// nil where one does not begin as nearly everybody writes it.
func (p *scanner) parted() []part {
	parts := make([]part, 0, len(p.marks))
	for i, m := range p.marks {
		if !strings.HasPrefix(p.s[m.start:], opened) {
			return nil
		}
		if i+1 < len(p.marks) {
			m.end = p.marks[i+1].start
		}
		parts = append(parts, part{p.s[m.start:m.end], m.with - m.before})
	}
	return parts
}

// find is which part has a text; -1: none.
func (r *Reader) find(text []byte) int {
	if r.known == nil {
		r.known = make(map[string]int, len(r.parts))
		for i, x := range r.parts {
			r.known[x.text] = i
		}
	}
	if i, ok := r.known[string(text)]; ok {
		return i
	}
	return -1
}

// partEnd is where the part that begins at a place ends: where the next one begins, or
// with the last end of an info.
func partEnd(doc []byte, at int) int {
	if next := bytes.Index(doc[at+len(opened):], []byte(opened)); next >= 0 {
		return at + len(opened) + next
	}
	if last := bytes.LastIndex(doc, []byte(closed)); last > at {
		return last + len(closed)
	}
	return len(doc)
}

// again reads a message of which parts are known; nil: it has to be read whole. All that
// is not known is read as a message of its own: what scan takes as that, it takes beside
// infos that it has taken before.
func (r *Reader) again(doc []byte) (*Alert, []int) {
	begin := bytes.Index(doc, []byte(opened))
	if len(r.parts) == 0 || begin < 0 || len(doc) > Limits.Bytes || r.ages >= mostAges || bytes.IndexByte(doc, '\r') >= 0 {
		return nil, nil
	}
	at, expected, nodes := begin, 0, 0
	unknown := append(make([]byte, 0, 4096), doc[:begin]...)
	var same, sizes []int
	for bytes.HasPrefix(doc[at:], []byte(opened)) {
		which, end := -1, 0
		if expected < len(r.parts) {
			if x := r.parts[expected].text; begins(doc[at:], x) && ends(doc[at+len(x):], x) {
				which, end = expected, at+len(x)
			}
		}
		if which < 0 {
			end = partEnd(doc, at)
			// One that was changed in its place needs no search: what stood behind it still does.
			if expected++; expected >= len(r.parts) || !begins(doc[end:], r.parts[expected].text) {
				which = r.find(doc[at:end])
			}
		}
		if which >= 0 {
			expected = which + 1
			nodes += r.parts[which].nodes
		} else {
			unknown = append(unknown, doc[at:end]...)
			sizes = append(sizes, end-at)
		}
		same = append(same, which)
		if at = end; len(same) > MaxInfos || len(unknown) > len(doc)/2 {
			return nil, nil
		}
	}
	unknown = append(unknown, doc[at:]...)
	var p scanner
	a, ok := p.scan(unknown)
	if !ok || p.prefix != "" || len(a.Infos) != len(sizes) || p.nodes+nodes > Limits.Nodes {
		return nil, nil
	}
	infos, parts := make([]Info, len(same)), make([]part, len(same))
	n, place := 0, begin-(len(unknown)-len(p.s)) // a mark of the order of bytes was cut off
	moved := false
	for i, which := range same {
		moved = moved || which != i
		if which >= 0 {
			infos[i], parts[i] = r.infos[which], r.parts[which]
			continue
		}
		infos[i], parts[i] = a.Infos[n], part{p.s[place : place+sizes[n]], p.marks[n].with - p.marks[n].before}
		place += sizes[n]
		n++
	}
	if n > 0 {
		r.ages++
	}
	if moved || len(parts) != len(r.parts) {
		r.known = nil
	}
	r.infos, r.parts, a.Infos = infos, parts, infos
	return a, same
}

// ends reports whether a part ends where its text does: another one follows, or nothing
// but the end of the message.
func ends(rest []byte, text string) bool {
	if bytes.HasPrefix(rest, []byte(opened)) {
		return true
	}
	return strings.HasSuffix(text, closed) && len(rest) < 256 && !bytes.Contains(rest, []byte(opened)) && !bytes.Contains(rest, []byte(closed))
}

func begins(doc []byte, text string) bool {
	return len(doc) >= len(text) && string(doc[:len(text)]) == text
}
