package identity

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"trojmezi/internal/kernel/i18n"
)

// Config is how people sign in, under the key "sign_in".
type Config struct {
	// URL is the address of the pages as browsers see it, such as
	// https://node.example; needed for OIDC.
	URL string `yaml:"url" json:"url"`
	// Proxied says that a proxy ends TLS: browsers then talk TLS although we do
	// not. The program sets it, not the file.
	Proxied bool       `yaml:"-" json:"-"`
	OIDC    []Provider `yaml:"oidc" json:"oidc"`
}

// OverTLS reports whether browsers talk TLS to a proxy before the node.
func (c Config) OverTLS() bool {
	return strings.HasPrefix(c.URL, "https://") || c.URL == "" && c.Proxied
}

// Provider is an OpenID provider whose people may sign in.
type Provider struct {
	ID               string `yaml:"id" json:"id"`     // in addresses: /signin/oidc/ID
	Name             string `yaml:"name" json:"name"` // on the button
	Issuer           string `yaml:"issuer" json:"issuer"`
	ClientID         string `yaml:"client_id" json:"client_id"`
	ClientSecretFile string `yaml:"client_secret_file" json:"client_secret_file"` // "" for a public client
	// Scopes are asked for beside openid; none: DefaultScopes.
	Scopes []string `yaml:"scopes" json:"scopes"`
	// Prompt is what the provider is to ask for at every sign-in: "", "login",
	// "consent" or "select_account". Providers that keep to the letter grant
	// offline_access with "consent" only (spec: OpenID Connect Core 1.0, §11).
	Prompt string `yaml:"prompt" json:"prompt"`
	// Claim holds the groups, a dot leads into objects: realm_access.roles.
	Claim string            `yaml:"claim" json:"claim"`
	Roles map[string]string `yaml:"roles" json:"roles"` // value of the claim → role
	// Organisation is the id of the organisation its people belong to.
	Organisation string `yaml:"organisation" json:"organisation"`
}

// DefaultScopes bring the name, and a refresh token by which a leaver is noticed.
var DefaultScopes = []string{"profile", "offline_access"}

// Fault is a mistake in the configuration: where, and which text tells it.
type Fault struct {
	Path []any // keys and list indexes below "sign_in"
	Key  string
	Args i18n.Args
}

var providerForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Validate returns every mistake found in c and fills in defaults.
func (c *Config) Validate() []Fault {
	var faults []Fault
	add := func(key string, args i18n.Args, path ...any) { faults = append(faults, Fault{path, key, args}) }
	if c.URL != "" {
		if u, err := url.Parse(c.URL); err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || !safeScheme(u) {
			add("identity.config.url", i18n.Args{"value": c.URL}, "url")
		}
	} else if len(c.OIDC) > 0 {
		add("identity.config.url_missing", nil, "url")
	}
	seen := map[string]bool{}
	for i := range c.OIDC {
		p := &c.OIDC[i]
		if !providerForm.MatchString(p.ID) || seen[p.ID] {
			add("identity.config.provider_id", i18n.Args{"value": p.ID}, "oidc", i, "id")
		}
		seen[p.ID] = true
		if u, err := url.Parse(p.Issuer); err != nil || u.Host == "" || !safeScheme(u) {
			add("identity.config.issuer", i18n.Args{"value": p.Issuer}, "oidc", i, "issuer")
		}
		for _, f := range []struct{ key, value string }{
			{"name", p.Name}, {"client_id", p.ClientID}, {"claim", p.Claim}, {"organisation", p.Organisation},
		} {
			if f.value == "" {
				add("identity.config.missing", i18n.Args{"value": f.key}, "oidc", i, f.key)
			}
		}
		if len(p.Roles) == 0 {
			add("identity.config.missing", i18n.Args{"value": "roles"}, "oidc", i, "roles")
		}
		if !slices.Contains([]string{"", "login", "consent", "select_account"}, p.Prompt) {
			add("identity.config.prompt", i18n.Args{"value": p.Prompt}, "oidc", i, "prompt")
		}
		for value, role := range p.Roles {
			if !slices.Contains(Roles, role) {
				add("identity.config.role", i18n.Args{"value": role}, "oidc", i, "roles", value)
			}
		}
		if len(p.Scopes) == 0 {
			p.Scopes = DefaultScopes
		}
	}
	return faults
}

// safeScheme allows plain HTTP on the machine itself only.
func safeScheme(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}
