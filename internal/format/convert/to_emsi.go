package convert

import (
	"slices"
	"strings"

	"trojmezi/internal/format/emsi"
	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// toEMSI writes a message of EMSI.
func toEMSI(s *source, i *incident.Incident, to Format) *result {
	root := &tree.Node{Name: emsiRoot, Space: emsiSpace, Kind: tree.Object}
	r := newResult(tree.XML, root, emsiArrays)
	if to == EMSIJSON {
		r.syntax, root.Name, root.Space = tree.JSON, "", ""
	}
	r.emsi(s, i, "")
	return r
}

// emsi writes the message below a key. What has no field is in the event's free
// text, a part of the message a line.
func (r *result) emsi(s *source, i *incident.Incident, key string) {
	if s.system == systemUCRI {
		forEMSI(i)
	}
	fillEMSI(i)
	cells := emsiCells(i)
	for n, c := range cells {
		if t, ok := moment(*c.v); ok && isTime(c.key) {
			*c.v = derived(t.Format(emsiTime), c.v)
		}
		cells[n].key = join(key, c.key)
	}
	r.write(cells)
	n := r.root
	if key != "" {
		for name := range strings.SplitSeq(key, "/") {
			if n = n.Get(name); n.Kind == tree.Array {
				n = n.Kids[0]
			}
		}
	}
	r.mend(n)
	lines := []string{}
	if i.Description.Is() && strings.TrimSpace(i.Description.Text) != "" {
		lines = append(lines, i.Description.Text)
	}
	var at *tree.Node
	rest := s.remarks(r)
	for _, m := range rest {
		lines = append(lines, m.text())
	}
	if len(rest) > 0 {
		at = r.put(join(key, "EVENT/FREETEXT"), strings.Join(lines, "\n"), tree.String)
	}
	if i.Description.Is() && at != nil {
		r.why[i.Description.Origin.Path] = Rewritten
	}
	for _, m := range rest {
		r.noted(m, at)
	}
}

// isTime reports whether a key is that of a time.
func isTime(key string) bool {
	return strings.HasSuffix(key, "DATIME") || strings.HasSuffix(key, "_TIME") || strings.HasSuffix(key, "/CREATION")
}

// demanded are the values without which no message of EMSI is valid, with what they
// are when nobody said, or what was said is none of its codes.
var demanded = map[string]string{"CONTEXT/MODE": "ACTUAL", "CONTEXT/MSGTYPE": "ALERT"}

// mend takes out of the message at n what the schema of EMSI refuses, so that it
// stands in the free text instead. A code that is unknown gives way to the nearest
// one above it in its tree. Taking out may leave something wrong that was right, so
// it looks again; each time less is left.
func (r *result) mend(n *tree.Node) {
	root := ""
	if r.syntax == tree.XML {
		root = "/" + emsiRoot
	}
	for {
		where := map[string]*tree.Node{}
		for p, k := range (&tree.Document{Syntax: r.syntax, Root: n}).Walk() {
			where[p] = k
		}
		out := map[*tree.Node]bool{}     // taken out
		changed := map[*tree.Node]bool{} // says something else now
		for _, dev := range emsi.CheckNode(n, r.syntax, root) {
			k := where[dev.Path]
			if dev.Severity != shape.Error || k == nil || k == n || out[k] || changed[k] {
				continue
			}
			key := strings.TrimPrefix(strings.TrimPrefix(dev.Path, root), "/")
			parent, ok := above(k.Text)
			switch {
			case demanded[key] != "":
				k.Text, changed[k] = demanded[key], true
			case dev.Rule == "code" && ok:
				k.Text, changed[k] = parent, true
			default:
				out[k] = true
			}
		}
		if len(out)+len(changed) == 0 {
			return
		}
		n.Kids = without(n.Kids, out)
		gone := map[*tree.Node]bool{}
		for _, k := range where {
			gone[k] = true
		}
		for _, k := range (&tree.Document{Syntax: r.syntax, Root: n}).Walk() {
			gone[k] = changed[k]
		}
		for path, at := range r.into { // what is gone stands nowhere
			if gone[at] {
				delete(r.into, path)
				delete(r.why, path)
			}
		}
		for key, at := range r.at {
			if gone[at] && !changed[at] {
				delete(r.at, key)
			}
		}
	}
}

// above is the code one step up in its tree; false at the top.
func above(code string) (string, bool) {
	i := strings.LastIndexByte(code, '/')
	return code[:max(i, 0)], i > 0
}

// without are the nodes that are not taken out, without those below them that are,
// and without what is empty then.
func without(kids []*tree.Node, out map[*tree.Node]bool) []*tree.Node {
	return slices.DeleteFunc(kids, func(k *tree.Node) bool {
		if out[k] {
			return true
		}
		had := len(k.Kids) > 0
		k.Kids = without(k.Kids, out)
		return had && len(k.Kids) == 0
	})
}

// forEMSI names what EMSI has another place for than UCRI 2.
func forEMSI(i *incident.Incident) {
	if i.Own.Is() {
		org := i.Message.Sender.Address
		if !org.Is() {
			org = derived(systemUCRI, nil)
		}
		i.References = append(i.References, incident.Reference{Organisation: org, IDs: []incident.Value{i.Own}})
	}
	i.Own, i.ID = i.ID, incident.Value{}
	i.Description, i.Remark = i.Remark, incident.Value{}
	i.Types, i.Resources = nil, nil // keywords of the sender's catalogue: no codes of EMSI
	l := i.Location
	area := incident.Location{Name: l.Object.Name}
	for _, p := range l.Points {
		if p.Lat.Is() && p.Lon.Is() {
			area.Points = append(area.Points, p)
			area.Type, area.System = derived("POINT", nil), derived("EPSG-4326", nil)
		}
	}
	a := l.Address
	for _, v := range []incident.Value{a.Street, a.House, a.Postal, a.City, a.District, a.State, a.Country, a.Note} {
		if v.Is() {
			area.Lines = append(area.Lines, v)
		}
	}
	if len(area.Points) > 0 || len(area.Lines) > 0 || area.Name.Is() {
		i.Areas = append(i.Areas, incident.Area{Location: area})
	}
}

// fillEMSI fills in what EMSI demands.
func fillEMSI(i *incident.Incident) {
	m := &i.Message
	if !i.Own.Is() {
		i.Own = i.ID
	}
	if !i.Own.Is() {
		i.Own = m.ID
	}
	if !i.Own.Is() {
		i.Own = derived(unnamed, nil)
	}
	for v, text := range map[*incident.Value]string{&i.Kind: "ACTUAL", &m.Type: "ALERT"} {
		if !v.Is() {
			*v = derived(text, nil)
		}
	}
	if !m.ID.Is() {
		m.ID = derived(i.Own.Text, nil)
	}
}
