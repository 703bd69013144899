package play

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"trojmezi/internal/training/scenario"
)

func record(t testing.TB, s *scenario.Scenario, class, bot string) *Record {
	t.Helper()
	v := s.For(class)
	r := Score(v, Run(v, Bot(bot, v)))
	r.Bot = bot
	return r
}

func text(t testing.TB, r *Record) []byte {
	t.Helper()
	b, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// each calls f for every class of every scenario.
func each(t *testing.T, f func(t *testing.T, s *scenario.Scenario, class string)) {
	for _, s := range scenario.Shipped() {
		for _, c := range s.Classes {
			t.Run(s.ID+"/"+c.ID, func(t *testing.T) { f(t, s, c.ID) })
		}
	}
}

// TestBots: every exercise can be solved whole in each class, and doing nothing passes none.
func TestBots(t *testing.T) {
	each(t, func(t *testing.T, s *scenario.Scenario, class string) {
		best, worst := record(t, s, class, "perfect"), record(t, s, class, "idle")
		if best.Score != 1 || !best.Passed || best.InDanger != 0 {
			t.Errorf("perfect: %v, %d in danger; %+v", best.Score, best.InDanger, best.Parts)
		}
		if worst.Score > 0.2 || worst.Passed {
			t.Errorf("idle: %v", worst.Score)
		}
		if again := record(t, s, class, "perfect"); !bytes.Equal(text(t, best), text(t, again)) {
			t.Error("the same run has other bytes")
		}
		if len(best.Duties) == 0 || len(best.Objectives) == 0 {
			t.Error("no duties or objectives")
		}
	})
}

// TestEachEventCounts: with any deed or decision taken away from the log the score is lower.
func TestEachEventCounts(t *testing.T) {
	each(t, func(t *testing.T, s *scenario.Scenario, class string) {
		v, best := s.For(class), record(t, s, class, "perfect")
		n := 0
		for i, e := range best.Events {
			switch e.Kind {
			case Started, Delivered, Expired, Happened, Harmed, Ended:
				continue
			}
			n++
			log := slices.Delete(slices.Clone(best.Events), i, i+1)
			if less := Score(v, log); less.Score >= best.Score {
				t.Errorf("without %s %s %v at %d: %v", e.Kind, e.ID, e.Data, e.At, less.Score)
			}
		}
		if n < len(best.Parts) || n < 20 {
			t.Errorf("%d events for %d parts", n, len(best.Parts))
		}
	})
}

// TestEarly: whoever does everything at once at the beginning gets only for what is right
// before it is asked for.
func TestEarly(t *testing.T) {
	each(t, func(t *testing.T, s *scenario.Scenario, class string) {
		v := s.For(class)
		r := Score(v, Run(v, hasty{v}))
		for _, p := range r.Parts {
			i := slices.IndexFunc(v.Actions, func(a *scenario.Action) bool { return a.ID == p.ID })
			if i >= 0 && v.Actions[i].From != "I01" && (p.Points > 0) != v.Actions[i].Early {
				t.Errorf("%s: %v points", p.ID, p.Points)
			}
		}
		if r.Score > s.Cap {
			t.Errorf("%v", r.Score)
		}
	})
}

type hasty struct{ v *scenario.Variant }

func (h hasty) Told(e Event) (then []Event) {
	if e.Kind != Started {
		return nil
	}
	for _, a := range h.v.Actions {
		for _, x := range append(a.Evidence[:1:1], a.Also...) {
			then = append(then, Event{At: 1, Kind: x.Event, By: "mayor", Data: dataOf(&x)})
		}
	}
	return then
}

// TestLate: the weight falls from the target to the longest time, and a missing critical
// action caps the whole.
func TestLate(t *testing.T) {
	s := scenario.Find("flood-nisa-smeda")
	v := s.For("small_no_unit")
	log := Run(v, Bot("perfect", v))
	at := slices.IndexFunc(log, func(e Event) bool { return e.Kind == "stage.declared" && e.Data["stage"] == "3" })
	points := func(delay int) float64 {
		late := slices.Clone(log)
		late[at].At += delay - soon
		for _, p := range Score(v, late).Parts {
			if p.ID == "A11" {
				return p.Points
			}
		}
		return -1
	}
	for delay, want := range map[int]float64{0: 5, 10: 5, 20: 2.5, 29: 0.25, 30: 0, 300: 0} {
		if got := points(delay); got != want {
			t.Errorf("after %d minutes: %v, want %v", delay, got, want)
		}
	}
	if r := Score(v, slices.Delete(slices.Clone(log), at, at+1)); r.Score != s.Cap || r.Passed {
		t.Errorf("without a critical action: %v", r.Score)
	}
}

// TestRoads: a wrong decision has its consequence: people are in danger, and another inject
// comes that was not there.
func TestRoads(t *testing.T) {
	v := scenario.Find("flood-nisa-smeda").For("mid_jpo3")
	log := Run(v, wrong{"D03": "b", "D07": "c"})
	r := Score(v, log)
	if !slices.ContainsFunc(log, func(e Event) bool { return e.Kind == Delivered && e.ID == "I07b" }) || r.InDanger != 46 {
		t.Errorf("%d in danger", r.InDanger)
	}
	if !slices.ContainsFunc(r.Parts, func(p Part) bool { return p.ID == "A12d" }) {
		t.Error("what follows is not expected")
	}
	best := Score(v, Run(v, Bot("perfect", v)))
	if slices.ContainsFunc(best.Parts, func(p Part) bool { return p.ID == "A12d" }) {
		t.Error("what never came is expected")
	}
}

type wrong map[string]string

func (w wrong) Told(e Event) []Event {
	if e.Kind != Delivered {
		return nil
	}
	for _, x := range scenario.Find("flood-nisa-smeda").Injects {
		if x.ID == e.ID && w[x.Decision] != "" {
			return []Event{{At: e.At + 1, Kind: Decided, ID: x.Decision, Data: map[string]string{"option": w[x.Decision]}}}
		}
	}
	return nil
}

// TestRescore: a record that was kept is scored alike; one that was changed is found out.
func TestRescore(t *testing.T) {
	each(t, func(t *testing.T, s *scenario.Scenario, class string) {
		for _, bot := range Bots {
			kept := text(t, record(t, s, class, bot))
			again, wrong, err := Rescore(kept, scenario.Find)
			if err != nil || wrong != "" || !bytes.Equal(text(t, again), kept) {
				t.Fatalf("%s: %q %v", bot, wrong, err)
			}
		}
		best := record(t, s, class, "perfect")
		change := func(f func(r *Record)) []byte {
			var r Record
			if err := json.Unmarshal(text(t, best), &r); err != nil {
				t.Fatal(err)
			}
			f(&r)
			return text(t, &r)
		}
		for want, changed := range map[string][]byte{
			WrongScore:    change(func(r *Record) { r.Score = 0.99 }),
			WrongScenario: change(func(r *Record) { r.Version++ }),
			WrongLog: change(func(r *Record) {
				r.Events = slices.DeleteFunc(r.Events, func(e Event) bool { return e.ID == "I12" && e.Kind == Delivered })
			}),
			WrongForm: []byte(strings.Replace(string(text(t, best)), `"score"`, `"skore"`, 1)),
		} {
			if _, wrong, _ := Rescore(changed, scenario.Find); wrong != want {
				t.Errorf("%q, want %q", wrong, want)
			}
		}
		for what, changed := range map[string]func(r *Record){
			"an inject earlier": func(r *Record) { r.Events[5].At-- },
			"an effect that never happened": func(r *Record) {
				r.Events = slices.Insert(r.Events, len(r.Events)-1, Event{At: r.Events[len(r.Events)-2].At, Kind: Happened, ID: "E2"})
			},
			"a decision twice": func(r *Record) {
				i := slices.IndexFunc(r.Events, func(e Event) bool { return e.Kind == Decided })
				r.Events = slices.Insert(r.Events, i, r.Events[i])
			},
		} {
			if _, wrong, _ := Rescore(change(changed), scenario.Find); wrong == "" {
				t.Errorf("%s is not found out", what)
			}
		}
	})
}

// BenchmarkRescore is 10,000 kept records, of all classes and bots, scored again.
func BenchmarkRescore(b *testing.B) {
	s := scenario.Find("flood-nisa-smeda")
	var kept [][]byte
	for _, c := range s.Classes {
		for _, bot := range Bots {
			kept = append(kept, text(b, record(b, s, c.ID, bot)))
		}
	}
	size := 0
	for b.Loop() {
		for i := range 10_000 {
			k := kept[i%len(kept)]
			size = max(size, len(k))
			if _, wrong, err := Rescore(k, scenario.Find); wrong != "" || err != nil {
				b.Fatal(wrong, err)
			}
		}
	}
	b.ReportMetric(float64(size)/1e3, "kB-largest")
}
