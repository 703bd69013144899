package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"trojmezi/internal/alert/intake"
	"trojmezi/internal/alert/replay"
	"trojmezi/internal/alert/river"
	"trojmezi/internal/app"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/simulator/feeds"
	"trojmezi/internal/simulator/mailbox"
)

type replayCmd struct {
	Event    string `arg:"" optional:"" enum:",2010" default:"" help:"cli.replay.event"`
	Recorded bool   `help:"cli.replay.recorded"`
	Config   string `type:"path" placeholder:"node.yaml" help:"cli.replay.config"`
	From     string `placeholder:"TIME" help:"cli.replay.from"`
	To       string `placeholder:"TIME" help:"cli.replay.to"`
	Speed    string `default:"max" help:"cli.replay.speed"`
	Listen   string `default:"127.0.0.1:0" placeholder:"HOST:PORT" help:"cli.replay.listen"`
	Stay     bool   `help:"cli.replay.stay"`
}

// momentLine is a moment for programs.
type momentLine struct {
	ID    string       `json:"id"`
	State replay.State `json:"state"`
	At    time.Time    `json:"at"`
	By    time.Time    `json:"by"`
	MetAt *time.Time   `json:"met_at"`
	Text  string       `json:"text"`
}

// toldLine is what was told, for programs.
type toldLine struct {
	At      time.Time `json:"at"`
	To      string    `json:"to"`
	Lang    string    `json:"language,omitempty"`
	Subject string    `json:"subject"`
}

// Run plays a course of events through a node of its own that is thrown away afterwards.
// It exits with 1 when something that had to happen did not.
func (c *replayCmd) Run(e *env) error {
	if (c.Event == "") == !c.Recorded || c.Recorded && c.Config == "" {
		fmt.Fprintln(e.errw, e.t("cli.replay.what", nil))
		return exit(exitUsage)
	}
	plan := replay.Plan{Title: "replay.title.recorded"}
	if !c.Recorded {
		plan = replay.Plan{Title: "replay.title.2010", From: replay.Begin2010, To: replay.End2010, Entries: replay.Entries2010(), Moments: replay.Moments2010(), Reconstructed: true}
	}
	if c.Speed != "max" {
		if _, err := fmt.Sscanf(c.Speed, "%g", &plan.Speed); err != nil || !(plan.Speed > 0 && plan.Speed <= 1e6) {
			fmt.Fprintln(e.errw, e.t("cli.replay.speed_fault", i18n.Args{"value": harmless(c.Speed)}))
			return exit(exitUsage)
		}
	}
	for _, x := range []struct {
		text string
		to   *time.Time
	}{{c.From, &plan.From}, {c.To, &plan.To}} {
		if x.text == "" {
			continue
		}
		at, err := replay.Local(x.text)
		if err != nil {
			fmt.Fprintln(e.errw, e.t("cli.replay.time_fault", i18n.Args{"value": harmless(x.text)}))
			return exit(exitUsage)
		}
		*x.to = at
	}
	if !plan.To.After(plan.From) || plan.From.IsZero() || !c.Recorded && (plan.From.Before(replay.Begin2010) || plan.To.After(replay.End2010)) {
		fmt.Fprintln(e.errw, e.t("cli.replay.period_fault", i18n.Args{"from": replay.Begin2010, "to": replay.End2010}))
		return exit(exitUsage)
	}
	clk := clock.Fake(plan.From)
	if c.Recorded {
		return e.withDB(c.Config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
			kept := app.Feeds(cfg, o, e.log)
			files, closeFiles, err := app.Files(ctx, cfg, o.Clock)
			if err != nil {
				return err
			}
			defer closeFiles()
			kept.Files = files
			list, sources, err := app.Recorded(ctx, kept, plan.From, plan.To)
			if err != nil {
				return err
			}
			if len(list) == 0 {
				fmt.Fprintln(e.errw, e.t("cli.replay.nothing", i18n.Args{"from": plan.From, "to": plan.To}))
				return exit(exitFailed)
			}
			conf := intake.Config{Contact: contactOf(cfg.Feeds.Contact)}
			for _, name := range sources { // with the operator's own changes
				x := intake.Change{Name: name}
				if i := slices.IndexFunc(cfg.Feeds.Sources, func(s intake.Change) bool { return s.Name == name }); i >= 0 {
					x = cfg.Feeds.Sources[i]
				}
				conf.Sources = append(conf.Sources, x)
			}
			return c.play(e, plan, clk, conf, nil, replay.NewRecording(list, clk.Now, func(ctx context.Context, id int64) ([]byte, error) {
				_, body, err := kept.Original(ctx, id)
				return body, err
			}))
		})
	}
	conf := intake.Config{Contact: contactOf("")}
	for _, name := range []string{"imgw-hydro", "nina-mowas", "saxony-gauges"} {
		x := intake.Change{Name: name, Interval: replay.Poll}
		if name == "imgw-hydro" {
			x.Stale = replay.StaleAfter
		}
		conf.Sources = append(conf.Sources, x)
	}
	return c.play(e, plan, clk, conf, map[string]string{"saxony/" + goerlitz2010: "de-goerlitz", "saxony/" + zittau2010: "de-zittau-1"}, feeds.New(flood2010(), replay.Begin2010, clk.Now))
}

// contactOf is whom a sender could write to: here it is the program itself.
func contactOf(configured string) string {
	if configured != "" {
		return configured
	}
	return "replay@example.org"
}

// The numbers that the simulator gives the gauges: theirs are open.
const (
	zittau2010   = "660101"
	goerlitz2010 = "660202"
)

// flood2010 is the flood as the feeds of today would have told it: the known levels, the
// lines between them, and what the plan puts in.
func flood2010() *feeds.Scenario {
	s := feeds.Flood2010()
	minute := func(t time.Time) float64 { return t.Sub(replay.Begin2010).Minutes() }
	for key, x := range map[string]feeds.Gauge{"de-zittau-1": {Number: zittau2010, Lat: 50.89, Lon: 14.82}, "de-goerlitz": {Number: goerlitz2010, Lat: 51.16, Lon: 14.99}} { // of the towns: theirs are open
		g, _ := river.Shipped.Gauge(key)
		x.Feed, x.Name, x.River, x.Limits = "saxony", g.Name, "Lausitzer Neiße", make([]float64, 4)
		for _, l := range replay.Limits2010() {
			if l.Gauge == key {
				x.Limits[l.Name[1]-'1'] = l.Value // A1 to A4
			}
		}
		for _, p := range river.Curve2010(key, time.Minute) {
			x.Curve = append(x.Curve, [2]float64{minute(p.At), p.Value})
		}
		x.Silent = []int{-1 << 20, int(x.Curve[0][0])} // of the time before nothing is known
		s.Gauges = append(s.Gauges, x)
	}
	s.Faults = []feeds.Fault{{Feed: "imgw-hydro", From: int(minute(replay.FeedEnds)), To: int(minute(replay.FeedReturns)), Kind: "500"}}
	return s
}

// play runs the senders, the mail server, the page and the node, until the plan is over.
func (c *replayCmd) play(e *env, plan replay.Plan, clk *clock.Clock, conf intake.Config, gauges map[string]string, senders http.Handler) error {
	dir, remove, err := app.TempReplayDir()
	if err != nil {
		return err
	}
	defer remove()
	var lc net.ListenConfig
	var l [3]net.Listener
	for i, address := range []string{"127.0.0.1:0", "127.0.0.1:0", c.Listen} {
		if l[i], err = lc.Listen(e.ctx, "tcp", address); err != nil {
			return err
		}
		defer l[i].Close()
	}
	base := "http://" + l[2].Addr().String()
	conf.Simulator = "http://" + l[0].Addr().String()
	r, err := app.NewReplay(e.ctx, app.ReplayOptions{Plan: plan, Feeds: conf, Clock: clk, Dir: dir, Base: base, MailHost: "127.0.0.1", MailPort: l[1].Addr().(*net.TCPAddr).Port,
		Gauges: gauges, Cast: !c.Recorded, Texts: e.texts, Log: e.log})
	if err != nil {
		return err
	}
	defer r.Close()
	ctx, stop := context.WithCancel(e.ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	for at, h := range map[int]http.Handler{0: senders, 2: r.Handler()} {
		server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
		context.AfterFunc(ctx, func() { server.Close() })
		g.Go(func() error {
			if err := server.Serve(l[at]); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	}
	g.Go(func() error {
		return mailbox.Serve(ctx, l[1], func(m mailbox.Mail) { r.Arrived(app.ReplayMail{To: m.To, Subject: m.Subject, Body: m.Body}) })
	})
	if !e.json {
		e.say("cli.replay.page", i18n.Args{"url": base + replay.Root})
	}
	begun := time.Now()
	g.Go(func() error {
		defer stop()
		if err := r.Play(ctx); err != nil {
			return err
		}
		c.report(e, r.Report(), time.Since(begun))
		if c.Stay {
			<-ctx.Done()
		}
		return nil
	})
	err = g.Wait()
	if report := r.Report(); err == nil && !report.Good() {
		return exit(exitFailed)
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// report prints what was told when, and what became of the moments.
func (c *replayCmd) report(e *env, r replay.Report, took time.Duration) {
	moments, told := []momentLine{}, []toldLine{}
	for _, m := range r.Moments {
		moments = append(moments, momentLine{ID: m.ID, State: m.State, At: m.At, By: m.At.Add(m.Within), MetAt: known(m.MetAt), Text: e.t("replay.moment."+m.ID, i18n.Args{"at": m.At, "within": m.Within})})
	}
	for _, x := range r.Entries {
		if x.Subject != "" && (x.To != replay.Staff || x.Lang == e.lang) {
			told = append(told, toldLine{x.At, x.To, string(x.Lang), x.Subject})
		}
	}
	_ = e.show(map[string]any{"event": c.Event, "from": r.Plan.From, "to": r.Plan.To, "good": r.Good(), "moments": moments, "told": told, "took_seconds": took.Seconds()}, func() {
		if r.Plan.Reconstructed {
			e.say("replay.reconstructed", nil)
		}
		for _, x := range told {
			fmt.Fprintf(e.out, "%s  %-9s %s\n", x.At.In(zone).Format("02.01. 15:04:05"), oneWord(x.To), harmless(x.Subject))
		}
		mark := map[replay.State]string{replay.Met: "✓", replay.Missed: "✗", replay.Outside: "–", replay.Waiting: "–"}
		for _, m := range moments {
			at := ""
			if m.MetAt != nil {
				at = m.MetAt.In(zone).Format("02.01. 15:04:05")
			}
			fmt.Fprintf(e.out, "%s %-13s %-15s %s\n", mark[m.State], m.ID, at, m.Text)
		}
		e.say("cli.replay.took", i18n.Args{"played": r.Plan.To.Sub(r.Plan.From), "seconds": int(took.Seconds() + 0.5)})
	})
}

// oneWord keeps the column of recipients narrow.
func oneWord(to string) string {
	first, _, _ := strings.Cut(to, ",")
	return first
}

// zone is that of the three countries.
var zone = func() *time.Location {
	z, err := time.LoadLocation(i18n.DefaultZone)
	if err != nil {
		panic(err) // i18n links the zone data
	}
	return z
}()
