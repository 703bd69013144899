package convert

import (
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"trojmezi/internal/format/incident"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/format/ucri"
)

// words are what values may be: good ones of each sort, and what systems send too.
var words = rapid.OneOf(
	rapid.SampledFrom([]string{
		"ACTUAL", "EXERCS", "TEST", "UPDATE", "TRP/COL", "FIR/UKN/CZ_X", "50.8655", "-200", "1e3", "95", "POINT", "EPSG-4326", "2026-03-01T14:03:12+01:00",
		"2026-03-01T13:03:12.5Z", "2026-13-01T00:00:00Z", "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911", "fr.health.samu690", "1.2.276.0.1", "Žitavská 91", "", " ", "a\nb", "<&>\"'", "None",
	}),
	rapid.StringMatching(`[ -~ěščřžýáíéłąöüß]{0,30}`),
)

// someEMSI is a message with any of its values, in either syntax.
func someEMSI(t *rapid.T) []byte {
	upTo := func(n int, what string) int { return rapid.IntRange(0, n).Draw(t, what) }
	i := &incident.Incident{}
	grow(&i.Types, upTo(2, "types"))
	grow(&i.Areas, upTo(2, "areas"))
	for n := range i.Areas {
		grow(&i.Areas[n].Weather, upTo(2, "weather"))
		grow(&i.Areas[n].Location.Points, upTo(3, "points"))
		grow(&i.Areas[n].Location.Lines, upTo(2, "lines"))
	}
	grow(&i.Casualties, upTo(2, "casualties"))
	grow(&i.References, upTo(2, "references"))
	for n := range i.References {
		grow(&i.References[n].IDs, upTo(2, "ids"))
	}
	grow(&i.Tasks, upTo(3, "missions"))
	for n := range i.Tasks {
		grow(&i.Tasks[n].Children, upTo(2, "children"))
	}
	grow(&i.Resources, upTo(3, "resources"))
	for n := range i.Resources {
		grow(&i.Resources[n].Classes, upTo(2, "classes"))
		grow(&i.Resources[n].Positions, upTo(2, "positions"))
	}
	grow(&i.Message.Links, upTo(2, "links"))
	r := newResult(tree.XML, &tree.Node{Name: emsiRoot, Space: emsiSpace, Kind: tree.Object}, emsiArrays)
	to := EMSIXML
	if rapid.Bool().Draw(t, "json") {
		r.syntax, to = tree.JSON, EMSIJSON
		r.root.Name, r.root.Space = "", ""
	}
	r.put("EVENT/ID", "e-1", tree.String)
	for _, c := range emsiCells(i) {
		if rapid.IntRange(0, 2).Draw(t, c.key) == 0 {
			r.put(c.key, words.Draw(t, "value"), tree.String)
		}
	}
	for range upTo(2, "unknown") {
		r.put(rapid.SampledFrom([]string{"EVENT/OTHER", "EVENT/CERTAINLY", "MISSION/XYZ/A", "CONTEXT/ORIGIN/MAIL", "STRANGE"}).Draw(t, "name"), words.Draw(t, "value"), tree.String)
	}
	return r.bytes(to)
}

// Whatever a message says is in the result or in the report, and the result is what
// its receiver takes.
func TestRandom(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		message := someEMSI(rt)
		to := rapid.SampledFrom(Formats).Draw(rt, "to")
		o := Options{Payload: to == UCRI2 && rapid.Bool().Draw(rt, "alone")}
		r, f := Convert(message, Auto, to, o)
		if f != nil {
			rt.Fatalf("%v\n%s", f, message)
		}
		again, _ := Convert(message, Auto, to, o)
		if string(again.Bytes) != string(r.Bytes) {
			rt.Fatalf("twice the same message is not twice the same")
		}
		leaves, arrived := complete(rt, message, r, o)
		if arrived*10 < leaves*7 {
			rt.Fatalf("only %d of %d values arrived in %s\n%s", arrived, leaves, to, message)
		}
		careful(rt, message, r)
		if v := Validate(r.Bytes); to != UCRI2 && !v.Valid {
			rt.Fatalf("%v\n%s\n%s", v.Deviations, message, r.Bytes)
		}
		if to == UCRI2 && !o.Payload {
			e, fault := ucri.ParseP2PSend(r.Bytes)
			if fault == nil {
				fault = ucri.CheckData(&e.Payload)
			}
			if fault != nil {
				rt.Fatalf("%v\n%s\n%s", fault, message, r.Bytes)
			}
		}
	})
}

// careful checks that what may be no reality is none in the result.
func careful(t failer, message []byte, r *Result) {
	t.Helper()
	in, _ := tree.Parse(message, tree.DefaultLimits)
	out, _ := tree.Parse(r.Bytes, tree.DefaultLimits)
	real, meant := map[string]bool{"": true, "ACTUAL": true, "REAL": true, "LIVE": true}, true
	for p, n := range in.Leaves() {
		if strings.HasSuffix(p, "/CONTEXT/MODE") || p == "/alert/status" || p == "/status" {
			meant = meant && real[strings.ToUpper(strings.TrimSpace(n.Text))]
		}
	}
	for p, n := range out.Leaves() {
		switch {
		case meant:
		case strings.HasSuffix(p, "/CONTEXT/MODE") && n.Text == "ACTUAL", strings.HasSuffix(p, "/distributionStatus") && n.Text == "Actual", p == "/alert/status" && n.Text == "Actual":
			t.Fatalf("%s is %s in %s\n%s", p, n.Text, r.Bytes, message)
		case strings.HasSuffix(p, "/issue") && !strings.Contains(n.Text, ":") && n.Text != "TEST" && n.Text != "EXERCISE" && n.Text != "SYSTEM" && !strings.HasPrefix(n.Text, "MODE "):
			t.Fatalf("%s is %q\n%s", p, n.Text, message)
		}
	}
}

func FuzzConvert(f *testing.F) {
	f.Add([]byte(`<emsi><EVENT><ID>1</ID><NAME>x</NAME></EVENT></emsi>`), uint8(0))
	const incident = `{"sharedIncidentId":"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911","sentByDispatcherAt":"2026-03-01T14:03:12Z","missionLocation":{"address":{"street":"s"}},"a":[[1],{}]}`
	f.Add([]byte(incident), uint8(1))
	f.Add([]byte(`{"messageId":"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911","source":"1.2.3","destinations":["1.2.4"],"timeout":60,"ack":"ALL",
		"payload":{"appId":"incident_transfer","appVersion":"1.0","schemaId":"incident","contentType":"application/json","data":`+strconv.Quote(incident)+`}}`), uint8(2))
	f.Add([]byte(`{"distributionID":"a","content":[{"jsonContent":{"embeddedJsonContent":{"message":{"emsi":{"EVENT":{"ID":"1"}}}}}}]}`), uint8(3))
	f.Fuzz(func(t *testing.T, message []byte, to uint8) {
		o := Options{Payload: to >= 128}
		format := Formats[int(to)%len(Formats)]
		o.Payload = o.Payload && format == UCRI2
		Validate(message)
		r, fault := Convert(message, Auto, format, o)
		if fault != nil {
			return
		}
		complete(t, message, r, o)
	})
}
