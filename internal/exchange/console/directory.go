package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Room is a neighbour's control room in an organisation's directory, with the
// line to it.
type Room struct {
	Neighbour
	Peer         string // its node; "" is this one
	Kind         store.Kind
	Country      string      // CZ, DE, PL or ""
	Langs        []i18n.Lang // spoken there; texts to it are written in the first
	Lang         i18n.Lang   // the first of Langs, "" for none
	Status       string      // online, offline, unknown
	Since        time.Time
	Apps         []string // UCRI 2 apps it takes
	Link         string   // key of the failure, "" when the link is up
	LinkSince    time.Time
	Quarantined  bool
	Waiting      int
	Oldest       time.Time // of the waiting ones
	LastContact  time.Time
	Numbers      []DeskNumber // in the order they are called
	Phone        string       // the first of Numbers, "" when none is known
	PhoneBy      string       // name of who confirmed it
	PhoneAt      time.Time
	PhoneOld     bool          // not confirmed within phoneLife, or there is none
	NextPhone    []string      // further numbers, tried after "no answer"
	CallDue      bool          // the month's test call is asked for
	Calls        []Call        // the last test calls, the newest first
	After        time.Duration // until telephone now, danger to life
	AfterElse    time.Duration
	LastHandover time.Time
	LastAccepted time.Duration // how long the acceptance took
}

// DeskNumber is a telephone number of a control room that is answered day and
// night.
type DeskNumber struct {
	Number string
	By     string    // name of who reached the room by it; "" nobody yet
	At     time.Time // then
	Old    bool      // longer ago than phoneLife, or never
}

// Outcome of a test call.
type Outcome string

// The outcomes.
const (
	CallReached  Outcome = "reached"   // the control room answered: the number is confirmed
	CallNoAnswer Outcome = "no_answer" // nobody answered: nothing is confirmed
	CallWrong    Outcome = "wrong"     // somebody else answered: the number is not confirmed any more
)

// Call is a test call to a control room, or a real one that reached it.
type Call struct {
	ID      string
	At      time.Time
	Person  string // name
	Number  string
	Outcome Outcome
}

// RoomSettings is what a person sets for a neighbour. A number that was there
// before keeps its confirmation.
type RoomSettings struct {
	Phone     string
	NextPhone []string
	Langs     []i18n.Lang   // none: that of its country
	After     time.Duration // 0: default
	AfterElse time.Duration
}

// FaultKind is what is wrong with an entry of the directory.
type FaultKind string

// The faults, the worst first.
const (
	NumberMissing FaultKind = "missing" // "telephone now" would have no number to show
	NumberStale   FaultKind = "stale"   // confirmed longer ago than phoneLife, or never
	CallDue       FaultKind = "due"     // the month's test call is asked for
)

// Fault is a line at the start of a shift: red but for CallDue. Its text is
// console.d.directory.<kind>, with neighbour and, but for NumberMissing, number.
type Fault struct {
	Kind FaultKind
	Neighbour
	Number string
	Since  time.Time // when the number was confirmed; zero: never
}

// phoneLife is how long a confirmed desk number is trusted: a test call is asked
// for each month, callEvery, and a week is left to make it.
const (
	phoneLife = 35 * 24 * time.Hour
	callEvery = 28 * 24 * time.Hour
)

const (
	// maxNumbers is more than a room calls before it gives up.
	maxNumbers = 6
	// callsShown is what a page shows of the past test calls: a year.
	callsShown = 12
)

// number is a desk number as stored in console_neighbour; At is unix milliseconds.
type number struct {
	Number string `json:"number"`
	By     string `json:"by,omitempty"`
	At     int64  `json:"at,omitempty"`
}

func (n number) old(now time.Time) bool { return n.At == 0 || now.Sub(moment(n.At)) > phoneLife }

// desk is how a neighbour's control room is called.
type desk struct {
	numbers   []number // in the order they are tried
	langs     []i18n.Lang
	after     int64
	otherwise int64
}

func (d desk) first() number {
	if len(d.numbers) == 0 {
		return number{}
	}
	return d.numbers[0]
}

// step is the number that is tried after so many without an answer; after the
// last it starts again with the first one.
func (d desk) step(n int64) number {
	if len(d.numbers) == 0 {
		return number{}
	}
	return d.numbers[int(n)%len(d.numbers)]
}

// phones reads the directory of desk numbers: what people entered, else the
// configuration. The technical support of the register is never among it.
func (s *Service) phones(tx *store.Tx, org string) (map[string]desk, error) {
	out := map[string]desk{}
	neighbours, err := s.Node.Neighbours(tx)
	if err != nil {
		return nil, err
	}
	for _, nb := range neighbours {
		if nb.DeskPhone != "" {
			out[nb.OID] = desk{numbers: []number{{Number: nb.DeskPhone}}}
		}
	}
	rows, err := tx.Query(`SELECT oid, numbers, langs, after_ms, else_ms FROM console_neighbour WHERE org = $1`, org)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var oid, numbers, langs string
		var d desk
		if err := rows.Scan(&oid, &numbers, &langs, &d.after, &d.otherwise); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(numbers), &d.numbers); err != nil {
			return nil, err
		}
		for _, l := range splitIDs(langs) {
			d.langs = append(d.langs, i18n.Lang(l))
		}
		if len(d.numbers) == 0 {
			d.numbers = out[oid].numbers
		}
		out[oid] = d
	}
	return out, rows.Err()
}

// keepDesk writes a neighbour's row.
func keepDesk(tx *store.Tx, org, oid string, d desk) error {
	numbers := d.numbers
	if numbers == nil {
		numbers = []number{}
	}
	list, err := json.Marshal(numbers)
	if err != nil {
		return err
	}
	langs := make([]string, len(d.langs))
	for i, l := range d.langs {
		langs[i] = string(l)
	}
	_, err = tx.Exec(`INSERT INTO console_neighbour (org, oid, numbers, langs, after_ms, else_ms) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (org, oid) DO UPDATE SET numbers = excluded.numbers, langs = excluded.langs,
		after_ms = excluded.after_ms, else_ms = excluded.else_ms`, org, oid, string(list), joinIDs(langs), d.after, d.otherwise)
	return err
}

// countries by the arc that follows ISO 3166-1 numeric in the recommended tree of
// addresses.
var countries = map[string]string{"203": "CZ", "276": "DE", "616": "PL"}

// countryOf reads a country from an address; "" when it does not say.
func countryOf(oid string) string {
	for i, arc := range strings.Split(oid, ".") {
		if i >= 1 && i <= 4 && countries[arc] != "" {
			return countries[arc]
		}
	}
	return ""
}

var languages = map[string]i18n.Lang{"CZ": i18n.Cs, "DE": i18n.De, "PL": i18n.Pl}

// Rooms lists the neighbours of an organisation: everybody it can reach but
// itself.
func (s *Service) Rooms(ctx context.Context, org string) ([]Room, error) {
	const op = "console.Rooms"
	o, err := s.Organisation(ctx, org)
	if err != nil {
		return nil, err
	}
	var out []Room
	err = s.DB.Read(ctx, func(tx *store.Tx) (err error) { out, err = s.rooms(tx, o); return err })
	return out, problem.Wrap(op, err)
}

// Room finds one of an organisation's neighbours by its address; problem NotFound.
func (s *Service) Room(ctx context.Context, org, oid string) (Room, error) {
	rooms, err := s.Rooms(ctx, org)
	if err != nil {
		return Room{}, err
	}
	for _, r := range rooms {
		if r.OID == oid {
			return r, nil
		}
	}
	return Room{}, problem.New("console.Room", problem.NotFound, "console.d.refuse.no_neighbour", nil)
}

func (s *Service) rooms(tx *store.Tx, o Org) ([]Room, error) {
	neighbours, err := s.Node.Neighbours(tx)
	if err != nil {
		return nil, err
	}
	desks, err := s.phones(tx, o.ID)
	if err != nil {
		return nil, err
	}
	calls, err := s.calls(tx, o.ID)
	if err != nil {
		return nil, err
	}
	now := s.Clock.Now()
	var out []Room
	for _, nb := range neighbours {
		if slices.Contains(o.Addresses, nb.OID) {
			continue
		}
		r := s.roomOf(tx, nb, desks[nb.OID], now)
		r.Calls = calls[nb.OID]
		if r.LastHandover, r.LastAccepted, err = lastHandover(tx, o.ID, nb.OID); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// lastHandover is when we last handed over to a neighbour, and how long the last
// answer to one took.
func lastHandover(tx *store.Tx, org, other string) (at time.Time, took time.Duration, err error) {
	const of = ` FROM console_handover WHERE org = $1 AND other = $2 AND incoming = 0 `
	var stored, decided int64
	err = tx.Row(`SELECT stored_at`+of+`ORDER BY entry DESC LIMIT 1`, org, other).Scan(&stored)
	if errors.Is(err, store.ErrNoRows) {
		return at, 0, nil
	}
	if err != nil {
		return at, 0, err
	}
	at = moment(stored)
	err = tx.Row(`SELECT stored_at, decided_at`+of+`AND answer > 0 ORDER BY entry DESC LIMIT 1`, org, other).Scan(&stored, &decided)
	if errors.Is(err, store.ErrNoRows) {
		return at, 0, nil
	}
	return at, time.Duration(max(0, decided-stored)) * time.Millisecond, err
}

func (s *Service) roomOf(tx *store.Tx, nb exchange.Neighbour, d desk, now time.Time) Room {
	first := d.first()
	r := Room{
		Neighbour: Neighbour{OID: nb.OID, Name: cmp.Or(nb.Name, nb.OID)}, Peer: nb.Peer, Kind: nb.Kind, Country: countryOf(nb.OID), Langs: d.langs,
		Status: nb.Status, Since: nb.Since, Link: nb.Failure, LinkSince: nb.DownSince, Quarantined: nb.Quarantined,
		Waiting: int(nb.Waiting), Oldest: nb.Oldest, LastContact: nb.LastContact,
		Phone: first.Number, PhoneBy: s.name(tx, first.By), PhoneAt: moment(first.At), PhoneOld: first.old(now),
		CallDue:   first.Number != "" && (first.At == 0 || now.Sub(moment(first.At)) > callEvery),
		After:     cmp.Or(time.Duration(d.after)*time.Millisecond, DefaultDanger),
		AfterElse: cmp.Or(time.Duration(d.otherwise)*time.Millisecond, DefaultElse),
	}
	if l := languages[r.Country]; len(r.Langs) == 0 && l != "" {
		r.Langs = []i18n.Lang{l}
	}
	if len(r.Langs) > 0 {
		r.Lang = r.Langs[0]
	}
	for i, n := range d.numbers {
		r.Numbers = append(r.Numbers, DeskNumber{Number: n.Number, By: s.name(tx, n.By), At: moment(n.At), Old: n.old(now)})
		if i > 0 {
			r.NextPhone = append(r.NextPhone, n.Number)
		}
	}
	for _, a := range nb.Apps {
		if !ucri.TransportLayer(ucri.Payload{AppID: a.AppID}) {
			r.Apps = append(r.Apps, a.AppID)
		}
	}
	return r
}

// calls reads the last test calls by neighbour, the newest first.
func (s *Service) calls(tx *store.Tx, org string) (map[string][]Call, error) {
	rows, err := tx.Query(`SELECT id, oid, number, at, person, outcome FROM console_call WHERE org = $1 ORDER BY at DESC, id`, org)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string][]Call{}
	for rows.Next() {
		var c Call
		var oid string
		var at int64
		if err := rows.Scan(&c.ID, &oid, &c.Number, &at, &c.Person, &c.Outcome); err != nil {
			return nil, err
		}
		if len(out[oid]) < callsShown {
			c.At = moment(at)
			out[oid] = append(out[oid], c)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, cs := range out {
		for i := range cs {
			cs[i].Person = s.name(tx, cs[i].Person)
		}
	}
	return out, nil
}

// DirectoryFaults lists what is wrong in the directory, the worst first: what a
// shift must know before it needs a number. Only live neighbours count, and of
// this node's own addresses those of other control rooms.
func (s *Service) DirectoryFaults(ctx context.Context, org string) ([]Fault, error) {
	const op = "console.DirectoryFaults"
	orgs, err := s.Organisations(ctx)
	if err != nil {
		return nil, problem.Wrap(op, err)
	}
	other := map[string]bool{}
	for _, o := range orgs {
		for _, a := range o.Addresses {
			other[a] = o.ID != org
		}
	}
	rooms, err := s.Rooms(ctx, org)
	if err != nil {
		return nil, err
	}
	var out []Fault
	for _, kind := range []FaultKind{NumberMissing, NumberStale, CallDue} {
		for _, r := range rooms {
			if r.Kind == store.Live && (r.Peer != "" || other[r.OID]) && r.fault() == kind {
				out = append(out, Fault{Kind: kind, Neighbour: r.Neighbour, Number: r.Phone, Since: r.PhoneAt})
			}
		}
	}
	return out, nil
}

func (r Room) fault() FaultKind {
	switch {
	case r.Phone == "":
		return NumberMissing
	case r.PhoneOld:
		return NumberStale
	case r.CallDue:
		return CallDue
	}
	return ""
}

// Bounds of the set time until "telephone now": shorter than people can answer,
// longer than danger to life can wait.
const (
	minPatience = 15 * time.Second
	maxPatience = 30 * time.Minute
)

// SetRoom changes a neighbour's desk numbers, languages and times. A number that
// was not there before is not confirmed until somebody has reached the room by it.
func (s *Service) SetRoom(ctx context.Context, who Actor, oid string, r RoomSettings) error {
	const op = "console.SetRoom"
	return s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		desks, err := s.directory(tx, op, org, oid)
		if err != nil {
			return err
		}
		for _, d := range []time.Duration{r.After, r.AfterElse} {
			if d != 0 && (d < minPatience || d > maxPatience) {
				return problem.New(op, problem.Invalid, "console.d.refuse.patience", i18n.Args{"min": minPatience, "max": maxPatience})
			}
		}
		d := desk{after: r.After.Milliseconds(), otherwise: r.AfterElse.Milliseconds()}
		for _, l := range r.Langs {
			if !slices.Contains(i18n.Langs, l) {
				return problem.New(op, problem.Invalid, "console.d.refuse.language", nil)
			}
			if !slices.Contains(d.langs, l) {
				d.langs = append(d.langs, l)
			}
		}
		for _, p := range append([]string{r.Phone}, r.NextPhone...) {
			if p = oneLine(p); p == "" || slices.ContainsFunc(d.numbers, func(n number) bool { return sameNumber(n.Number, p) }) {
				continue
			}
			if !isPhone(p) {
				return problem.New(op, problem.Invalid, "console.d.refuse.phone", i18n.Args{"value": p})
			}
			n := number{Number: p}
			for _, before := range desks[oid].numbers {
				if sameNumber(before.Number, p) {
					n.By, n.At = before.By, before.At
				}
			}
			d.numbers = append(d.numbers, n)
		}
		if len(d.numbers) > maxNumbers {
			return problem.New(op, problem.Invalid, "console.d.refuse.numbers", i18n.Args{"n": maxNumbers})
		}
		if err := keepDesk(tx, org.ID, oid, d); err != nil {
			return err
		}
		return s.audit(tx, who, "room", oid)
	})
}

// directory reads the desk numbers and makes sure that oid is a neighbour.
func (s *Service) directory(tx *store.Tx, op string, org Org, oid string) (map[string]desk, error) {
	neighbours, err := s.Node.Neighbours(tx)
	if err != nil {
		return nil, err
	}
	if slices.Contains(org.Addresses, oid) || !slices.ContainsFunc(neighbours, func(nb exchange.Neighbour) bool { return nb.OID == oid }) {
		return nil, problem.New(op, problem.NotFound, "console.d.refuse.no_neighbour", nil)
	}
	return s.phones(tx, org.ID)
}

// TestCall records a test call to one of a neighbour's numbers. Reached confirms
// the number, a wrong one takes its confirmation away.
func (s *Service) TestCall(ctx context.Context, who Actor, oid, phone string, outcome Outcome, once string) error {
	const op = "console.TestCall"
	_, err := s.sending(ctx, op, who, once, func(tx *store.Tx, org Org) (string, error) {
		desks, err := s.directory(tx, op, org, oid)
		if err != nil {
			return "", err
		}
		if outcome != CallReached && outcome != CallNoAnswer && outcome != CallWrong {
			return "", problem.New(op, problem.Invalid, "console.d.refuse.outcome", nil)
		}
		ok, err := s.called(tx, org.ID, who, oid, desks[oid], phone, outcome)
		if err == nil && !ok {
			err = problem.New(op, problem.Invalid, "console.d.refuse.no_number", nil)
		}
		if err != nil {
			return "", err
		}
		return "", s.audit(tx, who, "test_call", oid)
	})
	return err
}

// called writes a call down with what it says about the number; ok is false when
// the number is none of the neighbour's.
func (s *Service) called(tx *store.Tx, org string, who Actor, oid string, d desk, phone string, outcome Outcome) (ok bool, err error) {
	i := slices.IndexFunc(d.numbers, func(n number) bool { return sameNumber(n.Number, phone) })
	if i < 0 {
		return false, nil
	}
	at := millis(s.Clock.Now())
	d.numbers = slices.Clone(d.numbers)
	switch n := &d.numbers[i]; outcome {
	case CallReached:
		n.By, n.At = who.Person, at
	case CallWrong:
		n.By, n.At = "", 0
	}
	if outcome != CallNoAnswer {
		if err := keepDesk(tx, org, oid, d); err != nil {
			return false, err
		}
	}
	_, err = tx.Exec(`INSERT INTO console_call (org, id, oid, number, at, person, outcome) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		org, s.Clock.NewID(), oid, d.numbers[i].Number, at, who.Person, string(outcome))
	return err == nil, err
}

// reached notes that a real call got through: the number that was shown is as
// good as tested.
func (s *Service) reached(tx *store.Tx, org string, who Actor, a *alarm, number string) error {
	desks, err := s.phones(tx, org)
	if err != nil {
		return err
	}
	d := desks[a.other]
	// A colleague may have gone on to the next number since.
	number = cmp.Or(number, d.step(a.step).Number)
	if number == "" {
		return nil
	}
	_, err = s.called(tx, org, who, a.other, d, number, CallReached)
	return err
}

// patience is how long a hand-over may wait for a neighbour's person.
func (s *Service) patience(tx *store.Tx, org, other string, danger bool) (time.Duration, error) {
	var after, otherwise int64
	err := tx.Row(`SELECT after_ms, else_ms FROM console_neighbour WHERE org = $1 AND oid = $2`, org, other).Scan(&after, &otherwise)
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return 0, err
	}
	if danger {
		return cmp.Or(time.Duration(after)*time.Millisecond, DefaultDanger), nil
	}
	return cmp.Or(time.Duration(otherwise)*time.Millisecond, DefaultElse), nil
}

// isPhone accepts international numbers as people write them.
func isPhone(s string) bool {
	for i, r := range s {
		switch {
		case r >= '0' && r <= '9':
		case r == '+' && i == 0, r == ' ', r == '\u00a0', r == '-', r == '/', r == '(', r == ')', r == '.':
		default:
			return false
		}
	}
	return len(digits(s)) >= 3
}

// sameNumber compares two numbers as they are dialled.
func sameNumber(a, b string) bool {
	return digits(a) == digits(b) && strings.HasPrefix(oneLine(a), "+") == strings.HasPrefix(oneLine(b), "+")
}
