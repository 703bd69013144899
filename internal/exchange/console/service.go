package console

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/classification"
	"trojmezi/internal/exchange/disclosure"
	"trojmezi/internal/exchange/phrase"
	"trojmezi/internal/exchange/unit"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed locales/*.json
var locales embed.FS

// Migrations returns the module's tables.
func Migrations() fs.FS { return migrations }

// Locales returns the module's texts.
func Locales() fs.FS { return locales }

const (
	// timerPoll is how often stored times are looked at: the shortest of them is
	// half a minute, and people count in seconds.
	timerPoll = time.Second
	// feedPoll is how often the feed is read without a wake-up, which may be lost.
	feedPoll = 2 * time.Second
	// beat is how often an instance says that its consoles are still open, and
	// that somebody receives for the addresses; three missed beats are an end.
	beat = 5 * time.Second
	// streamLife is how long an open console is believed without a beat.
	streamLife = 3 * beat
	// pruneEvery is how often idempotency keys and dead streams are put away.
	pruneEvery = time.Hour
)

// Deps is what the service stands on.
type Deps struct {
	DB    *store.DB
	Node  *exchange.Node
	Ring  *seal.Ring
	Audit *audit.Log
	Clock *clock.Clock
	Texts *i18n.Bundle
	Log   *slog.Logger
	// Organisations lists the control rooms of this node.
	Organisations func(context.Context) ([]Org, error)
	// Name is a person's name for the screens and for the neighbours, "" for
	// nobody known; nil: nobody has one.
	Name func(tx *store.Tx, person string) string
	// SecondChannel tells people outside the room of an alarm that no console
	// can sound, in the transaction that notes it; nil: there is no such channel.
	SecondChannel func(tx *store.Tx, a Alarm) error
	// Heard takes back what SecondChannel told of an alarm and has not left yet,
	// in the transaction that notes that a person knows of it; nil like it.
	Heard func(tx *store.Tx, kind store.Kind, alarm string) error
	// ClockWrong reports whether the clock is known to be wrong; nil: nobody knows.
	ClockWrong func(context.Context) (bool, error)
	// PlaceNames are the other names of a municipality, by which the archive
	// finds it too; nil: it is found by the name in the message.
	PlaceNames func(place string) []string
	// Phrases is the phrasebook; nil: phrases are shown as they came.
	Phrases *phrase.Service
	// Translator asks a machine for a translation; nil: there is none.
	Translator *phrase.Translator
	// Types is the crosswalk of incident types; nil: keywords stay as they came.
	Types *classification.Service
	// Units takes the messages about units and knows those of the neighbours; nil:
	// they are messages like others.
	Units *unit.Service
	// Beside takes messages that are other modules', in the transaction that reads them;
	// false: it is none of them. nil: there are none.
	Beside func(tx *store.Tx, org string, e exchange.Entry) (bool, error)
	// Disclosure decides what neighbours are told; nil: they are told everything.
	Disclosure *disclosure.Service
	// Instance names this instance among several on one database.
	Instance string
}

// Service is the console of every organisation on this node. It is safe for
// concurrent use.
type Service struct {
	Deps

	mu      sync.Mutex
	skipped map[string]int64 // per organisation: the feed holds nothing for it up to here
	stuck   map[string]stuck // per organisation whose feed failed
}

// New returns the service.
func New(d Deps) *Service {
	return &Service{Deps: d, skipped: map[string]int64{}, stuck: map[string]stuck{}}
}

// Run reads the feed, keeps the alarms and stands for the addresses as somebody
// who receives, until ctx ends. Of several instances one projects; each serves
// its own consoles.
func (s *Service) Run(ctx context.Context) error {
	if err := s.desks(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.DB.Lead(ctx, "console.feed", s.follow) })
	g.Go(func() error { return s.DB.Lead(ctx, "console.timer", s.timer) })
	g.Go(func() error { return s.beats(ctx) })
	err := g.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// desks tells the node for which addresses it wakes us.
func (s *Service) desks(ctx context.Context) error {
	orgs, err := s.Organisations(ctx)
	if err != nil {
		return err
	}
	var all []string
	for _, o := range orgs {
		all = append(all, o.Addresses...)
	}
	s.Node.Desks(all)
	return nil
}

// follow projects the feed as it grows.
func (s *Service) follow(ctx context.Context) error {
	feed := s.DB.Watch(exchange.TopicFeed)
	defer feed.Close()
	receipts := s.DB.Watch(exchange.TopicReceipt)
	defer receipts.Close()
	for {
		if err := s.Sync(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("console: feed", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-feed.C():
		case <-receipts.C():
		case <-time.After(feedPoll):
		}
	}
}

// Sync reads every organisation's feed to its end and brings the messages that
// are on their way up to date.
func (s *Service) Sync(ctx context.Context) error {
	orgs, err := s.Organisations(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, o := range orgs {
		// One room's fault must not silence another.
		errs = append(errs, s.catchUp(ctx, o), s.passOn(ctx, o), s.onTheWay(ctx, o.ID))
	}
	return errors.Join(errs...)
}

func (s *Service) timer(ctx context.Context) error {
	// A line that fails or a room that closes is told of at once.
	changes := s.DB.Watch(exchange.TopicReceipt)
	defer changes.Close()
	for {
		if err := s.Tick(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("console: alarms", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changes.C():
		case <-time.After(timerPoll):
		}
	}
}

// beats keeps presence: of the addresses at the node, of the open consoles in the
// database.
func (s *Service) beats(ctx context.Context) error {
	var pruned time.Time
	for {
		if err := s.beat(ctx, s.Clock.Now().Sub(pruned) >= pruneEvery); err != nil {
			if ctx.Err() == nil {
				s.Log.Warn("console: presence", "error", err)
			}
		} else if s.Clock.Now().Sub(pruned) >= pruneEvery {
			pruned = s.Clock.Now()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(beat):
		}
	}
}

func (s *Service) beat(ctx context.Context, prune bool) error {
	if err := s.desks(ctx); err != nil {
		return err
	}
	orgs, err := s.Organisations(ctx)
	if err != nil {
		return err
	}
	for _, o := range orgs {
		s.Node.Attend(ctx, o.Addresses)
	}
	var open int64
	now := s.Clock.Now()
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.Row(`SELECT COUNT(*) FROM console_stream WHERE instance = $1`, s.Instance).Scan(&open)
	})
	if err != nil || open == 0 && !prune {
		return err
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(`UPDATE console_stream SET beat_at = $2 WHERE instance = $1`, s.Instance, millis(now)); err != nil || !prune {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM console_stream WHERE beat_at < $1`, millis(now.Add(-pruneEvery))); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM console_once WHERE at < $1`, millis(now.Add(-onceLife))); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM console_edit WHERE until < $1`, millis(now)); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM console_claim WHERE until < $1`, millis(now))
		return err
	})
}

// Watch wakes when something of an organisation changed. The caller closes it.
func (s *Service) Watch(org string) *store.Watch { return s.DB.Watch(topic(org)) }

// Organisation finds an organisation; problem NotFound.
func (s *Service) Organisation(ctx context.Context, org string) (Org, error) {
	orgs, err := s.Organisations(ctx)
	if err != nil {
		return Org{}, problem.Wrap("console.Organisation", err)
	}
	for _, o := range orgs {
		if o.ID == org {
			o.Lang = cmp.Or(o.Lang, i18n.En)
			return o, nil
		}
	}
	return Org{}, problem.New("console.Organisation", problem.NotFound, "console.d.refuse.organisation", nil)
}

func (s *Service) name(tx *store.Tx, person string) string {
	if person == "" || s.Name == nil {
		return ""
	}
	return s.Name(tx, person)
}
