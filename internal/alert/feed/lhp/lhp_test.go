package lhp

import "testing"

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
