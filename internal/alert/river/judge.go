package river

import (
	"math"
	"slices"
	"time"
)

// Unit is what a series counts: the level above the zero of the gauge, or the flow.
type Unit string

// The units, as the services' limits name them.
const (
	CM Unit = "cm"
	M3 Unit = "m3/s"
)

// Mark says what is doubtful about a value. A marked value alarms nobody.
type Mark string

// The marks. Missing values are no values: the time between two others shows them.
const (
	Good     Mark = ""
	Negative Mark = "negative"
	Jump     Mark = "jump"    // by more than a river can, and no other value confirms it
	Stuck    Mark = "stuck"   // the same for hours
	Future   Mark = "future"  // measured later than now
	Shifted  Mark = "shift"   // after a jump that stays and that no flood can make: another zero?
	Differs  Mark = "differs" // another service of the same gauge says something else
)

// Marks lists them in the order of the legend.
var Marks = []Mark{Jump, Shifted, Stuck, Negative, Future, Differs}

// Point is a value of a series.
type Point struct {
	At    time.Time
	Value float64
}

// Limit is where a stage of a service begins.
type Limit struct {
	Name string // national
	Unit Unit
	From float64
}

// reach is by how much a value may differ from another that was measured before or after
// it: more by proportion when more time lies between, but not more than any flood.
func (r Rules) reach(unit Unit, from float64, between time.Duration) float64 {
	longer := max(1, between.Minutes()/r.JumpTime.Minutes())
	if unit == M3 {
		return max(math.Abs(from)*(r.FlowJump-1), r.FlowJumpLeast) * longer
	}
	return min(r.Jump*longer, r.Shift)
}

// near reports whether b can follow a.
func (r Rules) near(unit Unit, a, b Point) bool {
	from := a.Value
	if unit == M3 {
		from = min(a.Value, b.Value) // a flow may fall as fast as it rose
	}
	return math.Abs(b.Value-a.Value) <= r.reach(unit, from, b.At.Sub(a.At).Abs())
}

// shiftTime is how long after a value another one can be a sudden jump.
const shiftTime = time.Hour

// Judge marks the values of one series, in the order of their times. rights are moments
// from which a person said that values are right although they jump there: what was
// before is nothing to compare with. lowest is the lowest limit, NaN for none.
//
// It looks at the whole series anew each time, so that a value that comes late counts as
// if it had come in time.
func Judge(points []Point, unit Unit, r Rules, now time.Time, rights []time.Time, lowest float64) []Mark {
	marks := make([]Mark, len(points))
	usable := func(i int) bool {
		return points[i].Value >= 0 && !points[i].At.After(now.Add(r.Ahead))
	}
	next := func(i int) int {
		for j := i + 1; j < len(points); j++ {
			if usable(j) {
				return j
			}
		}
		return -1
	}
	var good, shifted *Point // the last of each
	told := false            // by a person, since the last good one
	for i := range points {
		p := points[i]
		switch {
		case p.At.After(now.Add(r.Ahead)):
			marks[i] = Future
			continue
		case p.Value < 0:
			marks[i] = Negative
			continue
		}
		if slices.ContainsFunc(rights, func(t time.Time) bool { return (good == nil || t.After(good.At)) && !t.After(p.At) }) {
			good, shifted, told = nil, nil, true
		}
		// Of the first value of all nobody knows what it should be: one above a limit counts
		// when the next confirms it.
		if j := next(i); good == nil && !told && p.Value >= lowest && (j < 0 || !r.near(unit, p, points[j])) {
			marks[i] = Jump
			continue
		}
		switch {
		case good == nil || r.near(unit, *good, p) && !(shifted != nil && closer(p, *shifted, *good)):
			good, shifted = &points[i], nil
		case shifted != nil && r.near(unit, *shifted, p):
			marks[i], shifted = Shifted, &points[i]
		default:
			j := next(i)
			switch {
			case j < 0 || !r.near(unit, p, points[j]) || closer(points[j], *good, p):
				marks[i] = Jump
			case unit == CM && math.Abs(p.Value-good.Value) >= r.Shift && p.At.Sub(good.At) <= shiftTime:
				marks[i], shifted = Shifted, &points[i]
			default:
				good, shifted = &points[i], nil
			}
		}
	}
	r.stuck(points, marks, lowest)
	return marks
}

// closer reports whether the value of p is closer to that of a than to that of b.
func closer(p, a, b Point) bool { return math.Abs(p.Value-a.Value) < math.Abs(p.Value-b.Value) }

// stuck marks good values that stay the same for too long: sooner above the lowest limit.
func (r Rules) stuck(points []Point, marks []Mark, lowest float64) {
	first, n := -1, 0
	for i, p := range points {
		if marks[i] != Good {
			continue
		}
		if first < 0 || points[first].Value != p.Value {
			first, n = i, 0
		}
		n++
		long := r.Stuck
		if p.Value >= lowest { // false for NaN
			long = r.StuckFlood
		}
		if n >= r.StuckValues && p.At.Sub(points[first].At) >= long {
			marks[i] = Stuck
		}
	}
}

// goodOf are the values that count.
func goodOf(points []Point, marks []Mark) []Point {
	var all []Point
	for i, p := range points {
		if marks[i] == Good {
			all = append(all, p)
		}
	}
	return all
}

// Episode is a time above a limit, or of a fast rise. Down is zero while it lasts.
type Episode struct {
	Up, Down           time.Time
	UpValue, DownValue float64
	Peak               float64
	By                 float64 // of a rise: how much, within how long
	Within             time.Duration
}

// Above are the times above a limit. With the hysteresis a value just below it does not
// end one. was says that people hold it to be above already at the first value.
func Above(good []Point, from, hysteresis float64, was bool) (all []Episode) {
	open := false
	for i, p := range good {
		switch {
		case !open && (p.Value >= from || was && i == 0 && p.Value >= from-hysteresis):
			open = true
			all = append(all, Episode{Up: p.At, UpValue: p.Value, Peak: p.Value})
		case open:
			e := &all[len(all)-1]
			if e.Peak = max(e.Peak, p.Value); p.Value < from-hysteresis {
				open, e.Down, e.DownValue = false, p.At, p.Value
			}
		}
	}
	return all
}

// Rising are the times of a fast rise: by any of the rules, until by each of them it is
// less than half of it. rights are as of Judge: no rise goes across one.
func Rising(good []Point, rises []Rise, rights []time.Time) (all []Episode) {
	open := false
	for i, p := range good {
		var most, by float64
		var within time.Duration
		for _, r := range rises {
			low := p
			for k := i - 1; k >= 0 && p.At.Sub(good[k].At) <= r.Within; k-- {
				if slices.ContainsFunc(rights, func(t time.Time) bool { return t.After(good[k].At) && !t.After(p.At) }) {
					break
				}
				if good[k].Value < low.Value {
					low = good[k]
				}
			}
			if part := (p.Value - low.Value) / r.By; part > most {
				most, by, within = part, p.Value-low.Value, p.At.Sub(low.At)
			}
		}
		switch {
		case !open && most >= 1:
			open = true
			all = append(all, Episode{Up: p.At, UpValue: p.Value, Peak: p.Value, By: by, Within: within})
		case open:
			e := &all[len(all)-1]
			if e.Peak = max(e.Peak, p.Value); most < 0.5 {
				open, e.Down, e.DownValue = false, p.At, p.Value
			}
		}
	}
	return all
}

// Merged are the values of one gauge by several services: those of the first count, and
// of each other one where those before it have nothing within same. owner is the service
// of each. differs are the times, by service, at which one says something else than
// those before it, whose values count.
func Merged(services [][]Point, same time.Duration, differ float64) (all []Point, owner []int, differs []map[time.Time]bool) {
	type owned struct {
		Point
		by int
	}
	var merged []owned
	for n, points := range services {
		odd := map[time.Time]bool{}
		differs = append(differs, odd)
		before := len(merged)
		for _, p := range points {
			at, found := slices.BinarySearchFunc(merged[:before], p.At, func(q owned, t time.Time) int { return q.At.Compare(t) })
			// What the services before it say at the time, or just before and after.
			low, high := math.Inf(1), math.Inf(-1)
			for k := at - 1; k <= at; k++ {
				if found && k != at || k < 0 || k >= before || merged[k].At.Sub(p.At).Abs() > same {
					continue
				}
				low, high = min(low, merged[k].Value), max(high, merged[k].Value)
			}
			switch {
			case low > high:
				merged = append(merged, owned{p, n})
			case p.Value < low-differ || p.Value > high+differ:
				odd[p.At] = true
			}
		}
		slices.SortStableFunc(merged, func(a, b owned) int { return a.At.Compare(b.At) })
	}
	for _, m := range merged {
		all, owner = append(all, m.Point), append(owner, m.by)
	}
	return all, owner, differs
}
