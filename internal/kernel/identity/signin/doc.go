// Package signin holds the pages of people and rights: the first start, signing
// in with second factors and providers, one's own account, and for administrators
// people, roles, sessions, organisations and shared desks. It is for package app,
// which registers it. It decides nothing: who somebody is and what he may change
// is package identity's part, what he may open the policy's; and it keeps nothing.
package signin

import "embed"

// texts are this package's translations.
//
//go:embed locales
var texts embed.FS
