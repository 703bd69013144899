package agreement

import (
	"context"
	"slices"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/register"
)

// Panel is what a place means for every service and neighbour at once.
type Panel struct {
	// Unset is true until somebody has written down for which units the control room
	// works, and its country is not known either.
	Unset bool
	// Columns are the neighbours, and which way forces would go.
	Columns []Column
	// Forms is the address, without the form's id, of forms filled with the incident;
	// "" leads to empty ones.
	Forms     string
	Originals map[string]Original
	// Doubt is set where the country of the place is not certain.
	Doubt bool
}

// Column is one neighbour.
type Column struct {
	With      register.Country
	Direction Direction
	Answers   []Answer // one per service, as in Services
}

// Panel answers for a place and an organisation; fallback are the units it is taken
// to work for until it has written down its own. forms is the Forms of the result.
func (s *Book) Panel(ctx context.Context, organisation string, fallback []string, at geo.Point, forms string) (*Panel, error) {
	from, err := s.Area(ctx, organisation)
	if err != nil {
		return nil, err
	}
	if len(from) == 0 {
		from = fallback
	}
	p := &Panel{Forms: forms}
	if len(from) == 0 || len(s.areaFaults(from)) > 0 {
		p.Unset = true
		return p, nil
	}
	rows, err := s.Rows(ctx)
	if err != nil {
		return nil, err
	}
	if p.Originals, err = s.Originals(ctx); err != nil {
		return nil, err
	}
	p.fill(s.Index, rows, Question{At: at, From: from, Day: s.today()})
	return p, nil
}

// fill asks for every service, neighbour and direction that arises.
func (p *Panel) fill(x *Index, rows []Row, q Question) {
	where := x.places.Country(q.At)
	if where.Confidence == register.Outside {
		return
	}
	home, _ := x.Unit(q.From[0])
	p.Doubt = len(where.Others) > 0
	possible := append([]register.Country{where.Country}, where.Others...)
	add := func(with register.Country, d Direction) {
		c := Column{With: with, Direction: d}
		for _, service := range Services {
			ask := q
			ask.Service, ask.With, ask.Direction = service, with, d
			c.Answers = append(c.Answers, x.Ask(rows, ask))
		}
		p.Columns = append(p.Columns, c)
	}
	for _, c := range register.Countries {
		if c == home.Country {
			continue
		}
		if slices.Contains(possible, home.Country) {
			add(c, Ask)
		}
		if slices.Contains(possible, c) {
			add(c, Go)
		}
	}
}
