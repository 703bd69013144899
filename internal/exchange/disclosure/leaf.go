package disclosure

import (
	"reflect"
	"slices"
	"strings"

	"trojmezi/internal/format/incident"
)

// nature is what a value of an incident is to the policy.
type nature byte

const (
	plain    nature = iota + 1 // says nothing about a person
	words                      // free text: says what its writer wrote
	personal                   // is about a natural person
	naming                     // is personal, and finds the person again in any text
	frame                      // without it there is no message: it always passes
	inside                     // has parts that are judged one by one
)

// natures of every field of the incident model, by its type and name. A field that is
// not here is no field the policy can let pass; a test walks the model for one.
var natures = map[string]nature{
	"Incident.Message": inside, "Incident.ID": frame, "Incident.Own": plain, "Incident.Main": plain, "Incident.References": inside, "Incident.Kind": frame,
	"Incident.Types": plain, "Incident.Actors": plain, "Incident.Scenes": plain, "Incident.Environment": plain,
	"Incident.What": words, "Incident.Description": words, "Incident.Remark": words,
	"Incident.Source": plain, "Incident.Scale": plain, "Incident.Certainty": plain, "Incident.Status": plain, "Incident.Risk": plain, "Incident.Cause": plain, "Incident.BlueLights": plain,
	"Incident.Revision": plain, "Incident.Began": plain, "Incident.Declared": plain, "Incident.Observed": plain,
	"Incident.Location": inside, "Incident.Areas": inside, "Incident.Callers": inside, "Incident.Patients": inside, "Incident.Accused": inside, "Incident.Victims": inside,
	"Incident.Casualties": inside, "Incident.Evacuated": inside, "Incident.Car": inside, "Incident.Pickup": inside, "Incident.Target": inside,
	"Incident.PickupAt": frame, "Incident.ArrivalAt": frame, "Incident.Tasks": inside, "Incident.Resources": inside, "Incident.Notes": inside, "Incident.Receipt": inside,
	"Incident.Extra": words,

	"Message.ID": frame, "Message.Type": plain, "Message.Created": frame, "Message.Sent": frame, "Message.Expires": plain, "Message.Level": plain, "Message.Secrecy": plain,
	"Message.Urgency": plain, "Message.Language": plain, "Message.Note": words, "Message.Sender": inside, "Message.Receivers": inside, "Message.Envelope": inside,
	"Message.Links": inside, "Message.Files": inside,
	"Envelope.ID": plain, "Envelope.Sender": plain, "Envelope.Kind": plain, "Envelope.Scheme": plain,
	"Party.Address": frame, "Party.Person": personal, "Party.Name": plain, // the organisation's
	"Link.ID": plain, "Link.Role": plain, "File.URL": plain, "File.Type": plain, "File.Note": words,
	"Reference.Organisation": plain, "Reference.IDs": plain,

	// A place is where help is needed, also where somebody lives there: without it none comes.
	"Location.ID": plain, "Location.Name": plain, "Location.Type": plain, "Location.HeightRole": plain, "Location.System": plain, "Location.Points": inside, "Location.Lines": plain,
	"Location.Address": inside, "Location.Object": inside, "Location.Superior": inside, "Location.Floor": plain, "Location.Room": plain, "Location.Note": words,
	"Point.Lat": frame, "Point.Lon": frame, "Point.Height": plain,
	"Address.Street": frame, "Address.House": plain, "Address.Postal": plain, "Address.City": plain, "Address.District": plain, "Address.State": plain, "Address.Country": plain, "Address.Note": words,
	"Place.Name": frame, "Place.Note": words,
	"Area.At": plain, "Area.Type": plain, "Area.Note": words, "Area.Weather": plain, "Area.Location": inside,

	"Person.Family": naming, "Person.Given": naming, "Person.Phone": naming, "Person.Mail": naming, "Person.Note": personal, "Person.Birth": naming,
	"Person.Nationality": personal, "Person.Address": personal,
	"Patient.Person": inside, "Patient.Age": personal, "Patient.Gender": personal, "Patient.Transport": personal, "Patient.Insurer": personal,
	"Patient.InsurerNumber": personal, "Patient.InsuranceNumber": naming, "Patient.Indication": personal, "Patient.Message": personal, "Patient.Identifier": personal,
	"Patient.Finding": personal, "Patient.Infectious": personal, "Patient.Infection": personal,

	"Casualties.Context": plain, "Casualties.At": plain, "Casualties.Decontaminated": plain, "Casualties.Red": plain, "Casualties.Yellow": plain, "Casualties.Green": plain,
	"Casualties.Dead": plain, "Casualties.Missing": plain,
	"Evacuation.At": plain, "Evacuation.Displaced": plain, "Evacuation.Evacuated": plain,
	"Car.At": frame, "Car.Automatic": plain, "Car.Trusted": plain, "Car.Direction": plain, "Car.Passengers": plain, "Car.Type": plain, "Car.VIN": naming, "Car.Propulsion": plain,
	"Car.Position": inside, "Car.Before": inside, "Car.BeforeThat": inside,
	"Task.ID": plain, "Task.Type": plain, "Task.Note": words, "Task.Organisation": plain, "Task.Name": plain, "Task.Status": plain, "Task.Start": plain, "Task.End": plain,
	"Task.Main": plain, "Task.Priority": plain, "Task.Resources": plain, "Task.Parents": plain, "Task.Children": plain, "Task.Location": inside,
	"Resource.Classes": plain, "Resource.Capabilities": plain, "Resource.Features": plain, "Resource.ID": frame, "Resource.Organisation": plain, "Resource.Name": frame,
	"Resource.Note": words, "Resource.Quantity": plain, "Resource.Unit": plain, "Resource.Status": plain, "Resource.Nationality": plain, "Resource.Request": frame,
	"Resource.Type": frame, "Resource.Reason": plain, "Resource.Positions": inside, "Resource.Contacts": inside,
	"Whereabouts.At": plain, "Whereabouts.Type": plain, "Whereabouts.Note": words, "Whereabouts.ID": plain, "Whereabouts.Locations": inside,
	// How to reach a unit, not a person.
	"Contact.Type": plain, "Contact.Detail": plain,
	"Note.At": frame, "Note.Text": words, "Note.Category": plain, "Note.Silent": plain,
	"Receipt.At": frame, "Receipt.Status": frame, "Receipt.Reason": words, "Receipt.Note": words,
}

// Group is what is asked about, withheld and given as one.
type Group string

// The groups. Data is whatever is in no other one.
const (
	Callers   Group = "callers"
	Patients  Group = "patients"
	Accused   Group = "accused"
	Victims   Group = "victims"
	Insurance Group = "insurance"
	Car       Group = "car"
	Staff     Group = "staff"
	Data      Group = "data"
)

// Groups lists them in the order shown.
var Groups = []Group{Callers, Patients, Accused, Victims, Insurance, Car, Staff, Data}

// leaf is a value of the model that a rule can be about.
type leaf struct {
	path  string // names from Incident down, without numbers
	parts []string
	is    nature
	group Group
}

// The paths of what has no field in the model: extraPersonal that of what is about a
// person by its names in the source, extraTransport that of what an envelope of UCRI 2
// is nothing without, extraOther that of the rest.
const (
	extraOther     = "Extra"
	extraPersonal  = "Extra.Personal"
	extraTransport = "Extra.Transport"
)

// branch is a part of the model: a value (leaf >= 0), or what has parts.
type branch struct {
	name     string
	embedded bool // its fields are those of what holds it
	leaf     int
	list     bool
	fields   []branch // of a struct; one for a list
}

var (
	leaves []leaf
	byPath = map[string]int{}
	model  = grown()
)

var valueType = reflect.TypeFor[incident.Value]()

func grown() branch {
	b := grow(reflect.TypeFor[incident.Incident](), nil, 0)
	addLeaf(extraPersonal, personal)
	addLeaf(extraTransport, frame)
	return b
}

// grow follows a type. over, if not 0, is the nature of all that is below: an address
// is plain, but a person's address is his.
func grow(t reflect.Type, way []string, over nature) branch {
	b := branch{leaf: -1}
	switch {
	case t == valueType:
		b.leaf = addLeaf(strings.Join(way, "."), over)
	case t.Kind() == reflect.Slice:
		b.list, b.fields = true, []branch{grow(t.Elem(), way, over)}
	default:
		for f := range t.Fields() {
			is := natures[t.Name()+"."+f.Name]
			if over == personal && is != inside {
				is = personal
			}
			next := append(way[:len(way):len(way)], f.Name)
			embedded := f.Type == reflect.TypeFor[incident.Person]() // a patient is a person
			if embedded {
				next = way
			}
			if is == inside {
				is = over
			}
			part := grow(f.Type, next, is)
			part.name, part.embedded = f.Name, embedded
			b.fields = append(b.fields, part)
		}
	}
	return b
}

func addLeaf(path string, is nature) int {
	l := leaf{path: path, parts: strings.Split(path, "."), is: is}
	l.group = groupOf(l)
	leaves = append(leaves, l)
	byPath[path] = len(leaves) - 1
	return len(leaves) - 1
}

func groupOf(l leaf) Group {
	switch {
	case strings.HasPrefix(l.path, "Patients.Insur"):
		return Insurance
	case l.parts[0] == "Message" && l.is == personal:
		return Staff
	}
	switch l.parts[0] {
	case "Callers", "Patients", "Accused", "Victims", "Car":
		return Group(strings.ToLower(l.parts[0]))
	}
	return Data
}

func (l leaf) personal() bool { return l.is == personal || l.is == naming }

// telling are parts of names by which formats call what is about a person, with the
// value of the model that what has no field there is judged like.
var telling = []struct{ word, path string }{
	{"insur", "Patients.InsuranceNumber"}, {"informer", "Callers.Note"}, {"caller", "Callers.Note"}, {"patient", "Patients.Note"},
	{"accused", "Accused.Note"}, {"suspect", "Accused.Note"}, {"victim", "Victims.Note"},
	{"person", extraPersonal}, {"phone", extraPersonal}, {"telefon", extraPersonal}, {"tel_", extraPersonal}, {"mail", extraPersonal}, {"birth", extraPersonal},
	{"surname", extraPersonal}, {"firstname", extraPersonal}, {"lastname", extraPersonal}, {"jmeno", extraPersonal}, {"prijmeni", extraPersonal}, {"nazwisko", extraPersonal},
	{"volajici", "Callers.Note"}, {"oznamovatel", "Callers.Note"}, {"zglaszaj", "Callers.Note"}, {"anrufer", "Callers.Note"}, {"melder", "Callers.Note"}, {"requester", "Callers.Note"},
	{"user_id", "Message.Sender.Person"}, {"vin", extraPersonal},
}

// transport are the values of an envelope of UCRI 2 that are about its way.
var transport = []string{"/payload/appId", "/payload/appVersion", "/payload/schemaId", "/payload/contentType", "/ack", "/timeout"}

// extraLeaf is the value that one without a field is judged like, by the names on the
// way to it in its source.
func extraLeaf(path string) int {
	if slices.Contains(transport, path) {
		return byPath[extraTransport]
	}
	path = strings.ToLower(path)
	for _, t := range telling {
		n := strings.Index(path, t.word)
		if n < 0 || t.word == "vin" && path[strings.LastIndexByte(path, '/')+1:] != "vin" {
			continue
		}
		return byPath[t.path]
	}
	return byPath[extraOther]
}
