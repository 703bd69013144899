package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// A backup is two SQLite databases, whatever engine the node uses: "data" with
// everything but the keys of subjects, and "keys" with those, wrapped by the
// node key. They lie apart because the keys are kept for a shorter time: what
// was deleted since stays unreadable in an old backup once its keys are gone.
const (
	backupData = "data"
	backupKeys = "keys"
	backupNote = "backup.json"
)

// BackupReport says what was saved or restored.
type BackupReport struct {
	At          time.Time `json:"at"`
	Version     string    `json:"version"`
	Fingerprint string    `json:"nodeKey"`
	Rows        int64     `json:"rows"`
}

// Backup copies a consistent snapshot of the database of a node, running or
// not, into dir, and the node key into keyFile, which has to be kept elsewhere.
// Nothing is overwritten.
func Backup(ctx context.Context, c *Config, o *Opened, dir, keyFile string, progress func(string, int64)) (*BackupReport, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("app: backup: %w", err)
	}
	if entries, err := os.ReadDir(dir); err != nil {
		return nil, fmt.Errorf("app: backup: %w", err)
	} else if len(entries) > 0 {
		return nil, problem.New("app.Backup", problem.Conflict, "app.backup.not_empty", i18n.Args{"dir": dir})
	}
	if rel, err := filepath.Rel(dir, keyFile); err == nil && filepath.IsLocal(rel) {
		return nil, problem.New("app.Backup", problem.Invalid, "app.backup.key_inside", i18n.Args{"file": keyFile})
	}
	if err := saveKey(c.KeyFile(), keyFile); err != nil {
		return nil, err
	}
	r := &BackupReport{At: o.Clock.Now(), Version: Version, Fingerprint: o.Key.Fingerprint()}
	count := func(table string, rows int64) {
		if progress != nil {
			progress(table, rows)
		}
	}
	parts := []struct {
		name string
		want func(string) bool
	}{
		// Keys last: a message stored in between is in neither or has its key in
		// "keys"; the other way round it could be without its key.
		{backupData, func(t string) bool { return t != seal.Table }},
		{backupKeys, func(t string) bool { return t == seal.Table }},
	}
	for _, p := range parts {
		to, err := store.Open(ctx, store.Config{Dir: filepath.Join(dir, p.name), Clock: o.Clock})
		if err != nil {
			return nil, fmt.Errorf("app: backup: %w", err)
		}
		err = MigrateAll(ctx, to)
		if err == nil {
			err = o.DB.Copy(ctx, to, p.want, count)
		}
		if err == nil {
			var n int64
			n, err = to.Count(ctx)
			r.Rows += n
		}
		if err := errors.Join(err, to.Close()); err != nil {
			return nil, fmt.Errorf("app: backup: %w", err)
		}
	}
	note, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, err
	}
	// Written last: a backup without the note is not complete.
	if err := writeNew(filepath.Join(dir, backupNote), append(note, '\n')); err != nil {
		return nil, fmt.Errorf("app: backup: %w", err)
	}
	return r, nil
}

func saveKey(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("app: node key: %w", err)
	}
	if old, err := os.ReadFile(to); err == nil {
		if string(old) == string(text) {
			return nil
		}
		return problem.New("app.Backup", problem.Conflict, "app.backup.other_key", i18n.Args{"file": to})
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return fmt.Errorf("app: node key: %w", err)
	}
	return writeNew(to, text)
}

// writeNew writes a file that must not exist, and returns when it is on disk: a
// backup whose key is lost with the power is none.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// Restore fills the empty database of c from a backup. It refuses to overwrite
// anything and to work without the node key the backup belongs to, raises the
// sequence numbers and holds the outbox (see exchange.Restored).
func Restore(ctx context.Context, c *Config, dir, keyFile string, log *slog.Logger, progress func(string, int64)) (*BackupReport, error) {
	text, err := os.ReadFile(filepath.Join(dir, backupNote))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, problem.New("app.Restore", problem.Invalid, "app.restore.no_backup", i18n.Args{"dir": dir})
	}
	if err != nil {
		return nil, fmt.Errorf("app: restore: %w", err)
	}
	for _, part := range []string{backupData, backupKeys} {
		if !store.Exists(filepath.Join(dir, part)) {
			return nil, problem.New("app.Restore", problem.Invalid, "app.restore.part_missing", i18n.Args{"dir": filepath.Join(dir, part)})
		}
	}
	var r BackupReport
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("app: restore: %s: %w", backupNote, err)
	}
	key, err := seal.Load(keyFile)
	if err != nil || key.Fingerprint() != r.Fingerprint {
		return nil, &problem.Error{Op: "app.Restore", Kind: problem.Invalid, Key: "app.restore.no_key", Args: i18n.Args{"file": keyFile}, Err: err}
	}
	if old, err := seal.Load(c.KeyFile()); err == nil && old.Fingerprint() != r.Fingerprint {
		return nil, problem.New("app.Restore", problem.Conflict, "app.backup.other_key", i18n.Args{"file": c.KeyFile()})
	}
	unlock, err := lock(c)
	if err != nil {
		return nil, err
	}
	defer unlock()
	clk := clock.System()
	db, err := store.Open(ctx, store.Config{Dir: c.DataDir(), URL: c.Database, Log: log, Clock: clk})
	if err != nil {
		return nil, explain(err)
	}
	defer db.Close()
	if err := MigrateAll(ctx, db); err != nil {
		return nil, explain(err)
	}
	if n, err := db.Count(ctx); err != nil {
		return nil, err
	} else if n > 0 {
		return nil, problem.New("app.Restore", problem.Conflict, "app.restore.not_empty", nil)
	}
	if err := saveKey(keyFile, c.KeyFile()); err != nil {
		return nil, err
	}
	// Until everything is there and the outbox is held no instance may start.
	if err := db.Write(ctx, func(tx *store.Tx) error { return tx.SetSetting(settingRestoring, "1") }); err != nil {
		return nil, err
	}
	for _, part := range []string{backupKeys, backupData} {
		src, err := store.Open(ctx, store.Config{Dir: filepath.Join(dir, part), Clock: clk})
		if err != nil {
			return nil, explain(err)
		}
		err = MigrateAll(ctx, src) // a backup of the previous release
		if err == nil {
			err = src.Copy(ctx, db, func(t string) bool { return (t == seal.Table) == (part == backupKeys) }, progress)
		}
		if err := errors.Join(err, src.Close()); err != nil {
			return nil, explain(err)
		}
	}
	if r.Rows, err = db.Count(ctx); err != nil {
		return nil, err
	}
	return &r, db.Write(ctx, func(tx *store.Tx) error {
		if err := exchange.Restored(&c.Exchange)(tx); err != nil {
			return err
		}
		return tx.SetSetting(settingRestoring, "")
	})
}
