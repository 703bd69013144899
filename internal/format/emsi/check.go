package emsi

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// Find gives the EMSI message that stands in an element or object, with its path:
// the node itself, or its child "emsi", directly or inside a child "message", as the
// envelope EDXL-DE carries it. What has a CONTEXT or an EVENT is the message itself,
// however it is called.
func Find(n *tree.Node, s tree.Syntax, path string) (message *tree.Node, at string, ok bool) {
	for range 2 { // what stands in a message stands in no second one
		context, _ := child(n, s, path, "CONTEXT")
		event, _ := child(n, s, path, "EVENT")
		if strings.EqualFold(n.Name, rootName) || context != nil || event != nil {
			return n, path, true
		}
		if k, at := child(n, s, path, rootName); k != nil {
			return k, at, true
		}
		if n, path = child(n, s, path, "message"); n == nil {
			break
		}
	}
	return nil, "", false
}

// rootName is what an EMSI message is called.
const rootName = "emsi"

// child is the first child of a name, in any case, that is not a mere value.
func child(n *tree.Node, s tree.Syntax, path, name string) (*tree.Node, string) {
	i := slices.IndexFunc(n.Kids, func(k *tree.Node) bool { return strings.EqualFold(k.Name, name) && k.Kind == tree.Object })
	if i < 0 {
		return nil, ""
	}
	k := n.Kids[i]
	path += "/" + k.Name
	if all := siblings(n, k); s == tree.XML && len(all) > 1 {
		path += "/" + strconv.Itoa(slices.Index(all, k))
	}
	return k, path
}

// siblings are the children of a node that are named as one of them.
func siblings(n, k *tree.Node) (all []*tree.Node) {
	for _, o := range n.Kids {
		if o.Name == k.Name {
			all = append(all, o)
		}
	}
	return all
}

// Check is the verdict of the standard's own schema about a document, in the order
// of the document: valid when there is no deviation. The schemas differ: that for
// JSON knows no order and wants moments in whole seconds with a difference from UTC;
// that for XML takes any xs:dateTime and no whole number beyond 32 bits.
func Check(d *tree.Document) []shape.Deviation {
	n, path, ok := Find(d.Root, d.Syntax, shape.RootPath(d))
	if !ok {
		return []shape.Deviation{deviation(d.Root, shape.RootPath(d), "none", "", shape.Error)}
	}
	return CheckNode(n, d.Syntax, path)
}

// CheckNode is the verdict about the message that stands in a node at a path.
func CheckNode(n *tree.Node, s tree.Syntax, path string) []shape.Deviation {
	if s == tree.JSON {
		return shape.CheckNode(n, s, path, rootJSON)
	}
	var found []shape.Deviation
	if n.Name != rootName {
		found = append(found, shape.Breach(n, path, "unknown", ""))
	}
	if n.Space != Namespace {
		found = append(found, shape.Breach(n, path, "namespace", Namespace))
	}
	return append(found, shape.CheckNode(n, s, path, rootXML)...)
}

// Validate is the verdict of the schema about the message in a node at a path, and
// beside its errors what Read has doubts about where the schema had none.
func Validate(n *tree.Node, s tree.Syntax, path string) (valid bool, all []shape.Deviation) {
	all = CheckNode(n, s, path)
	valid = len(all) == 0
	type place struct {
		path string
		line int
	}
	reported := map[place]bool{}
	for _, v := range all {
		reported[place{v.Path, v.Line}] = true
	}
	_, doubts := Read(n, s, path)
	for _, v := range doubts {
		if !reported[place{v.Path, v.Line}] {
			all = append(all, v)
		}
	}
	slices.SortStableFunc(all, func(a, b shape.Deviation) int { return cmp.Compare(a.Line, b.Line) })
	return valid, all
}
