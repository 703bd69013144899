package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"trojmezi/internal/app"
	"trojmezi/internal/exchange/agreement"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
)

type agreementCmd struct {
	Ask    agreementAskCmd    `cmd:"" help:"cli.agreement.ask"`
	List   agreementListCmd   `cmd:"" help:"cli.agreement.list"`
	Export agreementExportCmd `cmd:"" help:"cli.agreement.export"`
	Import agreementImportCmd `cmd:"" help:"cli.agreement.import"`
}

// withAgreements opens the agreements beside a running node.
func (e *env) withAgreements(config string, f func(context.Context, *agreement.Book) error) error {
	return e.withDB(config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
		book, err := app.Agreements(ctx, cfg, o, e.log)
		if err != nil {
			return err
		}
		return f(ctx, book)
	})
}

type agreementAskCmd struct {
	configFlag
	At        string   `required:"" help:"cli.agreement.at"`
	Service   string   `required:"" enum:"ems,fire,disaster,police" help:"cli.agreement.service"`
	From      []string `required:"" help:"cli.agreement.from"`
	With      string   `enum:",CZ,DE,PL" default:"" help:"cli.agreement.with"`
	Direction string   `enum:",ask,go" default:"" help:"cli.agreement.direction"`
	Date      string   `placeholder:"2006-01-02" help:"cli.agreement.date"`
}

func (c *agreementAskCmd) Run(e *env) error {
	return e.withAgreements(c.Config, func(ctx context.Context, book *agreement.Book) error {
		for _, id := range c.From {
			if u, ok := book.Unit(id); !ok || u.Country == "" {
				fmt.Fprintln(e.errw, e.t("agreement.fault.unit", i18n.Args{"value": id}))
				return exit(exitUsage)
			}
		}
		all, err := geo.Parse(c.At)
		if err != nil {
			return err
		}
		q := agreement.Question{At: all[0].Point, From: c.From, With: register.Country(c.With), Service: agreement.Service(c.Service), Direction: agreement.Direction(c.Direction), Day: c.Date}
		a, err := book.Answer(ctx, q)
		if err != nil {
			return err
		}
		return e.show(a, func() { e.sayAnswer(a) })
	})
}

func (e *env) sayAnswer(a agreement.Answer) {
	e.say("agreement.value."+string(a.Value), nil)
	reasons := func(indent string, all []agreement.Reason) {
		for _, w := range all {
			fmt.Fprintln(e.out, indent+e.t(w.Key, w.Args))
		}
	}
	reasons("", a.Why)
	for _, part := range []struct {
		key  string
		list []agreement.Finding
	}{{"by", a.By}, {"doubt", a.Doubt}, {"duties", a.Duties}, {"frames", a.Frames}, {"route", a.Route}, {"against", a.Against}} {
		if len(part.list) > 0 {
			e.say("agreement."+part.key, nil)
		}
		for _, f := range part.list {
			fmt.Fprintln(e.out, "  "+strings.TrimSpace(f.Row.ID+" "+f.Row.Paragraph))
			reasons("    ", f.Why)
			for _, v := range []struct{ column, value string }{
				{"who_may_ask", f.Row.WhoAsks}, {"who_consents", f.Row.WhoConsents}, {"contact_route", f.Row.Route}, {"form", f.Row.Form},
			} {
				if v.value != "" {
					fmt.Fprintf(e.out, "    %s: %s\n", e.t("agreement.column."+v.column, nil), agreement.Words(e.texts, e.lang, v.value))
				}
			}
		}
	}
}

type agreementListCmd struct{ configFlag }

func (c *agreementListCmd) Run(e *env) error {
	return e.withAgreements(c.Config, func(ctx context.Context, book *agreement.Book) error {
		rows, err := book.Rows(ctx)
		if err != nil {
			return err
		}
		return e.show(rows, func() {
			w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
			for _, r := range rows {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.ID, strings.Join(r.Parties, ";"), r.Service, r.Area, e.t("agreement.status."+r.Standing(), nil))
			}
			w.Flush()
		})
	})
}

type agreementExportCmd struct{ configFlag }

func (c *agreementExportCmd) Run(e *env) error {
	return e.withAgreements(c.Config, func(ctx context.Context, book *agreement.Book) error {
		rows, err := book.Rows(ctx)
		if err != nil {
			return err
		}
		names, err := book.Names(ctx, rows)
		if err != nil {
			return err
		}
		return agreement.WriteCSV(e.out, rows, func(id string) string { return names[id] })
	})
}

type agreementImportCmd struct {
	configFlag
	DryRun bool   `help:"cli.agreement.dry_run"`
	File   string `arg:"" type:"existingfile" help:"cli.agreement.file"`
}

// Run imports a file of rows: all, or none when one is wrong, and then exits with 1.
func (c *agreementImportCmd) Run(e *env) error {
	return e.withAgreements(c.Config, func(ctx context.Context, book *agreement.Book) error {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close()
		rows, err := agreement.ReadCSV(f)
		if err != nil {
			return err
		}
		changes, err := book.ImportByOperator(ctx, rows, c.DryRun)
		if err != nil {
			return err
		}
		wrong := false
		for _, x := range changes {
			wrong = wrong || x.Kind == "wrong"
		}
		if e.json {
			if err := json.NewEncoder(e.out).Encode(changes); err != nil {
				return err
			}
		} else {
			e.sayChanges(changes)
		}
		if wrong {
			fmt.Fprintln(e.errw, e.t("agreement.import.wrong", nil))
			return exit(exitFailed)
		}
		return nil
	})
}

func (e *env) sayChanges(changes []agreement.Change) {
	for _, x := range changes {
		fmt.Fprintln(e.out, x.ID, e.t("agreement.import.kind."+x.Kind, nil))
		for _, f := range x.Faults {
			fmt.Fprintf(e.out, "  %s: %s\n", e.t("agreement.column."+f.Field, nil), e.t(f.Key, f.Args))
		}
		for _, f := range x.Fields {
			fmt.Fprintf(e.out, "  %s: %q → %q\n", e.t("agreement.column."+f.Name, nil), f.Before, f.After)
		}
	}
}
