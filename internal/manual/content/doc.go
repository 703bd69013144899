// Package content is what manual, plan and training are derived from: the duties of
// municipalities in an emergency, each with its source in the law, for whom it holds and how
// it is covered. It is for those who build handbooks and exercises and for authors, whom it
// tells what does not fit. Nothing in it is legal advice: every row says how it was checked,
// and most are from memory until a named person has verified them. It keeps no facts of a
// municipality.
package content

import (
	"embed"
	"io/fs"
)

//go:embed data/*.csv
var data embed.FS

//go:embed locales/*.json
var locales embed.FS

// Locales are the texts of the package.
func Locales() fs.FS { return locales }
