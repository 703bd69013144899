package exchange

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// Sequence numbers start at 1 and have no gap, whatever is refused or repeated
// in between.
func TestSequenceFrom1WithoutGap(t *testing.T) {
	r := newRig(t)
	for i := 1; i <= 5; i++ {
		r.send("desk1", letter(desk1, desk2, with("messageId", id(i))))
		r.send("desk1", letter(desk1, desk2, with("messageId", id(i)))) // again
		_, err := r.sendClient(t.Context(), r.accounts["desk1"], letter(desk1, desk2, with("messageId", id(i)), text("other")))
		wantRefusal(t, r, err, 400, ucri.CodeInternal)
	}
	var want []item
	for i := 1; i <= 5; i++ {
		want = append(want, item{Seq: int64(i), ID: id(i), Source: desk1})
	}
	if d := cmp.Diff(want, r.read("desk2", desk2)); d != "" {
		t.Error(d)
	}
}

// wantRefusal is wantCode for errors that only fail() classifies.
func wantRefusal(t testing.TB, r *rig, err error, status int, code ucri.Code) {
	t.Helper()
	if err == nil {
		t.Error("accepted")
		return
	}
	switch err.(type) {
	case *refusal, *ucri.Error:
	default:
		err = r.internal(err)
	}
	wantCode(t, err, status, code)
}

// A known (source, messageId, destination) is a repetition when the payload is
// the same, and refused when it is not; the first envelope stands.
func TestRepetitionAndOtherContent(t *testing.T) {
	r := newRig(t)
	first := r.send("desk1", letter(desk1, desk2, with("messageId", id(1)), with("timeout", 600), with("ack", "ALL")))
	r.clk.Advance(time.Minute)
	again := r.send("desk1", letter(desk1, desk2, with("messageId", id(1)), with("timeout", 60)))
	if d := cmp.Diff(first, again); d != "" {
		t.Error("the answer to a repetition differs:\n", d)
	}
	for name, e := range map[string]edit{
		"payload":     text("other"),
		"description": with("description", "other"),
		"tags":        with("tags", []any{"other"}),
	} {
		_, err := r.sendClient(t.Context(), r.accounts["desk1"], letter(desk1, desk2, with("messageId", id(1)), e))
		if !errors.Is(err, errOtherContent) {
			t.Errorf("%s: %v", name, err)
		}
		wantCode(t, r.internal(err), 400, ucri.CodeInternal)
	}
	if n := ask[int](r, `SELECT COUNT(*) FROM audit_leaf WHERE action = 'exchange.refuse.other_content'`); n != 3 {
		t.Errorf("%d audit leaves of 3 refusals", n)
	}
	// Another sender may use the same id: nobody can block it by guessing.
	r.send("desk2", letter(desk2, desk2, with("messageId", id(1)), text("mine")))
	if n := len(r.read("desk2", desk2)); n != 2 {
		t.Errorf("%d messages, want 2", n)
	}
}

// Expiry is exact to the clock: a message is gone at its end, 504 comes once to
// the sender, in the order of the ends and not of acceptance, and only to those
// who want it.
func TestExpiry(t *testing.T) {
	r := newRig(t)
	r.send("desk1", letter(desk1, desk2, with("messageId", id(1)), with("timeout", 30), with("ack", "ALL")))
	r.send("desk1", letter(desk1, desk2, with("messageId", id(2)), with("timeout", 10), with("ack", "NACK")))
	r.send("desk1", letter(desk1, desk2, with("messageId", id(3)), with("timeout", 20), with("ack", "NONE")))
	r.send("desk1", letter(desk1, far1, with("messageId", id(4)), with("timeout", 20), with("ack", "ALL")))

	r.clk.Advance(10*time.Second - time.Millisecond)
	r.sweepOnce()
	if got := r.read("desk2", desk2); len(got) != 3 {
		t.Fatalf("before the first end: %+v", got)
	}
	r.clk.Advance(time.Millisecond)
	// Even before the sweeper came by, nothing overdue is handed out.
	if d := cmp.Diff([]item{{1, id(1), desk1, 0, ""}, {3, id(3), desk1, 0, ""}}, r.read("desk2", desk2)); d != "" {
		t.Error("at the first end:", d)
	}
	for range 3 {
		r.sweepOnce()
	}
	r.clk.Advance(10 * time.Second)
	r.sweepOnce()
	r.clk.Advance(10 * time.Second)
	r.sweepOnce()
	r.clk.Advance(time.Hour)
	r.sweepOnce()
	if d := cmp.Diff(map[string][]int{id(2): {504}, id(4): {504}, id(1): {504}}, r.receipts("desk1", desk1)); d != "" {
		t.Error(d)
	}
	var order []string
	for _, i := range r.read("desk1", desk1) {
		order = append(order, i.Ref)
	}
	if d := cmp.Diff([]string{id(2), id(4), id(1)}, order); d != "" {
		t.Error("order of the ends:", d)
	}
	if got := r.read("desk2", desk2); len(got) != 0 {
		t.Errorf("after the end: %+v", got)
	}
}

// At the receiver's node a message expires by its sent date, silently: the 504 is
// the sender's node's.
func TestExpiryAtTheReceiversNode(t *testing.T) {
	r := newRig(t)
	sent := r.clk.Now().Add(-50 * time.Second)
	if err := r.fromPeer("far", letter(far1, desk1, with("sentDate", ucri.FormatTime(sent)), with("timeout", 60), with("ack", "ALL"))); err != nil {
		t.Fatal(err)
	}
	r.clk.Advance(10 * time.Second)
	r.sweepOnce()
	if got := r.read("desk1", desk1); len(got) != 0 {
		t.Errorf("handed out after its end: %+v", got)
	}
	if n := ask[int](r, `SELECT COUNT(*) FROM exchange_message WHERE message = 'message_delivery_status'`); n != 0 {
		t.Errorf("%d receipts made by the receiver's node", n)
	}
	if s := ask[string](r, `SELECT state FROM exchange_message WHERE origin = 'peer'`); s != "expired" {
		t.Errorf("state %s", s)
	}
	// The same one again was accepted in time; a new one is dead on arrival.
	if err := r.fromPeer("far", letter(far1, desk1, with("sentDate", ucri.FormatTime(sent)), with("timeout", 60), with("ack", "ALL"))); err != nil {
		t.Errorf("repetition: %v", err)
	}
	wantCode(t, r.fromPeer("far", letter(far1, desk1, with("messageId", id(5)), with("sentDate", ucri.FormatTime(sent)), with("timeout", 60))), 400, ucri.CodeP2PInvalid)
	// A clock that is ahead there doesn't lengthen a message's life here.
	if err := r.fromPeer("far", letter(far1, desk1, with("messageId", id(6)), with("sentDate", ucri.FormatTime(r.clk.Now().Add(time.Hour))), with("timeout", 60))); err != nil {
		t.Fatal(err)
	}
	r.clk.Advance(60 * time.Second)
	if got := r.read("desk1", desk1); len(got) != 0 {
		t.Errorf("longer than its timeout: %+v", got)
	}
}

// Commit, sweep and the peer's status race for the one terminal receipt.
func TestOneTerminalReceiptInARace(t *testing.T) {
	for _, dest := range []string{desk2, far1} {
		t.Run(dest, func(t *testing.T) {
			r := newRig(t)
			const n = 40
			for i := 1; i <= n; i++ {
				r.send("desk1", letter(desk1, dest, with("messageId", id(i)), with("timeout", 10), with("ack", "ALL")))
			}
			r.clk.Advance(10 * time.Second)
			var wg sync.WaitGroup
			wg.Go(func() { r.sweepOnce() })
			for i := 1; i <= n; i++ {
				wg.Go(func() {
					if dest == desk2 {
						if err := r.commit(t.Context(), desk2, int64(i)); err != nil {
							t.Error(err)
						}
						return
					}
					body := letter(peerOID, desk1, with("messageId", id(1000+i)), func(m map[string]any) {
						p := m["payload"].(map[string]any)
						p["appId"], p["schemaId"] = "transport_layer_messages", "message_delivery_status"
						p["data"] = fmt.Sprintf(`{"refMessageId":%q,"destination":%q,"statusCode":200}`, id(i), dest)
					})
					if err := r.fromPeer("far", body); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			r.sweepOnce()
			got := r.receipts("desk1", desk1)
			for i := 1; i <= n; i++ {
				if c := got[id(i)]; len(c) != 1 || c[0] != 200 && c[0] != 504 {
					t.Errorf("message %d: receipts %v", i, c)
				}
			}
			if len(got) != n {
				t.Errorf("receipts for %d messages of %d", len(got), n)
			}
		})
	}
}

// A receipt counts only when it comes from the node the message went to: another
// neighbour can't end what is not in its hands.
func TestReceiptFromAnotherNeighbour(t *testing.T) {
	r := newRig(t)
	r.send("desk1", letter(desk1, far1, with("messageId", id(1)), with("ack", "ALL")))
	r.send("desk1", letter(desk1, desk2, with("messageId", id(2)), with("ack", "ALL")))
	for i, ref := range []struct{ id, dest string }{{id(1), far1}, {id(2), desk2}} {
		body := status(otherOID, desk1, ref.id, ref.dest, 200+302*i)
		if err := r.fromPeer("other", body); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.receipts("desk1", desk1); len(got) != 0 {
		t.Errorf("a stranger's receipts were passed on: %v", got)
	}
	if n := ask[int](r, `SELECT COUNT(*) FROM exchange_message WHERE ended_at IS NULL AND origin = 'client'`); n != 2 {
		t.Errorf("%d of 2 messages still under way", n)
	}
	if err := r.fromPeer("far", status(peerOID, desk1, id(1), far1, 200)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string][]int{id(1): {200}}, r.receipts("desk1", desk1)); d != "" {
		t.Error(d)
	}
}

// A peer's status for a message nobody here knows is passed on once.
func TestReceiptForAnUnknownMessage(t *testing.T) {
	r := newRig(t)
	for range 2 {
		if err := r.fromPeer("far", status(peerOID, desk1, id(77), far1, 502)); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(map[string][]int{id(77): {502}}, r.receipts("desk1", desk1)); d != "" {
		t.Error(d)
	}
}

// Commit is cumulative and idempotent, and its receipt goes to those who want it.
func TestCommit(t *testing.T) {
	r := newRig(t)
	for i, ack := range []string{"ALL", "NACK", "NONE", "ALL"} {
		r.send("desk1", letter(desk1, desk2, with("messageId", id(i+1)), with("ack", ack)))
	}
	for range 2 {
		if err := r.commitClient(t.Context(), r.accounts["desk2"], ucri.MessageRef{Destination: desk2, SequenceID: 3}); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff([]item{{4, id(4), desk1, 0, ""}}, r.read("desk2", desk2)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string][]int{id(1): {200}}, r.receipts("desk1", desk1)); d != "" {
		t.Error(d)
	}
	// Receipts are committed like anything else and make no receipts of their own.
	if err := r.commitClient(t.Context(), r.accounts["desk1"], ucri.MessageRef{Destination: desk1, SequenceID: 9}); err != nil {
		t.Fatal(err)
	}
	if n := ask[int](r, `SELECT COUNT(*) FROM exchange_message WHERE message = 'message_delivery_status'`); n != 1 {
		t.Errorf("%d receipts, want 1", n)
	}
	wantCode(t, r.commitClient(t.Context(), r.accounts["desk1"], ucri.MessageRef{Destination: desk2, SequenceID: 1}), 400, ucri.CodeForbiddenOID)
	wantCode(t, r.commitClient(t.Context(), r.accounts["desk1"], ucri.MessageRef{Destination: "9.9", SequenceID: 1}), 400, ucri.CodeUnknownOID)
}

// maxMessages is for all destinations together, who take turns.
func TestFairTurns(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Accounts[0].OIDs = []string{desk1, desk2, testDesk} })
	for i := 1; i <= 5; i++ {
		r.send("desk1", letter(desk1, desk1, with("messageId", id(i))))
	}
	r.send("desk1", letter(desk1, desk2, with("messageId", id(6))))
	r.send("desk1", letter(testDesk, testDesk, with("messageId", id(7))))
	turns := func(max int) (got []string) {
		l, err := r.oldest(t.Context(), []string{desk1, desk2, testDesk}, max)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range l {
			got = append(got, s.messageID)
		}
		return got
	}
	for max, want := range map[int][]string{
		1:  {id(1)},
		3:  {id(1), id(6), id(7)},
		4:  {id(1), id(6), id(7), id(2)},
		99: {id(1), id(6), id(7), id(2), id(3), id(4), id(5)},
	} {
		if d := cmp.Diff(want, turns(max)); d != "" {
			t.Errorf("maxMessages %d:\n%s", max, d)
		}
	}
}

// One reply is bounded in bytes as well, in the node's memory too, and always
// moves on by at least one message.
func TestReplySize(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits.MessageBytes = 16 << 20 })
	big := strings.Repeat("x", 3<<20)
	for i := 1; i <= 4; i++ {
		r.send("desk1", letter(desk1, desk2, with("messageId", id(i)), with("description", big)))
	}
	if got := r.read("desk2", desk2); len(got) != 2 {
		t.Errorf("%d messages of 3 MiB in a reply of at most %d bytes", len(got), maxReplyBytes)
	}
	var page []*stored
	if err := r.db.Read(t.Context(), func(tx *store.Tx) (err error) {
		page, err = r.queued(tx, desk2, 1000, r.clk.Now())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(page) > 3 {
		t.Errorf("%d messages of 3 MiB were read for one reply", len(page))
	}
	if err := r.commit(t.Context(), desk2, 4); err != nil {
		t.Fatal(err)
	}
	r.send("desk1", letter(desk1, desk2, with("messageId", id(5)), with("description", strings.Repeat("x", 10<<20))))
	if got := r.read("desk2", desk2); len(got) != 1 {
		t.Errorf("%d messages, want the one that is larger than a reply", len(got))
	}
}

// A waiting receive is woken by any of its destinations; the wake-up of none is
// lost between two polls.
func TestReceiveWakes(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Accounts[0].OIDs = []string{desk1, desk2, testDesk} })
	const rounds = 60
	late := 0
	for i := 1; i <= rounds; i++ {
		oids := []string{desk1, desk2}
		to := oids[i%2]
		got := make(chan int, 1)
		started := time.Now()
		go func() {
			l, _, err := r.receive(t.Context(), r.accounts["desk1"], ucri.ReceiveRequest{Destinations: oids, MaxDelay: 20})
			if err != nil {
				t.Error(err)
			}
			got <- len(l)
		}()
		r.send("desk1", letter(desk1, to, with("messageId", id(i))))
		if n := <-got; n != 1 {
			t.Fatalf("round %d: %d messages", i, n)
		}
		if time.Since(started) > receivePoll*3/4 {
			late++ // by the poll, or the machine is busy
		}
		if err := r.commit(t.Context(), to, int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	if late > 3 {
		t.Errorf("%d of %d rounds were woken by the poll", late, rounds)
	}
}

// Erasing destroys the key once every message of the incident has been over for
// the retention; the rows stay, without content.
func TestErase(t *testing.T) {
	r := newRig(t)
	old, young := "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
	e := r.send("desk1", letter(desk1, desk2, with("messageId", id(1)), incident(old)))
	r.send("desk1", letter(desk1, desk2, with("messageId", id(2)), incident(young)))
	if err := r.commit(t.Context(), desk2, 2); err != nil {
		t.Fatal(err)
	}
	r.clk.Advance(r.cfg.Retention - time.Hour)
	r.send("desk1", letter(desk1, desk2, with("messageId", id(3)), incident(young)))
	if err := r.commit(t.Context(), desk2, 3); err != nil {
		t.Fatal(err)
	}
	r.erase()
	live := func() int {
		return ask[int](r, `SELECT COUNT(*) FROM seal_key WHERE wrapped IS NOT NULL AND subject LIKE 'incident:%'`)
	}
	if live() != 2 {
		t.Fatalf("%d keys before the retention is over, want 2", live())
	}
	r.clk.Advance(2 * time.Hour)
	r.erase()
	if live() != 1 {
		t.Errorf("%d keys, want only that of the incident with a younger message", live())
	}
	if n := ask[int](r, `SELECT COUNT(*) FROM exchange_message WHERE origin <> 'node'`); n != 3 {
		t.Errorf("%d rows of 3 stayed", n)
	}
	err := r.db.Read(t.Context(), func(tx *store.Tx) error {
		s, err := r.find(tx, desk1, id(1), desk2)
		if err != nil {
			return err
		}
		_, err = s.envelope()
		return err
	})
	if !errors.Is(err, seal.ErrDestroyed) {
		t.Errorf("reading the erased message: %v", err)
	}
	if n := ask[int](r, `SELECT COUNT(*) FROM exchange_message WHERE message_id = $1 AND LENGTH(envelope) > 0`, id(1)); n != 0 {
		t.Error("the unreadable bytes of the erased message still take room")
	}
	// A repetition of it is still known, and brings nothing back.
	again := r.send("desk1", letter(desk1, desk2, with("messageId", id(1)), incident(old), with("timeout", e.Timeout)))
	if again.MessageID != id(1) || len(r.read("desk2", desk2)) != 0 {
		t.Error("the repetition of an erased message was delivered")
	}
	if n := ask[int](r, `SELECT COUNT(*) FROM exchange_message WHERE origin <> 'node'`); n != 3 {
		t.Errorf("%d rows after the repetition", n)
	}
	// An open message keeps its incident's key for ever.
	r.send("desk1", letter(desk1, far1, with("messageId", id(9)), incident(young), with("timeout", 86400)))
	r.clk.Advance(r.cfg.Retention * 2)
	r.erase()
	if n := ask[int](r, `SELECT COUNT(*) FROM exchange_message m JOIN seal_key k ON k.id = m.key_id WHERE m.message_id = $1 AND k.wrapped IS NOT NULL`, id(9)); n != 1 {
		t.Error("the key of an open message was destroyed")
	}
}

// A clock that jumped ahead takes no key: not when it is set back before the next
// night, and not while it is known to be wrong.
func TestEraseAndTheClock(t *testing.T) {
	r := newRig(t)
	r.send("desk1", letter(desk1, desk2, with("messageId", id(1)), incident("11111111-1111-4111-8111-111111111111")))
	if err := r.commit(t.Context(), desk2, 1); err != nil {
		t.Fatal(err)
	}
	right, wrong := r.clk.Now(), false
	r.clockWrong = func(context.Context) (bool, error) { return wrong, nil }
	night := func(at time.Time, keys int) {
		t.Helper()
		r.clock = clock.Fake(at)
		if err := r.Erase(t.Context(), job.Job{}); (err != nil) != wrong {
			t.Fatal(err)
		}
		if n := ask[int](r, `SELECT COUNT(*) FROM seal_key WHERE wrapped IS NOT NULL AND subject LIKE 'incident:%'`); n != keys {
			t.Fatalf("%v: %d keys, want %d", at, n, keys)
		}
	}
	day := 24 * time.Hour
	night(right, 1)
	night(right.Add(day), 1)
	ahead := right.AddDate(9, 0, 0)
	night(ahead, 1)
	night(ahead.Add(time.Minute), 1) // tried again
	night(right.Add(2*day), 1)
	night(ahead.Add(day), 1) // it jumps every day
	night(right.Add(3*day), 1)
	night(ahead.Add(2*day), 1)
	wrong = true
	night(ahead.Add(3*day), 1)
	night(ahead.Add(4*day), 1)
	wrong = false
	// Nobody could know, and nobody set it back.
	night(ahead.Add(5*day), 0)
}

// After a restore every destination goes on a million later, also one the backup
// did not know yet, and nothing is sent until a person says so.
func TestRestoredHeldAndReleased(t *testing.T) {
	r := newRig(t)
	for i := 1; i <= 3; i++ {
		r.send("desk1", letter(desk1, desk2, with("messageId", id(i))))
	}
	r.send("desk1", letter(desk1, far1, with("messageId", id(4))))
	r.write(Restored(&r.cfg))
	if !r.held() {
		t.Fatal("the outbox is not held")
	}
	r.send("desk1", letter(desk1, desk2, with("messageId", id(5))))
	r.send("desk2", letter(desk2, desk1, with("messageId", id(6)))) // the first one for desk1
	var seqs []int64
	for _, i := range r.read("desk2", desk2) {
		seqs = append(seqs, i.Seq)
	}
	if d := cmp.Diff([]int64{1, 2, 3, 1_000_004}, seqs); d != "" {
		t.Error(d)
	}
	if got := r.read("desk1", desk1); len(got) != 1 || got[0].Seq != 1_000_001 {
		t.Errorf("a destination without messages in the backup: %+v, want 1000001", got)
	}
	for _, k := range store.Kinds {
		if work, err := r.work(t.Context(), k); err != nil || len(work) != 0 {
			t.Errorf("%s: work while held: %v, %v", k, work, err)
		}
	}
	r.write(Release)
	if work, err := r.work(t.Context(), store.Live); err != nil || work[far1] != "far" {
		t.Errorf("work after the release: %v, %v", work, err)
	}
	if r.held() {
		t.Error("still held")
	}
	// Restored twice (a second restore into the same database is refused, but
	// numbers must never fall).
	r.write(Restored(&r.cfg))
	r.send("desk1", letter(desk1, desk2, with("messageId", id(7))))
	got := r.read("desk2", desk2)
	if last := got[len(got)-1].Seq; last != 2_000_005 {
		t.Errorf("after a second restore: %d", last)
	}
}
