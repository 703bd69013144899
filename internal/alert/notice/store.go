package notice

import (
	"encoding/json"
	"errors"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// row is a notice with its steps.
type row struct {
	ID, Organisation string
	Kind             store.Kind
	At               time.Time
	Events           []Event
}

func (n *row) insert(tx *store.Tx) error {
	_, err := tx.Exec(`INSERT INTO notice (id, organisation, kind, at) VALUES ($1, $2, $3, $4)`, n.ID, n.Organisation, string(n.Kind), n.At.UnixMilli())
	return err
}

func putEvent(tx *store.Tx, n *row, e Event) error {
	_, err := tx.Exec(`INSERT INTO notice_event (notice, seq, kind, step, purpose, content, person, reason, second, fit, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		n.ID, int64(len(n.Events)+1), string(n.Kind), string(e.Step), string(e.Purpose), int64(e.Content), e.Person, e.Reason, flag(e.Second), flag(e.Right), e.At.UnixMilli())
	return err
}

// load reads a notice; problem NotFound.
func load(tx *store.Tx, id string) (*row, error) {
	n := &row{ID: id}
	var kind string
	var ms int64
	err := tx.Row(`SELECT organisation, kind, at FROM notice WHERE id = $1`, id).Scan(&n.Organisation, &kind, &ms)
	if errors.Is(err, store.ErrNoRows) {
		return nil, problem.New("notice.load", problem.NotFound, "notice.not_found", nil)
	}
	if err != nil {
		return nil, err
	}
	n.Kind, n.At = store.Kind(kind), at(ms)
	return n, events(tx, map[string]*row{id: n}, `SELECT notice, step, purpose, content, person, reason, second, fit, at FROM notice_event WHERE notice = $1 ORDER BY seq`, id)
}

func events(tx *store.Tx, of map[string]*row, query string, args ...any) error {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var e Event
		var id, step, purpose string
		var content, second, fit, ms int64
		if err := rows.Scan(&id, &step, &purpose, &content, &e.Person, &e.Reason, &second, &fit, &ms); err != nil {
			return err
		}
		e.Step, e.Purpose, e.Content, e.Second, e.Right, e.At = Step(step), Purpose(purpose), int(content), second == 1, fit == 1, at(ms)
		if n := of[id]; n != nil {
			n.Events = append(n.Events, e)
		}
	}
	return rows.Err()
}

// mostListed bounds the list: who looks for older ones has the archive of what went out.
const mostListed = 200

// list reads the newest notices of an organisation, of all for "".
func list(tx *store.Tx, organisation string) (all []*row, err error) {
	rows, err := tx.Query(`SELECT id, organisation, kind, at FROM notice WHERE $1 = '' OR organisation = $1 ORDER BY at DESC, id DESC LIMIT $2`, organisation, mostListed)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	of := map[string]*row{}
	for rows.Next() {
		n := &row{}
		var kind string
		var ms int64
		if err := rows.Scan(&n.ID, &n.Organisation, &kind, &ms); err != nil {
			return nil, err
		}
		n.Kind, n.At = store.Kind(kind), at(ms)
		all, of[n.ID] = append(all, n), n
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return all, events(tx, of, `SELECT e.notice, e.step, e.purpose, e.content, e.person, e.reason, e.second, e.fit, e.at FROM notice_event e
		JOIN (SELECT id FROM notice WHERE $1 = '' OR organisation = $1 ORDER BY at DESC, id DESC LIMIT $2) n ON n.id = e.notice ORDER BY e.notice, e.seq`, organisation, mostListed)
}

func putContent(tx *store.Tx, n *row, number int, c *Content) error {
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO notice_content (notice, content, kind, body) VALUES ($1, $2, $3, $4)`, n.ID, int64(number), string(n.Kind), string(body))
	return err
}

func content(tx *store.Tx, notice string, number int) (*Content, error) {
	var body string
	if err := tx.Row(`SELECT body FROM notice_content WHERE notice = $1 AND content = $2`, notice, int64(number)).Scan(&body); err != nil {
		return nil, err
	}
	c := &Content{}
	return c, json.Unmarshal([]byte(body), c)
}

// Publication is a message that went out.
type Publication struct {
	Notice             string
	Revision           int
	Kind               store.Kind
	Organisation       string
	Identifier, Sender string
	Sent, Expires      time.Time
	Purpose            Purpose
	Titles             map[i18n.Lang]string
	Document           []byte // CAP, signed
}

func (p *Publication) insert(tx *store.Tx) error {
	title, err := json.Marshal(p.Titles)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO notice_published (notice, revision, kind, organisation, identifier, sender, sent, expires, purpose, title, document)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		p.Notice, int64(p.Revision), string(p.Kind), p.Organisation, p.Identifier, p.Sender, p.Sent.UnixMilli(), p.Expires.UnixMilli(), string(p.Purpose), string(title), string(p.Document))
	return err
}

const publication = `SELECT notice, revision, kind, organisation, identifier, sender, sent, expires, purpose, title, document FROM notice_published `

func publications(tx *store.Tx, where string, args ...any) (all []*Publication, err error) {
	rows, err := tx.Query(publication+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		p := &Publication{}
		var kind, purpose, title, document string
		var revision, sent, expires int64
		if err := rows.Scan(&p.Notice, &revision, &kind, &p.Organisation, &p.Identifier, &p.Sender, &sent, &expires, &purpose, &title, &document); err != nil {
			return nil, err
		}
		p.Revision, p.Kind, p.Purpose, p.Sent, p.Expires, p.Document = int(revision), store.Kind(kind), Purpose(purpose), at(sent), at(expires), []byte(document)
		if err := json.Unmarshal([]byte(title), &p.Titles); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, rows.Err()
}

// published are the messages of a notice, the oldest first.
func published(tx *store.Tx, notice string) ([]*Publication, error) {
	return publications(tx, `WHERE notice = $1 ORDER BY revision`, notice)
}

// newest are the last messages of the notices of a kind that hold after a moment.
func newest(tx *store.Tx, kind store.Kind, since time.Time) ([]*Publication, error) {
	return publications(tx, `WHERE kind = $1 AND expires >= $2 AND revision = (SELECT MAX(o.revision) FROM notice_published o WHERE o.notice = notice_published.notice) ORDER BY sent DESC, identifier LIMIT 500`,
		string(kind), since.UnixMilli())
}

// written are the templates of the product, oldest first.
func written(tx *store.Tx) (all []*Template, err error) {
	rows, err := tx.Query(`SELECT id, version, body, retired, at, person FROM notice_template ORDER BY seq`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		t := &Template{}
		var id, version, body, person string
		var retired, ms int64
		if err := rows.Scan(&id, &version, &body, &retired, &ms, &person); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(body), t); err != nil {
			return nil, err
		}
		t.ID, t.Version, t.Retired, t.From, t.By = id, version, retired == 1, at(ms), person
		all = append(all, t)
	}
	return all, rows.Err()
}

func (t *Template) insert(tx *store.Tx, now time.Time) error {
	c := *t
	c.Checked = nil
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO notice_template (seq, id, version, body, retired, at, person)
		VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM notice_template), $1, $2, $3, $4, $5, $6)`,
		t.ID, t.Version, string(body), flag(t.Retired), now.UnixMilli(), t.By)
	return err
}

// mark is a text that somebody found right, or took that back.
type mark struct {
	id, version string
	lang        i18n.Lang
	checked     bool
	Check
}

func marks(tx *store.Tx) (all []mark, err error) {
	rows, err := tx.Query(`SELECT id, version, lang, checked, at, person FROM notice_check ORDER BY seq`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var m mark
		var lang string
		var checked, ms int64
		if err := rows.Scan(&m.id, &m.version, &lang, &checked, &ms, &m.By); err != nil {
			return nil, err
		}
		m.lang, m.checked, m.At = i18n.Lang(lang), checked == 1, at(ms)
		all = append(all, m)
	}
	return all, rows.Err()
}

func (m mark) insert(tx *store.Tx) error {
	_, err := tx.Exec(`INSERT INTO notice_check (seq, id, version, lang, checked, at, person)
		VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM notice_check), $1, $2, $3, $4, $5, $6)`,
		m.id, m.version, string(m.lang), flag(m.checked), m.At.UnixMilli(), m.By)
	return err
}

// end takes a delegation or a turn of duty back; 0 when it was already.
func end(tx *store.Tx, id, person string, now time.Time) (int64, error) {
	return tx.Exec(`INSERT INTO notice_ended (id, person, at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING`, id, person, now.UnixMilli())
}

func (d *Delegation) insert(tx *store.Tx, now time.Time) error {
	_, err := tx.Exec(`INSERT INTO notice_delegation (id, organisation, deputy, person, role, since, until, reason, granted_by, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		d.ID, d.Organisation, d.Deputy, d.Person, d.Role, d.Since.UnixMilli(), d.Until.UnixMilli(), d.Reason, d.By, now.UnixMilli())
	return err
}

// delegations are those an organisation gave, or has as deputy, the newest first.
func delegations(tx *store.Tx, organisation string) (all []Delegation, err error) {
	rows, err := tx.Query(`SELECT d.id, d.organisation, d.deputy, d.person, d.role, d.since, d.until, d.reason, d.granted_by, d.at, COALESCE(e.at, 0), COALESCE(e.person, '')
		FROM notice_delegation d LEFT JOIN notice_ended e ON e.id = d.id WHERE d.organisation = $1 OR d.deputy = $1 ORDER BY d.at DESC, d.id LIMIT 500`, organisation)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d Delegation
		var since, until, ms, ended int64
		if err := rows.Scan(&d.ID, &d.Organisation, &d.Deputy, &d.Person, &d.Role, &since, &until, &d.Reason, &d.By, &ms, &ended, &d.EndedBy); err != nil {
			return nil, err
		}
		d.Since, d.Until, d.At = at(since), at(until), at(ms)
		if ended != 0 {
			d.Ended = at(ended)
		}
		all = append(all, d)
	}
	return all, rows.Err()
}

func (d *Duty) insert(tx *store.Tx, now time.Time) error {
	_, err := tx.Exec(`INSERT INTO notice_duty (id, organisation, person, phone, since, until, entered_by, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		d.ID, d.Organisation, d.Person, d.Phone, d.Since.UnixMilli(), d.Until.UnixMilli(), d.By, now.UnixMilli())
	return err
}

// duties are an organisation's turns that end after a time, in order.
func duties(tx *store.Tx, organisation string, after time.Time) (all []Duty, err error) {
	rows, err := tx.Query(`SELECT d.id, d.person, d.phone, d.since, d.until, d.entered_by FROM notice_duty d
		WHERE d.organisation = $1 AND d.until > $2 AND NOT EXISTS (SELECT 1 FROM notice_ended e WHERE e.id = d.id) ORDER BY d.since, d.id LIMIT 500`, organisation, after.UnixMilli())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		d := Duty{Organisation: organisation}
		var since, until int64
		if err := rows.Scan(&d.ID, &d.Person, &d.Phone, &since, &until, &d.By); err != nil {
			return nil, err
		}
		d.Since, d.Until = at(since), at(until)
		all = append(all, d)
	}
	return all, rows.Err()
}

// ownerOf is the organisation a delegation or turn of duty belongs to, "" for none.
func ownerOf(tx *store.Tx, id string) (organisation string, err error) {
	err = tx.Row(`SELECT organisation FROM notice_delegation WHERE id = $1 UNION ALL SELECT organisation FROM notice_duty WHERE id = $1`, id).Scan(&organisation)
	if errors.Is(err, store.ErrNoRows) {
		return "", problem.New("notice.owner", problem.NotFound, "", nil)
	}
	return organisation, err
}

// keys reads the newest signing key, nil without.
func keys(tx *store.Tx) (cert, key []byte, err error) {
	err = tx.Row(`SELECT cert, key FROM notice_key ORDER BY seq DESC LIMIT 1`).Scan(&cert, &key)
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil, nil
	}
	return cert, key, err
}

func putKey(tx *store.Tx, cert, key []byte, now time.Time) error {
	_, err := tx.Exec(`INSERT INTO notice_key (seq, cert, key, at) VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM notice_key), $1, $2, $3)`, cert, key, now.UnixMilli())
	return err
}
