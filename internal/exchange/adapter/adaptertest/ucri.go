package adaptertest

import (
	"encoding/json"
	"fmt"
	"strings"

	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/ucri"
)

// sample is a message of UCRI 2 that an adapter must be able to send on, or refuse.
type sample struct {
	name string
	kind convert.Kind // "": about no incident
	e    *ucri.Envelope
}

// shared is the incident of the samples.
const shared = "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911"

// full is an incident that says everything its schema permits, in letters of four
// languages.
const full = `{
	"sharedIncidentId": "` + shared + `", "internalId": "ZLK-2026-004711", "sentByDispatcherAt": "2026-03-01T14:03:12+01:00", "startTimestamp": "2026-03-01T13:58:00+01:00",
	"classifications": ["Brand 2", "B2"], "issue": "Požár haly – Rauch über Żytawska", "flashingLights": true,
	"additionalInformation": "Příjezd od severu.\nZufahrt über B 178",
	"informers": [{"name": "Nováková", "surname": "Jana", "phone": "+420601000000", "email": "j@example.org", "additionalInformation": "zůstává na místě",
		"address": {"street": "Hlavní", "houseNumber": "1", "city": "Hrádek"}}],
	"protocolRemarks": [{"timestamp": "2026-03-01T14:01:00+01:00", "message": "Volající zůstává na místě.", "category": "Anruf", "silent": false},
		{"timestamp": "2026-03-01T14:02:00Z", "message": "Zwei Verletzte", "silent": true}],
	"missionLocation": {"coordinate": {"lat": 50.8966, "lon": 14.8071}, "floor": "2", "room": "214", "additionalInformation": "hinter dem Werk",
		"address": {"street": "Žitavská", "houseNumber": "91/4a", "postalCode": "46334", "city": "Hrádek nad Nisou", "cityDistrict": "Oldřichov", "state": "Liberecký kraj", "country": "CZ", "additionalInformation": "u mostu"},
		"object": {"name": "Halle 3", "additionalInformation": "Tor 2"}, "superiorObject": {"name": "Industriepark"}}}`

// samples are the messages that cross, and some that do not.
func samples() []sample {
	s := func(name string, kind convert.Kind, app, schema, data string) sample {
		return sample{name, kind, envelope(app, schema, data)}
	}
	const head = `{"sharedIncidentId":"` + shared + `",`
	return []sample{
		s("full incident", convert.KindIncident, "incident_transfer", "incident", full),
		s("minimal incident", convert.KindIncident, "incident_transfer", "incident", head+`"sentByDispatcherAt":"2026-03-01T14:03:12Z","missionLocation":{"address":{"street":"Grottau"}}}`),
		s("incident at a point", convert.KindIncident, "incident_transfer", "incident", head+`"sentByDispatcherAt":"2026-03-01T14:03:12.25-05:00","issue":"x","missionLocation":{"coordinate":{"lat":-0.5,"lon":179.9999}}}`),
		s("incident of odd texts", convert.KindIncident, "incident_transfer", "incident", head+`"sentByDispatcherAt":"2026-03-01T14:03:12Z","issue":"<&>\"' \u0001 🚑 ]]>","additionalInformation":"CZIZS X: y\nz","missionLocation":{"address":{"street":" "}}}`),
		s("exercise", convert.KindIncident, "incident_transfer", "incident", head+`"sentByDispatcherAt":"2026-03-01T14:03:12Z","issue":"EXERCISE: fire","missionLocation":{"address":{"street":"Zittau"}}}`),
		s("long incident", convert.KindIncident, "incident_transfer", "incident", long()),
		s("accepted", convert.KindAnswer, "incident_transfer", "acknowledgement", head+`"acknowledgedByDispatcherAt":"2026-03-01T14:04:05+01:00","status":"accepted"}`),
		s("rejected", convert.KindAnswer, "incident_transfer", "acknowledgement", head+`"acknowledgedByDispatcherAt":"2026-03-01T14:04:05+01:00","status":"rejected","cause":"alle Fahrzeuge gebunden"}`),
		s("completed", convert.KindCompletion, "incident_transfer", "completion", head+`"completedAt":"2026-03-01T15:30:00Z","status":"completed_sucessfully","additionalInformation":"silnice průjezdná"}`),
		s("aborted", convert.KindCancel, "incident_transfer", "completion", head+`"completedAt":"2026-03-01T15:30:00Z","status":"aborted"}`),
		s("lines", convert.KindText, "notification_text", "notification", head+`"notifications":[{"timestamp":"2026-03-01T14:05:40.250+01:00","message":"Anfahrt über B 178","category":"Anfahrt","silent":false},
			{"timestamp":"2026-03-01T14:20:00Z","message":"lékař na místě\n„übernommen“ \\ / 🚑"}]}`),
		s("catalogue", "", "classification_catalogue", "request", `{"requestId":"`+shared+`"}`),
	}
}

// long is an incident with more and longer texts than most systems have room for.
func long() string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"sharedIncidentId":%q,"sentByDispatcherAt":"2026-03-01T14:03:12Z","issue":%q,"additionalInformation":%q,"missionLocation":{"address":{"street":%q}},"protocolRemarks":[`,
		shared, strings.Repeat("dlouhý popis ", 50), strings.Repeat("längerer Text ", 1000), strings.Repeat("ulice ", 40))
	for n := range 300 {
		if n > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"timestamp":"2026-03-01T14:03:12Z","message":"řádek %d %s"}`, n, strings.Repeat("ž", n*10))
	}
	return b.String() + "]}"
}

func envelope(app, schema, data string) *ucri.Envelope {
	return &ucri.Envelope{MessageID: "1b7e6f10-3c1d-4a83-9d60-0a54a3b1c2d3", SentDate: "2026-03-01T13:03:13.500Z", Timeout: 3600, Ack: ucri.AckAll,
		Source: "1.2.276.0.1", Destinations: []string{"1.2.203.0.5"},
		Payload: ucri.Payload{AppID: app, AppVersion: "1.0", SchemaID: schema, ContentType: ucri.ContentJSON, Data: data}}
}

// valid checks that a message of UCRI 2 is one that a node takes, and gives the message
// in it.
func valid(t T, e *ucri.Envelope) map[string]any {
	t.Helper()
	text := e.AppendJSON(nil)
	if _, err := ucri.ParseP2PSend(text); err != nil {
		t.Fatalf("no envelope of UCRI 2: %v\n%s", err, text)
	}
	if err := ucri.CheckData(&e.Payload); err != nil {
		t.Fatalf("no message of UCRI 2: %v\n%s", err, e.Payload.Data)
	}
	var data map[string]any
	if err := json.Unmarshal([]byte(e.Payload.Data), &data); err != nil {
		t.Fatalf("%v", err)
	}
	return data
}
