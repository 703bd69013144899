package ucri

import (
	"errors"
	"fmt"
	"math"

	"trojmezi/internal/format/strictjson"
	"trojmezi/internal/format/ucri/schema"
)

// DefaultMaxDelay is how long, in seconds, a receive request waits that doesn't
// say: as long as one may (spec: UCRI 2 transport 2.0.0, receiverRequest).
const DefaultMaxDelay = 30

// ReceiveRequest asks for waiting messages
// (spec: UCRI 2 transport 2.0.0, receiverRequest).
type ReceiveRequest struct {
	Destinations []string // OIDs, at least one
	MaxMessages  int      // in total; 0: not said
	MaxDelay     int      // seconds, 0 to 30
}

// ParseReceive reads a receive request. Every violation is 460.
func ParseReceive(body []byte) (ReceiveRequest, *Error) {
	req := ReceiveRequest{MaxDelay: DefaultMaxDelay}
	err := parseObject(string(body), loaded().receive, func(sc *strictjson.Scanner, name string) {
		switch name {
		case "destinations":
			req.Destinations = readStrings(sc)
		case "maxMessages":
			n, _ := readInt(sc)
			req.MaxMessages = int(min(n, math.MaxInt32))
		case "maxDelay":
			n, _ := readInt(sc)
			req.MaxDelay = int(n)
		default:
			sc.Skip()
		}
	})
	if err != nil {
		return ReceiveRequest{}, err
	}
	return req, nil
}

// MessageRef names the last message of a destination that its client has
// processed (spec: UCRI 2 transport 2.0.0, messageRef).
type MessageRef struct {
	Destination string `json:"destination"` // OID
	SequenceID  int64  `json:"sequenceId"`
}

// ParseCommit reads a commit request. Every violation is 460.
func ParseCommit(body []byte) (MessageRef, *Error) {
	var ref MessageRef
	err := parseObject(string(body), loaded().commit, func(sc *strictjson.Scanner, name string) {
		switch name {
		case "destination":
			ref.Destination, _ = readString(sc)
		case "sequenceId":
			ref.SequenceID, _ = readInt(sc)
		default:
			sc.Skip()
		}
	})
	if err != nil {
		return MessageRef{}, err
	}
	return ref, nil
}

// Received is a message as its receiver gets it. Destinations is filled from
// Destination, so that Verify can be called on the envelope.
type Received struct {
	Envelope
	Destination string // OID
	SequenceID  int64  // rises per destination
}

// ParseReceived reads the answer to a receive request: the messages, oldest
// first, and the limit the node applied (0 if it doesn't say). It is as liberal
// as ParseEnvelope, since one odd message must not block the queue behind it;
// only destination and sequenceId, without which a message can't be committed,
// are demanded. A destinations list of one, as early nodes sent, will do.
//
// The strings of the result share the memory of one copy of body.
func ParseReceived(body []byte) (msgs []Received, max int, err error) {
	var sc strictjson.Scanner
	sc.Init(string(body), DefaultLimits.Depth)
	sc.Lenient()
	if sc.Peek() != strictjson.Object {
		return nil, 0, errors.New("parse received messages: not a JSON object")
	}
	numbered := true
	members(&sc, func(name string) {
		switch name {
		case "messages":
			msgs, numbered = nil, true
			if sc.Peek() != strictjson.Array || !sc.Open() {
				sc.Skip()
				return
			}
			for sc.Element() {
				var at turn
				msgs = append(msgs, Received{})
				r := &msgs[len(msgs)-1]
				if sc.Peek() == strictjson.Object {
					readEnvelope(&sc, &r.Envelope, &at)
				} else {
					sc.Skip()
				}
				r.Destination, r.SequenceID = at.destination, at.sequence
				if r.Destination == "" && len(r.Destinations) == 1 {
					r.Destination = r.Destinations[0]
				}
				numbered = numbered && at.numbered && r.Destination != ""
				r.Destinations = []string{r.Destination}
				r.Extra, r.Payload.Extra = lastOfEach(r.Extra), lastOfEach(r.Payload.Extra)
			}
		case "maxMessages":
			n, _ := readInt(&sc)
			max = int(min(n, math.MaxInt32))
		default:
			sc.Skip()
		}
	})
	sc.End()
	if f := sc.Fault(); f != nil {
		return nil, 0, fmt.Errorf("parse received messages: %w", f)
	}
	if !numbered {
		return nil, 0, errors.New("parse received messages: a message has no destination or no sequenceId")
	}
	return msgs, max, nil
}

// parseObject validates a client's request (460) and calls f at the value of
// every member.
func parseObject(text string, s *schema.Schema, f func(sc *strictjson.Scanner, name string)) *Error {
	if err := check(text, s, CodeClientInvalid, CodeClientInvalid, body); err != nil {
		return err
	}
	var sc strictjson.Scanner
	sc.Init(text, DefaultLimits.Depth)
	sc.Peek()
	members(&sc, func(name string) { f(&sc, name) })
	return nil
}

// members calls f at the value of every member of the object that comes next.
func members(sc *strictjson.Scanner, f func(name string)) {
	if !sc.Open() {
		return
	}
	for first := true; ; first = false {
		name, ok := sc.Member(first)
		if !ok {
			return
		}
		f(name)
	}
}
