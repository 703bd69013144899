// Package gauge is what the services that measure rivers say, in one form: stations,
// levels and flows with their times, and the limits that each service has set for its
// own stages. A package of each service, below this one, reads its documents; for the
// alert module and `trojmezi gauge parse`.
//
// A level is what was measured; a limit crossed is another thing; and a stage proclaimed
// by an authority a third, which no document here tells. What a service expects stands
// apart from all of them. Limits of different services
// are not compared: each has its national name. Nothing is fetched, judged or alarmed
// here.
package gauge

import (
	"math"
	"strconv"
	"strings"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/format/shape"
	"trojmezi/internal/format/tree"
)

// Feed is a source of measurements.
type Feed struct {
	Name      string // on the command line, in the store and in addresses
	Title     string
	Knowledge feed.Knowledge
	// Parse reads one document. It is a function of the document alone.
	Parse func(doc []byte) (*Reading, *tree.Fault)
}

// Reading is what one document says.
type Reading struct {
	Stations   []Station
	Deviations []shape.Deviation // of the document as a whole
}

// Station is a gauge with what a document says of it.
type Station struct {
	ID      string // Source and the number of the service
	Source  string
	Number  string // of the service
	Name    string
	River   string
	Lat     float64 // degrees, WGS 84; NaN: not said
	Lon     float64
	Levels  []Measurement // cm above the zero of the gauge, the oldest first
	Flows   []Measurement // m³/s
	Trend   string        // as the service says it; "" without
	Limits  []Limit
	Remarks []string
	// Foretold says that the service has a forecast for the station, whether or not the
	// document holds its values: Forecasts are those that it holds.
	Foretold  bool
	Forecasts []Forecast

	Deviations []shape.Deviation
}

// Forecast is one issue of what a service expects of a station. Nothing in it was
// measured.
type Forecast struct {
	Issued feed.Moment
	Levels []Expected // cm above the zero of the gauge, the oldest first
}

// Expected is a value of a forecast.
type Expected struct {
	Measurement
	Estimate bool // the service calls it an estimate: of the days after its forecast
}

// Measurement is a value that was measured.
type Measurement struct {
	Value float64
	At    feed.Moment
}

// Limit is where a stage of the service begins. One without a value is not in the list:
// missing is not zero.
type Limit struct {
	Name string  // national: "1. SPA", "Alarmstufe 1", "stan alarmowy"
	Unit string  // "cm" or "m3/s"
	From float64 // in the unit
}

// Latest is the last measurement.
func Latest(list []Measurement) (Measurement, bool) {
	if len(list) == 0 {
		return Measurement{}, false
	}
	return list[len(list)-1], true
}

// Limits bound a document: a service has some hundred stations.
var Limits = tree.Limits{Bytes: 16 << 20, Depth: 12, Nodes: 200_000}

// Number reads a value: also with a decimal comma, also as a text. Nothing, null and
// "---" are no value, which is not zero; wrong says that it is none of these either.
func Number(n *tree.Node) (v float64, ok, wrong bool) {
	text := strings.TrimSpace(n.Value())
	if n == nil || n.Kind == tree.Null || text == "" || strings.Trim(text, "-") == "" {
		return math.NaN(), false, false
	}
	v, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return math.NaN(), false, true
	}
	return v, true, false
}

// Degrees reads a place on one axis, NaN for none.
func Degrees(n *tree.Node, most float64) float64 {
	v, ok, _ := Number(n)
	if !ok || math.Abs(v) > most {
		return math.NaN()
	}
	return v
}

// Add puts a value behind the others of a list when there is one: with its time, or
// with a deviation.
func (s *Station) Add(list *[]Measurement, value *tree.Node, at feed.Moment, wrongTime string, path string) {
	v, ok, wrong := Number(value)
	switch {
	case wrong:
		s.Deviations = append(s.Deviations, feed.Doubt(value, path, "number", nil))
	case ok && at.At.IsZero():
		s.Deviations = append(s.Deviations, feed.Doubt(value, path, "undated", map[string]any{"time": at.Text}))
	case ok:
		if wrongTime != "" {
			s.Deviations = append(s.Deviations, feed.Doubt(value, path, wrongTime, nil))
		}
		*list = append(*list, Measurement{v, at})
	}
}

// Limit adds one when it has a value.
func (s *Station) Limit(name, unit string, value *tree.Node, path string) {
	v, ok, wrong := Number(value)
	if wrong {
		s.Deviations = append(s.Deviations, feed.Doubt(value, path, "number", nil))
	}
	if ok {
		s.Limits = append(s.Limits, Limit{name, unit, v})
	}
}
