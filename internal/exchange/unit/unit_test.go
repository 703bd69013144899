package unit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/format/emsi"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Something is sent to every family of incident types, and every type to some.
func TestTypesFor(t *testing.T) {
	families := strings.Fields("civil explosion fire hazard hazmat medical natural other police rescue tech traffic")
	for _, f := range families {
		if len(TypesFor(f)) == 0 {
			t.Errorf("nothing is sent to %s", f)
		}
	}
	for _, x := range Types() {
		if len(x.For) == 0 {
			t.Errorf("%s is sent to nothing", x.Code)
		}
		for _, f := range x.For {
			if !slices.Contains(families, f) {
				t.Errorf("%s: %s is no family", x.Code, f)
			}
		}
	}
	if len(TypesFor("fir")) > 0 {
		t.Error("a family nobody knows has units")
	}
}

// Every type and every status has words in all languages and a code that EMSI knows.
func TestCatalogue(t *testing.T) {
	known := func(l emsi.List, code string) {
		if _, exact := emsi.Known(l, code); !exact {
			t.Errorf("%s is no code of %s", code, l)
		}
	}
	seen := map[string]bool{}
	for _, x := range Types() {
		if seen[x.Code] {
			t.Errorf("%s stands twice", x.Code)
		}
		seen[x.Code] = true
		known(emsi.ClassList, x.EMSI)
		for _, l := range i18n.Langs {
			if x.Labels[l] == "" {
				t.Errorf("%s has no word in %s", x.Code, l)
			}
		}
	}
	for _, s := range Statuses {
		known(emsi.ResourceList, s.EMSI())
	}
}

// canary marks a value that must not leave: a letter for the field, digits for the unit.
func canary(field byte, n int) string { return fmt.Sprintf("zq%c%04dqz", field, n) }

// What a rule does not show is in no byte that was sent, whatever the rules and
// however they and the units change: call signs, stations, skills, positions,
// readiness and status of random units under random rules for two neighbours.
func TestNothingHiddenIsSent(t *testing.T) {
	rounds := 6
	if v, err := strconv.Atoi(os.Getenv("TROJMEZI_ROUNDS")); err == nil {
		rounds = v
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, %d rounds", seed, rounds)
	rnd := rand.New(rand.NewPCG(seed, 1))
	r := newRig(t)
	for _, room := range []string{otherRoom, thirdRoom} {
		r.ok(r.Follow(t.Context(), Actor{"max", room}, liberec))
	}
	r.turn(3)
	var units []*Unit
	types := Types()
	for n := range 24 {
		u := Unit{Kind: store.Live, CallSign: canary('C', n), Type: types[rnd.IntN(4)].Code, Station: canary('S', n), Skills: canary('K', n),
			Home: fineAt(rnd), Status: Statuses[rnd.IntN(len(Statuses))], Ready: 1000 + n, Crew: 60 + n}
		if n%8 == 0 {
			u.Kind = []store.Kind{store.Test, store.Exercise}[n/8%2]
		}
		u.ID = r.add(u)
		units = append(units, &u)
	}
	// What was ever allowed for a unit, by neighbour: bytes do not come back.
	allowed := map[string]map[string]Rule{zittau: {}, zgorzelec: {}}
	positions := map[string]map[string][]geo.Point{zittau: {}, zgorzelec: {}}
	for range rounds {
		for _, other := range []string{zittau, zgorzelec} {
			rules := randomRules(rnd, units)
			v, err := r.Visibility(t.Context(), ownRoom, other)
			r.ok(err)
			r.ok(r.SetVisibility(t.Context(), Actor{"jana", ownRoom}, other, rules, v.Version))
			for _, u := range units {
				rule := rules.Of(u)
				if u.Kind != store.Live || !rule.Show {
					continue
				}
				sum := allowed[other][u.ID]
				sum.Show, sum.Status, sum.Ready, sum.Crew = true, sum.Status || rule.Status, sum.Ready || rule.Ready, sum.Crew || rule.Crew
				if rule.Position == Exact {
					sum.Position = Exact
				}
				allowed[other][u.ID] = sum
			}
		}
		r.turn(2)
		for _, u := range units {
			p := *fineAt(rnd)
			r.clk.Advance(time.Second)
			_, err := r.Move(t.Context(), Actor{noPerson, ownRoom}, map[string]Position{u.CallSign: {Point: p, At: r.clk.Now(), Source: "AVL"}})
			r.ok(err)
			for _, other := range []string{zittau, zgorzelec} {
				positions[other][u.ID] = append(positions[other][u.ID], p)
			}
			if rnd.IntN(3) == 0 {
				r.ok(r.SetStatus(t.Context(), Actor{"jana", ownRoom}, u.ID, Statuses[rnd.IntN(len(Statuses))], 0))
			}
		}
		r.turn(2)
		r.clk.Advance(40 * time.Second)
		r.turn(2)
	}
	shown := 0
	for _, other := range []string{zittau, zgorzelec} {
		sent := r.bytesTo(other)
		for n, u := range units {
			rule := allowed[other][u.ID]
			check := func(what, text string, may bool) {
				if in := strings.Contains(sent, text); in && !may {
					t.Errorf("%s of unit %d is in what was sent to %s", what, n, other)
				} else if in {
					shown++
				}
			}
			check("the call sign", u.CallSign, rule.Show)
			check("the id", u.ID, rule.Show)
			check("the station", u.Station, rule.Position == Exact)
			check("skills", u.Skills, rule.Crew)
			check("the readiness", fmt.Sprintf(`"ready\":%d`, u.Ready), rule.Ready)
			check("the crew", fmt.Sprintf(`"crew\":%d`, u.Crew), rule.Crew)
			for _, p := range append(positions[other][u.ID], *u.Home) {
				check("a position", fmt.Sprintf(`\"lat\":%s,\"lon\":%s`, degrees(p.Lat), degrees(p.Lon)), rule.Position == Exact)
			}
			// Statuses are not canaries: those with the id tell.
			for _, part := range strings.Split(sent, `{\"id\":\"`+u.ID+`\"`)[1:] {
				body, _, _ := strings.Cut(part, `{\"id\":`)
				if strings.Contains(body, `\"st\":`) && !rule.Status {
					t.Errorf("the status of unit %d was sent to %s", n, other)
				}
				for _, p := range append(positions[other][u.ID], *u.Home) {
					if rule.Position != Exact && (strings.Contains(body, `\"lat\":`+degrees(p.Lat)+",") || strings.Contains(body, `\"lon\":`+degrees(p.Lon))) {
						t.Errorf("half a position of unit %d was sent to %s", n, other)
					}
				}
			}
		}
	}
	if shown < 20 {
		t.Errorf("only %d values were shown: the test looks at nothing", shown)
	}
}

// fineAt is a point with six digits after the comma, which the middle of no field has.
func fineAt(rnd *rand.Rand) *geo.Point {
	part := func() float64 { return (float64(rnd.IntN(100_000))*10 + 7) / 1e6 }
	return &geo.Point{Lat: 50 + part(), Lon: 14 + part()}
}

// degrees is a coordinate as it would stand in a block.
func degrees(v float64) string { return strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64) }

func randomRules(rnd *rand.Rand, units []*Unit) Rules {
	rule := func() Rule {
		return Rule{Show: rnd.IntN(2) == 0, Status: rnd.IntN(2) == 0, Position: []Detail{Hidden, Coarse, Exact}[rnd.IntN(3)], Ready: rnd.IntN(2) == 0, Crew: rnd.IntN(2) == 0}
	}
	out := Rules{Types: map[string]Rule{}, Units: map[string]Rule{}}
	if rnd.IntN(4) == 0 {
		x := rule()
		out.All = &x
	}
	for _, x := range Types()[:4] {
		if rnd.IntN(3) == 0 {
			out.Types[x.Code] = rule()
		}
	}
	for _, u := range units {
		if rnd.IntN(4) == 0 {
			out.Units[u.ID] = rule()
		}
	}
	return out
}

// A test unit is told to test addresses, a live one to live ones, an exercise's to nobody.
func TestKindsDoNotMix(t *testing.T) {
	r := newRig(t)
	for k, sign := range map[store.Kind]string{store.Live: "L", store.Test: "T", store.Exercise: "E"} {
		u := engine(sign)
		u.Kind = k
		r.add(u)
	}
	all := Rule{Show: true, Status: true}
	for own, want := range map[string]string{liberec: "L", testDesk: "T"} {
		other := map[string]string{liberec: zittau, testDesk: testNeighbour}[own]
		r.ok(r.SetVisibility(t.Context(), Actor{"jana", ownRoom}, other, Rules{All: &all}, 0))
		r.ok(r.Follow(t.Context(), Actor{"max", otherRoom}, own))
		r.turn(4)
		seen, err := r.SeenBy(t.Context(), otherRoom)
		r.ok(err)
		if n := slices.IndexFunc(seen, func(o Offer) bool { return o.Other == own }); n < 0 || seen[n].CallSign != want {
			t.Errorf("from %s: %+v", own, seen)
		}
	}
	if n := r.count(`SELECT COUNT(*) FROM unit_seen`); n != 2 {
		t.Errorf("%d units seen, want one live and one test", n)
	}
}

// A coarse position tells the field and no more, and its error holds.
func TestCoarse(t *testing.T) {
	for range 2000 {
		p := geo.Point{Lat: rand.Float64()*170 - 85, Lon: rand.Float64()*358 - 179}
		c, err := coarse(p)
		if d := geo.Distance(p, c); d > float64(err) {
			t.Fatalf("%v is %.0f m from %v, said to be %d m", p, d, c, err)
		}
		again, _ := coarse(geo.Point{Lat: c.Lat + field*0.49*(rand.Float64()*2-1), Lon: c.Lon + field*0.49*(rand.Float64()*2-1)})
		if again != c {
			t.Fatalf("two points of one field have %v and %v", c, again)
		}
	}
}

// Of two people who change a status at once one does and the other is told.
func TestTwoPeopleChangeAStatus(t *testing.T) {
	r := newRig(t)
	id := r.add(engine("L-1"))
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i, to := range []Status{OnTheWay, NotReady} {
		wg.Go(func() { errs[i] = r.SetStatus(t.Context(), Actor{[]string{"jana", "petr"}[i], ownRoom}, id, to, 1) })
	}
	wg.Wait()
	lost := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	if lost < 0 || errs[1-lost] != nil {
		t.Fatalf("both or neither: %v", errs)
	}
	args := r.refused(errs[lost], problem.Conflict, "unit.fault.status_changed")
	won := map[int]Status{0: OnTheWay, 1: NotReady}[1-lost]
	u, history, err := r.Get(t.Context(), ownRoom, id)
	r.ok(err)
	if u.Status != won || u.Version != 2 || len(history) != 2 || history[0].Became != won || history[0].Was != Free || history[0].Person == "" {
		t.Errorf("%+v, history %+v", u, history)
	}
	if args["name"] != persons[[]string{"jana", "petr"}[1-lost]] {
		t.Errorf("the loser is told %v", args)
	}
	// The same wish twice is one change.
	r.ok(r.SetStatus(t.Context(), Actor{"petr", ownRoom}, id, won, 1))
	if n := r.count(`SELECT COUNT(*) FROM unit_change`); n != 2 {
		t.Errorf("%d changes in the history, want 2", n)
	}
	if n := r.count(`SELECT COUNT(*) FROM audit_leaf`); n != 2 {
		t.Errorf("%d audit leaves, want 2", n)
	}
}

// Positions: an old one, one from the future and one of an unknown unit do nothing.
func TestMove(t *testing.T) {
	r := newRig(t)
	r.add(engine("L-1"))
	who, now := Actor{noPerson, ownRoom}, r.clk.Now()
	move := func(sign string, lat float64, at time.Time) (int, error) {
		return r.Move(t.Context(), who, map[string]Position{sign: {Point: geo.Point{Lat: lat, Lon: 15}, At: at, Source: "AVL"}})
	}
	for _, c := range []struct {
		lat  float64
		at   time.Time
		want int
	}{{50.1, now, 1}, {50.2, now.Add(-time.Second), 0}, {50.3, now.Add(time.Hour), 0}, {50.4, now.Add(time.Second), 1}} {
		if n, err := move("L-1", c.lat, c.at); err != nil || n != c.want {
			t.Errorf("%v: moved %d, %v; want %d", c.lat, n, err, c.want)
		}
	}
	_, err := move("L-2", 50, now)
	r.refused(err, problem.NotFound, "unit.fault.unknown_unit")
	_, err = move("L-1", 91, now)
	r.refused(err, problem.Invalid, "unit.fault.position_of")
	units, err := r.List(t.Context(), ownRoom)
	r.ok(err)
	if units[0].Reported.Lat != 50.4 {
		t.Errorf("it is at %v", units[0].Reported)
	}
}

// A file that was written is read again as it was; a faulty one names its line and
// changes nothing.
func TestCSV(t *testing.T) {
	r := newRig(t)
	u := engine("L-1")
	u.Skills, u.Reported = "=1+1; čerpadlo", &Position{Point: geo.Point{Lat: 50.75, Lon: 15.05}, At: r.clk.Now()}
	id := r.add(u)
	units, err := r.List(t.Context(), ownRoom)
	r.ok(err)
	var out bytes.Buffer
	r.ok(WriteCSV(&out, units))
	again, err := ReadCSV(out.Bytes())
	r.ok(err)
	if len(again) != 1 || again[0].Skills != u.Skills || *again[0].Home != *u.Home || again[0].Reported.Point != u.Reported.Point || again[0].Ready != 2 || again[0].Status != Free {
		t.Errorf("%+v", again)
	}
	added, changed, err := r.Import(t.Context(), Actor{"jana", ownRoom}, []byte("call_sign;type;crew\r\nL-1;F-WATER;3\r\nL-2;F-LADDER;\r\n"))
	if err != nil || added != 1 || changed != 1 {
		t.Fatalf("%d added, %d changed, %v", added, changed, err)
	}
	now, _, err := r.Get(t.Context(), ownRoom, id)
	r.ok(err)
	if now.Type != "F-WATER" || now.Crew != 3 || now.Status != Free || now.Reported == nil {
		t.Errorf("after a file without statuses and positions: %+v", now)
	}
	quoted := engine("'L'-9")
	quoted.Kind = store.Test
	id = r.add(quoted)
	if units, err = r.List(t.Context(), ownRoom); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	r.ok(WriteCSV(&out, units))
	again, err = ReadCSV(out.Bytes())
	r.ok(err)
	if !slices.ContainsFunc(again, func(u Unit) bool { return u.CallSign == quoted.CallSign }) {
		t.Errorf("%s is not among %+v", quoted.CallSign, again)
	}
	_, _, err = r.Import(t.Context(), Actor{"jana", ownRoom}, []byte("call_sign,type\n''L'-9,F-WATER\n"))
	r.ok(err)
	if now, _, err = r.Get(t.Context(), ownRoom, id); err != nil || now.Kind != store.Test || now.Type != "F-WATER" {
		t.Errorf("after a file without kinds: %+v, %v", now, err)
	}
	r.ok(r.Remove(t.Context(), Actor{"jana", ownRoom}, id))
	for file, want := range map[string]string{
		"": "1", "call_sign,type\nL-3,NONE\n": "2", "call_sign,type\nL-3,F-PUMP\nL-3,F-PUMP\n": "3", "call_sign,type,lat\nL-3,F-PUMP,north\n": "2",
		"call_sign,type,status\nL-3,F-PUMP,asleep\n": "2", "name,type\nL-3,F-PUMP\n": "1", "call_sign,type\nL-3\n": "2", "call_sign,type,ready_min\nL-3,F-PUMP,-2\n": "2",
	} {
		_, _, err := r.Import(t.Context(), Actor{"jana", ownRoom}, []byte(file))
		if args := r.refused(err, problem.Invalid, "unit.fault.line"); fmt.Sprint(args["line"]) != want {
			t.Errorf("%q: line %v, want %s", file, args["line"], want)
		}
	}
	if n := r.count(`SELECT COUNT(*) FROM unit_own`); n != 2 {
		t.Errorf("%d units after faulty files, want 2", n)
	}
}

// Whatever a neighbour writes into a block, the room goes on reading and shows
// nothing impossible.
func TestStrangeBlocks(t *testing.T) {
	r := newRig(t)
	r.add(engine("L-1"))
	r.ok(r.Follow(t.Context(), Actor{"max", otherRoom}, liberec))
	r.turn(3)
	var f follow
	r.ok(r.db.Read(t.Context(), func(tx *store.Tx) (err error) {
		f, err = followOf(tx, otherRoom, liberec)
		return err
	}))
	if f.sub == "" {
		t.Fatal("no subscription")
	}
	seq := f.seq
	send := func(from, sub, raw string) {
		line := wireText{Subject: sub, Lines: []wireLine{{At: "2026-11-30T10:00:00Z", Message: "x"}, {At: "2026-11-30T10:00:00Z", Message: raw, Category: mark, Silent: true}}}
		r.write(func(tx *store.Tx) error {
			_, err := r.node.Post(tx, letter(from, zittau, appText, msgText, told, line))
			return err
		})
		r.turn(1)
	}
	block := func(units string) string {
		seq++
		return fmt.Sprintf(`{"do":"units","at":%d,"seq":%d,"units":[%s]}`, r.clk.Now().UnixMilli(), seq, units)
	}
	send(liberec, f.sub, `no JSON`)
	send(liberec, f.sub, `{"do":"dance"}`)
	send(liberec, f.sub, block(`{"id":"","call":"x"},{"id":"a\u0000b","call":"x"},{"id":"`+strings.Repeat("i", 65)+`","call":"x"},{"id":"n"}`))
	send(liberec, f.sub, block(`{"id":"a","call":"A\u0000\n1","type":"?","st":"flying","pos":{"lat":91,"lon":0},"ready":-5,"crew":1000}`))
	send(zgorzelec, f.sub, block(`{"id":"b","call":"of somebody else","type":"F-PUMP","st":"free"}`))
	seq--
	send(liberec, r.clk.NewID(), block(`{"id":"c","call":"of another subscription","type":"F-PUMP"}`))
	seq--
	seen, err := r.SeenBy(t.Context(), otherRoom)
	r.ok(err)
	if len(seen) != 1 || seen[0].ID != "a" || seen[0].State != Unknown || seen[0].Spot != nil || seen[0].Ready != nil || seen[0].Crew != nil {
		b, _ := json.Marshal(seen)
		t.Errorf("seen: %s", b)
	}
	// A clock that is ahead makes nothing younger.
	send(liberec, f.sub, fmt.Sprintf(`{"do":"units","at":%d,"seq":%d,"units":[{"id":"a","call":"A","type":"F-PUMP","st":"free"}]}`, r.clk.Now().Add(24*time.Hour).UnixMilli(), seq+1))
	r.clk.Advance(6 * time.Minute)
	if seen, err = r.SeenBy(t.Context(), otherRoom); err != nil || len(seen) != 1 || seen[0].State != Unknown {
		t.Errorf("with a clock ahead: %+v, %v", seen, err)
	}
	// Who makes up ever new units fills no table.
	r.write(func(tx *store.Tx) error {
		_, err := tx.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= $3)
			INSERT INTO unit_seen (org, other, unit, body, heard_at) SELECT $1, $2, 'u' || i, '{}', 0 FROM n`, otherRoom, liberec, maxUnits)
		return err
	})
	seq++
	send(liberec, f.sub, block(`{"id":"one too many","call":"A","type":"F-PUMP","st":"free"}`))
	if n := r.count(`SELECT COUNT(*) FROM unit_seen WHERE org = $1`, otherRoom); n > 0 {
		t.Errorf("%d units", n)
	}
}

// many are n units around the border as a neighbour shows them.
func many(n int, now time.Time) []*Seen {
	rnd := rand.New(rand.NewPCG(7, 7))
	out := make([]*Seen, n)
	for i := range out {
		s := &Seen{Published: Published{ID: strconv.Itoa(i), CallSign: "U-" + strconv.Itoa(i), Type: Types()[rnd.IntN(len(Types()))].Code, Status: Statuses[rnd.IntN(len(Statuses))]},
			Other: zittau, Heard: now, Kind: store.Live}
		s.Spot = &Spot{Lat: 50 + rnd.Float64()*2, Lon: 14 + rnd.Float64()*2}
		out[i] = s
	}
	return out
}

// The nearest are those that sorting all by their distance gives.
func TestNearest(t *testing.T) {
	now := time.Now()
	units := many(3000, now)
	units[5].Heard, units[6].Spot, units[7].Kind = now.Add(-time.Hour), nil, store.Test
	for range 50 {
		at := geo.Point{Lat: 50 + rand.Float64()*2, Lon: 14 + rand.Float64()*2}
		q := Query{Kind: store.Live, Types: []string{"F-PUMP", "F-LADDER"}, Limit: 7}
		got := nearest(places(units), at, now, defaults, q)
		var want []*Seen
		for _, u := range units {
			if u.Spot != nil && u.Kind == store.Live && u.Now(now, defaults.Stale) == Free && slices.Contains(q.Types, u.Type) {
				want = append(want, u)
			}
		}
		far := func(u *Seen) float64 { return geo.Distance(at, geo.Point{Lat: u.Spot.Lat, Lon: u.Spot.Lon}) }
		slices.SortFunc(want, func(a, b *Seen) int { return int(math.Copysign(1, far(a)-far(b))) })
		for i, o := range got {
			if o.Seen != want[i] || o.Straight != far(o.Seen) || o.Road != o.Straight*1.3 {
				t.Fatalf("place %d: %s %.0f m, want %s %.0f m", i, o.CallSign, o.Straight, want[i].CallSign, far(want[i]))
			}
		}
	}
	if got := nearest(places(units), geo.Point{Lat: 50, Lon: 15}, now, defaults, Query{Kind: store.Live}); len(got) != 0 {
		t.Errorf("a limit of none gives %d", len(got))
	}
}

// BenchmarkNearest is the page's question over 10,000 units with everything but the
// pages: at most 1 ms.
func BenchmarkNearest(b *testing.B) {
	r := newRig(b)
	now := r.clk.Now()
	r.write(func(tx *store.Tx) error {
		if err := putFollow(tx, ownRoom, follow{other: zittau, own: liberec, heardAt: now}); err != nil {
			return err
		}
		for _, u := range many(10_000, now) {
			if err := putSeen(tx, ownRoom, zittau, u.Published, now); err != nil {
				return err
			}
		}
		return count(tx, ownRoom, counts{seen: 1})
	})
	at := geo.Point{Lat: 50.85, Lon: 14.84}
	for b.Loop() {
		offers, err := r.Near(b.Context(), ownRoom, at, Query{Kind: store.Live, Limit: 9})
		if err != nil || len(offers) != 9 {
			b.Fatal(len(offers), err)
		}
	}
}

// However often a neighbour asks for the whole list, and by whatever subscription, it is
// sent at once and then at most once in each interval, with the newest state and under
// the newest subscription.
func TestWholeListIsPaced(t *testing.T) {
	r := newRig(t)
	r.ok(r.SetVisibility(t.Context(), Actor{"jana", ownRoom}, zittau, Rules{All: &Rule{Show: true, Status: true}}, 0))
	last := ""
	for n := range wholeList + 1 { // two messages
		last = r.add(engine(fmt.Sprintf("LB %03d", n)))
	}
	ask := func(do string) (sub string) {
		sub = r.clk.NewID()
		r.write(func(tx *store.Tx) error {
			_, err := r.node.Post(tx, letter(zittau, liberec, appText, msgText, told, text(sub, ucri.FormatTime(r.clk.Now()), "x", block{Do: do, At: millis(r.clk.Now()), Whole: true})))
			return err
		})
		return sub
	}
	sent := func() int64 {
		return r.count(`SELECT COUNT(*) FROM exchange_message WHERE source = $1 AND destination = $2`, liberec, zittau)
	}
	ask(doSubscribe)
	r.turn(3)
	if n := sent(); n != 2 {
		t.Fatalf("%d messages for the first", n)
	}
	sub := ""
	for range 10 {
		ask(doStop)
		sub = ask(doSubscribe)
		r.turn(2)
		r.clk.Advance(time.Second)
	}
	if n := sent(); n != 2 {
		t.Errorf("%d messages within the interval", n)
	}
	r.ok(r.SetStatus(t.Context(), Actor{"jana", ownRoom}, last, AtScene, 0))
	r.clk.Advance(wholeEvery)
	r.turn(3)
	if n := sent(); n != 4 {
		t.Errorf("%d messages after it", n)
	}
	got := r.bytesTo(zittau)
	if before, after, there := strings.Cut(got, sub); !there || strings.Contains(before, string(AtScene)) || !strings.Contains(after, string(AtScene)) {
		t.Error("not the newest state under the newest subscription")
	}
}
