package app

import (
	"context"
	"log/slog"
	"time"

	"trojmezi/internal/exchange"
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
			var files []string
			for _, f := range []string{c.Exchange.TLS.Cert, c.Exchange.TLS.ClientCA, c.ListenTLS.Cert} {
				if f != "" {
					files = append(files, c.Path(f))
				}
			}
			theirs, err := n.links.Certificates(ctx)
			return append(health.PEMFiles(files...), theirs...), err
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
		health.Jobs(n.DB, n.jobs),
		health.Channels(n.DB, n.notify),
	)
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

// Examine runs all checks of health now, beside a running node or without one.
func Examine(ctx context.Context, c *Config, o *Opened, texts *i18n.Bundle, log *slog.Logger, lang i18n.Lang) (health.Answer, error) {
	n, err := build(ctx, c, o, texts, log)
	if err != nil {
		return health.Answer{}, err
	}
	return n.health.Examine(ctx).Answer(texts, lang), nil
}

func (n *node) peers(ctx context.Context) (list []exchange.PeerState, err error) {
	err = n.DB.Read(ctx, func(tx *store.Tx) (err error) {
		list, err = exchange.PeerStates(tx)
		return err
	})
	return list, err
}

func moment(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
