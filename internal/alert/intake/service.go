package intake

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/gauge"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

//go:embed locales/*.json
var locales embed.FS

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

//go:embed policy.cedar
var policy []byte

// Policy returns the rules of the package, for access.Load.
func Policy() []byte { return policy }

const (
	// topic wakes who fetches.
	topic = "intake"
	// poll is how often a source looks without being woken: by the command line, which
	// wakes no other process.
	poll = 5 * time.Second
	// longestPause bounds the pause of a feed that fails: warnings must come soon after
	// their sender is well again.
	longestPause = 15 * time.Minute
	// clockStep is a difference of clocks that tells nothing.
	clockStep = 2 * time.Minute
	// sweepEvery is how often originals whose time is over are removed, and sweepMany how
	// many at once.
	sweepEvery = time.Hour
	sweepMany  = 500
	// forgetAfter is how long what was answered at an address that is of no use any more
	// is remembered.
	forgetAfter = 24 * time.Hour
	// maxListed are the deviations that are listed; all are counted.
	maxListed = 100
	maxReason = 500
)

// Files keep the originals.
type Files interface {
	Put(ctx context.Context, r io.Reader) (blob.Ref, error)
	Open(ref blob.Ref) (io.ReadCloser, error)
	Delete(ref blob.Ref, grace time.Duration) (bool, error)
}

// Document is where a reading comes from.
type Document struct {
	Source    string // whose absent entries are over, when the reading is whole
	Format    string
	Kind      store.Kind
	ID        int64  // of the kept original
	Digest    string // SHA-256 of its bytes, in hexadecimal
	Size      int64  // of the original, in bytes
	Address   string
	FetchedAt time.Time
	// Origins are the kept originals of those warnings or stations, by their identifiers,
	// that stand in another document than ID.
	Origins map[string]int64
}

// Options is what a Service stands on.
type Options struct {
	DB      *store.DB
	Audit   *audit.Log
	Clock   *clock.Clock
	Log     *slog.Logger
	Version string
	Config  Config
	Name    func(tx *store.Tx, person string) string
	// Warnings and Gauges take what was read, in the transaction in which it is remembered
	// as read: both are, or none is. An error is told to the operator, and the same reading
	// comes again. nil: nobody takes them.
	Warnings func(tx *store.Tx, d Document, r *feed.Reading) error
	Gauges   func(tx *store.Tx, d Document, r *gauge.Reading) error
	// Again hears that a source of warnings has no news: what it said last still holds.
	// Only Source, Format, Kind and FetchedAt are set. nil: nobody hears it.
	Again func(tx *store.Tx, d Document) error

	// Driven says that somebody moves the clock: between two questions to one sender no
	// real time need pass, and each interval is as it is configured. Only for senders that
	// are simulated on this machine.
	Driven bool

	roots *x509.CertPool // for tests
}

// Service fetches the sources. It is safe for concurrent use.
type Service struct {
	Options
	// Files must be set before Run.
	Files   Files
	sources []Source
	fetch   *fetcher
	metrics *metrics

	mu    sync.Mutex
	memos map[string]map[int64]reading
	begun map[string]bool // a round of it was made since the start
}

// New returns the service of a configuration without faults.
func New(o Options) *Service {
	s := &Service{Options: o, sources: o.Config.All(), fetch: newFetcher(o.Clock, o.Config.Contact, o.Version), metrics: newMetrics(), memos: map[string]map[int64]reading{}, begun: map[string]bool{}}
	s.fetch.roots = o.roots
	if o.Driven {
		s.fetch.pause = 0
	}
	return s
}

// source finds one by its name; problem NotFound.
func (s *Service) source(op, name string) (*Source, error) {
	i := slices.IndexFunc(s.sources, func(x Source) bool { return x.Name == name })
	if i < 0 {
		return nil, problem.New(op, problem.NotFound, "intake.not_found", i18n.Args{"name": name})
	}
	return &s.sources[i], nil
}

// row reads what is remembered of a source. What another kind left is forgotten: news of
// a simulator make no live feed fresh.
func (s *Service) row(tx *store.Tx, src *Source) (row, error) {
	r, err := readRow(tx, src.Name)
	if err == nil && r.kind != src.Kind {
		r = row{kind: src.Kind}
	}
	return r, err
}

// Run fetches on the one instance of a node that leads, until ctx ends. Another one
// takes over where it stopped.
func (s *Service) Run(ctx context.Context) error {
	return s.DB.Lead(ctx, "intake", func(ctx context.Context) error {
		s.mu.Lock()
		clear(s.memos) // another instance may have led meanwhile
		clear(s.begun)
		s.mu.Unlock()
		g, ctx := errgroup.WithContext(ctx)
		for i := range s.sources {
			g.Go(func() error { return s.serve(ctx, &s.sources[i]) })
		}
		g.Go(func() error { return s.sweeps(ctx) })
		return g.Wait()
	})
}

// serve fetches one source when it is due. Whatever happens to it, the others go on.
func (s *Service) serve(ctx context.Context, src *Source) error {
	watch := s.DB.Watch(topic)
	defer watch.Close()
	for ctx.Err() == nil {
		wait, err := s.due(ctx, src)
		if err == nil && wait <= 0 {
			if err = s.round(ctx, src); err == nil {
				continue
			}
		}
		if err != nil {
			if ctx.Err() != nil {
				break
			}
			s.Log.Error("intake: feed", "feed", src.Name, "error", err)
			wait = poll
		}
		timer := time.NewTimer(min(wait, poll))
		select {
		case <-ctx.Done():
		case <-watch.C():
		case <-timer.C:
		}
		timer.Stop()
	}
	return ctx.Err()
}

// Turn fetches every source that is due, one after the other, and returns when the next
// one is: a zero time when none is on. It is for who moves the clock himself; a node that
// serves runs Run.
func (s *Service) Turn(ctx context.Context) (next time.Time, err error) {
	for i := range s.sources {
		src := &s.sources[i]
		for {
			var r row
			if err := s.DB.Read(ctx, func(tx *store.Tx) (err error) { r, err = s.row(tx, src); return err }); err != nil {
				return next, err
			}
			if !r.on {
				break
			}
			if r.nextAt.After(s.Clock.Now()) {
				if next.IsZero() || r.nextAt.Before(next) {
					next = r.nextAt
				}
				break
			}
			if err := s.round(ctx, src); err != nil {
				return next, err
			}
		}
	}
	return next, nil
}

// due is how long to wait for a source. A time that lies further ahead than any pause
// was written while the clock was ahead, and counts as now.
func (s *Service) due(ctx context.Context, src *Source) (wait time.Duration, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		r, err := s.row(tx, src)
		if err != nil {
			return err
		}
		wait = poll
		if r.on {
			if wait = r.nextAt.Sub(s.Clock.Now()); wait > max(longestAfter, 2*src.Interval) {
				wait = 0
			}
		}
		return nil
	})
	return wait, err
}

// round looks at a source once, hands on what is new, and remembers what it came to.
func (s *Service) round(ctx context.Context, src *Source) error {
	var r row
	var held map[string]resource
	err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if r, err = s.row(tx, src); err != nil {
			return err
		}
		held, err = readResources(tx, src.Name)
		return err
	})
	if err != nil {
		return err
	}
	if r.document == 0 {
		for address, h := range held { // of another kind, or of a reading nobody took
			h.document, h.digest = 0, ""
			held[address] = h
		}
	}
	s.mu.Lock()
	memo, begun := s.memos[src.Name], s.begun[src.Name]
	if memo == nil {
		memo = map[int64]reading{}
		s.memos[src.Name] = memo
	}
	s.begun[src.Name] = true
	s.mu.Unlock()
	l := &look{src: src, fetch: s.fetch, held: held, memo: memo, touched: map[string]resource{}, again: !begun && r.diagnosis != nil,
		keep: func(ctx context.Context, a *answer) (int64, error) { return s.keep(ctx, src, a) }, load: s.load}
	out, fault := l.all(ctx)
	if ctx.Err() != nil {
		return ctx.Err() // stopped, which says nothing of the feed
	}
	if fault == nil {
		err := s.take(ctx, src, out, l)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.Log.Error("intake: take", "feed", src.Name, "error", err)
		fault = &Diagnosis{Key: "intake.fault.take", Args: i18n.Args{"detail": harmless(err.Error())}, Address: out.address, Document: out.document}
		l.touched = nil // so that the same comes again
	}
	return s.failed(ctx, src, fault, l.touched)
}

// keep stores an original: first the bytes, then the row.
func (s *Service) keep(ctx context.Context, src *Source, a *answer) (id int64, err error) {
	if s.Files == nil {
		return 0, errors.New("no store of files")
	}
	packed, err := pack(a.body)
	if err != nil {
		return 0, err
	}
	ref, err := s.Files.Put(ctx, bytes.NewReader(packed))
	if err != nil {
		return 0, err
	}
	err = s.DB.Write(ctx, func(tx *store.Tx) (err error) {
		id, err = insertOriginal(tx, Original{Source: src.Name, Kind: src.Kind, FetchedAt: a.at, Address: a.address, Status: int64(a.status), Headers: a.headers,
			Blob: ref.String(), Size: int64(len(a.body)), Digest: digest(a.body)}, a.at.Add(src.Keep))
		return err
	})
	return id, err
}

// pack makes a document smaller on its disk; the same bytes become the same.
func pack(body []byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Original is a kept document with its bytes, for who shows a warning beside what its
// sender has written. Problem NotFound: there is none, or its time is over.
func (s *Service) Original(ctx context.Context, id int64) (o Original, body []byte, err error) {
	const op = "intake.Original"
	err = s.DB.Read(ctx, func(tx *store.Tx) (err error) { o, err = readOriginal(tx, id); return err })
	if errors.Is(err, store.ErrNoRows) || err == nil && s.Files == nil {
		return o, nil, problem.New(op, problem.NotFound, "intake.no_original", nil)
	}
	if err != nil {
		return o, nil, problem.Wrap(op, err)
	}
	ref, err := blob.ParseRef(o.Blob)
	if err != nil {
		return o, nil, problem.Wrap(op, err)
	}
	file, err := s.Files.Open(ref)
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil, problem.New(op, problem.NotFound, "intake.no_original", nil)
	}
	if err != nil {
		return o, nil, problem.Wrap(op, err)
	}
	defer file.Close()
	in, err := gzip.NewReader(file)
	if err != nil {
		return o, nil, problem.Wrap(op, err)
	}
	if body, err = io.ReadAll(io.LimitReader(in, mostBytes+1)); err == nil && int64(len(body)) != o.Size {
		err = blob.ErrCorrupt
	}
	return o, body, problem.Wrap(op, err)
}

// Recorded are the originals of a period that are still kept, and of each address the last
// one before it, in the order in which they were fetched.
func (s *Service) Recorded(ctx context.Context, from, to time.Time) (all []Original, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) (err error) { all, err = recordedOriginals(tx, from, to); return err })
	return all, problem.Wrap("intake.Recorded", err)
}

func (s *Service) load(ctx context.Context, id int64) ([]byte, error) {
	_, body, err := s.Original(ctx, id)
	return body, err
}

// take hands a reading on and remembers it, both or none.
func (s *Service) take(ctx context.Context, src *Source, out *found, l *look) error {
	now := s.Clock.Now()
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		r, err := s.row(tx, src)
		if err != nil {
			return err
		}
		if !r.on {
			return nil // switched off while it was fetched: nothing of it counts
		}
		d := Document{Source: src.Name, Format: src.Format, Kind: src.Kind, ID: out.document, Address: out.address, FetchedAt: out.at, Origins: out.origins}
		changed := out.changed || r.document == 0
		if changed {
			o, err := readOriginal(tx, out.document)
			if err != nil {
				return err
			}
			d.Digest, d.Size = o.Digest, o.Size
		}
		switch {
		case !changed && !src.Gauges && s.Again != nil:
			err = s.Again(tx, Document{Source: src.Name, Format: src.Format, Kind: src.Kind, FetchedAt: now})
		case changed && out.warnings != nil && s.Warnings != nil:
			err = s.Warnings(tx, d, out.warnings)
		case changed && out.gauges != nil && s.Gauges != nil:
			err = s.Gauges(tx, d, out.gauges)
		}
		if err != nil {
			return err
		}
		for _, res := range l.touched {
			if err := writeResource(tx, src.Name, res, now); err != nil {
				return err
			}
		}
		if err := dropResources(tx, src.Name, out.used, l.held, now.Add(-forgetAfter)); err != nil {
			return err
		}
		if changed {
			r.changedAt, r.issuedAt = now, out.issued()
			n, quiet, noData := out.counts()
			r.entries, r.quiet, r.noData = int64(n), int64(quiet), int64(noData)
			r.deviations, r.listed = listed(out.deviations())
			r.deviations += out.more()
		}
		r.kind, r.askedAt, r.answeredAt, r.failures, r.failedAt, r.diagnosis = src.Kind, now, now, 0, time.Time{}, nil
		r.document, r.address, r.skew = out.document, out.address, out.skew
		r.parts, r.missing, r.incomplete = int64(out.parts), int64(out.missing), out.why
		r.nextAt = now.Add(s.jitter(src.Interval))
		tx.OnCommit(func() {
			result := "unchanged"
			if changed {
				result = "taken"
			}
			s.metrics.rounds.WithLabelValues(src.Name, result).Inc()
		})
		return writeRow(tx, src.Name, r)
	})
}

// failed remembers why a source gave nothing, and when it is asked again.
func (s *Service) failed(ctx context.Context, src *Source, d *Diagnosis, touched map[string]resource) error {
	now := s.Clock.Now()
	s.Log.Warn("intake: feed failed", "feed", src.Name, "key", d.Key, "address", d.Address, "line", d.Line)
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		r, err := s.row(tx, src)
		if err != nil {
			return err
		}
		for _, res := range touched {
			if res.refused == "" {
				continue // what was understood is not remembered before it is taken
			}
			if err := writeResource(tx, src.Name, res, now); err != nil {
				return err
			}
		}
		if r.failures == 0 {
			r.failedAt = now
		}
		r.failures++
		r.askedAt, r.diagnosis = now, d
		wait := src.Interval << min(r.failures-1, 10)
		if most := max(src.Interval, longestPause); wait > most || wait <= 0 {
			wait = most
		}
		r.nextAt = now.Add(max(s.jitter(wait), d.after))
		tx.OnCommit(func() { s.metrics.rounds.WithLabelValues(src.Name, "failed").Inc() })
		return writeRow(tx, src.Name, r)
	})
}

// jitter keeps the nodes of the world from asking a sender in the same second.
func (s *Service) jitter(d time.Duration) time.Duration {
	if s.Driven {
		return d
	}
	return d + time.Duration(rand.Int64N(int64(d)/10+1))
}

// Switch switches a source on or off. Whoever does it says why.
func (s *Service) Switch(ctx context.Context, person, name string, on bool, reason string) error {
	const op = "intake.Switch"
	src, err := s.source(op, name)
	if err != nil {
		return err
	}
	reason = strings.TrimSpace(reason)
	switch {
	case reason == "" || len([]rune(reason)) > maxReason:
		return problem.New(op, problem.Invalid, "intake.reason", i18n.Args{"max": maxReason})
	case on && s.Config.Contact == "":
		return problem.New(op, problem.Conflict, "intake.no_contact", nil)
	}
	return problem.Wrap(op, s.DB.Write(ctx, func(tx *store.Tx) error {
		r, err := s.row(tx, src)
		if err != nil {
			return err
		}
		if r.on == on {
			return problem.New(op, problem.Conflict, map[bool]string{true: "intake.is_on", false: "intake.is_off"}[on], i18n.Args{"name": name})
		}
		r.kind, r.on, r.switchedAt, r.switchedBy, r.reason, r.nextAt = src.Kind, on, s.Clock.Now(), person, reason, time.Time{}
		if err := writeRow(tx, name, r); err != nil {
			return err
		}
		tx.Notify(topic)
		action := "feed.off"
		if on {
			action = "feed.on"
		}
		return s.Audit.Append(tx, audit.Event{Action: action, Actor: person, Object: name, Detail: []byte(reason)})
	}))
}

// FetchNow asks a source at once, on the instance that fetches.
func (s *Service) FetchNow(ctx context.Context, person, name string) error {
	const op = "intake.FetchNow"
	src, err := s.source(op, name)
	if err != nil {
		return err
	}
	return problem.Wrap(op, s.DB.Write(ctx, func(tx *store.Tx) error {
		r, err := s.row(tx, src)
		if err != nil {
			return err
		}
		if !r.on {
			return problem.New(op, problem.Conflict, "intake.is_off", i18n.Args{"name": name})
		}
		r.nextAt = time.Time{}
		if err := writeRow(tx, name, r); err != nil {
			return err
		}
		tx.Notify(topic)
		return s.Audit.Append(tx, audit.Event{Action: "feed.fetch", Actor: person, Object: name})
	}))
}

// sweeps removes originals whose time is over.
func (s *Service) sweeps(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("intake: sweep", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(sweepEvery):
		}
	}
	return ctx.Err()
}

func (s *Service) sweep(ctx context.Context) error {
	for {
		var due []Original
		err := s.DB.Read(ctx, func(tx *store.Tx) (err error) { due, err = dueOriginals(tx, s.Clock.Now(), sweepMany); return err })
		if err != nil || len(due) == 0 {
			return err
		}
		for _, o := range due {
			var alone bool
			if err := s.DB.Write(ctx, func(tx *store.Tx) (err error) { alone, err = deleteOriginal(tx, o); return err }); err != nil {
				return err
			}
			ref, err := blob.ParseRef(o.Blob)
			if err != nil || !alone {
				continue
			}
			if _, err := s.Files.Delete(ref, sweepEvery); err != nil { // not what was put again just now
				return fmt.Errorf("intake: %s: %w", ref, err)
			}
		}
	}
}
