package channel

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
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

// grown are statements for rows in numbers, the most first: each is prepared once, and
// none has more variables than both databases take (SQLite 32,766).
func grown(head, tail string, columns int, numbers ...int) (all []manyRows) {
	for _, n := range numbers {
		var b strings.Builder
		b.WriteString(head)
		for i := range n {
			if i > 0 {
				b.WriteString(", ")
			}
			for j := range columns {
				b.WriteString(map[bool]string{true: "($", false: ", $"}[j == 0] + strconv.Itoa(i*columns+j+1))
			}
			b.WriteString(")")
		}
		all = append(all, manyRows{n, b.String() + tail})
	}
	return all
}

// manyRows is a statement for so many rows.
type manyRows struct {
	n     int
	query string
}

// fitting is the first of the statements that so many rows fill.
func fitting(all []manyRows, rows int) manyRows {
	return all[slices.IndexFunc(all, func(m manyRows) bool { return m.n <= rows })]
}

var (
	textsKnown = grown(`SELECT id FROM channel_text WHERE id IN `, ``, 64, 1)[0].query
	textInsert = grown(`INSERT INTO channel_text (id, lang, title, body, short, link, source, speech, codes) VALUES `, ` ON CONFLICT (id) DO NOTHING`, 9, 32, 1)
	rowInsert  = grown(`INSERT INTO channel_dispatch (id, channel, kind, channel_kind, mark, target, seal_key, receiver, sort, ref, revision, content, stop, ack,
			due, created_at, expires_at, delete_at, state, attempt, holder, tried_at, done_at, delivered_at, acked_at, hop_id, note, error) VALUES `,
		` ON CONFLICT (channel, mark, sort, ref, revision) DO NOTHING`, 28, 100, 10, 1)
)

// insertTexts adds those that are not there. Most are, when a part of many is told: asking
// is cheaper than sending all texts again.
func insertTexts(tx *store.Tx, all []*content) error {
	known := map[string]bool{}
	for part := range slices.Chunk(all, 64) {
		if len(all) == 1 {
			break
		}
		args := make([]any, 64)
		for i := range args {
			args[i] = part[min(i, len(part)-1)].id
		}
		if err := each(tx, func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			known[id] = true
			return err
		}, textsKnown, args...); err != nil {
			return err
		}
	}
	all = slices.DeleteFunc(all, func(c *content) bool { return known[c.id] })
	for len(all) > 0 {
		m := fitting(textInsert, len(all))
		args := make([]any, 0, 9*m.n)
		for _, c := range all[:m.n] {
			args = append(args, c.id, string(c.lang), c.title, c.body, c.short, c.link, c.source, c.speech, c.codes)
		}
		if _, err := tx.Exec(m.query, args...); err != nil {
			return err
		}
		all = all[m.n:]
	}
	return nil
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

// insertRows counts those whose address did not have this revision already.
func insertRows(tx *store.Tx, all []*row) (fresh int64, err error) {
	for len(all) > 0 {
		m := fitting(rowInsert, len(all))
		args := make([]any, 0, 28*m.n)
		for _, r := range all[:m.n] {
			kind, none := string(r.kind), int64(0)
			args = append(args, r.id, r.channel, kind, kind, r.mark, r.target, r.key, r.receiver, string(r.ref.Origin), r.ref.ID, r.ref.Revision, r.content, r.stop, bit(r.ack),
				millis(r.due), millis(r.created), millis(r.until), millis(r.delete), "waiting", none, "", none, none, none, none, "", "", "")
		}
		n, err := tx.Exec(m.query, args...)
		if err != nil {
			return fresh, err
		}
		fresh, all = fresh+n, all[m.n:]
	}
	return fresh, nil
}

func (p *packet) insert(tx *store.Tx) error {
	_, err := tx.Exec(`INSERT INTO channel_packet (id, channel, kind, channel_kind, sort, ref, n, items, seal_key, created_at, expires_at, delete_at) VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		p.id, p.channel, string(p.kind), string(p.ref.Origin), p.ref.ID, int64(len(p.items)), p.sealed, p.key, millis(p.created), millis(p.until), millis(p.delete))
	return err
}

func (p *packet) drop(tx *store.Tx) error {
	_, err := tx.Exec(`DELETE FROM channel_packet WHERE id = $1`, p.id)
	return err
}

// firstPacket is the oldest of a channel, still sealed; nil: there is none.
func firstPacket(tx *store.Tx, c *channel) (*packet, error) {
	p := &packet{channel: c.name, kind: c.kind}
	var sort string
	var created, until, deletion int64
	err := tx.Row(`SELECT id, sort, ref, items, seal_key, created_at, expires_at, delete_at FROM channel_packet WHERE channel = $1 AND kind = $2 ORDER BY created_at, id LIMIT 1`, c.name, string(c.kind)).
		Scan(&p.id, &sort, &p.ref.ID, &p.sealed, &p.key, &created, &until, &deletion)
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	p.ref.Origin, p.created, p.until, p.delete = Origin(sort), moment(created), moment(until), moment(deletion)
	return p, err
}

// dueBefore counts what is due by a time, at most limit.
func dueBefore(tx *store.Tx, c *channel, at time.Time, limit int) (n int, err error) {
	err = tx.Row(`SELECT COUNT(*) FROM (SELECT 1 FROM channel_dispatch WHERE channel = $1 AND kind = $2 AND state IN ('waiting', 'sending') AND due <= $3 LIMIT $4) x`,
		c.name, string(c.kind), millis(at), limit).Scan(&n)
	return n, err
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
	if err := tx.Row(`SELECT COALESCE(MIN(due), 0) FROM channel_dispatch WHERE channel = $1 AND kind = $2 AND state IN ('waiting', 'sending')`, c.name, string(c.kind)).Scan(&at); err != nil {
		return time.Time{}, err
	}
	var packet int64
	err := tx.Row(`SELECT COALESCE(MIN(created_at), 0) FROM channel_packet WHERE channel = $1 AND kind = $2`, c.name, string(c.kind)).Scan(&packet)
	if at == 0 || packet > 0 && packet < at {
		at = packet
	}
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
	var packed int64
	if err := tx.Row(`SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM channel_packet WHERE channel = $1 AND kind = $2`, c.name, string(c.kind)).Scan(&packed); err != nil {
		return nil, err
	}
	err := each(tx, func(scan func(...any) error) error {
		var state string
		var n int64
		err := scan(&state, &n)
		all[State(state)] = n
		return err
	}, `SELECT state, COUNT(*) FROM channel_dispatch WHERE channel = $1 AND kind = $2 GROUP BY state`, c.name, string(c.kind))
	if packed > 0 {
		all[Waiting] += packed
	}
	return all, err
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
	}, `SELECT seal_key FROM channel_dispatch WHERE delete_at <= $1 UNION SELECT seal_key FROM channel_packet WHERE delete_at <= $1`, millis(now)); err != nil {
		return 0, nil, err
	}
	packets, err := tx.Exec(`DELETE FROM channel_packet WHERE delete_at <= $1`, millis(now))
	if err != nil {
		return 0, nil, err
	}
	if n, err = tx.Exec(`DELETE FROM channel_dispatch WHERE delete_at <= $1`, millis(now)); err != nil || n+packets == 0 {
		return n, nil, err
	}
	n += packets
	// What a packet says can't be seen from outside: while one waits, all texts stay.
	if _, err := tx.Exec(`DELETE FROM channel_text WHERE NOT EXISTS (SELECT 1 FROM channel_dispatch d WHERE d.content = channel_text.id) AND NOT EXISTS (SELECT 1 FROM channel_packet)`); err != nil {
		return n, nil, err
	}
	for _, k := range old {
		var left int64
		if err := tx.Row(`SELECT (SELECT COUNT(*) FROM channel_dispatch WHERE seal_key = $1) + (SELECT COUNT(*) FROM channel_packet WHERE seal_key = $1)`, k).Scan(&left); err != nil {
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
	if _, err := tx.Exec(`UPDATE channel_packet SET expires_at = 0`); err != nil {
		return fmt.Errorf("channel: restore: %w", err)
	}
	return nil
}
