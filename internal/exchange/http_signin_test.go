package exchange

import (
	"net/http"
	"testing"
)

// A flood of wrong passwords from one address is stopped; others sign in.
func TestSignInsByAddress(t *testing.T) {
	var s signIns
	stranger, desk := &http.Request{RemoteAddr: "192.0.2.1:5"}, &http.Request{RemoteAddr: "192.0.2.2:5"}
	for i := range signInBurst {
		if !s.allowed(stranger) {
			t.Fatalf("refused after %d wrong passwords, want %d", i, signInBurst)
		}
		s.wrong(stranger)
	}
	if s.allowed(stranger) {
		t.Error("a flood of wrong passwords goes on")
	}
	if s.allowed(&http.Request{RemoteAddr: "192.0.2.1:6"}) {
		t.Error("another port of the same address goes on")
	}
	if !s.allowed(desk) {
		t.Error("another address is refused")
	}
}
