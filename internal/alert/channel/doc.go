// Package channel carries what was published to those who asked for it or whose duty it
// is to know: by e-mail, short message, webhook, Web Push, to the control rooms of
// neighbours and to the gateway of sirens or a radio station. For each address it keeps
// what became of it: sent, accepted by the next hop, delivered where the channel tells,
// acknowledged, failed and why.
//
//	Queue    puts dispatches into the outbox, in the transaction of their cause
//	Channels what is configured, each of one kind: live, exercise or test
//	Follow   own notices and official warnings for receivers
//	Entry    a receiver that somebody entered on a page, with its address, for a time
//	Test     a message marked as a test, by the way that a warning would take
//	Reach    which places nobody would reach now
//
// A dispatch is a finished text. An official warning goes out as its sender wrote it,
// with its source, or not at all: nothing here shortens, translates or transliterates
// one. It decides nothing of whether something is published, keeps no subscriptions of
// the public, and serves no feeds: those are fetched.
package channel

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
	mayRead = "channel.read"
	mayAct  = "channel.act"
)

// root is the address of the list.
const root = "/channels"

// Nav returns the entry of the navigation.
func Nav() []web.NavItem {
	return []web.NavItem{{Section: "channels", Key: "channel.nav", URL: root, Action: mayRead}}
}
