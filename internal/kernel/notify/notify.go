package notify

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed locales/*.json
var locales embed.FS

// Migrations returns the tables of this package, for store.DB.Migrate.
func Migrations() fs.FS { return migrations }

// Locales returns the package's texts.
func Locales() fs.FS { return locales }

const (
	// sendTimeout bounds one attempt: longer than a busy mail server takes, short
	// enough that a node that stops does not wait long.
	sendTimeout = 15 * time.Second
	// clockAhead is how far in the future an attempt may lie, for the clocks of
	// two instances. What lies further was noted while the clock was wrong, and
	// would hide what has happened since.
	clockAhead = time.Minute
	// keep is how long notifications are remembered: for the page of channels,
	// and so that one with a unique key is not sent again.
	keep = 30 * 24 * time.Hour
	// queuePrune is the job queue of the daily deletion, pruneAt its local time:
	// when few people work.
	queuePrune = "notify.prune"
	pruneAt    = "03:40"
)

// Class is how soon a person has to act: the class of an alarm.
type Class string

// The classes: act now, act soon, be aware.
const (
	A Class = "A"
	B Class = "B"
	C Class = "C"
)

func (c Class) valid() bool { return c == A || c == B || c == C }

// Notification is what people are told. The first text is the headline, More
// are the sentences below it: since when, what to do.
type Notification struct {
	Kind  store.Kind // of the cause
	Class Class
	Text
	More []Text
	// Organisation is the id of the one whose business it is; "" is the whole
	// node's. Channels of the whole node get it too.
	Organisation string
	// Link is the path of the page to look at, such as /health.
	Link string
	// Unique, if not empty, lets one notification of its kind with this key leave
	// within keep, and names it for Cancel.
	Unique string
	// NotBefore is when it may leave; zero: at once.
	NotBefore time.Time
}

// ErrInvalid is returned for a notification that can't be stored.
var ErrInvalid = errors.New("notify: invalid notification")

// Deps is what the service stands on.
type Deps struct {
	DB    *store.DB
	Jobs  *job.Queue
	Clock *clock.Clock
	Texts *i18n.Bundle
	Log   *slog.Logger
	Dir   string // of the configuration file
	Place string // name of the node's place, such as Liberec
}

// Service sends notifications. It is safe for concurrent use.
type Service struct {
	Deps
	base     string
	channels []*channel
}

// channel is one way out.
type channel struct {
	id           string
	kind         store.Kind
	classes      []string
	organisation string
	send         func(ctx context.Context, m message) error
}

// takes reports whether what is of this kind, class and organisation leaves by c.
func (c *channel) takes(kind store.Kind, class Class, organisation string) bool {
	return c.kind == kind && slices.Contains(c.classes, string(class)) &&
		(c.organisation == "" || c.organisation == organisation)
}

// message is a notification on its way out.
type message struct {
	id    string // of the notification; the same in every attempt
	kind  store.Kind
	class Class
	texts []Text
	link  string
	at    time.Time
}

// New returns the service for a validated configuration. Nothing is read or
// connected yet: a password that is not there must not keep the node from
// starting.
func New(cfg Config, d Deps) *Service {
	s := &Service{Deps: d, base: strings.TrimSuffix(cfg.BaseURL, "/")}
	path := func(p string) string {
		if p == "" || filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(d.Dir, p)
	}
	smtp := cfg.SMTP
	smtp.PasswordFile, smtp.CAFile = path(smtp.PasswordFile), path(smtp.CAFile)
	for _, r := range cfg.Recipients {
		m := &mailer{service: s, smtp: smtp, to: r.Email}
		for _, l := range r.Languages {
			m.langs = append(m.langs, i18n.Lang(l))
		}
		s.channels = append(s.channels, &channel{"mail:" + r.Name, store.Kind(r.Kind), r.Classes, r.Organisation, m.send})
	}
	for _, w := range cfg.Webhooks {
		w.SecretFile, w.CAFile = path(w.SecretFile), path(w.CAFile)
		s.channels = append(s.channels, &channel{hookID(w.URL), store.Kind(w.Kind), w.Classes, w.Organisation, (&hook{s, w}).send})
	}
	return s
}

// hookID names a webhook by its host; the rest of the address may be a secret.
func hookID(address string) string {
	sum := sha256.Sum256([]byte(address))
	host := ""
	if u, err := url.Parse(address); err == nil {
		host = u.Host
	}
	return "webhook:" + host + "#" + hex.EncodeToString(sum[:4])
}

func queueOf(channel string) string { return "notify." + channel }

// IsChannel reports whether a job queue is that of a channel.
func IsChannel(queue string) bool { return strings.HasPrefix(queue, "notify.") && queue != queuePrune }

// Send puts n into the outbox, in the caller's transaction: it leaves if and only
// if that is committed. Without a channel that takes it nothing leaves.
func (s *Service) Send(tx *store.Tx, n Notification) error {
	if !n.Kind.Valid() || !n.Class.valid() || n.Key == "" {
		return fmt.Errorf("%w: kind %q, class %q, key %q", ErrInvalid, n.Kind, n.Class, n.Key)
	}
	texts, err := json.Marshal(append([]Text{n.Text}, n.More...))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	id := s.Clock.NewID()
	if rows, err := insert(tx, id, n, string(texts), s.Clock.Now()); err != nil || rows == 0 {
		return err
	}
	for _, c := range s.channels {
		if !c.takes(n.Kind, n.Class, n.Organisation) {
			continue
		}
		if err := addDelivery(tx, id, c); err != nil {
			return err
		}
		if _, err := s.Jobs.Enqueue(tx, job.Job{Queue: queueOf(c.id), Kind: c.kind, Payload: []byte(id), RunAt: n.NotBefore}); err != nil {
			return fmt.Errorf("notify: %w", err)
		}
	}
	return nil
}

// Schedule registers the workers of all channels; call it before Jobs.Run. What
// waits for a channel that the configuration no longer has is dropped.
func (s *Service) Schedule(ctx context.Context) error {
	for _, c := range s.channels {
		if err := s.Jobs.Handle(queueOf(c.id), c.kind, s.deliver(c)); err != nil {
			return err
		}
	}
	var orphans []orphan
	err := s.DB.Read(ctx, func(tx *store.Tx) (err error) { orphans, err = waitingFor(tx); return err })
	if err != nil {
		return err
	}
	for _, o := range orphans {
		if slices.ContainsFunc(s.channels, func(c *channel) bool { return c.id == o.channel && c.kind == o.kind }) {
			continue
		}
		if err := s.Jobs.Handle(queueOf(o.channel), o.kind, func(ctx context.Context, j job.Job) error {
			return s.DB.Write(ctx, func(tx *store.Tx) error {
				return settle(tx, string(j.Payload), o.channel, outcome{state: dropped, attempt: j.Attempt, at: s.Clock.Now(), failure: "the channel is not configured"})
			})
		}); err != nil {
			return err
		}
	}
	return s.Jobs.Daily(ctx, queuePrune, pruneAt, store.Live, func(ctx context.Context, _ job.Job) error {
		return s.DB.Write(ctx, func(tx *store.Tx) error { return prune(tx, s.Clock.Now().Add(-keep)) })
	})
}

// deliver is the worker of one channel.
func (s *Service) deliver(c *channel) job.Func {
	return func(ctx context.Context, j job.Job) error {
		id := string(j.Payload)
		var m message
		var state string
		err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
			m, state, err = load(tx, id, c.id)
			return err
		})
		if errors.Is(err, store.ErrNoRows) {
			return nil // pruned
		}
		if err != nil {
			return err
		}
		if state == sent || state == dropped {
			return nil // a second run after a crash, or cancelled
		} // a failed one is here because a person had the job run again
		result := outcome{state: sent, attempt: j.Attempt}
		// The worker's kind chose the channel; the row's kind is what counts.
		if m.kind != c.kind {
			result.state, result.failure = dropped, "a notification of another kind"
		} else if err = s.attempt(ctx, c, m); err != nil {
			result.state, result.failure = waiting, err.Error()
			if j.Attempt >= j.MaxAttempts {
				result.state = failed
			}
		}
		result.at = s.Clock.Now()
		if werr := s.DB.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
			if err := settle(tx, id, c.id, result); err != nil || result.state != sent {
				return err
			}
			return j.Finish(tx)
		}); werr != nil {
			return werr
		}
		return err
	}
}

func (s *Service) attempt(ctx context.Context, c *channel, m message) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return c.send(ctx, m)
}

// Cancel takes back what has not left yet of the notification with this unique
// key: the alarm was opened in the meantime.
func (s *Service) Cancel(tx *store.Tx, kind store.Kind, unique string) error {
	return cancel(tx, kind, unique)
}

// Direct sends n at once and without the database, for the one case in which
// nothing can be stored. It returns how many channels took it. Nothing is tried
// again; Unique and NotBefore are ignored.
func (s *Service) Direct(ctx context.Context, n Notification) (delivered int, err error) {
	m := message{id: s.Clock.NewID(), kind: n.Kind, class: n.Class, texts: append([]Text{n.Text}, n.More...), link: n.Link, at: s.Clock.Now()}
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for _, c := range s.channels {
		if !c.takes(n.Kind, n.Class, n.Organisation) {
			continue
		}
		wg.Go(func() {
			err := s.attempt(ctx, c, m)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				delivered++
			} else {
				errs = append(errs, fmt.Errorf("%s: %w", c.id, err))
			}
		})
	}
	wg.Wait()
	return delivered, errors.Join(errs...)
}

// Probe sends a fixed text by one channel now, for the person who configures it.
// It is marked as a test whatever the channel's kind.
func (s *Service) Probe(ctx context.Context, channel string) error {
	for _, c := range s.channels {
		if c.id == channel {
			return s.attempt(ctx, c, message{id: s.Clock.NewID(), kind: store.Test, class: C, texts: []Text{{Key: "notify.probe"}}, at: s.Clock.Now()})
		}
	}
	return fmt.Errorf("notify: no channel %q", channel)
}

// ChannelState is how a channel works. Times are zero for never.
type ChannelState struct {
	ID      string
	Kind    store.Kind
	Waiting int64 // notifications that have not left
	SentAt  time.Time
	// FailedAt and Error are of the last attempt if it failed.
	FailedAt time.Time
	Error    string
}

// Channels lists the configured channels with what the outbox knows of them.
func (s *Service) Channels(tx *store.Tx) ([]ChannelState, error) {
	out := make([]ChannelState, 0, len(s.channels))
	for _, c := range s.channels {
		st, err := stateOf(tx, c, s.Clock.Now().Add(clockAhead))
		if err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	return out, nil
}

// Reaches reports whether anybody is told what is of this kind, class and
// organisation ("": the whole node's).
func (s *Service) Reaches(kind store.Kind, class Class, organisation string) bool {
	return slices.ContainsFunc(s.channels, func(c *channel) bool { return c.takes(kind, class, organisation) })
}

// link is the whole address of a page, "" when the node does not know its own.
func (s *Service) link(path string) string {
	if path == "" || s.base == "" {
		return ""
	}
	return s.base + path
}
