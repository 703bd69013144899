package emsi

import (
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"trojmezi/internal/format/tree"
)

// draw fills a struct with what the standard permits.
func draw(t *rapid.T, v reflect.Value, p *plan) {
	for i := range p.fields {
		f := &p.fields[i]
		at := v.Field(f.index)
		n := rapid.IntRange(0, 1).Draw(t, f.name)
		if f.required {
			n = 1
		}
		if f.many {
			n = rapid.IntRange(n, 2).Draw(t, f.name)
		}
		for range n {
			if f.many {
				one := reflect.New(at.Type().Elem()).Elem()
				drawValue(t, one, f)
				at.Set(reflect.Append(at, one))
				continue
			}
			drawValue(t, at, f)
		}
	}
}

func drawValue(t *rapid.T, at reflect.Value, f *field) {
	if at.Kind() == reflect.Pointer {
		at.Set(reflect.New(at.Type().Elem()))
		at = at.Elem()
	}
	switch f.kind {
	case groupField:
		draw(t, at, f.plan)
	case codeField:
		at.Set(reflect.ValueOf(Of(rapid.SampledFrom(Codes(f.list)).Draw(t, f.name))))
	case timeField:
		zone := time.FixedZone("", 15*60*rapid.IntRange(-14*4, 14*4).Draw(t, "zone"))
		at.Set(reflect.ValueOf(At(time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, f.name), 0).In(zone))))
	case wholeField:
		at.SetInt(int64(rapid.Int32().Draw(t, f.name)))
	case decimalField:
		at.SetString(rapid.StringMatching(`-?(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?`).Draw(t, f.name))
	default:
		at.SetString(rapid.Map(rapid.String(), strings.TrimSpace).Filter(writable).Draw(t, f.name))
	}
}

// writable reports whether XML has all characters of a text.
func writable(s string) bool {
	for _, r := range s {
		if r < ' ' || r == 0xFFFE || r == 0xFFFF || r == '\uFFFD' {
			return false
		}
	}
	return true
}

// What is written in either syntax is valid and read as the same message.
func TestWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &Message{}
		draw(t, reflect.ValueOf(m).Elem(), rootPlan)
		for _, s := range []tree.Syntax{tree.XML, tree.JSON} {
			out := Write(m, s)
			d, f := tree.Parse(out, tree.DefaultLimits)
			if f != nil {
				t.Fatalf("%v in\n%s", f, out)
			}
			if found := Check(d); len(found) > 0 {
				t.Fatalf("%+v in\n%s", found, out)
			}
			n, path, _ := Find(d.Root, d.Syntax, "")
			got, _ := Read(n, s, path)
			if diff := cmp.Diff(m, got); diff != "" {
				t.Fatalf("%s\n%s", diff, out)
			}
		}
	})
}

func TestTimes(t *testing.T) {
	for text, want := range map[string]string{
		"2026-03-14T17:41:02+01:00": "2026-03-14T17:41:02+01:00", "2026-03-14T16:41:02Z": "2026-03-14T16:41:02+00:00",
		"2026-03-14T17:41+01:00": "2026-03-14T17:41:00+01:00", "2026-03-14t17:41:02.9+0100": "2026-03-14T17:41:02+01:00",
		"2026-03-14T17:41:02": "", "14. 3. 2026": "", "0000-01-01T00:00:00Z": "",
	} {
		if got := formatTime(parseTime(text).At, tree.JSON); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	paris := time.FixedZone("LMT", 561)
	for at, want := range map[time.Time]string{
		time.Date(1890, 1, 1, 0, 9, 21, 0, paris): "1890-01-01T00:00:00+00:00", {}: "", time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC): "",
		time.Date(2026, 1, 1, 0, 0, 0, 0, time.FixedZone("", 15*3600)): "2025-12-31T09:00:00+00:00",
	} {
		if got := formatTime(at, tree.JSON); got != want {
			t.Errorf("%v: %s, want %s", at, got, want)
		}
	}
	if got := formatTime(parseTime("2026-03-14T17:41:02.25+01:00").At, tree.XML); got != "2026-03-14T17:41:02.25+01:00" {
		t.Errorf("a fraction became %s", got)
	}
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]Decimal{
		"1": "1", "+01.50": "1.50", "-.5": "-0.5", "5.": "5", "000": "0", "1,25": "1.25", "1e2": "100", "-1.5E-3": "-0.0015",
		"": "", ".": "", "1.2.3": "", "1,2,3": "", "0x1": "", "NaN": "", "1e999": "", "1 000": "",
	} {
		if got, ok := parseDecimal(text); got != want || ok != (want != "") {
			t.Errorf("%s: %s %v, want %s", text, got, ok, want)
		}
	}
	for text, want := range map[string]int32{"7": 7, "+007": 7, "-7": -7, "95.0": 95, "2e3": 2000} {
		if got, ok := parseWhole(text); got != want || !ok {
			t.Errorf("%s: %d %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "x", "1.5", "2147483648", "1e300", "-2147483649"} {
		if v, ok := parseWhole(text); ok {
			t.Errorf("%s is %d", text, v)
		}
	}
	if DecimalOf(math.NaN()) != "" || DecimalOf(math.Inf(1)) != "" || DecimalOf(50.7663) != "50.7663" || Decimal("").Float() != 0 {
		t.Error("decimals of floating-point numbers")
	}
}

// A message that others make is written as far as it has a form, and never as what
// cannot be read.
func TestWriteOdd(t *testing.T) {
	m := &Message{Event: &Event{ID: "E", Scale: Code{Text: "exercise"}, Risk: Code{Text: "increa"}, Status: Code{Known: "NONE"}}}
	m.Event.Type = &EventType{Category: []Code{{Text: "FIR/CZ_X"}, {Text: "?"}}, Location: []Code{{Text: "road"}, {Text: "MOON/CZ_X"}, {}}}
	m.Event.Areas = []Area{{Position: &Position{Coords: []Coord{{Lat: "x", Long: "+1"}}}}}
	want := `{
  "CONTEXT": {
    "ID": ""
  },
  "EVENT": {
    "ID": "E",
    "ETYPE": {
      "CATEGORY": [
        "FIR"
      ],
      "LOCTYPE": [
        "ROAD",
        "MOON/CZ_X"
      ]
    },
    "RISK_ASSESMENT": "NCREA",
    "EGEO": [
      {
        "POSITION": {
          "COORD": [
            {
              "LONG": 1
            }
          ]
        }
      }
    ]
  }
}
`
	if d := cmp.Diff(want, string(Write(m, tree.JSON))); d != "" {
		t.Error(d)
	}
}

// own are our own messages.
var own = []string{"testdata/accident", "testdata/fire"}

// Every message that is written again stays valid, whatever was changed in it,
// as long as it was valid.
func TestValidStaysValid(t *testing.T) {
	for _, s := range []tree.Syntax{tree.XML, tree.JSON} {
		n := 0
		for _, doc := range mutants(t, s, total()/4, own...) {
			d := parse(t, doc)
			if len(CheckNode(d.Root, s, "")) > 0 {
				continue
			}
			n++
			m, _ := Read(d.Root, s, "")
			for _, to := range []tree.Syntax{tree.XML, tree.JSON} {
				if found := Check(parse(t, Write(m, to))); len(found) > 0 {
					t.Fatalf("%s to %s: %v\n%s", s, to, found, doc)
				}
			}
		}
		if n < 100 {
			t.Errorf("%s: only %d valid messages", s, n)
		}
	}
}

// values are all that a message says, by how often it does; numbers in one form.
func values(v reflect.Value, all map[string]int) {
	switch of := v.Interface().(type) {
	case Code:
		all[plain(of.Text)]++
	case Time:
		all[plain(of.Text)]++
	case Value:
		all[plain(of.Text)]++
	case int32:
		all[plain(strconv.Itoa(int(of)))]++
	default:
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				values(v.Elem(), all)
			}
		case reflect.Slice:
			for i := range v.Len() {
				values(v.Index(i), all)
			}
		case reflect.Struct:
			for i := range v.NumField() {
				values(v.Field(i), all)
			}
		default:
			all[plain(v.String())]++
		}
	}
}

func plain(text string) string {
	text = strings.TrimSpace(text)
	if d, ok := parseDecimal(text); ok {
		return string(DecimalOf(d.Float() + 0))
	}
	return text
}

// lost are the values of a document that its message does not say.
func lost(n *tree.Node, s tree.Syntax, m *Message) (all []string) {
	said := map[string]int{}
	values(reflect.ValueOf(m), said)
	for path, leaf := range (&tree.Document{Syntax: s, Root: n}).Leaves() {
		text := plain(leaf.Text)
		if text == "" || leaf.Kind == tree.Null {
			continue
		}
		if said[text]--; said[text] < 0 {
			all = append(all, path+" = "+leaf.Text)
		}
	}
	return all
}

// Whatever was done to a message, each of its values is in a field or put aside.
func TestNothingIsLost(t *testing.T) {
	for _, s := range []tree.Syntax{tree.XML, tree.JSON} {
		for _, doc := range append(mutants(t, s, total()/4, own...), file(t, "liberal."+string(s))) {
			d := parse(t, doc)
			m, _ := Read(d.Root, s, "")
			if all := lost(d.Root, s, m); len(all) > 0 {
				t.Fatalf("lost %q of\n%s", all, doc)
			}
		}
	}
}
