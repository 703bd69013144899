package exchange

import (
	"context"
	"errors"
	"fmt"
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
	// registryTimeout bounds one attempt.
	registryTimeout = 10 * time.Second
	// registryFresh is how old a register may be to refuse a sender by it.
	registryFresh = 5 * time.Second
)

// participant is one record of the register with where it is reached.
type participant struct {
	rec  *ucri.Participant
	peer string // "" is this node
	kind store.Kind
	self bool // the node's own record
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
// before its register was read again.
func (n *Node) loadRegistry(ctx context.Context) error {
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
			p := n.peers[peer]
			rec, err := ucri.ParseParticipant([]byte(record))
			if p == nil || err != nil {
				continue // the peer left the configuration
			}
			add(&participant{rec: rec, peer: peer, kind: kindOf(rec.ID, p.OID)})
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
	for _, p := range n.cfg.Peers {
		add(&participant{peer: p.ID, kind: store.Live, self: true, rec: &ucri.Participant{
			ID: p.OID, Type: ucri.TypeUCRM, SystemName: p.ID, OperatorName: p.ID, OperatorShortName: p.ID,
			SupportedApps: []ucri.AppRef{{AppID: "transport_layer_messages", AppVersion: "1.0"}}, Status: ucri.StatusUnknown,
		}})
	}
	ready := true
	for id := range n.peers {
		ready = ready && fetched[id]
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
	w := n.db.Watch(topicRegistry)
	defer w.Close()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.C():
		case <-time.After(registryRetry):
		}
		if err := n.loadRegistry(ctx); err != nil && ctx.Err() == nil {
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
		for _, p := range n.cfg.Peers {
			if _, err := tx.Exec(`INSERT INTO exchange_peer (id, fetched, fetched_at, failed_at, failure, skew, quarantined)
				VALUES ($1, 0, 0, 0, '', 0, 0) ON CONFLICT (id) DO NOTHING`, p.ID); err != nil {
				return err
			}
		}
		tx.Notify(topicRegistry)
		return nil
	})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for _, p := range n.peers {
		wg.Go(func() {
			wait := registryRetry
			for {
				if err := n.fetchRegistry(ctx, p); err != nil {
					if ctx.Err() != nil {
						return
					}
					wait = registryRetry
				} else {
					wait = registryPoll
				}
				select {
				case <-ctx.Done():
					return
				case <-time.After(wait):
				}
			}
		})
	}
	wg.Wait()
	return ctx.Err()
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
				_, err := tx.Exec(`UPDATE exchange_peer SET failed_at = $2, failure = $3 WHERE id = $1`, p.ID, millis(now), failureKey(err))
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
		if _, err := tx.Exec(`DELETE FROM exchange_participant WHERE peer = $1`, p.ID); err != nil {
			return err
		}
		for _, r := range recs {
			if local[r.ID] {
				n.log.Warn("exchange: peer claims a local participant", "peer", p.ID, "oid", r.ID)
				continue
			}
			if owner := n.peerOf(r.ID); owner != nil && owner != p {
				n.log.Warn("exchange: peer claims another node", "peer", p.ID, "oid", r.ID)
				continue
			}
			record, err := r.MarshalJSON()
			if err != nil {
				continue
			}
			if _, err := tx.Exec(`INSERT INTO exchange_participant (oid, peer, record) VALUES ($1, $2, $3)
				ON CONFLICT (oid) DO NOTHING`, r.ID, p.ID, string(record)); err != nil {
				return err
			}
		}
		tx.Notify(topicRegistry)
		_, err := tx.Exec(`UPDATE exchange_peer SET fetched = 1, fetched_at = $2, failure = '', skew = $3 WHERE id = $1`,
			p.ID, millis(now), p.client.ClockSkew().Milliseconds())
		return err
	})
	if err != nil {
		return err
	}
	p.fetchedAt = time.Now()
	return n.loadRegistry(ctx)
}

// peerOf returns the peer whose node has exactly this OID.
func (n *Node) peerOf(oid string) *peer {
	for _, p := range n.peers {
		if p.OID == oid {
			return p
		}
	}
	return nil
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
	rec.Status = u.Status
	b, err := rec.MarshalJSON()
	if err != nil {
		return err
	}
	tx.Notify(topicRegistry)
	_, err = tx.Exec(`UPDATE exchange_participant SET record = $3 WHERE oid = $1 AND peer = $2`, u.ID, p.ID, string(b))
	return err
}
