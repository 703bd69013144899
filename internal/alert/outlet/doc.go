// Package outlet is what others fetch from the node: Atom feeds of what holds, of
// everything and by area; envelopes of EDXL-DE, GeoJSON, a notice for the board on the
// wall, texts for sirens, local radio and displays, and what the state needs for a cell
// broadcast. It is for other control rooms, gateways, web sites and the mayor with a
// printer, and for the pages that preview what they get.
//
//	Item       Own, Relay: pure; an own notice of a municipality or an official warning
//	Renderer   Atom, EDXL, GeoJSON, Poster, Speak, Handover: pure functions of items
//	Service    the items that hold now, of a kind and for a place
//
// The law of it: an item is an own notice or a relay from its making on, nothing turns
// one into the other, and every rendering says which it is. A relay carries the unmodified
// text, source, licence and time received; it is never signed here, shortened or
// translated. An own notice carries its owner. It sends nothing, and where news of a
// source are old it says so: "no data" is never "no warning".
package outlet

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

// mayRead is the action of policy.cedar.
const mayRead = "outlet.read"

// root is the address of the page that shows what is fetched.
const root = "/outlets"

// Nav returns the package's task.
func Nav() []web.NavItem {
	return []web.NavItem{{Section: "outlets", Key: "outlet.nav", URL: root, Action: mayRead}}
}
