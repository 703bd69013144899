// Package web is the edge towards browsers: it routes, guards every answer
// with security headers, knows the language of each request, and turns errors
// into pages for people and RFC 9457 documents for programs. It also has the
// shell of all pages and the status page of a node. It knows no module, no
// account and no database; pages work without JavaScript.
package web

import "embed"

// Locales holds the texts of this package for i18n.Load.
//
//go:embed locales
var Locales embed.FS
