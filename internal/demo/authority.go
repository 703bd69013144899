package demo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	caFile   = "ca.pem"
	certFile = "cert.pem"
	keyFile  = "key.pem"

	// certLife lets a kept folder work for a year; who needs it longer gets new
	// certificates at the next start.
	certLife = 365 * 24 * time.Hour
	// certSpare is the life a certificate must have left to be used once more.
	certSpare = 7 * 24 * time.Hour
	// certSkew is how far another clock of the same machine may be behind.
	certSkew = time.Hour
)

// authority is the demo's own certificate authority. Its key never leaves the
// folder, and nothing else trusts it.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// loadAuthority reads the authority or makes a new one.
func loadAuthority(dir string, now time.Time) (*authority, error) {
	certPath, keyPath := filepath.Join(dir, caFile), filepath.Join(dir, keyFile)
	cert, key, err := readKeyPair(certPath, keyPath)
	if err == nil && now.Add(certSpare).Before(cert.NotAfter) {
		return &authority{cert, key}, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	a := &authority{}
	cert, err = a.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "Trojmezí demo CA"}, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, certPath, keyPath, now)
	if err != nil {
		return nil, err
	}
	a.cert = cert
	return a, nil
}

// certify gives the node in dir a certificate for both ends of a connection,
// unless it has a good one. It names the node's OID (RFC 3061).
func (a *authority) certify(dir, oid string, now time.Time) error {
	certPath, keyPath := filepath.Join(dir, certFile), filepath.Join(dir, keyFile)
	name := &url.URL{Scheme: "urn", Opaque: "oid:" + oid}
	cert, _, err := readKeyPair(certPath, keyPath)
	if err == nil && cert.CheckSignatureFrom(a.cert) == nil && now.Add(certSpare).Before(cert.NotAfter) &&
		slices.ContainsFunc(cert.URIs, func(u *url.URL) bool { return u.String() == name.String() }) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, err = a.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: oid}, URIs: []*url.URL{name},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, certPath, keyPath, now)
	return err
}

// issue signs a certificate for a new key and writes both. The first one an
// authority issues is its own.
func (a *authority) issue(tpl *x509.Certificate, certPath, keyPath string, now time.Time) (*x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	parent := a.cert
	if parent == nil {
		parent, a.key = tpl, key
	}
	// RFC 5280 §4.1.2.2: the serial number is chosen at random by CreateCertificate.
	tpl.NotBefore, tpl.NotAfter = now.Add(-certSkew), now.Add(certLife)
	der, err := x509.CreateCertificate(rand.Reader, tpl, parent, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(keyPath, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(certPath, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
