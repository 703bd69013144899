package identity

import (
	"errors"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

const personColumns = `id, organisation, login, name, lang, theme, single_keys, roles, locked, must_change, emergency, password, pin, pin_failures,
	totp, totp_step, provider, subject, created_at, seen_at, deleted_at, swept,
	(SELECT COUNT(*) FROM identity_passkey k WHERE k.person = identity_person.id),
	(SELECT COUNT(*) FROM identity_recovery r WHERE r.person = identity_person.id)`

func scanPerson(scan func(...any) error) (*Person, error) {
	var p Person
	var lang, roles string
	var single, locked, must, emergency, created, seen, deleted int64
	err := scan(&p.ID, &p.Organisation, &p.Login, &p.Name, &lang, &p.Theme, &single, &roles, &locked, &must, &emergency, &p.password, &p.pin,
		&p.pinFailures, &p.totp, &p.totpStep, &p.Provider, &p.subject, &created, &seen, &deleted, &p.swept, &p.Passkeys, &p.Recovery)
	if err != nil {
		return nil, err
	}
	if p.Roles, err = unlist(roles); err != nil {
		return nil, err
	}
	p.Lang, p.SingleKeys, p.Locked, p.MustChange, p.Emergency = i18n.Lang(lang), single == 1, locked == 1, must == 1, emergency == 1
	p.HasPassword, p.HasPIN, p.HasTOTP = p.password != "", p.pin != "", len(p.totp) > 0
	p.CreatedAt, p.SeenAt, p.DeletedAt = moment(created), moment(seen), moment(deleted)
	return &p, nil
}

func personByID(tx *store.Tx, id string) (*Person, error) {
	return scanPerson(tx.Row(`SELECT `+personColumns+` FROM identity_person WHERE id = $1`, id).Scan)
}

func personByLogin(tx *store.Tx, login string) (*Person, error) {
	return scanPerson(tx.Row(`SELECT `+personColumns+` FROM identity_person WHERE login = $1 AND swept = 0`, login).Scan)
}

func personBySubject(tx *store.Tx, provider, subject string) (*Person, error) {
	return scanPerson(tx.Row(`SELECT `+personColumns+` FROM identity_person WHERE provider = $1 AND subject = $2 AND provider <> '' AND swept = 0`, provider, subject).Scan)
}

// people lists those of an organisation, or all.
func people(tx *store.Tx, organisation string) ([]Person, error) {
	rows, err := tx.Query(`SELECT `+personColumns+` FROM identity_person WHERE $1 = '' OR organisation = $1 ORDER BY name, id`, organisation)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Person
	for rows.Next() {
		p, err := scanPerson(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, *p)
	}
	return all, rows.Err()
}

func insertPerson(tx *store.Tx, p *Person) error {
	_, err := tx.Exec(`INSERT INTO identity_person (id, organisation, login, name, lang, theme, single_keys, roles, locked, must_change, emergency,
			password, pin, pin_failures, totp, totp_step, provider, subject, created_at, seen_at, deleted_at, swept)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)`,
		p.ID, p.Organisation, p.Login, p.Name, string(p.Lang), p.Theme, flag(p.SingleKeys), list(p.Roles), flag(p.Locked), flag(p.MustChange),
		flag(p.Emergency), p.password, p.pin, p.pinFailures, bytesOf(p.totp), p.totpStep, p.Provider, p.subject, millis(p.CreatedAt),
		millis(p.SeenAt), millis(p.DeletedAt), p.swept)
	return err
}

func updatePerson(tx *store.Tx, p *Person) error {
	_, err := tx.Exec(`UPDATE identity_person SET login = $2, name = $3, lang = $4, theme = $5, single_keys = $6, roles = $7, locked = $8,
			must_change = $9, password = $10, pin = $11, pin_failures = $12, totp = $13, totp_step = $14, subject = $15, seen_at = $16,
			deleted_at = $17, swept = $18 WHERE id = $1`,
		p.ID, p.Login, p.Name, string(p.Lang), p.Theme, flag(p.SingleKeys), list(p.Roles), flag(p.Locked), flag(p.MustChange), p.password,
		p.pin, p.pinFailures, bytesOf(p.totp), p.totpStep, p.subject, millis(p.SeenAt), millis(p.DeletedAt), p.swept)
	return err
}

// bytesOf keeps an empty value from becoming NULL.
func bytesOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

const sessionColumns = `id, person, desk, COALESCE((SELECT name FROM identity_desk d WHERE d.id = identity_session.desk), ''), stage, method, tries,
	pending, refresh, checked_at, created_at, seen_at, held_at`

func scanSession(scan func(...any) error) (*Session, error) {
	var s Session
	var checked, created, seen, held int64
	err := scan(&s.ID, &s.Person, &s.desk, &s.Desk, &s.Stage, &s.Method, &s.tries, &s.pending, &s.refresh, &checked, &created, &seen, &held)
	if err != nil {
		return nil, err
	}
	s.checkedAt, s.CreatedAt, s.SeenAt, s.heldAt = moment(checked), moment(created), moment(seen), moment(held)
	return &s, nil
}

func sessionByToken(tx *store.Tx, token string) (*Session, error) {
	return scanSession(tx.Row(`SELECT `+sessionColumns+` FROM identity_session WHERE hash = $1`, hashToken(token)).Scan)
}

func sessionByID(tx *store.Tx, id string) (*Session, error) {
	return scanSession(tx.Row(`SELECT `+sessionColumns+` FROM identity_session WHERE id = $1`, id).Scan)
}

// sessions lists those of a person, an organisation, or all with "".
func sessions(tx *store.Tx, person, organisation string) ([]Session, error) {
	rows, err := tx.Query(`SELECT `+sessionColumns+` FROM identity_session WHERE ($1 = '' OR person = $1)
		AND ($2 = '' OR person IN (SELECT id FROM identity_person WHERE organisation = $2)) ORDER BY seen_at DESC, id`, person, organisation)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Session
	for rows.Next() {
		s, err := scanSession(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, *s)
	}
	return all, rows.Err()
}

func insertSession(tx *store.Tx, s *Session, token string) error {
	_, err := tx.Exec(`INSERT INTO identity_session (id, hash, person, desk, stage, method, tries, pending, refresh, checked_at, created_at, seen_at)
		VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9, $10, $11)`, s.ID, hashToken(token), s.Person, s.desk, string(s.Stage), s.Method,
		bytesOf(s.pending), bytesOf(s.refresh), millis(s.checkedAt), millis(s.CreatedAt), millis(s.SeenAt))
	return err
}

// endSessions deletes the sessions of a person but the one with the id keep, what
// would let him back to a desk by PIN alone, and what he sent too late.
func endSessions(tx *store.Tx, person, keep string) error {
	if _, err := tx.Exec(`DELETE FROM identity_visit WHERE person = $1`, person); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM identity_ended WHERE person = $1 AND ($2 = '' OR session <> $2)`, person, keep); err != nil {
		return err
	}
	_, err := tx.Exec(`DELETE FROM identity_session WHERE person = $1 AND id <> $2`, person, keep)
	return err
}

// visit notes that a person signed in at a desk with all he has to.
func visit(tx *store.Tx, person, desk string, now time.Time) error {
	_, err := tx.Exec(`INSERT INTO identity_visit (person, desk, at) VALUES ($1, $2, $3)
		ON CONFLICT (person, desk) DO UPDATE SET at = excluded.at`, person, desk, millis(now))
	return err
}

// visited reports whether he did since.
func visited(tx *store.Tx, person, desk string, since time.Time) (bool, error) {
	var n int
	err := tx.Row(`SELECT COUNT(*) FROM identity_visit WHERE person = $1 AND desk = $2 AND at > $3`, person, desk, millis(since)).Scan(&n)
	return n > 0, err
}

func endLinks(tx *store.Tx, person string) error {
	_, err := tx.Exec(`DELETE FROM identity_link WHERE person = $1`, person)
	return err
}

func deskByToken(tx *store.Tx, token string) (*Desk, error) {
	if token == "" {
		return nil, store.ErrNoRows
	}
	return scanDesk(tx.Row(`SELECT id, organisation, name, created_at FROM identity_desk WHERE hash = $1`, hashToken(token)).Scan)
}

func deskByID(tx *store.Tx, id string) (*Desk, error) {
	return scanDesk(tx.Row(`SELECT id, organisation, name, created_at FROM identity_desk WHERE id = $1`, id).Scan)
}

func scanDesk(scan func(...any) error) (*Desk, error) {
	var k Desk
	var created int64
	if err := scan(&k.ID, &k.Organisation, &k.Name, &created); err != nil {
		return nil, err
	}
	k.CreatedAt = moment(created)
	return &k, nil
}

// needsSecond reports whether one of the roles must have a second factor.
func needsSecond(tx *store.Tx, organisation string, roles []string) (bool, error) {
	needed, err := secondRoles(tx, organisation)
	for _, r := range roles {
		if needed[r] {
			return true, err
		}
	}
	return false, err
}

func secondRoles(tx *store.Tx, organisation string) (map[string]bool, error) {
	rows, err := tx.Query(`SELECT role FROM identity_second WHERE organisation = $1`, organisation)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	needed := map[string]bool{}
	for rows.Next() {
		var r string
		if err := rows.Scan(&r); err != nil {
			return nil, err
		}
		needed[r] = true
	}
	return needed, rows.Err()
}

// optional turns "no row" into nil.
func optional[T any](v *T, err error) (*T, error) {
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	return v, err
}

// plain is text for searching and sorting: lower case without diacritics.
func plain(s string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(strings.ToLower(strings.TrimSpace(s))) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case r == 'ł':
			b.WriteRune('l')
		case r == 'ß':
			b.WriteString("ss")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
