package ucri

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"strconv"
	"strings"
	"sync"

	"trojmezi/internal/format/strictjson"
	"trojmezi/internal/format/ucri/schema"
)

//go:embed locales/*.json
var locales embed.FS

// Locales holds the package's texts: locales/{cs,de,pl,en}.json.
func Locales() fs.FS { return locales }

// Error is a refusal with its wire code, for people and programs at once. Args
// and Place name members and types, apps and schemas, never other values of a
// message: an Error may be logged.
type Error struct {
	Code  Code           // 0 where nothing goes over the wire, as for registry records
	Key   string         // translation key in this package's locales, "ucri.…"
	Args  map[string]any // the placeholders of the text
	Place string         // JSON Pointer (RFC 6901) into the document at fault; "" is the whole
}

// ErrorBody is an error's form on the wire (spec: UCRI 2 transport 2.0.0,
// error): the reason says what is wrong and where, the message what the code
// means and what to do.
type ErrorBody struct {
	Code    Code   `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message,omitempty"`
}

// Body is the wire form in the language of text, which gives the text of a key.
func (e *Error) Body(text func(key string, args map[string]any) string) ErrorBody {
	return ErrorBody{Code: e.Code, Reason: text(e.Key, e.Args), Message: text(e.Code.Key(), nil)}
}

// Error is the English text with the code, for logs.
func (e *Error) Error() string {
	text := english()[e.Key]
	for name, v := range e.Args {
		text = strings.ReplaceAll(text, "{"+name+"}", fmt.Sprint(v))
	}
	if e.Code == 0 {
		return text
	}
	return "UCRI " + strconv.Itoa(int(e.Code)) + ": " + text
}

var english = sync.OnceValue(func() map[string]string {
	raw, err := locales.ReadFile("locales/en.json")
	if err != nil {
		panic(err) // embedded at build
	}
	var texts map[string]string
	if err := json.Unmarshal(raw, &texts); err != nil {
		panic(err) // covered by every test of a text
	}
	return texts
})

// document is how a text names the JSON document a place lies in.
type document string

const (
	body        document = "#"             // of the request
	payloadData document = "payload.data#" // the app message inside
)

// violation turns the breach of a schema into an Error.
func violation(v *schema.Violation, code Code, doc document) *Error {
	args := maps.Clone(v.Args)
	args["place"] = string(doc) + v.Place
	return &Error{Code: code, Key: "ucri.rule." + v.Rule, Args: args, Place: v.Place}
}

// fault turns the breach of the JSON rules into an Error. The offset counts
// from 1, as people do.
func fault(f *strictjson.Fault, code Code, doc document) *Error {
	args := map[string]any{"place": string(doc) + f.Place, "offset": f.Offset + 1}
	switch f.Reason {
	case strictjson.Duplicate:
		args["member"] = f.Member
	case strictjson.TooDeep:
		args["max"] = f.Limit
	}
	return &Error{Code: code, Key: "ucri.json." + f.Reason.String(), Args: args, Place: f.Place}
}

// check validates a document; badJSON is the code for faults of the JSON itself.
func check(text string, s *schema.Schema, badJSON, bad Code, doc document) *Error {
	v, f := s.Validate(text, DefaultLimits.Depth)
	switch {
	case f != nil:
		return fault(f, badJSON, doc)
	case v != nil:
		return violation(v, bad, doc)
	default:
		return nil
	}
}
