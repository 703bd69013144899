package adapter

import (
	"embed"
	"io/fs"
	"time"

	"trojmezi/internal/format/convert"
)

//go:embed locales/*.json
var locales embed.FS

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// Adapter is how one system writes its messages.
type Adapter struct {
	Country string // ISO 3166-1 alpha-2 of the system; "EU" for a European standard
	System  string // its name here, in lower case: "czizs"
	// Profile is the document the adapter follows: a path in this repository, or the name
	// of a standard.
	Profile string
	// Public: the system's interface is published. If not, Profile is a neutral one of our
	// own that nobody at the system has agreed to, and whoever sets it up must be told so.
	Public    bool
	MediaType string
	// Life is how long a message is good that does not say; 0: for ever.
	Life time.Duration
	// Decode reads a message. With a fault it returns what it could read of the head, so
	// that the sender can be told; nil when nothing could.
	Decode func(message []byte) (*Message, *convert.Fault)
	// Encode writes one. It refuses what the system has no message for.
	Encode func(*Message) (*Encoded, *convert.Fault)
	// Code is the system's own word for a reason of refusal; nil: the reason itself.
	Code func(Reason) string
}

// Message is a message with what carries it in the foreign system.
type Message struct {
	Kind             convert.Kind
	ID               string // of the message, as the foreign system writes it
	Answers          string // ID of the one this one answers; "": of none
	Sender, Receiver string // addresses in the foreign system
	// Number is the name of the incident in the foreign system. On the way out, if "", it
	// is the UUID that the incident has in UCRI 2.
	Number string
	// Revision is which telling of the incident this is, from 1; 0: nobody counts.
	Revision int
	// Sent and Expires are zero where nobody says.
	Sent, Expires time.Time
	// Content is what the message says; of a KindReceipt whether it is meant, nil of one
	// that nobody wrote yet.
	Content *convert.Message
	Receipt Receipt // of a KindReceipt
}

// Receipt is what a machine says about a message: that it has it, or why it cannot take
// it. It says nothing about whether a person has read it.
type Receipt struct {
	Refused bool
	Again   bool   // for a reason on the other side: the message may be sent again
	Code    string // the foreign system's code of the reason
	Text    string // for people
}

// Mode is whether the message is meant: "ACTUAL", "EXERCS", "TEST" or "SYSTEM".
func (m *Message) Mode() string {
	if m.Content == nil {
		return "ACTUAL"
	}
	return m.Content.Mode()
}

// Encoded is a message as it goes to the foreign system.
type Encoded struct {
	ID    string // receipts name it
	Bytes []byte
	Loss  []convert.Loss // of the message of UCRI 2; nil of a receipt
	// Expires is when it is of no use any more; zero: never.
	Expires time.Time
}
