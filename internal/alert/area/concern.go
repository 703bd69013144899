package area

import (
	"maps"
	"math"
	"slices"
	"time"

	"trojmezi/internal/alert/feed"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/register"
)

// Verdict is the answer to "does this concern me".
type Verdict string

// The verdicts. Whoever passes warnings on treats Unclear as Yes and says so.
const (
	Yes     Verdict = "yes"
	No      Verdict = "no"
	Unclear Verdict = "unclear"
)

// reach is how far, in metres, the land of a municipality extends from the point that the
// register has of it; the widest of the region, Boxberg and the rural gminas, have about
// 220 km², as much as a circle of 8.4 km.
const reach = 12_000

// Place is for whom it is asked: a municipality of the register, a point, a shape, or
// what is known of these together.
type Place struct {
	// Municipality is its ID in the register ("CZ-563889"), "" where it is not known:
	// then codes can often not be told.
	Municipality string
	// Point is the place itself, or nil.
	Point *geo.Point
	// Shape is a polygon or circle of one's own, or nil.
	Shape *Shape
}

// Reason is why: a sentence with its arguments, for people in four languages.
type Reason struct {
	Verdict Verdict
	Key     string // of a text, "area.reason.…"
	Args    i18n.Args
	// Code is the one that it is about, zero for shapes; Area what the table knows of it.
	Code Key
	Area *Area
}

// Answer says whether an area concerns a place, why, and by which table.
type Answer struct {
	Verdict Verdict
	Reasons []Reason // those of the verdict first
	Version string   // of the table
}

// asked is a place with what follows from it.
type asked struct {
	place Place
	// town is the municipality itself; around are those that the place may lie in, when
	// town is not known, and outer says that it may lie in one that is not in the register.
	town   *register.Place
	around []register.Place
	outer  bool
	// countries are those that it may lie in.
	countries []register.Country
}

// Concerns is Table.Concerns.
func (t *sheet) Concerns(areas []feed.Area, place Place, at time.Time) Answer {
	a := t.ask(place)
	var reasons []Reason
	for _, area := range areas {
		reasons = append(reasons, t.concerns(area, a, at)...)
	}
	if len(areas) == 0 {
		reasons = []Reason{{Verdict: Unclear, Key: "area.reason.no_area"}}
	}
	out := Answer{Verdict: No, Version: t.version}
	for _, v := range []Verdict{Yes, Unclear, No} {
		if slices.ContainsFunc(reasons, func(r Reason) bool { return r.Verdict == v }) {
			out.Verdict = v
			break
		}
	}
	for _, v := range []Verdict{out.Verdict, Yes, Unclear, No} {
		for _, r := range reasons {
			if r.Verdict == v && (v != out.Verdict || len(out.Reasons) == 0 || out.Reasons[0].Verdict == v) && !has(out.Reasons, r) {
				out.Reasons = append(out.Reasons, r)
			}
		}
	}
	return out
}

func has(list []Reason, r Reason) bool {
	return slices.ContainsFunc(list, func(o Reason) bool { return o.Key == r.Key && o.Code == r.Code && o.Verdict == r.Verdict })
}

func (t *sheet) ask(p Place) *asked {
	a := &asked{place: p}
	if town, ok := t.towns[p.Municipality]; ok {
		a.town, a.countries = &town, []register.Country{town.Country}
		return a
	}
	points := t.spread(p)
	for _, at := range points {
		where := t.places.Country(at)
		switch where.Confidence {
		case register.Outside:
			a.outer = true
		default:
			for _, c := range append([]register.Country{where.Country}, where.Others...) {
				if !slices.Contains(a.countries, c) {
					a.countries = append(a.countries, c)
				}
			}
		}
	}
	if len(points) == 0 {
		a.outer = true
	}
	if a.outer { // nobody knows in which country
		a.countries = nil
	}
	for _, q := range t.places.Places() {
		if a.countries != nil && !slices.Contains(a.countries, q.Country) || !a.near(q.Point, reach+q.PointError) {
			continue
		}
		switch {
		case q.Kind == register.Municipality:
			a.around = append(a.around, q)
		case q.Part == "":
			a.outer = true
		}
	}
	return a
}

// spread is the points by which the country of a place is told.
func (t *sheet) spread(p Place) []geo.Point {
	switch {
	case p.Point != nil:
		return []geo.Point{*p.Point}
	case p.Shape != nil && !p.Shape.Empty():
		return p.Shape.corners()
	}
	return nil
}

// near reports whether a point lies within some metres of the place.
func (a *asked) near(p geo.Point, metres float64) bool {
	switch {
	case a.place.Point != nil:
		return geo.Distance(*a.place.Point, p) <= metres
	case a.place.Shape != nil && !a.place.Shape.Empty():
		return a.place.Shape.Contains(p) || a.place.Shape.Edge(p) <= metres
	}
	return true
}

func (t *sheet) concerns(area feed.Area, a *asked, at time.Time) []Reason {
	var codes []Reason
	for _, c := range area.Codes {
		codes = append(codes, t.code(c, a, at))
	}
	shapes := t.shapes(area, a)
	if len(codes)+len(shapes) == 0 {
		return []Reason{{Verdict: Unclear, Key: "area.reason.neither", Args: i18n.Args{"area": area.Name}}}
	}
	all := append(codes, shapes...)
	// Codes say exactly for whom it is. When they all lie elsewhere, that a shape of the
	// same area comes near adds nothing.
	if len(codes) > 0 && !slices.ContainsFunc(codes, func(r Reason) bool { return r.Verdict != No }) {
		all = slices.DeleteFunc(all, func(r Reason) bool { return r.Verdict == Unclear && r.Key == "area.reason.shape_near" })
	}
	return all
}

// code tells of one code.
func (t *sheet) code(c feed.Code, a *asked, at time.Time) Reason {
	k := canonical(c.Scheme, c.Value)
	r := Reason{Code: k, Args: i18n.Args{"scheme": k.Scheme, "code": k.Code, "version": t.version}}
	say := func(v Verdict, key string) Reason {
		r.Verdict, r.Key = v, "area.reason."+key
		return r
	}
	area, ok := t.Lookup(c.Scheme, c.Value, at)
	if !ok {
		country := countryOf(k)
		switch {
		case forms[k.Scheme] == nil:
			return say(Unclear, "unknown_scheme")
		case country == "":
			return say(Unclear, "malformed")
		case a.countries != nil && !slices.Contains(a.countries, country):
			r.Args["country"] = string(country)
			return say(No, "other_country")
		}
		return say(Unclear, "unknown_code")
	}
	r.Area = &area
	r.Args["name"] = area.Name
	r.Args["status"] = string(area.Status)
	if a.countries != nil && !slices.Contains(a.countries, area.Country) {
		r.Args["country"] = string(area.Country)
		return say(No, "other_country")
	}
	if area.Outline != nil && area.members == "" {
		at, off, extent := a.where()
		if at == nil && a.place.Shape == nil {
			return say(Unclear, "place_unknown")
		}
		told := a.shape(area.Outline, at, off, extent)
		r.Verdict, r.Key = told.Verdict, told.Key
		maps.Copy(r.Args, told.Args)
		return r
	}
	if a.town != nil {
		in := slices.Contains(area.places, a.town.ID)
		r.Args["place"] = a.town.Name
		switch {
		case area.Coverage == Listed && in:
			return say(Yes, "member")
		case area.Coverage == Part && in:
			return say(Unclear, "part")
		case area.Coverage == Unknown:
			return say(Unclear, "no_members")
		case area.Coverage == Outside:
			return say(No, "elsewhere")
		}
		return say(No, "not_member")
	}
	return t.codeAround(area, a, say, r.Args)
}

// codeAround tells of a code when the place's municipality is not known: by all those that
// it may lie in.
func (t *sheet) codeAround(area Area, a *asked, say func(Verdict, string) Reason, args i18n.Args) Reason {
	in, inside := 0, 0
	for _, p := range a.around {
		if !slices.Contains(area.places, p.ID) {
			continue
		}
		in++
		// A shape of one's own that surely holds the point of a member meets the area.
		if s := a.place.Shape; s != nil && !s.Empty() && s.Contains(p.Point) && s.Edge(p.Point) > p.PointError+s.Error {
			inside++
			args["place"] = p.Name
		}
	}
	args["n"], args["of"] = int64(in), int64(len(a.around))
	switch {
	case area.Coverage == Unknown:
		return say(Unclear, "no_members")
	case area.Coverage == Listed && inside > 0:
		return say(Yes, "member_inside")
	case area.Coverage == Listed && in > 0 && in == len(a.around) && !a.outer:
		return say(Yes, "members_around")
	case in == 0 && !a.outer && len(a.around) > 0:
		return say(No, "no_member_around")
	case in == 0 && len(a.around) == 0:
		return say(Unclear, "place_unknown")
	}
	return say(Unclear, "some_around")
}

// shapes tells of the polygons and circles of an area.
func (t *sheet) shapes(area feed.Area, a *asked) []Reason {
	if len(area.Polygons)+len(area.Circles) == 0 {
		return nil
	}
	s, faults := Read(area.Polygons, area.Holes, area.Circles)
	var out []Reason
	at, off, whole := a.where()
	if at == nil && a.place.Shape == nil {
		return []Reason{{Verdict: Unclear, Key: "area.reason.place_unknown", Args: i18n.Args{}}}
	}
	if len(s.Lost) > 0 && a.meetsLost(s, off+whole) {
		wrong := ""
		for _, f := range faults {
			if f.Refused {
				wrong = f.Wrong
			}
		}
		out = append(out, Reason{Verdict: Unclear, Key: "area.reason.shape_lost", Args: i18n.Args{"wrong": wrong}})
	}
	if s.Empty() {
		if len(out) == 0 {
			out = append(out, Reason{Verdict: No, Key: "area.reason.shape_far", Args: i18n.Args{"km": int64((off + whole) / 1000)}})
		}
		return out
	}
	out = append(out, a.shape(s, at, off, whole))
	return out
}

// where is the point by which shapes are told, how far it may be off, and how far the
// place extends from it, in metres.
func (a *asked) where() (at *geo.Point, off, extent float64) {
	switch {
	case a.place.Shape != nil && !a.place.Shape.Empty():
		return nil, a.place.Shape.Error, 0
	case a.place.Point != nil:
		return a.place.Point, 0, 0
	case a.town != nil:
		return &a.town.Point, a.town.PointError, reach
	}
	return nil, 0, 0
}

func (a *asked) meetsLost(s *Shape, metres float64) bool {
	if own := a.place.Shape; own != nil && !own.Empty() {
		for _, b := range s.Lost {
			for _, r := range own.shells {
				if b.Intersects(r.bound) {
					return true
				}
			}
		}
		return false
	}
	at, _, _ := a.where()
	return at == nil || s.near(*at, metres)
}

func (a *asked) shape(s *Shape, at *geo.Point, off, extent float64) Reason {
	if at == nil {
		own := a.place.Shape
		edge := int64(math.Ceil(s.Error + own.Error))
		if len(NewFence([]*Shape{s}).Meets(own, nil)) > 0 {
			return Reason{Verdict: Yes, Key: "area.reason.shape_meets", Args: i18n.Args{"m": edge}}
		}
		if apart(s, own) <= s.Error+own.Error {
			return Reason{Verdict: Unclear, Key: "area.reason.shape_edge", Args: i18n.Args{"m": edge}}
		}
		return Reason{Verdict: No, Key: "area.reason.shape_apart", Args: i18n.Args{"m": edge}}
	}
	in, edge := s.Contains(*at), s.Edge(*at)
	args := i18n.Args{"m": int64(math.Round(edge)), "error": int64(math.Ceil(off + s.Error)), "km": int64(edge / 1000)}
	if a.town != nil {
		args["place"] = a.town.Name
	}
	switch {
	case in && edge > off+s.Error:
		return Reason{Verdict: Yes, Key: "area.reason.shape_inside", Args: args}
	case edge <= off+s.Error:
		return Reason{Verdict: Unclear, Key: "area.reason.shape_edge", Args: i18n.Args{"m": int64(math.Ceil(off + s.Error))}}
	case !in && edge <= off+s.Error+extent:
		return Reason{Verdict: Unclear, Key: "area.reason.shape_near", Args: args}
	}
	return Reason{Verdict: No, Key: "area.reason.shape_outside", Args: args}
}

// apart is less than the distance of two shapes without a common point, in metres.
func apart(s, own *Shape) float64 {
	least := math.Inf(1)
	for _, p := range own.corners() {
		least = min(least, s.Edge(p))
	}
	for _, p := range s.corners() {
		least = min(least, own.Edge(p))
	}
	return least
}

// Text is a reason in words.
func (r Reason) Text(b *i18n.Bundle, l i18n.Lang) string {
	args := i18n.Args{}
	for k, v := range r.Args {
		args[k] = v
	}
	if r.Area != nil {
		name, local := r.Area.In(l)
		if local != "" {
			name += " (" + local + ")"
		}
		args["name"] = name
		args["status"] = b.Text(l, r.Area.Status.Key(), nil)
	}
	if w, ok := args["wrong"].(string); ok {
		args["wrong"] = b.Text(l, "area.fault."+w, nil)
	}
	return b.Text(l, r.Key, args)
}
