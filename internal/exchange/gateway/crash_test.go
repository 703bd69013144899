package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/adapter/transport"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// The program ends after a delivery is stored and before its transport acknowledges
// it: the transport delivers again, and one message is posted.
func TestEndsBetweenStoreAndAcknowledge(t *testing.T) {
	r := newRig(t, clock.System())
	message := r.say(sentence{id: uuid(1), event: uuid(9)})
	r.ok(r.db.Write(t.Context(), func(tx *store.Tx) error { return ensureLine(tx, "hzs") }))
	box := &inbox{r.gates[0]}
	r.ok(box.Take(t.Context(), transport.Delivery{ID: "1.xml", Body: []byte(message)}))
	if got := r.got(desk); len(got) != 0 {
		t.Fatalf("%d messages before anything ran", len(got))
	}
	r.drop("hzs", "1.xml", message) // not moved: nobody acknowledged it
	r.again()
	r.start()
	r.until("the incident", func() bool { return len(r.got(desk)) == 1 })
	r.until("that the file is taken", func() bool { return len(filesIn(t, r, "hzs", "done")) == 1 })
	r.until("the receipt", func() bool { return len(containing(r.outbox("hzs"), "<Potvrzeni>")) == 1 })
	if got := r.got(desk); len(got) != 1 {
		t.Errorf("%d messages", len(got))
	}
}

func filesIn(t testing.TB, r *rig, gateway, folder string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(r.dir, gateway, folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// ending is a transport whose program ends the moment a parcel was handed over.
type ending struct {
	transport.Transport
	end  context.CancelFunc
	sent chan transport.Parcel
}

func (e *ending) Send(ctx context.Context, p transport.Parcel) error {
	if err := e.Transport.Send(ctx, p); err != nil {
		return err
	}
	e.sent <- p
	e.end()
	return ctx.Err()
}

// The program ends after a message is handed over and before that is written down: the
// same bytes go again under the same id, and it is concluded once.
func TestEndsBetweenSendAndTake(t *testing.T) {
	c := folder("hzs", czech)
	no := false
	c.Receipts = &no
	r := newRig(t, clock.System(), c)
	ctx, end := context.WithCancel(t.Context())
	e := &ending{r.gates[0].way, end, make(chan transport.Parcel, 1)}
	r.gates[0].way = e
	posted := r.post(desk, czech, uuid(1), "Brand", 600)
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	first := <-e.sent
	r.ok(<-done)
	if r.receipt(posted.ID).Ended() {
		t.Fatal("it is written down already")
	}
	r.again()
	r.start()
	r.until("the end", func() bool { return !r.receipt(posted.ID).Read.IsZero() })
	files := r.outbox("hzs")
	if len(files) != 1 || files[posted.MessageID+".xml"] != string(first.Body) {
		t.Errorf("%v", files)
	}
	if got := r.statuses(desk, posted.MessageID); len(got) != 1 {
		t.Errorf("statuses %v", got)
	}
}

// No room to store: nothing is acknowledged, and when there is room it is taken.
func TestNoRoom(t *testing.T) {
	r := newRig(t, clock.System())
	r.drop("hzs", "1.xml", r.say(sentence{id: uuid(1), event: uuid(9)}))
	full := &noRoom{inbox: &inbox{r.gates[0]}}
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	if err := r.gates[0].way.Receive(ctx, full, func() {}); !errors.Is(err, errNoRoom) {
		t.Fatalf("%v", err)
	}
	if len(filesIn(t, r, "hzs", "in")) != 1 || len(filesIn(t, r, "hzs", "done")) != 0 {
		t.Error("it was acknowledged")
	}
	r.start()
	r.until("the incident", func() bool { return len(r.got(desk)) == 1 })
}

type noRoom struct{ *inbox }

var errNoRoom = errors.New("disk full")

func (*noRoom) Take(context.Context, transport.Delivery) error { return errNoRoom }

// Two instances share the gateways: each message goes out once, one that comes to both
// is posted once, and when one ends the other goes on.
func TestTwoInstances(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		if q.Method == http.MethodPost {
			mu.Lock()
			seen[q.Header.Get(transport.IDHeader)]++
			mu.Unlock()
		}
	}))
	defer s.Close()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("a secret of the two sides"), 0o600); err != nil {
		t.Fatal(err)
	}
	no := false
	list := []Config{}
	for name, oid := range map[string]string{"one": czech, "two": other} {
		c := folder(name, oid)
		c.Receipts, c.Transport = &no, transport.Config{Push: &transport.Push{URL: s.URL, SecretFile: secret, InsecureLoopback: true}}
		list = append(list, c)
	}
	a := newRig(t, clock.System(), list...)
	if a.db.Engine() == store.SQLite {
		t.Skip("TROJMEZI_TEST_POSTGRES is not set: several instances need PostgreSQL")
	}
	b := a.second()
	stop := a.start()
	b.start()
	var posted []exchange.Entry
	for n := range 20 {
		posted = append(posted, a.post(desk, czech, uuid(n), "a", 600), b.post(desk, other, uuid(100+n), "b", 600))
	}
	all := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(seen) == len(posted)
	}
	a.until("all of them", all)
	message := a.say(sentence{id: uuid(200), event: uuid(201)})
	var wg sync.WaitGroup
	for range 5 {
		for _, r := range []*rig{a, b} {
			wg.Go(func() {
				if err := (&inbox{r.gates[0]}).Take(t.Context(), transport.Delivery{ID: "x", Body: []byte(message)}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	a.until("the incident", func() bool { return len(a.got(desk)) > 0 })
	stop()
	for n := range 5 {
		posted = append(posted, b.post(desk, czech, uuid(220+n), "c", 600), b.post(desk, other, uuid(230+n), "c", 600))
	}
	a.until("those of the other instance", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(seen) >= len(posted)
	})
	b.until("their ends", func() bool {
		for _, e := range posted {
			if b.receipt(e.ID).Read.IsZero() {
				return false
			}
		}
		return true
	})
	mu.Lock()
	defer mu.Unlock()
	for _, e := range posted {
		if n := seen[e.MessageID]; n != 1 {
			t.Errorf("%s went out %d times", e.MessageID, n)
		}
	}
	if got := b.got(desk); len(got) != 1 {
		t.Errorf("%d incidents", len(got))
	}
}

// After the time for its kind a message in the tray is deleted, with its key; what is
// posted goes with its incident.
func TestErase(t *testing.T) {
	clk := clock.Fake(time.Now())
	r := newRig(t, clk)
	r.start()
	r.drop("hzs", "1.xml", "Nováková")
	r.drop("hzs", "2.xml", r.say(sentence{id: uuid(1), event: uuid(9)}))
	r.until("both", func() bool { return len(r.tray()) == 1 && len(r.got(desk)) == 1 })
	id := r.tray()[0].ID
	night := func() {
		clk.Advance(24 * time.Hour)
		r.ok(r.Erase(t.Context(), job.Job{}))
	}
	night()
	night()
	if v, err := r.Item(t.Context(), "tech", id); err != nil || v.Deleted || string(v.Body) != "Nováková" {
		t.Fatalf("%+v %v", v, err)
	}
	clk.Advance(exchange.DefaultRetention)
	night()
	night()
	v, err := r.Item(t.Context(), "tech", id)
	if err != nil || !v.Deleted || len(v.Body) > 0 || v.State != "lapsed" {
		t.Errorf("%+v %v", v, err)
	}
	r.ok(r.db.Read(t.Context(), func(tx *store.Tx) error {
		i, err := one(scanIn(tx, `id = $1`, id))
		if err != nil {
			return err
		}
		if _, err := r.Ring.Lookup(tx, i.keyID); !errors.Is(err, seal.ErrDestroyed) {
			t.Errorf("its key is there: %v", err)
		}
		posted, err := one(scanIn(tx, `state = 'posted'`))
		if err == nil && len(posted.body) == 0 {
			t.Error("what belongs to an incident was deleted before it")
		}
		return err
	}))
	r.ok(r.db.Write(t.Context(), func(tx *store.Tx) error {
		posted, err := one(scanIn(tx, `state = 'posted'`))
		if err != nil {
			return err
		}
		return r.Ring.Destroy(tx, posted.keyID) // as the node does with the incident
	}))
	night()
	r.ok(r.db.Read(t.Context(), func(tx *store.Tx) error {
		posted, err := one(scanIn(tx, `state = 'posted'`))
		if err == nil && len(posted.body) > 0 {
			t.Error("bytes outlive their incident")
		}
		return err
	}))
}

// Files that were taken are deleted after the gateway's time for them: not one that waits
// for a person, none that the gateway did not take, and none that was changed since.
func TestSweep(t *testing.T) {
	clk := clock.Fake(time.Now())
	maildir := t.TempDir()
	post := folder("post", other)
	post.Transport = transport.Config{Mail: &transport.Mail{Maildir: maildir, From: []string{"a@b.cz"}}}
	r := newRig(t, clk, folder("hzs", czech), post)
	for _, f := range []string{"new", "cur", "tmp"} {
		r.ok(os.MkdirAll(filepath.Join(maildir, f), 0o700))
	}
	message := r.say(sentence{id: uuid(1), event: uuid(9)})
	r.ok(os.WriteFile(filepath.Join(maildir, "new", "1.M1.host"), []byte("From: a@b.cz\r\n\r\n"+r.say(sentence{id: uuid(2), event: uuid(10)})), 0o600))
	r.drop("hzs", "tray.xml", "Nováková")
	r.drop("hzs", "1.xml", message)
	r.drop("hzs", "2.xml", strings.Replace(message, uuid(1), uuid(3), 1)+strings.Repeat(" ", transport.MaxBytes)) // whole in "refused"
	r.start()
	r.until("all", func() bool {
		return len(r.tray()) == 2 && len(r.got(desk)) == 2 && len(filesIn(t, r, "hzs", "done")) == 2 && len(filesIn(t, r, "hzs", "refused")) == 1
	})
	r.until("the mail", func() bool { _, err := os.Stat(filepath.Join(maildir, "cur", "1.M1.host:2,S")); return err == nil })
	for _, id := range []int64{r.tray()[0].ID, r.tray()[1].ID} {
		if v, err := r.Item(t.Context(), "tech", id); err == nil && v.Reason == "transport.fault.size" {
			r.ok(r.Dismiss(t.Context(), "tech", id, "zu groß"))
		}
	}
	done := filepath.Join(r.dir, "hzs", "done")
	old := clk.Now().Add(-time.Hour)
	for name, body := range map[string]string{"README": "keep", "1-2.xml": message + "<!-- theirs -->"} {
		r.ok(os.WriteFile(filepath.Join(done, name), []byte(body), 0o600))
		r.ok(os.Chtimes(filepath.Join(done, name), old, old))
	}
	r.ok(os.Symlink(filepath.Join(done, "1.xml"), filepath.Join(done, "link.xml")))
	far := clk.Now().AddDate(40, 0, 0) // by the other side's clock
	r.ok(os.Chtimes(filepath.Join(done, "1.xml"), far, far))
	night := func() {
		clk.Advance(24 * time.Hour)
		r.ok(r.Erase(t.Context(), job.Job{}))
	}
	clk.Advance(transport.DefaultKeep - 4*24*time.Hour)
	night()
	night()
	if n := len(filesIn(t, r, "hzs", "done")); n != 5 {
		t.Fatalf("%d files before their time", n)
	}
	clk.Advance(2 * 24 * time.Hour)
	night()
	night()
	left := filesIn(t, r, "hzs", "done")
	for i := range left {
		left[i] = filepath.Base(left[i])
	}
	if !slices.Equal(left, []string{"1-2.xml", "README", "link.xml", "tray.xml"}) || len(filesIn(t, r, "hzs", "refused")) > 0 {
		t.Errorf("left: %v, %v", left, filesIn(t, r, "hzs", "refused"))
	}
	if list, err := os.ReadDir(filepath.Join(maildir, "cur")); err != nil || len(list) > 0 {
		t.Errorf("%v %v", list, err)
	}
}
