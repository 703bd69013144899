package emsi

import (
	"reflect"
	"strings"

	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// fieldKind is what a field holds.
type fieldKind uint8

const (
	textField fieldKind = iota
	codeField
	timeField
	wholeField
	decimalField
	groupField
)

// field is an element or a member, and where the model keeps it.
type field struct {
	name     string
	index    int // in the struct
	kind     fieldKind
	list     List // of a code
	required bool
	many     bool
	plan     *plan // of a group
}

// plan is what the tags of a struct say: the one place where the standard's facts
// stand, for reading, checking and writing.
type plan struct {
	fields []field
	names  map[string]int
}

var kinds = map[reflect.Type]fieldKind{
	reflect.TypeFor[string](): textField, reflect.TypeFor[Code](): codeField, reflect.TypeFor[Time](): timeField,
	reflect.TypeFor[int32](): wholeField, reflect.TypeFor[Decimal](): decimalField,
}

var (
	rootPlan = planOf(reflect.TypeFor[Message](), map[reflect.Type]*plan{})
	rootXML  = rootPlan.shape(tree.XML, map[*plan]*shape.Type{})
	rootJSON = rootPlan.shape(tree.JSON, map[*plan]*shape.Type{})
)

func planOf(t reflect.Type, made map[reflect.Type]*plan) *plan {
	if p := made[t]; p != nil {
		return p
	}
	p := &plan{names: map[string]int{}}
	made[t] = p
	for i := range t.NumField() {
		name, rest, _ := strings.Cut(t.Field(i).Tag.Get("emsi"), ",")
		if name == "-" {
			continue
		}
		f := field{name: name, index: i, list: List(t.Field(i).Tag.Get("list")), required: rest == "required"}
		of := t.Field(i).Type
		if of.Kind() == reflect.Slice {
			f.many, of = true, of.Elem()
		}
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		known := false
		if f.kind, known = kinds[of]; !known {
			f.kind, f.plan = groupField, planOf(of, made)
		}
		p.names[name] = len(p.fields)
		p.fields = append(p.fields, f)
	}
	return p
}

// shape is what may stand, for package shape.
func (p *plan) shape(s tree.Syntax, made map[*plan]*shape.Type) *shape.Type {
	if t := made[p]; t != nil {
		return t
	}
	t := &shape.Type{}
	made[p] = t
	for _, f := range p.fields {
		m := shape.Member{Name: f.name, Max: 1, Type: &shape.Type{Value: f.value(s)}}
		if f.required {
			m.Min = 1
		}
		if f.many {
			m.Max = 0
		}
		if f.kind == groupField {
			m.Type = f.plan.shape(s, made)
		}
		t.Members = append(t.Members, m)
	}
	return t
}

// fewCodes is how many codes are still shown to whoever wrote a wrong one.
const fewCodes = 10

// value is what a leaf may be.
func (f *field) value(s tree.Syntax) *shape.Value {
	numbers := []tree.Kind{tree.Number}
	switch xml := s == tree.XML; {
	case f.kind == codeField && !recommended[f.list]:
		v := &shape.Value{Rule: "code", Match: func(text string) bool { _, exact := Known(f.list, text); return exact }}
		if all := Codes(f.list); len(all) <= fewCodes {
			v.Hint = strings.Join(all, ", ")
		}
		return v
	case f.kind == timeField && xml:
		return &shape.Value{Rule: "time", Hint: timeHint, Collapse: true, Match: shape.IsDateTime}
	case f.kind == timeField:
		return &shape.Value{Rule: "time", Hint: timeHint, Match: isJSONTime}
	case f.kind == wholeField && xml:
		return &shape.Value{Rule: "number", Hint: "0, 1, 2, …", Collapse: true, Match: isXMLWhole}
	case f.kind == wholeField:
		return &shape.Value{Rule: "number", Hint: "0, 1, 2, …", JSON: numbers, Match: isJSONWhole}
	case f.kind == decimalField && xml:
		return &shape.Value{Rule: "number", Hint: "50.77", Collapse: true, Match: isXMLDecimal}
	case f.kind == decimalField:
		return &shape.Value{JSON: numbers}
	}
	return &shape.Value{}
}

const timeHint = "2026-03-01T18:20:00+01:00"
