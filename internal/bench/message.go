package bench

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"trojmezi/internal/kernel/clock"
)

// runID marks the messages of a run: it is the first half of their identifiers,
// of which the second half counts.
type runID string // 19 characters: 8-4-4 hexadecimal digits with a dash behind each

const zeroID = "00000000-0000-4000-8000-000000000000"

func newRunID(c *clock.Clock) (runID, error) {
	id := c.NewID()
	if len(id) != len(zeroID) {
		return "", fmt.Errorf("bench: %q is no UUID", id)
	}
	return runID(id[:19]), nil
}

// message returns the identifier of message i: 60 bits of it count, behind the
// variant's digit (spec: RFC 9562 §4.1).
func (r runID) message(i int64) string { return r.number('8', i) }

// incident returns the identifier of incident i.
func (r runID) incident(i int64) string { return r.number('9', i) }

func (r runID) number(variant byte, i int64) string {
	var digits [16]byte
	hex.Encode(digits[:], []byte{byte(i >> 56), byte(i >> 48), byte(i >> 40), byte(i >> 32), byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)})
	b := make([]byte, 0, len(zeroID))
	b = append(b, r...)
	b = append(b, variant)
	b = append(b, digits[1:4]...)
	b = append(b, '-')
	return string(append(b, digits[4:]...))
}

// index is the inverse of message.
func (r runID) index(id string) (int64, bool) {
	id = strings.ToLower(id)
	if len(id) != len(zeroID) || !strings.HasPrefix(id, string(r)) || id[19] != '8' {
		return 0, false
	}
	i, err := strconv.ParseInt(id[20:23]+id[24:], 16, 64)
	return i, err == nil
}

// payload is an incident of the size asked for, padded in a field for free text.
func payload(size int, incident string) string {
	const (
		head = `{"sharedIncidentId":"`
		rest = `","internalId":"BENCH-1","classifications":["test alarm"],"issue":"load test, no real incident","flashingLights":false,` +
			`"sentByDispatcherAt":"2026-01-01T00:00:00Z","missionLocation":{"coordinate":{"lat":50.8655,"lon":14.8286},` +
			`"address":{"street":"Test","city":"Test","country":"CZ"}},"additionalInformation":"`
		tail = `"}`
	)
	pad := max(0, size-len(head)-len(incident)-len(rest)-len(tail))
	var b strings.Builder
	b.Grow(size)
	b.WriteString(head)
	b.WriteString(incident)
	b.WriteString(rest)
	for range pad {
		b.WriteByte('x')
	}
	b.WriteString(tail)
	return b.String()
}

// slot is what is known of one message.
type slot struct {
	at       atomic.Int64 // of the send call, nanoseconds since the start
	accepted atomic.Bool
	arrivals uint16 // guarded by run.mu
	receipts uint16 // guarded by run.mu
}

const (
	chunkSlots = 1 << 14
	maxChunks  = 1 << 14
	// maxMessages ends a run by duration after some hours at full speed.
	maxMessages = chunkSlots * maxChunks
)

// table holds the slots of up to maxMessages and grows without moving them.
type table struct {
	chunks [maxChunks]atomic.Pointer[[chunkSlots]slot]
}

func newTable() *table { return new(table) }

func (t *table) slot(i int64) *slot {
	c := &t.chunks[i/chunkSlots]
	for {
		if p := c.Load(); p != nil {
			return &p[i%chunkSlots]
		}
		c.CompareAndSwap(nil, new([chunkSlots]slot))
	}
}

// used is a bound of the slots in use.
func (t *table) used() int64 {
	for i := range t.chunks {
		if t.chunks[i].Load() == nil {
			return int64(i) * chunkSlots
		}
	}
	return maxMessages
}
