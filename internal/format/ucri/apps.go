package ucri

import (
	"slices"
	"strings"

	"trojmezi/internal/format/strictjson"
	"trojmezi/internal/format/ucri/schema"
)

// The content types of a payload. What an encrypted payload looks like is not
// specified, so CheckData refuses it.
const (
	ContentJSON = "application/json"
	ContentJOSE = "application/jose"
)

const (
	appTransport        = "transport_layer_messages"
	appTransportVersion = "1.0"
	schemaDelivery      = "message_delivery_status"
	schemaAvailability  = "participant_availability_update"
)

// AppRef is an app in one version, as a participant supports it
// (spec: UCRI 2 transport 2.0.0, appRef).
type AppRef struct {
	AppID               string
	AppVersion          string
	UnsupportedMessages []string // names of messages; nil: none
	Extra               []Member // unknown members, kept
}

// Apps lists the apps this package knows, ordered by name.
func Apps() []AppRef {
	c := loaded()
	var apps []AppRef
	for _, app := range c.apps {
		for _, version := range c.versions[app] {
			apps = append(apps, AppRef{AppID: app, AppVersion: version})
		}
	}
	return apps
}

// CheckApp finds out whether app (461), version (462) and message (463) exist.
func CheckApp(p Payload) *Error {
	c := loaded()
	if c.messages[message{p.AppID, p.AppVersion, p.SchemaID}] != nil {
		return nil
	}
	args := map[string]any{"app": strictjson.Short(p.AppID)}
	versions := c.versions[p.AppID]
	if versions == nil {
		args["known"] = strings.Join(c.apps, ", ")
		return &Error{Code: CodeUnknownApp, Key: "ucri.app.unknown", Args: args, Place: "/payload/appId"}
	}
	args["version"] = strictjson.Short(p.AppVersion)
	schemas := c.schemas[[2]string{p.AppID, p.AppVersion}]
	if schemas == nil {
		args["known"] = strings.Join(versions, ", ")
		return &Error{Code: CodeUnknownAppVersion, Key: "ucri.app.version", Args: args, Place: "/payload/appVersion"}
	}
	args["message"] = strictjson.Short(p.SchemaID)
	args["known"] = strings.Join(schemas, ", ")
	return &Error{Code: CodeUnknownSchema, Key: "ucri.app.schema", Args: args, Place: "/payload/schemaId"}
}

// CheckData validates the app message: 465 if it is encrypted or not JSON (also
// for repeated member names, unpaired surrogates and too deep nesting, which
// have no agreed meaning), 464 with the place if it breaks its schema. An
// unknown message gets the code of CheckApp.
func CheckData(p *Payload) *Error {
	s := loaded().messages[message{p.AppID, p.AppVersion, p.SchemaID}]
	if s == nil {
		return CheckApp(*p)
	}
	switch p.ContentType {
	case ContentJSON:
		return check(p.Data, s, CodePayloadNotJSON, CodePayloadInvalid, payloadData)
	case ContentJOSE:
		return &Error{Code: CodePayloadNotJSON, Key: "ucri.app.encrypted", Place: "/payload/contentType"}
	default:
		args := map[string]any{"type": strictjson.Short(p.ContentType)}
		return &Error{Code: CodePayloadNotJSON, Key: "ucri.app.content_type", Args: args, Place: "/payload/contentType"}
	}
}

// Supports finds out whether the participant takes the app in this version
// (466) and this message of it (468). A record may list an app twice with
// different exclusions; one that takes the message is enough.
func (p *Participant) Supports(pl Payload) *Error {
	code, key, place := CodeUnsupportedApp, "ucri.app.unsupported", "/payload/appId"
	for i := range p.SupportedApps {
		a := &p.SupportedApps[i]
		if a.AppID != pl.AppID || a.AppVersion != pl.AppVersion {
			continue
		}
		if !slices.Contains(a.UnsupportedMessages, pl.SchemaID) {
			return nil
		}
		code, key, place = CodeUnsupportedSchema, "ucri.app.message", "/payload/schemaId"
	}
	args := map[string]any{"participant": p.ID, "app": strictjson.Short(pl.AppID), "version": strictjson.Short(pl.AppVersion)}
	if code == CodeUnsupportedSchema {
		args["message"] = strictjson.Short(pl.SchemaID)
	}
	return &Error{Code: code, Key: key, Args: args, Place: place}
}

// TransportLayer reports whether the message is one of those that only nodes
// send to each other (467 for clients).
func TransportLayer(p Payload) bool { return p.AppID == appTransport }

// SubjectID is the identifier of the incident the message is about, in lower
// case; "" if it has none or no valid one. It reads no further than that, so a
// payload that CheckData hasn't seen may be broken behind it.
func SubjectID(p Payload) string {
	var sc strictjson.Scanner
	sc.Init(p.Data, DefaultLimits.Depth)
	sc.Lenient()
	if p.ContentType != ContentJSON || sc.Peek() != strictjson.Object || !sc.Open() {
		return ""
	}
	for first := true; ; first = false {
		name, ok := sc.Member(first)
		if !ok {
			return ""
		}
		if name != "sharedIncidentId" {
			sc.Skip()
			continue
		}
		if id, _ := readString(&sc); schema.IsUUID(id) {
			return strings.ToLower(id)
		}
		return ""
	}
}

// Names calls f with the name of every member at any depth: of the app message and of
// what stands in the envelope beside what the transport knows. It reports whether it
// could read all of it, and f always returned true.
func (e *Envelope) Names(f func(name string) bool) bool {
	if e.Payload.ContentType != ContentJSON || !names(e.Payload.Data, f) {
		return false
	}
	for _, list := range [][]Member{e.Extra, e.Payload.Extra} {
		for _, m := range list {
			if !f(m.Name) || !names(string(m.Raw), f) {
				return false
			}
		}
	}
	return true
}

func names(text string, f func(string) bool) bool {
	var sc strictjson.Scanner
	sc.Init(text, DefaultLimits.Depth)
	sc.Lenient()
	return namesIn(&sc, f) && sc.End()
}

func namesIn(sc *strictjson.Scanner, f func(string) bool) bool {
	switch sc.Peek() {
	case strictjson.Object:
		if !sc.Open() {
			return false
		}
		for first := true; ; first = false {
			name, ok := sc.Member(first)
			if !ok {
				return sc.Fault() == nil
			}
			if !f(name) || !namesIn(sc, f) {
				return false
			}
		}
	case strictjson.Array:
		if !sc.Open() {
			return false
		}
		for sc.Element() {
			if !namesIn(sc, f) {
				return false
			}
		}
		return sc.Fault() == nil
	}
	return sc.Skip()
}
