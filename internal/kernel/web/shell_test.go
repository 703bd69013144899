package web

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/a-h/templ"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// framed renders a page of s as p asks for it at target.
func framed(t *testing.T, p *Person, target string, s Shell, built fstest.MapFS) string {
	t.Helper()
	b := bundle(t)
	policy, err := access.Load(map[string][]byte{"test": []byte(`permit (principal, action == Action::"a.b.read", resource);`)})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Bundle: b, Log: slog.New(slog.DiscardHandler), Clock: clock.Fake(start), Policy: policy,
		Authenticate: func(*http.Request) (*Person, error) { return p, nil },
	}
	if built != nil {
		cfg.Built = built
	}
	for _, section := range strings.Split("abcdefghi", "") {
		cfg.Nav = append(cfg.Nav, NavItem{Section: section, Key: "web.reload", URL: "/" + section, Action: "a.b.read"})
	}
	cfg.Nav = append([]NavItem{{Section: "x", Key: "web.home", URL: "/x", Action: "a.b.write"}}, cfg.Nav...)
	rt := NewRouter(cfg)
	rt.Page("GET /page", Public(), func(w http.ResponseWriter, r *http.Request) error {
		return Render(w, r, http.StatusOK, Page(s))
	})
	got := body(t, serve(rt, request("GET", target, "Accept", browser)))
	if n := b.Missing(); n != 0 {
		t.Errorf("%d texts missing", n)
	}
	return got
}

func jana() *Person {
	return &Person{ID: "1", Name: "J <N>", Organisation: "o", Place: "L", Roles: []string{"dispatcher", "auditor"}, Theme: "dark", SingleKeys: true}
}

func TestPage(t *testing.T) {
	for _, l := range i18n.Langs {
		b := bundle(t)
		text := func(key string) string { return templ.EscapeString(b.Text(l, key, nil)) }
		p := jana()
		p.Lang = l
		tests := []struct {
			name          string
			person        *Person
			shell         Shell
			want, missing []string
		}{
			{
				"a stranger", nil, Shell{Title: "T"},
				[]string{`<title>T · Trojmezí</title>`, `href="/signin"`, `id="main"`, `href="#main"`},
				[]string{"http-equiv", "EventSource", "live.js", "/signout", `data-theme`, `class="nav"`, `class="tape"`},
			},
			{
				"a person", p, Shell{Title: "T", Section: "b", Density: "console"},
				[]string{
					`data-density="console"`, `data-theme="dark"`, "J &lt;N&gt;", text("web.role.dispatcher") + ", " + text("web.role.auditor"),
					`<a href="/b" aria-current="page">`, `action="/me/theme"`, `action="/me/language"`, `action="/signout"`, `value="/page?q=1"`,
					`value="` + string(l) + `" lang="` + string(l) + `" aria-current="true"`, text("web.change_user"),
				},
				[]string{`href="/x"`, `data-single-keys`},
			},
			{
				"live", p, Shell{Title: "T", Stream: "/stream?a=1&b=2", Sound: "/sound", Alarms: 2},
				[]string{
					`<title>(2) T · Trojmezí</title>`, `<noscript><meta http-equiv="refresh" content="5"></noscript>`, `data-stream="/stream?a=1&amp;b=2"`,
					`data-sound="/sound"`, `data-now="1786795584000"`, `data-link="none"`, `role="status"`, `live.js?v=`, `sound.js?v=`, "14:06:24", `data-key="f8"`,
					templ.EscapeString(b.Text(l, "web.link.lost", i18n.Args{"time": "{time}"})),
				},
				nil,
			},
			{
				"exercise", p, Shell{Title: "T", Kind: store.Exercise},
				[]string{`<title>` + text("web.drill.exercise.word") + ` · T`, `class="tape"`, text("web.drill.exercise"), `data-kind="exercise"`},
				nil,
			},
			{"test", p, Shell{Title: "T", Kind: store.Test}, []string{`class="tape"`, text("web.drill.test"), `data-kind="test"`}, nil},
			{"live content", p, Shell{Title: "T", Kind: store.Live, Theme: "light"}, []string{`data-theme="light"`}, []string{`class="tape"`, "data-kind"}},
			{"more files", p, Shell{Title: "T", Styles: []string{"tokens.css"}, Scripts: []string{"live.js"}}, []string{`src="/static/live.js?v=`}, nil},
			{"strip and foot", p, Shell{Title: "T", Strip: templ.Raw("<i>S</i>"), Foot: templ.Raw("<i>F</i>")}, []string{"<i>S</i>", "<i>F</i>"}, []string{text("web.footer")}},
		}
		for _, tt := range tests {
			t.Run(tt.name+"/"+string(l), func(t *testing.T) {
				target := "/page?q=1"
				if tt.person == nil {
					target += "&lang=" + string(l)
				}
				got := framed(t, tt.person, target, tt.shell, nil)
				for _, want := range tt.want {
					if !strings.Contains(got, want) {
						t.Errorf("the page lacks %s", want)
					}
				}
				for _, bad := range append(tt.missing, " style=", "onclick", "<style") {
					if strings.Contains(got, bad) {
						t.Errorf("the page has %s", bad)
					}
				}
				if n := strings.Count(got, `href="/h"`); tt.person != nil && n != 2 { // the eighth: under "more" and in the menu of phones
					t.Errorf("%d times /h", n)
				}
				if n := strings.Count(got, `href="/a"`); tt.person != nil && n != 2 { // as a row and as the phone's menu
					t.Errorf("%d entries for the first task", n)
				}
			})
		}
	}
}

// A page says from the start that its session ends if that is soon; session.js has
// what it needs for later.
func TestSessionEnd(t *testing.T) {
	for _, tt := range []struct {
		name  string
		ends  time.Time
		shown bool
		data  string
	}{
		{"in an hour", start.Add(time.Hour), false, "1786799184000"},
		{"a second too early", start.Add(EndNotice + time.Second), false, "1786795705000"},
		{"in two minutes", start.Add(EndNotice), true, "1786795704000"},
		{"not while an incident is open", time.Time{}, false, "0"},
	} {
		p := jana()
		p.Ends = tt.ends
		got := framed(t, p, "/page?lang=de", Shell{Title: "T"}, nil)
		_, strip, _ := strings.Cut(got, `id="session-strip"`)
		strip, _, _ = strings.Cut(strip, "</div>")
		head, _, _ := strings.Cut(strip, ">")
		if strings.Contains(head, " hidden") == tt.shown || strings.Contains(strip, "14:08:24 werden Sie abgemeldet") != tt.shown {
			t.Errorf("%s: %s", tt.name, strip)
		}
		for _, want := range []string{`data-ends="` + tt.data + `"`, `data-now="1786795584000"`, `data-notice="120000"`, `data-state="/me/session.json"`, `href="/signin?next=%2Fme%2Fsession" target="_blank"`} {
			if !strings.Contains(strip, want) {
				t.Errorf("%s lacks %s: %s", tt.name, want, strip)
			}
		}
		if !strings.Contains(got, "/static/session.js?v=") {
			t.Errorf("%s: nobody watches the end", tt.name)
		}
	}
	if got := framed(t, nil, "/page", Shell{Title: "T"}, nil); strings.Contains(got, "session") {
		t.Error("a stranger has a session")
	}
}

// A page asked for in another language than the account's returns to the account's.
func TestLanguageInTheAddress(t *testing.T) {
	p := jana()
	p.Lang = i18n.Cs
	got := framed(t, p, "/page?lang=de&q=1", Shell{Title: "T"}, nil)
	if !strings.Contains(got, `aria-current="true">Deutsch`) {
		t.Error("the page is not in the language asked for")
	}
	if n := strings.Count(got, `value="/page?q=1"`); n != 3 { // theme, language, change of user
		t.Errorf("%d forms return to the page alone", n)
	}
	rt, _ := router(t)
	rt.cfg.Authenticate = func(*http.Request) (*Person, error) { return p, nil }
	for lang, want := range map[i18n.Lang]int{i18n.Cs: 0, "": 1} {
		p.Lang = lang
		if set := serve(rt, request("GET", "/?lang=de")).Cookies(); len(set) != want {
			t.Errorf("the browser keeps the language of an account of language %q: %v", lang, set)
		}
	}
}

func TestSingleKeysOff(t *testing.T) {
	p := jana()
	p.SingleKeys = false
	if !strings.Contains(framed(t, p, "/page", Shell{Title: "T"}, nil), `data-single-keys="off"`) {
		t.Error("the page does not know that one-letter shortcuts are off")
	}
}

func TestBuiltFiles(t *testing.T) {
	built := fstest.MapFS{
		"fonts.css": {Data: []byte("@font-face{}")}, "next-latin.woff2": {Data: []byte("1")}, "next-latin-ext.woff2": {Data: []byte("2")},
		"map.mjs": {Data: []byte(strings.Repeat("export {};", 100))}, "README": {Data: []byte("secret")},
	}
	got := framed(t, jana(), "/page", Shell{Title: "T"}, built)
	for _, want := range []string{`href="/built/fonts.css?v=`, `rel="preload" href="/built/next-latin.woff2?v=`, `rel="preload" href="/built/next-latin-ext.woff2?v=`} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(framed(t, jana(), "/page", Shell{Title: "T"}, nil), "/built/") {
		t.Error("the page asks for files that were not built")
	}
	rt := NewRouter(Config{Bundle: bundle(t), Log: slog.New(slog.DiscardHandler), Clock: clock.Fake(start), Built: built})
	res := serve(rt, request("GET", "/built/map.mjs", "Accept-Encoding", "br, gzip"))
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/javascript; charset=utf-8" || res.Header.Get("Content-Encoding") != "gzip" || len(body(t, res)) > 100 {
		t.Errorf("a module: %d %v", res.StatusCode, res.Header)
	}
	if res := serve(rt, request("GET", "/built/map.mjs", "Accept-Encoding", "gzip;q=0")); res.Header.Get("Content-Encoding") != "" || len(body(t, res)) != 1000 {
		t.Errorf("to one who cannot unpack: %v", res.Header)
	}
	for _, name := range []string{"README", "nothing.css"} {
		if res := serve(rt, request("GET", "/built/"+url.PathEscape(name))); res.StatusCode != 404 {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
}

// The frame tells time as the bundle does.
func TestTimesOfTheRequest(t *testing.T) {
	rt := NewRouter(Config{Bundle: bundle(t), Log: slog.New(slog.DiscardHandler), Clock: clock.Fake(start)})
	rt.Handle("GET /t", func(w http.ResponseWriter, r *http.Request) error {
		ctx := r.Context()
		return plain(w, http.StatusOK, strings.Join([]string{Time(ctx, Now(ctx)), Date(ctx, start), Duration(ctx, 192*time.Second), Number(ctx, 1204)}, "|"))
	})
	got := body(t, serve(rt, request("GET", "/t?lang=de")))
	if want := "14:06:24|15.08.2026|3\u00a0min 12\u00a0s|1\u202f204"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestLastEventID(t *testing.T) {
	for _, tt := range []struct {
		r    *http.Request
		want string
	}{
		{request("GET", "/s"), ""},
		{request("GET", "/s?last-event-id=7"), "7"},
		{request("GET", "/s?last-event-id=7", "Last-Event-ID", "9"), "9"}, // the browser's own is the newer one
	} {
		if got := LastEventID(tt.r); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.r.URL, got, tt.want)
		}
	}
}
