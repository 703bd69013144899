package app

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"testing"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/console"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/store"
)

// Neighbours that people connected are asked, counted and watched like those of the
// configuration file; one on trial is not, and neither is one that left the file.
func TestConnectedNeighboursAreWatched(t *testing.T) {
	ctx := t.Context()
	c := newConfig(t, func(m map[string]any) {
		m["exchange"].(map[string]any)["peers"] = []any{map[string]any{"id": "file", "oid": "1.2.4.0", "base_url": "http://127.0.0.1:1/ucrm/p2p/v0"}}
	})
	o, err := Open(ctx, c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer o.DB.Close()
	n, err := build(ctx, c, o, texts(t), quiet, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.DB.Write(ctx, func(tx *store.Tx) error {
		for id, s := range map[string]exchange.LinkState{"live": exchange.LinkLive, "trial": exchange.LinkTested} {
			l := exchange.Link{Peer: exchange.Peer{ID: id, OID: "1.2.5." + map[string]string{"live": "0", "trial": "1"}[id],
				BaseURL: "http://127.0.0.1:1/ucrm/p2p/v0", Username: "u", Password: "p", DeskPhone: "+49 3571 123456"}, Name: id, Login: id, Secret: "s"}
			if err := n.exchange.PutLink(tx, l); err != nil {
				return err
			}
			if err := n.exchange.SetLinkState(tx, id, s); err != nil {
				return err
			}
		}
		// The line of each, and of one that is in no file any more, is down for long.
		for _, id := range []string{"file", "former", "live", "trial"} {
			if _, err := tx.Exec(`INSERT INTO exchange_peer (id, fetched, fetched_at, failed_at, failure, skew, quarantined)
				VALUES ($1, 0, 1, 2, 'exchange.peer.unreachable', 0, 0)
				ON CONFLICT (id) DO UPDATE SET fetched_at = 1, failure = excluded.failure`, id); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	found, err := Examine(ctx, c, o, n.texts, quiet, i18n.En)
	if err != nil {
		t.Fatal(err)
	}
	var probed, phones, down []string
	for _, p := range found.Probes {
		if p.Failure != "exchange.peer.unreachable" {
			t.Errorf("%+v", p)
		}
		probed = append(probed, p.ID)
	}
	for _, p := range found.Peers {
		phones = append(phones, p.ID+p.DeskPhone)
		if p.Username != "" || p.Password != "" {
			t.Errorf("%+v", p)
		}
	}
	for _, l := range found.Health.Ill {
		if l.Check == "peer" {
			down = append(down, l.Object)
		}
	}
	for what, got := range map[string][2][]string{
		"probed": {probed, {"file", "live"}}, "peers": {phones, {"file", "live+49 3571 123456"}}, "down": {down, {"file", "live", "*"}},
	} {
		if !slices.Equal(slices.Sorted(slices.Values(got[0])), slices.Sorted(slices.Values(got[1]))) {
			t.Errorf("%s: %q, want %q", what, got[0], got[1])
		}
	}
	// The page a stranger sees counts them too.
	if n, err = build(ctx, c, o, n.texts, quiet, false); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	n.router().ServeHTTP(w, httptest.NewRequest("GET", "/?lang=en", nil))
	if !regexp.MustCompile(`Neighbours(<[^>]*>)+2<`).MatchString(w.Body.String()) {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}

// Behind a proxy that ends TLS the pages of the node say so to the browser.
func TestBehindProxy(t *testing.T) {
	for _, proxied := range []bool{false, true} {
		n := builtNode(t, func(m map[string]any) { m["behind_proxy"] = proxied })
		w := httptest.NewRecorder()
		n.router().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://node.example/?lang=pl", nil))
		for _, k := range w.Result().Cookies() {
			if k.Secure != proxied {
				t.Errorf("proxied %v: %v", proxied, k)
			}
		}
		if got := w.Header().Get("Strict-Transport-Security") != ""; got != proxied || len(w.Result().Cookies()) == 0 {
			t.Errorf("proxied %v: %v", proxied, w.Header())
		}
	}
}

// What a dispatch system leaves lying is found, and that nobody would be told.
func TestDispatchSystemIsWatched(t *testing.T) {
	c := newConfig(t, nil)
	n := start(t, c)
	n.send(1)
	n.stop()
	o, err := Open(t.Context(), c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer o.DB.Close()
	found := func(after time.Duration) (out []string) {
		t.Helper()
		o.Clock = clock.Fake(time.Now().Add(after))
		if err := o.DB.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE exchange_presence SET online = 0`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		x, err := Examine(t.Context(), c, o, texts(t), quiet, i18n.En)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range x.Health.Ill {
			if l.Check == "receiver" || l.Check == "notify" {
				out = append(out, l.Check+" "+l.Object)
			}
		}
		slices.Sort(out)
		return out
	}
	if got := found(4 * time.Minute); !slices.Equal(got, []string{"notify nobody"}) {
		t.Errorf("%q", got)
	}
	if got := found(6 * time.Minute); !slices.Equal(got, []string{"notify nobody", "receiver " + desk}) {
		t.Errorf("%q", got)
	}
}

// builtNode is a node that does not run.
func builtNode(t testing.TB, change func(map[string]any)) *node {
	t.Helper()
	c := newConfig(t, change)
	o, err := Open(t.Context(), c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.DB.Close() })
	n, err := build(t.Context(), c, o, texts(t), quiet, false)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// An alarm that somebody opened before it left does not leave any more.
func TestHeardAlarmDoesNotLeave(t *testing.T) {
	n := builtNode(t, func(m map[string]any) {
		m["notify"] = map[string]any{"webhooks": []any{map[string]any{"url": "https://127.0.0.1:1/", "secret_file": "s"}}}
	})
	alarm := func(id string) console.Alarm {
		return console.Alarm{ID: id, Kind: store.Live, Class: console.ClassA, Cause: console.CauseIncoming}
	}
	states := map[string]string{}
	if err := n.DB.Write(t.Context(), func(tx *store.Tx) error {
		if err := errors.Join(n.unheard(tx, alarm("a")), n.unheard(tx, alarm("b")), n.heard(tx, store.Live, "a")); err != nil {
			return err
		}
		rows, err := tx.Query(`SELECT o.unique_key, d.state FROM notify_outbox o JOIN notify_delivery d ON d.notification = o.id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var key, state string
			if err := rows.Scan(&key, &state); err != nil {
				return err
			}
			states[key] = state
		}
		return rows.Err()
	}); err != nil {
		t.Fatal(err)
	}
	if states["console/a"] != "dropped" || states["console/b"] != "waiting" {
		t.Errorf("%v", states)
	}
}

// While health finds the clock wrong nothing is destroyed by a date.
func TestNothingIsErasedByAWrongClock(t *testing.T) {
	n := builtNode(t, nil)
	erase := map[string]job.Func{"exchange": n.exchange.Erase, "console": n.console.Erase}
	for name, f := range erase {
		if err := f(t.Context(), job.Job{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := n.DB.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO health_finding (id, check_id, object, area, text, todo, level, told, since, until, settled, times, seen_at, seen_by)
			VALUES (1, 'clock', '', 'health.area.clock', '{"key": "health.clock.ahead"}', 'health.clock.do', 2, 2, 1, 0, 0, 1, 0, '')`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for name, f := range erase {
		if err := f(t.Context(), job.Job{}); err == nil {
			t.Errorf("%s deletes by a clock that is wrong", name)
		}
	}
}
