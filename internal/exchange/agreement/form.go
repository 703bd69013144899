package agreement

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/pdf"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
)

// FormList is a form of an agreement as a list of fields. Its layout is ours: nobody
// has compared it with the original.
type FormList struct {
	ID     string
	Langs  []i18n.Lang // the two of its sides
	Titles map[i18n.Lang]string
	Fields []FormField
}

// FormField is one field of a form.
type FormField struct {
	ID      string
	Kind    string // "text", "long", "choice", "sign"
	Prefill string // the fact of an incident that goes into it, "" for none
	Labels  map[i18n.Lang]string
	Options []FormField // of a choice
	// Seen is false where it is from memory that the original has the field.
	Seen bool
}

// Facts are what an incident gives to a form, by the names in the data: sender,
// contact, phone, time, what, place, point, injured, issue, receiver.
type Facts map[string]string

// formLine reads a line of forms.csv.
func (x *Index) formLine(of func(string) string) error {
	labels := map[i18n.Lang]string{}
	for _, l := range i18n.Langs {
		labels[l] = of(string(l))
	}
	id, kind := of("form"), of("kind")
	if kind == "title" {
		f := FormList{ID: id, Titles: labels}
		for l := range strings.FieldsSeq(of("prefill")) {
			f.Langs = append(f.Langs, i18n.Lang(l))
		}
		x.forms = append(x.forms, f)
		return nil
	}
	n := len(x.forms) - 1
	if n < 0 || x.forms[n].ID != id {
		return fmt.Errorf("%s has no title", id)
	}
	field := FormField{ID: of("field"), Kind: kind, Prefill: of("prefill"), Labels: labels, Seen: of("status") != string(FromMemory)}
	if kind != "option" {
		x.forms[n].Fields = append(x.forms[n].Fields, field)
		return nil
	}
	m := len(x.forms[n].Fields) - 1
	x.forms[n].Fields[m].Options = append(x.forms[n].Fields[m].Options, field)
	return nil
}

// Forms lists the forms.
func (x *Index) Forms() []FormList { return x.forms }

// Form returns the form with an id.
func (x *Index) Form(id string) (FormList, bool) {
	for _, f := range x.forms {
		if f.ID == id {
			return f, true
		}
	}
	return FormList{}, false
}

// Prefilled are the values of the form's fields that the facts give.
func (f FormList) Prefilled(facts Facts) map[string]string {
	values := map[string]string{}
	for _, field := range f.Fields {
		values[field.ID] = facts[field.Prefill]
	}
	return values
}

// both writes a label in the form's two languages.
func (f FormList) both(labels map[i18n.Lang]string) string {
	var all []string
	for _, l := range f.Langs {
		if !slices.Contains(all, labels[l]) {
			all = append(all, labels[l])
		}
	}
	return strings.Join(all, " / ")
}

// sheet is what stands around a filled form on paper.
type sheet struct {
	texts *i18n.Bundle
	lang  i18n.Lang
	place string // the control room
	who   string
	now   time.Time
	band  string // "" for a real operation
}

// paper is the filled form as a tagged PDF in both languages. Nothing of it is kept.
func (f FormList) paper(values map[string]string, s sheet) *pdf.Document {
	lang := s.lang
	if !slices.Contains(f.Langs, lang) {
		lang = f.Langs[0]
	}
	said := func(key string, args i18n.Args) string {
		var all []string
		for _, l := range f.Langs {
			all = append(all, s.texts.Text(l, key, args))
		}
		return strings.Join(all, "\n")
	}
	title := f.both(f.Titles)
	d := pdf.New(pdf.Options{
		Title: title, Lang: string(lang), Band: s.band, Made: s.now,
		Foot: s.texts.Text(lang, "agreement.paper.foot", i18n.Args{"title": title, "place": s.place, "name": s.who, "time": s.now}),
		Page: func(n, all int) string {
			return s.texts.Text(lang, "agreement.paper.page", i18n.Args{"n": n, "all": all})
		},
	})
	d.Heading(1, title)
	d.Paragraph("", said("agreement.form.own_layout", nil))
	var rows [][2]string
	for _, field := range f.Fields {
		v := values[field.ID]
		if field.Kind == "choice" {
			var marks []string
			for _, o := range field.Options {
				mark := "[  ] "
				if v == o.ID {
					mark = "[x] "
				}
				marks = append(marks, mark+f.both(o.Labels))
			}
			v = strings.Join(marks, "\n")
		}
		if v == "" {
			v = "–"
		}
		if field.Kind == "sign" {
			continue
		}
		rows = append(rows, [2]string{f.both(field.Labels), v})
	}
	d.Facts(rows)
	for _, field := range f.Fields {
		if field.Kind == "sign" {
			d.Line(f.both(field.Labels))
		}
	}
	return d
}

// made notes that somebody made a filled form, for an incident or without one. What
// stood in it is not kept.
func (s *Book) made(ctx context.Context, person, form, incident string) error {
	return problem.Wrap("agreement.made", s.o.DB.Write(ctx, func(tx *store.Tx) error {
		return s.o.Audit.Append(tx, audit.Event{Action: "agreement.form", Actor: person, Object: incident, Detail: []byte(form)})
	}))
}

// Originals are the forms attached, by form.
func (s *Book) Originals(ctx context.Context) (all map[string]Original, err error) {
	all = map[string]Original{}
	err = s.o.DB.Read(ctx, func(tx *store.Tx) error {
		list, err := originals(tx)
		for _, o := range list {
			o.Person = s.name(tx, o.Person)
			all[o.Form] = o
		}
		return err
	})
	return all, problem.Wrap("agreement.Originals", err)
}

// attach notes an attached original; freed are the bytes of the one before, if no
// other form has them.
func (s *Book) attach(ctx context.Context, person string, o Original) (freed *Original, err error) {
	o.At, o.Person = s.o.Clock.Now(), person
	return s.swap(ctx, person, o.Form, "agreement.attach", o.Blob.String(), func(tx *store.Tx) error { return putOriginal(tx, o) })
}

// detach takes an original away: our layout is offered again.
func (s *Book) detach(ctx context.Context, person, form string) (freed *Original, err error) {
	return s.swap(ctx, person, form, "agreement.detach", "", func(tx *store.Tx) error { return dropOriginal(tx, form) })
}

func (s *Book) swap(ctx context.Context, person, form, action, detail string, change func(tx *store.Tx) error) (freed *Original, err error) {
	err = s.o.DB.Write(ctx, func(tx *store.Tx) error {
		freed = nil
		before, err := original(tx, form)
		if err != nil && !none(err) {
			return err
		}
		had := err == nil
		if err := change(tx); err != nil {
			return err
		}
		left, err := originals(tx)
		if err != nil {
			return err
		}
		if had && !slices.ContainsFunc(left, func(o Original) bool { return o.Blob == before.Blob }) {
			freed = &before
		}
		return s.o.Audit.Append(tx, audit.Event{Action: action, Actor: person, Object: form, Detail: []byte(detail)})
	})
	return freed, problem.Wrap("agreement.swap", err)
}
