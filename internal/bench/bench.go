package bench

import (
	"context"
	"crypto/tls"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"trojmezi/internal/exchange/ucrmclient"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

//go:embed locales/*.json
var locales embed.FS

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

// Side is one account at one node with the addresses it uses there.
type Side struct {
	BaseURL  string      `json:"base_url"` // of the client API
	Username string      `json:"username"`
	Password string      `json:"-"`
	TLS      *tls.Config `json:"-"` // nil: the system's root CAs
	OIDs     []string    `json:"oids"`
}

// Defaults of Options.
const (
	DefaultSenders = 8
	// DefaultPayload is the size of an ordinary incident, in bytes.
	DefaultPayload = 430
	// DefaultMessages is a run of a few seconds.
	DefaultMessages = 10_000
	// DefaultDrain is how long nothing may arrive before the rest counts as
	// lost. A node polls for missed wake-ups every few seconds.
	DefaultDrain = 15 * time.Second
	// DefaultTimeout is the messages' own, in seconds: none expires in a run.
	DefaultTimeout = 3600

	// batch is how many messages one receive asks for.
	batch = 500
	// pollSeconds is how long one receive waits.
	pollSeconds = 5
	// maxReceivers bounds the receivers that work side by side; with more
	// destinations each reads several.
	maxReceivers = 64
	// failurePause keeps a sender from storming a node that is down.
	failurePause = 100 * time.Millisecond
	// progressEvery is the interval of progress reports.
	progressEvery = 5 * time.Second
)

// Options says what to send where. From and To may be the same node and even
// the same account.
type Options struct {
	// From sends; its OIDs are the sources, which the senders share in turn.
	From Side
	// To receives; its OIDs are the destinations, which the messages take in turn.
	To Side

	Senders  int           // side by side; 0: DefaultSenders
	Rate     float64       // messages a second over all senders; 0: as fast as possible
	Messages int           // 0 with Duration 0: DefaultMessages
	Duration time.Duration // ends the sending; 0: Messages does
	Ack      ucri.Ack      // "": NONE
	Payload  int           // bytes of the app message; smaller than possible: as small as possible; 0: DefaultPayload
	// Incidents is how many different incidents the messages belong to; 0: each
	// its own, which costs a node the most.
	Incidents int
	Timeout   int           // of the messages, in seconds; 0: DefaultTimeout
	Drain     time.Duration // 0: DefaultDrain

	// AllowRemote permits addresses outside this machine, Discard queues with
	// messages of others, which are then lost.
	AllowRemote bool
	Discard     bool
	// Progress, if set, is called every few seconds while a run lasts.
	Progress func(Progress)
}

// Progress is how far a run is.
type Progress struct {
	Elapsed  time.Duration
	Accepted int64
	Received int64
	Receipts int64
}

// Result is what a run measured. Times are in milliseconds.
type Result struct {
	Senders      int      `json:"senders"`
	Destinations int      `json:"destinations"`
	Ack          ucri.Ack `json:"ack"`
	PayloadBytes int      `json:"payload_bytes"`
	Rate         float64  `json:"rate"` // asked for; 0: none

	Accepted int64 `json:"accepted"` // answered with 200
	Received int64 `json:"received"` // at least once
	Lost     int64 `json:"lost"`     // accepted and not received
	// Duplicates are further arrivals of a message.
	Duplicates int64 `json:"duplicates"`
	// SequenceErrors counts numbers that don't follow their predecessor.
	SequenceErrors int64 `json:"sequence_errors"`
	// Foreign are messages of nobody in this run.
	Foreign int64 `json:"foreign"`
	// Refused counts the sends that failed, by HTTP status and code ("429/491")
	// or "network".
	Refused map[string]int64 `json:"refused,omitempty"`
	// Receipts counts delivery statuses by code.
	Receipts map[string]int64 `json:"receipts,omitempty"`
	// MissingReceipts and DoubleReceipts are of accepted messages with ack ALL.
	MissingReceipts int64 `json:"missing_receipts"`
	DoubleReceipts  int64 `json:"double_receipts"`

	SentPerSecond     float64 `json:"sent_per_second"`     // to the last answer
	PerSecond         float64 `json:"per_second"`          // end to end: to the last arrival
	ReceiptsPerSecond float64 `json:"receipts_per_second"` // to the last receipt
	P50               float64 `json:"p50_ms"`              // from the send call to the arrival
	P95               float64 `json:"p95_ms"`
	P99               float64 `json:"p99_ms"`
	Max               float64 `json:"max_ms"`
	Seconds           float64 `json:"seconds"`
}

// Clean reports whether every accepted message arrived exactly once, in order,
// and with exactly one receipt if it asked for one.
func (r *Result) Clean() bool {
	return r.Lost == 0 && r.Duplicates == 0 && r.SequenceErrors == 0 && r.MissingReceipts == 0 && r.DoubleReceipts == 0 && len(r.Refused) == 0
}

// Run sends, receives and counts. It ends when everything accepted has arrived,
// or nothing more does, or ctx ends: then the result is what was seen until then.
func Run(ctx context.Context, o Options) (*Result, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	from, err := o.From.client()
	if err != nil {
		return nil, err
	}
	defer from.Close()
	to, err := o.To.client()
	if err != nil {
		return nil, err
	}
	defer to.Close()
	r := &run{o: o, from: from, to: to, last: map[string]int64{}, sent: newTable(),
		result: Result{Senders: o.Senders, Destinations: len(o.To.OIDs), Ack: o.Ack, PayloadBytes: len(payload(o.Payload, zeroID)), Rate: o.Rate,
			Refused: map[string]int64{}, Receipts: map[string]int64{}}}
	if r.id, err = newRunID(clock.System()); err != nil {
		return nil, err
	}
	if err := r.checkEmpty(ctx); err != nil {
		return nil, err
	}
	return r.do(ctx)
}

func (o *Options) complete() error {
	if o.Senders == 0 {
		o.Senders = DefaultSenders
	}
	if o.Messages == 0 && o.Duration == 0 {
		o.Messages = DefaultMessages
	}
	if o.Ack == "" {
		o.Ack = ucri.AckNone
	}
	if o.Payload == 0 {
		o.Payload = DefaultPayload
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Drain == 0 {
		o.Drain = DefaultDrain
	}
	if len(o.From.OIDs) == 0 || len(o.To.OIDs) == 0 {
		return problem.New("bench", problem.Invalid, "bench.error.addresses", nil)
	}
	for _, oid := range o.From.OIDs {
		// The receipts of such an address would be taken for messages, and the
		// messages for receipts.
		if slices.Contains(o.To.OIDs, oid) {
			return problem.New("bench", problem.Invalid, "bench.error.same", i18n.Args{"oid": oid})
		}
	}
	if o.AllowRemote {
		return nil
	}
	for _, s := range []Side{o.From, o.To} {
		if err := loopback(s.BaseURL); err != nil {
			return err
		}
	}
	return nil
}

// loopback refuses an address that may be another machine's.
func loopback(base string) error {
	u, err := url.Parse(base)
	if err == nil {
		ip := net.ParseIP(u.Hostname())
		if u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
			return nil
		}
	}
	return problem.New("bench", problem.Forbidden, "bench.error.remote", i18n.Args{"url": base})
}

func (s Side) client() (*ucrmclient.Client, error) {
	return ucrmclient.New(ucrmclient.Config{BaseURL: s.BaseURL, Username: s.Username, Password: s.Password, TLS: s.TLS, UserAgent: "trojmezi-bench"})
}

// run is one run under way.
type run struct {
	o        Options
	from, to *ucrmclient.Client
	id       runID
	start    time.Time
	sent     *table

	next     atomic.Int64 // index of the next message
	accepted atomic.Int64
	received atomic.Int64
	receipts atomic.Int64 // of different messages
	lastSent, lastReceived, lastReceipt,
	lastEvent atomic.Int64 // nanoseconds since start

	mu        sync.Mutex
	result    Result           // guarded by mu
	latencies []int64          // guarded by mu, nanoseconds
	last      map[string]int64 // guarded by mu, sequence number by destination
}

// checkEmpty refuses queues with messages of others.
func (r *run) checkEmpty(ctx context.Context) error {
	for _, q := range []struct {
		client *ucrmclient.Client
		side   Side
	}{{r.from, r.o.From}, {r.to, r.o.To}} {
		for _, oid := range q.side.OIDs {
			for {
				got, err := q.client.Receive(ctx, ucri.ReceiveRequest{Destinations: []string{oid}, MaxMessages: batch})
				if err != nil {
					return &problem.Error{Op: "bench", Kind: problem.Unavailable, Key: "bench.error.node", Args: i18n.Args{"url": q.side.BaseURL, "detail": err.Error()}, Err: err}
				}
				if len(got) == 0 {
					break
				}
				if !r.o.Discard {
					return problem.New("bench", problem.Conflict, "bench.error.queue", i18n.Args{"oid": oid})
				}
				if err := q.client.Commit(ctx, ucri.MessageRef{Destination: oid, SequenceID: got[len(got)-1].SequenceID}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (r *run) do(ctx context.Context) (*Result, error) {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var receivers sync.WaitGroup
	read := func(c *ucrmclient.Client, oids []string, each func(*ucri.Received, int64)) {
		for i := range min(len(oids), maxReceivers) {
			var mine []string
			for j := i; j < len(oids); j += maxReceivers {
				mine = append(mine, oids[j])
			}
			receivers.Go(func() { r.read(reading, c, mine, each) })
		}
	}
	r.start = time.Now()
	read(r.to, r.o.To.OIDs, r.arrived)
	if r.o.Ack != ucri.AckNone {
		read(r.from, r.o.From.OIDs, r.confirmed)
	}
	if r.o.Progress != nil {
		receivers.Go(func() { r.report(reading) })
	}
	var senders sync.WaitGroup
	for i := range r.o.Senders {
		senders.Go(func() { r.send(ctx, r.o.From.OIDs[i%len(r.o.From.OIDs)]) })
	}
	senders.Wait()
	r.drain(ctx)
	stop()
	receivers.Wait()
	return r.finish(), nil
}

// since is the time in nanoseconds since the start.
func (r *run) since() int64 { return int64(time.Since(r.start)) }

// send is one sender.
func (r *run) send(ctx context.Context, source string) {
	var body []byte
	for ctx.Err() == nil {
		if r.o.Duration > 0 && time.Since(r.start) >= r.o.Duration {
			return
		}
		i := r.next.Add(1) - 1
		if r.o.Messages > 0 && i >= int64(r.o.Messages) || i >= maxMessages {
			return
		}
		if r.o.Rate > 0 {
			due := time.Duration(float64(i) / r.o.Rate * float64(time.Second))
			if r.o.Duration > 0 && due >= r.o.Duration || !sleep(ctx, due-time.Since(r.start)) {
				return
			}
		}
		id := r.id.message(i)
		incident := i
		if r.o.Incidents > 0 {
			incident = i % int64(r.o.Incidents)
		}
		e := ucri.Envelope{
			MessageID: id, Timeout: r.o.Timeout, Ack: r.o.Ack, Source: source, Destinations: []string{r.o.To.OIDs[i%int64(len(r.o.To.OIDs))]},
			Payload: ucri.Payload{AppID: "incident_transfer", AppVersion: "1.0", SchemaID: "incident", ContentType: ucri.ContentJSON,
				Data: payload(r.o.Payload, r.id.incident(incident))},
		}
		body = e.AppendJSON(body[:0])
		s := r.sent.slot(i)
		s.at.Store(r.since())
		_, err := r.from.SendRaw(ctx, body)
		now := r.since()
		if err == nil {
			s.accepted.Store(true)
			r.accepted.Add(1)
			advance(&r.lastSent, now)
			advance(&r.lastEvent, now)
			continue
		}
		if ctx.Err() != nil {
			return
		}
		r.refused(err)
		sleep(ctx, failurePause)
	}
}

func (r *run) refused(err error) {
	what := "network"
	if f, ok := errors.AsType[*ucrmclient.Refusal](err); ok {
		what = fmt.Sprintf("%d/%d", f.Status, f.Code)
	}
	r.mu.Lock()
	r.result.Refused[what]++
	r.mu.Unlock()
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func advance(a *atomic.Int64, v int64) {
	for {
		old := a.Load()
		if old >= v || a.CompareAndSwap(old, v) {
			return
		}
	}
}

// read is one receiver: it confirms every batch before it asks for the next.
func (r *run) read(ctx context.Context, c *ucrmclient.Client, oids []string, each func(*ucri.Received, int64)) {
	q := ucri.ReceiveRequest{Destinations: oids, MaxMessages: batch, MaxDelay: pollSeconds}
	last := map[string]int64{}
	for ctx.Err() == nil {
		got, err := c.Receive(ctx, q)
		if err != nil {
			sleep(ctx, failurePause)
			continue
		}
		if len(got) == 0 {
			continue
		}
		now := r.since()
		clear(last)
		r.mu.Lock()
		for i := range got {
			each(&got[i], now)
			last[got[i].Destination] = max(last[got[i].Destination], got[i].SequenceID)
		}
		r.mu.Unlock()
		advance(&r.lastEvent, now)
		// The end of a run must not leave behind what it has counted.
		committing := context.WithoutCancel(ctx)
		for oid, seq := range last {
			for c.Commit(committing, ucri.MessageRef{Destination: oid, SequenceID: seq}) != nil && sleep(ctx, failurePause) {
			}
		}
	}
}

// sequence checks the number of a message; r.mu is held.
func (r *run) sequence(m *ucri.Received) {
	if before, ok := r.last[m.Destination]; ok && m.SequenceID != before+1 {
		r.result.SequenceErrors++
	}
	r.last[m.Destination] = m.SequenceID
}

// arrived counts a message at a destination; r.mu is held.
func (r *run) arrived(m *ucri.Received, now int64) {
	r.sequence(m)
	s := r.own(m.MessageID)
	if s == nil {
		r.result.Foreign++
		return
	}
	if s.arrivals++; s.arrivals > 1 {
		r.result.Duplicates++
		return
	}
	r.latencies = append(r.latencies, now-s.at.Load())
	r.received.Add(1)
	advance(&r.lastReceived, now)
}

// confirmed counts a delivery status at a source; r.mu is held.
func (r *run) confirmed(m *ucri.Received, now int64) {
	r.sequence(m)
	st, bad := ucri.ParseDeliveryStatus(m.Payload)
	if bad != nil {
		r.result.Foreign++
		return
	}
	s := r.own(st.RefMessageID)
	if s == nil {
		r.result.Foreign++
		return
	}
	r.result.Receipts[strconv.Itoa(st.StatusCode)]++
	if s.receipts++; s.receipts > 1 {
		r.result.DoubleReceipts++
		return
	}
	r.receipts.Add(1)
	advance(&r.lastReceipt, now)
}

func (r *run) own(messageID string) *slot {
	i, ok := r.id.index(messageID)
	if !ok || i >= r.next.Load() {
		return nil
	}
	return r.sent.slot(i)
}

// drain waits for what is under way.
func (r *run) drain(ctx context.Context) {
	const look = 10 * time.Millisecond
	idleFrom := time.Now()
	for {
		done := r.received.Load() >= r.accepted.Load() && (r.o.Ack != ucri.AckAll || r.receipts.Load() >= r.accepted.Load())
		idle := time.Since(latest(idleFrom, r.start.Add(time.Duration(r.lastEvent.Load()))))
		if done || idle > r.o.Drain || !sleep(ctx, look) {
			return
		}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (r *run) report(ctx context.Context) {
	for sleep(ctx, progressEvery) {
		r.o.Progress(Progress{time.Since(r.start), r.accepted.Load(), r.received.Load(), r.receipts.Load()})
	}
}

func (r *run) finish() *Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	res := r.result
	res.Accepted, res.Received, res.Seconds = r.accepted.Load(), r.received.Load(), time.Since(r.start).Seconds()
	for i := range min(r.next.Load(), r.sent.used()) {
		s := r.sent.slot(i)
		if !s.accepted.Load() {
			continue
		}
		if s.arrivals == 0 {
			res.Lost++
		}
		if s.receipts == 0 && r.o.Ack == ucri.AckAll {
			res.MissingReceipts++
		}
	}
	rate := func(n, ns int64) float64 {
		if ns == 0 {
			return 0
		}
		return float64(n) / (float64(ns) / float64(time.Second))
	}
	res.SentPerSecond = rate(res.Accepted, r.lastSent.Load())
	res.PerSecond = rate(res.Received, r.lastReceived.Load())
	res.ReceiptsPerSecond = rate(r.receipts.Load(), r.lastReceipt.Load())
	slices.Sort(r.latencies)
	res.P50, res.P95, res.P99, res.Max = quantile(r.latencies, 0.5), quantile(r.latencies, 0.95), quantile(r.latencies, 0.99), quantile(r.latencies, 1)
	return &res
}

// quantile of sorted nanoseconds by the nearest rank, in milliseconds.
func quantile(sorted []int64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := max(int(float64(len(sorted))*q+0.999999999), 1)
	return float64(sorted[min(rank, len(sorted))-1]) / float64(time.Millisecond)
}
