package app

import (
	"archive/zip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/store"
)

// Before release 0.2 the program that will be 0.2 writes down its data folder,
//
//	go test ./internal/app -run TestUpgrade -record 0.2
//
// and testdata/release-0.2.zip is committed. It is never written anew with a
// later program, or it would no longer show that the old folder can be read.
var record = flag.String("record", "", "write the data folder of this release to testdata/release-RELEASE.zip")

const (
	// far is a desk at the peer.
	far = "1.2.4.1"
	// maxRelease keeps the recorded folders small (bytes).
	maxRelease = 60 << 10
)

// What a recorded node has: the desk committed the first messages, its others
// are queued, and those for far wait for the peer. The next number is new.
var (
	committed = []int{1, 2}
	queued    = []int{3, 4, 5}
	outgoing  = []int{6, 7}
)

// neighbour is a peer that knows the desk far. The ids of the desk's messages it
// is given come out of taken; without that it takes none.
func neighbour(t testing.TB, taken chan<- string) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ucrm/p2p/v0/token", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"token":"t"}`)
	})
	mux.HandleFunc("GET /ucrm/p2p/v0/registry", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"commParticipants": []any{deskRecord(far)}})
	})
	mux.HandleFunc("POST /ucrm/p2p/v0/messaging/send", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var m struct{ MessageID, Source string }
		if err == nil {
			err = json.Unmarshal(body, &m)
		}
		if err != nil || taken == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if m.Source == desk { // and not one of the node itself
			taken <- m.MessageID
		}
		w.Write(body)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// atBorder is the configuration of a node with the desk and that peer.
func atBorder(t testing.TB, peer *httptest.Server) *Config {
	return newConfig(t, func(c map[string]any) {
		c["exchange"].(map[string]any)["peers"] = []any{map[string]any{
			"id": "peer", "oid": "1.2.4.0", "base_url": peer.URL + "/ucrm/p2p/v0", "username": "u", "password": "p"}}
	})
}

// recordRelease writes the data folder of a node with messages in every state.
func recordRelease(t *testing.T, file string) {
	c := atBorder(t, neighbour(t, nil))
	n := start(t, c)
	until(t, "the peer's register", func() bool {
		var list struct{ CommParticipants []struct{ ID string } }
		n.call("GET", "/registry", "", &list)
		return slices.ContainsFunc(list.CommParticipants, func(p struct{ ID string }) bool { return p.ID == far })
	})
	for _, i := range append(committed, queued...) {
		n.send(i)
	}
	for _, i := range outgoing {
		n.sendTo(i, far)
	}
	n.call("POST", "/messaging/commit", fmt.Sprintf(`{"destination":%q,"sequenceId":%d}`, desk, len(committed)), nil)
	o, err := Open(t.Context(), c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the audit tree", func() bool {
		r := verified(t, o)
		return r.Tree > 0 && r.Tree == r.Leaves
	})
	n.stop()
	// The messages must still be due when a later release reads them.
	err = o.DB.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE exchange_message SET expires_at = $1`, time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.DB.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := zip.NewWriter(f)
	if err := w.AddFS(os.DirFS(c.DataDir())); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s within 30 s", what)
		}
	}
}

func verified(t testing.TB, o *Opened) audit.Report {
	t.Helper()
	r, err := audit.Verify(t.Context(), o.DB, o.Audit.VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A data folder of an earlier release opens, migrates and hands out its queued
// messages, to the desk and to the peer: as it is today, and when the next
// migration changes the table of the messages.
func TestUpgrade(t *testing.T) {
	if *record != "" {
		recordRelease(t, filepath.Join("testdata", "release-"+*record+".zip"))
	}
	files, err := filepath.Glob(filepath.Join("testdata", "release-*.zip"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded release: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".zip")
		t.Run(name, func(t *testing.T) { upgrade(t, file) })
		t.Run(name+" to a changed table", func(t *testing.T) {
			now := modules
			t.Cleanup(func() { modules = now })
			modules = append(modules[:len(now):len(now)], struct {
				name  string
				files func() fs.FS
			}{"later", func() fs.FS {
				return fstest.MapFS{"00001_later.sql": {Data: []byte("-- +goose Up\nALTER TABLE exchange_message ADD COLUMN later BIGINT NOT NULL DEFAULT 7;\n")}}
			}})
			c := upgrade(t, file)
			o, err := Open(t.Context(), c, quiet)
			if err != nil {
				t.Fatal(err)
			}
			defer o.DB.Close()
			var rows int
			if err := o.DB.Read(t.Context(), func(tx *store.Tx) error {
				return tx.Row(`SELECT COUNT(*) FROM exchange_message WHERE later = 7 AND source = $1`, desk).Scan(&rows)
			}); err != nil {
				t.Fatal(err)
			}
			if want := len(committed) + len(queued) + len(outgoing) + 1; rows != want {
				t.Errorf("%d messages in the changed table, want %d", rows, want)
			}
		})
	}
}

// upgrade runs today's program on a recorded folder and returns its configuration.
func upgrade(t *testing.T, file string) *Config {
	old, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if info, err := os.Stat(file); err != nil || info.Size() > maxRelease {
		t.Errorf("%v, %d bytes, at most %d are permitted", err, info.Size(), maxRelease)
	}
	taken := make(chan string, len(outgoing))
	c := atBorder(t, neighbour(t, taken))
	if err := os.CopyFS(c.DataDir(), old); err != nil {
		t.Fatal(err)
	}
	o, err := Open(t.Context(), c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if r := verified(t, o); len(r.Faults) > 0 || r.Leaves == 0 {
		t.Errorf("audit log: %+v", r)
	}
	if err := o.DB.Close(); err != nil {
		t.Fatal(err)
	}

	n := start(t, c)
	for _, i := range outgoing {
		select {
		case id := <-taken:
			if id != messageID(i) {
				t.Errorf("the peer got %s, want %s", id, messageID(i))
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("the peer did not get message %d", i)
		}
	}
	n.send(queued[0]) // a repetition is still known
	const fresh = 8
	n.send(fresh)
	var want []received
	for i, k := range append(queued[:len(queued):len(queued)], fresh) {
		m := received{MessageID: messageID(k), SequenceID: int64(len(committed) + i + 1)}
		m.Payload.Data = notification(k)
		want = append(want, m)
	}
	if d := cmp.Diff(want, n.receive()); d != "" {
		t.Error(d)
	}
	n.stop()
	return c
}
