package freeport

import (
	"fmt"
	"net"
	"testing"
)

func TestPort(t *testing.T) {
	seen := map[int]bool{}
	for range 2 * size {
		p := Port()
		if seen[p] {
			t.Fatalf("port %d twice", p)
		}
		seen[p] = true
		if hold(p) {
			t.Fatalf("port %d is still free for others", p)
		}
		for range 2 { // a node stops and starts again
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
			if err != nil {
				t.Fatal(err)
			}
			if c, err := net.Dial("tcp", l.Addr().String()); err != nil {
				t.Fatal(err)
			} else {
				c.Close()
			}
			l.Close()
			if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
				c.Close()
				t.Fatalf("port %d answers with nobody listening", p)
			}
		}
	}
}
