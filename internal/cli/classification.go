package cli

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"trojmezi/internal/app"
	"trojmezi/internal/exchange/classification"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

type classificationCmd struct {
	List   classificationListCmd   `cmd:"" help:"cli.classification.list"`
	Label  classificationLabelCmd  `cmd:"" help:"cli.classification.label"`
	Export classificationExportCmd `cmd:"" help:"cli.classification.export"`
	Import classificationImportCmd `cmd:"" help:"cli.classification.import"`
}

// withTypes opens the crosswalk beside a running node, which notices changes by itself.
func (e *env) withTypes(config string, f func(context.Context, *app.Opened, *classification.Service) error) error {
	return e.withDB(config, func(ctx context.Context, _ *app.Config, o *app.Opened) error {
		s, err := app.Types(ctx, o)
		if err != nil {
			return err
		}
		return f(ctx, o, s)
	})
}

// incidentType is a row in what the commands print.
type incidentType struct {
	Key    string                             `json:"key"`
	Since  string                             `json:"since,omitempty"`
	Until  string                             `json:"until,omitempty"`
	Labels map[i18n.Lang]string               `json:"labels"`
	Drafts []i18n.Lang                        `json:"drafts"`
	Codes  map[classification.System][]string `json:"codes"`
}

type classificationListCmd struct {
	configFlag
	Words []string `arg:"" optional:"" help:"cli.classification.words"`
}

func (c *classificationListCmd) Run(e *env) error {
	return e.withTypes(c.Config, func(_ context.Context, _ *app.Opened, s *classification.Service) error {
		all := []incidentType{}
		for _, r := range s.Table().Rows() {
			if !r.Matches(strings.Join(c.Words, " ")) {
				continue
			}
			n := incidentType{Key: r.Key, Since: r.Since, Until: r.Until, Labels: map[i18n.Lang]string{}, Drafts: []i18n.Lang{}, Codes: map[classification.System][]string{}}
			for _, l := range i18n.Langs {
				n.Labels[l] = r.Label[l].Text
				if r.Label[l].Draft() {
					n.Drafts = append(n.Drafts, l)
				}
			}
			for system, codes := range r.Code {
				for _, code := range codes {
					n.Codes[system] = append(n.Codes[system], code.Code)
				}
			}
			all = append(all, n)
		}
		return e.show(all, func() {
			if len(all) == 0 {
				e.say("classification.empty", nil)
				return
			}
			w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
			for _, n := range all {
				draft := ""
				for _, l := range n.Drafts {
					if l == e.lang {
						draft = e.t("classification.status.draft", nil)
					}
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", n.Key, n.Labels[e.lang], strings.Join(n.Codes[classification.HZS], "; "),
					strings.Join(n.Codes[classification.SN], "; "), strings.Join(n.Codes[classification.PSP], "; "), draft)
			}
			w.Flush()
		})
	})
}

// meaning is what a code says, as the command prints it.
type meaning struct {
	System classification.System              `json:"system"`
	Code   string                             `json:"code"`
	Key    string                             `json:"key"`
	Label  string                             `json:"label"`
	Level  int                                `json:"level"`
	Draft  bool                               `json:"draft"`
	Codes  map[classification.System][]string `json:"codes"`
}

type classificationLabelCmd struct {
	configFlag
	System string `arg:"" enum:"cz-hzs,de-sn,pl-psp,emsi,cisu,cap" help:"cli.classification.system"`
	Code   string `arg:"" help:"cli.classification.code"`
}

func (c *classificationLabelCmd) Run(e *env) error {
	return e.withTypes(c.Config, func(_ context.Context, o *app.Opened, s *classification.Service) error {
		table, from, now := s.Table(), classification.System(c.System), o.Clock.Now()
		got, ok := table.Label(from, c.Code, e.lang, now)
		if !ok {
			return problem.New("cli.classification", problem.NotFound, "cli.classification.unknown", i18n.Args{"code": c.Code})
		}
		out := meaning{from, c.Code, got.Key, got.Text, got.Level, got.Draft, map[classification.System][]string{}}
		for _, to := range classification.Systems {
			if codes := table.Map(from, c.Code, to, now).Codes; to != from && len(codes) > 0 {
				out.Codes[to] = codes
			}
		}
		return e.show(out, func() {
			marks := []string{got.Text, got.Key}
			if got.Level > 0 {
				marks = append(marks, e.t("classification.shown.above", nil))
			}
			if got.Draft {
				marks = append(marks, e.t("classification.shown.draft", nil))
			}
			fmt.Fprintln(e.out, strings.Join(marks, " · "))
			for _, to := range classification.Systems {
				if codes := out.Codes[to]; len(codes) > 0 {
					fmt.Fprintf(e.out, "  %s: %s\n", e.t("classification.system."+string(to), nil), strings.Join(codes, "; "))
				}
			}
		})
	})
}

type classificationExportCmd struct{ configFlag }

func (c *classificationExportCmd) Run(e *env) error {
	return e.withTypes(c.Config, func(_ context.Context, _ *app.Opened, s *classification.Service) error {
		return s.Table().Write(e.out)
	})
}

type classificationImportCmd struct {
	configFlag
	Apply bool   `help:"cli.classification.apply"`
	File  string `arg:"" type:"existingfile" help:"cli.classification.file"`
}

// brought is what an import changes or would change, as the command prints it.
type brought struct {
	Applied bool                    `json:"applied"`
	Changes []classification.Change `json:"changes"`
}

// Run shows what a file would change and with --apply changes it. It exits with 1 when
// the file has faults.
func (c *classificationImportCmd) Run(e *env) error {
	file, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	return e.withTypes(c.Config, func(ctx context.Context, o *app.Opened, s *classification.Service) error {
		plan, faults := s.Table().Plan(file)
		if c.Apply && len(faults) == 0 {
			if plan, faults, err = s.Import(ctx, classification.Operator, file, plan.Stamp); err != nil {
				return err
			}
			if err := o.Audit.Sequence(ctx); err != nil {
				return err
			}
		}
		for _, f := range faults {
			fmt.Fprintf(e.errw, "%s:%d:%d: %s: %s\n", c.File, f.Line, f.Column, f.Field, e.t(f.Key, f.Args))
		}
		if len(faults) > 0 {
			return exit(exitFailed)
		}
		out := brought{Applied: c.Apply, Changes: append([]classification.Change{}, plan.Changes...)}
		return e.show(out, func() {
			for _, x := range out.Changes {
				fmt.Fprintf(e.out, "%s %s: %q → %q\n", strings.TrimSpace(x.Key+" "+x.Since), x.Field, x.Before, x.After)
			}
			switch {
			case len(plan.Rows) == 0:
				e.say("classification.import.nothing", nil)
			case c.Apply:
				e.say("cli.classification.done", i18n.Args{"n": len(plan.Rows)})
			default:
				e.say("classification.import.would", i18n.Args{"n": len(plan.Rows)})
			}
		})
	})
}
