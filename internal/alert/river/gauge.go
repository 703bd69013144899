package river

import (
	_ "embed"
	"math"
	"slices"
	"strconv"
	"strings"

	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/web/sign"
)

//go:embed data/rivers.csv
var riversCSV string

//go:embed data/gauges.csv
var gaugesCSV string

//go:embed data/reaches.csv
var reachesCSV string

//go:embed data/stages.csv
var stagesCSV string

// River is one of the rivers of the region.
type River struct {
	Key            string
	Names          map[i18n.Lang]string
	Status, Source string
}

// In is its name in a language; English readers get those of the countries.
func (r River) In(l i18n.Lang) string {
	if n := r.Names[l]; n != "" {
		return n
	}
	return r.All()
}

// All are its names in the three countries, each once.
func (r River) All() string {
	var all []string
	for _, l := range []i18n.Lang{i18n.Cs, i18n.De, i18n.Pl} {
		if n := r.Names[l]; n != "" && !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return strings.Join(all, " / ")
}

// Gauge is a place where a river is measured, whichever services tell of it.
type Gauge struct {
	Key     string
	Country string
	River   string // key
	Name    string // of the operator
	Place   string // municipality it is named after; ""
	Service string // of its operator; "": none is read
	// Number is that of the service; "": it is not known, and comes as a row of a person.
	Number         string
	Operator       string
	Lat, Lon       float64 // NaN: not known
	Status, Source string
}

// Station is its ID with the service, "" while the number is not known.
func (g Gauge) Station() string {
	if g.Number == "" {
		return ""
	}
	return g.Service + "/" + g.Number
}

// Reach is one thing on the way of a river from the spring down.
type Reach struct {
	River          string
	Position       int
	What           string // "gauge", "mouth" of another river, "into" another, "border", "dam"
	Key            string // of the gauge or river
	Name           string
	Status, Source string
}

// Stage is a word of one of the three countries.
type Stage struct {
	Country        string
	Order          int
	Name           string
	Sort           string // "limit", "act" (proclaimed), "both"
	Level          sign.Level
	Status, Source string
}

// Atlas are the tables that are shipped.
type Atlas struct {
	Rivers  []River
	Gauges  []Gauge
	Reaches []Reach
	Stages  []Stage
}

// Shipped are the tables.
var Shipped = load()

func load() *Atlas {
	a := &Atlas{}
	read := func(text string, f func(map[string]string)) {
		rows, err := table(text)
		if err != nil {
			panic(err) // the tests read them
		}
		for _, r := range rows {
			f(r)
		}
	}
	degrees := func(s string) float64 {
		if v, err := strconv.ParseFloat(s, 64); err == nil {
			return v
		}
		return math.NaN()
	}
	whole := func(s string) int { n, _ := strconv.Atoi(s); return n }
	read(riversCSV, func(r map[string]string) {
		a.Rivers = append(a.Rivers, River{r["key"], map[i18n.Lang]string{i18n.Cs: r["cs"], i18n.De: r["de"], i18n.Pl: r["pl"]}, r["status"], r["source"]})
	})
	read(gaugesCSV, func(r map[string]string) {
		a.Gauges = append(a.Gauges, Gauge{r["key"], r["country"], r["river"], r["name"], r["place"], r["service"], r["number"], r["operator"], degrees(r["lat"]), degrees(r["lon"]), r["status"], r["source"]})
	})
	read(reachesCSV, func(r map[string]string) {
		a.Reaches = append(a.Reaches, Reach{r["river"], whole(r["position"]), r["kind"], r["key"], r["name"], r["status"], r["source"]})
	})
	read(stagesCSV, func(r map[string]string) {
		a.Stages = append(a.Stages, Stage{r["country"], whole(r["order"]), r["name"], r["sort"], sign.Level(r["level"]), r["status"], r["source"]})
	})
	return a
}

// River is that of a key.
func (a *Atlas) River(key string) (River, bool) {
	n := slices.IndexFunc(a.Rivers, func(r River) bool { return r.Key == key })
	if n < 0 {
		return River{}, false
	}
	return a.Rivers[n], true
}

// Gauge is that of a key.
func (a *Atlas) Gauge(key string) (Gauge, bool) {
	n := slices.IndexFunc(a.Gauges, func(g Gauge) bool { return g.Key == key })
	if n < 0 {
		return Gauge{}, false
	}
	return a.Gauges[n], true
}

// Named is the river that some service calls so.
func (a *Atlas) Named(name string) (River, bool) {
	if name = i18n.Fold(strings.TrimSpace(name)); name == "" {
		return River{}, false
	}
	for _, r := range a.Rivers {
		for _, n := range r.Names {
			if i18n.Fold(n) == name {
				return r, true
			}
		}
	}
	return River{}, false
}

// Level is the common colour of a national name; "" for a name that is not known.
func (a *Atlas) Level(name string) sign.Level {
	n := slices.IndexFunc(a.Stages, func(s Stage) bool { return s.Name == name })
	if n < 0 {
		return ""
	}
	return a.Stages[n].Level
}

// Acts are the stages that authorities of a country proclaim.
func (a *Atlas) Acts(country string) (all []Stage) {
	for _, s := range a.Stages {
		if s.Country == country && s.Sort != "limit" {
			all = append(all, s)
		}
	}
	return all
}

// main are the rivers whose gauges stand in an order.
func (a *Atlas) main() (keys []string) {
	for _, r := range a.Reaches {
		if !slices.Contains(keys, r.River) {
			keys = append(keys, r.River)
		}
	}
	return keys
}

// region is where gauges are kept although their river is none of ours.
var region = struct{ south, north, west, east float64 }{50.4, 51.8, 14.0, 16.2}

// wanted reports whether a gauge of a service is kept: one of ours, of one of our
// rivers, or in the region.
func (a *Atlas) wanted(id, river string, lat, lon float64) bool {
	if slices.ContainsFunc(a.Gauges, func(g Gauge) bool { return g.Station() == id }) {
		return true
	}
	if !math.IsNaN(lat) && !math.IsNaN(lon) {
		return lat >= region.south && lat <= region.north && lon >= region.west && lon <= region.east
	}
	_, ours := a.Named(river)
	return ours
}
