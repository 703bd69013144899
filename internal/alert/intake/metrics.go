package intake

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics carry names of feeds.
type metrics struct{ rounds *prometheus.CounterVec }

func newMetrics() *metrics {
	return &metrics{prometheus.NewCounterVec(prometheus.CounterOpts{Name: "trojmezi_feed_rounds_total", Help: "Looks at a feed, by what they came to: taken, unchanged, failed."}, []string{"feed", "result"})}
}

// Collectors returns what /metrics shows of the feeds.
func (s *Service) Collectors() []prometheus.Collector {
	return []prometheus.Collector{s.metrics.rounds, &levels{s}}
}

// levels are read from the database when somebody asks.
type levels struct{ s *Service }

var (
	ageDesc   = prometheus.NewDesc("trojmezi_feed_age_seconds", "Age of a feed's news, while it is switched on and its age is known.", []string{"feed"}, nil)
	freshDesc = prometheus.NewDesc("trojmezi_feed_fresh", "1 while a feed that is switched on is fresh: only then does no warning in it mean that there is none.", []string{"feed"}, nil)
	stateDesc = prometheus.NewDesc("trojmezi_feed_state", "1 for the state a feed is in.", []string{"feed", "state"}, nil)
	oddDesc   = prometheus.NewDesc("trojmezi_feed_deviations", "What in a feed's last document was not as it should be.", []string{"feed"}, nil)
)

// scrapeTimeout bounds the queries of one scrape.
const scrapeTimeout = 5 * time.Second

// Describe implements prometheus.Collector.
func (c *levels) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{ageDesc, freshDesc, stateDesc, oddDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *levels) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	states, err := c.s.States(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(freshDesc, err)
		return
	}
	set := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, v := range states {
		set(stateDesc, 1, v.Source.Name, string(v.Status))
		if !v.On {
			continue
		}
		fresh := 0.0
		if v.Status == Fresh {
			fresh = 1
		}
		set(freshDesc, fresh, v.Source.Name)
		set(oddDesc, float64(v.Deviations), v.Source.Name)
		if v.Known {
			set(ageDesc, v.Age.Seconds(), v.Source.Name)
		}
	}
}
