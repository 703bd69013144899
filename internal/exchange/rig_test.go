package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
)

// The addresses of the tests: a node with two desks and one for tests, and a
// neighbour's with two of its own.
const (
	nodeOID  = "1.2.3.0"
	desk1    = "1.2.3.1"
	desk2    = "1.2.3.2"
	testDesk = "1.2.3.99.1"
	peerOID  = "1.2.4.0"
	far1     = "1.2.4.1"
	far2     = "1.2.4.2"
	otherOID = "1.2.5.0"
	farther  = "1.2.5.1"
)

// rig is a node on a database of its own, with a clock that stands still.
type rig struct {
	*Node
	t    testing.TB
	clk  *clock.Clock
	key  *seal.Node
	deps Deps
}

func record(oid string) map[string]any {
	var apps []any
	for _, a := range ucri.Apps() {
		if a.AppID != "transport_layer_messages" {
			apps = append(apps, map[string]any{"appId": a.AppID, "appVersion": a.AppVersion})
		}
	}
	return map[string]any{
		"id": oid, "systemName": "desk", "operatorName": "desk " + oid, "operatorShortName": "d", "supportedApps": apps,
		"techSupport": map[string]any{"phone": "+420 485 000 000", "e-mail": "it@desk.example"},
	}
}

func testConfig() Config {
	return Config{
		OID: nodeOID, Listen: "127.0.0.1:0", InsecureLoopback: true, Operator: "Liberec",
		Accounts: []Account{
			{Username: "desk1", Password: "p1", Type: "client", OIDs: []string{desk1, testDesk}},
			{Username: "desk2", Password: "p2", Type: "client", OIDs: []string{desk2}},
			{Username: "neighbours", Password: "pn", Type: "p2p"},
		},
		Participants: []any{record(desk1), record(desk2), record(testDesk)},
		Peers: []Peer{
			// Nobody listens on port 1.
			{ID: "far", OID: peerOID, BaseURL: "http://127.0.0.1:1" + p2pPath, Username: "neighbours", Password: "pn"},
			{ID: "other", OID: otherOID, BaseURL: "http://127.0.0.1:1" + p2pPath, Username: "neighbours", Password: "pn"},
		},
	}
}

func newRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	cfg := testConfig()
	for _, f := range change {
		f(&cfg)
	}
	if faults := cfg.Validate(); len(faults) > 0 {
		t.Fatalf("configuration: %+v", faults)
	}
	clk := clock.Fake(time.Now())
	sc := storetest.Config(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "exchange": Migrations()})
	sc.Clock = clk
	db, err := store.Open(t.Context(), sc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	key, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	texts, err := i18n.Load(access.Locales, identity.Locales, ucri.Locales(), Locales())
	if err != nil {
		t.Fatal(err)
	}
	rules, err := access.Load(map[string][]byte{"exchange/policy.cedar": Policy()})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(logSink(), nil))
	r := &rig{t: t, clk: clk, key: key, deps: Deps{
		DB: db, Key: key, Ring: seal.NewRing(key, clk), Audit: audit.New(db, key, clk, log), Policy: rules,
		Clock: clk, Texts: texts, Log: log, Dir: t.TempDir(), Version: "test", ID: "instance-1", Lang: i18n.En,
	}}
	if r.Node, err = New(t.Context(), cfg, r.deps); err != nil {
		t.Fatal(err)
	}
	for oid, peer := range map[string]string{far1: "far", far2: "far", farther: "other"} {
		if r.peers().byID[peer] != nil {
			r.learn(oid, peer)
		}
	}
	return r
}

// logSink shows the logs with TROJMEZI_TEST_LOG set.
func logSink() io.Writer {
	if os.Getenv("TROJMEZI_TEST_LOG") != "" {
		return os.Stderr
	}
	return io.Discard
}

// learn puts a peer's participant into the register.
func (r *rig) learn(oid, peer string) {
	r.t.Helper()
	raw, _ := json.Marshal(record(oid))
	r.write(func(tx *store.Tx) error {
		if _, err := tx.Exec(`INSERT INTO exchange_peer (id, fetched, fetched_at, failed_at, failure, skew, quarantined)
			VALUES ($1, 1, 0, 0, '', 0, 0) ON CONFLICT (id) DO NOTHING`, peer); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO exchange_participant (oid, peer, record) VALUES ($1, $2, $3)`, oid, peer, string(raw))
		return err
	})
	if err := r.loadRegistry(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) write(f func(*store.Tx) error) {
	r.t.Helper()
	if err := r.db.Write(r.t.Context(), f); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) exec(query string, args ...any) {
	r.t.Helper()
	r.write(func(tx *store.Tx) error { _, err := tx.Exec(query, args...); return err })
}

// ask reads one value.
func ask[T any](r *rig, query string, args ...any) T {
	r.t.Helper()
	var v T
	if err := r.db.Read(r.t.Context(), func(tx *store.Tx) error { return tx.Row(query, args...).Scan(&v) }); err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
	return v
}

// id is the n-th message id of a test.
func id(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

type edit func(m map[string]any)

func with(name string, v any) edit { return func(m map[string]any) { m[name] = v } }

func text(s string) edit {
	return func(m map[string]any) { m["payload"].(map[string]any)["data"] = notification("", s) }
}

func incident(uuid string) edit {
	return func(m map[string]any) { m["payload"].(map[string]any)["data"] = notification(uuid, "text") }
}

func notification(uuid, s string) string {
	if uuid == "" {
		uuid = id(1)
	}
	b, _ := json.Marshal(map[string]any{"sharedIncidentId": uuid,
		"notifications": []any{map[string]any{"timestamp": "2026-03-14T07:31:05Z", "message": s}}})
	return string(b)
}

// letter is a message as a dispatch system sends it.
func letter(from, to string, edits ...edit) []byte {
	m := map[string]any{"source": from, "destinations": []any{to}, "payload": map[string]any{
		"appId": "notification_text", "appVersion": "1.0", "schemaId": "notification", "contentType": "application/json",
		"data": notification("", "Příjezd za 12 minut"),
	}}
	for _, e := range edits {
		e(m)
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// status is a delivery status as a peer's node sends it.
func status(from, to, ref, dest string, code int) []byte {
	return letter(from, to, with("messageId", id(900_000+code)), func(m map[string]any) {
		p := m["payload"].(map[string]any)
		p["appId"], p["schemaId"] = "transport_layer_messages", "message_delivery_status"
		p["data"] = fmt.Sprintf(`{"refMessageId":%q,"destination":%q,"statusCode":%d}`, ref, dest, code)
	})
}

// send takes a message from a desk.
func (r *rig) send(user string, body []byte) *ucri.Envelope {
	r.t.Helper()
	e, err := r.sendClient(r.t.Context(), r.accounts[user], body)
	if err != nil {
		r.t.Fatalf("send: %v", err)
	}
	return e
}

// fromPeer takes a message from a neighbour.
func (r *rig) fromPeer(name string, body []byte) error {
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		r.t.Fatal(err)
	}
	for member, v := range map[string]any{"messageId": id(800_000), "sentDate": ucri.FormatTime(r.clk.Now()), "timeout": 3600, "ack": "NONE"} {
		if _, there := m[member]; !there {
			m[member] = v
		}
	}
	body, _ = json.Marshal(m)
	_, err := r.sendPeer(r.t.Context(), []*peer{r.peers().byID[name]}, body)
	return err
}

func (r *rig) mustPeer(name string, body []byte) {
	r.t.Helper()
	if err := r.fromPeer(name, body); err != nil {
		r.t.Fatalf("from %s: %v", name, err)
	}
}

// item is what a desk sees of a received message.
type item struct {
	Seq    int64
	ID     string
	Source string
	Status int // of a receipt
	Ref    string
}

// read receives without waiting.
func (r *rig) read(user string, oids ...string) []item {
	r.t.Helper()
	got, _, err := r.receive(r.t.Context(), r.accounts[user], ucri.ReceiveRequest{Destinations: oids, MaxMessages: 1000})
	if err != nil {
		r.t.Fatal(err)
	}
	items := []item{}
	for _, s := range got {
		e, err := r.render(s)
		if err != nil {
			r.t.Fatal(err)
		}
		it := item{Seq: s.seq, ID: s.messageID, Source: e.Source}
		if d, bad := ucri.ParseDeliveryStatus(e.Payload); bad == nil {
			it.Status, it.Ref, it.ID = d.StatusCode, d.RefMessageID, ""
		}
		items = append(items, it)
	}
	return items
}

// receipts are the statuses waiting for a desk, by the message they are about.
func (r *rig) receipts(user, oid string) map[string][]int {
	r.t.Helper()
	out := map[string][]int{}
	for _, i := range r.read(user, oid) {
		if i.Status != 0 {
			out[i.Ref] = append(out[i.Ref], i.Status)
		}
	}
	return out
}

func (r *rig) held() (held bool) {
	r.t.Helper()
	if err := r.db.Read(r.t.Context(), func(tx *store.Tx) (err error) {
		held, err = Held(tx)
		return err
	}); err != nil {
		r.t.Fatal(err)
	}
	return held
}

func (r *rig) sweepOnce() {
	r.t.Helper()
	for {
		more, err := r.expire(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		if !more {
			return
		}
	}
}

// erase is the nightly deletion, the night before having agreed.
func (r *rig) erase() {
	r.t.Helper()
	now := millis(r.clk.Now())
	r.write(func(tx *store.Tx) error { return tx.SetSetting("job.agreed."+QueueErase, fmt.Sprint(now, " ", now)) })
	if err := r.Erase(r.t.Context(), job.Job{}); err != nil {
		r.t.Fatal(err)
	}
}

// wantCode fails unless err is a refusal with the status and code.
func wantCode(t testing.TB, err error, status int, code ucri.Code) {
	t.Helper()
	switch e := err.(type) {
	case *refusal:
		if e.status != status || e.code != code {
			t.Errorf("got %d/%d (%s), want %d/%d", e.status, e.code, e.key, status, code)
		}
	case *ucri.Error:
		if statusOf(e.Code) != status || e.Code != code {
			t.Errorf("got %d/%d (%s), want %d/%d", statusOf(e.Code), e.Code, e.Key, status, code)
		}
	default:
		t.Errorf("got %v, want %d/%d", err, status, code)
	}
}

// answerOf is one request to the handler.
type answerOf struct {
	*httptest.ResponseRecorder
	t testing.TB
}

func (r *rig) call(method, path, authorization string, body []byte) answerOf {
	r.t.Helper()
	req := httptest.NewRequest(method, path, bytes.NewReader(body))
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, req)
	return answerOf{w, r.t}
}

// bearer signs a user in.
func (r *rig) bearer(user string) string {
	r.t.Helper()
	a := r.accounts[user]
	token, err := r.tokens.Issue(identity.Claims{Subject: a.Username, Role: a.Type, OIDs: a.OIDs})
	if err != nil {
		r.t.Fatal(err)
	}
	return "Bearer " + token
}

// want checks status and code of an error, and that it is for people: JSON with
// a reason that holds what is given.
func (a answerOf) want(status int, code ucri.Code, holds ...string) {
	a.t.Helper()
	var body ucri.ErrorBody
	if err := json.Unmarshal(a.Body.Bytes(), &body); err != nil || a.Header().Get("Content-Type") != "application/json" {
		a.t.Errorf("%d with %s: %s", a.Code, a.Header().Get("Content-Type"), a.Body)
		return
	}
	if a.Code != status || body.Code != code || body.Reason == "" {
		a.t.Errorf("got %d/%d %q, want %d/%d", a.Code, body.Code, body.Reason, status, code)
	}
	for _, h := range holds {
		if !strings.Contains(body.Reason, h) {
			a.t.Errorf("the reason %q does not say %q", body.Reason, h)
		}
	}
}

func (a answerOf) ok() {
	a.t.Helper()
	if a.Code != http.StatusOK && a.Code != http.StatusNoContent {
		a.t.Errorf("got %d: %s", a.Code, a.Body)
	}
}

// runFor runs f beside the test and ends it with the test.
func runFor(t testing.TB, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

// until waits for a condition that another goroutine brings about.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	end := time.Now().Add(20 * time.Second)
	for !f() {
		if time.Now().After(end) {
			t.Fatal("not within 20 s:", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
