package app

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
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

	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
)

// contents are the files below a folder with the hash of each.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	if err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		body, err := os.ReadFile(filepath.Join(dir, name))
		all[name] = fmt.Sprintf("%x", sha256.Sum256(body))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// change runs statements on the database of a configuration; $1 is some bytes.
func change(t testing.TB, c *Config, statements ...string) {
	t.Helper()
	o, err := Open(t.Context(), c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer o.DB.Close()
	if err := o.DB.Write(t.Context(), func(tx *store.Tx) error {
		for _, s := range statements {
			var args []any
			if strings.Contains(s, "$1") {
				args = []any{[]byte("x")}
			}
			if _, err := tx.Exec(s, args...); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// number reads one number from the database of a configuration.
func number(t testing.TB, c *Config, query string) (n int64) {
	t.Helper()
	o, err := Open(t.Context(), c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer o.DB.Close()
	if err := o.DB.Read(t.Context(), func(tx *store.Tx) error { return tx.Row(query).Scan(&n) }); err != nil {
		t.Fatal(err)
	}
	return n
}

// A node that was restored is backed up, tested and restored like any other, also
// from a backup in which an earlier restore left its mark.
func TestRestoreAgain(t *testing.T) {
	c := newConfig(t, databaseFor(t))
	n := start(t, c)
	n.send(1)
	n.stop()
	dir := backupOf(t, c)
	for round := range 3 {
		if round == 2 {
			db, err := store.Open(t.Context(), store.Config{Dir: filepath.Join(dir, backupData)})
			if err != nil {
				t.Fatal(err)
			}
			err = db.Write(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(`INSERT INTO store_setting (name, value) VALUES ('restoring', '') ON CONFLICT (name) DO NOTHING`)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
		o, err := Open(t.Context(), c, quiet)
		if err != nil {
			t.Fatal(err)
		}
		b := NewBackups(BackupConfig{NodeKey: savedKey(t)}, c, o, quiet)
		if _, err := b.verify(t.Context(), dir); err != nil {
			t.Errorf("round %d: test restore: %v", round, err)
		}
		o.DB.Close()
		c = newConfig(t, databaseFor(t))
		if _, err := Restore(t.Context(), c, dir, savedKey(t), quiet, nil); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if left := number(t, c, `SELECT COUNT(*) FROM store_setting WHERE name = 'restoring'`); left != 0 {
			t.Errorf("round %d: the mark of the restore stays", round)
		}
		dir = backupOf(t, c)
	}
	if got := number(t, c, `SELECT last_seq FROM exchange_queue WHERE destination = '`+desk+`'`); got != 3_000_001 {
		t.Errorf("the numbers were not raised each time: %d", got)
	}
	if got := number(t, c, `SELECT COUNT(*) FROM store_setting WHERE name = 'exchange.held' AND value <> ''`); got != 1 {
		t.Error("the outbox is not held")
	}
	if got := start(t, c).receive(); len(got) != 1 || !strings.Contains(got[0].Payload.Data, "číslo 1") {
		t.Errorf("%+v", got)
	}
}

// What ended after the backup does not come back to life: sessions and links are
// gone, waiting notifications and jobs too, and the audit log says that it was
// restored. Scheduled work goes on.
func TestRestoredIsQuiet(t *testing.T) {
	c := newConfig(t, databaseFor(t))
	change(t, c,
		`INSERT INTO identity_session (id, hash, person, desk, stage, method, tries, pending, refresh, checked_at, created_at, seen_at)
			VALUES ('s', $1, 'p', '', '', 'password', 0, $1, $1, 0, 1, 1)`,
		`INSERT INTO identity_link (hash, kind, person, expires_at, created_at) VALUES ($1, 'reset', 'p', 4102444800000, 1)`,
		`INSERT INTO identity_visit (person, desk, at) VALUES ('p', 'd', 4102444800000)`,
		`INSERT INTO identity_ended (hash, person, session, form, until) VALUES ($1, 'p', '', $1, 4102444800000)`,
		`INSERT INTO job_task (id, queue, kind, payload, unique_key, state, due, attempt, max_attempts, holder, holder_kind, error, created_at) VALUES
			(1, 'once', 'live', $1, '', 'waiting', 1, 0, 9, '', NULL, '', 1),
			(2, 'once', 'live', $1, 'k', 'running', 1, 1, 9, 'h', 'live', '', 1),
			(3, 'once', 'live', $1, '', 'dead', 1, 9, 9, '', NULL, 'e', 1),
			(4, 'daily', 'live', $1, 'schedule', 'waiting', 1, 0, 9, '', NULL, '', 1)`,
		`INSERT INTO notify_delivery (notification, channel, kind, state, attempt, tried_at, error) VALUES
			('n', 'a', 'live', 'waiting', 1, 1, ''), ('n', 'b', 'live', 'sent', 1, 1, '')`)
	dir := backupOf(t, c)
	fresh := newConfig(t, databaseFor(t))
	if _, err := Restore(t.Context(), fresh, dir, savedKey(t), quiet, nil); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]int64{
		`SELECT COUNT(*) FROM identity_session`: 0, `SELECT COUNT(*) FROM identity_link`: 0,
		`SELECT COUNT(*) FROM identity_visit`: 0, `SELECT COUNT(*) FROM identity_ended`: 0,
		`SELECT COUNT(*) FROM job_task WHERE state <> 'dead' AND unique_key <> 'schedule'`: 0,
		`SELECT COUNT(*) FROM job_task`:                                 2,
		`SELECT COUNT(*) FROM notify_delivery WHERE state = 'waiting'`:  0,
		`SELECT COUNT(*) FROM notify_delivery WHERE state = 'dropped'`:  1,
		`SELECT COUNT(*) FROM notify_delivery WHERE state = 'sent'`:     1,
		`SELECT COUNT(*) FROM audit_leaf WHERE action = 'node.restore'`: 1,
	} {
		if got := number(t, fresh, query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
	o, err := Open(t.Context(), fresh, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer o.DB.Close()
	if r := verified(t, o); len(r.Faults) > 0 || r.Tree != r.Leaves || r.Leaves == 0 {
		t.Errorf("audit log: %+v", r)
	}
}

// The first start of a restored node sends nothing that waited when the backup
// was made; what happens from then on leaves as ever.
func TestRestoredSendsNothingOld(t *testing.T) {
	told := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		told <- string(body)
	}))
	t.Cleanup(hook.Close)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("0123456789abcdef0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	hooked := func(c map[string]any) {
		databaseFor(t)(c)
		c["notify"] = map[string]any{"webhooks": []any{map[string]any{"url": hook.URL, "secret_file": secret, "insecure_loopback": true, "classes": []any{"A"}}}}
	}
	tell := func(c *Config, link string) {
		t.Helper()
		o, err := Open(t.Context(), c, quiet)
		if err != nil {
			t.Fatal(err)
		}
		defer o.DB.Close()
		n, err := build(t.Context(), c, o, texts(t), quiet, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.DB.Write(t.Context(), func(tx *store.Tx) error {
			return n.notify.Send(tx, notify.Notification{Kind: store.Live, Class: notify.A, Text: notify.Text{Key: "app.emergency"}, Link: link})
		}); err != nil {
			t.Fatal(err)
		}
	}
	c := newConfig(t, hooked)
	tell(c, "/old")
	dir := backupOf(t, c)
	fresh := newConfig(t, hooked)
	if _, err := Restore(t.Context(), fresh, dir, savedKey(t), quiet, nil); err != nil {
		t.Fatal(err)
	}
	start(t, fresh)
	tell(fresh, "/new") // leaves after the old one, if that does
	first := ""
	until(t, "notification", func() bool {
		select {
		case first = <-told:
			return true
		default:
			return false
		}
	})
	var n struct{ ID string }
	if err := json.Unmarshal([]byte(first), &n); err != nil {
		t.Fatal(err)
	}
	if waits := number(t, c, `SELECT COUNT(*) FROM notify_outbox WHERE id = '`+n.ID+`'`); n.ID == "" || waits != 0 {
		t.Errorf("the restored node sent what waited in the backup: %s", first)
	}
}

// A restore leaves the backup as it is, so that a read-only medium will do and the
// release that made it can still use it.
func TestRestoreOnlyReads(t *testing.T) {
	c := newConfig(t, databaseFor(t))
	n := start(t, c)
	n.send(1)
	n.stop()
	dir := backupOf(t, c)
	now := modules
	t.Cleanup(func() { modules = now })
	modules = append(modules[:len(now):len(now)], struct {
		name  string
		files func() fs.FS
	}{"later", func() fs.FS {
		return fstest.MapFS{"00001_later.sql": {Data: []byte("-- +goose Up\nALTER TABLE exchange_message ADD COLUMN later BIGINT NOT NULL DEFAULT 7;\n")}}
	}})
	before := contents(t, dir)
	for _, part := range []string{"", backupData, backupKeys} {
		if err := os.Chmod(filepath.Join(dir, part), 0o500); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(filepath.Join(dir, part), 0o700) })
	}
	fresh := newConfig(t, databaseFor(t))
	if _, err := Restore(t.Context(), fresh, dir, savedKey(t), quiet, nil); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, contents(t, dir)); d != "" {
		t.Errorf("the backup was changed: %s", d)
	}
	if got := number(t, fresh, `SELECT MIN(later) FROM exchange_message`); got != 7 {
		t.Errorf("not migrated: %d", got)
	}
	if names := entries(t, fresh.DataDir()); slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, ".") }) {
		t.Errorf("left behind: %v", names)
	}
}

// A restore that has not the room for itself says so before it begins.
func TestRestoreWithoutRoom(t *testing.T) {
	c := newConfig(t, nil)
	dir := backupOf(t, c)
	if err := os.Truncate(filepath.Join(dir, backupData, store.FileName), 8<<40); err != nil { // a hole: it takes no room itself
		t.Skip(err)
	}
	fresh := newConfig(t, databaseFor(t))
	_, err := Restore(t.Context(), fresh, dir, savedKey(t), quiet, nil)
	wantProblem(t, err, "app.restore.no_room")
	if _, err := os.Stat(fresh.KeyFile()); err == nil {
		t.Error("a refused restore left the node key behind")
	}
}

// tiles is the smallest PMTiles archive that the map takes; name makes it unlike others.
func tiles(name string) []byte {
	root := []byte{1, 0, 1, byte(len(name)), 1}
	h := make([]byte, 127)
	copy(h, "PMTiles\x03")
	at := uint64(len(h))
	for i, n := range []int{len(root), 0, 0, len(name)} {
		binary.LittleEndian.PutUint64(h[8+16*i:], at)
		binary.LittleEndian.PutUint64(h[16+16*i:], uint64(n))
		at += uint64(n)
	}
	h[96], h[97], h[98], h[99] = 1, 1, 1, 1
	for i, v := range []int32{13_0000000, 50_0000000, 17_0000000, 52_0000000} {
		binary.LittleEndian.PutUint32(h[102+4*i:], uint32(v))
	}
	return slices.Concat(h, root, []byte(name))
}

// importTiles puts tiles under the map of a node.
func importTiles(t testing.TB, c *Config, o *Opened, name string) register.Import {
	t.Helper()
	imports, closeFiles, err := Imports(t.Context(), c, o, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFiles()
	in, err := imports.File(t.Context(), "region.pmtiles", bytes.NewReader(tiles(name)), register.Describe{})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// Imported maps are in the backup, once for all backups of a folder, come back with
// a restore, and the test restore sees when one is damaged.
func TestBackupOfFiles(t *testing.T) {
	b := backupsOf(t, nil)
	gone := importTiles(t, b.c, b.o, "of before")
	in := importTiles(t, b.c, b.o, "of now")
	var names []string
	for range 2 {
		if err := b.Make(t.Context()); err != nil {
			t.Fatal(err)
		}
		names = append(names, b.fake().Now().Format(backupName))
		b.fake().Advance(time.Minute)
	}
	var same [2]os.FileInfo
	for i, n := range names {
		folder := filepath.Join(b.folder, n, "blobs")
		if d := cmp.Diff([]string{in.Blob}, entries(t, folder)); d != "" {
			t.Fatalf("%s (%s was replaced)", d, gone.Blob)
		}
		var err error
		if same[i], err = os.Stat(filepath.Join(folder, in.Blob)); err != nil {
			t.Fatal(err)
		}
	}
	if !os.SameFile(same[0], same[1]) {
		t.Error("the second backup holds the bytes a second time")
	}
	if err := b.Verify(t.Context()); err != nil {
		t.Error(err)
	}

	newest := filepath.Join(b.folder, names[1])
	fresh := newConfig(t, databaseFor(t))
	if _, err := Restore(t.Context(), fresh, newest, b.keyFile(), quiet, nil); err != nil {
		t.Fatal(err)
	}
	o, err := Open(t.Context(), fresh, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer o.DB.Close()
	imports, closeFiles, err := Imports(t.Context(), fresh, o, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFiles()
	if err := imports.Refresh(t.Context()); err != nil {
		t.Errorf("the map of the restored node: %v", err)
	}

	// Damaged bytes: a restore does without them, the test does not call it good,
	// and the next backup makes them anew.
	if err := os.WriteFile(filepath.Join(newest, "blobs", in.Blob), tiles("rotten"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.fake().Advance(time.Minute)
	if err := b.Verify(t.Context()); err == nil || !strings.Contains(err.Error(), "0 files of 1") {
		t.Errorf("got %v", err)
	}
	if _, err := Restore(t.Context(), newConfig(t, databaseFor(t)), newest, b.keyFile(), quiet, nil); err != nil {
		t.Errorf("a restore with damaged tiles: %v", err)
	}
	b.fake().Advance(time.Minute)
	if err := b.Make(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Verify(t.Context()); err != nil {
		t.Error(err)
	}

	// Bytes the node has lost itself are no reason to go without a backup.
	if err := os.RemoveAll(filepath.Join(b.c.DataDir(), "blobs")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(b.folder); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "by hand")
	r, err := Backup(t.Context(), b.c, b.o, dir, b.keyFile(), nil)
	if err != nil || r.Files != 0 || r.Missing != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}
