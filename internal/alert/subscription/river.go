package subscription

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/alert/river"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web/sign"
)

// Gauge is what a gauge measured when a limit was crossed or the water rose fast. It is
// never a stage: that an authority proclaims.
type Gauge struct {
	Name, River, Operator string
	Cause                 river.Cause
	Value, From, Rise     float64
	Unit                  river.Unit
	Limit                 string // its national name; "" of a rise
	Within                time.Duration
	At                    time.Time // measured
	Stands                []string  // municipalities that it stands at; all others lie below it
}

// levelsOfLimits are the common levels of limits; 0 of a rise, and of a name not known.
var levelsOfLimits = map[sign.Level]uint8{sign.L1: 1, sign.L2: 2, sign.L3: 3, sign.L4: 4}

// Measured takes an alarm of a river, in its transaction: who wants it is told once that a
// limit was crossed, once that the level is below it again, and of a fast rise. What came
// late and is over is no news to people, and exercises are none.
func Measured(tx *store.Tx, places *register.Register, a river.Alarm) error {
	if a.Kind != store.Live || a.Cause != river.Up && a.Cause != river.Down && a.Cause != river.Fast {
		return nil
	}
	at, below := concerned(places, a.Gauge)
	if len(at)+len(below) == 0 {
		return nil // no row says where the water goes
	}
	own, _ := river.Shipped.Gauge(a.Gauge)
	said := &Said{Source: cmp.Or(own.Operator, a.Where), Received: a.Told.UTC(), Onset: a.At.UTC(),
		Gauge: &Gauge{Name: a.Where, River: a.River, Operator: own.Operator, Cause: a.Cause, Value: a.Value, From: a.From, Rise: a.Rise, Unit: a.Unit, Limit: a.Name, Within: a.Within, At: a.At.UTC(), Stands: at}}
	said.Alert.Hazard, said.Alert.Level = hazardOf("12"), levelsOfLimits[a.Level]
	// A limit that nobody knows the colour of may be the highest; a fast rise waits for no
	// morning: in 2010 it came before the fourth stage.
	said.Danger = said.Alert.Level == 0 || said.Alert.Level >= 3
	for _, id := range append(slices.Clone(at), below...) {
		if p, ok := places.Place(id); ok {
			said.Alert.Areas = append(said.Alert.Areas, feed.Area{Name: p.Name, Codes: []feed.Code{{Scheme: codes[p.Country], Value: p.Code}}})
		}
	}
	c := Change{Ref: "river/" + a.Gauge + "/" + cmp.Or(a.Name, string(river.Fast)), Now: said, At: a.Told.UTC()}
	if a.Cause == river.Down {
		c.Before, c.Now = said, nil
	}
	tx.Notify(Topic)
	return c.insert(tx)
}

// codes are the lists in which municipalities have theirs.
var codes = map[register.Country]string{register.CZ: "LAU2", register.DE: "AGS", register.PL: "TERYT"}

// beside is how far from a river's line a municipality may lie to be told of its water: the
// lines are drawn through towns and along the border, not along the banks.
const beside = 3000 // metres

// concerned are the municipalities that a gauge stands at, and those that lie below it on
// its river and on those it flows into. The order of gauges and mouths are
// the rows of package river, that of municipalities the line of the river in the register.
func concerned(places *register.Register, gauge string) (at, below []string) {
	g, ok := river.Shipped.Gauge(gauge)
	if !ok {
		return nil, nil
	}
	put := func(list *[]string, id string) {
		if id != "" && !slices.Contains(at, id) && !slices.Contains(below, id) {
			*list = append(*list, id)
		}
	}
	put(&at, placeOf(places, g))
	key := g.River
	from := func(what string) int {
		return slices.IndexFunc(river.Shipped.Reaches, func(r river.Reach) bool { return r.River == key && r.What == "gauge" && r.Key == what })
	}
	row := from(gauge)
	spot, known := spotOf(places, g)
	for range river.Shipped.Rivers { // it ends in one that flows into no other of ours
		if known {
			for _, id := range along(places, key, spot) {
				put(&below, id)
			}
		}
		next := ""
		if row >= 0 {
			for _, r := range river.Shipped.Reaches[row+1:] {
				if r.River != key {
					break
				}
				if r.What == "gauge" {
					if x, ok := river.Shipped.Gauge(r.Key); ok {
						put(&below, placeOf(places, x))
					}
				}
				if r.What == "into" {
					next = r.Key
				}
			}
		} else if mouth := slices.IndexFunc(river.Shipped.Reaches, func(r river.Reach) bool { return r.What == "mouth" && r.Key == key }); mouth >= 0 {
			next = river.Shipped.Reaches[mouth].River
		}
		if next == "" {
			return at, below
		}
		// On with the river it flows into, from the mouth; where that is tells the gauge
		// below it.
		row = slices.IndexFunc(river.Shipped.Reaches, func(r river.Reach) bool { return r.River == next && r.What == "mouth" && r.Key == key })
		key, known = next, false
		if row < 0 {
			return at, below
		}
		for _, r := range river.Shipped.Reaches[row+1:] {
			if x, ok := river.Shipped.Gauge(r.Key); ok && r.River == key && r.What == "gauge" && !known {
				spot, known = spotOf(places, x)
			}
		}
	}
	return at, below
}

// placeOf is the municipality that a gauge is named after, "" for none.
func placeOf(places *register.Register, g river.Gauge) string {
	if g.Place == "" {
		return ""
	}
	for _, p := range places.Search(g.Place, 5) {
		if p.Kind == register.Municipality && string(p.Country) == g.Country && p.Name == g.Place {
			return p.ID
		}
	}
	return ""
}

// spotOf is where a gauge stands, else its municipality.
func spotOf(places *register.Register, g river.Gauge) (geo.Point, bool) {
	if !math.IsNaN(g.Lat) && !math.IsNaN(g.Lon) {
		return geo.Point{Lat: g.Lat, Lon: g.Lon}, true
	}
	p, ok := places.Place(placeOf(places, g))
	return p.Point, ok
}

// along are the municipalities at a river below a spot, in the direction of the water.
func along(places *register.Register, key string, spot geo.Point) (ids []string) {
	named, ok := river.Shipped.River(key)
	if !ok {
		return nil
	}
	n := slices.IndexFunc(places.Rivers(), func(r register.River) bool { return r.Names[i18n.Cs] == named.Names[i18n.Cs] })
	if n < 0 {
		return nil
	}
	line := places.Rivers()[n].Line
	begin, away := foot(line, spot)
	if away > 2*beside {
		return nil
	}
	type stop struct {
		id string
		at float64
	}
	var stops []stop
	for _, p := range places.Places() {
		if p.Kind != register.Municipality {
			continue
		}
		if at, away := foot(line, p.Point); away <= beside && at > begin {
			stops = append(stops, stop{p.ID, at})
		}
	}
	slices.SortFunc(stops, func(a, b stop) int { return cmp.Compare(a.at, b.at) })
	for _, s := range stops {
		ids = append(ids, s.id)
	}
	return ids
}

// foot is where on a line the point nearest to p is, as number of its side and part of it,
// and how far that is in metres.
func foot(line []geo.Point, p geo.Point) (at, away float64) {
	away = math.Inf(1)
	flat := func(q geo.Point) (x, y float64) {
		return (q.Lon - p.Lon) * perDegree * math.Cos(p.Lat*math.Pi/180), (q.Lat - p.Lat) * perDegree
	}
	for i := 1; i < len(line); i++ {
		ax, ay := flat(line[i-1])
		bx, by := flat(line[i])
		dx, dy, t := bx-ax, by-ay, 0.0
		if l := dx*dx + dy*dy; l > 0 {
			t = max(0, min(1, -(ax*dx+ay*dy)/l))
		}
		if d := math.Hypot(ax+t*dx, ay+t*dy); d < away {
			at, away = float64(i-1)+t, d
		}
	}
	return at, away
}

func (g *Gauge) args() i18n.Args {
	unit := "cm"
	if g.Unit == river.M3 {
		unit = "m³/s"
	}
	round := func(v float64) float64 { return math.Round(v*10) / 10 }
	return i18n.Args{"gauge": g.Name, "river": cmp.Or(g.River, "–"), "v": round(g.Value), "unit": unit, "from": round(g.From), "name": g.Limit, "rise": math.Round(g.Rise), "time": fmt.Sprintf("%d\u00a0min", int(g.Within.Minutes())), "at": g.At}
}

// measured is the line above: what a gauge says, in the reader's language.
func (s *Service) measured(l i18n.Lang, said *Said, what string) string {
	key := said.Gauge.Cause
	if what == isEnded {
		key = river.Down
	}
	return s.o.Texts.Text(l, "subscription.river."+string(key), said.Gauge.args())
}

// ofGauge is the text: measured when, by whom, what limit, where, and what it is not.
func (s *Service) ofGauge(x *Subscription, said *Said) string {
	g := said.Gauge
	say := func(key string, args i18n.Args) string { return s.o.Texts.Text(x.Lang, key, args) }
	lines := []string{say("subscription.river.no_stage", nil), say("subscription.river.measured", g.args())}
	if g.Limit != "" {
		lines = append(lines, say("subscription.river.limit", g.args()))
	}
	where := "below"
	if slices.ContainsFunc(x.Municipalities, func(id string) bool { return slices.Contains(g.Stands, id) }) {
		where = "at"
	}
	lines = append(lines, say("subscription.river."+where, g.args()), say("subscription.river.source", i18n.Args{"source": said.Source}), say("subscription.say.received", i18n.Args{"time": said.Received, "place": s.placeText(x)}))
	return strings.Join(lines, "\n\n")
}
