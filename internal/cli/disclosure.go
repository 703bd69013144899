package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"trojmezi/internal/app"
	"trojmezi/internal/exchange/disclosure"
	"trojmezi/internal/kernel/i18n"
)

type disclosureCmd struct {
	List   disclosureListCmd   `cmd:"" help:"cli.disclosure.list"`
	Export disclosureExportCmd `cmd:"" help:"cli.disclosure.export"`
	Import disclosureImportCmd `cmd:"" help:"cli.disclosure.import"`
	Test   disclosureTestCmd   `cmd:"" help:"cli.disclosure.test"`
}

// withRules opens the table beside a running node, which notices a change by itself.
func (e *env) withRules(config string, f func(context.Context, *disclosure.Service, *app.Opened) error) error {
	return e.withDB(config, func(ctx context.Context, _ *app.Config, o *app.Opened) error {
		return f(ctx, disclosure.New(disclosure.Options{DB: o.DB, Ring: o.Ring, Audit: o.Audit, Clock: o.Clock}), o)
	})
}

type disclosureListCmd struct{ configFlag }

func (c *disclosureListCmd) Run(e *env) error {
	return e.withRules(c.Config, func(ctx context.Context, s *disclosure.Service, _ *app.Opened) error {
		v, err := s.Current(ctx)
		if err != nil {
			return err
		}
		return e.show(v, func() {
			e.say("cli.disclosure.version", i18n.Args{"n": v.Number, "rules": len(v.Rules)})
			for _, r := range v.Rules {
				fmt.Fprintln(e.out, r.ID, r.Peer, r.App, r.Path, r.Class, r.Action)
			}
		})
	})
}

type disclosureExportCmd struct{ configFlag }

func (c *disclosureExportCmd) Run(e *env) error {
	return e.withRules(c.Config, func(ctx context.Context, s *disclosure.Service, _ *app.Opened) error {
		v, err := s.Current(ctx)
		if err != nil {
			return err
		}
		return disclosure.WriteCSV(e.out, v.Rules)
	})
}

type disclosureImportCmd struct {
	configFlag
	Note string `placeholder:"TEXT" help:"cli.disclosure.note"`
	File string `arg:"" type:"existingfile" help:"cli.disclosure.file"`
}

// Run makes the rules of a file the ones that hold. It exits with 1 and changes nothing
// when something is wrong with one of them.
func (c *disclosureImportCmd) Run(e *env) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	rules, err := disclosure.ReadCSV(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return e.withRules(c.Config, func(ctx context.Context, s *disclosure.Service, o *app.Opened) error {
		v, err := s.Current(ctx)
		if err != nil {
			return err
		}
		n, faults, err := s.Save(ctx, "operator", v.Number, rules, c.Note)
		if err != nil {
			return err
		}
		for _, f := range faults {
			fmt.Fprintln(e.errw, harmless(e.t(f.Key, f.Args)))
		}
		if len(faults) > 0 {
			return exit(exitFailed)
		}
		// The node may not be running: nobody else would put the leaf into the tree.
		if err := o.Audit.Sequence(ctx); err != nil {
			return err
		}
		return e.show(map[string]any{"version": n, "rules": len(rules)}, func() { e.say("cli.disclosure.version", i18n.Args{"n": n, "rules": len(rules)}) })
	})
}

type disclosureTestCmd struct {
	configFlag
	Peer  string `required:"" placeholder:"OID" help:"cli.disclosure.peer"`
	Class string `placeholder:"CLASS" help:"cli.disclosure.class"`
	File  string `arg:"" optional:"" help:"cli.disclosure.message"`
}

// Run tells what a neighbour would see of a message; with --json also what is left of
// it. Nothing is sent or kept.
func (c *disclosureTestCmd) Run(e *env) error {
	message, err := e.message(c.File)
	if err != nil {
		return err
	}
	return e.withRules(c.Config, func(ctx context.Context, s *disclosure.Service, _ *app.Opened) error {
		r, f, err := s.Try(ctx, message, c.Peer, c.Class)
		if err != nil {
			return err
		}
		if f != nil {
			return e.refused(f)
		}
		return e.show(r, func() {
			for _, d := range r.Decisions {
				state := "disclosure.state.passed"
				if d.Held {
					state = "disclosure.state.held"
				}
				fmt.Fprintln(e.out, d.Path, e.t("disclosure.action."+string(d.Action), nil), d.Rule, e.t(state, nil))
			}
			for _, m := range r.Marks {
				fmt.Fprintln(e.out, m.Text())
			}
		})
	})
}
