package console

import (
	"context"
	"slices"
	"strings"

	"trojmezi/internal/exchange/disclosure"
	"trojmezi/internal/exchange/phrase"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// Say sends a phrase about an incident to all neighbours of it, to each in the
// language it reads.
func (s *Service) Say(ctx context.Context, who Actor, incident string, said *phrase.Said, once string) error {
	return s.tell(ctx, "console.Say", who, incident, nil, once, func(org Org, to i18n.Lang) string { return said.Text(to, org.Lang) })
}

// langOf is the language in which texts to a neighbour are written.
func langOf(desks map[string]desk, oid string) i18n.Lang {
	if d := desks[oid].langs; len(d) > 0 {
		return d[0]
	}
	if l, ok := languages[countryOf(oid)]; ok {
		return l
	}
	return i18n.En
}

// phrases recognises a text that consists of phrases. One with other words beside them
// stays as it came: nothing a person wrote may pass for a sentence of the book.
func (s *Service) phrases(tx *store.Tx, lines []Remark) error {
	if s.Phrases == nil || len(lines) == 0 || !strings.Contains(lines[0].Text, phrase.Mark) {
		return nil
	}
	book, err := s.Phrases.Book(tx)
	if err != nil {
		return err
	}
	all := make([]*phrase.Said, len(lines))
	for i, l := range lines {
		var ok bool
		if all[i], ok = book.Read(l.Text); !ok {
			return nil
		}
	}
	for i := range lines {
		lines[i].Said = all[i]
	}
	return nil
}

// In is the line for a reader of l, and as its sender wrote it, "" when that is the
// same.
func (r Remark) In(l i18n.Lang) (text, original string) {
	if r.Said == nil {
		return r.Text, ""
	}
	text, original = r.Said.In(l), r.Said.In(r.Said.Lang)
	if text == original {
		original = ""
	}
	return text, original
}

// Translate has a machine translate the free text of a message (entry) or, for 0, the
// description of an incident. Each time is recorded; nothing of the answer is kept.
func (s *Service) Translate(ctx context.Context, who Actor, incident string, entry int64, to i18n.Lang) (original string, from i18n.Lang, machine string, err error) {
	const op = "console.Translate"
	i, err := s.Incident(ctx, who.Org, incident)
	if err != nil {
		return "", "", "", err
	}
	sort, object := phrase.TextIssue, incident
	if entry == 0 && i.Facts != nil {
		original, from = i.Facts.Issue, i.Facts.Lang
	}
	for _, e := range i.Thread {
		if e.ID == entry && e.free() {
			sort, object, from = phrase.TextMessage, itoa(entry), e.Lang
			for _, l := range e.Lines {
				original += l.Text + "\n"
			}
		}
	}
	if original = strings.TrimSpace(original); original == "" || !s.Translator.May(sort) {
		return "", "", "", problem.New(op, problem.NotFound, "console.d.refuse.not_found", nil)
	}
	if err := s.DB.Write(ctx, func(tx *store.Tx) error { return s.audit(tx, who, "translate", object) }); err != nil {
		return "", "", "", problem.Wrap(op, err)
	}
	machine, err = s.Translator.Translate(ctx, original, from, to)
	return original, from, machine, err
}

// free reports whether a message is a person's own words.
func (e Entry) free() bool {
	if e.Form != FormText || len(e.Lines) == 0 || e.Lines[0].Said != nil {
		return false
	}
	_, asked := disclosure.ReadRequest(e.Lines[0].Text)
	_, given := disclosure.ReadGiven(e.Lines[0].Text)
	return !asked && !given // both are read in the reader's language
}

// orgOf is the organisation among those of the node.
func orgOf(orgs []Org, id string) Org {
	i := slices.IndexFunc(orgs, func(o Org) bool { return o.ID == id })
	if i < 0 {
		return Org{Lang: i18n.En}
	}
	return orgs[i]
}

// sender is the language in which the free words of a message are presumably written.
func (l *loader) sender(m messageRow) (i18n.Lang, error) {
	if !m.incoming {
		return l.lang, nil
	}
	if l.rooms == nil {
		var err error
		if l.rooms, err = l.s.phones(l.tx, l.org); err != nil {
			return "", err
		}
	}
	return langOf(l.rooms, m.other), nil
}
