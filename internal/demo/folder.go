package demo

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"gopkg.in/yaml.v3"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

// rsaBits is the smallest size that nodes accept for signatures: the demo signs
// a few messages and should start fast.
const rsaBits = 2048

// folder is everything the demo has on disk.
type folder struct {
	ca        *authority
	nodes     []*node
	passwords map[string]string // "place/login"
	pager     string            // the address notifications go to
	insecure  bool
}

// node is one place with its files and addresses.
type node struct {
	place    place
	dir      string
	listen   string // for browsers
	exchange string // for UCRI 2
	insecure bool
}

// backupDir is on the disk of the node, which its page of health says.
const backupDir = "backup"

// pagerSecret is the file with what signs a node's notifications.
const pagerSecret = "pager.key"

func (n *node) config() string { return filepath.Join(n.dir, "node.yaml") }

func (n *node) exchangeURL() string {
	if n.insecure {
		return "http://" + n.exchange
	}
	return "https://" + n.exchange
}

// prepare makes or completes the folder. What exists and is still valid is kept;
// the configurations are written anew, for the ports of this run.
func prepare(dir string, places []place, ports []int, pager string, insecure bool, now time.Time) (*folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f := &folder{insecure: insecure, pager: pager}
	var err error
	if f.ca, err = loadAuthority(filepath.Join(dir, "ca"), now); err != nil {
		return nil, err
	}
	for i, p := range places {
		n := &node{place: p, dir: filepath.Join(dir, p.Name), insecure: insecure,
			listen:   net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[i])),
			exchange: net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[len(places)+i]))}
		f.nodes = append(f.nodes, n)
		for _, dir := range []string{backupDir, "sirens", "sirens-exercise"} {
			if err := os.MkdirAll(filepath.Join(n.dir, dir), 0o700); err != nil {
				return nil, err
			}
		}
		if err := f.ca.certify(n.dir, p.OID, now); err != nil {
			return nil, err
		}
		if err := signingKey(filepath.Join(n.dir, "signing.jwk")); err != nil {
			return nil, err
		}
		secret := filepath.Join(n.dir, pagerSecret)
		if _, err := os.Stat(secret); errors.Is(err, fs.ErrNotExist) {
			if err := os.WriteFile(secret, []byte(rand.Text()+"\n"), 0o600); err != nil {
				return nil, err
			}
		}
	}
	if err := f.loadPasswords(filepath.Join(dir, "passwords.json")); err != nil {
		return nil, err
	}
	for _, n := range f.nodes {
		text, err := yaml.Marshal(f.configOf(n))
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(n.config(), text, 0o600); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// clientTLS trusts the demo's authority only.
func (f *folder) clientTLS() *tls.Config {
	if f.insecure {
		return nil
	}
	pool := x509.NewCertPool()
	pool.AddCert(f.ca.cert)
	return &tls.Config{RootCAs: pool}
}

// loadPasswords reads the passwords and makes up the missing ones: of each desk
// and each person at their node, and of each node at its neighbours.
func (f *folder) loadPasswords(path string) error {
	f.passwords = map[string]string{}
	raw, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(raw, &f.passwords)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, at := range f.nodes {
		logins := []string{deskLogin}
		for _, p := range at.place.People {
			logins = append(logins, p.Login)
		}
		for _, n := range f.nodes {
			if n != at {
				logins = append(logins, n.place.Name)
			}
		}
		for _, login := range logins {
			if key := at.place.Name + "/" + login; f.passwords[key] == "" {
				f.passwords[key] = rand.Text()
			}
		}
	}
	if raw, err = json.MarshalIndent(f.passwords, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(path, append(raw, '\n'), 0o600)
}

// The configuration file, in the order in which a person reads it.
type configFile struct {
	Data     string          `yaml:"data"`
	Database string          `yaml:"database"`
	Listen   string          `yaml:"listen"`
	Language string          `yaml:"language"`
	Backup   backupConfig    `yaml:"backup"`
	Notify   notifyConfig    `yaml:"notify"`
	Exchange exchangeConfig  `yaml:"exchange"`
	Gateways []gatewayConfig `yaml:"gateways"`
	Channels channelsConfig  `yaml:"channels"`
}

// channelsConfig is the one way by which a demo can tell anybody, for it asks no host but its own:
// a folder in the place of the sirens' control, and one more for exercises.
type channelsConfig struct {
	List      []channelConfig  `yaml:"list"`
	Receivers []receiverConfig `yaml:"receivers"`
}

type channelConfig struct {
	Name     string          `yaml:"name"`
	Sort     string          `yaml:"sort"`
	Kind     string          `yaml:"kind"`
	Handover *handoverConfig `yaml:"handover,omitempty"`
}

type handoverConfig struct {
	Directory string `yaml:"directory"`
}

type receiverConfig struct {
	Name     string         `yaml:"name"`
	Language string         `yaml:"language"`
	Places   []string       `yaml:"places,flow"`
	Targets  []targetConfig `yaml:"targets"`
}

type targetConfig struct {
	Channel string `yaml:"channel"`
	To      string `yaml:"to"`
}

type notifyConfig struct {
	BaseURL  string          `yaml:"base_url"`
	Webhooks []webhookConfig `yaml:"webhooks"`
}

type webhookConfig struct {
	URL              string   `yaml:"url"`
	SecretFile       string   `yaml:"secret_file"`
	InsecureLoopback bool     `yaml:"insecure_loopback"`
	Classes          []string `yaml:"classes,flow"`
}

type backupConfig struct {
	Folder  string `yaml:"folder"`
	NodeKey string `yaml:"node_key"`
}

type exchangeConfig struct {
	OID              string              `yaml:"oid"`
	Operator         string              `yaml:"operator"`
	Listen           string              `yaml:"listen"`
	InsecureLoopback bool                `yaml:"insecure_loopback"`
	TLS              tlsFiles            `yaml:"tls"`
	SigningKey       string              `yaml:"signing_key"`
	TokenSecret      string              `yaml:"token_secret"`
	Accounts         []accountConfig     `yaml:"accounts"`
	Participants     []participantConfig `yaml:"participants"`
	Peers            []peerConfig        `yaml:"peers"`
}

type tlsFiles struct {
	Cert     string `yaml:"cert"`
	Key      string `yaml:"key"`
	ClientCA string `yaml:"client_ca"`
}

type accountConfig struct {
	Username string   `yaml:"username"`
	Password string   `yaml:"password"`
	Type     string   `yaml:"type"`
	OIDs     []string `yaml:"oids,flow"`
}

type participantConfig struct {
	ID                string            `yaml:"id"`
	Type              string            `yaml:"type"`
	SystemName        string            `yaml:"systemName"`
	OperatorName      string            `yaml:"operatorName"`
	OperatorShortName string            `yaml:"operatorShortName"`
	SupportedApps     []appConfig       `yaml:"supportedApps"`
	TechSupport       map[string]string `yaml:"techSupport"`
	Unsigned          bool              `yaml:"transmitsUnsignedMessages"`
}

type appConfig struct {
	AppID      string `yaml:"appId"`
	AppVersion string `yaml:"appVersion"`
}

type gatewayConfig struct {
	Name      string          `yaml:"name"`
	OID       string          `yaml:"oid"`
	System    string          `yaml:"system"`
	Partner   string          `yaml:"partner"`
	Addresses []addressConfig `yaml:"addresses"`
	Transport struct {
		Directory struct {
			Path string `yaml:"path"`
		} `yaml:"directory,flow"`
	} `yaml:"transport"`
}

type addressConfig struct {
	OID  string `yaml:"oid"`
	Name string `yaml:"name"`
}

type peerConfig struct {
	ID        string `yaml:"id"`
	OID       string `yaml:"oid"`
	BaseURL   string `yaml:"base_url"`
	Username  string `yaml:"username"`
	Password  string `yaml:"password"`
	DeskPhone string `yaml:"desk_phone"`
}

// configOf is the node's configuration: its desk as the one client, the other
// two nodes as peers with an account each.
func (f *folder) configOf(n *node) configFile {
	c := configFile{Data: "data", Listen: n.listen, Language: n.place.Language, Backup: backupConfig{backupDir, "node.key"},
		Notify: notifyConfig{"http://" + n.listen, []webhookConfig{{URL: f.pager + "/" + n.place.Name, SecretFile: pagerSecret, InsecureLoopback: true, Classes: []string{"A", "B"}}}}, Exchange: exchangeConfig{
			OID: n.place.OID, Operator: n.place.Operator, Listen: n.exchange, InsecureLoopback: n.insecure, SigningKey: "signing.jwk",
			Accounts: []accountConfig{{deskLogin, f.passwords[n.place.Name+"/"+deskLogin], roleDesk, []string{n.place.Desk}}},
			Participants: []participantConfig{{
				ID: n.place.Desk, Type: ucri.TypeClient, SystemName: n.place.System, OperatorName: n.place.Operator, OperatorShortName: n.place.Short,
				TechSupport: map[string]string{"phone": n.place.Phone, "e-mail": "support@" + n.place.Name + ".example"}, Unsigned: true,
			}},
		}}
	if !n.insecure {
		c.Exchange.TLS = tlsFiles{Cert: certFile, Key: keyFile, ClientCA: filepath.Join("..", "ca", caFile)}
	}
	sirens := receiverConfig{Name: n.place.Sirens, Language: n.place.Language, Places: n.place.SirenPlaces}
	for _, kind := range []string{"live", "exercise"} {
		name := func(sort string) string {
			if kind == "live" {
				return sort
			}
			return sort + "-" + kind
		}
		c.Channels.List = append(c.Channels.List, channelConfig{Name: name("sirens"), Sort: "handover", Kind: kind, Handover: &handoverConfig{name("sirens")}})
		sirens.Targets = append(sirens.Targets, targetConfig{name("sirens"), "sirens"})
	}
	c.Channels.Receivers = append(c.Channels.Receivers, sirens)
	apps := &c.Exchange.Participants[0].SupportedApps
	for _, a := range ucri.Apps() {
		*apps = append(*apps, appConfig{a.AppID, a.AppVersion})
	}
	for _, s := range n.place.Systems {
		c.Exchange.Participants = append(c.Exchange.Participants, n.participantOf(s))
		c.Gateways = append(c.Gateways, f.gatewayOf(s))
	}
	for _, o := range f.nodes {
		if o == n {
			continue
		}
		c.Exchange.Accounts = append(c.Exchange.Accounts, accountConfig{o.place.Name, f.passwords[n.place.Name+"/"+o.place.Name], "p2p", []string{o.place.OID}})
		c.Exchange.Peers = append(c.Exchange.Peers, peerConfig{
			ID: o.place.Name, OID: o.place.OID, BaseURL: o.exchangeURL() + "/ucrm/p2p/v0",
			Username: n.place.Name, Password: f.passwords[o.place.Name+"/"+n.place.Name], DeskPhone: o.place.Phone,
		})
	}
	return c
}

// participantOf is the participant that stands for a foreign system.
func (n *node) participantOf(s system) participantConfig {
	p := participantConfig{
		ID: s.OID, Type: ucri.TypeClient, SystemName: s.Title, OperatorName: s.Operator, OperatorShortName: s.Short,
		TechSupport: map[string]string{"phone": n.place.Phone, "e-mail": "support@" + n.place.Name + ".example"}, Unsigned: true,
	}
	for _, a := range ucri.Apps() {
		if slices.Contains(foreignApps, a.AppID) {
			p.SupportedApps = append(p.SupportedApps, appConfig{a.AppID, a.AppVersion})
		}
	}
	return p
}

// gatewayOf is the line to a foreign system: a folder, so that the demo needs no more
// ports. Every other address of the demo has a name there.
func (f *folder) gatewayOf(s system) gatewayConfig {
	c := gatewayConfig{Name: s.Name, OID: s.OID, System: s.Adapter, Partner: s.Partner}
	c.Transport.Directory.Path = s.Name
	for _, n := range f.nodes {
		c.Addresses = append(c.Addresses, addressConfig{n.place.Desk, n.place.partnerName()})
		for _, o := range n.place.Systems {
			if o.OID != s.OID {
				c.Addresses = append(c.Addresses, addressConfig{o.OID, o.Partner})
			}
		}
	}
	return c
}

// signingKey makes the RSA key of a node unless there is a good one.
func signingKey(path string) error {
	raw, err := os.ReadFile(path)
	if err == nil {
		if _, err = ucri.ParsePrivateJWK(raw); err == nil {
			return nil
		}
		return fmt.Errorf("%s: %w", path, err)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	key, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return err
	}
	if raw, err = json.MarshalIndent(privateJWK(key), "", "  "); err != nil {
		return err
	}
	return os.WriteFile(path, append(raw, '\n'), 0o600)
}

// privateJWK writes a key of two primes. spec: RFC 7518 §6.3.2.
func privateJWK(k *rsa.PrivateKey) map[string]string {
	jwk := map[string]string{"kty": "RSA"}
	for name, v := range map[string]*big.Int{
		"n": k.N, "e": big.NewInt(int64(k.E)), "d": k.D, "p": k.Primes[0], "q": k.Primes[1],
		"dp": k.Precomputed.Dp, "dq": k.Precomputed.Dq, "qi": k.Precomputed.Qinv,
	} {
		jwk[name] = base64.RawURLEncoding.EncodeToString(v.Bytes())
	}
	return jwk
}

// choosePorts replaces the taken ones among the wanted ports by free ones. All
// are held until the choice is made, so that none comes twice.
func (d *demo) choosePorts(ctx context.Context, wanted []int) ([]int, error) {
	var lc net.ListenConfig
	ports := make([]int, len(wanted))
	for i, p := range wanted {
		l, err := lc.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err != nil {
			if l, err = lc.Listen(ctx, "tcp4", "127.0.0.1:0"); err != nil {
				return nil, &problem.Error{Op: "demo: port", Key: "demo.error.port", Args: i18n.Args{"detail": err.Error()}, Err: err}
			}
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
		if ports[i] != p && p != 0 {
			d.say("demo.port.taken", i18n.Args{"port": strconv.Itoa(p), "other": strconv.Itoa(ports[i])})
		}
	}
	return ports, nil
}

// readKeyPair reads a certificate and its key. fs.ErrNotExist: there is none.
func readKeyPair(cert, key string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, nil, err
	}
	k, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil, fmt.Errorf("%s: not an ECDSA key", key)
	}
	return pair.Leaf, k, nil
}
