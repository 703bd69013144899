package register

import (
	"math"

	"trojmezi/internal/kernel/register/fact"
)

// Known is a fact of a municipality and where it is from.
type Known struct {
	Value   any    // as in a fact.Set
	Source  Source // "" for what geography tells
	Derived bool   // geography tells it, from approximate lines: to be confirmed there
}

// Source is a list a fact is from.
type Source string

// The sources; what somebody of the municipality has told is another one.
const (
	OfState        Source = "state" // the Czech state's table of municipalities
	OfCensus       Source = "census"
	OfMunicipality Source = "municipality"
)

// Facts is what the register itself knows of a municipality, by the keys of the fact schema:
// few, and nothing of what only people there know. A key that is missing is unknown.
func (r *Register) Facts(p Place) map[string]Known {
	all := map[string]Known{}
	if p.Kind != Municipality {
		return all
	}
	for key, v := range r.facts[p.Code] {
		if p.Country == CZ {
			all[key] = v
		}
	}
	if p.Population > 0 {
		all["population"] = Known{p.Population, OfCensus, false}
	}
	if list, sure := r.neighbours(p); sure {
		all["border"] = Known{list, "", true}
	}
	// A river that does not run past the centre may still run through the place: nothing is
	// said then.
	for _, river := range r.rivers {
		if toLine(p.Point, river.Line) <= riverNear {
			all["flood_zone"] = Known{true, "", true}
			break
		}
	}
	return all
}

// SetOf are facts without their origin.
func SetOf(all map[string]Known) fact.Set {
	set := fact.Set{}
	for key, v := range all {
		set[key] = v.Value
	}
	return set
}

const (
	// A municipality reaches some kilometres from its centre: nearer than borderNear it
	// borders on the neighbour, farther than borderFar it does not.
	borderNear, borderFar = 4_000, 12_000
	// riverNear is from the centre to an approximate line.
	riverNear = 700
)

// neighbours are the states a municipality borders on; sure is false where its distance
// leaves that open.
func (r *Register) neighbours(p Place) (list []string, sure bool) {
	list = []string{}
	for _, c := range Countries {
		if c == p.Country {
			continue
		}
		s, ok := r.Between(p.Point, p.Country, c)
		switch {
		case !ok || math.IsInf(s.Distance, 1) || s.Distance > borderFar:
		case s.Distance <= borderNear:
			list = append(list, string(c))
		default:
			return nil, false
		}
	}
	return list, true
}

// fact reads a row of facts.csv.
func (r *Register) fact(w row) error {
	r.facts[w.text("code")] = map[string]Known{"type": {w.text("type"), OfState, false}, "statutory": {w.text("statutory") == "true", OfState, false}}
	return nil
}
