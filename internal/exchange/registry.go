package exchange

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/store"
)

const (
	// registryPoll is how often a peer's register is read once it is known
	// (spec: UCRI 2 transport 2.0.0: at most every 5 minutes, at least hourly).
	registryPoll = 5 * time.Minute
	// registryRetry is how often it is tried while it is not known yet.
	registryRetry = 2 * time.Second
	// registryTrial is the same for a neighbour that is not live yet: nobody waits
	// for it, and it may be days until theirs is ready.
	registryTrial = 30 * time.Second
	// registryTimeout bounds one attempt.
	registryTimeout = 10 * time.Second
	// registryFresh is how old a register may be to refuse a sender by it.
	registryFresh = 5 * time.Second
)

var errPeerGone = errors.New("exchange: the peer has left")

// participant is one record of the register with where it is reached.
type participant struct {
	rec  *ucri.Participant
	peer string // "" is this node
	kind store.Kind
	self bool // the node's own record
	// leaving: nothing new is accepted for it.
	leaving bool
}

// directory is a snapshot of all known participants; it does not change.
type directory struct {
	byOID       map[string]*participant
	quarantined map[string]bool // by peer id
	local       []*participant  // this node first
	all         []*participant
}

func (d *directory) lookup(oid string) *participant { return d.byOID[oid] }

// loadRegistry builds the directory from the configuration and what the peers
// told last, which survives a restart: an incident can be sent to a neighbour
// before its register was read again. One at a time: whoever reads a register and
// whoever follows the links both load, and the slower must not put back what it saw.
func (n *Node) loadRegistry(ctx context.Context) error {
	n.loading.Lock()
	defer n.loading.Unlock()
	d := &directory{byOID: map[string]*participant{}, quarantined: map[string]bool{}}
	add := func(p *participant) {
		if d.byOID[p.rec.ID] != nil {
			return
		}
		d.byOID[p.rec.ID] = p
		d.all = append(d.all, p)
		if p.peer == "" {
			d.local = append(d.local, p)
		}
	}
	add(&participant{rec: n.ownRecord(), self: true, kind: store.Live})
	for _, v := range n.cfg.Participants {
		rec, err := parseParticipant(v)
		if err != nil {
			return fmt.Errorf("exchange: participant: %w", err)
		}
		if rec.Type == "" {
			rec.Type = ucri.TypeClient
		}
		add(&participant{rec: rec, kind: kindOf(rec.ID, n.cfg.OID)})
	}
	peers := n.peers()
	fetched := map[string]bool{}
	err := n.db.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(`SELECT oid, peer, record FROM exchange_participant ORDER BY oid`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var oid, peer, record string
			if err := rows.Scan(&oid, &peer, &record); err != nil {
				return err
			}
			p := peers.byID[peer]
			rec, err := ucri.ParseParticipant([]byte(record))
			if p == nil || err != nil {
				continue // the peer left
			}
			kind := kindOf(rec.ID, p.OID)
			if p.state.Trial() && rec.ID == p.OID {
				// Its key: what the nodes tell each other in the trial is signed.
				add(&participant{rec: rec, peer: peer, kind: kind, self: true})
			}
			if p.state.Trial() && kind != store.Test {
				continue
			}
			if p.state == LinkLeaving {
				rec.Status = ucri.StatusOffline
			}
			add(&participant{rec: rec, peer: peer, kind: kind, leaving: p.state == LinkLeaving})
		}
		if err := rows.Err(); err != nil {
			return err
		}
		marks, err := tx.Query(`SELECT id, fetched, quarantined FROM exchange_peer`)
		if err != nil {
			return err
		}
		defer marks.Close()
		for marks.Next() {
			var id string
			var read, quarantined int64
			if err := marks.Scan(&id, &read, &quarantined); err != nil {
				return err
			}
			fetched[id], d.quarantined[id] = read == 1, quarantined == 1
		}
		return marks.Err()
	})
	if err != nil {
		return err
	}
	// A peer's node is reachable by its OID even before its register was read.
	for _, p := range peers.list {
		add(&participant{peer: p.ID, kind: store.Live, self: true, rec: &ucri.Participant{
			ID: p.OID, Type: ucri.TypeUCRM, SystemName: p.ID, OperatorName: p.ID, OperatorShortName: p.ID,
			SupportedApps: []ucri.AppRef{{AppID: "transport_layer_messages", AppVersion: "1.0"}}, Status: ucri.StatusUnknown,
		}})
	}
	ready := true
	for _, p := range peers.list {
		ready = ready && (fetched[p.ID] || p.state.Trial())
	}
	n.ready.Store(ready)
	n.registry.Store(d)
	return nil
}

func (n *Node) ownRecord() *ucri.Participant {
	unsigned := n.signer == nil
	rec := &ucri.Participant{
		ID: n.cfg.OID, Type: ucri.TypeUCRM, SystemName: "Trojmezí", OperatorName: n.cfg.Operator, OperatorShortName: n.cfg.Operator,
		SupportedApps:             []ucri.AppRef{{AppID: "transport_layer_messages", AppVersion: "1.0"}},
		Status:                    ucri.StatusOnline,
		TransmitsUnsignedMessages: &unsigned,
	}
	if n.signer != nil {
		rec.Key = ucri.PublicJWK(&n.signer.PublicKey)
	}
	return rec
}

// followRegistry reloads the directory when any instance changed it.
func (n *Node) followRegistry(ctx context.Context) error {
	w := n.db.Watch(topicRegistry, TopicLinks)
	defer w.Close()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.C():
		case <-time.After(registryRetry):
		}
		n.followFiles()
		err := n.loadPeers(ctx)
		if err == nil {
			err = n.loadRegistry(ctx)
		}
		if err != nil && ctx.Err() == nil {
			n.log.Error("exchange: register", "error", err)
		}
	}
}

// unfetched makes the node one that has not read its peers' registers yet.
func unfetched(tx *store.Tx) error {
	_, err := tx.Exec(`UPDATE exchange_peer SET fetched = 0`)
	return err
}

// pollRegistries reads every peer's register; one instance does it for all.
func (n *Node) pollRegistries(ctx context.Context) error {
	err := n.db.Write(ctx, func(tx *store.Tx) error {
		if err := unfetched(tx); err != nil {
			return err
		}
		for _, p := range n.configured {
			if err := addPeerRow(tx, p.ID); err != nil {
				return err
			}
		}
		tx.Notify(topicRegistry)
		return nil
	})
	if err != nil {
		return err
	}
	// What was read before this doesn't count: it is read again at once.
	for _, p := range n.peers().list {
		p.fetch.Lock()
		p.fetchedAt = time.Time{}
		p.fetch.Unlock()
	}
	type poller struct {
		p    *peer
		stop context.CancelFunc
	}
	running := map[string]poller{}
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		peers := n.peers()
		for id, r := range running {
			if peers.byID[id] != r.p {
				r.stop()
				delete(running, id)
			}
		}
		for _, p := range peers.list {
			if running[p.ID].p != nil {
				continue
			}
			ctx, stop := context.WithCancel(ctx)
			running[p.ID] = poller{p, stop}
			wg.Go(func() { n.pollRegistry(ctx, p) })
		}
		select {
		case <-ctx.Done():
			for _, r := range running {
				r.stop()
			}
			return ctx.Err()
		case <-peers.replaced:
		}
	}
}

// pollRegistry reads one peer's register until ctx ends.
func (n *Node) pollRegistry(ctx context.Context, p *peer) {
	for {
		wait := registryPoll
		if err := n.fetchRegistry(ctx, p); err != nil {
			if ctx.Err() != nil {
				return
			}
			if wait = registryRetry; p.state.Trial() {
				wait = registryTrial
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// followFiles ends the connections that were opened with another certificate of
// ours or under other authorities: the idle ones, which are nearly all.
func (n *Node) followFiles() {
	if n.security == nil {
		return
	}
	before := n.filesBefore
	if pair, err := n.security.pair.Get(); err == nil {
		n.filesBefore.pair = pair
	}
	if n.security.roots != nil {
		if r, err := n.security.roots.get(); err == nil {
			n.filesBefore.roots = r
		}
	}
	if before.pair == nil || before == n.filesBefore {
		return
	}
	n.log.Info("exchange: certificate or authorities were changed")
	for _, p := range n.peers().list {
		p.client.Close()
	}
}

// fetchRegistry reads one peer's register and replaces what it told before.
// Records that are invalid, or that claim an OID of ours or of another peer, are
// dropped one by one.
func (n *Node) fetchRegistry(ctx context.Context, p *peer) error {
	p.fetch.Lock()
	defer p.fetch.Unlock()
	if time.Since(p.fetchedAt) < registryRetry/2 {
		return nil // another caller just did
	}
	ctx, cancel := context.WithTimeout(ctx, registryTimeout)
	defer cancel()
	recs, err := p.client.Registry(ctx)
	now := n.clock.Now()
	if err != nil {
		if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			n.log.Info("exchange: register of peer not read", "peer", p.ID, "error", err)
			n.db.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
				_, err := tx.Exec(`UPDATE exchange_peer SET failed_at = $2, failure = $3,
					down_since = CASE WHEN down_since = 0 THEN CAST($2 AS BIGINT) ELSE down_since END WHERE id = $1`, p.ID, millis(now), failureKey(err))
				tx.Notify(TopicReceipt)
				return err
			})
		}
		return err
	}
	local := map[string]bool{}
	for _, l := range n.registry.Load().local {
		local[l.rec.ID] = true
	}
	err = n.db.Write(ctx, func(tx *store.Tx) error {
		if !n.current(p) {
			return nil // changed or gone in the meantime
		}
		before, err := statuses(tx, p.ID)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM exchange_participant WHERE peer = $1`, p.ID); err != nil {
			return err
		}
		// What a peer of before left behind must not stand in the way of this one.
		known := make([]any, 0, len(n.peers().list))
		places := make([]string, 0, cap(known))
		for i, other := range n.peers().list {
			known, places = append(known, other.ID), append(places, "$"+strconv.Itoa(i+1))
		}
		if _, err := tx.Exec(`DELETE FROM exchange_participant WHERE peer NOT IN (`+strings.Join(places, ", ")+`)`, known...); err != nil {
			return err
		}
		for _, r := range recs {
			if local[r.ID] {
				n.log.Warn("exchange: peer claims a local participant", "peer", p.ID, "oid", r.ID)
				continue
			}
			if owner := n.peerOf(r.ID); owner != nil && owner.ID != p.ID {
				n.log.Warn("exchange: peer claims another node", "peer", p.ID, "oid", r.ID)
				continue
			}
			record, err := r.MarshalJSON()
			if err != nil {
				continue
			}
			since := millis(now)
			if b, ok := before[r.ID]; ok && b.status == r.Status {
				since = b.since
			}
			if _, err := tx.Exec(`INSERT INTO exchange_participant (oid, peer, record, status_at) VALUES ($1, $2, $3, $4)
				ON CONFLICT (oid) DO NOTHING`, r.ID, p.ID, string(record), since); err != nil {
				return err
			}
		}
		tx.Notify(topicRegistry)
		tx.Notify(TopicReceipt)
		there, err := tx.Exec(`UPDATE exchange_peer SET fetched = 1, fetched_at = $2, failure = '', down_since = 0, skew = $3 WHERE id = $1`,
			p.ID, millis(now), p.client.ClockSkew().Milliseconds())
		if err == nil && there == 0 && p.link.ID != "" {
			return errPeerGone // its link ended in the meantime
		}
		return err
	})
	if err != nil {
		return err
	}
	p.fetchedAt = time.Now()
	p.hears(now)
	return n.loadRegistry(ctx)
}

// standing is a participant's status and since when it has it.
type standing struct {
	status string
	since  int64
}

func statuses(tx *store.Tx, peer string) (map[string]standing, error) {
	rows, err := tx.Query(`SELECT oid, record, status_at FROM exchange_participant WHERE peer = $1`, peer)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]standing{}
	for rows.Next() {
		var oid, record string
		var since int64
		if err := rows.Scan(&oid, &record, &since); err != nil {
			return nil, err
		}
		if rec, err := ucri.ParseParticipant([]byte(record)); err == nil {
			out[oid] = standing{rec.Status, since}
		}
	}
	return out, rows.Err()
}

// peerOf returns the peer whose node has exactly this OID.
func (n *Node) peerOf(oid string) *peer {
	return n.peers().byOID[oid]
}

// setRemoteStatus notes an availability a peer told us.
func (n *Node) setRemoteStatus(tx *store.Tx, p *peer, u ucri.AvailabilityUpdate) error {
	var record string
	err := tx.Row(`SELECT record FROM exchange_participant WHERE oid = $1 AND peer = $2`, u.ID, p.ID).Scan(&record)
	if errors.Is(err, store.ErrNoRows) {
		return nil // its register will tell
	}
	if err != nil {
		return err
	}
	rec, err := ucri.ParseParticipant([]byte(record))
	if err != nil {
		return err
	}
	if rec.Status == u.Status {
		return nil
	}
	rec.Status = u.Status
	b, err := rec.MarshalJSON()
	if err != nil {
		return err
	}
	tx.Notify(topicRegistry)
	tx.Notify(TopicReceipt)
	_, err = tx.Exec(`UPDATE exchange_participant SET record = $3, status_at = $4 WHERE oid = $1 AND peer = $2`,
		u.ID, p.ID, string(b), millis(n.clock.Now()))
	return err
}
