package register

import (
	"context"
	"fmt"
	"html"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/sign"
)

// View is the piece of the map to draw.
type View struct {
	Centre geo.Point
	// Metres is the width of what is shown; 0 shows the whole region.
	Metres float64
	// Width and Height in CSS pixels; 0 means 960 × 720.
	Width, Height int
	// Areas are outlines to stand out, as of a warning.
	Areas [][]geo.Point
	// Time is written on the map: when the marks were as shown.
	Time time.Time
	// Title is the accessible name, in the reader's language; "" takes a general one.
	Title string
}

// Mark is something to show on the map.
type Mark struct {
	Point geo.Point
	// Level is "l1" … "l4", "ok", "none", "stale" (drawn as their shapes) or ""
	// for a plain pin.
	Level string
	Label string
	URL   string // where a click leads; "" nowhere
}

// Sizes of the drawing in CSS pixels.
const (
	defaultWidth, defaultHeight = 960, 720
	labelSize                   = 17 // as on the screen's map
	symbolSize                  = 28
	letterWidth                 = 0.52 * labelSize // mean of the names
	maxLabels                   = 40
	// municipalityReach is the width in metres up to which lines between
	// municipalities are drawn: in wider views they would be a grey net.
	municipalityReach = 90_000
)

// whole is the view of the whole region.
var wholeCentre = geo.Point{Lat: (window.South + window.North) / 2, Lon: (window.West + window.East) / 2}

func (v View) filled() View {
	if v.Width <= 0 || v.Height <= 0 {
		v.Width, v.Height = defaultWidth, defaultHeight
	}
	if v.Metres <= 0 || !v.Centre.Valid() {
		v.Centre = wholeCentre
		wide := geo.Distance(geo.Point{Lat: wholeCentre.Lat, Lon: window.West}, geo.Point{Lat: wholeCentre.Lat, Lon: window.East})
		high := geo.Distance(geo.Point{Lat: window.South, Lon: wholeCentre.Lon}, geo.Point{Lat: window.North, Lon: wholeCentre.Lon})
		v.Metres = max(wide, high*float64(v.Width)/float64(v.Height))
	}
	return v
}

// plan turns points into pixels: true to scale in the view's centre.
type plan struct {
	View
	perLat, perLon float64 // pixels per degree
}

func newPlan(v View) plan {
	v = v.filled()
	perLat := float64(v.Width) / v.Metres * metresPerDegree
	return plan{v, perLat, perLat * math.Cos(v.Centre.Lat*math.Pi/180)}
}

func (p plan) at(q geo.Point) (x, y float64) {
	return float64(p.Width)/2 + (q.Lon-p.Centre.Lon)*p.perLon, float64(p.Height)/2 - (q.Lat-p.Centre.Lat)*p.perLat
}

func (p plan) sees(b box) bool {
	w, h := float64(p.Width)/2/p.perLon, float64(p.Height)/2/p.perLat
	return b.meets(box{p.Centre.Lat - h, p.Centre.Lon - w, p.Centre.Lat + h, p.Centre.Lon + w})
}

// path writes the lines that are to be seen as the data of one SVG path.
func (p plan) path(lines [][]geo.Point, closed bool) string {
	var b strings.Builder
	for _, l := range lines {
		if len(l) < 2 || !p.sees(boxOf(l)) {
			continue
		}
		lastX, lastY := math.Inf(1), math.Inf(1)
		for i, q := range l {
			x, y := p.at(q)
			if i > 0 && i < len(l)-1 && math.Hypot(x-lastX, y-lastY) < 1 {
				continue // finer than a pixel
			}
			b.WriteByte("ML"[min(i, 1)])
			b.WriteString(strconv.FormatFloat(x, 'f', 1, 64))
			b.WriteByte(' ')
			b.WriteString(strconv.FormatFloat(y, 'f', 1, 64))
			lastX, lastY = x, y
		}
		if closed {
			b.WriteByte('Z')
		}
	}
	return b.String()
}

// label is a name on the map with the room it takes.
type label struct {
	text          string
	x, y          float64 // left end of the base line
	width, height float64
	left          bool // written to the left of its dot, ending there
}

func (l label) meets(o label) bool {
	return l.x < o.x+o.width && o.x < l.x+l.width && l.y-l.height < o.y && o.y-o.height < l.y
}

func room(x, y, width, height float64) label {
	return label{x: x, y: y, width: width, height: height}
}

// labels chooses names of places in the order of their importance; none covers
// another or a mark.
func (p plan) labels(places []Place, l i18n.Lang, taken []label) (names []label, dots [][2]float64) {
	const gap = 8
	for _, place := range places {
		if len(names) == maxLabels {
			break
		}
		x, y := p.at(place.Point)
		if x < 0 || y < labelSize || x > float64(p.Width) || y > float64(p.Height) {
			continue
		}
		text := place.bothNames(l)
		n := label{text: text, x: x + gap, y: y + labelSize/3, width: letterWidth*float64(len([]rune(text))) + gap, height: labelSize * 1.3}
		if n.x+n.width > float64(p.Width) {
			n.x, n.left = x-gap-n.width, true
		}
		dot := room(x-gap/2, y+gap/2, gap, gap)
		if slices.ContainsFunc(taken, func(o label) bool { return n.meets(o) || dot.meets(o) }) {
			continue
		}
		taken, names, dots = append(taken, n, dot), append(names, n), append(dots, [2]float64{x, y})
	}
	return names, dots
}

// bothNames is the local name, with the reader's own after it.
func (p Place) bothNames(l i18n.Lang) string {
	if own, local := p.In(l); local != "" {
		return local + " / " + own
	}
	return p.Name
}

// SVG draws the region or a piece of it for paper and for browsers without
// JavaScript. The page must link the style sheet map.css.
func (r *Register) SVG(v View, marks ...Mark) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		p := newPlan(v)
		title := v.Title
		if title == "" {
			title = web.T(ctx, "register.map.title", nil)
		}
		var b strings.Builder
		fmt.Fprintf(&b, `<figure class="map-still"><svg class="map-svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`, p.Width, p.Height, html.EscapeString(title))
		for _, c := range Countries {
			fmt.Fprintf(&b, `<path class="map-land map-%s" d="%s"/>`, strings.ToLower(string(c)), p.path(r.areaOf(c).rings, true))
		}
		if p.Metres <= municipalityReach {
			fmt.Fprintf(&b, `<path class="map-line map-municipality" d="%s"/>`, p.path(r.linesOf(levelMunicipality), false))
		}
		fmt.Fprintf(&b, `<path class="map-line map-orp" d="%s"/>`, p.path(r.linesOf(levelORP), false))
		fmt.Fprintf(&b, `<path class="map-line map-district" d="%s"/>`, p.path(r.linesOf(levelDistrict), false))
		for _, river := range r.rivers {
			fmt.Fprintf(&b, `<path class="map-line map-river" d="%s"/>`, p.path([][]geo.Point{river.Line}, false))
		}
		fmt.Fprintf(&b, `<path class="map-line map-border" d="%s"/>`, p.path(r.borderLines(), false))
		if len(v.Areas) > 0 {
			fmt.Fprintf(&b, `<path class="map-area" d="%s"/>`, p.path(v.Areas, true))
		}
		var taken []label
		for _, m := range marks {
			if m.Point.Valid() {
				x, y := p.at(m.Point)
				taken = append(taken, room(x-symbolSize/2, y+symbolSize/2, symbolSize, symbolSize), room(x+symbolSize/2, y+labelSize/2, letterWidth*float64(len([]rune(m.Label))), 1.3*labelSize))
			}
		}
		scaleRoom := room(0, float64(p.Height), 200, 44)
		names, dots := p.labels(r.rank, web.Lang(ctx), append(taken, scaleRoom, room(float64(p.Width)-40, 60, 40, 60)))
		for _, d := range dots {
			fmt.Fprintf(&b, `<circle class="map-dot" cx="%.1f" cy="%.1f" r="3"/>`, d[0], d[1])
		}
		for _, n := range names {
			x, anchor := n.x, "start"
			if n.left {
				x, anchor = n.x+n.width, "end"
			}
			fmt.Fprintf(&b, `<text class="map-name" text-anchor="%s" x="%.1f" y="%.1f">%s</text>`, anchor, x, n.y, html.EscapeString(n.text))
		}
		p.scale(&b)
		if _, err := io.WriteString(w, b.String()); err != nil {
			return err
		}
		for _, m := range marks {
			if err := p.mark(ctx, w, m); err != nil {
				return err
			}
		}
		note := r.Note(ctx) + " " + web.T(ctx, "register.map.credit", nil)
		if !v.Time.IsZero() {
			note = web.T(ctx, "register.map.time", i18n.Args{"time": web.DateTime(ctx, v.Time)}) + " · " + note
		}
		_, err := fmt.Fprintf(w, `</svg><figcaption class="map-note">%s</figcaption></figure>`, html.EscapeString(note))
		return err
	})
}

// borderLines are the state borders to draw.
func (r *Register) borderLines() [][]geo.Point {
	var all [][]geo.Point
	for _, b := range r.knownBorders() {
		all = append(all, b.lines...)
	}
	return all
}

// Note says how exact the map is, in the reader's language. It stands beside
// every map that is drawn from the register.
func (r *Register) Note(ctx context.Context) string {
	var official []string
	for _, c := range Countries {
		if !r.areaOf(c).approximate {
			official = append(official, web.T(ctx, "register.country."+string(c), nil))
		}
	}
	if len(official) == 0 {
		return web.T(ctx, "register.map.approximate", nil)
	}
	return web.T(ctx, "register.map.official", i18n.Args{"countries": strings.Join(official, ", ")})
}

// scale draws the bar and the arrow to the north.
func (p plan) scale(b *strings.Builder) {
	perMetre := float64(p.Width) / p.Metres
	length := 1000.0
	for _, l := range []float64{2000, 5000, 10000, 20000, 50000} {
		if l*perMetre <= 160 {
			length = l
		}
	}
	y := p.Height - 14
	fmt.Fprintf(b, `<path class="map-scale" d="M16 %d v6 h%.1f v-6"/><text class="map-name" x="16" y="%d">%d km</text>`, y, length*perMetre, y-6, int(length/1000))
	fmt.Fprintf(b, `<path class="map-arrow" d="M%d 40 l8 -26 l8 26 l-8 -6 Z"/>`, p.Width-30)
}

func (p plan) mark(ctx context.Context, w io.Writer, m Mark) error {
	if !m.Point.Valid() {
		return nil
	}
	x, y := p.at(m.Point)
	if x < 0 || y < 0 || x > float64(p.Width) || y > float64(p.Height) {
		return nil
	}
	open, end := `<g class="map-mark">`, `</g>`
	if m.URL != "" {
		open, end = fmt.Sprintf(`<a class="map-mark" href="%s">`, html.EscapeString(string(templ.URL(m.URL)))), `</a>`
	}
	if _, err := fmt.Fprintf(w, `%s<title>%s</title><g transform="translate(%.1f %.1f)">`, open, html.EscapeString(m.Label), x-symbolSize/2, y-symbolSize/2); err != nil {
		return err
	}
	if known(m.Level) {
		if _, err := fmt.Fprintf(w, `<svg width="%d" height="%d">`, symbolSize, symbolSize); err != nil {
			return err
		}
		if err := sign.Symbol(sign.Level(m.Level)).Render(ctx, w); err != nil {
			return err
		}
		if _, err := io.WriteString(w, `</svg>`); err != nil {
			return err
		}
	} else if _, err := fmt.Fprintf(w, `<path class="map-pin" d="M%[1]d %[1]d l-9 -18 a10 10 0 1 1 18 0 Z"/>`, symbolSize/2); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, `</g><text class="map-name map-name-mark" x="%.1f" y="%.1f">%s</text>%s`, x+symbolSize/2+4, y+labelSize/3, html.EscapeString(m.Label), end)
	return err
}
