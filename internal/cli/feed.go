package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/intake"
	"trojmezi/internal/app"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

type feedCmd struct {
	List  feedListCmd  `cmd:"" help:"cli.feed.list"`
	Check feedCheckCmd `cmd:"" help:"cli.feed.check"`
	On    feedOnCmd    `cmd:"" help:"cli.feed.on"`
	Off   feedOffCmd   `cmd:"" help:"cli.feed.off"`
}

type feedListCmd struct{ configFlag }

// feedLine is a feed for programs.
type feedLine struct {
	Name       string         `json:"name"`
	Title      string         `json:"title"`
	Kind       string         `json:"kind"`
	Knowledge  feed.Knowledge `json:"knowledge"`
	State      intake.Status  `json:"state"`
	AgeSeconds *int64         `json:"age_seconds"` // null: not known
	Addresses  []string       `json:"addresses"`
	Interval   string         `json:"interval"`
	Stale      string         `json:"stale_after"`
	Asked      *time.Time     `json:"asked"`
	Answered   *time.Time     `json:"answered"`
	Changed    *time.Time     `json:"changed"`
	Issued     *time.Time     `json:"issued"`
	Entries    int64          `json:"entries"`
	Deviations int64          `json:"deviations"`
	Diagnosis  string         `json:"diagnosis"`
}

// Run lists every feed with the age of its news, beside a running node.
func (c *feedListCmd) Run(e *env) error {
	return e.withDB(c.Config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
		states, err := app.Feeds(cfg, o, e.log).States(ctx)
		if err != nil {
			return err
		}
		lines := []feedLine{}
		for _, s := range states {
			l := feedLine{Name: s.Source.Name, Title: s.Title, Kind: string(s.Kind), Knowledge: s.Knowledge, State: s.Status, Addresses: s.Addresses, Interval: s.Interval.String(), Stale: s.Stale.String(),
				Asked: known(s.AskedAt), Answered: known(s.AnsweredAt), Changed: known(s.ChangedAt), Issued: known(s.IssuedAt), Entries: s.Entries, Deviations: s.Deviations}
			if s.Known {
				age := int64(s.Age.Seconds())
				l.AgeSeconds = &age
			}
			if s.Failure != nil {
				l.Diagnosis = harmless(s.Failure.Told(e.t))
			}
			lines = append(lines, l)
		}
		return e.show(lines, func() {
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			for i, l := range lines {
				age := "–"
				if l.AgeSeconds != nil {
					age = states[i].Age.Truncate(time.Second).String()
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", l.Name, e.t("intake.state."+string(l.State), nil), age, e.t("intake.kind."+l.Kind, nil), l.Knowledge, l.Diagnosis)
			}
			_ = w.Flush() // of what is printed
		})
	})
}

// known is a time for programs, null without one.
func known(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

type feedCheckCmd struct {
	Config  string        `type:"path" placeholder:"node.yaml" help:"cli.feed.config"`
	Feed    []string      `placeholder:"NAME" help:"cli.feed.name"`
	Contact string        `help:"cli.feed.contact"`
	Into    string        `type:"path" placeholder:"DIR" default:"feed-check" help:"cli.feed.into"`
	Within  time.Duration `default:"10m" help:"cli.feed.within"`
}

// checkLine is what fetching a feed once came to, for programs.
type checkLine struct {
	Name       string         `json:"name"`
	Knowledge  feed.Knowledge `json:"knowledge"`
	Address    string         `json:"address"`
	Understood bool           `json:"understood"`
	Diagnosis  string         `json:"diagnosis"`
	Line       int            `json:"line"`
	Entries    int            `json:"entries"`
	Quiet      int            `json:"quiet"`
	NoData     int            `json:"no_data"`
	Missing    int            `json:"missing"`
	Issued     *time.Time     `json:"issued"`
	Deviations int64          `json:"deviations"`
	Listed     []string       `json:"listed"`
	Files      []intake.File  `json:"files"`
}

// Run fetches each configured feed once and says what was understood. It exits with 1
// when one was not, or only in part, and fetches the others all the same.
func (c *feedCheckCmd) Run(e *env) error {
	var conf intake.Config
	if c.Config != "" {
		cfg, err := app.Load(c.Config)
		if err != nil {
			return err
		}
		conf = cfg.Feeds
	}
	if c.Contact != "" {
		conf.Contact = c.Contact
	}
	if f := conf.Validate(); len(f) > 0 {
		return problem.New("cli.feed", problem.Invalid, f[0].Key, f[0].Args)
	}
	if conf.Contact == "" {
		fmt.Fprintln(e.errw, e.t("cli.feed.no_contact", nil))
		return exit(exitUsage)
	}
	all := conf.Named()
	if len(c.Feed) > 0 {
		all = conf.All()
		for _, name := range c.Feed {
			if !slices.ContainsFunc(all, func(s intake.Source) bool { return s.Name == name }) {
				fmt.Fprintln(e.errw, e.t("intake.not_found", i18n.Args{"name": harmless(name)}))
				return exit(exitUsage)
			}
		}
		all = slices.DeleteFunc(all, func(s intake.Source) bool { return !slices.Contains(c.Feed, s.Name) })
	}
	ctx, cancel := context.WithTimeout(e.ctx, c.Within)
	defer cancel()
	lines, bad := []checkLine{}, false
	for _, src := range all {
		got, err := intake.Check(ctx, src, clock.System(), conf.Contact, app.Version, c.Into)
		if err != nil {
			return err
		}
		l := checkLine{Name: src.Name, Knowledge: src.Knowledge, Address: got.Address, Understood: got.Fault == nil, Entries: got.Entries, Quiet: got.Quiet, NoData: got.NoData,
			Missing: got.Missing, Issued: known(got.Issued), Deviations: got.Count, Listed: []string{}, Files: append([]intake.File{}, got.Files...)}
		if d := got.Fault; d != nil {
			l.Diagnosis, l.Line = harmless(d.Told(e.t)), d.Line
		} else if d := got.Incomplete; d != nil {
			l.Diagnosis = harmless(d.Address + ": " + d.Told(e.t))
		}
		for _, d := range got.Deviations {
			l.Listed = append(l.Listed, harmless(e.t(d.Key, d.Args)))
		}
		bad = bad || !l.Understood || l.Missing > 0
		lines = append(lines, l)
		if !e.json {
			e.checked(l)
		}
	}
	if err := e.show(lines, func() {}); err != nil {
		return err
	}
	if bad {
		return exit(exitFailed)
	}
	return nil
}

func (e *env) checked(l checkLine) {
	mark := "✓ "
	switch {
	case !l.Understood:
		mark = "✗ "
	case l.Missing > 0:
		mark = "! "
	}
	fmt.Fprintln(e.out, mark+l.Name+": "+e.t("intake.knowledge."+strings.ReplaceAll(string(l.Knowledge), " ", "_"), nil))
	fmt.Fprintln(e.out, "  "+harmless(l.Address))
	if l.Understood {
		fmt.Fprintln(e.out, "  "+e.t("intake.counted", i18n.Args{"n": l.Entries, "quiet": l.Quiet, "nodata": l.NoData}))
	}
	if l.Diagnosis != "" {
		fmt.Fprintln(e.out, "  "+l.Diagnosis)
	}
	if l.Deviations > 0 {
		fmt.Fprintln(e.out, "  "+e.t("intake.deviations.count", i18n.Args{"n": l.Deviations, "shown": min(len(l.Listed), shownDeviations)}))
		for _, d := range l.Listed[:min(len(l.Listed), shownDeviations)] {
			fmt.Fprintln(e.out, "    "+d)
		}
	}
	for _, f := range l.Files[:min(len(l.Files), shownFiles)] {
		key := "cli.feed.simulated"
		if f.Capture {
			key = "cli.feed.captured"
		}
		fmt.Fprintln(e.out, "  "+e.t(key, i18n.Args{"file": f.Path}))
	}
	if more := len(l.Files) - shownFiles; more > 0 {
		fmt.Fprintln(e.out, "  "+e.t("cli.feed.more", i18n.Args{"n": more}))
	}
}

// As many deviations and files as a person takes in; --json has all.
const (
	shownDeviations = 10
	shownFiles      = 3
)

// feedSwitch names a feed and says why it is switched.
type feedSwitch struct {
	configFlag
	Reason string `required:"" help:"cli.feed.reason"`
	Name   string `arg:"" help:"cli.feed.switched"`
}

type (
	feedOnCmd  struct{ feedSwitch }
	feedOffCmd struct{ feedSwitch }
)

func (c *feedOnCmd) Run(e *env) error { return c.turn(e, true) }

func (c *feedOffCmd) Run(e *env) error { return c.turn(e, false) }

// turn switches a feed beside a running node, which notices it within seconds.
func (c *feedSwitch) turn(e *env, on bool) error {
	return e.withDB(c.Config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
		if err := app.Feeds(cfg, o, e.log).Switch(ctx, intake.Operator, c.Name, on, c.Reason); err != nil {
			return err
		}
		return e.show(map[string]any{"name": c.Name, "on": on}, func() {
			e.say(map[bool]string{true: "cli.feed.is_on", false: "cli.feed.is_off"}[on], i18n.Args{"name": c.Name})
		})
	})
}
