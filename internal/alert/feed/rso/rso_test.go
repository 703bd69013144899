package rso

import (
	"strings"
	"testing"

	"trojmezi/internal/alert/feed"
)

const page = `<?xml version="1.0" encoding="UTF-8"?><newses><pagination_info totalItems="2" itemsPerPage="20"/>
<news><id>11</id><title>Alert RCB: powódź</title><shortcut>Nysa Łużycka wzbiera.</shortcut><content></content><valid_from>2026-08-07 18:00:00</valid_from><valid_to></valid_to><created_at>2026-08-07 18:00:00</created_at><updated_at>2026-08-07 18:20:00</updated_at><rso_alarm>1</rso_alarm><provinces><province id="1" slug="dolnoslaskie" city="Wrocław">dolnośląskie</province></provinces></news>
<news><id>12</id><title>Głośna próba syren</title><content>Nie ma zagrożenia.</content><valid_from>2026-08-07</valid_from></news></newses>`

func TestPage(t *testing.T) {
	r, f := parse([]byte(page))
	if f != nil || !r.Whole || len(r.Warnings) != 2 {
		t.Fatalf("%v %+v", f, r)
	}
	w := r.Warnings[0]
	if w.ID != "rso/11" || w.Texts[0].Description != "Nysa Łużycka wzbiera." || w.Level.Severity != "Unknown" || w.Sent.Text != "2026-08-07 18:20:00" || !w.Expires.At.IsZero() || w.Areas[0].Codes[0] != (feed.Code{Scheme: "RSO", Value: "dolnoslaskie"}) || len(w.Deviations) > 0 {
		t.Errorf("%+v", w)
	}
	if w := r.Warnings[1]; w.Status != feed.Exercise || len(w.Deviations) != 2 {
		t.Errorf("%+v", w)
	}
	// A page that lacks some says nothing about what is over.
	if r, f := parse([]byte(strings.Replace(page, `totalItems="2"`, `totalItems="3"`, 1))); f != nil || r.Whole {
		t.Errorf("%v %+v", f, r)
	}
	if r, f := parse([]byte(`{"newses":{"pagination_info":{"totalItems":"1"},"news":[{"id":11,"title":"T","provinces":[{"slug":"dolnoslaskie","name":"dolnośląskie"}]}]}}`)); f != nil || !r.Whole || r.Warnings[0].ID != "rso/11" || r.Warnings[0].Areas[0].Codes[0].Value != "dolnoslaskie" {
		t.Errorf("%v %+v", f, r)
	}
	for _, doc := range []string{"<html><body>Błąd</body></html>", `{"a":1}`, ""} {
		if r, f := parse([]byte(doc)); f == nil {
			t.Errorf("%q: %+v", doc, r)
		}
	}
}
