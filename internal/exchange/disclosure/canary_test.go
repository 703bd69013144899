package disclosure

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/exchange/adapter"
	"trojmezi/internal/exchange/adapter/all"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/ucri"
)

const (
	// canaryRounds is a fiftieth of the full count.
	canaryRounds     = 20_000
	canaryRoundsFull = 1_000_000
)

// bird is a value that is found again in any output.
type bird struct {
	path  string // in the model
	token string // letters and digits that stand alike in every syntax
}

// cage plants birds in one message.
type cage struct {
	r      *rand.Rand
	n      int
	birds  []bird
	away   int      // 1: it was written for a foreign system
	onward int      // 1: it went on in UCRI 2 as a dispatch system's
	again  []string // words of birds that free texts repeat
}

func (c *cage) one(chance float64) bool { return c.r.Float64() < chance }

// text is a value with a bird in it, among letters that syntaxes write otherwise.
func (c *cage) text(path string) string {
	token := fmt.Sprintf("kNr%04dX%dz", c.r.IntN(10000), c.n)
	c.n++
	c.birds = append(c.birds, bird{path, token})
	around := []string{"", "Ž", "ł", "<", "\"", "&", "ß "}
	return around[c.r.IntN(len(around))] + token
}

// number is a number that nothing else in the message is.
func (c *cage) number(path string) json.Number {
	token := strconv.FormatInt(710_000_000+c.r.Int64N(9_000_000)*10+int64(c.n%10), 10)
	c.n++
	c.birds = append(c.birds, bird{path, token})
	return json.Number(token)
}

func (c *cage) date(path string) string {
	token := fmt.Sprintf("%04d-%02d-%02d", 1700+c.n, 1+c.r.IntN(12), 1+c.r.IntN(28))
	c.n++
	c.birds = append(c.birds, bird{path, token})
	return token
}

type object = map[string]any

func (c *cage) person(path string, patient, police bool) object {
	o := object{"name": c.text(path + ".Family")}
	put := func(name string, chance float64, value func() any) {
		if c.one(chance) {
			o[name] = value()
		}
	}
	put("surname", 0.7, func() any { return c.text(path + ".Given") })
	if c.one(0.7) || patient {
		phone := c.text(path + ".Phone")
		if c.one(0.5) {
			phone = string(c.number(path + ".Phone"))
			c.birds = slices.Delete(c.birds, len(c.birds)-2, len(c.birds)-1)
		}
		o["phone"] = phone
		c.again = append(c.again, phone)
	}
	put("email", 0.2, func() any { return c.text(path+".Mail") + "@example.org" })
	put("additionalInformation", 0.3, func() any { return c.text(path + ".Note") })
	if c.one(0.2) {
		o["address"] = object{"street": c.text(path + ".Address.Street"), "city": c.text(path + ".Address.City")}
	}
	if patient || police {
		put("dateOfBirth", 0.3, func() any { return c.date(path + ".Birth") })
	}
	if police {
		put("nationality", 0.3, func() any { return c.text(path + ".Nationality") })
	}
	if patient {
		put("age", 0.5, func() any { return c.number(path + ".Age") })
		put("transportNumber", 0.2, func() any { return c.text(path + ".Transport") })
		put("infectionInformation", 0.2, func() any { return c.text(path + ".Infection") })
		put("healthInsuranceInformation", 0.3, func() any {
			return object{"healthInsuranceCompany": c.text(path + ".Insurer"), "insuranceNumber": c.text(path + ".InsuranceNumber")}
		})
		put("initialAssessment", 0.3, func() any {
			return object{"additionalInformation": c.text(path + ".Finding")}
		})
	}
	c.again = append(c.again, o["name"].(string))
	return o
}

func (c *cage) persons(path string, patient, police bool) (all []any) {
	for range 1 + c.r.IntN(2) {
		all = append(all, c.person(path, patient, police))
	}
	return all
}

// chatter is free text, which may repeat what stands elsewhere.
func (c *cage) chatter(path string) string {
	s := c.text(path)
	if len(c.again) > 0 && c.one(0.4) {
		s += ", " + c.again[c.r.IntN(len(c.again))] + "."
	}
	return s
}

// ucri is a message of an app of UCRI 2.
func (c *cage) ucri() (message []byte, app string) {
	app = []string{"incident_transfer", "incident_transfer_with_patient", "incident_transfer_police", "patient_transfer"}[c.r.IntN(4)]
	o := object{"sharedIncidentId": "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e912", "sentByDispatcherAt": "2026-03-01T14:03:12Z"}
	if c.one(0.8) {
		o["informers"] = c.persons("Callers", false, false)
	}
	switch app {
	case "incident_transfer_with_patient":
		o["patients"] = c.persons("Patients", true, false)
	case "incident_transfer_police":
		if c.one(0.7) {
			o["accusedPersons"] = c.persons("Accused", false, true)
		}
		if c.one(0.7) {
			o["victimPersons"] = c.persons("Victims", false, true)
		}
		if c.one(0.3) {
			o["eCallData"] = object{"timestamp": "2026-03-01T14:03:00Z", "vin": c.text("Car.VIN"), "numberOfPassengers": 3}
		}
	case "patient_transfer":
		o["patient"] = c.person("Patients", true, false)
	}
	if app != "patient_transfer" {
		o["missionLocation"] = object{"address": object{"street": c.text("Location.Address.Street"), "city": c.text("Location.Address.City")}, "additionalInformation": c.chatter("Location.Note")}
		o["issue"] = c.chatter("What")
	}
	if c.one(0.5) {
		o["additionalInformation"] = c.chatter("Remark")
	}
	if c.one(0.5) {
		o["protocolRemarks"] = []any{object{"timestamp": "2026-03-01T14:03:12Z", "message": c.chatter("Notes.Text"), "category": "x"}}
	}
	data, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	if c.one(0.3) {
		return data, app
	}
	message, err = json.Marshal(object{
		"messageId": "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911", "sentDate": "2026-03-01T14:03:12Z", "source": "1.2.203.9.1", "destinations": []string{"1.2.616.9.1"}, "timeout": 60, "ack": "ALL",
		"payload": object{"appId": app, "appVersion": "1.0", "schemaId": "incident", "contentType": "application/json", "data": string(data)},
	})
	if err != nil {
		panic(err)
	}
	return message, app
}

// emsi is a message of EMSI, in an envelope or without, with elements nobody knows.
func (c *cage) emsi() (message []byte, app string) {
	event := object{
		"ID": "e-1", "NAME": c.chatter("What"), "FREETEXT": c.chatter("Description"), "ETYPE": object{"CATEGORY": []string{"FIR/CLA"}},
		"EGEO": []any{object{"POSITION": object{"NAME": c.text("Areas.Location.Name"), "COORD": []any{object{"LAT": 50.86, "LONG": 14.82}}}, "FREETEXT": c.chatter("Areas.Note")}},
	}
	for name, path := range map[string]string{"PATIENT_NAME": "Patients.Note", "CALLER": "Callers.Note", "Telefon": extraPersonal, "STRANGE": extraOther, "Surname": extraPersonal, "INSURANCE": "Patients.InsuranceNumber"} {
		if c.one(0.3) {
			event[name] = c.text(path)
		}
	}
	if c.one(0.3) {
		event["VICTIMS"] = []any{object{"X": c.text("Victims.Note")}, c.text("Victims.Note")}
	}
	m := object{"EVENT": event, "CONTEXT": object{"ID": "m-1", "MODE": "ACTUAL", "MSGTYPE": "ALERT", "CREATION": "2026-03-01T14:03:12+01:00", "FREETEXT": c.chatter("Message.Note"),
		"ORIGIN": object{"ORG_ID": "fr.health", "USER_ID": c.text("Message.Sender.Person"), "NAME": "centre"}}}
	if c.one(0.4) {
		m["MISSION"] = []any{object{"ID": "t", "ORG_ID": "o", "NAME": "n", "FREETEXT": c.chatter("Tasks.Note"), "PATIENT": c.text("Patients.Note")}}
	}
	inner := object{"emsi": m}
	var all any = inner
	if c.one(0.4) {
		all = object{"distributionID": "d-1", "senderID": "s", "dateTimeSent": "2026-03-01T14:03:12+01:00", "dateTimeExpires": "2026-03-02T14:03:12+01:00", "distributionStatus": "Actual",
			"distributionKind": "Report", "descriptor": object{"language": "fr", "explicitAddress": object{"explicitAddressScheme": "hubex", "explicitAddressValue": "r"}},
			"content": []any{object{"jsonContent": object{"embeddedJsonContent": inner}}}}
	}
	message, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return message, "incident_transfer"
}

// someRules are any rules, over the ones the program comes with.
func someRules(r *rand.Rand) []Rule {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	rules := Default()
	for n := range r.IntN(6) {
		path := leaves[r.IntN(len(leaves))].path
		if r.IntN(2) == 0 {
			path, _, _ = strings.Cut(path, ".")
		}
		if r.IntN(6) == 0 {
			path = pick(AllPersonal, AllWords, "*.Phone", "*.Note", Any)
		}
		rules = append(rules, Rule{
			ID: fmt.Sprintf("T-%d", n), Peer: pick(Any, "PL", "1.2.616.9.1", "DE"), App: pick(Any, Any, "incident_transfer", "patient_transfer"), Path: path,
			Class: pick(Any, "traffic", "traffic.injury", "fire"), Action: Actions[r.IntN(len(Actions)-1)],
		})
	}
	return rules
}

// decided is which rule holds for a value, told another way than the table does it: by
// going through all and keeping the best.
func decided(rules []Rule, c Case, path string) Rule {
	best, points := Rule{Action: Drop}, -1
	l := leaves[byPath[path]]
	for _, r := range rules {
		if r.Action == Life || !r.about(l) || !r.fits(c) {
			continue
		}
		score := 0
		switch {
		case strings.HasPrefix(r.Path, "@"):
			score = 1
		case r.Path != Any:
			parts := strings.Split(r.Path, ".")
			score = 1 + 2*len(parts) - strings.Count(r.Path, "*")
		}
		score *= 1000
		if r.Peer != Any {
			score += 100 * (1 + len(r.Peer)/3)
			if len(r.Peer) > 2 {
				score = score - 100*(1+len(r.Peer)/3) + 200
			}
		}
		if r.Class != Any {
			score += 10 * len(strings.Split(r.Class, "."))
		}
		if r.App != Any {
			score++
		}
		switch {
		case score > points, score == points && r.Action.strictness() > best.Action.strictness():
			best, points = r, score
		case score == points && r.Action == best.Action && r.ID < best.ID:
			best = r
		}
	}
	return best
}

// TestCanaries plants values in random messages and looks for those that a random
// policy denies in whatever can be written of them, as they are, in any case and in
// base 64, and for the mark of each.
func TestCanaries(t *testing.T) {
	rounds := canaryRounds
	if text := os.Getenv("TROJMEZI_CHECKS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("TROJMEZI_CHECKS=%q is no count", text)
		}
		rounds = n
	}
	if testing.Short() {
		rounds /= 20
	}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("TROJMEZI_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	begin, planted, denied, away, onward := time.Now(), 0, 0, 0, 0
	for n := range rounds {
		c := &cage{r: rand.New(rand.NewPCG(seed, uint64(n)))}
		p, d := c.round(t)
		planted, denied, away, onward = planted+p, denied+d, away+c.away, onward+c.onward
		if t.Failed() {
			t.Fatalf("round %d of seed %d", n, seed)
		}
	}
	if away < rounds/20 {
		t.Fatalf("only %d of %d messages went to a foreign system", away, rounds)
	}
	if onward < rounds/5 {
		t.Fatalf("only %d of %d messages went on as a dispatch system's", onward, rounds)
	}
	if denied == 0 || denied == planted {
		t.Fatalf("%d of %d denied proves nothing", denied, planted)
	}
	t.Logf("seed %d: %d messages (full: %d), %d of them for foreign systems, %d as dispatch systems send them, %d values planted, %d denied, none found; %.0f a second", seed, rounds, canaryRoundsFull, away, onward, planted, denied,
		float64(rounds)/time.Since(begin).Seconds())
}

// written is a message in a form, with the report of what became of it.
type written struct {
	form  string
	bytes []byte
	loss  []convert.Loss
}

// abroad is what a gateway makes of a message for a foreign system: the adapter reads
// the envelope, the policy takes out what may not go, the adapter writes the rest. ok is
// false for what the system has no message for.
func (c *cage) abroad(t *testing.T, a *adapter.Adapter, text []byte, rules []Rule, k Case) (w written, ok bool) {
	e, bad := ucri.ParseClientSend(text)
	if bad != nil {
		return w, false // an app message alone
	}
	m, refusal := adapter.ReadUCRI(e)
	if refusal != nil {
		return w, false
	}
	o := NewTable(rules).Apply(k, m.Content.Incident)
	m.Content.Withhold(o.Incident, o.Sources)
	m.Protect()
	m.Sender, m.Receiver = "1.2.203.9.1", "1.2.616.9.1"
	enc, f := a.Encode(m)
	if f != nil {
		return w, false
	}
	return written{a.System, enc.Bytes, enc.Loss}, true
}

// sent is a message as a dispatch system sends it: of one of the apps, some of which
// are about nobody, with what its maker added to it.
func (c *cage) sent() (message []byte, app string) {
	text, app := c.ucri()
	var e object
	if json.Unmarshal(text, &e) != nil || e["payload"] == nil { // an app message alone
		e = object{"messageId": "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911", "sentDate": "2026-03-01T14:03:12Z", "source": "1.2.203.9.1", "destinations": []string{"1.2.616.9.1"}, "timeout": 60, "ack": "ALL",
			"payload": object{"appId": app, "appVersion": "1.0", "schemaId": "incident", "contentType": "application/json", "data": string(text)}}
	}
	p := e["payload"].(object)
	const at, incident = "2026-03-01T14:03:12Z", "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e912"
	place := func(path string) any {
		return object{"address": object{"street": c.text(path + ".Address.Street")}, "additionalInformation": c.text(path + ".Note")}
	}
	others := []func() (schema string, o object){
		func() (string, object) {
			app = "patient_transport"
			return "incident", object{"sharedIncidentId": incident, "sentByDispatcherAt": at, "patient": c.person("Patients", true, false),
				"pickupLocation": place("Pickup"), "destinationLocation": place("Target"), "pickupTime": at, "arrivalTime": at}
		},
		func() (string, object) {
			app = "resource_request"
			return "resource_request", object{"sharedIncidentId": incident, "sentByDispatcherAt": at, "patients": c.persons("Patients", true, false),
				"missionLocation": place("Location"), "requestedResources": []any{object{"resourceRequestId": "7", "resourceType": "CAS", "resourceName": "CAS 20"}}}
		},
		func() (string, object) {
			app = "notification_text"
			return "notification", object{"sharedIncidentId": incident, "notifications": []any{object{"timestamp": at, "message": c.chatter("Notes.Text")}}}
		},
		func() (string, object) {
			app = "incident_transfer"
			return "acknowledgement", object{"sharedIncidentId": incident, "acknowledgedByDispatcherAt": at, "status": "rejected", "cause": c.chatter("Receipt.Reason")}
		},
		func() (string, object) {
			app = "classification_catalogue"
			return "response", object{"requestId": incident, "catalogueVersion": "3", "catalogue": []any{
				object{"abbreviation": "TH", "description": c.text(extraOther), "classificationGroup": c.text(extraOther)}}}
		},
	}
	if n := c.r.IntN(2 * len(others)); n < len(others) {
		c.birds, c.again = nil, nil
		schema, o := others[n]()
		data, err := json.Marshal(o)
		if err != nil {
			panic(err)
		}
		p["appId"], p["schemaId"], p["data"] = app, schema, string(data)
	}
	for _, add := range []struct{ name, path string }{{"x-note", extraOther}, {"x-callerNumber", "Callers.Note"}, {"Telefon", extraPersonal}} {
		if c.one(0.1) {
			e[add.name] = object{"is": []any{c.text(add.path)}}
		}
		if c.one(0.1) {
			p[add.name] = c.text(add.path)
		}
	}
	if c.one(0.3) {
		e["description"] = c.chatter("Message.Note")
	}
	if c.one(0.3) {
		e["tags"] = []string{c.text(extraOther)}
	}
	if c.one(0.3) {
		e["signature"] = "aGVhZA.Ym9keQ.c2ln"
	}
	message, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return message, app
}

// goesOn is what the node makes of a dispatch system's message for a neighbour. ok is
// false for one of which nothing is left that could go.
func (c *cage) goesOn(t *testing.T, text []byte, m *convert.Message, rules []Rule, k Case) (w written, ok bool) {
	e, bad := ucri.ParseClientSend(text)
	if bad == nil {
		bad = ucri.CheckData(&e.Payload)
	}
	if bad != nil {
		t.Fatalf("%v\n%s", bad, text)
	}
	table := NewTable(rules)
	o := table.Apply(k, m.Incident)
	if namesNobody(e) && table.open(k.Peer, k.App) && len(o.Decisions) > 0 {
		t.Errorf("taken for one with nothing to decide: %+v\n%s", o.Decisions, text)
	}
	if len(o.Marks) == 0 {
		return written{"itself", e.AppendJSON(nil), nil}, true
	}
	m.Withhold(o.Incident, o.Sources)
	on, err := left(m, o)
	if err != nil {
		return w, false
	}
	if on.Signature != "" && on.Payload.Data != e.Payload.Data { // what is signed may stay as it is where its time of expiry is denied, which nobody stated
		t.Errorf("what was changed has the signature of what was signed\n%s", text)
	}
	if on.MessageID != e.MessageID || on.Source != e.Source || !slices.Equal(on.Destinations, e.Destinations) || on.Timeout != e.Timeout || on.Ack != e.Ack || on.SentDate != e.SentDate ||
		on.Payload.AppID != e.Payload.AppID || on.Payload.SchemaID != e.Payload.SchemaID {
		t.Errorf("its way was changed\n%s\n%s", text, on.AppendJSON(nil))
	}
	return written{"itself", on.AppendJSON(nil), nil}, true
}

func (c *cage) round(t *testing.T) (planted, denied int) {
	message, app := c.emsi, ""
	onward := false
	switch {
	case c.one(0.3):
		message, onward = c.sent, true
	case c.one(0.6):
		message = c.ucri
	}
	text, app := message()
	m, f := convert.Read(text, convert.Auto)
	if f != nil {
		t.Fatalf("%v\n%s", f, text)
	}
	rules := someRules(c.r)
	k := Case{Peer: "1.2.616.9.1", App: app, Class: "traffic.injury", Life: c.one(0.3), Answers: map[Group]bool{}}
	for _, g := range Groups {
		if c.one(0.2) {
			k.Answers[g] = c.one(0.5)
		}
	}
	var w written
	if onward {
		if w, onward = c.goesOn(t, text, m, rules, k); !onward {
			return 0, 0
		}
		c.onward++
	}
	away := !onward && c.one(0.3)
	if away {
		systems := all.Adapters()
		if w, away = c.abroad(t, systems[c.r.IntN(len(systems))], text, rules, k); away {
			c.away++
		}
	}
	if !away && !onward {
		o := NewTable(rules).Apply(k, m.Incident)
		m.Withhold(o.Incident, o.Sources)
		to := convert.Formats[c.r.IntN(len(convert.Formats))]
		r, f := m.Write(to, convert.Options{Payload: to == convert.UCRI2 && c.one(0.5)})
		if f != nil {
			t.Fatalf("%v\n%s", f, text)
		}
		if c.one(0.1) {
			if v := convert.Validate(r.Bytes); !v.Valid {
				t.Errorf("what is left is no valid %s: %+v\n%s\n%s", to, v.Deviations, text, r.Bytes)
			}
		}
		w = written{string(to), r.Bytes, r.Loss}
	}
	report, err := json.Marshal(w.loss)
	if err != nil {
		t.Fatal(err)
	}
	out := append(bytes.ToLower(w.bytes), bytes.ToLower(report)...)
	for _, b := range c.birds {
		l, rule := leaves[byPath[b.path]], decided(rules, k, b.path)
		open := l.is == frame || rule.Action == Pass || rule.Action == Ask && k.Answer(l.group)
		if open {
			continue
		}
		denied++
		for _, s := range disguises(b.token) {
			if bytes.Contains(out, []byte(strings.ToLower(s))) {
				t.Errorf("%s, denied by %s (%s), is in %s as %q\n%s\n%s", b.path, rule.ID, rule.Action, w.form, s, text, w.bytes)
			}
		}
		if tag := []byte("[withheld:" + string(l.group)); !bytes.Contains(w.bytes, tag) {
			t.Errorf("%s is withheld by %s without a mark in %s\n%s\n%s", b.path, rule.ID, w.form, text, w.bytes)
		}
	}
	return len(c.birds), denied
}

// disguises are ways in which a token may stand in an output; base 64 at each of its
// three places, without the characters that its neighbours change.
func disguises(token string) []string {
	all := []string{token}
	for shift := range 3 {
		s := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x00", shift) + token))
		s = strings.TrimRight(s, "=")
		all = append(all, s[[]int{0, 2, 3}[shift]:len(s)-1])
	}
	return all
}
