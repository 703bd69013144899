// Package agreement answers whether a control room may ask a neighbour's forces, or
// send its own across the border: for a point, a service and a day, by which
// agreement, whose consent, which way and which form. The agreements are rows that
// people of the node read, change, verify and exchange as CSV; the rule reads them
// and knows none by itself. It says yes only by a row that a named person has
// verified, unclear wherever a border's error, a row's gap or a region's edge leaves
// room, and never that something is unlawful. It is for the console, for the page of
// the agreements and for the command line; it sends nothing and decides nothing.
package agreement

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

//go:embed data/*.csv
var data embed.FS

// Migrations returns the package's tables.
func Migrations() fs.FS { return migrations }

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// Policy returns the package's access rules.
func Policy() []byte { return policy }

// Actions of policy.cedar.
const (
	mayRead   = "agreement.read"
	mayEdit   = "agreement.edit"
	mayVerify = "agreement.verify"
	mayArea   = "agreement.area"
)

// Nav returns the entry of the navigation.
func Nav() []web.NavItem {
	return []web.NavItem{{Section: "agreements", Key: "agreement.nav", URL: Path, Action: mayRead}}
}
