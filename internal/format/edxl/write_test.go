package edxl

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"trojmezi/internal/format/tree"
)

// generator makes envelopes that their schema permits.
type generator struct {
	*rapid.T
	v1, json bool
}

func pick[V any](g generator, values ...V) V { return rapid.SampledFrom(values).Draw(g.T, "one of") }

func (g generator) yes() bool { return rapid.Bool().Draw(g.T, "yes") }

func (g generator) token() string {
	return rapid.StringMatching(`[a-zA-Zžł0-9<&>"'.:/_-]{1,12}( [a-z\]>]{1,3})?`).Draw(g.T, "token")
}

// text is a string: of 2.0 a token, of the others anything that may be written.
func (g generator) text() string {
	if !g.v1 && !g.json {
		return g.token()
	}
	return rapid.StringMatching(`[a-zž \t\r\n<&>"'\x{2028}\x{1F692}]{1,9}`).Draw(g.T, "text")
}

func (g generator) maybe(text func() string) string {
	if g.yes() {
		return ""
	}
	return text()
}

func several[V any](g generator, least int, make func() V) (all []V) {
	for range rapid.IntRange(least, least+2).Draw(g.T, "n") {
		all = append(all, make())
	}
	return all
}

func (g generator) lists() []List {
	least := 1
	if g.v1 {
		least = 0
	}
	return several(g, 0, func() List {
		uri := pick(g, "", "urn:example:a", "https://example.cz/a?b#c")
		return List{uri, several(g, least, func() string { return pick(g, "", " a  b ", "ž", "\t\r\n", g.token()) })}
	})
}

func (g generator) when() string {
	if g.json {
		return pick(g, "2026-03-01T14:03:12Z", "2026-03-01t14:03:12.25+23:59", "2026-03-01T23:59:60Z")
	}
	if g.v1 {
		return pick(g, "2026-03-01T14:03:12", "2026-03-01T14:03:12.5Z", "-0044-03-15T24:00:00+14:00")
	}
	return pick(g, "2026-03-01T14:03:12+01:00", "2024-02-29T24:00:00-14:00")
}

// element is a random element of a namespace.
func (g generator) element(name, space string, depth int) *tree.Node {
	n := stringOf(name, space, "")
	for _, a := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "p:a", "p:b", "q:b", "xml:lang"}), 0, 3, localName).Draw(g.T, "attributes") {
		k := stringOf(tree.AttributeMark+a, "", g.maybe(g.token))
		switch prefix, _, _ := strings.Cut(a, ":"); prefix {
		case "p", "q":
			k.Space = "urn:" + prefix + pick(g, "1", "2")
			if g.yes() { // the same prefix for another namespace
				k.Name = tree.AttributeMark + "p:" + localName(a)
			}
		case "xml":
			k.Space, k.Text = spaceXML, "cs"
		}
		n.Kids = append(n.Kids, k)
	}
	for depth > 0 && g.yes() {
		n.Kids = append(n.Kids, g.element(pick(g, "b", "message", "č"), pick(g, space, "urn:example:c"), depth-1))
	}
	text := g.maybe(func() string { return pick(g, "x", " <y>\r\n", "]]>", g.token()) })
	switch {
	case len(n.Kids) == 0:
		n.Text = text
	case text != "":
		n.Kids, n.Kind = append(n.Kids, stringOf(tree.TextName, "", text)), tree.Object
	default:
		n.Kind = tree.Object
	}
	return n
}

func localName(name string) string { return name[strings.LastIndexByte(name, ':')+1:] }

// member is a random value of JSON.
func (g generator) member(name string, depth int) *tree.Node {
	kind := pick(g, tree.Object, tree.Array, tree.String, tree.Number, tree.Boolean, tree.Null)
	if depth == 0 && (kind == tree.Object || kind == tree.Array) {
		kind = tree.String
	}
	n := &tree.Node{Name: name, Kind: kind}
	switch kind {
	case tree.Object:
		n.Kids = g.members(depth-1, 0)
	case tree.Array:
		n.Kids = several(g, 0, func() *tree.Node { return g.member("", depth-1) })
	case tree.String:
		n.Text = pick(g, "", "\u0000\"\\", g.token())
	case tree.Number:
		n.Text = pick(g, "-1.50e3", "0")
	case tree.Boolean:
		n.Text = pick(g, "true", "false")
	case tree.Null:
		n.Text = "null"
	}
	return n
}

func (g generator) members(depth, least int) (all []*tree.Node) {
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "message", "ž\"", "", "#text", "@a"}), least, least+2, rapid.ID).Draw(g.T, "names") {
		all = append(all, g.member(name, depth))
	}
	return all
}

func (g generator) part() Part {
	var p Part
	switch {
	case !g.json:
		p.Root = g.element(pick(g, "emsi", "a"), pick(g, "urn:example:a", spaceXLink), 2)
	case g.yes():
		p.Root = object(embeddedJSON, "", g.members(2, 2)...) // not one that stands for its member
	default:
		p.Root = object(pick(g, "emsi", "x\"/"), "", g.members(2, 0)...)
	}
	if p.Root.Kind == tree.Object && len(p.Root.Kids) > 0 && p.Root.Name != embeddedJSON && g.yes() {
		space := ""
		if !g.json {
			space = SpaceMessage
		}
		p = p.Wrapped(space)
		p.Outer.Kids = append(p.Outer.Kids, stringOf("messageId", space, g.token()))
	}
	return p
}

func (g generator) content() Content {
	c := Content{}
	if g.json {
		c.Part = g.part()
		return c
	}
	c.Description, c.Keywords, c.OriginatorRoles, c.ConsumerRoles = g.maybe(g.text), g.lists(), g.lists(), g.lists()
	if g.v1 {
		c.Incident, c.IncidentDescription, c.Confidentiality = g.maybe(g.text), g.maybe(g.text), g.maybe(g.text)
	} else {
		c.IDs, c.Confidentiality, c.Language = several(g, 0, g.token), pick(g, "", "Unclassified", "Classified"), pick(g, "", "cs", "x-a")
		c.Label = pick(g, "", "one", "ž")
	}
	if g.yes() {
		c.Other = &Other{MIME: g.text(), Size: pick(g, "", "5"), Digest: pick(g, "", "AA=="), URI: pick(g, "", "urn:a"), Data: pick(g, "", "YWJj")}
		return c
	}
	c.Part = g.part()
	if g.v1 {
		c.Further = several(g, 0, g.part)
	}
	if g.v1 || g.yes() {
		c.Keys = []*tree.Node{g.element("key", "urn:example:k", 1)}
	}
	return c
}

func (g generator) links() []Link {
	return several(g, 0, func() Link {
		return Link{pick(g, "", "urn:a"), pick(g, "", "část"), pick(g, "", "new"), pick(g, "", "other"), pick(g, "", "a"), pick(g, "", "b")}
	})
}

func (g generator) area() Area {
	text := `<targetArea xmlns="` + Space1 + `"><circle>50.9,14.8 ` + pick(g, "5", "0.5", "x") + `</circle><polygon>1,2 3,4 1,2</polygon><country>CZ</country><locCodeUN/></targetArea>`
	if !g.v1 {
		text = `<targetAreas xmlns="` + Space2 + `"><areaKind>Unknown</areaKind><areaGrouping>Union</areaGrouping><targetArea><geoPoliticalLocation><c:GeoCode xmlns:c="` + spaceCommon +
			`"><c:ValueListURI/><c:Value>` + pick(g, "CZ", "DE") + `</c:Value></c:GeoCode></geoPoliticalLocation></targetArea></targetAreas>`
	}
	d, f := tree.Parse([]byte(text), tree.DefaultLimits)
	if f != nil {
		g.Fatal(f)
	}
	return areaOf(d.Root, "")
}

func (g generator) envelope() *Envelope {
	e := &Envelope{Version: V2, Syntax: tree.XML, ID: g.text(), Sender: g.text(), Sent: g.when(),
		Status: pick(g, Actual, Exercise), Kind: pick(g, Report, Update, Cancel, Ack, Error)}
	if g.json {
		e.Syntax, e.Expires, e.Language = tree.JSON, g.when(), g.maybe(g.text)
		e.Addresses = []Address{{g.text(), []string{g.maybe(g.text)}}}
		e.Contents = several(g, 1, g.content)
		return e
	}
	e.SenderRoles, e.RecipientRoles, e.Keywords = g.lists(), g.lists(), g.lists()
	e.Addresses = several(g, 0, func() Address { return Address{g.text(), several(g, 1, g.text)} })
	e.Areas, e.Contents = several(g, 0, g.area), several(g, 0, g.content)
	if g.v1 {
		e.Version, e.Confidentiality, e.Language, e.References = V1, g.maybe(g.text), g.maybe(g.text), several(g, 0, g.text)
		return e
	}
	e.Expires, e.Confidentiality, e.Language = g.when(), pick(g, "", "Classified"), pick(g, "", "de-DE")
	e.Urgency, e.Severity, e.Certainty = pick(g, "", "Past"), pick(g, "", "Minor"), pick(g, "", "Likely")
	e.Incidents, e.Descriptions, e.Links = several(g, 0, g.token), several(g, 0, g.token), g.links()
	if len(e.Contents) > 0 {
		e.ContentLinks = g.links()
	}
	return e
}

func TestProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := generator{T: t}
		switch pick(g, "1.0", "2.0", "JSON") {
		case "1.0":
			g.v1 = true
		case "JSON":
			g.json = true
		}
		e := g.envelope()
		out := Write(e)
		d, f := tree.Parse(out, tree.DefaultLimits)
		if f != nil {
			t.Fatalf("%v\n%s", f, out)
		}
		got, found := Read(d)
		if got == nil {
			t.Fatalf("%+v\n%s", found, out)
		}
		if d := cmp.Diff(e, got, same); d != "" {
			t.Fatalf("%s\n%s", d, out)
		}
	})
}

func FuzzRead(f *testing.F) {
	for _, doc := range ours(f) {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		d, fault := tree.Parse(doc, tree.Limits{Bytes: 1 << 16, Depth: 30, Nodes: 2000})
		if fault != nil {
			return
		}
		e, found := Read(d)
		if e == nil {
			if len(found) == 0 {
				t.Fatal("refused without a reason")
			}
			return
		}
		e.Refers()
		for _, x := range e.Extra {
			if x.Path == "" {
				t.Fatalf("%+v", x)
			}
		}
		out := Write(e)
		again, fault := tree.Parse(out, tree.DefaultLimits)
		if fault != nil {
			t.Fatalf("%v\n%s", fault, out)
		}
		got, found := Read(again)
		if got == nil {
			t.Fatalf("%+v\n%s", found, out)
		}
		if d := cmp.Diff(e, got, same); d != "" {
			t.Fatalf("%s\n%s", d, out)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	for _, name := range []string{"hub.json", "de2-hub.xml", "de2-full.xml", "de1.xml"} {
		doc := ours(b)[name]
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				d, _ := tree.Parse(doc, tree.DefaultLimits)
				if e, _ := Read(d); e == nil {
					b.Fatal("refused")
				}
			}
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, name := range []string{"hub.json", "de2-hub.xml", "de2-full.xml", "de1.xml"} {
		e := read(b, ours(b)[name])
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Write(e)
			}
		})
	}
}
