package console

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/sign"
	"trojmezi/internal/kernel/web/ui"
)

// pairing is the page on which a person compares two records of what may be one event.
type pairing struct {
	With    *Incident    // nil: nothing is chosen yet
	Differs []Difference // between the two
	Choice  []Row        // the other open incidents of the kind, the likeliest first
}

// mergeForm compares the incident with another one, or offers those it can be.
func (p *Pages) mergeForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.one(r)
	if err != nil {
		return err
	}
	var c pairing
	if with := r.URL.Query().Get("with"); with != "" {
		if c.With, err = p.Incident(r.Context(), v.org.ID, with); err != nil {
			return err
		}
		c.Differs = differ(v.incident.Facts, c.With.Facts)
	} else {
		c.Choice = v.others()
	}
	return web.Render(w, r, http.StatusOK, mergePage(p.formShell(r, v, "console.p.merge.title"), v, c))
}

// others are the open incidents that this one can be merged with: what is suggested
// first, then the rest as the queue has it.
func (v *screen) others() []Row {
	var out []Row
	for _, c := range v.incident.Suggested {
		out = append(out, c.Row)
	}
	for _, r := range v.queue.Rows {
		if r.ID != v.incident.ID && r.Kind == v.incident.Kind && !slices.ContainsFunc(out, func(o Row) bool { return o.ID == r.ID }) {
			out = append(out, r)
		}
	}
	return out
}

func (p *Pages) merge(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	return p.done(w, r, p.Merge(r.Context(), actor(r), id, field(r, "with")), incidentURL(id))
}

func (p *Pages) apart(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	return p.done(w, r, p.Apart(r.Context(), actor(r), id, field(r, "with")), incidentURL(id))
}

// separate takes one record out of the case; the page stays with the others.
func (p *Pages) separate(w http.ResponseWriter, r *http.Request) error {
	id, record := r.PathValue("id"), field(r, "record")
	v, err := p.one(r)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(v.incident.Records, func(c CaseRecord) bool { return c.ID == record }) {
		return problem.New("console.separate", problem.NotFound, "console.d.refuse.not_found", nil)
	}
	return p.done(w, r, p.Separate(r.Context(), actor(r), record), incidentURL(id))
}

// edit notes that the person writes a change, and leads to its form.
func (p *Pages) edit(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	return p.done(w, r, p.Edit(r.Context(), actor(r), id), incidentURL(id)+"/change")
}

func (p *Pages) leaveEdit(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	return p.done(w, r, p.LeaveEdit(r.Context(), actor(r), id), incidentURL(id))
}

// changing is the form of a change.
type changing struct {
	Base, Next map[Field]string
	Collisions []Collision
	Once       string
	Errors     ui.Errors
}

func (p *Pages) changeForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.one(r)
	if err != nil {
		return err
	}
	if v.incident.Facts == nil {
		return problem.New("console.change", problem.Conflict, "console.d.refuse.deleted", nil)
	}
	held := v.incident.Facts.values()
	return p.renderChange(w, r, http.StatusOK, v, changing{Base: held, Next: held, Once: p.Clock.NewID()})
}

// renderChange draws the form; who else writes is drawn live.
func (p *Pages) renderChange(w http.ResponseWriter, r *http.Request, status int, v *screen, c changing) error {
	s := p.formShell(r, v, "console.p.change.title")
	s.Stream += "&incident=" + v.incident.ID
	return web.Render(w, r, status, changePage(s, v, c))
}

func (p *Pages) change(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	ctx, id := r.Context(), r.PathValue("id")
	c := changing{Base: map[Field]string{}, Next: map[Field]string{}, Once: field(r, "once")}
	for _, f := range Fields {
		c.Base[f], c.Next[f] = field(r, "base-"+string(f)), field(r, string(f))
	}
	var err error
	c.Collisions, err = p.Change(ctx, actor(r), id, c.Base, c.Next, c.Once)
	e, fault := refusal(ctx, err)
	switch {
	case e == nil && err != nil:
		return err
	case e == nil && len(c.Collisions) == 0:
		return back(w, r, incidentURL(id))
	}
	status := http.StatusUnprocessableEntity
	if e != nil {
		f := ""
		switch e.Key {
		case "console.d.refuse.injured":
			f = string(FieldInjured)
		case "console.d.refuse.point":
			f = string(FieldPoint)
		case "console.d.refuse.no_change":
			f = string(Fields[0])
		}
		c.Errors.Add(f, fault)
	}
	v, err := p.one(r)
	if err != nil {
		return err
	}
	if len(c.Collisions) > 0 {
		status, c.Once = http.StatusConflict, p.Clock.NewID()
		for _, x := range c.Collisions {
			c.Base[x.Field] = x.Now // who sends it again has seen it
			c.Errors.Add(string(x.Field), web.T(ctx, "console.p.change.collision", i18n.Args{"now": orUnknown(ctx, v.shownValue(ctx, x.Field, x.Now)), "before": orUnknown(ctx, v.shownValue(ctx, x.Field, x.Before))}))
		}
	}
	return p.renderChange(w, r, status, v, c)
}

// pass tells the other neighbours of the event what one of them changed.
func (p *Pages) pass(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	return p.done(w, r, p.PassOn(r.Context(), actor(r), id, formNumber(r, "entry"), field(r, "once")), incidentURL(id))
}

// shownValue is a value of a change for the reader, one of a neighbour's words for what
// happened with what it means.
func (v *screen) shownValue(ctx context.Context, f Field, value string) string {
	switch {
	case value == "":
	case f == FieldDanger:
		return web.T(ctx, "console.d.line."+value, nil)
	case f == FieldType:
		return v.typeWord(ctx, v.incident.Row, value)
	case f == FieldPoint:
		return web.Coordinates(ctx, value)
	}
	return value
}

// typeWord is what the keyword of a record means for the reader, with the keyword beside
// it; the keyword alone when no table knows it.
func (v *screen) typeWord(ctx context.Context, r Row, word string) string {
	key := ""
	if word == r.Type {
		key = r.TypeKey
	}
	if got, ok := v.pages.label(web.Lang(ctx), v.org, r.OID, key, word, r.First); ok {
		return worded(got)
	}
	return word
}

// changeLine says in the reader's language what became of a value.
func (v *screen) changeLine(ctx context.Context, c Change) string {
	return web.T(ctx, fieldLabel(c.Field), nil) + ": " + orUnknown(ctx, v.shownValue(ctx, c.Field, c.Old)) + updateArrow + orUnknown(ctx, v.shownValue(ctx, c.Field, c.New))
}

// flow switches the passing on of changes.
func (p *Pages) flow(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	return p.done(w, r, p.SetFlow(r.Context(), actor(r), id, field(r, "on") == yes), incidentURL(id))
}

// passable reports whether there is somebody to pass a change on to.
func (v *screen) passable(c Change) bool {
	return v.act && c.Incoming && slices.ContainsFunc(v.incident.Partners, func(n Neighbour) bool { return n.OID != c.OID && !slices.Contains(c.Told, n) })
}

// told are the sides a change was passed on to, in words.
func told(ctx context.Context, c Change) string {
	var all []string
	for _, n := range c.Told {
		all = append(all, neighbour(n))
	}
	return web.T(ctx, "console.p.flow.told", i18n.Args{"neighbour": strings.Join(all, ", ")})
}

// differingValue is one side of a difference for the reader.
func (v *screen) differingValue(ctx context.Context, r Row, field, value string) string {
	switch {
	case value == "":
	case field == "type":
		return v.typeWord(ctx, r, value)
	case field == "point":
		return web.Coordinates(ctx, value)
	}
	return value
}

// verdict says whether two values agree; of two points how far apart they are.
func verdict(ctx context.Context, a, b *Facts, d Difference) string {
	if d.Field == "point" && a.HasPoint && b.HasPoint {
		return web.T(ctx, "console.p.merge.metres", i18n.Args{"m": int64(geo.Distance(geo.Point{Lat: a.Lat, Lon: a.Lon}, geo.Point{Lat: b.Lat, Lon: b.Lon}))})
	}
	return web.T(ctx, "console.p.merge."+string(d.Agree), nil)
}

// why says what speaks for a suggestion.
func why(ctx context.Context, c Candidate) string {
	if c.Number {
		return web.T(ctx, "console.p.case.same_number", i18n.Args{"neighbour": neighbour(c.Neighbour)})
	}
	args := i18n.Args{"d": c.Apart, "m": int64(c.Metres)}
	key := "console.p.case.near"
	if c.Metres < 0 {
		key = "console.p.case.town"
	}
	out := web.T(ctx, key, args)
	if c.Type == OtherType {
		out += " " + web.T(ctx, "console.p.case.other_type", nil)
	}
	return out
}

// inputs are the fields of the form of a change.
func (c changing) field(ctx context.Context, f Field) ui.Field {
	return ui.Field{Name: string(f), Label: web.T(ctx, fieldLabel(f), nil), Value: c.Next[f], Error: c.Errors.Of(string(f))}
}

// recordState is how far a record has come, where no time stands behind it.
func (v *screen) recordState(ctx context.Context, r Row) string {
	if r.Nobody {
		return v.state(ctx, r)
	}
	return web.T(ctx, "console.d.state."+string(r.State), nil)
}

// differing are the values in which a record is not as the lead.
func (c CaseRecord) differing() []Difference {
	return slices.DeleteFunc(slices.Clone(c.Differs), func(d Difference) bool { return d.Agree == Agrees || d.Agree == OneSide })
}

// onceOf makes passing a change on once, however often it is pressed.
func onceOf(c Change) string { return "pass-" + strconv.FormatInt(c.Entry, 10) }

// kind is the field of what happened; under it stands what a neighbour's code means.
func (c changing) kind(ctx context.Context, v *screen) ui.Field {
	f := c.field(ctx, FieldType)
	if said := v.typeWord(ctx, v.incident.Row, f.Value); said != f.Value {
		f.Hint = said
	}
	return f
}

func (c changing) number(ctx context.Context) ui.Field {
	f := c.field(ctx, FieldInjured)
	f.InputMode, f.Size, f.Focus = "numeric", 4, true
	return f
}

func (c changing) danger(ctx context.Context) ui.Group {
	g := ui.Group{Name: string(FieldDanger), Legend: web.T(ctx, fieldLabel(FieldDanger), nil), Error: c.Errors.Of(string(FieldDanger))}
	for _, v := range []string{yes, no} {
		g.Options = append(g.Options, ui.Option{Value: v, Text: web.T(ctx, "console.d.line."+v, nil), Selected: c.Next[FieldDanger] == v})
	}
	return g
}

// choice is an incident to compare with, as a row of the queue.
func (v *screen) choice(ctx context.Context, r Row) ui.Row {
	row := v.row(ctx, r, false)
	row.ID, row.URL = "choice-"+r.ID, incidentURL(v.incident.ID)+"/merge?with="+r.ID
	return row
}

func newestChanges(in []Change) []Change {
	out := slices.Clone(in)
	slices.Reverse(out)
	return out
}

func agreeLevel(a Agreement) sign.Level {
	switch a {
	case Agrees:
		return sign.OK
	case Differs:
		return sign.L2
	}
	return sign.None
}
