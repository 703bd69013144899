package register

import (
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// drawn renders a map within a request, in German.
func drawn(t *testing.T, v View, o *Options, marks ...Mark) string {
	t.Helper()
	texts, err := i18n.Load(web.Locales, ui.Locales, geo.Locales, Locales)
	if err != nil {
		t.Fatal(err)
	}
	r := loaded(t)
	rt := web.NewRouter(web.Config{Bundle: texts, Log: slog.New(slog.DiscardHandler), Clock: clock.Fake(start)})
	rt.Page("GET /x", web.Public(), func(w http.ResponseWriter, q *http.Request) error {
		if o != nil {
			return r.Map(v, *o, marks...).Render(q.Context(), w)
		}
		return r.SVG(v, marks...).Render(q.Context(), w)
	})
	w := httptest.NewRecorder()
	rt.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/x?lang=de", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// wellFormed reads the drawing as XML, which SVG is.
func wellFormed(t *testing.T, s string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(s))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v in %.300s", err, s)
		}
	}
}

func TestSVG(t *testing.T) {
	at := geo.Point{Lat: 50.8977, Lon: 14.8076}
	for name, c := range map[string]struct {
		v     View
		marks []Mark
		want  []string
		not   []string
	}{
		"whole region": {View{}, nil, []string{`viewBox="0 0 960 720"`, "Görlitz", "Liberec / Reichenberg", "Näherungen", "GeoNames", "20 km", `class="map-arrow"`}, []string{"map-municipality", "NaN", "Stand"}},
		"a piece": {View{Centre: at, Metres: 40_000, Width: 528, Height: 452, Time: start, Title: "Karte <1>"},
			[]Mark{{Point: at, Level: "l3", Label: "Brand & Rauch", URL: "/incidents/1"}, {Point: geo.Point{Lat: 50.95, Lon: 14.9}, Label: "Treffpunkt"}},
			[]string{`aria-label="Karte &lt;1&gt;"`, "Brand &amp; Rauch", `href="/incidents/1"`, "symbol-l3", "map-pin", "map-municipality", "Stand 25.11.2026", "10 km"}, []string{"NaN"}},
		"hostile": {View{Centre: at, Metres: 10_000}, []Mark{{Point: at, Level: `l9" onload="x`, Label: `"><script>`, URL: "javascript:alert(1)"}},
			[]string{"&#34;&gt;&lt;script&gt;"}, []string{"javascript:", "<script", "onload"}},
		"nowhere":        {View{Centre: geo.Point{Lat: 95, Lon: 400}, Metres: -5, Width: -1}, []Mark{{Point: geo.Point{Lat: 91}}}, []string{`viewBox="0 0 960 720"`}, []string{"NaN", "Inf"}},
		"another region": {View{Centre: geo.Point{Lat: 10, Lon: 10}, Metres: 1000}, nil, []string{"1 km"}, []string{"NaN"}},
	} {
		s := drawn(t, c.v, nil, c.marks...)
		wellFormed(t, s)
		for _, w := range c.want {
			if !strings.Contains(s, w) {
				t.Errorf("%s: no %q", name, w)
			}
		}
		for _, w := range c.not {
			if strings.Contains(s, w) {
				t.Errorf("%s: has %q", name, w)
			}
		}
		if strings.Contains(s, "style=") || regexp.MustCompile(`#[0-9a-f]{6}`).MatchString(s) {
			t.Errorf("%s: colours of its own", name)
		}
	}
}

// Names do not cover each other or a mark, and there are not too many.
func TestLabelsKeepApart(t *testing.T) {
	r := loaded(t)
	for _, metres := range []float64{0, 90_000, 30_000, 5_000} {
		p := newPlan(View{Centre: geo.Point{Lat: 50.9, Lon: 14.85}, Metres: metres})
		mark := room(400, 300, 40, 40)
		names, dots := p.labels(r.rank, i18n.Cs, []label{mark})
		if metres != 5_000 && len(names) == 0 || len(names) > maxLabels || len(dots) != len(names) {
			t.Errorf("%v m: %d names, %d dots", metres, len(names), len(dots))
		}
		for i, a := range names {
			if a.meets(mark) {
				t.Errorf("%v m: %q covers the mark", metres, a.text)
			}
			if k := slices.IndexFunc(names[i+1:], a.meets); k >= 0 {
				t.Errorf("%v m: %q covers %q", metres, a.text, names[i+1+k].text)
			}
		}
	}
}

// The element holds the drawing, the marks as a list, and what its script needs.
func TestMapElement(t *testing.T) {
	s := drawn(t, View{Time: time.Time{}}, &Options{Pick: true, LatField: "lat", LonField: "lon"}, Mark{Point: geo.Point{Lat: 50.9, Lon: 14.8}, Level: "l2", Label: "Hier", URL: "/x"})
	for _, w := range []string{"<tm-map", `<svg class="map-svg"`, `data-base="/map/base.json"`, `data-pick="Kartenmitte wählen"`, `data-lat-field="lat"`, `<ul class="map-points hidden">`, `data-lat="50.900000"`, `href="/x"`, `role="status"`} {
		if !strings.Contains(s, w) {
			t.Errorf("no %q", w)
		}
	}
	// Without the browser build nothing is to be loaded: the drawing stays.
	if strings.Contains(s, "data-library") || strings.Contains(s, "data-tiles") {
		t.Error("it names files that are not there")
	}
	if s = drawn(t, View{}, &Options{}); strings.Contains(s, "data-pick") || strings.Contains(s, "map-points") {
		t.Error("a map to look at lets people pick")
	}
}

func BenchmarkSVG(b *testing.B) {
	r := loaded(b)
	p := newPlan(View{})
	_ = r.shapes()
	for b.Loop() {
		for _, l := range []level{levelDistrict, levelORP, levelMunicipality} {
			_ = p.path(r.linesOf(l), false)
		}
		p.labels(r.rank, i18n.Cs, nil)
	}
}
