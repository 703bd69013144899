package transport

import (
	"cmp"
	"net"
	"net/mail"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/notify"
)

// Config is one way, under the key of its name. Paths are relative to the
// configuration file.
type Config struct {
	Push      *Push      `yaml:"push"`
	Poll      *Poll      `yaml:"poll"`
	Directory *Directory `yaml:"directory"`
	AMQP      *AMQP      `yaml:"amqp"`
	Mail      *Mail      `yaml:"mail"`
}

// Push is HTTPS in both directions: each side posts to the other.
type Push struct {
	URL              string        `yaml:"url"`    // where messages are posted to; empty: nothing is sent
	Listen           string        `yaml:"listen"` // address with a port for what comes in; empty: nothing does
	SecretFile       string        `yaml:"secret_file"`
	TLS              TLS           `yaml:"tls"`
	Window           time.Duration `yaml:"window"`            // how far the clocks may differ; 0: DefaultWindow
	InsecureLoopback bool          `yaml:"insecure_loopback"` // HTTP on this machine
}

// Poll is HTTPS from this side alone: it fetches what there is, and posts.
type Poll struct {
	URL              string        `yaml:"url"`
	SecretFile       string        `yaml:"secret_file"`
	TLS              TLS           `yaml:"tls"`
	Every            time.Duration `yaml:"every"` // between two questions; 0: DefaultEvery
	Window           time.Duration `yaml:"window"`
	InsecureLoopback bool          `yaml:"insecure_loopback"`
}

// TLS names PEM files.
type TLS struct {
	Cert     string `yaml:"cert"` // shown to clients, and to servers that ask
	Key      string `yaml:"key"`
	CAFile   string `yaml:"ca_file"`   // who vouches for servers; empty: the system's
	ClientCA string `yaml:"client_ca"` // who vouches for clients; empty: they need no certificate
}

// Directory is a folder that another program writes to and reads from.
type Directory struct {
	Path string        `yaml:"path"`
	Keep time.Duration `yaml:"keep"` // how long what was taken stays in "done" and "refused"; 0: DefaultKeep
}

// AMQP is a broker that speaks AMQP 0-9-1.
type AMQP struct {
	URL              string   `yaml:"url"` // amqps://host:port/vhost, without a password
	Username         string   `yaml:"username"`
	PasswordFile     string   `yaml:"password_file"`
	Exchange         string   `yaml:"exchange"`    // where messages are published; "" is the broker's own
	RoutingKey       string   `yaml:"routing_key"` // empty: the receiver's name in the foreign system
	Queues           []string `yaml:"queues"`      // what is read; none: nothing comes in
	Prefetch         int      `yaml:"prefetch"`    // 0: DefaultPrefetch
	TLS              TLS      `yaml:"tls"`
	InsecureLoopback bool     `yaml:"insecure_loopback"`
}

// Mail is the last resort: mail out by SMTP, in from a Maildir.
type Mail struct {
	SMTP    notify.SMTP   `yaml:"smtp"`
	To      string        `yaml:"to"`      // empty: nothing is sent
	Maildir string        `yaml:"maildir"` // a local mail system delivers there; empty: nothing comes in
	From    []string      `yaml:"from"`    // the only addresses whose mail is processed
	Keep    time.Duration `yaml:"keep"`    // how long a mail that was taken stays in "cur"; 0: DefaultKeep
}

// Defaults.
const (
	DefaultWindow   = 5 * time.Minute
	DefaultEvery    = 5 * time.Second
	DefaultPrefetch = 16
	DefaultKeep     = 30 * 24 * time.Hour // long enough to look into what went wrong; it holds personal data
	// minEvery keeps a misspelt unit from storming the other side.
	minEvery = 250 * time.Millisecond
	minKeep  = 24 * time.Hour
)

// Fault is a mistake in the configuration: where, and which text tells it.
type Fault struct {
	Path []any // keys and list indexes below the transport
	Key  string
	Args i18n.Args
}

type adder func(key string, args i18n.Args, path ...any)

// Validate returns every mistake found in c and fills in defaults.
func (c *Config) Validate() []Fault {
	var faults []Fault
	add := func(key string, args i18n.Args, path ...any) { faults = append(faults, Fault{path, key, args}) }
	count := 0
	below := func(name string) adder {
		count++
		return func(key string, args i18n.Args, path ...any) { add(key, args, append([]any{name}, path...)...) }
	}
	if c.Push != nil {
		c.Push.validate(below("push"))
	}
	if c.Poll != nil {
		c.Poll.validate(below("poll"))
	}
	if c.Directory != nil {
		c.Directory.validate(below("directory"))
	}
	if c.AMQP != nil {
		c.AMQP.validate(below("amqp"))
	}
	if c.Mail != nil {
		c.Mail.validate(below("mail"))
	}
	if count != 1 {
		add("transport.config.one", nil)
	}
	return faults
}

func (p *Push) validate(add adder) {
	if p.URL == "" && p.Listen == "" {
		add("transport.config.nothing", nil)
	}
	if p.URL != "" {
		checkURL(add, p.URL, "https", "http", p.InsecureLoopback)
	}
	if p.Listen != "" {
		host, _, err := net.SplitHostPort(p.Listen)
		switch {
		case err != nil:
			add("transport.config.listen", i18n.Args{"value": p.Listen}, "listen")
		case p.TLS.Cert == "" && !(p.InsecureLoopback && loopback(host)):
			add("transport.config.listen_plain", i18n.Args{"value": p.Listen}, "listen")
		}
	}
	p.TLS.validate(add)
	checkSecret(add, p.SecretFile)
	p.Window = cmp.Or(p.Window, DefaultWindow)
	if p.Window < 0 {
		add("transport.config.duration", nil, "window")
	}
}

func (p *Poll) validate(add adder) {
	checkURL(add, p.URL, "https", "http", p.InsecureLoopback)
	p.TLS.validate(add)
	checkSecret(add, p.SecretFile)
	p.Every, p.Window = cmp.Or(p.Every, DefaultEvery), cmp.Or(p.Window, DefaultWindow)
	if p.Every < minEvery {
		add("transport.config.duration", nil, "every")
	}
	if p.Window < 0 {
		add("transport.config.duration", nil, "window")
	}
}

func (d *Directory) validate(add adder) {
	if d.Path == "" {
		add("transport.config.path", nil, "path")
	}
	if d.Keep = cmp.Or(d.Keep, DefaultKeep); d.Keep < minKeep {
		add("transport.config.duration", nil, "keep")
	}
}

func (a *AMQP) validate(add adder) {
	checkURL(add, a.URL, "amqps", "amqp", a.InsecureLoopback)
	if u, err := url.Parse(a.URL); err == nil && u.User != nil {
		add("transport.config.password_in_url", nil, "url")
	}
	if (a.Username == "") != (a.PasswordFile == "") {
		add("transport.config.password", nil, "username")
	}
	if len(a.Queues) == 0 && a.Exchange == "" && a.RoutingKey == "" {
		add("transport.config.nothing", nil)
	}
	a.TLS.validate(add)
	a.Prefetch = cmp.Or(a.Prefetch, DefaultPrefetch)
	if a.Prefetch < 1 || a.Prefetch > 1000 {
		add("transport.config.prefetch", i18n.Args{"value": a.Prefetch}, "prefetch")
	}
}

func (m *Mail) validate(add adder) {
	if m.To == "" && m.Maildir == "" {
		add("transport.config.nothing", nil)
	}
	if m.To != "" {
		if a, err := mail.ParseAddress(m.To); err != nil || a.Name != "" {
			add("transport.config.email", i18n.Args{"value": m.To}, "to")
		}
		for _, f := range m.SMTP.Validate() {
			add(f.Key, f.Args, f.Path...)
		}
	}
	if m.Keep = cmp.Or(m.Keep, DefaultKeep); m.Keep < minKeep {
		add("transport.config.duration", nil, "keep")
	}
	if m.Maildir != "" && len(m.From) == 0 {
		add("transport.config.from", nil, "from")
	}
	for i, f := range m.From {
		if a, err := mail.ParseAddress(f); err != nil || a.Name != "" {
			add("transport.config.email", i18n.Args{"value": f}, "from", i)
		}
	}
}

func (t TLS) validate(add adder) {
	if (t.Cert == "") != (t.Key == "") {
		add("transport.config.tls", nil, "tls")
	}
}

func checkURL(add adder, value, secure, plain string, insecure bool) {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Host == "" || u.Scheme != secure && u.Scheme != plain:
		add("transport.config.url", i18n.Args{"scheme": secure}, "url") // may hold a secret: not repeated
	case u.Scheme == plain && !(insecure && loopback(u.Hostname())):
		add("transport.config.url_plain", i18n.Args{"scheme": secure}, "url")
	}
}

func checkSecret(add adder, file string) {
	if file == "" {
		add("transport.config.secret", nil, "secret_file")
	}
}

// loopback reports whether host can only be this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// New makes the transport of a configuration that Validate found without fault.
// dir is the folder of the configuration file.
func New(c Config, dir string, clk *clock.Clock) Transport {
	abs := func(p string) string {
		if p == "" || filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(dir, p)
	}
	files := func(t TLS) TLS { return TLS{abs(t.Cert), abs(t.Key), abs(t.CAFile), abs(t.ClientCA)} }
	switch {
	case c.Push != nil:
		p := *c.Push
		p.SecretFile, p.TLS = abs(p.SecretFile), files(p.TLS)
		return &push{cfg: p, client: client{url: p.URL, secretFile: p.SecretFile, tls: p.TLS, window: p.Window, clock: clk}}
	case c.Poll != nil:
		p := *c.Poll
		p.SecretFile, p.TLS = abs(p.SecretFile), files(p.TLS)
		return &poll{every: p.Every, client: client{url: p.URL, secretFile: p.SecretFile, tls: p.TLS, window: p.Window, clock: clk}}
	case c.Directory != nil:
		return &directory{root: abs(c.Directory.Path), keep: c.Directory.Keep}
	case c.AMQP != nil:
		a := *c.AMQP
		a.PasswordFile, a.TLS = abs(a.PasswordFile), files(a.TLS)
		return &broker{cfg: a, clock: clk}
	}
	m := *c.Mail
	m.SMTP.PasswordFile, m.SMTP.CAFile, m.Maildir = abs(m.SMTP.PasswordFile), abs(m.SMTP.CAFile), abs(m.Maildir)
	for i, f := range m.From {
		m.From[i] = strings.ToLower(f)
	}
	return &mailbox{cfg: m, clock: clk}
}

// Way is the name of the transport, for its text "transport.way.<Way>".
func (c Config) Way() string {
	switch {
	case c.Push != nil:
		return "push"
	case c.Poll != nil:
		return "poll"
	case c.Directory != nil:
		return "directory"
	case c.AMQP != nil:
		return "amqp"
	}
	return "mail"
}
