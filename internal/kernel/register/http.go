package register

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/a-h/templ"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/sign"
)

// Addresses of the map. Every signed-in person may read them.
const (
	Path      = "/map"
	basePath  = "/map/base.json"
	findPath  = "/map/find"
	pointPath = "/map/point"
	tilesPath = "/map/tiles.pmtiles"

	actionRead = "register.place.read"
)

//go:embed policy.cedar
var policy []byte

// Policy returns the package's access rules.
func Policy() []byte { return policy }

// Nav is the entry of the navigation.
func Nav() []web.NavItem {
	return []web.NavItem{{Section: "map", Key: "register.map.title", URL: Path, Action: actionRead}}
}

// foundAtMost is how many places a search answers with: more are not read.
const foundAtMost = 10

// Pages are the addresses of the map.
type Pages struct {
	// Ask is what the page of the map asks of a chosen point for its reader; nil: nothing
	// beside its country.
	Ask func(ctx context.Context) *Ask

	places *Register
	files  Blobs // nil: no imported tiles

	mu     sync.Mutex
	body   []byte // of base.json, compressed
	tag    string
	source *imported // what body was made of
}

// NewPages returns the pages; files holds what was imported and may be nil.
func NewPages(r *Register, files Blobs) *Pages { return &Pages{places: r, files: files} }

// Register adds the addresses to the router.
func (p *Pages) Register(rt *web.Router) {
	may := web.May(actionRead)
	rt.Page("GET "+Path, may, p.page)
	rt.Page("GET "+basePath, may, p.baseJSON)
	rt.Page("GET "+findPath, may, p.find)
	rt.Page("GET "+pointPath, may, p.point)
	rt.Page("GET "+tilesPath, may, p.tiles)
}

func (p *Pages) baseJSON(w http.ResponseWriter, r *http.Request) error {
	body, tag, err := p.compressed()
	if err != nil {
		return problem.Wrap("register.base", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/geo+json")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Vary", "Accept-Encoding")
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		plain, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return problem.Wrap("register.base", err)
		}
		_, err = io.Copy(w, plain)
		return err
	}
	h.Set("Content-Encoding", "gzip")
	h.Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	_, err = w.Write(body)
	return err
}

// compressed is the base map, made anew after an import.
func (p *Pages) compressed() (body []byte, tag string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.places.official.Load(); p.body == nil || p.source != now {
		plain, err := p.places.base()
		if err != nil {
			return nil, "", err
		}
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write(plain); err != nil {
			return nil, "", err
		}
		if err := z.Close(); err != nil {
			return nil, "", err
		}
		sum := sha256.Sum256(plain)
		p.body, p.tag, p.source = b.Bytes(), strconv.Quote(hex.EncodeToString(sum[:8])), now
	}
	return p.body, p.tag, nil
}

// Found is one answer to what a person wrote about a place.
type Found struct {
	ID       string  `json:"id,omitempty"`
	Text     string  `json:"text"`   // as shown: both names, or the coordinates
	Detail   string  `json:"detail"` // district and country, or the notation and what was assumed
	Lat      float64 `json:"lat"`
	Lon      float64 `json:"lon"`
	HasPoint bool    `json:"has_point"`
	Country  Country `json:"country,omitempty"`
}

// Find reads what a person wrote: coordinates in any notation, a road and
// kilometre, or a name. It is a *problem.Error of kind Invalid with the text
// for the person when coordinates are wrong; nothing found is no error.
func (r *Register) Find(ctx context.Context, q string) ([]Found, error) {
	if strings.TrimSpace(q) == "" {
		return nil, nil
	}
	var all []Found
	places := r.Search(q, foundAtMost)
	for _, p := range places {
		all = append(all, Found{ID: p.ID, Text: p.bothNames(web.Lang(ctx)), Detail: p.detail(ctx), Lat: p.Point.Lat, Lon: p.Point.Lon, HasPoint: true, Country: p.Country})
	}
	if len(all) > 0 && !strings.ContainsAny(q, "0123456789") {
		return all, nil
	}
	readings, err := geo.Parse(q)
	if err != nil {
		if e, ok := asProblem(err); ok && (e.Key == "geo.error.unknown" || len(all) > 0) {
			return all, nil // a name we do not know
		}
		return nil, err
	}
	for _, c := range readings {
		detail := web.T(ctx, c.Notation.Key(), nil)
		if c.Note != "" {
			detail += ". " + web.T(ctx, c.Note, nil)
		}
		f := Found{Text: c.Text, Detail: detail}
		if c.IsPoint() {
			f.Text, f.HasPoint, f.Country = geo.Write(web.Lang(ctx), c.Point, geo.Decimal), true, r.Country(c.Point).Country
			f.Lat, f.Lon = round6(c.Point.Lat), round6(c.Point.Lon)
		}
		all = append(all, f)
	}
	return all, nil
}

// round6 keeps a tenth of a metre.
func round6(v float64) float64 { return math.Round(v*1e6) / 1e6 }

func (p Place) detail(ctx context.Context) string {
	country := web.T(ctx, "register.country."+string(p.Country), nil)
	if p.District == "" {
		return country
	}
	return p.District + ", " + country
}

func asProblem(err error) (*problem.Error, bool) { return errors.AsType[*problem.Error](err) }

func (p *Pages) find(w http.ResponseWriter, r *http.Request) error {
	all, err := p.places.Find(r.Context(), r.URL.Query().Get("q"))
	if err != nil {
		return err
	}
	if all == nil {
		all = []Found{}
	}
	return answer(w, all)
}

// Where is what can be said of a point, in the reader's language.
type Where struct {
	Lat        float64    `json:"lat"`
	Lon        float64    `json:"lon"`
	Country    Country    `json:"country"`
	Confidence Confidence `json:"confidence"`
	// Text is the country in a sentence, with how sure that is.
	Text string `json:"text"`
	// Near is "3.2 km north-east of Zittau"; "" outside of the region.
	Near string `json:"near"`
	// Written is the point in decimal degrees.
	Written string `json:"written"`
}

// Where says of a point what a person wants to hear.
func (r *Register) Where(ctx context.Context, at geo.Point) Where {
	l := r.Country(at)
	out := Where{Lat: round6(at.Lat), Lon: round6(at.Lon), Country: l.Country, Confidence: l.Confidence, Written: geo.Write(web.Lang(ctx), at, geo.Decimal)}
	name := func(c Country) string { return web.T(ctx, "register.country."+string(c), nil) }
	switch l.Confidence {
	case Outside:
		out.Text = web.T(ctx, "register.where.outside", nil)
		return out
	case Sure:
		out.Text = web.T(ctx, "register.where.sure", i18n.Args{"country": name(l.Country)})
	case Unclear:
		var others []string
		for _, c := range l.Others {
			others = append(others, name(c))
		}
		out.Text = web.T(ctx, "register.where.unclear", i18n.Args{"country": name(l.Country), "others": strings.Join(others, ", ")})
	}
	if l.Approximate {
		out.Text += " " + web.T(ctx, "register.where.approximate", i18n.Args{"n": int64(l.Error)})
	}
	if n, ok := r.NearestPlace(at); ok {
		if n.Distance <= n.PointError {
			out.Near = web.T(ctx, "register.where.at", i18n.Args{"place": n.bothNames(web.Lang(ctx))})
		} else {
			eighth := int(math.Round(n.Bearing/45)) % 8
			out.Near = web.T(ctx, "register.where.near", i18n.Args{"distance": distance(web.Lang(ctx), n.Distance),
				"direction": web.T(ctx, "register.direction."+strconv.Itoa(eighth), nil), "place": n.bothNames(web.Lang(ctx))})
		}
	}
	return out
}

// distance writes metres to the nearest fifty, then kilometres.
func distance(l i18n.Lang, metres float64) string {
	if metres < 975 {
		return strconv.Itoa(int(math.Round(metres/50))*50) + "\u00a0m"
	}
	s := strconv.FormatFloat(metres/1000, 'f', 1, 64)
	if l != i18n.En {
		s = strings.Replace(s, ".", ",", 1)
	}
	return s + "\u00a0km"
}

// pointOf reads lat and lon as our own scripts write them.
func pointOf(q url.Values) (geo.Point, error) {
	lat, errLat := strconv.ParseFloat(q.Get("lat"), 64)
	lon, errLon := strconv.ParseFloat(q.Get("lon"), 64)
	p := geo.Point{Lat: lat, Lon: lon}
	switch {
	case errLat != nil || !(math.Abs(lat) <= 90):
		return p, problem.New("register.point", problem.Invalid, "geo.error.latitude", nil)
	case errLon != nil || !p.Valid():
		return p, problem.New("register.point", problem.Invalid, "geo.error.longitude", nil)
	}
	return p, nil
}

func (p *Pages) point(w http.ResponseWriter, r *http.Request) error {
	at, err := pointOf(r.URL.Query())
	if err != nil {
		return err
	}
	return answer(w, p.places.Where(r.Context(), at))
}

func answer(w http.ResponseWriter, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return problem.Wrap("register", err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(body)
	return err
}

// Options of a map that is more than a picture.
type Options struct {
	// Pick lets people choose a point; LatField and LonField are the ids of the
	// two inputs it is written to, in decimal degrees.
	Pick               bool
	LatField, LonField string
	// Field is the id of one input that takes both as "50.850000, 14.840000".
	Field string
	// List is the id of a text field to which each chosen point is added as a line: they
	// are the corners of a drawing, which the map shows.
	List string
	// Ask is what is asked of a chosen point, beside its country; nil: nothing.
	Ask *Ask
	// ID of the element: with one, a part of the page that is replaced keeps the
	// view the person moved to.
	ID string
	// Tiles adds the imported PMTiles archive, if there is one.
	Tiles bool
}

// Ask is a question about points that another package answers beside the map.
type Ask struct {
	Title string // the question in the reader's language
	// Part answers with a piece of HTML for ?lat=…&lon=…, Page with a page for ?at=…
	Part, Page string
}

// page is the address of the answer for readers without scripts.
func (a *Ask) page(at Where) string {
	return a.Page + "?" + url.Values{"at": {coordinate(at.Lat) + ", " + coordinate(at.Lon)}}.Encode() + "#answer"
}

// Map is an interactive map for pages that list "map.css" among their styles and
// "map.js" among their scripts. Without JavaScript or WebGL it stays the drawing
// of SVG. Marks are also a list for those who do not see the map.
func (r *Register) Map(v View, o Options, marks ...Mark) templ.Component {
	return r.element(v, o, marks)
}

func coordinate(v float64) string { return strconv.FormatFloat(v, 'f', 6, 64) }

// page finds places and shows the region; it works without scripts.
func (p *Pages) page(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	s := search{query: q.Get("q")}
	if p.Ask != nil {
		s.ask = p.Ask(ctx)
	}
	if q.Has("lat") || q.Has("lon") {
		at, err := pointOf(q)
		if err != nil {
			return err
		}
		s.choose(p.places.Where(ctx, at))
	}
	if s.query != "" {
		found, err := p.places.Find(ctx, s.query)
		if e, ok := asProblem(err); ok {
			s.wrong = web.T(ctx, e.Key, e.Args)
		} else if err != nil {
			return err
		}
		s.found = found
		if len(found) == 1 && found[0].HasPoint && s.where == nil {
			s.choose(p.places.Where(ctx, geo.Point{Lat: found[0].Lat, Lon: found[0].Lon}))
		}
	}
	return web.Render(w, r, http.StatusOK, p.places.mapPage(s))
}

// search is what the page of the map shows.
type search struct {
	query string
	wrong string
	found []Found
	where *Where
	ask   *Ask
}

func (s *search) choose(at Where) { s.where = &at }

// closeUp is how wide the map is drawn around a chosen point, in metres.
const closeUp = 30_000

func (s search) view(ctx context.Context) (View, []Mark) {
	v := View{Time: web.Now(ctx)}
	if s.where == nil {
		return v, nil
	}
	v.Centre, v.Metres = geo.Point{Lat: s.where.Lat, Lon: s.where.Lon}, closeUp
	return v, []Mark{{Point: v.Centre, Label: s.where.Written}}
}

func placeURL(f Found) string {
	return fmt.Sprintf("%s?lat=%s&lon=%s", Path, coordinate(f.Lat), coordinate(f.Lon))
}

func title(ctx context.Context, v View) string {
	if v.Title != "" {
		return v.Title
	}
	return web.T(ctx, "register.map.title", nil)
}

// known tells whether a mark has a symbol of the common scale.
func known(level string) bool { return slices.Contains(sign.Levels, sign.Level(level)) }

// noteLevel makes an unclear country stand out: it asks for a question.
func noteLevel(c Confidence) sign.Level {
	switch c {
	case Unclear:
		return sign.L1
	case Outside:
		return sign.Stale
	}
	return ""
}

func legendKey(line string) string {
	if line == "border" {
		return "country"
	}
	return line
}
