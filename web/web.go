// Package web embeds what the browser build (npm, build.mjs) made of third
// parties' files: the font subsets, the map renderer, outlines of the three
// countries. It is for the wiring in app, which hands the files to the router.
// It may be empty but for a README: pages work without. Own style sheets,
// scripts and pages are not here but in internal/kernel/web.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Built returns the files of the browser build.
func Built() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // embedded
	}
	return files
}
