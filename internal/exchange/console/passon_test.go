package console

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/disclosure"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/test/freeport"
)

const node3, room3, test3 = "1.2.616.0", "1.2.616.1", "1.2.616.99.1"

// newRing starts three nodes that know each other.
func newRing(t *testing.T) (ring [3]*room) {
	t.Helper()
	orgs := [3]Org{
		{ID: "liberec", Name: "Liberec", Country: "CZ", Lang: i18n.Cs, Addresses: []string{room1, test1}},
		{ID: "hoyerswerda", Name: "Hoyerswerda", Country: "DE", Lang: i18n.De, Addresses: []string{room2, test2}},
		{ID: "jelenia", Name: "Jelenia Góra", Country: "PL", Lang: i18n.Pl, Addresses: []string{room3, test3}},
	}
	oids := [3]string{node1, node2, node3}
	ports := [3]int{freeport.Port(), freeport.Port(), freeport.Port()}
	clk := clock.Fake(time.Now())
	for n, org := range orgs {
		cfg := exchange.Config{
			OID: oids[n], Listen: fmt.Sprintf("127.0.0.1:%d", ports[n]), InsecureLoopback: true, Operator: org.Name,
			Accounts:     []exchange.Account{{Username: "n", Password: "p", Type: "p2p"}},
			Participants: []any{record(org.Addresses[0], org.Name), record(org.Addresses[1], org.Name+" (test)")},
		}
		for m := range orgs {
			if m != n {
				cfg.Peers = append(cfg.Peers, exchange.Peer{ID: "p" + strconv.Itoa(m), OID: oids[m], BaseURL: fmt.Sprintf("http://127.0.0.1:%d/ucrm/p2p/v0", ports[m]), Username: "n", Password: "p"})
			}
		}
		ring[n] = newRoom(t, clk, ports[n], org, cfg)
	}
	for _, r := range ring {
		r.ok(r.desks(t.Context()))
		r.here()
	}
	for _, r := range ring {
		r.stopNode = r.run(r.node.Run)
	}
	ring[0].until("the registers are read", func() bool {
		for n, r := range ring {
			if !r.knows(ring[(n+1)%3].org.Addresses[0]) || !r.knows(ring[(n+2)%3].org.Addresses[0]) || !r.node.SameKind(orgs[n].Addresses[1], orgs[(n+1)%3].Addresses[1]) || !r.node.SameKind(orgs[n].Addresses[1], orgs[(n+2)%3].Addresses[1]) {
				return false
			}
		}
		return true
	})
	return ring
}

// inRing has each room hand the accident to the next one, and find it to be one with
// what came from the one before; of is which of a room's addresses is used.
func inRing(ring [3]*room, of int) (ids [3]string) {
	for n, r := range ring {
		ids[n] = r.handOver(accident(ring[(n+1)%3].org.Addresses[of]))
	}
	for n, r := range ring {
		from := (n + 2) % 3
		came := ids[from]
		r.state(came, Ringing)
		r.ok(r.Merge(r.t.Context(), r.who("jana"), ids[n], came))
	}
	settled(ring[:]...)
	return ids
}

// changes makes one field of an event another.
func (r *room) changes(id string, f Field, v string) {
	r.t.Helper()
	base := r.incident(id).Facts.values()
	next := maps.Clone(base)
	next[f] = v
	c, err := r.Change(r.t.Context(), r.who("jana"), id, base, next, "")
	r.ok(err)
	if len(c) > 0 {
		r.t.Fatalf("collision: %v", c)
	}
}

func (r *room) passed() int64 {
	return r.count(`SELECT COUNT(*) FROM console_action WHERE org = $1 AND what = 'pass_on'`, r.org.ID)
}

func rounds(n int) int {
	if v, err := strconv.Atoi(os.Getenv("TROJMEZI_ROUNDS")); err == nil {
		return v
	}
	return n
}

// Three rooms tell each other of one event in a ring. What one of them changes, however
// often and back again, is at the end what all of them hold; each change is passed on at
// most once by each of the others, and then it is quiet.
func TestFlowInARing(t *testing.T) {
	ring := newRing(t)
	ids := inRing(ring, 0)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	last := "3"
	made := int64(0)
	for range rounds(12) {
		v := strconv.Itoa(3 + rnd.IntN(3))
		if v != last {
			ring[0].changes(ids[0], FieldInjured, v)
			last = v
			made++
		}
		for range rnd.IntN(4) {
			ring[rnd.IntN(3)].sync()
		}
	}
	ring[0].changes(ids[0], FieldPlace, "Chotyně")
	made++
	settled(ring[:]...)
	settled(ring[:]...)
	for n, r := range ring {
		i := r.incident(ids[n])
		if i.Facts.Injured == nil || countText(i.Facts.Injured) != last || i.Facts.Place != "Chotyně" {
			t.Errorf("%s holds %s injured at %s, want %s at Chotyně", r.org.Name, countText(i.Facts.Injured), i.Facts.Place, last)
		}
		if most := made * int64(min(n, 1)); r.passed() > most {
			t.Errorf("%s passed on %d times, at most %d", r.org.Name, r.passed(), most)
		}
		if due := r.count(`SELECT COUNT(*) FROM console_origin WHERE state = 'due'`); due != 0 {
			t.Errorf("%s has %d changes to look at", r.org.Name, due)
		}
	}
	messages := func() (n int64) {
		for _, r := range ring {
			n += r.count(`SELECT COUNT(*) FROM exchange_message`)
		}
		return n
	}
	was := messages()
	for range 5 {
		for _, r := range ring {
			r.sync()
		}
	}
	settled(ring[:]...)
	if now := messages(); now != was {
		t.Errorf("%d messages, then %d: it runs in a circle", was, now)
	}
	// Built anew, nothing is sent again.
	for n, r := range ring {
		view := dump(r.incident(ids[n]).Facts)
		r.ok(r.Rebuild(t.Context(), r.org.ID))
		r.sync()
		if got := dump(r.incident(ids[n]).Facts); got != view {
			t.Errorf("%s: before %s\nafter %s", r.org.Name, view, got)
		}
	}
	settled(ring[:]...)
	if now := messages(); now != was {
		t.Errorf("%d messages, %d after building anew", was, now)
	}
}

// chain is an event between the second and the third room that only the first one sees
// as one: what one of them changes reaches the other through it alone.
func chain(t *testing.T) (ring [3]*room, second, third string) {
	t.Helper()
	ring = newRing(t)
	second, err := ring[1].HandOver(t.Context(), ring[1].who("max"), accident(room1))
	ring[1].ok(err)
	third, err = ring[2].HandOver(t.Context(), ring[2].who("max"), accident(room1))
	ring[2].ok(err)
	ring[0].state(second, Ringing)
	ring[0].state(third, Ringing)
	ring[0].ok(ring[0].Merge(t.Context(), ring[0].who("jana"), second, third))
	settled(ring[:]...)
	return ring, second, third
}

// A neighbour's change goes on by itself, with its rule in the record and a leaf in the
// log; switched off it waits for a press, which then goes out once.
func TestFlowByItselfAndOff(t *testing.T) {
	ring, second, third := chain(t)
	cz := ring[0]
	ring[1].changes(second, FieldInjured, "5")
	settled(ring[:]...)
	if i := ring[2].incident(third); countText(i.Facts.Injured) != "5" || len(i.Changes) != 1 || len(i.Thread[len(i.Thread)-1].Lines) != 1 {
		t.Errorf("the third room: %s", dump(i.Changes))
	}
	i := cz.incident(second)
	if !i.Flow.On || i.Flow.Switched || len(i.Changes) != 1 || len(i.Changes[0].Told) != 1 || i.Changes[0].Told[0].OID != room3 || i.Changes[0].Left != "" {
		t.Errorf("here: %s %s", dump(i.Flow), dump(i.Changes))
	}
	said := slices.DeleteFunc(slices.Clone(i.Events), func(e Event) bool { return e.Key != "console.d.event.pass_on" })
	if len(said) != 1 || said[0].Who != "" || said[0].Args["neighbour"] != "Jelenia Góra" || said[0].Reason != ruleMerged {
		t.Errorf("the record: %s", dump(said))
	}
	if n := cz.count(`SELECT COUNT(*) FROM audit_leaf WHERE action = 'console.pass_on' AND actor = ''`); n != 1 {
		t.Errorf("%d leaves", n)
	}
	if slices.ContainsFunc(i.Events, func(e Event) bool { return e.Key == "console.d.event.out.update" }) {
		t.Error("it is told twice in the record")
	}
	if p := cz.screens().as("jana").page(incidentURL(second)); strings.Contains(p, `/pass"`) || !strings.Contains(p, `/flow"`) {
		t.Error("the page offers what is done, or no switch")
	}

	jana := cz.screens().as("jana")
	jana.goes(incidentURL(second)+"/flow", url.Values{"on": {"no"}}, incidentURL(second))
	ring[2].changes(third, FieldInjured, "6")
	settled(ring[:]...)
	if got := countText(ring[1].incident(second).Facts.Injured); got != "5" {
		t.Errorf("switched off, the second room holds %s", got)
	}
	i = cz.incident(second)
	entry := i.Changes[1].Entry
	if i.Flow.On || !i.Flow.Switched || !strings.Contains(jana.page(incidentURL(second)), `/pass"`) {
		t.Error("it cannot be pressed")
	}
	for n := range 2 { // also with another key
		cz.ok(cz.PassOn(t.Context(), cz.who("jana"), second, entry, fmt.Sprint("p", n)))
	}
	settled(ring[:]...)
	if i := ring[1].incident(second); countText(i.Facts.Injured) != "6" || len(i.Changes) != 2 {
		t.Errorf("pressed: %s", dump(i.Changes))
	}
	// On again, by a person: what comes from now on goes on.
	cz.ok(cz.SetFlow(t.Context(), cz.who("petr"), third, true))
	ring[1].changes(second, FieldDanger, no)
	settled(ring[:]...)
	if ring[2].incident(third).Facts.Danger {
		t.Error("switched on again, nothing goes on")
	}
	cz.refused(cz.SetFlow(t.Context(), cz.who("petr"), "nothing", true), problem.NotFound, "console.d.refuse.not_found")
	before := cz.tables()
	cz.ok(cz.Rebuild(t.Context(), cz.org.ID))
	settled(ring[:]...)
	if d := cmp.Diff(before, cz.tables()); d != "" {
		t.Error(d)
	}
}

// Where a rule asks, the press remains; what it masks is told to nobody, and the rest goes on.
func TestFlowByTheRules(t *testing.T) {
	ring, second, third := chain(t)
	cz := ring[0]
	table := cz.guarded()
	rules := append(disclosure.Default(),
		disclosure.Rule{ID: "T-01", Peer: "*", App: "*", Path: "Location.Address.City", Class: "*", Action: disclosure.Ask, Reason: "test"},
		disclosure.Rule{ID: "T-02", Peer: "*", App: "*", Path: "What", Class: "*", Action: disclosure.Mask, Reason: "test"})
	v, err := table.Current(t.Context())
	cz.ok(err)
	if _, faults, err := table.Save(t.Context(), "jana", v.Number, rules, "test"); err != nil || len(faults) > 0 {
		t.Fatalf("%v %v", faults, err)
	}
	ring[1].changes(second, FieldPlace, "Chotyně")
	settled(ring[:]...)
	if i := cz.incident(second); cz.passed() != 0 || len(i.Changes) != 1 || i.Changes[0].Left != "console.d.flow.left.ask" {
		t.Errorf("passed on though a rule asks: %s", dump(i.Changes))
	}
	ring[1].changes(second, FieldIssue, "Novák z čísla 7")
	ring[1].changes(second, FieldInjured, "4")
	settled(ring[:]...)
	i := ring[2].incident(third)
	if text := dump(i); strings.Contains(text, "Novák z") || i.Facts.Issue != accident().Issue || i.Facts.Place != "Hrádek nad Nisou" || countText(i.Facts.Injured) != "4" {
		t.Errorf("the third room reads %s", dump(i.Facts))
	}
	here := cz.incident(second)
	if c := here.Changes[1]; here.Facts.Issue != "Novák z čísla 7" || len(c.Told) != 0 || c.Left != "" {
		t.Errorf("here: %s", dump(c))
	}
}

// Two who change the same at once: what crosses is for a person, and what was said
// later here is not undone at the others by what came before.
func TestFlowOfTwoAtOnce(t *testing.T) {
	ring, second, third := chain(t)
	cz := ring[0]
	for _, r := range ring { // nothing arrives
		r.stopNode()
	}
	cz.changes(second, FieldInjured, "5")
	ring[1].changes(second, FieldInjured, "7")
	for _, r := range ring {
		r.stopNode = r.run(r.node.Run)
	}
	settled(ring[:]...)
	i := cz.incident(second)
	if n := len(i.Changes); n != 2 || i.Changes[n-1].Left != "console.d.flow.left.crossed" || cz.passed() != 0 {
		t.Errorf("crossed: %s", dump(i.Changes))
	}
	if got := countText(ring[2].incident(third).Facts.Injured); got != "5" {
		t.Errorf("the third room holds %s", got)
	}
	// It is read here, and changed here, before anybody has passed it on.
	ring[1].changes(second, FieldPlace, "Chotyně")
	cz.until("it is here", func() bool {
		cz.ok(cz.catchUp(t.Context(), cz.org))
		return cz.incident(second).Facts.Place == "Chotyně"
	})
	cz.changes(second, FieldPlace, "Grabštejn")
	settled(ring[:]...)
	for n, id := range []string{second, second, third} {
		if got := ring[n].incident(id).Facts.Place; got != "Grabštejn" {
			t.Errorf("%s holds %s", ring[n].org.Name, got)
		}
	}
	if cz.passed() != 0 {
		t.Error("what does not hold any more was passed on")
	}
}

// A stop between the reading of a change and its passing on loses nothing and sends
// nothing twice; two instances send it once.
func TestFlowOverARestart(t *testing.T) {
	ring, second, third := chain(t)
	cz := ring[0]
	ring[1].changes(second, FieldInjured, "8")
	cz.until("it is read", func() bool {
		cz.ok(cz.catchUp(t.Context(), cz.org))
		return cz.count(`SELECT COUNT(*) FROM console_origin WHERE state = 'due'`) == 1
	})
	other := New(cz.deps)
	cz.Service = New(cz.deps)
	done := make(chan error, 2)
	for _, s := range []*Service{cz.Service, other} {
		go func() { done <- s.passOn(t.Context(), cz.org) }()
	}
	for range 2 {
		cz.ok(<-done)
	}
	settled(ring[:]...)
	if i := ring[2].incident(third); countText(i.Facts.Injured) != "8" || len(i.Changes) != 1 || cz.passed() != 1 {
		t.Errorf("passed on %d times: %s", cz.passed(), dump(i.Changes))
	}
}

// A test stays a test: all that is passed on leaves from and goes to addresses of tests.
func TestFlowOfATest(t *testing.T) {
	ring := newRing(t)
	ids := inRing(ring, 1)
	ring[0].changes(ids[0], FieldInjured, "9")
	settled(ring[:]...)
	for n, r := range ring {
		i := r.incident(ids[n])
		if i.Kind != store.Test || countText(i.Facts.Injured) != "9" {
			t.Errorf("%s: %s injured in a %s", r.org.Name, countText(i.Facts.Injured), i.Kind)
		}
		if n := r.count(`SELECT COUNT(*) FROM console_message WHERE kind <> 'test'`); n != 0 {
			t.Errorf("%s has %d messages that are none of a test", r.org.Name, n)
		}
	}
}

// What a foreign system sends has no mark: it goes on once, and its sender is told nothing.
func TestFlowOfAForeignChange(t *testing.T) {
	cz, de := newRooms(t)
	first, err := de.HandOver(t.Context(), de.who("max"), accident(room1))
	de.ok(err)
	cz.state(first, Ringing)
	second := bautzen(de, cz, collision())
	cz.ok(cz.Merge(t.Context(), cz.who("jana"), first, second))
	text := de.updateText(i18n.De, []Change{{Field: FieldInjured, Old: "3", New: "4"}})
	held := countText(cz.incident(second).Facts.Injured)
	text = strings.Replace(text, "3 →", held+" →", 1)
	_, err = de.system().Send(t.Context(), letter(system2, room1, appText, msgText, wireText{SharedID: second, Lines: []wireRemark{{At: ucri.FormatTime(de.clk.Now()), Message: text}}}))
	cz.ok(err)
	settled(cz, de)
	if got := countText(de.incident(first).Facts.Injured); got != "4" || cz.passed() != 1 {
		t.Errorf("the other side holds %s; passed on %d times", got, cz.passed())
	}
	if n := cz.count(`SELECT COUNT(*) FROM console_message WHERE incoming = 0 AND other = $1`, system2); n != 0 {
		t.Errorf("its sender got %d messages", n)
	}
}
