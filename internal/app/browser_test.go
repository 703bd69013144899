package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trojmezi/internal/alert/channel"
	"trojmezi/internal/alert/gauge/saxony"
	"trojmezi/internal/alert/intake"
	"trojmezi/internal/alert/river"
	"trojmezi/internal/alert/subscription"
	"trojmezi/internal/kernel/store"
	"trojmezi/test/pushservice"
)

// pusher is a node whose subscribers are told in their browsers, and what its test asks of
// it. The push service is not ours and decrypts as a browser does.
type pusher struct {
	subscriber
	service *pushservice.Service
	seen    int
}

const pushContact = "push@node.example"

func newPusher(t *testing.T, change func(map[string]any)) *pusher {
	t.Helper()
	p := &pusher{service: pushservice.New(t, "mailto:"+pushContact)}
	setup := map[string]any{"contact": pushContact, "insecure_loopback": true}
	n := builtNode(t, func(m map[string]any) {
		m["notify"] = map[string]any{"base_url": nodeAddress}
		m["channels"] = map[string]any{"list": []any{map[string]any{"name": "browsers", "sort": "push", "push": setup}, map[string]any{"name": "browsers-drill", "sort": "push", "kind": "exercise", "push": setup}}}
		if change != nil {
			change(m)
		}
	})
	p.T, p.node, p.pages = t, n, n.router()
	ctx, stop := context.WithCancel(t.Context())
	p.ok(n.channels.Schedule(ctx))
	ran := make(chan error, 2)
	go func() { ran <- n.jobs.Run(ctx) }()
	go func() { ran <- n.subs.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ran; <-ran })
	return p
}

// next waits for a message to an address; none other may have come before it.
func (p *pusher) next(path string) (m channel.Pushed) {
	p.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		all := p.service.Messages()
		if len(all) == p.seen {
			continue
		}
		got := all[p.seen]
		p.seen++
		p.ok(got.Err)
		p.ok(json.Unmarshal(got.Plain, &m))
		if got.Path != path || got.Signer != p.pushKey() {
			p.Fatalf("to %s, want %s, signed with %s: %+v", got.Path, path, got.Signer, m)
		}
		m.Title, m.Body = strings.ReplaceAll(m.Title, "\u00a0", " "), strings.ReplaceAll(m.Body, "\u00a0", " ")
		return m
	}
	p.Fatalf("nothing came to %s", path)
	return m
}

// browser subscribes as the page's script does; the path of the person's own page comes back.
func (p *pusher) browser(lang, path string, form url.Values) string {
	p.Helper()
	form.Set("do", "browser")
	form.Set("browser", p.service.Subscription(path))
	form.Set("level", "1")
	w := p.do(http.MethodPost, "/subscribe/"+lang, form)
	if w.Code != http.StatusSeeOther {
		p.Fatalf("%d %s", w.Code, w.Body)
	}
	own := w.Header().Get("Location")
	if m := p.next(path); m.Link != nodeAddress+own || m.Kind != store.Live || string(m.Lang) != lang {
		p.Fatalf("the first message: %+v", m)
	}
	// It counts when it is written down that the push service has taken the message.
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		x, err := p.subs.Get(p.Context(), strings.TrimPrefix(own, subscription.Path))
		if p.ok(err); !x.Confirmed.IsZero() {
			return own
		}
		if time.Now().After(end) {
			p.Fatal("it does not count")
		}
	}
}

func (p *pusher) has(w *httptest.ResponseRecorder, code int, texts ...string) {
	p.Helper()
	if w.Code != code {
		p.Fatalf("%d, want %d: %s", w.Code, code, w.Body)
	}
	for _, x := range texts {
		if !strings.Contains(w.Body.String(), x) {
			p.Errorf("%q is missing in\n%s", x, w.Body)
		}
	}
}

func (p *pusher) gone(path string) {
	p.Helper()
	for end := time.Now().Add(60 * time.Second); p.do(http.MethodGet, path, nil).Code != http.StatusNotFound; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			p.Fatal("it is still kept")
		}
	}
}

// A browser subscribes without an address and a mail server, is told what the institute's
// server says, sealed for it alone, in place of what it was told before; the person ends
// it by the page, and a push service that no longer knows the browser ends it too.
func TestBrowserIsTold(t *testing.T) {
	var doc atomic.Value
	issued := time.Now().Add(-time.Hour)
	doc.Store(bulletin(t, issued, ""))
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.Write(doc.Load().([]byte))
	}))
	defer source.Close()
	p := newPusher(t, func(m map[string]any) {
		m["feeds"] = map[string]any{"contact": "it@node.example", "sources": []any{map[string]any{"name": "chmi", "addresses": []any{source.URL + "/bulletin.xml"}, "plain": true}}}
	})
	ctx := t.Context()
	files, closeFiles, err := Files(ctx, p.config, p.Clock)
	p.ok(err)
	defer closeFiles()
	p.feeds.Files = files
	p.ok(p.feeds.Switch(ctx, intake.Operator, "chmi", true, "test"))
	fetch := func(severity string) {
		t.Helper()
		issued = issued.Add(10 * time.Minute)
		doc.Store(bulletin(t, issued, severity))
		p.ok(p.feeds.FetchNow(ctx, intake.Operator, "chmi"))
		_, err := p.feeds.Turn(ctx)
		p.ok(err)
	}
	frydlant := func() url.Values { return url.Values{"place": {"CZ-564028"}} }
	p.has(p.do(http.MethodGet, "/subscribe/de?place=CZ-564028", nil), http.StatusOK, `data-push="`+p.pushKey()+`"`, `data-worker="/subscribe/worker.js"`, "E-Mail ist hier nicht eingerichtet.", `<script type="module" src="/static/subscribe.js`)
	w := p.do(http.MethodGet, "/subscribe/worker.js", nil)
	if p.has(w, http.StatusOK, "showNotification", "Beenden oder ändern"); w.Header().Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Error(w.Header())
	}
	// What is no address of a push service is refused at once, not when a warning comes.
	for _, target := range []string{"", "{}", strings.Replace(p.service.Subscription("/x"), p.service.URL, "https://evil.example", 1), strings.Replace(p.service.Subscription("/x"), p.service.URL, "http://10.0.0.1", 1)} {
		form := frydlant()
		form.Set("do", "browser")
		form.Set("browser", target)
		form.Set("level", "1")
		p.has(p.do(http.MethodPost, "/subscribe/en", form), http.StatusUnprocessableEntity, "The browser gave no valid subscription.")
	}
	// A browser that its push service does not know never counts.
	p.service.Answer(http.StatusNotFound, "")
	form := frydlant()
	form.Set("do", "browser")
	form.Set("browser", p.service.Subscription("/made-up"))
	form.Set("level", "1")
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/subscribe/en", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = "198.51.100.7:1234" // who makes up addresses does not use up what the others may ask
	w = httptest.NewRecorder()
	p.pages.ServeHTTP(w, r)
	p.has(w, http.StatusSeeOther)
	p.has(p.do(http.MethodPost, w.Header().Get("Location"), url.Values{"do": {"confirm"}}), http.StatusConflict)
	p.next("/made-up")
	p.gone(w.Header().Get("Location"))
	p.service.Answer(http.StatusCreated, "")
	// Who subscribes twice for a place is told once.
	p.browser("cs", "/a", frydlant())
	first := p.browser("de", "/a", frydlant())
	second := p.browser("de", "/a", url.Values{"place": {"CZ-563889"}, "from": {"22:00"}, "to": {"06:00"}})
	p.has(p.do(http.MethodPost, "/subscribe/de", url.Values{"do": {"mine"}, "browser": {p.service.Subscription("/a")}}), http.StatusOK, first, second, "Frýdlant", "Liberec")
	p.has(p.do(http.MethodPost, "/subscribe/de", url.Values{"do": {"mine"}, "browser": {p.service.Subscription("/b")}}), http.StatusOK, "Diesem Browser wird nichts gemeldet.")
	p.has(p.do(http.MethodGet, first, nil), http.StatusOK, "dieser Browser")
	w = p.do(http.MethodPost, second, url.Values{"do": {"end"}})
	if p.has(w, http.StatusOK); strings.Contains(w.Body.String(), "data-push-over") {
		t.Error("a browser that is still told of a place is let go")
	}

	fetch("Severe")
	m := p.next("/a")
	if said := official["cs"]; m.Title != "Neu: "+said[0] || m.Kind != store.Live || m.Mark != "" || m.Link != nodeAddress+"/public/place/CZ-564028/de" || !strings.Contains(m.Body, said[2]) || !strings.Contains(m.Body, "Amtliche Warnung, Text unverändert.") || !strings.Contains(m.Body, "ČHMÚ") {
		t.Errorf("%+v", m)
	}
	fetch("Extreme")
	if n := p.next("/a"); n.Title != "Geändert: "+official["cs"][0] || n.Of != m.Of {
		t.Errorf("%+v takes not the place of %+v", n, m)
	}
	p.service.Answer(http.StatusGone, "")
	fetch("")
	if n := p.next("/a"); n.Of != m.Of {
		t.Errorf("%+v", n)
	}
	p.gone(first)
	p.service.Answer(http.StatusCreated, "")
	var left, leaves int
	p.ok(p.DB.Read(ctx, func(tx *store.Tx) error {
		if err := tx.Row(`SELECT COUNT(*) FROM subscription`).Scan(&left); err != nil {
			return err
		}
		return tx.Row(`SELECT COUNT(*) FROM audit_leaf WHERE action = 'subscription.gone'`).Scan(&leaves)
	}))
	if left != 0 || leaves != 2 {
		t.Errorf("%d subscriptions, %d leaves", left, leaves)
	}
	// The last one: the page tells the browser to let go of its address too.
	last := p.browser("en", "/c", frydlant())
	sum := sha256.Sum256([]byte(p.service.URL + "/c"))
	p.has(p.do(http.MethodPost, last, url.Values{"do": {"end"}}), http.StatusOK, `data-push-over="`+hex.EncodeToString(sum[:])+`"`)
	p.gone(last)
}

// A limit that a gauge crosses is told once to who wants it and has the gauge at his place
// or upstream of it; not upstream of the gauge, not to others, not of an exercise.
func TestBrowserIsToldOfRiver(t *testing.T) {
	p := newPusher(t, nil)
	for path, form := range map[string]url.Values{
		"/goerlitz": {"place": {"DE-14626110"}, "rivers": {"1"}}, "/hradek": {"place": {"CZ-564095"}, "rivers": {"1"}}, "/plain": {"place": {"DE-14626110"}},
		"/wind": {"place": {"DE-14626110"}, "rivers": {"1"}, "hazard": {"wind"}},
	} {
		p.browser("de", path, form)
	}
	take := func(kind store.Kind, level string, ago time.Duration) {
		t.Helper()
		at := time.Now().Add(-ago).UTC().Format("02.01.2006 15:04")
		r, fault := saxony.Feed().Parse([]byte(`{"features":[{"attributes":{"PEG_MSTNR":"660000","PEG_NAME":"Görlitz","WLV_GEWAESSER":"Lausitzer Neiße","PEG_AS1":320,"PEG_AS4":560,
			"PEG_WASSERSTAND":"` + level + `","PEG_WERTZEITSTEMPEL_CHAR":"` + at + `","ZEITZONE":"+00:00"},"geometry":{"x":14.99,"y":51.16}}]}`))
		if fault != nil {
			t.Fatal(fault)
		}
		p.ok(p.DB.Write(t.Context(), func(tx *store.Tx) error {
			_, err := p.rivers.Take(tx, river.From{Service: "saxony", Endpoint: "x", Fetched: p.Clock.Now(), Kind: kind}, r)
			return err
		}))
	}
	_, err := p.rivers.SetNumber(t.Context(), intake.Operator, "saxony/660000", "de-goerlitz", "test")
	p.ok(err)
	take(store.Exercise, "310", 31*time.Minute)
	take(store.Exercise, "570", 16*time.Minute)
	take(store.Live, "310", 31*time.Minute)
	take(store.Live, "330", 16*time.Minute)
	m := p.next("/goerlitz")
	if !strings.HasPrefix(m.Title, "Görlitz (") || !strings.HasSuffix(m.Title, "330 cm, über Alarmstufe 1") || m.Kind != store.Live {
		t.Errorf("%+v", m)
	}
	for _, x := range []string{"Ein Messwert, keine Warnung.", "Alarmstufe 1 beginnt dort bei 320 cm.", "Der Pegel steht an Ihrem Ort.", "LHWZ (LfULG)", "Gemessen "} {
		if !strings.Contains(m.Body, x) {
			t.Errorf("%q is missing in %q", x, m.Body)
		}
	}
	take(store.Live, "335", 8*time.Minute) // higher, but no crossing
	take(store.Live, "300", time.Minute)
	if n := p.next("/goerlitz"); !strings.HasSuffix(n.Title, "300 cm, wieder unter Alarmstufe 1") || n.Of != m.Of {
		t.Errorf("%+v", n)
	}
}
