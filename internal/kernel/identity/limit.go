package identity

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/problem"
)

// limitKinds bound how often what may be guessed is tried. A right answer gives
// its try back, so only wrong ones count.
var limitKinds = map[string]struct {
	burst int
	pause time.Duration
}{
	// address: a room behind one address that comes to work with caps lock on.
	"address": {30, time.Second},
	// login: from everywhere, so that many addresses together guess no more than
	// one, and at each desk by itself, which strangers must not lock out; a person
	// forgets less than ten times in a row.
	"login": {10, 30 * time.Second},
	// person: second factors and old passwords, after the first proof. At six
	// digits and three valid codes the chance stays under 1 % a day.
	"person": {5, 30 * time.Second},
	// setup: the code has 80 bits; this keeps the log quiet.
	"setup": {5, 10 * time.Second},
}

// maxLimited bounds the memory of one kind. Beyond it the one with the most tries
// left is forgotten: whoever invents names cannot wash away his wrong ones.
const maxLimited = 10_000

type limits struct {
	clock *clock.Clock
	mu    sync.Mutex
	by    map[string]map[string]*rate.Limiter // kind → who
}

// network is what counts as one address: with IPv6 everybody has 2^64 of them.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if p, wrong := netip.ParseAddrPort(address); err != nil && wrong == nil {
		a, address, err = p.Addr(), p.Addr().String(), nil
	}
	if err != nil || a.Unmap().Is4() {
		return address
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}

// take uses up one try, or refuses.
func (l *limits) take(kind, who string) error {
	k := limitKinds[kind]
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	if l.by == nil {
		l.by = map[string]map[string]*rate.Limiter{}
	}
	if l.by[kind] == nil {
		l.by[kind] = map[string]*rate.Limiter{}
	}
	lim := l.by[kind][who]
	if lim == nil {
		if len(l.by[kind]) >= maxLimited {
			forget(l.by[kind], now)
		}
		lim = rate.NewLimiter(rate.Every(k.pause), k.burst)
		l.by[kind][who] = lim
	}
	if !lim.AllowN(now, 1) {
		return problem.New("identity.limit", problem.TooMany, "identity.refused.wait", nil)
	}
	return nil
}

func forget(by map[string]*rate.Limiter, now time.Time) {
	most, least := -1.0, ""
	for who, lim := range by {
		if t := lim.TokensAt(now); t > most {
			most, least = t, who
		}
	}
	delete(by, least)
}

// give puts the try of a right answer back: whoever knows the secret is not
// slowed down by those who do not.
func (l *limits) give(kind, who string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.by[kind], who)
}
