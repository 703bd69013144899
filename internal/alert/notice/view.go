package notice

import (
	"context"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web/ui"
)

// Listed is a line of the list.
type Listed struct {
	ID, Organisation, Place string
	Kind                    store.Kind
	State                   State // of the notice, or of the revision in work
	Purpose                 Purpose
	Hazard, Title           string
	Since                   time.Time // of the last step
	Review                  bool      // an override waits for its review
	Path                    string    // of its page; "": that of a notice of this node
}

// List lists the notices of an organisation, the newest first, in a language.
func (s *Service) List(ctx context.Context, organisation string, l i18n.Lang) (all []Listed, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		all, err = s.listed(tx, organisation, l)
		return err
	})
	return all, problem.Wrap("notice.List", err)
}

func (s *Service) listed(tx *store.Tx, organisation string, lang i18n.Lang) (all []Listed, err error) {
	rows, err := list(tx, organisation)
	if err != nil {
		return nil, err
	}
	b, err := s.Book(tx)
	if err != nil {
		return nil, err
	}
	for _, n := range rows {
		l, err := s.life(tx, n)
		if err != nil {
			return nil, err
		}
		if len(l.Revisions) == 0 {
			continue
		}
		r := l.Revisions[len(l.Revisions)-1]
		x := Listed{ID: n.ID, Organisation: n.Organisation, Place: s.placeIn(tx, n.Organisation), Kind: n.Kind, State: l.State(), Purpose: r.Purpose, Review: l.Unreviewed() >= 0, Since: n.Events[len(n.Events)-1].At}
		if w := l.Work(); w != nil {
			x.State = w.State
		}
		c, err := content(tx, n.ID, r.Content)
		if err != nil {
			return nil, err
		}
		if t := b.Version(c.Template, c.Version); t != nil {
			x.Hazard = t.Hazard
			x.Title = s.voice.Write(t, c, lang, Source{Name: x.Place}, n.Kind, r.Purpose, s.atlas).Words[PartHeadline]
		}
		all = append(all, x)
	}
	return all, nil
}

// Requests are the notices of other organisations that a person may answer now.
func (s *Service) Requests(ctx context.Context, who Actor, l i18n.Lang) (all []Listed, err error) {
	now := s.o.Clock.Now()
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		given, err := delegations(tx, who.Organisation)
		if err != nil {
			return err
		}
		var seen []string
		for _, d := range given {
			if !d.InForce(now) || !d.covers(who.Person, who.Organisation) || slices.Contains(seen, d.Organisation) {
				continue
			}
			seen = append(seen, d.Organisation)
			theirs, err := s.listed(tx, d.Organisation, l)
			if err != nil {
				return err
			}
			for _, x := range theirs {
				if x.State == Proposed || x.Review {
					all = append(all, x)
				}
			}
		}
		return nil
	})
	return all, problem.Wrap("notice.Requests", err)
}

// Standing are the notices of a kind that the public has: the last message of each that
// holds after a moment, a cancellation too. Owners are the names of whose they are.
func (s *Service) Standing(ctx context.Context, kind store.Kind, since time.Time) (all []*Publication, owners map[string]string, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) (err error) {
		owners = map[string]string{}
		all, err = newest(tx, kind, since)
		for _, p := range all {
			owners[p.Organisation] = s.placeIn(tx, p.Organisation)
		}
		return err
	})
	return all, owners, problem.Wrap("notice.Standing", err)
}

// Shown is a notice as a page shows it.
type Shown struct {
	ID, Organisation, Place string
	Kind                    store.Kind
	Life                    Life
	Events                  []Event
	Revision                int // number of the last one
	Last                    Revision
	Template                *Template
	Content                 *Content
	Messages                []Message // in the order of languages
	Renderings              []Rendering
	XML                     string // the CAP message: signed when it went out, else as it would
	Identifier              string
	Before                  []Message // what the public or the second person saw last; nil: nothing
	Texts                   []Message // of each text written, in the reader's language
	Names                   map[string]string
	Published               []*Publication
	Override                time.Time     // from when; zero: not offered
	Requests                []*FarRequest // to other nodes
}

// Show reads a notice for a reader of a language; problem NotFound.
func (s *Service) Show(ctx context.Context, id string, lang i18n.Lang) (v *Shown, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		n, err := load(tx, id)
		if err != nil {
			return err
		}
		l, err := s.life(tx, n)
		if err != nil {
			return err
		}
		if len(l.Revisions) == 0 {
			return problem.New("notice.Show", problem.NotFound, "notice.not_found", nil)
		}
		b, err := s.Book(tx)
		if err != nil {
			return err
		}
		from, err := s.source(tx, n.Organisation)
		if err != nil {
			return err
		}
		v = &Shown{ID: id, Organisation: n.Organisation, Place: from.Name, Kind: n.Kind, Life: l, Events: n.Events, Revision: len(l.Revisions), Last: l.Revisions[len(l.Revisions)-1], Names: map[string]string{}}
		for _, e := range n.Events {
			if e.Person != "" && v.Names[e.Person] == "" {
				v.Names[e.Person] = s.nameIn(tx, e.Person)
			}
		}
		if v.Published, err = published(tx, id); err != nil {
			return err
		}
		write := func(number int, purpose Purpose) (*Template, *Content, []Message, error) {
			c, err := content(tx, id, number)
			if err != nil {
				return nil, nil, nil, err
			}
			t := b.Version(c.Template, c.Version)
			if t == nil {
				return nil, nil, nil, problem.New("notice.Show", problem.NotFound, "", nil)
			}
			var all []Message
			for _, l := range i18n.Langs {
				all = append(all, s.voice.Write(t, c, l, from, n.Kind, purpose, s.atlas))
			}
			return t, c, all, nil
		}
		if v.Template, v.Content, v.Messages, err = write(v.Last.Content, v.Last.Purpose); err != nil {
			return err
		}
		v.Override = v.Life.Work().OverrideFrom(v.Template.Immediate)
		// The difference is to what the public has, else to the text before.
		number, purpose := 0, v.Last.Purpose
		if i := l.Public(); i >= 0 && i != v.Revision-1 {
			number, purpose = l.Revisions[i].Content, l.Revisions[i].Purpose
		} else if v.Last.Content > 1 && v.Last.Purpose == Alert {
			number = v.Last.Content - 1
		}
		if number > 0 {
			if _, _, v.Before, err = write(number, purpose); err != nil {
				return err
			}
		}
		purpose = Alert
		for _, e := range n.Events {
			if e.Step == Begin {
				purpose = e.Purpose
			}
			if e.Step == Begin || e.Step == Edit {
				_, _, all, err := write(e.Content, purpose)
				if err != nil {
					return err
				}
				v.Texts = append(v.Texts, all[max(0, slices.Index(i18n.Langs, lang))])
			}
		}
		if v.Requests, err = farRequests(tx, `WHERE notice = $1`, id); err != nil {
			return err
		}
		for _, q := range v.Requests {
			q.Place = s.deskName(q.Other)
			if q.Letter != 0 && s.o.Lines.Reached != nil {
				q.Reached = s.o.Lines.Reached(tx, q.Letter)
			}
		}
		var shown *Publication
		for _, p := range v.Published {
			if p.Revision == v.Revision {
				shown, v.Identifier = p, p.Identifier
			}
		}
		if shown == nil {
			out, err := s.outgoing(tx, n, v.Revision, v.Last.Purpose, v.Template, v.Content, s.now())
			if err != nil {
				return err
			}
			shown = s.publication(n, v.Revision, out)
		}
		v.XML, v.Renderings = string(shown.Document), s.renderings(shown)
		return nil
	})
	return v, problem.Wrap("notice.Show", err)
}

// maxCompared bounds a comparison of words.
const maxCompared = 600

// changes compares two texts word by word.
func changes(before, after string) (all []ui.Change) {
	a, b := strings.Fields(before), strings.Fields(after)
	a, b = a[:min(len(a), maxCompared)], b[:min(len(b), maxCompared)]
	// common[i][j] is the length of the longest common sequence of a[i:] and b[j:].
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	add := func(kind, word string) {
		if n := len(all); n > 0 && all[n-1].Kind == kind {
			all[n-1].Text += " " + word
			return
		}
		all = append(all, ui.Change{Kind: kind, Text: word})
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			add("same", a[i])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			add("removed", a[i])
			i++
		default:
			add("added", b[j])
			j++
		}
	}
	return all
}

// same reports whether a comparison found no difference.
func same(all []ui.Change) bool {
	return !slices.ContainsFunc(all, func(c ui.Change) bool { return c.Kind != "same" })
}
