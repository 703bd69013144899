package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"trojmezi/internal/alert/warning"
	"trojmezi/internal/app"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
)

type alertTakeCmd struct {
	configFlag
	Feed    string   `required:"" enum:"chmi,dwd,nina,imgw-meteo,imgw-hydro,rso,meteoalarm,lhp" help:"cli.alert.feed"`
	Series  string   `default:"hand" help:"cli.alert.series"`
	Kind    string   `enum:"live,exercise,test" default:"live" help:"cli.alert.kind"`
	Fetched string   `placeholder:"TIME" help:"cli.alert.fetched"`
	Files   []string `arg:"" name:"file" help:"cli.alert.file"`
}

// Run takes documents that somebody brought into the node's store, beside a running
// node: what a place without internet knows of warnings, it knows so.
func (c *alertTakeCmd) Run(e *env) error {
	f := feedBy(c.Feed)
	e.knowledge(f.Name, f.Knowledge)
	return e.warnings(c.Config, func(ctx context.Context, o *app.Opened, s *warning.Service, files register.Blobs) error {
		return e.documents(c.Files, func(file string, doc []byte) error {
			at, err := c.at(file, o.Clock.Now())
			if err != nil {
				return err
			}
			r, fault := f.Parse(doc)
			if fault != nil {
				return e.notUnderstood(file, fault)
			}
			e.odd(file, r.Deviations)
			ref, err := files.Put(ctx, bytes.NewReader(doc))
			if err != nil {
				return err
			}
			var taken warning.Taken
			if err := o.DB.Write(ctx, func(tx *store.Tx) (err error) {
				taken, err = s.Take(tx, warning.Fetched{Feed: f.Name, Series: c.Series, Kind: store.Kind(c.Kind), At: at, Ref: ref, Size: int64(len(doc))}, r)
				return err
			}); err != nil {
				return err
			}
			return e.show(map[string]any{"file": file, "document": taken.Document, "known": taken.Known, "warnings": taken.Warnings, "new": taken.New}, func() {
				key := "cli.alert.taken"
				if taken.Known {
					key = "cli.alert.known"
				}
				fmt.Fprintln(e.out, harmless(e.t(key, i18n.Args{"file": file, "n": taken.Warnings, "new": taken.New})))
			})
		})
	})
}

// at is when a file was fetched: as it was said, else when it was changed last.
func (c *alertTakeCmd) at(file string, now time.Time) (time.Time, error) {
	at := now
	if c.Fetched != "" {
		t, err := time.Parse(time.RFC3339, c.Fetched)
		if err != nil {
			return at, problem.New("cli.alert.take", problem.Invalid, "cli.alert.fetched.bad", i18n.Args{"value": c.Fetched})
		}
		at = t
	} else if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
		at = info.ModTime()
	}
	if at.After(now.Add(warning.Ahead)) {
		return at, problem.New("cli.alert.take", problem.Invalid, "cli.alert.future", i18n.Args{"file": file, "value": at.UTC().Format(time.RFC3339)})
	}
	return at, nil
}

func (e *env) warnings(config string, f func(ctx context.Context, o *app.Opened, s *warning.Service, files register.Blobs) error) error {
	return e.withDB(config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
		s, files, closeFiles, err := app.Warnings(ctx, cfg, o, e.log)
		if err != nil {
			return err
		}
		defer closeFiles()
		return f(ctx, o, s, files)
	})
}

type alertListCmd struct {
	configFlag
	Phase string `enum:",in_force,coming,lapsed,ended" default:"" help:"cli.alert.phase"`
}

// listedFeed and listedWarning are what the command prints for programs.
type listedFeed struct {
	Feed    string     `json:"feed"`
	Series  string     `json:"series"`
	Kind    store.Kind `json:"kind"`
	State   string     `json:"state"` // current, stale, no_data
	Fetched *time.Time `json:"fetched"`
}

type listedWarning struct {
	ID      string         `json:"id"`
	Kind    store.Kind     `json:"kind"`
	Phase   warning.Phase  `json:"phase"`
	Reason  warning.Reason `json:"reason"`
	Country string         `json:"country"`
	Event   string         `json:"event"`
	Colours []string       `json:"colours"`
	Onset   time.Time      `json:"onset"`
	Expires *time.Time     `json:"expires"`
	Sources []string       `json:"sources"`
	Copies  int            `json:"copies"`
}

// Run prints the warnings as they stand, and before them how old the sources are.
func (c *alertListCmd) Run(e *env) error {
	return e.warnings(c.Config, func(ctx context.Context, o *app.Opened, s *warning.Service, _ register.Blobs) error {
		all, book, err := s.Warnings(ctx)
		if err != nil {
			return err
		}
		out := struct {
			Feeds    []listedFeed    `json:"feeds"`
			Warnings []listedWarning `json:"warnings"`
		}{[]listedFeed{}, []listedWarning{}}
		var heads []string
		for _, f := range s.Feeds(book, o.Clock.Now()) {
			line, words := listedFeed{Feed: f.Feed.Name, State: "no_data"}, e.t("warning.feed.none", nil)
			if f.Series != nil {
				line.Series, line.Kind, line.Fetched, line.State = f.Series.Name, f.Series.Kind, &f.Series.Fetched, "current"
				words = e.t("warning.feed.current", nil)
				if !f.Stale.IsZero() {
					line.State, words = "stale", e.t("warning.feed.stale", i18n.Args{"time": f.Stale})
				}
			}
			out.Feeds = append(out.Feeds, line)
			heads = append(heads, strings.TrimSpace(line.Feed+" "+line.Series)+"\t"+words)
		}
		for _, w := range all {
			if c.Phase != "" && string(w.Phase) != c.Phase || c.Phase == "" && w.Phase == warning.Ended {
				continue
			}
			said := w.Says()
			line := listedWarning{ID: w.ID, Kind: w.Kind, Phase: w.Phase, Reason: w.Reason, Country: w.Country(), Event: said.Event, Colours: []string{}, Onset: warning.Onset(said), Expires: moment(said.Expires), Sources: w.Sources(), Copies: len(w.Members)}
			for _, l := range w.Levels() {
				line.Colours = append(line.Colours, l.Colour)
			}
			out.Warnings = append(out.Warnings, line)
		}
		return e.show(out, func() {
			t := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
			for _, h := range heads {
				fmt.Fprintln(t, harmless(h))
			}
			t.Flush()
			if len(out.Warnings) == 0 {
				e.say("warning.unknown", nil)
				return
			}
			for _, w := range out.Warnings {
				kind := ""
				if w.Kind != store.Live {
					kind = e.t("warning.kind."+string(w.Kind), nil)
				}
				until := ""
				if w.Expires != nil {
					until = e.texts.DateTime(e.lang, *w.Expires)
				}
				fmt.Fprintln(t, harmless(strings.Join([]string{w.ID, e.t("warning.phase."+string(w.Phase), nil), w.Country, strings.Join(w.Colours, "+"), w.Event, until, strings.Join(w.Sources, "+"), kind}, "\t")))
			}
			t.Flush()
		})
	})
}
