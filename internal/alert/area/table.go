package area

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
)

//go:embed data/areas.csv
var data embed.FS

// edition is the day of the shipped table; a change of the file changes Table.Version
// anyhow.
const edition = "2026-11-30"

// Status is how well a row is known.
type Status string

// The statuses. A derived code follows by a rule from another one.
const (
	Verified          Status = "verified"
	VerifiedSecondary Status = "verified-secondary"
	FromMemory        Status = "from-memory"
	Derived           Status = "derived"
)

var statuses = []Status{Verified, VerifiedSecondary, FromMemory, Derived}

// Coverage is what the register can say of the municipalities of an area.
type Coverage string

// The coverages.
const (
	Listed  Coverage = "listed"  // exactly these municipalities, of those in the register
	Outside Coverage = "outside" // none of the register: the area lies elsewhere
	Part    Coverage = "part"    // some of these, nobody has said which
	Unknown Coverage = "unknown" // no row says which municipalities it holds
)

// Key names a row: a code in a list of codes.
type Key struct{ Scheme, Code string }

func (k Key) String() string { return k.Scheme + " " + k.Code }

// Area is one code with what is known of it.
type Area struct {
	Key
	Country register.Country
	// Level is what it is in its country: municipality, orp, okres, kraj, kreis,
	// kreispart, land, powiat, voivodeship, subregion, nuts2, catchment.
	Level string
	// Name is the local one, Names those of other languages; NamesStatus is how well they
	// are known. A language without its own name is missing.
	Name        string
	Names       map[i18n.Lang]string
	NamesStatus Status
	Parent      Key // zero: none
	Coverage    Coverage
	// From and To bound the days the row counts for, To not included; zero: always.
	From, To time.Time
	Status   Status
	Rule     string // by which a derived one follows from Base: a key of a text, "" else
	Base     Key
	Source   string
	// Centre is by a second source: it is for checks, not for membership. ok: HasCentre.
	Centre    geo.Point
	HasCentre bool

	members  string   // as the table says it
	places   []string // IDs of municipalities
	patterns bool     // Code is a pattern
}

// In returns the name for a reader of l and the local one, which is "" where both are the
// same.
func (a Area) In(l i18n.Lang) (name, local string) {
	if n := a.Names[l]; n != "" && n != a.Name {
		return n, a.Name
	}
	return a.Name, ""
}

func (a *Area) valid(at time.Time) bool {
	return (a.From.IsZero() || !at.Before(a.From)) && (a.To.IsZero() || at.Before(a.To))
}

// Table is the register of areas. It does not change and is safe for concurrent use.
type Table struct {
	places   *register.Register
	version  string
	rows     []*Area
	byKey    map[Key][]*Area
	patterns map[string][]*Area // by scheme, the longest first
	towns    map[string]register.Place
}

// Columns are those of the table's file.
var Columns = []string{"country", "level", "scheme", "code", "name", "cs", "de", "pl", "en", "parent", "members", "lat", "lon", "valid_from", "valid_to", "status", "names_status", "source"}

// Load reads the shipped table for a register of municipalities.
func Load(places *register.Register) (*Table, error) {
	file, err := data.ReadFile("data/areas.csv")
	if err != nil {
		return nil, fmt.Errorf("area.Load: %w", err)
	}
	return Parse(file, places)
}

// Parse reads a table: rows of Columns.
func Parse(file []byte, places *register.Register) (*Table, error) {
	sum := sha256.Sum256(file)
	t := &Table{places: places, version: edition + "/" + hex.EncodeToString(sum[:4]), byKey: map[Key][]*Area{}, patterns: map[string][]*Area{}, towns: map[string]register.Place{}}
	for _, p := range places.Places() {
		if p.Kind == register.Municipality {
			t.towns[p.ID] = p
		}
	}
	r := csv.NewReader(bytes.NewReader(file))
	for n := 1; ; n++ {
		fields, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("area.Parse: %w", err)
		}
		if n == 1 {
			if !slices.Equal(fields, Columns) {
				return nil, fmt.Errorf("area.Parse: the columns are %v, want %v", fields, Columns)
			}
			continue
		}
		a, err := t.row(fields)
		if err == nil {
			err = t.add(a)
		}
		if err != nil {
			return nil, fmt.Errorf("area.Parse: line %d: %w", n, err)
		}
	}
	if err := t.municipalities(); err != nil {
		return nil, fmt.Errorf("area.Parse: %w", err)
	}
	t.derive()
	for _, list := range t.patterns {
		slices.SortStableFunc(list, func(a, b *Area) int { return cmp.Compare(len(b.Code), len(a.Code)) })
	}
	return t, nil
}

// Version tells tables apart: the day of the edition and the beginning of the file's
// SHA-256.
func (t *Table) Version() string { return t.version }

func (t *Table) row(f []string) (*Area, error) {
	get := func(column string) string { return f[slices.Index(Columns, column)] }
	a := &Area{
		Key: Key{get("scheme"), get("code")}, Country: register.Country(get("country")), Level: get("level"), Name: get("name"), Names: map[i18n.Lang]string{},
		Status: Status(get("status")), NamesStatus: Status(get("names_status")), Source: get("source"), members: get("members"),
	}
	if !slices.Contains(register.Countries, a.Country) || a.Scheme == "" || a.Code == "" || a.Name == "" || a.Level == "" {
		return nil, fmt.Errorf("%s is no row: country, level, scheme, code and name are needed", a.Key)
	}
	if !slices.Contains(statuses, a.Status) || a.NamesStatus != "" && !slices.Contains(statuses, a.NamesStatus) {
		return nil, fmt.Errorf("%s: the status is none of %v", a.Key, statuses)
	}
	for _, l := range i18n.Langs {
		if n := get(string(l)); n != "" {
			a.Names[l] = n
		}
	}
	if p := get("parent"); p != "" {
		scheme, code, ok := strings.Cut(p, ":")
		if !ok {
			return nil, fmt.Errorf("%s: parent %q is not written scheme:code", a.Key, p)
		}
		a.Parent = Key{scheme, code}
	}
	for _, d := range []struct {
		column string
		to     *time.Time
	}{{"valid_from", &a.From}, {"valid_to", &a.To}} {
		if text := get(d.column); text != "" {
			day, err := time.ParseInLocation(time.DateOnly, text, zone())
			if err != nil {
				return nil, fmt.Errorf("%s: %s %q is no day such as 2021-01-01", a.Key, d.column, text)
			}
			*d.to = day
		}
	}
	if lat, lon := get("lat"), get("lon"); lat+lon != "" {
		y, err1 := strconv.ParseFloat(lat, 64)
		x, err2 := strconv.ParseFloat(lon, 64)
		a.Centre, a.HasCentre = geo.Point{Lat: y, Lon: x}, true
		if err1 != nil || err2 != nil || !a.Centre.Valid() {
			return nil, fmt.Errorf("%s: %s %s is no point", a.Key, lat, lon)
		}
	}
	a.patterns = strings.Contains(a.Code, "*")
	return a, t.hold(a)
}

// zone is that of the three countries, in which days begin.
var zone = sync.OnceValue(func() *time.Location {
	z, err := time.LoadLocation(i18n.DefaultZone)
	if err != nil {
		return time.UTC
	}
	return z
})

// hold finds the municipalities of an area by what the table says of them: "none" (it
// lies elsewhere), "" (nobody knows), "country=CZ", "district=14626", "orp=Liberec" (all
// with that in the register), "list=PL-0225011;PL-…", "part=14626" (some of a district).
func (t *Table) hold(a *Area) error {
	how, what, _ := strings.Cut(a.members, "=")
	var in func(register.Place) bool
	a.Coverage = Listed
	switch how {
	case "":
		a.Coverage = Unknown
		return nil
	case "none":
		a.Coverage = Outside
		return nil
	case "country":
		in = func(p register.Place) bool { return string(p.Country) == what }
	case "part":
		a.Coverage = Part
		in = func(p register.Place) bool { return p.DistrictCode == what }
	case "district":
		in = func(p register.Place) bool { return p.DistrictCode == what }
	case "orp":
		in = func(p register.Place) bool { return p.ORP == what }
	case "list":
		ids := strings.Split(what, ";")
		for _, id := range ids {
			if _, ok := t.towns[id]; !ok {
				return fmt.Errorf("%s: there is no municipality %q in the register", a.Key, id)
			}
		}
		in = func(p register.Place) bool { return slices.Contains(ids, p.ID) }
	default:
		return fmt.Errorf("%s: members %q is not understood", a.Key, a.members)
	}
	a.places = nil
	for id, p := range t.towns {
		if p.Country == a.Country && in(p) {
			a.places = append(a.places, id)
		}
	}
	slices.Sort(a.places)
	if len(a.places) == 0 {
		return fmt.Errorf("%s: no municipality of the register has %s", a.Key, a.members)
	}
	return nil
}

func (t *Table) add(a *Area) error {
	for _, b := range t.byKey[a.Key] {
		if (a.From.IsZero() || b.To.IsZero() || a.From.Before(b.To)) && (b.From.IsZero() || a.To.IsZero() || b.From.Before(a.To)) {
			return fmt.Errorf("%s twice at one time", a.Key)
		}
	}
	t.rows = append(t.rows, a)
	t.byKey[a.Key] = append(t.byKey[a.Key], a)
	if a.patterns {
		t.patterns[a.Scheme] = append(t.patterns[a.Scheme], a)
	}
	return nil
}

// schemes of the codes of municipalities in the three countries.
var municipal = map[register.Country]string{register.CZ: "LAU2", register.DE: "AGS", register.PL: "TERYT"}

// municipalities adds those of the register.
func (t *Table) municipalities() error {
	for _, p := range t.places.Places() {
		if p.Kind != register.Municipality {
			continue
		}
		a := &Area{Key: Key{municipal[p.Country], p.Code}, Country: p.Country, Level: "municipality", Name: p.Name, Names: p.Names,
			Status: Status(p.Status), Coverage: Listed, places: []string{p.ID}, members: "list=" + p.ID, Source: "register of municipalities"}
		if len(p.Names) > 0 {
			a.NamesStatus = FromMemory
		}
		switch p.Country {
		case register.CZ:
			a.Parent = Key{"CISORP", ""}
			for _, b := range t.rows {
				if b.Scheme == "CISORP" && b.members == "orp="+p.ORP {
					a.Parent = b.Key
				}
			}
		case register.DE:
			a.Parent = Key{"AGS", p.DistrictCode}
		case register.PL:
			a.Parent = Key{"TERYT", p.DistrictCode}
		}
		if err := t.add(a); err != nil {
			return err
		}
	}
	return nil
}

// schemeNames are other names of the same lists.
var schemeNames = map[string]string{
	"ARS12": "ARS", "RS": "ARS", "TERYT4": "TERYT", "TERC": "TERYT", "NUTS1": "NUTS", "NUTS2": "NUTS", "NUTS3": "NUTS", "EMMA": "EMMA_ID",
	"KOD_ZLEWNI": "IMGW", "RUIAN_OBEC": "LAU2", "CZ_LAU2": "LAU2", "WARNCELL": "WARNCELLID",
}

func canonical(scheme, code string) Key {
	scheme = strings.ToUpper(strings.TrimSpace(scheme))
	if s, ok := schemeNames[scheme]; ok {
		scheme = s
	}
	code = strings.TrimSpace(code)
	if scheme != "RSO" {
		code = strings.ToUpper(code)
	}
	return Key{scheme, code}
}

// Lookup returns the area of a code as it was at a time. A code that follows by a rule
// from another one is Derived. It is false for a code that nobody knows.
func (t *Table) Lookup(scheme, code string, at time.Time) (Area, bool) {
	k := canonical(scheme, code)
	if strings.Contains(k.Code, "*") {
		return Area{}, false
	}
	if a := t.find(k, at); a != nil {
		return *a, true
	}
	if a, ok := t.byRule(k, at); ok {
		return a, true
	}
	for _, a := range t.patterns[k.Scheme] {
		if ok, _ := path.Match(a.Code, k.Code); ok && a.valid(at) && wellFormed(k) {
			b := *a
			b.Key, b.Base, b.Rule, b.Status = k, a.Key, "pattern", a.Status
			return b, true
		}
	}
	return Area{}, false
}

func (t *Table) find(k Key, at time.Time) *Area {
	for _, a := range t.byKey[k] {
		if a.valid(at) && !a.patterns {
			return a
		}
	}
	return nil
}

// Municipalities returns those of an area, in the order of their codes, and what they
// are of it. It is false for a code that nobody knows.
func (t *Table) Municipalities(scheme, code string, at time.Time) ([]register.Place, Coverage, bool) {
	a, ok := t.Lookup(scheme, code, at)
	if !ok {
		return nil, Unknown, false
	}
	return t.placesOf(&a), a.Coverage, true
}

func (t *Table) placesOf(a *Area) []register.Place {
	all := make([]register.Place, 0, len(a.places))
	for _, id := range a.places {
		all = append(all, t.towns[id])
	}
	return all
}

// Areas lists the rows, shipped, of the register and derived ones, by scheme and code;
// patterns are left out. Rows of all times are in it.
func (t *Table) Areas() []Area {
	var all []Area
	for _, a := range t.rows {
		if !a.patterns {
			all = append(all, *a)
		}
	}
	slices.SortStableFunc(all, func(a, b Area) int {
		return cmp.Or(cmp.Compare(a.Scheme, b.Scheme), cmp.Compare(a.Code, b.Code), a.From.Compare(b.From))
	})
	return all
}

// Write writes rows as CSV with Columns, the municipalities of each named one by one.
func (t *Table) Write(w io.Writer, rows []Area) error {
	out := csv.NewWriter(w)
	out.Write(Columns)
	for _, a := range rows {
		members := a.members
		if a.Coverage == Listed {
			members = "list=" + strings.Join(a.places, ";")
		}
		parent, lat, lon := "", "", ""
		if a.Parent != (Key{}) {
			parent = a.Parent.Scheme + ":" + a.Parent.Code
		}
		if a.HasCentre {
			lat, lon = strconv.FormatFloat(a.Centre.Lat, 'f', -1, 64), strconv.FormatFloat(a.Centre.Lon, 'f', -1, 64)
		}
		out.Write([]string{string(a.Country), a.Level, a.Scheme, a.Code, a.Name, a.Names[i18n.Cs], a.Names[i18n.De], a.Names[i18n.Pl], a.Names[i18n.En],
			parent, members, lat, lon, day(a.From), day(a.To), string(a.Status), string(a.NamesStatus), a.Source})
	}
	out.Flush()
	return out.Error()
}

// Query narrows a list of areas.
type Query struct {
	Scheme  string
	Country register.Country
	Words   string // each in the code or in a name
}

// Of returns the areas that the query asks for.
func (q Query) Of(all []Area) []Area {
	scheme := canonical(q.Scheme, "").Scheme
	var words []string
	for _, w := range strings.Fields(strings.ToLower(q.Words)) {
		if strings.ContainsAny(w, "0123456789") { // of a code
			words = append(words, w)
		} else {
			words = append(words, strings.Fields(core(w))...)
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(a Area) bool {
		text := strings.ToLower(a.Code) + " " + core(a.Name)
		for _, n := range a.Names {
			text += " " + core(n)
		}
		return q.Scheme != "" && a.Scheme != scheme || q.Country != "" && a.Country != q.Country ||
			slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
	})
}

// PlacesOf are the municipalities of an area.
func (t *Table) PlacesOf(a Area) []register.Place { return t.placesOf(&a) }

// Since is the first day of a row, Until the day after its last; "" for always.
func (a Area) Since() string { return day(a.From) }

// Until is described at Since.
func (a Area) Until() string { return day(a.To) }

func day(d time.Time) string {
	if d.IsZero() {
		return ""
	}
	return d.In(zone()).Format(time.DateOnly)
}

// Key is that of the status's text.
func (s Status) Key() string { return "area.status." + strings.ReplaceAll(string(s), "-", "_") }
