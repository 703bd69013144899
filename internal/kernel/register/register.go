package register

import (
	"cmp"
	"embed"
	"encoding/csv"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"sync/atomic"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
)

// Locales holds the texts of this package for i18n.Load.
//
//go:embed locales
var Locales embed.FS

//go:embed data/*.csv
var data embed.FS

// Country is written as on the control room's screens: CZ, DE, PL.
type Country string

// The three countries; "" is outside of what the register knows.
const (
	CZ Country = "CZ"
	DE Country = "DE"
	PL Country = "PL"
)

// Countries lists the three in the order shown.
var Countries = []Country{CZ, DE, PL}

// Kind tells a municipality from a part of one.
type Kind string

// The two kinds of places.
const (
	Municipality Kind = "municipality"
	Settlement   Kind = "settlement" // part of a municipality, or outside the register's area
)

// Place is a municipality or settlement.
type Place struct {
	ID      string // Country and code, "CZ-563889"; settlements "GN-3061344"
	Kind    Kind
	Country Country
	// Code is the official one: LAU 2 (CZ), AGS (DE), TERYT with the type's
	// digit (PL); "" for settlements.
	Code string
	// Name is the local official name.
	Name string
	// Minority is the official Sorbian name, "" else.
	Minority string
	// Names are those the neighbours use, all of them from memory (data/SOURCES.md);
	// a language without its own name is missing.
	Names map[i18n.Lang]string
	// District is the okres, Kreis or powiat; ORP the Czech municipality with
	// extended powers, "" elsewhere.
	District, DistrictCode string
	ORP                    string
	// Part is the ID of the municipality a settlement belongs to, where known.
	Part  string
	Point geo.Point
	// PointError says within how many metres of the settlement's centre Point lies.
	PointError float64
	// PointStatus says what Point is: "settlement…" or "area-centre"; PointSource
	// where it is from. Sources with terms stand in data/SOURCES.md.
	PointStatus, PointSource string
	// Status tells how name and code were checked: "verified",
	// "verified-secondary" or "from-memory".
	Status string
	// Population is of 2018 to 2025, for the order of results; 0 unknown.
	Population int
	// Matched is the name that Search found: for "Žytawa" the Polish one.
	Matched string
}

// In returns the place's name for a reader of l and the local official one,
// which is "" where both are the same: cs "Žitava", "Zittau".
func (p Place) In(l i18n.Lang) (name, local string) {
	if n := p.Names[l]; n != "" && n != p.Name {
		return n, p.Name
	}
	return p.Name, ""
}

// Near is the nearest place to a point.
type Near struct {
	Place
	Distance float64 // metres from the place to the point
	Bearing  float64 // degrees from the place to the point
}

// Register is the loaded register. It is safe for concurrent use.
type Register struct {
	places   []Place
	rank     []Place // the same, the most important for a map first
	byID     map[string]int
	names    []entry
	rivers   []River
	facts    map[string]map[string]Known // of Czech municipalities, by code
	derived  map[Country]*area
	borders  []borderLine
	official atomic.Pointer[imported]
	shapes   func() *shapes // derived lines, computed when first asked for
}

// River is a line through towns and confluences: approximate.
type River struct {
	Names map[i18n.Lang]string
	Line  []geo.Point
}

// Load reads the embedded register, without what the operator has imported.
func Load() (*Register, error) {
	r := &Register{byID: map[string]int{}, facts: map[string]map[string]Known{}}
	r.official.Store(&imported{})
	for _, step := range []struct {
		file string
		row  func(row) error
	}{
		{"municipalities.csv", r.municipality}, {"settlements.csv", r.settlement}, {"names.csv", r.name},
		{"border.csv", r.border}, {"rivers.csv", r.river}, {"facts.csv", r.fact},
	} {
		if err := each(data, "data/"+step.file, step.row); err != nil {
			return nil, fmt.Errorf("register.Load: %w", err)
		}
	}
	r.index()
	r.sort()
	if err := r.outline(); err != nil {
		return nil, fmt.Errorf("register.Load: %w", err)
	}
	r.shapes = shapesOf(r)
	r.official.Store(&imported{between: r.tracks(&imported{})})
	return r, nil
}

// row gives the fields of a line by the names of the first.
type row struct {
	column map[string]int
	field  []string
}

func (r row) text(name string) string { return r.field[r.column[name]] }

func (r row) number(name string) (float64, error) {
	v, err := strconv.ParseFloat(r.text(name), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%s: %q is no number", name, r.text(name))
	}
	return v, nil
}

func (r row) point() (geo.Point, error) {
	lat, err := r.number("lat")
	if err != nil {
		return geo.Point{}, err
	}
	lon, err := r.number("lon")
	if err != nil {
		return geo.Point{}, err
	}
	if !window.contains(geo.Point{Lat: lat, Lon: lon}) {
		return geo.Point{}, fmt.Errorf("%f %f lies outside of the region", lat, lon)
	}
	return geo.Point{Lat: lat, Lon: lon}, nil
}

func (r row) count(name string) int {
	n, err := strconv.Atoi(r.text(name))
	if err != nil {
		return 0 // not known
	}
	return n
}

func each(files fs.FS, name string, f func(row) error) error {
	file, err := files.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	all, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	columns := map[string]int{}
	for i, c := range all[0] {
		columns[c] = i
	}
	for i, fields := range all[1:] {
		if err := f(row{columns, fields}); err != nil {
			return fmt.Errorf("%s line %d: %w", name, i+2, err)
		}
	}
	return nil
}

func (r *Register) add(p Place) error {
	if !slices.Contains(Countries, p.Country) || p.Name == "" {
		return fmt.Errorf("%q is no place", p.ID)
	}
	if _, ok := r.byID[p.ID]; ok {
		return fmt.Errorf("%s twice", p.ID)
	}
	p.Names = map[i18n.Lang]string{}
	r.byID[p.ID] = len(r.places)
	r.places = append(r.places, p)
	return nil
}

func (r *Register) municipality(w row) error {
	at, err := w.point()
	if err != nil {
		return err
	}
	off, err := w.number("point_error_m")
	if err != nil {
		return err
	}
	country, code := Country(w.text("country")), w.text("code")
	return r.add(Place{
		ID: string(country) + "-" + code, Kind: Municipality, Country: country, Code: code,
		Name: w.text("name"), Minority: w.text("minority"), District: w.text("district"), DistrictCode: w.text("district_code"),
		ORP: w.text("orp"), Point: at, PointError: off, PointStatus: w.text("point_status"), PointSource: w.text("point_source"),
		Status: w.text("status"), Population: w.count("population"),
	})
}

// settlementError is how far GeoNames' points of small places lie from their
// centre, in metres: some are rounded to one minute of arc.
const settlementError = 1000

func (r *Register) settlement(w row) error {
	at, err := w.point()
	if err != nil {
		return err
	}
	p := Place{
		ID: "GN-" + w.text("geonames"), Kind: Settlement, Country: Country(w.text("country")), Name: w.text("name"),
		Part: w.text("municipality"), Point: at, PointError: settlementError, PointStatus: "settlement",
		PointSource: "GeoNames (CC BY 4.0) id " + w.text("geonames"), Status: "verified-secondary", Population: w.count("population"),
	}
	if p.Part != "" {
		i, ok := r.byID[p.Part]
		if !ok {
			return fmt.Errorf("%s is part of the unknown %s", p.Name, p.Part)
		}
		p.District, p.DistrictCode, p.ORP = r.places[i].District, r.places[i].DistrictCode, r.places[i].ORP
	}
	return r.add(p)
}

// upperSorbian has no language of its own on the screens; its names are found.
const upperSorbian = "hsb"

func (r *Register) name(w row) error {
	i, ok := r.byID[w.text("place")]
	if !ok {
		return fmt.Errorf("no place %s", w.text("place"))
	}
	if w.text("lang") == upperSorbian {
		if r.places[i].Minority == "" {
			r.places[i].Minority = w.text("name")
		}
		return nil
	}
	l, ok := i18n.Parse(w.text("lang"))
	if !ok {
		return fmt.Errorf("no language %q", w.text("lang"))
	}
	r.places[i].Names[l] = w.text("name")
	return nil
}

func (r *Register) river(w row) error {
	at, err := w.point()
	if err != nil {
		return err
	}
	if n := len(r.rivers); n == 0 || r.rivers[n-1].Names["cs"] != w.text("cs") {
		r.rivers = append(r.rivers, River{Names: map[i18n.Lang]string{"cs": w.text("cs"), "de": w.text("de"), "pl": w.text("pl")}})
	}
	last := &r.rivers[len(r.rivers)-1]
	last.Line = append(last.Line, at)
	return nil
}

// Place returns the place with an ID.
func (r *Register) Place(id string) (Place, bool) {
	i, ok := r.byID[id]
	if !ok {
		return Place{}, false
	}
	return r.places[i], true
}

// Places lists everything: municipalities first, then settlements.
func (r *Register) Places() []Place { return slices.Clone(r.places) }

// Rivers lists the rivers, each line in the direction of the water.
func (r *Register) Rivers() []River { return slices.Clone(r.rivers) }

// Nearest returns the municipality nearest to p, by the distance to its point:
// that p lies in its area is likely, not certain. It is false outside of the
// region.
func (r *Register) Nearest(p geo.Point) (Near, bool) {
	return r.nearest(p, func(at Place) bool { return at.Kind == Municipality })
}

// NearestPlace is Nearest among municipalities and settlements.
func (r *Register) NearestPlace(p geo.Point) (Near, bool) {
	return r.nearest(p, func(Place) bool { return true })
}

func (r *Register) nearest(p geo.Point, take func(Place) bool) (Near, bool) {
	if !window.contains(p) {
		return Near{}, false
	}
	country := r.Country(p)
	best, at := math.Inf(1), -1
	for i, place := range r.places {
		// Across a border that is certain, nothing is near.
		if !take(place) || country.Confidence == Sure && place.Country != country.Country {
			continue
		}
		if d := geo.Distance(place.Point, p); d < best {
			best, at = d, i
		}
	}
	if at < 0 {
		return Near{}, false
	}
	return Near{Place: r.places[at], Distance: best, Bearing: geo.Bearing(r.places[at].Point, p)}, true
}

// byImportance puts municipalities before settlements and large ones first.
func byImportance(a, b Place) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(b.Population, a.Population), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
}

// sort ranks the places by their people.
func (r *Register) sort() {
	r.rank = slices.Clone(r.places)
	slices.SortFunc(r.rank, func(a, b Place) int {
		return cmp.Or(cmp.Compare(b.Population, a.Population), cmp.Compare(a.ID, b.ID))
	})
}
