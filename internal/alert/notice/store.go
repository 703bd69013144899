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

// farDeputy is what a deputy at another node has said.
type farDeputy struct {
	Delegation, Other, Organisation string
	Kind                            store.Kind
	Agreed, Heard                   time.Time
	Duty                            []wireDuty
	Failed                          string // key of why he could not be asked
}

func (d *farDeputy) put(tx *store.Tx) error {
	duty, err := json.Marshal(d.Duty)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO notice_far_deputy (delegation, other, organisation, kind, agreed, heard, duty, failed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (delegation) DO UPDATE SET agreed = excluded.agreed, heard = excluded.heard, duty = excluded.duty, failed = excluded.failed`,
		d.Delegation, d.Other, d.Organisation, string(d.Kind), msOf(d.Agreed), msOf(d.Heard), string(duty), d.Failed)
	return err
}

// farDeputyOf finds it; nil: none.
func farDeputyOf(tx *store.Tx, delegation string) (*farDeputy, error) {
	d := &farDeputy{Delegation: delegation}
	var kind, duty string
	var agreed, heard int64
	err := tx.Row(`SELECT other, organisation, kind, agreed, heard, duty, failed FROM notice_far_deputy WHERE delegation = $1`, delegation).Scan(&d.Other, &d.Organisation, &kind, &agreed, &heard, &duty, &d.Failed)
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d.Kind, d.Agreed, d.Heard = store.Kind(kind), zeroAt(agreed), zeroAt(heard)
	return d, json.Unmarshal([]byte(duty), &d.Duty)
}

// msOf and zeroAt keep the zero time as 0.
func msOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func zeroAt(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return at(ms)
}

// Asking is somebody at another node for whom officers here were asked to answer.
type Asking struct {
	Other, ID, Organisation string
	Kind                    store.Kind
	Name, Role, Reason      string
	Since, Until, At        time.Time
	Agreed, Ended           time.Time
	AgreedBy, EndedBy       string // persons; "" is the other side
}

// inForce reports whether requests by it are taken at a moment.
func (a *Asking) inForce(now time.Time) bool {
	return !a.Agreed.IsZero() && a.Ended.IsZero() && !now.Before(a.Since) && now.Before(a.Until)
}

func (a *Asking) insert(tx *store.Tx) (bool, error) {
	n, err := tx.Exec(`INSERT INTO notice_far_delegation (other, id, organisation, kind, name, role, reason, since, until, at, agreed, agreed_by, ended, ended_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, '', 0, '') ON CONFLICT (other, id) DO NOTHING`,
		a.Other, a.ID, a.Organisation, string(a.Kind), a.Name, a.Role, a.Reason, msOf(a.Since), msOf(a.Until), msOf(a.At))
	return n == 1, err
}

func askings(tx *store.Tx, where string, args ...any) (all []*Asking, err error) {
	rows, err := tx.Query(`SELECT other, id, organisation, kind, name, role, reason, since, until, at, agreed, agreed_by, ended, ended_by FROM notice_far_delegation `+where+` ORDER BY at DESC, other, id LIMIT 500`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		a := &Asking{}
		var kind string
		var since, until, at, agreed, ended int64
		if err := rows.Scan(&a.Other, &a.ID, &a.Organisation, &kind, &a.Name, &a.Role, &a.Reason, &since, &until, &at, &agreed, &a.AgreedBy, &ended, &a.EndedBy); err != nil {
			return nil, err
		}
		a.Kind, a.Since, a.Until, a.At, a.Agreed, a.Ended = store.Kind(kind), zeroAt(since), zeroAt(until), zeroAt(at), zeroAt(agreed), zeroAt(ended)
		all = append(all, a)
	}
	return all, rows.Err()
}

func agree(tx *store.Tx, other, id, person string, now time.Time) (int64, error) {
	return tx.Exec(`UPDATE notice_far_delegation SET agreed = $3, agreed_by = $4 WHERE other = $1 AND id = $2 AND agreed = 0 AND ended = 0`, other, id, msOf(now), person)
}

func endAsking(tx *store.Tx, other, id, person string, now time.Time) (int64, error) {
	return tx.Exec(`UPDATE notice_far_delegation SET ended = $3, ended_by = $4 WHERE other = $1 AND id = $2 AND ended = 0`, other, id, msOf(now), person)
}

// FarRequest is a request that went to another node, with what came back.
type FarRequest struct {
	ID, Notice        string
	Content           int
	Kind              store.Kind
	Delegation, Other string
	Body, Digest      string
	At                time.Time
	Letter            int64
	Failed            string // key of why it did not go, or of why its answer did not count
	Closed            time.Time
	Why               string // the step that closed it
	Answer            string // "", or a Step
	Draft             bool   // who answered was told of texts nobody has found right
	Name, Reason      string // of who answered
	Answered, Came    time.Time
	Late              bool
	// Place and Reached are for pages.
	Place   string
	Reached time.Time
}

func (q *FarRequest) insert(tx *store.Tx) error {
	_, err := tx.Exec(`INSERT INTO notice_far_request (id, notice, content, kind, delegation, other, body, digest, at, letter, failed, closed, why, answer, draft, name, reason, answered, came, late)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, '', 0, '', '', 0, '', '', 0, 0, 0)`,
		q.ID, q.Notice, int64(q.Content), string(q.Kind), q.Delegation, q.Other, q.Body, q.Digest, msOf(q.At))
	return err
}

// update writes what changes in a request.
func (q *FarRequest) update(tx *store.Tx) error {
	_, err := tx.Exec(`UPDATE notice_far_request SET letter = $2, failed = $3, closed = $4, why = $5, answer = $6, draft = $7, name = $8, reason = $9, answered = $10, came = $11, late = $12 WHERE id = $1`,
		q.ID, q.Letter, q.Failed, msOf(q.Closed), q.Why, q.Answer, flag(q.Draft), q.Name, q.Reason, msOf(q.Answered), msOf(q.Came), flag(q.Late))
	return err
}

func farRequests(tx *store.Tx, where string, args ...any) (all []*FarRequest, err error) {
	rows, err := tx.Query(`SELECT id, notice, content, kind, delegation, other, body, digest, at, letter, failed, closed, why, answer, draft, name, reason, answered, came, late
		FROM notice_far_request `+where+` ORDER BY at, id`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		q := &FarRequest{}
		var kind string
		var content, at, closed, draft, answered, came, late int64
		if err := rows.Scan(&q.ID, &q.Notice, &content, &kind, &q.Delegation, &q.Other, &q.Body, &q.Digest, &at, &q.Letter, &q.Failed, &closed, &q.Why, &q.Answer, &draft, &q.Name, &q.Reason, &answered, &came, &late); err != nil {
			return nil, err
		}
		q.Content, q.Kind, q.At, q.Closed, q.Draft, q.Answered, q.Came, q.Late = int(content), store.Kind(kind), zeroAt(at), zeroAt(closed), draft == 1, zeroAt(answered), zeroAt(came), late == 1
		all = append(all, q)
	}
	return all, rows.Err()
}

// farAsked is a request that came from another node, with what was answered here.
type farAsked struct {
	ID, Other, Request, Organisation string
	Kind                             store.Kind
	Delegation, Body, Digest         string
	At, Until, Closed                time.Time
	Why, Answer                      string
	Draft                            bool
	Person, Reason                   string
	Answered                         time.Time
}

func (q *farAsked) insert(tx *store.Tx) (bool, error) {
	n, err := tx.Exec(`INSERT INTO notice_far_asked (id, other, request, organisation, kind, delegation, body, digest, at, until, closed, why, answer, draft, person, reason, answered)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, '', '', 0, '', '', 0) ON CONFLICT (id) DO NOTHING`,
		q.ID, q.Other, q.Request, q.Organisation, string(q.Kind), q.Delegation, q.Body, q.Digest, msOf(q.At), msOf(q.Until))
	return n == 1, err
}

func (q *farAsked) update(tx *store.Tx) error {
	_, err := tx.Exec(`UPDATE notice_far_asked SET closed = $2, why = $3, answer = $4, draft = $5, person = $6, reason = $7, answered = $8 WHERE id = $1`,
		q.ID, msOf(q.Closed), q.Why, q.Answer, flag(q.Draft), q.Person, q.Reason, msOf(q.Answered))
	return err
}

func farAskeds(tx *store.Tx, where string, args ...any) (all []*farAsked, err error) {
	rows, err := tx.Query(`SELECT id, other, request, organisation, kind, delegation, body, digest, at, until, closed, why, answer, draft, person, reason, answered FROM notice_far_asked `+where+` ORDER BY at DESC, id LIMIT 200`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		q := &farAsked{}
		var kind string
		var at, until, closed, draft, answered int64
		if err := rows.Scan(&q.ID, &q.Other, &q.Request, &q.Organisation, &kind, &q.Delegation, &q.Body, &q.Digest, &at, &until, &closed, &q.Why, &q.Answer, &draft, &q.Person, &q.Reason, &answered); err != nil {
			return nil, err
		}
		q.Kind, q.At, q.Until, q.Closed, q.Draft, q.Answered = store.Kind(kind), zeroAt(at), zeroAt(until), zeroAt(closed), draft == 1, zeroAt(answered)
		all = append(all, q)
	}
	return all, rows.Err()
}

func count(tx *store.Tx, query string, args ...any) (n int, err error) {
	err = tx.Row(query, args...).Scan(&n)
	return n, err
}

// eraseFar deletes what other nodes asked here that was over before a moment: requests with
// their texts and answers, and delegations that were ended or never agreed to.
func eraseFar(tx *store.Tx, before time.Time) (n int64, err error) {
	for _, query := range []string{
		`DELETE FROM notice_far_asked WHERE at < $1 AND until < $1`,
		`DELETE FROM notice_far_delegation WHERE at < $1 AND (until < $1 OR ended > 0 AND ended < $1)`,
	} {
		m, err := tx.Exec(query, msOf(before))
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}
