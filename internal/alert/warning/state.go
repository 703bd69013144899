package warning

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/kernel/store"
)

// Phase is where a warning stands at a moment.
type Phase string

// The phases.
const (
	InForce Phase = "in_force"
	Coming  Phase = "coming"
	// Lapsed: the end that was last said is past, but its feed has been silent since
	// before then. It may have been prolonged, and nobody here knows.
	Lapsed Phase = "lapsed"
	Ended  Phase = "ended"
)

// Reason is why a warning has ended.
type Reason string

// The reasons.
const (
	ByCancel   Reason = "cancelled"
	ByAllClear Reason = "all_clear"
	ByPast     Reason = "past"
	ByAbsence  Reason = "absent" // it is no more in a document that holds everything in force
	ByTime     Reason = "expired"
)

// Member is a copy with where it stands.
type Member struct {
	*Copy
	Phase  Phase
	Reason Reason
	Ended  time.Time // when it ended by what was said; zero while it has not
	Head   bool      // no other has taken its place
	Issuer bool      // of the feed of who issued it; else a relay's
	claim  int64     // of when what it says is, ms
}

// Warning is one warning with all its copies.
type Warning struct {
	ID     string // of the copy that came first: every copy's id leads here
	Kind   store.Kind
	Phase  Phase
	Reason Reason
	Ended  time.Time
	// Lead is the copy whose content is shown first: of the issuer, the newest.
	Lead    *Member
	Members []*Member
	Links   []Link
}

// Says is what the warning says, in the words of its lead.
func (w *Warning) Says() *feed.Warning { return &w.Lead.Now().Content }

// Onset is from when it holds.
func Onset(w *feed.Warning) time.Time {
	if !w.Onset.At.IsZero() {
		return w.Onset.At
	}
	return w.Sent.At
}

// Warnings are all warnings as they stand at a moment.
func (b *Book) Warnings(now time.Time) []*Warning {
	groups := b.grouped // which copies are one, is no matter of time
	if groups == nil {
		groups = b.Groups()
	}
	all := make([]*Warning, 0, len(groups))
	for _, g := range groups {
		all = append(all, b.judge(g, now))
	}
	return all
}

func (b *Book) judge(g *Group, now time.Time) *Warning {
	w := &Warning{ID: g.Copies[0].ID, Kind: g.Copies[0].Shown(), Links: g.Links}
	for _, c := range g.Copies {
		w.Members = append(w.Members, b.member(g, c, now))
	}
	w.Lead = w.Members[0]
	for _, m := range w.Members[1:] {
		if w.Lead.behind(m) {
			w.Lead = m
		}
	}
	decider := b.decide(w)
	w.Phase, w.Reason = decider.Phase, decider.Reason
	if w.Phase == Ended {
		w.Ended = decider.Ended
	}
	// What is shown is what holds: not the last words of a copy that has ended beside one
	// that goes on.
	if w.Phase != Ended {
		w.Lead = decider
	}
	return w
}

// behind reports whether another copy is the better one to show.
func (m *Member) behind(n *Member) bool {
	rank := func(x *Member) int {
		n := 0
		if x.Head {
			n += 4
		}
		if x.Issuer {
			n += 2
		}
		if len(x.Full) > 0 {
			n++
		}
		return n
	}
	return cmp.Or(cmp.Compare(rank(m), rank(n)), m.newest().To.compare(n.newest().To), cmp.Compare(n.ID, m.ID)) < 0
}

// member judges one copy by itself.
func (b *Book) member(g *Group, c *Copy, now time.Time) *Member {
	m := &Member{Copy: c, Issuer: c.issuer(), Head: !g.next[c.ID] && !covered(g, c)}
	said, state := c.Now().Content, c.newest().Content.State
	m.claim = c.newest().To.Sent
	gone := c.gone(b.Series)
	switch {
	case state != feed.InForce && state != "":
		m.Phase = Ended
		m.Reason = map[feed.State]Reason{feed.Cancelled: ByCancel, feed.AllClear: ByAllClear, feed.Past: ByPast}[state]
		m.Ended = time.UnixMilli(m.claim).UTC()
	case gone != 0:
		m.Phase, m.Reason, m.claim = Ended, ByAbsence, gone
		m.Ended = time.UnixMilli(gone).UTC()
		if e := said.Expires.At; !e.IsZero() && e.Before(m.Ended) {
			m.Reason, m.Ended = ByTime, e // a list drops what has run out
		}
	case !said.Expires.At.IsZero() && !now.Before(said.Expires.At):
		m.Phase, m.Reason, m.Ended = Ended, ByTime, said.Expires.At
		if b.silent(c, said.Expires.At, now) {
			m.Phase = Lapsed
		}
	case said.Expires.At.IsZero() && !b.lists(c) && now.Sub(time.UnixMilli(m.claim)) >= endlessAfter:
		m.Phase = Lapsed
	case Onset(&said).After(now):
		m.Phase = Coming
	default:
		m.Phase = InForce
	}
	return m
}

// endlessAfter is from when on a warning without an end, that no list of its source can
// end by leaving it out, may be over: MoWaS has such, and cancels by absence alone.
const endlessAfter = 7 * 24 * time.Hour

// lists reports whether a series that tells everything in force has carried a copy.
func (b *Book) lists(c *Copy) bool {
	for key := range c.Seen {
		if s := b.Series[key]; s != nil && s.Whole != 0 {
			return true
		}
	}
	return false
}

// silent reports whether every series of a copy is old, and was before a moment.
func (b *Book) silent(c *Copy, since, now time.Time) bool {
	for key := range c.Seen {
		s := b.Series[key]
		if s == nil {
			continue
		}
		if stale := s.StaleSince(now); stale.IsZero() || s.Fetched.After(since) {
			return false
		}
	}
	return len(c.Seen) > 0
}

// covered reports whether a later copy of the same chain is for all for whom this one
// was, or names nobody in ending it.
func covered(g *Group, c *Copy) bool {
	var own map[string]bool
	for _, d := range g.Copies {
		if d == c || d.Source != c.Source || g.chain[d.ID] != g.chain[c.ID] || d.newest().To.compare(c.newest().To) <= 0 {
			continue
		}
		theirs := placesAt(d)
		if len(theirs) == 0 {
			if d.newest().Content.State == feed.InForce {
				continue
			}
			return true
		}
		if own == nil {
			own = placesAt(c)
		}
		all := true
		for p := range own {
			all = all && theirs[p]
		}
		if all && len(own) > 0 {
			return true
		}
	}
	return false
}

func placesAt(c *Copy) map[string]bool {
	set := map[string]bool{}
	for _, p := range placesOf(&c.Now().Content) {
		set[p] = true
	}
	return set
}

// decide is the copy whose word counts: the issuer's before a relay's. When the issuer's
// last word has run out or is an end, a relay that is newer knows of a prolongation that
// did not come here.
func (b *Book) decide(w *Warning) *Member {
	var issuer, relays []*Member
	for _, m := range w.Members {
		switch {
		case !m.Head:
		case m.Issuer:
			issuer = append(issuer, m)
		default:
			relays = append(relays, m)
		}
	}
	own, relayed := going(issuer), going(relays)
	switch {
	case own != nil && own.Phase != Lapsed:
		return own
	case relayed != nil && (len(issuer) == 0 || relayed.Phase != Lapsed && relayed.claim > latest(issuer).claim):
		return relayed
	}
	return cmp.Or(own, latest(issuer), latest(relays), w.Lead)
}

// going is a copy that is in force, else one that is coming, else one of which nobody
// knows; the newest of them.
func going(list []*Member) *Member {
	for _, p := range []Phase{InForce, Coming, Lapsed} {
		if m := latest(slices.DeleteFunc(slices.Clone(list), func(m *Member) bool { return m.Phase != p })); m != nil {
			return m
		}
	}
	return nil
}

func latest(list []*Member) (found *Member) {
	for _, m := range list {
		if found == nil || cmp.Or(cmp.Compare(m.claim, found.claim), cmp.Compare(found.ID, m.ID)) > 0 {
			found = m
		}
	}
	return found
}

// Heads are the copies of a warning that no other has taken the place of, of its issuer
// if there are some.
func (w *Warning) Heads() (all []*Member) {
	for _, m := range w.Members {
		if m.Head && m.Issuer == w.Lead.Issuer {
			all = append(all, m)
		}
	}
	if len(all) == 0 {
		all = []*Member{w.Lead}
	}
	return all
}

// Sources are the feeds that carry it, the issuer's first.
func (w *Warning) Sources() (all []string) {
	for _, issuer := range []bool{true, false} {
		for _, m := range w.Members {
			if m.Issuer == issuer && !slices.Contains(all, m.Source) {
				all = append(all, m.Source)
			}
		}
	}
	return all
}

// Country is whom it warns: CZ, DE or PL, "" when it cannot be told.
func (w *Warning) Country() string {
	for _, s := range w.Sources() {
		if c := TermsOf(s).Country; c != "" {
			return c
		}
	}
	for _, c := range w.Codes() {
		if c.Scheme == "EMMA_ID" && len(c.Value) > 2 {
			return c.Value[:2]
		}
	}
	return ""
}

// Codes are the areas of all heads, each once.
func (w *Warning) Codes() []feed.Code {
	set := map[feed.Code]bool{}
	for _, m := range w.Heads() {
		for _, a := range m.Now().Content.Areas {
			for _, c := range a.Codes {
				set[c] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(set), func(a, b feed.Code) int {
		return cmp.Or(cmp.Compare(a.Scheme, b.Scheme), cmp.Compare(a.Value, b.Value))
	})
}

// Levels are those of all heads, each once.
func (w *Warning) Levels() (all []feed.Level) {
	for _, m := range w.Heads() {
		if l := m.Now().Content.Level; !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	return all
}
