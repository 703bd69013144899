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
	r := &Refusal{Receiver: l.Receiver, Channel: c.name, Kind: c.kind, Error: o.failure, At: now, mark: s.mark(c.name, l.Target)}
	if !o.refused {
		return r.drop(tx)
	}
	fresh, err := r.put(tx)
	if err != nil || !fresh {
		return err
	}
	return s.Audit.Append(tx, audit.Event{Action: "channel.refuse", Actor: "node", Object: c.name})
}

// Refusals are the addresses of receivers of the configuration that were refused.
func (s *Service) Refusals(ctx context.Context) (all []Refusal, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error { all, err = s.refused(tx); return err })
	return all, problem.Wrap("channel.Refusals", err)
}

func (s *Service) refused(tx *store.Tx) ([]Refusal, error) {
	all, err := refusals(tx)
	return slices.DeleteFunc(all, func(r Refusal) bool { return !s.configured(r) }), err
}

// configured reports whether a refused address is still that of a receiver.
func (s *Service) configured(r Refusal) bool {
	return slices.ContainsFunc(s.receivers, func(x *receiver) bool {
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
	for _, r := range all {
		if !s.configured(r) {
			if err := r.drop(tx); err != nil {
				return err
			}
		}
	}
	return nil
}
