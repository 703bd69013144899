package agreement

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/store"
)

// Version is one state of a row.
type Version struct {
	Row    Row
	Number int
	At     time.Time
	Person string // id; byShipped or byOperator
	Step   string
}

// Authors of versions that are no persons of the node.
const (
	byShipped  = "shipped"
	byOperator = "operator"
)

// Steps that make versions, and the ends of their audit entries' names.
const (
	actShip   = "ship"
	actEdit   = "edit"
	actImport = "import"
	actVerify = "verify"
	actRemove = "remove"
)

// putVersion writes a version; it is false when there is one of that number already.
func putVersion(tx *store.Tx, v Version) (written bool, err error) {
	content, err := json.Marshal(v.Row)
	if err != nil {
		return false, err
	}
	n, err := tx.Exec(`INSERT INTO agreement_version (id, version, at, person, action, content) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		v.Row.ID, int64(v.Number), v.At.UnixMilli(), v.Person, v.Step, string(content))
	return n == 1, err
}

const selectVersions = `SELECT version, at, person, action, content FROM agreement_version `

// latest is the last version of every row, removed ones too, by id.
func latest(tx *store.Tx) ([]Version, error) {
	return versions(tx, selectVersions+`v WHERE version = (SELECT MAX(version) FROM agreement_version WHERE id = v.id) ORDER BY id`)
}

// history is every version of a row, the newest first.
func history(tx *store.Tx, id string) ([]Version, error) {
	return versions(tx, selectVersions+`WHERE id = $1 ORDER BY version DESC`, id)
}

func versions(tx *store.Tx, query string, args ...any) (all []Version, err error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var v Version
		var at int64
		var content string
		if err := rows.Scan(&v.Number, &at, &v.Person, &v.Step, &content); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(content), &v.Row); err != nil {
			return nil, err
		}
		v.At = time.UnixMilli(at).UTC()
		all = append(all, v)
	}
	return all, rows.Err()
}

// Original is a form that somebody attached in place of our layout.
type Original struct {
	Form, Name, Kind string
	Blob             blob.Ref
	Bytes            int64
	At               time.Time
	Person           string
}

func originals(tx *store.Tx) (all []Original, err error) {
	rows, err := tx.Query(`SELECT form, name, kind, content, bytes, at, person FROM agreement_form ORDER BY form`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var o Original
		var content string
		var at int64
		if err := rows.Scan(&o.Form, &o.Name, &o.Kind, &content, &o.Bytes, &at, &o.Person); err != nil {
			return nil, err
		}
		if o.Blob, err = blob.ParseRef(content); err != nil {
			return nil, err
		}
		o.At = time.UnixMilli(at).UTC()
		all = append(all, o)
	}
	return all, rows.Err()
}

func original(tx *store.Tx, form string) (Original, error) {
	all, err := originals(tx)
	if err != nil {
		return Original{}, err
	}
	for _, o := range all {
		if o.Form == form {
			return o, nil
		}
	}
	return Original{}, sql.ErrNoRows
}

func putOriginal(tx *store.Tx, o Original) error {
	_, err := tx.Exec(`INSERT INTO agreement_form (form, name, kind, content, bytes, at, person) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (form) DO UPDATE SET name = excluded.name, kind = excluded.kind, content = excluded.content, bytes = excluded.bytes, at = excluded.at, person = excluded.person`,
		o.Form, o.Name, o.Kind, o.Blob.String(), o.Bytes, o.At.UnixMilli(), o.Person)
	return err
}

func dropOriginal(tx *store.Tx, form string) error {
	_, err := tx.Exec(`DELETE FROM agreement_form WHERE form = $1`, form)
	return err
}

// Referenced lists the files that attached forms need, each once: what a backup has
// to hold beside the database.
func Referenced(tx *store.Tx) (refs []blob.Ref, err error) {
	all, err := originals(tx)
	seen := map[blob.Ref]bool{}
	for _, o := range all {
		if !seen[o.Blob] {
			seen[o.Blob] = true
			refs = append(refs, o.Blob)
		}
	}
	return refs, err
}

// stamp changes with every version of a row and every attached form.
func stamp(tx *store.Tx) (string, error) {
	var versions, forms, at int64
	err := tx.Row(`SELECT (SELECT COUNT(*) FROM agreement_version), (SELECT COUNT(*) FROM agreement_form), (SELECT COALESCE(MAX(at), 0) FROM agreement_form)`).Scan(&versions, &forms, &at)
	return fmt.Sprint(versions, forms, at), err
}

func none(err error) bool { return errors.Is(err, sql.ErrNoRows) }
