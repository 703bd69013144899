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
	var lines []addressLine
	if s.system == systemUCRI {
		i.Message.Type = s.typeOf(i)
		lines = forEMSI(i)
	}
	s.fillEMSI(i)
	cells := emsiCells(i)
	var shortened []string
	for n, c := range cells {
		if t, ok := moment(*c.v); ok && isTime(c.key) {
			if t.Nanosecond() != 0 {
				shortened = append(shortened, c.v.Origin.Path)
			}
			*c.v = derived(t.Format(emsiTime), c.v)
		}
		if list := emsiLists[plain(c.key)]; list != "" && c.v.Is() {
			*c.v = coded(*c.v, list)
		}
		cells[n].key = join(key, c.key)
	}
	r.write(cells)
	for _, path := range shortened {
		if r.into[path] != nil {
			r.why[path] = Partly
		}
	}
	for n, l := range lines {
		for _, v := range l.parts {
			r.moved(&v, r.at[join(key, at("EVENT/EGEO/POSITION/ADDRESS", n))], Rewritten)
		}
	}
	n := r.root
	if key != "" {
		for name := range strings.SplitSeq(key, "/") {
			if n = n.Get(name); n.Kind == tree.Array {
				n = n.Kids[0]
			}
		}
	}
	root := ""
	if r.syntax == tree.XML {
		root = "/" + emsiRoot
	}
	// Without these no message is valid; what was said is none of their codes.
	demanded := map[string]string{"CONTEXT/MODE": s.real.mode, "CONTEXT/MSGTYPE": "ALERT"}
	r.mend(n, root, demanded, func() []shape.Deviation { return emsi.CheckNode(n, r.syntax, root) })
	s.freeText(r, i.Description, join(key, "EVENT/FREETEXT"))
}

// freeText writes what the result does not hold yet behind the description.
func (s *source) freeText(r *result, description incident.Value, key string) {
	rest := s.remarks(r)
	if len(rest) == 0 {
		return
	}
	var text []string
	if strings.TrimSpace(description.Text) != "" {
		text = append(text, description.Text)
	}
	for _, m := range rest {
		text = append(text, m.text(nil))
	}
	n := r.put(key, strings.Join(text, "\n"), tree.String)
	if description.Is() {
		r.why[description.Origin.Path] = Rewritten
	}
	for _, m := range rest {
		r.noted(m, n)
	}
}

// emsiLists are the lists of codes, by keys without numbers.
var emsiLists = map[string]emsi.List{
	"CONTEXT/MODE": emsi.ModeList, "CONTEXT/MSGTYPE": emsi.MessageTypeList, "CONTEXT/LINK/LINK_ROLE": emsi.LinkRoleList, "CONTEXT/LEVEL": emsi.LevelList,
	"CONTEXT/SECLASS": emsi.SecrecyList, "CONTEXT/URGENCY": emsi.UrgencyList, "CONTEXT/EXTERNAL_INFO/TYPE": emsi.InfoTypeList,
	"EVENT/ETYPE/CATEGORY": emsi.CategoryList, "EVENT/ETYPE/ACTOR": emsi.ActorList, "EVENT/ETYPE/ENV": emsi.EnvironmentList,
	"EVENT/SOURCE": emsi.SourceList, "EVENT/SCALE": emsi.ScaleList, "EVENT/STATUS": emsi.EventStatusList, "EVENT/RISK_ASSESMENT": emsi.RiskList,
	"EVENT/EGEO/TYPE": emsi.AreaTypeList, "EVENT/EGEO/WEATHER": emsi.WeatherList, "EVENT/CAUSE": emsi.CauseList,
	"MISSION/TYPE": emsi.MissionTypeList, "MISSION/STATUS": emsi.MissionStateList, "MISSION/PRIORITY": emsi.PriorityList,
	"RESOURCE/RTYPE/RCLASS": emsi.ClassList, "RESOURCE/RGEO/TYPE": emsi.ResourceGeoList, "RESOURCE/UM": emsi.UnitList, "RESOURCE/STATUS": emsi.ResourceList,
	"RESOURCE/CONTACTS/TYPE": emsi.ContactList,
}

// coded is a code in its right spelling. One that no list has gives way to the
// nearest above it in its tree, and is itself left for the free text.
func coded(v incident.Value, list emsi.List) incident.Value {
	nearest, exact := emsi.Known(list, v.Text)
	switch {
	case exact || nearest == "":
		return v
	case strings.HasPrefix(strings.ToUpper(strings.TrimSpace(v.Text)), nearest+"/"):
		return derived(nearest, nil)
	}
	return derived(nearest, &v)
}

// isTime reports whether a key is that of a time.
func isTime(key string) bool {
	return strings.HasSuffix(key, "DATIME") || strings.HasSuffix(key, "_TIME") || strings.HasSuffix(key, "/CREATION")
}

// mend takes out of the message at n what its schema refuses, so that it stands in a
// remark instead; demanded, by key, is said where it may not be missing. Taking out may
// leave something wrong that was right, so it looks again; each time less is left.
func (r *result) mend(n *tree.Node, root string, demanded map[string]string, check func() []shape.Deviation) {
	for {
		where := map[string]*tree.Node{}
		for p, k := range (&tree.Document{Syntax: r.syntax, Root: n}).Walk() {
			where[p] = k
		}
		out := map[*tree.Node]bool{}     // taken out
		changed := map[*tree.Node]bool{} // says something else now
		for _, dev := range check() {
			k := where[dev.Path]
			if dev.Severity != shape.Error || k == nil || k == n || out[k] || changed[k] {
				continue
			}
			key := strings.TrimPrefix(strings.TrimPrefix(dev.Path, root), "/")
			if demanded[key] != "" {
				k.Text, changed[k] = demanded[key], true
			} else {
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

// addressLine is a line of an address with the values it consists of.
type addressLine struct {
	text  string
	parts []incident.Value
}

// forEMSI names what EMSI has another place for than UCRI 2. It returns the lines of
// the address.
func forEMSI(i *incident.Incident) []addressLine {
	if i.Own.Is() {
		org := i.Message.Sender.Address
		if !org.Is() {
			org = derived(systemUCRI, nil)
		}
		i.References = append(i.References, incident.Reference{Organisation: org, IDs: []incident.Value{i.Own}})
	}
	if !i.ID.Is() && len(i.Resources) > 0 {
		i.ID = i.Resources[0].Request // an answer names the request alone
	}
	i.Own, i.ID = i.ID, incident.Value{}
	i.Description, i.Remark = i.Remark, incident.Value{}
	i.Status = statusOf(i.Receipt)
	i.Types, i.Resources = nil, nil // keywords of the sender's catalogue: no codes of EMSI
	l := i.Location
	area := incident.Location{Name: l.Object.Name}
	if p, ok := pointOf(&l); ok {
		area.Points = []incident.Point{p}
		area.Type, area.System = derived("POINT", nil), derived("EPSG-4326", nil)
	}
	a := l.Address
	var lines []addressLine
	for _, parts := range [][]incident.Value{{a.Street, a.House}, {a.Postal, a.City, a.District}, {a.State}, {a.Country}, {a.Note}} {
		var line addressLine
		var words []string
		for _, v := range parts {
			if v.Is() {
				line.parts, words = append(line.parts, v), append(words, v.Text)
			}
		}
		if line.text = strings.Join(words, " "); len(words) > 0 {
			lines = append(lines, line)
			area.Lines = append(area.Lines, derived(line.text, nil))
		}
	}
	if len(area.Points) > 0 || len(area.Lines) > 0 || area.Name.Is() {
		i.Areas = append(i.Areas, incident.Area{Location: area})
	}
	return lines
}

// fillEMSI fills in what EMSI demands.
func (s *source) fillEMSI(i *incident.Incident) {
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
	if known, _ := emsi.Known(emsi.ModeList, i.Kind.Text); known == s.real.mode {
		i.Kind = derived(known, &i.Kind)
	} else {
		i.Kind = derived(s.real.mode, nil)
	}
	if !m.Type.Is() {
		m.Type = derived("ALERT", nil)
	}
	if !m.ID.Is() {
		m.ID = derived(i.Own.Text, nil)
	}
	empty := func(values ...*incident.Value) { // better than to lose the whole part
		for _, v := range values {
			if !v.Is() {
				*v = derived("", nil)
			}
		}
	}
	for n := range i.Tasks {
		empty(&i.Tasks[n].ID, &i.Tasks[n].Name)
	}
	for n := range i.Resources {
		empty(&i.Resources[n].ID, &i.Resources[n].Name)
	}
}

// typeOf is what a message is among those of EMSI: what it says itself, or whoever
// sends it on; of UCRI 2, what its app message is there.
func (s *source) typeOf(i *incident.Incident) incident.Value {
	if i.Message.Type.Is() || s.system != systemUCRI {
		return i.Message.Type
	}
	kind := "UPDATE" // of an incident that was told before
	switch s.schema.SchemaID {
	case msgIncident:
		kind = "ALERT"
	case msgAcknowledgement:
		if kind = "ACK"; i.Receipt.Status.Text == rejected {
			kind = "ERROR"
		}
	}
	return derived(kind, nil)
}

// statusOf is the state of an incident that is over; nothing of one that is not.
func statusOf(r incident.Receipt) incident.Value {
	switch r.Status.Text {
	case completed:
		return derived("COM", &r.Status)
	case aborted:
		return derived("STOP", &r.Status)
	}
	return incident.Value{}
}
