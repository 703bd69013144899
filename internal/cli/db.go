package cli

import (
	"context"
	"fmt"

	"trojmezi/internal/app"
	"trojmezi/internal/exchange"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

type dbCmd struct {
	Migrate migrateCmd `cmd:"" help:"cli.db.migrate"`
	Backup  backupCmd  `cmd:"" help:"cli.db.backup"`
	Restore restoreCmd `cmd:"" help:"cli.db.restore"`
	Release releaseCmd `cmd:"" help:"cli.db.release"`
}

type migrateCmd struct{ configFlag }

func (c *migrateCmd) Run(e *env) error {
	cfg, err := app.Load(c.Config)
	if err != nil {
		return err
	}
	o, err := app.Open(e.ctx, cfg, e.log)
	if err != nil {
		return err
	}
	if err := o.DB.Close(); err != nil {
		return err
	}
	return e.show(map[string]bool{"migrated": true}, func() { e.say("cli.db.migrated", nil) })
}

type backupCmd struct {
	configFlag
	To      string `required:"" type:"path" placeholder:"DIR" help:"cli.db.to"`
	NodeKey string `required:"" type:"path" placeholder:"FILE" help:"cli.db.key_to"`
}

func (c *backupCmd) Run(e *env) error {
	return e.withDB(c.Config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
		r, err := app.Backup(ctx, cfg, o, c.To, c.NodeKey, e.progress)
		if err != nil {
			return err
		}
		return e.show(r, func() {
			e.say("cli.db.saved", i18n.Args{"dir": c.To, "rows": r.Rows})
			e.say("cli.db.key_apart", i18n.Args{"file": c.NodeKey})
		})
	})
}

type restoreCmd struct {
	configFlag
	From    string `required:"" type:"existingdir" placeholder:"DIR" help:"cli.db.from"`
	NodeKey string `required:"" type:"path" placeholder:"FILE" help:"cli.db.key_from"`
}

func (c *restoreCmd) Run(e *env) error {
	cfg, err := app.Load(c.Config)
	if err != nil {
		return err
	}
	r, err := app.Restore(e.ctx, cfg, c.From, c.NodeKey, e.log, e.progress)
	if err != nil {
		return err
	}
	return e.show(r, func() {
		e.say("cli.db.restored", i18n.Args{"rows": r.Rows})
		e.say("cli.db.held", i18n.Args{"config": c.Config})
	})
}

// progress tells on standard error how far a long copy is.
func (e *env) progress(table string, rows int64) {
	fmt.Fprintln(e.errw, e.t("cli.db.progress", i18n.Args{"table": table, "rows": rows}))
}

type releaseCmd struct{ configFlag }

func (c *releaseCmd) Run(e *env) error {
	return e.withDB(c.Config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
		err := o.DB.Write(ctx, func(tx *store.Tx) error {
			if err := exchange.Release(tx); err != nil {
				return err
			}
			return o.Audit.Append(tx, audit.Event{Action: "exchange.outbox.release", Actor: "operator", Object: "outbox"})
		})
		if err != nil {
			return err
		}
		// The node may not be running: nobody else would put the leaf into the tree.
		if err := o.Audit.Sequence(ctx); err != nil {
			return err
		}
		return e.show(map[string]bool{"released": true}, func() { e.say("cli.db.released", nil) })
	})
}
