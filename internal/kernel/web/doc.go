// Package web is the edge towards browsers: it routes, guards every answer
// with security headers, knows language and person of each request, asks the
// rules who may pass, and turns errors into pages for people and RFC 9457
// documents for programs. It also has the frame of all pages (Page for people
// at work, Layout for strangers), their style sheets and scripts, and the status
// page of a node; parts of pages are in package ui. It knows no module, keeps no
// account and no database; pages work without JavaScript.
package web

import "embed"

// Locales holds the texts of this package for i18n.Load.
//
//go:embed locales
var Locales embed.FS
