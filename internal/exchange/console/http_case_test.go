package console

import (
	"strings"
	"testing"
)

// Two reports are compared and a change is written in the reader's words, not in the codes
// and signs they travel in, and the buttons of one neighbour stand under his name.
func TestCasePages(t *testing.T) {
	cz, de := newRooms(t)
	cz.withTypes()
	de.withTypes()
	d := accident(room1)
	d.Type, d.Issue = "Verkehrsunfall", "Pkw gegen Lkw."
	d.Lat, d.Lon, d.HasPoint = 50.8528, 14.8446, true
	first, err := de.HandOver(t.Context(), de.who("max"), d)
	de.ok(err)
	cz.state(first, Ringing)
	second := bautzen(de, cz, collision())
	s := cz.screens()
	has := func(path string, want ...string) string {
		t.Helper()
		_, page := s.as("jana").get(path)
		for _, w := range want {
			if !strings.Contains(page, w) {
				t.Errorf("%s lacks %q", path, w)
			}
		}
		return page
	}
	word := cz.incident(first).Type
	label := "Dopravní nehoda* [" + word + "]"
	if word == "Verkehrsunfall" {
		t.Fatal("the keyword is not the receiver's")
	}

	has(incidentURL(second)+"/merge?with="+first, label, "50,8528° N · 14,8446° E", "m od sebe")
	has(incidentURL(first), "Pkw gegen Lkw, 3 zranění")
	cz.ok(cz.Merge(t.Context(), cz.who("jana"), first, second))
	page := has(incidentURL(first), `aria-label="Hoyerswerda"`, "Přijmout…")
	if n := strings.Count(page, "/reject?handover="); n != 2 {
		t.Errorf("%d buttons to reject, want one for each report", n)
	}
	has(incidentURL(first)+"/change", label, `value="`+word+`"`)
}
