package conformance

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// kind is one of the 25 messages of the apps with payloads of our own making.
type kind struct{ app, schema, good, bad string }

const (
	incidentUUID = "3f1c2a68-6c55-4b7e-9d13-20a6f5f0c0de"
	instant      = "2026-03-14T07:31:05Z"
	place        = `{"coordinate":{"lat":50.8561,"lon":14.8439},"address":{"street":"Žitavská","city":"Hrádek nad Nisou","country":"CZ"}}`
	ackGood      = `{"sharedIncidentId":"` + incidentUUID + `","acknowledgedByDispatcherAt":"` + instant + `","status":"accepted"}`
	ackBad       = `{"sharedIncidentId":"` + incidentUUID + `","acknowledgedByDispatcherAt":"` + instant + `","status":"perhaps"}`
	endGood      = `{"sharedIncidentId":"` + incidentUUID + `","completedAt":"` + instant + `","status":"completed_sucessfully"}`
	endBad       = `{"sharedIncidentId":"` + incidentUUID + `","completedAt":"` + instant + `","status":"completed_successfully"}`
	head         = `{"sharedIncidentId":"` + incidentUUID + `","sentByDispatcherAt":"` + instant + `"`
	request      = `{"requestId":"` + incidentUUID + `"}`
)

var kinds = []kind{
	{"incident_transfer", "incident", head + `,"issue":"srážka dvou vozidel","classifications":["3111"],"missionLocation":` + place + `}`, head + `}`},
	{"incident_transfer", "acknowledgement", ackGood, ackBad},
	{"incident_transfer", "completion", endGood, endBad},
	{"incident_transfer_with_patient", "incident", head + `,"patients":[{"name":"Nowak","surname":"Ewa","gender":"Female","age":41}],"missionLocation":` + place + `}`, head + `,"patients":[],"missionLocation":` + place + `}`},
	{"incident_transfer_with_patient", "acknowledgement", ackGood, ackBad},
	{"incident_transfer_with_patient", "completion", endGood, endBad},
	{"incident_transfer_police", "incident", head + `,"missionLocation":` + place + `,"accusedPersons":[{"name":"Neznámý"}],"eCallData":{"timestamp":"` + instant + `","numberOfPassengers":2}}`, head + `,"missionLocation":` + place + `,"eCallData":{}}`},
	{"incident_transfer_police", "acknowledgement", ackGood, ackBad},
	{"incident_transfer_police", "completion", endGood, endBad},
	{"patient_transfer", "incident", head + `,"issue":"consultation_needed","patient":{"name":"Müller","phone":"+49 3571 1000"}}`, head + `,"patient":{"name":"Müller"}}`},
	{"patient_transfer", "acknowledgement", ackGood, ackBad},
	{"patient_transfer", "completion", endGood, endBad},
	{"patient_transport", "incident", head + `,"patient":{"name":"Kowalski"},"pickupLocation":` + place + `,"destinationLocation":{"coordinate":{"lat":51.15,"lon":15.0}},"pickupTime":"` + instant + `","arrivalTime":"` + instant + `"}`, head + `,"patient":{"name":"Kowalski"},"pickupLocation":{},"destinationLocation":` + place + `,"pickupTime":"` + instant + `","arrivalTime":"` + instant + `"}`},
	{"patient_transport", "acknowledgement", ackGood, ackBad},
	{"resource_request", "resource_request", head + `,"patients":[{"name":"Nowak"}],"missionLocation":` + place + `,"requestedResources":[{"resourceRequestId":"7","resourceType":"CAS","resourceName":"CAS 20"}]}`, head + `,"patients":[{"name":"Nowak"}],"missionLocation":` + place + `,"requestedResources":[{"resourceRequestId":"7"}]}`},
	{"resource_request", "acknowledgement", `{"resourceRequestId":"7","acknowledgementStatus":"rejected","acknowledgedAt":"` + instant + `","comment":"brak sił"}`, `{"resourceRequestId":"7","acknowledgedAt":"` + instant + `"}`},
	{"resource_request", "resource_acknowledgement", `{"resourceRequestId":"7","acknowledgedAt":"` + instant + `","acknowledgedResources":[{"resourceId":"1","resourceName":"GBA 1","resourceType":"GBA"}]}`, `{"resourceRequestId":"7","acknowledgedAt":"` + instant + `","acknowledgedResources":[]}`},
	{"resource_request", "resource_deployed", `{"resourceRequestId":"7","resourceId":"1","resourceName":"GBA 1","resourceType":"GBA","deployedAt":"` + instant + `"}`, `{"resourceRequestId":"7","resourceId":1,"resourceName":"GBA 1","resourceType":"GBA","deployedAt":"` + instant + `"}`},
	{"notification_text", "notification", notification("Hausnummer ist 15c"), `{"sharedIncidentId":"` + incidentUUID + `","notifications":[]}`},
	{"classification_catalogue", "request", request, `{"requestId":"not-a-uuid"}`},
	{"classification_catalogue", "response", `{"requestId":"` + incidentUUID + `","catalogueVersion":"3","catalogue":[{"abbreviation":"TH 2","description":"VU mit Person","classificationGroup":"TH"}]}`, `{"requestId":"` + incidentUUID + `","catalogueVersion":"3","catalogue":[{"abbreviation":"TH 2"}]}`},
	{"resource_type_catalogue", "request", request, `{"requestId":"` + incidentUUID + `","more":1}`},
	{"resource_type_catalogue", "response", `{"requestId":"` + incidentUUID + `","catalogueVersion":"3","catalogue":[{"abbreviation":"CAS","description":"cisterna"}]}`, `{"requestId":"` + incidentUUID + `","catalogue":[{"abbreviation":"CAS","description":"cisterna"}]}`},
	{"transport_layer_messages", "message_delivery_status", deliveryStatus(incidentUUID, soloOID, 200), deliveryStatus(incidentUUID, soloOID, 201)},
	{"transport_layer_messages", "participant_availability_update", availability(soloOID, "online"), availability(soloOID, "asleep")},
}

func notification(text string) string {
	quoted, _ := json.Marshal(text)
	return `{"sharedIncidentId":"` + incidentUUID + `","notifications":[{"timestamp":"` + instant + `","message":` + string(quoted) + `}]}`
}

func deliveryStatus(ref, destination string, code int) string {
	return fmt.Sprintf(`{"refMessageId":%q,"destination":%q,"statusCode":%d}`, ref, destination, code)
}

func availability(oid, status string) string {
	return fmt.Sprintf(`{"id":%q,"status":%q}`, oid, status)
}

// edit changes a message before it is sent.
type edit func(m record)

// set puts a value at a path such as "payload.data".
func set(path string, value any) edit {
	return func(m record) {
		parent, name := walk(m, path)
		parent[name] = value
	}
}

// drop removes the member at a path.
func drop(path string) edit {
	return func(m record) {
		parent, name := walk(m, path)
		delete(parent, name)
	}
}

func walk(m record, path string) (record, string) {
	if outer, inner, nested := strings.Cut(path, "."); nested {
		return m[outer].(record), inner
	}
	return m, path
}

// as makes the message one of another app or schema with the given data.
func as(app, schema, data string) edit {
	return func(m record) {
		p := m["payload"].(record)
		p["appId"], p["schemaId"], p["data"] = app, schema, data
	}
}

func label(text string) edit { return set("description", text) }
func ack(mode string) edit   { return set("ack", mode) }
func timeout(s int) edit     { return set("timeout", s) }
func id(uuid string) edit    { return set("messageId", uuid) }

// message is a valid client message; P2P messages need complete as well.
func message(from, to string, edits ...edit) record {
	m := record{
		"source": from, "destinations": []any{to},
		"payload": record{
			"appId": "notification_text", "appVersion": "1.0", "schemaId": "notification",
			"contentType": "application/json", "data": notification("Příjezd za 12 minut"),
		},
	}
	for _, e := range edits {
		e(m)
	}
	return m
}

// complete adds the members that are obligatory between nodes.
func complete(m record) {
	defaults := record{"messageId": newUUID(), "sentDate": now(), "timeout": 3600, "ack": "NONE"}
	for name, value := range defaults {
		if _, there := m[name]; !there {
			m[name] = value
		}
	}
}

func now() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000Z") }

func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// item is a message as a node shows it: to a client with destination and
// sequenceId, to a peer and in echoes with destinations.
type item struct {
	MessageID    string   `json:"messageId"`
	Description  string   `json:"description"`
	SentDate     string   `json:"sentDate"`
	Timeout      int      `json:"timeout"`
	Ack          string   `json:"ack"`
	Source       string   `json:"source"`
	Destination  string   `json:"destination"`
	Destinations []string `json:"destinations"`
	SequenceID   int64    `json:"sequenceId"`
	Tags         []string `json:"tags"`
	Signature    string   `json:"signature"`
	Payload      struct {
		AppID       string `json:"appId"`
		AppVersion  string `json:"appVersion"`
		SchemaID    string `json:"schemaId"`
		ContentType string `json:"contentType"`
		Data        string `json:"data"`
	} `json:"payload"`
}

// expiry is the moment at which a message times out.
func (m item) expiry(t testing.TB) time.Time {
	t.Helper()
	sent, err := time.Parse(time.RFC3339Nano, m.SentDate)
	if err != nil {
		t.Fatalf("sentDate %q: %v", m.SentDate, err)
	}
	return sent.Add(time.Duration(m.Timeout) * time.Second)
}

// status is the payload of a message_delivery_status.
type status struct {
	RefMessageID string `json:"refMessageId"`
	Destination  string `json:"destination"`
	StatusCode   int    `json:"statusCode"`
	Cause        *struct {
		Code   int    `json:"code"`
		Reason string `json:"reason"`
	} `json:"cause"`
	StatusMessage string `json:"statusMessage"`
}

// statusOf reads a delivery status and checks its form.
func statusOf(t testing.TB, m item) status {
	t.Helper()
	p := m.Payload
	if p.AppID != "transport_layer_messages" || p.AppVersion != "1.0" || p.SchemaID != "message_delivery_status" || p.ContentType != "application/json" {
		t.Fatalf("not a delivery status: %+v", m)
	}
	var s status
	decoder := json.NewDecoder(strings.NewReader(p.Data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil && !strings.Contains(err.Error(), `"message"`) {
		t.Errorf("delivery status %s: %v", p.Data, err)
	}
	if n := len([]rune(s.StatusMessage)); n > 100 {
		t.Errorf("statusMessage has %d characters, 100 are allowed", n)
	}
	return s
}

func labels(items []item) string {
	var all []string
	for _, m := range items {
		all = append(all, m.Description)
	}
	return strings.Join(all, " ")
}

func sequences(items []item) (all []int64) {
	for _, m := range items {
		all = append(all, m.SequenceID)
	}
	return all
}

func numbered(from, to int) string {
	var all []string
	for i := from; i <= to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return strings.Join(all, " ")
}
