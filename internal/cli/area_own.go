package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/app"
	"trojmezi/internal/kernel/i18n"
)

// withAreas opens the register of areas of a node beside it.
func (e *env) withAreas(config string, f func(context.Context, *area.Book) error) error {
	return e.withDB(config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
		book, err := app.Areas(ctx, cfg, o, e.log)
		if err != nil {
			return err
		}
		return f(ctx, book)
	})
}

type areaImportCmd struct {
	configFlag
	Reason string `required:"" help:"cli.area.reason"`
	DryRun bool   `help:"cli.area.dry_run"`
	File   string `arg:"" help:"cli.area.own_file"`
}

// areaImport is what an import did, for programs.
type areaImport struct {
	Stored  int           `json:"stored"`
	Rows    []areaChange  `json:"rows"`
	Refused []areaRefusal `json:"refused"`
}

type areaChange struct {
	Line     int    `json:"line"`
	Scheme   string `json:"scheme"`
	Code     string `json:"code"`
	Kind     string `json:"kind"`
	Closed   int    `json:"closed,omitempty"`
	Replaced int    `json:"replaced,omitempty"`
}

type areaRefusal struct {
	Line   int    `json:"line,omitempty"`
	Scheme string `json:"scheme,omitempty"`
	Code   string `json:"code,omitempty"`
	Test   string `json:"test,omitempty"`
	Text   string `json:"text"`
	Detail string `json:"detail,omitempty"`
}

// Run stores the rows of a file: all, or none when one is refused, and then exits with 1.
func (c *areaImportCmd) Run(e *env) error {
	file, err := e.file(c.File)
	if err != nil {
		return err
	}
	return e.withAreas(c.Config, func(ctx context.Context, book *area.Book) error {
		var changes []area.Change
		var refused []area.Refusal
		if c.DryRun {
			changes, refused, err = book.Judge(ctx, file)
		} else {
			changes, refused, err = book.ImportByOperator(ctx, file, c.Reason)
		}
		if err != nil {
			return err
		}
		out := areaImport{Rows: []areaChange{}, Refused: []areaRefusal{}}
		for _, x := range changes {
			if x.Kind != "same" && !c.DryRun && len(refused) == 0 {
				out.Stored++
			}
			out.Rows = append(out.Rows, areaChange{x.Line, x.Key.Scheme, x.Key.Code, x.Kind, x.Closed, x.Replaced})
		}
		for _, x := range refused {
			out.Refused = append(out.Refused, areaRefusal{x.Line, x.Key.Scheme, x.Key.Code, x.Test, e.textOf(x.Text), x.Detail})
		}
		err := e.show(out, func() {
			if len(refused) == 0 {
				for _, x := range changes {
					e.say("area.change."+x.Kind, i18n.Args{"line": int64(x.Line), "key": harmless(x.Key.String()), "closed": int64(x.Closed), "replaced": int64(x.Replaced)})
				}
				e.say("cli.area.stored", i18n.Args{"n": int64(out.Stored)})
			}
		})
		if err != nil || len(refused) == 0 {
			return err
		}
		for _, x := range out.Refused {
			line := strings.TrimSpace(x.Scheme + " " + x.Code)
			if x.Line > 0 {
				line = strings.TrimSuffix(e.t("area.check.line", i18n.Args{"line": int64(x.Line)})+", "+line, ", ")
			}
			if x.Detail != "" {
				x.Text += " (" + x.Detail + ")"
			}
			fmt.Fprintln(e.errw, harmless(c.File+": "+line+": "+x.Text))
		}
		return exit(exitFailed)
	})
}

// textOf is a text of the register of areas in the reader's language.
func (e *env) textOf(t area.Text) string {
	args := i18n.Args{}
	for k, v := range t.Args {
		if inner, ok := v.(area.Text); ok {
			v = e.textOf(inner)
		}
		args[k] = v
	}
	return e.t(t.Key, args)
}

type areaUndoCmd struct {
	configFlag
	Reason string `required:"" help:"cli.area.reason"`
	Scheme string `arg:"" help:"cli.area.scheme"`
	Code   string `arg:"" help:"cli.area.undo_code"`
}

func (c *areaUndoCmd) Run(e *env) error {
	return e.withAreas(c.Config, func(ctx context.Context, book *area.Book) error {
		v, err := book.UndoByOperator(ctx, area.Key{Scheme: c.Scheme, Code: c.Code}, c.Reason)
		if err != nil {
			return err
		}
		return e.show(areaVersionOf(v), func() {
			if v.Holds == 0 {
				e.say("area.own.undo.shipped", nil)
			} else {
				e.say("area.own.undo.to", i18n.Args{"version": int64(v.Holds)})
			}
		})
	})
}

// areaVersion is a version of an own row, for programs.
type areaVersion struct {
	Scheme  string            `json:"scheme"`
	Code    string            `json:"code"`
	Version int               `json:"version"`
	At      string            `json:"at"`
	Person  string            `json:"person"`
	Action  string            `json:"action"`
	Counts  int               `json:"counts"` // the version that counts from then on; 0: what is shipped
	Reason  string            `json:"reason"`
	Row     map[string]string `json:"row,omitempty"`
}

func areaVersionOf(v area.Version) areaVersion {
	out := areaVersion{Scheme: v.Scheme, Code: v.Code, Version: v.Number, At: v.At.Format("2006-01-02T15:04:05Z07:00"), Person: v.Person, Action: v.Step, Counts: v.Holds, Reason: v.Reason}
	if v.Row != nil {
		out.Row = map[string]string{}
		for i, column := range area.Columns {
			if i < len(v.Row) && v.Row[i] != "" {
				out.Row[column] = v.Row[i]
			}
		}
	}
	return out
}

// own lists what the operator of a node wrote and took back.
func (c *areaListCmd) own(e *env) error {
	if c.Config == "" {
		fmt.Fprintln(e.errw, e.t("cli.area.no_config", nil))
		return exit(exitUsage)
	}
	return e.withAreas(c.Config, func(ctx context.Context, book *area.Book) error {
		if c.CSV {
			return book.Write(e.out, slices.DeleteFunc(book.Areas(), func(a area.Area) bool { return a.Own == 0 }))
		}
		all, err := book.History(ctx)
		if err != nil {
			return err
		}
		rows := []areaVersion{}
		for _, v := range all {
			if (c.Scheme == "" || c.Scheme == v.Scheme) && !slices.ContainsFunc(c.Words, func(w string) bool { return !strings.Contains(v.Code, w) }) {
				rows = append(rows, areaVersionOf(v))
			}
		}
		return e.show(rows, func() {
			if len(rows) == 0 {
				e.say("area.own.empty", nil)
				return
			}
			w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
			for _, v := range rows {
				did := v.Row["name"]
				switch {
				case v.Row == nil && v.Counts == 0:
					did = e.t("area.own.undo.shipped", nil)
				case v.Row == nil:
					did = e.t("area.own.undo.to", i18n.Args{"version": int64(v.Counts)})
				}
				fmt.Fprintln(w, harmless(strings.Join([]string{v.Scheme, v.Code, fmt.Sprint(v.Version), v.At, v.Person, did, v.Reason}, "\t")))
			}
			w.Flush()
		})
	})
}
