package register

import (
	"trojmezi/internal/kernel/geo"
)

// imported is what the operator has imported, as the register uses it. It never
// changes: an import makes a new one.
type imported struct {
	countries map[Country]*area
	lines     map[level]map[Country][][]geo.Point // official lines within countries
	tiles     *Import
	of        []Import // what all this was made of
	between   map[pair]*track
}

func (i *imported) none() bool { return len(i.countries) == 0 }

// linesOf are the lines of a level: derived ones but for the countries whose
// official ones are known.
func (r *Register) linesOf(l level) [][]geo.Point {
	official := r.official.Load().lines[l]
	var all [][]geo.Point
	for _, c := range Countries {
		if own := official[c]; own != nil {
			all = append(all, own...)
		} else {
			all = append(all, r.shapes().lines[l][c]...)
		}
	}
	return all
}

// country is the imported one that p lies in, "" for none.
func (i *imported) country(p geo.Point) Country {
	for _, c := range Countries {
		if a := i.countries[c]; a != nil && a.contains(p) {
			return c
		}
	}
	return ""
}
