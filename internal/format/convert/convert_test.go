package convert

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gowebpki/jcs"
	"github.com/rogpeppe/go-internal/txtar"

	"trojmezi/internal/format/tree"
	"trojmezi/internal/format/ucri"
)

// failer is a test, or a random case of one.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// complete checks the loss report of a conversion: every value of the source is in
// the result as it was, or it is named; and what was moved is where the report says.
func complete(t failer, source []byte, r *Result, o Options) (leaves, arrived int) {
	t.Helper()
	in, f := tree.Parse(source, tree.DefaultLimits)
	if f != nil {
		t.Fatal(f)
	}
	out, f := tree.Parse(r.Bytes, tree.DefaultLimits)
	if f != nil {
		t.Fatalf("the result cannot be read: %v\n%s", f, r.Bytes)
	}
	there := map[string]string{} // path → text
	count := map[string]int{}
	add := func(path string, d *tree.Document) {
		for p, n := range d.Leaves() {
			there[path+p] = n.Text
			count[n.Text]++
		}
	}
	add("", out)
	if data := out.Root.Get("payload").Get("data"); data.Value() != "" && !o.Payload {
		if inner, f := tree.Parse([]byte(data.Text), tree.DefaultLimits); f == nil {
			add("/payload/data", inner)
		}
	}
	named := map[string]Loss{}
	for _, l := range r.Loss {
		if _, twice := named[l.Path]; twice {
			t.Errorf("%s is named twice", l.Path)
		}
		named[l.Path] = l
		if l.MovedTo == nil {
			continue
		}
		text, ok := there[*l.MovedTo]
		if !ok {
			t.Errorf("%s: nothing at %s", l.Path, *l.MovedTo)
		}
		if l.Reason == NoField && !strings.Contains(text, l.Value) {
			t.Errorf("%s: %q is not in %q", l.Path, l.Value, text)
		}
	}
	check := func(prefix string, d *tree.Document) {
		for p, n := range d.Leaves() {
			p = prefix + p
			l, lost := named[p]
			if strings.TrimSpace(n.Text) != "" { // an empty one says nothing
				leaves++
				if lost && l.MovedTo != nil || !lost {
					arrived++
				}
			}
			if lost {
				if l.Value != n.Text {
					t.Errorf("%s: the report says %q, the message %q", p, l.Value, n.Text)
				}
				continue
			}
			if count[n.Text] == 0 {
				t.Errorf("%s: %q is neither in the result nor in the report", p, n.Text)
			}
		}
	}
	if data := in.Root.Get("payload").Get("data"); r.From == UCRI2 && data.Value() != "" && in.Root.Get("payload").Get("contentType").Value() == ucri.ContentJSON {
		inner, f := tree.Parse([]byte(data.Text), tree.DefaultLimits)
		if f != nil {
			t.Fatal(f)
		}
		check("/payload/data", inner)
		data.Kind, data.Kids = tree.Object, nil
	}
	check("", in)
	return leaves, arrived
}

func TestSamples(t *testing.T) {
	dir := os.Getenv("TROJMEZI_SAMPLES")
	if dir == "" {
		t.Skip("TROJMEZI_SAMPLES names no folder of real messages")
	}
	files, err := filepath.Glob(filepath.Join(dir, "interop", "examples", "EMSI*"))
	if err != nil || len(files) == 0 {
		t.Fatal("no samples", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range Formats {
			for _, alone := range []bool{false, true} {
				r, f := Convert(text, Auto, to, Options{Payload: alone})
				if f != nil {
					t.Errorf("%s to %s: %v", file, to, f)
					continue
				}
				leaves, arrived := complete(t, text, r, Options{Payload: alone})
				t.Logf("%s to %s: %d of %d values arrived, %d in the report", filepath.Base(file), to, arrived, leaves, len(r.Loss))
				if to == UCRI2 && !alone {
					e, fault := ucri.ParseP2PSend(r.Bytes)
					if fault != nil {
						t.Fatalf("%v\n%s", fault, r.Bytes)
					}
					if fault := ucri.CheckData(&e.Payload); fault != nil {
						t.Errorf("%v", fault)
					}
				}
			}
		}
	}
}

// messages are the valid messages of package ucri's tests.
func messages(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../ucri/testdata/messages/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatal("no messages", err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if f.Name == "valid.json" || f.Name == "minimal.json" {
				all[strings.TrimSuffix(filepath.Base(file), ".txtar")+" "+f.Name] = f.Data
			}
		}
	}
	return all
}

func canonical(t *testing.T, text []byte) string {
	t.Helper()
	out, err := jcs.Transform(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return string(out)
}

// A message of UCRI 2 comes through the model as it was, alone and in its envelope.
func TestUCRIRoundTrip(t *testing.T) {
	for name, text := range messages(t) {
		r, f := Convert(text, UCRI2, UCRI2, Options{Payload: true})
		if f != nil {
			t.Errorf("%s: %v", name, f)
			continue
		}
		if got, want := canonical(t, r.Bytes), canonical(t, text); got != want || len(r.Loss) > 0 {
			t.Errorf("%s: %.300s\n%.300s\n%v", name, cmp.Diff(want, got), got, r.Loss)
		}
		app, schema, _ := strings.Cut(strings.Fields(name)[0], ".")
		data, _ := json.Marshal(string(text))
		envelope := []byte(`{"messageId":"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911","source":"1.2.3","destinations":["1.2.4"],"timeout":60,"ack":"ALL","tags":["a","b"],"x.y/z":[{}],"e":[],"o":{"a":[]},
			"payload":{"appId":"` + app + `","appVersion":"1.0","schemaId":"` + schema + `","contentType":"application/json","data":` + string(data) + `}}`)
		r, f = Convert(envelope, Auto, UCRI2, Options{})
		if f != nil {
			t.Errorf("%s: %v", name, f)
			continue
		}
		if got, want := canonical(t, inside(t, r.Bytes)), canonical(t, inside(t, envelope)); got != want || len(r.Loss) > 0 {
			t.Errorf("%s: %.300s\n%.300s\n%v", name, cmp.Diff(want, got), got, r.Loss)
		}
	}
}

// inside is an envelope with its message as JSON in the place of its text.
func inside(t *testing.T, envelope []byte) []byte {
	t.Helper()
	var e map[string]any
	if err := json.Unmarshal(envelope, &e); err != nil {
		t.Fatal(err)
	}
	p := e["payload"].(map[string]any)
	p["data"] = json.RawMessage(p["data"].(string))
	out, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Whatever a message of UCRI 2 says is in one of EMSI, or in the report.
func TestUCRIToOthers(t *testing.T) {
	for name, text := range messages(t) {
		for _, to := range Formats {
			r, f := Convert(text, UCRI2, to, Options{})
			if catalogue := strings.Contains(name, "_catalogue.") || strings.HasPrefix(name, "transport_"); catalogue && to != UCRI2 {
				if f == nil || f.Rule != "no_incident" {
					t.Errorf("%s to %s: %v", name, to, f)
				}
				continue
			}
			if f != nil {
				t.Errorf("%s to %s: %v", name, to, f)
				continue
			}
			complete(t, text, r, Options{})
		}
	}
}

func BenchmarkConvert(b *testing.B) {
	text, err := os.ReadFile("../ucri/testdata/messages/incident_transfer.incident.txtar")
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range txtar.Parse(text).Files {
		if f.Name == "valid.json" {
			text = f.Data
		}
	}
	emsi, fault := Convert(text, UCRI2, EMSIXML, Options{})
	if fault != nil {
		b.Fatal(fault)
	}
	for _, c := range []struct {
		name    string
		message []byte
		to      Format
	}{{"ucri2 to emsi-xml", text, EMSIXML}, {"ucri2 to edxl-json", text, EDXLJSON}, {"ucri2 to ucri2", text, UCRI2}, {"emsi-xml to ucri2", emsi.Bytes, UCRI2}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, f := Convert(c.message, Auto, c.to, Options{}); f != nil {
					b.Fatal(f)
				}
			}
		})
	}
}
