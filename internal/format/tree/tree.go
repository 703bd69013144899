package tree

import (
	"embed"
	"fmt"
	"io/fs"
	"iter"
	"strconv"
	"strings"
)

//go:embed locales/*.json
var locales embed.FS

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// Syntax is how a document is written.
type Syntax string

// The syntaxes.
const (
	XML  Syntax = "xml"
	JSON Syntax = "json"
)

// Kind is what a node is.
type Kind uint8

// The kinds of nodes. An XML element is an Object when it has elements or
// attributes, else a String: XML has no numbers.
const (
	Object Kind = iota + 1
	Array
	String
	Number
	Boolean
	Null
)

// TextName is the name under which the text of an XML element stands beside its
// attributes or elements; the name of an attribute begins with AttributeMark.
const (
	TextName      = "#text"
	AttributeMark = "@"
)

// Node is one value of a document.
type Node struct {
	// Name is the local name of an XML element, "@" and the name of an attribute as
	// it is written, or the name of a JSON member; "" for the elements of an array
	// and for the root of JSON.
	Name  string
	Space string // namespace of an XML element or attribute
	Kind  Kind
	Text  string // of a leaf: its value; numbers and literals as they are written
	Line  int    // from 1
	Kids  []*Node
	// Start and End are where an XML element or a JSON value lies in Document.Text.
	Start, End int
}

// Leaf reports whether the node has a value of its own: an empty object or array
// has none.
func (n *Node) Leaf() bool { return n.Kind != Object && n.Kind != Array }

// Get returns the first child of a name, nil without.
func (n *Node) Get(name string) *Node {
	if n == nil {
		return nil
	}
	for _, k := range n.Kids {
		if k.Name == name {
			return k
		}
	}
	return nil
}

// All returns the children of a name; of a JSON member that is an array, its
// elements.
func (n *Node) All(name string) []*Node {
	if n == nil {
		return nil
	}
	var all []*Node
	for _, k := range n.Kids {
		switch {
		case k.Name != name:
		case k.Kind == Array:
			all = append(all, k.Kids...)
		default:
			all = append(all, k)
		}
	}
	return all
}

// Value is the text of the node: of an XML element with attributes, that beside
// them. "" for what has none.
func (n *Node) Value() string {
	switch {
	case n == nil:
		return ""
	case n.Leaf():
		return n.Text
	}
	return n.Get(TextName).Value()
}

// Document is a document that was read.
type Document struct {
	Syntax  Syntax
	Root    *Node
	Text    []byte // in UTF-8, without byte order mark
	Charset string // in which it came, in lower case
	Marked  bool   // it began with a byte order mark
}

// Walk gives every node with its path. The path is a JSON Pointer (spec: RFC 6901);
// in XML it consists of the names of the elements from the root on, and of numbers
// from 0 where a name repeats among its siblings.
func (d *Document) Walk() iter.Seq2[string, *Node] {
	return func(yield func(string, *Node) bool) {
		path := ""
		if d.Syntax == XML {
			path = "/" + escape(d.Root.Name)
		}
		d.Root.walk(path, d.Syntax, yield)
	}
}

// Leaves gives every node that has a value, with its path.
func (d *Document) Leaves() iter.Seq2[string, *Node] {
	return func(yield func(string, *Node) bool) {
		for path, n := range d.Walk() {
			if n.Leaf() && !yield(path, n) {
				return
			}
		}
	}
}

func (n *Node) walk(path string, s Syntax, yield func(string, *Node) bool) bool {
	if !yield(path, n) {
		return false
	}
	var times, seen map[string]int
	if s == XML {
		times, seen = map[string]int{}, map[string]int{}
		for _, k := range n.Kids {
			times[k.Name]++
		}
	}
	for i, k := range n.Kids {
		p := path + "/" + escape(k.Name)
		switch {
		case n.Kind == Array:
			p = path + "/" + strconv.Itoa(i)
		case times[k.Name] > 1:
			p += "/" + strconv.Itoa(seen[k.Name])
			seen[k.Name]++
		}
		if !k.walk(p, s, yield) {
			return false
		}
	}
	return true
}

var pointer = strings.NewReplacer("~", "~0", "/", "~1")

// escape writes a name as a part of a JSON Pointer (spec: RFC 6901, §3).
func escape(name string) string { return pointer.Replace(name) }

// Limits bound what is read.
type Limits struct {
	Bytes int // of the document
	Depth int // of containers in each other
	Nodes int // values, elements and attributes
}

// DefaultLimits are those of the exchange node's messages; formats of incidents
// need a fraction of them.
var DefaultLimits = Limits{Bytes: 1 << 20, Depth: 64, Nodes: 50_000}

// Fault is why a document cannot be read.
type Fault struct {
	Line int    // from 1; 0: of the document as a whole
	Rule string // a word for programs, the last part of Key
	Key  string // translation key
	Args map[string]any
}

// Error implements error; technical English.
func (f *Fault) Error() string { return fmt.Sprintf("tree: line %d: %s %v", f.Line, f.Rule, f.Args) }

func fault(line int, rule string, args map[string]any) *Fault {
	if args == nil {
		args = map[string]any{}
	}
	args["line"] = line
	return &Fault{Line: line, Rule: rule, Key: "tree.fault." + rule, Args: args}
}
