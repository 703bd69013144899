package public

import (
	"fmt"
	"testing"
	"time"
)

// TestAskers: a household of IPv6 is one network, and who fills the table from many others
// is not let off by it.
func TestAskers(t *testing.T) {
	now := time.Date(2026, 8, 7, 12, 0, 0, 0, time.UTC)
	a := &askers{}
	for n := range askBurst {
		if !a.may(fmt.Sprintf("2001:db8:1:1::%x", n+1), now) {
			t.Fatalf("the %d. of a household is refused", n+1)
		}
	}
	if a.may("2001:db8:1:1:ffff::1", now) {
		t.Error("another address of the same network asks on")
	}
	if !a.may("2001:db8:1:2::1", now) || !a.may("192.0.2.1", now) || !a.may("192.0.2.2", now) {
		t.Error("other networks are refused")
	}
	for n := range maxAskers + 10 {
		now = now.Add(time.Millisecond)
		a.may(fmt.Sprintf("2001:db8:%x:%x::1", 2+n>>16, n&0xffff), now)
		if n%1000 == 0 && a.may("2001:db8:1:1::9", now) {
			t.Fatalf("let off after %d others", n)
		}
	}
	if len(a.by) > maxAskers {
		t.Errorf("%d networks are remembered", len(a.by))
	}
	if !a.may("2001:db8:1:1::1", now.Add(askPause+time.Second)) {
		t.Error("refused after the pause")
	}
	for _, odd := range []string{"", "@", "fe80::1%eth0", "::ffff:192.0.2.1"} {
		a.may(odd, now)
	}
}
