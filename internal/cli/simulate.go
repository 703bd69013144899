package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/simulator"
	"trojmezi/internal/simulator/broker"
	"trojmezi/internal/simulator/czizs"
	"trojmezi/internal/simulator/euhub"
	"trojmezi/internal/simulator/plswd"
)

type simulateCmd struct {
	System string `arg:"" optional:"" enum:",czizs,plswd,euemsi,euemsijson" default:"" help:"cli.simulate.system"`
	Name   string `help:"cli.simulate.name"`
	Peer   string `help:"cli.simulate.peer"`
	Mode   string `enum:"live,exercise,test" default:"test" help:"cli.simulate.mode"`

	Folder     string `xor:"way" required:"" placeholder:"DIR" help:"cli.simulate.folder"`
	Listen     string `xor:"way" required:"" placeholder:"HOST:PORT" help:"cli.simulate.listen"`
	AMQP       string `name:"amqp" xor:"way" required:"" placeholder:"URL" help:"cli.simulate.amqp"`
	Feeds      string `xor:"way" required:"" placeholder:"HOST:PORT" help:"cli.simulate.feeds"`
	URL        string `name:"url" help:"cli.simulate.url"`
	Exchange   string `help:"cli.simulate.exchange"`
	SecretFile string `help:"cli.simulate.secret"`

	Events  int           `help:"cli.simulate.events"`
	Mistake string        `help:"cli.simulate.mistake"`
	Answer  string        `enum:",accept,reject" default:"" help:"cli.simulate.answer"`
	Words   string        `help:"cli.simulate.words"`
	Think   time.Duration `default:"3s" help:"cli.simulate.think"`
	Delay   time.Duration `help:"cli.simulate.delay"`
	Silent  bool          `help:"cli.simulate.silent"`
	Narrow  bool          `help:"cli.simulate.narrow"`
	For     time.Duration `help:"cli.simulate.for"`

	Scenario string            `type:"existingfile" placeholder:"FILE" help:"cli.simulate.scenario"`
	Start    time.Time         `placeholder:"TIME" help:"cli.simulate.start"`
	Minute   int               `default:"90" help:"cli.simulate.minute"`
	Speed    float64           `default:"1" help:"cli.simulate.speed"`
	Fault    map[string]string `mapsep:"," placeholder:"FEED=KIND" help:"cli.simulate.fault"`
}

// Run plays a foreign system until it is interrupted or its time is over, and prints
// what it says and hears. It exits with 1 when something heard was not as the profile
// says.
func (c *simulateCmd) Run(e *env) error {
	if c.Feeds != "" {
		return c.senders(e)
	}
	if c.System == "" || c.Name == "" || c.Peer == "" {
		fmt.Fprintln(e.errw, e.t("cli.simulate.incomplete", nil))
		return exit(exitUsage)
	}
	profile, sample := map[string]simulator.Profile{"czizs": czizs.Profile{Narrow: c.Narrow}, "plswd": plswd.Profile{}, "euemsi": euhub.Profile{XML: true}, "euemsijson": euhub.Profile{}}[c.System],
		map[string]func() simulator.Say{"czizs": czizs.Sample, "plswd": plswd.Sample, "euemsi": euhub.Sample, "euemsijson": euhub.Sample}[c.System]
	desk := simulator.New(profile, c.Name, c.Peer, simulator.Mode(c.Mode), nil)
	desk.Behave(simulator.Behaviour{Delay: c.Delay, Silent: c.Silent, Decision: simulator.Decision(c.Answer), Think: c.Think, Words: c.Words})
	var secret []byte
	if c.Listen != "" || c.SecretFile != "" {
		text, err := os.ReadFile(c.SecretFile)
		if err != nil {
			fmt.Fprintln(e.errw, e.t("cli.simulate.no_secret", i18n.Args{"detail": err.Error()}))
			return exit(exitUsage)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		secret = []byte(strings.TrimRight(first, "\r"))
	}
	for range max(c.Events, min(1, len(c.Mistake))) {
		if _, err := desk.Send(sample(), c.Mistake); err != nil {
			fmt.Fprintln(e.errw, e.t("cli.simulate.no_mistake", i18n.Args{"names": mistakeNames()}))
			return exit(exitUsage)
		}
	}
	ctx, stop := context.WithCancel(e.ctx)
	if c.For > 0 {
		ctx, stop = context.WithTimeout(e.ctx, c.For)
	}
	defer stop()
	ended := make(chan error, 2)
	var misuse []string // of the hub; its carrier has ended when it is read
	c.carry(ctx, e, desk, secret, func(what string) { misuse = append(misuse, what) }, ended)
	wrong := e.tell(ctx, desk, ended)
	err := <-ended
	for _, what := range misuse {
		_ = e.show(map[string]any{"way": "!", "text": what}, func() { fmt.Fprintf(e.out, "         ! %s\n", what) })
	}
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if wrong || len(misuse) > 0 {
		return exit(exitFailed)
	}
	return nil
}

func mistakeNames() string {
	var names []string
	for _, m := range simulator.Mistakes {
		names = append(names, m.Name)
	}
	return strings.Join(names, ", ")
}

// carry starts what carries the desk's messages; ended gets why it ended, misuse what a
// node must not do at a hub.
func (c *simulateCmd) carry(ctx context.Context, e *env, d *simulator.Desk, secret []byte, misuse func(string), ended chan<- error) {
	if c.AMQP != "" {
		go func() { ended <- c.overBroker(ctx, d, string(secret), misuse) }()
		return
	}
	if c.Folder != "" {
		go func() { ended <- simulator.Folder(ctx, d, c.Folder) }()
		return
	}
	handler := simulator.Server(d, secret)
	if c.URL != "" {
		handler = simulator.Receiver(d, secret)
		go func() { _ = simulator.Push(ctx, d, http.DefaultClient, c.URL, secret) }() // ends with ctx
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		ended <- err
		return
	}
	e.say("cli.simulate.listening", i18n.Args{"address": l.Addr().String()})
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			ended <- err
		}
	}()
	go func() {
		<-ctx.Done()
		ended <- errors.Join(ctx.Err(), server.Close())
	}()
}

// overBroker carries by queues that are called as the two sides are in their messages: a
// gateway's routing key is its partner by default. With an exchange it plays the hub.
func (c *simulateCmd) overBroker(ctx context.Context, d *simulator.Desk, password string, misuse func(string)) error {
	address := c.AMQP
	if u, err := url.Parse(address); err == nil && password != "" {
		u.User = url.UserPassword(u.User.Username(), password)
		address = u.String()
	}
	if c.Exchange != "" {
		return broker.Hub(ctx, d, address, c.Exchange, c.Peer, misuse)
	}
	return broker.Queues(ctx, d, address, c.Peer, c.Name)
}

// tell prints what a desk says and hears until it ends; true if anything heard was not
// as the profile says.
func (e *env) tell(ctx context.Context, d *simulator.Desk, ended chan error) (wrong bool) {
	said, heard, over := 0, 0, false
	for {
		for _, s := range d.Said()[said:] {
			said++
			e.line("→", s, nil)
		}
		for _, h := range d.Heard()[heard:] {
			heard++
			wrong = wrong || len(h.Faults) > 0
			e.line("←", h.Say, h.Faults)
		}
		if over {
			return wrong
		}
		select {
		case err := <-ended:
			ended <- err
			over = true
		case <-ctx.Done():
			over = true
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// line prints a message; words of the profile stay as they are.
func (e *env) line(way string, s simulator.Say, faults []simulator.Fault) {
	_ = e.show(map[string]any{"way": way, "message": s, "faults": faults}, func() {
		text := strings.Join(strings.Fields(strings.Join([]string{string(s.Reason), s.Where, s.What, s.Text}, " ")), " ")
		fmt.Fprintf(e.out, "%s %s %-8s %s %s\n", time.Now().Format(time.TimeOnly), way, s.Kind, s.ID, text)
		for _, f := range faults {
			fmt.Fprintf(e.out, "         ! %s %s %s\n", f.Reason, f.Where, f.Text)
		}
	})
}
