package outlet

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/alert/feed"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

// Pages are the addresses of a service.
type Pages struct {
	*Service
	printed posters
}

// NewPages returns them.
func NewPages(s *Service) *Pages { return &Pages{Service: s} }

// Addresses that everybody may fetch. Exercises have their own: whoever reads those of
// reality never meets them. Tests have none.
const (
	areasPath   = "/cap/areas.json"
	geoPath     = "/api/alerts.geojson"
	addressPath = "/api/alerts/public-address"
)

// Register adds the pages.
func (p *Pages) Register(rt *web.Router) {
	read := web.May(mayRead)
	for _, r := range []struct {
		pattern string
		guard   web.Guard
		handler web.Handler
	}{
		{"GET " + root, read, p.list},
		{"GET " + root + "/{id}", read, p.show},
		{"GET /cap/feed.atom", web.Public(), p.feed(store.Live)},
		{"GET /cap/exercise/feed.atom", web.Public(), p.feed(store.Exercise)},
		{"GET /cap/area/{scheme}/{code}/feed.atom", web.Public(), p.feed(store.Live)},
		{"GET /cap/exercise/area/{scheme}/{code}/feed.atom", web.Public(), p.feed(store.Exercise)},
		{"GET " + areasPath, web.Public(), p.areas},
		{"GET " + geoPath, web.Public(), p.geoJSON},
		{"GET " + addressPath, web.Public(), p.publicAddress},
		{"GET /outlet/{kind}/{id}/{file}", web.Public(), p.file},
	} {
		rt.Page(r.pattern, r.guard, r.handler)
	}
}

// Public are the patterns open to strangers.
func Public() []string {
	return []string{"GET /cap/feed.atom", "GET /cap/exercise/feed.atom", "GET /cap/area/{scheme}/{code}/feed.atom", "GET /cap/exercise/area/{scheme}/{code}/feed.atom",
		"GET " + areasPath, "GET " + geoPath, "GET " + addressPath, "GET /outlet/{kind}/{id}/{file}"}
}

func t(ctx context.Context, key string) string { return web.T(ctx, key, nil) }

// send answers with a public document that is asked for again and again: a reader that
// has it already gets 304.
func send(w http.ResponseWriter, r *http.Request, mime string, body []byte, changed time.Time) error {
	return sendAs(w, r, mime, body, body, changed)
}

// sendAs is send for a body of which a part is other each time it is made: says is what
// decides whether it is the same.
func sendAs(w http.ResponseWriter, r *http.Request, mime string, says, body []byte, changed time.Time) error {
	public(w, mime, tagOf(says))
	http.ServeContent(w, r, "", changed, bytes.NewReader(body))
	return nil
}

// tagOf is the ETag of what a document says.
func tagOf(says []byte) string {
	sum := sha256.Sum256(says)
	return strconv.Quote(hex.EncodeToString(sum[:12]))
}

// public are the headers of a public document.
func public(w http.ResponseWriter, mime, tag string) {
	h := w.Header()
	h.Set("Content-Type", mime)
	h.Set("Cache-Control", "no-cache") // ask each time: nobody reads an old warning for a new one
	h.Set("ETag", tag)
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Access-Control-Allow-Origin", "*") // public, and read without cookies
	h.Add("Vary", "Accept-Language, Cookie")
}

func sendJSON(w http.ResponseWriter, r *http.Request, mime string, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return problem.Wrap("outlet.json", err)
	}
	return send(w, r, mime, b.Bytes(), time.Time{})
}

// language is the one that is asked for, else the reader's.
func language(r *http.Request) i18n.Lang {
	if l, ok := i18n.Parse(r.URL.Query().Get("lang")); ok {
		return l
	}
	return web.Lang(r.Context())
}

// kindOf is the kind that is asked for: who does not ask gets what is real alone.
func kindOf(r *http.Request) (store.Kind, error) {
	switch k := store.Kind(cmp.Or(r.URL.Query().Get("kind"), string(store.Live))); k {
	case store.Live, store.Exercise:
		return k, nil
	}
	return "", problem.New("outlet.kind", problem.Invalid, "outlet.bad_kind", nil)
}

func (p *Pages) feed(kind store.Kind) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		l := language(r)
		var place *Place
		if code := r.PathValue("code"); code != "" {
			var err error
			if place, err = p.Place(r.PathValue("scheme")+":"+code, l); err != nil {
				return err
			}
		}
		body, updated, err := p.Atom(r.Context(), kind, place, l)
		if err != nil {
			return err
		}
		return send(w, r, "application/atom+xml; charset=utf-8", body, updated)
	}
}

// areas is the index of the feeds by area.
func (p *Pages) areas(w http.ResponseWriter, r *http.Request) error {
	type line struct {
		Country string `json:"country"`
		Level   string `json:"level"`
		Scheme  string `json:"scheme"`
		Code    string `json:"code"`
		Name    string `json:"name"`
		Feed    string `json:"feed"`
	}
	l, now := language(r), p.o.Clock.Now()
	all := []line{}
	for _, a := range p.o.Areas.Areas() {
		if a.Coverage != area.Listed && a.Coverage != area.Part || !a.From.IsZero() && now.Before(a.From) || !a.To.IsZero() && !now.Before(a.To) {
			continue
		}
		name, _ := a.In(l)
		all = append(all, line{string(a.Country), a.Level, a.Scheme, a.Code, name, p.o.Base + feedPath(store.Live, &Place{Key: a.Key})})
	}
	return sendJSON(w, r, "application/json", map[string]any{"areas": all})
}

// geoJSON gives what holds, narrowed by place, colour, language, kind, origin and cell
// broadcast.
func (p *Pages) geoJSON(w http.ResponseWriter, r *http.Request) error {
	q, l := r.URL.Query(), language(r)
	kind, err := kindOf(r)
	if err != nil {
		return err
	}
	n, err := p.Now(r.Context(), kind)
	if err != nil {
		return err
	}
	if text := q.Get("place"); text != "" {
		place, err := p.Place(text, l)
		if err != nil {
			return err
		}
		p.For(n, place)
	}
	out := struct {
		Type     string      `json:"type"`
		Complete bool        `json:"complete"` // every source is there and current
		Sources  []apiSource `json:"sources"`
		Features []Feature   `json:"features"`
	}{"FeatureCollection", n.Complete(), apiSources(n.Sources), []Feature{}}
	for _, i := range n.Items {
		if v := q.Get("level"); v != "" && v != i.Level.Colour {
			continue
		}
		if v := q.Get("language"); v != "" && !slices.ContainsFunc(i.Texts, func(t feed.Text) bool { return langOf(t.Language) == langOf(v) }) {
			continue
		}
		if v := q.Get("origin"); v != "" && v != string(i.origin) {
			continue
		}
		if v := q.Get("cell_broadcast_id"); v != "" && v != i.CellBroadcast {
			continue
		}
		out.Features = append(out.Features, p.o.Feature(i, l))
	}
	return sendJSON(w, r, "application/geo+json", out)
}

// publicAddress is the profile for sirens, local radio and displays.
func (p *Pages) publicAddress(w http.ResponseWriter, r *http.Request) error {
	l := language(r)
	kind, err := kindOf(r)
	if err != nil {
		return err
	}
	place, err := p.Place(r.URL.Query().Get("place"), l)
	if err != nil {
		return err
	}
	n, err := p.Now(r.Context(), kind)
	if err != nil {
		return err
	}
	p.For(n, place)
	out := struct {
		Place    string      `json:"place"`
		Kind     store.Kind  `json:"kind"`
		Language i18n.Lang   `json:"language"`
		Complete bool        `json:"complete"`
		Unknown  string      `json:"unknown"` // what to say when it is not complete
		Sources  []apiSource `json:"sources"`
		Items    []apiShown  `json:"items"`
	}{Place: place.Name, Kind: kind, Language: l, Complete: n.Complete(), Sources: apiSources(n.Sources), Items: []apiShown{}}
	if !out.Complete {
		out.Unknown = p.o.Texts.Text(l, "outlet.incomplete", nil)
	}
	for _, i := range n.Items {
		out.Items = append(out.Items, p.o.shown(i, l, string(p.Concerns(i, place))))
	}
	return sendJSON(w, r, "application/json", out)
}

// file is one form of an item.
func (p *Pages) file(w http.ResponseWriter, r *http.Request) error {
	kind := store.Kind(r.PathValue("kind"))
	if kind != store.Live && kind != store.Exercise {
		return errNotFound
	}
	i, err := p.Item(r.Context(), kind, r.PathValue("id"))
	if err != nil {
		return err
	}
	l := language(r)
	switch r.PathValue("file") {
	case "original":
		return p.original(w, r, i)
	case "edxl.xml":
		body, err := p.o.EDXL(i)
		if err != nil {
			return problem.Wrap("outlet.edxl", err)
		}
		return send(w, r, "application/xml; charset=utf-8", body, i.Updated)
	case "notice.pdf":
		var langs []i18n.Lang
		for _, text := range r.URL.Query()["lang"] {
			if l, ok := i18n.Parse(text); ok && !slices.Contains(langs, l) {
				langs = append(langs, l)
			}
		}
		return p.pdf(w, r, i, langs)
	case "symbol.svg":
		return send(w, r, "image/svg+xml", []byte(SVG(i.Symbol)), i.Updated)
	case "speech.txt":
		return send(w, r, "text/plain; charset=utf-8", []byte(p.o.Speak(i, l).Plain), i.Updated)
	case "speech.ssml":
		return send(w, r, "application/ssml+xml; charset=utf-8", []byte(p.o.Speak(i, l).SSML), i.Updated)
	case "cell.json":
		return sendJSON(w, r, "application/json", apiHandover(p.o.Handover(i)))
	}
	return errNotFound
}

// keptPosters bounds the posters that are kept: as many as hold at a time in a bad night.
const keptPosters = 64

// posters are those that were made last, by what they say. They are made one at a time:
// strangers may not keep more than one core busy with paper.
type posters struct {
	mu     sync.Mutex
	bodies map[string][]byte
	order  []string // the oldest first
}

// get makes a poster unless there is one that says the same.
func (k *posters) get(says string, build func() ([]byte, error)) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if body, ok := k.bodies[says]; ok {
		return body, nil
	}
	body, err := build()
	if err != nil {
		return nil, err
	}
	if k.bodies == nil {
		k.bodies = map[string][]byte{}
	}
	k.bodies[says] = body
	if k.order = append(k.order, says); len(k.order) > keptPosters {
		delete(k.bodies, k.order[0])
		k.order = k.order[1:]
	}
	return body, nil
}

// pdf gives the notice for the board. Who has it gets it neither sent nor made again.
func (p *Pages) pdf(w http.ResponseWriter, r *http.Request, i *Item, langs []i18n.Lang) error {
	says := fmt.Append(nil, langs, stamp(i.Updated), stamp(i.Expires), i.kind, i.Symbol)
	for _, l := range append(slices.Clone(langs), i.Langs()...) {
		part, err := json.Marshal(struct {
			Feature Feature
			Marks   []Mark
			Until   string
		}{p.o.Feature(i, l), p.o.Marks(i, l), p.o.until(i, l)})
		if err != nil {
			return problem.Wrap("outlet.pdf", err)
		}
		says = append(says, part...)
	}
	sum := sha256.Sum256(says)
	w.Header().Set("Content-Disposition", `inline; filename="notice.pdf"`)
	if strings.Contains(r.Header.Get("If-None-Match"), tagOf(says)) {
		public(w, "application/pdf", tagOf(says))
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	body, err := p.printed.get(string(sum[:]), func() ([]byte, error) { return p.o.Poster(i, langs...) })
	if err != nil {
		return problem.Wrap("outlet.pdf", err)
	}
	return sendAs(w, r, "application/pdf", says, body, time.Time{})
}

// original is an official document byte for byte. A browser shows none of it by itself:
// it is of somebody else.
func (p *Pages) original(w http.ResponseWriter, r *http.Request, i *Item) error {
	if i.origin != Relayed || i.original == "" {
		return errNotFound
	}
	body, name, err := p.o.Original(r.Context(), i.original)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Disposition", `attachment; filename="`+strings.Map(plainName, name)+`"`)
	h.Set("X-Received", stamp(i.received))
	return send(w, r, "application/octet-stream", body, i.received)
}

func plainName(r rune) rune {
	if r == '.' || r == '-' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
		return r
	}
	return '_'
}

// overview is the page of what is fetched.
type overview struct {
	Now         *Now
	Kind        store.Kind
	Place, Cell string
	Found       *Place
	Wrong       string // why the place was not found
	Base        string
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	q, l := r.URL.Query(), web.Lang(r.Context())
	o := overview{Place: strings.TrimSpace(q.Get("place")), Cell: strings.TrimSpace(q.Get("cell")), Base: p.o.Base}
	var err error
	if o.Kind, err = kindOf(r); err != nil {
		return err
	}
	if o.Now, err = p.Now(r.Context(), o.Kind); err != nil {
		return err
	}
	if o.Place != "" {
		if o.Found, err = p.Place(o.Place, l); err != nil {
			if problem.KindOf(err) != problem.NotFound {
				return err
			}
			o.Wrong = web.T(r.Context(), "outlet.no_place", i18n.Args{"place": o.Place})
		} else {
			p.For(o.Now, o.Found)
		}
	}
	if o.Cell != "" {
		o.Now.Items = slices.DeleteFunc(o.Now.Items, func(i *Item) bool { return i.CellBroadcast != o.Cell })
	}
	return web.Render(w, r, http.StatusOK, p.listPage(o))
}

// preview is the page of one item.
type preview struct {
	Item     *Item
	Lang     i18n.Lang
	Marks    []Mark
	Text     string
	TextLang string
	Given    Handover
	Forms    []Rendering
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	ctx, id := r.Context(), r.PathValue("id")
	var i *Item
	err := error(errNotFound)
	for _, k := range store.Kinds { // its own people see tests as well
		if i, err = p.Item(ctx, k, id); err == nil || problem.KindOf(err) != problem.NotFound {
			break
		}
	}
	if err != nil {
		return err
	}
	v := preview{Item: i, Lang: language(r)}
	v.Marks = p.o.Marks(i, v.Lang)
	said := i.In(v.Lang)
	v.Text, v.TextLang = strings.Join(Written(said), "\n"), attribute(said.Language)
	v.Given = p.o.Handover(i)
	if v.Forms, err = p.o.Renderings(i, v.Lang); err != nil {
		return problem.Wrap("outlet.show", err)
	}
	return web.Render(w, r, http.StatusOK, p.showPage(v))
}

func address(id string) string { return root + "/" + url.PathEscape(id) }
