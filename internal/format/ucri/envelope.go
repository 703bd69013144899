package ucri

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"trojmezi/internal/format/strictjson"
	"trojmezi/internal/format/ucri/schema"
)

// Ack says which receipts the sender of a message wants.
type Ack string

// The values of Envelope.Ack.
const (
	AckNone Ack = "NONE" // none
	AckNack Ack = "NACK" // of failure only
	AckAll  Ack = "ALL"  // of success and failure
)

// What a node fills in where a client says nothing, and the bounds of the
// timeout in seconds (spec: UCRI 2 transport 2.0.0, envelope).
const (
	DefaultTimeout = 3600
	MinTimeout     = 10
	MaxTimeout     = 86400
	DefaultAck     = AckNone
)

// Limits bounds what the parsers accept beyond the schemas. The size of a
// document is limited by whoever reads it from the network.
type Limits struct {
	Depth int // nested objects and arrays
}

// DefaultLimits apply to every parser of the package. No message of the
// specification nests deeper than 5; the rest is room for unknown members.
var DefaultLimits = Limits{Depth: 32}

// Member is a member of a JSON object that the specification doesn't name. It
// is passed on as it came.
type Member struct {
	Name string
	Raw  []byte // the value's JSON text
}

// Payload is an app message with its type
// (spec: UCRI 2 transport 2.0.0, payload).
type Payload struct {
	AppID       string
	AppVersion  string
	SchemaID    string
	ContentType string
	Data        string   // the message itself: JSON text
	Extra       []Member // unknown members; they are part of what is signed
}

// Envelope is a message under way. The zero value of MessageID, SentDate,
// Timeout, Ack and Signature means absent, as nil does for Description and Tags
// (spec: UCRI 2 transport 2.0.0, envelope).
type Envelope struct {
	MessageID    string // UUID
	Description  *string
	SentDate     string // RFC 3339, see ParseTime
	Timeout      int    // seconds from SentDate
	Ack          Ack
	Source       string   // OID
	Destinations []string // OIDs; exactly one in transport 2.0.0
	Tags         []string
	Payload      Payload
	Signature    string   // JWS compact, see Verify
	Extra        []Member // unknown members
}

// ParseClientSend reads a client's send request. The optional members may be
// absent. Every violation is 460.
//
// The strings of the result share the memory of one copy of body.
func ParseClientSend(body []byte) (*Envelope, *Error) {
	return parseSend(string(body), loaded().clientSend, CodeClientInvalid)
}

// ParseP2PSend reads a peer's send request: messageId, sentDate, timeout and
// ack are obligatory. Every violation is 480.
func ParseP2PSend(body []byte) (*Envelope, *Error) {
	return parseSend(string(body), loaded().p2pSend, CodeP2PInvalid)
}

func parseSend(text string, s *schema.Schema, code Code) (*Envelope, *Error) {
	if err := check(text, s, code, code, body); err != nil {
		return nil, err
	}
	var sc strictjson.Scanner
	sc.Init(text, DefaultLimits.Depth)
	sc.Lenient() // all rules have just been checked
	e := new(Envelope)
	sc.Peek()
	readEnvelope(&sc, e, nil)
	return e, nil
}

// ParseEnvelope reads an envelope that another node or this one has accepted
// before: a stored original or the answer to a send request. It is liberal:
// members that break the schema are dropped, repeated ones count once, the last
// one. It demands source and payload.
func ParseEnvelope(body []byte) (*Envelope, error) {
	var sc strictjson.Scanner
	sc.Init(string(body), DefaultLimits.Depth)
	sc.Lenient()
	if sc.Peek() != strictjson.Object {
		return nil, errors.New("parse envelope: not a JSON object")
	}
	e := new(Envelope)
	readEnvelope(&sc, e, nil)
	sc.End()
	if f := sc.Fault(); f != nil {
		return nil, fmt.Errorf("parse envelope: %w", f)
	}
	if e.Source == "" || e.Payload.AppID == "" {
		return nil, errors.New("parse envelope: no source or no payload.appId")
	}
	e.Extra, e.Payload.Extra = lastOfEach(e.Extra), lastOfEach(e.Payload.Extra)
	return e, nil
}

// turn is what a received item says beyond its envelope.
type turn struct {
	destination string
	sequence    int64
	numbered    bool // sequence was there
}

// readEnvelope reads the members of an envelope and, with r set, those of a
// received item. The next value is an object.
func readEnvelope(sc *strictjson.Scanner, e *Envelope, r *turn) {
	if !sc.Open() {
		return
	}
	for first := true; ; first = false {
		name, ok := sc.Member(first)
		if !ok {
			return
		}
		switch name {
		case "messageId":
			e.MessageID, _ = readString(sc)
		case "description":
			e.Description = nil
			if s, ok := readString(sc); ok {
				e.Description = &s
			}
		case "sentDate":
			e.SentDate, _ = readString(sc)
		case "timeout":
			n, _ := readInt(sc)
			e.Timeout = int(max(math.MinInt32, min(n, math.MaxInt32)))
		case "ack":
			s, _ := readString(sc)
			e.Ack = Ack(s)
		case "source":
			e.Source, _ = readString(sc)
		case "destinations":
			e.Destinations = readStrings(sc)
		case "tags":
			e.Tags = readStrings(sc)
		case "payload":
			readPayload(sc, &e.Payload)
		case "signature":
			e.Signature, _ = readString(sc)
		case "destination":
			if r == nil {
				e.Extra = append(e.Extra, readExtra(sc, name))
				continue
			}
			r.destination, _ = readString(sc)
		case "sequenceId":
			if r == nil {
				e.Extra = append(e.Extra, readExtra(sc, name))
				continue
			}
			r.sequence, r.numbered = readInt(sc)
		default:
			e.Extra = append(e.Extra, readExtra(sc, name))
		}
	}
}

func readPayload(sc *strictjson.Scanner, p *Payload) {
	*p = Payload{}
	if sc.Peek() != strictjson.Object {
		sc.Skip()
		return
	}
	if !sc.Open() {
		return
	}
	for first := true; ; first = false {
		name, ok := sc.Member(first)
		if !ok {
			return
		}
		switch name {
		case "appId":
			p.AppID, _ = readString(sc)
		case "appVersion":
			p.AppVersion, _ = readString(sc)
		case "schemaId":
			p.SchemaID, _ = readString(sc)
		case "contentType":
			p.ContentType, _ = readString(sc)
		case "data":
			p.Data, _ = readString(sc)
		default:
			p.Extra = append(p.Extra, readExtra(sc, name))
		}
	}
}

// readString reads a string; a value of another type is skipped.
func readString(sc *strictjson.Scanner) (s string, ok bool) {
	if sc.Peek() != strictjson.String {
		sc.Skip()
		return "", false
	}
	s, plain, ok := sc.String()
	if ok && !plain {
		s = strictjson.Decode(s)
	}
	return s, ok
}

// readInt reads an integer, cut to the range of int64; other values are skipped.
func readInt(sc *strictjson.Scanner) (n int64, ok bool) {
	if sc.Peek() != strictjson.Number {
		sc.Skip()
		return 0, false
	}
	raw, ok := sc.Number()
	if !ok {
		return 0, false
	}
	return schema.Int64(raw)
}

// readStrings reads an array of strings, never nil for an array; elements of
// other types are skipped.
func readStrings(sc *strictjson.Scanner) []string {
	if sc.Peek() != strictjson.Array {
		sc.Skip()
		return nil
	}
	if !sc.Open() {
		return nil
	}
	list := make([]string, 0, 1) // destinations have one
	for sc.Element() {
		if s, ok := readString(sc); ok {
			list = append(list, s)
		}
	}
	return list
}

func readExtra(sc *strictjson.Scanner, name string) Member {
	sc.Peek() // past the white space
	start := sc.Pos()
	if !sc.Skip() {
		return Member{}
	}
	return Member{name, []byte(strings.ToValidUTF8(sc.Since(start), "\uFFFD"))}
}

// lastOfEach drops repeated members but the last.
func lastOfEach(members []Member) []Member {
	if len(members) < 2 {
		return members
	}
	last := make(map[string]int, len(members))
	for i, m := range members {
		last[m.Name] = i
	}
	kept := members[:0]
	for i, m := range members {
		if last[m.Name] == i {
			kept = append(kept, m)
		}
	}
	return kept
}
