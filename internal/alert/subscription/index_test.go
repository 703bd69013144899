package subscription

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/feed"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/register"
)

var start = time.Date(2026, 8, 7, 16, 5, 0, 0, time.UTC)

var region = struct {
	places *register.Register
	table  *area.Table
	towns  []register.Place
}{}

func init() {
	var err error
	if region.places, err = register.Load(); err != nil {
		panic(err)
	}
	if region.table, err = area.Load(region.places); err != nil {
		panic(err)
	}
	for _, p := range region.places.Places() {
		if p.Kind == register.Municipality {
			region.towns = append(region.towns, p)
		}
	}
}

// polygon is a star around a point, in degrees.
func polygon(r *rand.Rand, at geo.Point, size float64, corners int) string {
	text, first := "", ""
	for i := range corners {
		a, d := float64(i)/float64(corners)*2*math.Pi, size*(0.4+0.6*r.Float64())
		p := fmt.Sprintf("%.5f,%.5f", at.Lat+d*math.Sin(a), at.Lon+1.55*d*math.Cos(a))
		if i == 0 {
			first = p
		}
		text += p + " "
	}
	return text + first
}

// outline is a polygon as senders draw them: uneven, but no star.
func outline(r *rand.Rand, at geo.Point, size float64, corners int) string {
	text, first := "", ""
	for i := range corners {
		a, d := float64(i)/float64(corners)*2*math.Pi, size*(0.9+0.1*r.Float64())
		p := fmt.Sprintf("%.5f,%.5f", at.Lat+d*math.Sin(a), at.Lon+1.55*d*math.Cos(a))
		if i == 0 {
			first = p
		}
		text += p + " "
	}
	return text + first
}

func near(r *rand.Rand) (register.Place, geo.Point) {
	t := region.towns[r.IntN(len(region.towns))]
	return t, geo.Point{Lat: t.Point.Lat + (r.Float64()-0.5)*0.06, Lon: t.Point.Lon + (r.Float64()-0.5)*0.09}
}

func someWant(r *rand.Rand, polygons int) *Want {
	t, at := near(r)
	w := &Want{Municipalities: []string{t.ID}, Level: uint8(r.IntN(4))}
	if r.IntN(3) == 0 {
		w.Hazards = 1 << r.IntN(9)
	}
	switch k := r.IntN(100); {
	case k < polygons:
		w.Polygon = polygon(r, at, 0.01+0.05*r.Float64(), 3+r.IntN(8))
	case k < 60:
		w.Point = &at
	case k < 65:
		u, _ := near(r)
		w.Municipalities = append(w.Municipalities, u.ID)
	}
	return w
}

var schemes = []feed.Code{{Scheme: "CISORP", Value: "5105"}, {Scheme: "CISORP", Value: "5102"}, {Scheme: "EMMA_ID", Value: "CZ05103"}, {Scheme: "WARNCELLID", Value: "114626000"},
	{Scheme: "TERYT", Value: "0225"}, {Scheme: "EMMA_ID", Value: "DE070"}, {Scheme: "WARNCELLID", Value: "113004000"}, {Scheme: "CISORP", Value: "1100"}, {Scheme: "TERYT", Value: "9999"}, {Scheme: "MADE-UP", Value: "1"}}

func someAlert(r *rand.Rand) *Alert {
	a := &Alert{Level: uint8(r.IntN(5))}
	if r.IntN(2) == 0 {
		a.Hazard = 1 << r.IntN(9)
	}
	for range 1 + r.IntN(2) {
		_, at := near(r)
		x := feed.Area{Name: "x"}
		if r.IntN(2) == 0 {
			for range 1 + r.IntN(3) {
				x.Codes = append(x.Codes, schemes[r.IntN(len(schemes)-min(1, r.IntN(4)))])
			}
		}
		if r.IntN(3) > 0 {
			for range 1 + r.IntN(2) {
				size := 0.02 + 0.3*r.Float64()
				if r.IntN(6) == 0 {
					size = 4 // long sides: a plane bends them
				}
				x.Polygons = append(x.Polygons, polygon(r, at, size, 3+r.IntN(30)))
			}
			switch r.IntN(8) {
			case 0:
				x.Holes = append(x.Holes, polygon(r, at, 0.02, 5))
			case 1:
				x.Circles = append(x.Circles, fmt.Sprintf("%.4f,%.4f %d", at.Lat, at.Lon, 1+r.IntN(40)))
			case 2: // nobody can say what is in it
				x.Polygons = append(x.Polygons, fmt.Sprintf("%.4f,%.4f %.4f,%.4f", at.Lat, at.Lon, at.Lat+0.1, at.Lon+0.1))
			}
		}
		if len(x.Codes)+len(x.Polygons) > 0 || r.IntN(10) == 0 {
			a.Areas = append(a.Areas, x)
		}
	}
	return a
}

// plainly is the loop that the index is compared with: package area asked for each.
func plainly(a *Alert, numbers []int64, wants []*Want) (list []int64) {
	for i, w := range wants {
		if !w.takes(a) {
			continue
		}
		for _, id := range w.Municipalities {
			p := area.Place{Municipality: id, Point: w.Point}
			if w.Polygon != "" {
				p.Shape = shapeOf(w.Polygon)
			}
			if region.table.Concerns(a.Areas, p, start).Verdict != area.No {
				list = append(list, numbers[i])
				break
			}
		}
	}
	return list
}

func checks(otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv("TROJMEZI_CHECKS")); err == nil {
		return n
	}
	return otherwise
}

// TestMatchIsExact compares the index with a plain loop over all, also after changes that
// are not in its base yet. The seed is printed with what differs.
func TestMatchIsExact(t *testing.T) {
	for round := range checks(12) {
		seed := uint64(round)
		r := rand.New(rand.NewPCG(seed, 5))
		x := NewIndex(region.table, region.places)
		var numbers []int64
		var wants []*Want
		for i := range 600 {
			numbers, wants = append(numbers, int64(i*3+1)), append(wants, someWant(r, 5))
		}
		load(x, numbers, wants)
		for i := 0; i < len(wants); i += 40 { // changed, and gone
			if i%80 == 0 {
				wants[i] = someWant(r, 20)
				x.Put(numbers[i], wants[i])
				continue
			}
			x.Put(numbers[i], nil)
			numbers, wants = slices.Delete(slices.Clone(numbers), i, i+1), slices.Delete(slices.Clone(wants), i, i+1)
		}
		for n := range 4 {
			a := someAlert(r)
			got, want := x.Match(a, start, nil), plainly(a, numbers, wants)
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d alert %d: %d matched, a plain loop has %d\nalert %+v\nonly index %v\nonly loop %v", seed, n, len(got), len(want), a, less(got, want), less(want, got))
			}
		}
		if round%10 == 0 && x.Len() != len(wants) {
			t.Fatalf("seed %d: %d, want %d", seed, x.Len(), len(wants))
		}
	}
}

func load(x *Index, numbers []int64, wants []*Want) {
	if err := x.Load(func() ([]int64, []*Want, error) { return numbers, wants, nil }); err != nil {
		panic(err)
	}
}

func less(a, b []int64) []int64 {
	return slices.DeleteFunc(slices.Clone(a), func(n int64) bool { return slices.Contains(b, n) })
}

// million is what the benchmark matches against: points, municipalities and polygons.
func million(n int) (*Index, time.Duration) {
	r := rand.New(rand.NewPCG(1, 1))
	numbers, wants := make([]int64, n), make([]*Want, n)
	for i := range n {
		numbers[i], wants[i] = int64(i+1), someWant(r, 0)
		if i%1000 == 0 {
			_, at := near(r)
			wants[i].Point, wants[i].Polygon = nil, polygon(r, at, 0.03, 6)
		}
	}
	x := NewIndex(region.table, region.places)
	began := time.Now()
	load(x, numbers, wants)
	return x, time.Since(began)
}

// cpu is the time that this program has worked.
func cpu() int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkMatch1M is one alert with codes and a polygon of 300 corners against a million
// subscriptions, and the worst: one that is for everybody.
func BenchmarkMatch1M(b *testing.B) {
	n := 1_000_000
	if b.N == 1 && testing.Short() {
		n = 10_000
	}
	x, built := million(n)
	runtime.GC()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	r := rand.New(rand.NewPCG(2, 2))
	at := geo.Point{Lat: 50.85, Lon: 14.95}
	codes := []feed.Code{{Scheme: "CISORP", Value: "5102"}, {Scheme: "CISORP", Value: "5105"}, {Scheme: "TERYT", Value: "0225"}, {Scheme: "WARNCELLID", Value: "114626000"}}
	for _, c := range []struct {
		name string
		a    *Alert
	}{
		{"codes", &Alert{Hazard: 1, Level: 3, Areas: []feed.Area{{Codes: codes}}}},
		{"codes and polygon", &Alert{Hazard: 1, Level: 3, Areas: []feed.Area{{Codes: codes, Polygons: []string{outline(r, at, 0.25, 300)}}}}},
		{"polygon", &Alert{Level: 3, Areas: []feed.Area{{Polygons: []string{outline(r, at, 0.5, 300)}}}}},
		{"star", &Alert{Level: 3, Areas: []feed.Area{{Polygons: []string{polygon(r, at, 0.5, 300)}}}}},
		{"everybody", &Alert{Level: 4, Areas: []feed.Area{{Codes: codes, Polygons: []string{polygon(r, at, 3, 100)}}}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var list []int64
			list = x.Match(c.a, start, list)
			var took []time.Duration
			before := cpu()
			for b.Loop() {
				began := time.Now()
				list = x.Match(c.a, start, list[:0])
				took = append(took, time.Since(began))
			}
			b.ReportMetric(float64(cpu()-before)/1e6/float64(len(took)), "cpu-ms/op") // what other programs take of the machine is not in it
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2])/1e6, "p50-ms")
			b.ReportMetric(float64(len(list)), "matched")
			b.ReportMetric(float64(mem.HeapAlloc)/(1<<20), "MB")
			b.ReportMetric(built.Seconds(), "s-build")
		})
	}
}
