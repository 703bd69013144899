package shape

import (
	"embed"
	"io/fs"

	"trojmezi/internal/format/tree"
)

//go:embed locales/*.json
var locales embed.FS

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// Severity is how much a deviation matters.
type Severity string

// The severities: an Error breaks the standard's schema; a Warning is something the
// schema permits or cannot see, such as a code that no list has.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Deviation is one thing in a document that is not as the standard says.
type Deviation struct {
	Path     string // as tree.Document.Walk gives it
	Line     int    // from 1
	Rule     string // a word for programs, the last part of Key
	Severity Severity
	Key      string // translation key
	Args     map[string]any
}

// Type is what an element or a value may hold. Without Members and Open it is a
// leaf; with a Value too, and its Members then are attributes.
type Type struct {
	Members []Member // in the order of the standard
	Value   *Value   // of a leaf; nil: any text
	// Open lets members of other names stand here, unchecked (xs:any, with it
	// xs:anyAttribute; additionalProperties).
	Open bool
	// More, if not nil, is asked too, for what Members cannot say.
	More func(path string, n *tree.Node) []Deviation
}

// Member is a named part of a Type.
type Member struct {
	Name string
	// Space is the namespace of an XML element or attribute; "" is that of the
	// element it stands in (of an attribute: none).
	Space     string
	Attribute bool
	Min, Max  int // Max 0: any number. In JSON all but Max 1 is an array.
	Type      *Type
	// Choice, if not 0, is the number of a choice: of its members exactly one
	// stands, counted together; Min and Max then are those of the member alone, if
	// it is the one that stands.
	Choice int
}

// Value is what the text of a leaf may be.
type Value struct {
	JSON []tree.Kind // the kinds it may have in JSON; nil: a string
	// Collapse takes white space around the text away before it is looked at, as
	// XSD does for all simple types but strings. JSON knows no such thing.
	Collapse bool
	Match    func(text string) bool // nil: any
	Rule     string                 // of the deviation when Match says no: "value", "code", "time", "number", …
	Hint     string                 // what is allowed, for the text; "" for none
}
