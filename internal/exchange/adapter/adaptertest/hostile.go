package adaptertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"

	"trojmezi/internal/exchange/adapter"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/format/ucri"
)

// expires: a message is good to its end and not longer.
func expires(t T, s *suite) {
	some := 0
	for _, f := range s.contents() {
		end := f.m.Expires
		if end.IsZero() {
			continue
		}
		some++
		if _, r := s.a.Open(f.text, adapter.Arrival{Now: end.Add(-time.Second)}); r != nil {
			t.Errorf("%s is refused a second before it expires: %v", f.name, r)
		}
		if m, r := s.a.Open(f.text, adapter.Arrival{Now: end.Add(3 * time.Second)}); r == nil || r.Reason != adapter.Expired || m == nil {
			t.Errorf("%s is taken after it has expired: %v", f.name, r)
		}
	}
	if some == 0 {
		t.Errorf("no message in the folder ever expires")
	}
}

// impossible: what no clock and no map can have is refused as that, and a desk's clock
// that is minutes off is not.
func impossible(t T, s *suite) {
	for _, c := range []struct {
		name, began string
		life        time.Duration
		want        adapter.Reason
	}{
		{"began a day after it was sent", "2026-03-02T14:03:12Z", time.Hour, adapter.Impossible},
		{"ended before it was sent", "2026-03-01T13:00:00Z", -time.Hour, adapter.Impossible},
		{"began a minute after it was sent", "2026-03-01T13:04:13Z", time.Hour, ""},
	} {
		m := s.out(t, sample{c.name, convert.KindIncident, envelope("incident_transfer", "incident", `{"sharedIncidentId":"`+shared+`","sentByDispatcherAt":"2026-03-01T13:03:12Z",
			"startTimestamp":"`+c.began+`","issue":"x","missionLocation":{"address":{"street":"s","city":"Zittau"},"coordinate":{"lat":50,"lon":14}}}`)})
		m.Expires = m.Sent.Add(c.life)
		out, fault := s.a.Encode(m)
		if fault != nil {
			continue // refused before it was sent
		}
		if _, r := s.a.Open(out.Bytes, adapter.Arrival{Now: m.Sent.Add(time.Second)}); reason(r) != c.want {
			t.Errorf("%s: %v, not %q\n%s", c.name, r, c.want, out.Bytes)
		}
	}
}

// addressed: a sender is whom the transport knows, a receiver one of ours.
func addressed(t T, s *suite) {
	for _, f := range s.contents() {
		at := now(f.m)
		for _, c := range []struct {
			at   adapter.Arrival
			want adapter.Reason
		}{
			{adapter.Arrival{Now: at}, ""},
			{adapter.Arrival{Now: at, From: f.m.Sender, Own: []string{"another", f.m.Receiver}}, ""},
			{adapter.Arrival{Now: at, From: "somebody"}, adapter.WrongSender},
			{adapter.Arrival{Now: at, Own: []string{"another"}}, adapter.Unroutable},
		} {
			_, r := s.a.Open(f.text, c.at)
			if got := reason(r); got != c.want {
				t.Errorf("%s at %+v: %q, not %q", f.name, c.at, got, c.want)
			}
		}
	}
}

func reason(r *adapter.Refusal) adapter.Reason {
	if r == nil {
		return ""
	}
	return r.Reason
}

// acknowledges: a machine's receipt names the message, and nobody answers receipts.
func acknowledges(t T, s *suite) {
	for _, f := range s.fixtures {
		reply := adapter.Reply{Now: now(f.m).UTC(), Life: time.Hour}
		ack, fault := s.a.Acknowledge(f.m, reply)
		no, fault2 := s.a.Refuse(f.m, &adapter.Refusal{Reason: adapter.Expired}, reply)
		if f.m.Kind == convert.KindReceipt {
			if ack != nil || no != nil {
				t.Errorf("%s is answered", f.name)
			}
			continue
		}
		if fault != nil || fault2 != nil || ack == nil || no == nil {
			t.Errorf("%s is not answered: %v, %v", f.name, fault, fault2)
			continue
		}
		m, fault := s.a.Decode(ack.Bytes)
		if fault != nil {
			t.Errorf("%s: own receipt refused: %v\n%s", f.name, fault, ack.Bytes)
			continue
		}
		if m.Kind != convert.KindReceipt || m.Receipt.Refused || m.Answers != f.m.ID || m.Receiver != f.m.Sender || m.Sender != f.m.Receiver || m.ID != ack.ID || !m.Sent.Equal(reply.Now) || m.Mode() != f.m.Mode() {
			t.Errorf("%s: receipt %+v\n%s", f.name, m, ack.Bytes)
		}
		again, _ := s.a.Acknowledge(f.m, reply)
		if again.ID != ack.ID || !bytes.Equal(again.Bytes, ack.Bytes) || ack.ID == f.m.ID {
			t.Errorf("%s: a receipt that is repeated is another", f.name)
		}
	}
}

// refuses: every reason can be said.
func refuses(t T, s *suite) {
	for _, f := range s.of(convert.KindIncident) {
		for _, why := range adapter.Reasons {
			out, fault := s.a.Refuse(f.m, &adapter.Refusal{Reason: why, Detail: "line 1: x"}, adapter.Reply{Now: now(f.m)})
			if fault != nil || out == nil {
				t.Errorf("%s: %s cannot be said: %v", f.name, why, fault)
				continue
			}
			m, fault := s.a.Decode(out.Bytes)
			if fault != nil || m.Kind != convert.KindReceipt || !m.Receipt.Refused || m.Receipt.Code == "" || m.Answers != f.m.ID {
				t.Errorf("%s: %s is said as %+v: %v\n%s", f.name, why, m, fault, out.Bytes)
				continue
			}
			if m.Receipt.Again != (why == adapter.Temporary) {
				t.Errorf("%s: after %s the message may be sent again: %v", f.name, why, m.Receipt.Again)
			}
			if !strings.Contains(m.Receipt.Text, "line 1: x") {
				t.Errorf("%s: %s has the text %q", f.name, why, m.Receipt.Text)
			}
		}
	}
}

// refused checks that bytes are refused, with one of some reasons, and that the refusal
// can be told to somebody.
func (s *suite) refused(t T, what string, message []byte, reasons ...adapter.Reason) {
	t.Helper()
	m, r := s.a.Open(message, adapter.Arrival{Now: time.Date(2026, 3, 1, 13, 3, 13, 0, time.UTC)})
	if r == nil {
		t.Errorf("%s is taken", what)
		return
	}
	if r.Fault == nil || r.Fault.Key == "" || r.Detail == "" {
		t.Errorf("%s is refused without a place and a text: %+v", what, r)
	}
	ok := len(reasons) == 0
	for _, want := range reasons {
		ok = ok || r.Reason == want
	}
	if !ok {
		t.Errorf("%s is refused as %q, not %v", what, r.Reason, reasons)
	}
	out, fault := s.a.Refuse(m, r, adapter.Reply{Now: time.Date(2026, 3, 1, 13, 3, 13, 0, time.UTC), Sender: "de.node", Receiver: "partner"})
	if fault != nil {
		t.Errorf("%s: the refusal cannot be told: %v", what, fault)
	} else if out != nil {
		if m, fault := s.a.Decode(out.Bytes); fault != nil || !m.Receipt.Refused {
			t.Errorf("%s: the refusal is refused: %v\n%s", what, fault, out.Bytes)
		}
	}
}

// truncated: half a message is none.
func truncated(t T, s *suite) {
	for _, f := range s.of(convert.KindIncident) {
		text := bytes.TrimSpace(f.text)
		for n := 0; n < len(text); n += 1 + len(text)/97 {
			s.refused(t, fmt.Sprintf("%s up to byte %d", f.name, n), text[:n])
		}
		s.refused(t, f.name+" without its last byte", text[:len(text)-1])
		s.refused(t, f.name+" twice", append(bytes.Clone(text), text...))
	}
}

func (s *suite) xml() bool {
	return bytes.HasPrefix(bytes.TrimLeft(s.fixtures[0].text, "\xef\xbb\xbf \t\r\n"), []byte{'<'})
}

// unreadable: neither guessed nor crashed.
func unreadable(t T, s *suite) {
	for name, text := range map[string]string{
		"nothing": "", "space": " \n", "a word": "hello", "a picture": "\x89PNG\r\n\x1a\n", "an empty object": "{}", "an array": "[]", "an empty element": "<x/>",
		"another message": `<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"/>`, "a web page": "<!DOCTYPE html><html></html>", "zero bytes": strings.Repeat("\x00", 100),
		"a name twice": `{"a":1,"a":2}`, "no UTF-8": "{\"a\":\"\xff\xfe\"}", "half a character": "{\"a\":\"\\ud800\"}", "two documents": "<a/><b/>", "envelope without content": `{"messageId":"x"}`,
	} {
		s.refused(t, name, []byte(text), adapter.Format, adapter.Invalid, adapter.Charset, adapter.Kind)
	}
	for _, f := range s.of(convert.KindIncident) {
		if !s.xml() {
			continue
		}
		declared := undeclared(t, f.text)
		bomb := `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>`
		s.refused(t, f.name+" with a type definition", append([]byte(bomb), declared...), adapter.Format)
		end := bytes.LastIndex(declared, []byte("</"))
		s.refused(t, f.name+" with an entity", append(append(bytes.Clone(declared[:end]), "&c;"...), declared[end:]...), adapter.Format)
	}
}

// undeclared is a document in UTF-8 without the line that declares it.
func undeclared(t T, text []byte) []byte {
	d, f := tree.Parse(text, tree.DefaultLimits)
	if f != nil {
		t.Fatalf("%v", f)
	}
	if i := bytes.Index(d.Text, []byte("?>")); bytes.HasPrefix(d.Text, []byte("<?xml")) && i > 0 {
		return bytes.Clone(d.Text[i+2:])
	}
	return bytes.Clone(d.Text)
}

// large: limits are met before anything is built.
func large(t T, s *suite) {
	deep := strings.Repeat(`{"a":`, 100_000)
	many := "[" + strings.Repeat("1,", 200_000) + "1]"
	if s.xml() {
		deep = strings.Repeat("<a>", 100_000)
		many = "<a>" + strings.Repeat("<b/>", 100_000) + "</a>"
	}
	s.refused(t, "too many bytes", bytes.Repeat([]byte("a "), 1<<20), adapter.TooLarge)
	s.refused(t, "too deep", []byte(deep), adapter.TooLarge)
	s.refused(t, "too many values", []byte(many), adapter.TooLarge)
	f := s.of(convert.KindIncident)[0]
	s.refused(t, f.name+" with two megabytes behind it", append(bytes.Clone(f.text), bytes.Repeat([]byte(" "), 2<<20)...), adapter.TooLarge)
}

// charsets: text arrives letter by letter, or is refused because of its characters.
func charsets(t T, s *suite) {
	sets := map[string]func(string) ([]byte, bool){
		"windows-1250": func(text string) ([]byte, bool) {
			b, err := charmap.Windows1250.NewEncoder().String(text)
			return []byte(b), err == nil
		},
		"ISO-8859-2": func(text string) ([]byte, bool) {
			b, err := charmap.ISO8859_2.NewEncoder().String(text)
			return []byte(b), err == nil
		},
		"UTF-16": func(text string) ([]byte, bool) {
			b := []byte{0xff, 0xfe}
			for _, u := range utf16.Encode([]rune(text)) {
				b = append(b, byte(u), byte(u>>8))
			}
			return b, true
		},
	}
	for _, f := range s.contents() {
		plain := undeclared(t, f.text)
		want, _ := f.m.Posts(addresses)
		for name, encode := range sets {
			head := ""
			if s.xml() {
				head = `<?xml version="1.0" encoding="` + name + `"?>`
			}
			b, ok := encode(head + string(plain))
			if !ok || string(b) == string(f.text) {
				continue // a letter of it is not in the set, or it is the same in both
			}
			m, r := s.a.Open(b, adapter.Arrival{Now: now(f.m)})
			if r != nil {
				if r.Reason != adapter.Charset {
					t.Errorf("%s in %s: %v", f.name, name, r)
				}
				continue
			}
			got, refusal := m.Posts(addresses)
			if refusal != nil || got[0].Envelope.Payload.Data != want[0].Envelope.Payload.Data {
				t.Errorf("%s in %s is another message: %v", f.name, name, refusal)
			}
			if s.xml() {
				continue
			}
			t.Errorf("%s: JSON in %s is taken", f.name, name)
		}
		if s.xml() {
			s.refused(t, f.name+" in bytes that are no UTF-8", append([]byte(`<?xml version="1.0" encoding="UTF-8"?><x>`), 0xc3, 0x28, '<', '/', 'x', '>'), adapter.Charset)
			s.refused(t, f.name+" in an unknown set", []byte(`<?xml version="1.0" encoding="EBCDIC-CP-CZ"?><x/>`), adapter.Charset)
		}
	}
}

// updates: what is told again is no news, what is told otherwise is.
func updates(t T, s *suite) {
	for _, f := range s.of(convert.KindIncident) {
		same := *f.m
		same.Kind, same.ID = convert.KindUpdate, f.m.ID+"-2"
		to := addresses
		to.Before = f.m
		posts, refusal := same.Posts(to)
		if refusal != nil {
			t.Fatalf("%s: %v", f.name, refusal)
		}
		lines, _ := valid(t, posts[0].Envelope)["notifications"].([]any)
		if len(lines) != 1 {
			t.Errorf("%s told again is %d lines of news: %s", f.name, len(lines), posts[0].Envelope.Payload.Data)
		}
		what := f.m.Content.Incident.What
		if !what.Is() || what.Text == "" {
			continue
		}
		other, fault := s.a.Decode(bytes.ReplaceAll(f.text, []byte(what.Origin.Text), []byte("Zmeneno")))
		if fault != nil || !bytes.Contains(f.text, []byte(what.Origin.Text)) {
			continue // it stands there in another writing
		}
		other.Kind = convert.KindUpdate
		posts, refusal = other.Posts(to)
		if refusal != nil {
			t.Fatalf("%s: %v", f.name, refusal)
		}
		if data := posts[0].Envelope.Payload.Data; !strings.Contains(data, "→ Zmeneno") {
			t.Errorf("%s: the difference is not in %s", f.name, data)
		}
		complete(t, bytes.ReplaceAll(f.text, []byte(what.Origin.Text), []byte("Zmeneno")), posts[0].Envelope.AppendJSON(nil), posts[0].Loss)
	}
}

// odd is what a text of UCRI 2 may be, beside what people write.
var odd = []string{"", " ", "\n", "a\nb", "a\r\nb", "\u0001", "<b>&amp;]]>", "\"quoted\" \\ 'single'", "EXERCISE: x", "TEST", "Straße 5/7a – „Žluťoučký“ źdźbło 🚑", "1", "-1", "true", "null", "2026-03-01T14:03:12Z",
	"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911", "+420601000000", "CZ", "UCRI2: issue x; y", strings.Repeat("dlouhé ", 400), "unknown"}

// anyIncident: whatever a valid incident of UCRI 2 says reaches the system whole, and
// comes back as one.
func anyIncident(t T, s *suite) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	for range rounds(100) {
		var data map[string]any
		if err := json.Unmarshal([]byte(full), &data); err != nil {
			t.Fatalf("%v", err)
		}
		text, err := json.Marshal(shaken(random, data))
		if err != nil {
			t.Fatalf("%v", err)
		}
		e := sample{"any", convert.KindIncident, envelope("incident_transfer", "incident", string(text))}
		if ucri.CheckData(&e.e.Payload) != nil {
			continue // it lacks what UCRI 2 demands
		}
		out, fault := s.a.Encode(s.out(t, e))
		if fault != nil {
			t.Errorf("seed %d: %v\n%s", seed, fault, text)
			continue
		}
		complete(t, e.e.AppendJSON(nil), out.Bytes, out.Loss)
		back, fault := s.a.Decode(out.Bytes)
		if fault != nil {
			t.Errorf("seed %d: %v\n%s", seed, fault, out.Bytes)
			continue
		}
		m := s.out(t, e)
		if m.Mode() != live && back.Mode() == live {
			t.Errorf("seed %d: an exercise is none: %s", seed, out.Bytes)
		}
		takes(t, s.a, out.Bytes)
	}
}

// shaken is a value with some of its members left out and some of its texts odd.
func shaken(random *rand.Rand, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if random.IntN(5) == 0 {
				delete(v, key)
			} else if key != "sharedIncidentId" {
				v[key] = shaken(random, v[key])
			}
		}
	case []any:
		for n := range v {
			v[n] = shaken(random, v[n])
		}
		return v[:1+random.IntN(len(v))]
	case string:
		if random.IntN(6) == 0 {
			return odd[random.IntN(len(odd))]
		}
	}
	return v
}

// rounds is how often something random is tried: with TROJMEZI_FULL=1 fifty times as
// often.
func rounds(few int) int {
	if os.Getenv("TROJMEZI_FULL") == "1" {
		return few * 50
	}
	return few
}

// damaged: whatever happens to a message on its way, it is refused or is one that goes
// on rightly.
func damaged(t T, s *suite) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	var message []byte
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("seed %d: %v\n%q", seed, p, message)
		}
	}()
	for range rounds(400) {
		message = bytes.Clone(s.fixtures[random.IntN(len(s.fixtures))].text)
		for range 1 + random.IntN(4) {
			i := random.IntN(len(message))
			j := min(i+random.IntN(40), len(message))
			switch random.IntN(4) {
			case 0:
				message[i] = byte(random.IntN(256))
			case 1:
				message = append(message[:i:i], message[j:]...)
			case 2:
				message = append(message[:j:j], message[i:]...)
			default:
				words := []string{"", " ", "null", "<x/>", "&amp;", "-1", "9e999", "2026-13-40T25:00:00+01:00", "\x00", "ž", `"`, "]]>", "{}", "[]"}
				message = append(append(message[:i:i], words[random.IntN(len(words))]...), message[j:]...)
			}
			if len(message) == 0 {
				break
			}
		}
		takes(t, s.a, message)
	}
}
