package cap

import (
	"strings"

	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// Read reads a message. What its schema does not permit comes as deviations, and what
// can be read is read nevertheless; a document that is no message at all has no Alert.
func Read(doc []byte) (*Alert, []shape.Deviation, *tree.Fault) {
	if a, ok := scan(doc); ok {
		return a, nil, nil
	}
	d, f := tree.Parse(doc, Limits)
	if f != nil {
		return nil, nil, f
	}
	a, found := FromDocument(d)
	return a, found, nil
}

// FromDocument is Read for a document that is read already: XML, or the JSON in which
// some systems give the same members (spec: none; MoWaS, MeteoAlarm), which no schema
// judges.
func FromDocument(d *tree.Document) (*Alert, []shape.Deviation) {
	version, ok := Is(d)
	if !ok {
		return nil, Check(d)
	}
	a := build(d.Root)
	a.Version = version
	if d.Syntax == tree.JSON {
		return a, nil
	}
	return a, schema(d, version)
}

// Is reports whether a document is meant to be a warning, and of which edition.
func Is(d *tree.Document) (Version, bool) {
	n := d.Root
	if d.Syntax == tree.JSON {
		return V12, n.Kind == tree.Object && n.Get("identifier") != nil && n.Get("msgType") != nil && n.Get("sent") != nil
	}
	v, ok := versions[n.Space]
	return v, ok && n.Name == "alert"
}

// one is the first value of a name.
func one(n *tree.Node, name string) string {
	if k := n.Get(name); k != nil && k.Kind != tree.Null {
		return k.Value()
	}
	return ""
}

// many are the values of a name.
func many(n *tree.Node, name string) (all []string) {
	for _, k := range n.All(name) {
		all = append(all, k.Value())
	}
	return all
}

// pairs are the named values of a name; 1.0 writes them as name=value.
func pairs(n *tree.Node, name string) (all []Pair) {
	for _, k := range n.All(name) {
		if k.Get("valueName") == nil && k.Leaf() {
			name, value, _ := strings.Cut(k.Value(), "=")
			all = append(all, Pair{strings.TrimSpace(name), strings.TrimSpace(value)})
			continue
		}
		all = append(all, Pair{one(k, "valueName"), one(k, "value")})
	}
	return all
}

func build(n *tree.Node) *Alert {
	a := &Alert{
		Identifier: one(n, "identifier"), Sender: one(n, "sender"), Password: one(n, "password"), Sent: one(n, "sent"), Status: one(n, "status"),
		MsgType: one(n, "msgType"), Source: one(n, "source"), Scope: one(n, "scope"), Restriction: one(n, "restriction"), Addresses: one(n, "addresses"),
		Codes: many(n, "code"), Note: one(n, "note"), References: one(n, "references"), Incidents: one(n, "incidents"), Infos: []Info{},
	}
	infos := n.All("info")
	for _, k := range infos[:min(len(infos), MaxInfos)] {
		a.Infos = append(a.Infos, buildInfo(k))
	}
	return a
}

func buildInfo(n *tree.Node) Info {
	f := Info{
		Language: one(n, "language"), Categories: many(n, "category"), Event: one(n, "event"), ResponseTypes: many(n, "responseType"), Urgency: one(n, "urgency"),
		Severity: one(n, "severity"), Certainty: one(n, "certainty"), Audience: one(n, "audience"), EventCodes: pairs(n, "eventCode"),
		Effective: one(n, "effective"), Onset: one(n, "onset"), Expires: one(n, "expires"), SenderName: one(n, "senderName"), Headline: one(n, "headline"),
		Description: one(n, "description"), Instruction: one(n, "instruction"), Web: one(n, "web"), Contact: one(n, "contact"), Parameters: pairs(n, "parameter"),
	}
	for _, k := range n.All("resource") {
		f.Resources = append(f.Resources, Resource{one(k, "resourceDesc"), one(k, "mimeType"), one(k, "size"), one(k, "uri"), one(k, "derefUri"), one(k, "digest")})
	}
	for _, k := range n.All("area") {
		f.Areas = append(f.Areas, Area{one(k, "areaDesc"), many(k, "polygon"), many(k, "circle"), pairs(k, "geocode"), one(k, "altitude"), one(k, "ceiling")})
	}
	return f
}
