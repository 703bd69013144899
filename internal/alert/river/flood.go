package river

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/alert/feed"
)

//go:embed data/flood_2010.csv
var floodCSV string

//go:embed data/reconstruction.csv
var reconstructionCSV string

// Fact is one row of what is known of the flood of August 2010.
type Fact struct {
	Key            string    // its name, and that of its texts
	At             time.Time // zero: only the day is known
	Local          string    // as it was told
	Precision      string
	Country, Place string
	River, What    string
	Value          float64
	Unit, Text     string // the text as it was compiled, in English
	Status, Source string
}

// statuses are the words in which the rows say how sure they are, and their texts.
var statuses = map[string]string{
	"verified": "verified", "verified (period)": "period", "verified (period), approximate (hour)": "period", "verified (order), no hours": "order",
	"verified (value), no hour": "value", "verified (afternoon), approximate hour": "half_day", "verified (night)": "half_day", "verified (early morning)": "half_day",
	"verified (Sunday morning)": "half_day", "verified (day, fact); hour from-memory (between 17 and 18:30)": "dam", "verified (text), approximate hour": "text",
}

// Keys of the texts of a fact: what happened, how exactly its time is known, how sure it is.
func (f Fact) TextKey() string   { return "river.fact." + f.Key }
func (f Fact) TimeKey() string   { return "river.fact.time." + strings.ReplaceAll(f.Precision, " ", "_") }
func (f Fact) StatusKey() string { return "river.fact.status." + statuses[f.Status] }

// Exact reports whether a clock showed the time; else it is a time of the day, or none.
func (f Fact) Exact() bool { return f.Precision == "exact" }

// Gauge is the gauge of ours that a level of the flood is of; "": none.
func (f Fact) Gauge() string { return floodGauges[f.Place] }

// places of the flood's facts that are gauges of ours.
var floodGauges = map[string]string{"Zittau 1": "de-zittau-1", "Görlitz": "de-goerlitz", "Podrosche": "de-podrosche-3"}

// Flood2010 are the facts.
func Flood2010() (all []Fact) {
	rows, err := table(floodCSV)
	if err != nil {
		panic(err) // the tests read it
	}
	for _, r := range rows {
		f := Fact{Key: r["key"], Local: r["t_local"], Precision: r["t_precision"], Country: r["country"], Place: r["place"], River: r["river"], What: r["kind"], Unit: r["unit"], Text: r["text_key"], Status: r["status"], Source: r["source"]}
		f.At, _ = local(r["t_local"])
		f.Value, _ = strconv.ParseFloat(r["value"], 64)
		all = append(all, f)
	}
	return all
}

var prague = feed.Zone("Europe/Prague")

// local reads a time of a clock on a wall to the minute.
func local(text string) (time.Time, bool) {
	t, err := time.ParseInLocation("2006-01-02T15:04", text, prague)
	return t.UTC(), err == nil
}

// Measured2010 are the levels of a gauge that are known, in the order of their times.
func Measured2010(gauge string) (all []Point) {
	for _, f := range Flood2010() {
		if floodGauges[f.Place] == gauge && f.Unit == string(CM) && !f.At.IsZero() {
			all = append(all, Point{f.At, f.Value})
		}
	}
	slices.SortFunc(all, func(a, b Point) int { return a.At.Compare(b.At) })
	return all
}

// Curve2010 is a reconstruction: straight lines through what is known and what was put
// between, a value each step. It is no measurement and is nowhere shown as one. nil where
// there is nothing to draw a line through.
func Curve2010(gauge string, step time.Duration) (curve []Point) {
	through := Measured2010(gauge)
	rows, err := table(reconstructionCSV)
	if err != nil {
		panic(err) // the tests read it
	}
	for _, r := range rows {
		at, ok := local(r["t_local"])
		v, err := strconv.ParseFloat(r["value"], 64)
		if r["gauge"] == gauge && ok && err == nil {
			through = append(through, Point{at, v})
		}
	}
	slices.SortFunc(through, func(a, b Point) int { return a.At.Compare(b.At) })
	if len(through) < 2 {
		return nil
	}
	i := 0
	for at := through[0].At; !at.After(through[len(through)-1].At); at = at.Add(step) {
		for i+2 < len(through) && through[i+1].At.Before(at) {
			i++
		}
		a, b := through[i], through[i+1]
		part := float64(at.Sub(a.At)) / float64(b.At.Sub(a.At))
		curve = append(curve, Point{at, a.Value + part*(b.Value-a.Value)})
	}
	return curve
}
