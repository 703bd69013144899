package plswd

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"trojmezi/internal/simulator/plswd"
)

// mutants are a value with each member taken out, each value made something else, and
// a member too many in each object.
func mutants(v any) (all []any) {
	switch v := v.(type) {
	case map[string]any:
		with := func(name string, value any) {
			m := maps.Clone(v)
			if m[name] = value; value == "none" {
				delete(m, name)
			}
			all = append(all, m)
		}
		with("nieznany", "1")
		for _, name := range slices.Sorted(maps.Keys(v)) {
			with(name, "none")
			for _, k := range mutants(v[name]) {
				with(name, k)
			}
		}
	case []any:
		all = append(all, []any{}, slices.Repeat(v, 201))
		for _, k := range mutants(v[0]) {
			all = append(all, append([]any{k}, v[1:]...))
		}
	default:
		all = append(all, nil, "", "x", "2026-11-30T10:00:00", "2026-11-30T10:00:00Z", strings.Repeat("ż", 5000), json.Number("-1"), json.Number("0.5"), json.Number("1000000"), true, []any{v}, map[string]any{})
	}
	return all
}

// The adapter's table, the document's schema and the simulator were written one by one
// from the document: they agree about what is right.
func TestAllReadTheDocumentAlike(t *testing.T) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	schema, err := c.Compile("../../../../docs/profiles/pl-swd.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	right, n := map[bool]int{}, 0
	for _, name := range []string{"incident-fire.json", "completion-fire.json", "answer-accepted.json", "text-incident.json", "receipt-text.json", "refusal-unknown-code.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		var whole any
		if err := dec.Decode(&whole); err != nil {
			t.Fatal(err)
		}
		for _, m := range mutants(whole) {
			made, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(made))
			if err != nil {
				t.Fatal(err)
			}
			invalid := schema.Validate(value)
			_, fault := New().Decode(made)
			h := (plswd.Profile{}).Hear(made)
			// Empty parts, and messages that say not when they expire, the adapter takes.
			liberal := bytes.Contains(made, []byte(`:{}`)) || bytes.Contains(made, []byte(`:[]`)) || !bytes.Contains(made, []byte(`"wazneDo"`))
			if (invalid == nil) != (len(h.Faults) == 0) || (invalid == nil) != (fault == nil) && !liberal {
				if n++; n <= 20 {
					t.Errorf("%s: schema %v, adapter %v, simulator %v\n%.1500s", name, invalid, fault, h.Faults, made)
				}
			}
			right[invalid == nil]++
		}
	}
	if right[true] < 50 || right[false] < 500 {
		t.Errorf("%v: too few to tell", right)
	}
	t.Logf("%d right, %d wrong", right[true], right[false])
}
