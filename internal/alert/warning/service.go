package warning

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Topic is notified when anything of any warning changed.
const Topic = "warning"

// Keep is how long what has ended stays: long enough to look back at an event, and for
// the reports that follow it.
const Keep = 30 * 24 * time.Hour

// againAfter is how exactly the age of a source without news is known: to note it makes
// all that was computed of the book old.
const againAfter = 4 * time.Minute

// Files are the documents as they were fetched.
type Files interface {
	Put(ctx context.Context, r io.Reader) (blob.Ref, error)
	Open(ref blob.Ref) (io.ReadCloser, error)
	Delete(ref blob.Ref, grace time.Duration) (bool, error)
}

// Options are what a service stands on.
type Options struct {
	DB    *store.DB
	Audit *audit.Log
	Clock *clock.Clock
	Log   *slog.Logger
	// Name is a person's name; nil: nobody has one.
	Name func(tx *store.Tx, person string) string
	// Files are where the documents lie; nil: nobody can read one, and none is deleted.
	Files func() Files
	// Feeds are those that are read, for who asks what is not there.
	Feeds []feed.Feed
	// Limits are those of a source as it is configured, by its name; nil, or zero of one
	// that is not configured: those of its feed.
	Limits func(source string) feed.Limits
}

// Service keeps the book of all warnings. It is safe for concurrent use.
type Service struct {
	o Options

	mu   sync.Mutex
	book *Book
}

// New returns the service.
func New(o Options) *Service {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{o: o}
}

// Fetched is a document that was fetched and can be read again.
type Fetched struct {
	Feed   string
	Series string // the configured source: mirrors of one document share it
	Kind   store.Kind
	At     time.Time
	Ref    blob.Ref // SHA-256 of the bytes, under which they lie; with Link of what tells them apart
	Size   int64
	Link   string // path of the page that has the bytes, when somebody else keeps them
}

// Taken is what a document changed.
type Taken struct {
	Document string
	Known    bool // it was here already: nothing changed but when it was fetched last
	Warnings int
	New      int // copies that were not known
}

// Take enters what a document says, in the transaction in which it is written down that
// it was fetched. The same document again is no news.
func (s *Service) Take(tx *store.Tx, d Fetched, r *feed.Reading) (taken Taken, err error) {
	const op = "warning.Take"
	if !d.Kind.Valid() || d.Feed == "" || d.At.IsZero() {
		return taken, problem.New(op, problem.Invalid, "warning.fault.document", nil)
	}
	defer func() { err = problem.Wrap(op, err) }()
	key := seriesKey(d.Kind, d.Feed, d.Series)
	series, err := seriesBy(tx, d.Kind, d.Feed, d.Series)
	if err != nil {
		return taken, err
	}
	doc := Document{Feed: d.Feed, Series: d.Series, Kind: d.Kind, Fetched: d.At.UTC()}
	place := doc.order(r)
	name := key + "\x00" + d.Ref.String()
	if r.Whole && !r.Dated {
		// What says everything and not when, may come again after something else.
		if known, again, err := s.confirmed(tx, series, key, d, place); known || err != nil {
			return again, err
		}
		name += "\x00" + d.At.UTC().Format(time.RFC3339Nano)
	}
	doc.ID = short(name)
	taken.Document, taken.Warnings = doc.ID, len(r.Warnings)
	known, err := documentAgain(tx, doc.ID, doc.Fetched)
	if err != nil {
		return taken, err
	}
	if known {
		taken.Known = true
		if series != nil && doc.Fetched.After(series.Fetched) {
			series.Fetched = doc.Fetched
			if err := putSeries(tx, series); err != nil {
				return taken, err
			}
		}
		return taken, s.changed(tx)
	}
	b := NewBook()
	if series != nil {
		b.Series[key] = series
	}
	before := map[string]map[versionKey]Order{}
	for i := range r.Warnings {
		id := copyID(d.Kind, &r.Warnings[i])
		if b.Copies[id] != nil {
			continue
		}
		c, err := copyByID(tx, id)
		if errors.Is(err, store.ErrNoRows) {
			continue
		}
		if err != nil {
			return taken, err
		}
		b.Copies[id], before[id] = c, versionsOf(c)
	}
	b.Take(doc, r)
	for _, id := range sortedByPlace(b, r, d.Kind) {
		c := b.Copies[id]
		if before[id] == nil {
			taken.New++
			if c.Seq, err = nextSeq(tx); err != nil {
				return taken, err
			}
		}
		if err := putCopy(tx, c, before[id], key); err != nil {
			return taken, err
		}
	}
	if err := putSeries(tx, b.Series[key]); err != nil {
		return taken, err
	}
	if err := putDocument(tx, &doc, d, place, r); err != nil {
		return taken, err
	}
	if err := s.o.Audit.Append(tx, audit.Event{Action: "warning.take", Actor: "node", Object: doc.ID, Detail: d.Ref[:]}); err != nil {
		return taken, err
	}
	return taken, s.changed(tx)
}

// Again notes that a source has no news: it was asked, and what it said last still holds.
func (s *Service) Again(tx *store.Tx, d Fetched) error {
	series, err := seriesBy(tx, d.Kind, d.Feed, d.Series)
	if err != nil || series == nil || d.At.Sub(series.Fetched) < againAfter {
		return problem.Wrap("warning.Again", err)
	}
	series.Fetched = d.At.UTC()
	if err := putSeries(tx, series); err != nil {
		return problem.Wrap("warning.Again", err)
	}
	return problem.Wrap("warning.Again", s.changed(tx))
}

// confirmed notes that the newest document of a series was fetched once more.
func (s *Service) confirmed(tx *store.Tx, series *Series, key string, d Fetched, place int64) (known bool, taken Taken, err error) {
	if series == nil || series.WholeID == "" {
		return false, taken, nil
	}
	digest, first, err := documentDigest(tx, series.WholeID)
	if err != nil || digest != d.Ref.String() || place < first {
		return false, taken, err
	}
	taken = Taken{Document: series.WholeID, Known: true, Warnings: series.Count}
	if place <= series.Whole {
		return true, taken, nil
	}
	if err := seenAgain(tx, key, series.Whole, place); err != nil {
		return true, taken, err
	}
	series.Whole = place
	if d.At.After(series.Fetched) {
		series.Fetched = d.At.UTC()
	}
	if err := putSeries(tx, series); err != nil {
		return true, taken, err
	}
	if _, err := documentAgain(tx, series.WholeID, d.At); err != nil {
		return true, taken, err
	}
	return true, taken, s.changed(tx)
}

// sortedByPlace are the copies of a reading in the order in which they stand in it.
func sortedByPlace(b *Book, r *feed.Reading, kind store.Kind) (ids []string) {
	seen := map[string]bool{}
	for i := range r.Warnings {
		if id := copyID(kind, &r.Warnings[i]); !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}

// changed tells everybody that the book is another.
func (s *Service) changed(tx *store.Tx) error {
	tx.Notify(Topic)
	return countUp(tx)
}

// Book is everything that is known now. It is shared: nobody changes it.
func (s *Service) Book(ctx context.Context) (b *Book, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		n, err := changes(tx)
		if err != nil || s.book != nil && n == s.book.count {
			b = s.book
			return err
		}
		if b, err = readBook(tx, s.book); err != nil {
			return err
		}
		if s.o.Name != nil {
			for i := range b.Decisions {
				d := &b.Decisions[i]
				d.Person, d.UndoneBy = s.name(tx, d.Person), s.name(tx, d.UndoneBy)
			}
		}
		if s.o.Limits != nil {
			for _, x := range b.Series {
				x.Limits = s.o.Limits(x.Name)
			}
		}
		b.grouped = b.Groups()
		s.book = b
		return nil
	})
	return b, problem.Wrap("warning.Book", err)
}

func (s *Service) name(tx *store.Tx, person string) string {
	if person == "" {
		return ""
	}
	return s.o.Name(tx, person)
}

// Warnings are all of them as they stand now.
func (s *Service) Warnings(ctx context.Context) ([]*Warning, *Book, error) {
	b, err := s.Book(ctx)
	if err != nil {
		return nil, nil, err
	}
	return b.Warnings(s.o.Clock.Now()), b, nil
}

var errNotFound = problem.New("warning", problem.NotFound, "warning.not_found", nil)

// Get is the warning that a copy belongs to; problem NotFound.
func (s *Service) Get(ctx context.Context, id string) (*Warning, *Book, error) {
	all, b, err := s.Warnings(ctx)
	if err != nil {
		return nil, nil, err
	}
	w := find(all, id)
	if w == nil {
		return nil, nil, errNotFound
	}
	return w, b, nil
}

func find(all []*Warning, id string) *Warning {
	for _, w := range all {
		if slices.ContainsFunc(w.Members, func(m *Member) bool { return m.ID == id }) {
			return w
		}
	}
	return nil
}

// maxReason bounds what a person writes.
const maxReason = 400

// reason is what a person gave as one.
func reason(text string) (string, error) {
	text = strings.Join(strings.Fields(text), " ")
	if text == "" || utf8.RuneCountInString(text) > maxReason {
		return "", problem.New("warning", problem.Invalid, "warning.fault.reason", i18n.Args{"n": maxReason})
	}
	return text, nil
}

// write changes something that depends on which copies are one. That is worked out
// before the transaction, which everybody else has to wait for: if the book has become
// another in between, once more.
func (s *Service) write(ctx context.Context, f func(tx *store.Tx, b *Book, all []*Warning) error) error {
	for {
		all, b, err := s.Warnings(ctx)
		if err != nil {
			return err
		}
		err = s.o.DB.Write(ctx, func(tx *store.Tx) error {
			n, err := changes(tx)
			if err != nil {
				return err
			}
			if n != b.count {
				return errChanged
			}
			return f(tx, b, all)
		})
		if !errors.Is(err, errChanged) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

var errChanged = errors.New("warning: the book has changed")

// decide enters a decision on what is in the book, and takes back those that say the
// opposite.
func (s *Service) decide(ctx context.Context, person, why string, make func(all []*Warning) (Decision, error)) (id string, err error) {
	if why, err = reason(why); err != nil {
		return "", err
	}
	err = s.write(ctx, func(tx *store.Tx, b *Book, all []*Warning) error {
		now := s.o.Clock.Now()
		d, err := make(all)
		if err != nil {
			return err
		}
		for _, old := range b.Decisions {
			if old.UndoneAt == 0 && old.Join != d.Join && old.across(&d) {
				if err := undoDecision(tx, old.ID, now, person); err != nil {
					return err
				}
			}
		}
		d.ID, d.At, d.Person, d.Reason = s.o.Clock.NewID(), now.UnixMilli(), person, why
		id = d.ID
		if err := putDecision(tx, &d); err != nil {
			return err
		}
		action := "warning.split"
		if d.Join {
			action = "warning.join"
		}
		if err := s.o.Audit.Append(tx, audit.Event{Action: action, Actor: person, Object: d.Left[0], Detail: []byte(d.ID)}); err != nil {
			return err
		}
		return s.changed(tx)
	})
	return id, err
}

// across reports whether two decisions speak of the same two sides.
func (d *Decision) across(e *Decision) bool {
	meet := func(a, b []string) bool {
		return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
	}
	return meet(d.Left, e.Left) && meet(d.Right, e.Right) || meet(d.Left, e.Right) && meet(d.Right, e.Left)
}

func idsOf(w *Warning) (ids []string) {
	for _, m := range w.Members {
		ids = append(ids, m.ID)
	}
	return ids
}

// Join says that two warnings are one.
func (s *Service) Join(ctx context.Context, person, id, other, why string) (decision string, err error) {
	decision, err = s.decide(ctx, person, why, func(all []*Warning) (Decision, error) {
		a, b := find(all, id), find(all, strings.TrimSpace(other))
		switch {
		case a == nil:
			return Decision{}, errNotFound
		case b == nil:
			return Decision{}, problem.New("warning.Join", problem.Invalid, "warning.fault.other", nil)
		case a == b:
			return Decision{}, problem.New("warning.Join", problem.Conflict, "warning.fault.same", nil)
		case a.Kind != b.Kind:
			return Decision{}, problem.New("warning.Join", problem.Conflict, "warning.fault.kind", nil)
		}
		return Decision{Kind: a.Kind, Join: true, Left: idsOf(a), Right: idsOf(b)}, nil
	})
	return decision, problem.Wrap("warning.Join", err)
}

// Split says that copies of a warning are another one.
func (s *Service) Split(ctx context.Context, person, id string, copies []string, why string) (decision string, err error) {
	decision, err = s.decide(ctx, person, why, func(all []*Warning) (Decision, error) {
		w := find(all, id)
		if w == nil {
			return Decision{}, errNotFound
		}
		var left, right []string
		for _, c := range idsOf(w) {
			if slices.Contains(copies, c) {
				right = append(right, c)
			} else {
				left = append(left, c)
			}
		}
		if len(left) == 0 || len(right) == 0 {
			return Decision{}, problem.New("warning.Split", problem.Invalid, "warning.fault.copies", nil)
		}
		return Decision{Kind: w.Kind, Left: left, Right: right}, nil
	})
	return decision, problem.Wrap("warning.Split", err)
}

// Undo takes a decision back; what it held together or apart is judged by the rules
// again.
func (s *Service) Undo(ctx context.Context, person, decision string) (about string, err error) {
	err = s.o.DB.Write(ctx, func(tx *store.Tx) error {
		d, err := decisionByID(tx, decision)
		if errors.Is(err, store.ErrNoRows) || err == nil && d.UndoneAt != 0 {
			return problem.New("warning.Undo", problem.NotFound, "warning.fault.decision", nil)
		}
		if err != nil {
			return err
		}
		about = d.Left[0]
		if err := undoDecision(tx, d.ID, s.o.Clock.Now(), person); err != nil {
			return err
		}
		if err := s.o.Audit.Append(tx, audit.Event{Action: "warning.undo", Actor: person, Object: about, Detail: []byte(d.ID)}); err != nil {
			return err
		}
		return s.changed(tx)
	})
	return about, problem.Wrap("warning.Undo", err)
}

// Document opens a document as it was fetched; problem NotFound.
func (s *Service) Document(ctx context.Context, id string) (in io.ReadCloser, d Stored, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		d, err = documentByID(tx, id)
		return err
	})
	if errors.Is(err, store.ErrNoRows) || err == nil && s.files() == nil {
		return nil, d, errNotFound
	}
	if err != nil {
		return nil, d, problem.Wrap("warning.Document", err)
	}
	if d.Link != "" {
		return nil, d, nil
	}
	ref, err := blob.ParseRef(d.Digest)
	if err != nil {
		return nil, d, problem.Wrap("warning.Document", err)
	}
	in, err = s.files().Open(ref)
	return in, d, problem.Wrap("warning.Document", err)
}

func (s *Service) files() Files {
	if s.o.Files == nil {
		return nil
	}
	return s.o.Files()
}

// Deletion is when what has ended is deleted; zero while it has not.
func (w *Warning) Deletion() time.Time {
	if w.Phase != Ended {
		return time.Time{}
	}
	return w.Ended.Add(Keep)
}

const (
	queueErase = "warning.erase"
	eraseAt    = "03:25" // when the least is asked of the node
)

// Schedule registers the daily deletion of what has ended long ago.
func (s *Service) Schedule(ctx context.Context, jobs *job.Queue) error {
	return jobs.Daily(ctx, queueErase, eraseAt, store.Live, func(ctx context.Context, _ job.Job) error {
		_, err := s.Erase(ctx)
		return err
	})
}

// Erase deletes warnings that have ended longer ago than they are kept, with the
// documents that nothing refers to any more.
func (s *Service) Erase(ctx context.Context) (erased int, err error) {
	var digests []string
	err = s.write(ctx, func(tx *store.Tx, _ *Book, all []*Warning) (err error) {
		erased, digests = 0, nil
		now := s.o.Clock.Now()
		for _, w := range all {
			if w.Phase != Ended || w.Deletion().After(now) {
				continue
			}
			erased++
			for _, m := range w.Members {
				if err := dropCopy(tx, m.ID); err != nil {
					return err
				}
			}
		}
		if digests, err = dropDocuments(tx, now.Add(-Keep)); err != nil {
			return err
		}
		if erased == 0 && len(digests) == 0 {
			return nil
		}
		if err := s.o.Audit.Append(tx, audit.Event{Action: "warning.erase", Actor: "node", Object: "warnings"}); err != nil {
			return err
		}
		return s.changed(tx)
	})
	if err != nil || s.files() == nil {
		return erased, problem.Wrap("warning.Erase", err)
	}
	var errs []error
	for _, d := range digests {
		ref, err := blob.ParseRef(d)
		if err == nil {
			_, err = s.files().Delete(ref, time.Hour)
		}
		errs = append(errs, err)
	}
	return erased, problem.Wrap("warning.Erase", errors.Join(errs...))
}
