package demo

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"gopkg.in/yaml.v3"

	"trojmezi/internal/exchange/ucrmclient"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

// The test binary stands in for the program: fakeEnv says how it behaves.
const fakeEnv = "TROJMEZI_DEMO_FAKE"

func TestMain(m *testing.M) {
	if behaviour := os.Getenv(fakeEnv); behaviour != "" {
		fake(behaviour)
		return
	}
	goleak.VerifyTestMain(m)
}

// fake is a node that notes its process and the end it came to in the folder of
// its configuration.
func fake(behaviour string) {
	dir := filepath.Dir(os.Args[len(os.Args)-1])
	note := func(name string, v any) { os.WriteFile(filepath.Join(dir, name), []byte(fmt.Sprint(v)), 0o600) }
	if behaviour == "demo" { // the demo itself, to be killed
		run(context.Background(), os.Args[1], os.Args[2])
		return
	}
	if strings.HasPrefix(behaviour, "replay") { // which has no configuration
		fmt.Println(strings.Join(os.Args[1:], " "))
		if behaviour == "replay missed" {
			os.Exit(1)
		}
		if slices.Contains(os.Args, "--stay") {
			time.Sleep(time.Hour) // not for ever: the runtime would call it a deadlock
		}
		return
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM, syscall.SIGINT)
	fmt.Fprintln(os.Stderr, "log of the fake node")
	switch behaviour {
	case "dies":
		os.Exit(3)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		term = nil
	case "parent":
		c := exec.Command("sleep", "60")
		c.Start()
		note("grandchild", c.Process.Pid)
	}
	_, err := os.Stat(filepath.Join(dir, "again"))
	note("pid", os.Getpid())
	fmt.Println("Listening on port 1")
	if behaviour == "dies once" && err != nil {
		note("again", "")
		os.Exit(4)
	}
	<-term
	note("stopped", "")
}

func run(ctx context.Context, binary, dir string) error {
	p := newProcess(&demo{out: &output{w: os.Stderr}, texts: texts(nil), lang: i18n.En, binary: binary}, &node{place: place{Name: "x", Title: "X"}, dir: dir})
	return p.supervise(ctx)
}

func texts(t testing.TB) *i18n.Bundle {
	b, err := i18n.Load(Locales())
	if err != nil && t != nil {
		t.Fatal(err)
	}
	return b
}

func alive(pid int) bool {
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(state), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// waitFor polls, since what is waited for happens in other processes.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func pidIn(t testing.TB, path string) int {
	t.Helper()
	pid := 0
	waitFor(t, path, func() bool {
		raw, _ := os.ReadFile(path)
		pid, _ = strconv.Atoi(string(raw))
		return pid > 0
	})
	return pid
}

func TestSupervise(t *testing.T) {
	for _, c := range []struct{ behaviour, said string }{
		{"good", ""},
		{"parent", ""},
		{"dies once", "exit status 4"},
	} {
		t.Run(c.behaviour, func(t *testing.T) {
			t.Setenv(fakeEnv, c.behaviour)
			dir := t.TempDir()
			var out bytes.Buffer
			d := &demo{out: &output{w: &out}, texts: texts(t), lang: i18n.En, binary: os.Args[0]}
			p := newProcess(d, &node{place: place{Name: "liberec", Title: "Liberec"}, dir: dir})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- p.supervise(ctx) }()
			<-p.listening
			if c.behaviour == "dies once" {
				first := pidIn(t, filepath.Join(dir, "pid"))
				waitFor(t, "second start", func() bool { return pidIn(t, filepath.Join(dir, "pid")) != first })
			}
			pids := []int{pidIn(t, filepath.Join(dir, "pid"))}
			if c.behaviour == "parent" {
				pids = append(pids, pidIn(t, filepath.Join(dir, "grandchild")))
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			for _, pid := range pids {
				waitFor(t, "end of a child", func() bool { return !alive(pid) })
			}
			if _, err := os.Stat(filepath.Join(dir, "stopped")); err != nil {
				t.Error("it was killed, not asked to stop")
			}
			if !strings.Contains(out.String(), c.said) || (c.said == "") != (out.Len() == 0) {
				t.Errorf("said %q", out.String())
			}
			log, err := os.ReadFile(filepath.Join(dir, "node.log"))
			if err != nil || !strings.HasPrefix(string(log), "liberec log of the fake node\nliberec Listening on port 1\n") {
				t.Errorf("%q %v", log, err)
			}
		})
	}
}

// TestReplay: the evening of the dam break at sixty times its speed is what the program is
// asked for. Its page stays, or the replay ends with the play, and one that went wrong is
// told.
func TestReplay(t *testing.T) {
	const evening = "replay | --lang en --log-level error replay 2010 --from 2010-08-07T15:00 --to 2010-08-07T21:00 --speed 60 --listen 127.0.0.1:1"
	for _, c := range []struct {
		behaviour string
		once      bool
		said, key string
	}{
		{"replay", true, evening + "\n", ""},
		{"replay", false, evening + " --stay\n", ""},
		{"replay missed", true, evening + "\n", "demo.error.replay"},
		{"replay missed", false, evening + " --stay\n", "demo.error.replay"},
	} {
		t.Setenv(fakeEnv, c.behaviour)
		said := make(chan string, 100) // of a fault there are many lines
		d := &demo{out: &output{w: writer(func(p []byte) { said <- string(p) })}, texts: texts(t), lang: i18n.En, binary: os.Args[0]}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.replay(ctx, "127.0.0.1:1", c.once) }()
		select {
		case line := <-said:
			if line != c.said {
				t.Errorf("%s: %q", c.behaviour, line)
			}
		case <-time.After(time.Minute):
			stop()
			t.Fatalf("%s says nothing: %v", c.behaviour, <-done)
		}
		if c.key == "" && !c.once {
			select {
			case err := <-done:
				t.Errorf("the page did not stay: %v", err)
			case <-time.After(50 * time.Millisecond):
			}
			stop()
		}
		err := <-done
		stop()
		if p, ok := errors.AsType[*problem.Error](err); c.key == "" && err != nil || c.key != "" && (!ok || p.Key != c.key || !texts(t).Has(p.Key)) {
			t.Errorf("%s, once %v: %v", c.behaviour, c.once, err)
		}
	}
}

// writer is a function to which is written.
type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

func TestSuperviseGivesUp(t *testing.T) {
	t.Setenv(fakeEnv, "dies")
	err := run(t.Context(), os.Args[0], t.TempDir())
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.Key != "demo.error.died" || p.Args["detail"] != "exit status 3" || p.Args["tail"] != "log of the fake node" {
		t.Errorf("%v", err)
	}
	text := texts(t).Text(i18n.Cs, p.Key, p.Args)
	if strings.Contains(text, "⟦") || !strings.Contains(text, "log of the fake node") {
		t.Error(text)
	}
	t.Setenv(fakeEnv, "good")
	err = run(t.Context(), filepath.Join(t.TempDir(), "missing"), t.TempDir())
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Key != "demo.error.binary" {
		t.Errorf("%v", err)
	}
}

// TestDemoKilled kills the demo itself: the kernel must end its node.
func TestDemoKilled(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("needs Linux: only there the kernel ends children of a killed process")
	}
	dir := t.TempDir()
	// The inner binary must see another behaviour than the outer one.
	script := filepath.Join(dir, "node.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexport "+fakeEnv+"=stubborn\nexec "+os.Args[0]+" \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], script, dir)
	cmd.Env = append(os.Environ(), fakeEnv+"=demo")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := pidIn(t, filepath.Join(dir, "pid"))
	if !alive(pid) {
		t.Error("the node does not live")
	}
	cmd.Process.Kill()
	cmd.Wait()
	waitFor(t, "end of the node", func() bool { return !alive(pid) })
}

func prepared(t testing.TB, dir string, insecure bool, now time.Time) *folder {
	t.Helper()
	places, err := loadPlaces()
	if err != nil {
		t.Fatal(err)
	}
	f, err := prepare(dir, places, []int{1, 2, 3, 4, 5, 6}, "http://127.0.0.1:9", insecure, now)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	f := prepared(t, dir, false, time.Now())
	pool := x509.NewCertPool()
	pool.AddCert(f.ca.cert)
	if f.ca.cert.IsCA != true || f.ca.cert.CheckSignatureFrom(f.ca.cert) != nil {
		t.Error("no authority")
	}
	for _, n := range f.nodes {
		pair, err := tls.LoadX509KeyPair(filepath.Join(n.dir, certFile), filepath.Join(n.dir, keyFile))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
			for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
				if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name, KeyUsages: []x509.ExtKeyUsage{use}}); err != nil {
					t.Errorf("%s for %s: %v", n.place.Name, name, err)
				}
			}
		}
		if len(pair.Leaf.URIs) != 1 || pair.Leaf.URIs[0].String() != "urn:oid:"+n.place.OID || pair.Leaf.IsCA {
			t.Errorf("%s: %v", n.place.Name, pair.Leaf.URIs)
		}
	}
	// Nobody but the owner may read keys and passwords.
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil && !strings.HasSuffix(path, "cert.pem") && !strings.HasSuffix(path, caFile) && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestPrepareKeeps starts twice with one folder: nothing secret changes; what is
// about to expire or names another node does.
func TestPrepareKeeps(t *testing.T) {
	dir := t.TempDir()
	read := func() map[string]string {
		files := map[string]string{}
		filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				raw, _ := os.ReadFile(path)
				name, _ := filepath.Rel(dir, path)
				files[name] = string(raw)
			}
			return err
		})
		return files
	}
	changed := func(a, b map[string]string) (names []string) {
		for name := range b {
			if a[name] != b[name] {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return names
	}
	now := time.Now()
	prepared(t, dir, false, now)
	first := read()
	if len(first) != 2+1+3*5 {
		t.Errorf("%d files", len(first))
	}
	prepared(t, dir, false, now.Add(time.Hour))
	if c := changed(first, read()); c != nil {
		t.Errorf("changed: %v", c)
	}
	places, err := loadPlaces()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := prepare(dir, places, []int{11, 12, 13, 14, 15, 16}, "http://127.0.0.1:9", false, now); err != nil {
		t.Fatal(err)
	}
	if c := changed(first, read()); !slices.Equal(c, []string{"hoyerswerda/node.yaml", "liberec/node.yaml", "zgorzelec/node.yaml"}) {
		t.Errorf("other ports changed %v", c)
	}
	places[0].OID = "1.2.3.9"
	if _, err := prepare(dir, places, []int{1, 2, 3, 4, 5, 6}, "http://127.0.0.1:9", false, now); err != nil {
		t.Fatal(err)
	}
	if c := changed(first, read()); !slices.Contains(c, filepath.Join("liberec", certFile)) || slices.Contains(c, filepath.Join("zgorzelec", certFile)) {
		t.Errorf("another OID changed %v", c)
	}
	second := read()
	prepared(t, dir, false, now.Add(certLife))
	if c := changed(second, read()); !slices.Contains(c, filepath.Join("ca", caFile)) || !slices.Contains(c, filepath.Join("zgorzelec", certFile)) || slices.Contains(c, "passwords.json") {
		t.Errorf("a year later changed %v", c)
	}
	if err := os.WriteFile(filepath.Join(dir, "passwords.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := prepare(dir, places, []int{1, 2, 3, 4, 5, 6}, "http://127.0.0.1:9", false, now); err == nil || !strings.Contains(err.Error(), "passwords.json") {
		t.Errorf("broken passwords: %v", err)
	}
}

func TestConfig(t *testing.T) {
	for _, insecure := range []bool{false, true} {
		f := prepared(t, t.TempDir(), insecure, time.Now())
		accounts := map[string]string{} // of peers: "at/login" to password
		for _, n := range f.nodes {
			raw, err := os.ReadFile(n.config())
			if err != nil {
				t.Fatal(err)
			}
			var c struct {
				Data, Database, Listen string
				Exchange               struct {
					OID, Listen      string
					InsecureLoopback bool `yaml:"insecure_loopback"`
					TLS              map[string]string
					SigningKey       string `yaml:"signing_key"`
					Accounts         []struct {
						Username, Password, Type string
						OIDs                     []string
					}
					Participants []any
					Peers        []map[string]string
				}
				Gateways []gatewayConfig
			}
			if err := yaml.Unmarshal(raw, &c); err != nil {
				t.Fatal(err)
			}
			x := c.Exchange
			if c.Data == "" || c.Listen != n.listen || x.OID != n.place.OID || x.Listen != n.exchange || x.InsecureLoopback != insecure || len(x.Accounts) != 3 || len(x.Peers) != 2 {
				t.Errorf("%s", raw)
			}
			for _, a := range x.Accounts {
				accounts[n.place.OID+"/"+a.Username] = a.Password
				if len(a.Password) < 20 || !ucri.ValidOID(a.OIDs[0]) {
					t.Errorf("%+v", a)
				}
			}
			for _, file := range []string{x.TLS["cert"], x.TLS["key"], x.TLS["client_ca"], x.SigningKey} {
				if insecure && file != x.SigningKey {
					if file != "" {
						t.Errorf("insecure with %s", file)
					}
					continue
				}
				if _, err := os.Stat(filepath.Join(n.dir, file)); err != nil {
					t.Error(err)
				}
			}
			key, err := os.ReadFile(filepath.Join(n.dir, x.SigningKey))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ucri.ParsePrivateJWK(key); err != nil {
				t.Error(err)
			}
			rec, err := json.Marshal(x.Participants[0])
			if err != nil {
				t.Fatal(err)
			}
			if p, err := ucri.ParseParticipant(rec); err != nil || p.ID != n.place.Desk || len(p.SupportedApps) != len(ucri.Apps()) {
				t.Errorf("%s: %v", rec, err)
			}
			if len(x.Participants) != 2 || len(c.Gateways) != 1 || c.Gateways[0].OID != n.place.Systems[0].OID || len(c.Gateways[0].Addresses) != 5 || c.Gateways[0].Transport.Directory.Path == "" {
				t.Errorf("%+v at %d participants", c.Gateways, len(x.Participants))
			}
			if rec, err = json.Marshal(x.Participants[1]); err != nil {
				t.Fatal(err)
			}
			if p, err := ucri.ParseParticipant(rec); err != nil || p.ID != c.Gateways[0].OID || len(p.SupportedApps) != len(foreignApps) {
				t.Errorf("%s: %v", rec, err)
			}
			if insecure != strings.HasPrefix(x.Peers[0]["base_url"], "http://127.0.0.1:") {
				t.Error(x.Peers[0]["base_url"])
			}
		}
		for _, n := range f.nodes {
			c := f.configOf(n)
			for _, p := range c.Exchange.Peers {
				if accounts[p.OID+"/"+p.Username] != p.Password {
					t.Errorf("%s can't sign in at %s", n.place.Name, p.ID)
				}
			}
		}
	}
}

func TestChoosePorts(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	var out bytes.Buffer
	d := &demo{out: &output{w: &out}, texts: texts(t), lang: i18n.De}
	ports, err := d.choosePorts(t.Context(), []int{taken, 0, 0})
	if err != nil || len(ports) != 3 || ports[0] == taken || ports[0] == 0 || ports[0] == ports[1] || ports[1] == ports[2] {
		t.Errorf("%v %v", ports, err)
	}
	if want := fmt.Sprintf("Port %d ist belegt, verwendet wird %d.\n", taken, ports[0]); out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// TestScript holds every message of the play to its schema.
func TestScript(t *testing.T) {
	steps, err := loadScript()
	if err != nil {
		t.Fatal(err)
	}
	places, err := loadPlaces()
	if err != nil {
		t.Fatal(err)
	}
	b := texts(t)
	c := cast{incident: clock.System().NewID(), request: clock.System().NewID()}
	used := map[string]bool{}
	foreign, err := loadForeign()
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range slices.Concat(steps, foreign.Accepted, foreign.Completed) {
		data, err := s.fill(c, time.Now())
		if err != nil || strings.Contains(data, "$") {
			t.Errorf("step %d: %s %v", i, data, err)
		}
		p := ucri.Payload{AppID: s.App, AppVersion: "1.0", SchemaID: s.Schema, ContentType: ucri.ContentJSON, Data: data}
		if err := ucri.CheckData(&p); err != nil {
			t.Errorf("step %d: %v", i, err)
		}
		quoted, _ := json.Marshal(s.Quote)
		if s.Quote == "" || !strings.Contains(data, string(quoted)) {
			t.Errorf("step %d does not say what it shows", i)
		}
		for _, name := range []string{s.From, s.To} {
			used[name] = true
			if !slices.ContainsFunc(places, func(p place) bool { return p.Name == name }) {
				t.Errorf("step %d: nobody is called %s", i, name)
			}
		}
		if !b.Has("demo.step." + s.What) {
			t.Errorf("step %d: no text for %s", i, s.What)
		}
	}
	if len(used) != len(places) {
		t.Errorf("only %v take part", used)
	}
	if len(foreign.Handed.Seen) != len(places) || len(foreign.Handed.To) != len(foreign.Accepted) || !slices.Contains(foreign.Handed.To, foreign.Asks) || foreign.Handed.Form["phone"] == "" {
		t.Errorf("the hand-over at the console is %+v, asked about by %q", foreign.Handed, foreign.Asks)
	}
}

func TestLines(t *testing.T) {
	var got []string
	l := &lines{line: func(s string) { got = append(got, s) }}
	for _, s := range []string{"a", "b\nc\r\n", "\n", strings.Repeat("x", 2*maxLine), "\nd"} {
		if n, err := l.Write([]byte(s)); n != len(s) || err != nil {
			t.Error(n, err)
		}
	}
	if len(got) < 5 || got[0] != "ab" || got[1] != "c" || got[2] != "" || len(l.rest) != 1 {
		t.Errorf("%d lines, rest %q", len(got), l.rest)
	}
}

// TestDeskRetries lets the node fail before it takes a message and refuse another.
func TestDeskRetries(t *testing.T) {
	var mu sync.Mutex
	answers := []int{503, 200, 400}
	var ids []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			fmt.Fprint(w, `{"token":"t"}`)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		var e map[string]any
		json.NewDecoder(r.Body).Decode(&e)
		ids = append(ids, e["messageId"].(string))
		status := answers[0]
		answers = answers[1:]
		w.WriteHeader(status)
		if status == 200 {
			json.NewEncoder(w).Encode(e)
		}
	}))
	defer s.Close()
	k := newDesk(place{Desk: "1.1"}, client(t, s.URL))
	defer k.client.Close()
	e := &ucri.Envelope{MessageID: "m", Source: "1.1", Destinations: []string{"1.2"}, Payload: ucri.AvailabilityUpdate{ID: "1", Status: "online"}.Payload()}
	if _, err := k.send(t.Context(), e); err != nil || !slices.Equal(ids, []string{"m", "m"}) {
		t.Errorf("%v %v", ids, err)
	}
	if _, err := k.send(t.Context(), e); err == nil || len(ids) != 3 {
		t.Errorf("%v %v", ids, err)
	}
}

func client(t testing.TB, url string) *ucrmclient.Client {
	c, err := ucrmclient.New(ucrmclient.Config{BaseURL: url})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A pager's line is one line, whatever comes.
func TestPager(t *testing.T) {
	var out bytes.Buffer
	bundle, err := i18n.Load(Locales())
	if err != nil {
		t.Fatal(err)
	}
	d := &demo{out: &output{w: &out}, texts: bundle, lang: i18n.En}
	ctx, stop := context.WithCancel(t.Context())
	url, run, err := d.pager(ctx)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- run() }()
	post := func(body string) int {
		a, err := http.Post(url+"/liberec", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		return a.StatusCode
	}
	if s := post(`{"class":"A","headline":{"en":"Nobody\nhears","cs":"x"}}`); s != http.StatusNoContent {
		t.Errorf("status %d", s)
	}
	if s := post(`{`); s != http.StatusBadRequest {
		t.Errorf("status %d for a broken body", s)
	}
	if out.String() != "Pager (liberec), class A: Nobody hears\n" {
		t.Errorf("%q", out.String())
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
