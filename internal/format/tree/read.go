package tree

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"trojmezi/internal/format/strictjson"
)

// Parse reads a document in whichever syntax it begins.
func Parse(doc []byte, l Limits) (*Document, *Fault) {
	if len(doc) > l.Bytes {
		return nil, fault(0, "size", map[string]any{"max": l.Bytes})
	}
	d := &Document{}
	text, f := d.decode(doc)
	if f != nil {
		return nil, f
	}
	d.Text = text
	switch begin := bytes.TrimLeft(text, " \t\r\n"); {
	case len(begin) == 0:
		return nil, fault(0, "empty", nil)
	case begin[0] == '<':
		d.Syntax = XML
		d.Root, f = readXML(text, l)
	case begin[0] == '{' || begin[0] == '[':
		d.Syntax = JSON
		if d.Charset != "utf-8" {
			return nil, fault(0, "charset_json", map[string]any{"charset": d.Charset})
		}
		d.Root, f = readJSON(string(text), l)
	default:
		return nil, fault(1, "neither", nil)
	}
	if f != nil {
		return nil, f
	}
	if paths(d.Root, 0, namesFactor*l.Bytes) < 0 {
		return nil, fault(0, "names", nil)
	}
	return d, nil
}

// namesFactor bounds the paths of all values together, as a multiple of the longest
// document: everybody who walks a tree builds them.
const namesFactor = 16

// paths takes the length of the paths from n on from what may be left of it;
// negative: there was not enough.
func paths(n *Node, length, left int) int {
	length += len(n.Name) + 1
	left -= length
	for _, k := range n.Kids {
		if left < 0 {
			break
		}
		left = paths(k, length, left)
	}
	return left
}

// charsets are those that systems of the region and the standards use.
var charsets = map[string]encoding.Encoding{
	"utf-8": nil, "us-ascii": nil, "ascii": nil,
	"iso-8859-1": charmap.ISO8859_1, "iso-8859-2": charmap.ISO8859_2, "iso-8859-15": charmap.ISO8859_15,
	"windows-1250": charmap.Windows1250, "windows-1252": charmap.Windows1252,
	"utf-16":   unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"utf-16le": unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), "utf-16be": unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
}

// declaration finds the character set an XML declaration names (spec: XML 1.0, §2.8).
var declaration = regexp.MustCompile(`^<\?xml[^>]{0,200}?\sencoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]{0,40})["']`)

// FromText is a text as a document: whatever set of characters its declaration names,
// a text that came from a form is UTF-8 now.
func FromText(text string) []byte {
	if m := declaration.FindStringSubmatchIndex(text); m != nil {
		text = text[:m[2]] + "UTF-8" + text[m[3]:]
	}
	return []byte(text)
}

// Text is a document as people read it, whatever set of characters it is in; false when
// its bytes are not of that set.
func Text(doc []byte) (string, bool) {
	text, f := new(Document).decode(doc)
	return string(text), f == nil
}

// decode brings the text to UTF-8.
func (d *Document) decode(doc []byte) ([]byte, *Fault) {
	d.Charset = "utf-8"
	for mark, name := range map[string]string{"\xEF\xBB\xBF": "utf-8", "\xFF\xFE": "utf-16", "\xFE\xFF": "utf-16"} {
		if bytes.HasPrefix(doc, []byte(mark)) {
			d.Charset, d.Marked = name, true
			if name == "utf-8" {
				doc = doc[len(mark):]
			}
		}
	}
	if m := declaration.FindSubmatch(doc); m != nil && !d.Marked {
		d.Charset = strings.ToLower(string(m[1]))
	}
	enc, known := charsets[d.Charset]
	if !known {
		return nil, fault(1, "charset", map[string]any{"charset": d.Charset})
	}
	if enc != nil {
		text, err := enc.NewDecoder().Bytes(doc)
		if at := bytes.IndexRune(text, utf8.RuneError); err != nil || at >= 0 { // bytes that are no character
			return nil, fault(1+bytes.Count(text[:max(at, 0)], []byte{'\n'}), "encoding", map[string]any{"charset": d.Charset})
		}
		return text, nil
	}
	ascii := d.Charset != "utf-8"
	for i := 0; i < len(doc); {
		r, n := utf8.DecodeRune(doc[i:])
		if r == utf8.RuneError && n == 1 || ascii && n > 1 {
			return nil, fault(1+bytes.Count(doc[:i], []byte{'\n'}), "encoding", map[string]any{"charset": d.Charset})
		}
		i += n
	}
	return doc, nil
}

// open is an XML element that has not ended.
type open struct {
	node     *Node
	text     strings.Builder
	prefixes map[string]string // namespace → prefix, of its own declarations
}

const (
	spaceXMLNS = "xmlns"
	spaceXML   = "http://www.w3.org/XML/1998/namespace"
)

func readXML(text []byte, l Limits) (*Node, *Fault) {
	dec := xml.NewDecoder(bytes.NewReader(text))
	dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // it is UTF-8 by now
	var root *Node
	var stack []*open
	nodes := 0
	for {
		begin := int(dec.InputOffset())
		t, err := dec.Token()
		line, _ := dec.InputPos()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, xmlFault(err, line)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if root != nil && len(stack) == 0 {
				return nil, fault(line, "trailing", nil)
			}
			if len(stack) >= l.Depth {
				return nil, fault(line, "depth", map[string]any{"max": l.Depth})
			}
			if nodes += 1 + len(t.Attr); nodes > l.Nodes {
				return nil, fault(line, "nodes", map[string]any{"max": l.Nodes})
			}
			// A long tag ends lines after it begins: that is where people look.
			n := &Node{Name: t.Name.Local, Space: t.Name.Space, Kind: String, Line: line - bytes.Count(text[begin:dec.InputOffset()], []byte{'\n'}), Start: begin}
			o := &open{node: n, prefixes: map[string]string{}}
			stack = append(stack, o)
			if f := attributes(stack, t.Attr, n); f != nil {
				return nil, f
			}
			if !declared(stack, t.Name.Space) {
				return nil, fault(n.Line, "prefix", map[string]any{"name": t.Name.Space})
			}
			if root == nil {
				root = n
			}
			if len(stack) > 1 {
				up := stack[len(stack)-2].node
				up.Kids, up.Kind = append(up.Kids, n), Object
			}
		case xml.EndElement:
			o := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			o.node.End = int(dec.InputOffset())
			o.node.close(o.text.String())
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].text.Write(t)
			} else if len(bytes.TrimSpace(t)) > 0 {
				return nil, fault(line, "trailing", nil)
			}
		case xml.Directive:
			return nil, fault(line, "dtd", nil)
		}
	}
	if root == nil {
		return nil, fault(1, "empty", nil)
	}
	return root, nil
}

// close gives an element its text: alone it is the element's value.
func (n *Node) close(text string) {
	if n.Kind == String {
		n.Text = text
		return
	}
	if strings.TrimSpace(text) != "" {
		n.Kids = append(n.Kids, &Node{Name: TextName, Kind: String, Text: text, Line: n.Line, Start: n.Start, End: n.End})
	}
}

// attributes adds those of the innermost element, under the names they are written with.
func attributes(stack []*open, list []xml.Attr, n *Node) *Fault {
	own := stack[len(stack)-1].prefixes
	for _, a := range list {
		switch {
		case a.Name.Space == spaceXMLNS:
			own[a.Value] = a.Name.Local
		case a.Name.Space == "" && a.Name.Local == spaceXMLNS && own[a.Value] == "":
			own[a.Value] = "" // the default, which attributes do not use
		}
	}
	named := map[string]bool{}
	for _, a := range list {
		if a.Name.Space == spaceXMLNS || a.Name.Space == "" && a.Name.Local == spaceXMLNS {
			continue // says what names mean, and nothing of its own
		}
		if !declared(stack, a.Name.Space) {
			return fault(n.Line, "prefix", map[string]any{"name": a.Name.Space})
		}
		name := AttributeMark + a.Name.Local
		if p := prefix(stack, a.Name.Space); p != "" {
			name = AttributeMark + p + ":" + a.Name.Local
		}
		if named[name] {
			return fault(n.Line, "duplicate", map[string]any{"name": name})
		}
		named[name] = true
		n.Kids = append(n.Kids, &Node{Name: name, Space: a.Name.Space, Kind: String, Text: a.Value, Line: n.Line, Start: n.Start, End: n.Start})
		n.Kind = Object
	}
	return nil
}

// declared reports whether a namespace is one: of an unknown prefix the decoder
// leaves the prefix itself.
func declared(stack []*open, space string) bool {
	return space == "" || space == spaceXML || slices.ContainsFunc(stack, func(o *open) bool { _, ok := o.prefixes[space]; return ok })
}

// prefix is what a declared namespace of an attribute is written as.
func prefix(stack []*open, space string) string {
	if space == spaceXML {
		return "xml"
	}
	for _, o := range slices.Backward(stack) {
		if p := o.prefixes[space]; p != "" {
			return p
		}
	}
	return ""
}

func xmlFault(err error, line int) *Fault {
	if s, ok := errors.AsType[*xml.SyntaxError](err); ok {
		rule := "xml"
		switch {
		case strings.Contains(s.Msg, "entity"):
			rule = "entity"
		case strings.Contains(s.Msg, "unexpected EOF"):
			rule = "truncated"
		}
		return fault(s.Line, rule, nil)
	}
	return fault(line, "xml", nil)
}

// jsonRules names the faults of strictjson that have a text of their own.
var jsonRules = map[strictjson.Reason]string{
	strictjson.Truncated: "truncated", strictjson.Trailing: "trailing", strictjson.TooDeep: "depth", strictjson.Duplicate: "duplicate",
}

// reader builds a tree from a scanner.
type reader struct {
	strictjson.Scanner
	text  string
	nodes int
	max   int
	line  int // of the offset at
	at    int
	over  int // line at which there were too many nodes; 0: there were not
}

func readJSON(text string, l Limits) (*Node, *Fault) {
	r := &reader{text: text, max: l.Nodes, line: 1}
	r.Init(text, min(l.Depth, strictjson.MaxDepth))
	root := r.value("")
	if root != nil {
		r.End()
	}
	if r.over > 0 {
		return nil, fault(r.over, "nodes", map[string]any{"max": l.Nodes})
	}
	if f := r.Fault(); f != nil {
		rule := jsonRules[f.Reason]
		if rule == "" {
			rule = "json"
		}
		return nil, fault(1+strings.Count(text[:min(f.Offset, len(text))], "\n"), rule, map[string]any{"max": f.Limit, "name": f.Member, "place": f.Place})
	}
	return root, nil
}

// lineAt is the line of an offset; offsets only rise.
func (r *reader) lineAt(offset int) int {
	r.line += strings.Count(r.text[r.at:offset], "\n")
	r.at = offset
	return r.line
}

// value reads the next value, nil after a fault.
func (r *reader) value(name string) *Node {
	kind := r.Peek()
	n := &Node{Name: name, Start: r.Pos(), Line: r.lineAt(r.Pos())}
	if r.nodes++; r.nodes > r.max {
		r.over = n.Line
		return nil
	}
	ok := false
	switch kind {
	case strictjson.Object:
		n.Kind = Object
		ok = r.object(n)
	case strictjson.Array:
		n.Kind = Array
		ok = r.array(n)
	case strictjson.String:
		n.Kind = String
		var raw string
		var plain bool
		if raw, plain, ok = r.String(); ok {
			if n.Text = raw; !plain {
				n.Text = strictjson.Decode(raw)
			}
		}
	case strictjson.Number:
		n.Kind = Number
		n.Text, ok = r.Number()
	case strictjson.Boolean, strictjson.Null:
		n.Kind = Boolean
		if kind == strictjson.Null {
			n.Kind = Null
		}
		n.Text, ok = r.Literal()
	default:
		r.Skip() // notes the fault
	}
	if !ok {
		return nil
	}
	n.End = r.Pos()
	return n
}

func (r *reader) object(n *Node) bool {
	if !r.Open() {
		return false
	}
	names := r.NewNames()
	for first := true; ; first = false {
		name, ok := r.Member(first)
		if !ok {
			break
		}
		names.Add(&r.Scanner, name)
		k := r.value(name)
		if k == nil {
			return false
		}
		n.Kids = append(n.Kids, k)
	}
	names.Close(&r.Scanner)
	return r.Fault() == nil
}

func (r *reader) array(n *Node) bool {
	if !r.Open() {
		return false
	}
	for r.Element() {
		k := r.value("")
		if k == nil {
			return false
		}
		n.Kids = append(n.Kids, k)
	}
	return r.Fault() == nil
}
