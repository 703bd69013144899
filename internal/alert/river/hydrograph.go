package river

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// The drawing's own units; the page scales it.
const (
	plotWidth, plotHeight = 640.0, 280.0
	plotLeft, plotRight   = 8.0, 8.0
	plotTop, plotBottom   = 14.0, 30.0
	limitName             = 130.0          // where the names of limits begin, right of the axis
	gap                   = 3 * time.Hour  // a longer time without a value lifts the pen
	farApart              = 25 * time.Hour // likewise in a forecast, which may have a value a day
)

// Plot is a hydrograph: time against level.
type Plot struct {
	From, To time.Time
	Now      time.Time // zero: no line for it
	Values   []Value
	Dotted   []Point // a reconstruction, never a measurement
	Facts    []Point // single known points
	Expected []Point // of a forecast, never a measurement
	Limits   []Limit
	Step     time.Duration // between labels of the time axis
}

// bounds span what is drawn, not from zero: rivers do not start there.
func (p Plot) bounds() (low, high, step float64) {
	low, high = math.Inf(1), math.Inf(-1)
	take := func(v float64) { low, high = min(low, v), max(high, v) }
	for _, v := range p.Values {
		if v.Mark == Good || v.Mark == Stuck {
			take(v.Value)
		}
	}
	for _, list := range [][]Point{p.Dotted, p.Facts, p.Expected} {
		for _, v := range list {
			take(v.Value)
		}
	}
	for _, l := range p.Limits {
		take(l.From)
	}
	if math.IsInf(low, 0) {
		return 0, 100, 25
	}
	step = nice(max(high-low, 4) / 4)
	low, high = math.Floor(low/step)*step, math.Ceil(high/step)*step
	if low == high {
		high += step
	}
	return low, high, step
}

// nice rounds a step up to 1, 2 or 5 times a power of ten.
func nice(v float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*p {
			return m * p
		}
	}
	return 10 * p
}

func (p Plot) x(t time.Time) float64 {
	return plotLeft + float64(t.Sub(p.From))/float64(p.To.Sub(p.From))*(plotWidth-plotLeft-plotRight)
}

// y is where a value lies; one beyond the drawing lies at its edge.
func (p Plot) y(v float64) float64 {
	low, high, _ := p.bounds()
	return plotTop + (high-min(high, max(low, v)))/(high-low)*(plotHeight-plotTop-plotBottom)
}

func (p Plot) ticks() (all []float64) {
	low, high, step := p.bounds()
	for v := low; v <= high+step/1e6; v += step {
		all = append(all, v)
	}
	return all
}

// times are the labelled moments: whole steps of the clock on the wall.
func (p Plot) times() (all []time.Time) {
	wall := p.From.In(prague)
	at := time.Date(wall.Year(), wall.Month(), wall.Day(), 0, 0, 0, 0, prague)
	hours := int(p.Step.Hours())
	for n := 0; !at.After(p.To); n += hours {
		at = time.Date(wall.Year(), wall.Month(), wall.Day(), n, 0, 0, 0, prague) // days of 23 and 25 hours too
		if !at.Before(p.From) && !at.After(p.To) {
			all = append(all, at)
		}
	}
	return all
}

// dropped says of a label whether a narrow screen goes without it: every second one, but not
// those at midnight, which name the day.
func (p Plot) dropped(n int) bool {
	day := 0
	for i, at := range p.times() {
		if at.In(prague).Hour() == 0 {
			day = i
			break
		}
	}
	return (n-day)%2 != 0
}

func decimal(v float64) string { return fmt.Sprintf("%.1f", v) }

// path is the line of points; where more than gap lies between two the pen is lifted.
func (p Plot) path(points []Point, gap time.Duration) string {
	var d strings.Builder
	for i, v := range points {
		command := "L"
		if i == 0 || v.At.Sub(points[i-1].At) > gap {
			command = "M"
		}
		d.WriteString(command + decimal(p.x(v.At)) + " " + decimal(p.y(v.Value)))
		if command == "M" {
			d.WriteString("h0.1") // a single value is seen too
		}
	}
	return d.String()
}

// measured are the values of the line: the good ones, and those that stand still.
func (p Plot) measured() (all []Point) {
	for _, v := range p.Values {
		if (v.Mark == Good || v.Mark == Stuck) && !v.At.Before(p.From) && !v.At.After(p.To) {
			all = append(all, v.Point)
		}
	}
	return all
}

// wrong are the marked values, as crosses where they lie, or at the edge.
func (p Plot) wrong() string {
	var d strings.Builder
	for _, v := range p.Values {
		if v.Mark == Good || v.Mark == Stuck || v.At.Before(p.From) || v.At.After(p.To) {
			continue
		}
		x, y := p.x(v.At), p.y(v.Value)
		fmt.Fprintf(&d, "M%.1f %.1fl8 8m0 -8l-8 8", x-4, y-4)
	}
	return d.String()
}
