package channel

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

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

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// each runs f for every row of a query.
func each(tx *store.Tx, f func(scan func(...any) error) error, query string, args ...any) error {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// content is a text with its words around it that are the same for everybody.
type content struct {
	id                               string
	lang                             i18n.Lang
	title, body, short, link, source string
	speech                           string
	codes                            string // JSON, "" for none
}

func (c *content) insert(tx *store.Tx) error {
	_, err := tx.Exec(`INSERT INTO channel_text (id, lang, title, body, short, link, source, speech, codes) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING`,
		c.id, string(c.lang), c.title, c.body, c.short, c.link, c.source, c.speech, c.codes)
	return err
}

// row is a dispatch as it is stored.
type row struct {
	id, channel    string
	kind           store.Kind
	mark           string
	target, stop   []byte
	key            int64
	receiver       string
	ref            Reference
	content        string
	ack            bool
	due            time.Time
	created, until time.Time
	delete         time.Time
}

// insert is false when the address has this revision already.
func (r *row) insert(tx *store.Tx) (bool, error) {
	n, err := tx.Exec(`INSERT INTO channel_dispatch (id, channel, kind, channel_kind, mark, target, seal_key, receiver, sort, ref, revision, content, stop, ack,
			state, due, attempt, holder, created_at, expires_at, tried_at, done_at, delivered_at, acked_at, hop_id, note, error, delete_at)
		VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'waiting', $14, 0, '', $15, $16, 0, 0, 0, 0, '', '', '', $17)
		ON CONFLICT (channel, mark, sort, ref, revision) DO NOTHING`,
		r.id, r.channel, string(r.kind), r.mark, r.target, r.key, r.receiver, string(r.ref.Origin), r.ref.ID, r.ref.Revision, r.content, r.stop, bit(r.ack),
		millis(r.due), millis(r.created), millis(r.until), millis(r.delete))
	return n > 0, err
}

// claimed is a dispatch that a worker holds, still sealed.
type claimed struct {
	letter
	target, stop []byte
	key          int64
}

// ready lists what is due of a channel, at most limit.
func ready(tx *store.Tx, c *channel, now time.Time, limit int) (all []*claimed, err error) {
	err = each(tx, func(scan func(...any) error) error {
		l := &claimed{}
		var kind, sort, lang, codes string
		var ack, at, until, attempt int64
		if err := scan(&l.id, &kind, &l.target, &l.stop, &l.key, &l.Receiver, &sort, &l.Reference.ID, &l.Reference.Revision, &ack, &at, &until, &attempt,
			&lang, &l.Title, &l.Body, &l.Short, &l.Link, &l.Source, &l.Speech, &codes); err != nil {
			return err
		}
		if codes != "" {
			if err := json.Unmarshal([]byte(codes), &l.Codes); err != nil {
				return err
			}
		}
		l.Channel, l.Kind, l.Reference.Origin, l.Lang = c.name, store.Kind(kind), Origin(sort), i18n.Lang(lang)
		l.Ack, l.at, l.Until, l.attempt = ack == 1, moment(at), moment(until), int(attempt)
		all = append(all, l)
		return nil
	}, `SELECT d.id, d.kind, d.target, d.stop, d.seal_key, d.receiver, d.sort, d.ref, d.revision, d.ack, d.created_at, d.expires_at, d.attempt,
			t.lang, t.title, t.body, t.short, t.link, t.source, t.speech, t.codes
		FROM channel_dispatch d JOIN channel_text t ON t.id = d.content
		WHERE d.channel = $1 AND d.kind = $2 AND d.state IN ('waiting', 'sending') AND d.due <= $3 ORDER BY d.due, d.id LIMIT $4`,
		c.name, string(c.kind), millis(now), limit)
	return all, err
}

func hold(tx *store.Tx, id, holder string, now, until time.Time) error {
	_, err := tx.Exec(`UPDATE channel_dispatch SET state = 'sending', holder = $2, due = $3, attempt = attempt + 1, tried_at = $4 WHERE id = $1`,
		id, holder, millis(until), millis(now))
	return err
}

// settle writes down how an attempt ended, unless another worker has the dispatch by now.
func settle(tx *store.Tx, id, holder string, o *outcome, now time.Time) (bool, error) {
	done := int64(0)
	if o.state.over() {
		done = millis(now)
	}
	n, err := tx.Exec(`UPDATE channel_dispatch SET state = $3, due = $4, done_at = $5, hop_id = $6, note = $7, error = $8, holder = ''
		WHERE id = $1 AND holder = $2 AND state = 'sending'`,
		id, holder, string(o.state), millis(o.due), done, o.hop, o.note, clip(o.failure))
	return n > 0, err
}

// giveUp ends what waits and would come too late.
func giveUp(tx *store.Tx, c *channel, now time.Time) (n int64, err error) {
	return tx.Exec(`UPDATE channel_dispatch SET state = 'expired', done_at = $3 WHERE channel = $1 AND kind = $2 AND expires_at <= $3
		AND (state = 'waiting' OR state = 'sending' AND due <= $3)`, c.name, string(c.kind), millis(now))
}

// nextDue is when the next dispatch of a channel is due; zero: nothing waits.
func nextDue(tx *store.Tx, c *channel) (time.Time, error) {
	var at int64
	err := tx.Row(`SELECT COALESCE(MIN(due), 0) FROM channel_dispatch WHERE channel = $1 AND kind = $2 AND state IN ('waiting', 'sending')`, c.name, string(c.kind)).Scan(&at)
	return moment(at), err
}

// triedSince counts the attempts after a time and says when the first of them was.
func triedSince(tx *store.Tx, c *channel, since, until time.Time) (n int, first time.Time, err error) {
	var at int64
	err = tx.Row(`SELECT COUNT(*), COALESCE(MIN(tried_at), 0) FROM channel_dispatch WHERE channel = $1 AND kind = $2 AND tried_at > $3 AND tried_at <= $4`,
		c.name, string(c.kind), millis(since), millis(until)).Scan(&n, &at)
	return n, moment(at), err
}

// maxFailure bounds a kept error in bytes.
const maxFailure = 300

func clip(s string) string {
	s = oneLine(s)
	if len(s) > maxFailure {
		s = strings.ToValidUTF8(s[:maxFailure], "")
	}
	return s
}

// worked and broke note how a channel did.
func worked(tx *store.Tx, c *channel, now time.Time) error {
	_, err := tx.Exec(`INSERT INTO channel_health (channel, kind, ok_at, failed_at, failures, error) VALUES ($1, $2, $3, 0, 0, '')
		ON CONFLICT (channel, kind) DO UPDATE SET ok_at = excluded.ok_at, failures = 0, error = ''`, c.name, string(c.kind), millis(now))
	return err
}

func broke(tx *store.Tx, c *channel, now time.Time, failure string) error {
	_, err := tx.Exec(`INSERT INTO channel_health (channel, kind, ok_at, failed_at, failures, error) VALUES ($1, $2, 0, $3, 1, $4)
		ON CONFLICT (channel, kind) DO UPDATE SET failed_at = excluded.failed_at, failures = channel_health.failures + 1, error = excluded.error`,
		c.name, string(c.kind), millis(now), clip(failure))
	return err
}

func healthOf(tx *store.Tx, c *channel) (ok, failed time.Time, failures int64, failure string, err error) {
	var a, b int64
	err = tx.Row(`SELECT ok_at, failed_at, failures, error FROM channel_health WHERE channel = $1 AND kind = $2`, c.name, string(c.kind)).Scan(&a, &b, &failures, &failure)
	if errors.Is(err, store.ErrNoRows) {
		err = nil
	}
	return moment(a), moment(b), failures, failure, err
}

// counts are how many dispatches of a channel stand where.
func counts(tx *store.Tx, c *channel) (map[State]int64, error) {
	all := map[State]int64{}
	return all, each(tx, func(scan func(...any) error) error {
		var state string
		var n int64
		err := scan(&state, &n)
		all[State(state)] = n
		return err
	}, `SELECT state, COUNT(*) FROM channel_dispatch WHERE channel = $1 AND kind = $2 GROUP BY state`, c.name, string(c.kind))
}

// Receipt is what became of a dispatch. Whom it was for is told by a name of the
// configuration or not at all.
type Receipt struct {
	ID, Channel string
	Kind        store.Kind
	Receiver    string
	Reference   Reference
	Lang        i18n.Lang
	Title       string
	State       State
	Attempts    int64
	Ack         bool // it was asked for
	Created     time.Time
	Tried       time.Time
	Done        time.Time
	Delivered   time.Time
	Acked       time.Time
	Next        time.Time // of the next attempt
	Note, Error string
	Hop         string
	Deletion    time.Time
}

// receipts lists the newest, of one notice or warning or of all.
func receipts(tx *store.Tx, origin Origin, ref string, limit int) (all []Receipt, err error) {
	err = each(tx, func(scan func(...any) error) error {
		var r Receipt
		var kind, sort, lang, state string
		var ack, created, tried, done, delivered, acked, due, deletion int64
		if err := scan(&r.ID, &r.Channel, &kind, &r.Receiver, &sort, &r.Reference.ID, &r.Reference.Revision, &lang, &r.Title, &state, &r.Attempts, &ack,
			&created, &tried, &done, &delivered, &acked, &due, &r.Note, &r.Error, &r.Hop, &deletion); err != nil {
			return err
		}
		r.Kind, r.Reference.Origin, r.Lang, r.State, r.Ack = store.Kind(kind), Origin(sort), i18n.Lang(lang), State(state), ack == 1
		r.Created, r.Tried, r.Done, r.Delivered, r.Acked, r.Deletion = moment(created), moment(tried), moment(done), moment(delivered), moment(acked), moment(deletion)
		if r.State == Waiting {
			r.Next = moment(due)
		}
		all = append(all, r)
		return nil
	}, `SELECT d.id, d.channel, d.kind, d.receiver, d.sort, d.ref, d.revision, t.lang, t.title, d.state, d.attempt, d.ack,
			d.created_at, d.tried_at, d.done_at, d.delivered_at, d.acked_at, d.due, d.note, d.error, d.hop_id, d.delete_at
		FROM channel_dispatch d JOIN channel_text t ON t.id = d.content
		WHERE $1 = '' OR d.sort = $1 AND d.ref = $2 ORDER BY d.created_at DESC, d.id DESC LIMIT $3`, string(origin), ref, limit)
	return all, err
}

// ackIn notes that a person acknowledged a dispatch; the first time counts.
func ackIn(tx *store.Tx, id string, now time.Time) (first bool, err error) {
	n, err := tx.Exec(`UPDATE channel_dispatch SET acked_at = $2 WHERE id = $1 AND ack = 1 AND acked_at = 0`, id, millis(now))
	return n > 0, err
}

// acknowledgeable is a dispatch that can be acknowledged.
type acknowledgeable struct {
	kind     store.Kind
	receiver string
	ref      Reference
	lang     i18n.Lang
	content  content
	acked    time.Time
}

func toAcknowledge(tx *store.Tx, id string) (a acknowledgeable, err error) {
	var kind, sort, lang string
	var at int64
	err = tx.Row(`SELECT d.kind, d.receiver, d.sort, d.ref, d.revision, t.lang, t.title, t.body, t.source, d.acked_at
		FROM channel_dispatch d JOIN channel_text t ON t.id = d.content WHERE d.id = $1 AND d.ack = 1`, id).
		Scan(&kind, &a.receiver, &sort, &a.ref.ID, &a.ref.Revision, &lang, &a.content.title, &a.content.body, &a.content.source, &at)
	a.kind, a.ref.Origin, a.lang, a.acked = store.Kind(kind), Origin(sort), i18n.Lang(lang), moment(at)
	return a, err
}

// reported notes what the next hop says of a message: it arrived, or never will.
func reported(tx *store.Tx, c *channel, hop string, arrived bool, failure string, now time.Time) (known bool, err error) {
	state, at := string(Delivered), millis(now)
	if !arrived {
		state, at = string(Failed), 0
	}
	n, err := tx.Exec(`UPDATE channel_dispatch SET state = $4, delivered_at = $5, error = $6 WHERE channel = $1 AND kind = $2 AND hop_id = $3 AND hop_id <> '' AND state IN ('sent', 'accepted')`,
		c.name, string(c.kind), hop, state, at, clip(failure))
	return n > 0, err
}

// dead are the addresses of receivers whose last result is that it can't be reached.
func dead(tx *store.Tx) (map[[2]string]bool, error) {
	last := map[[2]string]int64{}
	all := map[[2]string]bool{}
	return all, each(tx, func(scan func(...any) error) error {
		var channel, mark, state string
		var at int64
		if err := scan(&channel, &mark, &state, &at); err != nil {
			return err
		}
		key := [2]string{channel, mark}
		if at > last[key] || at == last[key] && State(state) != Failed {
			last[key] = at
			if all[key] = State(state) == Failed; !all[key] {
				delete(all, key)
			}
		}
		return nil
	}, `SELECT channel, mark, state, MAX(done_at) FROM channel_dispatch WHERE receiver <> '' AND done_at > 0 AND state <> 'expired' GROUP BY channel, mark, state`)
}

// put is false for an address that was refused already.
func (r *Refusal) put(tx *store.Tx) (fresh bool, err error) {
	n, err := tx.Exec(`INSERT INTO channel_refusal (channel, mark, kind, receiver, error, at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (channel, mark) DO NOTHING`,
		r.Channel, r.mark, string(r.Kind), r.Receiver, clip(r.Error), millis(r.At))
	return n > 0, err
}

func (r *Refusal) drop(tx *store.Tx) error {
	_, err := tx.Exec(`DELETE FROM channel_refusal WHERE channel = $1 AND mark = $2`, r.Channel, r.mark)
	return err
}

func refusals(tx *store.Tx) (all []Refusal, err error) {
	err = each(tx, func(scan func(...any) error) error {
		var r Refusal
		var kind string
		var at int64
		err := scan(&r.Channel, &r.mark, &kind, &r.Receiver, &r.Error, &at)
		r.Kind, r.At = store.Kind(kind), moment(at)
		all = append(all, r)
		return err
	}, `SELECT channel, mark, kind, receiver, error, at FROM channel_refusal ORDER BY at, channel, mark`)
	return all, err
}

// told is what receivers know of a warning.
type told struct {
	warning  string
	kind     store.Kind
	digest   string
	state    string
	severity string
	places   []string
	revision int64
}

func toldAll(tx *store.Tx) (map[string]*told, error) {
	all := map[string]*told{}
	return all, each(tx, func(scan func(...any) error) error {
		t := &told{}
		var kind, places string
		if err := scan(&t.warning, &kind, &t.digest, &t.state, &t.severity, &places, &t.revision); err != nil {
			return err
		}
		t.kind = store.Kind(kind)
		all[t.warning] = t
		return json.Unmarshal([]byte(places), &t.places)
	}, `SELECT warning, kind, digest, state, severity, places, revision FROM channel_told`)
}

func (t *told) put(tx *store.Tx, now time.Time) error {
	places, err := json.Marshal(t.places)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO channel_told (warning, kind, digest, state, severity, places, revision, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (warning) DO UPDATE SET kind = excluded.kind, digest = excluded.digest, state = excluded.state, severity = excluded.severity,
			places = excluded.places, revision = excluded.revision, at = excluded.at`,
		t.warning, string(t.kind), t.digest, t.state, t.severity, string(places), t.revision, millis(now))
	return err
}

func forget(tx *store.Tx, warning string) error {
	_, err := tx.Exec(`DELETE FROM channel_told WHERE warning = $1`, warning)
	return err
}

// erase deletes receipts whose time is over, and gives the keys that nothing needs any
// more.
func erase(tx *store.Tx, now time.Time) (n int64, keys []int64, err error) {
	var old []int64
	if err := each(tx, func(scan func(...any) error) error {
		var k int64
		err := scan(&k)
		old = append(old, k)
		return err
	}, `SELECT DISTINCT seal_key FROM channel_dispatch WHERE delete_at <= $1`, millis(now)); err != nil {
		return 0, nil, err
	}
	if n, err = tx.Exec(`DELETE FROM channel_dispatch WHERE delete_at <= $1`, millis(now)); err != nil || n == 0 {
		return n, nil, err
	}
	if _, err := tx.Exec(`DELETE FROM channel_text WHERE NOT EXISTS (SELECT 1 FROM channel_dispatch d WHERE d.content = channel_text.id)`); err != nil {
		return n, nil, err
	}
	for _, k := range old {
		var left int64
		if err := tx.Row(`SELECT COUNT(*) FROM channel_dispatch WHERE seal_key = $1`, k).Scan(&left); err != nil {
			return n, nil, err
		}
		if left == 0 {
			keys = append(keys, k)
		}
	}
	return n, keys, nil
}

// Restored ends in a restored database what waited when its backup was made: it has left
// since, or is of the past.
func Restored(tx *store.Tx) error {
	if _, err := tx.Exec(`UPDATE channel_dispatch SET state = 'expired', error = 'restored from a backup' WHERE state IN ('waiting', 'sending')`); err != nil {
		return fmt.Errorf("channel: restore: %w", err)
	}
	return nil
}
