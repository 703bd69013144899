package replay

import (
	"context"
	"crypto/rand"
	"time"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Receipt is one organisation that was asked to acknowledge.
type Receipt struct {
	ID                                string // in the link: whoever has it may acknowledge
	Kind                              store.Kind
	Notice                            string
	Revision                          int
	Sender                            string // organisation
	Organisation, Name                string // who is asked
	Lang                              i18n.Lang
	Title                             string
	AskedAt, AcknowledgedAt, MissedAt time.Time
}

// Said is what a notice says in one language.
type Said struct {
	Headline, Text, Instruction string
}

// Addressee is an organisation that is told of a notice.
type Addressee struct {
	Organisation, Name string
	Lang               i18n.Lang
}

// Receipts ask for acknowledgements of what was published in a replay. It is safe for
// concurrent use.
type Receipts struct {
	DB     *store.DB
	Jobs   *job.Queue
	Clock  *clock.Clock
	Notify func(*store.Tx, notify.Notification) error
	// Acknowledged and Missing hear of it after it is on disk; nil: nobody does.
	Acknowledged, Missing func(Receipt)
}

// queueMissing is the job queue of those that did not come in time.
const queueMissing = "replay.missing"

// Schedule registers what happens by itself.
func (s *Receipts) Schedule() error {
	return s.Jobs.Handle(queueMissing, store.Exercise, func(ctx context.Context, j job.Job) error { return s.missing(ctx, string(j.Payload)) })
}

// Ask tells an organisation of a notice in its language and asks it to acknowledge, in the
// transaction in which the notice goes out. Only an exercise is asked for.
func (s *Receipts) Ask(tx *store.Tx, kind store.Kind, notice string, revision int, sender string, to Addressee, said Said) error {
	const op = "replay.Ask"
	if kind != store.Exercise {
		return problem.New(op, problem.Forbidden, "replay.fault.kind", nil)
	}
	now := s.Clock.Now()
	r := Receipt{ID: rand.Text(), Kind: kind, Notice: notice, Revision: revision, Sender: sender, Organisation: to.Organisation, Name: to.Name, Lang: to.Lang, Title: said.Headline, AskedAt: now}
	if err := r.insert(tx); err != nil {
		return problem.Wrap(op, err)
	}
	line := func(text string) notify.Text {
		return notify.Text{Key: "replay.said", Args: i18n.Args{"text": text}}
	}
	err := s.Notify(tx, notify.Notification{Kind: kind, Class: notify.A, Organisation: to.Organisation, Text: line(said.Headline),
		More: []notify.Text{line(said.Text), line(said.Instruction), {Key: "replay.acknowledge.ask"}}, Link: acknowledgeAddress(r.ID), Unique: "replay/" + r.ID})
	if err != nil {
		return problem.Wrap(op, err)
	}
	_, err = s.Jobs.Enqueue(tx, job.Job{Queue: queueMissing, Kind: kind, Payload: []byte(r.ID), RunAt: now.Add(AnswerTime)})
	return problem.Wrap(op, err)
}

// Acknowledge notes that somebody who has the link has read it; problem NotFound. Twice is
// the same as once.
func (s *Receipts) Acknowledge(ctx context.Context, id string) (r Receipt, err error) {
	const op = "replay.Acknowledge"
	first := false
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		var found bool
		if r, found, err = receipt(tx, id); err != nil {
			return err
		}
		if !found {
			return problem.New(op, problem.NotFound, "replay.fault.receipt", nil)
		}
		now := s.Clock.Now()
		if first, err = settle(tx, id, "acknowledged_at", now); first {
			r.AcknowledgedAt = now
		}
		return err
	})
	if err == nil && first && s.Acknowledged != nil {
		s.Acknowledged(r)
	}
	return r, problem.Wrap(op, err)
}

// missing tells the sender who has not acknowledged.
func (s *Receipts) missing(ctx context.Context, id string) error {
	var r Receipt
	late := false
	err := s.DB.Write(ctx, func(tx *store.Tx) (err error) {
		late = false
		var found bool
		if r, found, err = receipt(tx, id); err != nil || !found || !r.AcknowledgedAt.IsZero() {
			return err
		}
		now := s.Clock.Now()
		if late, err = settle(tx, id, "missed_at", now); err != nil || !late {
			return err
		}
		r.MissedAt = now
		return s.Notify(tx, notify.Notification{Kind: r.Kind, Class: notify.A, Organisation: r.Sender, Text: notify.Text{Key: "replay.missing", Args: i18n.Args{"name": r.Name, "since": r.AskedAt}},
			More: []notify.Text{{Key: "replay.missing.do"}}, Link: Root, Unique: "replay/missing/" + r.ID})
	})
	if err == nil && late && s.Missing != nil {
		s.Missing(r)
	}
	return err
}

// Receipt is one by the id in its link; problem NotFound.
func (s *Receipts) Receipt(ctx context.Context, id string) (r Receipt, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		var found bool
		if r, found, err = receipt(tx, id); err == nil && !found {
			err = problem.New("replay.Receipt", problem.NotFound, "replay.fault.receipt", nil)
		}
		return err
	})
	return r, err
}

// List are all of them.
func (s *Receipts) List(ctx context.Context) (all []Receipt, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error { all, err = receipts(tx); return err })
	return all, err
}
