package console

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// filled reads what the fields of a page's form hold, as a browser would send them.
func filled(page string) url.Values {
	out := url.Values{}
	attribute := func(tag, name string) (string, bool) {
		m := regexp.MustCompile(`\s` + name + `="([^"]*)"`).FindStringSubmatch(tag)
		if m == nil {
			return "", false
		}
		return html.UnescapeString(m[1]), true
	}
	for _, tag := range regexp.MustCompile(`<input\b[^>]*>`).FindAllString(page, -1) {
		name, _ := attribute(tag, "name")
		value, _ := attribute(tag, "value")
		if kind, _ := attribute(tag, "type"); (kind == "radio" || kind == "checkbox") && !strings.Contains(tag, "checked") {
			continue
		}
		out.Add(name, value)
	}
	for _, m := range regexp.MustCompile(`(?s)<textarea\b([^>]*)>(.*?)</textarea>`).FindAllStringSubmatch(page, -1) {
		name, _ := attribute(m[1], "name")
		out.Add(name, html.UnescapeString(strings.TrimPrefix(m[2], "\n")))
	}
	return out
}

// offered are the readings a page asks about: what each would fill in.
func offered(page string) (out []url.Values) {
	for _, m := range regexp.MustCompile(`name="choice" id="[^"]*" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		q, err := url.ParseQuery(html.UnescapeString(m[1]))
		if err == nil {
			out = append(out, q)
		}
	}
	return out
}

// asks posts a form that must not be sent yet, and returns what is offered.
func (v *visitor) asks(form url.Values) []url.Values {
	v.s.t.Helper()
	status, page := v.post("/console/handover", form)
	if status != http.StatusUnprocessableEntity || !strings.Contains(page, `href="#where"`) {
		v.s.t.Fatalf("where=%q beside place=%q is sent: %d %.200s", form.Get("where"), form.Get("place"), status, page)
	}
	return offered(page)
}

// sends posts a form and returns the incident.
func (v *visitor) sends(r *room, form url.Values) *Incident {
	v.s.t.Helper()
	status, target := v.post("/console/handover", form)
	if status != http.StatusSeeOther {
		v.s.t.Fatalf("hand over: %d %.600s", status, target)
	}
	return r.incident(strings.TrimPrefix(target, "/console/incidents/"))
}

func with(form url.Values, more ...string) url.Values {
	out := url.Values{}
	for k, v := range form {
		out[k] = v
	}
	for n := 0; n < len(more); n += 2 {
		out.Set(more[n], more[n+1])
	}
	return out
}

// TestNothingWrittenAboutThePlaceIsLost: what stands in "where" beside a place that
// is there already is neither dropped nor mixed with it.
func TestNothingWrittenAboutThePlaceIsLost(t *testing.T) {
	a, _ := newRooms(t)
	jana := a.screens().as("jana")
	base := url.Values{"to": {room2}, "what": {"požár"}, "app": {appIncident}}
	there := with(base, "place", "Hrádek nad Nisou", "lat", "50.8528", "lon", "14.8446", "street", "Žitavská", "house", "12", "country", "CZ", "additional", "u řeky")

	// The register knows no such place.
	const church = "Václavice u kostela"
	unknown := with(there, "where", church)
	readings := jana.asks(unknown)
	if len(a.queue()) != 0 {
		t.Fatal("something was sent")
	}
	for _, q := range readings {
		got := jana.sends(a, with(unknown, "choice", q.Encode(), "once", q.Encode())).Facts
		switch {
		case q.Has("additional"):
			if got.Place != "Hrádek nad Nisou" || !got.HasPoint || !strings.Contains(got.Address, "Žitavská 12") || got.Additional != "u řeky, "+church {
				t.Errorf("added to the place: %+v", got)
			}
		case got.Place != church || got.HasPoint || strings.Contains(got.Address, "Žitavská") || strings.Contains(got.Address, "CZ"):
			t.Errorf("instead of the place: %+v", got)
		}
	}
	if len(readings) != 2 {
		t.Errorf("%d readings: %v", len(readings), readings)
	}
	// A reading of something that has been written over since counts no more.
	if got := jana.asks(with(unknown, "where", "Oldřichov u hřbitova", "choice", readings[0].Encode())); got[0].Get("of") != "Oldřichov u hřbitova" {
		t.Errorf("asked about %v", got)
	}

	// Coordinates first, then a name: the point and the street are of the former place.
	town := with(there, "where", "Jonsdorf")
	chosen := false
	for _, q := range jana.asks(town) {
		if q.Get("place") != "Jonsdorf" {
			continue
		}
		chosen = true
		got := jana.sends(a, with(town, "choice", q.Encode(), "once", "town")).Facts
		if got.Place != "Jonsdorf" || got.HasPoint || strings.Contains(got.Address, "Žitavská") || !strings.Contains(got.Address, "DE") {
			t.Errorf("corrected by name: %+v", got)
		}
	}
	if !chosen {
		t.Error("Jonsdorf is not offered")
	}
	// The place itself once more changes nothing; what came first is kept beside a name.
	if got := jana.sends(a, with(there, "where", "Hrádek nad Nisou", "once", "same")).Facts; !got.HasPoint || !strings.Contains(got.Address, "Žitavská 12") {
		t.Errorf("the same place: %+v", got)
	}
	if got := jana.sends(a, with(base, "where", "Jonsdorf", "street", "Hauptstraße", "once", "street")).Facts; got.Place != "Jonsdorf" || !strings.Contains(got.Address, "Hauptstraße") {
		t.Errorf("a street beside a name: %+v", got)
	}

	// One letter wrong is a question, whole names in any language are none.
	var names []string
	for _, q := range jana.asks(with(base, "where", "Jonsdrof")) {
		names = append(names, q.Get("place"))
	}
	if strings.Join(names, ", ") != "Jonsdorf, Jonsdrof" {
		t.Errorf("a typing error offers %v", names)
	}
	if got := jana.sends(a, with(base, "where", church, "once", "free")).Facts; got.Place != church {
		t.Errorf("a name nobody knows: %+v", got)
	}
	// The preview asks, too.
	if status, page := jana.post("/console/drafts", with(unknown, "do", "preview", "draft", "d-7")); status != http.StatusUnprocessableEntity || len(offered(page)) != 2 {
		t.Errorf("the preview: %d", status)
	}
}

// TestDrillsStayAmongThemselves: an exercise or a test reaches nobody whose console
// would ring as for something real.
func TestDrillsStayAmongThemselves(t *testing.T) {
	a, _ := newRooms(t)
	a.until("the test desk is known", func() bool { return a.node.SameKind(test1, test2) })
	s := a.screens()
	jana := s.as("jana")
	drill := a.handOver(accident(test2))
	live := a.handOver(accident(room2))
	value := func(oid string) string { return `value="` + oid + `"` }
	for _, c := range []struct {
		id, offered, not string
		tape             bool
	}{{drill, test2, room2, true}, {live, room2, test2, false}} {
		for _, path := range []string{"/console/handover?incident=" + c.id, incidentURL(c.id) + "/resources"} {
			page := jana.page(path)
			if !strings.Contains(page, value(c.offered)) || strings.Contains(page, value(c.not)) {
				t.Errorf("%s offers receivers of another kind", path)
			}
			if strings.Contains(page, `class="tape"`) != c.tape {
				t.Errorf("%s: tape is %v", path, !c.tape)
			}
		}
	}
	form := filled(jana.page("/console/handover?incident=" + drill))
	form["to"] = []string{room2}
	for _, c := range []struct {
		to  []string
		key string
	}{{[]string{room2}, "console.d.refuse.drill"}, {[]string{test2, room2}, "console.d.refuse.mixed"}} {
		form["to"] = c.to
		status, page := jana.post("/console/handover", form)
		if status != http.StatusUnprocessableEntity || !strings.Contains(page, `href="#to"`) || !strings.Contains(page, `class="tape"`) {
			t.Errorf("to %v: %d", c.to, status)
		}
		s.has(page, i18n.Cs, c.key, nil)
		status, page = jana.post(incidentURL(drill)+"/resources", url.Values{"to": c.to, "want": {"cisterna"}, "once": {"r"}})
		if status != http.StatusUnprocessableEntity || !strings.Contains(page, `href="#to"`) {
			t.Errorf("asked of %v: %d", c.to, status)
		}
		s.has(page, i18n.Cs, c.key, nil)
	}
	a.refused(a.RequestResources(t.Context(), a.who("jana"), drill, Resources{To: []string{room2}, Want: []Request{{Name: "cisterna"}}}, ""), problem.Invalid, "console.d.refuse.drill")

	// A new one to both kinds is refused, and says so before it is sent.
	fresh := url.Values{"draft": {"d-8"}, "to": {room2, test2}, "place": {"Jonsdorf"}, "what": {"požár"}}
	if status, page := jana.post("/console/handover", fresh); status != http.StatusUnprocessableEntity {
		t.Errorf("both kinds: %d", status)
	} else {
		s.has(page, i18n.Cs, "console.d.refuse.mixed", nil)
	}
	jana.goes("/console/drafts", with(fresh, "do", "preview"), "/console/handover/preview?draft=d-8")
	s.has(jana.page("/console/handover/preview?draft=d-8"), i18n.Cs, "console.d.refuse.mixed", nil)
	fresh["to"] = []string{test2}
	jana.goes("/console/drafts", with(fresh, "do", "preview"), "/console/handover/preview?draft=d-8")
	for _, path := range []string{"/console/handover/preview?draft=d-8", "/console/handover?draft=d-8"} {
		if !strings.Contains(jana.page(path), `class="tape"`) {
			t.Errorf("%s: a test is not marked", path)
		}
	}
	if n := len(a.queue()); n != 2 {
		t.Errorf("%d incidents, want the two", n)
	}
}

// TestHandOn: another neighbour gets all that the one before got.
func TestHandOn(t *testing.T) {
	a, b := newRooms(t)
	jana := a.screens().as("jana")
	at := time.Date(2026, 11, 26, 7, 30, 0, 0, time.UTC)
	full := accident(room2)
	full.Country, full.Object, full.Additional, full.InternalID, full.Began = "CZ", "Nádraží", "druhá kolej", "2026-17", at
	patients := full
	patients.App, patients.Patients = appPatients, []Person{{Name: "Jan Novák", Phone: "+420 600 000 001", Note: "40"}, {Name: "Eva Malá"}}
	village := accident(room2)
	village.Street, village.House, village.Place, village.HasPoint = "", "", "Kunratice", false
	advice := Draft{To: []string{room2}, App: appPatient, Issue: "bolest", Patients: patients.Patients[:1]}
	transport := Draft{To: []string{room2}, App: appTransport, Type: "převoz", Patients: patients.Patients[:1], PickupAt: at, ArrivalAt: at.Add(90 * time.Minute),
		Pickup: Location{Street: "Husova 10, Liberec"}, Destination: Location{Street: "Klinikum Görlitz"}}
	for name, d := range map[string]Draft{"full": full, "patients": patients, "village": village, "advice": advice, "transport": transport} {
		id := a.handOver(d)
		first := a.incident(id)
		form := filled(jana.page("/console/handover?incident=" + id))
		form["to"] = []string{system2}
		got := jana.sends(a, form)
		if got.ID != id || len(got.Handovers) != 2 || got.Handovers[1].App != first.App || got.Handovers[1].OID != system2 {
			t.Fatalf("%s: handed on as %s", name, dump(got.Handovers))
		}
		// Times of writing are the second's own.
		for _, f := range []*Facts{first.Facts, got.Facts} {
			f.SentAt = time.Time{}
			for n := range f.Remarks {
				f.Remarks[n].At = time.Time{}
			}
		}
		if dump(first.Facts) != dump(got.Facts) {
			t.Errorf("%s: handed on\n%s\nwas\n%s", name, dump(got.Facts), dump(first.Facts))
		}
	}
	// What has no field of its own stands in the further details, and nothing twice.
	id := a.handOver(full)
	b.state(id, Ringing)
	form := filled(jana.page("/console/handover?incident=" + id))
	if form.Get("street") != "Žitavská" || form.Get("house") != "12" || form.Get("postal") != "46334" || form.Get("place") != "Hrádek nad Nisou" {
		t.Errorf("the address: %v", form)
	}
	// A request for resources says less than the hand-over before it.
	a.ok(a.RequestResources(t.Context(), a.who("jana"), id, Resources{To: []string{room2}, Want: []Request{{Name: "cisterna"}}}, ""))
	if again := filled(jana.page("/console/handover?incident=" + id)); again.Get("caller") != "Karel Novák" || again.Get("patients") != "" {
		t.Errorf("after a request: %v", again)
	}
}

// TestRealAlarmIsNoDrill: a page whose queue holds only a test loses its mark while
// something real asks for a person.
func TestRealAlarmIsNoDrill(t *testing.T) {
	a, b := newRooms(t)
	max := b.screens().as("max")
	real := a.handOver(accident(room2))
	h := b.state(real, Ringing)
	b.ok(b.Open(t.Context(), b.who("max"), real))
	b.ok(b.Accept(t.Context(), b.who("max"), h.ID, Confirm{Place: "Hrádek nad Nisou", Injured: wounded(3)}, "1"))
	b.ok(b.Complete(t.Context(), b.who("max"), h.ID, "fertig", "2"))
	drill := a.handOver(accident(test2))
	b.state(drill, Ringing)
	b.until("only the test is open", func() bool { b.sync(); q := b.queue(); return len(q) == 1 && q[0].Kind == store.Test })
	marked := func() bool { return strings.Contains(max.page("/console"), "data-kind=") }
	if !marked() {
		t.Fatal("the test is not marked")
	}
	events := max.stream(streamOf(t, max.page("/console")))
	next(t, events, "a drill", func(e streamed) bool {
		return e.event == "alarm" && strings.Contains(e.data, `"real":false`)
	})

	a.state(real, Completed)
	a.ok(a.Text(t.Context(), a.who("jana"), real, nil, "Kde jsou klíče?", ""))
	b.until("the text asks for somebody", func() bool { b.tick(); return len(b.strip().Alarms) == 2 })
	if q := b.queue(); len(q) != 1 || q[0].Kind != store.Test {
		t.Fatalf("the queue: %s", dump(q))
	}
	if marked() {
		t.Error("something real rings on a page that says it is none")
	}
	next(t, events, "something real", func(e streamed) bool {
		return e.event == "alarm" && strings.Contains(e.data, `"real":true`)
	})
}

// TestManyInjured: the form of an acceptance that nobody has touched is accepted.
func TestManyInjured(t *testing.T) {
	a, b := newRooms(t)
	max := b.screens().as("max")
	d := accident(room2)
	d.Injured = wounded(12_500)
	id := a.handOver(d)
	h := b.state(id, Ringing)
	form := filled(max.page(incidentURL(id) + "/accept?handover=" + itoa(h.ID)))
	max.goes(incidentURL(id)+"/accept", form, incidentURL(id))
	if got := b.state(id, Accepted); got.Confirmed == nil || *got.Confirmed.Injured != 12_500 || len(b.incident(id).Mismatch) != 0 {
		t.Errorf("%s", dump(got))
	}
}

// TestRecordOfAnOldIncident: what did not happen today stands with its day.
func TestRecordOfAnOldIncident(t *testing.T) {
	a, b := newRooms(t)
	s := b.screens()
	max := s.as("max")
	id := a.handOver(accident(room2))
	h := b.state(id, Ringing)
	b.ok(b.Open(t.Context(), b.who("max"), id))
	opened := b.incident(id).Handovers[0].OpenedAt
	at := func(key string, args i18n.Args, time time.Time) string {
		args["time"] = s.texts.DateTime(i18n.De, time)
		return html.EscapeString(s.texts.Text(i18n.De, key, args))
	}
	b.clk.Advance(49 * time.Hour)
	came := at("console.p.came", i18n.Args{"app": s.texts.Text(i18n.De, "console.d.app."+appIncident, nil), "neighbour": "Liberec (CZ)"}, h.Stored)
	by := func(t time.Time) string { return at("console.p.by", i18n.Args{"name": "Max Krüger"}, t) }
	page := max.page(incidentURL(id) + "/print")
	for _, want := range []string{came, by(opened)} {
		if !strings.Contains(page, want) {
			t.Errorf("the record does not say %q", want)
		}
	}
	b.ok(b.Accept(t.Context(), b.who("max"), h.ID, Confirm{Place: "Zittau"}, "1"))
	decided := b.state(id, Accepted).DecidedAt
	b.clk.Advance(49 * time.Hour)
	page = max.page(incidentURL(id) + "/print")
	if want := by(decided); !strings.Contains(page, want) {
		t.Errorf("the record does not say %q", want)
	}
	_, course, _ := strings.Cut(page, `<ol class="course"`)
	course, _, _ = strings.Cut(course, "</ol>")
	moments := regexp.MustCompile(`<time class="moment" datetime="([^"]*)"[^>]*>([^<]*)</time>`).FindAllStringSubmatch(course, -1)
	if len(moments) < 3 {
		t.Errorf("%d steps in the course", len(moments))
	}
	for _, m := range moments {
		when, err := time.Parse(time.RFC3339, m[1])
		b.ok(err)
		if day := s.texts.Date(i18n.De, when); !strings.HasPrefix(m[2], day) {
			t.Errorf("%s stands there as %q, without %s", m[1], m[2], day)
		}
	}
}
