package notice

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/geo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// Bounds of a form and of a file.
const (
	maxForm = 512 << 10
	maxFile = 1 << 20
)

// Pages are the screens of the notices.
type Pages struct {
	*Service
	// Operator is who operates the node and so keeps its templates; nil: each
	// organisation is its own operator.
	Operator web.Operator
	// Confirm takes a second factor of who is signed in, for the emergency override.
	Confirm func(r *http.Request, code string) error
	// Passkey asks for one of who is signed in: the options for the browser, "" when he has
	// none here. ConfirmPasskey takes the answer.
	Passkey        func(r *http.Request) (options string, err error)
	ConfirmPasskey func(r *http.Request, response string) error
	// Officers are who can be on duty in an organisation.
	Officers func(ctx context.Context, organisation string) ([]ui.Option, error)
}

// NewPages returns them.
func NewPages(s *Service) *Pages { return &Pages{Service: s} }

// Addresses.
const (
	onePath       = root + "/notice/{id}"
	dutyPath      = root + "/duty"
	askedPath     = root + "/asked"
	overridesPath = root + "/overrides"
	templatesPath = root + "/templates"
)

func address(id, more string) string { return root + "/notice/" + url.PathEscape(id) + more }

// Register adds the pages.
func (p *Pages) Register(rt *web.Router) {
	read, write := web.MayOn(mayRead, p.reading), web.MayOn(mayWrite, p.owned)
	answer, template := web.MayOn(mayApprove, p.request), web.MayOn(mayTemplate, p.Operator.On)
	const one = templatesPath + "/{id}"
	for _, r := range []struct {
		pattern string
		guard   web.Guard
		handler web.Handler
	}{
		{"GET " + root, web.May(mayRead), p.list},
		{"GET " + root + "/new", web.May(mayWrite), p.newForm},
		{"POST " + root, web.May(mayWrite), p.create},
		{"POST " + root + "/preview", web.May(mayWrite), p.live},
		{"GET " + onePath, read, p.show},
		{"GET " + onePath + "/history", read, p.history},
		{"GET " + onePath + "/cap.xml", read, p.capFile},
		{"GET " + onePath + "/edit", write, p.editForm},
		{"POST " + onePath + "/edit", write, p.edit},
		{"GET " + onePath + "/change", write, p.changeForm},
		{"POST " + onePath + "/change", write, p.change},
		{"POST " + onePath + "/take", write, p.take},
		{"GET " + onePath + "/override", write, p.overrideForm},
		{"POST " + onePath + "/override", write, p.override},
		{"GET " + onePath + "/answer", answer, p.answerForm},
		{"POST " + onePath + "/answer", answer, p.answer},
		{"POST " + onePath + "/review", answer, p.review},
		{"GET " + askedPath + "/{id}", web.MayOn(mayApprove, p.requestFar), p.answerFarForm},
		{"POST " + askedPath + "/{id}", web.MayOn(mayApprove, p.requestFar), p.answerFar},
		{"GET " + overridesPath, web.May(mayRead), p.overrides},
		{"GET " + overridesPath + ".csv", web.May(mayRead), p.overridesFile},
		{"GET " + dutyPath, web.May(mayRead), p.duty},
		{"POST " + dutyPath, web.May(mayDuty), p.enter},
		{"POST " + dutyPath + "/end", web.May(mayDuty), p.endDuty},
		{"POST " + root + "/delegations", web.May(mayDelegate), p.grant},
		{"POST " + root + "/delegations/end", web.May(mayDelegate), p.endDelegation},
		{"POST " + root + "/delegations/answer", web.May(mayDelegate), p.answerDelegation},
		{"GET " + templatesPath, web.May(mayRead), p.templates},
		{"GET " + templatesPath + ".csv", web.May(mayRead), p.templateFile},
		{"GET " + templatesPath + "/import", template, p.importForm},
		{"POST " + templatesPath + "/import", template, p.importFile},
		{"GET " + templatesPath + "/new", template, p.newTemplateForm},
		{"POST " + templatesPath + "/new", template, p.newTemplate},
		{"GET " + one, web.May(mayRead), p.template},
		{"GET " + one + "/preview", web.May(mayRead), p.previewTemplate},
		{"POST " + one + "/restore", template, p.restoreTemplate},
		{"GET " + one + "/edit", template, p.templateForm},
		{"POST " + one + "/edit", template, p.putTemplate},
		{"POST " + one + "/check", template, p.checkTemplate},
		{"POST " + one + "/retire", template, p.retireTemplate},
		{"GET /cap/message/{id}", web.Public(), p.message(store.Live)},
		{"GET /cap/exercise/message/{id}", web.Public(), p.message(store.Exercise)},
		{"GET /cap/certificate.pem", web.Public(), p.certificate},
	} {
		rt.Page(r.pattern, r.guard, r.handler)
	}
}

// Public are the patterns open to strangers.
func Public() []string {
	return []string{"GET /cap/message/{id}", "GET /cap/exercise/message/{id}", "GET /cap/certificate.pem"}
}

// owner is the organisation of the notice of a request.
func (p *Pages) owner(r *http.Request) (id, organisation string, err error) {
	id = r.PathValue("id")
	err = p.o.DB.Read(r.Context(), func(tx *store.Tx) error {
		n, err := load(tx, id)
		if err == nil {
			organisation = n.Organisation
		}
		return err
	})
	return id, organisation, err
}

// owned is the notice as the object of a request.
func (p *Pages) owned(r *http.Request) (access.Resource, error) {
	id, organisation, err := p.owner(r)
	return access.Resource{Type: "Notice", ID: id, Attributes: map[string]any{"organisation": organisation}}, err
}

// request is the question to the second person as the object of a request: it belongs to
// the notice's organisation, and to the reader's where that has a delegation in force.
func (p *Pages) request(r *http.Request) (access.Resource, error) {
	id, organisation, err := p.owner(r)
	if err != nil {
		return access.Resource{}, err
	}
	who := actor(r.Context())
	err = p.o.DB.Read(r.Context(), func(tx *store.Tx) error {
		ok, err := mayAnswer(tx, who, organisation, p.o.Clock.Now())
		if ok {
			organisation = who.Organisation
		}
		return err
	})
	return access.Resource{Type: "NoticeRequest", ID: id, Attributes: map[string]any{"organisation": organisation}}, err
}

// reading is the notice for a reader: who may answer for it reads it too.
func (p *Pages) reading(r *http.Request) (access.Resource, error) { return p.request(r) }

func actor(ctx context.Context) Actor {
	who := web.Who(ctx)
	return Actor{who.ID, who.Organisation}
}

func t(ctx context.Context, key string) string { return web.T(ctx, key, nil) }

func see(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// overview is the list with what stands beside it.
type overview struct {
	All, Asked []Listed
	State      string
	Kind       string
	Empty      bool // nothing was ever written, not only nothing found
	Roster     Roster
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	q := r.URL.Query()
	v := overview{State: q.Get("state"), Kind: q.Get("kind")}
	all, err := p.List(ctx, web.Who(ctx).Organisation, web.Lang(ctx))
	if err != nil {
		return err
	}
	v.Empty = len(all) == 0
	for _, x := range all {
		if (v.State == "" || string(x.State) == v.State) && (v.Kind == "" || string(x.Kind) == v.Kind) {
			v.All = append(v.All, x)
		}
	}
	if v.Asked, err = p.Requests(ctx, actor(ctx), web.Lang(ctx)); err != nil {
		return err
	}
	if web.Can(ctx, mayApprove, web.Organisation(web.Who(ctx).Organisation)) {
		far, err := p.AskedFar(ctx, web.Who(ctx).Organisation, web.Lang(ctx))
		if err != nil {
			return err
		}
		v.Asked = append(far, v.Asked...)
	}
	if v.Roster, err = p.Roster(ctx, web.Who(ctx).Organisation, web.Who(ctx).ID, store.Live); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, listPage(v))
}

// form is the page on which a notice is written.
type form struct {
	ID       string // "" for a new one
	Base     int
	Purpose  Purpose
	Action   string
	Back     string
	Template *Template
	F        map[string]string
	Errors   ui.Errors
	Units    []ui.Option
	Places   []string
	Waters   []ui.Option
	Stops    []string // of all of them
	Map      templ.Component
	// Messages are how it reads so far.
	Messages   []Message
	Renderings []Rendering
	Roster     Roster
	Kind       store.Kind
}

func (p *Pages) newForm(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	b, err := p.Templates(ctx)
	if err != nil {
		return err
	}
	roster, err := p.Roster(ctx, web.Who(ctx).Organisation, web.Who(ctx).ID, store.Live)
	if err != nil {
		return err
	}
	tpl := b.Find(r.URL.Query().Get("template"))
	if tpl == nil {
		return web.Render(w, r, http.StatusOK, choosePage(b.InUse(), roster))
	}
	f := p.blank(ctx, tpl)
	f.Action, f.Back, f.Purpose, f.Kind = root, root+"/new", Alert, store.Live
	f.Roster = roster
	last, err := p.last(ctx)
	if err != nil {
		return err
	}
	if last != nil { // where, whom to call and where to meet rarely change
		f.F["area"] = first(last.Areas)
		for _, s := range tpl.Slots {
			if s.Kind == KindPhone || s.Kind == KindMeeting {
				f.F["v_"+s.Name] = last.Values[s.Name]
			}
		}
	}
	return p.compose(w, r, http.StatusOK, f)
}

func first(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

// last is the newest content of the reader's organisation, nil without.
func (p *Pages) last(ctx context.Context) (c *Content, err error) {
	err = p.o.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := list(tx, web.Who(ctx).Organisation)
		if err != nil || len(rows) == 0 {
			return err
		}
		n := 0
		for _, e := range rows[0].Events {
			n = max(n, e.Content)
		}
		c, err = content(tx, rows[0].ID, n)
		return err
	})
	return c, err
}

// inputTime is how browsers write day and time.
const inputTime = "2006-01-02T15:04"

// blank is an empty form of a template: it happens now.
func (p *Pages) blank(ctx context.Context, tpl *Template) form {
	f := form{Template: tpl, F: map[string]string{"hours": strconv.Itoa(tpl.Hours)}}
	for _, s := range tpl.Slots {
		if s.Kind == KindTime {
			f.F["v_"+s.Name] = web.Now(ctx).In(zone).Format(inputTime)
		}
	}
	p.choices(ctx, &f)
	return f
}

func (p *Pages) choices(ctx context.Context, f *form) {
	f.Map = p.o.Places.Map(register.View{Title: t(ctx, "notice.drawing")}, register.Options{ID: "draw", Pick: true, List: "drawing", Tiles: true})
	for _, w := range p.atlas.waters {
		f.Waters = append(f.Waters, ui.Option{Value: w.Key, Text: w.In(web.Lang(ctx))})
		for _, name := range w.names(web.Lang(ctx)) {
			if !slices.Contains(f.Stops, name) {
				f.Stops = append(f.Stops, name)
			}
		}
	}
	for _, u := range p.atlas.Units() {
		f.Units = append(f.Units, ui.Option{Value: u.ID, Text: p.atlas.NameOf(p.o.Texts, web.Lang(ctx), u)})
		if u.Level == "municipality" {
			f.Places = append(f.Places, u.Name)
		}
	}
}

// filled is the form of a content that stands.
func (p *Pages) filled(ctx context.Context, v *Shown, tpl *Template) form {
	f := p.blank(ctx, tpl)
	c := v.Content
	f.ID, f.Base, f.Purpose, f.Kind, f.Back = v.ID, v.Last.Content, v.Last.Purpose, v.Kind, address(v.ID, "")
	for _, s := range tpl.Slots {
		kept := c.Values[s.Name]
		if kept == "" {
			continue
		}
		switch s.Kind {
		case KindTime:
			if at, err := time.Parse(time.RFC3339, kept); err == nil && tpl.ID == c.Template {
				kept = at.In(zone).Format(inputTime)
			} else {
				continue
			}
		case KindPlace:
			if place, ok := p.o.Places.Place(kept); ok {
				kept = place.Name
			}
		}
		f.F["v_"+s.Name] = kept
	}
	f.F["area"] = first(c.Areas)
	var more []string
	for _, id := range c.Areas[min(1, len(c.Areas)):] {
		if u, ok := p.atlas.Unit(id); ok {
			more = append(more, cmp.Or(u.Place.Name, u.ID))
		}
	}
	f.F["areas"], f.F["note"], f.F["drawing"] = strings.Join(more, "; "), c.Note, c.Drawing
	if r := c.Reach; r != nil {
		f.F["reach_river"], f.F["reach_km"] = r.River, strconv.FormatFloat(r.Km, 'f', -1, 64)
		if w := p.atlas.water(r.River); w != nil {
			from, _ := w.stop(r.From)
			to, _ := w.stop(r.To)
			f.F["reach_from"], f.F["reach_to"] = from.in(web.Lang(ctx)), to.in(web.Lang(ctx))
		}
	}
	if c.Radius > 0 {
		f.F["radius"] = strconv.FormatFloat(c.Radius, 'f', -1, 64)
	}
	if c.Hold {
		f.F["hold"] = "on"
	}
	if tpl.ID == c.Template {
		f.F["hours"] = strconv.Itoa(max(1, int(c.Expires.Sub(c.Onset).Hours())))
	}
	return f
}

// read takes a form apart.
func (p *Pages) read(ctx context.Context, r *http.Request, f *form) *Content {
	tpl := f.Template
	c := &Content{Template: tpl.ID, Lang: web.Lang(ctx), Values: map[string]string{}, Onset: web.Now(ctx)}
	take := func(name string) string {
		f.F[name] = strings.TrimSpace(strings.ReplaceAll(r.PostFormValue(name), "\r\n", "\n"))
		return f.F[name]
	}
	add := func(field, key string, args i18n.Args) { f.Errors.Add(field, web.T(ctx, key, args)) }
	if id := take("area"); id != "" {
		c.Areas = append(c.Areas, id)
	}
	for text := range strings.SplitSeq(take("areas"), ";") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		u, ok := p.atlas.Find(text)
		if !ok {
			add("areas", "notice.fault.area", i18n.Args{"value": text})
			continue
		}
		if !slices.Contains(c.Areas, u.ID) {
			c.Areas = append(c.Areas, u.ID)
		}
	}
	for _, s := range tpl.Slots {
		text := take("v_" + s.Name)
		if text == "" && s.Kind == KindPlace && len(c.Areas) > 0 { // where the notice holds
			if u, ok := p.atlas.Unit(c.Areas[0]); ok {
				text = cmp.Or(u.Place.ID, u.Name)
			}
		}
		kept, fault := p.voice.Value(s.Kind, text, zone)
		if fault != "" {
			add("v_"+s.Name, fault, i18n.Args{"value": text})
			kept = "?" // told already
		}
		c.Values[s.Name] = kept
	}
	c.Note, c.Drawing, c.Hold = take("note"), take("drawing"), take("hold") == "on"
	km := func(name string) float64 {
		text := take(name)
		if text == "" {
			return 0
		}
		km, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64)
		if err != nil {
			return -1
		}
		return km
	}
	if c.Radius = km("radius"); !(c.Radius >= 0) {
		add("radius", "notice.fault.radius", nil)
	}
	river, from, to, side := take("reach_river"), take("reach_from"), take("reach_to"), km("reach_km")
	if river != "" {
		reach, fault := p.atlas.Reach(web.Lang(ctx), river, from, to, side)
		if fault != nil {
			add(fault.Field, fault.Key, fault.Args)
		}
		c.Reach = reach
	}
	hours, err := strconv.Atoi(take("hours"))
	if err != nil || hours < 1 || hours > maxHours {
		add("hours", "notice.fault.hours", i18n.Args{"n": maxHours})
		hours = tpl.Hours
	}
	c.Expires = c.Onset.Add(time.Duration(hours) * time.Hour)
	return c
}

// reads is how a form reads so far: what is wrong or missing is left open.
func (p *Pages) reads(ctx context.Context, f *form, c *Content) error {
	draft, all, err := p.draft(ctx, web.Who(ctx).Organisation, f.ID, f.Kind, f.Purpose, f.Template, c)
	if err != nil {
		return err
	}
	f.Messages, f.Renderings = all, p.renderings(draft)
	return nil
}

// live answers with how the form reads, as a piece of a page.
func (p *Pages) live(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	ctx := r.Context()
	b, err := p.Templates(ctx)
	if err != nil {
		return err
	}
	f := form{ID: r.PostFormValue("notice"), Template: b.Find(r.PostFormValue("template")), Purpose: Alert, Kind: store.Kind(r.PostFormValue("kind"))}
	if f.Template == nil {
		return problem.New("notice.live", problem.Invalid, "notice.fault.template", nil)
	}
	if v := Purpose(r.PostFormValue("purpose")); v == Update || v == Cancel {
		f.Purpose = v
	}
	if !f.Kind.Valid() {
		f.Kind = store.Live // the form of what exists does not ask again
	}
	if err := p.reads(ctx, &f, p.open(ctx, r, f)); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, livePart(f.Messages, f.Renderings))
}

// open is what a form holds so far; what could not be read is left open.
func (p *Pages) open(ctx context.Context, r *http.Request, f form) *Content {
	f.F, f.Errors = map[string]string{}, nil
	c := p.read(ctx, r, &f)
	for name, kept := range c.Values {
		if kept == "?" {
			delete(c.Values, name)
		}
	}
	return c
}

// compose shows a form with how it reads.
func (p *Pages) compose(w http.ResponseWriter, r *http.Request, status int, f form) error {
	filled := &http.Request{Form: url.Values{}, PostForm: url.Values{}}
	for name, v := range f.F {
		filled.PostForm.Set(name, v)
	}
	if err := p.reads(r.Context(), &f, p.open(r.Context(), filled, f)); err != nil {
		return err
	}
	return web.Render(w, r, status, composePage(f))
}

// again shows a form with what is wrong; an error that is none of the form's comes back.
func (p *Pages) again(w http.ResponseWriter, r *http.Request, f form, err error) error {
	ctx := r.Context()
	if refused, is := errors.AsType[*Refused](err); is {
		for _, x := range refused.Faults {
			if f.Errors.Of(x.Field) == "" {
				f.Errors.Add(x.Field, web.T(ctx, x.Key, x.Args))
			}
		}
	} else if err != nil {
		return err
	}
	p.choices(ctx, &f)
	roster, err := p.Roster(ctx, web.Who(ctx).Organisation, web.Who(ctx).ID, f.Kind)
	if err != nil {
		return err
	}
	f.Roster = roster
	return p.compose(w, r, http.StatusUnprocessableEntity, f)
}

func (p *Pages) create(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	ctx := r.Context()
	b, err := p.Templates(ctx)
	if err != nil {
		return err
	}
	f := form{Template: b.Find(r.PostFormValue("template")), F: map[string]string{}, Action: root, Back: root + "/new", Purpose: Alert, Kind: store.Kind(r.PostFormValue("kind"))}
	if f.Template == nil {
		return problem.New("notice.create", problem.Invalid, "notice.fault.template", nil)
	}
	c := p.read(ctx, r, &f)
	if len(f.Errors) > 0 {
		return p.again(w, r, f, nil)
	}
	id, err := p.Begin(ctx, actor(ctx), "", f.Kind, Alert, c)
	if err != nil {
		return p.again(w, r, f, err)
	}
	return see(w, r, address(id, ""))
}

func (p *Pages) editForm(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	v, err := p.Show(ctx, r.PathValue("id"), web.Lang(ctx))
	if err != nil {
		return err
	}
	f := p.filled(ctx, v, v.Template)
	f.Action = address(v.ID, "/edit")
	if f.Roster, err = p.Roster(ctx, v.Organisation, web.Who(ctx).ID, v.Kind); err != nil {
		return err
	}
	return p.compose(w, r, http.StatusOK, f)
}

func (p *Pages) edit(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	ctx := r.Context()
	v, err := p.Show(ctx, r.PathValue("id"), web.Lang(ctx))
	if err != nil {
		return err
	}
	f := form{ID: v.ID, Template: v.Template, F: map[string]string{}, Action: address(v.ID, "/edit"), Back: address(v.ID, ""), Purpose: v.Last.Purpose, Kind: v.Kind}
	f.Base, _ = strconv.Atoi(r.PostFormValue("base"))
	c := p.read(ctx, r, &f)
	if len(f.Errors) > 0 {
		return p.again(w, r, f, nil)
	}
	if err := p.Edit(ctx, actor(ctx), v.ID, f.Base, c); err != nil {
		return p.again(w, r, f, err)
	}
	return see(w, r, address(v.ID, ""))
}

// purposeOf reads what a change is for.
func purposeOf(s string) Purpose {
	if Purpose(s) == Cancel {
		return Cancel
	}
	return Update
}

// changeTemplate is the template an update or cancellation begins with.
func (p *Pages) changeTemplate(ctx context.Context, v *Shown, purpose Purpose) (*Template, error) {
	b, err := p.Templates(ctx)
	if err != nil {
		return nil, err
	}
	if purpose == Cancel {
		for _, tpl := range b.InUse() {
			if tpl.Hazard == "all_clear" {
				return tpl, nil
			}
		}
	}
	if tpl := b.Find(v.Template.ID); tpl != nil {
		return tpl, nil
	}
	return v.Template, nil
}

func (p *Pages) changeForm(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	v, err := p.Show(ctx, r.PathValue("id"), web.Lang(ctx))
	if err != nil {
		return err
	}
	purpose := purposeOf(r.URL.Query().Get("purpose"))
	tpl, err := p.changeTemplate(ctx, v, purpose)
	if err != nil {
		return err
	}
	f := p.filled(ctx, v, tpl)
	f.Action, f.Purpose = address(v.ID, "/change"), purpose
	if f.Roster, err = p.Roster(ctx, v.Organisation, web.Who(ctx).ID, v.Kind); err != nil {
		return err
	}
	return p.compose(w, r, http.StatusOK, f)
}

func (p *Pages) change(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	ctx := r.Context()
	v, err := p.Show(ctx, r.PathValue("id"), web.Lang(ctx))
	if err != nil {
		return err
	}
	purpose := purposeOf(r.PostFormValue("purpose"))
	tpl, err := p.changeTemplate(ctx, v, purpose)
	if err != nil {
		return err
	}
	f := form{ID: v.ID, Template: tpl, F: map[string]string{}, Action: address(v.ID, "/change"), Back: address(v.ID, ""), Purpose: purpose, Kind: v.Kind}
	c := p.read(ctx, r, &f)
	if len(f.Errors) > 0 {
		return p.again(w, r, f, nil)
	}
	if _, err := p.Begin(ctx, actor(ctx), v.ID, v.Kind, purpose, c); err != nil {
		return p.again(w, r, f, err)
	}
	return see(w, r, address(v.ID, ""))
}

// sheet is a notice with what the reader may do.
type sheet struct {
	*Shown
	Now    time.Time
	Write  bool
	Answer bool
	Roster Roster
	Errors ui.Errors
	F      map[string]string
	Sure   bool // of the answer: the last question before it goes out
	CAPURL string
	Map    templ.Component
	// Passkey are the options for the browser, "" without one.
	Passkey string
	// Far is that the notice is another node's: here it is only read and answered. Outcome
	// is the step that left nothing to answer there.
	Far     bool
	Outcome string
}

// answerURL is the address of the second person's page.
func (v sheet) answerURL() string {
	if v.Far {
		return farAddress(v.ID)
	}
	return address(v.ID, "/answer")
}

// Size of the map of a notice, so that names can be read on a phone, and how much wider
// it is than the area.
const (
	mapWidth, mapHeight = 420, 315
	mapAround           = 1.6
)

// picture is a map of what is sent, for paper and screens without scripts.
func (p *Pages) picture(rings []Ring, title string) templ.Component {
	v := register.View{Title: title, Width: mapWidth, Height: mapHeight}
	lo, hi := geo.Point{Lat: 90, Lon: 180}, geo.Point{Lat: -90, Lon: -180}
	for _, r := range rings {
		v.Areas = append(v.Areas, r)
		for _, c := range r {
			lo, hi = geo.Point{Lat: min(lo.Lat, c.Lat), Lon: min(lo.Lon, c.Lon)}, geo.Point{Lat: max(hi.Lat, c.Lat), Lon: max(hi.Lon, c.Lon)}
		}
	}
	if len(rings) > 0 {
		v.Centre = geo.Point{Lat: (lo.Lat + hi.Lat) / 2, Lon: (lo.Lon + hi.Lon) / 2}
		d := project(lo, hi)
		v.Metres = max(d.x, d.y*mapWidth/mapHeight) * mapAround
	}
	return p.o.Places.SVG(v)
}

func (p *Pages) sheet(r *http.Request) (v sheet, err error) {
	ctx := r.Context()
	if v.Shown, err = p.Show(ctx, r.PathValue("id"), web.Lang(ctx)); err != nil {
		return v, err
	}
	v.Now, v.F = p.o.Clock.Now(), map[string]string{}
	v.Map = p.picture(v.Content.Rings, v.message(ctx).Area)
	own, err := p.owned(r)
	if err != nil {
		return v, err
	}
	asked, err := p.request(r)
	if err != nil {
		return v, err
	}
	v.Write, v.Answer = web.Can(ctx, mayWrite, own), web.Can(ctx, mayApprove, asked)
	if slices.Contains(v.Last.Writers, web.Who(ctx).ID) {
		v.Answer = false
	}
	if v.Life.Public() == v.Revision-1 || v.Last.State == Cancelled {
		v.CAPURL = publicPath(v.Kind, v.ID, v.Revision)
	}
	v.Roster, err = p.Roster(ctx, v.Organisation, web.Who(ctx).ID, v.Kind)
	return v, err
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	v, err := p.sheet(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, showPage(v))
}

func (p *Pages) history(w http.ResponseWriter, r *http.Request) error {
	v, err := p.sheet(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, historyPage(v))
}

func (p *Pages) capFile(w http.ResponseWriter, r *http.Request) error {
	v, err := p.Show(r.Context(), r.PathValue("id"), web.Lang(r.Context()))
	if err != nil {
		return err
	}
	return send(w, r, v.XML, "application/cap+xml; charset=utf-8")
}

// taken reads which step somebody presses, about which text.
func taken(r *http.Request, permitted ...Step) (e Event, draft bool, err error) {
	e.Step, e.Reason = Step(r.PostFormValue("step")), r.PostFormValue("reason")
	e.Content, _ = strconv.Atoi(r.PostFormValue("content"))
	if !slices.Contains(permitted, e.Step) {
		return e, false, problem.New("notice.taken", problem.Invalid, "notice.fault.step", nil)
	}
	return e, r.PostFormValue("draft") == "on", nil
}

func (p *Pages) take(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	ctx := r.Context()
	e, draft, err := taken(r, Propose, Withdraw, Publish, Drop, Archive)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	err = p.Take(ctx, actor(ctx), id, e, draft)
	if e1, is := errors.AsType[*problem.Error](err); is && e1.Key == "notice.refuse.draft" {
		v, err := p.sheet(r)
		if err != nil {
			return err
		}
		v.Errors.Add("draft", t(ctx, e1.Key))
		return web.Render(w, r, http.StatusConflict, showPage(v))
	}
	if err != nil {
		return err
	}
	return see(w, r, address(id, ""))
}

func (p *Pages) answerForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.sheet(r)
	if err != nil {
		return err
	}
	v.Sure = r.URL.Query().Get("sure") == strconv.Itoa(v.Last.Content)
	return web.Render(w, r, http.StatusOK, answerPage(v))
}

func (p *Pages) answer(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	ctx := r.Context()
	e, draft, err := taken(r, Approve, Refuse)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	err = p.Take(ctx, actor(ctx), id, e, draft)
	if e1, is := errors.AsType[*problem.Error](err); is && (e1.Key == "notice.refuse.draft" || e1.Key == "notice.refuse.reason") {
		v, err := p.sheet(r)
		if err != nil {
			return err
		}
		field := "draft"
		if e.Step == Refuse {
			field = "reason"
		}
		v.Sure = e.Step == Approve
		v.Errors.Add(field, t(ctx, e1.Key))
		return web.Render(w, r, http.StatusUnprocessableEntity, answerPage(v))
	}
	if err != nil {
		return err
	}
	return see(w, r, address(id, "/answer"))
}

func (p *Pages) overrideForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.sheet(r)
	if err != nil {
		return err
	}
	return p.askOverride(w, r, v, http.StatusOK)
}

// askOverride shows the page, with a new question to the passkey: each is answered once.
func (p *Pages) askOverride(w http.ResponseWriter, r *http.Request, v sheet, status int) (err error) {
	if p.Passkey != nil {
		if v.Passkey, err = p.Passkey(r); err != nil {
			return err
		}
	}
	return web.Render(w, r, status, overridePage(v))
}

// confirmed takes the second factor of a form: a code that was written counts more than a
// passkey. It returns the key of what is wrong.
func (p *Pages) confirmed(r *http.Request) (fault string) {
	code, response := strings.TrimSpace(r.PostFormValue("code")), r.PostFormValue("response")
	switch {
	case code != "" || response == "" || p.ConfirmPasskey == nil:
		if code == "" || p.Confirm == nil || p.Confirm(r, code) != nil {
			return "notice.fault.code"
		}
	case p.ConfirmPasskey(r, response) != nil:
		return "notice.fault.passkey"
	}
	return ""
}

// override takes the reason, then the second factor, so that no code is used up in vain.
func (p *Pages) override(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	ctx := r.Context()
	v, err := p.sheet(r)
	if err != nil {
		return err
	}
	e := Event{Step: Override, Reason: strings.TrimSpace(r.PostFormValue("reason"))}
	e.Content, _ = strconv.Atoi(r.PostFormValue("content"))
	draft := r.PostFormValue("draft") == "on"
	v.F["reason"] = e.Reason
	if e.Reason == "" || len(e.Reason) > maxReason {
		v.Errors.Add("reason", t(ctx, "notice.fault.reason"))
	}
	if len(v.Template.Drafts()) > 0 && !draft {
		v.Errors.Add("draft", t(ctx, "notice.refuse.draft"))
	}
	if len(v.Errors) == 0 {
		if fault := p.confirmed(r); fault != "" {
			v.Errors.Add("code", t(ctx, fault))
		}
	}
	if len(v.Errors) > 0 {
		return p.askOverride(w, r, v, http.StatusUnprocessableEntity)
	}
	e.Second = true
	if err := p.Take(ctx, actor(ctx), v.ID, e, draft); err != nil {
		return err
	}
	return see(w, r, address(v.ID, ""))
}

func (p *Pages) review(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	e := Event{Step: Review, Reason: r.PostFormValue("reason"), Right: r.PostFormValue("right") == "yes"}
	id := r.PathValue("id")
	if err := p.Take(r.Context(), actor(r.Context()), id, e, true); err != nil {
		return err
	}
	return see(w, r, address(id, ""))
}
