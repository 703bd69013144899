package ucri

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseReceive(t *testing.T) {
	for body, want := range map[string]ReceiveRequest{
		`{"destinations":["1.2"]}`: {Destinations: []string{"1.2"}, MaxDelay: DefaultMaxDelay},
		`{"destinations":["1.2","1."],"maxMessages":5.0,"maxDelay":0,"x":1}`: {Destinations: []string{"1.2", "1."}, MaxMessages: 5},
		`{"maxDelay":3e1,"maxMessages":1e30,"destinations":["1"]}`:           {Destinations: []string{"1"}, MaxMessages: math.MaxInt32, MaxDelay: 30},
	} {
		got, err := ParseReceive([]byte(body))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", body, err, diff)
		}
	}
	for body, place := range map[string]string{
		``: "", `[]`: "", `{}`: "", `{"destinations":[]}`: "/destinations", `{"destinations":["1",""]}`: "/destinations/1", `{"destinations":null}`: "/destinations",
		`{"destinations":["1"],"maxMessages":0}`: "/maxMessages", `{"destinations":["1"],"maxDelay":31}`: "/maxDelay", `{"destinations":["1"],"maxDelay":-1}`: "/maxDelay", `{"destinations":["1"],"maxDelay":1.5}`: "/maxDelay",
	} {
		if got, err := ParseReceive([]byte(body)); err == nil || err.Code != CodeClientInvalid || err.Place != place {
			t.Errorf("%s: %+v %v", body, got, err)
		}
	}
}

func TestParseCommit(t *testing.T) {
	for body, want := range map[string]MessageRef{
		`{"destination":"1.2","sequenceId":7}`:                     {"1.2", 7},
		`{"sequenceId":12e2,"destination":"1","x":{}}`:             {"1", 1200},
		`{"destination":"1","sequenceId":-9223372036854775808}`:    {"1", math.MinInt64},
		`{"destination":"1","sequenceId":9223372036854775807.000}`: {"1", math.MaxInt64},
	} {
		got, err := ParseCommit([]byte(body))
		if err != nil || got != want {
			t.Errorf("%s: %+v %v", body, got, err)
		}
	}
	for body, place := range map[string]string{
		``: "", `{}`: "", `{"destination":"1"}`: "", `{"sequenceId":1}`: "", `{"destination":"","sequenceId":1}`: "/destination", `{"destination":["1"],"sequenceId":1}`: "/destination",
		`{"destination":"1","sequenceId":"1"}`: "/sequenceId", `{"destination":"1","sequenceId":1.5}`: "/sequenceId", `{"destination":"1","sequenceId":null}`: "/sequenceId",
		`{"destination":"1","sequenceId":9223372036854775808}`: "/sequenceId",
	} {
		if got, err := ParseCommit([]byte(body)); err == nil || err.Code != CodeClientInvalid || err.Place != place {
			t.Errorf("%s: %+v %v", body, got, err)
		}
	}
}

func TestParseReceivedIsLiberal(t *testing.T) {
	msgs, limit, err := ParseReceived([]byte(`{"maxMessages":2.0,"x":{},"messages":[
		{"destination":"1.2","sequenceId":3,"timeout":"odd","payload":5,"source":"\ud83d","z":1},
		{"destinations":["1.3"],"sequenceId":4,"payload":{"appId":"a"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Received{
		{Envelope: Envelope{Source: "\ufffd", Destinations: []string{"1.2"}, Extra: []Member{{"z", []byte("1")}}}, Destination: "1.2", SequenceID: 3},
		{Envelope: Envelope{Destinations: []string{"1.3"}, Payload: Payload{AppID: "a"}}, Destination: "1.3", SequenceID: 4},
	}
	if diff := cmp.Diff(want, msgs); diff != "" || limit != 2 {
		t.Errorf("%d %s", limit, diff)
	}
	for _, bad := range []string{``, `[]`, `{"messages":[{}]}`, `{"messages":[5]}`, `{"messages":[{"destination":"1"}]}`, `{"messages":[{"sequenceId":1}]}`, `{"messages":[`, `{"messages":[]}x`} {
		if got, _, err := ParseReceived([]byte(bad)); err == nil {
			t.Errorf("%s: %+v", bad, got)
		}
	}
}

func FuzzParseReceive(f *testing.F) {
	f.Add([]byte(`{"destinations":["1.2","1."],"maxMessages":5.0,"maxDelay":0,"x":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := ParseReceive(body)
		if err == nil && (len(r.Destinations) == 0 || r.MaxMessages < 0 || r.MaxDelay < 0 || r.MaxDelay > DefaultMaxDelay) {
			t.Fatalf("%+v", r)
		}
	})
}

func FuzzParseCommit(f *testing.F) {
	f.Add([]byte(`{"sequenceId":12e2,"destination":"1","x":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := ParseCommit(body); err == nil && !ValidOID(r.Destination) {
			t.Fatalf("%+v", r)
		}
	})
}

func FuzzParseReceived(f *testing.F) {
	f.Add([]byte(`{"maxMessages":2,"messages":[{"destination":"1.2","sequenceId":3,"payload":{"appId":"a"}}]}`))
	f.Add([]byte(`{"messages":[{"destinations":["1"],"sequenceId":1e0,"x":1,"x":2}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		msgs, _, err := ParseReceived(body)
		if err != nil {
			return
		}
		out := []byte(`{"messages":[`)
		for i, m := range msgs {
			if i > 0 {
				out = append(out, ',')
			}
			out = m.AppendReceived(out, m.Destination, m.SequenceID)
		}
		again, _, err := ParseReceived(append(out, "]}"...))
		if diff := cmp.Diff(msgs, again, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatalf("%v %s", err, diff)
		}
	})
}
