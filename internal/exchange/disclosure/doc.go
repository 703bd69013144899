// Package disclosure decides what of an incident a neighbour is told: a table of rules
// over the fields of package incident, by neighbour, app and class of the incident,
// that an authority reads and changes. It is applied before any adapter or converter
// sees the incident, and leaves in it, for the receiver, a mark of whatever it took.
//
//	Table      NewTable, Check, Apply; pure, without clock or database
//	Mark       what the receiver reads, and by which he asks for it
//	Service    New, Table, Save, Disclose, Judge, Preview, Give, Try, reviews of emergencies, the papers
//	Sought     Person, Text, In: whether something is about a person
//	Answer     PersonRequest, Seek, Items, Answer of the service: to a person's request
//
// What passes is the rule's matter alone; whose life is in danger and what a person
// answered comes from the caller. It sends nothing.
package disclosure

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
	mayRead   = "disclosure.read"
	mayChange = "disclosure.change"
	mayReview = "disclosure.review"
	mayAnswer = "disclosure.answer"
)

// root is the address of the table.
const root = "/disclosure"

// Nav returns the entries of the navigation.
func Nav() []web.NavItem {
	return []web.NavItem{{Section: "disclosure", Key: "disclosure.nav", URL: root, Action: mayRead}}
}
