package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// post sends a text of a person at a desk.
func (r *rig) post(from, to, words string) (Entry, error) {
	var e Entry
	err := r.db.Write(r.t.Context(), func(tx *store.Tx) (err error) {
		e, err = r.Post(tx, &ucri.Envelope{Source: from, Destinations: []string{to}, Ack: ucri.AckAll, Payload: ucri.Payload{
			AppID: "notification_text", AppVersion: "1.0", SchemaID: "notification", ContentType: ucri.ContentJSON, Data: notification("", words)}})
		return err
	})
	return e, err
}

func (r *rig) mustPost(from, to, words string) Entry {
	r.t.Helper()
	e, err := r.post(from, to, words)
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

func (r *rig) receipt(id int64) (out Receipt) {
	r.t.Helper()
	if err := r.db.Read(r.t.Context(), func(tx *store.Tx) (err error) { out, err = r.Receipt(tx, id); return err }); err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r *rig) withdraw(id int64) (ok bool) {
	r.t.Helper()
	r.write(func(tx *store.Tx) (err error) { ok, err = r.Withdraw(tx, id); return err })
	return ok
}

// The feed gives each message of an address once, in the order of commitment,
// whichever size the pages have, and passes by what is others'.
func TestFeed(t *testing.T) {
	r := newRig(t)
	r.Desks([]string{desk2})
	var want []string
	for n := range 40 {
		switch n % 4 {
		case 0:
			r.send("desk1", letter(desk1, desk2, with("messageId", id(n))))
			want = append(want, "in "+id(n))
		case 1:
			want = append(want, "out "+r.mustPost(desk2, far1, "x").MessageID)
		default:
			r.send("desk1", letter(desk1, far1, with("messageId", id(n)))) // none of ours
		}
	}
	for _, size := range []int{1, 3, 1000} {
		var got []string
		var after int64
		for {
			var page []Entry
			var next int64
			if err := r.db.Read(t.Context(), func(tx *store.Tx) (err error) {
				page, next, err = r.Feed(tx, []string{desk2}, after, size)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			for _, e := range page {
				way := "out "
				if e.Incoming {
					way = "in "
				}
				got = append(got, way+e.MessageID)
				if e.Envelope == nil || e.Own != desk2 || e.Key == nil || e.App != "notification_text" || e.Kind != store.Live || e.ID <= after {
					t.Errorf("%+v", e)
				}
			}
			if next == after {
				break
			}
			after = next
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: got %v\nwant %v", size, got, want)
		}
		if last := ask[int64](r, `SELECT MAX(id) FROM exchange_message`); after != last {
			t.Errorf("pages of %d end at %d of %d", size, after, last)
		}
	}
}

func TestFeedAfterDeletion(t *testing.T) {
	r := newRig(t)
	r.Desks([]string{desk2})
	e := r.mustPost(desk2, far1, "x")
	r.write(func(tx *store.Tx) error { return r.ring.Destroy(tx, e.KeyID) })
	if err := r.db.Read(t.Context(), func(tx *store.Tx) error {
		page, _, err := r.Feed(tx, []string{desk2}, 0, 10)
		if err == nil && (len(page) != 1 || page[0].Envelope != nil || page[0].Key != nil || page[0].MessageID != e.MessageID) {
			t.Errorf("%+v", page)
		}
		if _, original := r.Original(tx, e.ID); original == nil {
			t.Error("a deleted original is readable")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// A screen's taking is a commit with its receipts, but not beside a dispatch system.
func TestTake(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Accounts = c.Accounts[:1] }) // nobody serves desk2
	r.Desks([]string{desk2})
	r.send("desk1", letter(desk1, desk2, with("ack", "ALL"), with("messageId", id(1))))
	r.send("desk1", letter(desk1, desk2, with("ack", "ALL"), with("messageId", id(2))))
	r.send("desk1", letter(desk1, desk1, with("ack", "ALL"), with("messageId", id(3)))) // to itself
	r.write(func(tx *store.Tx) error { return r.Take(tx, desk2, 1) })
	if got := r.receipts("desk1", desk1); !slices.Equal(got[id(1)], []int{200}) || got[id(2)] != nil {
		t.Errorf("receipts %v", got)
	}
	r.write(func(tx *store.Tx) error {
		if err := r.Take(tx, desk2, 1); err != nil {
			return err
		}
		return r.Take(tx, desk1, 100) // served by its system
	})
	if n := ask[int](r, `SELECT COUNT(*) FROM exchange_message WHERE state = 'queued' AND destination = $1 AND app = 'notification_text'`, desk1); n != 1 {
		t.Error("taken from a dispatch system")
	}
	if r.Served(desk2) || !r.Served(desk1) {
		t.Error("served is wrong")
	}
}

// A desk's message passes the checks of the client interface.
func TestPostChecks(t *testing.T) {
	r := newRig(t)
	r.Desks([]string{desk2})
	for _, c := range []struct {
		name, from, to, data, app, key string
		kind                           problem.Kind
	}{
		{"unknown receiver", desk2, "1.9", "", "", "exchange.refuse.unknown_destination", problem.Invalid},
		{"not a desk", desk1, far1, "", "", "exchange.refuse.foreign_oid", problem.Forbidden},
		{"live to test", desk2, testDesk, "", "", "exchange.refuse.kind", problem.Forbidden},
		{"unknown app", desk2, far1, "", "nonsense", "ucri.app.unknown", problem.Invalid},
		{"for nodes only", desk2, far1, "", "transport_layer_messages", "exchange.refuse.transport_app", problem.Invalid},
		{"breaks its schema", desk2, far1, `{"sharedIncidentId":"x"}`, "", "ucri.rule.format", problem.Invalid},
	} {
		e := &ucri.Envelope{Source: c.from, Destinations: []string{c.to}, Payload: ucri.Payload{
			AppID: "notification_text", AppVersion: "1.0", SchemaID: "notification", ContentType: ucri.ContentJSON, Data: notification("", "x")}}
		if c.app != "" {
			e.Payload.AppID = c.app
		}
		if c.data != "" {
			e.Payload.Data = c.data
		}
		err := r.db.Write(t.Context(), func(tx *store.Tx) error { _, err := r.Post(tx, e); return err })
		p, ok := errors.AsType[*problem.Error](err)
		if !ok || p.Kind != c.kind || !strings.HasPrefix(p.Key, c.key) && c.name != "breaks its schema" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if n := ask[int](r, `SELECT COUNT(*) FROM exchange_message`); n != 0 {
		t.Errorf("%d messages left", n)
	}
	// What goes on in the same transaction decides over it.
	failed := errors.New("no")
	err := r.db.Write(t.Context(), func(tx *store.Tx) error {
		if _, err := r.Post(tx, &ucri.Envelope{Source: desk2, Destinations: []string{far1}, Payload: ucri.Payload{
			AppID: "notification_text", AppVersion: "1.0", SchemaID: "notification", ContentType: ucri.ContentJSON, Data: notification("", "x")}}); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) || ask[int](r, `SELECT COUNT(*) FROM exchange_message`) != 0 {
		t.Error("the message stayed without what it belongs to")
	}
}

// The layers of a receipt come one by one.
func TestReceiptLayers(t *testing.T) {
	r := newRig(t)
	r.Desks([]string{desk2})
	topics := r.db.Watch(TopicReceipt)
	defer topics.Close()
	woken := func(what string) {
		t.Helper()
		select {
		case <-topics.C():
		case <-time.After(20 * time.Second):
			t.Error("nobody was woken: ", what)
		}
	}
	feed := r.db.Watch(TopicFeed)
	defer feed.Close()
	e := r.mustPost(desk2, far1, "x")
	<-feed.C()
	if got := r.receipt(e.ID); got.Stored.IsZero() || !got.Delivered.IsZero() || got.Ended() {
		t.Errorf("stored: %+v", got)
	}
	w := &sender{n: r.Node, p: r.peers().byID["far"], dest: far1, kind: store.Live}
	r.clk.Advance(time.Second)
	w.taken(&stored{id: e.ID, source: desk2})
	w.flush()
	woken("taken")
	if got := r.receipt(e.ID); !got.Delivered.Equal(e.AcceptedAt.Add(time.Second)) || got.Ended() {
		t.Errorf("taken: %+v", got)
	}
	r.clk.Advance(time.Second)
	if err := r.fromPeer("far", status(peerOID, desk2, e.MessageID, far1, 200)); err != nil {
		t.Fatal(err)
	}
	woken("read")
	if got := r.receipt(e.ID); !got.Delivered.Equal(e.AcceptedAt.Add(time.Second)) || !got.Read.Equal(e.AcceptedAt.Add(2*time.Second)) || !got.Failed.IsZero() {
		t.Errorf("read: %+v", got)
	}
	refused := r.mustPost(desk2, far1, "y")
	if err := w.refused(t.Context(), &stored{id: refused.ID}, &ucri.ErrorBody{Code: ucri.CodeUnsupportedApp, Reason: "no"}); err != nil {
		t.Fatal(err)
	}
	woken("refused")
	if got := r.receipt(refused.ID); got.Failed.IsZero() || got.Code != ucri.CodeUnsupportedApp || got.Expired || !got.Delivered.IsZero() {
		t.Errorf("refused: %+v", got)
	}
	late := r.mustPost(desk2, far1, "z")
	r.clk.Advance(2 * time.Hour)
	r.sweepOnce()
	woken("expired")
	if got := r.receipt(late.ID); got.Failed.IsZero() || !got.Expired {
		t.Errorf("expired: %+v", got)
	}
	local := r.mustPost(desk2, desk1, "here")
	if got := r.receipt(local.ID); !got.Delivered.Equal(got.Stored) || !got.Read.IsZero() {
		t.Errorf("local: %+v", got)
	}
}

// Nobody is woken for addresses without a console.
func TestTopicsAreForDesksOnly(t *testing.T) {
	r := newRig(t)
	r.Desks([]string{desk2})
	w := r.db.Watch(TopicFeed, TopicReceipt)
	defer w.Close()
	r.send("desk1", letter(desk1, far1))
	select {
	case <-w.C():
		t.Error("woken")
	default: // notified before send returned, or never
	}
}

func TestWithdraw(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Accounts = c.Accounts[:1] }) // nobody serves desk2
	r.Desks([]string{desk2})
	e := r.mustPost(desk2, far1, "x")
	if !r.withdraw(e.ID) {
		t.Fatal("not taken back")
	}
	if got := r.receipt(e.ID); got.Withdrawn.IsZero() || !got.Failed.IsZero() || !got.Ended() {
		t.Errorf("%+v", got)
	}
	if r.withdraw(e.ID) {
		t.Error("taken back twice")
	}
	if n := ask[int](r, `SELECT COUNT(*) FROM exchange_message WHERE app = 'transport_layer_messages' AND destination = $1`, desk2); n != 0 {
		t.Error("a receipt for what a person took back")
	}
	for _, st := range []string{"awaiting", "forwarded", "expired", "committed"} {
		m := r.mustPost(desk2, far1, st)
		r.exec(`UPDATE exchange_message SET state = $2, ended_at = 1 WHERE id = $1`, m.ID, st)
		if r.withdraw(m.ID) {
			t.Errorf("%s was taken back", st)
		}
	}
	// Another instance sends what this one takes back: that the peer has it wins.
	both := r.mustPost(desk2, far1, "y")
	if !r.withdraw(both.ID) {
		t.Fatal("not taken back")
	}
	w := &sender{n: r.Node, p: r.peers().byID["far"], dest: far1, kind: store.Live}
	w.taken(&stored{id: both.ID, source: desk2})
	w.flush()
	r.write(func(*store.Tx) error { return nil }) // behind the flush
	if got := r.receipt(both.ID); got.Delivered.IsZero() || !got.Withdrawn.IsZero() || got.Ended() {
		t.Errorf("the peer has it, and we say %+v", got)
	}
}

// A dispatch system whose message a person took back gets one terminal receipt,
// and no second one when the peer turns out to have the message.
func TestWithdrawTellsTheDispatchSystem(t *testing.T) {
	r := newRig(t)
	r.Desks([]string{desk2})
	statuses := func() int {
		return ask[int](r, `SELECT COUNT(*) FROM exchange_message WHERE app = 'transport_layer_messages' AND destination = $1`, desk2)
	}
	r.send("desk2", letter(desk2, far1, with("messageId", id(1)), with("ack", "ALL")))
	r.send("desk2", letter(desk2, far1, with("messageId", id(2)), with("ack", "NONE")))
	first := ask[int64](r, `SELECT id FROM exchange_message WHERE message_id = $1`, id(1))
	for _, m := range []int64{first, ask[int64](r, `SELECT id FROM exchange_message WHERE message_id = $1`, id(2))} {
		if !r.withdraw(m) || r.receipt(m).Withdrawn.IsZero() {
			t.Fatal("not taken back")
		}
		if n := statuses(); n != 1 {
			t.Fatalf("%d receipts, want one: the other message asked for none", n)
		}
	}
	w := &sender{n: r.Node, p: r.peers().byID["far"], dest: far1, kind: store.Live}
	w.taken(&stored{id: first, source: desk2})
	w.flush()
	r.write(func(tx *store.Tx) error {
		pass, _, err := r.settle(tx, w.p, desk2, ucri.DeliveryStatus{StatusCode: ucri.Delivered, RefMessageID: id(1), Destination: far1}, r.clk.Now())
		if pass {
			t.Error("the peer's receipt is passed on as well")
		}
		return err
	})
	if n := statuses(); n != 1 {
		t.Errorf("%d receipts", n)
	}
}

// Each kind of message is kept for its own time, and DeleteAt says until when.
func TestRetentionOfKinds(t *testing.T) {
	r := newRig(t)
	r.Desks([]string{desk2})
	r.send("desk2", letter(desk2, desk1, with("messageId", id(1)), incident("11111111-1111-4111-8111-111111111111")))
	r.send("desk2", letter(desk2, desk1, with("messageId", id(2)), incident("22222222-2222-4222-8222-222222222222")))
	var real, practice Entry
	if err := r.db.Read(t.Context(), func(tx *store.Tx) (err error) {
		page, _, err := r.Feed(tx, []string{desk2}, 0, 2)
		real, practice = page[0], page[1]
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, desk := range []string{desk1, desk2} { // the messages, and their receipts
		if err := r.commit(t.Context(), desk, 2); err != nil {
			t.Fatal(err)
		}
	}
	r.exec(`UPDATE exchange_message SET kind = 'test' WHERE key_id = $1`, practice.KeyID)
	ended := r.clk.Now()
	dates := func() (out map[int64]time.Time) {
		if err := r.db.Read(t.Context(), func(tx *store.Tx) (err error) {
			out, err = r.DeleteAt(tx, []int64{real.ID, practice.ID, 999})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if d := dates(); len(d) != 2 || !d[real.ID].Equal(ended.Add(r.cfg.Retention)) || !d[practice.ID].Equal(d[real.ID]) {
		t.Errorf("as configured: %v", d)
	}
	r.write(func(tx *store.Tx) error {
		for _, d := range []time.Duration{time.Hour, -1} {
			if r.SetRetention(tx, store.Test, d) == nil {
				t.Errorf("%v was taken", d)
			}
		}
		if r.SetRetention(tx, "all", 48*time.Hour) == nil {
			t.Error("a kind that there is not was taken")
		}
		return r.SetRetention(tx, store.Test, 48*time.Hour)
	})
	if d := dates(); !d[practice.ID].Equal(ended.Add(48*time.Hour)) || !d[real.ID].Equal(ended.Add(r.cfg.Retention)) {
		t.Errorf("as set: %v", d)
	}
	r.clk.Advance(49 * time.Hour)
	r.erase()
	left := func(id int64) int {
		return ask[int](r, `SELECT COUNT(*) FROM exchange_message m JOIN seal_key k ON k.id = m.key_id WHERE m.id = $1 AND k.wrapped IS NOT NULL`, id)
	}
	if left(real.ID) != 1 || left(practice.ID) != 0 {
		t.Errorf("%d real and %d test messages can be read", left(real.ID), left(practice.ID))
	}
	r.write(func(tx *store.Tx) error { return r.SetRetention(tx, store.Test, 0) })
	if d := dates(); !d[practice.ID].Equal(ended.Add(r.cfg.Retention)) {
		t.Errorf("back to the configuration's: %v", d)
	}
}

// Whatever was taken back never reached the peer, and whatever did was not.
func TestWithdrawRace(t *testing.T) {
	var mu sync.Mutex
	got := map[string]int{}
	down := true
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasSuffix(q.URL.Path, "/token") {
			fmt.Fprint(w, `{"token":"`+strings.Repeat("x", 10)+`"}`)
			return
		}
		if !strings.HasSuffix(q.URL.Path, "/send") {
			http.Error(w, "{}", http.StatusInternalServerError)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if down {
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, `{"code":491,"reason":"away"}`)
			return
		}
		body, _ := io.ReadAll(q.Body)
		e, err := ucri.ParseEnvelope(body)
		if err != nil {
			t.Error(err)
			return
		}
		got[e.MessageID]++
		w.Write(e.AppendJSON(nil))
	}))
	defer far.Close()
	r := newRig(t, func(c *Config) { c.Peers[0].BaseURL = far.URL + p2pPath })
	r.Desks([]string{desk2})
	runFor(t, func(ctx context.Context) error { return r.dispatch(ctx, store.Live) })
	var entries []Entry
	for n := range 60 {
		entries = append(entries, r.mustPost(desk2, far1, fmt.Sprint(n)))
	}
	back := map[string]bool{}
	for n, e := range entries {
		if n == 20 {
			mu.Lock()
			down = false
			mu.Unlock()
		}
		if n%2 == 0 && r.withdraw(e.ID) {
			back[e.MessageID] = true
		}
		if n > 20 {
			time.Sleep(3 * time.Millisecond) // let the sender get among us
		}
	}
	until(t, "all have ended", func() bool {
		return ask[int](r, `SELECT COUNT(*) FROM exchange_message WHERE source = $1 AND state = 'outgoing'`, desk2) == 0
	})
	mu.Lock()
	defer mu.Unlock()
	if len(back) < 5 {
		t.Fatalf("only %d were taken back", len(back))
	}
	for n, e := range entries {
		switch {
		case back[e.MessageID] && got[e.MessageID] > 0:
			t.Errorf("message %d was taken back and arrived", n)
		case !back[e.MessageID] && got[e.MessageID] != 1:
			t.Errorf("message %d arrived %d times", n, got[e.MessageID])
		}
	}
}

func TestNeighbours(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Peers[0].DeskPhone = "+49 1" })
	r.Desks([]string{desk2})
	find := func(oid string) (found *Neighbour) {
		t.Helper()
		if err := r.db.Read(t.Context(), func(tx *store.Tx) error {
			list, err := r.Neighbours(tx)
			for _, nb := range list {
				if nb.OID == nodeOID || nb.OID == peerOID {
					t.Errorf("the node %s is listed", nb.OID)
				}
				if nb.OID == oid {
					found = &nb
				}
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if found == nil {
			t.Fatal("no ", oid)
		}
		return found
	}
	nb := find(far1)
	if nb.Name != "desk "+far1 || nb.Peer != "far" || nb.DeskPhone != "+49 1" || len(nb.Apps) == 0 || nb.Waiting != 0 || nb.Failure != "" {
		t.Errorf("%+v", nb)
	}
	r.mustPost(desk2, far1, "x")
	r.mustPost(desk2, far1, "y")
	if nb = find(far1); nb.Waiting != 2 || nb.Oldest.IsZero() {
		t.Errorf("waiting: %+v", nb)
	}
	at := r.clk.Now()
	p := r.peers().byID["far"]
	p.failed()
	r.linkDown(p, errors.New("x"))
	r.write(func(*store.Tx) error { return nil })
	if nb = find(far1); !nb.DownSince.Equal(at) || nb.Failure != "exchange.peer.unreachable" {
		t.Errorf("down: %+v", nb)
	}
	r.clk.Advance(time.Minute)
	r.linkDown(p, errors.New("x"))
	r.write(func(*store.Tx) error { return nil })
	if nb = find(far1); !nb.DownSince.Equal(at) {
		t.Error("since when it is down moved")
	}
	r.linkUp(p)
	r.write(func(*store.Tx) error { return nil })
	if nb = find(far1); !nb.DownSince.IsZero() || nb.Failure != "" || nb.LastContact.IsZero() {
		t.Errorf("up: %+v", nb)
	}
	r.clk.Advance(time.Minute)
	r.write(func(tx *store.Tx) error {
		return r.setRemoteStatus(tx, p, ucri.AvailabilityUpdate{ID: far1, Status: ucri.StatusOffline})
	})
	if err := r.loadRegistry(t.Context()); err != nil {
		t.Fatal(err)
	}
	if nb = find(far1); nb.Status != ucri.StatusOffline || !nb.Since.Equal(r.clk.Now()) {
		t.Errorf("offline: %+v", nb)
	}
	// Those of this node are neighbours too: several control rooms may share it.
	r.Attend(t.Context(), []string{testDesk, "1.9.9"})
	if nb = find(desk1); nb.Peer != "" || nb.Status != ucri.StatusOffline {
		t.Errorf("own: %+v", nb)
	}
}

func TestAttend(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Accounts = c.Accounts[:1] })
	r.Attend(t.Context(), []string{desk1, desk2})
	if r.statusOf(desk2) != ucri.StatusOnline {
		t.Error("a console's address is not online")
	}
	if r.statusOf(desk1) == ucri.StatusOnline {
		t.Error("a dispatch system that is away counts as online")
	}
}
