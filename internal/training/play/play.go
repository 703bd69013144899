package play

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"trojmezi/internal/training/scenario"
)

// Event is a line of the log. Data are by name; what is no deed of a player has an ID.
type Event struct {
	At   int               `json:"t"` // minute of the scenario
	Kind string            `json:"event"`
	ID   string            `json:"id,omitempty"`
	By   string            `json:"by,omitempty"` // role
	Data map[string]string `json:"with,omitempty"`
}

func (e *Event) key() string {
	text := e.Kind + " " + e.ID + " " + e.By
	for _, k := range slices.Sorted(maps.Keys(e.Data)) {
		text += " " + k + "=" + e.Data[k]
	}
	return text
}

// Kinds of events that are of the exercise itself; all others are deeds.
const (
	Started   = "exercise.started"
	Delivered = "inject.delivered"
	Decided   = "decision.made"
	Expired   = "decision.expired"
	Happened  = "effect.happened"
	Harmed    = "people.in_danger"
	Ended     = "exercise.ended"
)

// Player acts in an exercise. It is told each event and says what it does at which minute,
// from the next one on.
type Player interface {
	// Told is an event that has happened; then gives what follows from it.
	Told(e Event) (then []Event)
}

// Run plays an exercise to its end.
func Run(v *scenario.Variant, p Player) []Event {
	r := &run{v: v, player: p, due: map[int][]Event{}, evacuated: map[string]bool{}}
	r.say(Event{Kind: Started, ID: v.ID, Data: map[string]string{"class": v.Of.ID, "version": strconv.Itoa(v.Version)}})
	comes, happens := v.Comes, v.Happens
	for r.t = 0; r.t <= v.Minutes; r.t++ {
		for ; len(comes) > 0 && comes[0].Minute == r.t; comes = comes[1:] {
			r.deliver(comes[0].What)
		}
		for len(r.later) > 0 && r.later[0].Minute <= r.t {
			r.deliver(r.later[0].What)
			r.later = r.later[1:]
		}
		for ; len(happens) > 0 && happens[0].Minute == r.t; happens = happens[1:] {
			r.happen(happens[0].What)
		}
		r.deeds()
		r.expire()
	}
	r.t = v.Minutes
	r.say(Event{Kind: Ended, ID: v.ID})
	return r.log
}

type run struct {
	v         *scenario.Variant
	player    Player
	t         int
	log       []Event
	due       map[int][]Event
	later     []scenario.Timed[*scenario.Inject]   // that follow from decisions
	open      []scenario.Timed[*scenario.Decision] // until when each may be made
	evacuated map[string]bool
}

// say notes an event of this minute, tells the player, and plans what he does.
func (r *run) say(e Event) {
	e.At = r.t
	r.log = append(r.log, e)
	if e.Kind == "evacuation.completed" {
		r.evacuated[e.Data["site"]] = true
	}
	for _, x := range r.player.Told(e) {
		if x.At > r.t {
			r.due[x.At] = append(r.due[x.At], x)
		}
	}
}

func (r *run) deliver(x *scenario.Inject) {
	r.say(Event{Kind: Delivered, ID: x.ID, By: r.v.Role(x.To), Data: map[string]string{"level": strconv.Itoa(r.v.Water.At(r.t))}})
	if x.Decision != "" {
		d := r.v.Decision(x.Decision)
		r.open = append(r.open, scenario.Timed[*scenario.Decision]{Minute: r.t + d.Minutes, What: d})
	}
}

func (r *run) happen(e *scenario.Effect) {
	r.say(Event{Kind: Happened, ID: e.ID})
	if n := r.v.Of.People[e.Harms]; n > 0 && !r.evacuated[e.Harms] {
		r.say(Event{Kind: Harmed, ID: e.ID, Data: map[string]string{"site": e.Harms, "people": strconv.Itoa(n)}})
	}
}

// deeds are what players do in this minute, and what follows from what they have decided: in
// one order, whoever planned it when, so that a log that is played again is the same.
func (r *run) deeds() {
	all := r.due[r.t]
	if len(all) == 0 {
		return
	}
	delete(r.due, r.t)
	slices.SortStableFunc(all, func(a, b Event) int { return cmp.Compare(a.key(), b.key()) })
	for _, e := range all {
		if e.Kind == Decided {
			r.decide(e)
		} else {
			r.say(Event{Kind: e.Kind, By: e.By, Data: e.Data})
		}
	}
}

func (r *run) expire() {
	r.open = slices.DeleteFunc(r.open, func(d scenario.Timed[*scenario.Decision]) bool {
		if r.t < d.Minute {
			return false
		}
		r.say(Event{Kind: Expired, ID: d.What.ID})
		return true
	})
}

// decide takes a decision that is open, once.
func (r *run) decide(e Event) {
	at := slices.IndexFunc(r.open, func(d scenario.Timed[*scenario.Decision]) bool { return d.What.ID == e.ID })
	if at < 0 {
		return
	}
	d := r.open[at].What
	i := slices.IndexFunc(d.Options, func(o scenario.Option) bool { return o.ID == e.Data["option"] })
	if i < 0 {
		return
	}
	r.open = slices.Delete(r.open, at, at+1)
	r.say(Event{Kind: Decided, ID: e.ID, By: d.Role, Data: map[string]string{"option": d.Options[i].ID}})
	for _, deed := range d.Options[i].Does {
		at := r.t + max(1, deed.After)
		r.due[at] = append(r.due[at], Event{Kind: deed.Event, By: d.Role, Data: deed.With})
	}
	for _, x := range r.v.Injects {
		if x.After != nil && x.After.Decision == d.ID && x.After.Option == d.Options[i].ID {
			r.later = append(r.later, scenario.Timed[*scenario.Inject]{Minute: r.t + max(1, x.After.Minutes), What: x})
		}
	}
	slices.SortStableFunc(r.later, func(a, b scenario.Timed[*scenario.Inject]) int { return a.Minute - b.Minute })
}

// Follows reports whether a log is one that the scenario gives for what its player did: each
// inject, effect and end of a decision stands where it has to, and nothing else does.
func Follows(v *scenario.Variant, log []Event) bool {
	again := Run(v, &repeater{v: v, log: log})
	return slices.EqualFunc(again, log, func(a, b Event) bool {
		return a.At == b.At && a.Kind == b.Kind && a.ID == b.ID && a.By == b.By && maps.Equal(a.Data, b.Data)
	})
}

// repeater does what a log says its player did. What follows from a decision is none of it.
type repeater struct {
	v     *scenario.Variant
	log   []Event
	begun bool
}

func (p *repeater) Told(Event) (then []Event) {
	if p.begun {
		return nil
	}
	p.begun = true
	follows := map[int][]Event{}
	for _, e := range p.log {
		if e.Kind != Decided {
			continue
		}
		d := p.v.Decision(e.ID)
		if d == nil {
			continue
		}
		for _, o := range d.Options {
			for _, deed := range o.Does {
				if o.ID == e.Data["option"] {
					at := e.At + max(1, deed.After)
					follows[at] = append(follows[at], Event{Kind: deed.Event, By: d.Role, Data: deed.With})
				}
			}
		}
	}
	for _, e := range p.log {
		switch e.Kind {
		case Started, Delivered, Expired, Happened, Harmed, Ended:
			continue
		}
		same := func(x Event) bool { return x.Kind == e.Kind && x.By == e.By && maps.Equal(x.Data, e.Data) }
		if i := slices.IndexFunc(follows[e.At], same); e.Kind != Decided && i >= 0 {
			follows[e.At] = slices.Delete(follows[e.At], i, i+1)
			continue
		}
		then = append(then, e)
	}
	return then
}
