package agreement

import (
	"context"
	"slices"
	"strings"
	"sync"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
)

// Panel is what a place means for every service and neighbour at once.
type Panel struct {
	// Unset is true until somebody has written down for which units the control room
	// works, and its country is not known either.
	Unset bool
	// Sides are the neighbours, and which way forces would go.
	Sides []Side
	// Forms is the address, without the form's id, of forms filled with the incident;
	// "" leads to empty ones.
	Forms     string
	Originals map[string]Original
	// ID begins the ids of the parts, for a page with two panels.
	ID string
	// Doubt is set where the country of the place is not certain.
	Doubt bool
}

// Side is one neighbour.
type Side struct {
	With       register.Country
	Directions []Direction // both where it is not certain on which side the place lies
	Answers    []Answer    // one per service, as in Services
}

// kept are panels as they were last asked for: a console draws its incident anew with
// every message, and nothing about the place has changed.
type kept struct {
	mu     sync.Mutex
	stamp  string // of the rows and forms
	state  any    // of the borders
	panels map[keptKey]Panel
}

type keptKey struct {
	from string
	at   geo.Point
	day  string
}

// keptMost bounds the panels kept; beyond it they are asked for anew.
const keptMost = 2000

// Panel answers for a place and an organisation; fallback are the units it is taken
// to work for until it has written down its own. forms is the Forms of the result.
func (s *Book) Panel(ctx context.Context, organisation string, fallback []string, at geo.Point, forms string) (*Panel, error) {
	const op = "agreement.Panel"
	var mark string
	var from []string
	if err := s.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		own, err := tx.Setting(settingArea + organisation)
		if err != nil {
			return err
		}
		from = strings.Fields(own)
		mark, err = stamp(tx)
		return err
	}); err != nil {
		return nil, problem.Wrap(op, err)
	}
	if len(from) == 0 {
		from = fallback
	}
	if len(from) == 0 || len(s.areaFaults(from)) > 0 {
		return &Panel{Unset: true}, nil
	}
	key, state := keptKey{strings.Join(from, " "), at, s.today()}, s.places.State()
	s.kept.mu.Lock()
	defer s.kept.mu.Unlock()
	if s.kept.stamp != mark || s.kept.state != state || len(s.kept.panels) >= keptMost {
		s.kept.stamp, s.kept.state, s.kept.panels = mark, state, map[keptKey]Panel{}
	}
	p, ok := s.kept.panels[key]
	if !ok {
		rows, err := s.Rows(ctx)
		if err != nil {
			return nil, err
		}
		if p.Originals, err = s.Originals(ctx); err != nil {
			return nil, err
		}
		p.fill(s.Index, rows, Question{At: at, From: from, Day: key.day})
		s.kept.panels[key] = p
	}
	p.Forms = forms
	return &p, nil
}

// fill asks for every service and neighbour for which a direction arises.
func (p *Panel) fill(x *Index, rows []Row, q Question) {
	where := x.places.Country(q.At)
	if where.Confidence == register.Outside {
		return
	}
	home, _ := x.Unit(q.From[0])
	p.Doubt = len(where.Others) > 0
	possible := append([]register.Country{where.Country}, where.Others...)
	for _, c := range register.Countries {
		side := Side{With: c}
		if c != home.Country && slices.Contains(possible, home.Country) {
			side.Directions = append(side.Directions, Ask)
		}
		if c != home.Country && slices.Contains(possible, c) {
			side.Directions = append(side.Directions, Go)
		}
		if len(side.Directions) == 0 {
			continue
		}
		for _, service := range Services {
			q.Service, q.With = service, c
			side.Answers = append(side.Answers, x.Ask(rows, q))
		}
		p.Sides = append(p.Sides, side)
	}
}
