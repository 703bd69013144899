package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"trojmezi/internal/alert/notice"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/identity"
	"trojmezi/internal/kernel/notify"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web/ui"
)

// noticeOptions are what own notices stand on, but for what only a running node has.
func noticeOptions(o *Opened, texts *i18n.Bundle, places *register.Register) notice.Options {
	return notice.Options{
		DB: o.DB, Audit: o.Audit, Clock: o.Clock, Key: o.Key, Texts: texts, Places: places,
		Person: func(tx *store.Tx, id string) (notice.Human, error) {
			p, err := identity.PersonIn(tx, id)
			if err != nil {
				return notice.Human{}, err
			}
			active := !p.Locked && p.DeletedAt.IsZero()
			return notice.Human{Name: p.Name, Organisation: p.Organisation, Officer: active && officer(p), Sealed: p.Emergency}, nil
		},
		Organisations: func(tx *store.Tx) (all []notice.Office, err error) {
			bodies, err := identity.OrganisationsIn(tx)
			for _, b := range bodies {
				n := notice.Office{ID: b.ID, Name: b.Name, Lang: langOf(b.Country)}
				if len(b.Addresses) > 0 {
					n.Address = b.Addresses[0]
				}
				all = append(all, n)
			}
			return all, err
		},
	}
}

// officer reports whether a person may be the second one for a notice, as the policy says.
func officer(p *identity.Person) bool { return p.Is("shift_leader") || p.Is("administrator") }

// newNotices builds the notices of a node.
func (n *node) newNotices() (*notice.Service, error) {
	o := noticeOptions(n.Opened, n.texts, n.places)
	o.Areas = n.areas.Table
	o.Jobs, o.Log, o.Notify = n.jobs, n.log, n.notify.Send
	o.Reaches = func(kind store.Kind, organisation string) bool { return n.notify.Reaches(kind, notify.A, organisation) }
	o.Published = n.published
	o.Base = strings.TrimSuffix(n.config.Notify.BaseURL, "/")
	return notice.New(o)
}

// published hands what a notice says on to its channels: the one place where they are
// wired.
func (n *node) published(tx *store.Tx, p *notice.Publication) error {
	if n.replayed != nil {
		return n.replayed(tx, p)
	}
	return errors.Join(n.channels.Published(tx, p), n.subs.Published(tx, p), n.board.Published(tx, p))
}

// noticePages are their pages.
func (n *node) noticePages() *notice.Pages {
	p := notice.NewPages(n.notices)
	p.Operator = n.people.DirectoryResource
	p.Confirm = func(r *http.Request, code string) error {
		_, err := n.people.Confirm(r.Context(), n.people.Token(r), code)
		return err
	}
	p.Passkey = func(r *http.Request) (string, error) {
		origin := n.people.Origin(r)
		if u, err := url.Parse(origin); err != nil || net.ParseIP(u.Hostname()) != nil {
			return "", nil // passkeys are bound to a name
		}
		options, err := n.people.BeginConfirm(r.Context(), n.people.Token(r), origin)
		return string(options), err
	}
	p.ConfirmPasskey = func(r *http.Request, response string) error {
		_, err := n.people.ConfirmPasskey(r.Context(), n.people.Token(r), n.people.Origin(r), []byte(response))
		return err
	}
	p.Officers = func(ctx context.Context, organisation string) (all []ui.Option, err error) {
		people, err := n.people.ListPeople(ctx, identity.Filter{Organisation: organisation, State: "active"})
		for _, x := range people {
			if officer(&x) && !x.Emergency {
				all = append(all, ui.Option{Value: x.ID, Text: x.Name})
			}
		}
		return all, err
	}
	return p
}

// Notices opens the notices for the command line, which reads them.
func Notices(o *Opened, texts *i18n.Bundle) (*notice.Service, error) {
	places, err := register.Load()
	if err != nil {
		return nil, err
	}
	return notice.New(noticeOptions(o, texts, places))
}
