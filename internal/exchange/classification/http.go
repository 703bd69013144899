package classification

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// root is the address of the list.
const root = "/classification"

// maxForm bounds a form; a file in one grows by its encoding.
const maxForm = 4 * maxFile

// Pages are the screens of a service.
type Pages struct {
	*Service
	// Operator is the resource of who operates the node and so keeps its rows; nil: each
	// organisation is its own operator.
	Operator web.Operator
}

// NewPages returns them.
func NewPages(s *Service) *Pages { return &Pages{Service: s} }

// Register adds the pages.
func (p *Pages) Register(rt *web.Router) {
	const one, nb = root + "/rows/{key}", root + "/neighbours"
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
		{"POST " + root + "/import", edit, p.upload},
		{"GET " + one, read, p.show},
		{"GET " + one + "/edit", edit, p.editForm},
		{"POST " + root + "/rows", edit, p.save},
		{"POST " + one + "/check", web.MayOn(mayCheck, p.Operator.On), p.check},
		{"POST " + one + "/restore", edit, p.restore},
		{"GET " + nb, read, p.neighbours},
		{"GET " + nb + "/{oid}", read, p.neighbour},
		{"POST " + nb + "/{oid}/ask", web.May(mayAsk), p.ask},
	} {
		rt.Page(r.pattern, r.guard, r.handler)
	}
}

// mayEdit reports whether the reader may change rows.
func (p *Pages) mayEdit(ctx context.Context) bool {
	return p.Operator.Can(ctx, mayEdit)
}

// mayCheck reports whether the reader may say of a label that it is right: everybody on
// the node then reads it so.
func (p *Pages) mayCheck(ctx context.Context) bool {
	return p.Operator.Can(ctx, mayCheck)
}

func may(ctx context.Context, action string) bool {
	return web.Can(ctx, action, web.Organisation(web.Who(ctx).Organisation))
}

func t(ctx context.Context, key string) string { return web.T(ctx, key, nil) }

func see(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// address is that of a row.
func address(key, since, more string) string {
	to := root + "/rows/" + url.PathEscape(key) + more
	if since != "" {
		to += "?" + url.Values{"since": {since}}.Encode()
	}
	return to
}

// sought is how a list is narrowed and ordered.
type sought struct{ Words, System, Status, Sort string }

func soughtOf(r *http.Request) sought {
	q := r.URL.Query()
	return sought{strings.TrimSpace(q.Get("q")), q.Get("system"), q.Get("status"), q.Get("sort")}
}

func (q sought) url(path, sort string) string {
	v := url.Values{}
	for name, value := range map[string]string{"q": q.Words, "system": q.System, "status": q.Status, "sort": sort} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if len(v) == 0 {
		return path
	}
	return path + "?" + v.Encode()
}

// orders of the list.
const (
	byKey     = ""
	byLabel   = "label"
	byChanged = "changed"
)

// clear is where the filter is lifted, "" while there is none.
func (q sought) clear() string {
	if q.Words+q.System+q.Status == "" {
		return ""
	}
	return root
}

// rows are those that are sought, in order.
func (q sought) rows(ctx context.Context, t *Table) []*Row {
	lang := web.Lang(ctx)
	all := slices.DeleteFunc(slices.Clone(t.Rows()), func(r *Row) bool {
		drafts := slices.ContainsFunc(i18n.Langs, func(l i18n.Lang) bool { return r.Label[l].Draft() })
		return q.Status == "draft" && !drafts || q.Status == "checked" && drafts || q.System != "" && len(r.Code[System(q.System)]) == 0 || !r.Matches(q.Words)
	})
	words := collate.New(language.Make(string(lang)))
	slices.SortStableFunc(all, func(a, b *Row) int {
		switch q.Sort {
		case byLabel:
			return words.CompareString(a.Label[lang].Text, b.Label[lang].Text)
		case byChanged:
			return b.At.Compare(a.At)
		}
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Since, b.Since))
	})
	return all
}

// Matches reports whether a row has all the words, in whichever of its fields.
func (r *Row) Matches(words string) bool {
	text := strings.ToLower(strings.Join(r.cells(), "\x00"))
	return !slices.ContainsFunc(strings.Fields(strings.ToLower(words)), func(w string) bool { return !strings.Contains(text, w) })
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	q := soughtOf(r)
	return web.Render(w, r, http.StatusOK, p.listPage(q, q.rows(r.Context(), p.Table())))
}

func (p *Pages) print(w http.ResponseWriter, r *http.Request) error {
	q := soughtOf(r)
	return web.Render(w, r, http.StatusOK, p.printPage(q.rows(r.Context(), p.Table())))
}

// file is the whole table: what is downloaded can be imported again.
func (p *Pages) file(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="classification.csv"`)
	return p.Table().Write(w)
}

// form is a row as it is typed, the version it was made from, and what is wrong in it.
type form struct {
	Values map[string]string // by column
	Base   int64
	Theirs *Row // what somebody else wrote in the meantime
	Errors ui.Errors
}

func formOf(r *Row, base int64) form {
	f := form{Values: map[string]string{}, Base: base}
	for i, c := range r.cells() {
		f.Values[columns[i]] = c
	}
	return f
}

func (f form) row() Row {
	return readRow(func(c string) string { return strings.TrimSpace(f.Values[c]) })
}

func (f *form) wrong(ctx context.Context, faults []Fault) {
	for _, x := range faults {
		f.Errors.Add(x.Field, web.T(ctx, x.Key, x.Args))
	}
}

func (p *Pages) row(r *http.Request) (*Row, error) {
	row := p.Table().get(r.PathValue("key"), r.FormValue("since"))
	if row == nil {
		return nil, errNotFound
	}
	return row, nil
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	row, err := p.row(r)
	if err != nil {
		return err
	}
	return p.render(w, r, http.StatusOK, row, "")
}

// render shows a row; fault says why what was asked for it did not happen.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, status int, row *Row, fault string) error {
	all, names, err := p.History(r.Context(), row.Key, row.Since)
	if err != nil {
		return err
	}
	return web.Render(w, r, status, p.rowPage(row, all, names, fault))
}

// newForm is the form of a new row: empty, or of a row that is to say something else
// from a day on.
func (p *Pages) newForm(w http.ResponseWriter, r *http.Request) error {
	f := form{Values: map[string]string{}, Base: NoVersion}
	if from := p.Table().get(r.URL.Query().Get("from"), r.URL.Query().Get("since")); from != nil {
		f = formOf(from, NoVersion)
		f.Values["since"] = from.Until
		f.Values["until"] = ""
	}
	return web.Render(w, r, http.StatusOK, p.editPage(f))
}

func (p *Pages) editForm(w http.ResponseWriter, r *http.Request) error {
	row, err := p.row(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.editPage(formOf(row, row.Version)))
}

func (p *Pages) save(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	ctx := r.Context()
	f := form{Values: map[string]string{}}
	for _, c := range columns {
		f.Values[c] = r.PostFormValue(c)
	}
	f.Values["verified"] = strings.Join(r.PostForm["verified"], " ")
	base, err := strconv.ParseInt(r.PostFormValue("base"), 10, 64)
	if err != nil {
		return &problem.Error{Op: "classification.save", Kind: problem.Invalid, Err: err}
	}
	f.Base = base
	row := f.row()
	faults, err := p.Save(ctx, web.Who(ctx).ID, row, base)
	if conflict, ok := errors.AsType[*Conflict](err); ok {
		// Sent once more it replaces what stands there: he has both before him.
		f.Theirs, f.Base = &conflict.Row, conflict.Row.Version
		f.Errors.Add("", web.T(ctx, "classification.conflict", nil))
		return web.Render(w, r, http.StatusConflict, p.editPage(f))
	}
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		f.wrong(ctx, faults)
		return web.Render(w, r, http.StatusUnprocessableEntity, p.editPage(f))
	}
	return see(w, r, address(row.Key, row.Since, ""))
}

// done ends what was asked for a row: with the row, or with why it was not possible.
func (p *Pages) done(w http.ResponseWriter, r *http.Request, err error) error {
	key := ""
	if _, ok := errors.AsType[*Conflict](err); ok {
		key = "classification.conflict.row"
	} else if bad, ok := errors.AsType[*problem.Error](err); ok && bad.Kind == problem.Invalid {
		key = "classification.restore.overlap"
	} else if err != nil {
		return err
	}
	row, gone := p.row(r)
	if gone != nil {
		return gone
	}
	if key != "" {
		return p.render(w, r, http.StatusConflict, row, web.T(r.Context(), key, nil))
	}
	return see(w, r, address(row.Key, row.Since, ""))
}

func (p *Pages) check(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	return p.done(w, r, p.Check(r.Context(), web.Who(r.Context()).ID, r.PathValue("key"), r.PostFormValue("since"), i18n.Lang(r.PostFormValue("lang")), r.PostFormValue("words")))
}

func (p *Pages) restore(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	version, errVersion := strconv.ParseInt(r.PostFormValue("version"), 10, 64)
	base, errBase := strconv.ParseInt(r.PostFormValue("base"), 10, 64)
	if err := errors.Join(errVersion, errBase); err != nil {
		return &problem.Error{Op: "classification.restore", Kind: problem.Invalid, Err: err}
	}
	return p.done(w, r, p.Restore(r.Context(), web.Who(r.Context()).ID, r.PathValue("key"), r.PostFormValue("since"), version, base))
}

// bringing is an import on its way: the file, what it would change and what is wrong.
type bringing struct {
	File   string
	Plan   *Plan
	Faults []Fault
	Note   string
}

func (p *Pages) importForm(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, http.StatusOK, p.importPage(bringing{}))
}

// upload shows what a file would change; sent again with the stamp of that it does.
func (p *Pages) upload(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	ctx := r.Context()
	if err := r.ParseMultipartForm(maxForm); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return &problem.Error{Op: "classification.upload", Kind: problem.Invalid, Err: err}
	}
	b := bringing{File: r.PostFormValue("text")}
	if f, _, err := r.FormFile("file"); err == nil {
		defer f.Close()
		all, err := io.ReadAll(io.LimitReader(f, maxFile+1))
		if err != nil {
			return problem.Wrap("classification.upload", err)
		}
		b.File = string(all)
	}
	if stamp := r.PostFormValue("stamp"); stamp != "" {
		_, faults, err := p.Import(ctx, web.Who(ctx).ID, []byte(b.File), stamp)
		switch {
		case errors.Is(err, ErrStale):
			b.Note = web.T(ctx, "classification.import.stale", nil)
		case err != nil:
			return err
		case len(faults) == 0:
			return see(w, r, root+"?sort="+byChanged)
		}
	}
	plan, faults := p.Table().Plan([]byte(b.File))
	status := http.StatusOK
	if b.Faults = faults; len(faults) > 0 {
		status = http.StatusUnprocessableEntity
	} else if b.Plan = &plan; b.Note != "" {
		status = http.StatusConflict
	}
	return web.Render(w, r, status, p.importPage(b))
}

func (p *Pages) neighbours(w http.ResponseWriter, r *http.Request) error {
	all, err := p.Neighbours(r.Context(), web.Who(r.Context()).Organisation)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.neighboursPage(all))
}

func (p *Pages) neighbour(w http.ResponseWriter, r *http.Request) error {
	all, err := p.Neighbours(r.Context(), web.Who(r.Context()).Organisation)
	if err != nil {
		return err
	}
	for _, n := range all {
		if n.OID == r.PathValue("oid") {
			return web.Render(w, r, http.StatusOK, p.cataloguePage(n))
		}
	}
	return errNotFound
}

func (p *Pages) ask(w http.ResponseWriter, r *http.Request) error {
	who := web.Who(r.Context())
	if err := p.Ask(r.Context(), who.ID, who.Organisation, r.PathValue("oid")); err != nil {
		return err
	}
	return see(w, r, root+"/neighbours")
}
