package cap

import (
	"embed"
	"io/fs"

	"trojmezi/internal/format/tree"
)

//go:embed locales/*.json
var locales embed.FS

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// Version is the edition of the standard a message follows.
type Version string

// The editions.
const (
	V10 Version = "1.0"
	V11 Version = "1.1"
	V12 Version = "1.2"
)

// The namespaces of the editions. That of 1.0 is from memory.
const (
	Space10 = "http://www.incident.com/cap/1.0"
	Space11 = "urn:oasis:names:tc:emergency:cap:1.1"
	Space12 = "urn:oasis:names:tc:emergency:cap:1.2"
)

// versions are the editions by namespace.
var versions = map[string]Version{Space10: V10, Space11: V11, Space12: V12}

// Limits bound a document before anything is built of it: nothing that is larger is a
// warning, and what is built of one stays below 64 MB.
var Limits = tree.Limits{Bytes: 10 << 20, Depth: 16, Nodes: 200_000}

// MaxInfos is how many of them one message may have.
const MaxInfos = 2000

// The words of status, msgType and scope that others ask for (spec: CAP 1.2, §3.2.1).
const (
	Actual   = "Actual"
	Exercise = "Exercise"
	System   = "System"
	Test     = "Test"
	Draft    = "Draft"

	TypeAlert  = "Alert"
	TypeUpdate = "Update"
	TypeCancel = "Cancel"
	TypeAck    = "Ack"
	TypeError  = "Error"

	Public     = "Public"
	Restricted = "Restricted"
	Private    = "Private"
)

// Alert is a message (spec: CAP 1.2, §3.2.1). Its texts stand as they were sent; ""
// is an element that is missing or empty. Of an element that stands twice where it may
// stand once, the first counts.
type Alert struct {
	Version     Version
	Identifier  string
	Sender      string
	Password    string // 1.0 only, and no longer used
	Sent        string // as all times; Moment reads them
	Status      string
	MsgType     string
	Source      string
	Scope       string
	Restriction string
	Addresses   string
	Codes       []string
	Note        string
	References  string // ReferenceIDs reads them
	Incidents   string
	Infos       []Info
}

// Info is what is said in one language (spec: CAP 1.2, §3.2.2).
type Info struct {
	Language      string // "" stands for en-US
	Categories    []string
	Event         string
	ResponseTypes []string
	Urgency       string
	Severity      string
	Certainty     string
	Audience      string
	EventCodes    []Pair
	Effective     string
	Onset         string
	Expires       string
	SenderName    string
	Headline      string
	Description   string
	Instruction   string
	Web           string
	Contact       string
	Parameters    []Pair
	Resources     []Resource
	Areas         []Area
}

// Pair is a named value of a list that somebody else keeps. 1.0 writes it as
// "name=value".
type Pair struct{ Name, Value string }

// Resource is a file that belongs to an Info (spec: CAP 1.2, §3.2.3).
type Resource struct {
	Desc     string
	MimeType string
	Size     string // bytes
	URI      string
	DerefURI string // the file itself, base64
	Digest   string // SHA-1, hexadecimal
}

// Area is a place (spec: CAP 1.2, §3.2.4): all its polygons, circles and codes together.
type Area struct {
	Desc     string
	Polygons []string // "lat,lon lat,lon …", WGS 84, the last as the first; Ring reads one
	Circles  []string // "lat,lon radius", kilometres
	Geocodes []Pair
	Altitude string // feet above mean sea level; the lowest, with Ceiling
	Ceiling  string
}

// Values are those of a name, in their order.
func Values(pairs []Pair, name string) []string {
	var all []string
	for _, p := range pairs {
		if p.Name == name {
			all = append(all, p.Value)
		}
	}
	return all
}

// Value is the first of a name, "" without.
func Value(pairs []Pair, name string) string {
	for _, p := range pairs {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}
