package channel

import (
	"cmp"
	"context"
	"slices"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
)

// Reach is whether anybody in a place would be told.
type Reach string

// The answers, the worst first.
const (
	Nobody  Reach = "nobody"  // no channel leads there
	AllOld  Reach = "stale"   // some do, and none of them works or has shown that it does
	Reached Reach = "reached" // at least one works
)

// Reaches lists them.
var Reaches = []Reach{Nobody, AllOld, Reached}

// Coverage is who tells a place.
type Coverage struct {
	Place     register.Place
	Reach     Reach
	Channels  []string // that lead there and work
	Idle      []string // that lead there and do not
	Receivers []string
	Refused   []string // of them, with an address that is not there any more
}

// Cover tells for every municipality of the register who would be told there in reality
// now. Places that nobody reaches come first.
func (s *Service) Cover(ctx context.Context) (all []Coverage, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error { all, err = s.cover(tx); return err })
	slices.SortStableFunc(all, func(a, b Coverage) int {
		return cmp.Or(cmp.Compare(slices.Index(Reaches, a.Reach), slices.Index(Reaches, b.Reach)), cmp.Compare(a.Place.Country, b.Place.Country), cmp.Compare(i18n.Fold(a.Place.Name), i18n.Fold(b.Place.Name)))
	})
	return all, problem.Wrap("channel.Cover", err)
}

func (s *Service) cover(tx *store.Tx) ([]Coverage, error) {
	states, err := s.states(tx)
	if err != nil {
		return nil, err
	}
	works, live := map[string]bool{}, map[string]bool{}
	for _, st := range states {
		works[st.Name] = st.Status == Works && st.Kind == store.Live
		live[st.Name] = st.Kind == store.Live
	}
	receivers, err := s.everybody(tx)
	if err != nil {
		return nil, err
	}
	lost, err := dead(tx)
	if err != nil {
		return nil, err
	}
	refused, err := s.refused(tx)
	if err != nil {
		return nil, err
	}
	gone := map[[2]string]bool{} // receiver and channel
	for _, r := range refused {
		lost[[2]string{r.Channel, r.mark}] = true
		gone[[2]string{r.Receiver, r.Channel}] = true
	}
	subscribed := map[string][]string{}
	if s.Subscribed != nil {
		if subscribed, err = s.Subscribed(tx); err != nil {
			return nil, err
		}
	}
	var all []Coverage
	for _, p := range s.Places.Places() {
		if p.Kind != register.Municipality {
			continue
		}
		c := Coverage{Place: p, Reach: Nobody}
		add := func(channel string, works bool) {
			list := &c.Idle
			if works {
				list = &c.Channels
			}
			if !slices.Contains(*list, channel) {
				*list = append(*list, channel)
			}
		}
		for _, r := range receivers {
			if !r.places[p.ID] {
				continue
			}
			told := false
			for _, t := range r.Targets {
				if live[t.Channel] {
					told = true
					if gone[[2]string{r.Name, t.Channel}] && !slices.Contains(c.Refused, r.Name) {
						c.Refused = append(c.Refused, r.Name)
					}
					add(t.Channel, works[t.Channel] && !lost[[2]string{t.Channel, s.mark(t.Channel, t.To)}])
				}
			}
			if told {
				c.Receivers = append(c.Receivers, r.Name)
			}
		}
		for _, name := range subscribed[p.ID] {
			if live[name] {
				add(name, works[name])
			}
		}
		switch {
		case len(c.Channels) > 0:
			c.Reach = Reached
		case len(c.Idle) > 0:
			c.Reach = AllOld
		}
		all = append(all, c)
	}
	return all, nil
}
