package feeds

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 8, 7, 6, 0, 0, 0, time.UTC)

func serve(t *testing.T, at time.Duration) (*Feeds, *httptest.Server) {
	t.Helper()
	f := New(Shipped(), start, func() time.Time { return start.Add(at) })
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return f, s
}

func get(t *testing.T, address, etag string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a, string(body)
}

// TestPaths: every feed answers at its real path, says that it is simulated, is well
// formed, and has nothing new when nothing has happened.
func TestPaths(t *testing.T) {
	f, s := serve(t, 90*time.Minute)
	for feed, path := range Paths() {
		a, body := get(t, s.URL+path, "")
		if a.StatusCode != http.StatusOK || a.Header.Get(Header) != "Exercise" || a.Header.Get("ETag") == "" {
			t.Errorf("%s: %d %v", feed, a.StatusCode, a.Header)
		}
		switch {
		case strings.HasPrefix(body, "<?xml"):
			if err := xml.Unmarshal([]byte(body), new(struct{})); err != nil {
				t.Errorf("%s: %v", feed, err)
			}
		case strings.HasPrefix(body, "PK"):
		default:
			if !json.Valid([]byte(body)) {
				t.Errorf("%s: %.100s", feed, body)
			}
		}
		if again, _ := get(t, s.URL+path, a.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s: %d", feed, again.StatusCode)
		}
		if f.Asked()[feed] != 2 {
			t.Errorf("%s: asked %d times", feed, f.Asked()[feed])
		}
	}
	if a, body := get(t, s.URL+"/webservices/rest-api/v2/stations/501010/WV/measurements.json", ""); a.StatusCode != http.StatusOK || strings.Count(body, `"type":"forecast"`) != 36 || strings.Count(body, `"type":"estimate"`) != 36 {
		t.Errorf("a forecast: %d %.300s", a.StatusCode, body)
	}
	for _, path := range []string{"/webservices/rest-api/v2/stations/501060/WV/measurements.json", "/", "/api31/nobody/mapData.json", "/hydrology/now/data/0-203-1-1.json", "/komunikatyxml/x/y/z", "/feeds/meteoalarm-legacy-atom-france"} {
		if a, _ := get(t, s.URL+path, ""); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
}

// TestTime: warnings come and go, and levels follow their curves.
func TestTime(t *testing.T) {
	for at, want := range map[time.Duration]int{-2 * time.Hour: 0, 90 * time.Minute: 1, 13 * time.Hour: 0} {
		_, s := serve(t, at)
		_, body := get(t, s.URL+Paths()["imgw-meteo"], "")
		var list []map[string]any
		if err := json.Unmarshal([]byte(body), &list); err != nil || len(list) != want {
			t.Errorf("%v: %d warnings, %v", at, len(list), err)
		}
	}
	g := Gauge{Curve: [][2]float64{{0, 100}, {60, 220}}, Limits: []float64{0, 150, 200}, Silent: []int{30, 40}}
	for minute, want := range map[int]float64{-5: 100, 0: 100, 15: 130, 60: 220, 600: 220} {
		if cm, ok := g.level(start, start.Add(time.Duration(minute)*time.Minute)); !ok || cm != want {
			t.Errorf("minute %d: %v %v", minute, cm, ok)
		}
	}
	if _, ok := g.level(start, start.Add(30*time.Minute)); ok || g.stage(149) != 0 || g.stage(151) != 2 || g.stage(300) != 3 {
		t.Error("a silent gauge speaks, or a stage is wrong")
	}
	clock := Times(start, 3600)
	time.Sleep(20 * time.Millisecond)
	if d := clock().Sub(start); d < 72*time.Second {
		t.Errorf("%v", d)
	}
}

// TestScenario: what is wrong with one is said; a fault of its own holds for its time.
func TestScenario(t *testing.T) {
	for _, text := range []string{
		``, `{"warnings":[{"id":"a"}]}`, `{"strange":1}`, `{"gauges":[{"feed":"imgw","curve":[]}]}`, `{"gauges":[{"feed":"x","curve":[[0,1]]}]}`,
		`{"gauges":[{"feed":"imgw","curve":[[5,1],[0,1]]}]}`, `{"faults":[{"feed":"chmi","kind":"bored"}]}`, `{"faults":[{"feed":"x","kind":"500"}]}`, `{"status":"Live"}`,
		`{"warnings":[{"id":"a","from":5,"to":1,"severity":"Minor","texts":{"de":{}}}]}`, `{"warnings":[{"id":"a","to":1,"severity":"Bad","texts":{"de":{}}}]}`,
	} {
		if s, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s: %+v", text, s)
		}
	}
	s, err := Parse([]byte(`{"title":"x","faults":[{"feed":"chmi","from":10,"to":20,"kind":"500"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for minute, want := range map[int]int{5: 200, 15: 500, 25: 200} {
		f := New(s, start, func() time.Time { return start.Add(time.Duration(minute) * time.Minute) })
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, Paths()["chmi"], nil))
		if w.Code != want {
			t.Errorf("minute %d: %d", minute, w.Code)
		}
	}
	f := New(s, start, time.Now)
	if f.Set("chmi", "bored") == nil || f.Set("x", "500") == nil || f.Set("chmi", "") != nil {
		t.Error("any fault is taken")
	}
}
