package ucri

import (
	"encoding/json"
	"io/fs"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// normalizer writes a schema document in one plain form: references resolved,
// combined parts merged, annotations gone. Two documents of the same plain form
// accept the same instances.
type normalizer struct {
	t    *testing.T
	docs map[string]map[string]any // by what stands before # in a reference; "" is the document itself
}

func (n normalizer) at(doc map[string]any, ref string) (map[string]any, map[string]any) {
	id, pointer, _ := strings.Cut(ref, "#")
	if id != "" {
		doc = n.docs[id]
	}
	var v any = doc
	for _, part := range strings.Split(pointer, "/")[1:] {
		v = v.(map[string]any)[part]
	}
	found, ok := v.(map[string]any)
	if !ok {
		n.t.Fatalf("no %s", ref)
	}
	return doc, found
}

func (n normalizer) plain(doc, s map[string]any) map[string]any {
	out := map[string]any{}
	merge := func(part map[string]any) {
		for k, v := range part {
			switch k {
			case "properties":
				props, _ := out[k].(map[string]any)
				if props == nil {
					props = map[string]any{}
					out[k] = props
				}
				for name, p := range v.(map[string]any) {
					props[name] = p
				}
			case "required":
				names, _ := out[k].([]string)
				out[k] = append(names, v.([]string)...)
			default:
				out[k] = v
			}
		}
	}
	if ref, ok := s["$ref"].(string); ok {
		merge(n.plain(n.at(doc, ref)))
	}
	if parts, ok := s["allOf"].([]any); ok {
		for _, part := range parts {
			merge(n.plain(doc, part.(map[string]any)))
		}
	}
	own := map[string]any{}
	for k, v := range s {
		switch k {
		case "$schema", "$id", "$defs", "$ref", "allOf", "title", "description", "example", "examples", "default":
		case "format":
			if v == "uuid" || v == "date" || v == "date-time" { // the others assert nothing
				own[k] = v
			}
		case "properties":
			props := map[string]any{}
			for name, p := range v.(map[string]any) {
				props[name] = n.plain(doc, p.(map[string]any))
			}
			own[k] = props
		case "items":
			own[k] = n.plain(doc, v.(map[string]any))
		case "anyOf":
			var parts []any
			for _, p := range v.([]any) {
				parts = append(parts, n.plain(doc, p.(map[string]any)))
			}
			own[k] = parts
		case "required":
			names := []string{}
			for _, name := range v.([]any) {
				names = append(names, name.(string))
			}
			own[k] = names
		case "enum":
			raw, err := json.Marshal(v)
			if err != nil {
				n.t.Fatal(err)
			}
			list := strings.Split(strings.Trim(string(raw), "[]"), ",")
			sort.Strings(list)
			own[k] = list
		default:
			own[k] = v
		}
	}
	merge(own)
	if names, ok := out["required"].([]string); ok {
		sort.Strings(names)
		var once []string
		for i, name := range names {
			if i == 0 || names[i-1] != name {
				once = append(once, name)
			}
		}
		if out["required"] = once; once == nil {
			delete(out, "required")
		}
	}
	// Where ours differ on purpose: another expression for the same OIDs, with
	// a limit of length, and sequence numbers that fit their published format.
	if out["pattern"] == `^[0-9]+(\.[0-9]+)*\.?$` {
		out["pattern"] = specOID.String()
		delete(out, "maxLength")
	}
	if out["minimum"] == json.Number("-9223372036854775808") {
		delete(out, "minimum")
		delete(out, "maximum")
	}
	return out
}

// TestPublishedSchemasSayTheSame compares constraint by constraint, so that no
// difference can hide between the mutations.
func TestPublishedSchemasSayTheSame(t *testing.T) {
	dir := samples(t)
	own := normalizer{t, map[string]map[string]any{}}
	byPath := map[string]map[string]any{}
	err := fs.WalkDir(SchemaFiles(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(SchemaFiles(), path)
		if err != nil {
			return err
		}
		doc := decodeTree(t, string(raw)).(map[string]any)
		own.docs[doc["$id"].(string)], byPath[path] = doc, doc
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	same := func(path string, theirs, at map[string]any) {
		t.Helper()
		compared++
		got := own.plain(byPath[path], byPath[path])
		if diff := cmp.Diff(normalizer{t: t}.plain(theirs, at), got); diff != "" {
			t.Errorf("%s (-published +ours):\n%s", path, diff)
		}
	}
	for m := range loaded().messages {
		path := m.app + "/" + m.version + "/" + m.schema + schemaSuffix
		doc := readDoc(t, filepath.Join(dir, "schemas", path))
		same(path, doc, doc)
	}
	for name, at := range map[string][2]string{
		"client_send": {"client", "senderRequest"}, "p2p_send": {"p2p", "senderRequestP2P"}, "receive": {"client", "receiverRequest"},
		"commit": {"client", "messageRef"}, "participant": {"client", "commParticipant"},
	} {
		doc := readDoc(t, filepath.Join(dir, "openapi", "ucrm-"+at[0]+"-bundled.json"))
		_, schema := normalizer{t: t}.at(doc, "#/components/schemas/"+at[1])
		same("transport/2.0.0/"+name+schemaSuffix, doc, schema)
	}
	t.Logf("%d schemas compared", compared)
	participant := func(file string) any {
		return readDoc(t, filepath.Join(dir, "openapi", file))["components"].(map[string]any)["schemas"].(map[string]any)["commParticipant"]
	}
	if diff := cmp.Diff(participant("ucrm-client-bundled.json"), participant("ucrm-p2p-bundled.json")); diff != "" {
		t.Errorf("the registries of both interfaces differ: %s", diff)
	}
}
