package plswd

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"trojmezi/internal/exchange/adapter"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/simulator/plswd"
)

// The document's schema and the simulator, each written by itself, take what the
// system sends and what the adapter makes of it again.
func TestProfile(t *testing.T) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	schema, err := c.Compile("../../../../docs/profiles/pl-swd.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob("testdata/*.json")
	if err != nil || len(names) < 20 {
		t.Fatalf("%d fixtures: %v", len(names), err)
	}
	valid := func(name string, text []byte) {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if h := (plswd.Profile{}).Hear(text); len(h.Faults) > 0 {
			t.Errorf("%s: %v\n%s", name, h.Faults, text)
		}
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		valid(name, text)
		m, fault := New().Decode(text)
		if fault != nil {
			t.Fatalf("%s: %v", name, fault)
		}
		e, fault := New().Encode(m)
		if fault != nil {
			t.Fatalf("%s: %v", name, fault)
		}
		valid(name+" again", e.Bytes)
	}
}

// Every reason has a code of the document, and every kind a message.
func TestReasons(t *testing.T) {
	for _, r := range adapter.Reasons {
		if New().Code(r) == "" {
			t.Errorf("no code for %s", r)
		}
	}
	for _, k := range convert.Kinds {
		if codes["tresc"].Word(string(k)) == "" {
			t.Errorf("no message for %s", k)
		}
	}
}

// Every code the adapter knows stands in the document.
func TestCodes(t *testing.T) {
	text, err := os.ReadFile("../../../../docs/profiles/pl-swd.md")
	if err != nil {
		t.Fatal(err)
	}
	for list, entries := range codes {
		for _, e := range entries {
			if !bytes.Contains(text, []byte("`"+e.Foreign+"`")) {
				t.Errorf("%s of %s is not in the document", e.Foreign, list)
			}
		}
	}
}
