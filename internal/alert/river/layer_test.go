package river

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// TestLayer: a gauge stands on the map and in the list with the colour of its limit and
// the trend; an old value has neither colour nor trend, but its age.
func TestLayer(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	r := newRig(t, now)
	v := r.pages()
	link(r, "saxony/660000", "de-goerlitz")
	for _, who := range []string{"jana", "hans", "petr", "audit"} {
		if page := v.get(who, "/rivers"); strings.Contains(page, "map-mark") {
			t.Error(who, "there is a mark without a value")
		}
	}
	var points []Point
	for i, cm := range []float64{440, 450, 462, 475, 485, 490, 500} {
		points = append(points, Point{At: now.Add(time.Duration(i-6) * 15 * time.Minute), Value: cm})
	}
	r.take(store.Live, "saxony", goerlitz(points...))
	lang := map[string]i18n.Lang{"jana": i18n.Cs, "hans": i18n.De, "petr": i18n.En, "audit": i18n.Pl}
	for who := range lang {
		page := v.get(who, "/rivers")
		mustHave(t, page, `class="map-mark" href="/rivers/`, "500", "↑</", "symbol-l3")
	}
	r.clk.Advance(9 * time.Hour)
	page := v.get("petr", "/rivers")
	mustHave(t, page, `class="map-mark"`, "Old value (9")
	if strings.Contains(page, "↑</") {
		t.Error("an old value has a trend")
	}
	mustHave(t, v.get("petr", "/rivers/de-goerlitz"), "Old value (9", "says nothing about now")
}

// TestSilentGauges: one gauge that falls silent is a finding of its own; a whole service
// is one finding; who tells again is none.
func TestSilentGauges(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	r := newRig(t, now)
	link(r, "saxony/660000", "de-goerlitz")
	look := func() (objects []string) {
		t.Helper()
		found, err := r.Checks()[0].Func(t.Context())
		r.ok(err)
		for _, f := range found {
			objects = append(objects, fmt.Sprint(int(f.Level), " ", f.Object))
		}
		return objects
	}
	equal := func(got []string, want ...string) {
		t.Helper()
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("found %q, want %q", got, want)
		}
	}
	equal(look())
	r.take(store.Live, "saxony", goerlitz(Point{At: now, Value: 200}))
	r.take(store.Test, "other", goerlitz(Point{At: now, Value: 200}))
	equal(look())
	r.clk.Advance(9 * time.Hour)
	equal(look(), "2 service saxony")
	// Another gauge of the service is there: Görlitz alone is silent.
	r.take(store.Live, "saxony", reading("660099", "Anderswo", "Mandau", nil, Point{At: now.Add(9 * time.Hour), Value: 90}))
	equal(look(), "1 de-goerlitz")
	r.take(store.Live, "saxony", goerlitz(Point{At: now.Add(9 * time.Hour), Value: 210}))
	equal(look())
}
