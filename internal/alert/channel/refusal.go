package channel

import (
	"context"
	"slices"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Refusal is an address of a receiver that is not there any more: a mailbox that its
// server does not know, a webhook that ended. It is tried again with each message.
type Refusal struct {
	Receiver, Channel string
	Kind              store.Kind
	Error             string
	At                time.Time // since when

	mark string
}

// refusal notes that an address of a receiver was refused for good, or that it was taken.
func (s *Service) refusal(tx *store.Tx, c *channel, l *claimed, o *outcome, now time.Time) error {
	// What a test finds is of the channel that it tests.
	r := &Refusal{Receiver: l.Receiver, Channel: c.base, Kind: s.channel(c.base).kind, Error: o.failure, At: now, mark: s.mark(c.base, l.Target)}
	if !o.refused {
		return r.drop(tx)
	}
	fresh, err := r.put(tx)
	if err != nil || !fresh {
		return err
	}
	return s.Audit.Append(tx, audit.Event{Action: "channel.refuse", Actor: "node", Object: c.base})
}

// Refusals are the addresses of receivers that were refused.
func (s *Service) Refusals(ctx context.Context) (all []Refusal, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error { all, err = s.refused(tx); return err })
	return all, problem.Wrap("channel.Refusals", err)
}

func (s *Service) refused(tx *store.Tx) ([]Refusal, error) {
	receivers, err := s.everybody(tx)
	if err != nil {
		return nil, err
	}
	all, err := refusals(tx)
	return slices.DeleteFunc(all, func(r Refusal) bool { return !s.had(receivers, r) }), err
}

// had reports whether a refused address is still that of a receiver.
func (s *Service) had(receivers []*receiver, r Refusal) bool {
	return slices.ContainsFunc(receivers, func(x *receiver) bool {
		return x.Name == r.Receiver && slices.ContainsFunc(x.Targets, func(t Target) bool {
			return t.Channel == r.Channel && s.mark(t.Channel, t.To) == r.mark
		})
	})
}

// forgetRefusals deletes those of addresses that nobody has any more.
func (s *Service) forgetRefusals(tx *store.Tx) error {
	all, err := refusals(tx)
	if err != nil {
		return err
	}
	receivers, err := s.everybody(tx)
	if err != nil {
		return err
	}
	for _, r := range all {
		if !s.had(receivers, r) {
			if err := r.drop(tx); err != nil {
				return err
			}
		}
	}
	return nil
}
