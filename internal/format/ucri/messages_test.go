package ucri

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the golden texts in testdata")

// example is one file of testdata/messages.
type example struct {
	path  string
	ar    *txtar.Archive
	msg   message
	valid []string // JSON texts
}

func (x example) payload(data string) Payload {
	return Payload{AppID: x.msg.app, AppVersion: x.msg.version, SchemaID: x.msg.schema, ContentType: ContentJSON, Data: data}
}

func examples(t testing.TB) []example {
	t.Helper()
	paths, err := filepath.Glob("testdata/messages/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	var list []example
	for _, path := range paths {
		ar, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		app, schema, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".txtar"), ".")
		x := example{path: path, ar: ar, msg: message{app, "1.0", schema}}
		for _, f := range ar.Files {
			if f.Name == "valid.json" || f.Name == "minimal.json" {
				x.valid = append(x.valid, string(f.Data))
			}
		}
		list = append(list, x)
	}
	return list
}

func TestEveryMessageHasExamples(t *testing.T) {
	seen := map[message]bool{}
	for _, x := range examples(t) {
		seen[x.msg] = true
	}
	for m := range loaded().messages {
		if !seen[m] {
			t.Errorf("no example of %v", m)
		}
	}
	if n := len(loaded().messages); n != 25 {
		t.Errorf("%d message schemas, want 25", n)
	}
}

// TestExamples holds every valid example valid and every patched one invalid
// with the text in the file.
func TestExamples(t *testing.T) {
	for _, x := range examples(t) {
		t.Run(x.msg.app+"/"+x.msg.schema, func(t *testing.T) {
			for _, data := range x.valid {
				p := x.payload(data)
				if err := CheckData(&p); err != nil {
					t.Errorf("valid example refused: %v", err)
				}
			}
			var base any
			if err := json.Unmarshal([]byte(x.valid[0]), &base); err != nil {
				t.Fatal(err)
			}
			want := map[string]*txtar.File{}
			for i := range x.ar.Files {
				want[x.ar.Files[i].Name] = &x.ar.Files[i]
			}
			count := 0
			for _, f := range x.ar.Files {
				name, isPatch := strings.CutSuffix(f.Name, ".patch.json")
				if !isPatch {
					continue
				}
				count++
				var patch any
				if err := json.Unmarshal(f.Data, &patch); err != nil {
					t.Fatalf("%s: %v", f.Name, err)
				}
				data, err := json.Marshal(mergePatch(base, patch))
				if err != nil {
					t.Fatal(err)
				}
				p := x.payload(string(data))
				bad := CheckData(&p)
				if bad == nil {
					t.Errorf("%s: accepted", name)
					continue
				}
				if bad.Code != CodePayloadInvalid {
					t.Errorf("%s: code %d", name, bad.Code)
				}
				got := bad.Place + "\n" + bad.Error() + "\n"
				golden := want[name+".want"]
				if *update {
					golden.Data = []byte(got)
					continue
				}
				if diff := cmp.Diff(string(golden.Data), got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
			if count < 3 {
				t.Errorf("only %d invalid examples", count)
			}
			if *update {
				if err := os.WriteFile(x.path, txtar.Format(x.ar), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// mergePatch applies an RFC 7396 patch to a copy of v.
func mergePatch(v, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out := map[string]any{}
	if old, ok := v.(map[string]any); ok {
		for k, v := range old {
			out[k] = v
		}
	}
	for k, v := range p {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = mergePatch(out[k], v)
		}
	}
	return out
}

// TestPersonNameIsTheFamilyName pins the trap of the person record: name is the
// family name and obligatory, surname the given name and optional.
func TestPersonNameIsTheFamilyName(t *testing.T) {
	const frame = `{"sharedIncidentId":"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911","sentByDispatcherAt":"2026-03-01T14:03:12Z","missionLocation":{"address":{"street":"Hartau"}},"informers":[PERSON]}`
	check := func(person string) *Error {
		p := Payload{AppID: "incident_transfer", AppVersion: "1.0", SchemaID: "incident", ContentType: ContentJSON, Data: strings.ReplaceAll(frame, "PERSON", person)}
		return CheckData(&p)
	}
	if err := check(`{"name":"Nováková"}`); err != nil {
		t.Errorf("family name alone: %v", err)
	}
	if err := check(`{"surname":"Jitka"}`); err == nil || err.Place != "/informers/0" || err.Args["member"] != "name" {
		t.Errorf("given name alone: %v", err)
	}
	var shared struct {
		Defs map[string]struct {
			Properties map[string]struct{ Title string }
		} `json:"$defs"`
	}
	raw, err := schemaFiles.ReadFile("schemas/shared.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &shared); err != nil {
		t.Fatal(err)
	}
	for _, def := range []string{"person", "patient", "involved"} {
		props := shared.Defs[def].Properties
		if props["name"].Title != "Family name" || props["surname"].Title != "Given name" {
			t.Errorf("%s: name is %q, surname is %q", def, props["name"].Title, props["surname"].Title)
		}
	}
}
