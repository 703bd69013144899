package console

import (
	"context"

	"trojmezi/internal/exchange"
	"trojmezi/internal/kernel/store"
)

// A message that can't be brought into the tables, as of a system nobody tried,
// must not keep those behind it from the screen. After a failure the feed is read
// one by one up to where it failed; a message that fails giveUp times is shown
// without its content, as an alarm of class A, and its original stays in the node.

// giveUp is how often one message may fail.
const giveUp = 3

// stuck is where an organisation's feed failed.
type stuck struct {
	until int64 // one by one up to this entry
	entry int64 // the one that failed last
	times int
}

// projector applies entries.
type projector func(tx *store.Tx, org Org, entries []exchange.Entry) error

// pageSize is how many entries of a feed are read at once.
func (s *Service) pageSize(org string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.stuck[org]; there {
		return 1
	}
	return page
}

// bringIn writes a page of the feed.
func (s *Service) bringIn(ctx context.Context, org Org, entries []exchange.Entry, next int64, write func(*store.Tx, projector) error) error {
	try := func(p projector) error {
		return s.DB.Write(ctx, func(tx *store.Tx) error { return write(tx, p) })
	}
	err := try(s.project)
	if err != nil && ctx.Err() == nil && s.failed(org.ID, entries) {
		// Once more, and the other at once: what ails the database ails both.
		if err = try(s.project); err != nil {
			s.Log.Error("console: a message is shown without its content", "organisation", org.ID, "entry", entries[0].ID, "error", err)
			err = try(s.projectUnread)
		}
	}
	if err == nil {
		s.passed(org.ID, next)
	}
	return err
}

// failed notes a failure, and reports whether it was giveUp times the same message.
func (s *Service) failed(org string, entries []exchange.Entry) bool {
	if len(entries) == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.stuck[org]
	f.until = max(f.until, entries[len(entries)-1].ID)
	if first := entries[0].ID; len(entries) > 1 || f.entry != first {
		f.entry, f.times = first, 0
	}
	if len(entries) == 1 {
		f.times++
	}
	s.stuck[org] = f
	return f.times >= giveUp
}

// passed notes how far the feed was read.
func (s *Service) passed(org string, next int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, there := s.stuck[org]; there && next >= f.until {
		delete(s.stuck, org)
	}
}

// projectUnread shows that messages are there, and nothing of what they say.
func (s *Service) projectUnread(tx *store.Tx, org Org, entries []exchange.Entry) error {
	for _, e := range entries {
		e.Envelope, e.Key = nil, nil
		m := &message{org: org.ID, entry: e, form: FormOther}
		if err := s.incidentOf(tx, org, m, nil); err != nil {
			return err
		}
		if e.Incoming {
			if err := s.raise(tx, alarm{org: org.ID, id: "message." + itoa(e.ID), kind: e.Kind, class: ClassA, cause: CauseMessage,
				incident: m.incident, other: e.Other, reason: "console.d.why.unread", waitingAt: millis(e.AcceptedAt)}); err != nil {
				return err
			}
		}
		if err := s.keep(tx, m); err != nil {
			return err
		}
	}
	return s.take(tx, org, entries)
}
