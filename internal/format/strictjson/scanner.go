package strictjson

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxDepth bounds the depth a Scanner may be given: the path to the current
// value lies in an array of this size inside the scanner, so that no scan
// allocates or recurses without end.
const MaxDepth = 64

// Reason says which rule of JSON a text breaks.
type Reason uint8

// The reasons of a Fault.
const (
	Truncated Reason = iota + 1 // the text ends inside a value
	Syntax                      // a character that may not stand here
	Trailing                    // something follows the value
	Control                     // unescaped control character in a string
	Escape                      // unknown or malformed escape
	Surrogate                   // escape of one half of a surrogate pair
	NotUTF8                     // invalid UTF-8
	Duplicate                   // a member name twice in one object
	TooDeep                     // nested deeper than the limit
)

// String is the technical name of the reason.
func (r Reason) String() string {
	switch r {
	case Truncated:
		return "truncated"
	case Syntax:
		return "syntax"
	case Trailing:
		return "trailing"
	case Control:
		return "control"
	case Escape:
		return "escape"
	case Surrogate:
		return "surrogate"
	case NotUTF8:
		return "utf8"
	case Duplicate:
		return "duplicate"
	case TooDeep:
		return "depth"
	}
	return "none"
}

// Fault is the first breach of the JSON rules in a text.
type Fault struct {
	Reason Reason
	Offset int    // in bytes, from 0
	Place  string // JSON Pointer (RFC 6901) of the value being read
	Member string // the repeated name, for Duplicate
	Limit  int    // the depth allowed, for TooDeep
}

// Error implements error; technical English.
func (f *Fault) Error() string {
	return "json: " + f.Reason.String() + " at byte " + strconv.Itoa(f.Offset) + " in " + strconv.Quote(f.Place)
}

// Kind is the type of the next value, seen from its first character.
type Kind uint8

// The kinds of JSON values. Invalid stands for anything else, also the end.
const (
	Invalid Kind = iota
	Object
	Array
	String
	Number
	Boolean
	Null
)

// String is the name JSON Schema gives the type.
func (k Kind) String() string {
	switch k {
	case Object:
		return "object"
	case Array:
		return "array"
	case String:
		return "string"
	case Number:
		return "number"
	case Boolean:
		return "boolean"
	case Null:
		return "null"
	}
	return "invalid"
}

type step struct {
	name  string // decoded member name
	index int    // position in an array; -1 in objects
}

// Scanner reads one JSON text from front to back. After the first breach every
// method is a no-op that reports failure, and Fault tells what happened. The
// caller pulls: Peek, then exactly one of Object, Array, String, Number,
// Literal or Skip for each value.
type Scanner struct {
	text    string
	pos     int
	depth   int
	limit   int
	lenient bool
	fault   *Fault
	path    [MaxDepth]step
	names   []string // unique-name bookkeeping of the open objects, see Names
}

// Init starts a strict scan of text with at most depth nested containers.
func (s *Scanner) Init(text string, depth int) {
	s.text, s.pos, s.depth, s.fault, s.lenient = text, 0, 0, nil, false
	s.names = s.names[:0]
	s.limit = max(0, min(depth, MaxDepth))
}

// Lenient lets repeated names, unpaired surrogates and invalid UTF-8 pass.
func (s *Scanner) Lenient() { s.lenient = true }

// Fault is the first breach, or nil.
func (s *Scanner) Fault() *Fault { return s.fault }

// Pos is the offset of the next unread byte.
func (s *Scanner) Pos() int { return s.pos }

// Since is the text between an earlier Pos and now.
func (s *Scanner) Since(pos int) string { return s.text[pos:s.pos] }

// shortName is the longest member name that goes into a place or text whole.
// The names of the formats are shorter; a sender's megabyte of a name is not
// sent back.
const shortName = 64

// Short cuts a member name taken from a document, for places and texts.
func Short(name string) string {
	if len(name) <= shortName {
		return name
	}
	cut := shortName
	for cut > 0 && !utf8.RuneStart(name[cut]) {
		cut--
	}
	return name[:cut] + "…"
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

// Place is the JSON Pointer of the current value.
func (s *Scanner) Place() string {
	var b strings.Builder
	for _, st := range s.path[:min(s.depth, MaxDepth)] {
		b.WriteByte('/')
		if st.index >= 0 {
			b.WriteString(strconv.Itoa(st.index))
		} else {
			_, _ = pointerEscape.WriteString(&b, Short(st.name))
		}
	}
	return b.String()
}

func (s *Scanner) fail(r Reason, at int) bool {
	if s.fault == nil {
		if r == Syntax && at >= len(s.text) {
			r = Truncated
		}
		s.fault = &Fault{Reason: r, Offset: at, Place: s.Place()}
	}
	s.pos = len(s.text)
	return false
}

// failAround is a syntax fault between the values of a container: the place is
// the container's.
func (s *Scanner) failAround() bool {
	s.depth--
	return s.fail(Syntax, s.pos)
}

// Peek skips white space and names the kind of the next value.
func (s *Scanner) Peek() Kind {
	s.space()
	if s.pos >= len(s.text) {
		return Invalid
	}
	switch c := s.text[s.pos]; c {
	case '{':
		return Object
	case '[':
		return Array
	case '"':
		return String
	case 't', 'f':
		return Boolean
	case 'n':
		return Null
	default:
		if c == '-' || c-'0' <= 9 {
			return Number
		}
	}
	return Invalid
}

func (s *Scanner) space() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// Open enters the object or array that Peek has announced.
func (s *Scanner) Open() bool {
	if s.fault != nil {
		return false
	}
	if s.depth >= s.limit {
		s.fail(TooDeep, s.pos)
		s.fault.Limit = s.limit
		return false
	}
	st := step{index: -1}
	if s.text[s.pos] == '[' {
		st.index = -2 // no element yet; Element makes it 0
	}
	s.path[s.depth] = st
	s.depth++
	s.pos++
	return true
}

// Member moves to the value of the next member of the open object and returns
// its decoded name; at the object's end it leaves the object and returns false.
// The caller passes first = true for the first call after Open.
func (s *Scanner) Member(first bool) (name string, ok bool) {
	if s.fault != nil {
		return "", false
	}
	s.space()
	if s.pos < len(s.text) && s.text[s.pos] == '}' {
		s.pos++
		s.depth--
		return "", false
	}
	if !first {
		if s.pos >= len(s.text) || s.text[s.pos] != ',' {
			return "", s.failAround()
		}
		s.pos++
		s.space()
	}
	s.path[s.depth-1].name = ""
	if s.pos >= len(s.text) || s.text[s.pos] != '"' {
		return "", s.failAround()
	}
	raw, plain, ok := s.String()
	if !ok {
		return "", false
	}
	if name = raw; !plain {
		name = Decode(raw)
	}
	s.path[s.depth-1].name = name
	s.space()
	if s.pos >= len(s.text) || s.text[s.pos] != ':' {
		return "", s.fail(Syntax, s.pos)
	}
	s.pos++
	return name, true
}

// Element moves to the next element of the open array; at the array's end it
// leaves the array and returns false.
func (s *Scanner) Element() bool {
	if s.fault != nil {
		return false
	}
	st := &s.path[s.depth-1]
	s.space()
	if s.pos < len(s.text) && s.text[s.pos] == ']' {
		s.pos++
		s.depth--
		return false
	}
	if st.index < 0 {
		st.index = 0
		return true
	}
	if s.pos >= len(s.text) || s.text[s.pos] != ',' {
		return s.failAround()
	}
	s.pos++
	st.index++
	if s.space(); s.pos < len(s.text) && s.text[s.pos] == ']' {
		return s.failAround()
	}
	return true
}

// End checks that nothing but white space follows the value read last.
func (s *Scanner) End() bool {
	if s.fault != nil {
		return false
	}
	if s.space(); s.pos != len(s.text) {
		return s.fail(Trailing, s.pos)
	}
	return true
}

// special marks the bytes at which the scan of a string must stop: the quote,
// the backslash, control characters and everything beyond ASCII.
var special = func() (t [256]bool) {
	for c := range 256 {
		t[c] = c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf
	}
	return t
}()

// String reads a string and returns the text between its quotes; plain says
// that the text needs no Decode.
func (s *Scanner) String() (raw string, plain, ok bool) {
	if s.fault != nil {
		return "", false, false
	}
	text := s.text
	start := s.pos + 1
	i := start
	plain = true
	for i < len(text) {
		c := text[i]
		if !special[c] {
			i++
			continue
		}
		switch {
		case c == '"':
			s.pos = i + 1
			return text[start:i], plain, true
		case c == '\\':
			plain = false
			if i+1 < len(text) && text[i+1] != 'u' {
				switch text[i+1] {
				case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
					i += 2
					continue
				}
				return "", false, s.fail(Escape, i)
			}
			n := s.unicodeEscape(i)
			if n == 0 {
				return "", false, false
			}
			i += n
		case c < 0x20:
			return "", false, s.fail(Control, i)
		default:
			r, n := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError && n == 1 {
				if !s.lenient {
					return "", false, s.fail(NotUTF8, i)
				}
				plain = false
			}
			i += n
		}
	}
	return "", false, s.fail(Truncated, len(text))
}

// unicodeEscape checks a \u escape (or a pair of them) at i and returns its
// length; 0 after a fault.
func (s *Scanner) unicodeEscape(i int) int {
	r, ok := hex4(s.text, i)
	if !ok {
		if i+6 > len(s.text) {
			s.fail(Truncated, len(s.text))
		} else {
			s.fail(Escape, i)
		}
		return 0
	}
	if r < 0xD800 || r > 0xDFFF {
		return 6
	}
	if low, ok := hex4(s.text, i+6); ok && r < 0xDC00 && low >= 0xDC00 && low <= 0xDFFF {
		return 12
	}
	if s.lenient {
		return 6
	}
	s.fail(Surrogate, i)
	return 0
}

// hex4 reads the escape \uXXXX at i.
func hex4(t string, i int) (rune, bool) {
	if i+6 > len(t) || t[i] != '\\' || t[i+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range []byte(t[i+2 : i+6]) {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c-'a' <= 5:
			c -= 'a' - 10
		case c-'A' <= 5:
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// Number reads a number and returns its text.
func (s *Scanner) Number() (raw string, ok bool) {
	if s.fault != nil {
		return "", false
	}
	t, start := s.text, s.pos
	i := start
	if i < len(t) && t[i] == '-' {
		i++
	}
	if i < len(t) && t[i] == '0' {
		i++
	} else {
		j := digits(t, i)
		if j == i {
			return "", s.fail(Syntax, i)
		}
		i = j
	}
	if i < len(t) && t[i] == '.' {
		j := digits(t, i+1)
		if j == i+1 {
			return "", s.fail(Syntax, j)
		}
		i = j
	}
	if i < len(t) && t[i]|0x20 == 'e' {
		i++
		if i < len(t) && (t[i] == '+' || t[i] == '-') {
			i++
		}
		j := digits(t, i)
		if j == i {
			return "", s.fail(Syntax, i)
		}
		i = j
	}
	s.pos = i
	return t[start:i], true
}

func digits(t string, i int) int {
	for i < len(t) && t[i]-'0' <= 9 {
		i++
	}
	return i
}

// Literal reads true, false or null.
func (s *Scanner) Literal() (raw string, ok bool) {
	if s.fault != nil {
		return "", false
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(s.text[s.pos:], word) {
			s.pos += len(word)
			return word, true
		}
	}
	at := s.pos
	for at < len(s.text) && s.text[at]-'a' < 26 {
		at++
	}
	return "", s.fail(Syntax, at)
}

// Skip reads one value of any kind and checks it like every other.
func (s *Scanner) Skip() bool {
	switch s.Peek() {
	case Object:
		if !s.Open() {
			return false
		}
		names := s.NewNames()
		for first := true; ; first = false {
			name, ok := s.Member(first)
			if !ok {
				break
			}
			names.Add(s, name)
			s.Skip()
		}
		names.Close(s)
	case Array:
		if !s.Open() {
			return false
		}
		for s.Element() {
			s.Skip()
		}
	case String:
		s.String()
	case Number:
		s.Number()
	case Boolean, Null:
		s.Literal()
	default:
		s.fail(Syntax, s.pos)
	}
	return s.fault == nil
}

// Names finds repeated member names of one object. Objects of a few members,
// the rule, are compared directly; larger ones by a map, so that the cost stays
// linear whatever a sender does.
type Names struct {
	base int
	seen map[string]struct{}
}

// fewNames is the size up to which comparing is cheaper than hashing.
const fewNames = 16

// NewNames starts the check of an object just opened.
func (s *Scanner) NewNames() Names { return Names{base: len(s.names)} }

// Add records a name; a repeated one is a fault of the scanner.
func (n *Names) Add(s *Scanner, name string) {
	if s.lenient || s.fault != nil {
		return
	}
	if n.seen != nil {
		if _, twice := n.seen[name]; twice {
			s.duplicate(name)
		}
		n.seen[name] = struct{}{}
		return
	}
	for _, known := range s.names[n.base:] {
		if known == name {
			s.duplicate(name)
			return
		}
	}
	s.names = append(s.names, name)
	if len(s.names)-n.base > fewNames {
		n.seen = make(map[string]struct{}, 2*fewNames)
		for _, known := range s.names[n.base:] {
			n.seen[known] = struct{}{}
		}
	}
}

// Close ends the check.
func (n *Names) Close(s *Scanner) { s.names = s.names[:n.base] }

// Duplicate makes the current member's name a fault of repetition, for callers
// that know the names of an object themselves.
func (s *Scanner) Duplicate(name string) { s.duplicate(name) }

func (s *Scanner) duplicate(name string) {
	if s.lenient || s.fault != nil {
		return
	}
	s.fail(Duplicate, s.pos)
	s.fault.Member = Short(name)
}
