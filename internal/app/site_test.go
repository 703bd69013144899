package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"trojmezi/internal/kernel/i18n"
)

// writePair writes a self-signed certificate with a serial number and its key.
func writePair(t testing.TB, cert, key string, serial int64, ends time.Time) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: []string{"node.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{key: {Type: "PRIVATE KEY", Bytes: raw}, cert: {Type: "CERTIFICATE", Bytes: der}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A renewed certificate for browsers is used without a restart, and health tells
// of the one in use, not of what lies beside it.
func TestListenTLSRenewal(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "site.pem"), filepath.Join(dir, "site.key")
	day := 24 * time.Hour
	writePair(t, cert, key, 1, time.Now().Add(20*day))
	n := builtNode(t, func(m map[string]any) { m["listen_tls"] = map[string]any{"cert": cert, "key": key} })
	s, err := n.site()
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	go http.Serve(s.l, http.NotFoundHandler())
	shown := func() int64 {
		t.Helper()
		conn, err := tls.Dial("tcp", s.l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	found := func() (out []string) {
		t.Helper()
		for _, l := range n.health.Examine(t.Context()).Answer(n.texts, i18n.En).Ill {
			if l.Check == "certificate" {
				out = append(out, l.Object)
			}
		}
		return out
	}
	if got := shown(); got != 1 {
		t.Fatalf("certificate %d", got)
	}
	if got := found(); len(got) != 1 || got[0] != cert { // it ends in 20 days
		t.Errorf("%v", got)
	}
	writePair(t, cert, key, 2, time.Now().Add(400*day))
	if err := os.Chtimes(cert, time.Time{}, time.Now().Add(time.Minute)); err != nil { // file systems that count seconds
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); shown() != 2; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the renewed certificate is not used")
		}
	}
	if all := n.certificates(); len(all) != 1 || all[0].Err != nil || all[0].NotAfter.Before(time.Now().Add(300*day)) {
		t.Errorf("%+v", all)
	}
	// A new one that can't be used is a finding beside the old, which goes on.
	if err := os.WriteFile(cert, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		if all := n.certificates(); len(all) == 2 && all[0].Err == nil && all[1].Err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", n.certificates())
		}
	}
	if got := shown(); got != 2 {
		t.Errorf("certificate %d", got)
	}
}
