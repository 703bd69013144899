// Package transport carries messages between a gateway and the system on its other
// side: HTTPS push and poll with signatures, folders on a disk, AMQP 0-9-1, and
// e-mail as a last resort. A transport moves bytes and knows nothing of what they
// say. It acknowledges what it received only after its [Box] has stored it, so that
// whatever is killed in between is delivered again; the box tells a repetition.
//
// What each demands of the other side stands in docs/ops/gateways.md.
package transport

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"time"

	"trojmezi/internal/kernel/i18n"
)

//go:embed locales/*.json
var locales embed.FS

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// Parcel is a message on its way out.
type Parcel struct {
	ID      string // the same in every attempt
	To      string // the receiver's name in the foreign system, "" when there is one alone
	Type    string // media type
	Body    []byte
	Expires time.Time // it is worth nothing after; zero: never
	Text    string    // for people, where the way has a place for it
}

// Delivery is a message as it came in.
type Delivery struct {
	ID     string // by which a repetition is known, "" where the way has none
	Type   string // media type, "" unknown
	Body   []byte
	Cursor string // the place to go on from after it, "" where the way has none
	// Fault is the key of what the transport has against it ("" for nothing): it is
	// stored and shown, never processed.
	Fault string
	// Volatile: it was not sent so that it survives a failure of what stands between.
	Volatile bool
}

// Box stores what comes in.
type Box interface {
	// Take returns nil once d is on disk; only then is it acknowledged.
	Take(ctx context.Context, d Delivery) error
	// Cursor is that of the last delivery taken that had one.
	Cursor(ctx context.Context) (string, error)
}

// Transport is a way to another system. It is safe for concurrent use.
type Transport interface {
	// Send returns nil once the other side has p. A *Refusal is its last word;
	// after any other error the same parcel may be sent again.
	Send(ctx context.Context, p Parcel) error
	// Receive hands over what comes in until ctx ends or the way breaks; it is then
	// called again. up is called when the way is known to be open.
	Receive(ctx context.Context, box Box, up func()) error
	// Check tries the way without sending a message.
	Check(ctx context.Context) error
	// Shared reports whether several instances of a node may receive at once.
	Shared() bool
}

// Keeper is a transport that puts away what it has delivered, where people can still
// look at it.
type Keeper interface {
	Transport
	// Sweep removes what was put away and is older than what the configuration says, where
	// spent says of it that it was taken here and is not needed any more. All else stays,
	// whatever its name. removed is also how many went before an error.
	Sweep(ctx context.Context, now time.Time, spent func(d Delivery, before time.Time) (bool, error)) (removed int, err error)
}

// Refusal is an answer that the same message will get again.
type Refusal struct {
	Reason string // in the other side's words, one line
}

func (r *Refusal) Error() string { return "transport: refused: " + r.Reason }

// Failure is why a way is not open; its text is Key's.
type Failure struct {
	Key  string
	Args i18n.Args
	Err  error // for the log; nil: Key says it all
}

func (f *Failure) Error() string {
	if f.Err != nil {
		return f.Key + ": " + f.Err.Error()
	}
	return f.Key
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

func fail(key string, err error) error { return &Failure{Key: key, Err: err} }

// FailureKey is the key of the text that tells err to people.
func FailureKey(err error) string {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.Key
	}
	return "transport.failure.other"
}

// MaxBytes bounds a message: several times what the largest of the formats' limits
// allows, so that what is refused for its size is refused with its beginning shown.
const MaxBytes = 4 << 20

// cut marks a delivery that is longer than MaxBytes and keeps its beginning.
func cut(d Delivery) Delivery {
	if len(d.Body) > MaxBytes {
		d.Body, d.Fault = d.Body[:MaxBytes], "transport.fault.size"
	}
	return d
}
