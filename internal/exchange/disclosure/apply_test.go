package disclosure

import (
	"reflect"
	"strings"
	"testing"

	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/incident"
)

// Every field of the model is classified: one that is not makes this test red.
func TestClassified(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var look func(reflect.Type)
	look = func(typ reflect.Type) {
		if typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ == valueType || seen[typ] {
			return
		}
		seen[typ] = true
		for f := range typ.Fields() {
			name := typ.Name() + "." + f.Name
			is, known := natures[name]
			if !known {
				t.Errorf("%s is not classified", name)
			}
			sub := f.Type
			if sub.Kind() == reflect.Slice {
				sub = sub.Elem()
			}
			if sub != valueType && is != inside && is != personal {
				t.Errorf("%s has parts, but is %d", name, is)
			}
			look(f.Type)
		}
	}
	look(reflect.TypeFor[incident.Incident]())
	used := map[string]bool{}
	for typ := range seen {
		for f := range typ.Fields() {
			used[typ.Name()+"."+f.Name] = true
		}
	}
	for name := range natures {
		if !used[name] {
			t.Errorf("%s is no field", name)
		}
	}
	for _, l := range leaves {
		if l.is == 0 || l.is == inside {
			t.Errorf("%s has no nature", l.path)
		}
	}
}

const sample = `{"messageId":"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911","sentDate":"2026-03-01T14:03:12Z","source":"1.2.203.9.1","destinations":["1.2.616.9.1"],"timeout":60,"ack":"ALL","signature":"abc.def.ghi",
"payload":{"appId":"incident_transfer_police","appVersion":"1.0","schemaId":"incident","contentType":"application/json","data":"{\"sharedIncidentId\":\"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e912\",\"sentByDispatcherAt\":\"2026-03-01T14:03:12Z\",\"issue\":\"Dva zranění, volá Novák\",\"classifications\":[\"traffic.injury\"],\"missionLocation\":{\"address\":{\"street\":\"Žitavská\",\"city\":\"Hrádek\"}},\"informers\":[{\"name\":\"Novák\",\"surname\":\"Jiří\",\"phone\":\"+420 603 123 456\",\"additionalInformation\":\"syn\"}],\"accusedPersons\":[{\"name\":\"Kulhavý\",\"dateOfBirth\":\"1971-02-03\"},{\"name\":\"Dlouhý\"}],\"protocolRemarks\":[{\"timestamp\":\"2026-03-01T14:03:12Z\",\"message\":\"zpět na 603123456, Novákova ulice, KULHAVÝ utekl\"}]}"}}`

func withheld(t *testing.T, c Case) (*convert.Message, Outcome) {
	t.Helper()
	m, f := convert.Read([]byte(sample), convert.Auto)
	if f != nil {
		t.Fatal(f)
	}
	o := NewTable(Default()).Apply(c, m.Incident)
	m.Withhold(o.Incident, o.Sources)
	return m, o
}

func TestApply(t *testing.T) {
	c := Case{Peer: "1.2.616.9.1", App: "incident_transfer_police", Class: "traffic.injury"}
	for _, to := range convert.Formats {
		m, o := withheld(t, c)
		r, f := m.Write(to, convert.Options{})
		if f != nil {
			t.Fatal(f)
		}
		text := string(r.Bytes)
		for _, secret := range []string{"Novák,", "Novák\\\"", "Jiří", "603 123", "603123456", "syn", "Kulhavý", "KULHAVÝ", "Dlouhý", "1971-02-03", "abc.def"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s has %q:\n%s", to, secret, text)
			}
		}
		for _, mark := range []string{"[withheld:callers ask]", "[withheld:accused 2]", "Žitavská", "Novákova ulice"} {
			if !strings.Contains(text, mark) {
				t.Errorf("%s has no %q:\n%s", to, mark, text)
			}
		}
		if v := convert.Validate(r.Bytes); !v.Valid {
			t.Errorf("%s: %v\n%s", to, v.Deviations, text)
		}
		for _, l := range r.Loss {
			if strings.Contains(l.Value, "Kulhavý") {
				t.Errorf("the report tells what was withheld: %v", l)
			}
		}
		if len(o.Marks) != 2 {
			t.Errorf("marks are %v", o.Marks)
		}
	}
	c.Life = true
	m, _ := withheld(t, c)
	r, _ := m.Write(convert.UCRI2, convert.Options{})
	if text := string(r.Bytes); !strings.Contains(text, "+420 603 123 456") || strings.Contains(text, "Kulhavý") || strings.Contains(text, "syn") {
		t.Errorf("a life is in danger: %s", text)
	}
	c.Answers = map[Group]bool{Callers: false}
	m, _ = withheld(t, c)
	if r, _ = m.Write(convert.UCRI2, convert.Options{}); strings.Contains(string(r.Bytes), "603") {
		t.Errorf("somebody said no: %s", r.Bytes)
	}
}

// What nothing is withheld of goes on as it came, signature and all.
func TestNothingWithheld(t *testing.T) {
	m, o := withheld(t, Case{Override: true, App: "incident_transfer_police"})
	r, _ := m.Write(convert.UCRI2, convert.Options{})
	again, _ := convert.Convert([]byte(sample), convert.Auto, convert.UCRI2, convert.Options{})
	if string(r.Bytes) != string(again.Bytes) || len(o.Marks) > 0 || !strings.Contains(string(r.Bytes), "abc.def") {
		t.Errorf("%s", r.Bytes)
	}
	if len(o.Decisions) == 0 {
		t.Error("nobody knows that personal data went")
	}
}

func TestSpecific(t *testing.T) {
	rules := append(Default(),
		Rule{"X-1", "PL", Any, "Callers", Any, Drop, ""},
		Rule{"X-2", "1.2.616.9.1", Any, "Callers.Phone", Any, Pass, ""},
		Rule{"X-3", "1.2.616.9.1", Any, "Callers.Phone", "traffic", Mask, ""},
		Rule{"X-4", "1.2.616.9.1", Any, "Callers.Phone", "traffic.injury", Ask, ""},
		Rule{"X-5", "1.2.616.9.1", Any, "Callers.Phone", "traffic.injury", Count, ""},
		Rule{"X-6", Any, Any, "*.Phone", Any, Pass, ""})
	if f := Check(rules); len(f) > 0 {
		t.Fatal(f)
	}
	table := NewTable(rules)
	for _, x := range []struct{ peer, app, class, path, rule string }{
		{"1.2.276.1", "incident_transfer", "", "Callers.Phone", "P-05"},
		{"1.2.616.8.1", "incident_transfer", "", "Callers.Note", "X-1"},
		{"1.2.616.8.1", "incident_transfer", "", "Callers.Phone", "P-05"}, // the path counts most
		{"1.2.616.9.1", "incident_transfer", "", "Callers.Phone", "X-2"},
		{"1.2.616.9.1", "incident_transfer", "traffic.rail", "Callers.Phone", "X-3"},
		{"1.2.616.9.1", "incident_transfer", "traffic.injury", "Callers.Phone", "X-5"}, // alike: the stricter
		{"1.2.276.1", "incident_transfer", "", "Victims.Phone", "X-6"},
		{"1.2.276.1", "incident_transfer", "", "Patients.Age", "P-06"},
		{"1.2.276.1", "patient_transfer", "", "Patients.Age", "P-12"},
		{"1.2.276.1", "patient_transfer", "", "Patients.InsuranceNumber", "P-11"},
		{"1.2.276.1", "incident_transfer", "", "Location.Address.Street", "P-01"},
		{"1.2.276.1", "incident_transfer", "", "Message.Sender.Person", "P-02"},
	} {
		if r := table.plan(Case{Peer: x.peer, App: x.app, Class: x.class}).of[byPath[x.path]]; r.ID != x.rule {
			t.Errorf("%+v is decided by %s", x, r.ID)
		}
	}
}

// BenchmarkApply is a whole incident with a caller and injured persons: which rule decides
// each value; and with what the rules withhold taken out, from free texts too.
func BenchmarkApply(b *testing.B) {
	m, f := convert.Read([]byte(sample), convert.Auto)
	if f != nil {
		b.Fatal(f)
	}
	table := NewTable(Default())
	c := Case{Peer: "1.2.616.9.1", App: "incident_transfer_police", Class: "traffic.injury"}
	b.Run("decide", func(b *testing.B) {
		for b.Loop() {
			table.decide(c, m.Incident)
		}
	})
	b.Run("apply", func(b *testing.B) {
		for b.Loop() {
			table.Apply(c, m.Incident)
		}
	})
}
