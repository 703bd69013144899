package notice

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
	built "trojmezi/web"
)

var start = time.Date(2026, 8, 7, 16, 5, 0, 0, time.UTC) // 18:05 in the three countries

// crew are the people of two organisations.
var crew = map[string]*web.Person{
	"dana": {ID: "dana", Name: "Dana Dispečerka", Organisation: "frydlant", Roles: []string{"dispatcher"}},
	"vera": {ID: "vera", Name: "Věra Vedoucí", Organisation: "frydlant", Roles: []string{"shift_leader"}},
	"adam": {ID: "adam", Name: "Adam Administrátor", Organisation: "frydlant", Roles: []string{"administrator"}},
	"seal": {ID: "seal", Name: "emergency", Organisation: "frydlant", Roles: []string{"dispatcher", "shift_leader", "administrator"}},
	"kai":  {ID: "kai", Name: "Kai Kreis", Organisation: "goerlitz", Roles: []string{"shift_leader"}},
	"kurt": {ID: "kurt", Name: "Twin", Organisation: "goerlitz", Roles: []string{"shift_leader"}},
	"kira": {ID: "kira", Name: "Twin", Organisation: "goerlitz", Roles: []string{"administrator"}},
	"doro": {ID: "doro", Name: "Doro Disponentin", Organisation: "goerlitz", Roles: []string{"dispatcher"}},
}

var offices = []Office{{ID: "frydlant", Name: "Město Frýdlant", Lang: i18n.Cs, Address: "1.2.3.1"}, {ID: "goerlitz", Name: "Landkreis Görlitz", Lang: i18n.De, Address: "1.2.3.2"}}

// rig is a service with its pages on a database.
type rig struct {
	*Service
	t     *testing.T
	dir   string
	cfg   store.Config
	db    *store.DB
	clk   *clock.Clock
	jobs  *job.Queue
	texts *i18n.Bundle
	told  []notify.Notification
	sent  []*Publication
	lines []Letter // to other nodes
	rt    *web.Router
	audit *audit.Log
}

var bundle = func() *i18n.Bundle {
	b, err := i18n.Load(web.Locales, ui.Locales, access.Locales, notify.Locales(), register.Locales, Locales())
	if err != nil {
		panic(err)
	}
	return b
}

// signers are made once: finding primes takes a second.
var testSigner *signer

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, clk: clock.Fake(start), dir: t.TempDir(), texts: bundle(), cfg: storetest.Config(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "job": job.Migrations(), "notify": notify.Migrations(), "notice": Migrations()})}
	r.open()
	return r
}

// open starts the node on its database, again after a stop.
func (r *rig) open() {
	r.t.Helper()
	var err error
	r.db, err = store.Open(context.Background(), r.cfg)
	r.ok(err)
	r.t.Cleanup(func() { r.db.Close() })
	key, err := seal.LoadOrCreate(filepath.Join(r.dir, "node.key"))
	r.ok(err)
	log := slog.New(slog.DiscardHandler)
	r.jobs = job.New(r.db, r.clk, log)
	places, err := register.Load()
	r.ok(err)
	tell := notify.New(notify.Config{}, notify.Deps{DB: r.db, Jobs: r.jobs, Clock: r.clk, Texts: r.texts, Log: log})
	r.audit = audit.New(r.db, key, r.clk, log)
	r.Service, err = New(Options{
		DB: r.db, Audit: r.audit, Clock: r.clk, Jobs: r.jobs, Key: key, Texts: r.texts, Places: places, Log: log, Base: "https://node.example",
		Person: func(_ *store.Tx, id string) (Human, error) {
			p := crew[id]
			if p == nil {
				return Human{}, problem.New("test", problem.NotFound, "", nil)
			}
			return Human{Name: p.Name, Organisation: p.Organisation, Officer: !slices.Equal(p.Roles, []string{"dispatcher"}), Sealed: id == "seal"}, nil
		},
		Organisations: func(*store.Tx) ([]Office, error) { return offices, nil },
		Notify: func(tx *store.Tx, n notify.Notification) error {
			tx.OnCommit(func() { r.told = append(r.told, n) })
			return tell.Send(tx, n)
		},
		Renderings: func(p *Publication) []Rendering {
			a, _, fault := cap.Read(p.Document)
			if fault != nil {
				r.t.Fatal(fault)
			}
			return []Rendering{{Name: "notice.channel.cap", Lang: i18n.Pl, Text: "board: " + string(p.Kind) + " " + a.Infos[2].Headline, Cost: true}}
		},
		Reaches: func(store.Kind, string) bool { return true },
		Lines: Lines{
			Post: func(tx *store.Tx, l Letter) (int64, error) {
				if l.To == "9.9.2" {
					return 0, problem.New("test", problem.Conflict, "notice.fault.deputy", nil)
				}
				tx.OnCommit(func() { r.lines = append(r.lines, l) })
				return int64(len(r.lines) + 1), nil
			},
			Reached: func(*store.Tx, int64) time.Time { return time.Time{} },
			Desks: func(*store.Tx) ([]Desk, error) {
				return []Desk{{"9.9.1", "Powiat zgorzelecki", false}, {"9.9.2", "mute", false}, {"9.9.99.1", "Powiat zgorzelecki", true}}, nil
			},
			NameOf: func(string) string { return "Powiat zgorzelecki" },
		},
		Published: func(tx *store.Tx, p *Publication) error {
			tx.OnCommit(func() { r.sent = append(r.sent, p) })
			return nil
		},
	})
	r.ok(err)
	if testSigner == nil {
		testSigner, err = newSigner("test", start)
		r.ok(err)
	}
	r.signer = testSigner
	policy, err := access.Load(map[string][]byte{"notice/policy.cedar": Policy()})
	r.ok(err)
	r.rt = web.NewRouter(web.Config{Bundle: r.texts, Log: log, Clock: r.clk, Policy: policy, Nav: Nav(), Built: built.Built(),
		Authenticate: func(q *http.Request) (*web.Person, error) { return crew[q.Header.Get("X-Person")], nil }})
	p := NewPages(r.Service)
	p.Confirm = func(_ *http.Request, code string) error {
		if code != "123456" {
			return errors.New("wrong")
		}
		return nil
	}
	p.Passkey = func(*http.Request) (string, error) { return `{"publicKey":{}}`, nil }
	p.ConfirmPasskey = func(_ *http.Request, response string) error {
		if response != "signed" {
			return errors.New("wrong")
		}
		return nil
	}
	p.Officers = func(_ context.Context, organisation string) (all []ui.Option, err error) {
		for _, x := range crew {
			if x.Organisation == organisation && !slices.Equal(x.Roles, []string{"dispatcher"}) && x.ID != "seal" {
				all = append(all, ui.Option{Value: x.ID, Text: x.Name})
			}
		}
		return all, nil
	}
	p.Register(r.rt)
	r.t.Cleanup(func() {
		if n := r.texts.Missing(); n != 0 {
			r.t.Errorf("%d texts are missing", n)
		}
	})
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// refused wants a problem with this key.
func (r *rig) refused(err error, key string) {
	r.t.Helper()
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.Key != key {
		r.t.Fatalf("got %v, want %s", err, key)
	}
}

func as(person string) Actor { return Actor{person, crew[person].Organisation} }

// dam is a filled template of immediate danger.
func dam() *Content {
	return &Content{Template: "N01", Lang: i18n.Cs, Areas: []string{"ORP-5102"}, Values: map[string]string{
		"dam": "Niedów", "river": "Smědá", "at": "2026-08-07T16:00:00Z", "place": "CZ-564028", "meeting": "škola", "phone": "+420 482 000 000",
	}}
}

// flood is one of no immediate danger.
func flood() *Content {
	return &Content{Template: "N02", Lang: i18n.Cs, Areas: []string{"ORP-5102"}, Values: map[string]string{
		"river": "Smědá", "gauge": "Frýdlant", "level": "1245", "at": "2026-08-07T16:00:00Z", "place": "CZ-564028", "hours": "3", "phone": "+420 482 000 000",
	}}
}

func (r *rig) begin(who string, kind store.Kind, c *Content) string {
	r.t.Helper()
	id, err := r.Begin(r.t.Context(), as(who), "", kind, Alert, c)
	r.ok(err)
	return id
}

func (r *rig) take(who, id string, step Step) error {
	r.t.Helper()
	v, err := r.Show(r.t.Context(), id, i18n.Cs)
	r.ok(err)
	return r.Take(r.t.Context(), as(who), id, Event{Step: step, Content: v.Last.Content, Reason: "proto"}, true)
}

func (r *rig) state(id string) State {
	r.t.Helper()
	v, err := r.Show(r.t.Context(), id, i18n.Cs)
	r.ok(err)
	if w := v.Life.Work(); w != nil {
		return w.State
	}
	return v.Life.State()
}

func (r *rig) want(id string, s State) {
	r.t.Helper()
	if got := r.state(id); got != s {
		r.t.Fatalf("the notice is %s, want %s", got, s)
	}
}

// run runs the jobs that are due until done.
func (r *rig) run(done func() bool) {
	r.t.Helper()
	ctx, stop := context.WithCancel(r.t.Context())
	ran := make(chan error, 1)
	go func() { ran <- r.jobs.Run(ctx) }()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			stop()
			r.t.Fatal("nothing happened")
		}
	}
	stop()
	<-ran
}

// leaves counts the audit leaves of an action.
func (r *rig) leaves(action string) (n int) {
	r.t.Helper()
	r.ok(r.db.Read(r.t.Context(), func(tx *store.Tx) error {
		return tx.Row(`SELECT COUNT(*) FROM audit_leaf WHERE action = $1`, action).Scan(&n)
	}))
	return n
}

func (r *rig) do(who, method, path string, form url.Values) (int, string, string) {
	r.t.Helper()
	q := httptest.NewRequestWithContext(r.t.Context(), method, path, strings.NewReader(form.Encode()))
	q.Header.Set("X-Person", who)
	q.Header.Set("Accept", "text/html")
	q.Header.Set("Accept-Language", "en")
	if method == http.MethodPost {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	r.rt.ServeHTTP(w, q)
	return w.Code, w.Body.String(), w.Header().Get("Location")
}

func (r *rig) get(who, path string) string {
	r.t.Helper()
	code, body, _ := r.do(who, http.MethodGet, path, nil)
	if code != http.StatusOK {
		r.t.Fatalf("%s: %d %.600s", path, code, body)
	}
	return body
}
