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
	"sync/atomic"
	"time"

	"trojmezi/internal/alert/feed"
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
	// Outline is where it lies, or nil. Without members it alone tells whom the area
	// concerns.
	Outline *Shape
	// Own is the number of the version that somebody here wrote, 0 for what is shipped or
	// derived.
	Own int

	outlineText string

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

// Table is the register of areas. It is safe for concurrent use: what it answers by is
// replaced as a whole when an operator's own rows change.
type Table struct{ now atomic.Pointer[sheet] }

// sheet is what a table answers by at one moment. It does not change.
type sheet struct {
	places   *register.Register
	version  string
	rows     []*Area
	byKey    map[Key][]*Area
	patterns map[string][]*Area // by scheme, the longest first
	towns    map[string]register.Place
}

// Columns are those of the table's file. A row may end before the last one.
var Columns = []string{"country", "level", "scheme", "code", "name", "cs", "de", "pl", "en", "parent", "members", "lat", "lon", "valid_from", "valid_to", "status", "names_status", "source", "outline"}

// isHeader reports whether a line names the columns, with or without the outline.
func isHeader(f []string) bool {
	return slices.Equal(f, Columns) || slices.Equal(f, Columns[:len(Columns)-1])
}

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
	rows, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("area.Parse: %w", err)
	}
	if len(rows) == 0 || !isHeader(rows[0]) {
		return nil, fmt.Errorf("area.Parse: the columns are not %v", Columns)
	}
	sum := sha256.Sum256(file)
	s := newSheet(places, edition+"/"+hex.EncodeToString(sum[:4]))
	for n, f := range rows[1:] {
		a, err := s.row(f)
		if err == nil {
			err = s.add(a)
		}
		if err != nil {
			return nil, fmt.Errorf("area.Parse: line %d: %w", n+2, err)
		}
	}
	if err := s.complete(); err != nil {
		return nil, fmt.Errorf("area.Parse: %w", err)
	}
	t := &Table{}
	t.now.Store(s)
	return t, nil
}

func newSheet(places *register.Register, version string) *sheet {
	t := &sheet{places: places, version: version, byKey: map[Key][]*Area{}, patterns: map[string][]*Area{}, towns: map[string]register.Place{}}
	for _, p := range places.Places() {
		if p.Kind == register.Municipality {
			t.towns[p.ID] = p
		}
	}
	return t
}

// complete adds what follows from the rows.
func (t *sheet) complete() error {
	if err := t.municipalities(); err != nil {
		return err
	}
	t.derive()
	for _, list := range t.patterns {
		slices.SortStableFunc(list, func(a, b *Area) int { return cmp.Compare(len(b.Code), len(a.Code)) })
	}
	return nil
}

// Version tells tables apart: the day of the edition and the beginning of the file's
// SHA-256; with own rows, that of theirs.
func (t *Table) Version() string { return t.now.Load().version }

// Lookup returns the area of a code as it was at a time. A code that follows by a rule
// from another one is Derived. It is false for a code that nobody knows.
func (t *Table) Lookup(scheme, code string, at time.Time) (Area, bool) {
	return t.now.Load().Lookup(scheme, code, at)
}

// Municipalities returns those of an area, in the order of their codes, and what they
// are of it. It is false for a code that nobody knows.
func (t *Table) Municipalities(scheme, code string, at time.Time) ([]register.Place, Coverage, bool) {
	s := t.now.Load()
	a, ok := s.Lookup(scheme, code, at)
	if !ok {
		return nil, Unknown, false
	}
	return s.placesOf(&a), a.Coverage, true
}

// PlacesOf are the municipalities of an area.
func (t *Table) PlacesOf(a Area) []register.Place { return t.now.Load().placesOf(&a) }

// Areas lists the rows, shipped, own, of the register and derived ones, by scheme and
// code; patterns are left out. Rows of all times are in it.
func (t *Table) Areas() []Area { return t.now.Load().areas() }

// Check compares the rows with each other, with the register of municipalities and with
// the middles and outlines that a second source has: names of the same area in all
// schemes, codes that follow from others, parents, places. It finds rows that were mixed
// up. at is the day that it looks at; rows of other days lend their names.
func (t *Table) Check(at time.Time) []Doubt { return t.now.Load().check(at) }

// Concerns tells whether one of the areas of a warning concerns a place, by the table as
// it was at a time. A municipality is concerned by its code, its ORP's, its district's
// and so on; shapes are asked too. One Yes is enough; codes that all lie elsewhere are
// stronger than a shape nearby; whatever nobody knows is Unclear.
func (t *Table) Concerns(areas []feed.Area, place Place, at time.Time) Answer {
	return t.now.Load().Concerns(areas, place, at)
}

func (t *sheet) row(f []string) (*Area, error) {
	get := func(column string) string {
		if i := slices.Index(Columns, column); i < len(f) {
			return strings.TrimSpace(f[i])
		}
		return ""
	}
	a := &Area{
		Key: Key{get("scheme"), get("code")}, Country: register.Country(get("country")), Level: get("level"), Name: get("name"), Names: map[i18n.Lang]string{},
		Status: Status(get("status")), NamesStatus: Status(get("names_status")), Source: get("source"), members: get("members"),
	}
	if !slices.Contains(register.Countries, a.Country) || a.Scheme == "" || a.Code == "" || a.Name == "" || a.Level == "" {
		return nil, a.wrong("empty", nil)
	}
	if !slices.Contains(statuses, a.Status) || a.NamesStatus != "" && !slices.Contains(statuses, a.NamesStatus) {
		return nil, a.wrong("status", i18n.Args{"of": "verified, verified-secondary, from-memory, derived"})
	}
	for _, l := range i18n.Langs {
		if n := get(string(l)); n != "" {
			a.Names[l] = n
		}
	}
	if p := get("parent"); p != "" {
		scheme, code, ok := strings.Cut(p, ":")
		if !ok {
			return nil, a.wrong("parent", i18n.Args{"value": p})
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
				return nil, a.wrong("day", i18n.Args{"column": d.column, "value": text})
			}
			*d.to = day
		}
	}
	if lat, lon := get("lat"), get("lon"); lat+lon != "" {
		y, err1 := strconv.ParseFloat(lat, 64)
		x, err2 := strconv.ParseFloat(lon, 64)
		a.Centre, a.HasCentre = geo.Point{Lat: y, Lon: x}, true
		if err1 != nil || err2 != nil || !a.Centre.Valid() {
			return nil, a.wrong("point", i18n.Args{"value": lat + " " + lon})
		}
	}
	if !a.From.IsZero() && !a.To.IsZero() && !a.From.Before(a.To) {
		return nil, a.wrong("order", nil)
	}
	if text := get("outline"); text != "" {
		var faults []Fault
		a.outlineText = text
		a.Outline, faults = Read(strings.Split(text, ";"), nil, nil)
		if i := slices.IndexFunc(faults, func(f Fault) bool { return f.Refused }); i >= 0 {
			return nil, a.wrong("outline", i18n.Args{"n": int64(faults[i].Index + 1), "wrong": Text{Key: faults[i].Key()}})
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
func (t *sheet) hold(a *Area) error {
	how, what, _ := strings.Cut(a.members, "=")
	var in func(register.Place) bool
	a.Coverage = Listed
	switch how {
	case "":
		a.Coverage = Unknown
		t.outlined(a)
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
				return a.wrong("municipality", i18n.Args{"value": id})
			}
		}
		in = func(p register.Place) bool { return slices.Contains(ids, p.ID) }
	default:
		return a.wrong("members", i18n.Args{"value": a.members})
	}
	a.places = nil
	for id, p := range t.towns {
		if p.Country == a.Country && in(p) {
			a.places = append(a.places, id)
		}
	}
	slices.Sort(a.places)
	if len(a.places) == 0 {
		return a.wrong("nobody", i18n.Args{"value": a.members})
	}
	return nil
}

// outlined says of an area that only its outline tells which municipalities it may hold
// a part of: whether it holds one, its points tell.
func (t *sheet) outlined(a *Area) {
	if a.Outline == nil {
		return
	}
	a.Coverage = Outside
	for id, p := range t.towns {
		if p.Country == a.Country && (a.Outline.Contains(p.Point) || a.Outline.Edge(p.Point) <= reach+p.PointError) {
			a.Coverage, a.places = Part, append(a.places, id)
		}
	}
	slices.Sort(a.places)
}

// Wrong is what keeps a row out of the table, as a text for people.
type Wrong struct {
	Area Key
	Text
}

// Text is a sentence with its arguments.
type Text struct {
	Key  string
	Args i18n.Args
}

func (w Wrong) Error() string { return fmt.Sprintf("%s: %s %v", w.Area, w.Text.Key, w.Args) }

func (a *Area) wrong(what string, args i18n.Args) error {
	return Wrong{a.Key, Text{"area.wrong." + what, args}}
}

func (t *sheet) add(a *Area) error {
	for _, b := range t.byKey[a.Key] {
		if (a.From.IsZero() || b.To.IsZero() || a.From.Before(b.To)) && (b.From.IsZero() || a.To.IsZero() || b.From.Before(a.To)) {
			return a.wrong("twice", nil)
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
func (t *sheet) municipalities() error {
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

// Lookup is Table.Lookup.
func (t *sheet) Lookup(scheme, code string, at time.Time) (Area, bool) {
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

func (t *sheet) find(k Key, at time.Time) *Area {
	for _, a := range t.byKey[k] {
		if a.valid(at) && !a.patterns {
			return a
		}
	}
	return nil
}

func (t *sheet) placesOf(a *Area) []register.Place {
	all := make([]register.Place, 0, len(a.places))
	for _, id := range a.places {
		all = append(all, t.towns[id])
	}
	return all
}

func (t *sheet) areas() []Area {
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
		out.Write(a.record())
	}
	out.Flush()
	return out.Error()
}

// record is a row in Columns.
func (a *Area) record() []string {
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
	return []string{string(a.Country), a.Level, a.Scheme, a.Code, a.Name, a.Names[i18n.Cs], a.Names[i18n.De], a.Names[i18n.Pl], a.Names[i18n.En],
		parent, members, lat, lon, day(a.From), day(a.To), string(a.Status), string(a.NamesStatus), a.Source, a.outlineText}
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
