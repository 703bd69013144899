package unit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// Three control rooms at one node; what travels between nodes the console's tests
// show.
const (
	node                = "1.2.203.0"
	liberec, testDesk   = "1.2.203.1", "1.2.203.99.1"
	zittau, zgorzelec   = "1.2.203.2", "1.2.203.3"
	testNeighbour       = "1.2.203.99.2"
	ownRoom, otherRoom  = "liberec", "zittau"
	thirdRoom, noPerson = "zgorzelec", ""
)

// rig is a node with its units.
type rig struct {
	*Service
	t     testing.TB
	db    *store.DB
	node  *exchange.Node
	clk   *clock.Clock
	audit *audit.Log
	texts *i18n.Bundle
	orgs  []Org
	read  map[string]int64 // position in the feed, by organisation
}

var persons = map[string]string{"jana": "Jana Nováková", "petr": "Petr Malý"}

func record(oid, name string) map[string]any {
	var apps []any
	for _, a := range ucri.Apps() {
		if a.AppID != "transport_layer_messages" {
			apps = append(apps, map[string]any{"appId": a.AppID, "appVersion": a.AppVersion})
		}
	}
	return map[string]any{"id": oid, "systemName": "desk", "operatorName": name, "operatorShortName": name, "supportedApps": apps,
		"techSupport": map[string]any{"phone": "+420 999 999 999", "e-mail": "it@desk.example"}}
}

func newRig(t testing.TB) *rig {
	t.Helper()
	clk := clock.Fake(time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC))
	sc := storetest.Config(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "exchange": exchange.Migrations(), "unit": Migrations()})
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
	texts, err := i18n.Load(access.Locales, ucri.Locales(), exchange.Locales(), Locales(), web.Locales, ui.Locales, geo.Locales, register.Locales)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	r := &rig{t: t, db: db, clk: clk, audit: audit.New(db, key, clk, log), texts: texts, read: map[string]int64{}, orgs: []Org{
		{ID: ownRoom, Name: "Liberec", Lang: i18n.Cs, Addresses: []string{liberec, testDesk}},
		{ID: otherRoom, Name: "Zittau", Lang: i18n.De, Addresses: []string{zittau, testNeighbour}},
		{ID: thirdRoom, Name: "Zgorzelec", Lang: i18n.Pl, Addresses: []string{zgorzelec}},
	}}
	r.node, err = exchange.New(t.Context(), exchange.Config{
		OID: node, Listen: "127.0.0.1:0", InsecureLoopback: true, Operator: "Liberec",
		Participants: []any{record(liberec, "Liberec"), record(testDesk, "Liberec (test)"), record(zittau, "Zittau"), record(testNeighbour, "Zittau (test)"), record(zgorzelec, "Zgorzelec")},
	}, exchange.Deps{DB: db, Key: key, Ring: seal.NewRing(key, clk), Audit: r.audit, Policy: policy, Clock: clk, Texts: texts, Log: log, Dir: t.TempDir(), Version: "test", ID: "1", Lang: i18n.Cs})
	if err != nil {
		t.Fatal(err)
	}
	var desks []string
	for _, o := range r.orgs {
		desks = append(desks, o.Addresses...)
	}
	r.node.Desks(desks)
	r.Service = New(Options{DB: db, Node: r.node, Audit: r.audit, Clock: clk, Texts: texts, Log: log,
		Organisations: func(context.Context) ([]Org, error) { return r.orgs, nil },
		Name:          func(_ *store.Tx, p string) string { return persons[p] }})
	return r
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) write(f func(*store.Tx) error) {
	r.t.Helper()
	r.ok(r.db.Write(r.t.Context(), f))
}

// add saves a unit of the own room.
func (r *rig) add(u Unit) string {
	r.t.Helper()
	id, faults, err := r.Save(r.t.Context(), Actor{"jana", ownRoom}, u)
	r.ok(err)
	if len(faults) > 0 {
		r.t.Fatal(faults)
	}
	return id
}

func engine(sign string) Unit {
	return Unit{Kind: store.Live, CallSign: sign, Type: "F-PUMP", Status: Free, Ready: 2, Crew: 6, Station: "Liberec", Home: &geo.Point{Lat: 50.7663, Lon: 15.0543}}
}

// turn lets the rooms read what came and do what is due, n times.
func (r *rig) turn(n int) {
	r.t.Helper()
	for range n {
		r.ok(r.Tick(r.t.Context()))
		for _, o := range r.orgs {
			r.write(func(tx *store.Tx) error {
				page, next, err := r.node.Feed(tx, o.Addresses, r.read[o.ID], 1000)
				if err != nil {
					return err
				}
				for _, e := range page {
					aside, err := r.Aside(tx, o.ID, e)
					if err != nil {
						return err
					}
					if !aside {
						return fmt.Errorf("a message of another kind: %s", e.App)
					}
				}
				r.read[o.ID] = next
				return nil
			})
		}
	}
}

func (r *rig) count(query string, args ...any) (n int64) {
	r.t.Helper()
	r.ok(r.db.Read(r.t.Context(), func(tx *store.Tx) error { return tx.Row(query, args...).Scan(&n) }))
	return n
}

// bytesTo is everything that was sent to an address, as it was stored.
func (r *rig) bytesTo(other string) string {
	r.t.Helper()
	var out strings.Builder
	r.ok(r.db.Read(r.t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(`SELECT id FROM exchange_message WHERE destination = $1 ORDER BY id`, other)
		if err != nil {
			return err
		}
		var ids []int64
		for rows.Next() {
			var id int64
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		rows.Close()
		for _, id := range ids {
			raw, err := r.node.Original(tx, id)
			if err != nil {
				return err
			}
			out.Write(raw)
			e, err := r.node.Entry(tx, id)
			if err != nil {
				return err
			}
			out.WriteString(e.Envelope.Payload.Data) // without the escapes of a text in a text
		}
		return nil
	}))
	return out.String()
}

// staff are the people of the pages' tests, by the value of the cookie "who".
var staff = map[string]*web.Person{
	"jana":  {ID: "jana", Name: "Jana Nováková", Organisation: ownRoom, Roles: []string{"dispatcher"}, Lang: i18n.Cs, SingleKeys: true},
	"petr":  {ID: "petr", Name: "Petr Malý", Organisation: ownRoom, Roles: []string{"shift_leader"}, Lang: i18n.En, SingleKeys: true},
	"tom":   {ID: "tom", Name: "Tom Technik", Organisation: ownRoom, Roles: []string{"technician"}, Lang: i18n.De},
	"audit": {ID: "audit", Name: "Anna Audit", Organisation: ownRoom, Roles: []string{"auditor"}, Lang: i18n.Pl},
	"max":   {ID: "max", Name: "Max Krüger", Organisation: otherRoom, Roles: []string{"shift_leader"}, Lang: i18n.De},
}

// visitor asks for pages without following redirects.
type visitor struct {
	r  *rig
	rt *web.Router
	of *Pages
}

func (r *rig) pages() *visitor {
	r.t.Helper()
	policy, err := access.Load(map[string][]byte{"unit/policy.cedar": Policy(), "register/policy.cedar": register.Policy()})
	r.ok(err)
	places, err := register.Load()
	r.ok(err)
	rt := web.NewRouter(web.Config{Bundle: r.texts, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Clock: r.clk, Policy: policy, Nav: Nav(),
		Authenticate: func(q *http.Request) (*web.Person, error) {
			c, err := q.Cookie("who")
			if err != nil {
				return nil, nil
			}
			return staff[c.Value], nil
		}})
	of := NewPages(r.Service, places)
	of.Register(rt)
	return &visitor{r, rt, of}
}

func (v *visitor) do(who, method, path, contentType, body string) (int, string, string) {
	v.r.t.Helper()
	q := httptest.NewRequest(method, path, strings.NewReader(body))
	q.AddCookie(&http.Cookie{Name: "who", Value: who})
	q.Header.Set("Sec-Fetch-Site", "same-origin")
	if contentType != "" {
		q.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	v.rt.ServeHTTP(w, q)
	return w.Code, w.Body.String(), w.Header().Get("Location")
}

func (v *visitor) get(who, path string) (int, string) {
	v.r.t.Helper()
	status, body, _ := v.do(who, http.MethodGet, path, "", "")
	return status, body
}

func (v *visitor) post(who, path string, form url.Values) (int, string, string) {
	v.r.t.Helper()
	return v.do(who, http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode())
}

func (r *rig) refused(err error, kind problem.Kind, key string) i18n.Args {
	r.t.Helper()
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.Kind != kind || p.Key != key {
		r.t.Fatalf("got %v, want %v %s", err, kind, key)
	}
	return p.Args
}
