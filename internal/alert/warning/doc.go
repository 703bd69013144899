// Package warning is the one picture of official warnings: whatever number of feeds
// carry a warning and however often a bulletin repeats it, it is there once, with what
// has become of it. Copies are known by the identifiers of their first sender, then by
// code, beginning and area; every merge says by which rule, and a person can part what
// was merged and join what was not. For control rooms, for the parts of the node that
// tell people, and for programs.
//
// What is shown is a function of all that was received, in whatever order it came: a
// document that comes late, twice or not at all changes nothing but what it says. A feed
// that stops is old, and nothing of it is over because of that.
//
// It fetches no document, tells nobody, looks no place up in a register of areas, and
// changes or translates no official text. Levels of different senders are never counted
// against each other.
package warning

import (
	"embed"
	"io/fs"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed locales/*.json
var locales embed.FS

//go:embed policy.cedar
var policy []byte

// Migrations returns the package's tables.
func Migrations() fs.FS { return migrations }

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// Policy returns the package's access rules.
func Policy() []byte { return policy }

// Actions of the policy.
const (
	mayRead  = "warning.read"
	mayMerge = "warning.merge"
)
