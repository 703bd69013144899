package play

import (
	"maps"
	"slices"
	"strconv"

	"trojmezi/internal/training/scenario"
)

// Bots are the players that show that a scenario can be solved and that doing nothing does
// not pass.
var Bots = []string{"perfect", "idle"}

// Bot is a player by its name; nil for none.
func Bot(name string, v *scenario.Variant) Player {
	switch name {
	case "perfect":
		return &perfect{v}
	case "idle":
		return idle{}
	}
	return nil
}

type idle struct{}

func (idle) Told(Event) []Event { return nil }

// perfect decides as well as it can and does what is expected within the target.
type perfect struct{ v *scenario.Variant }

// soon is after how many minutes it acts.
const soon = 5

func (p *perfect) Told(e Event) (then []Event) {
	if e.Kind != Delivered {
		return nil
	}
	for _, x := range p.v.Injects {
		if x.ID == e.ID && x.Decision != "" {
			then = append(then, Event{At: e.At + 1, Kind: Decided, ID: x.Decision, Data: map[string]string{"option": p.v.Decision(x.Decision).Best().ID}})
		}
	}
	for _, a := range p.v.Actions {
		if a.From != e.ID || p.follows(a) {
			continue
		}
		for _, x := range append(a.Evidence[:1:1], a.Also...) {
			then = append(then, Event{At: e.At + min(soon, a.Target), Kind: x.Event, By: p.v.Of.Roles[0], Data: dataOf(&x)})
		}
	}
	return then
}

// follows reports whether an action is done by the best option of a decision.
func (p *perfect) follows(a *scenario.Action) bool {
	for _, x := range p.v.Injects {
		if x.Decision == "" {
			continue
		}
		for _, deed := range p.v.Decision(x.Decision).Best().Does {
			if slices.ContainsFunc(a.Evidence, func(s scenario.Evidence) bool { return shows(&s, &Event{Kind: deed.Event, Data: deed.With}) }) {
				return true
			}
		}
	}
	return false
}

// dataOf is data by which an event is seen.
func dataOf(x *scenario.Evidence) map[string]string {
	all := map[string]string{}
	for k, choices := range x.With {
		all[k] = choices[0]
	}
	for k, n := range x.Least {
		all[k] = strconv.Itoa(n)
	}
	for _, k := range x.Given {
		all[k] = "recorded"
	}
	if len(all) == 0 {
		return nil
	}
	return maps.Clone(all)
}
