package notice

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
)

// Unit is an area one can name: a municipality, or a district with its codes.
type Unit struct {
	ID string // "CZ-563889", "ORP-5102", "AGS-14626", "TERYT-0225", "WARNCELL-914626002"
	// Place is the municipality; Members are those of a district.
	Place   register.Place
	Members []string
	Name    string // official
	Level   string // municipality, orp, kreis, powiat, kreispart
	keys    []area.Key
}

// Atlas is what areas there are: codes and members by the register of areas, outlines
// by that of places.
type Atlas struct {
	places *register.Register
	table  *area.Table
	towns  []Unit          // municipalities, by name
	cells  map[string]Ring // theirs
	waters []water

	mu    sync.Mutex
	units *units // of the version of the table that counts
}

// units are the areas by one version of the table: districts first.
type units struct {
	version string
	list    []Unit
	byID    map[string]int
}

// districts are the areas of several municipalities one warns, by their level: the list
// of codes they are named by, what their id begins with, and the lists sent beside it.
var districts = []struct{ level, scheme, prefix, also string }{
	{"orp", "CISORP", "ORP-", "EMMA_ID"}, {"kreis", "AGS", "AGS-", "EMMA_ID"}, {"powiat", "TERYT", "TERYT-", "EMMA_ID"},
	{"kreispart", "WARNCELLID", "WARNCELL-", "EMMA_ID"}, // once an operator has written what it holds
}

// NewAtlas derives the areas. Outlines are approximate and drawn generously: what lies
// nearer to the point of a place than to any other, and somewhat beyond.
func NewAtlas(places *register.Register, table *area.Table) *Atlas {
	a := &Atlas{places: places, table: table, cells: map[string]Ring{}}
	all := places.Places()
	for _, p := range all {
		if p.Kind == register.Municipality {
			a.towns = append(a.towns, Unit{ID: p.ID, Place: p, Members: []string{p.ID}, Name: p.Name, Level: "municipality", keys: []area.Key{municipalityKey(p)}})
			a.cells[p.ID] = cellOf(p, all)
		}
	}
	slices.SortFunc(a.towns, func(x, y Unit) int { return cmp.Compare(i18n.Fold(x.Name), i18n.Fold(y.Name)) })
	a.waters = waters(places)
	a.now()
	return a
}

// now are the areas by the table as it counts: a row that the operator wrote is offered
// as soon as the node knows it.
func (a *Atlas) now() *units {
	a.mu.Lock()
	defer a.mu.Unlock()
	if v := a.table.Version(); a.units == nil || a.units.version != v {
		a.units = a.derive(v)
	}
	return a.units
}

func (a *Atlas) derive(version string) *units {
	n := &units{version: version, byID: map[string]int{}}
	table, rows := a.table, a.table.Areas()
	for _, d := range districts {
		for _, r := range rows {
			if r.Scheme != d.scheme || r.Level != d.level || r.Coverage != area.Listed || slices.ContainsFunc(n.list, func(u Unit) bool { return u.ID == d.prefix+r.Code }) {
				continue
			}
			u := Unit{ID: d.prefix + r.Code, Level: d.level, keys: districtKeys(table, rows, r, d.also)}
			for _, p := range table.PlacesOf(r) {
				u.Members = append(u.Members, p.ID)
				u.Name = cmp.Or(p.ORP, p.District) // as people say it, without the word for a district
			}
			if r.Own > 0 {
				u.Name = r.Name
			}
			n.list = append(n.list, u)
		}
	}
	slices.SortFunc(n.list, func(x, y Unit) int { return cmp.Compare(x.ID, y.ID) })
	n.list = append(n.list, a.towns...)
	for i, u := range n.list {
		n.byID[u.ID] = i
	}
	return n
}

// municipalityKey is the code of exactly this municipality: that of a whole district
// would tell people who are not meant.
func municipalityKey(p register.Place) area.Key {
	switch p.Country {
	case register.CZ:
		return area.Key{Scheme: "LAU2", Code: p.Code}
	case register.DE:
		return area.Key{Scheme: "WARNCELLID", Code: "8" + p.Code}
	}
	return area.Key{Scheme: "TERYT", Code: p.Code}
}

// districtKeys are the codes of a district: its own, or of a Kreis what receivers of the
// DWD know it by, and those of another list for the same municipalities or for its parts.
func districtKeys(table *area.Table, rows []area.Area, of area.Area, also string) []area.Key {
	own := of.Key
	if own.Scheme == "AGS" {
		own = area.Key{Scheme: "WARNCELLID", Code: "1" + own.Code + "000"}
	}
	keys := []area.Key{own}
	same := func(r area.Area) bool {
		return slices.EqualFunc(table.PlacesOf(r), table.PlacesOf(of), func(x, y register.Place) bool { return x.ID == y.ID })
	}
	for _, r := range rows {
		if r.Scheme == also && !slices.Contains(keys, r.Key) && (r.Level == of.Level && same(r) || r.Parent == of.Key && r.Coverage == area.Part) {
			keys = append(keys, r.Key)
		}
	}
	return keys
}

// Codes are those of an area that count at a time.
func (a *Atlas) Codes(u Unit, at time.Time) (codes []cap.Pair) {
	for _, k := range u.keys {
		if _, ok := a.table.Lookup(k.Scheme, k.Code, at); ok {
			codes = append(codes, cap.Pair{Name: k.Scheme, Value: k.Code})
		}
	}
	return codes
}

const (
	// cellReach is how far a municipality reaches at most where nothing is beyond it.
	cellReach = 12_000 // metres
	// cellMargin is how far an outline reaches over the middle line: about what the
	// point of a small place may be wrong by.
	cellMargin = 500
	// perDegree of latitude on the mean sphere, in metres.
	perDegree = 111_195
)

// flat is a point on a plane that touches the earth at an origin, in metres.
type flat struct{ x, y float64 }

func project(o, p geo.Point) flat {
	return flat{(p.Lon - o.Lon) * perDegree * math.Cos(o.Lat*math.Pi/180), (p.Lat - o.Lat) * perDegree}
}

func (f flat) back(o geo.Point) geo.Point {
	return geo.Point{Lat: o.Lat + f.y/perDegree, Lon: o.Lon + f.x/(perDegree*math.Cos(o.Lat*math.Pi/180))}
}

// cellOf is the approximate outline of a municipality: settlements that belong to it
// count as its own.
func cellOf(p register.Place, all []register.Place) Ring {
	own := []geo.Point{p.Point}
	for _, q := range all {
		if q.Part == p.ID {
			own = append(own, q.Point)
		}
	}
	var pieces []Ring
	for _, at := range own {
		cell := []flat{{-cellReach, -cellReach}, {cellReach, -cellReach}, {cellReach, cellReach}, {-cellReach, cellReach}}
		for _, q := range all {
			if q.Point == at || q.ID == p.ID || q.Part == p.ID {
				continue
			}
			d := project(at, q.Point)
			away := math.Hypot(d.x, d.y)
			if away > 4*cellReach {
				continue
			}
			t := (away/2 + cellMargin) / away
			cell = half(cell, flat{d.x * t, d.y * t}, d)
		}
		r := make(Ring, 0, len(cell)+1)
		for _, c := range cell {
			r = append(r, c.back(at))
		}
		pieces = append(pieces, append(r, r[0]))
	}
	if len(pieces) == 1 {
		return pieces[0]
	}
	whole := join(pieces)
	if len(whole) == 1 {
		return whole[0]
	}
	return hull(slices.Concat(pieces...))
}

// half keeps what of a convex outline lies before the line through m across d.
func half(cell []flat, m, d flat) (out []flat) {
	side := func(c flat) float64 { return (c.x-m.x)*d.x + (c.y-m.y)*d.y }
	for i, c := range cell {
		n := cell[(i+1)%len(cell)]
		a, b := side(c), side(n)
		if a <= 0 {
			out = append(out, c)
		}
		if a < 0 && b > 0 || a > 0 && b < 0 {
			t := a / (a - b)
			out = append(out, flat{c.x + t*(n.x-c.x), c.y + t*(n.y-c.y)})
		}
	}
	return out
}

// Units lists what can be named: districts first, then municipalities by name.
func (a *Atlas) Units() []Unit { return a.now().list }

// Unit finds an area by id.
func (a *Atlas) Unit(id string) (Unit, bool) {
	n := a.now()
	i, ok := n.byID[id]
	if !ok {
		return Unit{}, false
	}
	return n.list[i], true
}

// Find reads what somebody wrote for an area: its id, one of its codes, or its name; of
// several the largest.
func (a *Atlas) Find(text string) (Unit, bool) {
	text = strings.TrimSpace(text)
	if u, ok := a.Unit(text); ok {
		return u, true
	}
	all := a.Units()
	for _, u := range all {
		for _, k := range u.keys {
			if k.Code == text {
				return u, true
			}
		}
	}
	for _, u := range all {
		if i18n.Fold(u.Name) == i18n.Fold(text) && u.Level == "municipality" {
			return u, true
		}
	}
	if p, ok := a.named(text); ok {
		return a.Unit(cmp.Or(p.Part, p.ID))
	}
	return Unit{}, false
}

// named is the place that is called exactly so in some language.
func (a *Atlas) named(text string) (register.Place, bool) {
	for _, p := range a.places.Search(text, 1) {
		if strings.EqualFold(p.Matched, text) {
			return p, true
		}
	}
	return register.Place{}, false
}

// NameOf is what a reader of a language calls an area, with its local name.
func (a *Atlas) NameOf(texts *i18n.Bundle, l i18n.Lang, u Unit) string {
	if u.Level == "municipality" {
		if name, local := u.Place.In(l); local != "" {
			return name + " (" + local + ")"
		}
		return u.Name
	}
	name := u.Name
	for _, p := range a.places.Search(u.Name, 1) { // districts are called after their town
		if p.Name == u.Name {
			if n, local := p.In(l); local != "" {
				name = n + " (" + local + ")"
			}
		}
	}
	return texts.Text(l, "notice.unit."+u.Level, i18n.Args{"name": name})
}

// Outline is the approximate outline of an area.
func (a *Atlas) Outline(u Unit) []Ring {
	var pieces []Ring
	for _, m := range u.Members {
		if c, ok := a.cells[m]; ok {
			pieces = append(pieces, c)
		}
	}
	return pieces
}
