package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"trojmezi/internal/alert/channel"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// operator is who acts on the command line, in the log of what was done.
const operator = "operator"

type channelReceiverCmd struct {
	List   receiverListCmd   `cmd:"" help:"cli.channel.receiver.list"`
	Add    receiverAddCmd    `cmd:"" help:"cli.channel.receiver.add"`
	Change receiverChangeCmd `cmd:"" help:"cli.channel.receiver.change"`
	End    receiverEndCmd    `cmd:"" help:"cli.channel.receiver.end"`
	Undo   receiverUndoCmd   `cmd:"" help:"cli.channel.receiver.undo"`
	Export receiverExportCmd `cmd:"" help:"cli.channel.receiver.export"`
	Import receiverImportCmd `cmd:"" help:"cli.channel.receiver.import"`
}

// receiverLine is a receiver for programs, without the address.
type receiverLine struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	Channel  string     `json:"channel"`
	Kind     string     `json:"kind"`
	Language string     `json:"language"`
	Places   []string   `json:"places"`
	Where    string     `json:"configuration,omitempty"`
	Told     bool       `json:"told"`
	Until    *time.Time `json:"until"`
	Test     string     `json:"last_test,omitempty"`
	Tested   *time.Time `json:"last_test_at"`
}

type receiverListCmd struct{ configFlag }

// Run lists the receivers with what became of their last test.
func (c *receiverListCmd) Run(e *env) error {
	return c.channels(e, func(ctx context.Context, s *channel.Service) error {
		all, err := s.Addressees(ctx)
		if err != nil {
			return err
		}
		lines := []receiverLine{}
		for _, a := range all {
			l := receiverLine{ID: a.Key, Name: a.Name, Channel: a.Channel, Kind: string(a.Kind), Language: string(a.Lang), Places: a.Places, Where: a.Where, Told: a.Told}
			if a.Entry != nil {
				l.Until = known(a.Entry.Until)
			}
			if a.Test != nil {
				l.Test, l.Tested = string(a.Test.State), known(a.Test.Created)
			}
			lines = append(lines, l)
		}
		return e.show(lines, func() {
			if len(lines) == 0 {
				e.say("channel.entry.none", nil)
				return
			}
			w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
			for _, l := range lines {
				test := e.t("channel.never", nil)
				if l.Test != "" {
					test = e.t("channel.state."+l.Test, nil)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.ID, harmless(l.Name), l.Channel, e.t("channel.kind."+l.Kind, nil), l.Language, strings.Join(l.Places, ", "), test)
			}
			w.Flush()
		})
	})
}

// receiverFlags are what a receiver is; of a change those that are left out stay.
type receiverFlags struct {
	Name     string   `help:"cli.channel.receiver.name"`
	Channel  string   `help:"cli.channel.receiver.channel"`
	Kind     string   `help:"cli.channel.receiver.kind"`
	To       string   `help:"cli.channel.receiver.to"`
	Language string   `help:"cli.channel.receiver.language"`
	Place    []string `sep:"none" help:"cli.channel.receiver.place"`
	Minimum  string   `help:"cli.channel.receiver.minimum"`
	Takes    []string `help:"cli.channel.receiver.takes"`
	Ack      bool     `help:"cli.channel.receiver.ack"`
	From     string   `placeholder:"2006-01-02" help:"cli.channel.receiver.from"`
	Until    string   `placeholder:"2006-01-02" help:"cli.channel.receiver.until"`
	Reason   string   `required:"" help:"cli.channel.receiver.reason"`
}

// into puts what was given into a receiver.
func (f *receiverFlags) into(e *env, x *channel.Entry) error {
	x.Name, x.Channel, x.Address = cmp.Or(f.Name, x.Name), cmp.Or(f.Channel, x.Channel), cmp.Or(f.To, x.Address)
	x.Lang, x.Minimum, x.Reason = i18n.Lang(cmp.Or(f.Language, string(x.Lang))), cmp.Or(f.Minimum, x.Minimum), f.Reason
	x.Kind, x.Ack = store.Kind(f.Kind), x.Ack || f.Ack
	if len(f.Place) > 0 {
		x.Places = f.Place
	}
	if len(f.Takes) > 0 {
		x.Takes = f.Takes
	}
	for text, to := range map[string]*time.Time{f.From: &x.From, f.Until: &x.Until} {
		if text == "" {
			continue
		}
		at, err := time.Parse(time.DateOnly, text)
		if err != nil {
			fmt.Fprintln(e.errw, e.t("channel.entry.fault.day", i18n.Args{"value": harmless(text)}))
			return exit(exitUsage)
		}
		*to = at
	}
	return nil
}

// savedReceiver is what saving one came to, for programs.
type savedReceiver struct {
	ID     string `json:"id"`
	Secret string `json:"secret,omitempty"`
}

func (e *env) saveReceiver(ctx context.Context, s *channel.Service, x channel.Entry) error {
	id, secret, faults, err := s.Save(ctx, operator, x)
	if err != nil {
		return err
	}
	for _, f := range faults {
		fmt.Fprintln(e.errw, harmless(f.Field+": "+e.t(f.Key, f.Args)))
	}
	if len(faults) > 0 {
		return exit(exitUsage)
	}
	return e.show(savedReceiver{id, secret}, func() {
		e.say("cli.channel.receiver.saved", i18n.Args{"id": id})
		if secret != "" {
			e.say("cli.channel.receiver.secret", i18n.Args{"secret": secret})
		}
	})
}

type receiverAddCmd struct {
	configFlag
	receiverFlags
}

// Run adds a receiver. It exits with 2 and says what is wrong, field by field.
func (c *receiverAddCmd) Run(e *env) error {
	return c.channels(e, func(ctx context.Context, s *channel.Service) error {
		x := channel.Entry{Takes: []string{string(channel.Notice), string(channel.Warning)}}
		if err := c.into(e, &x); err != nil {
			return err
		}
		return e.saveReceiver(ctx, s, x)
	})
}

type receiverChangeCmd struct {
	configFlag
	receiverFlags
	ID string `arg:"" help:"cli.channel.receiver.id"`
}

func (c *receiverChangeCmd) Run(e *env) error {
	return c.channels(e, func(ctx context.Context, s *channel.Service) error {
		x, _, err := s.Entry(ctx, c.ID)
		if err != nil {
			return err
		}
		if err := c.into(e, x); err != nil {
			return err
		}
		return e.saveReceiver(ctx, s, *x)
	})
}

type receiverStep struct {
	configFlag
	Reason string `required:"" help:"cli.channel.receiver.reason"`
	ID     string `arg:"" help:"cli.channel.receiver.id"`
}

type (
	receiverEndCmd  struct{ receiverStep }
	receiverUndoCmd struct{ receiverStep }
)

func (c *receiverStep) do(e *env, f func(*channel.Service) func(context.Context, string, string, int64, string) error) error {
	return c.channels(e, func(ctx context.Context, s *channel.Service) error {
		if err := f(s)(ctx, operator, c.ID, 0, c.Reason); err != nil {
			return err
		}
		return e.show(savedReceiver{ID: c.ID}, func() { e.say("cli.channel.receiver.saved", i18n.Args{"id": c.ID}) })
	})
}

func (c *receiverEndCmd) Run(e *env) error {
	return c.do(e, func(s *channel.Service) func(context.Context, string, string, int64, string) error { return s.End })
}

func (c *receiverUndoCmd) Run(e *env) error {
	return c.do(e, func(s *channel.Service) func(context.Context, string, string, int64, string) error { return s.Undo })
}

type receiverExportCmd struct{ configFlag }

func (c *receiverExportCmd) Run(e *env) error {
	return c.channels(e, func(ctx context.Context, s *channel.Service) error {
		file, err := s.Export(ctx, operator)
		if err != nil {
			return err
		}
		_, err = e.out.Write(file)
		return err
	})
}

type receiverImportCmd struct {
	configFlag
	File string `arg:"" help:"cli.channel.receiver.file"`
}

// importedReceivers is what an import did, for programs.
type importedReceivers struct {
	Added  int      `json:"added"`
	Same   int      `json:"same"`
	Faults []string `json:"faults"`
}

// Run adds the rows of a file: all, or none when one is wrong, and then exits with 1.
func (c *receiverImportCmd) Run(e *env) error {
	file, err := e.file(c.File)
	if err != nil {
		return err
	}
	return c.channels(e, func(ctx context.Context, s *channel.Service) error {
		added, same, faults, err := s.Import(ctx, operator, file)
		if err != nil {
			return err
		}
		out := importedReceivers{Added: added, Same: same, Faults: []string{}}
		for _, f := range faults {
			out.Faults = append(out.Faults, e.t("channel.entry.import.line", i18n.Args{"line": f.Line, "text": e.t(f.Key, f.Args)}))
		}
		if err := e.show(out, func() {
			if len(faults) == 0 {
				e.say("channel.entry.import.done", i18n.Args{"added": added, "same": same})
			}
		}); err != nil || len(faults) == 0 {
			return err
		}
		for _, f := range out.Faults {
			fmt.Fprintln(e.errw, harmless(f))
		}
		return exit(exitFailed)
	})
}

type channelTestCmd struct {
	configFlag
	Receiver []string `help:"cli.channel.test.receiver"`
	Channel  string   `help:"cli.channel.test.channel"`
	Confirm  int      `help:"cli.channel.test.confirm"`
}

// Run queues test messages; what became of them tells the list of receivers.
func (c *channelTestCmd) Run(e *env) error {
	return c.channels(e, func(ctx context.Context, s *channel.Service) error {
		n, err := s.Test(ctx, operator, c.Receiver, c.Channel, c.Confirm)
		if err != nil {
			return err
		}
		return e.show(struct {
			Queued int `json:"queued"`
		}{n}, func() { e.say("cli.channel.test.queued", i18n.Args{"n": n}) })
	})
}
