package console

import (
	"strconv"

	"trojmezi/internal/kernel/store"
)

// IncidentOf finds the incident of an organisation that the object of a leaf of the
// audit log stands for: the incident itself, one of its messages by number or id, or
// an alarm about it. It returns "" when there is none.
func IncidentOf(tx *store.Tx, org, object string) (incident string, err error) {
	entry, err := strconv.ParseInt(object, 10, 64)
	if err != nil {
		entry = 0
	}
	err = tx.Row(`SELECT COALESCE(MAX(incident), '') FROM (
			SELECT id AS incident FROM console_incident WHERE org = $1 AND id = $2
			UNION SELECT incident FROM console_message WHERE org = $1 AND entry = $3
			UNION SELECT incident FROM console_message WHERE org = $1 AND message_id = $2
			UNION SELECT incident FROM console_alarm WHERE org = $1 AND id = $2) found
		WHERE EXISTS (SELECT 1 FROM console_incident i WHERE i.org = $1 AND i.id = found.incident)`, org, object, entry).Scan(&incident)
	return incident, err
}

// maxTraces bounds what one incident is looked up by.
const maxTraces = 1000

// TracesOf lists the objects under which the audit log has what was done with an
// incident of an organisation: see IncidentOf.
func TracesOf(tx *store.Tx, org, incident string) ([]string, error) {
	rows, err := tx.Query(`SELECT CAST(entry AS TEXT) FROM console_message WHERE org = $1 AND incident = $2
		UNION SELECT message_id FROM console_message WHERE org = $1 AND incident = $2 AND message_id <> ''
		UNION SELECT id FROM console_alarm WHERE org = $1 AND incident = $2
		LIMIT $3`, org, incident, maxTraces)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var object string
		if err := rows.Scan(&object); err != nil {
			return nil, err
		}
		all = append(all, object)
	}
	return all, rows.Err()
}
