package convert

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/emsi"
	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/format/ucri/schema"
)

const systemCAP = "cap"

// capSignature begins the keys of what signs a warning: it is right of the letters
// that were signed, and of nothing that is written anew.
const capSignature = "Signature/"

// readCAP reads a warning of any edition, in XML or JSON. What it says in its first
// language is the incident; the others, like everything without a field, are extras.
func readCAP(d *tree.Document) (*source, *incident.Incident) {
	s, i := newSource(d, systemCAP), &incident.Incident{}
	text := func(key string) string {
		if l := s.byKey[key]; l != nil {
			return l.node.Text
		}
		return ""
	}
	s.sender, s.lang = text("sender"), text("info/language")
	m := &i.Message
	b := cellsBelow("")
	b.text("identifier", &m.ID)
	b.text("sender", &m.Sender.Address)
	b.text("source", &m.Sender.Person)
	b.text("sent", &m.Created)
	b.text("status", &i.Kind)
	b.text("msgType", &m.Type)
	b.text("note", &m.Note)
	if len(strings.Fields(text("incidents"))) == 1 {
		b.text("incidents", &i.ID)
	}
	if len(strings.Fields(text("addresses"))) == 1 {
		grow(&m.Receivers, 1)
		b.text("addresses", &m.Receivers[0].Address)
	}
	if text("references") != "" {
		grow(&m.Links, 1)
		b.text("references", &m.Links[0].ID)
	}
	b.below("info", func(b *cellList) { b.firstInfo(s, i, text) })
	s.read(b.cells)
	s.capAreas(i)
	s.rest(i)
	if known := strings.ToUpper(strings.TrimSpace(m.Type.Text)); kindsOf[known] != "" || known == "ALERT" {
		m.Type.Text = known
	}
	s.real = realityOf(i.Kind.Text)
	if r := ledBy(i.What.Text, i.Description.Text, m.Note.Text); r.rank > s.real.rank {
		s.real = r
	}
	if !i.ID.Is() {
		i.Main = firstReferred(m)
	}
	return s, i
}

func (b *cellList) firstInfo(s *source, i *incident.Incident, text func(string) string) {
	m := &i.Message
	b.text("language", &m.Language)
	if strings.TrimSpace(text("info/headline")) != "" {
		b.text("headline", &i.What)
	} else {
		b.text("event", &i.What)
	}
	b.text("onset", &i.Began)
	b.text("expires", &m.Expires)
	b.text("senderName", &m.Sender.Name)
	b.text("description", &i.Description)
	if strings.TrimSpace(text("info/instruction")) != "" {
		grow(&i.Notes, 1)
		b.text("instruction", &i.Notes[0].Text)
	}
	grow(&m.Files, s.count("info/resource"))
	for n := range m.Files {
		b.text(at("resource", n)+"/resourceDesc", &m.Files[n].Note)
		b.text(at("resource", n)+"/uri", &m.Files[n].URL)
	}
}

// firstReferred is the number of the earliest message that a later one names: what they
// tell of is one incident, though CAP need not say so.
func firstReferred(m *incident.Message) incident.Value {
	if len(m.Links) == 0 {
		return incident.Value{}
	}
	all, regular := cap.References(m.Links[0].ID.Text)
	if !regular || len(all) == 0 {
		return incident.Value{}
	}
	first := slices.MinFunc(all, func(a, b cap.Reference) int {
		x, _ := cap.Moment(a.Sent)
		y, _ := cap.Moment(b.Sent)
		return x.Compare(y)
	})
	name := first.Identifier // named as if that message itself had been read
	if !schema.IsUUID(name) && !strings.HasPrefix(name, first.Sender+".") {
		name = first.Sender + "." + name
	}
	return derived(name, nil)
}

// world is how EMSI names degrees of latitude and longitude.
const world = "EPSG-4326"

// capAreas are the places of the first language: a polygon or circle is one of its own,
// the first with the name of them all.
func (s *source) capAreas(i *incident.Incident) {
	for n := range s.count("info/area") {
		key := join("info", at("area", n))
		var here []incident.Location
		for k := range s.count(key + "/polygon") {
			l := s.byKey[key+"/"+at("polygon", k)]
			if l == nil || l.taken || !l.node.Leaf() {
				continue
			}
			if ring, wrong := cap.Ring(l.node.Text); wrong == "" {
				l.taken = true
				here = append(here, polygonOf(ring, s.value(l)))
			}
		}
		for k := range s.count(key + "/circle") {
			l := s.byKey[key+"/"+at("circle", k)]
			if l == nil || !l.node.Leaf() {
				continue
			}
			if centre, km, wrong := cap.Circle(l.node.Text); wrong == "" {
				from := incident.Value{} // how far it reaches has no field elsewhere
				if km == 0 && !l.taken {
					l.taken, from = true, s.value(l)
				}
				here = append(here, incident.Location{Type: derived("POINT", nil), System: derived(world, nil),
					Points: []incident.Point{{Lat: derived(degrees(centre.Lat), &from), Lon: derived(degrees(centre.Lon), nil)}}})
			}
		}
		if name := s.byKey[key+"/areaDesc"]; name != nil && !name.taken && strings.TrimSpace(name.node.Text) != "" && name.node.Leaf() {
			if name.taken = true; len(here) == 0 {
				here = append(here, incident.Location{})
			}
			here[0].Name = s.value(name)
		}
		for _, l := range here {
			i.Areas = append(i.Areas, incident.Area{Location: l})
		}
	}
}

func degrees(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func polygonOf(ring []cap.Point, from incident.Value) incident.Location {
	l := incident.Location{Type: derived("POLYGON", nil), System: derived(world, nil)}
	for n, p := range ring {
		lat := derived(degrees(p.Lat), nil)
		if n == 0 {
			lat = derived(degrees(p.Lat), &from)
		}
		l.Points = append(l.Points, incident.Point{Lat: lat, Lon: derived(degrees(p.Lon), nil)})
	}
	return l
}

// toCAP writes a warning of CAP 1.2. What was told between control rooms is for nobody
// else: it is never public.
func toCAP(s *source, i *incident.Incident) *result {
	root := &tree.Node{Name: "alert", Space: cap.Space12, Kind: tree.Object}
	r := newResult(tree.XML, root, nil)
	w := &capWriter{r: r, s: s}
	if s.system == systemCAP {
		w.again(cap.Shape(), "")
		for _, text := range newLines(i) {
			w.behindNote(text)
		}
	} else {
		w.write(i)
	}
	w.mend()
	for _, path := range w.cut {
		if r.into[path] != nil {
			r.why[path] = Partly
		}
	}
	w.remarks()
	w.order(root, cap.Shape())
	return r
}

type capWriter struct {
	r          *result
	s          *source
	cut        []string // paths of what is there in part
	parameters int
}

// put writes a value at a key, if it says anything.
func (w *capWriter) put(key string, v incident.Value) {
	if v.Is() && strings.TrimSpace(v.Text) != "" {
		w.r.write([]cell{{key, &v, tree.String}})
	}
}

// time writes one as CAP does: without fractions.
func (w *capWriter) time(key string, v incident.Value) {
	t, ok := moment(v)
	if !ok {
		return
	}
	if t.Nanosecond() != 0 && v.Origin.Path != "" {
		w.cut = append(w.cut, v.Origin.Path)
	}
	w.put(key, derived(cap.FormatTime(t), &v))
}

// capName is a text as CAP permits it for who and which (spec: CAP 1.2, §3.2.1); false
// if it is none.
func capName(v incident.Value) (incident.Value, bool) {
	return v, v.Is() && v.Text != "" && !strings.ContainsAny(v.Text, " \t\r\n,<&") && strings.Map(inXML, v.Text) == v.Text
}

// roomsOnly is who may know what stands in a message that names nobody.
const roomsOnly = "control rooms / operační střediska / Leitstellen / centra powiadamiania"

// capTypes are the types of messages by what tables call their kinds.
var capTypes = map[Kind]string{
	KindIncident: cap.TypeAlert, KindUpdate: cap.TypeUpdate, KindCompletion: cap.TypeUpdate, KindText: cap.TypeUpdate, KindUnits: cap.TypeUpdate,
	KindCancel: cap.TypeCancel, KindAnswer: cap.TypeAck, KindReceipt: cap.TypeAck, KindRefusal: cap.TypeError,
}

// emsiTypes are the same by those of EMSI.
var emsiTypes = map[string]string{"ALERT": cap.TypeAlert, "UPDATE": cap.TypeUpdate, "CANCEL": cap.TypeCancel, "ACK": cap.TypeAck, "ERROR": cap.TypeError}

// capCategories are those of CAP for what events EMSI knows, as the shipped table of
// types has them; no other is sure.
var capCategories = map[string]string{"ASR": "Rescue", "FIR": "Fire", "FLD": "Met", "HLT": "Health", "POL": "CBRNE", "TRP": "Transport"}

func (w *capWriter) write(i *incident.Incident) {
	m, s := &i.Message, w.s
	if s.system == systemUCRI {
		m.Type = s.typeOf(i)
		if !i.ID.Is() && len(i.Resources) > 0 {
			i.ID = i.Resources[0].Request
		}
		if !i.Description.Is() {
			i.Description = i.Remark
		}
	} else {
		s.identify(i)
	}
	id, ok := capName(m.ID)
	if !ok { // the same message has the same number everywhere
		id = uuidOf(incident.Value{Text: cmp.Or(m.ID.Text, i.ID.Text+" "+m.Created.Text+" "+string(s.doc.Text))}, m.Sender.Address)
	}
	w.put("identifier", id)
	if sender, ok := capName(m.Sender.Address); ok {
		w.put("sender", sender)
	} else {
		w.put("sender", derived(unnamed, nil))
	}
	if sent, ok := firstMoment(&m.Sent, &m.Created); ok {
		w.time("sent", *sent)
	} else {
		w.time("sent", sentAt(i))
	}
	from := &incident.Value{}
	if known, _ := emsi.Known(emsi.ModeList, i.Kind.Text); known == s.real.mode {
		from = &i.Kind
	}
	w.put("status", derived(statuses[s.real.mode], from))
	known, _ := emsi.Known(emsi.MessageTypeList, m.Type.Text)
	if word := cmp.Or(emsiTypes[known], capTypes[Kind(m.Type.Text)]); word != "" {
		w.put("msgType", derived(word, &m.Type))
	} else {
		w.put("msgType", derived(cap.TypeAlert, nil))
	}
	w.put("source", m.Sender.Person)
	w.receivers(m)
	w.put("note", m.Note)
	for n := range m.Links {
		if all, regular := cap.References(m.Links[n].ID.Text); regular && len(all) > 0 {
			w.put("references", m.Links[n].ID)
			break
		}
	}
	w.put("incidents", i.ID)
	w.info(i)
}

// receivers says whom the message is for.
func (w *capWriter) receivers(m *incident.Message) {
	var texts []string
	var said []*incident.Value
	for n := range m.Receivers {
		v := &m.Receivers[n].Address
		text := strings.Join(strings.Fields(strings.ReplaceAll(v.Text, `"`, "")), " ")
		if !v.Is() || text == "" {
			continue
		}
		if strings.Contains(text, " ") {
			text = `"` + text + `"` // spec: CAP 1.2, §3.2.1, addresses
		}
		texts, said = append(texts, text), append(said, v)
	}
	if len(said) == 0 {
		w.put("scope", derived(cap.Restricted, nil))
		w.put("restriction", derived(roomsOnly, nil))
		return
	}
	w.put("scope", derived(cap.Private, nil))
	n := w.r.put("addresses", strings.Join(texts, " "), tree.String)
	for _, v := range said {
		w.r.moved(v, n, Rewritten)
	}
}

func (w *capWriter) info(i *incident.Incident) {
	m := &i.Message
	w.put("info/language", m.Language)
	for _, v := range i.Types {
		top, _, _ := strings.Cut(v.Text, "/")
		if word := capCategories[top]; word != "" {
			w.put("info/category", derived(word, nil))
			break
		}
	}
	w.put("info/event", i.What)
	system := strings.ToUpper(w.s.system)
	for n, v := range i.Types {
		if strings.TrimSpace(v.Text) == "" {
			continue
		}
		key := join("info", at("eventCode", n))
		w.put(key+"/valueName", derived(system, nil))
		w.put(key+"/value", v)
	}
	w.time("info/onset", i.Began)
	w.time("info/expires", m.Expires)
	w.put("info/senderName", m.Sender.Name)
	w.put("info/description", i.Description)
	files := 0
	for _, f := range m.Files {
		if strings.TrimSpace(f.URL.Text) == "" {
			continue
		}
		key := join("info", at("resource", files))
		files++
		w.put(key+"/resourceDesc", f.Note)
		w.put(key+"/uri", f.URL)
	}
	n := 0
	w.area(&i.Location, &n)
	for k := range i.Areas {
		w.area(&i.Areas[k].Location, &n)
	}
}

// area writes a place: what it is called, and where it lies as a polygon, or as points
// of no extent.
func (w *capWriter) area(l *incident.Location, n *int) {
	key := join("info", at("area", *n))
	a := &l.Address
	parts := []*incident.Value{&l.Name, &l.Object.Name, &a.Street, &a.House, &a.Postal, &a.City, &a.District, &a.State, &a.Country}
	for k := range l.Lines {
		parts = append(parts, &l.Lines[k])
	}
	var words []string
	var said []*incident.Value
	for _, v := range parts {
		if text := strings.TrimSpace(v.Text); v.Is() && text != "" {
			words, said = append(words, text), append(said, v)
		}
	}
	points := placesOn(l)
	if len(words)+len(points) == 0 {
		return
	}
	*n++
	desc := w.r.put(key+"/areaDesc", cmp.Or(strings.Join(words, ", "), unnamed), tree.String)
	for _, v := range said {
		w.r.moved(v, desc, Rewritten)
	}
	var corners []string
	for _, p := range points {
		corners = append(corners, p.at)
	}
	kind := strings.ToUpper(strings.TrimSpace(l.Type.Text))
	if len(corners) > 2 && kind == "POLYGON" {
		if corners[0] != corners[len(corners)-1] {
			corners = append(corners, corners[0])
		}
		if ring := strings.Join(corners, " "); ringIsRight(ring) {
			node := w.r.put(key+"/polygon", ring, tree.String)
			for _, p := range points {
				w.r.moved(&p.Lat, node, Rewritten)
				w.r.moved(&p.Lon, node, Rewritten)
			}
			return
		}
	}
	for k, p := range points {
		node := w.r.put(key+"/"+at("circle", k), p.at+" 0", tree.String)
		w.r.moved(&p.Lat, node, Rewritten)
		w.r.moved(&p.Lon, node, Rewritten)
	}
}

func ringIsRight(ring string) bool {
	_, wrong := cap.Ring(ring)
	return wrong == ""
}

// pointText is a point as CAP writes it.
type pointText struct {
	incident.Point
	at string
}

// placesOn are the points of a location that are on Earth, in degrees.
func placesOn(l *incident.Location) (all []pointText) {
	if !World(l.System) {
		return nil
	}
	for _, p := range l.Points {
		y, okLat := number(p.Lat, -90, 90)
		x, okLon := number(p.Lon, -180, 180)
		if !okLat || !okLon {
			continue
		}
		lat, _ := strconv.ParseFloat(y.Text, 64)
		lon, _ := strconv.ParseFloat(x.Text, 64)
		if lat != 0 || lon != 0 { // it was left empty
			all = append(all, pointText{p, degrees(lat) + "," + degrees(lon)})
		}
	}
	return all
}

// again writes a warning as it stood, in the order of the standard and as CAP 1.2
// writes it.
func (w *capWriter) again(t *shape.Type, from string) {
	for _, m := range t.Members {
		for n := range w.s.count(join(from, m.Name)) {
			key := join(from, at(m.Name, n))
			if len(m.Type.Members) > 0 && w.s.byKey[key] == nil {
				w.again(m.Type, key)
				continue
			}
			l := w.s.byKey[key]
			if l == nil || !l.node.Leaf() || l.node.Kind == tree.Null || w.s.keepsBack(l.path) != "" {
				continue
			}
			v := w.s.value(l)
			name, value, named := strings.Cut(v.Text, "=")
			switch {
			case len(m.Type.Members) > 0 && named: // 1.0 writes pairs so
				w.r.put(key+"/valueName", strings.TrimSpace(name), tree.String)
				v = derived(strings.TrimSpace(value), &v)
				w.r.write([]cell{{key + "/value", &v, tree.String}})
			case len(m.Type.Members) > 0:
			case key == "status" && realityOf(v.Text).mode != w.s.real.mode:
			case slices.Contains([]string{"sent", "effective", "onset", "expires"}, m.Name):
				if t, ok := cap.Moment(v.Text); ok && m.Type.Value != nil && !m.Type.Value.Match(v.Text) {
					if t.Nanosecond() != 0 {
						w.cut = append(w.cut, l.path)
					}
					v = derived(cap.FormatTime(t), &v)
				}
				w.r.write([]cell{{key, &v, tree.String}})
			default:
				w.r.write([]cell{{key, &v, tree.String}})
			}
		}
	}
}

// mend takes out what the schema refuses and fills in what it demands.
func (w *capWriter) mend() {
	root := shape.RootPath(&tree.Document{Syntax: tree.XML, Root: w.r.root})
	w.r.mend(w.r.root, root, nil, func() []shape.Deviation {
		return slices.DeleteFunc(shape.CheckNode(w.r.root, tree.XML, root, cap.Shape()), func(d shape.Deviation) bool { return d.Rule == "missing" || d.Rule == "order" })
	})
	w.fill(w.r.root, cap.Shape(), "")
}

// demandedOf is what stands where CAP demands something and nobody said it.
var demandedOf = map[string]string{
	"msgType": cap.TypeAlert, "scope": cap.Restricted, "category": "Other", "event": unnamed, "urgency": "Unknown", "severity": "Unknown", "certainty": "Unknown",
	"areaDesc": unnamed, "identifier": unnamed, "sender": unnamed, "resourceDesc": unnamed, "mimeType": "application/octet-stream",
}

func (w *capWriter) fill(n *tree.Node, t *shape.Type, key string) {
	n.Kind = tree.Object
	for _, m := range t.Members {
		if m.Min > 0 && n.Get(m.Name) == nil {
			text := demandedOf[m.Name]
			switch m.Name {
			case "status":
				text = statuses[w.s.real.mode]
			case "sent":
				text = "1970-01-01T00:00:00-00:00"
			}
			n.Kids = append(n.Kids, &tree.Node{Name: m.Name, Space: cap.Space12, Kind: tree.String, Text: text})
		}
	}
	for _, m := range t.Members {
		if len(m.Type.Members) > 0 {
			for _, k := range n.All(m.Name) {
				w.fill(k, m.Type, join(key, m.Name))
			}
		}
	}
}

// remarks writes what the result does not hold yet as named values of the first
// language, or behind the note of a message that has none.
func (w *capWriter) remarks() {
	r := w.r
	info := r.at["info"]
	if w.s.system == systemCAP { // behind its own
		w.parameters = w.s.count("info/parameter")
	}
	for _, m := range w.s.remarks(r) {
		text := m.text(nil)
		if info == nil {
			r.noted(m, w.behindNote(text))
			continue
		}
		key := join("info", at("parameter", w.parameters))
		w.parameters++
		r.put(key+"/valueName", m.label, tree.String)
		r.noted(m, r.put(key+"/value", strings.TrimPrefix(text, m.label+": "), tree.String))
	}
}

// behindNote writes a line behind the note.
func (w *capWriter) behindNote(line string) *tree.Node {
	if n := w.r.at["note"]; n != nil {
		for path, into := range w.r.into {
			if into == n && w.r.why[path] == "" {
				w.r.why[path] = Rewritten
			}
		}
		if n.Text != "" {
			line = n.Text + "\n" + line
		}
	}
	return w.r.put("note", line, tree.String)
}

// order puts the elements in the order of the standard.
func (w *capWriter) order(n *tree.Node, t *shape.Type) {
	place := func(k *tree.Node) int {
		return slices.IndexFunc(t.Members, func(m shape.Member) bool { return m.Name == k.Name })
	}
	slices.SortStableFunc(n.Kids, func(a, b *tree.Node) int { return cmp.Compare(place(a), place(b)) })
	for _, k := range n.Kids {
		if p := place(k); p >= 0 && len(t.Members[p].Type.Members) > 0 {
			w.order(k, t.Members[p].Type)
		}
	}
}
