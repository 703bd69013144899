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

	appIncident     = "incident_transfer"
	appNotification = "notification_text"
	appUnits        = "resource_request"
	appVersion      = "1.0"

	// How a completion ends; the misspelling is the specification's.
	completed = "completed_sucessfully"
	aborted   = "aborted"
	// What a person answers.
	accepted = "accepted"
	rejected = "rejected"

	// blueLights is the priority of a mission from which on its units hurry, mostUrgent
	// the highest.
	blueLights = 4
	mostUrgent = 5
)

// toUCRI writes an envelope, or the app message alone.
func toUCRI(s *source, i *incident.Incident, o Options) (*result, *Fault) {
	r := newResult(tree.JSON, &tree.Node{Kind: tree.Object}, ucriArrays)
	if s.system == systemUCRI {
		r.again(s, i, o.Payload)
		return r, nil
	}
	schema := ucri.Message{AppID: appIncident, AppVersion: appVersion, SchemaID: msgIncident}
	switch o.As {
	case KindAnswer:
		schema.SchemaID = msgAcknowledgement
	case KindCompletion, KindCancel:
		schema.SchemaID = msgCompletion
	case KindText, KindUpdate:
		schema.AppID, schema.SchemaID = appNotification, msgNotification
	}
	key := keyData
	if o.Payload {
		key = ""
	} else {
		r.envelope(i, schema, o)
	}
	lines := s.forUCRI(i)
	b := cellsBelow(key)
	switch schema.SchemaID {
	case msgIncident:
		b.text("sharedIncidentId", &i.ID)
		b.core(i)
	default:
		s.forApp(i, r, o.As)
		b.cells = appCells(i, schema.SchemaID, key, false)
	}
	r.write(b.cells)
	if schema.SchemaID == msgIncident {
		for _, l := range lines { // several of them are one value there
			r.moved(&l, r.at[join(key, "missionLocation/address/additionalInformation")], Rewritten)
		}
	}
	if s.system != systemEMSI { // whose incidents are right by the way they are made
		r.mendUCRI(schema, key)
	}
	s.remarksUCRI(i, r, schema, key)
	if s.system != systemEMSI || schema.SchemaID != msgIncident {
		if f := r.lacking(s, schema, key); f != nil {
			return nil, f
		}
	}
	return r, nil
}

// remarksUCRI writes what the result does not hold yet where the app message has room
// for it; an acknowledgement has none.
func (s *source) remarksUCRI(i *incident.Incident, r *result, schema ucri.Message, key string) {
	sent := i.Message.Created.Text
	list := "protocolRemarks"
	switch schema.SchemaID {
	case msgAcknowledgement:
		s.remarks(r) // what says nothing is named as such
		return
	case msgCompletion:
		s.freeText(r, i.Receipt.Note, join(key, "additionalInformation"))
		return
	case msgNotification:
		list = "notifications"
	}
	n, first := len(i.Notes), true
	for k := range i.Notes {
		first = first && r.at[join(key, at(list, k))] == nil
	}
	say := func(text string) *tree.Node {
		line := join(key, at(list, n))
		if n++; first && list == "notifications" {
			text = s.real.leads(text)
		}
		first = false
		r.put(line+"/timestamp", sent, tree.String)
		said := r.put(line+"/message", text, tree.String)
		r.put(line+"/category", strings.ToUpper(s.system), tree.String)
		return said
	}
	for _, m := range s.remarks(r) {
		r.noted(m, say(m.text(s.before)))
	}
	for _, text := range s.gone() {
		say(text)
	}
	if first && list == "notifications" { // it demands one
		say("")
	}
}

// envelope writes what carries the message. Who it is for is decided by whoever
// sends it; an address nobody named is the nil UUID's.
func (r *result) envelope(i *incident.Incident, schema ucri.Message, o Options) {
	m := &i.Message
	id, sent := uuidOf(m.ID, m.Sender.Address), sentAt(i)
	sender := oidOf(m.Sender.Address)
	receiver := derived(nobody, nil)
	if len(m.Receivers) > 0 && m.Receivers[0].Address.Is() {
		receiver = oidOf(m.Receivers[0].Address)
		if o.Destination != "" {
			receiver = derived(o.Destination, &m.Receivers[0].Address)
		}
	} else if o.Destination != "" {
		receiver = derived(o.Destination, nil)
	}
	if o.Source != "" {
		sender = derived(o.Source, &m.Sender.Address)
	}
	r.write([]cell{{"messageId", &id, tree.String}, {"sentDate", &sent, tree.String}, {"source", &sender, tree.String}, {"destinations", &receiver, tree.String}})
	life := r.put("timeout", strconv.Itoa(r.timeout(m, sent)), tree.Number)
	if _, ok := moment(m.Expires); ok {
		r.moved(&m.Expires, life, Rewritten)
	}
	r.put("ack", string(ucri.DefaultAck), tree.String)
	for _, p := range [][2]string{{"appId", schema.AppID}, {"appVersion", schema.AppVersion}, {"schemaId", schema.SchemaID}, {"contentType", ucri.ContentJSON}} {
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

// identify gives the incident the identifier that all who work on it share.
func (s *source) identify(i *incident.Incident) {
	sender := i.Message.Sender.Address
	switch {
	case strings.TrimSpace(i.ID.Text) != "":
		i.ID = uuidOf(i.ID, sender)
	case strings.TrimSpace(i.Main.Text) != "": // whoever shares the incident names it
		i.ID = uuidOf(i.Main, incident.Value{})
	case i.Own.Is():
		if i.ID = uuidOf(i.Own, sender); i.ID.Origin.Path != "" { // the number itself is one: it is not there twice
			i.Own = incident.Value{}
		}
	default:
		i.ID = uuidOf(i.Message.ID, sender)
	}
}

// forUCRI fills in what UCRI 2 demands from what the incident says otherwise. It
// returns the further lines of its address.
func (s *source) forUCRI(i *incident.Incident) []incident.Value {
	s.identify(i)
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
	for n := range i.Notes {
		if at, ok := stamp(i.Notes[n].At); ok {
			i.Notes[n].At = at
		} else if i.Notes[n].Text.Is() {
			i.Notes[n].At = derived(i.Message.Created.Text, nil)
		}
	}
	for n := range i.Callers {
		if c := &i.Callers[n]; !c.Family.Is() { // the number of one who gave no name matters all the same
			c.Family = derived(unnamed, nil)
		}
	}
	return lines
}

// whereForUCRI is a location with what UCRI 2 has fields for; it demands a point or
// a street. Further lines of the address are in one.
func whereForUCRI(l *incident.Location) (out incident.Location, further []incident.Value) {
	if l == nil {
		out.Address.Street = derived(nowhere, nil)
		return out, nil
	}
	out.Address, out.Object, out.Superior, out.Floor, out.Room, out.Note = l.Address, l.Object, l.Superior, l.Floor, l.Room, l.Note
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
	case l.Address.Street.Is():
	case l.Name.Is():
		out.Address.Street = l.Name
	case l.Address.City.Is(): // a village without streets
		out.Address.Street = derived(l.Address.City.Text, nil)
	case len(out.Points) == 0 || out.Address != (incident.Address{}):
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
		r.envelope(i, s.schema, Options{})
		r.original = string(s.doc.Text)
	}
	if s.changed || len(s.withheld) > 0 {
		r.original = ""
	}
	r.write(appCells(i, schema, key, s.has(join(from, "patient"))))
	byPath := map[string]*leaf{}
	for _, l := range s.leaves {
		byPath[l.path] = l
	}
	for n := range i.Extra {
		v := &i.Extra[n]
		if !v.Is() { // kept back
			continue
		}
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
