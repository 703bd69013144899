package channel

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

const (
	// batch is how many dispatches a worker takes at once, abreast how many of them it
	// sends at the same time.
	batch, abreast = 32, 8
	// sendTimeout bounds one attempt: longer than a busy server takes.
	sendTimeout = 15 * time.Second
	// lease is how long a worker may be at a batch: all of it, each attempt at its worst,
	// with as much again for the clocks of two instances. What a killed node held is sent
	// after it.
	lease = 2 * (batch/abreast + 1) * sendTimeout
	// mostAttempts with the pauses between them last longer than most outages.
	mostAttempts = 14
	// firstPause and longestPause bound the pause between attempts, doubled each time.
	firstPause, longestPause = 5 * time.Second, 30 * time.Minute
	// checkEvery is how often connections are tried.
	checkEvery = time.Hour
	// eraseAt is the local time of the daily deletion: when the least is asked of the node.
	eraseAt = "03:35"
)

// Queues of the jobs.
const (
	queueErase = "channel.erase"
	queueCheck = "channel.check"
)

// Message is what a neighbour's control room gets.
type Message struct {
	ID        string // the same in every attempt
	To        string // OID
	Kind      store.Kind
	Lang      i18n.Lang
	Reference Reference
	Title     string // with the mark of an exercise
	Text      string // the whole, with whose it is
}

// Options are what a service stands on.
type Options struct {
	DB     *store.DB
	Jobs   *job.Queue
	Ring   *seal.Ring
	Key    *seal.Node
	Audit  *audit.Log
	Clock  *clock.Clock
	Texts  *i18n.Bundle
	Log    *slog.Logger
	Places *register.Register
	Dir    string // of the configuration file
	Place  string // name of the node's place
	Base   string // address under which everybody finds the node; "": not known
	// Warnings are all official warnings as they stand; nil: none are followed.
	Warnings func(ctx context.Context) ([]*warning.Warning, *warning.Book, error)
	// Neighbour puts a message into the outbox of the exchange; nil: a node without it.
	Neighbour func(tx *store.Tx, m Message) error
	// Addresses are those of members of the public, in the transaction in which the turn of
	// what they are told has come; who is not there is told nothing.
	Addresses func(tx *store.Tx, members []int64) (map[int64]Address, error)
	// Gone is told of an address of the public that will never work again, in the
	// transaction in which that is written down.
	Gone func(tx *store.Tx, channel, target string) error
	// Reached is told that what was sent to an address of the public has arrived, in the
	// transaction in which that is written down.
	Reached func(tx *store.Tx, r Reference) error
	// Subscribed are the channels by which subscribers of a municipality are told, by its
	// id; nil: nobody subscribes.
	Subscribed func(tx *store.Tx) (map[string][]string, error)
	// Areas are those of the node; nil: the shipped ones.
	Areas *area.Table
}

// Service keeps the outbox of a node. It is safe for concurrent use.
type Service struct {
	Options
	config    Config
	channels  []*channel
	tests     []*channel  // ways of test messages beside live channels
	receivers []*receiver // of the configuration
	areas     *area.Table
	macKey    []byte

	mu        sync.Mutex
	concerned map[string]concern // of areas, by what they are
	shapes    sync.Once
	outlines  []outline
}

// channel is one way out.
type channel struct {
	name  string
	base  string // name of the channel whose way of tests it is, else its own
	sort  Sort
	kind  store.Kind
	setup Setup
	stale time.Duration
	takes func(target string) bool
	// send hands one letter on. nil: commit does it, in the transaction of the receipt.
	send   func(ctx context.Context, l *letter) outcome
	commit func(tx *store.Tx, l *letter) outcome
	// check tries the connection without a message; nil: that can't be done.
	try func(ctx context.Context) error
	// rest ends connections that are kept between letters.
	rest func()
}

// outcome is how an attempt ended.
type outcome struct {
	state   State // Sent, Accepted; Waiting after a failure that may pass; Failed
	failure string
	hop     string // what the next hop calls it
	note    string
	pause   time.Duration // that the next hop asks for
	broken  bool          // the channel is to blame, not the address
	refused bool          // the address is not there any more
	due     time.Time
}

func accepted(hop, note string) outcome { return outcome{state: Accepted, hop: hop, note: note} }

// later is a failure that may pass, never one that will not.
func later(err error) outcome { return outcome{state: Waiting, failure: err.Error(), broken: true} }

func never(err error) outcome { return outcome{state: Failed, failure: err.Error()} }

// New returns the service for a validated configuration. Nothing is read or connected
// yet: a password that is not there must not keep the node from starting.
func New(c Config, o Options) (*Service, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{Options: o, config: c, concerned: map[string]concern{}}
	s.Base = strings.TrimSuffix(s.Base, "/")
	if s.config.Keep == 0 {
		s.config.Keep = DefaultKeep
	}
	if o.Key != nil {
		s.macKey = o.Key.Derive("channel address", sha256.Size)
	}
	if s.areas = o.Areas; s.areas == nil {
		var err error
		if s.areas, err = area.Load(o.Places); err != nil {
			return nil, problem.Wrap("channel.New", err)
		}
	}
	for _, x := range c.List {
		ch, err := s.way(x, x.Name, store.Kind(x.Kind))
		if err != nil {
			return nil, problem.Wrap("channel.New", err)
		}
		s.channels = append(s.channels, ch)
		if x.Tests && ch.kind == store.Live {
			if ch, err = s.way(x, x.Name+testSuffix, store.Test); err != nil {
				return nil, problem.Wrap("channel.New", err)
			}
			s.tests = append(s.tests, ch)
		}
	}
	for i := range c.Receivers {
		s.receivers = append(s.receivers, s.receiver(&c.Receivers[i]))
	}
	return s, nil
}

// way makes the channel of a setup, under a name and for a kind.
func (s *Service) way(x Setup, name string, kind store.Kind) (*channel, error) {
	ch := &channel{name: name, base: x.Name, sort: Sort(x.Sort), kind: kind, setup: x, stale: x.StaleAfter, rest: func() {}}
	ch.takes = func(target string) bool { return wellFormed(ch.sort, target) }
	switch ch.sort {
	case Mail:
		s.mail(ch)
	case SMS:
		s.sms(ch)
	case Webhook:
		s.webhook(ch)
	case Push:
		if err := s.push(ch); err != nil {
			return nil, err
		}
	case Node:
		s.node(ch)
	case Handover:
		s.folder(ch)
	}
	if ch.stale == 0 {
		if ch.stale = DefaultStale; ch.try == nil {
			ch.stale = staleUntried
		}
	}
	return ch, nil
}

func (s *Service) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(s.Dir, p)
}

func (s *Service) channel(name string) *channel {
	for _, list := range [][]*channel{s.channels, s.tests} {
		for _, c := range list {
			if c.name == name {
				return c
			}
		}
	}
	return nil
}

// Named is a channel as others may choose one.
type Named struct {
	Name string
	Sort Sort
	Kind store.Kind
}

// Of lists the channels of a sort and kind, in the order of the configuration.
func (s *Service) Of(sort Sort, kind store.Kind) (all []Named) {
	for _, c := range s.channels {
		if c.sort == sort && c.kind == kind {
			all = append(all, Named{c.name, c.sort, c.kind})
		}
	}
	return all
}

func queueOf(c *channel) string { return "channel.send." + c.name }

// IsChannel reports whether a job queue is that of a channel.
func IsChannel(queue string) bool { return strings.HasPrefix(queue, "channel.send.") }

// mark tells an address from others without telling it.
func (s *Service) mark(channel, target string) string {
	m := hmac.New(sha256.New, s.macKey)
	fmt.Fprintf(m, "%d %s%s", len(channel), channel, target)
	return hex.EncodeToString(m.Sum(nil)[:16])
}

// sealPlace binds what is sealed to its row.
func sealPlace(id, column string) []byte { return []byte("channel_dispatch." + column + "." + id) }

// Queue puts dispatches into the outbox, in the caller's transaction: they leave if and
// only if that is committed. An address that has this revision already gets nothing
// again. problem Invalid says what is wrong with one; nothing is queued then.
func (s *Service) Queue(tx *store.Tx, all ...Dispatch) error {
	q := &queueing{Service: s, tx: tx, now: s.Clock.Now(), keys: map[string]*seal.Key{}, contents: map[said]*content{}, rows: map[*channel][]*row{}, packets: map[string]*packet{}}
	for i := range all {
		if err := q.add(&all[i]); err != nil {
			return err
		}
	}
	return problem.Wrap("channel.Queue", q.write())
}

// Schedule registers the workers; call it before Jobs.Run.
func (s *Service) Schedule(ctx context.Context) error {
	for _, c := range slices.Concat(s.channels, s.tests) {
		if err := s.Jobs.Handle(queueOf(c), c.kind, func(ctx context.Context, j job.Job) error { return s.work(ctx, c, j) }); err != nil {
			return err
		}
		// What a node held that was killed waits for nobody's job.
		if err := s.DB.Write(ctx, func(tx *store.Tx) error {
			at, err := nextDue(tx, c)
			if err != nil || at.IsZero() {
				return err
			}
			_, err = s.Jobs.Enqueue(tx, job.Job{Queue: queueOf(c), Kind: c.kind, UniqueKey: "now"})
			return err
		}); err != nil {
			return err
		}
	}
	if err := s.Jobs.Every(ctx, queueCheck, checkEvery, store.Live, func(ctx context.Context, _ job.Job) error {
		_, err := s.CheckAll(ctx)
		return err
	}); err != nil {
		return err
	}
	return s.Jobs.Daily(ctx, queueErase, eraseAt, store.Live, func(ctx context.Context, _ job.Job) error { return s.Erase(ctx) })
}

// work sends what is due of a channel until nothing is.
func (s *Service) work(ctx context.Context, c *channel, j job.Job) error {
	defer c.rest()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		holder := s.Clock.NewID()
		var letters []*claimed
		var next time.Time
		var unpacked bool
		err := s.DB.Write(ctx, func(tx *store.Tx) (err error) {
			letters, next, unpacked = nil, time.Time{}, false
			now := s.Clock.Now()
			room, free, err := s.room(tx, c, now)
			if err != nil {
				return err
			}
			if room > 0 {
				if unpacked, err = s.unpack(tx, c); err != nil {
					return err
				}
			}
			if _, err := giveUp(tx, c, now); err != nil {
				return err
			}
			if room > 0 {
				if letters, err = ready(tx, c, now, min(room, batch)); err != nil {
					return err
				}
			}
			for _, l := range letters {
				if err := hold(tx, l.id, holder, now, now.Add(lease)); err != nil {
					return err
				}
				l.attempt++
				if err := s.open(tx, l); err != nil {
					return err
				}
			}
			if len(letters) > 0 || unpacked {
				return nil
			}
			// In the transaction that finds nothing: what is queued after it wakes anew.
			if next, err = nextDue(tx, c); err != nil {
				return err
			}
			if err := j.Finish(tx); err != nil {
				return err
			}
			if next.IsZero() {
				return nil
			}
			if next.Before(free) {
				next = free
			}
			_, err = s.Jobs.Enqueue(tx, job.Job{Queue: queueOf(c), Kind: c.kind, RunAt: next, UniqueKey: fmt.Sprint("at ", next.Unix())})
			return err
		})
		if err != nil || len(letters) == 0 && !unpacked {
			return err
		}
		if len(letters) == 0 {
			continue
		}
		if err := s.deliver(ctx, c, holder, letters); err != nil {
			return err
		}
	}
}

// room is how many may leave now by the channel's rate, and when the next may.
func (s *Service) room(tx *store.Tx, c *channel, now time.Time) (n int, free time.Time, err error) {
	n, first, err := triedSince(tx, c, now.Add(-time.Minute), now)
	if err != nil || n < c.setup.PerMinute {
		return c.setup.PerMinute - n, now, err
	}
	return 0, first.Add(time.Minute), nil
}

// open unseals the address of a letter. Without its key it stays closed.
func (s *Service) open(tx *store.Tx, l *claimed) error {
	key, err := s.Ring.Lookup(tx, l.key)
	if errors.Is(err, seal.ErrDestroyed) {
		return nil // deliver gives it up
	}
	if err != nil {
		return err
	}
	target, err := key.Open(l.target, sealPlace(l.id, "target"))
	if err != nil {
		return err
	}
	l.Target = string(target)
	if len(l.stop) > 0 {
		stop, err := key.Open(l.stop, sealPlace(l.id, "stop"))
		if err != nil {
			return err
		}
		l.Stop = string(stop)
	}
	if l.Ack && s.Base != "" {
		l.ackURL = s.Base + ackPath(s.ackToken(l.id))
	}
	return nil
}

// deliver sends letters, some at a time, and writes down how it ended.
func (s *Service) deliver(ctx context.Context, c *channel, holder string, letters []*claimed) error {
	results := make([]outcome, len(letters))
	slots := make(chan struct{}, abreast)
	var wg sync.WaitGroup
	for i, l := range letters {
		switch {
		case l.Target == "":
			results[i] = never(errors.New("its address is deleted"))
			continue
		case l.Kind != c.kind: // the worker's kind chose it; the row's own is what counts
			results[i] = never(errors.New("of another kind than the channel"))
			continue
		case c.send == nil:
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(ctx, sendTimeout)
			defer cancel()
			results[i] = c.send(ctx, &l.letter)
		})
	}
	wg.Wait()
	stopped := ctx.Err() != nil
	return s.DB.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		now := s.Clock.Now()
		fine, failure := false, ""
		for i, l := range letters {
			o := results[i] // a copy: this may run twice
			if o.state == "" {
				o = c.commit(tx, &l.letter)
			}
			if o.state == Waiting {
				o.due = now.Add(max(pause(l.attempt), min(o.pause, longestPause)))
				if stopped {
					o.due = now
				} else if l.attempt >= mostAttempts {
					o.state = Failed
				}
			}
			o.failure = scrub(o.failure, l.Target)
			if o.state.reached() {
				fine = true
			} else if o.broken && !stopped {
				failure = o.failure
			}
			if _, err := settle(tx, l.id, holder, &o, now); err != nil {
				return err
			}
			if l.Receiver != "" && (o.refused || o.state.reached()) {
				if err := s.refusal(tx, c, l, &o, now); err != nil {
					return err
				}
			}
			if o.refused && l.Receiver == "" && s.Gone != nil && l.Target != "" {
				if err := s.Gone(tx, c.name, l.Target); err != nil {
					return err
				}
			}
			if o.state.reached() && l.Receiver == "" && s.Reached != nil {
				if err := s.Reached(tx, l.Reference); err != nil {
					return err
				}
			}
		}
		if fine && c.base != c.name { // a test has shown it
			if err := worked(tx, s.channel(c.base), now); err != nil {
				return err
			}
		}
		if fine {
			return worked(tx, c, now)
		}
		if failure != "" {
			return broke(tx, c, now, failure)
		}
		return nil
	})
}

// pause is the time until the next attempt: doubled each time, and shortened by chance
// by up to a half, so that what failed together does not come back together.
func pause(attempt int) time.Duration {
	d := longestPause
	if shift := attempt - 1; shift < 16 {
		d = min(firstPause<<shift, longestPause)
	}
	return d/2 + rand.N(d/2+1)
}

// scrub takes an address out of what a server or library says: failures are stored and
// shown.
func scrub(failure, target string) string {
	if failure == "" {
		return ""
	}
	secrets := []string{target, strings.TrimPrefix(target, "+")}
	if h := readHook(target); h.URL != "" {
		secrets = append(secrets, h.URL, h.Secret)
	}
	if sub, ok := readSubscription(target); ok {
		secrets = append(secrets, sub.Endpoint)
	}
	for _, x := range secrets {
		if len(x) > 3 {
			failure = strings.ReplaceAll(failure, x, "***")
			failure = strings.ReplaceAll(failure, strings.ToLower(x), "***")
		}
	}
	return failure
}

// ackToken is what only who got a letter knows.
func (s *Service) ackToken(id string) string {
	m := hmac.New(sha256.New, s.macKey)
	m.Write([]byte("ack " + id))
	return id + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:16])
}

// letterOf is the letter of a token; problem NotFound.
func (s *Service) letterOf(token string) (string, error) {
	id, _, _ := strings.Cut(token, ".")
	if id == "" || !hmac.Equal([]byte(s.ackToken(id)), []byte(token)) {
		return "", problem.New("channel.ack", problem.NotFound, "channel.ack.unknown", nil)
	}
	return id, nil
}

// Acknowledge notes that the receiver of a letter has read it.
func (s *Service) Acknowledge(ctx context.Context, token string) error {
	const op = "channel.Acknowledge"
	id, err := s.letterOf(token)
	if err != nil {
		return err
	}
	return problem.Wrap(op, s.DB.Write(ctx, func(tx *store.Tx) error {
		first, err := ackIn(tx, id, s.Clock.Now())
		if err != nil || !first {
			return err
		}
		return s.Audit.Append(tx, audit.Event{Action: "channel.acknowledge", Actor: "receiver", Object: id})
	}))
}

// Trial sends the text of a trial by a channel of exercises or tests to the address that
// the configuration names for it.
func (s *Service) Trial(ctx context.Context, person, name string) error {
	const op = "channel.Trial"
	c := s.channel(name)
	if c == nil {
		return problem.New(op, problem.NotFound, "channel.refuse.unknown", i18n.Args{"channel": name})
	}
	if c.kind == store.Live || c.setup.Trial == "" {
		return problem.New(op, problem.Conflict, "channel.refuse.no_trial", nil)
	}
	lang := i18n.En
	return problem.Wrap(op, s.DB.Write(ctx, func(tx *store.Tx) error {
		id := s.Clock.NewID()
		if err := s.Queue(tx, Dispatch{Channel: c.name, Target: c.setup.Trial, Lang: lang, Kind: c.kind, Reference: Reference{Trial, id, "1"},
			Title: s.Texts.Text(lang, "channel.trial.title", i18n.Args{"channel": c.name}), Body: s.trialBody(), Source: s.Texts.Text(lang, "channel.trial.source", i18n.Args{"place": s.Place}),
			Until: s.Clock.Now().Add(time.Hour)}); err != nil {
			return err
		}
		return s.Audit.Append(tx, audit.Event{Action: "channel.trial", Actor: person, Object: c.name})
	}))
}

// trialBody is the text in all languages: nobody knows who reads it.
func (s *Service) trialBody() string {
	var all []string
	for _, l := range i18n.Langs {
		all = append(all, s.Texts.Text(l, "channel.trial.body", nil))
	}
	return strings.Join(all, "\n")
}

// Checked is what trying the connection of a channel came to.
type Checked struct {
	Named
	Tried bool // it can be tried without a message
	Error string
}

// CheckAll tries the connections of all channels, without a message, and writes down how
// they did.
func (s *Service) CheckAll(ctx context.Context) ([]Checked, error) {
	all := make([]Checked, len(s.channels))
	var wg sync.WaitGroup
	for i, c := range s.channels {
		all[i] = Checked{Named: Named{c.name, c.sort, c.kind}, Tried: c.try != nil}
		if c.try == nil {
			continue
		}
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, sendTimeout)
			defer cancel()
			if err := c.try(ctx); err != nil {
				all[i].Error = clip(err.Error())
			}
			c.rest()
		})
	}
	wg.Wait()
	err := s.DB.Write(ctx, func(tx *store.Tx) error {
		now := s.Clock.Now()
		for i, c := range s.channels {
			var err error
			switch {
			case !all[i].Tried:
			case all[i].Error != "":
				err = broke(tx, c, now, all[i].Error)
			default:
				err = worked(tx, c, now)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return all, problem.Wrap("channel.CheckAll", err)
}

// Erase deletes receipts, and with them addresses, that were kept long enough; two
// nights have to agree on the date.
func (s *Service) Erase(ctx context.Context) error {
	var known map[string]bool
	if s.Warnings != nil {
		all, _, err := s.Warnings(ctx)
		if err != nil {
			return problem.Wrap("channel.Erase", err)
		}
		known = map[string]bool{}
		for _, w := range all {
			for _, m := range w.Members {
				known[m.ID] = true
			}
		}
	}
	return problem.Wrap("channel.Erase", s.DB.Write(ctx, func(tx *store.Tx) error {
		now, err := job.Agreed(tx, queueErase, s.Clock.Now())
		if err != nil || now.IsZero() {
			return err
		}
		n, keys, err := erase(tx, now)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if err := s.Ring.Destroy(tx, k); err != nil {
				return err
			}
		}
		if known != nil {
			all, err := toldAll(tx)
			if err != nil {
				return err
			}
			for id := range all {
				if !known[id] {
					if err := forget(tx, id); err != nil {
						return err
					}
				}
			}
		}
		if err := s.eraseEntries(tx, now); err != nil {
			return err
		}
		if err := s.forgetRefusals(tx); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		return s.Audit.Append(tx, audit.Event{Action: "channel.erase", Actor: "node", Object: "receipts", Detail: []byte(fmt.Sprint(n))})
	}))
}

// Status is how a channel is.
type Status string

// The statuses of a channel.
const (
	Works    Status = "works"
	Failing  Status = "failing"  // its last attempt failed
	Stale    Status = "stale"    // its last success is too old
	Unproven Status = "unproven" // it never worked yet
)

// ChannelState is how a channel works, with what stands in its outbox.
type ChannelState struct {
	Named
	Status   Status
	OK       time.Time // zero: never
	Failed   time.Time
	Failures int64
	Error    string
	Counts   map[State]int64
	Rate     int // per minute
	Stale    time.Duration
	Trial    bool // there is an address for trials
}

// Waiting is how many have not left.
func (c ChannelState) Waiting() int64 { return c.Counts[Waiting] + c.Counts[Sending] }

// States tells how all channels are.
func (s *Service) States(ctx context.Context) (all []ChannelState, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		all, err = s.states(tx)
		return err
	})
	return all, problem.Wrap("channel.States", err)
}

func (s *Service) states(tx *store.Tx) (all []ChannelState, err error) {
	now := s.Clock.Now()
	for _, c := range s.channels {
		st := ChannelState{Named: Named{c.name, c.sort, c.kind}, Rate: c.setup.PerMinute, Stale: c.stale, Trial: c.setup.Trial != ""}
		if st.OK, st.Failed, st.Failures, st.Error, err = healthOf(tx, c); err != nil {
			return nil, err
		}
		if st.Counts, err = counts(tx, c); err != nil {
			return nil, err
		}
		switch {
		case st.Failures > 0:
			st.Status = Failing
		case st.OK.IsZero():
			st.Status = Unproven
		case now.Sub(st.OK) > c.stale:
			st.Status = Stale
		default:
			st.Status = Works
		}
		all = append(all, st)
	}
	return all, nil
}

// Receipts lists what became of the newest dispatches.
func (s *Service) Receipts(ctx context.Context, limit int) (all []Receipt, err error) {
	return s.receiptsOf(ctx, "", "", limit)
}

// ReceiptsOf lists those of a notice or warning.
func (s *Service) ReceiptsOf(ctx context.Context, origin Origin, id string, limit int) ([]Receipt, error) {
	return s.receiptsOf(ctx, origin, id, limit)
}

func (s *Service) receiptsOf(ctx context.Context, origin Origin, id string, limit int) (all []Receipt, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error { all, err = receipts(tx, origin, id, limit); return err })
	return all, problem.Wrap("channel.Receipts", err)
}

// UnknownPlaces are places in the configuration that no table knows: nobody is told
// there.
type UnknownPlaces struct {
	Receiver string
	Places   []string
}

// Unknown lists them.
func (s *Service) Unknown() (all []UnknownPlaces) {
	for _, r := range s.receivers {
		if len(r.unknown) > 0 {
			all = append(all, UnknownPlaces{r.Name, slices.Clone(r.unknown)})
		}
	}
	return all
}
