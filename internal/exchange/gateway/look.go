package gateway

import (
	"context"
	"errors"
	"strconv"
	"time"

	"trojmezi/internal/format/convert"
	"trojmezi/internal/kernel/access"
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
	Reason               string // key of why it was refused, or is not written yet
	CreatedAt, ExpiresAt time.Time
	SentAt, EndedAt      time.Time
	Tries                int64
	Address              string // of the node whose organisation it is of; "": of none
	// What follows is nil when it was deleted, and in lists.
	Body    []byte
	Loss    []convert.Loss
	Answer  string // the other side's words
	Deleted bool
}

func (s *Service) sentOf(tx *store.Tx, o *out) (Sent, error) {
	address := o.source
	if o.entry == 0 { // it is of whom the message is for that it answers
		i, err := one(scanIn(tx, `id = $1`, o.answers))
		if err != nil {
			return Sent{}, err
		}
		if g := s.gate(o.gateway); i != nil && g != nil {
			address = g.cfg.oidOf(i.receiver)
		}
	}
	return Sent{Address: address, ID: o.id, Gateway: o.gateway, Receipt: o.entry == 0, From: s.Node.NameOf(o.source), Foreign: o.foreign, State: string(o.state), Reason: o.reason,
		CreatedAt: moment(o.createdAt), ExpiresAt: moment(o.expiresAt), SentAt: moment(o.sentAt), EndedAt: moment(o.endedAt), Tries: o.tries, Deleted: len(o.body) == 0 && o.reason != unwritten}, nil
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
			one, err := s.sentOf(tx, o)
			if err != nil {
				return err
			}
			v.Out = append(v.Out, one)
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

// objectOf is a message for the rules: of the organisation at the address.
func (s *Service) objectOf(ctx context.Context, id, address string) (access.Resource, error) {
	organisation, err := s.Owner(ctx, address)
	return access.Resource{Type: "GatewayMessage", ID: id, Attributes: map[string]any{"organisation": organisation}}, err
}

// received is the message of a request, for the rules.
func (s *Service) received(ctx context.Context, id int64) (access.Resource, error) {
	address := ""
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		i, err := one(scanIn(tx, `id = $1`, id))
		if err != nil {
			return err
		}
		if i == nil {
			return problem.New("gateway.received", problem.NotFound, "gateway.not_found", nil)
		}
		address = s.item(tx, i).Address
		return nil
	})
	if err != nil {
		return access.Resource{}, err
	}
	return s.objectOf(ctx, "gateway_in/"+strconv.FormatInt(id, 10), address)
}

// outgoing is likewise a message to a foreign system.
func (s *Service) outgoing(ctx context.Context, gateway string, id int64) (access.Resource, error) {
	address := ""
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		o, err := one(scanOut(tx, `id = $1 AND gateway = $2`, id, gateway))
		if err != nil {
			return err
		}
		if o == nil {
			return problem.New("gateway.outgoing", problem.NotFound, "gateway.not_found", nil)
		}
		v, err := s.sentOf(tx, o)
		address = v.Address
		return err
	})
	if err != nil {
		return access.Resource{}, err
	}
	return s.objectOf(ctx, "gateway_out/"+strconv.FormatInt(id, 10), address)
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
		if v, err = s.sentOf(tx, o); err != nil {
			return err
		}
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
