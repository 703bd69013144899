package app

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trojmezi/internal/alert/feed/chmi"
	"trojmezi/internal/alert/subscription"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
)

// BenchmarkQueue100k is from the bytes of a bulletin, as they were fetched, to the notices
// in the outbox, for each of them: read, entered, compared with what was told, matched
// against 100,000 subscriptions, written, sealed, committed. Where it says so it warns of
// one district, else of all ten of the region, in which all subscribers live.
func BenchmarkQueue100k(b *testing.B) {
	people := 100_000
	if testing.Short() {
		people = 2000
	}
	n := builtNode(b, func(m map[string]any) {
		m["notify"] = map[string]any{"base_url": nodeAddress}
		m["channels"] = map[string]any{"list": []any{
			map[string]any{"name": "mail", "sort": "mail", "smtp": map[string]any{"host": "127.0.0.1", "port": 1, "from": "a@node.example", "tls": "none"}},
			map[string]any{"name": "push", "sort": "push", "push": map[string]any{"contact": "a@node.example"}}}}
	})
	ctx := b.Context()
	var begun time.Time
	var mu sync.Mutex
	var took []time.Duration // of each notice
	o := n.subscriptionOptions()
	send := o.Send
	o.Send = func(tx *store.Tx, all ...subscription.Dispatch) error {
		tx.OnCommit(func() {
			mu.Lock()
			defer mu.Unlock()
			for range all {
				took = append(took, time.Since(begun))
			}
		})
		return send(tx, all...)
	}
	subs, err := subscription.New(o)
	if err != nil {
		b.Fatal(err)
	}
	var towns []string
	for _, p := range n.places.Places() {
		if p.Kind == register.Municipality && p.Country == register.CZ {
			towns = append(towns, p.ID)
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	work := make(chan int)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := range work {
				x := subscription.Subscription{Channel: subscription.WebPush, Lang: i18n.Langs[i%4], Want: subscription.Want{Municipalities: []string{towns[i%len(towns)]}}}
				token, err := subs.Ask(ctx, x, fmt.Sprintf(`{"endpoint":"https://fcm.googleapis.com/fcm/send/%d","keys":{"p256dh":"BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM","auth":"tBHItJI5svbpez7KI4CCXg"}}`, i))
				if err != nil {
					b.Error(err)
					continue
				}
				id, _, _ := strings.Cut(token, ".")
				if err := o.DB.Write(ctx, func(tx *store.Tx) error { return subs.Reached(tx, "subscription/"+id) }); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for _, i := range r.Perm(people) {
		work <- i
	}
	close(work)
	wg.Wait()
	if err := subs.Load(ctx); err != nil {
		b.Fatal(err)
	}
	issued, round := time.Now().Add(-24*time.Hour), 0
	for _, area := range []struct {
		name  string
		first int
		last  int
	}{{"district", 5102, 5102}, {"region", 5101, 5110}} {
		b.Run(area.name, func(b *testing.B) {
			var all, first, last []time.Duration
			notices := 0
			for b.Loop() {
				b.StopTimer()
				round++
				issued = issued.Add(time.Minute)
				a, _, fault := cap.Read(bulletin(b, issued, []string{"Severe", "Extreme"}[round%2]))
				if fault != nil {
					b.Fatal(fault)
				}
				for i := range a.Infos {
					a.Infos[i].EventCodes[0].Value = fmt.Sprint("X.", area.first)
					codes := &a.Infos[i].Areas[0].Geocodes
					*codes = nil
					for c := area.first; c <= area.last; c++ {
						*codes = append(*codes, cap.Pair{Name: "CISORP", Value: fmt.Sprint(c)})
					}
				}
				doc, found := cap.Write(a)
				if len(found) > 0 {
					b.Fatal(found)
				}
				took = took[:0]
				b.StartTimer()
				begun = time.Now()
				reading, fault := chmi.Feed().Parse(doc)
				if fault != nil {
					b.Fatal(fault)
				}
				if err := n.DB.Write(ctx, func(tx *store.Tx) error {
					_, err := n.warnings.Take(tx, warning.Fetched{Feed: "chmi", Series: "chmi-" + area.name, Kind: store.Live, At: n.Clock.Now(), Ref: blob.Ref{byte(round), byte(round >> 8)}}, reading)
					return err
				}); err != nil {
					b.Fatal(err)
				}
				if err := subs.Observe(ctx); err != nil {
					b.Fatal(err)
				}
				for more := true; more; {
					if more, err = subs.Distribute(ctx); err != nil {
						b.Fatal(err)
					}
				}
				if len(took) == 0 {
					b.Fatal("nobody is told")
				}
				notices = len(took)
				all, first, last = append(all, took...), append(first, took[0]), append(last, took[len(took)-1])
			}
			ms := func(list []time.Duration, f float64) float64 {
				slices.Sort(list)
				return float64(list[int(f*float64(len(list)-1))]) / 1e6
			}
			b.ReportMetric(float64(notices), "notices")
			b.ReportMetric(ms(first, 1), "first-ms") // the slowest of the first ones
			b.ReportMetric(ms(all, 0.5), "p50-ms")
			b.ReportMetric(ms(all, 0.99), "p99-ms")
			b.ReportMetric(ms(last, 1), "last-ms")
		})
	}
}
