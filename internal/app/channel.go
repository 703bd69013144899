package app

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"trojmezi/internal/alert/channel"
	"trojmezi/internal/alert/subscription"
	"trojmezi/internal/format/ucri"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/job"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
)

// newChannels builds the channels of a node.
func (n *node) newChannels() (*channel.Service, error) {
	c := n.config
	return channel.New(c.Channels, channel.Options{
		DB: n.DB, Jobs: n.jobs, Ring: n.Ring, Key: n.Key, Audit: n.Audit, Clock: n.Clock, Texts: n.texts, Log: n.log, Places: n.places, Areas: n.areas.Table,
		Dir: c.dir, Place: c.Exchange.Operator, Base: c.Notify.BaseURL, Warnings: n.warnings.Warnings, Neighbour: n.tellNeighbour,
		Gone:    func(tx *store.Tx, _, target string) error { return n.subs.Gone(tx, target) },
		Reached: n.subscriberReached,
		Addresses: func(tx *store.Tx, members []int64) (map[int64]channel.Address, error) {
			found, err := n.subs.Addresses(tx, members)
			all := make(map[int64]channel.Address, len(found))
			for m, a := range found {
				all[m] = channel.Address{Target: a.Target, Stop: a.End}
			}
			return all, err
		},
	})
}

// subscriberReached takes that a first message has arrived; of all others nothing follows.
func (n *node) subscriberReached(tx *store.Tx, r channel.Reference) error {
	if r.Origin != channel.Subscription || r.Revision != subscription.First {
		return nil
	}
	return n.subs.Reached(tx, r.ID)
}

// Names of the message that carries a text between control rooms (UCRI 2).
const (
	textApp     = "notification_text"
	textVersion = "1.0"
	textMessage = "notification"
)

// tellNeighbour puts what was published into the outbox of the exchange, as a text of the
// control room that operates the node. All revisions of a notice or warning are about one
// subject, so that the neighbour has them together.
func (n *node) tellNeighbour(tx *store.Tx, m channel.Message) error {
	const op = "app.tellNeighbour"
	own, err := n.deskOf(tx, m.Kind)
	if err != nil {
		return err
	}
	type line struct {
		At      string `json:"timestamp"`
		Message string `json:"message"`
	}
	data, err := json.Marshal(struct {
		Subject string `json:"sharedIncidentId"`
		Lines   []line `json:"notifications"`
	}{subjectOf(m.Reference), []line{{ucri.FormatTime(n.Clock.Now()), m.Text}}})
	if err != nil {
		return problem.Wrap(op, err)
	}
	_, err = n.exchange.Post(tx, &ucri.Envelope{Source: own, Destinations: []string{m.To}, Ack: ucri.AckAll,
		Payload: ucri.Payload{AppID: textApp, AppVersion: textVersion, SchemaID: textMessage, ContentType: ucri.ContentJSON, Data: string(data)}})
	return problem.Wrap(op, err)
}

// deskOf is an address of the control room that operates the node. The exchange tells
// tests from reality by addresses and knows no exercises: one would ring for real.
func (n *node) deskOf(tx *store.Tx, kind store.Kind) (string, error) {
	bodies, err := identity.OrganisationsIn(tx)
	if err != nil {
		return "", err
	}
	for _, b := range bodies {
		for _, a := range b.Addresses {
			if b.Operator && n.exchange.KindOf(a) == kind {
				return a, nil
			}
		}
	}
	return "", problem.New("app.deskOf", problem.Conflict, "app.channel.no_desk", i18n.Args{"kind": string(kind)})
}

// subjectOf is a UUID that follows from what was published (spec: RFC 9562, §5.8).
func subjectOf(r channel.Reference) string {
	u := sha256.Sum256([]byte("trojmezi:" + string(r.Origin) + ":" + r.ID))
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:16])
}

// Channels opens the channels for the command line, beside a running node, which sends.
func Channels(c *Config, o *Opened, texts *i18n.Bundle) (*channel.Service, error) {
	places, err := register.Load()
	if err != nil {
		return nil, err
	}
	return channel.New(c.Channels, channel.Options{
		DB: o.DB, Jobs: job.New(o.DB, o.Clock, nil), Ring: o.Ring, Key: o.Key, Audit: o.Audit, Clock: o.Clock, Texts: texts, Places: places,
		Dir: c.dir, Place: c.Exchange.Operator, Base: c.Notify.BaseURL,
	})
}
