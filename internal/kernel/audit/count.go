package audit

import (
	"context"
	"time"

	"trojmezi/internal/kernel/store"
)

const (
	// countFor is how long what was counted after the first leaf waits for the next.
	countFor = time.Minute
	// countEvery is how often counts are looked at: a first one is a leaf soon.
	countEvery = time.Second
	// maxCounted bounds the objects counted at a time; beyond it they are counted
	// together, without their names.
	maxCounted = 10_000
)

// counted is what is counted together.
type counted struct{ action, object string }

// count is how often it happened since its last leaf.
type count struct {
	n    int64
	next time.Time // of the next leaf; zero: at once
}

// Count records what strangers can repeat at will: of one action and object there
// is one leaf at once and then at most one a minute, which says how often it
// happened. It waits for nothing, so that its time tells nothing about the object,
// and what it counted is lost if the process is killed within that minute.
func (l *Log) Count(action, object string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := counted{action, object}
	if l.counts[k] == nil {
		if len(l.counts) >= maxCounted {
			k.object = ""
		}
		if l.counts[k] == nil {
			l.counts[k] = &count{}
		}
	}
	l.counts[k].n++
}

// count writes what is counted until ctx ends, and then the rest.
func (l *Log) count(ctx context.Context) {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.writeCounts(ctx, false)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastPass)
			defer cancel()
			l.writeCounts(last, true)
			return
		}
	}
}

// writeCounts appends a leaf for each count that is due, or for all. What could not
// be written is counted on.
func (l *Log) writeCounts(ctx context.Context, all bool) {
	due := l.dueCounts(all)
	if len(due) == 0 {
		return
	}
	err := l.db.Write(ctx, func(tx *store.Tx) error {
		for k, n := range due {
			if err := l.append(tx, Event{Action: k.action, Object: k.object}, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		return
	}
	l.log.Error("audit: counted events", "error", err)
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, n := range due {
		if l.counts[k] == nil {
			l.counts[k] = &count{}
		}
		l.counts[k].n += n
	}
}

// dueCounts takes what is due off the counts, and forgets those at rest.
func (l *Log) dueCounts(all bool) map[counted]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	due := map[counted]int64{}
	for k, c := range l.counts {
		// A clock that was set back must not keep a count for ever.
		if !all && now.Before(c.next) && c.next.Sub(now) <= countFor {
			continue
		}
		if c.n == 0 {
			delete(l.counts, k)
			continue
		}
		due[k] = c.n
		c.n, c.next = 0, now.Add(countFor)
	}
	return due
}
