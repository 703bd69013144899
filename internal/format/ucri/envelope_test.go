package ucri

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func ptr[T any](v T) *T { return &v }

const minimalSend = `{"source":"1.2.203","destinations":["1.2.276"],"payload":{"appId":"a","appVersion":"1","schemaId":"s","contentType":"application/json","data":"{}"}}`

func TestParseClientSend(t *testing.T) {
	got, err := ParseClientSend([]byte(`{"messageId":"7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911","description":"","sentDate":"2026-03-01T14:03:12z","timeout":3e2,
		"ack":"NACK","source":"1.2.203","destinations":["1.2.276."],"tags":[],"signature":"x","future":{"a": [1, null]},"sequenceId":9,"destination":"9",
		"payload":{"appId":"a","appVersion":"1","schemaId":"s","contentType":"application/json","data":"{\"x\":\"\u017e\ud83d\ude91\"}","lang":"cs"}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Envelope{
		MessageID: "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911", Description: ptr(""), SentDate: "2026-03-01T14:03:12z", Timeout: 300, Ack: AckNack,
		Source: "1.2.203", Destinations: []string{"1.2.276."}, Tags: []string{}, Signature: "x",
		Payload: Payload{AppID: "a", AppVersion: "1", SchemaID: "s", ContentType: ContentJSON, Data: `{"x":"ž🚑"}`, Extra: []Member{{"lang", []byte(`"cs"`)}}},
		Extra:   []Member{{"future", []byte(`{"a": [1, null]}`)}, {"sequenceId", []byte("9")}, {"destination", []byte(`"9"`)}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// The echo keeps everything; the received item can't be deceived by members
	// of its own names.
	if echo := string(got.AppendJSON(nil)); !strings.Contains(echo, `"sequenceId":9,"destination":"9"`) || !strings.Contains(echo, `"destinations":["1.2.276."]`) || !strings.Contains(echo, `"future":{"a": [1, null]}`) {
		t.Error(echo)
	}
	item := string(got.AppendReceived(nil, "1.2.276.", 5))
	if strings.Count(item, `"sequenceId"`) != 1 || strings.Count(item, `"destination"`) != 1 || strings.Contains(item, "destinations") || !strings.Contains(item, `"destination":"1.2.276.","sequenceId":5`) {
		t.Error(item)
	}
	minimal, err := ParseClientSend([]byte(minimalSend))
	if err != nil {
		t.Fatal(err)
	}
	if minimal.MessageID != "" || minimal.Description != nil || minimal.Timeout != 0 || minimal.Ack != "" || minimal.Tags != nil || minimal.Signature != "" {
		t.Errorf("absent members: %+v", minimal)
	}
	if string(minimal.AppendJSON(nil)) != minimalSend {
		t.Errorf("got %s", minimal.AppendJSON(nil))
	}
}

// TestSendRefusals holds every breach of the transport schema, whatever its
// kind, to the one code of the interface and to a text that says where.
func TestSendRefusals(t *testing.T) {
	replace := func(old, new string) string {
		if !strings.Contains(minimalSend, old) {
			t.Fatalf("no %s", old)
		}
		return strings.Replace(minimalSend, old, new, 1)
	}
	add := func(member string) string { return replace(`{"source"`, `{`+member+`,"source"`) }
	for _, c := range []struct{ name, body, key, place string }{
		{"nothing", "", "json.truncated", ""},
		{"white space", " \n", "json.truncated", ""},
		{"not an object", "[]", "rule.type", ""},
		{"null", "null", "rule.type", ""},
		{"not JSON", "<html>", "json.syntax", ""},
		{"byte order mark", "\ufeff" + minimalSend, "json.syntax", ""},
		{"cut off", minimalSend[:len(minimalSend)-5], "json.truncated", "/payload/data"},
		{"two documents", minimalSend + "{}", "json.trailing", ""},
		{"comma at the end", replace(`"}}`, `"},}`), "json.syntax", ""},
		{"comma missing", replace(`,"payload"`, ` "payload"`), "json.syntax", ""},
		{"comma in a list", replace(`["1.2.276"]`, `["1.2.276",]`), "json.syntax", "/destinations"},
		{"number with leading zero", add(`"x":01`), "json.syntax", ""},
		{"number without end", add(`"x":1.`), "json.syntax", "/x"},
		{"plus", add(`"x":+1`), "json.syntax", "/x"},
		{"NaN", add(`"x":NaN`), "json.syntax", "/x"},
		{"word", add(`"x":nul`), "json.syntax", "/x"},
		{"control character", add("\"x\":\"a\nb\""), "json.control", "/x"},
		{"escape", add(`"x":"\x41"`), "json.escape", "/x"},
		{"short escape", add(`"x":"\u12G4"`), "json.escape", "/x"},
		{"surrogate", add(`"x":"\ud83d"`), "json.surrogate", "/x"},
		{"surrogates in wrong order", add(`"x":"\ude91\ud83d"`), "json.surrogate", "/x"},
		{"invalid UTF-8", add("\"x\":\"\xff\""), "json.utf8", "/x"},
		{"surrogate in UTF-8", add("\"x\":\"\xed\xa0\x80\""), "json.utf8", "/x"},
		{"overlong UTF-8", add("\"x\":\"\xc0\xaf\""), "json.utf8", "/x"},
		{"known member twice", add(`"source":"1"`), "json.duplicate", "/source"},
		{"unknown member twice", add(`"x":1,"\u0078":2`), "json.duplicate", "/x"},
		{"member twice deep inside", add(`"x":[{"y":1,"y":1}]`), "json.duplicate", "/x/0/y"},
		{"too deep", add(`"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40)), "json.depth", "/x" + strings.Repeat("/0", 31)},
		{"a million deep", add(`"x":` + strings.Repeat(`{"":`, 1_000_000)), "json.depth", "/x" + strings.Repeat("/", 31)},
		{"no source", replace(`"source":"1.2.203",`, ""), "rule.missing", ""},
		{"no destinations", replace(`"destinations":["1.2.276"],`, ""), "rule.missing", ""},
		{"no destination in the list", replace(`["1.2.276"]`, `[]`), "rule.few_items", "/destinations"},
		{"two destinations", replace(`["1.2.276"]`, `["1","2"]`), "rule.many_items", "/destinations"},
		{"destination no OID", replace(`1.2.276`, `1..2`), "rule.oid", "/destinations/0"},
		{"destination as text", replace(`["1.2.276"]`, `"1.2.276"`), "rule.type", "/destinations"},
		{"source empty", replace(`1.2.203`, ``), "rule.oid", "/source"},
		{"message id", add(`"messageId":"1"`), "rule.uuid", "/messageId"},
		{"message id empty", add(`"messageId":""`), "rule.uuid", "/messageId"},
		{"sent date", add(`"sentDate":"2026-02-30T00:00:00Z"`), "rule.date_time", "/sentDate"},
		{"timeout short", add(`"timeout":9`), "rule.small", "/timeout"},
		{"timeout long", add(`"timeout":86401`), "rule.large", "/timeout"},
		{"timeout giant", add(`"timeout":1e999999999999`), "rule.large", "/timeout"},
		{"timeout fraction", add(`"timeout":10.5`), "rule.fraction", "/timeout"},
		{"timeout as text", add(`"timeout":"300"`), "rule.type", "/timeout"},
		{"timeout null", add(`"timeout":null`), "rule.type", "/timeout"},
		{"ack", add(`"ack":"all"`), "rule.enum", "/ack"},
		{"tags", add(`"tags":["a",1]`), "rule.type", "/tags/1"},
		{"description", add(`"description":null`), "rule.type", "/description"},
		{"signature", add(`"signature":{}`), "rule.type", "/signature"},
		{"no payload", replace(`"payload"`, `"Payload"`), "rule.missing", ""},
		{"payload without data", replace(`,"data":"{}"`, ``), "rule.missing", "/payload"},
		{"payload as object", replace(`"data":"{}"`, `"data":{}`), "rule.type", "/payload/data"},
		{"content type", replace(`application/json`, `text/plain`), "rule.enum", "/payload/contentType"},
		{"violation before fault", add(`"ack":1`) + "x", "json.trailing", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for code, parse := range map[Code]func([]byte) (*Envelope, *Error){CodeClientInvalid: ParseClientSend, CodeP2PInvalid: ParseP2PSend} {
				_, err := parse([]byte(c.body))
				if err == nil {
					t.Fatalf("%d: accepted", code)
				}
				if code == CodeP2PInvalid && err.Key == "ucri.rule.missing" {
					if err.Code != code {
						t.Errorf("code %d", err.Code)
					}
					continue // the minimal request lacks more here
				}
				if err.Code != code || err.Key != "ucri."+c.key || err.Place != c.place {
					t.Errorf("%d: got %d %s %q: %v", code, err.Code, err.Key, err.Place, err)
				}
				if s := err.Error(); strings.Contains(s, "{") || len(s) > 500 {
					t.Errorf("text: %s", s)
				}
			}
		})
	}
}

func TestP2PSendDemandsMore(t *testing.T) {
	full := benchEnvelope()
	if _, err := ParseP2PSend(full.AppendJSON(nil)); err != nil {
		t.Fatal(err)
	}
	for member, drop := range map[string]func(*Envelope){
		"messageId": func(e *Envelope) { e.MessageID = "" },
		"sentDate":  func(e *Envelope) { e.SentDate = "" },
		"timeout":   func(e *Envelope) { e.Timeout = 0 },
		"ack":       func(e *Envelope) { e.Ack = "" },
	} {
		e := benchEnvelope()
		drop(e)
		body := e.AppendJSON(nil)
		_, err := ParseP2PSend(body)
		if err == nil || err.Code != CodeP2PInvalid || err.Key != "ucri.rule.missing" || err.Args["member"] != member {
			t.Errorf("without %s: %v", member, err)
		}
		if _, err := ParseClientSend(body); err != nil {
			t.Errorf("without %s from a client: %v", member, err)
		}
	}
}

// TestResultDoesNotShareTheBuffer lets the caller reuse its buffer.
func TestResultDoesNotShareTheBuffer(t *testing.T) {
	body := benchEnvelope().AppendJSON(nil)
	e, err := ParseClientSend(body)
	if err != nil {
		t.Fatal(err)
	}
	clear(body)
	if diff := cmp.Diff(benchEnvelope(), e); diff != "" {
		t.Error(diff)
	}
}

func TestParseEnvelopeIsLiberal(t *testing.T) {
	e, err := ParseEnvelope([]byte(`{"source":"x","timeout":"300","ack":1,"tags":[1,"a"],"description":5,"x":1,"x":2,"source":"1.2","y":"` + "\xff" + `","payload":{"appId":"a","data":"\ud83d","z":1,"z":{}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Envelope{Source: "1.2", Tags: []string{"a"}, Payload: Payload{AppID: "a", Data: "\ufffd", Extra: []Member{{"z", []byte("{}")}}},
		Extra: []Member{{"x", []byte("2")}, {"y", []byte("\"\ufffd\"")}}}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"", "[]", "{", "{}", `{"source":"1"}`, `{"payload":{"appId":"a"}}`, `{"source":"1","payload":"a"}`, minimalSend + "x"} {
		if e, err := ParseEnvelope([]byte(bad)); err == nil {
			t.Errorf("%s: %+v", bad, e)
		}
	}
}

func envelopes() *rapid.Generator[*Envelope] {
	str := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "ž", "\x00\"\\", "🚑\u2028"}))
	extra := rapid.Custom(func(t *rapid.T) []Member {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`x[a-zž"\\]{0,4}`), 0, 20, rapid.ID).Draw(t, "names")
		var list []Member
		for _, n := range names {
			list = append(list, Member{n, []byte(rapid.SampledFrom([]string{`1`, `-0.5e10`, `"ž\n"`, `{"a":[{}]}`, `null`, `[1, 2]`, `true`}).Draw(t, "raw"))})
		}
		return list
	})
	return rapid.Custom(func(t *rapid.T) *Envelope {
		e := &Envelope{
			MessageID:    "7d3c1a52-90ef-4b1e-8a6b-2f54c1d0e911",
			SentDate:     rapid.SampledFrom([]string{"2026-03-01T14:03:12Z", "2026-03-01t14:03:12.5+23:59"}).Draw(t, "sentDate"),
			Timeout:      rapid.IntRange(MinTimeout, MaxTimeout).Draw(t, "timeout"),
			Ack:          rapid.SampledFrom([]Ack{AckNone, AckNack, AckAll}).Draw(t, "ack"),
			Source:       rapid.StringMatching(`[0-9]{1,3}(\.[0-9]{1,3}){0,9}\.?`).Draw(t, "source"),
			Destinations: []string{rapid.StringMatching(`[0-9]{1,3}(\.[0-9]{1,3}){0,9}\.?`).Draw(t, "destination")},
			Signature:    str.Draw(t, "signature"),
			Payload: Payload{AppID: str.Draw(t, "app"), AppVersion: str.Draw(t, "version"), SchemaID: str.Draw(t, "schema"),
				ContentType: rapid.SampledFrom([]string{ContentJSON, ContentJOSE}).Draw(t, "type"), Data: str.Draw(t, "data"), Extra: extra.Draw(t, "payloadExtra")},
			Extra: extra.Draw(t, "extra"),
		}
		if rapid.Bool().Draw(t, "described") {
			e.Description = ptr(str.Draw(t, "description"))
		}
		if rapid.Bool().Draw(t, "tagged") {
			e.Tags = rapid.SliceOf(str).Draw(t, "tags")
		}
		return e
	})
}

// TestEnvelopeRoundTrip is the property that nothing is lost or changed on the
// way through any of the forms.
func TestEnvelopeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := envelopes().Draw(t, "envelope")
		wire := e.AppendJSON(nil)
		if !json.Valid(wire) {
			t.Fatalf("not JSON: %s", wire)
		}
		for name, parse := range map[string]func([]byte) (*Envelope, *Error){"client": ParseClientSend, "p2p": ParseP2PSend} {
			got, err := parse(wire)
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, wire)
			}
			if diff := cmp.Diff(e, got); diff != "" {
				t.Fatalf("%s: %s", name, diff)
			}
			if again := got.AppendJSON(nil); string(again) != string(wire) {
				t.Fatalf("%s: second writing differs\n%s\n%s", name, wire, again)
			}
		}
		liberal, err := ParseEnvelope(wire)
		if e.Payload.AppID == "" {
			return
		}
		if diff := cmp.Diff(e, liberal); err != nil || diff != "" {
			t.Fatalf("liberal: %v %s", err, diff)
		}
		seq := rapid.Int64Min(1).Draw(t, "seq")
		body := append([]byte(`{"messages":[`), e.AppendReceived(nil, e.Destinations[0], seq)...)
		msgs, limit, err := ParseReceived(append(body, `],"maxMessages":7}`...))
		if err != nil || len(msgs) != 1 || limit != 7 || msgs[0].SequenceID != seq || msgs[0].Destination != e.Destinations[0] {
			t.Fatalf("received: %v %+v", err, msgs)
		}
		if diff := cmp.Diff(e, &msgs[0].Envelope); diff != "" {
			t.Fatalf("received: %s", diff)
		}
	})
}

func fuzzSend(f *testing.F, parse func([]byte) (*Envelope, *Error), code Code) {
	f.Add([]byte(minimalSend))
	f.Add(benchEnvelope().AppendJSON(nil))
	f.Add([]byte(`{"x":"\ud83d"`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := parse(body)
		if err != nil {
			if err.Code != code || err.Error() == "" {
				t.Fatalf("%+v", err)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatal("accepted what is not JSON")
		}
		wire := e.AppendJSON(nil)
		again, err := parse(wire)
		if err != nil {
			t.Fatalf("own writing refused: %v\n%s", err, wire)
		}
		// An empty signature counts as absent, all else comes back.
		if diff := cmp.Diff(e, again); diff != "" {
			t.Fatal(diff)
		}
		if !json.Valid(e.AppendReceived(nil, e.Destinations[0], 1)) {
			t.Fatal("received item is not JSON")
		}
		if _, _, err := ParseReceived([]byte(`{"messages":[` + string(e.AppendReceived(nil, "1", 1)) + `]}`)); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzParseClientSend(f *testing.F) { fuzzSend(f, ParseClientSend, CodeClientInvalid) }
func FuzzParseP2PSend(f *testing.F)    { fuzzSend(f, ParseP2PSend, CodeP2PInvalid) }

func FuzzParseEnvelope(f *testing.F) {
	f.Add([]byte(minimalSend))
	f.Add([]byte("{\"source\":\"\xff\",\"payload\":{\"appId\":\"\\ud83d\"}}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := ParseEnvelope(body)
		if err != nil {
			return
		}
		wire := e.AppendJSON(nil)
		if !json.Valid(wire) {
			t.Fatalf("not JSON: %q", wire)
		}
		again, err := ParseEnvelope(wire)
		if diff := cmp.Diff(e, again); err != nil || diff != "" {
			t.Fatalf("%v %s", err, diff)
		}
	})
}
