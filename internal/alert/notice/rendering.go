package notice

import (
	"context"

	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Rendering is how a message reads in one channel, before it leaves or after: the same
// code that sends it has made it.
type Rendering struct {
	Name  string    // key of what the channel is called
	Args  i18n.Args // of that text, such as its length
	Notes []string  // keys of what became of the text to make it fit
	Lang  i18n.Lang // "": of no language
	Text  string
	Code  bool // for machines: line breaks and spaces count
	// Cost is that its name says what it costs: it stands also above the text.
	Cost bool
}

// renderings are those of the channels, then the message itself. p may be a draft, whose
// document nobody has signed yet.
func (s *Service) renderings(p *Publication) (all []Rendering) {
	if len(p.Document) == 0 {
		return nil
	}
	if s.o.Renderings != nil {
		all = s.o.Renderings(p)
	}
	return append(all, Rendering{Name: "notice.channel.cap", Text: string(p.Document), Code: true})
}

// publication is a message as it would go out now, unsigned; without a document as long
// as what is written makes none.
func (s *Service) publication(n *row, revision int, out Outgoing) *Publication {
	p := &Publication{Notice: n.ID, Revision: revision, Kind: n.Kind, Organisation: n.Organisation, Identifier: out.Identifier, Sender: out.Source.Sender,
		Sent: out.Sent, Expires: out.Content.Expires, Purpose: out.Purpose}
	if doc, found := cap.Write(s.voice.CAP(out, s.atlas)); len(found) == 0 {
		p.Document = doc
	}
	return p
}

// unborn stands in the addresses of a notice that is not written down yet: as long as
// the one it will get, so that a preview counts right.
const unborn = "00000000-0000-0000-0000-000000000000"

// draft is what somebody writes as it would go out now, for the notice id or, for "", for
// a new one.
func (s *Service) draft(ctx context.Context, organisation, id string, kind store.Kind, purpose Purpose, t *Template, c *Content) (p *Publication, all []Message, err error) {
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		n, revision := &row{ID: unborn, Organisation: organisation, Kind: kind}, 1
		if id != "" {
			if n, err = load(tx, id); err != nil {
				return err
			}
			if n.Organisation != organisation {
				return problem.New("notice.draft", problem.NotFound, "notice.not_found", nil)
			}
			l, err := s.life(tx, n)
			if err != nil {
				return err
			}
			if revision = len(l.Revisions); l.Work() == nil {
				revision++
			}
		}
		out, err := s.outgoing(tx, n, revision, purpose, t, c, s.now())
		if err != nil {
			return err
		}
		p, all = s.publication(n, revision, out), nil
		for _, l := range i18n.Langs {
			all = append(all, s.voice.Write(t, c, l, out.Source, n.Kind, purpose, s.atlas))
		}
		return nil
	})
	return p, all, err
}
