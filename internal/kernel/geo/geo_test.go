package geo

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

// zittau is the town hall as the tables below write it.
var zittau = Point{50.8977, 14.8076}

func TestParsePoints(t *testing.T) {
	s, w := krovak.forward(wgs84ToBessel(zittau))
	if math.Round(s) != 957363 && math.Abs(s-957363) > 1.5 || math.Abs(w-703588) > 1.5 {
		t.Fatalf("the control point moved: %f %f", s, w)
	}
	for _, c := range []struct {
		text      string
		notation  Notation
		tolerance float64 // metres
		note      string
	}{
		// decimal degrees
		{"50.8977 14.8076", Decimal, 1, "geo.note.order"},
		{"50.8977, 14.8076", Decimal, 1, "geo.note.order"},
		{"50,8977 14,8076", Decimal, 1, "geo.note.order"},
		{"50,8977; 14,8076", Decimal, 1, "geo.note.order"},
		{"14.8076, 50.8977", Decimal, 1, "geo.note.swapped"},
		{"50.8977N 14.8076E", Decimal, 1, ""},
		{"50.8977° N, 14.8076° E", Decimal, 1, ""},
		{"N50.8977 E14.8076", Decimal, 1, ""},
		{"E 14,8076 N 50,8977", Decimal, 1, ""},
		{"GPS: 50.8977, 14.8076", Decimal, 1, "geo.note.order"},
		{"lat 50.8977 lon 14.8076", Decimal, 1, ""},
		{"lon=14.8076 lat=50.8977", Decimal, 1, ""},
		{"50,8977 s. š. 14,8076 v. d.", Decimal, 1, ""},
		{"50,8977° severní šířky, 14,8076° východní délky", Decimal, 1, ""},
		{"50,8977° n. Br. 14,8076° ö. L.", Decimal, 1, ""},
		{"50,8977° nördlicher Breite, 14,8076° östlicher Länge", Decimal, 1, ""},
		{"50,8977° szer. płn., 14,8076° dł. wsch.", Decimal, 1, ""},
		// degrees and minutes
		{"50° 53.862' N 14° 48.456' E", Minutes, 2, ""},
		{"N 50° 53,862′ E 14° 48,456′", Minutes, 2, ""},
		{"50 53.862 14 48.456", Minutes, 2, "geo.note.order"},
		{"50 stupňů 53,862 minut severně, 14 stupňů 48,456 minut východně", Minutes, 2, ""},
		{"50 Grad 53,862 Minuten Nord 14 Grad 48,456 Minuten Ost", Minutes, 2, ""},
		{"50 stopni 53,862 minuty północ 14 stopni 48,456 minuty wschód", Minutes, 2, ""},
		// degrees, minutes and seconds
		{"50°53'51.7\"N 14°48'27.4\"E", Seconds, 5, ""},
		{"50° 53′ 51,7″ s. š., 14° 48′ 27,4″ v. d.", Seconds, 5, ""},
		{"50 53 51.7 14 48 27.4", Seconds, 5, "geo.note.order"},
		{"N50 53 51.7, E14 48 27.4", Seconds, 5, ""},
		{"50°53´51,7´´ N 14°48´27,4´´ O", Seconds, 5, ""},
		// S-JTSK: both signs, both orders, with and without a name
		{"-703588 -957363", Krovak, 2, ""},
		{"-957363 -703588", Krovak, 2, ""},
		{"703588 957363", KrovakOld, 2, ""},
		{"957363 703588", KrovakOld, 2, ""},
		{"X=957363 Y=703588", KrovakOld, 2, ""},
		{"Y=703588.3, X=957363.2", KrovakOld, 2, ""},
		{"S-JTSK -703588,28 -957363,23", Krovak, 2, ""},
		{"EPSG:5514 -703588.28, -957363.23", Krovak, 2, ""},
		{"S-JTSK Y 703 588 X 957 363", KrovakOld, 2, ""},
		// UTM and its letters
		{"33U 486470 5638466", UTM, 2, ""},
		{"33 U 486470 5638466", UTM, 2, ""},
		{"33N 486470 5638466", UTM, 2, ""},
		{"zone 33 486470 5638466", UTM, 2, ""},
		{"UTM 33U E 486470 N 5638466", UTM, 2, ""},
		{"33U VS 86470 38466", MGRS, 2, ""},
		{"33UVS8647038466", MGRS, 2, ""},
		{"UTMREF 33U VS 8647 3846", MGRS, 12, ""},
		{"VS 8647 3846", MGRS, 12, "geo.note.square"},
		// PL-1992
		{"PL-1992 N 345130 E 205317", PL1992, 2, ""},
		{"EPSG:2180 E 205317 N 345130", PL1992, 2, ""},
	} {
		all, err := Parse(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		got := all[0]
		if got.Notation != c.notation || got.Note != c.note {
			t.Errorf("%q is %s %q, want %s %q", c.text, got.Notation, got.Note, c.notation, c.note)
		}
		if d := Distance(got.Point, zittau); d > c.tolerance {
			t.Errorf("%q lies %.1f m away (%v)", c.text, d, got.Point)
		}
	}
}

// Two numbers without a name may be a place of two grids: the person chooses.
func TestParseAsksWhenUnsure(t *testing.T) {
	all, err := Parse("345130 205317")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, c := range all {
		found = found || c.Notation == PL1992 && Distance(c.Point, zittau) < 2
	}
	if !found || len(all) < 2 {
		t.Errorf("%v", all)
	}
	if all, err = Parse("14.8, 50.9"); err != nil || len(all) != 1 {
		t.Errorf("nobody means a place off Somalia: %v %v", all, err)
	}
}

func TestParseRoads(t *testing.T) {
	for text, want := range map[string]string{
		"I/35 km 12,4":                "I/35 km 12,4",
		"i/35 km 12.4":                "I/35 km 12,4",
		"D10 73,5 km":                 "D10 km 73,5",
		"D10 km 73,5 směr Praha":      "D10 km 73,5 směr Praha",
		"A4 km 86,2 Richtung Görlitz": "A4 km 86,2 Richtung Görlitz",
		"B 178 km 3":                  "B178 km 3",
		"BAB 4 km 86.2":               "BAB4 km 86,2",
		"S 148":                       "S148",
		"DW 352 km 14+200":            "DW352 km 14+200",
		"DK 30, km 5,5":               "DK30 km 5,5",
		"II/592 km 3,1":               "II/592 km 3,1",
		"III/2711":                    "III/2711",
		"E65 kilometr 12":             "E65 km 12",
	} {
		all, err := Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if len(all) != 1 || all[0].Notation != Road || all[0].Text != want || all[0].IsPoint() {
			t.Errorf("%q is %+v, want the road %q", text, all, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, key := range map[string]string{
		"":                        "geo.error.empty",
		"   ":                     "geo.error.empty",
		strings.Repeat("5", 201):  "geo.error.too_long",
		"Žitava":                  "geo.error.unknown",
		"\xff\xfe":                "geo.error.unknown",
		"50.8977":                 "geo.error.one_number",
		"95.1 N 14.8 E":           "geo.error.latitude",
		"50.8 N 194.8 E":          "geo.error.longitude",
		"50 61.2 N 14 48.1 E":     "geo.error.minutes",
		"50 53 60.5 N 14 48 1 E":  "geo.error.seconds",
		"61U 486470 5638466":      "geo.error.zone",
		"33U VS 864 3846":         "geo.error.square",
		"3000000 9000001 ":        "geo.error.outside",
		"S-JTSK -100 -200":        "geo.error.outside",
		"50.8 N 14.8 N":           "geo.error.unknown",
		"-50.8 N 14.8 E":          "geo.error.unknown",
		"Hauptstraße 12, Bautzen": "geo.error.unknown",
	} {
		all, err := Parse(text)
		p, ok := errors.AsType[*problem.Error](err)
		if !ok || p.Key != key || p.Kind != problem.Invalid {
			t.Errorf("%q: %v %v, want %s", text, all, err, key)
		}
	}
}

func TestFormat(t *testing.T) {
	for n, want := range map[Notation]string{
		Decimal:   "50.8977° N, 14.8076° E",
		Minutes:   "50° 53.862′ N 14° 48.456′ E",
		Seconds:   "50° 53′ 51.7″ N 14° 48′ 27.4″ E",
		UTM:       "33U 486470 5638466",
		MGRS:      "33U VS 86469 38466",
		PL1992:    "E 205317 N 345130",
		Road:      "",
		"unknown": "",
	} {
		if got := Format(zittau, n); got != want {
			t.Errorf("%s: %q, want %q", n, got, want)
		}
	}
	for _, p := range []Point{{math.NaN(), 0}, {91, 0}, {0, 181}, {0, math.Inf(1)}} {
		for _, n := range Notations {
			if got := Format(p, n); got != "" {
				t.Errorf("%v in %s is %q", p, n, got)
			}
		}
	}
	if got := Format(Point{0, 0}, Krovak); got != "" {
		t.Errorf("Krovak off Africa: %q", got)
	}
	if got := Format(Point{50.99999, 14.99999}, Minutes); got != "50° 59.999′ N 14° 59.999′ E" {
		t.Errorf("rounding: %q", got)
	}
	if got := Format(Point{50.9999999, -14.9999999}, Seconds); got != "51° 00′ 00.0″ N 15° 00′ 00.0″ W" {
		t.Errorf("rounding up: %q", got)
	}
}

// There and back through each grid: half a metre at most.
func TestGridsThereAndBack(t *testing.T) {
	const limit = 0.5
	rapid.Check(t, func(t *rapid.T) {
		p := Point{rapid.Float64Range(50.2, 51.8).Draw(t, "lat"), rapid.Float64Range(14.0, 16.5).Draw(t, "lon")}
		check := func(name string, back Point) {
			if d := Distance(p, back); !(d <= limit) {
				t.Fatalf("%s: %v comes back as %v, %.3f m away", name, p, back, d)
			}
		}
		s, w := krovak.forward(wgs84ToBessel(p))
		check("S-JTSK", besselToWGS84(krovak.inverse(s, w)))
		e, n := cs92.forward(p)
		check("PL-1992", cs92.inverse(e, n))
		z, _ := zoneOf(p)
		e, n = utmZone(z, false).forward(p)
		check("UTM", utmZone(z, false).inverse(e, n))
	})
}

// What Format writes, Parse reads as the same place, as exactly as it was written.
func TestFormatThenParse(t *testing.T) {
	limits := map[Notation]float64{Decimal: 8, Minutes: 1.5, Seconds: 2.5, Krovak: 1.5, KrovakOld: 1.5, UTM: 1, MGRS: 1, PL1992: 1}
	rapid.Check(t, func(t *rapid.T) {
		p := Point{rapid.Float64Range(50.2, 51.8).Draw(t, "lat"), rapid.Float64Range(14.0, 16.5).Draw(t, "lon")}
		for _, n := range Notations {
			text := Format(p, n)
			if text == "" {
				if n == Krovak || n == KrovakOld {
					continue // north of the grid
				}
				t.Fatalf("%v has no %s", p, n)
			}
			all, err := Parse(text)
			if err != nil {
				t.Fatalf("%s %q: %v", n, text, err)
			}
			best := math.Inf(1)
			for _, c := range all {
				if c.Notation == n {
					best = min(best, Distance(c.Point, p))
				}
			}
			if !(best <= limits[n]) {
				t.Fatalf("%s %q of %v comes back %.2f m away: %+v", n, text, p, best, all)
			}
		}
	})
}

// What is shown can be pasted back, in every language.
func TestWriteThenParse(t *testing.T) {
	for _, l := range []i18n.Lang{i18n.Cs, i18n.De, i18n.Pl, i18n.En} {
		for _, n := range Notations {
			text := Write(l, zittau, n)
			all, err := Parse(text)
			if err != nil || all[0].Notation != n && all[0].Notation != KrovakOld || Distance(all[0].Point, zittau) > 5 {
				t.Errorf("%s %s %q: %v %v", l, n, text, all, err)
			}
		}
	}
	if got := Write(i18n.De, zittau, Decimal); got != "50,8977° N · 14,8076° E" {
		t.Error(got)
	}
	if got := Write(i18n.Cs, zittau, UTM); got != "33U 486470 5638466" {
		t.Error(got)
	}
}

// Whatever the numbers are, nothing panics and lengths and directions are sound.
func TestAnyNumbers(t *testing.T) {
	odd := rapid.OneOf(rapid.Float64(), rapid.Float64Range(-180, 180), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, 90, -90, 180, -180, 84, -80}))
	rapid.Check(t, func(t *rapid.T) {
		p, q := Point{odd.Draw(t, "lat"), odd.Draw(t, "lon")}, Point{odd.Draw(t, "lat2"), odd.Draw(t, "lon2")}
		for _, n := range Notations {
			text := Write(i18n.Pl, p, n)
			if text != "" && !p.Valid() {
				t.Fatalf("%v is written as %q", p, text)
			}
			_, _ = Parse(text)
		}
		d, b := Distance(p, q), Bearing(p, q)
		_ = Destination(p, b, d)
		if p.Valid() && q.Valid() && !(d >= 0 && d <= math.Pi*meanRadius+1 && b >= 0 && b < 360) {
			t.Fatalf("%v to %v: %v m, %v°", p, q, d, b)
		}
	})
}

func TestTexts(t *testing.T) {
	b, err := i18n.Load(Locales)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range append(Notations, Road) {
		if text := b.Text("cs", n.Key(), nil); strings.Contains(text, "⟦") {
			t.Errorf("%s has no name", n)
		}
	}
}

// FuzzParse: no input panics, every reading is a place or a road, every error a
// problem with a text.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"50.8977 14.8076", "50° 53′ 51,7″ s. š., 14° 48′ 27,4″ v. d.", "-703588 -957363", "33U VS 86470 38466", "VS 8647 3846",
		"33U 486470 5638466", "E 205317 N 345130", "I/35 km 12,4", "690 123 970 456", "690123,970456", "N N", "E14", "60X ZV 1 1", "1C aa 99", "nn\u0301 9 9", "š'ˇ 1°1"} {
		f.Add(s)
	}
	b, err := i18n.Load(Locales)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		all, err := Parse(s)
		if err != nil {
			p, ok := errors.AsType[*problem.Error](err)
			if !ok || p.Kind != problem.Invalid || len(all) != 0 {
				t.Fatalf("%q: %v %v", s, all, err)
			}
			if text := b.Text("de", p.Key, p.Args); strings.Contains(text, "⟦") {
				t.Fatalf("%q: no text for %s", s, p.Key)
			}
			return
		}
		if len(all) == 0 {
			t.Fatalf("%q: no reading and no error", s)
		}
		for _, c := range all {
			if c.IsPoint() && (!c.Point.Valid() || !(c.Accuracy > 0)) || !c.IsPoint() && c.Text == "" {
				t.Fatalf("%q: %+v", s, c)
			}
			if c.Note != "" && strings.Contains(b.Text("pl", c.Note, nil), "⟦") {
				t.Fatalf("%q: no text for %s", s, c.Note)
			}
			for _, n := range Notations {
				_ = Format(c.Point, n)
			}
		}
	})
}

func ExampleFormat() {
	fmt.Println(Format(Point{Lat: 50.8977, Lon: 14.8076}, Decimal))
	// Output: 50.8977° N, 14.8076° E
}

// The digits of a name of a grid are no name within a number.
func TestDigitsOfAGridsName(t *testing.T) {
	for _, text := range []string{"50.2000° N, 16.1992° E", "50.1992 15.0001", "50,5514 15,1992", "N 50.1992 E 15.5513"} {
		all, err := Parse(text)
		if err != nil || all[0].Notation != Decimal {
			t.Errorf("%q: %v, %v", text, all, err)
		}
	}
	for _, text := range []string{"1992: N 345130 E 205317", "PL 1992 N 345130 E 205317", "PUWG-1992 N 345130 E 205317"} {
		all, err := Parse(text)
		if err != nil || all[0].Notation != PL1992 {
			t.Errorf("%q: %v, %v", text, all, err)
		}
	}
}
