package cli

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"trojmezi/internal/alert/gauge"
	"trojmezi/internal/alert/gauge/all"
	"trojmezi/internal/alert/river"
	"trojmezi/internal/app"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// rivers opens the gauges beside a running node.
func (c configFlag) rivers(e *env, f func(ctx context.Context, o *app.Opened, s *river.Service) error) error {
	return e.withDB(c.Config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
		return f(ctx, o, app.Rivers(cfg, o, e.texts, e.log))
	})
}

// kindFlag says what of it is meant.
type kindFlag struct {
	Kind string `enum:"live,exercise,test" default:"live" help:"cli.gauge.kind"`
}

// listedGauge is a gauge in what the commands print. What is not known is null.
type listedGauge struct {
	Key      string      `json:"key"`
	Kind     string      `json:"kind"`
	River    string      `json:"river"`
	Name     string      `json:"name"`
	Country  string      `json:"country"`
	Stations []string    `json:"stations"`
	At       *time.Time  `json:"at"`
	Level    *float64    `json:"level_cm"`
	Flow     *float64    `json:"flow_m3s"`
	Change   *float64    `json:"change_cm"`
	Over     *int        `json:"change_min"`
	Stale    bool        `json:"stale"`
	Doubt    string      `json:"doubt"`
	Crossed  []string    `json:"crossed"`
	Fast     bool        `json:"rises_fast"`
	Limits   []limitLine `json:"limits"`
	Stages   []string    `json:"stages_proclaimed"`
	// Forecast is the newest, which was not measured; null without one. Elsewhere are services
	// that say they have one whose values are not described.
	Forecast  *forecastLine `json:"forecast"`
	Elsewhere []string      `json:"forecast_elsewhere"`
}

// forecastOf is a forecast as the commands print it.
func forecastOf(f *river.Forecast) *forecastLine {
	if f == nil {
		return nil
	}
	line := &forecastLine{Service: f.Service, Issued: f.Issued, Stale: &f.Stale, Levels: []expectedLine{}}
	for _, x := range f.Levels {
		line.Levels = append(line.Levels, expected(x.At, x.Value, x.Estimate))
	}
	return line
}

func listed(kind string, l river.Line) listedGauge {
	g := listedGauge{Key: l.Key, Kind: kind, River: l.Gauge.River, Name: l.Gauge.Name, Country: l.Gauge.Country, Stations: append([]string{}, l.Numbers...), Stale: l.Stale,
		Crossed: []string{}, Fast: l.Rising(), Limits: []limitLine{}, Stages: []string{}, Forecast: forecastOf(l.Forecast), Elsewhere: append([]string{}, l.Foretold...)}
	for _, v := range []*river.Value{l.Flow, l.Level} {
		if v != nil {
			g.At = &v.At
		}
	}
	if l.Level != nil {
		g.Level = &l.Level.Value
	}
	if l.Flow != nil {
		g.Flow = &l.Flow.Value
	}
	if !math.IsNaN(l.Change) {
		minutes := int(l.Over.Minutes())
		g.Change, g.Over = &l.Change, &minutes
	}
	if l.Doubtful != nil {
		g.Doubt = string(l.Doubtful.Mark)
	}
	for _, c := range l.Open {
		if c.Name != "" {
			g.Crossed = append(g.Crossed, c.Name)
		}
	}
	for _, x := range l.Limits {
		g.Limits = append(g.Limits, limitLine{x.Name, string(x.Unit), x.From})
	}
	for _, s := range l.Stages {
		g.Stages = append(g.Stages, s.Stage+" ("+s.Authority+")")
	}
	return g
}

type gaugeListCmd struct {
	configFlag
	kindFlag
}

// Run prints our gauges in the order of their rivers, then those of the services.
func (c *gaugeListCmd) Run(e *env) error {
	return c.rivers(e, func(ctx context.Context, _ *app.Opened, s *river.Service) error {
		o, err := s.Overview(ctx, store.Kind(c.Kind))
		if err != nil {
			return err
		}
		var keys []string
		for _, r := range river.Shipped.Reaches {
			if r.What == "gauge" {
				keys = append(keys, r.Key)
			}
		}
		for _, g := range river.Shipped.Gauges {
			if !slices.Contains(keys, g.Key) {
				keys = append(keys, g.Key)
			}
		}
		keys = append(keys, o.Strange...)
		list := []listedGauge{}
		for _, k := range keys {
			list = append(list, listed(c.Kind, o.Lines[k]))
		}
		return e.show(list, func() {
			w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
			for _, g := range list {
				level, at := e.t("river.unknown", nil), ""
				if g.Level != nil {
					level = e.t("river.cm", i18n.Args{"v": *g.Level})
				} else if g.Flow != nil {
					level = e.t("river.m3", i18n.Args{"v": *g.Flow})
				}
				if g.At != nil {
					at = e.texts.DateTime(e.lang, *g.At)
				}
				state := strings.Join(g.Crossed, ", ")
				if g.Stale {
					state = e.t("river.state.stale", nil)
				}
				if g.Fast {
					state = strings.TrimPrefix(state+", "+e.t("river.state.fast", nil), ", ")
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", g.Key, g.Country, g.Name, level, at, state)
			}
			w.Flush()
		})
	})
}

// valueLine is a value in what the commands print.
type valueLine struct {
	At    time.Time `json:"at"`
	Value float64   `json:"value"`
	Unit  string    `json:"unit"`
	Mark  string    `json:"mark"`
	Was   *float64  `json:"was"`
}

type gaugeSeriesCmd struct {
	configFlag
	kindFlag
	Hours    int    `default:"72" help:"cli.gauge.hours"`
	Forecast bool   `help:"cli.gauge.forecast"`
	Gauge    string `arg:"" help:"cli.gauge.gauge"`
}

func (c *gaugeSeriesCmd) Run(e *env) error {
	return c.rivers(e, func(ctx context.Context, _ *app.Opened, s *river.Service) error {
		kind := store.Kind(c.Kind)
		key, err := s.Find(ctx, kind, c.Gauge)
		if err != nil {
			return err
		}
		d, err := s.Detail(ctx, kind, key, time.Duration(c.Hours)*time.Hour)
		if err != nil {
			return err
		}
		if c.Forecast {
			return c.forecast(e, d.Line)
		}
		list := []valueLine{}
		add := func(values []river.Value, unit river.Unit) {
			for _, v := range values {
				line := valueLine{At: v.At, Value: v.Value, Unit: string(unit), Mark: string(v.Mark)}
				if !math.IsNaN(v.Was) {
					line.Was = &v.Was
				}
				list = append(list, line)
			}
		}
		add(d.Series, river.CM)
		add(d.Flows, river.M3)
		return e.show(list, func() {
			w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
			for _, v := range list {
				mark := ""
				if v.Mark != "" {
					mark = e.t("river.mark."+v.Mark, nil)
				}
				key := map[string]string{string(river.CM): "river.cm", string(river.M3): "river.m3"}[v.Unit]
				fmt.Fprintf(w, "%s\t%s\t%s\n", e.texts.DateTime(e.lang, v.At), e.t(key, i18n.Args{"v": v.Value}), mark)
			}
			w.Flush()
		})
	})
}

// forecast prints the newest forecast in place of what was measured.
func (c *gaugeSeriesCmd) forecast(e *env, l river.Line) error {
	f := forecastOf(l.Forecast)
	return e.show(f, func() {
		if f == nil {
			e.say("river.chart.forecast", nil)
			return
		}
		e.say("river.forecast.by", i18n.Args{"service": f.Service, "issued": e.texts.DateTime(e.lang, f.Issued), "until": e.texts.DateTime(e.lang, l.Forecast.Until())})
		if *f.Stale {
			e.say("river.forecast.stale", i18n.Args{"time": l.Forecast.Age.Round(time.Minute).String()})
		}
		w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
		for _, x := range f.Levels {
			fmt.Fprintf(w, "%s\t%s\t%s\n", e.texts.DateTime(e.lang, x.At), e.t("river.cm", i18n.Args{"v": x.Value}), e.t("river.forecast.sort."+x.Sort, nil))
		}
		w.Flush()
	})
}

type gaugeTakeCmd struct {
	configFlag
	kindFlag
	Feed    string   `required:"" enum:"chmi,imgw,saxony,pegelonline" help:"cli.gauge.feed"`
	Station string   `placeholder:"501010" help:"cli.gauge.of"`
	Files   []string `arg:"" name:"file" help:"cli.alert.file"`
}

// takenFile is what became of one document.
type takenFile struct {
	File     string   `json:"file"`
	Stations int      `json:"stations"`
	Others   int      `json:"others"`
	Values   int      `json:"values"`
	Changed  int      `json:"changed"`
	Late     int      `json:"late"`
	Refused  int      `json:"refused"`
	Limits   int      `json:"limits"`
	Alarms   []string `json:"alarms"`
	// Forecasts are the issues that are new, Hints what was told of them.
	Forecasts int      `json:"forecasts"`
	Hints     []string `json:"hints"`
}

// Run takes documents in as if they had been fetched now.
func (c *gaugeTakeCmd) Run(e *env) error {
	feeds := all.Feeds()
	f := feeds[slices.IndexFunc(feeds, func(f gauge.Feed) bool { return f.Name == c.Feed })]
	return c.rivers(e, func(ctx context.Context, o *app.Opened, s *river.Service) error {
		done := []takenFile{}
		err := e.documents(c.Files, func(file string, doc []byte) error {
			r, fault := f.Parse(doc)
			if fault != nil {
				return e.notUnderstood(file, fault)
			}
			for i := range r.Stations { // a forecast of PegelOnline does not say of which it is
				if r.Stations[i].Number == "" {
					r.Stations[i].Number = c.Station
				}
			}
			var t river.Taken
			if err := o.DB.Write(ctx, func(tx *store.Tx) (err error) {
				t, err = s.Take(tx, river.From{Service: f.Name, Endpoint: file, Fetched: o.Clock.Now(), Kind: store.Kind(c.Kind)}, r)
				return err
			}); err != nil {
				return err
			}
			line := takenFile{file, t.Stations, t.Others, t.Values, t.Changed, t.Late, t.Refused, t.Limits, []string{}, t.Forecasts, []string{}}
			for _, a := range t.Alarms {
				line.Alarms = append(line.Alarms, e.t("river.alarm."+string(a.Cause), river.AlarmArgs(a)))
			}
			for _, h := range t.Hints {
				line.Hints = append(line.Hints, e.t("river.hint", river.HintArgs(h)))
			}
			done = append(done, line)
			return nil
		})
		if len(done) == 0 {
			return err
		}
		if shown := e.show(done, func() {
			for _, d := range done {
				e.say("cli.gauge.taken", i18n.Args{"file": d.File, "stations": d.Stations, "values": d.Values, "late": d.Late, "refused": d.Refused, "limits": d.Limits})
				for _, a := range append(d.Alarms, d.Hints...) {
					fmt.Fprintln(e.out, "  "+a)
				}
			}
		}); shown != nil {
			return shown
		}
		return err
	})
}

type gaugeNumberCmd struct {
	configFlag
	Gauge   string `arg:"" help:"cli.gauge.gauge"`
	Station string `arg:"" help:"cli.gauge.station"`
	Source  string `required:"" help:"cli.gauge.source"`
}

func (c *gaugeNumberCmd) Run(e *env) error {
	return c.rivers(e, func(ctx context.Context, _ *app.Opened, s *river.Service) error {
		faults, err := s.SetNumber(ctx, "", c.Station, c.Gauge, c.Source)
		if err != nil {
			return err
		}
		if len(faults) > 0 {
			return problem.New("cli.gauge", problem.Invalid, faults[0].Key, faults[0].Args)
		}
		return e.show(map[string]string{"gauge": c.Gauge, "station": c.Station, "source": c.Source}, func() {
			e.say("cli.gauge.numbered", i18n.Args{"gauge": c.Gauge, "station": c.Station})
		})
	})
}

type gaugeTravelCmd struct {
	configFlag
	Upper  string        `arg:"" help:"cli.gauge.upper"`
	Lower  string        `arg:"" help:"cli.gauge.lower"`
	Least  time.Duration `required:"" help:"cli.gauge.least"`
	Most   time.Duration `required:"" help:"cli.gauge.most"`
	Source string        `required:"" help:"cli.gauge.source"`
	On     string        `required:"" help:"cli.gauge.on"`
}

func (c *gaugeTravelCmd) Run(e *env) error {
	return c.rivers(e, func(ctx context.Context, _ *app.Opened, s *river.Service) error {
		faults, err := s.SetTravel(ctx, "", river.Travel{Upper: c.Upper, Lower: c.Lower, Least: c.Least, Most: c.Most, Source: c.Source, On: c.On})
		if err != nil {
			return err
		}
		if len(faults) > 0 {
			return problem.New("cli.gauge", problem.Invalid, faults[0].Key, faults[0].Args)
		}
		return e.show(map[string]any{"upper": c.Upper, "lower": c.Lower, "least_min": c.Least.Minutes(), "most_min": c.Most.Minutes(), "source": c.Source, "on": c.On}, func() {
			e.say("cli.gauge.travelled", i18n.Args{"upper": c.Upper, "lower": c.Lower})
		})
	})
}
