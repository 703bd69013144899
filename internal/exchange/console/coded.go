package console

import (
	"slices"
	"strings"
	"time"

	"trojmezi/internal/exchange"
	"trojmezi/internal/exchange/classification"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/store"
)

// What happened is a code: of the sender's catalogue, in UCRI 2, or as a node of ours
// says of the crosswalk. Readers see it in their language, with the code beside it.

// Marks behind a label: the type above the code's own, and words nobody has checked.
const (
	markAbove = " ≈"
	markDraft = "*"
)

// label is what a keyword means for readers of l. key is the crosswalk's type where the
// sender states it, other the neighbour who took part.
func (s *Service) label(l i18n.Lang, org Org, other, key, word string, at time.Time) (classification.Label, bool) {
	if s.Types == nil || key+word == "" {
		return classification.Label{}, false
	}
	table := s.Types.Table()
	if got, ok := table.Named(key, l, at); ok {
		got.Code = word
		return got, true
	}
	return table.Read(word, other, systems(countryOf(other), org.Country), l, at)
}

// systems are those in which a word between control rooms of two countries may stand.
func systems(countries ...string) (out []classification.System) {
	for _, c := range countries {
		if s := classification.SystemOf(c); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return append(out, classification.EMSI)
}

// worded is a label with its marks and the code beside it.
func worded(l classification.Label) string {
	text := l.Text
	if l.Draft {
		text += markDraft
	}
	if l.Level > 0 {
		text += markAbove
	}
	if l.Code != "" && !same(l.Code, l.Text) {
		text += " [" + l.Code + "]"
	}
	return text
}

// matter is what happened for readers of l, short enough to be read at a glance: what the
// keyword means, and the sender's own words behind it. Code and marks stand with the
// facts of the incident. "" when neither is there.
func (s *Service) matter(l i18n.Lang, org Org, r Row) string {
	got, ok := s.label(l, org, r.OID, r.TypeKey, r.Type, r.First)
	switch {
	case !ok && r.Headline != "":
		return r.Headline
	case !ok:
		return r.Type
	case r.Headline == "" || same(r.Headline, r.Type):
		return got.Text
	}
	return got.Text + " · " + r.Headline
}

// kinds are the keywords of a hand-over for readers of l, each with what it means.
func (s *Service) kinds(l i18n.Lang, org Org, other string, f *Facts, at time.Time) (out []string) {
	words := slices.Compact(append([]string{f.Type}, f.Classifications...))
	for n, w := range words {
		key := ""
		if n == 0 {
			key = f.TypeKey
		}
		got, ok := s.label(l, org, other, key, w, at)
		if !ok {
			if w != "" {
				out = append(out, w)
			}
			continue
		}
		out = append(out, s.explained(l, got, key, f.TypeCode))
	}
	return out
}

// explained is a label with its marks in words, the system of its code and the code that
// the sender himself works with.
func (s *Service) explained(l i18n.Lang, got classification.Label, key, own string) string {
	parts := []string{worded(got)}
	say := func(key string) string { return s.Texts.Text(l, key, nil) }
	if got.System != "" {
		parts = append(parts, say("classification.system."+string(got.System)))
	}
	if system, code, ok := strings.Cut(own, " "); ok && key != "" && slices.Contains(classification.Systems, classification.System(system)) {
		parts = append(parts, say("classification.system."+system)+" "+code)
	}
	if got.Level > 0 {
		parts = append(parts, say("classification.shown.above"))
	}
	if got.Draft {
		parts = append(parts, say("classification.shown.draft"))
	}
	return strings.Join(parts, " · ")
}

// typeWords are the labels of a hand-over in all languages, for the archive's search.
func (s *Service) typeWords(f *Facts, other string, at time.Time) (out []string) {
	for n, w := range f.Classifications {
		key := ""
		if n == 0 {
			key = f.TypeKey
		}
		for _, l := range i18n.Langs {
			if got, ok := s.label(l, Org{}, other, key, w, at); ok {
				out = append(out, got.Text)
			}
		}
	}
	return out
}

// toward turns what a dispatcher chose into the keyword of one receiver. The type and
// the own code go with it in the remark of nodes of ours. Words that the crosswalk does
// not know leave as they are.
func (s *Service) toward(d Draft, org Org, to string, at time.Time) Draft {
	if s.Types == nil || d.Type == "" {
		return d
	}
	table := s.Types.Table()
	own := classification.SystemOf(org.Country)
	if d.TypeKey = table.KeyOf(d.Type); d.TypeKey == "" {
		got, ok := table.Label(own, d.Type, org.Lang, at)
		if !ok || got.Level > 0 {
			return d
		}
		d.TypeKey = got.Key
	}
	if codes := table.CodesOf(d.TypeKey, own, at); len(codes.Codes) > 0 && codes.Level == 0 {
		d.TypeCode = string(own) + " " + codes.Codes[0]
	}
	country := countryOf(to)
	if codes := table.CodesOf(d.TypeKey, classification.SystemOf(country), at); len(codes.Codes) > 0 {
		d.Type = codes.Codes[0]
	} else if l := languages[country]; l != "" {
		if got, ok := table.Named(d.TypeKey, l, at); ok {
			d.Type = got.Text
		}
	}
	return d
}

// onward are the keywords under which an incident goes on to another control room: his
// own and those it came with, and the type and our code for the remark.
func (s *Service) onward(org Org, other, key string, classes []string, to string, at time.Time) (words []string, typ, code string) {
	if len(classes) == 0 {
		return classes, key, ""
	}
	got, ok := s.label(org.Lang, org, other, key, classes[0], at)
	if !ok || got.Key == "" {
		return classes, key, ""
	}
	d := s.toward(Draft{Type: got.Text}, org, to, at)
	return unique(append([]string{d.Type}, classes...)), d.TypeKey, d.TypeCode
}

// chosen puts what a neighbour sent into the words from which a dispatcher chooses; the
// neighbour's own stand in a remark.
func (s *Service) chosen(l i18n.Lang, org Org, d *Draft, other string) {
	got, ok := s.label(l, org, other, d.TypeKey, d.Type, s.Clock.Now())
	if !ok || got.Key == "" {
		return
	}
	if !same(got.Text, d.Type) {
		code := d.Type
		if got.System != "" {
			code += " (" + s.Texts.Text(l, "classification.system."+string(got.System), nil) + ")"
		}
		d.Remarks = append(d.Remarks, s.Texts.Text(l, "classification.shown.original", i18n.Args{"code": code}))
	}
	d.Type, d.TypeKey = got.Text, ""
}

// offered are the words from which a dispatcher chooses what happened.
func (p *Pages) offered(l i18n.Lang) []string {
	if p.Types == nil {
		return nil
	}
	return p.Types.Table().Offer(l, p.Clock.Now())
}

// applyCatalogue takes a message of the catalogue app; done is false for one that a
// person should see.
func (s *Service) applyCatalogue(tx *store.Tx, org Org, e exchange.Entry) (done bool, err error) {
	if s.Types == nil || e.App != classification.App {
		return false, nil
	}
	return s.Types.Apply(tx, e, org.Country, org.Lang)
}
