package pegelonline

import "testing"

func TestStations(t *testing.T) {
	r, f := parse([]byte(`[{"uuid":"u","number":"501060","shortname":"DRESDEN","longname":"DRESDEN","longitude":13.73,"latitude":51.05,"water":{"shortname":"ELBE","longname":"ELBE"},"timeseries":[{"shortname":"W","unit":"cm","currentMeasurement":{"timestamp":"2026-08-07T18:00:00+02:00","value":123.0}},{"shortname":"WT","unit":"°C","currentMeasurement":{"timestamp":"2026-08-07T18:00:00+02:00","value":20}}]},
{"uuid":"v","number":"2","longname":"X","timeseries":[{"shortname":"W","unit":"m+NHN","currentMeasurement":{"timestamp":"2026-08-07T18:00:00+02:00","value":1.2}}]}]`))
	if f != nil || len(r.Stations) != 2 {
		t.Fatalf("%v %+v", f, r)
	}
	if s := r.Stations[0]; s.River != "ELBE" || len(s.Levels) != 1 || s.Levels[0].Value != 123 || len(s.Deviations) > 0 {
		t.Errorf("%+v", s)
	}
	if s := r.Stations[1]; len(s.Levels) > 0 || len(s.Deviations) != 1 || s.Deviations[0].Rule != "unit" {
		t.Errorf("%+v", s)
	}
	for _, doc := range []string{"<html></html>", `{"a":1}`, ""} {
		if r, f := parse([]byte(doc)); f == nil {
			t.Errorf("%q: %+v", doc, r)
		}
	}
}
