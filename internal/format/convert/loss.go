package convert

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/format/ucri"
)

// Reason is why a value is in the loss report. Its text is "convert.reason.<Reason>".
type Reason string

// The reasons.
const (
	NoField   Reason = "no_field"  // the other format has no field for it
	Rewritten Reason = "rewritten" // it means the same and is written otherwise
	Partly    Reason = "partly"    // only a part of it fits
	Syntax    Reason = "syntax"    // it says how the message is written, not what
	Replaced  Reason = "replaced"  // the result has its own instead
	Transport Reason = "transport" // it was about the way the message went
	Unchanged Reason = "unchanged" // it was told before
	Withheld  Reason = "withheld"  // it was kept back on purpose
)

// Reasons lists them, for their texts.
var Reasons = []Reason{NoField, Rewritten, Partly, Syntax, Replaced, Transport, Unchanged, Withheld}

// Loss says of one value of the source that it is not in the result as it was.
type Loss struct {
	Path    string  `json:"path"`
	Value   string  `json:"value"`
	Reason  Reason  `json:"reason"`
	MovedTo *string `json:"moved_to"` // path in the result; nil: it is nowhere
}

// source is a document that is being read: its leaves by key, each to be taken
// once. A key is the names on the way to the leaf, with a number behind those that
// repeat from the second on: so one value and a list of one are the same.
type source struct {
	doc      *tree.Document
	leaves   []*leaf // in the order of the document
	byKey    map[string]*leaf
	parts    map[string]bool // keys of what has parts
	arrays   map[string]bool // keys without numbers of what is an array
	system   string
	sender   string
	lang     string
	real     reality
	before   *source           // what the same sender said last of the incident; nil: nothing counts as told
	schema   ucri.Message      // which message of UCRI 2 it is
	withheld []string          // paths of what is kept back
	fixed    map[string]string // keys of what every message of the format says
	// changed says that something was taken out of it: its text goes on no more.
	changed bool
	// name is what the format calls an element that is spelt otherwise; nil: as it is.
	name func(string) string
}

// leaf is a value of the source.
type leaf struct {
	path, key string
	node      *tree.Node
	taken     bool // by a cell
}

func emptySource(d *tree.Document, system string) *source {
	return &source{doc: d, system: system, byKey: map[string]*leaf{}, parts: map[string]bool{}, arrays: map[string]bool{}}
}

func newSource(d *tree.Document, system string) *source {
	s := emptySource(d, system)
	s.add(d.Syntax, d.Root, "", rootPath(d))
	return s
}

func rootPath(d *tree.Document) string {
	for p := range d.Walk() {
		return p
	}
	return ""
}

// add indexes what is below n. Empty objects and arrays are values too: without
// them the message would not come out the same.
func (s *source) add(syntax tree.Syntax, n *tree.Node, key, path string) {
	paths := map[*tree.Node]string{}
	sub := &tree.Document{Syntax: syntax, Root: n}
	own := rootPath(sub)
	for p, k := range sub.Walk() {
		paths[k] = path + strings.TrimPrefix(p, own)
	}
	s.index(n, key, paths)
}

func (s *source) index(n *tree.Node, key string, paths map[*tree.Node]string) {
	if len(n.Kids) == 0 {
		l := &leaf{path: paths[n], key: key, node: n}
		s.leaves = append(s.leaves, l)
		if s.byKey[key] == nil {
			s.byKey[key] = l
		}
		return
	}
	s.parts[key] = true
	seen := map[string]int{}
	for _, k := range n.Kids {
		if k.Name == tree.TextName && s.doc.Syntax == tree.XML {
			s.index(k, key, paths) // the value of an element with attributes
			continue
		}
		name := k.Name
		if s.name != nil {
			name = s.name(name)
		}
		part := keyPart(name)
		list := []*tree.Node{k}
		if k.Kind == tree.Array {
			s.arrays[plain(join(key, part))] = true
			if len(k.Kids) > 0 {
				list = k.Kids
			}
		}
		for _, e := range list {
			s.index(e, join(key, at(part, seen[name])), paths)
			seen[name]++
		}
	}
}

// at is a name with its number among those alike.
func at(name string, i int) string {
	if i == 0 {
		return name
	}
	return name + "." + strconv.Itoa(i)
}

// plain is a key without its numbers.
func plain(key string) string {
	parts := strings.Split(key, "/")
	for i, p := range parts {
		parts[i], _, _ = strings.Cut(p, ".")
	}
	return strings.Join(parts, "/")
}

// What separates the parts of a key is written otherwise within a name.
var (
	keyEscape   = strings.NewReplacer("~", "~0", "/", "~1", ".", "~2")
	keyUnescape = strings.NewReplacer("~3", "", "~2", ".", "~1", "/", "~0", "~")
)

// keyPart is a name as a part of a key; an empty one is a name too.
func keyPart(name string) string {
	if name == "" {
		return "~3"
	}
	return keyEscape.Replace(name)
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "/" + name
}

// count is how many there are below key.
func (s *source) count(key string) int {
	n := 0
	for ; s.has(at(key, n)); n++ {
	}
	return n
}

func (s *source) has(key string) bool {
	return s.byKey[key] != nil || s.parts[key]
}

// cell is where a value of the model stands in a message.
type cell struct {
	key  string
	v    *incident.Value
	kind tree.Kind // in JSON
}

// read fills the cells from the source.
func (s *source) read(cells []cell) {
	for _, c := range cells {
		l := s.byKey[c.key]
		if l == nil || l.taken || c.v.Is() || !l.node.Leaf() {
			continue
		}
		l.taken = true
		*c.v = s.value(l)
	}
}

func (s *source) value(l *leaf) incident.Value {
	return incident.Value{Text: l.node.Text, Origin: &incident.Origin{
		Sender: s.sender, System: s.system, Text: l.node.Text, Path: l.path, Lang: s.lang, By: incident.Stated,
	}}
}

// rest makes extras of what no cell has taken.
func (s *source) rest(i *incident.Incident) {
	for _, l := range s.leaves {
		if !l.taken {
			i.Extra = append(i.Extra, s.value(l))
		}
	}
}

// result is a message that is being written.
type result struct {
	syntax tree.Syntax
	root   *tree.Node
	arrays map[string]bool       // keys without numbers of what is an array in JSON
	at     map[string]*tree.Node // by key
	into   map[string]*tree.Node // by path in the source
	// original is the text of the message in an envelope that goes on as it came: what
	// is signed stays so. "": it is written anew.
	original string
	why      map[string]Reason // by path in the source
}

func newResult(syntax tree.Syntax, root *tree.Node, arrays map[string]bool) *result {
	return &result{syntax: syntax, root: root, arrays: arrays, at: map[string]*tree.Node{}, into: map[string]*tree.Node{}, why: map[string]Reason{}}
}

// put writes a text at a key and returns its node.
func (r *result) put(key, text string, kind tree.Kind) *tree.Node {
	n := r.root
	way := ""
	parts := strings.Split(key, "/")
	for i, part := range parts {
		way = join(way, part)
		name, _, _ := strings.Cut(part, ".")
		last := i == len(parts)-1
		// An empty array is a value and holds none.
		array := r.syntax == tree.JSON && r.arrays[strings.TrimPrefix(plain(way), keyData+"/")] && !(last && kind == tree.Array)
		n = r.child(n, keyUnescape.Replace(name), way, array)
	}
	n.Kind, n.Text = kind, text
	if r.syntax == tree.XML {
		n.Kind, n.Text = tree.String, strings.Map(inXML, text)
	}
	return n
}

// inXML replaces what XML cannot hold (spec: XML 1.0, §2.2).
func inXML(c rune) rune {
	if c < 0x20 && c != '\t' && c != '\n' && c != '\r' || c == 0xFFFE || c == 0xFFFF {
		return utf8.RuneError
	}
	return c
}

// child is the part of n at a key; of an array its next element.
func (r *result) child(n *tree.Node, name, key string, array bool) *tree.Node {
	if k := r.at[key]; k != nil {
		return k
	}
	n.Kind = tree.Object
	k := &tree.Node{Name: name, Space: n.Space, Kind: tree.Object}
	if strings.HasPrefix(name, tree.AttributeMark) {
		k.Space = ""
	}
	holder := n
	if array {
		list := plain(key)
		if i := strings.LastIndexByte(key, '/'); i >= 0 {
			list = key[:i] + "/" + name
		}
		list += "[]"
		if holder = r.at[list]; holder == nil {
			holder = &tree.Node{Name: name, Kind: tree.Array}
			r.at[list] = holder
			n.Kids = append(n.Kids, holder)
		}
		k.Name = ""
	}
	holder.Kids = append(holder.Kids, k)
	r.at[key] = k
	return k
}

// write writes the cells that have a value. A value that was there before goes to
// the first cell that takes it.
func (r *result) write(cells []cell) {
	for _, c := range cells {
		if !c.v.Is() {
			continue
		}
		text, kind := c.v.Text, c.kind
		if r.syntax == tree.JSON && kind != tree.String {
			text, kind = plainJSON(text, kind)
		}
		reason := Rewritten
		if r.cut(text) {
			reason = Partly
		}
		r.moved(c.v, r.put(c.key, text, kind), reason)
	}
}

// cut reports whether a text has characters that the result cannot hold.
func (r *result) cut(text string) bool {
	return r.syntax == tree.XML && strings.Map(inXML, text) != text
}

// plainJSON writes a number or a yes or no as JSON does; what is none stays a text.
func plainJSON(text string, kind tree.Kind) (string, tree.Kind) {
	t := strings.TrimSpace(text)
	if kind == tree.Boolean && (t == "true" || t == "false") {
		return t, kind
	}
	if kind != tree.Number {
		return text, tree.String
	}
	if json.Valid([]byte(t)) && t != "" && (t[0] == '-' || t[0]-'0' <= 9) {
		return t, kind
	}
	f, err := strconv.ParseFloat(t, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return text, tree.String
	}
	return strconv.FormatFloat(f, 'f', -1, 64), kind
}

// moved notes where a value of the source stands now.
func (r *result) moved(v *incident.Value, n *tree.Node, otherwise Reason) {
	if v.Origin == nil || v.Origin.Path == "" || r.into[v.Origin.Path] != nil {
		return
	}
	r.into[v.Origin.Path] = n
	if n.Text != v.Origin.Text {
		r.why[v.Origin.Path] = otherwise
	}
}

// report is what became of the leaves of the source, in their order.
func (s *source) report(r *result) []Loss {
	paths := map[*tree.Node]string{}
	for p, n := range (&tree.Document{Syntax: r.syntax, Root: r.root}).Walk() {
		paths[n] = p
	}
	losses := []Loss{}
	for _, l := range s.leaves {
		into, reason := r.into[l.path], r.why[l.path]
		if into != nil && reason == "" {
			continue
		}
		if into == nil && s.keepsBack(l.path) != "" {
			reason = Withheld
		}
		loss := Loss{Path: l.path, Value: l.node.Text, Reason: reason}
		if into != nil {
			to := paths[into]
			loss.MovedTo = &to
		} else if reason == "" {
			loss.Reason = NoField
		}
		losses = append(losses, loss)
	}
	return losses
}
