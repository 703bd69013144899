package feeds

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"
)

// Scenario is what happens, in minutes from its beginning. It is the same for all feeds:
// a warning that several carry stands in each of them as that feed says it.
type Scenario struct {
	Title string `json:"title"`
	// Status is that of CAP: Exercise unless a replay needs another.
	Status   string    `json:"status"`
	Warnings []Warning `json:"warnings"`
	Gauges   []Gauge   `json:"gauges"`
	Faults   []Fault   `json:"faults"`
}

// Warning is one warning. It stands in the feeds for which it has codes, from From to To.
type Warning struct {
	ID       string          `json:"id"`
	From     int             `json:"from"`
	To       int             `json:"to"`
	Begins   int             `json:"begins"`
	Ends     *int            `json:"ends"` // null: until further notice
	Severity string          `json:"severity"`
	Urgency  string          `json:"urgency"`
	Degree   int             `json:"degree"` // in Poland
	Texts    map[string]Text `json:"texts"`  // cs, de, pl, en
	Cancel   bool            `json:"cancel"` // NINA says its end for an hour, before it leaves the list

	CHMI struct {
		List, Code string
		ORP        []string
	} `json:"chmi"`
	DWD struct {
		II, Group, State string
		Cells            []string
	} `json:"dwd"`
	NINA struct {
		Provider, Code string
		ARS            []string
		Ring           [][2]float64 // longitude, latitude
	} `json:"nina"`
	IMGWMeteo struct{ TERYT []string }        `json:"imgw_meteo"`
	IMGWHydro struct{ Catchments []string }   `json:"imgw_hydro"`
	RSO       struct{ Province, Name string } `json:"rso"`
	Alarm     map[string]struct {
		Type string
		EMMA []string
	} `json:"meteoalarm"` // by country
}

// Text is what is said in one language.
type Text struct{ Event, Headline, Description, Instruction string }

// Gauge is a station with its level over time, in cm; between two points it is on the
// line that joins them.
type Gauge struct {
	Feed   string       `json:"feed"` // chmi, imgw, saxony, pegelonline
	Number string       `json:"number"`
	Name   string       `json:"name"`
	River  string       `json:"river"`
	Lat    float64      `json:"lat"`
	Lon    float64      `json:"lon"`
	Limits []float64    `json:"limits"` // of the service's stages, from the lowest; 0: none
	LHP    string       `json:"lhp"`    // its number in the portal of the German states
	Curve  [][2]float64 `json:"curve"`  // minute, cm
	Silent []int        `json:"silent"` // from and to: the station sends nothing
	// Forecast is for how many hours ahead the service forecasts the curve, where its feed
	// has forecasts; of a Czech station it says only that there is one.
	Forecast int `json:"forecast"`
}

// Fault is a way in which a feed is ill for a time.
type Fault struct {
	Feed string `json:"feed"`
	From int    `json:"from"`
	To   int    `json:"to"`
	Kind string `json:"kind"`
}

//go:embed scenario.json
var shipped []byte

// Shipped is the scenario in the program: a storm and a flood in the border triangle.
func Shipped() *Scenario {
	s, err := Parse(shipped)
	if err != nil {
		panic(err) // a test reads it
	}
	return s
}

//go:embed flood_2010.json
var flood2010 []byte

// Flood2010 are the warnings of August 2010 as the feeds of today would carry them, its
// minutes counted from the beginning of 6 August. It has no gauges: who plays it adds the
// levels he knows.
func Flood2010() *Scenario {
	s, err := Parse(flood2010)
	if err != nil {
		panic(err) // a test reads it
	}
	return s
}

// Parse reads a scenario and says what is wrong with it.
func Parse(text []byte) (*Scenario, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	s := &Scenario{Status: "Exercise"}
	if err := d.Decode(s); err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	ids := map[string]bool{}
	for _, w := range s.Warnings {
		switch {
		case w.ID == "" || ids[w.ID]:
			return nil, fmt.Errorf("scenario: warning %q: no id of its own", w.ID)
		case w.To <= w.From || w.Ends != nil && *w.Ends < w.Begins:
			return nil, fmt.Errorf("scenario: warning %q ends before it begins", w.ID)
		case len(w.Texts) == 0:
			return nil, fmt.Errorf("scenario: warning %q has no text", w.ID)
		case !slices.Contains([]string{"Minor", "Moderate", "Severe", "Extreme"}, w.Severity):
			return nil, fmt.Errorf("scenario: warning %q: severity %q", w.ID, w.Severity)
		}
		ids[w.ID] = true
	}
	for _, g := range s.Gauges {
		if len(g.Curve) == 0 || !sort.SliceIsSorted(g.Curve, func(i, j int) bool { return g.Curve[i][0] < g.Curve[j][0] }) {
			return nil, fmt.Errorf("scenario: gauge %q: the curve has no point or is not in order", g.Number)
		}
		if !slices.Contains([]string{"chmi", "imgw", "saxony", "pegelonline"}, g.Feed) {
			return nil, fmt.Errorf("scenario: gauge %q: feed %q", g.Number, g.Feed)
		}
	}
	for _, f := range s.Faults {
		if !slices.Contains(Kinds(), f.Kind) {
			return nil, fmt.Errorf("scenario: fault %q: one of %v", f.Kind, Kinds())
		}
		if !slices.Contains(Names(), f.Feed) {
			return nil, fmt.Errorf("scenario: feed %q: one of %v", f.Feed, Names())
		}
	}
	if s.Status != "Actual" && s.Status != "Exercise" && s.Status != "Test" {
		return nil, errors.New("scenario: status is Actual, Exercise or Test")
	}
	return s, nil
}

// at is the moment of a minute.
func at(start time.Time, minute int) time.Time { return start.Add(time.Duration(minute) * time.Minute) }

// shown reports whether a warning stands in its feeds.
func (w *Warning) shown(start, now time.Time) bool {
	return !now.Before(at(start, w.From)) && now.Before(at(start, w.To))
}

// text is what is said in a language, else in the first there is.
func (w *Warning) text(lang string) Text {
	for _, l := range []string{lang, "en", "cs", "de", "pl"} {
		if t, ok := w.Texts[l]; ok {
			return t
		}
	}
	return Text{}
}

// level is that of a gauge at a moment; false while it sends nothing.
func (g *Gauge) level(start, t time.Time) (cm float64, ok bool) {
	m := t.Sub(start).Minutes()
	if len(g.Silent) == 2 && m >= float64(g.Silent[0]) && m < float64(g.Silent[1]) {
		return 0, false
	}
	last := g.Curve[len(g.Curve)-1]
	switch {
	case m <= g.Curve[0][0]:
		return g.Curve[0][1], true
	case m >= last[0]:
		return last[1], true
	}
	i := sort.Search(len(g.Curve), func(i int) bool { return g.Curve[i][0] > m })
	a, b := g.Curve[i-1], g.Curve[i]
	return a[1] + (b[1]-a[1])*(m-a[0])/(b[0]-a[0]), true
}

// step is how often a gauge measures.
const step = 10 * time.Minute

// measured is the last moment at which gauges have measured.
func measured(now time.Time) time.Time { return now.UTC().Truncate(step) }

// stage is how many of the limits are reached.
func (g *Gauge) stage(cm float64) (n int) {
	for i, limit := range g.Limits {
		if limit > 0 && cm >= limit {
			n = i + 1
		}
	}
	return n
}
