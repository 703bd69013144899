package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/health"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// backupsOf returns the backups of a node that has messages and stands still, on
// a clock of the test.
func backupsOf(t testing.TB, change func(*BackupConfig)) *Backups {
	t.Helper()
	c := newConfig(t, databaseFor(t))
	n := start(t, c)
	for i := 1; i <= 5; i++ {
		n.send(i)
	}
	n.stop()
	o, err := Open(t.Context(), c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.DB.Close() })
	o.Clock = clock.Fake(time.Date(2026, 11, 25, 14, 5, 0, 0, time.UTC))
	cfg := BackupConfig{Folder: filepath.Join(t.TempDir(), "second"), NodeKey: filepath.Join(t.TempDir(), "safe", "node.key")}
	if change != nil {
		change(&cfg)
	}
	if f := cfg.faults(c); len(f) > 0 {
		t.Fatal(f[0].key)
	}
	return NewBackups(cfg, c, o, quiet)
}

func (b *Backups) fake() *clock.Clock { return b.o.Clock }

func stateOf(t testing.TB, b *Backups) health.BackupState {
	t.Helper()
	s, err := b.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func entries(t testing.TB, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// A backup is whole under its final name, can be restored, holds no node key, and
// its test leaves nothing behind.
func TestBackupAndTestRestore(t *testing.T) {
	b := backupsOf(t, nil)
	if s := stateOf(t, b); !s.Enabled || !s.Good.IsZero() || !s.Verified.IsZero() {
		t.Errorf("%+v", s)
	}
	if err := b.Verify(t.Context()); err == nil {
		t.Error("a test restore without a backup succeeded")
	}
	if s := stateOf(t, b); s.Refuted.IsZero() {
		t.Errorf("%+v", s)
	}
	b.fake().Advance(time.Hour)
	if err := b.Make(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"20261125T150500Z"}, entries(t, b.folder)); d != "" {
		t.Fatal(d)
	}
	before := entries(t, b.c.DataDir())
	b.fake().Advance(time.Minute)
	if err := b.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, entries(t, b.c.DataDir())); d != "" {
		t.Errorf("the test restore left something: %s", d)
	}
	s := stateOf(t, b)
	want := health.BackupState{Enabled: true, Since: b.since, Good: b.since.Add(time.Hour), Verifying: true,
		Verified: b.since.Add(time.Hour + time.Minute), Refuted: b.since, RefuteCause: "there is no complete backup", KeyKept: true}
	if d := cmp.Diff(want, s); d != "" {
		t.Error(d)
	}
	if err := filepath.WalkDir(b.folder, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if _, keyErr := seal.Load(p); keyErr == nil {
				t.Errorf("%s is a node key", p)
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Load(b.c.Path(b.cfg.NodeKey)); err != nil {
		t.Error(err)
	}
	if err := b.Make(t.Context()); err != nil { // a minute later: another
		t.Fatal(err)
	}
	if err := b.Make(t.Context()); err == nil {
		t.Error("a backup was overwritten")
	}
}

// Each sort of damage is found by the test restore, and by nothing else.
func TestDamagedBackups(t *testing.T) {
	b := backupsOf(t, nil)
	if err := b.Make(t.Context()); err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(b.folder, entries(t, b.folder)[0])
	sql := func(part, query string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			db, err := store.Open(t.Context(), store.Config{Dir: filepath.Join(dir, part)})
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Write(t.Context(), func(tx *store.Tx) error { _, err := tx.Exec(query); return err }); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		damage func(*testing.T, string)
		want   string
	}{
		"none":          {func(*testing.T, string) {}, ""},
		"changed leaf":  {sql(backupData, `UPDATE audit_leaf SET actor = 'somebody else' WHERE id = 1`), "audit log: changed 1"},
		"rows are gone": {sql(backupData, `DELETE FROM exchange_message`), "rows of"},
		"changed key":   {sql(backupKeys, `UPDATE seal_key SET wrapped = subject`), "do not match their key"},
		"broken file": {func(t *testing.T, dir string) {
			f := filepath.Join(dir, backupData, store.FileName)
			body, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for i := 4096; i < len(body); i++ { // the header stays: it still opens
				body[i] ^= 0xa5
			}
			if err := os.WriteFile(f, body, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "malformed"},
		"part is gone": {func(t *testing.T, dir string) { os.RemoveAll(filepath.Join(dir, backupKeys)) }, "part_missing"},
	} {
		t.Run(name, func(t *testing.T) {
			b.folder = t.TempDir()
			dir := filepath.Join(b.folder, filepath.Base(good))
			if err := os.CopyFS(dir, os.DirFS(good)); err != nil {
				t.Fatal(err)
			}
			if name == "changed key" { // bytes of the wrong type would not come in
				c.damage = sql(backupKeys, `UPDATE seal_key SET wrapped = CAST(subject AS BLOB)`)
			}
			c.damage(t, dir)
			b.fake().Advance(time.Minute)
			err := b.Verify(t.Context())
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			s := stateOf(t, b)
			if err == nil || !strings.Contains(err.Error(), c.want) || !s.Refuted.Equal(b.fake().Now()) || !strings.Contains(s.RefuteCause, c.want) {
				t.Errorf("got %v, %+v; want %s", err, s, c.want)
			}
		})
	}
	if names := entries(t, b.c.DataDir()); slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, ".verify-") }) {
		t.Errorf("left behind: %v", names)
	}
}

// A backup that fails is written down, leaves nothing half, and the next one is
// good again.
func TestFailedBackup(t *testing.T) {
	b := backupsOf(t, nil)
	if err := os.WriteFile(b.folder, []byte("in the way"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.Make(t.Context()); err == nil {
		t.Fatal("a backup into a file succeeded")
	}
	s := stateOf(t, b)
	if !s.Failed.Equal(b.fake().Now()) || s.Reason == "" || !s.Good.IsZero() {
		t.Errorf("%+v", s)
	}
	if err := os.Remove(b.folder); err != nil {
		t.Fatal(err)
	}
	// Another node's key where ours should go.
	key := b.c.Path(b.cfg.NodeKey)
	if _, err := seal.LoadOrCreate(key); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, b.Make(t.Context()), "app.backup.other_key")
	if names := entries(t, b.folder); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	b.fake().Advance(time.Minute)
	if err := b.Make(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := stateOf(t, b); !s.Good.After(s.Failed) {
		t.Errorf("%+v", s)
	}
	// A node that stops in the middle is neither.
	ctx, stop := context.WithCancel(t.Context())
	stop()
	b.fake().Advance(time.Minute)
	if err := b.Make(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if s := stateOf(t, b); !s.Good.After(s.Failed) {
		t.Errorf("%+v", s)
	}
}

func TestKept(t *testing.T) {
	var hours []string
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 100 * 24 {
		hours = append(hours, at.Add(time.Duration(i)*time.Hour).Format(backupName))
	}
	keep, daily := kept(hours, BackupKeep{Hourly: 48, Daily: 30})
	if len(keep) != 48+28 || len(daily) != 28 {
		t.Errorf("%d kept, %d as days", len(keep), len(daily))
	}
	for n := range daily {
		if n[9:11] != "23" {
			t.Errorf("%s is not the last of its day", n)
		}
	}
	for _, c := range []struct {
		names string
		k     BackupKeep
		keep  string
	}{
		{"", BackupKeep{1, 1}, ""},
		{"20260101T000000Z", BackupKeep{1, 1}, "20260101T000000Z"},
		{"20260101T000000Z 20260102T000000Z", BackupKeep{1, 1}, "20260102T000000Z"},
		{"20260101T000000Z 20260101T120000Z 20260102T000000Z", BackupKeep{1, 2}, "20260101T120000Z 20260102T000000Z"},
		{"20260101T000000Z 20260301T000000Z", BackupKeep{1, 9}, "20260101T000000Z 20260301T000000Z"}, // days without a backup do not count
	} {
		got, _ := kept(strings.Fields(c.names), c.k)
		var names []string
		for n := range got {
			names = append(names, n)
		}
		slices.Sort(names)
		if s := strings.Join(names, " "); s != c.keep {
			t.Errorf("%s: %s, want %s", c.names, s, c.keep)
		}
	}
}

// What is old goes, what is not ours stays, and an old day comes back with the
// keys of a newer backup.
func TestPrune(t *testing.T) {
	b := backupsOf(t, func(c *BackupConfig) { c.Keep = BackupKeep{Hourly: 1, Daily: 2} })
	for _, name := range []string{"lost+found", "20261124T000000Z-old", partial + "20261101T000000Z", partial + "20261125T140000Z"} {
		if err := os.MkdirAll(filepath.Join(b.folder, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		if err := b.Make(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.fake().Advance(12 * time.Hour)
	}
	b.fake().Advance(-12 * time.Hour)
	want := []string{partial + "20261125T140000Z", "20261124T000000Z-old", "20261126T140500Z", "20261127T020500Z", "lost+found"}
	if b.fake().Now().Sub(time.Date(2026, 11, 25, 14, 0, 0, 0, time.UTC)) > abandonedAfter {
		want = want[1:]
	}
	if d := cmp.Diff(want, entries(t, b.folder)); d != "" {
		t.Fatal(d)
	}
	old, latest := filepath.Join(b.folder, "20261126T140500Z"), filepath.Join(b.folder, "20261127T020500Z")
	if _, err := os.Stat(filepath.Join(old, backupKeys)); err == nil {
		t.Error("an old day keeps its keys")
	}
	if err := os.CopyFS(filepath.Join(old, backupKeys), os.DirFS(filepath.Join(latest, backupKeys))); err != nil {
		t.Fatal(err)
	}
	if _, err := b.verify(t.Context(), old); err != nil {
		t.Error(err)
	}
}

// A backup that was made while the clock was ahead is not the newest for ever: the
// test restore takes those of the right time, and it goes before them.
func TestBackupsAndTheClock(t *testing.T) {
	b := backupsOf(t, func(c *BackupConfig) { c.Keep = BackupKeep{Hourly: 2, Daily: 1} })
	right := b.o.Clock
	b.o.Clock = clock.Fake(right.Now().AddDate(9, 0, 0))
	if err := b.Make(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.o.Clock = right
	var made []string
	for range 3 {
		b.fake().Advance(time.Hour)
		made = append(made, b.fake().Now().Format(backupName))
		if err := b.Make(t.Context()); err != nil {
			t.Fatal(err)
		}
		if names, err := b.complete(); err != nil || names[len(names)-1] != made[len(made)-1] {
			t.Fatalf("%v %v", names, err)
		}
	}
	if d := cmp.Diff(made[1:], slices.DeleteFunc(entries(t, b.folder), func(n string) bool { return n[:4] != "2026" })); d != "" {
		t.Error(d)
	}
	if err := b.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if s := stateOf(t, b); !s.Good.Equal(b.fake().Now()) || !s.Verified.Equal(b.fake().Now()) {
		t.Errorf("%+v", s)
	}
}

// The keys of a backup go after two days, however many backups are kept; the
// newest one keeps them.
func TestKeysGoByAge(t *testing.T) {
	b := backupsOf(t, func(c *BackupConfig) { c.Every, c.Keep = 24*time.Hour, BackupKeep{Hourly: 48, Daily: 30} })
	for day := range 5 {
		if day > 0 {
			b.fake().Advance(24 * time.Hour)
		}
		if err := b.Make(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	withKeys := func() (names []string) {
		for _, n := range entries(t, b.folder) {
			if store.Exists(filepath.Join(b.folder, n, backupKeys)) {
				names = append(names, n)
			}
		}
		return names
	}
	if d := cmp.Diff([]string{"20261127T140500Z", "20261128T140500Z", "20261129T140500Z"}, withKeys()); d != "" {
		t.Error(d)
	}
	b.fake().Advance(10 * 24 * time.Hour) // without backups: the newest is all there is
	if err := b.prune(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"20261129T140500Z"}, withKeys()); d != "" {
		t.Error(d)
	}
	if err := b.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	// Made by a clock that was a year ahead: of unknown age, so old.
	if err := os.CopyFS(filepath.Join(b.folder, "20271130T000000Z"), os.DirFS(filepath.Join(b.folder, "20261129T140500Z"))); err != nil {
		t.Fatal(err)
	}
	if err := b.prune(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"20261129T140500Z"}, withKeys()); d != "" {
		t.Error(d)
	}
}

// A second disk that is not mounted is no place for backups: what lay there before
// is missed, and nothing is written below its mount point until a person says that
// the disk is a new one.
func TestBackupDiskAway(t *testing.T) {
	b := backupsOf(t, nil)
	if err := b.Make(t.Context()); err != nil {
		t.Fatal(err)
	}
	mount := filepath.Dir(b.folder)
	if err := os.RemoveAll(b.folder); err != nil {
		t.Fatal(err)
	}
	refused := func(name string) {
		t.Helper()
		b.fake().Advance(time.Minute)
		err := b.Make(t.Context())
		s := stateOf(t, b)
		if err == nil || !s.Failed.After(s.Good) {
			t.Fatalf("%s: counts as a backup: %v", name, err)
		}
		for _, part := range []string{b.folder, "20261125T140500Z", "mounted", "new-disk"} {
			if !strings.Contains(s.Reason, part) {
				t.Errorf("%s: %q does not name %s", name, s.Reason, part)
			}
		}
	}
	refused("no folder")
	if names := entries(t, mount); len(names) != 0 {
		t.Errorf("below the mount point: %v", names)
	}
	if err := os.Mkdir(b.folder, 0o700); err != nil {
		t.Fatal(err)
	}
	refused("an empty folder")

	if err := os.WriteFile(filepath.Join(b.folder, "new-disk"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.fake().Advance(time.Minute)
	if err := b.Make(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{b.fake().Now().Format(backupName)}, entries(t, b.folder)); d != "" {
		t.Errorf("the word of the person stays: %s", d)
	}

	// Another folder in the configuration is a person's word too; its parent must be there.
	b.folder = filepath.Join(t.TempDir(), "disk", "third")
	b.fake().Advance(time.Minute)
	if err := b.Make(t.Context()); err == nil {
		t.Error("the mount point itself was made")
	}
	if err := os.Mkdir(filepath.Dir(b.folder), 0o700); err != nil {
		t.Fatal(err)
	}
	b.fake().Advance(time.Minute)
	if err := b.Make(t.Context()); err != nil {
		t.Error(err)
	}
}

// What a killed test restore left in the data folder can be read by anybody who
// gets there: it goes at the next start and before the next test, unless another
// instance is at it just now.
func TestKilledTestRestore(t *testing.T) {
	b := backupsOf(t, nil)
	leave := func() {
		t.Helper()
		for _, name := range []string{".verify-123/keys/node.key", ".verify-456/node.db", ".restore-789/node.db", ".verify-busy/node.db"} {
			file := filepath.Join(b.c.DataDir(), name)
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := append(entries(t, b.c.DataDir()), ".verify-busy")
	slices.Sort(before)
	leave()
	free, err := lock(&Config{Data: filepath.Join(b.c.DataDir(), ".verify-busy")})
	if err != nil {
		t.Fatal(err)
	}
	defer free()
	if err := b.Schedule(t.Context(), job.New(b.o.DB, b.o.Clock, quiet)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, entries(t, b.c.DataDir())); d != "" {
		t.Errorf("after a start: %s", d)
	}
	leave()
	if err := b.Make(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, entries(t, b.c.DataDir())); d != "" {
		t.Errorf("after a test restore: %s", d)
	}
}

// The schedule makes a backup each hour and tests the newest at night.
func TestBackupSchedule(t *testing.T) {
	b := backupsOf(t, nil)
	jobs := job.New(b.o.DB, b.o.Clock, quiet)
	if err := b.Schedule(t.Context(), jobs); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- jobs.Run(ctx) }()
	defer func() { stop(); <-ended }()
	until := func(what string, done func(health.BackupState) bool) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); !done(stateOf(t, b)); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("no %s: %+v", what, stateOf(t, b))
			}
		}
	}
	b.fake().Advance(time.Hour)
	until("backup", func(s health.BackupState) bool { return !s.Good.IsZero() })
	b.fake().Advance(24 * time.Hour)
	until("test restore", func(s health.BackupState) bool { return !s.Verified.IsZero() })

	off := *b
	off.cfg.Folder = ""
	if err := off.Schedule(t.Context(), jobs); err != nil {
		t.Error(err)
	}
	if s := stateOf(t, &off); s.Enabled {
		t.Errorf("%+v", s)
	}
}

// The first failures are tried again at once, the last one waits for the next
// hour and leaves no dead job.
func TestBackupTries(t *testing.T) {
	b, failure := &Backups{}, errors.New("no space")
	for n := 1; n <= backupTries; n++ {
		if got := b.again(job.Job{Attempt: n}, failure); (got != nil) != (n < backupTries) {
			t.Errorf("attempt %d: %v", n, got)
		}
	}
}

func TestBackupConfig(t *testing.T) {
	c := newConfig(t, nil)
	data := c.DataDir()
	for name, x := range map[string]struct {
		cfg  BackupConfig
		want string
	}{
		"off":           {BackupConfig{}, ""},
		"defaults":      {BackupConfig{Folder: "/second"}, ""},
		"all":           {BackupConfig{Folder: "/second", Every: 30 * time.Minute, Keep: BackupKeep{10, 10}, Verify: "04:15", NodeKey: "/safe/node.key"}, ""},
		"too often":     {BackupConfig{Every: time.Minute}, "[backup every] app.config.backup_every"},
		"too seldom":    {BackupConfig{Every: 25 * time.Hour}, "[backup every] app.config.backup_every"},
		"keeps none":    {BackupConfig{Keep: BackupKeep{Hourly: -1}}, "[backup keep] app.config.backup_keep"},
		"no time":       {BackupConfig{Verify: "25:00"}, "[backup verify] app.config.backup_verify"},
		"never":         {BackupConfig{Verify: "never"}, ""},
		"in the data":   {BackupConfig{Folder: filepath.Join(data, "backup")}, "[backup folder] app.config.backup_folder"},
		"around it":     {BackupConfig{Folder: filepath.Dir(data)}, "[backup folder] app.config.backup_folder"},
		"key beside it": {BackupConfig{Folder: "/second", NodeKey: "/second/node.key"}, "[backup node_key] app.backup.key_inside"},
	} {
		var got []string
		for _, f := range x.cfg.faults(c) {
			got = append(got, fmt.Sprint(f.path), f.key)
			for _, l := range i18n.Langs {
				if s := texts(t).Text(l, f.key, f.args); strings.ContainsAny(s, "⟦{") {
					t.Errorf("%s: %s", l, s)
				}
			}
		}
		if s := strings.Join(got, " "); s != x.want {
			t.Errorf("%s: %s, want %s", name, s, x.want)
		}
		if x.want == "" && (x.cfg.Every == 0 || x.cfg.Keep.Hourly == 0 || x.cfg.Verify == "") {
			t.Errorf("%s: no defaults: %+v", name, x.cfg)
		}
	}
}
