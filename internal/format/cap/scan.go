package cap

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// scan reads a message of 1.2 that is valid by the schema and written plainly, in one
// pass and without a tree. Of any other, valid or not, it says false: then package tree
// has the word, which this file need not repeat. So it may give up wherever something
// is unusual, and must not accept what the slow way refuses or reads otherwise.
func scan(doc []byte) (*Alert, bool) {
	p := scanner{}
	a, ok := p.scan(doc)
	return a, ok
}

func (p *scanner) scan(doc []byte) (*Alert, bool) {
	if len(doc) > Limits.Bytes || !plain(doc) {
		return nil, false
	}
	*p = scanner{s: strings.TrimPrefix(string(doc), "\xEF\xBB\xBF")}
	if strings.IndexByte(p.s, '\r') >= 0 {
		p.s = lineEnds.Replace(p.s)
	}
	if !p.declaration() || !p.root() {
		return nil, false
	}
	a := &Alert{Version: V12}
	if len(p.s) <= short { // one room for all
		a.Infos = make([]Info, 0, strings.Count(p.s, "info>")/2)
		p.areas = make([]Area, 0, strings.Count(p.s, "area>")/2)
	}
	if !p.alert(a) {
		return nil, false
	}
	p.space()
	return a, p.i == len(p.s)
}

// short is up to how many bytes a message is counted before it is read: in a longer one
// the lists rather grow.
const short = 64 << 10

// lineEnds is what a reader of XML does to them (spec: XML 1.0, §2.11).
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// notPlain cannot stand in a text of XML (spec: XML 1.0, §2.2 and §2.4), or begins or
// ends a section of raw text.
var notPlain = [][]byte{[]byte("]]>"), []byte("\uFFFE"), []byte("\uFFFF")}

// plain reports whether the bytes are UTF-8 of characters that XML has.
func plain(doc []byte) bool {
	for _, b := range doc {
		if b < ' ' && b != '\t' && b != '\n' && b != '\r' {
			return false
		}
	}
	for _, not := range notPlain {
		if bytes.Contains(doc, not) {
			return false
		}
	}
	return utf8.Valid(doc)
}

// scanner is the place in a message up to which it is read.
type scanner struct {
	s      string
	i      int
	prefix string // of every element, with its colon
	nodes  int

	// What lists are made of: the elements of one stand side by side.
	texts []string
	pairs []Pair
	areas []Area

	marks []mark // of each info
}

// mark is where an info begins and ends, and the nodes before and with it.
type mark struct{ start, end, before, with int }

func (p *scanner) space() {
	for p.i < len(p.s) && (p.s[p.i] == ' ' || p.s[p.i] == '\n' || p.s[p.i] == '\t') {
		p.i++
	}
}

// skip goes over a text that has to stand here.
func (p *scanner) skip(text string) bool {
	if !strings.HasPrefix(p.s[p.i:], text) {
		return false
	}
	p.i += len(text)
	return true
}

// attribute reads one with the white space before it. Without one, name is "".
func (p *scanner) attribute() (name, value string, ok bool) {
	from := p.i
	p.space()
	start := p.i
	for p.i < len(p.s) && isNameByte(p.s[p.i]) {
		p.i++
	}
	if name = p.s[start:p.i]; name == "" {
		return "", "", true
	}
	if start == from || !p.skip("=") || p.i == len(p.s) {
		return "", "", false
	}
	quote := p.s[p.i]
	end := strings.IndexByte(p.s[p.i+1:], quote)
	if quote != '"' && quote != '\'' || end < 0 {
		return "", "", false
	}
	value = p.s[p.i+1 : p.i+1+end]
	p.i += end + 2
	return name, value, !strings.ContainsAny(value, "<&\n\t")
}

func isNameByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == ':' || b == '_' || b == '-'
}

// declaration reads the one of XML, if there is one.
func (p *scanner) declaration() bool {
	if !p.skip("<?xml") {
		return true
	}
	for at, want := range []string{"version", "encoding", "standalone", ""} {
		before := p.i
		name, value, ok := p.attribute()
		switch {
		case !ok:
			return false
		case name == "" && at > 0:
			return p.skip("?>")
		case name != want && at > 0 && at < 3:
			p.i = before // one that may be missing
		case name != want,
			name == "version" && value != "1.0",
			name == "encoding" && !strings.EqualFold(value, "utf-8"),
			name == "standalone" && value != "yes" && value != "no":
			return false
		}
	}
	return false
}

// root reads the tag that opens the message.
func (p *scanner) root() bool {
	p.space()
	if !p.skip("<") {
		return false
	}
	start := p.i
	for p.i < len(p.s) && isNameByte(p.s[p.i]) {
		p.i++
	}
	prefix, found := strings.CutSuffix(p.s[start:p.i], "alert")
	if p.prefix = prefix; !found || strings.Count(prefix, ":") > 1 || prefix != "" && (strings.IndexByte(prefix, ':') != len(prefix)-1 || !isPrefix(prefix[:len(prefix)-1])) {
		return false
	}
	return p.spaces()
}

// isPrefix reports whether a text is a prefix as people choose them.
func isPrefix(s string) bool {
	for i := range len(s) {
		if b := s[i] | 0x20; b < 'a' || b > 'z' {
			return false
		}
	}
	return s != "" && !strings.EqualFold(s, "xml") && s != "xmlns"
}

// maxAttributes is how many the tag that opens a message may have.
const maxAttributes = 8

// spaces reads the attributes of the root: namespaces, and where a schema lies.
func (p *scanner) spaces() bool {
	own := "xmlns"
	if p.prefix != "" {
		own += ":" + p.prefix[:len(p.prefix)-1]
	}
	var seen [maxAttributes]string
	is12, instance, located := false, false, false
	for n := 0; ; n++ {
		name, value, ok := p.attribute()
		if !ok || n == maxAttributes {
			return false
		}
		if name == "" {
			break
		}
		for _, s := range seen[:n] {
			if s == name {
				return false
			}
		}
		seen[n] = name
		declared, isPrefixed := strings.CutPrefix(name, "xmlns:")
		switch {
		case name == own:
			is12 = value == Space12
		case name == "xmlns:xsi":
			instance = value == spaceInstance
		case name == "xmlns", isPrefixed && isPrefix(declared):
			// One namespace under two names: which attribute has which is not for here.
			if value == "" || value == spaceInstance || strings.HasPrefix(value, "http://www.w3.org/XML") || strings.HasPrefix(value, "http://www.w3.org/2000/xmlns") {
				return false
			}
		case name == "xsi:schemaLocation", name == "xsi:noNamespaceSchemaLocation":
			located = true
		default:
			return false
		}
		p.nodes++
	}
	return is12 && (instance || !located) && p.skip(">")
}

const spaceInstance = "http://www.w3.org/2001/XMLSchema-instance"

// open reads the tag that opens the next element; name is "" where none follows. An
// empty one has no end of its own.
func (p *scanner) open() (name string, empty, ok bool) {
	p.space()
	if p.nodes++; p.nodes > Limits.Nodes {
		return "", false, false
	}
	if strings.HasPrefix(p.s[p.i:], "</") {
		return "", false, true
	}
	if !p.skip("<") || !p.skip(p.prefix) {
		return "", false, false
	}
	start := p.i
	for p.i < len(p.s) && isLetter(p.s[p.i]) {
		p.i++
	}
	name = p.s[start:p.i]
	p.space()
	empty = p.skip("/")
	return name, empty, name != "" && p.skip(">")
}

func isLetter(b byte) bool { return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' }

// end reads the tag that closes an element.
func (p *scanner) end(name string) bool {
	if !p.skip("</") || !p.skip(p.prefix) || !p.skip(name) {
		return false
	}
	p.space()
	return p.skip(">")
}

// text reads what stands in an element, and its end.
func (p *scanner) text(name string, empty bool) (string, bool) {
	if empty {
		return "", true
	}
	n := strings.IndexByte(p.s[p.i:], '<')
	if n < 0 {
		return "", false
	}
	t := p.s[p.i : p.i+n]
	p.i += n
	if strings.IndexByte(t, '&') >= 0 {
		var ok bool
		if t, ok = unescape(t); !ok {
			return "", false
		}
	}
	return t, p.end(name)
}

// entities are those that XML has itself.
var entities = []struct{ name, text string }{{"&lt;", "<"}, {"&gt;", ">"}, {"&amp;", "&"}, {"&apos;", "'"}, {"&quot;", `"`}}

// unescape gives a text of entities; numbers of characters are left to others.
func unescape(t string) (string, bool) {
	var out strings.Builder
	out.Grow(len(t))
next:
	for {
		i := strings.IndexByte(t, '&')
		if i < 0 {
			out.WriteString(t)
			return out.String(), true
		}
		out.WriteString(t[:i])
		for _, e := range entities {
			if strings.HasPrefix(t[i:], e.name) {
				out.WriteString(e.text)
				t = t[i+len(e.name):]
				continue next
			}
		}
		return "", false
	}
}

// order watches the places of elements: they only rise, and repeat where they may.
type order struct {
	last int
	seen uint64
}

func (o *order) next(place int, many bool) bool {
	if place < o.last || place == o.last && !many {
		return false
	}
	o.last = place
	o.seen |= 1 << place
	return true
}

// has reports whether all these places were taken.
func (o *order) has(places ...int) bool {
	for _, p := range places {
		if o.seen&(1<<p) == 0 {
			return false
		}
	}
	return true
}

func isOne(list []string, word string) bool {
	for _, w := range list {
		if w == word {
			return true
		}
	}
	return false
}

// alert reads the children of the root, in the order of root12, and its end.
func (p *scanner) alert(a *Alert) bool {
	o := order{last: -1}
	for {
		name, empty, ok := p.open()
		if !ok {
			return false
		}
		if name == "" {
			return o.has(0, 1, 2, 3, 4, 6) && p.end("alert")
		}
		if name == "info" {
			if empty || !o.next(13, true) || len(a.Infos) == MaxInfos {
				return false
			}
			a.Infos = append(a.Infos, Info{})
			m := mark{start: p.i - len(opened), before: p.nodes - 1}
			if !p.info(&a.Infos[len(a.Infos)-1]) {
				return false
			}
			m.end, m.with = p.i, p.nodes
			p.marks = append(p.marks, m)
			continue
		}
		t, ok := p.text(name, empty)
		if !ok {
			return false
		}
		switch name {
		case "identifier":
			ok, a.Identifier = o.next(0, false), t
		case "sender":
			ok, a.Sender = o.next(1, false), t
		case "sent":
			ok, a.Sent = o.next(2, false) && isTime(t), t
		case "status":
			ok, a.Status = o.next(3, false) && isOne(statuses, t), t
		case "msgType":
			ok, a.MsgType = o.next(4, false) && isOne(msgTypes, t), t
		case "source":
			ok, a.Source = o.next(5, false), t
		case "scope":
			ok, a.Scope = o.next(6, false) && isOne(scopes, t), t
		case "restriction":
			ok, a.Restriction = o.next(7, false), t
		case "addresses":
			ok, a.Addresses = o.next(8, false), t
		case "code":
			ok = o.next(9, true)
			a.Codes = p.add(a.Codes, t)
		case "note":
			ok, a.Note = o.next(10, false), t
		case "references":
			ok, a.References = o.next(11, false), t
		case "incidents":
			ok, a.Incidents = o.next(12, false), t
		default:
			return false
		}
		if !ok {
			return false
		}
	}
}

// add lengthens a list whose elements stand side by side.
func (p *scanner) add(list []string, t string) []string {
	if p.texts == nil {
		p.texts = make([]string, 0, 16)
	}
	n := len(list)
	p.texts = append(p.texts, t)
	end := len(p.texts)
	return p.texts[end-n-1 : end : end]
}

// info reads the children of an info, in the order of root12, and its end.
func (p *scanner) info(f *Info) bool {
	o := order{last: -1}
	for {
		name, empty, ok := p.open()
		if !ok {
			return false
		}
		switch name {
		case "":
			return o.has(1, 2, 4, 5, 6) && p.end("info")
		case "eventCode":
			ok = !empty && o.next(8, true) && p.pair(&f.EventCodes, name)
		case "parameter":
			ok = !empty && o.next(18, true) && p.pair(&f.Parameters, name)
		case "resource":
			ok = !empty && o.next(19, true) && p.resource(f)
		case "area":
			ok = !empty && o.next(20, true) && p.area(f)
		default:
			ok = p.said(f, &o, name, empty)
		}
		if !ok {
			return false
		}
	}
}

// said reads a child of an info that is a text.
func (p *scanner) said(f *Info, o *order, name string, empty bool) bool {
	t, ok := p.text(name, empty)
	if !ok {
		return false
	}
	switch name {
	case "language":
		f.Language = t
		return o.next(0, false) && isTag(t)
	case "category":
		f.Categories = p.add(f.Categories, t)
		return o.next(1, true) && isOne(categories, t)
	case "event":
		f.Event = t
		return o.next(2, false)
	case "responseType":
		f.ResponseTypes = p.add(f.ResponseTypes, t)
		return o.next(3, true) && isOne(responseTypes, t)
	case "urgency":
		f.Urgency = t
		return o.next(4, false) && isOne(urgencies, t)
	case "severity":
		f.Severity = t
		return o.next(5, false) && isOne(severities, t)
	case "certainty":
		f.Certainty = t
		return o.next(6, false) && isOne(certainties, t)
	case "audience":
		f.Audience = t
		return o.next(7, false)
	case "effective":
		f.Effective = t
		return o.next(9, false) && isTime(t)
	case "onset":
		f.Onset = t
		return o.next(10, false) && isTime(t)
	case "expires":
		f.Expires = t
		return o.next(11, false) && isTime(t)
	case "senderName":
		f.SenderName = t
		return o.next(12, false)
	case "headline":
		f.Headline = t
		return o.next(13, false)
	case "description":
		f.Description = t
		return o.next(14, false)
	case "instruction":
		f.Instruction = t
		return o.next(15, false)
	case "web":
		f.Web = t
		return o.next(16, false) && isAddress(t)
	case "contact":
		f.Contact = t
		return o.next(17, false)
	}
	return false
}

// between reads a text between two tags as nearly everybody writes them; without a word
// when something is unusual.
func (p *scanner) between(open, end string) (string, bool) {
	if !strings.HasPrefix(p.s[p.i:], open) {
		return "", false
	}
	rest := p.s[p.i+len(open):]
	n := strings.IndexByte(rest, '<')
	if n < 0 || !strings.HasPrefix(rest[n:], end) || strings.IndexByte(rest[:n], '&') >= 0 {
		return "", false
	}
	p.i += len(open) + n + len(end)
	p.nodes++
	return rest[:n], true
}

// usual reads a pair as nearly everybody writes it, or nothing.
func (p *scanner) usual(v *Pair) (ok bool) {
	from, nodes := p.i, p.nodes
	p.space()
	if v.Name, ok = p.between("<valueName>", "</valueName>"); ok {
		p.space()
		v.Value, ok = p.between("<value>", "</value>")
	}
	if !ok || p.nodes > Limits.Nodes {
		p.i, p.nodes = from, nodes
		return false
	}
	return true
}

// pair reads what has a name and a value.
func (p *scanner) pair(list *[]Pair, outer string) bool {
	var v Pair
	if p.usual(&v) {
		return p.paired(list, v, outer)
	}
	for i, want := range []string{"valueName", "value"} {
		name, empty, ok := p.open()
		if !ok || name != want {
			return false
		}
		t, ok := p.text(name, empty)
		if !ok {
			return false
		}
		if i == 0 {
			v.Name = t
		} else {
			v.Value = t
		}
	}
	return p.paired(list, v, outer)
}

// paired lengthens a list by a pair, and reads the end of what it stands in.
func (p *scanner) paired(list *[]Pair, v Pair, outer string) bool {
	if p.pairs == nil {
		room := 16
		if len(p.s) > short { // a bulletin is a list of codes, of some 80 bytes each
			room += (len(p.s) - p.i) / 80
		}
		p.pairs = make([]Pair, 0, room)
	}
	n := len(*list)
	p.pairs = append(p.pairs, v)
	end := len(p.pairs)
	*list = p.pairs[end-n-1 : end : end]
	p.space()
	return p.end(outer)
}

// resource reads the children of a resource, and its end.
func (p *scanner) resource(f *Info) bool {
	var r Resource
	o := order{last: -1}
	for {
		name, empty, ok := p.open()
		if !ok {
			return false
		}
		if name == "" {
			f.Resources = append(f.Resources, r)
			return o.has(0, 1) && p.end("resource")
		}
		t, ok := p.text(name, empty)
		if !ok {
			return false
		}
		switch name {
		case "resourceDesc":
			ok, r.Desc = o.next(0, false), t
		case "mimeType":
			ok, r.MimeType = o.next(1, false), t
		case "size":
			ok, r.Size = o.next(2, false) && isDigits(t), t
		case "uri":
			ok, r.URI = o.next(3, false) && isAddress(t), t
		case "derefUri":
			ok, r.DerefURI = o.next(4, false), t
		case "digest":
			ok, r.Digest = o.next(5, false), t
		default:
			return false
		}
		if !ok {
			return false
		}
	}
}

// area reads the children of an area, and its end.
func (p *scanner) area(f *Info) bool {
	n := len(f.Areas)
	p.areas = append(p.areas, Area{})
	end := len(p.areas)
	f.Areas = p.areas[end-n-1 : end : end]
	a := &p.areas[end-1]
	o := order{last: -1}
	for {
		name, empty, ok := p.open()
		switch {
		case !ok:
			return false
		case name == "":
			return o.has(0) && p.end("area")
		case name == "geocode":
			if empty || !o.next(3, true) || !p.pair(&a.Geocodes, name) {
				return false
			}
			continue
		}
		t, ok := p.text(name, empty)
		if !ok {
			return false
		}
		switch name {
		case "areaDesc":
			ok, a.Desc = o.next(0, false), t
		case "polygon":
			ok = o.next(1, true)
			a.Polygons = p.add(a.Polygons, t)
		case "circle":
			ok = o.next(2, true)
			a.Circles = p.add(a.Circles, t)
		case "altitude":
			ok, a.Altitude = o.next(4, false) && isDecimal(t), t
		case "ceiling":
			ok, a.Ceiling = o.next(5, false) && isDecimal(t), t
		default:
			return false
		}
		if !ok {
			return false
		}
	}
}

// What follows takes less than the schema does: the rest is for the slow way.

// isTime reports whether a text is a time of 1.2, of years that people live in.
func isTime(s string) bool {
	return len(s) == len(timeHint) && s[4] == '-' && s[7] == '-' && s[10] == 'T' && s[13] == ':' && s[16] == ':' && (s[19] == '+' || s[19] == '-') && s[22] == ':' &&
		number(s[:4], 1900, 2999) && number(s[5:7], 1, 12) && number(s[8:10], 1, 28+daysMore(s)) && number(s[11:13], 0, 23) && number(s[14:16], 0, 59) && number(s[17:19], 0, 59) &&
		number(s[20:22], 0, 13) && number(s[23:25], 0, 59)
}

// daysMore is how many days a month surely has above 28.
func daysMore(s string) int {
	switch s[5:7] {
	case "02":
		return 0
	case "04", "06", "09", "11":
		return 2
	}
	return 3
}

// number reports whether a text is digits of a value in a range.
func number(s string, least, most int) bool {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		n = 10*n + int(s[i]-'0')
	}
	return n >= least && n <= most
}

func isDigits(s string) bool { return s != "" && len(s) < 10 && number(s, 0, 999_999_999) }

func isDecimal(s string) bool {
	whole, part, point := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	return isDigits(whole) && (!point || isDigits(part))
}

// isTag reports whether a text is a tag of a language such as de or cs-CZ.
func isTag(s string) bool {
	main, rest, cut := strings.Cut(s, "-")
	return s == "" || isPart(main) && (!cut || isPart(rest))
}

func isPart(s string) bool {
	for i := range len(s) {
		if !isLetter(s[i]) {
			return false
		}
	}
	return s != "" && len(s) <= 8
}

// isAddress reports whether a text is an address as almost all are.
func isAddress(s string) bool {
	rest, ok := strings.CutPrefix(s, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(s, "http://")
	}
	if !ok {
		return s == ""
	}
	for i := range len(rest) {
		if b := rest[i]; !isNameByte(b) && b != '.' && b != '/' && b != '?' && b != '=' && b != '&' && b != '#' || b == ':' || b == '#' && strings.IndexByte(rest[i+1:], '#') >= 0 {
			return false
		}
	}
	return rest != ""
}
