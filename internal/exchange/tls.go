package exchange

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// certificateCheck is how often the files are looked at for a renewed certificate.
const certificateCheck = 10 * time.Second

// loadTLS returns the configurations for serving and for calling peers. Only
// TLS 1.3 is spoken. A client's certificate is asked for from everybody, must be
// of the given CA when one is shown, and is demanded on the P2P paths (account.go).
func loadTLS(c TLSConfig, dir string) (serve, dial *tls.Config, err error) {
	abs := func(p string) string {
		if p == "" || filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(dir, p)
	}
	k := &keyPair{cert: abs(c.Cert), key: abs(c.Key)}
	if _, err := k.get(); err != nil {
		return nil, nil, fmt.Errorf("exchange: tls: %w", err)
	}
	serve = &tls.Config{
		MinVersion:     tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return k.get() },
		NextProtos:     []string{"http/1.1"},
	}
	dial = &tls.Config{
		MinVersion:           tls.VersionTLS13,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return k.get() },
	}
	if c.ClientCA != "" {
		pem, err := os.ReadFile(abs(c.ClientCA))
		if err != nil {
			return nil, nil, fmt.Errorf("exchange: tls: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, nil, fmt.Errorf("exchange: tls: no certificate in %s", c.ClientCA)
		}
		serve.ClientCAs, serve.ClientAuth = pool, tls.VerifyClientCertIfGiven
		dial.RootCAs = pool
	}
	return serve, dial, nil
}

// keyPair rereads its files when they change, so that a renewed certificate is
// used without a restart. An unreadable new one leaves the old in use.
type keyPair struct {
	cert, key string

	mu      sync.Mutex
	pair    *tls.Certificate
	changed time.Time
	checked time.Time
}

func (k *keyPair) get() (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pair != nil && time.Since(k.checked) < certificateCheck {
		return k.pair, nil
	}
	k.checked = time.Now()
	info, err := os.Stat(k.cert)
	if err == nil && k.pair != nil && info.ModTime().Equal(k.changed) {
		return k.pair, nil
	}
	pair, err2 := tls.LoadX509KeyPair(k.cert, k.key)
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
