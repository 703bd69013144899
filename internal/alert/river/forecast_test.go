package river

import (
	"math"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/gauge"
	"trojmezi/internal/kernel/store"
)

// expect is a document with a forecast of Görlitz: levels by the hour from its issue on,
// those after a zero as estimates.
func expect(issued time.Time, levels ...float64) *gauge.Reading {
	f := gauge.Forecast{Issued: feed.Moment{At: issued}}
	estimate := false
	for i, v := range levels {
		if v == 0 {
			estimate = true
			continue
		}
		f.Levels = append(f.Levels, gauge.Expected{Measurement: gauge.Measurement{Value: v, At: feed.Moment{At: issued.Add(time.Duration(i+1) * time.Hour)}}, Estimate: estimate})
	}
	s := gauge.Station{Number: "660000", Lat: math.NaN(), Lon: math.NaN(), Foretold: true, Forecasts: []gauge.Forecast{f}}
	return &gauge.Reading{Stations: []gauge.Station{s}}
}

// hints are those that a reading led to, by the names of their limits.
func hints(t Taken) string {
	var all []string
	for _, h := range t.Hints {
		all = append(all, h.Name)
	}
	return strings.Join(all, ", ")
}

// A forecast is never an alarm, ends none, and stands in no series. That it reaches a
// limit is told once, by its own name, and again only when a later one reaches a higher
// one.
func TestForecastIsNotMeasured(t *testing.T) {
	r := newRig(t, start.Add(time.Hour))
	var handed []Hint
	r.o.Hint = func(tx *store.Tx, h Hint) error { tx.OnCommit(func() { handed = append(handed, h) }); return nil }
	link(r, "saxony/660000", "de-goerlitz")
	r.take(store.Live, "saxony", goerlitz(every(200, 201, 202)...))
	r.log()
	first := r.clk.Now()
	if n := r.take(store.Live, "saxony", expect(first, 300, 500, 400, 0, 900)); hints(n) != "Alarmstufe 3" || n.Forecasts != 1 || n.Values != 0 {
		t.Fatalf("%+v", n)
	}
	if h := handed[0]; len(handed) != 1 || h.Where != "Görlitz" || h.From != 480 || h.Value != 900 || !h.At.Equal(first.Add(2*time.Hour)) || h.Kind != store.Live {
		t.Fatalf("%+v", handed)
	}
	if n := r.take(store.Live, "saxony", expect(first, 300, 500, 400, 0, 900)); hints(n) != "" || n.Forecasts != 0 {
		t.Errorf("the same again: %+v", n)
	}
	r.clk.Advance(30 * time.Minute)
	if n := r.take(store.Live, "saxony", expect(r.clk.Now(), 310, 490, 380)); hints(n) != "" || n.Forecasts != 1 {
		t.Errorf("no higher limit: %+v", n)
	}
	r.clk.Advance(30 * time.Minute)
	if n := r.take(store.Live, "saxony", expect(r.clk.Now(), 320, 560, 380)); hints(n) != "Alarmstufe 4" {
		t.Errorf("a higher limit: %+v", n)
	}
	if told := r.log(); len(told) > 0 {
		t.Errorf("a forecast alarmed: %v", told)
	}
	d, err := r.Detail(t.Context(), store.Live, "de-goerlitz", 24*time.Hour)
	r.ok(err)
	if len(d.Series) != 3 || len(d.Open) != 0 || len(d.Alarms) != 0 || len(d.Hints) != 2 || d.Forecast == nil || len(d.Forecast.Levels) != 3 || d.Forecast.Stale {
		t.Errorf("%d values, %d open, %d hints, %+v", len(d.Series), len(d.Open), len(d.Hints), d.Forecast)
	}
	// Of another kind it is another matter.
	if d, err := r.Detail(t.Context(), store.Live, "de-goerlitz", time.Hour); err != nil || d.Kind != store.Live {
		t.Error(err)
	}
	if n := r.take(store.Exercise, "saxony", expect(r.clk.Now(), 900)); hints(n) != "" { // no limits of that kind are known
		t.Errorf("%+v", n)
	}
	if d, err = r.Detail(t.Context(), store.Live, "de-goerlitz", time.Hour); err != nil || d.Forecast.Levels[0].Value != 320 {
		t.Errorf("the exercise stands in the forecast: %+v %v", d.Forecast, err)
	}
	// What was measured is told as measured, whatever was forecast.
	r.take(store.Live, "saxony", goerlitz(Point{r.clk.Now().Add(-10 * time.Minute), 318}, Point{r.clk.Now(), 330}))
	if told := strings.Join(r.log(), "; "); !strings.Contains(told, "de-goerlitz up Alarmstufe 1") {
		t.Error(told)
	}
}

// A limit that is crossed already, an estimate alone and an old forecast give no hint;
// what cannot be a forecast is refused, and old issues go.
func TestForecastBounds(t *testing.T) {
	r := newRig(t, start.Add(time.Hour))
	link(r, "saxony/660000", "de-goerlitz")
	r.take(store.Live, "saxony", goerlitz(every(330, 331, 332)...))
	now := r.clk.Now()
	for name, c := range map[string]struct {
		doc      *gauge.Reading
		refused  int
		forecast int
	}{
		"crossed already": {expect(now, 340, 350), 0, 1},
		"an estimate":     {expect(now.Add(time.Minute), 340, 0, 900), 0, 1},
		"old":             {expect(now.Add(-25*time.Hour), 300, 999), 0, 1},
		"too old":         {expect(now.Add(-15*24*time.Hour), 999), 1, 0},
		"of next week":    {expect(now.Add(7*24*time.Hour), 999), 1, 0},
		"no number":       {expect(now.Add(2*time.Minute), 1e9), 1, 0},
	} {
		if n := r.take(store.Live, "saxony", c.doc); hints(n) != "" || n.Refused != c.refused || n.Forecasts != c.forecast {
			t.Errorf("%s: %+v", name, n)
		}
	}
	r.clk.Advance(20 * 24 * time.Hour)
	r.take(store.Live, "saxony", expect(r.clk.Now(), 300))
	r.ok(r.db.Read(t.Context(), func(tx *store.Tx) error {
		var issues, values int
		if err := tx.Row(`SELECT COUNT(*) FROM river_forecast`).Scan(&issues); err != nil {
			return err
		}
		err := tx.Row(`SELECT COUNT(*) FROM river_expected`).Scan(&values)
		if issues != 1 || values != 1 {
			t.Errorf("%d issues with %d values are kept", issues, values)
		}
		return err
	}))
}

// The page draws it as a line of its own, says whose it is, when it was issued and how old
// it is, and has it as a table and a file; a service that only says it has one is named.
func TestPagesForecast(t *testing.T) {
	r := newRig(t, start.Add(time.Hour))
	v := r.pages()
	link(r, "saxony/660000", "de-goerlitz")
	doc := goerlitz(every(200, 201, 202)...)
	doc.Stations[0].Foretold, doc.Stations[0].Trend = true, "steigend"
	r.take(store.Live, "saxony", doc)
	mustHave(t, v.get("hans", "/rivers/de-goerlitz"), "saxony gibt an, für diesen Pegel eine Vorhersage zu haben", "Tendenz in den Worten des Dienstes: steigend")
	r.take(store.Live, "saxony", expect(r.clk.Now(), 300, 500, 0, 410))
	page := v.get("petr", "/rivers/de-goerlitz")
	mustHave(t, page, "chart-line chart-line-2", "The dashed line is the forecast of saxony, not measured", "Highest: 500\u00a0cm", "Forecast as a table", "estimate", "Forecast reaches Alarmstufe 3 (480 cm)", "not yet seen live", "Forecast: up to 500\u00a0cm", "/rivers/de-goerlitz/forecast.csv")
	mustHave(t, page, "below all limits")
	for _, text := range []string{"Old forecast", "says that it has a forecast"} {
		if strings.Contains(page, text) {
			t.Errorf("a forecast counts as measured, is old, or is said to be elsewhere: %s", cut(page, text))
		}
	}
	mustHave(t, v.get("petr", "/rivers"), "Forecast: up to 500\u00a0cm")
	mustHave(t, v.get("petr", "/rivers/de-goerlitz/forecast.csv"), "de-goerlitz,live,saxony,2026-08-07T07:00:00Z,false,2026-08-07T09:00:00Z,500,cm,forecast,2026-08-07T07:00:00Z", ",410,cm,estimate,")
	if file := v.get("petr", "/rivers/de-goerlitz/values.csv"); strings.Contains(file, "500") {
		t.Error("the forecast stands among the values")
	}
	r.clk.Advance(30 * time.Hour)
	mustHave(t, v.get("jana", "/rivers/de-goerlitz"), "Stará předpověď (30\u00a0h)", "Pro dobu od teď nemá žádnou hodnotu")
	for _, who := range []string{"hans", "audit"} {
		v.get(who, "/rivers/de-goerlitz")
	}
}
