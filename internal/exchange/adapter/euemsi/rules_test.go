package euemsi

import (
	"os"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/exchange/adapter"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/edxl"
	"trojmezi/internal/format/tree"
)

// changed is a message of the test data with some of its text replaced.
func changed(t *testing.T, file string, replace ...string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(replace); n += 2 {
		if !strings.Contains(string(text), replace[n]) {
			t.Fatalf("no %q in %s", replace[n], file)
		}
	}
	return []byte(strings.NewReplacer(replace...).Replace(string(text)))
}

var sent = time.Date(2026, 3, 14, 16, 46, 0, 0, time.UTC)

// The hub's rules about envelopes, and with which of its codes their breach is told.
func TestHubRules(t *testing.T) {
	second := "<explicitAddress><explicitAddressScheme>hubex</explicitAddressScheme><explicitAddressValue>fr.x</explicitAddressValue></explicitAddress></descriptor>"
	for name, c := range map[string]struct {
		message []byte
		at      adapter.Arrival
		code    string
	}{
		"right":                   {changed(t, "xml/incident-accident.xml"), adapter.Arrival{Now: sent, From: "fr.health.samu67"}, ""},
		"another sender":          {changed(t, "xml/incident-accident.xml"), adapter.Arrival{Now: sent, From: "fr.health.samu68"}, "200"},
		"another receiver":        {changed(t, "xml/incident-accident.xml"), adapter.Arrival{Now: sent, Own: []string{"pl.wroclaw"}}, "501"},
		"too late":                {changed(t, "xml/incident-accident.xml"), adapter.Arrival{Now: sent.Add(3 * time.Hour)}, "400"},
		"a day is the longest":    {changed(t, "xml/incident-accident.xml", "<dateTimeExpires>2026", "<dateTimeExpires>2072"), adapter.Arrival{Now: sent.Add(25 * time.Hour)}, "400"},
		"an end before the start": {changed(t, "xml/incident-accident.xml", "2026-03-14T19:46:00", "2026-03-14T15:46:00"), adapter.Arrival{Now: sent}, "301"},
		"no offset":               {changed(t, "xml/incident-accident.xml", "2026-03-14T17:46:00+01:00", "2026-03-14T17:46:00"), adapter.Arrival{Now: sent}, "301"},
		"two receivers":           {changed(t, "xml/incident-accident.xml", "</descriptor>", second), adapter.Arrival{Now: sent}, "301"},
		"an unknown kind":         {changed(t, "xml/incident-accident.xml", "<distributionKind>Report", "<distributionKind>Rumour"), adapter.Arrival{Now: sent}, "301"},
		"nothing inside":          {changed(t, "xml/receipt-ack.xml", "<distributionKind>Ack", "<distributionKind>Report"), adapter.Arrival{Now: sent}, "300"},
		"an exercise in service":  {changed(t, "xml/incident-exercise.xml"), adapter.Arrival{Now: sent, Live: true}, "703"},
	} {
		a := New(tree.XML)
		m, r := a.Open(c.message, c.at)
		if (r != nil) != (c.code != "") || m == nil {
			t.Errorf("%s: %v", name, r)
			continue
		}
		if r == nil {
			continue
		}
		out, f := a.Refuse(m, r, adapter.Reply{Now: sent})
		if f != nil || out == nil {
			t.Errorf("%s: not told: %v", name, f)
			continue
		}
		told, f := a.Decode(out.Bytes)
		if f != nil || told.Receipt.Code != c.code || told.Answers != m.ID || told.Receiver != "fr.health.samu67" {
			t.Errorf("%s: told as %+v, %v; wanted %s", name, told, f, c.code)
		}
	}
}

// The hub reports in its own name what became of a message between two others.
func TestHubReports(t *testing.T) {
	m, r := New(tree.JSON).Open(changed(t, "json/refusal-expired.json"), adapter.Arrival{Now: sent, From: "fr.health.samu67"})
	if r != nil || m.Sender != "fr.health.hub" || !m.Receipt.Refused || m.Receipt.Code != "400" || m.Answers == "" {
		t.Errorf("%+v %v", m, r)
	}
}

// What a machine says is never answered, however broken it is.
func TestNoEndlessReplies(t *testing.T) {
	for _, message := range [][]byte{changed(t, "xml/receipt-ack.xml"), changed(t, "xml/refusal-expired.xml"),
		changed(t, "xml/refusal-expired.xml", "<senderID>", "<other/><senderID>"), changed(t, "json/receipt-ack.json", `"Actual"`, `"Perhaps"`)} {
		a := New(tree.XML)
		m, f := a.Decode(message)
		if m == nil {
			t.Fatal(f)
		}
		if out, f := a.Refuse(m, &adapter.Refusal{Reason: adapter.Invalid}, adapter.Reply{Now: sent}); out != nil || f != nil {
			t.Errorf("%s is answered", message)
		}
		if out, f := a.Acknowledge(m, adapter.Reply{Now: sent}); out != nil || f != nil {
			t.Errorf("%s is answered", message)
		}
	}
}

// A person's answer is none of a machine's, and a machine's has the form of what it
// answers.
func TestAnswers(t *testing.T) {
	a := New(tree.XML)
	m, f := a.Decode(changed(t, "xml/answer-refused.xml"))
	if f != nil || m.Kind != convert.KindAnswer || m.Answers != "de.sn.irls.ostsachsen_2f0c8e50-1111-4222-8333-944455566677" {
		t.Fatalf("%+v %v", m, f)
	}
	posts, r := m.Posts(adapter.Addressed{Source: "1.2.250", Destination: "1.2.276"})
	if r != nil || !strings.Contains(posts[0].Envelope.Payload.Data, `"cause":"aucun moyen disponible"`) {
		t.Errorf("%v %v", posts, r)
	}
	// Also where a system sends it as the kind that is a machine's.
	m, f = a.Decode(changed(t, "xml/answer-accepted.xml", "<distributionKind>Update", "<distributionKind>Ack"))
	if f != nil || m.Kind != convert.KindAnswer {
		t.Errorf("%+v %v", m, f)
	}
	for file, syntax := range map[string]tree.Syntax{"xml/incident-accident.xml": tree.XML, "json/incident-accident.json": tree.JSON} {
		m, f := a.Decode(changed(t, file))
		if f != nil {
			t.Fatal(f)
		}
		ack, f := a.Acknowledge(m, adapter.Reply{Now: sent})
		if f != nil {
			t.Fatal(f)
		}
		d, f := tree.Parse(ack.Bytes, tree.DefaultLimits)
		if f != nil || d.Syntax != syntax {
			t.Fatalf("%s is answered in another form: %v", file, f)
		}
		e, found := edxl.Read(d)
		if e == nil || len(found) > 0 || !strings.HasPrefix(e.ID, e.Sender+"_") || e.ID != ack.ID || e.Language != "fr-FR" && syntax == tree.XML {
			t.Errorf("%s: %v\n%s", file, found, ack.Bytes)
		}
	}
}
