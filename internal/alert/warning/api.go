package warning

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/kernel/store"
)

// The shapes of the API, snake_case, times in RFC 3339 and UTC; null where a sender says
// nothing. docs/api.md tells them.

type apiFeed struct {
	Feed       string         `json:"feed"`
	Series     string         `json:"series"`
	Kind       store.Kind     `json:"kind,omitempty"`
	Knowledge  feed.Knowledge `json:"knowledge"`
	State      string         `json:"state"` // current, stale, no_data
	StaleSince *time.Time     `json:"stale_since"`
	Issued     *time.Time     `json:"issued"`
	Fetched    *time.Time     `json:"fetched"`
	Terms      string         `json:"attribution"`
	Licence    string         `json:"licence"`
}

type apiWarning struct {
	ID          string     `json:"id"`
	Kind        store.Kind `json:"kind"`
	Phase       Phase      `json:"phase"`
	Reason      Reason     `json:"reason,omitempty"`
	Ended       *time.Time `json:"ended"`
	Country     string     `json:"country"`
	Event       string     `json:"event"`
	Code        string     `json:"code"`
	Levels      []apiLevel `json:"levels"`
	Sent        *time.Time `json:"sent"`
	Onset       *time.Time `json:"onset"`
	Expires     *time.Time `json:"expires"`
	Received    *time.Time `json:"received"`
	Sender      string     `json:"sender"`
	Texts       []apiText  `json:"texts"`
	Areas       []apiArea  `json:"areas"`
	Attribution string     `json:"attribution"`
	Licence     string     `json:"licence"`
	Copies      []apiCopy  `json:"copies"`
	Links       []apiLink  `json:"links"`
}

type apiLevel struct {
	National string `json:"national"`
	Colour   string `json:"colour"`
	Severity string `json:"severity"`
}

type apiText struct {
	Language    string `json:"language"`
	Event       string `json:"event"`
	Headline    string `json:"headline"`
	Description string `json:"description"`
	Instruction string `json:"instruction"`
}

type apiArea struct {
	Name  string    `json:"name"`
	Codes []apiCode `json:"codes"`
}

type apiCode struct {
	Scheme string `json:"scheme"`
	Code   string `json:"code"`
}

type apiCopy struct {
	ID       string     `json:"id"`
	Source   string     `json:"source"`
	Native   string     `json:"native_id"`
	Issuer   bool       `json:"issuer"`
	Current  bool       `json:"current"`
	Phase    Phase      `json:"phase"`
	Reason   Reason     `json:"reason,omitempty"`
	Received *time.Time `json:"received"`
}

type apiLink struct {
	A    string `json:"a"`
	B    string `json:"b"`
	Rule Rule   `json:"rule"`
	Why  string `json:"why"`
}

func when(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}

func apiOf(w *Warning) apiWarning {
	said, terms := w.Says(), TermsOf(w.Lead.Source)
	a := apiWarning{ID: w.ID, Kind: w.Kind, Phase: w.Phase, Reason: w.Reason, Ended: when(w.Ended), Country: w.Country(), Event: said.Event, Code: said.Code,
		Sent: when(said.Sent.At), Onset: when(said.Onset.At), Expires: when(said.Expires.At), Received: when(w.Lead.First), Sender: said.Sender,
		Levels: []apiLevel{}, Texts: []apiText{}, Areas: []apiArea{}, Attribution: terms.Attribution, Licence: terms.Licence, Copies: []apiCopy{}, Links: []apiLink{}}
	for _, l := range w.Levels() {
		a.Levels = append(a.Levels, apiLevel{l.National, l.Colour, l.Severity})
	}
	for _, x := range said.Texts {
		a.Texts = append(a.Texts, apiText(x))
	}
	for _, m := range w.Heads() {
		for _, x := range m.Now().Content.Areas {
			area := apiArea{Name: x.Name, Codes: []apiCode{}}
			for _, c := range x.Codes {
				area.Codes = append(area.Codes, apiCode{c.Scheme, c.Value})
			}
			a.Areas = append(a.Areas, area)
		}
	}
	for _, m := range w.Members {
		a.Copies = append(a.Copies, apiCopy{m.ID, m.Source, m.Native, m.Issuer, m.Head, m.Phase, m.Reason, when(m.First)})
	}
	for _, l := range w.Links {
		a.Links = append(a.Links, apiLink(l))
	}
	return a
}

// asked are the warnings a program asks for. Who does not ask for a kind gets what is
// real alone: nobody is to be alarmed by an exercise that he did not expect.
func (p *Pages) asked(r *http.Request) ([]*Warning, []apiFeed, error) {
	all, b, err := p.Warnings(r.Context())
	if err != nil {
		return nil, nil, err
	}
	f := filterOf(r)
	if f.Kind == "" {
		f.Kind = string(store.Live)
	}
	all = slices.DeleteFunc(all, func(w *Warning) bool { return !f.fits(w) || f.Phase == "" && w.Phase == Ended })
	slices.SortFunc(all, order)
	feeds := []apiFeed{}
	for _, s := range p.Feeds(b, p.o.Clock.Now()) {
		x := apiFeed{Feed: s.Feed.Name, Knowledge: s.Feed.Knowledge, State: "no_data", Terms: TermsOf(s.Feed.Name).Attribution, Licence: TermsOf(s.Feed.Name).Licence}
		if s.Series != nil {
			x.Series, x.Kind, x.State, x.Issued, x.Fetched, x.StaleSince = s.Series.Name, s.Series.Kind, "current", when(s.Series.Issued), when(s.Series.Fetched), when(s.Stale)
			if !s.Stale.IsZero() {
				x.State = "stale"
			}
		}
		feeds = append(feeds, x)
	}
	return all, feeds, nil
}

func (p *Pages) api(w http.ResponseWriter, r *http.Request) error {
	all, feeds, err := p.asked(r)
	if err != nil {
		return err
	}
	out := struct {
		At       time.Time    `json:"at"`
		Complete bool         `json:"complete"` // every feed is there and current
		Feeds    []apiFeed    `json:"feeds"`
		Warnings []apiWarning `json:"warnings"`
	}{p.o.Clock.Now(), !slices.ContainsFunc(feeds, func(f apiFeed) bool { return f.State != "current" }), feeds, []apiWarning{}}
	for _, x := range all {
		out.Warnings = append(out.Warnings, apiOf(x))
	}
	return answer(w, "application/json", out)
}

func answer(w http.ResponseWriter, kind string, v any) error {
	w.Header().Set("Content-Type", kind)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// geoJSON gives them with the shapes that their senders gave (spec: RFC 7946). A warning
// without one has the geometry null: its areas are codes.
func (p *Pages) geoJSON(w http.ResponseWriter, r *http.Request) error {
	all, feeds, err := p.asked(r)
	if err != nil {
		return err
	}
	type feature struct {
		Type       string     `json:"type"`
		ID         string     `json:"id"`
		Geometry   any        `json:"geometry"`
		Properties apiWarning `json:"properties"`
	}
	out := struct {
		Type     string    `json:"type"`
		Feeds    []apiFeed `json:"feeds"`
		Features []feature `json:"features"`
	}{"FeatureCollection", feeds, []feature{}}
	for _, x := range all {
		out.Features = append(out.Features, feature{"Feature", x.ID, shapeOf(x), apiOf(x)})
	}
	return answer(w, "application/geo+json", out)
}

// shapeOf is the polygons of all heads; nil without one.
func shapeOf(w *Warning) any {
	var polygons [][][][2]float64
	for _, m := range w.Heads() {
		for _, a := range m.Now().Content.Areas {
			for _, text := range a.Polygons {
				if ring := ringOf(text); ring != nil {
					polygons = append(polygons, [][][2]float64{ring})
				}
			}
		}
	}
	if len(polygons) == 0 {
		return nil
	}
	return map[string]any{"type": "MultiPolygon", "coordinates": polygons}
}

// ringOf reads "lat,lon lat,lon …" as CAP writes it, closed, the way round that GeoJSON
// asks for. What is no ring has no shape.
func ringOf(text string) (ring [][2]float64) {
	for pair := range strings.FieldsSeq(text) {
		a, b, ok := strings.Cut(pair, ",")
		lat, err1 := strconv.ParseFloat(a, 64)
		lon, err2 := strconv.ParseFloat(b, 64)
		if !ok || err1 != nil || err2 != nil || lat < -90 || lat > 90 || lon < -180 || lon > 180 {
			return nil
		}
		ring = append(ring, [2]float64{lon, lat})
	}
	if len(ring) < 4 || ring[0] != ring[len(ring)-1] {
		return nil
	}
	area := 0.0
	for i := range len(ring) - 1 {
		area += ring[i][0]*ring[i+1][1] - ring[i+1][0]*ring[i][1]
	}
	if area < 0 { // spec: RFC 7946, §3.1.6: the outer ring goes against the clock
		slices.Reverse(ring)
	}
	return ring
}
