package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"trojmezi/internal/exchange/agreement"
	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// A backup is two SQLite databases, whatever engine the node uses: "data" with
// everything but the keys of subjects, and "keys" with those, wrapped by the
// node key. They lie apart because the keys are kept for a shorter time: what
// was deleted since stays unreadable in an old backup once its keys are gone.
// Beside them lie the files that rows of "data" refer to, under their hash.
const (
	backupData  = "data"
	backupKeys  = "keys"
	backupFiles = "blobs"
	backupNote  = "backup.json"
)

// BackupReport says what was saved or restored.
type BackupReport struct {
	At          time.Time `json:"at"`
	Version     string    `json:"version"`
	Fingerprint string    `json:"nodeKey"`
	Rows        int64     `json:"rows"`
	Files       int       `json:"files"`   // imported maps
	Missing     int       `json:"missing"` // imported maps whose bytes the node itself has not or not whole
}

// Backup copies a consistent snapshot of the database of a node, running or
// not, and the files it refers to into dir, and the node key into keyFile, which
// has to be kept elsewhere. Nothing is overwritten. Files in a bucket stay there.
func Backup(ctx context.Context, c *Config, o *Opened, dir, keyFile string, progress func(string, int64)) (*BackupReport, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("app: backup: %w", err)
	}
	return backup(ctx, c, o, dir, keyFile, "", progress)
}

// backup is Backup into a folder that is there. Files that the backup previous
// has as well are taken from it, without their bytes lying there twice.
func backup(ctx context.Context, c *Config, o *Opened, dir, keyFile, previous string, progress func(string, int64)) (*BackupReport, error) {
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
	var refs []blob.Ref
	// Keys last: a message stored in between is in neither or has its key in
	// "keys"; the other way round it could be without its key.
	for _, part := range []string{backupData, backupKeys} {
		rows, of, err := savePart(ctx, o, dir, part, progress)
		if err != nil {
			return nil, fmt.Errorf("app: backup: %w", err)
		}
		r.Rows += rows
		refs = append(refs, of...)
	}
	var err error
	if r.Files, r.Missing, err = saveFiles(ctx, c, o, dir, previous, refs); err != nil {
		return nil, fmt.Errorf("app: backup: %w", err)
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

// inPart tells which tables are in which part.
func inPart(part string) func(table string) bool {
	return func(table string) bool { return (table == seal.Table) == (part == backupKeys) }
}

// savePart makes one of the two databases. It returns the files its rows refer to.
func savePart(ctx context.Context, o *Opened, dir, part string, progress func(string, int64)) (rows int64, refs []blob.Ref, err error) {
	to, err := store.Open(ctx, store.Config{Dir: filepath.Join(dir, part), Clock: o.Clock})
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if err := MigrateAll(ctx, to); err != nil {
		return 0, nil, err
	}
	if err := o.DB.Copy(ctx, to, inPart(part), progress); err != nil {
		return 0, nil, err
	}
	if rows, err = to.Count(ctx); err != nil {
		return 0, nil, err
	}
	return rows, refs, to.Read(ctx, func(tx *store.Tx) (err error) {
		if refs, err = register.Referenced(tx); err != nil {
			return err
		}
		more, err := agreement.Referenced(tx)
		for _, ref := range more {
			if !slices.Contains(refs, ref) {
				refs = append(refs, ref)
			}
		}
		return err
	})
}

// saveFiles copies files. One that the node itself has not, or not whole, is
// counted as missing: that is told elsewhere and no reason to go without a backup.
func saveFiles(ctx context.Context, c *Config, o *Opened, dir, previous string, refs []blob.Ref) (saved, missing int, err error) {
	if len(refs) == 0 || c.Bucket.Endpoint != "" {
		return 0, 0, nil
	}
	files, closeFiles, err := Files(ctx, c, o.Clock)
	if err != nil {
		return 0, 0, err
	}
	defer closeFiles()
	folder := filepath.Join(dir, backupFiles)
	if err := os.Mkdir(folder, 0o700); err != nil {
		return 0, 0, err
	}
	for _, ref := range refs {
		to := filepath.Join(folder, ref.String())
		if previous != "" && os.Link(filepath.Join(previous, backupFiles, ref.String()), to) == nil {
			saved++
			continue
		}
		from, err := files.Open(ref)
		if errors.Is(err, fs.ErrNotExist) {
			missing++
			continue
		}
		if err != nil {
			return 0, 0, err
		}
		switch err := errors.Join(copyTo(ctx, to, from), from.Close()); {
		case errors.Is(err, blob.ErrCorrupt):
			missing++
			if err := os.Remove(to); err != nil {
				return 0, 0, err
			}
		case err != nil:
			return 0, 0, err
		default:
			saved++
		}
	}
	return saved, missing, syncDir(folder)
}

// copyChunk is how much is copied before the node is asked whether it stops.
const copyChunk = 16 << 20

// copyTo writes a file that must not exist, and returns when it is on disk.
func copyTo(ctx context.Context, to string, from io.Reader) error {
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	for err == nil {
		if err = ctx.Err(); err == nil {
			_, err = io.CopyN(f, from, copyChunk)
		}
	}
	if errors.Is(err, io.EOF) {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
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
	return copyTo(context.Background(), path, bytes.NewReader(text))
}
