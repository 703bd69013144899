package cap

import (
	"strings"
	"time"

	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// Check is the verdict of the standard's own schema, and what it permits and people
// should know: lines that cross, times that cannot be, references that lead nowhere. A
// document of JSON has no schema, and only the doubts.
func Check(d *tree.Document) []shape.Deviation {
	version, ok := Is(d)
	if !ok {
		return []shape.Deviation{deviation(d.Root, shape.RootPath(d), "alert", shape.Error, nil)}
	}
	var found []shape.Deviation
	if d.Syntax == tree.XML {
		found = schema(d, version)
	}
	c := &doubts{paths: shape.Paths(d.Root, d.Syntax, shape.RootPath(d)), found: found}
	c.alert(d.Root)
	return c.found
}

// roots are the types of the editions.
var roots = map[Version]*shape.Type{V10: root10, V11: root11, V12: root12}

// schema is the verdict of an edition's schema. After the last info of 1.2 signatures
// may stand, which are not judged.
func schema(d *tree.Document, version Version) []shape.Deviation {
	root := *d.Root
	for version == V12 && len(root.Kids) > 0 && root.Kids[len(root.Kids)-1].Space == spaceSignature {
		root.Kids = root.Kids[:len(root.Kids)-1]
	}
	found := shape.CheckNode(&root, tree.XML, shape.RootPath(d), roots[version])
	if infos := d.Root.All("info"); len(infos) > MaxInfos {
		found = append(found, deviation(infos[MaxInfos], shape.RootPath(d)+"/info", "infos", shape.Warning, map[string]any{"n": len(infos), "max": MaxInfos}))
	}
	return found
}

func deviation(n *tree.Node, path, rule string, severity shape.Severity, args map[string]any) shape.Deviation {
	d := shape.Breach(n, path, rule, "")
	d.Severity, d.Key = severity, "cap.rule."+rule
	for k, v := range args {
		d.Args[k] = v
	}
	return d
}

// doubts collects what the schema permits.
type doubts struct {
	paths map[*tree.Node]string
	found []shape.Deviation
}

func (c *doubts) report(n *tree.Node, rule string, args map[string]any) {
	if len(c.found) < shape.MaxFound {
		c.found = append(c.found, deviation(n, c.paths[n], rule, shape.Warning, args))
	}
}

func (c *doubts) alert(n *tree.Node) {
	kind, infos := one(n, "msgType"), n.All("info")
	for _, name := range []string{"identifier", "sender"} { // spec: CAP 1.2, §3.2.1: no white space, comma, < or &
		if k := n.Get(name); k != nil && (k.Value() == "" || strings.ContainsAny(strings.TrimSpace(k.Value()), " \t\r\n,<&")) {
			c.report(k, "name", nil)
		}
	}
	references := n.Get("references")
	switch named, regular := References(references.Value()); {
	case references != nil && (!regular || len(named) == 0):
		c.report(references, "references", nil)
	case references == nil && (kind == TypeUpdate || kind == TypeCancel || kind == TypeAck || kind == TypeError):
		c.report(n, "references_missing", map[string]any{"type": kind})
	}
	switch scope := one(n, "scope"); {
	case scope == Restricted && one(n, "restriction") == "":
		c.report(n, "restriction", nil)
	case scope == Private && one(n, "addresses") == "":
		c.report(n, "addresses", nil)
	}
	if len(infos) == 0 && (kind == TypeAlert || kind == TypeUpdate) {
		c.report(n, "info", nil)
	}
	c.time(n.Get("sent"))
	for _, k := range infos {
		c.info(k, one(n, "sent"))
	}
}

// farYear is from when a time is taken for "for ever" or a slip: some systems write
// 3021 or 9999 for "not known".
const farYear = 2200

func (c *doubts) time(n *tree.Node) (time.Time, bool) {
	if n == nil {
		return time.Time{}, false
	}
	t, ok := Moment(n.Value())
	switch {
	case !ok && shape.IsDateTime(strings.TrimSpace(n.Value())):
		c.report(n, "zone", nil) // 1.1 permits it
	case ok && (t.Year() >= farYear || t.Year() < 1990):
		c.report(n, "year", nil)
	}
	return t, ok
}

func (c *doubts) info(n *tree.Node, sent string) {
	for _, k := range []*tree.Node{n.Get("event"), n.Get("headline")} {
		if k != nil && strings.TrimSpace(k.Value()) == "" {
			c.report(k, "empty", nil)
		}
	}
	begin, begins := c.time(n.Get("onset"))
	effective, isEffective := c.time(n.Get("effective"))
	if !begins {
		begin, begins = effective, isEffective
	}
	if !begins {
		begin, begins = Moment(sent)
	}
	switch end, ends := c.time(n.Get("expires")); {
	case n.Get("expires") == nil:
		c.report(n, "expires_missing", nil)
	case ends && begins && end.Before(begin):
		c.report(n.Get("expires"), "expires", nil)
	}
	for _, a := range n.All("area") {
		c.area(a)
	}
}

func (c *doubts) area(n *tree.Node) {
	polygons, circles := n.All("polygon"), n.All("circle")
	for _, k := range polygons {
		if _, wrong := Ring(k.Value()); wrong != "" {
			c.report(k, "polygon_"+wrong, nil)
		}
	}
	for _, k := range circles {
		if _, _, wrong := Circle(k.Value()); wrong != "" {
			c.report(k, "circle", nil)
		}
	}
	if len(polygons)+len(circles)+len(n.All("geocode")) == 0 {
		c.report(n, "area", nil)
	}
	if n.Get("ceiling") != nil && n.Get("altitude") == nil {
		c.report(n.Get("ceiling"), "ceiling", nil)
	}
}
