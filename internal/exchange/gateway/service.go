package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/adapter"
	"trojmezi/internal/exchange/adapter/transport"
	"trojmezi/internal/format/convert"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

const (
	// poll is how often work is looked for without a wake-up, which may be lost.
	poll = 2 * time.Second
	// beat is how often the address is said to be attended while the line is up.
	beat = 15 * time.Second
	// quiet is how often a contact is written down when nothing else changes.
	quiet = 15 * time.Second
	// Retries back off exponentially with jitter, as those of the exchange.
	retryFirst = 250 * time.Millisecond
	retryLast  = 30 * time.Second
)

// Deps is what the service stands on.
type Deps struct {
	DB       *store.DB
	Node     *exchange.Node
	Key      *seal.Node
	Ring     *seal.Ring
	Audit    *audit.Log
	Clock    *clock.Clock
	Texts    *i18n.Bundle
	Log      *slog.Logger
	Dir      string // of the configuration file
	Lang     i18n.Lang
	Adapters []*adapter.Adapter
	// Disclose withholds from m what may not be told to e.Own, the address of a gateway,
	// before anything is written for it. A *problem.Error refuses the message to its
	// sender with that text; after any other error it is tried again. Nil: all may.
	Disclose func(tx *store.Tx, e exchange.Entry, m *convert.Message) error
	// Owner is the organisation at an address of this node, and for any other text the
	// one that operates the node: whose people may read the messages.
	Owner func(ctx context.Context, oid string) (organisation string, err error)
	// Name is a person's name for the pages; nil: nobody has one.
	Name func(tx *store.Tx, person string) string
	// ClockWrong reports whether the clock is known to be wrong; nil: nobody knows.
	ClockWrong func(context.Context) (bool, error)
}

// Service is every gateway of the node. It is safe for concurrent use.
type Service struct {
	Deps
	gates   []*gate
	digest  []byte
	metrics *metrics
}

// gate is one gateway.
type gate struct {
	*Service
	cfg     Config
	adapter *adapter.Adapter
	way     transport.Transport
	kind    store.Kind
	skipped atomic.Int64 // the log holds nothing for it up to here
	noted   atomic.Int64 // when the last contact was written down; unix milliseconds
}

// New returns the service of a list that Validate found without fault.
func New(list []Config, d Deps) *Service {
	s := &Service{Deps: d, digest: d.Key.Derive("gateway-digest", 32), metrics: newMetrics()}
	var oids []string
	for _, c := range list {
		s.gates = append(s.gates, &gate{Service: s, cfg: c, adapter: find(d.Adapters, c.System), way: transport.New(c.Transport, d.Dir, d.Clock), kind: d.Node.KindOf(c.OID)})
		oids = append(oids, c.OID)
	}
	d.Node.Gateways(oids)
	return s
}

func topicIn(gateway string) string  { return "gateway.in." + gateway }
func topicOut(gateway string) string { return "gateway.out." + gateway }

// Run works until ctx ends. Of several instances one leads each gateway; what the
// other side posts is taken by whichever it reaches.
func (s *Service) Run(ctx context.Context) error {
	if len(s.gates) == 0 {
		return nil
	}
	if err := s.DB.Write(ctx, func(tx *store.Tx) error {
		for _, g := range s.gates {
			if err := ensureLine(tx, g.cfg.Name); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	r, ctx := errgroup.WithContext(ctx)
	for _, g := range s.gates {
		r.Go(func() error { return s.DB.Lead(ctx, "gateway."+g.cfg.Name, g.lead) })
		if g.way.Shared() {
			r.Go(func() error { return g.receive(ctx) })
		}
	}
	err := r.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// lead does what one instance does alone.
func (g *gate) lead(ctx context.Context) error {
	r, ctx := errgroup.WithContext(ctx)
	r.Go(func() error { return g.follow(ctx, "reading the log", g.writeOut, exchange.TopicFeed) })
	r.Go(func() error { return g.follow(ctx, "sending", g.sendDue, topicOut(g.cfg.Name)) })
	r.Go(func() error { return g.follow(ctx, "processing", g.judgeNew, topicIn(g.cfg.Name)) })
	r.Go(func() error { return g.attend(ctx) })
	if !g.way.Shared() {
		r.Go(func() error { return g.receive(ctx) })
	}
	return r.Wait()
}

// follow calls step until it says that nothing is left, and again when the topic is
// notified. An error is logged, and step is called again after a pause: one message's
// fault stops its own gateway's line for a moment, and no other's.
func (g *gate) follow(ctx context.Context, what string, step func(context.Context) (more bool, err error), topic string) error {
	changes := g.DB.Watch(topic)
	defer changes.Close()
	for failures := 0; ; {
		more, err := step(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		pause := poll
		if err != nil {
			g.Log.Error("gateway: "+what, "gateway", g.cfg.Name, "error", err)
			pause = backoff(failures)
			failures++
		} else {
			failures = 0
		}
		if more && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changes.C():
		case <-time.After(pause):
		}
	}
}

// receive keeps the transport receiving.
func (g *gate) receive(ctx context.Context) error {
	for failures := 0; ; {
		start := time.Now()
		err := g.way.Receive(ctx, &inbox{g}, func() { g.up(ctx) })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(start) > retryLast {
			failures = 0
		}
		g.down(ctx, err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(backoff(failures)):
		}
		failures++
	}
}

// up notes that the other side answers; seldom, when that is no news.
func (g *gate) up(ctx context.Context) {
	now := millis(g.Clock.Now())
	if last := g.noted.Load(); now-last < quiet.Milliseconds() && last > 0 {
		return
	}
	g.noted.Store(now)
	if err := g.DB.Write(ctx, func(tx *store.Tx) error { return heard(tx, g.cfg.Name, now) }); err != nil && ctx.Err() == nil {
		g.Log.Warn("gateway: contact", "gateway", g.cfg.Name, "error", err)
	}
}

// down notes why it does not.
func (g *gate) down(ctx context.Context, cause error) {
	g.noted.Store(0)
	g.metrics.failures.WithLabelValues(g.cfg.Name).Inc()
	g.Log.Warn("gateway: the line is down", "gateway", g.cfg.Name, "error", cause)
	key, now := transport.FailureKey(cause), millis(g.Clock.Now())
	if err := g.DB.Write(ctx, func(tx *store.Tx) error { return broken(tx, g.cfg.Name, key, now) }); err != nil && ctx.Err() == nil {
		g.Log.Warn("gateway: failure", "gateway", g.cfg.Name, "error", err)
	}
}

// attend stands for the address as somebody who receives, while the line is up.
func (g *gate) attend(ctx context.Context) error {
	for {
		var l line
		if err := g.DB.Read(ctx, func(tx *store.Tx) (err error) { l, err = readLine(tx, g.cfg.Name); return err }); err == nil && l.downAt == 0 && l.contactAt > 0 {
			g.Node.Attend(ctx, []string{g.cfg.OID})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(beat):
		}
	}
}

// backoff is the pause after the given attempt, counted from 0, with ± 20 % jitter.
func backoff(attempt int) time.Duration {
	d := retryLast
	if attempt < 7 {
		d = retryFirst << attempt
	}
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}

// fingerprint is what two deliveries of the same bytes have in common. It tells
// nothing without the node's key.
func (g *gate) fingerprint(body []byte) []byte {
	m := hmac.New(sha256.New, g.digest)
	m.Write([]byte(g.cfg.Name + "\x00"))
	m.Write(body)
	return m.Sum(nil)
}

// gate finds a gateway by its name, nil for none.
func (s *Service) gate(name string) *gate {
	if i := slices.IndexFunc(s.gates, func(g *gate) bool { return g.cfg.Name == name }); i >= 0 {
		return s.gates[i]
	}
	return nil
}
