package app

import (
	"errors"
	"strings"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/board"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/public"
	"trojmezi/internal/alert/subscription"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/store"
)

// newPublic builds what people and offices are told by: subscriptions and the board.
func (n *node) newPublic() (err error) {
	if n.areas, err = area.Load(n.places); err != nil {
		return err
	}
	n.subs, err = subscription.New(subscription.Options{
		DB: n.DB, Audit: n.Audit, Clock: n.Clock, Key: n.Key, Texts: n.texts, Places: n.places, Areas: n.areas, Log: n.log,
		Warnings: n.warnings.Warnings, Owner: nameOf, Base: strings.TrimSuffix(n.config.Notify.BaseURL, "/"),
	})
	o := boardOptions(n.Opened)
	o.Jobs, o.Log, o.Notify, o.Warnings = n.jobs, n.log, n.notify.Send, n.warnings.Warnings
	n.board = board.New(o)
	return err
}

// published hands a notice that goes out on, in its transaction.
func (n *node) published(tx *store.Tx, p *notice.Publication) error {
	return errors.Join(n.subs.Published(tx, p), n.board.Published(tx, p))
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
	return public.Options{Texts: n.texts, Places: n.places, Areas: n.areas, Warnings: n.warnings, Notices: n.notices, Rivers: n.rivers, Now: n.Clock.Now,
		Subscriptions: n.subs, Address: n.config.clientAddress()}
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
