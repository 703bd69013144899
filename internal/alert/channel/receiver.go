package channel

import (
	"slices"
	"strings"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/feed"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
)

// receiver is one of the configuration, or one that was entered, with the municipalities it answers for.
type receiver struct {
	*Receiver
	lang    i18n.Lang
	places  map[string]bool
	unknown []string // of its places
}

func (s *Service) receiver(r *Receiver) *receiver {
	out := &receiver{Receiver: r, places: map[string]bool{}}
	out.lang, _ = i18n.Parse(r.Language)
	for _, code := range r.Places {
		found := false
		take := func(p register.Place) {
			if p.Kind == register.Municipality {
				out.places[p.ID], found = true, true
			}
		}
		if scheme, value, ok := strings.Cut(code, " "); ok {
			members, _, _ := s.areas.Municipalities(scheme, value, s.Clock.Now())
			for _, p := range members {
				take(p)
			}
		} else if p, ok := s.Places.Place(code); ok {
			take(p)
		} else {
			for _, p := range s.Places.Places() {
				if code == "*" || code == string(p.Country) {
					take(p)
				}
			}
		}
		if !found {
			out.unknown = append(out.unknown, code)
		}
	}
	return out
}

// wants reports whether a receiver is told of what is this bad. What nobody has rated is
// told.
func (r *receiver) wants(origin Origin, severity string) bool {
	if !slices.Contains(r.Takes, string(origin)) {
		return false
	}
	is := slices.Index(severities, severity)
	return r.Minimum == "" || is < 0 || is >= slices.Index(severities, r.Minimum)
}

// meets reports whether one of some municipalities is a receiver's.
func (r *receiver) meets(places []string) bool {
	return slices.ContainsFunc(places, func(p string) bool { return r.places[p] })
}

// targets are those of a receiver that take a kind.
func (s *Service) targets(r *receiver, kind store.Kind) (all []Target) {
	for _, t := range r.Targets {
		if c := s.channel(t.Channel); c != nil && c.kind == kind {
			all = append(all, t)
		}
	}
	return all
}

// concern is whom areas concern: surely, and where nobody can tell. Both are told.
type concern struct{ sure, unclear []string }

func (c concern) all() []string {
	return slices.Sorted(slices.Values(slices.Concat(c.sure, c.unclear)))
}

// mostConcerned bounds what is remembered of areas.
const mostConcerned = 4096

// concerns are the municipalities of the register that areas concern.
func (s *Service) concerns(areas []feed.Area) concern {
	key := s.areas.Version() + keyOf(areas) // own rows may change whom a code concerns
	s.mu.Lock()
	c, known := s.concerned[key]
	s.mu.Unlock()
	if known {
		return c
	}
	now := s.Clock.Now()
	for _, p := range s.Places.Places() {
		if p.Kind != register.Municipality {
			continue
		}
		switch s.areas.Concerns(areas, area.Place{Municipality: p.ID}, now).Verdict {
		case area.Yes:
			c.sure = append(c.sure, p.ID)
		case area.Unclear:
			c.unclear = append(c.unclear, p.ID)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.concerned) >= mostConcerned {
		clear(s.concerned)
	}
	s.concerned[key] = c
	return c
}

func keyOf(areas []feed.Area) string {
	var b strings.Builder
	for _, a := range areas {
		for _, c := range a.Codes {
			b.WriteString(c.Scheme + "=" + c.Value + "\x00")
		}
		for _, list := range [][]string{a.Polygons, a.Holes, a.Circles} {
			for _, x := range list {
				b.WriteString(x + "\x00")
			}
			b.WriteByte(1)
		}
		b.WriteByte(2)
	}
	return digest(b.String())
}
