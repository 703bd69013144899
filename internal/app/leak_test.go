package app

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/river"
	"trojmezi/internal/exchange/console"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web/sign"
	"trojmezi/internal/simulator/mailbox"
)

const (
	// leakCases is how many things are tried by default; TROJMEZI_CHECKS asks for more.
	leakCases = 2000
	// leakBatch is how many share a transaction.
	leakBatch = 250
	// leakDelivered is of how many batches everything is really sent: the first, and each
	// of that number. Of all others the outbox is read.
	leakDelivered = 20
)

// outside is everything around a node that gets something: one mailbox and one webhook
// of each kind.
type outside struct {
	mu    sync.Mutex
	got   int
	leaks []string
	texts *i18n.Bundle
}

func (o *outside) bad(format string, parts ...string) {
	o.leaks = append(o.leaks, format+": "+strings.Join(parts, " | "))
}

var leakMarks = map[store.Kind]string{store.Exercise: "notify.mark.exercise", store.Test: "notify.mark.test"}

// hook takes what a webhook of a kind gets.
func (o *outside) hook(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.got++
	var p notify.Posted
	own := store.Kind(strings.TrimPrefix(r.URL.Path, "/"))
	if err := json.Unmarshal(raw, &p); err != nil || p.Kind != own {
		o.bad("webhook of another kind", string(own), string(raw))
	}
	for _, l := range i18n.Langs {
		want := ""
		if key := leakMarks[own]; key != "" {
			want = o.texts.Text(l, key, nil)
		}
		if p.Mark[l] != want {
			o.bad("webhook without its mark", string(own), string(l), string(raw))
		}
	}
}

// mail takes what a mailbox of a kind gets.
func (o *outside) mail(m mailbox.Mail) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.got++
	own := store.Kind(strings.TrimSuffix(m.To, "@node.example"))
	for kind, key := range leakMarks {
		mark := o.texts.Text(i18n.De, key, nil)
		if marked := strings.Contains(m.Subject, mark) && strings.HasPrefix(m.Body, mark); marked != (kind == own) {
			o.bad("mail", string(own), m.Subject)
		}
	}
	if !strings.Contains(m.Body, "thing of kind "+string(own)+" ") && strings.Contains(m.Body, "thing of kind ") {
		o.bad("mail of another kind", string(own), m.Body)
	}
}

// Whatever is no reality leaves a node by no channel of reality, and by its own only with
// its mark: random notifications, alarms of rivers and of consoles, notices, and jobs that
// ask a worker of one kind for something of another. What goes between nodes and by
// gateways is shown by the tests of internal/exchange (TestOutboxKinds, TestKindOf) and of
// its adapters (an exercise stays one).
func TestNothingLeaks(t *testing.T) {
	checks := leakCases
	if text := os.Getenv("TROJMEZI_CHECKS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("TROJMEZI_CHECKS=%q is no count", text)
		}
		checks = n
	}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("TROJMEZI_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("TROJMEZI_SEED=%q is no number", text)
		}
		seed = n
	}
	t.Logf("%d cases, TROJMEZI_SEED=%d", checks, seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	out := &outside{texts: texts(t)}
	hooks := httptest.NewServer(http.HandlerFunc(out.hook))
	defer hooks.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- mailbox.Serve(ctx, l, out.mail) }()
	defer func() { stop(); <-served }()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("k", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	n := builtNode(t, func(m map[string]any) {
		var recipients, webhooks []any
		for _, k := range store.Kinds {
			recipients = append(recipients, map[string]any{"name": string(k), "email": string(k) + "@node.example", "kind": string(k), "languages": []any{"de"}})
			webhooks = append(webhooks, map[string]any{"url": hooks.URL + "/" + string(k), "secret_file": secret, "insecure_loopback": true, "kind": string(k)})
		}
		m["notify"] = map[string]any{"base_url": "https://node.example", "recipients": recipients, "webhooks": webhooks,
			"smtp": map[string]any{"host": "127.0.0.1", "port": l.Addr().(*net.TCPAddr).Port, "from": "node@node.example", "tls": "none"}}
	})
	if err := n.notify.Schedule(ctx); err != nil {
		t.Fatal(err)
	}
	kind := func() store.Kind { return store.Kinds[rnd.IntN(len(store.Kinds))] }
	pick := func(of ...string) string { return of[rnd.IntN(len(of))] }
	sent := map[store.Kind]int{}
	one := func(tx *store.Tx, i int) error {
		k := kind()
		id := n.Clock.NewID()
		sent[k]++
		switch rnd.IntN(4) {
		case 0, 1:
			return n.notify.Send(tx, notify.Notification{Kind: k, Class: notify.Class(pick("A", "B", "C")), Organisation: pick("", "liberec", "zittau"),
				Text: notify.Text{Key: "replay.said", Args: i18n.Args{"text": "thing of kind " + string(k) + " ÜBUNG"}}, Link: pick("", "/rivers", "/notices/1"), Unique: pick("", id)})
		case 2:
			return n.riverAlarm(tx, river.Alarm{ID: id, Kind: k, Gauge: "de-goerlitz", Where: "Görlitz", River: "Neiße", Cause: river.Cause(pick("up", "down", "fast", "past")), Unit: river.CM,
				Name: "Alarmstufe " + pick("1", "2", "3", "4"), Level: sign.Level(pick("l1", "l2", "l3", "l4", "")), From: 100, Value: rnd.Float64() * 900, Within: time.Hour, At: n.Clock.Now(), Told: n.Clock.Now()})
		}
		return n.unheard(tx, console.Alarm{ID: id, Kind: k, Class: console.Class(pick("A", "B", "C")), Cause: console.Cause(pick("incoming", "undecided", "telephone", "message", "answer", "end", "link")), Org: pick("liberec", "zittau")})
	}
	// forge asks a worker of one kind for something of another, as an error in the queue
	// would. The row's own kind must count.
	forge := func(tx *store.Tx) error {
		var id, channel string
		var k store.Kind
		err := tx.Row(`SELECT notification, channel, kind FROM notify_delivery WHERE kind <> 'live' ORDER BY notification LIMIT 1`).Scan(&id, &channel, &k)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO notify_delivery (notification, channel, kind, state, attempt, tried_at, error) VALUES ($1, $2, $3, 'waiting', 0, 0, '')`, id, "mail:live", string(k))
		if err == nil {
			_, err = n.jobs.Enqueue(tx, job.Job{Queue: "notify.mail:live", Kind: store.Live, Payload: []byte(id)})
		}
		return err
	}
	for done, batch := 0, 0; done < checks; batch++ {
		size := min(leakBatch, checks-done)
		if err := n.DB.Write(ctx, func(tx *store.Tx) error {
			clear(sent)
			for i := range size {
				if err := one(tx, i); err != nil {
					return err
				}
			}
			for _, c := range []struct{ what, query string }{
				{"a delivery of another kind than its notification", `SELECT COUNT(*) FROM notify_delivery d JOIN notify_outbox o ON o.id = d.notification WHERE o.kind <> d.kind`},
				{"a mailbox of another kind", `SELECT COUNT(*) FROM notify_delivery WHERE channel LIKE 'mail:%' AND channel <> 'mail:' || kind`},
				{"a job of another kind than its delivery", `SELECT COUNT(*) FROM job_task j JOIN notify_outbox o ON j.queue LIKE 'notify.%' AND j.queue <> 'notify.prune' AND CAST(j.payload AS TEXT) = o.id WHERE j.kind <> o.kind`},
			} {
				var found int
				if n.DB.Engine() != store.SQLite && strings.Contains(c.query, "CAST(j.payload") {
					continue // bytes are no text there; the delivery says the same
				}
				if err := tx.Row(c.query).Scan(&found); err != nil {
					return err
				}
				if found > 0 {
					t.Errorf("batch %d: %s: %d times", batch, c.what, found)
				}
			}
			for k, want := range sent {
				var found int
				if err := tx.Row(`SELECT COUNT(*) FROM notify_outbox WHERE kind = $1`, string(k)).Scan(&found); err != nil || found != want {
					t.Errorf("batch %d: %d of %d things of kind %s are kept as such (%v)", batch, found, want, k, err)
				}
			}
			if batch%leakDelivered != 0 {
				return emptyOutbox(tx)
			}
			return forge(tx)
		}); err != nil {
			t.Fatal(err)
		}
		if batch%leakDelivered == 0 {
			if _, err := n.jobs.Turn(ctx); err != nil {
				t.Fatal(err)
			}
			if err := n.DB.Write(ctx, emptyOutbox); err != nil {
				t.Fatal(err)
			}
		}
		if done += size; t.Failed() {
			break
		}
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	for _, x := range out.leaks {
		t.Error(x)
	}
	if out.got < min(checks, leakBatch) {
		t.Errorf("only %d messages arrived anywhere", out.got)
	}
	t.Logf("%d were really sent", out.got)
}

func emptyOutbox(tx *store.Tx) error {
	for _, query := range []string{`DELETE FROM notify_delivery`, `DELETE FROM notify_outbox`, `DELETE FROM job_task WHERE queue LIKE 'notify.%' AND queue <> 'notify.prune'`} {
		if _, err := tx.Exec(query); err != nil {
			return err
		}
	}
	return nil
}

// A notice that is no reality stands in no feed of reality, at no address of it, and says
// in each language what it is.
func TestNoticesDoNotLeak(t *testing.T) {
	n := builtNode(t, nil)
	_, crew, err := n.people.Seed(t.Context(), identity.Organisation{Name: "Frýdlant", Country: "CZ"}, []identity.NewPerson{
		{Login: "dana", Name: "Dana", Lang: i18n.Cs, Roles: []string{"dispatcher"}, Password: "a long password of dana"}, {Login: "vera", Name: "Věra", Lang: i18n.Cs, Roles: []string{"shift_leader"}, Password: "a long password of vera"}})
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		n.router().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	as := func(i int) notice.Actor {
		return notice.Actor{Person: crew[i].ID, Organisation: crew[i].Organisation}
	}
	published := map[store.Kind]*notice.Publication{}
	for _, k := range store.Kinds {
		id, err := n.notices.Begin(t.Context(), as(0), "", k, notice.Alert, &notice.Content{Template: "N07", Lang: i18n.Cs, Areas: []string{"ORP-5102"},
			Values: map[string]string{"place": "CZ-564028", "at": n.Clock.Now().Add(time.Hour).Format(time.RFC3339), "phone": "+420 482 000 000"}})
		if err != nil {
			t.Fatal(err)
		}
		for i, step := range []notice.Step{notice.Propose, notice.Approve} {
			v, err := n.notices.Show(t.Context(), id, i18n.Cs)
			if err == nil {
				err = n.notices.Take(t.Context(), as(i), id, notice.Event{Step: step, Content: v.Last.Content}, true)
			}
			if err != nil {
				t.Fatal(k, step, err)
			}
		}
		v, err := n.notices.Show(t.Context(), id, i18n.Cs)
		if err != nil || len(v.Published) != 1 {
			t.Fatal(k, err)
		}
		p := v.Published[0]
		published[k] = p
		status := map[store.Kind]string{store.Live: "Actual", store.Exercise: "Exercise", store.Test: "Test"}[k]
		if p.Kind != k || !bytes.Contains(p.Document, []byte("<status>"+status+"</status>")) {
			t.Errorf("%s: %s", k, p.Document)
		}
		for _, l := range i18n.Langs {
			mark := n.texts.Text(l, "notice.say.drill.exercise", nil)
			if k == store.Test {
				mark = n.texts.Text(l, "notice.say.drill.test", nil)
			}
			if marked := strings.HasPrefix(p.Titles[l], mark+": "); marked != (k != store.Live) {
				t.Errorf("%s in %s: %q", k, l, p.Titles[l])
			}
		}
	}
	for path, own := range map[string]store.Kind{"/cap/feed.atom": store.Live, "/cap/exercise/feed.atom": store.Exercise} {
		code, feed := get(path)
		for k, p := range published {
			if strings.Contains(feed, p.Identifier) != (k == own) || code != http.StatusOK {
				t.Errorf("%s: %d, a notice of kind %s: %v", path, code, k, k != own)
			}
			message := map[store.Kind]string{store.Live: "/cap/message/", store.Exercise: "/cap/exercise/message/"}[own] + p.Notice + ".1"
			if code, _ := get(message); (code == http.StatusOK) != (k == own) {
				t.Errorf("%s of kind %s: %d", message, k, code)
			}
		}
	}
}
