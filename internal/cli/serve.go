package cli

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"trojmezi/internal/app"
	"trojmezi/internal/demo"
	"trojmezi/internal/kernel/identity"
)

type configFlag struct {
	Config string `required:"" type:"path" placeholder:"node.yaml" help:"cli.config"`
}

type serveCmd struct{ configFlag }

func (c *serveCmd) Run(e *env) error {
	cfg, err := app.Load(c.Config)
	if err != nil {
		return err
	}
	return app.Serve(e.ctx, cfg, e.texts, e.log, e.out)
}

type demoCmd struct {
	Data     string `type:"path" placeholder:"DIR" help:"cli.demo.data"`
	Once     bool   `help:"cli.demo.once"`
	Insecure bool   `help:"cli.demo.insecure"`
	Replay   bool   `help:"cli.demo.replay"`
}

func (c *demoCmd) Run(e *env) error {
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	return demo.Run(e.ctx, demo.Options{Data: c.Data, Once: c.Once, Replay: c.Replay, Insecure: c.Insecure, Out: e.out, Texts: e.texts, Lang: e.lang, Binary: binary})
}

type passwordCmd struct{}

// Run reads a password from standard input, never from the command line, where
// other users of the machine could see it.
func (c *passwordCmd) Run(e *env) error {
	line, err := bufio.NewReader(e.in).ReadString('\n')
	if line == "" && err != nil {
		return err
	}
	hash, err := identity.HashPassword(strings.TrimRight(line, "\r\n"))
	if err != nil {
		return err
	}
	return e.show(map[string]string{"password_hash": hash}, func() { fmt.Fprintln(e.out, hash) })
}

type versionCmd struct{}

func (c *versionCmd) Run(e *env) error {
	return e.show(map[string]string{"version": app.Version}, func() { fmt.Fprintln(e.out, "trojmezi", app.Version) })
}
