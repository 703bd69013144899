package exchange

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// selfSigned writes a certificate that no authority signed over the files of a
// node, and returns its fingerprint.
func selfSigned(t testing.TB, dir, name string, end time.Time) (certFile, keyFile, fingerprint string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	for file, block := range map[string]*pem.Block{keyFile: {Type: "PRIVATE KEY", Bytes: raw}, certFile: {Type: "CERTIFICATE", Bytes: der}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile, Fingerprint(leaf)
}

// side is one of two nodes that know nothing of each other.
type side struct {
	*rig
	dir, name, addr, fp string
	link                string // id of the link to the other one
}

func newSide(t testing.TB, name string, change func(*Config)) *side {
	t.Helper()
	s := &side{dir: t.TempDir(), name: name, link: "to-" + name}
	cert, key, fp := selfSigned(t, s.dir, name, later)
	s.fp = fp
	s.rig = newRig(t, func(c *Config) {
		c.InsecureLoopback, c.Peers, c.TLS = false, nil, TLSConfig{Cert: cert, Key: key}
		change(c)
	})
	s.addr = s.serve()
	return s
}

// twoSides are nodes without any peer in their configuration, at work.
func twoSides(t testing.TB) (a, b *side) {
	t.Helper()
	a = newSide(t, "a", func(c *Config) { c.Accounts, c.SigningKey = c.Accounts[:2], signingKey() })
	b = newSide(t, "b", func(c *Config) {
		c.SigningKey = signingKey()
		c.OID = peerOID
		c.Participants = []any{record(far1)}
		c.Accounts = []Account{{Username: "desk", Password: "p", Type: "client", OIDs: []string{far1}}}
	})
	runFor(t, a.Run)
	runFor(t, b.Run)
	return a, b
}

// signingKey is one that a configuration may hold: nodes that sign meet each other
// as well.
var signingKey = sync.OnceValue(func() map[string]any {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	jwk := map[string]any{"kty": "RSA"}
	for name, v := range map[string]*big.Int{
		"n": k.N, "e": big.NewInt(int64(k.E)), "d": k.D, "p": k.Primes[0], "q": k.Primes[1],
		"dp": k.Precomputed.Dp, "dq": k.Precomputed.Dq, "qi": k.Precomputed.Qinv,
	} {
		jwk[name] = base64.RawURLEncoding.EncodeToString(v.Bytes())
	}
	return jwk
})

// meet enters at s what the other side read out.
func (s *side) meet(other *side, login, password string, edits ...func(*Link)) {
	s.t.Helper()
	l := Link{
		Peer: Peer{ID: s.link, OID: other.cfg.OID, BaseURL: "https://" + other.addr + p2pPath, Username: login, Password: password},
		Name: other.name, Organisation: "o", Login: s.link, Secret: "secret of " + s.name, CreatedBy: "p1",
	}
	for _, f := range edits {
		f(&l)
	}
	s.write(func(tx *store.Tx) error {
		faults, err := s.LinkFaults(tx, l)
		if err != nil || len(faults) > 0 {
			return fmt.Errorf("%v %v", faults, err)
		}
		if err := s.PutLink(tx, l); err != nil {
			return err
		}
		return s.AcceptCertificate(tx, l.ID, other.fp, "p1", "")
	})
}

func (s *side) theLink() (l Link) {
	s.t.Helper()
	if err := s.db.Read(s.t.Context(), func(tx *store.Tx) (err error) { l, err = s.Link(tx, s.link); return err }); err != nil {
		s.t.Fatal(err)
	}
	return l
}

func (s *side) goLive() {
	s.t.Helper()
	s.write(func(tx *store.Tx) error {
		if _, err := s.ConfirmCertificates(tx, s.link, "", "p2"); err != nil {
			return err
		}
		return s.SetLinkState(tx, s.link, LinkLive)
	})
}

// connected are two sides with a live link.
func connected(t testing.TB) (a, b *side) {
	t.Helper()
	a, b = twoSides(t)
	a.meet(b, b.link, "secret of b")
	b.meet(a, a.link, "secret of a")
	a.goLive()
	b.goLive()
	until(t, "both know the other's desks", func() bool {
		return a.registry.Load().lookup(far1) != nil && b.registry.Load().lookup(desk1) != nil
	})
	return a, b
}

func failures(checks []LinkCheck) string {
	var out []string
	for _, c := range checks {
		if c.Cause != "" {
			out = append(out, string(c.Step)+":"+c.Cause)
		}
	}
	return strings.Join(out, " ")
}

// Two nodes with self-signed certificates and no peer in their files are connected
// while they run: first for what nodes tell each other, then for messages.
func TestConnectFromNothing(t *testing.T) {
	t.Parallel()
	a, b := twoSides(t)
	a.meet(b, b.link, "secret of b")
	if got := failures(a.CheckLink(t.Context(), a.theLink())); !strings.HasPrefix(got, "sign_in:password") {
		t.Errorf("b knows nothing of a, the test says %q", got)
	}
	b.meet(a, a.link, "secret of a")
	until(t, "each has seen the other's test", func() bool {
		one, two := failures(a.CheckLink(t.Context(), a.theLink())), failures(b.CheckLink(t.Context(), b.theLink()))
		return one == "" && two == ""
	})
	if l := a.theLink(); l.Certificates[0].NotAfter.IsZero() || !l.SignedInAt.After(l.CreatedAt.Add(-time.Minute)) {
		t.Errorf("%+v", l)
	}
	if a.registry.Load().lookup(far1) != nil {
		t.Error("a participant is offered before the go-live")
	}
	if a.Info().Status != 0 {
		t.Error("a trial keeps the node from being ready")
	}
	// b is live, a is not: a's door stays shut, and b keeps its message.
	b.goLive()
	until(t, "b knows a's desks", func() bool { return b.registry.Load().lookup(desk1) != nil })
	b.send("desk", letter(far1, desk1, with("messageId", id(1)), with("ack", "ALL")))
	until(t, "b was told to wait", func() bool {
		r, err := receiptOf(b.rig, id(1))
		return err == nil && !r.NextTry.IsZero()
	})
	if n := ask[int](a.rig, `SELECT COUNT(*) FROM exchange_message WHERE message_id = $1`, id(1)); n != 0 {
		t.Fatal("a message came through before the go-live")
	}
	a.goLive()
	until(t, "the message of before is there", func() bool { return len(a.read("desk1", desk1)) == 1 })
	if err := a.commit(t.Context(), desk1, a.read("desk1", desk1)[0].Seq); err != nil {
		t.Fatal(err)
	}
	until(t, "its receipt is there", func() bool { r := b.receipts("desk", far1)[id(1)]; return len(r) == 1 && r[0] == 200 })
	a.send("desk1", letter(desk1, far1, with("messageId", id(2))))
	until(t, "the answer is there", func() bool {
		for _, i := range b.read("desk", far1) {
			if i.ID == id(2) {
				return true
			}
		}
		return false
	})
	// Killed and started again, the node knows it all; the passwords are not in clear.
	again, err := New(t.Context(), a.cfg, a.deps)
	if err != nil {
		t.Fatal(err)
	}
	if p := again.peers().byID[a.link]; p == nil || p.Password != "secret of b" || p.state != LinkLive || !p.accepted[b.fp] {
		t.Errorf("%+v", p)
	}
	if raw := ask[[]byte](a.rig, `SELECT password FROM exchange_link WHERE id = $1`, a.link); bytes.Contains(raw, []byte("secret")) {
		t.Error("the password is stored in clear")
	}
}

func receiptOf(r *rig, messageID string) (x Receipt, err error) {
	err = r.db.Read(context.Background(), func(tx *store.Tx) error {
		var n int64
		if err := tx.Row(`SELECT id FROM exchange_message WHERE message_id = $1`, messageID).Scan(&n); err != nil {
			return err
		}
		x, err = r.Receipt(tx, n)
		return err
	})
	return x, err
}

// What can be wrong with a link is found and named.
func TestCheckLinkNamesTheCause(t *testing.T) {
	t.Parallel()
	a, b := twoSides(t)
	b.meet(a, a.link, "secret of a")
	a.meet(b, b.link, "secret of b")
	until(t, "b knows a", func() bool { return b.account(b.link) != nil })
	until(t, "a knows b", func() bool { return a.peers().byID[a.link] != nil })
	_, _, other := selfSigned(t, t.TempDir(), "x", later)
	for want, change := range map[string]func(*Link){
		"certificate:fingerprint": func(l *Link) { l.Certificates = []LinkCertificate{{Fingerprint: other}} },
		"sign_in:password":        func(l *Link) { l.Password = "wrong" },
		"reach:refused":           func(l *Link) { l.BaseURL = "https://127.0.0.1:1" + p2pPath },
		"sign_in:answer":          func(l *Link) { l.BaseURL += "x" },
		"register:oid":            func(l *Link) { l.OID = "1.2.9.9" },
		"certificate:revoked": func(l *Link) {
			l.Certificates = []LinkCertificate{{Fingerprint: b.fp, RemovedAt: time.Now()}}
		},
	} {
		l := a.theLink()
		change(&l)
		if got := failures(a.CheckLink(t.Context(), l)); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", want, got)
		}
	}
	// The wrong fingerprint keeps the link itself shut, not only the test.
	c := a.theLink()
	a.write(func(tx *store.Tx) error {
		if err := a.RemoveCertificate(tx, a.link, b.fp, "p1"); err != nil {
			return err
		}
		return a.AcceptCertificate(tx, a.link, other, "p1", "")
	})
	until(t, "a has taken it up", func() bool { return a.peers().byID[a.link].accepted[other] })
	if err := a.fetchRegistry(t.Context(), a.peers().byID[a.link]); err == nil || failureKey(err) != "exchange.peer.certificate" {
		t.Errorf("the register was read from %s: %v", c.BaseURL, err)
	}
}

// A certificate is rotated under traffic: both are accepted for a while, the files
// are exchanged, the old one is removed; no message is lost or doubled.
func TestRotationUnderTraffic(t *testing.T) {
	t.Parallel()
	a, b := connected(t)
	const total = 300
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range total {
			a.send("desk1", letter(desk1, far1, with("messageId", id(1000+i))))
			b.send("desk", letter(far1, desk1, with("messageId", id(5000+i))))
			time.Sleep(5 * time.Millisecond)
		}
	})
	old := b.fp
	served := func() string {
		c, err := b.Certificate()
		if err != nil {
			t.Fatal(err)
		}
		return Fingerprint(c)
	}
	var cert, key string
	cert, key, b.fp = selfSigned(t, t.TempDir(), "b", later.Add(time.Hour))
	a.write(func(tx *store.Tx) error { return a.AcceptCertificate(tx, a.link, b.fp, "p1", "p2") })
	until(t, "a accepts both", func() bool { p := a.peers().byID[a.link]; return p.accepted[old] && p.accepted[b.fp] })
	future := time.Now().Add(time.Minute)
	for from, to := range map[string]string{key: "b.key", cert: "b.crt"} {
		raw, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(b.dir, to), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(b.dir, to), future, future); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "b shows the new one", func() bool { return served() == b.fp })
	a.write(func(tx *store.Tx) error { return a.RemoveCertificate(tx, a.link, old, "p1") })
	wg.Wait()
	until(t, "all are there", func() bool {
		return ask[int](a.rig, `SELECT COUNT(*) FROM exchange_message WHERE destination = $1 AND state = 'queued'`, desk1) == total &&
			ask[int](b.rig, `SELECT COUNT(*) FROM exchange_message WHERE destination = $1 AND state = 'queued'`, far1) == total
	})
	for _, s := range []*side{a, b} {
		if n := ask[int](s.rig, `SELECT COUNT(*) FROM exchange_message WHERE status IN (502, 504)`); n != 0 {
			t.Errorf("%s: %d messages were refused", s.name, n)
		}
	}
}

// Removal of a certificate is effective on connections that are open and with
// tokens that were given out.
func TestRevocationAtOnce(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	dir := t.TempDir()
	a := newSide(t, "a", func(c *Config) {
		c.Accounts = c.Accounts[:2]
		c.TLS.ClientCA = ca.file(filepath.Join(dir, "ca.pem"), ca.pem)
	})
	runFor(t, a.Run)
	own, ownKey, ownFP := selfSigned(t, dir, "self", later)
	signed, signedKey := ca.issue(dir, "signed", later, peerOID)
	b := &side{rig: &rig{t: t, Node: &Node{cfg: Config{OID: peerOID}}}, name: "b", addr: "127.0.0.1:1", fp: ownFP}
	a.meet(b, "x", "x")
	a.write(func(tx *store.Tx) error { return a.AcceptCertificate(tx, a.link, fingerprintOf(t, signed), "p1", "p2") })
	a.goLive()
	until(t, "a has taken it up", func() bool { p := a.peers().byID[a.link]; return p != nil && len(p.accepted) == 2 })
	for name, files := range map[string][2]string{"of nobody": {own, ownKey}, "of our authority": {signed, signedKey}} {
		c := ca.caller(files[0], files[1], func(c *tls.Config) { c.InsecureSkipVerify = true })
		base := "https://" + a.addr + p2pPath
		code, _, token, err := try(t, c, base+"/token", a.link, "secret of a", "")
		if err != nil || code != 200 {
			t.Fatalf("%s: %d, %v", name, code, err)
		}
		trace := func() (int, ucri.Code) {
			code, e, _, err := try(t, c, base+"/registry", "", "", token)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return code, e
		}
		if code, _ := trace(); code != 200 {
			t.Fatalf("%s: %d", name, code)
		}
		a.write(func(tx *store.Tx) error {
			return a.RemoveCertificate(tx, a.link, fingerprintOf(t, files[0]), "p1")
		})
		until(t, "a has taken it up", func() bool { return a.peers().revoked[fingerprintOf(t, files[0])] })
		if code, e := trace(); code != 401 || e != ucri.CodeUnauthorized {
			t.Errorf("%s: revoked, but the open connection gets %d/%d", name, code, e)
		}
		c.CloseIdleConnections()
		if code, _, _, err := try(t, c, base+"/token", a.link, "secret of a", ""); err == nil {
			t.Errorf("%s: revoked, but a new connection gets %d", name, code)
		}
	}
}

func fingerprintOf(t testing.TB, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return Fingerprint(c)
}

// A neighbour that leaves: nothing new is accepted for it, what waits goes out or
// ends by a person's decision, with a receipt; then it is a stranger.
func TestLeaveDrains(t *testing.T) {
	t.Parallel()
	a, b := connected(t)
	a.write(func(tx *store.Tx) error { _, err := Quarantine(tx, a.audit, a.link, true); return err })
	a.send("desk1", letter(desk1, far1, with("messageId", id(1)), with("ack", "ALL")))
	a.write(func(tx *store.Tx) error { return a.SetLinkState(tx, a.link, LinkLeaving) })
	until(t, "a has taken it up", func() bool { p := a.registry.Load().lookup(far1); return p != nil && p.leaving })
	_, err := a.sendClient(t.Context(), a.accounts["desk1"], letter(desk1, far1, with("messageId", id(2))))
	wantCode(t, err, 400, ucri.CodeUnknownOID)
	end := func(discard bool) error {
		return a.db.Write(t.Context(), func(tx *store.Tx) error { return a.EndLink(tx, a.link, discard) })
	}
	if err := end(false); problem.KindOf(err) != problem.Conflict {
		t.Fatalf("ended with a message waiting: %v", err)
	}
	// It drains when the line is free again.
	a.write(func(tx *store.Tx) error { _, err := Quarantine(tx, a.audit, a.link, false); return err })
	until(t, "the message is at b", func() bool { return len(b.read("desk", far1)) == 1 })
	until(t, "b sees nobody any more", func() bool {
		if err := b.fetchRegistry(t.Context(), b.peers().byID[b.link]); err != nil {
			t.Fatal(err)
		}
		return b.registry.Load().lookup(desk1).rec.Status == ucri.StatusOffline
	})
	// One more that will never go out.
	a.write(func(tx *store.Tx) error { return a.SetLinkState(tx, a.link, LinkLive) })
	until(t, "a is live again", func() bool { p := a.registry.Load().lookup(far1); return p != nil && !p.leaving })
	a.write(func(tx *store.Tx) error { _, err := Quarantine(tx, a.audit, a.link, true); return err })
	a.send("desk1", letter(desk1, far1, with("messageId", id(3)), with("ack", "ALL")))
	a.write(func(tx *store.Tx) error { return a.SetLinkState(tx, a.link, LinkLeaving) })
	until(t, "nothing is on its way", func() bool { return end(true) == nil })
	until(t, "the sender is told", func() bool { r := a.receipts("desk1", desk1)[id(3)]; return len(r) == 1 && r[0] == 502 })
	until(t, "far is a stranger", func() bool { return a.registry.Load().lookup(far1) == nil && a.account(a.link) == nil })
	if l := a.theLink(); l.State != LinkGone || l.Secret != "" || l.Password != "" {
		t.Errorf("%+v", l)
	}
	if err := b.fetchRegistry(t.Context(), b.peers().byID[b.link]); err != nil && !errors.Is(err, context.Canceled) {
		return // refused, or not asked within the pause
	}
	until(t, "b is refused", func() bool { return b.fetchRegistry(t.Context(), b.peers().byID[b.link]) != nil })
}

// The file of authorities is taken up without a restart.
func TestAuthoritiesReread(t *testing.T) {
	t.Parallel()
	first, second := newAuthority(t), newAuthority(t)
	dir := t.TempDir()
	r := newRig(t, first.secured(dir, "node", nodeOID))
	base := "https://" + r.serve()
	far := first.caller(first.issue(dir, "far", later, peerOID))
	code, _, token, err := try(t, far, base+p2pPath+"/token", "neighbours", "pn", "")
	if err != nil || code != 200 {
		t.Fatalf("%d, %v", code, err)
	}
	turn := func(pem []byte, at time.Time) {
		t.Helper()
		path := r.security.roots.path
		first.file(path, pem)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		r.security.roots.mu.Lock()
		r.security.roots.checked = time.Time{} // the interval has passed
		r.security.roots.mu.Unlock()
	}
	newer := first.caller(second.issue(dir, "far2", later, peerOID))
	if code, _, _, err := try(t, newer, base+p2pPath+"/token", "neighbours", "pn", ""); err == nil {
		t.Fatalf("a strange authority: %d", code)
	}
	turn([]byte("half a file"), time.Now().Add(time.Minute))
	if code, _, _, err := try(t, far, base+p2pPath+"/registry", "", "", token); err != nil || code != 200 {
		t.Fatalf("a broken file ended the use of the old: %d, %v", code, err)
	}
	turn(append(append([]byte{}, first.pem...), second.pem...), time.Now().Add(2*time.Minute))
	for name, c := range map[string]*http.Client{"old": far, "new": newer} {
		if code, _, _, err := try(t, c, base+p2pPath+"/token", "neighbours", "pn", ""); err != nil || code != 200 {
			t.Errorf("both authorities, %s: %d, %v", name, code, err)
		}
	}
	turn(second.pem, time.Now().Add(3*time.Minute))
	if code, _, _, err := try(t, far, base+p2pPath+"/registry", "", "", token); err != nil || code != 401 {
		t.Errorf("the old authority is gone, its open connection gets %d, %v", code, err)
	}
}

func TestParseFingerprint(t *testing.T) {
	hex64 := strings.Repeat("0a", 32)
	for in, ok := range map[string]bool{
		hex64: true, strings.ToUpper(hex64): true, "sha256 Fingerprint=" + strings.Repeat("0A:", 31) + "0A": true,
		" " + strings.Repeat("0a0a ", 16): true, "": false, hex64[1:]: false, hex64 + "00": false, "zz" + hex64[2:]: false,
	} {
		got, is := ParseFingerprint(in)
		if is != ok || ok && got != hex64 {
			t.Errorf("%q: %q, %v", in, got, is)
		}
	}
}

func TestLinkFaults(t *testing.T) {
	r := newRig(t)
	good := Link{Peer: Peer{ID: "l", OID: "1.2.8.0", BaseURL: "http://127.0.0.1:1" + p2pPath, Username: "u"}, Login: "l"}
	for want, change := range map[string]func(*Link){
		"map[]":                                        func(*Link) {},
		"map[oid:exchange.config.oid]":                 func(l *Link) { l.OID = "1..2" },
		"map[oid:exchange.link.oid_taken]":             func(l *Link) { l.OID = peerOID },
		"map[base_url:exchange.config.base_url]":       func(l *Link) { l.BaseURL = "node.example" },
		"map[base_url:exchange.config.base_url_plain]": func(l *Link) { l.BaseURL = "http://node.example" + p2pPath },
		"map[login:exchange.config.username]":          func(l *Link) { l.Login = "desk1" },
	} {
		l := good
		change(&l)
		var got map[string]string
		if err := r.db.Read(t.Context(), func(tx *store.Tx) (err error) { got, err = r.LinkFaults(tx, l); return err }); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
}

// Peers that people rely on are those of the file and the connected ones; all are
// asked for their registers, none tells its passwords.
func TestPeersAndProbe(t *testing.T) {
	t.Parallel()
	a, b := twoSides(t)
	a.meet(b, b.link, "secret of b")
	b.meet(a, a.link, "secret of a")
	until(t, "both have taken it up", func() bool { return a.peers().byID[a.link] != nil && b.peers().byID[b.link] != nil })
	if got := a.Peers(); len(got) != 0 {
		t.Errorf("a trial is relied on: %+v", got)
	}
	a.goLive()
	until(t, "a has taken it up", func() bool { return len(a.Peers()) == 1 })
	if p := a.Peers()[0]; p.ID != a.link || p.Username != "" || p.Password != "" {
		t.Errorf("%+v", p)
	}
	if got := a.Probe(t.Context()); len(got) != 1 || got[0].ID != a.link || got[0].Failure != "" {
		t.Errorf("%+v", got)
	}
	b.write(func(tx *store.Tx) error { return b.RemoveCertificate(tx, b.link, a.fp, "p1") })
	until(t, "b shuts the door", func() bool { got := a.Probe(t.Context()); return len(got) == 1 && got[0].Failure != "" })
}

// Another instance on the same database takes up what people change at the first.
func TestLinksOnEveryInstance(t *testing.T) {
	t.Parallel()
	a := newSide(t, "a", func(c *Config) { c.Accounts = c.Accounts[:2] })
	runFor(t, a.Run)
	deps := a.deps
	deps.ID = "instance-2"
	second, err := New(t.Context(), a.cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	runFor(t, second.followRegistry)
	b := &side{rig: &rig{t: t, Node: &Node{cfg: Config{OID: peerOID}}}, name: "b", addr: "127.0.0.1:1", fp: strings.Repeat("ab", 32)}
	a.meet(b, "x", "x")
	until(t, "the second has it", func() bool { return second.account(a.link) != nil && second.peers().pinned[b.fp] != nil })
	a.write(func(tx *store.Tx) error { return a.RemoveCertificate(tx, a.link, b.fp, "p") })
	until(t, "the second revoked it", func() bool { return second.peers().revoked[b.fp] })
	before := second.peers().byID[a.link]
	a.write(func(tx *store.Tx) error { return a.EndLink(tx, a.link, false) })
	until(t, "the second forgot it", func() bool { return second.account(a.link) == nil && !second.current(before) })
	// The configuration's peer of the same address wins over a connected one.
	a.meet(b, "x", "x", func(l *Link) { l.ID, l.Login = "again", "again" })
	cfg := a.cfg
	cfg.Peers = []Peer{{ID: "file", OID: peerOID, BaseURL: "https://127.0.0.1:1" + p2pPath}}
	third, err := New(t.Context(), cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	if third.peers().byID["again"] != nil || third.peers().byOID[peerOID].ID != "file" {
		t.Error("the connected peer took the place of the configured one")
	}
}

// Participants that a peer of before left in the database do not keep the same
// ones from appearing under the neighbour's new id.
func TestParticipantsOfAFormerPeer(t *testing.T) {
	t.Parallel()
	a, _ := connected(t)
	a.exec(`UPDATE exchange_participant SET peer = 'former' WHERE oid = $1`, far1)
	p := a.peers().byID[a.link]
	p.fetch.Lock()
	p.fetchedAt = time.Time{}
	p.fetch.Unlock()
	if err := a.fetchRegistry(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if got := ask[string](a.rig, `SELECT peer FROM exchange_participant WHERE oid = $1`, far1); got != a.link {
		t.Error(got)
	}
}
