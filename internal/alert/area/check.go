package area

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
)

// Doubt is what Check finds: a row that does not agree with others.
type Doubt struct {
	Key    Key
	Test   string // "name", "rule", "parent" or "place"
	Detail string // for the log
}

func (d Doubt) String() string { return fmt.Sprintf("%s: %s: %s", d.Key, d.Test, d.Detail) }

// stray is how far, in metres, the middle of an area by a second source may lie from the
// next municipality that the area is said to hold, when another one is nearer.
const stray = 3000

func (t *sheet) check(at time.Time) []Doubt {
	c := &checker{t: t, at: at}
	c.names()
	c.rules()
	c.parents()
	c.centres()
	c.outlines()
	return c.found
}

type checker struct {
	t     *sheet
	at    time.Time
	found []Doubt
}

func (c *checker) doubt(k Key, test, format string, args ...any) {
	c.found = append(c.found, Doubt{k, test, fmt.Sprintf(format, args...)})
}

// core is what of a name is the name: without words for kinds of areas, case and signs.
func core(name string) string {
	var words []string
	for _, w := range strings.FieldsFunc(norm.NFD.String(strings.ToLower(strings.ReplaceAll(name, "ł", "l"))), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.Is(unicode.Mn, r) }) {
		w = strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Mn, r) {
				return -1
			}
			return r
		}, w)
		if !slices.Contains([]string{"kraj", "landkreis", "kreis", "powiat", "okres", "zemsky", "region", "district", "county", "woiwodschaft", "vojvodstvi", "voivodeship"}, w) {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// names compares rows that hold the same municipalities at one level, and those of an ORP
// or district with the name that the register of municipalities has for it.
func (c *checker) names() {
	type group struct{ members, level string }
	home := map[register.Country]i18n.Lang{register.CZ: i18n.Cs, register.DE: i18n.De, register.PL: i18n.Pl}
	for _, a := range c.t.rows {
		if own := a.Names[home[a.Country]]; own != "" && core(own) != core(a.Name) {
			c.doubt(a.Key, "name", "%q, in its own language %q", a.Name, own)
		}
		if p, ok := c.t.Lookup(a.Parent.Scheme, a.Parent.Code, c.at); ok && a.Level == "kreispart" && !strings.HasPrefix(core(a.Name), core(p.Name)) {
			c.doubt(a.Key, "name", "%q is no part of %q by its name", a.Name, p.Name)
		}
	}
	in := map[group][]*Area{}
	var whole map[string]string
	for _, a := range c.t.rows {
		members := a.members
		if strings.HasPrefix(members, "list=") && a.Level != "municipality" {
			if whole == nil {
				whole = c.wholes()
			}
			members = whole[strings.Join(a.places, ";")] // what the program writes into a file
		}
		if a.Rule == "" && !a.patterns && (strings.HasPrefix(members, "orp=") || strings.HasPrefix(members, "district=") || strings.HasPrefix(members, "country=")) {
			g := group{members, a.Level}
			in[g] = append(in[g], a)
		}
	}
	for g, rows := range in {
		how, what, _ := strings.Cut(g.members, "=")
		registered := ""
		switch how {
		case "orp":
			registered = what
		case "district":
			registered = c.t.towns[rows[0].places[0]].District
		}
		// Names of all times: a rename must stand in one scheme with its days.
		known := map[string]bool{}
		for _, a := range rows {
			if !a.From.IsZero() || !a.To.IsZero() {
				known[core(a.Name)] = true
			}
		}
		if registered != "" {
			known[core(registered)] = true
			// A row that claims to be the register's of today must be.
			for _, a := range rows {
				if a.valid(c.at) && a.Scheme == homeScheme(a) && core(a.Name) != core(registered) {
					c.doubt(a.Key, "name", "%q is %q in the register of municipalities", a.Name, registered)
				}
			}
		} else {
			known[core(rows[0].Name)] = true
		}
		for _, a := range rows {
			if !known[core(a.Name)] {
				c.doubt(a.Key, "name", "%q, others of the same municipalities are %v", a.Name, keys(known))
			}
			for _, b := range rows {
				for _, l := range i18n.Langs {
					if x, y := core(a.Names[l]), core(b.Names[l]); x != "" && y != "" && x != y && a.valid(c.at) && b.valid(c.at) {
						c.doubt(a.Key, "name", "in %s %q, in %s %q", l, a.Names[l], b.Key, b.Names[l])
					}
				}
			}
		}
		// One scheme has one code for one area.
		for i, a := range rows {
			for _, b := range rows[:i] {
				if a.Scheme == b.Scheme && a.Code != b.Code && a.valid(c.at) && b.valid(c.at) {
					c.doubt(a.Key, "name", "holds the same municipalities as %s", b.Key)
				}
			}
		}
	}
}

// wholes are the ORP and districts by the municipalities that they hold.
func (c *checker) wholes() map[string]string {
	by := map[string][]string{}
	for id, p := range c.t.towns {
		if p.ORP != "" {
			by["orp="+p.ORP] = append(by["orp="+p.ORP], id)
		}
		by["district="+p.DistrictCode] = append(by["district="+p.DistrictCode], id)
	}
	all := map[string]string{}
	for how, ids := range by {
		slices.Sort(ids)
		if k := strings.Join(ids, ";"); strings.HasPrefix(how, "orp=") || all[k] == "" {
			all[k] = how
		}
	}
	return all
}

// homeScheme is the scheme in which the register of municipalities has an area's code.
func homeScheme(a *Area) string {
	switch {
	case a.Level == "okres":
		return "LAU1"
	case a.Level == "orp":
		return "CISORP"
	}
	return municipal[a.Country]
}

func keys(m map[string]bool) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// rules compares rows of the table with the codes they follow from.
func (c *checker) rules() {
	for _, a := range c.t.rows {
		if a.patterns {
			if a.Coverage == Listed || a.Coverage == Part {
				c.doubt(a.Key, "rule", "a pattern holds municipalities")
			}
			continue
		}
		c.prefixes(a)
		if a.Scheme == "RSO" && a.Code != strings.ReplaceAll(strings.ReplaceAll(core(a.Name), " ", "-"), "'", "") {
			c.doubt(a.Key, "rule", "does not come of %q", a.Name)
		}
		if !wellFormed(a.Key) {
			c.doubt(a.Key, "rule", "is not written as a code of its scheme")
		}
		if country := countryOf(a.Key); country != "" && country != a.Country {
			c.doubt(a.Key, "rule", "is a code of %s, the row says %s", country, a.Country)
		}
		if a.Rule != "" {
			continue
		}
		if b, ok := c.t.byRule(a.Key, c.at); ok && a.valid(c.at) && b.Rule != "pattern" {
			other := !slices.Equal(a.places, b.places) || a.Coverage != b.Coverage
			if b.Coverage == Part && a.Coverage == Listed { // which part, only a row can say
				other = slices.ContainsFunc(a.places, func(id string) bool { return !slices.Contains(b.places, id) })
			}
			if other && (a.Outline == nil || a.members != "") {
				c.doubt(a.Key, "rule", "holds other municipalities than %s", b.Base)
			}
			if b.Rule != ruleWarncell9 && core(a.Name) != core(b.Name) && b.Level == a.Level && !c.once(b.Base, a.Name) {
				c.doubt(a.Key, "rule", "is %q, %s is %q", a.Name, b.Base, b.Name)
			}
		}
		// Codes of districts stand in the register of municipalities.
		if how, what, _ := strings.Cut(a.members, "="); how == "district" && (a.Scheme == "LAU1" || a.Scheme == municipal[a.Country]) && a.Code != what {
			c.doubt(a.Key, "rule", "the register of municipalities has %s", what)
		}
		if a.Scheme == "ISO3166-2" && a.Level == "okres" && a.members != "district=CZ0"+strings.TrimPrefix(a.Code, "CZ-") {
			c.doubt(a.Key, "rule", "holds %s", a.members)
		}
	}
	c.ranks()
}

// prefixes checks that no code or pattern of an area that lies elsewhere is the beginning
// of one that holds municipalities.
func (c *checker) prefixes(a *Area) {
	if a.Coverage != Listed && a.Coverage != Part || a.Rule != "" {
		return
	}
	for _, b := range c.t.rows {
		if b.Scheme != a.Scheme || b.Coverage != Outside || b == a {
			continue
		}
		match, _ := path.Match(b.Code, a.Code)
		if hierarchical := slices.Contains([]string{"CISORP", "AGS", "TERYT", "NUTS"}, a.Scheme); match || hierarchical && strings.HasPrefix(a.Code, b.Code) {
			c.doubt(a.Key, "rule", "lies elsewhere by %s", b.Key)
		}
	}
}

// once reports whether a code had a name at any time.
func (c *checker) once(k Key, name string) bool {
	return slices.ContainsFunc(c.t.byKey[k], func(a *Area) bool { return core(a.Name) == core(name) })
}

// ranks checks that CISORP numbers the ORP of a kraj in the order of the Czech alphabet
// and NUTS the Kreise of Dresden in that of the German one, and that RÚIAN numbers the
// ORP okres by okres.
func (c *checker) ranks() {
	var orp, ruian, kreise []*Area
	for _, a := range c.t.rows {
		if a.Scheme == "NUTS" && a.Level == "kreis" {
			kreise = append(kreise, a)
		}
		if a.Level == "orp" && a.Coverage == Listed && a.Rule == "" {
			switch a.Scheme {
			case "CISORP":
				orp = append(orp, a)
			case "RUIAN_ORP":
				ruian = append(ruian, a)
			}
		}
	}
	czech := collate.New(language.Czech)
	slices.SortFunc(orp, func(a, b *Area) int { return strings.Compare(a.Code, b.Code) })
	for i := 1; i < len(orp); i++ {
		if czech.CompareString(orp[i-1].Name, orp[i].Name) >= 0 {
			c.doubt(orp[i].Key, "rule", "%s does not come after %s in the Czech alphabet", orp[i].Name, orp[i-1].Name)
		}
	}
	slices.SortFunc(kreise, func(a, b *Area) int { return strings.Compare(a.Code, b.Code) })
	for i := 1; i < len(kreise); i++ {
		if core(kreise[i-1].Name) >= core(kreise[i].Name) {
			c.doubt(kreise[i].Key, "rule", "%s does not come after %s", kreise[i].Name, kreise[i-1].Name)
		}
	}
	slices.SortFunc(ruian, func(a, b *Area) int {
		return (len(a.Code)-len(b.Code))*2 + strings.Compare(a.Code, b.Code)
	})
	done, last := map[string]bool{}, ""
	for _, a := range ruian {
		seat := ""
		for _, id := range a.places {
			if p := c.t.towns[id]; p.Name == a.Name {
				seat = p.DistrictCode
			}
		}
		if seat == "" {
			c.doubt(a.Key, "rule", "no municipality %q in it", a.Name)
		}
		if seat != last && done[seat] {
			c.doubt(a.Key, "rule", "is not numbered with the others of its okres")
		}
		done[seat], last = true, seat
	}
}

// parents checks that an area lies in its parent.
func (c *checker) parents() {
	for _, a := range c.t.rows {
		if a.Parent == (Key{}) || a.patterns || !a.valid(c.at) {
			continue
		}
		p, ok := c.t.Lookup(a.Parent.Scheme, a.Parent.Code, c.at)
		if !ok {
			c.doubt(a.Key, "parent", "nobody knows %s", a.Parent)
			continue
		}
		if p.Country != a.Country {
			c.doubt(a.Key, "parent", "%s lies in %s", p.Key, p.Country)
		}
		for _, id := range a.places {
			if p.Coverage == Outside || p.Coverage == Listed && !slices.Contains(p.places, id) {
				c.doubt(a.Key, "parent", "%s is not in %s", id, p.Key)
				break
			}
		}
		// Where the code is made of the parent's, it begins with it.
		switch {
		case a.Scheme != p.Scheme, a.Scheme == "WARNCELLID", a.Scheme == "EMMA_ID":
		case a.Rule == "" && !strings.HasPrefix(a.Code, p.Code):
			c.doubt(a.Key, "parent", "does not begin with %s", p.Code)
		}
		if a.Scheme == "WARNCELLID" && a.Level == "kreispart" && a.Code[1:6] != p.Code {
			c.doubt(a.Key, "parent", "is no part of %s", p.Key)
		}
		if a.Scheme == "CISORP" && a.Coverage == Listed && p.Scheme == "NUTS" && a.Code[:2] != p.Code[3:] {
			c.doubt(a.Key, "parent", "does not begin as %s", p.Key)
		}
	}
}

// outlines checks that an area's outline holds the points of the municipalities it is said
// to hold, and surely no point of another one of its country.
func (c *checker) outlines() {
	for _, a := range c.t.rows {
		if a.Outline == nil || a.Rule != "" || a.Coverage != Listed && a.Coverage != Outside {
			continue
		}
		if a.HasCentre && !a.Outline.Contains(a.Centre) && a.Outline.Edge(a.Centre) > a.Outline.Error+stray {
			c.doubt(a.Key, "place", "its middle lies outside of its outline")
		}
		for _, id := range slices.Sorted(maps.Keys(c.t.towns)) {
			p := c.t.towns[id]
			in, edge, listed := a.Outline.Contains(p.Point), a.Outline.Edge(p.Point), slices.Contains(a.places, id)
			switch sure := edge > p.PointError+a.Outline.Error; {
			case listed && !in && sure:
				c.doubt(a.Key, "place", "%s (%s) lies %.0f m outside of its outline", p.Name, id, edge)
			case !listed && in && sure && p.Country == a.Country:
				c.doubt(a.Key, "place", "%s (%s) lies in its outline and is not among its municipalities", p.Name, id)
			}
		}
	}
}

// centres checks that the middle of an area by a second source lies among the
// municipalities that the area is said to hold, and among none if it lies elsewhere.
func (c *checker) centres() {
	for _, a := range c.t.rows {
		if !a.HasCentre {
			continue
		}
		near, ok := c.t.places.NearestPlace(a.Centre)
		if !ok { // beyond the region
			if a.Coverage != Outside {
				c.doubt(a.Key, "place", "its middle lies outside of the region")
			}
			continue
		}
		town := near.ID
		if near.Kind == register.Settlement {
			town = near.Part
		}
		least := 1e9
		for _, id := range a.places {
			least = min(least, geo.Distance(c.t.towns[id].Point, a.Centre))
		}
		switch {
		case a.Coverage == Outside && town != "" && near.Distance < stray:
			c.doubt(a.Key, "place", "its middle lies in %s", near.Name)
		case (a.Coverage == Listed || a.Coverage == Part) && !slices.Contains(a.places, town) && least-near.Distance > stray:
			c.doubt(a.Key, "place", "its middle lies in %s, %.0f m from its own next", near.Name, least)
		}
	}
}
