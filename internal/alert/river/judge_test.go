package river

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var start = time.Date(2026, 8, 7, 6, 0, 0, 0, time.UTC)

// every makes points of values that lie ten minutes apart.
func every(values ...float64) (all []Point) {
	for i, v := range values {
		all = append(all, Point{start.Add(time.Duration(i) * 10 * time.Minute), v})
	}
	return all
}

func repeat(v float64, n int) (all []float64) {
	for range n {
		all = append(all, v)
	}
	return all
}

func TestJudge(t *testing.T) {
	r := DefaultRules()
	none := math.NaN()
	for _, c := range []struct {
		name   string
		unit   Unit
		points []Point
		rights []time.Time
		lowest float64
		want   string // a letter for each value: g good, j jump, s stuck, n negative, f future, z shift
	}{
		{"a calm river", CM, every(100, 101, 100, 102), nil, none, "gggg"},
		{"a gauge that jumps by 10 m and back", CM, every(100, 101, 1101, 102, 101), nil, none, "ggjgg"},
		{"the jump is the newest value", CM, every(100, 101, 1101), nil, none, "ggj"},
		{"a jump of 2 m that nothing confirms", CM, every(100, 101, 301, 102), nil, none, "ggjg"},
		{"a wave of 2 m that the next value confirms", CM, every(100, 101, 301, 320, 330), nil, none, "ggggg"},
		{"two wrong values in a row are no flood of 10 m", CM, every(100, 101, 1101, 1102, 1101, 102), nil, none, "ggzzzg"},
		{"a zero that was moved by 10 m", CM, every(append([]float64{100, 101}, repeat(1101, 8)...)...), nil, none, "ggzzzzzzzz"},
		{"the same after a person said that it is right", CM, every(append([]float64{100, 101}, repeat(1101, 4)...)...), []time.Time{start.Add(15 * time.Minute)}, none, "gggggg"},
		{"negative", CM, every(100, -5, 101), nil, none, "gng"},
		{"from zero on", CM, every(0, 1, 0), nil, none, "ggg"},
		{"a clock an hour ahead", CM, append(every(100, 101), Point{start.Add(5 * time.Hour), 100}), nil, none, "ggf"},
		{"stuck for a night", CM, every(append([]float64{100}, repeat(101, 80)...)...), nil, none, "g" + letters('g', 72) + letters('s', 8)},
		{"stuck sooner in a flood", CM, every(append([]float64{499}, repeat(500, 30)...)...), nil, 320, "g" + letters('g', 24) + letters('s', 6)},
		{"few equal values say nothing", CM, []Point{{start, 100}, {start.Add(20 * time.Hour), 100}}, nil, none, "gg"},
		{"2010 at the steepest", CM, every(295, 317, 339, 362, 384, 406), nil, 320, "gggggg"},
		{"a gap of a day and 4 m more", CM, []Point{{start, 100}, {start.Add(24 * time.Hour), 500}}, nil, none, "gg"},
		{"a flow that grows fivefold at once", M3, every(10, 11, 120, 12), nil, none, "ggjg"},
		{"a flow that grows in a storm", M3, every(1, 4, 15, 30), nil, none, "gggg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := start.Add(24 * time.Hour)
			if c.name == "a clock an hour ahead" {
				now = start.Add(3 * time.Hour)
			}
			var got []byte
			for _, m := range Judge(c.points, c.unit, r, now, c.rights, c.lowest) {
				got = append(got, map[Mark]byte{Good: 'g', Jump: 'j', Stuck: 's', Negative: 'n', Future: 'f', Shifted: 'z'}[m])
			}
			if string(got) != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func letters(b byte, n int) string { return string(slices.Repeat([]byte{b}, n)) }

func TestAbove(t *testing.T) {
	got := Above(every(310, 321, 318, 322, 316, 314, 330, 100), 320, 5, false)
	at := func(i int) time.Time { return start.Add(time.Duration(i) * 10 * time.Minute) }
	want := []Episode{
		{Up: at(1), UpValue: 321, Peak: 322, Down: at(5), DownValue: 314}, // 316 to 318 are within the hysteresis
		{Up: at(6), UpValue: 330, Peak: 330, Down: at(7), DownValue: 100},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := Above(every(317), 320, 5, true); len(got) != 1 {
		t.Error("what people hold to be above ends within the hysteresis")
	}
	if got := Above(every(317), 320, 5, false); len(got) != 0 {
		t.Error("a level below begins above")
	}
}

func TestRising(t *testing.T) {
	r := DefaultRules()
	for _, c := range []struct {
		name string
		step time.Duration
		want time.Duration // until told; negative: never
		cm   float64       // an hour
	}{
		{"2010, every 10 min", 10 * time.Minute, 30 * time.Minute, 133},
		{"2010, every 15 min", 15 * time.Minute, 30 * time.Minute, 133},
		{"2010, hourly", time.Hour, time.Hour, 133},
		{"a river in spring", 10 * time.Minute, -1, 15},
		{"half of 2010", 10 * time.Minute, 3 * time.Hour, 67},
	} {
		t.Run(c.name, func(t *testing.T) {
			var points []Point
			for at := time.Duration(0); at <= 3*time.Hour; at += c.step {
				points = append(points, Point{start.Add(at), 295 + c.cm*at.Hours()})
			}
			got := Rising(points, r.Rises, nil)
			if c.want < 0 {
				if len(got) > 0 {
					t.Fatalf("told: %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Up.Sub(start) != c.want || !got[0].Down.IsZero() {
				t.Errorf("got %+v, want one after %v", got, c.want)
			}
		})
	}
	jump := every(100, 101, 260, 262)
	if got := Rising(jump, r.Rises, []time.Time{start.Add(15 * time.Minute)}); len(got) != 0 {
		t.Errorf("a zero that was moved is no rise: %+v", got)
	}
}

func TestMerged(t *testing.T) {
	own := every(100, 110, 120)
	other := []Point{{start, 100}, {start.Add(5 * time.Minute), 105}, {start.Add(10 * time.Minute), 160}, {start.Add(2 * time.Hour), 130}}
	all, owner, differs := Merged([][]Point{own, other}, 15*time.Minute, 10)
	if want := append(slices.Clone(own), other[3]); !slices.Equal(all, want) {
		t.Errorf("got %v, want %v", all, want)
	}
	if !slices.Equal(owner, []int{0, 0, 0, 1}) {
		t.Error(owner)
	}
	if len(differs[0]) != 0 || len(differs[1]) != 1 || !differs[1][other[2].At] {
		t.Errorf("differs: %v", differs)
	}
}

// crossings is the simple model: it knows nothing of batches, marks or what was told. It
// looks at values in the order of their times and says how often the level went up.
func crossings(values map[int64]float64, limit, hysteresis float64) (ups int, above bool) {
	var times []int64
	for t := range values {
		times = append(times, t)
	}
	slices.Sort(times)
	for _, t := range times {
		if v := values[t]; v >= limit && !above {
			ups, above = ups+1, true
		} else if v < limit-hysteresis {
			above = false
		}
	}
	return ups, above
}

// walk draws a river without bad values: never the same twice, no faster than it can.
func walk(t *rapid.T) []float64 {
	v, all := rapid.Float64Range(150, 400).Draw(t, "first"), []float64(nil)
	for range rapid.IntRange(1, 120).Draw(t, "n") {
		step := float64(rapid.IntRange(1, 70).Draw(t, "step"))
		if rapid.Bool().Draw(t, "falls") {
			step = -step
		}
		if v+step < 0 {
			step = -step
		}
		v += step
		all = append(all, math.Round(v))
	}
	for i := 1; i < len(all); i++ {
		if all[i] == all[i-1] {
			all[i]++
		}
	}
	return all
}

// heard keeps what people were told of one limit, as the store does.
type heard struct {
	told []Crossing
	ups  int
	log  []Cause
	next int
}

func (h *heard) take(t *rapid.T, points []Point, limit float64, r Rules) {
	marks := Judge(points, CM, r, start.Add(1000*time.Hour), nil, math.NaN())
	good := goodOf(points, marks)
	if len(good) == 0 {
		return
	}
	was := slices.ContainsFunc(h.told, func(c Crossing) bool { return c.Down.IsZero() && !c.Up.After(good[0].At) })
	for _, s := range Steps(h.told, Above(good, limit, r.Hysteresis, was), start, &good[len(good)-1]) {
		i := slices.IndexFunc(h.told, func(c Crossing) bool { return c.ID == s.Of })
		switch s.What {
		case Up, Past:
			h.next++
			h.told = append(h.told, Crossing{ID: fmt.Sprint(h.next), Up: s.Up, Down: s.Down, Peak: s.Peak})
			h.ups++
		case Down:
			if i < 0 {
				t.Fatal("the end of a crossing that nobody was told of")
			}
			h.told[i].Down = s.Down
		}
		if s.What == Up || s.What == Down {
			if n := len(h.log); n > 0 && h.log[n-1] == s.What || n == 0 && s.What == Down {
				t.Fatalf("told %s twice: %v", s.What, h.log)
			}
			h.log = append(h.log, s.What)
		}
	}
}

func (h *heard) above() bool { return len(h.log) > 0 && h.log[len(h.log)-1] == Up }

// In order each crossing is told once, up and down, as the simple model counts them.
func TestEachCrossingOnce(t *testing.T) {
	r := DefaultRules()
	rapid.Check(t, func(t *rapid.T) {
		points := every(walk(t)...)
		limit := float64(rapid.IntRange(100, 500).Draw(t, "limit"))
		var h heard
		values := map[int64]float64{}
		for i, p := range points {
			h.take(t, points[:i+1], limit, r)
			h.take(t, points[:i+1], limit, r) // the same document again
			values[p.At.Unix()] = p.Value
			ups, above := crossings(values, limit, r.Hysteresis)
			if h.ups != ups || h.above() != above {
				t.Fatalf("after %d values: told %d, above %v; the model %d, %v", i+1, h.ups, h.above(), ups, above)
			}
		}
	})
}

// In whatever order and in whatever portions values come: when all are there, people hold
// true what the values say, and were told up and down by turns (heard.take).
func TestAnyOrder(t *testing.T) {
	r := DefaultRules()
	r.Jump, r.Shift = 1e5, 1e6 // with values missing a river may seem to jump; that has its own test
	rapid.Check(t, func(t *rapid.T) {
		points := every(walk(t)...)
		limit := float64(rapid.IntRange(100, 500).Draw(t, "limit"))
		var h heard
		var have []Point
		values := map[int64]float64{}
		for order := rapid.Permutation(points).Draw(t, "order"); len(order) > 0; {
			n := rapid.IntRange(1, len(order)).Draw(t, "portion")
			for _, p := range order[:n] {
				values[p.At.Unix()] = p.Value
			}
			have, order = append(have, order[:n]...), order[n:]
			slices.SortFunc(have, func(a, b Point) int { return a.At.Compare(b.At) })
			h.take(t, have, limit, r)
			if _, above := crossings(values, limit, r.Hysteresis); h.above() != above {
				t.Fatalf("told %v, the values say above: %v", h.log, above)
			}
		}
	})
}

// Single values that cannot be, in a river below its limit, alarm nobody.
func TestBadValuesAlarmNobody(t *testing.T) {
	r := DefaultRules()
	rapid.Check(t, func(t *rapid.T) {
		points := every(walk(t)...)
		top := 0.0
		for _, p := range points {
			top = max(top, p.Value)
		}
		limit, bad := top+1, map[int]bool{}
		for range rapid.IntRange(1, 10).Draw(t, "bad") {
			i := rapid.IntRange(1, max(1, len(points)-1)).Draw(t, "at")
			if i >= len(points) || bad[i-1] || bad[i+1] || bad[i] {
				continue
			}
			bad[i] = true
			points[i].Value = rapid.SampledFrom([]float64{-1, -999, top + 400, top + 1000, 99999}).Draw(t, "value")
		}
		var h heard
		for i := range points {
			h.take(t, points[:i+1], limit, r)
		}
		if len(h.log)+h.ups > 0 {
			t.Fatalf("told %v", h.log)
		}
		marks := Judge(points, CM, r, start.Add(1000*time.Hour), nil, math.NaN())
		for i := range points {
			if bad[i] != (marks[i] != Good) {
				t.Fatalf("value %d (%v): mark %q", i, points[i].Value, marks[i])
			}
		}
		if rises := Rising(goodOf(points, marks), []Rise{{top + 300, 30 * time.Minute}}, nil); len(rises) > 0 {
			t.Fatal("a bad value is a rise")
		}
	})
}

func TestThinned(t *testing.T) {
	now := start.AddDate(2, 0, 0)
	rapid.Check(t, func(t *rapid.T) {
		var values []Value
		peaks := map[string]float64{}
		key := func(at time.Time) string {
			if now.Sub(at) > keepHours {
				return at.Format(time.DateOnly)
			}
			return at.Format("2006-01-02T15")
		}
		at := start
		for range rapid.IntRange(0, 300).Draw(t, "n") {
			at = at.Add(time.Duration(rapid.IntRange(1, 60*24*8).Draw(t, "later")) * time.Minute)
			v := Value{Point: Point{at, float64(rapid.IntRange(0, 900).Draw(t, "v"))}}
			values = append(values, v)
			if now.Sub(at) > keepAll {
				peaks[key(at)] = max(peaks[key(at)], v.Value)
			}
		}
		gone := Thinned(values, now)
		left := map[string]int{}
		for _, v := range values {
			if slices.Contains(gone, v.At) {
				if now.Sub(v.At) <= keepAll {
					t.Fatal("a value of these days went")
				}
				continue
			}
			if now.Sub(v.At) > keepAll {
				left[key(v.At)]++
				if v.Value != peaks[key(v.At)] {
					t.Fatal("the highest went")
				}
			}
		}
		for k := range peaks {
			if left[k] != 1 {
				t.Fatalf("%s: %d values stay", k, left[k])
			}
		}
	})
}

// The first value of a gauge that was never heard before, ten metres too high, alarms
// nobody; a flood that was there before the gauge was, does with its second value.
func TestFirstEver(t *testing.T) {
	r, first := DefaultRules(), time.Date(2026, 8, 7, 12, 0, 0, 0, time.UTC)
	series := func(values ...float64) (all []Point) {
		for i, v := range values {
			all = append(all, Point{first.Add(time.Duration(i) * 10 * time.Minute), v})
		}
		return all
	}
	for _, c := range []struct {
		values []float64
		want   []Mark
	}{
		{[]float64{1250}, []Mark{Jump}}, {[]float64{1250, 250, 251}, []Mark{Jump, Good, Good}}, {[]float64{250}, []Mark{Good}},
		{[]float64{480}, []Mark{Jump}}, {[]float64{480, 490}, []Mark{Good, Good}},
	} {
		if got := Judge(series(c.values...), CM, r, first.Add(time.Hour), nil, 320); !slices.Equal(got, c.want) {
			t.Errorf("%v: %q", c.values, got)
		}
	}
	if got := Judge(series(1250), CM, r, first.Add(time.Hour), []time.Time{first}, 320); got[0] != Good {
		t.Errorf("a person's word counts before the first value too: %q", got)
	}
}
