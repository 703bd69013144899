package console

import (
	"net/http"
	"strconv"
	"strings"

	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/web"
	"trojmezi/internal/kernel/web/ui"
)

// one reads the incident of the address with the screen around it.
func (p *Pages) one(r *http.Request) (*screen, error) {
	v, err := p.screenOf(r)
	if err != nil {
		return nil, err
	}
	i, err := p.Incident(r.Context(), v.org.ID, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	v.chosen = true
	return v.with(i), nil
}

// handover is the one a form is about; problem NotFound when it is none of the
// incident's.
func (v *screen) handover(id int64) (*Handover, error) {
	for n := range v.incident.Handovers {
		if v.incident.Handovers[n].ID == id {
			return &v.incident.Handovers[n], nil
		}
	}
	return nil, problem.New("console.handover", problem.NotFound, "console.d.refuse.not_found", nil)
}

// step is a page that asks before something is done about a hand-over.
type step struct {
	Handover *Handover
	Once     string
	Place    string
	Injured  string
	Reason   string
	Other    string // a reason of one's own
	With     string
	Action   string // "complete" or "abort"
	Errors   ui.Errors
}

// stepPage reads what every such page needs.
func (p *Pages) step(r *http.Request) (*screen, step, error) {
	v, err := p.one(r)
	if err != nil {
		return nil, step{}, err
	}
	h, err := v.handover(formNumber(r, "handover"))
	once := field(r, "once")
	if once == "" {
		once = p.Clock.NewID()
	}
	return v, step{Handover: h, Once: once}, err
}

// formShell is the frame of a page about the incident, which still rings.
func (p *Pages) formShell(r *http.Request, v *screen, key string) web.Shell {
	s := p.live(r, p.shell(r, key), v)
	s.Kind, s.Form = v.kind(), true
	return s
}

// open notes that a person reads the incident: it falls silent on all consoles.
// The claim comes along, since who opens it is the one who handles it; somebody
// else's claim stays.
func (p *Pages) open(w http.ResponseWriter, r *http.Request) error {
	id, who := r.PathValue("id"), actor(r)
	if err := p.Open(r.Context(), who, id); err != nil {
		return p.done(w, r, err, incidentURL(id))
	}
	if err := p.Claim(r.Context(), who, id); err != nil && problem.KindOf(err) != problem.Conflict {
		return err
	}
	return back(w, r, incidentURL(id))
}

func (p *Pages) claim(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	return p.done(w, r, p.Claim(r.Context(), actor(r), id), incidentURL(id))
}

func (p *Pages) unclaim(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	return p.done(w, r, p.Unclaim(r.Context(), actor(r), id), incidentURL(id))
}

// acceptForm asks to confirm place and number of injured, in the reader's language.
func (p *Pages) acceptForm(w http.ResponseWriter, r *http.Request) error {
	v, s, err := p.step(r)
	if err != nil {
		return err
	}
	s.Place = s.Handover.Stated.Place
	if n := s.Handover.Stated.Injured; n != nil {
		s.Injured = strconv.Itoa(*n) // it is sent back as it stands
	}
	return web.Render(w, r, http.StatusOK, acceptPage(p.formShell(r, v, "console.p.accept.title"), v, s))
}

func (p *Pages) accept(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	target := incidentURL(r.PathValue("id"))
	n, ok := injured(field(r, "injured"))
	if ok {
		return p.done(w, r, p.Accept(r.Context(), actor(r), formNumber(r, "handover"), Confirm{Place: field(r, "place"), Injured: n}, field(r, "once")), target)
	}
	v, s, err := p.step(r)
	if err != nil {
		return err
	}
	s.Place, s.Injured = field(r, "place"), field(r, "injured")
	s.Errors.Add("injured", web.T(r.Context(), "console.d.refuse.injured", nil))
	return web.Render(w, r, http.StatusUnprocessableEntity, acceptPage(p.formShell(r, v, "console.p.accept.title"), v, s))
}

// reasons of a rejection that are offered; the last is one's own words.
var reasons = []string{"capacity", "area", "recipient", "duplicate"}

const ownReason = "other"

func (p *Pages) rejectForm(w http.ResponseWriter, r *http.Request) error {
	v, s, err := p.step(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, rejectPage(p.formShell(r, v, "console.p.reject.title"), v, s))
}

func (p *Pages) reject(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	ctx := r.Context()
	v, s, err := p.step(r)
	if err != nil {
		return err
	}
	s.Reason, s.Other = field(r, "reason"), field(r, "other")
	reason := ""
	for _, k := range reasons {
		if s.Reason == k {
			// The neighbour reads it in the control room's language.
			reason = p.say(v.org.Lang, "console.p.reason."+k, nil)
		}
	}
	reason = strings.Join(compact([]string{reason, s.Other}), ": ")
	if reason != "" {
		return p.done(w, r, p.Reject(ctx, actor(r), s.Handover.ID, reason, s.Once), incidentURL(v.incident.ID))
	}
	f := "reason"
	if s.Reason == ownReason {
		f = "other"
	}
	s.Errors.Add(f, web.T(ctx, "console.d.refuse.reason", nil))
	return web.Render(w, r, http.StatusUnprocessableEntity, rejectPage(p.formShell(r, v, "console.p.reject.title"), v, s))
}

// message sends a text to all neighbours of the incident.
func (p *Pages) message(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	ctx, id, text := r.Context(), r.PathValue("id"), field(r, "text")
	target := incidentURL(id)
	if tab := field(r, "tab"); tab == "messages" {
		target += "?tab=messages"
	}
	err := p.Text(ctx, actor(r), id, nil, text, field(r, "once"))
	e, fault := refusal(ctx, err)
	if e == nil {
		if err != nil {
			return err
		}
		return back(w, r, target)
	}
	v, err := p.one(r)
	if err != nil {
		return err
	}
	if field(r, "page") == "own" {
		return web.Render(w, r, http.StatusUnprocessableEntity, messagePage(p.formShell(r, v, "console.p.message.title"), v, compose{Text: text, Error: fault, Once: field(r, "once")}))
	}
	v.tab = "messages"
	return p.renderRoom(w, r, http.StatusUnprocessableEntity, v, text, fault)
}

// messageForm is the page of its own for a text.
func (p *Pages) messageForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.one(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, messagePage(p.formShell(r, v, "console.p.message.title"), v, compose{Once: p.Clock.NewID()}))
}

func (p *Pages) begin(w http.ResponseWriter, r *http.Request) error {
	return p.done(w, r, p.Begin(r.Context(), actor(r), formNumber(r, "handover")), incidentURL(r.PathValue("id")))
}

// endForm asks how an incident ended: "complete" or "abort", by the address.
func (p *Pages) endForm(w http.ResponseWriter, r *http.Request) error {
	v, s, err := p.step(r)
	if err != nil {
		return err
	}
	s.Action = "complete"
	if strings.HasSuffix(r.URL.Path, "/abort") {
		s.Action = "abort"
	}
	return web.Render(w, r, http.StatusOK, endPage(p.formShell(r, v, "console.p."+s.Action+".title"), v, s))
}

func (p *Pages) complete(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	return p.done(w, r, p.Complete(r.Context(), actor(r), formNumber(r, "handover"), field(r, "note"), field(r, "once")), incidentURL(r.PathValue("id")))
}

func (p *Pages) abort(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	return p.done(w, r, p.Abort(r.Context(), actor(r), formNumber(r, "handover"), field(r, "note"), field(r, "once")), incidentURL(r.PathValue("id")))
}

func (p *Pages) putAway(w http.ResponseWriter, r *http.Request) error {
	return p.done(w, r, p.Close(r.Context(), actor(r), r.PathValue("id")), incidentURL(r.PathValue("id")))
}

func (p *Pages) withdrawForm(w http.ResponseWriter, r *http.Request) error {
	v, s, err := p.step(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, withdrawPage(p.formShell(r, v, "console.p.withdraw.title"), v, s))
}

// withdraw takes a hand-over back. When it was too late the page says so and
// offers the telephone.
func (p *Pages) withdraw(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	target := incidentURL(r.PathValue("id"))
	ok, err := p.Withdraw(r.Context(), actor(r), formNumber(r, "handover"))
	if err == nil && !ok {
		return p.conflict(w, r, http.StatusConflict, "console.p.withdraw.late", web.T(r.Context(), "console.p.withdraw.late.text", nil), target)
	}
	return p.done(w, r, err, target)
}

func (p *Pages) telephoneForm(w http.ResponseWriter, r *http.Request) error {
	v, s, err := p.step(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, telephonePage(p.formShell(r, v, "console.p.telephone.title"), v, s, nil))
}

// telephone records that a neighbour's person took a hand-over over orally.
func (p *Pages) telephone(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	ctx := r.Context()
	v, s, err := p.step(r)
	if err != nil {
		return err
	}
	if s.With = field(r, "with"); s.With != "" {
		return p.done(w, r, p.TakenOverByTelephone(ctx, actor(r), s.Handover.ID, s.With, s.Once), incidentURL(v.incident.ID))
	}
	s.Errors.Add("with", web.T(ctx, "console.d.refuse.with", nil))
	return web.Render(w, r, http.StatusUnprocessableEntity, telephonePage(p.formShell(r, v, "console.p.telephone.title"), v, s, nil))
}

// wish is the form that asks neighbours for resources.
type wish struct {
	To      []string
	Want    string // one resource a line
	Comment string
	Once    string
	Errors  ui.Errors
}

func (p *Pages) resourcesForm(w http.ResponseWriter, r *http.Request) error {
	v, err := p.one(r)
	if err != nil {
		return err
	}
	a := wish{Once: p.Clock.NewID()}
	if len(v.incident.Handovers) > 0 {
		a.To = []string{v.incident.Handovers[0].OID}
	}
	return web.Render(w, r, http.StatusOK, resourcesPage(p.formShell(r, v, "console.p.resources.title"), v, a))
}

func (p *Pages) resources(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	ctx := r.Context()
	v, err := p.one(r)
	if err != nil {
		return err
	}
	a := wish{To: r.PostForm["to"], Want: r.PostFormValue("want"), Comment: field(r, "comment"), Once: field(r, "once")}
	ask := Resources{To: a.To, Comment: a.Comment}
	for _, l := range lineList(a.Want) {
		ask.Want = append(ask.Want, Request{Type: l, Name: l})
	}
	err = p.RequestResources(ctx, actor(r), v.incident.ID, ask, a.Once)
	e, fault := refusal(ctx, err)
	if e == nil {
		if err != nil {
			return err
		}
		return back(w, r, incidentURL(v.incident.ID))
	}
	f := ""
	switch e.Key {
	case "console.d.refuse.resources":
		f = "want"
	case "console.d.refuse.no_receiver", "console.d.refuse.mixed", "console.d.refuse.drill":
		f = "to"
	}
	a.Errors.Add(f, fault)
	return web.Render(w, r, http.StatusUnprocessableEntity, resourcesPage(p.formShell(r, v, "console.p.resources.title"), v, a))
}

func lineList(s string) []string {
	var out []string
	for l := range strings.Lines(s) {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}

// answers is the form that answers a neighbour's request.
type answers struct {
	Request string // the wanted resource it is about
	Status  string
	Units   string
	Comment string
	Once    string
	Errors  ui.Errors
}

// asking finds the request of the address and the incident it belongs to.
func (p *Pages) asking(r *http.Request) (*screen, *Handover, error) {
	v, err := p.screenOf(r)
	if err != nil {
		return nil, nil, err
	}
	id, incident := formNumber(r, "id"), ""
	if id == 0 {
		id = pathNumber(r)
	}
	if incident, err = p.incidentOfHandover(r.Context(), v.org.ID, id); err != nil {
		return nil, nil, err
	}
	i, err := p.Incident(r.Context(), v.org.ID, incident)
	if err != nil {
		return nil, nil, err
	}
	v = v.with(i)
	h, err := v.handover(id)
	if err == nil && (!h.Incoming || h.App != appRequest) {
		err = problem.New("console.request", problem.NotFound, "console.d.refuse.not_found", nil)
	}
	return v, h, err
}

func (p *Pages) requestForm(w http.ResponseWriter, r *http.Request) error {
	v, h, err := p.asking(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, requestPage(p.formShell(r, v, "console.p.request.title"), v, h, answers{Once: p.Clock.NewID()}))
}

func (p *Pages) request(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	ctx := r.Context()
	v, h, err := p.asking(r)
	if err != nil {
		return err
	}
	a := answers{Request: field(r, "request"), Status: field(r, "status"), Units: r.PostFormValue("units"), Comment: field(r, "comment"), Once: field(r, "once")}
	answer := Answer{Request: a.Request, Status: a.Status, Comment: a.Comment}
	kind := ""
	for _, q := range h.Requests {
		if q.ID == a.Request || a.Request == "" && len(h.Requests) == 1 {
			kind = q.Type
		}
	}
	for _, l := range lineList(a.Units) {
		answer.Units = append(answer.Units, Unit{Name: l, Type: kind})
	}
	err = p.AnswerRequest(ctx, actor(r), h.ID, answer, a.Once)
	e, fault := refusal(ctx, err)
	if e == nil {
		if err != nil {
			return err
		}
		for _, q := range v.incident.Resources {
			if q.Handover == h.ID && q.ID != a.Request && q.Status == ResourceAsked && len(h.Requests) > 1 {
				return back(w, r, "/console/requests/"+itoa(h.ID))
			}
		}
		return back(w, r, incidentURL(v.incident.ID))
	}
	f := ""
	switch e.Key {
	case "console.d.refuse.units":
		f = "units-" + a.Request
	case "console.d.refuse.status":
		f = "status-" + a.Request
	}
	a.Errors.Add(f, fault)
	return web.Render(w, r, http.StatusUnprocessableEntity, requestPage(p.formShell(r, v, "console.p.request.title"), v, h, a))
}
