package euemsi

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"trojmezi/internal/exchange/adapter"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/format/ucri"
)

func sample(t *testing.T, path ...string) []byte {
	t.Helper()
	dir := os.Getenv("TROJMEZI_SAMPLES")
	if dir == "" {
		t.Skip("TROJMEZI_SAMPLES is not set: the published schemas and messages are no part of the repository")
	}
	text, err := os.ReadFile(filepath.Join(append([]string{dir, "interop"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func schema(t *testing.T, path ...string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(sample(t, path...)))
	if err != nil {
		t.Fatal(err)
	}
	delete(doc.(map[string]any), "$id") // they claim to be JSON Schema itself
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("urn:schema", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("urn:schema")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What is written is valid by the hub's own schemas: the envelope's, the error report's,
// EMSI's.
func TestPublishedSchemas(t *testing.T) {
	envelope, failure, message := schema(t, "edxl", "EDXL-DE-envelope-only.schema.json"), schema(t, "rc", "RS-ERROR.schema.json"), schema(t, "emsi", "EMSI.schema.json")
	a := New(tree.JSON)
	text, err := os.ReadFile("testdata/json/incident-accident.json")
	if err != nil {
		t.Fatal(err)
	}
	m, f := a.Decode(text)
	if f != nil {
		t.Fatal(f)
	}
	check := func(name string, out *adapter.Encoded, f *convert.Fault, inner string, s *jsonschema.Schema) {
		t.Helper()
		if f != nil {
			t.Fatal(name, f)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(out.Bytes))
		if err == nil {
			err = envelope.Validate(doc)
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out.Bytes)
		}
		part := doc
		for _, key := range []string{"content", "", "jsonContent", "embeddedJsonContent", "message", inner} {
			if list, ok := part.([]any); ok {
				part = list[0]
				continue
			}
			part = part.(map[string]any)[key]
		}
		if s == nil {
			if part == nil {
				t.Errorf("%s: no %s in %s", name, inner, out.Bytes)
			}
			return
		}
		if err := s.Validate(part); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out.Bytes)
		}
	}
	reply := adapter.Reply{Now: m.Sent.Add(time.Second)}
	ack, f := a.Acknowledge(m, reply)
	check("ack", ack, f, "reference", nil)
	for _, r := range adapter.Reasons {
		report, f := a.Refuse(m, &adapter.Refusal{Reason: r, Detail: "line 1: x"}, reply)
		check(string(r), report, f, "error", failure)
	}
	posts, refusal := m.Posts(adapter.Addressed{Source: "1.2.3", Destination: "1.2.4"})
	if refusal != nil {
		t.Fatal(refusal)
	}
	back, refusal := adapter.FromUCRI(posts[0].Envelope)
	if refusal != nil {
		t.Fatal(refusal)
	}
	back.Sender, back.Receiver = "de.sn.irls.ostsachsen", "fr.health.samu67"
	out, f := a.Encode(back)
	check("incident", out, f, "emsi", message)
}

// The hub's own examples are read: EMSI whole, its other messages refused with a reason.
func TestPublishedMessages(t *testing.T) {
	for _, name := range []string{"EDXL-DE.xml", "EDXL-DE.json"} {
		m, r := New(tree.XML).Open(sample(t, "examples", name), adapter.Arrival{Now: time.Date(2022, 7, 25, 10, 0, 0, 0, time.UTC)})
		if r == nil || r.Reason != adapter.Format || m == nil || m.ID == "" || m.Sender == "" {
			t.Errorf("%s: %+v %v", name, m, r)
		}
	}
	inner := sample(t, "examples", "EMSI-Complet-DC-RDC-OPG-message.json")
	var message any
	if err := json.Unmarshal(inner, &message); err != nil {
		t.Fatal(err)
	}
	var envelope map[string]any
	if err := json.Unmarshal(sample(t, "examples", "EDXL-DE.json"), &envelope); err != nil {
		t.Fatal(err)
	}
	envelope["dateTimeSent"], envelope["dateTimeExpires"] = "2024-01-09T16:00:05+01:00", "2072-01-09T16:00:05+01:00"
	envelope["content"] = []any{map[string]any{"jsonContent": map[string]any{"embeddedJsonContent": map[string]any{"message": message}}}}
	text, err := json.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	m, r := New(tree.JSON).Open(text, adapter.Arrival{Now: time.Date(2024, 1, 9, 16, 0, 0, 0, time.UTC), From: "fr.health.samuA"})
	if r != nil {
		t.Fatal(r)
	}
	if m.Kind != convert.KindUpdate || m.Expires.Sub(m.Sent) != longest {
		t.Errorf("%s until %s", m.Kind, m.Expires)
	}
	for _, kind := range []convert.Kind{convert.KindUpdate, convert.KindIncident} { // of an incident nobody was told of before
		m.Kind = kind
		posts, r := m.Posts(adapter.Addressed{Source: "1.2.3", Destination: "1.2.4"})
		if r != nil {
			t.Fatal(r)
		}
		if err := ucri.CheckData(&posts[0].Envelope.Payload); err != nil {
			t.Error(err)
		}
	}
}
