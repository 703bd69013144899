package console

import (
	"net/http"
	"strings"
	"testing"

	"trojmezi/internal/exchange/disclosure"
	"trojmezi/internal/kernel/i18n"
)

// guarded lets a room's table of rules decide what it tells.
func (r *room) guarded() *disclosure.Service {
	r.t.Helper()
	r.Disclosure = disclosure.New(disclosure.Options{DB: r.db, Node: r.node, Ring: r.ring, Audit: r.audit, Clock: r.clk})
	return r.Disclosure
}

// The caller's number stays here, the neighbour reads that it can be had, asks with
// one key, and is given it with one key.
func TestAskAndGive(t *testing.T) {
	cz, de := newRooms(t)
	log := cz.guarded()
	de.guarded()
	d := accident(room2)
	d.Danger, d.Type = false, "odklízení stromu"
	d.Remarks = []string{"zpětné volání 600 000 000, Novák čeká"}
	id := cz.handOver(d)
	de.state(id, Ringing)
	i := de.incident(id)
	if len(i.Facts.Callers) != 0 || strings.Contains(dump(i), "600 000") || strings.Contains(dump(i), "Novák") {
		t.Fatalf("the neighbour knows the caller: %s", dump(i))
	}
	jana, max := cz.screens().as("jana"), de.screens().as("max")
	page := max.page(incidentURL(id))
	de.screens().has(page, i18n.De, "disclosure.mark.ask", i18n.Args{"what": de.Texts.Text(i18n.De, "disclosure.group.callers", nil)})
	ask := map[string][]string{"group": {"callers"}, "neighbour": {room1}, "once": {"a"}}
	de.screens().has(page, i18n.De, "disclosure.fact.ask", nil)
	if !strings.Contains(page, incidentURL(id)+"/ask") {
		t.Fatalf("nothing to press: %s", page)
	}
	first := filled(page[strings.Index(page, incidentURL(id)+"/ask\""):])
	max.goes(incidentURL(id)+"/ask", ask, incidentURL(id))
	if page = max.page(incidentURL(id)); strings.Contains(page, incidentURL(id)+"/ask\"") {
		t.Error("he can ask again")
	}
	de.screens().has(page, i18n.De, "disclosure.fact.asked", nil)
	cz.until("the request is here", func() bool { cz.sync(); _, ours := cz.incident(id).Withheld(); return len(ours) == 1 })
	if page = jana.page(incidentURL(id)); !strings.Contains(page, incidentURL(id)+"/give") {
		t.Fatalf("nothing to give: %s", page)
	}
	jana.s.has(page, i18n.Cs, "disclosure.fact.wanted", i18n.Args{"neighbour": "Hoyerswerda (DE)"})
	jana.goes(incidentURL(id)+"/give", map[string][]string{"group": {"callers"}, "neighbour": {room2}, "once": {"b"}}, incidentURL(id))
	de.until("the number is here", func() bool {
		de.sync()
		return strings.Contains(max.page(incidentURL(id)), "Karel Novák +420 600 000 000")
	})
	if page = max.page(incidentURL(id)); strings.Count(page, "Karel Novák +420 600 000 000") != 2 {
		t.Error("what was given is not both a message and a fact")
	}
	if words := de.Texts.Text(i18n.De, "ui.message.untranslated", i18n.Args{"lang": "Čeština"}); strings.Count(page, words) != 1 { // what happened
		t.Errorf("what is read in the reader's language stands as not translated: %d marks", strings.Count(page, words))
	}
	if theirs, _ := de.incident(id).Withheld(); len(theirs) != 0 {
		t.Errorf("still to be asked for: %v", theirs)
	}
	// Told anew, it is withheld anew, and the key to ask for it does something again.
	again := accident(room2)
	again.Danger, again.Type, again.Incident = false, "odklízení stromu", id
	cz.handOver(again)
	de.until("the second hand-over is here", func() bool { de.sync(); theirs, _ := de.incident(id).Withheld(); return len(theirs) == 1 })
	second := filled(max.page(incidentURL(id))[strings.Index(max.page(incidentURL(id)), incidentURL(id)+"/ask\""):])
	if second.Get("once") == first.Get("once") {
		t.Errorf("asking once more is the same as asking: %v", second)
	}
	list, err := log.Decisions(t.Context(), "", 100)
	cz.ok(err)
	text := dump(list)
	for _, want := range []string{"Callers[0].Phone", "P-05", `"asked"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the log has no %s: %s", want, text)
		}
	}
	if strings.Contains(text, "600") || strings.Contains(text, "Novák") {
		t.Errorf("the log tells who: %s", text)
	}
}

// Where a life is in danger the number crosses, unless somebody says no; patients
// cross when somebody says yes, and their insurance never.
func TestAnswers(t *testing.T) {
	cz, de := newRooms(t)
	cz.guarded()
	id := cz.handOver(accident(room2))
	de.state(id, Ringing)
	if f := de.incident(id).Facts; len(f.Callers) != 1 || f.Callers[0].Phone != "+420 600 000 000" {
		t.Errorf("a life is in danger: %s", dump(f))
	}
	d := accident(room2)
	d.Answers = map[disclosure.Group]bool{disclosure.Callers: false}
	id = cz.handOver(d)
	de.state(id, Ringing)
	if f := de.incident(id).Facts; len(f.Callers) != 0 {
		t.Errorf("somebody said no: %s", dump(f))
	}
	d = accident(room2)
	d.App, d.Patients = appPatients, []Person{{Name: "Eva Malá", Phone: "+420 777 111 222", Note: "těhotná"}, {Name: "Jan Malý"}}
	id = cz.handOver(d)
	de.state(id, Ringing)
	if f := de.incident(id).Facts; len(f.Patients) != 2 || strings.Contains(dump(f), "Mal") || strings.Contains(dump(f), "777") || strings.Contains(dump(f), "těhotná") {
		t.Errorf("patients by themselves: %s", dump(f))
	}
	d.Answers = map[disclosure.Group]bool{disclosure.Patients: true}
	id = cz.handOver(d)
	de.state(id, Ringing)
	if f := de.incident(id).Facts; len(f.Patients) != 2 || f.Patients[0].Name != "Eva Malá" {
		t.Errorf("patients with a yes: %s", dump(f))
	}
}

// In an emergency everything passes; somebody else looks at it afterwards.
func TestEmergency(t *testing.T) {
	cz, de := newRooms(t)
	s := cz.guarded()
	d := accident(room2)
	d.Danger, d.App, d.Patients, d.Emergency = false, appPatients, []Person{{Name: "Eva Malá"}}, "únos dítěte"
	id := cz.handOver(d)
	de.state(id, Ringing)
	if f := de.incident(id).Facts; len(f.Patients) != 1 || f.Patients[0].Name != "Eva Malá" || len(f.Callers) != 1 {
		t.Errorf("an emergency: %s", dump(f))
	}
	list, err := s.Emergencies(t.Context(), "liberec")
	cz.ok(err)
	if len(list) != 1 || list[0].Reason != "únos dítěte" || list[0].Person != "jana" || !list[0].Reviewed.IsZero() {
		t.Fatalf("%s", dump(list))
	}
	at, err := cz.Addresses(t.Context(), "liberec", []string{list[0].Incident, "nobody's"})
	if cz.ok(err); len(at) != 1 || at[list[0].Incident] != "/console/incidents/"+id {
		t.Errorf("who looks at it finds the incident: %v", at)
	}
	if err := s.Review(t.Context(), "jana", "liberec", list[0].ID, "right", ""); err == nil {
		t.Error("one person is two")
	}
	check := s.Reviews()
	cz.clk.Advance(25 * 60 * 60 * 1e9)
	found, err := check.Func(t.Context())
	cz.ok(err)
	if len(found) != 1 {
		t.Error("nobody is reminded")
	}
	cz.ok(s.Review(t.Context(), "petr", "liberec", list[0].ID, "right", "bylo nutné"))
	if found, err = check.Func(t.Context()); err != nil || len(found) != 0 {
		t.Errorf("%v %v", found, err)
	}
}

// The form asks, and the preview shows what is kept back.
func TestDisclosureIsPreviewed(t *testing.T) {
	cz, _ := newRooms(t)
	cz.guarded()
	jana := cz.screens().as("jana")
	form := filled(jana.page("/console/handover?to=" + room2))
	for k, v := range map[string]string{"place": "Hrádek nad Nisou", "what": "odklízení stromu", "caller": "Karel Novák", "phone": "+420 600 000 000"} {
		form.Set(k, v)
	}
	form.Set("to", room2)
	status, target := jana.post("/console/drafts", with(form, "do", "preview"))
	if status != http.StatusSeeOther {
		t.Fatalf("%d %s", status, target)
	}
	page := jana.page(target)
	jana.s.has(page, i18n.Cs, "disclosure.mark.ask", i18n.Args{"what": cz.Texts.Text(i18n.Cs, "disclosure.group.callers", nil)})
	if strings.Contains(page, "600 000 000") {
		t.Errorf("the preview shows what is kept back: %s", page)
	}
	form.Set("give_callers", "yes")
	_, target = jana.post("/console/drafts", with(form, "do", "preview"))
	if page = jana.page(target); !strings.Contains(page, "600 000 000") {
		t.Errorf("the preview hides what goes: %s", page)
	}
}

// A request for resources names the patients it has to name, and no mark of those
// that nobody named.
func TestRequestNamesNobody(t *testing.T) {
	cz, de := newRooms(t)
	cz.guarded()
	id := cz.handOver(accident(room2))
	de.state(id, Ringing)
	cz.ok(cz.RequestResources(t.Context(), cz.who("jana"), id, Resources{To: []string{room2}, Want: []Request{{Type: "RZA", Name: "RZA"}}}, ""))
	cz.ok(cz.RequestResources(t.Context(), cz.who("jana"), id, Resources{To: []string{room2}, Want: []Request{{Type: "RZA", Name: "RZA"}}, Patients: []Person{{Name: "Eva Malá"}}}, ""))
	de.until("both are here", func() bool { de.sync(); return len(de.incident(id).Handovers) == 3 })
	i, marks := de.incident(id), 0
	for _, e := range i.Thread {
		for _, l := range e.Lines {
			if m, ok := disclosure.ReadMark(l.Text); ok && m == (disclosure.Mark{Group: disclosure.Patients, Persons: 1}) {
				marks++
			}
		}
	}
	if marks != 1 || strings.Contains(dump(i), "Malá") {
		t.Errorf("%d marks: %s", marks, dump(i))
	}
}
