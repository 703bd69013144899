package warning

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/sign"
	"trojmezi/internal/kernel/web/ui"
)

// root is the address of the list.
const root = "/warnings"

// endedShown are as many of those that have ended as are taken in at one look.
const endedShown = 50

// Pages are the screens of a service.
type Pages struct {
	*Service
	// Operator is the resource of who operates the node, for whom its people decide.
	Operator web.Operator
	// Alive reports whether a person's session may still be served, for streams that
	// outlast it; nil: always.
	Alive func(ctx context.Context, who *web.Person) bool

	ended context.Context // all streams
	end   context.CancelFunc
}

// NewPages returns them.
func NewPages(s *Service) *Pages {
	p := &Pages{Service: s}
	p.ended, p.end = context.WithCancel(context.Background())
	return p
}

// Nav returns the package's task.
func Nav() []web.NavItem {
	return []web.NavItem{{Section: "warnings", Key: "warning.nav", URL: root, Action: mayRead}}
}

// Register adds the pages.
func (p *Pages) Register(rt *web.Router) {
	read, merge := web.May(mayRead), web.MayOn(mayMerge, p.Operator.On)
	for _, r := range []struct {
		pattern string
		guard   web.Guard
		handler web.Handler
	}{
		{"GET " + root, read, p.list},
		{"GET " + root + ".csv", read, p.file},
		{"GET " + root + "/stream", read, p.stream},
		{"GET " + root + "/documents/{id}", read, p.document},
		{"GET " + root + "/{id}", read, p.show},
		{"POST " + root + "/{id}/split", merge, p.split},
		{"POST " + root + "/{id}/join", merge, p.join},
		{"POST " + root + "/{id}/decisions/{decision}/undo", merge, p.undo},
		{"GET /api/warnings", read, p.api},
		{"GET /api/warnings.geojson", read, p.geoJSON},
	} {
		rt.Page(r.pattern, r.guard, r.handler)
	}
}

func t(ctx context.Context, key string) string { return web.T(ctx, key, nil) }

func address(id string) string { return root + "/" + url.PathEscape(id) }

// filter is what a list is narrowed by.
type filter struct {
	Event, Country, Source, Colour, Place, Kind, Phase string
}

func filterOf(r *http.Request) filter {
	q := r.URL.Query()
	get := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	return filter{get("event"), get("country"), get("source"), get("level"), get("place"), get("kind"), get("phase")}
}

func (f filter) query() string {
	q := url.Values{}
	for name, v := range map[string]string{"event": f.Event, "country": f.Country, "source": f.Source, "level": f.Colour, "place": f.Place, "kind": f.Kind, "phase": f.Phase} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func (f filter) fits(w *Warning) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	if !is(f.Country, w.Country()) || !is(f.Kind, string(w.Kind)) || !is(f.Phase, string(w.Phase)) {
		return false
	}
	if f.Source != "" && !slices.Contains(w.Sources(), f.Source) {
		return false
	}
	if f.Colour != "" && !slices.ContainsFunc(w.Levels(), func(l feed.Level) bool { return l.Colour == f.Colour }) {
		return false
	}
	if f.Event != "" {
		var said []string
		for _, m := range w.Members {
			c := m.Now().Content
			said = append(said, c.Event, c.Code)
			for _, x := range c.Texts {
				said = append(said, x.Event, x.Headline)
			}
		}
		if !strings.Contains(strings.ToLower(strings.Join(said, "\n")), strings.ToLower(f.Event)) {
			return false
		}
	}
	return f.Place == "" || slices.ContainsFunc(w.Heads(), func(m *Member) bool {
		return slices.ContainsFunc(placesOf(&m.Now().Content), func(p string) bool {
			_, code, _ := strings.Cut(strings.Replace(p, ":", "=", 1), "=")
			return strings.EqualFold(code, f.Place) || strings.EqualFold(p, f.Place)
		})
	})
}

// order is how a list is sorted: what is bad first, by the common colour, then what
// began first.
func order(a, b *Warning) int {
	rank := func(w *Warning) int {
		worst := 0
		for _, l := range w.Levels() {
			worst = max(worst, slices.Index(colours, l.Colour))
		}
		return worst
	}
	return cmp.Or(cmp.Compare(rank(b), rank(a)), Onset(a.Says()).Compare(Onset(b.Says())), cmp.Compare(a.ID, b.ID))
}

// colours are the common ones, the least first. They sort a list and compare no levels.
var colours = []string{"green", "yellow", "orange", "red", "violet"}

func levelSign(l feed.Level) sign.Level {
	switch l.Colour {
	case "yellow":
		return sign.L1
	case "orange":
		return sign.L2
	case "red":
		return sign.L3
	case "violet":
		return sign.L4
	}
	return sign.None
}

// levelWords are the national word, the common colour, and what CAP calls it.
func levelWords(ctx context.Context, l feed.Level) string {
	var words []string
	if l.National != "" && l.National != l.Colour {
		words = append(words, web.T(ctx, "warning.level.national", i18n.Args{"level": l.National}))
	}
	if slices.Contains(colours, l.Colour) {
		words = append(words, t(ctx, "warning.colour."+l.Colour))
	}
	words = append(words, t(ctx, "warning.severity."+strings.ToLower(cmp.Or(l.Severity, "Unknown"))))
	return strings.Join(words, " · ")
}

func phaseSign(w *Warning) sign.Level {
	switch w.Phase {
	case Lapsed:
		return sign.Stale
	case Ended:
		return sign.OK
	}
	return sign.None
}

// standing is what holds, in words.
func standing(ctx context.Context, p Phase, r Reason) string {
	if p == Ended {
		return t(ctx, "warning.reason."+string(r))
	}
	return t(ctx, "warning.phase."+string(p))
}

// feedState is one source of documents as it stands.
type feedState struct {
	Feed   feed.Feed
	Series *Series   // nil: nothing has come
	Stale  time.Time // since when it is old; zero: it is not
}

// Feeds are all sources with how old they are, those that never said anything too.
func (s *Service) Feeds(b *Book, now time.Time) (all []feedState) {
	for _, f := range s.o.Feeds {
		n := len(all)
		for _, x := range b.Series {
			if x.Feed == f.Name {
				all = append(all, feedState{f, x, x.StaleSince(now)})
			}
		}
		if len(all) == n {
			all = append(all, feedState{Feed: f})
		}
		slices.SortFunc(all[n:], func(a, b feedState) int {
			if a.Series == nil || b.Series == nil {
				return 0
			}
			return cmp.Compare(a.Series.Key(), b.Series.Key())
		})
	}
	return all
}

// complete reports whether every source is there and none is old: else that nothing
// applies, nobody knows.
func complete(feeds []feedState) bool {
	return !slices.ContainsFunc(feeds, func(f feedState) bool { return f.Series == nil || !f.Stale.IsZero() })
}

// overview is the page of the list.
type overview struct {
	Feeds                []feedState
	Now, Coming, Ended   []*Warning
	Filter               filter
	EndedAll, Everything int
	At                   time.Time
}

func (p *Pages) overview(r *http.Request) (o overview, err error) {
	all, b, err := p.Warnings(r.Context())
	if err != nil {
		return o, err
	}
	o = overview{At: p.o.Clock.Now(), Feeds: p.Feeds(b, p.o.Clock.Now()), Filter: filterOf(r), Everything: len(all)}
	for _, w := range all {
		if !o.Filter.fits(w) {
			continue
		}
		switch w.Phase {
		case Coming:
			o.Coming = append(o.Coming, w)
		case Ended:
			o.Ended = append(o.Ended, w)
		default:
			o.Now = append(o.Now, w)
		}
	}
	slices.SortFunc(o.Now, order)
	slices.SortFunc(o.Coming, order)
	slices.SortFunc(o.Ended, func(a, b *Warning) int { return cmp.Or(b.Ended.Compare(a.Ended), cmp.Compare(a.ID, b.ID)) })
	o.EndedAll = len(o.Ended)
	return o, nil
}

// shorten leaves out what ended long ago.
func (o *overview) shorten() {
	if o.Filter.Phase == "" && len(o.Ended) > endedShown {
		o.Ended = o.Ended[:endedShown]
	}
}

// part is a region of a page.
type part struct {
	id, html string
	c        templ.Component
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	o, err := p.overview(r)
	if err != nil {
		return err
	}
	o.shorten()
	return web.Render(w, r, http.StatusOK, p.listPage(o))
}

// byteOrderMark tells spreadsheets that a file is UTF-8.
const byteOrderMark = "\ufeff"

// cell keeps what others have written from being a formula in a spreadsheet.
func cell(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t'") {
		return "'" + s
	}
	return s
}

// file is the list as CSV (spec: RFC 4180).
func (p *Pages) file(w http.ResponseWriter, r *http.Request) error {
	o, err := p.overview(r)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	out.WriteString(byteOrderMark)
	c := csv.NewWriter(&out)
	c.UseCRLF = true
	rows := [][]string{{"id", "kind", "phase", "reason", "country", "event", "severity", "national_level", "colour", "sent", "onset", "expires", "ended", "received", "sources", "areas", "attribution"}}
	for _, x := range slices.Concat(o.Now, o.Coming, o.Ended) {
		said := x.Says()
		var areas, levels, national, severities []string
		for _, a := range x.Codes() {
			areas = append(areas, a.Scheme+" "+a.Value)
		}
		for _, l := range x.Levels() {
			levels, national, severities = append(levels, l.Colour), append(national, l.National), append(severities, l.Severity)
		}
		ended := ""
		if !x.Ended.IsZero() {
			ended = x.Ended.Format(time.RFC3339)
		}
		rows = append(rows, []string{x.ID, string(x.Kind), string(x.Phase), string(x.Reason), x.Country(), cell(said.Event), strings.Join(severities, ";"), cell(strings.Join(national, ";")), strings.Join(levels, ";"),
			stamp(said.Sent), stamp(said.Onset), stamp(said.Expires), ended, x.Lead.First.Format(time.RFC3339), strings.Join(x.Sources(), ";"), cell(strings.Join(areas, ";")), cell(TermsOf(x.Lead.Source).Attribution)})
	}
	if err := c.WriteAll(rows); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="warnings.csv"`)
	_, err = w.Write(out.Bytes())
	return err
}

// one is the page of a warning.
type one struct {
	*Warning
	Feeds     []feedState // of its copies
	Steps     []Step
	Decisions []Decision
	Others    []ui.Option
	Errors    ui.Errors
	Given     string // as reason, when it was not taken
}

func (p *Pages) one(r *http.Request) (o one, err error) {
	ctx := r.Context()
	all, b, err := p.Warnings(ctx)
	if err != nil {
		return o, err
	}
	w := find(all, r.PathValue("id"))
	if w == nil {
		return o, errNotFound
	}
	o = one{Warning: w, Steps: b.History(w)}
	for _, f := range p.Feeds(b, p.o.Clock.Now()) {
		if f.Series != nil && slices.ContainsFunc(w.Members, func(m *Member) bool { _, ok := m.Seen[f.Series.Key()]; return ok }) {
			o.Feeds = append(o.Feeds, f)
		}
	}
	for _, d := range b.Decisions {
		if d.UndoneAt == 0 && d.about(w) {
			o.Decisions = append(o.Decisions, d)
		}
	}
	slices.SortFunc(all, order)
	for _, x := range all {
		if x != w && x.Kind == w.Kind && x.Phase != Ended {
			o.Others = append(o.Others, ui.Option{Value: x.ID, Text: strings.Join(x.Sources(), ", ") + " · " + x.Says().Event + " · " + web.DateTime(ctx, Onset(x.Says()))})
		}
	}
	return o, nil
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	o, err := p.one(r)
	if err != nil {
		return err
	}
	if o.ID != r.PathValue("id") { // it has become part of another
		http.Redirect(w, r, address(o.ID), http.StatusFound)
		return nil
	}
	return web.Render(w, r, http.StatusOK, p.onePage(o))
}

// refused shows the page with what is wrong in the form, or returns what cannot be
// mended there.
func (p *Pages) refused(w http.ResponseWriter, r *http.Request, err error) error {
	e, ok := errors.AsType[*problem.Error](err)
	if !ok || e.Kind != problem.Invalid && e.Kind != problem.Conflict {
		return err
	}
	o, err := p.one(r)
	if err != nil {
		return err
	}
	name := map[string]string{"warning.fault.reason": "reason", "warning.fault.copies": "copies", "warning.fault.other": "other"}[e.Key]
	o.Errors.Add(name, web.T(r.Context(), e.Key, e.Args))
	o.Given = r.PostFormValue("reason")
	return web.Render(w, r, http.StatusUnprocessableEntity, p.onePage(o))
}

func (p *Pages) split(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		return problem.New("warning.split", problem.Invalid, "warning.fault.copies", nil)
	}
	if _, err := p.Split(r.Context(), web.Who(r.Context()).ID, r.PathValue("id"), r.PostForm["copies"], r.PostFormValue("reason")); err != nil {
		return p.refused(w, r, err)
	}
	return see(w, r, r.PathValue("id"))
}

func (p *Pages) join(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if _, err := p.Join(r.Context(), web.Who(r.Context()).ID, r.PathValue("id"), r.PostFormValue("other"), r.PostFormValue("reason")); err != nil {
		return p.refused(w, r, err)
	}
	return see(w, r, r.PathValue("id"))
}

func (p *Pages) undo(w http.ResponseWriter, r *http.Request) error {
	about, err := p.Undo(r.Context(), web.Who(r.Context()).ID, r.PathValue("decision"))
	if err != nil {
		return err
	}
	return see(w, r, about)
}

func see(w http.ResponseWriter, r *http.Request, id string) error {
	http.Redirect(w, r, address(id), http.StatusSeeOther)
	return nil
}

// document gives the bytes as they were fetched. They are of others: no browser is to
// run anything in them.
func (p *Pages) document(w http.ResponseWriter, r *http.Request) error {
	in, d, err := p.Document(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if in == nil {
		http.Redirect(w, r, d.Link, http.StatusSeeOther)
		return nil
	}
	defer in.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="`+d.Feed+"-"+d.Fetched.Format("20060102-150405")+`.original"`)
	_, err = io.Copy(w, in)
	return err
}

// paragraphs are the lines of a text. Some feeds break lines by markup: that is no part
// of what is said, and the original is one key away.
func paragraphs(text string) (all []string) {
	for _, br := range []string{"<br/>", "<br />", "<br>"} {
		text = strings.ReplaceAll(text, br, "\n")
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// missing are the reader's languages in which nothing is said.
func missing(w *feed.Warning) (all []string) {
	for _, l := range i18n.Langs {
		if !slices.ContainsFunc(w.Texts, func(x feed.Text) bool {
			main, _, _ := strings.Cut(strings.ToLower(x.Language), "-")
			return main == string(l)
		}) {
			all = append(all, string(l))
		}
	}
	return all
}

// whom is for how many areas, with the first.
func whom(ctx context.Context, w *Warning) string {
	var names []string
	for _, m := range w.Heads() {
		for _, a := range m.Now().Content.Areas {
			if n := cmp.Or(a.Name, firstCode(a)); n != "" && m.Source != "meteoalarm" && !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	codes := w.Codes()
	if len(names) == 0 && len(codes) > 0 {
		names = []string{codes[0].Scheme + " " + codes[0].Value}
	}
	if len(names) == 0 {
		return t(ctx, "warning.areas.none")
	}
	return web.T(ctx, "warning.areas.short", i18n.Args{"first": names[0], "n": max(len(codes), len(names))})
}

func firstCode(a feed.Area) string {
	if len(a.Codes) == 0 {
		return ""
	}
	return a.Codes[0].Scheme + " " + a.Codes[0].Value
}

// rule is why a copy is part of a warning: the link by which it came to it.
func (o *one) rule(m *Member) *Link {
	for i := range o.Links {
		if o.Links[i].B == m.ID {
			return &o.Links[i]
		}
	}
	for i := range o.Links {
		if o.Links[i].A == m.ID {
			return &o.Links[i]
		}
	}
	return nil
}

// native is the sender's identifier of a copy.
func (o *one) native(id string) string {
	for _, m := range o.Members {
		if m.ID == id {
			return m.Native
		}
	}
	return id
}
