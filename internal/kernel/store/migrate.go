package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"
	"strings"

	"github.com/pressly/goose/v3"
)

// ErrNewer is returned by Migrate when the database was last used by a newer
// release, whose tables this one does not know.
var ErrNewer = errors.New("store: the database belongs to a newer release of the program")

// Migrate brings the tables of a module up to date. Each module has its own
// version table goose_<module>. The files are written once for both engines:
// for SQLite the types BYTEA and BIGINT become BLOB and INTEGER, and
// `) /*strict*/;` makes a table STRICT. Several instances may start at once.
func (d *DB) Migrate(ctx context.Context, module string, files fs.FS) error {
	if sub, err := fs.Sub(files, "migrations"); err == nil {
		if _, err := fs.Stat(files, "migrations"); err == nil {
			files = sub
		}
	}
	dialect := goose.DialectPostgres
	if d.engine == SQLite {
		dialect, files = goose.DialectSQLite3, sqliteFS{files}
	} else {
		conn, err := d.write.Conn(ctx)
		if err != nil {
			return fmt.Errorf("store: migrate %s: %w", module, err)
		}
		defer conn.Close()
		if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1, $2)`, lockClass, lockMigrate); err != nil {
			return fmt.Errorf("store: migrate %s: %w", module, err)
		}
		defer conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1, $2)`, lockClass, lockMigrate)
	}
	p, err := goose.NewProvider(dialect, d.write, files,
		goose.WithTableName("goose_"+module), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("store: migrate %s: %w", module, err)
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("store: migrate %s: %w", module, err)
	}
	if current > target {
		return fmt.Errorf("store: migrate %s: version %d, this release knows %d: %w", module, current, target, ErrNewer)
	}
	done, err := p.Up(ctx)
	if err != nil {
		return fmt.Errorf("store: migrate %s: %w", module, err)
	}
	for _, r := range done {
		d.log.Info("store: migrated", "module", module, "version", r.Source.Version, "took", r.Duration)
	}
	return nil
}

// sqliteFS rewrites the few words in which the engines differ.
type sqliteFS struct{ fs.FS }

var sqliteWords = strings.NewReplacer("BYTEA", "BLOB", "BIGINT", "INTEGER", "/*strict*/", "STRICT")

func (f sqliteFS) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".sql") {
		return file, err
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return &memFile{Reader: *bytes.NewReader([]byte(sqliteWords.Replace(string(text)))), info: info}, nil
}

func (f sqliteFS) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(f.FS, name) }

type memFile struct {
	bytes.Reader
	info fs.FileInfo
}

func (f *memFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *memFile) Close() error               { return nil }

// Tables lists the tables of the database, without the engines' and the
// migrations' own, by name.
func (d *DB) Tables(ctx context.Context) ([]string, error) {
	query := `SELECT name FROM sqlite_master WHERE type = 'table'`
	if d.engine == Postgres {
		query = `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'`
	}
	var names []string
	err := d.Read(ctx, func(tx *Tx) error {
		rows, err := tx.Query(query)
		if err != nil {
			return err
		}
		defer rows.Close()
		names = names[:0]
		for rows.Next() {
			var n string
			if err := rows.Scan(&n); err != nil {
				return err
			}
			if strings.HasPrefix(n, "goose_") || strings.HasPrefix(n, "sqlite_") {
				continue
			}
			names = append(names, n)
		}
		return rows.Err()
	})
	sort.Strings(names)
	return names, err
}
