package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"trojmezi/internal/kernel/store"
)

// settingChecked is when the leading instance last evaluated, unix milliseconds.
const settingChecked = "health.checked"

// row is one finding as it is kept.
type row struct {
	id      int64
	check   string
	area    string
	f       Finding
	told    Level
	since   time.Time
	until   time.Time
	settled bool
	times   int64
	seenAt  time.Time
	seenBy  string
}

const columns = `id, check_id, object, area, text, todo, level, told, since, until, settled, times, seen_at, seen_by`

func scanRows(rows *store.Rows, err error) ([]row, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []row
	for rows.Next() {
		var x row
		var text string
		var level, told, since, until, settled, seen int64
		if err := rows.Scan(&x.id, &x.check, &x.f.Object, &x.area, &text, &x.f.Todo, &level, &told, &since, &until, &settled, &x.times, &seen, &x.seenBy); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(text), &x.f.Text); err != nil {
			return nil, fmt.Errorf("finding %d: %w", x.id, err)
		}
		x.f.Level, x.told, x.settled = Level(level), Level(told), settled == 1
		x.since, x.until, x.seenAt = moment(since), moment(until), moment(seen)
		x.f.Since = x.since
		out = append(out, x)
	}
	return out, rows.Err()
}

// moment turns unix milliseconds into a time, 0 into none.
func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// unsettled lists the findings that are there or went just now.
func unsettled(tx *store.Tx) ([]row, error) {
	return scanRows(tx.Query(`SELECT ` + columns + ` FROM health_finding WHERE settled = 0 ORDER BY id`))
}

// known lists what a page shows: what is there, what nobody has seen, and what
// ended after a time.
func known(tx *store.Tx, after time.Time) ([]row, error) {
	return scanRows(tx.Query(`SELECT `+columns+` FROM health_finding WHERE until = 0 OR seen_at = 0 OR until > $1 ORDER BY level DESC, since, id`, millis(after)))
}

func insert(tx *store.Tx, x row) error {
	text, err := json.Marshal(x.f.Text)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO health_finding (`+columns+`)
		VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM health_finding), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		x.check, x.f.Object, x.area, string(text), x.f.Todo, int64(x.f.Level), int64(x.told), millis(x.since), millis(x.until), flag(x.settled), x.times, millis(x.seenAt), x.seenBy)
	return err
}

func update(tx *store.Tx, x row) error {
	text, err := json.Marshal(x.f.Text)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE health_finding SET text = $2, todo = $3, level = $4, told = $5, until = $6, settled = $7, times = $8, seen_at = $9, seen_by = $10 WHERE id = $1`,
		x.id, string(text), x.f.Todo, int64(x.f.Level), int64(x.told), millis(x.until), flag(x.settled), x.times, millis(x.seenAt), x.seenBy)
	return err
}

// ClockWrong reports whether the clock was found wrong and has not been right since.
func (r *Registry) ClockWrong(ctx context.Context) (wrong bool, err error) {
	err = r.DB.Read(ctx, func(tx *store.Tx) error {
		var n int64
		err := tx.Row(`SELECT COUNT(*) FROM health_finding WHERE check_id = $1 AND level >= $2 AND until = 0`, checkClock, int64(L2)).Scan(&n)
		wrong = n > 0
		return err
	})
	return wrong, err
}

// see marks a finding as seen and reports whether there was one to mark.
func see(tx *store.Tx, id int64, by string, now time.Time) (bool, error) {
	n, err := tx.Exec(`UPDATE health_finding SET seen_at = $2, seen_by = $3 WHERE id = $1 AND seen_at = 0`, id, millis(now), by)
	return n == 1, err
}

func prune(tx *store.Tx, before time.Time) error {
	_, err := tx.Exec(`DELETE FROM health_finding WHERE settled = 1 AND until < $1`, millis(before))
	return err
}

// checkedAt is when the checks last ran, zero for never.
func checkedAt(tx *store.Tx) (time.Time, error) {
	v, err := tx.Setting(settingChecked)
	if err != nil || v == "" {
		return time.Time{}, err
	}
	ms, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return time.Time{}, errors.New("health: " + settingChecked + " is no number")
	}
	return moment(ms), nil
}
