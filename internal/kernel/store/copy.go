package store

import (
	"context"
	"fmt"
	"strings"
)

// copyBatch is how many rows are copied in one transaction of the target.
const copyBatch = 2_000

// Copy copies every table for which want is true from one consistent snapshot
// of d into to, whose tables must exist (same migrations) and be empty. progress
// is called after each batch. The engines of the two may differ: this is how a
// node is backed up, restored, and moved from SQLite to PostgreSQL.
func (d *DB) Copy(ctx context.Context, to *DB, want func(table string) bool, progress func(table string, rows int64)) error {
	tables, err := d.Tables(ctx)
	if err != nil {
		return err
	}
	return d.Read(ctx, func(src *Tx) error {
		for _, table := range tables {
			if !want(table) {
				continue
			}
			if err := copyTable(ctx, src, to, table, progress); err != nil {
				return fmt.Errorf("store: copy %s: %w", table, err)
			}
		}
		return nil
	})
}

func copyTable(ctx context.Context, src *Tx, to *DB, table string, progress func(string, int64)) error {
	rows, err := src.Query(`SELECT * FROM "` + table + `"`)
	if err != nil {
		return err
	}
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		return err
	}
	marks := make([]string, len(cols))
	for i := range marks {
		marks[i] = fmt.Sprintf("$%d", i+1)
	}
	insert := fmt.Sprintf(`INSERT INTO "%s" ("%s") VALUES (%s)`, table, strings.Join(cols, `", "`), strings.Join(marks, ", "))
	var total int64
	for {
		var batch [][]any
		for len(batch) < copyBatch && rows.Next() {
			row := make([]any, len(cols))
			ptrs := make([]any, len(cols))
			for i := range row {
				ptrs[i] = &row[i]
			}
			if err := rows.Scan(ptrs...); err != nil {
				return err
			}
			for i, v := range row {
				// SQLite's driver gives an empty BLOB as a nil slice, which it would
				// write back as NULL; NULL itself comes as a plain nil.
				if b, ok := v.([]byte); ok && b == nil {
					row[i] = []byte{}
				}
			}
			batch = append(batch, row)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if len(batch) == 0 {
			return nil
		}
		err := to.Write(ctx, func(tx *Tx) error {
			for _, row := range batch {
				if _, err := tx.Exec(insert, row...); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		total += int64(len(batch))
		if progress != nil {
			progress(table, total)
		}
	}
}

// Count returns the number of rows in all tables.
func (d *DB) Count(ctx context.Context) (n int64, err error) {
	tables, err := d.Tables(ctx)
	if err != nil {
		return 0, err
	}
	err = d.Read(ctx, func(tx *Tx) error {
		for _, t := range tables {
			var k int64
			if err := tx.Row(`SELECT COUNT(*) FROM "` + t + `"`).Scan(&k); err != nil {
				return err
			}
			n += k
		}
		return nil
	})
	return n, err
}
