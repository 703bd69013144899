package console

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/i18n"
)

// UCRI 2 apps and messages this package understands.
// spec: UCRI 2, apps 1.0
const (
	appIncident  = "incident_transfer"
	appPatients  = "incident_transfer_with_patient"
	appPolice    = "incident_transfer_police"
	appPatient   = "patient_transfer"
	appTransport = "patient_transport"
	appRequest   = "resource_request"
	appText      = "notification_text"
	appNode      = "transport_layer_messages"
	appVersion   = "1.0"

	msgIncident   = "incident"
	msgAck        = "acknowledgement"
	msgCompletion = "completion"
	msgText       = "notification"
	msgRequest    = "resource_request"
	msgGranted    = "resource_acknowledgement"
	msgDeployed   = "resource_deployed"
	msgStatus     = "message_delivery_status"

	ackAccepted = "accepted"
	ackRejected = "rejected"
	// The misspelling is that of the specification.
	endDone    = "completed_sucessfully"
	endAborted = "aborted"
)

// remarkCategory marks the remark in which nodes of ours say what UCRI 2 has no
// field for. Other systems show or ignore it.
const remarkCategory = "trojmezi.v1"

// hasCompletion tells which apps know how a hand-over ends.
func hasCompletion(app string) bool {
	return app == appIncident || app == appPatients || app == appPolice || app == appPatient
}

// isHandover reports whether a message waits for a person's answer.
func isHandover(app, message string) bool {
	switch app {
	case appIncident, appPatients, appPolice, appPatient, appTransport:
		return message == msgIncident
	case appRequest:
		return message == msgRequest
	}
	return false
}

type wireAddress struct {
	Street     string `json:"street,omitempty"`
	House      string `json:"houseNumber,omitempty"`
	Postal     string `json:"postalCode,omitempty"`
	City       string `json:"city,omitempty"`
	District   string `json:"cityDistrict,omitempty"`
	State      string `json:"state,omitempty"`
	Country    string `json:"country,omitempty"`
	Additional string `json:"additionalInformation,omitempty"`
}

type wireObject struct {
	Name       string `json:"name,omitempty"`
	Additional string `json:"additionalInformation,omitempty"`
}

type wirePoint struct {
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"`
}

type wireLocation struct {
	Coordinate *wirePoint   `json:"coordinate,omitempty"`
	Address    *wireAddress `json:"address,omitempty"`
	Object     *wireObject  `json:"object,omitempty"`
	Superior   *wireObject  `json:"superiorObject,omitempty"`
	Floor      string       `json:"floor,omitempty"`
	Room       string       `json:"room,omitempty"`
	Additional string       `json:"additionalInformation,omitempty"`
}

// wirePerson: name is the family name, surname the given one (spec: UCRI 2, person).
type wirePerson struct {
	Name       string   `json:"name"`
	Surname    string   `json:"surname,omitempty"`
	Phone      string   `json:"phone,omitempty"`
	Additional string   `json:"additionalInformation,omitempty"`
	Born       string   `json:"dateOfBirth,omitempty"`
	Age        *float64 `json:"age,omitempty"`
	Gender     string   `json:"gender,omitempty"`
	Nation     string   `json:"nationality,omitempty"`
}

type wireRemark struct {
	At       string `json:"timestamp"`
	Message  string `json:"message"`
	Category string `json:"category,omitempty"`
	Silent   bool   `json:"silent,omitempty"`
}

type wireResource struct {
	ID   string `json:"resourceId"`
	Name string `json:"resourceName"`
	Type string `json:"resourceType"`
}

type wireWanted struct {
	Request string `json:"resourceRequestId"`
	Type    string `json:"resourceType"`
	Name    string `json:"resourceName"`
}

// wireIncident is every hand-over's content at once: the schemas of the apps
// differ in which members they allow.
type wireIncident struct {
	SharedID   string          `json:"sharedIncidentId"`
	InternalID string          `json:"internalId,omitempty"`
	Additional string          `json:"additionalInformation,omitempty"`
	SentAt     string          `json:"sentByDispatcherAt"`
	Informers  []wirePerson    `json:"informers,omitempty"`
	Remarks    []wireRemark    `json:"protocolRemarks,omitempty"`
	Start      string          `json:"startTimestamp,omitempty"`
	Classes    []string        `json:"classifications,omitempty"`
	Issue      string          `json:"issue,omitempty"`
	Blue       *bool           `json:"flashingLights,omitempty"`
	Location   *wireLocation   `json:"missionLocation,omitempty"`
	Patients   []wirePerson    `json:"patients,omitempty"`
	Patient    *wirePerson     `json:"patient,omitempty"`
	Accused    []wirePerson    `json:"accusedPersons,omitempty"`
	Victims    []wirePerson    `json:"victimPersons,omitempty"`
	ECall      json.RawMessage `json:"eCallData,omitempty"`
	Pickup     *wireLocation   `json:"pickupLocation,omitempty"`
	Goal       *wireLocation   `json:"destinationLocation,omitempty"`
	PickupAt   string          `json:"pickupTime,omitempty"`
	ArrivalAt  string          `json:"arrivalTime,omitempty"`
	Wanted     []wireWanted    `json:"requestedResources,omitempty"`
}

type wireAck struct {
	SharedID string `json:"sharedIncidentId"`
	At       string `json:"acknowledgedByDispatcherAt"`
	Status   string `json:"status"`
	Cause    string `json:"cause,omitempty"`
	Proposal string `json:"alternativeProposal,omitempty"`
}

type wireCompletion struct {
	SharedID   string `json:"sharedIncidentId"`
	At         string `json:"completedAt"`
	Status     string `json:"status"`
	Additional string `json:"additionalInformation,omitempty"`
}

type wireText struct {
	SharedID string       `json:"sharedIncidentId"`
	Lines    []wireRemark `json:"notifications"`
}

type wireRequestAck struct {
	Request string `json:"resourceRequestId"`
	Status  string `json:"acknowledgementStatus"`
	At      string `json:"acknowledgedAt"`
	Comment string `json:"comment,omitempty"`
}

type wireGranted struct {
	Request string         `json:"resourceRequestId"`
	Units   []wireResource `json:"acknowledgedResources"`
	At      string         `json:"acknowledgedAt"`
	Comment string         `json:"comment,omitempty"`
}

type wireDeployed struct {
	wireResource
	Request string `json:"resourceRequestId"`
	At      string `json:"deployedAt"`
	Comment string `json:"comment,omitempty"`
}

// read parses a payload's data. What does not fit is left out: the message has
// passed its schema at the node, and a newer release's members are no fault.
func read[T any](e *ucri.Envelope) T {
	var v T
	if e != nil && e.Payload.ContentType == ucri.ContentJSON {
		json.Unmarshal([]byte(e.Payload.Data), &v)
	}
	return v
}

func wireTime(s string) time.Time {
	t, _ := ucri.ParseTime(s)
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Millisecond)
}

// stated is what a node of ours says beyond the fields of UCRI 2.
type stated struct {
	injured *int
	danger  bool
	lang    i18n.Lang
	key     string // type of the crosswalk
	code    string // the sender's own code of it, behind its system
	there   bool
}

func (s stated) remark(at time.Time) wireRemark {
	var parts []string
	if s.injured != nil {
		parts = append(parts, "injured="+strconv.Itoa(*s.injured))
	}
	if s.danger {
		parts = append(parts, "danger=1")
	}
	parts = append(parts, "lang="+string(s.lang))
	if s.key != "" {
		parts = append(parts, "type="+s.key)
	}
	if s.code != "" {
		parts = append(parts, "code="+s.code)
	}
	return wireRemark{At: ucri.FormatTime(at), Message: strings.Join(parts, "; "), Category: remarkCategory, Silent: true}
}

func readStated(remarks []wireRemark) stated {
	var s stated
	for _, r := range remarks {
		if r.Category != remarkCategory {
			continue
		}
		s.there = true
		for part := range strings.SplitSeq(r.Message, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			switch name {
			case "injured":
				if n, err := strconv.Atoi(value); err == nil && n >= 0 {
					s.injured = &n
				}
			case "danger":
				s.danger = value == "1"
			case "type":
				s.key = bare(value)
			case "code":
				s.code = bare(value)
			case "lang":
				for _, l := range i18n.Langs {
					if string(l) == value {
						s.lang = l
					}
				}
			}
		}
	}
	return s
}

// facts reads a hand-over.
func facts(e *ucri.Envelope) *Facts {
	if e == nil {
		return nil
	}
	w := read[wireIncident](e)
	s := readStated(w.Remarks)
	f := &Facts{
		Classifications: w.Classes, TypeKey: s.key, TypeCode: s.code, Issue: w.Issue, Injured: s.injured, Lang: s.lang,
		Danger: s.danger || w.Blue != nil && *w.Blue, SentAt: wireTime(w.SentAt), Began: wireTime(w.Start),
		InternalID: w.InternalID, Additional: w.Additional, ECall: len(w.ECall) > 0,
		Callers: people(w.Informers), Accused: people(w.Accused), Victims: people(w.Victims),
		PickupAt: wireTime(w.PickupAt), ArrivalAt: wireTime(w.ArrivalAt),
	}
	if len(w.Classes) > 0 {
		f.Type = w.Classes[0]
	}
	if w.Patient != nil {
		w.Patients = append(w.Patients, *w.Patient)
	}
	f.Patients = people(w.Patients)
	if f.Injured == nil && len(w.Patients) > 0 && e.Payload.AppID == appPatients {
		n := len(w.Patients)
		f.Injured = &n
	}
	for _, r := range w.Remarks {
		if r.Category != remarkCategory {
			f.Remarks = append(f.Remarks, remarkOf(r))
		}
	}
	where := w.Location
	if where == nil {
		where = w.Pickup
	}
	if where != nil {
		f.Place, f.Address = place(where), address(where)
		if o := where.Object; o != nil {
			f.Object = o.Name
		}
		if c := where.Coordinate; c != nil {
			f.Lat, f.Lon, f.HasPoint = c.Lat, c.Lon, true
		}
	}
	if w.Pickup != nil {
		f.Pickup = address(w.Pickup)
	}
	if w.Goal != nil {
		f.Destination = address(w.Goal)
	}
	return f
}

func remarkOf(r wireRemark) Remark {
	return Remark{At: wireTime(r.At), Text: r.Message, Category: r.Category}
}

func people(in []wirePerson) []Person {
	var out []Person
	for _, p := range in {
		note := []string{}
		if p.Born != "" {
			note = append(note, p.Born)
		}
		if p.Age != nil {
			note = append(note, strconv.FormatFloat(*p.Age, 'f', -1, 64))
		}
		for _, s := range []string{p.Gender, p.Nation, p.Additional} {
			if s != "" {
				note = append(note, s)
			}
		}
		out = append(out, Person{Name: strings.TrimSpace(p.Surname + " " + p.Name), Phone: p.Phone, Note: strings.Join(note, ", ")})
	}
	return out
}

// city is the municipality of a place, "" when the sender has none: in a village
// without streets it stands in the street (UCRI 2 demands that one).
func city(l *wireLocation) string {
	if l == nil || l.Address == nil {
		return ""
	}
	return l.Address.City
}

// place is what two control rooms confirm to each other: the municipality, or
// what stands for it. Both sides take it from the same message.
func place(l *wireLocation) string {
	if l == nil {
		return ""
	}
	if a := l.Address; a != nil {
		if a.City != "" {
			return a.City
		}
		return a.Street
	}
	if l.Object != nil && l.Object.Name != "" {
		return l.Object.Name
	}
	if c := l.Coordinate; c != nil {
		return strconv.FormatFloat(c.Lat, 'f', 4, 64) + " " + strconv.FormatFloat(c.Lon, 'f', 4, 64)
	}
	return ""
}

// address is a place in one line.
func address(l *wireLocation) string {
	var parts []string
	add := func(s ...string) {
		// A village without streets stands in the street as well.
		if t := strings.TrimSpace(strings.Join(s, " ")); t != "" && !slices.Contains(parts, t) {
			parts = append(parts, t)
		}
	}
	if o := l.Object; o != nil {
		add(o.Name)
	}
	if o := l.Superior; o != nil {
		add(o.Name)
	}
	if a := l.Address; a != nil {
		add(a.Street, a.House)
		add(a.Postal, a.City)
		add(a.District)
		add(a.State)
		add(a.Country)
		add(a.Additional)
	}
	add(l.Floor)
	add(l.Room)
	add(l.Additional)
	return strings.Join(parts, ", ")
}

// headline is what the matter is, short enough for a row.
func headline(f *Facts) string {
	const most = 120
	s := f.Issue
	if s == "" {
		s = f.Type
	}
	if s == "" && len(f.Remarks) > 0 {
		s = f.Remarks[0].Text
	}
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		s = strings.TrimSpace(string(r[:most-1])) + "…"
	}
	return s
}

// same compares what two people wrote for a place.
func same(a, b string) bool {
	norm := func(s string) string { return strings.Join(strings.Fields(strings.ToLower(s)), " ") }
	return norm(a) == norm(b)
}

// Fixed first lines by which the consoles of two nodes of ours recognise what a
// text is, in whichever language it is written.
const (
	lineConfirm   = "console.d.line.confirm"
	lineTelephone = "console.d.line.telephone"
	labelPlace    = "console.d.line.place"
	labelInjured  = "console.d.line.injured"
	wordUnknown   = "console.d.line.unknown"
)

// formOf recognises a text by its first line.
func (s *Service) formOf(lines []wireRemark) Form {
	if len(lines) == 0 {
		return FormText
	}
	first, _, _ := strings.Cut(lines[0].Message, "\n")
	for _, l := range i18n.Langs {
		switch strings.TrimSpace(first) {
		case s.Texts.Text(l, lineConfirm, nil):
			return FormConfirm
		case s.Texts.Text(l, lineTelephone, nil):
			return FormTelephone
		case s.Texts.Text(l, lineUpdate, nil):
			return FormUpdate
		}
	}
	return FormText
}

// confirmText writes what an accepting person confirms.
func (s *Service) confirmText(l i18n.Lang, c Confirm) string {
	injured := s.Texts.Text(l, wordUnknown, nil)
	if c.Injured != nil {
		injured = strconv.Itoa(*c.Injured)
	}
	return s.Texts.Text(l, lineConfirm, nil) + "\n" +
		s.Texts.Text(l, labelPlace, nil) + ": " + oneLine(c.Place) + "\n" +
		s.Texts.Text(l, labelInjured, nil) + ": " + injured
}

// readConfirm is the reverse of confirmText; nil when the text is none.
func (s *Service) readConfirm(lines []wireRemark) *Confirm {
	if s.formOf(lines) != FormConfirm {
		return nil
	}
	c := &Confirm{}
	for line := range strings.SplitSeq(lines[0].Message, "\n") {
		label, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		for _, l := range i18n.Langs {
			switch strings.TrimSpace(label) {
			case s.Texts.Text(l, labelPlace, nil):
				c.Place = value
			case s.Texts.Text(l, labelInjured, nil):
				if n, err := strconv.Atoi(value); err == nil {
					c.Injured = &n
				}
			}
		}
	}
	return c
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// differences are the confirmed values that differ from the stated ones. What one
// side does not know is no difference.
func differences(said, confirmed Confirm) []Mismatch {
	var out []Mismatch
	if said.Place != "" && confirmed.Place != "" && !same(said.Place, confirmed.Place) {
		out = append(out, Mismatch{Field: "place", Stated: said.Place, Confirmed: confirmed.Place})
	}
	if said.Injured != nil && confirmed.Injured != nil && *said.Injured != *confirmed.Injured {
		out = append(out, Mismatch{Field: "injured", Stated: strconv.Itoa(*said.Injured), Confirmed: strconv.Itoa(*confirmed.Injured)})
	}
	return out
}

// letter wraps a message of an app into an envelope that asks for every receipt.
func letter(from, to, app, message string, data any) *ucri.Envelope {
	b, err := json.Marshal(data)
	if err != nil {
		panic(err) // only for types that have no JSON
	}
	return &ucri.Envelope{
		Source: from, Destinations: []string{to}, Ack: ucri.AckAll,
		Payload: ucri.Payload{AppID: app, AppVersion: appVersion, SchemaID: message, ContentType: ucri.ContentJSON, Data: string(b)},
	}
}

// build makes the UCRI 2 message of a draft. shared is the incident's UUID.
func build(d Draft, shared string, lang i18n.Lang, now time.Time, unknown string) (app, message string, data any) {
	app, message = d.App, msgIncident
	if app == "" {
		app = appIncident
	}
	w := wireIncident{
		SharedID: shared, SentAt: ucri.FormatTime(now), InternalID: d.InternalID, Additional: d.Additional,
		Remarks: []wireRemark{stated{injured: d.Injured, danger: d.Danger, lang: lang, key: d.TypeKey, code: d.TypeCode}.remark(now)},
	}
	callers := d.Callers
	if d.Caller != (Person{}) {
		callers = append([]Person{d.Caller}, callers...)
	}
	w.Informers = wirePeople(callers, unknown)
	for _, r := range d.Remarks {
		if r = strings.TrimSpace(r); r != "" {
			w.Remarks = append(w.Remarks, wireRemark{At: ucri.FormatTime(now), Message: r})
		}
	}
	if app == appPatient {
		w.Issue = "consultation_needed" // the one value the schema knows
		w.Patient = firstPerson(d.Patients, unknown)
		if d.Issue != "" {
			w.Remarks = append(w.Remarks, wireRemark{At: ucri.FormatTime(now), Message: d.Issue})
		}
		return app, message, w
	}
	w.Issue = d.Issue
	if d.Type != "" {
		w.Classes = []string{d.Type}
	}
	if !d.Began.IsZero() {
		w.Start = ucri.FormatTime(d.Began)
	}
	if app == appTransport {
		w.Patient = firstPerson(d.Patients, unknown)
		w.Pickup, w.Goal = d.Pickup.wire(unknown), d.Destination.wire(unknown)
		w.PickupAt, w.ArrivalAt = ucri.FormatTime(d.PickupAt), ucri.FormatTime(d.ArrivalAt)
		return app, message, w
	}
	w.Blue = &d.Danger
	w.Location = d.location()
	switch app {
	case appPatients:
		w.Patients = wirePeople(d.Patients, unknown)
	case appRequest:
		message = msgRequest
		w.Patients = wirePeople(d.Patients, unknown)
		if len(w.Patients) == 0 {
			w.Patients = []wirePerson{{Name: unknown}} // the schema demands one
		}
		for _, r := range d.Want {
			w.Wanted = append(w.Wanted, wireWanted{Request: r.ID, Type: r.Type, Name: r.Name})
		}
	}
	return app, message, w
}

func (d Draft) location() *wireLocation {
	l := &wireLocation{}
	if d.HasPoint {
		l.Coordinate = &wirePoint{d.Lat, d.Lon}
	}
	street := d.Street
	if street == "" {
		street = d.Place // a village without streets; the schema demands a street
	}
	if street != "" {
		l.Address = &wireAddress{Street: street, House: d.House, Postal: digits(d.Postal), City: d.Place, District: d.District, Country: d.Country}
	}
	if d.Object != "" {
		l.Object = &wireObject{Name: d.Object}
	}
	return l
}

func (l Location) wire(unknown string) *wireLocation {
	street := l.Street
	if street == "" {
		street = l.City
	}
	if street == "" {
		street = unknown
	}
	w := &wireLocation{Address: &wireAddress{Street: street, House: l.House, Postal: digits(l.Postal), City: l.City, Country: l.Country}}
	if l.Object != "" {
		w.Object = &wireObject{Name: l.Object}
	}
	return w
}

// digits are all that a postal code may hold on the wire: "460 01" and "02-326" lose their marks.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

func wirePeople(in []Person, unknown string) []wirePerson {
	var out []wirePerson
	for _, p := range in {
		given, family := "", strings.TrimSpace(p.Name)
		if i := strings.LastIndex(family, " "); i > 0 {
			given, family = strings.TrimSpace(family[:i]), family[i+1:]
		}
		if family == "" {
			family = unknown
		}
		out = append(out, wirePerson{Name: family, Surname: given, Phone: p.Phone, Additional: p.Note})
	}
	return out
}

func firstPerson(in []Person, unknown string) *wirePerson {
	if len(in) == 0 {
		in = []Person{{}}
	}
	return &wirePeople(in[:1], unknown)[0]
}
