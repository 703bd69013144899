package cli

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"trojmezi/internal/app"
	"trojmezi/internal/exchange/adapter/transport"
	"trojmezi/internal/exchange/gateway"
	"trojmezi/internal/kernel/i18n"
)

type gatewayCmd struct {
	List  gatewayListCmd  `cmd:"" help:"cli.gateway.list"`
	Check gatewayCheckCmd `cmd:"" help:"cli.gateway.check"`
}

// gatewayLine is a gateway as --json shows it; times are RFC 3339, absent: never.
type gatewayLine struct {
	Name        string     `json:"name"`
	OID         string     `json:"oid"`
	System      string     `json:"system"`
	Profile     string     `json:"profile"`
	Public      bool       `json:"public"`
	Transport   string     `json:"transport"`
	Kind        string     `json:"kind"`
	LastContact *time.Time `json:"last_contact,omitempty"`
	DownSince   *time.Time `json:"down_since,omitempty"`
	Waiting     int64      `json:"waiting"`
	Tray        int64      `json:"tray"`
	Works       *bool      `json:"works,omitempty"`  // of check
	Reason      string     `json:"reason,omitempty"` // why it does not
}

func (e *env) gatewayLine(p gateway.Probe, tried bool) gatewayLine {
	some := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	l := gatewayLine{Name: p.Name, OID: p.OID, System: p.System, Profile: p.Profile, Public: p.Public, Transport: p.Way, Kind: string(p.Kind),
		LastContact: some(p.LastContact), DownSince: some(p.Down), Waiting: p.Waiting, Tray: p.Tray}
	if works := p.Err == nil; tried {
		l.Works = &works
		if !works {
			l.Reason = e.t(transport.FailureKey(p.Err), nil)
		}
	}
	return l
}

type gatewayListCmd struct{ configFlag }

func (c *gatewayListCmd) Run(e *env) error {
	return e.withDB(c.Config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
		all, err := app.Gateways(ctx, cfg, o, e.texts, e.log, false)
		if err != nil {
			return err
		}
		lines := []gatewayLine{}
		for _, p := range all {
			lines = append(lines, e.gatewayLine(p, false))
		}
		return e.show(lines, func() {
			if len(all) == 0 {
				e.say("cli.gateway.none", nil)
				return
			}
			w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, e.t("cli.gateway.head", nil))
			for _, p := range all {
				contact, profile := e.t("cli.never", nil), p.Profile
				if !p.LastContact.IsZero() {
					contact = e.texts.DateTime(e.lang, p.LastContact)
				}
				if !p.Public {
					profile = e.t("cli.gateway.own", i18n.Args{"profile": p.Profile})
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\n", p.Name, p.System, profile, e.t("transport.way."+p.Way, nil), contact, p.Waiting, p.Tray)
			}
			w.Flush()
		})
	})
}

type gatewayCheckCmd struct{ configFlag }

// Run tries each transport. The exit code is 1 when one does not work.
func (c *gatewayCheckCmd) Run(e *env) error {
	return e.withDB(c.Config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
		all, err := app.Gateways(ctx, cfg, o, e.texts, e.log, true)
		if err != nil {
			return err
		}
		lines := []gatewayLine{}
		var bad error
		for _, p := range all {
			lines, bad = append(lines, e.gatewayLine(p, true)), errors.Join(bad, p.Err)
		}
		if err := e.show(lines, func() {
			if len(all) == 0 {
				e.say("cli.gateway.none", nil)
			}
			for n, p := range all {
				if p.Err == nil {
					fmt.Fprintln(e.out, "✓", e.t("cli.gateway.works", i18n.Args{"name": p.Name}))
				} else {
					fmt.Fprintln(e.out, "✗", e.t("cli.gateway.fails", i18n.Args{"name": p.Name, "why": lines[n].Reason}))
				}
			}
		}); err != nil || bad == nil {
			return err
		}
		return exit(exitFailed)
	})
}
