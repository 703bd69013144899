package health

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"sync"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed locales/*.json
var locales embed.FS

//go:embed policy.cedar
var policy []byte

// Migrations returns the tables of this package, for store.DB.Migrate.
func Migrations() fs.FS { return migrations }

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// Policy returns the package's access rules.
func Policy() []byte { return policy }

const (
	// every is how often all checks run. Half of a minute: twice within the time
	// after which a dead link is an alarm.
	every = 30 * time.Second
	// stale is the age from which a state is no longer one to trust: a missed
	// round may be a change of the leading instance, three are not.
	stale = 4 * every
	// checkTimeout ends the wait for a check that hangs, for instance on a
	// network folder that is away.
	checkTimeout = 10 * time.Second
	// settle is how long a finding has to be away before people are told that it
	// is over: what flickers is one finding with a count, not a stream of mail.
	settle = 2 * time.Minute
	// history is how far back the page shows, keep how far the table does.
	history = 7 * 24 * time.Hour
	keep    = 90 * 24 * time.Hour
	// outageAfter is how long nothing could be stored before people are told
	// without the database: one full disk queue is no alarm.
	outageAfter = every
)

// Level is how bad a finding is; it is drawn as shape, word and colour.
type Level uint8

// The levels: be aware, act soon, act now.
const (
	L1 Level = 1 + iota
	L2
	L3
)

// Class is the alarm class of a level: what a person has to act on now is A.
func (l Level) Class() notify.Class {
	switch l {
	case L3:
		return notify.A
	case L2:
		return notify.B
	}
	return notify.C
}

// name ends the keys and style classes of a level.
func (l Level) name() string { return fmt.Sprintf("l%d", l) }

// Finding is one thing that is ill.
type Finding struct {
	// Text says what is ill.
	notify.Text
	// Todo is the key of what to do; it may use the arguments of Text.
	Todo  string
	Level Level
	// Object tells the findings of one check apart: a folder, a neighbour. A
	// check returns at most one finding for an object.
	Object string
	// Since is when it began, if the check knows; zero: when it was found.
	Since time.Time
	// Again names an argument of Text: when it changes, more of the same has
	// happened, and people are told anew. "": they are not.
	Again string
}

// Check looks at one thing. An error says that it could not look: the findings
// of the last time stay, since not knowing is not health.
type Check struct {
	ID   string
	Area string // key of the part of the node it belongs to
	// Every is the shortest time between two runs; zero: each round. In between
	// the last findings count.
	Every time.Duration
	Func  func(context.Context) ([]Finding, error)
	// Page is where people see to it: its address, the words that lead there and the
	// action it takes to open it; empty: there is none.
	Page web.NavItem
}

// Config is the configuration under the key "health".
type Config struct {
	// TimeServers are asked by SNTP how late it is, host or host:port. Empty: the
	// neighbours' clocks are compared instead.
	TimeServers []string `yaml:"time_servers"`
}

// Fault is a mistake in the configuration: where, and which text tells it.
type Fault struct {
	Path []any // keys and list indexes below "health"
	Key  string
	Args i18n.Args
}

// Validate returns every mistake found in c.
func (c *Config) Validate() []Fault {
	var faults []Fault
	for i, s := range c.TimeServers {
		if _, _, err := net.SplitHostPort(timeAddress(s)); err != nil || s == "" {
			faults = append(faults, Fault{[]any{"time_servers", i}, "health.config.time_server", i18n.Args{"value": s}})
		}
	}
	return faults
}

// Deps is what a Registry stands on.
type Deps struct {
	DB     *store.DB
	Notify *notify.Service
	Audit  *audit.Log
	Clock  *clock.Clock
	Texts  *i18n.Bundle
	Log    *slog.Logger
	// Name returns a person's name for his id.
	Name func(tx *store.Tx, person string) string
}

// Registry runs the checks and remembers what they found. It is safe for
// concurrent use once all checks are added.
type Registry struct {
	Deps
	checks []Check
	// write is the probe of the store, limit is checkTimeout; tests replace them.
	write func(context.Context) error
	limit time.Duration

	mu      sync.Mutex
	last    map[string]*run // by check
	outage  outage
	cached  *Report // for the banner
	cacheAt time.Time
}

// run is the last result of a check on this instance.
type run struct {
	at       time.Time
	busy     bool      // still running
	started  time.Time // by the machine's clock, for busy
	findings []Finding
	err      error
}

// New returns a registry with the checks of the node itself, which knows without
// being told: the database, and the checks.
func New(d Deps) *Registry {
	r := &Registry{Deps: d, last: map[string]*run{}, limit: checkTimeout}
	r.write = func(ctx context.Context) error {
		return d.DB.Write(ctx, func(tx *store.Tx) error { return tx.SetSetting(settingProbe, fmt.Sprint(d.Clock.Now().UnixMilli())) })
	}
	r.Add(Check{ID: checkStorage, Area: "health.area.storage", Func: r.slow})
	return r
}

// Add adds a check before Run. A second check of the same id is a mistake in the
// program.
func (r *Registry) Add(checks ...Check) {
	for _, c := range checks {
		if c.ID == "" || c.ID == checkItself || r.last[c.ID] != nil {
			panic("health: check " + c.ID)
		}
		r.checks = append(r.checks, c)
		r.last[c.ID] = &run{}
	}
}

// Run evaluates on the leading instance and watches the store on every one,
// until ctx ends.
func (r *Registry) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { r.each(ctx, r.Probe) })
	err := r.DB.Lead(ctx, "health", func(ctx context.Context) error {
		r.each(ctx, func(ctx context.Context) {
			if err := r.Evaluate(ctx); err != nil && ctx.Err() == nil {
				r.Log.Error("health: evaluation", "error", err)
			}
		})
		return ctx.Err()
	})
	wg.Wait()
	return err
}

func (r *Registry) each(ctx context.Context, f func(context.Context)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		f(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Evaluate runs the checks that are due and stores what changed. Run does it
// every 30 s; several instances may do it at once.
func (r *Registry) Evaluate(ctx context.Context) error {
	results := r.look(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	now := r.Clock.Now()
	err := r.DB.Write(ctx, func(tx *store.Tx) error { return r.merge(tx, results, now) })
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	r.forget()
	return nil
}

// result is what one check says now.
type result struct {
	check    Check
	findings []Finding
	unknown  bool // it could not look: what was found stays
}

// look runs the due checks side by side. The last result is the one about the
// checks themselves.
func (r *Registry) look(ctx context.Context) []result {
	now := r.Clock.Now()
	var wg sync.WaitGroup
	for _, c := range r.checks {
		r.mu.Lock()
		last := r.last[c.ID]
		due := !last.busy && (last.at.IsZero() || now.Sub(last.at) >= c.Every || last.at.After(now))
		if due {
			last.busy, last.started = true, time.Now()
		}
		r.mu.Unlock()
		if due {
			wg.Go(func() { r.runOne(ctx, c, last, now) })
		}
	}
	wg.Wait()
	var out []result
	itself := result{check: Check{ID: checkItself, Area: "health.area.checks"}}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.checks {
		last := r.last[c.ID]
		res := result{check: c, findings: last.findings, unknown: last.busy || last.err != nil}
		reason := last.err
		if last.busy {
			reason = nil // another round waits for it
			if time.Since(last.started) >= r.limit {
				reason = errHangs
			}
		}
		if reason != nil {
			itself.findings = append(itself.findings, Finding{
				Text: notify.Text{Key: "health.checks.failed", Args: i18n.Args{"area": notify.Text{Key: c.Area}, "reason": reason.Error()}},
				Todo: "health.checks.failed.do", Level: L2, Object: c.ID,
			})
		}
		out = append(out, res)
	}
	return append(out, itself)
}

var errHangs = errors.New("no answer within " + checkTimeout.String())

// runOne waits for a check, but not for ever: one that hangs stays busy and is
// not started again.
func (r *Registry) runOne(ctx context.Context, c Check, last *run, now time.Time) {
	done := make(chan struct{})
	limited, cancel := context.WithTimeout(ctx, r.limit)
	go func() {
		defer close(done)
		findings, err := call(limited, c)
		r.mu.Lock()
		defer r.mu.Unlock()
		last.busy, last.at, last.err = false, now, err
		if err == nil {
			last.findings = findings
		} else {
			last.at = time.Time{} // look again next time
		}
	}()
	defer cancel()
	select {
	case <-done:
	case <-limited.Done():
		select { // it may just be ending with its context
		case <-done:
		case <-time.After(time.Second):
		}
	}
}

// call turns a panic into an error: a mistake in one check must not hide the
// findings of the others.
func call(ctx context.Context, c Check) (findings []Finding, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	findings, err = c.Func(ctx)
	seen := map[string]bool{}
	for _, f := range findings {
		if f.Key == "" || f.Todo == "" || f.Level < L1 || f.Level > L3 || seen[f.Object] {
			return nil, fmt.Errorf("wrong finding %q of %q", f.Key, f.Object)
		}
		seen[f.Object] = true
	}
	return findings, err
}
