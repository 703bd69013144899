package signin

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

const (
	good  = "tři koně na louce"
	fresh = "čtyři krávy v lese"
)

// world is a node with its pages.
type world struct {
	*identity.Directory
	t     testing.TB
	clock *clock.Clock
	texts *i18n.Bundle
	rt    *web.Router
	here  identity.Organisation
	db    *store.DB
	// waiting are the alarms of here; below 0 they cannot be counted.
	waiting int
}

func empty(t testing.TB, set ...func(*identity.Options)) *world {
	t.Helper()
	w := &world{t: t, clock: clock.Fake(time.Date(2026, 11, 25, 6, 0, 0, 0, time.UTC))}
	db := storetest.Open(t, storetest.Tables{"audit": audit.Migrations(), "identity": identity.Migrations()})
	w.db = db
	node, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	w.must(err)
	w.texts, err = i18n.Load(web.Locales, ui.Locales, access.Locales, identity.Locales, Locales())
	w.must(err)
	policy, err := access.Load(map[string][]byte{"identity/policy.cedar": identity.Policy()})
	w.must(err)
	log := slog.New(slog.DiscardHandler)
	o := identity.Options{DB: db, Clock: w.clock, Node: node, Audit: audit.New(db, node, w.clock, log), Log: log}
	for _, f := range set {
		f(&o)
	}
	w.Directory, err = identity.New(o)
	w.must(err)
	pages := New(w.Directory, Options{Policy: policy, Texts: w.texts, Waiting: func(_ context.Context, organisation string) (int, bool) {
		if organisation != w.here.ID {
			t.Errorf("alarms of %q are asked for", organisation)
		}
		return w.waiting, w.waiting >= 0
	}})
	w.rt = web.NewRouter(web.Config{Bundle: w.texts, Log: log, Clock: w.clock, Policy: policy, Authenticate: w.Authenticate, Unsent: pages.Unsent, Nav: pages.Nav(), Built: os.DirFS("../../../../web/dist")})
	pages.Register(w.rt)
	w.rt.Page("GET /{$}", web.Public(), func(rw http.ResponseWriter, r *http.Request) error {
		name := "nobody"
		if who := web.Who(r.Context()); who != nil {
			name = who.Name
		}
		_, err := fmt.Fprintf(rw, "<p>start: %s</p>", name)
		return err
	})
	t.Cleanup(func() {
		if n := w.texts.Missing(); n != 0 {
			t.Errorf("%d texts are missing", n)
		}
	})
	return w
}

// begin is a node whose first administrator is "chief".
func begin(t testing.TB, set ...func(*identity.Options)) *world {
	t.Helper()
	w := empty(t, set...)
	var err error
	w.here, _, err = w.Seed(t.Context(), identity.Organisation{Name: "Dispečink Liberec", Country: "CZ", Addresses: []string{"1.2.3"}},
		[]identity.NewPerson{{Login: "chief", Name: "Jana Šéfová", Roles: []string{"administrator"}, Password: good}})
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// hire adds a person of an organisation, w.here with "".
func (w *world) hire(organisation, login string, roles ...string) *identity.Person {
	w.t.Helper()
	if organisation == "" {
		organisation = w.here.ID
	}
	p, err := w.CreatePerson(w.t.Context(), nil, identity.NewPerson{Organisation: organisation, Login: login, Name: "Osoba " + login, Roles: roles, Password: good})
	w.must(err)
	return p
}

// browser is a visitor without scripts: it keeps cookies, follows redirects and
// sends forms as they stand on the page.
type browser struct {
	w       *world
	cookies map[string]*http.Cookie
	path    string // of the page
	status  int
	header  http.Header
	body    string
	page    *html.Node
	lang    string
}

func (w *world) browser() *browser {
	return &browser{w: w, cookies: map[string]*http.Cookie{}, lang: "en"}
}

func (b *browser) send(r *http.Request) *http.Response {
	r.Header.Set("Accept", "text/html,application/xhtml+xml")
	r.Header.Set("Accept-Language", b.lang)
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	rec := httptest.NewRecorder()
	b.w.rt.ServeHTTP(rec, r)
	res := rec.Result()
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c
		}
	}
	b.path, b.status, b.header, b.body = r.URL.RequestURI(), res.StatusCode, res.Header, rec.Body.String()
	b.page, _ = html.Parse(strings.NewReader(b.body))
	return res
}

// get opens a page and follows redirects.
func (b *browser) get(path string) *browser {
	b.w.t.Helper()
	for range 8 {
		res := b.send(httptest.NewRequest("GET", path, nil))
		if res.StatusCode != http.StatusSeeOther {
			return b.check()
		}
		path = res.Header.Get("Location")
		if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
			b.w.t.Fatalf("led away to %q", path)
		}
	}
	b.w.t.Fatalf("no end of redirects at %s", path)
	return nil
}

// check is what holds on every page.
func (b *browser) check() *browser {
	b.w.t.Helper()
	if strings.Contains(b.header.Get("Content-Type"), "text/html") && b.path != "/" {
		for _, bad := range []string{" style=", "<script>", " onclick=", "⟦"} {
			if strings.Contains(b.body, bad) {
				b.w.t.Errorf("%s holds %q", b.path, bad)
			}
		}
		ids := map[string]bool{}
		for n := range b.page.Descendants() {
			if id := attr(n, "id"); id != "" {
				if ids[id] {
					b.w.t.Errorf("%s has two elements with the id %q", b.path, id)
				}
				ids[id] = true
			}
		}
	}
	return b
}

func (b *browser) post(path string, values url.Values) *browser {
	b.w.t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res := b.send(r)
	switch res.StatusCode {
	case http.StatusSeeOther:
		return b.get(res.Header.Get("Location"))
	case http.StatusTemporaryRedirect:
		return b.post(res.Header.Get("Location"), values)
	}
	return b.check()
}

// submit sends the form of the page whose action begins with action, with what
// stands in it and values (name, value, …) over it; "-" unticks.
func (b *browser) submit(action string, values ...string) *browser {
	b.w.t.Helper()
	var form *html.Node
	for n := range b.page.Descendants() {
		if n.Type == html.ElementNode && n.Data == "form" && attr(n, "method") == "post" {
			at, _, _ := strings.Cut(attr(n, "action"), "?")
			if at == action {
				form = n
				break
			}
		}
	}
	if form == nil {
		b.w.t.Fatalf("%s (%d) has no form for %s:\n%s", b.path, b.status, action, b.text())
	}
	send, known := url.Values{}, map[string]bool{}
	for n := range form.Descendants() {
		if n.Type != html.ElementNode || attr(n, "name") == "" {
			continue
		}
		name := attr(n, "name")
		known[name] = true
		switch n.Data {
		case "input":
			if kind := attr(n, "type"); kind != "radio" && kind != "checkbox" || has(n, "checked") && !has(n, "disabled") {
				send.Add(name, attr(n, "value"))
			}
		case "textarea":
			send.Add(name, content(n))
		case "select":
			for o := range n.Descendants() {
				if o.Data == "option" && has(o, "selected") {
					send.Set(name, attr(o, "value"))
				}
			}
		}
	}
	given := url.Values{}
	for i := 0; i < len(values); i += 2 {
		if !known[values[i]] {
			b.w.t.Fatalf("the form for %s has no field %q", action, values[i])
		}
		if values[i+1] != "-" {
			given.Add(values[i], values[i+1])
		}
		send.Del(values[i])
	}
	for name, v := range given {
		send[name] = v
	}
	return b.post(attr(form, "action"), send)
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func content(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return b.String()
}

// text is what a reader sees of the main part.
func (b *browser) text() string {
	for n := range b.page.Descendants() {
		if n.Data == "main" {
			return strings.Join(strings.Fields(content(n)), " ")
		}
	}
	return b.body
}

// value is what stands in a field.
func (b *browser) value(id string) string {
	for n := range b.page.Descendants() {
		if attr(n, "id") == id {
			if n.Data == "textarea" {
				return content(n)
			}
			return attr(n, "value")
		}
	}
	b.w.t.Fatalf("%s has no field %q", b.path, id)
	return ""
}

// sees expects texts on the page; a key is looked up in English.
func (b *browser) sees(want ...string) *browser {
	b.w.t.Helper()
	for _, s := range want {
		if b.w.texts.Has(s) {
			s = b.w.texts.Text(i18n.En, s, nil)
		}
		if !strings.Contains(b.text(), strings.Join(strings.Fields(s), " ")) {
			b.w.t.Errorf("%s (%d) does not show %q:\n%s", b.path, b.status, s, b.text())
		}
	}
	return b
}

// at expects the page and its status.
func (b *browser) at(path string, status int) *browser {
	b.w.t.Helper()
	if got, _, _ := strings.Cut(b.path, "?"); got != path || b.status != status {
		b.w.t.Fatalf("at %s with %d, want %s with %d:\n%s", b.path, b.status, path, status, b.text())
	}
	return b
}

// enter signs in with the password good.
func (b *browser) enter(login string) *browser {
	b.w.t.Helper()
	return b.get("/signin?other=").submit("/signin", "login", login, "password", good)
}

// session is the token of the browser's session.
func (b *browser) session() string {
	if c := b.cookies["session"]; c != nil {
		return c.Value
	}
	return ""
}

// code computes the present code of a key as it stands on the page (spec: RFC
// 6238), steps later or earlier.
func (w *world) code(key string, steps int) string {
	w.t.Helper()
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(key, " ", ""))
	w.must(err)
	m := hmac.New(sha1.New, raw)
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(w.clock.Now().Unix()/30+int64(steps))))
	sum := m.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:at+4])&0x7fffffff%1_000_000)
}

// texts of elements with a class.
func (b *browser) classed(class string) (all []string) {
	for n := range b.page.Descendants() {
		if slices.Contains(strings.Fields(attr(n, "class")), class) {
			all = append(all, content(n))
		}
	}
	return all
}

// key is the one the page of enrolment shows to be typed.
func (b *browser) key() string {
	b.w.t.Helper()
	keys := b.classed("key")
	if len(keys) != 1 {
		b.w.t.Fatalf("%s shows %d keys:\n%s", b.path, len(keys), b.text())
	}
	return keys[0]
}

// recovery are the codes the page shows.
func (b *browser) recovery() (all []string) {
	for n := range b.page.Descendants() {
		if attr(n, "class") == "codes" {
			for c := range n.Descendants() {
				if c.Data == "code" {
					all = append(all, content(c))
				}
			}
		}
	}
	return all
}
