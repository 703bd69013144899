package agreement

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/sign"
	"trojmezi/internal/kernel/web/ui"
)

// Addresses.
const (
	Path      = "/agreements"
	areaPath  = Path + "/area"
	pointPath = Path + "/point"
	rowsPath  = Path + "/rows"
	formsPath = Path + "/forms"
)

// maxForm bounds a posted form, in bytes.
const maxForm = 64 << 10

// Pages are the screens of a book.
type Pages struct {
	*Book
	// Operator is the resource of who operates the node and so keeps its rows, which hold
	// for all; nil: each organisation is its own operator.
	Operator web.Operator
	// Country is that of an organisation, for which it is taken to work until it has written
	// down its units; nil: not known.
	Country func(ctx context.Context, organisation string) (string, error)

	texts *i18n.Bundle
	files register.Blobs // nil: forms cannot be attached
}

// NewPages returns them.
func NewPages(b *Book, texts *i18n.Bundle, files register.Blobs) *Pages {
	return &Pages{Book: b, texts: texts, files: files}
}

// Register adds the pages.
func (p *Pages) Register(rt *web.Router) {
	const row, form = rowsPath + "/{id}", formsPath + "/{form}"
	read, edit, verify := web.May(mayRead), web.MayOn(mayEdit, p.Operator.On), web.MayOn(mayVerify, p.Operator.On)
	for _, r := range []struct {
		pattern string
		guard   web.Guard
		handler web.Handler
	}{
		{"GET " + Path, read, p.page},
		{"GET " + Path + ".csv", read, p.file},
		{"GET " + Path + "/print", read, p.print},
		{"GET " + pointPath, read, p.point},
		{"GET " + areaPath, web.May(mayArea), p.areaForm},
		{"POST " + areaPath, web.May(mayArea), p.area},
		{"GET " + Path + "/new", edit, p.newForm},
		{"POST " + rowsPath, edit, p.create},
		{"GET " + Path + "/import", edit, p.importForm},
		{"POST " + Path + "/import", edit, p.importFile},
		{"GET " + row, read, p.show},
		{"GET " + row + "/edit", edit, p.editForm},
		{"POST " + row, edit, p.edit},
		{"GET " + row + "/verify", verify, p.verifyForm},
		{"POST " + row + "/verify", verify, p.verify},
		{"GET " + row + "/remove", edit, p.removeForm},
		{"POST " + row + "/remove", edit, p.remove},
		{"GET " + formsPath, read, p.formList},
		{"GET " + form, read, p.blank},
		{"POST " + form, read, p.blankFile},
		{"GET " + form + "/original", read, p.original},
		{"POST " + form + "/original", edit, p.attachFile},
		{"POST " + form + "/original/remove", edit, p.detachFile},
	} {
		rt.Page(r.pattern, r.guard, r.handler)
	}
}

func t(ctx context.Context, key string) string { return web.T(ctx, key, nil) }

// may reports whether the reader may do something in his own organisation.
func may(ctx context.Context, action string) bool {
	p := web.Who(ctx)
	return p != nil && web.Can(ctx, action, web.Organisation(p.Organisation))
}

// keeps reports whether the reader may do something to what holds for the whole node.
func (p *Pages) keeps(ctx context.Context, action string) bool {
	return p.Operator.Can(ctx, action)
}

func who(r *http.Request) *web.Person { return web.Who(r.Context()) }

func see(w http.ResponseWriter, r *http.Request, address string) error {
	http.Redirect(w, r, address, http.StatusSeeOther)
	return nil
}

func rowURL(id string) string { return rowsPath + "/" + url.PathEscape(id) }

// posted reads a form with bounds.
func posted(w http.ResponseWriter, r *http.Request, most int64) error {
	r.Body = http.MaxBytesReader(w, r.Body, most)
	if err := r.ParseForm(); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return err
		}
		return &problem.Error{Op: "agreement.form", Kind: problem.Invalid, Err: err}
	}
	return nil
}

// asking is the question as it was typed, with what came of it.
type asking struct {
	At, Service, Direction, From, Day string
	Errors                            ui.Errors
	Choices                           []choice // places by that name
	Point                             geo.Point
	Asked                             bool
	Answer                            Answer
	Panel                             *Panel // in place of Answer when no service was named
}

// choice is a place with the question about it.
type choice struct{ Text, Detail, URL string }

// list is the table with its filter.
type list struct {
	Rows                   []Row
	Names                  map[string]string
	Party, Service, Status string
	Originals              map[string]Original
	Total                  int
}

// clear is where the filter is lifted, "" while there is none.
func (l list) clear() string {
	if l.Party+l.Service+l.Status == "" {
		return ""
	}
	return Path
}

func (p *Pages) page(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	a, err := p.asked(ctx, r.URL.Query())
	if err != nil {
		return err
	}
	l, err := p.list(ctx, r.URL.Query())
	if err != nil {
		return err
	}
	status := http.StatusOK
	if len(a.Errors) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return web.Render(w, r, status, p.mainPage(a, l))
}

// asked reads the question of an address and answers it.
func (p *Pages) asked(ctx context.Context, q url.Values) (a asking, err error) {
	a = asking{At: strings.TrimSpace(q.Get("at")), Service: q.Get("service"), Direction: q.Get("direction"), From: strings.TrimSpace(q.Get("from")), Day: q.Get("day")}
	if a.From == "" {
		own, err := p.Area(ctx, web.Who(ctx).Organisation)
		if err != nil {
			return a, err
		}
		if len(own) == 0 {
			if own, err = p.home(ctx); err != nil {
				return a, err
			}
		}
		a.From = strings.Join(own, " ")
	}
	if a.Day == "" {
		a.Day = p.today()
	}
	if !q.Has("at") {
		return a, nil
	}
	from := units(a.From)
	for _, f := range p.areaFaults(from) {
		a.Errors.Add("from", web.T(ctx, f.Key, f.Args))
	}
	if q.Has("service") && !slices.Contains(Services, Service(a.Service)) {
		a.Errors.Add("service", web.T(ctx, "agreement.fault.service", i18n.Args{"value": a.Service}))
	}
	if _, err := time.Parse(time.DateOnly, a.Day); err != nil {
		a.Errors.Add("day", web.T(ctx, "agreement.fault.day", i18n.Args{"value": a.Day}))
	}
	if a.Direction != string(Ask) && a.Direction != string(Go) {
		a.Direction = ""
	}
	p.where(ctx, &a, q)
	if len(a.Errors) > 0 || len(a.Choices) > 0 {
		return a, nil
	}
	a.Asked = true
	if !q.Has("service") {
		a.Panel, err = p.here(ctx, a.Point)
		return a, err
	}
	a.Answer, err = p.Answer(ctx, Question{At: a.Point, From: from, Service: Service(a.Service), Direction: Direction(a.Direction), Day: a.Day})
	return a, err
}

// units splits a list of units as people type it.
func units(s string) []string {
	return strings.FieldsFunc(s, func(c rune) bool { return c == ' ' || c == ',' || c == ';' })
}

// choicesAtMost is how many places are offered for a name.
const choicesAtMost = 8

// where finds the point: coordinates in any notation, or a place by its name.
func (p *Pages) where(ctx context.Context, a *asking, q url.Values) {
	if all, err := geo.Parse(a.At); err == nil {
		points := slices.DeleteFunc(all, func(c geo.Candidate) bool { return !c.IsPoint() })
		if len(points) == 1 {
			a.Point = points[0].Point
			return
		}
		for _, c := range points {
			a.choose(q, geo.Write(web.Lang(ctx), c.Point, geo.Decimal), web.T(ctx, c.Notation.Key(), nil), c.Point)
		}
		if len(points) > 0 {
			return
		}
	}
	found := p.places.Search(a.At, choicesAtMost)
	if len(found) == 1 || len(found) > 1 && strings.EqualFold(found[0].Matched, a.At) && !strings.EqualFold(found[1].Matched, a.At) {
		a.Point = found[0].Point
		return
	}
	for _, f := range found {
		name, local := f.In(web.Lang(ctx))
		a.choose(q, name, strings.Join(slices.DeleteFunc([]string{local, f.District, string(f.Country)}, func(s string) bool { return s == "" }), ", "), f.Point)
	}
	if len(found) == 0 {
		a.Errors.Add("at", t(ctx, "agreement.fault.at"))
	}
}

func (a *asking) choose(q url.Values, text, detail string, at geo.Point) {
	next := url.Values{}
	for k, v := range q {
		next[k] = v
	}
	next.Set("at", geo.Format(at, geo.Decimal))
	a.Choices = append(a.Choices, choice{text, detail, Path + "?" + next.Encode() + "#answer"})
}

// list reads the filter of an address.
func (p *Pages) list(ctx context.Context, q url.Values) (l list, err error) {
	rows, err := p.Rows(ctx)
	if err != nil {
		return l, err
	}
	l = list{Party: q.Get("party"), Service: q.Get("for"), Status: q.Get("status"), Total: len(rows)}
	for _, r := range rows {
		if l.Party != "" && !slices.ContainsFunc(r.Parties, func(u string) bool { return u == l.Party || strings.HasPrefix(u, l.Party+"-") }) ||
			l.Service != "" && !r.Service.covers(Service(l.Service)) || l.Status != "" && l.Status != r.Standing() {
			continue
		}
		l.Rows = append(l.Rows, r)
	}
	if l.Originals, err = p.Originals(ctx); err != nil {
		return l, err
	}
	l.Names, err = p.Names(ctx, rows)
	return l, err
}

func (p *Pages) file(w http.ResponseWriter, r *http.Request) error {
	l, err := p.list(r.Context(), r.URL.Query())
	if err != nil {
		return err
	}
	var body bytes.Buffer
	if err := WriteCSV(&body, l.Rows, func(id string) string { return l.Names[id] }); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="agreements.csv"`)
	_, err = w.Write(body.Bytes())
	return err
}

func (p *Pages) print(w http.ResponseWriter, r *http.Request) error {
	l, err := p.list(r.Context(), r.URL.Query())
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.printPage(l))
}

func (p *Pages) areaForm(w http.ResponseWriter, r *http.Request) error {
	own, err := p.Area(r.Context(), who(r).Organisation)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.areaPage(strings.Join(own, " "), nil))
}

func (p *Pages) area(w http.ResponseWriter, r *http.Request) error {
	if err := posted(w, r, maxForm); err != nil {
		return err
	}
	text := r.PostFormValue("from")
	faults, err := p.SetArea(r.Context(), who(r).ID, who(r).Organisation, units(text))
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return web.Render(w, r, http.StatusUnprocessableEntity, p.areaPage(text, errorsOf(r.Context(), faults)))
	}
	return see(w, r, Path)
}

func errorsOf(ctx context.Context, faults []Fault) (all ui.Errors) {
	for _, f := range faults {
		all.Add(f.Field, web.T(ctx, f.Key, f.Args))
	}
	return all
}

// entry is a row in a form.
type entry struct {
	Row     Row
	Version int     // 0 for a new row
	Theirs  []Field // what differs from what somebody else wrote in the meantime
	Errors  ui.Errors
}

func (p *Pages) newForm(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, http.StatusOK, p.rowPage(entry{Row: Row{Status: FromMemory, Area: string(areaUnknown)}}))
}

func (p *Pages) create(w http.ResponseWriter, r *http.Request) error { return p.save(w, r, "") }

func (p *Pages) edit(w http.ResponseWriter, r *http.Request) error {
	return p.save(w, r, r.PathValue("id"))
}

func (p *Pages) save(w http.ResponseWriter, r *http.Request, id string) error {
	if err := posted(w, r, maxForm); err != nil {
		return err
	}
	ctx := r.Context()
	e := entry{Row: rowOf(r.PostFormValue)}
	if id != "" {
		e.Row.ID = id
		e.Version, _ = strconv.Atoi(r.PostFormValue("version"))
		if e.Version <= 0 {
			return &problem.Error{Op: "agreement.save", Kind: problem.Invalid}
		}
	}
	faults, err := p.Save(ctx, who(r).ID, e.Row, e.Version)
	status := http.StatusUnprocessableEntity
	if x, ok := errors.AsType[*problem.Error](err); ok && x.Kind == problem.Conflict {
		e.Errors.Add("", web.T(ctx, x.Key, x.Args))
		status, err = http.StatusConflict, nil
		if id != "" { // who looks at what stands now may save over it
			var all []Version
			if all, err = p.History(ctx, id); err == nil {
				e.Version, e.Theirs = all[0].Number, differences(all[0].Row, e.Row)
			}
		}
	}
	if err != nil {
		return err
	}
	e.Errors = append(e.Errors, errorsOf(ctx, faults)...)
	if len(e.Errors) > 0 {
		return web.Render(w, r, status, p.rowPage(e))
	}
	return see(w, r, rowURL(e.Row.ID))
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	all, err := p.History(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	files, err := p.Originals(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.showPage(all, files))
}

// current is the version of the row of a request.
func (p *Pages) current(r *http.Request) (Version, error) {
	all, err := p.History(r.Context(), r.PathValue("id"))
	if err != nil {
		return Version{}, err
	}
	if all[0].Step == actRemove {
		return Version{}, errNotFound
	}
	return all[0], nil
}

func (p *Pages) editForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.current(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.rowPage(entry{Row: v.Row, Version: v.Number}))
}

func (p *Pages) verifyForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.current(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.verifyPage(v, nil))
}

func (p *Pages) verify(w http.ResponseWriter, r *http.Request) error {
	if err := posted(w, r, maxForm); err != nil {
		return err
	}
	ctx := r.Context()
	version, _ := strconv.Atoi(r.PostFormValue("version"))
	err := p.Verify(ctx, who(r).ID, r.PathValue("id"), version, r.PostFormValue("source"))
	if x, ok := errors.AsType[*problem.Error](err); ok && x.Key != "" && (x.Kind == problem.Invalid || x.Kind == problem.Conflict) {
		v, err := p.current(r)
		if err != nil {
			return err
		}
		var wrong ui.Errors
		wrong.Add("source", web.T(ctx, x.Key, x.Args))
		return web.Render(w, r, http.StatusUnprocessableEntity, p.verifyPage(v, wrong))
	}
	if err != nil {
		return err
	}
	return see(w, r, rowURL(r.PathValue("id")))
}

func (p *Pages) removeForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.current(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.removePage(v))
}

func (p *Pages) remove(w http.ResponseWriter, r *http.Request) error {
	if err := posted(w, r, maxForm); err != nil {
		return err
	}
	version, _ := strconv.Atoi(r.PostFormValue("version"))
	if err := p.Remove(r.Context(), who(r).ID, r.PathValue("id"), version); err != nil {
		return err
	}
	return see(w, r, Path)
}

// importing is a file of rows and what it would do.
type importing struct {
	Text    string
	Changes []Change
	Wrong   bool
	Done    bool
	Errors  ui.Errors
}

func (p *Pages) importForm(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, http.StatusOK, p.importPage(importing{}))
}

// importFile shows what a file would do; with do=import it does it.
func (p *Pages) importFile(w http.ResponseWriter, r *http.Request) error {
	if err := posted(w, r, 2*maxFile); err != nil {
		return err
	}
	ctx := r.Context()
	v := importing{Text: r.PostFormValue("rows")}
	dry := r.PostFormValue("do") != "import"
	rows, err := ReadCSV(strings.NewReader(v.Text))
	if err == nil {
		v.Changes, err = p.Import(ctx, who(r).ID, rows, dry)
	}
	if x, ok := errors.AsType[*problem.Error](err); ok && x.Kind == problem.Invalid && x.Key != "" {
		v.Errors.Add("rows", web.T(ctx, x.Key, x.Args))
		return web.Render(w, r, http.StatusUnprocessableEntity, p.importPage(v))
	}
	if err != nil {
		return err
	}
	v.Wrong = slices.ContainsFunc(v.Changes, func(c Change) bool { return c.Kind == "wrong" })
	v.Done = !dry && !v.Wrong
	return web.Render(w, r, http.StatusOK, p.importPage(v))
}

// said is a text of a row as a reader sees it; known is false for somebody's own
// words, which are in the language he wrote.
func said(ctx context.Context, value string) (text string, known bool) {
	key, args, ok := named(value)
	if !ok {
		return value, value == ""
	}
	return web.T(ctx, key, args), true
}

// unitName is what a unit is called.
func (x *Index) unitName(ctx context.Context, id string) string {
	if u, ok := x.Unit(id); ok {
		return u.In(web.Lang(ctx))
	}
	return id
}

func (x *Index) unitNames(ctx context.Context, ids []string) string {
	var all []string
	for _, id := range ids {
		all = append(all, x.unitName(ctx, id))
	}
	return strings.Join(all, ", ")
}

// areaText writes an area rule in words.
func (x *Index) areaText(ctx context.Context, area string) string {
	parts, _ := parseArea(area)
	var all []string
	for _, p := range parts {
		var names []string
		for _, id := range p.ids {
			name := x.unitName(ctx, id)
			if place, ok := x.places.Place(id); ok {
				name, _ = place.In(web.Lang(ctx))
			}
			names = append(names, name)
		}
		all = append(all, web.T(ctx, "agreement.area."+string(p.kind), i18n.Args{"n": p.number, "list": strings.Join(names, ", ")}))
	}
	return strings.Join(all, "; ")
}

func valid(ctx context.Context, r Row) string {
	day := func(s string) string {
		d, err := time.Parse(time.DateOnly, s)
		if err != nil {
			return ""
		}
		return web.Date(ctx, d)
	}
	switch {
	case r.ValidFrom != "" && r.ValidTo != "":
		return web.T(ctx, "agreement.valid.both", i18n.Args{"from": day(r.ValidFrom), "to": day(r.ValidTo)})
	case r.ValidFrom != "":
		return web.T(ctx, "agreement.valid.from", i18n.Args{"from": day(r.ValidFrom)})
	case r.ValidTo != "":
		return web.T(ctx, "agreement.valid.to", i18n.Args{"to": day(r.ValidTo)})
	}
	return t(ctx, "agreement.valid.unknown")
}

func level(v Value) sign.Level {
	switch v {
	case Yes:
		return sign.OK
	case Probably:
		return sign.L1
	case Unclear:
		return sign.L2
	}
	return sign.None
}

func standingLevel(r Row) sign.Level {
	switch {
	case r.Verified():
		return sign.OK
	case r.Empty():
		return sign.L2
	}
	return sign.None
}

// byText names the rows of an answer: "AG04 (art. 3), AG06".
func byText(list []Finding) string {
	var all []string
	for _, f := range once(list) {
		s := f.Row.ID
		if f.Row.Paragraph != "" {
			s += " (" + f.Row.Paragraph + ")"
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}

// cited writes a reference to an article the way the reader's language does: "čl. 3".
func cited(ctx context.Context, s string) string {
	return strings.ReplaceAll(s, "art. ", t(ctx, "agreement.article")+"\u00a0")
}

// ids names the rows alone.
func ids(list []Finding) string {
	var all []string
	for _, f := range list {
		all = append(all, f.Row.ID)
	}
	return strings.Join(all, ", ")
}

// once has every row once, whichever way forces go.
func once(list []Finding) (all []Finding) {
	for _, f := range list {
		if !slices.ContainsFunc(all, func(o Finding) bool { return o.Row.ID == f.Row.ID }) {
			all = append(all, f)
		}
	}
	return all
}

// shownOf are the rows that a short answer names: those that cover it, else those in
// doubt.
func shownOf(a Answer) []Finding {
	if len(a.By) > 0 && a.Value != Unclear {
		return once(a.By)
	}
	return once(append(slices.Clone(a.Doubt), a.By...))
}

// formsOf are the forms of the rows of an answer, each once.
func (x *Index) formsOf(a Answer) (all []FormList) {
	for _, f := range slices.Concat(shownOf(a), a.Route) {
		for _, id := range f.Row.Forms {
			if form, ok := x.Form(id); ok && !slices.ContainsFunc(all, func(o FormList) bool { return o.ID == id }) {
				all = append(all, form)
			}
		}
	}
	return all
}

// address is where a form of a panel leads.
func (p *Panel) address(form string) string { return cmp.Or(p.Forms, formsPath) + "/" + form }

// Part draws a panel; nil draws nothing.
func (s *Book) Part(p *Panel) templ.Component {
	if p == nil {
		return templ.NopComponent
	}
	return s.panelPart(p)
}

// point writes coordinates as every notation of the platform takes them.
func point(p geo.Point) string { return geo.Format(p, geo.Decimal) }
