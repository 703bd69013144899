// Package fact is the one schema of what is known of a municipality: which facts there are,
// what values they have, how the names of the law's table and of the scenarios are mapped
// onto them, and the guards by which duties, instructions and exercises depend on them. It is
// for the register, which keeps the values, and for manual, plan and training, which ask. A
// fact that is not known is a case of its own: a guard is then true, false or unknown, never
// false by default. It keeps nothing and knows no municipality.
package fact

import (
	"embed"
	"io/fs"
)

//go:embed locales/*.json
var locales embed.FS

// Locales are the texts of the package: names, questions and values of the facts.
func Locales() fs.FS { return locales }
