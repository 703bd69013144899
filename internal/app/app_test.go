package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/exchange"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/store/storetest"
)

var update = flag.Bool("update", false, "write the golden files anew")

var quiet = slog.New(slog.DiscardHandler)

func texts(t testing.TB) *i18n.Bundle {
	t.Helper()
	b, err := Texts()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every mistake of a file is reported at once, each at its line, in the reader's
// language.
func TestFaultsGolden(t *testing.T) {
	const name = "many_mistakes.yaml"
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	_, err = parse(name, raw)
	f, ok := errors.AsType[*Faults](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	for i, x := range f.List {
		if i > 0 && x.Line < f.List[i-1].Line {
			t.Errorf("line %d after line %d", x.Line, f.List[i-1].Line)
		}
		// The file marks each line with a mistake.
		if line := bytes.Split(raw, []byte("\n"))[x.Line-1]; !bytes.Contains(line, []byte("# !")) {
			t.Errorf("%s reported at line %d, which has none: %s", x.Key, x.Line, line)
		}
	}
	if want := bytes.Count(raw, []byte("# !")); len(f.List) < want {
		t.Errorf("%d faults for %d marked lines", len(f.List), want)
	}
	for _, lang := range i18n.Langs {
		file := filepath.Join("testdata", "many_mistakes."+string(lang)+".txt")
		got := f.Text(texts(t), lang) + "\n"
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got); d != "" {
			t.Errorf("%s:\n%s", lang, d)
		}
		if strings.Contains(got, "⟦") || strings.Contains(got, "hunter2") {
			t.Errorf("%s: a missing text or a secret:\n%s", lang, got)
		}
	}
}

// TestConfigLines are single mistakes with their lines.
func TestConfigLines(t *testing.T) {
	good := "data: ./d\nlisten: 127.0.0.1:0\nexchange:\n  oid: 1.2.3.0\n  listen: 127.0.0.1:0\n  insecure_loopback: true\n"
	if _, err := parse("x.yaml", []byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text, key string
		line      int
	}{
		"empty":               {"", "app.config.empty", 0},
		"a list":              {"- a\n", "app.config.empty", 0},
		"a word":              {"node\n", "app.config.empty", 0},
		"not YAML":            {good + "x: [\n", "app.config.yaml", 7},
		"a tab":               {"data: d\n\tlisten: x\n", "app.config.yaml", 2},
		"unknown key":         {good + "extra: 1\n", "app.config.unknown", 7},
		"unknown inner key":   {good + "  oids: [1]\n", "app.config.unknown", 7},
		"unknown in a list":   {good + "  accounts:\n  - username: a\n    pasword: x\n", "app.config.unknown", 9},
		"key twice":           {good + "data: e\n", "app.config.yaml", 7},
		"wrong type":          {good + "behind_proxy: [maybe]\n", "app.config.yaml", 7},
		"plain on the net":    {strings.Replace(good, "127.0.0.1:0", "192.0.2.1:80", 1), "app.config.listen_plain", 2},
		"plain on every":      {strings.Replace(good, "127.0.0.1:0", ":80", 1), "app.config.listen_plain", 2},
		"plain on a name":     {strings.Replace(good, "127.0.0.1:0", "node.example:80", 1), "app.config.listen_plain", 2},
		"no port":             {strings.Replace(good, "127.0.0.1:0", "127.0.0.1", 1), "app.config.listen", 2},
		"half a pair":         {good + "listen_tls: {cert: a.pem}\n", "app.config.listen_tls", 7},
		"another database":    {good + "database: mysql://x\n", "app.config.database", 7},
		"another language":    {good + "language: fr\n", "app.config.language", 7},
		"no data folder":      {strings.Replace(good, "./d", `""`, 1), "app.config.data", 1},
		"exchange on the net": {strings.Replace(good, "  listen: 127.0.0.1:0", "  listen: 0.0.0.0:3001", 1), "exchange.config.insecure_address", 5},
		"exchange missing":    {"data: d\n", "exchange.config.oid", 1},
	} {
		_, err := parse("x.yaml", []byte(c.text))
		f, ok := errors.AsType[*Faults](err)
		if !ok {
			t.Errorf("%s: %v", name, err)
			continue
		}
		found := false
		for _, x := range f.List {
			found = found || x.Key == c.key && x.Line == c.line
		}
		if !found {
			t.Errorf("%s: got %v, want %s at line %d", name, f, c.key, c.line)
		}
	}
	for name, more := range map[string]string{
		"behind a proxy": "behind_proxy: true\n", "with TLS": "listen_tls: {cert: a, key: b}\n",
	} {
		if _, err := parse("x.yaml", []byte(strings.Replace(good, "127.0.0.1:0", "0.0.0.0:443", 1)+more)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestJSONIsConfiguration(t *testing.T) {
	raw, err := json.MarshalIndent(configuration(t, nil), "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	c, err := parse("/etc/node/node.json", raw)
	if err != nil {
		t.Fatal(err)
	}
	if c.Exchange.Accounts[0].Username != "desk" || len(c.Exchange.Participants) != 1 || c.Exchange.Retention != 48*time.Hour {
		t.Errorf("%+v", c.Exchange)
	}
	raw = bytes.Replace(raw, []byte(`"type": "client"`), []byte(`"type": "cleint"`), 1)
	line := 1 + bytes.Count(raw[:bytes.Index(raw, []byte("cleint"))], []byte("\n"))
	_, err = parse("node.json", raw)
	if f, ok := errors.AsType[*Faults](err); !ok || len(f.List) != 1 || f.List[0].Line != line {
		t.Errorf("got %v, want one fault at line %d", err, line)
	}
}

func TestPathsAreTheFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "node.json")
	raw, _ := json.Marshal(configuration(t, nil))
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if c.DataDir() != filepath.Join(dir, "data") || c.KeyFile() != filepath.Join(dir, "data", "keys", "node.key") {
		t.Errorf("%s, %s", c.DataDir(), c.KeyFile())
	}
	if _, err := Load(filepath.Join(dir, "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

const desk = "1.2.3.1"

// configuration is a node with one desk, as its file would say.
func configuration(t testing.TB, change func(map[string]any)) map[string]any {
	t.Helper()
	c := map[string]any{
		"data": "data", "listen": "127.0.0.1:0",
		"exchange": map[string]any{
			"oid": "1.2.3.0", "listen": "127.0.0.1:0", "insecure_loopback": true, "retention": "48h",
			"accounts":     []any{map[string]any{"username": "desk", "password": "p", "type": "client", "oids": []any{desk}}},
			"participants": []any{deskRecord(desk)},
		},
	}
	if change != nil {
		change(c)
	}
	return c
}

// deskRecord is a desk's entry in a register.
func deskRecord(oid string) map[string]any {
	return map[string]any{"id": oid, "systemName": "d", "operatorName": "d", "operatorShortName": "d",
		"supportedApps": []any{map[string]any{"appId": "notification_text", "appVersion": "1.0"}},
		"techSupport":   map[string]any{"phone": "+420 1", "e-mail": "a@b.example"}}
}

// newConfig loads such a file from a folder of its own.
func newConfig(t testing.TB, change func(map[string]any)) *Config {
	t.Helper()
	raw, err := json.Marshal(configuration(t, change))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "node.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// running is a node that serves.
type running struct {
	t     testing.TB
	base  string
	token string
	stop  func()
}

// start serves c until stop or the end of the test.
func start(t testing.TB, c *Config) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := Serve(ctx, c, texts(t), quiet, in)
		in.CloseWithError(fmt.Errorf("ended: %v", err))
		ended <- err
	}()
	var port int
	if _, err := fmt.Fscanf(out, "Listening on port %d\n", &port); err != nil {
		cancel()
		t.Fatal(err)
	}
	go io.Copy(io.Discard, out)
	var once sync.Once
	r := &running{t: t, base: fmt.Sprintf("http://127.0.0.1:%d/ucrm/client/v0", port)}
	r.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error("serve:", err)
			}
		})
	}
	t.Cleanup(r.stop)
	var answer struct{ Token string }
	r.call("GET", "/token", "", &answer)
	r.token = answer.Token
	return r
}

func (r *running) call(method, path, body string, into any) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.base+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if r.token == "" {
		req.SetBasicAuth("desk", "p")
	} else {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, _ := io.ReadAll(res.Body)
	if res.StatusCode != 200 && res.StatusCode != 204 {
		r.t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, raw)
	}
	if into != nil && len(raw) > 0 {
		if err := json.Unmarshal(raw, into); err != nil {
			r.t.Fatal(err)
		}
	}
}

func messageID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

func notification(n int) string {
	return fmt.Sprintf(`{"sharedIncidentId":%q,"notifications":[{"timestamp":"2026-03-14T07:31:05Z","message":"číslo %d"}]}`, messageID(n), n)
}

// send sends message n from the desk to itself.
func (r *running) send(n int) {
	r.t.Helper()
	r.sendTo(n, desk)
}

func (r *running) sendTo(n int, destination string) {
	r.t.Helper()
	data, _ := json.Marshal(notification(n))
	r.call("POST", "/messaging/send", fmt.Sprintf(`{"messageId":%q,"source":%q,"destinations":[%q],"payload":{"appId":"notification_text",
		"appVersion":"1.0","schemaId":"notification","contentType":"application/json","data":%s}}`, messageID(n), desk, destination, data), nil)
}

type received struct {
	MessageID  string `json:"messageId"`
	SequenceID int64  `json:"sequenceId"`
	Payload    struct{ Data string }
}

func (r *running) receive() []received {
	r.t.Helper()
	var answer struct{ Messages []received }
	r.call("POST", "/messaging/receive", `{"destinations":["`+desk+`"],"maxDelay":0,"maxMessages":1000}`, &answer)
	return answer.Messages
}

// wantProblem fails unless err carries the text for the user.
func wantProblem(t testing.TB, err error, key string) {
	t.Helper()
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.Key != key {
		t.Errorf("got %v, want %s", err, key)
		return
	}
	for _, l := range i18n.Langs {
		if s := texts(t).Text(l, p.Key, p.Args); strings.ContainsAny(s, "⟦{") {
			t.Errorf("%s: %s", l, s)
		}
	}
}

func TestLockedFolder(t *testing.T) {
	c := newConfig(t, nil)
	n := start(t, c)
	wantProblem(t, Serve(t.Context(), c, texts(t), quiet, io.Discard), "app.start.locked")
	_, err := Restore(t.Context(), c, backupOf(t, c), savedKey(t), quiet, nil)
	wantProblem(t, err, "app.start.locked")
	n.stop()
	start(t, c).send(1) // free again
}

func TestForeignKey(t *testing.T) {
	c := newConfig(t, databaseFor(t))
	o, err := Open(t.Context(), c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	o.DB.Close()
	for name, change := range map[string]func(){
		"missing": func() {},
		"another": func() {
			if _, err := seal.LoadOrCreate(c.KeyFile()); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Log(name)
		os.Remove(c.KeyFile())
		change()
		_, err := Open(t.Context(), c, quiet)
		wantProblem(t, err, "app.start.foreign_key")
	}
	// A text that is no key stops the start and is not repeated.
	os.WriteFile(c.KeyFile(), []byte("hunter2"), 0o600)
	if _, err := Open(t.Context(), c, quiet); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

func TestNewerDatabase(t *testing.T) {
	c := newConfig(t, databaseFor(t))
	o, err := Open(t.Context(), c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.DB.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO goose_exchange (version_id, is_applied) VALUES (9999, $1)`, true)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	o.DB.Close()
	_, err = Open(t.Context(), c, quiet)
	wantProblem(t, err, "app.start.newer")
}

// database is one with the tables of all modules, gone with the test; "" for SQLite.
func database(t testing.TB) string {
	t.Helper()
	template, err := migrated()
	if err != nil {
		t.Fatal(err)
	}
	url, drop, err := storetest.CreateFrom(template)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := drop(); err != nil {
			t.Error(err)
		}
	})
	return url
}

var migrated = sync.OnceValues(func() (string, error) {
	return storetest.Template(func(address string) error {
		db, err := store.Open(context.Background(), store.Config{URL: address})
		if err != nil {
			return err
		}
		return errors.Join(MigrateAll(context.Background(), db), db.Close())
	})
})

// databaseFor puts the node on PostgreSQL when the tests run there.
func databaseFor(t testing.TB) func(map[string]any) {
	url := database(t)
	return func(c map[string]any) { c["database"] = url }
}

var lastKey sync.Map // test name → where backupOf put the node key

func savedKey(t testing.TB) string { k, _ := lastKey.Load(t.Name()); return k.(string) }

// backupOf backs a node up, running or not.
func backupOf(t testing.TB, c *Config) string {
	t.Helper()
	dir, key := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "node.key")
	lastKey.Store(t.Name(), key)
	o, err := Open(t.Context(), c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer o.DB.Close()
	if _, err := Backup(t.Context(), c, o, dir, key, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A backup comes back on an empty machine with every message readable, the next
// sequence number a million later, and the outbox held.
func TestBackupAndRestore(t *testing.T) {
	c := newConfig(t, databaseFor(t))
	n := start(t, c)
	for i := 1; i <= 20; i++ {
		n.send(i)
	}
	n.call("POST", "/messaging/commit", `{"destination":"`+desk+`","sequenceId":5}`, nil)
	dir := backupOf(t, c)
	key := savedKey(t)
	n.send(21) // after the backup: lost
	n.stop()

	fresh := newConfig(t, databaseFor(t))
	refuse := func(name, key string, err error) {
		t.Helper()
		t.Log(name)
		wantProblem(t, err, key)
		if _, err := os.Stat(fresh.KeyFile()); err == nil {
			t.Errorf("%s: a refused restore left the node key behind", name)
		}
	}
	restore := func(dir, key string) error {
		_, err := Restore(t.Context(), fresh, dir, key, quiet, nil)
		return err
	}
	refuse("no key", "app.restore.no_key", restore(dir, filepath.Join(t.TempDir(), "none")))
	other := filepath.Join(t.TempDir(), "other.key")
	if _, err := seal.LoadOrCreate(other); err != nil {
		t.Fatal(err)
	}
	refuse("another key", "app.restore.no_key", restore(dir, other))
	refuse("no backup", "app.restore.no_backup", restore(t.TempDir(), key))
	hide := func(name string) (back func()) {
		from, to := filepath.Join(dir, name), filepath.Join(dir, "hidden")
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := os.Rename(to, from); err != nil {
				t.Fatal(err)
			}
		}
	}
	back := hide(backupNote)
	refuse("a backup that broke off", "app.restore.no_backup", restore(dir, key))
	back()
	for _, part := range []string{backupKeys, backupData} {
		back := hide(part)
		refuse("without "+part, "app.restore.part_missing", restore(dir, key))
		if _, err := os.Stat(filepath.Join(dir, part)); err == nil {
			t.Fatalf("the refused restore made a part %s", part)
		}
		back()
	}

	r, err := Restore(t.Context(), fresh, dir, key, quiet, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Rows == 0 {
		t.Error("no rows restored")
	}
	_, err = Restore(t.Context(), fresh, dir, key, quiet, nil)
	wantProblem(t, err, "app.restore.not_empty")
	_, err = Restore(t.Context(), c, dir, key, quiet, nil)
	wantProblem(t, err, "app.restore.not_empty")

	m := start(t, fresh)
	m.send(22)
	m.send(7) // a repetition is still known
	got := m.receive()
	if len(got) != 16 {
		t.Fatalf("%d messages, want 6 to 20 and the new one", len(got))
	}
	for i, x := range got[:15] {
		if x.SequenceID != int64(i+6) || x.MessageID != messageID(i+6) || !strings.Contains(x.Payload.Data, fmt.Sprintf("číslo %d", i+6)) {
			t.Errorf("%+v", x)
		}
	}
	if got[15].SequenceID != 1_000_021 {
		t.Errorf("the next number is %d, want 1000021", got[15].SequenceID)
	}
	m.stop()
	o, err := Open(t.Context(), fresh, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer o.DB.Close()
	if err := o.DB.Read(t.Context(), func(tx *store.Tx) error {
		held, err := exchange.Held(tx)
		if !held {
			t.Error("the outbox is not held")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if o.Key.Fingerprint() != r.Fingerprint {
		t.Error("another node key")
	}
}

// A restore that broke off can't be served by accident.
func TestUnfinishedRestore(t *testing.T) {
	c := newConfig(t, nil)
	n := start(t, c)
	n.send(1)
	dir := backupOf(t, c)
	n.stop()
	fresh := newConfig(t, databaseFor(t))
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Restore(ctx, fresh, dir, savedKey(t), quiet, func(table string, _ int64) {
		if table == "exchange_message" {
			cancel() // in the middle
		}
	})
	if err == nil {
		t.Fatal("the restore was not interrupted")
	}
	_, err = Open(t.Context(), fresh, quiet)
	wantProblem(t, err, "app.restore.unfinished")
	_, err = Restore(t.Context(), fresh, dir, savedKey(t), quiet, nil)
	wantProblem(t, err, "app.restore.not_empty")
}

func TestBackupOverwritesNothing(t *testing.T) {
	c := newConfig(t, nil)
	o, err := Open(t.Context(), c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer o.DB.Close()
	try := func(dir, key string) error {
		_, err := Backup(t.Context(), c, o, dir, key, nil)
		return err
	}
	full := t.TempDir()
	os.WriteFile(filepath.Join(full, "precious"), []byte("x"), 0o600)
	wantProblem(t, try(full, filepath.Join(t.TempDir(), "k")), "app.backup.not_empty")
	dir := filepath.Join(t.TempDir(), "b")
	wantProblem(t, try(dir, filepath.Join(dir, "sub", "k")), "app.backup.key_inside")
	other := filepath.Join(t.TempDir(), "k")
	os.WriteFile(other, []byte("another key"), 0o600)
	wantProblem(t, try(dir, other), "app.backup.other_key")
	if text, _ := os.ReadFile(other); string(text) != "another key" {
		t.Error("the other key was overwritten")
	}
	key := filepath.Join(t.TempDir(), "deep", "k")
	if err := try(filepath.Join(t.TempDir(), "b1"), key); err != nil {
		t.Fatal(err)
	}
	if err := try(filepath.Join(t.TempDir(), "b2"), key); err != nil {
		t.Errorf("the same key again: %v", err)
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// A backup of a node that takes messages meanwhile is of one moment: what is in
// it is a beginning of what was sent, without a gap, and readable.
func TestBackupUnderLoad(t *testing.T) {
	c := newConfig(t, databaseFor(t))
	n := start(t, c)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	next := 0
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				mu.Lock()
				next++
				k := next
				mu.Unlock()
				n.send(k)
			}
		})
	}
	for {
		mu.Lock()
		k := next
		mu.Unlock()
		if k > 100 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	dir := backupOf(t, c)
	close(stop)
	wg.Wait()
	n.stop()
	fresh := newConfig(t, nil)
	if _, err := Restore(t.Context(), fresh, dir, savedKey(t), quiet, nil); err != nil {
		t.Fatal(err)
	}
	m := start(t, fresh)
	got := m.receive()
	if len(got) < 90 {
		t.Fatalf("only %d messages", len(got))
	}
	for i, x := range got {
		if x.SequenceID != int64(i+1) || !strings.Contains(x.Payload.Data, "číslo") {
			t.Fatalf("number %d: %+v", i+1, x)
		}
	}
}

// A node moves from SQLite to PostgreSQL by backup and restore.
func TestMoveToPostgres(t *testing.T) {
	if os.Getenv(storetest.PostgresEnv) == "" {
		t.Skip("needs " + storetest.PostgresEnv)
	}
	c := newConfig(t, nil) // SQLite
	n := start(t, c)
	for i := 1; i <= 3; i++ {
		n.send(i)
	}
	dir := backupOf(t, c)
	n.stop()
	target := newConfig(t, databaseFor(t))
	if _, err := Restore(t.Context(), target, dir, savedKey(t), quiet, nil); err != nil {
		t.Fatal(err)
	}
	m := start(t, target)
	if got := m.receive(); len(got) != 3 || !strings.Contains(got[2].Payload.Data, "číslo 3") {
		t.Errorf("%+v", got)
	}
	// Two instances share it: a copy of the keys on another machine is enough.
	second := newConfig(t, func(cfg map[string]any) { cfg["database"] = target.Database })
	if err := saveKey(target.KeyFile(), second.KeyFile()); err != nil {
		t.Fatal(err)
	}
	s := start(t, second)
	s.send(4)
	if got := m.receive(); len(got) != 4 {
		t.Errorf("%d messages at the first instance", len(got))
	}
}

// Nothing is left listening when one of the listeners can't be opened.
func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, where := range []string{"listen", "exchange"} {
		c := newConfig(t, func(cfg map[string]any) {
			if where == "listen" {
				cfg["listen"] = l.Addr().String()
			} else {
				cfg["exchange"].(map[string]any)["listen"] = l.Addr().String()
			}
		})
		var out bytes.Buffer
		if err := Serve(t.Context(), c, texts(t), quiet, &out); err == nil || !strings.Contains(err.Error(), "address already in use") {
			t.Errorf("%s: %v", where, err)
		}
		if out.Len() > 0 {
			t.Errorf("%s: said %q", where, out.String())
		}
	}
}
