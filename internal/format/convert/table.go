package convert

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"

	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// Table is a foreign format: which of its keys is which field of an incident. It is
// read and written by what stands under all formats here, so that nothing of it is lost
// silently either.
type Table struct {
	System string // its name in origins and labels, in lower case
	Syntax tree.Syntax
	// Root and Space are the element around a message of XML.
	Root, Space string
	// Shape is what the format demands; nil: nothing is demanded. Who breaks it is refused,
	// and a value of ours that would goes into Remarks instead.
	Shape *shape.Type
	// Cells names the fields, in the order in which the format has them. The kind of the
	// message is i.Message.Type, whether it is meant i.Kind; both need Code.
	Cells func(b *Cells, i *incident.Incident)
	// Remarks is the key of the text into which goes, a line each, what has no field.
	Remarks string
}

// Codes are the codes of one list of a foreign format and what they mean.
type Codes []struct{ Foreign, Means string }

// ParseCodes reads lists of codes from a CSV table with the columns list, code, means
// and any others, which are for people. Of several codes that mean the same the first
// is written. It panics if the table, which is part of the program, is none.
func ParseCodes(table string) map[string]Codes {
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil || len(rows) < 2 || len(rows[0]) < 3 {
		panic(fmt.Sprintf("convert: table of codes: %v", err))
	}
	lists := map[string]Codes{}
	for _, r := range rows[1:] {
		lists[r[0]] = append(lists[r[0]], struct{ Foreign, Means string }{r[1], r[2]})
	}
	return lists
}

func (c Codes) means(foreign string) (string, bool) {
	for _, e := range c {
		if strings.EqualFold(e.Foreign, strings.TrimSpace(foreign)) {
			return e.Means, true
		}
	}
	return "", false
}

func (c Codes) foreign(means string) (string, bool) {
	for _, e := range c {
		if e.Means == means {
			return e.Foreign, true
		}
	}
	return "", false
}

// Cells collects where the values of an incident stand in a message of a Table. A key
// is the names on the way to a value, joined by "/"; the name of an attribute begins
// with tree.AttributeMark.
type Cells struct {
	list   cellList
	source *source // while one is read
	arrays map[string]bool
	codes  map[*incident.Value]Codes
}

// Text is a value as it stands.
func (b *Cells) Text(key string, v *incident.Value) { b.list.text(key, v) }

// Number and Flag are values that JSON writes without quotes.
func (b *Cells) Number(key string, v *incident.Value) { b.list.number(key, v) }

// Flag is true or false.
func (b *Cells) Flag(key string, v *incident.Value) { b.list.flag(key, v) }

// Code is a code of a list. One that the list does not have stays as it is on the way
// in, and goes into the remarks on the way out.
func (b *Cells) Code(key string, v *incident.Value, c Codes) {
	b.list.text(key, v)
	b.codes[v] = c
}

// Below collects the cells of a part.
func (b *Cells) Below(key string, f func(*Cells)) {
	part := *b
	part.list = *cellsBelow(join(b.list.key, key))
	f(&part)
	b.list.cells = append(b.list.cells, part.list.cells...)
}

// Each collects the cells of each part that repeats.
func Each[T any](b *Cells, key string, list *[]T, f func(*Cells, *T)) {
	full := join(b.list.key, key)
	b.arrays[plain(full)] = true
	if b.source != nil {
		grow(list, b.source.count(full))
	}
	for n := range *list {
		b.Below(at(key, n), func(b *Cells) { f(b, &(*list)[n]) })
	}
}

// List is a value that repeats, with codes or (nil) without.
func (b *Cells) List(key string, list *[]incident.Value, c Codes) {
	Each(b, key, list, func(b *Cells, v *incident.Value) {
		b.list.cells = append(b.list.cells, cell{b.list.key, v, tree.String})
		if c != nil {
			b.codes[v] = c
		}
	})
}

func (t *Table) cells(i *incident.Incident, s *source) *Cells {
	b := &Cells{source: s, arrays: map[string]bool{}, codes: map[*incident.Value]Codes{}}
	t.Cells(b, i)
	return b
}

// Read reads a message. With one whose kind it does not know it returns a fault and
// what it could read.
func (t *Table) Read(message []byte) (*Message, *Fault) {
	d, f := tree.Parse(message, tree.DefaultLimits)
	if f != nil {
		return nil, f
	}
	if d.Syntax != t.Syntax || t.Syntax == tree.XML && (d.Root.Name != t.Root || d.Root.Space != t.Space) {
		return nil, refuse(d.Root.Line, "not_system", map[string]any{"system": t.System})
	}
	var deviations []shape.Deviation
	if t.Shape != nil {
		deviations = shape.Check(d, t.Shape)
	}
	for _, dev := range deviations {
		if dev.Severity == shape.Error {
			return nil, &Fault{Line: dev.Line, Rule: dev.Rule, Key: dev.Key, Args: dev.Args}
		}
	}
	s, i := newSource(d, t.System), &incident.Incident{}
	b := t.cells(i, s)
	for _, c := range b.list.cells {
		if c.v == &i.Message.Sender.Address && s.byKey[c.key] != nil {
			s.sender = s.byKey[c.key].node.Text
		}
	}
	s.read(b.list.cells)
	for v, codes := range b.codes {
		if means, ok := codes.means(v.Text); ok && v.Is() { // its origin has the code itself
			v.Text = means
		}
	}
	s.real = realityOf(i.Kind.Text)
	said := []string{i.What.Text, i.Description.Text, i.Remark.Text, i.Receipt.Note.Text, i.Receipt.Reason.Text}
	for _, n := range i.Notes {
		said = append(said, n.Text.Text)
	}
	if r := ledBy(said...); r.rank > s.real.rank {
		s.real = r
	}
	s.rest(i)
	m := &Message{Format: Format(t.System), Kind: Kind(i.Message.Type.Text), Incident: i, Deviations: deviations, source: s}
	if !slices.Contains(Kinds, m.Kind) {
		return m, refuse(d.Root.Line, "no_kind", map[string]any{"system": t.System, "kind": string(m.Kind)})
	}
	return m, nil
}

// Write writes a message of any format as one of the table's. It is refused where the
// format has no word for what the message is for, or for that it is an exercise.
func (t *Table) Write(m *Message, as Kind) (*Result, *Fault) {
	s, i := m.source, m.Incident.Clone()
	root := &tree.Node{Name: t.Root, Space: t.Space, Kind: tree.Object}
	if t.Syntax == tree.JSON {
		root.Name, root.Space = "", ""
	}
	i.Message.Type = derived(string(as), &i.Message.Type)
	i.Kind = derived(s.real.mode, &i.Kind)
	b := t.cells(i, nil)
	r := newResult(t.Syntax, root, b.arrays)
	if f := t.encode(b, s, i); f != nil {
		return nil, f
	}
	r.write(b.list.cells)
	if t.Shape != nil {
		path := shape.RootPath(&tree.Document{Syntax: t.Syntax, Root: root})
		check := func() []shape.Deviation { return shape.CheckNode(root, t.Syntax, path, t.Shape) }
		r.mend(root, path, nil, check)
		if f := firstError(check()); f != nil {
			return nil, f
		}
	}
	was := incident.Value{}
	for _, c := range b.list.cells {
		if c.key == t.Remarks && r.at[c.key] != nil {
			was = *c.v
		}
	}
	s.freeText(r, was, t.Remarks)
	return m.result(r, Format(t.System)), nil
}

// encode puts the codes of the format in the place of what they mean.
func (t *Table) encode(b *Cells, s *source, i *incident.Incident) *Fault {
	said := map[*incident.Value]bool{}
	for _, c := range b.list.cells {
		v, codes := c.v, b.codes[c.v]
		if codes == nil || !v.Is() {
			continue
		}
		code, ok := codes.foreign(v.Text)
		if !ok && v == &i.Kind && s.real.mode != isActual.mode {
			code, ok = codes.foreign(isExercise.mode)
		}
		if said[v] = ok; ok {
			*v = derived(code, v)
		} else if v != &i.Kind && v != &i.Message.Type {
			*v = incident.Value{}
		}
	}
	for _, v := range []*incident.Value{&i.Message.Type, &i.Kind} {
		// A format without a word for it says by that that it is meant.
		if !said[v] && (v != &i.Kind || s.real.mode != isActual.mode) {
			return refuse(s.doc.Root.Line, "no_word", map[string]any{"system": t.System, "word": v.Text})
		}
	}
	return nil
}

func firstError(found []shape.Deviation) *Fault {
	for _, d := range found {
		if d.Severity == shape.Error {
			return &Fault{Line: d.Line, Rule: d.Rule, Key: d.Key, Args: d.Args}
		}
	}
	return nil
}
