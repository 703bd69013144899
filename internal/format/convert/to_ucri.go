package convert

import (
	"strconv"
	"strings"

	"trojmezi/internal/format/emsi"
	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/format/ucri"
)

const (
	// nowhere stands where UCRI 2 demands a place and the message has none.
	nowhere = "unknown / neznámé / unbekannt / nieznane"
	// noTime stands where it demands a time and the message has none.
	noTime = "1970-01-01T00:00:00Z"

	appIncident = "incident_transfer"
	appVersion  = "1.0"

	// blueLights is the priority of a mission from which on its units hurry, mostUrgent
	// the highest.
	blueLights = 4
	mostUrgent = 5
)

// toUCRI writes an envelope, or the app message alone.
func toUCRI(s *source, i *incident.Incident, alone bool) *result {
	r := newResult(tree.JSON, &tree.Node{Kind: tree.Object}, ucriArrays)
	if s.system == systemUCRI {
		r.again(s, i, alone)
		return r
	}
	key := keyData
	if alone {
		key = ""
	} else {
		r.envelope(i)
	}
	lines := s.forUCRI(i)
	b := cellsBelow(key)
	b.text("sharedIncidentId", &i.ID)
	b.core(i)
	r.write(b.cells)
	for _, l := range lines { // several of them are one value there
		r.moved(&l, r.at[join(key, "missionLocation/address/additionalInformation")], Rewritten)
	}
	at := r.root
	if !alone {
		at = r.root.Get("payload").Get("data")
	}
	sent := at.Get("sentByDispatcherAt").Value()
	n := len(at.All("protocolRemarks"))
	for _, m := range s.remarks(r) {
		line := join(key, "protocolRemarks")
		if n > 0 {
			line += "." + strconv.Itoa(n)
		}
		r.put(line+"/timestamp", sent, tree.String)
		r.noted(m, r.put(line+"/message", m.text(), tree.String))
		r.put(line+"/category", strings.ToUpper(s.system), tree.String)
		n++
	}
	return r
}

// envelope writes what carries the message. Who it is for is decided by whoever
// sends it; an address nobody named is the nil UUID's.
func (r *result) envelope(i *incident.Incident) {
	m := &i.Message
	id, sent := uuidOf(m.ID, m.Sender.Address), sentAt(i)
	sender := oidOf(m.Sender.Address)
	receiver := derived(nobody, nil)
	if len(m.Receivers) > 0 && m.Receivers[0].Address.Is() {
		receiver = oidOf(m.Receivers[0].Address)
	}
	r.write([]cell{{"messageId", &id, tree.String}, {"sentDate", &sent, tree.String}, {"source", &sender, tree.String}, {"destinations", &receiver, tree.String}})
	r.put("timeout", strconv.Itoa(r.timeout(m, sent)), tree.Number)
	r.put("ack", string(ucri.DefaultAck), tree.String)
	for _, p := range [][2]string{{"appId", appIncident}, {"appVersion", appVersion}, {"schemaId", msgIncident}, {"contentType", ucri.ContentJSON}} {
		r.put("payload/"+p[0], p[1], tree.String)
	}
}

// timeout is how many seconds after its sending the message expires.
func (r *result) timeout(m *incident.Message, sent incident.Value) int {
	end, ok := moment(m.Expires)
	begin, ok2 := moment(sent)
	if !ok || !ok2 {
		return ucri.DefaultTimeout
	}
	return min(max(int(end.Sub(begin).Seconds()), ucri.MinTimeout), ucri.MaxTimeout)
}

// sentAt is when the message was sent, as far as it says.
func sentAt(i *incident.Incident) incident.Value {
	if v, ok := firstMoment(&i.Message.Sent, &i.Message.Created, &i.Declared, &i.Observed, &i.Began); ok {
		sent, _ := stamp(*v)
		return sent
	}
	return derived(noTime, nil)
}

// forUCRI fills in what UCRI 2 demands from what the incident says otherwise. It
// returns the further lines of its address.
func (s *source) forUCRI(i *incident.Incident) []incident.Value {
	sender := i.Message.Sender.Address
	switch {
	case strings.TrimSpace(i.Main.Text) != "": // whoever shares the incident names it
		i.ID = uuidOf(i.Main, incident.Value{})
	case i.Own.Is():
		if i.ID = uuidOf(i.Own, sender); i.ID.Origin.Path != "" { // the number itself is one: it is not there twice
			i.Own = incident.Value{}
		}
	default:
		i.ID = uuidOf(i.Message.ID, sender)
	}
	if created, ok := stamp(i.Message.Created); ok {
		i.Message.Created = created
	} else {
		i.Message.Created = sentAt(i)
	}
	if began, ok := stamp(i.Began); ok {
		i.Began = began
	} else {
		i.Began = incident.Value{}
	}
	if !i.Remark.Is() {
		i.Remark = i.Description
	}
	if s.real.word != "" {
		i.What = derived(s.real.leads(i.What.Text), &i.What)
	}
	for _, t := range i.Tasks {
		status, _ := emsi.Known(emsi.MissionStateList, t.Status.Text)
		over := status == "COM" || status == "CANCLD" || status == "ABO"
		if _, urgent := number(t.Priority, blueLights, mostUrgent); urgent && !over {
			i.BlueLights = derived("true", nil)
		}
	}
	var lines []incident.Value
	i.Location, lines = whereForUCRI(placed(i))
	return lines
}

// whereForUCRI is a location with what UCRI 2 has fields for; it demands a point or
// a street. Further lines of the address are in one.
func whereForUCRI(l *incident.Location) (out incident.Location, further []incident.Value) {
	if l == nil {
		out.Address.Street = derived(nowhere, nil)
		return out, nil
	}
	if p, ok := pointOf(l); ok {
		out.Points = []incident.Point{{Lat: p.Lat, Lon: p.Lon}}
	}
	var lines []incident.Value
	for _, v := range l.Lines {
		if strings.TrimSpace(v.Text) != "" {
			lines = append(lines, v)
		}
	}
	switch {
	case len(lines) > 0:
		out.Address.Street, further = lines[0], lines[1:]
		out.Note = l.Name
	case l.Name.Is():
		out.Address.Street = l.Name
	case len(out.Points) == 0:
		out.Address.Street = derived(nowhere, nil)
	}
	if len(further) > 0 {
		texts := make([]string, len(further))
		for n, v := range further {
			texts[n] = v.Text
		}
		out.Address.Note = derived(strings.Join(texts, ", "), nil)
	}
	return out, further
}

// again writes a message of UCRI 2 as one of UCRI 2, with or without its envelope.
func (r *result) again(s *source, i *incident.Incident, alone bool) {
	enveloped := s.byKey["payload/appId"] != nil
	r.arrays = map[string]bool{}
	for k := range s.arrays {
		r.arrays[strings.TrimPrefix(k, keyData+"/")] = true
	}
	for k := range ucriArrays {
		r.arrays[k] = true
	}
	from, key, schema := "", keyData, s.schema.SchemaID
	if enveloped {
		from = keyData
	}
	if alone {
		key = ""
	}
	switch {
	case enveloped && !alone:
		r.write(envelopeCells(i, 0))
		if d := s.doc.Root.Get("payload").Get("data"); d.Value() != "" {
			r.original = d.Text
		}
	case !alone:
		r.envelope(i)
		for name, v := range map[string]string{"appId": s.schema.AppID, "appVersion": s.schema.AppVersion, "schemaId": schema} {
			r.put("payload/"+name, v, tree.String)
		}
		r.original = string(s.doc.Text)
	}
	if s.changed {
		r.original = ""
	}
	r.write(appCells(i, schema, key, s.has(join(from, "patient"))))
	byPath := map[string]*leaf{}
	for _, l := range s.leaves {
		byPath[l.path] = l
	}
	for n := range i.Extra {
		v := &i.Extra[n]
		l := byPath[v.Origin.Path]
		inner, ofApp := strings.CutPrefix(l.key, keyData+"/")
		if enveloped && !ofApp && alone {
			continue
		}
		to := l.key
		if ofApp || !enveloped {
			if !ofApp {
				inner = l.key
			}
			to = join(key, inner)
		}
		r.moved(v, r.put(to, v.Text, l.node.Kind), Rewritten)
	}
	if enveloped && alone {
		for _, l := range s.leaves {
			if r.into[l.path] == nil {
				r.why[l.path] = Replaced // the caller wants no envelope
			}
		}
	}
}
