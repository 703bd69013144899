package conformance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/test/freeport"
)

const (
	// readyWithin is generous: many nodes start at once on a busy machine.
	readyWithin = 2 * time.Minute
	// poolAccount owns every client OID of a node that no case needs apart.
	poolAccount, poolPassword = "clients", "pool-secret-1"
	// transportAlone is the agreement the pool has: the standard knows no disclosure, and
	// its cases compare to the byte what goes on. disclosure_test.go has the rules.
	transportAlone = "conformance suite: the transport of the standard, without rules of disclosure"
)

var (
	scratch string // folder of the whole run, removed at its end
	made    struct {
		sync.Mutex
		nodes []*node
	}
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Most cases wait for the network or for a timeout; the number of cores says nothing.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		flag.Set("test.parallel", "24")
		if os.Getenv(storetest.PostgresEnv) != "" {
			// A server works for every connection of every node.
			flag.Set("test.parallel", "12")
		}
	}
	var err error
	if scratch, err = os.MkdirTemp("", "conformance"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if flag.Lookup("test.list").Value.String() == "" {
		if _, err := binary(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.RemoveAll(scratch)
			os.Exit(1)
		}
	}
	code := m.Run()
	for _, n := range made.nodes {
		if err := n.discard(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.RemoveAll(scratch)
	os.Exit(code)
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

// record is a registry entry (commParticipant) as free JSON.
type record = map[string]any

type account struct {
	Username string   `json:"username"`
	Password string   `json:"password"`
	Type     string   `json:"type"`
	OIDs     []string `json:"oids,omitempty"`
	// Own is the agreement by which the account's dispatch system judges by itself what
	// neighbours are told.
	Own string `json:"own_disclosure,omitempty"`
}

type peerRef struct {
	ID       string `json:"id"`
	OID      string `json:"oid"`
	BaseURL  string `json:"base_url"`
	Username string `json:"username"`
	Password string `json:"password"`
}

// spec is what a case decides about a node; everything else is filled in.
type spec struct {
	oid          string
	clients      []string // participants with every app, owned by poolAccount
	accounts     []account
	participants []record
	peers        []peerRef
	secret       string                      // token_secret
	port         int                         // 0: any
	change       func(exchange, root record) // last word on the configuration
}

// node is one process of the program under test with its folder.
type node struct {
	spec
	dir    string
	base   string       // http://127.0.0.1:port
	drop   func() error // drops its database on PostgreSQL
	cmd    *exec.Cmd
	exited chan struct{}
	stdout tail
	stderr tail

	taken  atomic.Int64 // pool OIDs handed out
	mu     sync.Mutex
	tokens map[string]string
}

// newNode writes the configuration and makes the database, which both stay over
// restarts; run starts the process.
func newNode(s spec) (*node, error) {
	dir, err := os.MkdirTemp(scratch, "node")
	if err != nil {
		return nil, err
	}
	if s.port == 0 {
		s.port = freeport.Port()
	}
	n := &node{spec: s, dir: dir, base: fmt.Sprintf("http://127.0.0.1:%d", s.port)}
	accounts, participants := s.accounts, s.participants
	if len(s.clients) > 0 {
		accounts = append([]account{{poolAccount, poolPassword, "client", s.clients, transportAlone}}, accounts...)
	}
	for _, oid := range s.clients {
		participants = append(participants, participant(oid))
	}
	exchange := record{
		"oid":               s.oid,
		"listen":            fmt.Sprintf("127.0.0.1:%d", s.port),
		"insecure_loopback": true,
		"signing_key":       privateJWK(nodeKey()),
		"token_secret":      s.secret,
		"accounts":          accounts,
		"participants":      participants,
		"peers":             s.peers,
	}
	database, drop, err := newDatabase(filepath.Join(dir, "data"))
	if err != nil {
		return nil, err
	}
	n.drop = sync.OnceValue(drop)
	made.Lock()
	made.nodes = append(made.nodes, n)
	made.Unlock()
	root := record{
		"data":     filepath.Join(dir, "data"),
		"database": database,
		"listen":   fmt.Sprintf("127.0.0.1:%d", freeport.Port()),
		"exchange": exchange,
	}
	if s.change != nil {
		s.change(exchange, root)
	}
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, err
	}
	return n, os.WriteFile(n.configFile(), text, 0o600)
}

// newDatabase copies a database that the program has migrated once: on PostgreSQL a start
// would spend most of its time on that, and many nodes start at once. The data folder gets
// the key to which the database is bound.
func newDatabase(data string) (address string, drop func() error, err error) {
	m, err := migrated()
	if err != nil {
		return "", nil, err
	}
	if m.keys != "" {
		if err := os.CopyFS(filepath.Join(data, "keys"), os.DirFS(m.keys)); err != nil {
			return "", nil, err
		}
	}
	return storetest.CreateFrom(m.template)
}

type migration struct{ template, keys string }

var migrated = sync.OnceValues(func() (migration, error) {
	var m migration
	var err error
	m.template, err = storetest.Template(func(address string) error {
		bin, err := binary()
		if err != nil {
			return err
		}
		dir, err := os.MkdirTemp(scratch, "migrate")
		if err != nil {
			return err
		}
		data := filepath.Join(dir, "data")
		text, err := json.Marshal(record{"data": data, "database": address,
			"exchange": record{"oid": "1.2.3.0", "listen": "127.0.0.1:0", "insecure_loopback": true}})
		if err != nil {
			return err
		}
		file := filepath.Join(dir, "node.yaml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return err
		}
		if out, err := exec.Command(bin, "db", "migrate", "--config", file).CombinedOutput(); err != nil {
			return fmt.Errorf("db migrate: %w\n%s", err, out)
		}
		m.keys = filepath.Join(data, "keys")
		return nil
	})
	return m, err
})

func (n *node) configFile() string { return filepath.Join(n.dir, "node.yaml") }

// launch starts the process without waiting for anything. ready is closed at
// the line that promises a listener.
func (n *node) launch() (ready chan struct{}, err error) {
	bin, err := binary()
	if err != nil {
		return nil, err
	}
	n.cmd = exec.Command(bin, "serve", "--config", n.configFile())
	n.cmd.Dir = n.dir
	n.cmd.SysProcAttr = procAttr()
	n.cmd.Stderr = &n.stderr
	n.cmd.WaitDelay = 2 * time.Second
	n.mu.Lock()
	n.tokens = map[string]string{}
	n.mu.Unlock()
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	ready, n.exited = make(chan struct{}), make(chan struct{})
	exited, cmd := n.exited, n.cmd
	go func() {
		defer close(exited)
		promise := fmt.Sprintf("Listening on port %d", n.port)
		open := true
		for lines := bufio.NewScanner(out); lines.Scan(); {
			fmt.Fprintln(&n.stdout, lines.Text())
			if open && lines.Text() == promise {
				close(ready)
				open = false
			}
		}
		cmd.Wait()
	}()
	return ready, nil
}

// run starts the process and waits until it promises to listen.
func (n *node) run() error {
	ready, err := n.launch()
	if err != nil {
		return err
	}
	select {
	case <-ready:
		return nil
	case <-n.exited:
		return fmt.Errorf("node %s ended at start\n%s%s", n.oid, &n.stdout, &n.stderr)
	case <-time.After(readyWithin):
		n.kill()
		return fmt.Errorf("node %s did not promise to listen within %v\n%s%s", n.oid, readyWithin, &n.stdout, &n.stderr)
	}
}

// kill is SIGKILL to the process alone, as an out-of-memory killer would do it.
func (n *node) kill() {
	if n.cmd == nil || n.cmd.Process == nil {
		return
	}
	n.cmd.Process.Kill()
	<-n.exited
}

// discard ends the process and drops its database; the folder stays for the run.
func (n *node) discard() error {
	n.kill()
	return n.drop()
}

// endsWith discards the node at the end of a case.
func (n *node) endsWith(t testing.TB) {
	t.Cleanup(func() {
		if err := n.discard(); err != nil {
			t.Error(err)
		}
	})
}

// restart kills and starts again on the same folder and database.
func (n *node) restart(t testing.TB) {
	t.Helper()
	n.kill()
	if err := n.run(); err != nil {
		t.Fatal(err)
	}
}

// childLeft tells whether a process of the node's group is still there.
func (n *node) childLeft() bool {
	return !errors.Is(syscall.Kill(-n.cmd.Process.Pid, 0), syscall.ESRCH)
}

// start runs a node that belongs to one case.
func start(t testing.TB, s spec) *node {
	t.Helper()
	n, err := newNode(s)
	if err != nil {
		t.Fatal(err)
	}
	n.endsWith(t)
	if err := n.run(); err != nil {
		t.Fatal(err)
	}
	n.explain(t)
	return n
}

// explain adds the node's last log lines to the message of a failing case.
func (n *node) explain(t testing.TB) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("last log lines of node %s:\n%s", n.oid, n.stderr.last(2<<10))
		}
	})
}

// federation starts nodes side by side, each knowing all others as peers, and
// waits until all have fetched the others' registries.
func federation(specs ...spec) ([]*node, error) {
	for i := range specs {
		specs[i].port = freeport.Port()
	}
	var nodes []*node
	for i, s := range specs {
		for j, other := range specs {
			if i == j {
				continue
			}
			// Account and password of node i at node j.
			s.peers = append(s.peers, peerRef{fmt.Sprintf("n%d", j), other.oid, p2pURL(other.port), fmt.Sprintf("node-%d", i), "peer-secret-1"})
			s.accounts = append(slices.Clone(s.accounts), account{fmt.Sprintf("node-%d", j), "peer-secret-1", "p2p", []string{other.oid}, ""})
		}
		n, err := newNode(s)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	failed := make(chan error, len(nodes))
	for _, n := range nodes {
		go func() { failed <- n.run() }()
	}
	for range nodes {
		if err := <-failed; err != nil {
			return nil, err
		}
	}
	for _, n := range nodes {
		if err := n.awaitStatus(0, soon); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

func p2pURL(port int) string { return fmt.Sprintf("http://localhost:%d/ucrm/p2p/v0", port) }

// Shared federations: started at the first case that needs them.
var (
	soloOnce = sync.OnceValues(func() (*node, error) {
		n, err := newNode(soloSpec())
		if err != nil {
			return nil, err
		}
		if err := n.run(); err != nil {
			return nil, err
		}
		return n, n.awaitStatus(0, soon)
	})
	pairOnce = sync.OnceValues(func() ([]*node, error) {
		return federation(
			spec{oid: "1.2.3.4.6.0", clients: pool("1.2.3.4.6", 60)},
			spec{oid: "1.2.3.4.7.0", clients: pool("1.2.3.4.7", 60)})
	})
	tripleOnce = sync.OnceValues(func() ([]*node, error) {
		return federation(
			spec{oid: "1.2.3.1.203.0", clients: pool("1.2.3.1.203", 8)},
			spec{oid: "1.2.3.1.276.0", clients: pool("1.2.3.1.276", 8)},
			spec{oid: "1.2.3.1.616.0", clients: pool("1.2.3.1.616", 8)})
	})
)

// solo is a node without peers.
func solo(t testing.TB) *node {
	t.Helper()
	n, err := soloOnce()
	if err != nil {
		t.Fatal(err)
	}
	n.explain(t)
	return n
}

// pair is two federated nodes.
func pair(t testing.TB) (a, b *node) {
	t.Helper()
	nodes, err := pairOnce()
	if err != nil {
		t.Fatal(err)
	}
	nodes[0].explain(t)
	nodes[1].explain(t)
	return nodes[0], nodes[1]
}

// triple is three federated nodes.
func triple(t testing.TB) []*node {
	t.Helper()
	nodes, err := tripleOnce()
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}

// OIDs of the shared single node with a meaning of their own.
const (
	soloOID       = "1.2.3.4.5.0"
	otherOID      = "1.2.3.4.5.11" // of another account
	deafOID       = "1.2.3.4.5.12" // supports no app but one it never gets
	pickyOID      = "1.2.3.4.5.13" // incident_transfer without completion
	nextOID       = "1.2.3.4.5.14" // incident_transfer in a version to come only
	bareOID       = "1.2.3.4.5.15" // notification_text only, no transport app
	oddKeyOID     = "1.2.3.4.5.16" // a toy RSA key of 58 characters
	sharedOID     = "1.2.3.4.5.17" // polled by two accounts
	testOID       = "1.2.3.4.5.99.1"
	secondTestOID = "1.2.3.4.5.99.2"
	strangerOID   = "1.2.3.4.5.7777" // nobody's
)

func soloSpec() spec {
	only := func(oid string, apps ...any) record {
		r := participant(oid)
		r["supportedApps"] = apps
		return r
	}
	odd := participant(oddKeyOID)
	odd["key"] = record{"kty": "RSA", "n": "qJ3vT0mXk5cW1nZ8bY6hRr2pLsD4uEaGf7iKoVxNtQyMjUzB9wHgCS0PdA", "e": "Aw"}
	odd["transmitsUnsignedMessages"] = true
	shared := participant(sharedOID)
	return spec{
		oid:     soloOID,
		clients: pool("1.2.3.4.5", 250),
		accounts: []account{
			{"other", "other-secret-1", "client", []string{otherOID, sharedOID}, ""},
			{"second", "second-secret-1", "client", []string{sharedOID}, ""},
			{"special", "special-secret-1", "client", []string{deafOID, pickyOID, nextOID, bareOID, oddKeyOID}, ""},
			{"testers", "testers-secret-1", "client", []string{testOID, secondTestOID}, ""},
			{"remote", "remote-secret-1", "p2p", []string{"1.2.3.4.9.0"}, ""},
		},
		participants: []record{
			participant(otherOID), shared, odd, participant(testOID), participant(secondTestOID),
			only(deafOID, record{"appId": "resource_type_catalogue", "appVersion": "1.0"}),
			only(pickyOID, record{"appId": "incident_transfer", "appVersion": "1.0", "unsupportedMessages": []any{"completion"}}),
			only(nextOID, record{"appId": "incident_transfer", "appVersion": "1.7"}),
			only(bareOID, record{"appId": "notification_text", "appVersion": "1.0"}),
		},
	}
}

// pool makes n client OIDs below a root; their numbers stay away from the test subtree.
func pool(root string, n int) []string {
	oids := make([]string, n)
	for i := range oids {
		oids[i] = fmt.Sprintf("%s.%d", root, 1001+i)
	}
	return oids
}

// participant is a complete registry entry that supports every app.
func participant(oid string) record {
	var apps []any
	for _, k := range kinds {
		app := record{"appId": k.app, "appVersion": "1.0"}
		if !slices.ContainsFunc(apps, func(a any) bool { return a.(record)["appId"] == k.app }) {
			apps = append(apps, app)
		}
	}
	return record{
		"id": oid, "type": "client", "systemName": "Dispatch " + oid,
		"operatorName": "Control room " + oid, "operatorShortName": "CR" + oid,
		"supportedApps":             apps,
		"techSupport":               record{"phone": "+420 485 000 000", "e-mail": "support@example.org"},
		"transmitsUnsignedMessages": true,
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

func (w *tail) String() string { return w.last(16 << 10) }

func (w *tail) last(n int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.buf.Bytes()
	return string(b[max(0, len(b)-n):])
}
