// Package identity proves who is asking: secrets of accounts as argon2id
// hashes, and short-lived signed tokens that stand for a checked secret. It
// keeps no accounts and remembers no secret; what somebody may do is decided
// by package access.
package identity

import "embed"

// Locales holds the texts of this package's problems for i18n.Load.
//
//go:embed locales
var Locales embed.FS
