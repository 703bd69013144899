package channel

import (
	"context"
	"fmt"
	"slices"

	"trojmezi/internal/alert/channel/sms"
	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/outlet"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// Preview is how a notice leaves by channels that say the same, before it does.
type Preview struct {
	Channels []string // none: no such channel is configured, and this is how one would
	Sort     Sort
	Lang     i18n.Lang
	Title    string // "": the text is all there is
	Text     string
	SMS      *sms.Message // of a short message: what it costs
	Notes    []string     // keys of what became of the text, and of what comes to it
}

// previewed are the sorts that people read.
var previewed = []Sort{Mail, SMS, Push, Node}

// noLetter stands in the place of the id of a letter, and is as long.
const noLetter = "00000000-0000-0000-0000-000000000000"

// Preview makes what would leave of a notice by the channels of its kind, by the code that
// sends it. Only what a receiver has alone is missing: his link to acknowledge, and that
// nobody can tell whether he is concerned. p may be unsigned.
func (s *Service) Preview(p *notice.Publication) (all []Preview, err error) {
	alert, item, err := own(p)
	if err != nil {
		return nil, err
	}
	var receivers []*receiver
	if err := s.DB.Read(context.Background(), func(tx *store.Tx) error { receivers, err = s.everybody(tx); return err }); err != nil {
		return nil, err
	}
	for _, lang := range i18n.Langs {
		l := &letter{Dispatch: s.tells(p, alert, item, lang), id: noLetter, at: p.Sent}
		for _, sort := range previewed {
			var made []Preview
			for _, c := range s.channels {
				if c.sort != sort || c.kind != p.Kind {
					continue
				}
				v, err := s.previewOf(l, sort, &c.setup)
				if err != nil {
					return nil, err
				}
				if asksBack(receivers, c.name, lang) && (sort == Mail || sort == Node) {
					v.Notes = append(v.Notes, "channel.preview.ack")
				}
				if n := slices.IndexFunc(made, v.same); n >= 0 {
					made[n].Channels = append(made[n].Channels, c.name)
					continue
				}
				v.Channels = []string{c.name}
				made = append(made, v)
			}
			if len(made) == 0 && sort == SMS { // its length decides about words also where nobody sends any yet
				v, err := s.previewOf(l, sort, &Setup{Gateway: GatewaySetup{MaxParts: DefaultParts}})
				if err != nil {
					return nil, err
				}
				made = append(made, v)
			}
			all = append(all, made...)
		}
	}
	return all, nil
}

func (p Preview) same(o Preview) bool {
	return p.Title == o.Title && p.Text == o.Text && slices.Equal(p.Notes, o.Notes)
}

func (s *Service) previewOf(l *letter, sort Sort, setup *Setup) (Preview, error) {
	v := Preview{Sort: sort, Lang: l.Lang, Text: s.page(l)}
	switch sort {
	case Mail:
		v.Title = s.frame(l).Title
	case SMS:
		m, note, ok := s.brief(l, setup.Gateway.MaxParts, setup.Gateway.Transliterate)
		v.Text, v.SMS, v.Notes = m.Text, &m, noteKeys(note)
		if !ok {
			v.Notes = []string{"channel.preview.too_long"}
		}
	case Push:
		m, note, err := s.pushed(l)
		if err != nil {
			return v, err
		}
		v.Title, v.Text, v.Notes = m.Title, m.Body, noteKeys(note)
	}
	return v, nil
}

// asksBack reports whether a receiver of a channel in a language is asked to acknowledge.
func asksBack(receivers []*receiver, channel string, lang i18n.Lang) bool {
	return slices.ContainsFunc(receivers, func(r *receiver) bool {
		return r.Acknowledge && r.lang == lang && slices.ContainsFunc(r.Targets, func(t Target) bool { return t.Channel == channel })
	})
}

// own reads what was published, or is about to be, as an own notice.
func own(p *notice.Publication) (*cap.Alert, *outlet.Item, error) {
	alert, _, fault := cap.Read(p.Document)
	if fault != nil || len(alert.Infos) == 0 {
		return nil, nil, fmt.Errorf("notice %s.%d: not readable", p.Notice, p.Revision)
	}
	item, err := outlet.Own(p)
	return alert, item, err
}

// mostCodes bounds the codes that are told of areas.
const mostCodes = 2000

// Code is one of a list of areas.
type Code struct {
	Scheme string `json:"scheme"`
	Code   string `json:"code"`
}

// Codes are what a program decides by.
type Codes struct {
	Event string `json:"event,omitempty"` // what happens, as its sender calls it
	Areas []Code `json:"areas,omitempty"`
	More  int    `json:"more,omitempty"` // of areas, that are not told here
}

func codesOf(event string, areas []feed.Area) Codes {
	c := Codes{Event: event}
	for _, a := range areas {
		for _, x := range a.Codes {
			code := Code{x.Scheme, x.Value}
			switch {
			case len(c.Areas) >= mostCodes:
				c.More++
			case !slices.Contains(c.Areas, code):
				c.Areas = append(c.Areas, code)
			}
		}
	}
	return c
}
