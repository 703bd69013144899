package ucri

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// mutations is the number of changed documents per comparison: it takes about
// a second. TROJMEZI_FULL=1 runs 25 times as many.
const mutations = 20_000

// mutationSeed makes the runs repeatable.
const mutationSeed = 20260301

// subject is one kind of document with both judges.
type subject struct {
	name   string
	seeds  []string
	oracle *jsonschema.Schema
	ours   func(doc string) *Error
	// stricter permits a refusal that the oracle doesn't share.
	stricter func(*Error) bool
}

// compare runs seeds and mutations of every subject past both judges. All
// subjects share their fragments.
func compare(t *testing.T, subjects []subject) {
	t.Helper()
	var all []string
	for _, s := range subjects {
		all = append(all, s.seeds...)
	}
	m := newMutator(t, mutationSeed, all)
	valid, invalid, stricter := 0, 0, 0
	run := func(s subject, doc string) {
		var v any
		dec := json.NewDecoder(strings.NewReader(doc))
		dec.UseNumber()
		if err := dec.Decode(&v); err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		oracle := s.oracle.Validate(v)
		ours := s.ours(doc)
		switch {
		case (oracle == nil) == (ours == nil):
			if oracle == nil {
				valid++
			} else {
				invalid++
			}
		case oracle == nil && s.stricter != nil && s.stricter(ours):
			stricter++
		default:
			t.Errorf("%s: different verdicts\noracle: %v\nours:   %v\n%s", s.name, oracle, ours, doc)
		}
	}
	total := mutations
	if os.Getenv("TROJMEZI_FULL") == "1" {
		total *= 25
	}
	each := total/len(subjects) + 1
	for _, s := range subjects {
		var trees []any
		for _, seed := range s.seeds {
			run(s, seed)
			trees = append(trees, decodeTree(t, seed))
		}
		for i := range each {
			run(s, m.mutate(trees[i%len(trees)]))
			if t.Failed() {
				t.Fatalf("seed %d", mutationSeed)
			}
		}
	}
	t.Logf("seed %d: %d documents of %d kinds: %d valid, %d invalid, %d refused by rules of our own", mutationSeed, valid+invalid+stricter, len(subjects), valid, invalid, stricter)
	if few := total / 5; valid < few || invalid < few {
		t.Errorf("too one-sided: %d valid, %d invalid", valid, invalid)
	}
}

func checkMessage(m message) func(string) *Error {
	return func(doc string) *Error {
		p := Payload{AppID: m.app, AppVersion: m.version, SchemaID: m.schema, ContentType: ContentJSON, Data: doc}
		return CheckData(&p)
	}
}

// transportSeeds are documents of our own for each request of the transport.
var transportSeeds = map[string][]string{
	"client_send": {
		`{"source":"1.2.203.5.1","destinations":["1.2.276.14."],"payload":{"appId":"notification_text","appVersion":"1.0","schemaId":"notification","contentType":"application/json","data":"{}"}}`,
		`{"messageId":"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911","description":"Žitava → Hrádek","sentDate":"2026-03-01T14:03:12+01:00","timeout":300,"ack":"ALL","source":"1.2.203.5.1","destinations":["1.2.276.14"],"tags":["nehoda","35"],"payload":{"appId":"a","appVersion":"1","schemaId":"s","contentType":"application/jose","data":"\"\\\n"},"signature":"x.y.z","x":{"y":[1,null]}}`,
	},
	"p2p_send": {
		`{"messageId":"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911","sentDate":"2026-03-01T14:03:12z","timeout":10,"ack":"NONE","source":"1.2.203.5.1","destinations":["1"],"payload":{"appId":"a","appVersion":"1","schemaId":"s","contentType":"application/json","data":""}}`,
		`{"messageId":"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911","description":"","sentDate":"2026-03-01T14:03:12+01:00","timeout":86400,"ack":"NACK","source":"1.2.203.5.1","destinations":["1.2.276.14"],"tags":[],"payload":{"appId":"a","appVersion":"1","schemaId":"s","contentType":"application/json","data":"{}","more":1},"signature":"x.y.z"}`,
	},
	"receive": {`{"destinations":["1.2.203.5.1"]}`, `{"destinations":["1.2.203.5.1","1.2.203.5.2"],"maxMessages":5,"maxDelay":0}`, `{"destinations":["1"],"maxMessages":1.0,"maxDelay":30,"x":[]}`},
	"commit":  {`{"destination":"1.2.203.5.1","sequenceId":7}`, `{"destination":"1.","sequenceId":-1,"x":{}}`},
	"participant": {
		`{"id":"1.2.616.3","systemName":"SWD","operatorName":"SKKP Zgorzelec","operatorShortName":"ZGO","supportedApps":[],"techSupport":{"phone":"+48 75 000","e-mail":"it@example.pl"}}`,
		`{"id":"1.2.276.14","type":"client","systemName":"ELS","operatorName":"IRLS Ostsachsen","operatorShortName":"HOY","supportedApps":[{"appId":"incident_transfer","appVersion":"1.0"},{"appId":"resource_request","appVersion":"1.0","unsupportedMessages":["resource_deployed"],"role":"x"}],"techSupport":{"phone":"1","e-mail":"2","address":"Hoyerswerda","x":1},"key":{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"1"},"status":"online","transmitsUnsignedMessages":true,"x":null}`,
	},
}

func transportChecks() map[string]func(string) *Error {
	return map[string]func(string) *Error{
		"client_send": func(d string) *Error { _, err := ParseClientSend([]byte(d)); return err },
		"p2p_send":    func(d string) *Error { _, err := ParseP2PSend([]byte(d)); return err },
		"receive":     func(d string) *Error { _, err := ParseReceive([]byte(d)); return err },
		"commit":      func(d string) *Error { _, err := ParseCommit([]byte(d)); return err },
		"participant": func(d string) *Error { _, err := parseParticipant(d); return err },
	}
}

// TestOwnSchemasBySecondValidator runs our schema files through a general JSON
// Schema implementation: our validator must read them as it does.
func TestOwnSchemasBySecondValidator(t *testing.T) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	var ids []string
	err := fs.WalkDir(SchemaFiles(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(SchemaFiles(), path)
		if err != nil {
			return err
		}
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
		if err != nil {
			return err
		}
		id := doc.(map[string]any)["$id"].(string)
		ids = append(ids, id)
		return c.AddResource(id, doc)
	})
	if err != nil {
		t.Fatal(err)
	}
	compiled := func(id string) *jsonschema.Schema {
		s, err := c.Compile(idPrefix + id)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if len(ids) != 25+5+1 {
		t.Errorf("%d schema files, want 25 messages, 5 requests, 1 shared", len(ids))
	}
	t.Run("messages", func(t *testing.T) {
		var subjects []subject
		for _, x := range examples(t) {
			subjects = append(subjects, subject{
				name: fmt.Sprint(x.msg), seeds: x.valid, ours: checkMessage(x.msg),
				oracle: compiled(x.msg.app + ":" + x.msg.version + ":" + x.msg.schema),
			})
		}
		compare(t, subjects)
	})
	t.Run("transport", func(t *testing.T) {
		var subjects []subject
		checks := transportChecks()
		for _, name := range slices.Sorted(maps.Keys(checks)) {
			subjects = append(subjects, subject{name: name, seeds: transportSeeds[name], ours: checks[name], oracle: compiled("transport:2.0.0:" + name)})
		}
		compare(t, subjects)
	})
}

func samples(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("TROJMEZI_SAMPLES")
	if dir == "" {
		t.Skip("TROJMEZI_SAMPLES is not set: the published schemas are no part of the repository; TestOwnSchemasBySecondValidator shows the same with our own")
	}
	return filepath.Join(dir, "interop", "ucri2")
}

func readDoc(t *testing.T, path string) map[string]any {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	return doc.(map[string]any)
}

func text(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestPublishedMessageSchemas compares with the schemas of the specification,
// on its own examples and on mutations of them and of ours.
func TestPublishedMessageSchemas(t *testing.T) {
	dir := samples(t)
	var subjects []subject
	published := 0
	for _, x := range examples(t) {
		path := filepath.Join(dir, "schemas", x.msg.app, x.msg.version, x.msg.schema+".schema.json")
		doc := readDoc(t, path)
		s := subject{name: fmt.Sprint(x.msg), ours: checkMessage(x.msg), seeds: x.valid}
		for _, e := range doc["examples"].([]any) {
			s.seeds = append(s.seeds, text(t, e))
			published++
		}
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		if err := c.AddResource(path, doc); err != nil {
			t.Fatal(err)
		}
		var err error
		if s.oracle, err = c.Compile(path); err != nil {
			t.Fatal(err)
		}
		subjects = append(subjects, s)
	}
	t.Logf("%d published examples", published)
	compare(t, subjects)
}

// TestPublishedTransportSchemas compares with the component schemas of the
// specification's OpenAPI documents.
func TestPublishedTransportSchemas(t *testing.T) {
	dir := samples(t)
	oracle := func(file, name string) (*jsonschema.Schema, []string) {
		path := filepath.Join(dir, "openapi", file)
		doc := readDoc(t, path)
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		if err := c.AddResource(path, doc); err != nil {
			t.Fatal(err)
		}
		s, err := c.Compile(path + "#/components/schemas/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var seeds []string
		var collect func(v any)
		collect = func(v any) {
			switch v := v.(type) {
			case map[string]any:
				if e := v["example"]; e != nil {
					seeds = append(seeds, text(t, e))
				}
				for _, e := range v {
					if list, ok := e.([]any); ok {
						collect(list)
					}
				}
			case []any:
				for _, e := range v {
					collect(e)
				}
			}
		}
		collect(doc["components"].(map[string]any)["schemas"].(map[string]any)[name])
		return s, seeds
	}
	checks := transportChecks()
	var subjects []subject
	for _, s := range []struct{ ours, file, theirs string }{
		{"client_send", "ucrm-client-bundled.json", "senderRequest"},
		{"p2p_send", "ucrm-p2p-bundled.json", "senderRequestP2P"},
		{"receive", "ucrm-client-bundled.json", "receiverRequest"},
		{"commit", "ucrm-client-bundled.json", "messageRef"},
		{"participant", "ucrm-client-bundled.json", "commParticipant"},
	} {
		o, seeds := oracle(s.file, s.theirs)
		if len(seeds) == 0 {
			t.Errorf("%s has no published example", s.theirs)
		}
		sub := subject{name: s.theirs, oracle: o, seeds: append(seeds, transportSeeds[s.ours]...), ours: checks[s.ours]}
		if s.ours == "commit" {
			// Sequence numbers are int64 by the published format, which the
			// oracle doesn't assert.
			sub.stricter = func(e *Error) bool {
				return e.Place == "/sequenceId" && (e.Key == "ucri.rule.small" || e.Key == "ucri.rule.large")
			}
		}
		subjects = append(subjects, sub)
	}
	compare(t, subjects)
}
