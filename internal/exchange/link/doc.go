// Package link is where technicians connect neighbours' nodes and leave them, and
// keep their certificates, while the node runs: pages that lead through what two
// people at two nodes read out to each other, a test in both directions, and the
// yes of a second person. What a link is and does stands in package exchange;
// here stand the order of the steps, who may take them, and what is remembered of
// each. It opens no connection and sends no message of its own.
package link

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

// Migrations returns the package's tables.
func Migrations() fs.FS { return migrations }

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// Policy returns the package's access rules.
func Policy() []byte { return policy }

// Actions of policy.cedar.
const (
	mayRead    = "link.read"
	mayPropose = "link.propose"
	mayConfirm = "link.confirm"
)

// Nav returns the entries of the navigation.
func Nav() []web.NavItem {
	return []web.NavItem{{Section: "links", Key: "link.nav", URL: root, Action: mayRead}}
}
