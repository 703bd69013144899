// Package public is what everybody may read before signing in: a page for each
// municipality with what applies there now, until when and what to do, as a calendar too,
// and a map of the region. It is for people with an old phone, a bad network and little
// time: no account, no cookie, four languages, and a script only where a browser asks to be
// told.
//
// Official warnings stand in the words of their sender, with source, time received and
// licence; own notices say whose they are, and look different. It decides nothing, keeps
// nothing, and never says that nothing applies where it does not know.
package public

import (
	"embed"
	"io/fs"
)

//go:embed locales/*.json
var locales embed.FS

// Locales returns the package's texts.
func Locales() fs.FS { return locales }
