package exchange

import (
	"errors"
	"slices"
	"strings"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// Judgement decides what of a message its receiver at another node is told, in the
// transaction that stores the message, and writes down there what it decided: nil is all
// of it, as it came. A transaction may have to be repeated, and a judgement with it.
type Judgement func(tx *store.Tx) (*ucri.Envelope, error)

// Judge prepares the judgement of a message that is complete and right by its schema:
// whatever takes time and no database. What it refuses with a problem Invalid is not sent.
type Judge func(e *ucri.Envelope) (Judgement, error)

// prepare lets the message be judged if it leaves the node. It is done before the
// transaction, in which all senders wait for each other.
func (n *Node) prepare(m *message) (err error) {
	if n.judge == nil || m.judged || m.origin != fromClient {
		return nil
	}
	if to := n.registry.Load().lookup(m.destination()); to == nil || to.peer == "" {
		return nil
	}
	m.judgement, err = n.judge(m.env)
	return notJudged(err)
}

// withhold leaves of a message that was just stored for another node what may go there.
// What its sender said stays in the MAC: it is known again when he repeats it.
func (n *Node) withhold(tx *store.Tx, m *message, key *seal.Key) error {
	if n.judge == nil || m.judged || m.origin != fromClient {
		return nil
	}
	judgement := m.judgement
	if judgement == nil { // as of a participant that has become another node's since
		var err error
		if judgement, err = n.judge(m.env); err != nil {
			return notJudged(err)
		}
	}
	left, err := judgement(tx)
	if err != nil || left == nil {
		return notJudged(err)
	}
	m.left = left
	_, err = tx.Exec(`UPDATE exchange_message SET envelope = $4 WHERE message_id = $1 AND source = $2 AND destination = $3`,
		m.env.MessageID, m.env.Source, m.destination(), key.Seal(left.AppendJSON(nil), place(m.env.Source, m.env.MessageID, m.destination())))
	return err
}

// notJudged puts what a judge refuses into the form of the specification: to the rules of
// the node the payload is one that nobody can read.
func notJudged(err error) error {
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Kind == problem.Invalid && p.Key != "" {
		r := refuse(ucri.CodePayloadInvalid, p.Key, p.Args)
		r.err = err
		return r
	}
	return err
}

// Unjudged is a dispatch system whose operator judges by himself what neighbours are told.
type Unjudged struct {
	Account   string
	OIDs      []string
	Agreement string // where that was agreed
}

// Unjudged lists those of the configuration, by their names.
func (n *Node) Unjudged() []Unjudged { return n.cfg.Unjudged() }

// Unjudged lists them of a configuration.
func (c *Config) Unjudged() (list []Unjudged) {
	for _, a := range c.Accounts {
		if a.OwnDisclosure != "" {
			list = append(list, Unjudged{a.Username, slices.Clone(a.OIDs), a.OwnDisclosure})
		}
	}
	slices.SortFunc(list, func(x, y Unjudged) int { return strings.Compare(x.Account, y.Account) })
	return list
}
