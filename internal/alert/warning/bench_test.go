package warning

import (
	"fmt"
	"maps"
	"slices"
	"syscall"
	"testing"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/kernel/store"
)

// BenchmarkWarnings judges what a month may leave: 3,000 copies, a third of them relays
// that have to be matched.
func BenchmarkWarnings(b *testing.B) {
	book := NewBook()
	for day := range 30 {
		issued, relayed := feed.Reading{}, feed.Reading{}
		for i := range 66 {
			w := feed.Warning{ID: fmt.Sprintf("imgw-meteo/%d-%d", day, i), Source: "imgw-meteo", Event: "Silny wiatr", Code: "Silny wiatr", Level: feed.Level{Colour: "yellow"}, Status: feed.Actual, State: feed.InForce,
				Onset: feed.Moment{At: at(day*1440 + i%6*60)}, Expires: feed.Moment{At: at(day*1440 + 900)}, Texts: []feed.Text{{Language: "pl", Headline: "x"}}, Areas: []feed.Area{{}}}
			for n := range 40 {
				w.Areas[0].Codes = append(w.Areas[0].Codes, feed.Code{Scheme: "TERYT", Value: fmt.Sprintf("%02d%02d", i, n)})
			}
			issued.Warnings = append(issued.Warnings, w)
			if i%2 == 0 {
				c := w
				c.ID, c.Source, c.Code, c.Originals = "meteoalarm/"+c.ID, "meteoalarm", "1; Wind", []string{c.ID}
				c.Areas = []feed.Area{{}}
				for _, x := range w.Areas[0].Codes {
					c.Areas[0].Codes = append(c.Areas[0].Codes, feed.Code{Scheme: "EMMA_ID", Value: "PL" + x.Value})
				}
				relayed.Warnings = append(relayed.Warnings, c)
			}
		}
		book.Take(Document{ID: fmt.Sprint(day), Feed: "imgw-meteo", Series: "pl", Kind: store.Live, Fetched: at(day * 1440)}, &issued)
		book.Take(Document{ID: fmt.Sprint("r", day), Feed: "meteoalarm", Series: "pl", Kind: store.Live, Fetched: at(day * 1440)}, &relayed)
	}
	judge := func(b *testing.B, forget func(n int)) {
		var before, after syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
		for n := 0; b.Loop(); n++ {
			forget(n)
			if all := book.Warnings(at(30 * 1440)); len(all) != 30*66 {
				b.Fatal(len(all))
			}
		}
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
		b.ReportMetric(float64(after.Utime.Nano()-before.Utime.Nano()+after.Stime.Nano()-before.Stime.Nano())/float64(b.N)/1e6, "cpu-ms/op")
		b.ReportMetric(float64(len(book.Copies)), "copies")
	}
	ids := slices.Sorted(maps.Keys(book.Copies))
	// After each bulletin the copies in it are another: here 66 of them.
	b.Run("bulletin", func(b *testing.B) {
		judge(b, func(n int) {
			for i := range 66 {
				delete(book.facts, book.Copies[ids[(n*66+i)%len(ids)]])
			}
		})
	})
	b.Run("start", func(b *testing.B) {
		judge(b, func(int) { clear(book.facts) })
	})
}
