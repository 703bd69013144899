package exchange

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"trojmezi/internal/exchange/ucrmclient"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

const (
	// outboxPage is how many messages a worker reads at once.
	outboxPage = 64
	// outboxPoll is how often work is looked for without a wake-up.
	outboxPoll = 3 * time.Second
	// leaseTime is how long an instance owns a destination without renewal: the
	// longest a killed instance's destinations wait for another.
	leaseTime = 10 * time.Second
	// perPeer bounds the destinations of one peer that are served side by side.
	perPeer = 32
	// markPage and markAge bound how many messages, and for how long, the peer
	// has before their rows are told so. A commit for each would cost as much as
	// the message itself; after a crash these few are sent again, and the peer
	// knows them. While one page waits for its commit the next is collected, so
	// that there are never more than two.
	markPage = 32
	markAge  = 100 * time.Millisecond
	// linger is how long a worker with nothing to do waits for the next message
	// before it gives its destination back, which costs a commit.
	linger = 250 * time.Millisecond
	// sendTimeout bounds one attempt.
	sendTimeout = 30 * time.Second

	// Retries back off exponentially with jitter, so that a peer that comes back
	// is found within a second or two after a short break and is not stormed
	// after a long one.
	retryFirst = 250 * time.Millisecond
	retryLast  = 30 * time.Second
	// rouseEvery bounds how often a peer that asks us something, but can't be
	// reached from here, makes the pauses short again.
	rouseEvery = 10 * time.Second
)

// settingHeld marks an outbox that waits for a person after a restore.
const settingHeld = "exchange.held"

// peer is a neighbour's node with what this instance knows of its line.
type peer struct {
	Peer
	link     linkKey   // the zero value: it is of the configuration
	state    LinkState // LinkLive for those of the configuration
	accepted map[string]bool
	revoked  map[string]bool // fingerprints, like accepted
	account  *account        // its own at this node; nil for those of the configuration
	noted    *notes

	client *ucrmclient.Client
	slots  chan struct{}
	rate   *rate.Limiter // of what it sends us

	fetch     sync.Mutex
	fetchedAt time.Time // guarded by fetch

	heard atomic.Int64 // unix milliseconds: when it last answered or asked something

	mu       sync.Mutex
	failures int
	nextTry  time.Time     // of the destination that tries next; zero while it answers
	back     chan struct{} // closed when the peer answers, or asks something, after failures
	roused   time.Time     // when what it asked last ended the pauses
}

// newPeers makes the peers of the configuration, in its order.
func newPeers(cfg Config, sec *security, version string) ([]*peer, error) {
	var peers []*peer
	for _, c := range cfg.Peers {
		p, err := newPeer(cfg, c, sec, version, nil)
		if err != nil {
			return nil, err
		}
		peers = append(peers, p)
	}
	return peers, nil
}

// refetch reads the peer's register unless that was done just now.
func (p *peer) refetch(ctx context.Context, n *Node) error {
	p.fetch.Lock()
	fresh := time.Since(p.fetchedAt) < registryFresh
	p.fetch.Unlock()
	if fresh {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	return n.fetchRegistry(ctx, p)
}

// dispatch starts a worker for every destination with something to send of one
// kind. A worker of one kind never sees a row of another.
func (n *Node) dispatch(ctx context.Context, kind store.Kind) error {
	changes := n.db.Watch(topicOut(kind), topicPeers)
	defer changes.Close()
	if n.db.Engine() == store.SQLite {
		// Nobody else works on this database: leases of a killed run are void.
		if err := n.db.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE exchange_outbox SET holder = '', lease_until = 0 WHERE kind = $1`, string(kind))
			return err
		}); err != nil {
			return err
		}
	}
	var mu sync.Mutex
	running := map[string]bool{}
	// What came while a worker was finding its queue empty waits for this.
	ended := make(chan struct{}, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		peers := n.peers()
		work, err := n.work(ctx, kind)
		if err != nil && ctx.Err() == nil {
			n.log.Error("exchange: outbox", "error", err)
		}
		for dest, peerID := range work {
			p := peers.byID[peerID]
			mu.Lock()
			busy := running[dest]
			if p != nil && !busy {
				running[dest] = true
			}
			mu.Unlock()
			if p == nil || busy {
				continue
			}
			wg.Go(func() {
				defer func() {
					mu.Lock()
					delete(running, dest)
					mu.Unlock()
					select {
					case ended <- struct{}{}:
					default:
					}
				}()
				w := &sender{n: n, p: p, dest: dest, kind: kind}
				if err := w.run(ctx); err != nil && ctx.Err() == nil {
					n.log.Warn("exchange: sending", "peer", p.ID, "destination", dest, "error", err)
					select { // whatever failed would fail again at once
					case <-ctx.Done():
					case <-time.After(retryFirst):
					}
				}
			})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changes.C():
		case <-peers.replaced:
		case <-ended:
		case <-time.After(outboxPoll):
		}
	}
}

// work lists the destinations with something to send that no other instance
// holds, with their peers; none while the outbox is held.
func (n *Node) work(ctx context.Context, kind store.Kind) (map[string]string, error) {
	work := map[string]string{}
	err := n.db.Read(ctx, func(tx *store.Tx) error {
		held, err := Held(tx)
		if err != nil || held {
			return err
		}
		rows, err := tx.Query(`SELECT o.destination, o.peer FROM exchange_outbox o
			WHERE o.active = 1 AND o.kind = $1 AND (o.holder = $2 OR o.lease_until < $3)
			AND NOT EXISTS (SELECT 1 FROM exchange_peer p WHERE p.id = o.peer AND p.quarantined = 1)`,
			string(kind), n.instance, millis(n.clock.Now()))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var dest, peer string
			if err := rows.Scan(&dest, &peer); err != nil {
				return err
			}
			work[dest] = peer
		}
		return rows.Err()
	})
	return work, err
}

// sender hands one destination's messages to its peer, strictly in order, one
// at a time.
type sender struct {
	n     *Node
	p     *peer
	dest  string
	kind  store.Kind
	after int64     // the last message the peer has taken
	lease time.Time // ours until then, on this machine's monotonic clock

	marks   []mark        // taken by the peer, not written down yet
	marked  time.Time     // when the first of them was taken
	written chan struct{} // closed when the marks before these are on disk, or lost; nil: there were none
	paused  bool          // the last message took more than one attempt
}

// mark is a message the peer has taken.
type mark struct {
	id   int64
	at   int64 // unix milliseconds
	desk string
}

func (w *sender) run(ctx context.Context) error {
	select {
	case w.p.slots <- struct{}{}:
		defer func() { <-w.p.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	more := w.n.db.Watch(topicOutTo(w.dest))
	defer more.Close()
	defer w.flush()
	rested := false
	for {
		if ok, err := w.hold(ctx); err != nil || !ok {
			return err
		}
		var page []*stored
		stopped := false
		err := w.n.db.Read(ctx, func(tx *store.Tx) error {
			var err error
			if stopped, err = w.stopped(tx); err != nil || stopped {
				return err
			}
			page, err = w.n.outgoing(tx, w.dest, w.kind, w.after, w.n.clock.Now())
			return err
		})
		if err != nil {
			return err
		}
		if len(page) == 0 {
			w.flush()
		}
		if !stopped && len(page) == 0 && !rested {
			rested = true
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-more.C():
				rested = false
			case <-time.After(linger):
			}
			continue
		}
		if stopped && !w.n.current(w.p) {
			w.flush()
			_, err := w.release(ctx, true) // its row may be gone too
			return err
		}
		if stopped || len(page) == 0 {
			idle, err := w.release(ctx, stopped)
			if err != nil || idle {
				return err
			}
			continue
		}
		rested = false
		for _, s := range page {
			if time.Until(w.lease) < leaseTime/2 || !w.n.current(w.p) {
				break // renew, or notice the change, before going on
			}
			done, err := w.send(ctx, s)
			if err != nil {
				return err
			}
			if !done {
				break
			}
			w.after = s.id
			if w.paused {
				w.paused = false
				break // the page is old by now: people may have withdrawn some of it
			}
		}
	}
}

// stopped reports whether a person stopped sending to this peer, or changed it:
// then another worker goes on with what it is now.
func (w *sender) stopped(tx *store.Tx) (bool, error) {
	if !w.n.current(w.p) {
		return true, nil
	}
	held, err := Held(tx)
	if err != nil || held {
		return held, err
	}
	var q int
	err = tx.Row(`SELECT COALESCE(MAX(quarantined), 0) FROM exchange_peer WHERE id = $1`, w.p.ID).Scan(&q)
	return q == 1, err
}

// hold takes or renews the lease.
func (w *sender) hold(ctx context.Context) (ok bool, err error) {
	if w.n.db.Engine() == store.SQLite {
		w.lease = time.Now().Add(24 * time.Hour) // alone on this database
		return true, nil
	}
	if time.Until(w.lease) > leaseTime*3/4 {
		return true, nil
	}
	start := time.Now()
	err = w.n.db.Write(ctx, func(tx *store.Tx) error {
		now := w.n.clock.Now()
		rows, err := tx.Exec(`UPDATE exchange_outbox SET holder = $3, lease_until = $4
			WHERE destination = $1 AND kind = $2 AND (holder = $3 OR lease_until < $5)`,
			w.dest, string(w.kind), w.n.instance, millis(now.Add(leaseTime)), millis(now))
		ok = rows == 1
		return err
	})
	w.lease = start.Add(leaseTime)
	return ok, err
}

// release gives the destination back; idle is false when something arrived in
// the meantime. It is queued behind the marks of everything sent before.
func (w *sender) release(ctx context.Context, stopped bool) (idle bool, err error) {
	err = w.n.db.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		idle = true
		query := `UPDATE exchange_outbox SET active = 0, holder = '', lease_until = 0
			WHERE destination = $1 AND kind = $2 AND NOT EXISTS (SELECT 1 FROM exchange_message
				WHERE destination = $1 AND kind = $2 AND state = 'outgoing')`
		if stopped {
			query = `UPDATE exchange_outbox SET holder = '', lease_until = 0 WHERE destination = $1 AND kind = $2`
		}
		rows, err := tx.Exec(query, w.dest, string(w.kind))
		idle = rows == 1
		return err
	})
	if !idle && err == nil {
		w.after = 0 // a mark may have failed: look from the start
		select {
		case <-ctx.Done():
			return true, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return idle, err
}

// send hands one message over and tries until the peer has answered for good,
// the message has expired, or sending was stopped. done is true when the next
// message may follow.
func (w *sender) send(ctx context.Context, s *stored) (done bool, err error) {
	e, err := w.n.render(s)
	if errors.Is(err, seal.ErrDestroyed) {
		return true, w.refused(ctx, s, &ucri.ErrorBody{Code: ucri.CodeInternal, Reason: w.n.text("exchange.status.deleted", nil)})
	}
	if err != nil {
		return false, err
	}
	body := e.AppendJSON(nil)
	expires := time.UnixMilli(s.expiresAt)
	for attempt := 0; ; attempt++ {
		if !w.n.clock.Now().Before(expires) {
			return true, nil // the sweeper tells the sender
		}
		if time.Until(w.lease) < leaseTime/4 {
			return false, nil
		}
		if !w.n.withdrawals.start(s.id) {
			// A person is taking it back. The writer is serial: this finds out how
			// that ended.
			gone, err := w.withdrawn(ctx, s)
			w.n.withdrawals.forget(s.id)
			if err != nil || gone {
				return gone, err
			}
			continue
		}
		back := w.p.word() // taken before: what the peer asks meanwhile counts too
		start := time.Now()
		_, err := w.p.client.SendRaw(ctx, body)
		if err != nil {
			w.n.withdrawals.finish(s.id)
		}
		if err == nil {
			w.n.linkUp(w.p)
			w.n.metrics.sent(w.p.ID, time.Since(start))
			w.taken(s)
			return true, nil
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		refusal, _ := errors.AsType[*ucrmclient.Refusal](err)
		if refusal != nil && refusal.Final() {
			w.n.linkUp(w.p)
			w.n.log.Info("exchange: peer refused", "peer", w.p.ID, "message", s.messageID, "status", refusal.Status, "code", int(refusal.Code))
			return true, w.refused(ctx, s, &ucri.ErrorBody{Code: knownCode(refusal.Code), Reason: refusal.Reason, Message: refusal.Message})
		}
		w.flush() // the pause may be long
		if w.p.failed() {
			w.n.log.Warn("exchange: peer does not take messages, retrying", "peer", w.p.ID, "error", err)
			w.n.linkDown(w.p, err)
		}
		w.paused = true
		w.n.metrics.retried(w.p.ID)
		pause := backoff(attempt)
		if refusal != nil {
			back = nil // it answers; what ails this message another's success doesn't cure
		}
		if refusal != nil && refusal.RetryAfter > 0 {
			pause = min(refusal.RetryAfter, retryLast)
		}
		pause = min(pause, expires.Sub(w.n.clock.Now()))
		w.p.tries(w.n.clock.Now().Add(pause))
		stop, gone, err := w.pause(ctx, s, pause, back)
		if err != nil || stop || gone {
			return gone, err
		}
		select {
		case <-back:
			attempt = -1 // a node that starts asks before it answers
		default:
		}
	}
}

// pause waits between attempts and keeps the lease. It ends early when sending
// was stopped, and when back says that another destination's message got through
// to the peer, or that the peer asked something: after a long break the pauses
// are long, and the line may be up again.
// gone is true when s was taken back meanwhile.
func (w *sender) pause(ctx context.Context, s *stored, d time.Duration, back <-chan struct{}) (stop, gone bool, err error) {
	end := time.Now().Add(d)
	for {
		left := time.Until(end)
		if left <= 0 {
			return false, false, nil
		}
		select {
		case <-ctx.Done():
			return true, false, ctx.Err()
		case <-back:
			return false, false, nil
		case <-w.n.peers().replaced:
		case <-time.After(min(left, leaseTime/4)):
		}
		if ok, err := w.hold(ctx); err != nil || !ok {
			return true, false, err
		}
		err := w.n.db.Read(ctx, func(tx *store.Tx) (err error) {
			if stop, err = w.stopped(tx); err != nil || stop {
				return err
			}
			gone, err = isWithdrawn(tx, s.id)
			return err
		})
		if err != nil || stop || gone {
			return stop, gone, err
		}
	}
}

// withdrawn asks behind everything the writer has taken so far whether s was
// taken back.
func (w *sender) withdrawn(ctx context.Context, s *stored) (gone bool, err error) {
	err = w.n.db.Write(ctx, func(tx *store.Tx) (err error) {
		gone, err = isWithdrawn(tx, s.id)
		return err
	})
	return gone, err
}

// backoff is the pause after the given attempt, counted from 0, with ± 20 % jitter.
func backoff(attempt int) time.Duration {
	d := retryLast
	if attempt < 7 {
		d = retryFirst << attempt
	}
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}

// taken notes that the peer has the message.
func (w *sender) taken(s *stored) {
	if len(w.marks) == 0 {
		w.marked = time.Now()
	}
	w.marks = append(w.marks, mark{s.id, millis(w.n.clock.Now()), s.source})
	if len(w.marks) >= markPage || time.Since(w.marked) >= markAge {
		w.flush()
	}
}

// flush writes down what the peer has taken. It does not wait for that commit
// but for the one before: a slow disk slows the sending down, or there would be
// no bound to what a crash repeats.
func (w *sender) flush() {
	if len(w.marks) == 0 {
		return
	}
	if w.written != nil {
		<-w.written
	}
	marks, written := w.marks, make(chan struct{})
	w.marks, w.written = nil, written
	w.n.db.WriteLater(func(tx *store.Tx) error {
		for _, m := range marks {
			// Another instance may have taken it back while this one sent it: that
			// the peer has it is the truth.
			if _, err := tx.Exec(`UPDATE exchange_message SET
				state    = CASE WHEN ack = 'ALL' AND origin = 'client' THEN 'awaiting' ELSE 'forwarded' END,
				ended_at = CASE WHEN ack = 'ALL' AND origin = 'client' THEN NULL ELSE CAST($2 AS BIGINT) END,
				taken_at = $2, cause = NULL
				WHERE id = $1 AND (state = 'outgoing' OR cause = 'withdrawn' AND status IS NULL)`, m.id, m.at); err != nil {
				return err
			}
			w.n.withdrawals.finish(m.id)
			w.n.wakeDesk(tx, TopicReceipt, m.desk)
		}
		return nil
	}, func(error) { close(written) })
}

// refused ends a message the peer refused and tells the sender, unless it wants
// no receipts. spec: UCRI 2 transport 2.0.0, delivery status 502 with cause.
func (w *sender) refused(ctx context.Context, s *stored, cause *ucri.ErrorBody) error {
	return w.n.db.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		now := w.n.clock.Now()
		rows, err := tx.Query(`UPDATE exchange_message SET state = 'refused', ended_at = $2, cause = $3,
			status = CASE WHEN origin = 'client' AND ack <> 'NONE' THEN 502 ELSE status END
			WHERE id = $1 AND state = 'outgoing' RETURNING `+endedColumns, s.id, millis(now), strconv.Itoa(int(cause.Code)))
		if err != nil {
			return err
		}
		done, err := w.n.scanEnded(rows)
		if err != nil {
			return err
		}
		for _, e := range done {
			w.n.wakeDesk(tx, TopicReceipt, e.source)
			if err := w.n.audit.Append(tx, audit.Event{Action: "exchange.refused", Actor: short(w.p.OID), Object: e.messageID}); err != nil {
				return err
			}
			if e.origin != fromClient || e.ack == ucri.AckNone {
				continue
			}
			st := ucri.DeliveryStatus{StatusCode: ucri.Refused, Cause: cause, StatusMessage: w.n.text("exchange.status.refused", nil)}
			if err := w.n.putStatus(tx, e, st, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// knownCode keeps codes that the specification does not have out of receipts: a
// peer, or a proxy before it, may answer with anything.
func knownCode(c ucri.Code) ucri.Code {
	if c.Known() {
		return c
	}
	return ucri.CodeInternal
}

// ok notes that the peer answers, and reports whether it did not before; failed
// that it does not, and reports the first time.
func (p *peer) ok() (again bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if again = p.failures > 0; again {
		p.failures = 0
		p.endPauses()
	}
	p.nextTry = time.Time{}
	return again
}

// hears notes that the peer asked something or that its register could be read.
func (p *peer) hears(now time.Time) {
	p.heard.Store(millis(now))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failures > 0 && time.Since(p.roused) >= rouseEvery {
		p.roused = time.Now()
		p.endPauses()
	}
}

// endPauses needs p.mu.
func (p *peer) endPauses() {
	close(p.back)
	p.back = make(chan struct{})
}

// tries notes when the next attempt is due.
func (p *peer) tries(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nextTry = at
}

func (p *peer) failed() (first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures++
	return p.failures == 1
}

// word is closed when the peer answers or asks something, if it failed before.
func (p *peer) word() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.back
}

// failureKey names the reason a peer can't be reached, for the screens.
func failureKey(err error) string {
	if r, ok := errors.AsType[*ucrmclient.Refusal](err); ok {
		if r.Status == 401 || r.Code == ucri.CodeUnauthorized {
			return "exchange.peer.credentials"
		}
		return "exchange.peer.refused"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "exchange.peer.certificate"
	}
	return "exchange.peer.unreachable"
}
