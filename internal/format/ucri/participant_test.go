package ucri

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const record = `{"id":"1.2.276.14","type":"client","systemName":"ELS","operatorName":"IRLS Ostsachsen","operatorShortName":"HOY","supportedApps":[{"appId":"incident_transfer","appVersion":"1.0"},{"appId":"resource_request","appVersion":"1.0","unsupportedMessages":["resource_deployed"],"role":"x"}],"techSupport":{"phone":"1","e-mail":"2","address":"Hoyerswerda","x":1},"key":{"kty":"RSA", "n":"AQAB","e":"AQAB","kid":"1"},"status":"online","transmitsUnsignedMessages":false,"zone":{"a":1.0}}`

// TestParticipantRoundTrip shows that a record passes unchanged, with the
// members nobody knows and with a key no library would take.
func TestParticipantRoundTrip(t *testing.T) {
	p, err := ParseParticipant([]byte(record))
	if err != nil {
		t.Fatal(err)
	}
	want := &Participant{
		ID: "1.2.276.14", Type: TypeClient, SystemName: "ELS", OperatorName: "IRLS Ostsachsen", OperatorShortName: "HOY",
		SupportedApps: []AppRef{{AppID: "incident_transfer", AppVersion: "1.0"}, {"resource_request", "1.0", []string{"resource_deployed"}, []Member{{"role", []byte(`"x"`)}}}},
		TechSupport:   TechSupport{"1", "2", "Hoyerswerda", []Member{{"x", []byte("1")}}},
		Key:           json.RawMessage(`{"kty":"RSA", "n":"AQAB","e":"AQAB","kid":"1"}`), Status: StatusOnline, TransmitsUnsignedMessages: ptr(false),
		Extra: []Member{{"zone", []byte(`{"a":1.0}`)}},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
	if got := string(p.AppendJSON(nil)); got != record {
		t.Errorf("got  %s\nwant %s", got, record)
	}
	viaEncoder, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseParticipant(viaEncoder); err != nil || cmp.Diff(p.SupportedApps, again.SupportedApps) != "" {
		t.Error(err)
	}
}

func TestParseRegistryDropsOneByOne(t *testing.T) {
	with := func(old, new string) string { return strings.Replace(record, old, new, 1) }
	body := `{"commParticipants":[` + strings.Join([]string{
		record, with(`"status":"online"`, `"status":"off"`), with(`1.2.276.14`, `1.2.276.15`), "null", with(`"kty":"RSA"`, `"kty":"EC"`),
		with(`"systemName":"ELS",`, ``), with(`"type"`, `"id":"2","type"`), with(`"n":"AQAB"`, `"n":5`), with(`"ELS"`, `"\ud83d"`),
	}, ",") + `],"x":1}`
	valid, dropped, err := ParseRegistry([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if len(valid) != 2 || valid[0].ID != "1.2.276.14" || valid[1].ID != "1.2.276.15" {
		t.Errorf("%d valid", len(valid))
	}
	if len(dropped) != 7 {
		t.Errorf("%d dropped: %v", len(dropped), dropped)
	}
	for _, err := range dropped {
		var e *Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), "registry record ") || strings.Contains(err.Error(), "{") {
			t.Errorf("%v", err)
		}
	}
	if got := dropped[0].Error(); got != `registry record 1 (id "1.2.276.14"): #/status must be one of these values: online, offline, unknown.` {
		t.Error(got)
	}
	for _, bad := range []string{``, `[]`, `{}`, `{"commParticipants":{}}`, `{"commParticipants":[`, `{"commParticipants":[]}x`} {
		if v, _, err := ParseRegistry([]byte(bad)); err == nil {
			t.Errorf("%s: %v", bad, v)
		}
	}
	if v, d, err := ParseRegistry([]byte(`{"commParticipants":[]}`)); err != nil || v != nil || d != nil {
		t.Errorf("empty registry: %v %v %v", v, d, err)
	}
	if _, err := ParseParticipant([]byte(`{}`)); err == nil {
		t.Error("an empty record is accepted")
	}
}

func TestSupports(t *testing.T) {
	p, err := ParseParticipant([]byte(record))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		app, version, schema string
		code                 Code
	}{
		{"incident_transfer", "1.0", "incident", 0},
		{"incident_transfer", "1.1", "incident", CodeUnsupportedApp},
		{"patient_transfer", "1.0", "incident", CodeUnsupportedApp},
		{"resource_request", "1.0", "resource_request", 0},
		{"resource_request", "1.0", "resource_deployed", CodeUnsupportedSchema},
	} {
		err := p.Supports(Payload{AppID: c.app, AppVersion: c.version, SchemaID: c.schema})
		if c.code == 0 && err != nil || c.code != 0 && (err == nil || err.Code != c.code || strings.Contains(err.Error(), "{")) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	p.SupportedApps = append(p.SupportedApps, AppRef{AppID: "resource_request", AppVersion: "1.0"})
	if err := p.Supports(Payload{AppID: "resource_request", AppVersion: "1.0", SchemaID: "resource_deployed"}); err != nil {
		t.Errorf("second entry without exclusion: %v", err)
	}
}

func FuzzParseParticipant(f *testing.F) {
	f.Add([]byte(record))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := ParseParticipant(raw)
		if err != nil {
			return
		}
		again, err := ParseParticipant(p.AppendJSON(nil))
		if diff := cmp.Diff(p, again); err != nil || diff != "" {
			t.Fatalf("%v %s", err, diff)
		}
	})
}

func FuzzParseRegistry(f *testing.F) {
	f.Add([]byte(`{"commParticipants":[` + record + `,{"id":"1"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		valid, dropped, err := ParseRegistry(body)
		if err != nil && (valid != nil || dropped != nil) {
			t.Fatal("an error with a result")
		}
	})
}
