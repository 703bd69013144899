package exchange

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"trojmezi/internal/format/ucri"
)

func document(t testing.TB) map[string]any {
	t.Helper()
	var doc map[string]any
	d := json.NewDecoder(bytes.NewReader(openAPI))
	if err := d.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// member follows the names from v.
func member(v any, names ...string) any {
	for _, n := range names {
		m, _ := v.(map[string]any)
		v = m[n]
	}
	return v
}

// Every route is described and every description has a route.
func TestOpenAPIRoutes(t *testing.T) {
	doc := document(t)
	if doc["openapi"] != "3.1.0" {
		t.Errorf("openapi %v", doc["openapi"])
	}
	var described []string
	ids := map[string]bool{}
	for path, ops := range doc["paths"].(map[string]any) {
		for method, op := range ops.(map[string]any) {
			described = append(described, strings.ToUpper(method)+" "+path)
			id, _ := member(op, "operationId").(string)
			if id == "" || ids[id] {
				t.Errorf("%s %s: operationId %q", method, path, id)
			}
			ids[id] = true
		}
	}
	slices.Sort(described)
	if d := cmp.Diff(slices.Sorted(maps.Keys(newRig(t).routes())), described); d != "" {
		t.Error(d)
	}
}

// Every reference leads somewhere in the document, and everything in it is used.
func TestOpenAPIReferences(t *testing.T) {
	doc := document(t)
	used := map[string]bool{}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if r, ok := v["$ref"].(string); ok {
				used[r] = true
				names, ok := strings.CutPrefix(r, "#/")
				if !ok || member(doc, strings.Split(names, "/")...) == nil {
					t.Errorf("%s: %s leads nowhere", at, r)
				}
			}
			for name, x := range v {
				walk(at+"/"+name, x)
			}
		case []any:
			for i, x := range v {
				walk(fmt.Sprintf("%s/%d", at, i), x)
			}
		}
	}
	walk("", doc)
	for _, part := range []string{"schemas", "responses"} {
		for name := range member(doc, "components", part).(map[string]any) {
			if !used["#/components/"+part+"/"+name] {
				t.Errorf("%s %s is not used", part, name)
			}
		}
	}
}

// The codes in the description are those of the specification.
func TestOpenAPICodes(t *testing.T) {
	var got []int
	for _, v := range member(document(t), "components", "schemas", "Error", "properties", "code", "enum").([]any) {
		got = append(got, int(v.(float64)))
	}
	want := []int{460, 461, 462, 463, 464, 465, 466, 467, 468, 470, 475, 478, 479, 480, 491}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// What the node really answers is described: the status of each operation, and
// the body by its schema.
func TestOpenAPIAnswers(t *testing.T) {
	doc := document(t)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	const name = "urn:exchange"
	if err := compiler.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(c *Config) { c.Limits.MessagesPerSecond, c.Limits.MessageBytes = 4, 4000 })
	big := bytes.Repeat([]byte(" "), 5000)
	p2p := []edit{with("messageId", id(1)), with("sentDate", ucri.FormatTime(r.clk.Now())), with("timeout", 60), with("ack", "NONE")}
	for _, c := range []struct {
		method, route, path, user string
		body                      []byte
		status                    int
	}{
		{"GET", "", clientPath + "/token", "", nil, 401},
		{"POST", "", clientPath + "/token", "", []byte("x=y"), 400},
		{"GET", "", clientPath + "/info", "desk1", nil, 200},
		{"GET", "", clientPath + "/info", "", nil, 401},
		{"GET", "", clientPath + "/registry", "desk1", nil, 200},
		{"GET", clientPath + "/registry/{oid}", clientPath + "/registry/" + far1, "desk1", nil, 200},
		{"GET", clientPath + "/registry/{oid}", clientPath + "/registry/9.9", "desk1", nil, 404},
		{"POST", "", clientPath + "/messaging/receive", "desk2", []byte(`{"destinations":["` + desk2 + `"],"maxDelay":0}`), 204},
		{"POST", "", clientPath + "/messaging/send", "desk1", letter(desk1, desk2), 200},
		{"POST", "", clientPath + "/messaging/send", "desk1", []byte("{"), 400},
		{"POST", "", clientPath + "/messaging/send", "desk1", big, 413},
		{"POST", "", clientPath + "/messaging/send", "desk1", letter(desk1, "9.9"), 400},
		{"POST", "", clientPath + "/messaging/send", "desk1", letter(desk1, desk2), 429},
		{"POST", "", clientPath + "/messaging/receive", "desk2", []byte(`{"destinations":["` + desk2 + `"]}`), 200},
		{"POST", "", clientPath + "/messaging/receive", "desk2", []byte(`{"destinations":[]}`), 400},
		{"POST", "", clientPath + "/messaging/commit", "desk2", []byte(`{"destination":"` + desk2 + `","sequenceId":1}`), 204},
		{"POST", "", clientPath + "/messaging/commit", "desk2", big, 413},
		{"GET", "", p2pPath + "/token", "", nil, 401},
		{"GET", "", p2pPath + "/info", "neighbours", nil, 200},
		{"GET", "", p2pPath + "/registry", "neighbours", nil, 200},
		{"POST", "", p2pPath + "/messaging/send", "neighbours", []byte("[]"), 400},
		{"POST", "", p2pPath + "/messaging/send", "neighbours", letter(far1, desk1, p2p...), 200},
	} {
		if c.route == "" {
			c.route = c.path
		}
		auth := ""
		if c.user != "" {
			auth = r.bearer(c.user)
		}
		a := r.call(c.method, c.path, auth, c.body)
		if a.Code != c.status {
			t.Errorf("%s %s: %d, want %d: %s", c.method, c.path, a.Code, c.status, a.Body)
			continue
		}
		where := []string{"paths", c.route, strings.ToLower(c.method), "responses", fmt.Sprint(c.status)}
		response := member(doc, where...)
		if ref, ok := member(response, "$ref").(string); ok {
			where = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
			response = member(doc, where...)
		}
		if response == nil {
			t.Errorf("%s %s: %d is not described", c.method, c.route, c.status)
			continue
		}
		if member(response, "content", "application/json") == nil {
			if a.Body.Len() > 0 {
				t.Errorf("%s %s: an undescribed body %s", c.method, c.route, a.Body)
			}
			continue
		}
		for i, part := range where {
			where[i] = strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(part)
		}
		schema, err := compiler.Compile(name + "#/" + strings.Join(where, "/") + "/content/application~1json/schema")
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s %s %d: %v", c.method, c.route, c.status, err)
		}
	}
	w := httptest.NewRecorder()
	if err := ServeOpenAPI(w, httptest.NewRequest("GET", "/api/exchange/openapi.json", nil)); err != nil || !bytes.Equal(w.Body.Bytes(), openAPI) {
		t.Error("the description is not served")
	}
}
