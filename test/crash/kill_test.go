package crash

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

const (
	// enough is the number of messages below which a round says nothing.
	enough = 20
	// drainIdle is how long nothing may happen before a drain gives up. A sender's
	// longest pause between two attempts is 30 s.
	drainIdle = 45 * time.Second
)

// TestKill kills one or both of two nodes at any moment under load.
func TestKill(t *testing.T) {
	rng := random(t)
	a, b := pair(t, 4)
	f := newTraffic(t)
	for _, n := range []*node{a, b} {
		for i, oid := range n.clients {
			other := b
			if n == b {
				other = a
			}
			// Most goes abroad, a part stays in the house.
			to := append(slices.Clone(other.clients), n.clients[(i+1)%len(n.clients)])
			f.send(one(n), branch(rng), oid, to)
			f.take(one(n), branch(rng), oid)
		}
	}
	total := rounds(t, 2, 100)
	for counted, tried := 0, 0; counted < total; tried++ {
		if tried > 3*total+10 {
			t.Fatalf("only %d of %d rounds had %d accepted messages", counted, total, enough)
		}
		a0, d0, u0 := f.counts()
		moment := time.Duration(200+rng.IntN(1300)) * time.Millisecond
		time.Sleep(moment)
		victims := [][]*node{{a}, {b}, {a, b}}[rng.IntN(3)]
		died := make(chan struct{})
		for _, v := range victims {
			v.wantAlive(t)
			go func() { v.kill(); died <- struct{}{} }()
		}
		for range victims {
			<-died
		}
		a1, d1, u1 := f.counts()
		time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
		failed := make(chan error, len(victims))
		begin := time.Now()
		for _, v := range victims {
			go func() { failed <- v.run() }()
		}
		for range victims {
			if err := <-failed; err != nil {
				t.Fatal(err)
			}
		}
		verdict := "counts"
		if a1-a0 >= enough {
			counted++
		} else {
			verdict = "too few, repeated"
		}
		names := "node " + victims[0].oid
		if len(victims) == 2 {
			names = "both nodes"
		}
		fmt.Printf("round %d: %s killed after %v, accepted %d, delivered %d, unanswered %d, back in %v: %s\n",
			counted, names, moment, a1-a0, d1-d0, u1-u0, time.Since(begin).Round(time.Millisecond), verdict)
	}
	f.drain(drainIdle)
}
