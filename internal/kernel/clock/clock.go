// Package clock is where every other package gets the time and new identifiers
// from, so that a test can hold both still. It does not schedule anything:
// waiting belongs to time.Timer (and to testing/synctest in tests).
package clock

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"time"
)

// Precision is the finest step Now returns. Databases of this product keep
// times as unix milliseconds; a finer time would change on its way through one.
const Precision = time.Millisecond

// Clock tells the time and makes identifiers. It is safe for concurrent use.
type Clock struct {
	fake bool

	mu  sync.Mutex // guards the rest, used by a fake only
	now time.Time
	ids uint64
}

// System returns the clock of the machine with random identifiers.
func System() *Clock { return &Clock{} }

// Fake returns a clock that stands at start until Advance moves it and whose
// identifiers count up from 1.
func Fake(start time.Time) *Clock {
	return &Clock{fake: true, now: start.UTC().Truncate(Precision)}
}

// Now returns the time in UTC at Precision. It carries no monotonic reading:
// it is for timestamps, not for measuring short durations.
func (c *Clock) Now() time.Time {
	if !c.fake {
		return time.Now().UTC().Truncate(Precision)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// NewID returns a new UUID of version 7 in its text form (spec: RFC 9562, §5.7):
// the time in milliseconds, then 74 random bits. Ids made one after the other
// stand side by side in an index, which makes storing them cheaper. A fake clock
// has zeros for the time and its counter in the last 62 bits.
func (c *Clock) NewID() string {
	var u [16]byte
	if c.fake {
		c.mu.Lock()
		c.ids++
		binary.BigEndian.PutUint64(u[8:], c.ids)
		c.mu.Unlock()
	} else {
		rand.Read(u[6:]) // never fails (crypto/rand, since Go 1.24)
		ms := uint64(time.Now().UnixMilli())
		u[0], u[1], u[2], u[3], u[4], u[5] = byte(ms>>40), byte(ms>>32), byte(ms>>24), byte(ms>>16), byte(ms>>8), byte(ms)
	}
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// Advance moves a fake clock forward by d. It panics on the system clock,
// which nobody can move.
func (c *Clock) Advance(d time.Duration) {
	if !c.fake {
		panic("clock: Advance on the system clock")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d).Truncate(Precision)
}
