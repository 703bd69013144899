// Package identity knows who is asking: the organisations that work with the
// node, their people with roles, passwords and second factors, shared desks, and
// the sessions of who is signed in; for machines, secrets of accounts as argon2id
// hashes and short-lived signed tokens. It is for the pages of package signin,
// for every module that must name a person, and for the command line. It does
// not decide what somebody may do (package access, by the policy here and in the
// modules), draws no page, and keeps no secret in clear.
package identity

import (
	"embed"
	"io/fs"
)

// Locales holds the texts of this package's problems for i18n.Load.
//
//go:embed locales
var Locales embed.FS

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations returns the tables of this package, for store.DB.Migrate.
func Migrations() fs.FS { return migrations }

//go:embed policy.cedar
var policy []byte

// Policy returns the rules on people and organisations, for access.Load.
func Policy() []byte { return policy }
