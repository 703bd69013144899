package notice

import (
	"time"

	"trojmezi/internal/kernel/store"
)

// Letter is what goes to a desk at another node: a line that any system can show, and a
// block for a node that knows the profile (docs/profiles/border.md).
type Letter struct {
	Organisation string // whose desk sends it
	To           string // address of the other desk
	Kind         store.Kind
	Subject      string // what belongs together, and is deleted together
	Line         string // for people
	Block        []byte // for the other node
	Until        time.Time
}

// Came is a block from a desk at another node. The line has shown that it is that
// desk's: nobody else's node can send for it.
type Came struct {
	Organisation string // whose desk got it
	Own, Other   string // addresses
	Test         bool   // it came to a test desk: then it is no reality
	Message      string // its id
	At           time.Time
	Block        []byte
}

// Desk is a desk at another node.
type Desk struct {
	Address, Name string
	Test          bool
}

// Lines are what carries letters between nodes.
type Lines struct {
	// Post puts a letter into the outbox, in the transaction of what it tells; a
	// *problem.Error is one that will not be sent. It returns the number for Reached.
	Post func(tx *store.Tx, l Letter) (int64, error)
	// Reached is when the other node took it; zero: not yet.
	Reached func(tx *store.Tx, letter int64) time.Time
	// Desks are those of other nodes.
	Desks func(tx *store.Tx) ([]Desk, error)
	// NameOf is what a desk is called.
	NameOf func(address string) string
}

// Fits reports whether a matter of a kind may go over a line between test desks or live
// ones: reality goes over live desks alone and everything else over test desks alone, for
// the exchange knows no exercises, and would ring.
func Fits(kind store.Kind, test bool) bool { return (kind == store.Live) != test }
