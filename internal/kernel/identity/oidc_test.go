package identity

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/problem"
)

// office is the provider the tests configure, of an issuer.
func office(t testing.TB, issuer string) Config {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(clientSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return Config{URL: "https://node.example", OIDC: []Provider{{ID: "office", Name: "Úřad", Issuer: issuer, ClientID: "node", ClientSecretFile: file,
		Scopes: []string{"profile", "offline_access", "groups"}, Claim: "groups", Roles: map[string]string{"pult": "dispatcher", "vedeni": "shift_leader", "it": administrator}}}}
}

const clientSecret = "not-in-any-log"

// employ lets the people of an issuer sign in here. It runs after begin, since
// the organisation has to be there.
func (w *world) employ(c Config) {
	w.t.Helper()
	for i := range c.OIDC {
		c.OIDC[i].Organisation = w.here.ID
	}
	if f := c.Validate(); len(f) > 0 {
		w.t.Fatalf("configuration: %+v", f)
	}
	o := w.o
	o.Config, o.Client = c, nil
	d, err := New(o)
	w.must(err)
	w.Directory = d
}

// forger is an OpenID provider that says whatever a test makes of it.
type forger struct {
	*httptest.Server
	clock  *clock.Clock
	key    *rsa.PrivateKey
	nonce  string
	claims map[string]any                        // of the ID token
	forge  func(f *forger, c map[string]any) any // changes the claims; a string is the whole token
	info   map[string]any                        // of the userinfo endpoint; nil: there is none
	status int                                   // of the token and userinfo endpoints, if not 200
	code   string                                // of the error then
	tokens map[string]any                        // besides the ID token
	asked  int                                   // refreshes
}

func newForger(t *testing.T, w *world) *forger {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	f := &forger{clock: w.clock, key: key, tokens: map[string]any{"refresh_token": "r"}}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	f.claims = map[string]any{"iss": f.URL, "aud": "node", "sub": "42", "name": "Anna Nová", "preferred_username": "Anna.Nova", "groups": []string{"pult", "kuchyně"}}
	return f
}

func (f *forger) serve(w http.ResponseWriter, r *http.Request) {
	reply := func(v any) {
		w.Header().Set("Content-Type", "application/json")
		if f.status != 0 && (r.URL.Path == "/token" || r.URL.Path == "/info") {
			w.WriteHeader(f.status)
			v = map[string]string{"error": f.code}
		}
		_ = json.NewEncoder(w).Encode(v)
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		doc := map[string]any{"issuer": f.URL, "authorization_endpoint": f.URL + "/auth", "token_endpoint": f.URL + "/token", "jwks_uri": f.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"}}
		if f.info != nil {
			doc["userinfo_endpoint"] = f.URL + "/info"
		}
		reply(doc)
	case "/keys":
		reply(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: f.key.Public(), KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
	case "/info":
		reply(f.info)
	case "/token":
		if r.FormValue("grant_type") == "refresh_token" {
			f.asked++
		} else if r.FormValue("code_verifier") == "" {
			http.Error(w, "no PKCE", http.StatusBadRequest)
			return
		}
		c := map[string]any{"nonce": f.nonce, "iat": f.clock.Now().Unix(), "exp": f.clock.Now().Add(time.Hour).Unix()}
		for k, v := range f.claims {
			c[k] = v
		}
		var token any = c
		if f.forge != nil {
			token = f.forge(f, c)
		}
		if c, ok := token.(map[string]any); ok {
			token = signed(f.key, jose.RS256, c)
		}
		answer := map[string]any{"access_token": "a", "token_type": "Bearer", "expires_in": 3600, "id_token": token}
		for k, v := range f.tokens {
			answer[k] = v
		}
		reply(answer)
	default:
		http.NotFound(w, r)
	}
}

func signed(key any, alg jose.SignatureAlgorithm, c map[string]any) string {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "1"))
	if err != nil {
		panic(err)
	}
	text, err := jwt.Signed(s).Claims(c).Serialize()
	if err != nil {
		panic(err)
	}
	return text
}

// flowOf starts at the node and returns the cookie and the address of the provider.
func (w *world) flowOf(next string) (*http.Cookie, *url.URL) {
	w.t.Helper()
	rec := httptest.NewRecorder()
	address, err := w.StartProvider(rec, request("/signin/oidc/office"), "office", "", next)
	w.must(err)
	u, err := url.Parse(address)
	w.must(err)
	cookies := rec.Result().Cookies()
	if len(cookies) != 1 || cookies[0].Name != "__Host-oidc" || !cookies[0].HttpOnly || !cookies[0].Secure || cookies[0].SameSite != http.SameSiteLaxMode {
		w.t.Fatalf("cookies %+v", cookies)
	}
	return cookies[0], u
}

func (w *world) back(query url.Values, cookies ...*http.Cookie) (SignedIn, string, error) {
	return w.FinishProvider(httptest.NewRecorder(), request("/signin/oidc/office/return?"+query.Encode(), cookies...), "office")
}

// through signs in at the forger.
func (w *world) through(f *forger) (SignedIn, error) {
	w.t.Helper()
	cookie, u := w.flowOf("/queue?x=1")
	f.nonce = u.Query().Get("nonce")
	in, _, err := w.back(url.Values{"code": {"c"}, "state": {u.Query().Get("state")}}, cookie)
	return in, err
}

func TestProvider(t *testing.T) {
	w := begin(t)
	f := newForger(t, w)
	w.employ(office(t, f.URL))
	ctx := t.Context()
	cookie, u := w.flowOf("/queue?x=1")
	q := u.Query()
	if q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || q.Get("redirect_uri") != "https://node.example/signin/oidc/office/return" ||
		q.Get("scope") != "openid profile offline_access groups" || q.Get("response_type") != "code" || q.Has("prompt") {
		t.Fatalf("asked with %v", q)
	}
	f.nonce = q.Get("nonce")
	planted := w.enter("chief")
	in, next, err := w.back(url.Values{"code": {"c"}, "state": {q.Get("state")}, "iss": {f.URL}}, cookie, sessionCookie(planted.Token))
	w.must(err)
	me := w.who(in.Token)
	if next != "/queue?x=1" || me == nil || me.Name != "Anna Nová" || me.Login != "anna.nova" || !reflect.DeepEqual(me.Roles, []string{"dispatcher"}) || me.Organisation != w.here.ID {
		t.Fatalf("back to %q as %+v", next, me)
	}
	if w.who(planted.Token) != nil {
		t.Error("the session from before goes on beside it")
	}
	// A second time it is the same person, with the roles and the name of now.
	f.claims["groups"], f.claims["name"] = []string{"vedeni", "pult"}, "Anna\u202e Nováková"
	again, err := w.through(f)
	w.must(err)
	if p := w.who(again.Token); p.ID != me.ID || p.Name != "Anna Nováková" || !reflect.DeepEqual(p.Roles, []string{"dispatcher", "shift_leader"}) {
		t.Errorf("again: %+v", p)
	}
	for action, want := range map[string]int{"identity.person.create": 3, "identity.person.roles": 1, "identity.session.start": 3} {
		if n := w.leaves(action); n != want {
			t.Errorf("%d leaves of %s, want %d", n, action, want)
		}
	}
	// No local way in, and nothing about the account is changed here.
	_, err = w.SignIn(ctx, Credentials{Login: "anna.nova", Password: right})
	w.refused(err, problem.Unauthenticated, "identity.refused.signin")
	_, err = w.ResetPassword(ctx, w.chief, me.ID)
	w.refused(err, problem.Conflict, "identity.refused.password_elsewhere")
	w.refused(w.SetRoles(ctx, w.chief, me.ID, []string{administrator}), problem.Conflict, "identity.refused.roles_elsewhere")
	w.refused(w.SetPIN(ctx, me, "", "271828"), problem.Conflict, "identity.refused.password_elsewhere")
	w.refused(w.ChangePassword(ctx, me, "", right), problem.Conflict, "identity.refused.password_elsewhere")
	// Locked here is locked, whatever the provider says.
	w.must(w.Lock(ctx, w.chief, me.ID))
	_, err = w.through(f)
	w.refused(err, problem.Unauthenticated, "identity.refused.provider")
	_, _, err = w.FinishProvider(httptest.NewRecorder(), request("/"), "unknown")
	w.refused(err, problem.NotFound, "")
	_, err = w.StartProvider(httptest.NewRecorder(), request("/"), "unknown", "", "/")
	w.refused(err, problem.NotFound, "")
}

// At a desk a provider that says when it asked must have asked anew.
func TestProviderAsksAnewAtADesk(t *testing.T) {
	w := begin(t)
	f := newForger(t, w)
	w.employ(office(t, f.URL))
	desk := &http.Cookie{Name: "__Host-desk", Value: w.desk("stůl 1")}
	come := func(person string, cookies ...*http.Cookie) (SignedIn, url.Values, error) {
		t.Helper()
		rec := httptest.NewRecorder()
		address, err := w.StartProvider(rec, request("/signin/oidc/office", cookies...), "office", person, "/")
		w.must(err)
		u, err := url.Parse(address)
		w.must(err)
		f.nonce = u.Query().Get("nonce")
		in, _, err := w.back(url.Values{"code": {"c"}, "state": {u.Query().Get("state")}}, append(rec.Result().Cookies(), cookies...)...)
		return in, u.Query(), err
	}
	for _, tt := range []struct {
		name     string
		asked    time.Duration // before now
		cookies  []*http.Cookie
		prompt   string
		admitted bool
	}{
		{"just now", 0, []*http.Cookie{desk}, "login", true},
		{"by a clock behind ours", maxSkew, []*http.Cookie{desk}, "login", true},
		{"an hour ago", time.Hour, []*http.Cookie{desk}, "login", false},
		{"an hour ago, in an ordinary browser", time.Hour, nil, "", true},
	} {
		f.claims["auth_time"] = w.clock.Now().Add(-tt.asked).Unix()
		in, q, err := come("", tt.cookies...)
		if q.Get("prompt") != tt.prompt || q.Has("max_age") != (tt.cookies != nil) {
			t.Errorf("%s: asked with %v", tt.name, q)
		}
		if !tt.admitted {
			w.refused(err, problem.Unauthenticated, "identity.refused.provider")
		} else if w.must(err); w.who(in.Token) == nil {
			t.Errorf("%s: not in", tt.name)
		}
	}
	delete(f.claims, "auth_time")
	in, _, err := come("", desk)
	w.must(err) // one that does not say it is believed

	// The provider is told the name it knows, not one that was made up here.
	f.claims["sub"], f.claims["preferred_username"] = "43", "chief"
	other, _, err := come("", desk)
	w.must(err)
	first, second := httptest.NewRecorder(), httptest.NewRecorder()
	w.WorksHere(first, request("/", desk), in.Person)
	w.WorksHere(second, request("/", desk, first.Result().Cookies()[0]), other.Person)
	worked := second.Result().Cookies()[0]
	for person, want := range map[string]string{in.Person: "anna.nova", other.Person: "", w.chief.ID: "", "unknown": ""} {
		if _, q, _ := come(person, desk, worked); q.Get("login_hint") != want {
			t.Errorf("hint %q, want %q", q.Get("login_hint"), want)
		}
	}
	if _, q, _ := come(in.Person, worked); q.Has("login_hint") {
		t.Error("a browser that is no desk learns a name")
	}
}

// A claim registers nobody without a role, and takes no account over.
func TestProviderRegistersOnlyGroups(t *testing.T) {
	w := begin(t)
	f := newForger(t, w)
	w.employ(office(t, f.URL))
	for _, groups := range []any{nil, []string{}, "", []string{"kuchyně", "dispatcher", "administrator"}, map[string]any{"pult": true}, 7, true} {
		f.claims["groups"] = groups
		_, err := w.through(f)
		w.refused(err, problem.Forbidden, "identity.refused.no_role")
	}
	if all, err := w.ListPeople(t.Context(), Filter{}); err != nil || len(all) != 2 {
		t.Fatalf("%d people, %v", len(all), err)
	}
	// The local administrator's name, claimed by somebody at the provider.
	f.claims["groups"], f.claims["preferred_username"], f.claims["email"] = "pult", "chief", "FREMD"
	in, err := w.through(f)
	w.must(err)
	me := w.who(in.Token)
	if me.ID == w.chief.ID || !strings.HasPrefix(me.Login, "office-") || !reflect.DeepEqual(me.Roles, []string{"dispatcher"}) {
		t.Errorf("became %+v", me)
	}
	// People of an organisation that the provider no longer stands for stay out.
	c := office(t, f.URL)
	c.OIDC[0].Organisation = w.there.ID
	o := w.o
	o.Config = c
	there, err := New(o)
	w.must(err)
	here := w.Directory
	w.Directory = there
	_, err = w.through(f)
	w.refused(err, problem.Unauthenticated, "identity.refused.provider")
	f.claims["sub"] = "44"
	if in, err = w.through(f); err != nil || w.who(in.Token).Organisation != w.there.ID {
		t.Errorf("somebody new: %+v, %v", in, err)
	}
	there.providers["office"].cfg.Organisation, f.claims["sub"] = "unknown", "45"
	if _, err = w.through(f); problem.KindOf(err) != problem.Internal {
		t.Errorf("of an unknown organisation: %v", err)
	}
	w.Directory = here
	// Without a subject there is nobody.
	f.claims["sub"] = ""
	_, err = w.through(f)
	w.refused(err, problem.Unauthenticated, "identity.refused.provider")
}

func TestProviderIsNotBelieved(t *testing.T) {
	w := begin(t)
	f := newForger(t, w)
	w.employ(office(t, f.URL))
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	w.must(err)
	with := func(key string, v any) func(*forger, map[string]any) any {
		return func(_ *forger, c map[string]any) any { c[key] = v; return c }
	}
	for name, forge := range map[string]func(*forger, map[string]any) any{
		"wrong nonce":       with("nonce", "another"),
		"no nonce":          with("nonce", ""),
		"wrong issuer":      with("iss", "https://evil.example"),
		"for somebody else": with("aud", "other"),
		"expired":           with("exp", w.clock.Now().Add(-time.Minute).Unix()),
		"no token":          func(*forger, map[string]any) any { return "" },
		"rubbish":           func(*forger, map[string]any) any { return "a.b.c" },
		"of another key":    func(_ *forger, c map[string]any) any { return signed(other, jose.RS256, c) },
		"by the secret": func(_ *forger, c map[string]any) any {
			return signed([]byte(clientSecret+strings.Repeat(" ", 32)), jose.HS256, c)
		},
		"without signature":   func(_ *forger, c map[string]any) any { return unsigned(c) },
		"valid in the future": with("nbf", w.clock.Now().Add(time.Hour).Unix()),
	} {
		t.Run(name, func(t *testing.T) {
			f.forge = forge
			if _, err := w.through(f); problem.KindOf(err) != problem.Unauthenticated {
				t.Errorf("answer: %v", err)
			}
		})
	}
	f.forge = nil
	cookie, u := w.flowOf("/")
	f.nonce = u.Query().Get("nonce")
	state := u.Query().Get("state")
	_, foreign := w.flowOf("/")
	stale := func() { w.clock.Advance(flowTime + time.Second) }
	for name, try := range map[string]struct {
		query   url.Values
		cookies []*http.Cookie
	}{
		"no state":                 {url.Values{"code": {"c"}}, []*http.Cookie{cookie}},
		"state of another browser": {url.Values{"code": {"c"}, "state": {foreign.Query().Get("state")}}, []*http.Cookie{cookie}},
		"no cookie":                {url.Values{"code": {"c"}, "state": {state}}, nil},
		"cookie made up":           {url.Values{"code": {"c"}, "state": {state}}, []*http.Cookie{{Name: "__Host-oidc", Value: "00ff"}}},
		"cookie changed":           {url.Values{"code": {"c"}, "state": {state}}, []*http.Cookie{{Name: "__Host-oidc", Value: "00" + cookie.Value[2:]}}},
		"answer of another issuer": {url.Values{"code": {"c"}, "state": {state}, "iss": {"https://evil.example"}}, []*http.Cookie{cookie}},
		"refused by the person":    {url.Values{"error": {"access_denied"}, "state": {state}}, []*http.Cookie{cookie}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := w.back(try.query, try.cookies...)
			w.refused(err, problem.Unauthenticated, "identity.refused.provider")
		})
	}
	stale()
	_, _, err = w.back(url.Values{"code": {"c"}, "state": {state}}, cookie)
	w.refused(err, problem.Unauthenticated, "identity.refused.provider")
	if all, err := w.ListPeople(t.Context(), Filter{}); err != nil || len(all) != 2 {
		t.Errorf("%d people, %v", len(all), err)
	}
}

func unsigned(c map[string]any) string {
	raw, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return b64([]byte(`{"alg":"none","kid":"1"}`)) + "." + b64(raw) + "."
}

func TestProviderAnswersThatAreNoAnswer(t *testing.T) {
	w := begin(t)
	f := newForger(t, w)
	w.employ(office(t, f.URL))
	w.flowOf("/") // asks for the addresses while all is well
	for status, want := range map[string]problem.Kind{
		"invalid_grant": problem.Unauthenticated, "invalid_client": problem.Unavailable, "server_error": problem.Unavailable, "": problem.Unavailable,
	} {
		f.status, f.code = http.StatusBadRequest, status
		if _, err := w.through(f); problem.KindOf(err) != want {
			t.Errorf("%q: %v", status, err)
		}
	}
	f.status = 0
	f.Close()
	_, err := w.through(f)
	w.refused(err, problem.Unavailable, "identity.refused.provider_away")
	w.employ(office(t, f.URL)) // started while the provider is away
	_, err = w.StartProvider(httptest.NewRecorder(), request("/"), "office", "", "/")
	w.refused(err, problem.Unavailable, "identity.refused.provider_away")
}

// hour lets time pass by minutes as Run does, while the session and the others are
// in use, and returns after how many minutes it was over; 0: it never was.
func (w *world) hour(token string, minutes int, others ...string) int {
	w.t.Helper()
	for m := 1; m <= minutes; m++ {
		w.clock.Advance(time.Minute)
		w.must(w.Recheck(w.t.Context()))
		if w.who(token) == nil {
			return m
		}
		for _, o := range others {
			w.who(o)
		}
		w.settle()
	}
	return 0
}

func TestRecheck(t *testing.T) {
	w := begin(t)
	f := newForger(t, w)
	w.employ(office(t, f.URL))
	in, err := w.through(f)
	w.must(err)
	if m := w.hour(in.Token, 90); m != 0 || f.asked < 3 || f.asked > 5 {
		t.Fatalf("out after %d min, asked %d times", m, f.asked)
	}
	// Another group counts at the next question; no group is the end.
	f.claims["groups"] = "it"
	if m := w.hour(in.Token, 21); m != 0 || !reflect.DeepEqual(w.who(in.Token).Roles, []string{administrator}) {
		t.Errorf("after another group: %d, %+v", m, w.who(in.Token))
	}
	f.claims["groups"] = nil
	if m := w.hour(in.Token, 60); m == 0 || m > 25 {
		t.Errorf("without a group: %d", m)
	}
	f.claims["groups"] = "it"
	for name, change := range map[string]func(){
		"left":             func() { f.status, f.code = http.StatusBadRequest, "invalid_grant" },
		"somebody else":    func() { f.claims["sub"] = "43" },
		"locked here then": func() {},
	} {
		in, err := w.through(f)
		w.must(err)
		me := w.who(in.Token)
		change()
		if name == "locked here then" {
			w.must(w.Lock(t.Context(), w.chief, me.ID))
		}
		if m := w.hour(in.Token, 60); m == 0 || m > 25 {
			t.Errorf("%s: out after %d min", name, m)
		}
		if name == "locked here then" {
			w.must(w.Unlock(t.Context(), w.chief, me.ID))
		}
		f.status, f.claims["sub"] = 0, "42"
	}
	if n := w.leaves("identity.provider.refuse"); n != 3 {
		t.Errorf("%d leaves of refusals", n)
	}
	// Does not answer, or does not know us any more: who is in stays.
	in, err = w.through(f)
	w.must(err)
	for _, code := range []string{"server_error", "invalid_client", "temporarily_unavailable"} {
		f.status, f.code = http.StatusServiceUnavailable, code
		if m := w.hour(in.Token, 25); m != 0 {
			t.Errorf("%s: out after %d min", code, m)
		}
	}
	f.status = 0
	// Taken out of the configuration: nobody vouches for him.
	w.employ(Config{})
	if m := w.hour(in.Token, 25); m == 0 {
		t.Error("stays without his provider")
	}
}

// One session with a strange answer must not keep a leaver in.
func TestRecheckGoesOnAfterAStrangeAnswer(t *testing.T) {
	w := begin(t)
	f := newForger(t, w)
	w.employ(office(t, f.URL))
	leaver, err := w.through(f)
	w.must(err)
	f.claims["sub"], f.claims["preferred_username"] = "43", "bert"
	f.tokens["refresh_token"] = "strange"
	strange, err := w.through(f)
	w.must(err)
	answers := map[string]string{"r": "invalid_grant", "strange": "server_error"}
	w.providers["office"].client = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path != "/token" {
			return http.DefaultTransport.RoundTrip(r)
		}
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		q, err := url.ParseQuery(string(raw))
		if err != nil {
			return nil, err
		}
		body := `{"error":"` + answers[q.Get("refresh_token")] + `"}`
		return &http.Response{StatusCode: 400, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	})}
	w.clock.Advance(recheckAfter)
	if w.who(strange.Token) == nil || w.who(leaver.Token) == nil {
		t.Fatal("not signed in")
	}
	w.clock.Advance(time.Minute)
	w.who(strange.Token) // the last one used is asked about first
	w.settle()
	w.must(w.Recheck(t.Context()))
	if w.who(leaver.Token) != nil {
		t.Error("the leaver stays")
	}
	if w.who(strange.Token) == nil {
		t.Error("the strange answer counts as a no")
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A provider that gives nothing to ask again with vouches for a moment only.
func TestRecheckWithoutRefreshToken(t *testing.T) {
	w := begin(t)
	f := newForger(t, w)
	delete(f.tokens, "refresh_token")
	w.employ(office(t, f.URL))
	in, err := w.through(f)
	w.must(err)
	if m := w.hour(in.Token, 60); m == 0 || m > 25 {
		t.Errorf("without anything to ask with: out after %d min", m)
	}
	f.info = map[string]any{"sub": "42", "groups": "pult"}
	w.employ(office(t, f.URL)) // which has a userinfo endpoint now
	in, err = w.through(f)
	w.must(err)
	if m := w.hour(in.Token, 60); m != 0 {
		t.Errorf("with userinfo: out after %d min", m)
	}
	f.status, f.code = http.StatusUnauthorized, "invalid_token"
	if m := w.hour(in.Token, 25); m == 0 {
		t.Error("userinfo says no, and he stays")
	}
}

// Userinfo of somebody else lends nobody his groups.
func TestUserInfoIsOfTheSamePerson(t *testing.T) {
	w := begin(t)
	f := newForger(t, w)
	f.info = map[string]any{"sub": "43", "groups": "it"}
	delete(f.claims, "groups")
	w.employ(office(t, f.URL))
	_, err := w.through(f)
	w.refused(err, problem.Unauthenticated, "identity.refused.provider")
	f.info["sub"] = "42"
	in, err := w.through(f)
	w.must(err)
	if me := w.who(in.Token); !reflect.DeepEqual(me.Roles, []string{administrator}) {
		t.Errorf("%+v", me)
	}
}

// A provider's second factor counts, its silence does not.
func TestProviderAndSecondFactor(t *testing.T) {
	w := begin(t)
	f := newForger(t, w)
	w.employ(office(t, f.URL))
	w.must(w.SetSecondRoles(context.Background(), w.chief, w.here.ID, []string{"dispatcher"}))
	in, err := w.through(f)
	w.must(err)
	if in.Stage != StageEnrol || w.who(in.Token) != nil {
		t.Errorf("without a second factor: %+v", in)
	}
	f.claims["amr"] = []string{"pwd", "otp", "mfa"}
	if in, err = w.through(f); err != nil || in.Stage != StageDone {
		t.Errorf("with the provider's: %+v, %v", in, err)
	}
}

func TestClaims(t *testing.T) {
	c := claims{"groups": []any{"a", 7, "b"}, "one": "x", "realm_access": map[string]any{"roles": []any{"r"}}, "https://example.org/roles": []any{"d"}, "n": 5}
	for path, want := range map[string][]string{
		"groups": {"a", "b"}, "one": {"x"}, "realm_access.roles": {"r"}, "https://example.org/roles": {"d"}, "n": nil, "none": nil, "one.more": nil, "realm_access.x": nil, "": nil,
	} {
		if got := c.list(path); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, want %v", path, got, want)
		}
	}
}

func TestLocalPath(t *testing.T) {
	for _, next := range []string{"/", "/queue?x=1&y=/z#a", "/inc/5", "/%2F%2Fevil.example"} {
		if got := localPath(next); got != next {
			t.Errorf("%q became %q", next, got)
		}
	}
	for _, next := range []string{"", "//evil.example", "https://evil.example/", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "evil.example",
		"/\t/evil.example", "/\r\nSet-Cookie: x", "///evil.example", "/x\\..", "/" + strings.Repeat("a", maxNext)} {
		if got := localPath(next); got != "/" {
			t.Errorf("%q became %q", next, got)
		}
	}
	w := begin(t)
	f := newForger(t, w)
	w.employ(office(t, f.URL))
	for _, next := range []string{"//evil.example", "/" + strings.Repeat("a", maxNext-1)} {
		cookie, u := w.flowOf(next)
		if len(cookie.Value) > 4000 { // browsers drop larger ones (spec: RFC 6265bis, §5.6)
			t.Errorf("a cookie of %d bytes", len(cookie.Value))
		}
		f.nonce = u.Query().Get("nonce")
		_, got, err := w.back(url.Values{"code": {"c"}, "state": {u.Query().Get("state")}}, cookie)
		w.must(err)
		if got != localPath(next) {
			t.Errorf("back to %q", got)
		}
	}
}

func TestConfig(t *testing.T) {
	good := func() Config { return office(t, "https://login.example/realms/x") }
	for key, change := range map[string]func(*Config){
		"url":         func(c *Config) { c.URL = "http://node.example" },
		"url_missing": func(c *Config) { c.URL = "" },
		"provider_id": func(c *Config) { c.OIDC[0].ID = "a/b" },
		"issuer":      func(c *Config) { c.OIDC[0].Issuer = "http://login.example" },
		"missing":     func(c *Config) { c.OIDC[0].Claim = "" },
		"role":        func(c *Config) { c.OIDC[0].Roles["x"] = "king" },
		"prompt":      func(c *Config) { c.OIDC[0].Prompt = "none" },
	} {
		c := good()
		c.OIDC[0].Organisation = "o"
		change(&c)
		if f := c.Validate(); len(f) != 1 || f[0].Key != "identity.config."+key || len(f[0].Path) == 0 {
			t.Errorf("%s: %+v", key, f)
		}
	}
	c := good()
	c.OIDC[0].Organisation, c.OIDC[0].Scopes = "o", nil
	if f := c.Validate(); len(f) != 0 || !reflect.DeepEqual(c.OIDC[0].Scopes, DefaultScopes) {
		t.Errorf("a good one: %+v, scopes %v", f, c.OIDC[0].Scopes)
	}
	if f := (&Config{URL: "http://127.0.0.1:8080/"}).Validate(); len(f) != 0 {
		t.Errorf("on the machine itself: %+v", f)
	}
}
