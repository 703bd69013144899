package console

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"trojmezi/internal/exchange/disclosure"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// fields of the form of a hand-over, as they are kept in a draft.
var fields = []string{"app", "where", "lat", "lon", "place", "street", "house", "postal", "object", "country", "what", "issue", "injured", "danger",
	"additional", "began", "caller", "phone", "caller_note", "callers", "give_callers", "give_patients", "emergency", "number", "patients", "remarks", "pickup", "pickup_at", "destination", "arrival_at"}

// apps a hand-over can be written for here.
var apps = []string{appIncident, appPatients, appPolice, appPatient, appTransport}

// handing is the form of a hand-over.
type handing struct {
	F        map[string]string
	To       []string
	Draft    string     // its number, given before it is first kept
	Incident string     // handed on
	Kind     store.Kind // of the incident, else of its receivers; "" while it can become any
	Once     string
	Found    []found
	Country  string // where the point lies, in words
	Kept     bool   // restored from a draft
	Drafts   []Draft
	Errors   ui.Errors
}

// found is one reading of what was written into "where".
type found struct {
	Value string // fields it fills, in the form of a query
	Text  string
	Hint  string
	Name  bool // of a place, which may also be one that nobody knows
	Whole bool // it is exactly what was written
}

func (f found) fields() url.Values {
	q, _ := url.ParseQuery(f.Value)
	return q
}

// writing reads the form as it was sent.
func (p *Pages) writing(r *http.Request) handing {
	h := handing{F: map[string]string{}, Draft: field(r, "draft"), Incident: field(r, "incident"), Once: field(r, "once")}
	for _, f := range fields {
		if s := field(r, f); s != "" {
			h.F[f] = s
		}
	}
	for _, to := range r.PostForm["to"] {
		if to = strings.TrimSpace(to); to != "" {
			h.To = append(h.To, to)
		}
	}
	h.choose(field(r, "choice"))
	if h.Draft == "" {
		h.Draft = p.Clock.NewID()
	}
	if h.Once == "" {
		h.Once = p.Clock.NewID()
	}
	return h
}

// ofPlace is what the form says about a place besides its name.
var ofPlace = []string{"lat", "lon", "street", "house", "postal", "country"}

// choose fills in what the person picked among the readings of what stands in
// "where". Another place takes nothing over from the one before it.
func (h *handing) choose(choice string) {
	q, err := url.ParseQuery(choice)
	if err != nil || choice == "" || q.Get("of") != h.F["where"] {
		return
	}
	if place := q.Get("place"); place != "" && h.placed() != "" && !same(place, h.F["place"]) {
		for _, f := range ofPlace {
			delete(h.F, f)
		}
	}
	for _, f := range append([]string{"place", "additional"}, ofPlace...) {
		if s := strings.TrimSpace(q.Get(f)); s != "" {
			h.F[f] = s
		}
	}
	delete(h.F, "where") // what was looked for is found
}

// placed names the place the form has already, "" without one.
func (h handing) placed() string {
	return cmp.Or(h.F["place"], strings.Join(compact([]string{h.F["lat"], h.F["lon"]}), " "))
}

// moves reports whether a reading says something else than the form does already.
func (h handing) moves(q url.Values) bool {
	for _, f := range []string{"place", "street", "lat", "lon"} {
		if s := q.Get(f); s != "" && h.F[f] != "" && !same(s, h.F[f]) {
			return true
		}
	}
	return q.Has("place") && !q.Has("lat") && h.F["lat"] != "" && !same(q.Get("place"), h.F["place"])
}

// point reads latitude and longitude in decimal degrees, with comma or point.
func (h handing) point() (at geo.Point, ok bool) {
	read := func(name string) (float64, error) {
		return strconv.ParseFloat(strings.Replace(h.F[name], ",", ".", 1), 64)
	}
	lat, errLat := read("lat")
	lon, errLon := read("lon")
	at = geo.Point{Lat: lat, Lon: lon}
	return at, errLat == nil && errLon == nil && at.Valid()
}

// degrees writes one of the two fields: six decimals are a tenth of a metre.
func degrees(v float64) string {
	return strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64)
}

// draft is the form as the domain knows it.
func (h handing) draft() Draft {
	d := Draft{
		ID: h.Draft, Incident: h.Incident, To: h.To, App: h.F["app"], Type: h.F["what"], Issue: h.F["issue"], Place: h.F["place"], Street: h.F["street"],
		House: h.F["house"], Postal: h.F["postal"], Country: h.F["country"], Object: h.F["object"], Danger: h.F["danger"] != "", Additional: h.F["additional"],
		Caller: Person{Name: h.F["caller"], Phone: h.F["phone"], Note: h.F["caller_note"]}, InternalID: h.F["number"], Remarks: lineList(h.F["remarks"]), Raw: h.F, Once: h.Once,
		Callers: linesPeople(h.F["callers"]), Answers: h.answers(), Emergency: h.F["emergency"],
	}
	if at, ok := h.point(); ok {
		d.Lat, d.Lon, d.HasPoint = at.Lat, at.Lon, true
	}
	d.Began, _ = time.Parse(time.RFC3339, h.F["began"])
	if n, ok := injured(h.F["injured"]); ok {
		d.Injured = n
	}
	if d.App == appTransport {
		d.Pickup, d.Destination = Location{Street: h.F["pickup"]}, Location{Street: h.F["destination"]}
		d.PickupAt, _ = localTime(h.F["pickup_at"])
		d.ArrivalAt, _ = localTime(h.F["arrival_at"])
	}
	if d.App == appPatients || d.App == appPatient || d.App == appTransport {
		d.Patients = linesPeople(h.F["patients"])
	}
	return d
}

// localForm is how a field for day and time holds them.
const localForm = "2006-01-02T15:04"

// localTime reads what a field for day and time holds, by the clocks of the three
// countries; true for an empty one.
func localTime(s string) (time.Time, bool) {
	if s == "" {
		return time.Time{}, true
	}
	t, err := time.ParseInLocation(localForm, s, zone())
	return t.UTC(), err == nil
}

// form restores the form of a draft.
func (d Draft) form() handing {
	h := handing{F: map[string]string{}, To: d.To, Draft: d.ID, Incident: d.Incident, Kept: true}
	for k, v := range d.Raw {
		h.F[k] = v
	}
	return h
}

// fields fill the form with a draft that nobody has typed.
func (d Draft) fields() map[string]string {
	f := map[string]string{
		"app": d.App, "what": d.Type, "issue": d.Issue, "place": d.Place, "street": d.Street, "house": d.House, "postal": d.Postal, "country": d.Country,
		"object": d.Object, "additional": d.Additional, "number": d.InternalID, "caller": d.Caller.Name, "phone": d.Caller.Phone, "caller_note": d.Caller.Note,
		"remarks": strings.Join(d.Remarks, "\n"), "pickup": d.Pickup.Street, "destination": d.Destination.Street,
	}
	if d.HasPoint {
		f["lat"], f["lon"] = degrees(d.Lat), degrees(d.Lon)
	}
	if d.Injured != nil {
		f["injured"] = strconv.Itoa(*d.Injured)
	}
	if d.Danger {
		f["danger"] = "on"
	}
	if !d.Began.IsZero() {
		f["began"] = d.Began.Format(time.RFC3339)
	}
	for name, t := range map[string]time.Time{"pickup_at": d.PickupAt, "arrival_at": d.ArrivalAt} {
		if !t.IsZero() {
			f[name] = t.In(zone()).Format(localForm)
		}
	}
	f["patients"], f["callers"] = peopleLines(d.Patients), peopleLines(d.Callers)
	maps.DeleteFunc(f, func(_, value string) bool { return value == "" })
	return f
}

// foundMax bounds the readings shown: more are not read in a hurry.
const foundMax = 7

// readings are the places that what somebody wrote may mean.
func (p *Pages) readings(ctx context.Context, where string) ([]found, error) {
	all, err := geo.Parse(where)
	if e, ok := errors.AsType[*problem.Error](err); ok {
		if e.Key != "geo.error.unknown" || p.places == nil {
			return nil, err
		}
		return p.named(ctx, where)
	}
	if err != nil {
		return nil, err
	}
	var out []found
	for _, c := range all {
		if len(out) == foundMax {
			break
		}
		if !c.IsPoint() {
			out = append(out, found{Value: url.Values{"of": {where}, "street": {c.Text}}.Encode(), Text: c.Text, Hint: web.T(ctx, "console.p.where.road", nil), Whole: true})
			continue
		}
		fill := url.Values{"of": {where}, "lat": {degrees(c.Point.Lat)}, "lon": {degrees(c.Point.Lon)}}
		hint := []string{web.T(ctx, c.Notation.Key(), nil), web.T(ctx, "console.p.where.accuracy", i18n.Args{"m": max(1, int(c.Accuracy+0.5))})}
		if p.places != nil {
			w := p.places.Where(ctx, c.Point)
			if w.Confidence == register.Sure {
				fill.Set("country", string(w.Country))
			}
			if near, ok := p.places.Nearest(c.Point); ok {
				fill.Set("place", near.Name)
			}
			hint = append(hint, w.Near, w.Text)
		}
		if c.Note != "" {
			hint = append(hint, web.T(ctx, c.Note, nil))
		}
		out = append(out, found{Value: fill.Encode(), Text: coordinates(ctx, c.Point), Hint: strings.Join(compact(hint), " · "), Whole: true})
	}
	return out, nil
}

// named are the places of a name, in whichever language.
func (p *Pages) named(ctx context.Context, name string) ([]found, error) {
	var out []found
	for _, h := range p.places.Search(name, foundMax) {
		own, local := h.In(web.Lang(ctx))
		text := own
		if local != "" {
			text = local + " / " + own
		}
		hint := []string{string(h.Country), h.District}
		if !same(h.Matched, own) && !same(h.Matched, local) {
			hint = append(hint, h.Matched)
		}
		out = append(out, found{Value: url.Values{"of": {name}, "place": {h.Name}, "country": {string(h.Country)}}.Encode(), Text: text,
			Hint: strings.Join(compact(hint), " · "), Name: true, Whole: slices.Equal(i18n.Words(name), i18n.Words(h.Matched))})
	}
	return out, nil
}

// settle reads "where" before a hand-over is shown or sent. One reading that is
// exactly what was written is taken, and so is a name nobody knows, unless the form
// says another place already: then, and about several readings, the person is asked.
func (p *Pages) settle(ctx context.Context, h *handing) {
	where := h.F["where"]
	if where == "" {
		return
	}
	all, err := p.readings(ctx, where)
	if e, ok := errors.AsType[*problem.Error](err); ok && e.Key != "geo.error.unknown" {
		h.Errors.Add("where", web.T(ctx, e.Key, e.Args))
		return
	}
	switch {
	case same(where, h.F["place"]):
		delete(h.F, "where")
	case len(all) == 1 && all[0].Whole && !h.moves(all[0].fields()):
		h.choose(all[0].Value)
	case len(all) == 0 && h.F["place"] == "":
		h.F["place"] = where
		delete(h.F, "where")
	default:
		h.ask(ctx, all)
	}
}

// ask puts the readings of "where" to the person. What may be a name nobody knows is
// also offered as it was written: as the place, or as what adds to the one there is.
func (h *handing) ask(ctx context.Context, all []found) {
	where, there := h.F["where"], h.placed()
	key := "console.p.where.choose"
	if there != "" {
		key = "console.p.where.given"
	}
	h.Errors.Add("where", web.T(ctx, key, nil))
	for n := range all {
		if q := all[n].fields(); q.Has("place") && h.moves(q) {
			all[n].Hint += " · " + web.T(ctx, "console.p.where.instead", i18n.Args{"place": there})
		}
	}
	named := len(all) == 0 || all[0].Name
	if named && there != "" {
		more := strings.Join(compact([]string{h.F["additional"], where}), ", ")
		all = append(all, found{Value: url.Values{"of": {where}, "additional": {more}}.Encode(), Text: where, Hint: web.T(ctx, "console.p.where.adds", i18n.Args{"place": there})})
	}
	if named && !slices.ContainsFunc(all, func(f found) bool { return f.Whole }) {
		hint := web.T(ctx, "console.p.where.written", nil)
		if there != "" {
			hint += " · " + web.T(ctx, "console.p.where.instead", i18n.Args{"place": there})
		}
		all = append(all, found{Value: url.Values{"of": {where}, "place": {where}}.Encode(), Text: where, Hint: hint})
	}
	h.Found = all
}

// check adds what is wrong to the form, in the order of its fields.
func (h *handing) check(ctx context.Context) {
	if h.F["lat"]+h.F["lon"] != "" {
		if _, ok := h.point(); !ok {
			h.Errors.Add("lat", web.T(ctx, "console.p.where.no_point", nil))
		}
	}
	for _, f := range []string{"pickup_at", "arrival_at"} {
		if _, ok := localTime(h.F[f]); !ok {
			h.Errors.Add(f, web.T(ctx, "console.p.field.no_time", nil))
		}
	}
	if _, ok := injured(h.F["injured"]); !ok {
		h.Errors.Add("injured", web.T(ctx, "console.d.refuse.injured", nil))
	}
}

// fieldOf is where a refusal of the domain belongs.
var fieldOf = map[string]string{
	"console.d.refuse.no_receiver": "to", "console.d.refuse.mixed": "to", "console.d.refuse.drill": "to", "console.d.refuse.place": "where", "console.d.refuse.what": "what", "console.d.refuse.injured": "injured",
	"console.d.refuse.patients": "patients", "console.d.refuse.patient_phone": "patients", "console.d.refuse.transport": "pickup",
}

// said is the country of the form's point, in words.
func (p *Pages) said(ctx context.Context, h *handing) {
	if at, ok := h.point(); ok && p.places != nil {
		w := p.places.Where(ctx, at)
		h.Country = strings.Join(compact([]string{w.Near, w.Text}), " · ")
	}
}

func (p *Pages) renderCompose(w http.ResponseWriter, r *http.Request, status int, h handing) error {
	ctx := r.Context()
	var err error
	if h.Drafts, err = p.Drafts(ctx, actor(r)); err != nil {
		return err
	}
	h.Drafts = slices.DeleteFunc(h.Drafts, func(d Draft) bool { return d.ID == h.Draft })
	h.F["app"] = cmp.Or(h.F["app"], appIncident)
	p.said(ctx, &h)
	v, s, err := p.marked(r, &h, "console.p.handover.title")
	if err != nil {
		return err
	}
	return web.Render(w, r, status, composePage(s, v, h))
}

// marked is the screen and the frame of a page about a hand-over, which says whether
// it is an exercise or a test: by the incident handed on, else by its receivers. What
// is open in the queue says nothing about a new one.
func (p *Pages) marked(r *http.Request, h *handing, titleKey string) (*screen, web.Shell, error) {
	v, err := p.screenOf(r)
	if err != nil {
		return nil, web.Shell{}, err
	}
	if h.Incident != "" {
		i, err := p.Incident(r.Context(), v.org.ID, h.Incident)
		if err != nil {
			return nil, web.Shell{}, err
		}
		v.chosen = true
		v = v.with(i)
		h.Kind = i.Kind
	} else {
		h.Kind = v.kindOf(h.To)
	}
	s := p.formShell(r, v, titleKey)
	if s.Section = "handover"; h.Incident == "" {
		s.Kind = ""
	}
	return v, s, nil
}

// kindOf is the kind all the receivers have; "" for none or several.
func (v *screen) kindOf(to []string) (kind store.Kind) {
	for _, r := range v.rooms {
		switch {
		case !slices.Contains(to, r.OID):
		case kind != "" && kind != r.Kind:
			return ""
		default:
			kind = r.Kind
		}
	}
	return kind
}

// composeForm is the form: empty, of a draft, or for an incident to hand on.
func (p *Pages) composeForm(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	h := handing{F: map[string]string{}, Draft: p.Clock.NewID()}
	switch {
	case q.Get("draft") != "":
		d, err := p.Draft(ctx, actor(r), q.Get("draft"))
		if err != nil {
			return err
		}
		h = d.form()
		if where := h.F["where"]; q.Get("find") != "" && where != "" {
			h.Found, err = p.readings(ctx, where)
			if e, fault := refusal(ctx, err); e != nil {
				if e.Key == "geo.error.unknown" {
					fault = web.T(ctx, "console.p.where.none", nil)
				}
				h.Errors.Add("where", fault)
			} else if err != nil {
				return err
			} else if len(h.Found) == 0 {
				h.Errors.Add("where", web.T(ctx, "console.p.where.none", nil))
			}
		}
	case q.Get("incident") != "":
		d, err := p.HandOn(ctx, actor(r), q.Get("incident"))
		if err != nil {
			return err
		}
		h.Incident, h.F = d.Incident, d.fields()
	default:
		h.reenter(q)
	}
	if to := q.Get("to"); to != "" && len(h.To) == 0 {
		h.To = []string{to}
	}
	h.Once = p.Clock.NewID()
	return p.renderCompose(w, r, http.StatusOK, h)
}

// compose sends: the form as it was written, or the draft that was looked at.
func (p *Pages) compose(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	ctx := r.Context()
	h := p.writing(r)
	if field(r, "looked") != "" {
		d, err := p.Draft(ctx, actor(r), h.Draft)
		if err != nil {
			return err
		}
		once := h.Once
		h = d.form()
		h.Once = once
	}
	p.settle(ctx, &h)
	h.check(ctx)
	if len(h.Errors) == 0 {
		id, err := p.HandOver(ctx, actor(r), h.draft())
		e, fault := refusal(ctx, err)
		if e == nil {
			if err != nil {
				return err
			}
			return back(w, r, incidentURL(id))
		}
		h.Errors.Add(fieldOf[e.Key], fault)
	}
	return p.renderCompose(w, r, http.StatusUnprocessableEntity, h)
}

// saveDraft keeps what is written, by itself while somebody types. Buttons of the
// form that look something up come here too: so nothing is lost on the way.
func (p *Pages) saveDraft(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	ctx, do := r.Context(), field(r, "do")
	h := p.writing(r)
	if do == "preview" {
		p.settle(ctx, &h)
		if h.check(ctx); len(h.Errors) > 0 {
			return p.renderCompose(w, r, http.StatusUnprocessableEntity, h)
		}
	}
	id, err := p.SaveDraft(ctx, actor(r), h.draft())
	if err != nil {
		return err
	}
	q := url.Values{"draft": {id}}
	switch do {
	case "preview":
		return back(w, r, "/console/handover/preview?"+q.Encode())
	case "find":
		q.Set("find", "yes")
	}
	return back(w, r, "/console/handover?"+q.Encode())
}

func (p *Pages) dropDraftOf(w http.ResponseWriter, r *http.Request) error {
	return p.done(w, r, p.DropDraft(r.Context(), actor(r), r.PathValue("id")), "/console/handover")
}

// find answers console.js: the readings of "where", or the country of a point.
func (p *Pages) find(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	h := handing{F: map[string]string{"lat": q.Get("lat"), "lon": q.Get("lon")}}
	if where := strings.TrimSpace(q.Get("where")); where != "" {
		var err error
		h.Found, err = p.readings(ctx, where)
		if e, fault := refusal(ctx, err); e != nil {
			if e.Key == "geo.error.unknown" {
				fault = web.T(ctx, "console.p.where.none", nil)
			}
			return web.Render(w, r, http.StatusOK, foundPart(nil, fault))
		} else if err != nil {
			return err
		}
		none := ""
		if len(h.Found) == 0 {
			none = web.T(ctx, "console.p.where.none", nil)
		}
		return web.Render(w, r, http.StatusOK, foundPart(h.Found, none))
	}
	p.said(ctx, &h)
	org, err := p.Organisation(ctx, actor(r).Org)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, templ.Join(saidPart(h.Country), p.mayWeAt(ctx, org, h)))
}

// preview shows a draft as its receivers will see it, in their languages.
func (p *Pages) preview(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	d, err := p.Draft(ctx, actor(r), r.URL.Query().Get("draft"))
	if err != nil {
		return err
	}
	h := d.form()
	h.Once = p.Clock.NewID()
	v, s, err := p.marked(r, &h, "console.p.preview.title")
	if err != nil {
		return err
	}
	d = h.draft()
	p.said(ctx, &h)
	if key := d.lacks(); key != "" {
		h.Errors.Add("", web.T(ctx, key, nil))
	}
	if len(d.To) == 0 {
		h.Errors.Add("", web.T(ctx, "console.d.refuse.no_receiver", nil))
	}
	var known store.Kind
	if v.incident != nil {
		known = v.incident.Kind
	}
	err = p.DB.Read(ctx, func(tx *store.Tx) error { return p.oneKind(tx, "console.preview", known, d.To) })
	if e, fault := refusal(ctx, err); e != nil {
		h.Errors.Add("", fault)
	} else if err != nil {
		return err
	}
	views, err := p.views(r, v, d)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, previewPage(s, v, h, views))
}

// seenIn is what receivers see of a hand-over, and in which language.
type seenIn struct {
	Lang  i18n.Lang
	To    []string
	Marks []disclosure.Mark
	Seen  *Incident
}

// views are what the receivers of a draft will see; those who see the same are one.
func (p *Pages) views(r *http.Request, v *screen, d Draft) (views []seenIn, err error) {
	now, id := p.Clock.Now(), p.Clock.NewID()
	for _, room := range v.rooms {
		if !slices.Contains(d.To, room.OID) {
			continue
		}
		app, msg, data := build(p.toward(d, v.org, room.OID, now), id, v.org.Lang, now, p.say(v.org.Lang, wordUnknown, nil))
		e := letter(p.from(v.org, room.OID), room.OID, app, msg, data)
		one := seenIn{Lang: cmp.Or(room.Lang, i18n.En), To: []string{neighbour(room.Neighbour)}}
		if d.lacks() == "" {
			err = p.DB.Read(r.Context(), func(tx *store.Tx) error {
				one.Marks, err = p.seenBy(tx, v.org, actor(r), d.disclosed(), e)
				return err
			})
			if err != nil {
				return nil, err
			}
		}
		if n := slices.IndexFunc(views, func(s seenIn) bool { return s.Lang == one.Lang && slices.Equal(s.Marks, one.Marks) }); n >= 0 {
			views[n].To = append(views[n].To, one.To...)
			continue
		}
		f := facts(e)
		one.Seen = &Incident{Row: Row{App: app, Headline: headline(f), Place: f.Place, Injured: f.Injured, Danger: f.Danger, Type: f.Type, TypeKey: f.TypeKey, First: now}, Facts: f}
		views = append(views, one)
	}
	return views, nil
}

// appOptions are the kinds of hand-over.
func appOptions(ctx context.Context, chosen string) []ui.Option {
	var out []ui.Option
	for _, a := range apps {
		out = append(out, ui.Option{Value: a, Text: web.T(ctx, "console.d.app."+a, nil), Selected: a == chosen})
	}
	return out
}

// draftName is how a draft is called in the list.
func draftName(ctx context.Context, d Draft) string {
	return orUnknown(ctx, strings.Join(compact([]string{cmp.Or(d.Type, d.Issue), cmp.Or(d.Place, d.Raw["where"])}), ", "))
}

// pick is the map on which the point of the form can be set; nil without a register.
func (p *Pages) pick(ctx context.Context, h handing) templ.Component {
	if p.places == nil {
		return nil
	}
	v := register.View{Title: web.T(ctx, "console.p.map.title", nil)}
	var marks []register.Mark
	if at, ok := h.point(); ok {
		v.Centre, v.Metres = at, mapMetres
		marks = append(marks, register.Mark{Point: at, Label: web.T(ctx, "console.p.incident", nil)})
	}
	return p.places.Map(v, register.Options{Pick: true, LatField: "lat", LonField: "lon", Tiles: true}, marks...)
}
