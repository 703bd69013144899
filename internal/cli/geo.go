package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"trojmezi/internal/app"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
)

type geoCmd struct {
	Import geoImportCmd `cmd:"" help:"cli.geo.import"`
	List   geoListCmd   `cmd:"" help:"cli.geo.list"`
}

// withImports opens the map's files beside a running node, which notices by itself.
func (e *env) withImports(config string, f func(context.Context, *register.Imports) error) error {
	return e.withDB(config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
		imports, closeFiles, err := app.Imports(ctx, cfg, o, e.log)
		if err != nil {
			return err
		}
		defer closeFiles()
		return f(ctx, imports)
	})
}

type geoImportCmd struct {
	configFlag
	Country string   `enum:",CZ,DE,PL" default:"" help:"cli.geo.country"`
	Level   string   `enum:",country,district,municipality" default:"" help:"cli.geo.level"`
	Error   float64  `placeholder:"METRES" help:"cli.geo.error"`
	Files   []string `arg:"" type:"existingfile" help:"cli.geo.files"`
}

func (c *geoImportCmd) Run(e *env) error {
	return e.withImports(c.Config, func(ctx context.Context, imports *register.Imports) error {
		var all []register.Import
		for _, name := range c.Files {
			in, err := importFile(ctx, imports, name, register.Describe{Country: register.Country(c.Country), Level: register.Level(c.Level), Error: c.Error})
			if err != nil {
				return err
			}
			all = append(all, in)
		}
		return e.show(all, func() {
			for _, in := range all {
				e.say("cli.geo.imported", i18n.Args{"file": in.Name, "bytes": in.Bytes})
			}
		})
	})
}

func importFile(ctx context.Context, imports *register.Imports, name string, d register.Describe) (register.Import, error) {
	f, err := os.Open(name)
	if err != nil {
		return register.Import{}, err
	}
	defer f.Close()
	return imports.File(ctx, filepath.Base(name), f, d)
}

type geoListCmd struct{ configFlag }

func (c *geoListCmd) Run(e *env) error {
	return e.withImports(c.Config, func(ctx context.Context, imports *register.Imports) error {
		all, err := imports.List(ctx)
		if err != nil {
			return err
		}
		if all == nil {
			all = []register.Import{}
		}
		return e.show(all, func() {
			for _, in := range all {
				fmt.Fprintln(e.out, in.At.Format(time.RFC3339), in.Kind, in.Country, in.Level, in.Name, in.Bytes)
			}
			if len(all) == 0 {
				e.say("cli.geo.none", nil)
			}
		})
	})
}
