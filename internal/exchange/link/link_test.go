package link

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"trojmezi/internal/exchange"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// site is one node at work on loopback, with its pages and the people there.
type site struct {
	*Service
	t       testing.TB
	db      *store.DB
	deps    exchange.Deps
	cfg     exchange.Config
	node    *exchange.Node
	rt      *web.Router
	texts   *i18n.Bundle
	dir     string
	address string
	desk    string
	stop    func()
}

var people = map[string]*web.Person{
	"tech":   {ID: "tech", Name: "Jan Technik", Organisation: "o", Roles: []string{"technician"}},
	"tech2":  {ID: "tech2", Name: "Petra Technická", Organisation: "o", Roles: []string{"technician"}},
	"leader": {ID: "leader", Name: "Věra Vedoucí", Organisation: "o", Roles: []string{"shift_leader"}},
	"desk":   {ID: "desk", Name: "Dana Dispečerka", Organisation: "o", Roles: []string{"dispatcher"}},
	"audit":  {ID: "audit", Name: "Otto Prüfer", Organisation: "o", Roles: []string{"auditor"}},
	"other":  {ID: "other", Name: "Obce Druhá", Organisation: "p", Roles: []string{"technician", "shift_leader"}},
}

// certificate writes a self-signed one into the node's files and returns its
// fingerprint.
func certificate(t testing.TB, dir string, life time.Duration) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	number, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	tmpl := &x509.Certificate{
		SerialNumber: number, Subject: pkix.Name{CommonName: "node"}, DNSNames: []string{"node.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"node.key": {Type: "PRIVATE KEY", Bytes: raw}, "node.crt": {Type: "CERTIFICATE", Bytes: der}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return exchange.Fingerprint(leaf)
}

func participant(oid string) map[string]any {
	var apps []any
	for _, a := range ucri.Apps() {
		if a.AppID != "transport_layer_messages" {
			apps = append(apps, map[string]any{"appId": a.AppID, "appVersion": a.AppVersion})
		}
	}
	return map[string]any{
		"id": oid, "systemName": "desk", "operatorName": "desk " + oid, "operatorShortName": "d", "supportedApps": apps,
		"techSupport": map[string]any{"phone": "+420 485 000 000", "e-mail": "it@desk.example"},
	}
}

// newSite starts a node that knows no neighbour.
func newSite(t testing.TB, oid, operator string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), desk: oid[:len(oid)-1] + "1"}
	certificate(t, s.dir, 90*24*time.Hour)
	s.cfg = exchange.Config{
		OID: oid, Listen: "127.0.0.1:0", Operator: operator, TLS: exchange.TLSConfig{Cert: "node.crt", Key: "node.key"},
		Participants: []any{participant(s.desk)},
	}
	if faults := s.cfg.Validate(); len(faults) > 0 {
		t.Fatalf("%+v", faults)
	}
	clk, log := clock.System(), slog.New(slog.DiscardHandler)
	s.db = storetest.Open(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "exchange": exchange.Migrations(), "link": Migrations()})
	key, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	s.must(err)
	s.texts, err = i18n.Load(web.Locales, ui.Locales, access.Locales, identity.Locales, ucri.Locales(), exchange.Locales(), Locales())
	s.must(err)
	policy, err := access.Load(map[string][]byte{"exchange/policy.cedar": exchange.Policy(), "link/policy.cedar": Policy()})
	s.must(err)
	s.deps = exchange.Deps{
		DB: s.db, Key: key, Ring: seal.NewRing(key, clk), Audit: audit.New(s.db, key, clk, log), Policy: policy,
		Clock: clk, Texts: s.texts, Log: log, Dir: s.dir, Version: "test", ID: "instance-1", Lang: i18n.En,
	}
	s.start()
	t.Cleanup(func() {
		s.stop()
		if n := s.texts.Missing(); n != 0 {
			t.Errorf("%d texts are missing", n)
		}
	})
	return s
}

// start builds and runs the node, a second time after stop.
func (s *site) start() {
	s.t.Helper()
	var err error
	s.node, err = exchange.New(s.t.Context(), s.cfg, s.deps)
	s.must(err)
	s.node.Desks([]string{s.desk})
	s.Service = New(Options{DB: s.db, Node: s.node, Audit: s.deps.Audit, Clock: s.deps.Clock, Name: func(_ *store.Tx, id string) string {
		if p := people[id]; p != nil {
			return p.Name
		}
		return id
	}})
	s.rt = web.NewRouter(web.Config{Bundle: s.texts, Log: s.deps.Log, Clock: s.deps.Clock, Policy: s.deps.Policy, Nav: Nav(), Built: os.DirFS("../../../web/dist"),
		Authenticate: func(r *http.Request) (*web.Person, error) { return people[r.Header.Get("X-Person")], nil }})
	NewPages(s.Service).Register(s.rt)
	ctx, cancel := context.WithCancel(context.Background())
	port, served, ran := make(chan int, 1), make(chan struct{}), make(chan struct{})
	go func() { defer close(served); s.node.Serve(ctx, func(p int) { port <- p }) }()
	go func() { defer close(ran); s.node.Run(ctx) }()
	s.stop = func() { cancel(); <-served; <-ran }
	s.cfg.Listen = fmt.Sprintf("127.0.0.1:%d", <-port)
	s.address = "https://" + s.cfg.Listen + "/ucrm/p2p/v0"
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// page is an answer of the site.
type page struct {
	t      testing.TB
	status int
	to     string // of a redirection
	body   string
}

func (s *site) ask(person, method, path string, fields ...string) page {
	s.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Header.Set("X-Person", person)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Accept-Language", "en")
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	s.rt.ServeHTTP(w, r)
	return page{s.t, w.Code, w.Header().Get("Location"), w.Body.String()}
}

func (s *site) get(person, path string) page { s.t.Helper(); return s.ask(person, "GET", path) }
func (s *site) post(person, path string, fields ...string) page {
	s.t.Helper()
	return s.ask(person, "POST", path, fields...)
}

func (p page) want(status int, holds ...string) page {
	p.t.Helper()
	text := visible(p.body)
	if p.status != status {
		p.t.Fatalf("got %d, want %d: %.600s", p.status, status, text)
	}
	for _, h := range holds {
		if !strings.Contains(text, h) {
			p.t.Errorf("the page does not say %q: %.1500s", h, text)
		}
	}
	return p
}

// visible is the text of a page.
func visible(body string) string {
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		return body
	}
	var b strings.Builder
	for n := range doc.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "script" && n.Parent.Data != "style" {
			b.WriteString(n.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// begin makes a link to a neighbour of that name and returns its address.
func (s *site) begin(name string) string {
	s.t.Helper()
	s.post("tech", "/links/own", "url", s.address, "phone", "+420 485 123 456").want(303)
	p := s.post("tech", "/links", "name", name).want(303)
	return p.to
}

var pre = regexp.MustCompile(`(?s)<pre[^>]*>(.*?)</pre>`)

// handed is the text on the sheet of a link.
func (s *site) handed(link string) string {
	s.t.Helper()
	m := pre.FindStringSubmatch(s.get("tech", link+"/sheet").want(200).body)
	if m == nil {
		s.t.Fatal("no text on the sheet")
	}
	return html.UnescapeString(m[1])
}

// enter types what the other side read out.
func (s *site) enter(link, text string) page {
	s.t.Helper()
	d, ok := parseHandOver(text)
	if !ok {
		s.t.Fatal(text)
	}
	return s.post("tech", link+"/theirs", "oid", d.OID, "url", d.URL, "username", d.Username, "password", d.Password, "phone", d.Phone, "fingerprint", d.Fingerprint)
}

func (s *site) state(link string) exchange.LinkState {
	s.t.Helper()
	l, err := s.link(s.t.Context(), strings.TrimPrefix(link, "/links/"))
	s.must(err)
	return l.State
}

func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	end := time.Now().Add(20 * time.Second)
	for !f() {
		if time.Now().After(end) {
			t.Fatal("not within 20 s:", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// send posts a text from the site's desk and returns its message id.
func (s *site) send(to string) string {
	s.t.Helper()
	var id string
	data, _ := json.Marshal(map[string]any{"sharedIncidentId": s.deps.Clock.NewID(), "notifications": []any{map[string]any{"timestamp": "2026-03-14T07:31:05Z", "message": "Příjezd za 12 minut"}}})
	s.must(s.db.Write(s.t.Context(), func(tx *store.Tx) error {
		e, err := s.node.Post(tx, &ucri.Envelope{Source: s.desk, Destinations: []string{to}, Payload: ucri.Payload{
			AppID: "notification_text", AppVersion: "1.0", SchemaID: "notification", ContentType: "application/json", Data: string(data),
		}})
		id = e.MessageID
		return err
	}))
	return id
}

// has reports whether a message for the site's desk is there.
func (s *site) has(id string) bool {
	s.t.Helper()
	var n int
	s.must(s.db.Read(s.t.Context(), func(tx *store.Tx) error {
		return tx.Row(`SELECT COUNT(*) FROM exchange_message WHERE message_id = $1 AND destination = $2 AND seq IS NOT NULL`, id, s.desk).Scan(&n)
	}))
	return n == 1
}

// pair are two nodes whose links are both tested.
func pair(t testing.TB) (a, b *site, ab, ba string) {
	t.Helper()
	a, b = newSite(t, "1.2.3.0", "Kraj A"), newSite(t, "1.2.4.0", "Land B")
	ab, ba = a.begin("Land B"), b.begin("Kraj A")
	a.enter(ab, b.handed(ba)).want(303)
	b.enter(ba, a.handed(ab)).want(303)
	until(t, "both are tested", func() bool {
		a.post("tech", ab+"/test").want(303)
		b.post("tech", ba+"/test").want(303)
		return a.state(ab) == exchange.LinkTested && b.state(ba) == exchange.LinkTested
	})
	return a, b, ab, ba
}

func (s *site) live(link string) {
	s.t.Helper()
	s.post("tech", link+"/propose").want(303)
	s.post("leader", link+"/confirm").want(303)
	if got := s.state(link); got != exchange.LinkLive {
		s.t.Fatal(got)
	}
}

// The whole way by the pages: two technicians, two second people, two nodes.
func TestConnectByPages(t *testing.T) {
	t.Parallel()
	a, b := newSite(t, "1.2.3.0", "Kraj A"), newSite(t, "1.2.4.0", "Land B")
	a.get("tech", "/links").want(200, "No neighbour is connected yet", "1.2.3.0")
	a.post("tech", "/links/own", "url", "node", "phone", "112").want(422, "is not an address", "internationally")
	ab, ba := a.begin("Ländle B"), b.begin("Kraj A")
	if ab != "/links/landle-b" {
		t.Error(ab)
	}
	a.get("tech", ab).want(200, "Being prepared", "Enter their data", "First enter their data")
	a.post("tech", ab+"/test").want(409, "not entered yet")
	text := b.handed(ba)
	a.post("tech", ab+"/theirs", "text", "something else").want(422, "TROJMEZI-LINK 1")
	filled := a.post("tech", ab+"/theirs", "text", "Hello,\n"+text).want(200, "The text was read")
	if !strings.Contains(filled.body, `value="1.2.4.0"`) {
		t.Error("the text was not taken over into the form")
	}
	a.post("tech", ab+"/theirs", "oid", "1..2", "url", "http://x", "fingerprint", "AB:CD", "phone", "").want(422,
		"is not an OID", "only https", "64 characters", "Write the user name", "Write the password", "internationally")
	d, _ := parseHandOver(text)
	wrong := strings.ReplaceAll(d.Fingerprint, d.Fingerprint[:2], "00")
	a.post("tech", ab+"/theirs", "oid", d.OID, "url", d.URL, "username", d.Username, "password", d.Password, "phone", d.Phone, "fingerprint", wrong).want(303)
	a.post("tech", ab+"/test").want(303)
	a.get("tech", ab).want(200, "The node showed another certificate", d.Fingerprint)
	a.post("tech", ab+"/propose").want(409)
	a.enter(ab, text).want(303)
	b.enter(ba, a.handed(ab)).want(303)
	until(t, "both are tested", func() bool {
		a.post("tech", ab+"/test").want(303)
		b.post("tech", ba+"/test").want(303)
		return a.state(ab) == exchange.LinkTested && b.state(ba) == exchange.LinkTested
	})
	for _, s := range []struct {
		*site
		link string
	}{{a, ab}, {b, ba}} {
		s.post("leader", s.link+"/propose").want(403)
		s.post("leader", s.link+"/confirm").want(409)
		s.post("tech", s.link+"/propose").want(303)
		s.get("tech", s.link).want(200, "The proposal is yours")
		// One person alone does not go live, in whatever role.
		s.post("tech", s.link+"/confirm").want(403, "Somebody else than the one who proposed")
		s.get("leader", s.link).want(200, "Go-live proposed by Jan Technik")
		s.get("leader", s.link+"/confirm").want(200, "Go live?")
		s.post("leader", s.link+"/confirm").want(303)
		if got := s.state(s.link); got != exchange.LinkLive {
			t.Fatal(got)
		}
		s.get("audit", s.link).want(200, "Live", "Confirmed the go-live", "Věra Vedoucí")
	}
	until(t, "both know the other's desk", func() bool { return a.node.SameKind(a.desk, b.desk) && b.node.SameKind(b.desk, a.desk) })
	one, two := a.send(b.desk), b.send(a.desk)
	until(t, "both messages are there", func() bool { return b.has(one) && a.has(two) })
	a.get("leader", "/links").want(200, "Ländle B", "Live", "1.2.4.0")
	// Once live nothing of it is changed by one person, and the password is not shown any more.
	if p := a.get("tech", ab+"/sheet").want(303); p.to != ab {
		t.Error(p.to)
	}
	a.enter(ab, text).want(409)
	a.post("tech", ab+"/secret").want(409)
	csv := a.get("leader", "/links.csv").want(200)
	if !strings.Contains(csv.body, "Ländle B,Live,") || strings.Contains(csv.body, d.Password) {
		t.Error(csv.body)
	}
	// Killed and started again, all of it is there.
	a.stop()
	three := b.send(a.desk)
	a.start()
	until(t, "what was sent meanwhile is there", func() bool { return a.has(three) })
	until(t, "a knows b's desk again", func() bool { return a.node.SameKind(a.desk, b.desk) })
	four := a.send(b.desk)
	until(t, "it is there", func() bool { return b.has(four) })
}

// What changes after the proposal has to be proposed anew: the second person must
// not confirm what he alone has seen.
func TestChangeEndsTheProposal(t *testing.T) {
	t.Parallel()
	a, _, ab, _ := pair(t)
	a.post("tech", ab+"/propose").want(303)
	a.post("tech2", ab+"/certificates", "fingerprint", strings.Repeat("cd", 32)).want(303)
	a.post("tech2", ab+"/confirm").want(409)
	a.post("tech", ab+"/propose").want(303)
	a.post("tech2", ab+"/secret").want(303)
	a.post("leader", ab+"/confirm").want(409)
	if got := a.state(ab); got != exchange.LinkProposed {
		t.Error(got)
	}
	a.post("tech", ab+"/propose").want(409, "First the test has to pass")
}

// Leaving takes two people too; what waits goes out or ends by a decision.
func TestLeaveByPages(t *testing.T) {
	t.Parallel()
	a, b, ab, ba := pair(t)
	a.live(ab)
	b.live(ba)
	until(t, "a knows b's desk", func() bool { return a.node.SameKind(a.desk, b.desk) })
	b.stop() // what a sends now waits
	defer b.start()
	a.send(b.desk)
	a.post("tech", ab+"/end").want(409)
	a.post("tech", ab+"/propose").want(303)
	a.post("tech2", ab+"/recall").want(303)
	a.post("tech2", ab+"/propose").want(303)
	a.post("tech2", ab+"/confirm").want(403)
	a.get("tech", ab+"/confirm").want(200, "Disconnect the neighbour?")
	a.post("tech", ab+"/confirm").want(303)
	a.get("tech", ab).want(200, "Being disconnected", "1 message still waits")
	a.get("tech", ab+"/end").want(200, "Do not deliver 1 waiting message")
	a.post("tech", ab+"/end").want(409, "1 message is still waiting")
	until(t, "nothing is on its way", func() bool { return a.post("tech", ab+"/end", "discard", "yes").status == 303 })
	a.get("tech", ab).want(200, "Disconnected", "Ended the connection")
	// The name is free for another try, its id is not.
	if again := a.begin("Land B"); again != ab+"-02" {
		t.Error(again)
	}
}

// A further certificate counts when a second person has confirmed it; one person
// removes it at once.
func TestCertificatesByPages(t *testing.T) {
	t.Parallel()
	a, b, ab, ba := pair(t)
	a.live(ab)
	b.live(ba)
	until(t, "a knows b's desk", func() bool { return a.node.SameKind(a.desk, b.desk) })
	l, err := a.link(t.Context(), strings.TrimPrefix(ab, "/links/"))
	a.must(err)
	old := accepted(l)[0]
	spare := t.TempDir()
	fresh := certificate(t, spare, 5*24*time.Hour)
	a.post("tech", ab+"/certificates", "fingerprint", "x").want(422, "64 characters")
	a.post("tech", ab+"/certificates", "fingerprint", old).want(422, "here already")
	a.post("tech", ab+"/certificates", "fingerprint", spell(fresh)).want(303)
	a.get("leader", ab+"/certificates").want(200, "Waits for a second person", "Jan Technik")
	a.post("tech", ab+"/certificates/confirm", "fingerprint", fresh).want(403)
	a.get("leader", ab+"/certificates/confirm?fingerprint="+fresh).want(200, "Accept this certificate too?")
	a.post("leader", ab+"/certificates/confirm", "fingerprint", fresh).want(303)
	// b takes the new one, without a restart; both are accepted.
	for _, f := range []string{"node.key", "node.crt"} {
		raw, err := os.ReadFile(filepath.Join(spare, f))
		a.must(err)
		a.must(os.WriteFile(filepath.Join(b.dir, f), raw, 0o600))
	}
	until(t, "b shows the new one", func() bool {
		own, err := b.Own(t.Context(), "o")
		b.must(err)
		return own.Fingerprint == fresh
	})
	b.get("tech", "/links").want(200, "in 4 days")
	a.get("tech", ab+"/certificates/remove?fingerprint="+old).want(200, "Revoke this certificate?")
	a.post("tech", ab+"/certificates/remove", "fingerprint", old).want(303)
	a.post("tech", ab+"/certificates/remove", "fingerprint", old).want(409)
	a.post("tech", ab+"/test").want(303)
	one, two := a.send(b.desk), b.send(a.desk)
	until(t, "both messages are there", func() bool { return b.has(one) && a.has(two) })
	a.get("tech", ab+"/certificates").want(200, "Revoked on", "Accepted", "in 4 days")
	certs, err := a.Certificates(t.Context())
	a.must(err)
	if len(certs) != 1 || certs[0].Name != "Land B" || time.Until(certs[0].NotAfter) > 6*24*time.Hour {
		t.Errorf("%+v", certs)
	}
	a.get("tech", ab+"/certificates/remove?fingerprint="+fresh).want(200, "the last accepted")
}

// Who may do what.
func TestRights(t *testing.T) {
	t.Parallel()
	a := newSite(t, "1.2.3.0", "Kraj A")
	ab := a.begin("Land B")
	for _, c := range []struct {
		person, method, path string
		status               int
	}{
		{"desk", "GET", "/links", 403}, {"desk", "GET", ab, 403}, {"audit", "GET", ab, 200}, {"audit", "GET", ab + "/sheet", 403},
		{"leader", "GET", ab, 200}, {"leader", "GET", ab + "/sheet", 403}, {"leader", "POST", "/links", 403}, {"leader", "POST", ab + "/test", 403},
		{"audit", "POST", ab + "/confirm", 403}, {"other", "GET", ab, 403}, {"other", "POST", ab + "/confirm", 403}, {"other", "GET", "/links", 200},
		{"tech", "GET", "/links/nothing", 404}, {"tech", "GET", ab + "/sheet", 200},
	} {
		if got := a.ask(c.person, c.method, c.path); got.status != c.status {
			t.Errorf("%s %s %s: %d, want %d", c.person, c.method, c.path, got.status, c.status)
		}
	}
	if _, err := a.SetOwn(t.Context(), "tech", "o", a.address, "+420 485 123 456"); err != nil {
		t.Error(err)
	}
	if err := a.Confirm(t.Context(), "nothing", "tech"); problem.KindOf(err) != problem.NotFound {
		t.Error(err)
	}
}

// Every page is whole in every language.
func TestLanguages(t *testing.T) {
	t.Parallel()
	a, b, ab, ba := pair(t)
	a.post("tech", ab+"/propose").want(303)
	b.live(ba)
	whole := func(s *site, lang i18n.Lang, paths ...string) {
		for _, path := range paths {
			r := httptest.NewRequest("GET", path, nil)
			r.Header.Set("X-Person", "tech2")
			r.Header.Set("Accept", "text/html")
			r.Header.Set("Accept-Language", string(lang))
			w := httptest.NewRecorder()
			s.rt.ServeHTTP(w, r)
			if w.Code != 200 || strings.Contains(w.Body.String(), "⟦") {
				t.Errorf("%s %s: %d", lang, path, w.Code)
			}
		}
	}
	for _, lang := range i18n.Langs {
		whole(a, lang, "/links", "/links/new", "/links/own", ab, ab+"/sheet", ab+"/theirs", ab+"/confirm", ab+"/end", ab+"/certificates")
		whole(b, lang, ba+"/change")
	}
	// Of a live link, every kind of change.
	other := strings.Replace(a.address, "127.0.0.1", "localhost", 1)
	for _, c := range [][2]string{{other, ""}, {"", "x"}, {other, "x"}} {
		faults, found, err := b.ProposeChange(t.Context(), strings.TrimPrefix(ba, "/links/"), "tech", c[0], c[1])
		if err != nil || len(faults) > 0 || !exchange.LineGood(found) {
			t.Fatal(faults, found, err)
		}
		for _, lang := range i18n.Langs {
			whole(b, lang, ba, ba+"/change/confirm")
		}
		b.post("tech", ba+"/change/recall").want(303)
	}
	b.post("tech", ba+"/secret/renew").want(200)
	for _, lang := range i18n.Langs {
		whole(b, lang, ba, ba+"/change/confirm")
	}
	b.post("leader", ba+"/change/confirm").want(303)
	for _, lang := range i18n.Langs {
		whole(b, lang, ba, ba+"/secret/end")
	}
	for _, step := range []exchange.CheckStep{exchange.CheckReach, exchange.CheckCertificate, exchange.CheckSignIn, exchange.CheckInfo, exchange.CheckRegister,
		exchange.CheckClock, exchange.CheckMessage, exchange.CheckTheirSignIn, exchange.CheckTheirRead, exchange.CheckTheirPost} {
		a.texts.Text(i18n.En, "link.check."+string(step), nil)
	}
	for _, cause := range []string{exchange.CauseName, exchange.CauseRefused, exchange.CauseTimeout, exchange.CauseNoTLS, exchange.CauseFingerprint, exchange.CauseRevoked,
		exchange.CauseExpired, exchange.CauseOtherNode, exchange.CauseOurs, exchange.CausePassword, exchange.CauseAnswer, exchange.CauseStarting, exchange.CauseOID,
		exchange.CauseClock, exchange.CauseNotSeen} {
		a.texts.Text(i18n.En, "link.cause."+cause, i18n.Args{"skew": "3s"})
	}
}

func TestSlug(t *testing.T) {
	for in, want := range map[string]string{
		"Hoyerswerda": "hoyerswerda", "Jelenia Góra (Łódź)": "jelenia-gora-lodz", "  Žitava / Zittau": "zitava-zittau", "…": "neighbour",
		strings.Repeat("dlouhý název ", 9): "dlouhy-nazev-dlouhy-naze",
	} {
		if got := slug(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// What a node can tell of itself before anybody has written it down.
func TestOwnFromTheStart(t *testing.T) {
	t.Parallel()
	a := newSite(t, "1.2.3.0", "Kraj A")
	seed := func(phone string) error { return SeedPhone(t.Context(), a.db, a.deps.Audit, "o", phone) }
	if err := seed("112"); problem.KindOf(err) != problem.Invalid {
		t.Error(err)
	}
	a.must(seed("+420 485 000 101"))
	a.must(seed("+420 485 000 102")) // imported again, later
	a.get("tech", "/links").want(200, "+420 485 000 101", "https://node.example:0/ucrm/p2p/v0")
	ab := a.post("tech", "/links", "name", "Land B").want(303).to
	a.get("tech", ab+"/sheet").want(200, "phone=+420 485 000 101")
	a.post("tech", "/links/own", "url", a.address, "phone", "+420 485 000 103").want(303)
	a.must(seed("+420 485 000 101"))
	a.get("tech", "/links").want(200, "+420 485 000 103", a.address)
	named, bare := &x509.Certificate{DNSNames: []string{"node.example", "x"}}, &x509.Certificate{}
	for _, c := range []struct {
		cert         *x509.Certificate
		listen, want string
	}{
		{named, ":443", "https://node.example/ucrm/p2p/v0"}, {named, "10.0.0.5:3003", "https://node.example:3003/ucrm/p2p/v0"},
		{bare, ":443", ""}, {nil, "127.0.0.1:8201", "http://127.0.0.1:8201/ucrm/p2p/v0"},
	} {
		if got := guess(c.cert, c.listen); got != c.want {
			t.Errorf("%s: %q, want %q", c.listen, got, c.want)
		}
	}
}

func TestHandOver(t *testing.T) {
	own := Own{OID: "1.2.3.0", URL: "https://node.example/ucrm/p2p/v0", Fingerprint: strings.Repeat("0a", 32), Phone: "+420 485 123 456"}
	text := handOver(own, exchange.Link{Login: "land-b", Secret: "K7QF-2M9D"})
	want := Theirs{OID: own.OID, URL: own.URL, Fingerprint: strings.TrimSuffix(strings.Repeat("0A:", 32), ":"), Username: "land-b", Password: "K7QF-2M9D", Phone: own.Phone}
	if got, ok := parseHandOver("Dobrý den,\r\n" + strings.ReplaceAll(text, "\n", "\r\n") + "> S pozdravem"); !ok || got != want {
		t.Errorf("%+v", got)
	}
	if _, _, err := code(text); err != nil {
		t.Error(err)
	}
	if got := groups(own.Fingerprint); got != strings.TrimSpace(strings.Repeat("0A0A ", 16)) {
		t.Error(got)
	}
}

// A host that is not there does not keep the page waiting.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	a := newSite(t, "1.2.3.0", "Kraj A")
	ab := a.begin("Land B")
	faults, err := a.SetTheirs(t.Context(), strings.TrimPrefix(ab, "/links/"), "tech", Theirs{
		OID: "1.2.4.0", URL: "https://127.0.0.1:1/ucrm/p2p/v0/", Username: "u", Password: "p", Phone: "+49 3571 123456", Fingerprint: strings.Repeat("ab", 32),
	})
	if err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	a.post("tech", ab+"/test").want(303)
	a.get("tech", ab).want(200, "Nothing listens at that address", "Not tested", "Being prepared")
	if err := a.End(t.Context(), strings.TrimPrefix(ab, "/links/"), "tech", false); err != nil {
		t.Error(err)
	}
	if err := a.Test(t.Context(), strings.TrimPrefix(ab, "/links/"), "tech"); problem.KindOf(err) != problem.Conflict {
		t.Error(err)
	}
	if errors.Is(err, store.ErrNoRows) {
		t.Error(err)
	}
}
