// Package storetest opens throw-away databases for the tests of every module:
// SQLite in the test's own folder, or a fresh PostgreSQL database when
// TROJMEZI_TEST_POSTGRES holds the address of a server. It is for tests only.
package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
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
	cfg := store.Config{Dir: t.TempDir()}
	if server := os.Getenv(PostgresEnv); server != "" {
		cfg.URL = createDatabase(t, server)
	}
	return cfg
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

func createDatabase(t testing.TB, server string) string {
	t.Helper()
	var b [8]byte
	rand.Read(b[:])
	name := "t_" + hex.EncodeToString(b[:])
	admin, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec(`CREATE DATABASE ` + name); err != nil {
		admin.Close()
		t.Fatalf("%s: create database: %v", PostgresEnv, err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec(`DROP DATABASE ` + name + ` WITH (FORCE)`); err != nil {
			t.Errorf("drop database: %v", err)
		}
		admin.Close()
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}
