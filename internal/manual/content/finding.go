package content

import (
	"cmp"
	"slices"

	"trojmezi/internal/kernel/i18n"
)

// Finding is one mistake in the content, at the place where its author finds it.
type Finding struct {
	File         string
	Line, Column int // from 1, in characters; 0 if the whole file is meant
	Key          string
	Args         i18n.Args
}

// place is where something stands in a file.
type place struct {
	file         string
	line, column int
}

// findings collects mistakes.
type findings []Finding

func (f *findings) add(at place, key string, args i18n.Args) {
	*f = append(*f, Finding{at.file, at.line, at.column, key, args})
}

// sorted returns them in the order of the files.
func (f findings) sorted() []Finding {
	slices.SortStableFunc(f, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return f
}
