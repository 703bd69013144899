// Package bridge is where technicians look at messages of other formats: a page on
// which one pastes a message and sees it beside what it becomes in another format,
// with whatever is not carried over, or reads what its standard says against it.
// Nothing is stored, sent or decided here; the conversion itself is package convert.
package bridge

import (
	"embed"
	"io/fs"

	"trojmezi/internal/kernel/web"
)

//go:embed locales/*.json
var locales embed.FS

//go:embed policy.cedar
var policy []byte

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// Policy returns the package's access rules.
func Policy() []byte { return policy }

const (
	root       = "/convert"
	mayConvert = "bridge.convert"
)

// Nav returns the entries of the navigation.
func Nav() []web.NavItem {
	return []web.NavItem{{Section: "convert", Key: "bridge.nav", URL: root, Action: mayConvert}}
}
