package imgw

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/alert/feed"
)

const meteoDoc = `[{"id":"Wr20260909205120807","nazwa_zdarzenia":"Intensywne opady deszczu","stopien":"2","prawdopodobienstwo":"70","obowiazuje_do":"2026-10-25 02:30:00","obowiazuje_od":"2026-10-24 09:00:00",
"opublikowano":"2026-10-23 22:51:00","tresc":"Prognozowane są opady.","komentarz":"Brak.","biuro":"Centralne Biuro","teryt":["0206","0225"]},
{"id":"Wr2","nazwa_zdarzenia":"Ćwiczenia","stopien":"9","prawdopodobienstwo":"70","obowiazuje_do":null,"obowiazuje_od":"wkrótce","opublikowano":"2026-10-23 22:51:00","tresc":"x","komentarz":"Y.","biuro":"B","nowe":"?"}]`

func TestMeteo(t *testing.T) {
	r, f := Meteo().Parse([]byte(meteoDoc))
	if f != nil || !r.Whole || len(r.Warnings) != 2 {
		t.Fatalf("%v %+v", f, r)
	}
	w := r.Warnings[0]
	if w.ID != "imgw-meteo/Wr20260909205120807" || w.Level != (feed.Level{Severity: "Severe", National: "2", Colour: "orange"}) || len(w.Areas[0].Codes) != 2 || w.Texts[0].Instruction != "" ||
		w.Expires.At.UTC().Format(time.RFC3339) != "2026-10-25T01:30:00Z" || len(w.Deviations) != 1 || w.Deviations[0].Rule != "twice" || w.Deviations[0].Line != 1 {
		t.Errorf("%+v", w)
	}
	var rules []string
	for _, d := range r.Warnings[1].Deviations {
		rules = append(rules, d.Rule)
	}
	if got := strings.Join(rules, " "); got != "level time lacks lacks kept" || r.Warnings[1].Status != feed.Exercise || r.Warnings[1].Level.Severity != "Unknown" {
		t.Errorf("%s %+v", got, r.Warnings[1])
	}
}

const hydroDoc = `[{"opublikowano":"2026-04-09 12:03:47","stopień":"-1","data_od":"2026-04-09 12:04:14","data_do":"9999-12-31 23:59:59","prawdopodobienstwo":"95","numer":"7","biuro":"Wrocław","zdarzenie":"Susza hydrologiczna","przebieg":"Niskie przepływy.","komentarz":"Do odwołania.",
"obszary":[{"wojewodztwo":"dolnośląskie","opis":"Nysa Łużycka","kod_zlewni":["Z_W_DS_174","R_W_DS_17_A"]}]}]`

func TestHydro(t *testing.T) {
	r, f := Hydro().Parse([]byte(hydroDoc))
	if f != nil || len(r.Warnings) != 1 {
		t.Fatalf("%v %+v", f, r)
	}
	w := r.Warnings[0]
	if w.ID != "imgw-hydro/7/Wrocław/2026-04-09 12:04:14" || w.Level.National != "-1" || w.Level.Colour != "green" || !w.Expires.At.IsZero() || w.Areas[0].Codes[1] != (feed.Code{Scheme: "IMGW", Value: "R_W_DS_17_A"}) ||
		len(w.Deviations) != 1 || w.Deviations[0].Rule != "forever" || w.Texts[0].Instruction != "Do odwołania." {
		t.Errorf("%+v", w)
	}
}

// TestNoData: what is no list of warnings is not taken for "none".
func TestNoData(t *testing.T) {
	for _, doc := range []string{`{"status":false,"message":"Brak danych"}`, "<html></html>", "", `"x"`, `{"a":1}`, `[{"id":`} {
		if r, f := Meteo().Parse([]byte(doc)); f == nil {
			t.Errorf("%q: %+v", doc, r)
		}
	}
	if r, f := Meteo().Parse([]byte("[]")); f != nil || !r.Whole || len(r.Warnings) > 0 {
		t.Errorf("%v %+v", f, r)
	}
}

// TestCaptures reads answers that the institute has given.
func TestCaptures(t *testing.T) {
	dir := os.Getenv("TROJMEZI_SAMPLES")
	if dir == "" {
		t.Skip("TROJMEZI_SAMPLES is not set: the captured answers are no part of the repository")
	}
	for file, c := range map[string]struct {
		feed feed.Feed
		n    int
	}{"weather_alerts.json": {Meteo(), 9}, "hydrological_alerts.json": {Hydro(), 50}} {
		doc, err := os.ReadFile(filepath.Join(dir, "alerts", "imgw", file))
		if err != nil {
			t.Fatal(err)
		}
		r, f := c.feed.Parse(doc)
		if f != nil || len(r.Warnings) != c.n {
			t.Fatalf("%s: %v %d", file, f, len(r.Warnings))
		}
		ids := map[string]bool{}
		for _, w := range r.Warnings {
			if ids[w.ID] || w.Onset.At.IsZero() || w.Sent.At.IsZero() || len(w.Areas) == 0 || w.Level.Severity == "Unknown" {
				t.Errorf("%s: %+v", file, w)
			}
			ids[w.ID] = true
			for _, d := range w.Deviations {
				if d.Rule != "forever" {
					t.Errorf("%s: %+v", file, d)
				}
			}
		}
	}
}
