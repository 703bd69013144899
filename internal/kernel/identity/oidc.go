package identity

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

const (
	// providerTimeout bounds one call of a provider.
	providerTimeout = 10 * time.Second
	// recheckAfter leaves two more tries before half an hour is over, so that a
	// leaver is out within the hour.
	recheckAfter = 20 * time.Minute
	// flowTime is how long a person may take at the provider.
	flowTime = 15 * time.Minute
	// maxSkew is how far the provider's clock may be behind ours.
	maxSkew = time.Minute
	// maxUserInfo bounds an answer of the userinfo endpoint in bytes.
	maxUserInfo    = 1 << 20
	flowCookieName = "oidc"
)

// provider is a configured provider; it is asked for its addresses when they
// are needed first, so that the node starts without it.
type provider struct {
	cfg    Provider
	secret string
	back   string // where it sends people back to
	client *http.Client

	mu    sync.Mutex
	found *oidc.Provider
}

func newProvider(c Provider, o Options) (*provider, error) {
	p := &provider{cfg: c, client: o.Client, back: strings.TrimSuffix(o.Config.URL, "/") + "/signin/oidc/" + c.ID + "/return"}
	if c.ClientSecretFile != "" {
		file := c.ClientSecretFile
		if !filepath.IsAbs(file) {
			file = filepath.Join(o.Dir, file)
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("identity: provider %s: %w", c.ID, err)
		}
		p.secret = strings.TrimSpace(string(raw))
	}
	return p, nil
}

func (p *provider) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, p.client)
}

// discover returns the provider's addresses and keys (spec: OpenID Connect
// Discovery 1.0).
func (p *provider) discover() (*oidc.Provider, *oauth2.Config, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == nil {
		// The context stays with the key set: the client has the timeout.
		found, err := oidc.NewProvider(p.context(context.Background()), p.cfg.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("identity: provider %s: %w", p.cfg.ID, err)
		}
		p.found = found
	}
	scopes := p.cfg.Scopes
	if len(scopes) == 0 {
		scopes = DefaultScopes
	}
	return p.found, &oauth2.Config{ClientID: p.cfg.ClientID, ClientSecret: p.secret, Endpoint: p.found.Endpoint(), RedirectURL: p.back,
		Scopes: append([]string{oidc.ScopeOpenID}, scopes...)}, nil
}

// Providers lists the configured providers in the order of the file.
func (d *Directory) Providers() []Provider { return d.o.Config.OIDC }

// maxNext bounds the page to come back to in bytes: it travels in a cookie.
const maxNext = 1000

// localPath returns next if it is a page of ours, and "/" otherwise: what comes in
// an address must not lead people elsewhere after they signed in.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || len(next) > maxNext || u.Scheme != "" || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(next, "/") ||
		strings.HasPrefix(next, "//") || strings.ContainsFunc(next, func(r rune) bool { return r == '\\' || unicode.IsControl(r) }) {
		return "/"
	}
	return next
}

// flow is what the browser brings back with the provider's answer, sealed.
type flow struct {
	Provider, State, Nonce, Verifier, Next string
	Expires                                time.Time
	Fresh                                  time.Time // the provider asks anew since then; zero: it need not
}

func away(op string, err error) error {
	return &problem.Error{Op: op, Kind: problem.Unavailable, Key: "identity.refused.provider_away", Err: err}
}

// prompted is what the provider is to ask for at a shared desk: who it is, since
// the browser may still be signed in there as the one before.
func prompted(configured string) string {
	if configured == "consent" {
		return "login consent"
	}
	return "login"
}

// hint is how the provider knows a person, "" if we do not know (spec: OpenID
// Connect Core 1.0, §3.1.2.1).
func hint(p *Person) string {
	if p.Login == madeUp(p.Provider, p.subject) {
		return ""
	}
	return p.Login
}

// madeUp is the sign-in name of somebody whose own ones are taken here.
func madeUp(provider, subject string) string {
	return provider + "-" + hex.EncodeToString(hashToken(subject)[:6])
}

// StartProvider returns the address to send the browser to (spec: OpenID Connect
// Core 1.0, §3.1 with PKCE, RFC 7636). person is the id of whom the desk expects,
// "" for anybody; next is the page to come back to.
func (d *Directory) StartProvider(w http.ResponseWriter, r *http.Request, id, person, next string) (string, error) {
	const op = "identity.StartProvider"
	p := d.providers[id]
	if p == nil {
		return "", notFound(op)
	}
	_, cfg, err := p.discover()
	if err != nil {
		return "", away(op, err)
	}
	now := d.o.Clock.Now()
	f := flow{Provider: id, State: newToken(), Nonce: newToken(), Verifier: oauth2.GenerateVerifier(), Next: localPath(next), Expires: now.Add(flowTime)}
	with := []oauth2.AuthCodeOption{oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)}
	desk, err := d.DeskOf(r)
	if err != nil {
		return "", err
	}
	prompt := p.cfg.Prompt
	if desk != nil {
		// With max_age the answer says when the person proved himself.
		prompt, f.Fresh = prompted(prompt), now
		with = append(with, oauth2.SetAuthURLParam("max_age", "0"))
		here, err := d.WorkedHere(r)
		if err != nil {
			return "", err
		}
		for _, who := range here {
			if h := hint(&who); who.ID == person && who.Provider == id && h != "" {
				with = append(with, oauth2.SetAuthURLParam("login_hint", h))
			}
		}
	}
	if prompt != "" {
		with = append(with, oauth2.SetAuthURLParam("prompt", prompt))
	}
	raw, err := json.Marshal(f)
	if err != nil {
		return "", problem.Wrap(op, err)
	}
	c := d.cookie(r, flowCookieName, hex.EncodeToString(d.seal.seal(raw, flowCookieName)))
	c.MaxAge = int(flowTime / time.Second)
	http.SetCookie(w, c)
	return cfg.AuthCodeURL(f.State, with...), nil
}

// maxCause bounds what a provider can write into the log.
const maxCause = 400

// refusedProvider is the answer when the provider does not vouch for somebody.
func refusedProvider(op string, err error) error {
	return &problem.Error{Op: op, Kind: problem.Unauthenticated, Key: "identity.refused.provider", Err: err}
}

// FinishProvider takes the provider's answer and begins a session; next is the
// page to go on to. Problems: Unauthenticated when the provider does not vouch
// for the person or none of his groups has a role here, Unavailable when it does
// not answer.
func (d *Directory) FinishProvider(w http.ResponseWriter, r *http.Request, id string) (in SignedIn, next string, err error) {
	const op = "identity.FinishProvider"
	p := d.providers[id]
	if p == nil {
		return in, "", notFound(op)
	}
	defer func() {
		if err != nil { // the person reads one general sentence, the administrator needs the cause
			d.o.Log.Warn("identity: no sign-in by a provider", "provider", id, "error", cut(err.Error(), maxCause))
		}
	}()
	var f flow
	sealed, err := hex.DecodeString(d.read(r, flowCookieName))
	if err != nil {
		return in, "", refusedProvider(op, err)
	}
	raw, err := d.seal.open(sealed, flowCookieName)
	if err != nil {
		return in, "", refusedProvider(op, err)
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return in, "", refusedProvider(op, err)
	}
	gone := d.cookie(r, flowCookieName, "")
	gone.MaxAge = -1
	http.SetCookie(w, gone)
	q := r.URL.Query()
	if f.Provider != id || d.o.Clock.Now().After(f.Expires) || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(f.State)) != 1 {
		return in, "", refusedProvider(op, errors.New("state does not match"))
	}
	if iss := q.Get("iss"); iss != "" && iss != p.cfg.Issuer { // spec: RFC 9207, §2.4
		return in, "", refusedProvider(op, fmt.Errorf("answer of %.60q", iss))
	}
	if e := q.Get("error"); e != "" {
		return in, "", refusedProvider(op, fmt.Errorf("provider says %.60q", e))
	}
	found, cfg, err := p.discover()
	if err != nil {
		return in, "", away(op, err)
	}
	ctx := p.context(r.Context())
	token, err := cfg.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(f.Verifier))
	if err != nil {
		if definitive(err) {
			return in, "", refusedProvider(op, err)
		}
		return in, "", away(op, err)
	}
	text, _ := token.Extra("id_token").(string)
	idToken, err := found.VerifierContext(ctx, &oidc.Config{ClientID: p.cfg.ClientID, Now: d.o.Clock.Now}).Verify(ctx, text)
	if err != nil {
		return in, "", refusedProvider(op, err)
	}
	if idToken.Subject == "" { // spec: OpenID Connect Core 1.0, §2
		return in, "", refusedProvider(op, errors.New("no subject"))
	}
	if subtle.ConstantTimeCompare([]byte(idToken.Nonce), []byte(f.Nonce)) != 1 {
		return in, "", refusedProvider(op, errors.New("nonce does not match"))
	}
	var claims claims
	if err := idToken.Claims(&claims); err != nil {
		return in, "", refusedProvider(op, err)
	}
	// Not every provider says it; one that does must not hand us the one before.
	if at, ok := claims["auth_time"].(float64); ok && !f.Fresh.IsZero() && time.Unix(int64(at), 0).Before(f.Fresh.Add(-maxSkew)) {
		return in, "", refusedProvider(op, errors.New("nobody was asked anew"))
	}
	if claims.at(p.cfg.Claim) == nil || claims.text("name") == "" {
		more, err := p.userInfo(ctx, found, token.AccessToken)
		switch {
		case errors.Is(err, errRefused):
			return in, "", refusedProvider(op, err)
		case err != nil:
			return in, "", away(op, err)
		case more != nil && more.text("sub") != idToken.Subject:
			return in, "", refusedProvider(op, errors.New("userinfo is of somebody else"))
		}
		for k, v := range more {
			if _, ok := claims[k]; !ok {
				claims[k] = v
			}
		}
	}
	roles := p.roles(claims)
	if len(roles) == 0 {
		return in, "", &problem.Error{Op: op, Kind: problem.Forbidden, Key: "identity.refused.no_role"}
	}
	tokens, err := json.Marshal(tokens{token.RefreshToken, token.AccessToken})
	if err != nil {
		return in, "", problem.Wrap(op, err)
	}
	newID, now, session := d.o.Clock.NewID(), d.o.Clock.Now(), d.o.Clock.NewID()
	err = d.o.DB.Write(r.Context(), func(tx *store.Tx) error {
		person, err := d.vouched(tx, p, claims, roles, newID, now)
		if err != nil {
			return err
		}
		s := &Session{ID: session, Method: "provider", checkedAt: now, refresh: d.seal.seal(tokens, "refresh/"+session)}
		if desk, err := optional(deskByToken(tx, d.DeskToken(r))); err != nil {
			return err
		} else if desk != nil && desk.Organisation == person.Organisation {
			s.desk = desk.ID
		}
		if !slices.Contains(claims.list("amr"), "mfa") { // spec: RFC 8176, §2
			if s.Stage, err = d.firstStage(tx, person, s); err != nil {
				return err
			}
		}
		if err := d.takeOver(tx, d.Token(r), person.ID, session); err != nil {
			return err
		}
		in, err = d.begin(tx, person, s)
		return err
	})
	return in, f.Next, problem.Wrap(op, err)
}

// tokens of a provider, kept sealed with the session.
type tokens struct {
	Refresh string `json:"r"`
	Access  string `json:"a"`
}

// vouched returns the person of the claims with his present roles, and makes him
// at his first sign-in.
func (d *Directory) vouched(tx *store.Tx, p *provider, c claims, roles []string, newID string, now time.Time) (*Person, error) {
	subject := c.text("sub")
	person, err := optional(personBySubject(tx, p.cfg.ID, subject))
	if err != nil {
		return nil, err
	}
	name := c.text("name")
	if name == "" {
		name = c.text("preferred_username")
	}
	name = cut(tidy(name), maxName)
	if person == nil {
		person = &Person{ID: newID, Organisation: p.cfg.Organisation, Name: name, SingleKeys: true, Roles: roles, Provider: p.cfg.ID, subject: subject, CreatedAt: now}
		// A local account keeps its login: it could be somebody else.
		for _, login := range []string{normalLogin(c.text("preferred_username")), normalLogin(c.text("email")), madeUp(p.cfg.ID, subject)} {
			taken, err := optional(personByLogin(tx, login))
			if err != nil {
				return nil, err
			}
			if taken == nil && loginForm.MatchString(login) {
				person.Login = login
				break
			}
		}
		if person.Name == "" {
			person.Name = person.Login
		}
		err := d.createPerson(tx, nil, person)
		if problem.KindOf(err) == problem.NotFound {
			err = fmt.Errorf("identity: provider %s: no organisation has the id %q", p.cfg.ID, p.cfg.Organisation)
		}
		return person, err
	}
	if !person.active() || person.Organisation != p.cfg.Organisation {
		return nil, refusedProvider("identity.vouched", errors.New("locked, deleted or of another organisation here"))
	}
	if name == "" {
		name = person.Name
	}
	if person.Name == name && slices.Equal(person.Roles, roles) {
		return person, nil
	}
	person.Name, person.Roles = name, roles
	if err := updatePerson(tx, person); err != nil {
		return nil, err
	}
	return person, d.changed(tx, nil, "identity.person.roles", person.ID, person)
}

func cut(s string, n int) string {
	if r := []rune(strings.TrimSpace(s)); len(r) > n {
		return string(r[:n])
	}
	return strings.TrimSpace(s)
}

// claims of an ID token or userinfo answer.
type claims map[string]any

func (c claims) text(name string) string {
	s, _ := c[name].(string)
	return s
}

// at follows a dotted path into objects; a claim whose name has dots of its own,
// as in an address, is found first.
func (c claims) at(path string) any {
	if v, ok := c[path]; ok {
		return v
	}
	head, rest, ok := strings.Cut(path, ".")
	if !ok {
		return nil
	}
	inner, _ := c[head].(map[string]any)
	return claims(inner).at(rest)
}

// list reads a claim that is a text or a list of texts.
func (c claims) list(path string) (all []string) {
	switch v := c.at(path).(type) {
	case string:
		all = append(all, v)
	case []any:
		for _, x := range v {
			if s, ok := x.(string); ok {
				all = append(all, s)
			}
		}
	}
	return all
}

// roles maps the groups of a person to roles, in their order.
func (p *provider) roles(c claims) (roles []string) {
	groups := c.list(p.cfg.Claim)
	for _, r := range Roles {
		if slices.ContainsFunc(groups, func(g string) bool { return p.cfg.Roles[g] == r }) {
			roles = append(roles, r)
		}
	}
	return roles
}

// errRefused says that the provider answered, and the answer is no.
var errRefused = errors.New("identity: the provider refuses")

// definitive tells a refusal of the person from a provider that is away, busy or
// does not know our client any more: only the first says anything of him (spec:
// RFC 6749, §5.2; OpenID Connect Core 1.0, §3.1.2.6).
func definitive(err error) bool {
	e, ok := errors.AsType[*oauth2.RetrieveError](err)
	return ok && slices.Contains([]string{"invalid_grant", "access_denied", "login_required", "interaction_required", "consent_required"}, e.ErrorCode)
}

// userInfo asks for the claims of an access token; nil without an endpoint.
// Signed answers are not read: no provider sends them unasked.
func (p *provider) userInfo(ctx context.Context, found *oidc.Provider, access string) (claims, error) {
	if found.UserInfoEndpoint() == "" || access == "" {
		return nil, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, found.UserInfoEndpoint(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+access)
	res, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden: // spec: RFC 6750, §3.1
		return nil, fmt.Errorf("%w: userinfo: %s", errRefused, res.Status)
	default:
		return nil, fmt.Errorf("identity: userinfo: %s", res.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxUserInfo))
	if err != nil {
		return nil, err
	}
	var c claims
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("identity: userinfo: %w", err)
	}
	return c, nil
}

// Recheck asks the providers again for every session not checked for
// recheckAfter. A refusal ends the session; roles follow the answer; a provider
// that does not answer changes nothing.
func (d *Directory) Recheck(ctx context.Context) error {
	var due []Session
	who := map[string]*Person{}
	before := d.o.Clock.Now().Add(-recheckAfter)
	err := d.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if due, err = sessions(tx, "", ""); err != nil {
			return err
		}
		due = slices.DeleteFunc(due, func(s Session) bool { return s.Method != "provider" || s.checkedAt.After(before) })
		for _, s := range due {
			if who[s.Person], err = personByID(tx, s.Person); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return problem.Wrap("identity.Recheck", err)
	}
	silent := map[string]bool{}
	var errs []error
	for _, s := range due {
		person := who[s.Person]
		if silent[person.Provider] {
			continue
		}
		p := d.providers[person.Provider]
		if p == nil { // taken out of the configuration
			errs = append(errs, d.expel(ctx, &s))
			continue
		}
		err := d.recheck(ctx, p, person, &s)
		switch {
		case errors.Is(err, errRefused):
			errs = append(errs, d.expel(ctx, &s))
		case err != nil:
			// One session with a strange answer must not keep the others unchecked; a
			// provider that cannot be reached is not waited for once a session.
			_, silent[person.Provider] = errors.AsType[*url.Error](err)
			d.o.Log.Warn("identity: provider does not answer, sessions stay", "provider", person.Provider, "error", err)
		}
	}
	return errors.Join(errs...)
}

func (d *Directory) expel(ctx context.Context, s *Session) error {
	return d.o.DB.Write(ctx, func(tx *store.Tx) error {
		if err := d.note(tx, audit.Event{Action: "identity.provider.refuse", Actor: "node", Object: s.Person}, nil); err != nil {
			return err
		}
		return d.end(tx, "node", s.ID)
	})
}

// recheck asks about one session: errRefused for a no, another error when there
// is no answer.
func (d *Directory) recheck(ctx context.Context, p *provider, person *Person, s *Session) error {
	raw, err := d.seal.open(s.refresh, "refresh/"+s.ID)
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	var t tokens
	if err := json.Unmarshal(raw, &t); err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	found, cfg, err := p.discover()
	if err != nil {
		return err
	}
	ctx = p.context(ctx)
	var answer claims
	if t.Refresh != "" {
		fresh, err := cfg.TokenSource(ctx, &oauth2.Token{RefreshToken: t.Refresh}).Token()
		if err != nil {
			if definitive(err) {
				return fmt.Errorf("%w: %w", errRefused, err)
			}
			return err
		}
		t = tokens{fresh.RefreshToken, fresh.AccessToken}
		// Kept before anything else can fail: the old one may be void by now.
		if err := d.keepTokens(ctx, s, t, time.Time{}); err != nil {
			return err
		}
		if text, _ := fresh.Extra("id_token").(string); text != "" {
			idToken, err := found.VerifierContext(ctx, &oidc.Config{ClientID: p.cfg.ClientID, Now: d.o.Clock.Now}).Verify(ctx, text)
			if err != nil {
				return err
			}
			if err := idToken.Claims(&answer); err != nil {
				return err
			}
		}
	}
	// Without a refresh token an access token that has run out cannot be told
	// from one taken away: the person signs in again.
	more, err := p.userInfo(ctx, found, t.Access)
	if err != nil {
		return err
	}
	for k, v := range more {
		if answer == nil {
			answer = claims{}
		}
		answer[k] = v
	}
	if answer == nil && t.Refresh == "" {
		return fmt.Errorf("%w: it cannot be asked again", errRefused)
	}
	if answer == nil {
		return d.keepTokens(ctx, s, t, d.o.Clock.Now()) // the refresh is the answer
	}
	if answer.text("sub") != person.subject {
		return fmt.Errorf("%w: another subject", errRefused)
	}
	roles := p.roles(answer)
	if len(roles) == 0 {
		return fmt.Errorf("%w: no role", errRefused)
	}
	if err := d.keepTokens(ctx, s, t, d.o.Clock.Now()); err != nil {
		return err
	}
	return d.o.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := d.vouched(tx, p, answer, roles, "", time.Time{})
		return err
	})
}

// keepTokens stores the tokens of a session, and when it was checked if not zero.
func (d *Directory) keepTokens(ctx context.Context, s *Session, t tokens, checked time.Time) error {
	raw, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if checked.IsZero() {
		checked = s.checkedAt
	}
	return d.o.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE identity_session SET refresh = $2, checked_at = $3 WHERE id = $1`, s.ID, d.seal.seal(raw, "refresh/"+s.ID), millis(checked))
		return err
	})
}
