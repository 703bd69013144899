package console

import (
	stdcmp "cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// bautzen hands over from the dispatch system at the second node: what a control
// room of another make knows of the same event, under an id of its own.
func bautzen(from, at *room, w wireIncident) string {
	at.t.Helper()
	w.SharedID = from.Clock.NewID()
	w.SentAt = ucri.FormatTime(from.clk.Now())
	e := letter(system2, room1, appIncident, msgIncident, w)
	if _, err := from.system().Send(at.t.Context(), e); err != nil {
		at.t.Fatal(err)
	}
	at.state(w.SharedID, Ringing)
	return w.SharedID
}

// collision is the accident as Bautzen tells it: 120 m further on, in German.
func collision() wireIncident {
	blue := true
	return wireIncident{Classes: []string{"VU mit Verletzten"}, Issue: "Pkw gegen Lkw", Blue: &blue, InternalID: "BZ-4711", Location: &wireLocation{
		Coordinate: &wirePoint{50.8538, 14.8440}, Address: &wireAddress{Street: "Žitavská", City: "Hrádek nad Nisou"}}}
}

// Two neighbours hand over the same accident. Only a person makes one of it, what is
// said then goes to both under the id each knows, and a person can take it back.
func TestOneEventTwoRecords(t *testing.T) {
	cz, de := newRooms(t)
	d := accident(room1)
	first, err := de.HandOver(t.Context(), de.who("max"), d)
	de.ok(err)
	cz.state(first, Ringing)
	second := bautzen(de, cz, collision())

	i := cz.incident(second)
	if len(cz.queue()) != 2 || len(i.Suggested) != 1 || i.Suggested[0].ID != first {
		t.Fatalf("not suggested: %d rows, %s", len(cz.queue()), dump(i.Suggested))
	}
	if c := i.Suggested[0]; math.Abs(c.Metres-119) > 3 || c.Type != SameType || c.Score < 0.7 || c.Number {
		t.Errorf("suggestion: %s", dump(c))
	}
	if len(i.Records) != 1 {
		t.Errorf("merged by itself: %d records", len(i.Records))
	}

	cz.ok(cz.Merge(t.Context(), cz.who("jana"), second, first))
	cz.refused(cz.Merge(t.Context(), cz.who("petr"), first, second), problem.Conflict, "console.d.refuse.one_already")
	rows := cz.queue()
	if len(rows) != 1 || rows[0].ID != first || rows[0].Records != 2 || rows[0].More != 1 || rows[0].State != Ringing {
		t.Fatalf("queue: %s", dump(rows))
	}
	for _, id := range []string{first, second} {
		i := cz.incident(id)
		if i.ID != first || len(i.Records) != 2 || len(i.Handovers) != 2 || len(i.Partners) != 2 || len(i.Suggested) != 0 {
			t.Errorf("%s: %d records, %d hand-overs, %d partners", id, len(i.Records), len(i.Handovers), len(i.Partners))
		}
		if !slices.ContainsFunc(i.Records[1].differing(), func(d Difference) bool { return d.Field == "issue" && d.B == "Pkw gegen Lkw" }) {
			t.Errorf("the difference is not told: %s", dump(i.Records[1].Differs))
		}
	}

	// Opened, it falls silent for both; each is accepted on its own.
	cz.ok(cz.Open(t.Context(), cz.who("jana"), first))
	if s := cz.strip(); len(s.Alarms) != 0 {
		t.Errorf("a record of the case still rings: %s", dump(s.Alarms))
	}
	for _, h := range cz.incident(first).Handovers {
		cz.ok(cz.Accept(t.Context(), cz.who("jana"), h.ID, Confirm{Place: "Hrádek nad Nisou"}, fmt.Sprint("a", h.ID)))
	}

	// A text goes to both, once each and under the id each knows.
	cz.ok(cz.Text(t.Context(), cz.who("jana"), second, nil, "Silnice je uzavřena", "t1"))
	c := de.system()
	var got []string
	cz.until("Bautzen has the text", func() bool {
		m, err := c.Receive(t.Context(), ucri.ReceiveRequest{Destinations: []string{system2}, MaxDelay: 1})
		cz.ok(err)
		got = nil
		for _, x := range m {
			if x.Payload.AppID == appText && strings.Contains(x.Payload.Data, "uzavřena") {
				got = append(got, ucri.SubjectID(x.Payload))
			}
		}
		return len(got) > 0
	})
	if !slices.Equal(got, []string{second}) {
		t.Errorf("Bautzen got it about %v, want %s once", got, second)
	}
	de.until("Hoyerswerda has the text", func() bool {
		de.sync()
		return slices.ContainsFunc(de.incident(first).Thread, func(e Entry) bool { return e.Incoming && len(e.Lines) > 0 && e.Lines[0].Text == "Silnice je uzavřena" })
	})

	// It was another accident after all.
	cz.ok(cz.Separate(t.Context(), cz.who("petr"), first))
	if a, b := cz.incident(first), cz.incident(second); len(a.Records) != 1 || len(b.Records) != 1 || b.ID != second || len(a.Suggested) != 0 || len(b.Suggested) != 0 || len(cz.queue()) != 2 {
		t.Errorf("separated: %d, %d records; suggested again: %d, %d", len(a.Records), len(b.Records), len(a.Suggested), len(b.Suggested))
	}
	cz.refused(cz.Separate(t.Context(), cz.who("petr"), first), problem.Conflict, "console.d.refuse.not_one")
	for _, what := range []string{"console.d.event.merge", "console.d.event.separate"} {
		if !slices.ContainsFunc(cz.incident(second).Events, func(e Event) bool { return e.Key == what && e.Args["neighbour"] == "Hoyerswerda" && e.Who != "" }) {
			t.Errorf("%s is not in the course of events", what)
		}
	}
	if n := cz.count(`SELECT COUNT(*) FROM audit_leaf`); n == 0 {
		t.Error("nothing is in the audit log")
	}
	cz.ok(cz.Merge(t.Context(), cz.who("petr"), first, second)) // and one again: a verdict is no wall
}

// Kinds never mix, not by a person either.
func TestCaseOfOneKind(t *testing.T) {
	cz, _ := newRooms(t)
	live, drill := cz.handOver(accident(room2)), cz.handOver(accident(test2))
	cz.sync()
	cz.refused(cz.Merge(t.Context(), cz.who("jana"), live, drill), problem.Invalid, "console.d.refuse.mixed")
	if c, err := cz.Candidates(t.Context(), cz.org.ID, live); err != nil || len(c) != 0 {
		t.Errorf("a test is suggested for a real one: %s %v", dump(c), err)
	}
}

// What is suggested agrees with a plain look at all pairs, whatever was merged and
// told apart before.
func TestCandidatesAgree(t *testing.T) {
	cz, _ := newRooms(t)
	type scene struct {
		id   string
		p    geo.Point
		at   time.Time
		city string
		typ  string
		no   string
	}
	var scenes []scene
	cities, types := []string{"Hrádek nad Nisou", "Zittau", ""}, []string{"požár", "dopravní nehoda", "Brand 2", ""}
	base := geo.Point{Lat: 50.85, Lon: 14.84}
	rapid.Check(t, func(r *rapid.T) {
		cz.clk.Advance(time.Duration(rapid.IntRange(0, 500).Draw(r, "s")) * time.Second)
		sc := scene{city: rapid.SampledFrom(cities).Draw(r, "city"), typ: rapid.SampledFrom(types).Draw(r, "type"), at: cz.clk.Now()}
		d := accident(room2)
		d.Place, d.Type, d.Street, d.House = sc.city, sc.typ, "Lesní", ""
		if d.HasPoint = rapid.Bool().Draw(r, "point"); d.HasPoint {
			sc.p = geo.Destination(base, rapid.Float64Range(0, 360).Draw(r, "bearing"), rapid.Float64Range(0, 900).Draw(r, "metres"))
			d.Lat, d.Lon = sc.p.Lat, sc.p.Lon
		}
		if rapid.IntRange(0, 3).Draw(r, "numbered") == 0 {
			d.InternalID = rapid.SampledFrom([]string{"7", "8"}).Draw(r, "number")
			sc.no = d.InternalID
		}
		sc.id = cz.handOver(d)
		scenes = append(scenes, sc)
		if len(scenes) > 60 {
			scenes = scenes[1:]
		}
		got, err := cz.Candidates(t.Context(), cz.org.ID, sc.id)
		if err != nil {
			r.Fatal(err)
		}
		want := 0
		for _, o := range scenes[:len(scenes)-1] {
			known := sc.p != (geo.Point{}) && o.p != (geo.Point{})
			near := known && geo.Distance(sc.p, o.p) <= 500 || !known && sc.city != "" && sc.city == o.city && likeness(kindOfEvent{keyword: sc.typ}, kindOfEvent{keyword: o.typ}) != OtherType
			if sc.no != "" && sc.no == o.no || near && sc.at.Sub(o.at) <= 15*time.Minute {
				want++
				continue
			}
			if slices.ContainsFunc(got, func(c Candidate) bool { return c.ID == o.id }) {
				r.Fatalf("%+v is suggested for %+v", o, sc)
			}
		}
		if len(scenes) < 60 && len(got) != min(want, mostCandidates) {
			r.Fatalf("%d are suggested, want %d of %d", len(got), min(want, mostCandidates), want)
		}
		if !slices.IsSortedFunc(got, func(a, b Candidate) int { return stdcmp.Compare(b.Score, a.Score) }) {
			r.Fatal("not the likeliest first")
		}
	})
}

// A change is written in any language, read in any, and shows what it was before.
func TestChangeIsReadBack(t *testing.T) {
	cz, _ := newRooms(t)
	rapid.Check(t, func(r *rapid.T) {
		var want []Change
		for _, f := range Fields {
			if !rapid.Bool().Draw(r, "has") {
				continue
			}
			one := func(name string) string {
				switch f {
				case FieldInjured:
					return rapid.SampledFrom([]string{"", "0", "3", "12"}).Draw(r, name)
				case FieldDanger:
					return rapid.SampledFrom([]string{yes, no}).Draw(r, name)
				}
				return clean(f, rapid.StringMatching(`[A-Za-zěščřžýáíéäöüßłąę0-9 .:→\n]{0,30}`).Draw(r, name))
			}
			want = append(want, Change{Field: f, Old: one("old"), New: one("new")})
		}
		if len(want) == 0 {
			return
		}
		l := rapid.SampledFrom(i18n.Langs).Draw(r, "lang")
		text := cz.updateText(l, want)
		if d := cmp.Diff(want, cz.readUpdate([]wireRemark{{Message: text}})); d != "" {
			r.Fatalf("%s\n%s", text, d)
		}
	})
	for _, text := range []string{"", "Změna", "Změna hlášení: Zraněných: 2 → 3"} {
		if got := cz.readUpdate([]wireRemark{{Message: text}}); got != nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
	if got := cz.readUpdate([]wireRemark{{Message: "Änderung der Meldung\nVerletzte: 2 → viele\nFarbe: rot → blau\nVerletzte"}}); len(got) != 0 {
		t.Errorf("what is no value is read: %v", got)
	}
}

// A change made at one side stands at the other as a difference, two people who edit
// at once see each other, and no change of a colleague is overwritten unseen.
func TestChangeFlowsToAllSides(t *testing.T) {
	cz, de := newRooms(t)
	first, err := de.HandOver(t.Context(), de.who("max"), accident(room1))
	de.ok(err)
	cz.state(first, Ringing)
	second := bautzen(de, cz, collision())
	cz.ok(cz.Merge(t.Context(), cz.who("jana"), first, second))

	cz.ok(cz.Edit(t.Context(), cz.who("jana"), first))
	cz.ok(cz.Edit(t.Context(), cz.who("petr"), second))
	if e := cz.incident(first).Editors; len(e) != 2 || e[0].Name != "Jana Nováková" || e[1].Name != "Petr Malý" {
		t.Errorf("who writes: %s", dump(e))
	}
	base := cz.incident(first).Facts.values()
	mine := map[Field]string{}
	for f, v := range base {
		mine[f] = v
	}
	mine[FieldInjured], mine[FieldIssue] = "5", "Autobus a nákladní auto"
	if c, err := cz.Change(t.Context(), cz.who("jana"), first, base, mine, "c1"); err != nil || len(c) != 0 {
		t.Fatalf("%v %v", c, err)
	}
	if e := cz.incident(first).Editors; len(e) != 1 {
		t.Errorf("who has sent his change still writes: %s", dump(e))
	}
	// Petr saw the old values. What Jana did not touch goes through beside hers.
	his := map[Field]string{}
	for f, v := range base {
		his[f] = v
	}
	his[FieldInjured] = "4"
	c, err := cz.Change(t.Context(), cz.who("petr"), first, base, his, "c2")
	if err != nil || !slices.Equal(c, []Collision{{FieldInjured, "3", "5", "4"}}) {
		t.Fatalf("collision: %v %v", c, err)
	}
	if n := *cz.incident(first).Facts.Injured; n != 5 {
		t.Errorf("%d injured, want Jana's 5", n)
	}
	his[FieldInjured], his[FieldPlace] = "3", "Chotyně"
	if c, err := cz.Change(t.Context(), cz.who("petr"), first, base, his, "c3"); err != nil || len(c) != 0 {
		t.Fatalf("%v %v", c, err)
	}
	_, err = cz.Change(t.Context(), cz.who("petr"), first, base, base, "c4")
	cz.refused(err, problem.Invalid, "console.d.refuse.no_change")

	de.until("the changes are at the neighbour's", func() bool { de.sync(); return len(de.incident(first).Changes) == 3 })
	there := de.incident(first)
	if *there.Facts.Injured != 5 || there.Facts.Issue != "Autobus a nákladní auto" || there.Facts.Place != "Chotyně" || there.Headline != "Autobus a nákladní auto" || there.Place != "Chotyně" {
		t.Errorf("there: %s", dump(there.Facts))
	}
	if c := there.Changes[0]; c.Field != FieldInjured || c.Old != "3" || c.New != "5" || !c.Incoming || c.Name != "Liberec" {
		t.Errorf("change: %s", dump(c))
	}
	bz, err := de.system().Receive(t.Context(), ucri.ReceiveRequest{Destinations: []string{system2}, MaxDelay: 1})
	de.ok(err)
	var told []string
	for _, m := range bz {
		if m.Payload.AppID == appText {
			var w wireText
			de.ok(json.Unmarshal([]byte(m.Payload.Data), &w))
			told = append(told, w.Lines[0].Message)
		}
	}
	if len(told) != 2 || told[0] != "Změna hlášení\nZraněných: 3 → 5\nCo se stalo: Osobní auto a nákladní auto → Autobus a nákladní auto" {
		t.Errorf("Bautzen was told %q", told)
	}

	// Switched off, a neighbour's change goes to the others when a person says so, and once.
	cz.ok(cz.SetFlow(t.Context(), cz.who("petr"), first, false))
	seen := de.incident(first).Facts.values()
	theirs := map[Field]string{}
	for f, v := range seen {
		theirs[f] = v
	}
	theirs[FieldInjured] = "6"
	_, err = de.Change(t.Context(), de.who("ida"), first, seen, theirs, "d1")
	de.ok(err)
	var entry int64
	cz.until("the neighbour's change is here", func() bool {
		cz.sync()
		for _, c := range cz.incident(second).Changes {
			if c.Incoming {
				entry = c.Entry
			}
		}
		return entry != 0
	})
	if n := *cz.incident(first).Facts.Injured; n != 6 {
		t.Errorf("%d injured here, want the neighbour's 6", n)
	}
	before := cz.count(`SELECT COUNT(*) FROM console_message WHERE incoming = 0 AND form = 'update'`)
	for range 2 {
		cz.ok(cz.PassOn(t.Context(), cz.who("jana"), first, entry, "p1"))
	}
	if n := cz.count(`SELECT COUNT(*) FROM console_message WHERE incoming = 0 AND form = 'update' AND other = $1`, system2); n != 3 {
		t.Errorf("Bautzen got %d changes, want 3", n)
	}
	if n := cz.count(`SELECT COUNT(*) FROM console_message WHERE incoming = 0 AND form = 'update'`); n != before+1 {
		t.Errorf("it went back to who told it: %d messages, want %d", n, before+1)
	}
	cz.refused(cz.PassOn(t.Context(), cz.who("jana"), first, 1, ""), problem.NotFound, "console.d.refuse.not_found")
}

// Who has no part in an incident can say something about it, and changes nothing.
func TestStrangerChangesNothing(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	de.state(id, Ringing)
	text := de.updateText(i18n.De, []Change{{Field: FieldInjured, Old: "3", New: "0"}, {Field: FieldDanger, Old: yes, New: no}})
	_, err := de.system().Send(t.Context(), letter(system2, room1, appText, msgText, wireText{SharedID: id, Lines: []wireRemark{{At: ucri.FormatTime(de.clk.Now()), Message: text}}}))
	cz.ok(err)
	cz.until("it is here", func() bool { cz.sync(); return len(cz.incident(id).Thread) > 1 })
	if i := cz.incident(id); *i.Facts.Injured != 3 || *i.Injured != 3 || !i.Danger || len(i.Changes) != 0 || i.Thread[1].Form != FormText {
		t.Errorf("a stranger changed it: %s", dump(i.Changes))
	}
}

// Built anew, the tables say the same with merged records and changes.
func TestCaseSurvivesRebuild(t *testing.T) {
	cz, de := newRooms(t)
	first, err := de.HandOver(t.Context(), de.who("max"), accident(room1))
	de.ok(err)
	cz.state(first, Ringing)
	second := bautzen(de, cz, collision())
	cz.ok(cz.Merge(t.Context(), cz.who("jana"), first, second))
	base := cz.incident(first).Facts.values()
	mine := map[Field]string{FieldInjured: "9", FieldDanger: no, FieldPoint: "50.9, 14.8"}
	for f, v := range base {
		if _, ok := mine[f]; !ok {
			mine[f] = v
		}
	}
	_, err = cz.Change(t.Context(), cz.who("jana"), first, base, mine, "")
	cz.ok(err)
	settled(cz, de)
	before, view := cz.tables(), dump(cz.incident(second).Row)
	cz.ok(cz.Rebuild(t.Context(), cz.org.ID))
	cz.sync()
	if d := cmp.Diff(before, cz.tables()); d != "" {
		t.Error(d)
	}
	if got := dump(cz.incident(second).Row); got != view {
		t.Errorf("before %s\nafter %s", view, got)
	}
	if i := cz.incident(first); *i.Injured != 9 || i.Danger || i.Facts.Lat != 50.9 {
		t.Errorf("changes: %s", dump(i.Row))
	}
}

// openIncident writes the row of an open incident that came in; point may be nil.
func (r *room) openIncident(tx *store.Tx, key *seal.Key, i incidentRow, point *geo.Point) error {
	plain, err := json.Marshal(summary{Headline: "Brand", Point: point})
	if err != nil {
		return err
	}
	if point != nil {
		i.lat, i.lon = grid(&Facts{HasPoint: true, Lat: point.Lat, Lon: point.Lon})
	}
	_, err = tx.Exec(`INSERT INTO console_incident (org, id, kind, shared_id, app, message, incoming, own, other, first_at, changed_at,
		type, city, danger, late, state, state_at, closed, summary, key_id, tokens, lat, lon, number)
		VALUES ($1, $2, 'live', $2, 'incident_transfer', 'incident', 1, $3, $4, $5, $5, $6, $7, 0, 0, 'ringing', 0, 0, $8, $9, $10, $11, $12, $13)`,
		r.org.ID, i.id, room1, room2, i.firstAt, i.typ, i.city, key.Seal(plain, summaryPlace(r.org.ID, i.id)), key.ID(), []byte{}, i.lat, i.lon, i.number)
	return err
}

// In a crowd, where the search ends early, exactly those are suggested that a plain
// comparison with every record finds to be the likeliest, in the same order.
func TestCandidatesAreTheLikeliest(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	cz, _ := newRooms(t)
	type record struct {
		row incidentRow
		sum summary // as it can be read
	}
	var all []record
	apart := map[[2]string]bool{}
	pick := func(from ...string) string { return from[rnd.IntN(len(from))] }
	// Two crowds, one of them at a corner of the grid, and one that is far flung.
	centres := []geo.Point{{Lat: 50.8501, Lon: 14.8401}, {Lat: 54.3526, Lon: 18.6475}, {Lat: 48.9747, Lon: 14.4749}}
	cz.ok(cz.db.Write(t.Context(), func(tx *store.Tx) error {
		key, err := cz.ring.Key(tx, "incident:there")
		if err != nil {
			return err
		}
		gone, err := cz.ring.Key(tx, "incident:gone")
		if err != nil {
			return err
		}
		for n := range 1_500 {
			x := record{row: incidentRow{id: fmt.Sprint("crowd-", n), firstAt: millis(cz.clk.Now()) + rnd.Int64N(30*60_000), typ: pick("Brand 2", "požár", "VU", ""),
				city: pick("", "Zittau", "Liberec"), other: room2}}
			if n%40 == 0 {
				x.row.number = pick("7", "8")
			}
			if rnd.IntN(8) > 0 {
				p := geo.Destination(centres[n%3], 360*rnd.Float64(), []float64{150, 600, 3000}[n%3]*rnd.Float64())
				x.sum.Point = &p
				x.row.lat, x.row.lon = grid(&Facts{HasPoint: true, Lat: p.Lat, Lon: p.Lon})
			}
			k := key
			if rnd.IntN(20) == 0 {
				k = gone
			}
			if err := cz.openIncident(tx, k, x.row, x.sum.Point); err != nil {
				return err
			}
			if k == gone {
				x.sum = summary{}
			}
			all = append(all, x)
		}
		for range 2_000 {
			a, b := all[rnd.IntN(len(all))].row.id, all[rnd.IntN(len(all))].row.id
			if _, err := tx.Exec(`INSERT INTO console_apart (org, a, b, at, person) VALUES ($1, $2, $3, 0, '') ON CONFLICT DO NOTHING`, cz.org.ID, min(a, b), max(a, b)); err != nil {
				return err
			}
			apart[[2]string{min(a, b), max(a, b)}] = true
		}
		return cz.ring.Destroy(tx, gone.ID())
	}))
	for range 150 {
		i := all[rnd.IntN(len(all))]
		var want []Candidate
		for _, o := range all {
			d := o.row.lat - i.row.lat
			here := i.row.lat != 0 && o.row.lat != 0 && max(d, -d) <= 1 && max(o.row.lon-i.row.lon, i.row.lon-o.row.lon) <= 2
			town := (i.row.lat == 0 || o.row.lat == 0) && i.row.city != "" && i.row.city == o.row.city
			if i.row.id == o.row.id || apart[[2]string{min(i.row.id, o.row.id), max(i.row.id, o.row.id)}] || !oneNumber(&i.row, &o.row) && !here && !town {
				continue
			}
			if c, ok := cz.compare(&i.row, &o.row, i.sum, o.sum); ok {
				c.ID = o.row.id
				want = append(want, c)
			}
		}
		slices.SortFunc(want, func(a, b Candidate) int {
			return stdcmp.Or(stdcmp.Compare(b.Score, a.Score), stdcmp.Compare(a.Apart, b.Apart), stdcmp.Compare(a.ID, b.ID))
		})
		want = want[:min(len(want), mostCandidates)]
		got, err := cz.Candidates(t.Context(), cz.org.ID, i.row.id)
		cz.ok(err)
		for n := range got {
			got[n].Row = Row{ID: got[n].ID}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("for %+v %+v\n%s", i.row, i.sum, d)
		}
	}
}

// BenchmarkCandidates: one incident against 10,000 open ones of the same hour, as
// far apart as in a region, and 100 of them at the same scene within ten seconds: at
// one address, and as callers say where they are.
func BenchmarkCandidates(b *testing.B) {
	for name, metres := range map[string]float64{"one_point": 0, "within_100_m": 1} {
		b.Run(name, func(b *testing.B) { benchCandidates(b, metres) })
	}
}

func benchCandidates(b *testing.B, metres float64) {
	cz, _ := newRooms(b)
	var id string
	err := cz.db.Write(b.Context(), func(tx *store.Tx) error {
		key, err := cz.ring.Key(tx, "incident:bench")
		if err != nil {
			return err
		}
		for n := range 10_000 {
			p := geo.Destination(geo.Point{Lat: 50.85, Lon: 14.84}, float64(n*37%360), float64(n%100)*500)
			if n%100 == 0 {
				p = geo.Destination(geo.Point{Lat: 50.8501, Lon: 14.8401}, float64(n%360), metres*float64(n/100))
			}
			id = fmt.Sprint("bench-", n)
			if err := cz.openIncident(tx, key, incidentRow{id: id, typ: "Brand 2", firstAt: millis(cz.clk.Now()) + int64(n)}, &p); err != nil {
				return err
			}
		}
		id = "bench-100"
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	before, n := processorTime(b), 0
	for b.Loop() {
		found, err := cz.Candidates(b.Context(), cz.org.ID, id)
		if err != nil || len(found) != mostCandidates {
			b.Fatal(len(found), err)
		}
		n++
	}
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/1000/float64(n), "cpu-ms")
}

// TestAcceptAfterAChange: what the sender changed before somebody accepts is what he
// states; the form offers it, and confirming it is no difference.
func TestAcceptAfterAChange(t *testing.T) {
	cz, de := newRooms(t)
	id := cz.handOver(accident(room2))
	h := de.state(id, Ringing)
	cz.changes(id, FieldInjured, "5")
	cz.changes(id, FieldPlace, "Chotyně")
	de.until("the changes are there", func() bool { de.sync(); return len(de.incident(id).Changes) == 2 })
	if said := de.incident(id).Handovers[0].Stated; said.Place != "Chotyně" || *said.Injured != 5 {
		t.Fatalf("stated: %s", dump(said))
	}
	de.ok(de.Accept(t.Context(), de.who("max"), h.ID, Confirm{Place: "Chotyně", Injured: wounded(5)}, "a"))
	cz.until("it is accepted", func() bool { cz.sync(); return cz.incident(id).Handovers[0].Confirmed != nil })
	for _, i := range []*Incident{cz.incident(id), de.incident(id)} {
		if len(i.Mismatch) != 0 || i.Differs {
			t.Errorf("confirmed as it is stated, and yet: %s, %v", dump(i.Mismatch), i.Differs)
		}
	}
	cz.changes(id, FieldInjured, "6") // after that the confirmation is older than the news
	cz.sync()
	if i := cz.incident(id); len(i.Mismatch) != 0 || *i.Handovers[0].Stated.Injured != 5 {
		t.Errorf("what was confirmed is not what came later: %s", dump(i.Mismatch))
	}
}
