package channel

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/alert/outlet"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/health"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
	built "trojmezi/web"
)

var start = time.Date(2026, 8, 7, 16, 5, 0, 0, time.UTC)

var places = sync.OnceValue(func() *register.Register {
	r, err := register.Load()
	if err != nil {
		panic(err)
	}
	return r
})

var bundle = sync.OnceValue(func() *i18n.Bundle {
	b, err := i18n.Load(web.Locales, ui.Locales, access.Locales, notify.Locales(), health.Locales(), register.Locales, warning.Locales(), outlet.Locales(), Locales())
	if err != nil {
		panic(err)
	}
	return b
})

// crew are the people of two organisations.
var crew = map[string]*web.Person{
	"dana": {ID: "dana", Name: "Dana Dispečerka", Organisation: "frydlant", Roles: []string{"dispatcher"}},
	"theo": {ID: "theo", Name: "Theo Technik", Organisation: "frydlant", Roles: []string{"technician"}},
}

// rig is a service with its pages on a database.
type rig struct {
	*Service
	t     *testing.T
	dir   string
	cfg   store.Config
	clk   *clock.Clock
	texts *i18n.Bundle
	book  *warning.Service
	conf  Config
	gone  []string
	posts []Message
	rt    *web.Router
	base  string
}

func newRig(t *testing.T, c Config) *rig {
	t.Helper()
	r := &rig{t: t, clk: clock.Fake(start), dir: t.TempDir(), texts: bundle(), cfg: storetest.Config(t, tables), conf: c, base: "https://node.example"}
	r.open()
	return r
}

// open starts the node on its database, again after a stop.
func (r *rig) open() {
	r.t.Helper()
	db, err := store.Open(context.Background(), r.cfg)
	r.ok(err)
	r.t.Cleanup(func() { db.Close() })
	r.Service, r.book, err = assemble(db, r.clk, r.dir, r.conf, func(o *Options) {
		o.Base = r.base
		o.Gone = func(tx *store.Tx, channel, target string) error {
			tx.OnCommit(func() { r.gone = append(r.gone, channel+" "+target) })
			return nil
		}
		o.Neighbour = func(tx *store.Tx, m Message) error {
			if m.To == "1.2.3.9" {
				return errors.New("nobody at 1.2.3.9")
			}
			tx.OnCommit(func() { r.posts = append(r.posts, m) })
			return nil
		}
	})
	r.ok(err)
	policy, err := access.Load(map[string][]byte{"channel/policy.cedar": Policy()})
	r.ok(err)
	r.rt = web.NewRouter(web.Config{Bundle: r.texts, Log: slog.New(slog.DiscardHandler), Clock: r.clk, Policy: policy, Nav: Nav(), Built: built.Built(),
		Authenticate: func(q *http.Request) (*web.Person, error) { return crew[q.Header.Get("X-Person")], nil }})
	NewPages(r.Service).Register(r.rt)
	r.t.Cleanup(func() {
		if n := r.texts.Missing(); n != 0 {
			r.t.Errorf("%d texts are missing", n)
		}
	})
}

// tables are those the service and what it stands on keep.
var tables = storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "job": job.Migrations(), "warning": warning.Migrations(), "channel": Migrations()}

// assemble makes a service on a database, for tests and for the process that is killed.
func assemble(db *store.DB, clk *clock.Clock, dir string, c Config, more func(*Options)) (*Service, *warning.Service, error) {
	if faults := c.Validate(); len(faults) > 0 {
		return nil, nil, problem.New("test", problem.Invalid, faults[0].Key, faults[0].Args)
	}
	key, err := seal.LoadOrCreate(filepath.Join(dir, "node.key"))
	if err != nil {
		return nil, nil, err
	}
	log := slog.New(slog.DiscardHandler)
	trail := audit.New(db, key, clk, log)
	book := warning.New(warning.Options{DB: db, Audit: trail, Clock: clk, Log: log})
	o := Options{DB: db, Jobs: job.New(db, clk, log), Ring: seal.NewRing(key, clk), Key: key, Audit: trail, Clock: clk, Texts: bundle(), Log: log, Places: places(), Dir: dir,
		Place: "Liberec", Warnings: book.Warnings}
	if more != nil {
		more(&o)
	}
	s, err := New(c, o)
	return s, book, err
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// refused wants a problem with this key.
func (r *rig) refused(err error, key string) {
	r.t.Helper()
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.Key != key {
		r.t.Fatalf("got %v, want %s", err, key)
	}
	for _, l := range i18n.Langs {
		r.texts.Text(l, p.Key, p.Args)
	}
}

func (r *rig) queue(all ...Dispatch) error {
	return r.DB.Write(r.t.Context(), func(tx *store.Tx) error { return r.Queue(tx, all...) })
}

// run runs the jobs until done.
func (r *rig) run(done func() bool) {
	r.t.Helper()
	ctx, stop := context.WithCancel(r.t.Context())
	// A queue serves its workers once: each run is one of a node that was restarted.
	r.Jobs = job.New(r.DB, r.clk, slog.New(slog.DiscardHandler))
	r.ok(r.Schedule(ctx))
	ran := make(chan error, 1)
	go func() { ran <- r.Jobs.Run(ctx) }()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			stop()
			r.t.Fatalf("nothing happened: %+v", r.all())
		}
	}
	stop()
	<-ran
}

func (r *rig) all() []Receipt {
	r.t.Helper()
	all, err := r.Receipts(r.t.Context(), 1000)
	r.ok(err)
	return all
}

// settled reports whether nothing is due.
func (r *rig) settled() bool {
	for _, x := range r.all() {
		if x.State == Sending || x.State == Waiting && !x.Next.After(r.clk.Now()) {
			return false
		}
	}
	return true
}

func (r *rig) states() (all []string) {
	for _, x := range r.all() {
		all = append(all, x.Channel+" "+string(x.State))
	}
	return all
}

func (r *rig) leaves(action string) (n int) {
	r.t.Helper()
	r.ok(r.DB.Read(r.t.Context(), func(tx *store.Tx) error {
		return tx.Row(`SELECT COUNT(*) FROM audit_leaf WHERE action = $1`, action).Scan(&n)
	}))
	return n
}

func (r *rig) do(who, method, path string, form url.Values) (int, string, string) {
	r.t.Helper()
	q := httptest.NewRequestWithContext(r.t.Context(), method, path, strings.NewReader(form.Encode()))
	q.Header.Set("X-Person", who)
	q.Header.Set("Accept", "text/html")
	q.Header.Set("Accept-Language", "en")
	if method == http.MethodPost {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	r.rt.ServeHTTP(w, q)
	return w.Code, w.Body.String(), w.Header().Get("Location")
}

func (r *rig) get(who, path string) string {
	r.t.Helper()
	code, body, _ := r.do(who, http.MethodGet, path, nil)
	if code != http.StatusOK {
		r.t.Fatalf("%s: %d %.600s", path, code, body)
	}
	return body
}

// flood is an own notice for one address.
func flood(channel, target string) Dispatch {
	return Dispatch{Channel: channel, Target: target, Lang: i18n.Cs, Kind: store.Live, Reference: Reference{Notice, "n1", "1"}, Title: "Smědá stoupá", Body: "Voda bude v 19 hodin ve Višňové.\nOpusťte břeh.",
		Short: "Opusťte břeh.", Link: "https://node.example/n/1", Source: "Oznámení: Město Frýdlant"}
}

// official is a warning that is passed on.
func official(channel, target string) Dispatch {
	d := flood(channel, target)
	d.Reference, d.Title, d.Short = Reference{Warning, "w1", "1"}, "Povodňové ohrožení – řeka  Smědá", ""
	d.Source = "Zdroj: Český hydrometeorologický ústav (ČHMÚ) Vydáno 7. 8. 2026 18:00. Přijato 7. 8. 2026 18:01. Licence: CC BY 4.0."
	return d
}

func put(t testing.TB, file, text string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// process is a server that is not ours and prints a JSON line for all that it takes.
type process struct {
	port int
	mu   sync.Mutex
	got  [][]byte
}

func (p *process) url(path string) string { return "http://127.0.0.1:" + strconv.Itoa(p.port) + path }

// lines are what it took. What it has printed may still be on its way: least are waited
// for.
func (p *process) lines(least int) (all [][]byte) {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		p.mu.Lock()
		all = append([][]byte(nil), p.got...)
		p.mu.Unlock()
		if len(all) >= least || time.Now().After(end) {
			return all
		}
	}
}

func startProcess(t testing.TB, needs string, args ...string) *process {
	t.Helper()
	python := ""
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(name, "-c", "import "+needs).Run() == nil {
			python = name
			break
		}
	}
	if python == "" {
		t.Skip("nothing to test with: install Debian's python3 and python3-aiosmtpd")
	}
	cmd := exec.Command(python, args...)
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
		t.Fatalf("%v: %s %s", args, lines.Text(), stderr.String())
	}
	p := &process{}
	p.port, _ = strconv.Atoi(strings.TrimPrefix(lines.Text(), "port "))
	var wg sync.WaitGroup
	wg.Go(func() {
		for lines.Scan() {
			p.mu.Lock()
			p.got = append(p.got, bytes.Clone(lines.Bytes()))
			p.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		cmd.Process.Kill()
		wg.Wait()
		cmd.Wait()
	})
	return p
}

// taken is a mail as the server took it.
type taken struct {
	From string   `json:"from"`
	To   []string `json:"to"`
	Raw  string   `json:"raw"`
}

func smtpd(t testing.TB) *process {
	return startProcess(t, "aiosmtpd", "testdata/smtpd.py", "none", "", "", "", "")
}

func (p *process) mails(t testing.TB, least int) (all []taken) {
	for _, line := range p.lines(least) {
		var m taken
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

func mailSetup(name string, kind store.Kind, port int) Setup {
	s := Setup{Name: name, Sort: "mail", Kind: string(kind), SMTP: notify.SMTP{Host: "127.0.0.1", Port: port, From: "Trojmezí <varovani@liberec.example>", TLS: "none"}}
	return s
}

const sharedSecret = "0123456789abcdef0123456789abcdef"

// asked is a request as the other end saw it.
type asked struct {
	Path    string            `json:"path"`
	Status  int               `json:"status"`
	Why     string            `json:"why"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

func peer(t testing.TB, at time.Time) *process {
	return startProcess(t, "http.server", "testdata/peer.py", sharedSecret, strconv.FormatInt(at.Unix(), 10))
}

func (p *process) asked(t testing.TB, least int) (all []asked) {
	for _, line := range p.lines(least) {
		var a asked
		if err := json.Unmarshal(line, &a); err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	return all
}

func post(t testing.TB, address string, headers map[string]string, body string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range headers {
		r.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
