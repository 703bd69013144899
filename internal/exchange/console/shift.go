package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Connect registers an open console (a live stream) and returns its id. The
// caller disconnects it; after a crash it counts as gone within streamLife.
func (s *Service) Connect(ctx context.Context, who Actor) (id string, err error) {
	id = s.Clock.NewID()
	err = s.do(ctx, "console.Connect", who, func(tx *store.Tx, org Org) error {
		now := millis(s.Clock.Now())
		_, err := tx.Exec(`INSERT INTO console_stream (id, org, person, instance, armed, since, beat_at) VALUES ($1, $2, $3, $4, 0, $5, $5)`,
			id, who.Org, who.Person, s.Instance, now)
		return err
	})
	return id, err
}

// Armed notes whether the console's sound was tested and runs.
func (s *Service) Armed(ctx context.Context, who Actor, console string, armed bool) error {
	return s.do(ctx, "console.Armed", who, func(tx *store.Tx, org Org) error {
		_, err := tx.Exec(`UPDATE console_stream SET armed = $4 WHERE id = $1 AND org = $2 AND person = $3`, console, who.Org, who.Person, bit(armed))
		return err
	})
}

// Disconnect ends a console's registration; also while the request is ending.
func (s *Service) Disconnect(ctx context.Context, console string) error {
	return s.DB.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		var org string
		err := tx.Row(`DELETE FROM console_stream WHERE id = $1 RETURNING org`, console).Scan(&org)
		if errors.Is(err, store.ErrNoRows) {
			return nil
		}
		tx.Notify(topic(org))
		return err
	})
}

// Consoles lists the open consoles of an organisation on all instances.
func (s *Service) Consoles(ctx context.Context, org string) (out []Console, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		out, err = consoles(tx, org, s.Clock.Now())
		for i := range out {
			out[i].Name = s.name(tx, out[i].Person)
		}
		return err
	})
	return out, problem.Wrap("console.Consoles", err)
}

func consoles(tx *store.Tx, org string, now time.Time) ([]Console, error) {
	rows, err := tx.Query(`SELECT id, person, armed, since FROM console_stream WHERE org = $1 AND beat_at > $2 ORDER BY since, id`,
		org, millis(now.Add(-streamLife)))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Console
	for rows.Next() {
		var c Console
		var armed, since int64
		if err := rows.Scan(&c.ID, &c.Person, &armed, &since); err != nil {
			return nil, err
		}
		c.Armed, c.Since = armed == 1, moment(since)
		out = append(out, c)
	}
	return out, rows.Err()
}

// StartShift puts the person on duty. tested says that he heard the test tone;
// without it the room is not told that its alarms can be heard.
func (s *Service) StartShift(ctx context.Context, who Actor, tested bool) (Shift, error) {
	const op = "console.StartShift"
	id := ""
	err := s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		now := millis(s.Clock.Now())
		heard := int64(0)
		if tested {
			heard = now
		}
		err := tx.Row(`SELECT id FROM console_shift WHERE org = $1 AND person = $2 AND ended_at = 0`, who.Org, who.Person).Scan(&id)
		if err == nil && tested {
			// Who is on duty already repeats the sound test.
			_, err = tx.Exec(`UPDATE console_shift SET tested_at = $2 WHERE id = $1`, id, heard)
		}
		if err == nil || !errors.Is(err, store.ErrNoRows) {
			return err
		}
		id = s.Clock.NewID()
		if _, err := tx.Exec(`INSERT INTO console_shift (id, org, person, started_at, tested_at, ended_at, successor, taken_at, incidents, note, key_id)
			VALUES ($1, $2, $3, $4, $5, 0, '', 0, '[]', $6, 0)`, id, who.Org, who.Person, now, heard, []byte{}); err != nil {
			return err
		}
		return s.audit(tx, who, "shift.start", id)
	})
	if err != nil {
		return Shift{}, err
	}
	return s.shift(ctx, op, who.Org, id)
}

// EndShift signs the person's shift off: with a note and all that is open, handed
// over to another person, who signs by TakeShift.
func (s *Service) EndShift(ctx context.Context, who Actor, note, to string) (Shift, error) {
	const op = "console.EndShift"
	id := ""
	err := s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		if to == who.Person {
			return problem.New(op, problem.Invalid, "console.d.refuse.own_successor", nil)
		}
		err := tx.Row(`SELECT id FROM console_shift WHERE org = $1 AND person = $2 AND ended_at = 0`, who.Org, who.Person).Scan(&id)
		if errors.Is(err, store.ErrNoRows) {
			return problem.New(op, problem.Conflict, "console.d.refuse.not_on_duty", nil)
		}
		if err != nil {
			return err
		}
		open := []string{}
		rows, err := tx.Query(`SELECT id FROM console_incident WHERE org = $1 AND closed = 0 ORDER BY first_at, id`, who.Org)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var incident string
			if err := rows.Scan(&incident); err != nil {
				return err
			}
			open = append(open, incident)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if len(open) > 0 && to == "" {
			return problem.New(op, problem.Invalid, "console.d.refuse.successor", nil)
		}
		list, err := json.Marshal(open)
		if err != nil {
			return err
		}
		key, err := s.Ring.Key(tx, "shift:"+id)
		if err != nil {
			return err
		}
		note := strings.TrimSpace(note)
		if _, err := tx.Exec(`UPDATE console_shift SET ended_at = $3, successor = $4, incidents = $5, note = $6, key_id = $7 WHERE org = $1 AND id = $2`,
			who.Org, id, millis(s.Clock.Now()), to, string(list), key.Seal([]byte(note), shiftPlace(id)), key.ID()); err != nil {
			return err
		}
		// The signature: the person's act over exactly this note and list.
		return s.Audit.Append(tx, audit.Event{Action: "console.shift.sign", Actor: who.Person, Object: id, Detail: signed(note, string(list), to), Key: key})
	})
	if err != nil {
		return Shift{}, err
	}
	return s.shift(ctx, op, who.Org, id)
}

// signed is what both persons of a shift's end put their names to.
func signed(note, open, to string) []byte { return []byte(note + "\x00" + open + "\x00" + to) }

func shiftPlace(id string) []byte { return []byte("console_shift:" + id) }

// TakeShift is the second signature: the person named takes over the note and the
// open incidents, and is on duty from now on.
func (s *Service) TakeShift(ctx context.Context, who Actor, shift string) error {
	const op = "console.TakeShift"
	return s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		ss, err := s.shifts(tx, `org = $1 AND id = $2`, who.Org, shift)
		if err != nil {
			return err
		}
		switch {
		case len(ss) == 0:
			return problem.New(op, problem.NotFound, "console.d.refuse.no_shift", nil)
		case ss[0].To != who.Person:
			return problem.New(op, problem.Forbidden, "console.d.refuse.other_successor", nil)
		case !ss[0].Taken.IsZero():
			return problem.New(op, problem.Conflict, "console.d.refuse.taken", nil)
		}
		now := millis(s.Clock.Now())
		if _, err := tx.Exec(`UPDATE console_shift SET taken_at = $3 WHERE org = $1 AND id = $2`, who.Org, shift, now); err != nil {
			return err
		}
		mine, err := s.shifts(tx, `org = $1 AND person = $2 AND ended_at = 0`, who.Org, who.Person)
		if err != nil {
			return err
		}
		if len(mine) == 0 {
			if _, err := tx.Exec(`INSERT INTO console_shift (id, org, person, started_at, tested_at, ended_at, successor, taken_at, incidents, note, key_id)
				VALUES ($1, $2, $3, $4, 0, 0, '', 0, '[]', $5, 0)`, s.Clock.NewID(), who.Org, who.Person, now, []byte{}); err != nil {
				return err
			}
		}
		list, err := json.Marshal(ss[0].Open)
		if err != nil {
			return err
		}
		return s.Audit.Append(tx, audit.Event{Action: "console.shift.take", Actor: who.Person, Object: shift, Detail: signed(ss[0].Note, string(list), who.Person)})
	})
}

// OnDuty lists the shifts that run.
func (s *Service) OnDuty(ctx context.Context, org string) (out []Shift, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		out, err = s.shifts(tx, `org = $1 AND ended_at = 0`, org)
		return err
	})
	return out, problem.Wrap("console.OnDuty", err)
}

// Shifts lists the shifts that ended after a moment or still run, the newest
// first. Each carries what was shelved while it ran.
func (s *Service) Shifts(ctx context.Context, org string, since time.Time) (out []Shift, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		if out, err = s.shifts(tx, `org = $1 AND (ended_at = 0 OR ended_at >= $2)`, org, millis(since)); err != nil {
			return err
		}
		of := &shared{}
		for i := range out {
			until := out[i].Ended
			if until.IsZero() {
				until = s.Clock.Now()
			}
			as, err := scanAlarms(tx, `org = $1 AND id IN
				(SELECT detail FROM console_action WHERE org = $1 AND what = 'shelve' AND at >= $2 AND at <= $3)`,
				org, millis(out[i].Started), millis(until))
			if err != nil {
				return err
			}
			slices.SortFunc(as, func(a, b *alarm) int { return cmp.Or(cmp.Compare(a.raisedAt, b.raisedAt), cmp.Compare(a.id, b.id)) })
			for _, a := range as {
				v, err := s.alarmView(tx, a, of)
				if err != nil {
					return err
				}
				out[i].Shelved = append(out[i].Shelved, v)
			}
		}
		return nil
	})
	return out, problem.Wrap("console.Shifts", err)
}

func (s *Service) shift(ctx context.Context, op, org, id string) (Shift, error) {
	var out []Shift
	err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		out, err = s.shifts(tx, `org = $1 AND id = $2`, org, id)
		return err
	})
	if err == nil && len(out) == 0 {
		err = problem.New(op, problem.NotFound, "console.d.refuse.no_shift", nil)
	}
	if err != nil {
		return Shift{}, problem.Wrap(op, err)
	}
	return out[0], nil
}

func (s *Service) shifts(tx *store.Tx, where string, args ...any) ([]Shift, error) {
	rows, err := tx.Query(`SELECT id, person, started_at, tested_at, ended_at, successor, taken_at, incidents, note, key_id
		FROM console_shift WHERE `+where+` ORDER BY started_at DESC, id`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Shift
	var notes [][]byte
	var keys []int64
	for rows.Next() {
		var h Shift
		var started, tested, ended, taken, key int64
		var incidents string
		var note []byte
		if err := rows.Scan(&h.ID, &h.Person, &started, &tested, &ended, &h.To, &taken, &incidents, &note, &key); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(incidents), &h.Open); err != nil {
			return nil, err
		}
		h.Started, h.Tested, h.Ended, h.Signed, h.Taken = moment(started), moment(tested), moment(ended), moment(ended), moment(taken)
		out, notes, keys = append(out, h), append(notes, note), append(keys, key)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	keep, err := s.retention(tx, RecordShift)
	if err != nil {
		return nil, err
	}
	for i := range out {
		if !out[i].Ended.IsZero() && keys[i] != 0 {
			out[i].DeleteAt = out[i].Ended.Add(keep)
		}
		out[i].Name, out[i].ToName = s.name(tx, out[i].Person), s.name(tx, out[i].To)
		out[i].Note = s.unseal(tx, keys[i], notes[i], shiftPlace(out[i].ID))
	}
	return out, nil
}
