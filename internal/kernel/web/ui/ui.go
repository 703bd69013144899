package ui

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
)

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func number(n, otherwise int) string {
	if n == 0 {
		n = otherwise
	}
	return strconv.Itoa(n)
}

// nth is the id of the i-th control of a group; the first has the group's own,
// so that the error summary finds it.
func nth(id string, i int) string {
	if i == 0 {
		return id
	}
	return id + "-" + strconv.Itoa(i+1)
}

func describedBy(id, hint, wrong string) string {
	var ids []string
	if hint != "" {
		ids = append(ids, id+"-hint")
	}
	if wrong != "" {
		ids = append(ids, id+"-error")
	}
	return strings.Join(ids, " ")
}

// control are the attributes every control takes from its field.
func control(f Field) templ.Attributes {
	a := templ.Attributes{}
	set := func(name, value string) {
		if value != "" {
			a[name] = value
		}
	}
	set("aria-describedby", describedBy(f.id(), f.Hint, f.Error))
	set("autocomplete", f.Autocomplete)
	set("inputmode", f.InputMode)
	set("lang", f.Lang)
	if f.Error != "" {
		a["aria-invalid"] = "true"
	}
	if f.Max > 0 {
		a["maxlength"] = strconv.Itoa(f.Max)
	}
	a["required"], a["readonly"], a["autofocus"] = f.Required, f.ReadOnly, f.Focus
	if !f.Spell {
		a["spellcheck"] = "false"
	}
	return a
}

// widths are classes for fields of known length: a field as long as its answer
// says how long the answer is.
func width(size int) string {
	switch {
	case size == 0:
		return ""
	case size <= 4:
		return "input-4"
	case size <= 10:
		return "input-10"
	case size <= 20:
		return "input-20"
	}
	return ""
}

// stamp is a time for scripts.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

func decimal(v float64) string { return fmt.Sprintf("%.1f", v) }

// FieldError is what is wrong with one field.
type FieldError struct {
	Field string // id of the control
	Text  string
}

// Errors are the mistakes of a form, in the order of its fields.
type Errors []FieldError

// Add notes a mistake; the text is in the reader's language.
func (e *Errors) Add(field, text string) { *e = append(*e, FieldError{field, text}) }

// Of is the first mistake of a field, "" if it has none.
func (e Errors) Of(field string) string {
	for _, x := range e {
		if x.Field == field {
			return x.Text
		}
	}
	return ""
}
