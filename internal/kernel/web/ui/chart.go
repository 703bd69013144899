package ui

import (
	"math"
	"strings"

	"github.com/a-h/templ"
)

// The drawing's own units; the page scales it.
const (
	chartWidth, chartHeight         = 640.0, 260.0
	chartLeft, chartRight           = 8.0, 8.0
	chartTop, chartBottom           = 12.0, 28.0
	chartName                       = 130.0 // where the names of thresholds begin, right of the axis
	chartTicks                      = 4
	maxLines                        = 4 // more cannot be told apart by dash and label
	barGap                  float64 = 0.3
)

// Point is a value at a place of the axis. NaN is a gap and stays one.
type Point struct {
	Label string // of the axis and the table: a time, a month
	Value float64
}

// Series is one line or row of bars, with all points of the chart.
type Series struct {
	Name     string // as it stands beside the line
	Points   []Point
	Forecast bool // dashed
}

// Threshold is a horizontal line with its national name.
type Threshold struct {
	Name  string
	Value float64
}

// Chart is a diagram and its table. Title is a sentence that says what it shows.
type Chart struct {
	ID         string
	Title      string
	Axis       string // head of the table's first column
	Bars       bool
	Whole      bool     // the values are counts: no tick between two of them
	Series     []Series // at most four lines; one row of bars
	Thresholds []Threshold
	// Format writes a value with its unit in the reader's language.
	Format func(float64) string
	Source string // who measured, and when it was read
	Open   bool   // the table is unfolded
}

// scale spans the values, not from zero for lines: rivers do not start there. step
// is from one tick to the next.
type scale struct{ low, high, step float64 }

func (c Chart) scale() scale {
	s := scale{low: math.Inf(1), high: math.Inf(-1)}
	take := func(v float64) {
		if !math.IsNaN(v) {
			s.low, s.high = min(s.low, v), max(s.high, v)
		}
	}
	for _, l := range c.Series {
		for _, p := range l.Points {
			take(p.Value)
		}
	}
	for _, t := range c.Thresholds {
		take(t.Value)
	}
	if c.Bars {
		take(0)
	}
	if math.IsInf(s.low, 0) {
		return scale{0, 1, 1}
	}
	s.step = nice((s.high - s.low) / chartTicks)
	if c.Whole {
		s.step = max(s.step, 1)
	}
	s.low, s.high = math.Floor(s.low/s.step)*s.step, math.Ceil(s.high/s.step)*s.step
	if s.low == s.high {
		s.high += s.step
	}
	return s
}

// nice rounds a step up to 1, 2 or 5 times a power of ten.
func nice(v float64) float64 {
	if v <= 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*p {
			return m * p
		}
	}
	return 10 * p
}

func (s scale) y(v float64) float64 {
	return chartTop + (s.high-v)/(s.high-s.low)*(chartHeight-chartTop-chartBottom)
}

func (s scale) ticks() []float64 {
	var all []float64
	for v := s.low; v <= s.high+s.step/1e6; v += s.step {
		all = append(all, v)
	}
	return all
}

func (c Chart) points() []Point {
	if len(c.Series) == 0 {
		return nil
	}
	return c.Series[0].Points
}

// x is the middle of the i-th place.
func (c Chart) x(i int) float64 {
	n, room := len(c.points()), chartWidth-chartLeft-chartRight
	if c.Bars {
		return chartLeft + (float64(i)+0.5)*room/float64(n)
	}
	if n < 2 {
		return chartLeft + room/2
	}
	return chartLeft + float64(i)*room/float64(n-1)
}

// path is the line of a series; a gap lifts the pen.
func (c Chart) path(l Series) string {
	var d strings.Builder
	s, pen := c.scale(), false
	for i, p := range l.Points {
		if math.IsNaN(p.Value) {
			pen = false
			continue
		}
		if pen {
			d.WriteString("L")
		} else {
			d.WriteString("M")
		}
		d.WriteString(decimal(c.x(i)) + " " + decimal(s.y(p.Value)))
		pen = true
	}
	return d.String()
}

// labelled are the places of the axis that get their label: as many as fit.
func (c Chart) labelled() []int {
	const fit = 7
	n := len(c.points())
	step := max(1, (n+fit-1)/fit)
	var all []int
	for i := 0; i < n; i += step {
		all = append(all, i)
	}
	return all
}

func (c Chart) lines() []Series { return c.Series[:min(len(c.Series), maxLines)] }

// last is the final point with a value, where the name of a line stands.
func (c Chart) last(l Series) (x, y float64, ok bool) {
	for i := len(l.Points) - 1; i >= 0; i-- {
		if !math.IsNaN(l.Points[i].Value) {
			return c.x(i), c.scale().y(l.Points[i].Value), true
		}
	}
	return 0, 0, false
}

// cell is a value of the table.
func (c Chart) cell(v float64, gap string) string {
	if math.IsNaN(v) {
		return gap
	}
	return c.Format(v)
}

func (c Chart) barWidth() float64 {
	return (chartWidth - chartLeft - chartRight) / float64(len(c.points())) * (1 - barGap)
}

// bar is where the bar of a value begins and how tall it is; a gap has no height.
func (c Chart) bar(v float64) (top, height float64) {
	if math.IsNaN(v) {
		v = 0
	}
	zero, end := c.scale().y(0), c.scale().y(v)
	return min(zero, end), math.Abs(zero - end)
}

func telephone(number string) templ.SafeURL {
	return templ.SafeURL("tel:" + strings.Map(func(r rune) rune {
		if r == '+' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, number))
}
