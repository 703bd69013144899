package register

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"trojmezi/internal/kernel/geo"
)

func loaded(t testing.TB) *Register {
	t.Helper()
	r, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCounts(t *testing.T) {
	r := loaded(t)
	count := map[Country]int{}
	districts := map[string]int{}
	for _, p := range r.Places() {
		if p.Kind != Municipality {
			continue
		}
		count[p.Country]++
		districts[p.DistrictCode]++
		if p.Status == "" || p.PointStatus == "" || p.PointSource == "" || p.PointError <= 0 || p.Code == "" {
			t.Errorf("%s has no marks: %+v", p.ID, p)
		}
	}
	if count[CZ] != 215 || count[DE] != 53 || count[PL] != 33 {
		t.Errorf("%v", count)
	}
	// The Liberec region's statistic.
	if districts["CZ0513"] != 59 || districts["CZ0511"] != 57 || districts["CZ0514"] != 64 || districts["CZ0512"] != 35 {
		t.Errorf("%v", districts)
	}
}

func TestSearch(t *testing.T) {
	r := loaded(t)
	for q, want := range map[string]string{
		"Zittau": "DE-14626610", "Žitava": "DE-14626610", "zitava": "DE-14626610", "Żytawa": "DE-14626610", "zytawa": "DE-14626610", "ŽITAVA": "DE-14626610", "Žitawa": "DE-14626610",
		"gorl": "DE-14626110", "Goerlitz": "DE-14626110", "zhořelec": "DE-14626110",
		"Zgorzelec":        "PL-0225021",
		"liberec":          "CZ-563889",
		"reichenberg":      "CZ-563889",
		"jablonec":         "CZ-563510",
		"nisou hradek":     "CZ-564095",
		"Hrádek-nad-Nisou": "CZ-564095",
		"ceska l":          "CZ-561380",
		"liberc":           "CZ-563889", // one letter missing
		"Zitttau":          "DE-14626610",
		"Ztitau":           "DE-14626610",
		"bela woda":        "DE-14626600",
		"0225021":          "PL-0225021",
		"Varnsdorf":        "GN-3063375",
		"Rumburg":          "GN-3066578",
		"Grossschönau":     "DE-14626140",
		"lwowek":           "PL-0212033",
	} {
		got := r.Search(q, 5)
		if len(got) == 0 || got[0].ID != want {
			var names []string
			for _, p := range got {
				names = append(names, p.ID+" "+p.Name)
			}
			t.Errorf("%q finds %v, want %s", q, names, want)
		}
	}
	for _, q := range []string{"", "  ", "qqqq", strings.Repeat("a", 500), "\xff\xff", "-"} {
		if got := r.Search(q, 5); len(got) != 0 {
			t.Errorf("%q finds %v", q, got)
		}
	}
	if got := r.Search("a", 3); len(got) != 3 {
		t.Errorf("limit: %d", len(got))
	}
	if got := r.Search("a", 0); got != nil {
		t.Errorf("no limit: %v", got)
	}
}

func TestSearchSaysWhatMatched(t *testing.T) {
	p := loaded(t).Search("zytawa", 1)[0]
	if p.Matched != "Żytawa" || p.Name != "Zittau" || p.Names["cs"] != "Žitava" {
		t.Errorf("%+v", p)
	}
	if name, local := p.In("cs"); name != "Žitava" || local != "Zittau" {
		t.Errorf("%q %q", name, local)
	}
	if name, local := p.In("de"); name != "Zittau" || local != "" {
		t.Errorf("%q %q", name, local)
	}
}

// Every place is found by each of its names, whatever is done to diacritics.
func TestEveryNameIsFound(t *testing.T) {
	r := loaded(t)
	for _, e := range r.names {
		if got := r.Search(e.name, 20); !slices.ContainsFunc(got, func(p Place) bool { return p.ID == r.places[e.place].ID }) {
			t.Errorf("%q does not find %s", e.name, r.places[e.place].ID)
		}
	}
	rapid.Check(t, func(t *rapid.T) { _ = r.Search(rapid.String().Draw(t, "q"), 3) }) // and nothing panics
}

func BenchmarkSearch(b *testing.B) {
	r := loaded(b)
	for _, q := range []string{"z", "zit", "Jablonec nad", "Zitttau"} {
		b.Run(q, func(b *testing.B) {
			for b.Loop() {
				r.Search(q, 10)
			}
		})
	}
}

func TestCountry(t *testing.T) {
	r := loaded(t)
	for _, c := range []struct {
		name       string
		lat, lon   float64
		country    Country
		confidence Confidence
		others     []Country
	}{
		{"Liberec", 50.7663, 15.0562, CZ, Sure, nil},
		{"Löbau", 51.0954, 14.6669, DE, Sure, nil},
		{"Jelenia Góra", 50.8997, 15.7290, PL, Sure, nil},
		{"Krásná Lípa in the hook of Šluknov", 50.9135, 14.5083, CZ, Sure, nil},
		{"Görlitz at the Neisse", 51.1560, 14.9880, DE, Unclear, []Country{PL}},
		{"Zgorzelec at the Neisse", 51.1500, 15.0090, PL, Unclear, []Country{DE}},
		{"Görlitz itself", 51.1552, 14.9885, DE, Sure, nil},
		{"Zittau itself, as written with four places", 50.8977, 14.8076, DE, Sure, nil},
		{"the tri-border", 50.8703, 14.8230, "", Unclear, nil},
		{"Prague", 50.0875, 14.4213, "", Outside, nil},
		{"nowhere", math.NaN(), 14, "", Outside, nil},
		{"beyond the pole", 91, 14, "", Outside, nil},
	} {
		l := r.Country(geo.Point{Lat: c.lat, Lon: c.lon})
		if c.country != "" && l.Country != c.country || l.Confidence != c.confidence || c.others != nil && !slices.Equal(l.Others, c.others) {
			t.Errorf("%s: %+v", c.name, l)
		}
		if l.Confidence == Unclear && !l.Approximate {
			t.Errorf("%s is not labelled approximate", c.name)
		}
	}
	if l := r.Country(geo.Point{Lat: 50.8703, Lon: 14.8230}); len(l.Others) != 2 {
		t.Errorf("at the tri-border: %+v", l)
	}
}

// No place that we know lies on the wrong side for certain.
func TestCountryOfPlaces(t *testing.T) {
	r := loaded(t)
	for _, p := range r.Places() {
		l := r.Country(p.Point)
		if l.Country != p.Country || l.Confidence != Sure {
			t.Errorf("%s %s (%s) is said to lie in %+v", p.ID, p.Name, p.Country, l)
		}
	}
}

// Any point has an answer; a sure one agrees with the nearest place unless that
// lies across the border.
func TestCountryProperty(t *testing.T) {
	r := loaded(t)
	rapid.Check(t, func(t *rapid.T) {
		p := geo.Point{Lat: rapid.Float64Range(50.35, 51.7).Draw(t, "lat"), Lon: rapid.Float64Range(14.0, 16.15).Draw(t, "lon")}
		l := r.Country(p)
		if _, own := r.pointOf(p); own {
			return
		}
		if l.Confidence == Outside || l.Country == "" || l.Border < 0 || (l.Confidence == Unclear) != (l.Border < l.Error) || (l.Confidence == Unclear) != (len(l.Others) > 0) {
			t.Fatalf("%v: %+v", p, l)
		}
		n, ok := r.NearestPlace(p)
		if !ok || l.Confidence == Sure && n.Country != l.Country {
			t.Fatalf("%v: %+v in %+v", p, n, l)
		}
	})
}

func TestNearest(t *testing.T) {
	r := loaded(t)
	n, ok := r.Nearest(geo.Point{Lat: 50.90, Lon: 14.81})
	if !ok || n.Name != "Zittau" || n.Distance > 500 || n.Bearing < 0 || n.Bearing >= 360 {
		t.Errorf("%+v", n)
	}
	if _, ok := r.Nearest(geo.Point{Lat: 48, Lon: 16}); ok {
		t.Error("Vienna is near nothing")
	}
	if p, ok := r.Place("PL-0261011"); !ok || p.Name != "Jelenia Góra" {
		t.Errorf("%+v", p)
	}
	if _, ok := r.Place("PL-0"); ok {
		t.Error("there is no PL-0")
	}
}

// Derived lines: there are some of each kind, they stay in the window, and no
// point of a register's municipality lies on one.
func TestShapes(t *testing.T) {
	r := loaded(t)
	for _, l := range []level{levelDistrict, levelORP, levelMunicipality} {
		if len(r.linesOf(l)) < 10 {
			t.Errorf("%s: %d lines", l, len(r.linesOf(l)))
		}
		for _, line := range r.linesOf(l) {
			for _, p := range line {
				if !window.contains(rounded(p)) {
					t.Errorf("%s leaves the region at %v", l, p)
				}
			}
		}
	}
	for _, p := range r.Places() {
		if p.Kind != Municipality {
			continue
		}
		for _, line := range r.linesOf(levelDistrict) {
			if d := toLine(p.Point, line); d < 50 {
				t.Errorf("%s lies on a line of a district", p.Name)
			}
		}
	}
}
