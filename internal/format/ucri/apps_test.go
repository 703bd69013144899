package ucri

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestApps(t *testing.T) {
	var got []string
	for _, a := range Apps() {
		got = append(got, a.AppID+" "+a.AppVersion)
	}
	want := []string{
		"classification_catalogue 1.0", "incident_transfer 1.0", "incident_transfer_police 1.0", "incident_transfer_with_patient 1.0", "notification_text 1.0",
		"patient_transfer 1.0", "patient_transport 1.0", "resource_request 1.0", "resource_type_catalogue 1.0", "transport_layer_messages 1.0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCheckApp(t *testing.T) {
	for _, c := range []struct {
		app, version, schema string
		code                 Code
	}{
		{"incident_transfer", "1.0", "incident", 0},
		{"transport_layer_messages", "1.0", "message_delivery_status", 0},
		{"incident", "1.0", "incident", CodeUnknownApp},
		{"", "", "", CodeUnknownApp},
		{"transport", "2.0.0", "client_send", CodeUnknownApp},
		{"incident_transfer", "1.1", "incident", CodeUnknownAppVersion},
		{"incident_transfer", "1.0", "Incident", CodeUnknownSchema},
		{"incident_transfer", "1.0", "resource_request", CodeUnknownSchema},
		{strings.Repeat("x", 1000), "1.0", "incident", CodeUnknownApp},
	} {
		p := Payload{AppID: c.app, AppVersion: c.version, SchemaID: c.schema, ContentType: ContentJSON, Data: "x"}
		err := CheckApp(p)
		if c.code == 0 {
			if err != nil {
				t.Errorf("%+v: %v", c, err)
			}
			continue
		}
		if err == nil || err.Code != c.code || strings.Contains(err.Error(), "{") || len(err.Error()) > 600 {
			t.Errorf("%+v: %v", c, err)
		}
		if again := CheckData(&p); again == nil || again.Code != c.code {
			t.Errorf("CheckData %+v: %v", c, again)
		}
	}
}

// TestCheckDataOrder holds what is not JSON to 465, also behind a violation of
// the schema, and the rest to 464.
func TestCheckDataOrder(t *testing.T) {
	const id = `"requestId":"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911"`
	for _, c := range []struct {
		name, contentType, data string
		code                    Code
		key                     string
	}{
		{"valid", ContentJSON, `{` + id + `}`, 0, ""},
		{"white space around", ContentJSON, " \n{" + id + "}\t", 0, ""},
		{"encrypted", ContentJOSE, `{` + id + `}`, CodePayloadNotJSON, "app.encrypted"},
		{"other type", "text/xml", `{` + id + `}`, CodePayloadNotJSON, "app.content_type"},
		{"empty", ContentJSON, ``, CodePayloadNotJSON, "json.truncated"},
		{"text", ContentJSON, `hello`, CodePayloadNotJSON, "json.syntax"},
		{"fault behind a violation", ContentJSON, `{"x":1,` + id, CodePayloadNotJSON, "json.truncated"},
		{"member twice", ContentJSON, `{` + id + `,` + id + `}`, CodePayloadNotJSON, "json.duplicate"},
		{"member twice by escape", ContentJSON, `{` + id + `,` + strings.Replace(id, "r", `\u0072`, 1) + `}`, CodePayloadNotJSON, "json.duplicate"},
		{"half a character", ContentJSON, `{` + id + `,"x":"\udc00"}`, CodePayloadNotJSON, "json.surrogate"},
		{"too deep", ContentJSON, `{` + id + `,"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, CodePayloadNotJSON, "json.depth"},
		{"many different unknown members", ContentJSON, `{` + id + `,"m":{` + manyMembers(50_000) + `}}`, CodePayloadInvalid, "rule.unknown"},
		{"one of many twice", ContentJSON, `{` + id + `,"m":{` + manyMembers(50_000) + `,"7":0}}`, CodePayloadNotJSON, "json.duplicate"},
		{"null", ContentJSON, `null`, CodePayloadInvalid, "rule.type"},
		{"wrong", ContentJSON, `{"requestId":null}`, CodePayloadInvalid, "rule.type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := Payload{AppID: "classification_catalogue", AppVersion: "1.0", SchemaID: "request", ContentType: c.contentType, Data: c.data}
			err := CheckData(&p)
			if c.code == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || err.Code != c.code || err.Key != "ucri."+c.key {
				t.Errorf("%v", err)
			}
		})
	}
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"`)
		b.WriteString(strings.Repeat("1", i%5))
		b.WriteString(`_`)
		b.WriteString(string(rune('a' + i%26)))
		for j := i; j > 0; j /= 10 {
			b.WriteByte(byte('0' + j%10))
		}
		b.WriteString(`":0`)
	}
	return b.String() + `,"7":0`
}

func TestSubjectID(t *testing.T) {
	const id = "7D3C1A52-90ef-4b1e-8a6b-2f54c1d0e911"
	for _, c := range []struct{ contentType, data, want string }{
		{ContentJSON, `{"x":{"sharedIncidentId":"no"},"sharedIncidentId":"` + id + `"}`, strings.ToLower(id)},
		{ContentJSON, `{"shared\u0049ncidentId":"` + id + `"}`, strings.ToLower(id)},
		{ContentJSON, `{"sharedIncidentId":"x"}`, ""},
		{ContentJSON, `{"sharedIncidentId":5}`, ""},
		{ContentJSON, `{"requestId":"` + id + `"}`, ""},
		{ContentJSON, `["sharedIncidentId","` + id + `"]`, ""},
		{ContentJSON, ``, ""},
		{ContentJSON, `{`, ""},
		{ContentJSON, `{"x":`, ""},
		{ContentJOSE, `{"sharedIncidentId":"` + id + `"}`, ""},
	} {
		if got := SubjectID(Payload{ContentType: c.contentType, Data: c.data}); got != c.want {
			t.Errorf("%s: %q", c.data, got)
		}
	}
}

func FuzzSubjectID(f *testing.F) {
	f.Add(benchIncident)
	f.Fuzz(func(t *testing.T, data string) {
		if id := SubjectID(Payload{ContentType: ContentJSON, Data: data}); id != "" && len(id) != 36 {
			t.Error(id)
		}
	})
}

func TestTransportLayer(t *testing.T) {
	if !TransportLayer(AvailabilityUpdate{}.Payload()) || TransportLayer(benchEnvelope().Payload) {
		t.Error("wrong")
	}
}
