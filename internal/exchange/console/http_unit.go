package console

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"trojmezi/internal/exchange/unit"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// How many units are offered: beside the incident, on the page for asking, where each
// of the first nine has a key, and on the map.
const (
	unitsBeside = 3
	unitsAsked  = 20
	unitKeys    = 9
)

// unitRequest begins the number of a request for one unit; its id and a number of our
// own follow, so that its status can be followed without a table of who was asked.
const unitRequest = "unit:"

// AskUnit asks a neighbour for one of the units it shows, for an incident. Conflict
// when the unit is not known to be free any more.
func (s *Service) AskUnit(ctx context.Context, who Actor, incident, other, id, once string) error {
	const op = "console.AskUnit"
	if s.Units == nil {
		return problem.New(op, problem.NotFound, "unit.not_found", nil)
	}
	o, there, err := s.Units.One(ctx, who.Org, other, id)
	if err != nil {
		return err
	}
	if !there {
		return problem.New(op, problem.NotFound, "unit.not_found", nil)
	}
	if o.State != unit.Free {
		return problem.New(op, problem.Conflict, "unit.near.gone", i18n.Args{"unit": o.CallSign})
	}
	want := Request{ID: unitRequest + id + ":" + s.Clock.NewID(), Type: o.Type, Name: o.CallSign}
	return s.RequestResources(ctx, who, incident, Resources{To: []string{other}, Want: []Request{want}}, once)
}

// unitOf is the unit a request of ours names; "" for other resources.
func unitOf(r Resource) string {
	id, ok := strings.CutPrefix(r.ID, unitRequest)
	if n := strings.LastIndexByte(id, ':'); ok && !r.Incoming && n > 0 {
		return id[:n]
	}
	return ""
}

// point is where the incident is; false: not known.
func (v *screen) point() (geo.Point, bool) {
	i := v.incident
	if i == nil || i.Facts == nil || !i.Facts.HasPoint {
		return geo.Point{}, false
	}
	return geo.Point{Lat: i.Facts.Lat, Lon: i.Facts.Lon}, true
}

// nearUnit is a free unit of a neighbour, and whether its type is usually sent to what
// happened.
type nearUnit struct {
	unit.Offer
	Suits bool
}

// near are the free units of neighbours around the incident: those that suit what
// happened first, then the others, each the nearest first. An error is logged: the
// incident is shown without them.
func (v *screen) near(ctx context.Context, most int, types ...string) (out []nearUnit) {
	at, known := v.point()
	if v.pages.Units == nil || !known || !v.mayAsk() {
		return nil
	}
	look := func(suits bool, types []string) {
		offers, err := v.pages.Units.Near(ctx, v.org.ID, at, unit.Query{Kind: v.incident.Kind, Types: types, Limit: most})
		if err != nil {
			v.pages.Log.Error("console: units nearby", "error", err)
		}
		for _, o := range offers {
			if len(out) < most && !slices.ContainsFunc(out, func(n nearUnit) bool { return n.Other == o.Other && n.ID == o.ID }) {
				out = append(out, nearUnit{o, suits})
			}
		}
	}
	if suits := v.suiting(types); len(suits) > 0 {
		look(true, suits)
	}
	if len(out) < most {
		look(false, types)
	}
	return out
}

// suiting are the types of units usually sent to what happened, of those asked for; none
// when nobody knows what happened.
func (v *screen) suiting(types []string) []string {
	r := v.incident.Row
	got, ok := v.pages.label(v.org.Lang, v.org, r.OID, r.TypeKey, r.Type, r.First)
	if !ok {
		return nil
	}
	family, _, _ := strings.Cut(got.Key, ".")
	return slices.DeleteFunc(unit.TypesFor(family), func(code string) bool { return len(types) > 0 && !slices.Contains(types, code) })
}

// mayAsk reports whether a unit can still be asked for: the incident has an
// identifier, and somebody has something to do with it.
func (v *screen) mayAsk() bool {
	return v.incident.SharedID != "" && slices.ContainsFunc(v.incident.Handovers, func(h Handover) bool { return !h.Closed })
}

// askedUnit is a unit we asked for, as its neighbour shows it now.
type askedUnit struct {
	Resource
	Offer unit.Offer
	There bool // the neighbour shows it
}

func (v *screen) askedUnits(ctx context.Context) (out []askedUnit) {
	if v.pages.Units == nil {
		return nil
	}
	for _, r := range v.incident.Resources {
		id := unitOf(r)
		if id == "" {
			continue
		}
		o, there, err := v.pages.Units.One(ctx, v.org.ID, r.Neighbour.OID, id)
		if err != nil {
			v.pages.Log.Error("console: a unit asked for", "error", err)
		}
		out = append(out, askedUnit{r, o, there})
	}
	return out
}

// unitMarks are the units on the incident's map: those we asked for, and the nearest.
func (v *screen) unitMarks(ctx context.Context) (marks []register.Mark) {
	shown := map[string]bool{}
	add := func(o unit.Offer) {
		m, ok := o.Mark(ctx)
		if key := o.Other + "/" + o.ID; ok && !shown[key] {
			shown[key] = true
			marks = append(marks, m)
		}
	}
	for _, a := range v.askedUnits(ctx) {
		if a.There {
			add(a.Offer)
		}
	}
	for _, n := range v.near(ctx, unitKeys) {
		add(n.Offer)
	}
	return marks
}

// unitKey is the key of the nth offer, "" beyond the ninth.
func unitKey(n int) string {
	if n >= unitKeys {
		return ""
	}
	return itoa(int64(n + 1))
}

func (v *screen) unitsURL() string { return incidentURL(v.incident.ID) + "/units" }

// unitsForm offers the units around the incident.
func (p *Pages) unitsForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.one(r)
	if err != nil {
		return err
	}
	var types []string
	typ := r.URL.Query().Get("type")
	if typ != "" {
		types = []string{typ}
	}
	offers := v.near(r.Context(), unitsAsked, types...)
	return web.Render(w, r, http.StatusOK, unitsPage(p.formShell(r, v, "unit.near.ask"), v, offers, typ, p.Clock.NewID()))
}

func (p *Pages) askUnit(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	id := r.PathValue("id")
	return p.done(w, r, p.AskUnit(r.Context(), actor(r), id, field(r, "other"), field(r, "unit"), field(r, "once")), incidentURL(id))
}

// unitTypes are the choices of the page for asking.
func unitTypes(ctx context.Context) []ui.Option {
	out := []ui.Option{{Text: web.T(ctx, "unit.filter.all", nil)}}
	for _, t := range unit.Types() {
		out = append(out, ui.Option{Value: t.Code, Text: t.Labels[web.Lang(ctx)]})
	}
	return out
}
