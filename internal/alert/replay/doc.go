// Package replay is a course of events that is played again through the whole chain of a
// node: what happened and how well that is known, what the node must have done by when,
// and what it did. It is for who exercises, for who shows the product, and for the tests.
//
//	Flood2010   pure: the plan of August 2010, the limits of then, what must happen
//	Run         what was told when and which moments have passed, for pages and reports
//	Receipts    who was asked to acknowledge a notice, who did, who did not in time
//	Recording   answers in the place of senders with what was kept of them
//
// Everything played is an exercise. The package starts no node, moves no clock and sends
// nothing by itself: who plays wires it to a node of its own, never to one in service.
package replay

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
