package app

import (
	"context"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/alert/channel"
	"trojmezi/internal/exchange"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/store"
)

// What is published goes to a neighbour's control room through the exchange, as a text of
// the room that operates the node; an exercise does not: it would ring for real.
func TestNeighbourIsTold(t *testing.T) {
	c := newConfig(t, func(m map[string]any) {
		var records []any
		for _, oid := range []string{desk, otherDesk} {
			r := deskRecord(oid)
			r["supportedApps"] = []any{map[string]any{"appId": textApp, "appVersion": textVersion}}
			records = append(records, r)
		}
		m["exchange"].(map[string]any)["participants"] = records
		m["exchange"].(map[string]any)["accounts"] = []any{}
		m["channels"] = map[string]any{"list": []any{map[string]any{"name": "rooms", "sort": "node"}, map[string]any{"name": "rooms-drill", "sort": "node", "kind": "exercise"}}}
	})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	o, err := Open(ctx, c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer o.DB.Close()
	n, err := build(ctx, c, o, texts(t), quiet, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.people.Seed(ctx, identity.Organisation{Name: "Own", Country: "CZ", Addresses: []string{desk}}, nil); err != nil {
		t.Fatal(err)
	}
	n.exchange.Desks([]string{desk}) // as the console says once it runs
	d := channel.Dispatch{Channel: "rooms", Target: otherDesk, Lang: "cs", Kind: store.Live, Reference: channel.Reference{Origin: channel.Notice, ID: "n1", Revision: "1"},
		Title: "Smědá stoupá", Body: "Opusťte břeh.", Source: "Oznámení: Město Frýdlant"}
	drill := d
	drill.Channel, drill.Kind, drill.Reference.ID = "rooms-drill", store.Exercise, "n2"
	for range 2 {
		if err := o.DB.Write(ctx, func(tx *store.Tx) error { return n.channels.Queue(tx, d, drill) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.channels.Schedule(ctx); err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- n.jobs.Run(ctx) }()
	var all []channel.Receipt
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if all, err = n.channels.Receipts(ctx, 10); err != nil {
			t.Fatal(err)
		}
		if len(all) == 2 && all[0].Attempts > 0 && all[1].Attempts > 0 && all[0].State != channel.Sending && all[1].State != channel.Sending {
			break
		}
	}
	stop()
	<-ran
	for _, r := range all {
		if r.Kind == store.Live && r.State != channel.Accepted || r.Kind == store.Exercise && (r.State != channel.Waiting || !strings.Contains(r.Error, "no_desk")) {
			t.Errorf("%+v", r)
		}
	}
	if err := o.DB.Read(t.Context(), func(tx *store.Tx) error {
		queues, err := exchange.QueueStates(tx)
		waiting := int64(0)
		for _, q := range queues {
			if q.Destination == otherDesk {
				waiting = int64(q.Waiting)
			}
		}
		if waiting != 1 {
			t.Errorf("%d messages wait for the neighbour: %+v", waiting, queues)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
