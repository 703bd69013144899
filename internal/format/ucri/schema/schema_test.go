package schema

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"
)

const head = `"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"urn:t"`

func load(body string) (*Set, error) {
	return Load(fstest.MapFS{"t.json": {Data: []byte(`{` + head + `,` + body + `}`)}}, map[string]Pattern{"^a$": {"a", func(s string) bool { return s == "a" }}})
}

// TestLoadRefuses shows that nothing in a document is silently ignored.
func TestLoadRefuses(t *testing.T) {
	object := `"type":"object","properties":{"a":{"type":"string"}}`
	for body, reason := range map[string]string{
		`"type":"object","additionalProperties":false`: `keyword "additionalProperties"`,
		`"type":"object","if":{}`:                      `keyword "if"`,
		`"type":"string","minimum":1`:                  `keyword "minimum"`,
		`"type":"object","minLength":1`:                `keyword "minLength"`,
		`"type":"boolean","enum":[true]`:               `keyword "enum"`,
		`"type":"null"`:                                `type "null"`,
		`"type":"string","properties":{}`:              `keyword "properties"`,
		`"type":["string","null"]`:                     `no type`,
		`"type":"string","pattern":"^b$"`:              `no implementation`,
		`"type":"string","pattern":5`:                  `pattern is`,
		`"type":"string","format":"email"`:             `format "email"`,
		`"type":"string","enum":[1]`:                   `enum holds`,
		`"type":"string","maxLength":-1`:               `maxLength is`,
		`"type":"string","maxLength":1.5`:              `maxLength is`,
		`"type":"integer","enum":[1.5]`:                `plain integers`,
		`"type":"integer","enum":["1"]`:                `plain integers`,
		`"type":"number","minimum":"1"`:                `minimum is`,
		`"type":"array"`:                               `not an object`,
		`"type":"array","items":true`:                  `not an object`,
		`"type":"array","items":{}`:                    `no type`,
		object + `,"required":["b"]`:                   `no schema`,
		object + `,"unevaluatedProperties":true`:       `only be false`,
		object + `,"anyOf":[{"required":["b"]}]`:       `no schema`,
		object + `,"anyOf":[{"type":"object"}]`:        `one required list`,
		object + `,"anyOf":{}`:                         `anyOf is`,
		`"type":"object","properties":{"` + strings.Repeat("n", 41) + `":{"type":"string"}}`:         `too long`,
		`"type":"object","properties":{` + manyProperties(65) + `}`:                                  `more than 64`,
		`"type":"object","$ref":"urn:x"`:                                                             `no such document`,
		`"type":"object","$ref":"#/$defs/x"`:                                                         `no such definition`,
		`"type":"object","$ref":"#/properties/x"`:                                                    `no such definition`,
		`"type":"object","$ref":"#/$defs/x","$defs":{"x":{"$ref":"#/$defs/x"}}`:                      `recursive`,
		`"type":"object","$ref":"#/$defs/x","$defs":{"x":{"type":"string"}}`:                         `type "object"`,
		`"type":"string","$ref":"#/$defs/x","maxLength":1,"$defs":{"x":{"type":"string"}}`:           `keyword "maxLength"`,
		object + `,"$ref":"#/$defs/x","$defs":{"x":{` + object + `}}`:                                `defined by the $ref`,
		object + `,"$ref":"#/$defs/x","$defs":{"x":{"type":"object","unevaluatedProperties":false}}`: `the $ref is closed`,
		object + `,"$defs":{"unused":{"type":"string","const":"x"}}`:                                 `keyword "const"`,
		object + `,"anyOf":[{"required":["a"]}],"$ref":"#/$defs/x","$defs":{"x":{"type":"object","properties":{"b":{"type":"string"}},"anyOf":[{"required":["b"]}]}}`: `anyOf here and`,
	} {
		if _, err := load(body); err == nil || !strings.Contains(err.Error(), reason) || !strings.Contains(err.Error(), "t.json") {
			t.Errorf("%s: %v", body, err)
		}
	}
	for doc, reason := range map[string]string{
		`{`: "EOF", `[]`: "cannot unmarshal", `{}`: "$schema", `{` + head + `,"type":"object"} {}`: "more than one",
		`{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object"}`:          "$id is missing",
		`{"$schema":"http://json-schema.org/draft-07/schema#","$id":"urn:t","type":"object"}`: "$schema is not",
	} {
		if _, err := Load(fstest.MapFS{"t.json": {Data: []byte(doc)}}, nil); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v", doc, err)
		}
	}
	same := &fstest.MapFile{Data: []byte(`{` + head + `,"type":"object"}`)}
	if _, err := Load(fstest.MapFS{"a.json": same, "b.json": same}, nil); err == nil || !strings.Contains(err.Error(), "is that of a.json too") {
		t.Errorf("same $id twice: %v", err)
	}
}

func manyProperties(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`"p%d":{"type":"string"}`, i)
	}
	return strings.Join(list, ",")
}

func TestSixtyFourMembers(t *testing.T) {
	set, err := load(`"type":"object","properties":{` + manyProperties(64) + `},"required":["p63","p0"],"unevaluatedProperties":false`)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for i := range 64 {
		all = append(all, `"p`+strconv.Itoa(i)+`":""`)
	}
	s := set.Get("urn:t")
	if v, f := s.Validate(`{`+strings.Join(all, ",")+`}`, 1); v != nil || f != nil {
		t.Errorf("%+v %v", v, f)
	}
	if v, _ := s.Validate(`{`+strings.Join(all[:63], ",")+`}`, 1); v == nil || v.Args["member"] != "p63" {
		t.Errorf("%+v", v)
	}
	if _, f := s.Validate(`{`+strings.Join(all, ",")+`,"p63":""}`, 1); f == nil || f.Member != "p63" {
		t.Errorf("%+v", f)
	}
}

// TestInheritedRequirements renumbers the members of a $ref among new ones.
func TestInheritedRequirements(t *testing.T) {
	set, err := load(`"type":"object","$ref":"#/$defs/x","properties":{"a":{"type":"string"},"zzzz":{"type":"string"}},"required":["zzzz"],"unevaluatedProperties":false,
		"$defs":{"x":{"type":"object","properties":{"mm":{"type":"string"},"nn":{"type":"string"},"oo":{"type":"string"}},"required":["oo"],"anyOf":[{"required":["mm"]},{"required":["nn","oo"]}]}}`)
	if err != nil {
		t.Fatal(err)
	}
	for doc, want := range map[string]string{
		`{"oo":"","mm":"","zzzz":""}`:        "",
		`{"oo":"","nn":"","zzzz":"","a":""}`: "",
		`{"oo":"","zzzz":""}`:                "any_of",
		`{"mm":"","zzzz":""}`:                "missing",
		`{"oo":"","mm":""}`:                  "missing",
		`{"oo":"","mm":"","zzzz":"","b":""}`: "unknown",
	} {
		v, f := set.Get("urn:t").Validate(doc, 2)
		if f != nil || v == nil && want != "" || v != nil && v.Rule != want {
			t.Errorf("%s: %+v %v", doc, v, f)
		}
	}
}

func jsonNumbers() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		s := rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign") + rapid.SampledFrom([]string{"0", "1", "90", "180", "9", "99", "100", "123456789012345678", "9223372036854775807", "9223372036854775808", "99999999999999999999"}).Draw(t, "whole")
		s += rapid.StringMatching(`(\.[09]{0,3}[0-9]{1,3}0{0,2})?`).Draw(t, "fraction")
		return s + rapid.StringMatching(`([eE][+-]?0?[0-9]{1,2})?`).Draw(t, "exponent")
	})
}

// TestNumbersAreExact compares with rational arithmetic.
func TestNumbersAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := jsonNumbers().Draw(t, "a"), jsonNumbers().Draw(t, "b")
		ra, _ := new(big.Rat).SetString(a)
		rb, _ := new(big.Rat).SetString(b)
		da, db := parseDecimal(a), parseDecimal(b)
		if got, want := da.compare(db), ra.Cmp(rb); got != want {
			t.Fatalf("%s to %s: %d, want %d", a, b, got, want)
		}
		if da.integer() != ra.IsInt() {
			t.Fatalf("%s: integer %v", a, da.integer())
		}
		n, ok := Int64(a)
		if ok != ra.IsInt() {
			t.Fatalf("%s: %v", a, ok)
		}
		if ok {
			want := ra.Num()
			switch {
			case want.Cmp(big.NewInt(math.MaxInt64)) > 0:
				want = big.NewInt(math.MaxInt64)
			case want.Cmp(big.NewInt(math.MinInt64)) < 0:
				want = big.NewInt(math.MinInt64)
			}
			if n != want.Int64() {
				t.Fatalf("%s: %d, want %v", a, n, want)
			}
		}
		low := rapid.Int64Range(-200, 0).Draw(t, "low")
		high := rapid.Int64Range(0, 200).Draw(t, "high")
		set, err := load(fmt.Sprintf(`"type":"number","minimum":%d,"maximum":%d`, low, high))
		if err != nil {
			t.Fatal(err)
		}
		v, _ := set.Get("urn:t").Validate(a, 0)
		if inside := ra.Cmp(big.NewRat(low, 1)) >= 0 && ra.Cmp(big.NewRat(high, 1)) <= 0; (v == nil) != inside {
			t.Fatalf("%s in [%d, %d]: %+v", a, low, high, v)
		}
	})
}

func TestGiantExponentsTakeNoTime(t *testing.T) {
	start := time.Now()
	for raw, want := range map[string]int{"1e999999999999999999999": 1, "-1e999999999999999999999": -1, "1e-999999999999999999999": 1, "0e999999999999999999999": 0, "0.0e-5": 0, "-0": 0} {
		if got := parseDecimal(raw).compare(decimal{}); got != want {
			t.Errorf("%s: %d", raw, got)
		}
	}
	if n, ok := Int64("1e99999999999"); !ok || n != math.MaxInt64 {
		t.Errorf("%d %v", n, ok)
	}
	if n, ok := Int64(strings.Repeat("1", 1_000_000)); !ok || n != math.MaxInt64 {
		t.Errorf("%d %v", n, ok)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// timestamp is the grammar of RFC 3339 §5.6. time.Parse alone also takes an hour
// of one digit, a comma before the fraction and an offset of 24 hours.
var timestamp = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// isTimestamp is IsDateTime by the standard library, which knows no leap seconds.
func isTimestamp(s string) bool {
	if !timestamp.MatchString(s) {
		return false
	}
	s = strings.ToUpper(s)
	leap := s[17:19] == "60"
	if leap {
		s = s[:17] + "59" + s[19:]
	}
	at, err := time.Parse(time.RFC3339, s)
	return err == nil && (!leap || at.UTC().Format(time.TimeOnly) == "23:59:59")
}

func FuzzFormats(f *testing.F) {
	for _, s := range []string{"2026-03-01T14:03:12.5+01:00", "2024-02-29", "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911", "2016-12-31T23:59:60Z", "2017-01-01t00:59:60.5+01:00", "2016-12-31T23:59:60+01:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if IsUUID(s) && len(s) != 36 {
			t.Errorf("%q: taken for a UUID", s)
		}
		if _, err := time.Parse("2006-01-02", s); IsDate(s) != (err == nil) {
			t.Errorf("%q: date %v, want %v", s, IsDate(s), err)
		}
		if want := isTimestamp(s); IsDateTime(s) != want {
			t.Errorf("%q: date-time %v, want %v", s, IsDateTime(s), want)
		}
	})
}
