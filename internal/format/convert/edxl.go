package convert

import (
	"slices"
	"strings"
	"time"

	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/edxl"
	"trojmezi/internal/format/emsi"
	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/tree"
)

const (
	systemEDXL = "edxl"
	edxlRoot   = "edxlDistribution"
	edxlSpace  = "urn:oasis:names:tc:emergency:EDXL:DE:2.0"
	// edxlLife is how long an envelope is good when the message says nothing.
	edxlLife = 24 * time.Hour
)

// kindsOf are the kinds of an envelope for the types of a message of EMSI, statuses
// those for its modes.
var (
	kindsOf  = map[string]string{"ALERT": "Report", "UPDATE": "Update", "CANCEL": "Cancel", "ACK": "Ack", "ERROR": "Error"}
	statuses = map[string]string{"ACTUAL": "Actual", "EXERCS": "Exercise", "SYSTEM": "System", "TEST": "Test"}
	// statusModes are the modes of the statuses; any other may be an exercise.
	statusModes = map[string]string{"": "", "Actual": "ACTUAL", "Exercise": "EXERCS", "System": "SYSTEM", "Test": "TEST"}
	statusNames = map[string]bool{"distributionStatus": true, "status": true}
)

// embedded is where content stands in the two syntaxes.
const (
	contentXML  = "content/contentObject/contentXML/embeddedXMLContent"
	contentJSON = "content/jsonContent/embeddedJsonContent"
)

// content finds the message of EMSI in an envelope, with its path; nil without.
func content(d *tree.Document) (*tree.Node, string) {
	for p, n := range d.Walk() {
		if embeds(n) {
			if inner, path, ok := emsi.Find(n, d.Syntax, p); ok {
				return inner, path
			}
		}
	}
	return nil, ""
}

// embeds reports whether a node holds what somebody put into an envelope.
func embeds(n *tree.Node) bool {
	return n.Name == "embeddedXMLContent" || n.Name == "embeddedJsonContent"
}

// other finds a message of EMSI beside one, nil without.
func other(d *tree.Document, one *tree.Node) *tree.Node {
	for _, n := range d.Walk() {
		m := n
		if embeds(n) {
			m, _, _ = emsi.Find(n, d.Syntax, "")
		} else if !strings.EqualFold(n.Name, emsiRoot) {
			continue
		}
		if m != nil && m != one && len(m.Kids) > 0 {
			return m
		}
	}
	return nil
}

// readOne reads a message of EMSI with what stands around it. There has to be an
// event in it, and no other message beside it.
func readOne(d *tree.Document, inner *tree.Node, path string) (*source, *incident.Incident, *Fault) {
	if m := other(d, inner); m != nil {
		return nil, nil, refuse(m.Line, "two_messages", nil)
	}
	if part(inner, "EVENT") == nil {
		return nil, nil, refuse(inner.Line, "no_event", nil)
	}
	s, i := readEMSI(d, inner, path)
	s.outside(d, inner)
	for _, l := range s.leaves {
		// An envelope, or a head beside the message, says it too.
		if strings.HasPrefix(l.key, outsideMark) && statusNames[l.node.Name] {
			said, known := statusModes[strings.TrimSpace(l.node.Text)]
			if !known {
				said = isUnknown.mode
			}
			s.real = realityOf(s.real.mode, said)
		}
	}
	return s, i, nil
}

// readEDXL reads an envelope with the message of EMSI in it.
func readEDXL(d *tree.Document) (*source, *incident.Incident, *Fault) {
	inner, path := content(d)
	if inner == nil {
		return nil, nil, refuse(d.Root.Line, "no_content", nil)
	}
	s, i, f := readOne(d, inner, path)
	if f != nil {
		return nil, nil, f
	}
	m := &i.Message
	take := func(v *incident.Value, names ...string) {
		for _, l := range s.leaves {
			if !l.taken && !v.Is() && strings.HasPrefix(l.key, outsideMark) && strings.HasSuffix(unnumbered(l.path), "/"+strings.Join(names, "/")) {
				l.taken = true
				*v = s.value(l)
				v.Origin.System = systemEDXL
			}
		}
	}
	take(&m.Envelope.ID, "distributionID")
	take(&m.Envelope.Sender, "senderID")
	take(&m.Envelope.Kind, "distributionKind")
	take(&m.Envelope.Scheme, "explicitAddress", "explicitAddressScheme")
	if !m.Sender.Address.Is() {
		m.Sender.Address = m.Envelope.Sender
	}
	if s.sender == "" {
		s.sender = m.Sender.Address.Text
	}
	grow(&m.Receivers, 1)
	take(&m.Receivers[0].Address, "explicitAddress", "explicitAddressValue")
	take(&m.Expires, "dateTimeExpires")
	take(&m.Sent, "dateTimeSent")
	take(&m.Language, "descriptor", "language")
	s.rest(i)
	return s, i, nil
}

// unnumbered is a path without the numbers of what repeats.
func unnumbered(path string) string {
	parts := strings.Split(path, "/")
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p != "" && strings.Trim(p, "0123456789") == "" }), "/")
}

// toEDXL writes an envelope with the message of EMSI in it.
func toEDXL(s *source, i *incident.Incident, to Format, wrapped bool) *result {
	root := &tree.Node{Name: edxlRoot, Space: edxlSpace, Kind: tree.Object}
	r := newResult(tree.XML, root, map[string]bool{})
	inside := ""
	if wrapped {
		inside = "/message"
	}
	content := contentXML + inside + "/" + emsiRoot
	if to == EDXLJSON {
		r.syntax, root.Name, root.Space = tree.JSON, "", ""
		content = contentJSON + inside + "/" + emsiRoot
		r.arrays = map[string]bool{"content": true}
		for k := range emsiArrays {
			r.arrays[content+"/"+k] = true
		}
	}
	if to == EDXLXML {
		root.Kids = append(root.Kids, linked("extended"))
	}
	m := &i.Message
	sender, ok := edxlText(m.Envelope.Sender)
	if !ok {
		sender, ok = edxlText(m.Sender.Address)
	}
	if !ok {
		sender = derived(unnamed, nil)
	}
	sent := sentAt(i)
	t, _ := moment(sent)
	end := derived(t.Add(edxlLife).Format(emsiTime), nil)
	if sent.Text == noTime {
		end = derived(noEnd, nil)
	}
	if e, ok := moment(m.Expires); ok {
		end = derived(e.Format(emsiTime), &m.Expires)
	}
	m.Type = s.typeOf(i)
	kind, _ := emsi.Known(emsi.MessageTypeList, m.Type.Text)
	if kind = kindsOf[kind]; kind == "" {
		kind = kindsOf["ALERT"]
	}
	for _, k := range kindsOf {
		if k == m.Envelope.Kind.Text { // it says more than the message in it, which may know no other than ALERT
			kind = k
		}
	}
	status := statuses[s.real.mode]
	if to == EDXLJSON && status != statuses["ACTUAL"] {
		status = statuses["EXERCS"] // the profile has two
	}
	id, ok := edxlText(m.Envelope.ID)
	if !ok {
		if id, ok = edxlText(m.ID); !ok {
			id = uuidOf(m.ID, sender)
		}
		id = derived(sender.Text+"_"+id.Text, nil)
	}
	r.moved(&id, r.put("distributionID", id.Text, tree.String), Rewritten)
	at := r.put("senderID", sender.Text, tree.String)
	if m.Envelope.Sender.Is() {
		r.moved(&m.Envelope.Sender, at, Rewritten)
	}
	when := r.put("dateTimeSent", t.Format(emsiTime), tree.String)
	if own, ok := moment(m.Sent); ok {
		reason := Rewritten
		if own.Nanosecond() != 0 {
			reason = Partly
		}
		r.moved(&m.Sent, when, reason)
	}
	r.moved(&end, r.put("dateTimeExpires", end.Text, tree.String), Rewritten)
	r.put("distributionStatus", status, tree.String)
	stated := derived(kind, nil)
	if kind == m.Envelope.Kind.Text {
		stated = m.Envelope.Kind
	}
	r.moved(&stated, r.put("distributionKind", kind, tree.String), Rewritten)
	language := derived(undetermined, nil)
	if v, ok := edxlText(m.Language); ok && cap.IsLanguage(v.Text) {
		language = v
	}
	r.moved(&language, r.put("descriptor/language", language.Text, tree.String), Rewritten)
	receiver := derived(unnamed, nil)
	if len(m.Receivers) > 0 {
		if v, ok := edxlText(m.Receivers[0].Address); ok {
			receiver = v
		}
	}
	scheme, ok := edxlText(m.Envelope.Scheme)
	if !ok {
		scheme = derived("hubex", nil)
	}
	r.moved(&scheme, r.put("descriptor/explicitAddress/explicitAddressScheme", scheme.Text, tree.String), Rewritten)
	r.moved(&receiver, r.put("descriptor/explicitAddress/explicitAddressValue", receiver.Text, tree.String), Rewritten)
	if to == EDXLXML {
		if wrapped {
			r.put(contentXML+inside, "", tree.String).Space = edxl.SpaceMessage
		}
		r.put(content, "", tree.String).Space = emsiSpace
	}
	r.emsi(s, i, content)
	if to == EDXLXML {
		inner := root.Get("content")
		for _, n := range []*tree.Node{root.Get("descriptor"), inner, inner.Get("contentObject")} {
			n.Kids = slices.Insert(n.Kids, 0, linked("resource"))
		}
	}
	return r
}

// linked is the attribute by which version 2.0 calls its parts ends of links.
func linked(kind string) *tree.Node {
	return &tree.Node{Name: tree.AttributeMark + "xlink:type", Space: "http://www.w3.org/1999/xlink", Kind: tree.String, Text: kind}
}

const (
	// edxlLength bounds a text of an envelope, in characters. A text has half of it,
	// since two are joined in the envelope's number, and bytes are never fewer.
	edxlLength = 1023
	// undetermined is the language of which nobody said anything (spec: ISO 639-2).
	undetermined = "und"
	// noEnd is when an envelope expires of which nobody knows when it was sent: one that
	// had expired would be thrown away.
	noEnd = "9999-12-31T23:59:59+00:00"
	// unnamed stands where the envelope demands an address and nobody said one.
	unnamed = "unknown"
)

// edxlText is a value as a text of an envelope, which has no empty ones; false if it
// is none.
func edxlText(v incident.Value) (incident.Value, bool) {
	text := strings.Join(strings.Fields(v.Text), " ")
	return derived(text, &v), text != "" && len(text) < edxlLength/2
}
