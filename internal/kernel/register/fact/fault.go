package fact

import (
	"fmt"
	"sync"

	"trojmezi/internal/kernel/i18n"
)

// Fault is something wrong with a condition or with facts, with a text for its author.
type Fault struct {
	Column int    // of the condition, from 1; 0 for facts
	Key    string // fact.fault.…
	Args   i18n.Args
}

var english = sync.OnceValue(func() *i18n.Bundle {
	texts, err := i18n.Load(Locales())
	if err != nil {
		panic(err) // embedded, and tested
	}
	return texts
})

// Error is the text in English with its column, for logs.
func (f *Fault) Error() string {
	text := f.Text(english(), i18n.En)
	if f.Column > 0 {
		text = fmt.Sprintf("column %d: %s", f.Column, text)
	}
	return text
}

// Text is what is wrong, in a language.
func (f *Fault) Text(texts *i18n.Bundle, l i18n.Lang) string { return texts.Text(l, f.Key, f.Args) }

// FaultsOf are the faults an error of this package is made of, in their order.
func FaultsOf(err error) (all []*Fault) {
	switch err := err.(type) {
	case *Fault:
		return []*Fault{err}
	case interface{ Unwrap() []error }:
		for _, e := range err.Unwrap() {
			all = append(all, FaultsOf(e)...)
		}
	case interface{ Unwrap() error }:
		return FaultsOf(err.Unwrap())
	}
	return all
}
