package channel

import (
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/store"
)

// Sort is what a channel speaks.
type Sort string

// The sorts.
const (
	Mail     Sort = "mail"
	SMS      Sort = "sms"
	Webhook  Sort = "webhook"
	Push     Sort = "push"
	Node     Sort = "node"     // control rooms of neighbours, through the exchange
	Handover Sort = "handover" // a folder, for sirens, radio, displays
)

// Sorts lists them.
var Sorts = []Sort{Mail, SMS, Webhook, Push, Node, Handover}

// Config is the configuration under the key "channels". Nothing leaves without it.
type Config struct {
	// Keep is how long receipts are kept, with the addresses in them.
	Keep      time.Duration `yaml:"keep"`
	List      []Setup       `yaml:"list"`
	Receivers []Receiver    `yaml:"receivers"`
}

// Setup is one channel. Paths are relative to the configuration file.
type Setup struct {
	Name string `yaml:"name"`
	Sort string `yaml:"sort"`
	Kind string `yaml:"kind"` // empty: live
	// PerMinute bounds how much leaves; 0: the default of the sort.
	PerMinute int `yaml:"per_minute"`
	// StaleAfter is how long after its last success a channel counts as stale.
	StaleAfter time.Duration `yaml:"stale_after"`
	// Trial is whom trials go to; not of a live channel.
	Trial string `yaml:"trial_target"`
	// Tests permits test messages, marked as such, to receivers of a live channel.
	Tests    bool         `yaml:"tests"`
	SMTP     notify.SMTP  `yaml:"smtp"`
	Gateway  GatewaySetup `yaml:"gateway"`
	Webhook  HTTPSetup    `yaml:"webhook"`
	Push     PushSetup    `yaml:"push"`
	Handover FolderSetup  `yaml:"handover"`
}

// GatewaySetup is the HTTP interface of who sends short messages. In URL, Body and the
// headers {to}, {text}, {id}, {unicode} and {secret} stand for what they name, coded as
// the place demands.
type GatewaySetup struct {
	URL              string            `yaml:"url"`
	Method           string            `yaml:"method"`       // empty: POST
	ContentType      string            `yaml:"content_type"` // empty: application/json
	Body             string            `yaml:"body"`
	Headers          map[string]string `yaml:"headers"`
	SecretFile       string            `yaml:"secret_file"`
	CAFile           string            `yaml:"ca_file"`
	InsecureLoopback bool              `yaml:"insecure_loopback"`
	MaxParts         int               `yaml:"max_parts"` // 0: DefaultParts
	Transliterate    bool              `yaml:"transliterate"`
	ID               string            `yaml:"id"` // where the answer has its id: "messages.0.id"
	Report           ReportSetup       `yaml:"report"`
}

// ReportSetup says how the gateway tells that a message arrived.
type ReportSetup struct {
	SecretFile string   `yaml:"secret_file"`
	ID         string   `yaml:"id"`
	State      string   `yaml:"state"`
	Delivered  []string `yaml:"delivered"`
	Failed     []string `yaml:"failed"`
}

// HTTPSetup is how webhooks are reached. Beside those of the receivers only addresses at
// Hosts are called.
type HTTPSetup struct {
	Hosts            []string `yaml:"hosts"`
	CAFile           string   `yaml:"ca_file"`
	InsecureLoopback bool     `yaml:"insecure_loopback"`
}

// PushSetup is Web Push (RFC 8030, 8291, 8292).
type PushSetup struct {
	// Contact is whom a push service can write to: an address of mail or of a page.
	Contact          string   `yaml:"contact"`
	Hosts            []string `yaml:"hosts"` // of push services beside the known ones
	CAFile           string   `yaml:"ca_file"`
	InsecureLoopback bool     `yaml:"insecure_loopback"`
}

// FolderSetup is the folder of a hand-over.
type FolderSetup struct {
	Directory string `yaml:"directory"`
}

// Receiver is an organisation that is told without having subscribed.
type Receiver struct {
	Name        string   `yaml:"name"`
	Language    string   `yaml:"language"`
	Places      []string `yaml:"places"`  // "CZ-564028", "CISORP 5102", "DE", "*"
	Minimum     string   `yaml:"minimum"` // of CAP's severity; empty: everything
	Takes       []string `yaml:"takes"`   // notice, warning; empty: both
	Acknowledge bool     `yaml:"acknowledge"`
	Targets     []Target `yaml:"targets"`
}

// Target is an address of a receiver.
type Target struct {
	Channel    string `yaml:"channel"`
	To         string `yaml:"to"`
	SecretFile string `yaml:"secret_file"` // of a webhook
}

// Defaults.
const (
	// DefaultKeep: a month lets one answer who was told, and when.
	DefaultKeep = 30 * 24 * time.Hour
	// DefaultParts bounds a short message: longer ones cost much and arrive in pieces.
	DefaultParts = 4
	maxParts     = 9
	// DefaultStale: a connection is tried every hour, so that two days are no accident.
	DefaultStale = 48 * time.Hour
	// staleUntried is the same for channels that cannot be tried without a message.
	staleUntried = 40 * 24 * time.Hour
)

// perMinute are the default rates: what a small provider bears.
var perMinute = map[Sort]int{Mail: 600, SMS: 120, Webhook: 600, Push: 3000, Node: 60, Handover: 60}

// Fault is a mistake in the configuration: where, and which text tells it.
type Fault struct {
	Path []any // keys and list indexes below "channels"
	Key  string
	Args i18n.Args
}

var (
	channelName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	placeCode   = regexp.MustCompile(`^(\*|CZ|DE|PL|(CZ|DE|PL)-[0-9]{4,12}|[A-Z][A-Z0-9_]{1,19} [A-Za-z0-9_/-]{1,40})$`)
)

// severities of CAP, the least first.
var severities = []string{"Minor", "Moderate", "Severe", "Extreme"}

// Validate returns every mistake found and fills in defaults.
func (c *Config) Validate() []Fault {
	var faults []Fault
	add := func(key string, args i18n.Args, path ...any) {
		faults = append(faults, Fault{path, "channel.config." + key, args})
	}
	if c.Keep == 0 {
		c.Keep = DefaultKeep
	}
	if c.Keep < 24*time.Hour || c.Keep > 366*24*time.Hour {
		add("keep", nil, "keep")
	}
	kinds := map[string]store.Kind{}
	sorts := map[string]Sort{}
	names := map[string]bool{}
	for i := range c.List {
		s := &c.List[i]
		at := func(path ...any) []any { return append([]any{"list", i}, path...) }
		if !channelName.MatchString(s.Name) || names[s.Name] {
			add("name", i18n.Args{"value": s.Name}, at("name")...)
		}
		names[s.Name] = true
		if s.Kind == "" {
			s.Kind = string(store.Live)
		}
		if !store.Kind(s.Kind).Valid() {
			add("kind", i18n.Args{"value": s.Kind}, at("kind")...)
		}
		kinds[s.Name], sorts[s.Name] = store.Kind(s.Kind), Sort(s.Sort)
		if s.PerMinute == 0 {
			s.PerMinute = perMinute[Sort(s.Sort)]
		}
		if s.PerMinute < 1 && slices.Contains(Sorts, Sort(s.Sort)) || s.PerMinute > 100_000 {
			add("per_minute", nil, at("per_minute")...)
		}
		if s.StaleAfter < 0 {
			add("stale_after", nil, at("stale_after")...)
		}
		if s.Trial != "" && s.Kind == string(store.Live) {
			add("trial", nil, at("trial_target")...)
		}
		if s.Tests && (s.Kind != string(store.Live) || !slices.Contains(testers, Sort(s.Sort))) {
			add("tests", nil, at("tests")...)
		}
		switch Sort(s.Sort) {
		case Mail:
			for _, f := range s.SMTP.Validate() {
				faults = append(faults, Fault{at(f.Path...), f.Key, f.Args})
			}
		case SMS:
			s.Gateway.validate(func(key string, args i18n.Args, path ...any) {
				add(key, args, at(append([]any{"gateway"}, path...)...)...)
			})
		case Push:
			if !plainAddress(s.Push.Contact) && !strings.HasPrefix(s.Push.Contact, "https://") {
				add("contact", i18n.Args{"value": s.Push.Contact}, at("push", "contact")...)
			}
		case Handover:
			if s.Handover.Directory == "" {
				add("directory", nil, at("handover", "directory")...)
			}
		case Webhook, Node:
		default:
			add("sort", i18n.Args{"value": s.Sort}, at("sort")...)
		}
	}
	c.separate(add)
	for i := range c.Receivers {
		c.Receivers[i].validate(i, kinds, sorts, add)
	}
	taken := map[string]bool{}
	for i, r := range c.Receivers {
		if r.Name == "" || taken[r.Name] {
			add("receiver", i18n.Args{"value": r.Name}, "receivers", i, "name")
		}
		taken[r.Name] = true
	}
	return faults
}

// testers are the sorts of live channels that may carry tests: what stands in a folder may
// make sirens sound, and browsers subscribe by themselves.
var testers = []Sort{Mail, SMS, Webhook, Node}

// separate finds channels of different kinds with the same credentials: an exercise must
// not be able to use those of reality.
func (c *Config) separate(add func(string, i18n.Args, ...any)) {
	used := map[string]string{} // by what is used: the kind
	for i, s := range c.List {
		for _, x := range []struct{ what, value, key string }{
			{"smtp", s.SMTP.PasswordFile, "password_file"}, {"gateway", s.Gateway.SecretFile, "secret_file"}, {"handover", s.Handover.Directory, "directory"},
		} {
			if x.value == "" {
				continue
			}
			name := x.what + " " + filepath.Clean(x.value) // "drill" and "./drill" are one
			if k := used[name]; k != "" && k != s.Kind {
				add("separate", i18n.Args{"kind": k}, "list", i, x.what, x.key)
			}
			used[name] = s.Kind
		}
	}
}

func (g *GatewaySetup) validate(add func(string, i18n.Args, ...any)) {
	if g.Method == "" {
		g.Method = "POST"
	}
	if g.ContentType == "" {
		g.ContentType = "application/json"
	}
	if g.MaxParts == 0 {
		g.MaxParts = DefaultParts
	}
	u, err := url.Parse(fill(g.URL, map[string]string{"to": "1", "text": "1", "id": "1", "unicode": "1", "secret": "1"}, url.QueryEscape))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		add("url", nil, "url") // may hold a secret: not repeated
	case u.Scheme == "http" && !(g.InsecureLoopback && isLoopback(u.Hostname())):
		add("url_plain", nil, "url")
	}
	if g.Method != "POST" && g.Method != "GET" && g.Method != "PUT" {
		add("method", i18n.Args{"value": g.Method}, "method")
	}
	if !strings.Contains(g.URL+g.Body, "{to}") || !strings.Contains(g.URL+g.Body, "{text}") {
		add("placeholders", nil, "body")
	}
	if g.ContentType != "application/json" && g.ContentType != "application/x-www-form-urlencoded" {
		add("content_type", i18n.Args{"value": g.ContentType}, "content_type")
	}
	if g.MaxParts < 1 || g.MaxParts > maxParts {
		add("max_parts", i18n.Args{"most": maxParts}, "max_parts")
	}
	if r := g.Report; (r.ID != "" || r.State != "" || len(r.Delivered)+len(r.Failed) > 0 || r.SecretFile != "") && (r.ID == "" || r.State == "" || r.SecretFile == "" || len(r.Delivered) == 0) {
		add("report", nil, "report")
	}
}

func (r *Receiver) validate(i int, kinds map[string]store.Kind, sorts map[string]Sort, add func(string, i18n.Args, ...any)) {
	if _, ok := i18n.Parse(r.Language); !ok {
		add("language", i18n.Args{"value": r.Language}, "receivers", i, "language")
	}
	if len(r.Places) == 0 {
		add("no_place", nil, "receivers", i, "places")
	}
	for j, p := range r.Places {
		if !placeCode.MatchString(p) {
			add("place", i18n.Args{"value": p}, "receivers", i, "places", j)
		}
	}
	if r.Minimum != "" && !slices.Contains(severities, r.Minimum) {
		add("minimum", i18n.Args{"value": r.Minimum, "names": strings.Join(severities, ", ")}, "receivers", i, "minimum")
	}
	if len(r.Takes) == 0 {
		r.Takes = []string{string(Notice), string(Warning)}
	}
	for j, x := range r.Takes {
		if x != string(Notice) && x != string(Warning) {
			add("takes", i18n.Args{"value": x}, "receivers", i, "takes", j)
		}
	}
	if len(r.Targets) == 0 {
		add("no_target", nil, "receivers", i, "targets")
	}
	for j, x := range r.Targets {
		sort, known := sorts[x.Channel]
		switch {
		case !known || kinds[x.Channel] == "":
			add("channel", i18n.Args{"value": x.Channel}, "receivers", i, "targets", j, "channel")
		case !wellFormed(sort, x.To):
			add("target."+string(sort), nil, "receivers", i, "targets", j, "to")
		case sort == Webhook && x.SecretFile == "":
			add("secret", nil, "receivers", i, "targets", j, "secret_file")
		}
	}
}

// wellFormed reports whether a text is an address of a sort.
func wellFormed(s Sort, to string) bool {
	switch s {
	case Mail:
		return plainAddress(to)
	case SMS:
		return phone.MatchString(to)
	case Webhook:
		return readHook(to).URL != ""
	case Push:
		_, ok := readSubscription(to)
		return ok
	case Node:
		return dotted.MatchString(to)
	}
	return simple.MatchString(to)
}

// isLoopback reports whether host can only be this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// onHosts reports whether a host is one of a list; ".x" stands for all below x.
func onHosts(host string, list []string) bool {
	return slices.ContainsFunc(list, func(h string) bool {
		return strings.EqualFold(h, host) || strings.HasPrefix(h, ".") && len(host) > len(h) && strings.EqualFold(host[len(host)-len(h):], h)
	})
}

// fill puts values in the place of {names}, each coded.
func fill(text string, values map[string]string, code func(string) string) string {
	var pairs []string
	for name, v := range values {
		pairs = append(pairs, "{"+name+"}", code(v))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
