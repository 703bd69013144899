// Package board is where each organisation acknowledges a notice or an official warning,
// and where everybody sees across the border who has and who has not: who, when, and
// reading which language. A missing acknowledgement is told after some minutes, first to
// the organisation itself, then to whose notice it is. It is for control rooms and offices.
//
// Desks at other nodes that an organisation shares its board with are asked and seen the
// same way (far.go): what travels is docs/profiles/border.md.
//
// An acknowledgement is a person's, never a system's. It publishes nothing and judges no
// warning.
package board

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

// Migrations returns the package's tables.
func Migrations() fs.FS { return migrations }

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// Policy returns the package's access rules.
func Policy() []byte { return policy }

// Actions of the policy.
const (
	mayRead        = "board.read"
	mayAcknowledge = "board.acknowledge"
	mayShare       = "board.share"
)
