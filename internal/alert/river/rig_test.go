package river

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/gauge"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// rig is a service with its database and what it told.
type rig struct {
	*Service
	t    testing.TB
	db   *store.DB
	clk  *clock.Clock
	told []Alarm
	fail error // of whom it tells
}

func newRig(t testing.TB, now time.Time) *rig {
	t.Helper()
	clk := clock.Fake(now)
	sc := storetest.Config(t, storetest.Tables{"audit": audit.Migrations(), "river": Migrations()})
	sc.Clock = clk
	db, err := store.Open(context.Background(), sc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	r := &rig{t: t, db: db, clk: clk}
	key, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	r.ok(err)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	r.Service = New(Options{DB: db, Audit: audit.New(db, key, clk, log), Clock: clk, Log: log,
		Tell: func(tx *store.Tx, a Alarm) error {
			if r.fail != nil {
				return r.fail
			}
			tx.OnCommit(func() { r.told = append(r.told, a) })
			return nil
		}})
	return r
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// reading is a document of one gauge.
func reading(number, name, river string, limits []gauge.Limit, points ...Point) *gauge.Reading {
	s := gauge.Station{Number: number, Name: name, River: river, Lat: math.NaN(), Lon: math.NaN(), Limits: limits}
	for _, p := range points {
		s.Levels = append(s.Levels, gauge.Measurement{Value: p.Value, At: feed.Moment{At: p.At}})
	}
	return &gauge.Reading{Stations: []gauge.Station{s}}
}

func (r *rig) take(kind store.Kind, service string, doc *gauge.Reading) (t Taken) {
	r.t.Helper()
	r.ok(r.db.Write(r.t.Context(), func(tx *store.Tx) (err error) {
		t, err = r.Take(tx, From{Service: service, Endpoint: "https://" + service + ".example/", Fetched: r.clk.Now(), Kind: kind}, doc)
		return err
	}))
	return t
}

// log are what was told, in short, and forgets it.
func (r *rig) log() (all []string) {
	for _, a := range r.told {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s", a.Gauge, a.Cause, a.Name)))
	}
	r.told = nil
	return all
}

// marks of a station's levels, by the hour and minute.
func (r *rig) marks(kind store.Kind, station string) map[string]Mark {
	r.t.Helper()
	all := map[string]Mark{}
	r.ok(r.db.Read(r.t.Context(), func(tx *store.Tx) error {
		values, err := valuesOf(tx, kind, station, CM, time.UnixMilli(0), r.clk.Now().Add(latest))
		for _, v := range values {
			all[v.At.Format("15:04")] = v.Mark
		}
		return err
	}))
	return all
}

func goerlitz(points ...Point) *gauge.Reading {
	return reading("660000", "Görlitz", "Lausitzer Neiße", []gauge.Limit{{Name: "Alarmstufe 1", Unit: "cm", From: 320}, {Name: "Alarmstufe 3", Unit: "cm", From: 480}, {Name: "Alarmstufe 4", Unit: "cm", From: 560}}, points...)
}

// staff are the people of the pages' tests, by the value of the cookie "who".
var staff = map[string]*web.Person{
	"jana":  {ID: "jana", Name: "Jana Nováková", Organisation: "liberec", Roles: []string{"dispatcher"}, Lang: i18n.Cs, SingleKeys: true},
	"petr":  {ID: "petr", Name: "Petr Malý", Organisation: "liberec", Roles: []string{"shift_leader"}, Lang: i18n.En},
	"hans":  {ID: "hans", Name: "Hans Technik", Organisation: "liberec", Roles: []string{"technician"}, Lang: i18n.De},
	"audit": {ID: "audit", Name: "Anna Audit", Organisation: "liberec", Roles: []string{"auditor"}, Lang: i18n.Pl},
	"max":   {ID: "max", Name: "Max Krüger", Organisation: "zittau", Roles: []string{"shift_leader"}, Lang: i18n.De},
}

// visitor asks for pages without following redirects.
type visitor struct {
	r     *rig
	rt    *web.Router
	texts *i18n.Bundle
}

func (r *rig) pages() *visitor {
	r.t.Helper()
	policy, err := access.Load(map[string][]byte{"river/policy.cedar": Policy()})
	r.ok(err)
	places, err := register.Load()
	r.ok(err)
	texts, err := i18n.Load(access.Locales, register.Locales, Locales(), web.Locales, ui.Locales, feed.Locales())
	r.ok(err)
	rt := web.NewRouter(web.Config{Bundle: texts, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Clock: r.clk, Policy: policy, Nav: Nav(),
		Authenticate: func(q *http.Request) (*web.Person, error) {
			c, err := q.Cookie("who")
			if err != nil {
				return nil, nil
			}
			return staff[c.Value], nil
		}})
	p := NewPages(r.Service, places)
	p.People = func(_ context.Context, organisation string) (map[string]string, error) {
		all := map[string]string{}
		for _, one := range staff {
			if one.Organisation == organisation {
				all[one.ID] = one.Name
			}
		}
		return all, nil
	}
	p.Register(rt)
	return &visitor{r, rt, texts}
}

func (v *visitor) do(who, method, path, body string) (int, string, string) {
	v.r.t.Helper()
	q := httptest.NewRequest(method, path, strings.NewReader(body))
	q.AddCookie(&http.Cookie{Name: "who", Value: who})
	q.Header.Set("Sec-Fetch-Site", "same-origin")
	if method == http.MethodPost {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	v.rt.ServeHTTP(w, q)
	if missing := v.texts.Missing(); missing > 0 {
		v.r.t.Fatalf("%s %s: %d texts are missing: %s", method, path, missing, cut(w.Body.String(), "⟦"))
	}
	return w.Code, w.Body.String(), w.Header().Get("Location")
}

func (v *visitor) get(who, path string) string {
	v.r.t.Helper()
	status, body, _ := v.do(who, http.MethodGet, path, "")
	if status != http.StatusOK {
		v.r.t.Fatalf("GET %s: %d %s", path, status, body)
	}
	return body
}

func (v *visitor) post(who, path string, form url.Values) (int, string, string) {
	v.r.t.Helper()
	return v.do(who, http.MethodPost, path, form.Encode())
}

// cut is what stands in a page around a text.
func cut(page, text string) string {
	n := strings.Index(page, text)
	if n < 0 {
		return ""
	}
	return page[max(0, n-300):min(len(page), n+500)]
}
