package ucri

import (
	"strings"
	"testing"
)

// benchIncident is an incident of ordinary size.
const benchIncident = `{"sharedIncidentId":"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911","internalId":"LBC-2026-004711","classifications":["3121","TH 2"],"issue":"dopravní nehoda, dvě osobní auta, únik paliva","flashingLights":true,"additionalInformation":"volající mluví jen česky","sentByDispatcherAt":"2026-03-01T14:03:12+01:00","startTimestamp":"2026-03-01T13:58:59Z","missionLocation":{"coordinate":{"lat":50.8527,"lon":14.8446},"address":{"street":"Žitavská","houseNumber":"91","postalCode":"46334","city":"Hrádek nad Nisou","cityDistrict":"Loučná","state":"Liberecký kraj","country":"CZ"},"object":{"name":"čerpací stanice","additionalInformation":"stojan 3"},"additionalInformation":"za svodidly"},"informers":[{"name":"Nováková","surname":"Jitka","phone":"+420 485 000 111","email":"j.novakova@example.cz"}],"protocolRemarks":[{"timestamp":"2026-03-01T14:05:40.250+01:00","message":"Unfallstelle liegt 200 m hinter der Grenze, Anfahrt über B 178","category":"Anfahrt","silent":false}]}`

func benchEnvelope() *Envelope {
	text := "Dopravní nehoda u Hrádku nad Nisou"
	return &Envelope{
		MessageID: "0b9a7c44-1d02-4f6e-9c3f-5e0d6b7a8c21", Description: &text, SentDate: "2026-03-01T13:03:12.250Z", Timeout: 300, Ack: AckAll,
		Source: "1.2.203.5.1.58.1", Destinations: []string{"1.2.276.5.1.58.28"},
		Payload: Payload{AppID: "incident_transfer", AppVersion: "1.0", SchemaID: "incident", ContentType: ContentJSON, Data: benchIncident},
	}
}

func BenchmarkValidateIncident(b *testing.B) {
	s := loaded().messages[message{"incident_transfer", "1.0", "incident"}]
	b.SetBytes(int64(len(benchIncident)))
	b.ReportAllocs()
	for b.Loop() {
		if v, f := s.Validate(benchIncident, DefaultLimits.Depth); v != nil || f != nil {
			b.Fatal(v, f)
		}
	}
}

func BenchmarkCheckData(b *testing.B) {
	p := benchEnvelope().Payload
	b.ReportAllocs()
	for b.Loop() {
		if err := CheckData(&p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseClientSend(b *testing.B) {
	body := benchEnvelope().AppendJSON(nil)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseClientSend(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseReceived(b *testing.B) {
	body := []byte(`{"maxMessages":100,"messages":[`)
	for i := range 100 {
		if i > 0 {
			body = append(body, ',')
		}
		body = benchEnvelope().AppendReceived(body, "1.2.276.5.1.58.28", int64(i+1))
	}
	body = append(body, "]}"...)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if msgs, _, err := ParseReceived(body); err != nil || len(msgs) != 100 {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendReceived(b *testing.B) {
	e := benchEnvelope()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendReceived(buf[:0], "1.2.276.5.1.58.28", 123456)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkSubjectID(b *testing.B) {
	p := benchEnvelope().Payload
	b.ReportAllocs()
	for b.Loop() {
		if SubjectID(p) == "" {
			b.Fatal("no id")
		}
	}
}

func BenchmarkValidOID(b *testing.B) {
	oid := strings.Repeat("1.276.", 17)[:100]
	b.SetBytes(100)
	for b.Loop() {
		if !ValidOID(oid) {
			b.Fatal(oid)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	e, key := benchEnvelope(), testKey(b)
	for b.Loop() {
		if _, err := Sign(e, key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	e, key := benchEnvelope(), testKey(b)
	e.Signature, _ = Sign(e, key)
	jwk := PublicJWK(&key.PublicKey)
	for b.Loop() {
		if _, err := Verify(e, jwk); err != nil {
			b.Fatal(err)
		}
	}
}
