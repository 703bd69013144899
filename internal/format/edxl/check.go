package edxl

import (
	"iter"
	"slices"
	"strconv"
	"strings"

	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// marks are members of the JSON profile that tell an envelope from other objects;
// of one that lacks some, two are enough.
var marks = []string{"distributionID", "distributionKind", "distributionStatus", "senderID", "dateTimeSent", "dateTimeExpires"}

// Is reports whether a document is meant to be an envelope, and of which edition. In
// JSON it is the profile of 2.0.
func Is(d *tree.Document) (Version, bool) {
	switch n := d.Root; {
	case d.Syntax == tree.XML && n.Name == "edxlDistribution" && n.Space == Space2:
		return V2, true
	case d.Syntax == tree.XML && n.Name == "EDXLDistribution" && n.Space == Space1:
		return V1, true
	case d.Syntax == tree.JSON && n.Kind == tree.Object:
		found := 0
		for _, k := range n.Kids {
			if slices.Contains(marks, k.Name) {
				found++
			}
		}
		return V2, found >= 2
	}
	return "", false
}

// Check is the verdict of the standard's own schema: the XSD of the edition, or the
// JSON Schema of the profile. What no schema knows as an envelope is none.
func Check(d *tree.Document) []shape.Deviation {
	version, ok := Is(d)
	switch {
	case !ok:
		path := ""
		if d.Syntax == tree.XML {
			path = "/" + d.Root.Name
		}
		return []shape.Deviation{deviation(d.Root, path, "envelope", shape.Error, nil)}
	case d.Syntax == tree.JSON:
		return shape.Check(d, rootJSON)
	case version == V1:
		return shape.Check(d, root1)
	}
	if found := shape.Check(d, root2); len(found) > 0 {
		return found
	}
	return identifiers(d)
}

// identifiers reports those that name two elements: of GML and of XML itself they are
// xs:ID, wherever they stand.
func identifiers(d *tree.Document) (found []shape.Deviation) {
	seen := map[string]bool{}
	twice := map[*tree.Node]bool{}
	var look func(n *tree.Node)
	look = func(n *tree.Node) {
		if (n.Space == spaceGML || n.Space == spaceXML) && strings.HasPrefix(n.Name, tree.AttributeMark) && strings.HasSuffix(n.Name, ":id") {
			id := collapse(n.Text)
			if seen[id] {
				twice[n] = true
			}
			seen[id] = true
		}
		for _, k := range n.Kids {
			look(k)
		}
	}
	if look(d.Root); len(twice) == 0 {
		return nil
	}
	for p, n := range d.Walk() {
		if twice[n] {
			found = append(found, deviation(n, p, "id", shape.Error, nil))
		}
	}
	return found
}

// deviation is one by a rule of this package.
func deviation(n *tree.Node, path, rule string, s shape.Severity, args map[string]any) shape.Deviation {
	d := shape.Breach(n, path, rule, "")
	d.Severity, d.Key = s, "edxl.rule."+rule
	delete(d.Args, "hint")
	for k, v := range args {
		d.Args[k] = v
	}
	return d
}

// kids gives the children of an XML element with their paths.
func kids(path string, n *tree.Node) iter.Seq2[string, *tree.Node] {
	return func(yield func(string, *tree.Node) bool) {
		times, seen := map[string]int{}, map[string]int{}
		for _, k := range n.Kids {
			times[k.Name]++
		}
		for _, k := range n.Kids {
			p := path + "/" + k.Name
			if times[k.Name] > 1 {
				p += "/" + strconv.Itoa(seen[k.Name])
				seen[k.Name]++
			}
			if !yield(p, k) {
				return
			}
		}
	}
}

// french reports whether an envelope travels by the rules of the French hub.
func (e *Envelope) french() bool {
	return e.Syntax == tree.JSON || slices.ContainsFunc(e.Addresses, func(a Address) bool { return a.Scheme == SchemeHub })
}

// warnings are what the schema permits and people should know. The nodes they stand
// at are those that were read.
func (r *reader) warnings(e *Envelope) (found []shape.Deviation) {
	warn := func(n *tree.Node, rule string, args map[string]any) {
		if n != nil {
			found = append(found, deviation(n, r.paths[n], rule, shape.Warning, args))
		}
	}
	root := r.doc.Root
	if e.french() && !strings.HasPrefix(e.ID, e.Sender+"_") {
		warn(root.Get("distributionID"), "prefix", map[string]any{"sender": e.Sender})
	}
	sentAt, sentZone := Moment(e.Sent)
	if !sentZone {
		warn(root.Get("dateTimeSent"), "zone", nil)
	}
	if expires, ok := Moment(e.Expires); ok && sentZone && expires.Before(sentAt) {
		warn(root.Get("dateTimeExpires"), "expires", map[string]any{"sent": e.Sent})
	}
	where := root
	if e.Version == V2 {
		where = root.Get("descriptor")
	}
	if e.Language != "" && !knownLanguage(e.Language) {
		warn(where.Get("language"), "language", nil)
	}
	addresses := 0
	for _, a := range e.Addresses {
		addresses += len(a.Values)
	}
	if e.french() && addresses > 1 {
		warn(where.Get("explicitAddress"), "addresses", map[string]any{"n": addresses})
	}
	for i, c := range e.Contents {
		if c.Language != "" && !knownLanguage(c.Language) {
			warn(r.contents[i].Get("contentDescriptor").Get("contentLanguage"), "language", nil)
		}
	}
	return found
}
