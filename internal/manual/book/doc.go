// Package book makes of content and facts what a mayor holds in his hand: the handbook of one
// municipality, and action cards of one page for a hazard and a role, as tagged PDF. It is for
// the command line and the pages of the manual. The same content, facts, language and date
// give the same bytes. What nobody knows of the municipality is printed both ways, side by
// side, with what to find out; nothing is left out because it is unknown. Every text is a
// draft until a named person has checked it, and says so in print. It reads no database and
// sends nothing.
package book

import (
	"embed"
	"io/fs"
)

//go:embed locales/*.json
var locales embed.FS

// Locales are the texts of the package.
func Locales() fs.FS { return locales }
