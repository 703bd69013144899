package convert

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/format/tree"
)

// emsiSays is a message of EMSI with some parts of its own.
func emsiSays(context, event, rest string) []byte {
	return []byte(`<emsi xmlns="` + emsiSpace + `"><CONTEXT><ID>c-1</ID>` + context + `<ORIGIN><ORG_ID>cz.hzs.liberec</ORG_ID></ORIGIN></CONTEXT><EVENT><ID>e-1</ID>` + event + `</EVENT>` + rest + `</emsi>`)
}

// converted turns a message into another format.
func converted(t *testing.T, message []byte, to Format, o Options) []byte {
	t.Helper()
	r, f := Convert(message, Auto, to, o)
	if f != nil {
		t.Fatal(f)
	}
	return r.Bytes
}

func parse(t *testing.T, message []byte) *tree.Node {
	t.Helper()
	d, f := tree.Parse(message, tree.DefaultLimits)
	if f != nil {
		t.Fatal(f)
	}
	return d.Root
}

// app is a message as one of UCRI 2, alone; parsed is it in any format.
func app(t *testing.T, message []byte) *tree.Node {
	t.Helper()
	return parse(t, converted(t, message, UCRI2, Options{Payload: true}))
}

func parsed(t *testing.T, message []byte, to Format) *tree.Node {
	t.Helper()
	return parse(t, converted(t, message, to, Options{}))
}

// text is the value at the end of a way.
func text(n *tree.Node, way ...string) string {
	for _, name := range way {
		if n = n.Get(name); n != nil && n.Kind == tree.Array {
			n = n.Kids[0]
		}
	}
	return n.Value()
}

// Nothing that may be an exercise goes on as if it were none.
func TestReality(t *testing.T) {
	for _, c := range []struct{ modes, mode, status, issue string }{
		{"<MODE>ACTUAL</MODE>", "ACTUAL", "Actual", "x"},
		{"", "ACTUAL", "Actual", "x"},
		{"<MODE> exercs </MODE>", "EXERCS", "Exercise", "EXERCISE: x"},
		{"<MODE>Drill</MODE>", "EXERCS", "Exercise", "EXERCISE: x"},
		{"<MODE>TEST</MODE>", "TEST", "Test", "TEST: x"},
		{"<MODE>SYSTEM</MODE>", "SYSTEM", "System", "SYSTEM: x"},
		{"<MODE>übung</MODE>", "EXERCS", "Exercise", "MODE ÜBUNG: x"},
		{"<MODE>ACTUAL</MODE><MODE>TEST</MODE>", "TEST", "Test", "TEST: x"},
		{"<mode>EXERCISE</mode>", "EXERCS", "Exercise", "EXERCISE: x"},
		{"<MODE>ACTUAL/EXERCISE</MODE>", "EXERCS", "Exercise", "MODE ACTUAL/EXERCISE: x"},
		{"<MODE>REAL:X</MODE>", "EXERCS", "Exercise", "MODE REAL:X: x"},
		{"<MODE><V>TEST</V></MODE>", "TEST", "Test", "TEST: x"},
	} {
		message := emsiSays(c.modes, "<NAME>x</NAME>", "")
		if got := text(app(t, message), "issue"); got != c.issue {
			t.Errorf("%s: %q", c.modes, got)
		}
		for _, name := range []string{"", "<NAME/>", "<NAME> </NAME>"} { // nothing but the word leads there
			there, _ := Convert(emsiSays(c.modes, name, ""), Auto, UCRI2, Options{})
			if got := text(parsed(t, there.Bytes, EMSIJSON), "CONTEXT", "MODE"); got != c.mode {
				t.Errorf("%s %s by UCRI 2: %q", c.modes, name, got)
			}
		}
		for _, to := range []Format{EMSIXML, EMSIJSON} {
			if got := text(parsed(t, message, to), "CONTEXT", "MODE"); got != c.mode {
				t.Errorf("%s to %s: %q", c.modes, to, got)
			}
		}
		e := parsed(t, message, EDXLXML)
		if got := text(e, "distributionStatus"); got != c.status {
			t.Errorf("%s: %q", c.modes, got)
		}
		if got := text(e, "content", "contentObject", "contentXML", "embeddedXMLContent", "emsi", "CONTEXT", "MODE"); got != c.mode {
			t.Errorf("%s in the envelope: %q", c.modes, got)
		}
		// The way back, by way of the message's description.
		there, _ := Convert(message, Auto, UCRI2, Options{})
		if got := text(parsed(t, there.Bytes, EMSIJSON), "CONTEXT", "MODE"); got != c.mode {
			t.Errorf("%s by UCRI 2: %q", c.modes, got)
		}
	}
}

// An envelope that says exercise makes one of whatever is in it.
func TestEnvelopeReality(t *testing.T) {
	r, f := Convert(emsiSays("<MODE>TEST</MODE>", "", ""), Auto, EDXLXML, Options{})
	if f != nil {
		t.Fatal(f)
	}
	message := []byte(strings.Replace(string(r.Bytes), "<MODE>TEST</MODE>", "<MODE>ACTUAL</MODE>", 1))
	if got := text(app(t, message), "issue"); got != "TEST" {
		t.Errorf("%q", got)
	}
	if got := text(parsed(t, message, EMSIXML), "CONTEXT", "MODE"); got != "TEST" {
		t.Errorf("%q", got)
	}
}

// Whatever stands around a message and is not Actual may be an exercise.
func TestHeadReality(t *testing.T) {
	inner := string(emsiSays("<MODE>ACTUAL</MODE>", "<NAME>x</NAME>", ""))
	for head, want := range map[string]string{"": "x", "<status>Actual</status>": "x", "<status>Exercise</status>": "EXERCISE: x", "<status>Unknown</status>": "EXERCISE: x"} {
		if got := text(app(t, []byte("<message>"+head+inner+"</message>")), "issue"); got != want {
			t.Errorf("%s: %q", head, got)
		}
	}
	for _, issue := range []string{"EXERCISE", "Exercise: fire", " TEST : fire", "MODE X: fire"} {
		m := parsed(t, []byte(`{"sharedIncidentId":"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911","sentByDispatcherAt":"2026-03-01T14:03:12Z","issue":"`+issue+`","missionLocation":{"address":{"street":"s"}}}`), EMSIJSON)
		if got := text(m, "CONTEXT", "MODE"); got == "ACTUAL" {
			t.Errorf("%q is %s", issue, got)
		}
	}
}

// Version 1.0 of the envelope writes its root with a capital.
func TestOldEnvelope(t *testing.T) {
	message, err := os.ReadFile("../edxl/testdata/de1.xml")
	if err != nil {
		t.Fatal(err)
	}
	message = []byte(strings.Replace(string(message), "</CONTEXT></emsi>", "</CONTEXT><EVENT><ID>e</ID><NAME>x</NAME></EVENT></emsi>", 1))
	if v := Validate(message); v.Format != EDXLXML || !v.Valid {
		t.Errorf("%+v", v)
	}
	if got := text(app(t, message), "issue"); !strings.HasSuffix(got, "x") {
		t.Errorf("%q", got)
	}
}

// A code with many slashes costs no time.
func TestManySlashes(t *testing.T) {
	message := emsiSays("<MODE>"+strings.Repeat("A/", 200_000)+"</MODE>", "<ETYPE><CATEGORY>"+strings.Repeat("FIR/", 50_000)+"</CATEGORY></ETYPE>", "")
	for _, to := range Formats {
		done := make(chan bool)
		go func() {
			Convert(message, Auto, to, Options{})
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(time.Minute): // it took five of them
			t.Fatalf("to %s: still not done", to)
		}
	}
}

// What was said where: the event before its tasks, the middle of an area, further
// lines of an address, and no point where there is none.
func TestPlace(t *testing.T) {
	coord := func(lat, lon string) string { return "<COORD><LAT>" + lat + "</LAT><LONG>" + lon + "</LONG></COORD>" }
	mission := "<MISSION><TYPE>SAV</TYPE><ID>m</ID><NAME>n</NAME><STATUS>IPR</STATUS><POSITION>" + coord("48.1", "11.5") + "</POSITION></MISSION>"
	at := func(event, rest string) (lat, lon, street, note string) {
		l := app(t, emsiSays("", event, rest)).Get("missionLocation")
		return text(l, "coordinate", "lat"), text(l, "coordinate", "lon"), text(l, "address", "street"), text(l, "address", "additionalInformation")
	}
	for _, c := range []struct{ name, event, rest, lat, lon, street, note string }{
		{"the event's address before a task's point", "<EGEO><POSITION><ADDRESS>Žitavská 91</ADDRESS><ADDRESS>46331 Chrastava</ADDRESS><ADDRESS> </ADDRESS><ADDRESS>2. patro</ADDRESS></POSITION></EGEO>", mission, "", "", "Žitavská 91", "46331 Chrastava, 2. patro"},
		{"a task's point when the event says nothing", "", mission, "48.1", "11.5", "", ""},
		{"the middle of an area", "<EGEO><POSITION><TYPE>POLYGON</TYPE>" + coord("50", "14") + coord("52", "16") + "</POSITION></EGEO>", "", "51.000000", "15.000000", "", ""},
		{"a decimal comma", "<EGEO><POSITION>" + coord("50,5", "14,25") + "</POSITION></EGEO>", "", "50.5", "14.25", "", ""},
		{"left empty", "<EGEO><POSITION>" + coord("0", "0.0") + "<NAME>tunel</NAME></POSITION></EGEO>", "", "", "", "tunel", ""},
		{"the scene before a rendezvous point", "<EGEO><TYPE>GEN/RNDZPT</TYPE><POSITION>" + coord("51", "15") + "</POSITION></EGEO><EGEO><TYPE>GEN/EVENT</TYPE><POSITION><ADDRESS>Hlavní 1</ADDRESS></POSITION></EGEO>", mission, "", "", "Hlavní 1", ""},
		{"a task does not say where the event is that said it otherwise", "<EGEO><POSITION><COORDSYS>EPSG-5514</COORDSYS>" + coord("50", "14") + "</POSITION></EGEO>", mission, "", "", nowhere, ""},
		{"a name of WGS 84", "<EGEO><POSITION><COORDSYS>urn:ogc:def:crs:EPSG::4326</COORDSYS>" + coord("50", "14") + "</POSITION></EGEO>", "", "50", "14", "", ""},
		{"no number of people", "<EGEO><POSITION>" + coord("0x32p0", "14") + "</POSITION></EGEO>", "", "", "", nowhere, ""},
		{"another system of coordinates", "<EGEO><POSITION><COORDSYS>EPSG-5514</COORDSYS>" + coord("50", "14") + "</POSITION></EGEO>", "", "", "", nowhere, ""},
	} {
		lat, lon, street, note := at(c.event, c.rest)
		if lat != c.lat || lon != c.lon || street != c.street || note != c.note {
			t.Errorf("%s: %q %q %q %q", c.name, lat, lon, street, note)
		}
	}
}

// Two who count alike have two incidents; who shares one names one.
func TestSharedNumber(t *testing.T) {
	id := func(org, own, main string) string {
		return text(app(t, []byte(`<emsi><CONTEXT><ORIGIN><ORG_ID>`+org+`</ORG_ID></ORIGIN></CONTEXT><EVENT><ID>`+own+`</ID>`+main+`</EVENT></emsi>`)), "sharedIncidentId")
	}
	first := id("cz.hzs", "17", "")
	if other := id("de.zittau", "17", ""); other == first {
		t.Error("the numbers of two senders are one")
	}
	if shared := id("de.zittau", "99", "<MAIN_EVENT_ID>cz.hzs.17</MAIN_EVENT_ID>"); shared != first {
		t.Errorf("%s is not %s", shared, first)
	}
}

func TestTimes(t *testing.T) {
	for said, want := range map[string]string{
		"2026-03-01T14:03:12+01:00": "2026-03-01T14:03:12+01:00", "2026-03-01T14:03:12+0100": "2026-03-01T14:03:12+01:00",
		"2026-03-01T14:03Z": "2026-03-01T14:03:00Z", "9999-12-31T00:00:00Z": "", "2026-03-01T14:03:12+23:59": "", "2026-03-01T14:03:12": "", "yesterday": "",
	} {
		if got := text(app(t, emsiSays("", "<OCC_DATIME>"+said+"</OCC_DATIME>", "")), "startTimestamp"); got != want {
			t.Errorf("%s: %q", said, got)
		}
	}
}

// Units of a mission with a high priority hurry.
func TestPriority(t *testing.T) {
	for priority, want := range map[string]string{"5": "true", "4": "true", "9": "", "3": "", "": "", "x": ""} {
		if got := text(app(t, emsiSays("", "", "<MISSION><PRIORITY>"+priority+"</PRIORITY></MISSION>")), "flashingLights"); got != want {
			t.Errorf("%q: %q", priority, got)
		}
	}
	if got := text(app(t, emsiSays("", "", "<MISSION><STATUS>COM</STATUS><PRIORITY>5</PRIORITY></MISSION>")), "flashingLights"); got != "" {
		t.Errorf("done: %q", got)
	}
}

// What an answer of UCRI 2 is among the messages of EMSI.
func TestAnswers(t *testing.T) {
	all := messages(t)
	for name, want := range map[string]string{
		"incident_transfer.incident valid.json": "ALERT", "incident_transfer.acknowledgement valid.json": "ERROR", "incident_transfer.acknowledgement minimal.json": "ACK",
		"incident_transfer.completion valid.json": "UPDATE COM", "incident_transfer.completion minimal.json": "UPDATE STOP", "notification_text.notification valid.json": "UPDATE",
		"resource_request.resource_request valid.json": "UPDATE",
	} {
		if all[name] == nil {
			t.Fatalf("no %s", name)
		}
		m := parsed(t, all[name], EMSIJSON)
		if got := strings.TrimSpace(text(m, "CONTEXT", "MSGTYPE") + " " + text(m, "EVENT", "STATUS")); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// A message that is signed keeps its text, to the letter.
func TestTextKept(t *testing.T) {
	const data = `{ "sharedIncidentId":"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911", "sentByDispatcherAt":"2026-03-01T14:03:12Z",  "missionLocation":{"address":{"street":"\u0160"}}}`
	message := `{"messageId":"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911","source":"1.2.3","destinations":["1.2.4"],"timeout":60,"ack":"ALL",
		"payload":{"appId":"incident_transfer","appVersion":"1.0","schemaId":"incident","contentType":"application/json","data":` + strconv.Quote(data) + `}}`
	if got := text(parsed(t, []byte(message), UCRI2), "payload", "data"); got != data {
		t.Errorf("%s", got)
	}
	if got := text(parsed(t, []byte(data), UCRI2), "payload", "data"); got != data {
		t.Errorf("alone: %s", got)
	}
}

// An envelope keeps its own number and address, and that of its message.
func TestEnvelopeKept(t *testing.T) {
	first, f := Convert(emsiSays("", "", ""), Auto, EDXLXML, Options{})
	if f != nil {
		t.Fatal(f)
	}
	message := strings.NewReplacer("<senderID>cz.hzs.liberec</senderID>", "<senderID>cz.hub</senderID>", "<distributionID>cz.hzs.liberec_c-1<", "<distributionID>cz.hub_77<").Replace(string(first.Bytes))
	again := parsed(t, []byte(message), EDXLXML)
	if id, sender := text(again, "distributionID"), text(again, "senderID"); id != "cz.hub_77" || sender != "cz.hub" {
		t.Errorf("%q of %q", id, sender)
	}
}

func TestRefused(t *testing.T) {
	r, f := Convert(emsiSays("", "", ""), Auto, EDXLXML, Options{})
	if f != nil {
		t.Fatal(f)
	}
	one := string(r.Bytes)
	from, to := strings.Index(one, "<contentObject"), strings.Index(one, "</content>")
	if _, f := Convert([]byte(`{"destination":"1.2","payload":{"contentType":"application/json"}}`), Auto, UCRI2, Options{}); f == nil {
		t.Error("an envelope of nothing")
	}
	for rule, message := range map[string]string{
		"no_event":     `<emsi><CONTEXT><ID>1</ID><MSGTYPE>ACK</MSGTYPE></CONTEXT></emsi>`,
		"two_messages": one[:to] + one[from:],
		"alert":        `<alert/>`,
		"unknown":      `{"a":1}`,
		"names":        `{"EVENT":{"ID":"e"},"` + strings.Repeat("n", 40_000) + `":[` + strings.Repeat("1,", 2000) + `1]}`,
		"rule.missing": `{"sharedIncidentId":"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911"}`,
	} {
		_, f := Convert([]byte(message), Auto, UCRI2, Options{})
		if f == nil || f.Rule != rule {
			t.Errorf("%s: %v", rule, f)
		}
	}
}

// A message that was delivered names its one receiver; when it expires stays.
func TestDelivered(t *testing.T) {
	const data = `{"sharedIncidentId":"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911","sentByDispatcherAt":"2026-03-01T14:03:12Z","missionLocation":{"address":{"street":"s"}}}`
	message := `{"messageId":"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911","sentDate":"2026-03-01T14:03:13Z","source":"1.2.3","destination":"1.2.4","timeout":60,"ack":"ALL",
		"payload":{"appId":"incident_transfer","appVersion":"1.0","schemaId":"incident","contentType":"application/json","data":` + strconv.Quote(data) + `}}`
	e := parsed(t, []byte(message), EDXLXML)
	if got := text(e, "dateTimeExpires"); got != "2026-03-01T14:04:13+00:00" {
		t.Errorf("expires %s", got)
	}
	if v := Validate([]byte(message)); !v.Valid {
		t.Errorf("%v", v.Deviations)
	}
}

// A mission without a name or number stays one, with its other values.
func TestNameless(t *testing.T) {
	m := parsed(t, emsiSays("", "", "<MISSION><TYPE>SAV</TYPE><STATUS>IPR</STATUS></MISSION>"), EMSIXML)
	if got := text(m, "MISSION", "TYPE"); got != "SAV" {
		t.Errorf("%q", got)
	}
}

// BenchmarkHostile is of messages that are made to cost much: all are within the limits.
func BenchmarkHostile(b *testing.B) {
	r, f := Convert(emsiSays("", "", ""), Auto, EDXLXML, Options{})
	if f != nil {
		b.Fatal(f)
	}
	embedded := string(r.Bytes)
	at := strings.Index(embedded, "<contentObject")
	for name, message := range map[string]string{
		"empty embeddings": embedded[:at] + strings.Repeat(`<contentObject><contentXML><embeddedXMLContent><a xmlns="urn:x"/></embeddedXMLContent></contentXML></contentObject>`, 5_000) + embedded[at:],
		"many resources":   `{"EVENT":{"ID":"e"},"RESOURCE":[` + strings.Repeat(`{"ID":"x"},`, 20_000) + `{}]}`,
		"control":          `{"EVENT":{"ID":"e","X":[` + strings.Repeat(`"aaaaaaaaab\u0001",`, 40_000) + `""]}}`,
		"attributes":       `<emsi><EVENT` + attributes(40_000) + `><ID>e</ID></EVENT></emsi>`,
	} {
		for _, to := range []Format{UCRI2, EMSIXML} {
			b.Run(name+" to "+string(to), func(b *testing.B) {
				for b.Loop() {
					if _, f := Convert([]byte(message), Auto, to, Options{}); f != nil {
						b.Fatal(f)
					}
				}
			})
		}
	}
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(" a" + strconv.Itoa(i) + `="x"`)
	}
	return b.String()
}

// An attribute of its own is a value; of two receivers the first is the receiver;
// a line of a value is none of ours; what was cut is not called the same.
func TestCarried(t *testing.T) {
	r, f := Convert(emsiSays("", "<SCALE unit='steps'>2</SCALE><OCC_DATIME>2026-03-01T14:03:12.75Z</OCC_DATIME>", ""), Auto, EMSIJSON, Options{})
	if f != nil {
		t.Fatal(f)
	}
	why := map[string]Loss{}
	for _, l := range r.Loss {
		why[l.Path] = l
	}
	if l := why["/emsi/EVENT/SCALE/@unit"]; l.Reason != NoField || l.MovedTo == nil {
		t.Errorf("%+v", r.Loss)
	}
	if l := why["/emsi/EVENT/OCC_DATIME"]; l.Reason != Partly {
		t.Errorf("%+v", r.Loss)
	}
	envelope := strings.Replace(string(converted(t, emsiSays("", "", ""), EDXLXML, Options{})), "</explicitAddress>", "</explicitAddress><explicitAddress><explicitAddressScheme>x</explicitAddressScheme><explicitAddressValue>1.2.9</explicitAddressValue></explicitAddress>", 1)
	envelope = strings.Replace(envelope, ">"+unnamed+"</explicitAddressValue>", ">1.2.8</explicitAddressValue>", 1)
	if got := text(parsed(t, []byte(envelope), UCRI2), "destinations"); got != "1.2.8" {
		t.Errorf("%q", got)
	}
	forged := app(t, []byte(`{"EVENT":{"ID":"e","X":"x\nEMSI EVENT: STATUS COM"}}`))
	if got := text(forged, "protocolRemarks", "message"); strings.Contains(got, "\n") || !strings.Contains(got, "x ⏎ EMSI") {
		t.Errorf("%q", got)
	}
}
