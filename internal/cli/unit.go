package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"trojmezi/internal/app"
	"trojmezi/internal/exchange/unit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

type unitCmd struct {
	List      unitListCmd      `cmd:"" help:"cli.unit.list"`
	Import    unitImportCmd    `cmd:"" help:"cli.unit.import"`
	Positions unitPositionsCmd `cmd:"" help:"cli.unit.positions"`
	Status    unitStatusCmd    `cmd:"" help:"cli.unit.status"`
}

// room names the organisation whose units are meant.
type room struct {
	configFlag
	Organisation string `help:"cli.unit.organisation"`
}

// units opens the units of one organisation beside a running node, which tells the
// neighbours within a second. What is done stands in the audit log as the node's.
func (c room) units(e *env, f func(ctx context.Context, s *unit.Service, who unit.Actor) error) error {
	return e.withDB(c.Config, func(ctx context.Context, cfg *app.Config, o *app.Opened) error {
		d, err := app.People(cfg, o, e.log)
		if err != nil {
			return err
		}
		all, err := d.Organisations(ctx)
		if err != nil {
			return err
		}
		var found, names []string
		for _, x := range all {
			if len(x.Addresses) == 0 && c.Organisation == "" {
				continue // who has no address has no control room
			}
			names = append(names, x.Name)
			if c.Organisation == "" || c.Organisation == x.ID || strings.EqualFold(c.Organisation, x.Name) {
				found = append(found, x.ID)
			}
		}
		if len(found) != 1 {
			return problem.New("cli.unit", problem.Invalid, "cli.unit.which", i18n.Args{"names": strings.Join(names, ", ")})
		}
		return f(ctx, app.Units(o, e.log), unit.Actor{Org: found[0]})
	})
}

// file reads a named file, or standard input for "" and "-".
func (e *env) file(name string) ([]byte, error) {
	if name == "" || name == "-" {
		return io.ReadAll(e.in)
	}
	return os.ReadFile(name)
}

// faultOf puts the words of a fault into a refusal that names its line.
func (e *env) faultOf(err error) error {
	p, ok := errors.AsType[*problem.Error](err)
	if !ok {
		return err
	}
	if key, ok := p.Args["fault"].(string); ok {
		p.Args["fault"] = e.t(key, nil)
	}
	return err
}

// listedUnit is a unit in what the commands print.
type listedUnit struct {
	CallSign string    `json:"call_sign"`
	Type     string    `json:"type"`
	Status   string    `json:"status"`
	EMSI     string    `json:"emsi_status"`
	Since    time.Time `json:"since"`
	Station  string    `json:"station"`
	Kind     string    `json:"kind"`
}

type unitListCmd struct{ room }

func (c *unitListCmd) Run(e *env) error {
	return c.units(e, func(ctx context.Context, s *unit.Service, who unit.Actor) error {
		all, err := s.List(ctx, who.Org)
		if err != nil {
			return err
		}
		list := []listedUnit{}
		for _, u := range all {
			list = append(list, listedUnit{u.CallSign, u.Type, string(u.Status), u.Status.EMSI(), u.StatusAt, u.Station, string(u.Kind)})
		}
		return e.show(list, func() {
			if len(all) == 0 {
				e.say("unit.empty", nil)
				return
			}
			w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
			for _, u := range all {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", u.CallSign, unit.Label(e.lang, u.Type), e.t("unit.status."+string(u.Status), nil), e.texts.DateTime(e.lang, u.StatusAt), u.Station)
			}
			w.Flush()
		})
	})
}

type unitImportCmd struct {
	room
	File string `arg:"" optional:"" help:"cli.unit.file"`
}

func (c *unitImportCmd) Run(e *env) error {
	raw, err := e.file(c.File)
	if err != nil {
		return err
	}
	return c.units(e, func(ctx context.Context, s *unit.Service, who unit.Actor) error {
		added, changed, err := s.Import(ctx, who, raw)
		if err != nil {
			return e.faultOf(err)
		}
		return e.show(map[string]int{"added": added, "changed": changed}, func() {
			e.say("unit.import.done", i18n.Args{"added": added, "changed": changed})
		})
	})
}

type unitPositionsCmd struct {
	room
	File string `arg:"" optional:"" help:"cli.unit.file"`
}

func (c *unitPositionsCmd) Run(e *env) error {
	raw, err := e.file(c.File)
	if err != nil {
		return err
	}
	reports, err := unit.ReadPositions(raw, time.Now())
	if err != nil {
		return e.faultOf(err)
	}
	return c.units(e, func(ctx context.Context, s *unit.Service, who unit.Actor) error {
		moved, err := s.Move(ctx, who, reports)
		if err != nil {
			return err
		}
		return e.show(map[string]int{"moved": moved}, func() { e.say("cli.unit.moved", i18n.Args{"n": moved}) })
	})
}

type unitStatusCmd struct {
	room
	CallSign string `arg:"" help:"cli.unit.call_sign"`
	Status   string `arg:"" enum:"free,alarmed,on_the_way,at_scene,returning,not_ready,off_duty" help:"cli.unit.status_arg"`
}

func (c *unitStatusCmd) Run(e *env) error {
	return c.units(e, func(ctx context.Context, s *unit.Service, who unit.Actor) error {
		all, err := s.List(ctx, who.Org)
		if err != nil {
			return err
		}
		for _, u := range all {
			if !strings.EqualFold(u.CallSign, c.CallSign) {
				continue
			}
			if err := s.SetStatus(ctx, who, u.ID, unit.Status(c.Status), 0); err != nil {
				return err
			}
			return e.show(map[string]string{"call_sign": u.CallSign, "status": c.Status}, func() {
				fmt.Fprintln(e.out, u.CallSign+": "+e.t("unit.status."+c.Status, nil))
			})
		}
		return problem.New("cli.unit", problem.NotFound, "unit.fault.unknown_unit", i18n.Args{"unit": c.CallSign})
	})
}
