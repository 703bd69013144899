package compat

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/format/ucri"
)

// previousEnv names the variable with the path of the previous program.
const previousEnv = "TROJMEZI_PREVIOUS"

// many is how many messages go each way in one exchange.
const many = 25

// TestPrevious lets a node of the previous program and one of the present work
// together, then runs the present one on the previous one's data folder.
func TestPrevious(t *testing.T) {
	if os.Getenv(previousEnv) == "" {
		t.Skip(previousEnv + " names no program: build one with .ci/previous FILE")
	}
	previous, err := filepath.Abs(os.Getenv(previousEnv))
	if err != nil {
		t.Fatal(err)
	}
	present := present(t)
	t.Run("previous node asks first", func(t *testing.T) {
		old, other := pair(t, previous, present)
		federate(t, old, other)
		upgrade(t, old, other, present, syscall.SIGTERM)
	})
	t.Run("present node asks first", func(t *testing.T) {
		other, old := pair(t, present, previous)
		federate(t, other, old)
		upgrade(t, old, other, present, syscall.SIGKILL)
	})
	// Going back to the release before means restoring its backup.
	t.Run("the way back", func(t *testing.T) {
		old, other := pair(t, previous, present)
		federate(t, old, other)
		backup, last := old.backup(), old.last
		upgrade(t, old, other, present, syscall.SIGTERM)
		old.end(syscall.SIGTERM)
		old.program = previous
		old.restore(backup)
		old.last = last + restoreGap
		old.start()
		exchange(t, old, other)
		old.wantQuiet()
		other.wantQuiet()
	})
	// A federation changes node by node.
	t.Run("both become present ones", func(t *testing.T) {
		a, b := pair(t, previous, previous)
		federate(t, a, b)
		upgrade(t, a, b, present, syscall.SIGTERM)
		upgrade(t, b, a, present, syscall.SIGTERM)
	})
}

func present(t *testing.T) string {
	t.Helper()
	path := os.Getenv("TROJMEZI_BIN")
	if path == "" {
		path = filepath.Join(t.TempDir(), "trojmezi")
		if out, err := exec.Command("go", "build", "-o", path, "../../cmd/trojmezi").CombinedOutput(); err != nil {
			t.Fatalf("build: %v\n%s", err, out)
		}
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// federate starts both nodes, the first one first, and lets them exchange.
func federate(t *testing.T, a, b *node) {
	t.Helper()
	a.start()
	b.start()
	exchange(t, a, b)
	// A message nobody commits expires at the receiver, and the sender's node says so.
	const shortest = 10 // seconds, by the specification
	lost := a.send(b, "nobody reads this", shortest)
	a.take(0, 1)
	a.wantReceipts([]string{lost}, ucri.TimedOut)
	b.last++ // its number is not given again
	b.wantQuiet()
}

// exchange sends both ways at once, resends, receives, commits and reads the
// receipts.
func exchange(t *testing.T, a, b *node) {
	t.Helper()
	a.meets(b)
	b.meets(a)
	var there, back []string
	for i := range many {
		there = append(there, a.send(b, fmt.Sprintf("there %d: Nehoda u Hrádku", i), ucri.DefaultTimeout))
		back = append(back, b.send(a, fmt.Sprintf("back %d: Zażółć, Straße", i), ucri.DefaultTimeout))
	}
	a.sendAs(there[0], b, "there 0: Nehoda u Hrádku", ucri.DefaultTimeout)
	b.sendAs(back[0], a, "back 0: Zażółć, Straße", ucri.DefaultTimeout)
	wantSame(t, b.take(many, 0), there)
	wantSame(t, a.take(many, many), back)
	b.take(0, many)
	a.wantReceipts(there, ucri.Delivered)
	b.wantReceipts(back, ucri.Delivered)
	a.wantQuiet()
	b.wantQuiet()
}

// upgrade fills the queues of a node in both directions, ends it by the signal,
// goes on with the present program on its data, and lets it exchange again.
func upgrade(t *testing.T, n, peer *node, present string, s syscall.Signal) {
	t.Helper()
	before := n.send(peer, "before", ucri.DefaultTimeout)
	peer.take(1, 0)
	n.take(0, 1)
	// Queued for the desk, and for the peer, who is away.
	var in, out []string
	for i := range many {
		in = append(in, peer.send(n, fmt.Sprint("in ", i), ucri.DefaultTimeout))
	}
	eventually(t, "the messages for the desk are queued", func() bool { return len(n.waiting()) == many })
	queued := n.waiting()
	peer.end(syscall.SIGTERM)
	for i := range many {
		out = append(out, n.send(peer, fmt.Sprint("out ", i), ucri.DefaultTimeout))
	}
	n.end(s)

	n.program = present
	n.start()
	if d := cmp.Diff(queued, n.waiting()); d != "" {
		t.Errorf("what was queued for the desk (-before +after):\n%s", d)
	}
	peer.start()
	wantSame(t, peer.take(many, 0), out)
	wantSame(t, n.take(many, many), in)
	peer.take(0, many)
	n.wantReceipts(out, ucri.Delivered)
	peer.wantReceipts(in, ucri.Delivered)
	// What was handed over by the previous program is still known.
	n.sendAs(before, peer, "before", ucri.DefaultTimeout)
	exchange(t, n, peer)
	n.wantReceipts([]string{before}, ucri.Delivered)

	verified, err := exec.Command(n.program, "audit", "verify", "--config", n.config(), "--json").Output()
	var report struct {
		Leaves int64 `json:"leaves"`
		Faults []any `json:"faults"`
	}
	if err != nil || json.Unmarshal(verified, &report) != nil || report.Leaves == 0 || len(report.Faults) > 0 {
		t.Errorf("audit verify: %v\n%s", err, verified)
	}
}

func wantSame(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("messages (-want +got):\n%s", cmp.Diff(want, got))
	}
}
