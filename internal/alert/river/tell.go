package river

import "time"

// Crossing is an episode that people were told of. Down is zero while it lasts.
type Crossing struct {
	ID       string
	Up, Down time.Time
	Peak     float64
}

// Step is what is to be told, and written down, of one limit.
type Step struct {
	What Cause
	Of   string // ID of the crossing it ends or whose peak it raises; "" for a new one
	Episode
}

// Cause is why somebody is told.
type Cause string

// The causes.
const (
	Up   Cause = "up"   // a limit was crossed
	Down Cause = "down" // the level is below it again
	Fast Cause = "fast" // the level rises fast
	Past Cause = "past" // a limit was crossed and the level is below it again: it came late
	Calm Cause = "calm" // a fast rise is over: written down, told to nobody
	Peak Cause = "peak" // higher than before: written down, told to nobody
)

// Steps compares what people were told with what the values say. In each limit up and
// down are told by turns, whatever the order in which values came. since is from when the
// limit is known: what was over before is history. last is the last good value, nil
// without one.
func Steps(told []Crossing, episodes []Episode, since time.Time, last *Point) (all []Step) {
	var open *Crossing
	for i := range told {
		if told[i].Down.IsZero() {
			open = &told[i]
		}
	}
	lasts := func(e Episode) bool { return e.Down.IsZero() }
	touches := func(c Crossing, e Episode) bool {
		return (lasts(e) || !c.Up.After(e.Down)) && (c.Down.IsZero() || !c.Down.Before(e.Up))
	}
	above := false
	for _, e := range episodes {
		above = lasts(e)
		if open != nil && touches(*open, e) {
			if lasts(e) {
				if e.Peak > open.Peak {
					all = append(all, Step{Peak, open.ID, e})
				}
			} else {
				all = append(all, Step{Down, open.ID, e})
				open = nil
			}
			continue
		}
		known := false
		for _, c := range told {
			known = known || !c.Down.IsZero() && touches(c, e)
		}
		switch {
		case lasts(e): // also when it was told to be over: it is above now
			all = append(all, Step{Up, "", e})
		case !known && !e.Up.Before(since):
			all = append(all, Step{Past, "", e})
		}
	}
	if open != nil && !above && last != nil {
		all = append(all, Step{Down, open.ID, Episode{Up: open.Up, Down: last.At, DownValue: last.Value, Peak: open.Peak}})
	}
	return all
}
