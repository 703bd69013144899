package link

import (
	"context"
	"errors"
	"strings"

	"trojmezi/internal/exchange"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Kinds of a change; with the new address they are the object of its event.
const (
	changeAddress  = "address"
	changePassword = "password"
	changeBoth     = "both"
	changeSecret   = "secret"
)

func kindOf(c exchange.LinkChange) string {
	switch {
	case c.Secret != "":
		return changeSecret
	case c.Password == "":
		return changeAddress
	case c.BaseURL == "":
		return changePassword
	}
	return changeBoth
}

func objectOf(c exchange.LinkChange) string {
	return strings.TrimSpace(kindOf(c) + " " + c.BaseURL)
}

// inUse reports whether messages go over a link: what is to change of it then needs
// two people, and what waits has to go on.
func inUse(s exchange.LinkState) bool { return s == exchange.LinkLive || s == exchange.LinkLeaving }

// waiting is what is proposed to change of a link, nil when nothing is.
func (s *Service) waiting(tx *store.Tx, id string) (*exchange.LinkChange, error) {
	c, err := s.o.Node.LinkChange(tx, id)
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	return &c, err
}

// free reports as an error that a link is not in use, or that a change waits already.
func (s *Service) free(tx *store.Tx, l *exchange.Link) error {
	if !inUse(l.State) {
		return conflict("link.fault.state", nil)
	}
	c, err := s.waiting(tx, l.ID)
	if err == nil && c != nil {
		err = conflict("link.fault.proposed", i18n.Args{"name": s.o.Name(tx, c.ProposedBy)})
	}
	return err
}

// ProposeChange asks a second person for another address of the neighbour's node,
// another password of our account there, or both; "" stays. What is wanted has to
// work: found is what was tried of it. A new password is not: at the neighbour its
// first use ends the one that the link still needs until the second person's yes.
func (s *Service) ProposeChange(ctx context.Context, id, person, address, password string) (faults []Fault, found []exchange.LinkCheck, err error) {
	l, err := s.link(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	c := exchange.LinkChange{BaseURL: strings.TrimSuffix(strings.TrimSpace(address), "/"), Password: strings.TrimSpace(password), ProposedBy: person}
	if c.BaseURL == l.BaseURL {
		c.BaseURL = ""
	}
	if c.BaseURL == "" && c.Password == "" {
		return []Fault{{"url", "link.fault.change_none", nil}}, nil, nil
	}
	if err := problem.Wrap("link.ProposeChange", s.o.DB.Read(ctx, func(tx *store.Tx) error {
		faults = nil
		if err := s.free(tx, &l); err != nil {
			return err
		}
		wrong, err := s.o.Node.LinkFaults(tx, l.With(c))
		if key := wrong["base_url"]; key != "" || len(c.BaseURL) > maxText {
			faults = append(faults, Fault{"url", either(key, "exchange.config.base_url"), i18n.Args{"value": c.BaseURL}})
		}
		return err
	})); err != nil {
		return nil, nil, err
	}
	if len(c.Password) > maxText {
		faults = append(faults, Fault{"password", "link.fault.password", nil})
	}
	if len(faults) > 0 {
		return faults, nil, nil
	}
	last := exchange.CheckMessage
	if c.Password != "" {
		last = exchange.CheckCertificate
	}
	if found = s.o.Node.CheckLine(ctx, l.With(c), last); !exchange.LineGood(found) {
		return nil, found, nil
	}
	return nil, found, s.putChange(ctx, id, c)
}

func (s *Service) putChange(ctx context.Context, id string, c exchange.LinkChange) error {
	return s.change(ctx, id, c.ProposedBy, "change", func(tx *store.Tx, l *exchange.Link) (string, error) {
		if err := s.free(tx, l); err != nil {
			return "", err
		}
		c.ProposedAt = s.o.Clock.Now()
		return objectOf(c), s.o.Node.PutLinkChange(tx, id, c)
	})
}

// RenewSecret makes another password for the neighbour's account here and returns
// it; it is not shown again. It counts when a second person has confirmed it.
func (s *Service) RenewSecret(ctx context.Context, id, person string) (secret string, err error) {
	secret = exchange.NewSecret()
	return secret, s.putChange(ctx, id, exchange.LinkChange{Secret: secret, ProposedBy: person})
}

// RecallChange takes back what is proposed to change; anybody who may propose can.
func (s *Service) RecallChange(ctx context.Context, id, person string) error {
	return s.change(ctx, id, person, "change.recall", func(tx *store.Tx, _ *exchange.Link) (string, error) {
		c, err := s.waiting(tx, id)
		if err != nil {
			return "", err
		}
		if c == nil {
			return "", conflict("link.fault.no_proposal", nil)
		}
		return objectOf(*c), s.o.Node.DropLinkChange(tx, id)
	})
}

// ConfirmChange is the second person's yes to what is proposed to change. It is
// tried with all its steps first; when one fails, nothing changes and found tells it.
func (s *Service) ConfirmChange(ctx context.Context, id, person string) (found []exchange.LinkCheck, err error) {
	l, err := s.link(ctx, id)
	if err != nil {
		return nil, err
	}
	var c *exchange.LinkChange
	if err := problem.Wrap("link.ConfirmChange", s.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		c, err = s.waiting(tx, id)
		return err
	})); err != nil {
		return nil, err
	}
	switch {
	case c == nil:
		return nil, problem.Wrap("link.ConfirmChange", conflict("link.fault.no_proposal", nil))
	case c.ProposedBy == person:
		return nil, problem.New("link.ConfirmChange", problem.Forbidden, "link.fault.same_person", nil)
	}
	if kindOf(*c) != changeSecret {
		if found = s.o.Node.CheckLine(ctx, l.With(*c), exchange.CheckMessage); !exchange.LineGood(found) {
			return found, nil
		}
	}
	return nil, s.change(ctx, id, person, "change.confirm", func(tx *store.Tx, now *exchange.Link) (string, error) {
		same, err := s.waiting(tx, id)
		if err != nil {
			return "", err
		}
		// He has said yes to what was tried, and to nothing else.
		if same == nil || *same != *c || now.Peer != l.Peer || !inUse(now.State) {
			return "", conflict("link.fault.no_proposal", nil)
		}
		return objectOf(*c), s.o.Node.TakeLinkChange(tx, *now, *c)
	})
}

// EndOldSecret makes the neighbour's password of before void, whether it has used
// the new one or not. One person is enough: it may be in wrong hands.
func (s *Service) EndOldSecret(ctx context.Context, id, person string) error {
	return s.change(ctx, id, person, "secret.end", func(tx *store.Tx, l *exchange.Link) (string, error) {
		if l.OldSecret == "" {
			return "", conflict("link.fault.no_old_secret", nil)
		}
		l.OldSecret = ""
		return "", s.o.Node.PutLink(tx, *l)
	})
}
