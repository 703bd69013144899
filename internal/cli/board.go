package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"trojmezi/internal/alert/board"
	"trojmezi/internal/app"
)

type boardCmd struct {
	List    boardListCmd    `cmd:"" help:"cli.board.list"`
	Minutes boardMinutesCmd `cmd:"" help:"cli.board.minutes"`
}

type boardListCmd struct {
	configFlag
	CSV bool `help:"cli.board.csv"`
}

// boardLine is an item for programs.
type boardLine struct {
	Ref     string    `json:"ref"`
	Kind    string    `json:"kind"`
	Level   string    `json:"level"`
	Title   string    `json:"title"`
	Owner   string    `json:"owner"`
	Since   time.Time `json:"since"`
	Done    []string  `json:"acknowledged"`
	Missing []string  `json:"missing"`
}

func (c *boardListCmd) Run(e *env) error {
	return c.board(e, func(ctx context.Context, s *board.Service) error {
		found, err := s.List(ctx)
		if err != nil {
			return err
		}
		if c.CSV {
			_, err := e.out.Write(board.CSV(found, e.lang))
			return err
		}
		all := []boardLine{}
		for _, x := range found {
			l := boardLine{Ref: x.Ref, Kind: string(x.Kind), Level: string(x.Level), Title: x.Title(e.lang), Owner: x.OwnerName, Since: x.At, Done: []string{}, Missing: []string{}}
			for _, d := range x.Done {
				l.Done = append(l.Done, d.Name)
			}
			for _, o := range x.Missing {
				l.Missing = append(l.Missing, o.Name)
			}
			all = append(all, l)
		}
		return e.show(all, func() {
			if len(all) == 0 {
				e.say("board.empty", nil)
				return
			}
			w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
			for _, x := range all {
				fmt.Fprintf(w, "%s\t%s\t%s: %s\t%s: %s\n", x.Ref, x.Title, e.t("board.done", nil), strings.Join(x.Done, ", "), e.t("board.missing", nil), strings.Join(x.Missing, ", "))
			}
			w.Flush()
		})
	})
}

type boardMinutesCmd struct {
	configFlag
	N int `arg:"" help:"cli.board.n"`
}

func (c *boardMinutesCmd) Run(e *env) error {
	return c.board(e, func(ctx context.Context, s *board.Service) error { return s.SetMinutes(ctx, c.N) })
}

func (f configFlag) board(e *env, use func(context.Context, *board.Service) error) error {
	return e.withDB(f.Config, func(ctx context.Context, _ *app.Config, o *app.Opened) error { return use(ctx, app.Board(o)) })
}
