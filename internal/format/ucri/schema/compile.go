package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"slices"
	"strings"
)

// dialect is the one $schema accepted.
const dialect = "https://json-schema.org/draft/2020-12/schema"

const (
	maxMembers    = 64 // of one object: they are tracked in the bits of a uint64
	maxMemberName = 40 // bytes: the lookup table is indexed by length
)

// Pattern implements one regular expression of the documents by hand: no
// pattern is ever compiled or run as an expression.
type Pattern struct {
	Rule  string // rule name of the Violation
	Match func(string) bool
}

// Set is a compiled collection of schema documents. It is immutable and safe
// for concurrent use.
type Set struct{ schemas map[string]*Schema }

// Schema validates one kind of JSON document.
type Schema struct{ root *node }

// Get returns the schema with the given $id, or nil.
func (s *Set) Get(id string) *Schema { return s.schemas[id] }

type kind uint8

const (
	object kind = iota + 1
	array
	text
	numeric
	integer
	boolean
)

var kinds = map[string]kind{
	"object": object, "array": array, "string": text, "number": numeric, "integer": integer, "boolean": boolean,
}

type node struct {
	kind kind

	members  []member // sorted by length of the name, then by name
	byLength [maxMemberName + 2]uint8
	required uint64
	order    []int // of required members, as the document lists them
	anyOf    []uint64
	minProps int
	closed   bool // unevaluatedProperties: false

	items              *node
	minItems, maxItems int // maxItems -1: none

	minLength, maxLength int // characters; maxLength -1: none
	pattern              *Pattern
	format               *Pattern
	enum                 []string // string values, or integers in plain form

	minimum, maximum *bound
}

type member struct {
	name string
	node *node
}

type bound struct {
	decimal
	raw   string
	whole bool // it is the integer n
	n     int64
}

// shown is the bound for texts: as an integer where it is one, so that its
// digits can be grouped.
func (b *bound) shown() any {
	if b.whole {
		return b.n
	}
	return b.raw
}

var formats = map[string]*Pattern{
	"uuid":      {"uuid", IsUUID},
	"date":      {"date", IsDate},
	"date-time": {"date_time", IsDateTime},
}

// Load compiles every *.json file of fsys. References may point into any of
// them by $id. An error names the file, the place and the reason: an unknown
// keyword or pattern, a keyword on the wrong type, a combination that one pass
// can't evaluate exactly.
func Load(fsys fs.FS, patterns map[string]Pattern) (*Set, error) {
	c := compiler{docs: map[string]any{}, done: map[string]*node{}, open: map[string]bool{}, patterns: patterns}
	files := map[string]string{}
	err := fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".json") {
			return err
		}
		raw, err := fs.ReadFile(fsys, path)
		if err != nil {
			return err
		}
		doc, id, err := parseDocument(raw)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if files[id] != "" {
			return fmt.Errorf("%s: $id %s is that of %s too", path, id, files[id])
		}
		files[id], c.docs[id] = path, doc
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load schemas: %w", err)
	}
	set := &Set{schemas: map[string]*Schema{}}
	for id, doc := range c.docs {
		c.base = id
		if err := c.definitions(id, doc); err != nil {
			return nil, fmt.Errorf("load schemas: %s: %w", files[id], err)
		}
		if _, library := doc.(map[string]any)["type"]; !library && doc.(map[string]any)["$ref"] == nil {
			continue // a document of shared $defs only
		}
		n, err := c.resolve(id + "#")
		if err != nil {
			return nil, fmt.Errorf("load schemas: %s: %w", files[id], err)
		}
		set.schemas[id] = &Schema{root: n}
	}
	return set, nil
}

func parseDocument(raw []byte) (doc map[string]any, id string, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		return nil, "", err
	}
	if dec.More() {
		return nil, "", errors.New("more than one JSON value")
	}
	if doc["$schema"] != dialect {
		return nil, "", fmt.Errorf("$schema is not %s", dialect)
	}
	id, _ = doc["$id"].(string)
	if id == "" || strings.Contains(id, "#") {
		return nil, "", errors.New("$id is missing or has a fragment")
	}
	return doc, id, nil
}

type compiler struct {
	docs     map[string]any
	base     string // $id of the document being compiled
	done     map[string]*node
	open     map[string]bool // references being compiled: a second visit is recursion
	patterns map[string]Pattern
}

// definitions compiles every $defs entry, so that a mistake in an unused one
// shows too.
func (c *compiler) definitions(id string, doc any) error {
	defs, _ := doc.(map[string]any)["$defs"].(map[string]any)
	for name := range defs {
		if _, err := c.resolve(id + "#/$defs/" + name); err != nil {
			return err
		}
	}
	return nil
}

// resolve compiles the target of an absolute reference once.
func (c *compiler) resolve(ref string) (*node, error) {
	if n := c.done[ref]; n != nil {
		return n, nil
	}
	if c.open[ref] {
		return nil, fmt.Errorf("%s: recursive schemas are not supported", ref)
	}
	id, fragment, _ := strings.Cut(ref, "#")
	doc, known := c.docs[id].(map[string]any)
	if !known {
		return nil, fmt.Errorf("%s: no such document", ref)
	}
	target := any(doc)
	if fragment != "" {
		name, isDef := strings.CutPrefix(fragment, "/$defs/")
		defs, _ := doc["$defs"].(map[string]any)
		if target = defs[name]; !isDef || target == nil {
			return nil, fmt.Errorf("%s: no such definition", ref)
		}
	}
	c.open[ref] = true
	defer delete(c.open, ref)
	outer := c.base
	c.base = id
	defer func() { c.base = outer }()
	n, err := c.compile(target, ref)
	if err != nil {
		return nil, err
	}
	c.done[ref] = n
	return n, nil
}

// keywords lists which keywords each type may carry. A keyword on another type
// would be true for every value: a mistake in the document.
var keywords = map[kind][]string{
	object:  {"properties", "required", "anyOf", "minProperties", "unevaluatedProperties"},
	array:   {"items", "minItems", "maxItems"},
	text:    {"minLength", "maxLength", "pattern", "format", "enum"},
	numeric: {"minimum", "maximum"},
	integer: {"minimum", "maximum", "enum"},
	boolean: {},
}

var annotations = []string{"title", "description", "type", "$ref"}

func (c *compiler) compile(v any, at string) (*node, error) {
	s, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: not an object", at)
	}
	n := &node{maxItems: -1, maxLength: -1}
	if ref, ok := s["$ref"].(string); ok {
		if strings.HasPrefix(ref, "#") {
			ref = c.base + ref
		}
		target, err := c.resolve(ref)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		copied := *target
		n = &copied
	}
	if name, ok := s["type"].(string); ok {
		k := kinds[name]
		if k == 0 || n.kind != 0 && n.kind != k {
			return nil, fmt.Errorf("%s: type %q is not supported here", at, name)
		}
		n.kind = k
	}
	if n.kind == 0 {
		return nil, fmt.Errorf("%s: no type", at)
	}
	allowed := keywords[n.kind]
	if s["$ref"] != nil && n.kind != object {
		allowed = nil // only objects can be merged
	}
	for key := range s {
		root := strings.HasSuffix(at, "#") && (key == "$schema" || key == "$id" || key == "$defs")
		if !root && !slices.Contains(allowed, key) && !slices.Contains(annotations, key) {
			return nil, fmt.Errorf("%s: keyword %q is not supported here", at, key)
		}
	}
	if err := c.fill(n, s, at); err != nil {
		return nil, err
	}
	return n, nil
}

func (c *compiler) fill(n *node, s map[string]any, at string) error {
	switch n.kind {
	case object:
		return c.fillObject(n, s, at)
	case array:
		return c.fillArray(n, s, at)
	case text:
		return c.fillString(n, s, at)
	default:
		return fillNumber(n, s, at)
	}
}

func (c *compiler) fillObject(n *node, s map[string]any, at string) error {
	props, err := typed[map[string]any](s, "properties", at)
	if err != nil {
		return err
	}
	inherited := *n
	n.members = slices.Clone(n.members)
	for name, sub := range props {
		if inherited.find(name) >= 0 {
			return fmt.Errorf("%s: property %q is defined by the $ref too", at, name)
		}
		if n.closed {
			return fmt.Errorf("%s: property %q can never occur, the $ref is closed", at, name)
		}
		if len(name) > maxMemberName {
			return fmt.Errorf("%s: property %q has a name that is too long", at, name)
		}
		child, err := c.compile(sub, at+"/properties/"+name)
		if err != nil {
			return err
		}
		n.members = append(n.members, member{name, child})
	}
	if len(n.members) > maxMembers {
		return fmt.Errorf("%s: more than %d properties", at, maxMembers)
	}
	slices.SortFunc(n.members, func(a, b member) int {
		if d := len(a.name) - len(b.name); d != 0 {
			return d
		}
		return strings.Compare(a.name, b.name)
	})
	for l := range n.byLength {
		i := slices.IndexFunc(n.members, func(m member) bool { return len(m.name) >= l })
		if i < 0 {
			i = len(n.members)
		}
		n.byLength[l] = uint8(i)
	}

	// The inherited masks number the members of the $ref: renumber them.
	var names []string
	for _, i := range inherited.order {
		names = append(names, inherited.members[i].name)
	}
	own, err := stringList(s, "required", at)
	if err != nil {
		return err
	}
	if n.required, n.order, err = n.mask(append(names, own...), at); err != nil {
		return err
	}
	n.anyOf = nil
	for _, m := range inherited.anyOf {
		var renumbered uint64
		for ; m != 0; m &= m - 1 {
			renumbered |= 1 << n.find(inherited.members[bits.TrailingZeros64(m)].name)
		}
		n.anyOf = append(n.anyOf, renumbered)
	}
	branches, err := typed[[]any](s, "anyOf", at)
	if err != nil {
		return err
	}
	if branches != nil && n.anyOf != nil {
		return fmt.Errorf("%s: anyOf here and in the $ref", at)
	}
	for i, b := range branches {
		branch, _ := b.(map[string]any)
		where := fmt.Sprintf("%s/anyOf/%d", at, i)
		if len(branch) != 1 || branch["required"] == nil {
			return fmt.Errorf("%s: only branches of one required list are supported", where)
		}
		list, err := stringList(branch, "required", where)
		if err != nil {
			return err
		}
		m, _, err := n.mask(list, where)
		if err != nil {
			return err
		}
		n.anyOf = append(n.anyOf, m)
	}
	if v, set := s["unevaluatedProperties"]; set {
		if v != false {
			return fmt.Errorf("%s: unevaluatedProperties can only be false", at)
		}
		n.closed = true
	}
	return count(s, "minProperties", at, &n.minProps)
}

// mask turns names of members into their bits, keeping the order.
func (n *node) mask(names []string, at string) (m uint64, order []int, err error) {
	for _, name := range names {
		i := n.find(name)
		if i < 0 {
			return 0, nil, fmt.Errorf("%s: required member %q has no schema", at, name)
		}
		if m&(1<<i) == 0 {
			order = append(order, i)
		}
		m |= 1 << i
	}
	return m, order, nil
}

// find returns the index of a member, or -1.
func (n *node) find(name string) int {
	if len(name) > maxMemberName {
		return -1
	}
	for i := int(n.byLength[len(name)]); i < int(n.byLength[len(name)+1]); i++ {
		if n.members[i].name == name {
			return i
		}
	}
	return -1
}

func (c *compiler) fillArray(n *node, s map[string]any, at string) error {
	if s["$ref"] != nil {
		return nil
	}
	var err error
	if n.items, err = c.compile(s["items"], at+"/items"); err != nil {
		return err
	}
	return errors.Join(count(s, "minItems", at, &n.minItems), count(s, "maxItems", at, &n.maxItems))
}

func (c *compiler) fillString(n *node, s map[string]any, at string) error {
	if s["$ref"] != nil {
		return nil
	}
	if expr, err := typed[string](s, "pattern", at); err != nil {
		return err
	} else if expr != "" {
		p, known := c.patterns[expr]
		if !known {
			return fmt.Errorf("%s: pattern %q has no implementation", at, expr)
		}
		n.pattern = &p
	}
	if name, err := typed[string](s, "format", at); err != nil {
		return err
	} else if name != "" {
		if n.format = formats[name]; n.format == nil {
			return fmt.Errorf("%s: format %q is not supported", at, name)
		}
	}
	var err error
	if n.enum, err = stringList(s, "enum", at); err != nil {
		return err
	}
	return errors.Join(count(s, "minLength", at, &n.minLength), count(s, "maxLength", at, &n.maxLength))
}

func fillNumber(n *node, s map[string]any, at string) error {
	for key, b := range map[string]**bound{"minimum": &n.minimum, "maximum": &n.maximum} {
		raw, err := typed[json.Number](s, key, at)
		if err != nil {
			return err
		}
		if raw != "" {
			n, whole := shortInt(string(raw))
			*b = &bound{parseDecimal(string(raw)), string(raw), whole, n}
		}
	}
	values, err := typed[[]any](s, "enum", at)
	if err != nil {
		return err
	}
	for _, v := range values {
		raw, _ := v.(json.Number)
		if _, plain := shortInt("0" + string(raw)); raw == "" || !plain {
			return fmt.Errorf("%s: enum can only hold plain integers", at)
		}
		n.enum = append(n.enum, string(raw))
	}
	return nil
}

func typed[T any](s map[string]any, key, at string) (v T, err error) {
	raw, set := s[key]
	if !set {
		return v, nil
	}
	v, ok := raw.(T)
	if !ok {
		return v, fmt.Errorf("%s: %s is %T", at, key, raw)
	}
	return v, nil
}

func stringList(s map[string]any, key, at string) ([]string, error) {
	list, err := typed[[]any](s, key, at)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, v := range list {
		str, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("%s: %s holds %T", at, key, v)
		}
		out = append(out, str)
	}
	return out, nil
}

func count(s map[string]any, key, at string, into *int) error {
	raw, err := typed[json.Number](s, key, at)
	if err != nil || raw == "" {
		return err
	}
	n, plain := shortInt(string(raw))
	if !plain || n < 0 {
		return fmt.Errorf("%s: %s is %s", at, key, raw)
	}
	*into = int(n)
	return nil
}
