package river

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"time"
)

//go:embed data/rules.csv
var rulesCSV string

// Parameter is one number of the rules. Its text, with the reason of the default, has
// the key river.rule.NAME.
type Parameter struct {
	Name          string
	Value, Preset float64
	Unit          string // "cm", "min", "h", "%", "m3/s", "times", "values"
	Least, Most   float64
}

// Rules decide what a value is worth and what is an alarm.
type Rules struct {
	Hysteresis, FlowHysteresis float64 // cm; part of the limit
	Rises                      []Rise
	Jump                       float64 // cm within JumpTime
	JumpTime                   time.Duration
	FlowJump, FlowJumpLeast    float64
	Shift                      float64 // cm
	Stuck, StuckFlood          time.Duration
	StuckValues                int
	Ahead                      time.Duration // a time later than now by more is wrong
	SameTime                   time.Duration
	Differ                     float64
	Stale, ForecastStale       time.Duration
}

// Rise is how much within how long is an alarm.
type Rise struct {
	By     float64 // cm
	Within time.Duration
}

// Presets are the parameters that are shipped.
func Presets() []Parameter {
	rows, err := table(rulesCSV)
	if err != nil {
		panic(err) // the tests read it
	}
	var all []Parameter
	for _, r := range rows {
		p := Parameter{Name: r["name"], Unit: r["unit"]}
		for column, to := range map[string]*float64{"value": &p.Preset, "least": &p.Least, "most": &p.Most} {
			if *to, err = strconv.ParseFloat(r[column], 64); err != nil {
				panic(err)
			}
		}
		p.Value = p.Preset
		all = append(all, p)
	}
	return all
}

// rulesOf puts parameters where they decide.
func rulesOf(all []Parameter) Rules {
	v := map[string]float64{}
	for _, p := range all {
		v[p.Name] = p.Value
	}
	minutes := func(name string) time.Duration { return time.Duration(v[name] * float64(time.Minute)) }
	return Rules{
		Hysteresis: v["hysteresis"], FlowHysteresis: v["flow_hysteresis"] / 100,
		Rises: []Rise{{v["rise_30"], 30 * time.Minute}, {v["rise_60"], time.Hour}, {v["rise_180"], 3 * time.Hour}},
		Jump:  v["jump"], JumpTime: minutes("jump_minutes"), FlowJump: v["flow_jump"], FlowJumpLeast: v["flow_jump_least"], Shift: v["shift"],
		Stuck: 60 * minutes("stuck_hours"), StuckFlood: 60 * minutes("stuck_flood_hours"), StuckValues: int(v["stuck_values"]),
		Ahead: minutes("ahead"), SameTime: minutes("same_time"), Differ: v["differ"], Stale: minutes("stale"), ForecastStale: 60 * minutes("forecast_hours"),
	}
}

// DefaultRules are the rules that are shipped.
func DefaultRules() Rules { return rulesOf(Presets()) }

// table reads a CSV file with a head into rows by column.
func table(text string) ([]map[string]string, error) {
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("river: no head")
	}
	var all []map[string]string
	for _, r := range rows[1:] {
		m := map[string]string{}
		for i, name := range rows[0] {
			m[name] = r[i]
		}
		all = append(all, m)
	}
	return all, nil
}
