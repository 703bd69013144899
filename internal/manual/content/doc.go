// Package content is what a mayor's manual is made of: the duties of Czech law as rows
// and the instructions, called fragments, in four languages and two registers, each with
// the guard that says for which municipality it holds. It is for the packages that print
// manuals and plans, for those that measure exercises against duties, and for the authors
// of the texts.
//
//	Load     duties.csv and fragments/*.yaml of a folder → Content, or Findings with place
//	Check    the static proof over all municipalities that there can be
//	Shipped  the content of this program
//
// All texts and most rows of law are drafts: a row says how far it was verified, a text
// who has checked it. The package knows no municipality, prints nothing and keeps no
// state; which version stays in force when a new one has findings is the caller's.
package content

import (
	"embed"
	"io/fs"
	"sync"
)

//go:embed duties.csv fragments/*.yaml
var shipped embed.FS

//go:embed locales/*.json
var locales embed.FS

// Locales returns the texts of the findings.
func Locales() fs.FS { return locales }

// Shipped returns the content of this program. A finding in it is a mistake of the
// build and fails its test.
var Shipped = sync.OnceValue(func() *Content {
	c, _ := Load(shipped)
	return c
})
