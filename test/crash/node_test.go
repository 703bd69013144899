package crash

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/test/freeport"
)

const (
	// readyWithin is generous: it is no measurement, and the machine may be busy.
	readyWithin = 60 * time.Second
	// password of every account; nothing here is secret.
	password = "crash-secret-1"
	// modelChecks is how many random cases the model runs at reduced counts and
	// maxChecks the most it ever runs, whatever is asked of all random tests
	// together: each case is a process of its own with several restarts.
	modelChecks = 12
	maxChecks   = 500
)

var (
	scratch string // folder of the whole run, removed at its end
	seed    uint64
	full    = os.Getenv("TROJMEZI_FULL") == "1"
)

func TestMain(m *testing.M) {
	flag.Parse()
	checks := flag.Lookup("rapid.checks")
	if n, err := strconv.Atoi(checks.Value.String()); err == nil && n > maxChecks {
		flag.Set("rapid.checks", strconv.Itoa(maxChecks))
	} else if !full && checks.Value.String() == checks.DefValue {
		flag.Set("rapid.checks", strconv.Itoa(modelChecks))
	}
	seed = uint64(time.Now().UnixNano())
	if text := os.Getenv("TROJMEZI_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			fmt.Fprintln(os.Stderr, "TROJMEZI_SEED:", err)
			os.Exit(2)
		}
		seed = n
	}
	fmt.Printf("TROJMEZI_SEED=%d\n", seed)
	var err error
	if scratch, err = os.MkdirTemp("", "crash"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	code := m.Run()
	os.RemoveAll(scratch)
	os.Exit(code)
}

// random gives a test its own sequence of choices, so that a test run alone
// repeats what it did beside others.
func random(t testing.TB) *rand.Rand {
	var salt uint64
	for _, b := range []byte(t.Name()) {
		salt = salt*131 + uint64(b)
	}
	return rand.New(rand.NewPCG(seed, salt))
}

// rounds is how often something is broken: reduced, in full, or as asked for.
func rounds(t testing.TB, reduced, inFull int) int {
	t.Helper()
	if text := os.Getenv("TROJMEZI_ROUNDS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("TROJMEZI_ROUNDS=%q is no count", text)
		}
		return n
	}
	if full {
		return inFull
	}
	return reduced
}

// binary is the program under test, built once if the environment names none.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("TROJMEZI_BIN"); path != "" {
		return filepath.Abs(path)
	}
	mod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	path := filepath.Join(scratch, "trojmezi")
	build := exec.Command("go", "build", "-o", path, "./cmd/trojmezi")
	build.Dir = filepath.Dir(strings.TrimSpace(string(mod)))
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build ./cmd/trojmezi: %w\n%s", err, out)
	}
	return path, nil
})

type record = map[string]any

// peering is how one node is told about another.
type peering struct {
	oid string
	url string // of the other node's P2P API, or of what stands in between
}

// spec is what a test decides about a node.
type spec struct {
	oid      string
	clients  []string // all owned by the account "clients"
	gateways []record // to foreign systems, each at an address of its own
	peers    []peering
	port     int    // 0: any
	data     string // "": a fresh folder
	database string
}

// node is one process of the program under test with its folder.
type node struct {
	spec
	dir    string
	base   string // http://127.0.0.1:port
	cmd    *exec.Cmd
	exited chan struct{}
	stderr tail

	mu     sync.Mutex
	bearer string
}

// newNode writes the configuration; run starts the process.
func newNode(t testing.TB, s spec) *node {
	t.Helper()
	dir, err := os.MkdirTemp(scratch, "node")
	if err != nil {
		t.Fatal(err)
	}
	if s.port == 0 {
		s.port = freeport.Port()
	}
	if s.data == "" {
		s.data = filepath.Join(dir, "data")
	}
	accounts := []any{record{"username": "clients", "password": password, "type": "client", "oids": s.clients}}
	var participants, peers []any
	own := slices.Clone(s.clients)
	for _, g := range s.gateways {
		own = append(own, g["oid"].(string))
	}
	for _, c := range own {
		participants = append(participants, record{
			"id": c, "type": "client", "systemName": "Dispatch " + c, "operatorName": "Control room " + c, "operatorShortName": "CR" + c,
			"supportedApps":             []any{record{"appId": "notification_text", "appVersion": "1.0"}, record{"appId": "transport_layer_messages", "appVersion": "1.0"}},
			"techSupport":               record{"phone": "+420 485 000 000", "e-mail": "support@example.org"},
			"transmitsUnsignedMessages": true,
		})
	}
	for i, p := range s.peers {
		// An account of a peer is named after the peer, on both sides.
		accounts = append(accounts, record{"username": "node-" + p.oid, "password": password, "type": "p2p", "oids": []string{p.oid}})
		peers = append(peers, record{"id": fmt.Sprintf("peer%d", i), "oid": p.oid, "base_url": p.url, "username": "node-" + s.oid, "password": password})
	}
	text, err := json.MarshalIndent(record{
		"data": s.data, "database": s.database, "gateways": s.gateways, "listen": fmt.Sprintf("127.0.0.1:%d", freeport.Port()),
		"exchange": record{
			"oid": s.oid, "listen": fmt.Sprintf("127.0.0.1:%d", s.port), "insecure_loopback": true,
			"accounts": accounts, "participants": participants, "peers": peers,
		},
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	n := &node{spec: s, dir: dir, base: fmt.Sprintf("http://127.0.0.1:%d", s.port)}
	if err := os.WriteFile(n.configFile(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) configFile() string { return filepath.Join(n.dir, "node.yaml") }

// run starts the process and waits until it promises to listen.
func (n *node) run() error {
	bin, err := binary()
	if err != nil {
		return err
	}
	cmd := exec.Command(bin, "serve", "--config", n.configFile())
	cmd.Dir, cmd.SysProcAttr, cmd.Stderr, cmd.WaitDelay = n.dir, procAttr(), &n.stderr, 2*time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ready, exited := make(chan struct{}), make(chan struct{})
	n.cmd, n.exited = cmd, exited
	go func() {
		defer close(exited)
		promise, open := fmt.Sprintf("Listening on port %d", n.port), true
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if open && lines.Text() == promise {
				close(ready)
				open = false
			}
		}
		cmd.Wait()
	}()
	select {
	case <-ready:
		return nil
	case <-exited:
		return fmt.Errorf("node %s ended at start: %v\n%s", n.oid, cmd.ProcessState, n.stderr.last(4<<10))
	case <-time.After(readyWithin):
		n.kill()
		return fmt.Errorf("node %s did not promise to listen within %v\n%s", n.oid, readyWithin, n.stderr.last(4<<10))
	}
}

// kill is SIGKILL, as an out-of-memory killer would do it.
func (n *node) kill() {
	if n.cmd != nil {
		n.cmd.Process.Kill()
		<-n.exited
	}
}

// wantAlive fails the test if the process has ended by itself.
func (n *node) wantAlive(t testing.TB) {
	t.Helper()
	select {
	case <-n.exited:
		t.Errorf("node %s on port %d ended by itself: %v", n.oid, n.port, n.cmd.ProcessState)
	default:
	}
}

// start runs nodes side by side until the end of the test, and waits until each
// has read the registers of its peers.
func start(t testing.TB, nodes ...*node) {
	t.Helper()
	failed := make(chan error, len(nodes))
	for _, n := range nodes {
		go func() { failed <- n.run() }()
		t.Cleanup(func() {
			n.wantAlive(t)
			n.kill()
			if t.Failed() {
				t.Logf("last log lines of node %s on port %d:\n%s", n.oid, n.port, n.stderr.last(3<<10))
			}
		})
	}
	for range nodes {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range nodes {
		eventually(t, 30*time.Second, "node "+n.oid+" has status 0", func() bool {
			var info struct{ Status *int }
			r := n.call("GET", "/info", nil)
			return json.Unmarshal(r.body, &info) == nil && info.Status != nil && *info.Status == 0
		})
	}
}

// pair is two nodes that know each other.
func pair(t testing.TB, clients int) (a, b *node) {
	t.Helper()
	portA, portB := freeport.Port(), freeport.Port()
	url := func(port int) string { return fmt.Sprintf("http://localhost:%d/ucrm/p2p/v0", port) }
	a = newNode(t, spec{oid: "1.2.3.203.0", clients: oids("1.2.3.203", clients), port: portA, peers: []peering{{"1.2.3.276.0", url(portB)}}})
	b = newNode(t, spec{oid: "1.2.3.276.0", clients: oids("1.2.3.276", clients), port: portB, peers: []peering{{"1.2.3.203.0", url(portA)}}})
	start(t, a, b)
	return a, b
}

// oids makes n client OIDs below a root.
func oids(root string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s.%d", root, 1001+i)
	}
	return all
}

// eventually waits for a condition that no signal announces.
func eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// tail keeps the last part of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *tail) Write(p []byte) (int, error) {
	const keep = 256 << 10
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.buf.Len() > 2*keep {
		w.buf.Next(w.buf.Len() - keep)
	}
	return w.buf.Write(p)
}

func (w *tail) last(n int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.buf.Bytes()
	return string(b[max(0, len(b)-n):])
}

// branch gives a goroutine its own choices.
func branch(rng *rand.Rand) *rand.Rand { return rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64())) }
