package emsi

import (
	"reflect"
	"strconv"
	"strings"

	"trojmezi/internal/format/tree"
)

// Write writes a message as the standard has it: names, order and forms of its
// schema, and only codes of its lists where the schema demands one. What the message
// lacks is not made up, so the result is valid by the schema when all that it
// demands is there. A code without a known one, a moment that is none and Extra are
// left out.
func Write(m *Message, s tree.Syntax) []byte {
	if s == tree.XML {
		return tree.AppendXML(nil, Tree(m, s))
	}
	return tree.AppendJSON(nil, Tree(m, s))
}

// Tree is what Write writes, to be put in an envelope: the element emsi, or the
// object that the JSON Schema describes.
func Tree(m *Message, s tree.Syntax) *tree.Node {
	name := rootName
	if s == tree.JSON {
		name = ""
	}
	w := writer{syntax: s}
	return w.group(name, reflect.ValueOf(m).Elem(), rootPlan)
}

type writer struct{ syntax tree.Syntax }

func (w writer) node(name string, kind tree.Kind, text string) *tree.Node {
	n := &tree.Node{Name: name, Kind: kind, Text: text}
	if w.syntax == tree.XML {
		n.Space = Namespace
		if kind == tree.Number {
			n.Kind = tree.String
		}
	}
	return n
}

func (w writer) group(name string, v reflect.Value, p *plan) *tree.Node {
	n := w.node(name, tree.Object, "")
	for i := range p.fields {
		f := &p.fields[i]
		at := v.Field(f.index)
		if !f.many {
			if k := w.value(f.name, at, f); k != nil {
				n.Kids = append(n.Kids, k)
			}
			continue
		}
		n.Kids = append(n.Kids, w.list(at, f)...)
	}
	return n
}

// list writes elements one after another, or as an array.
func (w writer) list(at reflect.Value, f *field) []*tree.Node {
	name := f.name
	if w.syntax == tree.JSON {
		name = ""
	}
	var all []*tree.Node
	for i := range at.Len() {
		if k := w.value(name, at.Index(i), f); k != nil {
			all = append(all, k)
		}
	}
	if w.syntax == tree.JSON && len(all) > 0 {
		return []*tree.Node{{Name: f.name, Kind: tree.Array, Kids: all}}
	}
	return all
}

// value writes one value, nil when there is none.
func (w writer) value(name string, at reflect.Value, f *field) *tree.Node {
	if at.Kind() == reflect.Pointer {
		if at.IsNil() {
			return nil
		}
		at = at.Elem()
	}
	kind, text := tree.String, ""
	switch f.kind {
	case groupField:
		return w.group(name, at, f.plan)
	case codeField:
		text = at.Interface().(Code).canonical(f.list)
	case timeField:
		text = formatTime(at.Interface().(Time).At, w.syntax)
	case wholeField:
		kind, text = tree.Number, strconv.FormatInt(at.Int(), 10)
	case decimalField:
		d, _ := parseDecimal(at.String())
		kind, text = tree.Number, string(d)
	default:
		text = at.String()
		if text == "" && (f.required || f.many) {
			return w.node(name, tree.String, "")
		}
	}
	if text == "" {
		return nil
	}
	return w.node(name, kind, text)
}

// canonical is how a code is written: as the list has it, or as it came where the
// schema permits any text and the list only knows what stands above it.
func (c Code) canonical(list List) string {
	nearest := c.Known
	if _, exact := Known(list, nearest); !exact {
		nearest, _ = Known(list, c.Text)
	}
	above := nearest == "" || strings.HasPrefix(clean(c.Text), nearest+"/")
	if recommended[list] && above && c.Text != "" {
		return c.Text
	}
	return nearest
}
