package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/board"
	"trojmezi/internal/alert/channel"
	"trojmezi/internal/alert/feed/all"
	"trojmezi/internal/alert/intake"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/river"
	"trojmezi/internal/alert/subscription"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/agreement"
	"trojmezi/internal/exchange/classification"
	"trojmezi/internal/exchange/console"
	"trojmezi/internal/exchange/disclosure"
	"trojmezi/internal/exchange/gateway"
	"trojmezi/internal/exchange/link"
	"trojmezi/internal/exchange/phrase"
	"trojmezi/internal/exchange/unit"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/health"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// Opened is a node's database with what belongs to it, for serving and for the
// commands that work on it directly.
type Opened struct {
	DB    *store.DB
	Key   *seal.Node
	Ring  *seal.Ring
	Audit *audit.Log
	Clock *clock.Clock
	// Driven says that somebody moves the clock: a replay.
	Driven bool
}

// module is one part with tables of its own, in the order of migration.
var modules = []struct {
	name  string
	files func() fs.FS
}{
	{"seal", func() fs.FS { return seal.Migrations() }},
	{"audit", func() fs.FS { return audit.Migrations() }},
	{"job", func() fs.FS { return job.Migrations() }},
	{"identity", identity.Migrations},
	{"notify", notify.Migrations},
	{"health", health.Migrations},
	{"register", register.Migrations},
	{"exchange", func() fs.FS { return exchange.Migrations() }},
	{"console", console.Migrations},
	{"disclosure", disclosure.Migrations},
	{"link", link.Migrations},
	{"phrase", phrase.Migrations},
	{"classification", classification.Migrations},
	{"agreement", agreement.Migrations},
	{"unit", unit.Migrations},
	{"gateway", gateway.Migrations},
	{"area", area.Migrations},
	{"warning", warning.Migrations},
	{"river", river.Migrations},
	{"intake", intake.Migrations},
	{"notice", notice.Migrations},
	{"channel", channel.Migrations},
	{"subscription", subscription.Migrations},
	{"board", board.Migrations},
}

// settingKey remembers which node key a database belongs to.
const settingKey = "node.key"

// settingRestoring marks a database into which a restore is not complete.
const settingRestoring = "restoring"

// Open opens the database of a configuration and brings its tables up to date.
// The node key is made on the first start of an empty database only.
func Open(ctx context.Context, c *Config, log *slog.Logger) (*Opened, error) {
	clk := clock.System()
	db, err := store.Open(ctx, store.Config{Dir: c.DataDir(), URL: c.Database, Log: log, Clock: clk})
	if err != nil {
		return nil, explain(err)
	}
	o, err := open(ctx, c, db, clk, log)
	if err != nil {
		db.Close()
		return nil, explain(err)
	}
	return o, nil
}

func open(ctx context.Context, c *Config, db *store.DB, clk *clock.Clock, log *slog.Logger) (*Opened, error) {
	if err := MigrateAll(ctx, db); err != nil {
		return nil, err
	}
	var known, restoring string
	if err := db.Read(ctx, func(tx *store.Tx) (err error) {
		if restoring, err = tx.Setting(settingRestoring); err != nil {
			return err
		}
		known, err = tx.Setting(settingKey)
		return err
	}); err != nil {
		return nil, err
	}
	if restoring != "" {
		return nil, problem.New("app.Open", problem.Conflict, "app.restore.unfinished", nil)
	}
	load := seal.Load
	if known == "" {
		load = seal.LoadOrCreate
	}
	key, err := load(c.KeyFile())
	if err == nil && known != "" && key.Fingerprint() != known || errors.Is(err, seal.ErrNoKey) {
		return nil, problem.New("app.Open", problem.Conflict, "app.start.foreign_key", i18n.Args{"file": c.KeyFile()})
	}
	if err != nil {
		return nil, err
	}
	err = db.Write(ctx, func(tx *store.Tx) error {
		// Two instances may start at once: the first one's key counts.
		if known, err := tx.Setting(settingKey); err != nil || known == key.Fingerprint() {
			return err
		} else if known != "" {
			return problem.New("app.Open", problem.Conflict, "app.start.foreign_key", i18n.Args{"file": c.KeyFile()})
		}
		return tx.SetSetting(settingKey, key.Fingerprint())
	})
	if err != nil {
		return nil, err
	}
	return &Opened{DB: db, Key: key, Ring: seal.NewRing(key, clk), Audit: audit.New(db, key, clk, log), Clock: clk}, nil
}

// MigrateAll brings the tables of all modules up to date.
func MigrateAll(ctx context.Context, db *store.DB) error {
	for _, m := range modules {
		if err := db.Migrate(ctx, m.name, m.files()); err != nil {
			return err
		}
	}
	return nil
}

// explain turns what a person can act on into a text.
func explain(err error) error {
	if errors.Is(err, store.ErrNewer) {
		return &problem.Error{Op: "app.Open", Kind: problem.Conflict, Key: "app.start.newer", Err: err}
	}
	return err
}

// Files opens the store of files: a bucket if one is configured, else a folder
// beside the database.
func Files(ctx context.Context, c *Config, clk *clock.Clock) (files register.Blobs, closeFiles func() error, err error) {
	if b := c.Bucket; b.Endpoint != "" {
		secret, err := os.ReadFile(c.Path(b.SecretKeyFile))
		if err != nil {
			return nil, nil, fmt.Errorf("app: bucket: %w", err)
		}
		bucket, err := blob.OpenBucket(ctx, blob.BucketConfig{
			Endpoint: b.Endpoint, Bucket: b.Name, Prefix: b.Prefix, Region: b.Region,
			AccessKey: b.AccessKey, SecretKey: strings.TrimSpace(string(secret)), Plain: b.Plain,
		}, clk)
		if err != nil {
			return nil, nil, err
		}
		return bucket, func() error { return nil }, nil
	}
	dir, err := blob.OpenDir(filepath.Join(c.DataDir(), "blobs"), clk)
	if err != nil {
		return nil, nil, err
	}
	return dir, dir.Close, nil
}

// Feeds opens the feeds for the command line, beside a running node, which fetches.
func Feeds(c *Config, o *Opened, log *slog.Logger) *intake.Service {
	return intake.New(intake.Options{DB: o.DB, Audit: o.Audit, Clock: o.Clock, Log: log, Version: Version, Config: c.Feeds})
}

// Types opens the crosswalk of incident types, for the command line.
func Types(ctx context.Context, o *Opened) (*classification.Service, error) {
	return classification.New(ctx, classification.Options{DB: o.DB, Audit: o.Audit, Clock: o.Clock})
}

// Areas opens the register of areas with the operator's own rows, for the command line,
// beside a running node.
func Areas(ctx context.Context, c *Config, o *Opened, log *slog.Logger) (*area.Book, error) {
	places, err := register.Load()
	if err != nil {
		return nil, err
	}
	people, err := People(c, o, log)
	if err != nil {
		return nil, err
	}
	return area.Open(ctx, area.Options{DB: o.DB, Places: places, Audit: o.Audit, Clock: o.Clock, Log: log, Name: people.Name})
}

// Agreements opens the agreements for the command line, by the borders in use.
func Agreements(ctx context.Context, c *Config, o *Opened, log *slog.Logger) (*agreement.Book, error) {
	places, err := register.Load()
	if err != nil {
		return nil, err
	}
	files, closeFiles, err := Files(ctx, c, o.Clock)
	if err != nil {
		return nil, err
	}
	defer closeFiles()
	if err := register.NewImports(places, o.DB, files, o.Clock, log).Refresh(ctx); err != nil {
		return nil, err
	}
	people, err := People(c, o, log)
	if err != nil {
		return nil, err
	}
	book, err := agreement.New(agreement.Options{DB: o.DB, Places: places, Audit: o.Audit, Clock: o.Clock, Name: people.Name})
	if err != nil {
		return nil, err
	}
	return book, book.Ship(ctx)
}

// Warnings opens the official warnings for the command line, with the files of their
// documents.
func Warnings(ctx context.Context, c *Config, o *Opened, log *slog.Logger) (s *warning.Service, files register.Blobs, closeFiles func() error, err error) {
	files, closeFiles, err = Files(ctx, c, o.Clock)
	if err != nil {
		return nil, nil, nil, err
	}
	return warnings(c, o, log, nil, func() warning.Files { return files }), files, closeFiles, nil
}

func warnings(c *Config, o *Opened, log *slog.Logger, name func(*store.Tx, string) string, files func() warning.Files) *warning.Service {
	return warning.New(warning.Options{DB: o.DB, Audit: o.Audit, Clock: o.Clock, Log: log, Name: name, Files: files, Feeds: all.Feeds(), Limits: c.Feeds.Limits()})
}

// Imports opens what the operator gave the map, for the command line.
func Imports(ctx context.Context, c *Config, o *Opened, log *slog.Logger) (imports *register.Imports, closeFiles func() error, err error) {
	places, err := register.Load()
	if err != nil {
		return nil, nil, err
	}
	files, closeFiles, err := Files(ctx, c, o.Clock)
	if err != nil {
		return nil, nil, err
	}
	return register.NewImports(places, o.DB, files, o.Clock, log), closeFiles, nil
}
