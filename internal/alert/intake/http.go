package intake

import (
	"bytes"
	"context"
	"encoding/csv"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// Actions of policy.cedar.
const (
	mayRead = "feed.read"
	mayAct  = "feed.act"
)

const (
	root      = "/feeds"
	formLimit = 16 << 10
	// shownOriginals are as many as stand on the page of a feed.
	shownOriginals = 25
)

// Pages are the screens of a service.
type Pages struct {
	*Service
	// Operator is the resource of who operates the node: the feeds are one for all
	// organisations on it. nil: each organisation is its own operator.
	Operator web.Operator
}

// NewPages returns them.
func NewPages(s *Service) *Pages { return &Pages{Service: s} }

// Nav returns the entry of the navigation.
func Nav() []web.NavItem {
	return []web.NavItem{{Section: "feeds", Key: "intake.nav", URL: root, Action: mayRead}}
}

// Register adds the pages.
func (p *Pages) Register(rt *web.Router) {
	read, act := web.May(mayRead), web.MayOn(mayAct, p.Operator.On)
	for _, r := range []struct {
		pattern string
		guard   web.Guard
		handler web.Handler
	}{
		{"GET " + root, read, p.list},
		{"GET " + root + ".csv", read, p.file},
		{"GET " + root + "/{name}", read, p.show},
		{"GET " + root + "/{name}/originals/{id}", read, p.original},
		{"POST " + root + "/{name}/fetch", act, p.fetchNow},
		{"POST " + root + "/{name}/switch", act, p.turn},
	} {
		rt.Page(r.pattern, r.guard, r.handler)
	}
}

func t(ctx context.Context, key string) string { return web.T(ctx, key, nil) }

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	states, err := p.States(r.Context())
	if err != nil {
		return err
	}
	on := 0
	for _, s := range states {
		if s.On {
			on++
		}
	}
	return web.Render(w, r, http.StatusOK, p.listPage(states, on))
}

// byteOrderMark makes spreadsheet programs read the file as UTF-8.
const byteOrderMark = "\ufeff"

// file is the list as CSV (spec: RFC 4180), times in UTC.
func (p *Pages) file(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	states, err := p.States(ctx)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	out.WriteString(byteOrderMark)
	c := csv.NewWriter(&out)
	c.UseCRLF = true
	var head []string
	for _, key := range []string{"name", "title", "state", "kind", "knowledge", "address", "interval", "asked", "answered", "changed", "issued", "age", "stale_after", "entries", "deviations", "diagnosis"} {
		head = append(head, t(ctx, "intake.column."+key))
	}
	lines := [][]string{head}
	for _, s := range states {
		age, diagnosis := "", ""
		if s.Known {
			age = strconv.FormatInt(int64(s.Age.Seconds()), 10)
		}
		if s.Failure != nil {
			diagnosis = web.T(ctx, s.Failure.Key, s.Failure.Args)
		}
		lines = append(lines, []string{s.Source.Name, s.Title, t(ctx, "intake.state."+string(s.Status)), t(ctx, "intake.kind."+string(s.Kind)), t(ctx, knowledgeKey(s)), s.Addresses[0], s.Interval.String(),
			stamp(s.AskedAt), stamp(s.AnsweredAt), stamp(s.ChangedAt), stamp(s.IssuedAt), age, s.Stale.String(), strconv.FormatInt(s.Entries, 10), strconv.FormatInt(s.Deviations, 10), diagnosis})
	}
	for _, line := range lines {
		for i, v := range line {
			line[i] = cell(v)
		}
	}
	if err := c.WriteAll(lines); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="feeds.csv"`)
	_, err = w.Write(out.Bytes())
	return err
}

// cell keeps a spreadsheet program from taking what a sender said for a formula.
func cell(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t") {
		return "'" + s
	}
	return s
}

func stamp(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

// knowledgeKey is how well the format of a feed is known, in words.
func knowledgeKey(s State) string {
	return "intake.knowledge." + strings.ReplaceAll(string(s.Knowledge), " ", "_")
}

// form is what a person typed into the page of a feed.
type form struct {
	Reason string
	Errors ui.Errors
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	return p.render(w, r, http.StatusOK, form{})
}

func (p *Pages) render(w http.ResponseWriter, r *http.Request, status int, f form) error {
	var v State
	var originals []Original
	err := p.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if v, err = p.StateIn(tx, r.PathValue("name")); err != nil {
			return err
		}
		originals, err = latestOriginals(tx, v.Source.Name, shownOriginals)
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, status, p.feedPage(v, originals, f))
}

// original is a document byte for byte, never shown by the browser itself.
func (p *Pages) original(w http.ResponseWriter, r *http.Request) error {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return problem.New("intake.original", problem.NotFound, "intake.no_original", nil)
	}
	o, body, err := p.Original(r.Context(), id)
	if err == nil && o.Source != r.PathValue("name") {
		err = problem.New("intake.original", problem.NotFound, "intake.no_original", nil)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="`+o.Source+"-"+o.FetchedAt.Format("20060102T150405Z")+"-"+strconv.FormatInt(o.ID, 10)+ending(o.Address)+`"`)
	_, err = w.Write(body)
	return err
}

// ending is that of the file an address names, of those that feeds have.
func ending(address string) string {
	if u, err := url.Parse(address); err == nil {
		for _, e := range []string{".xml", ".json", ".geojson", ".zip"} {
			if strings.HasSuffix(u.Path, e) {
				return e
			}
		}
	}
	return ".bin"
}

func feedURL(name, what string) string { return root + "/" + name + what }

func (p *Pages) fetchNow(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if err := p.FetchNow(r.Context(), web.Who(r.Context()).ID, name); err != nil {
		return err
	}
	http.Redirect(w, r, feedURL(name, ""), http.StatusSeeOther)
	return nil
}

func (p *Pages) turn(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	if err := r.ParseForm(); err != nil {
		return &problem.Error{Op: "intake.turn", Kind: problem.TooLarge, Err: err}
	}
	f := form{Reason: r.PostForm.Get("reason")}
	err := p.Switch(r.Context(), web.Who(r.Context()).ID, name, r.PostForm.Get("to") == "on", f.Reason)
	if problem.KindOf(err) == problem.Invalid {
		f.Errors.Add("reason", web.T(r.Context(), "intake.reason", map[string]any{"max": maxReason}))
		return p.render(w, r, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, feedURL(name, ""), http.StatusSeeOther)
	return nil
}

// OriginalAddress is the path under which a kept original can be fetched.
func OriginalAddress(source string, id int64) string {
	return feedURL(source, "/originals/"+strconv.FormatInt(id, 10))
}
