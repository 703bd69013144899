// Package phrase is the phrasebook: fixed sentences in four languages with typed
// placeholders, which a dispatcher composes in his language and a neighbour reads
// in theirs. It is for the console, for the pages on which an authority keeps its
// book, and for the command line.
//
// A sentence travels as text that any system can show: in the receiver's language,
// in the sender's, and a line from which a node of ours writes it in the reader's
// (Said.Text, Book.Read; docs/ops/phrasebook.md). What that line says is believed
// only when the sentences above it say the same.
//
// Free text is not translated here. Translator asks a machine for it where the
// operator has one; what comes back is never stored and never takes the place of
// the original.
package phrase

import (
	"embed"
	"io/fs"

	"trojmezi/internal/kernel/web"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed locales/*.json
var locales embed.FS

//go:embed policy.cedar
var policy []byte

// shipped is the book as the product brings it. Nothing in it counts as checked.
//
//go:embed phrases.csv
var shipped []byte

// Migrations returns the package's tables.
func Migrations() fs.FS { return migrations }

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// Policy returns the package's access rules.
func Policy() []byte { return policy }

// Actions of policy.cedar.
const (
	mayRead = "phrase.read"
	mayEdit = "phrase.edit"
)

// Nav returns the entries of the navigation.
func Nav() []web.NavItem {
	return []web.NavItem{{Section: "phrasebook", Key: "phrase.nav", URL: root, Action: mayRead}}
}
