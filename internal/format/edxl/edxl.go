package edxl

import (
	"embed"
	"io/fs"

	"trojmezi/internal/format/tree"
)

//go:embed locales/*.json
var locales embed.FS

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// Version is the edition of the standard an envelope follows.
type Version string

// The editions. In JSON there is the profile of 2.0 only.
const (
	V1 Version = "1.0"
	V2 Version = "2.0"
)

// The namespaces of the envelopes.
const (
	Space1 = "urn:oasis:names:tc:emergency:EDXL:DE:1.0"
	Space2 = "urn:oasis:names:tc:emergency:EDXL:DE:2.0"
)

// Status is what an envelope is sent for (distributionStatus).
type Status string

// The statuses. The JSON profile knows the first two, 1.0 the first four.
const (
	Actual          Status = "Actual"
	Exercise        Status = "Exercise"
	System          Status = "System"
	Test            Status = "Test"
	UnknownStatus   Status = "Unknown"
	NoDefaultStatus Status = "NoAppropriateDefault"
)

// Kind is what an envelope does (distributionKind, in 1.0 distributionType).
type Kind string

// The kinds. The JSON profile knows Report, Update, Cancel, Ack and Error, 1.0 all
// but the last two.
const (
	Report              Kind = "Report"
	Update              Kind = "Update"
	Cancel              Kind = "Cancel"
	Request             Kind = "Request"
	Response            Kind = "Response"
	Dispatch            Kind = "Dispatch"
	Ack                 Kind = "Ack"
	Error               Kind = "Error"
	SensorConfiguration Kind = "SensorConfiguration"
	SensorControl       Kind = "SensorControl"
	SensorStatus        Kind = "SensorStatus"
	SensorDetection     Kind = "SensorDetection"
	UnknownKind         Kind = "Unknown"
	NoDefaultKind       Kind = "NoAppropriateDefault"
)

// SchemeHub is the scheme of addresses at the French hub.
const SchemeHub = "hubex"

// Envelope is an envelope of any of the three forms. Write puts down what the form
// has a place for: which fields that are, is said at each that not all have.
type Envelope struct {
	Version Version
	Syntax  tree.Syntax // JSON with V2 only

	ID, Sender string
	Sent       string // as it stands; Moment reads it
	Expires    string // 2.0 and JSON
	Status     Status
	Kind       Kind
	Language   string

	Confidentiality                       string    // combinedConfidentiality; not JSON
	SenderRoles, RecipientRoles, Keywords []List    // not JSON
	References                            []string  // distributionReference; 1.0
	Addresses                             []Address // in JSON one with one value
	Areas                                 []Area    // not JSON
	Urgency, Severity, Certainty          string    // 2.0
	Incidents, Descriptions               []string  // incidentID and incidentDescription; 2.0
	Links                                 []Link    // of the descriptor; 2.0

	Contents     []Content
	ContentLinks []Link // between contents; 2.0

	// Extra is every value that no field holds, and what stands beside a payload
	// that was unwrapped. Write leaves out what is only here.
	Extra []Extra
}

// Extra is a value without a field.
type Extra struct{ Path, Text string }

// List is a list of values and what names the list.
type List struct {
	URI    string
	Values []string
}

// Address is whom an envelope is for, by a scheme.
type Address struct {
	Scheme string
	Values []string
}

// Link is an arc between parts of an envelope, by their labels.
type Link struct{ Role, Title, Show, Actuate, From, To string }

// Area is a target area: of 1.0 one, of 2.0 a group of them.
type Area struct {
	Tree *tree.Node // as it came; this is what Write writes
	Path string     // of Tree in the document that was read

	// What can be read simply. Of 1.0 all but the first line, of 2.0 that, the
	// names of countries and geographic codes.
	Kind, Grouping                 string
	Circles                        []Circle
	Polygons                       [][]Point
	Countries, Subdivisions, Codes []string // by ISO 3166-1, ISO 3166-2, UN/LOCODE in 1.0
}

// Point is a place in WGS 84, in degrees.
type Point struct{ Lat, Lon float64 }

// Circle is an area around a point.
type Circle struct {
	Center Point
	Radius float64 // kilometres
}

// Content is one object an envelope carries: a Part or Other.
type Content struct {
	Part
	Further []Part       // embedded in the same object; 1.0
	Keys    []*tree.Node // extracts of the embedded, for routing (keyXMLContent); XML
	Other   *Other       // XML

	IDs                                      []string // contentID; 2.0 in XML
	Description, Confidentiality, Language   string   // XML; the language 2.0
	Keywords, OriginatorRoles, ConsumerRoles []List   // XML
	Incident, IncidentDescription            string   // 1.0
	Label                                    string   // for links; 2.0 in XML
}

// Part is an embedded element or object.
//
// Hubs wrap payloads: an element or member named "message" whose only container,
// apart from the head of a message (messageId, sender, sentAt, kind, status,
// recipient), is the payload. Root then is the payload, and what stands beside it is
// in Extra. A message with no such container or with several is its own Root.
//
// In JSON an embedded object with a single member that is an object stands for that
// member, so that Root has the name it has in XML.
type Part struct {
	Root  *tree.Node // the payload; Write needs it in the envelope's own syntax
	Outer *tree.Node // the message around Root, nil without; Write writes it whole
	Path  string     // of Root in the document that was read
	Raw   []byte     // Root as it was written
}

// NewPart makes a part of a document of its own: bytes to be put into an envelope.
func NewPart(doc []byte, l tree.Limits) (Part, *tree.Fault) {
	d, fault := tree.Parse(doc, l)
	if fault != nil {
		return Part{}, fault
	}
	return partOf(d.Root, d), nil
}

// Wrapped is the part inside a message of a namespace (in JSON ""), as hubs want it.
func (p Part) Wrapped(space string) Part {
	p.Outer = &tree.Node{Name: wrapper, Space: space, Kind: tree.Object, Kids: []*tree.Node{p.Root}}
	return p
}

// Other is content that is neither XML nor JSON.
type Other struct {
	MIME, Size, Digest, URI string
	Data                    string // in base64, as it stands
}
