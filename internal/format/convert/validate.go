package convert

import (
	"slices"

	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/edxl"
	"trojmezi/internal/format/emsi"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/format/ucri"
)

// Verdict is what the standard of a message says of it.
type Verdict struct {
	Format     Format // "" when it is none that is known
	Valid      bool   // by the standard's own schema
	Deviations []shape.Deviation
}

// refusal is why a message is not converted, nil if it is: of what its schema refuses
// only EMSI and CAP are read nevertheless, since so much in the field breaks them.
func (v Verdict) refusal() *Fault {
	wrong := func(d shape.Deviation) bool {
		none := d.Key == "cap.rule.alert" || d.Rule == "missing" && d.Args["name"] == "identifier" // no warning at all
		return d.Severity == shape.Error && (v.Format != CAP || none)
	}
	if v.Valid || v.Format == EMSIXML || v.Format == EMSIJSON || !slices.ContainsFunc(v.Deviations, wrong) {
		return nil
	}
	d := v.Deviations[slices.IndexFunc(v.Deviations, wrong)]
	return &Fault{Line: d.Line, Rule: d.Rule, Key: d.Key, Args: d.Args}
}

// Validate judges a message by the schema of its own standard and lists everything
// in it that is not as the standard says, in the order of its lines. What stands in
// an envelope is judged too, but does not make the envelope invalid: to its schema
// any content is right.
func Validate(message []byte) Verdict {
	d, f := tree.Parse(message, tree.DefaultLimits)
	if f != nil && (f.Rule == "size" || f.Rule == "nodes") { // a bulletin of warnings may be longer
		if long, wrong := tree.Parse(message, cap.Limits); wrong == nil {
			if _, ok := cap.Is(long); ok {
				d, f = long, nil
			}
		}
	}
	if f == nil {
		var format Format
		if format, f = Detect(d); f == nil {
			return verdict(d, format)
		}
	}
	return Verdict{Deviations: []shape.Deviation{{Line: max(f.Line, 1), Rule: f.Rule, Severity: shape.Error, Key: f.Key, Args: f.Args}}}
}

func verdict(d *tree.Document, format Format) (v Verdict) {
	v.Format = format
	switch format {
	case UCRI2:
		v.Deviations = checkUCRI(d)
		v.Valid = len(v.Deviations) == 0
	case CAP:
		v.Deviations = cap.Check(d)
		v.Valid = !slices.ContainsFunc(v.Deviations, func(d shape.Deviation) bool { return d.Severity == shape.Error })
	case EDXLXML, EDXLJSON:
		_, v.Deviations = edxl.Read(d) // with its doubts, beside what the schema says
		v.Valid = !slices.ContainsFunc(v.Deviations, func(d shape.Deviation) bool { return d.Severity == shape.Error })
		if n, path := content(d); n != nil {
			_, inner := emsi.Validate(n, d.Syntax, path)
			for _, dev := range inner {
				dev.Severity = shape.Warning
				v.Deviations = append(v.Deviations, dev)
			}
		}
	default:
		n, path, _ := emsi.Find(d.Root, d.Syntax, shape.RootPath(d))
		v.Valid, v.Deviations = emsi.Validate(n, d.Syntax, path)
	}
	slices.SortStableFunc(v.Deviations, func(a, b shape.Deviation) int { return a.Line - b.Line })
	return v
}

// checkUCRI judges an envelope with the message in it, or a message alone: then by
// the schema that has the least to say against it.
func checkUCRI(d *tree.Document) []shape.Deviation {
	if d.Root.Get("payload") != nil {
		return checkEnvelope(d)
	}
	_, errs := newSource(d, systemUCRI).messageAlone()
	return placedIn(d, "", nil, errs)
}

// checkEnvelope judges an envelope, as it is sent or as it was delivered, with the
// message in it.
func checkEnvelope(d *tree.Document) []shape.Deviation {
	p := d.Root.Get("payload")
	errs := ucri.SendErrors(sent(d))
	for _, e := range errs {
		if d.Root.Get("destination") != nil && e.Place == "/destinations/0" {
			e.Place = "/destination"
		}
	}
	all := placedIn(d, "", nil, errs)
	text := func(name string) string { return p.Get(name).Value() }
	if p.Get("data") == nil {
		return all
	}
	return append(all, placedIn(d, pathData, p.Get("data"), ucri.DataErrors(&ucri.Payload{
		AppID: text("appId"), AppVersion: text("appVersion"), SchemaID: text("schemaId"), ContentType: text("contentType"), Data: text("data"),
	}))...)
}

// sent is an envelope as it was sent: who delivers it names the one receiver, and
// gives it a number.
func sent(d *tree.Document) []byte {
	receiver := d.Root.Get("destination")
	if receiver == nil || d.Root.Get("destinations") != nil {
		return d.Text
	}
	n := *d.Root
	n.Kids = nil
	for _, k := range d.Root.Kids {
		switch k {
		case receiver:
			one := *k
			one.Name = ""
			k = &tree.Node{Name: "destinations", Kind: tree.Array, Kids: []*tree.Node{&one}}
		case d.Root.Get("sequenceId"):
			continue
		}
		n.Kids = append(n.Kids, k)
	}
	return tree.AppendJSON(nil, &n)
}

// placedIn gives the errors of a document their lines: those within a string have
// the string's.
func placedIn(d *tree.Document, prefix string, in *tree.Node, errs []*ucri.Error) []shape.Deviation {
	lines := map[string]int{}
	for p, n := range d.Walk() {
		lines[p] = n.Line
	}
	var all []shape.Deviation
	for _, e := range errs {
		line := max(lines[e.Place], 1)
		if in != nil {
			line = in.Line
		}
		rule := e.Key[len("ucri."):]
		all = append(all, shape.Deviation{Path: prefix + e.Place, Line: line, Rule: rule, Severity: shape.Error, Key: e.Key, Args: e.Args})
	}
	return all
}
