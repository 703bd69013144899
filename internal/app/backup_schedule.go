package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/health"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// BackupConfig is the configuration under the key "backup". Without a folder
// nothing is backed up by itself.
type BackupConfig struct {
	Folder string        `yaml:"folder"` // another disk or machine than the data folder
	Every  time.Duration `yaml:"every"`
	Keep   BackupKeep    `yaml:"keep"`
	// Verify is when a test restore is made: "nightly" (default), a local time
	// "02:30", or "never".
	Verify string `yaml:"verify"`
	// NodeKey is where the node key is kept a second time, outside Folder.
	NodeKey string `yaml:"node_key"`
}

// BackupKeep is how many backups stay: the newest ones, and one a day.
type BackupKeep struct {
	Hourly int `yaml:"hourly"`
	Daily  int `yaml:"daily"`
}

const (
	// DefaultBackupEvery is the longest time that a lost machine costs.
	DefaultBackupEvery = time.Hour
	// Two days hour by hour find what somebody deleted yesterday; a month of days
	// what nobody noticed.
	DefaultKeepHourly = 48
	DefaultKeepDaily  = 30

	verifyNightly = "nightly"
	verifyNever   = "never"
	// defaultVerifyAt is before the daily deletion, when few people work.
	defaultVerifyAt = "02:30"

	// minBackupEvery keeps a slip of the pen from copying all the time.
	minBackupEvery = 5 * time.Minute

	queueBackup = "app.backup"
	queueVerify = "app.verify"
	// backupTries is how often one backup is tried at once, over about a minute;
	// then the next hour has its turn.
	backupTries = 5
	// abandonedAfter is how old an unfinished backup must be before it is removed:
	// longer than any copy takes.
	abandonedAfter = 24 * time.Hour

	// backupAhead is how far in the future a backup may be dated: the clocks of
	// two instances differ by less.
	backupAhead = time.Minute

	// backupName is the time in UTC: sorting by name is sorting by age.
	backupName = "20060102T150405Z"
	// partial begins the name of a backup that is being made.
	partial = ".partial-"

	// newDisk is the name of the empty file by which a person says that the folder
	// rightly holds no backup any more.
	newDisk = "new-disk"
	// keysFor is how long an old backup keeps its keys: what somebody deletes
	// can be read until then, however seldom backups are made.
	keysFor = 48 * time.Hour

	settingBackup = "backup.last"
	settingVerify = "backup.verified"
	// keysTried is how many of the newest keys a test restore opens.
	keysTried = 100
)

// backupResult is what is remembered of backups and test restores. Times are
// zero for never.
type backupResult struct {
	Good   time.Time `json:"good"`
	Failed time.Time `json:"failed"`
	Reason string    `json:"reason"` // of the failure
	Name   string    `json:"name"`   // of the last good one
	Folder string    `json:"folder"` // where that lies
	Rows   int64     `json:"rows"`
}

// faults checks c, with the paths of the whole configuration, and fills in
// defaults.
func (b *BackupConfig) faults(c *Config) []*pathFault {
	var faults []*pathFault
	add := func(key string, args i18n.Args, path ...any) {
		faults = append(faults, &pathFault{append([]any{"backup"}, path...), key, args})
	}
	b.Every = cmp.Or(b.Every, DefaultBackupEvery)
	b.Keep.Hourly = cmp.Or(b.Keep.Hourly, DefaultKeepHourly)
	b.Keep.Daily = cmp.Or(b.Keep.Daily, DefaultKeepDaily)
	b.Verify = cmp.Or(b.Verify, verifyNightly)
	if b.Every < minBackupEvery || b.Every > 24*time.Hour {
		add("app.config.backup_every", nil, "every")
	}
	if b.Keep.Hourly < 1 || b.Keep.Daily < 1 {
		add("app.config.backup_keep", nil, "keep")
	}
	if _, err := time.Parse("15:04", b.verifyAt()); err != nil && b.Verify != verifyNever {
		add("app.config.backup_verify", i18n.Args{"value": b.Verify}, "verify")
	}
	if b.Folder == "" {
		return faults
	}
	folder := c.Path(b.Folder)
	// In the data folder it would go with it; and the node key lies there.
	if within(c.DataDir(), folder) || within(folder, c.DataDir()) {
		add("app.config.backup_folder", i18n.Args{"dir": folder}, "folder")
	}
	if key := c.Path(b.NodeKey); b.NodeKey != "" && within(folder, key) {
		add("app.backup.key_inside", i18n.Args{"file": key}, "node_key")
	}
	return faults
}

// verifyAt is the local time of the test restore.
func (b *BackupConfig) verifyAt() string {
	if b.Verify == verifyNightly {
		return defaultVerifyAt
	}
	return b.Verify
}

// within reports whether path is dir or lies in it.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// Backups makes, prunes and tests backups by itself.
type Backups struct {
	cfg    BackupConfig
	c      *Config
	o      *Opened
	log    *slog.Logger
	since  time.Time
	folder string
}

// NewBackups returns the backups of a node with a checked configuration.
func NewBackups(cfg BackupConfig, c *Config, o *Opened, log *slog.Logger) *Backups {
	return &Backups{cfg: cfg, c: c, o: o, log: log, since: o.Clock.Now(), folder: c.Path(cfg.Folder)}
}

// keyFile is the copy of the node key that goes with the backups. Without one
// the node's own counts, which is not copied anywhere.
func (b *Backups) keyFile() string {
	if b.cfg.NodeKey != "" {
		return b.c.Path(b.cfg.NodeKey)
	}
	return b.c.KeyFile()
}

// Schedule registers the work; call it before jobs.Run. Of several instances one
// does it each time, so that all need the same folder.
func (b *Backups) Schedule(ctx context.Context, jobs *job.Queue) error {
	if err := sweep(b.c.DataDir()); err != nil {
		b.log.Error("backup: what a killed test restore left cannot be removed", "error", err)
	}
	if b.cfg.Folder == "" {
		return nil
	}
	if err := jobs.Every(ctx, queueBackup, b.cfg.Every, store.Live, func(ctx context.Context, j job.Job) error {
		return b.again(j, b.Make(ctx))
	}); err != nil {
		return err
	}
	if b.cfg.Verify == verifyNever {
		return nil
	}
	return jobs.Daily(ctx, queueVerify, b.cfg.verifyAt(), store.Live, func(ctx context.Context, j job.Job) error {
		return b.again(j, b.Verify(ctx))
	})
}

// again lets a job be tried again some times. What fails then is written down,
// and the schedule goes on.
func (b *Backups) again(j job.Job, err error) error {
	if j.Attempt < backupTries || errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Make makes one backup now, removes those that need not be kept, and writes
// down how it went.
func (b *Backups) Make(ctx context.Context) error {
	began := time.Now()
	name := b.o.Clock.Now().Format(backupName)
	b.log.Info("backup: begins", "name", name)
	report, err := b.make(ctx, name)
	if errors.Is(err, unix.EROFS) {
		err = fmt.Errorf("%w (if the unit of the service keeps it from writing there, name the folder in ReadWritePaths=: docs/ops/health.md)", err)
	}
	if ctx.Err() != nil {
		return ctx.Err() // the node stops: neither good nor bad
	}
	if err != nil {
		b.log.Error("backup: failed", "name", name, "error", err)
	} else {
		b.log.Info("backup: done", "name", name, "rows", report.Rows, "ms", time.Since(began).Milliseconds())
	}
	return errors.Join(err, b.note(ctx, settingBackup, name, report, err))
}

func (b *Backups) make(ctx context.Context, name string) (*BackupReport, error) {
	final, tmp := filepath.Join(b.folder, name), filepath.Join(b.folder, partial+name)
	previous, err := b.ready(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.RemoveAll(tmp); err != nil { // of a try that was killed
		return nil, fmt.Errorf("app: backup: %w", err)
	}
	if _, err := os.Stat(filepath.Join(final, backupNote)); err == nil {
		return nil, fmt.Errorf("app: backup: %s is there already", name)
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return nil, fmt.Errorf("app: backup: %w", err)
	}
	report, err := backup(ctx, b.c, b.o, tmp, b.keyFile(), previous, func(table string, rows int64) {
		b.log.Debug("backup: copies", "table", table, "rows", rows)
	})
	if err == nil {
		err = os.Rename(tmp, final)
	}
	if err == nil {
		err = syncDir(b.folder)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(tmp))
	}
	if report.Missing > 0 {
		b.log.Warn("backup: imported map files are missing on the node itself", "name", name, "files", report.Missing)
	}
	if err := os.Remove(filepath.Join(b.folder, newDisk)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("app: backup: %w", err)
	}
	return report, b.prune()
}

// ready makes the folder, not those above it: a disk that is not mounted must not
// be replaced by a folder below its mount point. Neither must a folder that held
// backups and holds none any more. It returns the newest backup, "" without one
// whose files may be taken over.
func (b *Backups) ready(ctx context.Context) (previous string, err error) {
	var made, tried backupResult
	if err := b.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if made, err = readResult(tx, settingBackup); err != nil {
			return err
		}
		tried, err = readResult(tx, settingVerify)
		return err
	}); err != nil {
		return "", err
	}
	names, err := b.complete()
	if err != nil {
		return "", err
	}
	if len(names) == 0 && made.Name != "" && cmp.Or(made.Folder, b.folder) == b.folder {
		if _, err := os.Stat(filepath.Join(b.folder, newDisk)); err != nil {
			return "", fmt.Errorf("app: backup: %s holds no backup any more, %s was the last one: is the disk mounted? If it is a new one, put an empty file named %s into the folder", b.folder, made.Name, newDisk)
		}
	}
	if err := os.Mkdir(b.folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("app: backup: %w", err)
	}
	if len(names) == 0 || tried.Failed.After(tried.Good) {
		return "", nil
	}
	return filepath.Join(b.folder, names[len(names)-1]), nil
}

// syncDir puts a renaming on disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// complete lists the names of finished backups, the oldest first. What has
// another name is not ours. One dated ahead was made while the clock was wrong and
// counts as the oldest: else it would be the newest for ever.
func (b *Backups) complete() ([]string, error) {
	entries, err := os.ReadDir(b.folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("app: backup: %w", err)
	}
	var names []string
	for _, e := range entries {
		if _, err := time.Parse(backupName, e.Name()); err != nil || !e.IsDir() {
			continue
		}
		if _, err := os.Stat(filepath.Join(b.folder, e.Name(), backupNote)); err == nil {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	right, _ := slices.BinarySearch(names, b.o.Clock.Now().Add(backupAhead).Format(backupName))
	return slices.Concat(names[right:], names[:right]), nil
}

// prune removes what need not be kept, and the keys of those that stay only as
// the backup of their day or are old: what was deleted since becomes unreadable in
// them. They are restored with the keys of a newer backup; the newest has its keys
// at any age.
func (b *Backups) prune() error {
	names, err := b.complete()
	if err != nil {
		return err
	}
	keep, daily := kept(names, b.cfg.Keep)
	var errs []error
	for i, n := range names {
		at, err := time.Parse(backupName, n)
		errs = append(errs, err)
		age := b.o.Clock.Now().Sub(at) // below zero: made while the clock was wrong, nobody knows when
		old := (age > keysFor || age < -backupAhead) && i < len(names)-1
		switch {
		case !keep[n]:
			errs = append(errs, b.remove(n))
		case daily[n] || old:
			errs = append(errs, os.RemoveAll(filepath.Join(b.folder, n, backupKeys)))
		}
	}
	entries, err := os.ReadDir(b.folder)
	errs = append(errs, err)
	for _, e := range entries {
		at, err := time.Parse(backupName, strings.TrimPrefix(e.Name(), partial))
		if strings.HasPrefix(e.Name(), partial) && err == nil && b.o.Clock.Now().Sub(at) > abandonedAfter {
			b.log.Warn("backup: removes an unfinished one", "name", e.Name())
			errs = append(errs, os.RemoveAll(filepath.Join(b.folder, e.Name())))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("app: backup: prune: %w", err)
	}
	return nil
}

// remove takes the note first: half a backup must not look whole.
func (b *Backups) remove(name string) error {
	dir := filepath.Join(b.folder, name)
	if err := os.Remove(filepath.Join(dir, backupNote)); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// kept says which of the names, oldest first, stay, and which of them only as
// the last one of their day.
func kept(names []string, k BackupKeep) (keep, daily map[string]bool) {
	keep, daily = map[string]bool{}, map[string]bool{}
	days := map[string]bool{}
	for i, n := range slices.Backward(names) {
		day := n[:len("20060102")]
		if i >= len(names)-k.Hourly {
			keep[n] = true
		} else if !days[day] && len(days) < k.Daily {
			keep[n], daily[n] = true, true
		}
		if keep[n] {
			days[day] = true
		}
	}
	return keep, daily
}

// Verify restores the newest backup into a temporary folder of the data folder,
// checks what came out, and writes down how it went.
func (b *Backups) Verify(ctx context.Context) error {
	began := time.Now()
	names, err := b.complete()
	if err == nil && len(names) == 0 {
		err = errors.New("there is no complete backup")
	}
	name := ""
	var report *BackupReport
	if err == nil {
		name = names[len(names)-1]
		report, err = b.verify(ctx, filepath.Join(b.folder, name))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		b.log.Error("backup: the test restore failed", "name", name, "error", err)
	} else {
		b.log.Info("backup: the test restore is good", "name", name, "rows", report.Rows, "ms", time.Since(began).Milliseconds())
	}
	return errors.Join(err, b.note(ctx, settingVerify, name, report, err))
}

// verify works on SQLite and a folder of files whatever the node uses: a backup is
// both.
func (b *Backups) verify(ctx context.Context, dir string) (report *BackupReport, err error) {
	// Beside the data, not beside the backups: the restored node has its key.
	tmp, remove, err := scratch(b.c.DataDir(), scratchVerify)
	if err != nil {
		return nil, fmt.Errorf("app: test restore: %w", err)
	}
	defer func() { err = errors.Join(err, remove()) }()
	trial := *b.c
	trial.Data, trial.Database, trial.Bucket = filepath.Join(tmp, "data"), "", BucketConfig{}
	if report, err = Restore(ctx, &trial, dir, b.keyFile(), b.log, nil); err != nil {
		return nil, err
	}
	var noted BackupReport
	text, err := os.ReadFile(filepath.Join(dir, backupNote))
	if err == nil {
		err = json.Unmarshal(text, &noted)
	}
	if err != nil {
		return nil, fmt.Errorf("app: test restore: %w", err)
	}
	if report.Rows < noted.Rows {
		return nil, fmt.Errorf("app: test restore: %d rows of %d", report.Rows, noted.Rows)
	}
	if report.Files < noted.Files {
		return nil, fmt.Errorf("app: test restore: %d files of %d", report.Files, noted.Files)
	}
	o, err := Open(ctx, &trial, b.log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.DB.Close()) }()
	return report, sound(ctx, o)
}

// sound checks a restored node: the database file, the newest keys, the audit log.
func sound(ctx context.Context, o *Opened) error {
	if err := o.DB.Read(ctx, func(tx *store.Tx) error {
		var verdict string
		if err := tx.Row(`PRAGMA integrity_check(1)`).Scan(&verdict); err != nil {
			return err
		}
		if verdict != "ok" {
			return fmt.Errorf("app: test restore: database: %s", verdict)
		}
		ids, err := newestKeys(tx)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if _, err := o.Ring.Lookup(tx, id); err != nil {
				return fmt.Errorf("app: test restore: key %d: %w", id, err)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	// The copy was made between an event and its place in the tree; a node that
	// starts from it would go on exactly so.
	if err := o.Audit.Sequence(ctx); err != nil {
		return err
	}
	r, err := audit.Verify(ctx, o.DB, o.Audit.VerifierKey())
	if err != nil {
		return err
	}
	if len(r.Faults) > 0 {
		return fmt.Errorf("app: test restore: audit log: %s %s and %d more", r.Faults[0].Code, r.Faults[0].Numbers(), len(r.Faults)-1)
	}
	return nil
}

func newestKeys(tx *store.Tx) ([]int64, error) {
	rows, err := tx.Query(`SELECT id FROM `+seal.Table+` WHERE wrapped IS NOT NULL ORDER BY id DESC LIMIT $1`, keysTried)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// note writes down how it went.
func (b *Backups) note(ctx context.Context, setting, name string, report *BackupReport, failure error) error {
	return b.o.DB.Write(ctx, func(tx *store.Tx) error {
		r, err := readResult(tx, setting)
		if err != nil {
			return err
		}
		now := b.o.Clock.Now()
		if failure != nil {
			r.Failed, r.Reason = now, failure.Error()
		} else {
			r.Good, r.Name, r.Folder, r.Rows = now, name, b.folder, report.Rows
		}
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		return tx.SetSetting(setting, string(text))
	})
}

func readResult(tx *store.Tx, setting string) (r backupResult, err error) {
	text, err := tx.Setting(setting)
	if err != nil || text == "" {
		return r, err
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return r, fmt.Errorf("app: setting %s: %w", setting, err)
	}
	return r, nil
}

// State is what the health page shows.
func (b *Backups) State(ctx context.Context) (health.BackupState, error) {
	s := health.BackupState{Enabled: b.cfg.Folder != "", Since: b.since, Verifying: b.cfg.Verify != verifyNever, KeyKept: b.cfg.NodeKey != ""}
	err := b.o.DB.Read(ctx, func(tx *store.Tx) error {
		made, err := readResult(tx, settingBackup)
		if err != nil {
			return err
		}
		tried, err := readResult(tx, settingVerify)
		if err != nil {
			return err
		}
		s.Good, s.Failed, s.Reason = made.Good, made.Failed, made.Reason
		s.Verified, s.Refuted, s.RefuteCause = tried.Good, tried.Failed, tried.Reason
		return nil
	})
	return s, err
}
