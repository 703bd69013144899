package compat

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"testing"
	"time"

	"trojmezi/internal/exchange/ucrmclient"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/store/storetest"
	"trojmezi/test/freeport"
)

const (
	// patience bounds every wait: a killed instance's lease and the longest pause
	// between two attempts on a busy machine, twice.
	patience = 90 * time.Second
	// password of every account; nothing here is secret.
	password = "compat-secret-1"
)

// node is one node with one desk, run by one program after the other.
type node struct {
	t       *testing.T
	program string
	oid     string
	desk    string // the OID of its client
	dir     string
	port    int
	client  *ucrmclient.Client // of the desk

	cmd    *exec.Cmd
	exited chan struct{}

	// What the desk has received and committed.
	last     int64 // sequence number
	messages []string
	receipts map[string][]int // status codes by message
}

// pair configures two nodes that know each other.
func pair(t *testing.T, programA, programB string) (a, b *node) {
	t.Helper()
	a = &node{t: t, program: programA, oid: "1.2.3.203.0", desk: "1.2.3.203.1001", port: freeport.Port()}
	b = &node{t: t, program: programB, oid: "1.2.3.276.0", desk: "1.2.3.276.1001", port: freeport.Port()}
	for _, n := range []*node{a, b} {
		other := b
		if n == b {
			other = a
		}
		n.configure(other)
	}
	return a, b
}

// configure writes the configuration, in the keys every release knows.
func (n *node) configure(peer *node) {
	n.t.Helper()
	database, drop, err := storetest.Create()
	if err != nil {
		n.t.Fatal(err)
	}
	// Registered first, so that it runs when the processes are gone.
	n.t.Cleanup(func() {
		if err := drop(); err != nil {
			n.t.Error(err)
		}
	})
	n.dir, n.receipts = n.t.TempDir(), map[string][]int{}
	text := fmt.Sprintf(`data: %q
database: %q
listen: 127.0.0.1:%d
exchange:
  oid: %s
  listen: 127.0.0.1:%d
  insecure_loopback: true
  accounts:
    - {username: desk, password: %s, type: client, oids: [%s]}
    - {username: node-%s, password: %[6]s, type: p2p, oids: [%[8]s]}
  participants:
    - id: %[7]s
      type: client
      systemName: Dispatch %[7]s
      operatorName: Control room %[7]s
      operatorShortName: CR
      supportedApps: [{appId: notification_text, appVersion: "1.0"}, {appId: transport_layer_messages, appVersion: "1.0"}]
      techSupport: {phone: "+420 485 000 000", e-mail: support@example.org}
      transmitsUnsignedMessages: true
  peers:
    - {id: peer, oid: %[8]s, base_url: "http://127.0.0.1:%[9]d/ucrm/p2p/v0", username: node-%[4]s, password: %[6]s}
`, filepath.Join(n.dir, "data"), database, freeport.Port(), n.oid, n.port, password, n.desk, peer.oid, peer.port)
	if err := os.WriteFile(n.config(), []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
	n.client, err = ucrmclient.New(ucrmclient.Config{BaseURL: fmt.Sprintf("http://127.0.0.1:%d/ucrm/client/v0", n.port), Username: "desk", Password: password})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		n.end(syscall.SIGKILL)
		n.client.Close()
		if log, err := os.ReadFile(n.logFile()); n.t.Failed() && err == nil {
			n.t.Logf("last log lines of node %s:\n%s", n.oid, log[max(0, len(log)-4<<10):])
		}
	})
}

func (n *node) config() string  { return filepath.Join(n.dir, "node.yaml") }
func (n *node) logFile() string { return filepath.Join(n.dir, "log") }

// start runs the program and waits until it promises to listen.
func (n *node) start() {
	n.t.Helper()
	log, err := os.OpenFile(n.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Fatal(err)
	}
	defer log.Close() // the process has its own
	cmd := exec.Command(n.program, "serve", "--config", n.config())
	cmd.SysProcAttr, cmd.Stderr = procAttr(), log
	out, err := cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
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
	case <-exited:
		n.t.Fatalf("node %s ended at start: %v", n.oid, cmd.ProcessState)
	case <-time.After(patience):
		n.t.Fatalf("node %s does not listen", n.oid)
	}
}

// end sends the signal and waits for the end of the process, if there is one.
func (n *node) end(s syscall.Signal) {
	if n.cmd == nil {
		return
	}
	n.cmd.Process.Signal(s)
	select {
	case <-n.exited:
	case <-time.After(patience):
		n.cmd.Process.Kill()
		<-n.exited
		n.t.Errorf("node %s did not end on %v", n.oid, s)
	}
	n.cmd = nil
}

// restoreGap is by how much a restore raises the next number of each desk.
const restoreGap = 1_000_000

// run runs a command of the node's program on its configuration.
func (n *node) run(args ...string) {
	n.t.Helper()
	if out, err := exec.Command(n.program, append(args, "--config", n.config())...).CombinedOutput(); err != nil {
		n.t.Fatalf("node %s: %v: %v\n%s", n.oid, args, err, out)
	}
}

// backup saves the running node and returns the folder; the node key lies beside it.
func (n *node) backup() string {
	n.t.Helper()
	to := filepath.Join(n.dir, "backup")
	n.run("db", "backup", "--to", to, "--node-key", to+".key")
	return to
}

// restore puts a backup into a new data folder and a new database, and lets the
// outbox go on.
func (n *node) restore(from string) {
	n.t.Helper()
	database, drop, err := storetest.Create()
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		n.end(syscall.SIGKILL)
		if err := drop(); err != nil {
			n.t.Error(err)
		}
	})
	text, err := os.ReadFile(n.config())
	if err != nil {
		n.t.Fatal(err)
	}
	text = regexp.MustCompile(`(?m)^data: .*$`).ReplaceAll(text, fmt.Appendf(nil, "data: %q", filepath.Join(n.dir, "again")))
	text = regexp.MustCompile(`(?m)^database: .*$`).ReplaceAll(text, fmt.Appendf(nil, "database: %q", database))
	if err := os.WriteFile(n.config(), text, 0o600); err != nil {
		n.t.Fatal(err)
	}
	n.run("db", "restore", "--from", from, "--node-key", from+".key")
	n.run("db", "release")
}

// eventually waits for a condition that no signal announces.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// meets waits until the node has the other's register.
func (n *node) meets(other *node) {
	n.t.Helper()
	eventually(n.t, "node "+n.oid+" knows the desk of "+other.oid, func() bool {
		p, err := n.client.Participant(context.Background(), other.desk)
		return err == nil && p.ID == other.desk
	})
}

// ids gives the messages their UUIDs.
var ids = clock.System()

// send hands a notification to the desk of the other node over, under a new
// messageId, which it returns.
func (n *node) send(to *node, text string, timeout int) string {
	n.t.Helper()
	id := ids.NewID()
	n.sendAs(id, to, text, timeout)
	return id
}

func (n *node) sendAs(id string, to *node, text string, timeout int) {
	n.t.Helper()
	_, err := n.client.Send(context.Background(), &ucri.Envelope{
		MessageID: id, Source: n.desk, Destinations: []string{to.desk}, Ack: ucri.AckAll, Timeout: timeout,
		Payload: ucri.Payload{
			AppID: "notification_text", AppVersion: "1.0", SchemaID: "notification", ContentType: ucri.ContentJSON,
			Data: fmt.Sprintf(`{"sharedIncidentId":"7d0c5f0e-2b3c-4c55-9a5e-0a4b8f1f6a01","notifications":[{"timestamp":"2026-03-14T07:31:05Z","message":%q}]}`, text),
		},
	})
	if err != nil {
		n.t.Fatalf("node %s: send: %v", n.oid, err)
	}
}

// waiting reads the desk's queue without a commit.
func (n *node) waiting() []ucri.Received {
	n.t.Helper()
	got, err := n.client.Receive(context.Background(), ucri.ReceiveRequest{Destinations: []string{n.desk}})
	if err != nil {
		n.t.Fatalf("node %s: receive: %v", n.oid, err)
	}
	return got
}

// take receives and commits until the desk has so many new messages and
// receipts, and returns the ids of the messages. Numbers rise without a gap.
func (n *node) take(messages, receipts int) []string {
	n.t.Helper()
	before := len(n.messages)
	eventually(n.t, fmt.Sprintf("desk %s gets %d messages and %d receipts", n.desk, messages, receipts), func() bool {
		got := n.waiting()
		for _, m := range got {
			if n.last++; m.SequenceID != n.last {
				n.t.Fatalf("desk %s: number %d instead of %d", n.desk, m.SequenceID, n.last)
			}
			if !ucri.TransportLayer(m.Payload) {
				n.messages = append(n.messages, m.MessageID)
				messages--
			} else if s, bad := ucri.ParseDeliveryStatus(m.Payload); bad == nil {
				n.receipts[s.RefMessageID] = append(n.receipts[s.RefMessageID], s.StatusCode)
				receipts--
			}
		}
		if len(got) > 0 {
			if err := n.client.Commit(context.Background(), ucri.MessageRef{Destination: n.desk, SequenceID: n.last}); err != nil {
				n.t.Fatalf("node %s: commit: %v", n.oid, err)
			}
		}
		if messages < 0 || receipts < 0 {
			n.t.Fatalf("desk %s: more than was due", n.desk)
		}
		return messages == 0 && receipts == 0
	})
	return n.messages[before:]
}

// wantReceipts checks that each message has exactly this receipt.
func (n *node) wantReceipts(messages []string, status int) {
	n.t.Helper()
	for _, id := range messages {
		if got := n.receipts[id]; !slices.Equal(got, []int{status}) {
			n.t.Errorf("node %s: message %s has the receipts %v, want %d", n.oid, id, got, status)
		}
	}
}

// wantQuiet checks that nothing waits at the desk.
func (n *node) wantQuiet() {
	n.t.Helper()
	if got := n.waiting(); len(got) > 0 {
		n.t.Errorf("desk %s: %d messages too many, the first is %s", n.desk, len(got), got[0].MessageID)
	}
}
