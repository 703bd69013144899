package link

import (
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/kernel/store"
)

// Event is one step that a person took.
type Event struct {
	At     time.Time
	Person string // name
	Action string // also the end of its text's key
	Object string
}

func addEvent(tx *store.Tx, link string, at time.Time, person, action, object string) error {
	_, err := tx.Exec(`INSERT INTO link_event (link, seq, at, person, action, object)
		VALUES ($1, (SELECT COALESCE(MAX(seq), 0) + 1 FROM link_event WHERE link = $1), $2, $3, $4, $5)`,
		link, at.UnixMilli(), person, action, object)
	return err
}

// events are the newest first.
func (s *Service) events(tx *store.Tx, link string) ([]Event, error) {
	rows, err := tx.Query(`SELECT at, person, action, object FROM link_event WHERE link = $1 ORDER BY seq DESC`, link)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Event
	for rows.Next() {
		var e Event
		var at int64
		if err := rows.Scan(&at, &e.Person, &e.Action, &e.Object); err != nil {
			return nil, err
		}
		e.At = time.UnixMilli(at).UTC()
		out = append(out, e)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for i := range out {
		out[i].Person = s.o.Name(tx, out[i].Person)
	}
	return out, nil
}

func putChecks(tx *store.Tx, link string, at time.Time, checks []exchange.LinkCheck) error {
	if _, err := tx.Exec(`DELETE FROM link_check WHERE link = $1`, link); err != nil {
		return err
	}
	for i, c := range checks {
		when := at
		if !c.At.IsZero() {
			when = c.At
		}
		if _, err := tx.Exec(`INSERT INTO link_check (link, seq, at, step, cause, detail) VALUES ($1, $2, $3, $4, $5, $6)`,
			link, i+1, when.UnixMilli(), string(c.Step), c.Cause, c.Detail); err != nil {
			return err
		}
	}
	return nil
}

func checks(tx *store.Tx, link string) ([]exchange.LinkCheck, error) {
	rows, err := tx.Query(`SELECT at, step, cause, detail FROM link_check WHERE link = $1 ORDER BY seq`, link)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []exchange.LinkCheck
	for rows.Next() {
		var c exchange.LinkCheck
		var at int64
		if err := rows.Scan(&at, &c.Step, &c.Cause, &c.Detail); err != nil {
			return nil, err
		}
		c.At = time.UnixMilli(at).UTC()
		out = append(out, c)
	}
	return out, rows.Err()
}
