package warning

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/kernel/store"
)

// Copy is one warning as one feed carries it, through all documents that do.
type Copy struct {
	ID     string
	Kind   store.Kind // of the documents it came in; Copy.Shown is what it is shown as
	Source string     // name of the feed
	Native string     // feed.Warning.ID
	Seq    int64      // in which order copies came
	First  time.Time  // when it was fetched for the first time
	// Full are its contents one after another; Bare those of documents that name it
	// without saying for whom or what, which never push out a full one.
	Full, Bare []Run
	Seen       map[string]Span // by key of the series
}

// Order puts two observations of a copy in order: by the time its sender gives it, then
// by that of the document, then by content, so that it is total.
type Order struct {
	Sent, Doc int64 // ms
	Digest    string
}

func (o Order) compare(p Order) int {
	return cmp.Or(cmp.Compare(o.Sent, p.Sent), cmp.Compare(o.Doc, p.Doc), cmp.Compare(o.Digest, p.Digest))
}

// Run is a content from the first observation of it to the last before another.
type Run struct {
	From, To Order
	Content  feed.Warning
	Received time.Time // when it was fetched for the first time
	Document string    // in which it was then
}

// Span is the first and the last document of a series that carried a copy, by the
// order of documents, ms. All of them are kept only where nothing else tells whether two
// copies were there at once.
type Span struct {
	First, Last int64
	All         []int64
}

// Series is a run of documents of which each takes the place of the one before it: of
// one feed, from one place.
type Series struct {
	Feed, Name string
	Kind       store.Kind
	Whole      int64  // order of the newest document that held everything in force; 0: there was none
	WholeID    string // that document
	Wholes     []int64
	Issued     time.Time // by the newest document itself; zero: it does not say
	Fetched    time.Time // when one was fetched last
	Quiet      int       // entries of the newest that said that there is no warning
	NoData     int       // … that nothing is known
	Count      int       // warnings in it
	// Limits are from when on it is old, as its source is configured; zero: as its feed has
	// them.
	Limits feed.Limits
}

// Key names a series.
func (s *Series) Key() string { return seriesKey(s.Kind, s.Feed, s.Name) }

func seriesKey(kind store.Kind, feedName, name string) string {
	return string(kind) + "/" + feedName + "/" + name
}

// Document is what is known of bytes that were fetched.
type Document struct {
	ID     string // of what it is: the same for the same bytes of the same series
	Feed   string
	Series string // where it came from; mirrors of one document have one name
	Kind   store.Kind
	// Fetched is when it was fetched, or written down by who brought it.
	Fetched time.Time
}

// Ahead is how much a clock of a sender may be before ours; a time beyond it is not
// believed, since a document from next year would outlast all right ones.
const Ahead = 10 * time.Minute

// order is where a document stands among those of its series.
func (d *Document) order(r *feed.Reading) int64 {
	if r.Dated && d.believes(r.Issued.At) {
		return r.Issued.At.UnixMilli()
	}
	return d.Fetched.UnixMilli()
}

func (d *Document) believes(t time.Time) bool {
	return !t.IsZero() && !t.After(d.Fetched.Add(Ahead))
}

// copyID is the same for every document that carries the copy.
func copyID(kind store.Kind, w *feed.Warning) string {
	return short(string(kind) + "\x00" + w.Source + "\x00" + w.ID)
}

func short(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// digest is of what a warning says; that it is said again, is no news.
func digest(w *feed.Warning) string {
	said := *w
	said.Sent, said.Deviations = feed.Moment{}, nil
	raw, err := json.Marshal(said)
	if err != nil {
		panic(err) // texts and times alone
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:12])
}

// bare reports whether a warning is only named: for nobody, or without a word.
func bare(w *feed.Warning) bool {
	said := slices.ContainsFunc(w.Texts, func(t feed.Text) bool { return t.Headline+t.Description+t.Instruction != "" })
	return !said || !slices.ContainsFunc(w.Areas, func(a feed.Area) bool { return len(a.Codes)+len(a.Polygons)+len(a.Circles) > 0 })
}

// observe notes that a document carries the copy.
func (c *Copy) observe(series string, at int64, d *Document, w feed.Warning) {
	s, ok := c.Seen[series]
	if !ok {
		s.First, s.Last = at, at
	}
	s.First, s.Last = min(s.First, at), max(s.Last, at)
	if anonymous(c.Source) {
		if n, known := slices.BinarySearch(s.All, at); !known {
			s.All = slices.Insert(slices.Clone(s.All), n, at)
		}
	}
	c.Seen[series] = s
	if c.First.IsZero() || d.Fetched.Before(c.First) {
		c.First = d.Fetched
	}
	o := Order{Sent: at, Doc: at, Digest: digest(&w)}
	if d.believes(w.Sent.At) {
		o.Sent = w.Sent.At.UnixMilli()
	}
	runs := &c.Full
	if bare(&w) {
		runs = &c.Bare
	}
	*runs = insert(*runs, Run{From: o, To: o, Content: w, Received: d.Fetched, Document: d.ID})
}

// insert puts an observation among others. Of a content that another interrupts, the
// first and the last observation stay.
func insert(runs []Run, r Run) []Run {
	n, inside := slices.BinarySearchFunc(runs, r.From, func(x Run, o Order) int {
		switch {
		case x.To.compare(o) < 0:
			return -1
		case x.From.compare(o) > 0:
			return 1
		}
		return 0
	})
	same := func(i int) bool { return i >= 0 && i < len(runs) && runs[i].From.Digest == r.From.Digest }
	switch {
	case inside && same(n):
	case inside:
		left, right := runs[n], runs[n]
		left.To, right.From = left.From, right.To
		return slices.Replace(runs, n, n+1, left, r, right)
	case same(n - 1):
		runs[n-1].To = r.To
		return runs
	case same(n):
		runs[n].From = r.From
	default:
		return slices.Insert(runs, n, r)
	}
	if r.Received.Before(runs[n].Received) {
		runs[n].Received, runs[n].Document = r.Received, r.Document
	}
	return runs
}

// last is the newest run; nil without one.
func last(runs []Run) *Run {
	if len(runs) == 0 {
		return nil
	}
	return &runs[len(runs)-1]
}

// Now is what the copy says: the newest content that says for whom and what, else the
// newest.
func (c *Copy) Now() *Run { return cmp.Or(last(c.Full), last(c.Bare)) }

// newest is the newest observation, whatever it says.
func (c *Copy) newest() *Run {
	full, named := last(c.Full), last(c.Bare)
	if full == nil || named != nil && named.To.compare(full.To) > 0 {
		return named
	}
	return full
}

// Runs are all contents, in order.
func (c *Copy) Runs() []Run {
	all := slices.Concat(c.Full, c.Bare)
	slices.SortFunc(all, func(a, b Run) int { return a.From.compare(b.From) })
	return all
}

// Shown is the kind it is shown as: what came as live may say that it is an exercise,
// and nothing of an exercise becomes live.
func (c *Copy) Shown() store.Kind {
	if c.Kind != store.Live {
		return c.Kind
	}
	switch c.Now().Content.Status {
	case feed.Actual:
		return store.Live
	case feed.Test:
		return store.Test
	}
	return store.Exercise
}

// interval is from when to when documents carried it, ms.
func (c *Copy) interval() (from, to int64) {
	to = c.newest().To.Sent
	from = to
	for _, runs := range [][]Run{c.Full, c.Bare} {
		if len(runs) > 0 {
			from = min(from, runs[0].From.Sent)
		}
	}
	for _, s := range c.Seen {
		from, to = min(from, s.First), max(to, s.Last)
	}
	return from, to
}

// gone reports since when the copy is in no series any more that tells everything in
// force, ms; 0: it is in one, or no series can tell.
func (c *Copy) gone(series map[string]*Series) (at int64) {
	for key, span := range c.Seen {
		s := series[key]
		if s == nil || s.Whole == 0 {
			continue
		}
		if span.Last >= s.Whole {
			return 0
		}
		first := s.Whole
		for _, w := range s.Wholes {
			if w > span.Last {
				first = min(first, w)
			}
		}
		at = max(at, first)
	}
	return at
}

// Book is everything that is known. It is no more than memory: Service keeps it.
type Book struct {
	Copies    map[string]*Copy
	Series    map[string]*Series
	Decisions []Decision
	grouped   []*Group // as long as nothing changes; nil: not computed
	count     int64    // of changes it is of, as it was read
	facts     map[*Copy]*fact
	index     *index
}

// NewBook returns an empty one.
func NewBook() *Book {
	return &Book{Copies: map[string]*Copy{}, Series: map[string]*Series{}, facts: map[*Copy]*fact{}, index: newIndex()}
}

// Take enters what a document says.
func (b *Book) Take(d Document, r *feed.Reading) {
	b.grouped = nil
	key, at := seriesKey(d.Kind, d.Feed, d.Series), d.order(r)
	s := b.Series[key]
	if s == nil {
		s = &Series{Feed: d.Feed, Name: d.Series, Kind: d.Kind}
		b.Series[key] = s
	}
	s.note(&d, at, r)
	for i := range r.Warnings {
		w := &r.Warnings[i]
		id := copyID(d.Kind, w)
		c := b.Copies[id]
		if c == nil {
			c = &Copy{ID: id, Kind: d.Kind, Source: w.Source, Native: w.ID, Seq: int64(len(b.Copies) + 1), Seen: map[string]Span{}}
			b.Copies[id] = c
		}
		c.observe(key, at, &d, *w)
		delete(b.facts, c)
	}
}

// note enters the document itself.
func (s *Series) note(d *Document, at int64, r *feed.Reading) {
	if d.Fetched.After(s.Fetched) {
		s.Fetched = d.Fetched
	}
	if d.believes(r.Issued.At) && r.Issued.At.After(s.Issued) {
		s.Issued = r.Issued.At
	}
	if !r.Whole {
		return
	}
	if n, ok := slices.BinarySearch(s.Wholes, at); !ok {
		s.Wholes = slices.Insert(s.Wholes, n, at)
	}
	if at >= s.Whole {
		s.Whole, s.WholeID, s.Quiet, s.NoData, s.Count = at, d.ID, r.Quiet, r.NoData, len(r.Warnings)
	}
}
