// Package notice lets a municipality or a region warn the public itself: templates in
// four languages, a second person who must agree, an area with its codes, and the CAP
// message that goes out, signed. It is for the duty officer who writes, for the one who
// approves on a phone, and for the channels that carry what was published.
//
//	Life       Apply; pure: which step may follow which, whoever sends it
//	Template   Say; pure: the sentences of a hazard with typed placeholders
//	Area       Shape, Simplify; pure: places and drawings as valid, covering polygons
//	Service    Begin, Edit, Take, templates, delegations, the duty roster
//	Seal, Open what signs a CAP message and what judges a signed one
//
// An own notice says in every rendering whose it is. It relays nothing: official
// warnings are another package's, and neither can be made of the other. It sends
// nothing either, but keeps what is published at an address and hands it on.
package notice

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

// shipped are the templates as the product brings them. Nothing in them counts as checked.
//
//go:embed templates.csv
var shipped []byte

// Migrations returns the package's tables.
func Migrations() fs.FS { return migrations }

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// Policy returns the package's access rules.
func Policy() []byte { return policy }

// Actions of policy.cedar.
const (
	mayRead     = "notice.read"
	mayWrite    = "notice.write"
	mayApprove  = "notice.approve"
	mayDuty     = "notice.duty"
	mayDelegate = "notice.delegate"
	mayTemplate = "notice.template"
)

// root is the address of the list.
const root = "/notices"

// Nav returns the entries of the navigation.
func Nav() []web.NavItem {
	return []web.NavItem{{Section: "notices", Key: "notice.nav", URL: root, Action: mayRead}}
}
