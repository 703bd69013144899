package gateway

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"trojmezi/internal/exchange/adapter/transport"
	"trojmezi/internal/simulator"
)

// breaking is a transport whose program ends at each delivery: before it is stored, or
// after that and before the transport can acknowledge it.
type breaking struct {
	transport.Transport
	stores bool
	tried  atomic.Int64
}

var errEnds = errors.New("the program ends here")

func (b *breaking) Receive(ctx context.Context, box transport.Box, up func()) error {
	return b.Transport.Receive(ctx, breakingBox{box, b}, up)
}

type breakingBox struct {
	transport.Box
	of *breaking
}

func (b breakingBox) Take(ctx context.Context, d transport.Delivery) error {
	if b.of.stores {
		if err := b.Box.Take(ctx, d); err != nil {
			return err
		}
	}
	b.of.tried.Add(1)
	return errEnds
}

// The part of the adapters' suite that needs a node: whatever ends between a delivery and
// its acknowledgement, the other side delivers again, the desk gets one message, and the
// other side hears that it is stored only when it is. Every adapter there is passes it,
// by each way it is tried over; one without a simulated other side fails.
func TestEveryAdapterEndsBetweenReceiveAndStore(t *testing.T) {
	for _, a := range systems() {
		sides := 0
		for name, f := range foreignSides {
			if f.system != a.System {
				continue
			}
			sides++
			for moment, stores := range map[string]bool{"before it is stored": false, "before it is acknowledged": true} {
				t.Run(name+", "+moment, func(t *testing.T) {
					t.Parallel() // they mostly wait
					endsAt(t, f, stores)
				})
			}
		}
		if sides == 0 {
			t.Errorf("no other side of %s: write its simulator and add it to foreignSides", a.System)
		}
	}
}

func endsAt(t *testing.T, f foreignSide, stores bool) {
	r, d := builtForeign(t, f)
	d.Behave(simulator.Behaviour{Resend: time.Hour}) // who delivers again is the way, not the profile's rule for a missing receipt
	b := &breaking{Transport: r.gates[0].way, stores: stores}
	r.gates[0].way = b
	stop := r.start()
	said, err := d.Send(f.sample(), "")
	r.ok(err)
	attempts := int64(2)
	if stores {
		attempts = 1 // poll's next question goes on behind it
	}
	r.until("the attempts", func() bool { return b.tried.Load() >= attempts })
	stop()
	receipt := func(h simulator.Heard) bool { return h.Kind == simulator.Receipt && h.About == said.ID }
	if !stores {
		for _, h := range d.Heard() {
			if receipt(h) {
				t.Error("acknowledged although it is nowhere")
			}
		}
		if n := len(r.got(desk)); n > 0 {
			t.Errorf("%d messages at the desk although none is stored", n)
		}
	}
	r.again()
	r.start()
	r.until("the incident", func() bool { return len(r.got(desk)) == 1 })
	await(t, d, receipt)
	_, err = d.Send(simulator.Say{Kind: simulator.Text, Incident: said.Incident, Text: "jde dál"}, "") // behind all repetitions
	r.ok(err)
	r.until("the next message", func() bool { return len(r.got(desk)) > 1 })
	time.Sleep(300 * time.Millisecond)
	if n := len(r.got(desk)); n != 2 || len(r.tray()) > 0 {
		t.Errorf("%d messages at the desk for two, %d in the tray", n, len(r.tray()))
	}
	strict(t, d)
}
