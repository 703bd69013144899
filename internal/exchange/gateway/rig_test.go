package gateway

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/adapter"
	"trojmezi/internal/exchange/adapter/all"
	"trojmezi/internal/exchange/adapter/transport"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// The addresses of the tests: a desk and a Czech system, and both for tests.
const (
	nodeOID  = "1.2.3.0"
	desk     = "1.2.3.1"
	czech    = "1.2.3.50"
	other    = "1.2.3.51"
	testDesk = "1.2.3.99.1"
	testCz   = "1.2.3.99.50"
)

// rig is a node with gateways on a database of its own. Nothing runs until start.
type rig struct {
	*Service
	t     testing.TB
	db    *store.DB
	clk   *clock.Clock
	node  *exchange.Node
	deps  Deps
	edeps exchange.Deps
	cfg   exchange.Config
	list  []Config
	texts *i18n.Bundle
	dir   string // with a folder for each gateway
	sc    store.Config
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

func folder(name, oid string) Config {
	return Config{Name: name, OID: oid, System: "czizs", Partner: "cz.hzs.lbk", Addresses: []Address{{desk, "de.node"}, {testDesk, "de.test"}},
		Transport: transport.Config{Directory: &transport.Directory{Path: name}}}
}

func systems() []*adapter.Adapter { return all.Adapters() }

func newRig(t testing.TB, clk *clock.Clock, list ...Config) *rig {
	t.Helper()
	if len(list) == 0 {
		list = []Config{folder("hzs", czech)}
	}
	r := &rig{t: t, clk: clk, list: list, dir: t.TempDir(), sc: storetest.Config(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "job": job.Migrations(), "exchange": exchange.Migrations(), "gateway": Migrations()})}
	r.sc.Clock = clk
	r.cfg = exchange.Config{OID: nodeOID, Listen: "127.0.0.1:0", InsecureLoopback: true, Operator: "Sachsen",
		Participants: []any{record(desk), record(czech), record(other), record(testDesk), record(testCz)}}
	if faults := r.cfg.Validate(); len(faults) > 0 {
		t.Fatalf("%+v", faults)
	}
	if faults := Validate(r.list, r.cfg, systems()); len(faults) > 0 {
		t.Fatalf("%+v", faults)
	}
	var err error
	r.db, err = store.Open(context.Background(), r.sc)
	r.ok(err)
	t.Cleanup(func() { r.db.Close() })
	key, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	r.ok(err)
	r.texts, err = i18n.Load(access.Locales, identity.Locales, web.Locales, ui.Locales, ucri.Locales(), exchange.Locales(), adapter.Locales(), transport.Locales(), notify.Locales(),
		convert.Locales(), tree.Locales(), shape.Locales(), Locales())
	r.ok(err)
	t.Cleanup(func() {
		if n := r.texts.Missing(); n > 0 {
			t.Errorf("%d texts are missing", n)
		}
	})
	policy, err := access.Load(map[string][]byte{"exchange/policy.cedar": exchange.Policy(), "gateway/policy.cedar": Policy()})
	r.ok(err)
	out := io.Discard
	if os.Getenv("TROJMEZI_TEST_LOG") != "" {
		out = os.Stderr
	}
	log := slog.New(slog.NewTextHandler(out, nil))
	ring := seal.NewRing(key, clk)
	r.edeps = exchange.Deps{DB: r.db, Key: key, Ring: ring, Audit: audit.New(r.db, key, clk, log), Policy: policy, Clock: clk, Texts: r.texts, Log: log,
		Dir: r.dir, Version: "test", ID: "1", Lang: i18n.De}
	r.deps = Deps{DB: r.db, Key: key, Ring: ring, Audit: r.edeps.Audit, Clock: clk, Texts: r.texts, Log: log, Dir: r.dir, Lang: i18n.De, Adapters: systems(),
		Owner: func(_ context.Context, oid string) (string, error) {
			if oid == testDesk {
				return "p", nil
			}
			return "o", nil
		},
		Name: func(_ *store.Tx, person string) string { return "Frau " + person }}
	r.again()
	return r
}

// again builds node and gateways anew on the same database, as after a restart.
func (r *rig) again() {
	r.t.Helper()
	var err error
	r.node, err = exchange.New(r.t.Context(), r.cfg, r.edeps)
	r.ok(err)
	r.node.Desks([]string{desk, testDesk})
	r.deps.Node = r.node
	r.Service = New(r.list, r.deps)
}

// second is another instance on the same database.
func (r *rig) second() *rig {
	r.t.Helper()
	db, err := store.Open(context.Background(), r.sc)
	r.ok(err)
	r.t.Cleanup(func() { db.Close() })
	o := *r
	o.db, o.edeps.DB, o.deps.DB = db, db, db
	o.edeps.ID = "2"
	o.edeps.Audit = audit.New(db, r.edeps.Key, r.clk, r.edeps.Log)
	o.deps.Audit = o.edeps.Audit
	o.again()
	return &o
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// start runs node and gateways until stop is called.
func (r *rig) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() { r.node.Run(ctx); done <- struct{}{} }()
	go func() {
		if err := r.Run(ctx); err != nil {
			r.t.Error(err)
		}
		done <- struct{}{}
	}()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			<-done
			<-done
		}
	}
	r.t.Cleanup(stop)
	return stop
}

func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(40 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatal("it did not come: " + what)
		}
	}
}

// post sends an incident from a desk and returns its entry.
func (r *rig) post(from, to, shared, issue string, timeout int) exchange.Entry {
	r.t.Helper()
	var e exchange.Entry
	data := `{"sharedIncidentId":"` + shared + `","sentByDispatcherAt":"` + ucri.FormatTime(r.clk.Now()) + `","missionLocation":{"coordinate":{"lat":50.85,"lon":14.83}},` +
		`"issue":"` + issue + `","informers":[{"name":"Nováková","phone":"+420601000000"}]}`
	r.ok(r.db.Write(r.t.Context(), func(tx *store.Tx) (err error) {
		e, err = r.node.Post(tx, &ucri.Envelope{Source: from, Destinations: []string{to}, Timeout: timeout, Ack: ucri.AckAll,
			Payload: ucri.Payload{AppID: "incident_transfer", AppVersion: "1.0", SchemaID: "incident", ContentType: ucri.ContentJSON, Data: data}})
		return err
	}))
	return e
}

func (r *rig) receipt(id int64) (out exchange.Receipt) {
	r.t.Helper()
	r.ok(r.db.Read(r.t.Context(), func(tx *store.Tx) (err error) { out, err = r.node.Receipt(tx, id); return err }))
	return out
}

// got lists what a desk got, but the node's own receipts.
func (r *rig) got(at string) (list []exchange.Entry) {
	r.t.Helper()
	r.ok(r.db.Read(r.t.Context(), func(tx *store.Tx) error {
		all, _, err := r.node.Feed(tx, []string{at}, 0, 1000)
		list = slices.DeleteFunc(all, func(e exchange.Entry) bool {
			return !e.Incoming || e.Envelope == nil || ucri.TransportLayer(e.Envelope.Payload)
		})
		return err
	}))
	return list
}

// statuses lists the status codes a desk got for a message.
func (r *rig) statuses(at, messageID string) (list []int) {
	r.t.Helper()
	r.ok(r.db.Read(r.t.Context(), func(tx *store.Tx) error {
		all, _, err := r.node.Feed(tx, []string{at}, 0, 1000)
		list = nil
		for _, e := range all {
			if e.Incoming && e.Envelope != nil && ucri.TransportLayer(e.Envelope.Payload) {
				if s, bad := ucri.ParseDeliveryStatus(e.Envelope.Payload); bad == nil && s.RefMessageID == messageID {
					list = append(list, s.StatusCode)
				}
			}
		}
		return err
	}))
	return list
}

// outbox reads the files that wait for the foreign side, by their names.
func (r *rig) outbox(gateway string) map[string]string {
	r.t.Helper()
	files := map[string]string{}
	list, _ := filepath.Glob(filepath.Join(r.dir, gateway, "out", "[^.]*"))
	for _, f := range list {
		body, err := os.ReadFile(f)
		r.ok(err)
		files[filepath.Base(f)] = string(body)
	}
	return files
}

// drop delivers a file as the foreign side does.
func (r *rig) drop(gateway, name, body string) {
	r.t.Helper()
	dir := filepath.Join(r.dir, gateway, "in")
	r.ok(os.MkdirAll(dir, 0o700))
	r.ok(os.WriteFile(filepath.Join(dir, "."+name), []byte(body), 0o600))
	r.ok(os.Rename(filepath.Join(dir, "."+name), filepath.Join(dir, name)))
}

// sentence is a datová věta about an event; empty parts are the usual ones.
type sentence struct{ id, to, mode, event, body, sent, until string }

func (r *rig) say(s sentence) string {
	now := r.clk.Now()
	or := func(a, b string) string {
		if a != "" {
			return a
		}
		return b
	}
	body := or(s.body, `<Udalost><IdUdalosti>`+s.event+`</IdUdalosti><Typ>3200</Typ><Popis>Nehoda</Popis><Misto><Souradnice><Sirka>50.85</Sirka><Delka>14.83</Delka></Souradnice></Misto>`+
		`<Volajici><Prijmeni>Nováková</Prijmeni><Telefon>+420601000000</Telefon></Volajici></Udalost>`)
	return `<DatovaVeta xmlns="urn:trojmezi:profile:cz-izs:1" verze="1.0"><Hlavicka><IdZpravy>` + s.id + `</IdZpravy><Odesilatel>cz.hzs.lbk</Odesilatel><Prijemce>` + or(s.to, "de.node") +
		`</Prijemce><Odeslano>` + or(s.sent, now.Format(time.RFC3339)) + `</Odeslano><PlatnostDo>` + or(s.until, now.Add(time.Hour).Format(time.RFC3339)) + `</PlatnostDo><Rezim>` + or(s.mode, "ostry") + `</Rezim></Hlavicka>` + body + `</DatovaVeta>`
}

func confirms(id string) string { return `<Potvrzeni><NaZpravu>` + id + `</NaZpravu></Potvrzeni>` }

// uuid is a made-up one.
func uuid(n int) string {
	const digits = "0123456789abcdef"
	return "0f3b2c1e-7a55-4f0e-9d0b-0000000000" + string(digits[n/16]) + string(digits[n%16])
}

func (r *rig) tray() []Item {
	r.t.Helper()
	list, _, err := r.Tray(r.t.Context(), false)
	r.ok(err)
	return list
}

// containing lists the files with all the texts in them.
func containing(files map[string]string, texts ...string) (names []string) {
	for n, b := range files {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(b, text) }) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}
