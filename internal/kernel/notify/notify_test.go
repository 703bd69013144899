package notify

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 8, 15, 12, 3, 0, 0, time.UTC)

func bundle(t testing.TB) *i18n.Bundle {
	t.Helper()
	files := fstest.MapFS{}
	for l, text := range map[string]string{
		"cs": `{"t.disk": "Disk {folder} je z {n} % plný", "t.since": "Od {at}, už {d}", "t.why": "Důvod: {reason}", "t.reason": "žluťoučký kůň"}`,
		"de": `{"t.disk": "Die Platte {folder} ist zu {n} % voll", "t.since": "Seit {at}, schon {d}", "t.why": "Grund: {reason}", "t.reason": "müßig"}`,
		"pl": `{"t.disk": "Dysk {folder} jest pełny w {n} %", "t.since": "Od {at}, już {d}", "t.why": "Powód: {reason}", "t.reason": "zażółć gęślą jaźń"}`,
		"en": `{"t.disk": "The disk {folder} is {n} % full", "t.since": "Since {at}, for {d}", "t.why": "Reason: {reason}", "t.reason": "no letter beyond ASCII"}`,
	} {
		files["locales/"+l+".json"] = &fstest.MapFile{Data: []byte(text)}
	}
	b, err := i18n.Load(Locales(), files)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type rig struct {
	t    testing.TB
	db   *store.DB
	clk  *clock.Clock
	jobs *job.Queue
	s    *Service
	dir  string
	log  *bytes.Buffer
}

func setup(t testing.TB, cfg Config) *rig {
	t.Helper()
	if f := cfg.Validate(); f != nil {
		t.Fatal(f)
	}
	r := &rig{t: t, db: storetest.Open(t, storetest.Tables{"job": job.Migrations(), "notify": Migrations()}), clk: clock.Fake(start), dir: t.TempDir(), log: new(bytes.Buffer)}
	if err := errors.Join(r.db.Migrate(t.Context(), "job", job.Migrations()), r.db.Migrate(t.Context(), "notify", Migrations())); err != nil {
		t.Fatal(err)
	}
	texts := bundle(t)
	t.Cleanup(func() {
		if n := texts.Missing(); n != 0 {
			t.Errorf("%d texts were missing", n)
		}
	})
	log := slog.New(slog.NewTextHandler(r.log, nil))
	r.jobs = job.New(r.db, r.clk, log)
	r.s = New(cfg, Deps{DB: r.db, Jobs: r.jobs, Clock: r.clk, Texts: texts, Log: log, Dir: r.dir, Place: "Liberec"})
	if err := r.s.Schedule(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) write(f func(tx *store.Tx) error) {
	r.t.Helper()
	if err := r.db.Write(context.Background(), f); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) send(n Notification) {
	r.t.Helper()
	r.write(func(tx *store.Tx) error { return r.s.Send(tx, n) })
}

// run lets the workers go until done says so.
func (r *rig) run(done func() bool) {
	r.t.Helper()
	ctx, stop := context.WithCancel(r.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { r.jobs.Run(ctx) })
	defer wg.Wait()
	defer stop()
	deadline := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			r.t.Fatalf("not done after 20 s: %v\n%s", r.deliveries(), r.log)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

type row struct {
	Channel, Kind, State, Error string
	Attempt                     int64
}

func (r *rig) deliveries() (out []row) {
	r.t.Helper()
	if err := r.db.Read(context.Background(), func(tx *store.Tx) error {
		rows, err := tx.Query(`SELECT channel, kind, state, error, attempt FROM notify_delivery ORDER BY channel, kind, notification`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var x row
			if err := rows.Scan(&x.Channel, &x.Kind, &x.State, &x.Error, &x.Attempt); err != nil {
				return err
			}
			out = append(out, x)
		}
		return rows.Err()
	}); err != nil {
		r.t.Fatal(err)
	}
	return out
}

// settled reports whether nothing waits for its first attempt.
func (r *rig) settled() bool {
	for _, d := range r.deliveries() {
		if d.State == waiting && d.Error == "" {
			return false
		}
	}
	return true
}

func note(kind store.Kind) Notification {
	return Notification{
		Kind: kind, Class: B, Link: "/health",
		Text: Text{"t.disk", i18n.Args{"folder": "data", "n": 81}},
		More: []Text{
			{"t.since", i18n.Args{"at": start.Add(-time.Minute), "d": 61 * time.Second}},
			{"t.why", i18n.Args{"reason": Text{Key: "t.reason"}}},
		},
	}
}

// pki writes a certificate for this machine and returns the files.
func pki(t testing.TB) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	put(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	put(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
	return cert, key
}

func put(t testing.TB, file string, body []byte) string {
	t.Helper()
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// taken is a mail as the server took it.
type taken struct {
	From  string   `json:"from"`
	To    []string `json:"to"`
	TLS   bool     `json:"tls"`
	Login bool     `json:"login"`
	Raw   string   `json:"raw"`
}

type mailServer struct {
	port int
	mu   sync.Mutex
	got  []taken
}

func (m *mailServer) all() []taken {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]taken(nil), m.got...)
}

// smtpd starts a real mail server that is not ours: python3-aiosmtpd of Debian.
func smtpd(t testing.TB, mode, cert, key, user, password string) *mailServer {
	t.Helper()
	python := ""
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(name, "-c", "import aiosmtpd").Run() == nil {
			python = name
			break
		}
	}
	if python == "" {
		t.Skip("no mail server to test with: install Debian's python3-aiosmtpd")
	}
	cmd := exec.Command(python, "testdata/smtpd.py", mode, cert, key, user, password)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "port ") {
		cmd.Process.Kill()
		cmd.Wait()
		t.Fatalf("mail server: %s %s", lines.Text(), stderr.String())
	}
	m := &mailServer{}
	m.port, _ = strconv.Atoi(strings.TrimPrefix(lines.Text(), "port "))
	var wg sync.WaitGroup
	wg.Go(func() {
		for lines.Scan() {
			var got taken
			if json.Unmarshal(lines.Bytes(), &got) == nil {
				m.mu.Lock()
				m.got = append(m.got, got)
				m.mu.Unlock()
			}
		}
	})
	t.Cleanup(func() {
		cmd.Process.Kill()
		wg.Wait()
		cmd.Wait()
	})
	return m
}

// read parses a mail with the standard library, which did not write it.
func read(t testing.TB, m taken) (*netmail.Message, string) {
	t.Helper()
	msg, err := netmail.ReadMessage(strings.NewReader(m.Raw))
	if err != nil {
		t.Fatal(err)
	}
	if typ, args, err := mime.ParseMediaType(msg.Header.Get("Content-Type")); err != nil || typ != "text/plain" || !strings.EqualFold(args["charset"], "utf-8") {
		t.Errorf("content type %s %v %v", typ, args, err)
	}
	if e := msg.Header.Get("Content-Transfer-Encoding"); e != "quoted-printable" {
		t.Errorf("encoding %q", e)
	}
	for _, r := range m.Raw {
		if r > 126 {
			t.Errorf("a byte beyond ASCII on the wire: %q", r)
			break
		}
	}
	body, err := io.ReadAll(quotedprintable.NewReader(msg.Body))
	if err != nil {
		t.Fatal(err)
	}
	return msg, strings.ReplaceAll(string(body), "\r\n", "\n")
}

// A mail goes out over each sort of connection, to a server of others, in the
// languages of its reader.
func TestMail(t *testing.T) {
	cert, key := pki(t)
	pw := put(t, filepath.Join(t.TempDir(), "pw"), []byte("correct horse\n"))
	for _, c := range []struct{ mode, user, passwordFile string }{
		{"starttls", "node", pw},
		{"tls", "node", pw},
		{"none", "", ""},
	} {
		t.Run(c.mode, func(t *testing.T) {
			srv := smtpd(t, c.mode, cert, key, c.user, "correct horse")
			r := setup(t, Config{
				BaseURL: "https://node.example/", SMTP: SMTP{Host: "127.0.0.1", Port: srv.port, From: "Trojmezí Liberec <node@liberec.example>", TLS: c.mode, CAFile: cert, Username: c.user, PasswordFile: c.passwordFile},
				Recipients: []Recipient{
					{Name: "technician", Email: "tech@liberec.example", Languages: []string{"cs", "de"}},
					{Name: "dyżurny", Email: "oficer@zgorzelec.example", Languages: []string{"pl"}},
					{Name: "alarms only", Email: "a@liberec.example", Classes: []string{"A"}},
				},
			})
			r.send(note(store.Live))
			r.run(func() bool { return len(srv.all()) == 2 && r.settled() })
			byTo := map[string]taken{}
			for _, m := range srv.all() {
				byTo[m.To[0]] = m
				if m.From != "node@liberec.example" || len(m.To) != 1 || m.TLS != (c.mode != "none") || m.Login != (c.user != "") {
					t.Errorf("%+v", m)
				}
			}
			if _, ok := byTo["a@liberec.example"]; ok {
				t.Error("class B reached a reader of class A")
			}
			msg, body := read(t, byTo["tech@liberec.example"])
			subject, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
			if err != nil || subject != "Liberec: Disk data je z 81 % plný" {
				t.Errorf("subject %q %v", subject, err)
			}
			want := "Jednejte brzy\n\nDisk data je z 81 % plný\nOd 15. 8. 2026 v 14:02:00, už 1 min 1 s\nDůvod: žluťoučký kůň\n\nhttps://node.example/health\n\n" +
				"Zprávu odeslal sám uzel Liberec, 15. 8. 2026 v 14:03:00. Odpovědi na tuto adresu nikdo nečte.\n" + languageRule +
				"Bald handeln\n\nDie Platte data ist zu 81 % voll\nSeit 15.08.2026, 14:02:00 Uhr, schon 1 min 1 s\nGrund: müßig\n\nhttps://node.example/health\n\n" +
				"Diese Nachricht hat der Knoten Liberec selbst gesendet, 15.08.2026, 14:03:00 Uhr. Antworten an diese Adresse liest niemand.\n"
			spaces := strings.NewReplacer("\u00a0", " ", "\u202f", " ")
			if d := cmp.Diff(spaces.Replace(want), spaces.Replace(body)); d != "" {
				t.Error(d)
			}
			date, err := msg.Header.Date()
			if err != nil || !date.Equal(start) {
				t.Errorf("date %v %v", date, err)
			}
			for name, want := range map[string]string{"Auto-Submitted": "auto-generated", "Content-Language": "cs, de", "Mime-Version": "1.0"} {
				if got := msg.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if id := msg.Header.Get("Message-Id"); !strings.HasSuffix(id, "@liberec.example>") {
				t.Errorf("message id %q", id)
			}
			if from, err := netmail.ParseAddress(msg.Header.Get("From")); err != nil || from.Name != "Trojmezí Liberec" {
				t.Errorf("from %v %v", from, err)
			}
			if _, body := read(t, byTo["oficer@zgorzelec.example"]); !strings.Contains(body, "zażółć gęślą jaźń") {
				t.Errorf("pl: %s", body)
			}
		})
	}
}

// What can go wrong on the way is an error that says what, names no address and
// is tried again.
func TestMailFailures(t *testing.T) {
	cert, key := pki(t)
	foreign, _ := pki(t)
	dir := t.TempDir()
	good, bad := put(t, filepath.Join(dir, "good"), []byte("correct horse")), put(t, filepath.Join(dir, "bad"), []byte("wrong"))
	srv := smtpd(t, "starttls", cert, key, "node-login", "correct horse")
	plainSrv := smtpd(t, "none", "", "", "", "")
	mute, err := net.Listen("tcp", "127.0.0.1:0") // takes the connection and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	for _, c := range []struct {
		name, to string
		change   func(*SMTP)
		want     string
	}{
		{"taken", "ok@x.example", func(*SMTP) {}, ""},
		{"away", "ok@x.example", func(s *SMTP) { s.Port = 1 }, "connection refused"},
		{"silent", "ok@x.example", func(s *SMTP) { s.Port = mute.Addr().(*net.TCPAddr).Port }, "timeout"},
		{"slow", "slow@x.example", func(*SMTP) {}, "timeout"},
		{"recipient refused", "refused@x.example", func(*SMTP) {}, "550"},
		{"wrong password", "ok@x.example", func(s *SMTP) { s.PasswordFile = bad }, "535"},
		{"no password file", "ok@x.example", func(s *SMTP) { s.PasswordFile = filepath.Join(dir, "none") }, "no such file"},
		{"foreign certificate", "ok@x.example", func(s *SMTP) { s.CAFile = foreign }, "certificate"},
		{"no STARTTLS offered", "ok@x.example", func(s *SMTP) { s.Port, s.Username, s.PasswordFile = plainSrv.port, "", "" }, "STARTTLS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			smtp := SMTP{Host: "127.0.0.1", Port: srv.port, From: "node@liberec.example", CAFile: cert, Username: "node-login", PasswordFile: good}
			c.change(&smtp)
			cfg := Config{SMTP: smtp, Recipients: []Recipient{{Name: "post", Email: c.to}}}
			if f := cfg.Validate(); f != nil {
				t.Fatal(f)
			}
			s := New(cfg, Deps{Clock: clock.Fake(start), Texts: bundle(t), Place: "Liberec"})
			limit := time.Minute
			if c.want == "timeout" {
				limit = time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			began := time.Now()
			err := s.attempt(ctx, s.channels[0], message{id: "1", kind: store.Live, class: A, texts: []Text{note(store.Live).Text}, at: start})
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), c.to) || strings.Contains(err.Error(), "node-login") {
				t.Fatalf("got %v, want %s", err, c.want)
			}
		})
	}
	if got := plainSrv.all(); len(got) != 0 {
		t.Errorf("a mail went out unencrypted: %v", got)
	}
}

type post struct {
	header http.Header
	body   []byte
}

// receiver is a webhook's other end; status decides what it answers.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	posts  []post
	status func(n int) int
}

func newReceiver(t testing.TB, withTLS bool, status func(int) int) *receiver {
	r := &receiver{status: status}
	h := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.posts = append(r.posts, post{q.Header, body})
		code := 204
		if r.status != nil {
			code = r.status(len(r.posts))
		}
		r.mu.Unlock()
		if code/100 == 3 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(code)
	})
	r.Server = httptest.NewUnstartedServer(h)
	r.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if withTLS {
		r.StartTLS()
	} else {
		r.Start()
	}
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) got() []post {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]post(nil), r.posts...)
}

const sharedSecret = "0123456789abcdef0123456789abcdef"

func (r *receiver) hook(t testing.TB) Webhook {
	dir := t.TempDir()
	w := Webhook{URL: r.URL + "/in/secret-path", SecretFile: put(t, filepath.Join(dir, "secret"), []byte(sharedSecret+"\n"))}
	if r.TLS != nil {
		w.CAFile = put(t, filepath.Join(dir, "ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw}))
	} else {
		w.InsecureLoopback = true
	}
	return w
}

// A webhook is posted once, signed, in four languages.
func TestWebhook(t *testing.T) {
	srv := newReceiver(t, true, nil)
	r := setup(t, Config{BaseURL: "https://node.example", Webhooks: []Webhook{srv.hook(t)}})
	r.send(note(store.Live))
	r.run(func() bool { return len(srv.got()) > 0 && r.settled() })
	got := srv.got()
	if len(got) != 1 {
		t.Fatalf("%d posts", len(got))
	}
	var at int64
	var mac string
	if _, err := fmt.Sscanf(strings.Replace(got[0].header.Get(SignatureHeader), ",", " ", 1), "t=%d v1=%s", &at, &mac); err != nil || at != start.Unix() {
		t.Fatalf("signature %q %v", got[0].header.Get(SignatureHeader), err)
	}
	h := hmac.New(sha256.New, []byte(sharedSecret))
	fmt.Fprintf(h, "%d.%s", at, got[0].body)
	if hex.EncodeToString(h.Sum(nil)) != mac {
		t.Error("the signature does not fit the body")
	}
	var p Posted
	if err := json.Unmarshal(got[0].body, &p); err != nil {
		t.Fatal(err)
	}
	if p.ID != got[0].header.Get(IDHeader) || p.Kind != store.Live || p.Class != B || p.Key != "t.disk" || p.Link != "https://node.example/health" || p.Mark != nil || !p.At.Equal(start) {
		t.Errorf("%+v", p)
	}
	if p.Headline["de"] != "Die Platte data ist zu 81 % voll" || p.More["pl"][1] != "Powód: zażółć gęślą jaźń" || len(p.Headline) != 4 {
		t.Errorf("%+v", p)
	}
}

// A receiver that fails is asked again until it takes the message; the id stays.
func TestWebhookRetries(t *testing.T) {
	srv := newReceiver(t, true, func(n int) int { return map[bool]int{true: 503, false: 200}[n < 3] })
	r := setup(t, Config{Webhooks: []Webhook{srv.hook(t)}})
	r.send(note(store.Live))
	for n := 1; n <= 3; n++ {
		r.run(func() bool { return len(srv.got()) == n && r.deliveries()[0].Attempt == int64(n) })
		r.clk.Advance(time.Minute)
	}
	posts := srv.got()
	if posts[0].header.Get(IDHeader) == "" || posts[0].header.Get(IDHeader) != posts[2].header.Get(IDHeader) {
		t.Error("the id differs between attempts")
	}
	d := r.deliveries()[0]
	if d.State != sent || d.Error != "" || d.Attempt != 3 {
		t.Errorf("%+v", d)
	}
}

func TestWebhookFailures(t *testing.T) {
	hang := make(chan struct{})
	slow := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-hang }))
	defer slow.Close()
	defer close(hang)
	ok, redirect := newReceiver(t, true, nil), newReceiver(t, true, func(int) int { return 307 })
	short := put(t, filepath.Join(t.TempDir(), "short"), []byte("too short"))
	for _, c := range []struct {
		name   string
		hook   Webhook
		change func(*Webhook)
		want   string
	}{
		{"taken", ok.hook(t), func(*Webhook) {}, ""},
		{"redirected", redirect.hook(t), func(*Webhook) {}, "307"},
		{"unknown authority", ok.hook(t), func(w *Webhook) { w.CAFile = "" }, "certificate"},
		{"slow", (&receiver{Server: slow}).hook(t), func(*Webhook) {}, "deadline"},
		{"short secret", ok.hook(t), func(w *Webhook) { w.SecretFile = short }, "fewer than 16"},
		{"no secret", ok.hook(t), func(w *Webhook) { w.SecretFile += ".none" }, "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.change(&c.hook)
			cfg := Config{Webhooks: []Webhook{c.hook}}
			if f := cfg.Validate(); f != nil {
				t.Fatal(f)
			}
			s := New(cfg, Deps{Clock: clock.Fake(start), Texts: bundle(t)})
			limit := time.Minute
			if c.want == "deadline" {
				limit = 500 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			err := s.attempt(ctx, s.channels[0], message{id: "1", kind: store.Live, class: A, texts: []Text{note(store.Live).Text}})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret-path")) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
	if len(redirect.got()) != 1 {
		t.Error("the redirection was followed")
	}
}

// Nothing of one kind leaves by a channel of another, whatever is in the queues.
func TestKindsStayApart(t *testing.T) {
	live, drill, try := newReceiver(t, false, nil), newReceiver(t, false, nil), newReceiver(t, false, nil)
	hooks := []Webhook{live.hook(t), drill.hook(t), try.hook(t)}
	hooks[1].Kind, hooks[2].Kind = "exercise", "test"
	r := setup(t, Config{Webhooks: hooks})
	want := map[*receiver]store.Kind{live: store.Live, drill: store.Exercise, try: store.Test}
	for _, k := range store.Kinds {
		r.send(note(k))
	}
	// A row that stands in the wrong queue by a mistake or by force.
	liveChannel := r.s.channels[0]
	r.write(func(tx *store.Tx) error {
		if _, err := insert(tx, "forged", note(store.Exercise), `[{"key":"t.reason"}]`, start); err != nil {
			return err
		}
		if err := addDelivery(tx, "forged", liveChannel); err != nil {
			return err
		}
		_, err := r.jobs.Enqueue(tx, job.Job{Queue: queueOf(liveChannel.id), Kind: store.Live, Payload: []byte("forged")})
		return err
	})
	r.run(func() bool { return len(live.got()) > 0 && len(drill.got()) > 0 && len(try.got()) > 0 && r.settled() })
	for srv, kind := range want {
		if n := len(srv.got()); n != 1 {
			t.Fatalf("%s: %d posts", kind, n)
		}
		var p Posted
		if err := json.Unmarshal(srv.got()[0].body, &p); err != nil {
			t.Fatal(err)
		}
		if p.Kind != kind || (p.Mark == nil) != (kind == store.Live) {
			t.Errorf("%s: %+v", kind, p)
		}
	}
	var forged []string
	for _, d := range r.deliveries() {
		if d.State == dropped {
			forged = append(forged, d.Error)
		}
	}
	if len(forged) != 1 || forged[0] != "a notification of another kind" {
		t.Errorf("dropped: %q", forged)
	}
	// In a mail the word stands first in headline and text.
	m := message{kind: store.Exercise, class: A, texts: []Text{{"t.reason", nil}}, at: start}
	for l, word := range map[i18n.Lang]string{"cs": "CVIČENÍ", "de": "ÜBUNG", "pl": "ĆWICZENIA", "en": "EXERCISE"} {
		if s := r.s.subject(l, m); !strings.HasPrefix(s, word) {
			t.Errorf("%s: %s", l, s)
		}
		if s := r.s.body(l, m); !strings.HasPrefix(s, word) {
			t.Errorf("%s: %s", l, s)
		}
	}
}

// Only what is committed leaves, once for a unique key, and not when cancelled
// before its time.
func TestOutbox(t *testing.T) {
	srv := newReceiver(t, false, nil)
	r := setup(t, Config{Webhooks: []Webhook{srv.hook(t)}})
	roll := errors.New("roll back")
	if err := r.db.Write(t.Context(), func(tx *store.Tx) error {
		if err := r.s.Send(tx, note(store.Live)); err != nil {
			return err
		}
		return roll
	}); !errors.Is(err, roll) {
		t.Fatal(err)
	}
	once := note(store.Live)
	once.Unique = "alarm/7"
	r.send(once)
	r.send(once)
	later := note(store.Live)
	later.Unique, later.NotBefore = "alarm/8", start.Add(30*time.Second)
	r.send(later)
	r.write(func(tx *store.Tx) error { return r.s.Cancel(tx, store.Live, "alarm/8") })
	kept := note(store.Live)
	kept.Unique, kept.NotBefore = "alarm/9", start.Add(30*time.Second)
	r.send(kept)
	r.write(func(tx *store.Tx) error { return r.s.Cancel(tx, store.Exercise, "alarm/9") }) // of another kind
	r.run(func() bool { return len(srv.got()) == 1 })
	r.clk.Advance(31 * time.Second)
	r.run(func() bool { return len(srv.got()) == 2 && r.settled() })
	states := map[string]int{}
	for _, d := range r.deliveries() {
		states[d.State]++
	}
	if d := cmp.Diff(map[string]int{sent: 2, dropped: 1}, states); d != "" {
		t.Error(d)
	}
	for _, n := range []Notification{{}, {Kind: "real", Class: A, Text: Text{Key: "t.reason"}}, {Kind: store.Live, Class: "D", Text: Text{Key: "t.reason"}},
		{Kind: store.Live, Class: A, Text: Text{Key: "t.reason", Args: i18n.Args{"x": []byte{1}}}}} {
		if err := r.db.Write(t.Context(), func(tx *store.Tx) error { return r.s.Send(tx, n) }); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", n, err)
		}
	}
	r.clk.Advance(keep + time.Hour)
	r.write(func(tx *store.Tx) error { return prune(tx, r.clk.Now().Add(-keep)) })
	if d := r.deliveries(); len(d) != 0 {
		t.Errorf("kept for ever: %v", d)
	}
}

// A channel that never works gives up, is listed with its error, and holds up no
// other; one that is gone from the configuration takes nothing any more.
func TestDeadChannel(t *testing.T) {
	dead, good := newReceiver(t, false, func(int) int { return 500 }), newReceiver(t, false, nil)
	hooks := []Webhook{dead.hook(t), good.hook(t)}
	r := setup(t, Config{Webhooks: hooks})
	r.send(note(store.Live))
	for n := 1; n <= job.DefaultAttempts; n++ {
		r.run(func() bool { return len(dead.got()) == n && r.settled() && attempts(r) == int64(n) })
		r.clk.Advance(2 * time.Hour)
	}
	var states []ChannelState
	r.write(func(tx *store.Tx) (err error) { states, err = r.s.Channels(tx); return err })
	if states[0].FailedAt.IsZero() || !strings.Contains(states[0].Error, "500") || states[0].Waiting != 0 {
		t.Errorf("%+v", states[0])
	}
	if !states[1].FailedAt.IsZero() || states[1].SentAt.IsZero() {
		t.Errorf("%+v", states[1])
	}
	for _, d := range r.deliveries() {
		if want := map[bool]string{true: failed, false: sent}[d.Channel == r.s.channels[0].id]; d.State != want {
			t.Errorf("%+v, want %s", d, want)
		}
	}
	// A person has it sent again.
	tries := len(dead.got())
	r.write(func(tx *store.Tx) error {
		list, err := r.jobs.Dead(tx, 10)
		if err != nil || len(list) != 1 {
			t.Fatalf("%+v, %v", list, err)
		}
		_, err = r.jobs.Retry(tx, list[0].ID)
		return err
	})
	r.run(func() bool { return len(dead.got()) == tries+1 && attempts(r) == 1 })

	if err := r.s.Probe(t.Context(), states[1].ID); err != nil {
		t.Error(err)
	}
	if err := r.s.Probe(t.Context(), states[0].ID); err == nil {
		t.Error("the probe of a dead channel succeeded")
	}

	// A restart without the first webhook.
	r.clk.Advance(2 * time.Hour)
	r.send(note(store.Live))
	r.jobs = job.New(r.db, r.clk, slog.New(slog.DiscardHandler))
	cfg := Config{Webhooks: hooks[1:]}
	cfg.Validate()
	before := len(dead.got())
	r.s = New(cfg, Deps{DB: r.db, Jobs: r.jobs, Clock: r.clk, Texts: bundle(t), Log: slog.New(slog.DiscardHandler)})
	if err := r.s.Schedule(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.run(func() bool {
		for _, d := range r.deliveries() {
			if d.State == waiting {
				return false
			}
		}
		return true
	})
	if len(dead.got()) != before {
		t.Error("something left by a channel that is not configured")
	}
}

func attempts(r *rig) int64 {
	for _, d := range r.deliveries() {
		if d.Channel == r.s.channels[0].id {
			return d.Attempt
		}
	}
	return 0
}

// Without the database a notification still leaves, by the channels that work.
func TestDirect(t *testing.T) {
	dead, good, drill := newReceiver(t, false, func(int) int { return 500 }), newReceiver(t, false, nil), newReceiver(t, false, nil)
	hooks := []Webhook{dead.hook(t), good.hook(t), drill.hook(t)}
	hooks[2].Kind = "exercise"
	cfg := Config{Webhooks: hooks}
	cfg.Validate()
	s := New(cfg, Deps{Clock: clock.Fake(start), Texts: bundle(t)})
	n, err := s.Direct(t.Context(), note(store.Live))
	if n != 1 || err == nil || len(good.got()) != 1 || len(drill.got()) != 0 {
		t.Errorf("%d, %v", n, err)
	}
}

// A success noted by a clock that was ahead does not hide what fails since, and a
// failure noted so does not outlast what leaves since.
func TestChannelStateAndTheClock(t *testing.T) {
	hook := newReceiver(t, false, nil)
	for name, c := range map[string]struct {
		ahead, since string
		failing      bool
	}{"success": {sent, waiting, true}, "failure": {waiting, sent, false}} {
		r := setup(t, Config{Webhooks: []Webhook{hook.hook(t)}})
		id := r.s.channels[0].id
		attempt := func(n int, state string, at time.Time) {
			failure := ""
			if state != sent {
				failure = "no answer"
			}
			r.write(func(tx *store.Tx) error {
				_, err := tx.Exec(`INSERT INTO notify_delivery (notification, channel, kind, state, attempt, tried_at, error) VALUES ($1, $2, 'live', $3, 1, $4, $5)`,
					fmt.Sprint(n), id, state, at.UnixMilli(), failure)
				return err
			})
		}
		attempt(1, c.ahead, r.clk.Now().AddDate(9, 0, 0))
		attempt(2, c.since, r.clk.Now())
		var states []ChannelState
		r.write(func(tx *store.Tx) (err error) { states, err = r.s.Channels(tx); return err })
		if st := states[0]; st.FailedAt.IsZero() == c.failing || st.SentAt.IsZero() != c.failing {
			t.Errorf("%s: %+v", name, st)
		}
	}
}

func TestReaches(t *testing.T) {
	s := &Service{channels: []*channel{{kind: store.Live, classes: []string{"B"}}, {kind: store.Live, classes: []string{"A"}, organisation: "a"}}}
	for _, c := range []struct {
		kind         store.Kind
		class        Class
		organisation string
		want         bool
	}{{store.Live, A, "", false}, {store.Live, A, "a", true}, {store.Live, A, "b", false}, {store.Live, B, "b", true}, {store.Exercise, B, "", false}} {
		if got := s.Reaches(c.kind, c.class, c.organisation); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestOrganisations(t *testing.T) {
	for _, c := range []struct {
		channel, notification string
		want                  bool
	}{{"", "", true}, {"", "a", true}, {"a", "a", true}, {"a", "b", false}, {"a", "", false}} {
		ch := &channel{kind: store.Live, classes: []string{"A"}, organisation: c.channel}
		if got := ch.takes(store.Live, A, c.notification); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// Arguments come back from the database as what they were.
func TestTextRoundTrip(t *testing.T) {
	in := Text{"t.all", i18n.Args{"a": "text", "b": int64(-7), "c": 1.5, "d": start, "e": 90 * time.Second, "f": Text{"t.disk", i18n.Args{"n": int64(3)}}}}
	raw, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out Text
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(in, out); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{`[]`, `{"key":"t","args":{"a":{}}}`, `{"key":"t","args":{"a":"plain"}}`} {
		if json.Unmarshal([]byte(bad), &out) == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestValidate(t *testing.T) {
	recipient := Recipient{Name: "post", Email: "post@x.example"}
	smtp := SMTP{Host: "mail.example", From: "Node <node@x.example>"}
	hook := Webhook{URL: "https://x.example/in", SecretFile: "secret"}
	for _, c := range []struct {
		name string
		cfg  Config
		want string // path: key
	}{
		{"nothing", Config{}, ""},
		{"mail", Config{SMTP: smtp, Recipients: []Recipient{recipient}}, ""},
		{"hook", Config{Webhooks: []Webhook{hook}}, ""},
		{"base", Config{BaseURL: "node"}, "[base_url] notify.config.base_url"},
		{"no server", Config{Recipients: []Recipient{recipient}}, "[smtp host] notify.config.host [smtp from] notify.config.email"},
		{"port", Config{SMTP: SMTP{Host: "m", From: "a@b.example", Port: 70000}}, "[smtp port] notify.config.port"},
		{"plain", Config{SMTP: SMTP{Host: "mail.example", From: "a@b.example", TLS: "none"}}, "[smtp tls] notify.config.tls_none"},
		{"plain here", Config{SMTP: SMTP{Host: "::1", From: "a@b.example", TLS: "none"}}, ""},
		{"tls", Config{SMTP: SMTP{Host: "m", From: "a@b.example", TLS: "ssl"}}, "[smtp tls] notify.config.tls"},
		{"half a login", Config{SMTP: SMTP{Host: "m", From: "a@b.example", Username: "u"}}, "[smtp username] notify.config.password"},
		{"names", Config{SMTP: smtp, Recipients: []Recipient{recipient, recipient, {Email: "x@y.example"}}}, "[recipients 1 name] notify.config.name [recipients 2 name] notify.config.name"},
		{"recipient", Config{SMTP: smtp, Recipients: []Recipient{{Name: "n", Email: "x", Languages: []string{"cs", "sk", "cs"}, Classes: []string{"A", "Z"}, Kind: "real"}}},
			"[recipients 0 email] notify.config.email [recipients 0 languages 1] notify.config.language [recipients 0 languages 2] notify.config.language [recipients 0 classes 1] notify.config.class [recipients 0 kind] notify.config.kind"},
		{"http", Config{Webhooks: []Webhook{{URL: "http://127.0.0.1/", SecretFile: "s"}}}, "[webhooks 0 url] notify.config.url_plain"},
		{"http elsewhere", Config{Webhooks: []Webhook{{URL: "http://x.example/", SecretFile: "s", InsecureLoopback: true}}}, "[webhooks 0 url] notify.config.url_plain"},
		{"http here", Config{Webhooks: []Webhook{{URL: "http://127.0.0.1/", SecretFile: "s", InsecureLoopback: true}}}, ""},
		{"twice, no secret", Config{Webhooks: []Webhook{hook, {URL: hook.URL}}}, "[webhooks 1 url] notify.config.url [webhooks 1 secret_file] notify.config.secret"},
		{"no url", Config{Webhooks: []Webhook{{URL: "ftp://x", SecretFile: "s"}}}, "[webhooks 0 url] notify.config.url"},
	} {
		var got []string
		b := bundle(t)
		for _, f := range c.cfg.Validate() {
			got = append(got, fmt.Sprint(f.Path), f.Key)
			for _, l := range i18n.Langs {
				if s := b.Text(l, f.Key, f.Args); strings.ContainsAny(s, "⟦{") {
					t.Errorf("%s: %s", l, s)
				}
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s, want %s", c.name, s, c.want)
		}
	}
}
