package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/channel"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/outlet"
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
	o.Lines = n.lines(notice.Mark)
	o.Renderings = func(p *notice.Publication) []notice.Rendering {
		return renderings(n.channels, n.outlets.Renderer(), n.log, p)
	}
	o.Base = strings.TrimSuffix(n.config.Notify.BaseURL, "/")
	return notice.New(o)
}

// renderings are how a notice reads in every channel, made by who sends it or gives it
// out: what a person reads before he says yes is what leaves.
func renderings(channels *channel.Service, outlets *outlet.Renderer, log *slog.Logger, p *notice.Publication) (all []notice.Rendering) {
	sent, err := channels.Preview(p)
	if err != nil {
		log.Error("preview of a notice", "error", err)
	}
	for _, v := range sent {
		r := notice.Rendering{Name: "channel.preview." + string(v.Sort), Args: i18n.Args{"channel": strings.Join(v.Channels, ", ")}, Notes: v.Notes, Lang: v.Lang, Text: v.Text}
		if v.Title != "" {
			r.Text = v.Title + "\n\n" + v.Text
		}
		if v.SMS != nil {
			r.Cost = true
			r.Args["encoding"], r.Args["units"], r.Args["n"] = string(v.SMS.Alphabet), v.SMS.Units, len(v.SMS.Parts)
			if len(v.Channels) == 0 {
				r.Name = "channel.preview.sms.none"
			}
		}
		all = append(all, r)
	}
	item, err := outlet.Own(p)
	if err != nil {
		log.Error("preview of a notice", "error", err)
		return all
	}
	for _, l := range i18n.Langs {
		for _, f := range outlets.Said(item, l) {
			all = append(all, notice.Rendering{Name: "outlet.form." + f.Name, Lang: l, Text: string(f.Body), Code: f.Name == "ssml"})
		}
	}
	return all
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
func Notices(c *Config, o *Opened, texts *i18n.Bundle) (*notice.Service, error) {
	places, err := register.Load()
	if err != nil {
		return nil, err
	}
	channels, err := Channels(c, o, texts)
	if err != nil {
		return nil, err
	}
	areas, err := area.Load(places)
	if err != nil {
		return nil, err
	}
	out := outletOptions(c, o, texts, places, areas)
	options := noticeOptions(o, texts, places)
	options.Base = strings.TrimSuffix(c.Notify.BaseURL, "/")
	options.Renderings = func(p *notice.Publication) []notice.Rendering {
		return renderings(channels, &out.Renderer, slog.New(slog.DiscardHandler), p)
	}
	return notice.New(options)
}
