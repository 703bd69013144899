package gateway

import (
	"context"
	"errors"
	"strconv"
	"time"

	"trojmezi/internal/format/convert"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// shownRows bounds the lists of a gateway's page.
const shownRows = 50

// Sent is a message to a foreign system.
type Sent struct {
	ID                   int64
	Gateway              string
	Receipt              bool   // it answers the system's machine
	From                 string // name of who sent it
	Foreign              string // its id in the foreign system
	State                string
	Reason               string // key of why it was refused
	CreatedAt, ExpiresAt time.Time
	SentAt, EndedAt      time.Time
	Tries                int64
	// What follows is nil when it was deleted, and in lists.
	Body    []byte
	Loss    []convert.Loss
	Answer  string // the other side's words
	Deleted bool
}

func (s *Service) sentOf(o *out) Sent {
	return Sent{ID: o.id, Gateway: o.gateway, Receipt: o.entry == 0, From: s.Node.NameOf(o.source), Foreign: o.foreign, State: string(o.state), Reason: o.reason,
		CreatedAt: moment(o.createdAt), ExpiresAt: moment(o.expiresAt), SentAt: moment(o.sentAt), EndedAt: moment(o.endedAt), Tries: o.tries, Deleted: len(o.body) == 0}
}

// look is a gateway with its newest messages; problem NotFound.
func (s *Service) look(ctx context.Context, name string) (v view, err error) {
	const op = "gateway.look"
	states, err := s.States(ctx)
	if err != nil {
		return v, problem.Wrap(op, err)
	}
	for _, st := range states {
		if st.Name == name {
			v.State = st
		}
	}
	if v.Name == "" {
		return v, problem.New(op, problem.NotFound, "gateway.not_found", nil)
	}
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		v.Out, v.In = nil, nil
		outs, err := scanOut(tx, `gateway = $1 ORDER BY id DESC LIMIT $2`, name, shownRows)
		if err != nil {
			return err
		}
		for _, o := range outs {
			v.Out = append(v.Out, s.sentOf(o))
		}
		ins, err := scanIn(tx, `gateway = $1 ORDER BY id DESC LIMIT $2`, name, shownRows)
		if err != nil {
			return err
		}
		for _, i := range ins {
			v.In = append(v.In, s.item(tx, i))
		}
		return nil
	})
	return v, problem.Wrap(op, err)
}

// Sent returns a message to a foreign system with its bytes; problem NotFound. Who
// looked is written down.
func (s *Service) Sent(ctx context.Context, person, gateway string, id int64) (v Sent, err error) {
	const op = "gateway.Sent"
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		o, err := one(scanOut(tx, `id = $1 AND gateway = $2`, id, gateway))
		if err != nil {
			return err
		}
		if o == nil {
			return problem.New(op, problem.NotFound, "gateway.not_found", nil)
		}
		v = s.sentOf(o)
		key, err := s.Ring.Lookup(tx, o.keyID)
		if errors.Is(err, seal.ErrDestroyed) {
			v.Deleted = true
			return nil
		}
		if err != nil {
			return err
		}
		if v.Body, err = o.open(key, "body", o.body); err != nil {
			return err
		}
		plain, err := o.open(key, "loss", o.loss)
		if v.Loss, err = losses(plain, err); err != nil {
			return err
		}
		plain, err = o.open(key, "answer", o.answer)
		v.Answer = string(plain)
		return err
	})
	if err == nil && !v.Deleted {
		err = s.DB.Write(ctx, func(tx *store.Tx) error {
			return s.Audit.Append(tx, audit.Event{Action: "gateway.read", Actor: person, Object: "gateway_out/" + strconv.FormatInt(id, 10)})
		})
	}
	return v, problem.Wrap(op, err)
}
