package console

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// A case is all records of one event: what two neighbours handed over under numbers
// of their own is two incidents here until a person says that it is one. The id they
// share makes messages one incident by itself; anything less is a suggestion.

const (
	// nearby is how far apart two records of one event may lie: a scene on a road and
	// the error of a caller.
	nearby = 500.0 // metres
	// withinTime is how far apart they may have been stored: a second caller, a second
	// control room that asked back first.
	withinTime = 15 * time.Minute
	// gridStep is to what the place of an incident is rounded, in degrees: about what
	// nearby is from north to south.
	gridStep = 0.005
	// samePlace is how near two points of one scene are: the error of a telephone.
	samePlace = 100.0 // metres
	// mostCandidates bounds what is suggested: more is no help to decide.
	mostCandidates = 5
	// mostLooked bounds the records looked at, should a scene ring 1,000 times.
	mostLooked = 1_000
	// farShare and timeShare are what distance and time take of the score.
	farShare, timeShare = 0.5, 0.25
	// sameTown is how far the same municipality is, of nearby.
	sameTown = 0.6
)

// Candidate is an open incident that may be of the same event.
type Candidate struct {
	Row
	Number bool          // the sender's number is the same
	Metres float64       // between the two places; negative: not known
	Apart  time.Duration // between their storage
	Type   Likeness
	Score  float64 // 0 to 1, the best first
}

// Likeness says how the keywords of two records compare.
type Likeness string

// The likenesses.
const (
	SameType    Likeness = "same"
	OtherType   Likeness = "other"
	UnknownType Likeness = "unknown" // at least one has none, or they are of two catalogues
)

// Difference is what two records of an event say of the same thing.
type Difference struct {
	Field string // "injured", "type", "issue", "place", "address", "object", "point" or "number"
	A, B  string
	Agree Agreement
}

// Agreement says how two values compare.
type Agreement string

// The agreements.
const (
	Agrees  Agreement = "same"
	Differs Agreement = "differs"
	OneSide Agreement = "one_side" // only one record says anything
	Words   Agreement = "words"    // two people's own words, or keywords of two catalogues: a person compares
)

// grid rounds a place for the columns of an incident; 0, 0 without one.
func grid(f *Facts) (lat, lon int64) {
	if f == nil || !f.HasPoint {
		return 0, 0
	}
	return int64(math.Floor(f.Lat / gridStep)), int64(math.Floor(f.Lon / gridStep))
}

// caseOf lists the records of the case that an incident is in, the lead first: the
// incident alone when nobody found it to be one with another.
func caseOf(tx *store.Tx, org, incident string) ([]string, error) {
	ids := []string{incident}
	err := each(tx, `SELECT lead FROM console_case WHERE org = $1 AND incident = $2`, args{org, incident}, func(r *store.Rows) error {
		return r.Scan(&ids[0])
	})
	if err != nil {
		return nil, err
	}
	err = each(tx, `SELECT incident FROM console_case WHERE org = $1 AND lead = $2 ORDER BY at, incident`, args{org, ids[0]}, func(r *store.Rows) error {
		var id string
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// leads are the leads of an organisation's records that have one other than
// themselves, by record.
func leads(tx *store.Tx, org string) (map[string]string, error) {
	out := map[string]string{}
	err := each(tx, `SELECT c.incident, c.lead FROM console_case c WHERE c.org = $1`, args{org}, func(r *store.Rows) error {
		var id, lead string
		err := r.Scan(&id, &lead)
		out[id] = lead
		return err
	})
	return out, err
}

// foldCases makes one row of the rows of each case: that of the record which needs a
// person most, under the id of the lead. rows are in the order they are shown.
func foldCases(rows []Row, lead map[string]string) []Row {
	first := map[string]int{}
	out := rows[:0:0]
	for _, r := range rows {
		if l := lead[r.ID]; l != "" {
			r.ID = l
		}
		n, ok := first[r.ID]
		if !ok {
			r.Records = 1
			first[r.ID] = len(out)
			out = append(out, r)
			continue
		}
		o := &out[n]
		o.Records++
		o.Unseen += r.Unseen
		o.Nobody, o.Differs, o.Late, o.Danger = o.Nobody || r.Nobody, o.Differs || r.Differs, o.Late || r.Late, o.Danger || r.Danger
		if r.OID != o.OID {
			o.More++
		}
		if r.First.Before(o.First) {
			o.First = r.First
		}
		if r.Changed.After(o.Changed) {
			o.Changed = r.Changed
		}
		if o.Claim == nil {
			o.Claim = r.Claim
		}
		o.Headline, o.Place, o.Type = cmp.Or(o.Headline, r.Headline), cmp.Or(o.Place, r.Place), cmp.Or(o.Type, r.Type)
		if o.Injured == nil {
			o.Injured = r.Injured
		}
	}
	return out
}

// Merge notes that two incidents are one event. The record that was stored first
// leads. Nothing is sent: each neighbour keeps his number, and texts and changes go
// to all of them from now on.
func (s *Service) Merge(ctx context.Context, who Actor, incident, with string) error {
	const op = "console.Merge"
	return s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		a, b, err := s.two(tx, op, org.ID, incident, with)
		if err != nil {
			return err
		}
		if b.firstAt < a.firstAt || b.firstAt == a.firstAt && b.id < a.id {
			a, b = b, a
		}
		at := millis(s.Clock.Now())
		if _, err := tx.Exec(`UPDATE console_case SET lead = $3 WHERE org = $1 AND lead = $2`, org.ID, b.id, a.id); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO console_case (org, incident, lead, at, person) VALUES ($1, $2, $3, $4, $5)`, org.ID, b.id, a.id, at, who.Person); err != nil {
			return err
		}
		return s.judged(tx, org, who, didMerge, at, a, b)
	})
}

// two finds two leads of one kind that are not one case yet.
func (s *Service) two(tx *store.Tx, op, org, incident, with string) (a, b *incidentRow, err error) {
	var found [2]*incidentRow
	for n, id := range []string{incident, with} {
		ids, err := caseOf(tx, org, id)
		if err != nil {
			return nil, nil, err
		}
		if found[n], err = oneIncident(tx, op, org, ids[0]); err != nil {
			return nil, nil, err
		}
	}
	switch a, b = found[0], found[1]; {
	case a.id == b.id:
		return nil, nil, problem.New(op, problem.Conflict, "console.d.refuse.one_already", nil)
	case a.kind != b.kind:
		return nil, nil, problem.New(op, problem.Invalid, "console.d.refuse.mixed", nil)
	}
	return a, b, nil
}

// judged writes down what a person said of two records, in both.
func (s *Service) judged(tx *store.Tx, org Org, who Actor, what string, at int64, a, b *incidentRow) error {
	for _, i := range [][2]*incidentRow{{a, b}, {b, a}} {
		if err := s.record(tx, org.ID, action{at: at, person: who.Person, what: what, incident: i[0].id, detail: i[1].other}, ""); err != nil {
			return err
		}
		if err := s.audit(tx, who, what, i[0].id); err != nil {
			return err
		}
		if err := s.refresh(tx, org.ID, i[0].id, at); err != nil {
			return err
		}
	}
	return nil
}

// Separate takes a record out of its case: it was another event after all. The
// others stay one case, and it is not suggested again for any of them.
func (s *Service) Separate(ctx context.Context, who Actor, incident string) error {
	const op = "console.Separate"
	return s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		i, err := oneIncident(tx, op, org.ID, incident)
		if err != nil {
			return err
		}
		ids, err := caseOf(tx, org.ID, incident)
		if err != nil {
			return err
		}
		if len(ids) == 1 {
			return problem.New(op, problem.Conflict, "console.d.refuse.not_one", nil)
		}
		rest := slices.DeleteFunc(ids, func(id string) bool { return id == incident })
		if _, err := tx.Exec(`DELETE FROM console_case WHERE org = $1 AND incident IN ($2, $3)`, org.ID, incident, rest[0]); err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE console_case SET lead = $3 WHERE org = $1 AND lead = $2`, org.ID, incident, rest[0]); err != nil {
			return err
		}
		at := millis(s.Clock.Now())
		for _, id := range rest {
			if err := apart(tx, org.ID, who, incident, id, at); err != nil {
				return err
			}
		}
		lead, err := oneIncident(tx, op, org.ID, rest[0])
		if err != nil {
			return err
		}
		return s.judged(tx, org, who, didSeparate, at, i, lead)
	})
}

// Apart notes that a suggested incident is another event: it is not suggested again.
func (s *Service) Apart(ctx context.Context, who Actor, incident, with string) error {
	const op = "console.Apart"
	return s.do(ctx, op, who, func(tx *store.Tx, org Org) error {
		a, b, err := s.two(tx, op, org.ID, incident, with)
		if err != nil {
			return err
		}
		at := millis(s.Clock.Now())
		if err := apart(tx, org.ID, who, a.id, b.id, at); err != nil {
			return err
		}
		return s.judged(tx, org, who, didApart, at, a, b)
	})
}

func apart(tx *store.Tx, org string, who Actor, a, b string, at int64) error {
	_, err := tx.Exec(`INSERT INTO console_apart (org, a, b, at, person) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		org, min(a, b), max(a, b), at, who.Person)
	return err
}

// Candidates are the open incidents that may be of the same event as an open one,
// the likeliest first: the same number at the sender, else near in place and time.
// The kinds of traffic are never mixed.
func (s *Service) Candidates(ctx context.Context, org, incident string) ([]Candidate, error) {
	const op = "console.Candidates"
	var out []Candidate
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		i, err := oneIncident(tx, op, org, incident)
		if err != nil {
			return err
		}
		out, err = s.candidates(tx, i)
		return err
	})
	return out, problem.Wrap(op, err)
}

func (s *Service) candidates(tx *store.Tx, i *incidentRow) ([]Candidate, error) {
	if i.closed {
		return nil, nil
	}
	f := &finder{s: s, tx: tx, i: i}
	var err error
	if f.ids, err = caseOf(tx, i.org, i.id); err != nil {
		return nil, err
	}
	if f.mine, err = s.summaryOf(i); err != nil {
		return nil, err
	}
	if err := f.find(); err != nil {
		return nil, err
	}
	var rows []*incidentRow
	for _, c := range f.best {
		o, err := oneIncident(tx, "console.candidates", i.org, c.ID)
		if err != nil {
			return nil, err
		}
		rows = append(rows, o)
	}
	views, err := s.rows(tx, i.org, rows, s.Clock.Now(), false)
	if err != nil {
		return nil, err
	}
	for n, r := range views { // in the order of rows
		f.best[n].Row = r
	}
	return f.best, nil
}

// finder looks for what may be of the same event as i.
type finder struct {
	s    *Service
	tx   *store.Tx
	i    *incidentRow
	mine summary
	ids  []string    // of the case of i
	best []Candidate // the likeliest so far, at most mostCandidates; of their rows the id only
}

// find looks at the open incidents whose number, rounded place or municipality and
// time of storage come into question: at the scene first, since with enough found
// there nothing far from it can be likelier.
func (f *finder) find() error {
	i := f.i
	from, to := i.firstAt-withinTime.Milliseconds(), i.firstAt+withinTime.Milliseconds()
	if i.number != "" {
		if err := f.look(` AND i.number = $4 AND i.other = $5`, i.number, i.other); err != nil {
			return err
		}
	}
	if i.lat != 0 {
		// The sum keeps the times' index out of it: in a storm all are of the same minutes.
		if err := f.look(` AND i.lat <> 0 AND i.lat = $4 AND i.lon = $5 AND i.first_at + 0 BETWEEN $6 AND $7`, i.lat, i.lon, from, to); err != nil {
			return err
		}
		if south, north, west, east := f.reach(); south < i.lat || north > i.lat || west < i.lon || east > i.lon {
			err := f.look(` AND i.lat <> 0 AND i.lat IN ($4, $5, $6) AND i.lon BETWEEN $7 AND $8 AND NOT (i.lat = $5 AND i.lon = $9) AND i.first_at + 0 BETWEEN $10 AND $11`,
				south, i.lat, north, west, east, i.lon, from, to)
			if err != nil {
				return err
			}
		}
	}
	if i.city != "" && f.least() <= 1-farShare*sameTown {
		// Two places that are known are compared as such.
		return f.look(` AND i.city = $4 AND i.first_at BETWEEN $5 AND $6 AND (i.lat = 0 OR $7 = 0)`, i.city, from, to, i.lat)
	}
	return nil
}

// look compares what a condition finds and keeps the best. It reads no more of each
// than that wants, since every column of a scene that rings 100 times counts, and
// unseals those that were stored about the same time first: when enough are found,
// one stored long before or after cannot be likelier wherever it lies.
func (f *finder) look(where string, more ...any) error {
	var rows []*incidentRow
	err := each(f.tx, `SELECT i.id, i.other, i.number, i.first_at, i.type, i.summary, i.key_id, k.wrapped
		FROM console_incident i LEFT JOIN seal_key k ON k.id = i.key_id
		WHERE i.org = $1 AND i.kind = $2 AND i.closed = 0 AND i.id <> $3 AND NOT EXISTS (SELECT 1 FROM console_apart x
		WHERE x.org = i.org AND x.a = CASE WHEN i.id < $3 THEN i.id ELSE $3 END AND x.b = CASE WHEN i.id < $3 THEN $3 ELSE i.id END)`+
		where+` LIMIT `+itoa(mostLooked), append(args{f.i.org, string(f.i.kind), f.i.id}, more...), func(r *store.Rows) error {
		o := &incidentRow{org: f.i.org}
		rows = append(rows, o)
		return r.Scan(&o.id, &o.other, &o.number, &o.firstAt, &o.typ, &o.summary, &o.keyID, &o.wrapped)
	})
	if err != nil {
		return err
	}
	slices.SortFunc(rows, func(a, b *incidentRow) int { return cmp.Compare(atMost(f.i, b), atMost(f.i, a)) })
	for _, o := range rows {
		if atMost(f.i, o) < f.least() {
			break
		}
		if slices.Contains(f.ids, o.id) || slices.ContainsFunc(f.best, func(c Candidate) bool { return c.ID == o.id }) {
			continue
		}
		theirs, err := f.s.summaryOf(o)
		if err != nil {
			return err
		}
		c, ok := f.s.compare(f.i, o, f.mine, theirs)
		if !ok {
			continue
		}
		c.ID = o.id
		f.best = append(f.best, c)
		slices.SortFunc(f.best, func(a, b Candidate) int {
			return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Apart, b.Apart), cmp.Compare(a.ID, b.ID))
		})
		f.best = f.best[:min(len(f.best), mostCandidates)]
	}
	return nil
}

// least is the score without which nothing more comes among the best.
func (f *finder) least() float64 {
	if len(f.best) < mostCandidates {
		return 0
	}
	return f.best[mostCandidates-1].Score
}

// reach is how far, in steps of the grid, something may lie that still comes among the
// best, whatever else speaks for it. One whose place is not known is taken for as near
// as the same municipality: while that would do, all around is looked at.
func (f *finder) reach() (south, north, west, east int64) {
	i, p := f.i, f.mine.Point
	// A degree of longitude is shorter: at 51° two steps reach as far as one of latitude.
	south, north, west, east = i.lat-1, i.lat+1, i.lon-2, i.lon+2
	if p == nil || f.least() <= 1-farShare*sameTown {
		return south, north, west, east
	}
	metres := (1-f.least())/farShare*nearby + 1 // for what rounding loses
	edge := func(bearing float64) (lat, lon int64) {
		q := geo.Destination(*p, bearing, metres)
		return grid(&Facts{HasPoint: true, Lat: q.Lat, Lon: q.Lon})
	}
	s, _ := edge(180)
	n, _ := edge(0)
	_, w := edge(270)
	_, e := edge(90)
	return max(south, s), min(north, n), max(west, w), min(east, e)
}

// apartOf is how long two incidents were stored apart.
func apartOf(i, o *incidentRow) time.Duration {
	return time.Duration(max(i.firstAt-o.firstAt, o.firstAt-i.firstAt)) * time.Millisecond
}

func oneNumber(i, o *incidentRow) bool {
	return i.number != "" && i.number == o.number && i.other == o.other
}

// atMost is the score of two incidents of the same kind of event at the same place.
func atMost(i, o *incidentRow) float64 {
	if oneNumber(i, o) {
		return 1
	}
	return 1 - timeShare*float64(apartOf(i, o))/float64(withinTime)
}

// compare says how likely two incidents are of one event; ok is false when they are
// not worth a person's look.
func (s *Service) compare(i, o *incidentRow, mine, theirs summary) (c Candidate, ok bool) {
	c = Candidate{Metres: -1, Apart: apartOf(i, o), Number: oneNumber(i, o)}
	if mine.Point != nil && theirs.Point != nil {
		c.Metres = geo.Distance(*mine.Point, *theirs.Point)
	}
	c.Type = likeness(kindOfEvent{i.typ, mine.TypeKey}, kindOfEvent{o.typ, theirs.TypeKey})
	if c.Number {
		c.Score = 1
		return c, true
	}
	if c.Metres > nearby || c.Apart > withinTime {
		return c, false
	}
	far := sameTown
	if c.Metres >= 0 {
		far = c.Metres / nearby
	}
	c.Score = 1 - farShare*far - timeShare*float64(c.Apart)/float64(withinTime) - map[Likeness]float64{UnknownType: 0.1, OtherType: 0.24}[c.Type]
	// Another kind of thing in the same town a while ago is no suggestion.
	return c, c.Metres >= 0 || c.Type != OtherType
}

// kindOfEvent is what happened: the sender's keyword, and the incident type it means
// where the crosswalk knows it.
type kindOfEvent struct{ keyword, key string }

// likeness compares what happened by the family of the incident types ("fire" of
// "fire.building.low"), else by the first word of the keywords, which names the
// family in the catalogues of all three countries ("Brand 2", "Požár – …", "Pożar").
// Words of which one is unknown tell nothing.
func likeness(a, b kindOfEvent) Likeness {
	if a.key != "" && b.key != "" {
		x, _, _ := strings.Cut(a.key, ".")
		y, _, _ := strings.Cut(b.key, ".")
		if x == y {
			return SameType
		}
		return OtherType
	}
	x, y := family(a.keyword), family(b.keyword)
	switch {
	case x == "" || y == "":
		return UnknownType
	case x == y:
		return SameType
	}
	for _, f := range families {
		if slices.Contains(f, x) && slices.Contains(f, y) {
			return SameType
		}
	}
	known := func(w string) bool {
		return slices.ContainsFunc(families, func(f []string) bool { return slices.Contains(f, w) })
	}
	if known(x) && known(y) {
		return OtherType
	}
	return UnknownType
}

func family(keyword string) string {
	w := strings.FieldsFunc(strings.ToLower(keyword), func(r rune) bool { return strings.ContainsRune(" -–—:,./()", r) })
	if len(w) == 0 {
		return ""
	}
	return w[0]
}

// families are the first words that mean the same kind of event in the keywords of
// the three countries.
var families = [][]string{
	{"požár", "brand", "feuer", "pożar", "fire", "b", "f", "bma"},
	{"dopravní", "vu", "verkehrsunfall", "wypadek", "traffic", "th", "hilfeleistung", "technická", "miejscowe", "rescue"},
	{"únik", "abc", "gefahrgut", "chemiczne", "hazmat", "nebezpečné"},
	{"živelní", "unwetter", "hochwasser", "povodeň", "powódź", "flood", "wasser"},
}

// differ compares what two records say, field by field, in the order they are asked
// for; what neither says is left out.
func differ(a, b *Facts) []Difference {
	if a == nil || b == nil {
		return nil
	}
	var out []Difference
	add := func(field, x, y string, agree Agreement) {
		switch {
		case x == "" && y == "":
			return
		case x == "" || y == "":
			agree = OneSide
		case same(x, y):
			agree = Agrees
		}
		out = append(out, Difference{field, x, y, agree})
	}
	types := map[Likeness]Agreement{SameType: Agrees, OtherType: Differs, UnknownType: Words}[likeness(kindOfEvent{a.Type, a.TypeKey}, kindOfEvent{b.Type, b.TypeKey})]
	points := Differs
	if a.HasPoint && b.HasPoint && geo.Distance(geo.Point{Lat: a.Lat, Lon: a.Lon}, geo.Point{Lat: b.Lat, Lon: b.Lon}) <= samePlace {
		points = Agrees
	}
	add("injured", countText(a.Injured), countText(b.Injured), Differs)
	add("type", a.Type, b.Type, types)
	add("issue", a.Issue, b.Issue, Words)
	add("place", a.Place, b.Place, Differs)
	add("address", a.Address, b.Address, Differs)
	add("object", a.Object, b.Object, Words)
	add("point", a.point(), b.point(), points)
	add("number", a.InternalID, b.InternalID, Words)
	return out
}

func (f *Facts) point() string {
	if !f.HasPoint {
		return ""
	}
	return geo.Format(geo.Point{Lat: f.Lat, Lon: f.Lon}, geo.Decimal)
}

func countText(n *int) string {
	if n == nil {
		return ""
	}
	return itoa(int64(*n))
}
