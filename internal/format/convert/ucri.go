package convert

import (
	"maps"
	"strconv"
	"time"

	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/format/ucri"
)

const systemUCRI = "ucri2"

// The keys of an envelope's payload (spec: UCRI 2 transport 2.0.0, payload).
const (
	keyData  = "payload/data"
	pathData = "/payload/data"
)

// ucriArrays are the members that are arrays, of the app messages and the envelope.
var ucriArrays = map[string]bool{
	"destinations": true, "tags": true, "informers": true, "protocolRemarks": true, "classifications": true, "patients": true,
	"accusedPersons": true, "victimPersons": true, "notifications": true, "requestedResources": true, "acknowledgedResources": true,
}

// Names of the messages that have cells of their own.
const (
	msgIncident        = "incident"
	msgAcknowledgement = "acknowledgement"
	msgCompletion      = "completion"
	msgNotification    = "notification"
	msgRequest         = "resource_request"
	msgGranted         = "resource_acknowledgement"
	msgDeployed        = "resource_deployed"
)

// readUCRI reads an envelope, or an app message alone.
func readUCRI(d *tree.Document) (*source, *incident.Incident, *tree.Fault) {
	i := &incident.Incident{}
	payload := d.Root.Get("payload")
	if payload == nil {
		s := newSource(d, systemUCRI)
		s.schema, _ = s.messageAlone()
		s.readApp(i, "")
		s.rest(i)
		return s, i, nil
	}
	s := emptySource(d, systemUCRI)
	s.sender = d.Root.Get("source").Value()
	data := payload.Get("data")
	var app *tree.Document
	if payload.Get("contentType").Value() == ucri.ContentJSON {
		var f *tree.Fault
		if app, f = tree.Parse([]byte(data.Text), tree.DefaultLimits); f != nil {
			f.Line = data.Line // of the string; within it there are no lines
			return nil, nil, f
		}
	}
	s.schema = ucri.Message{AppID: payload.Get("appId").Value(), AppVersion: payload.Get("appVersion").Value(), SchemaID: payload.Get("schemaId").Value()}
	s.envelope(d.Root, app)
	s.read(envelopeCells(i, s.count("destinations")))
	s.readApp(i, keyData)
	if sent, ok := moment(i.Message.Sent); ok {
		if life, err := strconv.Atoi(d.Root.Get("timeout").Value()); err == nil {
			i.Message.Expires = derived(sent.Add(time.Duration(life)*time.Second).Format(time.RFC3339), nil)
		}
	}
	s.rest(i)
	return s, i, nil
}

// envelope indexes an envelope with the message that stands in it as text.
func (s *source) envelope(root *tree.Node, app *tree.Document) {
	all := newSource(s.doc, s.system)
	for _, l := range all.leaves {
		if l.key == keyData && app != nil {
			s.add(tree.JSON, app.Root, keyData, pathData)
			continue
		}
		s.leaves = append(s.leaves, l)
		s.byKey[l.key] = l
	}
	maps.Copy(s.parts, all.parts)
	maps.Copy(s.arrays, all.arrays)
}

func envelopeCells(i *incident.Incident, receivers int) []cell {
	m := &i.Message
	grow(&m.Receivers, receivers)
	cells := []cell{
		{"messageId", &m.ID, tree.String}, {"sentDate", &m.Sent, tree.String}, {"source", &m.Sender.Address, tree.String},
		{"description", &m.Note, tree.String},
	}
	for n := range m.Receivers {
		cells = append(cells, cell{at("destinations", n), &m.Receivers[n].Address, tree.String})
	}
	return cells
}

// readApp reads an app message below a key.
func (s *source) readApp(i *incident.Incident, key string) {
	p := func(name string) string { return join(key, name) }
	grow(&i.Callers, s.count(p("informers")))
	grow(&i.Types, s.count(p("classifications")))
	grow(&i.Accused, s.count(p("accusedPersons")))
	grow(&i.Victims, s.count(p("victimPersons")))
	switch n := s.count(p("patients")); {
	case n > 0:
		grow(&i.Patients, n)
	case s.has(p("patient")):
		grow(&i.Patients, 1)
	}
	grow(&i.Notes, max(s.count(p("protocolRemarks")), s.count(p("notifications"))))
	grow(&i.Resources, max(s.count(p("requestedResources")), s.count(p("acknowledgedResources"))))
	if s.has(p("resourceId")) {
		grow(&i.Resources, 1)
	}
	s.read(appCells(i, s.schema.SchemaID, key, s.has(p("patient"))))
	said := []string{i.What.Text, i.Message.Note.Text, i.Receipt.Note.Text, i.Receipt.Reason.Text}
	for _, n := range i.Notes {
		said = append(said, n.Text.Text)
	}
	s.real = ledBy(said...)
}

// messageAlone tells which message one without an envelope is, with what its schema
// says against it: of those with the least, the one that its members speak for.
func (s *source) messageAlone() (best ucri.Message, errs []*ucri.Error) {
	likely := ucri.Message{AppID: s.likelyApp(), AppVersion: appVersion, SchemaID: s.likelySchema()}
	for i, m := range append([]ucri.Message{likely}, ucri.Messages()...) {
		found := ucri.DataErrors(&ucri.Payload{AppID: m.AppID, AppVersion: m.AppVersion, SchemaID: m.SchemaID, ContentType: ucri.ContentJSON, Data: string(s.doc.Text)})
		if i == 0 || len(found) < len(errs) {
			best, errs = m, found
		}
		if len(errs) == 0 {
			break
		}
	}
	return best, errs
}

// likelySchema tells by its members which message an app message is.
func (s *source) likelySchema() string {
	for _, c := range []struct{ member, schema string }{
		{"notifications", msgNotification}, {"acknowledgedByDispatcherAt", msgAcknowledgement}, {"completedAt", msgCompletion},
		{"acknowledgedResources", msgGranted}, {"deployedAt", msgDeployed}, {"requestedResources", msgRequest},
	} {
		if s.has(c.member) {
			return c.schema
		}
	}
	return msgIncident
}

// likelyApp tells by its members to which app an app message belongs.
func (s *source) likelyApp() string {
	switch {
	case s.has("notifications"):
		return "notification_text"
	case s.has("requestedResources"), s.has("acknowledgedResources"), s.has("deployedAt"):
		return "resource_request"
	case s.has("accusedPersons"), s.has("victimPersons"), s.has("eCallData"):
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

func grow[T any](list *[]T, n int) {
	if len(*list) < n {
		*list = append(*list, make([]T, n-len(*list))...)
	}
}

// appCells are the cells of an app message; one says that it has a patient and not
// a list of them.
func appCells(i *incident.Incident, schema, key string, one bool) []cell {
	b := cellsBelow(key)
	b.text("sharedIncidentId", &i.ID)
	switch schema {
	case msgAcknowledgement:
		b.text("acknowledgedByDispatcherAt", &i.Receipt.At)
		b.text("status", &i.Receipt.Status)
		b.text("cause", &i.Receipt.Reason)
	case msgCompletion:
		b.text("completedAt", &i.Receipt.At)
		b.text("status", &i.Receipt.Status)
		b.text("additionalInformation", &i.Receipt.Note)
	case msgNotification:
		for n := range i.Notes {
			b.note(at("notifications", n), &i.Notes[n])
		}
	case msgGranted:
		for n := range i.Resources {
			b.resource(at("acknowledgedResources", n), &i.Resources[n])
		}
		b.text("acknowledgedAt", &i.Receipt.At)
		b.text("comment", &i.Receipt.Note)
	case msgDeployed:
		if len(i.Resources) > 0 {
			b.resource("", &i.Resources[0])
		}
		b.text("deployedAt", &i.Receipt.At)
		b.text("comment", &i.Receipt.Note)
	default:
		b.incident(i, one)
	}
	return b.cells
}

// cellList collects cells below a key.
type cellList struct {
	key   string
	cells []cell
}

func cellsBelow(key string) *cellList { return &cellList{key: key} }

func (b *cellList) add(name string, v *incident.Value, k tree.Kind) {
	b.cells = append(b.cells, cell{join(b.key, name), v, k})
}

func (b *cellList) text(name string, v *incident.Value)   { b.add(name, v, tree.String) }
func (b *cellList) number(name string, v *incident.Value) { b.add(name, v, tree.Number) }
func (b *cellList) flag(name string, v *incident.Value)   { b.add(name, v, tree.Boolean) }

// below collects the cells of a part.
func (b *cellList) below(name string, f func(*cellList)) {
	part := cellsBelow(b.key)
	if name != "" {
		part.key = join(b.key, name)
	}
	f(part)
	b.cells = append(b.cells, part.cells...)
}

// incident has the members of all messages that are about a whole incident (spec:
// UCRI 2 apps 1.0); none of them means two things.
func (b *cellList) incident(i *incident.Incident, one bool) {
	b.core(i)
	for n := range i.Patients {
		if one {
			b.patient("patient", &i.Patients[n])
			break
		}
		b.patient(at("patients", n), &i.Patients[n])
	}
	for n := range i.Accused {
		b.person(at("accusedPersons", n), &i.Accused[n])
	}
	for n := range i.Victims {
		b.person(at("victimPersons", n), &i.Victims[n])
	}
	b.car("eCallData", &i.Car)
	b.location("pickupLocation", &i.Pickup)
	b.location("destinationLocation", &i.Target)
	b.text("pickupTime", &i.PickupAt)
	b.text("arrivalTime", &i.ArrivalAt)
	for n := range i.Resources {
		b.resource(at("requestedResources", n), &i.Resources[n])
	}
}

// core has the members of incident_transfer but its number.
func (b *cellList) core(i *incident.Incident) {
	b.text("internalId", &i.Own)
	b.text("additionalInformation", &i.Remark)
	b.text("sentByDispatcherAt", &i.Message.Created)
	for n := range i.Callers {
		b.person(at("informers", n), &i.Callers[n])
	}
	for n := range i.Notes {
		b.note(at("protocolRemarks", n), &i.Notes[n])
	}
	b.text("startTimestamp", &i.Began)
	b.list("classifications", i.Types)
	b.text("issue", &i.What)
	b.flag("flashingLights", &i.BlueLights)
	b.location("missionLocation", &i.Location)
}

func (b *cellList) address(name string, a *incident.Address) {
	b.below(name, func(b *cellList) {
		b.text("street", &a.Street)
		b.text("houseNumber", &a.House)
		b.text("postalCode", &a.Postal)
		b.text("city", &a.City)
		b.text("cityDistrict", &a.District)
		b.text("state", &a.State)
		b.text("country", &a.Country)
		b.text("additionalInformation", &a.Note)
	})
}

func (b *cellList) point(name string, p *incident.Point) {
	b.below(name, func(b *cellList) {
		b.number("lat", &p.Lat)
		b.number("lon", &p.Lon)
	})
}

func (b *cellList) location(name string, l *incident.Location) {
	b.below(name, func(b *cellList) {
		grow(&l.Points, 1)
		b.point("coordinate", &l.Points[0])
		b.address("address", &l.Address)
		b.text("object/name", &l.Object.Name)
		b.text("object/additionalInformation", &l.Object.Note)
		b.text("superiorObject/name", &l.Superior.Name)
		b.text("superiorObject/additionalInformation", &l.Superior.Note)
		b.text("floor", &l.Floor)
		b.text("room", &l.Room)
		b.text("additionalInformation", &l.Note)
	})
}

// person: the specification's name is the family name, its surname the given one
// (by its German examples).
func (b *cellList) person(name string, p *incident.Person) {
	b.below(name, func(b *cellList) {
		b.text("name", &p.Family)
		b.text("surname", &p.Given)
		b.text("phone", &p.Phone)
		b.text("email", &p.Mail)
		b.address("address", &p.Address)
		b.text("additionalInformation", &p.Note)
		b.text("dateOfBirth", &p.Birth)
		b.text("nationality", &p.Nationality)
	})
}

func (b *cellList) patient(name string, p *incident.Patient) {
	b.person(name, &p.Person)
	b.below(name, func(b *cellList) {
		b.number("age", &p.Age)
		b.text("gender", &p.Gender)
		b.text("transportNumber", &p.Transport)
		b.text("healthInsuranceInformation/healthInsuranceCompany", &p.Insurer)
		b.text("healthInsuranceInformation/healthInsuranceCompanyNumber", &p.InsurerNumber)
		b.text("healthInsuranceInformation/insuranceNumber", &p.InsuranceNumber)
		b.text("initialAssessment/pzc", &p.Indication)
		b.text("initialAssessment/rmc", &p.Message)
		b.text("initialAssessment/rmi", &p.Identifier)
		b.text("initialAssessment/additionalInformation", &p.Finding)
		b.flag("infectionStatus", &p.Infectious)
		b.text("infectionInformation", &p.Infection)
	})
}

func (b *cellList) car(name string, c *incident.Car) {
	b.below(name, func(b *cellList) {
		b.text("timestamp", &c.At)
		b.flag("automaticActivation", &c.Automatic)
		b.flag("positionCanBeTrusted", &c.Trusted)
		b.point("vehiclePosition", &c.Position)
		b.point("positionN1", &c.Before)
		b.point("positionN2", &c.BeforeThat)
		b.number("directionOfTravel", &c.Direction)
		b.number("numberOfPassengers", &c.Passengers)
		b.text("vehicleType", &c.Type)
		b.text("vin", &c.VIN)
		b.text("vehiclePropulsionStorageType", &c.Propulsion)
	})
}

func (b *cellList) note(name string, n *incident.Note) {
	b.below(name, func(b *cellList) {
		b.text("timestamp", &n.At)
		b.text("message", &n.Text)
		b.text("category", &n.Category)
		b.flag("silent", &n.Silent)
	})
}

func (b *cellList) resource(name string, r *incident.Resource) {
	b.below(name, func(b *cellList) {
		b.text("resourceRequestId", &r.Request)
		b.text("resourceId", &r.ID)
		b.text("resourceName", &r.Name)
		b.text("resourceType", &r.Type)
	})
}
