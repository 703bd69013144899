package agreement

import (
	"encoding/csv"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
)

// Unit is a country or a part of one, as parties and control rooms name it: "CZ",
// "DE-SN", "PL-02", "DE-14626". EU holds all.
type Unit struct {
	ID      string
	Country register.Country // "" for the European Union
	// prefix begins the official codes of what lies in it.
	prefix string
	names  map[i18n.Lang]string
}

// In is the unit's name for a reader.
func (u Unit) In(l i18n.Lang) string {
	if n := u.names[l]; n != "" {
		return n
	}
	return u.ID
}

// holds reports whether o lies in u or is u.
func (u Unit) holds(o Unit) bool {
	return u.Country == "" || u.Country == o.Country && strings.HasPrefix(o.prefix, u.prefix)
}

// spot is a place of the register with the beginning of its official code.
type spot struct {
	id      string
	country register.Country
	point   geo.Point
	code    string // "" is not known
	whole   bool   // a municipality
}

// Index is what the rule knows beside the rows: units, places, borders, forms. It is
// safe for concurrent use.
type Index struct {
	places  *register.Register
	units   []Unit
	spots   []spot
	forms   []FormList
	shipped []Row
}

// NewIndex reads the package's data.
func NewIndex(places *register.Register) (*Index, error) {
	x := &Index{places: places}
	codes := map[string]string{}
	for _, step := range []struct {
		file string
		line func(of func(string) string) error
	}{
		{"units", func(of func(string) string) error {
			u := Unit{ID: of("unit"), Country: register.Country(of("country")), prefix: of("prefix"), names: map[i18n.Lang]string{}}
			for _, l := range i18n.Langs {
				u.names[l] = of(string(l))
			}
			x.units = append(x.units, u)
			return nil
		}},
		{"places", func(of func(string) string) error {
			u, ok := x.Unit(of("unit"))
			if !ok {
				return fmt.Errorf("no unit %q", of("unit"))
			}
			codes[of("geonames")] = u.prefix
			return nil
		}},
		{"forms", x.formLine},
	} {
		if err := eachLine(step.file, step.line); err != nil {
			return nil, fmt.Errorf("agreement.NewIndex: %s: %w", step.file, err)
		}
	}
	x.spot(codes)
	file, err := data.Open("data/agreements.csv")
	if err != nil {
		return nil, fmt.Errorf("agreement.NewIndex: %w", err)
	}
	defer file.Close()
	if x.shipped, err = ReadCSV(file); err != nil {
		return nil, fmt.Errorf("agreement.NewIndex: %w", err)
	}
	for _, r := range x.shipped {
		if f := x.faults(r); len(f) > 0 {
			return nil, fmt.Errorf("agreement.NewIndex: %s: %v", r.ID, f)
		}
	}
	return x, nil
}

func eachLine(name string, line func(of func(string) string) error) error {
	file, err := data.Open("data/" + name + ".csv")
	if err != nil {
		return err
	}
	defer file.Close()
	all, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return err
	}
	for _, fields := range all[1:] {
		if err := line(func(column string) string {
			if i := slices.Index(all[0], column); i >= 0 {
				return fields[i]
			}
			return ""
		}); err != nil {
			return fmt.Errorf("%s: %w", fields[0], err)
		}
	}
	return nil
}

// spot lists the register's places with their codes.
func (x *Index) spot(codes map[string]string) {
	official := func(p register.Place) string {
		if p.Country == register.CZ {
			return p.DistrictCode
		}
		return p.Code
	}
	for _, p := range x.places.Places() {
		s := spot{id: p.ID, country: p.Country, point: p.Point, code: official(p), whole: p.Kind == register.Municipality}
		if part, ok := x.places.Place(p.Part); ok && p.Part != "" {
			s.code = official(part)
		}
		if s.code == "" {
			s.code = codes[p.ID]
		}
		x.spots = append(x.spots, s)
	}
}

// Units lists the units that have a name.
func (x *Index) Units() []Unit { return x.units }

var codedUnit = regexp.MustCompile(`^(DE|PL)-([0-9]{2,8})$`)

// Unit returns a unit: one that has a name, or by its official code, "PL-0225".
func (x *Index) Unit(id string) (Unit, bool) {
	for _, u := range x.units {
		if u.ID == id {
			return u, true
		}
	}
	if m := codedUnit.FindStringSubmatch(id); m != nil {
		return Unit{ID: id, Country: register.Country(m[1]), prefix: m[2]}, true
	}
	return Unit{}, false
}

func (x *Index) isPlace(id string) bool {
	_, ok := x.places.Place(id)
	return ok
}

// verdict says whether something holds.
type verdict int

const (
	out verdict = iota
	unclear
	in
)

// nearby are the bounds of how far around a point places are asked which unit they
// lie in: as far as the nearest, half as much again, and a bit.
const (
	nearbyShare  = 1.5
	nearbyMetres = 2000
)

// lies tells whether a point of a country lies in one of the units, by the places
// around it: outlines of districts and regions are not exact enough to decide it.
func (x *Index) lies(p geo.Point, c register.Country, units []Unit) verdict {
	var own []Unit
	for _, u := range units {
		if u.Country == "" || u.Country == c && u.prefix == "" {
			return in
		}
		if u.Country == c {
			own = append(own, u)
		}
	}
	if len(own) == 0 {
		return out
	}
	nearest := math.Inf(1)
	for _, s := range x.spots {
		if s.country == c {
			nearest = min(nearest, geo.Distance(s.point, p))
		}
	}
	inside, outside := 0, 0
	for _, s := range x.spots {
		if s.country != c || geo.Distance(s.point, p) > nearest*nearbyShare+nearbyMetres {
			continue
		}
		switch {
		case slices.ContainsFunc(own, func(u Unit) bool { return s.code != "" && strings.HasPrefix(s.code, u.prefix) }):
			inside++
		case s.code == "" || slices.ContainsFunc(own, func(u Unit) bool { return strings.HasPrefix(u.prefix, s.code) }):
			return unclear
		default:
			outside++
		}
	}
	switch {
	case inside > 0 && outside == 0:
		return in
	case inside == 0 && outside > 0:
		return out
	}
	return unclear
}

// atPlace is how near to a place's own point a point is certainly in its
// municipality, in metres; farAway how much farther than twice the nearest one's a
// place may be for a point not to lie in its municipality.
const (
	atPlace = 500
	farAway = 3000
)

// listed tells whether a point of a country lies in one of the municipalities.
func (x *Index) listed(p geo.Point, c register.Country, ids []string) verdict {
	nearest, own, best := math.Inf(1), math.Inf(1), ""
	for _, s := range x.spots {
		if s.country != c || !s.whole && !slices.Contains(ids, s.id) {
			continue
		}
		d := geo.Distance(s.point, p)
		if d < nearest {
			nearest, best = d, s.id
		}
		if slices.Contains(ids, s.id) {
			own = min(own, d)
		}
	}
	switch {
	case own <= atPlace && slices.Contains(ids, best):
		return in
	case own > 2*nearest+farAway:
		return out
	}
	return unclear
}
