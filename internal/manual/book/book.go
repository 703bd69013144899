package book

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/pdf"
	"trojmezi/internal/kernel/register/fact"
	"trojmezi/internal/manual/content"
)

// Edition is what all books of one making have in common.
type Edition struct {
	Content *content.Content
	Texts   *i18n.Bundle
	Lang    i18n.Lang
	// Made is the day that stands in the book: part of the input, as everything that decides
	// about its bytes.
	Made time.Time
}

func (e *Edition) t(key string, args i18n.Args) string { return e.Texts.Text(e.Lang, key, args) }

// options are those of every document.
func (e *Edition) options(town *Town, title, kind string) pdf.Options {
	return pdf.Options{
		Title: title, Lang: string(e.Lang), ID: "manual/" + town.Code + "/" + string(e.Lang) + "/" + kind, Made: e.Made, Head: title,
		Foot: e.t("book.foot", i18n.Args{"version": e.Content.Version, "date": e.Texts.Date(e.Lang, e.Made)}),
		Page: func(n, all int) string { return e.t("book.page", i18n.Args{"n": n, "all": all}) },
	}
}

// Handbook is the whole manual of a municipality.
func (e *Edition) Handbook(town *Town) *pdf.Document {
	title := e.t("book.title", i18n.Args{"name": town.Name})
	d := pdf.New(e.options(town, title, "handbook"))
	unknown := town.Unknown(e.Content)
	d.Heading(1, title)
	d.Callout(pdf.Warning, "", e.t("book.draft", nil), func(d *pdf.Document) {
		d.Paragraph("", e.t("book.draft.text", nil))
	})
	d.Paragraph("", e.t("book.unknown.count", i18n.Args{"n": len(unknown)}))
	d.Facts([][2]string{{"150", e.t("book.call.150", nil)}, {"155", e.t("book.call.155", nil)}, {"158", e.t("book.call.158", nil)}, {"112", e.t("book.call.112", nil)}})
	d.Contents(e.t("book.contents", nil), 1)
	e.town(d, town, unknown)
	e.calls(d, town)
	e.chapters(d, town)
	e.review(d, town)
	e.duties(d, town)
	return d
}

// town is what is known, and what is to be found out.
func (e *Edition) town(d *pdf.Document, town *Town, unknown []*fact.Fact) {
	d.Break()
	d.Heading(1, e.t("book.town", nil))
	d.Paragraph("", e.t("book.orp", nil))
	if len(unknown) > 0 {
		d.Heading(2, e.t("book.find_out", nil))
		d.Paragraph("", e.t("book.find_out.lead", nil))
		var items []pdf.Item
		for _, f := range unknown {
			question := f.Question(e.Texts, e.Lang)
			if question == "" {
				question = f.Name(e.Texts, e.Lang)
			}
			items = append(items, pdf.Item{Text: question})
		}
		d.List(pdf.Ticked, items...)
	}
	d.Heading(2, e.t("book.known", nil))
	var rows [][]pdf.Cell
	for _, f := range fact.Shipped().Facts() {
		k, known := town.Known[f.Key]
		if !known {
			continue
		}
		from := e.t("fact.derived", nil)
		if !k.Derived {
			from = e.t("book.source."+string(k.Source), nil)
		}
		rows = append(rows, []pdf.Cell{{Text: f.Name(e.Texts, e.Lang), Header: true}, {Text: f.Say(e.Texts, e.Lang, k.Value)}, {Text: from}})
	}
	d.Table([]float64{3, 2, 3}, []string{e.t("book.fact", nil), e.t("book.value", nil), e.t("book.from", nil)}, rows)
}

// calls are those whom the book says to call, with room for their numbers.
func (e *Edition) calls(d *pdf.Document, town *Town) {
	d.Heading(1, e.t("book.calls", nil))
	d.Paragraph("", e.t("book.calls.lead", nil))
	var kinds []string
	for _, s := range town.steps(e.Content) {
		for _, f := range s.of {
			for _, c := range f.Call {
				if _, err := strconv.Atoi(c); err != nil && !slices.Contains(kinds, c) {
					kinds = append(kinds, c)
				}
			}
		}
	}
	var rows [][]pdf.Cell
	for _, k := range kinds {
		rows = append(rows, []pdf.Cell{{Text: e.t("book.call."+k, nil), Header: true}, {Text: " "}, {Text: " "}})
	}
	d.Table([]float64{3, 2.5, 2.5}, []string{e.t("book.whom", nil), e.t("book.name", nil), e.t("book.phone", nil)}, rows)
}

// chapters are the instructions, a chapter for each hazard.
func (e *Edition) chapters(d *pdf.Document, town *Town) {
	all := town.steps(e.Content)
	for len(all) > 0 {
		hazard := all[0].first().Hazard
		n := slices.IndexFunc(all, func(s *step) bool { return s.first().Hazard != hazard })
		if n < 0 {
			n = len(all)
		}
		chapter := all[:n]
		all = all[n:]
		if hazard == "general" || hazard == "flood" || hazard == "readiness" {
			d.Break()
		}
		d.Heading(1, e.t("book.hazard."+hazard, nil))
		for len(chapter) > 0 {
			phase := chapter[0].first().Phase
			n := slices.IndexFunc(chapter, func(s *step) bool { return s.first().Phase != phase })
			if n < 0 {
				n = len(chapter)
			}
			d.Heading(2, e.t("book.phase."+phase, nil))
			e.list(d, town, chapter[:n])
			chapter = chapter[n:]
		}
	}
}

// list is one phase: what holds as items to tick, what may hold in boxes side by side.
func (e *Edition) list(d *pdf.Document, town *Town, steps []*step) {
	var items []pdf.Item
	flush := func() {
		if len(items) > 0 {
			d.List(pdf.Ticked, items...)
			items = nil
		}
	}
	for _, s := range steps {
		if s.truth == fact.True {
			items = append(items, e.item(s.first(), ""))
			continue
		}
		if len(s.of) == 1 {
			items = append(items, e.item(s.first(), e.condition(town, s.first())))
			continue
		}
		flush()
		var parts []pdf.Part
		for _, f := range s.of {
			parts = append(parts, pdf.Part{Title: e.condition(town, f), Fill: func(d *pdf.Document) { d.List(pdf.Ticked, e.item(f, "")) }})
		}
		d.Alternatives(parts...)
	}
	flush()
}

// item is an instruction with who does it, by when, whom to call, and its duties.
func (e *Edition) item(f *content.Fragment, condition string) pdf.Item {
	var lead []string
	if condition != "" {
		lead = append(lead, condition)
	}
	if f.Role != "mayor" {
		lead = append(lead, e.t("book.role."+f.Role, nil)+":")
	}
	var notes []string
	if f.Deadline > 0 {
		notes = append(notes, e.t("book.within", i18n.Args{"n": int(f.Deadline / time.Minute)}))
	}
	if len(f.Call) > 0 {
		notes = append(notes, e.t("book.call", i18n.Args{"who": e.whom(f)}))
	}
	notes = append(notes, strings.Join(f.Duties, ", "))
	return pdf.Item{Lead: strings.Join(lead, " "), Text: f.Text[e.Lang], Note: strings.Join(notes, " · ")}
}

func (e *Edition) whom(f *content.Fragment) string {
	var all []string
	for _, c := range f.Call {
		if _, err := strconv.Atoi(c); err == nil {
			all = append(all, c)
		} else {
			all = append(all, e.t("book.call."+c, nil))
		}
	}
	return strings.Join(all, ", ")
}

// condition says of which values of what is not known an instruction depends.
func (e *Edition) condition(town *Town, f *content.Fragment) string {
	var all []string
	for _, key := range f.Facts() {
		if _, known := town.set[key]; known {
			continue
		}
		x := fact.Shipped().Fact(key)
		var values []any
		set := fact.Set{}
		for k, v := range town.set {
			set[k] = v
		}
		for _, v := range x.Cases() {
			set[key] = v
			if f.Applies(set) != fact.False {
				values = append(values, v)
			}
		}
		if len(values) == len(x.Cases()) {
			continue
		}
		all = append(all, x.Name(e.Texts, e.Lang)+" – "+x.SayCases(e.Texts, e.Lang, values))
	}
	if len(all) == 0 { // any one of several is enough
		return e.t("book.if", i18n.Args{"what": strings.Join(e.enough(town, f), e.t("book.or", nil))})
	}
	return e.t("book.if", i18n.Args{"what": strings.Join(all, "; ")})
}

// enough are the values of which one alone makes an instruction hold.
func (e *Edition) enough(town *Town, f *content.Fragment) (all []string) {
	for _, key := range f.Facts() {
		if _, known := town.set[key]; known {
			continue
		}
		x := fact.Shipped().Fact(key)
		var values []any
		set := fact.Set{}
		for k, v := range town.set {
			set[k] = v
		}
		for _, v := range x.Cases() {
			if set[key] = v; f.Applies(set) == fact.True {
				values = append(values, v)
			}
		}
		if len(values) > 0 {
			all = append(all, x.Name(e.Texts, e.Lang)+" – "+x.SayCases(e.Texts, e.Lang, values))
		}
	}
	return all
}

// review is the yearly list with the document of each duty.
func (e *Edition) review(d *pdf.Document, town *Town) {
	d.Break()
	d.Heading(1, e.t("book.review", nil))
	d.Paragraph("", e.t("book.review.lead", nil))
	var rows [][]pdf.Cell
	for i := range e.Content.Duties {
		x := &e.Content.Duties[i]
		if x.Coverage == content.Review && x.Applies(town.set) != fact.False {
			rows = append(rows, []pdf.Cell{{Text: x.ID, Header: true}, {Text: x.Text[e.Lang]}, {Text: x.Document[e.Lang]}, {Text: x.Deadline[e.Lang]}, {Text: " "}})
		}
	}
	d.Table([]float64{1.1, 3.4, 2.6, 2, 1.4}, []string{"", e.t("book.duty", nil), e.t("book.document", nil), e.t("book.deadline", nil), e.t("book.done", nil)}, rows)
}

// duties are all that hold, with their sources and how those were checked.
func (e *Edition) duties(d *pdf.Document, town *Town) {
	d.Break()
	d.Heading(1, e.t("book.duties", nil))
	d.Paragraph("", e.t("book.duties.lead", nil))
	var rows [][]pdf.Cell
	for i := range e.Content.Duties {
		x := &e.Content.Duties[i]
		if x.Coverage == content.NotMunicipal || x.Applies(town.set) == fact.False {
			continue
		}
		rows = append(rows, []pdf.Cell{{Text: x.ID, Header: true}, {Text: x.Text[e.Lang]}, {Text: x.Source}, {Text: e.t("book.status."+x.Status, nil)}})
	}
	d.Table([]float64{1.1, 4, 3, 2}, []string{"", e.t("book.duty", nil), e.t("book.source.law", nil), e.t("book.status", nil)}, rows)
}

// scales are sizes of a card's text, the largest that fits is taken.
var scales = []float64{2, 1.7, 1.4, 1.2, 1.1, 1, 0.9, 0.8}

// mostSteps are those of a card where few people are there to do them.
const mostSteps = 7

// Cards are the action cards of a municipality: a page for each hazard and role.
func (e *Edition) Cards(town *Town) *pdf.Document {
	title := e.t("book.cards", i18n.Args{"name": town.Name})
	d := pdf.New(e.options(town, title, "cards"))
	d.Heading(1, title)
	d.Callout(pdf.Warning, "", e.t("book.draft", nil), func(d *pdf.Document) { d.Paragraph("", e.t("book.draft.text", nil)) })
	d.Contents(e.t("book.contents", nil), 2)
	few := true
	if n, ok := town.set["staff"].(int); ok && n > 2 {
		few = false
	}
	type kind struct{ hazard, role string }
	var kinds []kind
	cards := map[kind][]*step{}
	for _, s := range town.steps(e.Content) {
		f := s.first()
		if !f.Card {
			continue
		}
		k := kind{f.Hazard, f.Role}
		if cards[k] == nil {
			kinds = append(kinds, k)
		}
		cards[k] = append(cards[k], s)
	}
	for _, k := range kinds {
		steps := cards[k]
		if few && len(steps) > mostSteps {
			// By the critical path, then in the order of the event again.
			kept := slices.Clone(steps)
			slices.SortStableFunc(kept, func(a, b *step) int { return a.first().Priority - b.first().Priority })
			kept = kept[:mostSteps]
			steps = slices.DeleteFunc(slices.Clone(steps), func(s *step) bool { return !slices.Contains(kept, s) })
		}
		name := e.t("book.card", i18n.Args{"hazard": e.t("book.hazard."+k.hazard, nil), "role": e.t("book.role."+k.role, nil)})
		d.Card("", name, scales, func(d *pdf.Document) {
			d.Heading(2, name)
			d.Paragraph("", e.t("book.card.numbers", nil))
			var items []pdf.Item
			for _, s := range steps {
				for _, f := range s.of {
					x := pdf.Item{Text: f.Easy[e.Lang]}
					if s.truth != fact.True {
						x.Lead = e.condition(town, f)
					}
					if len(f.Call) > 0 {
						x.Note = e.t("book.call", i18n.Args{"who": e.whom(f)})
					}
					items = append(items, x)
				}
			}
			d.List(pdf.Ticked, items...)
			d.Line(e.t("book.card.time", nil))
		})
	}
	return d
}
