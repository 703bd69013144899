package area

import (
	"encoding/json"
	"time"

	"trojmezi/internal/kernel/store"
)

// Version is what somebody did to the row of a code.
type Version struct {
	Key
	Number int
	At     time.Time
	Person string // id; operator
	Step   string // actImport or actUndo
	// Holds is the version that counts from then on, Held the one that counted before; 0 is
	// what is shipped.
	Holds, Held int
	Reason      string
	Row         []string // in Columns; nil of an undo
}

// operator stands for who works at the command line.
const operator = "operator"

// What makes versions; the ends of the names of audit entries.
const (
	actImport = "import"
	actUndo   = "undo"
)

// readVersions are all versions, those of a code one after another.
func readVersions(tx *store.Tx) (all []Version, err error) {
	rows, err := tx.Query(`SELECT scheme, code, version, at, person, action, holds, held, reason, content FROM area_own ORDER BY scheme, code, version`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var v Version
		var at int64
		var content string
		if err := rows.Scan(&v.Scheme, &v.Code, &v.Number, &at, &v.Person, &v.Step, &v.Holds, &v.Held, &v.Reason, &content); err != nil {
			return nil, err
		}
		v.At = time.UnixMilli(at).UTC()
		if content != "" {
			if err := json.Unmarshal([]byte(content), &v.Row); err != nil {
				return nil, err
			}
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// putVersion adds one; it is false where there is one of that number already.
func putVersion(tx *store.Tx, v Version, content string) (bool, error) {
	n, err := tx.Exec(`INSERT INTO area_own (scheme, code, version, at, person, action, holds, held, reason, content) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
		v.Scheme, v.Code, int64(v.Number), v.At.UnixMilli(), v.Person, v.Step, int64(v.Holds), int64(v.Held), v.Reason, content)
	return n == 1, err
}
