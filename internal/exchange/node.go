package exchange

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

const (
	// defaultMaxMessages answers a receive that names no limit: a screenful of
	// incidents, not the whole queue in one reply.
	defaultMaxMessages = 100
	// maxMaxMessages bounds one reply whatever was asked for.
	maxMaxMessages = 1_000
	// maxReplyBytes ends a reply early; at least one message is in it.
	maxReplyBytes = 8 << 20
	// receivePoll is how often a waiting receive looks without being woken: a
	// lost wake-up costs this much time and nothing else.
	receivePoll = 2 * time.Second
	// tokenLife is short because a token can't be taken back.
	tokenLife = 15 * time.Minute
)

// Deps is what a node stands on.
type Deps struct {
	DB     *store.DB
	Key    *seal.Node
	Ring   *seal.Ring
	Audit  *audit.Log
	Policy *access.Policy
	Clock  *clock.Clock
	Texts  *i18n.Bundle
	Log    *slog.Logger
	// Dir is the folder of the configuration file, to which paths are relative.
	Dir string
	// Version is the version of the program, told by GET /info.
	Version string
	// Lang is the language of texts that travel to systems whose users' language
	// is not known, such as the reason in a receipt.
	Lang i18n.Lang
	// ID names this instance among several on one database.
	ID string
	// Look is for who only looks at a node that may be running beside: nothing is
	// written that says the node has started.
	Look bool
	// ClockWrong reports whether the clock is known to be wrong; nil: nobody knows.
	ClockWrong func(context.Context) (bool, error)
	// Judge decides what of a message another node is told, whoever of this one sends it;
	// nil: all goes on as it came.
	Judge Judge
}

// Node is a UCRI 2 control room module (UCRM): with peers a node of a
// federation, without peers a hub for its own clients.
type Node struct {
	cfg      Config
	version  string
	instance string
	db       *store.DB
	ring     *seal.Ring
	audit    *audit.Log
	policy   *access.Policy
	clock    *clock.Clock
	texts    *i18n.Bundle
	lang     i18n.Lang
	log      *slog.Logger
	signer   *rsa.PrivateKey // nil: the node transmits unsigned messages
	tokens   *identity.Tokens
	security *security           // nil: plain HTTP on loopback
	accounts map[string]*account // of the configuration

	configured  []*peer   // of the configuration
	filesBefore filesSeen // of followFiles
	neighbours  atomic.Pointer[neighbours]
	loading     sync.Mutex // of loadPeers and loadRegistry

	registry atomic.Pointer[directory]
	ready    atomic.Bool // every peer's register was read since the start
	faulty   atomic.Bool // the last write failed
	presence presence
	expiry   expiries
	metrics  *metrics
	signIns  signIns

	desks       atomic.Pointer[map[string]bool] // addresses with a console on this node
	gateways    atomic.Pointer[map[string]bool] // addresses that stand for foreign systems
	withdrawals withdrawals
	clockWrong  func(context.Context) (bool, error) // may be nil
	judge       Judge                               // may be nil
}

// filesSeen is what followFiles looked at last.
type filesSeen struct {
	pair  *tls.Certificate
	roots *roots
}

// New builds a node from a configuration that Validate found without fault.
func New(ctx context.Context, cfg Config, d Deps) (*Node, error) {
	n := &Node{
		cfg: cfg, version: d.Version, instance: d.ID, db: d.DB, ring: d.Ring, audit: d.Audit,
		policy: d.Policy, clock: d.Clock, texts: d.Texts, lang: d.Lang, log: d.Log, clockWrong: d.ClockWrong, judge: d.Judge,
		presence:    presence{seen: map[string]time.Time{}, online: map[string]bool{}},
		expiry:      expiries{wake: make(chan struct{}, 1)},
		metrics:     newMetrics(),
		withdrawals: withdrawals{sending: map[int64]bool{}, asked: map[int64]int64{}},
	}
	var err error
	if n.signer, err = loadSigner(cfg.SigningKey, d.Dir); err != nil {
		return nil, err
	}
	if cfg.TokenSecret != "" {
		n.tokens = identity.NewSharedSecretTokens([]byte(cfg.TokenSecret), cfg.OID, tokenLife, d.Clock)
	} else {
		n.tokens = identity.NewTokens(d.Key.Derive("exchange-token", 32), cfg.OID, tokenLife, d.Clock)
	}
	n.accounts = newAccounts(cfg.Accounts, cfg.Limits)
	if !cfg.InsecureLoopback {
		if n.security, err = loadTLS(cfg.TLS, d.Dir); err != nil {
			return nil, err
		}
	}
	if n.configured, err = newPeers(cfg, n.security, d.Version); err != nil {
		return nil, err
	}
	n.neighbours.Store(newNeighbours(slices.Clone(n.configured)))
	if err := n.loadPeers(ctx); err != nil {
		return nil, err
	}
	if n.db.Engine() == store.SQLite && !d.Look {
		// A new start: the node is "starting" until every peer has answered. Of
		// several instances the one that polls says so (pollRegistries).
		if err := n.db.Write(ctx, unfetched); err != nil {
			return nil, err
		}
	}
	if err := n.loadRegistry(ctx); err != nil {
		return nil, err
	}
	n.readPresence(ctx)
	return n, nil
}

// loadSigner reads the RSA key: a JWK written into the configuration, or the
// path of a file with one. None is allowed: the node then signs nothing.
func loadSigner(v any, dir string) (*rsa.PrivateKey, error) {
	var raw []byte
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		if v == "" {
			return nil, nil
		}
		if !filepath.IsAbs(v) {
			v = filepath.Join(dir, v)
		}
		var err error
		if raw, err = os.ReadFile(v); err != nil {
			return nil, fmt.Errorf("exchange: signing key: %w", err)
		}
	case map[string]any:
		if len(v) == 0 {
			return nil, nil
		}
		var err error
		if raw, err = json.Marshal(v); err != nil {
			return nil, fmt.Errorf("exchange: signing key: %w", err)
		}
	default:
		return nil, errors.New("exchange: signing key: neither a JWK nor a path")
	}
	key, err := ucri.ParsePrivateJWK(raw)
	if err != nil {
		return nil, fmt.Errorf("exchange: signing key: %w", err)
	}
	return key, nil
}

// Run works until ctx ends: it sends to the peers, ends what expired, and keeps
// register and presence. HTTP is served by Serve.
func (n *Node) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.db.Lead(ctx, "exchange.registry", n.pollRegistries) })
	g.Go(func() error { return n.db.Lead(ctx, "exchange.presence", n.sweepPresence) })
	g.Go(func() error { return n.db.Lead(ctx, "exchange.expiry", n.sweep) })
	g.Go(func() error { return n.followRegistry(ctx) })
	g.Go(func() error { return n.flushPresence(ctx) })
	for _, k := range store.Kinds {
		g.Go(func() error { return n.dispatch(ctx, k) })
	}
	err := g.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// text is a text in the node's configured language.
func (n *Node) text(key string, args i18n.Args) string { return n.texts.Text(n.lang, key, args) }

// sendClient takes a message from a dispatch system. The checks stand in the
// order of the specification's error table.
// spec: UCRI 2 transport 2.0.0, POST /messaging/send of the client API.
func (n *Node) sendClient(ctx context.Context, a *account, body []byte) (*ucri.Envelope, error) {
	e, bad := ucri.ParseClientSend(body)
	if bad != nil {
		return nil, bad
	}
	if n.registry.Load().lookup(e.Destinations[0]) == nil {
		return nil, refuse(ucri.CodeUnknownOID, "exchange.refuse.unknown_destination", i18n.Args{"oid": short(e.Destinations[0])})
	}
	if err := n.own(ctx, a, "exchange.send", e.Source); err != nil {
		return nil, err
	}
	m, err := n.admit(e, body)
	if err != nil {
		return nil, err
	}
	m.judged = a.OwnDisclosure != ""
	if err := n.prepare(m); err != nil {
		return nil, err
	}
	first, err := n.accept(ctx, m)
	if err != nil || first == nil {
		return e, err
	}
	return first, nil
}

// admit checks what a desk or a dispatch system sends to a known destination and
// fills in what it left out.
func (n *Node) admit(e *ucri.Envelope, body []byte) (*message, error) {
	if ucri.TransportLayer(e.Payload) {
		return nil, refuse(ucri.CodeForbiddenApp, "exchange.refuse.transport_app", nil)
	}
	target, err := n.check(e)
	if err != nil {
		return nil, err
	}
	// By its address, since a desk need not be in the register to send.
	if kindOf(e.Source, n.cfg.OID) != target.kind {
		return nil, refuse(ucri.CodeForbiddenOID, "exchange.refuse.kind", i18n.Args{"destination": target.rec.ID})
	}
	if target.leaving {
		return nil, refuse(ucri.CodeUnknownOID, "exchange.refuse.leaving", i18n.Args{"oid": short(e.Destinations[0])})
	}
	now := n.clock.Now()
	if e.MessageID == "" {
		e.MessageID = n.clock.NewID()
	}
	if e.SentDate == "" {
		e.SentDate = ucri.FormatTime(now)
	}
	if e.Timeout == 0 {
		e.Timeout = ucri.DefaultTimeout
	}
	if e.Ack == "" {
		e.Ack = ucri.DefaultAck
	}
	return &message{env: e, body: body, origin: fromClient, kind: target.kind}, nil
}

// check tells whether the destination exists and takes this payload.
func (n *Node) check(e *ucri.Envelope) (*participant, error) {
	dest := e.Destinations[0]
	target := n.registry.Load().lookup(dest)
	if target == nil {
		return nil, refuse(ucri.CodeUnknownOID, "exchange.refuse.unknown_destination", i18n.Args{"oid": short(dest)})
	}
	if bad := ucri.CheckApp(e.Payload); bad != nil {
		return nil, bad
	}
	// What a node itself takes is no matter of its register entry.
	if !(ucri.TransportLayer(e.Payload)) {
		if bad := target.rec.Supports(e.Payload); bad != nil {
			return nil, bad
		}
	}
	if bad := ucri.CheckData(&e.Payload); bad != nil {
		return nil, bad
	}
	return target, nil
}

// sendPeer takes a message from a neighbour's node.
// spec: UCRI 2 transport 2.0.0, POST /messaging/send of the P2P API.
func (n *Node) sendPeer(ctx context.Context, from []*peer, body []byte) (*ucri.Envelope, error) {
	e, bad := ucri.ParseP2PSend(body)
	if bad != nil {
		return nil, bad
	}
	if notLive(from, e) {
		// Its own queue keeps the message until people here say go.
		wait := unavailable("exchange.refuse.not_live", nil)
		wait.retry = notLiveRetry
		return nil, wait
	}
	via, err := n.senderOf(ctx, from, e.Source)
	if err != nil {
		return nil, err
	}
	if n.registry.Load().quarantined[via.ID] {
		// Its own queue keeps the message until a person lets it go on.
		return nil, unavailable("exchange.refuse.quarantined", nil)
	}
	dest := e.Destinations[0]
	target := n.registry.Load().lookup(dest)
	if target == nil || target.peer != "" {
		// A node is no relay: only its own participants can be reached here.
		return nil, refuse(ucri.CodeUnknownOID, "exchange.refuse.unknown_destination", i18n.Args{"oid": short(dest)})
	}
	if _, err := n.check(e); err != nil {
		return nil, err
	}
	if kindOf(e.Source, via.OID) != target.kind && e.Source != via.OID {
		return nil, refuse(ucri.CodeForbiddenOID, "exchange.refuse.kind", i18n.Args{"destination": dest})
	}
	now := n.clock.Now()
	via.hears(now)
	if ucri.TransportLayer(e.Payload) {
		if e.Source != via.OID {
			return nil, refuse(ucri.CodeForbiddenApp, "exchange.refuse.transport_app", nil)
		}
		if target.self {
			return e, n.takeTransport(ctx, via, e)
		}
		return e, n.takeStatus(ctx, via, e, body, target.kind, now)
	}
	if sent, ok := ucri.ParseTime(e.SentDate); ok && !sent.Add(time.Duration(e.Timeout)*time.Second).After(now) {
		// A repeated message was accepted in time; a new one is dead on arrival.
		known := false
		err := n.db.Read(ctx, func(tx *store.Tx) error {
			_, err := n.find(tx, e.Source, e.MessageID, dest)
			known = err == nil
			if errors.Is(err, store.ErrNoRows) {
				return nil
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if !known {
			return nil, refuse(ucri.CodeP2PInvalid, "exchange.refuse.expired", i18n.Args{"sent": e.SentDate, "timeout": e.Timeout, "now": ucri.FormatTime(now)})
		}
	}
	first, err := n.accept(ctx, &message{env: e, body: body, origin: fromPeer, via: via.ID, kind: target.kind})
	if err != nil || first == nil {
		return e, err
	}
	return first, nil
}

// notLiveRetry is how long a connected peer that is not live yet is asked to keep
// its messages.
const notLiveRetry = 10 * time.Second

// notLive reports whether a message has to wait for the go-live of its peer.
func notLive(from []*peer, e *ucri.Envelope) bool {
	if len(from) == 0 || ucri.TransportLayer(e.Payload) {
		return false
	}
	for _, p := range from {
		if !p.state.Trial() || kindOf(e.Source, p.OID) == store.Test {
			return false
		}
	}
	return true
}

// senderOf finds the peer that source belongs to. A participant that is new
// there since its register was read last is looked up at once.
func (n *Node) senderOf(ctx context.Context, from []*peer, source string) (*peer, error) {
	find := func() *peer {
		known := n.registry.Load().lookup(source)
		for _, p := range from {
			if p.OID == source || known != nil && known.peer == p.ID {
				return p
			}
		}
		return nil
	}
	if p := find(); p != nil {
		return p, nil
	}
	known := n.registry.Load().lookup(source)
	if known != nil {
		return nil, refuse(ucri.CodeForbiddenOID, "exchange.refuse.foreign_source", i18n.Args{"oid": short(source)})
	}
	for _, p := range from {
		if err := p.refetch(ctx, n); err != nil {
			// Refusing for good what may be right would lose the message.
			return nil, unavailable("exchange.refuse.register_unread", i18n.Args{"peer": p.ID})
		}
	}
	if p := find(); p != nil {
		return p, nil
	}
	return nil, refuse(ucri.CodeForbiddenOID, "exchange.refuse.foreign_source", i18n.Args{"oid": short(source)})
}

// keyOf is the key by which a peer's node signs, nil without one.
func (n *Node) keyOf(p *peer) json.RawMessage {
	if node := n.registry.Load().lookup(p.OID); node != nil {
		return node.rec.Key
	}
	return nil
}

// takeTransport handles what one node tells another; it reaches no client.
// Only such messages have their signature checked (code 479).
func (n *Node) takeTransport(ctx context.Context, via *peer, e *ucri.Envelope) error {
	if e.Signature != "" {
		key := n.keyOf(via)
		if len(key) == 0 {
			// Of a new neighbour the register may not have been read yet.
			if err := via.refetch(ctx, n); err == nil {
				key = n.keyOf(via)
			}
		}
		form, bad := ucri.Verify(e, key)
		if bad != nil {
			return bad
		}
		n.log.Debug("exchange: signature verified", "peer", via.ID, "form", form)
	}
	if e.Payload.SchemaID != "participant_availability_update" {
		return nil // a receipt for a message of the node itself
	}
	u, bad := ucri.ParseAvailabilityUpdate(e.Payload)
	if bad != nil {
		return bad
	}
	return n.db.Write(ctx, func(tx *store.Tx) error { return n.setRemoteStatus(tx, via, u) })
}

// takeStatus stores a peer's delivery status for one of our clients, unless the
// message it is about has its terminal receipt already.
func (n *Node) takeStatus(ctx context.Context, via *peer, e *ucri.Envelope, body []byte, kind store.Kind, now time.Time) error {
	if e.Payload.SchemaID != "message_delivery_status" {
		return nil // availability is never passed to clients
	}
	s, bad := ucri.ParseDeliveryStatus(e.Payload)
	if bad != nil {
		return bad
	}
	m := &message{env: e, body: body, origin: fromPeer, via: via.ID, kind: kind}
	return n.db.Write(ctx, func(tx *store.Tx) error {
		pass, key, err := n.settle(tx, via, m.destination(), s, now)
		if err != nil || !pass {
			return err // a repeated one ended the message the first time
		}
		m.key = key
		// The receipt's own life starts here: a wrong clock there must not lose it.
		_, err = n.insert(tx, m, now, now.Add(time.Duration(e.Timeout)*time.Second))
		return err
	})
}

// receive returns the oldest uncommitted messages for oids, waiting up to the
// asked delay for the first one.
// spec: UCRI 2 transport 2.0.0, POST /messaging/receive.
func (n *Node) receive(ctx context.Context, a *account, q ucri.ReceiveRequest) ([]*stored, int, error) {
	oids := unique(q.Destinations)
	for _, o := range oids {
		if n.registry.Load().lookup(o) == nil {
			return nil, 0, refuse(ucri.CodeUnknownOID, "exchange.refuse.unknown_oid", i18n.Args{"oid": short(o)})
		}
	}
	for _, o := range oids {
		if err := n.own(ctx, a, "exchange.receive", o); err != nil {
			return nil, 0, err
		}
	}
	max := q.MaxMessages
	if max == 0 {
		max = defaultMaxMessages
	}
	max = min(max, maxMaxMessages)
	n.touch(context.WithoutCancel(ctx), oids)
	defer n.touch(context.WithoutCancel(ctx), oids)
	topics := make([]string, len(oids))
	for i, o := range oids {
		topics[i] = topicIn(o)
	}
	arrived := n.db.Watch(topics...)
	defer arrived.Close()
	end := time.Now().Add(time.Duration(q.MaxDelay) * time.Second)
	for {
		// A caller that closed its half of the connection still gets what is there.
		got, err := n.oldest(context.WithoutCancel(ctx), oids, max)
		if err != nil || len(got) > 0 {
			return got, max, err
		}
		left := time.Until(end)
		if left <= 0 {
			return nil, max, nil
		}
		select {
		case <-ctx.Done():
			return nil, max, nil
		case <-arrived.C():
		case <-time.After(min(left, receivePoll)):
		}
	}
}

// oldest reads one page, fairly: the destinations take turns, each in the order
// of its sequence numbers, until max messages or maxReplyBytes.
func (n *Node) oldest(ctx context.Context, oids []string, max int) ([]*stored, error) {
	lists := make([][]*stored, len(oids))
	now := n.clock.Now()
	err := n.db.Read(ctx, func(tx *store.Tx) error {
		for i, o := range oids {
			l, err := n.queued(tx, o, max, now)
			if err != nil {
				return err
			}
			lists[i] = l
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []*stored
	size := 0
	for len(out) < max {
		took := false
		for i := range lists {
			if len(lists[i]) == 0 || len(out) == max {
				continue
			}
			s := lists[i][0]
			if len(out) > 0 && size+len(s.sealed) > maxReplyBytes {
				return out, nil
			}
			out, size, took = append(out, s), size+len(s.sealed), true
			lists[i] = lists[i][1:]
		}
		if !took {
			break
		}
	}
	return out, nil
}

// render writes a stored message as it leaves the node, signed if it is the
// node's own and the node signs.
func (n *Node) render(s *stored) (*ucri.Envelope, error) {
	e, err := s.envelope()
	if err != nil {
		return nil, err
	}
	if e.Source == n.cfg.OID && n.signer != nil && e.Signature == "" {
		// RS256 gives the same signature each time: a repeated message stays equal.
		if e.Signature, err = ucri.Sign(e, n.signer); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// commitClient confirms everything up to a sequence number.
func (n *Node) commitClient(ctx context.Context, a *account, ref ucri.MessageRef) error {
	if n.registry.Load().lookup(ref.Destination) == nil {
		return refuse(ucri.CodeUnknownOID, "exchange.refuse.unknown_oid", i18n.Args{"oid": short(ref.Destination)})
	}
	if err := n.own(ctx, a, "exchange.commit", ref.Destination); err != nil {
		return err
	}
	return n.commit(ctx, ref.Destination, ref.SequenceID)
}

func unique(oids []string) []string {
	seen := make(map[string]bool, len(oids))
	out := oids[:0:0]
	for _, o := range oids {
		if !seen[o] {
			seen[o] = true
			out = append(out, o)
		}
	}
	return out
}

// short keeps a hostile OID from filling an error text, or bringing anything but
// an OID into it.
func short(s string) string {
	const most = 64
	cut := min(len(s), most)
	clean := strings.Map(func(r rune) rune {
		if r == '.' || r >= '0' && r <= '9' {
			return r
		}
		return '?'
	}, s[:cut])
	if cut < len(s) {
		clean += "…"
	}
	return clean
}
