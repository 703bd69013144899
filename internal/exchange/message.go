package exchange

import (
	"strings"
	"time"

	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store"
)

// origin says who put a message into this node, and so who owes the sender its
// receipts: for a client of ours it is this node.
type origin string

const (
	fromClient origin = "client"
	fromPeer   origin = "peer"
	fromNode   origin = "node"
)

// state of a message row. queued, outgoing and awaiting are open, the others final.
type state string

const (
	stateQueued    state = "queued"    // for a local destination, not committed yet
	stateOutgoing  state = "outgoing"  // for a peer, not taken by it yet
	stateAwaiting  state = "awaiting"  // taken by the peer, its receipt is still owed (ack ALL)
	stateCommitted state = "committed" // the local receiver has it
	stateForwarded state = "forwarded" // the peer has it and nothing more is owed
	stateExpired   state = "expired"   // nobody took it in time
	stateRefused   state = "refused"   // the peer refused it
)

// message is what is about to be stored.
type message struct {
	env    *ucri.Envelope // complete: id, date, timeout, ack, one destination
	body   []byte         // as it came, or as we made it
	origin origin
	via    string    // peer it came from
	key    *seal.Key // of the incident it belongs to; nil: found by its own content
	kind   store.Kind

	judged    bool           // by whoever made it, or its sender judges by himself
	judgement Judgement      // prepared; nil: none yet
	left      *ucri.Envelope // what of it is stored, when that is not all
}

func (m *message) destination() string { return m.env.Destinations[0] }

// IncidentSubject names the key that the messages of an incident are sealed with, by
// the identifier common to all parties: what else belongs to it is deleted with them.
func IncidentSubject(shared string) string { return "incident:" + shared }

// subject names the key the message is sealed with: the incident's, or one of
// its own when it belongs to none.
func (m *message) subject() string {
	if id := ucri.SubjectID(m.env.Payload); id != "" {
		return IncidentSubject(id)
	}
	return "message:" + m.env.Source + "/" + m.env.MessageID + "/" + m.destination()
}

// content is what makes two messages of one identity the same message. A sender
// who repeats a message may fill in a new date or timeout; other content is refused.
func (m *message) content() [][]byte {
	p := m.env.Payload
	description := ""
	if m.env.Description != nil {
		description = *m.env.Description
	}
	return [][]byte{[]byte(description), []byte(strings.Join(m.env.Tags, "\x00")), []byte(p.AppID), []byte(p.AppVersion), []byte(p.SchemaID), []byte(p.ContentType), []byte(p.Data)}
}

// place binds sealed bytes to their row.
func place(source, messageID, destination string) []byte {
	return []byte("exchange_message:" + source + "/" + messageID + "/" + destination)
}

// testArc is the arc whose subtree, below or beside a node's own, is for tests
// and pilots only. UCRI 2 has no mark for exercises, so the address has to tell.
const testArc = "99"

// kindOf tells a participant's kind by its OID: it is a test address when the
// first arc in which it goes on from, or differs from, its node's OID is 99.
func kindOf(oid, node string) store.Kind {
	a, n := strings.Split(oid, "."), strings.Split(node, ".")
	for i, arc := range a {
		if i < len(n) && n[i] == arc {
			continue
		}
		if arc == testArc {
			return store.Test
		}
		break
	}
	return store.Live
}

func millis(t time.Time) int64 { return t.UnixMilli() }
