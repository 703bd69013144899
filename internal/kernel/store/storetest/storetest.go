// Package storetest opens throw-away databases for the tests of every module:
// SQLite in the test's own folder, or a fresh PostgreSQL database when
// TROJMEZI_TEST_POSTGRES holds the address of a server. It is for tests only.
package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver named "pgx"

	"trojmezi/internal/kernel/store"
)

// PostgresEnv names the variable with the address of a PostgreSQL server on
// which the tests may create databases.
const PostgresEnv = "TROJMEZI_TEST_POSTGRES"

// Config returns the configuration of a fresh, empty database that goes away
// with the test.
func Config(t testing.TB) store.Config {
	t.Helper()
	url, drop, err := Create()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := drop(); err != nil {
			t.Error(err)
		}
	})
	return store.Config{Dir: t.TempDir(), URL: url}
}

// Open opens a fresh database that is closed and dropped with the test.
func Open(t testing.TB) *store.DB {
	t.Helper()
	db, err := store.Open(context.Background(), Config(t))
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

// Create makes a fresh, empty database on the server PostgresEnv names, for
// processes that outlive a test, and returns its address and what drops it, open
// connections or not. Without a server the address is "", which stands for
// SQLite, and drop does nothing.
func Create() (address string, drop func() error, err error) {
	server := os.Getenv(PostgresEnv)
	if server == "" {
		return "", func() error { return nil }, nil
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", PostgresEnv, err)
	}
	var b [8]byte
	rand.Read(b[:])
	name := "t_" + hex.EncodeToString(b[:])
	if err := do(server, `CREATE DATABASE `+name); err != nil {
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

// do holds no connection between two statements: the server has few, and a test
// may have many databases.
func do(server, statement string) error {
	admin, err := sql.Open("pgx", server)
	if err != nil {
		return err
	}
	defer admin.Close()
	_, err = admin.Exec(statement)
	return err
}
