package cli

import (
	"encoding/json"
	"math"
	"slices"
	"time"

	"trojmezi/internal/alert/gauge"
	"trojmezi/internal/alert/gauge/all"
)

type gaugeCmd struct {
	Parse  gaugeParseCmd  `cmd:"" help:"cli.gauge.parse"`
	List   gaugeListCmd   `cmd:"" help:"cli.gauge.list"`
	Series gaugeSeriesCmd `cmd:"" help:"cli.gauge.series"`
	Take   gaugeTakeCmd   `cmd:"" help:"cli.gauge.take"`
	Number gaugeNumberCmd `cmd:"" help:"cli.gauge.number"`
	Travel gaugeTravelCmd `cmd:"" help:"cli.gauge.travel"`
}

type gaugeParseCmd struct {
	Feed  string   `required:"" enum:"chmi,imgw,saxony,pegelonline" help:"cli.gauge.feed"`
	Files []string `arg:"" name:"file" help:"cli.alert.file"`
}

// stationLine is one gauge for programs, one object a line.
type stationLine struct {
	ID         string            `json:"id"`
	Source     string            `json:"source"`
	Number     string            `json:"number"`
	Name       string            `json:"name"`
	River      string            `json:"river"`
	Lat        *float64          `json:"lat"`
	Lon        *float64          `json:"lon"`
	Levels     []measurementLine `json:"levels_cm"`
	Flows      []measurementLine `json:"flows_m3s"`
	Trend      string            `json:"trend"`
	Limits     []limitLine       `json:"limits"`
	Foretold   bool              `json:"has_forecast"` // says the service, with values here or without
	Forecasts  []forecastLine    `json:"forecasts"`
	Remarks    []string          `json:"remarks"`
	Deviations []deviation       `json:"deviations"`
}

type measurementLine struct {
	At    time.Time `json:"at"`
	Value float64   `json:"value"`
}

// forecastLine is one issue of a forecast: nothing in it was measured.
type forecastLine struct {
	Service string         `json:"service"`
	Issued  time.Time      `json:"issued"`
	Stale   *bool          `json:"stale,omitempty"` // in what a node says of it
	Levels  []expectedLine `json:"levels_cm"`
}

type expectedLine struct {
	At    time.Time `json:"at"`
	Value float64   `json:"value"`
	Sort  string    `json:"sort"` // forecast or estimate
}

func expected(at time.Time, v float64, estimate bool) expectedLine {
	if estimate {
		return expectedLine{at, v, "estimate"}
	}
	return expectedLine{at, v, "forecast"}
}

type limitLine struct {
	Name string  `json:"name"`
	Unit string  `json:"unit"`
	From float64 `json:"from"`
}

// Run reads documents of a service and prints its gauges. It exits as alert parse does.
func (c *gaugeParseCmd) Run(e *env) error {
	feeds := all.Feeds()
	f := feeds[slices.IndexFunc(feeds, func(f gauge.Feed) bool { return f.Name == c.Feed })]
	e.knowledge(f.Name, f.Knowledge)
	out := json.NewEncoder(e.out)
	out.SetEscapeHTML(false)
	return e.documents(c.Files, func(file string, doc []byte) error {
		r, fault := f.Parse(doc)
		if fault != nil {
			return e.notUnderstood(file, fault)
		}
		e.odd(file, r.Deviations)
		for i := range r.Stations {
			if err := out.Encode(e.station(&r.Stations[i])); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *env) station(s *gauge.Station) stationLine {
	measured := func(list []gauge.Measurement) []measurementLine {
		lines := []measurementLine{}
		for _, m := range list {
			lines = append(lines, measurementLine{m.At.At, m.Value})
		}
		return lines
	}
	line := stationLine{
		ID: s.ID, Source: s.Source, Number: s.Number, Name: s.Name, River: s.River, Levels: measured(s.Levels), Flows: measured(s.Flows), Trend: s.Trend,
		Limits: []limitLine{}, Foretold: s.Foretold, Forecasts: []forecastLine{}, Remarks: append([]string{}, s.Remarks...), Deviations: e.deviations(s.Deviations),
	}
	if !math.IsNaN(s.Lat) && !math.IsNaN(s.Lon) {
		line.Lat, line.Lon = &s.Lat, &s.Lon
	}
	for _, l := range s.Limits {
		line.Limits = append(line.Limits, limitLine(l))
	}
	for _, f := range s.Forecasts {
		one := forecastLine{Service: s.Source, Issued: f.Issued.At, Levels: []expectedLine{}}
		for _, x := range f.Levels {
			one.Levels = append(one.Levels, expected(x.At.At, x.Value, x.Estimate))
		}
		line.Forecasts = append(line.Forecasts, one)
	}
	return line
}
