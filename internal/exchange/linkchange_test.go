package exchange

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/kernel/store"
)

// relay is an address that leads to another until it ends, with all that is under
// way.
type relay struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func newRelay(t testing.TB, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l}
	t.Cleanup(r.end)
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			r.mu.Lock()
			r.conns = append(r.conns, in, out)
			r.mu.Unlock()
			go io.Copy(in, out)
			go io.Copy(out, in)
		}
	}()
	return r
}

func (r *relay) end() {
	r.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
}

// take stores a change of the side's link and makes the link what it says, as two
// people do.
func (s *side) take(c LinkChange) {
	s.t.Helper()
	c.ProposedBy, c.ProposedAt = "p1", s.clk.Now()
	s.write(func(tx *store.Tx) error { return s.PutLinkChange(tx, s.link, c) })
	s.write(func(tx *store.Tx) error {
		l, err := s.Link(tx, s.link)
		if err != nil {
			return err
		}
		c, err := s.LinkChange(tx, s.link)
		if err != nil {
			return err
		}
		return s.TakeLinkChange(tx, l, c)
	})
}

// A neighbour's node moves while messages are under way: those that wait go on
// over the new address, in their order, none lost and none twice.
func TestLinkMovesUnderTraffic(t *testing.T) {
	t.Parallel()
	a, b := twoSides(t)
	old := newRelay(t, b.addr)
	a.meet(b, b.link, "secret of b", func(l *Link) { l.BaseURL = "https://" + old.Addr().String() + p2pPath })
	b.meet(a, a.link, "secret of a")
	a.goLive()
	b.goLive()
	until(t, "a knows b's desk", func() bool { return a.registry.Load().lookup(far1) != nil && b.registry.Load().lookup(desk1) != nil })
	const total = 200
	var want []string
	for i := range total {
		want = append(want, id(1000+i))
	}
	sent := make(chan int, total)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range total {
			a.send("desk1", letter(desk1, far1, with("messageId", want[i])))
			sent <- i
			time.Sleep(3 * time.Millisecond)
		}
	})
	for i := range sent {
		if i == total/3 {
			break
		}
	}
	old.end()
	until(t, "messages wait", func() bool {
		return ask[int](a.rig, `SELECT COUNT(*) FROM exchange_message WHERE state = 'outgoing' AND peer = $1`, a.link) > 5
	})
	change := LinkChange{BaseURL: "https://" + b.addr + p2pPath}
	if got := failures(a.CheckLine(t.Context(), a.theLink(), CheckMessage)); !strings.HasPrefix(got, "reach:refused") {
		t.Errorf("the old address: %q", got)
	}
	found := a.CheckLine(t.Context(), a.theLink().With(change), CheckMessage)
	if !LineGood(found) || len(found) != 7 {
		t.Fatalf("the new address: %+v", found)
	}
	a.take(change)
	wg.Wait()
	there := func() (ids []string) {
		for _, i := range b.read("desk", far1) {
			ids = append(ids, i.ID)
		}
		return ids
	}
	until(t, "all are there", func() bool { return len(there()) == total })
	if got := there(); !slices.Equal(got, want) {
		t.Errorf("out of order: %v", got)
	}
	if n := ask[int](a.rig, `SELECT COUNT(*) FROM exchange_message WHERE status IN (502, 504)`); n != 0 {
		t.Errorf("%d messages were refused", n)
	}
	if err := a.db.Read(t.Context(), func(tx *store.Tx) error { _, err := a.LinkChange(tx, a.link); return err }); !errors.Is(err, store.ErrNoRows) {
		t.Errorf("the proposal is still there: %v", err)
	}
}

// A neighbour gets another password for its account here: both are good until it
// has signed in with the new one.
func TestLinkSecretSideBySide(t *testing.T) {
	t.Parallel()
	a, b := connected(t)
	a.take(LinkChange{Secret: "another"})
	until(t, "a has taken it up", func() bool { return a.account(a.link).before == "secret of a" })
	try := func(password string) string {
		l := b.theLink()
		l.Password = password
		return failures(b.CheckLine(t.Context(), l, CheckSignIn))
	}
	if got := try("neither"); got != "sign_in:password" {
		t.Errorf("a wrong password: %q", got)
	}
	if got := try("secret of a"); got != "" {
		t.Errorf("the old password: %q", got)
	}
	if got := a.theLink().OldSecret; got != "secret of a" {
		t.Errorf("its use ended the old password: %q", got)
	}
	// One that was made meanwhile and is not known there does not end it either.
	a.noteSecret(&account{Account: Account{Username: a.link, Password: "in between"}, peer: a.link, before: "secret of a"}, "in between")
	if got := try("secret of a"); got != "" {
		t.Errorf("the old password: %q", got)
	}
	b.take(LinkChange{Password: "another"})
	until(t, "the new password ended the old", func() bool { return a.theLink().OldSecret == "" && a.account(a.link).before == "" })
	if got := try("secret of a"); got != "sign_in:password" {
		t.Errorf("the old password: %q", got)
	}
	b.send("desk", letter(far1, desk1, with("messageId", id(1))))
	until(t, "a message is there", func() bool { return len(a.read("desk1", desk1)) == 1 })
	if n := ask[int](a.rig, `SELECT COUNT(*) FROM audit_leaf WHERE action = 'exchange.secret.used' AND object = $1`, a.link); n != 1 {
		t.Errorf("%d audit records", n)
	}
	if l := b.theLink(); l.Password != "another" || l.Secret != "secret of b" || l.OldSecret != "" {
		t.Errorf("%+v", l)
	}
}

// Of a connected neighbour only what was read out counts, whoever signed something
// else for its address; an authority vouches for the peers of the file.
func TestLinkTakesListedCertificatesOnly(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	dir := t.TempDir()
	a := newSide(t, "a", func(c *Config) {
		c.Accounts = append(c.Accounts[:2:2], Account{Username: "neighbours", Password: "pn", Type: "p2p"})
		c.TLS.ClientCA = ca.file(filepath.Join(dir, "ca.pem"), ca.pem)
		c.Peers = []Peer{{ID: "other", OID: otherOID, BaseURL: "https://127.0.0.1:1" + p2pPath}}
	})
	runFor(t, a.Run)
	b := newSide(t, "b", func(c *Config) {
		c.OID, c.Participants = peerOID, []any{record(far1)}
		c.Accounts = []Account{{Username: "desk", Password: "p", Type: "client", OIDs: []string{far1}}}
		cert, key := ca.issue(dir, "b", later, peerOID)
		c.TLS.Cert, c.TLS.Key = cert, key
	})
	signed := fingerprintOf(t, filepath.Join(dir, "b.crt"))
	read := b.fp // another than the one b shows
	a.meet(b, b.link, "secret of b")
	a.goLive()
	until(t, "a has taken it up", func() bool { return a.account(a.link) != nil })
	base := "https://" + a.addr + p2pPath
	unchecked := func(c *tls.Config) { c.InsecureSkipVerify = true } // a's own is of nobody
	theirs := ca.caller(filepath.Join(dir, "b.crt"), filepath.Join(dir, "b.key"), unchecked)
	for user, password := range map[string]string{a.link: "secret of a", "neighbours": "pn"} {
		if code, _, _, err := try(t, theirs, base+"/token", user, password, ""); err == nil {
			t.Errorf("%s signed in with a certificate that nobody read out: %d", user, code)
		}
	}
	cert, key := ca.issue(dir, "other", later, otherOID)
	file := ca.caller(cert, key, unchecked)
	if code, _, _, err := try(t, file, base+"/token", "neighbours", "pn", ""); err != nil || code != 200 {
		t.Errorf("the file's peer: %d, %v", code, err)
	}
	if got := failures(a.CheckLine(t.Context(), a.theLink(), CheckMessage)); !strings.HasPrefix(got, "certificate:fingerprint") {
		t.Errorf("the test says %q", got)
	}
	if err := a.fetchRegistry(t.Context(), a.peers().byID[a.link]); err == nil || failureKey(err) != "exchange.peer.certificate" {
		t.Errorf("the register was read: %v", err)
	}
	// Listed, it counts.
	a.write(func(tx *store.Tx) error { return a.AcceptCertificate(tx, a.link, signed, "p1", "p2") })
	until(t, "a has taken it up", func() bool { p := a.peers().byID[a.link]; return p.accepted[signed] && p.accepted[read] })
	if code, _, _, err := try(t, theirs, base+"/token", a.link, "secret of a", ""); err != nil || code != 200 {
		t.Errorf("the listed one: %d, %v", code, err)
	}
}
