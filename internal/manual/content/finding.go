package content

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register/fact"
)

// Finding is one mistake in the content, at the place where its author finds it.
type Finding struct {
	File         string
	Line, Column int // from 1, in characters; 0 if the whole file is meant
	Key          string
	Args         i18n.Args
	Case         fact.Set    // facts of a municipality that show the mistake, if it takes some
	Cause        *fact.Fault // what is wrong with a condition, if it is one
}

// Text says in a language what is wrong; texts hold those of this package and of the facts.
func (f Finding) Text(texts *i18n.Bundle, l i18n.Lang) string {
	args := maps.Clone(f.Args)
	if f.Case != nil {
		var all []string
		for _, known := range fact.Shipped().Facts() {
			if v, ok := f.Case[known.Key]; ok {
				all = append(all, known.Name(texts, l)+" = "+known.Say(texts, l, v)+" (f."+known.Key+")")
			}
		}
		args["case"] = strings.Join(all, ", ")
	}
	if f.Cause != nil {
		args["reason"] = f.Cause.Text(texts, l)
	}
	return texts.Text(l, f.Key, args)
}

// place is where something stands in a file.
type place struct {
	file         string
	line, column int
}

// findings collects mistakes.
type findings []Finding

func (f *findings) add(at place, key string, args i18n.Args) {
	*f = append(*f, Finding{File: at.file, Line: at.line, Column: at.column, Key: key, Args: args})
}

// addCase adds a mistake that a municipality with certain facts shows.
func (f *findings) addCase(at place, key string, args i18n.Args, shown fact.Set) {
	f.add(at, key, args)
	(*f)[len(*f)-1].Case = shown
}

// sorted returns them in the order of the files.
func (f findings) sorted() []Finding {
	slices.SortStableFunc(f, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return f
}
