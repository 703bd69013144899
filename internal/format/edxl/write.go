package edxl

import (
	"bytes"
	"encoding/xml"
	"strconv"
	"strings"

	"trojmezi/internal/format/tree"
)

// Write writes an envelope in its canonical form: the order of the schema, UTF-8, one
// value a line. It is valid by the schema as far as the fields are: a part must be of
// the envelope's syntax and, in XML, in a namespace of its own. What
// tree.Node does not keep of a part is lost in it: comments, the place of text between
// elements, and prefixes that only values use (xsi:type). Part.Raw has them.
func Write(e *Envelope) []byte {
	switch {
	case e.Syntax == tree.JSON:
		return tree.AppendJSON(nil, e.json())
	case e.Version == V1:
		return document(e.v1())
	}
	return document(e.v2())
}

func object(name, space string, kids ...*tree.Node) *tree.Node {
	return &tree.Node{Name: name, Space: space, Kind: tree.Object, Kids: kids}
}

func stringOf(name, space, text string) *tree.Node {
	return &tree.Node{Name: name, Space: space, Kind: tree.String, Text: text}
}

// put adds a child of the same namespace for every text there is.
func put(n *tree.Node, name string, texts ...string) {
	for _, t := range texts {
		if t != "" {
			n.Kids = append(n.Kids, stringOf(name, n.Space, t))
		}
	}
}

// each adds a child for every text, also an empty one.
func each(n *tree.Node, name, space string, texts []string) {
	for _, t := range texts {
		n.Kids = append(n.Kids, stringOf(name, space, t))
	}
}

func putLink(n *tree.Node, name, text string) {
	if text != "" {
		n.Kids = append(n.Kids, stringOf(tree.AttributeMark+"xlink:"+name, spaceXLink, text))
	}
}

func putLists(n *tree.Node, name string, all []List) {
	for _, l := range all {
		k := object(name, n.Space)
		if n.Space == Space1 {
			each(k, "valueListUrn", Space1, []string{l.URI})
			each(k, "value", Space1, l.Values)
		} else {
			each(k, "ValueListURI", spaceCommon, []string{l.URI})
			each(k, "Value", spaceCommon, l.Values)
		}
		n.Kids = append(n.Kids, k)
	}
}

func putAddresses(n *tree.Node, all []Address) {
	for _, a := range all {
		k := object("explicitAddress", n.Space)
		each(k, "explicitAddressScheme", n.Space, []string{a.Scheme})
		each(k, "explicitAddressValue", n.Space, a.Values)
		n.Kids = append(n.Kids, k)
	}
}

func putLinks(n *tree.Node, all []Link) {
	for _, l := range all {
		k := object("link", n.Space)
		for _, a := range [][2]string{{"type", "arc"}, {"arcrole", l.Role}, {"title", l.Title}, {"show", l.Show}, {"actuate", l.Actuate}, {"from", l.From}, {"to", l.To}} {
			putLink(k, a[0], a[1])
		}
		n.Kids = append(n.Kids, k)
	}
}

func putAreas(n *tree.Node, all []Area) {
	for _, a := range all {
		if a.Tree != nil {
			n.Kids = append(n.Kids, a.Tree)
		}
	}
}

// putHead adds what every envelope begins with; all of it must stand.
func (e *Envelope) putHead(n *tree.Node, kind string) {
	names := []string{"distributionID", "senderID", "dateTimeSent", "dateTimeExpires", "distributionStatus", kind}
	for i, text := range []string{e.ID, e.Sender, e.Sent, e.Expires, string(e.Status), string(e.Kind)} {
		if e.Version != V1 || names[i] != "dateTimeExpires" {
			each(n, names[i], n.Space, []string{text})
		}
	}
}

func (e *Envelope) json() *tree.Node {
	root := object("", "")
	e.putHead(root, "distributionKind")
	d := object("descriptor", "")
	each(d, "language", "", []string{e.Language})
	putAddresses(d, e.Addresses[:min(1, len(e.Addresses))])
	list := &tree.Node{Name: "content", Kind: tree.Array}
	for _, c := range e.Contents {
		list.Kids = append(list.Kids, object("", "", object("jsonContent", "", c.json())))
	}
	root.Kids = append(root.Kids, d, list)
	return root
}

// json is the embedded object of a part.
func (p Part) json() *tree.Node {
	switch n := p.top(); {
	case n == nil:
		return object(embeddedJSON, "")
	case n.Name == "" || n.Name == embeddedJSON:
		return object(embeddedJSON, "", n.Kids...)
	default:
		return object(embeddedJSON, "", n)
	}
}

// top is what Write writes of a part.
func (p Part) top() *tree.Node {
	if p.Outer != nil {
		return p.Outer
	}
	return p.Root
}

func (e *Envelope) v2() *tree.Node {
	root := object("edxlDistribution", Space2)
	putLink(root, "type", "extended")
	e.putHead(root, "distributionKind")
	d := object("descriptor", Space2)
	putLink(d, "type", "resource")
	empty := len(d.Kids)
	put(d, "combinedConfidentiality", e.Confidentiality)
	put(d, "language", e.Language)
	putLists(d, "senderRole", e.SenderRoles)
	putLists(d, "recipientRole", e.RecipientRoles)
	putLists(d, "keyword", e.Keywords)
	putAddresses(d, e.Addresses)
	putAreas(d, e.Areas)
	put(d, "urgency", e.Urgency)
	put(d, "severity", e.Severity)
	put(d, "certainty", e.Certainty)
	put(d, "incidentID", e.Incidents...)
	put(d, "incidentDescription", e.Descriptions...)
	putLinks(d, e.Links)
	if len(d.Kids) > empty {
		root.Kids = append(root.Kids, d)
	}
	if len(e.Contents) == 0 {
		return root
	}
	c := object("content", Space2)
	putLink(c, "type", "resource")
	for i := range e.Contents {
		c.Kids = append(c.Kids, e.Contents[i].v2())
	}
	putLinks(c, e.ContentLinks)
	root.Kids = append(root.Kids, c)
	return root
}

func (c *Content) v2() *tree.Node {
	o := object("contentObject", Space2)
	putLink(o, "type", "resource")
	putLink(o, "label", c.Label)
	d := object("contentDescriptor", Space2)
	put(d, "contentDescription", c.Description)
	putLists(d, "contentKeyword", c.Keywords)
	putLists(d, "originatorRole", c.OriginatorRoles)
	putLists(d, "consumerRole", c.ConsumerRoles)
	put(d, "contentID", c.IDs...)
	put(d, "confidentiality", c.Confidentiality)
	put(d, "contentLanguage", c.Language)
	if len(d.Kids) > 0 {
		o.Kids = append(o.Kids, d)
	}
	c.putBody(o, "contentXML", "otherContent")
	return o
}

// putBody adds what a content object holds in XML.
func (c *Content) putBody(o *tree.Node, embedded, other string) {
	if c.Other != nil {
		k := object(other, o.Space)
		each(k, "mimeType", o.Space, []string{c.Other.MIME})
		put(k, "size", c.Other.Size)
		put(k, "digest", c.Other.Digest)
		put(k, "uri", c.Other.URI)
		if c.Other.Data != "" || c.Other.URI == "" {
			each(k, "contentData", o.Space, []string{c.Other.Data})
		}
		o.Kids = append(o.Kids, k)
		return
	}
	k := object(embedded, o.Space)
	for _, key := range c.Keys {
		k.Kids = append(k.Kids, object("keyXMLContent", o.Space, key))
	}
	for _, p := range append([]Part{c.Part}, c.Further...) {
		if n := p.top(); n != nil {
			k.Kids = append(k.Kids, object("embeddedXMLContent", o.Space, n))
		}
	}
	o.Kids = append(o.Kids, k)
}

func (e *Envelope) v1() *tree.Node {
	root := object("EDXLDistribution", Space1)
	e.putHead(root, "distributionType")
	each(root, "combinedConfidentiality", Space1, []string{e.Confidentiality})
	put(root, "language", e.Language)
	putLists(root, "senderRole", e.SenderRoles)
	putLists(root, "recipientRole", e.RecipientRoles)
	putLists(root, "keyword", e.Keywords)
	each(root, "distributionReference", Space1, e.References)
	putAddresses(root, e.Addresses)
	putAreas(root, e.Areas)
	for i := range e.Contents {
		c := &e.Contents[i]
		o := object("contentObject", Space1)
		put(o, "contentDescription", c.Description)
		putLists(o, "contentKeyword", c.Keywords)
		put(o, "incidentID", c.Incident)
		put(o, "incidentDescription", c.IncidentDescription)
		putLists(o, "originatorRole", c.OriginatorRoles)
		putLists(o, "consumerRole", c.ConsumerRoles)
		put(o, "confidentiality", c.Confidentiality)
		c.putBody(o, "xmlContent", "nonXMLContent")
		root.Kids = append(root.Kids, o)
	}
	return root
}

// scope is what the prefixes mean in an element.
type scope struct {
	up            *scope
	prefix, space string
}

func (s *scope) means(prefix string) string {
	for ; s != nil; s = s.up {
		if s.prefix == prefix {
			return s.space
		}
	}
	return ""
}

// document writes a tree as an XML document, with the prefixes its attributes need.
func document(root *tree.Node) []byte {
	return append(appendXML([]byte(xml.Header), root, "", nil, "\n"), '\n')
}

// appendXML writes an element; line is the break before its children, "" within text,
// to which a break would add.
func appendXML(dst []byte, n *tree.Node, space string, s *scope, line string) []byte {
	dst = append(append(dst, '<'), n.Name...)
	if n.Space != space {
		dst = append(appendText(append(dst, ` xmlns="`...), n.Space), '"')
	}
	var kids []*tree.Node
	outside := s
	for _, k := range n.Kids {
		name, isAttribute := strings.CutPrefix(k.Name, tree.AttributeMark)
		if !isAttribute {
			kids = append(kids, k)
			if k.Name == tree.TextName {
				line = ""
			}
			continue
		}
		if k.Space != "" && k.Space != spaceXML {
			prefix, local, ok := strings.Cut(name, ":")
			if !ok {
				prefix, local = "", name
			}
			dst, s, prefix = declare(dst, s, outside, prefix, k.Space)
			name = prefix + ":" + local
		}
		dst = append(append(append(dst, ' '), name...), `="`...)
		dst = append(appendText(dst, k.Text), '"')
	}
	if n.Text == "" && len(kids) == 0 {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	if n.Kind != tree.Object {
		dst = appendText(dst, n.Text)
	}
	inner := line
	if line != "" {
		inner = line + "  "
	}
	for _, k := range kids {
		if k.Name == tree.TextName {
			dst = appendText(dst, k.Text)
			continue
		}
		dst = appendXML(append(dst, inner...), k, n.Space, s, inner)
	}
	if len(kids) > 0 {
		dst = append(dst, line...)
	}
	return append(append(append(dst, "</"...), n.Name...), '>')
}

// declare makes a prefix mean a namespace: another one if the element has used it for
// something else, or if XML keeps it for itself.
func declare(dst []byte, s, outside *scope, prefix, space string) ([]byte, *scope, string) {
	if prefix != "" && s.means(prefix) == space {
		return dst, &scope{s, prefix, space}, prefix // used: it may mean nothing else here
	}
	for n := 1; prefix == "" || strings.HasPrefix(prefix, "xml") || taken(s, outside, prefix); n++ {
		prefix = "ns" + strconv.Itoa(n)
	}
	dst = append(appendText(append(append(append(dst, " xmlns:"...), prefix...), `="`...), space), '"')
	return dst, &scope{s, prefix, space}, prefix
}

// taken reports whether an element has declared or used a prefix itself.
func taken(s, outside *scope, prefix string) bool {
	for ; s != outside; s = s.up {
		if s.prefix == prefix {
			return true
		}
	}
	return false
}

// appendText writes text so that it means the same in an element and between
// quotation marks.
func appendText(dst []byte, text string) []byte {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // a Buffer takes all
	return append(dst, b.Bytes()...)
}
