package disclosure

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

const (
	at       = "2026-03-01T14:03:12Z"
	sharedID = "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e912"
	caller   = `{"sharedIncidentId":"` + sharedID + `","sentByDispatcherAt":"` + at + `","missionLocation":{"address":{"street":"Žitavská"}},"informers":[{"name":"Nováková","phone":"601 111 222"}]}`
	quiet    = `{"sharedIncidentId":"` + sharedID + `","sentByDispatcherAt":"` + at + `","missionLocation":{"address":{"street":"Žitavská"}},"issue":"kouř"}`
)

// sentBy is a message of a dispatch system to the neighbour.
func sentBy(t testing.TB, app, schema, data string, more ...ucri.Member) *ucri.Envelope {
	t.Helper()
	e := &ucri.Envelope{MessageID: "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911", SentDate: at, Timeout: 60, Ack: ucri.AckAll, Source: desk, Destinations: []string{neighbour}, Signature: "a.b.c", Extra: more,
		Payload: ucri.Payload{AppID: app, AppVersion: "1.0", SchemaID: schema, ContentType: ucri.ContentJSON, Data: data}}
	if _, bad := ucri.ParseClientSend(e.AppendJSON(nil)); bad != nil {
		t.Fatal(bad)
	}
	if bad := ucri.CheckData(&e.Payload); bad != nil {
		t.Fatal(bad)
	}
	return e
}

// judged is what of a message goes on; whose is the organisation that sends it.
func (s *site) judged(e *ucri.Envelope, whose string) (left *ucri.Envelope, err error) {
	s.t.Helper()
	judge, err := s.Judge(e, func(_ *store.Tx, _ *convert.Message) (Transfer, error) {
		return Transfer{Peer: neighbour, Message: e.MessageID, Organisation: whose}, nil
	})
	if err != nil {
		return nil, err
	}
	undone := errors.New("undone")
	if err := s.db.Write(s.t.Context(), func(tx *store.Tx) error {
		if _, err := judge(tx); err != nil {
			return err
		}
		return undone // a transaction may be repeated
	}); !errors.Is(err, undone) {
		return nil, err
	}
	err = s.db.Write(s.t.Context(), func(tx *store.Tx) (err error) { left, err = judge(tx); return err })
	return left, err
}

func (s *site) logged() int {
	all, err := s.Decisions(s.t.Context(), "", 100)
	s.must(err)
	return len(all)
}

// What a dispatch system sends is judged by the table: written down with the rule, kept to
// be given by its organisation, open in an emergency.
func TestJudge(t *testing.T) {
	s := newSite(t)
	if e, err := s.judged(sentBy(t, "incident_transfer", "incident", quiet), "o"); e != nil || err != nil || s.logged() != 0 {
		t.Errorf("nothing is about a person: %v %v", e, err)
	}
	e, err := s.judged(sentBy(t, "incident_transfer", "incident", caller), "o")
	if err != nil || e == nil || strings.Contains(e.Payload.Data, "Nováková") || strings.Contains(e.Payload.Data, "601") || !strings.Contains(e.Payload.Data, "[withheld:callers ask]") || e.Signature != "" {
		t.Fatalf("%+v %v", e, err)
	}
	if n := s.logged(); n != 2 {
		t.Errorf("%d decisions", n)
	}
	s.page("leader", "/disclosure/log", "Callers[0].Phone", "P-05")
	s.must(s.db.Write(t.Context(), func(tx *store.Tx) error {
		if text, err := s.Give(tx, "o", "desk", sharedID, neighbour, Callers); text != "Nováková 601 111 222" {
			t.Errorf("%q %v", text, err)
		}
		for peer, want := range map[string]bool{neighbour: true, "1.2.3": false} {
			if judged, err := s.Judged(tx, e.MessageID, peer); judged != want || err != nil {
				t.Errorf("judged for %s: %v %v", peer, judged, err)
			}
		}
		m, f := convert.Read(sentBy(t, "incident_transfer", "incident", caller).AppendJSON(nil), convert.UCRI2)
		if f != nil {
			return f
		}
		_, err := s.Disclose(tx, Transfer{Peer: neighbour, Message: "x", Organisation: "o", Person: "leader", Emergency: "únos"}, m)
		return err
	}))
	for whose, open := range map[string]bool{"o": true, "p": false, "": false} {
		if e, err := s.judged(sentBy(t, "incident_transfer", "incident", caller), whose); (e == nil) != open || err != nil {
			t.Errorf("%q: %v %v", whose, e, err)
		}
	}
}

// A stricter table holds for what is about nobody too; where the app has no room for the
// mark the envelope has, and what would not be valid any more does not go.
func TestJudgeStrictly(t *testing.T) {
	s := newSite(t)
	rules := append(Default(), Rule{ID: "T-1", Peer: Any, App: Any, Path: "What", Class: "fire", Action: Mask}, Rule{ID: "T-2", Peer: Any, App: "classification_catalogue", Path: extraOther, Class: Any, Action: Drop},
		Rule{ID: "T-3", Peer: Any, App: "resource_request", Path: extraOther, Class: Any, Action: Drop}, Rule{ID: "T-4", Peer: Any, App: "notification_text", Path: "Notes.Text", Class: Any, Action: Mask})
	if _, faults, err := s.Save(t.Context(), "leader", 0, rules, ""); err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	const request = `{"requestId":"` + sharedID + `"}`
	fire := strings.Replace(quiet, `"issue"`, `"classifications":["3101"],"issue"`, 1)
	for name, c := range map[string]struct {
		e     *ucri.Envelope
		whole bool
		key   string // of a refusal
		mark  string // where it stands: data or description
	}{
		"another class":      {e: sentBy(t, "incident_transfer", "incident", quiet), whole: true},
		"masked":             {e: sentBy(t, "incident_transfer", "incident", fire), mark: "data"},
		"text":               {e: sentBy(t, "notification_text", "notification", `{"sharedIncidentId":"`+sharedID+`","notifications":[{"timestamp":"`+at+`","message":"kouř"}]}`), mark: "data"},
		"catalogue request":  {e: sentBy(t, "classification_catalogue", "request", request, ucri.Member{Name: "x-y", Raw: []byte(`"kouř"`)}), key: "disclosure.refuse.nothing_left"},
		"catalogue":          {e: sentBy(t, "classification_catalogue", "response", `{"requestId":"`+sharedID+`","catalogueVersion":"3","catalogue":[{"abbreviation":"TH","description":"kouř","classificationGroup":"x"}]}`), key: "disclosure.refuse.nothing_left"},
		"no room":            {e: sentBy(t, "resource_request", "resource_request", `{"sharedIncidentId":"`+sharedID+`","sentByDispatcherAt":"`+at+`","patients":[{"name":"Kowal"}],"missionLocation":{"address":{"street":"Žitavská"}},"requestedResources":[{"resourceRequestId":"7","resourceType":"CAS","resourceName":"CAS"}]}`, ucri.Member{Name: "x-y", Raw: []byte(`"kouř"`)}), mark: "data"},
		"acknowledged":       {e: sentBy(t, "incident_transfer", "acknowledgement", `{"sharedIncidentId":"`+sharedID+`","acknowledgedByDispatcherAt":"`+at+`","status":"accepted"}`, ucri.Member{Name: "callerPhone", Raw: []byte(`"kouř"`)}), mark: "data"},
		"catalogue, a phone": {e: sentBy(t, "resource_type_catalogue", "request", request, ucri.Member{Name: "callerPhone", Raw: []byte(`"kouř"`)}), mark: "description"},
	} {
		e, err := s.judged(c.e, "o")
		if p, refused := errors.AsType[*problem.Error](err); refused {
			if p.Kind != problem.Invalid || p.Key != c.key {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		switch {
		case err != nil || c.key != "":
			t.Errorf("%s: %v", name, err)
		case c.whole != (e == nil):
			t.Errorf("%s: %+v", name, e)
		case e == nil:
		default:
			if text := string(e.AppendJSON(nil)); strings.Contains(text, "kouř") {
				t.Errorf("%s: %s", name, text)
			}
			there := map[string]bool{"data": strings.Contains(e.Payload.Data, "[withheld:"), "description": e.Description != nil && strings.Contains(*e.Description, "[withheld:")}
			if !there[c.mark] {
				t.Errorf("%s: no mark in %s: %s", name, c.mark, e.AppendJSON(nil))
			}
		}
	}
	unread := sentBy(t, "incident_transfer", "incident", strings.Replace(caller, "[{", "["+strings.Repeat(`{"name":"x"},`, 30_000)+"{", 1))
	if _, err := s.judged(unread, "o"); problem.KindOf(err) != problem.Invalid {
		t.Errorf("it cannot be read, and goes: %v", err)
	}
}

// What is taken for a message about nobody has nothing about a person in it, wherever the
// model puts it: the formats' fields about persons have names that tell it.
func TestNamesNobody(t *testing.T) {
	for n := range 800 {
		c := &cage{r: rand.New(rand.NewPCG(7, uint64(n)))}
		text, _ := c.sent()
		m, f := convert.Read(text, convert.UCRI2)
		if f != nil {
			t.Fatalf("%v\n%s", f, text)
		}
		e, err := ucri.ParseEnvelope(text)
		if err != nil {
			t.Fatal(err)
		}
		var personal []string
		p := &pass{}
		p.look = func(leaf int, v *incident.Value) {
			if leaves[leaf].personal() && v.Is() {
				personal = append(personal, v.Origin.Path)
			}
		}
		p.judge(reflect.ValueOf(m.Incident).Elem(), &model)
		for _, path := range personal {
			if extraLeaf(path) == byPath[extraOther] {
				t.Errorf("%s is about a person and does not tell it", path)
			}
		}
		for _, v := range m.Incident.Extra {
			if leaves[extraLeaf(v.Origin.Path)].personal() {
				personal = append(personal, v.Origin.Path)
			}
		}
		if namesNobody(e) != (len(personal) == 0) && namesNobody(e) {
			t.Errorf("%v\n%s", personal, text)
		}
	}
	for data, nobody := range map[string]bool{`{"a":[{"b":1}]}`: true, `{"a":[{"\u0063aller":1}]}`: false, `{"VIN":1}`: false, `{"vineyard":1}`: true, `{"a":`: false, `{"a":1}x`: false, `[1]`: true} {
		e := &ucri.Envelope{Payload: ucri.Payload{ContentType: ucri.ContentJSON, Data: data}}
		if got := namesNobody(e); got != nobody {
			t.Errorf("%s: %v", data, got)
		}
	}
	hidden := &ucri.Envelope{Payload: ucri.Payload{ContentType: ucri.ContentJSON, Data: `{}`, Extra: []ucri.Member{{Name: "x", Raw: json.RawMessage(`{"y":[{"Telefon":1}]}`)}}}}
	if namesNobody(hidden) || namesNobody(&ucri.Envelope{Payload: ucri.Payload{ContentType: ucri.ContentJOSE, Data: `{}`}}) {
		t.Error("what stands beside the message, or cannot be read, was not looked at")
	}
}

// A table is open only if no class, and no neighbour or app of the case, has a rule that
// holds back something about nobody.
func TestOpen(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	opens := 0
	for range 120 {
		rules := someRules(r)
		if r.IntN(4) == 0 {
			rules = slices.DeleteFunc(rules, func(x Rule) bool { return x.ID == "P-01" })
		}
		table := NewTable(rules)
		got, want := table.open("1.2.616.9.1", "incident_transfer"), true
		for _, class := range append(Classes(), "") {
			for n, rule := range table.plan(Case{Peer: "1.2.616.9.1", App: "incident_transfer", Class: class}).of {
				want = want && (leaves[n].is == frame || leaves[n].personal() || rule.Action == Pass)
			}
		}
		if got && !want {
			t.Fatalf("open, and holds back: %+v", rules)
		}
		if got {
			opens++
		}
	}
	if opens < 5 || opens > 115 {
		t.Errorf("%d of 120 open proves nothing", opens)
	}
	if !NewTable(Default()).open("1.2.616.9.1", "incident_transfer") {
		t.Error("the rules that come with the program hold back what is about nobody")
	}
}
