package exchange

import (
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
)

// Config is the node's configuration under the key "exchange".
type Config struct {
	OID              string        `yaml:"oid" json:"oid"`
	Listen           string        `yaml:"listen" json:"listen"`
	InsecureLoopback bool          `yaml:"insecure_loopback" json:"insecure_loopback"`
	TLS              TLSConfig     `yaml:"tls" json:"tls"`
	SigningKey       any           `yaml:"signing_key" json:"signing_key"` // RSA private JWK, or the path of one
	TokenSecret      string        `yaml:"token_secret" json:"token_secret"`
	Accounts         []Account     `yaml:"accounts" json:"accounts"`
	Participants     []any         `yaml:"participants" json:"participants"`
	Peers            []Peer        `yaml:"peers" json:"peers"`
	Limits           Limits        `yaml:"limits" json:"limits"`
	StrictSpec       bool          `yaml:"strict_spec" json:"strict_spec"`
	Operator         string        `yaml:"operator" json:"operator"`
	Retention        time.Duration `yaml:"retention" json:"retention"`
	Translation      Translation   `yaml:"translation" json:"translation"`
}

// Translation is a server that speaks the API of LibreTranslate. Without an address
// nothing is sent anywhere.
type Translation struct {
	URL     string        `yaml:"url" json:"url"`
	KeyFile string        `yaml:"key_file" json:"key_file"`
	Timeout time.Duration `yaml:"timeout" json:"timeout"`
	Texts   []string      `yaml:"texts" json:"texts"` // which may be sent: "notification", "issue"
}

// Bounds of how long a person waits for a translation.
const (
	defaultTranslation = 10 * time.Second
	longestTranslation = 30 * time.Second
)

// faults finds what is wrong and fills in defaults. Free text may name people: it
// leaves this machine encrypted or not at all.
func (t *Translation) faults() (faults []Fault) {
	add := func(key string, args i18n.Args, path ...any) {
		faults = append(faults, Fault{append([]any{"translation"}, path...), key, args})
	}
	if t.URL == "" {
		return nil
	}
	u, err := url.Parse(t.URL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		add("exchange.config.translation_url", i18n.Args{"value": t.URL}, "url")
	}
	if t.Timeout == 0 {
		t.Timeout = defaultTranslation
	}
	if t.Timeout < time.Second || t.Timeout > longestTranslation {
		add("exchange.config.translation_timeout", i18n.Args{"max": longestTranslation}, "timeout")
	}
	if t.Texts == nil {
		t.Texts = []string{"notification", "issue"}
	}
	for i, x := range t.Texts {
		if x != "notification" && x != "issue" {
			add("exchange.config.translation_texts", i18n.Args{"value": x}, "texts", i)
		}
	}
	return faults
}

// TLSConfig names PEM files.
type TLSConfig struct {
	Cert     string `yaml:"cert" json:"cert"`
	Key      string `yaml:"key" json:"key"`
	ClientCA string `yaml:"client_ca" json:"client_ca"`
}

// Account is a dispatch system ("client") or a neighbour's node ("p2p") that may sign in.
type Account struct {
	Username     string   `yaml:"username" json:"username"`
	Password     string   `yaml:"password" json:"password"`
	PasswordHash string   `yaml:"password_hash" json:"password_hash"`
	Type         string   `yaml:"type" json:"type"`
	OIDs         []string `yaml:"oids" json:"oids"`
	// OwnDisclosure names the agreement by which this dispatch system judges by itself
	// what neighbours are told; "": the rules of the node do.
	OwnDisclosure string `yaml:"own_disclosure" json:"own_disclosure"`
}

// Peer is a neighbour's node.
type Peer struct {
	ID        string `yaml:"id" json:"id"`
	OID       string `yaml:"oid" json:"oid"`
	BaseURL   string `yaml:"base_url" json:"base_url"`
	Username  string `yaml:"username" json:"username"`
	Password  string `yaml:"password" json:"password"`
	DeskPhone string `yaml:"desk_phone" json:"desk_phone"`
}

// Limits bounds what one account or peer may ask of the node.
type Limits struct {
	MessagesPerSecond int `yaml:"messages_per_second" json:"messages_per_second"`
	MessageBytes      int `yaml:"message_bytes" json:"message_bytes"`
}

// Defaults.
const (
	// DefaultMessagesPerSecond is far above any control room's load (the Czech
	// national bus carries 5 a second) and below what would starve the others.
	DefaultMessagesPerSecond = 10_000
	// DefaultMessageBytes holds an incident with hundreds of remarks.
	DefaultMessageBytes = 1 << 20
	// DefaultRetention is how long envelopes stay readable after their end.
	DefaultRetention = 90 * 24 * time.Hour
)

// longestAgreement is how long the name of an agreement may be: it stands on a page.
const longestAgreement = 200

// Account types.
const (
	accountClient = "client"
	accountP2P    = "p2p"
)

// Fault is a mistake in the configuration: where, and which text tells it.
type Fault struct {
	Path []any // keys and list indexes below "exchange"
	Key  string
	Args i18n.Args
}

// Validate returns every mistake found in c and fills in defaults.
func (c *Config) Validate() []Fault {
	var faults []Fault
	add := func(key string, args i18n.Args, path ...any) { faults = append(faults, Fault{path, key, args}) }
	if !ucri.ValidOID(c.OID) {
		add("exchange.config.oid", i18n.Args{"value": c.OID}, "oid")
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		add("exchange.config.listen", i18n.Args{"value": c.Listen}, "listen")
	}
	if c.InsecureLoopback {
		if err == nil && !isLoopback(host) {
			add("exchange.config.insecure_address", i18n.Args{"value": c.Listen}, "listen")
		}
	} else {
		if c.TLS.Cert == "" {
			add("exchange.config.tls_missing", nil, "tls", "cert")
		}
		if c.TLS.Key == "" {
			add("exchange.config.tls_missing", nil, "tls", "key")
		}
		if len(c.Peers) > 0 && c.TLS.ClientCA == "" {
			add("exchange.config.ca_missing", nil, "tls", "client_ca")
		}
	}
	if c.TokenSecret != "" && !c.InsecureLoopback {
		add("exchange.config.token_secret", nil, "token_secret")
	}
	seen := map[string]bool{}
	for i, a := range c.Accounts {
		if a.Username == "" || strings.Contains(a.Username, ":") || seen[a.Username] {
			add("exchange.config.username", i18n.Args{"value": a.Username}, "accounts", i, "username")
		}
		seen[a.Username] = true
		if a.Type != accountClient && a.Type != accountP2P {
			add("exchange.config.account_type", i18n.Args{"value": a.Type}, "accounts", i, "type")
		}
		if (a.Password == "") == (a.PasswordHash == "") {
			add("exchange.config.password", i18n.Args{"value": a.Username}, "accounts", i, "password")
		}
		if a.PasswordHash != "" && identity.CheckHash(a.PasswordHash) != nil {
			add("exchange.config.password_hash", i18n.Args{"value": a.Username}, "accounts", i, "password_hash")
		}
		if a.Type == accountClient && len(a.OIDs) == 0 {
			add("exchange.config.account_oids", i18n.Args{"value": a.Username}, "accounts", i)
		}
		own := strings.TrimSpace(a.OwnDisclosure)
		if c.Accounts[i].OwnDisclosure = own; a.OwnDisclosure != "" && (a.Type != accountClient || own == "" || utf8.RuneCountInString(own) > longestAgreement) {
			add("exchange.config.own_disclosure", i18n.Args{"max": longestAgreement}, "accounts", i, "own_disclosure")
		}
		for j, o := range a.OIDs {
			if !ucri.ValidOID(o) {
				add("exchange.config.oid", i18n.Args{"value": o}, "accounts", i, "oids", j)
			}
		}
	}
	ids := map[string]bool{}
	for i, p := range c.Participants {
		rec, err := parseParticipant(p)
		if bad, ok := errors.AsType[*ucri.Error](err); ok {
			add(bad.Key, bad.Args, "participants", i)
			continue
		}
		if err != nil {
			add("exchange.config.participant", i18n.Args{"detail": err.Error()}, "participants", i)
			continue
		}
		if ids[rec.ID] {
			add("exchange.config.twice", i18n.Args{"value": rec.ID}, "participants", i)
		}
		ids[rec.ID] = true
	}
	peers := map[string]bool{}
	for i, p := range c.Peers {
		if p.ID == "" || peers[p.ID] {
			add("exchange.config.peer_id", i18n.Args{"value": p.ID}, "peers", i, "id")
		}
		peers[p.ID] = true
		if !ucri.ValidOID(p.OID) {
			add("exchange.config.oid", i18n.Args{"value": p.OID}, "peers", i, "oid")
		}
		if p.OID == c.OID || ids["peer:"+p.OID] {
			add("exchange.config.twice", i18n.Args{"value": p.OID}, "peers", i, "oid")
		}
		ids["peer:"+p.OID] = true
		u, err := url.Parse(p.BaseURL)
		switch {
		case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
			add("exchange.config.base_url", i18n.Args{"value": p.BaseURL}, "peers", i, "base_url")
		case u.Scheme == "http" && !(c.InsecureLoopback && isLoopback(u.Hostname())):
			add("exchange.config.base_url_plain", i18n.Args{"value": p.BaseURL}, "peers", i, "base_url")
		}
	}
	if c.Limits.MessagesPerSecond == 0 {
		c.Limits.MessagesPerSecond = DefaultMessagesPerSecond
	}
	if c.Limits.MessageBytes == 0 {
		c.Limits.MessageBytes = DefaultMessageBytes
	}
	if c.Limits.MessagesPerSecond < 0 || c.Limits.MessageBytes < 0 {
		add("exchange.config.limits", nil, "limits")
	}
	if c.Retention == 0 {
		c.Retention = DefaultRetention
	}
	if c.Retention < 24*time.Hour {
		add("exchange.config.retention", nil, "retention")
	}
	if c.Operator == "" {
		c.Operator = "trojmezi"
	}
	return append(faults, c.Translation.faults()...)
}

// parseParticipant turns a record of the configuration file into a registry record.
func parseParticipant(v any) (*ucri.Participant, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return ucri.ParseParticipant(raw)
}

// isLoopback reports whether host can only be this machine.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// HasParticipant reports whether the record of an own participant is in c.
func (c *Config) HasParticipant(oid string) bool {
	for _, p := range c.Participants {
		if rec, err := parseParticipant(p); err == nil && rec.ID == oid {
			return true
		}
	}
	return false
}
