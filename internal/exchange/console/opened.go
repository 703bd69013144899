package console

import (
	"sync"
	"time"
)

const (
	// openedKept bounds the summaries remembered, twice: about 1 kB each, and more
	// than the queue shows.
	openedKept = 2_000
	// openedLife is how long one is remembered that nobody looks at, at most twice.
	openedLife = 10 * time.Minute
)

// opened remembers what unsealed summaries say: every drawing of the queue and of an
// incident looks at the same ones. One is found by its place and by all of its sealed
// bytes, as just read, so what it says is as true as they are, whichever instance wrote
// them; whether their key is still there the caller asks the database each time. Nothing
// stays that was not looked at for a while: deleted content is gone soon after its key.
type opened struct {
	mu          sync.Mutex
	now, before map[sealedSummary]summary
	since       time.Time
}

type sealedSummary struct {
	org, id, sealed string
	key             int64
}

func (o *opened) get(k sealedSummary) (summary, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s, ok := o.now[k]; ok {
		return s, true
	}
	s, ok := o.before[k]
	if ok {
		o.keep(k, s)
	}
	return s, ok
}

func (o *opened) put(k sealedSummary, s summary) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keep(k, s)
}

func (o *opened) keep(k sealedSummary, s summary) {
	if len(o.now) >= openedKept || o.now == nil {
		o.before, o.now = o.now, make(map[sealedSummary]summary)
	}
	o.now[k] = s
}

// age forgets what nobody looked at; it is called more often than openedLife.
func (o *opened) age(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now.Sub(o.since) >= openedLife {
		o.before, o.now, o.since = o.now, nil, now
	}
}
