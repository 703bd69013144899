package pdf

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"unicode/utf16"

	"github.com/klauspost/compress/zlib"
)

// Objects of a file as they are read (ISO 32000-1, §7.3): besides these float64, bool
// and nil.
type (
	name     string
	text     string // bytes of a string
	array    []any
	dict     map[string]any
	ref      int
	operator string
	stream   struct {
		dict
		data []byte
	}
)

// damaged is why reading ended; it is thrown, for every second line could otherwise
// end with it.
type damaged string

func throw(format string, args ...any) { panic(damaged(fmt.Sprintf(format, args...))) }

const (
	deepest = 60       // objects in objects
	largest = 64 << 20 // bytes of an unpacked stream
)

// reader reads files that this package has written: with a cross-reference stream and
// without encryption.
type reader struct {
	raw     []byte
	entries []entry
	read    map[int]any
	packs   map[int]array
	trailer dict
}

func newReader(raw []byte) *reader {
	r := &reader{raw: raw, read: map[int]any{}, packs: map[int]array{}}
	end := bytes.LastIndex(raw, []byte("startxref"))
	if !bytes.HasPrefix(raw, []byte("%PDF-1.")) || end < 0 {
		throw("no PDF, or not all of one")
	}
	l := &lexer{b: raw, at: end + len("startxref")}
	at, _ := l.object(0).(float64)
	table, ok := r.indirect(int(at)).(stream)
	if !ok || table.dict["Type"] != name("XRef") {
		throw("no cross-reference stream: written by another program")
	}
	if w, _ := table.dict["W"].(array); len(w) != 3 || w[0] != 1.0 || w[1] != 4.0 || w[2] != 2.0 {
		throw("cross references %v: written by another program", table.dict["W"])
	}
	for b := r.unpack(table); len(b) >= 7; b = b[7:] {
		r.entries = append(r.entries, entry{int(b[0]), int(binary.BigEndian.Uint32(b[1:])), int(binary.BigEndian.Uint16(b[5:]))})
	}
	r.trailer = table.dict
	return r
}

// indirect reads the object at a place of the file.
func (r *reader) indirect(at int) any {
	if at < 0 || at >= len(r.raw) {
		throw("an object at %d of %d bytes", at, len(r.raw))
	}
	l := &lexer{b: r.raw, at: at}
	l.object(0)
	l.object(0)
	if l.object(0) != operator("obj") {
		throw("no object at %d", at)
	}
	o := l.object(0)
	d, ok := o.(dict)
	if !ok || l.object(0) != operator("stream") {
		return o
	}
	n, _ := d["Length"].(float64)
	if l.at+1+int(n) > len(r.raw) || n < 0 {
		throw("a stream at %d that is longer than the file", at)
	}
	return stream{d, r.raw[l.at+1 : l.at+1+int(n)]}
}

func (r *reader) unpack(s stream) []byte {
	if s.dict["Filter"] == nil {
		return s.data
	}
	z, err := zlib.NewReader(bytes.NewReader(s.data))
	if err != nil {
		throw("a stream: %v", err)
	}
	b, err := io.ReadAll(io.LimitReader(z, largest))
	if err != nil {
		throw("a stream: %v", err)
	}
	return b
}

// get is an object, followed where it is a reference to one.
func (r *reader) get(o any) any {
	n, ok := o.(ref)
	if !ok {
		return o
	}
	if o, ok := r.read[int(n)]; ok {
		return o
	}
	if n <= 0 || int(n) >= len(r.entries) {
		throw("object %d is not there", n)
	}
	var got any
	switch e := r.entries[n]; e.kind {
	case 1:
		got = r.indirect(e.at)
	case 2:
		all := r.pack(e.at)
		if e.index >= len(all) {
			throw("object %d is not in its stream", n)
		}
		got = all[e.index]
	default:
		throw("object %d is not there", n)
	}
	r.read[int(n)] = got
	return got
}

// pack reads the objects of a stream of them.
func (r *reader) pack(n int) array {
	if all, ok := r.packs[n]; ok {
		return all
	}
	if n <= 0 || n >= len(r.entries) || r.entries[n].kind != 1 {
		throw("stream %d is not there", n)
	}
	s, ok := r.indirect(r.entries[n].at).(stream)
	if !ok {
		throw("object %d is no stream", n)
	}
	b := r.unpack(s)
	count, _ := s.dict["N"].(float64)
	first, _ := s.dict["First"].(float64)
	if first < 0 || int(first) > len(b) {
		throw("stream %d begins after its end", n)
	}
	l := &lexer{b: b, at: int(first)}
	var all array
	for range int(count) {
		if l.done() {
			throw("stream %d ends before its objects", n)
		}
		all = append(all, l.object(0))
	}
	r.packs[n] = all
	return all
}

func (r *reader) dict(o any) dict {
	switch o := r.get(o).(type) {
	case dict:
		return o
	case stream:
		return o.dict
	}
	return nil
}

func (r *reader) array(o any) array {
	a, _ := r.get(o).(array)
	return a
}

// text decodes a text string.
func (r *reader) text(o any) string {
	t, _ := r.get(o).(text)
	if len(t) < 2 || t[:2] != "\xfe\xff" {
		return string(t)
	}
	var units []uint16
	for b := t[2:]; len(b) >= 2; b = b[2:] {
		units = append(units, uint16(b[0])<<8|uint16(b[1]))
	}
	return string(utf16.Decode(units))
}

// lexer reads objects and operators one after the other.
type lexer struct {
	b  []byte
	at int
}

// done skips white space and comments, and reports whether nothing is left.
func (l *lexer) done() bool {
	for l.at < len(l.b) {
		switch l.b[l.at] {
		case ' ', '\n', '\r', '\t', '\f', 0:
			l.at++
		case '%':
			for l.at < len(l.b) && l.b[l.at] != '\n' && l.b[l.at] != '\r' {
				l.at++
			}
		default:
			return false
		}
	}
	return true
}

func (l *lexer) has(s string) bool {
	if bytes.HasPrefix(l.b[l.at:], []byte(s)) {
		l.at += len(s)
		return true
	}
	return false
}

// word is what stands up to the next space or delimiter.
func (l *lexer) word() string {
	from := l.at
	for l.at < len(l.b) {
		switch l.b[l.at] {
		case ' ', '\n', '\r', '\t', '\f', 0, '(', ')', '<', '>', '[', ']', '{', '}', '/', '%':
			return string(l.b[from:l.at])
		}
		l.at++
	}
	return string(l.b[from:])
}

func (l *lexer) object(depth int) any {
	if l.done() {
		throw("the end came early")
	}
	if depth > deepest {
		throw("objects in objects, too deep")
	}
	switch {
	case l.has("<<"):
		d := dict{}
		for {
			if l.done() {
				throw("a dictionary without end")
			}
			if l.has(">>") {
				return d
			}
			key, ok := l.object(depth + 1).(name)
			if !ok {
				throw("a dictionary with a key that is no name")
			}
			d[string(key)] = l.object(depth + 1)
		}
	case l.has("["):
		a := array{}
		for {
			if l.done() {
				throw("an array without end")
			}
			if l.has("]") {
				return a
			}
			a = append(a, l.object(depth+1))
		}
	case l.has("("):
		return l.literal()
	case l.has("<"):
		end := bytes.IndexByte(l.b[l.at:], '>')
		if end < 0 {
			throw("a string without end")
		}
		s, err := hex.DecodeString(string(l.b[l.at : l.at+end]))
		if err != nil {
			throw("a string: %v", err)
		}
		l.at += end + 1
		return text(s)
	case l.has("/"):
		return name(l.word())
	}
	w := l.word()
	if w == "" {
		throw("%q where an object begins", l.b[l.at])
	}
	n, err := strconv.ParseFloat(w, 64)
	if err != nil {
		switch w {
		case "true", "false":
			return w == "true"
		case "null":
			return nil
		}
		return operator(w)
	}
	// "12 0 R" is a reference.
	back := l.at
	if !l.done() && l.word() == "0" && !l.done() && l.word() == "R" {
		return ref(n)
	}
	l.at = back
	return n
}

func (l *lexer) literal() text {
	var s []byte
	for open := 1; l.at < len(l.b); {
		c := l.b[l.at]
		l.at++
		switch c {
		case '(':
			open++
		case ')':
			if open--; open == 0 {
				return text(s)
			}
		case '\\':
			if l.at == len(l.b) {
				throw("a string without end")
			}
			c = l.b[l.at]
			l.at++
			switch c {
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			}
		}
		s = append(s, c)
	}
	throw("a string without end")
	return ""
}

// reading turns what was thrown into an error.
func reading(err *error) {
	switch r := recover().(type) {
	case nil:
	case damaged:
		*err = errors.New("pdf: damaged: " + string(r))
	case runtime.Error: // a file that was made to hurt
		*err = fmt.Errorf("pdf: damaged: %w", r)
	default:
		panic(r)
	}
}
