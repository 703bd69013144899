package intake

import (
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"time"

	"trojmezi/internal/kernel/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations returns the tables of this package, for store.DB.Migrate.
func Migrations() fs.FS { return migrations }

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// row is what is remembered of a source.
type row struct {
	kind                                               store.Kind
	on                                                 bool
	switchedAt                                         time.Time
	switchedBy, reason                                 string
	nextAt, askedAt, answeredAt, changedAt, issuedAt   time.Time
	failures                                           int64
	failedAt                                           time.Time
	diagnosis                                          *Diagnosis
	document                                           int64
	address                                            string
	entries, quiet, noData, parts, missing, deviations int64
	incomplete                                         *Diagnosis
	listed                                             []Deviation
	skew                                               time.Duration
}

const rowColumns = `kind, switched_on, switched_at, switched_by, reason, next_at, asked_at, answered_at, changed_at, issued_at, failures, failed_at,
	diagnosis, document, address, entries, quiet, no_data, parts, missing, incomplete, deviations, listed, skew`

// readRow is the row of a source; the zero one when there is none.
func readRow(tx *store.Tx, source string) (r row, err error) {
	var on, switched, next, asked, answered, changed, issued, failed, skew int64
	var diagnosis, incomplete, listed string
	err = tx.Row(`SELECT `+rowColumns+` FROM intake_source WHERE source = $1`, source).Scan(&r.kind, &on, &switched, &r.switchedBy, &r.reason, &next, &asked, &answered,
		&changed, &issued, &r.failures, &failed, &diagnosis, &r.document, &r.address, &r.entries, &r.quiet, &r.noData, &r.parts, &r.missing, &incomplete, &r.deviations, &listed, &skew)
	if errors.Is(err, store.ErrNoRows) {
		return row{kind: store.Live}, nil
	}
	if err != nil {
		return r, err
	}
	r.on, r.switchedAt, r.nextAt, r.askedAt, r.answeredAt = on == 1, moment(switched), moment(next), moment(asked), moment(answered)
	r.changedAt, r.issuedAt, r.failedAt, r.skew = moment(changed), moment(issued), moment(failed), time.Duration(skew)*time.Millisecond
	for _, d := range []struct {
		text string
		into **Diagnosis
	}{{diagnosis, &r.diagnosis}, {incomplete, &r.incomplete}} {
		if d.text == "" {
			continue
		}
		v := &Diagnosis{}
		if err := decodeArgs([]byte(d.text), v); err != nil {
			return r, err
		}
		v.Args = whole(v.Args)
		*d.into = v
	}
	if listed != "" {
		if err := decodeArgs([]byte(listed), &r.listed); err != nil {
			return r, err
		}
		for i := range r.listed {
			r.listed[i].Args = whole(r.listed[i].Args)
		}
	}
	return r, nil
}

func writeRow(tx *store.Tx, source string, r row) error {
	encode := func(v any, empty bool) (string, error) {
		if empty {
			return "", nil
		}
		b, err := json.Marshal(v)
		return string(b), err
	}
	diagnosis, err1 := encode(r.diagnosis, r.diagnosis == nil)
	incomplete, err2 := encode(r.incomplete, r.incomplete == nil)
	listed, err3 := encode(r.listed, len(r.listed) == 0)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	on := 0
	if r.on {
		on = 1
	}
	_, err := tx.Exec(`INSERT INTO intake_source (source, `+rowColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)
		ON CONFLICT (source) DO UPDATE SET kind = $2, switched_on = $3, switched_at = $4, switched_by = $5, reason = $6, next_at = $7, asked_at = $8, answered_at = $9,
			changed_at = $10, issued_at = $11, failures = $12, failed_at = $13, diagnosis = $14, document = $15, address = $16, entries = $17, quiet = $18, no_data = $19,
			parts = $20, missing = $21, incomplete = $22, deviations = $23, listed = $24, skew = $25`,
		source, r.kind, on, millis(r.switchedAt), r.switchedBy, r.reason, millis(r.nextAt), millis(r.askedAt), millis(r.answeredAt), millis(r.changedAt), millis(r.issuedAt),
		r.failures, millis(r.failedAt), diagnosis, r.document, r.address, r.entries, r.quiet, r.noData, r.parts, r.missing, incomplete, r.deviations, listed, r.skew.Milliseconds())
	return err
}

func readResources(tx *store.Tx, source string) (map[string]resource, error) {
	rows, err := tx.Query(`SELECT address, etag, modified, digest, refused, bad, version, document FROM intake_resource WHERE source = $1`, source)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]resource{}
	for rows.Next() {
		var r resource
		if err := rows.Scan(&r.address, &r.etag, &r.modified, &r.digest, &r.refused, &r.bad, &r.version, &r.document); err != nil {
			return nil, err
		}
		all[r.address] = r
	}
	return all, rows.Err()
}

func writeResource(tx *store.Tx, source string, r resource, now time.Time) error {
	_, err := tx.Exec(`INSERT INTO intake_resource (source, address, etag, modified, digest, refused, bad, version, document, used_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (source, address) DO UPDATE SET etag = $3, modified = $4, digest = $5, refused = $6, bad = $7, version = $8, document = $9, used_at = $10`,
		source, r.address, r.etag, r.modified, r.digest, r.refused, r.bad, r.version, r.document, now.UnixMilli())
	return err
}

// dropResources forgets addresses of a source whose documents nothing leads to any more.
func dropResources(tx *store.Tx, source string, used map[int64]bool, held map[string]resource, before time.Time) error {
	for address, r := range held {
		if used[r.document] || r.document == 0 {
			continue
		}
		if _, err := tx.Exec(`DELETE FROM intake_resource WHERE source = $1 AND address = $2 AND used_at < $3`, source, address, before.UnixMilli()); err != nil {
			return err
		}
	}
	return nil
}

// Original is a document as it came.
type Original struct {
	ID        int64
	Source    string
	Kind      store.Kind
	FetchedAt time.Time
	Address   string
	Status    int64
	Headers   map[string]string
	Blob      string
	Size      int64
	Digest    string
}

func insertOriginal(tx *store.Tx, o Original, until time.Time) (id int64, err error) {
	headers, err := json.Marshal(o.Headers)
	if err != nil {
		return 0, err
	}
	err = tx.Row(`INSERT INTO intake_document (id, source, kind, fetched_at, address, status, headers, ref, size, digest, until)
		VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM intake_document), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id`,
		o.Source, o.Kind, millis(o.FetchedAt), o.Address, o.Status, string(headers), o.Blob, o.Size, o.Digest, millis(until)).Scan(&id)
	return id, err
}

const originalColumns = `id, source, kind, fetched_at, address, status, headers, ref, size, digest`

type scanner interface{ Scan(...any) error }

func scanOriginal(s scanner) (o Original, err error) {
	var at int64
	var headers string
	if err = s.Scan(&o.ID, &o.Source, &o.Kind, &at, &o.Address, &o.Status, &headers, &o.Blob, &o.Size, &o.Digest); err != nil {
		return o, err
	}
	o.FetchedAt = moment(at)
	return o, json.Unmarshal([]byte(headers), &o.Headers)
}

func readOriginal(tx *store.Tx, id int64) (Original, error) {
	return scanOriginal(tx.Row(`SELECT `+originalColumns+` FROM intake_document WHERE id = $1`, id))
}

// latestOriginals are the last ones of a source.
func latestOriginals(tx *store.Tx, source string, limit int) ([]Original, error) {
	return originals(tx, `SELECT `+originalColumns+` FROM intake_document WHERE source = $1 ORDER BY id DESC LIMIT $2`, source, limit)
}

// recordedOriginals are those of a period, and of each address the last one before it.
func recordedOriginals(tx *store.Tx, from, to time.Time) ([]Original, error) {
	return originals(tx, `SELECT `+originalColumns+` FROM intake_document d WHERE fetched_at < $2 AND (fetched_at >= $1
		OR id = (SELECT MAX(id) FROM intake_document e WHERE e.source = d.source AND e.address = d.address AND e.fetched_at < $1)) ORDER BY fetched_at, id`,
		from.UnixMilli(), to.UnixMilli())
}

// dueOriginals are those whose time is over and that nothing uses.
func dueOriginals(tx *store.Tx, now time.Time, limit int) ([]Original, error) {
	return originals(tx, `SELECT `+originalColumns+` FROM intake_document WHERE until < $1
		AND NOT EXISTS (SELECT 1 FROM intake_resource r WHERE r.document = intake_document.id OR r.bad = intake_document.id)
		AND NOT EXISTS (SELECT 1 FROM intake_source s WHERE s.document = intake_document.id) ORDER BY id LIMIT $2`, now.UnixMilli(), limit)
}

func originals(tx *store.Tx, query string, args ...any) ([]Original, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Original
	for rows.Next() {
		o, err := scanOriginal(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, rows.Err()
}

// deleteOriginal removes a row; alone says that no other has the same bytes.
func deleteOriginal(tx *store.Tx, o Original) (alone bool, err error) {
	if _, err := tx.Exec(`DELETE FROM intake_document WHERE id = $1`, o.ID); err != nil {
		return false, err
	}
	var n int64
	err = tx.Row(`SELECT COUNT(*) FROM intake_document WHERE ref = $1`, o.Blob).Scan(&n)
	return n == 0, err
}
