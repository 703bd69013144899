package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPayload(t *testing.T) {
	for _, size := range []int{0, DefaultPayload, 1000, 100_000} {
		data := payload(size, zeroID)
		if size >= DefaultPayload && len(data) != size {
			t.Errorf("%d bytes, want %d", len(data), size)
		}
		p := ucri.Payload{AppID: "incident_transfer", AppVersion: "1.0", SchemaID: "incident", ContentType: ucri.ContentJSON, Data: data}
		if err := ucri.CheckData(&p); err != nil {
			t.Error(err)
		}
		if len(data) > DefaultPayload && size < DefaultPayload {
			t.Errorf("the smallest is %d bytes", len(data))
		}
	}
}

func TestRunID(t *testing.T) {
	c := clock.Fake(time.Unix(0, 0))
	id, err := newRunID(c)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, i := range []int64{0, 1, 255, 1 << 20, maxMessages, 1<<60 - 1} {
		m := id.message(i)
		e := ucri.Envelope{MessageID: m, Source: "1", Destinations: []string{"1"}, Payload: ucri.AvailabilityUpdate{ID: "1", Status: "online"}.Payload()}
		if _, err := ucri.ParseClientSend(e.AppendJSON(nil)); err != nil {
			t.Errorf("%s is no UUID: %v", m, err)
		}
		if got, ok := id.index(strings.ToUpper(m)); !ok || got != i {
			t.Errorf("%s: %d %v, want %d", m, got, ok, i)
		}
		if seen[m] || seen[id.incident(i)] {
			t.Errorf("%s twice", m)
		}
		seen[m], seen[id.incident(i)] = true, true
		if _, ok := id.index(id.incident(i)); ok {
			t.Error("an incident was taken for a message")
		}
	}
	for _, foreign := range []string{"", zeroID, "x", id.message(1)[:35], id.message(1)[:35] + "g"} {
		if _, ok := id.index(foreign); ok {
			t.Errorf("%q is ours", foreign)
		}
	}
}

func TestQuantile(t *testing.T) {
	var ms []int64
	for i := int64(1); i <= 100; i++ {
		ms = append(ms, i*int64(time.Millisecond))
	}
	for q, want := range map[float64]float64{0.5: 50, 0.95: 95, 0.99: 99, 1: 100} {
		if got := quantile(ms, q); got != want {
			t.Errorf("%v: %v", q, got)
		}
	}
	if quantile(nil, 0.5) != 0 || quantile(ms[:1], 0.5) != 1 {
		t.Error("edges")
	}
}

// TestRun orders faults and expects each to be counted, and nothing else.
func TestRun(t *testing.T) {
	const n = 200
	for _, c := range []struct {
		fault string
		ack   ucri.Ack
		check func(*Result) bool
	}{
		{"", ucri.AckNone, func(r *Result) bool { return r.Clean() && r.Received == n && len(r.Receipts) == 0 }},
		{"", ucri.AckAll, func(r *Result) bool { return r.Clean() && r.Receipts["200"] == n && r.ReceiptsPerSecond > 0 }},
		{"lose", ucri.AckNone, func(r *Result) bool { return r.Lost == n/10 && r.Received == n-n/10 && r.Duplicates == 0 }},
		{"double", ucri.AckNone, func(r *Result) bool { return r.Lost == 0 && r.Duplicates == n/10 && r.SequenceErrors == 0 }},
		{"skip", ucri.AckNone, func(r *Result) bool { return r.Lost == 0 && r.SequenceErrors >= n/10-3 && r.SequenceErrors <= n/10 }},
		{"refuse", ucri.AckNone, func(r *Result) bool {
			return r.Lost == 0 && r.Accepted == n-n/10 && r.Refused["400/470"] == n/10
		}},
		{"receipts", ucri.AckAll, func(r *Result) bool {
			return r.Lost == 0 && r.MissingReceipts == n/3 && r.DoubleReceipts == n/3+1
		}},
	} {
		t.Run(c.fault+string(c.ack), func(t *testing.T) {
			a, b := newMemoryNode(t), (*memoryNode)(nil)
			b, a.fault = a, c.fault
			r, err := Run(t.Context(), Options{From: a.side("1.1", "1.2"), To: b.side("1.3", "1.4", "1.5"), Senders: 4, Messages: n, Ack: c.ack, Drain: 2 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			if !c.check(r) || (c.fault == "") != r.Clean() {
				out, _ := json.Marshal(r)
				t.Errorf("%s", out)
			}
			if r.PayloadBytes != DefaultPayload || r.PerSecond <= 0 || r.P50 <= 0 || r.P50 > r.P95 || r.P95 > r.P99 || r.P99 > r.Max {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestRunPaced(t *testing.T) {
	n := newMemoryNode(t)
	r, err := Run(t.Context(), Options{From: n.side("1.1"), To: n.side("1.2"), Rate: 100, Duration: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if r.Accepted != 50 || !r.Clean() || r.Seconds < 0.48 {
		t.Errorf("%+v", r)
	}
}

// TestRunNodeGone ends the node in the middle: the run must end too.
func TestRunNodeGone(t *testing.T) {
	n := newMemoryNode(t)
	var once atomic.Bool
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		for taken := int64(0); taken < 20 && ctx.Err() == nil; time.Sleep(time.Millisecond) {
			n.mu.Lock()
			taken = n.taken
			n.mu.Unlock()
		}
		once.Store(true)
		n.CloseClientConnections()
		n.Close()
	}()
	r, err := Run(ctx, Options{From: n.side("1.1"), To: n.side("1.2"), Rate: 200, Duration: time.Second, Drain: 200 * time.Millisecond})
	if err != nil || ctx.Err() != nil {
		t.Fatal(err, ctx.Err())
	}
	if !once.Load() || r.Refused["network"] == 0 || r.Clean() {
		t.Errorf("%+v", r)
	}
}

func TestRunRefuses(t *testing.T) {
	n := newMemoryNode(t)
	foreign := &ucri.Envelope{MessageID: zeroID, Source: "1.9", Destinations: []string{"1.2"}, Payload: ucri.AvailabilityUpdate{ID: "1", Status: "online"}.Payload()}
	n.mu.Lock()
	n.put("1.2", foreign)
	n.mu.Unlock()
	remote := n.side("1.1")
	remote.BaseURL = "https://ucrm.example/ucrm/client/v0"
	nobody := n.side("1.1")
	nobody.BaseURL = "http://127.0.0.1:1"
	for key, o := range map[string]Options{
		"bench.error.addresses": {From: n.side(), To: n.side("1.2")},
		"bench.error.same":      {From: n.side("1.1"), To: n.side("1.2", "1.1")},
		"bench.error.remote":    {From: remote, To: n.side("1.2")},
		"bench.error.node":      {From: nobody, To: n.side("1.2")},
		"bench.error.queue":     {From: n.side("1.1"), To: n.side("1.2")},
	} {
		_, err := Run(t.Context(), o)
		if p, ok := errors.AsType[*problem.Error](err); !ok || p.Key != key {
			t.Errorf("%s: %v", key, err)
		}
	}
	r, err := Run(t.Context(), Options{From: n.side("1.1"), To: n.side("1.2"), Messages: 10, Discard: true})
	if err != nil || !r.Clean() || r.Foreign != 0 {
		t.Errorf("%+v %v", r, err)
	}
}

func TestBaseline(t *testing.T) {
	b, err := MeasureBaseline(t.Context(), t.TempDir(), 4, 100*time.Millisecond)
	if err != nil || b.Syncs <= 0 || b.Echo <= 0 {
		t.Errorf("%+v %v", b, err)
	}
	if _, err := MeasureBaseline(t.Context(), t.TempDir()+"/none", 4, time.Millisecond); err == nil {
		t.Error("measured a disk that is not there")
	}
}

func TestMissed(t *testing.T) {
	for _, c := range []struct {
		m             Measure
		target, value float64
		want          float64
	}{
		{PerSecond, 4000, 4000, 0}, {PerSecond, 4000, 5000, 0}, {PerSecond, 4000, 3000, 0.25},
		{P99, 30, 30, 0}, {P99, 30, 1, 0}, {P99, 30, 45, 0.5},
	} {
		if got := c.m.missed(c.target, c.value); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestSuite runs the whole table against nodes in memory and prints it in four
// languages.
func TestSuite(t *testing.T) {
	texts, err := i18n.Load(Locales())
	if err != nil {
		t.Fatal(err)
	}
	n := newMemoryNode(t)
	var eight []string
	for i := range 8 {
		eight = append(eight, fmt.Sprintf("1.2.%d", i))
	}
	nodes := Nodes{One: Pair{n.side("1.1"), n.side("1.2.0")}, Two: Pair{n.side("1.1"), n.side(eight...)}}
	var begun []string
	o := SuiteOptions{Nodes: nodes, Memory: &nodes, Disk: t.TempDir(), Messages: 200, Paced: 200 * time.Millisecond,
		Progress: func(name string, p Progress) {
			if p == (Progress{}) {
				begun = append(begun, name)
			}
		}}
	table, err := Suite(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(table.Rows) != 6 || len(table.Results) != 5 || len(begun) != 10 {
		t.Errorf("%d rows, %d results, begun %v", len(table.Rows), len(table.Results), begun)
	}
	for _, r := range table.Rows {
		if !r.Clean || r.Value <= 0 || r.Memory <= 0 || r.Measure == PerSecond && (r.PerSync <= 0 || r.PerEcho <= 0) {
			t.Errorf("%+v", r)
		}
	}
	table.Rows[0].Clean, table.Rows[0].Missed = false, 0.123
	for _, l := range i18n.Langs {
		var b bytes.Buffer
		p := Printer{&b, texts, l}
		p.Table(table)
		p.Result(table.Results["all"])
		p.Result(&Result{Foreign: 1, MissingReceipts: 1, DoubleReceipts: 1, Refused: map[string]int64{"429/491": 1}})
		p.Progress(Progress{Elapsed: time.Second, Accepted: 1000})
		if l == i18n.En || l == i18n.Cs {
			t.Logf("\n%s", b.String())
		}
	}
	if texts.Missing() > 0 {
		t.Errorf("%d texts or arguments are missing", texts.Missing())
	}
	nodes.Two.To.OIDs = eight[:7]
	if _, err := Suite(t.Context(), SuiteOptions{Nodes: nodes}); err == nil {
		t.Error("seven destinations were enough for eight")
	}
}
