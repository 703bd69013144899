package notify

import (
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strings"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// Config is the configuration under the key "notify". Paths are relative to the
// configuration file.
type Config struct {
	// BaseURL is the address under which browsers find the node, for links.
	BaseURL    string      `yaml:"base_url"`
	SMTP       SMTP        `yaml:"smtp"`
	Webhooks   []Webhook   `yaml:"webhooks"`
	Recipients []Recipient `yaml:"recipients"`
}

// SMTP is the mail server that takes the node's mail.
type SMTP struct {
	Host         string `yaml:"host"`
	Port         int    `yaml:"port"` // 0: DefaultSubmission or DefaultSubmissionTLS
	From         string `yaml:"from"`
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"password_file"`
	TLS          string `yaml:"tls"`     // "starttls" (default), "tls", or "none" to this machine only
	CAFile       string `yaml:"ca_file"` // PEM; empty: those of the system
}

// Webhook is an address that takes notifications as signed JSON.
type Webhook struct {
	URL              string   `yaml:"url"`
	SecretFile       string   `yaml:"secret_file"`
	CAFile           string   `yaml:"ca_file"`
	InsecureLoopback bool     `yaml:"insecure_loopback"` // http to this machine
	Classes          []string `yaml:"classes"`           // empty: all
	Kind             string   `yaml:"kind"`              // empty: live
	Organisation     string   `yaml:"organisation"`      // id; empty: of the whole node
}

// Recipient is a post, not a person, that reads mail: "technician on call".
type Recipient struct {
	Name         string   `yaml:"name"`
	Email        string   `yaml:"email"`
	Languages    []string `yaml:"languages"` // the mail is written in each, in this order; empty: English
	Classes      []string `yaml:"classes"`   // empty: all
	Kind         string   `yaml:"kind"`      // empty: live
	Organisation string   `yaml:"organisation"`
}

// The ways to reach a mail server.
const (
	tlsStart = "starttls"
	tlsWhole = "tls"
	tlsNone  = "none"
)

// Ports of message submission (spec: RFC 8314, §7.3; RFC 6409).
const (
	DefaultSubmission    = 587
	DefaultSubmissionTLS = 465
	// defaultLocal is that of a mail server on this machine, which takes mail
	// without encryption there.
	defaultLocal = 25
)

// Fault is a mistake in the configuration: where, and which text tells it.
type Fault struct {
	Path []any // keys and list indexes below "notify"
	Key  string
	Args i18n.Args
}

// Validate returns every mistake found in c and fills in defaults.
func (c *Config) Validate() []Fault {
	var faults []Fault
	add := func(key string, args i18n.Args, path ...any) { faults = append(faults, Fault{path, key, args}) }
	if u, err := url.Parse(c.BaseURL); c.BaseURL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		add("notify.config.base_url", i18n.Args{"value": c.BaseURL}, "base_url")
	}
	if len(c.Recipients) > 0 || c.SMTP != (SMTP{}) {
		c.SMTP.validate(add)
	}
	kinds := func(kind *string, path ...any) {
		if *kind == "" {
			*kind = string(store.Live)
		}
		if !store.Kind(*kind).Valid() {
			add("notify.config.kind", i18n.Args{"value": *kind}, append(path, "kind")...)
		}
	}
	classes := func(list *[]string, path ...any) {
		if len(*list) == 0 {
			*list = []string{string(A), string(B), string(C)}
		}
		for i, v := range *list {
			if !Class(v).valid() {
				add("notify.config.class", i18n.Args{"value": v}, append(path, "classes", i)...)
			}
		}
	}
	names := map[string]bool{}
	for i := range c.Recipients {
		r := &c.Recipients[i]
		if r.Name == "" || names[r.Name] {
			add("notify.config.name", i18n.Args{"value": r.Name}, "recipients", i, "name")
		}
		names[r.Name] = true
		if a, err := mail.ParseAddress(r.Email); err != nil || a.Name != "" {
			add("notify.config.email", i18n.Args{"value": r.Email}, "recipients", i, "email")
		}
		if len(r.Languages) == 0 {
			r.Languages = []string{string(i18n.En)}
		}
		for j, l := range r.Languages {
			if _, ok := i18n.Parse(l); !ok || slices.Index(r.Languages, l) != j {
				add("notify.config.language", i18n.Args{"value": l}, "recipients", i, "languages", j)
			}
		}
		classes(&r.Classes, "recipients", i)
		kinds(&r.Kind, "recipients", i)
	}
	hooks := map[string]bool{}
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		u, err := url.Parse(w.URL)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || hooks[w.URL]:
			add("notify.config.url", nil, "webhooks", i, "url") // may hold a secret: not repeated
		case u.Scheme == "http" && !(w.InsecureLoopback && isLoopback(u.Hostname())):
			add("notify.config.url_plain", nil, "webhooks", i, "url")
		}
		hooks[w.URL] = true
		if w.SecretFile == "" {
			add("notify.config.secret", nil, "webhooks", i, "secret_file")
		}
		classes(&w.Classes, "webhooks", i)
		kinds(&w.Kind, "webhooks", i)
	}
	return faults
}

// Validate returns every mistake found in s and fills in defaults; the paths of the
// faults begin with "smtp".
func (s *SMTP) Validate() []Fault {
	var faults []Fault
	s.validate(func(key string, args i18n.Args, path ...any) { faults = append(faults, Fault{path, key, args}) })
	return faults
}

func (s *SMTP) validate(add func(string, i18n.Args, ...any)) {
	if s.Host == "" || strings.ContainsAny(s.Host, " :/") && net.ParseIP(s.Host) == nil {
		add("notify.config.host", i18n.Args{"value": s.Host}, "smtp", "host")
	}
	if s.TLS == "" {
		s.TLS = tlsStart
	}
	def := DefaultSubmission
	switch s.TLS {
	case tlsStart:
	case tlsWhole:
		def = DefaultSubmissionTLS
	case tlsNone:
		def = defaultLocal
		if !isLoopback(s.Host) {
			add("notify.config.tls_none", i18n.Args{"value": s.Host}, "smtp", "tls")
		}
	default:
		add("notify.config.tls", i18n.Args{"value": s.TLS}, "smtp", "tls")
	}
	if s.Port == 0 {
		s.Port = def
	}
	if s.Port < 1 || s.Port > 65535 {
		add("notify.config.port", i18n.Args{"value": s.Port}, "smtp", "port")
	}
	if _, err := mail.ParseAddress(s.From); err != nil {
		add("notify.config.email", i18n.Args{"value": s.From}, "smtp", "from")
	}
	if (s.Username == "") != (s.PasswordFile == "") {
		add("notify.config.password", nil, "smtp", "username")
	}
}

// isLoopback reports whether host can only be this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
