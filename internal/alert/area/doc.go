// Package area is the register of areas that public warnings name: one table of codes
// (CISORP, EMMA_ID, RÚIAN, LAU, AGS, ARS, WARNCELLID, TERYT, catchments of IMGW, NUTS)
// with names in four languages, days of validity, parents and the municipalities they
// hold; the answer to "does this concern me"; and an index of shapes for many places at
// once. It is for the packages of the alert module and for `trojmezi area`.
//
//	Table   Lookup, Municipalities, Concerns, Check
//	Shape   polygons, holes and circles of a warning, read with what is wrong in them
//	Fence   thousands of shapes: which hold a point, which meet another shape
//
// Which municipality belongs to an area is a row of the register of municipalities, never
// a polygon. A code that nobody knows is unclear, not "no". The package fetches nothing,
// keeps nothing of warnings and does not decide who is told.
package area

import (
	"embed"
	"io/fs"
)

//go:embed locales/*.json
var locales embed.FS

// Locales returns the package's texts.
func Locales() fs.FS { return locales }
