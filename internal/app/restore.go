package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"trojmezi/internal/alert/channel"
	"trojmezi/internal/exchange"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// Restore fills the empty database of c from a backup, which it only reads. It
// refuses to overwrite anything and to work without the node key the backup belongs
// to, raises the sequence numbers and holds the outbox (see exchange.Restored), and
// ends what must not come back to life: sessions, one-time links, and whatever
// waited to be sent or done. Files that are damaged are left out and logged.
func Restore(ctx context.Context, c *Config, dir, keyFile string, log *slog.Logger, progress func(string, int64)) (*BackupReport, error) {
	r, key, err := readBackup(dir, keyFile)
	if err != nil {
		return nil, err
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
	if err := restoreFrom(ctx, c, db, dir, func() error { return saveKey(keyFile, c.KeyFile()) }, progress); err != nil {
		return nil, err
	}
	if r.Rows, err = db.Count(ctx); err != nil {
		return nil, err
	}
	if r.Files, err = restoreFiles(ctx, c, dir, log); err != nil {
		return nil, err
	}
	leaves := audit.New(db, key, clk, log)
	if err := db.Write(ctx, func(tx *store.Tx) error {
		for _, f := range []func(*store.Tx) error{exchange.Restored(&c.Exchange), identity.Restored, notify.Restored, channel.Restored, job.Restored} {
			if err := f(tx); err != nil {
				return err
			}
		}
		if err := leaves.Append(tx, audit.Event{Action: "node.restore", Actor: "operator", Object: "database"}); err != nil {
			return err
		}
		return tx.SetSetting(settingRestoring, "")
	}); err != nil {
		return nil, err
	}
	// The node may not be started soon: nobody else would put the leaf into the tree.
	return r, leaves.Sequence(ctx)
}

// readBackup checks that a backup is complete and that the node key opens it.
func readBackup(dir, keyFile string) (*BackupReport, *seal.Node, error) {
	text, err := os.ReadFile(filepath.Join(dir, backupNote))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, problem.New("app.Restore", problem.Invalid, "app.restore.no_backup", i18n.Args{"dir": dir})
	}
	if err != nil {
		return nil, nil, fmt.Errorf("app: restore: %w", err)
	}
	for _, part := range []string{backupData, backupKeys} {
		if !store.Exists(filepath.Join(dir, part)) {
			return nil, nil, problem.New("app.Restore", problem.Invalid, "app.restore.part_missing", i18n.Args{"dir": filepath.Join(dir, part)})
		}
	}
	var r BackupReport
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, nil, fmt.Errorf("app: restore: %s: %w", backupNote, err)
	}
	key, err := seal.Load(keyFile)
	if err != nil || key.Fingerprint() != r.Fingerprint {
		return nil, nil, &problem.Error{Op: "app.Restore", Kind: problem.Invalid, Key: "app.restore.no_key", Args: i18n.Args{"file": keyFile}, Err: err}
	}
	return &r, key, nil
}

// restoreFrom copies the rows of a backup into db once ready has done its part. A
// part is copied before it is opened: the backup may lie on a read-only medium, and
// must not be migrated away from the release that made it.
func restoreFrom(ctx context.Context, c *Config, db *store.DB, dir string, ready func() error, progress func(string, int64)) (err error) {
	tmp, remove, err := scratch(c.DataDir(), scratchRestore)
	if err != nil {
		return fmt.Errorf("app: restore: %w", err)
	}
	defer func() { err = errors.Join(err, remove()) }()
	if err := room(c.DataDir(), dir, db.Engine()); err != nil {
		return err
	}
	if err := ready(); err != nil {
		return err
	}
	// Until everything is there and the outbox is held no instance may start.
	if err := db.Write(ctx, func(tx *store.Tx) error { return tx.SetSetting(settingRestoring, "1") }); err != nil {
		return err
	}
	for _, part := range []string{backupKeys, backupData} {
		copied := filepath.Join(tmp, part)
		if err := copyPart(ctx, copied, filepath.Join(dir, part)); err != nil {
			return fmt.Errorf("app: restore: %w", err)
		}
		if err := restorePart(ctx, db, copied, part, progress); err != nil {
			return explain(err)
		}
		if err := os.RemoveAll(copied); err != nil { // room for the next one
			return fmt.Errorf("app: restore: %w", err)
		}
	}
	return nil
}

// copyPart copies a database that nobody has open.
func copyPart(ctx context.Context, to, from string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	for _, name := range []string{store.FileName, store.FileName + "-wal"} { // a log is left if somebody looked at the backup and was killed
		f, err := os.Open(filepath.Join(from, name))
		if errors.Is(err, fs.ErrNotExist) && name != store.FileName {
			continue
		}
		if err != nil {
			return err
		}
		if err := errors.Join(copyTo(ctx, filepath.Join(to, name), f), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func restorePart(ctx context.Context, db *store.DB, dir, part string, progress func(string, int64)) (err error) {
	src, err := store.Open(ctx, store.Config{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	if err := MigrateAll(ctx, src); err != nil { // a backup of the previous release
		return err
	}
	// A database that was restored itself may hold the mark of that; db has its own.
	if err := src.Write(ctx, func(tx *store.Tx) error { return tx.SetSetting(settingRestoring, "") }); err != nil {
		return err
	}
	return src.Copy(ctx, db, inPart(part), progress)
}

// restoreFiles puts the files of a backup where the node looks for them and
// returns how many there were. One that is damaged is no reason to do without the
// messages: the map goes on without it and says so.
func restoreFiles(ctx context.Context, c *Config, dir string, log *slog.Logger) (n int, err error) {
	folder := filepath.Join(dir, backupFiles)
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // none, or a backup of the previous release
	}
	if err != nil {
		return 0, fmt.Errorf("app: restore: %w", err)
	}
	files, closeFiles, err := Files(ctx, c, clock.System())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, closeFiles()) }()
	for _, e := range entries {
		want, err := blob.ParseRef(e.Name())
		if err != nil {
			continue // not ours
		}
		f, err := os.Open(filepath.Join(folder, e.Name()))
		if err != nil {
			return n, fmt.Errorf("app: restore: %w", err)
		}
		got, err := files.Put(ctx, f)
		f.Close()
		if err != nil {
			return n, fmt.Errorf("app: restore: %w", err)
		}
		if got == want {
			n++
			continue
		}
		log.Error("restore: a file of the backup is damaged and left out", "file", e.Name())
		if _, err := files.Delete(got, 0); err != nil {
			return n, fmt.Errorf("app: restore: %w", err)
		}
	}
	return n, nil
}

// room fails when dir has not the room for a restore of a backup: its rows (which
// PostgreSQL keeps elsewhere) and files, and the copy of one part at a time.
func room(dir, backup string, engine store.Engine) error {
	var need, largest int64
	for _, part := range []string{backupData, backupKeys, backupFiles} {
		entries, err := os.ReadDir(filepath.Join(backup, part))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("app: restore: %w", err)
		}
		var size int64
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				return fmt.Errorf("app: restore: %w", err)
			}
			size += info.Size()
		}
		if part == backupFiles || engine == store.SQLite {
			need += size
		}
		if part != backupFiles {
			largest = max(largest, size)
		}
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return fmt.Errorf("app: restore: %w", err)
	}
	need += largest
	if free := int64(disk.Bavail) * int64(disk.Bsize); free < need {
		const gib = 1 << 30
		return problem.New("app.Restore", problem.Unavailable, "app.restore.no_room", i18n.Args{"dir": dir,
			"need": math.Ceil(float64(need)*10/gib) / 10, "free": math.Floor(float64(free)*10/gib) / 10})
	}
	return nil
}

// The names of temporary folders in the data folder begin so.
const (
	scratchRestore = ".restore-"
	scratchVerify  = ".verify-"
)

// scratch makes a temporary folder in dir; remove ends it. What killed processes
// left there goes first.
func scratch(dir, prefix string) (tmp string, remove func() error, err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", nil, err
	}
	if err := sweep(dir); err != nil {
		return "", nil, err
	}
	if tmp, err = os.MkdirTemp(dir, prefix); err != nil {
		return "", nil, err
	}
	unlock, err := lock(&Config{Data: tmp})
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(tmp))
	}
	return tmp, func() error { defer unlock(); return os.RemoveAll(tmp) }, nil
}

// sweep removes the temporary folders of processes that were killed: each is a
// copy of the whole database, a test restore's with the node key. Those that
// another instance on the same folder is working in are locked.
func sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), scratchRestore) && !strings.HasPrefix(e.Name(), scratchVerify) {
			continue
		}
		left := filepath.Join(dir, e.Name())
		unlock, err := lock(&Config{Data: left})
		if errors.Is(err, unix.EWOULDBLOCK) {
			continue
		}
		errs = append(errs, err, os.RemoveAll(left))
		if err == nil {
			unlock()
		}
	}
	return errors.Join(errs...)
}
