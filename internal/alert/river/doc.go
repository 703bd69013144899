// Package river is what the rivers do, for control rooms and whoever answers for a
// flood: the gauges of three countries from the spring down, what was measured, which
// limit of a service was crossed, and which stage an authority proclaimed. The three are
// kept apart: a level reached is no stage proclaimed. National names stand side by side
// with a common colour; none is converted into another.
//
// What intake fetched comes by Take, in its transaction; an alarm of a limit crossed or
// of a level that rises fast is written in the same one and handed to Options.Tell.
// Values that cannot be are kept, marked, and alarm nobody. Limits, numbers of stations
// and travel times are dated rows with a source; where there is no row the pages say
// "unknown".
//
// It fetches nothing, forecasts nothing, writes to no channel and warns no public.
package river

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
	mayRead     = "river.read"
	mayProclaim = "river.proclaim"
	mayKeep     = "river.keep"
)
