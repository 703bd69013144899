package app

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"trojmezi/internal/alert/board"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/exchange"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// borderText is a text of UCRI 2 that carries a block for another node beside a line for
// people (docs/profiles/border.md).
type borderText struct {
	Subject string       `json:"sharedIncidentId"`
	Lines   []borderLine `json:"notifications"`
}

type borderLine struct {
	At       string `json:"timestamp"`
	Message  string `json:"message"`
	Category string `json:"category,omitempty"`
	Silent   bool   `json:"silent,omitempty"`
}

// How long a letter is worth sending: the node tries until then.
const (
	leastLetter = time.Minute
	mostLetter  = ucri.MaxTimeout * time.Second
)

// lines are what carries letters of a mark to desks at other nodes.
func (n *node) lines(mark string) notice.Lines {
	return notice.Lines{
		Post: func(tx *store.Tx, l notice.Letter) (int64, error) { return n.postLetter(tx, mark, l) },
		Reached: func(tx *store.Tx, letter int64) time.Time {
			r, err := n.exchange.Receipt(tx, letter)
			if err != nil {
				return time.Time{} // deleted since
			}
			return r.Delivered
		},
		Desks: func(tx *store.Tx) (all []notice.Desk, err error) {
			desks, err := n.exchange.Neighbours(tx)
			for _, d := range desks {
				if d.Peer != "" {
					all = append(all, notice.Desk{Address: d.OID, Name: cmp.Or(d.Name, d.OID), Test: d.Kind != store.Live})
				}
			}
			return all, err
		},
		NameOf: n.exchange.NameOf,
	}
}

// postLetter puts a letter into the outbox of the exchange: a text that any system shows,
// with the block as a line that need not be shown. What is no reality goes between test
// desks alone: the exchange knows no exercises, and would ring.
func (n *node) postLetter(tx *store.Tx, mark string, l notice.Letter) (int64, error) {
	const op = "app.postLetter"
	bodies, err := identity.OrganisationsIn(tx)
	if err != nil {
		return 0, problem.Wrap(op, err)
	}
	from := ""
	for _, b := range bodies {
		for _, a := range b.Addresses {
			if b.ID == l.Organisation && from == "" && n.exchange.SameKind(a, l.To) && notice.Fits(l.Kind, n.exchange.KindOf(a) != store.Live) {
				from = a
			}
		}
	}
	if from == "" {
		return 0, problem.New(op, problem.Conflict, "app.border.no_desk", nil)
	}
	now := n.Clock.Now()
	at := ucri.FormatTime(now)
	data, err := json.Marshal(borderText{subjectOfText(l.Subject), []borderLine{{At: at, Message: l.Line}, {At: at, Message: string(l.Block), Category: mark, Silent: true}}})
	if err != nil {
		return 0, problem.Wrap(op, err)
	}
	live := min(max(l.Until.Sub(now), leastLetter), mostLetter)
	e, err := n.exchange.Post(tx, &ucri.Envelope{Source: from, Destinations: []string{l.To}, Ack: ucri.AckNone, Timeout: int(live.Seconds()),
		Payload: ucri.Payload{AppID: textApp, AppVersion: textVersion, SchemaID: textMessage, ContentType: ucri.ContentJSON, Data: string(data)}})
	if err != nil {
		return 0, err
	}
	// Half a block is none: the rules of disclosure hold for these texts as for all.
	if got, ok := blockOf(e, mark); !ok || string(got) != string(l.Block) {
		return 0, problem.New(op, problem.Invalid, "app.border.withheld", nil)
	}
	return e.ID, nil
}

// subjectOfText is a UUID that follows from a text (spec: RFC 9562, §5.8).
func subjectOfText(text string) string {
	u := sha256.Sum256([]byte("trojmezi:border:" + text))
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:16])
}

// blockOf finds the block of a mark in a message.
func blockOf(e exchange.Entry, mark string) ([]byte, bool) {
	if e.App != textApp || e.Envelope == nil || !strings.Contains(e.Envelope.Payload.Data, mark) {
		return nil, false
	}
	var t borderText
	if json.Unmarshal([]byte(e.Envelope.Payload.Data), &t) != nil {
		return nil, false
	}
	for _, l := range t.Lines {
		if l.Category == mark {
			return []byte(l.Message), true
		}
	}
	return nil, false
}

// beside takes the blocks of other nodes out of an organisation's feed, in the
// transaction that reads it; false: it is a text like others.
func (n *node) beside(tx *store.Tx, organisation string, e exchange.Entry) (bool, error) {
	for mark, take := range map[string]func(*store.Tx, notice.Came) (bool, error){board.Mark: n.board.Far, notice.Mark: n.notices.Far} {
		b, ok := blockOf(e, mark)
		if !ok {
			continue
		}
		if !e.Incoming || n.exchange.Own(e.Other) {
			return true, nil // what this node sent
		}
		return take(tx, notice.Came{Organisation: organisation, Own: e.Own, Other: e.Other, Test: e.Kind != store.Live, Message: e.MessageID, At: e.AcceptedAt, Block: b})
	}
	return false, nil
}
