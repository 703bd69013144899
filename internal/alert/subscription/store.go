package subscription

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

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

const columns = `SELECT number, id, channel, target, lang, municipalities, point, polygon, hazards, level, quiet_from, quiet_to, wording, rivers, at, confirmed, until FROM subscription `

func scan(row interface{ Scan(...any) error }) (*Subscription, error) {
	s := &Subscription{}
	var lang, towns, point string
	var hazards, level, from, to, wording, rivers, at, confirmed, until int64
	if err := row.Scan(&s.Number, &s.ID, &s.Channel, &s.sealed, &lang, &towns, &point, &s.Polygon, &hazards, &level, &from, &to, &wording, &rivers, &at, &confirmed, &until); err != nil {
		return nil, err
	}
	s.Lang, s.Municipalities, s.Hazards, s.Level = i18n.Lang(lang), strings.Fields(towns), uint16(hazards), uint8(level)
	s.QuietFrom, s.QuietTo, s.Wording, s.Rivers = int(from), int(to), wording == 1, rivers == 1
	s.At, s.Confirmed, s.Until = moment(at), moment(confirmed), moment(until)
	if point != "" {
		p := geo.Point{}
		if _, err := fmt.Sscanf(point, "%f,%f", &p.Lat, &p.Lon); err != nil {
			return nil, fmt.Errorf("subscription: point of %d: %w", s.Number, err)
		}
		s.Point = &p
	}
	return s, nil
}

func selected(tx *store.Tx, where string, args ...any) (all []*Subscription, err error) {
	rows, err := tx.Query(columns+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		s, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

func byID(tx *store.Tx, id string) (*Subscription, error) {
	s, err := scan(tx.Row(columns+`WHERE id = $1`, id))
	if errors.Is(err, store.ErrNoRows) {
		return nil, errNotFound
	}
	return s, err
}

// some is how many rows are asked for at once.
const some = 100

var someMarks = func() string {
	var b strings.Builder
	for i := range some {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(i+1))
	}
	return b.String()
}()

// confirmedOf are those of the numbers that are confirmed, by number.
func confirmedOf(tx *store.Tx, numbers []int64) (map[int64]*Subscription, error) {
	found := map[int64]*Subscription{}
	for len(numbers) > 0 {
		n := min(some, len(numbers))
		args := make([]any, some)
		for i := range args {
			args[i] = numbers[min(i, n-1)]
		}
		all, err := selected(tx, `WHERE number IN (`+someMarks+`) AND confirmed > 0`, args...)
		if err != nil {
			return nil, err
		}
		for _, s := range all {
			found[s.Number] = s
		}
		numbers = numbers[n:]
	}
	return found, nil
}

func pointText(p *geo.Point) string {
	if p == nil {
		return ""
	}
	return fmt.Sprintf("%.6f,%.6f", p.Lat, p.Lon)
}

func (s *Subscription) insert(tx *store.Tx, hash string) error {
	return tx.Row(`INSERT INTO subscription (number, id, kind, channel, target, target_hash, lang, municipalities, point, polygon, hazards, level, quiet_from, quiet_to, wording, rivers, at, confirmed, until, reminded)
		VALUES ((SELECT COALESCE(MAX(number), 0) + 1 FROM subscription), $1, 'live', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 0) RETURNING number`,
		s.ID, s.Channel, s.sealed, hash, string(s.Lang), strings.Join(s.Municipalities, " "), pointText(s.Point), s.Polygon, int64(s.Hazards), int64(s.Level), int64(s.QuietFrom), int64(s.QuietTo), flag(s.Wording), flag(s.Rivers),
		millis(s.At), millis(s.Confirmed), millis(s.Until)).Scan(&s.Number)
}

func confirm(tx *store.Tx, id string, at, until time.Time) (int64, error) {
	return tx.Exec(`UPDATE subscription SET confirmed = CASE WHEN confirmed = 0 THEN CAST($2 AS BIGINT) ELSE confirmed END, until = $3, reminded = 0 WHERE id = $1`, id, millis(at), millis(until))
}

func remind(tx *store.Tx, id string) (int64, error) {
	return tx.Exec(`UPDATE subscription SET reminded = 1 WHERE id = $1 AND reminded = 0`, id)
}

func drop(tx *store.Tx, number int64) error {
	if _, err := tx.Exec(`DELETE FROM subscription_held WHERE number = $1`, number); err != nil {
		return err
	}
	_, err := tx.Exec(`DELETE FROM subscription WHERE number = $1`, number)
	return err
}

// counts are how many an address has, and how many of them were asked for since a time
// and never confirmed.
func counts(tx *store.Tx, hash string, since time.Time) (all, waiting int64, err error) {
	err = tx.Row(`SELECT COUNT(*), COALESCE(SUM(CASE WHEN confirmed = 0 AND at >= $2 THEN 1 ELSE 0 END), 0) FROM subscription WHERE target_hash = $1`, hash, millis(since)).Scan(&all, &waiting)
	return all, waiting, err
}

// turn waits until no other instance is at it.
func turn(tx *store.Tx) error {
	_, err := tx.Exec(`INSERT INTO subscription_turn (name, n) VALUES ('warnings', 1) ON CONFLICT (name) DO UPDATE SET n = subscription_turn.n + 1`)
	return err
}

// known is what was told last, by reference.
func known(tx *store.Tx) (map[string]string, error) {
	rows, err := tx.Query(`SELECT ref, digest FROM subscription_known`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var ref, digest string
		if err := rows.Scan(&ref, &digest); err != nil {
			return nil, err
		}
		all[ref] = digest
	}
	return all, rows.Err()
}

func knownOf(tx *store.Tx, ref string) (*Said, error) {
	var body string
	err := tx.Row(`SELECT body FROM subscription_known WHERE ref = $1`, ref).Scan(&body)
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s := &Said{}
	return s, json.Unmarshal([]byte(body), s)
}

func putKnown(tx *store.Tx, ref string, s *Said) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO subscription_known (ref, kind, digest, body) VALUES ($1, 'live', $2, $3)
		ON CONFLICT (ref) DO UPDATE SET digest = excluded.digest, body = excluded.body`, ref, s.digest(), string(body))
	return err
}

func dropKnown(tx *store.Tx, ref string) error {
	_, err := tx.Exec(`DELETE FROM subscription_known WHERE ref = $1`, ref)
	return err
}

func (c *Change) insert(tx *store.Tx) error {
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO subscription_change (seq, kind, ref, body, told_to, done, at)
		VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM subscription_change), 'live', $1, $2, 0, 0, $3)`, c.Ref, string(body), millis(c.At))
	return err
}

func changeOf(row interface{ Scan(...any) error }) (c *Change, err error) {
	c = &Change{}
	var body string
	var seq, told int64
	if err := row.Scan(&seq, &body, &told); err != nil {
		return nil, err
	}
	err = json.Unmarshal([]byte(body), c)
	c.seq, c.told = seq, told
	return c, err
}

// open is the oldest change that has not been told to all; nil without.
func open(tx *store.Tx) (*Change, error) {
	c, err := changeOf(tx.Row(`SELECT seq, body, told_to FROM subscription_change WHERE done = 0 AND kind = 'live' ORDER BY seq LIMIT 1`))
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	return c, err
}

// advance notes how far a change was told; false when another instance was faster.
func (c *Change) advance(tx *store.Tx, to int64, done bool) (bool, error) {
	n, err := tx.Exec(`UPDATE subscription_change SET told_to = $3, done = $4 WHERE seq = $1 AND told_to = $2 AND done = 0`, c.seq, c.told, to, flag(done))
	return n == 1, err
}

func hold(tx *store.Tx, number int64, c *Change, what string, due time.Time) error {
	_, err := tx.Exec(`INSERT INTO subscription_held (number, change, kind, what, due) VALUES ($1, $2, 'live', $3, $4)`, number, c.seq, what, millis(due))
	return err
}

// dueNumbers are whose quiet hours are over.
func dueNumbers(tx *store.Tx, now time.Time, most int) (all []int64, err error) {
	rows, err := tx.Query(`SELECT DISTINCT number FROM subscription_held WHERE due <= $1 AND kind = 'live' ORDER BY number LIMIT $2`, millis(now), int64(most))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, rows.Err()
}

// held is a change that waits for somebody, with what it was for him.
type held struct {
	*Change
	what string
}

func heldFor(tx *store.Tx, number int64) (all []held, err error) {
	rows, err := tx.Query(`SELECT c.seq, c.body, c.told_to, h.what FROM subscription_held h JOIN subscription_change c ON c.seq = h.change WHERE h.number = $1 ORDER BY h.change`, number)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var what string
		c, err := changeOf(withLast{rows, &what})
		if err != nil {
			return nil, err
		}
		all = append(all, held{c, what})
	}
	return all, rows.Err()
}

// withLast scans one column more than who asks knows of.
type withLast struct {
	row  interface{ Scan(...any) error }
	last *string
}

func (w withLast) Scan(dest ...any) error { return w.row.Scan(append(dest, w.last)...) }

func release(tx *store.Tx, number, last int64) error {
	_, err := tx.Exec(`DELETE FROM subscription_held WHERE number = $1 AND change <= $2`, number, last)
	return err
}

func dropChanges(tx *store.Tx, before time.Time) error {
	_, err := tx.Exec(`DELETE FROM subscription_change WHERE done = 1 AND at < $1 AND NOT EXISTS (SELECT 1 FROM subscription_held h WHERE h.change = subscription_change.seq)`, millis(before))
	return err
}
