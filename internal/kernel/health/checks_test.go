package health

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/store"
)

// short writes findings as "object: level key", sorted, and demands that their
// texts exist in every language with these arguments.
func short(t testing.TB, b *i18n.Bundle, findings []Finding) []string {
	t.Helper()
	out := []string{}
	for _, f := range findings {
		out = append(out, fmt.Sprintf("%s: %d %s", f.Object, f.Level, f.Key))
		for _, l := range i18n.Langs {
			item := Item{Finding: f}
			for _, s := range []string{item.What(b, l), item.Do(b, l)} {
				if s == "" || strings.ContainsAny(s, "⟦{") {
					t.Errorf("%s %s: %s", l, f.Key, s)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// run1 runs a check as the registry does.
func run1(t testing.TB, b *i18n.Bundle, c Check) []string {
	t.Helper()
	findings, err := call(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range i18n.Langs {
		if s := b.Text(l, c.Area, nil); strings.ContainsAny(s, "⟦{") {
			t.Errorf("%s: area %s", l, s)
		}
	}
	return short(t, b, findings)
}

func TestDisk(t *testing.T) {
	b := bundle(t)
	data, backup := DataFolder("/data"), BackupFolder("/backup")
	for _, c := range []struct {
		name         string
		data, backup space
		err          error
		want         []string
	}{
		{"well", space{79, 21, 1}, space{10, 90, 2}, nil, []string{}},
		{"80", space{80, 20, 1}, space{10, 90, 2}, nil, []string{"health.folder.data: 2 health.disk.full"}},
		{"94", space{94, 6, 1}, space{10, 90, 2}, nil, []string{"health.folder.data: 2 health.disk.full"}},
		{"95", space{95, 5, 1}, space{80, 20, 2}, nil, []string{"health.folder.backup: 2 health.disk.full", "health.folder.data: 3 health.disk.full"}},
		{"full", space{100, 0, 1}, space{10, 90, 2}, nil, []string{"health.folder.data: 3 health.disk.full"}},
		{"same disk", space{10, 90, 1}, space{10, 90, 1}, nil, []string{"health.folder.backup/same: 1 health.disk.same"}},
		{"away", space{10, 90, 1}, space{}, errors.New("not mounted"), []string{"health.folder.backup: 3 health.disk.away"}},
		{"strange", space{}, space{0, 0, 2}, nil, []string{}},
	} {
		stat := func(p string) (space, error) {
			if p == "/data" {
				return c.data, nil
			}
			return c.backup, c.err
		}
		if d := cmp.Diff(c.want, run1(t, b, disk(stat, []Folder{data, backup}))); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
	// The real one, of the real machine.
	if s, err := statfs(t.TempDir()); err != nil || s.used <= 0 || s.free < 0 {
		t.Errorf("%+v %v", s, err)
	}
	if _, err := statfs(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing folder has space")
	}
	if got := gibibytes(3<<30 - 1); got != 2.9 {
		t.Error(got)
	}
}

func TestBackupCheck(t *testing.T) {
	b := bundle(t)
	h := func(n int) time.Time { return start.Add(-time.Duration(n) * time.Hour) }
	fine := BackupState{Enabled: true, Since: h(1000), Good: h(1), Verifying: true, Verified: h(12), KeyKept: true}
	for _, c := range []struct {
		name   string
		change func(*BackupState)
		want   []string
	}{
		{"fine", func(*BackupState) {}, []string{}},
		{"off", func(s *BackupState) { *s = BackupState{} }, []string{"backup: 2 health.backup.none"}},
		{"fresh node", func(s *BackupState) { s.Since, s.Good, s.Verified = h(1), time.Time{}, time.Time{} }, []string{}},
		{"never", func(s *BackupState) { s.Since, s.Good, s.Verified = h(25), time.Time{}, time.Time{} }, []string{"backup: 2 health.backup.never"}},
		{"24 h", func(s *BackupState) { s.Good = h(24) }, []string{}},
		{"older", func(s *BackupState) { s.Good = h(24).Add(-time.Second) }, []string{"backup: 2 health.backup.old"}},
		{"failed", func(s *BackupState) { s.Failed, s.Reason = h(0), "no space" }, []string{"backup: 2 health.backup.failed"}},
		{"failed before", func(s *BackupState) { s.Failed = h(2) }, []string{}},
		{"refuted", func(s *BackupState) { s.Refuted, s.RefuteCause = h(0), "damaged" }, []string{"verify: 2 health.backup.refuted"}},
		{"untested", func(s *BackupState) { s.Verified = h(51) }, []string{"verify: 2 health.backup.untested"}},
		{"no tests wanted", func(s *BackupState) { s.Verified, s.Verifying = h(51), false }, []string{}},
		{"clock set back", func(s *BackupState) { s.Good, s.Verified = h(-2), h(-2) }, []string{"backup: 2 health.backup.ahead", "verify: 2 health.backup.test_ahead"}},
		{"failed while it was ahead", func(s *BackupState) { s.Failed, s.Refuted = h(-2), h(-2) }, []string{}},
		{"another instance is ahead", func(s *BackupState) { s.Good, s.Verified = h(0).Add(clockAhead), h(0).Add(clockAhead) }, []string{}},
		{"no key", func(s *BackupState) { s.KeyKept = false }, []string{"key: 1 health.backup.no_key"}},
	} {
		s := fine
		c.change(&s)
		if d := cmp.Diff(c.want, run1(t, b, Backup(clock.Fake(start), func(context.Context) (BackupState, error) { return s, nil }))); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

func TestCertificates(t *testing.T) {
	b := bundle(t)
	day := 24 * time.Hour
	for _, c := range []struct {
		left time.Duration
		want string
	}{
		{61 * day, ""}, {60*day + time.Second, ""}, {60 * day, "1 health.certificate.ends"}, {30*day + time.Second, "1 health.certificate.ends"},
		{30 * day, "2 health.certificate.ends"}, {7*day + time.Second, "2 health.certificate.ends"}, {7 * day, "3 health.certificate.ends"},
		{time.Second, "3 health.certificate.ends"}, {0, "3 health.certificate.ended"}, {-day, "3 health.certificate.ended"},
	} {
		want := []string{}
		if c.want != "" {
			want = append(want, "node.pem: "+c.want)
		}
		got := run1(t, b, Certificates(clock.Fake(start), func(context.Context) ([]Certificate, error) {
			return []Certificate{{Name: "node.pem", NotBefore: start.Add(-day), NotAfter: start.Add(c.left)}}, nil
		}))
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%v: %s", c.left, d)
		}
	}
	got := run1(t, b, Certificates(clock.Fake(start), func(context.Context) ([]Certificate, error) {
		return []Certificate{{Name: "early", NotBefore: start.Add(time.Second), NotAfter: start.Add(900 * day)}, {Name: "gone", Err: errors.New("no such file")}}, nil
	}))
	if d := cmp.Diff([]string{"early: 3 health.certificate.early", "gone: 2 health.certificate.unreadable"}, got); d != "" {
		t.Error(d)
	}
}

// Of a chain the link that ends first counts; what is no certificate is an error.
func TestPEMFiles(t *testing.T) {
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := func(until time.Time) []byte {
		tpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: start, NotAfter: until}
		der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	late, soon := start.Add(1000*time.Hour), start.Add(100*time.Hour)
	files := map[string][]byte{
		"chain.pem":  slices.Concat(cert(late), pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS"}), cert(soon)),
		"text.pem":   []byte("no certificate"),
		"broken.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}),
	}
	for name, body := range files {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := PEMFiles(filepath.Join(dir, "chain.pem"))[0]
	if got.Err != nil || !got.NotAfter.Equal(soon) || !got.NotBefore.Equal(start) {
		t.Errorf("%+v", got)
	}
	for _, name := range []string{"text.pem", "broken.pem", "none.pem"} {
		if got := PEMFiles(filepath.Join(dir, name))[0]; got.Err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestQueues(t *testing.T) {
	b := bundle(t)
	clk := clock.Fake(start)
	var now Queue
	c := Queues(clk, func(context.Context) ([]Queue, error) { return []Queue{now}, nil })
	for i, s := range []struct {
		after   time.Duration
		waiting int64
		age     time.Duration
		want    string
	}{
		{0, 0, 0, ""}, {time.Minute, 500, time.Minute, ""}, // a burst is no growth yet
		{5 * time.Minute, 600, time.Minute, "2 health.queue.growing"},
		{time.Minute, 700, 2 * time.Minute, "2 health.queue.growing"},
		{time.Minute, 90, time.Minute, ""}, // it shrinks
		{time.Minute, 50, 11 * time.Minute, "2 health.queue.old"},
		{time.Minute, 1, 10 * time.Minute, ""}, {time.Minute, 0, 0, ""},
		{time.Minute, 1, -2 * time.Minute, "2 health.queue.ahead"}, {time.Minute, 1, -time.Minute, ""},
	} {
		clk.Advance(s.after)
		now = Queue{Name: "1.2.3", Waiting: s.waiting}
		if s.age != 0 {
			now.Oldest = clk.Now().Add(-s.age)
		}
		want := []string{}
		if s.want != "" {
			want = append(want, "1.2.3: "+s.want)
		}
		if d := cmp.Diff(want, run1(t, b, c)); d != "" {
			t.Errorf("step %d: %s", i, d)
		}
	}
}

func TestPeers(t *testing.T) {
	b := bundle(t)
	down := func(name string, s time.Duration) Peer {
		return Peer{Name: name, Down: true, Since: start.Add(-s), Reason: "t.area"}
	}
	up := func(name string) Peer { return Peer{Name: name} }
	for _, c := range []struct {
		peers []Peer
		want  []string
	}{
		{nil, []string{}},
		{[]Peer{up("a"), up("b")}, []string{}},
		{[]Peer{down("a", 60*time.Second), up("b")}, []string{}},
		{[]Peer{down("a", 61*time.Second), up("b")}, []string{"a: 2 health.peer.down"}},
		{[]Peer{down("a", -time.Hour), up("b")}, []string{"a: 2 health.peer.down"}}, // the clock was set back
		{[]Peer{down("a", time.Hour)}, []string{"a: 3 health.peer.down"}},
		{[]Peer{down("a", time.Hour), down("b", 10*time.Second)}, []string{"a: 2 health.peer.down"}},
		{[]Peer{down("a", time.Hour), down("b", 2*time.Minute)}, []string{"*: 3 health.peer.all", "a: 2 health.peer.down", "b: 2 health.peer.down"}},
	} {
		if d := cmp.Diff(c.want, run1(t, b, Peers(clock.Fake(start), func(context.Context) ([]Peer, error) { return c.peers, nil }))); d != "" {
			t.Errorf("%v: %s", c.peers, d)
		}
	}
}

func TestRecord(t *testing.T) {
	b := bundle(t)
	for _, c := range []struct {
		n    int64
		age  time.Duration
		want []string
	}{{0, time.Hour, []string{}}, {3, time.Minute, []string{}}, {3, 61 * time.Second, []string{": 2 health.record.behind"}}, {3, -time.Hour, []string{": 2 health.record.behind"}}} {
		if d := cmp.Diff(c.want, run1(t, b, Record(clock.Fake(start), func(context.Context) (int64, time.Time, error) { return c.n, start.Add(-c.age), nil }))); d != "" {
			t.Errorf("%+v: %s", c, d)
		}
	}
}

// Jobs that failed for good, by queue, without those of the channels, which have
// a finding of their own.
func TestJobsAndChannels(t *testing.T) {
	cfg := notify.Config{Webhooks: []notify.Webhook{{URL: "https://127.0.0.1:1/", SecretFile: filepath.Join(t.TempDir(), "none")}}}
	g := setup(t, cfg)
	if err := g.db.Write(t.Context(), func(tx *store.Tx) error {
		for i, q := range []string{"exchange.erase", "exchange.erase", "notify.mail:x", "notify.prune"} {
			if _, err := tx.Exec(`INSERT INTO job_task (id, queue, kind, payload, unique_key, state, due, attempt, max_attempts, holder, error, created_at)
				VALUES ($1, $2, 'live', $3, '', 'dead', $1, 12, 12, '', 'it broke', 0)`, i+1, q, []byte{}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	findings, err := Jobs(g.db, g.jobs).Func(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(findings, func(a, b Finding) int { return strings.Compare(a.Object, b.Object) })
	if do := (Item{Finding: findings[0]}).Do(g.deps.Texts, "en"); !strings.Contains(do, "trojmezi job retry 2") {
		t.Error(do)
	}
	if d := cmp.Diff([]string{"exchange.erase: 2 health.job.dead", "notify.prune: 2 health.job.dead"}, short(t, g.deps.Texts, findings)); d != "" {
		t.Error(d)
	}
	if got := (Item{Finding: findings[0]}).What(g.deps.Texts, "en"); got != "Background work exchange.erase failed for good, 2 jobs: it broke" {
		t.Error(got)
	}

	channels := Channels(g.db, g.deps.Notify, func(context.Context) ([]Place, error) { return []Place{{"1", "Liberec"}}, nil })
	if got := run1(t, g.deps.Texts, channels); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if err := g.deps.Notify.Schedule(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.db.Write(t.Context(), func(tx *store.Tx) error {
		return g.deps.Notify.Send(tx, notify.Notification{Kind: store.Live, Class: notify.A, Text: notify.Text{Key: "t.area"}})
	}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); g.jobs.Run(ctx) }()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if got := run1(t, g.deps.Texts, channels); len(got) == 1 && strings.HasSuffix(got[0], ": 2 health.notify.failing") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the failing channel was not found")
		}
	}
	stop()
	<-done
}

// That nobody would be told is a finding: of the node, and of each organisation.
func TestNobodyIsTold(t *testing.T) {
	hook := func(kind, organisation string, classes ...string) notify.Webhook {
		return notify.Webhook{URL: "https://127.0.0.1:1/" + kind + organisation, SecretFile: "s", Kind: kind, Organisation: organisation, Classes: classes}
	}
	node, zittau := "nobody: 2 health.notify.nobody", "nobody/2: 2 health.notify.nobody_of"
	for name, c := range map[string]struct {
		hooks []notify.Webhook
		want  []string
	}{
		"none":             {nil, []string{node}},
		"all":              {[]notify.Webhook{hook("live", "")}, []string{}},
		"not the urgent":   {[]notify.Webhook{hook("live", "", "B", "C")}, []string{node}},
		"exercises only":   {[]notify.Webhook{hook("exercise", "")}, []string{node}},
		"one organisation": {[]notify.Webhook{hook("live", "1", "A")}, []string{zittau, node}},
		"each":             {[]notify.Webhook{hook("live", "1", "A"), hook("live", "2")}, []string{node}},
	} {
		t.Run(name, func(t *testing.T) {
			g := setup(t, notify.Config{Webhooks: c.hooks})
			got := run1(t, g.deps.Texts, Channels(g.db, g.deps.Notify, func(context.Context) ([]Place, error) {
				return []Place{{"1", "Liberec"}, {"2", "Zittau"}}, nil
			}))
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// What the node's own dispatch systems leave lying, by whether they fetch at all.
func TestReceivers(t *testing.T) {
	b := bundle(t)
	for _, c := range []struct {
		waiting int64
		age     time.Duration
		online  bool
		want    string
	}{
		{0, 0, false, ""}, {3, 5 * time.Minute, false, ""}, {3, 5*time.Minute + time.Second, false, "away"},
		{3, 10 * time.Minute, true, ""}, {3, 10*time.Minute + time.Second, true, "stuck"},
		{3, -time.Hour, false, "away"}, // the clock was set back
		{3, 0, false, ""},              // of an exercise
	} {
		r := Receiver{Address: "1.2.3", Name: "Liberec", Waiting: c.waiting, Online: c.online}
		if c.age != 0 {
			r.Oldest = start.Add(-c.age)
		}
		want := []string{}
		if c.want != "" {
			want = append(want, "1.2.3: 2 health.receiver."+c.want)
		}
		if d := cmp.Diff(want, run1(t, b, Receivers(clock.Fake(start), func(context.Context) ([]Receiver, error) { return []Receiver{r}, nil }))); d != "" {
			t.Errorf("%+v: %s", c, d)
		}
	}
}

// timeServer answers SNTP as told; it is a UDP server of the test.
func timeServer(t *testing.T, answer func(ask []byte) [][]byte) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, a := range answer(buf[:n]) {
				conn.WriteTo(a, from)
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return conn.LocalAddr().String()
}

// reply is a right answer of a server whose clock is off ahead of ours.
func reply(ask []byte, ours time.Time, off time.Duration) []byte {
	a := make([]byte, sntpSize)
	a[0], a[1] = 4<<3|4, 2
	copy(a[24:32], ask[40:48])
	putNTP(a[32:], ours.Add(off))
	putNTP(a[40:], ours.Add(off))
	return a
}

func TestSNTP(t *testing.T) {
	for _, when := range []time.Time{start, time.Date(2036, 2, 7, 6, 28, 10, 0, time.UTC), time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)} {
		clk := clock.Fake(when)
		for _, off := range []time.Duration{0, 1500 * time.Millisecond, -3 * time.Hour, 20 * time.Second} {
			addr := timeServer(t, func(ask []byte) [][]byte {
				if len(ask) != sntpSize || ask[0] != 0x23 {
					t.Errorf("question % x", ask)
				}
				return [][]byte{reply(ask, when, off)}
			})
			got, err := askTime(t.Context(), addr, clk)
			// The answer took some real time to come.
			if err != nil || (got-off).Abs() > 500*time.Millisecond {
				t.Errorf("%v: off by %v: got %v, %v", when, off, got, err)
			}
		}
	}
	clk := clock.Fake(start)
	change := func(f func([]byte)) func([]byte) [][]byte {
		return func(ask []byte) [][]byte { a := reply(ask, start, 0); f(a); return [][]byte{a} }
	}
	for name, answer := range map[string]func([]byte) [][]byte{
		"unsynchronised": change(func(a []byte) { a[0] |= 3 << 6 }),
		"kiss of death":  change(func(a []byte) { a[1] = 0 }),
		"stratum 16":     change(func(a []byte) { a[1] = 16 }),
		"not a server":   change(func(a []byte) { a[0] = 4<<3 | 3 }),
	} {
		if got, err := askTime(t.Context(), timeServer(t, answer), clk); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	// A forged or late answer before the right one is passed over.
	addr := timeServer(t, func(ask []byte) [][]byte {
		forged := reply(ask, start, time.Hour)
		forged[24]++
		return [][]byte{{1, 2, 3}, forged, reply(ask, start, 2*time.Second)}
	})
	if got, err := askTime(t.Context(), addr, clk); err != nil || (got-2*time.Second).Abs() > 500*time.Millisecond {
		t.Errorf("%v %v", got, err)
	}
	for in, want := range map[string]string{"ntp.example": "ntp.example:123", "ntp.example:1123": "ntp.example:1123", "::1": "[::1]:123", "[::1]:5": "[::1]:5"} {
		if got := timeAddress(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

func TestClock(t *testing.T) {
	b := bundle(t)
	clk := clock.Fake(start)
	at := func(off time.Duration) string {
		return timeServer(t, func(ask []byte) [][]byte { return [][]byte{reply(ask, start, off)} })
	}
	mute := timeServer(t, func([]byte) [][]byte { return nil })
	for _, c := range []struct {
		name    string
		servers []string
		want    []string
	}{
		{"right", []string{at(0), at(600 * time.Millisecond)}, []string{}},
		{"slow", []string{at(2 * time.Second)}, []string{": 2 health.clock.behind"}},
		{"fast", []string{at(-90 * time.Second)}, []string{": 2 health.clock.ahead"}},
		{"one of three is wrong", []string{at(0), at(time.Hour), at(0)}, []string{}},
		{"one answers", []string{mute, at(3 * time.Second)}, []string{": 2 health.clock.behind"}},
		{"none answers", []string{mute}, []string{": 1 health.clock.unknown"}},
	} {
		if d := cmp.Diff(c.want, run1(t, b, Clock(clk, c.servers))); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
	s := func(d time.Duration, name string) Skew { return Skew{name, d} }
	for _, c := range []struct {
		skews []Skew
		want  []string
	}{
		{nil, []string{}},
		{[]Skew{s(time.Second, "a")}, []string{}},
		{[]Skew{s(-5*time.Second, "a")}, []string{"a: 1 health.clock.peer"}},
		{[]Skew{s(5*time.Second, "a"), s(0, "b")}, []string{"a: 1 health.clock.peer"}},
		{[]Skew{s(5*time.Second, "a"), s(6*time.Second, "b")}, []string{": 2 health.clock.behind"}},
		{[]Skew{s(-5*time.Second, "a"), s(-5*time.Second, "b"), s(0, "c")}, []string{": 2 health.clock.ahead"}},
	} {
		if d := cmp.Diff(c.want, run1(t, b, ClockPeers(func(context.Context) ([]Skew, error) { return c.skews, nil }))); d != "" {
			t.Errorf("%v: %s", c.skews, d)
		}
	}
}

func TestValidate(t *testing.T) {
	good := Config{TimeServers: []string{"tik.cesnet.cz", "192.0.2.1:123"}}
	bad := Config{TimeServers: []string{"", "a:b:c:1"}}
	if f := good.Validate(); len(f) != 0 {
		t.Error(f)
	}
	f := bad.Validate()
	if len(f) == 0 || fmt.Sprint(f[0].Path) != "[time_servers 0]" || f[0].Key != "health.config.time_server" {
		t.Error(f)
	}
}
