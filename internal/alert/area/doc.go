// Package area is the register of areas that public warnings name: one table of codes
// (CISORP, EMMA_ID, RÚIAN, LAU, AGS, ARS, WARNCELLID, TERYT, catchments of IMGW, NUTS)
// with names in four languages, days of validity, parents and the municipalities they
// hold; the answer to "does this concern me"; and an index of shapes for many places at
// once. It is for the packages of the alert module and for `trojmezi area`.
//
//	Table   Lookup, Municipalities, Concerns, Check
//	Book    the table of a node with its operator's own rows: versions, undo
//	Shape   polygons, holes and circles of a warning, read with what is wrong in them
//	Fence   thousands of shapes: which hold a point, which meet another shape
//
// Which municipality belongs to an area is a row of the register of municipalities, never
// a polygon; only an own row without members is told by its outline. A code that nobody
// knows is unclear, not "no". Own rows pass the tests of the shipped ones or are refused;
// a version closes the one before and none is deleted. The package fetches nothing,
// keeps nothing of warnings and does not decide who is told.
package area

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
