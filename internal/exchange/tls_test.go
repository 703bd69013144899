package exchange

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/format/ucri"
)

// authority issues the certificates of one test.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t, cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func serial() *big.Int {
	n, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	return n
}

// issue writes a certificate for 127.0.0.1 with the given OIDs to dir, good until end.
func (a *authority) issue(dir, name string, end time.Time, oids ...string) (certFile, keyFile string) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: end,
	}
	for _, oid := range oids {
		tmpl.URIs = append(tmpl.URIs, &url.URL{Scheme: "urn", Opaque: "oid:" + oid})
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	a.file(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
	a.file(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return certFile, keyFile
}

func (a *authority) file(path string, text []byte) string {
	a.t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

var later = time.Now().Add(24 * time.Hour)

// secured makes the configuration one of a node with TLS.
func (a *authority) secured(dir, name, oid string) func(*Config) {
	cert, key := a.issue(dir, name, later, oid)
	ca := a.file(filepath.Join(dir, "ca.pem"), a.pem)
	return func(c *Config) {
		c.InsecureLoopback, c.TLS = false, TLSConfig{Cert: cert, Key: key, ClientCA: ca}
		for i := range c.Peers {
			c.Peers[i].BaseURL = "https://127.0.0.1:1" + p2pPath
		}
	}
}

// caller returns a client that shows the certificate always, whatever authority
// the server names; without one it shows none.
func (a *authority) caller(certFile, keyFile string, change ...func(*tls.Config)) *http.Client {
	a.t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	conf := &tls.Config{RootCAs: pool}
	if certFile != "" {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			a.t.Fatal(err)
		}
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	for _, f := range change {
		f(conf)
	}
	tr := &http.Transport{TLSClientConfig: conf}
	a.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

// try asks for something with HTTP Basic (a token's user) or a bearer token.
func try(t testing.TB, c *http.Client, url, user, password, bearer string) (int, ucri.Code, string, error) {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, 0, "", err
	}
	defer res.Body.Close()
	raw, _ := io.ReadAll(res.Body)
	var body struct {
		ucri.ErrorBody
		Token string `json:"token"`
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		t.Errorf("%d is no JSON: %.100s", res.StatusCode, raw)
	}
	return res.StatusCode, body.Code, body.Token, nil
}

func TestMutualTLS(t *testing.T) {
	t.Parallel()
	ca, stranger := newAuthority(t), newAuthority(t)
	dir := t.TempDir()
	r := newRig(t, ca.secured(dir, "node", nodeOID), func(c *Config) {
		c.Accounts = append(c.Accounts, Account{Username: "farOnly", Password: "pf", Type: "p2p", OIDs: []string{peerOID}})
	})
	base := "https://" + r.serve()
	cert := func(a *authority, name string, end time.Time, oids ...string) (string, string) {
		return a.issue(dir, name, end, oids...)
	}
	far := ca.caller(cert(ca, "far", later, peerOID))

	t.Run("correct peer", func(t *testing.T) {
		code, _, token, err := try(t, far, base+p2pPath+"/token", "neighbours", "pn", "")
		if err != nil || code != 200 {
			t.Fatalf("%d, %v", code, err)
		}
		for _, path := range []string{"/info", "/registry"} {
			if code, _, _, err := try(t, far, base+p2pPath+path, "", "", token); err != nil || code != 200 {
				t.Errorf("%s: %d, %v", path, code, err)
			}
		}
		t.Run("token from another certificate", func(t *testing.T) {
			for name, thief := range map[string]*http.Client{
				"another node's":       ca.caller(cert(ca, "other", later, otherOID)),
				"another of this node": ca.caller(cert(ca, "far2", later, peerOID)),
				"none":                 ca.caller("", ""),
			} {
				if code, c, _, err := try(t, thief, base+p2pPath+"/registry", "", "", token); err != nil || code != 401 || c != ucri.CodeUnauthorized {
					t.Errorf("%s: %d/%d, %v", name, code, c, err)
				}
			}
		})
	})
	t.Run("no certificate", func(t *testing.T) {
		bare := ca.caller("", "")
		for _, path := range []string{"/token", "/info", "/registry"} {
			if code, c, _, err := try(t, bare, base+p2pPath+path, "neighbours", "pn", ""); err != nil || code != 401 || c != ucri.CodeUnauthorized {
				t.Errorf("p2p%s: %d/%d, %v", path, code, c, err)
			}
		}
		code, _, token, err := try(t, bare, base+clientPath+"/token", "desk1", "p1", "")
		if err != nil || code != 200 {
			t.Fatalf("client token: %d, %v", code, err)
		}
		if code, _, _, err := try(t, bare, base+clientPath+"/info", "", "", token); err != nil || code != 200 {
			t.Errorf("client info: %d, %v", code, err)
		}
	})
	t.Run("wrong OID", func(t *testing.T) {
		for name, oids := range map[string][]string{"unknown": {"9.9.9"}, "ours": {nodeOID}, "none": nil, "longer": {peerOID + ".1"}} {
			c := ca.caller(cert(ca, "wrong-"+name, later, oids...))
			if code, e, _, err := try(t, c, base+p2pPath+"/token", "neighbours", "pn", ""); err != nil || code != 401 || e != ucri.CodeUnauthorized {
				t.Errorf("%s: %d/%d, %v", name, code, e, err)
			}
		}
	})
	t.Run("account of another OID", func(t *testing.T) {
		other := ca.caller(cert(ca, "other2", later, otherOID))
		if code, _, _, err := try(t, other, base+p2pPath+"/token", "farOnly", "pf", ""); err != nil || code != 401 {
			t.Errorf("%d, %v", code, err)
		}
		if code, _, _, err := try(t, far, base+p2pPath+"/token", "farOnly", "pf", ""); err != nil || code != 200 {
			t.Errorf("its own: %d, %v", code, err)
		}
	})
	// These fail in the handshake, with anything they ask for.
	for name, c := range map[string]*http.Client{
		"wrong authority":     ca.caller(cert(stranger, "stranger", later, peerOID)),
		"expired certificate": ca.caller(cert(ca, "expired", time.Now().Add(-time.Hour), peerOID)),
		"TLS 1.2":             ca.caller(filepath.Join(dir, "far.crt"), filepath.Join(dir, "far.key"), func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }),
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{p2pPath, clientPath} {
				if code, _, _, err := try(t, c, base+path+"/token", "neighbours", "pn", ""); err == nil {
					t.Errorf("%s answered %d", path, code)
				}
			}
		})
	}
	t.Run("plain HTTP", func(t *testing.T) {
		res, err := http.Get("http" + strings.TrimPrefix(base, "https") + clientPath + "/info")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == 200 {
				t.Error("answered without TLS")
			}
		}
	})
}

// Neighbours that share an account do not share its allowance.
func TestAllowanceByCertificate(t *testing.T) {
	ca := newAuthority(t)
	dir := t.TempDir()
	r := newRig(t, ca.secured(dir, "node", nodeOID), func(c *Config) { c.Limits.MessagesPerSecond = 2 })
	base := "https://" + r.serve()
	codes := map[string][]int{}
	for i, p := range []struct{ name, oid, source string }{{"far", peerOID, far1}, {"other", otherOID, farther}} {
		c := ca.caller(ca.issue(dir, p.name, later, p.oid))
		_, _, token, err := try(t, c, base+p2pPath+"/token", "neighbours", "pn", "")
		if err != nil {
			t.Fatal(err)
		}
		for k := range 3 - i {
			body := letter(p.source, desk1, with("messageId", id(i*10+k)), with("sentDate", ucri.FormatTime(r.clk.Now())), with("timeout", 60), with("ack", "NONE"))
			req, _ := http.NewRequest("POST", base+p2pPath+"/messaging/send", bytes.NewReader(body))
			req.Header.Set("Authorization", "Bearer "+token)
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			codes[p.name] = append(codes[p.name], res.StatusCode)
		}
	}
	if fmt.Sprint(codes) != "map[far:[200 200 429] other:[200 200]]" {
		t.Error(codes)
	}
}

// Two nodes exchange messages over mutual TLS, receipts and availability included,
// and go on when one of them gets a new certificate, without a restart.
func TestTwoNodesOverTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	dir := t.TempDir()
	a := newRig(t, ca.secured(dir, "a", nodeOID))
	addrA := a.serve()
	secure := ca.secured(dir, "b", peerOID)
	b := newRig(t, func(c *Config) {
		c.OID = peerOID
		c.Participants = []any{record(far1)}
		c.Accounts = []Account{{Username: "desk", Password: "p", Type: "client", OIDs: []string{far1}}, {Username: "neighbours", Password: "pn", Type: "p2p"}}
		c.Peers = []Peer{{ID: "a", OID: nodeOID, Username: "neighbours", Password: "pn"}}
		secure(c)
		c.Peers[0].BaseURL = "https://" + addrA + p2pPath
	})
	addrB := b.serve()
	// a was there first; it learns the address of b as a restart would.
	cfg := a.cfg
	cfg.Peers = []Peer{{ID: "far", OID: peerOID, BaseURL: "https://" + addrB + p2pPath, Username: "neighbours", Password: "pn"}}
	sec, err := loadTLS(cfg.TLS, "")
	if err != nil {
		t.Fatal(err)
	}
	if a.configured, err = newPeers(cfg, sec, "test"); err != nil {
		t.Fatal(err)
	}
	a.neighbours.Store(newNeighbours(a.configured))
	runFor(t, a.Run)
	runFor(t, b.Run)
	until(t, "both have read the other's register", func() bool {
		return a.registry.Load().lookup(far1) != nil && b.registry.Load().lookup(desk1) != nil && a.ready.Load() && b.ready.Load()
	})
	round := func(n int) {
		t.Helper()
		a.send("desk1", letter(desk1, far1, with("messageId", id(n)), with("ack", "ALL")))
		until(t, "the message is there", func() bool { return len(b.read("desk", far1)) == 1 })
		got := b.read("desk", far1)[0]
		if got.ID != id(n) || got.Source != desk1 {
			t.Fatalf("%+v", got)
		}
		if err := b.commit(t.Context(), far1, got.Seq); err != nil {
			t.Fatal(err)
		}
		until(t, "the receipt is there", func() bool { r := a.receipts("desk1", desk1)[id(n)]; return len(r) == 1 && r[0] == 200 })
	}
	round(1)
	until(t, "b's desk is online at a", func() bool {
		p := a.registry.Load().lookup(far1)
		return p != nil && p.rec.Status == ucri.StatusOnline
	})

	// A renewed certificate of b, in the same files.
	before := served(t, ca, addrB)
	ca.issue(dir, "b", later.Add(time.Hour), peerOID)
	future := time.Now().Add(time.Minute)
	if err := os.Chtimes(filepath.Join(dir, "b.crt"), future, future); err != nil {
		t.Fatal(err)
	}
	until(t, "the new certificate is served", func() bool { return !bytes.Equal(served(t, ca, addrB), before) })
	for n := 2; n < 12; n++ { // old and new connections side by side
		round(n)
	}
}

// served returns the certificate at an address.
func served(t testing.TB, ca *authority, addr string) []byte {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Raw
}

// A new pair is taken up when both files fit; a broken one leaves the old in use.
func TestKeyPairRenewal(t *testing.T) {
	ca := newAuthority(t)
	dir := t.TempDir()
	cert, key := ca.issue(dir, "n", later, nodeOID)
	k := &KeyPair{Cert: cert, Key: key}
	first, err := k.Get()
	if err != nil {
		t.Fatal(err)
	}
	look := func() *tls.Certificate {
		t.Helper()
		k.checked = time.Time{} // the interval has passed
		c, err := k.Get()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	oldCert, _ := os.ReadFile(cert)
	stamp := time.Now()
	touch := func() {
		stamp = stamp.Add(time.Minute)
		if err := os.Chtimes(cert, stamp, stamp); err != nil {
			t.Fatal(err)
		}
	}
	if look() != first {
		t.Error("reread without a change")
	}
	ca.issue(dir, "n", later, nodeOID)
	newCert, _ := os.ReadFile(cert)
	newKey, _ := os.ReadFile(key)
	ca.file(cert, []byte("half a cert"))
	touch()
	if look() != first || k.Fault() == nil {
		t.Error("a broken certificate was taken up, or is no fault")
	}
	ca.file(cert, oldCert) // fits the old key only
	touch()
	if look() != first {
		t.Error("a pair that does not fit was taken up")
	}
	ca.file(cert, newCert)
	touch()
	second := look()
	if second == first || k.Fault() != nil || !bytes.Contains(newKey, []byte("PRIVATE")) {
		t.Error("the new pair was not taken up")
	}
	os.Remove(cert)
	if look() != second {
		t.Error("a missing file ended the use of the pair")
	}
}

func TestLoadTLSRefuses(t *testing.T) {
	ca := newAuthority(t)
	dir := t.TempDir()
	cert, key := ca.issue(dir, "n", later, nodeOID)
	empty := ca.file(filepath.Join(dir, "empty.pem"), []byte("nothing"))
	for name, c := range map[string]TLSConfig{
		"no certificate":   {Cert: filepath.Join(dir, "none"), Key: key},
		"no key":           {Cert: cert, Key: filepath.Join(dir, "none")},
		"no authority":     {Cert: cert, Key: key, ClientCA: filepath.Join(dir, "none")},
		"empty authority":  {Cert: cert, Key: key, ClientCA: empty},
		"cert is no cert":  {Cert: empty, Key: key},
		"key of the other": {Cert: cert, Key: cert},
	} {
		if _, err := loadTLS(c, dir); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	// Paths are relative to the configuration's folder.
	if _, err := loadTLS(TLSConfig{Cert: "n.crt", Key: "n.key"}, dir); err != nil {
		t.Error(err)
	}
}
