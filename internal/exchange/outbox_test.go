package exchange

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/exchange/ucrmclient"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/store"
)

// far is a neighbour's node that answers as it is told and remembers what came.
type far struct {
	*httptest.Server
	mu     sync.Mutex
	got    []string // message ids, in order
	answer func(id string, attempt int) (status int, header http.Header, body string)
	tries  map[string]int
}

func newFar(t testing.TB) *far {
	f := &far{tries: map[string]int{}}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/token"):
			fmt.Fprint(w, `{"token":"opaque"}`)
		case strings.HasSuffix(r.URL.Path, "/registry"):
			fmt.Fprint(w, `{"commParticipants":[]}`)
		default:
			var e map[string]any
			json.NewDecoder(r.Body).Decode(&e)
			id, _ := e["messageId"].(string)
			f.mu.Lock()
			f.tries[id]++
			status, h, body := 200, http.Header{}, ""
			if f.answer != nil {
				status, h, body = f.answer(id, f.tries[id])
			}
			if status == 200 {
				f.got = append(f.got, id)
			}
			f.mu.Unlock()
			if status == 0 {
				panic(http.ErrAbortHandler) // hangs up
			}
			for k, v := range h {
				w.Header()[k] = v
			}
			w.WriteHeader(status)
			if status == 200 {
				json.NewEncoder(w).Encode(e)
			} else {
				fmt.Fprint(w, body)
			}
		}
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *far) received() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.got...)
}

// at points the peer "far" of a configuration to f.
func (f *far) at(c *Config) { c.Peers[0].BaseURL = f.URL + p2pPath }

// A worker of one kind sees no row of another, in any pair; and mixing kinds is
// refused where messages come in.
func TestOutboxKinds(t *testing.T) {
	r := newRig(t)
	for i, k := range store.Kinds {
		r.send("desk1", letter(desk1, far1, with("messageId", id(i+1))))
		r.exec(`UPDATE exchange_message SET kind = $1 WHERE message_id = $2`, string(k), id(i+1))
		r.exec(`INSERT INTO exchange_outbox (destination, kind, peer, active, holder, lease_until) VALUES ($1, $2, 'far', 1, '', 0)
			ON CONFLICT (destination, kind) DO NOTHING`, "9."+string(rune('1'+i)), string(k))
	}
	for i, worker := range store.Kinds {
		work, err := r.work(t.Context(), worker)
		if err != nil {
			t.Fatal(err)
		}
		for j, row := range store.Kinds {
			if _, seen := work["9."+string(rune('1'+j))]; seen != (i == j) {
				t.Errorf("worker %s, destination of kind %s: seen %v", worker, row, seen)
			}
		}
		if err := r.db.Read(t.Context(), func(tx *store.Tx) error {
			page, err := r.outgoing(tx, far1, worker, 0, r.clk.Now())
			if err == nil && (len(page) != 1 || page[0].messageID != id(i+1) || page[0].kind != worker) {
				t.Errorf("worker %s reads %d rows", worker, len(page))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTestAddressesAndLiveOnesDoNotMix(t *testing.T) {
	const farTest, unlisted = "1.2.4.99.7", "1.2.3.99.8"
	r := newRig(t, func(c *Config) {
		c.Accounts[0].OIDs = append(c.Accounts[0].OIDs, unlisted) // may send, is in no register
	})
	r.learn(farTest, "far")
	for _, c := range []struct {
		from, to string
		ok       bool
	}{
		{desk1, desk2, true}, {desk1, far1, true}, {testDesk, testDesk, true}, {testDesk, farTest, true},
		{desk1, testDesk, false}, {desk1, farTest, false}, {testDesk, desk2, false}, {testDesk, far1, false},
		{unlisted, desk2, false}, {unlisted, far1, false}, {unlisted, farTest, true},
	} {
		_, err := r.sendClient(t.Context(), r.accounts["desk1"], letter(c.from, c.to))
		if c.ok && err != nil {
			t.Errorf("%s → %s: %v", c.from, c.to, err)
		} else if !c.ok {
			wantRefusal(t, r, err, 400, ucri.CodeForbiddenOID)
		}
	}
	wantRefusal(t, r, r.fromPeer("far", letter(farTest, desk1)), 400, ucri.CodeForbiddenOID)
	wantRefusal(t, r, r.fromPeer("far", letter(far1, testDesk)), 400, ucri.CodeForbiddenOID)
	if err := r.fromPeer("far", letter(farTest, testDesk)); err != nil {
		t.Error(err)
	}
	if n := ask[int](r, `SELECT COUNT(*) FROM exchange_message WHERE kind = 'test' AND source IN ($1, $2, $3)`, testDesk, unlisted, farTest); n != 4 {
		t.Errorf("%d rows of kind test, want 4", n)
	}
}

func TestKindOf(t *testing.T) {
	for _, c := range []struct {
		oid, node string
		want      store.Kind
	}{
		{"1.2.3.99.1", "1.2.3", store.Test},   // below the node's
		{"1.2.3.99", "1.2.3", store.Test},     //
		{"1.2.3.99.1", "1.2.3.0", store.Test}, // beside the node's
		{"1.2.3.1.99", "1.2.3.0", store.Live}, // not the first arc that differs
		{"1.2.3.199", "1.2.3.0", store.Live},
		{"1.2.3.9.9", "1.2.3.0", store.Live},
		{"1.2.3.0", "1.2.3.0", store.Live},   // the node itself
		{"1.99.3.1", "1.99.3.0", store.Live}, // 99 above both means something else
		{"1.2.99", "1.2.3.4.0", store.Test},
		{"99.1", "1.2.3", store.Test},
		{"1.2", "1.2.3", store.Live},
		{"1.2.3.99.", "1.2.3", store.Test}, // the specification allows the last dot
	} {
		if got := kindOf(c.oid, c.node); got != c.want {
			t.Errorf("kindOf(%s, %s) = %s", c.oid, c.node, got)
		}
	}
}

// A quarantined peer gets nothing, keeps its queue, and gets all of it in order
// afterwards; others are served meanwhile.
func TestQuarantineKeepsTheQueue(t *testing.T) {
	f := newFar(t)
	r := newRig(t, f.at)
	set := func(on bool) {
		t.Helper()
		r.write(func(tx *store.Tx) error {
			ok, err := Quarantine(tx, r.audit, "far", on)
			if !ok {
				t.Error("no such peer")
			}
			return err
		})
	}
	set(true)
	var want []string
	for i := 1; i <= 100; i++ { // more than a page
		r.send("desk1", letter(desk1, far1, with("messageId", id(i))))
		want = append(want, id(i))
	}
	r.send("desk1", letter(desk1, farther, with("messageId", id(900))))
	work, err := r.work(t.Context(), store.Live)
	if err != nil {
		t.Fatal(err)
	}
	if _, seen := work[far1]; seen || work[farther] != "other" {
		t.Errorf("work during the quarantine: %v", work)
	}
	runFor(t, func(ctx context.Context) error { return r.dispatch(ctx, store.Live) })
	var waiting int64
	r.write(func(tx *store.Tx) error {
		states, err := PeerStates(tx)
		for _, s := range states {
			if s.ID == "far" {
				waiting = s.Waiting
				if !s.Quarantined {
					t.Error("the state does not tell of the quarantine")
				}
			}
		}
		return err
	})
	if waiting != 100 || len(f.received()) != 0 {
		t.Fatalf("waiting %d, received %d", waiting, len(f.received()))
	}
	set(false)
	until(t, "the queue is delivered", func() bool { return len(f.received()) >= 100 })
	if d := cmp.Diff(want, f.received()); d != "" {
		t.Error(d)
	}
	r.write(func(tx *store.Tx) error {
		if ok, err := Quarantine(tx, r.audit, "nobody", true); ok || err != nil {
			t.Errorf("unknown peer: %v, %v", ok, err)
		}
		return nil
	})
}

// A peer quarantined while its worker waits for the next attempt is left alone
// from then on.
func TestQuarantineStopsRetries(t *testing.T) {
	f := newFar(t)
	f.answer = func(string, int) (int, http.Header, string) { return 503, nil, "" }
	r := newRig(t, f.at)
	r.send("desk1", letter(desk1, far1, with("messageId", id(1))))
	runFor(t, func(ctx context.Context) error { return r.dispatch(ctx, store.Live) })
	tries := func() int { f.mu.Lock(); defer f.mu.Unlock(); return f.tries[id(1)] }
	until(t, "a second attempt", func() bool { return tries() >= 2 })
	r.write(func(tx *store.Tx) error { _, err := Quarantine(tx, r.audit, "far", true); return err })
	until(t, "the worker gave the destination up", func() bool {
		return ask[int](r, `SELECT active FROM exchange_outbox WHERE destination = $1`, far1) == 1 && !r.peers().byID["far"].busy()
	})
	before := tries()
	time.Sleep(2 * retryFirst) // nothing to wait for: nothing must happen
	if tries() != before {
		t.Errorf("tried %d more times", tries()-before)
	}
}

// busy reports whether a worker is at this peer.
func (p *peer) busy() bool { return len(p.slots) > 0 }

// What a peer's answer means: 4xx is final and becomes 502 with its cause, unless
// no receipt is wanted; anything else is tried again, in order.
func TestAnswersOfAPeer(t *testing.T) {
	f := newFar(t)
	f.answer = func(msg string, attempt int) (int, http.Header, string) {
		switch {
		case msg == id(1) || msg == id(2):
			return 400, nil, `{"code":466,"reason":"not here","message":"app"}`
		case msg == id(3) && attempt == 1:
			return 500, nil, `{"code":491,"reason":"disk"}`
		case msg == id(3) && attempt == 2:
			return 429, http.Header{"Retry-After": {"1"}}, `{"code":491,"reason":"slowly"}`
		case msg == id(4):
			return 400, nil, `<html>` + strings.Repeat("x", 5000)
		}
		return 200, nil, ""
	}
	r := newRig(t, f.at)
	r.send("desk1", letter(desk1, far1, with("messageId", id(1)), with("ack", "ALL")))
	r.send("desk1", letter(desk1, far1, with("messageId", id(2)), with("ack", "NONE")))
	r.send("desk1", letter(desk1, far1, with("messageId", id(3)), with("ack", "ALL"), with("timeout", 600)))
	r.send("desk1", letter(desk1, far1, with("messageId", id(4)), with("ack", "NACK")))
	r.send("desk1", letter(desk1, far1, with("messageId", id(5)), with("ack", "NACK")))
	start := time.Now()
	runFor(t, func(ctx context.Context) error { return r.dispatch(ctx, store.Live) })
	until(t, "all are answered", func() bool { return len(f.received()) == 2 })
	if d := cmp.Diff([]string{id(3), id(5)}, f.received()); d != "" {
		t.Error(d)
	}
	if d := time.Since(start); d < time.Second {
		t.Errorf("Retry-After of a second was not kept: %s", d)
	}
	if d := cmp.Diff(map[string][]int{id(1): {502}, id(4): {502}}, r.receipts("desk1", desk1)); d != "" {
		t.Error(d)
	}
	got, _, err := r.receive(t.Context(), r.accounts["desk1"], ucri.ReceiveRequest{Destinations: []string{desk1}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range got {
		e, err := r.render(s)
		if err != nil {
			t.Fatal(err)
		}
		d, bad := ucri.ParseDeliveryStatus(e.Payload)
		if bad != nil {
			t.Fatalf("our own receipt is not valid: %v", bad)
		}
		if d.RefMessageID == id(1) {
			if diff := cmp.Diff(&ucri.ErrorBody{Code: 466, Reason: "not here", Message: "app"}, d.Cause); diff != "" {
				t.Error("cause:", diff)
			}
		}
	}
	until(t, "the marks are written", func() bool {
		return ask[int](r, `SELECT COUNT(*) FROM exchange_message WHERE state = 'outgoing' AND destination = $1`, far1) == 0
	})
	for ref, want := range map[string]string{id(1): "refused", id(2): "refused", id(3): "awaiting", id(4): "refused", id(5): "forwarded"} {
		if got := ask[string](r, `SELECT state FROM exchange_message WHERE message_id = $1`, ref); got != want {
			t.Errorf("message %s is %s, want %s", ref, got, want)
		}
	}
	// The status of what the peer took is still owed, and comes once.
	if err := r.fromPeer("far", status(peerOID, desk1, id(3), far1, 200)); err != nil {
		t.Fatal(err)
	}
	r.clk.Advance(15 * time.Minute)
	r.sweepOnce()
	if got := r.receipts("desk1", desk1)[id(3)]; len(got) != 1 || got[0] != 200 {
		t.Errorf("receipts for the one that was committed there: %v", got)
	}
}

// One dead destination of a peer, and one dead peer, hold nobody else up.
func TestDeadPeerHoldsNobodyUp(t *testing.T) {
	f := newFar(t)
	f.answer = func(msg string, _ int) (int, http.Header, string) {
		if msg == id(1) {
			return 500, nil, ""
		}
		return 200, nil, ""
	}
	r := newRig(t, f.at)
	r.send("desk1", letter(desk1, far1, with("messageId", id(1)), with("timeout", 10)))
	r.send("desk1", letter(desk1, farther, with("messageId", id(2)))) // nobody listens there
	r.send("desk1", letter(desk1, far2, with("messageId", id(3))))
	r.send("desk1", letter(desk1, far1, with("messageId", id(4))))
	runFor(t, func(ctx context.Context) error { return r.dispatch(ctx, store.Live) })
	until(t, "the other destination's message", func() bool { return len(f.received()) == 1 })
	if d := cmp.Diff([]string{id(3)}, f.received()); d != "" {
		t.Error(d)
	}
	// The one that can't be handed over expires, and the next one follows.
	r.clk.Advance(10 * time.Second)
	r.sweepOnce()
	until(t, "the one behind", func() bool { return len(f.received()) == 2 })
}

func TestBackoff(t *testing.T) {
	for attempt, want := range []time.Duration{250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000} {
		want *= time.Millisecond
		seen := map[time.Duration]bool{}
		for range 200 {
			d := backoff(attempt)
			if d < want*8/10 || d > want*12/10 {
				t.Fatalf("attempt %d: %s, want %s ± 20 %%", attempt, d, want)
			}
			seen[d] = true
		}
		if len(seen) < 100 {
			t.Errorf("attempt %d: only %d different pauses", attempt, len(seen))
		}
	}
	if d := backoff(1 << 30); d > retryLast*12/10 || d < 0 {
		t.Errorf("after very many attempts: %s", d)
	}
}

// Two instances on one database do not send the same destination at once, and a
// killed one's is taken over when its lease is over.
func TestLease(t *testing.T) {
	r := newRig(t)
	if r.db.Engine() == store.SQLite {
		t.Skip("on SQLite there is one instance")
	}
	r.send("desk1", letter(desk1, far1, with("messageId", id(1))))
	deps := r.deps
	deps.ID = "instance-2"
	second, err := New(t.Context(), r.cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	a := &sender{n: r.Node, p: r.peers().byID["far"], dest: far1, kind: store.Live}
	b := &sender{n: second, p: second.peers().byID["far"], dest: far1, kind: store.Live}
	hold := func(w *sender, want bool) {
		t.Helper()
		w.lease = time.Time{} // ask again
		if ok, err := w.hold(t.Context()); err != nil || ok != want {
			t.Errorf("hold: %v, %v; want %v", ok, err, want)
		}
	}
	hold(a, true)
	hold(b, false)
	if work, _ := second.work(t.Context(), store.Live); work[far1] != "" {
		t.Error("the other instance sees a destination that is held")
	}
	hold(a, true)
	r.clk.Advance(leaseTime)
	hold(b, false)
	r.clk.Advance(time.Millisecond)
	hold(b, true)
	hold(a, false)
}

func TestFailureKey(t *testing.T) {
	for want, err := range map[string]error{
		"exchange.peer.credentials": &ucrmclient.Refusal{Status: 401},
		"exchange.peer.refused":     &ucrmclient.Refusal{Status: 500, Code: 491},
		"exchange.peer.unreachable": errors.New("connection refused"),
	} {
		if got := failureKey(fmt.Errorf("wrapped: %w", err)); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}

// While the disk does not answer, a worker hands over two pages of marks and no
// more: that is what a crash in this moment would repeat.
func TestSlowDiskBoundsWhatACrashRepeats(t *testing.T) {
	f := newFar(t)
	r := newRig(t, f.at)
	const all = 16 * markPage // more than a machine in a hurry hands over before the write begins
	for i := 1; i <= all; i++ {
		r.send("desk1", letter(desk1, far1, with("messageId", id(i))))
	}
	runFor(t, func(ctx context.Context) error { return r.dispatch(ctx, store.Live) })
	until(t, "the first message", func() bool { return len(f.received()) > 0 })
	marked := func(tx *store.Tx) (n int, err error) {
		return n, tx.Row(`SELECT COUNT(*) FROM exchange_message WHERE destination = $1 AND state <> 'outgoing'`, far1).Scan(&n)
	}
	var before, after int
	r.write(func(tx *store.Tx) (err error) {
		if before, err = marked(tx); err != nil {
			return err
		}
		// No other write gets through while this one runs.
		for still := 0; still < 10; {
			n := len(f.received())
			time.Sleep(50 * time.Millisecond)
			if still++; len(f.received()) != n {
				still = 0
			}
		}
		after = len(f.received())
		return nil
	})
	if n := after - before; n < 1 || n > 2*markPage || after == all {
		t.Errorf("%d of %d messages handed over, %d of them not written down; want at most %d", after, all, n, 2*markPage)
	}
	until(t, "the rest", func() bool { return len(f.received()) >= all })
	until(t, "their marks", func() bool {
		return ask[int](r, `SELECT COUNT(*) FROM exchange_message WHERE destination = $1 AND state = 'outgoing'`, far1) == 0
	})
	if n := len(f.received()); n != all {
		t.Errorf("%d messages handed over, want %d", n, all)
	}
}

// A long pause ends when another destination's message got through to the peer,
// and only then: a success without a failure before it wakes nobody.
func TestPauseEndsWhenThePeerIsBack(t *testing.T) {
	r := newRig(t)
	p := r.peers().byID["far"]
	w := &sender{n: r.Node, p: p, dest: "1.2.3.4.9.1", kind: store.Live}
	if !p.failed() {
		t.Error("the first failure is not told as such")
	}
	back := p.word()
	if p.failed() {
		t.Error("the second failure is told as the first")
	}
	ended := make(chan bool, 1)
	go func() {
		stop, _, err := w.pause(t.Context(), &stored{}, time.Hour, back)
		ended <- !stop && err == nil
	}()
	select {
	case <-ended:
		t.Fatal("the pause ended before the peer answered")
	case <-time.After(20 * time.Millisecond):
	}
	p.ok()
	select {
	case goOn := <-ended:
		if !goOn {
			t.Error("the pause ended as if sending was stopped")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the pause went on although the peer answered")
	}
	back = p.word()
	p.failed()
	p.ok()
	p.ok()
	next := p.word()
	p.failed()
	select {
	case <-back:
	default:
		t.Error("not told that the peer was back")
	}
	select {
	case <-next:
		t.Error("told to be back after a new failure")
	default:
	}
}

// What a peer asks ends the pauses too, but not each time: it may be one that
// reaches us and can't be reached.
func TestPauseEndsWhenThePeerAsks(t *testing.T) {
	r := newRig(t)
	p := r.peers().byID["far"]
	over := func(back <-chan struct{}) bool {
		select {
		case <-back:
			return true
		default:
			return false
		}
	}
	back := p.word()
	r.mustPeer("far", letter(far1, desk1, with("messageId", id(1))))
	if p.failed(); over(back) {
		t.Error("told to be back by what it asked before the first failure")
	}
	r.mustPeer("far", letter(far1, desk1, with("messageId", id(2))))
	if !over(back) {
		t.Error("the pause goes on although the peer asked something")
	}
	back = p.word()
	p.failed()
	r.mustPeer("far", letter(far1, desk1, with("messageId", id(3))))
	if over(back) {
		t.Errorf("the pause ended twice within %v", rouseEvery)
	}
	p.roused = p.roused.Add(-rouseEvery)
	r.mustPeer("far", letter(far1, desk1, with("messageId", id(4))))
	if !over(back) {
		t.Error("the pause goes on although the peer asked again later")
	}
}

// A node that starts asks before it answers: the attempts after its question
// follow each other as quickly as the first ones.
func TestAttemptsAreQuickAgainWhenThePeerAsks(t *testing.T) {
	f := newFar(t)
	up := false // guarded by f.mu
	f.answer = func(string, int) (int, http.Header, string) {
		if !up {
			return 0, nil, "" // starting
		}
		return 200, nil, ""
	}
	tries := func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.tries[id(1)]
	}
	r := newRig(t, f.at)
	r.send("desk1", letter(desk1, far1, with("messageId", id(1))))
	runFor(t, func(ctx context.Context) error { return r.dispatch(ctx, store.Live) })
	until(t, "five attempts", func() bool { return tries() == 5 }) // the next comes after 4 s
	asked := time.Now()
	r.mustPeer("far", letter(far1, desk1, with("messageId", id(2))))
	until(t, "two more attempts", func() bool { return tries() >= 7 })
	if took := time.Since(asked); took > 8*time.Second { // else they come after 4 and another 8 s, by a fifth less or more
		t.Errorf("two attempts after the question took %v", took)
	}
	f.mu.Lock()
	up = true
	f.mu.Unlock()
	until(t, "the message", func() bool { return len(f.received()) == 1 })
}
