package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"trojmezi/internal/alert/notice"
	"trojmezi/internal/app"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

type noticeCmd struct {
	List     noticeListCmd     `cmd:"" help:"cli.notice.list"`
	Show     noticeShowCmd     `cmd:"" help:"cli.notice.show"`
	Cap      noticeCapCmd      `cmd:"" help:"cli.notice.cap"`
	Channels noticeChannelsCmd `cmd:"" help:"cli.notice.channels"`
}

// notices opens the notices of a node beside it; nothing is written.
func (f configFlag) notices(e *env, use func(context.Context, *notice.Service) error) error {
	return e.withDB(f.Config, func(ctx context.Context, c *app.Config, o *app.Opened) error {
		s, err := app.Notices(c, o, e.texts)
		if err != nil {
			return err
		}
		return use(ctx, s)
	})
}

// listedNotice is a notice for programs.
type listedNotice struct {
	ID           string    `json:"id"`
	Organisation string    `json:"organisation"`
	Kind         string    `json:"kind"`
	State        string    `json:"state"`
	Hazard       string    `json:"hazard"`
	Headline     string    `json:"headline"`
	Since        time.Time `json:"since"`
	Review       bool      `json:"waits_for_review"`
}

type noticeListCmd struct {
	configFlag
	State string `placeholder:"STATE" help:"cli.notice.state"`
}

func (c *noticeListCmd) Run(e *env) error {
	return c.notices(e, func(ctx context.Context, s *notice.Service) error {
		found, err := s.List(ctx, "", e.lang)
		if err != nil {
			return err
		}
		all := []listedNotice{}
		for _, x := range found {
			if c.State == "" || string(x.State) == c.State {
				all = append(all, listedNotice{x.ID, x.Place, string(x.Kind), string(x.State), x.Hazard, x.Title, x.Since, x.Review})
			}
		}
		return e.show(all, func() {
			if len(all) == 0 {
				e.say("notice.empty", nil)
				return
			}
			w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
			for _, x := range all {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", x.ID, e.t("notice.kind."+x.Kind, nil), e.t("notice.state."+x.State, nil), x.Organisation, x.Headline)
			}
			w.Flush()
		})
	})
}

// shownNotice is one with its steps.
type shownNotice struct {
	ID           string            `json:"id"`
	Organisation string            `json:"organisation"`
	Kind         string            `json:"kind"`
	State        string            `json:"state"`
	Texts        map[string]string `json:"texts"`
	Steps        []noticeStep      `json:"steps"`
}

type noticeStep struct {
	At     time.Time `json:"at"`
	Step   string    `json:"step"`
	Person string    `json:"person"`
	Reason string    `json:"reason"`
}

type noticeShowCmd struct {
	configFlag
	ID string `arg:"" help:"cli.notice.id"`
}

func (c *noticeShowCmd) Run(e *env) error {
	return c.notices(e, func(ctx context.Context, s *notice.Service) error {
		v, err := s.Show(ctx, c.ID, e.lang)
		if err != nil {
			return err
		}
		state := v.Life.State()
		if w := v.Life.Work(); w != nil {
			state = w.State
		}
		out := shownNotice{ID: v.ID, Organisation: v.Place, Kind: string(v.Kind), State: string(state), Texts: map[string]string{}}
		for _, m := range v.Messages {
			out.Texts[string(m.Lang)] = m.Page()
		}
		for _, x := range v.Events {
			out.Steps = append(out.Steps, noticeStep{x.At, string(x.Step), v.Names[x.Person], x.Reason})
		}
		return e.show(out, func() {
			fmt.Fprintf(e.out, "%s · %s · %s\n\n%s\n\n", out.Organisation, e.t("notice.kind."+out.Kind, nil), e.t("notice.state."+out.State, nil), out.Texts[string(e.lang)])
			w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
			for _, x := range out.Steps {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", e.texts.DateTime(e.lang, x.At), e.t("notice.step."+x.Step, nil), x.Person, x.Reason)
			}
			w.Flush()
		})
	})
}

type noticeCapCmd struct {
	configFlag
	ID string `arg:"" help:"cli.notice.id"`
}

func (c *noticeCapCmd) Run(e *env) error {
	return c.notices(e, func(ctx context.Context, s *notice.Service) error {
		v, err := s.Show(ctx, c.ID, e.lang)
		if err != nil {
			return err
		}
		if len(v.Published) == 0 {
			return problem.New("cli.notice.cap", problem.NotFound, "cli.notice.unpublished", nil)
		}
		_, err = e.out.Write(v.Published[len(v.Published)-1].Document)
		return err
	})
}

// readNotice is how a notice reads in a channel, for programs.
type readNotice struct {
	Channel  string `json:"channel"`
	Language string `json:"language"`
	Text     string `json:"text"`
}

type noticeChannelsCmd struct {
	configFlag
	ID string `arg:"" help:"cli.notice.id"`
	In string `placeholder:"LANG" help:"cli.notice.in"`
}

// Run prints what channels send of a notice, or would.
func (c *noticeChannelsCmd) Run(e *env) error {
	return c.notices(e, func(ctx context.Context, s *notice.Service) error {
		v, err := s.Show(ctx, c.ID, e.lang)
		if err != nil {
			return err
		}
		l := e.lang
		if x, ok := i18n.Parse(c.In); ok {
			l = x
		}
		all := []readNotice{}
		for _, r := range v.Renderings {
			if r.Lang != l {
				continue
			}
			name := e.t(r.Name, r.Args)
			for _, key := range r.Notes {
				name += " (" + e.t(key, nil) + ")"
			}
			all = append(all, readNotice{name, string(r.Lang), r.Text})
		}
		return e.show(all, func() {
			for _, r := range all {
				fmt.Fprintf(e.out, "== %s\n%s\n\n", r.Channel, strings.TrimRight(r.Text, "\n"))
			}
		})
	})
}
