package phrase

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// root is the address of the list.
const root = "/phrasebook"

// Bounds of a form and of a file.
const (
	maxForm = 64 << 10
	maxFile = 1 << 20
)

// Pages are the screens of a phrasebook.
type Pages struct {
	*Service
	// Operator is the resource of who operates the node and so keeps its book; nil:
	// each organisation is its own operator.
	Operator web.Operator
}

// NewPages returns them.
func NewPages(s *Service) *Pages { return &Pages{Service: s} }

// Register adds the pages.
func (p *Pages) Register(rt *web.Router) {
	const one = root + "/{id}"
	read, edit := web.May(mayRead), web.MayOn(mayEdit, p.Operator.On)
	for _, r := range []struct {
		pattern string
		guard   web.Guard
		handler web.Handler
	}{
		{"GET " + root, read, p.list},
		{"GET " + root + ".csv", read, p.file},
		{"GET " + root + "/print", read, p.print},
		{"GET " + root + "/new", edit, p.newForm},
		{"GET " + root + "/import", edit, p.importForm},
		{"POST " + root + "/import", edit, p.importFile},
		{"POST " + root, edit, p.put},
		{"GET " + one, read, p.show},
		{"GET " + one + "/edit", edit, p.editForm},
		{"POST " + one, edit, p.put},
		{"POST " + one + "/check", edit, p.check},
		{"GET " + one + "/retire", edit, p.retireForm},
		{"POST " + one + "/retire", edit, p.retire},
	} {
		rt.Page(r.pattern, r.guard, r.handler)
	}
}

// mayEdit reports whether the reader may write in the book.
func (p *Pages) mayEdit(r *http.Request) bool {
	return p.Operator.Can(r.Context(), mayEdit)
}

func t(ctx context.Context, key string) string { return web.T(ctx, key, nil) }

func address(id, more string) string { return root + "/" + url.PathEscape(id) + more }

func see(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// sought is the filter of the list.
type sought struct{ Words, Group, State string }

// shelf is the list of the book as it is shown.
type shelf struct {
	Book   *Book
	Groups []Group
	Filter sought
	Edit   bool
	Left   i18n.Lang // of the sheet for paper
	Right  i18n.Lang
}

// lang reads a language of the address.
func lang(s string, otherwise i18n.Lang) i18n.Lang {
	if l := i18n.Lang(s); slices.Contains(i18n.Langs, l) {
		return l
	}
	return otherwise
}

func (p *Pages) shelf(r *http.Request) (v shelf, err error) {
	if v.Book, err = p.Now(r.Context()); err != nil {
		return v, err
	}
	q := r.URL.Query()
	v.Filter = sought{strings.TrimSpace(q.Get("q")), q.Get("group"), q.Get("state")}
	v.Edit = p.mayEdit(r)
	own := web.Lang(r.Context())
	v.Left = lang(q.Get("left"), own)
	other := i18n.De
	if v.Left == i18n.De {
		other = i18n.Cs
	}
	v.Right = lang(q.Get("right"), other)
	for _, g := range v.Book.Groups(web.Now(r.Context())) {
		if v.Filter.Group != "" && v.Filter.Group != g.Name {
			continue
		}
		g.Phrases = slices.DeleteFunc(g.Phrases, func(x *Phrase) bool { return !v.Filter.lets(x) })
		if len(g.Phrases) > 0 {
			v.Groups = append(v.Groups, g)
		}
	}
	return v, nil
}

// lets reports whether a phrase passes the filter; words are looked for in all
// languages.
func (f sought) lets(p *Phrase) bool {
	if f.State == "checked" && len(p.Checked) < len(i18n.Langs) || f.State == "draft" && len(p.Checked) == len(i18n.Langs) {
		return false
	}
	text := p.ID
	for _, l := range i18n.Langs {
		text += "\n" + p.Texts[l].String()
	}
	return strings.Contains(strings.ToLower(text), strings.ToLower(f.Words))
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	v, err := p.shelf(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, listPage(v))
}

func (p *Pages) print(w http.ResponseWriter, r *http.Request) error {
	v, err := p.shelf(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, printPage(v))
}

// file is the book as CSV, as Import reads it.
func (p *Pages) file(w http.ResponseWriter, r *http.Request) error {
	v, err := p.shelf(r)
	if err != nil {
		return err
	}
	var phrases []*Phrase
	for _, g := range v.Groups {
		phrases = append(phrases, g.Phrases...)
	}
	names, err := p.names(r.Context(), phrases)
	if err != nil {
		return err
	}
	raw, err := CSV(phrases, func(id string) string { return names[id] })
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="phrasebook.csv"`)
	_, err = w.Write(raw)
	return err
}

// names are what the people are called who wrote or checked phrases.
func (p *Pages) names(ctx context.Context, phrases []*Phrase) (map[string]string, error) {
	names := map[string]string{}
	err := p.o.DB.Read(ctx, func(tx *store.Tx) error {
		for _, x := range phrases {
			ids := []string{x.By}
			for _, m := range x.marks {
				ids = append(ids, m.By)
			}
			for _, id := range ids {
				if _, known := names[id]; id != "" && !known && p.o.Name != nil {
					names[id] = p.o.Name(tx, id)
				}
			}
		}
		return nil
	})
	return names, err
}

// leaf is one phrase with its history.
type leaf struct {
	*Phrase            // in use now, or last
	Versions []*Phrase // the newest first
	Book     *Book
	Names    map[string]string
	Edit     bool
	InUse    bool
}

func (p *Pages) leaf(r *http.Request) (v leaf, err error) {
	if v.Book, err = p.Now(r.Context()); err != nil {
		return v, err
	}
	id := r.PathValue("id")
	if v.Versions = v.Book.History(id); len(v.Versions) == 0 {
		return v, none("phrase.leaf")
	}
	v.Phrase = v.Book.Find(id, web.Now(r.Context()))
	if v.InUse = v.Phrase != nil; !v.InUse {
		v.Phrase = v.Versions[0]
	}
	v.Edit = p.mayEdit(r)
	v.Names, err = p.names(r.Context(), v.Versions)
	return v, err
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	v, err := p.leaf(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, leafPage(v))
}

// draft is the form of a phrase.
type draft struct {
	ID     string // "" for a new one
	Base   int    // how many versions of it there were
	F      map[string]string
	Theirs *Phrase // what somebody else wrote in the meantime
	Errors ui.Errors
}

// named is a fault as it stands above the form, where the fields are out of sight.
func named(ctx context.Context, f Fault) string {
	text := web.T(ctx, f.Key, f.Args)
	if l := i18n.Lang(f.Field); slices.Contains(i18n.Langs, l) {
		return languageName(ctx, l) + ": " + text
	}
	return text
}

func (p *Pages) newForm(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, http.StatusOK, editPage(draft{F: map[string]string{"group": "own"}}))
}

func (p *Pages) editForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.leaf(r)
	if err != nil {
		return err
	}
	d := draft{ID: v.ID, Base: len(v.Versions), F: map[string]string{"id": v.ID, "group": v.Group, "slots": slotList(v.Slots)}}
	for _, l := range i18n.Langs {
		d.F[string(l)] = v.Texts[l].String()
	}
	return web.Render(w, r, http.StatusOK, editPage(d))
}

// put takes a new phrase, or new words for one.
func (p *Pages) put(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	ctx := r.Context()
	d := draft{ID: r.PathValue("id"), F: map[string]string{}}
	d.Base, _ = strconv.Atoi(r.PostFormValue("base"))
	for _, name := range []string{"id", "group", "slots", "cs", "de", "pl", "en", "from"} {
		d.F[name] = strings.TrimSpace(r.PostFormValue(name))
	}
	if d.ID != "" {
		d.F["id"] = d.ID
	}
	n := &Phrase{ID: d.F["id"], Group: d.F["group"], Slots: parseSlots(d.F["slots"]), Texts: map[i18n.Lang]Text{}}
	for _, l := range i18n.Langs {
		n.Texts[l] = ParseText(d.F[string(l)])
	}
	from, ok := p.from(d.F["from"])
	if !ok {
		d.Errors.Add("from", t(ctx, "phrase.fault.from"))
	} else if err := p.Revise(ctx, web.Who(ctx).ID, n, from, d.Base); err == nil {
		return see(w, r, address(n.ID, ""))
	} else if refused, is := errors.AsType[*Refused](err); is {
		for _, f := range refused.Faults {
			d.Errors.Add(f.Field, named(ctx, f))
		}
		if d.ID != "" {
			v, err := p.leaf(r)
			if err != nil {
				return err
			}
			if d.Base != len(v.Versions) { // who looks at what stands now may save over it
				d.Base, d.Theirs = len(v.Versions), v.Phrase
			}
		}
	} else {
		return err
	}
	return web.Render(w, r, http.StatusUnprocessableEntity, editPage(d))
}

// from reads the moment from which a phrase holds; "" is now.
func (p *Pages) from(s string) (time.Time, bool) {
	if s == "" {
		return time.Time{}, true
	}
	zone, err := time.LoadLocation(i18n.DefaultZone)
	if err != nil {
		return time.Time{}, false // i18n links the zone data
	}
	at, err := time.ParseInLocation("2006-01-02T15:04", s, zone)
	return at.UTC(), err == nil && at.After(p.o.Clock.Now())
}

func (p *Pages) check(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	id := r.PathValue("id")
	err := p.Check(r.Context(), web.Who(r.Context()).ID, id, r.PostFormValue("version"), i18n.Lang(r.PostFormValue("lang")), r.PostFormValue("right") == "yes")
	if err != nil {
		return err
	}
	return see(w, r, address(id, "#texts"))
}

func (p *Pages) retireForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.leaf(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, retirePage(v))
}

func (p *Pages) retire(w http.ResponseWriter, r *http.Request) error {
	if err := p.Retire(r.Context(), web.Who(r.Context()).ID, r.PathValue("id")); err != nil {
		return err
	}
	return see(w, r, root)
}

// intake is the page on which a file is taken in.
type intake struct {
	Done    bool
	Changed int
	Faults  []Fault
	Errors  ui.Errors
}

// shownFaults bounds the faults of a file on the page.
const shownFaults = 50

func (p *Pages) importForm(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, http.StatusOK, importPage(intake{}))
}

func (p *Pages) importFile(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	r.Body = http.MaxBytesReader(w, r.Body, maxFile+maxForm)
	var v intake
	raw, err := uploaded(r)
	if err != nil || len(raw) == 0 || len(raw) > maxFile {
		v.Errors.Add("file", t(ctx, "phrase.fault.file"))
		return web.Render(w, r, http.StatusUnprocessableEntity, importPage(v))
	}
	v.Changed, err = p.Import(ctx, web.Who(ctx).ID, raw)
	if refused, is := errors.AsType[*Refused](err); is {
		v.Faults = refused.Faults
		return web.Render(w, r, http.StatusUnprocessableEntity, importPage(v))
	}
	if err != nil {
		return err
	}
	v.Done = true
	return web.Render(w, r, http.StatusOK, importPage(v))
}

func uploaded(r *http.Request) ([]byte, error) {
	f, _, err := r.FormFile("file")
	if err != nil {
		return nil, &problem.Error{Op: "phrase.import", Kind: problem.Invalid, Key: "phrase.fault.file", Err: err}
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}
