package outlet

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
)

// Options are what a service stands on.
type Options struct {
	Renderer
	Places   *register.Register
	Warnings *warning.Service
	Notices  *notice.Service
	// Original reads an official document as it was fetched, with a name for its file.
	Original func(ctx context.Context, document string) (body []byte, name string, err error)
}

// Service gives what holds now. It is safe for concurrent use.
type Service struct {
	o Options

	mu    sync.Mutex
	fresh map[string]moment
}

// New returns the service.
func New(o Options) *Service { return &Service{o: o, fresh: map[string]moment{}} }

// Renderer makes the renderings.
func (s *Service) Renderer() *Renderer { return &s.o.Renderer }

// Now is what holds of a kind at a moment, and what is not known.
type Now struct {
	At      time.Time
	Kind    store.Kind
	Items   []*Item
	Sources []SourceState
	Changed time.Time // when any of it last changed
}

// Complete reports whether every source is there and none is old.
func (n *Now) Complete() bool {
	return !slices.ContainsFunc(n.Sources, func(s SourceState) bool { return s.State != "current" })
}

// Now reads what holds of a kind: the kinds are never mixed.
func (s *Service) Now(ctx context.Context, kind store.Kind) (*Now, error) {
	const op = "outlet.Now"
	n := &Now{At: s.o.Clock.Now(), Kind: kind}
	later := func(at time.Time) {
		if at.After(n.Changed) && !at.After(n.At) {
			n.Changed = at
		}
	}
	own, changed, err := s.o.Notices.Current(ctx, kind)
	if err != nil {
		return nil, problem.Wrap(op, err)
	}
	later(changed)
	for _, p := range own {
		i, err := Own(p)
		if err != nil {
			return nil, problem.Wrap(op, err)
		}
		n.Items = append(n.Items, i)
	}
	all, book, err := s.o.Warnings.Warnings(ctx)
	if err != nil {
		return nil, problem.Wrap(op, err)
	}
	for _, w := range all {
		if w.Kind != kind {
			continue
		}
		later(w.Ended)
		i := s.relay(w, book, n.At)
		later(i.Updated)
		if i.Holds(n.At) {
			n.Items = append(n.Items, i)
		}
	}
	for _, f := range s.o.Warnings.Feeds(book, n.At) {
		state := SourceState{Name: f.Feed.Name, Title: f.Feed.Title, State: "no_data"}
		switch {
		case f.Series == nil && kind != store.Live, f.Series != nil && f.Series.Kind != kind:
			continue // of exercises only what there is counts
		case f.Series == nil:
		case f.Stale.IsZero():
			state.State = "current"
		default:
			state.State, state.Since = "stale", f.Stale.UTC().Truncate(time.Second)
		}
		if f.Series != nil && f.Series.Name != "" {
			state.Title += " (" + f.Series.Name + ")"
		}
		later(state.Since)
		n.Sources = append(n.Sources, state)
	}
	slices.SortStableFunc(n.Items, func(a, b *Item) int { return cmp.Or(b.Updated.Compare(a.Updated), cmp.Compare(a.URN, b.URN)) })
	return n, nil
}

// relay makes an item of a warning, with since when all its sources are old.
func (s *Service) relay(w *warning.Warning, book *warning.Book, now time.Time) *Item {
	var silent time.Time
	for key := range w.Lead.Seen {
		series := book.Series[key]
		if series == nil {
			continue
		}
		since := series.StaleSince(now)
		if since.IsZero() {
			return Relay(w, time.Time{})
		}
		if since.After(silent) {
			silent = since
		}
	}
	return Relay(w, silent.UTC().Truncate(time.Second))
}

var errNotFound = problem.New("outlet", problem.NotFound, "outlet.not_found", nil)

// Item is one by its ID, of a kind; problem NotFound. A relay is found as long as the
// node has it, so that links to its original do not break when it ends.
func (s *Service) Item(ctx context.Context, kind store.Kind, id string) (*Item, error) {
	if rest, ok := strings.CutPrefix(id, "w-"); ok {
		w, book, err := s.o.Warnings.Get(ctx, rest)
		switch {
		case problem.KindOf(err) == problem.NotFound, err == nil && w.Kind != kind:
			return nil, errNotFound
		case err != nil:
			return nil, problem.Wrap("outlet.Item", err)
		}
		return s.relay(w, book, s.o.Clock.Now()), nil
	}
	own, _, err := s.o.Notices.Current(ctx, kind)
	if err != nil {
		return nil, problem.Wrap("outlet.Item", err)
	}
	for _, p := range own {
		if i, err := Own(p); err == nil && i.ID == id {
			return i, nil
		}
	}
	return nil, errNotFound
}

// Place is for whom is asked: an area with the municipalities it holds.
type Place struct {
	Key            area.Key // zero: a municipality of the register
	Name           string
	municipalities []string
}

// Place finds what somebody wrote: the ID of a municipality, "SCHEME:CODE" of an area, or
// a municipality's name. problem NotFound: nobody here knows which municipalities it
// would be, and so nobody can say what concerns it.
func (s *Service) Place(text string, l i18n.Lang) (*Place, error) {
	text = strings.TrimSpace(text)
	if p, ok := s.o.Places.Place(text); ok && p.Kind == register.Municipality {
		name, _ := p.In(l)
		return &Place{Name: name, municipalities: []string{p.ID}}, nil
	}
	if scheme, code, ok := strings.Cut(text, ":"); ok {
		a, found := s.o.Areas.Lookup(scheme, code, s.o.Clock.Now())
		if found && (a.Coverage == area.Listed || a.Coverage == area.Part) {
			name, _ := a.In(l)
			p := &Place{Key: a.Key, Name: name}
			for _, m := range s.o.Areas.PlacesOf(a) {
				p.municipalities = append(p.municipalities, m.ID)
			}
			if len(p.municipalities) > 0 {
				return p, nil
			}
		}
		return nil, problem.New("outlet.Place", problem.NotFound, "outlet.no_place", i18n.Args{"place": text})
	}
	for _, p := range s.o.Places.Search(text, 5) {
		if p.Kind == register.Municipality && i18n.Fold(p.Matched) == i18n.Fold(text) {
			name, _ := p.In(l)
			return &Place{Name: name, municipalities: []string{p.ID}}, nil
		}
	}
	return nil, problem.New("outlet.Place", problem.NotFound, "outlet.no_place", i18n.Args{"place": text})
}

// Concerns tells whether an item concerns a place: yes, no or unclear. Whoever passes it
// on treats unclear as yes and says so.
func (s *Service) Concerns(i *Item, p *Place) area.Verdict {
	out := area.No
	now := s.o.Clock.Now()
	if p.Key != (area.Key{}) && slices.ContainsFunc(i.Areas, func(a feed.Area) bool {
		return slices.ContainsFunc(a.Codes, func(c feed.Code) bool {
			found, ok := s.o.Areas.Lookup(c.Scheme, c.Value, now)
			return ok && found.Key == p.Key
		})
	}) {
		return area.Yes
	}
	for _, m := range p.municipalities {
		switch s.o.Areas.Concerns(i.Areas, area.Place{Municipality: m}, now).Verdict {
		case area.Yes:
			return area.Yes
		case area.Unclear:
			out = area.Unclear
		}
	}
	return out
}

// For keeps what concerns a place, or may.
func (s *Service) For(n *Now, p *Place) {
	n.Items = slices.DeleteFunc(n.Items, func(i *Item) bool { return s.Concerns(i, p) == area.No })
}

// feedPath is the address of a feed; p nil: of everything.
func feedPath(kind store.Kind, p *Place) string {
	if p == nil {
		return "/cap" + space(kind) + "/feed.atom"
	}
	return fmt.Sprintf("/cap%s/area/%s/%s/feed.atom", space(kind), p.Key.Scheme, p.Key.Code)
}

// Atom is the feed of a kind, for a place or, with nil, for everybody.
func (s *Service) Atom(ctx context.Context, kind store.Kind, p *Place, l i18n.Lang) ([]byte, time.Time, error) {
	n, err := s.Now(ctx, kind)
	if err != nil {
		return nil, time.Time{}, err
	}
	f := Feed{Lang: l, Kind: kind, Path: feedPath(kind, p), Items: n.Items, Sources: n.Sources, Updated: n.Changed}
	if p != nil {
		s.For(n, p)
		f.Items, f.Area = n.Items, p.Name
		// What others were told does not change this feed.
		f.Updated = time.Time{}
		for _, i := range n.Items {
			f.Updated = latest(f.Updated, i.Updated)
		}
		for _, x := range n.Sources {
			f.Updated = latest(f.Updated, x.Since)
		}
	}
	if f.Updated.IsZero() {
		f.Updated = time.Unix(0, 0)
	}
	f.Updated = f.Updated.UTC().Truncate(time.Second)
	body, err := s.o.Atom(f)
	if err != nil {
		return nil, f.Updated, problem.Wrap("outlet.Atom", err)
	}
	if updated := s.since(f.Path+" "+string(l), body, f.Updated, n.At); !updated.Equal(f.Updated) {
		f.Updated = updated
		if body, err = s.o.Atom(f); err != nil {
			return nil, f.Updated, problem.Wrap("outlet.Atom", err)
		}
	}
	return body, f.Updated, nil
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// moment is since when a feed is as it is.
type moment struct {
	sum     [sha256.Size]byte // of the body
	updated time.Time
}

// mostFresh bounds what is remembered of feeds.
const mostFresh = 4096

// since is when a feed last changed. Most changes have a time of their own; that a source
// is no longer old, or that something no longer concerns a place, has none: then it is
// when it was first seen. It never goes back while the node runs.
func (s *Service) since(path string, body []byte, says, now time.Time) time.Time {
	sum := sha256.Sum256(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	was, known := s.fresh[path]
	switch {
	case known && was.sum == sum:
		return was.updated
	case known && !says.After(was.updated):
		says = now.UTC().Truncate(time.Second)
		if says.Before(was.updated) {
			says = was.updated
		}
	}
	if len(s.fresh) >= mostFresh {
		clear(s.fresh)
	}
	s.fresh[path] = moment{sum, says}
	return says
}
