package river

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trojmezi/internal/alert/gauge"
	"trojmezi/internal/kernel/store"
)

func link(r *rig, station, key string) {
	r.t.Helper()
	faults, err := r.SetNumber(r.t.Context(), "jana", station, key, "list of the service")
	r.ok(err)
	if len(faults) > 0 {
		r.t.Fatal(faults)
	}
}

// The flood of August 2010 at Görlitz through Take, by what is known and the line drawn
// between: the fast rise is told before the fourth stage, at each step services have, and
// wherever in the evening the step lies.
func TestFlood2010(t *testing.T) {
	for _, step := range []time.Duration{10 * time.Minute, 15 * time.Minute, time.Hour} {
		for _, later := range []time.Duration{0, -90 * time.Minute} {
			t.Run(step.String()+" "+later.String(), func(t *testing.T) {
				curve := slices.DeleteFunc(Curve2010("de-goerlitz", step), func(p Point) bool {
					return p.At.In(prague).Format("02T15:04") < "07T15:00" || p.At.In(prague).Day() > 8
				})
				r := newRig(t, curve[0].At)
				link(r, "saxony/660000", "de-goerlitz")
				at := map[string]time.Time{}
				var order []string
				for _, p := range curve {
					p.At = p.At.Add(later)
					r.clk.Advance(max(0, p.At.Sub(r.clk.Now())))
					r.take(store.Live, "saxony", goerlitz(p))
					for _, a := range r.told {
						name := strings.TrimSpace(string(a.Cause) + " " + a.Name)
						if _, again := at[name]; !again {
							at[name] = a.At
							order = append(order, name)
						}
						if !a.Told.Equal(p.At) || a.Kind != store.Live {
							t.Errorf("%s of %v was told at %v", name, a.At, a.Told)
						}
					}
					r.told = nil
				}
				rise, fourth := at["fast"], at["up Alarmstufe 4"]
				if rise.IsZero() || fourth.IsZero() || !rise.Before(fourth) {
					t.Fatalf("fast rise %v, fourth stage %v: %v", rise, fourth, order)
				}
				if lead := fourth.Sub(rise); lead < 30*time.Minute {
					t.Errorf("only %v between the rise and the fourth stage", lead)
				}
				t.Logf("fast rise %s, Alarmstufe 1 %s, 3 %s, 4 %s", rise.In(prague).Format("2 Jan 15:04"), at["up Alarmstufe 1"].In(prague).Format("15:04"), at["up Alarmstufe 3"].In(prague).Format("15:04"), fourth.In(prague).Format("15:04"))
			})
		}
	}
}

// The known points alone, an hour or more apart: each limit up and down once.
func TestFlood2010Facts(t *testing.T) {
	points := Measured2010("de-goerlitz")
	if len(points) != 6 {
		t.Fatal(points)
	}
	r := newRig(t, points[0].At.Add(-time.Hour))
	link(r, "saxony/660000", "de-goerlitz")
	for _, p := range points {
		r.clk.Advance(p.At.Sub(r.clk.Now()))
		r.take(store.Live, "saxony", goerlitz(p))
	}
	want := []string{"de-goerlitz up Alarmstufe 1", "de-goerlitz up Alarmstufe 3", "de-goerlitz up Alarmstufe 4", "de-goerlitz down Alarmstufe 4"}
	if diff := cmp.Diff(want, r.log()); diff != "" {
		t.Error(diff)
	}
}

func TestTakeTwice(t *testing.T) {
	r := newRig(t, start.Add(2*time.Hour))
	doc := goerlitz(every(300, 310, 330)...)
	first := r.take(store.Live, "saxony", doc)
	if first.Stations != 1 || first.Values != 3 || first.Limits != 3 || len(first.Alarms) != 1 || first.Alarms[0].Where != "Görlitz" {
		t.Fatalf("%+v", first)
	}
	r.told = nil
	r.clk.Advance(10 * time.Minute)
	if again := r.take(store.Live, "saxony", doc); again.Values+again.Limits+again.Changed+len(again.Alarms)+len(r.told) != 0 {
		t.Errorf("the same again: %+v", again)
	}
}

// What comes late, doubtful or twice. The station has no place in the order: it alarms
// under its own number.
func TestDoubtfulValues(t *testing.T) {
	r := newRig(t, start.Add(3*time.Hour))
	const id = "saxony/660000"
	at := func(m int) time.Time { return start.Add(time.Duration(m) * time.Minute) }
	r.take(store.Live, "saxony", goerlitz(Point{at(0), 300}, Point{at(10), 1300}, Point{at(20), 301}, Point{at(30), -9}, Point{at(40), 302}, Point{at(600), 900}))
	if got := r.log(); len(got) > 0 {
		t.Errorf("told: %v", got)
	}
	want := map[string]Mark{"06:00": Good, "06:10": Jump, "06:20": Good, "06:30": Negative, "06:40": Good, "16:00": Future}
	if diff := cmp.Diff(want, r.marks(store.Live, id)); diff != "" {
		t.Error(diff)
	}
	// A wave of 2 m: nothing confirms it, then what lay between comes late.
	r.take(store.Live, "saxony", goerlitz(Point{at(60), 510}))
	if got := r.log(); len(got) > 0 || r.marks(store.Live, id)["07:00"] != Jump {
		t.Errorf("told of a jump: %v", got)
	}
	late := r.take(store.Live, "saxony", goerlitz(Point{at(50), 400}))
	if late.Late != 1 {
		t.Errorf("late: %+v", late)
	}
	if diff := cmp.Diff([]string{id + " fast", id + " up Alarmstufe 1", id + " up Alarmstufe 3"}, r.log()); diff != "" {
		t.Error(diff)
	}
	// The service takes it back: people hear that it is below again.
	if k := r.take(store.Live, "saxony", goerlitz(Point{at(60), 303}, Point{at(50), 302.5}, Point{at(70), 304})); k.Changed != 2 || k.Values != 1 {
		t.Errorf("said anew: %+v", k)
	}
	if diff := cmp.Diff([]string{id + " down Alarmstufe 1", id + " down Alarmstufe 3"}, r.log()); diff != "" {
		t.Error(diff)
	}
	refused := r.take(store.Live, "saxony", goerlitz(Point{at(-60 * 24 * 30), 300}, Point{at(60 * 24 * 30), 300}, Point{at(80), 1e9}))
	if refused.Refused != 3 || refused.Values != 0 {
		t.Errorf("refused: %+v", refused)
	}
}

// A gauge that stays 10 m higher alarms nobody until a person says what holds.
func TestShift(t *testing.T) {
	r := newRig(t, start.Add(4*time.Hour))
	link(r, "saxony/660000", "de-goerlitz")
	r.take(store.Live, "saxony", goerlitz(every(200, 201, 1201, 1202, 1203, 1204)...))
	if got := r.log(); len(got) > 0 {
		t.Errorf("told: %v", got)
	}
	if m := r.marks(store.Live, "saxony/660000"); m["06:20"] != Shifted || m["06:50"] != Shifted {
		t.Error(m)
	}
	r.clk.Advance(70 * time.Hour) // longer than values are looked at again
	later := Point{r.clk.Now(), 1210}
	r.take(store.Live, "saxony", goerlitz(later))
	if got := r.log(); len(got) > 0 {
		t.Errorf("told days later: %v", got)
	}
	if faults, err := r.SetRight(t.Context(), "jana", Right{Kind: store.Live, Gauge: "de-goerlitz", At: start.Add(15 * time.Minute), Source: "telephone, flood centre"}); err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	if got := r.log(); len(got) != 3 {
		t.Errorf("told after a person said that it is right: %v", got)
	}
}

// Limits are kept with their days; a change that puts the level above or below is told.
func TestLimitsChange(t *testing.T) {
	r := newRig(t, start.Add(time.Hour))
	take := func(from float64, points ...Point) Taken {
		return r.take(store.Live, "saxony", reading("1", "Görlitz", "Lausitzer Neiße", []gauge.Limit{{Name: "Alarmstufe 1", Unit: "cm", From: from}}, points...))
	}
	take(320, every(300, 301, 302)...)
	r.clk.Advance(time.Hour)
	if k := take(290); k.Limits != 2 {
		t.Errorf("a changed limit: %+v", k)
	}
	if got := r.log(); !slices.Equal(got, []string{"saxony/1 up Alarmstufe 1"}) {
		t.Error(got)
	}
	r.clk.Advance(time.Hour)
	take(350)
	if got := r.log(); !slices.Equal(got, []string{"saxony/1 down Alarmstufe 1"}) {
		t.Error(got)
	}
	r.ok(r.db.Read(t.Context(), func(tx *store.Tx) error {
		all, err := limitsOf(tx, store.Live, "saxony/1")
		var got []string
		for _, l := range all {
			got = append(got, l.Since.Format("15:04")+"-"+l.Until.Format("15:04"))
		}
		if diff := cmp.Diff([]string{"08:00-09:00", "07:00-08:00", "09:00-00:00"}, got); diff != "" {
			t.Error(diff)
		}
		return err
	}))
	// A document of values alone says nothing of limits; one without this limit ends it.
	r.take(store.Live, "saxony", reading("1", "", "", nil, Point{start.Add(3 * time.Hour), 360}))
	if got := r.log(); !slices.Equal(got, []string{"saxony/1 up Alarmstufe 1"}) {
		t.Error(got)
	}
	r.clk.Advance(time.Hour)
	r.take(store.Live, "saxony", reading("1", "", "", []gauge.Limit{{Name: "Alarmstufe 2", Unit: "cm", From: 500}}))
	if got := r.log(); !slices.Equal(got, []string{"saxony/1 down Alarmstufe 1"}) {
		t.Error(got)
	}
}

// Two services of one gauge: the operator's counts, the other fills gaps, and what
// differs is marked.
func TestTwoServices(t *testing.T) {
	r := newRig(t, start.Add(3*time.Hour))
	link(r, "saxony/660000", "de-goerlitz")
	link(r, "lhp/SN_1", "de-goerlitz")
	r.take(store.Live, "saxony", goerlitz(every(300, 301, 302)...))
	r.take(store.Live, "lhp", reading("SN_1", "Görlitz", "Lausitzer Neiße", nil, Point{start, 300}, Point{start.Add(10 * time.Minute), 350}, Point{start.Add(2 * time.Hour), 330}))
	if got := r.log(); !slices.Equal(got, []string{"de-goerlitz up Alarmstufe 1"}) {
		t.Error(got)
	}
	want := map[string]Mark{"06:00": Good, "06:10": Differs, "08:00": Good}
	if diff := cmp.Diff(want, r.marks(store.Live, "lhp/SN_1")); diff != "" {
		t.Error(diff)
	}
}

// An exercise has its own series and its own alarms.
func TestKinds(t *testing.T) {
	r := newRig(t, start.Add(3*time.Hour))
	r.take(store.Exercise, "saxony", goerlitz(every(300, 330)...))
	if len(r.told) != 1 || r.told[0].Kind != store.Exercise {
		t.Fatalf("%+v", r.told)
	}
	r.told = nil
	if k := r.take(store.Live, "saxony", goerlitz(every(300, 301)...)); len(r.told) != 0 || k.Values != 2 {
		t.Errorf("the exercise is in the live series: %v %+v", r.told, k)
	}
	r.ok(r.db.Read(t.Context(), func(tx *store.Tx) error {
		open, err := openCrossings(tx, store.Live)
		if len(open) > 0 {
			t.Errorf("live: %v", open)
		}
		return err
	}))
	err := r.db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := r.Take(tx, From{Service: "saxony", Fetched: start}, goerlitz())
		return err
	})
	if err == nil {
		t.Error("a reading without kind was taken")
	}
}

// An alarm that cannot be handed on takes its values with it: no level is kept of which
// nobody was told.
func TestAlarmAndValuesAreOne(t *testing.T) {
	r := newRig(t, start.Add(3*time.Hour))
	r.fail = errors.New("outbox")
	err := r.db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := r.Take(tx, From{Service: "saxony", Fetched: r.clk.Now(), Kind: store.Live}, goerlitz(every(300, 330)...))
		return err
	})
	if err == nil || len(r.marks(store.Live, "saxony/660000")) != 0 {
		t.Fatalf("%v; values were kept", err)
	}
	r.fail = nil
	r.take(store.Live, "saxony", goerlitz(every(300, 330)...))
	if got := r.log(); len(got) != 1 {
		t.Error(got)
	}
	r.ok(r.db.Read(t.Context(), func(tx *store.Tx) error {
		var n int
		err := tx.Row(`SELECT COUNT(*) FROM audit_leaf WHERE action = 'river.alarm'`).Scan(&n)
		if n != 1 {
			t.Errorf("%d leaves of one alarm", n)
		}
		return err
	}))
}

func TestOthers(t *testing.T) {
	r := newRig(t, start.Add(3*time.Hour))
	doc := reading("9", "Dresden", "Elbe", nil, every(100)...)
	doc.Stations[0].Lat, doc.Stations[0].Lon = 51.05, 13.74
	doc.Stations = append(doc.Stations, gauge.Station{Name: "no number", Lat: math.NaN(), Lon: math.NaN()})
	if k := r.take(store.Live, "saxony", doc); k.Others != 2 || k.Stations != 0 {
		t.Errorf("%+v", k)
	}
}

func TestThin(t *testing.T) {
	r := newRig(t, start.Add(3*time.Hour))
	r.take(store.Live, "saxony", goerlitz(every(100, 102, 101, 100, 103, 100, 99)...))
	r.clk.Advance(20 * 24 * time.Hour)
	r.ok(r.Thin(t.Context()))
	if diff := cmp.Diff(map[string]Mark{"06:40": Good, "07:00": Good}, r.marks(store.Live, "saxony/660000")); diff != "" {
		t.Error(diff)
	}
}

// BenchmarkTake is a list of as many gauges as the region has, with two days behind them.
func BenchmarkTake(b *testing.B) {
	r := newRig(b, start)
	at := start
	doc := func(values int) *gauge.Reading {
		var all gauge.Reading
		for i := range 60 {
			var points []Point
			for k := range values {
				points = append(points, Point{at.Add(-time.Duration(k) * 10 * time.Minute), float64(100 + (i+k)%7)})
			}
			one := reading("1000"+string(rune('a'+i%26))+string(rune('a'+i/26)), "x", "Neisse", []gauge.Limit{{Name: "Alarmstufe 1", Unit: "cm", From: 320}}, points...)
			one.Stations[0].Lat, one.Stations[0].Lon = 51, 15
			all.Stations = append(all.Stations, one.Stations[0])
		}
		return &all
	}
	r.take(store.Live, "saxony", doc(288))
	for b.Loop() {
		r.clk.Advance(10 * time.Minute)
		at = r.clk.Now()
		r.take(store.Live, "saxony", doc(1))
	}
}
