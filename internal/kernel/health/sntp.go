package health

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"trojmezi/internal/kernel/clock"
)

const (
	sntpPort = "123"
	// sntpTimeout is how long a server may take: an answer that comes later says
	// little about a second.
	sntpTimeout = 2 * time.Second
	sntpSize    = 48
	// ntpEpoch is 1970 in seconds of NTP, which count from 1900 and begin anew in
	// 2036; spec: RFC 5905, §6.
	ntpEpoch = 2_208_988_800
)

// timeAddress adds the port of NTP to a host that has none.
func timeAddress(server string) string {
	if _, _, err := net.SplitHostPort(server); err == nil {
		return server
	}
	return net.JoinHostPort(strings.Trim(server, "[]"), sntpPort)
}

// askTime returns how far our clock is behind a time server's (negative: ahead).
// spec: RFC 4330, §5; RFC 5905, §8.
func askTime(ctx context.Context, server string, clk *clock.Clock) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, sntpTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "udp", timeAddress(server))
	if err != nil {
		return 0, fmt.Errorf("health: time: %w", err)
	}
	defer conn.Close()
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return 0, fmt.Errorf("health: time: %w", err)
		}
	}
	ask := make([]byte, sntpSize)
	ask[0] = 4<<3 | 3 // version 4, client
	began, sent := time.Now(), clk.Now()
	putNTP(ask[40:], sent)
	if _, err := conn.Write(ask); err != nil {
		return 0, fmt.Errorf("health: time: %w", err)
	}
	answer := make([]byte, 512)
	for {
		n, err := conn.Read(answer)
		if err != nil {
			return 0, fmt.Errorf("health: time: %w", err)
		}
		// An answer to somebody else's question, or a forged one.
		if n < sntpSize || string(answer[24:32]) != string(ask[40:48]) {
			continue
		}
		break
	}
	back := sent.Add(time.Since(began)) // our clock may be stepped meanwhile
	if leap, mode, stratum := answer[0]>>6, answer[0]&7, answer[1]; leap == 3 || mode != 4 || stratum == 0 || stratum > 15 {
		return 0, errors.New("health: time: the server does not know the time itself")
	}
	received, left := ntp(answer[32:], sent), ntp(answer[40:], sent)
	return (received.Sub(sent) + left.Sub(back)) / 2, nil
}

func putNTP(b []byte, t time.Time) {
	binary.BigEndian.PutUint32(b, uint32(t.Unix()+ntpEpoch))
	binary.BigEndian.PutUint32(b[4:], uint32((int64(t.Nanosecond())<<32)/int64(time.Second)))
}

// ntp reads a timestamp; the era is the one nearest to a time.
func ntp(b []byte, near time.Time) time.Time {
	seconds := int64(binary.BigEndian.Uint32(b)) - ntpEpoch
	const era = int64(1) << 32
	for near.Unix()-seconds > era/2 {
		seconds += era
	}
	return time.Unix(seconds, int64(binary.BigEndian.Uint32(b[4:]))*int64(time.Second)>>32).UTC()
}
