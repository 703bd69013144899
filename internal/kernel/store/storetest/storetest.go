// Package storetest opens throw-away databases for the tests of every module:
// SQLite in the test's own folder, or a fresh PostgreSQL database when
// TROJMEZI_TEST_POSTGRES holds the address of a server. It is for tests only.
package storetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"trojmezi/internal/kernel/store"
)

// PostgresEnv names the variable with the address of a PostgreSQL server on
// which the tests may create databases.
const PostgresEnv = "TROJMEZI_TEST_POSTGRES"

// Tables are modules with their migrations, as Migrate takes them.
type Tables map[string]fs.FS

// Config returns the configuration of a fresh database that goes away with the test.
// It holds the tables of the modules, or none. They are made once for each set of modules
// and copied: on PostgreSQL that takes a tenth of the time of migrating.
func Config(t testing.TB, tables ...Tables) store.Config {
	t.Helper()
	m, err := prepared(tables)
	if err != nil {
		t.Fatal(err)
	}
	cfg := store.Config{Dir: t.TempDir()}
	if m.file != nil {
		if err := os.WriteFile(filepath.Join(cfg.Dir, store.FileName), m.file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	url, drop, err := CreateFrom(m.template)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := drop(); err != nil {
			t.Error(err)
		}
	})
	cfg.URL = url
	return cfg
}

// Open opens a fresh database with the tables of the modules that is closed and dropped
// with the test.
func Open(t testing.TB, tables ...Tables) *store.DB {
	t.Helper()
	db, err := store.Open(context.Background(), Config(t, tables...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// model is a migrated database that nobody has open: the file of SQLite, or the name of a
// database of the server.
type model struct {
	file     []byte
	template string
}

var models struct {
	sync.Mutex
	made map[string]model
}

func prepared(tables []Tables) (model, error) {
	if len(tables) == 0 {
		return model{}, nil
	}
	all := Tables{}
	for _, t := range tables {
		maps.Copy(all, t)
	}
	names := slices.Sorted(maps.Keys(all))
	key := strings.Join(names, " ")
	models.Lock()
	defer models.Unlock()
	if m, ok := models.made[key]; ok {
		return m, nil
	}
	migrate := func(cfg store.Config) error {
		ctx := context.Background()
		db, err := store.Open(ctx, cfg)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := db.Migrate(ctx, name, all[name]); err != nil {
				return errors.Join(err, db.Close())
			}
		}
		return db.Close()
	}
	var made model
	var err error
	if os.Getenv(PostgresEnv) != "" {
		made.template, err = Template(func(address string) error { return migrate(store.Config{URL: address}) })
	} else {
		made.file, err = file(migrate)
	}
	if err != nil {
		return model{}, err
	}
	if models.made == nil {
		models.made = map[string]model{}
	}
	models.made[key] = made
	return made, nil
}

func file(migrate func(store.Config) error) ([]byte, error) {
	dir, err := os.MkdirTemp("", "storetest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := migrate(store.Config{Dir: dir}); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, store.FileName))
}

// Template has fill make the tables of a database, which CreateFrom then copies, and
// returns its name: "" where there is no server, and fill is not called. Nothing may have
// the database open when fill returns. It stays until a template is made a day later,
// since a process of tests has no end of its own.
func Template(fill func(address string) error) (name string, err error) {
	server := os.Getenv(PostgresEnv)
	if server == "" {
		return "", nil
	}
	address, drop, err := createAs(fmt.Sprintf("%s%d_%s", templates, time.Now().Unix(), random()), "")
	if err != nil {
		return "", err
	}
	if err := fill(address); err != nil {
		return "", errors.Join(err, drop())
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(u.Path, "/"), forget(server)
}

// templates begins the names of templates; the time of making in Unix seconds follows.
const templates = "template_"

// forget drops the templates of runs that must have ended.
func forget(server string) error {
	return administer(server, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, `SELECT datname FROM pg_database WHERE datname LIKE 'template\_%'`)
		if err != nil {
			return err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, name := range names {
			made, _, _ := strings.Cut(strings.TrimPrefix(name, templates), "_")
			if at, err := strconv.ParseInt(made, 10, 64); err != nil || time.Since(time.Unix(at, 0)) < 24*time.Hour {
				continue
			}
			if _, err := c.Exec(ctx, `DROP DATABASE IF EXISTS `+name); err != nil {
				return err
			}
		}
		return nil
	})
}

// Create makes a fresh, empty database on the server PostgresEnv names, for
// processes that outlive a test, and returns its address and what drops it, open
// connections or not. Without a server the address is "", which stands for
// SQLite, and drop does nothing.
func Create() (address string, drop func() error, err error) { return CreateFrom("") }

// CreateFrom is Create with the tables of a Template.
func CreateFrom(template string) (address string, drop func() error, err error) {
	return createAs("t_"+random(), template)
}

func createAs(name, template string) (address string, drop func() error, err error) {
	server := os.Getenv(PostgresEnv)
	if server == "" {
		return "", func() error { return nil }, nil
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", PostgresEnv, err)
	}
	// Copying files costs a third of copying through the log, which is the default.
	statement := `CREATE DATABASE ` + name + ` STRATEGY file_copy`
	if template != "" {
		statement += ` TEMPLATE ` + template
	}
	if err := do(server, statement); err != nil {
		return "", nil, fmt.Errorf("%s: create database: %w", PostgresEnv, err)
	}
	u.Path = "/" + name
	return u.String(), func() error {
		if err := do(server, `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			return fmt.Errorf("%s: drop database: %w", PostgresEnv, err)
		}
		return nil
	}, nil
}

func random() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// administration is the one connection a process has to the server itself: a server starts
// a process for each, which costs more than most statements. It has no goroutine, so
// that tests which look for those left over find none.
var administration struct {
	sync.Mutex
	conn *pgx.Conn
}

func administer(server string, f func(ctx context.Context, c *pgx.Conn) error) error {
	administration.Lock()
	defer administration.Unlock()
	ctx := context.Background()
	if c := administration.conn; c == nil || c.IsClosed() {
		var err error
		if administration.conn, err = pgx.Connect(ctx, server); err != nil {
			return err
		}
	}
	return f(ctx, administration.conn)
}

func do(server, statement string) error {
	return administer(server, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, statement)
		return err
	})
}
