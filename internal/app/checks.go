package app

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/gateway"
	"trojmezi/internal/kernel/health"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// addChecks tells health what the parts of the node know about themselves.
func (n *node) addChecks() {
	c, started := n.config, n.Clock.Now()
	folders := []health.Folder{health.DataFolder(c.DataDir())}
	if n.backups.folder != "" {
		folders = append(folders, health.BackupFolder(n.backups.folder))
	}
	n.health.Add(
		health.Disk(folders...),
		health.Backup(n.Clock, n.backups.State),
		health.Certificates(n.Clock, func(ctx context.Context) ([]health.Certificate, error) {
			theirs, err := n.links.Certificates(ctx)
			return append(n.certificates(), theirs...), err
		}),
		health.Queues(n.Clock, func(ctx context.Context) ([]health.Queue, error) {
			peers, err := n.peers(ctx)
			var all []health.Queue
			for _, p := range peers {
				q := health.Queue{Name: p.ID, Waiting: p.Waiting}
				if p.OldestWaiting > 0 {
					q.Oldest = moment(p.OldestWaiting)
				}
				all = append(all, q)
			}
			return all, err
		}),
		health.Receivers(n.Clock, n.receivers),
		health.Peers(n.Clock, func(ctx context.Context) ([]health.Peer, error) {
			peers, err := n.peers(ctx)
			var all []health.Peer
			for _, p := range peers {
				if p.Quarantined {
					continue
				}
				// Down since the last success; a peer that never answered, since the start.
				s := health.Peer{Name: p.ID, Down: p.Failure != "", Since: started, Reason: p.Failure}
				if p.FetchedAt > 0 {
					s.Since = moment(p.FetchedAt)
				}
				all = append(all, s)
			}
			return all, err
		}),
		health.Record(n.Clock, func(ctx context.Context) (outside int64, oldest time.Time, err error) {
			err = n.DB.Read(ctx, func(tx *store.Tx) (err error) {
				outside, oldest, err = n.Audit.Outside(tx)
				return err
			})
			return outside, oldest, err
		}),
		n.trail.Damage(),
		n.disclosure.Reviews(),
		health.Jobs(n.DB, n.jobs),
		health.Channels(n.DB, n.notify, func(ctx context.Context) ([]health.Place, error) {
			rooms, err := n.rooms(ctx)
			var all []health.Place
			for _, r := range rooms {
				all = append(all, health.Place{ID: r.ID, Name: r.Name})
			}
			return all, err
		}),
	)
	n.health.Add(n.gateways.Checks()...)
	n.health.Add(n.feeds.Checks()...)
	if len(c.Health.TimeServers) > 0 {
		n.health.Add(health.Clock(n.Clock, c.Health.TimeServers))
		return
	}
	n.health.Add(health.ClockPeers(func(ctx context.Context) ([]health.Skew, error) {
		peers, err := n.peers(ctx)
		var all []health.Skew
		for _, p := range peers {
			if p.FetchedAt > 0 {
				all = append(all, health.Skew{Source: p.ID, Offset: time.Duration(p.SkewMs) * time.Millisecond})
			}
		}
		return all, err
	}))
}

// certificates are those the node shows, as they are in use, and the authorities it
// trusts. A file that was exchanged and can't be used is one more.
func (n *node) certificates() (all []health.Certificate) {
	seen := map[string]bool{}
	for _, p := range []*exchange.KeyPair{n.exchange.KeyPair(), n.pair} {
		if p == nil || seen[p.Cert] {
			continue
		}
		seen[p.Cert] = true
		pair, err := p.Get()
		if err != nil {
			all = append(all, health.Certificate{Name: p.Cert, Err: err})
			continue
		}
		all = append(all, health.Chain(p.Cert, pair.Certificate))
		if err := p.Fault(); err != nil {
			all = append(all, health.Certificate{Name: p.Cert + ", " + p.Key, Err: err})
		}
	}
	if f := n.config.Exchange.TLS.ClientCA; f != "" {
		all = append(all, health.PEMFiles(n.config.Path(f))...)
	}
	return all
}

// receivers are the node's own dispatch systems, by the addresses that have a queue.
func (n *node) receivers(ctx context.Context) (all []health.Receiver, err error) {
	err = n.DB.Read(ctx, func(tx *store.Tx) error {
		queues, err := exchange.QueueStates(tx)
		all = nil
		for _, q := range queues {
			if slices.ContainsFunc(n.config.Gateways, func(g gateway.Config) bool { return g.OID == q.Destination }) {
				continue // its gateway's own check tells more
			}
			r := health.Receiver{Address: q.Destination, Name: n.exchange.NameOf(q.Destination), Waiting: q.Waiting, Online: q.Online}
			if q.OldestWaiting > 0 {
				r.Oldest = moment(q.OldestWaiting)
			}
			all = append(all, r)
		}
		return err
	})
	return all, err
}

// Examination is what Examine found.
type Examination struct {
	Health health.Answer
	Peers  []exchange.Peer   // that messages go to
	Probes []exchange.Probed // of them
}

// Examine runs all checks of health and asks every neighbour's node now, beside a
// running node or without one.
func Examine(ctx context.Context, c *Config, o *Opened, texts *i18n.Bundle, log *slog.Logger, lang i18n.Lang) (Examination, error) {
	n, err := build(ctx, c, o, texts, log, true)
	if err != nil {
		return Examination{}, err
	}
	return Examination{Health: n.health.Examine(ctx).Answer(texts, lang), Peers: n.exchange.Peers(), Probes: n.exchange.Probe(ctx)}, nil
}

// peers are the lines to the neighbours of now. One that is in no configuration any
// more counts as long as something waits for it.
func (n *node) peers(ctx context.Context) (list []exchange.PeerState, err error) {
	err = n.DB.Read(ctx, func(tx *store.Tx) (err error) {
		list, err = exchange.PeerStates(tx)
		return err
	})
	now := n.exchange.Peers()
	return slices.DeleteFunc(list, func(s exchange.PeerState) bool {
		return s.Waiting == 0 && !slices.ContainsFunc(now, func(p exchange.Peer) bool { return p.ID == s.ID })
	}), err
}

func moment(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// Gateways lists the lines to foreign systems, and with try what trying each transport
// now shows, beside a running node or without one.
func Gateways(ctx context.Context, c *Config, o *Opened, texts *i18n.Bundle, log *slog.Logger, try bool) ([]gateway.Probe, error) {
	n, err := build(ctx, c, o, texts, log, true)
	if err != nil {
		return nil, err
	}
	return n.gateways.Probe(ctx, try)
}
