package outlet

import (
	"bytes"
	"fmt"
	"strings"

	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/edxl"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/kernel/store"
)

// inner stands for the message until its bytes are put in: written anew, its signature
// would not hold.
const inner = "urn:trojmezi:outlet:inner"

// EDXL is an item in an envelope (spec: OASIS EDXL-DE 1.0). An own notice lies in it as
// the signed CAP message, byte for byte, and can be verified when it is taken out. Of a
// relay the envelope has the words and where the unmodified original is: it is signed and
// rewritten by nobody.
func (r *Renderer) EDXL(i *Item) ([]byte, error) {
	l := i.Langs()[0]
	e := &edxl.Envelope{Version: edxl.V1, Syntax: tree.XML, ID: i.URN, Sender: "trojmezi@" + r.Node, Sent: cap.FormatTime(i.Updated),
		Status: edxl.Actual, Kind: edxl.Report, Confidentiality: "UNCLASSIFIED AND NOT SENSITIVE", Language: string(l),
		Keywords: []edxl.List{{URI: originScheme, Values: []string{string(i.origin)}}, {URI: kindScheme, Values: []string{string(i.kind)}}}}
	switch i.kind {
	case store.Exercise:
		e.Status = edxl.Exercise
	case store.Test:
		e.Status = edxl.Test
	}
	switch i.Purpose {
	case "update":
		e.Kind = edxl.Update
	case "cancel":
		e.Kind = edxl.Cancel
	}
	e.Areas = targetAreas(i)
	var said []string
	for _, t := range i.Texts {
		said = append(said, strings.Join(Written(t), "\n"))
	}
	var marks []string
	for _, x := range i.Langs() {
		marks = append(marks, lines(r.Marks(i, x))...)
	}
	c := edxl.Content{Description: strings.Join(marks, "\n"), IncidentDescription: strings.Join(said, "\n\n"), Language: string(l)}
	if i.origin == OwnNotice {
		c.OriginatorRoles = []edxl.List{{URI: originScheme, Values: []string{i.owner}}}
		c.Part = edxl.Part{Root: &tree.Node{Name: "inner", Space: inner, Kind: tree.Object}}
	} else {
		c.OriginatorRoles = []edxl.List{{URI: originScheme, Values: []string{i.sender}}}
		c.Other = &edxl.Other{MIME: "application/octet-stream", URI: r.address(i)}
		if c.Other.URI == "" {
			c.Other.URI = i.URN
		}
	}
	e.Contents = []edxl.Content{c}
	out := edxl.Write(e)
	if i.origin != OwnNotice {
		return out, nil
	}
	start := bytes.Index(out, []byte("<inner"))
	if start < 0 {
		return nil, fmt.Errorf("outlet: envelope of %s has no place for the message", i.URN)
	}
	end := bytes.Index(out[start:], []byte("/>"))
	if end < 0 {
		return nil, fmt.Errorf("outlet: envelope of %s has no place for the message", i.URN)
	}
	message := i.document
	if k := bytes.Index(message, []byte("<alert")); k >= 0 {
		message = message[k:] // without the declaration, which stands once
	}
	return bytes.Join([][]byte{out[:start], bytes.TrimSpace(message), out[start+end+2:]}, nil), nil
}

// targetAreas are the shapes for who routes by them.
func targetAreas(i *Item) (all []edxl.Area) {
	text := func(name, value string) *tree.Node {
		return &tree.Node{Name: name, Space: edxl.Space1, Kind: tree.String, Text: value}
	}
	for _, a := range i.Areas {
		n := &tree.Node{Name: "targetArea", Space: edxl.Space1, Kind: tree.Object}
		for _, c := range a.Circles {
			if _, _, wrong := cap.Circle(c); wrong == "" {
				n.Kids = append(n.Kids, text("circle", c))
			}
		}
		for _, p := range a.Polygons {
			if _, wrong := cap.Ring(p); wrong == "" {
				n.Kids = append(n.Kids, text("polygon", strings.Join(strings.Fields(p), " ")))
			}
		}
		if len(n.Kids) > 0 {
			all = append(all, edxl.Area{Tree: n})
		}
	}
	return all
}
