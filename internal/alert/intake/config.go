package intake

import (
	"cmp"
	"net"
	"net/mail"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// Config is the configuration under the key "feeds". Nothing is fetched for it alone:
// a person switches each feed on.
type Config struct {
	// Contact is whom a sender can write to when the node's questions trouble him: an
	// address of mail or of a page. Without one nothing can be switched on.
	Contact string `yaml:"contact"`
	// Simulator answers in place of all senders. What comes from it is never live.
	Simulator string   `yaml:"simulator"`
	Sources   []Change `yaml:"sources"`
}

// Change is what the operator says of a source: of one that the program knows what
// differs, of another everything.
type Change struct {
	Name      string        `yaml:"name"`
	Format    string        `yaml:"format"`
	Addresses []string      `yaml:"addresses"`
	Interval  time.Duration `yaml:"interval"`
	Stale     time.Duration `yaml:"stale"`
	Kind      string        `yaml:"kind"`
	Hosts     []string      `yaml:"hosts"`
	Stations  []string      `yaml:"stations"`
	Detail    string        `yaml:"detail"`
	// Body and DetailBody are forms with which the document and that of a station are asked
	// for by POST.
	Body       string `yaml:"body"`
	DetailBody string `yaml:"detail_body"`
	// TokenFile or TokenEnv names where the token stands, TokenHeader or TokenQuery where
	// the sender wants to see it.
	TokenFile   string        `yaml:"token_file"`
	TokenEnv    string        `yaml:"token_env"`
	TokenHeader string        `yaml:"token_header"`
	TokenQuery  string        `yaml:"token_query"`
	Partial     bool          `yaml:"partial"`
	Plain       bool          `yaml:"plain"`
	Timeout     time.Duration `yaml:"timeout"`
	MaxBytes    int64         `yaml:"max_bytes"`
	Keep        time.Duration `yaml:"keep"`
}

// Fault is a mistake in the configuration: where, and which text tells it.
type Fault struct {
	Path []any // keys and list indexes below "feeds"
	Key  string
	Args i18n.Args
}

// tokenName is a header or a parameter in which a token may stand.
var tokenName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

var sourceName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

const (
	// minInterval and minTimeout keep a misspelt unit from storming a sender.
	minInterval = 10 * time.Second
	minTimeout  = time.Second
	// most are the bounds of one document in memory.
	mostBytes = 64 << 20
	mostTime  = 5 * time.Minute
)

// Validate returns every mistake found.
func (c *Config) Validate() []Fault {
	var faults []Fault
	add := func(key string, args i18n.Args, path ...any) { faults = append(faults, Fault{path, key, args}) }
	if c.Contact != "" && !contactable(c.Contact) {
		add("intake.config.contact", i18n.Args{"value": c.Contact}, "contact")
	}
	if c.Simulator != "" {
		if u, err := url.Parse(c.Simulator); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			add("intake.config.address", i18n.Args{"value": c.Simulator}, "simulator")
		} else if u.Scheme == "http" && !loopback(u.Hostname()) {
			add("intake.config.plain", i18n.Args{"value": c.Simulator}, "simulator")
		}
	}
	names := map[string]bool{}
	own := known()
	for i, s := range c.Sources {
		if !sourceName.MatchString(s.Name) || names[s.Name] {
			add("intake.config.name", i18n.Args{"value": s.Name}, "sources", i, "name")
		}
		names[s.Name] = true
		at := slices.IndexFunc(own, func(k Source) bool { return k.Name == s.Name })
		if s.Format != "" && !slices.Contains(formats(), s.Format) || at < 0 && s.Format == "" || at >= 0 && s.Format != "" && s.Format != own[at].Format {
			add("intake.config.format", i18n.Args{"value": s.Format, "names": strings.Join(formats(), ", ")}, "sources", i, "format")
		}
		if at < 0 && len(s.Addresses) == 0 {
			add("intake.config.no_address", nil, "sources", i, "addresses")
		}
		for j, a := range s.Addresses {
			faults = append(faults, addressFault(a, s.Plain, "sources", i, "addresses", j)...)
		}
		if s.Detail != "" {
			if !strings.Contains(s.Detail+s.DetailBody, stationMark) {
				add("intake.config.detail", i18n.Args{"mark": stationMark}, "sources", i, "detail")
			} else {
				faults = append(faults, addressFault(strings.ReplaceAll(s.Detail, stationMark, "1"), s.Plain, "sources", i, "detail")...)
			}
		}
		for key, form := range map[string]string{"body": s.Body, "detail_body": s.DetailBody} {
			if _, err := url.ParseQuery(form); err != nil || strings.ContainsFunc(form, func(r rune) bool { return r <= ' ' || r > '~' }) {
				add("intake.config.body", i18n.Args{"value": form}, "sources", i, key)
			}
		}
		if s.TokenFile != "" && s.TokenEnv != "" || s.TokenHeader != "" && s.TokenQuery != "" || s.TokenFile+s.TokenEnv == "" && s.TokenHeader+s.TokenQuery != "" ||
			s.TokenHeader != "" && !tokenName.MatchString(s.TokenHeader) || s.TokenQuery != "" && !tokenName.MatchString(s.TokenQuery) {
			add("intake.config.token", nil, "sources", i, "token_file")
		}
		for key, d := range map[string]struct{ value, least, most time.Duration }{
			"interval": {s.Interval, minInterval, 24 * time.Hour}, "stale": {s.Stale, minInterval, 30 * 24 * time.Hour},
			"timeout": {s.Timeout, minTimeout, mostTime}, "keep": {s.Keep, time.Hour, 10 * 366 * 24 * time.Hour},
		} {
			if d.value != 0 && (d.value < d.least || d.value > d.most) {
				add("intake.config.duration", i18n.Args{"value": d.value.String(), "least": d.least.String(), "most": d.most.String()}, "sources", i, key)
			}
		}
		if s.MaxBytes < 0 || s.MaxBytes > mostBytes {
			add("intake.config.bytes", i18n.Args{"most": mostBytes}, "sources", i, "max_bytes")
		}
		switch k := store.Kind(s.Kind); {
		case s.Kind != "" && !k.Valid():
			add("intake.config.kind", i18n.Args{"value": s.Kind}, "sources", i, "kind")
		case k == store.Live && c.Simulator != "":
			add("intake.config.simulated", nil, "sources", i, "kind")
		}
	}
	return faults
}

func addressFault(address string, plain bool, path ...any) []Fault {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http":
		return []Fault{{path, "intake.config.address", i18n.Args{"value": address}}}
	case u.Scheme == "http" && (!plain || !loopback(u.Hostname())):
		return []Fault{{path, "intake.config.plain", i18n.Args{"value": address}}}
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// contactable reports whether somebody can be reached there. It stands in a header.
func contactable(s string) bool {
	if u, err := url.Parse(s); err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") {
		return !strings.ContainsAny(s, "\r\n ()")
	}
	a, err := mail.ParseAddress(strings.TrimPrefix(s, "mailto:"))
	return err == nil && a.Name == "" && !strings.ContainsAny(s, "\r\n ()")
}

// All are the sources of a configuration that has no faults: those the program knows of,
// with the operator's changes, then his own.
func (c *Config) All() []Source {
	list := known()
	for _, x := range c.Sources {
		at := slices.IndexFunc(list, func(s Source) bool { return s.Name == x.Name })
		if at < 0 {
			at = len(list)
			list = append(list, Source{Name: x.Name, Format: x.Format})
		}
		list[at].change(x)
	}
	for i := range list {
		if c.Simulator != "" {
			list[i].simulate(c.Simulator)
		}
		list[i].complete()
	}
	return list
}

// Named are the sources that the configuration names; all when it names none.
func (c *Config) Named() []Source {
	all := c.All()
	if len(c.Sources) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(s Source) bool {
		return !slices.ContainsFunc(c.Sources, func(x Change) bool { return x.Name == s.Name })
	})
}

func (s *Source) change(x Change) {
	if len(x.Addresses) > 0 {
		s.Addresses = x.Addresses
	}
	for _, d := range []struct {
		to   *time.Duration
		from time.Duration
	}{{&s.Interval, x.Interval}, {&s.Stale, x.Stale}, {&s.Timeout, x.Timeout}, {&s.Keep, x.Keep}} {
		if d.from != 0 {
			*d.to = d.from
		}
	}
	if x.MaxBytes > 0 {
		s.MaxBytes = x.MaxBytes
	}
	if x.Kind != "" {
		s.Kind = store.Kind(x.Kind)
	}
	if x.Detail != "" || x.DetailBody != "" {
		s.Detail, s.DetailBody = cmp.Or(x.Detail, s.Detail), x.DetailBody
	}
	s.Hosts, s.Stations, s.Body, s.Partial, s.Plain = x.Hosts, x.Stations, x.Body, x.Partial, x.Plain
	s.TokenFile, s.TokenEnv, s.TokenHeader, s.TokenQuery = x.TokenFile, x.TokenEnv, textproto.CanonicalMIMEHeaderKey(x.TokenHeader), x.TokenQuery
}

// simulate puts the simulator in the place of the sender, at the sender's own paths.
func (s *Source) simulate(base string) {
	to, err := url.Parse(base)
	if err != nil {
		return // Validate has said so
	}
	move := func(address string) string {
		u, err := url.Parse(address)
		if err != nil {
			return address
		}
		u.Scheme, u.Host = to.Scheme, to.Host
		return u.String()
	}
	for i := range s.Addresses {
		s.Addresses[i] = move(s.Addresses[i])
	}
	s.Addresses = slices.Compact(slices.Clone(s.Addresses))
	if s.Detail != "" {
		// The mark is no part of an address, and stays as it is written.
		s.Detail = strings.ReplaceAll(move(strings.ReplaceAll(s.Detail, stationMark, "STATION")), "STATION", stationMark)
	}
	s.played, s.Plain = true, to.Scheme == "http"
	if s.Kind == "" {
		s.Kind = store.Exercise
	}
}
