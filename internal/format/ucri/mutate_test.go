package ucri

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"
)

// mutator changes JSON documents at random but repeatably. It knows fragments
// (values by member name) of all its seeds, so that many changes stay valid.
type mutator struct {
	r         *rand.Rand
	fragments map[string][]any
	names     []string
}

func newMutator(t testing.TB, seed uint64, docs []string) *mutator {
	m := &mutator{r: rand.New(rand.NewPCG(seed, 1)), fragments: map[string][]any{}}
	for _, d := range docs {
		m.collect(decodeTree(t, d))
	}
	for name := range m.fragments {
		m.names = append(m.names, name)
	}
	sort.Strings(m.names)
	return m
}

func decodeTree(t testing.TB, doc string) any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(doc))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
	return v
}

func (m *mutator) collect(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range sortedKeys(v) {
			m.fragments[k] = append(m.fragments[k], v[k])
			m.collect(v[k])
		}
	case []any:
		for _, e := range v {
			m.collect(e)
		}
	}
}

func sortedKeys(v map[string]any) []string {
	keys := make([]string, 0, len(v))
	for k := range v {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// mutate returns a changed copy of a document as JSON text.
func (m *mutator) mutate(doc any) string {
	v := m.change(clone(doc), m.r.IntN(24))
	if m.r.IntN(3) == 0 {
		v = m.change(v, m.r.IntN(24))
	}
	var b bytes.Buffer
	m.encode(&b, v, m.r.IntN(4) == 0)
	return b.String()
}

func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	}
	return v
}

// change walks down to a random place and changes what is there.
func (m *mutator) change(v any, op int) any {
	switch v := v.(type) {
	case map[string]any:
		if len(v) > 0 && m.r.IntN(4) > 0 {
			keys := sortedKeys(v)
			k := keys[m.r.IntN(len(keys))]
			switch {
			case op == 0:
				delete(v, k)
			case op <= 4 && len(m.fragments[k]) > 0:
				v[k] = clone(m.fragments[k][m.r.IntN(len(m.fragments[k]))])
			case op == 5:
				v[m.name()] = v[k]
				delete(v, k)
			default:
				v[k] = m.change(v[k], op)
			}
			return v
		}
		if op < 16 { // a member that the specification may or may not know here
			name := m.name()
			if f := m.fragments[name]; len(f) > 0 {
				v[name] = clone(f[m.r.IntN(len(f))])
			} else {
				v[name] = m.value()
			}
			return v
		}
	case []any:
		if len(v) > 0 && m.r.IntN(3) > 0 {
			i := m.r.IntN(len(v))
			switch op {
			case 0:
				return slices.Delete(v, i, i+1)
			case 1, 2:
				return append(v, clone(v[i]))
			}
			v[i] = m.change(v[i], op)
			return v
		}
		if op == 3 {
			return []any{}
		}
	case string:
		if op > 6 {
			return m.text(v)
		}
	case json.Number:
		if op > 4 {
			return m.number(v)
		}
	}
	if op == 23 {
		for range 1 + m.r.IntN(9) {
			if m.r.IntN(2) == 0 {
				v = []any{v}
			} else {
				v = map[string]any{m.name(): v}
			}
		}
		return v
	}
	return m.value()
}

func (m *mutator) name() string {
	if m.r.IntN(6) == 0 {
		return [...]string{"", "x", "Status", "a/b~c", "přípona", "__proto__", "destination", "sequenceId", "street "}[m.r.IntN(9)]
	}
	return m.names[m.r.IntN(len(m.names))]
}

func (m *mutator) value() any {
	switch m.r.IntN(9) {
	case 0:
		return nil
	case 1:
		return true
	case 2:
		return map[string]any{}
	case 3:
		return []any{}
	case 4, 5:
		return m.number("1")
	default:
		return m.text("x")
	}
}

var numbers = []json.Number{
	"0", "-0", "-0.0", "0e5", "1", "-1", "1.0", "1.5", "1e2", "10e-1", "15e-1", "1E+1", "-1e-3", "9", "10", "9.999999", "30", "31", "30.0", "3e1", "30.000000000000000000001",
	"90", "90.0", "9e1", "90.0000001", "90.00000000000000000000000000001", "-90", "-90.00000000000000000001", "89.99999999999999999999", "900e-1", "900000001e-7",
	"180", "-180", "180.00001", "1.8e2", "18001e-2", "86400", "86400.0", "86401", "8.64e4", "86400.5", "200", "502", "504", "200.0", "2e2", "20.0e1", "503",
	"9223372036854775807", "123456789012345678901234567890", "1e400", "1e-400", "-1e400", "0.000000000000000000000000000000001", "464", "2.5",
}

func (m *mutator) number(old json.Number) any {
	if m.r.IntN(8) == 0 && old != "0" && old != "-0" {
		return old + "0"
	}
	return numbers[m.r.IntN(len(numbers))]
}

var texts = []string{
	"", " ", "x", "null", "accepted", "rejected", "Accepted", "completed_sucessfully", "completed_successfully", "aborted", "Male", "Female", "Diverse", "online", "offline", "unknown", "off",
	"client", "ucrm", "RSA", "EC", "NONE", "NACK", "ALL", "none", "application/json", "application/jose", "text/plain", "consultation_needed", "dieselTank", "hydrogenStorage",
	"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911", "7D3C1A52-90EF-4B1E-8A6B-2F54C1D0E911", "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e91", "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e91g", "7d3c1a5290ef4b1e8a6b2f54c1d0e911", "{7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911}", "7d3c1a52-90ef-4b1e-8a6b2-f54c1d0e911",
	"2026-03-01T14:03:12Z", "2026-03-01t14:03:12z", "2026-03-01T14:03:12.123456789012+01:00", "2026-03-01T14:03:12.+01:00", "2026-03-01T14:03:12", "2026-03-01 14:03:12Z", "2026-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2000-02-29T00:00:00Z",
	"2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-04-31T00:00:00Z", "2026-04-00T00:00:00Z", "2026-03-01T24:00:00Z", "2026-03-01T23:60:00Z", "2026-03-01T23:59:60Z", "2026-03-01T22:59:60Z", "2026-03-01T23:59:61Z", "2026-03-02T00:59:60+01:00", "2026-03-01T22:59:60-01:00", "2026-03-01T23:59:60+00:01", "2026-03-01T00:00:00+24:00", "2026-03-01T00:00:00+23:59", "2026-03-01T00:00:00-00:60", "2026-03-01T00:00:00+0100", "0000-01-01T00:00:00Z", "20260-03-01T00:00:00Z", "2026-3-1T00:00:00Z", "2026-03-01T14:03:12,5Z", "２026-03-01T14:03:12Z",
	"1984-07-31", "1984-06-31", "1984-7-31", "84-07-31", "1984-07-31Z", "1984/07/31", "1984-02-30", "2000-02-29", "2100-02-29",
	"0", "02763", "463 34", "46334-1", "000000111", "00000011", "0000001111", "00000011a", "421391", "4213911", "213", "21", "٣٤٥", "١٢٣٤٥٦٧٨٩",
	"CZ", "cz", "CZE", "C", "ČZ", "CZ\n", "123\n", "1.2.3\n",
	"1", "1.", "1..2", ".1", "1.2.3", "1.2.3.", "1,2", "1.a", "1.2.203.5.1.58.28.2.1", "٣.1", "1 ", "-1",
	strings.Repeat("ž", 100), strings.Repeat("ž", 101), strings.Repeat("🚑", 100), strings.Repeat("a", 100), strings.Repeat("a", 101), strings.Repeat("🚑", 9), strings.Repeat("1", 28) + "x",
	"\x00\x1f\b\f\n\r\t\"\\/", "\u2028\u2029\ufeff\ufffd", "eyJ0eXAi.x.y",
}

func (m *mutator) text(old string) any {
	switch m.r.IntN(10) {
	case 0:
		return old + "1"
	case 1:
		r := []rune(old)
		return string(r[:len(r)/2])
	case 2:
		return strings.ToUpper(old)
	}
	return texts[m.r.IntN(len(texts))]
}

// encode writes v, with strange turns the same for every reader: random
// escapes and white space.
func (m *mutator) encode(b *bytes.Buffer, v any, odd bool) {
	space := func() {
		if odd && m.r.IntN(3) == 0 {
			b.WriteString([...]string{" ", "\n", "\t", "\r\n  "}[m.r.IntN(4)])
		}
	}
	space()
	switch v := v.(type) {
	case map[string]any:
		b.WriteByte('{')
		for i, k := range sortedKeys(v) {
			if i > 0 {
				b.WriteByte(',')
			}
			m.encode(b, k, odd)
			b.WriteByte(':')
			m.encode(b, v[k], odd)
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			m.encode(b, e, odd)
		}
		b.WriteByte(']')
	case string:
		b.WriteByte('"')
		for _, r := range v {
			switch {
			case odd && m.r.IntN(8) == 0 && r < 0x10000:
				fmt.Fprintf(b, `\u%04X`, r)
			case odd && r == '/':
				b.WriteString(`\/`)
			case odd && r > 0xffff:
				r -= 0x10000
				fmt.Fprintf(b, `\u%04x\u%04X`, 0xd800+r>>10, 0xdc00+r&0x3ff)
			case r < 0x20 || r == '"' || r == '\\':
				fmt.Fprintf(b, `\u%04x`, r)
			default:
				b.WriteRune(r)
			}
		}
		b.WriteByte('"')
	case json.Number:
		b.WriteString(string(v))
	case nil:
		b.WriteString("null")
	case bool:
		fmt.Fprint(b, v)
	default:
		panic(fmt.Sprintf("%T", v))
	}
	space()
}
