package public

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/notice"
	"trojmezi/internal/alert/river"
	"trojmezi/internal/alert/subscription"
	"trojmezi/internal/alert/warning"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/sign"
)

// Root is the address of the search; the pages of places are below it.
const Root = "/public"

// fresh is how old what is shown may be: a page costs the node nothing while thousands
// ask, and a warning is still there within seconds.
const fresh = 5 * time.Second

// Options are what the pages stand on.
type Options struct {
	Texts    *i18n.Bundle
	Places   *register.Register
	Areas    *area.Table
	Warnings *warning.Service
	Notices  *notice.Service
	Rivers   *river.Service
	Now      func() time.Time
	// PushKey is what a browser needs to subscribe to the node's channel; "": there is none.
	PushKey string
	// Subscriptions are those of people; Address is who asks, as far
	// as limits go; nil: the far end of the connection.
	Subscriptions *subscription.Service
	Address       func(*http.Request) string
}

// Pages are the public pages.
type Pages struct {
	o     Options
	towns []register.Place

	askers askers

	mu   sync.Mutex
	last *state
}

// NewPages returns them.
func NewPages(o Options) *Pages {
	p := &Pages{o: o}
	if p.o.Address == nil {
		p.o.Address = func(r *http.Request) string {
			if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
				return host
			}
			return r.RemoteAddr
		}
	}
	for _, x := range o.Places.Places() {
		if x.Kind == register.Municipality {
			p.towns = append(p.towns, x)
		}
	}
	slices.SortFunc(p.towns, func(a, b register.Place) int {
		return cmp.Or(cmp.Compare(i18n.Fold(a.Name), i18n.Fold(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	return p
}

// Public are the routes that strangers may use, as the test of routes asks for.
func Public() []string {
	return []string{"GET " + Root, "GET " + Root + "/in/{lang}", "GET " + Root + "/place/{code}", "GET " + Root + "/place/{code}/{lang}", "GET " + Root + "/place/{code}/{lang}/calendar.ics",
		"GET " + Root + "/exercise/{code}", "GET " + Root + "/exercise/{code}/{lang}", "GET " + Root + "/exercise/{code}/{lang}/calendar.ics",
		"GET " + Root + "/map", "GET " + Root + "/map/{lang}",
		"GET " + subscribePath, "GET " + workerPath, "GET " + subscribePath + "/{lang}", "POST " + subscribePath + "/{lang}", "GET " + subscription.Path + "{token}", "POST " + subscription.Path + "{token}"}
}

// Register adds the pages. All of them are for everybody.
func (p *Pages) Register(rt *web.Router) {
	live, drill := p.place(store.Live), p.place(store.Exercise)
	for i, h := range []web.Handler{p.search, p.search, live, live, p.calendar(store.Live), drill, drill, p.calendar(store.Exercise), p.regional, p.regional, p.subscribeForm, p.worker, p.subscribeForm, p.subscribe, p.mine, p.change} {
		rt.Page(Public()[i], web.Public(), h)
	}
}

// now is what applies, read again when it is older than fresh. One reads, the others wait
// for him.
func (p *Pages) now(ctx context.Context) (*state, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last != nil {
		if age := p.o.Now().Sub(p.last.at); age >= 0 && age < fresh {
			return p.last, nil
		}
	}
	s, err := p.read(ctx)
	if err != nil {
		return nil, problem.Wrap("public.now", err)
	}
	p.last = s
	return s, nil
}

// langOf is the language of the address, else that of the browser. A cookie is neither
// read nor set.
func langOf(r *http.Request) (l i18n.Lang, fixed bool, err error) {
	if l, ok := i18n.Parse(r.URL.Query().Get("lang")); ok { // as on all other pages
		return l, true, nil
	}
	if s := r.PathValue("lang"); s != "" {
		l, ok := i18n.Parse(s)
		if !ok {
			return l, true, problem.New("public", problem.NotFound, "", nil)
		}
		return l, true, nil
	}
	return i18n.Match(r.Header.Get("Accept-Language")), false, nil
}

// find is the municipality of an address: its id in the register or its official code.
func (p *Pages) find(r *http.Request) (register.Place, error) {
	code := r.PathValue("code")
	for _, x := range p.towns {
		if x.ID == code || x.Code == code {
			return x, nil
		}
	}
	return register.Place{}, problem.New("public.place", problem.NotFound, "public.fault.place", nil)
}

func (p *Pages) place(kind store.Kind) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		l, fixed, err := langOf(r)
		if err != nil {
			return err
		}
		at, err := p.find(r)
		if err != nil {
			return err
		}
		s, err := p.now(r.Context())
		if err != nil {
			return err
		}
		return p.send(w, r, l, fixed, func(ctx context.Context) templ.Component { return p.placePage(p.picture(s, at, kind, l)) })
	}
}

func (p *Pages) search(w http.ResponseWriter, r *http.Request) error {
	l, fixed, err := langOf(r)
	if err != nil {
		return err
	}
	q := strings.TrimSpace(r.URL.Query().Get("q"))
	var found []register.Place
	for _, x := range p.o.Places.Search(q, 20) {
		if x.Kind == register.Municipality {
			found = append(found, x)
		} else if m, ok := p.o.Places.Place(x.Part); ok && !slices.ContainsFunc(found, func(f register.Place) bool { return f.ID == m.ID }) {
			m.Matched = x.Name
			found = append(found, m)
		}
	}
	return p.send(w, r, l, fixed, func(context.Context) templ.Component { return p.searchPage(l, q, found) })
}

// send answers with a page that caches may keep for a moment, without a cookie, also for
// who is signed in.
func (p *Pages) send(w http.ResponseWriter, r *http.Request, l i18n.Lang, fixed bool, page func(context.Context) templ.Component) error {
	ctx := web.Region(r.Context(), l)
	var b bytes.Buffer
	if err := page(ctx).Render(ctx, &b); err != nil {
		return problem.Wrap("public", err)
	}
	w.Header().Set("Content-Language", string(l))
	if !fixed {
		w.Header().Add("Vary", "Accept-Language")
	}
	return answer(w, r, b.Bytes(), "text/html; charset=utf-8")
}

func answer(w http.ResponseWriter, r *http.Request, body []byte, mime string) error {
	sum := sha256.Sum256(body)
	tag := strconv.Quote(hex.EncodeToString(sum[:12]))
	h := w.Header()
	h.Del("Set-Cookie")
	h.Set("Content-Type", mime)
	h.Set("Cache-Control", "public, max-age=15")
	h.Set("ETag", tag)
	if strings.Contains(r.Header.Get("If-None-Match"), strings.Trim(tag, `"`)) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	_, err := w.Write(body)
	return err
}

func t(ctx context.Context, key string) string { return web.T(ctx, key, nil) }

func (v *Picture) path(l i18n.Lang, rest string) templ.SafeURL {
	root := Root + "/place/"
	if v.Kind != store.Live {
		root = Root + "/exercise/"
	}
	return templ.SafeURL(root + url.PathEscape(v.Place.ID) + "/" + string(l) + rest)
}

// atom is the feed of own notices and relayed warnings for the place; a list of its country
// has every municipality.
func (v *Picture) atom(l i18n.Lang) templ.SafeURL {
	root := "/cap/area/"
	if v.Kind != store.Live {
		root = "/cap/exercise/area/"
	}
	return templ.SafeURL(root + codes[v.Place.Country] + "/" + url.PathEscape(v.Place.Code) + "/feed.atom?lang=" + string(l))
}

// codes are the lists in which municipalities have theirs.
var codes = map[register.Country]string{register.CZ: "LAU2", register.DE: "AGS", register.PL: "TERYT"}

func placeURL(l i18n.Lang, id string) templ.SafeURL {
	return templ.SafeURL(Root + "/place/" + url.PathEscape(id) + "/" + string(l))
}

// allNames are the local name and those of the neighbours, each once.
func allNames(p register.Place) string {
	names := []string{p.Name}
	if p.Minority != "" {
		names = append(names, p.Minority)
	}
	for _, l := range i18n.Langs {
		if n := p.Names[l]; n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return strings.Join(names, " / ")
}

// title is the place for the reader, with its local name.
func title(p register.Place, l i18n.Lang) string {
	if name, local := p.In(l); local != "" {
		return name + " / " + local
	}
	return p.Name
}

func ago(ctx context.Context, now, at time.Time) string {
	return web.T(ctx, "public.ago", i18n.Args{"d": now.Sub(at).Truncate(time.Minute), "time": at})
}

// paragraphs are the lines of a text; markup that only breaks lines is none of it.
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

func levelWords(ctx context.Context, x Item) string {
	var words []string
	for _, n := range x.Words {
		words = append(words, web.T(ctx, "public.national", i18n.Args{"level": n}))
	}
	if x.Official && x.Level == sign.None {
		return strings.Join(append(words, t(ctx, "public.level.none")), " · ")
	}
	return strings.Join(append(words, t(ctx, "ui.level."+string(x.Level))), " · ")
}

func trend(ctx context.Context, l river.Line) string {
	if math.IsNaN(l.Change) || l.Over <= 0 {
		return t(ctx, "public.trend.unknown")
	}
	hour := math.Round(l.Change / l.Over.Hours())
	switch {
	case hour >= 3:
		return web.T(ctx, "public.trend.rising", i18n.Args{"cm": hour})
	case hour <= -3:
		return web.T(ctx, "public.trend.falling", i18n.Args{"cm": -hour})
	}
	return t(ctx, "public.trend.steady")
}

func trendIcon(l river.Line) string {
	if hour := l.Change / l.Over.Hours(); hour >= 3 {
		return "rising"
	} else if hour <= -3 {
		return "falling"
	}
	return "steady"
}

func level(ctx context.Context, l river.Line) string {
	switch {
	case l.Level != nil:
		return web.Number(ctx, int64(math.Round(l.Level.Value))) + "\u00a0cm" // spec: ISO 80000-3
	case l.Flow != nil:
		return web.Number(ctx, int64(math.Round(l.Flow.Value))) + "\u00a0m³/s"
	}
	return t(ctx, "public.level.nothing")
}

// limits says which limit is crossed, or the next one, by its national name.
func limits(ctx context.Context, l river.Line) string {
	if h, above := l.Highest(); above {
		return web.T(ctx, "public.above", i18n.Args{"name": h.Name, "cm": math.Round(h.From)})
	}
	var next *river.DatedLimit
	for i := range l.Limits {
		if x := &l.Limits[i]; x.Unit == river.CM && l.Level != nil && x.From > l.Level.Value && (next == nil || x.From < next.From) {
			next = x
		}
	}
	if next == nil {
		return t(ctx, "public.nolimit")
	}
	return web.T(ctx, "public.below", i18n.Args{"name": next.Name, "cm": math.Round(next.From)})
}

func measured(l river.Line) (at time.Time) {
	switch {
	case l.Level != nil:
		return l.Level.At
	case l.Flow != nil:
		return l.Flow.At
	}
	return at
}

func riverOf(ctx context.Context, l i18n.Lang, key string) string {
	if r, ok := river.Shipped.River(key); ok {
		return r.In(l)
	}
	return key
}

// colours of areas that warnings name, for the map: the worst at each municipality.
func (p *Pages) worst(s *state, l i18n.Lang) (marks []register.Mark, rows []row) {
	for _, town := range p.towns {
		at := area.Place{Municipality: town.ID}
		r := row{Place: town}
		for _, w := range s.warnings {
			if w.Kind != store.Live || w.Lead.Kind != store.Live {
				continue
			}
			if x, ok := p.official(w, at, s.at, l); ok {
				r.Items = append(r.Items, x)
			}
		}
		for _, n := range s.notices[store.Live] {
			if p.o.Areas.Concerns(n.areas, at, s.at).Verdict != area.No {
				r.Items = append(r.Items, p.own(n, s.at, l))
			}
		}
		r.Items = slices.DeleteFunc(r.Items, func(x Item) bool { return x.Over })
		if len(r.Items) == 0 {
			continue
		}
		slices.SortStableFunc(r.Items, worse)
		rows = append(rows, r)
		marks = append(marks, register.Mark{Point: town.Point, Level: string(r.Items[0].Level), URL: string(placeURL(l, town.ID))})
	}
	slices.SortStableFunc(rows, func(a, b row) int { return worse(a.Items[0], b.Items[0]) })
	return marks, rows
}

// row is a municipality of the list beside the map.
type row struct {
	Place register.Place
	Items []Item
}

// regional is the map with its list, which says everything the map does.
func (p *Pages) regional(w http.ResponseWriter, r *http.Request) error {
	l, fixed, err := langOf(r)
	if err != nil {
		return err
	}
	s, err := p.now(r.Context())
	if err != nil {
		return err
	}
	marks, rows := p.worst(s, l)
	var waters []Water
	for _, x := range s.rivers[store.Live].Lines {
		at, ok := spot(p.o.Places, x.Gauge)
		if !ok || len(x.Numbers) == 0 {
			continue
		}
		waters = append(waters, Water{Line: x, At: at})
		m := register.Mark{Point: at, Level: string(x.Sign())}
		if !measured(x).IsZero() { // what has no value stands in the list; its name would hide others
			m.Label = x.Gauge.Name + " " + level(web.Region(r.Context(), l), x)
		}
		marks = append(marks, m)
	}
	slices.SortFunc(waters, func(a, b Water) int {
		order := []sign.Level{sign.L4, sign.L3, sign.L2, sign.L1, sign.Stale, sign.None}
		return cmp.Or(cmp.Compare(slices.Index(order, a.Sign()), slices.Index(order, b.Sign())), cmp.Compare(a.Gauge.Name, b.Gauge.Name))
	})
	known := true
	for _, c := range []string{"CZ", "DE", "PL"} {
		v := Picture{Sources: s.sources[c]}
		known = known && v.Known()
	}
	return p.send(w, r, l, fixed, func(context.Context) templ.Component { return p.mapPage(l, s.at, known, marks, rows, waters) })
}
