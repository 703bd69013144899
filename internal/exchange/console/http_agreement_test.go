package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"trojmezi/internal/exchange/agreement"
	"trojmezi/internal/kernel/i18n"
)

// agree gives a control room's screens the agreements that come with the program.
func (s *screens) agree(r *room) {
	r.t.Helper()
	book, err := agreement.New(agreement.Options{DB: r.db, Places: s.pages.places, Audit: r.audit, Clock: r.clk, Name: r.Name})
	r.ok(err)
	r.ok(book.Ship(r.t.Context()))
	s.pages.Agreements = agreement.NewPages(book, s.texts, nil)
}

// An incident with a point says whether the neighbours may be asked, in each room's
// language; so does the hand-over form once the place is known; and a form of the
// agreement is filled with the incident and kept nowhere.
func TestMayWeAtAnIncident(t *testing.T) {
	a, b := newRooms(t)
	own, other := a.screens(), b.screens()
	own.agree(a)
	other.agree(b)
	jana, max := own.as("jana"), other.as("max")
	id := a.handOver(accident(room2))

	page := jana.page("/console/incidents/" + id)
	own.has(page, i18n.Cs, "agreement.panel", nil)
	for _, want := range []string{`href="/agreements/rows/AG04"`, `href="/agreements/rows/AG05"`, `href="/console/incidents/` + id + `/forms/cz-pl-4"`, `id="agreement-ems-DE"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the incident lacks %s", want)
		}
	}
	b.sync()
	theirs := b.queue()[0].ID
	page = max.page("/console/incidents/" + theirs)
	other.has(page, i18n.De, "agreement.panel", nil)
	if !strings.Contains(page, `id="agreement-ems-CZ"`) || !strings.Contains(page, "AG11") {
		t.Error("the German room is not told what it may, or not of its own law")
	}

	if page := jana.page("/console/handover?incident=" + id); !strings.Contains(page, `id="agreement-fire-PL"`) {
		t.Error("the form of a hand-over with a point says nothing")
	}
	if page := jana.page("/console/handover"); strings.Contains(page, `id="agreement-`) {
		t.Error("the empty form answers")
	}
	if part := jana.page("/console/handover/find?lat=50.8528&lon=14.8446"); !strings.Contains(part, `id="agreement-police-DE"`) {
		t.Error("a point on the map says nothing")
	}

	if page := jana.page("/console/incidents/" + id + "?tab=map"); !strings.Contains(page, `data-ask="/agreements/point"`) || !strings.Contains(page, "map-answer") {
		t.Error("the incident's map cannot be asked")
	}

	form := "/console/incidents/" + id + "/forms/cz-pl-3"
	filledIn := jana.page(form)
	for _, want := range []string{"Hrádek nad Nisou", "50.85280, 14.84460", "Osobní auto a nákladní auto", "Jana"} {
		if !strings.Contains(filledIn, want) {
			t.Errorf("the form lacks %q", want)
		}
	}
	status, body := jana.post(form, url.Values{"forces": {"dva vozy"}, "contact": {"Karel Novák"}})
	if status != http.StatusOK || !strings.HasPrefix(body, "%PDF-") {
		t.Errorf("%d %.80s", status, body)
	}
	if n := a.count(`SELECT COUNT(*) FROM audit_leaf WHERE action = 'agreement.form' AND object = $1`, id); n != 1 {
		t.Errorf("%d leaves of the form", n)
	}
}
