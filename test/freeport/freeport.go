// Package freeport gives the tests that start nodes as processes the ports they
// tell them to listen at. A port that was only tried could be somebody else's a
// moment later: another package's test, or the near end of any connection, while a
// node is down. So each process takes its ports from a block of its own and stays
// bound to those it gave, without listening: who was told may listen there and
// nobody else finds it free.
//
// It serves tests on Unix alone.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
)

// The ports lie below the ranges from which kernels take the near ends of
// connections: 32768 upwards, in sandboxes 16000.
const first, size, blocks = 10500, 250, 22

var ports struct {
	sync.Mutex
	next, end int
	block     net.Listener // at the first port of the block: it is taken
}

// Port gives a port at which nobody listens, each once per process. It panics when all
// blocks are taken.
func Port() int {
	ports.Lock()
	defer ports.Unlock()
	for tries := 0; ; tries++ {
		if tries > 10*blocks*size {
			panic("freeport: no port is free")
		}
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
		if hold(ports.next) {
			return ports.next
		}
	}
}

// hold binds a socket to the port until the process ends, if the port is free.
// Bound first and made to share after, it shares with whoever listens (package net
// always asks to share) and with no other hold.
func hold(port int) bool {
	syscall.ForkLock.RLock()
	s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(s)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return false
	}
	if err := syscall.Bind(s, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		syscall.Close(s)
		return false
	}
	if err := syscall.SetsockoptInt(s, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		syscall.Close(s)
		return false
	}
	// Where the kernel does not share after the fact, the port is given unheld.
	if l, err := listen(port); err != nil {
		syscall.Close(s)
		if l, err = listen(port); err != nil {
			return false
		}
		l.Close()
	} else {
		l.Close()
	}
	return true
}

func listen(port int) (net.Listener, error) { return net.Listen("tcp", fmt.Sprintf(":%d", port)) }
