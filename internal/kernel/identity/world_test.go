package identity

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/internal/kernel/web"
)

// right is a password that every check takes, wrong one that nobody has.
const (
	right = "tři koně na louce"
	wrong = "čtyři krávy v lese"
)

// world is a node with an operating organisation and one beside it, each with an
// administrator.
type world struct {
	*Directory
	t           testing.TB
	db          *store.DB
	clock       *clock.Clock
	here, there Organisation
	chief       *web.Person // administrator here
	stranger    *web.Person // administrator there
	busy        bool        // an incident is open here
	alarms      []string    // people whose use of a sealed account rang
}

// empty is a node before its first start, for a test beside others: they wait for
// disks most of the time.
func empty(t *testing.T, set ...func(*Options)) *world {
	t.Parallel()
	return alone(t, set...)
}

func alone(t testing.TB, set ...func(*Options)) *world {
	t.Helper()
	w := &world{t: t, db: storetest.Open(t, storetest.Tables{"audit": audit.Migrations(), "identity": Migrations()}), clock: clock.Fake(time.Date(2026, 11, 25, 6, 0, 0, 0, time.UTC))}
	node, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	w.must(err)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	o := Options{DB: w.db, Clock: w.clock, Node: node, Audit: audit.New(w.db, node, w.clock, log), Log: log,
		Busy: func(_ context.Context, organisation string) bool { return w.busy && organisation == w.here.ID },
		Alarm: func(_ *store.Tx, organisation, person string) error {
			if organisation != w.here.ID {
				return errors.New("alarm of another organisation")
			}
			w.alarms = append(w.alarms, person)
			return nil
		}}
	for _, f := range set {
		f(&o)
	}
	w.Directory, err = New(o)
	w.must(err)
	return w
}

func begin(t *testing.T, set ...func(*Options)) *world {
	t.Helper()
	return empty(t, set...).staffed()
}

func (w *world) staffed() *world {
	w.t.Helper()
	var people []Person
	var err error
	w.here, people, err = w.Seed(w.t.Context(), Organisation{Name: "Záchranná služba", Country: "CZ", Addresses: []string{"1.2.3"}},
		[]NewPerson{{Login: "chief", Name: "Jana Šéfová", Roles: []string{administrator}, Password: right}})
	w.must(err)
	w.chief = w.acting(&people[0])
	w.there, people, err = w.Seed(w.t.Context(), Organisation{Name: "Rettungsdienst", Country: "DE", Addresses: []string{"1.2.4"}},
		[]NewPerson{{Login: "fremd", Name: "Uwe Fremd", Roles: []string{administrator}, Password: right}})
	w.must(err)
	w.stranger = w.acting(&people[0])
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// acting is a person as pages hand him to the directory.
func (w *world) acting(p *Person) *web.Person {
	return &web.Person{ID: p.ID, Login: p.Login, Name: p.Name, Organisation: p.Organisation, Roles: p.Roles}
}

// hire adds a local account here with the password right.
func (w *world) hire(login string, roles ...string) *Person {
	w.t.Helper()
	p, err := w.CreatePerson(w.t.Context(), w.chief, NewPerson{Organisation: w.here.ID, Login: login, Name: "Pan " + login, Roles: roles, Password: right})
	w.must(err)
	return p
}

// enter signs somebody in with the password right and returns the session.
func (w *world) enter(login string) SignedIn {
	w.t.Helper()
	in, err := w.SignIn(w.t.Context(), Credentials{Login: login, Password: right, Address: "192.0.2.1"})
	w.must(err)
	return in
}

// request is one of a browser with cookies, over TLS.
func request(target string, cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest("GET", "https://node.example"+target, nil)
	r.TLS = &tls.ConnectionState{}
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

func sessionCookie(token string) *http.Cookie {
	return &http.Cookie{Name: "__Host-session", Value: token}
}

// who answers as a guarded page would for the holder of a token.
func (w *world) who(token string) *web.Person {
	w.t.Helper()
	p, err := w.Authenticate(request("/", sessionCookie(token)))
	w.must(err)
	return p
}

// desk makes a browser one of the desks here and returns its cookie's token.
func (w *world) desk(name string) string {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.must(w.CreateDesk(rec, request("/"), w.chief, name))
	for _, c := range rec.Result().Cookies() {
		if c.Name == "__Host-desk" {
			return c.Value
		}
	}
	w.t.Fatal("no cookie for the desk")
	return ""
}

// leaves counts what the audit log holds of an action; "" counts all.
func (w *world) leaves(action string) (n int) {
	w.t.Helper()
	ended, end := context.WithCancel(w.t.Context())
	end()
	_ = w.o.Audit.Run(ended) // writes what is only counted so far
	w.must(w.db.Read(w.t.Context(), func(tx *store.Tx) error {
		return tx.Row(`SELECT COUNT(*) FROM audit_leaf WHERE $1 = '' OR action = $1`, action).Scan(&n)
	}))
	return n
}

// refused fails unless err is a problem of the kind with the text.
func (w *world) refused(err error, kind problem.Kind, key string) {
	w.t.Helper()
	var p *problem.Error
	if !errors.As(err, &p) || p.Kind != kind || p.Key != key {
		w.t.Fatalf("got %v, want a problem of kind %v with the text %q", err, kind, key)
	}
}
