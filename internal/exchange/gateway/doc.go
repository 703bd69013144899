// Package gateway runs the adapters: one gateway stands at an address of the node for
// one foreign system. What the address gets is written as that system writes, kept
// until the system has it, and only then ended at the node; what the system sends is
// stored before it is acknowledged, read, and posted once. What cannot be read or
// posted waits in the tray for a person, with its bytes and what is wrong.
//
//	out: Feed → write.go (disclosure, Encode) → gateway_out → send.go → Conclude
//	in:  transport → inbox.go (Take) → gateway_in → judge.go (Open, Post) | tray.go
//
// How a system writes is package adapter's matter, how bytes travel its transports'.
// Nobody but this package decides when a message counts as handed over.
package gateway

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

// Migrations returns the module's tables.
func Migrations() fs.FS { return migrations }

// Locales returns the module's texts.
func Locales() fs.FS { return locales }

// Policy returns the module's access rules.
func Policy() []byte { return policy }

// Actions of policy.cedar.
const (
	mayRead = "gateway.read"
	mayOpen = "gateway.open"
	mayAct  = "gateway.act"
)

// Nav returns the entries of the navigation.
func Nav() []web.NavItem {
	return []web.NavItem{
		{Section: "gateways", Key: "gateway.nav", URL: root, Action: mayRead},
		{Section: "tray", Key: "gateway.tray.nav", URL: trayRoot, Action: mayRead},
	}
}
