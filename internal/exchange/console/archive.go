package console

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// Search chooses closed incidents of the archive. What is empty does not count;
// everything that is set must fit.
type Search struct {
	From, To  time.Time  // stored first at From or later, before To
	Place     string     // beginnings of words of municipality, street, house or object, in any language's name, diacritics do not count
	Number    string     // the sender's number of the incident, the UUID common to all, or a telephone number of a caller or patient
	Neighbour string     // OID
	Type      string     // beginnings of words of the keyword
	Kind      store.Kind // "": live
	After     string     // Found.Next of the page before
	Limit     int        // rows of a page; 0 or more than MaxHits: PageHits
}

// Hits of one page of the archive.
const (
	PageHits = 50
	MaxHits  = 200
)

// Found is a page of the archive, the newest incident first.
type Found struct {
	Rows []Hit
	Next string // for Search.After; "" when nothing follows
}

// Hit is a closed incident. When its content is deleted, Deleted says since when;
// it is then found by time only.
type Hit struct {
	Row
	DeleteAt time.Time // its content is deleted in the second night after it; zero: it is
}

// Beginnings of words that are indexed: shorter ones fit half the archive, longer
// ones find nothing more.
const (
	shortestWord  = 2
	shortestStart = 3
	longestStart  = 10
	// phoneDigits of a telephone number's end tell it apart whether or not the
	// country's code is written.
	phoneDigits = 9
)

const (
	// mostTerms of a search count: words beyond it hardly narrow it further.
	mostTerms = 8
	// mostForms are those of a number: whole, without leading zeros, a
	// telephone's end.
	mostForms = 3
)

// rareEnough is up to how many rows the parts of a search are counted to start
// with the rarest.
const rareEnough = 1000

// term is one thing that must fit: one of several words.
type term []string

// terms are what a search asks the index for.
func (q Search) terms() (out []term, fault string) {
	for _, in := range []struct{ tag, words string }{{tagPlace, q.Place}, {tagType, q.Type}} {
		usable := strings.TrimSpace(in.words) == ""
		for _, w := range i18n.Words(in.words) {
			if n := utf8.RuneCountInString(w); n >= shortestWord {
				out, usable = append(out, term{in.tag + start(w, longestStart)}), true
			}
		}
		if !usable {
			return nil, "console.d.refuse.search_word"
		}
	}
	if strings.TrimSpace(q.Number) != "" {
		t := numberForms(q.Number)
		if len(t) == 0 {
			return nil, "console.d.refuse.search_number"
		}
		out = append(out, t)
	}
	if q.Neighbour != "" {
		out = append(out, term{tagNeighbour + q.Neighbour})
	}
	return out[max(0, len(out)-mostTerms):], ""
}

// Tags keep apart what is indexed.
const (
	tagPlace     = "p"
	tagType      = "t"
	tagNumber    = "#"
	tagNeighbour = "n"
)

// start is the beginning of a word, at most n letters.
func start(w string, n int) string {
	if r := []rune(w); len(r) > n {
		return string(r[:n])
	}
	return w
}

// starts are the beginnings by which a word is found.
func starts(w string) []string {
	n := utf8.RuneCountInString(w)
	if n < shortestWord {
		return nil
	}
	if n < shortestStart {
		return []string{w}
	}
	var out []string
	for i := shortestStart; i <= min(n, longestStart); i++ {
		out = append(out, start(w, i))
	}
	return out
}

// numberForms are the forms in which a number is looked up.
func numberForms(s string) term {
	whole := strings.Join(i18n.Words(s), "")
	if utf8.RuneCountInString(whole) < shortestStart {
		return nil
	}
	t := term{tagNumber + whole}
	if short := strings.TrimLeft(whole, "0"); short != "" && short != whole {
		t = append(t, tagNumber+short)
	}
	if d := digits(s); len(d) > phoneDigits {
		t = append(t, tagNumber+d[len(d)-phoneDigits:])
	}
	return t
}

// numberWords are the words by which a number is found: the whole of it, and its
// parts with and without leading zeros ("2026-000123" as 123).
func numberWords(s string) []string {
	out := numberForms(s)
	for _, p := range i18n.Words(s) {
		for _, form := range []string{p, strings.TrimLeft(p, "0")} {
			if utf8.RuneCountInString(form) >= shortestStart {
				out = append(out, tagNumber+form)
			}
		}
	}
	return out
}

// index brings the tokens of a closed incident up to what its messages say.
func (s *Service) index(tx *store.Tx, org, id string) error {
	const op = "console.index"
	i, err := oneIncident(tx, op, org, id)
	if err != nil || i.keyID == 0 || len(i.wrapped) == 0 {
		return err
	}
	found := map[string]bool{}
	add := func(tag string, text ...string) {
		for _, t := range text {
			for _, w := range i18n.Words(t) {
				for _, b := range starts(w) {
					found[tag+b] = true
				}
			}
		}
	}
	number := func(text string) {
		for _, w := range numberWords(text) {
			found[w] = true
		}
	}
	number(i.sharedID)
	add(tagType, i.typ)
	rows, err := tx.Query(`SELECT other, CASE WHEN handover = entry THEN entry ELSE 0 END FROM console_message WHERE org = $1 AND incident = $2`, org, id)
	if err != nil {
		return err
	}
	defer rows.Close()
	var entries []int64
	for rows.Next() {
		var other string
		var entry int64
		if err := rows.Scan(&other, &entry); err != nil {
			return err
		}
		found[tagNeighbour+other] = true
		if entry != 0 {
			entries = append(entries, entry)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, entry := range entries {
		e, err := s.Node.Entry(tx, entry)
		if err != nil {
			return err
		}
		f := facts(e.Envelope)
		if f == nil {
			continue
		}
		add(tagType, f.Classifications...)
		add(tagType, s.typeWords(f, e.Other, e.AcceptedAt)...)
		add(tagPlace, f.Place, f.Address, f.Object, f.Pickup, f.Destination)
		if s.PlaceNames != nil && f.Place != "" {
			add(tagPlace, s.PlaceNames(f.Place)...)
		}
		number(f.InternalID)
		for _, p := range slices.Concat(f.Callers, f.Patients) {
			number(p.Phone)
		}
	}
	key, err := s.monthKey(tx, org, moment(i.firstAt))
	if err != nil {
		return err
	}
	have, want := unpack(i.tokens), map[int64]bool{}
	for w := range found {
		want[token(key, w)] = true
	}
	for _, t := range have {
		if want[t] {
			continue
		}
		if _, err := tx.Exec(`DELETE FROM console_search WHERE org = $1 AND token = $2 AND at = $3 AND incident = $4`, org, t, i.firstAt, id); err != nil {
			return err
		}
	}
	var list []int64
	for t := range want {
		list = append(list, t)
		if slices.Contains(have, t) {
			continue
		}
		if _, err := tx.Exec(`INSERT INTO console_search (org, token, at, incident) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
			org, t, i.firstAt, id); err != nil {
			return err
		}
	}
	slices.Sort(list)
	if slices.Equal(list, have) {
		return nil
	}
	_, err = tx.Exec(`UPDATE console_incident SET tokens = $3 WHERE org = $1 AND id = $2`, org, id, pack(list))
	return err
}

// token is the keyed hash of a tagged word.
func token(k *seal.Key, w string) int64 {
	return int64(binary.BigEndian.Uint64(k.MAC([]byte("console_search"), []byte(w))))
}

func pack(tokens []int64) []byte {
	out := make([]byte, 0, 8*len(tokens))
	for _, t := range tokens {
		out = binary.BigEndian.AppendUint64(out, uint64(t))
	}
	return out
}

func unpack(b []byte) []int64 {
	var out []int64
	for ; len(b) >= 8; b = b[8:] {
		out = append(out, int64(binary.BigEndian.Uint64(b)))
	}
	return out
}

// monthOf names the month of a moment, in UTC: which month a late evening falls
// into does not matter as long as it is always the same.
func monthOf(t time.Time) string { return t.UTC().Format("2006-01") }

// monthKey is the organisation's key of a month.
func (s *Service) monthKey(tx *store.Tx, org string, t time.Time) (*seal.Key, error) {
	var id int64
	err := tx.Row(`SELECT key_id FROM console_month WHERE org = $1 AND month = $2`, org, monthOf(t)).Scan(&id)
	if err == nil {
		return s.Ring.Lookup(tx, id)
	}
	if !errors.Is(err, store.ErrNoRows) {
		return nil, err
	}
	key, err := s.Ring.Key(tx, "console:"+org+"/"+monthOf(t))
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(`INSERT INTO console_month (org, month, key_id) VALUES ($1, $2, $3)`, org, monthOf(t), key.ID())
	return key, err
}

// month is a month of an organisation's archive that is not deleted.
type month struct {
	from, to int64 // unix milliseconds
	key      *seal.Key
}

// months reads an organisation's, the newest first.
func (s *Service) months(tx *store.Tx, org string) ([]month, error) {
	rows, err := tx.Query(`SELECT m.month, m.key_id, k.wrapped FROM console_month m JOIN seal_key k ON k.id = m.key_id
		WHERE m.org = $1 AND k.wrapped IS NOT NULL ORDER BY m.month DESC`, org)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []month
	for rows.Next() {
		var name string
		var id int64
		var wrapped []byte
		if err := rows.Scan(&name, &id, &wrapped); err != nil {
			return nil, err
		}
		key, err := s.Ring.Unwrap(id, wrapped)
		if err != nil {
			return nil, err
		}
		from, err := time.Parse("2006-01", name)
		if err != nil {
			return nil, err
		}
		out = append(out, month{millis(from), millis(from.AddDate(0, 1, 0)), key})
	}
	return out, rows.Err()
}

// ExportHits bounds what an export holds: some years of a busy control room.
const ExportHits = 10_000

// Search finds closed incidents of the person's organisation. That he searched is
// recorded, and of what only a hash.
func (s *Service) Search(ctx context.Context, who Actor, q Search) (Found, error) {
	const op = "console.Search"
	w, terms, err := s.seek(ctx, op, "console.search", who, q)
	if err != nil {
		return Found{}, err
	}
	return s.hits(ctx, op, who.Org, w, terms)
}

// Export finds what Search does, at most as many incidents, and gives them to take
// page by page, also when there are none. It is recorded once; more says that there
// are others.
func (s *Service) Export(ctx context.Context, who Actor, q Search, most int, take func([]Hit) error) (more bool, err error) {
	const op = "console.Export"
	w, terms, err := s.seek(ctx, op, "console.export", who, q)
	if err != nil {
		return false, err
	}
	for {
		w.limit = min(MaxHits, most)
		f, err := s.hits(ctx, op, who.Org, w, terms)
		if err != nil {
			return false, err
		}
		if err := take(f.Rows); err != nil {
			return false, err
		}
		if most -= len(f.Rows); f.Next == "" || most <= 0 {
			return f.Next != "", nil
		}
		if err := w.after(f.Next); err != nil {
			return false, err
		}
	}
}

// seek checks a search and records it.
func (s *Service) seek(ctx context.Context, op, event string, who Actor, q Search) (window, []term, error) {
	terms, fault := q.terms()
	if fault != "" {
		return window{}, nil, problem.New(op, problem.Invalid, fault, nil)
	}
	w, err := q.window()
	if err != nil {
		return w, nil, problem.New(op, problem.Invalid, "console.d.refuse.search_page", nil)
	}
	return w, terms, s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		return s.Audit.Append(tx, audit.Event{Action: event, Actor: who.Person, Object: org.ID,
			Detail: []byte(strings.Join([]string{q.Place, q.Number, q.Neighbour, q.Type}, "\x00"))})
	})
}

// hits reads a page of the archive.
func (s *Service) hits(ctx context.Context, op, org string, w window, terms []term) (Found, error) {
	var out Found
	orgs, err := s.Organisations(ctx)
	if err != nil {
		return out, problem.Wrap(op, err)
	}
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		out = Found{}
		found, err := s.find(tx, org, w, terms)
		if err != nil {
			return err
		}
		if len(found) > w.limit {
			found = found[:w.limit]
			last := found[w.limit-1]
			out.Next = itoa(last.firstAt) + "." + last.id
		}
		rows, err := s.rows(tx, org, found, s.Clock.Now(), false)
		if err != nil {
			return err
		}
		var ids []string
		for _, r := range rows {
			if r.Deleted.IsZero() {
				ids = append(ids, r.ID)
			}
		}
		dates, err := s.deleteAt(tx, orgs, ids)
		if err != nil {
			return err
		}
		for _, r := range rows {
			out.Rows = append(out.Rows, Hit{Row: r, DeleteAt: dates[r.ID]})
		}
		return nil
	})
	return out, problem.Wrap(op, err)
}

// window is where in the archive a page lies.
type window struct {
	from, to int64 // unix milliseconds
	kind     store.Kind
	lastAt   int64 // with last: the incident the page before ended with
	last     string
	limit    int
}

func (q Search) window() (window, error) {
	w := window{from: millis(q.From), to: millis(q.To), kind: cmp.Or(q.Kind, store.Live), limit: q.Limit}
	if w.to == 0 {
		w.to = endOfTime
	}
	if w.limit <= 0 || w.limit > MaxHits {
		w.limit = PageHits
	}
	if q.After != "" {
		return w, w.after(q.After)
	}
	return w, nil
}

// after moves the window behind a page, to its Found.Next.
func (w *window) after(next string) error {
	at, id, _ := strings.Cut(next, ".")
	n, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return err
	}
	w.lastAt, w.last = n, id
	w.to = min(w.to, n+1)
	return nil
}

// endOfTime is later than any time that is stored.
const endOfTime = 1 << 52

// args collects the arguments of a query that is put together.
type args []any

func (a *args) add(v any) string {
	*a = append(*a, v)
	return "$" + strconv.Itoa(len(*a))
}

// list is of one length, for as few texts of queries as can be.
func (a *args) list(tokens []int64) string {
	places := make([]string, mostForms)
	for i := range places {
		places[i] = a.add(tokens[min(i, len(tokens)-1)])
	}
	return "(" + strings.Join(places, ", ") + ")"
}

// find returns one row more than the page, if there are as many.
func (s *Service) find(tx *store.Tx, org string, w window, terms []term) ([]*incidentRow, error) {
	if len(terms) == 0 {
		a := args{}
		where := `i.org = ` + a.add(org) + ` AND i.closed = 1 AND i.first_at >= ` + a.add(w.from) + ` AND i.first_at < ` + a.add(w.to) + w.rest(&a, "i.first_at", "i.id") +
			` ORDER BY i.first_at DESC, i.id DESC LIMIT ` + a.add(w.limit+1)
		return scanIncidents(tx, where, a...)
	}
	months, err := s.months(tx, org)
	if err != nil {
		return nil, err
	}
	var out []*incidentRow
	// A month's tokens are its own, and months follow each other: the newest
	// first is the order of the whole.
	for _, m := range months {
		if m.to <= w.from || m.from >= w.to {
			continue
		}
		found, err := s.findIn(tx, org, m, w, terms, w.limit+1-len(out))
		if err != nil {
			return nil, err
		}
		if out = append(out, found...); len(out) > w.limit {
			break
		}
	}
	return out, nil
}

// rest are the conditions that no index serves.
func (w window) rest(a *args, at, id string) string {
	sql := ` AND i.kind = ` + a.add(string(w.kind))
	if w.last != "" {
		sql += ` AND (` + at + `, ` + id + `) < (` + a.add(w.lastAt) + `, ` + a.add(w.last) + `)`
	}
	return sql
}

func (s *Service) findIn(tx *store.Tx, org string, m month, w window, terms []term, most int) ([]*incidentRow, error) {
	from, to := max(m.from, w.from), min(m.to, w.to)
	tokens := make([][]int64, len(terms))
	counts := make(map[int]int64, len(terms))
	order := make([]int, len(terms))
	for i, t := range terms {
		order[i] = i
		for _, word := range t {
			tokens[i] = append(tokens[i], token(m.key, word))
		}
		if len(terms) == 1 {
			continue
		}
		a := args{}
		var n int64
		err := tx.Row(`SELECT COUNT(*) FROM (SELECT 1 AS one FROM console_search WHERE org = `+a.add(org)+` AND token IN `+a.list(tokens[i])+
			` AND at >= `+a.add(from)+` AND at < `+a.add(to)+` LIMIT `+strconv.Itoa(rareEnough)+`) f`, a...).Scan(&n)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, nil
		}
		counts[i] = n
	}
	slices.SortFunc(order, func(x, y int) int { return cmp.Compare(counts[x], counts[y]) })
	a := args{}
	place := a.add(org)
	// One token alone comes in the index's order; of several an incident may have two.
	first := tokens[order[0]]
	inner := `SELECT s.at, s.incident FROM console_search s WHERE s.org = ` + place + ` AND s.token = `
	if len(first) == 1 {
		inner += a.add(first[0])
	} else {
		inner = strings.Replace(inner, "SELECT", "SELECT DISTINCT", 1)
		inner = strings.TrimSuffix(inner, "= ") + `IN ` + a.list(first)
	}
	inner +=
		` AND s.at >= ` + a.add(from) + ` AND s.at < ` + a.add(to)
	// What has several forms comes last: there is at most one, and so few texts.
	rest := order[1:]
	slices.SortStableFunc(rest, func(x, y int) int { return cmp.Compare(min(2, len(tokens[x])), min(2, len(tokens[y]))) })
	for _, i := range rest {
		inner += ` AND EXISTS (SELECT 1 FROM console_search t WHERE t.org = ` + place + ` AND t.token `
		if len(tokens[i]) == 1 {
			inner += `= ` + a.add(tokens[i][0])
		} else {
			inner += `IN ` + a.list(tokens[i])
		}
		inner += ` AND t.at = s.at AND t.incident = s.incident)`
	}
	return queryIncidents(tx, `(`+inner+`) f JOIN console_incident i ON i.id = f.incident AND i.org = `+place,
		`i.closed = 1`+w.rest(&a, "f.at", "f.incident")+` ORDER BY f.at DESC, f.incident DESC LIMIT `+a.add(most), a...)
}

// listPage is how many ids one query looks up: queries are prepared once for each
// text, so there is one length of them.
const listPage = 64

// byIncident runs a query over incidents: $1 is the organisation, the list follows.
// The query has one %s for it.
func byIncident(tx *store.Tx, query, org string, ids []string, scan func(*store.Rows) error) error {
	for page := range slices.Chunk(ids, listPage) {
		a := args{org}
		places := make([]string, listPage)
		for i := range places {
			places[i] = a.add(page[min(i, len(page)-1)])
		}
		if err := each(tx, strings.Replace(query, "%s", "("+strings.Join(places, ", ")+")", 1), a, scan); err != nil {
			return err
		}
	}
	return nil
}

func each(tx *store.Tx, query string, a args, scan func(*store.Rows) error) error {
	rows, err := tx.Query(query, a...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// deleteAt is when the contents of incidents are due to be deleted. Their messages
// at other control rooms of this node share their keys.
func (s *Service) deleteAt(tx *store.Tx, orgs []Org, incidents []string) (map[string]time.Time, error) {
	var entries []int64
	of := map[int64]string{}
	for _, o := range orgs {
		err := byIncident(tx, `SELECT entry, incident FROM console_message WHERE org = $1 AND incident IN %s`, o.ID, incidents, func(r *store.Rows) error {
			var entry int64
			var incident string
			err := r.Scan(&entry, &incident)
			entries = append(entries, entry)
			of[entry] = incident
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	dates, err := s.Node.DeleteAt(tx, entries)
	if err != nil {
		return nil, err
	}
	out := map[string]time.Time{}
	for entry, at := range dates {
		if i := of[entry]; at.After(out[i]) {
			out[i] = at
		}
	}
	return out, nil
}
