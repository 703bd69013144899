// Package euhub plays a centre behind a hub like the French national one, for a
// simulator.Desk: EMSI in envelopes of EDXL-DE 2.0, in JSON or XML, with
// acknowledgements and error reports as envelopes of their own. It is written from the
// published schemas and examples (SAMU-Hub-Modeles at e3d4411); no hub was at hand. Of
// EMSI it knows what a centre needs for an event, and checks the envelope strictly.
package euhub

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"math"
	"strings"
	"time"

	"trojmezi/internal/simulator"
)

// Profile is the hub's. XML makes it write XML; it reads both.
type Profile struct{ XML bool }

// Media implements simulator.Profile.
func (p Profile) Media() string {
	if p.XML {
		return "application/xml"
	}
	return "application/json"
}

const (
	spaceEnvelope = "urn:oasis:names:tc:emergency:EDXL:DE:2.0"
	maxBytes      = 1 << 20 // of our own: the hub names none
	layout        = "2006-01-02T15:04:05-07:00"
)

var (
	one, many = simulator.One, simulator.Many
	text      = simulator.Words(4000)
	moment    = simulator.Like(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[-+][0-9]{2}:[0-9]{2}`, 25)

	descriptor = one("descriptor", nil, one("language", text), one("explicitAddress", nil, one("explicitAddressScheme", simulator.Among("hubex")), one("explicitAddressValue", text)))
	envelope   = []simulator.Rule{
		one("distributionID", text), one("senderID", text), one("dateTimeSent", moment), one("dateTimeExpires", moment),
		one("distributionStatus", simulator.Among("Actual", "Exercise")), one("distributionKind", simulator.Among("Report", "Update", "Cancel", "Ack", "Error")), descriptor,
	}
	inJSON = append(envelope[:len(envelope):len(envelope)], simulator.Rule{Name: "content", Min: 1, Max: 9, Parts: []simulator.Rule{
		one("jsonContent", nil, one("embeddedJsonContent", nil, one("message", nil))),
	}})
	inXML = append(envelope[:len(envelope):len(envelope)], one("content", nil,
		one("contentObject", nil, one("contentXML", nil, one("embeddedXMLContent", nil, one("message", nil))))))

	reference = []simulator.Rule{one("distributionID", text)}
	failure   = []simulator.Rule{
		one("errorCode", nil, one("statusCode", nil), one("statusString", text)), one("errorCause", text), simulator.Maybe("sourceMessage", nil), one("referencedDistributionID", nil), // empty: of what nobody could read
	}
	status = simulator.Among("COM", "IPR", "NST", "STOP")
	events = []simulator.Rule{
		one("ID", text), simulator.Maybe("NAME", nil), simulator.Maybe("MAIN_EVENT_ID", nil), simulator.Maybe("ETYPE", nil), simulator.Maybe("SOURCE", nil),
		simulator.Maybe("SCALE", nil), simulator.Maybe("CERTAINTY", nil), simulator.Maybe("DECL_DATIME", moment), simulator.Maybe("OCC_DATIME", moment),
		simulator.Maybe("OBS_DATIME", moment), simulator.Maybe("STATUS", status), simulator.Maybe("RISK_ASSESMENT", nil), many("REFERENCE", 99, nil),
		many("CASUALTIES", 99, nil), many("EVAC", 99, nil), many("EGEO", 999, nil), simulator.Maybe("CAUSE", nil), simulator.Maybe("FREETEXT", nil),
	}
	context = []simulator.Rule{
		one("ID", text), one("MODE", simulator.Among("ACTUAL", "EXERCS", "SYSTEM", "TEST")), one("MSGTYPE", simulator.Among("ACK", "ALERT", "CANCEL", "ERROR", "UPDATE")),
		simulator.Maybe("CREATION", moment), many("LINK", 99, nil, one("ID", text), simulator.Maybe("LINK_ROLE", simulator.Among("ADDSTO", "SPRSDS"))),
		simulator.Maybe("LEVEL", simulator.Among("STRTGC", "OPR", "TACTCL")), simulator.Maybe("SECLASS", simulator.Among("CONFID", "RESTRC", "SECRET", "TOPSRT", "UNCLAS", "UNMARK")),
		simulator.Maybe("FREETEXT", nil), simulator.Maybe("ORIGIN", nil, simulator.Maybe("ORG_ID", nil), simulator.Maybe("USER_ID", nil), simulator.Maybe("NAME", nil)),
		many("EXTERNAL_INFO", 99, nil), simulator.Maybe("URGENCY", simulator.Among("URGENT", "NOT_URGENT")),
	}
)

var modes = map[string]simulator.Mode{"ACTUAL": simulator.Live, "EXERCS": simulator.Exercise, "TEST": simulator.Test}

// codes are numbers and names of the hub; receivers have those from 700 on.
var codes = map[simulator.Reason]struct {
	number int
	name   string
}{
	simulator.Unreadable: {300, "UNRECOGNIZED_MESSAGE_FORMAT"}, simulator.Encoding: {300, "UNRECOGNIZED_MESSAGE_FORMAT"}, simulator.TooBig: {300, "UNRECOGNIZED_MESSAGE_FORMAT"},
	simulator.Structure: {301, "INVALID_MESSAGE"}, simulator.UnknownCode: {301, "INVALID_MESSAGE"}, simulator.Impossible: {301, "INVALID_MESSAGE"},
	simulator.OtherVersion: {301, "INVALID_MESSAGE"}, simulator.UnknownEvent: {702, "WRONG_SEQUENCE"}, simulator.RepeatedID: {701, "CASE_ALREADY_EXISTS"},
	simulator.Expired: {400, "EXPIRED_MESSAGE_BEFORE_ROUTING"}, simulator.WrongAddress: {501, "UNROUTABLE_MESSAGE"}, simulator.OtherMode: {703, "CLIENT_ERROR_703"},
	simulator.Busy: {704, "CLIENT_ERROR_704"},
}

// reasons are what the numbers mean; several have one.
var reasons = map[int]simulator.Reason{
	300: simulator.Unreadable, 301: simulator.Structure, 400: simulator.Expired, 501: simulator.WrongAddress, 600: simulator.Structure,
	700: simulator.Busy, 701: simulator.RepeatedID, 702: simulator.UnknownEvent, 703: simulator.OtherMode, 704: simulator.Busy,
}

// Sample is an event as a centre behind the hub would tell it; its place and people are
// invented.
func Sample() simulator.Say {
	return simulator.Say{
		Kind: simulator.Event, Type: "TRP/COL", What: "Accident de la route, trois blessés", More: "Un véhicule sur le toit.", Lat: 50.8563, Lon: 14.8331,
		Town: "Zittau", Street: "Hrádecká", House: "1", Injured: 1,
	}
}

// Hear implements simulator.Profile.
func (Profile) Hear(message []byte) simulator.Heard {
	read, rules, g := simulator.ReadJSON, inJSON, &simulator.Grammar{Separator: "/", JSON: true}
	if bytes.HasPrefix(bytes.TrimSpace(message), []byte("<")) {
		read, rules, g = simulator.ReadXML, inXML, &simulator.Grammar{Separator: "/"}
	}
	root, faults := read(message, maxBytes)
	if len(faults) > 0 {
		return simulator.Heard{Faults: faults}
	}
	s := func(names ...string) string { return root.Get(names...).String() }
	h := simulator.Heard{Say: simulator.Say{
		ID: local(s("distributionID")), From: s("senderID"), To: s("descriptor", "explicitAddress", "explicitAddressValue"),
		Sent: root.Get("dateTimeSent").Time(), Expires: root.Get("dateTimeExpires").Time(), Mode: simulator.Live,
	}}
	if s("distributionStatus") == "Exercise" {
		h.Mode = simulator.Exercise
	}
	if !g.JSON && (root.Name != "edxlDistribution" || root.Space != spaceEnvelope) {
		h.Faults = append(h.Faults, simulator.Fault{Reason: simulator.Structure, Where: root.Name, Text: "another root or namespace"})
		return h
	}
	h.Faults = append(h.Faults, g.Judge(root, "", rules)...)
	if !strings.HasPrefix(s("distributionID"), h.From+"_") {
		h.Faults = append(h.Faults, simulator.Fault{Reason: simulator.Structure, Where: "/distributionID", Text: "does not begin with the sender and _"})
	}
	h.Faults = append(h.Faults, inside(&h, g, payload(root), s("distributionKind"))...)
	return h
}

// local is a number without the sender's name in front.
func local(id string) string { return id[strings.IndexByte(id, '_')+1:] }

// payload is the message in an envelope of either form.
func payload(root simulator.Node) *simulator.Node {
	content := root.Get("content")
	if content != nil && content.Sort == simulator.Array && len(content.Kids) > 0 {
		return content.Kids[0].Get("jsonContent", "embeddedJsonContent", "message")
	}
	return content.Get("contentObject", "contentXML", "embeddedXMLContent", "message")
}

// inside reads what an envelope of a kind carries.
func inside(h *simulator.Heard, g *simulator.Grammar, m *simulator.Node, kind string) []simulator.Fault {
	name, rules := "emsi", []simulator.Rule{one("CONTEXT", nil, context...), one("EVENT", nil, events...), many("MISSION", 999, nil), many("RESOURCE", 999, nil)}
	switch kind {
	case "Ack":
		h.Kind, name, rules = simulator.Receipt, "reference", reference
		h.About = local(m.Get("reference", "distributionID").String())
	case "Error":
		h.Kind, name, rules = simulator.Failure, "error", failure
		h.About = local(m.Get("error", "referencedDistributionID").String())
		h.Text = m.Get("error", "errorCause").String()
		h.Reason = reasons[m.Get("error", "errorCode", "statusCode").Int()]
	default:
		tell(h, m.Get("emsi"))
	}
	if m.Get(name) == nil {
		return []simulator.Fault{{Reason: simulator.Structure, Where: "message/" + name, Text: "is missing"}}
	}
	found := g.Judge(*m.Get(name), "message/"+name, rules)
	if math.Abs(h.Lat) > 90 || math.Abs(h.Lon) > 180 {
		found = append(found, simulator.Fault{Reason: simulator.Structure, Where: "message/emsi/EVENT/EGEO/POSITION/COORD", Text: "is no place on Earth"})
	}
	return found
}

// first is a part, of an array its first element.
func first(n *simulator.Node, names ...string) *simulator.Node {
	for _, name := range names {
		if n = n.Get(name); n != nil && n.Sort == simulator.Array && len(n.Kids) > 0 {
			n = &n.Kids[0]
		}
	}
	return n
}

// tell reads a message of EMSI.
func tell(h *simulator.Heard, n *simulator.Node) {
	s := func(names ...string) string { return first(n, names...).String() }
	h.Incident = s("EVENT", "MAIN_EVENT_ID")
	if h.Incident == "" {
		h.Incident = s("EVENT", "ID")
	}
	if m := modes[s("CONTEXT", "MODE")]; m != simulator.Live {
		h.Mode = m
	}
	h.What, h.Text, h.Type = s("EVENT", "NAME"), s("CONTEXT", "FREETEXT"), s("EVENT", "ETYPE", "CATEGORY")
	h.More = s("EVENT", "FREETEXT")
	h.Began, h.Declared = first(n, "EVENT", "OCC_DATIME").Time(), first(n, "EVENT", "DECL_DATIME").Time()
	h.Lat, h.Lon = first(n, "EVENT", "EGEO", "POSITION", "COORD", "LAT").Float(), first(n, "EVENT", "EGEO", "POSITION", "COORD", "LONG").Float()
	h.Street = s("EVENT", "EGEO", "POSITION", "ADDRESS")
	h.Dead, h.Injured = first(n, "EVENT", "CASUALTIES", "TRIAGEBLACK").Int(), first(n, "EVENT", "CASUALTIES", "TRIAGERED").Int()
	status := s("EVENT", "STATUS")
	switch s("CONTEXT", "MSGTYPE") {
	case "ACK", "ERROR":
		h.Kind, h.Accepted, h.About = simulator.Answer, s("CONTEXT", "MSGTYPE") == "ACK", s("CONTEXT", "LINK", "ID")
	case "CANCEL":
		h.Kind = simulator.End
	case "ALERT":
		h.Kind = simulator.Event
	default:
		h.Kind = simulator.Change
		if h.What == "" && h.Type == "" && h.Lat == 0 {
			h.Kind = simulator.Text
		}
	}
	if h.Kind == simulator.Change || h.Kind == simulator.Text {
		if status == "COM" || status == "STOP" {
			h.Kind, h.Accepted = simulator.End, status == "COM"
		}
	}
}

// Write implements simulator.Profile.
func (p Profile) Write(s simulator.Say) []byte {
	kind := map[simulator.Kind]string{simulator.Event: "Report", simulator.End: "Update", simulator.Receipt: "Ack", simulator.Failure: "Error"}[s.Kind]
	if kind == "" || s.Kind == simulator.End && !s.Accepted {
		kind = map[bool]string{true: "Cancel", false: "Update"}[s.Kind == simulator.End]
	}
	status := "Actual"
	if s.Mode != simulator.Live {
		status = "Exercise"
	}
	e := list{
		{"distributionID", s.From + "_" + s.ID}, {"senderID", s.From}, {"dateTimeSent", stamp(s.Sent)}, {"dateTimeExpires", stamp(s.Expires)},
		{"distributionStatus", status}, {"distributionKind", kind},
		{"descriptor", list{{"language", "fr-FR"}, {"explicitAddress", list{{"explicitAddressScheme", "hubex"}, {"explicitAddressValue", s.To}}}}},
	}
	m := list{{"message", said(s)}}
	if p.XML {
		e = append(e, member{"content", list{{"contentObject", list{{"contentXML", list{{"embeddedXMLContent", m}}}}}}})
		var b bytes.Buffer
		b.WriteString(xml.Header)
		(list{{"edxlDistribution", e}}).xml(&b)
		return b.Bytes()
	}
	e = append(e, member{"content", []any{list{{"jsonContent", list{{"embeddedJsonContent", m}}}}}})
	var b bytes.Buffer
	e.json(&b)
	return b.Bytes()
}

// said is what an envelope carries.
func said(s simulator.Say) list {
	about := s.To + "_" + s.About
	switch s.Kind {
	case simulator.Receipt:
		return list{{"reference", list{{"distributionID", about}}}}
	case simulator.Failure:
		c := codes[s.Reason]
		return list{{"error", list{{"errorCode", list{{"statusCode", c.number}, {"statusString", c.name}}}, {"errorCause", s.Where + ": " + s.Text}, {"referencedDistributionID", about}}}}
	}
	mode := string(s.Mode)
	for word, m := range modes {
		if m == s.Mode {
			mode = word
		}
	}
	context := list{{"ID", s.ID}, {"MODE", mode}, {"MSGTYPE", msgType(s)}, {"CREATION", stamp(s.Sent)}}
	if s.About != "" {
		context = append(context, member{"LINK", []any{list{{"ID", s.About}, {"LINK_ROLE", "ADDSTO"}}}})
	}
	if s.Text != "" {
		context = append(context, member{"FREETEXT", s.Text})
	}
	context = append(context, member{"ORIGIN", list{{"ORG_ID", s.From}}})
	return list{{"emsi", list{{"CONTEXT", context}, {"EVENT", event(s)}}}}
}

func msgType(s simulator.Say) string {
	switch {
	case s.Kind == simulator.Event:
		return "ALERT"
	case s.Kind == simulator.Answer && s.Accepted:
		return "ACK"
	case s.Kind == simulator.Answer:
		return "ERROR"
	case s.Kind == simulator.End && !s.Accepted:
		return "CANCEL"
	}
	return "UPDATE"
}

func event(s simulator.Say) list {
	e := list{}
	put := func(name string, value any, is bool) {
		if is {
			e = append(e, member{name, value})
		}
	}
	put("ID", s.Incident, s.Incident != "")
	put("NAME", s.What, s.What != "")
	put("MAIN_EVENT_ID", s.Incident, s.Incident != "")
	put("ETYPE", list{{"CATEGORY", []any{s.Type}}, {"ACTOR", []any{"PPL"}}, {"LOCTYPE", []any{"OTH"}}}, s.Type != "")
	put("DECL_DATIME", stamp(s.Declared), !s.Declared.IsZero())
	put("OCC_DATIME", stamp(s.Began), !s.Began.IsZero())
	put("STATUS", map[bool]string{true: "COM", false: "STOP"}[s.Accepted], s.Kind == simulator.End)
	put("CASUALTIES", []any{list{{"CONTEXT", "REQ_ACTION"}, {"TRIAGERED", s.Injured}, {"TRIAGEBLACK", s.Dead}}}, s.Injured+s.Dead > 0)
	if s.Lat != 0 || s.Town != "" {
		place := list{{"NAME", s.Town}, {"COORDSYS", "EPSG-4326"}, {"COORD", []any{list{{"LAT", s.Lat}, {"LONG", s.Lon}}}},
			{"ADDRESS", []any{strings.TrimSpace(s.Street + " " + s.House), s.Town}}}
		put("EGEO", []any{list{{"TYPE", "GEN/EVENT"}, {"POSITION", place}}}, true)
	}
	put("FREETEXT", s.More, s.More != "")
	return e
}

func stamp(t time.Time) string { return t.Format(layout) }

// list is an object whose members have an order; of XML the elements in it.
type list []member

type member struct {
	name  string
	value any // string, int, float64, list or []any of these
}

func (l list) json(b *bytes.Buffer) {
	b.WriteByte('{')
	for i, m := range l {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, "%q:", m.name)
		writeJSON(b, m.value)
	}
	b.WriteByte('}')
}

func writeJSON(b *bytes.Buffer, value any) {
	switch v := value.(type) {
	case list:
		v.json(b)
	case []any:
		b.WriteByte('[')
		for i, x := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, x)
		}
		b.WriteByte(']')
	default:
		text, _ := json.Marshal(v) // a text or a number
		b.Write(text)
	}
}

// spaces are the namespaces that begin at an element.
var spaces = map[string]string{
	"edxlDistribution": ` xmlns="` + spaceEnvelope + `" xmlns:xlink="http://www.w3.org/1999/xlink" xlink:type="extended"`,
	"descriptor":       ` xlink:type="resource"`, "content": ` xlink:type="resource"`, "contentObject": ` xlink:type="resource"`,
	"message": ` xmlns="urn:emergency:cisu:3.0"`, "emsi": ` xmlns="urn:emergency:eda:1.9:emsi"`, "error": ` xmlns="urn:emergency:eda:1.9:error"`,
	"reference": ` xmlns="urn:emergency:eda:1.9:reference"`,
}

func (l list) xml(b *bytes.Buffer) {
	for _, m := range l {
		values, repeated := m.value.([]any)
		if !repeated {
			values = []any{m.value}
		}
		for _, v := range values {
			b.WriteString("<" + m.name + spaces[m.name] + ">")
			if parts, ok := v.(list); ok {
				parts.xml(b)
			} else {
				_ = xml.EscapeText(b, []byte(fmt.Sprint(v))) // a Buffer takes everything
			}
			b.WriteString("</" + m.name + ">")
		}
	}
}
