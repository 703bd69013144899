package exchange

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// certificateCheck is how often the files are looked at for renewed certificates.
const certificateCheck = 10 * time.Second

// Fingerprint identifies a certificate: SHA-256 of its DER form in lower-case
// hexadecimal digits.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// security is the certificate the node shows and the authorities it trusts. Both
// files are reread while it runs.
type security struct {
	pair  *KeyPair
	roots *rootFile // nil: no authority is trusted
}

// loadTLS reads the files once, so that mistakes show at the start.
func loadTLS(c TLSConfig, dir string) (*security, error) {
	abs := func(p string) string {
		if p == "" || filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(dir, p)
	}
	s := &security{pair: &KeyPair{Cert: abs(c.Cert), Key: abs(c.Key)}}
	if _, err := s.pair.Get(); err != nil {
		return nil, fmt.Errorf("exchange: tls: %w", err)
	}
	if c.ClientCA != "" {
		s.roots = &rootFile{path: abs(c.ClientCA)}
		if _, err := s.roots.get(); err != nil {
			return nil, fmt.Errorf("exchange: tls: %w", err)
		}
	}
	return s, nil
}

// dial is the configuration for calling a peer; whose certificate is taken there
// verifyPeer decides.
func (s *security) dial() *tls.Config {
	if s == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:           tls.VersionTLS13,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return s.pair.Get() },
	}
}

// servingTLS is the configuration for being called. Only TLS 1.3 is spoken. A
// client's certificate is asked for from everybody, must be trusted when one is
// shown, and is demanded on the P2P paths (http_account.go).
func (n *Node) servingTLS() *tls.Config {
	if n.security == nil {
		return nil
	}
	base := &tls.Config{
		MinVersion:       tls.VersionTLS13,
		GetCertificate:   func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return n.security.pair.Get() },
		NextProtos:       []string{"http/1.1"},
		VerifyConnection: func(s tls.ConnectionState) error { return n.verifyCaller(s.PeerCertificates) },
	}
	base.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c := base.Clone()
		c.GetConfigForClient = nil
		pinned := len(n.peers().pinned) > 0
		if n.security.roots != nil {
			r, err := n.security.roots.get()
			if err != nil {
				return nil, err
			}
			// Some clients keep back a certificate of another authority than those
			// named; one that signed its own would never be shown.
			if c.ClientAuth = tls.RequestClientCert; !pinned {
				c.ClientCAs = r.pool
			}
		} else if pinned {
			c.ClientAuth = tls.RequestClientCert
		}
		return c, nil
	}
	return base
}

var (
	errUntrusted = errors.New("the certificate is of no trusted authority and its fingerprint is not accepted")
	errUnlisted  = errors.New("the certificate's fingerprint is not among those accepted for this neighbour")
	errRevoked   = errors.New("the certificate was revoked here")
	errOtherNode = errors.New("the certificate names another node")
)

// verifyCaller tells whether a certificate shown to us may be used, now. An
// authority vouches for the peers of the configuration file only: of a connected
// one people read out the fingerprint to each other, and nothing else counts.
func (n *Node) verifyCaller(chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return nil
	}
	peers, fp := n.peers(), Fingerprint(chain[0])
	if p := peers.pinned[fp]; p != nil {
		return p.takesPinned(chain[0])
	}
	if peers.revoked[fp] {
		return errRevoked
	}
	for _, oid := range certificateOIDs(chain[0]) {
		if p := peers.byOID[oid]; p != nil && p.connected() {
			return errUnlisted
		}
	}
	return n.security.chains(chain, fp, x509.ExtKeyUsageClientAuth, "")
}

// verifyPeer tells whether a peer may show a certificate when we call it; what
// verifyCaller says of authorities holds here too.
func verifyPeer(s *security, p *peer, host string) func(tls.ConnectionState) error {
	return func(c tls.ConnectionState) error {
		leaf := c.PeerCertificates[0]
		fp := Fingerprint(leaf)
		var err error
		switch {
		case p.accepted[fp]:
			err = p.takesPinned(leaf)
		case p.revoked[fp]:
			err = errRevoked
		case p.connected():
			err = errUnlisted
		default:
			err = s.chains(c.PeerCertificates, fp, x509.ExtKeyUsageServerAuth, host)
		}
		if err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: c.PeerCertificates, Err: err}
		}
		return nil
	}
}

// takesPinned checks what a fingerprint does not tell: that the certificate is
// valid now, and that it does not name another node.
func (p *peer) takesPinned(leaf *x509.Certificate) error {
	now := time.Now()
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return x509.CertificateInvalidError{Cert: leaf, Reason: x509.Expired}
	}
	if oids := certificateOIDs(leaf); len(oids) > 0 && !slices.Contains(oids, p.OID) {
		return errOtherNode
	}
	return nil
}

// chains verifies a chain up to one of our authorities, for a host if one is
// given. What was found is kept until a certificate of the chain ends.
func (s *security) chains(chain []*x509.Certificate, fp string, use x509.ExtKeyUsage, host string) error {
	if s.roots == nil {
		return errUntrusted
	}
	r, err := s.roots.get()
	if err != nil {
		return err
	}
	memo := verdict{fp, use, host}
	if until, ok := r.known.Load(memo); ok && time.Now().Before(until.(time.Time)) {
		return nil
	}
	others := x509.NewCertPool()
	for _, c := range chain[1:] {
		others.AddCert(c)
	}
	found, err := chain[0].Verify(x509.VerifyOptions{Roots: r.pool, Intermediates: others, DNSName: host, KeyUsages: []x509.ExtKeyUsage{use}})
	if err != nil {
		return err
	}
	until := chain[0].NotAfter
	for _, c := range found[0] {
		if c.NotAfter.Before(until) {
			until = c.NotAfter
		}
	}
	r.known.Store(memo, until)
	return nil
}

// KeyPair is a certificate with its chain and key in PEM files, which are reread
// when they change, so that a renewed one is used without a restart. An unreadable
// new one leaves the old in use. It is safe for concurrent use.
type KeyPair struct {
	Cert, Key string // paths

	mu      sync.Mutex
	pair    *tls.Certificate
	fault   error
	changed time.Time
	checked time.Time
}

// Get returns the pair to use now, an error if there never was one.
func (k *KeyPair) Get() (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pair != nil && time.Since(k.checked) < certificateCheck {
		return k.pair, nil
	}
	k.checked = time.Now()
	info, err := os.Stat(k.Cert)
	if err == nil && k.pair != nil && info.ModTime().Equal(k.changed) {
		k.fault = nil
		return k.pair, nil
	}
	pair, err2 := tls.LoadX509KeyPair(k.Cert, k.Key)
	k.fault = err2
	if err2 != nil {
		if k.pair != nil {
			return k.pair, nil
		}
		return nil, err2
	}
	k.pair = &pair
	if err == nil {
		k.changed = info.ModTime()
	}
	return k.pair, nil
}

// Fault is why the files as Get saw them last can't be used, nil if they can.
func (k *KeyPair) Fault() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fault
}

// rootFile rereads the authorities in the same way.
type rootFile struct {
	path string

	mu      sync.Mutex
	roots   *roots
	changed time.Time
	checked time.Time
}

// roots are the authorities of one state of the file, with what was verified by
// them.
type roots struct {
	pool  *x509.CertPool
	known sync.Map // verdict → until when (time.Time)
}

type verdict struct {
	fingerprint string
	use         x509.ExtKeyUsage
	host        string
}

func (f *rootFile) get() (*roots, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.roots != nil && time.Since(f.checked) < certificateCheck {
		return f.roots, nil
	}
	f.checked = time.Now()
	info, err := os.Stat(f.path)
	if err == nil && f.roots != nil && info.ModTime().Equal(f.changed) {
		return f.roots, nil
	}
	pool := x509.NewCertPool()
	pem, err2 := os.ReadFile(f.path)
	if err2 == nil && !pool.AppendCertsFromPEM(pem) {
		err2 = fmt.Errorf("no certificate in %s", f.path)
	}
	if err2 != nil {
		if f.roots != nil {
			return f.roots, nil
		}
		return nil, err2
	}
	f.roots = &roots{pool: pool}
	if err == nil {
		f.changed = info.ModTime()
	}
	return f.roots, nil
}

// KeyPair is what the node shows, nil without TLS.
func (n *Node) KeyPair() *KeyPair {
	if n.security == nil {
		return nil
	}
	return n.security.pair
}

// Certificate returns the certificate the node shows, nil without TLS.
func (n *Node) Certificate() (*x509.Certificate, error) {
	if n.security == nil {
		return nil, nil
	}
	pair, err := n.security.pair.Get()
	if err != nil {
		return nil, fmt.Errorf("exchange: tls: %w", err)
	}
	return x509.ParseCertificate(pair.Certificate[0])
}

// ParseFingerprint reads a fingerprint as people write and read it out: 64
// hexadecimal digits, with colons, spaces or hyphens between them as they like.
// ok is false when it is anything else.
func ParseFingerprint(s string) (fingerprint string, ok bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if _, after, found := strings.Cut(s, "="); found {
		s = after // as openssl prints it
	}
	s = strings.Map(func(r rune) rune {
		switch r {
		case ':', ' ', '-', '\t', '\n', '\r', '\u00a0', '\u202f':
			return -1
		}
		return r
	}, s)
	raw, err := hex.DecodeString(s)
	return s, err == nil && len(raw) == sha256.Size
}
