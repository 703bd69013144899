package app

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"trojmezi/internal/alert/channel"
	"trojmezi/internal/alert/intake"
	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/adapter/all"
	"trojmezi/internal/exchange/gateway"
	"trojmezi/internal/kernel/health"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/notify"
)

//go:embed locales/*.json
var locales embed.FS

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// Config is the whole configuration file of a node, YAML or JSON.
type Config struct {
	Data        string          `yaml:"data"`
	Database    string          `yaml:"database"`
	Listen      string          `yaml:"listen"`
	ListenTLS   ListenTLS       `yaml:"listen_tls"`
	BehindProxy bool            `yaml:"behind_proxy"`
	Language    string          `yaml:"language"`
	SignIn      identity.Config `yaml:"sign_in"`
	Notify      notify.Config   `yaml:"notify"`
	Health      health.Config   `yaml:"health"`
	Backup      BackupConfig    `yaml:"backup"`
	Bucket      BucketConfig    `yaml:"bucket"`
	Dev         bool            `yaml:"dev"` // also serves the gallery of page parts
	Exchange    exchange.Config `yaml:"exchange"`
	// Gateways are the lines to systems that do not speak UCRI 2.
	Gateways []gateway.Config `yaml:"gateways"`
	// Feeds are the official warnings and gauges that are fetched.
	Feeds intake.Config `yaml:"feeds"`
	// Channels are the ways out to the public and to organisations.
	Channels channel.Config `yaml:"channels"`

	dir string // of the file: paths in it are relative to it
}

// ListenTLS names the PEM files for the browser address.
type ListenTLS struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// BucketConfig names the S3-compatible storage for files, which several instances
// of a node share. Without an endpoint they lie in the data folder.
type BucketConfig struct {
	Endpoint      string `yaml:"endpoint"` // host[:port]
	Name          string `yaml:"name"`
	Prefix        string `yaml:"prefix"`
	Region        string `yaml:"region"`
	AccessKey     string `yaml:"access_key"`
	SecretKeyFile string `yaml:"secret_key_file"`
	Plain         bool   `yaml:"plain"` // HTTP, on this machine only
}

// DefaultListen is where browsers find the node when the file does not say.
const DefaultListen = "127.0.0.1:8080"

// Fault is one mistake in the configuration file.
type Fault struct {
	Line int    // 1 is the first; 0 is the whole file
	Path string // exchange.accounts[0].type
	Key  string
	Args i18n.Args
}

// Faults are all mistakes found in a file, in the order of their lines.
type Faults struct {
	File string
	List []Fault
}

func (f *Faults) Error() string {
	var b strings.Builder
	for i, x := range f.List {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s:%d: %s: %s", f.File, x.Line, x.Path, x.Key)
	}
	return b.String()
}

// Text writes one line for each mistake, as editors understand it.
func (f *Faults) Text(b *i18n.Bundle, l i18n.Lang) string {
	var lines []string
	for _, x := range f.List {
		at := f.File
		if x.Line > 0 {
			at += ":" + strconv.Itoa(x.Line)
		}
		if x.Path != "" {
			at += ": " + x.Path
		}
		lines = append(lines, at+": "+b.Text(l, x.Key, x.Args))
	}
	return strings.Join(lines, "\n")
}

// Load reads and checks a configuration file. A *Faults error lists every
// mistake with its line.
func Load(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("app: configuration: %w", err)
	}
	return parse(path, text)
}

var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

func parse(path string, text []byte) (*Config, error) {
	faults := &Faults{File: path}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		faults.addYAML(err)
		return nil, faults
	}
	c := &Config{Data: "./data", Listen: DefaultListen, dir: filepath.Dir(path)}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		faults.List = append(faults.List, Fault{Key: "app.config.empty"})
		return nil, faults
	}
	root := doc.Content[0]
	faults.unknown(root, reflect.TypeFor[Config](), "")
	if err := root.Decode(c); err != nil {
		faults.addYAML(err)
		faults.sort()
		return nil, faults
	}
	for _, f := range c.validate() {
		faults.List = append(faults.List, f.at(root))
	}
	part := func(name string, path []any, key string, args i18n.Args) {
		faults.List = append(faults.List, (&pathFault{append([]any{name}, path...), key, args}).at(root))
	}
	c.SignIn.Proxied = c.BehindProxy
	for _, f := range c.SignIn.Validate() {
		part("sign_in", f.Path, f.Key, f.Args)
	}
	if c.Notify.BaseURL == "" {
		c.Notify.BaseURL = c.SignIn.URL
	}
	for _, f := range c.Notify.Validate() {
		part("notify", f.Path, f.Key, f.Args)
	}
	for _, f := range c.Health.Validate() {
		part("health", f.Path, f.Key, f.Args)
	}
	for _, f := range c.Backup.faults(c) {
		faults.List = append(faults.List, f.at(root))
	}
	for _, f := range c.Exchange.Validate() {
		part("exchange", f.Path, f.Key, f.Args)
	}
	for _, f := range gateway.Validate(c.Gateways, c.Exchange, all.Adapters()) {
		part("gateways", f.Path, f.Key, f.Args)
	}
	for _, f := range c.Feeds.Validate() {
		part("feeds", f.Path, f.Key, f.Args)
	}
	for i := range c.Feeds.Sources {
		c.Feeds.Sources[i].TokenFile = c.Path(c.Feeds.Sources[i].TokenFile)
	}
	for _, f := range c.Channels.Validate() {
		part("channels", f.Path, f.Key, f.Args)
	}
	if len(faults.List) > 0 {
		faults.sort()
		return nil, faults
	}
	return c, nil
}

func (f *Faults) sort() {
	slices.SortStableFunc(f.List, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
}

func (f *Faults) addYAML(err error) {
	texts := []string{err.Error()}
	if te, ok := errors.AsType[*yaml.TypeError](err); ok {
		texts = te.Errors
	}
	for _, t := range texts {
		x := Fault{Key: "app.config.yaml", Args: i18n.Args{"detail": strings.TrimPrefix(t, "yaml: ")}}
		if m := yamlLine.FindStringSubmatch(t); m != nil {
			x.Line, _ = strconv.Atoi(m[1])
			x.Args["detail"] = m[2]
		}
		f.List = append(f.List, x)
	}
}

// unknown reports keys the program does not know: a misspelt one would silently
// leave a default in force.
func (f *Faults) unknown(n *yaml.Node, t reflect.Type, path string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for i, item := range n.Content {
			f.unknown(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
		}
	case t.Kind() == reflect.Struct && n.Kind == yaml.MappingNode && t != reflect.TypeFor[time.Time]():
		fields := map[string]reflect.Type{}
		for i := range t.NumField() {
			if name := t.Field(i).Tag.Get("yaml"); name != "" {
				fields[name] = t.Field(i).Type
			}
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			where := strings.TrimPrefix(path+"."+key.Value, ".")
			ft, ok := fields[key.Value]
			if !ok {
				f.List = append(f.List, Fault{Line: key.Line, Path: where, Key: "app.config.unknown"})
				continue
			}
			f.unknown(value, ft, where)
		}
	}
}

// pathFault is a mistake that knows its keys but not its line yet.
type pathFault struct {
	path []any
	key  string
	args i18n.Args
}

// at finds the line of the mistake: that of its key, or of the nearest one
// above it that the file has.
func (p *pathFault) at(root *yaml.Node) Fault {
	line := root.Line
	n := root
	for _, step := range p.path {
		if n == nil {
			break
		}
		var next *yaml.Node
		switch s := step.(type) {
		case string:
			if n.Kind == yaml.MappingNode {
				for i := 0; i+1 < len(n.Content); i += 2 {
					if n.Content[i].Value == s {
						line, next = n.Content[i].Line, n.Content[i+1]
					}
				}
			}
		case int:
			if n.Kind == yaml.SequenceNode && s < len(n.Content) {
				next = n.Content[s]
				line = next.Line
			}
		}
		n = next
	}
	var b strings.Builder
	for i, step := range p.path {
		switch s := step.(type) {
		case string:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s)
		case int:
			fmt.Fprintf(&b, "[%d]", s)
		}
	}
	return Fault{Line: line, Path: b.String(), Key: p.key, Args: p.args}
}

func (c *Config) validate() []*pathFault {
	var faults []*pathFault
	add := func(key string, args i18n.Args, path ...any) { faults = append(faults, &pathFault{path, key, args}) }
	if c.Data == "" {
		add("app.config.data", nil, "data")
	}
	if c.Database != "" && !strings.HasPrefix(c.Database, "postgres://") && !strings.HasPrefix(c.Database, "postgresql://") {
		add("app.config.database", nil, "database")
	}
	host, _, err := net.SplitHostPort(c.Listen)
	switch {
	case err != nil:
		add("app.config.listen", i18n.Args{"value": c.Listen}, "listen")
	case loopback(host):
	case c.BehindProxy || c.ListenTLS.Cert != "" && c.ListenTLS.Key != "":
	default:
		add("app.config.listen_plain", i18n.Args{"value": c.Listen}, "listen")
	}
	if (c.ListenTLS.Cert == "") != (c.ListenTLS.Key == "") {
		add("app.config.listen_tls", nil, "listen_tls")
	}
	if b := c.Bucket; b.Endpoint != "" {
		for key, v := range map[string]string{"name": b.Name, "access_key": b.AccessKey, "secret_key_file": b.SecretKeyFile} {
			if v == "" {
				add("app.config.bucket", i18n.Args{"key": key}, "bucket", key)
			}
		}
		host, _, err := net.SplitHostPort(b.Endpoint)
		if err != nil {
			host = b.Endpoint
		}
		if b.Plain && !loopback(host) {
			add("app.config.bucket_plain", i18n.Args{"value": b.Endpoint}, "bucket", "plain")
		}
	}
	if _, ok := i18n.Parse(c.Language); !ok && c.Language != "" {
		add("app.config.language", i18n.Args{"value": c.Language}, "language")
	}
	return faults
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// lang is the configured language, English if none is.
func (c *Config) lang() i18n.Lang {
	if l, ok := i18n.Parse(c.Language); ok {
		return l
	}
	return i18n.En
}

// Dir is the folder of the configuration file.
func (c *Config) Dir() string { return c.dir }

// Path makes a path of the file absolute.
func (c *Config) Path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.dir, p)
}

// DataDir is the node's folder.
func (c *Config) DataDir() string { return c.Path(c.Data) }

// BrowserURL is the address of the pages, without a slash at its end.
func (c *Config) BrowserURL() string {
	switch {
	case c.SignIn.URL != "":
		return strings.TrimSuffix(c.SignIn.URL, "/")
	case c.ListenTLS.Cert != "":
		return "https://" + c.Listen
	}
	return "http://" + c.Listen
}

// clientAddress tells where a request comes from: the far end of the connection
// (nil), or behind a proxy what that wrote at the end of X-Forwarded-For.
func (c *Config) clientAddress() func(*http.Request) string {
	if !c.BehindProxy {
		return nil
	}
	return func(r *http.Request) string {
		all := r.Header.Values("X-Forwarded-For")
		if len(all) == 0 {
			return r.RemoteAddr
		}
		last := all[len(all)-1]
		return strings.TrimSpace(last[strings.LastIndex(last, ",")+1:])
	}
}

// KeyFile is the node key's file, outside the database.
func (c *Config) KeyFile() string { return filepath.Join(c.DataDir(), "keys", "node.key") }
