package exchange

import (
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// signInBurst is how many wrong passwords one address may send at once: a
	// room of dispatch systems restarting with an old password.
	signInBurst = 30
	// signInPause is how long another try takes to grow after that. Each try
	// costs a password hash, and only a few of those run at a time.
	signInPause = time.Second
	// signInAddresses bounds the memory; beyond it all is forgotten at once.
	signInAddresses = 10_000
)

// signIns remembers wrong passwords by address, so that a stranger who tries
// many neither finds one nor keeps the others from signing in.
type signIns struct {
	mu     sync.Mutex
	failed map[string]*rate.Limiter
}

// allowed reports whether the address may try.
func (s *signIns) allowed(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.failed[address(r)]
	return l == nil || l.Tokens() >= 1
}

// wrong notes a wrong password.
func (s *signIns) wrong(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := address(r)
	l := s.failed[a]
	if l == nil {
		if s.failed == nil || len(s.failed) >= signInAddresses {
			s.failed = map[string]*rate.Limiter{}
		}
		l = rate.NewLimiter(rate.Every(signInPause), signInBurst)
		s.failed[a] = l
	}
	l.Allow()
}

func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
