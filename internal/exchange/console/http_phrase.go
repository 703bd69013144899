package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"trojmezi/internal/exchange/phrase"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// registerPhrases adds the routes of the phrase picker and of machine translation.
func (p *Pages) registerPhrases(rt *web.Router) {
	const one = "/console/incidents/{id}"
	act := web.MayOn(mayAct, p.incidentOf)
	rt.Page("GET "+one+"/phrase", act, p.phraseForm)
	rt.Page("POST "+one+"/phrase", act, p.sayPhrase)
	rt.Page("POST "+one+"/issue/translation", act, p.translate)
	rt.Page("POST "+one+"/messages/{entry}/translation", act, p.translate)
}

// saying is the picker: the choice of a sentence, its placeholders, or what will be
// sent.
type saying struct {
	Book   *phrase.Book
	Phrase *phrase.Phrase
	Typed  map[string]string
	Said   *phrase.Said // to be looked over before it is sent
	Once   string
	Errors ui.Errors
}

// reading is what neighbours of one language will read.
type reading struct {
	Lang i18n.Lang
	To   []string
}

// slotField is the name of a placeholder's field.
func slotField(name string) string { return "slot-" + name }

func (p *Pages) saying(r *http.Request, id string) (x saying, err error) {
	x = saying{Typed: map[string]string{}, Once: field(r, "once")}
	if p.Phrases == nil {
		return x, problem.New("console.phrase", problem.NotFound, "phrase.not_found", nil)
	}
	if x.Book, err = p.Phrases.Now(r.Context()); err != nil {
		return x, err
	}
	if x.Once == "" {
		x.Once = p.Clock.NewID()
	}
	if x.Phrase = x.Book.Find(id, p.Clock.Now()); x.Phrase == nil && id != "" {
		return x, problem.New("console.phrase", problem.NotFound, "phrase.not_found", nil)
	}
	return x, nil
}

func (p *Pages) phraseForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.one(r)
	if err != nil {
		return err
	}
	x, err := p.saying(r, r.URL.Query().Get("phrase"))
	if err != nil {
		return err
	}
	if x.Phrase != nil && len(x.Phrase.Slots) == 0 {
		x.Said, _ = x.Book.Say(x.Phrase, nil, p.Clock.Now())
	}
	return web.Render(w, r, http.StatusOK, phrasePage(p.phraseShell(r, v), v, x))
}

func (p *Pages) phraseShell(r *http.Request, v *screen) web.Shell {
	return p.formShell(r, v, "phrase.picker.title")
}

// sayPhrase shows what will be sent, or sends it.
func (p *Pages) sayPhrase(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	ctx, id := r.Context(), r.PathValue("id")
	v, err := p.one(r)
	if err != nil {
		return err
	}
	x, err := p.saying(r, field(r, "phrase"))
	if err != nil {
		return err
	}
	if x.Phrase == nil {
		x.Errors.Add("phrase", web.T(ctx, "phrase.picker.none", nil))
		return web.Render(w, r, http.StatusUnprocessableEntity, phrasePage(p.phraseShell(r, v), v, x))
	}
	for _, s := range x.Phrase.Slots {
		x.Typed[s.Name] = r.PostFormValue(slotField(s.Name))
	}
	said, faults := x.Book.Say(x.Phrase, x.Typed, p.Clock.Now())
	for _, f := range faults {
		x.Errors.Add(slotField(f.Field), web.T(ctx, f.Key, f.Args))
	}
	status := http.StatusOK
	switch do := field(r, "do"); {
	case said == nil:
		status = http.StatusUnprocessableEntity
	case do == "send":
		err := p.Say(ctx, actor(r), id, said, x.Once)
		if e, fault := refusal(ctx, err); e != nil {
			x.Said, status = said, http.StatusUnprocessableEntity
			x.Errors.Add("", fault)
			break
		}
		if err != nil {
			return err
		}
		return back(w, r, incidentURL(id)+"?tab=messages")
	case do != "edit":
		x.Said = said
	}
	return web.Render(w, r, status, phrasePage(p.phraseShell(r, v), v, x))
}

// readings are the languages in which a phrase will be read, with who reads them.
func (v *screen) readings() (all []reading) {
	for _, n := range v.incident.Partners {
		l := i18n.En
		if i := slices.IndexFunc(v.rooms, func(r Room) bool { return r.OID == n.OID }); i >= 0 && v.rooms[i].Lang != "" {
			l = v.rooms[i].Lang
		} else if c, ok := languages[countryOf(n.OID)]; ok {
			l = c
		}
		i := slices.IndexFunc(all, func(r reading) bool { return r.Lang == l })
		if i < 0 {
			all = append(all, reading{Lang: l})
			i = len(all) - 1
		}
		all[i].To = append(all[i].To, neighbour(n))
	}
	return all
}

// canTranslate reports whether a message may be given to a machine for readers of the
// page.
func (v *screen) canTranslate(ctx context.Context, e Entry) bool {
	return v.act && e.Incoming && e.free() && v.pages.Translator.May(phrase.TextMessage) && e.Lang != web.Lang(ctx)
}

func (v *screen) canTranslateIssue(ctx context.Context) bool {
	return v.act && v.foreign(ctx) != "" && v.pages.Translator.May(phrase.TextIssue)
}

// foreign is the language in which the free text of the incident is, when the reader's
// is another: as the sender says, else that of its country. "" when it is the reader's.
func (v *screen) foreign(ctx context.Context) i18n.Lang {
	i := v.incident
	if !i.Incoming || i.Facts == nil || i.Facts.Issue == "" {
		return ""
	}
	l := cmp.Or(i.Facts.Lang, languages[countryOf(i.OID)])
	if l == web.Lang(ctx) {
		return ""
	}
	return l
}

func translationURL(incident string, entry int64) string {
	if entry == 0 {
		return incidentURL(incident) + "/issue/translation"
	}
	return incidentURL(incident) + "/messages/" + url.PathEscape(itoa(entry)) + "/translation"
}

// translate shows what a machine makes of a text beside the text.
func (p *Pages) translate(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	v, err := p.one(r)
	if err != nil {
		return err
	}
	var entry int64
	if s := r.PathValue("entry"); s != "" {
		if entry, err = strconv.ParseInt(s, 10, 64); err != nil || entry <= 0 {
			return problem.New("console.translate", problem.NotFound, "console.d.refuse.not_found", nil)
		}
	}
	original, from, machine, err := p.Translate(ctx, actor(r), v.incident.ID, entry, web.Lang(ctx))
	m := ui.Message{Text: machine, Original: original, OriginalLang: string(from), Source: "machine", At: p.Clock.Now(), From: v.title(ctx, v.incident.Row)}
	fault, status := "", http.StatusOK
	if problem.KindOf(err) == problem.Unavailable && original != "" {
		if e, ok := errors.AsType[*problem.Error](err); ok {
			fault, status, err = web.T(ctx, e.Key, e.Args), http.StatusBadGateway, nil
		}
	}
	if err != nil {
		return err
	}
	return web.Render(w, r, status, translationPage(p.formShell(r, v, "phrase.machine.title"), v, m, fault))
}

// slotHint says how a placeholder is filled in.
func slotHint(ctx context.Context, s phrase.Slot) string {
	return web.T(ctx, "phrase.hint."+string(s.Kind), nil)
}

// inputMode is the keyboard a telephone shows for a placeholder.
func inputMode(s phrase.Slot) string {
	switch s.Kind {
	case phrase.Number, phrase.UN:
		return "numeric"
	case phrase.Decimal:
		return "decimal"
	case phrase.Phone:
		return "tel"
	}
	return ""
}

func joined(list []string) string { return strings.Join(list, ", ") }
