package exchange

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every mistake a configuration can have, with the place it is reported at.
func TestConfigFaults(t *testing.T) {
	secured := func(c *Config) {
		c.InsecureLoopback, c.TLS = false, TLSConfig{Cert: "c", Key: "k", ClientCA: "ca"}
		for i := range c.Peers {
			c.Peers[i].BaseURL = "https://peer.example" + p2pPath
		}
	}
	cases := []struct {
		key, path string
		change    func(*Config)
	}{
		{"oid", "[oid]", func(c *Config) { c.OID = "a.b" }},
		{"oid", "[oid]", func(c *Config) { c.OID = "" }},
		{"oid", "[accounts 0 oids 1]", func(c *Config) { c.Accounts[0].OIDs = []string{desk1, "x"} }},
		{"oid", "[peers 1 oid]", func(c *Config) { c.Peers[1].OID = "" }},
		{"listen", "[listen]", func(c *Config) { c.Listen = "127.0.0.1" }},
		{"insecure_address", "[listen]", func(c *Config) { c.Listen = "0.0.0.0:3001" }},
		{"insecure_address", "[listen]", func(c *Config) { c.Listen = ":3001" }},
		{"insecure_address", "[listen]", func(c *Config) { c.Listen = "node.example:3001" }},
		{"insecure_address", "[listen]", func(c *Config) { c.Listen = "127.0.0.1.example:3001" }},
		{"tls_missing", "[tls cert]", func(c *Config) { secured(c); c.TLS.Cert = "" }},
		{"tls_missing", "[tls key]", func(c *Config) { secured(c); c.TLS.Key = "" }},
		{"ca_missing", "[tls client_ca]", func(c *Config) { secured(c); c.TLS.ClientCA = "" }},
		{"token_secret", "[token_secret]", func(c *Config) { secured(c); c.TokenSecret = "s" }},
		{"username", "[accounts 1 username]", func(c *Config) { c.Accounts[1].Username = "" }},
		{"username", "[accounts 1 username]", func(c *Config) { c.Accounts[1].Username = "a:b" }},
		{"username", "[accounts 1 username]", func(c *Config) { c.Accounts[1].Username = "desk1" }},
		{"account_type", "[accounts 2 type]", func(c *Config) { c.Accounts[2].Type = "P2P" }},
		{"password", "[accounts 0 password]", func(c *Config) { c.Accounts[0].Password = "" }},
		{"password", "[accounts 0 password]", func(c *Config) {
			c.Accounts[0].PasswordHash = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"
		}},
		{"password_hash", "[accounts 0 password_hash]", func(c *Config) { c.Accounts[0].Password, c.Accounts[0].PasswordHash = "", "$2y$10$bcrypt" }},
		{"account_oids", "[accounts 1]", func(c *Config) { c.Accounts[1].OIDs = nil }},
		{"own_disclosure", "[accounts 2 own_disclosure]", func(c *Config) { c.Accounts[2].OwnDisclosure = "of a neighbour" }},
		{"ucri.rule.missing", "[participants 0]", func(c *Config) { c.Participants[0] = map[string]any{"id": desk1} }},
		{"ucri.rule.type", "[participants 0]", func(c *Config) { c.Participants[0] = "text" }},
		{"participant", "[participants 0]", func(c *Config) { c.Participants[0] = map[any]any{1: 2} }},
		{"twice", "[participants 1]", func(c *Config) { c.Participants[1] = record(desk1) }},
		{"twice", "[peers 1 oid]", func(c *Config) { c.Peers[1].OID = peerOID }},
		{"twice", "[peers 0 oid]", func(c *Config) { c.Peers[0].OID = nodeOID }},
		{"peer_id", "[peers 0 id]", func(c *Config) { c.Peers[0].ID = "" }},
		{"peer_id", "[peers 1 id]", func(c *Config) { c.Peers[1].ID = "far" }},
		{"base_url", "[peers 0 base_url]", func(c *Config) { c.Peers[0].BaseURL = "peer.example" }},
		{"base_url", "[peers 0 base_url]", func(c *Config) { c.Peers[0].BaseURL = "ftp://peer.example/" }},
		{"base_url", "[peers 0 base_url]", func(c *Config) { c.Peers[0].BaseURL = "" }},
		{"base_url_plain", "[peers 0 base_url]", func(c *Config) { c.Peers[0].BaseURL = "http://peer.example" + p2pPath }},
		{"base_url_plain", "[peers 0 base_url]", func(c *Config) { secured(c); c.Peers[0].BaseURL = "http://127.0.0.1:3003" + p2pPath }},
		{"limits", "[limits]", func(c *Config) { c.Limits.MessageBytes = -1 }},
		{"limits", "[limits]", func(c *Config) { c.Limits.MessagesPerSecond = -1 }},
		{"retention", "[retention]", func(c *Config) { c.Retention = time.Hour }},
		{"retention", "[retention]", func(c *Config) { c.Retention = -time.Hour }},
		{"translation_url", "[translation url]", func(c *Config) { c.Translation.URL = "http://translate.example" }},
		{"translation_url", "[translation url]", func(c *Config) { c.Translation.URL = "http://127.0.0.1.example" }},
		{"translation_url", "[translation url]", func(c *Config) { c.Translation.URL = "https://user:password@translate.example" }},
		{"translation_url", "[translation url]", func(c *Config) { c.Translation.URL = "https://translate.example/?api_key=x" }},
		{"translation_url", "[translation url]", func(c *Config) { c.Translation.URL = "file:///etc/passwd" }},
		{"translation_timeout", "[translation timeout]", func(c *Config) { c.Translation = Translation{URL: "https://translate.example", Timeout: time.Hour} }},
		{"translation_texts", "[translation texts 0]", func(c *Config) { c.Translation = Translation{URL: "http://localhost:5000", Texts: []string{"caller"}} }},
	}
	covered := map[string]bool{}
	for _, c := range cases {
		cfg := testConfig()
		c.change(&cfg)
		key := c.key
		if !strings.HasPrefix(key, "ucri.") {
			key = "exchange.config." + key
		}
		covered[key] = true
		faults := cfg.Validate()
		if !slices.ContainsFunc(faults, func(f Fault) bool { return f.Key == key && fmt.Sprint(f.Path) == c.path }) {
			t.Errorf("%s at %s: got %+v", c.key, c.path, faults)
		}
		if len(faults) > 1 {
			t.Errorf("%s at %s: one mistake, %d faults: %+v", c.key, c.path, len(faults), faults)
		}
	}
	raw, err := locales.ReadFile("locales/en.json")
	if err != nil {
		t.Fatal(err)
	}
	var texts map[string]any
	if err := json.Unmarshal(raw, &texts); err != nil {
		t.Fatal(err)
	}
	for key := range texts {
		if strings.HasPrefix(key, "exchange.config.") && !covered[key] {
			t.Errorf("%s has no case", key)
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	c := testConfig()
	c.Operator = ""
	if faults := c.Validate(); len(faults) > 0 {
		t.Fatalf("%+v", faults)
	}
	if c.Limits.MessagesPerSecond != 10_000 || c.Limits.MessageBytes != 1<<20 || c.Retention != 90*24*time.Hour || c.Operator == "" {
		t.Errorf("%+v", c)
	}
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0", "localhost:0", "127.3.2.1:0"} {
		c := testConfig()
		c.Listen = addr
		if faults := c.Validate(); len(faults) > 0 {
			t.Errorf("%s: %+v", addr, faults)
		}
	}
}

func TestSigningKey(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.json")
	if err := os.WriteFile(bad, []byte(`{"kty":"oct","k":"secret-material"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{
		"missing file": "none.json", "not RSA": "bad.json", "a number": 7, "half a key": map[string]any{"kty": "RSA", "n": "AQAB"},
	} {
		_, err := loadSigner(v, dir)
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "secret-material") {
			t.Errorf("%s: the error repeats the key: %v", name, err)
		}
	}
	for name, v := range map[string]any{"absent": nil, "empty text": "", "empty object": map[string]any{}} {
		if key, err := loadSigner(v, dir); key != nil || err != nil {
			t.Errorf("%s: %v, %v", name, key, err)
		}
	}
}
