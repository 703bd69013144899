package incident

import "reflect"

// Confidence is how a value came to be.
type Confidence string

// The confidences of a value.
const (
	Stated     Confidence = "stated"     // it stood in the message
	Derived    Confidence = "derived"    // worked out from what stood there
	Translated Confidence = "translated" // put into another language
)

// Origin is where a value comes from.
type Origin struct {
	Sender string // the address or name of who said it
	System string // the format or list of codes: "ucri2", "emsi", "edxl", …
	Text   string // as it stood there; codes above all
	Path   string // where it stood in the message, as a JSON Pointer; "" for what was derived
	Lang   string // of free text, as far as anybody said; "" unknown
	By     Confidence
}

// Value is one value of an incident. Text is its canonical form: times in RFC 3339
// as they were stated, numbers with a decimal point, yes and no as true and false,
// codes as they stood.
type Value struct {
	Text   string
	Origin *Origin // nil: nobody said anything
}

// Is reports whether anybody said anything.
func (v Value) Is() bool { return v.Origin != nil }

// Incident is an incident as one message tells it.
type Incident struct {
	Message Message
	// ID is what all who work on it call it, Own what its sender does, Main the
	// incident it is a part of.
	ID, Own, Main Value
	References    []Reference
	// Revision is which telling of it this is, from 1.
	Revision Value
	// Kind is live, exercise, test or system.
	Kind Value

	Types       []Value // what happened, as codes or keywords of the sender's lists
	Actors      []Value // whom it happened to, as codes
	Scenes      []Value // kinds of places, as codes
	Environment Value
	What        Value // in a line
	Description Value
	Remark      Value // what the sender adds
	Source      Value // how it became known
	Scale       Value // 1 to 5
	Certainty   Value // per cent
	Status      Value
	Risk        Value
	Cause       Value
	BlueLights  Value

	Began, Declared, Observed Value

	Location   Location
	Areas      []Area
	Callers    []Person
	Patients   []Patient
	Accused    []Person
	Victims    []Person
	Casualties []Casualties
	Evacuated  []Evacuation
	Car        Car
	Pickup     Location
	Target     Location
	PickupAt   Value
	ArrivalAt  Value
	Tasks      []Task
	Resources  []Resource
	Notes      []Note
	Receipt    Receipt

	// Extra is what the message says beyond all this, in its order.
	Extra []Value
}

// Message is what brought the incident.
type Message struct {
	ID, Type, Created, Sent, Expires Value
	Level, Secrecy, Urgency          Value
	Language                         Value // of its texts
	Note                             Value
	Sender                           Party
	Receivers                        []Party
	Envelope                         Envelope
	Links                            []Link
	Files                            []File
}

// Envelope is what carried the message, where it is not the message itself.
type Envelope struct{ ID, Sender, Kind, Scheme Value }

// Party is an organisation with the person who speaks for it.
type Party struct{ Address, Person, Name Value }

// Link is another message this one belongs to.
type Link struct{ ID, Role Value }

// File is something that lies elsewhere.
type File struct{ URL, Type, Note Value }

// Reference is the incident's number at somebody else.
type Reference struct {
	Organisation Value
	IDs          []Value
}

// Location is one place.
type Location struct {
	ID, Name, Type, HeightRole, System Value
	Points                             []Point
	Lines                              []Value // an address as lines of text
	Address                            Address
	Object, Superior                   Place
	Floor, Room, Note                  Value
}

// Point is a position in degrees (WGS 84) and metres.
type Point struct{ Lat, Lon, Height Value }

// Address is a postal address.
type Address struct{ Street, House, Postal, City, District, State, Country, Note Value }

// Place is a named place.
type Place struct{ Name, Note Value }

// Area is a part of the scene as somebody saw it.
type Area struct {
	At, Type, Note Value
	Weather        []Value
	Location       Location
}

// Person is somebody with whom the incident has to do. Family and Given are his
// names; Nationality and Birth stand with the police only.
type Person struct {
	Family, Given, Phone, Mail, Note, Birth, Nationality Value
	Address                                              Address
}

// Patient is somebody who is treated.
type Patient struct {
	Person                                   Person
	Age, Gender, Transport                   Value
	Insurer, InsurerNumber, InsuranceNumber  Value
	Indication, Message, Identifier, Finding Value
	Infectious, Infection                    Value
}

// Casualties are counts of people by state.
type Casualties struct {
	Context, At                                       Value
	Decontaminated, Red, Yellow, Green, Dead, Missing Value
}

// Evacuation are counts of people who left.
type Evacuation struct{ At, Displaced, Evacuated Value }

// Car is what a car told by itself (eCall, EN 15722).
type Car struct {
	At, Automatic, Trusted, Direction, Passengers, Type, VIN, Propulsion Value
	Position, Before, BeforeThat                                         Point
}

// Task is work somebody does or is asked to do.
type Task struct {
	ID, Type, Note, Organisation, Name, Status, Start, End, Main, Priority Value
	Resources, Parents, Children                                           []Value
	Location                                                               Location
}

// Resource is a unit, vehicle, person or thing.
type Resource struct {
	Classes, Capabilities, Features                                   []Value
	ID, Organisation, Name, Note, Quantity, Unit, Status, Nationality Value
	Request, Type, Reason                                             Value
	Positions                                                         []Whereabouts
	Contacts                                                          []Contact
}

// Whereabouts is where a resource is, was or will be.
type Whereabouts struct {
	At, Type, Note, ID Value
	Locations          []Location
}

// Contact is a way to reach somebody.
type Contact struct{ Type, Detail Value }

// Note is something written down.
type Note struct{ At, Text, Category, Silent Value }

// Receipt is what somebody says about a message or an incident of before.
type Receipt struct{ At, Status, Reason, Note Value }

// Clone returns a copy that shares no list with the incident.
func (i *Incident) Clone() *Incident {
	out := *i
	unshare(reflect.ValueOf(&out).Elem())
	return &out
}

// Each gives every value of the incident.
func (i *Incident) Each(f func(*Value)) { each(reflect.ValueOf(i).Elem(), f) }

func each(v reflect.Value, f func(*Value)) {
	switch {
	case v.Type() == reflect.TypeFor[Value]():
		f(v.Addr().Interface().(*Value))
	case v.Kind() == reflect.Struct:
		for n := range v.NumField() {
			each(v.Field(n), f)
		}
	case v.Kind() == reflect.Slice:
		for n := range v.Len() {
			each(v.Index(n), f)
		}
	}
}

// unshare gives every list below v elements of its own. Origins are never changed and
// stay shared.
func unshare(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[Value]() {
			return
		}
		for n := range v.NumField() {
			unshare(v.Field(n))
		}
	case reflect.Slice:
		if v.IsNil() {
			return
		}
		own := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(own, v)
		v.Set(own)
		for n := range own.Len() {
			unshare(own.Index(n))
		}
	}
}
