package bench

import (
	"context"
	"time"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

// Measure names a figure of a Result.
type Measure string

// The measures that have targets.
const (
	PerSecond Measure = "per_second" // end to end, not less than the target
	P50       Measure = "p50"        // milliseconds, not more than the target
	P99       Measure = "p99"
)

func (m Measure) of(r *Result) float64 {
	switch m {
	case P50:
		return r.P50
	case P99:
		return r.P99
	}
	return r.PerSecond
}

// missed is by what part of the target the value misses it, 0 if it does not.
func (m Measure) missed(target, value float64) float64 {
	if m == PerSecond {
		return max(0, (target-value)/target)
	}
	return max(0, (value-target)/target)
}

// Case is a line of the speed table, measured with fsync on two cores.
type Case struct {
	Name         string
	TwoNodes     bool
	Destinations int
	Rate         float64
	Ack          ucri.Ack
	Targets      []Target
}

// Target is what a case should reach, and what the public reference node, which
// keeps everything in memory, reached on a machine of the same size.
type Target struct {
	Measure   Measure
	Value     float64
	Reference string
}

// Cases are the speed targets of the exchange.
var Cases = []Case{
	{Name: "paced", Destinations: 1, Rate: 20, Ack: ucri.AckNone, Targets: []Target{{P50, 5, "55"}, {P99, 30, "101"}}},
	{Name: "none", Destinations: 1, Ack: ucri.AckNone, Targets: []Target{{PerSecond, 4000, "461–884"}}},
	{Name: "all", Destinations: 1, Ack: ucri.AckAll, Targets: []Target{{PerSecond, 3200, "318–524"}}},
	{Name: "p2p_one", TwoNodes: true, Destinations: 1, Ack: ucri.AckAll, Targets: []Target{{PerSecond, 1200, "92–228"}}},
	{Name: "p2p_eight", TwoNodes: true, Destinations: 8, Ack: ucri.AckAll, Targets: []Target{{PerSecond, 2500, ""}}},
}

const (
	// DefaultSuiteMessages lets the fast cases last some seconds.
	DefaultSuiteMessages = 20_000
	// DefaultPaced gives the paced case 400 latencies, of which p99 is the fourth
	// largest.
	DefaultPaced = 20 * time.Second
)

// Pair is a sender and a receiver: at one node, or at two that are peers.
type Pair struct{ From, To Side }

// Nodes are running nodes to measure.
type Nodes struct {
	One Pair // both at one node
	Two Pair // at two; To with as many OIDs as the widest case has destinations
}

// SuiteOptions says what to measure. It starts no node.
type SuiteOptions struct {
	Nodes Nodes
	// Memory are the same nodes on a RAM disk: the store without the disk; nil:
	// that column stays empty.
	Memory *Nodes
	// Disk is a folder on the nodes' disk, to measure fdatasync; "": doesn't.
	Disk        string
	Messages    int           // of a case; 0: DefaultSuiteMessages
	Paced       time.Duration // of the paced case; 0: DefaultPaced
	AllowRemote bool
	Discard     bool
	// Progress, if set, is told the case that begins and how it goes.
	Progress func(name string, p Progress)
}

// Row is a line of the table: one target.
type Row struct {
	Case      string  `json:"case"`
	Measure   Measure `json:"measure"`
	Target    float64 `json:"target"`
	Value     float64 `json:"value"`
	Missed    float64 `json:"missed_by"` // part of the target, 0: reached
	Memory    float64 `json:"in_memory,omitempty"`
	PerSync   float64 `json:"per_sync,omitempty"` // rates only: messages for each fdatasync
	PerEcho   float64 `json:"per_echo,omitempty"` // rates only: messages for each empty request
	Reference string  `json:"reference,omitempty"`
	Clean     bool    `json:"clean"` // nothing lost, doubled, out of order or refused
}

// Table is the result of Suite.
type Table struct {
	Baseline Baseline           `json:"baseline"`
	Rows     []Row              `json:"rows"`
	Results  map[string]*Result `json:"results"` // by name of the case
}

// Suite measures the machine, then every case.
func Suite(ctx context.Context, o SuiteOptions) (*Table, error) {
	if o.Messages == 0 {
		o.Messages = DefaultSuiteMessages
	}
	if o.Paced == 0 {
		o.Paced = DefaultPaced
	}
	for _, c := range Cases {
		for _, n := range []*Nodes{&o.Nodes, o.Memory} {
			if n != nil && len(n.pair(c).To.OIDs) < c.Destinations {
				return nil, problem.New("bench", problem.Invalid, "bench.error.destinations", i18n.Args{"n": c.Destinations})
			}
		}
	}
	t := &Table{Results: map[string]*Result{}}
	var err error
	if t.Baseline, err = MeasureBaseline(ctx, o.Disk, DefaultSenders, 0); err != nil {
		return nil, err
	}
	for _, c := range Cases {
		var mem *Result
		res, err := o.run(ctx, c, &o.Nodes)
		if err != nil {
			return nil, err
		}
		t.Results[c.Name] = res
		if o.Memory != nil {
			if mem, err = o.run(ctx, c, o.Memory); err != nil {
				return nil, err
			}
		}
		for _, target := range c.Targets {
			t.Rows = append(t.Rows, t.Baseline.row(c, target, res, mem))
		}
	}
	return t, ctx.Err()
}

func (b Baseline) row(c Case, target Target, res, mem *Result) Row {
	v := target.Measure.of(res)
	row := Row{Case: c.Name, Measure: target.Measure, Target: target.Value, Value: v, Missed: target.Measure.missed(target.Value, v),
		Reference: target.Reference, Clean: res.Clean()}
	if mem != nil {
		row.Memory = target.Measure.of(mem)
	}
	if target.Measure == PerSecond {
		if b.Syncs > 0 {
			row.PerSync = v / b.Syncs
		}
		if b.Echo > 0 {
			row.PerEcho = v / b.Echo
		}
	}
	return row
}

func (n *Nodes) pair(c Case) Pair {
	if c.TwoNodes {
		return n.Two
	}
	return n.One
}

func (o SuiteOptions) run(ctx context.Context, c Case, n *Nodes) (*Result, error) {
	p := n.pair(c)
	p.To.OIDs = p.To.OIDs[:c.Destinations]
	opts := Options{From: p.From, To: p.To, Rate: c.Rate, Ack: c.Ack, Messages: o.Messages, AllowRemote: o.AllowRemote, Discard: o.Discard}
	if c.Rate > 0 {
		opts.Messages = int(c.Rate * o.Paced.Seconds())
	}
	if o.Progress != nil {
		o.Progress(c.Name, Progress{})
		opts.Progress = func(p Progress) { o.Progress(c.Name, p) }
	}
	return Run(ctx, opts)
}
