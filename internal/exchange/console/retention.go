package console

import (
	"context"
	"errors"
	"strconv"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Record is a kind of record with a time of its own to be kept.
type Record string

// The kinds of records. The first three are messages, with all that people wrote
// about their incident; the kinds never share a setting.
const (
	RecordLive     Record = "live"
	RecordExercise Record = "exercise"
	RecordTest     Record = "test"
	RecordShift    Record = "shift" // notes of shifts, and alarms that nobody has to see
	RecordDraft    Record = "draft" // hand-overs that were never sent
)

// Records lists them in the order shown.
var Records = []Record{RecordLive, RecordExercise, RecordTest, RecordShift, RecordDraft}

const day = 24 * time.Hour

const (
	// MinRetention and MaxRetention bound each setting, in days: a shift must be
	// able to read what the one before did; ten years is the longest a file on an
	// operation is kept in any of the three countries.
	MinRetention = 1
	MaxRetention = 3653
	// defaultShift is as long as the messages the notes speak of are kept.
	defaultShift = 90 * day
	// defaultDraft outlasts a week off; what is not sent by then never is.
	defaultDraft = 7 * day
)

// Retention is how long a kind of record is kept. It holds for the whole node:
// one key seals what several of its control rooms know of an incident.
type Retention struct {
	Record Record
	Days   int // after the end of the record: its last message, the shift, the last saving
}

// message is the kind of message r is about, "" for none.
func (r Record) message() store.Kind {
	if k := store.Kind(r); k.Valid() {
		return k
	}
	return ""
}

func (r Record) setting() string { return "console.retention." + string(r) }

func (s *Service) retention(tx *store.Tx, r Record) (time.Duration, error) {
	if k := r.message(); k != "" {
		return s.Node.Retention(tx, k)
	}
	v, err := tx.Setting(r.setting())
	if err != nil {
		return 0, err
	}
	if v == "" {
		if r == RecordShift {
			return defaultShift, nil
		}
		return defaultDraft, nil
	}
	n, err := strconv.Atoi(v)
	return time.Duration(max(n, MinRetention)) * day, err
}

// Retentions lists how long each kind of record is kept.
func (s *Service) Retentions(ctx context.Context) ([]Retention, error) {
	var out []Retention
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		out = nil
		for _, r := range Records {
			d, err := s.retention(tx, r)
			if err != nil {
				return err
			}
			out = append(out, Retention{r, int(d / day)})
		}
		return nil
	})
	return out, problem.Wrap("console.Retentions", err)
}

// SetRetention changes it. A shorter time deletes in the next night.
func (s *Service) SetRetention(ctx context.Context, who Actor, r Retention) error {
	const op = "console.SetRetention"
	return s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		if r.Days < MinRetention || r.Days > MaxRetention {
			return problem.New(op, problem.Invalid, "console.d.refuse.retention", i18n.Args{"min": MinRetention, "max": MaxRetention})
		}
		var err error
		switch k := r.Record.message(); {
		case k != "":
			err = s.Node.SetRetention(tx, k, time.Duration(r.Days)*day)
		case r.Record == RecordShift, r.Record == RecordDraft:
			err = tx.SetSetting(r.Record.setting(), strconv.Itoa(r.Days))
		default:
			err = problem.New(op, problem.Invalid, "console.d.refuse.record", nil)
		}
		if err != nil {
			return err
		}
		return s.Audit.Append(tx, audit.Event{Action: "console.retention", Actor: who.Person, Object: string(r.Record), Detail: []byte(strconv.Itoa(r.Days))})
	})
}

const (
	// QueueErase is the job queue of the daily deletion.
	QueueErase = "console.erase"
	// eraseAt is after the node's own deletion, which destroys the keys of messages.
	eraseAt = "03:50"
	// erasePage bounds one transaction of it.
	erasePage = 200
)

var errClockWrong = errors.New("console: the node's clock is wrong: nothing is deleted until it is right")

// Schedule registers the module's background work.
func (s *Service) Schedule(ctx context.Context, jobs *job.Queue) error {
	return jobs.Daily(ctx, QueueErase, eraseAt, store.Live, s.Erase)
}

// Erase deletes what is due: the keys of drafts, of notes of shifts and of months
// in which nothing is left to be found, and of incidents whose key the node has
// destroyed all that the console knows in plain beside times, states, keywords
// and addresses. Such an incident waits for nobody any more. As in the node, two
// nights have to agree on the date.
func (s *Service) Erase(ctx context.Context, _ job.Job) error {
	if s.ClockWrong != nil {
		if wrong, err := s.ClockWrong(ctx); err != nil {
			return err
		} else if wrong {
			return errClockWrong
		}
	}
	var now time.Time
	err := s.DB.Write(ctx, func(tx *store.Tx) (err error) { now, err = job.Agreed(tx, QueueErase, s.Clock.Now()); return err })
	if err != nil {
		return err
	}
	parts := []func(*store.Tx, time.Time) (int, error){s.eraseDrafts, s.eraseShifts, s.eraseAlarms, s.eraseMonths}
	if now.IsZero() {
		parts = nil // what the node has destroyed is taken from the console all the same
	}
	for _, part := range parts {
		for {
			n := 0
			err := s.DB.Write(ctx, func(tx *store.Tx) (err error) { n, err = part(tx, now); return err })
			if err != nil {
				return err
			}
			if n < erasePage {
				break
			}
			if err := pause(ctx); err != nil {
				return err
			}
		}
	}
	// Also those that are not set up any more.
	var orgs []string
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		orgs = nil
		return each(tx, `SELECT DISTINCT org FROM console_incident ORDER BY org`, nil, func(r *store.Rows) error {
			var org string
			err := r.Scan(&org)
			orgs = append(orgs, org)
			return err
		})
	})
	if err != nil {
		return err
	}
	for _, org := range orgs {
		if err := s.eraseIncidents(ctx, org); err != nil {
			return err
		}
	}
	return nil
}

// pause lets the others through to the writer.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Millisecond):
		return nil
	}
}

// dueBefore is when records of a kind must have ended to be deleted now.
func (s *Service) dueBefore(tx *store.Tx, r Record, now time.Time) (int64, error) {
	d, err := s.retention(tx, r)
	return millis(now.Add(-d)), err
}

// keyed is a row with the key of its content.
type keyed struct {
	id  string
	key int64
}

func scanKeyed(tx *store.Tx, query string, args ...any) ([]keyed, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []keyed
	for rows.Next() {
		var k keyed
		if err := rows.Scan(&k.id, &k.key); err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, rows.Err()
}

func (s *Service) eraseDrafts(tx *store.Tx, now time.Time) (int, error) {
	before, err := s.dueBefore(tx, RecordDraft, now)
	if err != nil {
		return 0, err
	}
	list, err := scanKeyed(tx, `SELECT id, key_id FROM console_draft WHERE updated_at < $1 ORDER BY id LIMIT $2`, before, erasePage)
	if err != nil {
		return 0, err
	}
	for _, d := range list {
		if err := s.Ring.Destroy(tx, d.key); err != nil {
			return 0, err
		}
		if _, err := tx.Exec(`DELETE FROM console_draft WHERE id = $1`, d.id); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

func (s *Service) eraseShifts(tx *store.Tx, now time.Time) (int, error) {
	before, err := s.dueBefore(tx, RecordShift, now)
	if err != nil {
		return 0, err
	}
	list, err := scanKeyed(tx, `SELECT id, key_id FROM console_shift WHERE ended_at > 0 AND ended_at < $1 AND key_id > 0 ORDER BY id LIMIT $2`, before, erasePage)
	if err != nil {
		return 0, err
	}
	for _, h := range list {
		if err := s.Ring.Destroy(tx, h.key); err != nil {
			return 0, err
		}
		if _, err := tx.Exec(`UPDATE console_shift SET note = $2, key_id = 0 WHERE id = $1`, h.id, []byte{}); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

func (s *Service) eraseAlarms(tx *store.Tx, now time.Time) (int, error) {
	before, err := s.dueBefore(tx, RecordShift, now)
	if err != nil {
		return 0, err
	}
	n, err := tx.Exec(`DELETE FROM console_alarm WHERE (org, id) IN
		(SELECT org, id FROM console_alarm WHERE raised_at < $1 AND NOT `+alarmOpen+` ORDER BY org, raised_at LIMIT $2)`, before, erasePage)
	return int(n), err
}

// eraseMonths destroys the keys of months that hold no readable incident. Words
// that belong to none, such as why a line's alarm was shelved, are sealed with
// their month's key: they are kept as long as the notes of shifts.
func (s *Service) eraseMonths(tx *store.Tx, now time.Time) (int, error) {
	before, err := s.dueBefore(tx, RecordShift, now)
	if err != nil {
		return 0, err
	}
	rows, err := tx.Query(`SELECT org, month, key_id FROM console_month WHERE month < $1`, monthOf(moment(before)))
	if err != nil {
		return 0, err
	}
	type row struct {
		org, month string
		key        int64
	}
	var list []row
	defer rows.Close()
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.org, &r.month, &r.key); err != nil {
			return 0, err
		}
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	for _, r := range list {
		from, err := time.Parse("2006-01", r.month)
		if err != nil {
			return 0, err
		}
		var left int64
		err = tx.Row(`SELECT COUNT(*) FROM (SELECT 1 AS one FROM console_incident i JOIN seal_key k ON k.id = i.key_id
			WHERE i.org = $1 AND i.first_at >= $2 AND i.first_at < $3 AND k.wrapped IS NOT NULL LIMIT 1) f`,
			r.org, millis(from), millis(from.AddDate(0, 1, 0))).Scan(&left)
		if err != nil {
			return 0, err
		}
		if left > 0 {
			continue
		}
		if err := s.Ring.Destroy(tx, r.key); err != nil {
			return 0, err
		}
		if _, err := tx.Exec(`DELETE FROM console_month WHERE org = $1 AND month = $2`, r.org, r.month); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// eraseIncidents empties what is left of incidents whose content is deleted.
func (s *Service) eraseIncidents(ctx context.Context, org string) error {
	after := ""
	for {
		var list []*incidentRow
		// Looking holds no writer: it is one pass over all incidents.
		err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
			list, err = scanIncidents(tx, `i.org = $1 AND i.id > $2 AND k.id IS NOT NULL AND k.wrapped IS NULL
				AND (i.closed = 0 OR i.city <> '' OR LENGTH(i.summary) > 0 OR LENGTH(i.tokens) > 0) ORDER BY i.id LIMIT $3`, org, after, erasePage)
			return err
		})
		if err != nil || len(list) == 0 {
			return err
		}
		err = s.DB.Write(ctx, func(tx *store.Tx) error {
			for _, i := range list {
				if err := s.eraseIncident(tx, i); err != nil {
					return err
				}
			}
			tx.Notify(topic(org))
			return nil
		})
		if err != nil {
			return err
		}
		after = list[len(list)-1].id
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func (s *Service) eraseIncident(tx *store.Tx, i *incidentRow) error {
	// What came for it since has another key and stays.
	now, err := oneIncident(tx, "console.Erase", i.org, i.id)
	if err != nil || len(now.wrapped) > 0 {
		return err
	}
	for _, t := range unpack(now.tokens) {
		if _, err := tx.Exec(`DELETE FROM console_search WHERE org = $1 AND token = $2 AND at = $3 AND incident = $4`, i.org, t, now.firstAt, i.id); err != nil {
			return err
		}
	}
	at, none := millis(s.Clock.Now()), []byte{}
	for _, q := range []struct {
		sql  string
		args []any
	}{
		{`UPDATE console_incident SET summary = $3, tokens = $3, city = '', lat = 0, lon = 0, number = '', closed = 1 WHERE org = $1 AND id = $2`, []any{none}},
		{`UPDATE console_handover SET closed_at = CASE WHEN closed_at = 0 THEN CAST($3 AS BIGINT) ELSE closed_at END, ring_due = 0 WHERE org = $1 AND incident = $2`, []any{at}},
		{`UPDATE console_alarm SET ended_at = CASE WHEN ended_at = 0 THEN CAST($3 AS BIGINT) ELSE ended_at END,
			seen_at = CASE WHEN seen_at = 0 THEN CAST($3 AS BIGINT) ELSE seen_at END, note = $4 WHERE org = $1 AND incident = $2`, []any{at, none}},
		{`UPDATE console_action SET note = $3 WHERE org = $1 AND incident = $2 AND key_id > 0
			AND NOT EXISTS (SELECT 1 FROM seal_key k WHERE k.id = console_action.key_id AND k.wrapped IS NOT NULL)`, []any{none}},
	} {
		if _, err := tx.Exec(q.sql, append([]any{i.org, i.id}, q.args...)...); err != nil {
			return err
		}
	}
	return nil
}
