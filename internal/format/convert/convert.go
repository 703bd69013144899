package convert

import (
	"bytes"
	"embed"
	"encoding/json"
	"io/fs"
	"strings"

	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/edxl"
	"trojmezi/internal/format/emsi"
	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

//go:embed locales/*.json
var locales embed.FS

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// Format is a format in one syntax.
type Format string

// The formats. Auto is for the source: what the document itself says. CAP is read in
// XML and JSON, and written as XML of CAP 1.2.
const (
	Auto     Format = "auto"
	UCRI2    Format = "ucri2"
	EMSIXML  Format = "emsi-xml"
	EMSIJSON Format = "emsi-json"
	EDXLXML  Format = "edxl-xml"
	EDXLJSON Format = "edxl-json"
	CAP      Format = "cap"
)

// Formats lists those that can be written.
var Formats = []Format{UCRI2, EMSIXML, EMSIJSON, EDXLXML, EDXLJSON, CAP}

// Result is a converted message.
type Result struct {
	Bytes []byte
	From  Format // as it was recognised
	Loss  []Loss // in the order of the source; empty: nothing
	// Deviations are what in the source is not as its standard says, in the order of its
	// lines; it was understood nevertheless.
	Deviations []shape.Deviation
}

// Fault is why a message cannot be converted.
type Fault = tree.Fault

func refuse(line int, rule string, args map[string]any) *Fault {
	if args == nil {
		args = map[string]any{}
	}
	args["line"] = line
	return &Fault{Line: line, Rule: rule, Key: "convert.fault." + rule, Args: args}
}

// Convert turns a message into another format.
func Convert(message []byte, from, to Format, o Options) (*Result, *Fault) {
	m, f := Read(message, from)
	if f != nil {
		return nil, f
	}
	return m.Write(to, o)
}

// Detect tells which format a document is in.
func Detect(d *tree.Document) (Format, *Fault) {
	n := d.Root
	_, isEDXL := edxl.Is(d)
	_, isCAP := cap.Is(d)
	_, _, isEMSI := emsi.Find(n, d.Syntax, "")
	has := func(names ...string) bool {
		for _, name := range names {
			if n.Get(name) == nil {
				return false
			}
		}
		return true
	}
	switch {
	case d.Syntax == tree.XML && strings.EqualFold(n.Name, edxlRoot): // version 1.0 writes it with a capital
		return EDXLXML, nil
	case d.Syntax == tree.XML && n.Name == "alert":
		return CAP, nil
	case d.Syntax == tree.XML && isEMSI:
		return EMSIXML, nil
	case d.Syntax == tree.XML:
	case isEDXL:
		return EDXLJSON, nil
	case has("payload"), has("sharedIncidentId"), has("resourceRequestId"), has("requestId"), has("messageId", "status"):
		return UCRI2, nil
	case isEMSI:
		return EMSIJSON, nil
	case isCAP:
		return CAP, nil
	}
	return "", refuse(n.Line, "unknown", nil)
}

func read(d *tree.Document, format Format) (*source, *incident.Incident, *Fault) {
	switch format {
	case UCRI2:
		return readUCRI(d)
	case EDXLXML, EDXLJSON:
		return readEDXL(d)
	case CAP:
		s, i := readCAP(d)
		return s, i, nil
	}
	n, path, _ := emsi.Find(d.Root, d.Syntax, shape.RootPath(d))
	s, i, f := readOne(d, n, path)
	if f == nil {
		s.rest(i)
	}
	return s, i, f
}

// outsideMark begins the keys of what stands around an embedded message.
const outsideMark = "~"

// outside indexes what stands around an embedded message, in front of it.
func (s *source) outside(d *tree.Document, inner *tree.Node) {
	var around []*leaf
	for p, n := range d.Walk() {
		if len(n.Kids) == 0 && (n.Start < inner.Start || n.Start >= inner.End) {
			around = append(around, &leaf{path: p, key: outsideMark + p, node: n})
		}
	}
	s.leaves = append(around, s.leaves...)
}

func write(s *source, i *incident.Incident, to Format, o Options) *result {
	switch to {
	case EDXLXML, EDXLJSON:
		return toEDXL(s, i, to, o.Wrapped)
	case CAP:
		return toCAP(s, i)
	}
	return toEMSI(s, i, to)
}

// bytes writes the result.
func (r *result) bytes(to Format) []byte {
	if r.syntax == tree.XML {
		return tree.AppendXML(nil, r.root)
	}
	if data := r.root.Get("payload").Get("data"); to == UCRI2 && data != nil && data.Kind == tree.Object {
		text := &tree.Node{Name: data.Name, Kind: tree.String, Text: r.original}
		if r.original == "" {
			var b bytes.Buffer
			_ = json.Compact(&b, tree.AppendJSON(nil, data)) // it is JSON
			text.Text = b.String()
		}
		inner, outer := *r.root.Get("payload"), *r.root
		inner.Kids, outer.Kids = replaced(inner.Kids, data, text), replaced(outer.Kids, r.root.Get("payload"), &inner)
		return tree.AppendJSON(nil, &outer)
	}
	return tree.AppendJSON(nil, r.root)
}

func replaced(kids []*tree.Node, old, n *tree.Node) []*tree.Node {
	out := make([]*tree.Node, len(kids))
	for i, k := range kids {
		if out[i] = k; k == old {
			out[i] = n
		}
	}
	return out
}
