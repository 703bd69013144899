package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/agreement"
	"trojmezi/internal/exchange/classification"
	"trojmezi/internal/exchange/disclosure"
	"trojmezi/internal/exchange/phrase"
	"trojmezi/internal/exchange/ucrmclient"
	"trojmezi/internal/exchange/unit"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/test/freeport"
)

// The addresses of the tests: two control rooms with a node each, and a dispatch
// system at the second one's node that has no console.
const (
	node1, room1, test1 = "1.2.203.0", "1.2.203.1", "1.2.203.99.1"
	node2, room2, test2 = "1.2.276.0", "1.2.276.1", "1.2.276.99.1"
	system2             = "1.2.276.7"
)

// room is a control room on a node of its own.
type room struct {
	*Service
	t     testing.TB
	node  *exchange.Node
	db    *store.DB
	ring  *seal.Ring
	clk   *clock.Clock
	org   Org
	audit *audit.Log
	key   *seal.Node
	port  int
	deps  Deps
	cfg   exchange.Config
	edeps exchange.Deps
	told  []Alarm  // by the second channel
	back  []string // alarms it took back

	stopNode, stopServe func()
}

// names are the people of the tests.
var names = map[string]string{"jana": "Jana Nováková", "petr": "Petr Malý", "max": "Max Krüger", "ida": "Ida Lehmann"}

func record(oid, name string) map[string]any {
	var apps []any
	for _, a := range ucri.Apps() {
		if a.AppID != appNode {
			apps = append(apps, map[string]any{"appId": a.AppID, "appVersion": a.AppVersion})
		}
	}
	return map[string]any{
		"id": oid, "systemName": "desk", "operatorName": name, "operatorShortName": name, "supportedApps": apps,
		"techSupport": map[string]any{"phone": "+420 999 999 999", "e-mail": "it@desk.example"},
	}
}

func texts(t testing.TB) *i18n.Bundle {
	b, err := i18n.Load(access.Locales, ucri.Locales(), exchange.Locales(), phrase.Locales(), Locales(), classification.Locales(), unit.Locales(), disclosure.Locales())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// newRooms starts two nodes that know each other, with a console each; the
// consoles' own loops do not run, tests call Sync and Tick.
func newRooms(t testing.TB, change ...func(*exchange.Config)) (a, b *room) {
	t.Helper()
	p1, p2 := freeport.Port(), freeport.Port()
	url := func(port int) string { return fmt.Sprintf("http://127.0.0.1:%d/ucrm/p2p/v0", port) }
	account := exchange.Account{Username: "n", Password: "p", Type: "p2p"}
	clk := clock.Fake(time.Now())
	a = newRoom(t, clk, p1, Org{ID: "liberec", Name: "Liberec", Country: "CZ", Lang: i18n.Cs, Addresses: []string{room1, test1}}, exchange.Config{
		OID: node1, Listen: fmt.Sprintf("127.0.0.1:%d", p1), InsecureLoopback: true, Operator: "Liberec", Accounts: []exchange.Account{account},
		Participants: []any{record(room1, "Liberec"), record(test1, "Liberec (test)")},
		Peers:        []exchange.Peer{{ID: "de", OID: node2, BaseURL: url(p2), Username: "n", Password: "p", DeskPhone: "+49 3571 112"}},
	}, change...)
	b = newRoom(t, clk, p2, Org{ID: "hoyerswerda", Name: "Hoyerswerda", Country: "DE", Lang: i18n.De, Addresses: []string{room2, test2}}, exchange.Config{
		OID: node2, Listen: fmt.Sprintf("127.0.0.1:%d", p2), InsecureLoopback: true, Operator: "Hoyerswerda",
		Accounts:     []exchange.Account{account, {Username: "system", Password: "s", Type: "client", OIDs: []string{system2}}},
		Participants: []any{record(room2, "Hoyerswerda"), record(test2, "Hoyerswerda (test)"), record(system2, "Bautzen")},
		Peers:        []exchange.Peer{{ID: "cz", OID: node1, BaseURL: url(p1), Username: "n", Password: "p"}},
	})
	// Both listen and are online before either asks the other.
	for _, r := range []*room{a, b} {
		r.ok(r.desks(t.Context()))
		r.here()
	}
	for _, r := range []*room{a, b} {
		r.stopNode = r.run(r.node.Run)
	}
	a.until("the registers are read", func() bool {
		return a.knows(room2) && a.knows(system2) && b.knows(room1)
	})
	return a, b
}

func newRoom(t testing.TB, clk *clock.Clock, port int, org Org, cfg exchange.Config, change ...func(*exchange.Config)) *room {
	t.Helper()
	for _, f := range change {
		f(&cfg)
	}
	if faults := cfg.Validate(); len(faults) > 0 {
		t.Fatalf("configuration: %+v", faults)
	}
	sc := storetest.Config(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "exchange": exchange.Migrations(), "console": Migrations(), "phrase": phrase.Migrations(), "classification": classification.Migrations(), "unit": unit.Migrations(), "disclosure": disclosure.Migrations(), "agreement": agreement.Migrations(), "job": job.Migrations()})
	sc.Clock = clk
	db, err := store.Open(context.Background(), sc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	key, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	policy, err := access.Load(map[string][]byte{"exchange/policy.cedar": exchange.Policy()})
	if err != nil {
		t.Fatal(err)
	}
	out := io.Discard
	if os.Getenv("TROJMEZI_TEST_LOG") != "" {
		out = os.Stderr
	}
	log := slog.New(slog.NewTextHandler(out, nil)).With("room", org.ID)
	r := &room{t: t, db: db, clk: clk, org: org, key: key, ring: seal.NewRing(key, clk), audit: audit.New(db, key, clk, log), port: port, cfg: cfg}
	r.edeps = exchange.Deps{DB: db, Key: key, Ring: r.ring, Audit: r.audit, Policy: policy, Clock: clk, Texts: texts(t), Log: log,
		Dir: t.TempDir(), Version: "test", ID: "1", Lang: org.Lang}
	if r.node, err = exchange.New(t.Context(), cfg, r.edeps); err != nil {
		t.Fatal(err)
	}
	r.deps = Deps{
		DB: db, Node: r.node, Ring: r.ring, Audit: r.audit, Clock: clk, Texts: r.edeps.Texts, Log: log, Instance: "1",
		Organisations: func(context.Context) ([]Org, error) { return []Org{r.org}, nil },
		Name:          func(_ *store.Tx, p string) string { return names[p] },
		SecondChannel: func(_ *store.Tx, a Alarm) error { r.told = append(r.told, a); return nil },
		Heard:         func(_ *store.Tx, _ store.Kind, id string) error { r.back = append(r.back, id); return nil },
	}
	if r.deps.Phrases, err = phrase.New(phrase.Options{DB: db, Audit: r.audit, Clock: clk, Texts: r.edeps.Texts, Name: r.deps.Name}); err != nil {
		t.Fatal(err)
	}
	r.deps.Units = unit.New(unit.Options{DB: db, Node: r.node, Audit: r.audit, Clock: clk, Texts: r.edeps.Texts, Log: log, Name: r.deps.Name,
		Organisations: func(context.Context) ([]unit.Org, error) {
			return []unit.Org{{ID: r.org.ID, Name: r.org.Name, Lang: r.org.Lang, Addresses: r.org.Addresses}}, nil
		}})
	r.Service = New(r.deps)
	r.stopServe = r.serve(r.node)
	return r
}

// serve has a node listen; it returns when it does.
func (r *room) serve(n *exchange.Node) (stop func()) {
	r.t.Helper()
	ready, failed := make(chan struct{}), make(chan error, 1)
	stop = r.run(func(ctx context.Context) error {
		err := n.Serve(ctx, func(int) { close(ready) })
		failed <- err
		return err
	})
	select {
	case <-ready:
	case err := <-failed:
		r.t.Fatal(err)
	}
	return stop
}

// run runs f beside the test and ends it with the test.
func (r *room) run(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	stop = func() { cancel(); <-done }
	r.t.Cleanup(stop)
	return stop
}

// here is one beat of the console: its addresses are online.
func (r *room) here() {
	r.t.Helper()
	if err := r.beat(r.t.Context(), false); err != nil {
		r.t.Fatal(err)
	}
}

func (r *room) knows(oid string) bool {
	found := false
	r.read(func(tx *store.Tx) error {
		nbs, err := r.node.Neighbours(tx)
		for _, nb := range nbs {
			found = found || nb.OID == oid && (nb.Status == ucri.StatusOnline || oid == system2)
		}
		return err
	})
	return found && r.node.SameKind(r.org.Addresses[0], oid) // stored, and taken over by what sends
}

func (r *room) read(f func(*store.Tx) error) {
	r.t.Helper()
	if err := r.db.Read(context.Background(), f); err != nil {
		r.t.Fatal(err)
	}
}

// until waits for what other goroutines bring about.
func (r *room) until(what string, f func() bool) {
	r.t.Helper()
	end := time.Now().Add(20 * time.Second)
	for !f() {
		if time.Now().After(end) {
			r.t.Fatal("not within 20 s: ", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (r *room) sync() {
	r.t.Helper()
	if err := r.Sync(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *room) tick() {
	r.t.Helper()
	r.sync()
	if err := r.Tick(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *room) who(person string) Actor { return Actor{Person: person, Org: r.org.ID} }

func (r *room) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// refused fails unless err is a problem of the kind with the text.
func (r *room) refused(err error, kind problem.Kind, key string) *problem.Error {
	r.t.Helper()
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.Kind != kind || p.Key != key {
		r.t.Fatalf("got %v, want %v %s", err, kind, key)
	}
	if text := r.Texts.Text(i18n.Cs, p.Key, p.Args); text == "" || text[:1] == "⟦" {
		r.t.Errorf("%s has no text", p.Key)
	}
	return p
}

func (r *room) queue() []Row {
	r.t.Helper()
	q, err := r.Queue(r.t.Context(), r.org.ID, Filter{})
	r.ok(err)
	return q.Rows
}

func (r *room) incident(id string) *Incident {
	r.t.Helper()
	i, err := r.Incident(r.t.Context(), r.org.ID, id)
	r.ok(err)
	return i
}

func (r *room) strip() Strip {
	r.t.Helper()
	s, err := r.Alarms(r.t.Context(), r.org.ID)
	r.ok(err)
	return s
}

// state waits until the first hand-over of an incident has a state.
func (r *room) state(id string, want State) Handover {
	r.t.Helper()
	var h Handover
	r.until(fmt.Sprintf("%s: %s is %s", r.org.ID, id, want), func() bool {
		r.sync()
		i, err := r.Incident(r.t.Context(), r.org.ID, id)
		if err != nil || len(i.Handovers) == 0 {
			return false
		}
		h = i.Handovers[0]
		return h.State == want
	})
	return h
}

func wounded(n int) *int { return &n }

// accident is a draft as a dispatcher writes it.
func accident(to ...string) Draft {
	return Draft{To: to, Type: "dopravní nehoda", Issue: "Osobní auto a nákladní auto", Place: "Hrádek nad Nisou", Street: "Žitavská", House: "12",
		Postal: "463 34", Country: "CZ", Lat: 50.8528, Lon: 14.8446, HasPoint: true, Injured: wounded(3), Danger: true,
		Caller: Person{Name: "Karel Novák", Phone: "+420 600 000 000"}, Remarks: []string{"Únik nafty"}}
}

// handOver sends the draft from a to b and returns the incident.
func (r *room) handOver(d Draft) string {
	r.t.Helper()
	id, err := r.HandOver(r.t.Context(), r.who("jana"), d)
	r.ok(err)
	return id
}

// system is the dispatch system without a console.
func (r *room) system() *ucrmclient.Client {
	r.t.Helper()
	c, err := ucrmclient.New(ucrmclient.Config{BaseURL: fmt.Sprintf("http://127.0.0.1:%d/ucrm/client/v0", r.port), Username: "system", Password: "s", Timeout: 30 * time.Second})
	r.ok(err)
	r.t.Cleanup(c.Close)
	return c
}

func (r *room) count(query string, args ...any) (n int64) {
	r.t.Helper()
	r.read(func(tx *store.Tx) error { return tx.Row(query, args...).Scan(&n) })
	return n
}

func dump(v any) string {
	b, _ := json.MarshalIndent(v, "", " ")
	return string(b)
}
