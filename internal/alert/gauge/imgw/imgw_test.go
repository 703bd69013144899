package imgw

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"trojmezi/internal/alert/gauge"
)

func TestStations(t *testing.T) {
	r, f := parse([]byte(`[{"id_stacji":"150140020","stacja":"Sieniawka","rzeka":"Nysa Łużycka","wojewodztwo":"dolnośląskie","lon":"14.8369","lat":"50.8964","stan_wody":"229","stan_wody_data_pomiaru":"2026-07-01 20:00:00","przeplyw":"0,07","przeplyw_data":null},
{"id_stacji":"2","stacja":"X","lon":null,"lat":"abc","stan_wody":null,"stan_wody_data_pomiaru":null,"przeplyw":"?"}]`))
	if f != nil || len(r.Stations) != 2 {
		t.Fatalf("%v %+v", f, r)
	}
	s := r.Stations[0]
	if level, ok := gauge.Latest(s.Levels); !ok || s.ID != "imgw/150140020" || level.Value != 229 || level.At.At.UTC().Format(time.RFC3339) != "2026-07-01T18:00:00Z" || s.Lat != 50.8964 || len(s.Flows) > 0 || len(s.Deviations) != 1 || s.Deviations[0].Rule != "undated" {
		t.Errorf("%+v", s)
	}
	if s := r.Stations[1]; !math.IsNaN(s.Lat) || !math.IsNaN(s.Lon) || len(s.Levels) > 0 || len(s.Deviations) != 1 || s.Deviations[0].Rule != "number" {
		t.Errorf("%+v", s)
	}
	for _, doc := range []string{"<html></html>", `{"message":"x"}`, ""} {
		if r, f := parse([]byte(doc)); f == nil {
			t.Errorf("%q: %+v", doc, r)
		}
	}
}

func TestDetail(t *testing.T) {
	r, f := parse([]byte(`{"stateCode":"high","status":{"id":1,"name":"151140060","description":"ZGORZELEC","river":"Nysa Łużycka (174)","currentState":{"date":"2026-08-07T18:00:00Z","value":539.0},"previousState":{"date":"2026-08-07T17:50:00Z","value":501},"trend":10,"alarmValue":340.0,"warningValue":null,"notes":["Spiętrzenie"]},"coordinates":{"x":14.99,"y":51.16}}`))
	if f != nil || len(r.Stations) != 1 {
		t.Fatalf("%v %+v", f, r)
	}
	if s := r.Stations[0]; len(s.Levels) != 2 || s.Levels[1].Value != 539 || len(s.Limits) != 1 || s.Limits[0] != (gauge.Limit{Name: "stan alarmowy", Unit: "cm", From: 340}) || s.Remarks[0] != "Spiętrzenie" || s.Lon != 14.99 || s.Trend != "10" {
		t.Errorf("%+v", s)
	}
}

// TestCaptures reads answers that the institute has given.
func TestCaptures(t *testing.T) {
	dir := os.Getenv("TROJMEZI_SAMPLES")
	if dir == "" {
		t.Skip("TROJMEZI_SAMPLES is not set: the captured answers are no part of the repository")
	}
	for file, n := range map[string]int{"hydro_stations_dolnoslaskie_subset.json": 43, "hydrological_details.json": 1} {
		doc, err := os.ReadFile(filepath.Join(dir, "alerts", "imgw", file))
		if err != nil {
			t.Fatal(err)
		}
		r, f := parse(doc)
		if f != nil || len(r.Stations) != n {
			t.Fatalf("%s: %v %+v", file, f, r)
		}
		levels := 0
		for _, s := range r.Stations {
			if s.Number == "" || s.Name == "" || len(s.Deviations) > 0 {
				t.Errorf("%s: %+v", file, s)
			}
			levels += len(s.Levels)
		}
		if levels < n*9/10 {
			t.Errorf("%s: %d levels", file, levels)
		}
	}
}
