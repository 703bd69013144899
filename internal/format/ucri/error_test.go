package ucri

import (
	"encoding/json"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var allCodes = []Code{460, 461, 462, 463, 464, 465, 466, 467, 468, 470, 475, 478, 479, 480, 491}

// TestTexts holds every key that the package can produce to a text in each
// language, and every text to a key.
func TestTexts(t *testing.T) {
	keys := map[string]bool{}
	for _, c := range allCodes {
		keys[c.Key()] = true
	}
	for _, k := range []string{"truncated", "syntax", "trailing", "control", "escape", "surrogate", "utf8", "duplicate", "depth"} {
		keys["ucri.json."+k] = true
	}
	for _, k := range []string{"type", "missing", "unknown", "enum", "any_of", "few_members", "few_items", "many_items", "short", "long", "small", "large", "fraction", "uuid", "date", "date_time"} {
		keys["ucri.rule."+k] = true
	}
	for _, p := range patterns {
		keys["ucri.rule."+p.Rule] = true
	}
	for _, k := range []string{"unknown", "version", "schema", "other", "encrypted", "content_type", "unsupported", "message"} {
		keys["ucri.app."+k] = true
	}
	for _, k := range []string{"missing", "form", "header", "content", "no_key", "key", "key_size", "wrong"} {
		keys["ucri.signature."+k] = true
	}
	placeholder := regexp.MustCompile(`\{[a-z]+\}`)
	holders := func(s string) map[string]int {
		m := map[string]int{}
		for _, p := range placeholder.FindAllString(s, -1) {
			m[p]++
		}
		return m
	}
	for _, lang := range []string{"cs", "de", "pl", "en"} {
		raw, err := fs.ReadFile(Locales(), "locales/"+lang+".json")
		if err != nil {
			t.Fatal(err)
		}
		var texts map[string]string
		if err := json.Unmarshal(raw, &texts); err != nil {
			t.Fatal(err)
		}
		for k := range keys {
			if texts[k] == "" {
				t.Errorf("%s: no text for %s", lang, k)
			}
		}
		for k, s := range texts {
			if !keys[k] {
				t.Errorf("%s: nothing uses %s", lang, k)
			}
			if lang != "en" && s == english()[k] {
				t.Errorf("%s: %s is English", lang, k)
			}
			if diff := cmp.Diff(holders(english()[k]), holders(s)); diff != "" {
				t.Errorf("%s: placeholders of %s: %s", lang, k, diff)
			}
		}
	}
}

func TestErrorBody(t *testing.T) {
	_, bad := ParseClientSend([]byte(`{"source":"x"}`))
	if bad == nil {
		t.Fatal("accepted")
	}
	got := bad.Body(func(key string, args map[string]any) string {
		if args["place"] != nil {
			return key + " " + args["place"].(string)
		}
		return key
	})
	want := ErrorBody{Code: 460, Reason: "ucri.rule.oid #/source", Message: "ucri.code.460"}
	if got != want {
		t.Errorf("got %+v", got)
	}
	raw, err := json.Marshal(got)
	if err != nil || string(raw) != `{"code":460,"reason":"ucri.rule.oid #/source","message":"ucri.code.460"}` {
		t.Errorf("%s %v", raw, err)
	}
}

// TestErrorsShowNoContent plants a secret in every value of a document and
// looks for it in the texts.
func TestErrorsShowNoContent(t *testing.T) {
	const secret = "Nováková"
	for _, x := range examples(t) {
		var spoil func(v any) any
		spoil = func(v any) any {
			switch v := v.(type) {
			case map[string]any:
				for k := range v {
					v[k] = spoil(v[k])
				}
			case []any:
				for i := range v {
					v[i] = spoil(v[i])
				}
			case string:
				return secret
			}
			return v
		}
		doc := text(t, spoil(decodeTree(t, x.valid[0])))
		p := x.payload(doc)
		if err := CheckData(&p); err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%v: %v", x.msg, err)
		}
	}
}

func FuzzValidate(f *testing.F) {
	f.Add("incident_transfer", "incident", benchIncident)
	for _, x := range examples(f) {
		f.Add(x.msg.app, x.msg.schema, x.valid[0])
	}
	f.Fuzz(func(t *testing.T, app, schemaID, data string) {
		p := Payload{AppID: app, AppVersion: "1.0", SchemaID: schemaID, ContentType: ContentJSON, Data: data}
		err := CheckData(&p)
		if err == nil && !json.Valid([]byte(data)) {
			t.Fatal("accepted what is not JSON")
		}
		if err != nil && (err.Error() == "" || strings.Contains(err.Key, " ")) {
			t.Fatalf("%+v", err)
		}
	})
}
