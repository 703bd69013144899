package warning

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"trojmezi/internal/alert/feed"
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

func encode(v any) (string, error) {
	raw, err := json.Marshal(v)
	return string(raw), err
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

const seriesColumns = `kind, feed, series, whole, whole_id, issued, fetched, quiet, no_data, listed`

func scanSeries(scan func(...any) error) (*Series, error) {
	s := &Series{}
	var issued, fetched, quiet, noData, listed int64
	if err := scan(&s.Kind, &s.Feed, &s.Name, &s.Whole, &s.WholeID, &issued, &fetched, &quiet, &noData, &listed); err != nil {
		return nil, err
	}
	s.Issued, s.Fetched, s.Quiet, s.NoData, s.Count = moment(issued), moment(fetched), int(quiet), int(noData), int(listed)
	return s, nil
}

// wholes reads when whole documents of a series came.
func wholes(tx *store.Tx, s *Series) error {
	return each(tx, func(scan func(...any) error) error {
		var at int64
		err := scan(&at)
		s.Wholes = append(s.Wholes, at)
		return err
	}, `SELECT DISTINCT place FROM warning_document WHERE kind = $1 AND feed = $2 AND series = $3 AND whole = 1 ORDER BY place`, string(s.Kind), s.Feed, s.Name)
}

// seriesBy is a series; nil: nothing of it came yet.
func seriesBy(tx *store.Tx, kind store.Kind, feedName, name string) (s *Series, err error) {
	err = each(tx, func(scan func(...any) error) (err error) {
		s, err = scanSeries(scan)
		return err
	}, `SELECT `+seriesColumns+` FROM warning_series WHERE kind = $1 AND feed = $2 AND series = $3`, string(kind), feedName, name)
	if err != nil || s == nil {
		return nil, err
	}
	return s, wholes(tx, s)
}

func putSeries(tx *store.Tx, s *Series) error {
	_, err := tx.Exec(`INSERT INTO warning_series (`+seriesColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (kind, feed, series) DO UPDATE SET whole = excluded.whole, whole_id = excluded.whole_id, issued = excluded.issued,
			fetched = excluded.fetched, quiet = excluded.quiet, no_data = excluded.no_data, listed = excluded.listed`,
		string(s.Kind), s.Feed, s.Name, s.Whole, s.WholeID, millis(s.Issued), millis(s.Fetched), s.Quiet, s.NoData, s.Count)
	return err
}

// Stored is a document as it is listed.
type Stored struct {
	ID, Feed, Series, Digest, Issued string
	Link                             string // Fetched.Link
	Kind                             store.Kind
	Size                             int64
	Fetched, Again                   time.Time
}

func documentByID(tx *store.Tx, id string) (d Stored, err error) {
	var fetched, again int64
	err = tx.Row(`SELECT id, kind, feed, series, digest, link, size, issued, fetched, again FROM warning_document WHERE id = $1`, id).
		Scan(&d.ID, &d.Kind, &d.Feed, &d.Series, &d.Digest, &d.Link, &d.Size, &d.Issued, &fetched, &again)
	d.Fetched, d.Again = moment(fetched), moment(again)
	return d, err
}

// documentAgain notes that a document was fetched once more; known: it is here.
func documentAgain(tx *store.Tx, id string, at time.Time) (known bool, err error) {
	n, err := tx.Exec(`UPDATE warning_document SET again = CASE WHEN again < $2 THEN $2 ELSE again END WHERE id = $1`, id, millis(at))
	return n > 0, err
}

func documentDigest(tx *store.Tx, id string) (digest string, place int64, err error) {
	err = tx.Row(`SELECT digest, place FROM warning_document WHERE id = $1`, id).Scan(&digest, &place)
	return digest, place, err
}

func putDocument(tx *store.Tx, doc *Document, d Fetched, place int64, r *feed.Reading) error {
	deviations, err := encode(r.Deviations)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO warning_document (id, kind, feed, series, digest, size, place, whole, issued, fetched, again, warnings, deviations, link)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		doc.ID, string(d.Kind), d.Feed, d.Series, d.Ref.String(), d.Size, place, bit(r.Whole), r.Issued.Text, millis(doc.Fetched), millis(doc.Fetched), len(r.Warnings), deviations, d.Link)
	return err
}

// seenAgain notes that everything that stood in the newest document of a series still
// does.
func seenAgain(tx *store.Tx, series string, was, now int64) error {
	_, err := tx.Exec(`UPDATE warning_seen SET last_at = $3 WHERE series = $1 AND last_at = $2`, series, was, now)
	return err
}

// versionKey is a run as it stands in the table.
type versionKey struct {
	bare   bool
	from   Order
	digest string
}

// versionsOf are the runs of a copy with their ends.
func versionsOf(c *Copy) map[versionKey]Order {
	all := map[versionKey]Order{}
	for i, runs := range [][]Run{c.Full, c.Bare} {
		for _, r := range runs {
			all[versionKey{i == 1, r.From, r.From.Digest}] = r.To
		}
	}
	return all
}

const (
	copyColumns    = `id, kind, source, native, seq, first_at`
	seenColumns    = `copy, series, first_at, last_at, every`
	versionColumns = `copy, bare, from_sent, from_doc, to_sent, to_doc, digest, content, received, document`
)

func scanCopy(scan func(...any) error) (*Copy, error) {
	c := &Copy{Seen: map[string]Span{}}
	var first int64
	err := scan(&c.ID, &c.Kind, &c.Source, &c.Native, &c.Seq, &first)
	c.First = moment(first)
	return c, err
}

// seenIn adds a row of what series carried copies.
func seenIn(copies map[string]*Copy) func(scan func(...any) error) error {
	return func(scan func(...any) error) error {
		var id, series, every string
		var s Span
		if err := scan(&id, &series, &s.First, &s.Last, &every); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(every), &s.All); err != nil {
			return err
		}
		if c := copies[id]; c != nil {
			c.Seen[series] = s
		}
		return nil
	}
}

// versionOf adds a row of what copies said; rows come in their order.
func versionOf(copies map[string]*Copy) func(scan func(...any) error) error {
	return func(scan func(...any) error) error {
		var id, digest, content string
		var bare, received int64
		var r Run
		if err := scan(&id, &bare, &r.From.Sent, &r.From.Doc, &r.To.Sent, &r.To.Doc, &digest, &content, &received, &r.Document); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(content), &r.Content); err != nil {
			return err
		}
		r.From.Digest, r.To.Digest, r.Received = digest, digest, moment(received)
		c := copies[id]
		switch {
		case c == nil:
		case bare == 1:
			c.Bare = append(c.Bare, r)
		default:
			c.Full = append(c.Full, r)
		}
		return nil
	}
}

const versionOrder = ` ORDER BY copy, from_sent, from_doc, digest`

func copyByID(tx *store.Tx, id string) (*Copy, error) {
	c, err := scanCopy(tx.Row(`SELECT `+copyColumns+` FROM warning_copy WHERE id = $1`, id).Scan)
	if err != nil {
		return nil, err
	}
	only := map[string]*Copy{id: c}
	if err := each(tx, seenIn(only), `SELECT `+seenColumns+` FROM warning_seen WHERE copy = $1`, id); err != nil {
		return nil, err
	}
	return c, each(tx, versionOf(only), `SELECT `+versionColumns+` FROM warning_version WHERE copy = $1`+versionOrder, id)
}

// putCopy writes what a document changed of a copy. before are its versions as they
// stand in the table; nil: it is new.
func putCopy(tx *store.Tx, c *Copy, before map[versionKey]Order, series string) error {
	if _, err := tx.Exec(`INSERT INTO warning_copy (`+copyColumns+`) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (id) DO UPDATE SET first_at = excluded.first_at`, c.ID, string(c.Kind), c.Source, c.Native, c.Seq, millis(c.First)); err != nil {
		return err
	}
	s := c.Seen[series]
	every, err := encode(s.All)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO warning_seen (`+seenColumns+`) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (copy, series) DO UPDATE SET first_at = excluded.first_at, last_at = excluded.last_at, every = excluded.every`,
		c.ID, series, s.First, s.Last, every); err != nil {
		return err
	}
	for i, runs := range [][]Run{c.Full, c.Bare} {
		for _, r := range runs {
			key := versionKey{i == 1, r.From, r.From.Digest}
			was, known := before[key]
			delete(before, key)
			if known && was == r.To {
				continue
			}
			content, err := encode(r.Content)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO warning_version (`+versionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
				ON CONFLICT (copy, bare, from_sent, from_doc, digest) DO UPDATE SET to_sent = excluded.to_sent, to_doc = excluded.to_doc,
					received = excluded.received, document = excluded.document`,
				c.ID, bit(i == 1), r.From.Sent, r.From.Doc, r.To.Sent, r.To.Doc, r.From.Digest, content, millis(r.Received), r.Document); err != nil {
				return err
			}
		}
	}
	for key := range before { // runs that another has parted or begun earlier
		if _, err := tx.Exec(`DELETE FROM warning_version WHERE copy = $1 AND bare = $2 AND from_sent = $3 AND from_doc = $4 AND digest = $5`,
			c.ID, bit(key.bare), key.from.Sent, key.from.Doc, key.digest); err != nil {
			return err
		}
	}
	return nil
}

// readBook reads everything. What an older book knows already is not taken apart again,
// and a copy that is as it was there is the same one.
func readBook(tx *store.Tx, old *Book) (*Book, error) {
	b := NewBook()
	if old == nil {
		old = NewBook()
	} else {
		b.index = old.index
	}
	var err error
	if b.count, err = changes(tx); err != nil {
		return nil, err
	}
	if err := each(tx, func(scan func(...any) error) error {
		s, err := scanSeries(scan)
		if err == nil {
			b.Series[s.Key()] = s
		}
		return err
	}, `SELECT `+seriesColumns+` FROM warning_series`); err != nil {
		return nil, err
	}
	for _, s := range b.Series {
		if err := wholes(tx, s); err != nil {
			return nil, err
		}
	}
	if err := each(tx, func(scan func(...any) error) error {
		c, err := scanCopy(scan)
		if err == nil {
			b.Copies[c.ID] = c
		}
		return err
	}, `SELECT `+copyColumns+` FROM warning_copy`); err != nil {
		return nil, err
	}
	if err := each(tx, seenIn(b.Copies), `SELECT `+seenColumns+` FROM warning_seen`); err != nil {
		return nil, err
	}
	if err := b.readVersions(tx, old); err != nil {
		return nil, err
	}
	for id, c := range b.Copies {
		if was := old.Copies[id]; was != nil && was.same(c) {
			b.Copies[id] = was
			if f := old.facts[was]; f != nil {
				b.facts[was] = f
			}
		}
	}
	return b, each(tx, func(scan func(...any) error) error {
		d, err := scanDecision(scan)
		b.Decisions = append(b.Decisions, d)
		return err
	}, `SELECT `+decisionColumns+` FROM warning_decision ORDER BY at, id`)
}

// fewNew is up to how many new copies are asked for one by one.
const fewNew = 50

// readVersions reads what the copies said: the contents that an older book lacks.
func (b *Book) readVersions(tx *store.Tx, old *Book) error {
	if len(old.Copies) == 0 {
		return each(tx, versionOf(b.Copies), `SELECT `+versionColumns+` FROM warning_version`+versionOrder)
	}
	known := map[string]map[versionKey]*Run{}
	fresh := map[string]*Copy{}
	err := each(tx, func(scan func(...any) error) error {
		var id, digest string
		var bare, received int64
		var r Run
		if err := scan(&id, &bare, &r.From.Sent, &r.From.Doc, &r.To.Sent, &r.To.Doc, &digest, &received, &r.Document); err != nil {
			return err
		}
		c := b.Copies[id]
		if c == nil || fresh[id] != nil {
			return nil
		}
		if known[id] == nil {
			known[id] = old.Copies[id].runsByKey()
		}
		r.From.Digest, r.To.Digest, r.Received = digest, digest, moment(received)
		was := known[id][versionKey{bare == 1, r.From, digest}]
		if was == nil { // what a row says never changes, so that only a new one is read
			fresh[id] = c
			c.Full, c.Bare = nil, nil
			return nil
		}
		r.Content = was.Content
		if bare == 1 {
			c.Bare = append(c.Bare, r)
		} else {
			c.Full = append(c.Full, r)
		}
		return nil
	}, `SELECT copy, bare, from_sent, from_doc, to_sent, to_doc, digest, received, document FROM warning_version`+versionOrder)
	if err != nil {
		return err
	}
	if len(fresh) > fewNew {
		return each(tx, versionOf(fresh), `SELECT `+versionColumns+` FROM warning_version`+versionOrder)
	}
	for id := range fresh {
		if err := each(tx, versionOf(fresh), `SELECT `+versionColumns+` FROM warning_version WHERE copy = $1`+versionOrder, id); err != nil {
			return err
		}
	}
	return nil
}

// runsByKey are the runs of a copy by their rows; nil of none.
func (c *Copy) runsByKey() map[versionKey]*Run {
	if c == nil {
		return nil
	}
	all := map[versionKey]*Run{}
	for i, runs := range [][]Run{c.Full, c.Bare} {
		for n := range runs {
			all[versionKey{i == 1, runs[n].From, runs[n].From.Digest}] = &runs[n]
		}
	}
	return all
}

// same reports whether a copy, read again, is as it was.
func (c *Copy) same(d *Copy) bool {
	runs := func(a, b Run) bool {
		return a.From == b.From && a.To == b.To && a.Document == b.Document && a.Received.Equal(b.Received)
	}
	return c.Kind == d.Kind && c.Source == d.Source && c.Native == d.Native && c.Seq == d.Seq && c.First.Equal(d.First) &&
		slices.EqualFunc(c.Full, d.Full, runs) && slices.EqualFunc(c.Bare, d.Bare, runs) &&
		maps.EqualFunc(c.Seen, d.Seen, func(a, b Span) bool { return a.First == b.First && a.Last == b.Last && slices.Equal(a.All, b.All) })
}

const decisionColumns = `id, kind, joins, one_side, other, at, person, reason, undone_at, undone_by`

func scanDecision(scan func(...any) error) (d Decision, err error) {
	var joins int64
	var left, right string
	if err := scan(&d.ID, &d.Kind, &joins, &left, &right, &d.At, &d.Person, &d.Reason, &d.UndoneAt, &d.UndoneBy); err != nil {
		return d, err
	}
	d.Join = joins == 1
	if err := json.Unmarshal([]byte(left), &d.Left); err != nil {
		return d, err
	}
	return d, json.Unmarshal([]byte(right), &d.Right)
}

func decisionByID(tx *store.Tx, id string) (Decision, error) {
	return scanDecision(tx.Row(`SELECT `+decisionColumns+` FROM warning_decision WHERE id = $1`, id).Scan)
}

func putDecision(tx *store.Tx, d *Decision) error {
	left, err := encode(d.Left)
	if err != nil {
		return err
	}
	right, err := encode(d.Right)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO warning_decision (`+decisionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		d.ID, string(d.Kind), bit(d.Join), left, right, d.At, d.Person, d.Reason, d.UndoneAt, d.UndoneBy)
	return err
}

func undoDecision(tx *store.Tx, id string, at time.Time, person string) error {
	_, err := tx.Exec(`UPDATE warning_decision SET undone_at = $2, undone_by = $3 WHERE id = $1`, id, millis(at), person)
	return err
}

// changes is how often the book was changed.
func changes(tx *store.Tx) (n int64, err error) {
	err = tx.Row(`SELECT COALESCE(MAX(changes), 0) FROM warning_count`).Scan(&n)
	return n, err
}

func countUp(tx *store.Tx) error {
	_, err := tx.Exec(`INSERT INTO warning_count (id, changes, seq) VALUES (1, 1, 0) ON CONFLICT (id) DO UPDATE SET changes = warning_count.changes + 1`)
	return err
}

func nextSeq(tx *store.Tx) (n int64, err error) {
	if _, err := tx.Exec(`INSERT INTO warning_count (id, changes, seq) VALUES (1, 0, 1) ON CONFLICT (id) DO UPDATE SET seq = warning_count.seq + 1`); err != nil {
		return 0, err
	}
	err = tx.Row(`SELECT seq FROM warning_count WHERE id = 1`).Scan(&n)
	return n, err
}

func dropCopy(tx *store.Tx, id string) error {
	for _, query := range []string{`DELETE FROM warning_version WHERE copy = $1`, `DELETE FROM warning_seen WHERE copy = $1`, `DELETE FROM warning_copy WHERE id = $1`} {
		if _, err := tx.Exec(query, id); err != nil {
			return err
		}
	}
	return nil
}

// dropDocuments deletes those that were fetched before a time for the last time and
// that nothing refers to; digests are of bytes that no document has any more.
func dropDocuments(tx *store.Tx, before time.Time) (digests []string, err error) {
	var ids []string
	all := map[string]bool{}
	if err := each(tx, func(scan func(...any) error) error {
		var id, digest string
		err := scan(&id, &digest)
		ids = append(ids, id)
		if digest != "" {
			all[digest] = true
		}
		return err
	}, `SELECT id, CASE WHEN link = '' THEN digest ELSE '' END FROM warning_document d WHERE again < $1
		AND NOT EXISTS (SELECT 1 FROM warning_version v WHERE v.document = d.id) AND NOT EXISTS (SELECT 1 FROM warning_series s WHERE s.whole_id = d.id)`, millis(before)); err != nil {
		return nil, err
	}
	for _, id := range ids {
		if _, err := tx.Exec(`DELETE FROM warning_document WHERE id = $1`, id); err != nil {
			return nil, err
		}
	}
	for digest := range all {
		var n int64
		if err := tx.Row(`SELECT COUNT(*) FROM warning_document WHERE digest = $1`, digest).Scan(&n); err != nil {
			return nil, err
		}
		if n == 0 {
			digests = append(digests, digest)
		}
	}
	slices.Sort(digests)
	return digests, nil
}
