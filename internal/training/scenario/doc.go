// Package scenario reads exercises: what comes when, what can be decided, what is expected
// and what of it the system can see. It is for the engine that plays them, and for authors,
// who are told the line of what does not fit in words of their own. Everything in a scenario
// is an exercise: its places and people are invented. It plays nothing and keeps no score.
package scenario

import (
	"embed"
	"io/fs"
)

//go:embed data/*.yaml
var shipped embed.FS

//go:embed locales/*.json
var locales embed.FS

// Locales are the texts of the package.
func Locales() fs.FS { return locales }
