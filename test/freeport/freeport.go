// Package freeport gives the tests that start nodes as processes the ports they
// tell them to listen at. A port that was only tried could be somebody else's a
// moment later: tests of several packages run side by side. So each process takes
// its ports from a block of its own.
//
// It does not hold the ports it gives, and is for tests alone.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// The ports lie below the range from which the kernel takes the local ports of
// outgoing connections.
const first, size, blocks = 11000, 500, 40

var ports struct {
	sync.Mutex
	next, end int
	block     net.Listener // at the first port of the block: it is taken
}

// Port gives a port at which nobody listens, each at most once per process until
// its block is used up.
func Port() int {
	ports.Lock()
	defer ports.Unlock()
	for {
		if ports.next++; ports.next >= ports.end {
			ports.next = first + rand.IntN(blocks)*size
			if l, err := listen(ports.next); err == nil {
				if ports.block != nil {
					ports.block.Close()
				}
				ports.block, ports.end = l, ports.next+size
			}
			continue
		}
		if l, err := listen(ports.next); err == nil {
			l.Close()
			return ports.next
		}
	}
}

func listen(port int) (net.Listener, error) { return net.Listen("tcp", fmt.Sprintf(":%d", port)) }
