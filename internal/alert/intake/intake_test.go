package intake

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	simulated "trojmezi/internal/simulator/feeds"
)

// later is when the scenario has warnings of every feed and the rivers rise.
const later = 90 * time.Minute

func fakeAt(d time.Duration) *clock.Clock { return clock.Fake(start.Add(d)) }

// TestEveryFeed: the document of every feed, as the simulator that shares no code with
// the parsers writes it, is fetched, kept, read without a deviation, and handed on.
func TestEveryFeed(t *testing.T) {
	r := newRig(t, fakeAt(later), Change{Name: "imgw-gauges", Detail: "https://hydro-back.imgw.pl/station/hydro/status/{id}"})
	r.on(r.all()...)
	r.lookAt(r.all()...)
	for _, n := range r.all() {
		s := r.state(n)
		if s.Status != Fresh || s.Failure != nil || s.Incomplete != nil || s.Deviations != 0 || s.Kind != store.Exercise {
			t.Errorf("%s: %s %v %v %+v", n, s.Status, s.Failure, s.Incomplete, s.Listed)
		}
		if got := r.count(`SELECT COUNT(*) FROM intake_document WHERE source = $1 AND kind = 'exercise'`, n); got == 0 {
			t.Errorf("%s: no original", n)
		}
	}
	for source, want := range map[string]int64{"chmi": 2, "dwd": 1, "nina-mowas": 1, "nina-katwarn": 1, "nina-lhp": 0, "imgw-meteo": 1, "imgw-hydro": 1, "rso": 2, "meteoalarm-czechia": 2, "meteoalarm-germany": 1, "lhp": 1} {
		if got := r.count(`SELECT COUNT(*) FROM test_warning WHERE source = $1 AND whole = 1`, source); got != want {
			t.Errorf("%s: %d warnings, want %d", source, got, want)
		}
	}
	// What only further documents hold has come: areas and shapes of MoWaS, the texts
	// behind MeteoAlarm's entries, the series and limits of stations.
	if n := r.count(`SELECT COUNT(*) FROM test_warning WHERE source = 'nina-mowas' AND polygons = 1 AND areas = 2 AND document > (SELECT MIN(id) FROM intake_document WHERE source = 'nina-mowas')`); n != 1 {
		t.Error("the message of MoWaS was not joined to its entry")
	}
	if n := r.count(`SELECT COUNT(*) FROM test_warning WHERE source = 'meteoalarm-czechia' AND texts = 'cs de pl en' AND areas = 2`); n != 1 {
		t.Error("the message of MeteoAlarm was not joined to its entries")
	}
	for station, limits := range map[string]int64{"chmi/0-203-1-317010": 4, "imgw/151150020": 2, "saxony/660202": 4} {
		if n := r.count(`SELECT COUNT(*) FROM test_level WHERE station = $1 AND limits = $2 AND at = $3`, station, limits, start.Add(later).UnixMilli()); n != 1 {
			t.Errorf("%s has no level of now with %d limits", station, limits)
		}
	}
	// A station of the region with a forecast: the list, and its values.
	if n := r.count(`SELECT COUNT(*) FROM intake_document WHERE source = 'pegelonline-gauges' AND address LIKE '%/stations/501010/WV/measurements.json'`); n != 1 || r.count(`SELECT COUNT(*) FROM intake_document WHERE source = 'pegelonline-gauges'`) != 2 {
		t.Error("the forecast was not fetched, or one of another region was")
	}
	if n := r.count(`SELECT COUNT(*) FROM test_level WHERE station = 'chmi/0-203-1-900010'`); n != 0 {
		t.Error("a station of another region was fetched")
	}
}

// TestRecorded: of a period come the documents that were fetched in it, and of each address
// the last one before it, in the order of their times.
func TestRecorded(t *testing.T) {
	r := newRig(t, fakeAt(later))
	r.on("saxony-gauges", "imgw-hydro")
	for range 3 {
		r.lookAt("saxony-gauges", "imgw-hydro")
		r.clk.Advance(10 * time.Minute)
	}
	for _, c := range []struct{ from, to, levels, warnings int }{{0, 30, 3, 1}, {5, 30, 3, 1}, {15, 30, 2, 1}, {0, 10, 1, 1}, {-60, 0, 0, 0}, {100, 200, 1, 1}} {
		at := func(minute int) time.Time { return start.Add(later + time.Duration(minute)*time.Minute) }
		all, err := r.Recorded(t.Context(), at(c.from), at(c.to))
		r.ok(err)
		levels := 0
		for i, o := range all {
			if o.Source == "saxony-gauges" {
				levels++
			}
			if i > 0 && o.FetchedAt.Before(all[i-1].FetchedAt) {
				t.Errorf("%v is out of order", o)
			}
			if _, body, err := r.Original(t.Context(), o.ID); err != nil || len(body) == 0 {
				t.Errorf("%d: %v", o.ID, err)
			}
		}
		if levels != c.levels || len(all)-levels != c.warnings {
			t.Errorf("%d to %d: %d documents, %d of levels", c.from, c.to, len(all), levels)
		}
	}
}

// TestUnchanged: what is not new makes no work: by ETag, and by its bytes alone.
func TestUnchanged(t *testing.T) {
	r := newRig(t, fakeAt(later))
	r.on(r.all()...)
	r.lookAt(r.all()...)
	taken, kept := r.count(`SELECT COUNT(*) FROM test_taken`), r.count(`SELECT COUNT(*) FROM intake_document`)
	r.lookAt(r.all()...)
	r.write(func(tx *store.Tx) error { _, err := tx.Exec(`UPDATE intake_resource SET etag = ''`); return err })
	r.lookAt(r.all()...)
	// A restart keeps nothing in memory, and reads nothing anew either.
	r.Service = r.instance(r.Config)
	r.lookAt(r.all()...)
	if a, b := r.count(`SELECT COUNT(*) FROM test_taken`), r.count(`SELECT COUNT(*) FROM intake_document`); a != taken || b != kept {
		t.Errorf("taken %d, then %d; kept %d, then %d", taken, a, kept, b)
	}
	// One more level, and the warning of a list alone: both are read.
	r.clk.Advance(10 * time.Minute)
	r.lookAt("chmi-gauges", "nina-mowas")
	if a := r.count(`SELECT COUNT(*) FROM test_taken`); a != taken+1 {
		t.Errorf("taken %d, then %d", taken, a)
	}
	if n := r.count(`SELECT COUNT(*) FROM test_level WHERE station = 'chmi/0-203-1-317010' AND limits = 4 AND at = $1`, start.Add(later+10*time.Minute).UnixMilli()); n != 1 {
		t.Error("the new level was not taken with the limits of the station")
	}
}

// TestEnd: a warning that left the list is handed on as absent; before, its end is said.
func TestEnd(t *testing.T) {
	r := newRig(t, fakeAt(later))
	r.on("nina-mowas")
	r.lookAt("nina-mowas")
	r.clk.Advance(10 * time.Hour) // version 2: a Cancel with its own message
	r.lookAt("nina-mowas")
	if n := r.count(`SELECT COUNT(*) FROM test_warning WHERE source = 'nina-mowas'`); n != 1 {
		t.Fatalf("%d warnings", n)
	}
	if n := r.count(`SELECT COUNT(*) FROM intake_document WHERE source = 'nina-mowas' AND address LIKE '%/warnings/%.json'`); n != 2 {
		t.Errorf("the message of the second version was not fetched: %d", n)
	}
	r.clk.Advance(2 * time.Hour)
	r.lookAt("nina-mowas")
	if n := r.count(`SELECT COUNT(*) FROM test_warning WHERE source = 'nina-mowas'`); n != 0 {
		t.Errorf("%d warnings", n)
	}
	if s := r.state("nina-mowas"); s.Status != Fresh || s.Entries != 0 {
		t.Errorf("%+v", s)
	}
}

// faults are what a feed is told to be ill with, and the diagnosis that the operator
// reads.
var faults = map[string]string{
	"500": "intake.fault.status", "busy": "intake.fault.status", "html": "intake.fault.page", "empty": "tree.fault.empty", "truncated": "intake.fault.cut",
	"half": "tree.fault.truncated", "stop": "intake.fault.unreachable", "slow": "intake.fault.slow", "loop": "intake.fault.loop", "elsewhere": "intake.fault.redirect",
	"xxe": "tree.fault.dtd", "bomb": "tree.fault.dtd", "charset": "tree.fault.encoding", "endless": "intake.fault.too_large",
}

// TestHostile: whatever one feed sends over HTTP is diagnosed and contained; what was
// known of it stays, and the others go on.
func TestHostile(t *testing.T) {
	for _, kind := range simulated.Kinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, fakeAt(later), Change{Name: "chmi", Timeout: 2 * time.Second, MaxBytes: 2 << 20}, Change{Name: "saxony-gauges"})
			r.on("chmi", "imgw-hydro", "saxony-gauges")
			r.lookAt("chmi")
			before := r.count(`SELECT COUNT(*) FROM test_warning WHERE source = 'chmi'`)
			r.ok(r.sim.Set("chmi", kind))
			r.clk.Advance(5 * time.Minute)
			r.lookAt("chmi", "imgw-hydro", "saxony-gauges")
			s := r.state("chmi")
			if s.Status != Failing || s.Failure == nil || s.Failure.Key != faults[kind] || s.Failures != 1 || s.Failure.Address == "" {
				t.Fatalf("%s: %+v", s.Status, s.Failure)
			}
			if got := r.count(`SELECT COUNT(*) FROM test_warning WHERE source = 'chmi'`); got != before || before == 0 {
				t.Errorf("warnings: %d, then %d", before, got)
			}
			for _, n := range []string{"imgw-hydro", "saxony-gauges"} {
				if o := r.state(n); o.Status != Fresh {
					t.Errorf("%s: %s", n, o.Status)
				}
			}
			if wait := s.NextAt.Sub(r.clk.Now()); kind == "busy" && wait != 30*time.Minute || wait < s.Interval {
				t.Errorf("asked again in %v", wait)
			}
			switch kind {
			case "html", "xxe", "bomb", "charset", "half":
				// The operator sees the place, and has the document.
				if s.Failure.Line == 0 || s.Failure.Text == "" || s.Failure.Document == 0 {
					t.Errorf("%+v", s.Failure)
				}
				again := r.count(`SELECT COUNT(*) FROM intake_document WHERE source = 'chmi'`)
				r.lookAt("chmi")
				if n := r.count(`SELECT COUNT(*) FROM intake_document WHERE source = 'chmi'`); n != again || r.state("chmi").Failures != 2 || r.state("chmi").Failure.Document != s.Failure.Document {
					t.Errorf("the same document was kept again, or its failure forgotten: %d, %d, %+v", again, n, r.state("chmi").Failure)
				}
			}
			// Well again: nothing was lost.
			r.ok(r.sim.Set("chmi", ""))
			r.lookAt("chmi")
			if s := r.state("chmi"); s.Status != Fresh || s.Failure != nil || s.Failures != 0 {
				t.Errorf("%s: %+v", s.Status, s.Failure)
			}
		})
	}
}

// TestStale: a feed that stops becomes stale by the age of its news, not by that of the
// answers; one without a date of its own by its last answer.
func TestStale(t *testing.T) {
	r := newRig(t, fakeAt(later), Change{Name: "saxony-gauges", Stale: time.Hour}, Change{Name: "imgw-hydro", Stale: time.Hour})
	r.on("saxony-gauges", "imgw-hydro", "chmi-gauges")
	r.lookAt("saxony-gauges", "imgw-hydro", "chmi-gauges")
	states := func(want Status, names ...string) {
		t.Helper()
		for _, n := range names {
			if s := r.state(n); s.Status != want {
				t.Errorf("%s: %s, want %s; age %v", n, s.Status, want, s.Age)
			}
		}
	}
	states(Fresh, "saxony-gauges", "imgw-hydro", "chmi-gauges")
	states(Off, "chmi")
	// The sender answers, and its levels stand still.
	frozen := simulated.New(simulated.Shipped(), start, func() time.Time { return start.Add(later) })
	r.instead.Store(simulated.Paths()["saxony-gauges"], frozen)
	for range 13 {
		r.clk.Advance(10 * time.Minute)
		r.lookAt("saxony-gauges", "imgw-hydro", "chmi-gauges")
	}
	states(Stale, "saxony-gauges")
	states(Fresh, "imgw-hydro", "chmi-gauges")
	if s := r.state("saxony-gauges"); s.AnsweredAt != r.clk.Now() || s.Age != 130*time.Minute || s.Failure != nil {
		t.Errorf("%+v", s)
	}
	// What is ill with an exercise calls nobody who is on duty; a replay tells of it as one.
	findings, err := r.look(t.Context())
	r.ok(err)
	if len(findings) != 0 {
		t.Errorf("%+v", findings)
	}
	r.Driven = true
	findings, err = r.look(t.Context())
	r.Driven = false
	r.ok(err)
	if len(findings) != 1 || findings[0].Key != "intake.check.stale" || findings[0].Object != "saxony-gauges" {
		t.Errorf("%+v", findings)
	}
	// All of them stop.
	r.http.Close()
	r.lookAt("imgw-hydro", "chmi-gauges")
	states(Failing, "imgw-hydro", "chmi-gauges")
	r.clk.Advance(2 * time.Hour)
	states(Stale, "imgw-hydro", "chmi-gauges")
}

// TestClock: a clock that was ahead stops nothing when it is right again, and makes no
// old news fresh.
func TestClock(t *testing.T) {
	r := newRig(t, fakeAt(later))
	r.on("imgw-hydro", "saxony-gauges")
	r.clk.Advance(10 * 365 * 24 * time.Hour)
	r.lookAt("imgw-hydro", "saxony-gauges")
	r.clk = clock.Fake(start.Add(later))
	s := r.instance(r.Config)
	for _, n := range []string{"imgw-hydro", "saxony-gauges"} {
		v, err := s.State(t.Context(), n)
		r.ok(err)
		if v.Status != Stale || !v.ClockWrong {
			t.Errorf("%s: %s", n, v.Status)
		}
		src, err := s.source("", n)
		r.ok(err)
		if wait, err := s.due(t.Context(), src); err != nil || wait > 0 {
			t.Errorf("%s: waits %v, %v", n, wait, err)
		}
	}
	// A sender's clock that is ahead: its news count from when they came.
	ahead := simulated.New(simulated.Shipped(), start, func() time.Time { return start.Add(40 * 24 * time.Hour) })
	r.instead.Store(simulated.Paths()["saxony-gauges"], ahead)
	src, err := s.source("", "saxony-gauges")
	r.ok(err)
	r.ok(s.round(t.Context(), src))
	if v, err := s.State(t.Context(), "saxony-gauges"); err != nil || v.Status != Fresh || v.Age != 0 {
		t.Errorf("%s %v %v", v.Status, v.Age, err)
	}
	r.clk.Advance(3 * time.Hour)
	if v, err := s.State(t.Context(), "saxony-gauges"); err != nil || v.Status != Stale {
		t.Errorf("%s %v", v.Status, err)
	}
}

// TestTake: what the receiver refuses is not remembered as read, is told, and comes again.
func TestTake(t *testing.T) {
	r := newRig(t, fakeAt(later))
	r.on("imgw-hydro")
	r.Warnings = func(tx *store.Tx, d Document, read *feed.Reading) error {
		if err := takeWarnings(tx, d, read); err != nil {
			return err
		}
		return errors.New("no room")
	}
	r.lookAt("imgw-hydro")
	if s := r.state("imgw-hydro"); s.Status != Never || s.Failure == nil || s.Failure.Key != "intake.fault.take" {
		t.Errorf("%s %+v", s.Status, s.Failure)
	}
	if n := r.count(`SELECT COUNT(*) FROM test_warning`); n != 0 {
		t.Errorf("%d warnings of a transaction that failed", n)
	}
	r.Warnings = takeWarnings
	r.lookAt("imgw-hydro")
	if n := r.count(`SELECT COUNT(*) FROM test_warning`); n != 1 || r.state("imgw-hydro").Status != Fresh {
		t.Errorf("%d warnings, %s", n, r.state("imgw-hydro").Status)
	}
}

// TestKinds: what the simulator said never makes a live feed fresh, and a live feed takes
// nothing that calls itself simulated.
func TestKinds(t *testing.T) {
	r := newRig(t, fakeAt(later))
	r.on("imgw-hydro")
	r.lookAt("imgw-hydro")
	address := r.http.URL + "/api/data/warningshydro"
	r.Service = r.instance(Config{Contact: contact(), Sources: []Change{{Name: "imgw-hydro", Addresses: []string{address}, Plain: true}}})
	if s := r.state("imgw-hydro"); s.Status != Off || !s.AnsweredAt.IsZero() {
		t.Errorf("%+v", s)
	}
	r.on("imgw-hydro")
	r.lookAt("imgw-hydro")
	if s := r.state("imgw-hydro"); s.Status != Never || s.Failure == nil || s.Failure.Key != "intake.fault.simulated" || s.Kind != store.Live {
		t.Errorf("%s %+v", s.Status, s.Failure)
	}
	// Not even that nothing is new is believed of a simulator.
	r.instead.Store("/api/data/warningshydro", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(simulatorHeader, "yes")
		w.WriteHeader(http.StatusNotModified)
	}))
	src, err := r.source("", "imgw-hydro")
	r.ok(err)
	if _, d := newFetcher(r.clk, contact(), "1").ask(t.Context(), src, question{address: address, etag: `"known"`}); d == nil || d.Key != "intake.fault.simulated" {
		t.Errorf("%+v", d)
	}
	for _, c := range []Config{
		{Simulator: r.http.URL, Sources: []Change{{Name: "chmi", Kind: "live"}}}, {Simulator: "http://sim.example:80"}, {Contact: "nobody"},
		{Sources: []Change{{Name: "x", Addresses: []string{"https://a.example/"}}}}, {Sources: []Change{{Name: "chmi", Addresses: []string{"http://a.example/"}, Plain: true}}},
		{Sources: []Change{{Name: "chmi", Interval: time.Millisecond}}}, {Sources: []Change{{Name: "chmi", Format: "dwd"}}}, {Sources: []Change{{Name: "imgw-gauges", Detail: "https://a.example/"}}},
	} {
		if f := c.Validate(); len(f) != 1 {
			t.Errorf("%+v: %+v", c, f)
		}
	}
}

// TestSwitch: nothing is asked before somebody has said why; both stand in the log.
func TestSwitch(t *testing.T) {
	r := newRig(t, fakeAt(later))
	src, err := r.source("", "chmi")
	r.ok(err)
	if wait, err := r.due(t.Context(), src); err != nil || wait != poll {
		t.Errorf("%v %v", wait, err)
	}
	if err := r.Switch(t.Context(), "p", "chmi", true, "  "); problem.KindOf(err) != problem.Invalid {
		t.Error(err)
	}
	if err := r.FetchNow(t.Context(), "p", "chmi"); problem.KindOf(err) != problem.Conflict {
		t.Error(err)
	}
	if err := r.Switch(t.Context(), "p", "nobody", true, "x"); problem.KindOf(err) != problem.NotFound {
		t.Error(err)
	}
	r.ok(r.Switch(t.Context(), "p", "chmi", true, "agreed with the sender"))
	if wait, err := r.due(t.Context(), src); err != nil || wait > 0 {
		t.Errorf("%v %v", wait, err)
	}
	r.ok(r.FetchNow(t.Context(), "p", "chmi"))
	r.ok(r.Switch(t.Context(), "p", "chmi", false, "quiet week"))
	r.lookAt("chmi") // was on its way
	if s := r.state("chmi"); s.Status != Off || s.Reason != "quiet week" || !s.AnsweredAt.IsZero() {
		t.Errorf("%+v", s)
	}
	if n := r.count(`SELECT COUNT(*) FROM audit_leaf WHERE object = 'chmi' AND action IN ('feed.on', 'feed.fetch', 'feed.off') AND actor = 'p'`); n != 3 {
		t.Errorf("%d leaves", n)
	}
	alone := r.instance(Config{})
	if err := alone.Switch(t.Context(), "p", "dwd", true, "x"); problem.KindOf(err) != problem.Conflict {
		t.Error(err)
	}
}

// TestSecond: when the first address is ill the next one answers.
func TestSecond(t *testing.T) {
	r := newRig(t, fakeAt(later))
	dead := r.moved("imgw-hydro", ill{"html"})
	dead.Addresses = append(dead.Addresses, r.http.URL+"/api/data/warningshydro")
	r.Service = r.instance(Config{Contact: contact(), Simulator: "", Sources: []Change{{Name: "imgw-hydro", Addresses: dead.Addresses, Plain: true, Kind: "exercise"}}})
	r.on("imgw-hydro")
	r.lookAt("imgw-hydro")
	if s := r.state("imgw-hydro"); s.Status != Fresh || s.Answered != dead.Addresses[1] {
		t.Errorf("%s %s %+v", s.Status, s.Answered, s.Failure)
	}
}

// TestSweep: originals go when their time is over, but for those in use.
func TestSweep(t *testing.T) {
	r := newRig(t, fakeAt(later), Change{Name: "saxony-gauges", Keep: 24 * time.Hour})
	r.on("saxony-gauges")
	for range 4 {
		r.lookAt("saxony-gauges")
		r.clk.Advance(10 * time.Minute)
	}
	r.clk.Advance(30 * time.Hour)
	r.ok(r.sweep(t.Context()))
	if n := r.count(`SELECT COUNT(*) FROM intake_document`); n != 1 {
		t.Errorf("%d originals", n)
	}
	s := r.state("saxony-gauges")
	if o, body, err := r.Original(t.Context(), s.Document); err != nil || int64(len(body)) != o.Size || digest(body) != o.Digest || !strings.Contains(string(body), "PEG_MSTNR") || o.Headers["Etag"] == "" || o.Address == "" {
		t.Errorf("%+v %v", o, err)
	}
	if _, _, err := r.Original(t.Context(), 1); problem.KindOf(err) != problem.NotFound {
		t.Error(err)
	}
	files := 0
	r.ok(filepath.WalkDir(r.folder, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files++
		}
		return err
	}))
	if files != 1 {
		t.Errorf("%d files", files)
	}
}

// TestPanic: a parser that fails on a document refuses it.
func TestPanic(t *testing.T) {
	r := newRig(t, fakeAt(later))
	r.on("imgw-hydro", "imgw-meteo")
	src, err := r.source("", "imgw-hydro")
	r.ok(err)
	src.warnings = func([]byte) (*feed.Reading, *treeFault) { panic("out of range") }
	r.lookAt("imgw-hydro", "imgw-meteo")
	if s := r.state("imgw-hydro"); s.Failure == nil || s.Failure.Key != "intake.fault.internal" || s.Failure.Document == 0 {
		t.Errorf("%+v", s.Failure)
	}
	if s := r.state("imgw-meteo"); s.Status != Fresh {
		t.Errorf("%s", s.Status)
	}
}

// TestHostileEverywhere: what TestHostile shows of one source holds for each: a page of
// HTML, a document that is empty, cut, of other characters than it says or with an entity
// is diagnosed, what was known stays, and the next good document is read.
func TestHostileEverywhere(t *testing.T) {
	for _, kind := range []string{"html", "empty", "half", "xxe", "charset"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, fakeAt(later))
			names := r.all()
			r.on(names...)
			r.lookAt(names...)
			before := map[string]int64{}
			for _, n := range names {
				before[n] = r.count(`SELECT COUNT(*) FROM test_warning WHERE source = $1`, n) + r.count(`SELECT COUNT(*) FROM test_level WHERE source = $1`, n)
			}
			for feed := range simulated.Paths() {
				r.ok(r.sim.Set(feed, kind))
			}
			r.clk.Advance(5 * time.Minute)
			r.lookAt(names...)
			ill := 0
			for _, n := range names {
				s := r.state(n)
				if kind == "charset" && s.Status == Fresh {
					continue // an empty list has no letter to mistake
				}
				ill++
				if s.Status != Failing || s.Failure == nil || s.Failure.Key == "" || s.Failure.Address == "" {
					t.Errorf("%s: %s %+v", n, s.Status, s.Failure)
				}
				if got := r.count(`SELECT COUNT(*) FROM test_warning WHERE source = $1`, n) + r.count(`SELECT COUNT(*) FROM test_level WHERE source = $1`, n); got != before[n] {
					t.Errorf("%s: %d, then %d", n, before[n], got)
				}
			}
			if ill < len(names)/2 {
				t.Errorf("only %d are ill", ill)
			}
			for feed := range simulated.Paths() {
				r.ok(r.sim.Set(feed, ""))
			}
			r.lookAt(names...)
			for _, n := range names {
				if s := r.state(n); s.Status != Fresh || s.Failure != nil {
					t.Errorf("%s, well again: %s %+v", n, s.Status, s.Failure)
				}
			}
		})
	}
}
