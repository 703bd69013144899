package exchange

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trojmezi/internal/kernel/store"
)

// metrics are the node's counters. They carry peers and codes, never addresses
// of participants or anything of a message.
type metrics struct {
	accepted  *prometheus.CounterVec
	refusals  *prometheus.CounterVec
	delivered prometheus.Counter
	forwarded *prometheus.HistogramVec
	retries   *prometheus.CounterVec
}

func newMetrics() *metrics {
	return &metrics{
		accepted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trojmezi_exchange_accepted_total", Help: "Messages stored, by interface."}, []string{"interface"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trojmezi_exchange_refused_total", Help: "Requests refused, by UCRI error code."}, []string{"code"}),
		delivered: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "trojmezi_exchange_offered_total", Help: "Messages handed to dispatch systems, repetitions included."}),
		forwarded: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "trojmezi_exchange_peer_seconds", Help: "Time a peer took to accept a message.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)}, []string{"peer"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trojmezi_exchange_peer_retries_total", Help: "Failed attempts to hand a message to a peer."}, []string{"peer"}),
	}
}

// Collectors returns what /metrics shows of the node.
func (n *Node) Collectors() []prometheus.Collector {
	m := n.metrics
	return []prometheus.Collector{m.accepted, m.refusals, m.delivered, m.forwarded, m.retries, &gauges{n}}
}

// gauges are read from the database when somebody asks: they are then true for
// all instances and after a restart.
type gauges struct{ n *Node }

var (
	waitingDesc = prometheus.NewDesc("trojmezi_exchange_outbox_waiting", "Messages a peer has not taken yet.", []string{"peer"}, nil)
	oldestDesc  = prometheus.NewDesc("trojmezi_exchange_outbox_oldest_seconds", "Age of the oldest message a peer has not taken yet.", []string{"peer"}, nil)
	readDesc    = prometheus.NewDesc("trojmezi_exchange_register_age_seconds", "Age of a peer's register; none before it was read.", []string{"peer"}, nil)
	skewDesc    = prometheus.NewDesc("trojmezi_exchange_clock_skew_seconds", "A peer's clock minus ours.", []string{"peer"}, nil)
	queuedDesc  = prometheus.NewDesc("trojmezi_exchange_queued", "Messages waiting for dispatch systems.", nil, nil)
)

// scrapeTimeout bounds the queries of one scrape.
const scrapeTimeout = 5 * time.Second

// Describe implements prometheus.Collector.
func (g *gauges) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{waitingDesc, oldestDesc, readDesc, skewDesc, queuedDesc} {
		c <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(c chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	var peers []PeerState
	var queues []QueueState
	err := g.n.db.Read(ctx, func(tx *store.Tx) (err error) {
		if peers, err = PeerStates(tx); err != nil {
			return err
		}
		queues, err = QueueStates(tx)
		return err
	})
	if err != nil {
		c <- prometheus.NewInvalidMetric(waitingDesc, err)
		return
	}
	now := g.n.clock.Now().UnixMilli()
	age := func(at int64) float64 { return float64(now-at) / 1000 }
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, p := range peers {
		gauge(waitingDesc, float64(p.Waiting), p.ID)
		gauge(skewDesc, float64(p.SkewMs)/1000, p.ID)
		if p.OldestWaiting > 0 {
			gauge(oldestDesc, age(p.OldestWaiting), p.ID)
		}
		if p.FetchedAt > 0 {
			gauge(readDesc, age(p.FetchedAt), p.ID)
		}
	}
	var queued int64
	for _, q := range queues {
		queued += q.Waiting
	}
	gauge(queuedDesc, float64(queued))
}

func (m *metrics) refused(code int) { m.refusals.WithLabelValues(strconv.Itoa(code)).Inc() }
func (m *metrics) sent(peer string, d time.Duration) {
	m.forwarded.WithLabelValues(peer).Observe(d.Seconds())
}
func (m *metrics) retried(peer string) { m.retries.WithLabelValues(peer).Inc() }
