package console

import (
	"context"
	_ "embed"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"trojmezi/internal/exchange/agreement"
	"trojmezi/internal/kernel/access"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/store"
	"trojmezi/internal/kernel/web"
)

//go:embed policy.cedar
var policy []byte

// Policy returns the module's access rules.
func Policy() []byte { return policy }

// Actions of the policy.
const (
	mayQueue = "console.queue.read"
	mayRead  = "console.incident.read"
	mayAct   = "console.incident.act"
	maySend  = "console.handover.send"
	mayAlarm = "console.alarm.act"
	mayShift = "console.shift.read"
	mayDuty  = "console.shift.act"
	mayLink  = "console.link.read"
	mayRaw   = "console.raw.read"
)

// Nav returns the console's tasks.
func Nav() []web.NavItem {
	return []web.NavItem{
		{Section: "console", Key: "console.p.nav.console", URL: "/console", Action: mayQueue},
		{Section: "handover", Key: "console.p.nav.handover", URL: "/console/handover", Action: maySend},
		{Section: "shift", Key: "console.p.nav.shift", URL: "/console/shift", Action: mayShift},
		{Section: "archive", Key: "console.p.nav.archive", URL: "/console/archive", Action: mayArchive},
		{Section: "neighbours", Key: "console.p.neighbours", URL: "/console/neighbours", Action: mayLink},
		{Section: "retention", Key: "console.p.nav.retention", URL: "/console/retention", Action: setRetention},
		{Section: "technical", Key: "console.p.nav.technical", URL: "/console/technical", Action: mayRaw},
	}
}

// formLimit bounds what a form may send: a hand-over with a long log is some
// ten kilobytes.
const formLimit = 256 << 10

// Pages are the console's screens.
type Pages struct {
	*Service
	// Alive reports whether a person's session may still be served as he was: a
	// stream ends with its session. nil: all may.
	Alive func(ctx context.Context, who *web.Person) bool
	// Colleagues lists who can take over a shift of an organisation; nil: only who
	// is on duty.
	Colleagues func(ctx context.Context, org string) ([]Colleague, error)
	// Operator is the resource of who operates the node, for what holds for all
	// its organisations; nil: each is its own operator.
	Operator web.Operator

	// Agreements answers at an incident whether forces may cross the border; nil: nothing
	// is said of it.
	Agreements *agreement.Pages

	places   *register.Register
	hub      *hub
	names    placeNames
	exported int // incidents in a file of the archive at most
}

// Colleague is a person of the organisation who works at the console.
type Colleague struct{ ID, Name string }

// NewPages returns the screens of s; places finds municipalities, nil finds none.
func NewPages(s *Service, places *register.Register) *Pages {
	p := &Pages{Service: s, places: places, exported: ExportHits}
	p.hub = newHub(p)
	return p
}

// Register adds the console's routes.
func (p *Pages) Register(rt *web.Router) {
	p.registerArchive(rt)
	p.registerPhrases(rt)
	read, act := web.MayOn(mayRead, p.incidentOf), web.MayOn(mayAct, p.incidentOf)
	alarm := web.MayOn(mayAlarm, p.alarmOf)
	const one = "/console/incidents/{id}"
	for _, route := range []struct {
		pattern string
		guard   web.Guard
		handler web.Handler
	}{
		{"GET /console", web.May(mayQueue), p.room},
		{"GET /console/stream", web.May(mayQueue), p.stream},
		{"POST /console/sound", web.May(mayAlarm), p.sound},
		{"GET /console/open", web.May(mayQueue), p.overview},
		{"GET /console/help", web.May(mayQueue), p.help},

		{"GET " + one, read, p.room},
		{"GET " + one + "/print", read, p.print},
		{"GET " + one + "/protocol.pdf", read, p.protocolFile},
		{"GET " + one + "/form.pdf", read, p.formFile},
		{"GET /console/form.pdf", web.May(maySend), p.formFile},
		{"GET " + one + "/forms/{form}", act, p.agreementForm},
		{"POST " + one + "/forms/{form}", act, p.agreementFile},
		{"POST " + one + "/open", act, p.open},
		{"POST " + one + "/claim", act, p.claim},
		{"POST " + one + "/unclaim", act, p.unclaim},
		{"GET " + one + "/accept", act, p.acceptForm},
		{"POST " + one + "/accept", act, p.accept},
		{"GET " + one + "/reject", act, p.rejectForm},
		{"POST " + one + "/reject", act, p.reject},
		{"GET " + one + "/message", act, p.messageForm},
		{"POST " + one + "/message", act, p.message},
		{"POST " + one + "/ask", act, p.askFor},
		{"POST " + one + "/give", act, p.giveWithheld},
		{"POST " + one + "/begin", act, p.begin},
		{"GET " + one + "/complete", act, p.endForm},
		{"POST " + one + "/complete", act, p.complete},
		{"GET " + one + "/abort", act, p.endForm},
		{"POST " + one + "/abort", act, p.abort},
		{"GET " + one + "/withdraw", act, p.withdrawForm},
		{"POST " + one + "/withdraw", act, p.withdraw},
		{"GET " + one + "/telephone", act, p.telephoneForm},
		{"POST " + one + "/telephone", act, p.telephone},
		{"POST " + one + "/close", act, p.putAway},
		{"GET " + one + "/merge", act, p.mergeForm},
		{"POST " + one + "/merge", act, p.merge},
		{"POST " + one + "/apart", act, p.apart},
		{"POST " + one + "/separate", act, p.separate},
		{"POST " + one + "/edit", act, p.edit},
		{"POST " + one + "/leave", act, p.leaveEdit},
		{"GET " + one + "/change", act, p.changeForm},
		{"POST " + one + "/change", act, p.change},
		{"POST " + one + "/pass", act, p.pass},
		{"POST " + one + "/flow", act, p.flow},
		{"GET " + one + "/resources", act, p.resourcesForm},
		{"POST " + one + "/resources", act, p.resources},
		{"GET " + one + "/units", act, p.unitsForm},
		{"POST " + one + "/units", act, p.askUnit},

		{"GET /console/requests/{id}", web.MayOn(mayAct, p.handoverOf), p.requestForm},
		{"POST /console/requests/{id}", web.MayOn(mayAct, p.handoverOf), p.request},

		{"GET /console/handover", web.May(maySend), p.composeForm},
		{"POST /console/handover", web.May(maySend), p.compose},
		{"GET /console/handover/find", web.May(maySend), p.find},
		{"GET /console/handover/preview", web.May(maySend), p.preview},
		{"POST /console/drafts", web.May(maySend), p.saveDraft},
		{"POST /console/drafts/{id}/drop", web.May(maySend), p.dropDraftOf},

		{"GET /console/alarms", web.May(mayQueue), p.alarmList},
		{"POST /console/alarms/{id}/see", alarm, p.see},
		{"GET /console/alarms/{id}/shelve", alarm, p.shelveForm},
		{"POST /console/alarms/{id}/shelve", alarm, p.shelve},
		{"POST /console/alarms/{id}/unshelve", alarm, p.unshelve},
		{"GET /console/alarms/{id}/telephone", alarm, p.calledForm},
		{"POST /console/alarms/{id}/telephone", alarm, p.called},
		{"POST /console/alarms/{id}/no-answer", alarm, p.noAnswer},

		{"GET /console/shift", web.May(mayShift), p.shiftPage},
		{"POST /console/shift/start", web.May(mayDuty), p.startShift},
		{"POST /console/shift/end", web.May(mayDuty), p.endShift},
		{"POST /console/shift/{id}/take", web.MayOn(mayDuty, p.shiftOf), p.takeShift},

		{"GET /console/technical", web.May(mayRaw), p.technical},
		{"GET " + one + "/raw", web.MayOn(mayRaw, p.incidentOf), p.rawList},
		{"GET " + one + "/raw/{entry}", web.MayOn(mayRaw, p.incidentOf), p.raw},
	} {
		rt.Page(route.pattern, route.guard, route.handler)
	}
}

// actor is the person of the request, at work for his organisation.
func actor(r *http.Request) Actor {
	w := web.Who(r.Context())
	return Actor{Person: w.ID, Org: w.Organisation}
}

// belongs finds the organisation a record belongs to. Two control rooms of one
// node may share an incident: then the person's own record is meant.
func (p *Pages) belongs(r *http.Request, kind, query string, id any) (access.Resource, error) {
	const op = "console.object"
	mine := web.Who(r.Context()).Organisation
	org := ""
	err := p.DB.Read(r.Context(), func(tx *store.Tx) error {
		return tx.Row(query+` ORDER BY CASE WHEN org = $2 THEN 0 ELSE 1 END LIMIT 1`, id, mine).Scan(&org)
	})
	if errors.Is(err, store.ErrNoRows) {
		return access.Resource{}, problem.New(op, problem.NotFound, "console.d.refuse.not_found", nil)
	}
	if err != nil {
		return access.Resource{}, problem.Wrap(op, err)
	}
	return access.Resource{Type: kind, ID: r.PathValue("id"), Attributes: map[string]any{"organisation": org}}, nil
}

func (p *Pages) incidentOf(r *http.Request) (access.Resource, error) {
	return p.belongs(r, "Incident", `SELECT org FROM console_incident WHERE id = $1`, r.PathValue("id"))
}

func (p *Pages) alarmOf(r *http.Request) (access.Resource, error) {
	return p.belongs(r, "Alarm", `SELECT org FROM console_alarm WHERE id = $1`, r.PathValue("id"))
}

func (p *Pages) shiftOf(r *http.Request) (access.Resource, error) {
	return p.belongs(r, "Shift", `SELECT org FROM console_shift WHERE id = $1`, r.PathValue("id"))
}

func (p *Pages) handoverOf(r *http.Request) (access.Resource, error) {
	n, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return access.Resource{}, problem.New("console.object", problem.NotFound, "console.d.refuse.not_found", nil)
	}
	return p.belongs(r, "Handover", `SELECT org FROM console_handover WHERE entry = $1`, n)
}

// form reads a posted form; a body that is too large is an error.
func form(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	if err := r.ParseForm(); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return err
		}
		return &problem.Error{Op: "console.form", Kind: problem.Invalid, Err: err}
	}
	return nil
}

func field(r *http.Request, name string) string { return strings.TrimSpace(r.PostFormValue(name)) }

// formNumber reads a hand-over's number from form or query; 0 when there is none.
func formNumber(r *http.Request, name string) int64 {
	n, _ := strconv.ParseInt(r.FormValue(name), 10, 64)
	return n
}

// injured reads the number of injured: nil for an empty field.
func injured(s string) (*int, bool) {
	if s = strings.TrimSpace(s); s == "" {
		return nil, true
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return nil, false
	}
	return &n, true
}

func back(w http.ResponseWriter, r *http.Request, target string) error {
	http.Redirect(w, r, target, http.StatusSeeOther)
	return nil
}

func incidentURL(id string) string { return "/console/incidents/" + url.PathEscape(id) }
func alarmURL(id string) string    { return "/console/alarms/" + url.PathEscape(id) }

// refusal tells a person's mistake from a failure: the text of the first, "" and
// the error itself for the second.
func refusal(ctx context.Context, err error) (*problem.Error, string) {
	e, ok := errors.AsType[*problem.Error](err)
	if !ok || e.Key == "" || e.Kind != problem.Invalid && e.Kind != problem.Conflict {
		return nil, ""
	}
	return e, web.T(ctx, e.Key, e.Args)
}

// done ends an action: to target, or to a page that says why it was not possible.
func (p *Pages) done(w http.ResponseWriter, r *http.Request, err error, target string) error {
	e, text := refusal(r.Context(), err)
	if e == nil {
		if err != nil {
			return err
		}
		return back(w, r, target)
	}
	status := http.StatusConflict
	if e.Kind == problem.Invalid {
		status = http.StatusUnprocessableEntity
	}
	return p.conflict(w, r, status, "console.p.conflict.title", text, target)
}

// conflict says why an action was not possible. The page rings like every other:
// somebody may look at it for a while.
func (p *Pages) conflict(w http.ResponseWriter, r *http.Request, status int, titleKey, text, target string) error {
	s := p.shell(r, titleKey)
	if web.Can(r.Context(), mayQueue, web.Organisation(web.Who(r.Context()).Organisation)) {
		v, err := p.screenOf(r)
		if err != nil {
			return err
		}
		s = p.live(r, s, v)
		s.Form = true // it is the answer to a form: asked for again it would be no page
	}
	return web.Render(w, r, status, conflictPage(s, text, target))
}

// shell is the frame of a console page that is a form or a list.
func (p *Pages) shell(r *http.Request, titleKey string) web.Shell {
	return web.Shell{
		Title: web.T(r.Context(), titleKey, nil), Section: "console", Density: "console",
		Styles: []string{"map.css", "console.css"}, Scripts: []string{"map.js", "console.js", "phrase.js"},
	}
}

// live makes the page of a shell one that rings and refreshes. The page has a
// number of its own, so that what is known of its sound outlives its stream.
func (p *Pages) live(r *http.Request, s web.Shell, v *screen) web.Shell {
	q := url.Values{"page": {p.Clock.NewID()}, "last-event-id": {v.mark}}
	if v.act {
		s.Sound = "/console/sound?page=" + q.Get("page")
	}
	if v.queued {
		q.Set("queue", "yes")
		if v.incident != nil {
			q.Set("incident", v.incident.ID)
		}
	}
	s.Stream = "/console/stream?" + q.Encode()
	s.Strip, s.Foot = stripRegion(v), footRegion(v)
	s.Alarms = v.waiting()
	return s
}

// screen is what the pages and regions of an organisation show at one moment. It
// holds nothing of a person: regions are drawn once for all of a room.
type screen struct {
	pages    *Pages
	org      Org
	queue    Queue
	last     *Row // closed last today
	strip    Strip
	rooms    []Room
	consoles []Console
	incident *Incident
	act      bool   // buttons are shown
	mark     string // of the stream, taken before anything was read
	queued   bool   // the page shows the queue
	chosen   bool   // the incident is the one of the address
	filter   string
	tab      string // "", "messages" or "map": seen below 1500 px
}

// read builds the screen of an organisation.
func (p *Pages) read(ctx context.Context, org string) (*screen, error) {
	v := &screen{pages: p}
	var err error
	if v.org, err = p.Organisation(ctx, org); err != nil {
		return nil, err
	}
	if v.queue, err = p.Queue(ctx, org, Filter{}); err != nil {
		return nil, err
	}
	closed, err := p.Queue(ctx, org, Filter{Closed: true, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(closed.Rows) > 0 {
		v.last = &closed.Rows[0]
	}
	if v.strip, err = p.Alarms(ctx, org); err != nil {
		return nil, err
	}
	if v.rooms, err = p.Rooms(ctx, org); err != nil {
		return nil, err
	}
	v.consoles, err = p.Consoles(ctx, org)
	return v, err
}

// screenOf is the screen of the request's person.
func (p *Pages) screenOf(r *http.Request) (*screen, error) {
	org := web.Who(r.Context()).Organisation
	mark := p.hub.mark(org)
	v, err := p.read(r.Context(), org)
	if err != nil {
		return nil, err
	}
	v.mark = mark
	v.act = web.Can(r.Context(), mayAct, web.Organisation(v.org.ID))
	return v, nil
}

// with adds an incident.
func (v *screen) with(i *Incident) *screen {
	c := *v
	c.incident = i
	return &c
}

// waiting is how many alarms wait for a person.
func (v *screen) waiting() int { return v.strip.Waiting() }

// kind is what the page is marked as: an exercise or a test when nothing real is
// open or asks for a person. With real work the incident is marked and not the page,
// since nothing real may ring under "no real danger".
func (v *screen) kind() store.Kind {
	switch {
	case v.real():
		return store.Live
	case v.incident != nil && v.chosen:
		return v.incident.Kind
	case len(v.queue.Kinds) == 1:
		return v.queue.Kinds[0]
	}
	return store.Live
}

// real reports whether anything real is open or asks for a person.
func (v *screen) real() bool {
	return slices.Contains(v.queue.Kinds, store.Live) ||
		slices.ContainsFunc(v.strip.Alarms, func(a Alarm) bool { return a.Kind == store.Live && a.Ended.IsZero() })
}

// room is the console: the queue, and the incident of the address beside it.
func (p *Pages) room(w http.ResponseWriter, r *http.Request) error {
	v, err := p.screenOf(r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	v.chosen = id != ""
	if !v.chosen && len(v.queue.Rows) > 0 && web.Can(r.Context(), mayRead, web.Organisation(v.org.ID)) {
		// Beside the queue stands what needs a person most; looking is not opening.
		id = v.queue.Rows[0].ID
	}
	if id != "" {
		i, err := p.Incident(r.Context(), v.org.ID, id)
		if err != nil {
			return err
		}
		v = v.with(i)
	}
	v.filter = strings.TrimSpace(r.URL.Query().Get("q"))
	if tab := r.URL.Query().Get("tab"); tab == "messages" || tab == "map" {
		v.tab = tab
	}
	return p.renderRoom(w, r, http.StatusOK, v, "", "")
}

// renderRoom draws the console; draft and fault are of a message that was not sent.
func (p *Pages) renderRoom(w http.ResponseWriter, r *http.Request, status int, v *screen, draft, fault string) error {
	v.queued = true
	s := p.live(r, p.shell(r, "console.p.title"), v)
	if v.chosen {
		s.Title = v.what(r.Context(), v.incident.Row)
	}
	s.Kind = v.kind()
	return web.Render(w, r, status, roomPage(s, v, compose{Text: draft, Error: fault, Once: p.Clock.NewID()}))
}

// compose is the field for a message beside the thread.
type compose struct{ Text, Error, Once string }

// rows are those the filter lets through, and whether it held any back.
func (v *screen) rows(ctx context.Context) []Row {
	if v.filter == "" {
		return v.queue.Rows
	}
	return slices.DeleteFunc(slices.Clone(v.queue.Rows), func(r Row) bool {
		text := strings.ToLower(strings.Join([]string{v.what(ctx, r), v.place(ctx, r.Place), r.Name, v.state(ctx, r)}, " "))
		return !strings.Contains(text, strings.ToLower(v.filter))
	})
}

// overview is the state of all open incidents, for paper.
func (p *Pages) overview(w http.ResponseWriter, r *http.Request) error {
	v, err := p.screenOf(r)
	if err != nil {
		return err
	}
	s := p.shell(r, "console.p.open.title")
	s.Kind = v.kind()
	return web.Render(w, r, http.StatusOK, overviewPage(s, v))
}

func (p *Pages) help(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, http.StatusOK, helpPage(p.shell(r, "console.p.help.title")))
}

// print is the whole record of an incident for paper.
func (p *Pages) print(w http.ResponseWriter, r *http.Request) error {
	v, err := p.screenOf(r)
	if err != nil {
		return err
	}
	i, err := p.Incident(r.Context(), v.org.ID, r.PathValue("id"))
	if err != nil {
		return err
	}
	v, v.act = v.with(i), false
	s := p.shell(r, "console.p.title")
	s.Title, s.Kind, s.Density = v.what(r.Context(), i.Row), i.Kind, ""
	return web.Render(w, r, http.StatusOK, printPage(s, v))
}

// say is a text in a language that need not be the reader's.
func (p *Pages) say(l i18n.Lang, key string, args i18n.Args) string {
	return p.Texts.Text(l, key, args)
}
