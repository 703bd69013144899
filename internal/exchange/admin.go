package exchange

import (
	"context"
	"fmt"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/store"
)

// sequenceStep is added to every sequence after a restore: the one permitted
// gap. Numbers given after the backup was taken are never given again.
const sequenceStep = 1_000_000

// Restored prepares a restored database: dispatch systems may have committed
// higher numbers than the backup knows, also for destinations that had no message
// yet when it was taken, and the neighbours may have what the outbox still holds.
// Nothing is sent until Release.
func Restored(cfg *Config) func(*store.Tx) error {
	return func(tx *store.Tx) error {
		for _, v := range cfg.Participants {
			rec, err := parseParticipant(v)
			if err != nil {
				return fmt.Errorf("exchange: restore: %w", err)
			}
			if _, err := tx.Exec(`INSERT INTO exchange_queue (destination, last_seq) VALUES ($1, 0)
				ON CONFLICT (destination) DO NOTHING`, rec.ID); err != nil {
				return fmt.Errorf("exchange: restore: %w", err)
			}
		}
		if _, err := tx.Exec(`UPDATE exchange_queue SET last_seq = last_seq + $1`, sequenceStep); err != nil {
			return fmt.Errorf("exchange: restore: %w", err)
		}
		if _, err := tx.Exec(`UPDATE exchange_outbox SET holder = '', lease_until = 0`); err != nil {
			return fmt.Errorf("exchange: restore: %w", err)
		}
		return tx.SetSetting(settingHeld, "restore")
	}
}

// Release lets a held outbox go; a person decides that.
func Release(tx *store.Tx) error {
	tx.Notify(topicPeers)
	return tx.SetSetting(settingHeld, "")
}

// Held reports whether the outbox waits for Release.
func Held(tx *store.Tx) (bool, error) {
	held, err := tx.Setting(settingHeld)
	return held != "", err
}

// SkewAlarm is how far a neighbour's clock may differ: relative timeouts lie
// beyond it.
const SkewAlarm = 2 * time.Second

// Probed is what a peer's node answered to Probe.
type Probed struct {
	ID      string
	Skew    time.Duration // its clock minus ours
	Failure string        // translation key, "" for none
}

// Probe asks every peer of the configuration for its register, the way the node
// does: where there is no database yet.
func Probe(ctx context.Context, cfg Config, dir, version string) ([]Probed, error) {
	var sec *security
	var err error
	if !cfg.InsecureLoopback {
		if sec, err = loadTLS(cfg.TLS, dir); err != nil {
			return nil, err
		}
	}
	peers, err := newPeers(cfg, sec, version)
	if err != nil {
		return nil, err
	}
	out := probe(ctx, peers)
	for _, p := range peers {
		p.client.Close()
	}
	return out, nil
}

// Probe does the same with Peers.
func (n *Node) Probe(ctx context.Context) []Probed { return probe(ctx, n.reliedOn()) }

func probe(ctx context.Context, peers []*peer) []Probed {
	var out []Probed
	for _, p := range peers {
		ctx, cancel := context.WithTimeout(ctx, registryTimeout)
		_, err := p.client.Registry(ctx)
		cancel()
		r := Probed{ID: p.ID, Skew: p.client.ClockSkew()}
		if err != nil {
			r.Failure = failureKey(err)
		}
		out = append(out, r)
	}
	return out
}

// Quarantine stops sending to a peer and taking messages from it, or lets both
// go on. The queues on both sides are kept.
// ok is false when there is no such peer.
func Quarantine(tx *store.Tx, log *audit.Log, peer string, on bool) (ok bool, err error) {
	v, action := 0, "exchange.peer.release"
	if on {
		v, action = 1, "exchange.peer.quarantine"
	}
	rows, err := tx.Exec(`UPDATE exchange_peer SET quarantined = $2 WHERE id = $1`, peer, v)
	if err != nil || rows == 0 {
		return false, err
	}
	tx.Notify(topicPeers)
	tx.Notify(topicRegistry)
	return true, log.Append(tx, audit.Event{Action: action, Actor: "operator", Object: peer})
}

// PeerState is what the database knows of the line to a peer. Times are unix
// milliseconds, 0 for never; SkewMs is the peer's clock minus ours.
type PeerState struct {
	ID            string `json:"id"`
	Fetched       bool   `json:"registerRead"`
	FetchedAt     int64  `json:"registerReadAt"`
	FailedAt      int64  `json:"failedAt"`
	Failure       string `json:"failure"` // translation key, "" for none
	SkewMs        int64  `json:"clockSkewMs"`
	Quarantined   bool   `json:"quarantined"`
	Participants  int64  `json:"participants"`
	Waiting       int64  `json:"waiting"`
	OldestWaiting int64  `json:"oldestWaitingAt"`
}

// PeerStates lists the peers by id, without connected ones that are not live yet:
// nobody relies on those.
func PeerStates(tx *store.Tx) ([]PeerState, error) {
	rows, err := tx.Query(`SELECT p.id, p.fetched, p.fetched_at, p.failed_at, p.failure, p.skew, p.quarantined,
		(SELECT COUNT(*) FROM exchange_participant x WHERE x.peer = p.id),
		(SELECT COUNT(*) FROM exchange_message m WHERE m.state = 'outgoing' AND m.peer = p.id),
		(SELECT COALESCE(MIN(m.accepted_at), 0) FROM exchange_message m WHERE m.state = 'outgoing' AND m.peer = p.id)
		FROM exchange_peer p
		WHERE NOT EXISTS (SELECT 1 FROM exchange_link l WHERE l.id = p.id AND l.stage IN ('proposed', 'tested')) ORDER BY p.id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []PeerState{}
	for rows.Next() {
		var s PeerState
		var fetched, quarantined int64
		if err := rows.Scan(&s.ID, &fetched, &s.FetchedAt, &s.FailedAt, &s.Failure, &s.SkewMs, &quarantined,
			&s.Participants, &s.Waiting, &s.OldestWaiting); err != nil {
			return nil, err
		}
		s.Fetched, s.Quarantined = fetched == 1, quarantined == 1
		out = append(out, s)
	}
	return out, rows.Err()
}

// QueueState is a local destination's queue.
type QueueState struct {
	Destination string `json:"destination"`
	LastSeq     int64  `json:"lastSequenceId"`
	Waiting     int64  `json:"waiting"`
	Online      bool   `json:"online"`
	// OldestWaiting is of the live ones, 0 without.
	OldestWaiting int64 `json:"oldestWaitingAt"`
}

// QueueStates lists the local queues by destination.
func QueueStates(tx *store.Tx) ([]QueueState, error) {
	rows, err := tx.Query(`SELECT q.destination, q.last_seq,
		(SELECT COUNT(*) FROM exchange_message m WHERE m.destination = q.destination AND m.state = 'queued'),
		(SELECT COALESCE(MAX(online), 0) FROM exchange_presence x WHERE x.oid = q.destination),
		(SELECT COALESCE(MIN(m.accepted_at), 0) FROM exchange_message m WHERE m.destination = q.destination AND m.state = 'queued' AND m.kind = 'live')
		FROM exchange_queue q ORDER BY q.destination`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []QueueState{}
	for rows.Next() {
		var s QueueState
		var online int64
		if err := rows.Scan(&s.Destination, &s.LastSeq, &s.Waiting, &online, &s.OldestWaiting); err != nil {
			return nil, err
		}
		s.Online = online == 1
		out = append(out, s)
	}
	return out, rows.Err()
}

// Schedule registers the node's background work.
func (n *Node) Schedule(ctx context.Context, jobs *job.Queue) error {
	return jobs.Daily(ctx, QueueErase, eraseAt, store.Live, n.Erase)
}

// eraseAt is the local time of the daily deletion: when few people work.
const eraseAt = "03:30"
