package edxl

import (
	"slices"
	"strconv"
	"strings"

	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// reader takes an envelope out of a document and remembers what it took.
type reader struct {
	doc      *tree.Document
	nodes    []*tree.Node // in the order of the document
	paths    map[*tree.Node]string
	used     map[*tree.Node]bool // values that a field holds
	kept     map[*tree.Node]bool // parts that are handed on whole
	contents []*tree.Node        // of each of the envelope's contents
}

// Read takes an envelope out of a document. One that its schema refuses is refused:
// nil, and the breaches. With an envelope come the warnings.
func Read(d *tree.Document) (*Envelope, []shape.Deviation) {
	if found := Check(d); len(found) > 0 {
		return nil, found
	}
	r := &reader{doc: d, paths: map[*tree.Node]string{}, used: map[*tree.Node]bool{}, kept: map[*tree.Node]bool{}}
	for p, n := range d.Walk() {
		r.nodes, r.paths[n] = append(r.nodes, n), p
	}
	e := &Envelope{Syntax: d.Syntax}
	e.Version, _ = Is(d)
	root := d.Root
	e.ID, e.Sender = r.one(root, "distributionID"), r.one(root, "senderID")
	e.Sent, e.Expires = r.trimmed(root, "dateTimeSent"), r.trimmed(root, "dateTimeExpires")
	e.Status = Status(r.trimmed(root, "distributionStatus"))
	switch {
	case d.Syntax == tree.JSON:
		e.Kind = Kind(r.one(root, "distributionKind"))
		r.json(e)
	case e.Version == V1:
		e.Kind = Kind(r.trimmed(root, "distributionType"))
		r.v1(e)
	default:
		e.Kind = Kind(r.one(root, "distributionKind"))
		r.v2(e)
	}
	r.extra(e)
	return e, r.warnings(e)
}

// collapse is what XSD does to the white space of all simple types but strings.
func collapse(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' }), " ")
}

// value takes the text of a node; collapsed if its type in the schema says so.
func (r *reader) value(n *tree.Node, collapsed bool) string {
	if n == nil {
		return ""
	}
	leaf := n
	if !n.Leaf() {
		leaf = n.Get(tree.TextName)
	}
	r.used[leaf] = true
	if collapsed && r.doc.Syntax == tree.XML {
		return collapse(n.Value())
	}
	return n.Value()
}

// one takes the value of a child: the strings of 2.0 are tokens.
func (r *reader) one(n *tree.Node, name string) string {
	return r.value(n.Get(name), n.Space != Space1)
}

// trimmed takes the value of a child that is a token in all editions.
func (r *reader) trimmed(n *tree.Node, name string) string { return r.value(n.Get(name), true) }

func (r *reader) all(n *tree.Node, name string) (all []string) {
	for _, k := range n.All(name) {
		all = append(all, r.value(k, k.Space != Space1))
	}
	return all
}

func (r *reader) lists(n *tree.Node, name string) (all []List) {
	for _, k := range n.All(name) {
		if k.Space == Space1 {
			all = append(all, List{r.one(k, "valueListUrn"), r.all(k, "value")})
			continue
		}
		l := List{URI: r.trimmed(k, "ValueListURI")}
		for _, v := range k.All("Value") {
			l.Values = append(l.Values, r.value(v, false))
		}
		all = append(all, l)
	}
	return all
}

func (r *reader) addresses(n *tree.Node) (all []Address) {
	for _, k := range n.All("explicitAddress") {
		all = append(all, Address{r.one(k, "explicitAddressScheme"), r.all(k, "explicitAddressValue")})
	}
	return all
}

// attr takes an attribute of XLink.
func (r *reader) attr(n *tree.Node, name string) string {
	for _, k := range n.Kids {
		if k.Space == spaceXLink && strings.HasSuffix(k.Name, ":"+name) {
			r.used[k] = true
			return collapse(k.Text)
		}
	}
	return ""
}

func (r *reader) links(n *tree.Node) (all []Link) {
	for _, k := range n.All("link") {
		r.attr(k, "type")
		all = append(all, Link{r.attr(k, "arcrole"), r.attr(k, "title"), r.attr(k, "show"), r.attr(k, "actuate"), r.attr(k, "from"), r.attr(k, "to")})
	}
	return all
}

func (r *reader) json(e *Envelope) {
	d := r.doc.Root.Get("descriptor")
	e.Language, e.Addresses = r.one(d, "language"), r.addresses(d)
	for _, object := range r.doc.Root.All("content") {
		r.contents = append(r.contents, object)
		e.Contents = append(e.Contents, Content{Part: r.part(object.Get("jsonContent").Get(embeddedJSON))})
	}
}

func (r *reader) v2(e *Envelope) {
	root := r.doc.Root
	r.attr(root, "type")
	if d := root.Get("descriptor"); d != nil {
		r.attr(d, "type")
		e.Confidentiality, e.Language = r.one(d, "combinedConfidentiality"), r.one(d, "language")
		e.SenderRoles, e.RecipientRoles, e.Keywords = r.lists(d, "senderRole"), r.lists(d, "recipientRole"), r.lists(d, "keyword")
		e.Addresses = r.addresses(d)
		for _, k := range d.All("targetAreas") {
			e.Areas = append(e.Areas, r.area(k))
		}
		e.Urgency, e.Severity, e.Certainty = r.one(d, "urgency"), r.one(d, "severity"), r.one(d, "certainty")
		e.Incidents, e.Descriptions = r.all(d, "incidentID"), r.all(d, "incidentDescription")
		e.Links = r.links(d)
	}
	c := root.Get("content")
	if c == nil {
		return
	}
	r.attr(c, "type")
	for _, object := range c.All("contentObject") {
		r.contents = append(r.contents, object)
		r.attr(object, "type")
		o := Content{Label: r.attr(object, "label")}
		if d := object.Get("contentDescriptor"); d != nil {
			o.Description, o.Keywords = r.one(d, "contentDescription"), r.lists(d, "contentKeyword")
			o.OriginatorRoles, o.ConsumerRoles = r.lists(d, "originatorRole"), r.lists(d, "consumerRole")
			o.IDs, o.Confidentiality, o.Language = r.all(d, "contentID"), r.one(d, "confidentiality"), r.one(d, "contentLanguage")
		}
		r.body(&o, object.Get("contentXML"), object.Get("otherContent"))
		e.Contents = append(e.Contents, o)
	}
	e.ContentLinks = r.links(c)
}

func (r *reader) v1(e *Envelope) {
	root := r.doc.Root
	e.Confidentiality, e.Language = r.one(root, "combinedConfidentiality"), r.one(root, "language")
	e.SenderRoles, e.RecipientRoles, e.Keywords = r.lists(root, "senderRole"), r.lists(root, "recipientRole"), r.lists(root, "keyword")
	e.References, e.Addresses = r.all(root, "distributionReference"), r.addresses(root)
	for _, k := range root.All("targetArea") {
		e.Areas = append(e.Areas, r.area(k))
	}
	for _, object := range root.All("contentObject") {
		r.contents = append(r.contents, object)
		o := Content{Description: r.one(object, "contentDescription"), Keywords: r.lists(object, "contentKeyword"),
			Incident: r.one(object, "incidentID"), IncidentDescription: r.one(object, "incidentDescription"),
			OriginatorRoles: r.lists(object, "originatorRole"), ConsumerRoles: r.lists(object, "consumerRole"), Confidentiality: r.one(object, "confidentiality")}
		r.body(&o, object.Get("xmlContent"), object.Get("nonXMLContent"))
		e.Contents = append(e.Contents, o)
	}
}

// body takes what a content object holds in XML.
func (r *reader) body(o *Content, embedded, other *tree.Node) {
	if other != nil {
		o.Other = &Other{r.one(other, "mimeType"), r.trimmed(other, "size"), r.one(other, "digest"), r.trimmed(other, "uri"), r.trimmed(other, "contentData")}
		return
	}
	for _, k := range embedded.All("keyXMLContent") {
		for _, key := range elements(k) {
			r.keep(key)
			o.Keys = append(o.Keys, key)
		}
	}
	for _, k := range embedded.All("embeddedXMLContent") {
		for _, root := range elements(k) {
			if p := r.part(root); o.Root == nil {
				o.Part = p
			} else {
				o.Further = append(o.Further, p)
			}
		}
	}
}

// elements are the children that are no attributes.
func elements(n *tree.Node) []*tree.Node {
	return slices.DeleteFunc(slices.Clone(n.Kids), func(k *tree.Node) bool {
		return strings.HasPrefix(k.Name, tree.AttributeMark) || k.Name == tree.TextName
	})
}

// wrapper is the name of a message around a payload, embeddedJSON that of the object
// in which one stands.
const (
	wrapper      = "message"
	embeddedJSON = "embeddedJsonContent"
)

// head are the members of a message that are not its payload (from memory: the RC-DE
// head of the French hub).
var head = []string{"messageId", "sender", "sentAt", "kind", "status", "recipient"}

// part hands on what is embedded; n is its element, or the object of JSON.
func (r *reader) part(n *tree.Node) Part {
	p := partOf(n, r.doc)
	p.Path = r.paths[p.Root]
	r.keep(p.Root)
	return p
}

func partOf(n *tree.Node, d *tree.Document) Part {
	root := unwrap(n, d.Syntax)
	p := Part{Root: root, Raw: d.Text[root.Start:root.End]}
	if d.Syntax == tree.JSON {
		n = single(n)
	}
	if n != root {
		p.Outer = n
	}
	return p
}

// single is the only member of an embedded object, if it is an object itself, else
// the embedded object.
func single(n *tree.Node) *tree.Node {
	if len(n.Kids) == 1 && n.Kids[0].Kind == tree.Object && n.Kids[0].Name != embeddedJSON && n.Kids[0].Name != "" {
		return n.Kids[0]
	}
	return n
}

// unwrap finds the payload by the rule of Part.
func unwrap(n *tree.Node, s tree.Syntax) *tree.Node {
	if s == tree.JSON {
		if n.Kind != tree.Object {
			return n
		}
		n = single(n)
	}
	if n.Name != wrapper {
		return n
	}
	var payload *tree.Node
	for _, k := range n.Kids {
		switch {
		case k.Kind != tree.Object || slices.Contains(head, k.Name):
		case payload != nil:
			return n
		default:
			payload = k
		}
	}
	if payload == nil {
		return n
	}
	return payload
}

// keep marks a part as handed on whole.
func (r *reader) keep(n *tree.Node) { r.kept[n] = true }

// extra puts down what no field holds.
func (r *reader) extra(e *Envelope) {
	inside := ""
	for _, n := range r.nodes {
		switch p := r.paths[n]; {
		case inside != "" && strings.HasPrefix(p, inside):
		case r.kept[n]:
			inside = p + "/"
		case n.Leaf() && !r.used[n]:
			e.Extra = append(e.Extra, Extra{p, n.Text})
		}
	}
}

// area keeps a target area and reads what is simple in it.
func (r *reader) area(n *tree.Node) Area {
	r.keep(n)
	return areaOf(n, r.paths[n])
}

func areaOf(n *tree.Node, path string) Area {
	a := Area{Tree: n, Path: path}
	values := func(name string) (all []string) {
		for _, k := range n.All(name) {
			all = append(all, collapse(k.Value()))
		}
		return all
	}
	if n.Space == Space1 {
		a.Countries, a.Subdivisions, a.Codes = values("country"), values("subdivision"), values("locCodeUN")
		for _, text := range values("circle") {
			center, radius, _ := strings.Cut(text, " ")
			p, ok := pointOf(center)
			if km, err := strconv.ParseFloat(radius, 64); ok && err == nil {
				a.Circles = append(a.Circles, Circle{p, km})
			}
		}
		for _, text := range values("polygon") {
			if p, ok := polygonOf(text); ok {
				a.Polygons = append(a.Polygons, p)
			}
		}
		return a
	}
	a.Kind, a.Grouping = collapse(n.Get("areaKind").Value()), collapse(n.Get("areaGrouping").Value())
	for _, k := range n.All("targetArea") {
		place := k.Get("geoPoliticalLocation")
		if country := place.Get("Address").Get("Country").Get("NameElement"); country != nil {
			a.Countries = append(a.Countries, collapse(country.Value()))
		}
		for _, code := range place.Get("GeoCode").All("Value") {
			a.Codes = append(a.Codes, code.Value())
		}
	}
	return a
}

// pointOf reads a pair "latitude,longitude" of 1.0.
func pointOf(text string) (Point, bool) {
	lat, lon, ok := strings.Cut(text, ",")
	y, err1 := strconv.ParseFloat(lat, 64)
	x, err2 := strconv.ParseFloat(lon, 64)
	return Point{y, x}, ok && err1 == nil && err2 == nil && y >= -90 && y <= 90 && x >= -180 && x <= 180
}

func polygonOf(text string) (points []Point, ok bool) {
	for _, pair := range strings.Fields(text) {
		p, ok := pointOf(pair)
		if !ok {
			return nil, false
		}
		points = append(points, p)
	}
	return points, len(points) > 0
}
