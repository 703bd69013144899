// Package unit is what control rooms tell each other of their units: call sign, type,
// status, position and readiness. A room enters its own by page, CSV or command
// line and says for each neighbour, with nothing as the default, what of them may
// be seen there; a neighbour who asked is told it and every change. What neighbours
// tell is kept with its age, is never shown as free when it is old, and is offered
// for a place by honest distance (Service.Near).
//
// What travels is UCRI 2 alone (docs/adr/0009-units-in-ucri2.md): the catalogue of
// resource types says whom one may ask, and texts that need not be shown carry the
// list. The package keeps no names of crews and no track of where a unit was. Asking
// for a unit is the console's.
package unit

import (
	"embed"
	"io/fs"
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

// Actions of the policy.
const (
	mayRead    = "unit.read"
	mayStatus  = "unit.status"
	mayEdit    = "unit.edit"
	mayPublish = "unit.publish"
)
