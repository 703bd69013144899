package register

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

var start = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// site serves the pages to a dispatcher, or to a stranger without the cookie "in".
func site(t *testing.T, r *Register, files Blobs) *httptest.Server {
	t.Helper()
	return serve(t, NewPages(r, files))
}

func serve(t *testing.T, p *Pages) *httptest.Server {
	t.Helper()
	texts, err := i18n.Load(web.Locales, ui.Locales, geo.Locales, Locales)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := access.Load(map[string][]byte{"register/policy.cedar": Policy()})
	if err != nil {
		t.Fatal(err)
	}
	rt := web.NewRouter(web.Config{Bundle: texts, Log: slog.New(slog.DiscardHandler), Clock: clock.Fake(start), Policy: rules, Nav: Nav(),
		Authenticate: func(q *http.Request) (*web.Person, error) {
			if _, err := q.Cookie("in"); err != nil {
				return nil, nil
			}
			return &web.Person{ID: "p", Name: "Jana", Organisation: "o", Roles: []string{"dispatcher"}}, nil
		}})
	p.Register(rt)
	s := httptest.NewServer(rt)
	t.Cleanup(s.Close)
	t.Cleanup(func() {
		if n := texts.Missing(); n > 0 {
			t.Errorf("%d texts are missing", n)
		}
	})
	return s
}

func get(t *testing.T, s *httptest.Server, path string, header ...string) (int, http.Header, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Cookie", "in=1")
	q.Header.Set("Accept", "text/html")
	for i := 0; i+1 < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultTransport.RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(body)
}

func TestStrangersSeeNoMap(t *testing.T) {
	s := site(t, loaded(t), nil)
	for _, path := range []string{Path, basePath, findPath + "?q=a", pointPath + "?lat=50&lon=14", tilesPath} {
		if status, _, _ := get(t, s, path, "Cookie", "other=1"); status != http.StatusSeeOther {
			t.Errorf("%s answers a stranger with %d", path, status)
		}
	}
}

func TestBaseMap(t *testing.T) {
	s := site(t, loaded(t), nil)
	status, header, body := get(t, s, basePath, "Accept-Encoding", "identity")
	if status != 200 || header.Get("Content-Type") != "application/geo+json" {
		t.Fatalf("%d %v", status, header)
	}
	var doc struct {
		Type     string
		Features []struct {
			Properties properties
			Geometry   struct {
				Type        string
				Coordinates json.RawMessage
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, f := range doc.Features {
		count[f.Properties.Kind]++
		if f.Properties.Kind != "place" && !f.Properties.Approximate {
			t.Errorf("%s is not labelled approximate", f.Properties.Kind)
		}
		if len(f.Geometry.Coordinates) < 5 {
			t.Errorf("%s has no geometry", f.Properties.Kind)
		}
	}
	if count["country"] != 3 || count["border"] != 1 || count["district"] != 1 || count["place"] != len(loaded(t).Places()) || count["river"] < 8 {
		t.Errorf("%v", count)
	}
	status, header, packed := get(t, s, basePath, "Accept-Encoding", "gzip")
	if status != 200 || header.Get("Content-Encoding") != "gzip" || len(packed) > 60_000 {
		t.Errorf("%d, %d bytes", status, len(packed))
	}
	if status, _, _ := get(t, s, basePath, "Accept-Encoding", "gzip", "If-None-Match", header.Get("ETag")); status != http.StatusNotModified {
		t.Errorf("known map is sent again: %d", status)
	}
}

// What another package answers for a point stands beside the map, and is a link where
// scripts do not run.
func TestAsk(t *testing.T) {
	rt := loaded(t)
	plain, _ := mapPage(t, rt, nil)
	if strings.Contains(plain, "map-answer") || strings.Contains(plain, "data-ask") {
		t.Error("a map without a question asks")
	}
	asks, point := mapPage(t, rt, func(context.Context) *Ask { return &Ask{Title: "May we?", Part: "/part", Page: "/whole"} })
	for _, want := range []string{`data-ask="/part"`, `class="map map-asks"`, `aria-label="May we?"`, "May we? Click the map"} {
		if !strings.Contains(asks, want) {
			t.Errorf("the map lacks %s", want)
		}
	}
	if want := `<a href="/whole?at=50.852800%2C+14.844600#answer">May we?</a>`; !strings.Contains(point, want) {
		t.Errorf("the point lacks %s", want)
	}
}

// mapPage is the page of the map, and the same with a point.
func mapPage(t *testing.T, r *Register, ask func(context.Context) *Ask) (page, point string) {
	t.Helper()
	p := NewPages(r, nil)
	p.Ask = ask
	s := serve(t, p)
	_, _, page = get(t, s, Path+"?lang=en")
	_, _, point = get(t, s, Path+"?lang=en&lat=50.8528&lon=14.8446")
	return page, point
}

func TestPoint(t *testing.T) {
	s := site(t, loaded(t), nil)
	for lang, want := range map[string]string{
		"cs": "Bod leží v\u00a0zemi: Česko. Podle přibližné hranice (2\u202f000\u00a0m).",
		"de": "Der Punkt liegt in: Tschechien. Nach einer angenäherten Grenze (2\u202f000\u00a0m).",
		"pl": "Punkt leży w\u00a0kraju: Czechy. Według granicy przybliżonej (2\u202f000\u00a0m).",
		"en": "The point lies in: Czechia. By an approximate border (2\u202f000\u00a0m).",
	} {
		_, _, body := get(t, s, pointPath+"?lat=50.7663&lon=15.0562&lang="+lang, "Accept", "application/json")
		var w Where
		if err := json.Unmarshal([]byte(body), &w); err != nil {
			t.Fatal(err)
		}
		if w.Text != want || w.Country != CZ || w.Confidence != Sure || !strings.Contains(w.Near, "Liberec") || w.Written != map[bool]string{true: "50.7663° N, 15.0562° E", false: "50,7663° N · 15,0562° E"}[lang == "en"] {
			t.Errorf("%s: %+v", lang, w)
		}
	}
	for _, q := range []string{"", "?lat=x&lon=14", "?lat=91&lon=14", "?lat=NaN&lon=14", "?lat=50&lon=181", "?lat=50&lon=Inf"} {
		if status, _, _ := get(t, s, pointPath+q, "Accept", "application/json"); status != http.StatusBadRequest && status != http.StatusUnprocessableEntity {
			t.Errorf("%q answers %d", q, status)
		}
	}
	_, _, body := get(t, s, pointPath+"?lat=48&lon=2&lang=de", "Accept", "application/json")
	if !strings.Contains(body, "außerhalb der Region") || strings.Contains(body, `"country":"C`) {
		t.Error(body)
	}
}

func TestFind(t *testing.T) {
	s := site(t, loaded(t), nil)
	for q, want := range map[string]string{
		"zytawa":              "Zittau / Žitava",
		"50.8977+N+14.8076+E": "50,8977° N · 14,8076° E",
		"33U+VS+86470+38466":  "50,8977° N · 14,8076° E",
		"-703588+-957363":     "50,8977° N · 14,8076° E",
		"I/35+km+12,4":        "I/35 km 12,4",
		"563889":              "Liberec",
	} {
		_, _, body := get(t, s, findPath+"?lang=cs&q="+q, "Accept", "application/json")
		var all []Found
		if err := json.Unmarshal([]byte(body), &all); err != nil || len(all) == 0 || all[0].Text != want || all[0].Detail == "" {
			t.Errorf("%q: %v %s", q, err, body)
		}
	}
	if _, _, body := get(t, s, findPath+"?q=Nikde", "Accept", "application/json"); body != "[]" {
		t.Error(body)
	}
}

// The page is complete without scripts: search, answer, drawing, its note.
func TestPage(t *testing.T) {
	s := site(t, loaded(t), nil)
	for path, want := range map[string][]string{
		Path + "?lang=cs":                             {"Mapa regionu", `<svg class="map-svg"`, "Hranice a\u00a0řeky jsou přibližné", "GeoNames", `data-base="/map/base.json"`},
		Path + "?lang=de&q=zitava":                    {"Zittau", "Gewählter Punkt", "50,8977° N · 14,8076° E", `class="map-pin"`},
		Path + "?lang=pl&q=Nikde":                     {"Niczego nie znaleziono"},
		Path + "?lang=en&q=95+N+14+E":                 {"Latitude must be at most"},
		Path + "?lang=cs&lat=50.7663&lon=15.0562":     {"Bod leží v\u00a0zemi: Česko", "Liberec"},
		Path + "?q=%3Cscript%3Ealert(1)%3C/script%3E": {"&lt;script&gt;"},
	} {
		status, _, body := get(t, s, path)
		if status != 200 {
			t.Errorf("%s answers %d", path, status)
		}
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%s does not say %q", path, w)
			}
		}
		if strings.Contains(body, "<script>") || strings.Contains(body, " style=") {
			t.Errorf("%s has something inline", path)
		}
	}
	if status, _, _ := get(t, s, Path+"?lat=x&lon=y"); status == 200 {
		t.Error("no point is a point")
	}
	if status, _, _ := get(t, s, tilesPath); status != http.StatusNotFound {
		t.Errorf("tiles without an import: %d", status)
	}
}
