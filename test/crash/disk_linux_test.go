package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDiskFull fills the disk under a running node. It refuses with a reason, and
// takes messages again as soon as there is room, without a restart.
func TestDiskFull(t *testing.T) {
	const (
		size = "48m"
		// recovery is more than the pause a refusal asks for.
		recovery = 20 * time.Second
	)
	disk, err := os.MkdirTemp(scratch, "disk")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("crash", disk, "tmpfs", 0, "size="+size+",mode=0755"); err != nil {
		t.Skipf("a small disk can't be mounted here (only root may): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	n := newNode(t, spec{oid: "1.2.7.0", clients: oids("1.2.7", 2), data: filepath.Join(disk, "data")})
	start(t, n)
	from, to := n.clients[0], n.clients[1]

	var accepted []string // ids answered by 200, in order
	var open string       // an id whose fate is not known
	committed := 0        // the first of them, already taken
	send := func() reply {
		id := open
		if id == "" {
			id = newUUID()
		}
		r := n.call("POST", "/messaging/send", message(id, from, to, strings.Repeat("filling ", 500), "ALL", 3600))
		switch {
		case r.err != nil:
			t.Fatalf("no answer: %v", r)
		case r.status == 200:
			accepted, open = append(accepted, id), ""
		default:
			open = id // a refusal is no promise that nothing was stored
		}
		return r
	}
	fill := func() *os.File {
		ballast, err := os.Create(filepath.Join(disk, "ballast"))
		if err != nil {
			t.Fatal(err)
		}
		defer ballast.Close()
		for block := make([]byte, 64<<10); len(block) > 0; {
			if _, err := ballast.Write(block); err != nil {
				block = block[:len(block)/2] // the last byte counts
			}
		}
		return ballast
	}
	refused := func(what string) {
		t.Helper()
		for range 3000 {
			r := send()
			if r.status == 200 {
				continue
			}
			var e struct {
				Code   int
				Reason string
			}
			if json.Unmarshal(r.body, &e) != nil || r.status != 500 || e.Code != 491 {
				t.Fatalf("%s: got %v, want status 500 and code 491", what, r)
			}
			if len(strings.Fields(e.Reason)) < 2 || strings.Contains(strings.ToLower(e.Reason), "sql") {
				t.Errorf("%s: reason %q is nothing for a person", what, e.Reason)
			}
			fmt.Printf("%s: %s: refused after %d accepted: %s\n", t.Name(), what, len(accepted), e.Reason)
			return
		}
		t.Fatalf("%s: the node accepts messages without end", what)
	}
	readAll := func() {
		t.Helper()
		got := slices.Clone(accepted[:committed])
		for len(got) < len(accepted) {
			items, r, ok := n.receive(context.Background(), to, 100, 0)
			if !ok || len(items) == 0 {
				t.Fatalf("after %d of %d messages: %v", len(got), len(accepted), r)
			}
			for _, m := range items {
				if want := int64(len(got) + 1); m.SequenceID != want {
					t.Fatalf("sequenceId %d, want %d", m.SequenceID, want)
				}
				got = append(got, m.MessageID)
			}
			if r := n.commit(to, items[len(items)-1].SequenceID); r.status != 204 {
				t.Fatalf("commit: %v", r)
			}
		}
		if !slices.Equal(got, accepted) {
			t.Error("delivered are not the accepted messages in their order")
		}
	}
	room := func(ballast *os.File, what string) {
		t.Helper()
		if err := os.Remove(ballast.Name()); err != nil {
			t.Fatal(err)
		}
		freed := time.Now()
		var last reply
		eventually(t, recovery, what, func() bool {
			last = send()
			return last.status == 200
		})
		fmt.Printf("%s: %s %v after there was room\n", t.Name(), what, time.Since(freed).Round(time.Millisecond))
	}

	for range 20 {
		if r := send(); r.status != 200 {
			t.Fatalf("send: %v", r)
		}
	}
	ballast := fill()
	refused("full disk")
	// What is there can still be read.
	if items, r, _ := n.receive(context.Background(), to, 10, 0); len(items) != 10 {
		t.Errorf("receive on a full disk: %d messages, %v", len(items), r)
	}
	if r := n.call("GET", "/info", nil); r.status != 200 || !strings.Contains(string(r.body), `"status":2`) {
		t.Errorf("info on a full disk: %v, want status 2", r)
	}
	if r := n.commit(to, 1); r.status != 500 && r.status != 204 {
		t.Errorf("commit on a full disk: %v, want 500 or, if it still fits, 204", r)
	} else if r.status == 204 {
		committed = 1
	}
	room(ballast, "accepted again")
	if r := n.call("GET", "/info", nil); !strings.Contains(string(r.body), `"status":0`) {
		t.Errorf("info after there was room: %v, want status 0", r)
	}

	// The same with a kill on the full disk.
	ballast = fill()
	refused("full again")
	n.kill()
	if err := os.Remove(ballast.Name()); err != nil {
		t.Fatal(err)
	}
	if err := n.run(); err != nil {
		t.Fatal(err)
	}
	if r := send(); r.status != 200 {
		t.Fatalf("send after the restart: %v", r)
	}
	readAll()
}
