package channel

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

const (
	// longestEntry bounds how long an address is kept without somebody saying again why.
	longestEntry = 3 * 366 * 24 * time.Hour
	// undoable is how long an ended receiver is kept, so that an end can be undone.
	undoable = 30 * 24 * time.Hour
	// Bounds of what is typed, in characters.
	maxName, maxReason, minReason = 100, 500, 3
	maxPlaces                     = 200
)

// enterable are the sorts whose addresses people may enter: a browser subscribes itself,
// neighbours and folders are of the configuration.
var enterable = []Sort{Mail, SMS, Webhook}

// Actions on an entry.
const (
	entryAdd    = "add"
	entryChange = "change"
	entryEnd    = "end"
	entryUndo   = "undo"
)

// Entry is a receiver that somebody entered, at one address.
type Entry struct {
	ID      string
	Version int64
	Channel string
	Kind    store.Kind // of its channel
	Name    string
	Lang    i18n.Lang
	Places  []string // as Receiver.Places
	Minimum string
	Takes   []string
	Ack     bool
	Address string // of mail, a number, or of a webhook without its secret
	From    time.Time
	Until   time.Time // its address is deleted then
	Ended   bool
	Did     string // what made this version
	Reason  string // why the address is kept, or why this was done
	Person  string
	At      time.Time

	target string // with the secret of a webhook
	sealed []byte
	mark   string
	key    int64
}

func (e *Entry) place() []byte { return []byte("channel_receiver.target." + e.ID) }

// holds reports whether it is told of what is now.
func (e *Entry) holds(now time.Time) bool {
	return !e.Ended && !now.Before(e.From) && now.Before(e.Until)
}

// deletion is when nothing is left of it.
func (e *Entry) deletion() time.Time {
	if e.Ended && e.At.Add(undoable).Before(e.Until) {
		return e.At.Add(undoable)
	}
	return e.Until
}

// EntryFault is a mistake in one field of an entry.
type EntryFault struct {
	Field, Key string
	Args       i18n.Args
}

// opened are the current versions, with their addresses.
func (s *Service) opened(tx *store.Tx) ([]*Entry, error) {
	all, err := entries(tx)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		key, err := s.Ring.Lookup(tx, e.key)
		if errors.Is(err, seal.ErrDestroyed) {
			continue
		}
		if err != nil {
			return nil, err
		}
		target, err := key.Open(e.sealed, e.place())
		if err != nil {
			return nil, fmt.Errorf("receiver %s: %w", e.ID, err)
		}
		e.target, e.Address = string(target), string(target)
		if h := readHook(e.target); strings.HasPrefix(e.target, "{") {
			e.Address = h.URL
		}
	}
	return all, nil
}

// everybody are the receivers of the configuration and those that were entered and are
// told of what is now.
func (s *Service) everybody(tx *store.Tx) ([]*receiver, error) {
	all := slices.Clone(s.receivers)
	entered, err := s.opened(tx)
	for _, e := range entered {
		if e.target != "" && e.holds(s.Clock.Now()) {
			all = append(all, s.receiver(&Receiver{Name: e.Name, Language: string(e.Lang), Places: e.Places, Minimum: e.Minimum, Takes: e.Takes, Acknowledge: e.Ack, Targets: []Target{{Channel: e.Channel, To: e.target}}}))
		}
	}
	return all, err
}

// Entries are all that were entered and not deleted yet, by name.
func (s *Service) Entries(ctx context.Context) (all []*Entry, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error { all, err = s.opened(tx); return err })
	slices.SortStableFunc(all, func(a, b *Entry) int { return strings.Compare(i18n.Fold(a.Name), i18n.Fold(b.Name)) })
	return all, problem.Wrap("channel.Entries", err)
}

// Entry is one of them with all its versions, the newest first; problem NotFound.
func (s *Service) Entry(ctx context.Context, id string) (e *Entry, history []*Entry, err error) {
	const op = "channel.Entry"
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		if e, err = s.current(tx, id); err != nil {
			return err
		}
		history, err = versions(tx, id)
		return err
	})
	return e, history, problem.Wrap(op, err)
}

func (s *Service) current(tx *store.Tx, id string) (*Entry, error) {
	all, err := s.opened(tx)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		if e.ID == id && e.target != "" {
			return e, nil
		}
	}
	return nil, problem.New("channel.Entry", problem.NotFound, "channel.entry.unknown", nil)
}

// faults are the mistakes in what somebody typed, but for a second time the same address.
func (s *Service) faults(e *Entry) (all []EntryFault) {
	add := func(field, key string, args i18n.Args) { all = append(all, EntryFault{field, key, args}) }
	now := s.Clock.Now()
	if n := utf8.RuneCountInString(e.Name); n == 0 || n > maxName || strings.ContainsFunc(e.Name, unicode.IsControl) {
		add("name", "channel.entry.fault.name", i18n.Args{"most": maxName})
	}
	c := s.channel(e.Channel)
	switch {
	case c == nil || c.base != c.name || !slices.Contains(enterable, c.sort):
		add("channel", "channel.entry.fault.channel", nil)
	case e.Kind != c.kind:
		add("channel", "channel.entry.fault.kind", i18n.Args{"kind": string(c.kind)})
	case !wellFormed(c.sort, e.target):
		add("address", "channel.config.target."+string(c.sort), nil)
	case !c.takes(e.target):
		add("address", "channel.entry.fault.host", nil)
	}
	if _, ok := i18n.Parse(string(e.Lang)); !ok {
		add("language", "channel.config.language", i18n.Args{"value": string(e.Lang)})
	}
	if len(e.Places) == 0 || len(e.Places) > maxPlaces {
		add("places", "channel.config.no_place", nil)
	} else {
		for _, p := range e.Places {
			if !placeCode.MatchString(p) {
				add("places", "channel.config.place", i18n.Args{"value": p})
				break
			}
			if r := s.receiver(&Receiver{Language: string(i18n.En), Places: []string{p}}); len(r.unknown) > 0 {
				add("places", "channel.entry.fault.place", i18n.Args{"value": p})
				break
			}
		}
	}
	if e.Minimum != "" && !slices.Contains(severities, e.Minimum) {
		add("minimum", "channel.config.minimum", i18n.Args{"value": e.Minimum, "names": strings.Join(severities, ", ")})
	}
	if len(e.Takes) == 0 {
		add("takes", "channel.entry.fault.takes", nil)
	}
	for _, x := range e.Takes {
		if x != string(Notice) && x != string(Warning) {
			add("takes", "channel.config.takes", i18n.Args{"value": x})
		}
	}
	switch {
	case e.Until.IsZero() || !e.Until.After(now) || !e.Until.After(e.From):
		add("until", "channel.entry.fault.until", nil)
	case e.Until.After(now.Add(longestEntry)):
		add("until", "channel.entry.fault.long", nil)
	}
	if badReason(e.Reason) {
		add("reason", "channel.entry.fault.reason", i18n.Args{"least": minReason, "most": maxReason})
	}
	return all
}

func badReason(s string) bool {
	n := utf8.RuneCountInString(s)
	return n < minReason || n > maxReason || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' })
}

// twice is who has the same address by the same channel already, "" for nobody.
func (s *Service) twice(e *Entry, all []*Entry) string {
	for _, x := range all {
		if x.ID != e.ID && !x.Ended && x.mark == e.mark && x.mark != "" {
			return x.Name
		}
	}
	for _, r := range s.receivers {
		for _, t := range r.Targets {
			if t.Channel == e.Channel && s.markAddress(t.Channel, t.To) == e.mark {
				return r.Name
			}
		}
	}
	return ""
}

// markAddress tells two addresses apart whatever the secret of a webhook is, and however
// an address of mail is written.
func (s *Service) markAddress(channel, target string) string {
	if h := readHook(target); h.URL != "" {
		target = h.URL
	}
	return s.mark("receiver "+channel, strings.ToLower(target))
}

// clean makes one form of what people type.
func (e *Entry) clean() {
	e.Name, e.Address, e.Reason = strings.TrimSpace(e.Name), strings.TrimSpace(e.Address), strings.TrimSpace(strings.ReplaceAll(e.Reason, "\r\n", "\n"))
	var all []string
	for _, p := range e.Places {
		if p = strings.TrimSpace(p); p != "" && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	e.Places = all
}

// errFaults ends a transaction whose faults are told otherwise.
var errFaults = errors.New("channel: faults")

// Save adds a receiver, or changes the one with the id whose version somebody saw. The
// secret of a new address of a webhook is told now and never again. Mistakes are told by
// field, and nothing is stored then; problem Conflict when another was faster.
func (s *Service) Save(ctx context.Context, person string, e Entry) (id, secret string, faults []EntryFault, err error) {
	err = s.DB.Write(ctx, func(tx *store.Tx) (err error) {
		id, secret, faults, err = s.save(tx, person, e)
		return err
	})
	if errors.Is(err, errFaults) {
		err = nil
	}
	return id, secret, faults, problem.Wrap("channel.Save", err)
}

func (s *Service) save(tx *store.Tx, person string, e Entry) (id, secret string, faults []EntryFault, err error) {
	e.clean()
	now := s.Clock.Now()
	e.Did, e.Person, e.At, e.Ended = entryAdd, person, now, false
	if e.From.IsZero() {
		e.From = now
	}
	c := s.channel(e.Channel)
	if e.Kind == "" && c != nil {
		e.Kind = c.kind
	}
	e.target = e.Address
	if e.ID == "" {
		e.ID, e.Version = s.Clock.NewID(), 1
	} else {
		was, err := s.current(tx, e.ID)
		if err != nil {
			return "", "", nil, err
		}
		if was.Version != e.Version || was.Ended {
			return "", "", nil, problem.New("channel.Save", problem.Conflict, "channel.entry.stale", nil)
		}
		e.Version, e.Did = was.Version+1, entryChange
		if c != nil && c.sort == Webhook && was.Channel == e.Channel && was.Address == e.Address {
			e.target = was.target // with the secret that its program knows
		}
	}
	if c != nil && c.sort == Webhook && e.target == e.Address && e.Address != "" {
		secret = rand.Text()
		e.target = Hook{URL: e.Address, Secret: secret}.Target()
	}
	e.mark = s.markAddress(e.Channel, e.target)
	faults = s.faults(&e)
	all, err := entries(tx)
	if err != nil {
		return "", "", nil, err
	}
	if name := s.twice(&e, all); name != "" {
		faults = append(faults, EntryFault{"address", "channel.entry.fault.twice", i18n.Args{"name": name}})
	}
	if len(faults) > 0 {
		return "", "", faults, errFaults
	}
	key, err := s.Ring.Key(tx, "channel/receiver/"+e.ID)
	if err != nil {
		return "", "", nil, err
	}
	e.key, e.sealed = key.ID(), key.Seal([]byte(e.target), e.place())
	return e.ID, secret, nil, s.enter(tx, &e)
}

// enter stores a version with its leaf.
func (s *Service) enter(tx *store.Tx, e *Entry) error {
	if err := e.insert(tx); err != nil {
		return err
	}
	return s.Audit.Append(tx, audit.Event{Action: "channel.receiver." + e.Did, Actor: e.Person, Object: e.ID, Detail: []byte(fmt.Sprint(e.Channel, " ", e.Version))})
}

// End ends a receiver: it is told nothing more. For a month that can be undone.
func (s *Service) End(ctx context.Context, person, id string, version int64, reason string) error {
	return s.step(ctx, person, id, version, reason, func(_ *store.Tx, e *Entry) error {
		if e.Ended {
			return problem.New("channel.End", problem.Conflict, "channel.entry.stale", nil)
		}
		e.Did, e.Ended = entryEnd, true
		return nil
	})
}

// Undo makes a receiver what it was before its last version. What was added last is ended.
func (s *Service) Undo(ctx context.Context, person, id string, version int64, reason string) error {
	return s.step(ctx, person, id, version, reason, func(tx *store.Tx, e *Entry) error {
		if e.Version == 1 {
			e.Did, e.Ended = entryUndo, true
			return nil
		}
		all, err := versions(tx, id)
		if err != nil {
			return err
		}
		was := *all[1]
		was.Version = e.Version
		*e = was
		e.Did = entryUndo
		if e.Ended {
			return nil
		}
		current, err := entries(tx)
		if err != nil {
			return err
		}
		if name := s.twice(e, current); name != "" {
			return problem.New("channel.Undo", problem.Conflict, "channel.entry.fault.twice", i18n.Args{"name": name})
		}
		if !e.Until.After(s.Clock.Now()) {
			return problem.New("channel.Undo", problem.Conflict, "channel.entry.fault.until", nil)
		}
		return nil
	})
}

func (s *Service) step(ctx context.Context, person, id string, version int64, reason string, f func(*store.Tx, *Entry) error) error {
	const op = "channel.receiver"
	reason = strings.TrimSpace(strings.ReplaceAll(reason, "\r\n", "\n"))
	if badReason(reason) {
		return problem.New(op, problem.Invalid, "channel.entry.fault.reason", i18n.Args{"least": minReason, "most": maxReason})
	}
	return problem.Wrap(op, s.DB.Write(ctx, func(tx *store.Tx) error {
		e, err := s.current(tx, id)
		if err != nil {
			return err
		}
		if version != 0 && version != e.Version {
			return problem.New(op, problem.Conflict, "channel.entry.stale", nil)
		}
		if err := f(tx, e); err != nil {
			return err
		}
		e.Version, e.Reason, e.Person, e.At = e.Version+1, reason, person, s.Clock.Now()
		return s.enter(tx, e)
	}))
}

// eraseEntries deletes receivers whose time is over, with their keys.
func (s *Service) eraseEntries(tx *store.Tx, now time.Time) error {
	all, err := entries(tx)
	if err != nil {
		return err
	}
	for _, e := range all {
		if e.deletion().After(now) {
			continue
		}
		if err := e.remove(tx); err != nil {
			return err
		}
		if err := s.Ring.Destroy(tx, e.key); err != nil {
			return err
		}
		if err := s.Audit.Append(tx, audit.Event{Action: "channel.receiver.erase", Actor: "node", Object: e.ID}); err != nil {
			return err
		}
	}
	return nil
}
