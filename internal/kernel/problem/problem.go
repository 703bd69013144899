// Package problem is the form in which an error travels from the place where it
// happens to the person who must act on it: a kind for the program, a
// translation key for the person, the technical rest for the log. It knows
// nothing of HTTP, of any other protocol, or of a language.
package problem

import (
	"errors"
	"fmt"

	"trojmezi/internal/kernel/i18n"
)

// Kind says what sort of answer an error deserves.
type Kind uint8

// The zero value is Internal: an error nobody classified must not blame the user.
const (
	Internal        Kind = iota // our fault or unknown; detail only in the log
	Invalid                     // the input is wrong and must be changed
	Unauthenticated             // no valid proof of who is asking
	Forbidden                   // known who is asking, but not allowed
	NotFound                    // no such thing, or none the asker may know of
	Conflict                    // clashes with the present state
	TooLarge                    // over a limit of size
	TooMany                     // over a limit of rate or number; try later
	Unavailable                 // cannot do it now; trying again makes sense
)

var kindNames = [...]string{
	Internal: "internal", Invalid: "invalid", Unauthenticated: "unauthenticated",
	Forbidden: "forbidden", NotFound: "not_found", Conflict: "conflict",
	TooLarge: "too_large", TooMany: "too_many", Unavailable: "unavailable",
}

// String returns the kind as a lower-case word, as it stands in logs and keys.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Error is an error with a kind and a text for the user.
type Error struct {
	Op   string    // operation that failed, for the log
	Kind Kind      // what sort of error
	Key  string    // translation key of the text for the user; empty: the general text of Kind
	Args i18n.Args // placeholders of Key
	Err  error     // cause, for the log; may be nil
}

// New returns an error without a cause. With a cause, write &Error{…} instead.
func New(op string, kind Kind, key string, args i18n.Args) *Error {
	return &Error{Op: op, Kind: kind, Key: key, Args: args}
}

// Error returns the technical text for logs. Args are left out: they are meant
// for the person who caused them and may hold personal data.
func (e *Error) Error() string {
	s := e.Op + ": " + e.Kind.String()
	if e.Key != "" {
		s += " (" + e.Key + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Wrap puts the operation in front of an error and keeps its kind and key.
// Wrap of nil is nil.
func Wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", op, err)
}

// KindOf returns the kind of the outermost *Error in the chain, Internal without one.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}
