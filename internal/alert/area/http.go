package area

import (
	"bytes"
	"context"
	_ "embed"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

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
	*Table
	Places *register.Register
	Now    func() time.Time
}

// Register adds them.
func (p *Pages) Register(rt *web.Router) {
	read := web.May(mayRead)
	rt.Page("GET "+root, read, p.list)
	rt.Page("GET "+root+".csv", read, p.file)
	rt.Page("POST "+root+"/check", read, p.check)
	rt.Page("GET "+root+"/area/{key}", read, p.show)
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
}

// checked is what the tests said of rows that somebody brought.
type checked struct {
	Rows   int
	Doubts []Doubt
}

func (p *Pages) listed(a asking) listed {
	l := listed{Asking: a, Found: p.found(a), Doubts: p.Check(p.Now())}
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
// agree, parents that exist, a centre that lies among its municipalities. They stand in
// the place of the shipped rows for that; nothing is kept.
func (p *Pages) check(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxFile)
	l := p.listed(asking{})
	if err := r.ParseForm(); err != nil {
		l.Errors.Add("rows", web.T(r.Context(), "area.check.size", i18n.Args{"n": maxFile >> 10}))
		return web.Render(w, r, http.StatusUnprocessableEntity, p.listPage(l))
	}
	l.Rows = strings.ReplaceAll(r.PostForm.Get("rows"), "\r\n", "\n")
	both, own, err := With([]byte(strings.TrimPrefix(l.Rows, "\ufeff")), p.Places)
	if err != nil {
		l.Errors.Add("rows", web.T(r.Context(), "area.check.unreadable", i18n.Args{"detail": strings.TrimPrefix(err.Error(), "area.Parse: ")}))
		return web.Render(w, r, http.StatusUnprocessableEntity, p.listPage(l))
	}
	l.Checked = &checked{Rows: len(own), Doubts: slices.DeleteFunc(both.Check(p.Now()), func(d Doubt) bool { return !own[d.Key] })}
	return web.Render(w, r, http.StatusOK, p.listPage(l))
}

// one is the page of a code: its rows one after another, since names and borders change.
type one struct {
	Key
	Versions []Area
	Now      Area
	Current  bool // Now counts today
	Same     []Area
	Towns    []register.Place
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	scheme, code, _ := strings.Cut(r.PathValue("key"), ":")
	o := one{Key: Key{scheme, code}}
	now := p.Now()
	for _, a := range p.Areas() {
		if a.Key == o.Key {
			o.Versions = append(o.Versions, a)
		}
	}
	if o.Now, o.Current = p.Lookup(o.Scheme, o.Code, now); !o.Current {
		if len(o.Versions) == 0 {
			return problem.New("area.show", problem.NotFound, "area.not_found", nil)
		}
		o.Now = o.Versions[len(o.Versions)-1]
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
	return web.Render(w, r, http.StatusOK, p.onePage(o))
}

func idsOf(places []register.Place) (ids []string) {
	for _, x := range places {
		ids = append(ids, x.ID)
	}
	slices.Sort(ids)
	return ids
}
