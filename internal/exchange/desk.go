package exchange

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Desks names the addresses at which people work on this node's own screens, on
// every instance. Only for them TopicFeed and TopicReceipt are notified.
func (n *Node) Desks(oids []string) {
	m := make(map[string]bool, len(oids))
	for _, o := range oids {
		m[o] = true
	}
	n.desks.Store(&m)
}

// isDesk reports whether somebody of this program works at the address: people, or a
// gateway.
func (n *Node) isDesk(oid string) bool {
	desks, gateways := n.desks.Load(), n.gateways.Load()
	return desks != nil && (*desks)[oid] || gateways != nil && (*gateways)[oid]
}

func (n *Node) wakeDesk(tx *store.Tx, topic string, oids ...string) {
	for _, o := range oids {
		if n.isDesk(o) {
			tx.Notify(topic)
			return
		}
	}
}

// NameOf is a participant's name as its register record has it, else its OID.
func (n *Node) NameOf(oid string) string {
	if p := n.registry.Load().lookup(oid); p != nil && p.rec.OperatorName != "" {
		return p.rec.OperatorName
	}
	return oid
}

// Own reports whether an address is of a participant of this node.
func (n *Node) Own(oid string) bool {
	p := n.registry.Load().lookup(oid)
	return p != nil && p.peer == ""
}

// SameKind reports whether a message may go from an address of this node to a
// participant: test addresses and live ones do not mix.
func (n *Node) SameKind(own, to string) bool {
	p := n.registry.Load().lookup(to)
	return p != nil && kindOf(own, n.cfg.OID) == p.kind
}

// Attend notes that somebody receives for the addresses: they are online for a
// minute. Addresses that a dispatch system's account serves speak for themselves.
func (n *Node) Attend(ctx context.Context, oids []string) {
	var own []string
	for _, o := range oids {
		if p := n.registry.Load().lookup(o); p != nil && p.peer == "" && !n.Served(o) {
			own = append(own, o)
		}
	}
	if len(own) > 0 {
		n.touch(ctx, own)
	}
}

// Post stores a message of a person at a desk, in the caller's transaction, after
// the same checks as for a dispatch system. e needs source, destination and
// payload; the rest is filled in. A refusal is a *problem.Error.
func (n *Node) Post(tx *store.Tx, e *ucri.Envelope) (Entry, error) { return n.post(tx, e, false) }

// PostJudged is Post for whoever has put the message through the rules himself, with a
// person's answers.
func (n *Node) PostJudged(tx *store.Tx, e *ucri.Envelope) (Entry, error) { return n.post(tx, e, true) }

func (n *Node) post(tx *store.Tx, e *ucri.Envelope, judged bool) (Entry, error) {
	const op = "exchange.Post"
	body := e.AppendJSON(nil)
	e, bad := ucri.ParseClientSend(body)
	if bad != nil {
		return Entry{}, deskProblem(op, bad)
	}
	if !n.isDesk(e.Source) {
		return Entry{}, deskProblem(op, refuse(ucri.CodeForbiddenOID, "exchange.refuse.foreign_oid", i18n.Args{"oid": short(e.Source)}))
	}
	if n.registry.Load().lookup(e.Destinations[0]) == nil {
		return Entry{}, deskProblem(op, refuse(ucri.CodeUnknownOID, "exchange.refuse.unknown_destination", i18n.Args{"oid": short(e.Destinations[0])}))
	}
	m, err := n.admit(e, body)
	if err != nil {
		return Entry{}, deskProblem(op, err)
	}
	m.judged = judged
	now := n.clock.Now()
	inserted, err := n.insert(tx, m, now, expiry(m, now))
	if err != nil {
		return Entry{}, deskProblem(op, err)
	}
	if !inserted {
		return Entry{}, deskProblem(op, errOtherContent)
	}
	tx.OnCommit(func() { n.metrics.accepted.WithLabelValues("desk").Inc() })
	var id int64
	if err := tx.Row(`SELECT id FROM exchange_message WHERE message_id = $1 AND source = $2 AND destination = $3`,
		e.MessageID, e.Source, e.Destinations[0]).Scan(&id); err != nil {
		return Entry{}, problem.Wrap(op, err)
	}
	entry, err := n.Entry(tx, id)
	return entry, problem.Wrap(op, err)
}

// deskProblem puts a refusal into the form in which pages show errors.
func deskProblem(op string, err error) error {
	if bad, ok := errors.AsType[*ucri.Error](err); ok {
		return &problem.Error{Op: op, Kind: problem.Invalid, Key: bad.Key, Args: bad.Args, Err: err}
	}
	if errors.Is(err, errOtherContent) {
		return &problem.Error{Op: op, Kind: problem.Conflict, Key: "exchange.refuse.other_content", Err: err}
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		kind := problem.Invalid
		if r.code == ucri.CodeForbiddenOID {
			kind = problem.Forbidden
		}
		return &problem.Error{Op: op, Kind: kind, Key: r.key, Args: r.args, Err: err}
	}
	return problem.Wrap(op, err)
}

// Neighbour is a participant of another node, or of this one, that can be reached.
type Neighbour struct {
	OID         string
	Name        string // operatorName of its register record
	ShortName   string
	Peer        string // "" is this node
	Kind        store.Kind
	Status      string    // ucri.StatusOnline, StatusOffline or StatusUnknown
	Since       time.Time // of Status; zero: unknown
	Apps        []ucri.AppRef
	Failure     string    // translation key of why the line is down, "" while it is up
	DownSince   time.Time // of the line; zero while it is up
	Quarantined bool
	Waiting     int64
	Oldest      time.Time // of the waiting ones
	LastContact time.Time
	DeskPhone   string // the configuration's seed of the directory; never techSupport.phone
}

// Neighbours lists every participant but the nodes themselves, by OID. Phone
// numbers of the register belong to technical support and are not among it.
func (n *Node) Neighbours(tx *store.Tx) ([]Neighbour, error) {
	type line struct {
		failure             string
		down, contact, held int64
	}
	phones := map[string]string{}
	peers := n.peers()
	for _, p := range peers.list {
		phones[p.ID] = p.DeskPhone
	}
	lines := map[string]*line{}
	rows, err := tx.Query(`SELECT id, failure, down_since, fetched_at, quarantined FROM exchange_peer`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		l := &line{}
		if err := rows.Scan(&id, &l.failure, &l.down, &l.contact, &l.held); err != nil {
			return nil, err
		}
		if p := peers.byID[id]; p != nil {
			l.contact = max(l.contact, p.heard.Load())
		}
		lines[id] = l
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	since, err := scanCounts(tx, `SELECT oid, status_at, 0 FROM exchange_participant`)
	if err != nil {
		return nil, err
	}
	online, err := scanCounts(tx, `SELECT oid, seen_at, online FROM exchange_presence`)
	if err != nil {
		return nil, err
	}
	waiting, err := scanCounts(tx, `SELECT destination, COUNT(*), MIN(accepted_at) FROM exchange_message WHERE state = 'outgoing' GROUP BY destination`)
	if err != nil {
		return nil, err
	}
	var out []Neighbour
	for _, p := range n.registry.Load().all {
		if p.self || p.rec.Type == ucri.TypeUCRM {
			continue
		}
		w := waiting[p.rec.ID]
		nb := Neighbour{
			OID: p.rec.ID, Name: p.rec.OperatorName, ShortName: p.rec.OperatorShortName, Peer: p.peer, Kind: p.kind,
			Status: p.rec.Status, Since: moment(since[p.rec.ID][0]), Apps: p.rec.SupportedApps,
			Waiting: w[0], Oldest: moment(w[1]), DeskPhone: phones[p.peer],
		}
		if p.peer == "" {
			nb.Status, nb.LastContact = ucri.StatusOffline, moment(online[p.rec.ID][0])
			if online[p.rec.ID][1] == 1 {
				nb.Status = ucri.StatusOnline
			}
		}
		if l := lines[p.peer]; l != nil {
			nb.LastContact, nb.DownSince, nb.Quarantined = moment(l.contact), moment(l.down), l.held == 1
			if l.down != 0 {
				nb.Failure = cmp.Or(l.failure, "exchange.peer.unreachable")
			}
		}
		out = append(out, nb)
	}
	slices.SortFunc(out, func(a, b Neighbour) int { return cmp.Compare(a.OID, b.OID) })
	return out, nil
}

// scanCounts reads two numbers by a text.
func scanCounts(tx *store.Tx, query string) (map[string][2]int64, error) {
	rows, err := tx.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string][2]int64{}
	for rows.Next() {
		var k string
		var v [2]int64
		if err := rows.Scan(&k, &v[0], &v[1]); err != nil {
			return nil, err
		}
		out[k] = v
	}
	return out, rows.Err()
}

// linkUp and linkDown note for the screens that a peer answers again, or does not
// any more. Only changes are written down.
func (n *Node) linkUp(p *peer) {
	p.heard.Store(millis(n.clock.Now()))
	if !p.ok() {
		return
	}
	n.db.WriteLater(func(tx *store.Tx) error {
		tx.Notify(TopicReceipt)
		_, err := tx.Exec(`UPDATE exchange_peer SET down_since = 0, failure = '' WHERE id = $1`, p.ID)
		return err
	}, nil)
}

func (n *Node) linkDown(p *peer, cause error) {
	now, failure := millis(n.clock.Now()), failureKey(cause)
	n.db.WriteLater(func(tx *store.Tx) error {
		tx.Notify(TopicReceipt)
		_, err := tx.Exec(`UPDATE exchange_peer SET down_since = CASE WHEN down_since = 0 THEN CAST($2 AS BIGINT) ELSE down_since END,
			failed_at = $2, failure = $3 WHERE id = $1`, p.ID, now, failure)
		return err
	}, nil)
}
