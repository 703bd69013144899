package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"trojmezi/internal/app"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
)

type auditCmd struct {
	Verify verifyCmd `cmd:"" help:"cli.audit.verify"`
	Export exportCmd `cmd:"" help:"cli.audit.export"`
}

type verifyCmd struct {
	Config string   `type:"path" required:"" xor:"source" placeholder:"node.yaml" help:"cli.config"`
	Head   []string `type:"existingfile" placeholder:"FILE" help:"cli.audit.head"`
	Bundle string   `type:"existingfile" required:"" xor:"source" placeholder:"FILE" help:"cli.audit.bundle"`
}

// Run checks the log, or an exported bundle, and exits with 1 on any fault.
func (c *verifyCmd) Run(e *env) error {
	if c.Bundle != "" {
		return c.bundle(e)
	}
	var known []string
	for _, f := range c.Head {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		known = append(known, string(text))
	}
	return e.withDB(c.Config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
		r, err := audit.Verify(ctx, o.DB, o.Audit.VerifierKey(), known...)
		if err != nil {
			return err
		}
		if err := e.show(r, func() {
			if len(r.Faults) == 0 {
				e.say("cli.audit.ok", i18n.Args{"n": r.Leaves})
				return
			}
			e.say("cli.audit.bad", i18n.Args{"n": len(r.Faults)})
			for _, f := range r.Faults {
				fmt.Fprintln(e.out, "-", e.t(f.Key(), i18n.Args{"id": f.Numbers()}))
			}
		}); err != nil {
			return err
		}
		if len(r.Faults) > 0 {
			return exit(exitFailed)
		}
		return nil
	})
}

func (c *verifyCmd) bundle(e *env) error {
	f, err := os.Open(c.Bundle)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := audit.VerifyExport(f)
	if err != nil {
		return err
	}
	return e.show(b, func() {
		e.say("cli.audit.bundle_ok", i18n.Args{"from": b.From, "to": b.To, "key": b.Key})
	})
}

type exportCmd struct {
	configFlag
	From int64  `default:"1" help:"cli.audit.from"`
	To   int64  `default:"0" help:"cli.audit.to"`
	Out  string `required:"" type:"path" placeholder:"FILE" help:"cli.audit.out"`
}

func (c *exportCmd) Run(e *env) error {
	return e.withDB(c.Config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
		if err := c.write(func(w io.Writer) error {
			return audit.Export(ctx, o.DB, o.Audit.VerifierKey(), w, c.From, c.To)
		}); err != nil {
			return err
		}
		return e.show(map[string]string{"file": c.Out}, func() { e.say("cli.audit.exported", i18n.Args{"file": c.Out}) })
	})
}

// write lets f write the file, which has its name only when it is whole and on disk:
// half of it proves nothing. What is no file, such as a pipe, is written as it comes.
func (c *exportCmd) write(f func(io.Writer) error) error {
	if i, err := os.Stat(c.Out); err == nil && !i.Mode().IsRegular() {
		out, err := os.OpenFile(c.Out, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(f(out), out.Close())
	}
	out, err := os.CreateTemp(filepath.Dir(c.Out), ".audit-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(out.Name()) // nothing once it has its name
	err = f(out)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return os.Rename(out.Name(), c.Out)
}
