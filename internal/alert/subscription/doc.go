// Package subscription tells people who asked for it what changed for their place: it
// keeps what they want (place, hazard, level, quiet hours, language), finds them among a
// million when a warning or notice changes, and hands what is to be said to the channels,
// once for each person and change. On request it tells of gauges at the place and upstream.
// Official words are passed on unmodified with their source; an own notice says whose it
// is. Addresses of people and of browsers are sealed, and end with the subscription.
//
// It sends nothing itself, judges no warning, and knows no account: a link in each
// message is all a person needs.
package subscription

import (
	"embed"
	"io/fs"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed locales/*.json
var locales embed.FS

// Migrations returns the package's tables.
func Migrations() fs.FS { return migrations }

// Locales returns the package's texts.
func Locales() fs.FS { return locales }
