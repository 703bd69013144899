package identity

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/problem"
)

// independent is a provider of other people's making, in a process of its own:
// test/oidc/provider.mjs.
type independent struct {
	t      *testing.T
	issuer string
	stop   func()
}

type employee struct {
	Name   string   `json:"name"`
	Groups []string `json:"groups"`
	AMR    []string `json:"amr,omitempty"`
}

func startProvider(t *testing.T) *independent {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "test", "oidc")
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("Node is not installed: the OpenID provider of test/oidc cannot start")
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "oidc-provider")); err != nil {
		t.Skip("the OpenID provider is not installed: run `npm ci --ignore-scripts` in test/oidc")
	}
	cmd := exec.Command(node, "provider.mjs", "https://node.example/signin/oidc/office/return", clientSecret)
	cmd.Dir, cmd.Stderr = dir, t.Output()
	in, err := cmd.StdinPipe() // the provider ends when it is closed
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	p := &independent{t: t, stop: func() {
		if !stopped {
			stopped = true
			_ = in.Close()
			if err := cmd.Wait(); err != nil {
				t.Errorf("provider: %v", err)
			}
		}
	}}
	t.Cleanup(p.stop)
	giveUp := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	giveUp.Stop()
	if err != nil {
		t.Fatalf("the provider does not start: %v", err)
	}
	p.issuer = strings.TrimSpace(line)
	return p
}

var (
	selfSent    = regexp.MustCompile(`(?s)forms\[0\]\.submit\(\).*<form method="post" action="([^"]+)"`)
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)
)

// people says who works there from now on.
func (p *independent) people(all map[string]employee) {
	p.t.Helper()
	raw, err := json.Marshal(all)
	if err != nil {
		p.t.Fatal(err)
	}
	res, err := http.Post(p.issuer+"/people", "application/json", bytes.NewReader(raw))
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		p.t.Fatalf("people: %s", res.Status)
	}
}

// visit is a browser that goes where the node sends it, as somebody, and returns
// what the provider sends back with it.
func (p *independent) visit(address *url.URL, login string, change func(url.Values)) url.Values {
	p.t.Helper()
	q := address.Query()
	q.Set("login_hint", login)
	if change != nil {
		change(q)
	}
	address.RawQuery = q.Encode()
	return p.browse(address, p.jar())
}

// jar is where a browser keeps whom the provider knows it as.
func (p *independent) jar() http.CookieJar {
	p.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return jar
}

// browse is a browser that goes where the node sends it, with nothing changed.
func (p *independent) browse(address *url.URL, jar http.CookieJar) url.Values {
	p.t.Helper()
	browser := &http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if r.URL.Host == "node.example" || len(via) > 10 {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	res, err := browser.Get(address.String())
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	back, err := res.Location()
	body, _ := io.ReadAll(res.Body)
	// Before somebody else comes the provider signs the one before out, by a form
	// that sends itself.
	if form := selfSent.FindSubmatch(body); err != nil && form != nil {
		fields := url.Values{}
		for _, f := range hiddenField.FindAllSubmatch(body, -1) {
			fields.Add(string(f[1]), string(f[2]))
		}
		if res, err = browser.PostForm(string(form[1]), fields); err != nil {
			p.t.Fatal(err)
		}
		defer res.Body.Close()
		back, err = res.Location()
	}
	if err != nil || back.Host != "node.example" || back.Path != "/signin/oidc/office/return" {
		p.t.Fatalf("the provider sends to %v, %v: %s %.500s", back, err, res.Status, body)
	}
	return back.Query()
}

// come signs somebody in by the provider.
func (p *independent) come(w *world, login string) (SignedIn, error) {
	p.t.Helper()
	cookie, u := w.flowOf("/queue")
	in, _, err := w.back(p.visit(u, login, nil), cookie)
	return in, err
}

func TestIndependentProvider(t *testing.T) {
	p := startProvider(t)
	// The provider's tokens carry real times.
	w := begin(t, func(o *Options) { o.Clock = clock.Fake(time.Now()) })
	w.clock = w.o.Clock
	ctx := t.Context()
	cfg := office(t, p.issuer)
	cfg.OIDC[0].Prompt = "consent" // or it grants no refresh token
	w.employ(cfg)
	crew := map[string]employee{
		"anna": {Name: "Anna Nová", Groups: []string{"pult", "vedeni", "kuchyně"}}, "bert": {Name: "Bert Groß", Groups: []string{"pult"}},
		"cyril": {Name: "Cyril Malý", Groups: []string{"kuchyně"}}, "dana": {Name: "Dana Hbitá", Groups: []string{"it"}, AMR: []string{"pwd", "mfa"}},
	}
	p.people(crew)

	anna, err := p.come(w, "anna")
	w.must(err)
	me := w.who(anna.Token)
	if me == nil || me.Name != "Anna Nová" || me.Login != "anna" || !reflect.DeepEqual(me.Roles, []string{"dispatcher", "shift_leader"}) {
		t.Fatalf("signed in as %+v", me)
	}
	bert, err := p.come(w, "bert")
	w.must(err)
	_, err = p.come(w, "cyril")
	w.refused(err, problem.Forbidden, "identity.refused.no_role")
	_, err = p.come(w, "nobody")
	w.refused(err, problem.Unauthenticated, "identity.refused.provider")
	w.must(w.SetSecondRoles(ctx, w.chief, w.here.ID, []string{administrator}))
	if dana, err := p.come(w, "dana"); err != nil || dana.Stage != StageEnrol {
		// This provider does not say unasked how somebody signed in: not to be
		// guessed at.
		t.Errorf("an administrator without a second factor that we know of: %+v, %v", dana, err)
	}

	// What the browser brings back must be the answer to what it was sent with.
	for name, try := range map[string]func() error{
		"wrong nonce": func() error {
			cookie, u := w.flowOf("/")
			_, _, err := w.back(p.visit(u, "anna", func(q url.Values) { q.Set("nonce", "another") }), cookie)
			return err
		},
		"wrong state": func() error {
			cookie, u := w.flowOf("/")
			q := p.visit(u, "anna", nil)
			q.Set("state", "another")
			_, _, err := w.back(q, cookie)
			return err
		},
		"wrong issuer": func() error {
			cookie, u := w.flowOf("/")
			q := p.visit(u, "anna", nil)
			if q.Get("iss") != p.issuer {
				t.Errorf("the provider says it is %q", q.Get("iss"))
			}
			q.Set("iss", "https://evil.example")
			_, _, err := w.back(q, cookie)
			return err
		},
		"another's code": func() error { // PKCE: the code is bound to the browser that began
			_, u := w.flowOf("/")
			stolen := p.visit(u, "anna", nil)
			cookie, own := w.flowOf("/")
			q := own.Query()
			_, _, err := w.back(url.Values{"code": {stolen.Get("code")}, "state": {q.Get("state")}}, cookie)
			return err
		},
		"a code twice": func() error {
			cookie, u := w.flowOf("/")
			q := p.visit(u, "bert", nil)
			_, _, err := w.back(q, cookie)
			w.must(err)
			_, _, err = w.back(q, cookie)
			return err
		},
		"without PKCE": func() error {
			cookie, u := w.flowOf("/")
			q := p.visit(u, "anna", func(q url.Values) { q.Del("code_challenge"); q.Del("code_challenge_method") })
			_, _, err := w.back(q, cookie)
			return err
		},
	} {
		if err := try(); problem.KindOf(err) != problem.Unauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}

	// An hour of work, then Bert leaves and Anna changes her group.
	if m := w.hour(anna.Token, 61, bert.Token); m != 0 || w.who(bert.Token) == nil {
		t.Fatalf("Anna out after %d min, Bert is %+v", m, w.who(bert.Token))
	}
	delete(crew, "bert")
	crew["anna"] = employee{Name: "Anna Nováková", Groups: []string{"it"}}
	p.people(crew)
	if m := w.hour(bert.Token, 60, anna.Token); m == 0 {
		t.Fatal("the leaver is still in after an hour")
	}
	if me = w.who(anna.Token); me == nil || me.Name != "Anna Nováková" || !reflect.DeepEqual(me.Roles, []string{administrator}) {
		t.Errorf("with another group: %+v", me)
	}
	if n := w.leaves("identity.provider.refuse"); n < 1 {
		t.Errorf("%d leaves of the refusal", n)
	}

	// The provider is away: who is in stays, nobody new comes, the sealed account
	// opens and rings.
	login, password, err := w.CreateEmergency(ctx, w.here.ID)
	w.must(err)
	cookie, u := w.flowOf("/")
	answer := p.visit(u, "anna", nil)
	p.stop()
	if m := w.hour(anna.Token, 59); m != 0 {
		t.Errorf("out %d min after the provider went away", m)
	}
	_, _, err = w.back(answer, cookie)
	w.refused(err, problem.Unauthenticated, "identity.refused.provider") // too late by now
	cookie, u = w.flowOf("/")
	_, _, err = w.back(url.Values{"code": {"c"}, "state": {u.Query().Get("state")}}, cookie)
	w.refused(err, problem.Unavailable, "identity.refused.provider_away")
	in, err := w.SignIn(ctx, Credentials{Login: login, Password: password})
	w.must(err)
	if sealed := w.who(in.Token); sealed == nil || !reflect.DeepEqual(w.alarms, []string{sealed.ID}) {
		t.Errorf("the sealed account: %+v, alarms %v", sealed, w.alarms)
	}
}

// At a shared desk the browser may be signed in at the provider as the one before:
// the next one must not come in as him.
func TestIndependentProviderAtADesk(t *testing.T) {
	p := startProvider(t)
	w := begin(t, func(o *Options) { o.Clock = clock.Fake(time.Now()) })
	w.clock = w.o.Clock
	cfg := office(t, p.issuer)
	cfg.OIDC[0].Prompt = "consent"
	w.employ(cfg)
	p.people(map[string]employee{"anna": {Name: "Anna Nová", Groups: []string{"pult"}}, "bert": {Name: "Bert Groß", Groups: []string{"pult"}}})
	desk := &http.Cookie{Name: "__Host-desk", Value: w.desk("stůl 1")}
	var worked []*http.Cookie // what the desk's browser remembers
	come := func(jar http.CookieJar, person string, hint bool, cookies ...*http.Cookie) (SignedIn, error) {
		t.Helper()
		rec := httptest.NewRecorder()
		address, err := w.StartProvider(rec, request("/signin/oidc/office", cookies...), "office", person, "/queue")
		w.must(err)
		u, err := url.Parse(address)
		w.must(err)
		if q := u.Query(); hint != (q.Get("login_hint") != "") {
			t.Errorf("asked with the hint %q", q.Get("login_hint"))
		}
		in, _, err := w.back(p.browse(u, jar), append(rec.Result().Cookies(), cookies...)...)
		return in, err
	}
	// Both have worked here before.
	ids := map[string]string{}
	for _, login := range []string{"bert", "anna"} {
		in, err := p.come(w, login)
		w.must(err)
		ids[login] = in.Person
		rec := httptest.NewRecorder()
		w.WorksHere(rec, request("/", append(worked, desk)...), in.Person)
		worked = rec.Result().Cookies()
	}
	here, err := w.WorkedHere(request("/", append(worked, desk)...))
	w.must(err)
	if len(here) != 2 || here[0].Name != "Anna Nová" || here[1].Name != "Bert Groß" {
		t.Fatalf("the desk offers %+v", here)
	}
	known := append(worked, desk)
	jar := p.jar()
	anna, err := come(jar, ids["anna"], true, known...)
	w.must(err)
	if me := w.who(anna.Token); me == nil || me.Login != "anna" || !me.Desk {
		t.Fatalf("Anna comes as %+v", me)
	}
	// An ordinary browser is let in as the one the provider knows …
	in, err := come(jar, "", false)
	w.must(err)
	if in.Person != ids["anna"] {
		t.Fatalf("the provider's session is not used: the rest shows nothing")
	}
	// … the desk's one is not: Bert's button leads to Bert, in the same browser.
	bert, err := come(jar, ids["bert"], true, known...)
	w.must(err)
	if me := w.who(bert.Token); me == nil || me.Login != "bert" {
		t.Errorf("Bert comes as %+v", me)
	}
	// Nor is it for whoever the desk does not know: this provider then knows nobody.
	if _, err = come(jar, "", false, known...); problem.KindOf(err) != problem.Unauthenticated {
		t.Errorf("without a name the one before: %v", err)
	}
	if _, err = come(jar, w.chief.ID, false, known...); problem.KindOf(err) != problem.Unauthenticated {
		t.Errorf("with a name of somebody else: %v", err)
	}
	address, err := w.StartProvider(httptest.NewRecorder(), request("/", known...), "office", ids["bert"], "/")
	w.must(err)
	u, err := url.Parse(address)
	w.must(err)
	if q := u.Query(); q.Get("prompt") != "login consent" || q.Get("max_age") != "0" {
		t.Errorf("asked with %v", q)
	}
}

// Without a refresh token the userinfo endpoint is asked.
func TestIndependentProviderWithoutRefreshToken(t *testing.T) {
	p := startProvider(t)
	w := begin(t, func(o *Options) { o.Clock = clock.Fake(time.Now()) })
	w.clock = w.o.Clock
	w.employ(office(t, p.issuer))
	p.people(map[string]employee{"anna": {Name: "Anna Nová", Groups: []string{"pult"}}})
	in, err := p.come(w, "anna")
	w.must(err)
	if m := w.hour(in.Token, 61); m != 0 {
		t.Fatalf("out after %d min", m)
	}
	p.people(map[string]employee{})
	if m := w.hour(in.Token, 60); m == 0 {
		t.Error("the leaver is still in after an hour")
	}
}

// An ID token that is out of date by our clock is refused.
func TestIndependentProviderExpired(t *testing.T) {
	p := startProvider(t)
	w := begin(t, func(o *Options) { o.Clock = clock.Fake(time.Now().Add(3 * time.Hour)) })
	w.clock = w.o.Clock
	w.employ(office(t, p.issuer))
	p.people(map[string]employee{"anna": {Name: "Anna Nová", Groups: []string{"pult"}}})
	_, err := p.come(w, "anna")
	w.refused(err, problem.Unauthenticated, "identity.refused.provider")
}
