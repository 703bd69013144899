package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/simulator/feeds"
)

// senders plays the senders of warnings and gauges until it is interrupted or its time
// is over.
func (c *simulateCmd) senders(e *env) error {
	wrong := func(err error) error {
		fmt.Fprintln(e.errw, harmless(err.Error()))
		return exit(exitUsage)
	}
	scenario := feeds.Shipped()
	if c.Scenario != "" {
		text, err := os.ReadFile(c.Scenario)
		if err == nil {
			scenario, err = feeds.Parse(text)
		}
		if err != nil {
			return wrong(err)
		}
	}
	if c.Speed <= 0 {
		return wrong(errors.New("--speed"))
	}
	now := c.Start
	if now.IsZero() {
		now = time.Now()
	}
	f := feeds.New(scenario, now.Add(-time.Duration(c.Minute)*time.Minute), feeds.Times(now, c.Speed))
	for name, kind := range c.Fault {
		if err := f.Set(name, kind); err != nil {
			return wrong(err)
		}
	}
	l, err := net.Listen("tcp", c.Feeds)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(e.ctx)
	if c.For > 0 {
		ctx, stop = context.WithTimeout(e.ctx, c.For)
	}
	defer stop()
	e.say("cli.simulate.listening", i18n.Args{"address": l.Addr().String()})
	e.say("cli.simulate.senders", i18n.Args{"title": scenario.Title, "minute": c.Minute, "url": "http://" + l.Addr().String()})
	paths := feeds.Paths()
	var names []string
	for name := range paths {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintln(e.out, "  "+name+strings.Repeat(" ", max(1, 20-len(name)))+paths[name])
	}
	server := &http.Server{Handler: f, ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	err = server.Close()
	if serve := <-ended; !errors.Is(serve, http.ErrServerClosed) {
		err = errors.Join(err, serve)
	}
	return err
}
