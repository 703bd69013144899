package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"mime"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/alert/intake"
	"trojmezi/internal/alert/replay"
	"trojmezi/internal/app"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/internal/simulator/feeds"
)

// smtpd starts a mail server that is not ours: python3-aiosmtpd of Debian.
func smtpd(t *testing.T, took func(app.ReplayMail)) int {
	t.Helper()
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import aiosmtpd").Run() != nil {
		t.Skip("no mail server to test with: install Debian's python3-aiosmtpd; TestReplayCommand shows the same with ours")
	}
	cmd := exec.Command(python, "../kernel/notify/testdata/smtpd.py", "none", "", "", "", "")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(out)
	in.Buffer(nil, 1<<20)
	if !in.Scan() || !strings.HasPrefix(in.Text(), "port ") {
		t.Fatal(in.Text())
	}
	port, err := strconv.Atoi(strings.TrimPrefix(in.Text(), "port "))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for in.Scan() {
			var got struct {
				To  []string `json:"to"`
				Raw string   `json:"raw"`
			}
			if json.Unmarshal(in.Bytes(), &got) != nil || len(got.To) == 0 {
				continue
			}
			m, err := netmail.ReadMessage(strings.NewReader(got.Raw))
			if err != nil {
				t.Error(err)
				continue
			}
			subject, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
			body, _ := io.ReadAll(quotedprintable.NewReader(m.Body))
			took(app.ReplayMail{To: got.To[0], Subject: subject, Body: strings.ReplaceAll(string(body), "\r\n", "\n")})
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		cmd.Wait()
	})
	return port
}

// The evening of the dam break through the whole chain, with a real mail server: the
// notice of two people reaches the mayor in German within a minute, and he acknowledges.
func TestReplayDamBreak(t *testing.T) {
	texts, err := app.Texts(locales)
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) time.Time {
		when, err := replay.Local(text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	plan := replay.Plan{Title: "replay.title.2010", From: at("2010-08-07T17:50"), To: at("2010-08-07T18:30"), Entries: replay.Entries2010(), Moments: replay.Moments2010(), Reconstructed: true}
	clk := clock.Fake(plan.From)
	senders := httptest.NewServer(feeds.New(flood2010(), replay.Begin2010, clk.Now))
	defer senders.Close()
	// The page is there before the node that answers it.
	var handler http.Handler
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	defer page.Close()
	var r *app.Replay
	port := smtpd(t, func(m app.ReplayMail) { r.Arrived(m) })
	r, err = app.NewReplay(t.Context(), app.ReplayOptions{Plan: plan, Clock: clk, Dir: t.TempDir(), Base: page.URL, MailHost: "127.0.0.1", MailPort: port, Cast: true, Texts: texts, Log: slog.New(slog.DiscardHandler),
		Gauges: map[string]string{"saxony/" + goerlitz2010: "de-goerlitz"},
		Feeds:  intake.Config{Contact: contactOf(""), Simulator: senders.URL, Sources: []intake.Change{{Name: "nina-mowas", Interval: replay.Poll}, {Name: "saxony-gauges", Interval: replay.Poll}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	handler = r.Handler()
	if err := r.Play(t.Context()); err != nil {
		t.Fatal(err)
	}
	report := r.Report()
	want := map[string]replay.State{"alone": replay.Met, "two_people": replay.Met, "mayor": replay.Met, "acknowledged": replay.Met, "missing": replay.Met, "neighbour": replay.Met, "separate": replay.Met, "fast": replay.Outside, "warning": replay.Outside}
	for _, m := range report.Moments {
		if s, ok := want[m.ID]; ok && m.State != s {
			t.Errorf("%s is %s (%v), want %s", m.ID, m.State, m.MetAt, s)
		}
	}
	for _, lang := range []string{"cs", "de", "pl", "en"} {
		q := httptest.NewRequestWithContext(t.Context(), http.MethodGet, replay.Root, nil)
		q.Header.Set("Accept-Language", lang)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, q)
		body := w.Body.String()
		if w.Code != http.StatusOK || !strings.Contains(body, texts.Text("de", "web.drill.exercise.word", nil)) && lang == "de" || !strings.Contains(body, `id="moment-mayor"`) || strings.Contains(body, "⟦") {
			t.Errorf("%s: %d %.2000s", lang, w.Code, body)
		}
	}
	if n := texts.Missing(); n > 0 {
		t.Errorf("%d texts are missing", n)
	}
}

// The whole timeline by the command, with everything that had to happen.
func TestReplayCommand(t *testing.T) {
	if testing.Short() {
		t.Skip("ten seconds")
	}
	var out, errs bytes.Buffer
	begun := time.Now()
	if code := Main([]string{"--lang", "en", "--log-level", "error", "--json", "replay", "2010"}, strings.NewReader(""), &out, &errs); code != 0 {
		t.Errorf("exit %d: %s", code, errs.String())
	}
	var got struct {
		Good    bool
		Moments []momentLine
		Told    []toldLine
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("it took %v", took)
	}
	for _, m := range got.Moments {
		if m.State != replay.Met {
			t.Errorf("%s: %s", m.ID, m.State)
		}
	}
	if !got.Good || len(got.Moments) != 14 || len(got.Told) == 0 {
		t.Errorf("%+v", got)
	}
}

// What a node has kept of its feeds is played again by the command, on SQLite and, where a
// server is at hand, on PostgreSQL: what the gauges told then is told again, as an exercise.
func TestReplayRecorded(t *testing.T) {
	address, drop, err := storetest.Create()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := drop(); err != nil {
			t.Error(err)
		}
	}()
	begun := time.Now().Add(-3 * time.Hour)
	senders := httptest.NewServer(feeds.New(feeds.Shipped(), begun, time.Now))
	defer senders.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "node.json")
	raw, err := json.Marshal(map[string]any{"data": filepath.Join(dir, "data"), "database": address, "listen": "127.0.0.1:0",
		"exchange": map[string]any{"oid": "1.2.3.0", "operator": "Node", "listen": "127.0.0.1:0", "insecure_loopback": true},
		"feeds":    map[string]any{"contact": "alerts@region.example", "simulator": senders.URL}})
	if err == nil {
		err = os.WriteFile(file, raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (int, string, string) {
		var out, errs bytes.Buffer
		code := Main(append([]string{"--lang", "en", "--log-level", "error"}, args...), strings.NewReader(""), &out, &errs)
		return code, out.String(), errs.String()
	}
	if code, _, errs := run("db", "migrate", "--config", file); code != 0 {
		t.Fatal(errs)
	}
	fetch(t, file, "chmi-gauges", "nina-mowas")
	moment := func(d time.Duration) string { return time.Now().Add(d).In(zone).Format("2006-01-02T15:04") }
	code, out, errs := run("--json", "replay", "--recorded", "--config", file, "--from", moment(-time.Minute), "--to", moment(time.Hour)) // the feeds are asked for some rounds after the fetch
	var got struct {
		Good    bool
		Moments []momentLine
		Told    []toldLine
	}
	if err := json.Unmarshal([]byte(out), &got); code != 0 || err != nil || !got.Good || len(got.Moments) != 1 {
		t.Fatalf("exit %d, %v: %s %s", code, err, out, errs)
	}
	if !slices.ContainsFunc(got.Told, func(l toldLine) bool {
		return strings.Contains(l.Subject, "EXERCISE") && strings.Contains(l.Subject, "Frýdlant")
	}) {
		t.Errorf("nothing of the recorded flood was told: %+v", got.Told)
	}
	if code, _, errs := run("replay", "--recorded", "--config", file, "--from", moment(-3*time.Hour), "--to", moment(-2*time.Hour)); code == 0 || errs == "" {
		t.Error("a time of which nothing is kept is played")
	}
}

// fetch has a node fetch what sources say now, as it does when it serves.
func fetch(t *testing.T, file string, names ...string) {
	t.Helper()
	cfg, err := app.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	o, err := app.Open(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	defer o.DB.Close()
	s := app.Feeds(cfg, o, log)
	files, closeFiles, err := app.Files(t.Context(), cfg, o.Clock)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFiles()
	s.Files = files
	for _, n := range names {
		if err := s.Switch(t.Context(), intake.Operator, n, true, "a test"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Turn(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// What a node kept is played as it was fetched, and of nothing else.
func TestRecording(t *testing.T) {
	start := time.Date(2026, 8, 7, 15, 0, 0, 0, time.UTC)
	clk := clock.Fake(start)
	h := replay.NewRecording([]replay.Kept{
		{ID: 2, FetchedAt: start.Add(time.Hour), Address: "https://a.example/x?y=1", Digest: "two"},
		{ID: 1, FetchedAt: start, Address: "https://a.example/x?y=1", Digest: "one", Type: "text/xml"},
	}, clk.Now, func(_ context.Context, id int64) ([]byte, error) { return []byte(strconv.FormatInt(id, 10)), nil })
	ask := func(path, tag string) (int, string) {
		q := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		q.Header.Set("If-None-Match", tag)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, q)
		return w.Code, w.Body.String()
	}
	for _, c := range []struct {
		after time.Duration
		tag   string
		code  int
		body  string
	}{{0, "", 200, "1"}, {30 * time.Minute, `"one"`, 304, ""}, {30 * time.Minute, `"one"`, 200, "2"}, {0, `"two"`, 304, ""}} {
		clk.Advance(c.after)
		if code, body := ask("/x?y=1", c.tag); code != c.code || body != c.body {
			t.Errorf("after %v: %d %q", c.after, code, body)
		}
	}
	if code, _ := ask("/x", ""); code != http.StatusNotFound {
		t.Errorf("another address: %d", code)
	}
}
