package agreement

import (
	"encoding/csv"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store/storetest"
)

var noon = time.Date(2026, 11, 30, 11, 0, 0, 0, time.UTC)

const day = "2026-11-30"

func places(t testing.TB) *register.Register {
	t.Helper()
	r, err := register.Load()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func index(t testing.TB, r *register.Register) *Index {
	t.Helper()
	x, err := NewIndex(r)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// borders reads the border that the register ships, by its pair of countries: the
// test builds its own buffer around the same line.
func borders(t testing.TB) map[string][]geo.Point {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "kernel", "register", "data", "border.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]geo.Point{}
	for _, l := range all[1:] {
		lat, _ := strconv.ParseFloat(l[2], 64)
		lon, _ := strconv.ParseFloat(l[3], 64)
		out[l[0]+l[1]] = append(out[l[0]+l[1]], geo.Point{Lat: lat, Lon: lon})
	}
	return out
}

// vincenty is the length of the geodesic on WGS84 in metres (T. Vincenty, 1975).
func vincenty(p, q geo.Point) float64 {
	const a, f = 6378137.0, 1 / 298.257223563
	const b = a * (1 - f)
	rad := math.Pi / 180
	u1, u2 := math.Atan((1-f)*math.Tan(p.Lat*rad)), math.Atan((1-f)*math.Tan(q.Lat*rad))
	l := (q.Lon - p.Lon) * rad
	lambda := l
	var sinS, cosS, sigma, cos2A, cos2M float64
	for range 50 {
		sl, cl := math.Sincos(lambda)
		sinS = math.Hypot(math.Cos(u2)*sl, math.Cos(u1)*math.Sin(u2)-math.Sin(u1)*math.Cos(u2)*cl)
		if sinS == 0 {
			return 0
		}
		cosS = math.Sin(u1)*math.Sin(u2) + math.Cos(u1)*math.Cos(u2)*cl
		sigma = math.Atan2(sinS, cosS)
		sinA := math.Cos(u1) * math.Cos(u2) * sl / sinS
		cos2A = 1 - sinA*sinA
		cos2M = cosS - 2*math.Sin(u1)*math.Sin(u2)/cos2A
		c := f / 16 * cos2A * (4 + f*(4-3*cos2A))
		next := l + (1-c)*f*sinA*(sigma+c*sinS*(cos2M+c*cosS*(-1+2*cos2M*cos2M)))
		if math.Abs(next-lambda) < 1e-12 {
			break
		}
		lambda = next
	}
	k := cos2A * (a*a - b*b) / (b * b)
	A := 1 + k/16384*(4096+k*(-768+k*(320-175*k)))
	B := k / 1024 * (256 + k*(-128+k*(74-47*k)))
	d := B * sinS * (cos2M + B/4*(cosS*(-1+2*cos2M*cos2M)-B/6*cos2M*(-3+4*sinS*sinS)*(-3+4*cos2M*cos2M)))
	return b * A * (sigma - d)
}

// buffer measures to a line by samples every twenty metres.
type buffer struct {
	samples []geo.Point
	east    []float64 // the same as rough plane coordinates, to find the nearest few
	north   []float64
}

const roughLat, roughLon = 111260.0, 70200.0

func bufferOf(line []geo.Point) *buffer {
	b := &buffer{}
	for i := 1; i < len(line); i++ {
		n := math.Ceil(vincenty(line[i-1], line[i]) / 20)
		for k := range int(n) {
			s := float64(k) / n
			p := geo.Point{Lat: line[i-1].Lat + s*(line[i].Lat-line[i-1].Lat), Lon: line[i-1].Lon + s*(line[i].Lon-line[i-1].Lon)}
			b.samples = append(b.samples, p)
			b.east, b.north = append(b.east, p.Lon*roughLon), append(b.north, p.Lat*roughLat)
		}
	}
	return b
}

// distance is exact to a decimetre beyond a kilometre from the line.
func (b *buffer) distance(p geo.Point) float64 {
	x, y := p.Lon*roughLon, p.Lat*roughLat
	best := math.Inf(1)
	for i := range b.samples {
		best = min(best, math.Hypot(b.east[i]-x, b.north[i]-y))
	}
	exact := math.Inf(1)
	for i := range b.samples { // the plane is off by less than two per cent and 20 m here
		if math.Hypot(b.east[i]-x, b.north[i]-y) <= best*1.02+20 {
			exact = min(exact, vincenty(b.samples[i], p))
		}
	}
	return exact
}

// draws are points: half of them anywhere in the region, half around a border.
func draws(seed uint64, n int, b *buffer) []geo.Point {
	r := rand.New(rand.NewPCG(seed, 4))
	var out []geo.Point
	for i := range n {
		if i%2 == 0 {
			out = append(out, geo.Point{Lat: 50.35 + r.Float64()*1.35, Lon: 14 + r.Float64()*2.15})
			continue
		}
		s := b.samples[r.IntN(len(b.samples))]
		far, angle := r.Float64()*9000, r.Float64()*2*math.Pi
		out = append(out, geo.Point{Lat: s.Lat + far*math.Cos(angle)/roughLat, Lon: s.Lon + far*math.Sin(angle)/roughLon})
	}
	return out
}

// verified is a row that a person has verified: it may say yes.
func verified(id, area string, parties ...string) Row {
	return Row{ID: id, Parties: parties, Service: EMS, Area: area, ValidFrom: "2016-01-01", Status: Verified, CheckedBy: "p", CheckedAt: noon, CheckedSource: "text"}
}

const corridor = 5000.0

func seed() uint64 {
	if s, err := strconv.ParseUint(os.Getenv("TROJMEZI_SEED"), 10, 64); err == nil {
		return s
	}
	return uint64(time.Now().UnixNano())
}

// Ten thousand points against a geodesic buffer of the same line that shares no code
// with the register's: nothing is decided wrongly, and nothing at all where the
// border is too inexact.
func TestCorridorAgainstGeodesicBuffer(t *testing.T) {
	x, lines := index(t, places(t)), borders(t)
	s := seed()
	t.Logf("TROJMEZI_SEED=%d", s)
	b := bufferOf(lines["CZDE"])
	west := func(p geo.Point) float64 { return (p.Lon - 14) * roughLon } // the line is not known beyond
	toPL := bufferOf(slices.Concat(lines["DEPL"], lines["CZPL"]))
	good := verified("T1", "corridor:5000", "CZ", "DE")
	bad := good
	bad.ID, bad.CheckedBy = "T2", ""
	count := map[Value]int{}
	for i, p := range draws(s, 10_000, b) {
		d := b.distance(p)
		from := []string{"CZ", "DE"}[i/2%2]
		got := x.Ask([]Row{good}, Question{At: p, From: []string{from}, With: map[string]register.Country{"CZ": register.DE, "DE": register.CZ}[from], Service: EMS, Day: day}).Value
		count[got]++
		where := fmt.Sprintf("%.5f %.5f from %s, %.1f m from the border: %s", p.Lat, p.Lon, from, d, got)
		switch {
		case got == Yes && d > corridor+10, got == No && d < corridor-10 && x.places.Country(p).Country != register.PL, got == Probably:
			t.Errorf("wrong: %s", where)
		case math.Abs(d-corridor) <= 2000 && got != Unclear && got != Moot && !(x.places.Country(p).Country == register.PL || toPL.distance(p) < 2000):
			t.Errorf("within the border's error, but %s", where)
		case math.Abs(d-corridor) > 2010 && got == Unclear && toPL.distance(p) > 2010 && west(p) > corridor+2500:
			t.Errorf("could be decided: %s", where)
		}
		if v := x.Ask([]Row{bad}, Question{At: p, From: []string{from}, Service: EMS, Day: day}).Value; v == Yes {
			t.Errorf("an unverified row says yes: %s", where)
		}
	}
	t.Log(count)
	if count[Yes] < 500 || count[No] < 500 || count[Unclear] < 500 {
		t.Errorf("too little was decided: %v", count)
	}
}

// The rows as shipped say yes nowhere: nobody of this node has verified one.
func TestShippedRowsNeverSayYes(t *testing.T) {
	x, lines := index(t, places(t)), borders(t)
	s := seed()
	t.Logf("TROJMEZI_SEED=%d", s)
	count := map[Value]int{}
	for i, p := range draws(s, 10_000, bufferOf(slices.Concat(lines["CZDE"], lines["DEPL"], lines["CZPL"]))) {
		from := []string{"CZ-LI", "DE-SN", "PL-02", "CZ", "DE-14626", "PL"}[i%6]
		a := x.Ask(x.shipped, Question{At: p, From: []string{from}, Service: Services[i/6%4], Day: day})
		count[a.Value]++
		if a.Value == Yes {
			t.Fatalf("%v from %s: yes by %s", p, from, byText(a.By))
		}
		for _, f := range a.Against {
			if f.Row.Area == string(areaUnknown) && !slices.ContainsFunc(f.Why, func(r Reason) bool { return r.Key == "agreement.why.other_region" }) {
				t.Errorf("%v from %s: %s says no without an area", p, from, f.Row.ID)
			}
		}
	}
	t.Log(count)
}

// country is a made official boundary: the border of the register, moved east, and
// far outside of the region along the window.
func country(lines map[string][]geo.Point, c register.Country, east float64) string {
	corner := func(lat, lon float64) geo.Point { return geo.Point{Lat: lat, Lon: lon} }
	back := func(l []geo.Point) []geo.Point {
		l = slices.Clone(l)
		slices.Reverse(l)
		return l
	}
	var ring []geo.Point
	switch c {
	case register.CZ:
		ring = slices.Concat(lines["CZDE"], []geo.Point{corner(50.803, 12), corner(48, 12), corner(48, 19), corner(50.6338, 19)}, back(lines["CZPL"]))
	case register.DE:
		ring = slices.Concat(lines["DEPL"], []geo.Point{corner(54, 14.6746), corner(54, 12), corner(50.803, 12)}, back(lines["CZDE"]))
	case register.PL:
		ring = slices.Concat(lines["CZPL"], []geo.Point{corner(50.6338, 19), corner(54, 19), corner(54, 14.6746)}, back(lines["DEPL"]))
	}
	var all []string
	for _, p := range append(ring, ring[0]) {
		all = append(all, fmt.Sprintf("[%f,%f]", p.Lon+east, p.Lat))
	}
	return `{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},"geometry":{"type":"Polygon","coordinates":[[` + strings.Join(all, ",") + `]]}}]}`
}

// official imports made boundaries of countries as the command line does.
func official(t testing.TB, r *register.Register, metres float64, countries ...register.Country) {
	t.Helper()
	db, clk := storetest.Open(t, storetest.Tables{"register": register.Migrations()}), clock.Fake(noon)
	dir, err := blob.OpenDir(filepath.Join(t.TempDir(), "blobs"), clk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	imports := register.NewImports(r, db, dir, clk, slog.New(slog.DiscardHandler))
	for _, c := range countries {
		if _, err := imports.File(t.Context(), string(c)+".geojson", strings.NewReader(country(borders(t), c, 0)), register.Describe{Country: c, Level: register.LevelCountry, Error: metres}); err != nil {
			t.Fatal(err)
		}
	}
}

// An official boundary narrows what is unclear: points 1.5 km from the corridor's
// edge are decided by it.
func TestOfficialBoundaryDecides(t *testing.T) {
	lines := borders(t)
	b := bufferOf(lines["CZDE"])
	row := []Row{verified("T1", "corridor:5000", "CZ", "DE")}
	for name, countries := range map[string][]register.Country{"one side": {register.CZ}, "the other side": {register.DE}, "both sides": {register.CZ, register.DE}, "all": register.Countries} {
		t.Run(name, func(t *testing.T) {
			before, r := index(t, places(t)), places(t)
			official(t, r, 100, countries...)
			after := index(t, r)
			decided := 0
			for _, p := range draws(7, 5000, b) {
				d := b.distance(p)
				if math.Abs(math.Abs(d-corridor)-1500) > 300 || p.Lon < 14.2 || p.Lon > 14.75 || p.Lat > 51.2 || p.Lat < 50.6 {
					continue
				}
				q := Question{At: p, From: []string{"CZ"}, Service: EMS, With: register.DE, Day: day}
				if v := before.Ask(row, q).Value; v != Unclear {
					t.Errorf("%v, %.0f m from the approximate border: %s", p, d, v)
				}
				want := No
				if d < corridor {
					want = Yes
				}
				if v := after.Ask(row, q).Value; v != want {
					t.Errorf("%v, %.0f m from the official border: %s", p, d, v)
				}
				decided++
			}
			if decided < 100 {
				t.Errorf("only %d points", decided)
			}
		})
	}
}

// With an error of a metre the corridor's own edge is found to ten.
func TestOfficialCorridorToTenMetres(t *testing.T) {
	r, lines := places(t), borders(t)
	official(t, r, 1, register.Countries...)
	x, b := index(t, r), bufferOf(append(slices.Clone(borders(t)["CZDE"]), geo.Point{Lat: 50.803, Lon: 13.7}))
	row := []Row{verified("T1", "corridor:5000", "CZ", "DE")}
	s := seed()
	t.Logf("TROJMEZI_SEED=%d", s)
	count := map[Value]int{}
	for _, p := range draws(s, 10_000, bufferOf(lines["CZDE"])) {
		if p.Lon < 14 || p.Lat > 51.7 {
			continue
		}
		d := b.distance(p)
		got := x.Ask(row, Question{At: p, From: []string{"DE"}, Service: EMS, With: register.CZ, Day: day}).Value
		count[got]++
		if got == Yes && d > corridor+10 || got == No && d < corridor-10 && x.places.Country(p).Country != register.PL {
			t.Errorf("%.5f %.5f, %.1f m from the border: %s", p.Lat, p.Lon, d, got)
		}
	}
	t.Log(count)
	if count[Unclear] > 100 {
		t.Errorf("%d of 10,000 points are not clear", count[Unclear])
	}
}

// What the shipped rows say at places people know.
func TestShippedRows(t *testing.T) {
	x := index(t, places(t))
	at := func(name string) geo.Point {
		t.Helper()
		found := x.places.Search(name, 1)
		if len(found) == 0 {
			t.Fatalf("no %s", name)
		}
		return found[0].Point
	}
	for _, c := range []struct {
		place, from string
		service     Service
		with        register.Country
		want        Value
		row         string // among those that say it
	}{
		{"Seifhennersdorf", "DE-SN", EMS, register.CZ, Probably, "AG04"},
		{"Seifhennersdorf", "CZ-LI", EMS, "", Probably, "AG04"},
		{"Zittau", "CZ-LI", EMS, "", Unclear, "AG04"}, // 3.2 km from a border that is 2 km off
		{"Hrádek nad Nisou", "CZ-LI", EMS, register.DE, Probably, "AG04"},
		{"Varnsdorf", "CZ-US", EMS, register.DE, Probably, "AG04"},
		{"Liberec", "CZ-LI", EMS, register.DE, No, ""},
		{"Bautzen", "CZ-LI", EMS, "", No, ""},
		{"Bogatynia", "CZ-LI", EMS, "", Unclear, "AG17"},
		{"Zgorzelec", "DE-SN", EMS, "", Unclear, "AG16"},
		{"Görlitz", "PL-02", EMS, "", Unclear, "AG16"},
		{"Bad Muskau", "PL-08", EMS, "", Unclear, "AG10"},
		{"Görlitz", "PL-08", EMS, "", No, ""},
		{"Zittau", "CZ-LI", Disaster, "", Probably, "AG01"},
		{"Bogatynia", "CZ-LI", Disaster, "", Probably, "AG05"},
		{"Zgorzelec", "DE-SN", Disaster, "", Probably, "AG08"},
		{"Zittau", "CZ-LI", Fire, "", Unclear, "AG18"},
		{"Bogatynia", "CZ-LI", Fire, "", Unclear, "AG06"},
		{"Zittau", "CZ-LI", Police, "", Probably, "AG19"},
		{"Żary", "DE-14626", Disaster, "", Probably, "AG08"},
	} {
		a := x.Ask(x.shipped, Question{At: at(c.place), From: []string{c.from}, Service: c.service, With: c.with, Day: day})
		if a.Value != c.want || c.row != "" && !slices.ContainsFunc(shownOf(a), func(f Finding) bool { return f.Row.ID == c.row }) {
			t.Errorf("%s from %s for %s: %s by %q, doubt %q, against %q; want %s by %s", c.place, c.from, c.service, a.Value, byText(a.By), byText(a.Doubt), byText(a.Against), c.want, c.row)
		}
		if a.Value != Yes && len(a.Route) == 0 && c.service != Disaster {
			t.Errorf("%s from %s for %s: no other way is named", c.place, c.from, c.service)
		}
	}
	a := x.Ask(x.shipped, Question{At: at("Hrádek nad Nisou"), From: []string{"DE-SN"}, Service: EMS, Day: day})
	if !slices.ContainsFunc(a.Duties, func(f Finding) bool { return f.Row.ID == "AG11" }) {
		t.Error("Saxon forces go abroad and AG11 is not named")
	}
	if !slices.ContainsFunc(a.Frames, func(f Finding) bool { return f.Row.ID == "AG03" }) {
		t.Error("AG04 stands without its frame")
	}
}

// A row says yes only verified, dated and in force; what it does not know it does
// not decide.
func TestRowsOnTheirOwn(t *testing.T) {
	x := index(t, places(t))
	zittau := x.places.Search("Zittau", 1)[0].Point
	change := func(f func(*Row)) Row {
		r := verified("T1", "corridor:10000", "CZ-LI", "DE-SN")
		f(&r)
		return r
	}
	for name, c := range map[string]struct {
		row  Row
		from string
		dir  Direction
		want Value
	}{
		"verified":                {change(func(*Row) {}), "CZ-LI", "", Yes},
		"status alone":            {change(func(r *Row) { r.CheckedBy = "" }), "CZ-LI", "", Probably},
		"person alone":            {change(func(r *Row) { r.Status = Secondary }), "CZ-LI", "", Probably},
		"since when is unknown":   {change(func(r *Row) { r.ValidFrom = "" }), "CZ-LI", "", Probably},
		"not yet":                 {change(func(r *Row) { r.ValidFrom = "2026-12-01" }), "CZ-LI", "", No},
		"no more":                 {change(func(r *Row) { r.ValidTo = "2026-11-29" }), "CZ-LI", "", No},
		"last day":                {change(func(r *Row) { r.ValidTo = day }), "CZ-LI", "", Yes},
		"unknown area":            {change(func(r *Row) { r.Area = "unknown" }), "CZ-LI", "", Unclear},
		"minutes":                 {change(func(r *Row) { r.Area = "minutes:15" }), "CZ-LI", "", Unclear},
		"in the corridor, late":   {change(func(r *Row) { r.Area = "corridor:10000&minutes:15" }), "CZ-LI", "", Unclear},
		"other service":           {change(func(r *Row) { r.Service = Fire }), "CZ-LI", "", No},
		"rescue system":           {change(func(r *Row) { r.Service = IZS }), "CZ-LI", "", Yes},
		"others asked":            {change(func(*Row) {}), "PL-02", "", No},
		"all of Czechia asks":     {change(func(*Row) {}), "CZ", "", Unclear},
		"at home there is no go":  {change(func(*Row) {}), "DE-SN", Go, Moot},
		"abroad there is no ask":  {change(func(*Row) {}), "CZ-LI", Ask, Moot},
		"a frame with a gap":      {change(func(r *Row) { r.Area = "frame:T9" }), "CZ-LI", "", Unclear},
		"places, the town":        {change(func(r *Row) { r.Area = "places:DE-14626610" }), "CZ-LI", "", Yes},
		"places, another":         {change(func(r *Row) { r.Area = "places:DE-14626010" }), "CZ-LI", "", No},
		"units, the district":     {change(func(r *Row) { r.Area = "units:DE-14626" }), "CZ-LI", "", Yes},
		"units, another district": {change(func(r *Row) { r.Area = "units:DE-14625" }), "CZ-LI", "", No},
	} {
		if f := x.faults(c.row); len(f) > 0 {
			t.Errorf("%s: %v", name, f)
		}
		a := x.Ask([]Row{c.row}, Question{At: zittau, From: []string{c.from}, Service: EMS, Direction: c.dir, Day: day})
		if a.Value != c.want {
			t.Errorf("%s: %s, want %s; by %q, doubt %v", name, a.Value, c.want, byText(a.By), a.Doubt)
		}
	}
	far := x.Ask(x.shipped, Question{At: geo.Point{Lat: 48.2, Lon: 16.4}, From: []string{"CZ-LI"}, Service: EMS, Day: day})
	if far.Value != Unclear || len(far.Route) == 0 {
		t.Errorf("Vienna: %s", far.Value)
	}
}

func BenchmarkAsk(b *testing.B) {
	x := index(b, places(b))
	all := draws(1, 1000, bufferOf(borders(b)["CZDE"]))
	for i := 0; b.Loop(); i++ {
		x.Ask(x.shipped, Question{At: all[i%len(all)], From: []string{"CZ-LI"}, Service: Services[i%4], Day: day})
	}
}

// BenchmarkPanel is all that the console shows of one incident.
func BenchmarkPanel(b *testing.B) {
	x := index(b, places(b))
	all := draws(1, 1000, bufferOf(borders(b)["CZDE"]))
	for i := 0; b.Loop(); i++ {
		(&Panel{}).fill(x, x.shipped, Question{At: all[i%len(all)], From: []string{"CZ-LI"}, Day: day})
	}
}
