package adapter

import (
	"context"
	"time"
)

// Transport brings messages to a foreign system and from it.
type Transport interface {
	// Send hands a message over. Nil means that the other side, or what stands between
	// (a broker, a folder), has stored it. A *Final is no use to repeat; any other error
	// is, until the message expires.
	Send(ctx context.Context, m Outgoing) error
	// Receive gives handle every message until ctx is done, one after the other. Where
	// handle returns nil, the message is stored here and is taken from the other side;
	// after an error, or a crash before it returned, it comes again.
	Receive(ctx context.Context, handle func(context.Context, Incoming) error) error
}

// Outgoing is a message on its way to a foreign system.
type Outgoing struct {
	ID        string // in the foreign system; the same when it is sent again
	To        string // address there
	MediaType string
	Body      []byte
	Expires   time.Time // zero: never
	Receipt   bool      // it answers a machine
}

// Incoming is a message from a foreign system.
type Incoming struct {
	ID        string // of the transport, for the log; "": it has none
	From      string // whom the transport proved the sender to be; "": nobody
	MediaType string // as it was declared; "": it was not
	Body      []byte
	// Volatile: it was not sent so that it survives a failure of what stands between.
	Volatile bool
}

// Final is an error of Send that repeating does not mend.
type Final struct {
	Reason Reason
	Err    error
}

// Error implements error; technical English.
func (f *Final) Error() string { return "adapter: refused for good: " + f.Err.Error() }

// Unwrap gives the error behind it.
func (f *Final) Unwrap() error { return f.Err }
