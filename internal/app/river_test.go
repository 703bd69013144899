package app

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/alert/gauge/saxony"
	"trojmezi/internal/alert/river"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/store"
)

// noticeWithin is how soon people are told of a level after the value can be read.
const noticeWithin = 30 * time.Second

// A document of a service goes in, and who reads a webhook is told of the limit crossed;
// of an exercise nothing leaves by a channel that is live.
func TestRiverAlarmLeaves(t *testing.T) {
	posts := make(chan notify.Posted, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		var p notify.Posted
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Error(err)
		}
		posts <- p
	}))
	defer hook.Close()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("k", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	n := builtNode(t, func(m map[string]any) {
		m["notify"] = map[string]any{"base_url": "https://node.example", "webhooks": []any{map[string]any{"url": hook.URL, "secret_file": secret, "insecure_loopback": true}}}
	})
	ctx, stop := context.WithCancel(t.Context())
	if err := n.notify.Schedule(ctx); err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- n.jobs.Run(ctx) }()
	defer func() { stop(); <-ran }()
	take := func(kind store.Kind, level string, ago time.Duration) {
		at := time.Now().Add(-ago).UTC().Format("02.01.2006 15:04")
		r, fault := saxony.Feed().Parse([]byte(`{"features":[{"attributes":{"PEG_MSTNR":"660000","PEG_NAME":"Görlitz","WLV_GEWAESSER":"Lausitzer Neiße","PEG_AS1":320,"PEG_AS4":560,
			"PEG_WASSERSTAND":"` + level + `","PEG_WERTZEITSTEMPEL_CHAR":"` + at + `","ZEITZONE":"+00:00"},"geometry":{"x":14.99,"y":51.16}}]}`))
		if fault != nil {
			t.Fatal(fault)
		}
		if err := n.DB.Write(ctx, func(tx *store.Tx) error {
			_, err := n.rivers.Take(tx, river.From{Service: "saxony", Endpoint: "x", Fetched: n.Clock.Now(), Kind: kind}, r)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	// What stands above a limit at its first value waits for a second one.
	take(store.Exercise, "310", 16*time.Minute)
	take(store.Live, "310", 16*time.Minute)
	take(store.Exercise, "570", time.Minute)
	begun := time.Now()
	take(store.Live, "330", time.Minute)
	select {
	case p := <-posts:
		if took := time.Since(begun); took > noticeWithin {
			t.Errorf("told after %v", took)
		}
		if p.Kind != store.Live || p.Class != notify.C || p.Key != "river.notice.up" || !strings.Contains(p.Headline[i18n.De], "Görlitz (Lužická Nisa / Lausitzer Neiße / Nysa Łużycka): 330\u00a0cm, über Alarmstufe 1") || p.Link != "https://node.example/rivers/saxony:660000" {
			t.Errorf("%+v", p)
		}
	case <-time.After(noticeWithin):
		t.Fatal("nobody was told")
	}
	select {
	case p := <-posts:
		t.Errorf("a second notice: %+v", p)
	case <-time.After(500 * time.Millisecond):
	}
}
