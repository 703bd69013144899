package convert

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"trojmezi/internal/format/cap"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
	"trojmezi/test/xmllint"
)

const damWarning = `<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
  <identifier>dam-7</identifier><sender>ops@example.org</sender><sent>2026-08-07T18:05:00+02:00</sent><status>Actual</status><msgType>Alert</msgType><scope>Public</scope>
  <info><language>cs</language><category>Infra</category><event>Povodeň</event><responseType>Evacuate</responseType><urgency>Immediate</urgency><severity>Extreme</severity><certainty>Observed</certainty>
    <onset>2026-08-07T18:00:00+02:00</onset><expires>2026-08-08T06:00:00+02:00</expires><senderName>Kraj</senderName><headline>Protržení hráze</headline><description>Voda stoupá.</description><instruction>Odejděte do výšky.</instruction>
    <parameter><valueName>river</valueName><value>Smědá</value></parameter>
    <area><areaDesc>Višňová</areaDesc><polygon>50.95,15.00 50.95,15.05 50.98,15.05 50.98,15.00 50.95,15.00</polygon><geocode><valueName>CISORP</valueName><value>5103</value></geocode></area>
    <area><areaDesc>Ves</areaDesc><circle>50.99,15.01 0</circle></area>
  </info>
  <info><language>de</language><category>Infra</category><event>Hochwasser</event><urgency>Immediate</urgency><severity>Extreme</severity><certainty>Observed</certainty><headline>Dammbruch</headline></info>
</alert>`

// What a warning says in its first language is an incident for control rooms.
func TestFromCAP(t *testing.T) {
	r, f := Convert([]byte(damWarning), Auto, EMSIXML, Options{})
	if f != nil {
		t.Fatal(f)
	}
	complete(t, []byte(damWarning), r, Options{})
	if v := Validate(r.Bytes); !v.Valid {
		t.Errorf("%v", v.Deviations)
	}
	for _, part := range []string{"<NAME>Protržení hráze</NAME>", "<MSGTYPE>ALERT</MSGTYPE>", "<MODE>ACTUAL</MODE>", "<TYPE>POLYGON</TYPE>", "<NAME>Višňová</NAME>", "severity Extreme", "Odejděte do výšky.", "Dammbruch"} {
		if !strings.Contains(string(r.Bytes), part) {
			t.Errorf("without %s:\n%s", part, r.Bytes)
		}
	}
	u, f := Convert([]byte(damWarning), CAP, UCRI2, Options{Payload: true})
	if f != nil {
		t.Fatal(f)
	}
	complete(t, []byte(damWarning), u, Options{Payload: true})
	d, _ := tree.Parse(u.Bytes, tree.DefaultLimits)
	if got := d.Root.Get("issue").Value(); got != "Protržení hráze" {
		t.Errorf("issue %q", got)
	}
}

// An update tells of the same incident as the message it names, an exercise stays one.
func TestCAPLife(t *testing.T) {
	shared := func(text string) string {
		m, f := Read([]byte(text), Auto)
		if f != nil {
			t.Fatal(f)
		}
		return m.Shared()
	}
	update := strings.NewReplacer("dam-7", "dam-8", "<msgType>Alert", "<msgType>Update", "</scope>", "</scope><references>ops@example.org,dam-9,2026-08-07T19:05:00+02:00 ops@example.org,dam-7,2026-08-07T18:05:00+02:00</references>").Replace(damWarning)
	if a, b := shared(damWarning), shared(update); a != b {
		t.Errorf("the update is of %s, the alert of %s", b, a)
	}
	r, f := Convert([]byte(strings.Replace(damWarning, "Actual", "Exercise", 1)), Auto, UCRI2, Options{Payload: true})
	if f != nil {
		t.Fatal(f)
	}
	d, _ := tree.Parse(r.Bytes, tree.DefaultLimits)
	if got := d.Root.Get("issue").Value(); got != "EXERCISE: Protržení hráze" {
		t.Errorf("issue %q", got)
	}
}

// What control rooms told one another is for them, whatever the format.
func TestNeverPublic(t *testing.T) {
	for name, text := range messages(t) {
		r, f := Convert(text, UCRI2, CAP, Options{})
		if f != nil {
			continue // of no incident
		}
		a, found, fault := cap.Read(r.Bytes)
		if fault != nil || len(found) > 0 {
			t.Fatalf("%s: %v %v\n%s", name, fault, found, r.Bytes)
		}
		if a.Scope == cap.Public {
			t.Errorf("%s is public", name)
		}
	}
}

// A warning of an older edition, or one that breaks the schema, comes out as CAP 1.2.
func TestCAPAgain(t *testing.T) {
	same, f := Convert([]byte(damWarning), Auto, CAP, Options{})
	if f != nil || len(same.Loss) > 0 {
		t.Errorf("%v %v", f, same.Loss)
	}
	broken := strings.NewReplacer("18:05:00+02:00", "16:05:00Z", "<certainty>Observed</certainty>", "<certainty>sure</certainty>", "<category>Infra</category><event>Povodeň</event>", "<event>Povodeň</event><category>Infra</category>").Replace(damWarning)
	r, f := Convert([]byte(broken), Auto, CAP, Options{})
	if f != nil {
		t.Fatal(f)
	}
	complete(t, []byte(broken), r, Options{})
	if _, found, fault := cap.Read(r.Bytes); fault != nil || len(found) > 0 || !strings.Contains(string(r.Bytes), "16:05:00-00:00") || !strings.Contains(string(r.Bytes), "sure") {
		t.Errorf("%v %v\n%s", fault, found, r.Bytes)
	}
	old := strings.NewReplacer("urn:oasis:names:tc:emergency:cap:1.2", cap.Space10, "<valueName>river</valueName><value>Smědá</value>", "river=Smědá", "<responseType>Evacuate</responseType>", "",
		"<geocode><valueName>CISORP</valueName><value>5103</value></geocode>", "<geocode>CISORP=5103</geocode>").Replace(damWarning)
	r, f = Convert([]byte(old), Auto, CAP, Options{})
	if f != nil {
		t.Fatal(f)
	}
	complete(t, []byte(old), r, Options{})
	if a, found, fault := cap.Read(r.Bytes); fault != nil || len(found) > 0 || a.Infos[0].Parameters[0] != (cap.Pair{Name: "river", Value: "Smědá"}) {
		t.Errorf("%v %v\n%s", fault, found, r.Bytes)
	}
}

// someCAP is a warning with any of its elements, of any edition or as JSON.
func someCAP(t *rapid.T) []byte {
	value := rapid.OneOf(rapid.SampledFrom([]string{
		"Actual", "Exercise", "Test", "System", "Draft", "Alert", "Update", "Cancel", "Ack", "Error", "Public", "Private", "Met", "Immediate", "Severe", "Likely", "cs", "de-DE", "AllClear",
		"2026-08-07T18:05:00+02:00", "2026-08-07T16:05:00Z", "2026-08-07T16:05:00.5Z", "3021-01-01T00:00:00+01:00", "50.1,15.1 50.1,15.2 50.2,15.2 50.1,15.1", "50.1,15.1 0", "50.1,15.1 2.5",
		"ops@example.org,a-1,2026-08-07T18:05:00+02:00", "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911", "a b", "river=Smědá", "http://example.org/a", "image/png", "12",
	}), words)
	r := newResult(tree.XML, &tree.Node{Name: "alert", Space: cap.Space12, Kind: tree.Object}, nil)
	to := CAP
	if rapid.IntRange(0, 3).Draw(t, "syntax") == 0 {
		r.syntax, r.root.Name, r.root.Space = tree.JSON, "", ""
	} else {
		r.root.Space = rapid.SampledFrom([]string{cap.Space12, cap.Space12, cap.Space11, cap.Space10}).Draw(t, "edition")
	}
	for _, name := range []string{"identifier", "sent", "msgType"} { // without these JSON is none
		r.put(name, value.Draw(t, name), tree.String)
	}
	var fill func(s *shape.Type, key string, depth int)
	fill = func(s *shape.Type, key string, depth int) {
		for _, m := range s.Members {
			if depth == 0 && (m.Name == "identifier" || m.Name == "sent" || m.Name == "msgType") {
				continue
			}
			most := 1
			if m.Max != 1 {
				most = 2
			}
			for n := range rapid.IntRange(0, most).Draw(t, m.Name) {
				k := join(key, at(m.Name, n))
				if len(m.Type.Members) > 0 && rapid.IntRange(0, 9).Draw(t, "flat") > 0 {
					fill(m.Type, k, depth+1)
				} else {
					r.put(k, value.Draw(t, k), tree.String)
				}
			}
		}
	}
	fill(cap.Shape(), "", 0)
	if rapid.Bool().Draw(t, "more") {
		r.put(rapid.SampledFrom([]string{"strange", "info/strange", "info/area/strange/a", "Signature/Value"}).Draw(t, "name"), value.Draw(t, "value"), tree.String)
	}
	return r.bytes(to)
}

// Whatever a warning says is in the result or in the report, and the result is what its
// receiver takes.
func TestRandomCAP(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		message := someCAP(rt)
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
		complete(rt, message, r, o)
		careful(rt, message, r)
		if v := Validate(r.Bytes); !v.Valid && !o.Payload {
			rt.Fatalf("%v\n%s\n%s", v.Deviations, message, r.Bytes)
		}
	})
}

// What is written stands before the standard's own schema too.
func TestCAPOracle(t *testing.T) {
	dir := os.Getenv("TROJMEZI_SAMPLES")
	if dir == "" {
		t.Skip("TROJMEZI_SAMPLES names no folder with the schema")
	}
	docs := map[string][]byte{}
	var sources [][]byte
	for _, text := range messages(t) {
		sources = append(sources, text)
	}
	for n := range 150 {
		sources = append(sources, rapid.Custom(someCAP).Example(n), rapid.Custom(someEMSI).Example(n))
	}
	for n, text := range sources {
		r, f := Convert(text, Auto, CAP, Options{})
		if f != nil {
			if f.Rule != "no_incident" && f.Rule != "unknown" { // of an app message that does not say what it is
				t.Fatalf("%v\n%s", f, text)
			}
			continue
		}
		docs[strconv.Itoa(n)] = r.Bytes
	}
	judgeAll(t, filepath.Join(dir, "alerts", "cap-validity", "cap12.xsd"), docs)
}

func judgeAll(t *testing.T, schema string, docs map[string][]byte) {
	t.Helper()
	var names []string
	var all [][]byte
	for name, doc := range docs {
		names, all = append(names, name), append(all, doc)
	}
	for i, why := range xmllint.Judge(t, schema, all) {
		if why != "" {
			t.Errorf("%s: %s\n%s", names[i], why, all[i])
		}
	}
	t.Logf("xmllint takes %d messages", len(all))
}
