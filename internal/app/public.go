package app

import (
	"slices"
	"strings"

	"trojmezi/internal/alert/board"
	"trojmezi/internal/alert/channel"
	"trojmezi/internal/alert/public"
	"trojmezi/internal/alert/subscription"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/store"
)

// newPublic builds what people and offices are told by: subscriptions and the board.
func (n *node) newPublic() (err error) {
	n.subs, err = subscription.New(n.subscriptionOptions())
	o := boardOptions(n.Opened)
	o.Jobs, o.Log, o.Notify, o.Warnings = n.jobs, n.log, n.notify.Send, n.warnings.Warnings
	o.Texts, o.Lines = n.texts, n.lines(board.Mark)
	n.board = board.New(o)
	return err
}

func (n *node) subscriptionOptions() subscription.Options {
	return subscription.Options{
		DB: n.DB, Audit: n.Audit, Clock: n.Clock, Key: n.Key, Texts: n.texts, Places: n.places, Areas: n.areas.Table, Log: n.log,
		Warnings: n.warnings.Warnings, Owner: nameOf, Base: strings.TrimSuffix(n.config.Notify.BaseURL, "/"), Send: n.sendSubscribers(), Ways: n.subscriberWays(),
	}
}

// ways are the sorts of channels by which subscribers are told.
var ways = map[string]channel.Sort{subscription.Email: channel.Mail, subscription.WebPush: channel.Push}

// subscriberWays are those that the node has, in the order of their names.
func (n *node) subscriberWays() (have []string) {
	for way, sort := range ways {
		if len(n.channels.Of(sort, store.Live)) > 0 {
			have = append(have, way)
		}
	}
	slices.Sort(have)
	return have
}

// pushKey is what browsers need to subscribe to the channel that tells them; "": none does.
func (n *node) pushKey() string {
	to := n.channels.Of(channel.Push, store.Live)
	if len(to) == 0 {
		return ""
	}
	key, err := n.channels.PushKey(to[0].Name)
	if err != nil {
		n.log.Error("app: browsers cannot subscribe", "error", err)
	}
	return key
}

// sendSubscribers hands messages to the first channel of their sort; nil: there is none.
func (n *node) sendSubscribers() func(*store.Tx, ...subscription.Dispatch) error {
	if len(n.subscriberWays()) == 0 {
		return nil
	}
	return func(tx *store.Tx, list ...subscription.Dispatch) error {
		var all []channel.Dispatch
		for _, d := range list {
			to := n.channels.Of(ways[d.Channel], d.Kind)
			if len(to) == 0 {
				n.log.Warn("app: nobody carries what a subscriber asked for", "channel", d.Channel, "kind", d.Kind)
				continue
			}
			source := d.Source
			if source == "" { // it is about the subscription itself
				source = n.config.Exchange.Operator
			}
			all = append(all, channel.Dispatch{
				Channel: to[0].Name, Member: d.Member, Target: d.Target, Lang: d.Language, Kind: d.Kind, Reference: channel.Reference{Origin: channel.Subscription, ID: d.Ref, Revision: d.Revision},
				Title: d.Title, Body: d.Body, Link: d.Link, Stop: d.End, Source: source,
			})
		}
		return n.channels.Queue(tx, all...)
	}
}

// nameOf is the name of an organisation, "" for none.
func nameOf(tx *store.Tx, organisation string) string {
	all, err := identity.OrganisationsIn(tx)
	if err != nil {
		return ""
	}
	for _, o := range all {
		if o.ID == organisation {
			return o.Name
		}
	}
	return ""
}

// offices are who is asked to acknowledge.
func offices(tx *store.Tx) (all []board.Office, err error) {
	bodies, err := identity.OrganisationsIn(tx)
	for _, o := range bodies {
		all = append(all, board.Office{ID: o.ID, Name: o.Name, Country: o.Country})
	}
	return all, err
}

// publicOptions are what the pages for everybody stand on.
func (n *node) publicOptions() public.Options {
	return public.Options{Texts: n.texts, Places: n.places, Areas: n.areas.Table, Warnings: n.warnings, Notices: n.notices, Rivers: n.rivers, Now: n.Clock.Now,
		PushKey: n.pushKey(), Subscriptions: n.subs, Address: n.config.clientAddress()}
}

func boardOptions(o *Opened) board.Options {
	return board.Options{DB: o.DB, Audit: o.Audit, Clock: o.Clock, Organisations: offices, Name: func(tx *store.Tx, person string) string {
		p, err := identity.PersonIn(tx, person)
		if err != nil {
			return ""
		}
		return p.Name
	}}
}

// Board opens the board for the command line, beside a running node, which tells who is
// missing.
func Board(o *Opened) *board.Service { return board.New(boardOptions(o)) }
