package cli

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"trojmezi/internal/alert/outlet"
	"trojmezi/internal/app"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

type outletCmd struct {
	List outletListCmd `cmd:"" help:"cli.outlet.list"`
	Show outletShowCmd `cmd:"" help:"cli.outlet.show"`
}

// outlets opens what is fetched from a node beside it; nothing is written.
func (f configFlag) outlets(e *env, use func(context.Context, *outlet.Service) error) error {
	return e.withDB(f.Config, func(ctx context.Context, c *app.Config, o *app.Opened) error {
		s, err := app.Outlets(c, o, e.texts)
		if err != nil {
			return err
		}
		return use(ctx, s)
	})
}

// listedOutlet is an item for programs.
type listedOutlet struct {
	ID      string        `json:"id"`
	Origin  outlet.Origin `json:"origin"`
	Kind    store.Kind    `json:"kind"`
	Text    string        `json:"text"`
	Updated time.Time     `json:"updated"`
}

type outletListCmd struct {
	configFlag
	Kind  string `enum:"live,exercise,test" default:"live" help:"cli.outlet.kind"`
	Place string `placeholder:"PLACE" help:"cli.outlet.place"`
}

// Run lists what holds; what is not known is told with it.
func (c *outletListCmd) Run(e *env) error {
	return c.outlets(e, func(ctx context.Context, s *outlet.Service) error {
		n, err := s.Now(ctx, store.Kind(c.Kind))
		if err != nil {
			return err
		}
		if c.Place != "" {
			p, err := s.Place(c.Place, e.lang)
			if err != nil {
				return err
			}
			s.For(n, p)
		}
		all := []listedOutlet{}
		for _, i := range n.Items {
			all = append(all, listedOutlet{i.ID, i.Origin(), i.Kind(), s.Renderer().Short(i, e.lang), i.Updated})
		}
		if !n.Complete() {
			fmt.Fprintln(e.errw, e.t("outlet.incomplete", nil))
		}
		return e.show(all, func() {
			w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
			for _, x := range all {
				fmt.Fprintf(w, "%s\t%s\n", x.ID, harmless(x.Text))
			}
			w.Flush()
		})
	})
}

type outletShowCmd struct {
	configFlag
	ID   string `arg:"" help:"cli.outlet.id"`
	Kind string `enum:"live,exercise,test" default:"live" help:"cli.outlet.kind"`
	Form string `enum:"atom,cap,edxl,geojson,pdf,short,speech,ssml,cell" default:"speech" help:"cli.outlet.form"`
	In   string `placeholder:"LANG" help:"cli.outlet.in"`
}

// Run prints one form of an item as others fetch it, for a pipe or a file.
func (c *outletShowCmd) Run(e *env) error {
	return c.outlets(e, func(ctx context.Context, s *outlet.Service) error {
		i, err := s.Item(ctx, store.Kind(c.Kind), c.ID)
		if err != nil {
			return err
		}
		l := e.lang
		if x, ok := i18n.Parse(c.In); ok {
			l = x
		}
		all, err := s.Renderer().Renderings(i, l)
		if err != nil {
			return err
		}
		for _, f := range all {
			if f.Name == c.Form {
				_, err := e.out.Write(f.Body)
				return err
			}
		}
		return problem.New("cli.outlet.show", problem.NotFound, "cli.outlet.no_form", nil)
	})
}
