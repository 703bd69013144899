package pegelonline

import (
	"testing"
	"time"
)

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

// A forecast is apart from what was measured: each issue by itself, a value of another
// sort told and left out, and nothing of it among the levels.
func TestForecast(t *testing.T) {
	r, f := parse([]byte(`[{"uuid":"u","number":"501010","longname":"SCHÖNA","timeseries":[{"shortname":"W","unit":"cm","currentMeasurement":{"timestamp":"2026-08-07T18:00:00+02:00","value":123.0}},{"shortname":"WV","unit":"cm"}]},{"uuid":"v","number":"2","timeseries":[]}]`))
	if f != nil || len(r.Stations) != 2 || !r.Stations[0].Foretold || r.Stations[1].Foretold || len(r.Stations[0].Forecasts) > 0 {
		t.Fatalf("%v %+v", f, r)
	}
	r, f = parse([]byte(`[
{"initialized":"2026-08-07T12:00:00+02:00","timestamp":"2026-08-07T20:00:00+02:00","value":300,"type":"forecast"},
{"initialized":"2026-08-07T12:00:00+02:00","timestamp":"2026-08-07T19:00:00+02:00","value":250.5,"type":"forecast"},
{"initialized":"2026-08-07T12:00:00+02:00","timestamp":"2026-08-09T19:00:00+02:00","value":410,"type":"estimate"},
{"initialized":"2026-08-07T06:00:00+02:00","timestamp":"2026-08-07T19:00:00+02:00","value":200,"type":"forecast"},
{"initialized":"2026-08-07T12:00:00+02:00","timestamp":"2026-08-07T21:00:00+02:00","value":1,"type":"guess"},
{"initialized":"today","timestamp":"2026-08-07T21:00:00+02:00","value":1,"type":"forecast"},
{"initialized":"2026-08-07T12:00:00+02:00","timestamp":"soon","value":1,"type":"forecast"},
{"initialized":"2026-08-07T12:00:00+02:00","timestamp":"2026-08-07T22:00:00+02:00","value":null,"type":"forecast"}]`))
	if f != nil || len(r.Stations) != 1 {
		t.Fatalf("%v %+v", f, r)
	}
	s := r.Stations[0]
	if s.Number != "" || !s.Foretold || len(s.Levels) > 0 || len(s.Forecasts) != 2 || len(s.Deviations) != 3 || s.Deviations[0].Rule != "sort" || s.Deviations[1].Rule != "undated" || s.Deviations[2].Rule != "undated" {
		t.Fatalf("%+v", s)
	}
	last := s.Forecasts[1]
	if at := last.Issued.At.UTC().Format(time.RFC3339); at != "2026-08-07T10:00:00Z" || len(last.Levels) != 3 || last.Levels[0].Value != 250.5 || last.Levels[0].Estimate || !last.Levels[2].Estimate || last.Levels[2].Value != 410 {
		t.Errorf("%s %+v", at, last)
	}
}
