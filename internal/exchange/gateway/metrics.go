package gateway

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trojmezi/internal/kernel/store"
)

// metrics carry names of gateways, never anything of a message.
type metrics struct {
	received, posted, trayed, failures *prometheus.CounterVec
	out                                *prometheus.CounterVec
}

func newMetrics() *metrics {
	of := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"gateway"}, labels...))
	}
	return &metrics{
		received: of("trojmezi_gateway_received_total", "Deliveries stored, repetitions included."),
		posted:   of("trojmezi_gateway_posted_total", "Messages posted to the node."),
		trayed:   of("trojmezi_gateway_tray_total", "Messages that needed a person."),
		failures: of("trojmezi_gateway_failures_total", "Failed attempts to reach the foreign system."),
		out:      of("trojmezi_gateway_ended_total", "Messages to the foreign system, by their end.", "state"),
	}
}

func (m *metrics) ended(gateway string, s outState) { m.out.WithLabelValues(gateway, string(s)).Inc() }

// Collectors returns what /metrics shows of the gateways.
func (s *Service) Collectors() []prometheus.Collector {
	m := s.metrics
	return []prometheus.Collector{m.received, m.posted, m.trayed, m.failures, m.out, &gauges{s}}
}

// gauges are read from the database when somebody asks: they are then true for all
// instances and after a restart.
type gauges struct{ s *Service }

var (
	waitingDesc = prometheus.NewDesc("trojmezi_gateway_waiting", "Messages the foreign system has not confirmed yet.", []string{"gateway"}, nil)
	oldestDesc  = prometheus.NewDesc("trojmezi_gateway_oldest_seconds", "Age of the oldest message the foreign system has not confirmed yet.", []string{"gateway"}, nil)
	upDesc      = prometheus.NewDesc("trojmezi_gateway_up", "1 while the line to the foreign system works.", []string{"gateway"}, nil)
	trayDesc    = prometheus.NewDesc("trojmezi_gateway_tray", "Messages that wait for a person.", []string{"gateway"}, nil)
)

// scrapeTimeout bounds the queries of one scrape.
const scrapeTimeout = 5 * time.Second

// Describe implements prometheus.Collector.
func (c *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{waitingDesc, oldestDesc, upDesc, trayDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *gauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	states, err := c.s.States(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(waitingDesc, err)
		return
	}
	gauge := func(d *prometheus.Desc, v float64, name string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, name)
	}
	for _, g := range states {
		gauge(waitingDesc, float64(g.Waiting), g.Name)
		gauge(trayDesc, float64(g.Tray), g.Name)
		up := 0.0
		if g.Connected() {
			up = 1
		}
		gauge(upDesc, up, g.Name)
		if !g.Oldest.IsZero() {
			gauge(oldestDesc, c.s.Clock.Now().Sub(g.Oldest).Seconds(), g.Name)
		}
	}
}

// State is a gateway as the pages, the checks and the command line show it.
type State struct {
	Name, OID       string
	Participant     string // the name of OID
	System, Country string
	Profile         string
	Public          bool // false: the profile is our own, and nobody at the system agreed to it
	Way             string
	Kind            store.Kind
	Receipts        bool
	LastContact     time.Time // zero: never
	Down            time.Time // since when; zero while it works, and before it was tried
	Failure         string    // key of why
	Waiting         int64
	Oldest          time.Time // of the waiting ones
	Tray            int64
}

// Connected reports whether the line works as far as anybody knows.
func (s State) Connected() bool { return s.Down.IsZero() && !s.LastContact.IsZero() }

// States lists the gateways in the order of the configuration.
func (s *Service) States(ctx context.Context) ([]State, error) {
	var all []State
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		all = nil
		for _, g := range s.gates {
			l, err := readLine(tx, g.cfg.Name)
			if err != nil {
				return err
			}
			if err := l.count(tx, g.cfg.Name); err != nil {
				return err
			}
			all = append(all, State{
				Name: g.cfg.Name, OID: g.cfg.OID, Participant: s.Node.NameOf(g.cfg.OID), System: g.adapter.System, Country: g.adapter.Country,
				Profile: g.adapter.Profile, Public: g.adapter.Public, Way: g.cfg.Transport.Way(), Kind: g.kind, Receipts: g.cfg.receipts(),
				LastContact: moment(l.contactAt), Down: moment(l.downAt), Failure: l.failure, Waiting: l.waiting, Oldest: moment(l.old), Tray: l.tray,
			})
		}
		return nil
	})
	return all, err
}

// Probe is a gateway and what trying its transport showed.
type Probe struct {
	State
	Err error // nil: it works, or was not tried
}

// Probe lists the gateways, and with try tries the transport of each once.
func (s *Service) Probe(ctx context.Context, try bool) ([]Probe, error) {
	states, err := s.States(ctx)
	if err != nil {
		return nil, err
	}
	var all []Probe
	for n, g := range s.gates {
		p := Probe{State: states[n]}
		if try {
			attempt, cancel := context.WithTimeout(ctx, sendTimeout)
			p.Err = g.way.Check(attempt)
			cancel()
		}
		all = append(all, p)
	}
	return all, nil
}
