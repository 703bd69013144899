package replay

import (
	_ "embed"
	"encoding/csv"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/river"
)

//go:embed data/limits.csv
var limitsCSV string

// Origin says how well something is known, or whose doing it is.
type Origin string

// The origins. Only a fact is known of the time that is played.
const (
	Fact           Origin = "fact"           // a row of the table of facts, with its source
	Reconstruction Origin = "reconstruction" // derived or assumed, so that there is something to play
	Exercise       Origin = "exercise"       // put in for the exercise, nothing of the kind is known
	Recorded       Origin = "recorded"       // as a node kept it
	Told           Origin = "told"           // what this node did
)

// Limit is one of the levels that held at a gauge.
type Limit struct {
	Gauge, Name    string
	Value          float64
	Status, Source string
}

// Limits2010 are those that are known of August 2010. They are for replays and tests: in
// service the services tell theirs.
func Limits2010() (all []Limit) {
	rows, err := csv.NewReader(strings.NewReader(limitsCSV)).ReadAll()
	if err != nil {
		panic(err) // the tests read it
	}
	for _, r := range rows[1:] {
		v, err := strconv.ParseFloat(r[2], 64)
		if err != nil {
			panic(err)
		}
		all = append(all, Limit{Gauge: r[0], Name: r[1], Value: v, Status: r[4], Source: r[5]})
	}
	return all
}

var prague = feed.Zone("Europe/Prague")

// Local is a time of a clock on a wall of the three countries: "2010-08-07T18:00", or a
// day.
func Local(text string) (time.Time, error) {
	t, err := time.ParseInLocation("2006-01-02T15:04", text, prague)
	if err != nil {
		if t, day := time.ParseInLocation("2006-01-02", text, prague); day == nil {
			return t.UTC(), nil
		}
	}
	return t.UTC(), err
}

func local(text string) time.Time {
	t, err := Local(text)
	if err != nil {
		panic(err) // constants of this package
	}
	return t
}

// Begin2010 and End2010 bound the timeline: from the first day of the warnings to the last
// level that is known.
var (
	Begin2010 = local("2010-08-06")
	End2010   = local("2010-08-09T06:30")
)

// What the replay puts in beside the facts: when the Polish warning of 6 August stood in
// its feed is not known, and no feed is known to have failed.
var (
	WarnedAt    = local("2010-08-06T10:00") // reconstruction: only the day is known
	DamAt       = local("2010-08-07T18:00") // fact, hour approximate
	FloodWaveAt = local("2010-08-07T18:15") // fact, hour approximate
	PeakAt      = local("2010-08-08T07:00") // fact, in the morning
	FeedEnds    = local("2010-08-07T16:00") // exercise
	FeedReturns = local("2010-08-07T17:30") // exercise
)

const (
	// StaleAfter is how old the news of the Polish warnings may be in the replay.
	StaleAfter = 30 * time.Minute
	// Poll is how often the replay asks each feed, and gauges measure.
	Poll = 10 * time.Minute
	// Soon is within what time people are told once a value can be read.
	Soon = 30 * time.Second
	// Minute is within what time a notice reaches a mayor in his language.
	Minute = time.Minute
	// AnswerTime is how long somebody may take to acknowledge.
	AnswerTime = 5 * time.Minute
)

// readable is within what time a crossing must have been told: the gauge measures, the
// feed is asked, people are told.
const readable = 2*Poll + 2*time.Minute + Soon

// Crossing is when the reconstructed curve of a gauge reaches a level; zero: never.
func Crossing(gauge string, value float64, after time.Time, up bool) time.Time {
	for _, p := range river.Curve2010(gauge, time.Minute) {
		if !p.At.Before(after) && (p.Value >= value) == up {
			return p.At
		}
	}
	return time.Time{}
}

func limit(gauge, name string) float64 {
	for _, l := range Limits2010() {
		if l.Gauge == gauge && l.Name == name {
			return l.Value
		}
	}
	panic("replay: no limit " + gauge + " " + name) // constants of this package
}

// Moments2010 are what must happen in the flood of 2010.
func Moments2010() []Moment {
	fourth := limit("de-goerlitz", "A4")
	reached := Crossing("de-goerlitz", fourth, Begin2010, true)
	return []Moment{
		{ID: "warning", At: WarnedAt, Within: Poll + time.Minute},
		{ID: "limit", At: Crossing("de-zittau-1", limit("de-zittau-1", "A1"), Begin2010, true), Within: readable},
		{ID: "stale", At: FeedEnds.Add(StaleAfter - Poll), Within: 2*Poll + Minute},
		{ID: "alone", At: DamAt, Within: Minute},
		{ID: "two_people", At: DamAt, Within: Minute},
		{ID: "mayor", At: DamAt, Within: Minute},
		{ID: "acknowledged", At: DamAt, Within: AnswerTime},
		{ID: "missing", At: DamAt.Add(AnswerTime), Within: 2 * time.Minute},
		{ID: "neighbour", At: FloodWaveAt, Within: Poll + time.Minute},
		{ID: "fast", At: local("2010-08-07T21:00"), Within: reached.Sub(local("2010-08-07T21:00"))},
		{ID: "fourth", At: reached, Within: readable},
		{ID: "peak", At: PeakAt, Within: readable},
		{ID: "below", At: Crossing("de-goerlitz", fourth, PeakAt, false), Within: 2 * time.Hour},
	}
}

// Entries2010 are the facts, and what the replay puts in, each with its origin.
func Entries2010() (all []Entry) {
	for _, f := range river.Flood2010() {
		at, precise := f.At, f.Exact()
		if at.IsZero() {
			day, err := Local(f.Local)
			if err != nil {
				panic(err) // the tests read it
			}
			at = day
		}
		all = append(all, Entry{At: at, Exact: precise, Day: f.At.IsZero(), Origin: Fact, Key: f.TextKey(), TimeKey: f.TimeKey(), StatusKey: f.StatusKey(), Place: f.Place, Source: f.Source, Value: valueOf(f), Unit: f.Unit})
	}
	put := func(at time.Time, o Origin, key string) {
		all = append(all, Entry{At: at, Origin: o, Key: "replay.put." + key, StatusKey: "replay.put." + key + ".why"})
	}
	put(WarnedAt, Reconstruction, "warning")
	put(FloodWaveAt, Reconstruction, "flood_wave")
	put(FeedEnds, Exercise, "feed_ends")
	put(FeedReturns, Exercise, "feed_returns")
	put(DamAt, Exercise, "officer")
	return all
}

// valueOf is the number of a fact as it was compiled; a name of a stage stays in the text.
func valueOf(f river.Fact) string {
	if f.Value == 0 {
		return ""
	}
	return strconv.FormatFloat(f.Value, 'f', -1, 64)
}
