package convert

import (
	"strconv"
	"strings"

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
)

// modes are the words that lead the description of what is no reality.
var modes = map[string]string{"EXERCS": "EXERCISE", "EXCERCS": "EXERCISE", "EXERCISE": "EXERCISE", "TEST": "TEST"}

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
	forUCRI(i)
	b := cellsBelow(key)
	b.text("sharedIncidentId", &i.ID)
	b.core(i)
	r.write(b.cells)
	// The number that a UUID stands for, and what leads the description, are there.
	at := r.root
	if !alone {
		at = r.root.Get("payload").Get("data")
	}
	sent := at.Get("sentByDispatcherAt").Value()
	for _, m := range s.remarks(r) {
		n := len(at.All("protocolRemarks"))
		line := join(key, "protocolRemarks")
		if n > 0 {
			line += "." + strconv.Itoa(n)
		}
		r.put(line+"/timestamp", sent, tree.String)
		r.noted(m, r.put(line+"/message", m.text(), tree.String))
		r.put(line+"/category", strings.ToUpper(s.system), tree.String)
	}
	return r
}

// envelope writes what carries the message. Who it is for is decided by whoever
// sends it; an address nobody named is the nil UUID's.
func (r *result) envelope(i *incident.Incident) {
	m := &i.Message
	id, sent := uuidOf(m.ID), sentAt(i)
	sender := oidOf(m.Sender.Address)
	receiver := derived("2.25.0", nil)
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
	list := []*incident.Value{&i.Message.Sent, &i.Message.Created, &i.Declared, &i.Observed, &i.Began}
	for n := range i.Tasks {
		list = append(list, &i.Tasks[n].Start)
	}
	if v, ok := firstMoment(list...); ok {
		return derived(strings.TrimSpace(v.Text), v)
	}
	return derived(noTime, nil)
}

// forUCRI fills in what UCRI 2 demands from what the incident says otherwise.
func forUCRI(i *incident.Incident) {
	id := i.Own
	if !id.Is() {
		id = i.Message.ID
	}
	i.ID = uuidOf(id)
	if i.ID.Origin.Path != "" { // the number itself is one: it is not there twice
		i.Own = incident.Value{}
	}
	if created, ok := firstMoment(&i.Message.Created); ok {
		i.Message.Created = derived(strings.TrimSpace(created.Text), created)
	} else {
		i.Message.Created = sentAt(i)
	}
	if _, ok := moment(i.Began); i.Began.Is() && !ok {
		i.Began = incident.Value{}
	}
	if !i.Remark.Is() {
		i.Remark = i.Description
	}
	if word := modes[strings.ToUpper(strings.TrimSpace(i.Kind.Text))]; word != "" {
		i.What = derived(strings.TrimSuffix(word+": "+i.What.Text, ": "), &i.What)
	}
	i.Location = whereForUCRI(placed(i))
}

// whereForUCRI is a location with what UCRI 2 has fields for; it demands a point or
// a street.
func whereForUCRI(l *incident.Location) incident.Location {
	var out incident.Location
	if l == nil {
		out.Address.Street = derived(nowhere, nil)
		return out
	}
	for _, p := range l.Points {
		if lat, lon, ok := degrees(p); ok {
			out.Points = []incident.Point{{Lat: lat, Lon: lon}}
			break
		}
	}
	switch {
	case len(l.Lines) > 0 && strings.TrimSpace(l.Lines[0].Text) != "":
		out.Address.Street = l.Lines[0]
		out.Note = l.Name
	case l.Name.Is():
		out.Address.Street = l.Name
	case len(out.Points) == 0:
		out.Address.Street = derived(nowhere, nil)
	}
	return out
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
	schema := s.appOf()
	from, key := "", keyData
	if enveloped {
		from, schema = keyData, s.byKey["payload/schemaId"].node.Text
	}
	if alone {
		key = ""
	}
	switch {
	case enveloped && !alone:
		r.write(envelopeCells(i, 0))
	case !alone:
		r.envelope(i)
		r.put("payload/appId", s.appID(schema), tree.String)
		r.put("payload/schemaId", schema, tree.String)
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

// appID is the app a message alone belongs to, by what it holds.
func (s *source) appID(schema string) string {
	switch {
	case schema == msgNotification:
		return "notification_text"
	case schema == msgRequest || schema == msgGranted || schema == msgDeployed:
		return "resource_request"
	case s.has("accusedPersons") || s.has("victimPersons") || s.has("eCallData"):
		return "incident_transfer_police"
	case s.has("pickupLocation"):
		return "patient_transport"
	case s.has("patient"):
		return "patient_transfer"
	case s.has("patients"):
		return "incident_transfer_with_patient"
	}
	return appIncident
}
