package signin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"trojmezi/internal/kernel/identity"
)

// TestProvider goes to a provider and comes back without proof. What a provider
// proves is package identity's part.
func TestProvider(t *testing.T) {
	var issuer *httptest.Server
	issuer = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/openid-configuration" {
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": issuer.URL, "authorization_endpoint": issuer.URL + "/authorize", "token_endpoint": issuer.URL + "/token",
			"jwks_uri": issuer.URL + "/keys", "response_types_supported": []string{"code"}, "id_token_signing_alg_values_supported": []string{"RS256"},
		})
	}))
	defer issuer.Close()
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	w := begin(t, func(o *identity.Options) {
		o.Config.URL = "http://localhost"
		for id, at := range map[string]string{"kraj": issuer.URL, "pryc": away.URL} {
			o.Config.OIDC = append(o.Config.OIDC, identity.Provider{ID: id, Name: "Kraj " + id, Issuer: at, ClientID: "node", Claim: "groups", Roles: map[string]string{"a": "dispatcher"}, Organisation: "x"})
		}
	})
	b := w.browser()
	b.get("/signin?next=/people").sees("Sign in with Kraj kraj", "signin.or")
	if !strings.Contains(b.body, `href="/signin/oidc/kraj?next=%2Fpeople"`) {
		t.Errorf("the button loses the page: %s", b.body)
	}
	res := b.send(httptest.NewRequest("GET", "/signin/oidc/kraj?next=%2Fpeople", nil))
	to, err := url.Parse(res.Header.Get("Location"))
	if err != nil || res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to.String(), issuer.URL+"/authorize?") {
		t.Fatalf("%d %s", res.StatusCode, res.Header.Get("Location"))
	}
	q := to.Query()
	if q.Get("redirect_uri") != "http://localhost/signin/oidc/kraj/return" || q.Get("code_challenge_method") != "S256" || q.Get("state") == "" {
		t.Errorf("sent with %v", q)
	}
	// The provider says no; a forged answer; no answer at all: the other ways stay.
	b.get("/signin/oidc/kraj/return?error=access_denied&state="+url.QueryEscape(q.Get("state"))).at("/signin/oidc/kraj/return", 422).sees("identity.refused.provider", "signin.login")
	b.get("/signin/oidc/kraj/return?code=x&state=forged").at("/signin/oidc/kraj/return", 422).sees("identity.refused.provider")
	b.get("/signin/oidc/pryc").at("/signin/oidc/pryc", 422).sees("identity.refused.provider_away")
	b.get("/signin/oidc/none").at("/signin/oidc/none", 404)
}
