package warning

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/store"
)

// Rule is why two copies are one warning, the strongest first.
type Rule string

// The rules.
const (
	ByPerson    Rule = "person"    // somebody said so
	ByOriginal  Rule = "original"  // the same identifier of the first sender
	ByReference Rule = "reference" // one names the other as what it updates or ends, or both a third
	ByContinued Rule = "continued" // one feed: the same code and beginning, areas in common, one after the other
	ByLand      Rule = "land"      // the flood report of one state, and its gauges
	ByMatch     Rule = "match"     // issuer and relay: the same danger, beginning and colour, areas in common
)

// Link is one merge: two copies, by which rule, and what they have in common.
type Link struct {
	A, B string // ids of copies
	Rule Rule
	Why  string
}

// Decision is what a person said about copies: that those on the left and those on the
// right are one warning, or that they are not. It holds for what later bulletins add to
// them.
type Decision struct {
	ID          string
	Kind        store.Kind
	Join        bool
	Left, Right []string
	At          int64 // ms
	Person      string
	Reason      string
	UndoneAt    int64 // 0: it holds
	UndoneBy    string
}

// Group are the copies of one warning, in the order in which they came.
type Group struct {
	Copies []*Copy
	Links  []Link
	chain  map[string]int  // copies that follow one another have one number
	next   map[string]bool // copies whose place another has taken, by rule
}

// fact is what copies are compared by.
type fact struct {
	c         *Copy
	tokens    []string
	refs      []string
	marks     []mark
	places    []place // in order
	kind      store.Kind
	from, to  int64
	origin    bool
	land      string
	unrelated bool // names others of which none is known
}

// mark is one time that a copy said what begins when.
type mark struct {
	code   string // of the sender
	class  string // of danger, in common words; "": not known
	onset  int64
	colour string
}

// fact is what a copy is compared by. It is kept until the copy changes.
func (b *Book) fact(c *Copy) *fact {
	if f := b.facts[c]; f != nil {
		return f
	}
	f := &fact{c: c, kind: c.Shown(), origin: c.issuer()}
	f.from, f.to = c.interval()
	var tokens, refs []string
	for _, runs := range [][]Run{c.Full, c.Bare} {
		for i := range runs {
			w := &runs[i].Content
			tokens, refs = append(tokens, w.Originals...), append(refs, w.Replaces...)
			onset := w.Onset.At
			if onset.IsZero() {
				onset = w.Sent.At
			}
			if m := (mark{w.Code, classOf(w), onset.Unix(), w.Level.Colour}); !slices.Contains(f.marks, m) {
				f.marks = append(f.marks, m)
			}
			f.places = b.index.add(f.places, w)
		}
	}
	if c.Source == "nina" {
		id := strings.TrimPrefix(c.Native, "nina/")
		tokens = append(tokens, id)
		if original, ok := strings.CutPrefix(id, "dwd."); ok {
			tokens = append(tokens, original) // the list names a mirrored warning by its original
		}
	}
	slices.Sort(tokens)
	slices.Sort(refs)
	slices.Sort(f.places)
	f.tokens, f.refs, f.places = slices.Compact(tokens), slices.Compact(refs), slices.Compact(f.places)
	f.land = landOf(c)
	b.facts[c] = f
	return f
}

// place is a code of areas as a number: hundreds of them are compared with hundreds.
type place int32

// index gives codes of areas their numbers.
type index struct {
	names  []string
	wide   []bool // a whole voivodeship
	number map[string]place
	codes  map[feed.Code][]place // all that a code is
}

func newIndex() *index { return &index{number: map[string]place{}, codes: map[feed.Code][]place{}} }

func (x *index) of(name string) place {
	n, known := x.number[name]
	if !known {
		n = place(len(x.names))
		x.number[name] = n
		x.names, x.wide = append(x.names, name), append(x.wide, len(name) == len("PL:02") && strings.HasPrefix(name, "PL:"))
	}
	return n
}

// add adds those of a warning.
func (x *index) add(all []place, w *feed.Warning) []place {
	for i := range w.Areas {
		a := &w.Areas[i]
		for _, c := range a.Codes {
			list, known := x.codes[c]
			if !known {
				for _, name := range placesOfCode(c) {
					list = append(list, x.of(name))
				}
				x.codes[c] = list
			}
			all = append(all, list...)
		}
		for _, shapes := range [][]string{a.Polygons, a.Circles} {
			for _, s := range shapes {
				all = append(all, x.of("shape="+short(s)))
			}
		}
	}
	return all
}

// issuer reports whether the feed of the copy is that of who issued the warning; else
// it relays what others issued.
func (c *Copy) issuer() bool {
	switch c.Source {
	case "meteoalarm", "rso":
		return false
	case "nina":
		id := strings.TrimPrefix(c.Native, "nina/")
		return !strings.HasPrefix(id, "dwd.") && !strings.HasPrefix(id, "lhp.")
	}
	return true
}

// landOf is the state whose floods a copy is about, as the German flood portal and its
// mirror write it (that the mirror ends its identifiers with it, is from memory).
func landOf(c *Copy) string {
	switch {
	case c.Source == "lhp":
		land, _, ok := strings.Cut(strings.TrimPrefix(c.Native, "lhp/"), "_")
		if ok && len(land) == 2 {
			return land
		}
	case strings.HasPrefix(c.Native, "nina/lhp."):
		if land := c.Native[strings.LastIndexByte(c.Native, '.')+1:]; len(land) == 2 {
			return land
		}
	}
	return ""
}

// placesOf are for whom a warning is, in codes that feeds have in common, beside those
// of its sender.
func placesOf(w *feed.Warning) (all []string) {
	for _, a := range w.Areas {
		for _, c := range a.Codes {
			all = append(all, placesOfCode(c)...)
		}
		for _, p := range slices.Concat(a.Polygons, a.Circles) {
			all = append(all, "shape="+short(p))
		}
	}
	return all
}

func placesOfCode(c feed.Code) (all []string) {
	all = append(all, c.Scheme+"="+c.Value)
	switch {
	case c.Scheme == "CISORP":
		all = append(all, "CZ:"+c.Value)
	case c.Scheme == "EMMA_ID" && strings.HasPrefix(c.Value, "CZ0") && len(c.Value) == 7:
		all = append(all, "CZ:"+c.Value[3:])
	case c.Scheme == "EMMA_ID" && strings.HasPrefix(c.Value, "PL") && len(c.Value) == 6:
		all = append(all, "PL:"+c.Value[2:], "PL:"+c.Value[2:4])
	case c.Scheme == "TERYT" && len(c.Value) >= 4:
		all = append(all, "PL:"+c.Value[:4], "PL:"+c.Value[:2])
	case c.Scheme == "RSO" && voivodeships[c.Value] != "":
		all = append(all, "PL:"+voivodeships[c.Value])
	}
	return all
}

// common gives the codes that two copies have in common. A whole voivodeship counts only
// with who knows no smaller area.
func (x *index) common(a, b *fact, each func(place)) {
	wide := a.coarse() || b.coarse()
	p, q := a.places, b.places
	for len(p) > 0 && len(q) > 0 {
		switch {
		case p[0] < q[0]:
			p = p[1:]
		case p[0] > q[0]:
			q = q[1:]
		default:
			if wide || !x.wide[p[0]] {
				each(p[0])
			}
			p, q = p[1:], q[1:]
		}
	}
}

// shared counts them.
func (x *index) shared(a, b *fact) (n int) {
	x.common(a, b, func(place) { n++ })
	return n
}

// example is one of them for people: rather the name that feeds share than a sender's.
func (x *index) example(a, b *fact) (name string) {
	x.common(a, b, func(p place) {
		own, best := strings.Contains(x.names[p], "="), strings.Contains(name, "=")
		if name == "" || best && !own || best == own && x.names[p] < name {
			name = x.names[p]
		}
	})
	return name
}

func (f *fact) coarse() bool { return f.c.Source == "rso" }

// anonymous are feeds whose warnings have no identifier of their own: what they are
// known by is computed, and another when an area is added.
func anonymous(source string) bool { return source == "chmi" }

// union joins copies unless a person has parted them.
type union struct {
	parent map[string]string
	sides  map[string]map[int]byte // by root: which sides of which decision are in it
}

func (u *union) root(id string) string {
	for u.parent[id] != id {
		u.parent[id] = u.parent[u.parent[id]]
		id = u.parent[id]
	}
	return id
}

func (u *union) join(a, b string) bool {
	a, b = u.root(a), u.root(b)
	if a == b {
		return true
	}
	for d, side := range u.sides[b] {
		if u.sides[a][d]|side == 3 {
			return false
		}
	}
	u.parent[b] = a
	for d, side := range u.sides[b] {
		if u.sides[a] == nil {
			u.sides[a] = map[int]byte{}
		}
		u.sides[a][d] |= side
	}
	return true
}

func newUnion(facts []*fact, splits []Decision) *union {
	u := &union{parent: map[string]string{}, sides: map[string]map[int]byte{}}
	for _, f := range facts {
		u.parent[f.c.ID] = f.c.ID
	}
	for d, s := range splits {
		for side, ids := range [][]string{s.Left, s.Right} {
			for _, id := range ids {
				if u.sides[id] == nil {
					u.sides[id] = map[int]byte{}
				}
				u.sides[id][d] |= 1 << side
			}
		}
	}
	return u
}

// Groups puts the copies together that are one warning.
func (b *Book) Groups() []*Group {
	byKind := map[store.Kind][]*fact{}
	for _, id := range slices.Sorted(maps.Keys(b.Copies)) {
		f := b.fact(b.Copies[id])
		byKind[f.kind] = append(byKind[f.kind], f)
	}
	var joins, splits []Decision
	for _, d := range b.Decisions {
		switch {
		case d.UndoneAt != 0:
		case d.Join:
			joins = append(joins, d)
		default:
			splits = append(splits, d)
		}
	}
	var all []*Group
	for _, kind := range store.Kinds {
		all = append(all, b.groups(byKind[kind], joins, splits)...)
	}
	slices.SortFunc(all, func(a, b *Group) int {
		return cmp.Or(cmp.Compare(a.Copies[0].Seq, b.Copies[0].Seq), cmp.Compare(a.Copies[0].ID, b.Copies[0].ID))
	})
	return all
}

func (b *Book) groups(facts []*fact, joins, splits []Decision) []*Group {
	u, chains := newUnion(facts, splits), newUnion(facts, splits)
	var links []Link
	next := map[string]bool{}
	link := func(a, b *fact, rule Rule, why string) {
		apart := u.root(a.c.ID) != u.root(b.c.ID)
		if u.join(a.c.ID, b.c.ID) {
			if apart { // the strongest rule alone explains a merge
				links = append(links, Link{a.c.ID, b.c.ID, rule, why})
			}
			if rule == ByOriginal || rule == ByReference || rule == ByContinued {
				chains.join(a.c.ID, b.c.ID)
			}
		}
	}
	byID := map[string]*fact{}
	for _, f := range facts {
		byID[f.c.ID] = f
	}
	for _, d := range joins {
		for _, l := range d.Left {
			for _, r := range d.Right {
				if byID[l] != nil && byID[r] != nil {
					link(byID[l], byID[r], ByPerson, d.ID)
				}
			}
		}
	}
	byReference(facts, byIdentifier(facts, link), u, link, next)
	buckets := alike(facts)
	b.resumed(buckets, u, link, next)
	b.continued(buckets, u, link, next)
	lands := map[string]*fact{}
	for _, f := range facts {
		if f.land == "" {
			continue
		}
		if first := lands[f.land]; first != nil {
			link(first, f, ByLand, f.land)
		} else {
			lands[f.land] = f
		}
	}
	b.match(facts, u, link)
	return collect(facts, u, chains, links, next)
}

type linker func(a, b *fact, rule Rule, why string)

func byIdentifier(facts []*fact, link linker) (owners map[string][]*fact) {
	owners = map[string][]*fact{}
	for _, f := range facts {
		for _, t := range f.tokens {
			if len(owners[t]) > 0 {
				link(owners[t][0], f, ByOriginal, t)
			}
			owners[t] = append(owners[t], f)
		}
	}
	return owners
}

// byReference: who names another follows it; who names the same as another, which
// nobody has seen, is of one chain with it.
func byReference(facts []*fact, owners map[string][]*fact, u *union, link linker, next map[string]bool) {
	lost, named := map[string]*fact{}, map[string][]string{}
	for _, f := range facts {
		for _, t := range f.tokens {
			named[t] = append(named[t], f.refs...)
		}
	}
	for _, f := range facts {
		f.unrelated = len(f.refs) > 0
		for _, ref := range f.refs {
			if slices.Contains(f.tokens, ref) {
				continue
			}
			for _, other := range owners[ref] {
				f.unrelated = false
				link(other, f, ByReference, ref)
			}
			switch {
			case len(owners[ref]) > 0:
			case lost[ref] != nil:
				link(lost[ref], f, ByReference, ref)
			default:
				lost[ref] = f
			}
		}
	}
	for _, f := range facts {
		// What another feed tells of the message between two, counts too.
		seen, open := map[string]bool{}, slices.Clone(f.refs)
		for len(open) > 0 {
			ref := open[0]
			if open = open[1:]; seen[ref] || slices.Contains(f.tokens, ref) {
				continue
			}
			seen[ref] = true
			open = append(open, named[ref]...)
			for _, other := range owners[ref] {
				if other.c.Source == f.c.Source && u.root(other.c.ID) == u.root(f.c.ID) {
					next[other.c.ID] = true
				}
			}
		}
	}
}

// alike are the copies of one feed that have said the same code and beginning.
func alike(facts []*fact) (all [][]*fact) {
	type key struct {
		source, code string
		onset        int64
	}
	bucket := map[key][]*fact{}
	for _, f := range facts {
		for _, m := range f.marks {
			if k := (key{f.c.Source, m.code, m.onset}); m.code != "" && !isLast(bucket[k], f) {
				bucket[k] = append(bucket[k], f)
			}
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(bucket), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.code, b.code), cmp.Compare(a.onset, b.onset))
	}) {
		all = append(all, bucket[k])
	}
	return all
}

// isLast reports whether a fact was added last.
func isLast(list []*fact, f *fact) bool { return len(list) > 0 && list[len(list)-1] == f }

// why is what two copies have in common that continue one another.
func (b *Book) why(x, y *fact) string {
	return x.c.Now().Content.Code + " · " + b.index.example(x, y)
}

// resumed finds messages that name only what nobody has seen: each follows the one
// before it that it could follow, if no other follows that closer.
func (b *Book) resumed(buckets [][]*fact, u *union, link linker, next map[string]bool) {
	follows := func(x, y *fact) bool {
		if !y.unrelated || x.to >= y.from {
			return false
		}
		return b.index.shared(x, y) > 0
	}
	for _, list := range buckets {
		for _, y := range list {
			var x, z *fact
			for _, f := range list {
				if follows(f, y) && (x == nil || cmp.Or(cmp.Compare(f.to, x.to), cmp.Compare(f.c.ID, x.c.ID)) > 0) {
					x = f
				}
			}
			for _, f := range list {
				if x != nil && follows(x, f) && (z == nil || cmp.Or(cmp.Compare(f.from, z.from), cmp.Compare(f.c.ID, z.c.ID)) < 0) {
					z = f
				}
			}
			if x == nil || z != y {
				continue
			}
			link(x, y, ByContinued, b.why(x, y))
			if u.root(x.c.ID) == u.root(y.c.ID) {
				next[x.c.ID] = true
			}
		}
	}
}

// continued finds what goes on in a bulletin under another of the names that are
// computed for it, since its areas were changed: copies that have areas in common and
// never stood in one document, the closest in time first.
func (b *Book) continued(buckets [][]*fact, u *union, link linker, next map[string]bool) {
	type pair struct {
		x, y   *fact
		gap    int64
		common int
	}
	for _, list := range buckets {
		if !anonymous(list[0].c.Source) {
			continue
		}
		var pairs []pair
		for i, x := range list {
			for _, y := range list[i+1:] {
				gap, atOnce := x.c.apart(y.c)
				if atOnce {
					continue
				}
				if n := b.index.shared(x, y); n > 0 {
					pairs = append(pairs, pair{x, y, gap, n})
				}
			}
		}
		slices.SortFunc(pairs, func(a, b pair) int {
			return cmp.Or(cmp.Compare(a.gap, b.gap), cmp.Compare(b.common, a.common), cmp.Compare(a.x.c.ID, b.x.c.ID), cmp.Compare(a.y.c.ID, b.y.c.ID))
		})
		chain := map[*fact][]*fact{}
		for _, f := range list {
			chain[f] = []*fact{f}
		}
		for _, p := range pairs {
			left, right := chain[p.x], chain[p.y]
			if left[0] == right[0] || slices.ContainsFunc(left, func(x *fact) bool {
				return slices.ContainsFunc(right, func(y *fact) bool { _, atOnce := x.c.apart(y.c); return atOnce })
			}) {
				continue
			}
			link(p.x, p.y, ByContinued, b.why(p.x, p.y))
			if u.root(p.x.c.ID) != u.root(p.y.c.ID) {
				continue // a person has parted them
			}
			both := slices.Concat(left, right)
			for _, f := range both {
				chain[f] = both
			}
		}
		for _, f := range list {
			for _, g := range chain[f] {
				if g.c.newest().To.compare(f.c.newest().To) > 0 {
					next[f.c.ID] = true
				}
			}
		}
	}
}

// apart is how far two copies of a bulletin are from one another, ms, or that they were
// in one at once.
func (c *Copy) apart(d *Copy) (gap int64, atOnce bool) {
	gap = 1 << 62
	for key, s := range c.Seen {
		t := d.Seen[key]
		for _, x := range s.All {
			n, found := slices.BinarySearch(t.All, x)
			if found {
				return 0, true
			}
			if n < len(t.All) {
				gap = min(gap, t.All[n]-x)
			}
			if n > 0 {
				gap = min(gap, x-t.All[n-1])
			}
		}
	}
	return gap, false
}

// match finds for what a relay says without an original identifier the one warning of
// its issuer that it can be. If there are two, it is left alone: shown twice is better
// than two shown as one.
func (b *Book) match(facts []*fact, u *union, link linker) {
	type key struct {
		class string
		onset int64
	}
	issued, known := map[key][]*fact{}, map[string]bool{}
	for _, f := range facts {
		if !f.origin {
			continue
		}
		known[u.root(f.c.ID)] = true
		for _, m := range f.marks {
			k := key{m.class, m.onset}
			if m.class != "" && !isLast(issued[k], f) {
				issued[k] = append(issued[k], f)
			}
		}
	}
	for _, f := range facts {
		if f.origin || known[u.root(f.c.ID)] {
			continue
		}
		var best *fact
		var why string
		most, clear := 0, true
		for _, m := range f.marks {
			for _, o := range issued[key{m.class, m.onset}] {
				if m.class == "" || !o.colour(m) {
					continue
				}
				n := b.index.shared(o, f)
				switch {
				case n == 0 || n < most:
				case best != nil && n == most && u.root(best.c.ID) != u.root(o.c.ID):
					clear = false
				case n > most:
					best, most, clear, why = o, n, true, m.class
				}
			}
		}
		if best != nil && clear {
			link(best, f, ByMatch, why+" · "+b.index.example(best, f))
		}
	}
}

// colour reports whether an issuer's warning had the colour that a relay says, if it
// says one.
func (f *fact) colour(m mark) bool {
	for _, own := range f.marks {
		if own.class == m.class && own.onset == m.onset && (m.colour == "" || m.colour == own.colour) {
			return true
		}
	}
	return false
}

func collect(facts []*fact, u, chains *union, links []Link, next map[string]bool) (all []*Group) {
	byRoot, numbers := map[string]*Group{}, map[string]int{}
	for _, f := range facts {
		root := u.root(f.c.ID)
		g := byRoot[root]
		if g == nil {
			g = &Group{chain: map[string]int{}, next: map[string]bool{}}
			byRoot[root] = g
			all = append(all, g)
		}
		g.Copies = append(g.Copies, f.c)
		chain := chains.root(f.c.ID)
		if numbers[chain] == 0 {
			numbers[chain] = len(numbers) + 1
		}
		g.chain[f.c.ID] = numbers[chain]
		if next[f.c.ID] {
			g.next[f.c.ID] = true
		}
	}
	for _, l := range links {
		g := byRoot[u.root(l.A)]
		g.Links = append(g.Links, l)
	}
	for _, g := range all {
		slices.SortFunc(g.Copies, func(a, b *Copy) int { return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.ID, b.ID)) })
	}
	return all
}

// awareness is the kind of danger that MeteoAlarm's parameter names.
func awareness(w *feed.Warning) string {
	return cmp.Or(cap.Value(w.Extra, "awareness_type"), w.Code)
}
