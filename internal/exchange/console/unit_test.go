package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/exchange/unit"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// exchanged does what is due of the units at both rooms until f holds.
func exchanged(what string, f func() bool, rooms ...*room) {
	rooms[0].t.Helper()
	rooms[0].until(what, func() bool {
		for _, r := range rooms {
			r.sync()
			r.ok(r.Units.Tick(r.t.Context()))
		}
		return f()
	})
}

func (r *room) addUnit(sign, typ string, status unit.Status, lat, lon float64) string {
	r.t.Helper()
	id, faults, err := r.Units.Save(r.t.Context(), unit.Actor{Person: "max", Org: r.org.ID}, unit.Unit{
		Kind: store.Live, CallSign: sign, Type: typ, Station: "Wache " + sign, Home: &geo.Point{Lat: lat, Lon: lon}, Status: status, Ready: 2, Crew: 6, Skills: "Rettungssatz"})
	r.ok(err)
	if len(faults) > 0 {
		r.t.Fatal(faults)
	}
	return id
}

func (r *room) shows(other string, rule unit.Rule) {
	r.t.Helper()
	v, err := r.Units.Visibility(r.t.Context(), r.org.ID, other)
	r.ok(err)
	r.ok(r.Units.SetVisibility(r.t.Context(), unit.Actor{Person: "max", Org: r.org.ID}, other, unit.Rules{All: &rule}, v.Version))
}

func (r *room) seenUnits() []unit.Offer {
	r.t.Helper()
	all, err := r.Units.SeenBy(r.t.Context(), r.org.ID)
	r.ok(err)
	return all
}

// everything is a rule that hides nothing.
var everything = unit.Rule{Show: true, Status: true, Position: unit.Exact, Ready: true, Crew: true}

// Two control rooms: one shows, the other sees, asks in the console and follows.
func TestUnitsAcrossTheBorder(t *testing.T) {
	cz, de := newRooms(t)
	cz.withTypes()
	de.withTypes()
	ladder := de.addUnit("Florian Zittau 33", "F-LADDER", unit.Free, 50.8977, 14.8076)
	de.addUnit("Florian Görlitz 44", "F-PUMP", unit.Free, 51.1526, 14.9888)
	busy := de.addUnit("Florian Zittau 44", "F-PUMP", unit.AtScene, 50.8960, 14.8070)
	who := unit.Actor{Person: "jana", Org: cz.org.ID}

	// Nothing is said to who has not asked, and nothing is seen without a rule.
	exchanged("nothing", func() bool { return true }, cz, de)
	if n := de.count(`SELECT COUNT(*) FROM exchange_message WHERE app <> 'transport_layer_messages'`); n != 0 {
		t.Fatalf("%d messages to a neighbour who asked nothing", n)
	}
	cz.ok(cz.Units.Follow(t.Context(), who, room2))
	exchanged("the empty list arrives", func() bool {
		return cz.count(`SELECT COUNT(*) FROM unit_follow WHERE tells = 1 AND gap = 0 AND heard_at > 0`) == 1
	}, cz, de)
	if got := cz.seenUnits(); len(got) != 0 {
		t.Fatalf("shown without a rule: %s", dump(got))
	}
	de.shows(room1, everything)
	exchanged("three units are seen", func() bool { return len(cz.seenUnits()) == 3 }, cz, de)

	// The messages are no incidents, and nothing rings.
	if q := append(cz.queue(), de.queue()...); len(q) != 0 {
		t.Errorf("units in the queue: %s", dump(q))
	}
	if s := cz.strip(); len(s.Alarms) != 0 {
		t.Errorf("units ring: %s", dump(s))
	}

	d := accident(room2) // at Hrádek nad Nisou
	d.Type = "Dopravní nehoda – se zraněním"
	id := cz.handOver(d)
	de.state(id, Ringing)
	s := cz.screens()
	page := s.as("jana").page(incidentURL(id))
	// A fire engine is sent to a traffic accident, a ladder is nearer.
	suits, near := strings.Index(page, "Florian Görlitz 44"), strings.Index(page, "Florian Zittau 33")
	if suits < 0 || near < suits || strings.Contains(page, "Florian Zittau 44") {
		t.Error("not the free units, those that suit first")
	}
	if n := strings.Count(page, "vhodná pro událost"); n != 1 {
		t.Errorf("%d units are said to suit, want 1", n)
	}
	if !strings.Contains(page, "asi 7,3\u00a0km po silnici (vzdušnou čarou 5,6\u00a0km\u00a0×\u00a01,3)") {
		t.Errorf("no honest distance: %s", around(page, "po silnici"))
	}
	if !strings.Contains(page, `data-lat="50.897700"`) {
		t.Error("the unit is not on the map")
	}

	// Two keys: I leads to the list, 1 asks for the first.
	if !strings.Contains(around(page, `id="do-units"`), `data-key="i"`) || strings.Count(page, `data-key="i"`) != 1 {
		t.Error("no key, or one that something else has too, leads to the units")
	}
	list := s.as("jana").page(incidentURL(id) + "/units")
	if !strings.Contains(around(list, `id="ask-1"`), `data-key="1"`) {
		t.Error("the first offer has no key")
	}
	if only := s.as("jana").page(incidentURL(id) + "/units?type=F-PUMP"); strings.Contains(only, "Zittau 33") || !strings.Contains(only, "Görlitz 44") {
		t.Error("the list is not narrowed by type")
	}
	ask := url.Values{"other": {room2}, "unit": {ladder}, "once": {"x1"}}
	for range 2 { // a second press is the same request
		if status, _ := s.as("jana").post(incidentURL(id)+"/units", ask); status != http.StatusSeeOther {
			t.Fatalf("asking: %d", status)
		}
	}
	exchanged("the request arrives", func() bool { i := de.incident(id); return len(i.Resources) == 1 }, cz, de)
	asked := de.incident(id).Resources[0]
	if asked.Name != "Florian Zittau 33" || asked.Type != "F-LADDER" || !asked.Incoming {
		t.Errorf("the request: %s", dump(asked))
	}
	cz.refused(cz.AskUnit(t.Context(), cz.who("jana"), id, room2, busy, "x2"), problem.Conflict, "unit.near.gone")

	// The other side sends it, and its way is seen on the incident.
	de.ok(de.AnswerRequest(t.Context(), de.who("max"), asked.Handover, Answer{Request: asked.ID, Status: ResourceDeployed, Units: []Unit{{ID: ladder, Name: asked.Name, Type: asked.Type}}}, "x3"))
	_, err := de.Units.Move(t.Context(), unit.Actor{Org: de.org.ID}, map[string]unit.Position{"Florian Görlitz 44": {Point: geo.Point{Lat: 51, Lon: 14.95}, At: de.clk.Now(), Source: "AVL"}})
	de.ok(err)
	de.clk.Advance(31 * time.Second)
	exchanged("the position arrives", func() bool {
		for _, o := range cz.seenUnits() {
			if !o.Reported().IsZero() {
				return true
			}
		}
		return false
	}, cz, de)
	if list := s.as("jana").page(incidentURL(id) + "/units"); !strings.Contains(list, "na stanici Wache Florian Zittau 33") || !strings.Contains(around(list, "Florian Görlitz 44"), "poloha z") {
		t.Error("the list does not say where the positions are from")
	}
	for _, st := range []unit.Status{unit.Alarmed, unit.OnTheWay, unit.AtScene} {
		de.clk.Advance(time.Second)
		de.ok(de.Units.SetStatus(t.Context(), unit.Actor{Person: "max", Org: de.org.ID}, ladder, st, 0))
		exchanged("the status "+string(st), func() bool {
			o, there, err := cz.Units.One(t.Context(), cz.org.ID, room2, ladder)
			cz.ok(err)
			return there && o.State == st
		}, cz, de)
	}
	page = s.as("jana").page(incidentURL(id))
	if !strings.Contains(around(page, "Vyžádané jednotky"), "na místě") {
		t.Errorf("the status of the unit asked for: %s", around(page, "Vyžádané jednotky"))
	}

	// What is taken back disappears, and so does all of it when nobody asks any more.
	de.shows(room1, unit.Rule{})
	exchanged("nothing is shown any more", func() bool { return len(cz.seenUnits()) == 0 }, cz, de)
	cz.ok(cz.Units.Unfollow(t.Context(), who, room2))
	exchanged("the subscription ends", func() bool { return de.count(`SELECT COUNT(*) FROM unit_subscriber`) == 0 }, cz, de)
}

// around is what stands after a text in a page.
func around(page, text string) string {
	n := strings.Index(page, text)
	if n < 0 {
		return ""
	}
	return page[max(0, n-200):min(len(page), n+900)]
}

// A system that is no node of ours is asked for its catalogue and nothing else.
func TestUnitsOfAForeignSystem(t *testing.T) {
	cz, de := newRooms(t)
	cz.ok(cz.Units.Follow(t.Context(), unit.Actor{Person: "jana", Org: cz.org.ID}, system2))
	for range 5 {
		exchanged("asked", func() bool { return true }, cz, de)
		cz.clk.Advance(10 * time.Minute)
	}
	if n := cz.count(`SELECT COUNT(*) FROM exchange_message WHERE destination = $1`, system2); n != 1 {
		t.Errorf("%d messages to a system that did not answer, want 1", n)
	}
	if n := cz.count(`SELECT COUNT(*) FROM exchange_message WHERE app NOT IN ('resource_type_catalogue', 'transport_layer_messages')`); n != 0 {
		t.Errorf("%d messages beside the question", n)
	}
}

// An old word is no free unit, a lost message is noticed, and a list that is
// confirmed stays young.
func TestUnitsGrowOld(t *testing.T) {
	cz, de := newRooms(t)
	id := de.addUnit("Florian Zittau 33", "F-LADDER", unit.Free, 50.8977, 14.8076)
	de.shows(room1, everything)
	cz.ok(cz.Units.Follow(t.Context(), unit.Actor{Person: "jana", Org: cz.org.ID}, room2))
	exchanged("the unit is seen", func() bool { return len(cz.seenUnits()) == 1 }, cz, de)
	at := func() unit.Status {
		o, there, err := cz.Units.One(t.Context(), cz.org.ID, room2, id)
		cz.ok(err)
		if !there {
			t.Fatal("the unit is gone")
		}
		return o.State
	}
	near := func() int {
		all, err := cz.Units.Near(t.Context(), cz.org.ID, geo.Point{Lat: 50.85, Lon: 14.84}, unit.Query{Kind: store.Live, Limit: 5})
		cz.ok(err)
		return len(all)
	}
	seq := func() int64 { return cz.count(`SELECT seq FROM unit_follow`) }
	for range 4 { // eight minutes, confirmed every two
		cz.clk.Advance(2 * time.Minute)
		before := seq()
		exchanged("the list is confirmed", func() bool { return seq() > before }, cz, de)
		if at() != unit.Free || near() != 1 {
			t.Fatal("a confirmed list grew old")
		}
	}
	cz.clk.Advance(4*time.Minute + 50*time.Second)
	if at() != unit.Free {
		t.Error("unknown before its time")
	}
	cz.clk.Advance(20 * time.Second)
	if at() != unit.Unknown || near() != 0 {
		t.Errorf("after five minutes without a word it is %q, %d near", at(), near())
	}
	if o := cz.seenUnits(); len(o) != 1 || o[0].Heard.IsZero() {
		t.Error("an old unit is not shown with its age")
	}

	// A message that never came leaves a gap: what it may have said is not believed.
	exchanged("young again", func() bool { return at() == unit.Free }, cz, de)
	cz.ok(cz.db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE unit_follow SET seq = seq - 1`)
		return err
	}))
	cz.clk.Advance(2 * time.Minute)
	de.ok(de.Units.SetStatus(t.Context(), unit.Actor{Person: "max", Org: de.org.ID}, id, unit.NotReady, 0))
	exchanged("the list is asked for anew", func() bool {
		cz.clk.Advance(10 * time.Second)
		return cz.count(`SELECT COUNT(*) FROM unit_follow WHERE gap = 0`) == 1 && at() == unit.NotReady
	}, cz, de)
}

// Of positions no more is sent than every half minute; a status does not wait.
func TestUnitPositionsAreCoalesced(t *testing.T) {
	cz, de := newRooms(t)
	id := de.addUnit("Florian Zittau 33", "F-LADDER", unit.Free, 50.8977, 14.8076)
	de.shows(room1, everything)
	cz.ok(cz.Units.Follow(t.Context(), unit.Actor{Person: "jana", Org: cz.org.ID}, room2))
	exchanged("the unit is seen", func() bool { return len(cz.seenUnits()) == 1 }, cz, de)
	sent := func() int64 { return de.count(`SELECT seq FROM unit_subscriber`) }
	before := sent()
	system := unit.Actor{Org: de.org.ID}
	for i := range 60 { // a minute, one position a second
		de.clk.Advance(time.Second)
		_, err := de.Units.Move(t.Context(), system, map[string]unit.Position{"Florian Zittau 33": {Point: geo.Point{Lat: 50.9 + float64(i)/1e4, Lon: 14.8}, At: de.clk.Now(), Source: "AVL"}})
		de.ok(err)
		de.ok(de.Units.Tick(t.Context()))
	}
	if n := sent() - before; n < 1 || n > 3 {
		t.Errorf("%d messages for 60 positions in a minute", n)
	}
	before = sent()
	de.clk.Advance(time.Second)
	de.ok(de.Units.SetStatus(t.Context(), unit.Actor{Person: "max", Org: de.org.ID}, id, unit.OnTheWay, 0))
	de.ok(de.Units.Tick(t.Context()))
	if n := sent() - before; n != 1 {
		t.Errorf("a status made %d messages at once, want 1", n)
	}
	exchanged("the status arrives", func() bool { return cz.seenUnits()[0].State == unit.OnTheWay }, cz, de)
}
