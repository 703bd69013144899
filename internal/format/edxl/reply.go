package edxl

import (
	"fmt"
	"strconv"
	"strings"

	"trojmezi/internal/format/tree"
)

// The namespaces in which replies are written in XML; any other is read as well. That
// of messages was read in the hub's example, the two others follow that of its EMSI
// and are from memory.
const (
	SpaceMessage   = "urn:emergency:cisu:3.0"
	SpaceReference = "urn:emergency:eda:1.9:reference"
	SpaceError     = "urn:emergency:eda:1.9:error"
)

// Code is an error code of the French hub.
type Code struct {
	Number int
	Name   string // statusString
	Key    string // translation key: what it means, in our words
}

// Codes are those of the French hub. The numbers and what they mean were read in its
// code (SAMU-Hub-Sante at 5e2bcb0); receivers send those from 700 on, of which 701 and
// 702 alone say more. The names are from memory, those of 102 and from 700 on our own.
var Codes = []Code{
	{100, "NOT_ALLOWED_CONTENT_TYPE", "edxl.code.100"},
	{101, "DELIVERY_MODE_INCONSISTENCY", "edxl.code.101"},
	{102, "TRANSPORT_ERROR", "edxl.code.102"},
	{200, "SENDER_INCONSISTENCY", "edxl.code.200"},
	{300, "UNRECOGNIZED_MESSAGE_FORMAT", "edxl.code.300"},
	{301, "INVALID_MESSAGE", "edxl.code.301"},
	{400, "EXPIRED_MESSAGE_BEFORE_ROUTING", "edxl.code.400"},
	{500, "DEAD_LETTER_QUEUE", "edxl.code.500"},
	{501, "UNROUTABLE_MESSAGE", "edxl.code.501"},
	{600, "CONVERSION_ERROR", "edxl.code.600"},
	{700, "CLIENT_ERROR", "edxl.code.700"},
	{701, "CASE_ALREADY_EXISTS", "edxl.code.701"},
	{702, "WRONG_SEQUENCE", "edxl.code.702"},
	{703, "CLIENT_ERROR_703", "edxl.code.703"},
	{704, "CLIENT_ERROR_704", "edxl.code.704"},
}

// CodeOf finds a code by its number.
func CodeOf(number int) (Code, bool) {
	for _, c := range Codes {
		if c.Number == number {
			return c, true
		}
	}
	return Code{}, false
}

// Reply is what a reply does not take from the envelope it answers.
type Reply struct{ ID, Sender, Sent, Expires string }

// Failure is an error report.
type Failure struct {
	Code      int
	Name      string // of the code; "" when written: that of Codes
	Cause     string
	Source    *tree.Node // the source message, in the envelope's syntax; nil without
	Reference string     // distributionID of the envelope it is about
}

// Answerable reports whether an envelope may be answered: replies to replies would
// never end.
func (e *Envelope) Answerable() bool { return e.Kind != Ack && e.Kind != Error }

// NewAck acknowledges an envelope to its sender, in its form. It says that somebody
// has it, not that a person has read it.
func NewAck(e *Envelope, r Reply) *Envelope {
	a := e.reply(r, Ack)
	if e.Version == V1 {
		return a // it refers in its head
	}
	a.Contents = []Content{{Part: a.message(object("reference", a.space(SpaceReference), stringOf("distributionID", a.space(SpaceReference), e.ID)))}}
	return a
}

// NewError reports an error about an envelope to its sender, in its form.
func NewError(e *Envelope, r Reply, f Failure) *Envelope {
	a := e.reply(r, Error)
	if f.Name == "" {
		c, _ := CodeOf(f.Code)
		f.Name = c.Name
	}
	space := a.space(SpaceError)
	number := &tree.Node{Name: "statusCode", Space: space, Kind: tree.Number, Text: strconv.Itoa(f.Code)}
	if a.Syntax == tree.XML {
		number.Kind = tree.String
	}
	report := object("error", space, object("errorCode", space, number, stringOf("statusString", space, f.Name)), stringOf("errorCause", space, f.Cause))
	switch {
	case f.Source == nil:
	case a.Syntax == tree.XML:
		report.Kids = append(report.Kids, object(source, space, f.Source))
	default:
		report.Kids = append(report.Kids, object(source, "", f.Source.Kids...))
	}
	report.Kids = append(report.Kids, stringOf("referencedDistributionID", space, e.ID))
	a.Contents = []Content{{Part: a.message(report)}}
	return a
}

// source is the name under which a report repeats what it is about.
const source = "sourceMessage"

// space is a namespace, which only XML has.
func (e *Envelope) space(name string) string {
	if e.Syntax == tree.XML {
		return name
	}
	return ""
}

func (e *Envelope) message(payload *tree.Node) Part {
	return Part{Root: payload}.Wrapped(e.space(SpaceMessage))
}

// reply is the envelope of a reply.
func (e *Envelope) reply(r Reply, k Kind) *Envelope {
	a := &Envelope{Version: e.Version, Syntax: e.Syntax, ID: r.ID, Sender: r.Sender, Sent: r.Sent, Expires: r.Expires,
		Status: e.Status, Kind: k, Language: e.Language, Confidentiality: e.Confidentiality}
	scheme := SchemeHub // of an envelope that says nothing; replies must say something
	if len(e.Addresses) > 0 {
		scheme = e.Addresses[0].Scheme
	}
	a.Addresses = []Address{{scheme, []string{e.Sender}}}
	if e.Version == V1 {
		a.Expires = ""
		a.References = []string{fmt.Sprintf("%s,%s,%s", e.ID, e.Sender, e.Sent)}
	}
	return a
}

// Refers gives the distributionID of the envelope that an acknowledgement or an error
// report is about.
func (e *Envelope) Refers() (id string, ok bool) {
	if f, ok := e.Failure(); ok {
		return f.Reference, true
	}
	if e.Kind != Ack {
		return "", false
	}
	for _, c := range e.Contents {
		if c.Root != nil && c.Root.Name == "reference" && c.Root.Get("distributionID") != nil {
			return strings.TrimSpace(c.Root.Get("distributionID").Value()), true
		}
	}
	for _, ref := range e.References {
		// spec: EDXL-DE 1.0, a reference is "distributionID,senderID,dateTimeSent"; an
		// id may hold commas
		if parts := strings.Split(ref, ","); len(parts) > 2 {
			return strings.TrimSpace(strings.Join(parts[:len(parts)-2], ",")), true
		}
	}
	return "", false
}

// Failure gives the error report in an envelope.
func (e *Envelope) Failure() (*Failure, bool) {
	if e.Kind != Error {
		return nil, false
	}
	for _, c := range e.Contents {
		n := c.Root
		if n == nil || n.Name != "error" || n.Get("errorCode") == nil {
			continue
		}
		f := &Failure{Name: n.Get("errorCode").Get("statusString").Value(), Cause: n.Get("errorCause").Value(),
			Reference: strings.TrimSpace(n.Get("referencedDistributionID").Value())}
		f.Code, _ = strconv.Atoi(strings.TrimSpace(n.Get("errorCode").Get("statusCode").Value())) // 0: no code we could know
		if s := n.Get(source); s != nil && e.Syntax == tree.JSON {
			f.Source = s
		} else if s != nil && len(elements(s)) > 0 {
			f.Source = elements(s)[0]
		}
		return f, true
	}
	return nil, false
}
