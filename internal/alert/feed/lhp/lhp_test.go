package lhp

import (
	"testing"

	"trojmezi/internal/alert/feed"
)

func TestGauges(t *testing.T) {
	r, f := parse([]byte(`{"PGNR":["SN_660101","HE_41700105","SN_1","SN_2"],"LAT":["51.1","50","51","51"],"LON":["14.9","9","15","15"],"HW":["3","0","-1","7"]}`))
	if f != nil || !r.Whole || len(r.Warnings) != 2 || r.Quiet != 1 || r.NoData != 1 {
		t.Fatalf("%v %+v", f, r)
	}
	if w := r.Warnings[0]; w.ID != "lhp/SN_660101" || w.Level.National != "3" || w.Level.Severity != "Severe" || w.Sender != "LHP SN" || len(w.Deviations) > 0 {
		t.Errorf("%+v", w)
	}
	if w := r.Warnings[1]; w.Level.Severity != "Unknown" || len(w.Deviations) != 1 {
		t.Errorf("%+v", w)
	}
	for _, doc := range []string{`{"PGNR":["1"],"LAT":[],"LON":["1"],"HW":["1"]}`, "<html></html>", "[]", ""} {
		if r, f := parse([]byte(doc)); f == nil {
			t.Errorf("%q: %+v", doc, r)
		}
	}
}

// TestDrill: what the portal says of a gauge may be an exercise.
func TestDrill(t *testing.T) {
	for text, want := range map[string]feed.Status{"Übung: großes Hochwasser": feed.Exercise, "großes Hochwasser": feed.Actual} {
		r, f := parse([]byte(`{"PGNR":["SN_660101"],"LAT":["51.1"],"LON":["14.9"],"HW":["3"]}`))
		if f != nil {
			t.Fatal(f)
		}
		if f := Tell(&r.Warnings[0], []byte(`{"PN":"Görlitz","GW":"Lausitzer Neiße","HW":"3","HW_TXT":"`+text+`"}`)); f != nil || r.Warnings[0].Status != want {
			t.Errorf("%s: %v %s", text, f, r.Warnings[0].Status)
		}
	}
}
