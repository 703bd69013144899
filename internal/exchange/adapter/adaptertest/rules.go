package adaptertest

import (
	"bytes"
	"fmt"
	"mime"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"trojmezi/internal/exchange/adapter"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/ucri"
)

// described: whoever sets it up learns what it is.
func described(t T, s *suite) {
	a := s.a
	if !regexp.MustCompile(`^[A-Z]{2}$`).MatchString(a.Country) {
		t.Errorf("country %q", a.Country)
	}
	if !regexp.MustCompile(`^[a-z][a-z0-9]*$`).MatchString(a.System) {
		t.Errorf("system %q", a.System)
	}
	if _, _, err := mime.ParseMediaType(a.MediaType); err != nil {
		t.Errorf("media type %q: %v", a.MediaType, err)
	}
	file := strings.HasSuffix(a.Profile, ".md")
	if a.Profile == "" || !a.Public && !file {
		t.Errorf("profile %q: a system whose interface is not public follows a document of this repository", a.Profile)
	}
	if file {
		if _, err := os.Stat(filepath.Join(root(t), filepath.FromSlash(a.Profile))); err != nil {
			t.Errorf("%v", err)
		}
	}
}

// root is the folder of the repository.
func root(t T) string {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	t.Fatalf("no go.mod above: %v", err)
	return ""
}

// reads: the head of every message is understood.
func reads(t T, s *suite) {
	for _, k := range []convert.Kind{convert.KindIncident, convert.KindAnswer, convert.KindReceipt} {
		if len(s.of(k)) == 0 {
			t.Errorf("no message of the kind %q in the folder", k)
		}
	}
	for _, f := range s.fixtures {
		m := f.m
		kind := m.Kind
		if kind == convert.KindReceipt && m.Receipt.Refused {
			kind = convert.KindRefusal
		}
		switch {
		case kind != f.kind:
			t.Errorf("%s is read as %q", f.name, kind)
		case m.ID == "" || m.Sender == "" || m.Receiver == "":
			t.Errorf("%s: number %q, sender %q, receiver %q", f.name, m.ID, m.Sender, m.Receiver)
		case m.Sent.IsZero():
			t.Errorf("%s was sent at no time", f.name)
		case kind == convert.KindReceipt && m.Answers == "":
			t.Errorf("%s answers nothing", f.name)
		case kind == convert.KindRefusal && m.Receipt.Code == "":
			t.Errorf("%s has no reason", f.name)
		case m.Kind != convert.KindReceipt && m.Content.Shared() == "":
			t.Errorf("%s is about no incident", f.name)
		}
		for _, part := range []string{m.ID, m.Sender, m.Receiver} {
			if !bytes.Contains(f.text, []byte(part)) {
				t.Errorf("%s: %q does not stand in it", f.name, part)
			}
		}
	}
}

// apps are the messages of UCRI 2 for the kinds.
var apps = map[convert.Kind]string{
	convert.KindIncident: "incident", convert.KindAnswer: "acknowledgement", convert.KindCompletion: "completion", convert.KindCancel: "completion",
	convert.KindText: "notification", convert.KindUpdate: "notification",
}

// handsOn: each becomes a message of UCRI 2 that a node takes.
func handsOn(t T, s *suite) {
	for _, f := range s.fixtures {
		posts, refusal := f.m.Posts(addresses)
		if f.m.Kind == convert.KindReceipt {
			if len(posts) > 0 || refusal != nil {
				t.Errorf("%s: a machine's word goes on to a person: %v", f.name, refusal)
			}
			continue
		}
		if refusal != nil || len(posts) == 0 {
			t.Errorf("%s: %v", f.name, refusal)
			continue
		}
		seen := map[string]bool{}
		for n, p := range posts {
			data := valid(t, p.Envelope)
			if e := p.Envelope; e.Source != addresses.Source || !slices.Equal(e.Destinations, []string{addresses.Destination}) || seen[e.MessageID] {
				t.Errorf("%s: from %s to %v as %s", f.name, e.Source, e.Destinations, e.MessageID)
			}
			seen[p.Envelope.MessageID] = true
			if n == 0 && p.Envelope.Payload.SchemaID != apps[f.m.Kind] {
				t.Errorf("%s becomes %s", f.name, p.Envelope.Payload.SchemaID)
			}
			if data["sharedIncidentId"] != f.m.Content.Shared() {
				t.Errorf("%s: incident %v, not %s", f.name, data["sharedIncidentId"], f.m.Content.Shared())
			}
			if place := f.m.Content.Incident.Location.Address.City; place.Is() && f.m.Kind == convert.KindIncident && n == 0 {
				if l, _ := data["missionLocation"].(map[string]any); !strings.Contains(fmt.Sprint(l["address"]), place.Text) {
					t.Errorf("%s: %s is not the place of %v", f.name, place.Text, l)
				}
			}
			want := map[convert.Kind]string{convert.KindCancel: "aborted"}[f.m.Kind]
			if got := data["status"]; n == 0 && want != "" && got != want {
				t.Errorf("%s: status %v, not %s", f.name, got, want)
			}
		}
		// The incident may have another name here than there.
		const other = "00000000-0000-4000-8000-000000000001"
		to := addresses
		to.Shared = other
		posts, refusal = f.m.Posts(to)
		if refusal != nil || valid(t, posts[0].Envelope)["sharedIncidentId"] != other {
			t.Errorf("%s: does not take the name %s: %v", f.name, other, refusal)
		}
	}
}

// repeats: what is delivered twice is recognised by its numbers.
func repeats(t T, s *suite) {
	for _, f := range s.contents() {
		again, fault := s.a.Decode(bytes.Clone(f.text))
		if fault != nil {
			t.Fatalf("%s: %v", f.name, fault)
		}
		one, _ := f.m.Posts(addresses)
		two, refusal := again.Posts(addresses)
		if refusal != nil || len(one) != len(two) || again.ID != f.m.ID {
			t.Fatalf("%s: %v", f.name, refusal)
		}
		for n := range one {
			if a, b := one[n].Envelope.AppendJSON(nil), two[n].Envelope.AppendJSON(nil); !bytes.Equal(a, b) {
				t.Errorf("%s is not twice the same:\n%s\n%s", f.name, a, b)
			}
		}
	}
	for _, e := range samples() {
		if e.kind == "" {
			continue
		}
		one, fault := s.a.Encode(s.out(t, e))
		two, _ := s.a.Encode(s.out(t, e))
		if fault == nil && (one.ID != two.ID || !bytes.Equal(one.Bytes, two.Bytes)) {
			t.Errorf("%s is not twice the same:\n%s\n%s", e.name, one.Bytes, two.Bytes)
		}
	}
}

// together: a gateway is not alone with its adapter.
func together(t T, s *suite) {
	all := func() (results []string) {
		for _, f := range s.contents() {
			if m, fault := s.a.Decode(f.text); fault == nil {
				posts, _ := m.Posts(addresses)
				for _, p := range posts {
					results = append(results, string(p.Envelope.AppendJSON(nil)))
				}
			}
		}
		for _, e := range samples()[:5] {
			m, refusal := adapter.FromUCRI(e.e)
			if refusal != nil {
				continue
			}
			m.Sender, m.Receiver, m.Revision = "de.node", "partner", 1
			if out, fault := s.a.Encode(m); fault == nil {
				results = append(results, string(out.Bytes))
			}
		}
		return results
	}
	want := all()
	got := make([][]string, 4)
	var wait sync.WaitGroup
	for n := range got {
		wait.Go(func() { got[n] = all() })
	}
	wait.Wait()
	for _, g := range got {
		if !slices.Equal(g, want) {
			t.Errorf("several at once get something else than one alone")
		}
	}
}

// roundTrip: what goes on in UCRI 2 and comes back says the same.
func roundTrip(t T, s *suite) {
	for _, f := range s.contents() {
		posts, refusal := f.m.Posts(addresses)
		if refusal != nil {
			t.Fatalf("%s: %v", f.name, refusal)
		}
		m := s.out(t, sample{name: f.name, e: posts[0].Envelope})
		if m.Kind == convert.KindText {
			m.Kind = f.m.Kind // lines were an update
		}
		if f.m.Kind == convert.KindUpdate {
			continue // its lines are differences, and no incident
		}
		back := s.through(t, f.name, m)
		if back == nil {
			continue
		}
		again, refusal := back.Posts(addresses)
		if refusal != nil {
			t.Fatalf("%s: %v", f.name, refusal)
		}
		one, two := valid(t, posts[0].Envelope), valid(t, again[0].Envelope)
		for _, key := range []string{"sharedIncidentId", "status", "issue"} {
			if one[key] != two[key] {
				t.Errorf("%s: %s was %v and is %v", f.name, key, one[key], two[key])
			}
		}
		for _, key := range []string{"internalId", "flashingLights"} { // for which there may be no field
			if one[key] != two[key] && !strings.Contains(again[0].Envelope.Payload.Data, fmt.Sprint(one[key])) {
				t.Errorf("%s: %s was %v and is nowhere", f.name, key, one[key])
			}
		}
		if a, b := point(one), point(two); a != b {
			t.Errorf("%s was at %v and is at %v", f.name, a, b)
		}
	}
}

func point(data map[string]any) [2]any {
	location, _ := data["missionLocation"].(map[string]any)
	c, _ := location["coordinate"].(map[string]any)
	return [2]any{c["lat"], c["lon"]}
}

// through writes a message and reads it again, nil if the system has none for it.
func (s *suite) through(t T, name string, m *adapter.Message) *adapter.Message {
	t.Helper()
	out, fault := s.a.Encode(m)
	if fault != nil {
		why := adapter.Because(fault).Reason
		if long := name == "long incident"; why != adapter.Kind && !(long && why == adapter.TooLarge) {
			t.Errorf("%s: %v", name, fault)
		}
		return nil
	}
	back, fault := s.a.Decode(out.Bytes)
	if fault != nil {
		t.Fatalf("%s: own message refused: %v\n%s", name, fault, out.Bytes)
	}
	if back.Kind != m.Kind || back.ID != out.ID || back.Sender != m.Sender || back.Receiver != m.Receiver || back.Mode() != m.Mode() {
		t.Errorf("%s: went as %q %s from %s to %s, %s, and is read as %q %s from %s to %s, %s", name,
			m.Kind, out.ID, m.Sender, m.Receiver, m.Mode(), back.Kind, back.ID, back.Sender, back.Receiver, back.Mode())
	}
	return back
}

// writes: what crosses in UCRI 2 reaches the system, or is refused as a kind of
// message that it does not have.
func writes(t T, s *suite) {
	for _, e := range samples() {
		m, refusal := adapter.FromUCRI(e.e)
		if e.kind == "" {
			if refusal == nil || refusal.Reason != adapter.Kind {
				t.Errorf("%s: %v", e.name, refusal)
			}
			continue
		}
		if refusal != nil || m.Kind != e.kind {
			t.Fatalf("%s: %v", e.name, refusal)
		}
		m = s.out(t, e)
		back := s.through(t, e.name, m)
		if back == nil && e.name != "long incident" && (e.kind == convert.KindIncident || e.kind == convert.KindAnswer) {
			t.Errorf("%s: every system has incidents and answers", e.name)
		}
		if back == nil {
			continue
		}
		if back.Content.Shared() != shared {
			t.Errorf("%s: about %s", e.name, back.Content.Shared())
		}
		if !back.Expires.IsZero() && !m.Expires.IsZero() && back.Expires.Sub(m.Expires).Abs() > time.Second {
			t.Errorf("%s expires %s, not %s", e.name, back.Expires, m.Expires)
		}
		posts, refusal := back.Posts(addresses)
		if refusal != nil {
			t.Errorf("%s does not come back: %v", e.name, refusal)
			continue
		}
		want, got := valid(t, e.e), valid(t, posts[0].Envelope)
		if want["status"] != got["status"] || e.name == "full incident" && (want["issue"] != got["issue"] || point(want) != point(got)) {
			t.Errorf("%s comes back as %v", e.name, got)
		}
		m.Number, m.Answers = "alias-0815", "message-4711"
		if out, fault := s.a.Encode(m); fault == nil {
			if back, fault := s.a.Decode(out.Bytes); fault != nil || back.Number != m.Number {
				t.Errorf("%s: the incident is %v to the system, not %s: %v", e.name, back, m.Number, fault)
			}
		}
	}
}

// keeps: nothing is lost silently, in either direction.
func keeps(t T, s *suite) {
	for _, f := range s.contents() {
		posts, refusal := f.m.Posts(addresses)
		if refusal != nil {
			t.Fatalf("%s: %v", f.name, refusal)
		}
		for n, p := range posts {
			leaves, arrived := complete(t, f.text, p.Envelope.AppendJSON(nil), p.Loss)
			if n == 0 && f.m.Kind == convert.KindIncident && arrived*10 < leaves*7 {
				t.Errorf("%s: only %d of %d values arrived", f.name, arrived, leaves)
			}
		}
	}
	for _, e := range samples() {
		if e.kind == "" {
			continue
		}
		out, fault := s.a.Encode(s.out(t, e))
		if fault != nil {
			continue
		}
		leaves, arrived := complete(t, e.e.AppendJSON(nil), out.Bytes, out.Loss)
		if e.name == "full incident" && arrived*10 < leaves*7 {
			t.Errorf("%s: only %d of %d values arrived", e.name, arrived, leaves)
		}
	}
}

// everyApp: every message that UCRI 2 has reaches the system whole, or is refused
// because the system has none of the kind.
func everyApp(t T, s *suite) {
	files, err := filepath.Glob(filepath.Join(root(t), "internal/format/ucri/testdata/messages/*.txtar"))
	if err != nil || len(files) < 20 {
		t.Fatalf("no messages: %v", err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatalf("%v", err)
		}
		app, rest, _ := strings.Cut(filepath.Base(file), ".")
		schema, _, _ := strings.Cut(rest, ".")
		for _, f := range a.Files {
			if f.Name != "valid.json" && f.Name != "minimal.json" {
				continue
			}
			name := app + " " + schema + " " + f.Name
			e := sample{name, "", envelope(app, schema, string(f.Data))}
			if _, refusal := adapter.FromUCRI(e.e); refusal != nil {
				if refusal.Reason != adapter.Kind {
					t.Errorf("%s: %v", name, refusal)
				}
				continue
			}
			out, fault := s.a.Encode(s.out(t, e))
			if fault != nil {
				why := adapter.Because(fault).Reason
				if empty := name == "notification_text notification minimal.json"; why != adapter.Kind && !(empty && why == adapter.Conversion) {
					t.Errorf("%s: %v", name, fault)
				}
				continue
			}
			complete(t, e.e.AppendJSON(nil), out.Bytes, out.Loss)
			if _, fault := s.a.Decode(out.Bytes); fault != nil {
				t.Errorf("%s: own message refused: %v\n%s", name, fault, out.Bytes)
			}
		}
	}
}

// protects: what is kept back is nowhere in what is sent, and a line says that there is
// something; that a caller's number is kept back changes nothing else.
func protects(t T, s *suite) {
	secrets := []string{"Tajemná", "1234567890", "+420777888999"}
	e := sample{"patients", convert.KindIncident, envelope("incident_transfer_with_patient", "incident", `{"sharedIncidentId":"`+shared+`","sentByDispatcherAt":"2026-03-01T14:03:12Z",
		"issue":"Sturz","missionLocation":{"address":{"street":"s","city":"Zittau"},"coordinate":{"lat":50,"lon":14}},"informers":[{"name":"Anrufer","phone":"+420777888999"}],
		"patients":[{"name":"Tajemná","healthInsuranceInformation":{"insuranceNumber":"1234567890"}}]}`)}
	if err := ucri.CheckData(&e.e.Payload); err != nil {
		t.Fatalf("%v", err)
	}
	m := s.out(t, e)
	m.Content.KeepBack("/payload/data/informers/0/phone")
	out, fault := s.a.Encode(m)
	if fault != nil {
		t.Fatalf("%v", fault)
	}
	for _, secret := range secrets {
		if bytes.Contains(out.Bytes, []byte(secret)) {
			t.Errorf("%q crosses: %s", secret, out.Bytes)
		}
	}
	for _, said := range []string{"Sturz", "Anrufer", "patients", "phone", "withheld"} {
		if !bytes.Contains(out.Bytes, []byte(said)) {
			t.Errorf("%q is not in %s", said, out.Bytes)
		}
	}
	complete(t, e.e.AppendJSON(nil), out.Bytes, out.Loss)
}

// moments: an hour that comes twice a year stays two, and offsets stay moments.
func moments(t T, s *suite) {
	for _, began := range []string{"2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-02-28T23:59:59-11:00", "2026-03-01T00:30:00Z"} {
		e := sample{"incident", convert.KindIncident, envelope("incident_transfer", "incident", `{"sharedIncidentId":"`+shared+`","sentByDispatcherAt":"2026-10-25T02:40:00+01:00",
			"startTimestamp":"`+began+`","issue":"x","missionLocation":{"address":{"street":"s","city":"Zittau"},"coordinate":{"lat":50,"lon":14}}}`)}
		e.e.SentDate = "2026-10-25T01:41:00Z"
		out, fault := s.a.Encode(s.out(t, e))
		if fault != nil {
			t.Fatalf("%v", fault)
		}
		back, fault := s.a.Decode(out.Bytes)
		if fault != nil {
			t.Fatalf("%v\n%s", fault, out.Bytes)
		}
		posts, refusal := back.Posts(addresses)
		if refusal != nil {
			t.Fatalf("%v", refusal)
		}
		got, _ := valid(t, posts[0].Envelope)["startTimestamp"].(string)
		a, err := time.Parse(time.RFC3339, began)
		b, err2 := time.Parse(time.RFC3339, got)
		if err != nil || err2 != nil || !a.Equal(b) {
			t.Errorf("began %s, comes back as %q", began, got)
		}
	}
}

// exercises: what may be no reality is none wherever it goes.
func exercises(t T, s *suite) {
	for _, mode := range []string{"EXERCS", "TEST"} {
		for _, e := range samples() {
			if e.kind == "" {
				continue
			}
			m := s.out(t, e)
			m.Content.Careful(mode)
			out, fault := s.a.Encode(m)
			if fault != nil {
				continue // refused is careful enough
			}
			back, fault := s.a.Decode(out.Bytes)
			if fault != nil || back.Mode() == live {
				t.Errorf("%s as %s: %v\n%s", e.name, mode, fault, out.Bytes)
				continue
			}
			if _, refusal := s.a.Open(out.Bytes, adapter.Arrival{Now: now(back), Live: true}); refusal == nil || refusal.Reason != adapter.NotLive {
				t.Errorf("%s as %s is taken as live: %v", e.name, mode, refusal)
			}
			ack, fault := s.a.Acknowledge(back, adapter.Reply{Now: now(back)})
			if fault != nil || ack == nil {
				t.Errorf("%s as %s cannot be acknowledged: %v", e.name, mode, fault)
			} else if m, _ := s.a.Decode(ack.Bytes); m == nil || m.Mode() == live {
				t.Errorf("the receipt of an exercise is none: %s", ack.Bytes)
			}
			takes(t, s.a, out.Bytes)
		}
	}
}
