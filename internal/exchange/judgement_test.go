package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// judged lets a rig be judged by a rule of the test: what stands in a message behind
// "secret" does not go on to the peer far.
func (r *rig) judgeBy(calls *int) {
	r.judge = func(e *ucri.Envelope) (Judgement, error) {
		if strings.Contains(e.Payload.Data, "unreadable") {
			return nil, problem.New("test", problem.Invalid, "exchange.refuse.unknown_destination", nil)
		}
		return func(tx *store.Tx) (*ucri.Envelope, error) {
			*calls++
			if strings.Contains(e.Payload.Data, "breaks") {
				return nil, errors.New("a rule that cannot be read")
			}
			if !strings.Contains(e.Payload.Data, "secret") || e.Destinations[0] == farther {
				return nil, nil
			}
			c := *e
			c.Payload.Data = strings.ReplaceAll(e.Payload.Data, "secret 601", "▒▒▒")
			c.Signature = ""
			return &c, nil
		}, nil
	}
}

// body is what is stored of a message, and so what its destination gets.
func (r *rig) body(messageID, destination string) string {
	r.t.Helper()
	var body []byte
	if err := r.db.Read(r.t.Context(), func(tx *store.Tx) error {
		var row int64
		if err := tx.Row(`SELECT id FROM exchange_message WHERE message_id = $1 AND destination = $2`, messageID, destination).Scan(&row); err != nil {
			return err
		}
		var err error
		body, err = r.Original(tx, row)
		return err
	}); err != nil {
		r.t.Fatal(err)
	}
	return string(body)
}

// What the rules withhold stands in no byte that is kept for another node; each receiver
// is judged by himself, and a repeated message is the same one.
func TestWithhold(t *testing.T) {
	r := newRig(t)
	calls := 0
	r.judgeBy(&calls)
	signed := with("signature", "a.b.c")
	for _, to := range []string{far1, farther, desk2} {
		sent := letter(desk1, to, with("messageId", id(1)), text("secret 601"), signed)
		e := r.send("desk1", sent)
		got := r.body(id(1), to)
		if to != far1 {
			if got != string(sent) || e.Signature == "" || !strings.Contains(e.Payload.Data, "601") {
				t.Errorf("%s: what is told in full was changed: %s", to, got)
			}
			continue
		}
		for what, text := range map[string]string{"stored": got, "answered": string(e.AppendJSON(nil))} {
			if strings.Contains(text, "601") || strings.Contains(text, "a.b.c") || !strings.Contains(text, "▒▒▒") {
				t.Errorf("%s: %s", what, text)
			}
		}
	}
	if calls != 2 {
		t.Errorf("judged %d times; a receiver at this node is no neighbour", calls)
	}
	before := r.body(id(1), far1)
	again := r.send("desk1", letter(desk1, far1, with("messageId", id(1)), text("secret 601"), signed))
	if calls != 2 || r.body(id(1), far1) != before || strings.Contains(again.Payload.Data, "601") {
		t.Errorf("the repeated message was judged %d times, answered %s", calls-2, again.Payload.Data)
	}
	_, err := r.sendClient(t.Context(), r.accounts["desk1"], letter(desk1, far1, with("messageId", id(1)), text("▒▒▒"), signed))
	if !errors.Is(err, errOtherContent) {
		t.Errorf("what is left counted as what was sent: %v", err)
	}
	plain := letter(desk1, far1, with("messageId", id(2)), text("no number"), signed, with("x", json.Number("1.50")))
	if r.send("desk1", plain); r.body(id(2), far1) != string(plain) {
		t.Errorf("nothing is withheld, and yet: %s", r.body(id(2), far1))
	}
}

// What cannot be judged does not leave, and is not stored either.
func TestUnjudgeable(t *testing.T) {
	r := newRig(t)
	calls := 0
	r.judgeBy(&calls)
	for n, words := range []string{"unreadable", "breaks"} {
		a := r.call("POST", clientPath+"/messaging/send", r.bearer("desk1"), letter(desk1, far1, with("messageId", id(n+1)), text(words)))
		want := ucri.CodePayloadInvalid
		if words == "breaks" {
			want = ucri.CodeInternal
		}
		if got := ucri.Code(0); json.Unmarshal(bytesOf(a, "code"), &got) != nil || got != want {
			t.Errorf("%s: %s", words, a.Body)
		}
	}
	if n := ask[int](r, `SELECT COUNT(*) FROM exchange_message`); n != 0 {
		t.Errorf("%d messages stored", n)
	}
	if e := r.send("desk1", letter(desk1, desk2, text("unreadable"))); e == nil {
		t.Error("within the node nothing is judged")
	}
}

func bytesOf(a answerOf, member string) []byte {
	var all map[string]json.RawMessage
	json.Unmarshal(bytes.TrimSpace(a.Body.Bytes()), &all)
	return all[member]
}

// An operator may have agreed that his dispatch system judges by itself: that is said in
// the configuration, for this one alone.
func TestOwnDisclosure(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Accounts[0].OwnDisclosure = " agreed on 1 May, § 4 " })
	calls := 0
	r.judgeBy(&calls)
	sent := letter(desk1, far1, with("messageId", id(1)), text("secret 601"))
	if r.send("desk1", sent); r.body(id(1), far1) != string(sent) || calls != 0 {
		t.Errorf("judged %d times: %s", calls, r.body(id(1), far1))
	}
	if r.send("desk2", letter(desk2, far1, with("messageId", id(2)), text("secret 601"))); strings.Contains(r.body(id(2), far1), "601") {
		t.Error("the agreement of one held for another")
	}
	if list := r.Unjudged(); len(list) != 1 || list[0].Account != "desk1" || list[0].Agreement != "agreed on 1 May, § 4" {
		t.Errorf("%+v", list)
	}
	for _, bad := range []string{" ", strings.Repeat("x", longestAgreement+1)} {
		c := testConfig()
		c.Accounts[0].OwnDisclosure = bad
		if f := c.Validate(); len(f) != 1 || f[0].Key != "exchange.config.own_disclosure" {
			t.Errorf("%q: %+v", bad, f)
		}
	}
	c := testConfig()
	c.Accounts[2].OwnDisclosure = "a neighbour's"
	if f := c.Validate(); len(f) != 1 || f[0].Key != "exchange.config.own_disclosure" {
		t.Errorf("p2p: %+v", f)
	}
}

// What a part of the node posts is judged, unless a person's answers are in it already.
func TestPostIsJudged(t *testing.T) {
	r := newRig(t)
	calls := 0
	r.judgeBy(&calls)
	r.Desks([]string{desk1})
	for n, post := range []func(*store.Tx, *ucri.Envelope) (Entry, error){r.Post, r.PostJudged} {
		e, bad := ucri.ParseClientSend(letter(desk1, far1, with("messageId", id(n+1)), text("secret 601")))
		if bad != nil {
			t.Fatal(bad)
		}
		r.write(func(tx *store.Tx) error {
			entry, err := post(tx, e)
			if err == nil && strings.Contains(entry.Envelope.Payload.Data, "601") != (n == 1) {
				t.Errorf("post %d: %s", n, entry.Envelope.Payload.Data)
			}
			return err
		})
	}
	e, _ := ucri.ParseClientSend(letter(desk1, far1, text("unreadable")))
	err := r.db.Write(t.Context(), func(tx *store.Tx) error { _, err := r.Post(tx, e); return err })
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Kind != problem.Invalid {
		t.Errorf("%v", err)
	}
}
