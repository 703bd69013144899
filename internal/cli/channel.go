package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"trojmezi/internal/alert/channel"
	"trojmezi/internal/app"
	"trojmezi/internal/kernel/i18n"
)

type channelCmd struct {
	List  channelListCmd  `cmd:"" help:"cli.channel.list"`
	Check channelCheckCmd `cmd:"" help:"cli.channel.check"`
	Reach channelReachCmd `cmd:"" help:"cli.channel.reach"`
	// Receiver and Test change something: what they do is noted as done by the operator.
	Receiver channelReceiverCmd `cmd:"" help:"cli.channel.receiver"`
	Test     channelTestCmd     `cmd:"" help:"cli.channel.test"`
}

// channels opens the channels of a node beside it, which sends.
func (f configFlag) channels(e *env, use func(context.Context, *channel.Service) error) error {
	return e.withDB(f.Config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
		s, err := app.Channels(cfg, o, e.texts)
		if err != nil {
			return err
		}
		return use(ctx, s)
	})
}

// channelLine is a channel for programs.
type channelLine struct {
	Name    string           `json:"name"`
	Sort    string           `json:"sort"`
	Kind    string           `json:"kind"`
	Status  string           `json:"status"`
	Waiting int64            `json:"waiting"`
	OK      *time.Time       `json:"last_success"`
	Failed  *time.Time       `json:"last_failure"`
	Error   string           `json:"error"`
	Counts  map[string]int64 `json:"counts"`
}

type channelListCmd struct{ configFlag }

// Run lists the channels with how they work.
func (c *channelListCmd) Run(e *env) error {
	return c.channels(e, func(ctx context.Context, s *channel.Service) error {
		states, err := s.States(ctx)
		if err != nil {
			return err
		}
		all := []channelLine{}
		for _, x := range states {
			l := channelLine{Name: x.Name, Sort: string(x.Sort), Kind: string(x.Kind), Status: string(x.Status), Waiting: x.Waiting(), OK: known(x.OK), Failed: known(x.Failed), Error: harmless(x.Error), Counts: map[string]int64{}}
			for state, n := range x.Counts {
				l.Counts[string(state)] = n
			}
			all = append(all, l)
		}
		return e.show(all, func() {
			if len(all) == 0 {
				e.say("channel.none", nil)
			}
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			for _, l := range all {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", l.Name, e.t("channel.sort."+l.Sort, nil), e.t("channel.kind."+l.Kind, nil), e.t("channel.status."+l.Status, nil), l.Waiting, l.Error)
			}
			_ = w.Flush() // of what is printed
		})
	})
}

// checkedChannel is what trying a connection came to, for programs.
type checkedChannel struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Tried bool   `json:"tried"`
	Error string `json:"error"`
}

type channelCheckCmd struct{ configFlag }

// Run tries the connections of all channels without a message. It exits with 1 when one
// fails or a receiver has a place that nobody knows.
func (c *channelCheckCmd) Run(e *env) error {
	return c.channels(e, func(ctx context.Context, s *channel.Service) error {
		checked, err := s.CheckAll(ctx)
		if err != nil {
			return err
		}
		out := struct {
			Channels []checkedChannel        `json:"channels"`
			Unknown  []channel.UnknownPlaces `json:"unknown_places"`
		}{[]checkedChannel{}, s.Unknown()}
		bad := len(out.Unknown) > 0
		for _, x := range checked {
			out.Channels = append(out.Channels, checkedChannel{x.Name, string(x.Kind), x.Tried, harmless(x.Error)})
			bad = bad || x.Error != ""
		}
		if err := e.show(out, func() {
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			for _, x := range out.Channels {
				said := e.t("channel.status.works", nil)
				switch {
				case !x.Tried:
					said = e.t("cli.channel.untried", nil)
				case x.Error != "":
					said = x.Error
				}
				fmt.Fprintf(w, "%s\t%s\t%s\n", x.Name, e.t("channel.kind."+x.Kind, nil), said)
			}
			_ = w.Flush() // of what is printed
			for _, u := range out.Unknown {
				e.say("channel.unknown_place", i18n.Args{"name": u.Receiver, "places": strings.Join(u.Places, ", ")})
			}
		}); err != nil || !bad {
			return err
		}
		return exit(exitFailed)
	})
}

// coveredPlace is who tells a place, for programs.
type coveredPlace struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Country   string   `json:"country"`
	Reach     string   `json:"reach"`
	Channels  []string `json:"channels"`
	Idle      []string `json:"idle"`
	Receivers []string `json:"receivers"`
	Refused   []string `json:"refused_receivers"`
}

type channelReachCmd struct {
	configFlag
	All bool `help:"cli.channel.all"`
}

// Run lists the places that a live warning would not reach now.
func (c *channelReachCmd) Run(e *env) error {
	return c.channels(e, func(ctx context.Context, s *channel.Service) error {
		found, err := s.Cover(ctx)
		if err != nil {
			return err
		}
		all := []coveredPlace{}
		counts := map[channel.Reach]int{}
		for _, x := range found {
			counts[x.Reach]++
			if c.All || x.Reach != channel.Reached {
				all = append(all, coveredPlace{x.Place.ID, x.Place.Name, string(x.Place.Country), string(x.Reach), append([]string{}, x.Channels...), append([]string{}, x.Idle...), append([]string{}, x.Receivers...), append([]string{}, x.Refused...)})
			}
		}
		return e.show(all, func() {
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			for _, x := range all {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", x.ID, x.Name, e.t("channel.reach."+x.Reach, nil), strings.Join(append(x.Channels, x.Idle...), ", "))
			}
			_ = w.Flush() // of what is printed
			for _, r := range channel.Reaches {
				fmt.Fprintf(e.out, "%s: %s\n", e.t("channel.reach."+string(r), nil), e.t("channel.reach.count", i18n.Args{"n": counts[r]}))
			}
		})
	})
}
