package area

import (
	"bytes"
	"context"
	_ "embed"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

//go:embed policy.cedar
var policy []byte

// Policy returns the package's access rules.
func Policy() []byte { return policy }

const (
	root    = "/areas"
	mayRead = "area.read"
	mayKeep = "area.keep"
	// shown bounds the rows of the page; the whole is in the file.
	shown = 300
	// maxFile bounds rows that somebody has checked.
	maxFile = 1 << 20
)

// Nav returns the package's entry.
func Nav() []web.NavItem {
	return []web.NavItem{{Section: "areas", Key: "area.nav", URL: root, Action: mayRead}}
}

// Pages are the screens of the register of areas.
type Pages struct {
	*Book
	// Operator is the resource of who operates the node and so keeps its own rows; nil: each
	// organisation is its own operator.
	Operator web.Operator
}

// Register adds them.
func (p *Pages) Register(rt *web.Router) {
	read, keep := web.May(mayRead), web.MayOn(mayKeep, p.Operator.On)
	rt.Page("GET "+root, read, p.list)
	rt.Page("GET "+root+".csv", read, p.file)
	rt.Page("POST "+root+"/check", read, p.check)
	rt.Page("GET "+root+"/own", read, p.own)
	rt.Page("POST "+root+"/own", keep, p.keep)
	rt.Page("GET "+root+"/area/{key}", read, p.show)
	rt.Page("POST "+root+"/area/{key}/undo", keep, p.undo)
}

func tr(ctx context.Context, key string) string { return web.T(ctx, key, nil) }

func address(k Key) string {
	return root + "/area/" + url.PathEscape(k.Scheme+":"+k.Code)
}

// asking is what the list is narrowed by.
type asking struct{ Words, Scheme, Country, Level, Status string }

func askingOf(r *http.Request) asking {
	q := r.URL.Query()
	get := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	return asking{get("words"), get("scheme"), get("country"), get("level"), get("status")}
}

func (a asking) query() string {
	q := url.Values{}
	for name, v := range map[string]string{"words": a.Words, "scheme": a.Scheme, "country": a.Country, "level": a.Level, "status": a.Status} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func (p *Pages) found(a asking) []Area {
	all := Query{Scheme: a.Scheme, Country: register.Country(a.Country), Words: a.Words}.Of(p.Areas())
	return slices.DeleteFunc(slices.Clone(all), func(x Area) bool {
		return a.Level != "" && x.Level != a.Level || a.Status != "" && string(x.Status) != a.Status
	})
}

// listed is the page of the list.
type listed struct {
	Asking  asking
	Found   []Area
	All     int
	Doubts  []Doubt
	Schemes []string
	Levels  []string
	Checked *checked
	Errors  ui.Errors
	Rows    string // as they were pasted
	Reason  string
}

// checked is what the tests said of rows that somebody brought.
type checked struct {
	Changes []Change
	Refused []Refusal
}

// stores is how many rows of it are not in the table yet.
func (c *checked) stores() (n int) {
	for _, x := range c.Changes {
		if x.Kind != "same" {
			n++
		}
	}
	return n
}

func (p *Pages) listed(a asking) listed {
	l := listed{Asking: a, Found: p.found(a), Doubts: p.Check(p.o.Clock.Now())}
	all := p.Areas()
	l.All = len(all)
	for _, x := range all {
		if !slices.Contains(l.Schemes, x.Scheme) {
			l.Schemes = append(l.Schemes, x.Scheme)
		}
		if !slices.Contains(l.Levels, x.Level) {
			l.Levels = append(l.Levels, x.Level)
		}
	}
	slices.Sort(l.Schemes)
	slices.Sort(l.Levels)
	return l
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, http.StatusOK, p.listPage(p.listed(askingOf(r))))
}

// file is the list as CSV (spec: RFC 4180), in the columns in which rows are checked.
func (p *Pages) file(w http.ResponseWriter, r *http.Request) error {
	var out bytes.Buffer
	if err := p.Write(&out, p.found(askingOf(r))); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="areas.csv"`)
	_, err := w.Write(out.Bytes())
	return err
}

// check puts rows that somebody brings to the tests of the shipped table: names that
// agree, parents that exist, a middle or an outline that fits its municipalities. Nothing
// is kept.
func (p *Pages) check(w http.ResponseWriter, r *http.Request) error {
	l, ok := p.brought(w, r)
	if !ok {
		return web.Render(w, r, http.StatusUnprocessableEntity, p.listPage(l))
	}
	changes, refused, err := p.Judge(r.Context(), []byte(l.Rows))
	if err != nil {
		return err
	}
	return p.verdict(w, r, l, changes, refused)
}

// keep does the same and stores them when all pass.
func (p *Pages) keep(w http.ResponseWriter, r *http.Request) error {
	l, ok := p.brought(w, r)
	if _, err := reasonOf(l.Reason); ok && err != nil {
		l.Errors.Add("reason", web.T(r.Context(), "area.own.no_reason", i18n.Args{"n": maxReason}))
		ok = false
	}
	if !ok {
		return web.Render(w, r, http.StatusUnprocessableEntity, p.listPage(l))
	}
	changes, refused, err := p.Import(r.Context(), web.Who(r.Context()).ID, []byte(l.Rows), l.Reason)
	if err != nil {
		return err
	}
	if c := (checked{changes, refused}); len(refused) > 0 || c.stores() == 0 {
		return p.verdict(w, r, l, changes, refused)
	}
	http.Redirect(w, r, root+"/own", http.StatusSeeOther)
	return nil
}

// verdict shows what the tests say. Rows that the table cannot have are an error of the
// form.
func (p *Pages) verdict(w http.ResponseWriter, r *http.Request, l listed, changes []Change, refused []Refusal) error {
	l.Checked = &checked{changes, refused}
	status := http.StatusOK
	if len(refused) > 0 {
		status = http.StatusUnprocessableEntity
		l.Errors.Add("rows", web.T(r.Context(), "area.check.refused", i18n.Args{"n": len(refused)}))
	}
	return web.Render(w, r, status, p.listPage(l))
}

// brought are the rows of a form.
func (p *Pages) brought(w http.ResponseWriter, r *http.Request) (listed, bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxFile)
	l := p.listed(asking{})
	if err := r.ParseForm(); err != nil {
		l.Errors.Add("rows", web.T(r.Context(), "area.check.size", i18n.Args{"n": maxFile >> 10}))
		return l, false
	}
	l.Rows = strings.ReplaceAll(r.PostForm.Get("rows"), "\r\n", "\n")
	l.Reason = r.PostForm.Get("reason")
	return l, true
}

// own is the page of all that was written and taken back.
func (p *Pages) own(w http.ResponseWriter, r *http.Request) error {
	all, err := p.History(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, p.ownPage(all))
}

// undo puts the version of a code in force that counted before.
func (p *Pages) undo(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxFile)
	if err := r.ParseForm(); err != nil {
		return err
	}
	k, reason := keyOf(r), r.PostForm.Get("reason")
	if _, err := reasonOf(reason); err != nil {
		return p.showOne(w, r, http.StatusUnprocessableEntity, reason, ui.Errors{{Field: "reason", Text: web.T(r.Context(), "area.own.no_reason", i18n.Args{"n": maxReason})}})
	}
	seen, err := strconv.Atoi(r.PostForm.Get("version"))
	if err != nil || seen < 1 {
		return errChanged
	}
	if _, err := p.Undo(r.Context(), web.Who(r.Context()).ID, k, seen, reason); err != nil {
		return err
	}
	http.Redirect(w, r, address(k), http.StatusSeeOther)
	return nil
}

func keyOf(r *http.Request) Key {
	scheme, code, _ := strings.Cut(r.PathValue("key"), ":")
	return Key{scheme, code}
}

// one is the page of a code: its rows one after another, since names and borders change.
type one struct {
	Key
	Versions []Area
	Now      Area
	Current  bool // Now counts today
	Same     []Area
	Towns    []register.Place
	Own      []Version // what was written here, the last first
	Reason   string
	Errors   ui.Errors
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	return p.showOne(w, r, http.StatusOK, "", nil)
}

func (p *Pages) showOne(w http.ResponseWriter, r *http.Request, status int, reason string, errs ui.Errors) error {
	o := one{Key: keyOf(r), Reason: reason, Errors: errs}
	all, err := p.History(r.Context())
	if err != nil {
		return err
	}
	o.Own = slices.DeleteFunc(all, func(v Version) bool { return v.Key != o.Key })
	now := p.o.Clock.Now()
	for _, a := range p.Areas() {
		if a.Key == o.Key {
			o.Versions = append(o.Versions, a)
		}
	}
	if o.Now, o.Current = p.Lookup(o.Scheme, o.Code, now); !o.Current {
		if len(o.Versions) == 0 && len(o.Own) == 0 {
			return problem.New("area.show", problem.NotFound, "area.not_found", nil)
		}
		o.Now = Area{Key: o.Key, Coverage: Unknown}
		if n := len(o.Versions); n > 0 {
			o.Now = o.Versions[n-1]
		}
	}
	o.Towns = p.PlacesOf(o.Now)
	if len(o.Towns) > 0 {
		ids := idsOf(o.Towns)
		for _, a := range p.Areas() { // other codes for the same municipalities
			if a.Key != o.Key && a.valid(now) && slices.Equal(idsOf(p.PlacesOf(a)), ids) {
				o.Same = append(o.Same, a)
			}
		}
	}
	return web.Render(w, r, status, p.onePage(o))
}

func idsOf(places []register.Place) (ids []string) {
	for _, x := range places {
		ids = append(ids, x.ID)
	}
	slices.Sort(ids)
	return ids
}
