package conformance

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// simulatedPeers is how many peers the shared node has; each case takes one.
const simulatedPeers = 52

type simulation struct {
	node  *node
	peers []*peer
	taken atomic.Int64
}

var simulationOnce = sync.OnceValues(func() (*simulation, error) {
	s := &simulation{}
	config := spec{oid: "1.2.3.4.8.0", clients: pool("1.2.3.4.8", 120)}
	for i := range simulatedPeers {
		root := fmt.Sprintf("1.2.3.5.%d", 100+i)
		p := newPeer(root+".0", root+".1", root+".2")
		if err := p.up(); err != nil {
			return nil, err
		}
		s.peers = append(s.peers, p)
		config.peers = append(config.peers, p.ref(fmt.Sprintf("p%d", i)))
		config.accounts = append(config.accounts, p.login(p.oid))
	}
	n, err := newNode(config)
	if err != nil {
		return nil, err
	}
	if err := n.run(); err != nil {
		return nil, err
	}
	s.node = n
	return s, n.awaitStatus(0, soon)
})

// simulated gives the node with many simulated peers and one peer that no other
// case uses; it is logged in at the node already.
func simulated(t testing.TB) (*node, *peer) {
	t.Helper()
	s, err := simulationOnce()
	if err != nil {
		t.Fatal(err)
	}
	i := s.taken.Add(1)
	if i > simulatedPeers {
		t.Fatalf("only %d simulated peers", simulatedPeers)
	}
	p := s.peers[i-1]
	p.node = s.node.p2p(t, p.oid)
	p.in(t)
	s.node.explain(t)
	return s.node, p
}

// in makes the peer report to another (sub)test.
func (p *peer) in(t testing.TB) { p.t, p.node.t = t, t }

// at gives the i-th client of a peer.
func (p *peer) at(i int) string { return strings.TrimSuffix(p.oid, "0") + fmt.Sprint(i) }

// alone starts a node of its own with one simulated peer, which is down at first
// if the case says so.
func alone(t testing.TB, root string, upAtStart bool, change ...func(p *peer)) (*node, *peer) {
	t.Helper()
	p := newPeer(root+".8.0", root+".8.1", root+".8.2")
	p.t = t
	for _, c := range change {
		c(p)
	}
	t.Cleanup(p.down)
	if upAtStart {
		p.open(t)
	}
	n := start(t, spec{
		oid: root + ".0", clients: pool(root, 6),
		accounts: []account{p.login("peer")}, peers: []peerRef{p.ref("peer")},
	})
	p.node = n.p2p(t, "peer")
	if upAtStart {
		n.mustBe(t, 0)
	}
	return n, p
}

func (p *peer) open(t testing.TB) {
	t.Helper()
	if err := p.up(); err != nil {
		t.Fatal(err)
	}
}

// mustBe waits for a status of /info.
func (n *node) mustBe(t testing.TB, status int) {
	t.Helper()
	if err := n.awaitStatus(status, soon); err != nil {
		t.Fatal(err)
	}
}
