package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode"

	"github.com/a-h/templ"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

const (
	browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	firstID = "00000000-0000-7000-8000-000000000001"
)

var start = time.Date(2026, 8, 15, 12, 6, 24, 0, time.UTC)

func bundle(t testing.TB) *i18n.Bundle {
	t.Helper()
	b, err := i18n.Load(Locales)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// router returns a Router with one route per case and what it logs.
func router(t testing.TB) (*Router, *bytes.Buffer) {
	t.Helper()
	b, log := bundle(t), new(bytes.Buffer)
	t.Cleanup(func() {
		if n := b.Missing(); n != 0 {
			t.Errorf("%d texts were missing", n)
		}
	})
	rt := NewRouter(Config{Bundle: b, Log: slog.New(slog.NewJSONHandler(log, nil)), Clock: clock.Fake(start)})
	fails := func(pattern string, err error) {
		rt.Handle(pattern, func(http.ResponseWriter, *http.Request) error { return err })
	}
	rt.Handle("GET /{$}", func(w http.ResponseWriter, r *http.Request) error {
		return Render(w, r, http.StatusOK, StatusPage(status(StateNormal)))
	})
	rt.Handle("GET /person/{name}", func(w http.ResponseWriter, r *http.Request) error {
		return plain(w, http.StatusOK, r.PathValue("name"))
	})
	rt.Handle("POST /form", func(w http.ResponseWriter, r *http.Request) error {
		_, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 5))
		return err
	})
	rt.Handle("GET /panic", func(http.ResponseWriter, *http.Request) error { panic("secret of the panic") })
	rt.Handle("GET /late", func(w http.ResponseWriter, r *http.Request) error {
		if err := plain(w, http.StatusOK, "half"); err != nil {
			return err
		}
		return errors.New("secret of the other half")
	})
	rt.Handle("GET /latepanic", func(w http.ResponseWriter, r *http.Request) error {
		if err := plain(w, http.StatusOK, "half"); err != nil {
			return err
		}
		panic("secret of the panic")
	})
	fails("GET /internal", errors.New("secret of the database"))
	fails("GET /unavailable", problem.Wrap("x", &problem.Error{Op: "store", Kind: problem.Unavailable, Err: errors.New("disk full")}))
	fails("GET /invalid", &problem.Error{Op: "x", Kind: problem.Invalid, Err: errors.New("secret phone number")})
	fails("GET /unauthenticated", problem.New("x", problem.Unauthenticated, "", nil))
	fails("GET /forbidden", problem.New("x", problem.Forbidden, "", nil))
	fails("GET /gone", problem.New("x", problem.NotFound, "web.no.such.key", nil))
	fails("GET /conflict", problem.New("x", problem.Conflict, "", nil))
	fails("GET /many", problem.New("x", problem.TooMany, "", nil))
	return rt, log
}

func status(s State) Status {
	return Status{
		Node: "1 <2>", OID: "1.2.3.4.5.0", Version: "0.1.0", State: s, Now: start,
		Rows: []Row{{"01", "11", StateNone}, {"02", "12", StateNormal}, {"03", "13", StateStarting}, {"04", "14", StateFaulty}},
	}
}

func request(method, target string, header ...string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader("0123456789"))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func serve(rt http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	rt.ServeHTTP(w, r)
	return w.Result()
}

func body(t testing.TB, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestProblems(t *testing.T) {
	tests := []struct {
		method, target string
		header         []string
		status         int
		kind, key      string
	}{
		{"GET", "/internal", nil, 500, "internal", "web.internal.detail"},
		{"GET", "/panic", nil, 500, "internal", "web.internal.detail"},
		{"GET", "/unavailable", nil, 503, "unavailable", "web.unavailable.detail"},
		{"GET", "/invalid", nil, 400, "invalid", "web.invalid.detail"},
		{"GET", "/unauthenticated", nil, 401, "unauthenticated", "web.unauthenticated.detail"},
		{"GET", "/forbidden", nil, 403, "forbidden", "web.forbidden.detail"},
		{"GET", "/gone", nil, 404, "not_found", "web.not_found.detail"},
		{"GET", "/conflict", nil, 409, "conflict", "web.conflict.detail"},
		{"GET", "/many", nil, 429, "too_many", "web.too_many.detail"},
		{"POST", "/form", nil, 413, "too_large", "web.too_large.limit"},
		{"GET", "/nothing", nil, 404, "not_found", "web.not_found.detail"},
		{"GET", "/static/nothing", nil, 404, "not_found", "web.not_found.detail"},
		{"GET", "/static/..%2frouter.go", nil, 404, "not_found", "web.not_found.detail"},
		{"DELETE", "/form", nil, 405, "invalid", "web.method"},
		{"POST", "/form", []string{"Sec-Fetch-Site", "cross-site"}, 403, "forbidden", "web.cross_origin"},
		{"POST", "/form", []string{"Origin", "https://evil.example"}, 403, "forbidden", "web.cross_origin"},
	}
	for _, tt := range tests {
		for _, l := range i18n.Langs {
			t.Run(tt.method+tt.target+"/"+string(l), func(t *testing.T) {
				rt, _ := router(t)
				res := serve(rt, request(tt.method, tt.target, append([]string{"Accept-Language", string(l), "Accept", "application/json, */*"}, tt.header...)...))
				text := body(t, res)
				if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
					t.Errorf("to a program: %s", got)
				}
				var doc document
				if err := json.Unmarshal([]byte(text), &doc); err != nil {
					t.Fatal(err)
				}
				b := bundle(t)
				want := document{
					Title: b.Text(l, "web."+tt.kind+".title", nil), Status: tt.status, Detail: b.Text(l, tt.key, i18n.Args{"n": 5}),
					Instance: "urn:uuid:" + firstID, Kind: tt.kind, Key: tt.key,
				}
				if diff := cmp.Diff(want, doc); diff != "" || res.StatusCode != tt.status {
					t.Errorf("status %d, %s", res.StatusCode, diff)
				}

				rt, _ = router(t)
				res = serve(rt, request(tt.method, tt.target, append([]string{"Accept-Language", string(l), "Accept", browser}, tt.header...)...))
				page := body(t, res)
				if res.StatusCode != tt.status || res.Header.Get("Content-Type") != "text/html; charset=utf-8" || res.Header.Get("Content-Language") != string(l) {
					t.Errorf("to a browser: %d %v", res.StatusCode, res.Header)
				}
				for _, part := range []string{`<html lang="` + string(l) + `">`, templ.EscapeString(want.Title), templ.EscapeString(want.Detail), firstID} {
					if !strings.Contains(page, part) {
						t.Errorf("the page lacks %q", part)
					}
				}
				for _, leak := range []string{"secret", "goroutine", ".go:", "disk full"} {
					if strings.Contains(text+page, leak) {
						t.Errorf("the answer tells %q", leak)
					}
				}
				if tt.status == 405 && res.Header.Get("Allow") != "POST" {
					t.Errorf("Allow: %q", res.Header.Get("Allow"))
				}
			})
		}
	}
}

func TestWhoWantsHTML(t *testing.T) {
	for accept, want := range map[string]bool{
		browser: true, "text/html": true, "TEXT/HTML;level=1": true, "application/xhtml+xml": true,
		"": false, "*/*": false, "application/json": false, "text/*": false, "text/html;q=0": false, ";;;": false,
	} {
		if got := wantsHTML(request("GET", "/", "Accept", accept)); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	rt, _ := router(t)
	rt.Health()
	for _, target := range []string{"/", "/nothing", "/panic", "/static/base.css", "/healthz"} {
		h := serve(rt, request("GET", target)).Header
		for name, want := range map[string]string{
			"Content-Security-Policy": csp, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": "",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", target, name, got, want)
			}
		}
		if h.Get("X-Request-Id") == "" || h.Get("Cache-Control") == "" {
			t.Errorf("%s: %v", target, h)
		}
	}
	if strings.Contains(csp, "unsafe") {
		t.Error("the policy allows something unsafe")
	}
	if h := serve(rt, request("GET", "https://node.example/")).Header; h.Get("Strict-Transport-Security") != hsts {
		t.Error("no HSTS over TLS")
	}
}

func TestSameOriginMayPost(t *testing.T) {
	rt, _ := router(t)
	rt.Handle("POST /ok", func(w http.ResponseWriter, r *http.Request) error { return plain(w, http.StatusOK, "ok") })
	for _, header := range [][]string{{"Sec-Fetch-Site", "same-origin"}, {"Origin", "http://example.com"}, nil} {
		if res := serve(rt, request("POST", "http://example.com/ok", header...)); res.StatusCode != 200 {
			t.Errorf("%v: %d", header, res.StatusCode)
		}
	}
}

func TestLanguage(t *testing.T) {
	tests := []struct {
		name, target, accept, cookie string
		want, set                    string
	}{
		{"default", "/", "", "", "en", ""},
		{"browser", "/", "pl,en;q=0.5", "", "pl", ""},
		{"cookie before browser", "/", "pl", "de", "de", ""},
		{"query before cookie", "/?lang=cs", "pl", "de", "cs", "cs"},
		{"unknown query", "/?lang=fr", "pl", "", "pl", ""},
		{"unknown cookie", "/", "pl", "<script>", "pl", ""},
		{"hostile query", "/?lang=cs%0d%0aX:1", "", "", "en", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rt, _ := router(t)
			r := request("GET", tt.target, "Accept", browser, "Accept-Language", tt.accept)
			if tt.cookie != "" {
				r.AddCookie(&http.Cookie{Name: langName, Value: tt.cookie})
			}
			res := serve(rt, r)
			if got := res.Header.Get("Content-Language"); got != tt.want {
				t.Errorf("language %q, want %q", got, tt.want)
			}
			if vary := res.Header.Get("Vary"); vary != "Accept, Accept-Language, Cookie" {
				t.Errorf("Vary: %q", vary)
			}
			set := res.Cookies()
			if tt.set == "" {
				if len(set) != 0 {
					t.Errorf("a cookie nobody asked for: %v", set)
				}
				return
			}
			if len(set) != 1 || set[0].Value != tt.set || set[0].SameSite != http.SameSiteLaxMode || !set[0].HttpOnly || set[0].Secure || set[0].Path != "/" {
				t.Errorf("cookie: %v", set)
			}
		})
	}
	rt, _ := router(t)
	if set := serve(rt, request("GET", "https://node.example/?lang=de")).Cookies(); len(set) != 1 || !set[0].Secure {
		t.Errorf("over TLS: %v", set)
	}
}

func TestLanguageSwitchKeepsThePage(t *testing.T) {
	rt, _ := router(t)
	page := body(t, serve(rt, request("GET", "/?q=a%26b&lang=de", "Accept", browser)))
	for _, want := range []string{`href="?lang=cs&amp;q=a%26b"`, `href="?lang=en&amp;q=a%26b" lang="en" hreflang="en"`, `aria-current="true">Deutsch`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if n := strings.Count(page, "aria-current"); n != 1 {
		t.Errorf("%d current languages", n)
	}
}

func logged(t *testing.T, log *bytes.Buffer, msg string) map[string]any {
	t.Helper()
	for line := range strings.Lines(log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		if m["msg"] == msg {
			return m
		}
	}
	t.Fatalf("nothing logged as %q in %s", msg, log)
	return nil
}

func TestAccessLogHoldsNothingPersonal(t *testing.T) {
	rt, log := router(t)
	r := request("GET", "/person/Nowak?phone=600100200", "User-Agent", "Agent/1", "Cookie", "a=b", "Authorization", "Bearer tok")
	r.RemoteAddr = "192.0.2.7:1234"
	serve(rt, r)
	m := logged(t, log, "request")
	delete(m, "time")
	delete(m, "ms")
	want := map[string]any{"level": "INFO", "msg": "request", "request": firstID, "method": "GET", "pattern": "/person/{name}", "status": 200.0, "bytes": 5.0}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Error(diff)
	}
	log.Reset()
	serve(rt, request("NOWAK", "/nowak"))
	serve(rt, request("GET", "/invalid"))
	if s := log.String(); strings.Contains(strings.ToLower(s), "nowak") || strings.Contains(s, "phone") {
		t.Errorf("logged: %s", s)
	}
}

func TestLogOfFaults(t *testing.T) {
	rt, log := router(t)
	serve(rt, request("GET", "/internal"))
	if m := logged(t, log, "request failed"); m["err"] != "secret of the database" || m["request"] != firstID || m["level"] != "ERROR" {
		t.Errorf("%v", m)
	}
	log.Reset()
	serve(rt, request("GET", "/panic"))
	if m := logged(t, log, "panic"); m["panic"] != "secret of the panic" || !strings.Contains(m["stack"].(string), "web_test.go") {
		t.Errorf("%v", m)
	}
}

// An answer that cannot be finished must not look whole to the client.
func TestHalfAnAnswerIsCutOff(t *testing.T) {
	rt, _ := router(t)
	srv := httptest.NewServer(rt)
	defer srv.Close()
	for _, path := range []string{"/late", "/latepanic"} {
		res, err := srv.Client().Get(srv.URL + path)
		if err != nil {
			continue // cut before the header went out
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err == nil {
			t.Errorf("%s: complete answer %q", path, got)
		}
		if strings.Contains(string(got), "secret") {
			t.Errorf("%s: %q", path, got)
		}
	}
}

func TestClientGone(t *testing.T) {
	rt, log := router(t)
	rt.Handle("GET /wait", func(w http.ResponseWriter, r *http.Request) error { return r.Context().Err() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	func() {
		defer func() {
			if p := recover(); p != http.ErrAbortHandler {
				t.Errorf("recovered %v", p)
			}
		}()
		serve(rt, request("GET", "/wait").WithContext(ctx))
	}()
	if m := logged(t, log, "request"); m["status"] != 499.0 {
		t.Errorf("logged: %v", m)
	}
	if strings.Contains(log.String(), "ERROR") {
		t.Errorf("a client that left is logged as our fault: %s", log)
	}
}

func TestStatic(t *testing.T) {
	rt, _ := router(t)
	page := body(t, serve(rt, request("GET", "/", "Accept", browser)))
	links := regexp.MustCompile(`(?:href|src)="(/static/[^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(links) != 4 {
		t.Fatalf("files of the page: %v", links)
	}
	for _, link := range links {
		res := serve(rt, request("GET", link[1]))
		if res.StatusCode != 200 || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") || len(body(t, res)) == 0 {
			t.Errorf("%s: %d %v", link[1], res.StatusCode, res.Header)
		}
		bare, _, _ := strings.Cut(link[1], "?")
		if cc := serve(rt, request("GET", bare)).Header.Get("Cache-Control"); cc != "public, no-cache" {
			t.Errorf("%s: %s", bare, cc)
		}
		if res := serve(rt, request("GET", bare, "If-None-Match", res.Header.Get("ETag"))); res.StatusCode != 304 {
			t.Errorf("%s again: %d", bare, res.StatusCode)
		}
	}
	if ct := serve(rt, request("GET", "/static/tokens.css")).Header.Get("Content-Type"); ct != "text/css; charset=utf-8" {
		t.Errorf("type of a style sheet: %s", ct)
	}
}

func TestHealth(t *testing.T) {
	rt, log := router(t)
	var broken error
	rt.Health(
		Check{"store", func(context.Context) error { return broken }},
		Check{"peers", func(ctx context.Context) error {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("a check without time limit")
			}
			return nil
		}},
	)
	reg := prometheus.NewRegistry()
	count := prometheus.NewCounter(prometheus.CounterOpts{Name: "messages_total", Help: "h"})
	reg.MustRegister(count)
	count.Add(3)
	rt.Metrics(reg)
	tests := []struct {
		target string
		broken error
		status int
		body   string
	}{
		{"/healthz", nil, 200, "ok\n"}, {"/readyz", nil, 200, "ok\n"},
		{"/readyz", errors.New("secret path"), 503, "failing: store\n"}, {"/healthz", errors.New("x"), 200, "ok\n"},
		{"/metrics", nil, 200, "# HELP messages_total h\n# TYPE messages_total counter\nmessages_total 3\n"},
	}
	for _, tt := range tests {
		broken = tt.broken
		res := serve(rt, request("GET", tt.target))
		if got := body(t, res); res.StatusCode != tt.status || got != tt.body {
			t.Errorf("%s: %d %q", tt.target, res.StatusCode, got)
		}
	}
	if m := logged(t, log, "not ready"); m["check"] != "store" || m["err"] != "secret path" {
		t.Errorf("%v", m)
	}
}

func page(t *testing.T, b *i18n.Bundle, l i18n.Lang, s State) string {
	t.Helper()
	rt := NewRouter(Config{Bundle: b, Log: slog.New(slog.DiscardHandler), Clock: clock.Fake(start)})
	rt.Handle("GET /{$}", func(w http.ResponseWriter, r *http.Request) error {
		return Render(w, r, http.StatusOK, StatusPage(status(s)))
	})
	rt.Handle("GET /fault", func(w http.ResponseWriter, r *http.Request) error { return errors.New("x") })
	return body(t, serve(rt, request("GET", "/", "Accept", browser, "Accept-Language", string(l)))) +
		body(t, serve(rt, request("GET", "/fault", "Accept", browser, "Accept-Language", string(l))))
}

func TestStatusPage(t *testing.T) {
	b := bundle(t)
	for _, l := range i18n.Langs {
		for _, s := range []State{StateNormal, StateStarting, StateFaulty} {
			got := page(t, b, l, s)
			for _, want := range []string{
				"1 &lt;2&gt;", "1.2.3.4.5.0", "0.1.0", `class="panel state state-` + s.String() + `"`, `class="sign sign-` + s.String() + `"`,
				templ.EscapeString(b.Text(l, "web.node."+s.String(), nil)), templ.EscapeString(b.DateTime(l, start)),
				templ.EscapeString(b.Text(l, "web.state.starting", nil)), "14:06:24",
			} {
				if !strings.Contains(got, want) {
					t.Errorf("%s/%v: the page lacks %q", l, s, want)
				}
			}
		}
	}
	if b.Missing() != 0 {
		t.Errorf("%d texts missing", b.Missing())
	}
}

// The strict policy forbids what these would need.
func TestPagesNeedNoInlineCode(t *testing.T) {
	got := page(t, bundle(t), i18n.Cs, StateNormal)
	for _, bad := range []string{"<script", "<style", " style=", " onclick", "javascript:", "http://", "https://"} {
		if strings.Contains(got, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

var tag = regexp.MustCompile(`<[^>]*>`)

// With every text of this package replaced by signs, no letter may be left:
// words in a template would show.
func TestTemplatesHoldNoWords(t *testing.T) {
	wordless := fstest.MapFS{}
	for _, l := range i18n.Langs {
		name := "locales/" + string(l) + ".json"
		raw, err := Locales.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var texts map[string]any
		if err := json.Unmarshal(raw, &texts); err != nil {
			t.Fatal(err)
		}
		for key, v := range texts {
			if s, ok := v.(string); ok && !strings.Contains(s, "{") {
				texts[key] = "#"
			}
		}
		texts["web.as_of"] = "{time}"
		if raw, err = json.Marshal(texts); err != nil {
			t.Fatal(err)
		}
		wordless[name] = &fstest.MapFile{Data: raw}
	}
	b, err := i18n.Load(wordless)
	if err != nil {
		t.Fatal(err)
	}
	text := page(t, b, i18n.De, StateFaulty)
	if labels := regexp.MustCompile(`(?:aria-label|title|alt|placeholder)="([^"]*)"`).FindAllStringSubmatch(text, -1); len(labels) == 0 {
		t.Error("no label found: the test looks in the wrong place")
	} else {
		for _, m := range labels {
			text += m[1]
		}
	}
	text = tag.ReplaceAllString(text, "")
	for _, allowed := range []string{"Čeština", "Deutsch", "Polski", "English", "Uhr", "&lt;", "&gt;", "00000000-0000-7000-8000-"} {
		text = strings.ReplaceAll(text, allowed, "")
	}
	if i := strings.IndexFunc(text, unicode.IsLetter); i >= 0 {
		t.Errorf("a template holds words: %.60q", text[i:])
	}
}

func TestOutsideARequest(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic: a wrong language would go unnoticed")
		}
	}()
	Lang(t.Context())
}

func TestFailingComponent(t *testing.T) {
	rt, log := router(t)
	rt.Handle("GET /broken", func(w http.ResponseWriter, r *http.Request) error {
		return Render(w, r, http.StatusOK, templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
			_, err := io.WriteString(w, "half a page")
			return errors.Join(err, errors.New("template"))
		}))
	})
	res := serve(rt, request("GET", "/broken", "Accept", browser))
	if got := body(t, res); res.StatusCode != 500 || strings.Contains(got, "half a page") {
		t.Errorf("%d %q", res.StatusCode, got)
	}
	logged(t, log, "request failed")
}

func FuzzRequest(f *testing.F) {
	f.Add("GET", "/", "lang=de", browser, "cs")
	f.Add("POST", "/form", "lang=cs%0d%0a", "text/html;q=0", "%%%")
	f.Add("GET", "//static/../x", "%zz", ";;;", "")
	rt, _ := router(f)
	f.Fuzz(func(t *testing.T, method, path, query, accept, language string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Method, r.URL.Path, r.URL.RawQuery = method, path, query
		r.Header.Set("Accept", accept)
		r.Header.Set("Accept-Language", language)
		if path == "/late" || path == "/latepanic" {
			t.Skip("cut off on purpose")
		}
		res := serve(rt, r)
		if res.StatusCode == 500 && path != "/internal" && path != "/panic" {
			t.Errorf("%s %q?%q: 500", method, path, query)
		}
	})
}

func BenchmarkStatusPage(b *testing.B) {
	rt, _ := router(b)
	r := request("GET", "/", "Accept", browser, "Accept-Language", "cs")
	rt.cfg.Log = slog.New(slog.DiscardHandler)
	b.ReportAllocs()
	for b.Loop() {
		serve(rt, r)
	}
}

// Behind a proxy that ends TLS the browser is told the same as over our own.
func TestBehindProxy(t *testing.T) {
	for name, c := range map[string]struct {
		target  string
		proxied bool
		want    bool
	}{
		"plain": {"http://node.example/who", false, false}, "TLS": {"https://node.example/who", false, true},
		"proxy": {"http://node.example/who", true, true},
	} {
		rt, _ := router(t)
		rt.cfg.Proxied = c.proxied
		rt.Handle("GET /who", func(w http.ResponseWriter, r *http.Request) error {
			return plain(w, http.StatusOK, strconv.FormatBool(Secure(r.Context())))
		})
		res := serve(rt, request("GET", c.target+"?lang=de"))
		body, err := io.ReadAll(res.Body)
		if err != nil || string(body) != strconv.FormatBool(c.want) {
			t.Errorf("%s: the page sees %s, %v", name, body, err)
		}
		if got := res.Header.Get("Strict-Transport-Security") == hsts; got != c.want {
			t.Errorf("%s: HSTS %v", name, got)
		}
		cookies := res.Cookies()
		if len(cookies) != 1 || cookies[0].Secure != c.want {
			t.Errorf("%s: %v", name, cookies)
		}
	}
}
